//! The JSON Schema of every answer, generated from the types that are written.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::json::{API_VERSION, DoctorListView, DoctorView, VersionView};
use crate::report::access::{AccessListView, AnswerListView, AnswerView, IdentityView, MatrixView, WhoCanView};
use crate::report::allowlist::Allowlist;
use crate::report::credential::CredentialReport;
use crate::report::explain::{Explanation, FindingListView, FindingPage};
use crate::report::workload::{MigrationPlan, WorkloadIdentity};

/// A kind, the command that answers with it, and its body's schema.
pub struct Kind {
    /// As `kind` spells it.
    pub name: &'static str,
    /// The command that answers with it.
    pub command: &'static str,
    body: fn() -> Value,
}

/// Every kind of kaccess.dev/v1.
pub const KINDS: &[Kind] = &[
    Kind { name: "DoctorReport", command: "doctor", body: body::<DoctorView> },
    Kind { name: "DoctorReportList", command: "doctor --all-contexts", body: body::<DoctorListView> },
    Kind { name: "CredentialReport", command: "decode", body: body::<CredentialReport> },
    Kind { name: "AccessAnswer", command: "can-i", body: body::<AnswerView> },
    Kind { name: "AccessAnswerList", command: "can-i -f, can-i --each-namespace", body: body::<AnswerListView> },
    Kind { name: "AccessList", command: "can-i --list", body: body::<AccessListView> },
    Kind { name: "AccessMatrix", command: "can-i --matrix", body: body::<MatrixView> },
    Kind { name: "WhoCan", command: "who-can", body: body::<WhoCanView> },
    Kind { name: "Identity", command: "whoami", body: body::<IdentityView> },
    Kind { name: "Explanation", command: "explain TEXT", body: body::<Explanation> },
    Kind { name: "FindingPage", command: "explain CODE", body: body::<FindingPage> },
    Kind { name: "FindingList", command: "explain --list", body: body::<FindingListView> },
    Kind { name: "Allowlist", command: "allowlist", body: body::<Allowlist> },
    Kind { name: "WorkloadIdentity", command: "workload", body: body::<WorkloadIdentity> },
    Kind { name: "MigrationPlan", command: "workload --plan-migration", body: body::<MigrationPlan> },
    Kind { name: "SchemaList", command: "schema", body: body::<SchemaListView> },
    Kind { name: "Version", command: "version", body: body::<VersionView> },
];

/// Every kind there is (`kind: SchemaList`).
#[derive(Debug, Serialize, JsonSchema)]
pub struct SchemaListView {
    /// The kinds.
    pub items: Vec<KindView>,
}

/// A kind.
#[derive(Debug, Serialize, JsonSchema)]
pub struct KindView {
    /// As `kind` spells it.
    pub name: &'static str,
    /// The command that answers with it.
    pub command: &'static str,
}

/// Every kind, to be listed.
pub fn kinds() -> SchemaListView {
    SchemaListView { items: KINDS.iter().map(|kind| KindView { name: kind.name, command: kind.command }).collect() }
}

/// What is written, not what could be read: a field that is always there is required.
fn body<T: JsonSchema>() -> Value {
    SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<T>().to_value()
}

/// The schema of a kind; `None` where there is none of that name.
///
/// It allows further fields: within v1 new ones may come, and none goes.
pub fn schema(kind: &str) -> Option<Value> {
    let kind = KINDS.iter().find(|known| known.name == kind)?;
    let mut body = (kind.body)();
    let body = body.as_object_mut()?;
    // In the order in which one reads it: what it is, its fields, what these are made of.
    let mut schema = Map::new();
    schema
        .extend(["$schema", "description"].into_iter().filter_map(|name| Some((name.to_owned(), body.remove(name)?))));
    schema.insert("title".to_owned(), json!(kind.name));
    // An answer of several shapes has its fields in `anyOf`; the head stands beside that.
    schema.insert("type".to_owned(), json!("object"));
    let head = [("apiVersion", json!({ "const": API_VERSION })), ("kind", json!({ "const": kind.name }))];
    let mut properties: Map<String, Value> =
        head.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    if let Some(Value::Object(own)) = body.remove("properties") {
        own.into_iter().for_each(|(name, value)| {
            properties.entry(name).or_insert(value);
        });
    }
    schema.insert("properties".to_owned(), Value::Object(properties));
    let mut required = vec![json!("apiVersion"), json!("kind")];
    if let Some(Value::Array(own)) = body.remove("required") {
        let more: Vec<Value> = own.into_iter().filter(|name| !required.contains(name)).collect();
        required.extend(more);
    }
    schema.insert("required".to_owned(), Value::Array(required));
    body.remove("type");
    let (definitions, rest): (Vec<_>, Vec<_>) = std::mem::take(body).into_iter().partition(|(name, _)| name == "$defs");
    schema.extend(rest.into_iter().filter(|(name, _)| name != "title"));
    schema.extend(definitions);
    Some(Value::Object(schema))
}
