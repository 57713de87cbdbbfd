//! The report as a test report, which CI systems show: a suite for each context, a case for each finding and check.

use std::io::{self, Write};

use super::Diagnosed;
use crate::report::Severity;
use crate::report::doctor::{Status, Verdict};

/// Text for XML 1.0: escaped, and without characters that no document may hold.
fn xml(foreign: &str) -> String {
    let mut out = String::with_capacity(foreign.len());
    for c in foreign.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // Inside an attribute a bare one would become a blank.
            '\n' => out.push_str("&#10;"),
            '\t' => out.push_str("&#9;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {}
            c => out.push(c),
        }
    }
    out
}

fn time(ms: u64) -> String {
    format!("{:.3}", std::time::Duration::from_millis(ms).as_secs_f64())
}

/// The suites. `counts` says which severities fail a case, as they fail the run.
///
/// # Errors
/// When the writer fails.
pub fn doctor(items: &[Diagnosed<'_>], counts: &dyn Fn(Severity) -> bool, out: &mut dyn Write) -> io::Result<()> {
    let suites: Vec<Suite> = items.iter().map(|item| suite(item, counts)).collect();
    let sum = |of: fn(&Suite) -> usize| suites.iter().map(of).sum::<usize>();
    writeln!(
        out,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <testsuites name=\"kaccess doctor\" tests=\"{}\" failures=\"{}\" errors=\"{}\" time=\"{}\">",
        sum(|suite| suite.tests),
        sum(|suite| suite.failures),
        sum(|suite| suite.errors),
        time(items.iter().map(|item| item.evidence.took_ms).sum())
    )?;
    for suite in suites {
        out.write_all(suite.text.as_bytes())?;
    }
    writeln!(out, "</testsuites>")
}

#[derive(Default)]
struct Suite {
    tests: usize,
    failures: usize,
    errors: usize,
    text: String,
}

/// A suite fails exactly where the run's exit code says so: a check that failed is told in the suite's output, and fails
/// nothing by itself, because the findings say which failures matter.
fn suite(item: &Diagnosed<'_>, counts: &dyn Fn(Severity) -> bool) -> Suite {
    let mut suite = Suite::default();
    let mut skipped = 0;
    let mut cases = String::new();
    let mut case = |class: &str, name: &str, ms: u64, inner: &str| {
        cases.push_str(&format!(
            "    <testcase classname=\"kaccess.{class}\" name=\"{}\" time=\"{}\"",
            xml(name),
            time(ms)
        ));
        cases.push_str(&if inner.is_empty() { "/>\n".to_owned() } else { format!(">{inner}</testcase>\n") });
    };
    let any = item.report.findings.iter().any(|finding| counts(finding.severity));
    let unknown = item.report.verdict == Verdict::Unknown && !any;
    let verdict = if unknown {
        suite.errors = 1;
        if item.evidence.identity.seen().is_some() {
            "<error type=\"unknown\" message=\"no error was found, and what the message says was not tried\"/>"
        } else {
            "<error type=\"unknown\" message=\"no error was found, and no identity was established either\"/>"
        }
    } else {
        ""
    };
    // Named for what is asked, not for the answer: the case itself fails only where there is none.
    case("verdict", "a verdict was reached", item.evidence.took_ms, verdict);
    suite.tests = 1;
    for finding in &item.report.findings {
        let mut body = finding.why.clone();
        if let Some(code) = finding.explained_by {
            body.push_str(&format!("\n\nExplained by {code}."));
        }
        body.push_str("\n\nSeen:");
        for citation in &finding.cites {
            body.push_str(&format!("\n- {}", citation.text));
        }
        body.push_str("\n\nFix:");
        for (number, step) in finding.fix.iter().enumerate() {
            body.push_str(&format!("\n{}. {}", number + 1, step.text));
            for code in step.codes() {
                body.push_str(&format!("\n{code}"));
            }
        }
        suite.tests += 1;
        if counts(finding.severity) {
            suite.failures += 1;
            let inner = format!(
                "<failure type=\"{}\" message=\"{}\">{}</failure>",
                finding.code,
                xml(&finding.title),
                xml(&body)
            );
            case("finding", finding.code, 0, &inner);
        } else {
            let inner = format!("<system-out>{}\n{}</system-out>", xml(&finding.title), xml(&body));
            case("finding", finding.code, 0, &inner);
        }
    }
    let mut failed = String::new();
    for check in &item.report.checks {
        let because = check.because.as_deref().unwrap_or_default();
        match check.status {
            Status::Pass => case("check", check.id, check.took_ms, ""),
            Status::Skipped => {
                skipped += 1;
                case("check", check.id, 0, &format!("<skipped message=\"{}\"/>", xml(because)));
            }
            Status::Fail => {
                failed.push_str(&format!("{} ({}): {because}\n", check.title, check.id));
                continue;
            }
            Status::NotApplicable => continue,
        }
        suite.tests += 1;
    }
    let heard = if failed.is_empty() {
        String::new()
    } else {
        format!("    <system-out>These do not hold:\n{}</system-out>\n", xml(&failed))
    };
    suite.text = format!(
        "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{skipped}\" time=\"{}\" \
         timestamp=\"{}\">\n{cases}{heard}  </testsuite>\n",
        xml(item.context),
        suite.tests,
        suite.failures,
        suite.errors,
        time(item.evidence.took_ms),
        item.evidence.observed_at.strftime("%Y-%m-%dT%H:%M:%S")
    );
    suite
}
