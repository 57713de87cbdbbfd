//! Certificates and handshakes.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What a certificate says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CertificateFacts {
    /// Subject as RFC 4514 text.
    pub subject: String,
    /// Issuer as RFC 4514 text.
    pub issuer: String,
    /// Subject common names, in order.
    pub common_names: Vec<String>,
    /// Subject organisations, in order (groups of a client certificate).
    pub organizations: Vec<String>,
    /// DNS names and IP addresses of the subject alternative name.
    pub names: Vec<String>,
    /// Serial number, decimal.
    pub serial: String,
    /// Start of validity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// End of validity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_after: Option<Timestamp>,
    /// Basic constraints say CA.
    pub is_ca: bool,
    /// Extended key usages: `clientAuth`, `serverAuth`, `any` or dotted OIDs.
    pub extended_key_usages: Vec<String>,
    /// Lower-case hex SHA-256 of the DER.
    pub sha256: String,
    /// Subject key id, colon-separated upper-case hex as Go prints it, or empty.
    pub subject_key_id: String,
    /// Authority key id, likewise.
    pub authority_key_id: String,
    /// It carries proofs of publication in a certificate transparency log, as only public authorities' ones do.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub published: bool,
    /// URLs of the signer's own certificate (authority information access, CA issuers).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ca_issuers: Vec<String>,
}

/// What kube-apiserver reads from a client's certificate, exactly (nothing is cut or cleaned).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PeerFacts {
    /// The last common name of the subject, or empty.
    pub common_name: String,
    /// The organisations of the subject, in order.
    pub organizations: Vec<String>,
    /// The values of the attribute 1.3.6.1.4.1.57683.2 of the subject, in order.
    pub uids: Vec<String>,
    /// Serial number, decimal.
    pub serial: String,
    /// Subject key id, colon-separated upper-case hex, or empty.
    pub subject_key_id: String,
    /// Authority key id, likewise.
    pub authority_key_id: String,
    /// Lower-case hex SHA-256 of the DER.
    pub sha256: String,
}

/// What Go's `Certificate.Verify` answers for a certificate and a bundle of roots.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "verdict")]
pub enum ChainVerdict {
    /// Trusted.
    Accepted {
        /// Every chain found, leaf first, each certificate by its SHA-256 in lower-case hex.
        chains: Vec<Vec<String>>,
    },
    /// Not trusted.
    Refused {
        /// Go's text.
        error: String,
    },
    /// It hangs on something that cannot be checked here.
    Undecided {
        /// What that is, in one sentence.
        because: String,
    },
}

/// One handshake, carried through although verification may have failed.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TlsReport {
    /// The name sent as SNI and checked.
    pub server_name: String,
    /// Negotiated version, e.g. `TLSv1_3`.
    pub version: String,
    /// Negotiated ALPN protocol.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alpn: Option<String>,
    /// Chain as presented, leaf first.
    pub chain: Vec<CertificateFacts>,
    /// Which roots judged: `kubeconfig`, `system`, `oidc-ca-file` or `none` (verification off).
    pub roots: String,
    /// How many roots.
    pub root_count: usize,
    /// The faults found, both of chain and name; empty is trust.
    pub faults: Vec<TlsFault>,
    /// Whether the server asked for a client certificate; absent in files of older versions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asks_client_certificate: Option<bool>,
    /// Subjects of the CAs whose client certificates it asked for, as RFC 4514 text; empty when it named none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub client_authorities: Vec<String>,
    /// Whether this machine's own roots trust the chain, where other roots judged and found no authority for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trusted_by_system: Option<bool>,
    /// How a first attempt at this handshake was broken off; absent where this is the first one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broken_before: Option<String>,
    /// What was wrong with the certificate that a first handshake was shown, where this one was shown another that is
    /// trusted; absent where this is the first one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub distrusted_before: Option<TlsFault>,
    /// For how many milliseconds a first connection was silent in the handshake, while this one beside it was answered;
    /// absent where this is the first one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub silent_before: Option<u64>,
}

impl TlsReport {
    /// The CA file that was given as the API server's own (--oidc-ca-file) does not vouch for this chain.
    pub fn distrusted_by_oidc_ca(&self) -> bool {
        let unknown = [TlsFaultKind::UnknownAuthority, TlsFaultKind::AuthorityKeyDiffers];
        self.roots == OIDC_CA_FILE && self.faults.iter().any(|fault| unknown.contains(&fault.kind))
    }
}

/// How [`TlsReport::roots`] names the file that was given as the API server's own CA for the issuer.
pub const OIDC_CA_FILE: &str = "oidc-ca-file";

impl CertificateFacts {
    /// How many uids the subject names, as newer API servers read them: they take one, and refuse several.
    pub fn uids(&self) -> usize {
        self.subject.matches("1.3.6.1.4.1.57683.2=").count()
    }
}

/// Why a chain is not trusted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TlsFault {
    /// The kind, for rules.
    pub kind: TlsFaultKind,
    /// One sentence.
    pub detail: String,
    /// What should have been there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// What was there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<String>,
    /// Go's words for it, as kubectl prints them behind `tls: failed to verify certificate: `; absent where Go has none
    /// and in files of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub go: Option<String>,
}

/// Kinds of distrust.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TlsFaultKind {
    /// No root of ours signed it.
    UnknownAuthority,
    /// A root of ours has the issuer's name, but another key.
    AuthorityKeyDiffers,
    /// Not valid any more.
    Expired,
    /// Not valid yet.
    NotYetValid,
    /// The certificate is for other names.
    NameMismatch,
    /// Not meant for servers.
    WrongUsage,
    /// kaccess cannot tell whether Go would trust it.
    Undecided,
    /// Anything else.
    Other,
}
