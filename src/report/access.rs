//! Answers of can-i, who-can and whoami, in the form that JSON shows.

use serde::Serialize;
use serde_json::{Value, json};

use crate::evidence::access::Question;
use crate::evidence::identity::User;
use crate::evidence::rbac::{Binding, Role, Subject};

/// A binding or a role by its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Named {
    /// Kind.
    pub kind: String,
    /// Namespace, empty at the cluster scope.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl From<&Binding> for Named {
    fn from(binding: &Binding) -> Self {
        Self { kind: binding.kind.clone(), namespace: binding.namespace.clone(), name: binding.name.clone() }
    }
}

impl From<&Role> for Named {
    fn from(role: &Role) -> Self {
        Self { kind: role.kind.clone(), namespace: role.namespace.clone(), name: role.name.clone() }
    }
}

impl std::fmt::Display for Named {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} {:?}", self.kind, self.name)?;
        if self.namespace.is_empty() { Ok(()) } else { write!(formatter, " in namespace {}", self.namespace) }
    }
}

/// One way by which something is allowed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GrantView {
    /// The binding; null for system:masters.
    pub binding: Option<Named>,
    /// The role.
    pub role: Option<Named>,
    /// The rule, as in the role.
    pub rule: Value,
    /// The subject, as in the binding.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub subject: Value,
}

/// A subject as a binding has it.
pub fn subject_view(subject: &Subject) -> Value {
    let mut view = json!({ "kind": subject.kind, "name": subject.name });
    if !subject.namespace.is_empty() {
        view["namespace"] = json!(subject.namespace);
    }
    view
}

/// A near miss.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NearMissView {
    /// What is wrong, in a word.
    pub kind: &'static str,
    /// The same in a sentence.
    pub text: String,
    /// The binding.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub binding: Option<Named>,
    /// The role.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Named>,
}

/// The answer to one question.
#[derive(Debug, Clone)]
pub struct AccessAnswer {
    /// The question.
    pub question: Question,
    /// About whom; empty for ourselves.
    pub subject: User,
    /// `None`: it could not be asked.
    pub allowed: Option<bool>,
    /// The server's reason.
    pub reason: String,
    /// The way it was asked: `self-review`, `review`, `impersonation` or `computed`.
    pub method: &'static str,
    /// All grants, with `--why`.
    pub grants: Option<Vec<GrantView>>,
    /// All near misses, with `--why`.
    pub near_misses: Option<Vec<NearMissView>>,
    /// The smallest grant, with `--why` and a no.
    pub manifest: Option<String>,
    /// An error while evaluating.
    pub evaluation_error: String,
    /// Why there is no answer.
    pub error: Option<String>,
}

impl AccessAnswer {
    /// The question as JSON shows it.
    pub fn question_view(question: &Question, subject: &User) -> Value {
        let or_null = |text: &str| if text.is_empty() { Value::Null } else { json!(text) };
        json!({
            "verb": question.verb,
            "group": question.group,
            "resource": question.resource,
            "subresource": question.subresource,
            "name": question.name,
            "namespace": question.namespace,
            "nonResourceURL": question.path,
            "user": or_null(&subject.username),
            "groups": subject.groups,
        })
    }

    /// The answer without apiVersion and kind, as it stands in a list.
    pub fn view(&self) -> Value {
        let mut view = json!({
            "question": Self::question_view(&self.question, &self.subject),
            "allowed": self.allowed,
            "reason": self.reason,
            "method": self.method,
            "grants": self.grants,
            "nearMisses": self.near_misses,
            "suggestion": self.manifest.as_ref().map(|manifest| json!({ "manifest": manifest })),
        });
        if !self.evaluation_error.is_empty() {
            view["evaluationError"] = json!(self.evaluation_error);
        }
        if let Some(error) = &self.error {
            view["error"] = json!(error);
        }
        view
    }

    /// kubectl's line: `yes`, or `no` with the reasons.
    pub fn line(&self) -> String {
        let mut line = match self.allowed {
            Some(true) => return "yes".to_owned(),
            Some(false) => "no".to_owned(),
            None => "unknown".to_owned(),
        };
        let error = self.error.clone().unwrap_or_default();
        for part in [&self.reason, &self.evaluation_error, &error] {
            if !part.is_empty() {
                line.push_str(" - ");
                line.push_str(part);
            }
        }
        line
    }
}

/// A row of the matrix.
#[derive(Debug, Clone)]
pub struct MatrixRow {
    /// API group.
    pub group: String,
    /// Resource.
    pub resource: String,
    /// Subresource, or empty.
    pub subresource: String,
    /// Namespace; empty for cluster-scoped resources.
    pub namespace: String,
    /// An answer for each verb; `None` where it could not be asked.
    pub allowed: Vec<Option<bool>>,
}

/// Resources against verbs.
#[derive(Debug, Clone, Default)]
pub struct AccessMatrix {
    /// The namespaces asked.
    pub namespaces: Vec<String>,
    /// The verbs asked.
    pub verbs: Vec<String>,
    /// The rows.
    pub rows: Vec<MatrixRow>,
    /// Requests made.
    pub requests: usize,
}

impl AccessMatrix {
    /// As JSON shows it, without apiVersion and kind.
    pub fn view(&self) -> Value {
        let rows: Vec<Value> = self
            .rows
            .iter()
            .map(|row| {
                let allowed: serde_json::Map<String, Value> =
                    self.verbs.iter().cloned().zip(row.allowed.iter().map(|answer| json!(answer))).collect();
                let mut view = json!({ "group": row.group, "resource": row.resource });
                if !row.subresource.is_empty() {
                    view["subresource"] = json!(row.subresource);
                }
                if !row.namespace.is_empty() {
                    view["namespace"] = json!(row.namespace);
                }
                view["allowed"] = Value::Object(allowed);
                view
            })
            .collect();
        json!({ "namespaces": self.namespaces, "verbs": self.verbs, "rows": rows, "requests": self.requests })
    }
}
