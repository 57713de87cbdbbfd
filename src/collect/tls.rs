//! The one TLS client: a verifier that records the chain and every fault, so that an untrusted server is seen whole.
//!
//! Chains are judged as kubectl judges them, by [`crate::credential::chain`]; signatures of the handshake are rustls'.
//! A failed verification does not end the handshake. Whoever sends a credential must ask [`Recorder::trusted`] first;
//! [`crate::collect::wire::Wire`] does. The client key signs nothing for a server that is not trusted.

/// The client certificate.
mod identity;
/// What is wrong with a chain.
mod judgement;
/// What one handshake showed.
mod recorder;
/// The roots that judge.
mod roots;
/// rustls' verifier.
mod verifier;
/// Failures in words.
mod words;

use std::sync::{Arc, LazyLock};

use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::ServerName;
use rustls::sign::CertifiedKey;

use self::identity::{GuardedKey, Identity, NoIdentity, certified_key};
pub use self::recorder::Recorder;
use self::roots::{Anchors, SystemRoots, pem_anchors};
use self::verifier::Verifier;
pub use self::words::{distrust, handshake_failure, tls_failure};
use super::{ClientIdentity, Roots};
use crate::evidence::{Failure, FailureKind};
use crate::host::Host;

/// Most certificates of a presented chain that are read.
const CHAIN_LIMIT: usize = 16;

/// How a server is judged and who we are to it.
#[derive(Debug, Clone)]
pub struct TlsSettings {
    /// The roots that judge.
    pub roots: Roots,
    /// The client certificate, if one is used.
    pub client_identity: Option<ClientIdentity>,
    /// A name to send and to check in place of the URL's host (`tls-server-name`).
    pub server_name: Option<String>,
    /// Verification is off (`insecure-skip-tls-verify`): nothing is judged.
    pub insecure: bool,
}

impl TlsSettings {
    /// Verification by the system's roots, without a client certificate.
    pub fn system() -> Self {
        Self { roots: Roots::System, client_identity: None, server_name: None, insecure: false }
    }
}

/// The cryptography of every TLS connection: aws-lc-rs.
pub fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> =
        LazyLock::new(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
    PROVIDER.clone()
}

/// One configuration with its recorder: for a caller that makes one connection, or that reads the last one's report.
///
/// # Errors
/// `Malformed` when the roots, the client certificate, its key or the server name cannot be used.
pub fn client_config(
    settings: &TlsSettings,
    alpn: &[&[u8]],
    host: &Host,
) -> Result<(Arc<ClientConfig>, Recorder), Failure> {
    Ok(TlsClient::new(settings, alpn, host)?.connection(true))
}

/// Everything that is made once per destination; [`TlsClient::connection`] gives each connection its own recorder,
/// because two connections may reach two servers.
#[derive(Clone)]
pub struct TlsClient {
    base: ClientConfig,
    anchors: Arc<Anchors>,
    system: SystemRoots,
    identity: Option<Arc<CertifiedKey>>,
    server_name: Option<ServerName<'static>>,
    insecure: bool,
}

impl std::fmt::Debug for TlsClient {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("TlsClient").field("roots", &self.anchors.label).finish_non_exhaustive()
    }
}

impl TlsClient {
    /// Reads roots and client identity.
    ///
    /// # Errors
    /// As [`client_config`].
    pub fn new(settings: &TlsSettings, alpn: &[&[u8]], host: &Host) -> Result<Self, Failure> {
        let system = SystemRoots::of(host);
        let anchors = if settings.insecure {
            Arc::new(Anchors::new("none", Vec::new()))
        } else {
            match &settings.roots {
                Roots::System => system.anchors(),
                Roots::Pem { pem, label } => pem_anchors(pem, label)?,
            }
        };
        let identity = settings.client_identity.as_ref().map(certified_key).transpose()?.map(Arc::new);
        let server_name =
            settings.server_name.as_deref().filter(|name| !name.is_empty()).map(parse_name).transpose()?;
        let nobody = Recorder::new(&anchors, settings.insecure);
        let verifier =
            Arc::new(Verifier { anchors: anchors.clone(), system: system.clone(), name: None, recorder: nobody });
        let mut base = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| Failure::new(FailureKind::Bug, format!("TLS cannot be set up: {error}")))?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        base.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
        // A resumed session is not verified again, so it would carry no report.
        base.resumption = Resumption::disabled();
        Ok(Self { base, anchors, system, identity, server_name, insecure: settings.insecure })
    }

    /// A configuration for one connection. Without `identity` no client certificate is offered.
    pub fn connection(&self, identity: bool) -> (Arc<ClientConfig>, Recorder) {
        let recorder = Recorder::new(&self.anchors, self.insecure);
        let mut config = self.base.clone();
        config.dangerous().set_certificate_verifier(Arc::new(Verifier {
            anchors: self.anchors.clone(),
            system: self.system.clone(),
            name: self.server_name.clone(),
            recorder: recorder.clone(),
        }));
        if let Some(certified) = self.identity.as_ref().filter(|_| identity) {
            let key = GuardedKey { inner: certified.key.clone(), recorder: recorder.clone() };
            let guarded = CertifiedKey::new(certified.cert.clone(), Arc::new(key));
            config.client_auth_cert_resolver = Arc::new(Identity(Arc::new(guarded), recorder.clone()));
        } else {
            config.client_auth_cert_resolver = Arc::new(NoIdentity(recorder.clone()));
        }
        (Arc::new(config), recorder)
    }

    /// The name to send and check for a URL's host: the settings' one, else the host itself.
    ///
    /// # Errors
    /// `Malformed` when it is neither a DNS name nor an address.
    pub fn name_for(&self, host: &str) -> Result<ServerName<'static>, Failure> {
        match &self.server_name {
            Some(name) => Ok(name.clone()),
            None => parse_name(host),
        }
    }

    /// A client certificate is configured.
    pub fn has_identity(&self) -> bool {
        self.identity.is_some()
    }
}

fn parse_name(name: &str) -> Result<ServerName<'static>, Failure> {
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    ServerName::try_from(bare.to_owned()).map_err(|_| {
        Failure::new(FailureKind::Malformed, format!("{bare:?} is not a name that a certificate can have"))
    })
}

#[cfg(test)]
mod tests;
