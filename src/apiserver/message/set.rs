//! All texts at once, over text of any wrapping and any size: a line that holds none of the literals without which no
//! text can match costs one pass of an automaton, and nothing more.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{LazyLock, OnceLock};

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use regex::{Captures, Regex};
use regex_syntax::hir::{Class, Hir, HirKind};

use super::{ADMISSION_OTHER, Recognised, TEXTS, Text, heard, tools};

/// Literals shorter than this stand in ordinary lines too often.
const SHORTEST: usize = 9;

/// How often quoting is undone: a Status within klog within a container's JSON log is quoted three times.
const DEPTH: usize = 4;

/// Literals that are declared, where those of the pattern would be ordinary words.
static DECLARED: &[(&str, &[&str])] = &[
    // As kubectl tells it; others scrape kubelets as well.
    ("kubelet-unreachable", &["Error from server", ":10250/containerLogs/"]),
    ("html-page", &["<title>40", "<title>42", "<title>50"]),
    ("kubectl-localhost", &["localhost:8080", "127.0.0.1:8080", "[::1]:8080"]),
    ("oidc-init-refused", &["initializing plugin: Get "]),
    ("rbac-deny", &["RBAC DENY: user ", "RBAC: no rules authorize user "]),
    // " certificate is " alone stands in many a log.
    (
        "x509-of-macos",
        &[
            "certificate is not trusted",
            "certificate is expired",
            "certificate is not standards compliant",
            "certificate name does not match input",
        ],
    ),
    // Before them stands a URL of any host, after them anything.
    (
        "call-failed",
        &[
            "x509: cert",
            "x509: cannot validate",
            "connection refused",
            "no route to host",
            "network is unreachable",
            "no such host",
            "server misbehaving",
            "i/o timeout",
            "timed out",
            "TLS handshake timeout",
            "net/http: request canceled",
            "context deadline exceeded",
            "unexpected EOF",
            "error retrieving resource lock",
            "connection reset by peer",
            "http2: client connection lost",
            "http2: server sent GOAWAY and closed the connection",
            "server gave HTTP response to HTTPS client",
            "first record does not look like a TLS handshake",
            // Behind it "EOF" may stand, which is too short.
            "version?timeout=",
        ],
    ),
];

/// A text with its expression, which is built when its literal is first met.
struct Entry {
    text: &'static Text,
    /// The API server's own, which reaches a reader through klog or JSON.
    server: bool,
    regex: OnceLock<Regex>,
}

/// The texts with what finds their literals: a gate for whole blocks, an automaton for the lines behind it.
pub struct Set {
    entries: Vec<Entry>,
    gate: Gate,
    literals: AhoCorasick,
    /// For each literal the texts that need it.
    owners: Vec<Vec<usize>>,
}

impl std::fmt::Debug for Set {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Set of {}", self.entries.len())
    }
}

/// Every text: the API server's own, and those of clients.
pub fn all() -> impl Iterator<Item = &'static Text> {
    TEXTS.iter().chain(heard::TEXTS).chain(tools::TEXTS).copied()
}

/// The set of every text.
pub fn set() -> &'static Set {
    static SET: LazyLock<Set> = LazyLock::new(|| Set::new(all()));
    &SET
}

impl Set {
    /// The set of these texts.
    pub(super) fn new(texts: impl Iterator<Item = &'static Text>) -> Self {
        let entry = |text: &'static Text| Entry { text, server: TEXTS.contains(&text), regex: OnceLock::new() };
        let entries: Vec<Entry> = texts.map(entry).collect();
        let mut owners: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (index, entry) in entries.iter().enumerate() {
            for literal in literals(entry.text) {
                owners.entry(literal).or_default().push(index);
            }
        }
        let gate = Gate::new(owners.keys().map(String::as_str));
        let literals = AhoCorasick::builder()
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(owners.keys())
            .expect("a few hundred short literals");
        Self { entries, gate, literals, owners: owners.into_values().collect() }
    }

    /// The place of a literal in the block; none stands wholly before it.
    pub fn next(&self, block: &[u8], from: usize) -> Option<usize> {
        self.gate.next(block, from)
    }

    /// Every text in one line, with its fields; quoting is undone as often as it takes.
    pub fn recognise(&self, line: &str) -> Vec<Recognised> {
        let mut wanted: BTreeSet<usize> = BTreeSet::new();
        for found in self.literals.find_overlapping_iter(line) {
            wanted.extend(self.owners[found.pattern().as_usize()].iter().copied());
        }
        if wanted.is_empty() {
            return Vec::new();
        }
        let levels = unquoted(line);
        // A client's words are read as they stand first: the backslashes of a Windows path are its own. The API server's
        // come with one layer of quoting, and a field that was read through it would hold its backslashes.
        let stands: Vec<&str> = levels.iter().map(String::as_str).collect();
        let mut logged = stands.clone();
        if logged.len() > 1 {
            logged.swap(0, 1);
        }
        wanted
            .into_iter()
            .filter_map(|index| {
                let entry = &self.entries[index];
                let regex = entry.regex.get_or_init(|| Regex::new(entry.text.pattern).expect("constant pattern"));
                let levels = if entry.server { &logged } else { &stands };
                let fits = |found: &Captures<'_>| *entry.text != ADMISSION_OTHER || !is_of_rights(&found["other"]);
                let found = levels.iter().find_map(|level| regex.captures_iter(level).find(fits))?;
                let mut fields = BTreeMap::new();
                for name in regex.capture_names().flatten() {
                    if let Some(value) = found.name(name).filter(|value| !value.as_str().is_empty()) {
                        fields.insert(name.to_owned(), value.as_str().trim_end().to_owned());
                    }
                }
                Some(Recognised { text: entry.text, fields })
            })
            .collect()
    }
}

/// What stands behind "is forbidden:" is a refusal of rights: by an authorizer, or by a plugin or storage that asked one.
fn is_of_rights(words: &str) -> bool {
    const BEGINNINGS: &[&str] = &[
        "User",
        "user ",
        "RBAC:",
        "No policy matched",
        "no RBAC policy matched",
        "attempt to grant",
        "must have cluster-admin privileges",
        "cannot set an ownerRef",
        "cannot set blockOwnerDeletion if",
        "can only create a node CSR",
        "not permitted to do",
    ];
    // A line that was broken may end within such words.
    BEGINNINGS.iter().any(|beginning| words.starts_with(beginning) || beginning.starts_with(words))
}

/// How many bytes of each literal the gate looks for; no literal is shorter.
const WINDOW: usize = SHORTEST;

/// Entries of the gate's table, a power of two.
const TABLE: usize = 1 << 16;

/// Looks for a few bytes of every literal at once, in steps as long as what is read allows (Wu and Manber's way): most
/// bytes of a log are never looked at.
struct Gate {
    /// For three bytes that end a window: how far the next window may lie; 0 where one may end here.
    steps: Vec<u8>,
    /// For each such place, by the same key, where in `groups` the literals are whose window may end there.
    ends: Vec<u16>,
    /// Literals, each with its window's place in it.
    groups: Vec<Vec<(usize, Vec<u8>)>>,
}

impl Gate {
    fn new<'l>(literals: impl Iterator<Item = &'l str>) -> Self {
        let mut windows: BTreeMap<[u8; WINDOW], Vec<(usize, Vec<u8>)>> = BTreeMap::new();
        let mut sorted: Vec<&str> = literals.collect();
        // The short ones leave no choice; longer ones can often do with a window that is there already.
        sorted.sort_by_key(|literal| literal.len());
        for literal in sorted {
            let own = || {
                let windows = literal.as_bytes().windows(WINDOW).enumerate();
                windows.filter_map(|(at, window)| Some((at, <[u8; WINDOW]>::try_from(window).ok()?)))
            };
            let shared = own().find(|(_, window)| windows.contains_key(window));
            let rarest = || own().max_by_key(|(_, window)| window.iter().map(|byte| rarity(*byte)).sum::<u32>());
            if let Some((at, window)) = shared.or_else(rarest) {
                windows.entry(window).or_default().push((at, literal.as_bytes().to_vec()));
            }
        }
        let furthest = WINDOW - 2;
        let mut steps = vec![u8::try_from(furthest).unwrap_or(1); TABLE];
        let mut ends = vec![0; TABLE];
        let mut groups: Vec<Vec<(usize, Vec<u8>)>> = vec![Vec::new()];
        for (window, literals) in windows {
            for (at, three) in window.windows(3).enumerate() {
                let key = key(three[0], three[1], three[2]);
                let step = u8::try_from(furthest - 1 - at).unwrap_or(1);
                steps[key] = steps[key].min(step);
                if step == 0 {
                    if ends[key] == 0 {
                        ends[key] = u16::try_from(groups.len()).unwrap_or_default();
                        groups.push(Vec::new());
                    }
                    groups[usize::from(ends[key])].extend(literals.iter().cloned());
                }
            }
        }
        Self { steps, ends, groups }
    }

    fn next(&self, block: &[u8], from: usize) -> Option<usize> {
        let mut end = from + WINDOW;
        while end <= block.len() {
            let [a, b, c] = block[end - 3..end] else { return None };
            let key = key(a, b, c);
            let step = self.steps[key];
            if step > 0 {
                end += usize::from(step);
                continue;
            }
            let here = |(at, literal): &(usize, Vec<u8>)| {
                let start = (end - WINDOW).checked_sub(*at)?;
                (start >= from && block[start..].starts_with(literal)).then_some(start)
            };
            if let Some(start) = self.groups[usize::from(self.ends[key])].iter().find_map(here) {
                return Some(start);
            }
            end += 1;
        }
        None
    }
}

fn key(a: u8, b: u8, c: u8) -> usize {
    (usize::from(a) ^ usize::from(b) << 4 ^ usize::from(c) << 8) & (TABLE - 1)
}

/// How seldom a byte stands in a log, roughly.
fn rarity(byte: u8) -> u32 {
    match byte {
        b'a'
        | b'e'
        | b'i'
        | b'n'
        | b'o'
        | b'r'
        | b's'
        | b't'
        | b' '
        | b':'
        | b'/'
        | b'.'
        | b'-'
        | b'='
        | b'0'..=b'9' => 0,
        b'c' | b'd' | b'l' | b'm' | b'p' | b'u' | b',' | b'_' => 1,
        b'a'..=b'z' => 2,
        _ => 3,
    }
}

/// The text as it stands, and with one layer of quoting after the other taken off.
pub fn unquoted(line: &str) -> Vec<String> {
    let mut levels = vec![of_cells(line).unwrap_or_else(|| line.to_owned())];
    for _ in 0..DEPTH {
        let last = levels.last().expect("there is always one");
        let entities = without_entities(last);
        if !last.contains('\\') && entities.is_none() {
            break;
        }
        let next = unescape(entities.as_deref().unwrap_or(last));
        if next == *last {
            break;
        }
        levels.push(next);
    }
    levels
}

/// The cells of a row of a table that was exported as CSV, which doubles each quote; `None` where the line is no such row,
/// or holds no doubled quote. A last cell that goes on in the next line has no end.
fn of_cells(line: &str) -> Option<String> {
    if !line.contains("\"\"") {
        return None;
    }
    let mut made = String::with_capacity(line.len());
    let (mut doubled, mut cells) = (false, 0);
    let mut rest = line.trim();
    loop {
        if let Some(quoted) = rest.strip_prefix('"') {
            rest = quoted;
            loop {
                let Some(at) = rest.find('"') else {
                    made.push_str(rest);
                    return (doubled && cells > 0).then_some(made);
                };
                made.push_str(&rest[..at]);
                rest = &rest[at + 1..];
                let Some(more) = rest.strip_prefix('"') else { break };
                made.push('"');
                doubled = true;
                rest = more;
            }
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            if rest[..end].contains('"') {
                return None;
            }
            made.push_str(&rest[..end]);
            rest = &rest[end..];
        }
        cells += 1;
        if rest.is_empty() {
            return doubled.then_some(made);
        }
        rest = rest.strip_prefix(',')?;
        made.push(',');
    }
}

/// The line without the blanks with which a terminal filled the rest of each of its own lines, where it was copied with
/// them: they stand within words, as often as the line was broken, and each time as many. A blank at which it was broken
/// makes one more. `None` where that is not so.
fn unpadded(line: &str) -> Option<String> {
    static PADDING: LazyLock<Regex> = LazyLock::new(|| Regex::new(" {40,}").expect("constant pattern"));
    /// What stands between is a line of a terminal, and no column of a table.
    const NARROW: usize = 60;
    let line = line.trim_end();
    let runs: Vec<(usize, usize)> = PADDING.find_iter(line).map(|run| (run.start(), run.end())).collect();
    let width = runs.iter().map(|(start, end)| end - start).min()?;
    let even = runs.iter().all(|(start, end)| end - start <= width + 1);
    let far = runs.windows(2).all(|pair| pair[1].0 - pair[0].1 >= NARROW);
    if runs.len() < 2 || runs[0].0 == 0 || !even || !far {
        return None;
    }
    let mut made = String::with_capacity(line.len());
    let mut from = 0;
    for (start, end) in runs {
        made.push_str(&line[from..start]);
        if end - start > width {
            made.push(' ');
        }
        from = end;
    }
    made.push_str(&line[from..]);
    Some(made)
}

/// The text without HTML's entities, where it came through a page; `None` where it holds none.
pub fn without_entities(text: &str) -> Option<String> {
    // The ampersand last: what it makes is another layer.
    const ENTITIES: [(&str, &str); 11] = [
        ("&quot;", "\""),
        ("&#34;", "\""),
        ("&#x22;", "\""),
        ("&apos;", "'"),
        ("&#39;", "'"),
        ("&#039;", "'"),
        ("&#x27;", "'"),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&#x2F;", "/"),
        ("&amp;", "&"),
    ];
    if !text.contains('&') || !ENTITIES.iter().any(|(entity, _)| text.contains(entity)) {
        return None;
    }
    Some(ENTITIES.iter().fold(text.to_owned(), |text, (entity, plain)| text.replace(entity, plain)))
}

/// The line with plain blanks and quotes, and without the border of a box that a terminal drew around it, or the blanks
/// with which one filled its lines; `None` where it has nothing of the kind. Blanks between digits stay: klog fills its
/// columns with them.
pub fn plain(line: &str) -> Option<String> {
    static LINK: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"\[(https?://[^\s\]]+)\]\(https?://[^\s)]+\)").expect("constant pattern"));
    let link = line.contains("](http");
    let table = line.starts_with("| ") && line.trim_end().ends_with(" |");
    if !link && !table && !line.contains("  ") && !line.bytes().any(|byte| byte >= 0x80 || byte == b'\t') {
        return None;
    }
    let padded = unpadded(line);
    let text = padded.as_deref().unwrap_or(line);
    let drawn = |c: char| ('\u{2500}'..='\u{257f}').contains(&c);
    let border = |c: char| drawn(c) || c.is_whitespace() || table && c == '|';
    let boxed = table || text.trim().starts_with(drawn) || text.trim().ends_with(drawn);
    let bare = if boxed { text.trim_matches(border) } else { text };
    let bare = if link { LINK.replace_all(bare, "$1") } else { bare.into() };
    let mut plain = String::with_capacity(bare.len());
    let mut rest = bare.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\u{201c}'..='\u{201f}' | '\u{2033}' => plain.push('"'),
            '\u{2018}'..='\u{201b}' | '\u{2032}' => plain.push('\''),
            '\n' | '\r' => plain.push(c),
            c if c.is_whitespace() => {
                let (mut run, mut spaces) = (1, c == ' ');
                while let Some(next) = rest.next_if(|next| next.is_whitespace() && !matches!(next, '\n' | '\r')) {
                    run += 1;
                    spaces &= next == ' ';
                }
                let column = spaces
                    && plain.ends_with(|before: char| before.is_ascii_digit())
                    && rest.peek().is_some_and(char::is_ascii_digit);
                plain.extend(std::iter::repeat_n(' ', if column { run } else { 1 }));
            }
            c => plain.push(c),
        }
    }
    (plain != line).then_some(plain)
}

/// Undoes one layer of JSON's, Go's and klog's escapes.
fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        plain.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let Some(kind) = rest.chars().next() else {
            plain.push('\\');
            break;
        };
        rest = &rest[kind.len_utf8()..];
        match kind {
            'n' | 'r' => plain.push('\n'),
            't' => plain.push('\t'),
            'u' if rest.len() >= 4 && rest.is_char_boundary(4) => {
                match u32::from_str_radix(&rest[..4], 16).ok().and_then(char::from_u32) {
                    Some(c) => {
                        plain.push(c);
                        rest = &rest[4..];
                    }
                    None => plain.push_str("\\u"),
                }
            }
            '"' | '\\' | '/' | '\'' => plain.push(kind),
            // A path of Windows, or an expression.
            other => plain.extend(['\\', other]),
        }
    }
    plain.push_str(rest);
    plain
}

/// The literals of which one must stand in every text that the pattern matches.
pub fn literals(text: &Text) -> Vec<String> {
    if let Some((_, declared)) = DECLARED.iter().find(|(name, _)| *name == text.name) {
        return declared.iter().map(|literal| (*literal).to_owned()).collect();
    }
    regex_syntax::parse(text.pattern).ok().and_then(|hir| needed(&hir)).unwrap_or_default()
}

/// The best set of literals: the one whose shortest is longest.
fn needed(hir: &Hir) -> Option<Vec<String>> {
    match hir.kind() {
        HirKind::Literal(literal) => {
            let text = std::str::from_utf8(&literal.0).ok()?;
            // Quoting changes these characters, so no literal may hold them.
            let piece = text.split(['"', '\\', '<', '>', '&', '\n', '\'']).max_by_key(|piece| piece.len())?;
            (piece.len() >= SHORTEST).then(|| vec![piece.to_owned()])
        }
        HirKind::Capture(capture) => needed(&capture.sub),
        HirKind::Repetition(repetition) if repetition.min > 0 => needed(&repetition.sub),
        HirKind::Concat(parts) => parts.iter().filter_map(needed).max_by_key(|set| shortest(set)),
        HirKind::Alternation(branches) => {
            let mut union = Vec::new();
            for branch in branches {
                union.extend(needed(branch)?);
            }
            union.sort();
            union.dedup();
            Some(union)
        }
        _ => None,
    }
}

fn shortest(set: &[String]) -> usize {
    set.iter().map(String::len).min().unwrap_or_default()
}

/// What the text looks like to somebody who meets it, one shape for each way to say it: `<FIELD>` where a field stands.
pub fn shapes(text: &Text) -> Vec<String> {
    let Ok(hir) = regex_syntax::parse(text.pattern) else { return Vec::new() };
    let branches: Vec<&Hir> = match hir.kind() {
        HirKind::Alternation(branches) => branches.iter().collect(),
        _ => vec![&hir],
    };
    let mut shapes = Vec::new();
    for branch in branches {
        let mut shape = String::new();
        write_shape(branch, &mut shape);
        let shape = shape.replace("……", "…").trim_matches(|c: char| c == '…' || c.is_whitespace()).to_owned();
        if !shape.is_empty() && !shapes.contains(&shape) {
            shapes.push(shape);
        }
    }
    shapes
}

fn write_shape(hir: &Hir, out: &mut String) {
    match hir.kind() {
        HirKind::Literal(literal) => out.push_str(&String::from_utf8_lossy(&literal.0)),
        HirKind::Capture(capture) => match &capture.name {
            Some(name) => out.push_str(&format!("<{}>", name.to_uppercase())),
            None => write_shape(&capture.sub, out),
        },
        HirKind::Class(class) => match first_of(class) {
            Some(c) => out.push(c),
            None => out.push('…'),
        },
        HirKind::Repetition(repetition) => {
            let blank = matches!(repetition.sub.kind(), HirKind::Class(class) if holds_blank(class));
            if repetition.min == 1 && blank {
                out.push(' ');
            } else if repetition.min == 1 && repetition.max == Some(1) {
                write_shape(&repetition.sub, out);
            } else if repetition.max != Some(1) && !blank {
                out.push('…');
            }
        }
        HirKind::Concat(parts) => parts.iter().for_each(|part| write_shape(part, out)),
        HirKind::Alternation(branches) => {
            if let Some(first) = branches.first() {
                write_shape(first, out);
            }
        }
        HirKind::Empty | HirKind::Look(_) => {}
    }
}

/// The letter that a class of two cases stands for.
fn first_of(class: &Class) -> Option<char> {
    let Class::Unicode(class) = class else { return None };
    let letters: Vec<char> =
        class.ranges().iter().filter(|range| range.start() == range.end()).map(|range| range.start()).collect();
    (letters.len() == class.ranges().len() && letters.len() <= 2).then(|| letters.last().copied()).flatten()
}

/// The class is `\s`.
fn holds_blank(class: &Class) -> bool {
    let Class::Unicode(class) = class else { return false };
    class.ranges().iter().any(|range| range.start() <= ' ' && range.end() >= ' ')
        && !class.ranges().iter().any(|range| range.start() <= 'x' && range.end() >= 'x')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_has_a_literal_and_a_name_of_its_own() {
        let mut names = BTreeSet::new();
        for text in all() {
            assert!(names.insert(text.name), "{} is there twice", text.name);
            let literals = literals(text);
            assert!(!literals.is_empty(), "{}: no literal must stand in it", text.name);
            assert!(literals.iter().all(|literal| literal.len() >= SHORTEST), "{}: {literals:?}", text.name);
            assert!(Regex::new(text.pattern).is_ok(), "{}", text.name);
            assert!(!shapes(text).is_empty(), "{}: no shape", text.name);
        }
    }

    #[test]
    fn the_gate_passes_over_no_literal() {
        let set = set();
        let filler =
            "I1125 10:00:00.123456 1 httplog.go:132] GET /api/v1/namespaces/shop/pods resp=200 oidc x509 forbidde ";
        for text in all() {
            for literal in literals(text) {
                for lead in 0..23 {
                    let line = format!("{}{literal} tail", &filler[..lead]);
                    let found = set.next(line.as_bytes(), 0);
                    assert!(found.is_some_and(|at| at < lead + literal.len()), "{literal:?} after {lead} bytes");
                }
            }
        }
        assert_eq!(set.next(b"I1125 10:00:00.123456 1 httplog.go:132] GET /healthz resp=200", 0), None);
        assert_eq!(set.next(b"", 0), None);
    }

    #[test]
    fn literals_are_those_that_every_match_holds() {
        assert_eq!(literals(&super::super::OIDC_NOT_INITIALIZED), ["oidc: authenticator not initialized"]);
        assert_eq!(literals(&super::super::AUDIENCE), ["oidc: expected audience "]);
    }

    #[test]
    fn a_refusal_in_unknown_words_is_an_admission_plugins_unless_it_is_of_rights() {
        let other = |line: &str| {
            let found = set().recognise(line).into_iter().find(|found| found.text == &ADMISSION_OTHER)?;
            found.fields.get("other").cloned()
        };
        // As a real 1.36 server said it.
        let line = r#"Error from server (Forbidden): error when creating "STDIN": pods "a" is forbidden: no PriorityClass with name nosuch was found"#;
        assert_eq!(other(line).as_deref(), Some("no PriorityClass with name nosuch was found"));
        let status = r#"{"message":"persistentvolumeclaims \"v\" is forbidden: only dynamically provisioned pvc can be resized"}"#;
        assert!(other(status).is_some_and(|words| words.starts_with("only dynamically provisioned pvc")));
        for line in [
            r#"pods "a" is forbidden: User "jane" cannot get resource "pods" in API group "" in the namespace "dev""#,
            r#"{"message":"pods \"a\" is forbidden: User \"jane\" cannot get resource \"pods\" in API group \"\""}"#,
            r#"pods "a" is forbidden: User "jane" cannot get pods in the namespace "dev""#,
            r#"roles.rbac.authorization.k8s.io "r" is forbidden: user "jane" (groups=["dev"]) is attempting to grant RBAC permissions not currently held:"#,
            r#"roles.rbac.authorization.k8s.io "r" is forbidden: attempt to grant extra privileges: []"#,
            r#"clusterroles.rbac.authorization.k8s.io "r" is forbidden: must have cluster-admin privileges to use the aggregationRule"#,
            r#"pods "a" is forbidden: cannot set an ownerRef on a resource you can't delete: , <nil>"#,
            r#"pods "a" is forbidden: No policy matched."#,
            r#"pods "a" is forbidden: "#,
            r#"pods "a" is forbidden: Us"#,
            r#"Access to "this page" is forbidden"#,
            "forbidden by administrative rules",
        ] {
            assert_eq!(other(line), None, "{line}");
        }
        // One of each in one text.
        let both = format!("pods \"b\" is forbidden: User \"jane\" cannot get resource \"pods\"\n{line}");
        assert!(other(&both).is_some());
    }

    #[test]
    fn what_came_through_a_page_reads_as_it_was() {
        let page = "secrets &quot;db&quot; is forbidden: User &quot;system:node:a&quot; cannot get resource &quot;secrets&quot; in API group &quot;&quot; in the namespace &quot;shop&quot;: no relationship found between node &#x27;a&#x27; and this object";
        let found = set().recognise(page);
        let denied = found.iter().find(|found| found.text == &super::super::NODE_AUTHORIZER).expect("the denial");
        assert_eq!(denied.fields["node"], "a");
        assert_eq!(without_entities("a &amp;lt; b").as_deref(), Some("a &lt; b"));
        assert_eq!(without_entities("a && b, R&D"), None);
    }

    #[test]
    fn a_line_is_made_plain_and_columns_stay() {
        for (line, made) in [
            ("User \u{201c}jane\u{201d}\u{a0}cannot  list", "User \"jane\" cannot list"),
            ("\u{2502}  Error: Unauthorized      \u{2502}", "Error: Unauthorized"),
            ("| Error:\tUnauthorized |", "Error: Unauthorized"),
            ("Get \"[https://c:443/version](https://c/version)\": EOF", "Get \"https://c:443/version\": EOF"),
        ] {
            assert_eq!(plain(line).as_deref(), Some(made));
        }
        for line in ["E1125 13:55:25.123608   32415 authentication.go:75] \"x\"", "f\u{fc}r alle", "| is a pipe"] {
            assert_eq!(plain(line), None, "{line}");
        }
    }

    #[test]
    fn a_terminals_padding_is_no_blank() {
        let pad = " ".repeat(77);
        let (wide, next) = ("a".repeat(80), "b".repeat(80));
        let line = format!(
            "kubelet: I0826 05:35:33.629881    3942 csi_plug{pad}in.go:913] Failed to contact API server when waiting for CSINode publishing: Una{pad}uthorized"
        );
        let made = plain(&line).expect("a line with the terminal's blanks");
        let whole = "csi_plugin.go:913] Failed to contact API server when waiting for CSINode publishing: Unauthorized";
        assert!(made.ends_with(whole), "{made}");
        // A line that ended with a word has that blank, too.
        assert_eq!(plain(&format!("{wide} {pad}{next}{pad}c")), Some(format!("{wide} {next}c")));
        // Columns are near one another, or of different widths, and one gap alone is no terminal's.
        for table in [format!("NAME{pad}READY{pad}AGE"), format!("NAME{pad}AGE"), format!("{pad}NAME{pad}AGE")] {
            assert!(plain(&table).is_some_and(|made| made.contains(" AGE")), "{table}");
        }
        assert_eq!(plain(&format!("{wide}{pad}{next}{pad}   c")), Some(format!("{wide} {next} c")));
    }

    #[test]
    fn rows_of_an_exported_table_read_as_their_cells() {
        let row = r#"1700000000000,"E1125 10:00:00.123608   32415 authentication.go:75] ""Unable to authenticate the request"" err=""[invalid bearer token, oidc: verify token: oidc: expected audience \""kubernetes\"" got [\""portal\""]]""""#;
        // A message that goes on in the next line has no end in this one.
        for row in [row, row.trim_end_matches('"')] {
            let found = set().recognise(row);
            let audience = found.iter().find(|found| found.text == &super::super::AUDIENCE).expect("the audience");
            assert_eq!(audience.fields["expected"], "\"kubernetes\"");
            assert_eq!(audience.fields["got"], "[\"portal\"]");
        }
        let row = r#"2026-11-25,"level=warning msg=""access denied"" arn=""arn:aws:iam::111122223333:role/dev"" error=""ARN is not mapped""""#;
        let found = set().recognise(row);
        let mapped = found.iter().find(|found| found.text == &super::super::IAM_NOT_MAPPED).expect("the refusal");
        assert_eq!(mapped.fields["arn"], "arn:aws:iam::111122223333:role/dev");
        let row = r#""pods is forbidden: User ""jane"" cannot list resource ""pods"" in API group """" in the namespace ""dev""",7"#;
        let refusal = super::super::forbidden(row).expect("the refusal");
        assert_eq!((refusal.user.as_str(), refusal.question.namespace.as_str()), ("jane", "dev"));
        // An empty text in quotes is one, wherever it stands.
        for line in [
            r#"{"a":"","b":"x"}"#,
            r#"pods is forbidden: User "a" cannot list resource "pods" in API group "" in the namespace "b""#,
            r#""a","","c""#,
            r#""msg" err="" user="a""#,
            r#""in API group "" at the cluster scope"#,
        ] {
            assert_eq!(of_cells(line), None, "{line}");
        }
    }

    #[test]
    fn quoting_is_undone_layer_by_layer() {
        let status = r#"{"log":"E1 err=\"[invalid bearer token, oidc: expected audience \\\"kubernetes\\\" got [\\\"account\\\"]]\"\n"}"#;
        let found = set().recognise(status);
        let audience = found.iter().find(|found| found.text == &super::super::AUDIENCE).expect("the audience");
        assert_eq!(audience.fields["expected"], "\"kubernetes\"");
        assert_eq!(audience.fields["got"], "[\"account\"]");
        assert!(set().recognise("nothing to see here").is_empty());
    }
}
