//! Every saved case gives the same report again, and the registry's promises hold over all of them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use kaccess::evidence::Evidence;
use kaccess::render::{json, markdown, terminal};
use kaccess::report::Severity;
use kaccess::report::doctor::{DoctorReport, Verdict};
use kaccess::rules::{self, OTHER_SEVERITIES, RULES, rule};

use crate::support::run::kaccess;

/// One folder of testdata/cases.
struct Saved {
    name: String,
    folder: PathBuf,
    evidence: Evidence,
    raw: serde_json::Value,
    report: DoctorReport,
}

fn cases() -> Vec<Saved> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/cases");
    let mut folders: Vec<PathBuf> =
        fs::read_dir(&root).expect("testdata/cases").map(|entry| entry.expect("an entry").path()).collect();
    folders.sort();
    folders
        .into_iter()
        .map(|folder| {
            let name = folder.file_name().expect("a name").to_string_lossy().into_owned();
            let text =
                fs::read_to_string(folder.join("evidence.json")).unwrap_or_else(|error| panic!("{name}: {error}"));
            let raw: serde_json::Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
            let evidence: Evidence = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
            let report = rules::report(&evidence);
            Saved { name, folder, evidence, raw, report }
        })
        .collect()
}

#[test]
fn reports_are_what_they_were() {
    colored::control::set_override(false);
    let update = std::env::var_os("KACCESS_UPDATE").is_some();
    let mut faults = Vec::new();
    for case in cases() {
        let mut table = Vec::new();
        let look = terminal::Look { width: 80, verbose: false, hide_claims: false };
        terminal::doctor(&case.report, &case.evidence, look, &mut table).expect("a table");
        let mut view = Vec::new();
        json::write_json(&json::DoctorView::new(&case.report, &case.evidence, false), &mut view).expect("JSON");
        let mut notes = Vec::new();
        markdown::doctor(&case.report, &case.evidence, false, &mut notes).expect("markdown");
        for (file, now) in [("report.txt", table), ("report.json", view), ("report.md", notes)] {
            let path = case.folder.join(file);
            if update {
                fs::write(&path, &now).expect("a written snapshot");
            } else if fs::read(&path).unwrap_or_default() != now {
                faults.push(format!("{}/{file}", case.name));
            }
        }
    }
    assert!(
        faults.is_empty(),
        "changed (read the change, then KACCESS_UPDATE=1 cargo test replay): {}",
        faults.join(", ")
    );
}

/// Incident notes hold what people look for first: claims, addresses, and what kept kaccess from looking.
#[test]
fn notes_hold_the_blocks_of_the_table() {
    for hide in [false, true] {
        let more: &[&str] = if hide { &["--hide-claims"] } else { &[] };
        let output = kaccess(&[&["doctor", "--demo", "-o", "markdown"][..], more].concat());
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        for block in ["\n## Credential\n", "\n| exp | ", "\n## Addresses of ", "- not checked: "] {
            assert!(text.contains(block), "{block:?}: {text}");
        }
        assert_eq!(text.contains("\n| iss | (text) |"), hide, "{text}");
    }
}

/// What the certificate beside it hides keeps nobody out, and is told.
#[test]
fn an_expired_token_beside_a_certificate_is_a_warning() {
    let raw = |name: &str| cases().into_iter().find(|case| case.name == name).expect("a case").raw;
    let (mut both, token) = (raw("client-certificate"), raw("issuer-token"));
    both["credential"]["seen"]["token"] = token["credential"]["seen"]["token"].clone();
    both["credential"]["seen"]["token"]["claims"]["exp"] = 1_700_000_000.into();
    let evidence: Evidence = serde_json::from_value(both).expect("evidence");
    let report = rules::report(&evidence);
    assert_eq!(report.verdict, Verdict::Healthy);
    let found: Vec<_> = report.findings.iter().map(|finding| (finding.code, finding.severity)).collect();
    assert!(found.contains(&("token-expired", Severity::Warning)), "{found:?}");
}

#[test]
fn every_case_finds_what_its_name_says() {
    for case in cases() {
        // The codes, the root cause first; an empty file is a healthy twin.
        let expected = fs::read_to_string(case.folder.join("expect"))
            .unwrap_or_else(|error| panic!("{}/expect: {error}", case.name));
        let expected: Vec<&str> = expected.split_whitespace().collect();
        let found: Vec<&str> = case.report.findings.iter().map(|finding| finding.code).collect();
        assert_eq!(found.first(), expected.first(), "{}: the root cause; found {found:?}", case.name);
        for code in &expected {
            assert!(found.contains(code), "{}: {code} is missing in {found:?}", case.name);
        }
        if expected.is_empty() {
            assert!(found.is_empty(), "{}: a healthy case with {found:?}", case.name);
            assert_eq!(case.report.verdict, Verdict::Healthy, "{}", case.name);
        }
    }
}

/// `explain` tells where a finding is worse or milder than its rule says.
#[test]
fn every_other_severity_is_told() {
    for case in cases() {
        for finding in &case.report.findings {
            let own = rule(finding.code).expect("a rule").severity;
            let told =
                OTHER_SEVERITIES.iter().any(|(code, other, _)| (*code, *other) == (finding.code, finding.severity));
            assert!(own == finding.severity || told, "{}: {} is not told", case.name, finding.code);
        }
    }
    for (code, other, _) in OTHER_SEVERITIES {
        assert_ne!(rule(code).expect("a rule").severity, *other, "{code}");
    }
}

#[test]
fn every_rule_fires_somewhere() {
    let fired: BTreeSet<&str> =
        cases().iter().flat_map(|case| case.report.findings.iter().map(|finding| finding.code)).collect();
    let silent: Vec<&str> = RULES.iter().map(|rule| rule.code).filter(|code| !fired.contains(code)).collect();
    assert!(silent.is_empty(), "rules that no saved case makes fire: {silent:?}");
}

#[test]
fn every_citation_resolves_and_every_fix_has_a_step() {
    for case in cases() {
        for finding in &case.report.findings {
            assert!(!finding.cites.is_empty(), "{}: {} cites nothing", case.name, finding.code);
            for citation in &finding.cites {
                assert!(
                    case.raw.pointer(&citation.path).is_some(),
                    "{}: {} cites {}, which is not there",
                    case.name,
                    finding.code,
                    citation.path
                );
                assert!(!citation.text.trim().is_empty(), "{}: {} cites without words", case.name, finding.code);
            }
            assert!(
                finding.fix.iter().any(|step| !step.text.trim().is_empty()),
                "{}: {} has no fix",
                case.name,
                finding.code
            );
        }
    }
}

#[test]
fn every_case_says_where_it_comes_from() {
    for case in cases() {
        let provenance = &case.evidence.provenance;
        assert!(
            provenance == "observed" || provenance.starts_with("synthetic: "),
            "{}: provenance {provenance:?}",
            case.name
        );
    }
}
