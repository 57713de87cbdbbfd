//! The one TLS client: a verifier that records the chain and every fault, so that an untrusted server is seen whole.
//!
//! A failed verification does not end the handshake. Whoever sends a credential must ask [`Recorder::trusted`] first;
//! [`crate::collect::wire::Wire`] does. The client key signs nothing for a server that is not trusted.

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, Resumption};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::sign::{CertifiedKey, Signer, SigningKey};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, InvalidMessage, RootCertStore, SignatureAlgorithm,
    SignatureScheme,
};
use x509_parser::certificate::X509Certificate;
use x509_parser::error::X509Error;
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::FromDer as _;

use super::{ClientIdentity, Roots};
use crate::credential::certificate::{facts_from_der, name_from_der, name_text, sha256_hex};
use crate::evidence::tls::{CertificateFacts, TlsFault, TlsFaultKind, TlsReport};
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
        let anchors = if settings.insecure {
            Arc::new(Anchors { label: "none", roots: Vec::new(), store: Arc::new(RootCertStore::empty()) })
        } else {
            match &settings.roots {
                Roots::System => system_anchors(host),
                Roots::Pem { pem, label } => pem_anchors(pem, label, host.now())?,
            }
        };
        let identity = settings.client_identity.as_ref().map(certified_key).transpose()?.map(Arc::new);
        let server_name =
            settings.server_name.as_deref().filter(|name| !name.is_empty()).map(parse_name).transpose()?;
        let nobody = Recorder::new(&anchors, settings.insecure);
        let verifier = Arc::new(Verifier { anchors: anchors.clone(), name: None, recorder: nobody });
        let mut base = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| Failure::new(FailureKind::Bug, format!("TLS cannot be set up: {error}")))?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        base.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
        // A resumed session is not verified again, so it would carry no report.
        base.resumption = Resumption::disabled();
        Ok(Self { base, anchors, identity, server_name, insecure: settings.insecure })
    }

    /// A configuration for one connection. Without `identity` no client certificate is offered.
    pub fn connection(&self, identity: bool) -> (Arc<ClientConfig>, Recorder) {
        let recorder = Recorder::new(&self.anchors, self.insecure);
        let mut config = self.base.clone();
        config.dangerous().set_certificate_verifier(Arc::new(Verifier {
            anchors: self.anchors.clone(),
            name: self.server_name.clone(),
            recorder: recorder.clone(),
        }));
        if let Some(certified) = self.identity.as_ref().filter(|_| identity) {
            let key = GuardedKey { inner: certified.key.clone(), recorder: recorder.clone() };
            let guarded = CertifiedKey::new(certified.cert.clone(), Arc::new(key));
            config.client_auth_cert_resolver = Arc::new(Identity(Arc::new(guarded)));
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
            tls(detail).sides("a completed handshake", format!("TLS alert {alert:?}"))
        }
        Error::InvalidCertificate(problem) => {
            tls("the server's certificate cannot be used").sides("a usable certificate", format!("{problem:?}"))
        }
        Error::NoCertificatesPresented => tls("the server showed no certificate"),
        Error::PeerIncompatible(what) => {
            tls("the server cannot do what kaccess needs in TLS").sides("TLS 1.2 or 1.3", format!("{what:?}"))
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

// ---------------------------------------------------------------------------------------------------------------------
// Roots

/// Roots with what Go would think of each.
#[derive(Debug)]
struct Anchors {
    label: &'static str,
    roots: Vec<Root>,
    /// Only the roots that Go would use: webpki itself looks at no date or usage of an anchor.
    store: Arc<RootCertStore>,
}

#[derive(Debug)]
struct Root {
    der: CertificateDer<'static>,
    subject: Vec<u8>,
    unusable: Option<Unusable>,
}

/// Why Go would not accept a root as an issuer.
#[derive(Debug, Clone, Copy)]
enum Unusable {
    Expired(Timestamp),
    NotYetValid(Timestamp),
    NotAnAuthority(&'static str),
}

impl Anchors {
    fn new(label: &'static str, ders: Vec<CertificateDer<'static>>, now: Timestamp) -> Self {
        let (mut roots, mut store, mut seen) = (Vec::new(), RootCertStore::empty(), HashSet::new());
        for der in ders {
            if !seen.insert(der.to_vec()) {
                continue;
            }
            // Go passes over what it cannot parse.
            let Some((subject, unusable)) =
                parse(&der).map(|root| (root.subject().as_raw().to_vec(), unusable(&root, now)))
            else {
                continue;
            };
            if unusable.is_none() && store.add(der.clone()).is_err() {
                continue;
            }
            roots.push(Root { der, subject, unusable });
        }
        Self { label, roots, store: Arc::new(store) }
    }
}

fn parse<'a>(der: &'a CertificateDer<'_>) -> Option<X509Certificate<'a>> {
    X509Certificate::from_der(der.as_ref()).ok().filter(|(rest, _)| rest.is_empty()).map(|(_, certificate)| certificate)
}

fn unusable(root: &X509Certificate<'_>, now: Timestamp) -> Option<Unusable> {
    let (from, to) = validity(root);
    if now > to {
        return Some(Unusable::Expired(to));
    }
    if now < from {
        return Some(Unusable::NotYetValid(from));
    }
    // A version 1 certificate has no extensions and may be a root (Go too).
    if root.version().0 < 2 {
        return None;
    }
    let is_ca = root.basic_constraints().ok().flatten().is_some_and(|constraints| constraints.value.ca);
    if !is_ca {
        return Some(Unusable::NotAnAuthority("its basic constraints do not say CA"));
    }
    if root.key_usage().ok().flatten().is_some_and(|usage| !usage.value.key_cert_sign()) {
        return Some(Unusable::NotAnAuthority("its key usage does not allow signing certificates"));
    }
    (!serves(root)).then_some(Unusable::NotAnAuthority("its extended key usage does not allow servers"))
}

/// No extended key usage, or one that covers servers.
fn serves(certificate: &X509Certificate<'_>) -> bool {
    certificate.extended_key_usage().ok().flatten().is_none_or(|usage| usage.value.any || usage.value.server_auth)
}

fn validity(certificate: &X509Certificate<'_>) -> (Timestamp, Timestamp) {
    let validity = certificate.validity();
    (
        Timestamp::from_second(validity.not_before.timestamp()).unwrap_or(Timestamp::MIN),
        Timestamp::from_second(validity.not_after.timestamp()).unwrap_or(Timestamp::MAX),
    )
}

fn pem_anchors(pem: &str, label: &'static str, now: Timestamp) -> Result<Arc<Anchors>, Failure> {
    // A broken block is passed over, as in Go; only a text without any certificate is an error there too.
    let ders = CertificateDer::pem_slice_iter(pem.as_bytes()).filter_map(Result::ok).collect();
    let anchors = Anchors::new(label, ders, now);
    if anchors.roots.is_empty() {
        return Err(Failure::new(FailureKind::Malformed, "the CA data holds no certificate that can be read").sides(
            "one or more PEM blocks of type CERTIFICATE",
            if pem.trim().is_empty() { "nothing".to_owned() } else { format!("{} bytes without one", pem.len()) },
        ));
    }
    Ok(Arc::new(anchors))
}

/// The system's roots, read once per process and environment (it takes milliseconds).
fn system_anchors(host: &Host) -> Arc<Anchors> {
    type Cache = Mutex<HashMap<(Option<OsString>, Option<OsString>), Arc<Anchors>>>;
    static CACHE: LazyLock<Cache> = LazyLock::new(Cache::default);
    let variable = |name: &str| host.env.get(std::ffi::OsStr::new(name)).filter(|value| !value.is_empty()).cloned();
    let key = (variable("SSL_CERT_FILE"), variable("SSL_CERT_DIR"));
    let mut cache = CACHE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(anchors) = cache.get(&key) {
        return anchors.clone();
    }
    let ders = system_certificates(key.0.as_deref().map(Path::new), key.1.as_deref());
    let anchors = Arc::new(Anchors::new("system", ders, host.now()));
    cache.insert(key, anchors.clone());
    anchors
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
    let subject = parse(leaf)
        .map(|leaf| name_text(leaf.subject()))
        .ok_or_else(|| malformed("the client certificate is not an X.509 certificate"))?;
    let pem = identity.key_pem.expose();
    let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| {
        malformed(if pem.contains("ENCRYPTED") {
            "the client key is encrypted; Kubernetes clients read only plain keys"
        } else {
            "the client key is not a PEM private key"
        })
    })?;
    CertifiedKey::from_der(chain, key, &provider()).map_err(|error| match error {
        Error::InconsistentKeys(_) => malformed("the client key does not belong to the client certificate")
            .sides(format!("the key of {subject}"), "the key of another certificate"),
        Error::InvalidCertificate(problem) => malformed("the client certificate is of a form that TLS cannot use")
            .sides("an X.509 version 3 certificate", format!("{problem:?}")),
        // rustls' texts name kinds of keys, never their bytes.
        other => malformed("the client key cannot be used: broken, or of a kind or size that is not safe any more")
            .sides("RSA of 2048 to 8192 bits, ECDSA P-256, P-384 or P-521, or Ed25519", other.to_string()),
    })
}

/// Sends the certificate whatever authorities the server names, as Go does.
#[derive(Debug)]
struct Identity(Arc<CertifiedKey>);

impl ResolvesClientCert for Identity {
    fn resolve(&self, _hints: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
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
        // A server may name hundreds; what matters are a cluster's own.
        let names = hints.iter().take(50).filter_map(|der| name_from_der(der)).collect();
        self.0.change(|report| {
            report.asks_client_certificate = Some(true);
            report.client_authorities = names;
        });
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
    name: Option<ServerName<'static>>,
    recorder: Recorder,
}

impl Verifier {
    /// A bad handshake signature is one more fault; with verification off it ends the handshake, as in Go.
    fn signature(&self, verdict: Result<HandshakeSignatureValid, Error>) -> Result<HandshakeSignatureValid, Error> {
        match verdict {
            Err(error) if !self.recorder.insecure => {
                self.recorder.change(|report| {
                    report.faults.push(fault(
                        TlsFaultKind::Other,
                        "the server could not prove that it holds the certificate's key",
                        "a signature by the certificate's key",
                        error.to_string(),
                    ));
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
        let name = self.name.clone().unwrap_or_else(|| server_name.to_owned());
        let intermediates = &intermediates[..intermediates.len().min(CHAIN_LIMIT)];
        let faults = if self.recorder.insecure {
            Vec::new()
        } else {
            Judgement { anchors: &self.anchors, leaf, intermediates, name: &name, now }.faults()
        };
        let chain = std::iter::once(leaf).chain(intermediates).map(|der| facts_or_shell(der)).collect();
        self.recorder.change(|report| {
            report.server_name = name.to_str().into_owned();
            report.chain = chain;
            report.faults = faults;
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
    TlsFault { kind, detail: detail.into(), expected: Some(expected.into()), seen: Some(seen.into()) }
}

/// One judgement of one chain, in Go's order: dates, name, chain.
struct Judgement<'a> {
    anchors: &'a Anchors,
    leaf: &'a CertificateDer<'a>,
    intermediates: &'a [CertificateDer<'a>],
    name: &'a ServerName<'a>,
    now: UnixTime,
}

/// What an attempt to verify one signature says.
#[derive(PartialEq, Eq)]
enum Signature {
    Good,
    Bad,
    Unknown,
}

fn signature(certificate: &X509Certificate<'_>, issuer: &X509Certificate<'_>) -> Signature {
    // SHA-1 signatures are refused by Go and webpki; the parser would check them.
    const SHA1: [&str; 2] = ["1.2.840.113549.1.1.5", "1.2.840.10045.4.1"];
    if SHA1.contains(&certificate.signature_algorithm.algorithm.to_id_string().as_str()) {
        return Signature::Unknown;
    }
    match certificate.verify_signature(Some(issuer.public_key())) {
        Ok(()) => Signature::Good,
        Err(X509Error::SignatureVerificationError) => Signature::Bad,
        Err(_) => Signature::Unknown,
    }
}

impl Judgement<'_> {
    fn faults(&self) -> Vec<TlsFault> {
        let mut faults = Vec::new();
        let leaf = parse(self.leaf);
        let now =
            Timestamp::from_second(i64::try_from(self.now.as_secs()).unwrap_or(i64::MAX)).unwrap_or(Timestamp::MAX);
        // Judge the chain at a moment when the leaf was valid, so that an expired one hides no other fault.
        let mut at = self.now;
        if let Some(leaf) = &leaf {
            let (from, to) = validity(leaf);
            let moment = |time: Timestamp| {
                UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(time.as_second()).unwrap_or_default()))
            };
            if let Some(problem) = out_of_date("the server's certificate", from, to, now) {
                at = moment(if problem.kind == TlsFaultKind::Expired { to } else { from });
                faults.push(problem);
            }
        }
        let parsed = match ParsedCertificate::try_from(self.leaf) {
            Ok(parsed) => parsed,
            Err(error) => {
                faults.push(fault(
                    TlsFaultKind::Other,
                    "the server's certificate is of a form that TLS cannot use",
                    "an X.509 version 3 certificate",
                    error.to_string(),
                ));
                return faults;
            }
        };
        if let Err(error) = rustls::client::verify_server_name(&parsed, self.name) {
            faults.push(self.name_fault(&error, leaf.as_ref()));
        }
        let algorithms = provider().signature_verification_algorithms;
        if let Err(error) = rustls::client::verify_server_cert_signed_by_trust_anchor(
            &parsed,
            &self.anchors.store,
            self.intermediates,
            at,
            algorithms.all,
        ) {
            let problem = match &leaf {
                Some(leaf) if self.go_accepts(leaf, now) => None,
                Some(leaf) => self.chain_fault(&error, leaf, now, at != self.now),
                None => Some(fault(
                    TlsFaultKind::Other,
                    "the server's certificate cannot be read",
                    "an X.509 certificate",
                    error.to_string(),
                )),
            };
            faults.extend(problem);
        }
        faults
    }

    fn name_fault(&self, error: &Error, leaf: Option<&X509Certificate<'_>>) -> TlsFault {
        let expected = self.name.to_str().into_owned();
        let facts = facts_from_der(self.leaf).unwrap_or_default();
        if !matches!(
            error,
            Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }
            )
        ) {
            return fault(
                TlsFaultKind::NameMismatch,
                format!("the names of the server's certificate cannot be read, so it is not valid for {expected}"),
                expected.clone(),
                error.to_string(),
            );
        }
        if facts.names.is_empty() {
            let subject = leaf.map(|leaf| name_text(leaf.subject())).unwrap_or_default();
            return fault(
                TlsFaultKind::NameMismatch,
                format!(
                    "the server's certificate has no subject alternative name, so it is not valid for {expected} \
                     (the common name does not count)"
                ),
                expected.clone(),
                format!("no names; subject {subject}"),
            );
        }
        fault(
            TlsFaultKind::NameMismatch,
            format!("the server's certificate is not valid for {expected}"),
            expected.clone(),
            facts.names.join(", "),
        )
    }

    /// Chains that Go takes and webpki refuses and that are met in practice: a leaf that is itself among the roots, a
    /// leaf with CA:TRUE, a leaf whose only extended usage is `any`. Stricter than Go where a name constraint or an
    /// unknown critical extension occurs.
    fn go_accepts(&self, leaf: &X509Certificate<'_>, now: Timestamp) -> bool {
        if !serves(leaf) {
            return false;
        }
        // Dates are judged apart, so an expired certificate of its own root gets exactly one fault.
        if self.anchors.roots.iter().any(|root| root.der.as_ref() == self.leaf.as_ref()) {
            return true;
        }
        let is_ca = leaf.basic_constraints().ok().flatten().is_some_and(|constraints| constraints.value.ca);
        let only_any =
            leaf.extended_key_usage().ok().flatten().is_some_and(|usage| usage.value.any && !usage.value.server_auth);
        let intermediates: Vec<X509Certificate<'_>> = self.intermediates.iter().filter_map(parse).collect();
        let mut budget = 40;
        (is_ca || only_any) && plain_extensions(leaf) && self.path(leaf, &intermediates, now, 0, &mut budget)
    }

    /// A path of good signatures from a certificate to a usable root, by presented authorities.
    fn path(
        &self,
        child: &X509Certificate<'_>,
        intermediates: &[X509Certificate<'_>],
        now: Timestamp,
        below: u32,
        budget: &mut u32,
    ) -> bool {
        let mut good = |issuer: &X509Certificate<'_>| {
            // Hostile chains may offer many candidates; each costs one verification.
            *budget = budget.saturating_sub(1);
            *budget > 0 && signature(child, issuer) == Signature::Good
        };
        let issuer = child.issuer().as_raw();
        for root in self.anchors.roots.iter().filter(|root| root.unusable.is_none() && root.subject == issuer) {
            if parse(&root.der).is_some_and(|root| room_below(&root, below) && plain_extensions(&root) && good(&root)) {
                return true;
            }
        }
        let candidates: Vec<&X509Certificate<'_>> = intermediates
            .iter()
            .filter(|authority| {
                authority.subject().as_raw() == issuer
                    && authority.version().0 == 2
                    && unusable(authority, now).is_none()
                    && room_below(authority, below)
                    && plain_extensions(authority)
                    && good(authority)
            })
            .collect();
        below < 4 && candidates.into_iter().any(|authority| self.path(authority, intermediates, now, below + 1, budget))
    }

    /// Why no trusted path exists.
    fn chain_fault(&self, error: &Error, leaf: &X509Certificate<'_>, now: Timestamp, moved: bool) -> Option<TlsFault> {
        let Error::InvalidCertificate(problem) = error else {
            return Some(fault(
                TlsFaultKind::Other,
                "the chain cannot be verified",
                "a valid chain",
                error.to_string(),
            ));
        };
        let authorities: Vec<X509Certificate<'_>> = self.intermediates.iter().filter_map(parse).collect();
        let presented = || std::iter::once(leaf).chain(&authorities);
        match problem {
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => {
                // At a moved moment an authority may be out of date only for that moment.
                return authorities
                    .iter()
                    .find_map(|authority| {
                        let (from, to) = validity(authority);
                        let whose = format!("the intermediate authority {}", name_text(authority.subject()));
                        out_of_date(&whose, from, to, now)
                    })
                    .or_else(|| {
                        let text = error.to_string();
                        (!moved)
                            .then(|| fault(TlsFaultKind::Expired, "the chain is out of date", now.to_string(), text))
                    });
            }
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
                let facts = facts_from_der(self.leaf).unwrap_or_default();
                return Some(fault(
                    TlsFaultKind::WrongUsage,
                    "the server's certificate, or an authority above it, is not meant for servers",
                    "extended key usage serverAuth",
                    facts.extended_key_usages.join(", "),
                ));
            }
            _ => {}
        }
        // A root that is there and would fit, but is not usable.
        for certificate in presented() {
            for root in self.anchors.roots.iter().filter(|root| root.subject == certificate.issuer().as_raw()) {
                let (Some(why), Some(parsed)) = (root.unusable, parse(&root.der)) else { continue };
                if signature(certificate, &parsed) != Signature::Good {
                    continue;
                }
                let subject = name_text(parsed.subject());
                return Some(match why {
                    Unusable::Expired(to) => fault(
                        TlsFaultKind::Expired,
                        format!("the authority {subject} among the {} roots has expired", self.anchors.label),
                        format!("valid at {now}"),
                        format!("valid until {to}"),
                    ),
                    Unusable::NotYetValid(from) => fault(
                        TlsFaultKind::NotYetValid,
                        format!("the authority {subject} among the {} roots is not valid yet", self.anchors.label),
                        format!("valid at {now}"),
                        format!("valid from {from}"),
                    ),
                    Unusable::NotAnAuthority(reason) => fault(
                        TlsFaultKind::UnknownAuthority,
                        format!("{subject} is among the {} roots but may not sign: {reason}", self.anchors.label),
                        "a certificate authority",
                        reason,
                    ),
                });
            }
        }
        // A root of the same name that did not sign it.
        for certificate in presented() {
            for root in self.anchors.roots.iter().filter(|root| root.subject == certificate.issuer().as_raw()) {
                let Some(parsed) = parse(&root.der) else { continue };
                let differs = match signature(certificate, &parsed) {
                    Signature::Good => false,
                    Signature::Bad => true,
                    Signature::Unknown => key_ids_differ(self.facts_of(certificate), facts_or_shell(&root.der)),
                };
                if differs {
                    let (ours, theirs) = (facts_or_shell(&root.der), self.facts_of(certificate));
                    return Some(fault(
                        TlsFaultKind::AuthorityKeyDiffers,
                        format!(
                            "the server's chain is signed by an authority named {}, but with another key than the one of \
                             that name among the {} roots: another cluster, or one whose authority was made anew",
                            theirs.issuer, self.anchors.label
                        ),
                        key_words(
                            &ours.subject_key_id,
                            &format!("certificate SHA-256 {}", ours.sha256),
                            ours.not_before,
                        ),
                        key_words(&theirs.authority_key_id, "a key without id", theirs.not_before),
                    ));
                }
            }
        }
        if !matches!(problem, CertificateError::UnknownIssuer | CertificateError::BadSignature) {
            return Some(self.other_fault(problem));
        }
        Some(self.unknown_authority(leaf, &authorities))
    }

    fn other_fault(&self, problem: &CertificateError) -> TlsFault {
        let text = match problem {
            CertificateError::Other(other) => other.to_string(),
            other => format!("{other:?}"),
        };
        fault(
            TlsFaultKind::Other,
            format!("the chain cannot be verified: {text}"),
            format!("a chain up to one of the {} roots", self.anchors.label),
            text,
        )
    }

    fn unknown_authority(&self, leaf: &X509Certificate<'_>, authorities: &[X509Certificate<'_>]) -> TlsFault {
        // Up the presented chain by names, to the first issuer that was not sent.
        let mut top = leaf;
        for _ in 0..CHAIN_LIMIT {
            if top.issuer().as_raw() == top.subject().as_raw() {
                break;
            }
            match authorities.iter().find(|authority| authority.subject().as_raw() == top.issuer().as_raw()) {
                Some(authority) => top = authority,
                None => break,
            }
        }
        let issuer = name_text(top.issuer());
        let self_signed = leaf.issuer().as_raw() == leaf.subject().as_raw();
        let detail = if self_signed {
            format!("the server's certificate is self-signed and not among the {} roots", self.anchors.label)
        } else if authorities.is_empty() {
            format!(
                "the server's certificate is signed by {issuer}, which is not among the {} roots and was not sent by the server",
                self.anchors.label
            )
        } else {
            format!("the server's chain ends at {issuer}, which is not among the {} roots", self.anchors.label)
        };
        let roots = &self.anchors.roots;
        let mut names: Vec<String> =
            roots.iter().take(3).filter_map(|root| parse(&root.der).map(|root| name_text(root.subject()))).collect();
        let expected = if roots.len() <= 3 {
            names.dedup();
            names.join("; ")
        } else {
            format!("one of {} {} roots", roots.len(), self.anchors.label)
        };
        fault(TlsFaultKind::UnknownAuthority, detail, expected, issuer)
    }

    fn facts_of(&self, certificate: &X509Certificate<'_>) -> CertificateFacts {
        let same = |der: &&CertificateDer<'_>| {
            parse(der).is_some_and(|other| other.signature_value.data == certificate.signature_value.data)
        };
        std::iter::once(self.leaf).chain(self.intermediates).find(same).map(facts_or_shell).unwrap_or_default()
    }
}

fn key_words(id: &str, otherwise: &str, since: Option<Timestamp>) -> String {
    let key = if id.is_empty() { otherwise.to_owned() } else { format!("key {id}") };
    match since {
        Some(since) => format!("{key} (certificate from {since})"),
        None => key,
    }
}

fn key_ids_differ(certificate: CertificateFacts, root: CertificateFacts) -> bool {
    !certificate.authority_key_id.is_empty()
        && !root.subject_key_id.is_empty()
        && certificate.authority_key_id != root.subject_key_id
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

/// The path length allows `below` authorities under this one.
fn room_below(authority: &X509Certificate<'_>, below: u32) -> bool {
    authority
        .basic_constraints()
        .ok()
        .flatten()
        .and_then(|constraints| constraints.value.path_len_constraint)
        .is_none_or(|allowed| below <= allowed)
}

/// Nothing in it that our own path building does not weigh: no name constraints, no unknown critical extension, none
/// twice.
fn plain_extensions(certificate: &X509Certificate<'_>) -> bool {
    certificate.extensions_map().is_ok()
        && certificate.extensions().iter().all(|extension| match extension.parsed_extension() {
            ParsedExtension::BasicConstraints(_)
            | ParsedExtension::KeyUsage(_)
            | ParsedExtension::ExtendedKeyUsage(_)
            | ParsedExtension::SubjectAlternativeName(_)
            | ParsedExtension::SubjectKeyIdentifier(_)
            | ParsedExtension::AuthorityKeyIdentifier(_) => true,
            ParsedExtension::NameConstraints(_) => false,
            _ => !extension.critical,
        })
}

#[cfg(test)]
mod tests;
