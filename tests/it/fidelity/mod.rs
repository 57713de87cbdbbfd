//! The model against real API servers: thousands of credentials and configurations, both orders of checks.
//!
//! The live test asks kube-apiserver 1.35 and 1.36; with `KACCESS_RECORD` it keeps what they said in testdata/authn, and
//! the recorded test compares the model with that where there is no server.

mod accounts;
mod configurations;
mod jwt;
mod requests;
mod tokens;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use jiff::Timestamp;
use kaccess::apiserver::authn::{Judgement, Keys, World, judge_token_in};
use kaccess::apiserver::configuration::{Configuration, from_flags, parse_flags_text};
use kaccess::credential::{signature, token};
use kaccess::evidence::apiserver::Flags;
use serde_json::{Value, json};

/// What one server is configured with, and what the issuers behind it do: everything the model needs.
pub struct Setting {
    /// Flags by name.
    pub flags: BTreeMap<String, Vec<String>>,
    /// An AuthenticationConfiguration.
    pub authentication: Option<Value>,
    /// By issuer: `{"set": ..}`, `{"notInitialized": true}` or `{"fetchFailed": ".."}`.
    pub issuers: BTreeMap<String, Value>,
    /// The cluster's objects, as lists.
    pub objects: Vec<Value>,
    /// The token file.
    pub token_file: Option<String>,
}

impl Setting {
    fn to_json(&self) -> Value {
        json!({ "flags": self.flags, "authentication": self.authentication, "issuers": self.issuers, "objects": self.objects,
            "tokenFile": self.token_file })
    }

    fn from_json(value: &Value) -> Self {
        let read = |name: &str| serde_json::from_value(value[name].clone());
        Self {
            flags: read("flags").expect("flags"),
            authentication: Some(value["authentication"].clone()).filter(|value| !value.is_null()),
            issuers: serde_json::from_value(value["issuers"].clone()).expect("issuers"),
            objects: serde_json::from_value(value["objects"].clone()).expect("objects"),
            token_file: value["tokenFile"].as_str().map(str::to_owned),
        }
    }

    /// The configuration of the model, for one release.
    pub fn configuration(&self, minor: u32) -> Configuration {
        let mut flags =
            Flags { source: "test".to_owned(), flags: self.flags.clone(), complete: true, ..Flags::default() };
        if let Some(document) = &self.authentication {
            // By way of its text, so that the loader is tested too.
            let text = document.to_string();
            let inner = parse_flags_text(&text, "authentication.yaml").expect("an AuthenticationConfiguration");
            flags.authentication_configuration = inner.authentication_configuration;
        }
        let mut configuration = from_flags(&flags).expect("the server took it too");
        configuration.version = Some((1, minor));
        configuration
    }

    fn keys(&self, secret: &str, issuer: &str) -> Keys {
        let Some(state) = self.issuers.get(issuer) else { return Keys::Unknown };
        if let Some(text) = state["fetchFailed"].as_str() {
            return Keys::FetchFailed(text.to_owned());
        }
        match &state["set"] {
            Value::Null => Keys::NotInitialized,
            set => Keys::from(&signature::check(secret, set)),
        }
    }
}

/// What a server said of one credential, in the form that the model's judgement is brought to as well.
pub fn answer_of(status: &Value) -> Value {
    if status["authenticated"] == true {
        let user = &status["user"];
        let text = |name: &str| user[name].as_str().unwrap_or_default();
        let extra = if user["extra"].is_null() { json!({}) } else { user["extra"].clone() };
        let groups = if user["groups"].is_null() { json!([]) } else { user["groups"].clone() };
        json!({ "user": { "username": text("username"), "uid": text("uid"), "groups": groups, "extra": extra } })
    } else {
        json!({ "error": timeless(status["error"].as_str().unwrap_or_default()) })
    }
}

/// The server's own clock stands in some texts, a second later perhaps than here.
pub fn timeless(error: &str) -> String {
    let mut text = error.to_owned();
    for (begin, ends) in [
        ("oidc: current time ", &[" before the nbf"][..]),
        ("not yet valid: current time ", &[" is after ", " is before "]),
    ] {
        let mut from = 0;
        while let Some(at) = text[from..].find(begin).map(|at| from + at + begin.len()) {
            let Some(to) = ends.iter().filter_map(|end| text[at..].find(end)).min() else { break };
            text.replace_range(at..at + to, "NOW");
            from = at;
        }
    }
    text
}

/// A judgement in the same form.
pub fn form(judgement: &Judgement) -> Value {
    match judgement {
        Judgement::Authenticated(user) => {
            json!({ "user": { "username": user.username, "uid": user.uid, "groups": user.groups,
            "extra": user.extra } })
        }
        Judgement::Rejected { error } => json!({ "error": timeless(error) }),
        Judgement::Undecided { reasons } => json!({ "undecided": reasons }),
    }
}

/// One credential and what the releases said: name, token, time of asking, answers by release.
///
/// The time is exact while it is asked, as the server's own is; a recording keeps its second.
pub struct Pair {
    pub name: String,
    pub token: String,
    pub at: Timestamp,
    pub said: BTreeMap<String, Value>,
}

/// Compares the model with what was said; gives every difference.
pub fn compare(setting: &Setting, pairs: &[Pair], differences: &mut Vec<String>) {
    let objects = kaccess::apiserver::authn::Objects::new(setting.objects.iter().cloned());
    let file = setting
        .token_file
        .as_ref()
        .map(|text| kaccess::apiserver::authn::TokenFile::parse(text, "tokens.csv").expect("the server took it too"));
    let configurations: BTreeMap<u32, Configuration> =
        [35, 36].into_iter().map(|minor| (minor, setting.configuration(minor))).collect();
    for pair in pairs {
        let facts = token::parse(&pair.token);
        let issuer = facts.claims.as_ref().and_then(|claims| claims.get("iss")?.as_str()).unwrap_or_default();
        // The API server trims what it reads from the header.
        let is_token = |bytes: &[u8]| bytes == pair.token.trim().as_bytes();
        let world = World { objects: Some(&objects), token_file: file.as_ref(), is_token: Some(&is_token) };
        let keys = setting.keys(&pair.token, issuer);
        for (release, said) in &pair.said {
            let minor: u32 = release.trim_start_matches("1.").parse().expect("a release");
            let judged = form(&judge_token_in(&world, &facts, &configurations[&minor], &keys, pair.at));
            if judged != *said {
                differences.push(format!("{} on {release}:\n  server {said}\n  model  {judged}", pair.name));
            }
        }
    }
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata/authn")
}

/// Keeps what was said, if `KACCESS_RECORD` is set.
pub fn record(name: &str, setting: &Setting, pairs: &[Pair]) {
    if std::env::var_os("KACCESS_RECORD").is_none() {
        return;
    }
    fs::create_dir_all(folder()).expect("testdata/authn");
    // One pair a line, so that a change can be read.
    let mut text = format!("{{\"setting\": {},\n\"pairs\": [\n", setting.to_json());
    for (index, pair) in pairs.iter().enumerate() {
        let comma = if index + 1 == pairs.len() { "" } else { "," };
        let line = json!({ "name": pair.name, "token": pair.token, "at": pair.at.as_second(), "said": pair.said });
        text.push_str(&format!("{line}{comma}\n"));
    }
    text.push_str("]}\n");
    fs::write(folder().join(format!("{name}.json")), text).expect("a recorded comparison");
}

#[test]
fn recorded_answers_are_the_models() {
    let mut differences = Vec::new();
    let mut count = 0;
    for entry in fs::read_dir(folder()).expect("testdata/authn") {
        let path = entry.expect("an entry").path();
        let value: Value = serde_json::from_str(&fs::read_to_string(&path).expect("a recording")).expect("JSON");
        let setting = Setting::from_json(&value["setting"]);
        let pairs: Vec<Pair> = value["pairs"]
            .as_array()
            .expect("pairs")
            .iter()
            .map(|pair| Pair {
                name: pair["name"].as_str().expect("a name").to_owned(),
                token: pair["token"].as_str().expect("a token").to_owned(),
                at: Timestamp::from_second(pair["at"].as_i64().expect("seconds")).expect("a time"),
                said: serde_json::from_value(pair["said"].clone()).expect("answers"),
            })
            .collect();
        count += pairs.len();
        compare(&setting, &pairs, &mut differences);
    }
    assert!(count >= 2_000, "only {count} pairs are recorded");
    let shown: Vec<&String> = differences.iter().take(30).collect();
    assert!(differences.is_empty(), "{} of {count} differ: {shown:#?}", differences.len());
}
