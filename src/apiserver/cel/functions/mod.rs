//! The functions of Kubernetes' CEL environment, chosen by overload as cel-go does (common/decls/decls.go).

mod addresses;
pub(super) mod cost;
pub(super) mod format;
pub mod kubernetes;
pub(super) mod lists;
pub(super) mod numbers;
pub(super) mod operators;
pub(super) mod regexes;
pub(super) mod strings;
pub mod time;
pub mod urls;

use super::declarations::{Overload, declarations};
use super::evaluate::{Outcome, Stop};
use super::types::Type;
use super::value::Value;

/// The functions that convert to the type they are named for; of a constant they are computed when the program is made.
pub(super) fn is_conversion(name: &str) -> bool {
    matches!(name, "bool" | "bytes" | "double" | "duration" | "dyn" | "int" | "string" | "timestamp" | "type" | "uint")
}

/// Calls a function. Without an overload the checker left several open, so the values choose.
pub(super) fn call(name: &str, overload: Option<&Overload>, values: &[Value]) -> Outcome {
    if let Some(result) = operators::call(name, values) {
        return result;
    }
    // These have no guards on their types.
    let guarded = !matches!(name, "flatten" | "contains" | "startsWith" | "endsWith");
    let chosen = match overload {
        Some(overload) => Some(overload).filter(|overload| !guarded || fits(overload, values)),
        None => {
            let all = declarations().of(name).unwrap_or_default();
            let mut all = all.iter().map(|index| &declarations().overloads[*index]);
            all.find(|overload| overload.arguments.len() == values.len() && (!guarded || fits(overload, values)))
        }
    };
    match chosen {
        Some(overload) if guarded || name == "flatten" => invoke(&overload.id, values),
        Some(overload) => match values {
            [Value::String(_), Value::String(_)] => invoke(&overload.id, values),
            _ => Err("no such overload".into()),
        },
        None => {
            let types: Vec<&str> = values.iter().map(Value::type_name).collect();
            Err(format!("no such overload: {name}({})", types.join(", ")).into())
        }
    }
}

fn fits(overload: &Overload, values: &[Value]) -> bool {
    overload.arguments.len() == values.len()
        && overload.arguments.iter().zip(values).all(|(of, value)| takes(of, value))
}

/// Whether a value may be given for a type; of a list or map only the first element is looked at.
fn takes(of: &Type, value: &Value) -> bool {
    match (of, value) {
        (Type::Dyn | Type::Any | Type::Param(_), _) => true,
        (Type::List(element), Value::List(items, _)) => items.first().is_none_or(|item| takes(element, item)),
        (Type::Map(key, element), Value::Map(map)) => {
            map.entries.first().is_none_or(|(have, value)| takes(key, have) && takes(element, value))
        }
        (of, value) => of.name() == value.type_name(),
    }
}

fn invoke(id: &str, values: &[Value]) -> Outcome {
    let families = [numbers::call, time::call, strings::call, regexes::call, lists::call, kubernetes::call, urls::call];
    for family in families {
        if let Some(result) = family(id, values) {
            return result;
        }
    }
    Err(Stop::Unknown(format!("the function {id}")))
}
