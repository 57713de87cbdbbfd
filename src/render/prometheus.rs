//! Gauges in Prometheus' text format, for node_exporter's textfile collector or a push gateway.

use std::collections::BTreeSet;
use std::io::{self, Write};

use jiff::Timestamp;

use super::Diagnosed;

/// Labels and a value.
type Sample = (String, String);

/// A label's value: what the format wants escaped is, and other control characters are left out.
fn label(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

/// One family: its head, then each sample once, whatever it came from.
fn family(name: &str, help: &str, samples: impl IntoIterator<Item = Sample>, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "# HELP {name} {help}\n# TYPE {name} gauge")?;
    let mut known = BTreeSet::new();
    for (labels, value) in samples {
        if known.insert(labels.clone()) {
            writeln!(out, "{name}{{{labels}}} {value}")?;
        }
    }
    Ok(())
}

/// Unix time in seconds.
fn seconds(time: Timestamp) -> String {
    time.as_second().to_string()
}

/// The gauges of every context that was examined.
///
/// # Errors
/// When the writer fails.
pub fn doctor(items: &[Diagnosed<'_>], out: &mut dyn Write) -> io::Result<()> {
    let each = |sample: &dyn Fn(&Diagnosed<'_>, &str) -> Vec<Sample>| -> Vec<Sample> {
        items.iter().flat_map(|item| sample(item, &format!("context=\"{}\"", label(item.context)))).collect()
    };
    let findings = each(&|item, context| {
        let all = item.report.findings.iter().map(|finding| {
            let severity = finding.severity.word();
            let confidence = finding.confidence.word();
            let labels =
                format!("code=\"{}\",severity=\"{severity}\",confidence=\"{confidence}\",{context}", finding.code);
            (labels, "1".to_owned())
        });
        all.collect()
    });
    family("kaccess_finding", "A finding of the last run; absent when it was not found.", findings, out)?;
    let verdicts = each(&|item, context| {
        let words = ["healthy", "problems", "unknown"].iter();
        words
            .map(|word| {
                let holds = if item.report.verdict.word() == *word { "1" } else { "0" };
                (format!("{context},verdict=\"{word}\""), holds.to_owned())
            })
            .collect()
    });
    family("kaccess_verdict", "1 for the verdict of the last run, 0 for the other two.", verdicts, out)?;
    let tokens = each(&|item, context| {
        let credential = item.evidence.credential.seen();
        let claimed = credential.and_then(|credential| credential.token.as_ref()?.times().expires_at);
        let ends = claimed.or_else(|| credential.and_then(|credential| credential.announced_expiry));
        ends.map(|ends| (context.to_owned(), seconds(ends))).into_iter().collect()
    });
    family(
        "kaccess_token_expiry_timestamp_seconds",
        "When the bearer token ends, in unix time; absent where it names no end.",
        tokens,
        out,
    )?;
    let certificates = each(&|item, context| {
        let client = item.evidence.credential.seen().map(|credential| credential.certificates.as_slice());
        let server = item.evidence.endpoint.tls.seen().map(|report| report.chain.as_slice());
        let issuer = item.evidence.issuer.tls.seen().map(|report| report.chain.as_slice());
        let chains = [("client", client), ("api-server", server), ("issuer", issuer)];
        let all = chains.iter().flat_map(|(of, chain)| {
            chain.unwrap_or_default().iter().enumerate().filter_map(move |(position, certificate)| {
                let labels = format!(
                    "certificate=\"{of}\",{context},position=\"{position}\",subject=\"{}\"",
                    label(&certificate.subject)
                );
                Some((labels, seconds(certificate.not_after?)))
            })
        });
        all.collect()
    });
    family(
        "kaccess_certificate_expiry_timestamp_seconds",
        "When a certificate ends, in unix time; position 0 is the leaf, the others are the chain as presented.",
        certificates,
        out,
    )?;
    let runs = each(&|item, context| vec![(context.to_owned(), seconds(item.evidence.observed_at))]);
    family("kaccess_last_run_timestamp_seconds", "When the last run began, in unix time.", runs, out)?;
    let durations = each(&|item, context| {
        let took = item.evidence.took_ms;
        vec![(context.to_owned(), format!("{}.{:03}", took / 1000, took % 1000))]
    });
    family("kaccess_run_duration_seconds", "How long the last run took.", durations, out)
}

#[cfg(test)]
mod tests {
    use super::label;

    #[test]
    fn a_name_cannot_end_its_label() {
        assert_eq!(label("a\"} 1\nb\\c\u{1b}[31m"), "a\\\"} 1\\nb\\\\c[31m");
    }
}
