//! What texts mean, grouped by cause; the page of a code; the code that somebody meant.

/// Matches of a text, one for each cause.
mod collector;
/// Words of other programs that check tokens.
mod foreign;
/// A code that is spelled nearly so.
mod guess;
/// What words say, as a sentence.
mod meaning;
/// Texts with a title and a repair of their own.
mod own_words;
/// Pages, list and table of the registry.
mod pages;
/// What to do.
mod repair;

use std::collections::BTreeMap;

pub use collector::Collector;
pub use guess::{asked, near};
pub use pages::{list, page, symptoms};

use crate::evidence::identity::ANONYMOUS;

/// Stands where a field is not in the text: no sentence is told that would hold it. Nothing foreign contains it.
const NOTHING: &str = "\u{0}";

fn field<'f>(fields: &'f BTreeMap<String, String>, name: &str) -> &'f str {
    fields.get(name).map_or("", String::as_str)
}

/// A refusal of nobody by an extension server, to which the API server passes names on.
fn unseen(code: &str, fields: &BTreeMap<String, String>) -> bool {
    code == "front-proxy-not-configured" && field(fields, "user") == ANONYMOUS
}

fn or<'t>(text: &'t str, other: &'t str) -> &'t str {
    if text.trim().is_empty() || text == NOTHING { other } else { text }
}

fn with(lead: &str, text: &str) -> String {
    if text.trim().is_empty() || text == NOTHING { String::new() } else { format!("{lead}{text}") }
}
