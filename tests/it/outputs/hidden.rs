//! `--hide-claims`: no value of a claim stands in any form, whatever repeats it, and the report is still understood.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, MatchKind};
use kaccess::evidence::Evidence;
use kaccess::render::{Diagnosed, html, json, junit, markdown, prometheus, sarif, terminal};
use kaccess::report::doctor::DoctorReport;
use kaccess::report::veil::{Veil, is_own_word};
use kaccess::rules::RULES;
use serde_json::Value;

use super::{each_case, saved, text_of};
use crate::support::run::kaccess;

/// What the help and docs/outputs.md say is not hidden, where it is read by the token's kind.
const SHOWN: &[&str] = &["typ", "token_use"];
const SHOWN_OF_AWS: &[&str] = &["date", "expires", "host", "region", "signedHeaders"];
const TIMES: &[&str] = &["exp", "iat", "nbf", "auth_time"];

/// Words of kaccess' own, beside its codes and titles, and names of Kubernetes itself.
const OWN: &[&str] = &["kubernetes.io", "kubernetes.default", "/etc/kubernetes", "kaccess doctor", "default-src"];

/// Every text and number of the claims that must be hidden.
fn values(evidence: &Evidence) -> Vec<String> {
    fn gather(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::String(text) => found.push(text.clone()),
            Value::Number(number) => found.push(number.to_string()),
            Value::Array(items) => items.iter().for_each(|item| gather(item, found)),
            Value::Object(fields) => fields.values().for_each(|item| gather(item, found)),
            Value::Bool(_) | Value::Null => {}
        }
    }
    let Some(token) = evidence.credential.seen().and_then(|credential| credential.token.as_ref()) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for (name, value) in token.claims.iter().filter_map(Value::as_object).flatten() {
        let name = name.as_str();
        let of_aws = token.claims.as_ref().is_some_and(|claims| claims.get("accessKeyId").is_some());
        let stays = TIMES.contains(&name) || SHOWN.contains(&name) || of_aws && SHOWN_OF_AWS.contains(&name);
        if !stays {
            gather(value, &mut found);
        }
    }
    found.retain(|value| value.chars().count() >= 4 && value != "true" && value != "false");
    found
}

/// A value as others write it: Go's JSON, and the names of manifests, which are cut at some length.
fn spelled(value: &str) -> Vec<String> {
    let json = Value::from(value).to_string();
    let go = json.trim_matches('"').replace('&', "\\u0026").replace('<', "\\u003c").replace('>', "\\u003e");
    let signs = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let name: String = value.to_lowercase().chars().map(signs).collect();
    let name: String = name.trim_matches('-').chars().take(40).collect();
    // One word in small letters is any word.
    let name = Some(name).filter(|name| name.contains('-') && name.chars().count() >= 4);
    [value.to_owned(), go].into_iter().chain(name).collect()
}

fn quoted(text: &str, value: &str) -> bool {
    text.contains(&format!("\"{value}\"")) || text.contains(&format!("\"{value}\\\""))
}

/// Whether a value may stand in what [`foreign`] leaves of a text. It puts blanks in place of words, so nothing without a
/// blank stands there that did not before.
fn may_stand(text: &str, value: &str) -> bool {
    value.contains(char::is_whitespace) || if is_own_word(value) { quoted(text, value) } else { text.contains(value) }
}

/// Whether a value stands there: one word as a word, anything else anywhere. A word that kaccess' own sentences have too
/// says nothing there, and something where it is quoted.
fn stands(text: &str, value: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    let word = value.chars().all(char::is_alphanumeric);
    if is_own_word(value) {
        return quoted(text, value);
    }
    text.match_indices(value)
        .any(|(at, _)| !word || !(text[..at].ends_with(part) || text[at + value.len()..].starts_with(part)))
}

/// Every form, by its name.
fn forms(evidence: &Evidence, report: &DoctorReport) -> Vec<(&'static str, String)> {
    let mut forms = Vec::new();
    let mut form = |name: &'static str, write: &dyn Fn(&mut Vec<u8>) -> std::io::Result<()>| {
        let mut text = Vec::new();
        write(&mut text).unwrap_or_else(|error| panic!("{name}: {error}"));
        forms.push((name, String::from_utf8(text).expect("UTF-8")));
    };
    let look = terminal::Look { width: 4000, verbose: true, hide_claims: true };
    let context = evidence.kubeconfig.seen().and_then(|config| config.context.as_deref()).unwrap_or_default();
    let items = [Diagnosed { context, report, evidence }];
    let title = |code: &str| RULES.iter().find(|rule| rule.code == code).map(|rule| rule.title);
    form("table", &|out| terminal::doctor(report, evidence, look, out));
    form("short", &|out| terminal::short(report, out));
    form("json", &|out| json::write_json(&json::DoctorView::new(report, evidence, true), out));
    form("yaml", &|out| json::write_yaml(&json::DoctorView::new(report, evidence, true), out));
    form("markdown", &|out| markdown::doctor(report, evidence, true, out));
    form("html", &|out| html::doctor(report, evidence, true, None, out));
    form("sarif", &|out| sarif::doctor(&items, &title, out));
    form("junit", &|out| junit::doctor(&items, &|_| true, out));
    form("prometheus", &|out| prometheus::doctor(&items, out));
    forms
}

/// A form without the words that are kaccess' own.
fn foreign(text: &str, report: &DoctorReport) -> String {
    // In one pass: there are hundreds of them, and thousands of forms.
    static WORDS: LazyLock<AhoCorasick> = LazyLock::new(|| {
        let codes = RULES.iter().flat_map(|rule| [rule.code, rule.title]);
        let kind = MatchKind::LeftmostLongest;
        AhoCorasick::builder().match_kind(kind).build(OWN.iter().copied().chain(codes)).expect("an automaton")
    });
    let left = text.lines().filter(|line| !line.starts_with("# HELP ")).collect::<Vec<_>>().join("\n");
    let mut left = WORDS.replace_all(&left, &vec![" "; WORDS.patterns_len()]);
    for title in report.checks.iter().map(|check| check.title) {
        left = left.replace(title, " ");
    }
    // What stands for the values.
    let mut parts = left.split("[claim:");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push(' ');
        out.push_str(part.split_once(']').map_or(part, |(_, rest)| rest));
    }
    out
}

#[test]
fn no_form_of_any_case_shows_the_value_of_a_claim() {
    colored::control::set_override(false);
    let (mut quoted, mut faults) = (0, Vec::new());
    each_case(|case| {
        let values = values(&case.evidence);
        if values.is_empty() {
            return;
        }
        let (mut evidence, mut report) = (case.evidence.clone(), case.report.clone());
        let said = format!("{:?}", report.findings);
        quoted += usize::from(values.iter().any(|value| stands(&said, value)));
        let veil = Veil::of(&evidence);
        veil.report(&mut report);
        veil.evidence(&mut evidence);
        let spelled: Vec<String> = values.iter().flat_map(|value| spelled(value)).collect();
        for (form, text) in forms(&evidence, &report) {
            let there: Vec<&String> = spelled.iter().filter(|value| may_stand(&text, value)).collect();
            if there.is_empty() {
                continue;
            }
            let text = foreign(&text, &report);
            for value in there.into_iter().filter(|value| stands(&text, value)) {
                let at = text.find(value.as_str()).unwrap_or_default();
                let around: String = text[at..].chars().take(80).collect();
                faults.push(format!("{} -o {form}: {value:?} in {around:?}", case.name));
            }
        }
    });
    assert!(quoted > 100, "findings of only {quoted} cases quote a claim: there was nothing to hide");
    assert!(faults.is_empty(), "{} values are shown:\n{}", faults.len(), faults.join("\n"));
}

/// The evidence is a saved case's with another e-mail and another prefix, and the message is made of the server's own words
/// about that e-mail: no lab's issuer gives one with a sign that Go escapes.
#[test]
fn however_a_value_is_written_no_form_shows_it() {
    colored::control::set_override(false);
    let folder = saved("rbac-no-grant-asked").folder;
    let text = std::fs::read_to_string(folder.join("evidence.json")).expect("evidence");
    let mut raw: Value = serde_json::from_str(&text.replace("bob@example.com", "r&d-bob@example.com")).expect("JSON");
    let user = &mut raw["identity"]["seen"]["user"];
    assert_eq!(user["username"], "oidc:r&d-bob@example.com");
    // As with --oidc-groups-prefix=sso_.
    user["groups"] = serde_json::json!(["sso_frontend", "system:authenticated"]);
    let claims = &mut raw["credential"]["seen"]["token"]["claims"];
    assert_eq!(claims["groups"], serde_json::json!(["frontend"]));
    // A role that bears the name of the one to bind, and a client that is called like the program.
    claims["groups"] = serde_json::json!(["frontend", "view"]);
    claims["azp"] = "kubectl".into();
    // Keycloak's way to write something down for each client: its key is data.
    claims["resource_access"] = serde_json::json!({ "acme-corp": { "mail": ["r&d-bob@example.com"] } });
    claims.as_object_mut().expect("claims").remove("email");
    let met = raw["asked"]["error"].as_str().expect("the message").to_owned();
    let status = Value::from(met.as_str()).to_string().replace('&', "\\u0026");
    let status =
        format!(r#"{{"kind":"Status","status":"Failure","message":{status},"reason":"Forbidden","code":403}}"#);
    // The rule shows the first 240 characters; here they end within the name.
    let within = met.find("@example.com").expect("the name") + 4;
    let long = format!("{}{met}", "I1125 10:00:00 ".repeat(20).split_at(240 - within).0);
    let logged = format!("level=error msg={}", Value::from(status.as_str()));
    for message in [met, status, long, logged] {
        raw["asked"]["error"] = message.as_str().into();
        let evidence: Evidence = serde_json::from_value(raw.clone()).expect("evidence");
        let (mut evidence, mut report) = super::diagnosed(evidence);
        assert!(report.findings.iter().any(|finding| finding.code == "rbac-no-grant"), "{message}");
        let said = format!("{:?}", report.findings);
        assert!(said.contains("sso_frontend") && said.contains("oidc-r-d-bob-example-com"), "{said}");
        let veil = Veil::of(&evidence);
        veil.report(&mut report);
        veil.evidence(&mut evidence);
        for (form, text) in forms(&evidence, &report) {
            for part in ["d-bob", "r&d", "frontend", "acme-corp"] {
                assert!(!text.contains(part), "-o {form}: {part} of {message}: {text}");
            }
            if matches!(form, "json" | "yaml" | "markdown" | "table") {
                assert!(text.contains("oidc:[claim:resource_access]") && text.contains("sso_[claim:groups]"), "{text}");
                assert!(text.contains("the manifest holds values that --hide-claims hides"), "{form}: {text}");
            }
        }
        // Whatever is there to be copied is whole.
        let steps = report.findings.iter().flat_map(|finding| &finding.fix);
        assert!(steps.flat_map(|step| step.codes()).all(|code| !code.contains("[claim:")), "{report:?}");
    }
}

/// The list of own words need not hold all, and it must not fall behind the sentences.
#[test]
fn the_words_of_pages_are_known_as_our_own() {
    let (mut known, mut all) = (0, 0);
    for rule in RULES.iter() {
        for text in [rule.title, rule.page.means, rule.page.fix] {
            let words = text.split(' ').map(|word| word.trim_end_matches([',', '.', ':', ';']));
            for word in words.filter(|word| word.len() >= 4 && word.bytes().all(|byte| byte.is_ascii_lowercase())) {
                all += 1;
                known += usize::from(is_own_word(word));
            }
        }
    }
    assert!(all > 5_000, "only {all} words");
    assert!(known * 100 >= all * 98, "{known} of {all} words are in src/report/own_words.txt");
}

/// Synthetic: the saved token with another audience, a word that stands in any report.
#[test]
fn an_audience_that_is_any_word_spoils_no_sentence() {
    let folder = saved("token-audience-mismatch").folder;
    let text = std::fs::read_to_string(folder.join("evidence.json")).expect("evidence");
    let evidence: Evidence = serde_json::from_str(&text.replace("account-portal", "server")).expect("evidence");
    let (mut evidence, mut report) = super::diagnosed(evidence);
    let veil = Veil::of(&evidence);
    veil.report(&mut report);
    veil.evidence(&mut evidence);
    for (form, text) in forms(&evidence, &report) {
        assert!(!text.contains("API [claim:"), "{form}: {text}");
        assert!(!text.contains("aud is \"server"), "{form}: {text}");
        assert!(!text.contains("got [\"server") && !text.contains("got [\\\"server"), "{form}: {text}");
    }
    let first = &report.findings[0];
    assert!(first.why.contains("\"[claim:aud]\"") && first.why.contains("API server"), "{}", first.why);
}

/// The program itself, with the forms that are made of a whole run.
#[test]
fn what_is_hidden_is_named() {
    let file = saved("token-audience-mismatch").folder.join("evidence.json");
    let file = file.to_str().expect("a path");
    for form in ["table", "json", "yaml", "markdown", "html", "sarif", "junit", "prometheus"] {
        let run = |more: &[&str]| text_of(&kaccess(&[&["doctor", "--from", file, "-o", form][..], more].concat()), 1);
        let hidden = run(&["--hide-claims"]);
        assert!(!hidden.contains("account-portal") && !hidden.contains("alice@example.com"), "{form}: {hidden}");
        if form != "prometheus" {
            assert!(run(&[]).contains("account-portal"), "{form}: the finding is about nothing else");
            // What the server expects is no claim, and what is wrong is still said.
            assert!(hidden.contains("[claim:aud]") && hidden.contains("kubernetes"), "{form}: {hidden}");
        }
    }
    let output = kaccess(&["doctor", "--from", file, "--short", "--hide-claims"]);
    assert!(!text_of(&output, 1).contains("account-portal"));
    // Beside another look both tokens' values are hidden.
    let other = saved("first-incident").folder.join("evidence.json");
    let other = other.to_str().expect("a path");
    for form in ["table", "json", "markdown", "html"] {
        let output = kaccess(&["doctor", "--from", file, "--compare", other, "--hide-claims", "-o", form]);
        let text = text_of(&output, 1);
        assert!(!text.contains("account-portal"), "{form}: {text}");
        for value in values(&saved("first-incident").evidence).iter().filter(|value| value.contains("://")) {
            assert!(!text.contains(value.as_str()), "{form}: {value} in {text}");
        }
    }
}
