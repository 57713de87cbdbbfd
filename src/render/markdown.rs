//! The markdown form, for incident notes and tickets.

use std::io::{self, Write};

use super::{human, terminal};
use crate::evidence::Evidence;
use crate::report::doctor::{DoctorReport, Status};
use crate::report::way::way_in;
use crate::report::{Finding, Grade};

/// Text that cannot open markup.
pub fn plain(text: &str) -> String {
    human::plain(&text.replace('<', "&lt;").replace('|', "\\|").replace(['\r', '\n'], " "))
}

/// The whole report.
///
/// # Errors
/// When the writer fails.
pub fn doctor(report: &DoctorReport, evidence: &Evidence, out: &mut dyn Write) -> io::Result<()> {
    let context =
        evidence.kubeconfig.seen().and_then(|config| config.context.clone()).unwrap_or_else(|| "none".to_owned());
    writeln!(out, "# kaccess doctor: {}\n", report.verdict.word())?;
    writeln!(out, "- context: `{context}`")?;
    if let Some(route) = evidence.endpoint.route.seen() {
        writeln!(out, "- API server: `{}`", route.url)?;
    }
    if let Some(identity) = evidence.identity.seen() {
        writeln!(
            out,
            "- identity: `{}` (groups: {})",
            identity.user.username,
            plain(&identity.user.groups.join(", "))
        )?;
    }
    writeln!(out, "- way in: {}", plain(&terminal::way_line(&way_in(report), usize::MAX)))?;
    if let Some(line) = terminal::issuer_line(report, evidence) {
        writeln!(out, "- way to the issuer: {}", plain(&line))?;
    }
    let at = evidence.observed_at.strftime("%Y-%m-%d %H:%M:%S UTC");
    writeln!(out, "- observed at {at} for {} ms", evidence.took_ms)?;
    findings(&report.findings, out)?;
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
    for check in report.checks.iter().filter(|check| check.status == Status::Skipped) {
        writeln!(out, "- not checked: {} ({})", check.id, plain(check.because.as_deref().unwrap_or_default()))?;
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
            writeln!(out, "- {} ({grade}, `{}`)", plain(&citation.text), citation.path)?;
        }
        if !finding.candidates.is_empty() {
            writeln!(out, "\nCandidates:\n")?;
            for candidate in &finding.candidates {
                let command =
                    candidate.decided_by.command.as_ref().map(|command| format!(": `{command}`")).unwrap_or_default();
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
                writeln!(out, "\n   ```")?;
                for line in code.lines() {
                    writeln!(out, "   {line}")?;
                }
                writeln!(out, "   ```")?;
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
            "- {} ({}, `{}`), because of `{by}`",
            plain(&finding.title),
            finding.severity.word(),
            finding.code
        )?;
    }
    Ok(())
}
