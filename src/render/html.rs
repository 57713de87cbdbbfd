//! The report as one page that needs nothing else: no script, no font, no picture, no request to anywhere.

use std::io::{self, Write};

use super::{human, terminal};
use crate::evidence::Evidence;
use crate::report::compare::Comparison;
use crate::report::doctor::{DoctorReport, Status, context_words};
use crate::report::way::{Hop, Mark, way_in, way_to_issuer};
use crate::report::{Finding, Grade, Step};

const STYLE: &str = include_str!("html.css");

/// Foreign text for HTML: it opens no element, ends no attribute, and hides nothing from the eye. Lines stay lines.
fn text(foreign: &str) -> String {
    let mut out = String::with_capacity(foreign.len());
    for (number, line) in foreign.split('\n').enumerate() {
        if number > 0 {
            out.push('\n');
        }
        for c in human::plain(line.trim_end_matches('\r')).chars() {
            match c {
                '&' => out.push_str("&amp;"),
                '<' => out.push_str("&lt;"),
                '>' => out.push_str("&gt;"),
                '"' => out.push_str("&quot;"),
                '\'' => out.push_str("&#39;"),
                c => out.push(c),
            }
        }
    }
    out
}

/// The whole report.
///
/// # Errors
/// When the writer fails.
pub fn doctor(
    report: &DoctorReport,
    evidence: &Evidence,
    hide_claims: bool,
    comparison: Option<&Comparison>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let context = &context_words(evidence);
    let verdict = report.verdict.word();
    // Browsers are held to it: even a fault in the escaping below could fetch nothing.
    write!(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>kaccess doctor: {verdict}, {}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<header>\n\
         <h1><span class=\"{verdict}\">{}</span> {}</h1>\n",
        text(context),
        verdict.to_uppercase(),
        text(context)
    )?;
    if let Some(route) = evidence.endpoint.route.seen() {
        writeln!(out, "<p>API server: <code>{}</code></p>", text(&route.url))?;
    }
    if let Some(identity) = evidence.identity.seen() {
        let groups =
            if identity.user.groups.is_empty() { "no groups".to_owned() } else { identity.user.groups.join(", ") };
        writeln!(out, "<p>you are <strong>{}</strong> ({})</p>", text(&identity.user.username), text(&groups))?;
    }
    let at = evidence.observed_at;
    writeln!(
        out,
        "<p class=\"soft\">looked at <time datetime=\"{at}\">{}</time> for {} ms by kaccess {}</p>\n</header>\n<main>",
        at.strftime("%Y-%m-%d %H:%M:%S UTC"),
        evidence.took_ms,
        text(&evidence.kaccess)
    )?;
    writeln!(out, "<h2>The two ways</h2>")?;
    way("From you to the API server", &way_in(report), out)?;
    let issuer = way_to_issuer(report, evidence);
    if !issuer.is_empty() {
        way("From the control plane to the issuer", &issuer, out)?;
    }
    if let Some(message) = &report.message {
        writeln!(out, "<p>{}</p>", text(&message.sentence()))?;
    }
    findings(&report.findings, out)?;
    if let Some(comparison) = comparison {
        compared(comparison, out)?;
    }
    access(evidence, out)?;
    credential(evidence, hide_claims, out)?;
    addresses(evidence, out)?;
    eks(evidence, out)?;
    waterfall(report, evidence, out)?;
    not_checked(report, out)?;
    writeln!(out, "</main>\n</body>\n</html>")
}

/// At most so many characters, for a box of fixed width.
fn short(foreign: &str, most: usize) -> String {
    let line = foreign.lines().next().unwrap_or_default();
    if line.chars().count() <= most {
        return text(line);
    }
    text(&format!("{}...", line.chars().take(most.saturating_sub(3)).collect::<String>()))
}

/// A way as boxes in rows that a telephone shows whole. The first hop that fails is the one to look at, and is marked.
fn way(title: &str, hops: &[Hop], out: &mut dyn Write) -> io::Result<()> {
    const GAP: usize = 26;
    const WIDTH: usize = 420;
    const ROW: usize = 50;
    // In characters of the text below the boxes.
    const LINE: usize = 58;
    let bad = hops.iter().find(|hop| matches!(hop.mark, Mark::Failed(_)));
    let bad = bad.or_else(|| hops.iter().find(|hop| matches!(hop.mark, Mark::Unknown(_))));
    let (said, class) = match bad {
        Some(Hop { name, mark: Mark::Failed(because) }) => (format!("{name} fails: {because}"), "fail"),
        Some(Hop { name, mark: Mark::Unknown(because) }) => (format!("{name} was not checked: {because}"), "skipped"),
        _ => ("every hop is passed".to_owned(), "soft"),
    };
    let mut boxes = String::new();
    let (mut x, mut y) = (2, 26);
    for (index, hop) in hops.iter().enumerate() {
        let box_width = hop.name.chars().count().min(40) * 8 + 24;
        if index > 0 {
            // A row that is full goes on in the next one, which begins with the arrow.
            if x + GAP + box_width > WIDTH {
                (x, y) = (2, y + ROW);
            }
            boxes.push_str(&format!("<path d=\"M{} {}h{}m-5 -4l5 4l-5 4\"/>\n", x + 3, y + 18, GAP - 6));
            x += GAP;
        }
        let (class, sign) = match &hop.mark {
            Mark::Passed => ("pass", ""),
            Mark::Failed(_) => ("fail", "\u{2715} "),
            Mark::Unknown(_) => ("skipped", "? "),
        };
        boxes.push_str(&format!(
            "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{box_width}\" height=\"36\" rx=\"6\"/>\
             <text class=\"{}\" x=\"{}\" y=\"{}\" text-anchor=\"middle\">{sign}{}</text>\n",
            if class == "pass" { "" } else { class },
            x + box_width / 2,
            y + 23,
            short(&hop.name, 40)
        ));
        x += box_width;
    }
    let mut below = y + 58;
    for line in human::wrap(&human::plain(said.lines().next().unwrap_or_default()), LINE).iter().take(3) {
        boxes.push_str(&format!("<text class=\"{class}\" x=\"2\" y=\"{below}\">{}</text>\n", short(line, LINE)));
        below += 18;
    }
    writeln!(
        out,
        "<svg class=\"way\" width=\"{WIDTH}\" viewBox=\"0 0 {WIDTH} {below}\" role=\"img\"><title>{}: {}</title>\n\
         <text class=\"soft\" x=\"2\" y=\"14\">{}</text>\n{boxes}</svg>",
        text(title),
        text(&human::plain(&said)),
        text(title)
    )
}

fn findings(findings: &[Finding], out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "<h2>Findings</h2>")?;
    if findings.is_empty() {
        return writeln!(out, "<p>None.</p>");
    }
    let (roots, explained): (Vec<&Finding>, Vec<&Finding>) =
        findings.iter().partition(|finding| finding.explained_by.is_none());
    for (number, finding) in roots.iter().enumerate() {
        one_finding(number + 1, finding, out)?;
    }
    if !explained.is_empty() {
        writeln!(out, "<h3>Explained by the above</h3>\n<ul>")?;
        for finding in explained {
            writeln!(
                out,
                "<li>{} <code>{}</code>, {} <code>{}</code></li>",
                text(&finding.title),
                finding.code,
                finding.because(findings),
                finding.explained_by.unwrap_or_default()
            )?;
        }
        writeln!(out, "</ul>")?;
    }
    Ok(())
}

fn one_finding(number: usize, finding: &Finding, out: &mut dyn Write) -> io::Result<()> {
    let severity = finding.severity.word();
    let confidence = finding.confidence.word();
    writeln!(
        out,
        "<article class=\"{severity}\" id=\"{}-{number}\">\n<h3>{number}. {}</h3>\n\
         <p class=\"tag\">{severity} <code>{}</code> {confidence}</p>\n<p>{}</p>",
        finding.code,
        text(&finding.title),
        finding.code,
        text(&finding.why)
    )?;
    writeln!(out, "<details>\n<summary>Evidence ({})</summary>\n<ul>", finding.cites.len())?;
    for citation in &finding.cites {
        let grade = match citation.grade {
            Grade::Seen => "seen",
            Grade::Probed => "probed from here",
            Grade::Inferred => "inferred",
        };
        writeln!(
            out,
            "<li>{} <span class=\"soft\">[{grade}]</span> <code class=\"soft\">{}</code></li>",
            text(&citation.text),
            text(&citation.path)
        )?;
    }
    writeln!(out, "</ul>\n</details>")?;
    if !finding.candidates.is_empty() {
        writeln!(out, "<h4>What fits, the likeliest first</h4>\n<ol>")?;
        for candidate in &finding.candidates {
            write!(out, "<li><code>{}</code>: {}; decided by: ", candidate.code, text(&candidate.why))?;
            step(&candidate.decided_by, out)?;
            writeln!(out, "</li>")?;
        }
        writeln!(out, "</ol>")?;
    }
    writeln!(out, "<h4>Fix</h4>\n<ol>")?;
    for one in &finding.fix {
        write!(out, "<li>")?;
        step(one, out)?;
        writeln!(out, "</li>")?;
    }
    writeln!(out, "</ol>\n</article>")
}

fn step(step: &Step, out: &mut dyn Write) -> io::Result<()> {
    write!(out, "{}", text(&step.text))?;
    for code in step.codes() {
        // A parser takes the first line break of a pre for none.
        write!(out, "<pre>\n{}</pre>", text(code.trim_end()))?;
    }
    Ok(())
}

fn compared(comparison: &Comparison, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "<h2>Compared with {}, {}</h2>",
        text(comparison.then_context.as_deref().unwrap_or("no context")),
        comparison.then.strftime("%Y-%m-%d %H:%M:%S UTC")
    )?;
    for (word, codes) in [("Found now, not then", &comparison.appeared), ("Found then, not now", &comparison.gone)] {
        if !codes.is_empty() {
            writeln!(out, "<p>{word}: <code>{}</code></p>", codes.join("</code>, <code>"))?;
        }
    }
    if comparison.differences.is_empty() {
        return writeln!(out, "<p>Nothing else differs that can matter.</p>");
    }
    writeln!(out, "<table>\n<thead><tr><th>What</th><th>Then</th><th>Now</th></tr></thead>\n<tbody>")?;
    for difference in &comparison.differences {
        writeln!(
            out,
            "<tr><td>{}</td><td>{}</td><td>{}</td></tr>",
            text(&difference.what),
            text(&difference.then),
            text(&difference.now)
        )?;
    }
    writeln!(out, "</tbody>\n</table>")
}

fn access(evidence: &Evidence, out: &mut dyn Write) -> io::Result<()> {
    let Some(access) = evidence.access.seen().filter(|access| !access.checks.is_empty()) else { return Ok(()) };
    writeln!(out, "<h2>Access</h2>\n<table>\n<thead><tr><th>Question</th><th>Allowed</th></tr></thead>\n<tbody>")?;
    for check in &access.checks {
        let (class, word) = if check.allowed { ("pass", "yes") } else { ("fail", "no") };
        writeln!(out, "<tr><td>{}</td><td class=\"{class}\">{word}</td></tr>", text(&check.question.sentence()))?;
    }
    writeln!(out, "</tbody>\n</table>")
}

fn credential(evidence: &Evidence, hide: bool, out: &mut dyn Write) -> io::Result<()> {
    let Some((origin, rows)) = terminal::credential_rows(evidence, hide) else { return Ok(()) };
    writeln!(out, "<h2>Credential</h2>\n<p>{}</p>", text(origin))?;
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(out, "<details>\n<summary>What it says ({})</summary>\n<table>\n<tbody>", rows.len())?;
    for (name, value) in rows {
        writeln!(out, "<tr><th scope=\"row\">{}</th><td class=\"mono\">{}</td></tr>", text(&name), text(&value))?;
    }
    writeln!(out, "</tbody>\n</table>\n</details>")
}

fn addresses(evidence: &Evidence, out: &mut dyn Write) -> io::Result<()> {
    let Some((place, attempts)) = terminal::attempts(evidence) else { return Ok(()) };
    writeln!(out, "<h2>Addresses of {}</h2>\n<table>\n<tbody>", text(&place))?;
    for attempt in attempts {
        let class = if attempt.connected() { "pass" } else { "fail" };
        writeln!(
            out,
            "<tr><td class=\"mono\">{}</td><td class=\"{class}\">{}</td><td>{} ms</td></tr>",
            text(&attempt.address),
            text(&attempt.outcome.to_string()),
            attempt.took_ms
        )?;
    }
    writeln!(out, "</tbody>\n</table>")
}

/// The EKS cluster: how its control plane leaves, its interfaces and security groups.
fn eks(evidence: &Evidence, out: &mut dyn Write) -> io::Result<()> {
    let Some((name, rows)) = terminal::eks_rows(evidence) else { return Ok(()) };
    writeln!(out, "<h2>EKS cluster {}</h2>\n<table>\n<tbody>", text(name))?;
    for (what, value) in rows {
        writeln!(out, "<tr><th scope=\"row\">{}</th><td class=\"mono\">{}</td></tr>", text(&what), text(&value))?;
    }
    writeln!(out, "</tbody>\n</table>")
}

/// The probes by the time they began, so that the longest chain is seen.
fn waterfall(report: &DoctorReport, evidence: &Evidence, out: &mut dyn Write) -> io::Result<()> {
    const LABEL: usize = 400;
    const BARS: usize = 480;
    const ROW: usize = 22;
    let mut made: Vec<_> =
        report.checks.iter().filter(|check| matches!(check.status, Status::Pass | Status::Fail)).collect();
    if made.is_empty() {
        return Ok(());
    }
    made.sort_by_key(|check| check.started_ms);
    let end = made.iter().map(|check| check.started_ms + check.took_ms).max().unwrap_or_default();
    let whole = end.max(evidence.took_ms).max(1);
    let place = |ms: u64| usize::try_from(ms.saturating_mul(BARS as u64) / whole).unwrap_or(BARS);
    let height = made.len() * ROW + 8;
    writeln!(
        out,
        "<h2>Probes</h2>\n<div class=\"wide\"><svg width=\"1000\" viewBox=\"0 0 1000 {height}\" role=\"img\">\
         <title>When each probe began and how long it took, of {whole} ms in all</title>"
    )?;
    for (index, check) in made.iter().enumerate() {
        let y = index * ROW;
        let class = check.status.word();
        // A probe of no time is still one.
        let width = place(check.took_ms).max(2);
        writeln!(
            out,
            "<g><title>{}: {}, began after {} ms, took {} ms</title>\
             <text class=\"{}\" x=\"0\" y=\"{}\">{}{}</text>\
             <rect class=\"bar {class}\" x=\"{}\" y=\"{}\" width=\"{width}\" height=\"12\"/>\
             <text class=\"soft\" x=\"1000\" y=\"{}\" text-anchor=\"end\">{} ms</text></g>",
            check.id,
            class,
            check.started_ms,
            check.took_ms,
            if check.status == Status::Fail { "fail" } else { "" },
            y + 15,
            if check.status == Status::Fail { "\u{2715} " } else { "" },
            short(check.title, 58),
            LABEL + place(check.started_ms),
            y + 5,
            y + 15,
            check.took_ms
        )?;
    }
    writeln!(out, "</svg></div>")
}

fn not_checked(report: &DoctorReport, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "<h2>Checks</h2>\n<p>{} passed, {} failed, {} not possible.</p>",
        report.count(Status::Pass),
        report.count(Status::Fail),
        report.count(Status::Skipped)
    )?;
    for (status, title) in [(Status::Fail, "Failed"), (Status::Skipped, "Not checked")] {
        let of: Vec<_> = report.checks.iter().filter(|check| check.status == status).collect();
        if of.is_empty() {
            continue;
        }
        writeln!(out, "<details>\n<summary>{title} ({})</summary>\n<ul>", of.len())?;
        for check in of {
            let because = check.because.as_deref().unwrap_or_default();
            let needs = check.needs.as_ref().map(|needs| format!("; needs {needs}")).unwrap_or_default();
            writeln!(
                out,
                "<li>{} <code>{}</code>: {}{}</li>",
                text(check.title),
                check.id,
                text(because),
                text(&needs)
            )?;
        }
        writeln!(out, "</ul>\n</details>")?;
    }
    Ok(())
}
