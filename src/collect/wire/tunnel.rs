//! A tunnel through an HTTP proxy, by CONNECT.

use base64::Engine as _;
use http::header::HeaderValue;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::stream::BoxStream;
use super::words::stream_failure;
use crate::collect::proxy::ProxyUrl;
use crate::evidence::{Failure, FailureKind};
use crate::secret::strip_control;

/// Most bytes of a proxy's answer to CONNECT.
const CONNECT_HEAD: usize = 16 * 1024;

/// Asks an HTTP proxy for a tunnel and keeps the words of a refusal. Only status 200 opens it, as in Go.
pub(super) async fn connect_tunnel(
    stream: &mut BoxStream,
    proxy: &ProxyUrl,
    place: &str,
    agent: &str,
) -> Result<(), Failure> {
    let broken = |error: std::io::Error| {
        stream_failure(&error, "the proxy", false).sides(format!("a tunnel to {place}"), "a closed connection")
    };
    stream.write_all(&connect(proxy, place, agent)).await.map_err(broken)?;
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
    judge(&String::from_utf8_lossy(&head), place, proxy.credentials.is_some())
}

/// The request for a tunnel.
fn connect(proxy: &ProxyUrl, place: &str, agent: &str) -> Vec<u8> {
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
    request
}

/// What the head of the answer says, for a proxy whose URL has credentials or none.
fn judge(head: &str, place: &str, credentials: bool) -> Result<(), Failure> {
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
        detail.push_str(if credentials {
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

/// What a proxy is told of its user name and password.
pub(super) fn basic(proxy: &ProxyUrl) -> Option<HeaderValue> {
    let credentials = proxy.credentials.as_ref()?;
    let pair = format!("{}:{}", credentials.username.expose(), credentials.password.expose());
    let encoded = base64::engine::general_purpose::STANDARD.encode(pair);
    let mut value = HeaderValue::from_str(&format!("Basic {encoded}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}
