//! Failures on the way, in words: of names, of connections, of open streams and of HTTP.

use std::net::SocketAddr;
use std::time::Duration;

use super::Inner;
use super::pool::HTTP1_HEADERS;
use super::watched::Trouble;
use crate::collect::dns::{gave_no_answer, lookup_error};
use crate::collect::tls::tls_failure;
use crate::evidence::{Failure, FailureKind};

impl Inner {
    /// A hyper error in words; the stream's own trouble goes before what hyper makes of it.
    pub(super) fn http_failure(&self, error: &hyper::Error, trouble: &Trouble, body: Option<usize>) -> Failure {
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

pub(super) fn seconds(time: Duration) -> String {
    if time < Duration::from_millis(1) {
        return format!("{time:?}");
    }
    if time.subsec_millis() == 0 { format!("{} s", time.as_secs()) } else { format!("{} ms", time.as_millis()) }
}

pub(super) fn name_failure(host: &str, error: &std::io::Error) -> Failure {
    let text = lookup_error(error);
    let (kind, detail) = if gave_no_answer(&text) {
        (FailureKind::ResolverFailed, format!("the system's resolver gave no answer for {host}"))
    } else {
        (FailureKind::NameNotFound, format!("{host} does not resolve"))
    };
    Failure::new(kind, detail).sides(format!("an address of {host}"), text)
}

pub(super) fn connect_failure(error: &std::io::Error, place: &str, address: SocketAddr) -> Failure {
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
pub(super) fn stream_failure(error: &std::io::Error, place: &str, handshaking: bool) -> Failure {
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
