//! The one TLS client: a verifier that records the chain and every fault, so that an untrusted server is seen whole.
//!
//! Chains are judged as kubectl judges them, by [`crate::credential::chain`]; signatures of the handshake are rustls'.
//! A failed verification does not end the handshake. Whoever sends a credential must ask [`Recorder::trusted`] first;
//! [`crate::collect::wire::Wire`] does. The client key signs nothing for a server that is not trusted.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use jiff::Timestamp;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, Resumption};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::sign::{CertifiedKey, Signer, SigningKey};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, InvalidMessage, SignatureAlgorithm, SignatureScheme,
};

use super::{ClientIdentity, Roots, key_pair};
use crate::credential::certificate::{facts_from_der, name_from_der, sha256_hex};
use crate::credential::chain::{Certificate, Options, ParseError, Pool, Usage, verify};
use crate::evidence::tls::{CertificateFacts, ChainVerdict, TlsFault, TlsFaultKind, TlsReport};
use crate::evidence::{Failure, FailureKind};
use crate::host::Host;

/// Most certificates of a presented chain that are read.
const CHAIN_LIMIT: usize = 16;

/// The smallest RSA key that aws-lc-rs signs with, in bits.
const SMALLEST_RSA: usize = 2048;

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

/// What one handshake showed.
#[derive(Debug, Clone)]
pub struct Recorder {
    insecure: bool,
    report: Arc<Mutex<TlsReport>>,
    judged: Arc<std::sync::atomic::AtomicBool>,
}

impl Recorder {
    fn new(anchors: &Anchors, insecure: bool) -> Self {
        let report =
            TlsReport { roots: anchors.label.to_owned(), root_count: anchors.roots.len(), ..TlsReport::default() };
        Self { insecure, report: Arc::new(Mutex::new(report)), judged: Arc::default() }
    }

    fn change(&self, change: impl FnOnce(&mut TlsReport)) {
        change(&mut self.report.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Notes that the server asks for a client certificate, and of whom.
    fn asked(&self, hints: &[&[u8]]) {
        // A server may name hundreds; what matters are a cluster's own.
        let names = hints.iter().take(50).filter_map(|der| name_from_der(der)).collect();
        self.change(|report| {
            report.asks_client_certificate = Some(true);
            report.client_authorities = names;
        });
    }

    /// What was seen up to now; the last handshake's, where several share a configuration.
    pub fn report(&self) -> TlsReport {
        self.report.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The server was judged and has no fault, or verification is off: a credential may go.
    pub fn trusted(&self) -> bool {
        self.judged.load(std::sync::atomic::Ordering::Acquire) && (self.insecure || self.report().faults.is_empty())
    }

    /// The server has been judged and has a fault that forbids credentials.
    pub fn distrusted(&self) -> bool {
        self.judged.load(std::sync::atomic::Ordering::Acquire) && !self.trusted()
    }

    /// Adds what only the connection knows: version and ALPN protocol.
    pub fn observe(&self, connection: &rustls::ClientConnection) {
        self.change(|report| {
            report.version = connection.protocol_version().map(|version| format!("{version:?}")).unwrap_or_default();
            report.alpn = connection.alpn_protocol().map(|protocol| String::from_utf8_lossy(protocol).into_owned());
            report.asks_client_certificate.get_or_insert(false);
        });
    }
}

/// The failure for a credential that was held back, with the first fault's sides.
pub fn distrust(report: &TlsReport) -> Failure {
    let mut failure = match report.faults.first() {
        Some(fault) => {
            let mut failure = Failure::new(FailureKind::Tls, fault.detail.clone());
            failure.expected.clone_from(&fault.expected);
            failure.seen.clone_from(&fault.seen);
            failure
        }
        None => Failure::new(FailureKind::Tls, "the server showed no certificate"),
    };
    failure.detail.push_str("; no credential is sent to a server that is not trusted");
    failure
}

/// A rustls error in words, with both sides.
pub fn tls_failure(error: &Error) -> Failure {
    use rustls::AlertDescription as Alert;
    let tls = |detail: &str| Failure::new(FailureKind::Tls, detail);
    match error {
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            Failure::new(FailureKind::Protocol, "the server speaks plain HTTP on this port")
                .sides("a TLS handshake", "bytes that are not TLS (an HTTP server without TLS answers so)")
        }
        Error::AlertReceived(alert) => {
            let kind = match alert {
                Alert::CertificateRequired => FailureKind::ClientCertificateDemanded,
                Alert::ProtocolVersion | Alert::HandshakeFailure | Alert::InsufficientSecurity => {
                    FailureKind::TlsVersion
                }
                _ => FailureKind::Tls,
            };
            let detail = match alert {
                Alert::CertificateRequired => "the server demands a client certificate and none was sent",
                Alert::BadCertificate
                | Alert::UnknownCA
                | Alert::UnsupportedCertificate
                | Alert::CertificateExpired
                | Alert::CertificateRevoked
                | Alert::CertificateUnknown => "the server refused the client certificate, or demands one",
                Alert::ProtocolVersion => "the server speaks no TLS version that is still in use (1.2 or 1.3)",
                Alert::HandshakeFailure | Alert::InsufficientSecurity => {
                    "the server and kaccess have no cipher suite, key exchange or signature algorithm in common"
                }
                Alert::UnrecognisedName => "the server knows no site of the name that was sent (SNI)",
                Alert::NoApplicationProtocol => "the server speaks neither HTTP/2 nor HTTP/1.1 by ALPN",
                Alert::AccessDenied => "the server denied access in the TLS handshake",
                Alert::InternalError => "the server met an internal error in the TLS handshake",
                _ => "the server ended TLS with an alert",
            };
            Failure::new(kind, detail).sides("a completed handshake", format!("TLS alert {alert:?}"))
        }
        Error::InvalidCertificate(problem) => {
            tls("the server's certificate cannot be used").sides("a usable certificate", format!("{problem:?}"))
        }
        Error::NoCertificatesPresented => tls("the server showed no certificate"),
        Error::PeerIncompatible(what) => {
            Failure::new(FailureKind::TlsVersion, "the server cannot do what kaccess needs in TLS")
                .sides("TLS 1.2 or 1.3", format!("{what:?}"))
        }
        Error::PeerMisbehaved(what) => {
            tls("the server breaks the rules of TLS").sides("a handshake by the standard", format!("{what:?}"))
        }
        Error::InvalidMessage(what) => Failure::new(FailureKind::Protocol, "the server's bytes are not valid TLS")
            .sides("a TLS message", format!("{what:?}")),
        Error::DecryptError => tls("a TLS message could not be decrypted: something between changed it"),
        other => tls(&format!("TLS failed: {other}")),
    }
}

/// A handshake's failure, where the server had asked for a client certificate and got none: TLS 1.2 has no alert of its
/// own for that, and every server sends another one.
pub fn handshake_failure(failure: Failure, error: Option<&Error>, recorder: &Recorder) -> Failure {
    use rustls::AlertDescription as Alert;
    let refused = matches!(
        error,
        Some(Error::AlertReceived(
            Alert::HandshakeFailure
                | Alert::BadCertificate
                | Alert::CertificateUnknown
                | Alert::UnknownCA
                | Alert::AccessDenied
                | Alert::NoCertificate
        ))
    );
    if !refused || recorder.report().asks_client_certificate != Some(true) {
        return failure;
    }
    let seen = failure.seen.unwrap_or_default();
    Failure::new(
        FailureKind::ClientCertificateDemanded,
        "the server asked for a client certificate and ended the handshake when none was sent",
    )
    .sides("a completed handshake", format!("{seen} after a request for a client certificate"))
}

// ---------------------------------------------------------------------------------------------------------------------
// Roots

/// Roots as Go's `CertPool` has them.
#[derive(Debug)]
struct Anchors {
    label: &'static str,
    pool: Pool,
    roots: Vec<Root>,
}

/// A root with its bytes, for the words about it.
#[derive(Debug)]
struct Root {
    der: CertificateDer<'static>,
    certificate: Arc<Certificate>,
}

impl Anchors {
    fn new(label: &'static str, ders: Vec<CertificateDer<'static>>) -> Self {
        let (mut pool, mut roots) = (Pool::default(), Vec::new());
        for der in ders {
            // Go passes over what it cannot parse.
            let Ok(certificate) = Certificate::parse(&der).map(Arc::new) else { continue };
            if !pool.contains(&certificate) {
                pool.add(certificate.clone());
                roots.push(Root { der, certificate });
            }
        }
        Self { label, pool, roots }
    }
}

/// Which files stand for the system's roots.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct SystemRoots {
    file: Option<OsString>,
    folders: Option<OsString>,
}

impl SystemRoots {
    fn of(host: &Host) -> Self {
        let variable = |name: &str| host.env.get(std::ffi::OsStr::new(name)).filter(|value| !value.is_empty()).cloned();
        Self { file: variable("SSL_CERT_FILE"), folders: variable("SSL_CERT_DIR") }
    }

    /// Read once per process and environment (it takes milliseconds).
    fn anchors(&self) -> Arc<Anchors> {
        static CACHE: LazyLock<Mutex<HashMap<SystemRoots, Arc<Anchors>>>> = LazyLock::new(Mutex::default);
        let mut cache = CACHE.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(anchors) = cache.get(self) {
            return anchors.clone();
        }
        let ders = system_certificates(self.file.as_deref().map(Path::new), self.folders.as_deref());
        let anchors = Arc::new(Anchors::new("system", ders));
        cache.insert(self.clone(), anchors.clone());
        anchors
    }
}

fn pem_anchors(pem: &str, label: &'static str) -> Result<Arc<Anchors>, Failure> {
    // A broken block is passed over, as in Go; only a text without any certificate is an error there too.
    let ders = CertificateDer::pem_slice_iter(pem.as_bytes()).filter_map(Result::ok).collect();
    let anchors = Anchors::new(label, ders);
    if anchors.roots.is_empty() {
        return Err(Failure::new(FailureKind::Malformed, "the CA data holds no certificate that can be read").sides(
            "one or more PEM blocks of type CERTIFICATE",
            if pem.trim().is_empty() { "nothing".to_owned() } else { format!("{} bytes without one", pem.len()) },
        ));
    }
    Ok(Arc::new(anchors))
}

/// Where Go looks on Linux: the first bundle that is there, and all of the folders. SSL_CERT_FILE stands for the
/// bundles and SSL_CERT_DIR for the folders, each alone (OpenSSL and rustls-native-certs let one switch off both).
fn system_certificates(file: Option<&Path>, dirs: Option<&std::ffi::OsStr>) -> Vec<CertificateDer<'static>> {
    if cfg!(any(windows, target_os = "macos")) || file.is_none() && dirs.is_none() {
        return rustls_native_certs::load_native_certs().certs;
    }
    const FILES: [&str; 6] = [
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/tls/certs/ca-bundle.crt",
        "/etc/ssl/ca-bundle.pem",
        "/etc/pki/tls/cacert.pem",
        "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
        "/etc/ssl/cert.pem",
    ];
    const FOLDERS: [&str; 2] = ["/etc/ssl/certs", "/etc/pki/tls/certs"];
    let files = file.map_or_else(|| FILES.iter().map(PathBuf::from).collect(), |file| vec![file.to_owned()]);
    let folders: Vec<PathBuf> =
        dirs.map_or_else(|| FOLDERS.iter().map(PathBuf::from).collect(), |dirs| std::env::split_paths(dirs).collect());
    let mut certificates = Vec::new();
    if let Some(file) = files.iter().find(|file| file.is_file()) {
        certificates.extend(rustls_native_certs::load_certs_from_paths(Some(file), None).certs);
    }
    for folder in folders.iter().filter(|folder| folder.is_dir()) {
        certificates.extend(rustls_native_certs::load_certs_from_paths(None, Some(folder)).certs);
    }
    certificates
}

// ---------------------------------------------------------------------------------------------------------------------
// The client certificate

fn certified_key(identity: &ClientIdentity) -> Result<CertifiedKey, Failure> {
    let malformed = |detail: &str| Failure::new(FailureKind::Malformed, detail);
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(identity.chain_pem.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|_| malformed("the client certificate is not valid PEM"))?;
    let Some(leaf) = chain.first() else {
        return Err(malformed("the client certificate holds no PEM block of type CERTIFICATE"));
    };
    let subject = facts_from_der(leaf)
        .map(|leaf| leaf.subject)
        .map_err(|_| malformed("the client certificate is not an X.509 certificate"))?;
    let pem = identity.key_pem.expose();
    let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| {
        malformed(if pem.contains("ENCRYPTED") {
            "the client key is encrypted; Kubernetes clients read only plain keys"
        } else {
            "the client key is not a PEM private key"
        })
    })?;
    // rustls' texts name kinds of keys, never their bytes.
    let key = provider().key_provider.load_private_key(key).map_err(|error| match key_pair::rsa_bits(leaf) {
        Some(bits) if bits < SMALLEST_RSA => Failure::new(
            FailureKind::Declined,
            format!(
                "kaccess signs with no RSA key of {bits} bits, which is not safe any more; kubectl still does, so that \
                 it may get in"
            ),
        )
        .sides(format!("an RSA key of {SMALLEST_RSA} bits or more"), format!("{bits} bits")),
        _ => malformed("the client key cannot be used: broken, or of a kind or size that is not safe any more")
            .sides("RSA of 2048 to 8192 bits, ECDSA P-256, P-384 or P-521, or Ed25519", error.to_string()),
    })?;
    // Only the keys are compared here: what else a certificate says, the server judges (rustls reads fewer than Go).
    if key_pair::belongs(leaf, key.as_ref()) == Some(false) {
        return Err(malformed("the client key does not belong to the client certificate")
            .sides(format!("the key of {subject}"), "the key of another certificate"));
    }
    Ok(CertifiedKey::new(chain, key))
}

/// Sends the certificate whatever authorities the server names, as Go does.
#[derive(Debug)]
struct Identity(Arc<CertifiedKey>, Recorder);

impl ResolvesClientCert for Identity {
    fn resolve(&self, hints: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.1.asked(hints);
        Some(self.0.clone())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// Sends no certificate, and notes whose certificates the server asks for.
#[derive(Debug)]
struct NoIdentity(Recorder);

impl ResolvesClientCert for NoIdentity {
    fn resolve(&self, hints: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.asked(hints);
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}

/// Signs only for a server that is trusted: the signature is the proof of who we are.
#[derive(Debug)]
struct GuardedKey {
    inner: Arc<dyn SigningKey>,
    recorder: Recorder,
}

impl SigningKey for GuardedKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        let inner = self.inner.choose_scheme(offered)?;
        Some(Box::new(GuardedSigner { inner, recorder: self.recorder.clone() }))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.inner.algorithm()
    }
}

#[derive(Debug)]
struct GuardedSigner {
    inner: Box<dyn Signer>,
    recorder: Recorder,
}

impl Signer for GuardedSigner {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        if !self.recorder.trusted() {
            return Err(Error::General("the server is not trusted".to_owned()));
        }
        self.inner.sign(message)
    }

    fn scheme(&self) -> SignatureScheme {
        self.inner.scheme()
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// The verifier

#[derive(Debug)]
struct Verifier {
    anchors: Arc<Anchors>,
    /// Asked only where the roots that count know no authority for the chain.
    system: SystemRoots,
    name: Option<ServerName<'static>>,
    recorder: Recorder,
}

impl Verifier {
    /// A bad handshake signature is one more fault; with verification off it ends the handshake, as in Go.
    fn signature(&self, verdict: Result<HandshakeSignatureValid, Error>) -> Result<HandshakeSignatureValid, Error> {
        match verdict {
            Err(error) if !self.recorder.insecure => {
                let proved_wrong = matches!(error, Error::InvalidCertificate(CertificateError::BadSignature));
                let detail = if proved_wrong {
                    "the server could not prove that it holds the certificate's key"
                } else {
                    "kaccess cannot check the server's proof that it holds the certificate's key, so it does not trust it"
                };
                let kind = if proved_wrong { TlsFaultKind::Other } else { TlsFaultKind::Undecided };
                self.recorder.change(|report| {
                    report.faults.push(fault(kind, detail, "a signature by the certificate's key", error.to_string()));
                });
                Ok(HandshakeSignatureValid::assertion())
            }
            verdict => verdict,
        }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let name = self.name.clone().unwrap_or_else(|| server_name.to_owned()).to_str().into_owned();
        let intermediates = &intermediates[..intermediates.len().min(CHAIN_LIMIT)];
        let now = Timestamp::from_second(i64::try_from(now.as_secs()).unwrap_or(i64::MAX)).unwrap_or(Timestamp::MAX);
        let judgement = Judgement { anchors: &self.anchors, leaf, intermediates, name: &name, now };
        let faults = if self.recorder.insecure { Vec::new() } else { judgement.faults() };
        let foreign = faults
            .iter()
            .any(|fault| matches!(fault.kind, TlsFaultKind::UnknownAuthority | TlsFaultKind::AuthorityKeyDiffers));
        let by_system = (foreign && self.anchors.label != "system")
            .then(|| Judgement { anchors: &self.system.anchors(), ..judgement }.trusts_chain());
        let chain = std::iter::once(leaf).chain(intermediates).map(|der| facts_or_shell(der)).collect();
        self.recorder.change(|report| {
            report.server_name = name.clone();
            report.chain = chain;
            report.faults = faults;
            report.trusted_by_system = by_system;
        });
        self.recorder.judged.store(true, std::sync::atomic::Ordering::Release);
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &provider().signature_verification_algorithms;
        self.signature(rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &provider().signature_verification_algorithms;
        self.signature(rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}

/// The facts, or for an unreadable certificate its hash alone.
fn facts_or_shell(der: &CertificateDer<'_>) -> CertificateFacts {
    facts_from_der(der).unwrap_or_else(|error| CertificateFacts {
        subject: format!("({error})"),
        sha256: sha256_hex(der),
        ..CertificateFacts::default()
    })
}

fn fault(
    kind: TlsFaultKind,
    detail: impl Into<String>,
    expected: impl Into<String>,
    seen: impl Into<String>,
) -> TlsFault {
    TlsFault { kind, detail: detail.into(), expected: Some(expected.into()), seen: Some(seen.into()), go: None }
}

impl TlsFault {
    fn in_go(self, words: impl Into<String>) -> Self {
        Self { go: Some(words.into()), ..self }
    }
}

/// One judgement of one chain: Go's, with every fault told apart where Go stops at the first.
struct Judgement<'a> {
    anchors: &'a Anchors,
    leaf: &'a CertificateDer<'a>,
    intermediates: &'a [CertificateDer<'a>],
    name: &'a str,
    now: Timestamp,
}

/// Go's words for a date that is past or to come.
const OUT_OF_DATE: &str = "x509: certificate has expired or is not yet valid";
const UNKNOWN_AUTHORITY: &str = "x509: certificate signed by unknown authority";

impl Judgement<'_> {
    /// Empty is trust: exactly where Go trusts.
    fn faults(&self) -> Vec<TlsFault> {
        self.parsed().map_or_else(|fault| vec![fault], |(leaf, rest)| self.faults_of(&leaf, &rest))
    }

    /// A root of these signed the chain, whatever name it is for.
    fn trusts_chain(&self) -> bool {
        self.parsed().is_ok_and(|(leaf, rest)| {
            let (moment, _) = self.moment(&leaf);
            matches!(self.verdict(&leaf, &rest, None, moment), ChainVerdict::Accepted { .. })
        })
    }

    /// Go ends a handshake with one certificate that it cannot parse, wherever in the chain.
    fn parsed(&self) -> Result<(Certificate, Vec<Arc<Certificate>>), TlsFault> {
        let parse = |der: &CertificateDer<'_>| {
            Certificate::parse(der).map_err(|error| match error {
                ParseError::Go(text) => fault(
                    TlsFaultKind::Other,
                    "a certificate of the server's chain cannot be parsed",
                    "X.509 certificates",
                    text.clone(),
                )
                .in_go(format!("tls: failed to parse certificate from server: {text}")),
                ParseError::Undecided(because) => undecided(&because),
            })
        };
        let rest = self.intermediates.iter().map(|der| parse(der).map(Arc::new)).collect::<Result<_, _>>()?;
        Ok((parse(self.leaf)?, rest))
    }

    fn verdict(
        &self,
        leaf: &Certificate,
        rest: &[Arc<Certificate>],
        host: Option<&str>,
        now: Timestamp,
    ) -> ChainVerdict {
        let mut intermediates = Pool::default();
        for certificate in rest {
            intermediates.add(certificate.clone());
        }
        let options = Options { usages: vec![Usage::ServerAuth], host: host.map(str::to_owned), now };
        verify(leaf, &intermediates, &self.anchors.pool, &options)
    }

    /// A moment at which the leaf is valid, so that an expired one hides no other fault; and what is wrong with now.
    fn moment(&self, leaf: &Certificate) -> (Timestamp, Option<TlsFault>) {
        let (from, to) = leaf.validity();
        let problem = out_of_date("the server's certificate", from, to, self.now);
        let moment = match &problem {
            Some(problem) if problem.kind == TlsFaultKind::Expired => to,
            Some(_) => from,
            None => self.now,
        };
        (moment, problem)
    }

    fn faults_of(&self, leaf: &Certificate, rest: &[Arc<Certificate>]) -> Vec<TlsFault> {
        let whole = self.verdict(leaf, rest, Some(self.name), self.now);
        if matches!(whole, ChainVerdict::Accepted { .. }) {
            return Vec::new();
        }
        let (moment, date) = self.moment(leaf);
        let mut faults = Vec::new();
        if let Some(date) = date {
            let words = match self.verdict(leaf, rest, None, self.now) {
                ChainVerdict::Refused { error } => Some(error),
                _ => None,
            };
            faults.push(TlsFault { go: words.filter(|words| words.starts_with(OUT_OF_DATE)), ..date });
        }
        if let Err(words) = leaf.verify_hostname(self.name) {
            faults.push(self.name_fault().in_go(words));
        }
        match self.verdict(leaf, rest, None, moment) {
            ChainVerdict::Accepted { .. } => {}
            ChainVerdict::Undecided { because } => faults.push(undecided(&because)),
            ChainVerdict::Refused { error } => {
                faults.extend(self.chain_fault(&error, leaf, rest, moment != self.now).map(|fault| fault.in_go(error)));
            }
        }
        // Whatever could not be told apart is still not trusted.
        match whole {
            ChainVerdict::Refused { error } if faults.is_empty() => faults.push(self.other_fault(&error).in_go(error)),
            ChainVerdict::Undecided { because } if faults.is_empty() => faults.push(undecided(&because)),
            _ => {}
        }
        faults
    }

    fn name_fault(&self) -> TlsFault {
        let expected = self.name.to_owned();
        let facts = facts_or_shell(self.leaf);
        if facts.names.is_empty() {
            return fault(
                TlsFaultKind::NameMismatch,
                format!(
                    "the server's certificate has no subject alternative name, so it is not valid for {expected} \
                     (the common name does not count)"
                ),
                expected,
                format!("no names; subject {}", facts.subject),
            );
        }
        fault(
            TlsFaultKind::NameMismatch,
            format!("the server's certificate is not valid for {expected}"),
            expected,
            facts.names.join(", "),
        )
    }

    /// Why no trusted path exists, from Go's words and what was presented; nothing where only the moved moment is the
    /// trouble.
    fn chain_fault(&self, words: &str, leaf: &Certificate, rest: &[Arc<Certificate>], moved: bool) -> Option<TlsFault> {
        let presented = || std::iter::once(leaf).chain(rest.iter().map(Arc::as_ref));
        // Roots that a presented certificate names as its issuer.
        let named = || {
            self.anchors.roots.iter().filter_map(|root| {
                presented().find(|child| child.is_named_issuer(&root.certificate)).map(|child| (root, child))
            })
        };
        if words.starts_with(OUT_OF_DATE) {
            let roots =
                named().filter(|(root, child)| child.is_signed_with_key_of(&root.certificate)).map(|(root, _)| {
                    let whose = format!("the authority {} among the {} roots", subject(&root.der), self.anchors.label);
                    (whose, root.certificate.validity())
                });
            let sent =
                self.intermediates.iter().zip(rest).map(|(der, authority)| {
                    (format!("the intermediate authority {}", subject(der)), authority.validity())
                });
            return roots.chain(sent).find_map(|(whose, (from, to))| out_of_date(&whose, from, to, self.now)).or_else(
                || {
                    (!moved).then(|| {
                        fault(
                            TlsFaultKind::Expired,
                            "an authority of the server's chain is out of date",
                            format!("valid at {}", self.now),
                            words,
                        )
                    })
                },
            );
        }
        if words.starts_with("x509: certificate specifies an incompatible key usage") {
            return Some(fault(
                TlsFaultKind::WrongUsage,
                "the server's certificate, or an authority above it, is not meant for servers",
                "extended key usage serverAuth",
                facts_or_shell(self.leaf).extended_key_usages.join(", "),
            ));
        }
        if !words.starts_with(UNKNOWN_AUTHORITY) {
            return Some(self.other_fault(words));
        }
        if words.contains("insecure algorithm") {
            return Some(fault(
                TlsFaultKind::Other,
                "a certificate of the chain is signed with an algorithm that is not accepted any more",
                "a signature with SHA-256 or better",
                words,
            ));
        }
        // A root that is there, made the signature, and may not sign.
        if let Some((root, _)) = named().find(|(root, child)| child.is_signed_with_key_of(&root.certificate)) {
            let name = subject(&root.der);
            return Some(fault(
                TlsFaultKind::UnknownAuthority,
                format!("{name} is among the {} roots but may not sign certificates", self.anchors.label),
                "a certificate authority (basic constraints CA, key usage for signing certificates)",
                name,
            ));
        }
        // A root of the same name that did not sign it.
        if let Some((root, child)) = named().next() {
            let theirs = presented()
                .zip(std::iter::once(self.leaf).chain(self.intermediates))
                .find(|(certificate, _)| std::ptr::eq(*certificate, child))
                .map(|(_, der)| facts_or_shell(der))
                .unwrap_or_default();
            let ours = facts_or_shell(&root.der);
            return Some(fault(
                TlsFaultKind::AuthorityKeyDiffers,
                format!(
                    "the server's chain is signed by an authority named {}, but with another key than the one of \
                     that name among the {} roots: another cluster, or one whose authority was made anew",
                    theirs.issuer, self.anchors.label
                ),
                key_words(&ours.subject_key_id, &format!("certificate SHA-256 {}", ours.sha256), ours.not_before),
                key_words(&theirs.authority_key_id, "a key without id", theirs.not_before),
            ));
        }
        Some(self.unknown_authority(leaf, rest))
    }

    fn other_fault(&self, words: &str) -> TlsFault {
        fault(
            TlsFaultKind::Other,
            format!("the chain cannot be verified: {}", words.trim_start_matches("x509: ")),
            format!("a chain up to one of the {} roots", self.anchors.label),
            words,
        )
    }

    fn unknown_authority(&self, leaf: &Certificate, rest: &[Arc<Certificate>]) -> TlsFault {
        // Up the presented chain by names, to the first issuer that was not sent.
        let (mut top, mut der) = (leaf, self.leaf);
        for _ in 0..CHAIN_LIMIT {
            if top.is_self_issued() {
                break;
            }
            match rest.iter().zip(self.intermediates).find(|(authority, _)| top.is_named_issuer(authority)) {
                Some((authority, sent)) => (top, der) = (authority, sent),
                None => break,
            }
        }
        let issuer = facts_or_shell(der).issuer;
        let detail = if leaf.is_self_issued() {
            format!("the server's certificate is self-signed and not among the {} roots", self.anchors.label)
        } else if rest.is_empty() {
            format!(
                "the server's certificate is signed by {issuer}, which is not among the {} roots and was not sent by the server",
                self.anchors.label
            )
        } else {
            format!("the server's chain ends at {issuer}, which is not among the {} roots", self.anchors.label)
        };
        let roots = &self.anchors.roots;
        let mut names: Vec<String> = roots.iter().take(3).map(|root| subject(&root.der)).collect();
        let expected = if roots.len() <= 3 {
            names.dedup();
            names.join("; ")
        } else {
            format!("one of {} {} roots", roots.len(), self.anchors.label)
        };
        fault(TlsFaultKind::UnknownAuthority, detail, expected, issuer)
    }
}

fn subject(der: &CertificateDer<'_>) -> String {
    facts_or_shell(der).subject
}

/// Trust that nobody here can judge is no trust.
fn undecided(because: &str) -> TlsFault {
    fault(
        TlsFaultKind::Undecided,
        format!("kaccess cannot judge the server's chain, so it does not trust it: {because}"),
        "a chain that can be checked",
        because,
    )
}

fn key_words(id: &str, otherwise: &str, since: Option<Timestamp>) -> String {
    let key = if id.is_empty() { otherwise.to_owned() } else { format!("key {id}") };
    match since {
        Some(since) => format!("{key} (certificate from {since})"),
        None => key,
    }
}

fn out_of_date(whose: &str, from: Timestamp, to: Timestamp, now: Timestamp) -> Option<TlsFault> {
    if now > to {
        Some(fault(
            TlsFaultKind::Expired,
            format!("{whose} has expired"),
            format!("valid at {now}"),
            format!("valid until {to}"),
        ))
    } else if now < from {
        Some(fault(
            TlsFaultKind::NotYetValid,
            format!("{whose} is not valid yet (or this machine's clock is slow)"),
            format!("valid at {now}"),
            format!("valid from {from}"),
        ))
    } else {
        None
    }
}

#[cfg(test)]
mod tests;
