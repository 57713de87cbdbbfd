//! The kubeconfig as client-go would merge it, without any secret.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::tls::CertificateFacts;

/// The merged kubeconfig and what was chosen from it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Kubeconfig {
    /// `files`, `in-cluster` or `flags` (only `--server` and `--token` were given).
    pub source: String,
    /// The files of the list, in order.
    pub files: Vec<File>,
    /// All context names, in order.
    pub contexts: Vec<String>,
    /// The context used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    /// `--context` named it: the current one may be another.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub context_named: bool,
    /// The namespace questions are asked in.
    pub namespace: String,
    /// The cluster entry used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<Cluster>,
    /// The user entry used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<UserEntry>,
    /// kubectl's own preferences, where it would read a file of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kuberc: Option<Kuberc>,
    /// Complaints that did not stop the loading.
    pub problems: Vec<Problem>,
}

/// How kubectl begins where it stops at its own preferences.
pub const STOPPED: &str = "error occurred while applying preferences ";

/// kubectl's preferences file (kuberc), as far as it is about credential plugins.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Kuberc {
    /// Its path.
    pub path: String,
    /// KUBERC names it: kubectl does not start where it cannot be read.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub named: bool,
    /// `credentialPluginPolicy`: `AllowAll`, `DenyAll` or `Allowlist`; absent where all may run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plugin_policy: Option<String>,
    /// `credentialPluginAllowlist`: the commands; absent where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plugin_allowlist: Option<Vec<String>>,
    /// Why kubectl passes over the file, where it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// One kubeconfig file of the list.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct File {
    /// Path as given.
    pub path: String,
    /// `read`, `missing`, `unreadable` or `malformed`.
    pub state: String,
    /// The complaint, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// It holds secrets, and every user of the machine can read it: its mode and every folder above let them. Absent in
    /// files of older versions, which did not look at the folders.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub world_readable: bool,
}

/// A cluster entry.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Cluster {
    /// Its name in the file.
    pub name: String,
    /// The file it stands in.
    pub file: String,
    /// The server URL, userinfo removed.
    pub server: String,
    /// Where the CA comes from: `data`, a path, or none for the system's roots.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate_authority: Option<String>,
    /// The CA's certificates.
    pub authorities: Vec<CertificateFacts>,
    /// Verification is switched off.
    pub insecure_skip_tls_verify: bool,
    /// The name used for SNI and verification instead of the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_server_name: Option<String>,
    /// Proxy from the entry, userinfo removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy_url: Option<String>,
}

/// A user entry, secrets left out.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct UserEntry {
    /// Its name in the file.
    pub name: String,
    /// The file it stands in.
    pub file: String,
    /// Ways to authenticate that the entry holds: `token`, `tokenFile`, `clientCertificate`, `exec`, `basic`, `authProvider`.
    pub methods: Vec<String>,
    /// The credential plugin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exec: Option<Exec>,
    /// Impersonated user of the entry or flags.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub impersonate: Option<String>,
    /// Impersonated groups.
    pub impersonate_groups: Vec<String>,
    /// Impersonated uid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub impersonate_uid: Option<String>,
    /// Impersonated extra attributes: key and values.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub impersonate_extra: BTreeMap<String, Vec<String>>,
}

/// A credential plugin's entry.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Exec {
    /// The command as written.
    pub command: String,
    /// Arguments, scrubbed.
    pub args: Vec<String>,
    /// Names of the environment variables it sets.
    pub env: Vec<String>,
    /// client.authentication.k8s.io version asked for.
    pub api_version: String,
    /// Hint shown when it is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub install_hint: Option<String>,
    /// `IfAvailable`, `Never` or `Always`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interactive_mode: Option<String>,
}

/// The fault of a kubeconfig that stopped its loading.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Fault {
    /// The code of the finding it leads to.
    pub code: String,
    /// The context that was to be used. Absent where there is none of the name, and in files of older versions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    /// The cluster or user entry it stands in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry: Option<String>,
    /// The file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// 1-based line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// A flag named what is not there, and no file.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub flag: bool,
}

/// A complaint about a kubeconfig, with its place.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Problem {
    /// The code of the finding it leads to, where it leads to one.
    pub kind: String,
    /// One sentence.
    pub detail: String,
    /// The file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// 1-based line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
}
