//! What differs between a saved look and this one, for people.

use std::io::{self, Write};

use colored::Colorize as _;

use super::human::{indented, plain, relative};
use crate::report::compare::Comparison;

fn head(comparison: &Comparison, now: jiff::Timestamp) -> String {
    let context = comparison.then_context.as_deref().map(|name| format!(" of context {}", plain(name)));
    format!(
        "Compared with the look{} at {} ({})",
        context.unwrap_or_default(),
        comparison.then.strftime("%Y-%m-%d %H:%M:%S UTC"),
        relative(now, comparison.then)
    )
}

const SAME: &str = "nothing differs that can matter: look for the cause where neither look could see (not checked)";

/// Between the report's head and its findings, as whoever compares asks for it first.
///
/// # Errors
/// When the writer fails.
pub fn table(comparison: &Comparison, now: jiff::Timestamp, width: usize, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\n{}", head(comparison, now).bold())?;
    for (word, codes) in [("found now, not then:", &comparison.appeared), ("found then, not now:", &comparison.gone)] {
        if !codes.is_empty() {
            for line in indented(&format!("{word} {}", codes.join(", ")), width, "  ", "    ") {
                writeln!(out, "{line}")?;
            }
        }
    }
    if comparison.differences.is_empty() && comparison.appeared.is_empty() && comparison.gone.is_empty() {
        return writeln!(out, "  {SAME}");
    }
    for difference in &comparison.differences {
        for line in indented(&plain(&difference.what), width, "- ", "  ") {
            writeln!(out, "{line}")?;
        }
        for (word, value) in [("then", &difference.then), ("now ", &difference.now)] {
            for line in indented(&plain(value), width, &format!("    {word}  "), "          ") {
                writeln!(out, "{line}")?;
            }
        }
    }
    Ok(())
}

/// The same for a ticket.
///
/// # Errors
/// When the writer fails.
pub fn markdown(comparison: &Comparison, now: jiff::Timestamp, out: &mut dyn Write) -> io::Result<()> {
    let safe = |text: &str| super::markdown::plain(&plain(text));
    writeln!(out, "\n## {}\n", safe(&head(comparison, now)))?;
    for (word, codes) in [("found now, not then", &comparison.appeared), ("found then, not now", &comparison.gone)] {
        if !codes.is_empty() {
            writeln!(out, "- {word}: {}", codes.iter().map(|code| format!("`{code}`")).collect::<Vec<_>>().join(", "))?;
        }
    }
    if comparison.differences.is_empty() {
        if comparison.appeared.is_empty() && comparison.gone.is_empty() {
            writeln!(out, "{SAME}")?;
        }
        return Ok(());
    }
    writeln!(out, "\n| what | then | now |\n|---|---|---|")?;
    for difference in &comparison.differences {
        writeln!(out, "| {} | {} | {} |", safe(&difference.what), safe(&difference.then), safe(&difference.now))?;
    }
    Ok(())
}
