//! The OIDC issuer, seen from this machine.

use serde::{Deserialize, Serialize};

use super::apiserver::HttpAnswer;

/// The User-Agent of Go's HTTP client, which the control plane asks with.
pub const CONTROL_PLANE_AGENT: &str = "Go-http-client/1.1";

/// Which issuer is examined.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Target {
    /// The issuer URL.
    pub url: String,
    /// `token`, `flag`, `exec-arguments` or `flagz`.
    pub origin: String,
    /// Where the discovery document is read instead of below the issuer URL, by the configuration that was handed over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discovery_url: Option<String>,
    /// The host that is asked.
    pub host: String,
    /// The host name is localhost: no conclusion is drawn from its address.
    pub laboratory: bool,
}

impl Target {
    /// The URL whose host is asked.
    pub fn asked(&self) -> &str {
        self.discovery_url.as_deref().unwrap_or(&self.url)
    }

    /// Where the discovery document is read: a URL of its own is taken as it is.
    pub fn document(&self) -> String {
        self.discovery_url.clone().unwrap_or_else(|| discovery_url(&self.url))
    }
}

/// The URL of an issuer's discovery document, as go-oidc builds it: one slash at the end is dropped.
pub fn discovery_url(issuer: &str) -> String {
    format!("{}/.well-known/openid-configuration", issuer.strip_suffix('/').unwrap_or(issuer))
}

/// An attempt to read the discovery document.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Discovery {
    /// The final answer.
    pub answer: HttpAnswer,
    /// Redirects followed, as URLs.
    pub redirects: Vec<String>,
    /// The User-Agent sent.
    pub user_agent: String,
    /// `issuer` in the document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// `jwks_uri` in the document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwks_uri: Option<String>,
    /// Why the body is not a discovery document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unparsable: Option<String>,
}

/// An attempt to read the key set.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Jwks {
    /// The answer, body left out when it is a key set.
    pub answer: HttpAnswer,
    /// The User-Agent sent.
    pub user_agent: String,
    /// `sha256:` and hex SHA-256 of the raw body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_hash: Option<String>,
    /// The public key set itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document: Option<serde_json::Value>,
    /// Its Cache-Control header: how long the API server keeps the set when it knows a key of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_control: Option<String>,
    /// The keys.
    pub keys: Vec<KeyFacts>,
    /// Why Go's JOSE library refuses the set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unparsable: Option<String>,
}

/// One key of a set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct KeyFacts {
    /// `kid`, empty when absent.
    pub kid: String,
    /// `kty`.
    pub kty: String,
    /// `alg`, empty when absent.
    pub alg: String,
    /// `use`, empty when absent.
    #[serde(rename = "use")]
    pub usage: String,
}

/// This token's signature against the live key set.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SignatureCheck {
    /// The token's `kid`, empty when absent.
    pub kid: String,
    /// The token's `alg`.
    pub alg: String,
    /// The set holds that kid.
    pub kid_known: bool,
    /// Some key of the set verifies it, as the API server chooses keys.
    pub verified: bool,
    /// One verdict a key: `verified`, `failed`, or why it was not tried.
    pub verdicts: Vec<KeyVerdict>,
}

impl SignatureCheck {
    /// The token claims a signature that a published key verifies: HS256 and none are no matter of keys.
    pub fn is_of_keys(&self) -> bool {
        ["RS", "PS", "ES"].iter().any(|family| self.alg.starts_with(family))
    }
}

/// One key's verdict.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct KeyVerdict {
    /// The key's `kid`.
    pub kid: String,
    /// `verified`, `failed` or `not tried: <why>`.
    pub verdict: String,
}
