//! Names, addresses and connections.

use std::fmt;
use std::net::IpAddr;

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
    /// NO_PROXY, where a proxy of the environment is used and it is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_proxy: Option<String>,
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
    /// What they answered.
    pub outcome: LookupOutcome,
    /// The addresses.
    pub addresses: Vec<String>,
}

/// What name servers answered. Its text is the evidence's spelling.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LookupOutcome {
    /// Addresses.
    Answer,
    /// No such name.
    Nxdomain,
    /// The name is there, without an address.
    Nodata,
    /// They cannot say.
    Servfail,
    /// They may not say, by their rules.
    Refused,
    /// No name server listens there.
    Closed,
    /// Nothing in time.
    Timeout,
    /// Any other error.
    Error,
    /// Other words: why nobody could be asked, or what another version writes; empty where there are none.
    #[serde(untagged)]
    Other(String),
}

impl Default for LookupOutcome {
    fn default() -> Self {
        Self::Other(String::new())
    }
}

impl fmt::Display for LookupOutcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(formatter)
    }
}

/// What name servers say of a name, each asked by itself, where the system's own answer leads nowhere.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Names {
    /// The name, without a dot at its end.
    pub host: String,
    /// The name servers of resolv.conf, each with its own answer for the absolute name.
    pub servers: Vec<ServerAnswer>,
    /// The resolver named by `--public-resolver`; absent without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public: Option<ServerAnswer>,
    /// The search domains of resolv.conf.
    pub search: Vec<String>,
    /// The system's answer for the absolute name (a dot at its end, so no search domain is tried); absent where the
    /// name as it stands does not resolve.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub absolute: Option<Absolute>,
}

/// The system's answer for a name that no search domain is put behind.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Absolute {
    /// Its addresses.
    pub addresses: Vec<String>,
    /// The error of getaddrinfo, if it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The name with a search domain behind it that has the addresses of the name as it stands: the one that was
    /// taken instead. Absent where the answers are the same, or no search domain has them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub captured_by: Option<String>,
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
    /// What became of it.
    pub outcome: ConnectOutcome,
    /// The system's words for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The address that this machine would send from, where the system knows a way and no connection came about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Milliseconds.
    pub took_ms: u64,
}

impl Attempt {
    /// The connection stood.
    pub fn connected(&self) -> bool {
        self.outcome == ConnectOutcome::Connected
    }
}

/// What became of a TCP connection. Its text is the evidence's spelling.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConnectOutcome {
    /// It stood.
    Connected,
    /// Nobody listens on the port, or somebody says so.
    Refused,
    /// Nothing answered in time.
    Timeout,
    /// No way leads there.
    Unreachable,
    /// Any other error of the system.
    Error,
    /// A word that this version does not write; empty where there is none.
    #[serde(untagged)]
    Other(String),
}

impl Default for ConnectOutcome {
    fn default() -> Self {
        Self::Other(String::new())
    }
}

impl fmt::Display for ConnectOutcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(formatter)
    }
}

/// An address that only a private network or a VPN leads to.
pub fn is_private(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            // 100.64.0.0/10 is the providers' own space, which VPCs and overlay networks use too.
            ip.is_private() || a == 100 && (64..128).contains(&b)
        }
        IpAddr::V6(ip) => ip.segments()[0] & 0xfe00 == 0xfc00,
    }
}

/// An address that the whole Internet could reach.
pub fn is_public(ip: IpAddr) -> bool {
    let ip = ip.to_canonical();
    let local = match ip {
        IpAddr::V4(ip) => ip.is_link_local() || ip.is_broadcast(),
        IpAddr::V6(ip) => ip.segments()[0] & 0xffc0 == 0xfe80,
    };
    !(is_private(ip) || ip.is_loopback() || ip.is_unspecified() || ip.is_multicast() || local)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_other_versions_are_kept() {
        for (word, outcome) in [
            ("connected", ConnectOutcome::Connected),
            ("unreachable", ConnectOutcome::Unreachable),
            ("reset", ConnectOutcome::Other("reset".to_owned())),
            ("", ConnectOutcome::default()),
        ] {
            let attempt: Attempt = serde_json::from_value(serde_json::json!({ "outcome": word })).unwrap();
            assert_eq!((attempt.outcome.to_string().as_str(), &attempt.outcome), (word, &outcome));
            assert_eq!(serde_json::to_value(&attempt).unwrap()["outcome"], word);
        }
        for (word, outcome) in [
            ("answer", LookupOutcome::Answer),
            ("nxdomain", LookupOutcome::Nxdomain),
            ("error: no resolv.conf", LookupOutcome::Other("error: no resolv.conf".to_owned())),
        ] {
            let answer: ServerAnswer = serde_json::from_value(serde_json::json!({ "outcome": word })).unwrap();
            assert_eq!((answer.outcome.to_string().as_str(), &answer.outcome), (word, &outcome));
            assert_eq!(serde_json::to_value(&answer).unwrap()["outcome"], word);
        }
    }
}
