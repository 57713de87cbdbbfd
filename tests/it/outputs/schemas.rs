//! `kaccess schema KIND` is what every answer is held to, here and by scripts.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use kaccess::render::schema::{KINDS, schema};
use serde_json::{Value, json};

use super::{each_case, text_of};
use crate::support::run::{command, kaccess, scratch};
use crate::support::schema::{closed, compiled, fault, hold};

/// docs/schemas holds each schema, so that a change of the contract is seen in review.
#[test]
fn schemas_are_what_they_were() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schemas");
    let update = std::env::var_os("KACCESS_UPDATE").is_some();
    let mut expected = BTreeSet::new();
    for kind in KINDS {
        let text = text_of(&kaccess(&["schema", kind.name]), 0);
        let path = folder.join(format!("{}.json", kind.name));
        expected.insert(path.clone());
        if update {
            fs::create_dir_all(&folder).expect("docs/schemas");
            fs::write(&path, &text).expect("a schema");
        }
        assert_eq!(fs::read_to_string(&path).unwrap_or_default(), text, "stale: KACCESS_UPDATE=1 ({})", path.display());
        let written: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(written["properties"]["kind"], json!({ "const": kind.name }));
        assert_eq!(written["$schema"], "https://json-schema.org/draft/2020-12/schema");
        // Both are schemas, by the meta-schema too.
        compiled(written.clone());
        compiled(closed(written));
        // Capitals do not matter to a reader.
        assert_eq!(text_of(&kaccess(&["schema", &kind.name.to_lowercase()]), 0), text);
    }
    let there: BTreeSet<_> = fs::read_dir(&folder).expect("docs/schemas").flatten().map(|entry| entry.path()).collect();
    assert_eq!(there, expected, "a schema of a kind that is gone");
}

#[test]
fn kinds_are_listed_and_a_misspelt_one_is_hinted_at() {
    let list = text_of(&kaccess(&["schema"]), 0);
    assert_eq!(list.lines().count(), KINDS.len() + 1);
    for kind in KINDS {
        assert!(list.contains(&format!("{} ", kind.name)), "{list}");
    }
    let output = kaccess(&["schema", "DoctorReprot"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("'DoctorReport'"));
    let yaml: Value =
        serde_norway::from_str(&text_of(&kaccess(&["schema", "Version", "-o", "yaml"]), 0)).expect("YAML");
    assert_eq!(Some(yaml), schema("Version"));
}

/// The judge itself: a field that goes, comes or changes its type is seen.
#[test]
fn a_schema_refuses_what_is_not_the_kind() {
    let report: Value = serde_json::from_str(&text_of(&kaccess(&["doctor", "--demo", "-o", "json"]), 1)).expect("JSON");
    hold(&report);
    let broken = |change: &dyn Fn(&mut Value)| {
        let mut changed = report.clone();
        change(&mut changed);
        assert!(fault(&changed).is_some(), "not seen: {changed}");
    };
    broken(&|report| drop(report.as_object_mut().expect("an object").remove("verdict")));
    broken(&|report| report["verdict"] = json!("fine"));
    broken(&|report| report["findings"][0]["severity"] = json!("fatal"));
    broken(&|report| report["findings"][0]["fix"][0]["text"] = json!(1));
    broken(&|report| report["observedAt"] = json!("yesterday"));
    broken(&|report| report["checks"][0]["surprise"] = json!(true));
    broken(&|report| report["surprise"] = json!(true));
    broken(&|report| report["apiVersion"] = json!("kaccess.dev/v2"));
    // Users' schemas leave room for the fields of later versions.
    let (schemas, index) = compiled(schema("DoctorReport").expect("a schema"));
    let mut later = report.clone();
    later["checks"][0]["surprise"] = json!(true);
    later["surprise"] = json!(true);
    schemas.validate(&later, index).expect("new fields may come");
}

#[test]
fn every_saved_report_is_a_doctor_report() {
    let mut faults = Vec::new();
    each_case(|case| {
        let text = fs::read_to_string(case.folder.join("report.json")).expect("a report");
        let report: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(report["kind"], "DoctorReport", "{}", case.name);
        faults.extend(fault(&report).map(|fault| format!("{}: {fault}", case.name)));
    });
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// YAML is the same answer, and markdown is there, of every command that needs no cluster; answers of the others are
/// held to their schemas where their own tests ask for them.
#[test]
fn answers_without_a_cluster_in_every_common_form() {
    let text = "error: You must be logged in to the server (Unauthorized)";
    let missing = scratch("kubeconfig").join("none");
    let missing = missing.to_string_lossy().into_owned();
    let asked: &[(&[&str], &str, i32)] = &[
        (&["doctor", "--demo"], "DoctorReport", 1),
        (&["doctor", "--offline", "--kubeconfig", &missing], "DoctorReport", 1),
        (&["doctor", "--offline", "--all-contexts", "--kubeconfig", &missing], "DoctorReportList", 1),
        (&["decode", "abcdef.0123456789abcdef"], "CredentialReport", 0),
        (&["explain", text], "Explanation", 0),
        (&["explain", "nothing of this kind"], "Explanation", 1),
        (&["explain", "token-audience-mismatch"], "FindingPage", 0),
        (&["explain", "--list"], "FindingList", 0),
        (&["schema"], "SchemaList", 0),
        (&["version"], "Version", 0),
    ];
    for (arguments, kind, code) in asked {
        let form = |form: &str| {
            let output = command().args(*arguments).args(["-o", form]).output().expect("kaccess runs");
            text_of(&output, *code)
        };
        let mut view: Value = serde_json::from_str(&form("json")).expect("JSON");
        assert_eq!(view["kind"], *kind);
        hold(&view);
        let mut yaml: Value = serde_norway::from_str(&form("yaml")).unwrap_or_else(|error| panic!("{kind}: {error}"));
        // Two runs differ in their times.
        for view in [&mut view, &mut yaml] {
            timeless(view);
        }
        assert_eq!(view, yaml, "{kind}");
        assert!(!form("markdown").trim().is_empty(), "{kind}");
    }
}

fn timeless(view: &mut Value) {
    match view {
        Value::Object(map) => {
            for name in ["observedAt", "tookMs"] {
                map.remove(name);
            }
            map.values_mut().for_each(timeless);
        }
        Value::Array(list) => list.iter_mut().for_each(timeless),
        _ => {}
    }
}
