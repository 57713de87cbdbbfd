//! One shape that secrets have: a pattern, built only where it may match.

use std::sync::OnceLock;

use regex::{Captures, Regex};

/// A regular expression that is built only once a text holds one of the words without which it cannot match: building
/// all of them costs more than asking the API server a question.
pub(super) struct Shape {
    /// One of these must stand in the text, in lower case; the pattern cannot match otherwise.
    needs: &'static [&'static str],
    pub(super) pattern: &'static str,
    replacement: &'static str,
    /// Whether a match is no secret by what stands in it and around it. The search then goes on at its group `value`.
    spares: fn(&str, &Captures<'_>) -> bool,
    built: OnceLock<Regex>,
}

impl Shape {
    pub(super) const fn new(needs: &'static [&'static str], pattern: &'static str, replacement: &'static str) -> Self {
        Self::unless(needs, pattern, replacement, nothing)
    }

    pub(super) const fn unless(
        needs: &'static [&'static str],
        pattern: &'static str,
        replacement: &'static str,
        spares: fn(&str, &Captures<'_>) -> bool,
    ) -> Self {
        Self { needs, pattern, replacement, spares, built: OnceLock::new() }
    }

    /// The pattern, if it can match a text which reads so in lower case.
    pub(super) fn for_text(&self, lower: &str) -> Option<&Regex> {
        self.needs.iter().any(|word| lower.contains(word)).then(|| self.regex())
    }

    pub(super) fn regex(&self) -> &Regex {
        self.built.get_or_init(|| Regex::new(self.pattern).expect("constant pattern"))
    }

    /// The text with every secret of this shape blanked; nothing where there is none.
    pub(super) fn blanked(&self, text: &str, lower: &str) -> Option<String> {
        let regex = self.for_text(lower)?;
        let mut out: Option<String> = None;
        let (mut at, mut copied) = (0, 0);
        while let Some(found) = regex.captures_at(text, at) {
            let Some(whole) = found.get(0) else { break };
            if (self.spares)(text, &found) {
                let value = found.name("value").map(|value| value.start()).filter(|start| *start > whole.start());
                at = value.unwrap_or(whole.end());
                continue;
            }
            let out = out.get_or_insert_with(|| String::with_capacity(text.len()));
            out.push_str(&text[copied..whole.start()]);
            found.expand(self.replacement, out);
            (at, copied) = (whole.end(), whole.end());
        }
        let mut out = out?;
        out.push_str(&text[copied..]);
        Some(out)
    }
}

/// Spares nothing.
fn nothing(_: &str, _: &Captures<'_>) -> bool {
    false
}
