//! `doctor --compare`: what differs that matters is said, and what differs every time is not.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::{each_case, saved, text_of};
use crate::support::run::{command, kaccess, scratch};
use crate::support::schema::hold;

/// A case's evidence with changes, as a file.
fn changed(case: &str, change: impl Fn(&mut Value)) -> PathBuf {
    let text = fs::read_to_string(saved(case).folder.join("evidence.json")).expect("evidence");
    let mut evidence: Value = serde_json::from_str(&text).expect("JSON");
    change(&mut evidence);
    let file = scratch("compare").join("evidence.json");
    fs::write(&file, evidence.to_string()).expect("evidence");
    file
}

fn compared(now: &std::path::Path, then: &std::path::Path, more: &[&str]) -> (Option<i32>, String) {
    let output = command()
        .args(["doctor", "--from"])
        .arg(now)
        .arg("--compare")
        .arg(then)
        .args(more)
        .output()
        .expect("kaccess runs");
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    (output.status.code(), String::from_utf8(output.stdout).expect("UTF-8"))
}

fn view(now: &std::path::Path, then: &std::path::Path, more: &[&str]) -> Value {
    let mut all = vec!["-o", "json"];
    all.extend(more);
    let report: Value = serde_json::from_str(&compared(now, then, &all).1).expect("JSON");
    hold(&report);
    report["comparison"].clone()
}

/// A healthy look through an identity provider.
const HEALTHY: &str = "first-incident-fixed";

#[test]
fn a_look_does_not_differ_from_itself_nor_from_one_a_minute_later() {
    each_case(|case| {
        let (evidence, report) = (&case.evidence, &case.report);
        let same = kaccess::report::compare::compare((evidence, report), (evidence, report), false);
        assert!(same.differences.is_empty(), "{}: {:?}", case.name, same.differences);
        assert!(same.appeared.is_empty() && same.gone.is_empty(), "{}", case.name);
    });
    let then = changed(HEALTHY, |_| {});
    let now = changed(HEALTHY, |evidence| {
        evidence["tookMs"] = json!(9999);
        let claims = &mut evidence["credential"]["seen"]["token"]["claims"];
        assert!(claims.is_object(), "the case has a token");
        for name in ["exp", "iat"] {
            let time = claims[name].as_i64().expect("a time");
            claims[name] = json!(time + 60);
        }
        claims["jti"] = json!("another");
    });
    let comparison = view(&now, &then, &[]);
    assert_eq!(comparison["differences"], json!([]), "{comparison}");
    assert!(compared(&now, &then, &[]).1.contains("nothing differs that can matter"));
}

#[test]
fn what_differs_is_named_with_both_sides() {
    let then = changed(HEALTHY, |_| {});
    let now = changed(HEALTHY, |evidence| {
        evidence["kubeconfig"]["seen"]["context"] = json!("ci");
        evidence["endpoint"]["dns"]["seen"]["addresses"] = json!(["198.51.100.7"]);
        let claims = &mut evidence["credential"]["seen"]["token"]["claims"];
        claims["aud"] = json!("another-client");
        claims["groups"] = json!(["dev", "\u{1b}[31mred\n"]);
        evidence["identity"]["seen"]["user"]["groups"] = json!(["system:authenticated"]);
        evidence["endpoint"]["route"]["seen"]["proxy"] = json!("http://proxy.example:3128");
    });
    let comparison = view(&now, &then, &[]);
    let of = |what: &str| -> &Value {
        let all = comparison["differences"].as_array().expect("a list");
        all.iter().find(|one| one["what"] == what).unwrap_or_else(|| panic!("no {what}: {comparison:#}"))
    };
    assert_eq!(of("context")["now"], "ci");
    assert_eq!(of("addresses of the API server's name")["now"], "198.51.100.7");
    assert_eq!(of("claim aud")["now"], "another-client");
    assert_eq!(
        (
            of("proxy on the way to the API server")["then"].as_str(),
            of("proxy on the way to the API server")["now"].as_str()
        ),
        (Some("none"), Some("http://proxy.example:3128"))
    );
    assert!(
        of("your groups")["then"].as_str().is_some_and(|text| !text.contains("system:authenticated")),
        "only what went"
    );
    for form in ["table", "markdown"] {
        let (_, text) = compared(&now, &then, &["-o", form]);
        assert!(text.contains("198.51.100.7") && text.contains("claim aud"), "{text}");
        assert!(!text.contains('\u{1b}'), "a claim moves no cursor: {text}");
    }
    for width in [80, 120] {
        let output = command()
            .env("COLUMNS", width.to_string())
            .args(["doctor", "--from"])
            .arg(&now)
            .arg("--compare")
            .arg(&then)
            .output()
            .expect("kaccess runs");
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        let part = text.split("Compared with").nth(1).and_then(|part| part.split("\n\n").next());
        let part = part.expect("the comparison");
        for line in part.lines() {
            // A word that is longer than a line stays whole, so that it can be copied.
            let longest = line.split_whitespace().map(|word| word.chars().count()).max().unwrap_or_default();
            assert!(line.chars().count() <= width.max(longest + 10), "{width}: {line}");
        }
    }
    // Hidden claims stay hidden here too.
    let hidden = view(&now, &then, &["--hide-claims"]).to_string();
    assert!(!hidden.contains("another-client") && hidden.contains("claim aud"), "{hidden}");
    let html = compared(&now, &then, &["-o", "html"]).1;
    assert!(html.contains("<td>claim aud</td>"), "the page has it");
}

/// An end in quotes is one, as go-oidc takes it, and an IAM token has an end too.
#[test]
fn every_form_reads_the_same_times() {
    let then = changed(HEALTHY, |_| {});
    let now = changed(HEALTHY, |evidence| {
        evidence["credential"]["seen"]["token"]["claims"]["exp"] = json!("1700000000");
    });
    let comparison = view(&now, &then, &[]);
    let validity = &comparison["differences"][0];
    assert_eq!(validity["what"], "validity of the credential when it was looked at", "{comparison}");
    assert_eq!((&validity["then"], &validity["now"]), (&json!("valid"), &json!("expired since 2023-11-14T22:13:20Z")));
    let said = |file: &std::path::Path, form: &str| {
        let output = command().args(["doctor", "-o", form, "--from"]).arg(file).output().expect("kaccess runs");
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    let times = |file: &std::path::Path| {
        let report: Value = serde_json::from_str(&said(file, "json")).expect("JSON");
        hold(&report);
        let times = &report["credential"]["times"];
        (times["issuedAt"].clone(), times["expiresAt"].clone(), times["expired"].clone())
    };
    let (_, expires, expired) = times(&now);
    assert_eq!((expires, expired), (json!("2023-11-14T22:13:20Z"), json!(true)));
    assert!(said(&now, "table").contains("2023-11-14T22:13:20Z (expired "));
    assert!(said(&now, "prometheus").contains("} 1700000000\n"));
    let iam = saved("eks-iam-token-expired").folder.join("evidence.json");
    assert_eq!(times(&iam), (json!("2026-11-25T09:30:00Z"), json!("2026-11-25T09:45:00Z"), json!(true)));
}

#[test]
fn yesterday_it_worked() {
    let (healthy, ill) = (saved(HEALTHY), saved("first-incident"));
    let file = |case: &super::Saved| case.folder.join("evidence.json");
    let comparison = view(&file(&ill), &file(&healthy), &[]);
    let root = ill.report.findings.first().expect("a finding").code;
    assert_eq!(comparison["appeared"][0], root, "{comparison}");
    assert_eq!(comparison["gone"], json!([]));
    let (code, text) = compared(&file(&ill), &file(&healthy), &[]);
    assert_eq!(code, Some(1), "the exit code is today's");
    assert!(text.contains("found now, not then:"), "{text}");
    assert!(text.starts_with("PROBLEMS") && text.find("Compared with") < text.find("\n1. "), "{text}");
    let (code, text) = compared(&file(&healthy), &file(&ill), &[]);
    assert_eq!(code, Some(0));
    assert!(text.contains("found then, not now:"), "{text}");
}

#[test]
fn a_file_that_is_no_evidence_is_said_before_anything_is_looked_at() {
    let output = kaccess(&["doctor", "--demo", "--compare", "/nowhere/evidence.json"]);
    assert_eq!(output.status.code(), Some(2));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("--compare /nowhere/evidence.json") && output.stdout.is_empty(), "{errors}");
    let output = kaccess(&["doctor", "--all-contexts", "--compare", "x"]);
    assert_eq!(output.status.code(), Some(2));
    // Without it there is no such field.
    let report: Value = serde_json::from_str(&text_of(&kaccess(&["doctor", "--demo", "-o", "json"]), 1)).expect("JSON");
    assert!(report.get("comparison").is_none());
}
