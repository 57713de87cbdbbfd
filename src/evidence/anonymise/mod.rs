//! Evidence for strangers: names, hosts, accounts, e-mails and public addresses replaced by stand-ins, the same one
//! wherever the same thing stands, so that the file gives the findings that it gave before.
//!
//! It works on the saved form, because a field that nobody thought of here must not slip through a typed walk: names are
//! gathered by the field they stand in and by the sentences and URLs they stand in, and then replaced in every text. It
//! stands with the evidence, since it knows its fields and must know nothing else.

mod addresses;
mod known;
mod names;

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Map, Value};

use names::{Names, looks_like_host};

/// Evidence with stand-ins.
#[derive(Debug, Clone)]
pub struct Anonymised {
    /// The evidence, in the form of a saved file.
    pub evidence: Value,
    /// Texts that should have gone and are still there: none, or this module has a fault and the file is not to be shown.
    pub left: BTreeSet<String>,
}

/// Whether a text holds another: as a whole word, or anywhere where it can be nothing else.
fn stands_in(text: &str, word: &str) -> bool {
    let plain = word.contains('@') || word.len() > 11 && word.bytes().all(|byte| byte.is_ascii_digit());
    text.match_indices(word).any(|(at, _)| {
        plain
            || !(word.starts_with(char::is_alphanumeric) && text[..at].ends_with(char::is_alphanumeric)
                || word.ends_with(char::is_alphanumeric) && text[at + word.len()..].starts_with(char::is_alphanumeric))
    })
}

/// Replaces what tells who, where and whose.
pub fn anonymise(evidence: &Value) -> Anonymised {
    let mut names = Names::default();
    let mut texts = Vec::new();
    each_text(evidence, &mut |text| texts.push(text.to_owned()));
    for text in &texts {
        stems(text, &mut names);
    }
    // What a field says comes before what a sentence seems to say.
    // Who it is about comes first, so that a person is `user-1` and not what a context is called after.
    for first in ["identity", "credential", "controlPlane"] {
        by_field(&evidence[first], &mut vec![first], false, &mut names);
    }
    by_field(evidence, &mut Vec::new(), false, &mut names);
    for text in &texts {
        in_text(text, &mut names);
    }
    // Files last: they are often called after a user or a cluster.
    by_field(evidence, &mut Vec::new(), true, &mut names);
    for found in texts.iter().flat_map(|text| HOME.find_iter(text)) {
        names.file(found.as_str().trim_end_matches('.'));
    }
    let found = texts.iter().flat_map(|text| ADDRESS.find_iter(text).map(|found| found.as_str().to_owned()));
    for (old, new) in addresses::stand_ins(found) {
        // As host names of EC2 write them.
        if old.contains('.') && !old.contains('/') {
            names.given(old.replace('.', "-"), new.replace('.', "-"));
        }
        names.given(old, new);
    }
    // A session name cannot hold what a user name may: EKS writes the one for the other.
    for mail in texts.iter().flat_map(|text| MAIL.find_iter(text)) {
        let new = names.replacer().text(mail.as_str());
        if new != mail.as_str() {
            names.given(mail.as_str().replace('@', "-"), new.replace('@', "-"));
        }
    }
    let replacer = names.replacer();
    let mut new = evidence.clone();
    rewrite(&mut new, &mut Vec::new(), &|text| replacer.text(text));
    let mut left = BTreeSet::new();
    each_path(&new, &mut Vec::new(), &mut |path, text| {
        if !stays(path, text) {
            // Stand-ins are made of letters and numbers that may stand for something else too.
            left.extend(
                names.replaced().filter(|old| stands_in(text, old) && !names.is_stand_in(old)).map(str::to_owned),
            );
        }
    });
    if let Some(provenance) = new.get_mut("provenance")
        && let Some(text) = provenance.as_str().filter(|text| !text.ends_with(MARK))
    {
        *provenance = format!("{text}{MARK}").into();
    }
    Anonymised { evidence: new, left }
}

/// What the provenance of anonymised evidence ends with.
const MARK: &str = "; anonymised";

/// Fields whose values are words of kaccess, Kubernetes or a protocol: never names.
const FIXED: &[&str] = &[
    "schema",
    "provenance",
    "kaccess",
    "kind",
    "outcome",
    "ended",
    "because",
    "code",
    "status",
    "verb",
    "verbs",
    "resource",
    "resources",
    "subresource",
    "type",
    "scheme",
    "alg",
    "kty",
    "use",
    "verdict",
    "alpn",
    "version",
    "methods",
    "apiVersion",
    "interactiveMode",
    "extendedKeyUsages",
    "observedAt",
    "method",
    "contentType",
    "userAgent",
    "state",
    "protocol",
    "onUnauthenticated",
    "statement",
    "readAs",
    "roleKind",
    "role",
];

/// Objects whose keys people choose.
const FREE: &[&str] =
    &["claims", "extra", "annotations", "tags", "data", "requiredClaims", "resource_access", "header"];

fn is_fixed(path: &[&str]) -> bool {
    let key = path.last().copied().unwrap_or_default();
    let claims = path.contains(&"claims") || path.contains(&"repeated") || path.contains(&"extra");
    !claims && FIXED.contains(&key) && !(key == "role" && path.contains(&"annotations"))
}

/// A text that is left alone.
fn stays(path: &[&str], text: &str) -> bool {
    // What /version says is nobody's, and its keys are common words.
    is_fixed(path) || path.last().is_some_and(|last| *last == "body") && text.contains("gitVersion")
}

/// Every value with the keys that lead to it.
fn each_path<'a>(value: &'a Value, path: &mut Vec<&'a str>, seen: &mut dyn FnMut(&[&str], &str)) {
    match value {
        Value::String(text) => seen(path, text),
        Value::Array(items) => items.iter().for_each(|item| each_path(item, path, seen)),
        Value::Object(fields) => {
            for (key, value) in fields {
                path.push(key);
                each_path(value, path, seen);
                path.pop();
            }
        }
        _ => {}
    }
}

/// Every text: values, and keys that people choose.
fn each_text(value: &Value, seen: &mut dyn FnMut(&str)) {
    match value {
        Value::String(text) => seen(text),
        Value::Array(items) => items.iter().for_each(|item| each_text(item, seen)),
        Value::Object(fields) => fields.iter().for_each(|(key, value)| {
            if key.contains(['.', '/', ':']) {
                seen(key);
            }
            each_text(value, seen);
        }),
        _ => {}
    }
}

fn rewrite<'a>(value: &'a mut Value, path: &mut Vec<&'a str>, new: &dyn Fn(&str) -> String) {
    match value {
        Value::String(text) if !stays(path, text) => {
            *text = new(text);
            if path.last().is_some_and(|last| *last == "body") {
                *text = body(text);
            }
        }
        Value::Array(items) => {
            for item in items {
                rewrite(item, &mut path.clone(), new);
            }
        }
        Value::Object(fields) => {
            // The public key set belongs to one issuer in the world; the verdicts over it are kept beside it.
            if path.last().is_some_and(|last| *last == "seen") && path.iter().any(|part| part.starts_with("jwks")) {
                fields.remove("document");
            }
            let free = path.iter().any(|part| FREE.contains(part));
            if free {
                *fields = std::mem::take(fields).into_iter().map(|(key, value)| (new(&key), value)).collect();
            }
            for (key, value) in fields.iter_mut() {
                path.push(key);
                rewrite(value, &mut path.clone(), new);
                path.pop();
            }
        }
        Value::Number(number) => {
            // A personnel number is a name too.
            let key = path.last().copied().unwrap_or_default();
            if path.contains(&"claims") && !known::CLAIMS.contains(key) && number.as_i64().is_some_and(|n| n > 9_999) {
                *number = 10_000.into();
            }
        }
        _ => {}
    }
}

/// The body of an answer: of a page the words that say what it is, of a key set no certificate.
fn body(text: &str) -> String {
    if text.trim_start().starts_with('<') {
        return page(text);
    }
    if text.contains("\"keys\"") {
        return CERTIFIED.replace_all(text, "$1[\"[certificate]\"]").into_owned();
    }
    text.to_owned()
}

/// A page in which every word that is neither of HTML nor of those that say what a page is, and no stand-in, gave way.
fn page(text: &str) -> String {
    let mut new = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let (word, behind) = rest.split_at(rest.find(|c: char| !c.is_alphanumeric()).unwrap_or(rest.len()));
        let number = word.len() < 5 && word.bytes().all(|byte| byte.is_ascii_digit());
        let lower = word.to_lowercase();
        let stays = number || known::PAGE.contains(lower.as_str()) || known::WORDS.contains(lower.as_str());
        new.push_str(if stays { word } else { "word" });
        let (between, next) = behind.split_at(behind.find(char::is_alphanumeric).unwrap_or(behind.len()));
        new.push_str(between);
        rest = next;
    }
    new
}

/// Names by the field they stand in.
fn by_field<'a>(value: &'a Value, path: &mut Vec<&'a str>, files: bool, names: &mut Names) {
    match value {
        Value::Object(fields) => {
            if path.contains(&"claims") {
                claims(fields, path, names);
                return;
            }
            if matches!(path.as_slice(), [.., "annotations"] | [.., "tags", "seen"]) {
                for text in fields.values().filter_map(Value::as_str) {
                    annotation(text, names);
                }
                return;
            }
            if path.last().is_some_and(|last| *last == "extra") && fields.values().all(Value::is_array) {
                extra(fields, names);
                return;
            }
            for (key, value) in fields {
                path.push(key);
                match value {
                    Value::String(text) => field(text, fields, path, files, names),
                    Value::Array(items) => {
                        for item in items {
                            match item {
                                Value::String(text) => field(text, fields, path, files, names),
                                other => by_field(other, path, files, names),
                            }
                        }
                        if key == "args" {
                            arguments(items, files, names);
                        }
                    }
                    other => by_field(other, path, files, names),
                }
                path.pop();
            }
        }
        Value::Array(items) => {
            for item in items {
                // A repeated claim: its name and its value.
                if let (Some("repeated"), Some([Value::String(name), value])) =
                    (path.last().copied(), item.as_array().map(Vec::as_slice))
                {
                    claim(name, value, names);
                } else {
                    by_field(item, path, files, names);
                }
            }
        }
        _ => {}
    }
}

/// One text in its field.
fn field(text: &str, around: &Map<String, Value>, path: &[&str], files: bool, names: &mut Names) {
    let key = path.last().copied().unwrap_or_default();
    // The object it stands in; `seen` and `details` are no objects of their own.
    let parent =
        path.iter().rev().skip(1).find(|part| !matches!(**part, "seen" | "details")).copied().unwrap_or_default();
    let sibling = |key: &str| around.get(key).and_then(Value::as_str).unwrap_or_default();
    if is_fixed(path) && key != "role" {
        return;
    }
    match (parent, key) {
        ("fields", "text" | "error" | "body" | "line" | "reason" | "status" | "type" | "time" | "claim") => {}
        ("fields", "arn" | "url" | "file") => {}
        ("fields", "user" | "username") => names.name("user", text),
        ("fields", "host") => names.host(text),
        ("fields", "namespace") => names.name("namespace", text),
        ("fields", "name") => names.name("name", text),
        ("fields", "akid" | "skid" | "serial") => id(text, names),
        ("fields", _) => {}
        ("subjects", "name") => {
            let kind = if sibling("kind") == "Group" { "group" } else { "user" };
            names.name(kind, text);
        }
        (_, "username" | "impersonate") => names.name("user", text),
        (_, "groups" | "impersonateGroups" | "organizations") if !path.contains(&"securityGroups") => {
            names.name("group", text);
        }
        (_, "uid") if UUID.is_match(text) => {}
        (_, "uid") => names.name("id", text),
        ("user", "name") => names.name("user", text),
        ("fault", "entry") | (_, "context" | "contexts" | "reviewerContext") => names.name("context", text),
        ("cluster", "name") | (_, "cluster" | "tokenCluster") => names.name("cluster", text),
        (_, "namespace" | "namespaces") => names.name("namespace", text),
        ("bindings", "name") => names.name("binding", text),
        ("roles", "name") | (_, "roleName" | "named" | "wantedRole" | "collects") => names.name("role", text),
        ("env", _) => {}
        (_, "commonNames" | "subject" | "issuer" | "clientAuthorities") if is_vendor(text) => {}
        (_, "commonNames") => {
            let kind = if path.contains(&"certificates") { "user" } else { "authority" };
            let host = text.contains('.') && !text.contains(' ') && !text.contains(':');
            if host { names.host(text) } else { names.name(kind, text) }
        }
        (_, "subject" | "issuer" | "clientAuthorities") if text.contains('=') => distinguished(text, names),
        (_, "serial" | "subjectKeyId" | "authorityKeyId" | "sha256") => id(text, names),
        (_, "host" | "serverName" | "tlsServerName" | "search" | "capturedBy" | "dnsName") => names.host(text),
        (_, "names") if path.iter().any(|part| matches!(*part, "chain" | "authorities" | "certificates")) => {
            names.host(text);
        }
        ("apis", "stale") => {
            // Groups of Kubernetes' own say nothing of anybody.
            let group = text.split('/').next().unwrap_or_default();
            if group.contains('.') && !group.ends_with(".k8s.io") {
                names.host(group);
            }
        }
        (_, "noProxy") => text.split(',').for_each(|one| {
            let one = one.trim().trim_start_matches("*.");
            if one.contains(|c: char| c.is_alphabetic()) {
                names.host(one.split(':').next().unwrap_or(one));
            }
        }),
        (_, "kid") => names.atom("key", text),
        // Of an answer; what made it is told by products that everybody knows.
        (_, "server") if around.contains_key("receivedAt") => {
            let product = text.split(['/', ' ']).next().unwrap_or_default().to_lowercase();
            if !known::SERVERS.contains(&product.as_str()) {
                names.name("server", text);
            }
        }
        (_, "account") => {
            names.number(text);
        }
        (_, "userId") => names.name("user", text.split_once(':').map_or("", |(_, session)| session)),
        (_, "profile") => names.name("profile", text),
        (_, "externalId") => names.name("id", text),
        (_, "clientId" | "clientIds") => client(text, names),
        (_, "installHint" | "description") if text.contains(' ') && !text.starts_with("Amazon EKS ") => {
            // Prose of the user's own, which no rule reads.
            names.given(
                text.to_owned(),
                format!("[{}]", if key == "installHint" { "install hint" } else { "description" }),
            );
        }
        (_, "description") => names.name("name", text.trim_start_matches("Amazon EKS ")),
        ("flags", flag) => self::flag(flag, text, files, names),
        (_, "usernamePrefix" | "groupsPrefix") => names.name("prefix", text),
        ("mounts", _) | (_, "image") => {}
        (_, "file" | "path" | "program" | "command")
            if files && path.iter().any(|part| matches!(*part, "kubeconfig" | "plugin" | "fault")) =>
        {
            names.file(text);
        }
        (_, "source") if files && text.contains(['/', '\\']) => names.file(text),
        (_, "pullSecrets" | "secrets" | "envFromSecrets" | "envFromConfigMapNames") => names.name("secret", text),
        (_, "serviceAccount" | "service" | "node" | "resourceNames" | "class" | "others") => names.name("name", text),
        (_, "name") if !path.contains(&"env") => names.name("name", text),
        _ => {}
    }
}

/// An authority of a product that breaks TLS open: the finding is that it is one.
fn is_vendor(text: &str) -> bool {
    let lower = text.to_lowercase();
    known::VENDORS.iter().any(|vendor| lower.contains(vendor))
}

fn id(text: &str, names: &mut Names) {
    if text.len() >= 6 {
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            names.number(text);
        } else {
            names.id(text);
        }
    }
}

fn client(text: &str, names: &mut Names) {
    if !text.contains("://") && !looks_like_host(text) && !text.ends_with(".svc") {
        names.name("client", text);
    }
}

/// A subject or issuer of a certificate, as RFC 4514 writes it.
fn distinguished(text: &str, names: &mut Names) {
    static PART: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"(?:^|[,+])\s*([A-Za-z0-9.]+)=((?:\\.|[^,+\\])*)").expect("constant pattern"));
    for part in PART.captures_iter(text) {
        let value = part[2].replace('\\', "");
        match &part[1] {
            "C" => {}
            "O" => names.name("group", &value),
            "CN" if value.contains('.') && !value.contains([' ', ':']) => names.host(&value),
            "CN" => names.name("authority", &value),
            _ => names.name("unit", &value),
        }
    }
}

/// A flag of kube-apiserver.
fn flag(flag: &str, text: &str, files: bool, names: &mut Names) {
    let is_file = text.starts_with('/') || flag.ends_with("-file") || flag.ends_with("-config");
    match flag {
        _ if !files && is_file => {}
        _ if is_file => names.file(text),
        "oidc-client-id" | "api-audiences" => client(text, names),
        "oidc-username-prefix" | "oidc-groups-prefix" => names.name("prefix", text),
        "oidc-required-claim" => {
            if let Some((_, value)) = text.split_once('=') {
                names.name("value", value);
            }
        }
        "requestheader-allowed-names" => names.name("name", text),
        _ => {}
    }
}

/// Arguments of a credential plugin or agent whose values are names.
fn arguments(items: &[Value], files: bool, names: &mut Names) {
    let items: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
    for (index, item) in items.iter().enumerate() {
        let (flag, value) = match item.split_once('=') {
            Some((flag, value)) => (flag, Some(value)),
            None => (*item, items.get(index + 1).copied().filter(|next| !next.starts_with('-'))),
        };
        let Some(value) = value.filter(|_| flag.starts_with('-')) else { continue };
        let kind = match flag.trim_start_matches('-') {
            "cluster-name" | "cluster-id" | "i" | "cluster" => "cluster",
            "profile" => "profile",
            "username" | "user" | "login" | "u" => "user",
            "client-id" | "server-id" | "oidc-client-id" => "client",
            "tenant-id" | "t" | "subscription" | "project" | "organization" | "org" | "external-id"
            | "session-name" => "id",
            _ => {
                if files && value.starts_with(['/', '~']) {
                    names.file(value);
                }
                continue;
            }
        };
        if kind == "client" { client(value, names) } else { names.name(kind, value) }
    }
}

/// An annotation or tag: an ARN, a name, a pattern, a list of these as JSON, addresses.
fn annotation(text: &str, names: &mut Names) {
    if text.starts_with("arn:") || text.contains("://") {
        return;
    }
    for word in text.split([',', '"', '[', ']', ' ']).filter(|word| !word.is_empty()) {
        if ADDRESS.is_match(word) || AWS_ID.is_match(word) || matches!(word, "internet-facing" | "true" | "false") {
            continue;
        }
        names.name("name", word);
    }
}

/// What an authenticator tells of a user beside name and groups, under keys of its own. Of AWS and Kubernetes the keys are
/// known, and ARNs and ids in them are found by their look.
fn extra(fields: &Map<String, Value>, names: &mut Names) {
    for (key, values) in fields {
        let own = known::EXTRA.contains(&key.as_str()) || key.contains("kubernetes.io/") || key.contains("k8s.io/");
        if !own {
            names.name("key", key);
        }
        for text in values.as_array().into_iter().flatten().filter_map(Value::as_str) {
            if text.contains("://") || text.contains('@') {
                continue;
            }
            if !own {
                names.name("value", text);
            } else if key.ends_with("-name") {
                names.name("name", text);
            }
        }
    }
}

/// Everything a token says of somebody.
fn claims(fields: &Map<String, Value>, path: &[&str], names: &mut Names) {
    let kubernetes = path.contains(&"kubernetes.io");
    for (key, value) in fields {
        if path.last().is_some_and(|last| *last == "resource_access") {
            client(key, names);
        } else if !known::CLAIMS.contains(key.as_str())
            && !known::CLAIM_NAMES.contains(key.as_str())
            && !key.contains("://")
        {
            names.key(key);
        }
        match value {
            Value::Object(inner) => {
                let mut deeper = path.to_vec();
                deeper.push(key);
                claims(inner, &deeper, names);
            }
            value => {
                let key = match (kubernetes, key.as_str()) {
                    (true, "name") => "kubernetes.io/serviceaccount/service-account.name",
                    (_, key) => key,
                };
                claim(key, value, names);
            }
        }
    }
}

fn claim(key: &str, value: &Value, names: &mut Names) {
    if known::CLAIMS.contains(key) {
        return;
    }
    let kind = match key {
        "iss" | "host" | "endpoint" => return,
        "aud" | "azp" | "client_id" | "clientId" | "appid" => "client",
        "sub" | "email" | "upn" | "unique_name" | "preferred_username" | "name" | "given_name" | "family_name"
        | "middle_name" | "nickname" | "username" | "cognito:username" => "user",
        "groups" | "roles" | "cognito:groups" | "wids" | "group" | "memberOf" => "group",
        "namespace" | "kubernetes.io/serviceaccount/namespace" => "namespace",
        key if key.starts_with("kubernetes.io/") => "name",
        "hd" => "host",
        "accessKeyId" | "uid" | "jti" | "sid" | "oid" | "tid" | "at_hash" | "nonce" | "c_hash" | "session_state" => {
            "id"
        }
        _ => "value",
    };
    match value {
        Value::String(text) if kind == "client" => client(text, names),
        Value::String(text) if kind == "host" => names.host(text),
        Value::String(text) if text.contains("://") || text.contains('@') => {}
        // Of random ids the shape says enough, and of others the whole is one.
        Value::String(text) if kind == "id" && !AWS_KEY.is_match(text) && !UUID.is_match(text) => {
            names.atom("id", text)
        }
        Value::String(text) if kind == "id" && text.len() > 3 => drop(AWS_KEY.is_match(text)),
        Value::String(text) => names.name(kind, text),
        Value::Array(items) => items.iter().for_each(|item| match item {
            Value::Object(inner) => claims(inner, &["claims"], names),
            other => claim(key, other, names),
        }),
        _ => {}
    }
}

/// Beginnings and ends of names that a pattern with wildcards names.
fn stems(text: &str, names: &mut Names) {
    if !text.contains('*') || text.len() > 100_000 {
        return;
    }
    for word in text
        .split(|c: char| c.is_whitespace() || matches!(c, '"' | ',' | '[' | ']' | ':' | '/' | '{' | '}' | '^' | '$'))
    {
        if word.len() > 1 && word.contains('*') && !word.contains("*.") && !ADDRESS.is_match(word) {
            word.split('*').map(|part| part.trim_end_matches('.')).for_each(|part| names.stem(part));
        }
    }
}

static ADDRESS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"\b\d{1,3}(?:\.\d{1,3}){3}(?:/\d{1,2}\b)?|\b[0-9A-Fa-f]{1,4}:[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*(?:/\d{1,3}\b)?",
    )
    .expect("constant pattern")
});

static AWS_ID: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\b(vpce|vpc|subnet|sgr|sg|eni|rtb|acl|nat|pl|tgw|dopt|pcx|igw|eigw|vgw|lgw|eipalloc|i)-([0-9a-z]+)\b")
        .expect("constant pattern")
});

static AWS_KEY: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\b(AROA|AIDA|AKIA|ASIA|ANPA|AGPA|AIPA)([A-Z0-9]{4,})\b").expect("constant pattern"));

/// A file below a home.
static HOME: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"(?:/home|/Users|\b[A-Za-z]:\\Users)[/\\][^\s"'<>|:*?,;()\[\]]+"#).expect("constant pattern")
});

/// The id of a key in a key set that could not be read.
static KEY_ID: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r#""kid"\s*:\s*"([^"\\\[\]]+)""#).expect("constant pattern"));

/// The certificates of a key there.
static CERTIFIED: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r#"("x5c"\s*:\s*)\[[^\]]*\]?"#).expect("constant pattern"));

static UUID: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\b[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}\b")
        .expect("constant pattern")
});

/// Hashes, keys' ids, ids of EKS: 16 hexadecimal digits or more, with a digit among them.
static HEX: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\b(?:[0-9a-f]{16,}|[0-9A-F]{16,})\b").expect("constant pattern"));

static PAIRS: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\b[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){7,}\b").expect("constant pattern"));

static ARN: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"\barn:aws[a-z-]*:[a-z0-9-]*:[a-z0-9-]*:([0-9]*|aws):([^\s"',\]\\]+)"#).expect("constant pattern")
});

/// One that lacks a part, or has one too many: a mistake that findings are about.
static BROKEN_ARN: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"\barn:aws[a-z-]*:\S*?[:/]((?:role|user|assumed-role|instance-profile)/[^\s"',\]\\]+)"#)
        .expect("constant pattern")
});

static ACCOUNT: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\b(?:arn:\S*?|account )(\d{12})\b|\b(\d{12})\.dkr\.").expect("constant pattern"));

static LINK: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"\b[a-z][a-z0-9+.-]*://(?:[^\s/@"'\\]*@)?(\[[0-9A-Fa-f:.]+\]|[^\s/:"'?#,\\<>\])}]+)(?::\d+)?(/[^\s"'?#\\<>\])}]*)?"#)
        .expect("constant pattern")
});

static MAIL: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"([A-Za-z0-9._+-]+)@([A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*)").expect("constant pattern"));

static DOTTED: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?:\*\.)?\b[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)+\b").expect("constant pattern"));

static ACCOUNT_OF_SERVICE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\bsystem:serviceaccounts?:([A-Za-z0-9._-]+)(?::([A-Za-z0-9._-]+))?").expect("constant pattern")
});

/// `User "x"`, `the namespace "y"`, `pods "z" is forbidden`, in the words of kube-apiserver, kubectl and its clients.
static SAID: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r#"(?i)\b(user|group|serviceaccount|clusterrolebinding|rolebinding|clusterrole|role|namespace|namespaces|context|cluster|container|name|username|profile|node|authinfo)(?:\.rbac\.authorization\.k8s\.io)?(?:=|:|\s)\s*\\?["'‘]([^"'’\\]+)\\?["'’]"#,
    )
    .expect("constant pattern")
});

static REFUSED: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r#"\b[a-z][a-z.0-9]*\s\\?["']([^"'\\]+)\\?["'] (?:is forbidden|is invalid|not found|already exists|cannot)"#,
    )
    .expect("constant pattern")
});

/// `groups=["a" "b"]`, `(groups=[...])`.
static GROUPS: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r#"(?i)\bgroups[=:]\s*\\?"?\[([^\]]*)\]"#).expect("constant pattern"));

/// Entries of aws-auth.
static MAPPED: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"(?m)^[ \t-]*username:[ \t]*["']?([^"'\n]+?)["']?[ \t]*$|^[ \t]*-[ \t]+["']?([^\s"':\n][^"'\n]*?)["']?[ \t]*$"#)
        .expect("constant pattern")
});

/// Names inside sentences, URLs, ARNs, e-mails and log lines.
fn in_text(text: &str, names: &mut Names) {
    for found in ARN.captures_iter(text) {
        arn(&found[1], &found[2], names);
    }
    for found in BROKEN_ARN.captures_iter(text) {
        arn("", &found[1], names);
    }
    for found in ACCOUNT.captures_iter(text) {
        if let Some(account) = found.get(1).or_else(|| found.get(2)) {
            names.number(account.as_str());
        }
    }
    for found in LINK.captures_iter(text) {
        names.host(&found[1]);
        if let Some(path) = found.get(2) {
            url_path(path.as_str(), names);
        }
    }
    for found in MAIL.captures_iter(text) {
        names.name("user", &found[1]);
        names.host(&found[2]);
    }
    for found in DOTTED.find_iter(text).filter(|found| looks_like_host(found.as_str())) {
        names.host(found.as_str());
    }
    for found in ACCOUNT_OF_SERVICE.captures_iter(text) {
        names.name("namespace", &found[1]);
        if let Some(account) = found.get(2) {
            names.name("name", account.as_str());
        }
    }
    for found in SAID.captures_iter(text) {
        let kind = match found[1].to_ascii_lowercase().as_str() {
            "user" | "username" | "authinfo" => "user",
            "group" => "group",
            "clusterrolebinding" | "rolebinding" => "binding",
            "clusterrole" | "role" => "role",
            "namespace" | "namespaces" => "namespace",
            "context" => "context",
            "cluster" => "cluster",
            "profile" => "profile",
            _ => "name",
        };
        if !found[2].starts_with("arn:") && !found[2].contains("://") {
            names.name(kind, &found[2]);
        }
    }
    for found in KEY_ID.captures_iter(text) {
        names.atom("key", &found[1]);
    }
    for found in REFUSED.captures_iter(text) {
        names.name("name", &found[1]);
    }
    for found in GROUPS.captures_iter(text) {
        for group in found[1].split(['"', '\\', ',', ' ']).filter(|group| !group.is_empty()) {
            names.name("group", group);
        }
    }
    if text.contains("rolearn:") || text.contains("userarn:") {
        for found in MAPPED.captures_iter(text) {
            if let Some(user) = found.get(1) {
                names.name("user", &TEMPLATE.replace_all(user.as_str(), " "));
            }
            if let Some(group) = found.get(2).filter(|group| !group.as_str().contains(": ")) {
                names.name("group", &TEMPLATE.replace_all(group.as_str(), " "));
            }
        }
    }
    for found in UUID.find_iter(text).chain(HEX.find_iter(text)).chain(PAIRS.find_iter(text)) {
        if found.as_str().bytes().any(|byte| byte.is_ascii_digit()) {
            id(found.as_str(), names);
        }
    }
    for found in AWS_ID.captures_iter(text).chain(AWS_KEY.captures_iter(text)) {
        let prefix = PREFIXES.iter().find(|prefix| **prefix == &found[1]).copied().unwrap_or("id");
        let joint = if prefix.starts_with(|c: char| c.is_ascii_uppercase()) { "" } else { "-" };
        names.tail(&found[0], prefix, joint);
    }
}

/// The path of a URL: realms and tenants are somebody's.
fn url_path(path: &str, names: &mut Names) {
    let mut before = "";
    for part in path.split('/').filter(|part| !part.is_empty()) {
        if before == "id" {
            names.id(part);
        } else if !known::FOLDERS.contains(part) && !HEX.is_match(part) && !UUID.is_match(part) {
            names.name("path", part);
        }
        before = part;
    }
}

static TEMPLATE: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\{\{[^}]*\}\}").expect("constant pattern"));

const PREFIXES: &[&str] = &[
    "vpce", "vpc", "subnet", "sgr", "sg", "eni", "rtb", "acl", "nat", "pl", "tgw", "dopt", "pcx", "igw", "eigw", "vgw",
    "lgw", "eipalloc", "i", "AROA", "AIDA", "AKIA", "ASIA", "ANPA", "AGPA", "AIPA",
];

/// What an ARN names.
fn arn(account: &str, resource: &str, names: &mut Names) {
    // AWS's own, such as its access policies.
    if account == "aws" {
        return;
    }
    let (kind, rest) = resource.split_once(['/', ':']).unwrap_or(("", resource));
    if kind == "oidc-provider" {
        let mut parts = rest.split('/');
        if let Some(host) = parts.next() {
            names.host(host.split(':').next().unwrap_or(host));
        }
        url_path(rest.split_once('/').map_or("", |(_, path)| path), names);
        return;
    }
    for part in rest.split(['/', ':', '{', '}']).filter(|part| !part.is_empty() && !part.contains('*')) {
        // The name that IAM Identity Center gives: its permission set and a random tail.
        if let Some(set) = part.strip_prefix("AWSReservedSSO_") {
            let (set, tail) = set.rsplit_once('_').unwrap_or((set, ""));
            names.atom("role", set);
            names.id(tail);
            let whole = format!("AWSReservedSSO_{}_{}", names.of(set), names.of(tail));
            names.given(part.to_owned(), whole);
            continue;
        }
        if matches!(part, "app" | "net" | "aws-reserved" | "sso.amazonaws.com" | "SessionName")
            || HEX.is_match(part)
            || AWS_ID.is_match(part)
        {
            continue;
        }
        let kind = match kind {
            "role" | "instance-profile" | "assumed-role" => "role",
            "user" => "user",
            "cluster" => "cluster",
            _ => "name",
        };
        names.name(kind, part);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(evidence: Value) -> Value {
        let done = anonymise(&evidence);
        assert!(done.left.is_empty(), "{:?}", done.left);
        done.evidence
    }

    #[test]
    fn the_same_thing_has_the_same_stand_in_everywhere() {
        let new = of(json!({
            "asked": { "error": "pods is forbidden: User \"oidc:alice@acme.com\" cannot list" },
            "identity": { "seen": { "user": { "username": "oidc:alice@acme.com", "groups": ["oidc:/platform-team", "system:authenticated"] } } },
            "credential": { "seen": { "token": { "claims": { "sub": "alice", "email": "Alice@acme.com", "groups": ["platform-team"], "employee": 48_213, "exp": 1_790_000_000 } } } },
            "kubeconfig": { "seen": { "files": [{ "path": "/home/alice/.kube/config" }] } },
        }));
        assert_eq!(new["identity"]["seen"]["user"]["username"], "oidc:user-1@host-1.example");
        assert_eq!(new["identity"]["seen"]["user"]["groups"], json!(["oidc:/group-1", "system:authenticated"]));
        let claims = &new["credential"]["seen"]["token"]["claims"];
        assert_eq!(claims["sub"], "user-1");
        assert_eq!(claims["email"], "User-1@host-1.example", "capitals stay capitals");
        assert_eq!(claims["groups"], json!(["group-1"]));
        assert_eq!((&claims["claim1"], &claims["exp"]), (&json!(10_000), &json!(1_790_000_000)));
        assert_eq!(new["kubeconfig"]["seen"]["files"][0]["path"], "/home/user-1/.kube/config");
        assert_eq!(new["asked"]["error"], "pods is forbidden: User \"oidc:user-1@host-1.example\" cannot list");
    }

    #[test]
    fn encodings_and_names_inside_names_are_found() {
        let new = of(json!({
            "identity": { "seen": { "user": { "username": "zoe@acme.com" } } },
            "asked": { "error": "https://id.acme.com/realms/blue?u=zoe%40acme.com&x=%2Fzoe\\nzoe sg acme-zoe-1" },
        }));
        let text = new.to_string();
        assert!(!text.contains("acme") && !text.contains("zoe") && !text.contains("blue"), "{text}");
    }

    /// Names that nobody wrote into a field for names.
    #[test]
    fn names_in_keys_pages_headers_and_paths_are_found() {
        let new = of(json!({
            "asked": { "error": "error: it failed at /Users/zelda/acmework/Acmefile.yaml." },
            "plugin": { "seen": { "stderr": "File \"/home/zelda/.local/lib/acmelib.py\", line 3" } },
            "identity": { "seen": { "user": { "username": "zelda", "extra": {
                "acme.org/site-acmetown": ["Acmeville"],
                "authentication.kubernetes.io/pod-name": ["acmepod-1"],
                "arn": ["arn:aws:sts::111122223333:assumed-role/AcmeRole/zelda"],
            } } } },
            "credential": { "seen": { "token": { "claims": {
                "sub": "zelda", "exp": 1_790_000_000, "acmenumber": 4_242_556_677_u64, "acme-grade": true,
                "realm_access": { "roles": ["acmerole"] },
                "nested": [{ "acmekey": { "acmeinner": ["Acmevalue"] } }],
            } } } },
            "controlPlane": { "flags": { "seen": { "flags": { "oidc-username-claim": ["acmenumber"] } } } },
            "endpoint": { "anonymous": { "seen": {
                "server": "gw-acme", "receivedAt": "2026-11-26T05:00:00Z", "status": 502,
                "body": "<html><title>Acmeco SSO portal</title><body><center>nginx/1.22.1</center>Ask Zörg; ref acme9</body></html>",
            } } },
            "issuer": { "jwks": { "seen": { "answer": { "server": "nginx/1.22.1", "receivedAt": "2026-11-26T05:00:00Z",
                "body": "{\"keys\": [{\"kty\": \"RSA\", \"kid\": \"acmekid\", \"x5c\": [\"MIIBacme\", \"MIIC\"]}]}" } } } },
        }));
        let text = new.to_string().to_lowercase();
        assert!(!["acme", "zelda", "zörg", "miib", "4242556677"].iter().any(|word| text.contains(word)), "{text}");
        let claims = &new["credential"]["seen"]["token"]["claims"];
        assert_eq!(claims["exp"], 1_790_000_000);
        assert!(claims["realm_access"]["roles"].is_array(), "{claims}");
        // What the server is configured with is still what the token has, and an identifier.
        let name = new["controlPlane"]["flags"]["seen"]["flags"]["oidc-username-claim"][0].as_str().expect("a claim");
        assert_eq!(claims[name], 10_000, "{claims}");
        assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{name}");
        // And what the findings need of a page and its server stays.
        let body = new["endpoint"]["anonymous"]["seen"]["body"].as_str().expect("a page");
        assert!(body.starts_with("<html><title>word SSO word</title><body><center>nginx/1.22.1</center>"), "{body}");
        assert_eq!(new["issuer"]["jwks"]["seen"]["answer"]["server"], "nginx/1.22.1");
    }

    #[test]
    fn patterns_go_on_matching() {
        let new = of(json!({
            "workload": {
                "namespace": { "seen": { "annotations": { "iam.amazonaws.com/permitted": "arn:aws:iam::111122223333:role/shop-.*" } } },
                "roles": [{ "named": "arn:aws:iam::111122223333:role/shop-orders" }, { "named": "billing" }],
            },
        }));
        let pattern = new["workload"]["namespace"]["seen"]["annotations"]["iam.amazonaws.com/permitted"].as_str();
        let named = new["workload"]["roles"][0]["named"].as_str().expect("a role");
        assert!(Regex::new(pattern.expect("a pattern")).expect("a pattern").is_match(named), "{new}");
        assert!(named.starts_with("arn:aws:iam::000000000001:role/"), "{named}");
    }

    #[test]
    fn what_names_nobody_stays() {
        let evidence = json!({
            "rbac": { "seen": { "bindings": [{ "name": "cluster-admin", "roleName": "cluster-admin", "namespace": "kube-system",
                "subjects": [{ "kind": "Group", "name": "system:masters" }] }] } },
            "endpoint": { "route": { "seen": { "host": "kubernetes.default.svc", "proxyReason": "no proxy" } } },
            "kubeconfig": { "seen": { "cluster": { "server": "https://127.0.0.1:6443" } } },
        });
        assert_eq!(of(evidence.clone()), evidence);
    }

    #[test]
    fn what_is_left_is_told() {
        assert!(stands_in("mail alice@acme.com.", "alice@acme.com"));
        assert!(stands_in("role/111122223333x", "111122223333"));
        assert!(stands_in("a shop-b", "shop") && !stands_in("workshop", "shop"));
    }
}
