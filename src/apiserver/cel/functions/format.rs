//! `string.format`, when it is compiled and when it runs (cel-go ext/formatting.go).

use super::super::evaluate::{Outcome, Stop};
use super::super::value::Value;
use super::numbers;
use crate::gotext::quote;

/// Digits after the point unless the clause says so.
const PRECISION: usize = 6;

/// A piece of a format.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in super::super) struct Clause {
    pub(in super::super) verb: char,
    precision: Option<usize>,
}

/// Walks over a format; `argument` makes the text of each clause, or says why not. The check at compile time looks at
/// the end of the format before it looks for an argument, the run the other way round.
pub(in super::super) fn walk<E>(
    format: &str,
    checking: bool,
    arguments: usize,
    error: impl Fn(String) -> E,
    mut argument: impl FnMut(usize, Clause) -> Result<String, E>,
) -> Result<String, E> {
    let mut out = String::new();
    let mut rest = format;
    let mut index = 0;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(tail) = rest.strip_prefix('%') {
            out.push('%');
            rest = tail;
            continue;
        }
        if rest.is_empty() && (checking || index < arguments) {
            return Err(error("unexpected end of string".to_owned()));
        }
        if index >= arguments {
            return Err(error(format!("index {index} out of range")));
        }
        let clause_error = |text: String| error(format!("could not parse formatting clause: {text}"));
        let mut precision = None;
        if let Some(tail) = rest.strip_prefix('.') {
            let digits = tail.bytes().take_while(u8::is_ascii_digit).count();
            if digits == tail.len() {
                return Err(clause_error(
                    "error while parsing precision: could not find end of precision specifier".to_owned(),
                ));
            }
            let number = &tail[..digits];
            precision = Some(number.parse().map_err(|_| {
                clause_error(format!(
                    "error while parsing precision: error while converting precision to integer: strconv.Atoi: parsing {}: invalid syntax",
                    quote(number)
                ))
            })?);
            rest = &tail[digits..];
        }
        // Go looks at one byte.
        let verb = rest.bytes().next().map_or('\u{fffd}', char::from);
        if !matches!(verb, 's' | 'd' | 'f' | 'e' | 'b' | 'x' | 'X' | 'o') {
            return Err(clause_error(format!("unrecognized formatting clause \"{verb}\"")));
        }
        out.push_str(&argument(index, Clause { verb, precision })?);
        index += 1;
        rest = &rest[1..];
    }
    out.push_str(rest);
    Ok(out)
}

/// Why a clause does not take a type.
pub(in super::super) fn refusal(verb: char, type_name: &str) -> String {
    let what = match verb {
        'd' => "decimal clause can only be used on integers",
        'f' => "fixed-point clause can only be used on doubles",
        'e' => "scientific clause can only be used on doubles",
        'b' => "only integers and bools can be formatted as binary",
        'x' | 'X' => "only integers, byte buffers, and strings can be formatted as hex",
        'o' => "octal clause can only be used on integers",
        _ => {
            "string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, types, durations, and timestamps"
        }
    };
    format!("error during formatting: {what}, was given {type_name}")
}

pub(super) fn format(format: &str, items: &[Value]) -> Outcome {
    let text = walk(format, false, items.len(), Stop::Error, |index, clause| {
        let value = &items[index];
        one(clause, value)?.ok_or_else(|| Stop::Error(refusal(clause.verb, value.type_name())))
    })?;
    Ok(Value::text(&text))
}

fn one(clause: Clause, value: &Value) -> Result<Option<String>, Stop> {
    let precision = clause.precision.unwrap_or(PRECISION);
    Ok(match (clause.verb, value) {
        ('s', value) => plain(value)?,
        ('d', Value::Int(value)) => Some(value.to_string()),
        ('d', Value::Uint(value)) => Some(value.to_string()),
        // The numbers are written for a locale that groups digits.
        ('f' | 'e', Value::Double(value)) if !value.is_finite() => {
            return Err(Stop::Unknown("how a locale writes infinity".into()));
        }
        ('f', Value::Double(value)) => Some(grouped(&format!("{value:.precision$}"))),
        ('e', Value::Double(value)) => {
            // What says precision is the width in Go.
            let width = clause.precision.unwrap_or_default();
            Some(format!("{:>width$}", scientific(&format!("{value:.PRECISION$e}"))))
        }
        ('b', Value::Bool(value)) => Some(u8::from(*value).to_string()),
        ('b', Value::Int(value)) => Some(signed(*value, |value| format!("{value:b}"))),
        ('b', Value::Uint(value)) => Some(format!("{value:b}")),
        ('o', Value::Int(value)) => Some(signed(*value, |value| format!("{value:o}"))),
        ('o', Value::Uint(value)) => Some(format!("{value:o}")),
        ('x', Value::Int(value)) => Some(signed(*value, |value| format!("{value:x}"))),
        ('X', Value::Int(value)) => Some(signed(*value, |value| format!("{value:X}"))),
        ('x', Value::Uint(value)) => Some(format!("{value:x}")),
        ('X', Value::Uint(value)) => Some(format!("{value:X}")),
        ('x' | 'X', Value::String(text)) => Some(hex(text.as_bytes(), clause.verb)),
        ('x' | 'X', Value::Bytes(bytes)) => Some(hex(bytes, clause.verb)),
        _ => None,
    })
}

fn signed(value: i64, digits: impl Fn(u64) -> String) -> String {
    format!("{}{}", if value < 0 { "-" } else { "" }, digits(value.unsigned_abs()))
}

fn hex(bytes: &[u8], verb: char) -> String {
    let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    if verb == 'X' { text.to_ascii_uppercase() } else { text }
}

/// `1.5×10⁰³`, as the locale has it.
fn scientific(number: &str) -> String {
    let (mantissa, exponent) = number.split_once('e').unwrap_or((number, "0"));
    let (sign, digits) = exponent.strip_prefix('-').map_or(("", exponent), |digits| ("⁻", digits));
    let raised = format!("{digits:0>2}")
        .chars()
        .filter_map(|digit| "⁰¹²³⁴⁵⁶⁷⁸⁹".chars().nth(digit as usize - '0' as usize))
        .collect::<String>();
    format!("{mantissa}×10{sign}{raised}")
}

fn grouped(number: &str) -> String {
    let (sign, number) = number.strip_prefix('-').map_or(("", number), |number| ("-", number));
    let (whole, fraction) = number.split_once('.').map_or((number, None), |(whole, fraction)| (whole, Some(fraction)));
    let mut out = sign.to_owned();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    if let Some(fraction) = fraction {
        out.push('.');
        out.push_str(fraction);
    }
    out
}

/// The `%s` of a value; none if it has no text.
fn plain(value: &Value) -> Result<Option<String>, Stop> {
    Ok(Some(match value {
        Value::Null => "null".to_owned(),
        Value::List(..) | Value::Map(_) => inner(value)?,
        Value::Int(_)
        | Value::Uint(_)
        | Value::Double(_)
        | Value::Bool(_)
        | Value::String(_)
        | Value::Timestamp(_)
        | Value::Bytes(_)
        | Value::Duration(_)
        | Value::Type(_) => {
            numbers::to_string(value).map_err(|_| Stop::Unknown("bytes that are no text".to_owned()))?
        }
        _ => return Ok(None),
    }))
}

/// A value inside a list or map.
fn inner(value: &Value) -> Result<String, Stop> {
    Ok(match value {
        Value::String(text) => quote(text),
        Value::Double(value) if value.is_finite() => format!("{value:.6}"),
        Value::Duration(_) => format!("duration({})", quote(&numbers::to_string(value)?)),
        Value::Timestamp(time) => format!("timestamp({})", quote(&time.shown())),
        Value::List(items, _) => {
            let items: Vec<String> = items.iter().map(inner).collect::<Result<_, _>>()?;
            format!("[{}]", items.join(", "))
        }
        Value::Map(map) => {
            let mut entries = Vec::new();
            for (key, value) in &map.entries {
                if !matches!(key, Value::String(_) | Value::Bool(_) | Value::Int(_) | Value::Uint(_)) {
                    let text = format!("no formatting function for map key of type {}", key.type_name());
                    return Err(Stop::Error(format!("error during formatting: {text}")));
                }
                entries.push((inner(key)?, inner(value)?));
            }
            entries.sort();
            let entries: Vec<String> = entries.into_iter().map(|(key, value)| format!("{key}:{value}")).collect();
            format!("{{{}}}", entries.join(", "))
        }
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Uint(_) | Value::Type(_) => numbers::to_string(value)?,
        Value::Double(_) | Value::Bytes(_) => return Err(Stop::Unknown("how Go quotes it".to_owned())),
        other => {
            let text = format!("no formatting function for {}", other.type_name());
            return Err(Stop::Error(format!("error during formatting: {text}")));
        }
    })
}
