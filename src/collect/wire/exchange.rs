//! One request and its answer, over a connection of the pool.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, COOKIE, HOST, HeaderValue, USER_AGENT};
use http::{Request, Response, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use tokio::time::timeout;

use super::body::{ALL_BODIES, Enough, Lines, Taker};
use super::pool::{Lease, Link, Sender};
use super::tunnel::basic;
use super::{Answer, Inner, Limits, Wire};
use crate::collect::tls::{TlsClient, distrust};
use crate::evidence::{Failure, FailureKind};

/// Longest wait for an HTTP/1.1 connection to become free after its answer's last byte.
const HANDING_BACK: Duration = Duration::from_millis(50);
/// Most bytes of the body of an answer that is no success: some words.
const REFUSAL: usize = 256 * 1024;

/// An answer whose head has come.
pub(super) struct Begun {
    pub(super) response: Response<Incoming>,
    pub(super) link: Arc<Link>,
    /// Ends when the HTTP/1.1 connection is back in the pool, or gone.
    pub(super) returned: Option<tokio::task::JoinHandle<()>>,
}

/// How far an exchange has come, for the words of a time-out.
#[derive(Default)]
pub(super) struct Progress(AtomicU8);

impl Progress {
    fn set(&self, step: u8) {
        self.0.store(step, Ordering::Relaxed);
    }

    pub(super) fn words(&self) -> &'static str {
        match self.0.load(Ordering::Relaxed) {
            0 => "the connection was not ready",
            1 => "the request was sent but no answer began",
            _ => "the answer began but did not end",
        }
    }
}

impl Wire {
    pub(super) async fn exchange(
        &self,
        request: Request<Bytes>,
        limits: Limits,
        progress: &Progress,
    ) -> Result<Answer, Failure> {
        let Begun { response, link, returned } = self.begin(request, progress).await?;
        progress.set(2);
        let (mut parts, mut incoming) = response.into_parts();
        let is_good = parts.status.is_success();
        let limit = if is_good { limits.body_bytes } else { limits.body_bytes.min(REFUSAL) };
        let mut taker = Taker::new(&mut parts.headers, limit, limits.lines.filter(|_| is_good).map(Lines::of));
        let mut taken = Ok(());
        while let Some(frame) = incoming.frame().await {
            let frame = frame.map_err(|error| self.inner.http_failure(&error, &link.trouble, Some(taker.read())))?;
            let Ok(data) = frame.into_data() else { continue };
            taken = taker.take(&data);
            if taken.is_err() {
                break;
            }
        }
        let truncated = match taken.and_then(|()| taker.end()) {
            Ok(()) => false,
            Err(Enough::Truncated) => true,
            Err(Enough::TooLarge) => {
                return Err(Failure::new(
                    FailureKind::Limit,
                    format!("{}'s answers are too large to be held all at once", self.inner.place),
                )
                .sides(format!("at most {ALL_BODIES} bytes"), "more"));
            }
            Err(Enough::NoGzip) => {
                return Err(Failure::new(
                    FailureKind::Protocol,
                    format!("{} says that its answer is gzip, and it cannot be read as that", self.inner.place),
                )
                .sides("gzip, as Content-Encoding says", "something else, or less than all of it"));
            }
        };
        drop(incoming);
        // The connection is free in a moment; a caller's next request should find it.
        if let Some(returned) = returned.filter(|_| !truncated) {
            let _ = timeout(HANDING_BACK, returned).await;
        }
        Ok(Answer {
            status: parts.status,
            headers: parts.headers,
            body: Bytes::from_owner(taker.body()),
            truncated,
            tls: link.report.clone(),
        })
    }

    /// Sends a request and waits for the head of the answer.
    pub(super) async fn begin(&self, request: Request<Bytes>, progress: &Progress) -> Result<Begun, Failure> {
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
}
