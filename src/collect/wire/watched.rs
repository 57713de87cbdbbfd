//! A connection's stream, watched: its first error in words, and how much came before an answer began.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::stream::BoxStream;
use super::words::stream_failure;
use crate::evidence::{Failure, FailureKind};

/// Most bytes before an HTTP/1.1 answer's body begins. hyper bounds a head, but not how many interim ones (1xx) come
/// before it, and takes all that have come before it lets anything else go on.
const HTTP1_HEAD: usize = 1024 * 1024;

/// What an HTTP/1.1 connection has read of an answer that has not begun.
#[derive(Default)]
pub(super) struct Head {
    awaited: AtomicBool,
    read: AtomicUsize,
}

impl Head {
    /// An answer is waited for, or has begun.
    pub(super) fn awaits(&self, awaited: bool) {
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
pub(super) struct Trouble(Arc<Mutex<Option<Failure>>>);

impl Trouble {
    pub(super) fn note(&self, failure: impl FnOnce() -> Failure) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(failure);
    }

    pub(super) fn seen(&self) -> Option<Failure> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A stream that remembers its first error in words.
pub(super) struct Watched {
    pub(super) inner: BoxStream,
    pub(super) place: String,
    pub(super) trouble: Trouble,
    pub(super) head: Arc<Head>,
    pub(super) is_tls: bool,
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
