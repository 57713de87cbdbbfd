//! A scripted OIDC issuer on loopback, over TLS: any status, body and key set, and tokens signed by its keys.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384,
    RSA_PSS_SHA512, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::{
    KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ECDSA_P521_SHA512, PKCS_RSA_SHA256, RsaKeySize,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};

use super::pki::Identity;

/// What the issuer answers on a path.
#[derive(Clone, Debug)]
pub struct Page {
    /// HTTP status.
    pub status: u16,
    /// Content-Type.
    pub kind: &'static str,
    /// Body.
    pub body: String,
}

impl Page {
    /// 200 with JSON.
    pub fn json(value: &Value) -> Self {
        Self { status: 200, kind: "application/json", body: value.to_string() }
    }

    /// A plain refusal.
    pub fn refusal(status: u16, body: &str) -> Self {
        Self { status, kind: "text/plain", body: body.to_owned() }
    }
}

type Pages = Arc<Mutex<BTreeMap<String, Page>>>;

/// A running issuer; several realms live below its URL.
pub struct Issuer {
    port: u16,
    pages: Pages,
}

impl Issuer {
    /// Starts it with this serving certificate.
    pub fn start(identity: &Identity) -> Self {
        let chain = CertificateDer::pem_file_iter(&identity.cert)
            .expect("certificate file")
            .collect::<Result<Vec<_>, _>>()
            .expect("certificate");
        let key = PrivateKeyDer::from_pem_file(&identity.key).expect("key file");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("protocol versions")
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .expect("serving certificate");
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let pages: Pages = Arc::default();
        let shared = pages.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (config, pages) = (config.clone(), shared.clone());
                std::thread::spawn(move || {
                    let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
                    let Ok(connection) = rustls::ServerConnection::new(config) else { return };
                    let mut tls = BufReader::new(rustls::StreamOwned::new(connection, stream));
                    let mut first = String::new();
                    if tls.read_line(&mut first).is_err() {
                        return;
                    }
                    let mut line = String::new();
                    while tls.read_line(&mut line).is_ok_and(|count| count > 2) {
                        line.clear();
                    }
                    let path = first.split(' ').nth(1).unwrap_or_default();
                    let page = pages.lock().expect("pages").get(path).cloned();
                    let page = page.unwrap_or_else(|| Page::refusal(404, "no such page"));
                    let (status, kind, length) = (page.status, page.kind, page.body.len());
                    let stream = tls.get_mut();
                    let _ = write!(
                        stream,
                        "HTTP/1.1 {status} {}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{}",
                        http::StatusCode::from_u16(status).ok().and_then(|code| code.canonical_reason()).unwrap_or("?"),
                        page.body
                    );
                    stream.conn.send_close_notify();
                    let _ = stream.flush();
                });
            }
        });
        Self { port, pages }
    }

    /// The issuer URL of a realm.
    pub fn url(&self, realm: &str) -> String {
        format!("https://localhost:{}/{realm}", self.port)
    }

    /// Sets what a path answers.
    pub fn serve(&self, path: &str, page: Page) {
        self.pages.lock().expect("pages").insert(path.to_owned(), page);
    }

    /// Sets up a realm that works: discovery document and key set.
    pub fn realm(&self, realm: &str, keys: &Value) -> String {
        let url = self.url(realm);
        let document = json!({ "issuer": url, "jwks_uri": format!("{url}/keys"), "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"], "id_token_signing_alg_values_supported": ["RS256"] });
        self.serve(&format!("/{realm}/.well-known/openid-configuration"), Page::json(&document));
        self.serve(&format!("/{realm}/keys"), Page::json(keys));
        url
    }
}

/// A key that signs tokens.
pub enum Key {
    /// RSA.
    Rsa(RsaKeyPair, Value),
    /// An elliptic curve.
    Curve(EcdsaKeyPair, Value),
}

impl Key {
    /// A new RSA key of 2048 bits.
    pub fn rsa() -> Self {
        let pair = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).expect("RSA key");
        Self::from_pem(&pair.serialize_pem())
    }

    /// An RSA key in PEM (PKCS#8).
    pub fn from_pem(pem: &str) -> Self {
        let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).expect("a private key");
        let set = kaccess::credential::public_keys::key_set_from_pem(pem.as_bytes()).expect("its public half");
        Self::Rsa(RsaKeyPair::from_pkcs8(key.secret_der()).expect("RSA key"), set["keys"][0].clone())
    }

    /// A new key on P-256, P-384 or P-521.
    pub fn curve(bits: u16) -> Self {
        let (generate, algorithm): (_, &'static EcdsaSigningAlgorithm) = match bits {
            256 => (&PKCS_ECDSA_P256_SHA256, &ECDSA_P256_SHA256_FIXED_SIGNING),
            384 => (&PKCS_ECDSA_P384_SHA384, &ECDSA_P384_SHA384_FIXED_SIGNING),
            _ => (&PKCS_ECDSA_P521_SHA512, &ECDSA_P521_SHA512_FIXED_SIGNING),
        };
        let pair = KeyPair::generate_for(generate).expect("key");
        let set = kaccess::credential::public_keys::key_set_from_pem(pair.serialize_pem().as_bytes())
            .expect("its public half");
        let key = EcdsaKeyPair::from_pkcs8(algorithm, pair.serialized_der()).expect("key");
        Self::Curve(key, set["keys"][0].clone())
    }

    /// The key as a member of a key set, under this id.
    pub fn jwk(&self, kid: &str) -> Value {
        let (Self::Rsa(_, jwk) | Self::Curve(_, jwk)) = self;
        let mut jwk = jwk.clone();
        jwk["kid"] = json!(kid);
        jwk
    }

    /// The key's id as kube-apiserver derives it for service account tokens.
    pub fn id(&self) -> String {
        let (Self::Rsa(_, jwk) | Self::Curve(_, jwk)) = self;
        jwk["kid"].as_str().unwrap_or_default().to_owned()
    }

    /// Signs with the algorithm of that name; an unknown name signs as RS256 (or as the curve does).
    pub fn sign(&self, algorithm: &str, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Rsa(key, _) => {
                let padding: &'static dyn aws_lc_rs::signature::RsaEncoding = match algorithm {
                    "RS384" => &RSA_PKCS1_SHA384,
                    "RS512" => &RSA_PKCS1_SHA512,
                    "PS256" => &RSA_PSS_SHA256,
                    "PS384" => &RSA_PSS_SHA384,
                    "PS512" => &RSA_PSS_SHA512,
                    _ => &RSA_PKCS1_SHA256,
                };
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(padding, &random, message, &mut signature).expect("a signature");
                signature
            }
            Self::Curve(key, _) => key.sign(&random, message).expect("a signature").as_ref().to_vec(),
        }
    }

    /// A token of these two JSON texts, which may be anything.
    pub fn token(&self, algorithm: &str, header: &str, payload: &str) -> String {
        let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
        let signature = URL_SAFE_NO_PAD.encode(self.sign(algorithm, message.as_bytes()));
        format!("{message}.{signature}")
    }
}
