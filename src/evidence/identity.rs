//! Who somebody is to the API server.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// authentication.k8s.io UserInfo.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct User {
    /// The name RBAC's User subjects are compared with.
    pub username: String,
    /// Stable id, or empty.
    pub uid: String,
    /// Groups, in the server's order.
    pub groups: Vec<String>,
    /// Extra attributes.
    pub extra: BTreeMap<String, Vec<String>>,
}

/// The answer to a SelfSubjectReview.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Identity {
    /// The API version that answered.
    pub api_version: String,
    /// The user.
    pub user: User,
    /// Content-Type of that answer, where it is none that clients decode API objects of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undecodable_type: Option<String>,
}
