//! The wire as the transport of a `kube::Client`, for tools that use kaccess as a library (feature `kube`).
//!
//! kaccess itself asks over [`Wire`]: its lists are read as they come, and one request is all that `can-i` needs.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming};
use tokio::time::timeout;

use super::Wire;
use super::exchange::{Begun, Progress};
use super::pool::Link;
use super::words::seconds;
use crate::evidence::{Failure, FailureKind};

/// Most bytes of one answer; a list of 10,000 RBAC bindings has 9 MiB.
const LARGEST: usize = 64 * 1024 * 1024;
/// Longest silence of a server in an answer.
const SILENCE: Duration = Duration::from_secs(30);

/// A tower service for `kube::Client::new`, over a wire's connections. An answer has at most 64 MiB and no silence over
/// 30 seconds; whoever asks bounds the whole.
#[derive(Debug, Clone)]
pub struct KubeService {
    wire: Wire,
    headers: Arc<HeaderMap>,
}

impl KubeService {
    /// With these headers on every request that lacks them, for credentials. Mark secret values sensitive.
    pub fn new(wire: Wire, headers: HeaderMap) -> Self {
        Self { wire, headers: Arc::new(headers) }
    }
}

impl tower::Service<Request<kube::client::Body>> for KubeService {
    type Response = Response<KubeBody>;
    type Error = WireError;
    type Future = BoxFuture<'static, Result<Self::Response, WireError>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), WireError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<kube::client::Body>) -> Self::Future {
        let Self { wire, headers } = self.clone();
        Box::pin(async move {
            let (mut parts, body) = request.into_parts();
            for (name, value) in headers.iter() {
                if !parts.headers.contains_key(name) {
                    parts.headers.append(name, value.clone());
                }
            }
            let body = body.collect().await.map_err(|error| {
                WireError(Failure::new(FailureKind::Bug, format!("the request's body could not be made: {error}")))
            })?;
            let progress = Progress::default();
            let begun = timeout(SILENCE, wire.begin(Request::from_parts(parts, body.to_bytes()), &progress)).await;
            let Begun { response, link, .. } =
                begun.unwrap_or_else(|_| Err(silence(&wire.inner.place))).map_err(WireError)?;
            Ok(response.map(|incoming| KubeBody {
                incoming,
                wire,
                link,
                taken: 0,
                silence: Box::pin(tokio::time::sleep(SILENCE)),
            }))
        })
    }
}

fn silence(place: &str) -> Failure {
    Failure::new(FailureKind::Timeout, format!("{place} was silent for {}", seconds(SILENCE)))
}

/// A failure as an error, for kube and tower.
#[derive(Debug, Clone)]
pub struct WireError(pub Failure);

impl std::fmt::Display for WireError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0.detail)
    }
}

impl std::error::Error for WireError {}

/// The wire's own failure inside an error of kube::Client, if it came from there.
pub fn failure_of(error: &(dyn std::error::Error + 'static)) -> Option<Failure> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(WireError(failure)) = error.downcast_ref::<WireError>() {
            return Some(failure.clone());
        }
        // kube keeps the service's error boxed and names it a source only by its own rule.
        if let Some(kube::Error::Service(inner)) = error.downcast_ref::<kube::Error>()
            && let Some(WireError(failure)) = inner.downcast_ref::<WireError>()
        {
            return Some(failure.clone());
        }
        next = error.source();
    }
    None
}

/// An answer's body for kube::Client, with its limits.
pub struct KubeBody {
    incoming: Incoming,
    wire: Wire,
    link: Arc<Link>,
    taken: usize,
    silence: Pin<Box<tokio::time::Sleep>>,
}

impl Body for KubeBody {
    type Data = Bytes;
    type Error = WireError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, WireError>>> {
        let this = self.get_mut();
        match Pin::new(&mut this.incoming).poll_frame(cx) {
            Poll::Pending => match this.silence.as_mut().poll(cx) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(()) => Poll::Ready(Some(Err(WireError(silence(&this.wire.inner.place))))),
            },
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Ready(Some(Err(error))) => {
                let failure = this.wire.inner.http_failure(&error, &this.link.trouble, Some(this.taken));
                Poll::Ready(Some(Err(WireError(failure))))
            }
            Poll::Ready(Some(Ok(frame))) => {
                this.taken += frame.data_ref().map_or(0, Bytes::len);
                if this.taken > LARGEST {
                    return Poll::Ready(Some(Err(WireError(
                        Failure::new(FailureKind::Limit, format!("{}'s answer is too large", this.wire.inner.place))
                            .sides(format!("at most {LARGEST} bytes"), "more"),
                    ))));
                }
                this.silence.as_mut().reset(tokio::time::Instant::now() + SILENCE);
                Poll::Ready(Some(Ok(frame)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        self.incoming.size_hint()
    }
}
