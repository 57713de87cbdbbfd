//! Texts without what may stand between the characters of a secret and leave it readable.

use std::borrow::Cow;

use crate::text::hidden;

/// A text without what may stand between the characters of a secret and leave it readable.
pub(super) struct Tight<'t> {
    pub(super) text: Cow<'t, str>,
    /// Where something was left out: the place in `text`, and how many bytes were left out up to there.
    pub(super) skipped: Vec<(usize, usize)>,
}

impl Tight<'_> {
    /// The place in the original of a byte of `text`.
    pub(super) fn before(&self, at: usize) -> usize {
        let passed = self.skipped.partition_point(|(place, _)| *place <= at);
        at + passed.checked_sub(1).map_or(0, |last| self.skipped[last].1)
    }
}

/// Leaves out blanks, line breaks and characters that are not seen, as they are and in the escapes of JSON and URLs.
pub(super) fn tight(text: &str) -> Tight<'_> {
    let mut kept = String::new();
    let mut skipped: Vec<(usize, usize)> = Vec::new();
    let (mut at, mut copied, mut left_out) = (0, 0, 0);
    while let Some(c) = text[at..].chars().next() {
        let passed = passed_over(&text[at..], c);
        if passed == 0 {
            at += c.len_utf8();
            continue;
        }
        kept.push_str(&text[copied..at]);
        at += passed;
        copied = at;
        left_out += passed;
        match skipped.last_mut() {
            Some((place, so_far)) if *place == kept.len() => *so_far = left_out,
            _ => skipped.push((kept.len(), left_out)),
        }
    }
    if skipped.is_empty() {
        return Tight { text: Cow::Borrowed(text), skipped };
    }
    kept.push_str(&text[copied..]);
    Tight { text: Cow::Owned(kept), skipped }
}

/// How many bytes at the begin of a text, which is this character, are a blank, something invisible, or an escape for one.
fn passed_over(text: &str, first: char) -> usize {
    let nothing = |c: char| c.is_whitespace() || c.is_control() || hidden(c);
    if nothing(first) {
        return first.len_utf8();
    }
    let number = |from: usize, digits: usize| {
        let digits = text.get(from..from + digits).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        digits.and_then(|digits| u32::from_str_radix(digits, 16).ok())
    };
    let is_nothing = |code: u32| char::from_u32(code).is_some_and(nothing);
    match (first, text.as_bytes().get(1)) {
        ('\\', Some(b'n' | b'r' | b't' | b'b' | b'f')) => 2,
        ('\\', Some(b'u')) => match number(2, 4) {
            // The two halves of a character beyond the first plane (RFC 8259, section 7).
            Some(high @ 0xd800..=0xdbff) if text.get(6..8) == Some("\\u") => match number(8, 4) {
                Some(low @ 0xdc00..=0xdfff) if is_nothing(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00)) => 12,
                _ => 0,
            },
            // An escape may begin a sequence, whose rest stands there as it is.
            Some(0x1b) if text.get(6..7) == Some("[") => 7 + sequence(&text[7..]),
            Some(0x9b) => 6 + sequence(&text[6..]),
            Some(code) if is_nothing(code) => 6,
            _ => 0,
        },
        ('%', Some(_)) if number(1, 2).is_some_and(|code| code <= 0x20 || code == 0x7f) => 3,
        _ => 0,
    }
}

/// How long the rest of a control sequence is, behind what begins it (ECMA-48, section 5.4).
fn sequence(text: &str) -> usize {
    let end = text.bytes().position(|byte| !(0x20..=0x3f).contains(&byte));
    end.filter(|at| (0x40..=0x7e).contains(&text.as_bytes()[*at])).map_or(0, |at| at + 1)
}
