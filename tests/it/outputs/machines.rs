//! `doctor -o prometheus`, `-o sarif` and `-o junit`, read by what reads them.

use std::collections::{BTreeMap, BTreeSet};

use kaccess::render::{Diagnosed, junit, prometheus, sarif};
use kaccess::report::Severity;
use serde_json::Value;

use super::{Saved, each_case, saved, text_of};
use crate::support::run::{command, kaccess, scratch};

fn diagnosed<'a>(case: &'a Saved, context: &'a str) -> Diagnosed<'a> {
    Diagnosed { context, report: &case.report, evidence: &case.evidence }
}

/// A sample: name, labels and value.
type Sample = (String, BTreeMap<String, String>, f64);

/// Reads the text format 0.0.4 strictly: HELP and TYPE once before a family's samples, names and labels by the grammar,
/// no sample twice, a line break at the end.
fn exposition(text: &str) -> Vec<Sample> {
    let named = |name: &str| {
        name.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    assert!(text.ends_with('\n'));
    let (mut families, mut samples, mut known) = (BTreeSet::new(), Vec::new(), BTreeSet::new());
    let (mut helped, mut typed) = (String::new(), String::new());
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').expect("a help");
            assert!(named(name) && !help.is_empty() && families.insert(name.to_owned()), "{line}");
            name.clone_into(&mut helped);
            continue;
        }
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("a type");
            assert_eq!((name, kind), (helped.as_str(), "gauge"), "{line}");
            name.clone_into(&mut typed);
            continue;
        }
        let (name, rest) = line.split_once('{').expect("labels");
        assert_eq!(name, typed, "a sample outside its family: {line}");
        let mut labels = BTreeMap::new();
        let mut rest = rest;
        while !rest.starts_with('}') {
            let (label, after) = rest.split_once("=\"").expect("a label");
            assert!(named(label), "{line}");
            let (mut value, mut escaped, mut end) = (String::new(), false, None);
            for (at, c) in after.char_indices() {
                match (escaped, c) {
                    (true, '\\' | '"') => value.push(c),
                    (true, 'n') => value.push('\n'),
                    (true, _) => panic!("an escape that there is not: {line}"),
                    (false, '\\') => {}
                    (false, '"') => {
                        end = Some(at);
                        break;
                    }
                    (false, c) => value.push(c),
                }
                escaped = !escaped && c == '\\';
            }
            assert!(labels.insert(label.to_owned(), value).is_none(), "twice: {line}");
            rest = &after[end.expect("a closing quote") + 1..];
            rest = rest.strip_prefix(',').unwrap_or(rest);
        }
        let value: f64 = rest.strip_prefix("} ").expect("a value").parse().expect("a number");
        assert!(known.insert((name.to_owned(), labels.clone())), "twice: {line}");
        samples.push((name.to_owned(), labels, value));
    }
    samples
}

#[test]
fn gauges_say_what_every_report_says() {
    each_case(|case| {
        let mut out = Vec::new();
        let context = "a \"context\" of\nC:\\";
        prometheus::doctor(&[diagnosed(case, context), diagnosed(case, "other")], &mut out).expect("gauges");
        let samples = exposition(&String::from_utf8(out).expect("UTF-8"));
        assert!(samples.iter().all(|(_, labels, _)| labels["context"] == context || labels["context"] == "other"));
        let of = |name: &str| -> Vec<&Sample> {
            samples.iter().filter(|(own, labels, _)| own == name && labels["context"] == context).collect()
        };
        let codes: BTreeSet<&str> = case.report.findings.iter().map(|finding| finding.code).collect();
        let told: BTreeSet<&str> = of("kaccess_finding").iter().map(|(_, labels, _)| labels["code"].as_str()).collect();
        assert_eq!(told, codes, "{}", case.name);
        assert!(of("kaccess_finding").iter().all(|(_, labels, value)| {
            *value == 1.0 && labels.keys().map(String::as_str).eq(["code", "confidence", "context", "severity"])
        }));
        let verdict: Vec<&str> = of("kaccess_verdict")
            .iter()
            .filter(|(.., value)| *value == 1.0)
            .map(|(_, labels, _)| labels["verdict"].as_str())
            .collect();
        assert_eq!(verdict, [case.report.verdict.word()], "{}", case.name);
        assert_eq!(of("kaccess_verdict").len(), 3);
        let one = |name: &str| of(name).first().map(|(.., value)| *value);
        assert_eq!(one("kaccess_last_run_timestamp_seconds"), Some(case.evidence.observed_at.as_second() as f64));
        assert_eq!(one("kaccess_run_duration_seconds"), Some(case.evidence.took_ms as f64 / 1000.0));
        let token = case.evidence.credential.seen().and_then(|credential| credential.token.as_ref()?.claims.as_ref());
        if let Some(exp) = token.and_then(|claims| claims["exp"].as_i64()) {
            assert_eq!(one("kaccess_token_expiry_timestamp_seconds"), Some(exp as f64), "{}", case.name);
        }
        // Of an IAM token.
        if let Some(expires) = token.and_then(|claims| claims["expires"].as_str()) {
            let end: jiff::Timestamp = expires.parse().expect("a time");
            let told = one("kaccess_token_expiry_timestamp_seconds");
            assert_eq!(told, Some(end.as_second() as f64), "{}", case.name);
        }
        let leaf = case.evidence.endpoint.tls.seen().and_then(|report| report.chain.first()?.not_after);
        if let Some(end) = leaf {
            let told = of("kaccess_certificate_expiry_timestamp_seconds");
            let own =
                told.iter().find(|(_, labels, _)| labels["certificate"] == "api-server" && labels["position"] == "0");
            assert_eq!(own.map(|(.., value)| *value), Some(end.as_second() as f64), "{}", case.name);
        }
    });
}

#[test]
fn sarif_has_what_2_1_0_requires() {
    each_case(|case| {
        let mut out = Vec::new();
        sarif::doctor(&[diagnosed(case, "a")], &|_| Some("a title"), &mut out).expect("SARIF");
        let log: Value = serde_json::from_slice(&out).expect("JSON");
        assert_eq!(log["version"], "2.1.0");
        let run = &log["runs"][0];
        let driver = &run["tool"]["driver"];
        assert!(driver["name"] == "kaccess" && driver["semanticVersion"].is_string(), "{driver}");
        let invocation = &run["invocations"][0];
        assert_eq!(invocation["executionSuccessful"], true);
        for time in ["startTimeUtc", "endTimeUtc"] {
            let text = invocation[time].as_str().expect("a time");
            assert!(text.ends_with('Z') && text.parse::<jiff::Timestamp>().is_ok(), "{text}");
        }
        let rules = driver["rules"].as_array().expect("rules");
        let ids: BTreeSet<&str> = rules.iter().map(|rule| rule["id"].as_str().expect("an id")).collect();
        assert_eq!(ids.len(), rules.len(), "{}: a rule twice", case.name);
        let results = run["results"].as_array().expect("results");
        assert_eq!(results.len(), case.report.findings.len());
        let mut prints = BTreeSet::new();
        for (result, finding) in results.iter().zip(&case.report.findings) {
            assert_eq!(result["ruleId"], finding.code);
            let index = usize::try_from(result["ruleIndex"].as_u64().expect("an index")).expect("small");
            assert_eq!(rules[index]["id"], finding.code, "{}", case.name);
            let level = match finding.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
                Severity::Info => "note",
            };
            assert_eq!(result["level"], level);
            let text = result["message"]["text"].as_str().expect("a message");
            assert!(text.starts_with(&finding.title) && text.contains(&finding.fix[0].text), "{text}");
            let location = &result["locations"][0];
            assert!(location["logicalLocations"][0]["name"].is_string());
            if let Some(uri) = location.pointer("/physicalLocation/artifactLocation/uri") {
                let uri = uri.as_str().expect("a URI");
                let base = url::Url::parse("file:///base/").expect("a base");
                assert!(base.join(uri).is_ok() && !uri.contains(' '), "{uri}");
            }
            let print = result["partialFingerprints"]["kaccess/v1"].as_str().expect("a fingerprint");
            assert!(prints.insert(print.to_owned()), "{}: {print} twice", case.name);
        }
    });
    let log: Value = serde_json::from_str(&text_of(&kaccess(&["doctor", "--demo", "-o", "sarif"]), 1)).expect("JSON");
    let title = log.pointer("/runs/0/tool/driver/rules/0/shortDescription/text").and_then(Value::as_str);
    assert!(title.is_some_and(|title| title.contains(' ')), "the registry's title: {title:?}");
}

/// The suites of a report, with their numbers added up by the reader.
fn suites(text: &str, what: &str) -> (usize, usize, usize) {
    let document = roxmltree::Document::parse(text).unwrap_or_else(|error| panic!("{what}: {error}\n{text}"));
    let root = document.root_element();
    assert_eq!(root.tag_name().name(), "testsuites");
    let number = |node: roxmltree::Node, name: &str| -> usize {
        node.attribute(name).and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("{what}: no {name}"))
    };
    let (mut tests, mut failures, mut errors) = (0, 0, 0);
    for suite in root.children().filter(roxmltree::Node::is_element) {
        assert_eq!(suite.tag_name().name(), "testsuite");
        assert!(suite.attribute("name").is_some(), "{what}");
        suite.attribute("timestamp").expect("a timestamp").parse::<jiff::civil::DateTime>().expect("a time");
        let cases: Vec<_> = suite.children().filter(|node| node.has_tag_name("testcase")).collect();
        let with = |tag: &str| cases.iter().filter(|case| case.children().any(|child| child.has_tag_name(tag))).count();
        for case in &cases {
            assert!(case.attribute("name").is_some_and(|name| !name.is_empty()), "{what}");
            assert!(case.attribute("classname").is_some_and(|name| name.starts_with("kaccess.")), "{what}");
            assert!(case.attribute("time").is_some_and(|time| time.parse::<f64>().is_ok()), "{what}");
        }
        assert_eq!(number(suite, "tests"), cases.len(), "{what}");
        assert_eq!(number(suite, "failures"), with("failure"), "{what}");
        assert_eq!(number(suite, "errors"), with("error"), "{what}");
        assert_eq!(number(suite, "skipped"), with("skipped"), "{what}");
        tests += cases.len();
        failures += with("failure");
        errors += with("error");
    }
    assert_eq!((number(root, "tests"), number(root, "failures"), number(root, "errors")), (tests, failures, errors));
    (tests, failures, errors)
}

#[test]
fn a_test_report_fails_where_the_exit_code_says_so() {
    each_case(|case| {
        for (counts, what) in [
            (&(|severity| severity == Severity::Error) as &dyn Fn(Severity) -> bool, "error"),
            (&|severity| severity != Severity::Info, "warning"),
            (&|_| false, "never"),
        ] {
            let mut out = Vec::new();
            let name = "a <context> & \"more\"\u{1}\u{ffff}";
            junit::doctor(&[diagnosed(case, name), diagnosed(case, "b")], counts, &mut out).expect("XML");
            let text = String::from_utf8(out).expect("UTF-8");
            let (tests, failures, errors) = suites(&text, &case.name);
            let bad = case.report.findings.iter().filter(|finding| counts(finding.severity)).count();
            assert_eq!(failures, 2 * bad, "{} {what}", case.name);
            assert_eq!(errors > 0, case.report.verdict.word() == "unknown" && bad == 0, "{} {what}", case.name);
            assert!(tests > 2 * case.report.findings.len());
            let document = roxmltree::Document::parse(&text).expect("XML");
            let suite = document.descendants().find(|node| node.has_tag_name("testsuite")).expect("a suite");
            assert_eq!(suite.attribute("name"), Some("a <context> & \"more\""));
        }
    });
}

/// The program itself: the exit code stays doctor's own, and every context is there.
#[test]
fn the_program_writes_them_for_one_context_and_for_all() {
    let case = saved("first-incident");
    let from = case.folder.join("evidence.json").to_string_lossy().into_owned();
    let config = scratch("kubeconfig").join("config");
    let text = "apiVersion: v1\nkind: Config\nclusters:\n- name: c\n  cluster: {server: \"https://127.0.0.1:1\"}\nusers:\n- name: u\n  user: {token: opaque-token-of-a-test}\ncontexts:\n- name: 'a \"b\" <c>'\n  context: {cluster: c, user: u}\n- name: d\n  context: {cluster: c, user: u}\n";
    std::fs::write(&config, text).expect("a kubeconfig");
    let all = |form: &str| {
        let output = command()
            .args(["doctor", "--all-contexts", "--no-aws", "-o", form, "--kubeconfig"])
            .arg(&config)
            .output()
            .expect("kaccess runs");
        text_of(&output, 1)
    };
    let contexts = BTreeSet::from(["a \"b\" <c>".to_owned(), "d".to_owned()]);
    let one = exposition(&text_of(&kaccess(&["doctor", "--from", &from, "-o", "prometheus"]), 1));
    assert!(one.iter().any(|(name, labels, _)| name == "kaccess_finding" && labels["severity"] == "error"));
    let told: BTreeSet<String> =
        exposition(&all("prometheus")).into_iter().filter_map(|(_, mut labels, _)| labels.remove("context")).collect();
    assert_eq!(told, contexts);
    assert_eq!(suites(&text_of(&kaccess(&["doctor", "--from", &from, "-o", "junit"]), 1), "demo").2, 0);
    assert!(
        suites(&text_of(&kaccess(&["doctor", "--from", &from, "-o", "junit", "--fail-on", "never"]), 0), "demo").1 == 0
    );
    let text = all("junit");
    let document = roxmltree::Document::parse(&text).expect("XML");
    let named = document.descendants().filter(|node| node.has_tag_name("testsuite"));
    let told: BTreeSet<String> = named.filter_map(|node| node.attribute("name").map(str::to_owned)).collect();
    assert_eq!(told, contexts);
    let log: Value = serde_json::from_str(&all("sarif")).expect("JSON");
    let runs = log["runs"].as_array().expect("runs");
    let told: BTreeSet<String> =
        runs.iter().filter_map(|run| run["properties"]["context"].as_str().map(str::to_owned)).collect();
    assert_eq!(told, contexts);
}
