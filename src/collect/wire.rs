//! The one connector: TCP, proxy, TLS and HTTP, each step with its own limit and its own words for failure.
//!
//! It follows no redirect, decompresses nothing and sends no credential to a server that is not trusted. Bodies and
//! headers of answers are foreign: the caller scrubs them.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use base64::Engine as _;
use bytes::{Bytes, BytesMut};
use futures::stream::{FuturesUnordered, StreamExt as _};
use http::header::{AUTHORIZATION, COOKIE, HOST, HeaderMap, HeaderValue, USER_AGENT};
use http::{Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::dns::{gave_no_answer, lookup_error};
use super::proxy::{ProxyScheme, ProxyUrl, authority};
use super::tls::{Recorder, TlsClient, TlsSettings, distrust, handshake_failure, tls_failure};
use crate::evidence::tls::TlsReport;
use crate::evidence::{Failure, FailureKind};
use crate::host::Host;
use crate::secret::strip_control;

/// Wait before the next address is tried beside one that does not answer (Go's fallback delay, RFC 8305).
const STAGGER: Duration = Duration::from_millis(300);
/// Most HTTP/1.1 connections at a time.
const HTTP1_CONNECTIONS: usize = 8;
/// Longest wait for an HTTP/1.1 connection to become free after its answer's last byte.
const HANDING_BACK: Duration = Duration::from_millis(50);
/// Most header fields of an HTTP/1.1 answer.
const HTTP1_HEADERS: usize = 256;
/// Most bytes before an HTTP/1.1 answer's body begins. hyper bounds a head, but not how many interim ones (1xx) come
/// before it, and takes all that have come before it lets anything else go on.
const HTTP1_HEAD: usize = 1024 * 1024;
/// Most bytes of a proxy's answer to CONNECT.
const CONNECT_HEAD: usize = 16 * 1024;
/// Most bytes of all answers' bodies that are held at a time, beyond [`SMALL_BODY`] of each: a server that never ends
/// fills this and no more.
const ALL_BODIES: usize = 24 * 1024 * 1024;
/// Most bytes of the body of an answer that is no success: some words.
const REFUSAL: usize = 256 * 1024;
/// Longest line that is kept where only some are.
const LINE: usize = 64 * 1024;
/// How much of a body is not counted.
const SMALL_BODY: usize = 256 * 1024;

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
}

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
    pool: Mutex<Pool>,
    /// Held while the first connection is made, so that a burst of requests makes one and not one each.
    connecting: tokio::sync::Mutex<()>,
    http1_slots: Arc<Semaphore>,
}

#[derive(Default)]
struct Pool {
    http2: Option<(http2::SendRequest<Full<Bytes>>, Arc<Link>)>,
    idle: Vec<(http1::SendRequest<Full<Bytes>>, Arc<Link>)>,
    speaks_http1: bool,
    failed: Option<(Instant, Failure)>,
}

/// What is known of one connection.
struct Link {
    report: Option<TlsReport>,
    trusted: bool,
    trouble: Trouble,
    head: Arc<Head>,
}

/// What an HTTP/1.1 connection has read of an answer that has not begun.
#[derive(Default)]
struct Head {
    awaited: AtomicBool,
    read: AtomicUsize,
}

impl Head {
    /// An answer is waited for, or has begun.
    fn awaits(&self, awaited: bool) {
        self.read.store(0, Ordering::Relaxed);
        self.awaited.store(awaited, Ordering::Relaxed);
    }

    /// Whether so many bytes more are still fine.
    fn takes(&self, more: usize) -> bool {
        !self.awaited.load(Ordering::Relaxed) || self.read.fetch_add(more, Ordering::Relaxed) + more <= HTTP1_HEAD
    }
}

/// The first failure of a connection's stream. hyper and h2 pass on only part of it.
#[derive(Clone, Default)]
struct Trouble(Arc<Mutex<Option<Failure>>>);

impl Trouble {
    fn note(&self, failure: impl FnOnce() -> Failure) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(failure);
    }

    fn seen(&self) -> Option<Failure> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A connection to send one request on.
struct Lease {
    sender: Sender,
    link: Arc<Link>,
    /// It carried a request before, so it may have been closed meanwhile.
    reused: bool,
}

/// An answer whose head has come.
struct Begun {
    response: Response<Incoming>,
    link: Arc<Link>,
    /// Ends when the HTTP/1.1 connection is back in the pool, or gone.
    returned: Option<tokio::task::JoinHandle<()>>,
}

enum Sender {
    Http2(http2::SendRequest<Full<Bytes>>),
    Http1(http1::SendRequest<Full<Bytes>>, OwnedSemaphorePermit),
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}
type BoxStream = Box<dyn Stream>;

/// How far an exchange has come, for the words of a time-out.
#[derive(Default)]
struct Progress(AtomicU8);

impl Progress {
    fn set(&self, step: u8) {
        self.0.store(step, Ordering::Relaxed);
    }

    fn words(&self) -> &'static str {
        match self.0.load(Ordering::Relaxed) {
            0 => "the connection was not ready",
            1 => "the request was sent but no answer began",
            _ => "the answer began but did not end",
        }
    }
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
        let place = authority(&server, port);
        Ok(Self {
            inner: Arc::new(Inner {
                destination,
                host: server,
                port,
                place,
                tls,
                proxy_tls,
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

    /// Sends one request and reads the answer up to the limits. The URI is a path (the destination's own path goes
    /// before it) or an absolute URI of the destination.
    ///
    /// # Errors
    /// `Tls` when a credential would go to a server that is not trusted, `Declined` when it would go over plain
    /// HTTP, else what failed on the way. A status is never an error.
    pub async fn send(&self, request: Request<Bytes>, limits: Limits) -> Result<Answer, Failure> {
        let progress = Progress::default();
        timeout(limits.time, self.exchange(request, limits, &progress)).await.unwrap_or_else(|_| {
            Err(Failure::new(
                FailureKind::Timeout,
                format!("{} gave no complete answer within {}", self.inner.place, seconds(limits.time)),
            )
            .sides("a complete answer", progress.words()))
        })
    }

    async fn exchange(&self, request: Request<Bytes>, limits: Limits, progress: &Progress) -> Result<Answer, Failure> {
        let Begun { response, link, returned } = self.begin(request, progress).await?;
        progress.set(2);
        let (parts, mut incoming) = response.into_parts();
        let is_good = parts.status.is_success();
        let limit = if is_good { limits.body_bytes } else { limits.body_bytes.min(REFUSAL) };
        let mut lines = limits.lines.filter(|_| is_good).map(Lines::of);
        let (mut body, mut read, mut truncated, mut held) = (BytesMut::new(), 0, false, Held(0));
        while let Some(frame) = incoming.frame().await {
            let frame = frame.map_err(|error| self.inner.http_failure(&error, &link.trouble, Some(read)))?;
            let Ok(data) = frame.into_data() else { continue };
            let taken = &data[..data.len().min(limit - read)];
            read += taken.len();
            match &mut lines {
                Some(lines) => lines.take(taken, &mut body),
                None => body.extend_from_slice(taken),
            }
            if !held.grow(body.len().saturating_sub(SMALL_BODY)) {
                return Err(Failure::new(
                    FailureKind::Limit,
                    format!("{}'s answers are too large to be held all at once", self.inner.place),
                )
                .sides(format!("at most {ALL_BODIES} bytes"), "more"));
            }
            if data.len() > taken.len() {
                truncated = true;
                break;
            }
        }
        if let Some(lines) = &mut lines {
            lines.take(b"\n", &mut body);
        }
        drop(incoming);
        // The connection is free in a moment; a caller's next request should find it.
        if let Some(returned) = returned.filter(|_| !truncated) {
            let _ = timeout(HANDING_BACK, returned).await;
        }
        Ok(Answer {
            status: parts.status,
            headers: parts.headers,
            body: Bytes::from_owner(HeldBody { body, _held: held }),
            truncated,
            tls: link.report.clone(),
        })
    }

    /// Sends a request and waits for the head of the answer.
    async fn begin(&self, request: Request<Bytes>, progress: &Progress) -> Result<Begun, Failure> {
        let inner = &self.inner;
        let (mut parts, body) = request.into_parts();
        if !parts.headers.contains_key(USER_AGENT)
            && let Ok(agent) = HeaderValue::from_str(&inner.destination.user_agent)
        {
            parts.headers.insert(USER_AGENT, agent);
        }
        let target = inner.target(&parts.uri)?;
        let identity = inner.tls.as_ref().is_some_and(TlsClient::has_identity);
        let credential = parts.headers.contains_key(AUTHORIZATION) || parts.headers.contains_key(COOKIE);
        if credential && inner.tls.is_none() {
            return Err(Failure::new(
                FailureKind::Declined,
                "the server URL is http: no credential is sent without TLS (kubectl sends none either)",
            )
            .sides("https", "http"));
        }
        // An API server ends an HTTP/2 connection after each 401 and each anonymous answer (since 1.29), under
        // whatever else is on it; so a request that shares a connection may need more than one try.
        let mut tries = 8;
        loop {
            progress.set(0);
            let lease = inner.acquire().await?;
            if (credential || identity) && inner.tls.is_some() && !lease.link.trusted {
                return Err(distrust(&lease.link.report.clone().unwrap_or_default()));
            }
            progress.set(1);
            let mut request = Request::new(Full::new(body.clone()));
            *request.method_mut() = parts.method.clone();
            *request.headers_mut() = parts.headers.clone();
            // A new HTTP/2 connection is shared from its first moment on: another request's answer may end it.
            let ended_by_others = lease.reused || matches!(lease.sender, Sender::Http2(_));
            let link = lease.link.clone();
            match inner.dispatch(lease, request, &target).await {
                Ok((response, returned)) => return Ok(Begun { response, link, returned }),
                // A kept connection may be gone by now. Nothing that kaccess sends changes anything, reviews included,
                // so it may be sent again.
                Err(_) if ended_by_others && tries > 0 => {
                    tries -= 1;
                    inner.forget(&link);
                }
                Err(error) => {
                    inner.forget(&link);
                    return Err(inner.http_failure(&error, &link.trouble, None));
                }
            }
        }
    }
}

impl Inner {
    /// The absolute URI of a request: the destination's path goes before a path alone.
    fn target(&self, uri: &Uri) -> Result<Uri, Failure> {
        let url = &self.destination.url;
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let path = if uri.host().is_some() {
            let own = url::Url::parse(&uri.to_string()).is_ok_and(|asked| asked.origin() == url.origin());
            if !own {
                return Err(Failure::new(FailureKind::Bug, "a request for another server than this connection's"));
            }
            path.to_owned()
        } else {
            format!("{}/{}", url.path().trim_end_matches('/'), path.trim_start_matches('/'))
        };
        let mut authority = url.host_str().unwrap_or_default().to_owned();
        if let Some(port) = url.port() {
            authority = format!("{authority}:{port}");
        }
        Uri::builder()
            .scheme(url.scheme())
            .authority(authority)
            .path_and_query(path)
            .build()
            .map_err(|_| Failure::new(FailureKind::Malformed, "the server URL and the path make no valid URI"))
    }

    /// The plain-HTTP destination is reached by an HTTP proxy that is asked for the whole URI, without a tunnel.
    fn forwards(&self) -> Option<&ProxyUrl> {
        let proxy = self.destination.proxy.as_ref()?;
        (self.tls.is_none() && proxy.scheme != ProxyScheme::Socks5).then_some(proxy)
    }

    async fn dispatch(
        self: &Arc<Self>,
        lease: Lease,
        mut request: Request<Full<Bytes>>,
        target: &Uri,
    ) -> Result<(Response<Incoming>, Option<tokio::task::JoinHandle<()>>), hyper::Error> {
        match lease.sender {
            Sender::Http2(mut sender) => {
                *request.uri_mut() = target.clone();
                *request.version_mut() = http::Version::HTTP_2;
                request.headers_mut().remove(HOST);
                sender.ready().await?;
                Ok((sender.send_request(request).await?, None))
            }
            Sender::Http1(mut sender, permit) => {
                if let Some(host) = target.authority().and_then(|host| HeaderValue::from_str(host.as_str()).ok()) {
                    request.headers_mut().insert(HOST, host);
                }
                *request.uri_mut() = match self.forwards() {
                    Some(proxy) => {
                        if let Some(value) = basic(proxy) {
                            request.headers_mut().insert(http::header::PROXY_AUTHORIZATION, value);
                        }
                        target.clone()
                    }
                    None => target.path_and_query().map(|path| Uri::from(path.clone())).unwrap_or_default(),
                };
                sender.ready().await?;
                lease.link.head.awaits(true);
                let response = sender.send_request(request).await?;
                lease.link.head.awaits(false);
                let (inner, link) = (self.clone(), lease.link);
                let returned = tokio::spawn(async move {
                    // Ready again means that the body was read to its end; a dropped body ends the connection.
                    if sender.ready().await.is_ok() {
                        inner.pool().idle.push((sender, link));
                    }
                    drop(permit);
                });
                Ok((response, Some(returned)))
            }
        }
    }

    fn pool(&self) -> std::sync::MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn forget(&self, link: &Arc<Link>) {
        let mut pool = self.pool();
        if pool.http2.as_ref().is_some_and(|(_, other)| Arc::ptr_eq(other, link)) {
            pool.http2 = None;
        }
        // Others that waited as long are not to be trusted with a second try.
        pool.idle.clear();
    }

    fn shared(&self) -> Option<Lease> {
        let mut pool = self.pool();
        if pool.http2.as_ref().is_some_and(|(sender, _)| sender.is_closed()) {
            pool.http2 = None;
        }
        let (sender, link) = pool.http2.clone()?;
        Some(Lease { sender: Sender::Http2(sender), link, reused: true })
    }

    fn idle(&self) -> Option<(http1::SendRequest<Full<Bytes>>, Arc<Link>)> {
        let mut pool = self.pool();
        while let Some((sender, link)) = pool.idle.pop() {
            if sender.is_ready() {
                return Some((sender, link));
            }
        }
        None
    }

    async fn acquire(&self) -> Result<Lease, Failure> {
        let began = Instant::now();
        loop {
            if let Some(lease) = self.shared() {
                return Ok(lease);
            }
            if self.pool().speaks_http1 {
                let permit = self.slot().await?;
                if let Some((sender, link)) = self.idle() {
                    return Ok(Lease { sender: Sender::Http1(sender, permit), link, reused: true });
                }
                return self.connect(Some(permit)).await;
            }
            let _turn = self.connecting.lock().await;
            if let Some(lease) = self.shared() {
                return Ok(lease);
            }
            {
                let pool = self.pool();
                if pool.speaks_http1 {
                    continue;
                }
                // Whoever waited for a connection that failed need not fail on its own.
                if let Some((when, failure)) = &pool.failed
                    && *when > began
                {
                    return Err(failure.clone());
                }
            }
            let connected = self.connect(None).await;
            if let Err(failure) = &connected {
                self.pool().failed = Some((Instant::now(), failure.clone()));
            }
            return connected;
        }
    }

    async fn slot(&self) -> Result<OwnedSemaphorePermit, Failure> {
        let slots = self.http1_slots.clone();
        slots.acquire_owned().await.map_err(|_| Failure::new(FailureKind::Bug, "the connection pool is closed"))
    }

    /// A new connection up to HTTP.
    async fn connect(&self, permit: Option<OwnedSemaphorePermit>) -> Result<Lease, Failure> {
        let (stream, tls) = self.stream(true).await?;
        let (report, trusted) = match tls {
            Some((report, trusted)) => (Some(report), trusted),
            None => (None, false),
        };
        let is_http2 = report.as_ref().is_some_and(|report| report.alpn.as_deref() == Some("h2"));
        let (trouble, head) = (Trouble::default(), Arc::new(Head::default()));
        let watched = TokioIo::new(Watched {
            inner: stream,
            place: self.place.clone(),
            trouble: trouble.clone(),
            head: head.clone(),
            is_tls: report.is_some(),
        });
        let link = Arc::new(Link { report, trusted, trouble, head });
        if is_http2 {
            let handshake = http2::Builder::new(TokioExecutor::new())
                .timer(TokioTimer::new())
                // Lists of megabytes should not wait for window updates.
                .initial_stream_window_size(2 * 1024 * 1024)
                .initial_connection_window_size(4 * 1024 * 1024)
                .handshake(watched);
            let (sender, connection) = self
                .limited("HTTP/2", handshake)
                .await?
                .map_err(|error| self.http_failure(&error, &link.trouble, None))?;
            tokio::spawn(connection);
            self.pool().http2 = Some((sender.clone(), link.clone()));
            return Ok(Lease { sender: Sender::Http2(sender), link, reused: false });
        }
        let permit = match permit {
            Some(permit) => permit,
            None => self.slot().await?,
        };
        let handshake = http1::Builder::new().max_headers(HTTP1_HEADERS).handshake(watched);
        let (sender, connection) = self
            .limited("HTTP/1.1", handshake)
            .await?
            .map_err(|error| self.http_failure(&error, &link.trouble, None))?;
        tokio::spawn(connection);
        self.pool().speaks_http1 = true;
        Ok(Lease { sender: Sender::Http1(sender, permit), link, reused: false })
    }

    /// One step within the connect limit.
    async fn limited<T>(&self, step: &str, work: impl Future<Output = T>) -> Result<T, Failure> {
        let limit = self.destination.connect_timeout;
        timeout(limit, work).await.map_err(|_| {
            Failure::new(
                FailureKind::Timeout,
                format!("{step} with {} took longer than {}", self.place, seconds(limit)),
            )
            .sides(format!("{step} within {}", seconds(limit)), "no answer")
        })
    }

    /// TCP, proxy and TLS. The second value is the report and whether credentials may go.
    async fn stream(&self, identity: bool) -> Result<(BoxStream, Option<(TlsReport, bool)>), Failure> {
        let stream = match &self.destination.proxy {
            Some(proxy) => self.through(proxy).await?,
            None => Box::new(self.tcp(&self.host, self.port).await?),
        };
        let Some(tls) = &self.tls else { return Ok((stream, None)) };
        let name = tls.name_for(&self.host)?;
        let (stream, recorder) = self.tls_over(stream, tls, name, identity, &self.place).await?;
        Ok((Box::new(stream), Some((recorder.report(), recorder.trusted()))))
    }

    async fn tls_over(
        &self,
        stream: BoxStream,
        tls: &TlsClient,
        name: ServerName<'static>,
        identity: bool,
        place: &str,
    ) -> Result<(tokio_rustls::client::TlsStream<BoxStream>, Recorder), Failure> {
        let (config, recorder) = tls.connection(identity);
        let connecting = tokio_rustls::TlsConnector::from(config).connect(name, stream);
        let limit = self.destination.connect_timeout;
        match timeout(limit, connecting).await {
            Err(_) => Err(Failure::new(
                FailureKind::Timeout,
                format!("{place} accepted the connection but did not complete TLS within {}", seconds(limit)),
            )
            .sides("a TLS handshake", "silence")),
            Ok(Ok(stream)) => {
                recorder.observe(stream.get_ref().1);
                Ok((stream, recorder))
            }
            // The client key signed nothing for a server that is not trusted, which ends the handshake.
            Ok(Err(_)) if identity && tls.has_identity() && recorder.distrusted() => Err(distrust(&recorder.report())),
            Ok(Err(error)) => {
                let failure = stream_failure(&error, place, true);
                if identity && tls.has_identity() {
                    return Err(failure);
                }
                let cause = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
                Err(handshake_failure(failure, cause, &recorder))
            }
        }
    }

    /// All addresses of a name in the system's order, the next one beside a silent one after 300 ms.
    async fn tcp(&self, host: &str, port: u16) -> Result<TcpStream, Failure> {
        let place = authority(host, port);
        let addresses: Vec<SocketAddr> =
            match self.limited("resolving the name", tokio::net::lookup_host((host, port))).await? {
                Ok(found) => found.take(32).collect(),
                Err(error) => return Err(name_failure(host, &error)),
            };
        let limit = self.destination.connect_timeout;
        match timeout(limit, race(&addresses)).await {
            Ok(Ok(stream)) => {
                // Small requests should not wait for more; failing to say so is harmless.
                let _ = stream.set_nodelay(true);
                Ok(stream)
            }
            Ok(Err(Some((address, error)))) => {
                let mut failure = connect_failure(&error, &place, address);
                if addresses.len() > 1 {
                    failure.detail.push_str(&format!(" (and all {} addresses failed)", addresses.len()));
                }
                Err(failure)
            }
            Ok(Err(None)) => Err(Failure::new(FailureKind::NameNotFound, format!("{host} has no address"))),
            Err(_) => Err(Failure::new(
                FailureKind::Timeout,
                format!("{place} did not accept a TCP connection within {}", seconds(limit)),
            )
            .sides(
                "a TCP connection",
                format!("silence from {}", addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
            )),
        }
    }

    /// A stream to the server through a proxy (or to the proxy itself, for plain HTTP by an HTTP proxy).
    async fn through(&self, proxy: &ProxyUrl) -> Result<BoxStream, Failure> {
        let at_proxy = |failure: Failure| {
            let mut failure = Failure { detail: format!("proxy {proxy}: {}", failure.detail), ..failure };
            failure.kind = FailureKind::Proxy;
            failure
        };
        let mut stream: BoxStream = Box::new(self.tcp(&proxy.host, proxy.port).await.map_err(at_proxy)?);
        if let Some(tls) = &self.proxy_tls {
            let name = tls.name_for(&proxy.host).map_err(at_proxy)?;
            let place = authority(&proxy.host, proxy.port);
            let (encrypted, recorder) = self.tls_over(stream, tls, name, false, &place).await.map_err(at_proxy)?;
            if !recorder.trusted() {
                return Err(at_proxy(distrust(&recorder.report())));
            }
            stream = Box::new(encrypted);
        }
        if self.forwards().is_some() {
            return Ok(stream);
        }
        let talk = async {
            match proxy.scheme {
                ProxyScheme::Socks5 => socks5(&mut stream, proxy, &self.host, self.port).await,
                _ => connect_tunnel(&mut stream, proxy, &self.place, &self.destination.user_agent).await,
            }
        };
        let limit = self.destination.connect_timeout;
        match timeout(limit, talk).await {
            Ok(Ok(())) => Ok(stream),
            Ok(Err(failure)) => Err(at_proxy(failure)),
            Err(_) => Err(at_proxy(
                Failure::new(FailureKind::Timeout, format!("no way to {} within {}", self.place, seconds(limit)))
                    .sides(format!("a tunnel to {}", self.place), "silence"),
            )),
        }
    }

    /// A hyper error in words; the stream's own trouble goes before what hyper makes of it.
    fn http_failure(&self, error: &hyper::Error, trouble: &Trouble, body: Option<usize>) -> Failure {
        let place = &self.place;
        // hyper has a method for it only where its server is compiled in.
        if error.is_parse() && error.to_string().contains("too large") {
            return Failure::new(FailureKind::Limit, format!("the headers of {place}'s answer are too large"))
                .sides(format!("at most {HTTP1_HEADERS} header fields"), "more");
        }
        if error.is_parse() {
            return Failure::new(FailureKind::Protocol, format!("{place} does not answer in HTTP"))
                .sides("an HTTP answer", error.to_string());
        }
        if let Some(mut failure) = trouble.seen() {
            if let Some(length) = body {
                failure.detail.push_str(&format!(", after {length} bytes of the body"));
            }
            return failure;
        }
        if error.is_timeout() {
            return Failure::new(FailureKind::Timeout, format!("{place} did not answer in time"));
        }
        if body.is_some() || error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
            let detail = match body {
                Some(length) => format!("{place} closed the connection after {length} bytes of the body"),
                None => format!("{place} closed the connection without an answer"),
            };
            return Failure::new(FailureKind::Closed, detail).sides("a complete answer", "a closed connection");
        }
        let mut text = error.to_string();
        let mut source = std::error::Error::source(error);
        while let Some(error) = source {
            text = format!("{text}: {error}");
            source = error.source();
        }
        Failure::new(FailureKind::Protocol, format!("HTTP with {place} failed")).sides("an HTTP answer", text)
    }
}

/// Picks lines out of a stream.
struct Lines {
    wanted: fn(&[u8]) -> bool,
    line: Vec<u8>,
}

impl Lines {
    fn of(wanted: fn(&[u8]) -> bool) -> Self {
        Self { wanted, line: Vec::new() }
    }

    fn take(&mut self, bytes: &[u8], body: &mut BytesMut) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            // One byte more than the longest tells a line that is longer.
            let room = (LINE + 1).saturating_sub(self.line.len());
            self.line.extend_from_slice(&piece[..piece.len().min(room)]);
            if piece.ends_with(b"\n") {
                if self.line.len() <= LINE && (self.wanted)(&self.line) {
                    body.extend_from_slice(&self.line);
                }
                self.line.clear();
            }
        }
    }
}

/// How much of [`ALL_BODIES`] is in use.
static BODIES: AtomicUsize = AtomicUsize::new(0);

/// A body's part of [`ALL_BODIES`], given back when the body goes.
struct Held(usize);

impl Held {
    /// Makes it this large, if that much is left.
    fn grow(&mut self, to: usize) -> bool {
        let more = to.saturating_sub(self.0);
        if more == 0 {
            return true;
        }
        let before = BODIES.fetch_add(more, Ordering::Relaxed);
        self.0 += more;
        before + more <= ALL_BODIES
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        BODIES.fetch_sub(self.0, Ordering::Relaxed);
    }
}

struct HeldBody {
    body: BytesMut,
    _held: Held,
}

impl AsRef<[u8]> for HeldBody {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

/// The first connection of a staggered race, or the first address's error.
async fn race(addresses: &[SocketAddr]) -> Result<TcpStream, Option<(SocketAddr, std::io::Error)>> {
    let mut tries = FuturesUnordered::new();
    let mut waiting = addresses.iter().copied().enumerate();
    let mut first: Option<(usize, SocketAddr, std::io::Error)> = None;
    loop {
        let next = waiting.next();
        if let Some((index, address)) = next {
            tries.push(async move { (index, address, TcpStream::connect(address).await) });
        } else if tries.is_empty() {
            return Err(first.map(|(_, address, error)| (address, error)));
        }
        let is_last = next.is_none();
        tokio::select! {
            Some((index, address, connected)) = tries.next() => match connected {
                Ok(stream) => return Ok(stream),
                Err(error) => {
                    if first.as_ref().is_none_or(|(other, ..)| index < *other) {
                        first = Some((index, address, error));
                    }
                }
            },
            () = tokio::time::sleep(STAGGER), if !is_last => {}
        }
    }
}

fn basic(proxy: &ProxyUrl) -> Option<HeaderValue> {
    let credentials = proxy.credentials.as_ref()?;
    let pair = format!("{}:{}", credentials.username.expose(), credentials.password.expose());
    let encoded = base64::engine::general_purpose::STANDARD.encode(pair);
    let mut value = HeaderValue::from_str(&format!("Basic {encoded}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Asks an HTTP proxy for a tunnel and keeps the words of a refusal. Only status 200 opens it, as in Go.
async fn connect_tunnel(stream: &mut BoxStream, proxy: &ProxyUrl, place: &str, agent: &str) -> Result<(), Failure> {
    let mut request = format!("CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n").into_bytes();
    if HeaderValue::from_str(agent).is_ok() {
        request.extend_from_slice(format!("User-Agent: {agent}\r\n").as_bytes());
    }
    if let Some(value) = basic(proxy) {
        request.extend_from_slice(b"Proxy-Authorization: ");
        request.extend_from_slice(value.as_bytes());
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"\r\n");
    let broken = |error: std::io::Error| {
        stream_failure(&error, "the proxy", false).sides(format!("a tunnel to {place}"), "a closed connection")
    };
    stream.write_all(&request).await.map_err(broken)?;
    stream.flush().await.map_err(broken)?;
    let mut head = Vec::new();
    // Byte by byte, so that nothing of the tunnel itself is taken away.
    while !head.ends_with(b"\r\n\r\n") && !head.ends_with(b"\n\n") {
        if head.len() >= CONNECT_HEAD {
            return Err(Failure::new(FailureKind::Limit, "the answer to CONNECT has too many headers"));
        }
        head.push(stream.read_u8().await.map_err(broken)?);
        if head.len() == 5 && !head.starts_with(b"HTTP/") {
            break;
        }
    }
    let head = String::from_utf8_lossy(&head);
    let mut lines = head.lines();
    let status = lines.next().unwrap_or_default();
    let Some((_, status)) = status.split_once(' ').filter(|(version, _)| version.starts_with("HTTP/1.")) else {
        return Err(Failure::new(FailureKind::Protocol, "the answer to CONNECT is not HTTP/1.1")
            .sides("HTTP/1.1 200", "bytes of another protocol"));
    };
    let status: String = strip_control(status).trim().chars().take(100).collect();
    if status == "200" || status.starts_with("200 ") {
        return Ok(());
    }
    let mut detail = format!("it refused the tunnel to {place}");
    if status.starts_with("407") {
        let scheme = lines.find_map(|line| {
            let (name, value) = line.split_once(':')?;
            let scheme = value.split_whitespace().next()?;
            name.eq_ignore_ascii_case("proxy-authenticate")
                .then(|| strip_control(scheme).chars().take(30).collect::<String>())
        });
        detail.push_str(if proxy.credentials.is_some() {
            ": it does not accept the user name and password of its URL"
        } else {
            ": it demands a user name and password, and its URL has none"
        });
        if let Some(scheme) = scheme {
            detail.push_str(&format!(" (it asks for {scheme})"));
        }
    }
    Err(Failure::new(FailureKind::Proxy, detail).sides("200", status))
}

/// Asks a SOCKS5 proxy (RFC 1928, 1929) for a connection; names are resolved by the proxy, as Go asks for.
async fn socks5(stream: &mut BoxStream, proxy: &ProxyUrl, host: &str, port: u16) -> Result<(), Failure> {
    let place = authority(host, port);
    let broken = |error: std::io::Error| {
        stream_failure(&error, "the proxy", false).sides(format!("a connection to {place}"), "a closed connection")
    };
    let not_socks = |byte: u8| {
        Failure::new(FailureKind::Protocol, "the proxy does not speak SOCKS5")
            .sides("SOCKS version 5", format!("first byte {byte:#04x}"))
    };
    let refused =
        |detail: &str, seen: String| Failure::new(FailureKind::Proxy, detail).sides("a SOCKS5 connection", seen);
    let greeting: &[u8] = if proxy.credentials.is_some() { &[5, 2, 0, 2] } else { &[5, 1, 0] };
    stream.write_all(greeting).await.map_err(broken)?;
    stream.flush().await.map_err(broken)?;
    let version = stream.read_u8().await.map_err(broken)?;
    if version != 5 {
        return Err(not_socks(version));
    }
    match (stream.read_u8().await.map_err(broken)?, &proxy.credentials) {
        (0, _) => {}
        (2, Some(credentials)) => {
            let (name, password) = (credentials.username.expose().as_bytes(), credentials.password.expose().as_bytes());
            let (Ok(name_length), Ok(password_length)) = (u8::try_from(name.len()), u8::try_from(password.len()))
            else {
                return Err(Failure::new(FailureKind::Malformed, "its user name or password is longer than 255 bytes"));
            };
            let mut message = vec![1, name_length];
            message.extend_from_slice(name);
            message.push(password_length);
            message.extend_from_slice(password);
            stream.write_all(&message).await.map_err(broken)?;
            stream.flush().await.map_err(broken)?;
            let mut reply = [0; 2];
            stream.read_exact(&mut reply).await.map_err(broken)?;
            if reply[1] != 0 {
                return Err(refused(
                    "it does not accept the user name and password of its URL",
                    format!("SOCKS5 authentication status {}", reply[1]),
                ));
            }
        }
        (255, None) => {
            return Err(refused(
                "it demands a user name and password, and its URL has none",
                "SOCKS5 method 255 (none acceptable)".to_owned(),
            ));
        }
        (method, _) => {
            return Err(refused("it offers no way to sign in that kaccess knows", format!("SOCKS5 method {method}")));
        }
    }
    let mut message = vec![5, 1, 0];
    match host.parse::<std::net::IpAddr>() {
        Ok(std::net::IpAddr::V4(ip)) => {
            message.push(1);
            message.extend_from_slice(&ip.octets());
        }
        Ok(std::net::IpAddr::V6(ip)) => {
            message.push(4);
            message.extend_from_slice(&ip.octets());
        }
        Err(_) => {
            let length = u8::try_from(host.len())
                .map_err(|_| Failure::new(FailureKind::Malformed, "the server's name is longer than 255 bytes"))?;
            message.extend_from_slice(&[3, length]);
            message.extend_from_slice(host.as_bytes());
        }
    }
    message.extend_from_slice(&port.to_be_bytes());
    stream.write_all(&message).await.map_err(broken)?;
    stream.flush().await.map_err(broken)?;
    let mut reply = [0; 4];
    stream.read_exact(&mut reply).await.map_err(broken)?;
    if reply[0] != 5 {
        return Err(not_socks(reply[0]));
    }
    if reply[1] != 0 {
        let reason = match reply[1] {
            1 => "general failure",
            2 => "not allowed by its rules",
            3 => "network unreachable",
            4 => "host unreachable",
            5 => "connection refused",
            6 => "TTL expired",
            7 => "command not supported",
            8 => "address type not supported",
            _ => "unknown reply",
        };
        return Err(refused(
            &format!("it could not connect to {place}: {reason}"),
            format!("SOCKS5 reply {}: {reason}", reply[1]),
        ));
    }
    // The bound address is of no use, but must be read away.
    let length = match reply[3] {
        1 => 4,
        4 => 16,
        3 => usize::from(stream.read_u8().await.map_err(broken)?),
        other => return Err(not_socks(other)),
    };
    let mut bound = vec![0; length + 2];
    stream.read_exact(&mut bound).await.map_err(broken)?;
    Ok(())
}

fn seconds(time: Duration) -> String {
    if time.subsec_millis() == 0 { format!("{} s", time.as_secs()) } else { format!("{} ms", time.as_millis()) }
}

fn name_failure(host: &str, error: &std::io::Error) -> Failure {
    let text = lookup_error(error);
    let (kind, detail) = if gave_no_answer(&text) {
        (FailureKind::ResolverFailed, format!("the system's resolver gave no answer for {host}"))
    } else {
        (FailureKind::NameNotFound, format!("{host} does not resolve"))
    };
    Failure::new(kind, detail).sides(format!("an address of {host}"), text)
}

fn connect_failure(error: &std::io::Error, place: &str, address: SocketAddr) -> Failure {
    use std::io::ErrorKind as Kind;
    let (kind, words) = match error.kind() {
        Kind::ConnectionRefused => (FailureKind::Refused, "refused the connection"),
        Kind::TimedOut => (FailureKind::Timeout, "did not answer in the system's time"),
        Kind::ConnectionReset | Kind::ConnectionAborted => (FailureKind::Closed, "reset the connection"),
        _ => (FailureKind::Unreachable, "cannot be reached"),
    };
    let whose = address.to_string();
    let detail = if whose == place { format!("{place} {words}") } else { format!("{place} ({whose}) {words}") };
    Failure::new(kind, detail).sides("a TCP connection", error.to_string())
}

/// An error of an open stream: TLS inside it, or the other side gone.
fn stream_failure(error: &std::io::Error, place: &str, handshaking: bool) -> Failure {
    use std::io::ErrorKind as Kind;
    if let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        return tls_failure(tls);
    }
    let expected = if handshaking { "a TLS handshake" } else { "an answer" };
    let (kind, words) = match error.kind() {
        Kind::ConnectionReset | Kind::ConnectionAborted | Kind::BrokenPipe => {
            (FailureKind::Closed, "reset the connection")
        }
        Kind::UnexpectedEof | Kind::NotConnected => (FailureKind::Closed, "closed the connection"),
        Kind::TimedOut => (FailureKind::Timeout, "stopped answering"),
        Kind::HostUnreachable | Kind::NetworkUnreachable => (FailureKind::Unreachable, "became unreachable"),
        _ => (FailureKind::Closed, "broke the connection"),
    };
    let when = if handshaking { " during the TLS handshake" } else { "" };
    Failure::new(kind, format!("{place} {words}{when}")).sides(expected, error.to_string())
}

/// A stream that remembers its first error in words.
struct Watched {
    inner: BoxStream,
    place: String,
    trouble: Trouble,
    head: Arc<Head>,
    is_tls: bool,
}

impl Watched {
    fn note<T>(&self, result: Poll<std::io::Result<T>>) -> Poll<std::io::Result<T>> {
        if let Poll::Ready(Err(error)) = &result {
            self.trouble.note(|| stream_failure(error, &self.place, false));
        }
        result
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.inner).poll_read(cx, buffer);
        if let Poll::Ready(Err(error)) = &result
            && self.is_tls
            && error.kind() == std::io::ErrorKind::UnexpectedEof
            && buffer.filled().len() == before
        {
            // Many servers close without TLS' goodbye: an ordinary end, and hyper judges whether it came too early.
            return Poll::Ready(Ok(()));
        }
        if !self.head.takes(buffer.filled().len() - before) {
            self.trouble.note(|| {
                Failure::new(FailureKind::Limit, format!("{}'s answer does not come to its beginning", self.place))
                    .sides(format!("at most {HTTP1_HEAD} bytes before it"), "more")
            });
            return Poll::Ready(Err(std::io::Error::other("too much before the answer")));
        }
        self.note(result)
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        let result = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.note(result)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        let result = Pin::new(&mut self.inner).poll_flush(cx);
        self.note(result)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        // A failed goodbye says nothing about the answer.
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(any(test, feature = "kube"))]
pub mod kube;

#[cfg(test)]
mod tests;
