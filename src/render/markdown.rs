//! The markdown form, for incident notes and tickets.

use std::io::{self, Write};

use super::{human, terminal};
use crate::evidence::Evidence;
use crate::report::doctor::{DoctorReport, Status};
use crate::report::way::way_in;
use crate::report::{Finding, Grade};

/// Text that cannot open markup: no element, no cell, no link or picture, no code.
pub fn plain(text: &str) -> String {
    let text = text.replace('<', "&lt;").replace('|', "\\|").replace('`', "\\`").replace("](", "]\\(");
    human::plain(&text.replace(['\r', '\n'], " "))
}

/// Text as code within a line, whatever it holds.
pub fn code(text: &str) -> String {
    let text = human::plain(text);
    let fence = "`".repeat(longest_run(&text) + 1);
    let pad = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    // A table's cell ends at this sign even inside code.
    format!("{fence}{pad}{}{pad}{fence}", text.replace('|', "\\|"))
}

/// A block of code, which nothing in it ends.
///
/// # Errors
/// When the writer fails.
pub fn block(text: &str, indent: &str, out: &mut dyn Write) -> io::Result<()> {
    let fence = "`".repeat((longest_run(text) + 1).max(3));
    writeln!(out, "{indent}{fence}")?;
    for line in text.lines() {
        writeln!(out, "{indent}{line}")?;
    }
    writeln!(out, "{indent}{fence}")
}

/// The most backticks in a row.
fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or_default()
}

/// The whole report.
///
/// # Errors
/// When the writer fails.
pub fn doctor(report: &DoctorReport, evidence: &Evidence, hide_claims: bool, out: &mut dyn Write) -> io::Result<()> {
    let context = evidence.context().unwrap_or("none");
    writeln!(out, "# kaccess doctor: {}\n", report.verdict.word())?;
    writeln!(out, "- context: {}", code(context))?;
    if let Some(route) = evidence.endpoint.route.seen() {
        writeln!(out, "- API server: {}", code(&route.url))?;
    }
    if let Some(identity) = evidence.identity.seen() {
        writeln!(
            out,
            "- identity: {} (groups: {})",
            code(&identity.user.username),
            plain(&identity.user.groups.join(", "))
        )?;
    }
    writeln!(out, "- way in: {}", plain(&terminal::way_line(&way_in(report), usize::MAX)))?;
    if let Some(line) = terminal::issuer_line(report, evidence) {
        writeln!(out, "- way to the issuer: {}", plain(&line))?;
    }
    if let Some(message) = &report.message {
        writeln!(out, "- {}", plain(&message.sentence()))?;
    }
    let at = evidence.observed_at.strftime("%Y-%m-%d %H:%M:%S UTC");
    writeln!(out, "- observed at {at} for {} ms", evidence.took_ms)?;
    findings(&report.findings, out)?;
    if let Some((origin, rows)) = terminal::credential_rows(evidence, hide_claims) {
        writeln!(out, "\n## Credential\n\nFrom {}.", code(origin))?;
        table(&["what", "value"], rows.into_iter().map(|(name, value)| vec![name, value]), out)?;
    }
    addresses(evidence, out)?;
    if let Some((name, rows)) = terminal::eks_rows(evidence) {
        writeln!(out, "\n## EKS cluster {}", plain(name))?;
        table(&["what", "value"], rows.into_iter().map(|(name, value)| vec![name, value]), out)?;
    }
    if let Some(access) = evidence.access.seen() {
        writeln!(out, "\n## Access\n\n| question | allowed |\n|---|---|")?;
        for check in &access.checks {
            writeln!(out, "| {} | {} |", plain(&check.question.sentence()), if check.allowed { "yes" } else { "no" })?;
        }
    }
    writeln!(
        out,
        "\nChecks: {} passed, {} failed, {} not possible.",
        report.count(Status::Pass),
        report.count(Status::Fail),
        report.count(Status::Skipped)
    )?;
    for check in report.untold() {
        writeln!(out, "- failed: {} ({})", check.id, plain(check.because.as_deref().unwrap_or_default()))?;
    }
    for (because, ids, needs) in terminal::not_checked(report) {
        let needs = needs.map(|needs| format!("; needs {needs}")).unwrap_or_default();
        writeln!(out, "- not checked: {} ({})", ids.join(", "), plain(&format!("{because}{needs}")))?;
    }
    Ok(())
}

/// The API server's addresses, and what became of a connection to each.
fn addresses(evidence: &Evidence, out: &mut dyn Write) -> io::Result<()> {
    let Some((place, attempts)) = terminal::attempts(evidence) else { return Ok(()) };
    writeln!(out, "\n## Addresses of {}", plain(&place))?;
    let rows = attempts
        .iter()
        .map(|attempt| vec![attempt.address.clone(), attempt.outcome.to_string(), format!("{} ms", attempt.took_ms)]);
    table(&["address", "outcome", "took"], rows, out)
}

/// A table behind an empty line.
fn table(head: &[&str], rows: impl Iterator<Item = Vec<String>>, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\n| {} |\n|{}", head.join(" | "), "---|".repeat(head.len()))?;
    for row in rows {
        let cells: Vec<String> = row.iter().map(|cell| plain(cell)).collect();
        writeln!(out, "| {} |", cells.join(" | "))?;
    }
    Ok(())
}

/// Findings, each a section; those that others explain are a list behind them.
///
/// # Errors
/// When the writer fails.
pub fn findings(findings: &[Finding], out: &mut dyn Write) -> io::Result<()> {
    let (roots, explained): (Vec<&Finding>, Vec<&Finding>) =
        findings.iter().partition(|finding| finding.explained_by.is_none());
    for finding in roots {
        let (severity, confidence) = (finding.severity.word(), finding.confidence.word());
        writeln!(out, "\n## {}\n", plain(&finding.title))?;
        writeln!(out, "{severity}, `{}`, {confidence}", finding.code)?;
        writeln!(out, "\n{}\n\nEvidence:\n", plain(&finding.why))?;
        for citation in &finding.cites {
            let grade = match citation.grade {
                Grade::Seen => "seen",
                Grade::Probed => "probed",
                Grade::Inferred => "inferred",
            };
            writeln!(out, "- {} ({grade}, {})", plain(&citation.text), code(&citation.path))?;
        }
        if !finding.candidates.is_empty() {
            writeln!(out, "\nCandidates:\n")?;
            for candidate in &finding.candidates {
                let command = candidate
                    .decided_by
                    .command
                    .as_ref()
                    .map(|command| format!(": {}", code(command)))
                    .unwrap_or_default();
                writeln!(
                    out,
                    "1. `{}`: {}; decided by {}{command}",
                    candidate.code,
                    plain(&candidate.why),
                    plain(&candidate.decided_by.text)
                )?;
            }
        }
        writeln!(out, "\nFix:\n")?;
        for (number, step) in finding.fix.iter().enumerate() {
            writeln!(out, "{}. {}", number + 1, plain(&step.text))?;
            for code in step.codes() {
                writeln!(out)?;
                block(code, "   ", out)?;
            }
        }
    }
    for (number, finding) in explained.into_iter().enumerate() {
        if number == 0 {
            writeln!(out, "\n## Explained by the above\n")?;
        }
        let by = finding.explained_by.unwrap_or_default();
        writeln!(
            out,
            "- {} ({}, `{}`), {} `{by}`",
            plain(&finding.title),
            finding.severity.word(),
            finding.code,
            finding.because(findings)
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_stays_text() {
        assert_eq!(plain("a `b` ![x](http://evil) <b> | c\nd"), "a \\`b\\` ![x]\\(http://evil) &lt;b> \\| c d");
        assert_eq!(code("prod"), "`prod`");
        assert_eq!(code("a`b``c\n</pre>"), "```a`b``c\\n</pre>```");
        assert_eq!(code("`x"), "`` `x ``");
        let mut out = Vec::new();
        block("a\n```\n# b", "  ", &mut out).expect("room");
        assert_eq!(String::from_utf8(out).expect("UTF-8"), "  ````\n  a\n  ```\n  # b\n  ````\n");
    }
}
