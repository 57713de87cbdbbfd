//! The small YAML of aws-auth, with the line of every entry, typed as Go's YAML 1.1 resolver types it.

use saphyr_parser::{Event, Parser, ScalarStyle};

use crate::text::nested_too_deep;

/// A node and its 1-based line.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The line inside the text.
    pub line: usize,
    /// The value.
    pub value: Value,
}

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Nothing.
    Null,
    /// A plain scalar that is a number or a boolean, as written.
    Other(String),
    /// Text.
    Text(String),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping, in order.
    Map(Vec<(String, Node)>),
}

/// Why a text could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct YamlError {
    /// The 1-based line, where known.
    pub line: Option<usize>,
    /// Both parsers refuse it; where they disagree, the authenticator's verdict is unknown.
    pub certain: bool,
}

/// Nodes that a text may have: a ConfigMap's megabyte holds fewer.
const MOST: usize = 200_000;

/// The byte order mark, which no parser here takes inside a document.
const MARK: &str = "\u{feff}";

/// What stands for it while a text is parsed: no letter, and nobody's.
const STAND_IN: &str = "\u{fdd0}";

/// Reads the first document of a text.
///
/// # Errors
/// When it is no YAML, or uses anchors, which nobody does in aws-auth.
pub fn parse(text: &str) -> Result<Node, YamlError> {
    // Go's parser passes over a byte order mark where a line begins, and takes it for a letter elsewhere.
    let marked = text.strip_prefix(MARK).unwrap_or(text).replace("\n\u{feff}", "\n").replace(MARK, STAND_IN);
    let text = marked.as_str();
    if let Some(line) = nested_too_deep(text) {
        return Err(YamlError { line: usize::try_from(line).ok(), certain: false });
    }
    // Duplicate keys are an error to this one, and none to the authenticator.
    let other = serde_norway::from_str::<serde_norway::Value>(text).err();
    let mut events = Vec::new();
    for event in Parser::new_from_str(text) {
        match event {
            Ok((event, span)) => events.push((event, span.start.line())),
            Err(error) => {
                let line = other
                    .as_ref()
                    .and_then(|other| other.location().map(|location| location.line()))
                    .unwrap_or_else(|| error.marker().line());
                return Err(YamlError { line: Some(line), certain: other.is_some() });
            }
        }
        if events.len() > MOST {
            return Err(YamlError { line: None, certain: false });
        }
    }
    if let Some(error) = other.filter(|error| !error.to_string().contains("duplicate entry")) {
        return Err(YamlError { line: error.location().map(|location| location.line()), certain: false });
    }
    let events: Vec<(Event<'_>, usize)> = events
        .into_iter()
        .filter(|(event, _)| !matches!(event, Event::StreamStart | Event::DocumentStart(_) | Event::Nothing))
        .collect();
    match events.first() {
        None | Some((Event::StreamEnd | Event::DocumentEnd, _)) => Ok(Node { line: 1, value: Value::Null }),
        _ => node(&events, &mut 0, 0),
    }
}

/// The node that begins at `at`, which is then behind it.
fn node(events: &[(Event<'_>, usize)], at: &mut usize, depth: usize) -> Result<Node, YamlError> {
    let doubtful = |line: Option<usize>| YamlError { line, certain: false };
    let (event, line) = events.get(*at).ok_or(doubtful(None))?;
    if depth > 20 {
        return Err(doubtful(Some(*line)));
    }
    *at += 1;
    let value = match event {
        Event::Scalar(text, style, _, tag) => {
            let plain = matches!(style, ScalarStyle::Plain) && tag.is_none();
            let text = text.replace(STAND_IN, MARK);
            if plain { resolve(&text) } else { Value::Text(text) }
        }
        Event::SequenceStart(..) => {
            let mut items = Vec::new();
            while !matches!(events.get(*at).ok_or(doubtful(None))?.0, Event::SequenceEnd) {
                items.push(node(events, at, depth + 1)?);
            }
            *at += 1;
            Value::List(items)
        }
        Event::MappingStart(..) => {
            let mut fields = Vec::new();
            loop {
                let (key, line) = events.get(*at).ok_or(doubtful(None))?;
                let key = match key {
                    Event::MappingEnd => break,
                    Event::Scalar(key, ..) => key.replace(STAND_IN, MARK),
                    // `{{SessionName}}` without quotes: JSON has no such key, and what Go reads goes through JSON.
                    Event::MappingStart(..) | Event::SequenceStart(..) => {
                        return Err(YamlError { line: Some(*line), certain: true });
                    }
                    _ => return Err(doubtful(Some(*line))),
                };
                *at += 1;
                fields.push((key, node(events, at, depth + 1)?));
            }
            *at += 1;
            Value::Map(fields)
        }
        _ => return Err(doubtful(Some(*line))),
    };
    Ok(Node { line: *line, value })
}

/// A plain scalar by YAML 1.1, as far as it matters: what is no text to Go.
fn resolve(text: &str) -> Value {
    let known = ["true", "false", "yes", "no", "on", "off", "y", "n"];
    if text.is_empty() || text == "~" || text.eq_ignore_ascii_case("null") {
        Value::Null
    } else if known.contains(&text.to_ascii_lowercase().as_str())
        || text
            .replace('_', "")
            .parse::<f64>()
            .is_ok_and(|_| text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)))
    {
        Value::Other(text.to_owned())
    } else {
        Value::Text(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_keep_their_lines_and_types() {
        let read = parse("- rolearn: arn:aws:iam::1:role/a\n  groups:\n  - x\n- rolearn: 12\n").expect("YAML");
        let Value::List(items) = read.value else { panic!("a list") };
        assert_eq!((items[0].line, items[1].line), (1, 4));
        let Value::Map(fields) = &items[1].value else { panic!("a map") };
        assert_eq!(fields[0].1.value, Value::Other("12".to_owned()));
    }

    #[test]
    fn what_json_cannot_hold_is_no_yaml_to_go() {
        // kubectl, which reads by the same library: "invalid map key: map[interface {}]interface {}{"X":...}", and "[]interface {}{"a"}".
        for (text, line) in [("- rolearn: a\n  username: {{X}}\n", 2), ("- x: y\n- z:\n    [a]: b\n", 3)] {
            assert_eq!(parse(text), Err(YamlError { line: Some(line), certain: true }), "{text}");
        }
        assert!(parse("- rolearn: a\n  username: '{{X}}'\n").is_ok());
        assert!(parse("- rolearn: a\n  username: x:{{X}}\n").is_ok());
        // What becomes of an anchor is not known here.
        let anchored = parse("- &a\n  x: y\n- <<: *a\n");
        assert_eq!(anchored, Err(YamlError { line: Some(3), certain: false }));
    }

    #[test]
    fn a_byte_order_mark_counts_inside_a_line_only() {
        let read = parse("\u{feff}- a\u{feff}\n\u{feff}- b\n").expect("YAML");
        let Value::List(items) = read.value else { panic!("a list") };
        let values: Vec<&Value> = items.iter().map(|item| &item.value).collect();
        assert_eq!(values, [&Value::Text("a\u{feff}".to_owned()), &Value::Text("b".to_owned())]);
    }

    #[test]
    fn a_broken_text_has_its_line() {
        let error = parse("- rolearn: a\n  groups: [x\n- rolearn: b\n").expect_err("no YAML");
        assert!(error.certain);
        assert!(error.line.is_some_and(|line| (2..=4).contains(&line)), "{error:?}");
    }
}
