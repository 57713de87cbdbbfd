//! Puts a message together again that a terminal, a chat or a page broke into lines: pieces belong together where they
//! say more as one than each does alone.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;

use super::reading::{Reading, read};
use super::rule;
use crate::apiserver::message::{heard::names as heard, set};

/// A text of more bytes than this is a log, whose lines are whole.
pub const SHORT: usize = 64 * 1024;

/// Into how many lines a message may have been broken.
const PIECES: usize = 6;

/// From how many columns on a line may have been broken by what showed it, and up to how many.
const NARROW: usize = 60;
const WIDE: usize = 130;

/// How a line ends that cannot end there.
const OPEN: &[&str] = &["dial tcp", "dial tcp:", "i/o", "in the namespace", "certificate signed by", "connection"];

/// How many of these lines, from the first on, are the parts into which a container runtime cut one line, and that line.
pub fn parts(lines: &[&str]) -> Option<(usize, String)> {
    static HEAD: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"^\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d) (?P<stream>stdout|stderr) (?P<kind>[PF]) ")
            .expect("constant pattern")
    });
    let (first, rest) = lines.split_first()?;
    let head = HEAD.captures(first).filter(|head| &head["kind"] == "P")?;
    let mut whole = (*first).to_owned();
    for (index, line) in rest.iter().enumerate() {
        let next = HEAD.captures(line).filter(|next| next["stream"] == head["stream"])?;
        whole.push_str(&line[next[0].len()..]);
        if &next["kind"] == "F" {
            return Some((index + 2, whole));
        }
    }
    None
}

/// How many of these lines, from the first on, are one message that a terminal, a chat or a page broke, and the message
/// as it was. `None` where the first line says as much by itself.
pub fn joined(lines: &[&str]) -> Option<(usize, String)> {
    let (first, rest) = lines.split_first()?;
    let next = rest.first()?;
    let lead = &first[..first.len() - first.trim_start_matches(['>', '|', '│', ' ', '\t']).len()];
    // Where the next word is long, a line ends early.
    let word = next.split_whitespace().next().map_or(0, columns);
    let open = OPEN.iter().any(|end| first.trim_end().ends_with(end));
    if first.trim().is_empty() || columns(first) > WIDE || columns(first) + word < NARROW && !open {
        return None;
    }
    continued(next, lead)?;
    let mut pieces = vec![&first[lead.len()..]];
    let first_alone = read(pieces[0]);
    let mut speaking = usize::from(!first_alone.is_empty());
    let mut best: Option<(usize, String)> = None;
    let mut told = first_alone;
    for line in rest.iter().take(PIECES - 1) {
        let Some(piece) = continued(line, lead) else { break };
        pieces.push(piece);
        let alone = read(piece);
        speaking += usize::from(!alone.is_empty());
        // Two lines that each say something are two messages.
        if speaking > 1 {
            break;
        }
        if told.is_empty() {
            told = alone;
        }
        let mut ways: Vec<(String, Vec<Reading>)> =
            glued(&pieces).into_iter().map(|whole| (whole.clone(), read(&whole))).collect();
        ways.sort_by_key(|(_, readings)| blanks(readings));
        let fewest = ways.iter().find(|(_, readings)| !readings.is_empty()).map(|(_, readings)| blanks(readings));
        for (whole, readings) in ways {
            // A name that was put together wrongly says nothing, however sure it sounds.
            if fewest.is_some_and(|fewest| blanks(&readings) > fewest) {
                continue;
            }
            if tells_more(&readings, &told) {
                best = Some((pieces.len(), whole));
                told = readings;
            }
        }
    }
    let (count, whole) = best?;
    // Where the rest says the same without it, the first line is no part of the message.
    let without = glued(&pieces[1..count]).iter().any(|whole| !tells_more(&told, &read(whole)));
    (!without).then_some((count, whole))
}

/// The text with each broken message in one line, and without the entities of a page.
pub fn unwrapped(text: &str) -> Cow<'_, str> {
    if text.len() > SHORT {
        return Cow::Borrowed(text);
    }
    // The API server itself writes `<` as an entity, and never a quote.
    let page = ["&quot;", "&#34;", "&#x22;"].iter().any(|quote| text.contains(quote));
    let plain = set::without_entities(text).filter(|_| page).map_or(Cow::Borrowed(text), Cow::Owned);
    let plain = if plain.is_ascii() {
        plain
    } else {
        let lines = plain.split('\n').map(|line| set::plain(line).map_or(Cow::Borrowed(line), Cow::Owned));
        Cow::Owned(lines.collect::<Vec<_>>().join("\n"))
    };
    match rejoined(&plain) {
        Some(whole) => Cow::Owned(whole),
        None => plain,
    }
}

/// The text with each broken message in one line; `None` where none was broken.
fn rejoined(text: &str) -> Option<String> {
    let lines: Vec<&str> = text.lines().collect();
    let mut whole = String::with_capacity(text.len());
    let mut any = false;
    let mut at = 0;
    while let Some(line) = lines.get(at) {
        if at > 0 {
            whole.push('\n');
        }
        if let Some((count, message)) = joined(&lines[at..]) {
            whole.push_str(&message);
            any = true;
            at += count;
        } else {
            whole.push_str(line);
            at += 1;
        }
    }
    any.then_some(whole)
}

/// The line as the continuation of one that began with `lead`; `None` where it begins something of its own.
fn continued<'l>(line: &'l str, lead: &str) -> Option<&'l str> {
    static BEGINNING: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(concat!(
            r#"^(?:[IWEF]\d{4} |\[?\d{4}[-/]\d\d[-/]\d\d[T ]|\d\d:\d\d:\d\d|(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) +\d+ \d\d:|"#,
            r#"(?:time|ts|level|msg)=|\{\s*"|[}\]]|"[\w.-]+"\s*:\s*(?:["\[{\d]|true|false|null)|</?[!a-zA-Z]|\[pod/|"#,
            r"(?:Error|ERROR|FATA?L?|WARN|Warning|WARNING|INFO|DEBUG)\b|(?:error|fatal|panic|warning): |Unable to connect|You must be|",
            r"[$#*+-] |\d+\. |at \S+\(|Caused by: |Traceback |```|goroutine |(?:kubectl|helm|kaccess) )",
        ))
        .expect("constant pattern")
    });
    // A time in the middle of a message, not that of a line; gRPC's "rpc error: code = ".
    static WITHIN: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"^(?:[\d:TZ.-]+(?: [\d:.]+)? (?:is (?:after|before|now|still)|[+-]\d{4} UTC)|error: code = )")
            .expect("constant pattern")
    });
    let mark = lead.trim_end();
    let piece = if mark.is_empty() {
        line.strip_prefix(lead).unwrap_or(line)
    } else {
        let piece = line.strip_prefix(mark)?;
        piece.strip_prefix(&lead[mark.len()..]).unwrap_or(piece)
    };
    let own = piece.trim_start();
    (columns(line) <= WIDE && !own.is_empty() && (!BEGINNING.is_match(own) || WITHIN.is_match(own))).then_some(piece)
}

fn columns(text: &str) -> usize {
    text.chars().count()
}

/// The pieces as one line, the likelier way first: broken at blanks, or wherever the line was full.
fn glued(pieces: &[&str]) -> Vec<String> {
    let Some((_, broken)) = pieces.split_last() else { return Vec::new() };
    let full = broken.iter().map(|piece| columns(piece.trim_end())).max().unwrap_or_default();
    let glue = |hard: bool| {
        let mut whole = String::new();
        for (index, piece) in pieces.iter().enumerate() {
            let Some(before) = index.checked_sub(1).and_then(|index| pieces.get(index)) else {
                whole.push_str(piece.trim_end());
                continue;
            };
            let blank = before.ends_with([' ', '\t']) || piece.starts_with([' ', '\t']);
            if blank || !hard || columns(before.trim_end()) < full {
                whole.push(' ');
            }
            whole.push_str(piece.trim());
        }
        whole
    };
    let (soft, hard) = (glue(false), glue(true));
    if soft == hard {
        return vec![soft];
    }
    // Lines that all end in the same column were cut there, and so was one that fills a terminal.
    let even = broken.len() > 1 && broken.iter().all(|piece| columns(piece.trim_end()) == full);
    if even || [80, 100, 120].contains(&full) { vec![hard, soft] } else { vec![soft, hard] }
}

/// How many blanks stand in names: of two ways to put the pieces together, the one with more has cut a name in two.
fn blanks(readings: &[Reading]) -> usize {
    const NAMES: [&str; 19] = [
        "user",
        "verb",
        "group",
        "resource",
        "subresource",
        "namespace",
        "path",
        "url",
        "api",
        "host",
        "server",
        "address",
        "arn",
        "role",
        "issuer",
        "claim",
        "expected",
        "got",
        "file",
    ];
    let fields = readings.iter().flat_map(|reading| &reading.fields);
    let names = fields.filter(|(name, _)| NAMES.contains(&name.as_str()));
    names.map(|(_, value)| value.split_whitespace().count().saturating_sub(1)).sum()
}

/// What is said with these readings, and was not with those before.
fn tells_more(readings: &[Reading], before: &[Reading]) -> bool {
    let Some(now) = readings.first() else { return false };
    let Some(then) = before.first() else { return true };
    // The API server's own words for a 401 are less than whatever it puts behind them.
    if now.code != then.code && then.code == "credential-rejected" {
        return true;
    }
    // The reason stands behind these words.
    let leads = [heard::AWS_CREDENTIALS, heard::FRONT_PROXY_CONFIG, heard::AWS_KEYS];
    if leads.contains(&then.text) && readings.iter().all(|reading| reading.text != then.text) {
        return true;
    }
    let explains = rule(now.code).is_some_and(|rule| rule.explains.contains(&then.code));
    match now.confidence.cmp(&then.confidence) {
        std::cmp::Ordering::Less => true,
        std::cmp::Ordering::Equal if now.code == then.code => now.fields.len() > then.fields.len(),
        _ => now.code != then.code && explains,
    }
}
