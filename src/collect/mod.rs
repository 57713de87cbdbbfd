//! All input and output.
//!
//! [`plan`] is the graph that puts the looks together. A look has the name of the evidence it fills: [`access`],
//! [`apiserver`], [`credential`], [`dns`], [`identity`], [`issuer`], [`kubeconfig`], [`rbac`], [`tls`], [`workload`].
//! Beside them [`aws`] fills `eks`, `network` and `balancer`, and [`log`] and [`api_types`] fill parts of `apiserver`.
//!
//! The rest is what they look with: [`wire`] connects, [`proxy`] says through whom, [`proto`] and [`yaml`] read what
//! comes, `objects` reads objects and lists of the API server, `key_pair` a client certificate with its key,
//! [`interrupt`] hears that the run is to end.

pub mod access;
pub mod api_types;
pub mod apiserver;
pub mod aws;
pub mod credential;
pub mod dns;
pub mod gzip;
pub mod identity;
pub mod interrupt;
pub mod issuer;
mod key_pair;
pub mod kubeconfig;
pub mod log;
mod objects;
pub mod plan;
pub mod proto;
pub mod proxy;
pub mod rbac;
pub mod tls;
pub mod wire;
pub mod workload;
pub mod yaml;

use crate::secret::Secret;

/// A client certificate with its key, as PEM.
#[derive(Debug, Clone)]
pub struct ClientIdentity {
    /// The leaf and intermediates.
    pub chain_pem: String,
    /// The private key.
    pub key_pem: Secret,
}

/// The roots that judge a server.
#[derive(Debug, Clone)]
pub enum Roots {
    /// The system's (SSL_CERT_FILE and SSL_CERT_DIR replace them, as in Go).
    System,
    /// PEM certificates, with a label for the report: `kubeconfig` or `oidc-ca-file`.
    Pem {
        /// The certificates.
        pem: String,
        /// Where they came from.
        label: &'static str,
    },
}
