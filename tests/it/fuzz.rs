//! Damaged and random input: nothing panics, nothing hangs. The long runs are tests/fuzz's.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use kaccess::apiserver::authn::{Keys, judge_token};
use kaccess::apiserver::configuration::{Configuration, from_flags, parse_flags_text};
use kaccess::credential::{certificate, chain, public_keys, signature, token};
use kaccess::evidence::apiserver::Flags;
use serde_json::{Value, json};

use crate::support::dice::Dice;

#[path = "../fuzz/targets.rs"]
mod targets;

/// What may stand anywhere.
const ODD: [&str; 14] = [
    "\0",
    "\"",
    "{",
    "}",
    "[",
    "..",
    "\u{202e}",
    "é",
    "eyJ",
    "1e999",
    "null",
    "\n",
    "=",
    "-----BEGIN CERTIFICATE-----\n",
];

/// A text with a few places changed: bytes dropped, doubled, replaced by something odd.
fn damaged(text: &str, dice: &mut Dice) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    for _ in 0..1 + dice.below(4) {
        let at = dice.below(letters.len().max(1));
        match dice.below(4) {
            0 if !letters.is_empty() => {
                let end = (at + 1 + dice.below(20)).min(letters.len());
                letters.drain(at..end);
            }
            1 => {
                let end = (at + 1 + dice.below(40)).min(letters.len());
                let copy: Vec<char> = letters[at.min(end)..end].to_vec();
                letters.splice(at.min(letters.len())..at.min(letters.len()), copy);
            }
            _ => {
                let odd: Vec<char> = ODD[dice.below(ODD.len())].chars().collect();
                letters.splice(at.min(letters.len())..at.min(letters.len()), odd);
            }
        }
    }
    letters.into_iter().collect()
}

/// The server of a recorded comparison, and its tokens.
fn recorded() -> (Configuration, Vec<String>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/authn/issuers.json");
    let value: Value = serde_json::from_str(&fs::read_to_string(path).expect("a recording")).expect("JSON");
    let flags = Flags {
        flags: serde_json::from_value(value["setting"]["flags"].clone()).expect("flags"),
        authentication_configuration: Some(value["setting"]["authentication"].clone()),
        complete: true,
        ..Flags::default()
    };
    let pairs = value["pairs"].as_array().expect("pairs").iter();
    let tokens = pairs.map(|pair| pair["token"].as_str().expect("a token").to_owned()).collect();
    (from_flags(&flags).expect("a configuration"), tokens)
}

fn quickly(what: &str, input: &str, work: impl FnOnce()) {
    let started = Instant::now();
    work();
    let took = started.elapsed();
    assert!(took < Duration::from_secs(12), "{took:?} for {what}: {}", input.chars().take(200).collect::<String>());
}

#[test]
fn damaged_credentials_are_survived() {
    let (config, tokens) = recorded();
    let mut dice = Dice(1);
    let now = Timestamp::from_second(1_795_000_000).expect("a time");
    for round in 0..3_000 {
        let text = damaged(&tokens[dice.below(tokens.len())], &mut dice);
        quickly("a token", &text, || {
            let facts = token::parse(&text);
            let keys = if round % 2 == 0 { Keys::Signature { verified: true, kid_known: true } } else { Keys::Unknown };
            let _ = judge_token(&facts, &config, &keys, now);
        });
    }
    let pem = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/requests/recorded.json"))
        .expect("a recording");
    let value: Value = serde_json::from_str(&pem).expect("JSON");
    for (_, pem) in value["certificates"].as_object().expect("certificates") {
        for _ in 0..60 {
            let text = damaged(pem.as_str().expect("PEM"), &mut dice);
            quickly("a certificate", &text, || {
                let _ = certificate::facts_from_pem(&text);
                let _ = public_keys::key_set_from_pem(text.as_bytes());
                let _ = chain::Certificate::parse(text.as_bytes());
            });
        }
    }
}

#[test]
fn damaged_configurations_and_key_sets_are_survived() {
    let mut dice = Dice(2);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/authn/issuers.json");
    let value: Value = serde_json::from_str(&fs::read_to_string(path).expect("a recording")).expect("JSON");
    let mut document = value["setting"]["authentication"].clone();
    // The long CA texts would take most of the damage.
    for entry in document["jwt"].as_array_mut().expect("entries") {
        entry["issuer"]["certificateAuthority"] = json!("");
    }
    let yaml = serde_json::to_string_pretty(&document).expect("a text");
    let line = "kube-apiserver --oidc-issuer-url=https://a --oidc-client-id=b --service-account-issuer=https://c --etcd-servers=x";
    let set = value["setting"]["issuers"].as_object().expect("issuers").values().find_map(|issuer| issuer.get("set"));
    let set = set.expect("a key set").to_string();
    for _ in 0..150 {
        for source in [yaml.as_str(), line] {
            let text = damaged(source, &mut dice);
            quickly("a configuration", &text, || {
                if let Ok(flags) = parse_flags_text(&text, "input") {
                    let _ = from_flags(&flags);
                }
            });
        }
        let text = damaged(&set, &mut dice);
        quickly("a key set", &text, || {
            let _ = signature::parse_key_set(text.as_bytes());
        });
    }
}

#[test]
fn large_and_deep_tokens_are_survived() {
    use base64::Engine as _;
    let encode = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
    let groups: Vec<String> = (0..10_000).map(|number| format!("group-{number}")).collect();
    let payloads = [
        json!({ "iss": "https://localhost:1/plain", "groups": groups }).to_string(),
        format!("{{\"iss\":{}1{}}}", "[".repeat(50_000), "]".repeat(50_000)),
        format!("{{\"a\":{}}}", "9".repeat(100_000)),
        format!("{{{}\"z\":1}}", "\"a\":1,".repeat(20_000)),
        format!("\"{}\"", "x".repeat(1_000_000)),
    ];
    let (config, _) = recorded();
    for payload in payloads {
        let text = format!("{}.{}.{}", encode("{\"alg\":\"RS256\"}"), encode(&payload), encode("signature"));
        quickly("a large token", &text, || {
            let facts = token::parse(&text);
            let _ = judge_token(&facts, &config, &Keys::Unknown, Timestamp::UNIX_EPOCH);
        });
    }
}

#[test]
fn the_corpus_of_fuzzing_is_survived() {
    use base64::Engine as _;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/fuzz");
    for (name, _) in targets::TARGETS {
        let text = fs::read_to_string(folder.join(format!("{name}.txt"))).expect("every target has a corpus");
        assert!(text.lines().count() >= 2, "{name} has hardly a corpus");
        for line in text.lines() {
            let input = base64::engine::general_purpose::STANDARD.decode(line).expect("base64");
            quickly(name, line, || targets::run(name, &input));
        }
    }
    let known = fs::read_dir(&folder).expect("the corpora").count();
    assert_eq!(known, targets::TARGETS.len(), "testdata/fuzz holds a corpus of no target");
}
