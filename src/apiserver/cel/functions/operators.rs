//! Operators and the functions that work on the value's own abilities (cel-go common/stdlib, singleton bindings).

use std::cmp::Ordering;
use std::sync::Arc;

use super::super::evaluate::Outcome;
use super::super::value::{Map, Value};
use super::{lists, regexes};

const NO_OVERLOAD: &str = "no such overload";

/// Calls an operator; `None` if the name is none.
pub(super) fn call(name: &str, values: &[Value]) -> Option<Outcome> {
    Some(match (name, values) {
        ("_==_", [one, other]) => Ok(Value::Bool(one.equals(other))),
        ("_!=_", [one, other]) => Ok(Value::Bool(!one.equals(other))),
        ("_<_" | "_<=_" | "_>_" | "_>=_", [one, other]) => order(name, one, other),
        ("_+_", [one, other]) => add(one, other),
        ("_-_", [one, other]) => subtract(one, other),
        ("_*_" | "_/_" | "_%_", [one, other]) => multiply(name, one, other),
        ("-_", [one]) => negate(one),
        ("!_", [Value::Bool(value)]) => Ok(Value::Bool(!value)),
        ("!_", [_]) => Err(NO_OVERLOAD.into()),
        ("@not_strictly_false", [value]) => {
            Ok(if let Value::Bool(_) = value { value.clone() } else { Value::Bool(true) })
        }
        ("@in" | "in" | "_in_", [item, list]) => contains(item, list),
        ("size", [value]) => match value {
            Value::String(_) | Value::Bytes(_) | Value::List(..) | Value::Map(_) => Ok(Value::Int(value.size() as i64)),
            other => Err(lacking("size", other).into()),
        },
        ("type", [value]) => Ok(Value::Type(Arc::from(value.type_name()))),
        ("dyn", [value]) => Ok(value.clone()),
        ("matches", [Value::String(text), Value::String(pattern)]) => regexes::is_match(text, pattern),
        ("matches", [Value::String(_), _]) => Err(NO_OVERLOAD.into()),
        ("matches", [other, _]) => Err(lacking("matches", other).into()),
        ("sort", [value]) => match value {
            Value::List(items, _) => lists::sort_by(items, items),
            other => Err(lacking("sort", other).into()),
        },
        ("@sortByAssociatedKeys", [Value::List(items, _), Value::List(keys, _)]) => lists::sort_by(items, keys),
        _ => return None,
    })
}

/// The error of a value that lacks the ability: texts and times are asked themselves, and do not name the function.
fn lacking(name: &str, value: &Value) -> String {
    match value {
        Value::String(_) | Value::Duration(_) | Value::Timestamp(_) => NO_OVERLOAD.to_owned(),
        _ => format!("{NO_OVERLOAD}: {name}"),
    }
}

fn order(name: &str, one: &Value, other: &Value) -> Outcome {
    if !one.has_order() {
        return Err(lacking(name, one).into());
    }
    let order = one.compare(other)?;
    Ok(Value::Bool(match name {
        "_<_" => order == Ordering::Less,
        "_<=_" => order != Ordering::Greater,
        "_>_" => order == Ordering::Greater,
        _ => order != Ordering::Less,
    }))
}

/// Go's errors of numbers that are too large (common/types/overflow.go).
fn checked<T>(result: Option<T>, of: &str, wrap: impl Fn(T) -> Value) -> Outcome {
    result.map(wrap).ok_or_else(|| format!("{of} overflow").into())
}

pub(super) fn add(one: &Value, other: &Value) -> Outcome {
    match (one, other) {
        (Value::Int(one), Value::Int(other)) => checked(one.checked_add(*other), "integer", Value::Int),
        (Value::Uint(one), Value::Uint(other)) => checked(one.checked_add(*other), "unsigned integer", Value::Uint),
        (Value::Double(one), Value::Double(other)) => Ok(Value::Double(one + other)),
        (Value::String(one), Value::String(other)) => Ok(Value::text(&format!("{one}{other}"))),
        (Value::Bytes(one), Value::Bytes(other)) => Ok(Value::Bytes([&**one, &**other].concat().into())),
        (Value::List(one, strings), Value::List(other, other_strings)) => {
            // An empty side is left out, so the other stays what it was.
            if other.is_empty() {
                return Ok(Value::List(Arc::clone(one), *strings));
            }
            if one.is_empty() {
                return Ok(Value::List(Arc::clone(other), *other_strings));
            }
            Ok(Value::list(one.iter().chain(other.iter()).cloned().collect()))
        }
        (Value::Duration(one), Value::Duration(other)) => checked(one.checked_add(*other), "integer", Value::Duration),
        (Value::Duration(span), Value::Timestamp(time)) | (Value::Timestamp(time), Value::Duration(span)) => {
            time.plus(i128::from(*span))
        }
        (
            Value::Int(_)
            | Value::Uint(_)
            | Value::Double(_)
            | Value::String(_)
            | Value::Bytes(_)
            | Value::List(..)
            | Value::Duration(_)
            | Value::Timestamp(_),
            _,
        ) => Err(NO_OVERLOAD.into()),
        (other, _) => Err(lacking("_+_", other).into()),
    }
}

fn subtract(one: &Value, other: &Value) -> Outcome {
    match (one, other) {
        (Value::Int(one), Value::Int(other)) => checked(one.checked_sub(*other), "integer", Value::Int),
        (Value::Uint(one), Value::Uint(other)) => checked(one.checked_sub(*other), "unsigned integer", Value::Uint),
        (Value::Double(one), Value::Double(other)) => Ok(Value::Double(one - other)),
        (Value::Duration(one), Value::Duration(other)) => checked(one.checked_sub(*other), "integer", Value::Duration),
        (Value::Timestamp(time), Value::Duration(span)) => time.plus(-i128::from(*span)),
        (Value::Timestamp(one), Value::Timestamp(other)) => {
            let span = i64::try_from(one.nanoseconds - other.nanoseconds);
            checked(span.ok(), "integer", Value::Duration)
        }
        (Value::Int(_) | Value::Uint(_) | Value::Double(_) | Value::Duration(_) | Value::Timestamp(_), _) => {
            Err(NO_OVERLOAD.into())
        }
        (other, _) => Err(lacking("_-_", other).into()),
    }
}

fn multiply(name: &str, one: &Value, other: &Value) -> Outcome {
    match (name, one, other) {
        ("_*_", Value::Int(one), Value::Int(other)) => checked(one.checked_mul(*other), "integer", Value::Int),
        ("_*_", Value::Uint(one), Value::Uint(other)) => {
            checked(one.checked_mul(*other), "unsigned integer", Value::Uint)
        }
        ("_*_", Value::Double(one), Value::Double(other)) => Ok(Value::Double(one * other)),
        ("_/_", Value::Double(one), Value::Double(other)) => Ok(Value::Double(one / other)),
        ("_/_", Value::Int(_), Value::Int(0)) | ("_/_", Value::Uint(_), Value::Uint(0)) => {
            Err("division by zero".into())
        }
        ("_%_", Value::Int(_), Value::Int(0)) | ("_%_", Value::Uint(_), Value::Uint(0)) => {
            Err("modulus by zero".into())
        }
        ("_/_", Value::Int(one), Value::Int(other)) => checked(one.checked_div(*other), "integer", Value::Int),
        ("_/_", Value::Uint(one), Value::Uint(other)) => Ok(Value::Uint(one / other)),
        ("_%_", Value::Int(one), Value::Int(other)) => checked(one.checked_rem(*other), "integer", Value::Int),
        ("_%_", Value::Uint(one), Value::Uint(other)) => Ok(Value::Uint(one % other)),
        ("_%_", Value::Double(_), _) => Err(lacking(name, one).into()),
        (_, Value::Int(_) | Value::Uint(_) | Value::Double(_), _) => Err(NO_OVERLOAD.into()),
        (_, other, _) => Err(lacking(name, other).into()),
    }
}

fn negate(value: &Value) -> Outcome {
    match value {
        Value::Int(value) => checked(value.checked_neg(), "integer", Value::Int),
        Value::Double(value) => Ok(Value::Double(-value)),
        Value::Duration(value) => checked(value.checked_neg(), "integer", Value::Duration),
        Value::Bool(_) => Err(NO_OVERLOAD.into()),
        other => Err(lacking("-_", other).into()),
    }
}

fn contains(item: &Value, list: &Value) -> Outcome {
    match list {
        Value::List(items, _) => Ok(Value::Bool(items.iter().any(|have| have.equals(item)))),
        Value::Map(map) => Ok(Value::Bool(map.find(item).is_some())),
        _ => Err(NO_OVERLOAD.into()),
    }
}

/// The number that an index of a list stands for (types.IndexOrError).
pub(in super::super) fn list_index(key: &Value) -> Result<i64, String> {
    match key {
        Value::Int(index) => Ok(*index),
        Value::Double(value) if value.fract() == 0.0 && value.abs() < 9.2e18 => Ok(*value as i64),
        Value::Uint(value) if i64::try_from(*value).is_ok() => Ok(*value as i64),
        Value::Double(_) | Value::Uint(_) => Err(format!("unsupported index value {} in list", key.shown())),
        other => Err(format!("unsupported index type '{}' in list", other.type_name())),
    }
}

/// A map with more entries (ext/native.go and types/map.go: insertion refuses a key that is there).
pub(super) fn insert(map: &Map, more: &[(Value, Value)]) -> Outcome {
    let mut entries = map.entries.clone();
    for (key, value) in more {
        if map.find(key).is_some() {
            return Err(format!("insert failed: key {} already exists", key.shown()).into());
        }
        entries.push((key.clone(), value.clone()));
    }
    Ok(Value::Map(Arc::new(Map { entries, from_json: false })))
}
