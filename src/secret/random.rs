//! Long words that read like chance.

use super::REDACTED;

/// Blanks each run of 24 letters, digits and signs of base64 or more that reads like chance.
pub(super) fn blank_random(text: &str) -> String {
    let in_run = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '+' | '/' | '=' | '~' | '-');
    let mut blanked = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let (run, behind) = rest.split_at(rest.find(|c| !in_run(c)).unwrap_or(rest.len()));
        blanked.push_str(if run.len() >= 24 && looks_random(run) { REDACTED } else { run });
        let (between, next) = behind.split_at(behind.find(in_run).unwrap_or(behind.len()));
        blanked.push_str(between);
        rest = next;
    }
    blanked
}

/// A long run of mixed case and digits that is no path and no sentence of words joined by dashes.
fn looks_random(word: &str) -> bool {
    let upper = word.bytes().filter(u8::is_ascii_uppercase).count();
    let lower = word.bytes().filter(u8::is_ascii_lowercase).count();
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    // Letters and digits change into each other often in random text, rarely in names and paths.
    let class = |b: u8| {
        if b.is_ascii_uppercase() {
            1
        } else if b.is_ascii_lowercase() {
            2
        } else if b.is_ascii_digit() {
            3
        } else {
            4
        }
    };
    let bytes = word.as_bytes();
    let changes = bytes.windows(2).filter(|pair| class(pair[0]) != class(pair[1])).count();
    upper >= 3 && lower >= 3 && digits >= 2 && changes * 3 >= bytes.len()
}
