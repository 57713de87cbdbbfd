//! The RBAC objects that touch one identity, reduced from the whole lists.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::access::{NonResourceRule, ResourceRule};

/// The part of a cluster's RBAC that matters here.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Rbac {
    /// Who read it: `self` or `reviewer`.
    pub read_as: String,
    /// The user of the message that the user met, where it is another one than who is signed in: its bindings are kept
    /// too. The groups are those that follow from the name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub named: Option<super::identity::User>,
    /// How many bindings the cluster has.
    pub bindings_total: usize,
    /// Bindings with a subject that is this identity or looks like it.
    pub bindings: Vec<Binding>,
    /// Roles that those bindings name; where one is missing, the one of that name and of the other kind.
    pub roles: Vec<Role>,
    /// Kinds that could not be listed, with the reason.
    pub unread: Vec<String>,
}

/// The name of a kind. Those that there are take no memory of their own: large clusters have them a hundred thousand times.
pub type Kind = Cow<'static, str>;

/// A RoleBinding or ClusterRoleBinding.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Binding {
    /// `RoleBinding` or `ClusterRoleBinding`.
    pub kind: Kind,
    /// Namespace, empty for a ClusterRoleBinding.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// `Role` or `ClusterRole`.
    pub role_kind: Kind,
    /// The role's name.
    pub role_name: String,
    /// Its subjects (those that matter).
    pub subjects: Vec<Subject>,
}

/// A subject of a binding.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Subject {
    /// `User`, `Group` or `ServiceAccount`.
    pub kind: Kind,
    /// Name.
    pub name: String,
    /// Namespace of a service account.
    pub namespace: String,
    /// Its place in the binding's whole list of subjects, from 0.
    pub index: usize,
}

/// A Role or ClusterRole.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Role {
    /// `Role` or `ClusterRole`.
    pub kind: Kind,
    /// Namespace, empty for a ClusterRole.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Rules on resources.
    pub resource_rules: Vec<ResourceRule>,
    /// Rules on paths.
    pub non_resource_rules: Vec<NonResourceRule>,
    /// A ClusterRole with an aggregationRule: a controller copies the rules of other roles into it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub aggregates: bool,
    /// The ClusterRoles that its aggregationRule selects; told only where it aggregates and has no rules.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub collects: Vec<String>,
}

impl Role {
    /// It has no rules.
    pub fn is_empty(&self) -> bool {
        self.resource_rules.is_empty() && self.non_resource_rules.is_empty()
    }
}
