//! Who somebody is to the API server.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whoever comes without a credential.
pub const ANONYMOUS: &str = "system:anonymous";
/// Everybody in this group may do everything, before RBAC is asked.
pub const MASTERS: &str = "system:masters";
/// Everybody who signed in is in this group.
pub const AUTHENTICATED: &str = "system:authenticated";
/// Everybody who did not.
pub const UNAUTHENTICATED: &str = "system:unauthenticated";

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

impl User {
    /// Nobody: the request came without a credential that counts.
    pub fn is_anonymous(&self) -> bool {
        self.username == ANONYMOUS
    }
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
