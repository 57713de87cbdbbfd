//! A connection through a SOCKS5 proxy (RFC 1928, 1929).

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::stream::BoxStream;
use super::words::stream_failure;
use crate::collect::proxy::{ProxyUrl, authority};
use crate::evidence::{Failure, FailureKind};

/// Asks a SOCKS5 proxy for a connection; names are resolved by the proxy, as Go asks for.
pub(super) async fn socks5(stream: &mut BoxStream, proxy: &ProxyUrl, host: &str, port: u16) -> Result<(), Failure> {
    let place = authority(host, port);
    sign_in(stream, proxy, &place).await?;
    let message = request(host, port)?;
    stream.write_all(&message).await.map_err(broken(&place))?;
    stream.flush().await.map_err(broken(&place))?;
    take_reply(stream, &place).await
}

/// Agrees on a way to sign in (none, or user name and password) and goes it.
async fn sign_in(stream: &mut BoxStream, proxy: &ProxyUrl, place: &str) -> Result<(), Failure> {
    let broken = broken(place);
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
    Ok(())
}

/// The request for a connection.
fn request(host: &str, port: u16) -> Result<Vec<u8>, Failure> {
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
    Ok(message)
}

async fn take_reply(stream: &mut BoxStream, place: &str) -> Result<(), Failure> {
    let broken = broken(place);
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

/// An error of the stream, on the way to `place`.
fn broken(place: &str) -> impl Fn(std::io::Error) -> Failure + Copy {
    move |error: std::io::Error| {
        stream_failure(&error, "the proxy", false).sides(format!("a connection to {place}"), "a closed connection")
    }
}

fn not_socks(byte: u8) -> Failure {
    Failure::new(FailureKind::Protocol, "the proxy does not speak SOCKS5")
        .sides("SOCKS version 5", format!("first byte {byte:#04x}"))
}

fn refused(detail: &str, seen: String) -> Failure {
    Failure::new(FailureKind::Proxy, detail).sides("a SOCKS5 connection", seen)
}
