//! Every form of every answer is what its format says: JSON by its schema, HTML, XML and SARIF by real readers,
//! Prometheus' text by the format's grammar.

mod browser;
mod compare;
mod hidden;
mod machines;
mod page;
mod schemas;
mod screen;
mod screens;
mod shells;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::LazyLock;

use kaccess::evidence::Evidence;
use kaccess::report::doctor::DoctorReport;
use kaccess::rules;

use crate::support::run::kaccess;

/// One folder of testdata/cases, diagnosed.
struct Saved {
    name: String,
    folder: PathBuf,
    evidence: Evidence,
    report: DoctorReport,
}

/// Diagnoses evidence as the program does.
fn diagnosed(evidence: Evidence) -> (Evidence, DoctorReport) {
    let report = rules::report(&evidence);
    (evidence, report)
}

fn saved(name: &str) -> Saved {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/cases").join(name);
    let text = fs::read_to_string(folder.join("evidence.json")).unwrap_or_else(|error| panic!("{name}: {error}"));
    let (evidence, report) = diagnosed(serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}")));
    Saved { name: name.to_owned(), folder, evidence, report }
}

/// Every saved case, read and diagnosed once for all tests.
static CASES: LazyLock<Vec<Saved>> = LazyLock::new(|| {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/cases");
    let mut names: Vec<String> = fs::read_dir(root)
        .expect("testdata/cases")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    assert!(names.len() > 500, "only {} cases", names.len());
    names.iter().map(|name| saved(name)).collect()
});

/// Every saved case, one after the other.
fn each_case(look: impl FnMut(&Saved)) {
    CASES.iter().for_each(look);
}

/// Stdout of a run that ended so.
fn text_of(output: &Output, code: i32) -> String {
    let text = String::from_utf8(output.stdout.clone()).expect("UTF-8");
    assert_eq!(output.status.code(), Some(code), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// A form that an answer does not have is refused, and the message names those that it has.
#[test]
fn a_form_of_another_command_is_refused_with_the_forms_that_there_are() {
    let common = ["table", "json", "yaml", "markdown"];
    let rare =
        ["html", "prometheus", "sarif", "junit", "mermaid", "dot", "terraform", "aws-cli", "ingress", "nginx", "cidr"];
    let commands: &[(&[&str], &[&str])] = &[
        (&["doctor", "--demo"], &["html", "prometheus", "sarif", "junit"]),
        (&["doctor", "--all-contexts"], &["prometheus", "sarif", "junit"]),
        (&["decode", "x"], &[]),
        (&["can-i", "get", "pods"], &[]),
        (&["can-i", "get", "pods", "--why"], &["mermaid", "dot"]),
        (&["can-i", "get", "pods", "--why", "--each-namespace"], &[]),
        (&["who-can", "get", "pods"], &["mermaid", "dot"]),
        (&["whoami"], &[]),
        (&["explain", "--list"], &[]),
        (&["allowlist"], &["terraform", "aws-cli", "ingress", "nginx", "cidr"]),
        (&["workload", "x"], &[]),
        (&["schema"], &[]),
        (&["version"], &[]),
    ];
    for (arguments, own) in commands {
        for form in rare.iter().filter(|form| !own.contains(form)) {
            let mut all = arguments.to_vec();
            all.extend(["-o", form]);
            let output = kaccess(&all);
            let errors = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(2), "{all:?}: {errors}");
            assert!(output.stdout.is_empty(), "{all:?}");
            let forms: Vec<&str> = common.iter().chain(*own).copied().collect();
            let said = format!("its forms are {}\n", forms.join(", "));
            assert!(errors.contains(&format!(" has no form {form}\n")) && errors.contains(&said), "{all:?}: {errors}");
        }
    }
    // A misspelt one is nobody's.
    let output = kaccess(&["doctor", "--demo", "-o", "jsn"]);
    assert_eq!(output.status.code(), Some(2));
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(errors.contains("similar value exists: 'json'") && !errors.contains("sarif"), "{errors}");
    // A placeholder is no secret.
    let output = kaccess(&["version", "--client"]);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2));
    assert!(errors.contains("--client-key <FILE>") && !errors.contains("[redacted]"), "{errors}");
}

/// What would change nothing, and what is not what its flag is for, is refused with words, never taken in silence.
#[test]
fn flags_and_files_without_effect_are_refused() {
    let evidence = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/cases/first-incident/evidence.json");
    let readme = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let asked: &[(&[&str], &str)] = &[
        (&["doctor", "--from", evidence, "--log", "x"], "--log would change nothing"),
        (&["doctor", "--from", evidence, "--context", "b", "--error", "x"], "--context, --error would change nothing"),
        (&["doctor", "--demo", "-n", "dev"], "--namespace would change nothing"),
        (&["doctor", "--demo", "--short", "-o", "json"], "leave out one of them"),
        (&["can-i", "get", "pods", "--short"], "has no findings"),
        (&["doctor", "--issuer", "notaurl"], "--issuer: "),
        (&["doctor", "--apiserver-config", readme], "no kube-apiserver manifest"),
        (&["decode", "a.b.c", "--against", readme], "no kube-apiserver manifest"),
        (
            &["decode", "a.b.c", "--oidc-issuer-url", "https://a", "--oidc-client-id", "b", "--objects", readme],
            "--objects",
        ),
        (&["decode", "a.b.c", "--jwks", readme], "no key set"),
        (&["decode", "a.b.c", "--server-version", "1.2"], "--server-version"),
        (&["decode", "a.b.c", "--at", "yesterday"], "2026-11-25T10:00:00Z"),
        (&["decode", "@/no/such/file"], "without the @"),
        (&["explain", "@/no/such/file"], "without the @"),
        (&["man", "who-cn"], "did you mean who-can?"),
    ];
    for (arguments, word) in asked {
        let output = kaccess(arguments);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {errors}");
        assert!(output.stdout.is_empty() && errors.contains(word), "{arguments:?}: {errors}");
        assert!(!errors.contains("os error"), "{arguments:?}: {errors}");
    }
}

/// A forgotten @ is hinted at, several codes have a page each, and help hides no word of its own.
#[test]
fn small_helps() {
    let readme = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    for command in ["decode", "explain"] {
        let errors = String::from_utf8_lossy(&kaccess(&[command, readme]).stderr).into_owned();
        assert!(errors.contains(&format!("did you mean @{readme}?")), "{command}: {errors}");
    }
    let pages = text_of(&kaccess(&["explain", "token-expired", "rbac-no-grant"]), 0);
    assert!(pages.starts_with("token-expired") && pages.contains("\nrbac-no-grant"), "{pages}");
    let help = kaccess(&[]);
    let help = String::from_utf8_lossy(&help.stderr).into_owned();
    assert!(help.contains("--token <TOKEN>") && !help.contains("redacted"), "{help}");
    for (asked, plain) in [(&["help", "--help"][..], &["help"][..]), (&["help", "can-i", "-h"], &["help", "can-i"])] {
        assert_eq!(text_of(&kaccess(asked), 0), text_of(&kaccess(plain), 0), "{asked:?}");
    }
}
