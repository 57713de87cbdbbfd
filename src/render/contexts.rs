//! Several contexts examined, one line each.

use std::io::{self, Write};
use std::time::Duration;

use colored::Colorize as _;

use super::markdown::plain;
use super::{Diagnosed, human, terminal};
use crate::report::doctor::Verdict;

/// The columns of the verdict and the blanks behind it.
const VERDICT: usize = 10;

/// For people: a line a context, then how many there are of each kind.
///
/// # Errors
/// When the writer fails.
pub fn table(items: &[Diagnosed<'_>], took_ms: u64, width: Option<usize>, out: &mut dyn Write) -> io::Result<()> {
    let wide = items.iter().map(|item| item.context.chars().count()).max().unwrap_or_default();
    for item in items {
        let word = match item.report.verdict {
            Verdict::Problems => "PROBLEMS".red().bold(),
            Verdict::Unknown => "UNKNOWN ".yellow().bold(),
            Verdict::Healthy => "HEALTHY ".green().bold(),
        };
        let blanks = " ".repeat(wide - item.context.chars().count());
        let (words, before) = (words(item), VERDICT + wide + 2);
        // On a terminal what is wider goes on below: beside the contexts, or where these leave no room, indented.
        let indent = if width.is_some_and(|width| before + 30 > width) { 4 } else { before };
        match width.filter(|width| before + words.chars().count() > *width) {
            None => writeln!(out, "{word}  {}{blanks}  {words}", item.context)?,
            Some(width) => {
                let lines = human::wrap(&words, width.saturating_sub(indent));
                let below = format!("\n{}", " ".repeat(indent));
                let rest = lines.join(below.as_str());
                if indent == before {
                    writeln!(out, "{word}  {}{blanks}  {rest}", item.context)?;
                } else {
                    writeln!(out, "{word}  {}\n{}{rest}", item.context, " ".repeat(indent))?;
                }
            }
        }
    }
    let seconds = Duration::from_millis(took_ms).as_secs_f64();
    writeln!(out, "\n{}, in {seconds:.1} s", counts(items))?;
    if items.iter().any(|item| item.report.verdict != Verdict::Healthy) {
        writeln!(out, "the whole story of one: kaccess doctor --context NAME")?;
    }
    Ok(())
}

/// One line a finding, its context before it.
///
/// # Errors
/// When the writer fails.
pub fn short(items: &[Diagnosed<'_>], out: &mut dyn Write) -> io::Result<()> {
    for item in items {
        let mut lines = Vec::new();
        terminal::short(item.report, &mut lines)?;
        for line in String::from_utf8_lossy(&lines).lines() {
            writeln!(out, "{}: {line}", item.context)?;
        }
    }
    Ok(())
}

/// For a ticket: a row a context.
///
/// # Errors
/// When the writer fails.
pub fn markdown(items: &[Diagnosed<'_>], out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "# kaccess doctor: {}\n", counts(items))?;
    writeln!(out, "| context | verdict | root cause |\n|---|---|---|")?;
    for item in items {
        writeln!(out, "| {} | {} | {} |", plain(item.context), item.report.verdict.word(), plain(&words(item)))?;
    }
    Ok(())
}

/// What a context's line says: the root cause, else who one is.
fn words(item: &Diagnosed<'_>) -> String {
    match (item.report.findings.first(), item.evidence.identity.seen()) {
        (Some(finding), _) => format!("{}: {}", finding.code, finding.title),
        (None, Some(identity)) => format!("you are {}", identity.user.username),
        (None, None) => item.evidence.too_late().unwrap_or("nothing found, and nobody established").to_owned(),
    }
}

fn counts(items: &[Diagnosed<'_>]) -> String {
    let count = |verdict: Verdict| items.iter().filter(|item| item.report.verdict == verdict).count();
    format!(
        "{} context{}: {} with problems, {} unknown, {} healthy",
        items.len(),
        if items.len() == 1 { "" } else { "s" },
        count(Verdict::Problems),
        count(Verdict::Unknown),
        count(Verdict::Healthy)
    )
}
