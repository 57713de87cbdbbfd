//! What a call costs (cel-go interpreter/runtimecost.go; k8s.io/apiserver pkg/cel/library/cost.go).

use super::super::evaluate::{Stop, go_type};
use super::super::value::Value;

/// Reading a text costs a tenth of its length, rounded up.
fn read(length: u64) -> u64 {
    length.div_ceil(10)
}

/// A list is made: its elements, the call and the list.
fn allocation(elements: u64) -> u64 {
    elements + 1 + 10
}

/// The square of a list's length, twice and more for texts.
fn comparisons(list: &Value) -> u64 {
    let size = list.size();
    let texts =
        matches!(list, Value::List(items, _) if matches!(items.first(), Some(Value::String(_) | Value::Bytes(_))));
    allocation((size as f64 * size as f64 * if texts { 2.1 } else { 2.0 }) as u64)
}

/// A pattern is taken to have an expression for every four characters.
fn search(text: u64, pattern: u64) -> u64 {
    read(text + 1) * pattern.div_ceil(4)
}

pub(in super::super) fn of(name: &str, id: &str, values: &[Value], result: &Value) -> u64 {
    let size = |index: usize| values.get(index).map_or(1, Value::size);
    match id {
        "list_slice" | "lists_range" | "list_reverse" => return allocation(result.size()),
        "list_flatten" => return allocation(size(0)),
        "list_flatten_int" => {
            let depth = if let Some(Value::Int(depth)) = values.get(1) { *depth as f64 } else { 1.0 };
            return allocation((size(0) as f64 * depth) as u64);
        }
        "list_distinct" => return comparisons(&values[0]),
        id if id.ends_with("_sort") => return comparisons(&values[0]),
        id if id.ends_with("_sortByAssociatedKeys") => return comparisons(&values[1]),
        "list_sets_contains_list" | "list_sets_intersects_list" => return 1 + size(0) * size(1),
        "list_sets_equivalent_list" => return 1 + 2 * size(0) * size(1),
        _ => {}
    }
    match name {
        "isSorted" | "sum" | "max" | "min" | "indexOf" | "lastIndexOf" => return values.first().map_or(0, traversal),
        "url" | "lowerAscii" | "upperAscii" | "substring" | "trim" | "cidr" | "isIP" | "isCIDR" | "quantity"
        | "isQuantity" | "semver" | "isSemver" => return read(size(0)),
        "replace" | "split" | "ip.isCanonical" => return (size(0) * 2).div_ceil(10),
        "join" => return (result.size() * 2).div_ceil(10),
        "find" | "findAll" => return search(size(0), size(1)),
        "ip" => return if id == "cidr_ip" { 1 } else { read(size(0)) },
        "containsIP" => {
            let parse = if id == "cidr_contains_ip_string" { read(size(1)) } else { 0 };
            return read(size(0) * 2) + parse;
        }
        "containsCIDR" => {
            let parse = if id == "cidr_contains_cidr_string" { read(size(1)) } else { 0 };
            return read(size(0) * 2) + read(size(0)) + 1 + parse;
        }
        "validate" => {
            if let Some(Value::Format(format)) = values.first() {
                return search(size(1), format.pattern_size);
            }
        }
        "_==_" if values.first().is_some_and(is_of_kubernetes) => return 1,
        _ => {}
    }
    match id {
        "starts_with_string" | "ends_with_string" | "string_to_bytes" | "bytes_to_string" | "strings_quote"
        | "string_format" => read(size(0)),
        "in_list" => size(1),
        "less_string"
        | "greater_string"
        | "less_equals_string"
        | "greater_equals_string"
        | "less_bytes"
        | "greater_bytes"
        | "less_equals_bytes"
        | "greater_equals_bytes"
        | "equals"
        | "not_equals" => read(size(0).min(size(1))),
        "add_string" | "add_bytes" => read(size(0) + size(1)),
        "matches_string" => search(size(0), size(1)),
        "contains_string" => read(size(0)) * read(size(1)),
        _ => 1,
    }
}

/// The cost of some functions looks into an argument, and the server's code fails where it is not what it should be. None
/// is an error.
pub(in super::super) fn look(id: &str, argument: usize, value: Option<&Value>) -> Result<(), Stop> {
    let list = match id {
        "list_flatten_int" if argument == 1 && !matches!(value, Some(Value::Int(_))) => {
            let of = value.map_or("*types.Err", go_type);
            return Err(Stop::Failed(format!("internal error: interface conversion: ref.Val is {of}, not types.Int")));
        }
        "list_distinct" => 0,
        id if id.ends_with("_sortByAssociatedKeys") => 1,
        id if id.ends_with("_sort") => 0,
        _ => return Ok(()),
    };
    if argument != list || matches!(value, Some(Value::List(..))) {
        return Ok(());
    }
    // Of the methods of a list, in the order of the alphabet, the first that is missing.
    let adds = matches!(
        value,
        Some(
            Value::Int(_)
                | Value::Uint(_)
                | Value::Double(_)
                | Value::String(_)
                | Value::Bytes(_)
                | Value::Duration(_)
                | Value::Timestamp(_)
        )
    );
    let of = value.map_or("*types.Err", go_type);
    let missing = if adds { "Contains" } else { "Add" };
    let text = format!("internal error: interface conversion: {of} is not traits.Lister: missing method {missing}");
    // A map out of a claim is wrapped.
    Err(if matches!(value, Some(Value::Map(_))) { Stop::Unknown(text) } else { Stop::Failed(text) })
}

/// Each element, and a tenth of its length, rounded down, if it is a text.
fn traversal(value: &Value) -> u64 {
    match value {
        Value::String(text) => text.len() as u64 / 10,
        Value::Bytes(bytes) => bytes.len() as u64 / 10,
        Value::List(items, _) => items.iter().map(traversal).sum(),
        Value::Map(map) => map.entries.iter().map(|(key, value)| traversal(key) + traversal(value)).sum(),
        _ => 1,
    }
}

fn is_of_kubernetes(value: &Value) -> bool {
    matches!(
        value,
        Value::Quantity(_) | Value::Ip(_) | Value::Cidr(..) | Value::Format(_) | Value::Url(_) | Value::Semver(_)
    )
}
