//! URLs as Go's net/url takes them apart (k8s.io/apiserver pkg/cel/library/urls.go).

use std::sync::Arc;

use super::super::evaluate::{Outcome, Stop};
use super::super::value::{Map, Value};
use crate::gotext::{quote, url};

/// A parsed URL.
#[derive(Debug, Clone)]
pub struct Url {
    /// As it was written.
    pub text: String,
    scheme: String,
    host: String,
    path: String,
    query: String,
}

pub(super) fn call(id: &str, values: &[Value]) -> Option<Outcome> {
    let first = values.first()?;
    if let Value::String(text) = first {
        return Some(match id {
            "string_to_url" => match parse(text) {
                Ok(url) => Ok(Value::Url(Arc::new(url))),
                Err(Stop::Error(text)) => {
                    Err(Stop::Error(format!("URL parse error during conversion from string: {text}")))
                }
                Err(other) => Err(other),
            },
            "is_url_string" => match parse(text) {
                Ok(_) => Ok(Value::Bool(true)),
                Err(Stop::Error(_)) => Ok(Value::Bool(false)),
                Err(other) => Err(other),
            },
            _ => return None,
        });
    }
    let Value::Url(url) = first else { return None };
    let (hostname, port) = split_port(&url.host);
    Some(Ok(match id {
        "url_get_scheme" => Value::text(&url.scheme),
        "url_get_host" => Value::text(&url.host),
        "url_get_hostname" => Value::text(hostname.trim_start_matches('[').trim_end_matches(']')),
        "url_get_port" => Value::text(port.unwrap_or_default()),
        "url_get_escaped_path" => match escaped_path(&url.path) {
            Some(path) => Value::text(&path),
            None => return Some(Err(Stop::Unknown("how Go escapes the path".to_owned()))),
        },
        "url_get_query" => query(&url.query),
        _ => return None,
    }))
}

/// Go's url.ParseRequestURI.
pub(super) fn parse(text: &str) -> Result<Url, Stop> {
    let fault = |why: String| Err(Stop::Error(format!("parse {}: {why}", quote(text))));
    if text.bytes().any(|byte| byte < b' ' || byte == 0x7f) {
        return fault("net/url: invalid control character in URL".to_owned());
    }
    if text.is_empty() {
        return fault("empty url".to_owned());
    }
    let (scheme, rest) = match url::scheme(text) {
        Ok(found) => found,
        Err(why) => return fault(why),
    };
    // url.Parse, which makes the URL in the end, cuts a fragment off; ParseRequestURI takes it for a part of the rest.
    let (rest, _) = rest.split_once('#').unwrap_or((rest, ""));
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    if !rest.starts_with('/') {
        if !scheme.is_empty() {
            // An opaque URL: `mailto:someone`.
            return Ok(Url {
                text: text.to_owned(),
                scheme,
                host: String::new(),
                path: String::new(),
                query: query.to_owned(),
            });
        }
        return fault("invalid URI for request".to_owned());
    }
    let (authority, path) = match rest.strip_prefix("//") {
        Some(after) if !scheme.is_empty() || !rest.starts_with("///") => {
            let end = after.find('/').unwrap_or(after.len());
            after.split_at(end)
        }
        _ => ("", rest),
    };
    let host = match url::authority(&scheme, authority) {
        Ok((_, host)) => host,
        Err(why) => return fault(why),
    };
    let Ok(host) = String::from_utf8(host) else { return Err(Stop::Unknown(format!("the host of {text}"))) };
    if let Some(bad) = bad_escape(path) {
        return fault(format!("invalid URL escape {}", quote(bad)));
    }
    Ok(Url { text: text.to_owned(), scheme, host, path: path.to_owned(), query: query.to_owned() })
}

/// The host without and the port, if what follows the last colon is one. A host whose colon is followed by something
/// else is cut there, without a port.
fn split_port(host: &str) -> (&str, Option<&str>) {
    let after = host.rfind(']').map_or(0, |at| at + 1);
    match host[after..].rfind(':').map(|at| at + after) {
        Some(at) if host[at + 1..].bytes().all(|byte| byte.is_ascii_digit()) => (&host[..at], Some(&host[at + 1..])),
        Some(at) => (&host[..at], None),
        None => (host, None),
    }
}

fn bad_escape(path: &str) -> Option<&str> {
    let mut rest = path;
    while let Some(at) = rest.find('%') {
        let escape = &rest[at..];
        let hex = escape.len() >= 3 && escape.as_bytes()[1..3].iter().all(u8::is_ascii_hexdigit);
        if !hex {
            return Some(escape.get(..3.min(escape.len())).unwrap_or(escape));
        }
        rest = &escape[3..];
    }
    None
}

/// A path that is a valid encoding stays as it is; one with characters that need escapes gets them.
fn escaped_path(path: &str) -> Option<String> {
    let fine = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~$&+,/:;=@!'()*[]%".contains(&byte);
    if path.bytes().all(fine) {
        return Some(path.to_owned());
    }
    if path.contains('%') {
        return None;
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~$&+,/:;=@".contains(&byte);
    Some(
        path.bytes()
            .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
            .collect(),
    )
}

fn query(text: &str) -> Value {
    let mut entries: Vec<(Value, Vec<String>)> = Vec::new();
    for pair in text.split('&') {
        if pair.is_empty() || pair.contains(';') {
            continue;
        }
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (Some(key), Some(value)) = (decoded(key), decoded(value)) else { continue };
        match entries.iter_mut().find(|(have, _)| matches!(have, Value::String(have) if **have == *key)) {
            Some((_, values)) => values.push(value),
            None => entries.push((Value::text(&key), vec![value])),
        }
    }
    let entries = entries.into_iter().map(|(key, values)| (key, Value::texts(values))).collect();
    Value::Map(Arc::new(Map { entries, from_json: false }))
}

fn decoded(text: &str) -> Option<String> {
    if bad_escape(text).is_some() {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        match first {
            b'+' => bytes.push(b' '),
            b'%' => {
                let hex = std::str::from_utf8(&tail[..2]).ok()?;
                bytes.push(u8::from_str_radix(hex, 16).ok()?);
                rest = &tail[2..];
            }
            other => bytes.push(*other),
        }
    }
    String::from_utf8(bytes).ok()
}
