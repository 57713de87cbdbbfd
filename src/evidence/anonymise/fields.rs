//! Names by the field they stand in.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Map, Value};

use super::claims::{claim, claims};
use super::known;
use super::names::{Names, looks_like_host};
use super::patterns::{ADDRESS, AWS_ID, UUID};
use super::rewrite::is_fixed;

/// Names by the field they stand in.
pub(super) fn by_field<'a>(value: &'a Value, path: &mut Vec<&'a str>, files: bool, names: &mut Names) {
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
        (_, "uid" | "impersonateUid") => names.name("id", text),
        ("impersonateExtra", _) => names.name("extra", text),
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
        (_, "names")
            if path
                .iter()
                .any(|part| matches!(*part, "chain" | "authorities" | "clientAuthorities" | "certificates")) =>
        {
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
        (_, "file" | "path" | "program" | "command" | "pluginAllowlist")
            if files && path.iter().any(|part| matches!(*part, "kubeconfig" | "plugin" | "fault")) =>
        {
            names.file(text);
        }
        (_, "source") if files && text.contains(['/', '\\']) => names.file(text),
        (_, "pullSecrets" | "secrets" | "envFromSecrets" | "prefixedSecrets" | "envFromConfigMapNames") => {
            names.name("secret", text)
        }
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

pub(super) fn id(text: &str, names: &mut Names) {
    if text.len() >= 6 {
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            names.number(text);
        } else {
            names.id(text);
        }
    }
}

pub(super) fn client(text: &str, names: &mut Names) {
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
