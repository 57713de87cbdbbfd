//! A blocking HTTP client for the tests, independent of the code under test.

use futures::StreamExt;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::Value;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::runtime::Runtime;

use super::pki::Identity;

/// As whom a request is sent.
#[derive(Clone, Copy)]
pub enum Auth<'a> {
    /// The client certificate of the client in use, if it has one.
    Own,
    /// `Authorization: Bearer TOKEN`.
    Token(&'a str),
}

/// An answer: status and body, JSON where it is JSON, else a string.
pub type Answer = (u16, Value);

/// One client with its roots and, optionally, a client certificate.
pub struct Client(reqwest::Client);

impl Client {
    /// Trusts one CA; presents `identity` if given. Speaks HTTP/1.1.
    pub fn new(ca: &Path, identity: Option<&Identity>) -> Self {
        Self::speaking(&[], ca, identity)
    }

    /// The same over HTTP/2.
    pub fn over_http2(ca: &Path, identity: Option<&Identity>) -> Self {
        Self::speaking(&[b"h2"], ca, identity)
    }

    fn speaking(protocols: &[&[u8]], ca: &Path, identity: Option<&Identity>) -> Self {
        let mut roots = rustls::RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(ca).expect("CA file") {
            roots.add(certificate.expect("CA certificate")).expect("CA certificate as a root");
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("default protocol versions")
            .with_root_certificates(roots);
        let mut config = match identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let chain = CertificateDer::pem_file_iter(&identity.cert)
                    .expect("certificate file")
                    .collect::<Result<Vec<_>, _>>()
                    .expect("certificate");
                let key = PrivateKeyDer::from_pem_file(&identity.key).expect("key file");
                builder.with_client_auth_cert(chain, key).expect("client certificate")
            }
        };
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(config)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(30))
            .build()
            .expect("HTTP client");
        Self(client)
    }

    /// One request with a JSON body; `Err` when there was no answer at all.
    pub fn send(&self, auth: Auth, method: &str, url: &str, body: Option<&Value>) -> Result<Answer, String> {
        let mut request = self.request(auth, method, url);
        if let Some(body) = body {
            // The API server wants patches named by kind; a merge patch is what a test writes by hand.
            let kind = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
            request = request.header("content-type", kind).body(body.to_string());
        }
        runtime().block_on(answer(request))
    }

    /// One request with exactly these headers beside what HTTP needs, and a JSON body if it is a POST.
    pub fn send_headers(
        &self,
        headers: &[(String, String)],
        method: &str,
        url: &str,
        body: &str,
    ) -> Result<Answer, String> {
        let mut request = self.request(Auth::Own, method, url);
        for (name, value) in headers {
            request = request.header(name.as_str(), value.as_str());
        }
        if method == "POST" {
            request = request.header("content-type", "application/json").body(body.to_owned());
        }
        runtime().block_on(answer(request))
    }

    /// A form, with extra headers.
    pub fn post_form(&self, url: &str, form: &[(&str, &str)], headers: &[(&str, &str)]) -> Result<Answer, String> {
        let mut encoded = url::form_urlencoded::Serializer::new(String::new());
        encoded.extend_pairs(form);
        let mut request = self.request(Auth::Own, "POST", url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request = request.header("content-type", "application/x-www-form-urlencoded").body(encoded.finish());
        runtime().block_on(answer(request))
    }

    /// Many requests, eight at a time; panics on the first that is not answered 2xx.
    pub fn post_all(&self, requests: Vec<(String, Value)>) {
        let all = futures::stream::iter(requests).map(|(url, body)| {
            let request = self.request(Auth::Own, "POST", &url);
            let request = request.header("content-type", "application/json").body(body.to_string());
            async move { (url, answer(request).await) }
        });
        runtime().block_on(all.buffer_unordered(8).for_each(async |(url, result)| {
            let (status, body) = result.unwrap_or_else(|error| panic!("POST {url}: {error}"));
            assert!((200..300).contains(&status), "POST {url}: {status} {body}");
        }));
    }

    /// One request with extra headers.
    pub fn send_with(
        &self,
        headers: &[(&str, &str)],
        method: &str,
        url: &str,
        body: Option<&Value>,
    ) -> Result<Answer, String> {
        let mut request = self.request(Auth::Own, method, url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        runtime().block_on(answer(request))
    }

    /// Many requests over many connections' worth of streams, answers in the order asked.
    pub fn post_many(&self, requests: Vec<(String, Value)>, at_once: usize) -> Vec<Answer> {
        let all = futures::stream::iter(requests).map(|(url, body)| {
            let request = self.request(Auth::Own, "POST", &url);
            let request = request.header("content-type", "application/json").body(body.to_string());
            async move { answer(request).await.unwrap_or_else(|error| panic!("POST {url}: {error}")) }
        });
        runtime().block_on(all.buffered(at_once).collect())
    }

    fn request(&self, auth: Auth, method: &str, url: &str) -> reqwest::RequestBuilder {
        let request = self.0.request(method.parse().expect("HTTP method"), url);
        match auth {
            Auth::Own => request,
            Auth::Token(token) => request.bearer_auth(token),
        }
    }
}

async fn answer(request: reqwest::RequestBuilder) -> Result<Answer, String> {
    let response = request.send().await.map_err(|error| chain(&error))?;
    let status = response.status().as_u16();
    let text = response.text().await.map_err(|error| chain(&error))?;
    Ok((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
}

/// reqwest's own text stops before the cause.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// One runtime for all test threads: pooled connections belong to the runtime that made them.
fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("tokio runtime")
    })
}
