//! Lists, sets and optional values (cel-go ext/lists.go, ext/sets.go, cel/library.go; k8s.io/apiserver library/lists.go).

use std::cmp::Ordering;
use std::sync::Arc;

use super::super::evaluate::{Outcome, Stop};
use super::super::value::Value;
use super::operators;

/// A list that would take too long to make; Go would make it, and cel-go's cost would end the evaluation after that.
const LONGEST: i64 = 1_000_000;

pub(super) fn call(id: &str, values: &[Value]) -> Option<Outcome> {
    Some(match (id, values) {
        ("list_slice", [Value::List(items, _), Value::Int(start), Value::Int(end)]) => slice(items, *start, *end),
        ("list_flatten", [Value::List(items, _)]) => Ok(Value::list(flatten(items, 1))),
        ("list_flatten_int", [Value::List(items, _), Value::Int(depth)]) if *depth >= 0 => {
            Ok(Value::list(flatten(items, *depth)))
        }
        ("list_flatten_int", [Value::List(..), Value::Int(_)]) => Err("level must be non-negative".into()),
        ("list_flatten", [other]) => Err(format!("no such overload: {}.flatten()", other.type_name()).into()),
        ("list_flatten_int", [one, depth]) => {
            Err(format!("no such overload: {}.flatten({})", one.type_name(), depth.type_name()).into())
        }
        ("lists_range", [Value::Int(length)]) if *length > LONGEST => Err(Stop::Cancelled),
        ("lists_range", [Value::Int(length)]) => Ok(Value::list((0..*length).map(Value::Int).collect())),
        ("list_reverse", [Value::List(items, _)]) => Ok(Value::list(items.iter().rev().cloned().collect())),
        ("list_distinct", [Value::List(items, strings)]) => {
            let mut seen: Vec<Value> = Vec::new();
            for item in items.iter() {
                if !seen.iter().any(|have| item.equals(have)) {
                    seen.push(item.clone());
                }
            }
            Ok(if seen.is_empty() { Value::List(Arc::clone(items), *strings) } else { Value::list(seen) })
        }
        ("list_first", [Value::List(items, _)]) => Ok(Value::Optional(items.first().cloned().map(Arc::new))),
        ("list_last", [Value::List(items, _)]) => Ok(Value::Optional(items.last().cloned().map(Arc::new))),
        ("list_sets_contains_list", [Value::List(list, _), Value::List(part, _)]) => {
            Ok(Value::Bool(covers(list, part)))
        }
        ("list_sets_equivalent_list", [Value::List(one, _), Value::List(other, _)]) => {
            Ok(Value::Bool(covers(one, other) && covers(other, one)))
        }
        ("list_sets_intersects_list", [Value::List(one, _), Value::List(other, _)]) => {
            Ok(Value::Bool(other.iter().any(|item| one.iter().any(|have| have.equals(item)))))
        }
        ("list_a_index_of_int", [Value::List(items, _), item]) => {
            Ok(Value::Int(items.iter().position(|have| have.equals(item)).map_or(-1, |at| at as i64)))
        }
        ("list_a_last_index_of_int", [Value::List(items, _), item]) => {
            Ok(Value::Int(items.iter().rposition(|have| have.equals(item)).map_or(-1, |at| at as i64)))
        }
        ("optional_none", []) => Ok(Value::Optional(None)),
        ("optional_of", [value]) => Ok(Value::Optional(Some(Arc::new(value.clone())))),
        ("optional_ofNonZeroValue", [value]) => Ok(Value::Optional((!is_zero(value)).then(|| Arc::new(value.clone())))),
        ("optional_value", [Value::Optional(inner)]) => match inner {
            Some(inner) => Ok((**inner).clone()),
            None => Err("optional.none() dereference".into()),
        },
        ("optional_hasValue", [Value::Optional(inner)]) => Ok(Value::Bool(inner.is_some())),
        ("optional_unwrap" | "optional_unwrapOpt", [Value::List(items, _)]) => {
            let mut inner = Vec::new();
            for item in items.iter() {
                match item {
                    Value::Optional(value) => inner.extend(value.iter().map(|value| (**value).clone())),
                    other => return Some(Err(format!("value {} is not optional", other.shown()).into())),
                }
            }
            Ok(Value::list(inner))
        }
        ("@mapInsert_map_key_value", [Value::Map(map), key, value]) => {
            operators::insert(map, &[(key.clone(), value.clone())])
        }
        ("@mapInsert_map_map", [Value::Map(map), Value::Map(more)]) => operators::insert(map, &more.entries),
        (id, [Value::List(items, _)]) if id.ends_with("_is_sorted_bool") => is_sorted(items),
        (id, [Value::List(items, _)]) if id.contains("_sum_") => sum(id, items),
        (id, [Value::List(items, _)]) if id.contains("_max_") => extreme("max", Ordering::Less, items),
        (id, [Value::List(items, _)]) if id.contains("_min_") => extreme("min", Ordering::Greater, items),
        _ => return None,
    })
}

fn slice(items: &[Value], start: i64, end: i64) -> Outcome {
    let refuse = |why: String| Err(Stop::Error(format!("cannot slice({start}, {end}), {why}")));
    if start < 0 || end < 0 {
        return refuse("negative indexes not supported".to_owned());
    }
    if start > end {
        return refuse("start index must be less than or equal to end index".to_owned());
    }
    match items.get(start as usize..end as usize) {
        Some(part) => Ok(Value::list(part.to_vec())),
        None => refuse(format!("list is length {}", items.len())),
    }
}

fn flatten(items: &[Value], depth: i64) -> Vec<Value> {
    let mut flat = Vec::new();
    for item in items {
        match item {
            Value::List(inner, _) if depth > 0 => flat.extend(flatten(inner, depth - 1)),
            other => flat.push(other.clone()),
        }
    }
    flat
}

/// `sort` and `sortBy`: the elements in the order of their keys.
pub(super) fn sort_by(items: &[Value], keys: &[Value]) -> Outcome {
    if items.len() != keys.len() {
        let text = format!(
            "@sortByAssociatedKeys() expected a list of the same size as the associated keys list, but got {} and {} elements respectively",
            items.len(),
            keys.len()
        );
        return Err(text.into());
    }
    let Some(first) = keys.first() else { return Ok(Value::list(Vec::new())) };
    if !first.has_order() {
        return Err("list elements must be comparable".into());
    }
    if keys.iter().any(|key| key.type_name() != first.type_name()) {
        return Err("list elements must have the same type".into());
    }
    let mut order: Vec<usize> = (0..items.len()).collect();
    // Go's sort is not stable: equal keys of different elements come in an order of its own.
    order.sort_by(|one, other| keys[*one].compare(&keys[*other]).unwrap_or(Ordering::Equal));
    let tied =
        order.windows(2).any(|pair| keys[pair[0]].equals(&keys[pair[1]]) && !items[pair[0]].equals(&items[pair[1]]));
    if tied && items.len() > 12 {
        return Err(Stop::Unknown("the order of elements with equal keys".to_owned()));
    }
    Ok(Value::list(order.into_iter().map(|index| items[index].clone()).collect()))
}

fn covers(list: &[Value], part: &[Value]) -> bool {
    part.iter().all(|item| list.iter().any(|have| have.equals(item)))
}

fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Int(value) => *value == 0,
        Value::Uint(value) => *value == 0,
        Value::Double(value) => *value == 0.0,
        Value::String(text) => text.is_empty(),
        Value::Bytes(bytes) => bytes.is_empty(),
        Value::Duration(span) => *span == 0,
        Value::Timestamp(time) => time.nanoseconds == i128::from(super::time::MIN_SECONDS) * 1_000_000_000,
        Value::List(items, _) => items.is_empty(),
        Value::Map(map) => map.entries.is_empty(),
        Value::Optional(inner) => inner.is_none(),
        _ => false,
    }
}

fn is_sorted(items: &[Value]) -> Outcome {
    if items.iter().any(|item| !item.has_order()) {
        return Err("no such overload".into());
    }
    // An order that is an error counts as sorted.
    let sorted = items.windows(2).all(|pair| pair[0].compare(&pair[1]) != Ok(Ordering::Greater));
    Ok(Value::Bool(sorted))
}

fn sum(id: &str, items: &[Value]) -> Outcome {
    let mut total = match id {
        "list_int_sum_int" => Value::Int(0),
        "list_uint_sum_uint" => Value::Uint(0),
        "list_double_sum_double" => Value::Double(0.0),
        _ => Value::Duration(0),
    };
    for item in items {
        total = operators::add(&total, item)?;
    }
    Ok(total)
}

fn extreme(name: &str, replaced_if: Ordering, items: &[Value]) -> Outcome {
    let mut best: Option<&Value> = None;
    for item in items {
        if !item.has_order() {
            return Err("no such overload".into());
        }
        match best {
            Some(have) if have.compare(item) != Ok(replaced_if) => {}
            _ => best = Some(item),
        }
    }
    best.cloned().ok_or_else(|| format!("{name} called on empty list").into())
}
