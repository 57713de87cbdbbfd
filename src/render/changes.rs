//! What changed between two looks, for people.

use std::io::{self, Write};

use colored::Colorize as _;
use jiff::{SignedDuration, Timestamp};

use super::human::{duration, plain};
use crate::report::changes::Change;

/// The changes that a look at this time showed, one line each.
///
/// # Errors
/// When the writer fails.
pub fn lines(changed: &[Change], at: Timestamp, out: &mut dyn Write) -> io::Result<()> {
    let who = |name: &Option<String>| name.as_deref().map_or_else(|| "nobody".to_owned(), plain);
    for change in changed {
        let (word, text) = match change {
            Change::New { code, title } => ("new".red().bold(), format!("{code}: {}", plain(title))),
            Change::Gone { code, title } => ("gone".green().bold(), format!("{code}: {}", plain(title))),
            Change::First { code, title } => {
                ("first".yellow().bold(), format!("the root cause is now {code}: {}", plain(title)))
            }
            Change::Identity { before, now } => {
                ("who".bold(), format!("the API server took you for {}, and now for {}", who(before), who(now)))
            }
            Change::Check { id, before, now } => {
                ("check".bold(), format!("{id}: {} before, {} now", before.word(), now.word()))
            }
        };
        // The width counts what is seen, not the codes of the colour.
        let blanks = " ".repeat(5 - word.chars().count().min(5));
        writeln!(out, "{}  {word}{blanks}  {text}", clock(at))?;
    }
    Ok(())
}

/// The last line: all is well, after so many looks in so long.
///
/// # Errors
/// When the writer fails.
pub fn healthy(
    identity: Option<&str>,
    (looks, since): (u64, SignedDuration),
    at: Timestamp,
    out: &mut dyn Write,
) -> io::Result<()> {
    let who = identity.map_or_else(String::new, |name| format!(": you are {}", plain(name)));
    let word = "healthy".green().bold();
    writeln!(out, "{}  {word} after {looks} looks in {}{who}", clock(at), duration(since))
}

/// The time of a look, UTC.
fn clock(at: Timestamp) -> String {
    at.strftime("%H:%M:%SZ").to_string()
}
