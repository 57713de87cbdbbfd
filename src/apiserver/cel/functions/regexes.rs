//! Regular expressions, in Go's dialect.

use super::super::evaluate::{Outcome, Stop};
use super::super::value::Value;
use crate::gotext::regex::Fault;

pub(super) fn call(id: &str, values: &[Value]) -> Option<Outcome> {
    let (Some(Value::String(text)), Some(Value::String(pattern))) = (values.first(), values.get(1)) else {
        return None;
    };
    let count = match (id, values.get(2)) {
        ("string_find_string", None) => 1,
        ("string_find_all_string", None) => -1,
        ("string_find_all_string_int", Some(Value::Int(count))) => *count,
        _ => return None,
    };
    let compiled = match compile(pattern) {
        Ok(compiled) => compiled,
        Err(Stop::Error(text)) => return Some(Err(Stop::Error(format!("Illegal regex: {text}")))),
        Err(other) => return Some(Err(other)),
    };
    if id == "string_find_string" {
        return Some(Ok(Value::text(compiled.find(text).map_or("", |found| found.as_str()))));
    }
    let most = usize::try_from(count).unwrap_or(usize::MAX);
    Some(Ok(Value::texts(find_all(&compiled, text, most))))
}

/// Like Go, and unlike the crate, an empty match right after another match does not count.
fn find_all(compiled: &regex::Regex, text: &str, most: usize) -> Vec<String> {
    let mut found = Vec::new();
    let mut end = None;
    for one in compiled.find_iter(text) {
        if found.len() >= most {
            break;
        }
        if one.is_empty() && end == Some(one.start()) {
            continue;
        }
        end = Some(one.end());
        found.push(one.as_str().to_owned());
    }
    found
}

pub(super) fn is_match(text: &str, pattern: &str) -> Outcome {
    Ok(Value::Bool(compile(pattern)?.is_match(text)))
}

/// The compiled pattern, or Go's error.
pub(in super::super) fn compile(pattern: &str) -> Result<regex::Regex, Stop> {
    crate::gotext::regex::compile(pattern).map_err(|fault| match fault {
        Fault::Invalid(text) => Stop::Error(text),
        Fault::Unknown => Stop::Unknown(format!("the regular expression {pattern}")),
    })
}
