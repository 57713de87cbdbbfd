//! Texts (cel-go ext/strings.go version 2, common/types/string.go).

use super::super::evaluate::{Outcome, Stop};
use super::super::value::Value;
use super::format;

pub(super) fn call(id: &str, values: &[Value]) -> Option<Outcome> {
    if let Some(Value::List(items, _)) = values.first() {
        let separator = match (id, values.get(1)) {
            ("list_join", None) => "",
            ("list_join_string", Some(Value::String(separator))) => separator,
            _ => return None,
        };
        return Some(join(items, separator));
    }
    let Some(Value::String(text)) = values.first() else { return None };
    let bool = |value: bool| Ok(Value::Bool(value));
    Some(match (id, &values[1..]) {
        ("contains_string", [Value::String(part)]) => bool(text.contains(&**part)),
        ("starts_with_string", [Value::String(part)]) => bool(text.starts_with(&**part)),
        ("ends_with_string", [Value::String(part)]) => bool(text.ends_with(&**part)),
        ("string_char_at_int", [Value::Int(index)]) => {
            let characters: Vec<char> = text.chars().collect();
            match usize::try_from(*index) {
                Ok(index) if index < characters.len() => Ok(Value::text(&characters[index].to_string())),
                Ok(index) if index == characters.len() => Ok(Value::text("")),
                _ => out_of_range(*index),
            }
        }
        ("string_index_of_string", [Value::String(part)]) => index_of(text, part, 0),
        ("string_index_of_string_int", [Value::String(part), Value::Int(from)]) => index_of(text, part, *from),
        ("string_last_index_of_string", [Value::String(part)]) => {
            let length = text.chars().count() as i64;
            if part.is_empty() {
                Ok(Value::Int(length))
            } else if text.len() < part.len() {
                Ok(Value::Int(-1))
            } else {
                last_index_of(text, part, length - 1)
            }
        }
        ("string_last_index_of_string_int", [Value::String(part), Value::Int(from)]) => {
            last_index_of(text, part, *from)
        }
        ("string_lower_ascii", []) => Ok(Value::text(&text.to_ascii_lowercase())),
        ("string_upper_ascii", []) => Ok(Value::text(&text.to_ascii_uppercase())),
        ("string_replace_string_string", [Value::String(old), Value::String(new)]) => {
            Ok(Value::text(&text.replace(&**old, new)))
        }
        ("string_replace_string_string_int", [Value::String(old), Value::String(new), Value::Int(count)]) => {
            let count = usize::try_from(*count).unwrap_or(usize::MAX);
            Ok(Value::text(&text.replacen(&**old, new, count)))
        }
        ("string_split_string", [Value::String(separator)]) => Ok(Value::texts(split(text, separator, -1))),
        ("string_split_string_int", [Value::String(separator), Value::Int(count)]) => {
            Ok(Value::texts(split(text, separator, *count)))
        }
        ("string_substring_int", [Value::Int(start)]) => {
            let length = text.chars().count() as i64;
            if *start < 0 || *start > length { out_of_range(*start) } else { Ok(substring(text, *start, length)) }
        }
        ("string_substring_int_int", [Value::Int(start), Value::Int(end)]) => {
            let length = text.chars().count() as i64;
            if start > end {
                Err(format!("invalid substring range. start: {start}, end: {end}").into())
            } else if *start < 0 || *start > length {
                out_of_range(*start)
            } else if *end < 0 || *end > length {
                out_of_range(*end)
            } else {
                Ok(substring(text, *start, *end))
            }
        }
        ("string_trim", []) => Ok(Value::text(text.trim())),
        ("strings_quote", []) => Ok(Value::text(&quote(text))),
        ("string_format", [Value::List(items, _)]) => format::format(text, items),
        _ => return None,
    })
}

fn out_of_range(index: i64) -> Outcome {
    Err(format!("index out of range: {index}").into())
}

fn substring(text: &str, start: i64, end: i64) -> Value {
    let part: String = text.chars().skip(start as usize).take((end - start) as usize).collect();
    Value::text(&part)
}

fn index_of(text: &str, part: &str, from: i64) -> Outcome {
    if part.is_empty() {
        return Ok(Value::Int(from));
    }
    let Ok(start) = usize::try_from(from) else { return out_of_range(from) };
    let (text, part): (Vec<char>, Vec<char>) = (text.chars().collect(), part.chars().collect());
    let found = text.windows(part.len()).enumerate().skip(start).find(|(_, window)| *window == part);
    Ok(Value::Int(found.map_or(-1, |(at, _)| at as i64)))
}

fn last_index_of(text: &str, part: &str, from: i64) -> Outcome {
    if part.is_empty() {
        return Ok(Value::Int(from));
    }
    let Ok(start) = usize::try_from(from) else { return out_of_range(from) };
    let (text, part): (Vec<char>, Vec<char>) = (text.chars().collect(), part.chars().collect());
    if start >= text.len() {
        return Ok(Value::Int(-1));
    }
    let mut windows = text.windows(part.len()).enumerate().take(start + 1).collect::<Vec<_>>();
    windows.reverse();
    Ok(Value::Int(windows.into_iter().find(|(_, window)| *window == part).map_or(-1, |(at, _)| at as i64)))
}

/// Go's strings.SplitN.
fn split(text: &str, separator: &str, count: i64) -> Vec<String> {
    let most = match count {
        0 => return Vec::new(),
        count => usize::try_from(count).unwrap_or(usize::MAX),
    };
    if separator.is_empty() {
        let mut parts: Vec<String> = Vec::new();
        let mut rest = text;
        while let Some(character) = rest.chars().next() {
            if parts.len() + 1 == most {
                parts.push(rest.to_owned());
                return parts;
            }
            parts.push(character.to_string());
            rest = &rest[character.len_utf8()..];
        }
        return parts;
    }
    text.splitn(most, separator).map(ToOwned::to_owned).collect()
}

fn join(items: &[Value], separator: &str) -> Outcome {
    let mut texts = Vec::with_capacity(items.len());
    for item in items {
        match item {
            Value::String(text) => texts.push(&**text),
            Value::List(..) | Value::Map(_) | Value::Object(_) => {
                return Err(Stop::Unknown("how Go prints a list or map".to_owned()));
            }
            other => return Err(format!("join: invalid input: {}", other.shown()).into()),
        }
    }
    Ok(Value::text(&texts.join(separator)))
}

fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '\u{7}' => quoted.push_str("\\a"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{c}' => quoted.push_str("\\f"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\u{b}' => quoted.push_str("\\v"),
            '\\' => quoted.push_str("\\\\"),
            '"' => quoted.push_str("\\\""),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}
