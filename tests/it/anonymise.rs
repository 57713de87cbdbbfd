//! `--anonymise`: every saved case, with stand-ins, gives the findings that it gave before and names nobody any more.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex};

use kaccess::evidence::Evidence;
use kaccess::evidence::anonymise::anonymise;
use kaccess::render::{json, terminal};
use kaccess::report::diagnose;
use kaccess::report::doctor::DoctorReport;
use kaccess::rules::api_port::INTERCEPTORS;
use kaccess::rules::{Case, RULES, check_all};
use regex::Regex;
use serde::Deserialize as _;
use serde_json::Value;

use crate::support::run::{command, scratch};

/// What the cases call users, groups, hosts and so on, and what stays as it is: it names nobody. Everything else that stands
/// in a field for names must have gone.
const STAYS: &[&str] = &[
    // A template of aws-auth.
    "system:node:{{EC2PrivateDNSName}}",
    // Ordinary words.
    "first",
    "key-1",
    "not-of-this-issuer",
    "admin",
    "admins",
    "basic",
    "default",
    "everybody",
    "exec-good",
    "exec-missing",
    "expired",
    "foreign",
    "front",
    "host",
    "k8s-admins",
    "keycloak",
    "kiam",
    "kiam-role-missing",
    "kiam-server",
    "kiam-session",
    "kiam-tls",
    "kube2iam",
    "kube2iam-role-name",
    "long",
    "masters",
    "No Address",
    "node-role",
    "nobody",
    "nodes",
    "own",
    "plain",
    "pod-identity-agent-missing",
    "pod-identity-agent-not-on-node",
    "pod-identity-no-proxy",
    "pod-identity-proxy",
    "pod-identity-target",
    "root",
    "soon",
    "system:developers",
    "team",
    "user",
    "ops",
    "oidc:k8s-admins",
    // Kubernetes' own and what its distributions give.
    "Acme Co",
    "Kubernetes Ingress Controller Fake Certificate",
    "TRAEFIK DEFAULT CERT",
    "ingress.local",
    "issuer",
    "kube-apiserver",
    "kube-system",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "localhost",
    "system:anonymous",
    "system:authenticated",
    "system:bootstrappers",
    "system:masters",
    "system:nodes",
    "system:serviceaccounts",
    // Providers.
    "cloud.google.com",
    "github.com",
    "kubernetes.io",
    "oidc.eks.cn-north-1.amazonaws.com.cn",
    "oidc.eks.eu-west-1.amazonaws.com",
    "sts.eu-west-1.amazonaws.com",
    // Namespaces of worlds, whose words say what they are for.
    "kiam-host-network",
    "kiam-not-on-node",
    "kube2iam-host-network",
    "kube2iam-not-on-node",
    // Labels that say what a host is for, below a top that nobody owns.
    "api.internal.example",
    "api.internal.test",
    "api.invalid",
    "login.example",
];

/// The fields that hold names.
const FIELDS: &[&str] = &[
    "username",
    "groups",
    "context",
    "contexts",
    "impersonate",
    "impersonateGroups",
    "reviewerContext",
    "commonNames",
    "organizations",
    "account",
    "host",
    "serverName",
    "dnsName",
    "cluster",
    "email",
    "preferred_username",
    "sub",
    "given_name",
    "family_name",
    "namespace",
    "namespaces",
    "namesakes",
    "names",
    "sha256",
    "subjectKeyId",
    "kid",
];

fn cases() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/cases");
    let mut folders: Vec<PathBuf> =
        fs::read_dir(root).expect("testdata/cases").map(|entry| entry.expect("an entry").path()).collect();
    folders.sort();
    folders
}

fn report(value: &Value) -> (Evidence, DoctorReport) {
    let evidence = Evidence::deserialize(value).expect("evidence");
    let report = DoctorReport::new(&evidence, diagnose(check_all(&Case::new(&evidence))));
    (evidence, report)
}

fn found(report: &DoctorReport) -> Vec<String> {
    let findings = report.findings.iter();
    let mut lines: Vec<String> = findings
        .map(|finding| {
            format!("{} {:?} {:?} {:?}", finding.code, finding.severity, finding.confidence, finding.explained_by)
        })
        .collect();
    lines.push(format!("{:?}", report.verdict));
    lines
}

/// What stands in sentences: e-mails, accounts in ARNs, users in refusals, hosts in URLs.
static SENTENCES: LazyLock<Vec<(Regex, usize)>> = LazyLock::new(|| {
    let patterns = [
        (r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+", 0),
        (r#"arn:[^\s"']*?:(\d{12})"#, 1),
        (r#"User \\?"([^"\\]+)"#, 1),
        (r#"://([^\s/:"'\\\[\]]+)"#, 1),
    ];
    patterns.map(|(pattern, part)| (Regex::new(pattern).expect("a pattern"), part)).into()
});

/// Names by the field they stand in, and e-mails, accounts, hosts and users by the sentence.
fn names(value: &Value, key: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, value)| names(value, key, found)),
        Value::Array(items) => items.iter().for_each(|item| names(item, key, found)),
        Value::String(text) => {
            if FIELDS.contains(&key) {
                found.insert(text.clone());
            }
            for (pattern, part) in SENTENCES.iter() {
                found.extend(pattern.captures_iter(text).map(|captures| captures[*part].to_owned()));
            }
        }
        _ => {}
    }
}

/// A name as a whole word.
fn stands_in(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        !text[..at].ends_with(char::is_alphanumeric) && !text[at + word.len()..].starts_with(char::is_alphanumeric)
    })
}

/// Texts of evidence that speak of kaccess and of versions.
fn without_fixed(mut value: Value) -> Value {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                fields.retain(|key, value| {
                    !(matches!(key.as_str(), "schema" | "provenance")
                        || key == "body" && value.as_str().is_some_and(|body| body.contains("gitVersion")))
                });
                fields.values_mut().for_each(strip);
            }
            Value::Array(items) => items.iter_mut().for_each(strip),
            _ => {}
        }
    }
    strip(&mut value);
    value
}

#[test]
fn every_case_gives_the_same_findings_and_names_nobody() {
    colored::control::set_override(false);
    let folders = cases();
    assert!(folders.len() > 500, "{} cases", folders.len());
    let faults = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for part in folders.chunks(folders.len().div_ceil(4)) {
            let faults = &faults;
            scope.spawn(move || {
                for folder in part {
                    let faulty = judge(folder);
                    faults.lock().expect("lock").extend(faulty);
                }
            });
        }
    });
    let faults = faults.into_inner().expect("lock");
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

fn judge(folder: &Path) -> Vec<String> {
    let name = folder.file_name().expect("a name").to_string_lossy().into_owned();
    let text = fs::read_to_string(folder.join("evidence.json")).expect("evidence");
    let before: Value = serde_json::from_str(&text).expect("JSON");
    let done = anonymise(&before);
    let mut faults = Vec::new();
    if !done.left.is_empty() {
        faults.push(format!("{name}: left {:?}", done.left));
    }
    let (_, own) = report(&before);
    let (evidence, theirs) = report(&done.evidence);
    if found(&own) != found(&theirs) {
        faults.push(format!("{name}: {:?}\n  became {:?}", found(&own), found(&theirs)));
    }
    for citation in theirs.findings.iter().flat_map(|finding| &finding.cites) {
        if done.evidence.pointer(&citation.path).is_none() {
            faults.push(format!("{name}: {} is not there any more", citation.path));
        }
    }
    // None of the names is in the file, nor in what is made of it.
    let file = serde_json::to_string(&without_fixed(done.evidence)).expect("JSON");
    let mut table = Vec::new();
    let look = terminal::Look { width: 200, verbose: true, hide_claims: false };
    terminal::doctor(&theirs, &evidence, look, &mut table).expect("a table");
    let mut view = Vec::new();
    json::write_json(&json::DoctorView::new(&theirs, &evidence, false), &mut view).expect("JSON");
    let told = format!("{file}{}{}", String::from_utf8_lossy(&table), String::from_utf8_lossy(&view));
    let mut all = BTreeSet::new();
    names(&before, "", &mut all);
    for name_of_somebody in all {
        let address = name_of_somebody.parse::<std::net::IpAddr>().is_ok();
        let escaped = serde_json::to_string(&name_of_somebody).expect("JSON");
        let word = &escaped[1..escaped.len() - 1];
        // What kaccess says and shows as an example of its own speaks of such too.
        let common = ["dev", "platform", "shop", "prod", "backend", "jane", "alice", "web", "reserved"].contains(&word)
            || RULES.iter().any(|rule| rule.code.contains(word));
        let place = if common { &file } else { &told };
        if word.len() > 2 && !address && !STAYS.contains(&word) && stands_in(place, word) {
            faults.push(format!("{name}: {word} is still there"));
        }
    }
    faults
}

/// The products that rules::api_port knows are those that keep their names.
#[test]
fn products_that_break_tls_open_keep_their_names() {
    for (mark, product) in INTERCEPTORS {
        let evidence = serde_json::json!({ "endpoint": { "tls": { "seen": { "chain": [{
            "subject": "CN=api.acme.com", "issuer": format!("CN={mark} CA,O=Acme Holding"), "commonNames": ["api.acme.com"],
            "sha256": "ab", "serial": "123456789" }] } } } });
        let new = anonymise(&evidence).evidence;
        let issuer = new["endpoint"]["tls"]["seen"]["chain"][0]["issuer"].as_str().expect("an issuer").to_lowercase();
        assert!(issuer.contains(mark), "{product}: {issuer}");
        assert!(!new.to_string().contains("api.acme.com"), "{new}");
    }
}

#[test]
fn the_same_evidence_gives_the_same_stand_ins() {
    for name in ["first-incident", "eks-iam-identity-not-mapped"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/cases").join(name).join("evidence.json");
        let before: Value = serde_json::from_str(&fs::read_to_string(path).expect("evidence")).expect("JSON");
        let once = anonymise(&before).evidence;
        assert_eq!(once, anonymise(&before).evidence, "{name}");
        // And what was made anonymous once can be again.
        assert_eq!(found(&report(&anonymise(&once).evidence).1), found(&report(&before).1), "{name}");
    }
}

/// A saved file is made fit for strangers, without any network.
#[test]
fn a_saved_file_can_be_anonymised() {
    let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/cases/first-incident/evidence.json");
    let target = scratch("anonymise").join("public.json");
    let doctor = |more: &[&str]| {
        let output = command().args(["doctor", "-o", "json"]).args(more).output().expect("kaccess runs");
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stdout).into_owned(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    let (case, target) = (case.to_string_lossy().into_owned(), target.to_string_lossy().into_owned());
    let (code, own, said) = doctor(&["--from", &case, "--save", &target, "--anonymise"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(own.contains("alice@example.com"), "what is shown here is real: {own}");
    assert!(said.contains("stand-ins") && said.contains("read it before you share it"), "{said}");
    assert!(!said.contains("warning"), "{said}");
    let saved = fs::read_to_string(&target).expect("the file");
    assert!(saved.contains("\"provenance\": \"observed; anonymised\"") && !saved.contains("alice"), "{saved}");
    let (code, theirs, _) = doctor(&["--from", &target]);
    assert_eq!(code, Some(1));
    assert!(!theirs.contains("alice") && theirs.contains("issuer-blocks-control-plane"), "{theirs}");
    // Where it makes no sense.
    let (code, _, said) = doctor(&["--from", &case, "--save", &target]);
    assert_eq!(code, Some(2));
    assert!(said.contains("--anonymise"), "{said}");
    assert_eq!(doctor(&["--anonymise"]).0, Some(2));
}
