//! What a kube-apiserver answered, and what it says of itself.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Failure;
use super::identity::User;
use super::tls::CertificateFacts;

/// One HTTP answer.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HttpAnswer {
    /// Method.
    pub method: String,
    /// URL asked, query and userinfo removed.
    pub url: String,
    /// Status code.
    pub status: u16,
    /// Reason phrase by the code's registry.
    pub reason: String,
    /// Content-Type header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// Server header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// Date header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date: Option<Timestamp>,
    /// This machine's clock when the answer came, to compare with `date`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub received_at: Option<Timestamp>,
    /// Location header of a redirect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// How API priority and fairness filed the request, where the answer is a refusal (429) that says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flow_control: Option<FlowControl>,
    /// Scrubbed body, at most 2 KiB.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub body: String,
    /// Length of the whole body in bytes, as far as it was read.
    pub body_length: usize,
    /// Bytes of the request's header fields that carry the credential and the impersonation, where there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sent_header_bytes: Option<usize>,
}

impl HttpAnswer {
    /// The answer is a kube-apiserver's own: JSON with its version, or a Status.
    pub fn is_of_kubernetes(&self) -> bool {
        let json = self.content_type.as_deref().unwrap_or_default().starts_with("application/json");
        let marks = ["gitVersion", "\"kind\":\"Status\"", "\"kind\": \"Status\""];
        json && marks.iter().any(|mark| self.body.contains(mark))
    }

    /// The answer is a kube-apiserver's own, and not that of an overloaded or broken one.
    pub fn is_served(&self) -> bool {
        self.is_of_kubernetes() && self.status < 500 && self.status != 429
    }
}

/// The X-Kubernetes-PF headers of an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FlowControl {
    /// UID of the FlowSchema that matched.
    pub flow_schema_uid: String,
    /// UID of its PriorityLevelConfiguration.
    pub priority_level_uid: String,
    /// Retry-After header, seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<String>,
}

/// The same request with the same credential over several fresh connections: behind one address there may be several
/// API servers.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Repeats {
    /// The path asked.
    pub path: String,
    /// The status of each answer, in the order asked; a connection without an answer is left out.
    pub statuses: Vec<u16>,
}

/// Further connections, tried where one of this run was broken off, or answered by something that is no API server.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Again {
    /// The path asked, without any credential.
    pub path: String,
    /// What came of each connection, in the order asked.
    pub tries: Vec<Try>,
    /// The same of connections that carried a POST (of a SelfSubjectReview), without the credential as well.
    pub posts: Vec<Try>,
    /// The same of one that carried a GET of another path (`/api`); absent in files of older versions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other_path: Option<Try>,
}

/// What came of one further connection.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Try {
    /// The status of the answer; absent where none came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The answer is a kube-apiserver's own, and no refusal of an overloaded or broken one (429, 5xx).
    pub served: bool,
    /// Why no answer came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

/// Proof that the reviewer's context is the same cluster.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Reviewer {
    /// The context's name, or the current one.
    pub context: String,
    /// How the identity of the cluster was proven.
    pub proof: String,
    /// Who the reviewer is, where the server said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
}

/// TokenReview.status.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TokenReview {
    /// The token is good.
    pub authenticated: bool,
    /// Whose it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<User>,
    /// The API server's own words why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// The authentication series of `/metrics`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Metrics {
    /// `sha256:` and the hex SHA-256 of the issuer that this token names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_issuer_hash: Option<String>,
    /// One entry for every issuer hash that has a series.
    pub issuers: Vec<IssuerMetrics>,
    /// Hash of the authentication configuration in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub configuration_hash: Option<String>,
    /// Whether reloads of that configuration failed since the last success.
    pub reload_failed: bool,
}

/// What one API server counts for one issuer.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct IssuerMetrics {
    /// `sha256:` and hex of the configured issuer URL.
    pub issuer_hash: String,
    /// Tokens of this issuer that were accepted.
    pub successes: u64,
    /// Tokens of this issuer that were refused.
    pub failures: u64,
    /// Last good fetch of the key set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keys_fetched_at: Option<Timestamp>,
    /// Last failed fetch of the key set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keys_failed_at: Option<Timestamp>,
    /// SHA-256 of the key set held.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_set_hash: Option<String>,
}

/// kube-apiserver's flags that decide about access.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Flags {
    /// Where they were read: `/flagz`, a file name.
    pub source: String,
    /// Flag name without dashes, to its values.
    pub flags: BTreeMap<String, Vec<String>>,
    /// An AuthenticationConfiguration, if one was handed over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authentication_configuration: Option<serde_json::Value>,
    /// Whether the source holds every flag that was given: then the default rules for each flag that is not in it.
    pub complete: bool,
    /// The CAs of client certificates, where the source holds the certificates themselves.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub client_authorities: Vec<CertificateFacts>,
}

/// kube-apiserver's own Pods in kube-system, as kubeadm and its like run them.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServerPods {
    /// The Pods' names.
    pub pods: Vec<String>,
    /// The flags of the first one's command line.
    pub flags: Flags,
    /// Flags that another one has with other values, or has not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub differing: Vec<String>,
}

/// What a log held.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Log {
    /// File name or `-`.
    pub source: String,
    /// Lines read.
    pub lines: u64,
    /// Why the rest was not read; absent where it was read to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<String>,
    /// klog time stamp of the last line that has one, as written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<String>,
    /// Recognised texts, grouped.
    pub matches: Vec<LogMatch>,
}

/// One recognised text of a log, with all its occurrences.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LogMatch {
    /// Name of the text in `apiserver::message`.
    pub text: String,
    /// The last such line, scrubbed, at most 1 KiB.
    pub line: String,
    /// 1-based number of the first such line.
    pub line_number: u64,
    /// Number of the last such line.
    pub last_line_number: u64,
    /// How many.
    pub count: u64,
    /// klog time stamp of the first and last one, as written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_seen: Option<String>,
    /// Likewise for the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<String>,
    /// Fields pulled out of the last one (`status`, `issuer`, `expected`, `got`, ...).
    pub fields: BTreeMap<String, String>,
}

/// What discovery tells of API groups.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Apis {
    /// Versions of groups that are registered and whose extension server does not answer (freshness `Stale`), as
    /// `group/version`.
    pub stale: Vec<String>,
    /// The group metrics.k8s.io is registered, whether it answers or not.
    pub metrics: bool,
}
