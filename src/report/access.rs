//! Answers of can-i, who-can and whoami, in the form that JSON shows.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use crate::evidence::access::Question;
use crate::evidence::eks::AssociatedPolicy;
use crate::evidence::identity::User;
use crate::evidence::rbac::{Binding, Role, Subject};

/// A binding or a role by its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
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
        Self { kind: binding.kind.to_string(), namespace: binding.namespace.clone(), name: binding.name.clone() }
    }
}

impl From<&Role> for Named {
    fn from(role: &Role) -> Self {
        Self { kind: role.kind.to_string(), namespace: role.namespace.clone(), name: role.name.clone() }
    }
}

impl std::fmt::Display for Named {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} {:?}", self.kind, self.name)?;
        if self.namespace.is_empty() { Ok(()) } else { write!(formatter, " in namespace {}", self.namespace) }
    }
}

/// One way by which something is allowed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GrantView {
    /// The binding; null for system:masters. Of an EKS access policy the access entry that has it (`AccessEntry`).
    pub binding: Option<Named>,
    /// The role. Of an EKS access policy that policy (`AccessPolicy`).
    pub role: Option<Named>,
    /// The rule, as in the role.
    #[schemars(with = "RuleShape")]
    pub rule: Value,
    /// The subject, as in the binding.
    #[serde(skip_serializing_if = "Value::is_null")]
    #[schemars(with = "SubjectShape")]
    pub subject: Value,
    /// The access policy with its scope, where it is one of EKS that allows; else absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_policy: Option<AssociatedPolicy>,
}

/// A rule as it stands in a role: on resources, or on paths. Only its shape is used.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RuleShape {
    /// Verbs, `*` for all.
    pub verbs: Vec<String>,
    /// API groups, `""` is core.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub api_groups: Vec<String>,
    /// Resources, with subresources as `pods/log`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<String>,
    /// Object names; absent means all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resource_names: Vec<String>,
    /// Paths, a trailing `*` is a prefix.
    #[serde(rename = "nonResourceURLs", skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
}

/// A subject as it stands in a binding. Only its shape is used.
#[derive(JsonSchema)]
pub struct SubjectShape {
    /// `User`, `Group` or `ServiceAccount`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its namespace, where it has one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
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
    /// An authorizer denied it outright: no later one (RBAC is one) was asked.
    pub denied: bool,
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
    /// The role that is there and that this grant binds, where it gives more than what was asked.
    pub gives_more: Option<String>,
    /// Nothing shows that RBAC is asked, so that this grant may change nothing.
    pub rbac_in_doubt: bool,
    /// What decides, with `--why`, where RBAC is known not to be among the API server's authorizers.
    pub instead_of_rbac: Option<String>,
    /// An error while evaluating.
    pub evaluation_error: String,
    /// Why there is no answer.
    pub error: Option<String>,
}

impl AccessAnswer {
    /// The answer without apiVersion and kind, as it stands in a list.
    pub fn view(&self) -> AnswerView {
        let text = |text: &String| (!text.is_empty()).then(|| text.clone());
        AnswerView {
            question: QuestionView::new(&self.question, &self.subject),
            allowed: self.allowed,
            denied: self.denied,
            reason: self.reason.clone(),
            method: self.method,
            grants: self.grants.clone(),
            near_misses: self.near_misses.clone(),
            suggestion: self.manifest.clone().map(|manifest| SuggestionView { manifest }),
            instead_of_rbac: self.instead_of_rbac.clone(),
            evaluation_error: text(&self.evaluation_error),
            error: self.error.clone(),
        }
    }

    /// Why no grant changes a no: another authorizer than RBAC gave it.
    pub fn overruled(&self) -> Option<&str> {
        if self.allowed != Some(false) {
            return None;
        }
        if let Some(words) = &self.instead_of_rbac {
            return Some(words);
        }
        if self.denied {
            return Some("An authorizer denies it outright, so RBAC is not asked: no role and no binding changes it.");
        }
        self.grants.as_ref().is_some_and(|grants| !grants.is_empty()).then_some(
            "RBAC grants it, and the server still says no: another authorizer comes first, or RBAC is not among the modes. No further grant changes it.",
        )
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

impl MatrixRow {
    /// What one cell of it asks.
    pub fn question(&self, verb: &str) -> Question {
        Question {
            verb: verb.to_owned(),
            group: self.group.clone(),
            resource: self.resource.clone(),
            subresource: self.subresource.clone(),
            namespace: self.namespace.clone(),
            ..Question::default()
        }
    }
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
    /// It has cells, and not one was answered.
    pub fn is_unanswered(&self) -> bool {
        let mut cells = self.rows.iter().flat_map(|row| &row.allowed).peekable();
        cells.peek().is_some() && cells.all(Option::is_none)
    }

    /// As JSON shows it, without apiVersion and kind.
    pub fn view(&self) -> MatrixView {
        let text = |text: &String| (!text.is_empty()).then(|| text.clone());
        let rows = self.rows.iter().map(|row| MatrixRowView {
            group: row.group.clone(),
            resource: row.resource.clone(),
            subresource: text(&row.subresource),
            namespace: text(&row.namespace),
            allowed: self.verbs.iter().cloned().zip(row.allowed.iter().map(|answer| json!(answer))).collect(),
        });
        MatrixView {
            namespaces: self.namespaces.clone(),
            verbs: self.verbs.clone(),
            rows: rows.collect(),
            requests: self.requests,
        }
    }
}

/// A question and about whom it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct QuestionView {
    /// The verb.
    pub verb: String,
    /// API group; empty is the core group.
    pub group: String,
    /// Resource in the plural; empty when a path is asked.
    pub resource: String,
    /// Subresource, or empty.
    pub subresource: String,
    /// Object name, or empty for all.
    pub name: String,
    /// Namespace; empty is the cluster scope (all namespaces).
    pub namespace: String,
    /// Path of a non-resource question.
    #[serde(rename = "nonResourceURL")]
    pub path: Option<String>,
    /// The user asked about; null for oneself, and for somebody in the groups.
    pub user: Option<String>,
    /// The groups asked about.
    pub groups: Vec<String>,
}

impl QuestionView {
    /// The view of a question about a subject.
    pub fn new(question: &Question, subject: &User) -> Self {
        Self {
            verb: question.verb.clone(),
            group: question.group.clone(),
            resource: question.resource.clone(),
            subresource: question.subresource.clone(),
            name: question.name.clone(),
            namespace: question.namespace.clone(),
            path: question.path.clone(),
            user: (!subject.username.is_empty()).then(|| subject.username.clone()),
            groups: subject.groups.clone(),
        }
    }
}

/// The answer to one question (`kind: AccessAnswer`).
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AnswerView {
    /// The question.
    pub question: QuestionView,
    /// Null: it could not be asked.
    pub allowed: Option<bool>,
    /// True: an authorizer denied it outright, and no grant changes that; else absent.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schemars(default)]
    pub denied: bool,
    /// The server's reason.
    pub reason: String,
    /// `self-review`, `review`, `impersonation` or `computed`.
    pub method: &'static str,
    /// Every way by which it is allowed; null without `--why`.
    pub grants: Option<Vec<GrantView>>,
    /// What is nearly a grant; null without `--why`.
    pub near_misses: Option<Vec<NearMissView>>,
    /// A grant that would make it yes: the smallest, or a binding to a role that is there and gives little more; null
    /// without `--why`.
    pub suggestion: Option<SuggestionView>,
    /// What decides, in words, where RBAC is known not to be among the API server's authorizers: then there are no grants,
    /// and none would help. Else absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instead_of_rbac: Option<String>,
    /// An error while evaluating.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evaluation_error: Option<String>,
    /// Why there is no answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A grant that does not stand in the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SuggestionView {
    /// Role and binding as YAML.
    pub manifest: String,
}

/// Answers in the order of the questions (`kind: AccessAnswerList`).
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct AnswerListView {
    /// The answers.
    pub items: Vec<AnswerView>,
}

/// What is allowed in a namespace (`kind: AccessList`).
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct AccessListView {
    /// The namespace.
    pub namespace: String,
    /// The rules, as they stand in roles.
    #[schemars(with = "Vec<RuleShape>")]
    pub rules: Vec<Value>,
    /// Some authorizer could not list its rules.
    pub incomplete: bool,
}

/// Resources against verbs (`kind: AccessMatrix`).
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct MatrixView {
    /// The namespaces asked.
    pub namespaces: Vec<String>,
    /// The verbs asked.
    pub verbs: Vec<String>,
    /// The rows.
    pub rows: Vec<MatrixRowView>,
    /// Requests made.
    pub requests: usize,
}

/// One resource in one namespace.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct MatrixRowView {
    /// API group.
    pub group: String,
    /// Resource.
    pub resource: String,
    /// Subresource.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subresource: Option<String>,
    /// Namespace; absent for cluster-scoped resources.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// An answer for each verb, in the order of `verbs`; null where it could not be asked.
    #[schemars(with = "std::collections::BTreeMap<String, Option<bool>>")]
    pub allowed: serde_json::Map<String, Value>,
}

/// Who can do something (`kind: WhoCan`).
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct WhoCanView {
    /// The question.
    pub question: QuestionView,
    /// Everybody who can.
    pub subjects: Vec<WhoCanSubject>,
    /// What could not be listed.
    pub incomplete: Vec<String>,
}

/// Somebody who can.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct WhoCanSubject {
    /// `User`, `Group` or `ServiceAccount`; on EKS also `Principal`, an IAM principal with an access policy.
    pub kind: String,
    /// Its name; of a principal the ARN.
    pub name: String,
    /// Its namespace, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// By which ways.
    pub via: Vec<GrantView>,
}

/// Who somebody is to the API server (`kind: Identity`), or that it does not know.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum IdentityView {
    /// The server said who.
    Known(Box<KnownIdentity>),
    /// The server does not accept the credential.
    Rejected(Box<RejectedIdentity>),
}

/// Nobody: what [`KnownIdentity`] has, without a value, and why.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RejectedIdentity {
    /// Always null.
    pub username: (),
    /// Always null.
    pub uid: (),
    /// Always null.
    pub groups: (),
    /// Always null.
    pub extra: (),
    /// Always null.
    pub bound_to: (),
    /// Always null.
    pub origin: (),
    /// Always null.
    pub access_policies: (),
    /// Always null.
    pub expires_at: (),
    /// The code to look up.
    pub finding: &'static str,
    /// The API server.
    pub server: String,
}

/// Who the server says somebody is, and how it knows.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KnownIdentity {
    /// The name.
    pub username: String,
    /// Unique id, or empty.
    pub uid: String,
    /// Groups, in the server's order.
    pub groups: Vec<GroupView>,
    /// Extra attributes.
    pub extra: std::collections::BTreeMap<String, Vec<String>>,
    /// Roles that the user itself is bound to, with the binding.
    pub bound_to: Vec<String>,
    /// How the server knows.
    pub origin: OriginView,
    /// On EKS the access policies of the identity's access entry, which allow beside RBAC; empty where none are known.
    pub access_policies: Vec<AssociatedPolicy>,
    /// When the credential ends; null where no end is known.
    pub expires_at: Option<jiff::Timestamp>,
    /// The API server.
    pub server: String,
}

/// A group somebody is in.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GroupView {
    /// Its name.
    pub name: String,
    /// Where it comes from, in words.
    pub origin: String,
    /// Roles that it is bound to, with the binding.
    pub bound_to: Vec<String>,
}

/// How the server knows who somebody is.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct OriginView {
    /// `token-claim`, `certificate`, `service-account`, `eks-iam`, `bootstrap-token`, `impersonation`, `anonymous`,
    /// `proxy`, `token` or `unknown`.
    pub kind: &'static str,
    /// The same in words.
    pub detail: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_decides_instead_of_rbac_is_told_of_a_no() {
        let mut answer = AccessAnswer {
            question: Question::default(),
            subject: User::default(),
            allowed: Some(false),
            denied: false,
            reason: String::new(),
            method: "self-review",
            grants: Some(Vec::new()),
            near_misses: Some(Vec::new()),
            manifest: None,
            gives_more: None,
            rbac_in_doubt: false,
            instead_of_rbac: None,
            evaluation_error: String::new(),
            error: None,
        };
        assert_eq!(answer.overruled(), None);
        answer.instead_of_rbac = Some("What decides is ABAC.".to_owned());
        assert_eq!(answer.overruled(), Some("What decides is ABAC."));
        answer.allowed = Some(true);
        assert_eq!(answer.overruled(), None);
        assert_eq!(answer.view().instead_of_rbac.as_deref(), Some("What decides is ABAC."));
    }
}
