//! Durations, relative times and foreign text, for people and for every terminal: plain ASCII of our own.

use std::borrow::Cow;
use std::io::{self, Write};

use jiff::{SignedDuration, Timestamp};

use crate::text::hidden;

/// A length of time in its largest units: `45 s`, `12 min`, `1 h 30 min`, `3 d 4 h`, `45 d`, `2 y 40 d`.
///
/// The second unit is left out where it is zero or no longer matters. The sign is dropped.
pub fn duration(length: SignedDuration) -> String {
    let seconds = length.as_secs().unsigned_abs();
    let two = |large: u64, unit: &str, small: u64, small_unit: &str| {
        if small == 0 || large >= 10 {
            format!("{large} {unit}")
        } else {
            format!("{large} {unit} {small} {small_unit}")
        }
    };
    let (minute, hour, day, year) = (60, 3600, 86_400, 365 * 86_400);
    match seconds {
        0 if !length.is_zero() => format!("{} ms", length.subsec_millis().unsigned_abs()),
        seconds if seconds < minute => format!("{seconds} s"),
        seconds if seconds < hour => format!("{} min", seconds / minute),
        seconds if seconds < 2 * day => two(seconds / hour, "h", seconds % hour / minute, "min"),
        seconds if seconds < 2 * year => two(seconds / day, "d", seconds % day / hour, "h"),
        seconds => two(seconds / year, "y", seconds % year / day, "d"),
    }
}

/// A time as seen from another: `in 12 min`, `3 h ago`, `now` (within a second).
pub fn relative(now: Timestamp, then: Timestamp) -> String {
    let distance = then.duration_since(now);
    if distance.as_secs() == 0 {
        "now".to_owned()
    } else if distance.is_positive() {
        format!("in {}", duration(distance))
    } else {
        format!("{} ago", duration(distance))
    }
}

/// The last gate before a terminal: a whole answer in which nothing that a renderer overlooked can move the cursor or
/// turn the reading around. Line feeds and tabs stay, and with `colour` the codes of our own colours.
pub fn shown(text: &str, colour: bool) -> Cow<'_, str> {
    let deceives = |c: char| c.is_control() && !matches!(c, '\n' | '\t') || hidden(c);
    if !text.contains(deceives) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len() + 64);
    for (at, c) in text.char_indices() {
        if !deceives(c) || colour && c == '\u{1b}' && is_colour(&text[at + 1..]) {
            out.push(c);
        } else {
            out.push_str(&format!("\\u{{{:x}}}", u32::from(c)));
        }
    }
    out.into()
}

/// What follows an escape is one of the codes that our renderers write: bold, dimmed, underlined, a colour, or their end.
fn is_colour(rest: &str) -> bool {
    let Some(codes) = rest.strip_prefix('[').and_then(|rest| rest.get(..rest.find('m')?)) else { return false };
    codes.split(';').all(|code| matches!(code, "0" | "1" | "2" | "4" | "31" | "32" | "33" | "36"))
}

/// The same text with every web address a hyperlink to itself (OSC 8), for terminals that know them: where the address
/// goes and what is read are always the same.
pub fn linked(text: &str) -> Cow<'_, str> {
    const SCHEME: &str = "https://";
    if !text.contains(SCHEME) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len() + 256);
    let mut rest = text;
    while let Some(at) = rest.find(SCHEME) {
        let (before, from) = rest.split_at(at);
        let part =
            |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\'' | '<' | '>' | '`' | '\\' | '|' | '(' | ')');
        let address = &from[..from.find(|c| !part(c)).unwrap_or(from.len())];
        let address = address.trim_end_matches(['.', ',', ';', ':', ']', '}']);
        out.push_str(before);
        if address.len() > SCHEME.len() {
            out.push_str(&format!("\u{1b}]8;;{address}\u{1b}\\{address}\u{1b}]8;;\u{1b}\\"));
        } else {
            out.push_str(address);
        }
        rest = &from[address.len()..];
    }
    out.push_str(rest);
    out.into()
}

/// Foreign text on one line: what could move a terminal's cursor or deceive the eye is written as an escape.
pub fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if c.is_control() || hidden(c) => out.push_str(&format!("\\u{{{:x}}}", c as u32)),
            c => out.push(c),
        }
    }
    out
}

/// Breaks a text into lines of at most `width` characters at its blanks; a longer word stands alone, unbroken, so that
/// it can be copied.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    indented(text, width, "", "")
}

/// The same with something before the first line and before the further ones, which counts.
pub fn indented(text: &str, width: usize, first: &str, rest: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = first.to_owned();
    let mut used = line.chars().count();
    let mut empty = true;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if !empty && used + 1 + length > width {
            lines.push(std::mem::replace(&mut line, rest.to_owned()));
            used = line.chars().count();
            empty = true;
        }
        if !empty {
            line.push(' ');
            used += 1;
        }
        line.push_str(word);
        used += length;
        empty = false;
    }
    lines.push(line);
    lines
}

/// Least room, in columns, for which a text is broken.
const ROOM: usize = 16;

/// Text at its indent: whole for programs and where it fits, broken at blanks where a terminal is too narrow for it.
///
/// # Errors
/// When the writer fails.
pub fn wrapped(text: &str, first: &str, rest: &str, width: Option<usize>, out: &mut dyn Write) -> io::Result<()> {
    match width.filter(|width| first.len() + text.chars().count() > *width) {
        None => writeln!(out, "{first}{text}"),
        Some(width) => {
            let lines = wrap(text, width.saturating_sub(rest.len()).max(ROOM));
            let mut lines = lines.iter().enumerate();
            lines.try_for_each(|(number, line)| writeln!(out, "{}{line}", if number == 0 { first } else { rest }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (seconds, expected) in [
            (0, "0 s"),
            (45, "45 s"),
            (-45, "45 s"),
            (12 * 60 + 30, "12 min"),
            (3 * 3600, "3 h"),
            (3 * 3600 + 240, "3 h 4 min"),
            (30 * 3600 + 240, "30 h"),
            (3 * 86_400 + 4 * 3600, "3 d 4 h"),
            (45 * 86_400, "45 d"),
            (800 * 86_400, "2 y 70 d"),
        ] {
            assert_eq!(duration(SignedDuration::from_secs(seconds)), expected);
        }
        assert_eq!(duration(SignedDuration::from_millis(250)), "250 ms");
        assert_eq!(duration(SignedDuration::MIN), "292471208677 y");
    }

    #[test]
    fn relations() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        let at = |offset: i64| Timestamp::from_second(1_000_000 + offset).unwrap();
        assert_eq!(relative(now, at(720)), "in 12 min");
        assert_eq!(relative(now, at(-10_800)), "3 h ago");
        assert_eq!(relative(now, now), "now");
    }

    #[test]
    fn an_address_is_a_link_to_itself() {
        assert_eq!(linked("no address, https:// alone"), "no address, https:// alone");
        let link = "\u{1b}]8;;https://sso.example.com/a?b=1\u{1b}\\https://sso.example.com/a?b=1\u{1b}]8;;\u{1b}\\";
        assert_eq!(linked("see https://sso.example.com/a?b=1."), format!("see {link}."));
        assert_eq!(
            linked("\"https://sso.example.com/a?b=1\" \u{1b}[36mhttps://sso.example.com/a?b=1\u{1b}[0m"),
            format!("\"{link}\" \u{1b}[36m{link}\u{1b}[0m")
        );
    }

    #[test]
    fn foreign_text_cannot_move_the_cursor() {
        assert_eq!(plain("a\u{1b}[31m\u{202e}b\nc"), "a\\u{1b}[31m\\u{202e}b\\nc");
        assert_eq!(wrap("aa bb cccccc d", 5), ["aa bb", "cccccc", "d"]);
        assert_eq!(wrap(" ", 5), [""]);
    }

    #[test]
    fn long_words_stay_whole() {
        assert_eq!(
            indented("aa bb https://a/very/long/url cc", 12, "  ", "  "),
            ["  aa bb", "  https://a/very/long/url", "  cc"]
        );
    }
}
