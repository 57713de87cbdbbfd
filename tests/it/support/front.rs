//! What stands before an API server: a TLS server with any certificate, that answers by itself or passes requests on.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, date_time_ymd,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName as RawName, SignatureScheme, SupportedProtocolVersion};

/// An authority that signs servers' certificates.
pub type Authority = CertifiedIssuer<'static, KeyPair>;

/// A new authority of this common name.
pub fn authority(name: &str) -> Authority {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2049, 1, 1));
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority")
}

/// Certificate and key, as PEM.
#[derive(Clone)]
pub struct Pair {
    /// The certificate.
    pub certificate: String,
    /// Its key.
    pub key: String,
}

/// What a server's certificate says unless a test changes it.
pub fn server_params(common_name: &str, names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("names");
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.use_authority_key_identifier_extension = true;
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2049, 1, 1));
    params
}

/// A certificate signed by this authority.
pub fn signed(issuer: &Authority, params: &CertificateParams) -> Pair {
    let key = KeyPair::generate().expect("a key");
    let certificate = params.signed_by(&key, issuer).expect("a certificate");
    Pair { certificate: certificate.pem(), key: key.serialize_pem() }
}

/// A certificate signed by itself.
pub fn self_signed(params: &CertificateParams) -> Pair {
    let key = KeyPair::generate().expect("a key");
    Pair { certificate: params.self_signed(&key).expect("a certificate").pem(), key: key.serialize_pem() }
}

/// One request as it came.
pub struct Asked {
    /// Request line and header fields, with the empty line.
    pub head: String,
    /// The body.
    pub body: Vec<u8>,
}

/// What answers a request: a whole HTTP/1.1 answer.
pub type Answers = Arc<dyn Fn(&Asked) -> Vec<u8> + Send + Sync>;

/// Whether clients are asked for a certificate.
#[derive(Clone)]
pub enum Clients {
    /// Not at all.
    Unasked,
    /// They must have one of this authority (PEM).
    MustBe(String),
    /// Any certificate is taken, though only an unrelated authority is named.
    NamesAnother,
}

/// A TLS server before something.
pub struct Front {
    /// Its port on 127.0.0.1.
    pub port: u16,
    /// How many client certificates came.
    pub certificates: Arc<AtomicUsize>,
    /// The request lines that came.
    pub requests: Arc<Mutex<Vec<String>>>,
}

impl Front {
    /// Starts it; it runs until the process ends.
    pub fn start(
        pair: &Pair,
        versions: &[&'static SupportedProtocolVersion],
        clients: &Clients,
        answers: Answers,
    ) -> Self {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = rustls::ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(versions)
            .expect("versions");
        let builder = match clients {
            Clients::Unasked => builder.with_no_client_auth(),
            Clients::MustBe(pem) => {
                let mut roots = rustls::RootCertStore::empty();
                for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
                    roots.add(certificate.expect("PEM")).expect("a root");
                }
                let verifier =
                    rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
                        .build()
                        .expect("a verifier");
                builder.with_client_cert_verifier(verifier)
            }
            Clients::NamesAnother => builder.with_client_cert_verifier(Arc::new(AnyClient::new())),
        };
        let chain = CertificateDer::pem_slice_iter(pair.certificate.as_bytes())
            .collect::<Result<Vec<_>, _>>()
            .expect("a chain");
        let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).expect("a key");
        let config = Arc::new(builder.with_single_cert(chain, key).expect("a certificate"));
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let front = Self {
            port: listener.local_addr().expect("an address").port(),
            certificates: Arc::default(),
            requests: Arc::default(),
        };
        let (certificates, requests) = (front.certificates.clone(), front.requests.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (config, answers) = (config.clone(), answers.clone());
                let (certificates, requests) = (certificates.clone(), requests.clone());
                std::thread::spawn(move || serve(stream, config, &answers, &certificates, &requests));
            }
        });
        front
    }

    /// The URL by address.
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }
}

fn serve(
    stream: TcpStream,
    config: Arc<rustls::ServerConfig>,
    answers: &Answers,
    certificates: &AtomicUsize,
    requests: &Mutex<Vec<String>>,
) {
    let _ = stream.set_read_timeout(Some(Duration::from_secs(20)));
    let Ok(connection) = rustls::ServerConnection::new(config) else { return };
    let mut stream = rustls::StreamOwned::new(connection, stream);
    let Some(asked) = read_request(&mut stream) else {
        // The alert that ends the handshake is still to be sent.
        let _ = stream.conn.write_tls(&mut stream.sock);
        return;
    };
    certificates.fetch_add(usize::from(stream.conn.peer_certificates().is_some()), Ordering::SeqCst);
    let line = asked.head.lines().next().unwrap_or_default().to_owned();
    requests.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    let _ = stream.write_all(&answers(&asked));
    stream.conn.send_close_notify();
    let _ = stream.flush();
}

/// Reads one request; `None` where none came.
pub fn read_request(stream: &mut (impl Read + ?Sized)) -> Option<Asked> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 16 * 1024];
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        let read = stream.read(&mut buffer).ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(&buffer[..read]);
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let length = field(&head, "content-length").and_then(|value| value.parse().ok()).unwrap_or(0);
    let mut body = bytes[end..].to_vec();
    while body.len() < length {
        let read = stream.read(&mut buffer).ok().filter(|read| *read > 0)?;
        body.extend_from_slice(&buffer[..read]);
    }
    Some(Asked { head, body })
}

/// A header field of a request's head.
pub fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (field, value) = line.split_once(':')?;
        field.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// An answer of these header lines and this body.
pub fn answer(status: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}").into_bytes()
}

/// Always the same answer.
pub fn always(status: &str, headers: &str, body: &str) -> Answers {
    let whole = answer(status, headers, body);
    Arc::new(move |_| whole.clone())
}

/// Passes every request on to an API server and its answer back, each changed on its way.
pub fn passing_on(
    port: u16,
    ca: &Path,
    request: impl Fn(String) -> String + Send + Sync + 'static,
    response: impl Fn(String) -> String + Send + Sync + 'static,
) -> Answers {
    let ca: PathBuf = ca.to_owned();
    Arc::new(move |asked| {
        let mut roots = rustls::RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(&ca).expect("a CA") {
            roots.add(certificate.expect("PEM")).expect("a root");
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("localhost").expect("a name");
        let connection = rustls::ClientConnection::new(Arc::new(config), name).expect("a client");
        let socket = TcpStream::connect(("127.0.0.1", port)).expect("the API server");
        let mut stream = rustls::StreamOwned::new(connection, socket);
        let head = request(asked.head.trim_end_matches("\r\n").to_owned() + "\r\nConnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).expect("a request");
        stream.write_all(&asked.body).expect("a body");
        let mut whole = Vec::new();
        // The API server may end the stream without TLS' goodbye.
        let _ = stream.read_to_end(&mut whole);
        let at = whole.windows(4).position(|four| four == b"\r\n\r\n").map_or(whole.len(), |at| at + 2);
        let mut changed = response(String::from_utf8_lossy(&whole[..at]).into_owned()).into_bytes();
        changed.extend_from_slice(&whole[at..]);
        changed
    })
}

/// A head without one field.
pub fn without(head: &str, name: &str) -> String {
    head.split_inclusive("\r\n")
        .filter(|line| line.split_once(':').is_none_or(|(field, _)| !field.eq_ignore_ascii_case(name)))
        .collect()
}

/// Takes every client's certificate, and names an authority that nobody has.
#[derive(Debug)]
struct AnyClient {
    names: Vec<RawName>,
}

impl AnyClient {
    fn new() -> Self {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(authority("unrelated clients").der().clone()).expect("a root");
        Self { names: roots.subjects() }
    }
}

impl ClientCertVerifier for AnyClient {
    fn root_hint_subjects(&self) -> &[RawName] {
        &self.names
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        let algorithms = rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, &algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        let algorithms = rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }
}
