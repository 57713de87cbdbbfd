//! Names, addresses and connections.

use serde::{Deserialize, Serialize};

/// Where a request goes: straight or through a proxy.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Route {
    /// The server URL.
    pub url: String,
    /// `http` or `https`.
    pub scheme: String,
    /// Host without port.
    pub host: String,
    /// Port.
    pub port: u16,
    /// The proxy used, userinfo removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
    /// Where the proxy was named, or why none is used.
    pub proxy_reason: String,
}

/// What the system and the configured name servers say about a name.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Resolution {
    /// The name.
    pub host: String,
    /// The host is an address: nothing was looked up.
    pub literal: bool,
    /// The system's own answer (getaddrinfo).
    pub addresses: Vec<String>,
    /// The error of getaddrinfo, if it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The name servers' answer, for comparison: addresses, or `NXDOMAIN`, `NODATA`, `SERVFAIL`, `timeout`, ...
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name_servers: Option<ServerAnswer>,
}

/// What the name servers of resolv.conf (or a public one) answered.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServerAnswer {
    /// The servers asked.
    pub servers: Vec<String>,
    /// `answer`, `nxdomain`, `nodata`, `servfail`, `refused`, `timeout`, `error`.
    pub outcome: String,
    /// The addresses.
    pub addresses: Vec<String>,
}

/// TCP connections to every address of a name.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Connections {
    /// One attempt an address.
    pub attempts: Vec<Attempt>,
}

/// One TCP connection.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Attempt {
    /// `address:port`.
    pub address: String,
    /// `connected`, `refused`, `timeout`, `unreachable` or `error`.
    pub outcome: String,
    /// The system's words for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Milliseconds.
    pub took_ms: u64,
}
