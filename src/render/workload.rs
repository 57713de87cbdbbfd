//! The answers of `workload` as tables and as markdown.

use std::io::{self, Write};

use colored::Colorize as _;

use super::access::{columns, markdown_table};
use super::human::{indented, plain};
use super::{markdown as notes, terminal};
use crate::report::view::StepView;
use crate::report::workload::{Link, MigrationPlan, WorkloadIdentity};
use crate::report::{Finding, Severity};

/// A link's state in a word.
fn state(link: &Link) -> &'static str {
    match link.ok {
        Some(true) => "ok",
        Some(false) => "BROKEN",
        None => "unknown",
    }
}

fn seen(link: &Link) -> String {
    let text = match link.ok {
        Some(true) if link.seen.is_empty() => link.expected.clone(),
        Some(true) => link.seen.clone(),
        Some(false) if link.expected.is_empty() => link.seen.clone(),
        Some(false) => format!("{}; expected: {}", link.seen, link.expected),
        None => match &link.needs {
            Some(needs) => format!("{} (needs {needs})", link.seen),
            None => link.seen.clone(),
        },
    };
    plain(&text)
}

fn about(told: &WorkloadIdentity) -> String {
    let target = &told.target;
    let pod = target.pod.as_ref().filter(|pod| **pod != target.name || target.kind != "Pod");
    let pod = pod.map(|pod| format!(" (by Pod {})", plain(pod))).unwrap_or_default();
    format!("{} {}/{}{pod}", target.kind, plain(&target.namespace), plain(&target.name))
}

/// The answer for people.
///
/// # Errors
/// When the writer fails.
pub fn table(told: &WorkloadIdentity, findings: &[Finding], width: usize, out: &mut dyn Write) -> io::Result<()> {
    let role = told.effective.role_arn.as_deref().map(|role| format!(" {}", plain(role))).unwrap_or_default();
    writeln!(out, "{}: {}{role}", about(told), told.effective.kind.bold())?;
    for line in indented(&plain(&told.effective.why), width, "  ", "  ") {
        writeln!(out, "{line}")?;
    }
    writeln!(out, "  service account {}", plain(&told.service_account))?;
    terminal::findings(findings, width, out)?;
    if !told.chain.is_empty() {
        writeln!(out, "\n{}", "Chain".bold())?;
        let widest = told.chain.iter().map(|link| link.id.len()).max().unwrap_or(0);
        for link in &told.chain {
            let lead = format!("  {:<7}  {:<widest$}  ", state(link), link.id);
            let rest = " ".repeat(lead.len());
            for line in indented(&seen(link), width.max(lead.len() + 30), &lead, &rest) {
                writeln!(out, "{line}")?;
            }
        }
    }
    Ok(())
}

/// One line a finding; before them the identity, where no finding says why there is none, or none is known.
///
/// # Errors
/// When the writer fails.
pub fn short(told: &WorkloadIdentity, findings: &[Finding], out: &mut dyn Write) -> io::Result<()> {
    let role = told.effective.role_arn.as_deref().map(|role| format!(" {}", plain(role))).unwrap_or_default();
    let error = findings.iter().any(|finding| finding.severity == Severity::Error);
    if !error && matches!(told.effective.kind, "none" | "unknown") {
        writeln!(out, "{}: {}: {}", about(told), told.effective.kind, plain(&told.effective.why))?;
    } else if findings.is_empty() {
        writeln!(out, "{}: {}{role}: no finding", about(told), told.effective.kind)?;
    }
    terminal::short_findings(findings, out)
}

/// The answer for incident notes.
///
/// # Errors
/// When the writer fails.
pub fn markdown(told: &WorkloadIdentity, findings: &[Finding], out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "# kaccess workload: {}\n", notes::plain(&about(told)))?;
    let role = told.effective.role_arn.as_deref().map(|role| format!(" {}", notes::code(role))).unwrap_or_default();
    writeln!(out, "- identity: {}{role}", told.effective.kind)?;
    writeln!(out, "- why: {}", notes::plain(&told.effective.why))?;
    writeln!(out, "- service account: {}", notes::code(&told.service_account))?;
    notes::findings(findings, out)?;
    let mut rows = vec![["Link", "State", "Seen"].map(str::to_owned).to_vec()];
    rows.extend(told.chain.iter().map(|link| vec![link.id.to_owned(), state(link).to_owned(), seen(link)]));
    writeln!(out, "\n## Chain\n\n{}", markdown_table(&rows).trim_end())
}

/// The steps of a plan, numbered.
fn steps(all: &[StepView], lead: &str, fence: bool, out: &mut dyn Write) -> io::Result<()> {
    for (index, step) in all.iter().enumerate() {
        let text = if fence { notes::plain(&step.text) } else { plain(&step.text) };
        writeln!(out, "{lead}{}. {text}", index + 1)?;
        for (text, prompt) in [(&step.command, "$ "), (&step.manifest, "")] {
            let Some(text) = text else { continue };
            if fence {
                writeln!(out)?;
                notes::block(text, &format!("{lead}   "), out)?;
                continue;
            }
            for line in text.lines() {
                writeln!(out, "{lead}   {prompt}{line}")?;
            }
        }
    }
    Ok(())
}

/// The way over for people.
///
/// # Errors
/// When the writer fails.
pub fn plan(plan: &MigrationPlan, out: &mut dyn Write) -> io::Result<()> {
    let from =
        if plan.from.is_empty() { "kiam or kube2iam (neither runs)".to_owned() } else { plan.from.join(" and ") };
    writeln!(out, "From {from} to {}: {} workloads", plan.to, plan.workloads.len())?;
    let mut rows = vec![["NAMESPACE", "WORKLOAD", "SERVICE ACCOUNT", "ROLE"].map(str::to_owned).to_vec()];
    rows.extend(plan.workloads.iter().map(|one| {
        let new = if one.new_service_account { " (new)" } else { "" };
        vec![
            plain(&one.namespace),
            plain(&format!("{}/{}", one.kind.to_lowercase(), one.name)),
            format!("{}{new}", plain(&one.service_account)),
            plain(&one.role_arn),
        ]
    }));
    if rows.len() > 1 {
        writeln!(out, "\n{}", columns(&rows).lines().map(str::trim_end).collect::<Vec<_>>().join("\n"))?;
    }
    if !plan.preparation.is_empty() {
        writeln!(out, "\n{}", "Once for the cluster".bold())?;
        steps(&plan.preparation, "  ", false, out)?;
    }
    for one in &plan.workloads {
        writeln!(out, "\n{}", format!("{} {}/{}", one.kind, plain(&one.namespace), plain(&one.name)).bold())?;
        for note in &one.notes {
            writeln!(out, "  note: {}", plain(note))?;
        }
        steps(&one.steps, "  ", false, out)?;
    }
    Ok(())
}

/// The way over for tickets.
///
/// # Errors
/// When the writer fails.
pub fn plan_markdown(plan: &MigrationPlan, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "# From {} to {}\n",
        if plan.from.is_empty() { "nothing".to_owned() } else { plan.from.join(" and ") },
        plan.to
    )?;
    if !plan.preparation.is_empty() {
        writeln!(out, "## Once for the cluster\n")?;
        steps(&plan.preparation, "", true, out)?;
        writeln!(out)?;
    }
    for one in &plan.workloads {
        writeln!(out, "## {} {}/{}\n", one.kind, notes::plain(&one.namespace), notes::plain(&one.name))?;
        for note in &one.notes {
            writeln!(out, "- {}", notes::plain(note))?;
        }
        steps(&one.steps, "", true, out)?;
        writeln!(out)?;
    }
    for one in &plan.incomplete {
        writeln!(out, "- not listed: {}", notes::plain(one))?;
    }
    Ok(())
}
