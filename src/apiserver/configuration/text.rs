//! Where flags are written down: a command line, a static Pod's manifest, `/flagz`, an AuthenticationConfiguration.

use std::collections::BTreeMap;

use serde::Deserialize as _;
use serde_json::Value;

use crate::evidence::apiserver::Flags;
use crate::text::nested_too_deep;

/// Flags that take no separate value: `--flag value` is `--flag` and a stray word.
const BOOLEANS: [&str; 6] = [
    "anonymous-auth",
    "enable-bootstrap-token-auth",
    "service-account-lookup",
    "service-account-extend-token-expiration",
    "allow-privileged",
    "profiling",
];

/// Flags that `/flagz` prints as `[a,b]`.
const LISTS: [&str; 11] = [
    "service-account-issuer",
    "service-account-key-file",
    "api-audiences",
    "oidc-signing-algs",
    "authorization-mode",
    "requestheader-allowed-names",
    "requestheader-username-headers",
    "requestheader-group-headers",
    "requestheader-uid-headers",
    "requestheader-extra-headers-prefix",
    "tls-cipher-suites",
];

/// Reads kube-apiserver's flags from any of the forms people have them in.
///
/// Understood: a flags line as `ps` prints it (also a unit file's or shell script's, with continuation lines), a
/// static-Pod manifest (YAML or JSON, alone or in a list), the body of `/flagz`, an AuthenticationConfiguration.
/// The error says what was expected.
pub fn parse_flags_text(text: &str, source: &str) -> Result<Flags, String> {
    let text = text.trim_start_matches('\u{feff}');
    let mut flags = Flags { source: source.to_owned(), ..Flags::default() };
    if text.trim().is_empty() {
        return Err(format!("{source} is empty"));
    }
    if is_flagz(text) {
        flagz(text, &mut flags);
        return Ok(flags);
    }
    let documents = documents(text);
    if let Ok(documents) = &documents {
        for document in documents {
            if is_authentication_configuration(document) {
                flags.authentication_configuration = Some(document.clone());
                return Ok(flags);
            }
        }
        if let Some(words) = documents.iter().find_map(pod_words) {
            collect(&words, &mut flags);
            flags.complete = true;
            return Ok(flags);
        }
    }
    let words = words(text);
    if words.iter().any(|word| is_flag(word)) {
        collect(&words, &mut flags);
        // A whole command line names the program and holds what no kube-apiserver starts without; a part of one may name
        // the program too.
        let named = words.iter().any(|word| word.rsplit('/').next() == Some("kube-apiserver"));
        flags.complete =
            flags.flags.contains_key("etcd-servers") || named && flags.flags.contains_key("service-account-issuer");
        return Ok(flags);
    }
    let expected = "expected kube-apiserver's flags (a command line, a static Pod manifest or /flagz) or an \
         AuthenticationConfiguration";
    match documents {
        Err(error) if text.contains("apiVersion") => Err(format!("{source}: {error}")),
        Ok(documents) => match documents.iter().find_map(|document| document.get("kind")).and_then(Value::as_str) {
            Some(kind) => Err(format!("{source} holds a {kind} without kube-apiserver's flags; {expected}")),
            None => Err(format!("{source}: {expected}")),
        },
        Err(_) => Err(format!("{source}: {expected}")),
    }
}

fn is_authentication_configuration(document: &Value) -> bool {
    let text = |name: &str| document.get(name).and_then(Value::as_str).unwrap_or_default();
    text("kind") == "AuthenticationConfiguration" || text("apiVersion").starts_with("apiserver.config.k8s.io/")
}

fn documents(text: &str) -> Result<Vec<Value>, String> {
    if let Some(line) = nested_too_deep(text) {
        return Err(format!("line {line} is nested too deep to be read"));
    }
    serde_norway::Deserializer::from_str(text)
        .map(|document| {
            let mut value = serde_norway::Value::deserialize(document).map_err(|error| error.to_string())?;
            value.apply_merge().map_err(|error| error.to_string())?;
            serde_json::to_value(value).map_err(|error| error.to_string())
        })
        .collect()
}

/// The flags of a Pod (or its template) that runs kube-apiserver; `None` where none of its containers does.
pub fn flags_of_pod(pod: &Value) -> Option<BTreeMap<String, Vec<String>>> {
    let mut flags = Flags::default();
    collect(&pod_words(pod)?, &mut flags);
    Some(flags.flags)
}

/// Command and arguments of the container that runs kube-apiserver.
fn pod_words(document: &Value) -> Option<Vec<String>> {
    if let Some(items) = document.get("items").and_then(Value::as_array) {
        return items.iter().find_map(pod_words);
    }
    let spec = document.pointer("/spec/template/spec").or_else(|| document.get("spec"))?;
    spec.get("containers")?.as_array()?.iter().find_map(|container| {
        let texts = |name: &str| -> Vec<String> {
            let list = container.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let mut all = texts("command");
        all.extend(texts("args"));
        let named = container.get("name").and_then(Value::as_str) == Some("kube-apiserver");
        let runs = all.iter().any(|word| word.contains("kube-apiserver"));
        if !(named || runs) {
            return None;
        }
        // `sh -c "kube-apiserver --a --b"`: the flags are inside one word.
        let inner = all.iter().find(|word| word.contains(" --"));
        let found = inner.map_or(all.clone(), |script| words(script));
        found.iter().any(|word| is_flag(word)).then_some(found)
    })
}

fn is_flag(word: &str) -> bool {
    word.strip_prefix("--").is_some_and(|name| name.starts_with(|c: char| c.is_ascii_alphabetic()))
}

/// A command line's words: quotes are taken off, a backslash before a line's end joins lines, `#` lines are skipped.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    for line in text.replace("\\\r\n", " ").replace("\\\n", " ").lines() {
        if line.trim_start().starts_with('#') {
            continue;
        }
        let mut word: Option<String> = None;
        let mut quote = None;
        let mut chars = line.chars().peekable();
        while let Some(c) = chars.next() {
            match (quote, c) {
                (Some(open), c) if c == open => quote = None,
                (Some(_), c) => word.get_or_insert_default().push(c),
                (None, '"' | '\'') => {
                    quote = Some(c);
                    word.get_or_insert_default();
                }
                (None, '\\') if chars.peek().is_some_and(|next| !next.is_whitespace()) => {
                    word.get_or_insert_default().extend(chars.next());
                }
                (None, c) if c.is_whitespace() => words.extend(word.take()),
                (None, c) => word.get_or_insert_default().push(c),
            }
        }
        words.extend(word);
    }
    words
}

fn collect(words: &[String], flags: &mut Flags) {
    let mut at = 0;
    while at < words.len() {
        let word = words[at].as_str();
        at += 1;
        if !is_flag(word) {
            continue;
        }
        // A YAML list pasted in pieces or JSON leaves a comma.
        let word = word.trim_end_matches(',');
        let (name, value) = match word[2..].split_once('=') {
            Some((name, value)) => (name, value.to_owned()),
            None => {
                let name = &word[2..];
                match words.get(at).filter(|next| !is_flag(next) && !BOOLEANS.contains(&name)) {
                    Some(next) => {
                        at += 1;
                        (name, next.clone())
                    }
                    None => (name, "true".to_owned()),
                }
            }
        };
        flags.flags.entry(name.to_owned()).or_default().push(value);
    }
}

fn is_flagz(text: &str) -> bool {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    if lines.clone().take(3).any(|line| line.ends_with("flagz")) {
        return true;
    }
    // A body whose header was cut: nothing but sorted `name=value` lines, several of them.
    let looks = |line: &str| flagz_line(line, "=").is_some() && !line.starts_with('-');
    lines.clone().count() >= 3 && lines.all(looks)
}

/// The delimiter is chosen at random for each answer: `:`, `: `, `=` or a blank.
fn flagz(text: &str, flags: &mut Flags) {
    let lines: Vec<&str> = text
        .lines()
        .map(|line| line.trim_end_matches('\r'))
        .filter(|line| !line.ends_with(" flagz") && !line.starts_with("Warning:") && !line.trim().is_empty())
        .collect();
    let every = |delimiter: &str| lines.iter().all(|line| flagz_line(line, delimiter).is_some());
    let delimiter = ["=", ": ", ":", " "].into_iter().find(|delimiter| every(delimiter)).unwrap_or("=");
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in lines {
        let Some((name, value)) = flagz_line(line, delimiter) else { continue };
        let list = value.strip_prefix('[').and_then(|value| value.strip_suffix(']'));
        match list.filter(|_| LISTS.contains(&name)) {
            Some("") => {}
            Some(list) => {
                let items = list.split(',').map(|item| item.trim().trim_matches('"').to_owned());
                found.entry(name.to_owned()).or_default().extend(items);
            }
            None if name == "oidc-required-claim" => {
                let pairs = value.split(',').filter(|pair| !pair.is_empty()).map(str::to_owned);
                let pairs: Vec<String> = pairs.collect();
                if !pairs.is_empty() {
                    found.insert(name.to_owned(), pairs);
                }
            }
            // Every flag is printed; an empty text is the default of all that matter here.
            None if value.is_empty() => {}
            // Whether anonymous-auth was given or is the default cannot be seen; the value is the same.
            None => {
                found.entry(name.to_owned()).or_default().push(value.to_owned());
            }
        }
    }
    flags.flags = found;
    flags.complete = true;
}

fn flagz_line<'a>(line: &'a str, delimiter: &str) -> Option<(&'a str, &'a str)> {
    let line = line.trim_start_matches("--");
    let length = line.bytes().take_while(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-').count();
    let (name, rest) = line.split_at(length);
    if name.is_empty() || !name.starts_with(|c: char| c.is_ascii_lowercase()) {
        return None;
    }
    match rest.strip_prefix(delimiter) {
        Some(value) => Some((name, value)),
        // An empty value after a delimiter that ends in a blank, when the line was trimmed.
        None if rest == delimiter.trim_end() => Some((name, "")),
        None => None,
    }
}
