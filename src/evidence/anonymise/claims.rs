//! Names by the claims of a token.

use serde_json::{Map, Value};

use super::fields::client;
use super::known;
use super::names::Names;
use super::patterns::{AWS_KEY, UUID};

/// Everything a token says of somebody.
pub(super) fn claims(fields: &Map<String, Value>, path: &[&str], names: &mut Names) {
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

pub(super) fn claim(key: &str, value: &Value, names: &mut Names) {
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
