//! Texts cut and spelled for findings: beginnings of sentences, lines cut short.

/// Begins a sentence with a capital letter where an ordinary word stands first: names, hosts, ids and settings stay as
/// they are written.
pub(super) fn sentence(text: String) -> String {
    const ORDINARY: &[&str] = &[
        "a",
        "an",
        "any",
        "cluster",
        "container",
        "context",
        "error",
        "every",
        "it",
        "more",
        "no",
        "none",
        "nothing",
        "that",
        "the",
        "this",
        "unable",
        "user",
    ];
    let word = text.split(' ').next().unwrap_or_default();
    if !ORDINARY.contains(&word) {
        return text;
    }
    capital(&text)
}

/// The words with a capital at their beginning.
pub fn capital(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// The first `limit` characters of the first line.
pub fn clip(text: &str, limit: usize) -> String {
    let line = text.lines().next().unwrap_or_default();
    if line.chars().count() > limit {
        format!("{}…", line.chars().take(limit).collect::<String>())
    } else {
        line.to_owned()
    }
}
