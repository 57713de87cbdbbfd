//! The connections of a wire: one of HTTP/2 that all requests share, or a few of HTTP/1.1.

use std::sync::{Arc, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::sync::OwnedSemaphorePermit;

use super::Inner;
use super::watched::{Head, Trouble, Watched};
use crate::evidence::tls::TlsReport;
use crate::evidence::{Failure, FailureKind};

/// Most HTTP/1.1 connections at a time.
pub(super) const HTTP1_CONNECTIONS: usize = 8;
/// Most header fields of an HTTP/1.1 answer.
pub(super) const HTTP1_HEADERS: usize = 256;

#[derive(Default)]
pub(super) struct Pool {
    http2: Option<(http2::SendRequest<Full<Bytes>>, Arc<Link>)>,
    pub(super) idle: Vec<(http1::SendRequest<Full<Bytes>>, Arc<Link>)>,
    speaks_http1: bool,
    failed: Option<(Instant, Failure)>,
}

/// What is known of one connection.
pub(super) struct Link {
    pub(super) report: Option<TlsReport>,
    pub(super) trusted: bool,
    pub(super) trouble: Trouble,
    pub(super) head: Arc<Head>,
}

/// A connection to send one request on.
pub(super) struct Lease {
    pub(super) sender: Sender,
    pub(super) link: Arc<Link>,
    /// It carried a request before, so it may have been closed meanwhile.
    pub(super) reused: bool,
}

pub(super) enum Sender {
    Http2(http2::SendRequest<Full<Bytes>>),
    Http1(http1::SendRequest<Full<Bytes>>, OwnedSemaphorePermit),
}

impl Inner {
    pub(super) fn pool(&self) -> std::sync::MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn forget(&self, link: &Arc<Link>) {
        let mut pool = self.pool();
        if pool.http2.as_ref().is_some_and(|(_, other)| Arc::ptr_eq(other, link)) {
            pool.http2 = None;
        }
        // Others that waited as long are not to be trusted with a second try.
        pool.idle.clear();
    }

    /// A connection for one request: a kept one, or a new one that others wait for too.
    pub(super) async fn acquire(&self) -> Result<Lease, Failure> {
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
}
