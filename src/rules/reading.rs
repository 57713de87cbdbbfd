//! What one line of any text says: the codes that fit, the most telling first, and what stands in it.

pub mod alone;
mod certificate;
mod client;
mod connection;
mod iam;
mod issuer;
mod others;
pub mod plugin;
mod pod;
mod rights;
mod token;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;

use super::{RULES, rule};
use crate::apiserver::message::{Recognised, heard::names as heard, names as text, set, tools};
use crate::evidence::identity::ANONYMOUS;
use crate::report::Confidence;

/// What a line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The code it speaks of.
    pub code: &'static str,
    /// Other codes that the same words fit, the likelier first.
    pub rivals: Vec<&'static str>,
    /// Whether the words decide it.
    pub confidence: Confidence,
    /// The name of the text that was recognised.
    pub text: &'static str,
    /// What stands in it.
    pub fields: BTreeMap<String, String>,
}

/// Everything that a line says; what is only the consequence of another thing in the same line is left out.
pub fn read(line: &str) -> Vec<Reading> {
    read_beside(line, false)
}

/// The same of a line beside which a client of Kubernetes is named: some words are of the API server only then.
pub fn read_beside(line: &str, beside: bool) -> Vec<Reading> {
    let plain = set::plain(line);
    let told = plain.as_deref().unwrap_or(line);
    let mut found = set::set().recognise(told);
    if plain.is_some() {
        // Some texts are known by a tab or a quote of macOS.
        for raw in set::set().recognise(line) {
            if !found.iter().any(|other| other.text == raw.text) {
                found.push(raw);
            }
        }
    }
    // A name that says nothing by itself.
    found.retain(|text| text.text.name != tools::CLIENT.name);
    if found.is_empty() {
        return Vec::new();
    }
    let context = Context { beside, ..Context::new(told) };
    let mut readings: Vec<Reading> = found.iter().filter_map(|text| reading(text, &found, &context)).collect();
    // The most telling first: sure before likely, then by the registry.
    readings.sort_by_key(|reading| (reading.confidence, rank(reading.code)));
    let codes: Vec<&'static str> = readings.iter().map(|reading| reading.code).collect();
    let mut kept: Vec<Reading> = Vec::new();
    for reading in readings {
        let explained = codes.iter().any(|other| {
            *other != reading.code && rule(other).is_some_and(|rule| rule.explains.contains(&reading.code))
        });
        if explained {
            continue;
        }
        // One line tells one story of a text; rivals of the first are not told again.
        match kept.iter_mut().find(|other| other.code == reading.code || other.rivals.contains(&reading.code)) {
            Some(other) => {
                for rival in std::iter::once(reading.code).chain(reading.rivals) {
                    if other.code != rival && !other.rivals.contains(&rival) {
                        other.rivals.push(rival);
                    }
                }
                for (name, value) in reading.fields {
                    other.fields.entry(name).or_insert(value);
                }
            }
            None => kept.push(reading),
        }
    }
    // Whatever the API server puts after its own words is more than those words alone.
    if kept.len() > 1 {
        kept.retain(|reading| reading.code != "credential-rejected");
    }
    kept
}

/// Whether a line names a client of Kubernetes or the API server, as a stack and the words before a message do.
pub fn names_client(line: &str) -> bool {
    static CLIENT: LazyLock<Regex> = LazyLock::new(|| Regex::new(tools::CLIENT.pattern).expect("constant pattern"));
    CLIENT.is_match(line)
}

/// The first line of a message that is a refusal of nobody by an extension server, to which the API server passes names
/// on; `None` as well where another line says that the API server itself saw nobody.
pub fn of_extension(message: &str) -> Option<&str> {
    let unseen = |found: &Reading| found.fields.get("user").is_some_and(|user| user == ANONYMOUS);
    let mut first = None;
    for line in message.lines() {
        for found in read(line).iter().filter(|found| unseen(found)) {
            match found.code {
                "front-proxy-not-configured" => first = first.or(Some(line)),
                "anonymous-request" => return None,
                _ => {}
            }
        }
    }
    first
}

/// Who says go-oidc's words in a line, the API server before others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Speaker {
    /// The API server, or nobody that is known.
    Server,
    /// Any program that takes ID tokens.
    Any,
    /// One that logs people in by itself.
    Login,
}

/// Who says go-oidc's words in a line.
pub fn speaker(line: &str) -> Speaker {
    let plain = set::plain(line);
    let context = Context::new(plain.as_deref().unwrap_or(line));
    if context.logs_in() {
        Speaker::Login
    } else if context.relying_party() && !context.api_server() {
        Speaker::Any
    } else {
        Speaker::Server
    }
}

/// The place of a code in the registry.
pub fn rank(code: &str) -> usize {
    RULES.iter().position(|rule| rule.code == code).unwrap_or(usize::MAX)
}

/// What stands around a text.
struct Context {
    /// The line without its quoting.
    plain: String,
    /// It speaks of the API server's judgement of a credential.
    authentication: bool,
    /// kubectl tells the answer to a request.
    answer: bool,
    /// A client of the API server speaks of the way to it.
    client: bool,
    /// aws-iam-authenticator speaks.
    authenticator: bool,
    /// The line names the API server, or a client of it.
    cluster: bool,
    /// A line beside it does.
    beside: bool,
}

impl Context {
    fn new(line: &str) -> Self {
        let plain = set::unquoted(line).pop().unwrap_or_default();
        let holds = |words: &[&str]| words.iter().any(|word| plain.contains(word));
        Self {
            authentication: holds(&[
                "bearer token",
                "nable to authenticate",
                "TokenReview",
                "authentication.go",
                "\"authenticated\"",
            ]),
            answer: holds(&["Error from server", "Error when", "error when"]),
            client: holds(&[
                "Unable to connect to the server",
                "group list",
                "cluster unreachable",
                "/api?",
                "/api/v1/namespaces",
                "/api/v1/nodes",
                "/api/v1/pods",
                "/api/v1/services",
                "/api/v1/secrets",
                "/api/v1/configmaps",
                "/api/v1/endpoints",
                "/apis",
                "/version",
            ]),
            authenticator: holds(&["getCallerIdentity", "access denied", "properly formatted", "pre-signed URL"]),
            cluster: names_client(&plain)
                || holds(&[
                    "kubernetes.default",
                    "kubernetes.docker.internal",
                    "kubernetes.client.",
                    ".eks.amazonaws.com",
                    ".azmk8s.io",
                    ":6443",
                    "kube cluster",
                    "HyperError: ",
                    "/api/v1/namespaces",
                    "/api/v1/pods",
                    "/api/v1/configmaps",
                    "/api/v1/persistentvolumes",
                    "/apis/apps/v1",
                    ".k8s.io/v1",
                ]),
            beside: false,
            plain,
        }
    }

    /// The words of go-oidc, and not in the way that the API server passes them on: some other program that verifies ID
    /// tokens says them.
    fn relying_party(&self) -> bool {
        let own = self.authentication
            || self.plain.contains("oidc: verify token")
            || self.plain.trim_start_matches(['[', '"', ' ']).starts_with("oidc: ");
        self.logs_in() || !own
    }

    /// The API server or its log speaks, by other signs than go-oidc's words, which many programs pass on.
    fn api_server(&self) -> bool {
        const OWN: [&str; 4] = ["initializing plugin", "oidc authenticator", "oidc.go:", "oidc: verify token"];
        !self.logs_in() && (self.authentication || OWN.iter().any(|words| self.plain.contains(words)))
    }

    /// A program that logs people in says it of its own.
    fn logs_in(&self) -> bool {
        const LOGINS: [&str; 8] = [
            "could not verify id_token",
            "oauthproxy.go",
            "jwt_session.go",
            "failed to verify token",
            "for all audiences",
            "openid connect auth failed",
            "failed to authenticate: oidc:",
            "readiness check returned error",
        ];
        // The API server says these, whatever the client or the issuer of which it tells is called.
        const SERVER: [&str; 3] = ["nable to authenticate the request", "invalid bearer token", "initializing plugin"];
        if SERVER.iter().any(|words| self.plain.contains(words)) {
            return false;
        }
        /// The name of one: behind go-oidc's words it is that of a client, to which the token was issued.
        const NAMES: [&str; 2] = ["oauth2-proxy", "oauth2 proxy"];
        let plain = self.plain.to_lowercase();
        let before = plain.split("oidc: ").next().unwrap_or_default();
        LOGINS.iter().any(|words| plain.contains(words)) || NAMES.iter().any(|name| before.contains(name))
    }

    /// The line speaks of Kubernetes, whatever program says it.
    fn kubernetes(&self) -> bool {
        const WORDS: [&str; 28] = [
            "kube",
            "k8s",
            "api server",
            "api_server",
            "apiserver",
            "error from server",
            "logged in to the server",
            "provide credentials",
            "*v1",
            "/api/v1",
            "/apis",
            "/api?",
            "/version",
            "nodes",
            "node=",
            "node ",
            "pod",
            "namespace",
            "cluster",
            "\"status\":\"failure\"",
            "helm",
            "round_trippers",
            "reflector",
            "lease",
            "configmap",
            "serviceaccount",
            "certificate signing request",
            "discovery information",
        ];
        let plain = self.plain.to_lowercase();
        WORDS.iter().any(|word| plain.contains(word))
    }

    /// A 401 in words that any program has, and none of Kubernetes' beside it.
    fn others_401(&self) -> bool {
        let klog = self.plain.trim_end().ends_with(": Unauthorized") && self.plain.contains("] ");
        let words = ["err=\"Unauthorized\"", " 401 Unauthorized in ", "ApiException: (401)"];
        (klog || words.iter().any(|words| self.plain.contains(words))) && !self.kubernetes()
    }

    /// A CI's own identity takes an AWS role, and no Pod's.
    fn of_a_pipeline(&self) -> bool {
        const MARKS: [&str; 9] = [
            "Could not assume role with OIDC",
            "configure-aws-credentials",
            "token.actions.githubusercontent.com",
            "https://gitlab.com",
            "api.bitbucket.org",
            "agent.buildkite.com",
            "oidc.circleci.com",
            "vstoken.dev.azure.com",
            "https://app.terraform.io",
        ];
        MARKS.iter().any(|mark| self.plain.contains(mark))
    }

    /// A JSON object with the words of a 401 and without the marks of a Kubernetes Status: any web service answers so.
    fn others_json(&self) -> bool {
        const MARKS: [&str; 9] = [
            "\"kind\"",
            "\"apiVersion\"",
            "\"reason\"",
            "\"metadata\"",
            "\"Failure\"",
            "must be logged in",
            "provide credentials",
            "ApiException",
            "Error from server",
        ];
        self.plain.contains('{')
            && self.plain.replace(": ", ":").contains("\"message\":\"Unauthorized\"")
            && !MARKS.iter().any(|mark| self.plain.contains(mark))
    }

    /// A text of ordinary words counts where it stands alone or where the API server says it.
    fn server_says(&self, words: &str) -> bool {
        self.authentication || self.plain.trim_start_matches(['[', '"', ' ']).starts_with(words)
    }
}

/// One text of a line.
struct Said<'l> {
    found: &'l Recognised,
    /// Every text of the line, this one too.
    all: &'l [Recognised],
    context: &'l Context,
}

impl Said<'_> {
    fn name(&self) -> &'static str {
        self.found.text.name
    }

    /// A field, or empty.
    fn field(&self, name: &str) -> &str {
        self.found.fields.get(name).map_or("", String::as_str)
    }

    /// The line says this text too.
    fn has(&self, name: &str) -> bool {
        self.all.iter().any(|other| other.text.name == name)
    }
}

/// What one text says: chosen by what stands in it, where rules share the text.
fn reading(found: &Recognised, all: &[Recognised], context: &Context) -> Option<Reading> {
    let (codes, confidence) = codes(&Said { found, all, context });
    let mut codes = codes.into_iter().filter(|code| rule(code).is_some());
    let code = codes.next()?;
    let mut fields = found.fields.clone();
    if matches!(found.text.name, heard::FORBIDDEN | text::NODE_AUTHORIZER) {
        let who = fields.remove("who");
        fields.extend(rights::forbidden_fields(&context.plain));
        // A refusal that was cut still says who was refused.
        if let Some(who) = who {
            fields.entry("user".to_owned()).or_insert(who);
        }
    }
    let mut rivals: Vec<&'static str> = Vec::new();
    for rival in codes {
        if rival != code && !rivals.contains(&rival) {
            rivals.push(rival);
        }
    }
    Some(Reading { code, rivals, confidence, text: found.text.name, fields })
}

/// Codes, the likeliest first, and how sure the words make them.
type Codes = (Vec<&'static str>, Confidence);

/// No code: the words mean something else here.
fn silence() -> Codes {
    (Vec::new(), Confidence::Possible)
}

/// The codes of a text: where rules share it or its fields decide, a part below chooses.
fn codes(said: &Said<'_>) -> Codes {
    const PARTS: &[fn(&Said<'_>) -> Option<Codes>] = &[
        issuer::codes,
        token::codes,
        certificate::codes,
        rights::codes,
        client::codes,
        connection::codes,
        iam::codes,
        pod::codes,
        others::codes,
    ];
    PARTS.iter().find_map(|part| part(said)).unwrap_or_else(|| of_the_rules(said.name()))
}

/// The rest is one rule's own, or shared by equals.
fn of_the_rules(name: &str) -> Codes {
    let codes: Vec<&'static str> = RULES
        .iter()
        .filter(|rule| rule.recognises.iter().any(|text| text.name == name))
        .map(|rule| rule.code)
        .collect();
    let confidence = if codes.len() == 1 { Confidence::Certain } else { Confidence::Possible };
    (codes, confidence)
}
