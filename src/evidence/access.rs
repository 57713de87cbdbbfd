//! What an identity may do, as the server's access reviews say.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One access question, in the terms of SelfSubjectAccessReview.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Question {
    /// The verb: get, list, create, impersonate, ...
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
    /// Path of a non-resource question, e.g. `/metrics`.
    #[serde(rename = "nonResourceURL", skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

impl Question {
    /// Resource and subresource as a rule names them: `pods/log`.
    pub fn whole(&self) -> String {
        if self.subresource.is_empty() {
            self.resource.clone()
        } else {
            format!("{}/{}", self.resource, self.subresource)
        }
    }

    /// `list pods in namespace dev`, as the report writes it.
    pub fn sentence(&self) -> String {
        if let Some(path) = &self.path {
            return format!("{} {path}", self.verb);
        }
        let mut text = format!("{} {}", self.verb, self.whole());
        if !self.group.is_empty() {
            text.push_str(&format!(".{}", self.group));
        }
        if !self.name.is_empty() {
            text.push_str(&format!(" {:?}", self.name));
        }
        if self.namespace.is_empty() {
            text.push_str(" at the cluster scope");
        } else {
            text.push_str(&format!(" in namespace {}", self.namespace));
        }
        text
    }
}

/// The server's answer to one question.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// What was asked.
    pub question: Question,
    /// The answer.
    pub allowed: bool,
    /// An authorizer denied it outright, so that no later one (RBAC is one) was asked; false also where nobody allowed
    /// it, and in evidence of earlier versions.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub denied: bool,
    /// The authorizer's reason, often empty for a denial.
    pub reason: String,
    /// An error while evaluating, empty when none.
    pub evaluation_error: String,
}

/// Rules of one namespace as SelfSubjectRulesReview lists them.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Rules {
    /// The namespace asked about.
    pub namespace: String,
    /// Rules on resources.
    pub resource_rules: Vec<ResourceRule>,
    /// Rules on paths.
    pub non_resource_rules: Vec<NonResourceRule>,
    /// True when some authorizer cannot list its rules (always on EKS).
    pub incomplete: bool,
    /// Why it is incomplete, or empty.
    pub evaluation_error: String,
}

/// One rule on resources.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ResourceRule {
    /// Verbs, `*` for all.
    pub verbs: Vec<String>,
    /// API groups, `""` is core.
    pub api_groups: Vec<String>,
    /// Resources, with subresources as `pods/log`.
    pub resources: Vec<String>,
    /// Object names; empty means all.
    pub resource_names: Vec<String>,
}

/// One rule on paths.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NonResourceRule {
    /// Lower-case HTTP methods.
    pub verbs: Vec<String>,
    /// Paths, a trailing `*` is a prefix.
    #[serde(rename = "nonResourceURLs")]
    pub paths: Vec<String>,
}

/// All access reviews of a run.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Access {
    /// Questions with answers, in the order asked.
    pub checks: Vec<Check>,
    /// The rules of the context's namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rules: Option<Rules>,
    /// Why there are no rules, if there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rules_error: Option<String>,
}

/// Whether an object is there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Existence {
    /// It is.
    pub exists: bool,
}
