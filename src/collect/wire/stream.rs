//! The way to a server up to HTTP: name, TCP, proxy and TLS.

use std::net::SocketAddr;
use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt as _};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Inner;
use super::socks5::socks5;
use super::tunnel::connect_tunnel;
use super::words::{connect_failure, name_failure, seconds, stream_failure};
use crate::collect::proxy::{ProxyScheme, ProxyUrl, authority};
use crate::collect::tls::{Recorder, TlsClient, distrust, handshake_failure};
use crate::evidence::tls::TlsReport;
use crate::evidence::{Failure, FailureKind};

/// Wait before the next address is tried beside one that does not answer (Go's fallback delay, RFC 8305).
const STAGGER: Duration = Duration::from_millis(300);

/// How long a proxy may be silent before it is greeted in other ways.
const PATIENCE: Duration = Duration::from_secs(2);
/// Longest wait for an answer to such a greeting.
const GREETING: Duration = Duration::from_millis(1500);
/// Begins the words of a proxy that is not trusted.
const DISTRUST: &str = "its certificate is not trusted: ";

pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}
pub(super) type BoxStream = Box<dyn Stream>;

impl Inner {
    /// TCP, proxy and TLS. The second value is the report and whether credentials may go.
    pub(super) async fn stream(&self, identity: bool) -> Result<(BoxStream, Option<(TlsReport, bool)>), Failure> {
        let stream = match &self.destination.proxy {
            Some(proxy) => self.through(proxy).await?,
            None => Box::new(self.tcp(&self.host, self.port).await?),
        };
        let Some(tls) = &self.tls else { return Ok((stream, None)) };
        let name = tls.name_for(&self.host)?;
        let (stream, recorder) = self.tls_over(stream, tls, name, identity, &self.place).await?;
        Ok((Box::new(stream), Some((recorder.report(), recorder.trusted()))))
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
        let stream: BoxStream = Box::new(self.tcp(&proxy.host, proxy.port).await.map_err(at_proxy)?);
        let greeted = async {
            tokio::time::sleep(PATIENCE).await;
            match self.other_tongue(proxy).await {
                Some(failure) => failure,
                None => std::future::pending().await,
            }
        };
        let failure = tokio::select! {
            opened = self.opened(proxy, stream) => match opened {
                Ok(stream) => return Ok(stream),
                Err(failure) => failure,
            },
            failure = greeted => return Err(at_proxy(failure)),
        };
        use FailureKind::{Closed, Protocol, Tls, TlsVersion};
        // A TLS server's answer to plain HTTP is a 400 as well.
        let bad_request = failure.seen.as_deref().is_some_and(|seen| seen.starts_with("400"));
        let unclear = matches!(failure.kind, Closed | Protocol | Tls | TlsVersion) || bad_request;
        let other = if unclear && !is_distrust(&failure) { self.other_tongue(proxy).await } else { None };
        Err(at_proxy(other.unwrap_or(failure)))
    }

    /// The proxy, asked for the way to the server; for plain HTTP by an HTTP proxy nothing is asked yet.
    async fn opened(&self, proxy: &ProxyUrl, mut stream: BoxStream) -> Result<BoxStream, Failure> {
        if let Some(tls) = &self.proxy_tls {
            let name = tls.name_for(&proxy.host)?;
            let place = authority(&proxy.host, proxy.port);
            let (encrypted, recorder) = self.tls_over(stream, tls, name, false, &place).await?;
            if !recorder.trusted() {
                return Err(proxy_distrust(&recorder.report()));
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
            Ok(said) => said.map(|()| stream),
            Err(_) => {
                Err(Failure::new(FailureKind::Timeout, format!("no way to {} within {}", self.place, seconds(limit)))
                    .sides(format!("a tunnel to {}", self.place), "silence"))
            }
        }
    }

    /// What a proxy speaks that does not speak what its URL says: it is greeted in the other ways, on connections of
    /// their own and without user name and password.
    async fn other_tongue(&self, proxy: &ProxyUrl) -> Option<Failure> {
        let limit = self.destination.connect_timeout.min(GREETING);
        let greet = |scheme: ProxyScheme| async move {
            if scheme == proxy.scheme {
                return None;
            }
            let answered = timeout(limit, self.answers_to(scheme, proxy)).await.ok().flatten().unwrap_or(false);
            answered.then_some(scheme)
        };
        let (https, socks, http) =
            tokio::join!(greet(ProxyScheme::Https), greet(ProxyScheme::Socks5), greet(ProxyScheme::Http));
        let spoken = https.or(socks).or(http)?;
        let tongue = match spoken {
            ProxyScheme::Http => "HTTP without TLS",
            ProxyScheme::Https => "TLS",
            ProxyScheme::Socks5 => "SOCKS5",
        };
        let (asked, spoken) = (proxy.scheme.as_str(), spoken.as_str());
        Some(
            Failure::new(FailureKind::Protocol, format!("it speaks {tongue}, and its URL says {asked}"))
                .sides(asked, format!("speaks {spoken}")),
        )
    }

    /// Whether the proxy answers one greeting as this scheme does.
    async fn answers_to(&self, scheme: ProxyScheme, proxy: &ProxyUrl) -> Option<bool> {
        let mut stream = self.tcp(&proxy.host, proxy.port).await.ok()?;
        let greeting = match scheme {
            ProxyScheme::Https => {
                let tls = self.greeter.as_ref()?;
                let name = tls.name_for(&proxy.host).ok()?;
                let (config, _) = tls.connection(false);
                return Some(tokio_rustls::TlsConnector::from(config).connect(name, stream).await.is_ok());
            }
            ProxyScheme::Socks5 => vec![5, 1, 0],
            ProxyScheme::Http => format!("CONNECT {0} HTTP/1.1\r\nHost: {0}\r\n\r\n", self.place).into_bytes(),
        };
        stream.write_all(&greeting).await.ok()?;
        let mut answer = [0; 5];
        let length = if scheme == ProxyScheme::Socks5 { 2 } else { answer.len() };
        stream.read_exact(&mut answer[..length]).await.ok()?;
        Some(match scheme {
            // No method of those offered is an answer, too.
            ProxyScheme::Socks5 => answer[0] == 5 && matches!(answer[1], 0..=2 | 255),
            _ => answer == *b"HTTP/",
        })
    }

    /// The plain-HTTP destination is reached by an HTTP proxy that is asked for the whole URI, without a tunnel.
    pub(super) fn forwards(&self) -> Option<&ProxyUrl> {
        let proxy = self.destination.proxy.as_ref()?;
        (self.tls.is_none() && proxy.scheme != ProxyScheme::Socks5).then_some(proxy)
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

    /// One step within the connect limit.
    pub(super) async fn limited<T>(&self, step: &str, work: impl Future<Output = T>) -> Result<T, Failure> {
        let limit = self.destination.connect_timeout;
        timeout(limit, work).await.map_err(|_| {
            Failure::new(
                FailureKind::Timeout,
                format!("{step} with {} took longer than {}", self.place, seconds(limit)),
            )
            .sides(format!("{step} within {}", seconds(limit)), "no answer")
        })
    }
}

/// The failure for a proxy that is not trusted, with the first fault's sides.
fn proxy_distrust(report: &TlsReport) -> Failure {
    let Some(fault) = report.faults.first() else {
        return Failure::new(FailureKind::Tls, format!("{DISTRUST}it showed none"));
    };
    let words = fault.detail.replace("the server's", "its").replace("the server", "the proxy");
    let mut failure = Failure::new(FailureKind::Tls, format!("{DISTRUST}{words}"));
    failure.expected.clone_from(&fault.expected);
    failure.seen.clone_from(&fault.seen);
    failure
}

fn is_distrust(failure: &Failure) -> bool {
    failure.detail.starts_with(DISTRUST)
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
