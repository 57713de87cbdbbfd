//! Holds answers to their schemas, more strictly than users are told to: a field that the schema does not name is a fault.

use std::cell::RefCell;
use std::collections::HashMap;

use boon::{Compiler, SchemaIndex, Schemas};
use serde_json::{Value, json};

thread_local! {
    static KNOWN: RefCell<HashMap<String, (Schemas, SchemaIndex)>> = RefCell::new(HashMap::new());
}

/// The same schema, in which every object has just the fields that are named.
pub fn closed(mut schema: Value) -> Value {
    fn close(schema: &mut Value) {
        match schema {
            Value::Object(map) => {
                map.iter_mut().filter(|(name, _)| *name != "properties").for_each(|(_, value)| close(value));
                if let Some(Value::Object(properties)) = map.get_mut("properties") {
                    properties.values_mut().for_each(close);
                }
                let open = map.get("properties").is_some_and(Value::is_object)
                    && !map.contains_key("additionalProperties")
                    && map.get("type").is_some_and(|of| *of == "object" || *of == json!(["object", "null"]));
                if open {
                    map.insert("unevaluatedProperties".to_owned(), json!(false));
                }
            }
            Value::Array(list) => list.iter_mut().for_each(close),
            _ => {}
        }
    }
    close(&mut schema);
    // What the root chooses among must stay open, or the head is a stranger there; the root closes over all of it.
    let mut named = Vec::new();
    for one in schema.get_mut("anyOf").and_then(Value::as_array_mut).into_iter().flatten() {
        named.extend(one["$ref"].as_str().and_then(|to| to.strip_prefix("#/$defs/")).map(str::to_owned));
        if let Some(map) = one.as_object_mut() {
            map.remove("unevaluatedProperties");
        }
    }
    for name in named {
        if let Some(map) = schema["$defs"][&name].as_object_mut() {
            map.remove("unevaluatedProperties");
        }
    }
    schema
}

/// What is wrong with an answer, by the schema of its own kind.
pub fn fault(answer: &Value) -> Option<String> {
    let kind = answer["kind"].as_str()?.to_owned();
    KNOWN.with_borrow_mut(|known| {
        if !known.contains_key(&kind) {
            let Some(schema) = kaccess::render::schema::schema(&kind) else {
                return Some(format!("no schema for {kind}"));
            };
            known.insert(kind.clone(), compiled(closed(schema)));
        }
        let (schemas, index) = &known[&kind];
        schemas.validate(answer, *index).err().map(|error| format!("{kind}: {error:#}"))
    })
}

/// A schema ready to judge; formats such as date-time count.
pub fn compiled(schema: Value) -> (Schemas, SchemaIndex) {
    let mut schemas = Schemas::new();
    let mut compiler = Compiler::new();
    compiler.enable_format_assertions();
    compiler.add_resource("schema.json", schema).expect("a schema");
    let index = compiler.compile("schema.json", &mut schemas).unwrap_or_else(|error| panic!("{error:#}"));
    (schemas, index)
}

/// Fails where the answer is not as its schema says.
pub fn hold(answer: &Value) {
    assert!(answer["kind"].is_string(), "no kind: {answer}");
    if let Some(fault) = fault(answer) {
        panic!("{fault}\n{answer:#}");
    }
}
