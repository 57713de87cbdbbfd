//! YAML as kubectl reads it (go-yaml v2: YAML 1.1 scalars, first document only), with the line of every node.
//!
//! libyaml (serde_norway) says whether a text is YAML, because kubectl's errors are libyaml's; saphyr's events give
//! values and lines. No error text from here quotes the document: it may hold secrets.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::LazyLock;

use base64::Engine as _;
use regex::Regex;
use saphyr_parser::{Event, Parser, ScalarStyle, Tag};
use serde::Deserialize as _;

use crate::text::{nested_too_deep, wide};

/// A YAML (or JSON) value and where it stands. It has no Debug: it may hold secrets.
#[derive(Clone)]
pub struct Node {
    /// 1-based line; 0 when unknown.
    pub line: u64,
    /// The value.
    pub value: Value,
}

/// A value with the types that Go's YAML 1.1 resolver gives.
#[derive(Clone)]
pub enum Value {
    /// `null`, `~` or nothing.
    Null,
    /// A boolean, `yes` and `on` included.
    Bool(bool),
    /// A number as written.
    Number(String),
    /// A string.
    Text(String),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping in the file's order; of equal keys the last one stays, at the place of the first.
    Map(Vec<(String, Node)>),
}

/// Why a text is not YAML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct YamlError {
    /// kubectl's words, e.g. `yaml: line 5: did not find expected key`.
    pub text: String,
    /// The 1-based line where the fault is (kubectl's own number may be one less).
    pub line: Option<u64>,
}

/// Nodes deeper than this are refused (Go stops at 10,000).
const DEEPEST: usize = 100;

/// Nodes that one document may have, aliases expanded.
const MOST_NODES: usize = 500_000;

/// Reads the first document of a text.
///
/// # Errors
/// [`YamlError`] when libyaml refuses it, or when it is nested or expanded beyond reason.
pub fn parse(bytes: &[u8]) -> Result<Node, YamlError> {
    let text = decode(bytes)?;
    if let Some(line) = nested_too_deep(&text) {
        return Err(too_deep(line));
    }
    syntax(&text)?;
    match events(&text) {
        Ok(node) => Ok(node),
        Err(Trouble::Refused(error)) => Err(error),
        // The two parsers disagree: libyaml's word counts, and the lines are unknown.
        Err(Trouble::Disagrees) => {
            let document = serde_norway::Deserializer::from_str(&text).next();
            let value = document.map(serde_norway::Value::deserialize).transpose();
            match value {
                Ok(value) => Ok(from_norway(value.unwrap_or(serde_norway::Value::Null))),
                Err(error) if error.to_string().starts_with("recursion limit") => Err(too_deep(0)),
                Err(_) => Err(YamlError { text: "yaml: the document cannot be read".to_owned(), line: None }),
            }
        }
    }
}

/// A JSON value as nodes without lines.
pub fn from_json(value: &serde_json::Value) -> Node {
    let value = match value {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(value) => Value::Bool(*value),
        serde_json::Value::Number(value) => Value::Number(value.to_string()),
        serde_json::Value::String(value) => Value::Text(value.clone()),
        serde_json::Value::Array(items) => Value::List(items.iter().map(from_json).collect()),
        serde_json::Value::Object(fields) => {
            Value::Map(fields.iter().map(|(key, value)| (key.clone(), from_json(value))).collect())
        }
    };
    Node { line: 0, value }
}

/// A node as JSON.
pub fn to_json(node: &Node) -> serde_json::Value {
    match &node.value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(value) => (*value).into(),
        Value::Number(text) => serde_json::from_str(text).unwrap_or_else(|_| text.clone().into()),
        Value::Text(text) => text.clone().into(),
        Value::List(items) => items.iter().map(to_json).collect(),
        Value::Map(fields) => fields.iter().map(|(key, value)| (key.clone(), to_json(value))).collect(),
    }
}

impl Node {
    /// The value of a key, if this is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.value {
            Value::Map(fields) => fields.iter().find(|(name, _)| name == key).map(|(_, node)| node),
            _ => None,
        }
    }

    /// The JSON kind as Go names it in errors.
    pub fn kind(&self) -> &'static str {
        match &self.value {
            Value::Null => "null",
            Value::Bool(_) => "bool",
            Value::Number(_) => "number",
            Value::Text(_) => "string",
            Value::List(_) => "array",
            Value::Map(_) => "object",
        }
    }
}

/// Text of bytes: UTF-8, or UTF-16 with its byte order mark (PowerShell's `>` writes that), as go-yaml takes them.
fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, YamlError> {
    // Without its mark go-yaml takes UTF-16 for UTF-8.
    if let [0xff, 0xfe, ..] | [0xfe, 0xff, ..] = bytes
        && let Some(text) = wide(bytes)
    {
        return Ok(Cow::Owned(text));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(Cow::Borrowed(text)),
        Err(error) => {
            let before = &bytes[..error.valid_up_to()];
            let line = before.iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
            Err(YamlError { text: "yaml: invalid leading UTF-8 octet".to_owned(), line: Some(line) })
        }
    }
}

fn too_deep(line: u64) -> YamlError {
    YamlError { text: "yaml: exceeded max depth".to_owned(), line: (line > 0).then_some(line) }
}

/// libyaml's verdict, in go-yaml's words.
fn syntax(text: &str) -> Result<(), YamlError> {
    let Some(document) = serde_norway::Deserializer::from_str(text).next() else { return Ok(()) };
    let Err(error) = serde::de::IgnoredAny::deserialize(document) else { return Ok(()) };
    let shown = error.to_string();
    let line = error.location().map(|location| location.line() as u64);
    if shown.starts_with("EOF while parsing") {
        return Ok(());
    }
    if shown.starts_with("unknown anchor") {
        // kubectl quotes the name; it may be a password that begins with `*` and was not quoted.
        return Err(YamlError { text: "yaml: unknown anchor '…' referenced".to_owned(), line });
    }
    if shown.starts_with("recursion limit") {
        return Err(too_deep(line.unwrap_or(0)));
    }
    // libyaml's problem is a constant text; position and context follow it.
    let problem = [" at line ", " at position "]
        .iter()
        .filter_map(|mark| shown.find(mark))
        .min()
        .map_or(shown.as_str(), |end| &shown[..end]);
    let problem = problem.split(", while ").next().unwrap_or(problem);
    // go-yaml (decode.go, parser.fail): 0-based marks, plus one for scanner errors; line 0 is not printed.
    let scanner = format!("{error:?}").contains("SCANNER");
    let zero_based = line.map_or(0, |line| line.saturating_sub(1));
    let printed = if zero_based == 0 { 0 } else { zero_based + u64::from(scanner) };
    let text = if printed == 0 { format!("yaml: {problem}") } else { format!("yaml: line {printed}: {problem}") };
    Err(YamlError { text, line })
}

enum Trouble {
    Disagrees,
    Refused(YamlError),
}

/// A collection that is being read.
struct Open {
    line: u64,
    anchor: usize,
    items: Vec<Node>,
    is_map: bool,
}

/// Builds the tree from saphyr's events.
fn events(text: &str) -> Result<Node, Trouble> {
    let mut anchors: HashMap<usize, Node> = HashMap::new();
    let mut open: Vec<Open> = Vec::new();
    let mut nodes = 0usize;
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|_| Trouble::Disagrees)?;
        let line = span.start.line() as u64;
        let (node, anchor) = match event {
            Event::Scalar(value, style, anchor, tag) => {
                nodes += 1;
                let value = scalar(value, style, tag.as_deref())
                    .map_err(|text| Trouble::Refused(YamlError { text, line: Some(line) }))?;
                (Node { line, value }, anchor)
            }
            Event::Alias(id) => {
                let Some(node) = anchors.get(&id) else { return Err(Trouble::Disagrees) };
                nodes += count(node);
                (node.clone(), 0)
            }
            Event::SequenceStart(anchor, _) | Event::MappingStart(anchor, _) => {
                if open.len() >= DEEPEST {
                    return Err(Trouble::Refused(too_deep(line)));
                }
                nodes += 1;
                open.push(Open { line, anchor, items: Vec::new(), is_map: matches!(event, Event::MappingStart(..)) });
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(done) = open.pop() else { return Err(Trouble::Disagrees) };
                let value = if done.is_map { mapping(done.items)? } else { Value::List(done.items) };
                (Node { line: done.line, value }, done.anchor)
            }
            Event::DocumentEnd | Event::StreamEnd => break,
            Event::Nothing | Event::StreamStart | Event::DocumentStart(_) => continue,
        };
        if nodes > MOST_NODES {
            let text = "yaml: document contains excessive aliasing".to_owned();
            return Err(Trouble::Refused(YamlError { text, line: Some(line) }));
        }
        if anchor != 0 {
            anchors.insert(anchor, node.clone());
        }
        match open.last_mut() {
            Some(parent) => parent.items.push(node),
            // The first document is whole; what follows it is not read.
            None => return Ok(node),
        }
    }
    Ok(Node { line: 0, value: Value::Null })
}

fn count(node: &Node) -> usize {
    match &node.value {
        Value::List(items) => 1 + items.iter().map(count).sum::<usize>(),
        Value::Map(fields) => 1 + fields.iter().map(|(_, node)| 1 + count(node)).sum::<usize>(),
        _ => 1,
    }
}

/// Pairs of keys and values; `<<` merges.
fn mapping(items: Vec<Node>) -> Result<Value, Trouble> {
    let mut fields: Vec<(String, Node)> = Vec::with_capacity(items.len() / 2);
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut merges: Vec<Node> = Vec::new();
    let mut items = items.into_iter();
    while let (Some(key), Some(value)) = (items.next(), items.next()) {
        let name = match key.value {
            Value::Text(text) | Value::Number(text) => text,
            Value::Bool(value) => value.to_string(),
            Value::Null => "null".to_owned(),
            Value::List(_) | Value::Map(_) => {
                let text = "yaml: invalid map key".to_owned();
                return Err(Trouble::Refused(YamlError { text, line: Some(key.line) }));
            }
        };
        if name == "<<" {
            match value.value {
                Value::List(maps) => merges.extend(maps),
                _ => merges.push(value),
            }
        } else if let Some(place) = places.get(&name) {
            fields[*place].1 = value;
        } else {
            places.insert(name.clone(), fields.len());
            fields.push((name, value));
        }
    }
    for merge in merges {
        let Value::Map(more) = merge.value else {
            let text = "yaml: map merge requires map or sequence of maps as the value".to_owned();
            return Err(Trouble::Refused(YamlError { text, line: Some(merge.line) }));
        };
        for (name, value) in more {
            if !places.contains_key(&name) {
                places.insert(name.clone(), fields.len());
                fields.push((name, value));
            }
        }
    }
    Ok(Value::Map(fields))
}

/// A scalar under its tag; its error is go-yaml's.
fn scalar(value: Cow<'_, str>, style: ScalarStyle, tag: Option<&Tag>) -> Result<Value, String> {
    let forced = tag.filter(|tag| tag.is_yaml_core_schema()).map(|tag| tag.suffix.as_str());
    Ok(match forced {
        // go-yaml decodes it, and a field that holds base64 is then decoded a second time.
        Some("binary") => {
            let bytes = base64_of_go(&value).map_err(|_| "yaml: !!binary value contains invalid base64 data")?;
            Value::Text(String::from_utf8_lossy(&bytes).into_owned())
        }
        Some("str" | "timestamp") => Value::Text(value.into_owned()),
        Some(_) => plain(&value),
        None if style == ScalarStyle::Plain => plain(&value),
        None => Value::Text(value.into_owned()),
    })
}

/// Go's base64.StdEncoding, which passes over line breaks and does not mind bits after the last byte. Its error is the
/// byte at which it stops.
fn base64_of_go(text: &str) -> Result<Vec<u8>, usize> {
    use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
    let bare: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
    let config = GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true);
    GeneralPurpose::new(&base64::alphabet::STANDARD, config).decode(&bare).map_err(|error| match error {
        base64::DecodeError::InvalidByte(at, _) | base64::DecodeError::InvalidLastSymbol(at, _) => at,
        _ => bare.len(),
    })
}

/// go-yaml v2's `resolve` for plain scalars. Timestamps stay strings, as its decoder leaves them.
fn plain(text: &str) -> Value {
    static FLOAT: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$").expect("constant pattern")
    });
    static INTEGER: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"^[-+]?(0[xX][0-9a-fA-F]{1,16}|0[bB][01]{1,64}|0[oO]?[0-7]*|[1-9][0-9]*)$")
            .expect("constant pattern")
    });
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => return Value::Bool(true),
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Value::Bool(false);
        }
        _ => {}
    }
    if text.starts_with(|first: char| first.is_ascii_digit() || matches!(first, '+' | '-' | '.')) {
        let bare = text.replace('_', "");
        if INTEGER.is_match(&bare) || FLOAT.is_match(&bare) {
            return Value::Number(bare);
        }
    }
    Value::Text(text.to_owned())
}

fn from_norway(value: serde_norway::Value) -> Node {
    use serde_norway::Value as Norway;
    let value = match value {
        Norway::Null => Value::Null,
        Norway::Bool(value) => Value::Bool(value),
        Norway::Number(value) => Value::Number(value.to_string()),
        Norway::String(value) => Value::Text(value),
        Norway::Sequence(items) => Value::List(items.into_iter().map(from_norway).collect()),
        Norway::Mapping(fields) => Value::Map(
            fields
                .into_iter()
                .filter_map(|(key, value)| Some((key.as_str()?.to_owned(), from_norway(value))))
                .collect(),
        ),
        Norway::Tagged(tagged) => return from_norway(tagged.value),
    };
    Node { line: 0, value }
}

/// Reads typed fields out of nodes and keeps the first fault in the words of Go's JSON decoder.
///
/// `owner` is the Go struct and `path` the JSON path of the field, as in
/// `json: cannot unmarshal array into Go struct field AuthInfo.users.user.token of type string`.
#[derive(Default)]
pub struct Reader {
    fault: Option<(String, u64)>,
}

impl Reader {
    /// The first fault and its line (0 when unknown).
    pub fn fault(self) -> Option<(String, u64)> {
        self.fault
    }

    fn wrong(&mut self, node: &Node, owner: &str, path: &str, go_type: &str) {
        let text =
            format!("json: cannot unmarshal {} into Go struct field {owner}.{path} of type {go_type}", node.kind());
        self.save(text, node.line);
    }

    fn save(&mut self, text: String, line: u64) {
        if self.fault.is_none() {
            self.fault = Some((text, line));
        }
    }

    /// The fields of an object in the order Go meets them (sorted, because YAML goes through a Go map).
    pub fn fields<'n>(&mut self, node: &'n Node, owner: &str, path: &str, go_type: &str) -> Vec<(&'n str, &'n Node)> {
        match &node.value {
            Value::Map(fields) => {
                let mut fields: Vec<_> = fields.iter().map(|(name, node)| (name.as_str(), node)).collect();
                fields.sort_by_key(|(name, _)| *name);
                fields
            }
            Value::Null => Vec::new(),
            _ => {
                self.wrong(node, owner, path, go_type);
                Vec::new()
            }
        }
    }

    /// The items of an array.
    pub fn list<'n>(&mut self, node: &'n Node, owner: &str, path: &str, go_type: &str) -> &'n [Node] {
        match &node.value {
            Value::List(items) => items,
            Value::Null => &[],
            _ => {
                self.wrong(node, owner, path, go_type);
                &[]
            }
        }
    }

    /// A string; empty for null.
    pub fn text(&mut self, node: &Node, owner: &str, path: &str) -> String {
        match &node.value {
            Value::Text(text) => text.clone(),
            Value::Null => String::new(),
            _ => {
                self.wrong(node, owner, path, "string");
                String::new()
            }
        }
    }

    /// A boolean; false for null.
    pub fn flag(&mut self, node: &Node, owner: &str, path: &str) -> bool {
        match &node.value {
            Value::Bool(value) => *value,
            Value::Null => false,
            _ => {
                self.wrong(node, owner, path, "bool");
                false
            }
        }
    }

    /// An array of strings.
    pub fn texts(&mut self, node: &Node, owner: &str, path: &str) -> Vec<String> {
        self.list(node, owner, path, "[]string").iter().map(|item| self.text(item, owner, path)).collect()
    }

    /// Base64 as Go's `[]byte` fields hold it; line breaks inside are allowed.
    pub fn bytes(&mut self, node: &Node, owner: &str, path: &str) -> Vec<u8> {
        match &node.value {
            Value::Null => Vec::new(),
            Value::Text(text) => match base64_of_go(text) {
                Ok(bytes) => bytes,
                Err(at) => {
                    self.save(format!("illegal base64 data at input byte {at}"), node.line);
                    Vec::new()
                }
            },
            Value::List(items) => {
                if let Some(item) = items.iter().find(|item| !matches!(item.value, Value::Number(_))) {
                    self.wrong(item, owner, path, "uint8");
                } else {
                    self.wrong(node, owner, path, "[]uint8");
                }
                Vec::new()
            }
            _ => {
                self.wrong(node, owner, path, "[]uint8");
                Vec::new()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> (String, Option<u64>) {
        parse(text.as_bytes()).err().map(|error| (error.text, error.line)).expect("an error")
    }

    /// Texts and line numbers were taken from kubectl 1.32 with the same files.
    #[test]
    fn faults_are_worded_as_kubectl_words_them() {
        for (text, expected, line) in [
            ("a: b\nc: d\n  e: f\n g: h", "yaml: line 3: mapping values are not allowed in this context", Some(3)),
            ("a:\n\tb: c", "yaml: line 2: found character that cannot start any token", Some(2)),
            ("a: b: c", "yaml: mapping values are not allowed in this context", Some(1)),
            ("a: b\nc: \"xyz\nd", "yaml: line 3: found unexpected end of stream", Some(3)),
            ("a: \u{1}", "yaml: control characters are not allowed", Some(1)),
            ("a: *nope", "yaml: unknown anchor '…' referenced", Some(1)),
            ("{a: b}: c", "yaml: invalid map key", Some(1)),
        ] {
            assert_eq!(error(text), (expected.to_owned(), line), "{text:?}");
        }
        assert_eq!(
            parse(b"a: \xff").err().map(|error| error.text).as_deref(),
            Some("yaml: invalid leading UTF-8 octet")
        );
    }

    #[test]
    fn a_binary_scalar_is_decoded_as_go_yaml_decodes_it() {
        for text in ["!!binary aGVsbG8=", "!!binary 'aGVsbG8='", "!!binary |\n  aGVs\n  bG8=\n"] {
            let node = parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {}", error.text));
            assert!(matches!(&node.value, Value::Text(decoded) if decoded == "hello"), "{text}");
        }
        let expected = "yaml: !!binary value contains invalid base64 data".to_owned();
        assert_eq!(error("a: !!binary '%%%'"), (expected, Some(1)));
        // A field that holds base64 itself then has what it stands for.
        let node = parse(b"!!binary LS0tLS1CRUdJTg==").unwrap_or_else(|error| panic!("{}", error.text));
        let mut reader = Reader::default();
        assert!(reader.bytes(&node, "Cluster", "certificate-authority-data").is_empty());
        assert_eq!(reader.fault().map(|(text, _)| text).as_deref(), Some("illegal base64 data at input byte 0"));
    }

    #[test]
    fn nesting_and_aliases_are_limited() {
        assert_eq!(error(&"[".repeat(4_000_000)).0, "yaml: exceeded max depth");
        let deep = format!("{}{}", "[".repeat(500), "]".repeat(500));
        assert_eq!(error(&deep).0, "yaml: exceeded max depth");
        let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned();
        for level in 1..12 {
            let last = level - 1;
            bomb += &format!(
                "a{level}: &a{level} [*a{last},*a{last},*a{last},*a{last},*a{last},*a{last},*a{last},*a{last}]\n"
            );
        }
        assert_eq!(error(&bomb).0, "yaml: document contains excessive aliasing");
    }

    #[test]
    fn scalars_resolve_by_yaml_1_1() {
        for (text, kind) in [
            ("yes", "bool"),
            ("off", "bool"),
            ("017", "number"),
            ("1_000", "number"),
            ("0x1f", "number"),
            ("1e3", "number"),
            ("\"5\"", "string"),
            ("2024-01-02", "string"),
            ("10.0.0.1", "string"),
            ("~", "null"),
            ("", "null"),
            ("# only a comment", "null"),
            ("!!str 5", "string"),
        ] {
            assert_eq!(parse(text.as_bytes()).map(|node| node.kind()).ok(), Some(kind), "{text}");
        }
    }

    #[test]
    fn the_first_document_counts_and_lines_are_kept() {
        let node =
            parse(b"---\na: 1\nb:\n  - x\n  - k: 2\n---\nz: 1\n").unwrap_or_else(|error| panic!("{}", error.text));
        assert!(node.get("z").is_none());
        let Some(Node { value: Value::List(items), .. }) = node.get("b") else { panic!("no list") };
        assert_eq!(items[1].get("k").map(|node| node.line), Some(5));
    }

    #[test]
    fn duplicate_keys_and_merges_follow_go() {
        let node = parse(b"x: &x {a: 1, b: 2}\nk: {<<: *x, b: 3}\nz: 1\nz: 2\n")
            .unwrap_or_else(|error| panic!("{}", error.text));
        assert_eq!(to_json(&node)["k"], serde_json::json!({"b": 3, "a": 1}));
        assert_eq!(to_json(&node)["z"], 2);
    }

    #[test]
    fn utf16_is_read() {
        let mut bytes = vec![0xff, 0xfe];
        bytes.extend("a: 1".encode_utf16().flat_map(u16::to_le_bytes));
        assert_eq!(parse(&bytes).map(|node| node.kind()).ok(), Some("object"));
    }
}
