//! The walk over the saved form: which texts are left alone, and how the others are replaced.

use serde_json::Value;

use super::known;
use super::patterns::CERTIFIED;

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
    "pluginPolicy",
    "extendedKeyUsages",
    "observedAt",
    "method",
    "contentType",
    "undecodableType",
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
    &["claims", "extra", "annotations", "tags", "data", "requiredClaims", "resource_access", "header", "mounts"];

pub(super) fn is_fixed(path: &[&str]) -> bool {
    let key = path.last().copied().unwrap_or_default();
    let claims = path.contains(&"claims") || path.contains(&"repeated") || path.contains(&"extra");
    !claims && FIXED.contains(&key) && !(key == "role" && path.contains(&"annotations"))
}

/// A text that is left alone.
pub(super) fn stays(path: &[&str], text: &str) -> bool {
    // What /version says is nobody's, and its keys are common words.
    is_fixed(path) || path.last().is_some_and(|last| *last == "body") && text.contains("gitVersion")
}

/// Every value with the keys that lead to it.
pub(super) fn each_path<'a>(value: &'a Value, path: &mut Vec<&'a str>, seen: &mut dyn FnMut(&[&str], &str)) {
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
pub(super) fn each_text(value: &Value, seen: &mut dyn FnMut(&str)) {
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

pub(super) fn rewrite<'a>(value: &'a mut Value, path: &mut Vec<&'a str>, new: &dyn Fn(&str) -> String) {
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
            if path.contains(&"claims")
                && !known::CLAIMS.contains(key)
                && number.as_i64().is_none_or(|n| n.unsigned_abs() > 9_999)
            {
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
