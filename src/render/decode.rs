//! `decode`'s answer as a table, as Markdown, as JSON and as YAML.

use std::io::{self, Write};

use colored::Colorize as _;
use jiff::Timestamp;
use serde_json::Value;

use super::human::{plain, relative, wrap};
use crate::evidence::credential::epoch;
use crate::report::credential::{Check, CredentialReport, CredentialType, JudgementView, Outcome, View};

/// Claims that hold a time, and what is said of it before and after.
const TIMES: [(&str, &str, &str); 6] = [
    ("exp", "expires", "expired"),
    ("expires", "expires", "expired"),
    ("nbf", "valid", "valid since"),
    ("iat", "issued", "issued"),
    ("date", "signed", "signed"),
    ("auth_time", "logged in", "logged in"),
];

/// One of the output formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// For people.
    Table,
    /// `kind: CredentialReport`.
    Json,
    /// The same.
    Yaml,
    /// For tickets.
    Markdown,
    /// One line a finding.
    Short,
}

/// Writes a report. `now` is the time judged at, `width` the terminal's columns.
pub fn write(
    report: &CredentialReport,
    form: Form,
    now: Timestamp,
    width: usize,
    out: &mut dyn Write,
) -> io::Result<()> {
    match form {
        Form::Table => table(report, now, width, out),
        Form::Markdown => markdown(report, now, out),
        Form::Short => short(report, out),
        Form::Json => {
            serde_json::to_writer_pretty(&mut *out, report).map_err(io::Error::other)?;
            writeln!(out)
        }
        Form::Yaml => serde_norway::to_writer(out, report).map_err(io::Error::other),
    }
}

fn short(report: &CredentialReport, out: &mut dyn Write) -> io::Result<()> {
    match report.outcome() {
        Some(outcome) => writeln!(out, "{}: {}", report.credential_type.words(), plain(&outcome.sentence()))?,
        None if report.findings.is_empty() => writeln!(out, "{}: no finding", report.credential_type.words())?,
        None => {}
    }
    report.findings.iter().try_for_each(|finding| {
        let (severity, confidence) = (finding.severity.word(), finding.confidence.word());
        writeln!(out, "{severity} {confidence} {}: {}", finding.code, plain(&finding.title))
    })
}

/// What the checks come to, where some were asked for.
fn asked(report: &CredentialReport) -> Option<Outcome> {
    let checks = report.verification.is_some() || report.judgement.is_some() || report.configuration.is_some();
    report.outcome().filter(|_| checks)
}

fn table(report: &CredentialReport, now: Timestamp, width: usize, out: &mut dyn Write) -> io::Result<()> {
    if let Some(outcome) = asked(report) {
        for (number, line) in wrap(&plain(&outcome.sentence()), width.saturating_sub(2).max(20)).iter().enumerate() {
            let word = outcome.word();
            let painted = match outcome {
                Outcome::Accepted(_) => word.green().bold(),
                Outcome::Rejected(_) => word.red().bold(),
                Outcome::Undecided(_) => word.yellow().bold(),
            };
            let line = if number == 0 { line.replacen(word, &painted.to_string(), 1) } else { format!("  {line}") };
            writeln!(out, "{line}")?;
        }
    }
    writeln!(out, "{}, from {}", report.credential_type.words(), plain(&report.origin))?;
    if let Some(text) = life(report, now) {
        writeln!(out, "{text}")?;
    }
    for problem in &report.problems {
        block(out, width, "  ! ", "    ", &problem_text(problem))?;
    }
    if let Some(header) = &report.header {
        pairs(out, width, "Header", header, now)?;
    }
    if let Some(claims) = &claims(report) {
        pairs(out, width, claims_title(report), claims, now)?;
    }
    if let Some(view) = &report.view {
        writeln!(out, "\nKubernetes view")?;
        user(out, width, view)?;
        if let Some(assumption) = &view.assumption {
            block(out, width, "  (", "   ", &format!("{assumption})"))?;
        }
    }
    if let Some(verification) = &report.verification {
        let word = verdict(verification.ok, "passed", "failed", "undecided");
        writeln!(out, "\nVerification: {word}")?;
        for check in &verification.checks {
            block(out, width, "  ", "       ", &check_text(check))?;
        }
    }
    if let Some(configuration) = report.configuration.as_ref().filter(|configuration| !configuration.valid) {
        writeln!(out, "\nConfiguration: kube-apiserver would not start with it")?;
        for error in &configuration.errors {
            block(out, width, "  ", "  ", &plain(error))?;
        }
        for place in &configuration.places {
            writeln!(out, "  {} line {}: {}", plain(&place.file), place.line, plain(&place.field))?;
        }
    }
    match &report.judgement {
        Some(JudgementView::Accepted { user: view, .. }) => {
            writeln!(out, "\nJudgement: kube-apiserver accepts it")?;
            user(out, width, view)?;
        }
        Some(JudgementView::Refused { error, http_status, .. }) => {
            writeln!(out, "\nJudgement: kube-apiserver refuses it with {http_status} and logs")?;
            block(out, width, "  ", "  ", &plain(error))?;
        }
        Some(JudgementView::Undecided { undecided, .. }) => {
            writeln!(out, "\nJudgement: cannot be decided here")?;
            for reason in undecided {
                block(out, width, "  - ", "    ", &plain(reason))?;
            }
        }
        None => {}
    }
    for (index, finding) in report.findings.iter().enumerate() {
        if index == 0 {
            writeln!(out, "\nWorth knowing")?;
        }
        let title = format!("{}: {} ({})", finding.severity.word(), plain(&finding.title), finding.code);
        block(out, width, "  ", "    ", &title)?;
        block(out, width, "    ", "    ", &plain(&finding.why))?;
        for step in &finding.fix {
            block(out, width, "    Fix: ", "         ", &plain(&step.text))?;
            if let Some(command) = &step.command {
                writeln!(out, "         {command}")?;
            }
        }
    }
    Ok(())
}

fn markdown(report: &CredentialReport, now: Timestamp, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "## {}\n", report.credential_type.words())?;
    if let Some(outcome) = asked(report) {
        writeln!(out, "**{}**\n", cell(&outcome.sentence()))?;
    }
    writeln!(out, "From {}.", cell(&report.origin))?;
    if let Some(text) = life(report, now) {
        writeln!(out, "{text}.")?;
    }
    for (index, problem) in report.problems.iter().enumerate() {
        let gap = if index == 0 { "\n" } else { "" };
        writeln!(out, "{gap}- {}", cell(&problem_text(problem)))?;
    }
    let claims = claims(report);
    let sections = [("Header", &report.header), (claims_title(report), &claims)];
    for (title, object) in sections {
        let Some(Value::Object(object)) = object else { continue };
        writeln!(out, "\n### {title}\n\n| name | value |\n|---|---|")?;
        for (name, value) in object {
            let (lines, note) = shown(name, value, now);
            let note = note.map(|note| format!(" ({note})")).unwrap_or_default();
            writeln!(out, "| {} | {}{note} |", cell(name), cell(&lines.join(", ")))?;
        }
    }
    if let Some(view) = &report.view {
        writeln!(out, "\n### Kubernetes view\n")?;
        markdown_user(out, view)?;
        if let Some(assumption) = &view.assumption {
            writeln!(out, "\n{}", cell(assumption))?;
        }
    }
    if let Some(verification) = &report.verification {
        writeln!(out, "\n### Verification: {}\n", verdict(verification.ok, "passed", "failed", "undecided"))?;
        for check in &verification.checks {
            writeln!(out, "- {}", cell(&check_text(check)))?;
        }
    }
    if let Some(configuration) = report.configuration.as_ref().filter(|configuration| !configuration.valid) {
        writeln!(out, "\n### kube-apiserver would not start with this configuration\n")?;
        for error in &configuration.errors {
            writeln!(out, "- {}", cell(error))?;
        }
        for place in &configuration.places {
            writeln!(out, "- {} line {}: {}", cell(&place.file), place.line, cell(&place.field))?;
        }
    }
    match &report.judgement {
        Some(JudgementView::Accepted { user, .. }) => {
            writeln!(out, "\n### kube-apiserver accepts it\n")?;
            markdown_user(out, user)?;
        }
        Some(JudgementView::Refused { error, http_status, .. }) => {
            writeln!(out, "\n### kube-apiserver refuses it with {http_status}\n\n- {}", cell(error))?;
        }
        Some(JudgementView::Undecided { undecided, .. }) => {
            writeln!(out, "\n### Cannot be decided here\n")?;
            for reason in undecided {
                writeln!(out, "- {}", cell(reason))?;
            }
        }
        None => {}
    }
    if !report.findings.is_empty() {
        writeln!(out, "\n### Worth knowing\n")?;
    }
    for finding in &report.findings {
        writeln!(
            out,
            "- **{}** (`{}`, {}): {}",
            cell(&finding.title),
            finding.code,
            finding.severity.word(),
            cell(&finding.why)
        )?;
        for step in &finding.fix {
            let command =
                step.command.as_ref().map(|command| format!(" {}", super::markdown::code(command))).unwrap_or_default();
            writeln!(out, "  - {}{command}", cell(&step.text))?;
        }
    }
    Ok(())
}

/// Foreign text inside Markdown: no markup, no new table cell.
fn cell(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in plain(text).chars() {
        if matches!(c, '|' | '`' | '*' | '_' | '<' | '>' | '[' | ']' | '\\' | '#') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

fn markdown_user(out: &mut dyn Write, view: &View) -> io::Result<()> {
    writeln!(out, "- user: {}", cell(&view.username))?;
    if !view.uid.is_empty() {
        writeln!(out, "- uid: {}", cell(&view.uid))?;
    }
    writeln!(out, "- groups: {}", cell(&view.groups.join(", ")))?;
    for (name, values) in &view.extra {
        writeln!(out, "- {}: {}", cell(name), cell(&values.join(", ")))?;
    }
    Ok(())
}

/// The claims; what a presigned URL does not say, as one that was cut does not, is no claim.
fn claims(report: &CredentialReport) -> Option<Value> {
    let mut claims = report.claims.clone()?;
    if let (CredentialType::EksIam, Value::Object(members)) = (report.credential_type, &mut claims) {
        members.retain(|_, value| !value.is_null());
    }
    Some(claims)
}

fn claims_title(report: &CredentialReport) -> &'static str {
    use crate::report::credential::CredentialType::{Bootstrap, EksIam, X509};
    match report.credential_type {
        EksIam => "Request",
        X509 => "Certificate",
        Bootstrap => "Token",
        _ => "Claims",
    }
}

/// `expires in 12 min` for the first line.
fn life(report: &CredentialReport, now: Timestamp) -> Option<String> {
    let times = &report.times;
    if let Some(start) = times.not_before.filter(|start| *start > now) {
        return Some(format!("not valid yet: valid {}", relative(now, start)));
    }
    let end = times.expires_at?;
    Some(if end < now { format!("expired {}", relative(now, end)) } else { format!("expires {}", relative(now, end)) })
}

fn problem_text(problem: &crate::evidence::credential::TokenProblem) -> String {
    let at = problem.offset.map(|offset| format!(" (byte {offset})")).unwrap_or_default();
    // Go's texts name the byte themselves.
    let at = if problem.detail.contains("at input byte") { String::new() } else { at };
    format!("{}: {}{at}", problem.part, plain(&problem.detail))
}

fn verdict<'a>(ok: Option<bool>, good: &'a str, bad: &'a str, open: &'a str) -> &'a str {
    match ok {
        Some(true) => good,
        Some(false) => bad,
        None => open,
    }
}

fn check_text(check: &Check) -> String {
    let word = verdict(check.ok, "pass", "fail", "could not check");
    let seen = check.seen.as_ref().map(|seen| format!(": {}", plain(seen))).unwrap_or_default();
    let expected = check
        .expected
        .as_ref()
        .filter(|_| check.ok != Some(true))
        .map(|expected| format!(" (expected {})", plain(expected)))
        .unwrap_or_default();
    format!("{word} {}{seen}{expected}", check.id)
}

fn user(out: &mut dyn Write, width: usize, view: &View) -> io::Result<()> {
    block(out, width, "  user    ", "          ", &plain(&view.username))?;
    if !view.uid.is_empty() {
        writeln!(out, "  uid     {}", plain(&view.uid))?;
    }
    for (index, group) in view.groups.iter().enumerate() {
        let label = if index == 0 { "groups" } else { "" };
        writeln!(out, "  {label:<7} {}", plain(group))?;
    }
    for (index, (name, values)) in view.extra.iter().enumerate() {
        let label = if index == 0 { "extra" } else { "" };
        writeln!(out, "  {label:<7} {}", plain(name))?;
        for value in values {
            writeln!(out, "            {}", plain(value))?;
        }
    }
    Ok(())
}

/// An object's members, one name in a line, its values behind it.
fn pairs(out: &mut dyn Write, width: usize, title: &str, object: &Value, now: Timestamp) -> io::Result<()> {
    let Value::Object(members) = object else {
        return writeln!(out, "\n{title}\n  {}", plain(&object.to_string()));
    };
    writeln!(out, "\n{title}")?;
    // Long names stand over their value, so that the others need not be set far to the right.
    let column =
        members.keys().map(|name| plain(name).chars().count()).filter(|length| *length <= 20).max().unwrap_or(0);
    for (name, value) in members {
        let shown_name = plain(name);
        let (mut lines, note) = shown(name, value, now);
        if let (Some(note), Some(last)) = (note, lines.last_mut()) {
            *last = format!("{last}  {note}");
        }
        let indent = " ".repeat(column + 4);
        let mut label = format!("  {shown_name:<column$}  ");
        if shown_name.chars().count() > column {
            writeln!(out, "  {shown_name}")?;
            label = indent.clone();
        }
        if lines.is_empty() {
            lines.push("(none)".to_owned());
        }
        for (index, line) in lines.iter().enumerate() {
            let first = if index == 0 { label.as_str() } else { indent.as_str() };
            block(out, width, first, &indent, line)?;
        }
    }
    Ok(())
}

/// A value as lines, and what its time means.
fn shown(name: &str, value: &Value, now: Timestamp) -> (Vec<String>, Option<String>) {
    let lines = match value {
        Value::String(text) => vec![plain(text)],
        Value::Array(items) if items.iter().all(|item| !item.is_array() && !item.is_object()) => {
            items.iter().map(|item| item.as_str().map_or_else(|| item.to_string(), plain)).collect()
        }
        other => vec![plain(&spaced(other))],
    };
    let note = TIMES.iter().find(|(known, ..)| *known == name).and_then(|(_, before, after)| {
        let written = value.as_str().and_then(|text| text.parse::<Timestamp>().ok());
        let then = written.or_else(|| epoch(value))?;
        let stamp = if written.is_some() { String::new() } else { format!("{then}, ") };
        let word = if then > now { before } else { after };
        Some(format!("{stamp}{word} {}", relative(now, then)))
    });
    (lines, note)
}

/// JSON with blanks after commas and colons, so that it can be wrapped.
fn spaced(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(spaced).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(members) => {
            let members: Vec<String> = members
                .iter()
                .map(|(name, value)| format!("{}: {}", Value::String(name.clone()), spaced(value)))
                .collect();
            format!("{{{}}}", members.join(", "))
        }
        other => other.to_string(),
    }
}

/// A text wrapped behind a first prefix, further lines behind another.
fn block(out: &mut dyn Write, width: usize, first: &str, next: &str, text: &str) -> io::Result<()> {
    let room = width.saturating_sub(first.chars().count().max(next.chars().count())).max(20);
    // A text that fits keeps its own blanks.
    let lines = if text.chars().count() <= room { vec![text.to_owned()] } else { wrap(text, room) };
    for (index, line) in lines.iter().enumerate() {
        let prefix = if index == 0 { first } else { next };
        writeln!(out, "{}", format!("{prefix}{line}").trim_end())?;
    }
    Ok(())
}
