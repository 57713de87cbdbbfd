//! The one connector: TCP, proxy, TLS and HTTP, each step with its own limit and its own words for failure.
//!
//! It follows no redirect, asks for no compression (and reads gzip all the same, as Go does) and sends no credential to a
//! server that is not trusted. Bodies and headers of answers are foreign: the caller scrubs them.

/// How bodies are taken, and how much of them is held.
mod body;
/// One request and its answer.
mod exchange;
/// The wire as kube::Client's transport.
#[cfg(any(test, feature = "kube"))]
pub mod kube;
/// The connections that are kept.
mod pool;
/// Through a SOCKS5 proxy.
mod socks5;
/// Name, TCP, proxy and TLS.
mod stream;
/// Through an HTTP proxy.
mod tunnel;
/// What is noted of a connection's stream.
mod watched;
/// Failures in words.
mod words;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use self::exchange::Progress;
use self::pool::{HTTP1_CONNECTIONS, Pool, Sender};
use self::words::seconds;
use super::proxy::{ProxyScheme, ProxyUrl, authority};
use super::tls::{TlsClient, TlsSettings};
use crate::evidence::tls::TlsReport;
use crate::evidence::{Failure, FailureKind};
use crate::host::Host;

/// Where and how to connect.
#[derive(Debug, Clone)]
pub struct Destination {
    /// `http` or `https`; its path is put before every request's path, as client-go does.
    pub url: url::Url,
    /// How the server is judged; for `https` without it, the system's roots judge.
    pub tls: Option<TlsSettings>,
    /// The proxy, as [`super::proxy::choose`] found it.
    pub proxy: Option<ProxyUrl>,
    /// User-Agent of requests that carry none, and of CONNECT.
    pub user_agent: String,
    /// Limit of each step: resolving, TCP, proxy, TLS.
    pub connect_timeout: Duration,
    /// Limit of each request, connecting included, instead of what the request has (`--request-timeout`).
    pub request_timeout: Option<Duration>,
}

/// Ends the words of a failure that the user's own limit made.
pub const BY_REQUEST_TIMEOUT: &str = " (--request-timeout)";

/// How much of an answer is taken.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Most bytes of the body; the rest is not read.
    pub body_bytes: usize,
    /// Longest time from the call to the last byte.
    pub time: Duration,
    /// Of a good answer only the lines are kept of which this is true; the limit counts all.
    pub lines: Option<fn(&[u8]) -> bool>,
}

impl Default for Limits {
    /// 1 MiB within 10 seconds.
    fn default() -> Self {
        Self { body_bytes: 1024 * 1024, time: Duration::from_secs(10), lines: None }
    }
}

/// One answer, whatever its status.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers, foreign.
    pub headers: HeaderMap,
    /// The body up to the limit, foreign.
    pub body: Bytes,
    /// The body was longer than the limit.
    pub truncated: bool,
    /// The handshake of the connection that carried it.
    pub tls: Option<TlsReport>,
}

/// A connector to one destination that keeps its connections. Clones share them.
#[derive(Clone)]
pub struct Wire {
    inner: Arc<Inner>,
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Wire").field("server", &self.inner.place).finish_non_exhaustive()
    }
}

struct Inner {
    destination: Destination,
    /// Host without brackets.
    host: String,
    port: u16,
    /// `host:port` for people and for CONNECT.
    place: String,
    tls: Option<TlsClient>,
    proxy_tls: Option<TlsClient>,
    /// To see whether a proxy speaks TLS whose URL does not say so; it trusts all, and is told nothing.
    greeter: Option<TlsClient>,
    pool: Mutex<Pool>,
    /// Held while the first connection is made, so that a burst of requests makes one and not one each.
    connecting: tokio::sync::Mutex<()>,
    http1_slots: Arc<Semaphore>,
}

impl Wire {
    /// Reads roots and client certificate; connects to nothing yet.
    ///
    /// # Errors
    /// `Malformed` when the URL, the roots or the client certificate cannot be used.
    pub fn new(destination: Destination, host: &Host) -> Result<Self, Failure> {
        let malformed = |detail: &str| Failure::new(FailureKind::Malformed, detail);
        let url = &destination.url;
        let server = url.host_str().unwrap_or_default();
        let server = server.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(server).to_owned();
        let Some(port) = url.port_or_known_default().filter(|_| !server.is_empty()) else {
            return Err(malformed("the server URL has no host"));
        };
        let settings = match url.scheme() {
            "https" => Some(destination.tls.clone().unwrap_or_else(TlsSettings::system)),
            "http" => None,
            other => {
                return Err(malformed("the server URL has a scheme that is not HTTP").sides("http or https", other));
            }
        };
        let tls =
            settings.as_ref().map(|settings| TlsClient::new(settings, &[b"h2", b"http/1.1"], host)).transpose()?;
        if let Some(tls) = &tls {
            tls.name_for(&server)?;
        }
        // Go judges an https proxy by the server's own settings; our certificate is kept from it.
        let proxy_tls = match &destination.proxy {
            Some(proxy) if proxy.scheme == ProxyScheme::Https => {
                let settings = settings.unwrap_or_else(TlsSettings::system);
                Some(TlsClient::new(&TlsSettings { client_identity: None, ..settings }, &[b"http/1.1"], host)?)
            }
            _ => None,
        };
        let greeter = match &destination.proxy {
            Some(proxy) if proxy.scheme != ProxyScheme::Https => {
                Some(TlsClient::new(&TlsSettings { insecure: true, ..TlsSettings::system() }, &[b"http/1.1"], host)?)
            }
            _ => None,
        };
        let place = authority(&server, port);
        Ok(Self {
            inner: Arc::new(Inner {
                destination,
                host: server,
                port,
                place,
                tls,
                proxy_tls,
                greeter,
                pool: Mutex::default(),
                connecting: tokio::sync::Mutex::default(),
                http1_slots: Arc::new(Semaphore::new(HTTP1_CONNECTIONS)),
            }),
        })
    }

    /// Connects and makes the TLS handshake, without a client certificate, and closes. Faults of the certificate are
    /// in the report; a failure means that no handshake was possible.
    ///
    /// In TLS 1.3 a server that demands a client certificate says so only after the handshake: [`Wire::send`] meets
    /// that alert.
    ///
    /// # Errors
    /// What stood in the way; `Tls` on a plain `http` destination.
    pub async fn handshake(&self) -> Result<TlsReport, Failure> {
        self.shake(false).await
    }

    /// The same with the client certificate, for a server that lets nobody else in.
    ///
    /// # Errors
    /// As [`Wire::handshake`].
    pub async fn handshake_with_identity(&self) -> Result<TlsReport, Failure> {
        self.shake(true).await
    }

    async fn shake(&self, identity: bool) -> Result<TlsReport, Failure> {
        let (_, report) = self.inner.stream(identity).await?;
        report
            .map(|(report, _)| report)
            .ok_or_else(|| Failure::new(FailureKind::Tls, "the server URL is http, so there is no TLS to look at"))
    }

    /// Makes a connection for the next request, and sends nothing on it but a client certificate.
    ///
    /// # Errors
    /// What stood in the way.
    pub async fn connect(&self) -> Result<(), Failure> {
        let lease = self.inner.acquire().await?;
        // One of HTTP/2 is shared by all requests already.
        if let Sender::Http1(mut sender, permit) = lease.sender {
            if sender.ready().await.is_ok() {
                self.inner.pool().idle.push((sender, lease.link));
            }
            drop(permit);
        }
        Ok(())
    }

    /// Sends one request and reads the answer up to the limits. The URI is a path (the destination's own path goes
    /// before it) or an absolute URI of the destination.
    ///
    /// # Errors
    /// `Tls` when a credential would go to a server that is not trusted, `Declined` when it would go over plain
    /// HTTP, else what failed on the way. A status is never an error.
    pub async fn send(&self, request: Request<Bytes>, limits: Limits) -> Result<Answer, Failure> {
        let progress = Progress::default();
        let (limit, whose) = match self.inner.destination.request_timeout {
            Some(limit) => (limit, BY_REQUEST_TIMEOUT),
            None => (limits.time, ""),
        };
        let began = Instant::now();
        match timeout(limit, self.exchange(request, limits, &progress)).await {
            // The timer counts milliseconds: a shorter limit is over before it says so.
            Ok(answer) if answer.is_err() || began.elapsed() <= limit => answer,
            _ => Err(Failure::new(
                FailureKind::Timeout,
                format!("{} gave no complete answer within {}{whose}", self.inner.place, seconds(limit)),
            )
            .sides("a complete answer", progress.words())),
        }
    }
}

#[cfg(test)]
mod tests;
