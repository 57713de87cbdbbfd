//! The report as SARIF 2.1.0, which code scanning shows: a run for each context, a result for each finding.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::{Diagnosed, json};
use crate::report::{Finding, Grade, Severity};

/// The log. `title` gives a code's title in the registry.
///
/// # Errors
/// When the writer fails.
pub fn doctor(
    items: &[Diagnosed<'_>],
    title: &dyn Fn(&str) -> Option<&'static str>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let runs: Vec<Value> = items.iter().map(|item| run(item, title)).collect();
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": runs,
    });
    json::write_json(&log, out)
}

fn run(item: &Diagnosed<'_>, title: &dyn Fn(&str) -> Option<&'static str>) -> Value {
    let mut codes: Vec<&str> = Vec::new();
    for finding in &item.report.findings {
        if !codes.contains(&finding.code) {
            codes.push(finding.code);
        }
    }
    let rules: Vec<Value> = codes
        .iter()
        .map(|code| {
            let words = title(code).unwrap_or(code);
            let page = format!("kaccess explain {code} shows the page of this finding.");
            json!({ "id": code, "shortDescription": { "text": words }, "help": { "text": page } })
        })
        .collect();
    let results: Vec<Value> = item
        .report
        .findings
        .iter()
        .enumerate()
        .map(|(place, finding)| {
            let index = codes.iter().position(|code| *code == finding.code).unwrap_or_default();
            let before = item.report.findings[..place].iter().filter(|other| other.code == finding.code).count();
            result(item, finding, index, before)
        })
        .collect();
    let start = item.evidence.observed_at;
    let took = i64::try_from(item.evidence.took_ms).unwrap_or(i64::MAX);
    let end = start.checked_add(jiff::SignedDuration::from_millis(took)).unwrap_or(start);
    json!({
        "tool": { "driver": {
            "name": "kaccess",
            "semanticVersion": item.evidence.kaccess,
            "rules": rules,
        } },
        // What tells two runs of one kind apart stands before the slash, the run itself behind it.
        "automationDetails": { "id": format!("kaccess/{}/", item.context) },
        "invocations": [{
            "executionSuccessful": true,
            "startTimeUtc": start.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
            "endTimeUtc": end.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
        }],
        "results": results,
        "properties": { "verdict": item.report.verdict.word(), "context": item.context },
    })
}

/// A path as the URI of an artifact: slashes stay, and whatever a URI cannot hold is escaped.
fn uri(path: &str) -> String {
    const KEPT: &percent_encoding::AsciiSet =
        &percent_encoding::NON_ALPHANUMERIC.remove(b'/').remove(b'.').remove(b'-').remove(b'_').remove(b'~');
    let escaped = percent_encoding::utf8_percent_encode(path, KEPT);
    if path.starts_with('/') { format!("file://{escaped}") } else { escaped.to_string() }
}

fn result(item: &Diagnosed<'_>, finding: &Finding, index: usize, before: usize) -> Value {
    let level = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "note",
    };
    let confidence = finding.confidence.word();
    let mut text = format!("{}\n\n{}\n\nFix:", finding.title, finding.why);
    for (number, step) in finding.fix.iter().enumerate() {
        text.push_str(&format!("\n{}. {}", number + 1, step.text));
        for code in step.codes() {
            text.push_str(&format!("\n{code}"));
        }
    }
    let evidence: Vec<Value> = finding
        .cites
        .iter()
        .map(|citation| {
            let grade = match citation.grade {
                Grade::Seen => "seen",
                Grade::Probed => "probed",
                Grade::Inferred => "inferred",
            };
            json!({ "path": citation.path, "grade": grade, "text": citation.text })
        })
        .collect();
    // The file that the question came from; without one there is only the logical place.
    let config = item.evidence.kubeconfig.seen();
    let file = config.and_then(|config| {
        let entry = config.cluster.as_ref().map(|cluster| cluster.file.as_str()).filter(|file| !file.is_empty());
        entry.or_else(|| config.files.iter().find(|file| file.state == "read").map(|file| file.path.as_str()))
    });
    let mut location = json!({
        "logicalLocations": [{ "name": item.context, "fullyQualifiedName": format!("context {}", item.context) }],
    });
    if let Some(file) = file {
        location["physicalLocation"] = json!({ "artifactLocation": { "uri": uri(file) } });
    }
    json!({
        "ruleId": finding.code,
        "ruleIndex": index,
        "level": level,
        "message": { "text": text },
        "locations": [location],
        // The same finding about the same context is the same alert, whatever its words say of times.
        "partialFingerprints": { "kaccess/v1": format!("{}/{}/{before}", item.context, finding.code) },
        "properties": {
            "confidence": confidence,
            "evidence": evidence,
            "explainedBy": finding.explained_by,
        },
    })
}
