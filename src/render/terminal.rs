//! The table form, for a terminal of any width, with or without colour.

use std::io::{self, Write};

use colored::Colorize as _;
use comfy_table::{ContentArrangement, Table, presets};

use super::human::{self, indented};
use crate::evidence::Evidence;
use crate::evidence::credential::epoch;
use crate::evidence::dns::Attempt;
use crate::report::doctor::{DoctorReport, Status, Verdict, context_words};
use crate::report::way::{Hop, Mark, way_in, way_to_issuer};
use crate::report::{Finding, Grade, Severity};

/// How to show a report.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// Columns.
    pub width: usize,
    /// Passing checks and times too.
    pub verbose: bool,
    /// Names and types of claims instead of their values.
    pub hide_claims: bool,
}

/// One line a finding.
///
/// # Errors
/// When the writer fails.
pub fn short(report: &DoctorReport, out: &mut dyn Write) -> io::Result<()> {
    if report.findings.is_empty() {
        return writeln!(out, "{}: no finding", report.verdict.word());
    }
    short_findings(&report.findings, out)
}

/// Each finding in one line.
///
/// # Errors
/// When the writer fails.
pub fn short_findings(findings: &[Finding], out: &mut dyn Write) -> io::Result<()> {
    for finding in findings {
        let explained = finding.explained_by.map(|code| format!(" (explained by {code})")).unwrap_or_default();
        writeln!(
            out,
            "{} {} {}: {}{explained}",
            finding.severity.word(),
            finding.confidence.word(),
            finding.code,
            finding.title
        )?;
    }
    Ok(())
}

/// The whole report.
///
/// # Errors
/// When the writer fails.
pub fn doctor(report: &DoctorReport, evidence: &Evidence, look: Look, out: &mut dyn Write) -> io::Result<()> {
    head(report, evidence, look, out)?;
    body(report, evidence, look, out)
}

/// The verdict, who you are, and the two paths.
///
/// # Errors
/// When the writer fails.
pub fn head(report: &DoctorReport, evidence: &Evidence, look: Look, out: &mut dyn Write) -> io::Result<()> {
    headline(report, evidence, look, out)?;
    paths(report, evidence, look, out)?;
    match &report.message {
        Some(message) => wrapped(&message.sentence(), "", "  ", look.width, out),
        None => Ok(()),
    }
}

/// What follows them: the findings, and what was seen.
///
/// # Errors
/// When the writer fails.
pub fn body(report: &DoctorReport, evidence: &Evidence, look: Look, out: &mut dyn Write) -> io::Result<()> {
    findings(&report.findings, look.width, out)?;
    credential(evidence, look, out)?;
    addresses(evidence, look, out)?;
    eks(evidence, look, out)?;
    access(evidence, look, out)?;
    summary(report, evidence, look, out)
}

/// Findings, numbered, and in one line each what the others explain.
///
/// # Errors
/// When the writer fails.
pub fn findings(findings: &[Finding], width: usize, out: &mut dyn Write) -> io::Result<()> {
    let look = Look { width, verbose: false, hide_claims: false };
    let (roots, explained): (Vec<&Finding>, Vec<&Finding>) =
        findings.iter().partition(|finding| finding.explained_by.is_none());
    for (number, finding) in roots.iter().enumerate() {
        writeln!(out)?;
        one_finding(number + 1, finding, look, out)?;
    }
    if !explained.is_empty() {
        writeln!(out, "\n{}", "Explained by the above".bold())?;
        for finding in explained {
            let (because, by) = (finding.because(findings), finding.explained_by.unwrap_or_default());
            wrapped(&format!("- {} [{}], {because} {by}", finding.title, finding.code), "  ", "    ", look.width, out)?;
        }
    }
    Ok(())
}

fn headline(report: &DoctorReport, evidence: &Evidence, look: Look, out: &mut dyn Write) -> io::Result<()> {
    let config = evidence.kubeconfig.seen();
    let context = context_words(evidence);
    let server = config
        .and_then(|config| config.cluster.as_ref())
        .map(|cluster| format!(" at {}", cluster.server))
        .unwrap_or_default();
    let word = match report.verdict {
        Verdict::Healthy => "HEALTHY".green().bold(),
        Verdict::Problems => "PROBLEMS".red().bold(),
        Verdict::Unknown => "UNKNOWN".yellow().bold(),
    };
    let length = report.verdict.word().len() + 2 + context.chars().count() + server.chars().count();
    if length <= look.width {
        writeln!(out, "{word}  {context}{server}")?;
    } else {
        writeln!(out, "{word}  {context}\n {server}")?;
    }
    if let Some(identity) = evidence.identity.seen() {
        let groups =
            if identity.user.groups.is_empty() { "no groups".to_owned() } else { identity.user.groups.join(", ") };
        let who = format!("you are {} ({groups})", identity.user.username);
        for (number, line) in fitted(&who, look.width).into_iter().enumerate() {
            // The name stands in the first line, whole or as far as it goes.
            let name = &identity.user.username;
            let line = if number == 0 { line.replacen(name.as_str(), &name.bold().to_string(), 1) } else { line };
            writeln!(out, "{line}")?;
        }
    }
    Ok(())
}

fn paths(report: &DoctorReport, evidence: &Evidence, look: Look, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}", way_line(&way_in(report), look.width))?;
    match issuer_line(report, evidence) {
        Some(line) => writeln!(out, "{}", clip(&line, look.width)),
        None => Ok(()),
    }
}

/// The control plane's way to the issuer, where one is known.
pub(super) fn issuer_line(report: &DoctorReport, evidence: &Evidence) -> Option<String> {
    let issuer = way_to_issuer(report, evidence);
    let hops = issuer.iter().map(|hop| match &hop.mark {
        Mark::Passed => hop.name.clone(),
        Mark::Failed(because) => format!("[X] {}: {because}", hop.name),
        Mark::Unknown(because) => format!("[?] {}: {because}", hop.name),
    });
    (!issuer.is_empty()).then(|| hops.collect::<Vec<_>>().join(" > "))
}

/// With less room than this, in columns, no part of a reason is shown.
const SOME_OF_IT: usize = 36;

/// Why a hop failed. Of an answer the status is enough, and the findings say the rest; other words mean something only
/// with what stands behind their colons.
fn reason(because: &str) -> &str {
    let line = because.lines().next().unwrap_or_default();
    let status = line.strip_prefix("HTTP ").unwrap_or(line).split(' ').next().unwrap_or_default();
    let is_status = status.len() == 3 && status.bytes().all(|byte| byte.is_ascii_digit());
    if is_status { line.split(": ").next().unwrap_or_default() } else { line }
}

/// The hops up to the first that is not passed. Where they do not fit, those in the middle give way, never the last.
pub(super) fn way_line(hops: &[Hop], width: usize) -> String {
    let passed: Vec<&str> =
        hops.iter().take_while(|hop| hop.mark == Mark::Passed).map(|hop| hop.name.as_str()).collect();
    let (end, because) = match hops.get(passed.len()) {
        Some(Hop { name, mark: Mark::Failed(because) }) => (format!(" > [X] {name}"), reason(because)),
        Some(Hop { name, mark: Mark::Unknown(because) }) => (format!(" > [?] {name}"), because.as_str()),
        _ => (String::new(), ""),
    };
    let line = passed.join(" > ");
    let whole = format!("{line}{end}: {because}");
    let short = format!("{line}{end}");
    // A reason that is cut short still says something; a word or two of it do not.
    let room = width.saturating_sub(short.chars().count() + 2);
    if !because.is_empty() && (whole.chars().count() <= width || room >= SOME_OF_IT) {
        return clip(&whole, width);
    }
    if short.chars().count() <= width || passed.len() < 4 {
        return clip(&short, width);
    }
    clip(&format!("{} > ... > {}{end}", passed[0], passed[passed.len() - 2..].join(" > ")), width)
}

fn one_finding(number: usize, finding: &Finding, look: Look, out: &mut dyn Write) -> io::Result<()> {
    let title = format!("{number}. {}", finding.title);
    let painted = match finding.severity {
        Severity::Error => "ERROR".red().bold(),
        Severity::Warning => "WARNING".yellow().bold(),
        Severity::Info => "INFO".cyan().bold(),
    };
    for line in indented(&title, look.width, "", "   ") {
        writeln!(out, "{}", line.bold())?;
    }
    writeln!(out, "   {painted}  {}  {}", finding.code, finding.confidence.word())?;
    section("Why", out)?;
    wrapped(&finding.why, "   ", "   ", look.width, out)?;
    section("Seen", out)?;
    for citation in &finding.cites {
        let grade = match citation.grade {
            Grade::Seen => "seen",
            Grade::Probed => "probed from here",
            Grade::Inferred => "inferred",
        };
        wrapped(&format!("- {} [{grade}]", citation.text), "   ", "     ", look.width, out)?;
    }
    if !finding.candidates.is_empty() {
        section("What fits, the likeliest first", out)?;
        for (index, candidate) in finding.candidates.iter().enumerate() {
            wrapped(
                &format!("{}) {}: {}", index + 1, candidate.code, candidate.why),
                "   ",
                "      ",
                look.width,
                out,
            )?;
            wrapped(&format!("decided by: {}", candidate.decided_by.text), "      ", "      ", look.width, out)?;
            if let Some(command) = &candidate.decided_by.command {
                writeln!(out, "        $ {command}")?;
            }
        }
    }
    section("Fix", out)?;
    for (index, step) in finding.fix.iter().enumerate() {
        wrapped(&format!("{}. {}", index + 1, step.text), "   ", "      ", look.width, out)?;
        if let Some(command) = &step.command {
            writeln!(out, "        $ {}", command.cyan())?;
        }
        if let Some(manifest) = &step.manifest {
            for line in manifest.lines() {
                writeln!(out, "        {}", line.cyan())?;
            }
        }
    }
    Ok(())
}

fn section(name: &str, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "   {}", name.bold().underline())
}

fn credential(evidence: &Evidence, look: Look, out: &mut dyn Write) -> io::Result<()> {
    let Some((origin, rows)) = credential_rows(evidence, look.hide_claims) else { return Ok(()) };
    writeln!(out)?;
    for line in fitted(&format!("Credential ({origin})"), look.width) {
        writeln!(out, "{}", line.replacen("Credential", &"Credential".bold().to_string(), 1))?;
    }
    let mut table = plain_table(look.width);
    for (name, value) in rows {
        table.add_row(vec![cell(format!("  {}", human::plain(&name))), cell(human::plain(&value))]);
    }
    print_table(&table, out)
}

/// Where the credential comes from, and what is shown of it.
pub(super) fn credential_rows(evidence: &Evidence, hide_claims: bool) -> Option<(&str, Vec<(String, String)>)> {
    let credential = evidence.credential.seen().filter(|credential| credential.is_there())?;
    let mut rows = Vec::new();
    if let Some(token) = &credential.token {
        for (part, note) in [(&token.header, " (header)"), (&token.claims, "")] {
            for (name, value) in part.iter().filter_map(|value| value.as_object()).flatten() {
                rows.push((format!("{name}{note}"), claim(name, value, evidence, hide_claims)));
            }
        }
        if token.claims.is_none() {
            rows.push(("token".to_owned(), format!("{} bytes, content not readable", token.length)));
        }
    }
    if let Some(leaf) = credential.certificates.first() {
        // kube-apiserver's authenticators stand in this order (apiserver/authn).
        if credential.token.is_some() {
            rows.push(("client certificate".to_owned(), "sent beside the token, and looked at first".to_owned()));
        }
        let until = leaf
            .not_after
            .map(|end| format!("{end} ({})", human::relative(evidence.observed_at, end)))
            .unwrap_or_default();
        rows.push(("CN (user)".to_owned(), leaf.common_names.join(", ")));
        rows.push(("O (groups)".to_owned(), leaf.organizations.join(", ")));
        rows.push(("issued by".to_owned(), leaf.issuer.clone()));
        rows.push(("valid until".to_owned(), until));
    }
    Some((credential.origin.as_str(), rows))
}

/// A claim for people: times with their distance, values whole, or only their type.
pub(super) fn claim(name: &str, value: &serde_json::Value, evidence: &Evidence, hide: bool) -> String {
    if matches!(name, "exp" | "iat" | "nbf" | "auth_time")
        && let Some(time) = epoch(value)
    {
        let distance = human::relative(evidence.observed_at, time);
        return match (name, time < evidence.observed_at) {
            ("exp", true) => format!("{time} (expired {distance})"),
            ("exp", false) => format!("{time} (expires {distance})"),
            _ => format!("{time} ({distance})"),
        };
    }
    if hide {
        return match value {
            serde_json::Value::String(_) => "(text)",
            serde_json::Value::Number(_) => "(number)",
            serde_json::Value::Bool(_) => "(true or false)",
            serde_json::Value::Array(_) => "(list)",
            serde_json::Value::Object(_) => "(object)",
            serde_json::Value::Null => "(null)",
        }
        .to_owned();
    }
    match value {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Array(list) if list.iter().all(serde_json::Value::is_string) => {
            list.iter().filter_map(serde_json::Value::as_str).collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

fn addresses(evidence: &Evidence, look: Look, out: &mut dyn Write) -> io::Result<()> {
    let Some((place, attempts)) = attempts(evidence) else { return Ok(()) };
    writeln!(out)?;
    for line in fitted(&format!("Addresses of {place}"), look.width) {
        writeln!(out, "{}", line.replacen("Addresses of", &"Addresses of".bold().to_string(), 1))?;
    }
    for attempt in attempts {
        writeln!(out, "  {}  {} in {} ms", attempt.address, attempt.outcome, attempt.took_ms)?;
    }
    Ok(())
}

/// Where the API server is, in words, and the connections that were tried there; nothing where none was.
pub(super) fn attempts(evidence: &Evidence) -> Option<(String, &[Attempt])> {
    let (route, tcp) = (evidence.endpoint.route.seen()?, evidence.endpoint.tcp.seen()?);
    let via = route.proxy.as_ref().map(|proxy| format!(" through the proxy {proxy}")).unwrap_or_default();
    (!tcp.attempts.is_empty()).then(|| (format!("{}:{}{via}", route.host, route.port), tcp.attempts.as_slice()))
}

/// The EKS cluster: how its control plane leaves, and the interfaces and security groups that people look for first.
fn eks(evidence: &Evidence, look: Look, out: &mut dyn Write) -> io::Result<()> {
    let Some((name, rows)) = eks_rows(evidence) else { return Ok(()) };
    writeln!(out, "\n{} {name}", "EKS cluster".bold())?;
    let mut table = plain_table(look.width);
    for (what, value) in rows {
        table.add_row(vec![cell(format!("  {what}")), cell(value)]);
    }
    print_table(&table, out)
}

/// The EKS cluster's name, and what is shown of it.
pub(super) fn eks_rows(evidence: &Evidence) -> Option<(&str, Vec<(String, String)>)> {
    let aws = evidence.aws.as_ref()?;
    let cluster = aws.cluster.seen()?;
    let egress =
        cluster.vpc.control_plane_egress_mode.as_deref().unwrap_or("AWS_MANAGED (assumed: the API does not say)");
    let access = match (cluster.vpc.endpoint_public_access, cluster.vpc.endpoint_private_access) {
        (true, true) => "public and private",
        (true, false) => "public",
        (false, true) => "private",
        (false, false) => "neither public nor private",
    };
    let mut rows = vec![
        ("version".to_owned(), cluster.version.clone()),
        ("endpoint".to_owned(), access.to_owned()),
        ("control plane leaves by".to_owned(), egress.to_owned()),
    ];
    for interface in aws.network.interfaces.seen().into_iter().flatten() {
        let addresses: Vec<&str> =
            interface.private_addresses.iter().chain(&interface.ipv6_addresses).map(String::as_str).collect();
        let place = format!(
            "{} in {} with {}",
            addresses.join(", "),
            interface.subnet_id,
            interface.security_groups.join(", ")
        );
        rows.push((interface.id.clone(), place));
    }
    let named = |id: &str| {
        let group = aws.network.security_groups.seen().into_iter().flatten().find(|group| group.id == id);
        group.map(|group| format!(" ({})", group.name)).unwrap_or_default()
    };
    if let Some(id) = &cluster.vpc.cluster_security_group_id {
        rows.push(("cluster security group".to_owned(), format!("{id}{}", named(id))));
    }
    Some((cluster.name.as_str(), rows))
}

fn access(evidence: &Evidence, look: Look, out: &mut dyn Write) -> io::Result<()> {
    let Some(access) = evidence.access.seen() else { return Ok(()) };
    writeln!(out, "\n{}", "Access".bold())?;
    let mut table = plain_table(look.width);
    for check in &access.checks {
        let answer = if check.allowed { "yes".green().to_string() } else { "no".red().to_string() };
        table.add_row(vec![cell(format!("  {}", check.question.sentence())), answer]);
    }
    print_table(&table, out)
}

fn plain_table(width: usize) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(u16::try_from(width.clamp(40, 400)).unwrap_or(80));
    table
}

/// What a cell shows: breaking one word into lines takes time by the square of its length, and no name that a server
/// takes is as long.
fn cell(text: String) -> String {
    const LONGEST: usize = 2_000;
    let more = text.chars().count().saturating_sub(LONGEST);
    if more == 0 {
        return text;
    }
    let shown: String = text.chars().take(LONGEST).collect();
    format!("{shown}… and {more} characters more (-o json has all)")
}

/// comfy-table pads every line; trailing blanks would be noise in a diff.
fn print_table(table: &Table, out: &mut dyn Write) -> io::Result<()> {
    for line in table.to_string().lines() {
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

fn summary(report: &DoctorReport, evidence: &Evidence, look: Look, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "\nchecks: {} passed, {} failed, {} not possible",
        report.count(Status::Pass),
        report.count(Status::Fail),
        report.count(Status::Skipped)
    )?;
    if report.verdict == Verdict::Problems && report.count(Status::Fail) == 0 {
        let text = "every probe that could be made got its answer; the problem is in what the answers say (above)";
        wrapped(text, "  ", "  ", look.width, out)?;
    }
    for check in report.untold() {
        let because = check.because.as_deref().unwrap_or_default();
        wrapped(&format!("- failed: {} ({because})", check.id), "  ", "    ", look.width, out)?;
    }
    for (because, ids, needs) in not_checked(report) {
        let needs = needs.map(|needs| format!("; needs {needs}")).unwrap_or_default();
        wrapped(&format!("- not checked: {} ({because}{needs})", ids.join(", ")), "  ", "    ", look.width, out)?;
    }
    if look.verbose {
        for check in &report.checks {
            let word = match check.status {
                Status::Pass => "passed",
                Status::Fail => "failed",
                Status::Skipped => "skipped",
                Status::NotApplicable => "n/a",
            };
            let because = check.because.as_ref().map(|because| format!(" ({because})")).unwrap_or_default();
            let text = format!("{}: {}{because}", check.id, check.title);
            let first = format!("  {word:7} {:>6} ms  ", check.took_ms);
            wrapped(&text, &first, &" ".repeat(first.len()), look.width, out)?;
        }
    }
    writeln!(out, "looked at {} for {} ms", evidence.observed_at.strftime("%Y-%m-%d %H:%M:%S UTC"), evidence.took_ms)
}

/// What could not be looked at: why, which checks, and what they need. Where one missing thing keeps several probes from
/// looking, it is said once.
pub(super) fn not_checked(report: &DoctorReport) -> Vec<(&str, Vec<&str>, Option<&str>)> {
    let mut told: Vec<(&str, Vec<&str>, Option<&str>)> = Vec::new();
    for check in report.checks.iter().filter(|check| check.status == Status::Skipped) {
        let because = check.because.as_deref().unwrap_or_default();
        match told.iter_mut().find(|(reason, ..)| *reason == because) {
            Some((_, ids, _)) => ids.push(check.id),
            None => told.push((because, vec![check.id], check.needs.as_deref())),
        }
    }
    told
}

fn clip(text: &str, width: usize) -> String {
    let line = text.lines().next().unwrap_or_default();
    if line.chars().count() <= width {
        return line.to_owned();
    }
    format!("{}...", line.chars().take(width.saturating_sub(3)).collect::<String>())
}

fn wrapped(text: &str, first: &str, rest: &str, width: usize, out: &mut dyn Write) -> io::Result<()> {
    for line in indented(text, width, first, rest) {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// Text as it is where it fits, blanks included; else broken.
fn fitted(text: &str, width: usize) -> Vec<String> {
    if text.chars().count() <= width { vec![text.to_owned()] } else { indented(text, width, "", "  ") }
}

#[cfg(test)]
mod tests {
    use super::{Hop, Mark, cell, way_line};

    #[test]
    fn a_name_without_end_is_cut() {
        assert_eq!(cell("a".repeat(2_000)), "a".repeat(2_000));
        let cut = cell("\u{e4}".repeat(100_000));
        assert!(cut.ends_with("\u{e4}… and 98000 characters more (-o json has all)"), "{}", cut.len());
    }

    #[test]
    fn a_reason_is_not_cut_where_it_begins_to_tell() {
        let hop = |name: &str, mark: Mark| Hop { name: name.to_owned(), mark };
        for (name, because, width, expected) in [
            ("kubeconfig", "stat /nosuch: no such file", 80, "you > [X] kubeconfig: stat /nosuch: no such file"),
            ("identity", "401 Unauthorized: Unauthorized", 80, "you > [X] identity: 401 Unauthorized"),
            (
                "credential",
                "token: a JWT has 3 parts, this has 2",
                80,
                "you > [X] credential: token: a JWT has 3 parts, this has 2",
            ),
            (
                "kubeconfig",
                "context was not found for specified context: amdin",
                60,
                "you > [X] kubeconfig: context was not found for specified...",
            ),
            ("kubeconfig", "context was not found for specified context: amdin", 50, "you > [X] kubeconfig"),
        ] {
            let hops = [hop("you", Mark::Passed), hop(name, Mark::Failed(because.to_owned()))];
            assert_eq!(way_line(&hops, width), expected);
        }
    }
}
