//! What an HTTP request, or a kubectl command, asks for.
//!
//! Source: Kubernetes' `apiserver/pkg/endpoints/request/requestinfo.go`.

use crate::evidence::access::Question;

/// The question of `METHOD /path?query`, as the server derives it.
///
/// # Errors
/// What stands in the way, for the user.
pub fn from_http(method: &str, target: &str) -> Result<Question, String> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let path = percent_decoded(path)?;
    let other = || Question { verb: method.to_lowercase(), path: Some(path.clone()), ..Question::default() };
    let trimmed = path.trim_matches('/');
    let mut parts: Vec<&str> = if trimmed.is_empty() { Vec::new() } else { trimmed.split('/').collect() };
    if parts.len() < 3 {
        return Ok(other());
    }
    let mut question = Question::default();
    match parts.remove(0) {
        "api" => {}
        "apis" if parts.len() < 3 => return Ok(other()),
        "apis" => parts.remove(0).clone_into(&mut question.group),
        _ => return Ok(other()),
    }
    // The version.
    parts.remove(0);
    question.verb = match method {
        "POST" => "create",
        "GET" | "HEAD" => "get",
        "PUT" => "update",
        "PATCH" => "patch",
        "DELETE" => "delete",
        _ => "",
    }
    .to_owned();
    if ["proxy", "watch"].contains(&parts[0]) {
        if parts.len() < 2 {
            return Err(format!("unable to determine kind and namespace from url, {path}"));
        }
        parts.remove(0).clone_into(&mut question.verb);
    }
    if parts[0] == "namespaces" && parts.len() > 1 {
        parts[1].clone_into(&mut question.namespace);
        // `status` and `finalize` belong to the namespace itself.
        if parts.len() > 2 && !["status", "finalize"].contains(&parts[2]) {
            parts.drain(..2);
        }
    }
    if parts.len() >= 3 && question.verb != "proxy" {
        parts[2].clone_into(&mut question.subresource);
    }
    if let Some(name) = parts.get(1) {
        (*name).clone_into(&mut question.name);
    }
    parts[0].clone_into(&mut question.resource);
    if question.name.is_empty() && question.verb == "get" {
        let (watch, name) = list_options(query);
        question.verb = if watch { "watch" } else { "list" }.to_owned();
        question.name = name.unwrap_or_default();
    }
    if question.name.is_empty() && question.verb == "delete" {
        "deletecollection".clone_into(&mut question.verb);
    }
    Ok(question)
}

/// Whether a list is a watch, and the one object it is limited to.
fn list_options(query: &str) -> (bool, Option<String>) {
    let pairs: Vec<(String, String)> =
        url::form_urlencoded::parse(query.as_bytes()).map(|(key, value)| (key.into(), value.into())).collect();
    let first = |wanted: &str| pairs.iter().find(|(key, _)| key == wanted).map(|(_, value)| value.as_str());
    let watch = first("watch").is_some_and(|value| !["false", "0"].contains(&value.to_lowercase().as_str()));
    let numbers = ["limit", "timeoutSeconds"];
    let broken = numbers.iter().any(|name| first(name).is_some_and(|value| value.parse::<i64>().is_err()));
    // Options that do not decode lose the selector, not the watch.
    let name = if broken { None } else { first("fieldSelector").and_then(selected_name) };
    (watch, name)
}

/// The name that `metadata.name=NAME` (or `==`) in a field selector requires, where it can be a name.
fn selected_name(selector: &str) -> Option<String> {
    let mut name = None;
    for term in split_terms(selector) {
        if term.is_empty() {
            continue;
        }
        let (field, value) = match term.find(['=', '!']) {
            // A term without an operator makes the whole selector invalid.
            None => return None,
            Some(at) => term.split_at(at),
        };
        if value.starts_with('!') {
            if !value.starts_with("!=") {
                return None;
            }
            continue;
        }
        let value = value.strip_prefix("==").or_else(|| value.strip_prefix('='))?;
        if field == "metadata.name" && name.is_none() {
            name = Some(value.replace("\\,", ",").replace("\\=", "=").replace("\\\\", "\\"));
        }
    }
    name.filter(|name| !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '%']))
}

fn split_terms(selector: &str) -> Vec<String> {
    let (mut terms, mut term, mut escaped) = (Vec::new(), String::new(), false);
    for c in selector.chars() {
        if c == ',' && !escaped {
            terms.push(std::mem::take(&mut term));
            continue;
        }
        escaped = c == '\\' && !escaped;
        term.push(c);
    }
    terms.push(term);
    terms
}

fn percent_decoded(path: &str) -> Result<String, String> {
    let bytes = path.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] == b'%' {
            let hex = path.get(at + 1..at + 3).and_then(|hex| u8::from_str_radix(hex, 16).ok());
            out.push(hex.ok_or_else(|| format!("the path {path:?} holds an invalid % escape"))?);
            at += 3;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8(out).map_err(|_| format!("the path {path:?} is not UTF-8"))
}

/// What a kubectl command asks the server, as `VERB TYPE` words; empty for an unknown one.
///
/// `TYPE` stands for whatever type the command is given.
pub fn kubectl(command: &str) -> &'static [(&'static str, &'static str)] {
    match command {
        "logs" | "log" => &[("get", "pods"), ("get", "pods/log")],
        // A WebSocket upgrade is a GET; kubectl falls back to POST, servers from 1.35 want create for both.
        "exec" | "cp" => &[("get", "pods"), ("create", "pods/exec"), ("get", "pods/exec")],
        "attach" => &[("get", "pods"), ("create", "pods/attach"), ("get", "pods/attach")],
        "port-forward" => &[("get", "pods"), ("create", "pods/portforward"), ("get", "pods/portforward")],
        "debug" => &[("get", "pods"), ("patch", "pods/ephemeralcontainers"), ("create", "pods/attach")],
        "run" => &[("create", "pods")],
        "apply" => &[("get", "TYPE"), ("patch", "TYPE"), ("create", "TYPE")],
        "edit" | "label" | "annotate" | "set" => &[("get", "TYPE"), ("patch", "TYPE")],
        "replace" => &[("get", "TYPE"), ("update", "TYPE")],
        "describe" => &[("get", "TYPE"), ("list", "events")],
        "scale" => &[("get", "TYPE/scale"), ("update", "TYPE/scale"), ("patch", "TYPE/scale")],
        "rollout" => &[("get", "TYPE"), ("list", "TYPE"), ("watch", "TYPE"), ("patch", "TYPE")],
        "autoscale" => &[("get", "TYPE"), ("create", "horizontalpodautoscalers.autoscaling")],
        "expose" => &[("get", "TYPE"), ("create", "services")],
        "drain" => &[
            ("get", "nodes"),
            ("patch", "nodes"),
            ("list", "pods"),
            ("get", "pods"),
            ("create", "pods/eviction"),
            ("get", "daemonsets.apps"),
        ],
        "cordon" | "uncordon" | "taint" => &[("get", "nodes"), ("patch", "nodes")],
        "top" => &[("list", "pods.metrics.k8s.io"), ("list", "nodes.metrics.k8s.io")],
        "evict" => &[("create", "pods/eviction")],
        "token" => &[("create", "serviceaccounts/token")],
        "wait" => &[("get", "TYPE"), ("list", "TYPE"), ("watch", "TYPE")],
        "diff" => &[("get", "TYPE"), ("patch", "TYPE")],
        _ => &[],
    }
}
