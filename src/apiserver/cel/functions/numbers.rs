//! Conversions between the simple types, and how Go writes numbers (cel-go common/types, ConvertToType).

use std::sync::Arc;

use super::super::evaluate::{Outcome, Stop};
use super::super::value::Value;
use super::time;
use crate::gotext::duration;

pub(super) fn call(id: &str, values: &[Value]) -> Option<Outcome> {
    let [value] = values else { return None };
    Some(match (id, value) {
        (
            "bool_to_bool"
            | "bytes_to_bytes"
            | "double_to_double"
            | "duration_to_duration"
            | "int64_to_int64"
            | "string_to_string"
            | "timestamp_to_timestamp"
            | "uint64_to_uint64",
            value,
        ) => Ok(value.clone()),
        ("string_to_bool", Value::String(text)) => match &**text {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(Value::Bool(true)),
            "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(Value::Bool(false)),
            _ => failed(value, "bool"),
        },
        ("string_to_bytes", Value::String(text)) => Ok(Value::Bytes(Arc::from(text.as_bytes()))),
        ("int64_to_double", Value::Int(value)) => Ok(Value::Double(*value as f64)),
        ("uint64_to_double", Value::Uint(value)) => Ok(Value::Double(*value as f64)),
        ("string_to_double", Value::String(text)) if text.contains(['x', 'X', '_']) => {
            Err(Stop::Unknown("floating-point numbers with `0x` or `_`".to_owned()))
        }
        ("string_to_double", Value::String(text)) => match parse_double(text) {
            Some(value) => Ok(Value::Double(value)),
            None => failed(value, "double"),
        },
        ("double_to_int64", Value::Double(double)) => {
            // 2^63 itself is refused on both sides (types/overflow.go).
            let fits = double.is_finite() && *double > -9.223_372_036_854_776e18 && *double < 9.223_372_036_854_776e18;
            if fits { Ok(Value::Int(*double as i64)) } else { Err("integer overflow".into()) }
        }
        ("uint64_to_int64", Value::Uint(value)) => {
            i64::try_from(*value).map(Value::Int).map_err(|_| "integer overflow".into())
        }
        ("string_to_int64", Value::String(text)) => match digits(text, true).and_then(|text| text.parse().ok()) {
            Some(value) => Ok(Value::Int(value)),
            None => failed(value, "int"),
        },
        ("duration_to_int64", Value::Duration(value)) => Ok(Value::Int(*value)),
        ("timestamp_to_int64", Value::Timestamp(time)) => {
            Ok(Value::Int(time.nanoseconds.div_euclid(1_000_000_000) as i64))
        }
        ("double_to_uint64", Value::Double(double)) => {
            let fits = double.is_finite() && *double >= 0.0 && *double < 18_446_744_073_709_551_615.0;
            if fits { Ok(Value::Uint(*double as u64)) } else { Err("unsigned integer overflow".into()) }
        }
        ("int64_to_uint64", Value::Int(value)) => {
            u64::try_from(*value).map(Value::Uint).map_err(|_| "unsigned integer overflow".into())
        }
        ("string_to_uint64", Value::String(text)) => match digits(text, false).and_then(|text| text.parse().ok()) {
            Some(value) => Ok(Value::Uint(value)),
            None => failed(value, "uint"),
        },
        (
            "bool_to_string"
            | "bytes_to_string"
            | "double_to_string"
            | "duration_to_string"
            | "int64_to_string"
            | "timestamp_to_string"
            | "uint64_to_string",
            value,
        ) => to_string(value).map(|text| Value::text(&text)).map_err(Into::into),
        ("int64_to_timestamp", Value::Int(seconds)) => time::from_seconds(*seconds),
        ("string_to_timestamp", Value::String(text)) => match time::parse_timestamp(text) {
            Some(result) => result,
            None => failed(value, "google.protobuf.Timestamp"),
        },
        ("int64_to_duration", value) => failed(value, "google.protobuf.Duration"),
        ("string_to_duration", Value::String(text)) => match duration::parse(text) {
            Some(span) => Ok(Value::Duration(span)),
            None => failed(value, "google.protobuf.Duration"),
        },
        _ => return None,
    })
}

fn failed(value: &Value, to: &str) -> Outcome {
    Err(format!("type conversion error from '{}' to '{to}'", value.type_name()).into())
}

/// The text that `string()` makes.
pub(super) fn to_string(value: &Value) -> Result<String, String> {
    Ok(match value {
        Value::Bytes(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => text.to_owned(),
            Err(_) => return Err("invalid UTF-8 in bytes, cannot convert to string".to_owned()),
        },
        Value::Duration(span) => format!("{}s", *span as f64 / 1e9),
        Value::Timestamp(time) => time.shown(),
        Value::Type(name) => name.to_string(),
        other => other.shown(),
    })
}

/// Only what Go's ParseInt takes in base 10.
fn digits(text: &str, signed: bool) -> Option<&str> {
    let plain = if signed { text.strip_prefix(['+', '-']).unwrap_or(text) } else { text };
    (!plain.is_empty() && plain.bytes().all(|byte| byte.is_ascii_digit())).then_some(text)
}

/// Go's ParseFloat, but for hexadecimal ones.
fn parse_double(text: &str) -> Option<f64> {
    let plain = text.strip_prefix(['+', '-']).unwrap_or(text);
    let lower = plain.to_ascii_lowercase();
    if matches!(lower.as_str(), "inf" | "infinity" | "nan") {
        return if lower == "nan" && plain.len() != text.len() { None } else { text.parse().ok() };
    }
    if !plain.starts_with(|character: char| character.is_ascii_digit() || character == '.') {
        return None;
    }
    text.parse::<f64>().ok().filter(|value| value.is_finite())
}

/// `%g` of Go: the shortest digits, with an exponent below -4 and from 6 on.
pub(in super::super) fn shown_double(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let scientific = format!("{value:e}");
    let Some((mantissa, exponent)) = scientific.split_once('e') else { return scientific };
    let power: i32 = exponent.parse().unwrap_or(0);
    if (-4..6).contains(&power) {
        return format!("{value}");
    }
    let sign = if power < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", power.abs())
}
