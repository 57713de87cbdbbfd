//! `explain`'s answers as a table, as Markdown, and in one line each; JSON and YAML are the views themselves.

use std::io::{self, Write};

use colored::Colorize as _;

use super::human::wrap;
use super::markdown as notes;
use super::markdown::plain;
use crate::report::Severity;
use crate::report::explain::{Entry, Explanation, FindingPage, Match};
use crate::report::view::StepView;
use crate::text;

/// How much of a line is shown to people, in characters.
const SHOWN: usize = 240;

fn clip(text: &str) -> String {
    let line = text::one_line(text);
    if line.chars().count() > SHOWN { format!("{}…", line.chars().take(SHOWN).collect::<String>()) } else { line }
}

fn wrapped(text: &str, first: &str, rest: &str, width: usize, out: &mut dyn Write) -> io::Result<()> {
    let room = width.saturating_sub(rest.len()).max(20);
    for (number, line) in wrap(text, room).iter().enumerate() {
        writeln!(out, "{}{line}", if number == 0 { first } else { rest })?;
    }
    Ok(())
}

/// How often and when.
fn times(found: &Match) -> String {
    let mut text = match (found.count, found.line == found.last_line) {
        (1, _) => format!("line {}", found.line),
        (count, true) => format!("{count} times in line {}", found.line),
        (count, false) => format!("{count} times, in lines {} to {}", found.line, found.last_line),
    };
    match (&found.first_seen, &found.last_seen) {
        (Some(first), Some(last)) if first != last => text.push_str(&format!(", from {first} to {last}")),
        (Some(first), _) => text.push_str(&format!(", at {first}")),
        _ => {}
    }
    text
}

fn steps(steps: &[StepView], indent: &str, width: usize, out: &mut dyn Write) -> io::Result<()> {
    for (number, step) in steps.iter().enumerate() {
        wrapped(&step.text, &format!("{indent}{}. ", number + 1), &format!("{indent}   "), width, out)?;
        for code in step.codes() {
            for line in code.lines() {
                writeln!(out, "{indent}     {}", line.cyan())?;
            }
        }
    }
    Ok(())
}

/// For people.
///
/// # Errors
/// When the writer fails.
pub fn table(report: &Explanation, width: usize, out: &mut dyn Write) -> io::Result<()> {
    if report.matches.is_empty() {
        writeln!(out, "Nothing in this text is known to kaccess as a problem of access.")?;
        return suggestions(report, out);
    }
    let (roots, explained): (Vec<&Match>, Vec<&Match>) =
        report.matches.iter().partition(|found| found.explained_by.is_none());
    for (number, found) in roots.iter().enumerate() {
        if number > 0 {
            writeln!(out)?;
        }
        let code = match found.severity {
            Severity::Error => found.code.red().bold(),
            Severity::Warning => found.code.yellow().bold(),
            Severity::Info => found.code.bold(),
        };
        writeln!(out, "{code}  ({})", found.confidence.word())?;
        wrapped(found.title, "  ", "  ", width, out)?;
        if found.means != found.title {
            wrapped(&format!("Says: {}", found.means), "  ", "  ", width, out)?;
        }
        writeln!(out, "  Seen: {}", times(found))?;
        writeln!(out, "    {}", clip(&found.text).dimmed())?;
        writeln!(out, "  {}", "Next".bold())?;
        steps(&found.next, "    ", width, out)?;
        if !found.candidates.is_empty() {
            writeln!(out, "  {}", "The same words fit".bold())?;
            for candidate in &found.candidates {
                wrapped(&format!("- {}: {}", candidate.code, candidate.why), "    ", "      ", width, out)?;
                wrapped(&format!("told apart by: {}", candidate.decided_by.text), "      ", "      ", width, out)?;
                if let Some(command) = &candidate.decided_by.command {
                    writeln!(out, "        {}", command.cyan())?;
                }
            }
        }
    }
    if !explained.is_empty() {
        writeln!(out, "\n{}", "Only consequences of the above".bold())?;
        for found in explained {
            let by = found.explained_by.unwrap_or_default();
            wrapped(&format!("- {} ({}), because of {by}", found.code, times(found)), "  ", "    ", width, out)?;
        }
    }
    if report.unrecognised > 0 {
        writeln!(out, "\nlines that say nothing of access: {}", report.unrecognised)?;
    }
    if report.interrupted {
        writeln!(out, "Reading was broken off; there may be more.")?;
    }
    Ok(())
}

fn suggestions(report: &Explanation, out: &mut dyn Write) -> io::Result<()> {
    if !report.suggestions.is_empty() {
        writeln!(out, "Did you mean one of these codes?")?;
        for code in &report.suggestions {
            writeln!(out, "  kaccess explain {code}")?;
        }
    }
    Ok(())
}

/// One line a match.
///
/// # Errors
/// When the writer fails.
pub fn short(report: &Explanation, out: &mut dyn Write) -> io::Result<()> {
    if report.matches.is_empty() {
        writeln!(out, "nothing recognised")?;
        return suggestions(report, out);
    }
    report.matches.iter().try_for_each(|found| one_line(found, out))
}

/// A code in one line.
///
/// # Errors
/// When the writer fails.
pub fn short_code(severity: Severity, code: &str, title: &str, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{} {code}: {title}", severity.word())
}

/// A match in one line, as it is met while following a file.
///
/// # Errors
/// When the writer fails.
pub fn one_line(found: &Match, out: &mut dyn Write) -> io::Result<()> {
    let explained = found.explained_by.map(|code| format!(" (explained by {code})")).unwrap_or_default();
    writeln!(
        out,
        "{} {} {}: {} [{}]{explained}",
        found.severity.word(),
        found.confidence.word(),
        found.code,
        clip(&found.means),
        times(found)
    )
}

/// A block of its own.
fn fenced(text: &str, indent: &str, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out)?;
    notes::block(text, indent, out)
}

/// For tickets.
///
/// # Errors
/// When the writer fails.
pub fn markdown(report: &Explanation, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "# kaccess explain\n")?;
    if report.matches.is_empty() {
        writeln!(out, "Nothing was recognised.")?;
        return Ok(());
    }
    for found in &report.matches {
        writeln!(out, "## {}\n", plain(found.title))?;
        write!(out, "`{}`, {}; {}", found.code, found.confidence.word(), times(found))?;
        match found.explained_by {
            Some(code) => {
                writeln!(out, "; only a consequence of `{code}`\n")?;
                continue;
            }
            None => writeln!(out)?,
        }
        if found.means != found.title {
            writeln!(out, "\n{}", plain(&found.means))?;
        }
        fenced(&found.text, "", out)?;
        writeln!(out, "\nNext:\n")?;
        for (number, step) in found.next.iter().enumerate() {
            writeln!(out, "{}. {}", number + 1, plain(&step.text))?;
            for code in step.codes() {
                fenced(code, "   ", out)?;
            }
        }
        if !found.candidates.is_empty() {
            writeln!(out, "\nThe same words fit:\n")?;
            for candidate in &found.candidates {
                let command = candidate
                    .decided_by
                    .command
                    .as_ref()
                    .map(|command| format!(" ({})", notes::code(command)))
                    .unwrap_or_default();
                writeln!(
                    out,
                    "- `{}`: {}; told apart by: {}{command}",
                    candidate.code,
                    plain(&candidate.why),
                    plain(&candidate.decided_by.text)
                )?;
            }
        }
        writeln!(out)?;
    }
    writeln!(out, "Lines that say nothing of access: {}.", report.unrecognised)
}

/// A finding's page, for people.
///
/// # Errors
/// When the writer fails.
pub fn page(page: &FindingPage, width: usize, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}  ({})", page.code.bold(), page.severity.word())?;
    wrapped(page.title, "  ", "  ", width, out)?;
    if let Some(otherwise) = page.other_severity() {
        wrapped(&otherwise, "  ", "  ", width, out)?;
    }
    for (head, text) in [("Means", &page.means), ("Evidence", &page.evidence), ("Fix", &page.fix)] {
        writeln!(out, "\n{}", head.bold())?;
        wrapped(text, "  ", "  ", width, out)?;
    }
    if !page.symptoms.is_empty() {
        writeln!(out, "\n{}", "Looks like".bold())?;
        for symptom in &page.symptoms {
            writeln!(out, "  {symptom}")?;
        }
    }
    if !page.explains.is_empty() {
        writeln!(out, "\n{}", "Explains".bold())?;
        wrapped(&page.explains.join(", "), "  ", "  ", width, out)?;
    }
    writeln!(out, "\n{}", "References".bold())?;
    page.references.iter().try_for_each(|reference| writeln!(out, "  {reference}"))
}

/// A finding's page, for tickets.
///
/// # Errors
/// When the writer fails.
pub fn page_markdown(page: &FindingPage, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "# {}\n\n{}", page.code, page.title)?;
    if let Some(otherwise) = page.other_severity() {
        writeln!(out, "\n{otherwise}")?;
    }
    for (head, text) in [("Means", &page.means), ("Evidence", &page.evidence), ("Fix", &page.fix)] {
        writeln!(out, "\n## {head}\n\n{text}")?;
    }
    writeln!(out, "\n## References\n")?;
    page.references.iter().try_for_each(|reference| writeln!(out, "<{reference}>"))
}

/// Every code, for people; with a width, what is wider goes on below its title's beginning.
///
/// # Errors
/// When the writer fails.
pub fn list(entries: &[Entry], width: Option<usize>, out: &mut dyn Write) -> io::Result<()> {
    let longest = entries.iter().map(|entry| entry.code.len()).max().unwrap_or_default();
    // Two blanks, the code, two blanks, the severity in seven, two blanks.
    let before = longest + 13;
    let mut area = "";
    for entry in entries {
        if entry.area != area {
            area = entry.area;
            writeln!(out, "{}", area.bold())?;
        }
        let severity = entry.severity.word();
        match width {
            Some(width) if before + entry.title.chars().count() > width => {
                writeln!(out, "  {:longest$}  {severity}", entry.code)?;
                wrapped(entry.title, "      ", "      ", width, out)?;
            }
            _ => writeln!(out, "  {:longest$}  {severity:7}  {}", entry.code, entry.title)?,
        }
    }
    Ok(())
}

/// Every code, for tickets.
///
/// # Errors
/// When the writer fails.
pub fn list_markdown(entries: &[Entry], out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "| code | severity | problem |\n|---|---|---|")?;
    entries.iter().try_for_each(|entry| {
        writeln!(out, "| `{}` | {} | {} |", entry.code, entry.severity.word(), plain(entry.title))
    })
}
