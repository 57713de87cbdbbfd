//! Resolves names twice (what the system believes, what the name servers say) and tries every address.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use futures::future::join_all;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;

use crate::evidence::dns::{
    Absolute, Attempt, ConnectOutcome, Connections, LookupOutcome, Names, Resolution, ServerAnswer,
};
use crate::evidence::{Failure, FailureKind};

/// Longest wait for getaddrinfo; its own limit depends on resolv.conf and can be minutes. glibc gives up after 10 s
/// where one name server is silent, and its word is worth waiting for.
pub const SYSTEM_LIMIT: Duration = Duration::from_secs(11);
/// Longest wait for the name servers, whose answer is only the comparison.
const SERVERS_LIMIT: Duration = Duration::from_secs(3);
/// Most search domains that are tried.
const SEARCH_LIMIT: usize = 6;
/// Most name servers that are asked by themselves; glibc reads three.
const NAME_SERVERS_LIMIT: usize = 4;
/// Most addresses kept of one name.
const ADDRESSES_LIMIT: usize = 64;

/// Resolves `host_name` by getaddrinfo and, at the same time, by the name servers of resolv.conf (or by
/// `public_resolver` alone). The second value holds the system's addresses with `port`, in the system's order.
///
/// A literal address is not looked up; `localhost` needs no name server. The hosts file counts for the system's
/// answer and not for the name servers', so a difference shows.
pub async fn resolve(host_name: &str, port: u16, public_resolver: Option<IpAddr>) -> (Resolution, Vec<SocketAddr>) {
    let bare = host_name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(host_name);
    let mut resolution = Resolution { host: bare.to_owned(), ..Resolution::default() };
    if let Ok(ip) = bare.parse::<IpAddr>() {
        resolution.literal = true;
        resolution.addresses = vec![ip.to_string()];
        return (resolution, vec![SocketAddr::new(ip, port)]);
    }
    let servers = async {
        if is_localhost(bare) {
            return None;
        }
        Some(match public_resolver {
            Some(ip) => {
                ask(bare, ResolverConfig::from_parts(None, Vec::new(), vec![NameServerConfig::udp_and_tcp(ip)]), None)
                    .await
            }
            None => match system_configuration() {
                Ok((config, options)) => ask(bare, config, Some(options)).await,
                Err(error) => {
                    ServerAnswer { outcome: LookupOutcome::Other(format!("error: {error}")), ..ServerAnswer::default() }
                }
            },
        })
    };
    let (system, servers) = tokio::join!(system_addresses(bare, port), servers);
    resolution.name_servers = servers;
    match system {
        Ok(addresses) => {
            resolution.addresses = addresses.iter().map(|address| address.ip().to_string()).collect();
            (resolution, addresses)
        }
        Err(error) => {
            resolution.error = Some(error);
            (resolution, Vec::new())
        }
    }
}

/// The system's addresses of a name, each once, in its order.
async fn system_addresses(name: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
    match tokio::time::timeout(SYSTEM_LIMIT, tokio::net::lookup_host((name, port))).await {
        Err(_) => Err(format!("no answer within {} s", SYSTEM_LIMIT.as_secs())),
        Ok(Err(error)) => Err(lookup_error(&error)),
        Ok(Ok(found)) => {
            let mut addresses = Vec::new();
            for address in found {
                if !addresses.contains(&address) && addresses.len() < ADDRESSES_LIMIT {
                    addresses.push(address);
                }
            }
            Ok(addresses)
        }
    }
}

/// The failure of a name without an address: whether the name does not exist or nobody answered.
///
/// getaddrinfo decides, because every client believes it: EAI_AGAIN and EAI_FAIL are a resolver without an answer.
pub fn unresolved(resolution: &Resolution) -> Failure {
    let servers = resolution.name_servers.as_ref();
    let outcome = servers.map_or_else(|| "not asked".to_owned(), |servers| servers.outcome.to_string());
    let error = resolution.error.clone().unwrap_or_else(|| "no address".to_owned());
    let kind = if gave_no_answer(&error) { FailureKind::ResolverFailed } else { FailureKind::NameNotFound };
    Failure::new(kind, format!("{} does not resolve: {error} (the name servers say: {outcome})", resolution.host))
}

/// The kinds of getaddrinfo reach us only as text; these are glibc's, musl's and macOS' words for EAI_AGAIN and
/// EAI_FAIL, and our own for silence.
pub(crate) fn gave_no_answer(error: &str) -> bool {
    ["Temporary failure", "Try again", "Non-recoverable", "Unrecoverable", "no answer within"]
        .iter()
        .any(|words| error.contains(words))
}

/// Asks every name server of resolv.conf by itself, and the public resolver, for the absolute name; and, where the
/// system resolves the name as it stands, whether a search domain stands behind its answer.
pub async fn names(host_name: &str, resolved: &[SocketAddr], public_resolver: Option<IpAddr>) -> Names {
    let bare = host_name.trim_end_matches('.');
    let absolute_name = format!("{bare}.");
    let (config, options) = match system_configuration() {
        Ok((config, options)) => (Some(config), Some(options)),
        Err(_) => (None, None),
    };
    let alone = |server: NameServerConfig| ResolverConfig::from_parts(None, Vec::new(), vec![server]);
    let mut distinct: Vec<NameServerConfig> = Vec::new();
    for server in config.iter().flat_map(ResolverConfig::name_servers) {
        if distinct.len() < NAME_SERVERS_LIMIT && distinct.iter().all(|other| other.ip != server.ip) {
            distinct.push(server.clone());
        }
    }
    let servers = join_all(distinct.into_iter().map(|server| ask(&absolute_name, alone(server), options.clone())));
    let public = async {
        let ip = public_resolver?;
        Some(ask(&absolute_name, alone(NameServerConfig::udp_and_tcp(ip)), None).await)
    };
    let domains = |config: &ResolverConfig| -> Vec<hickory_resolver::proto::rr::Name> {
        let search = if config.search().is_empty() {
            config.domain().cloned().into_iter().collect()
        } else {
            config.search().to_vec()
        };
        search.into_iter().take(SEARCH_LIMIT).collect()
    };
    let search = config.as_ref().map(domains).unwrap_or_default();
    let absolute = async {
        // A name that ends in a dot is absolute already, and nothing was put behind it.
        if resolved.is_empty() || host_name.ends_with('.') {
            return None;
        }
        let port = resolved.first().map_or(0, SocketAddr::port);
        let mut absolute = Absolute::default();
        match system_addresses(&absolute_name, port).await {
            Ok(addresses) => absolute.addresses = addresses.iter().map(|address| address.ip().to_string()).collect(),
            Err(error) => absolute.error = Some(error),
        }
        let same = |addresses: &[String]| resolved.iter().any(|address| addresses.contains(&address.ip().to_string()));
        if !same(&absolute.addresses)
            && let (Some(config), options) = (&config, &options)
        {
            let asked = search.iter().map(|domain| async move {
                let longer = format!("{bare}.{}", domain.to_string().trim_end_matches('.'));
                let answer = ask(&format!("{longer}."), config.clone(), options.clone()).await;
                same(&answer.addresses).then_some(longer)
            });
            absolute.captured_by = join_all(asked).await.into_iter().flatten().next();
        }
        Some(absolute)
    };
    let (servers, public, absolute) = tokio::join!(servers, public, absolute);
    Names {
        host: bare.to_owned(),
        servers,
        public,
        search: search.iter().map(|domain| domain.to_string().trim_end_matches('.').to_owned()).collect(),
        absolute,
    }
}

/// getaddrinfo's own words, without std's introduction.
pub(crate) fn lookup_error(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.strip_prefix("failed to lookup address information: ").unwrap_or(&text).to_owned()
}

/// The host is a name that the system asks name servers about.
pub fn needs_name_servers(host: &str) -> bool {
    host.parse::<IpAddr>().is_err() && !is_localhost(host)
}

fn is_localhost(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

fn system_configuration() -> Result<(ResolverConfig, ResolverOpts), String> {
    hickory_resolver::system_conf::read_system_conf().map_err(|error| error.to_string())
}

/// One question for the A and AAAA records of a name.
async fn ask(name: &str, config: ResolverConfig, options: Option<ResolverOpts>) -> ServerAnswer {
    let mut answer = ServerAnswer {
        servers: config.name_servers().iter().map(|server| server.ip.to_string()).collect(),
        ..ServerAnswer::default()
    };
    let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    let settings = builder.options_mut();
    if let Some(options) = options {
        *settings = options;
    }
    // A probe wants this moment's answer of the servers, and only theirs.
    settings.cache_size = 0;
    settings.use_hosts_file = ResolveHosts::Never;
    settings.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    // Two tries fit into the limit, so a time-out is told by the resolver and not cut off.
    settings.timeout = settings.timeout.min(Duration::from_millis(1400));
    settings.attempts = settings.attempts.min(1);
    let lookup = async {
        let resolver = builder.build()?;
        resolver.lookup_ip(name).await
    };
    match tokio::time::timeout(SERVERS_LIMIT, lookup).await {
        Err(_) => answer.outcome = LookupOutcome::Timeout,
        Ok(Ok(found)) => {
            answer.addresses = found.iter().take(ADDRESSES_LIMIT).map(|ip| ip.to_string()).collect();
            answer.outcome = if answer.addresses.is_empty() { LookupOutcome::Nodata } else { LookupOutcome::Answer };
        }
        Ok(Err(error)) => answer.outcome = lookup_outcome(&error),
    }
    answer
}

fn lookup_outcome(error: &NetError) -> LookupOutcome {
    match error {
        NetError::Timeout => LookupOutcome::Timeout,
        NetError::Dns(DnsError::NoRecordsFound(none)) => match none.response_code {
            ResponseCode::NXDomain => LookupOutcome::Nxdomain,
            ResponseCode::NoError => LookupOutcome::Nodata,
            ResponseCode::ServFail => LookupOutcome::Servfail,
            ResponseCode::Refused => LookupOutcome::Refused,
            _ => LookupOutcome::Error,
        },
        NetError::Dns(DnsError::ResponseCode(ResponseCode::ServFail)) => LookupOutcome::Servfail,
        NetError::Dns(DnsError::ResponseCode(ResponseCode::Refused)) => LookupOutcome::Refused,
        NetError::Dns(DnsError::ResponseCode(ResponseCode::NXDomain)) => LookupOutcome::Nxdomain,
        NetError::Io(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => LookupOutcome::Closed,
        _ => LookupOutcome::Error,
    }
}

/// Connects to every address at once, each within `limit`, and says what came of each, in the given order.
pub async fn connect_all(addresses: &[SocketAddr], limit: Duration) -> Connections {
    let attempts = addresses.iter().take(ADDRESSES_LIMIT).map(|address| async move {
        let began = Instant::now();
        let connected = tokio::time::timeout(limit, tokio::net::TcpStream::connect(address)).await;
        let (outcome, detail) = match connected {
            Err(_) => (ConnectOutcome::Timeout, Some(format!("no answer within {} ms", limit.as_millis()))),
            Ok(Ok(_)) => (ConnectOutcome::Connected, None),
            Ok(Err(error)) => (connect_outcome(&error), Some(error.to_string())),
        };
        Attempt {
            source: (outcome != ConnectOutcome::Connected).then(|| source(*address)).flatten(),
            address: address.to_string(),
            outcome,
            detail,
            took_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        }
    });
    Connections { attempts: join_all(attempts).await }
}

/// The address this machine would send from. A connected UDP socket asks the system's routes and sends nothing.
pub fn source(to: SocketAddr) -> Option<String> {
    let any: IpAddr = if to.is_ipv4() { [0, 0, 0, 0].into() } else { [0u16; 8].into() };
    let socket = std::net::UdpSocket::bind((any, 0)).ok()?;
    socket.connect(to).ok()?;
    Some(socket.local_addr().ok()?.ip().to_string())
}

fn connect_outcome(error: &std::io::Error) -> ConnectOutcome {
    use std::io::ErrorKind as Kind;
    match error.kind() {
        Kind::ConnectionRefused => ConnectOutcome::Refused,
        Kind::TimedOut => ConnectOutcome::Timeout,
        // Only a connection that stood is reset (before that, a reset is a refusal); whether it is seen here or by the
        // step that follows is a matter of microseconds, and that step tells it.
        Kind::ConnectionReset | Kind::ConnectionAborted => ConnectOutcome::Connected,
        Kind::HostUnreachable | Kind::NetworkUnreachable | Kind::NetworkDown | Kind::AddrNotAvailable => {
            ConnectOutcome::Unreachable
        }
        // A route that prohibits, a firewall or a sandbox of this machine; and a route into a black hole.
        Kind::PermissionDenied | Kind::InvalidInput => ConnectOutcome::Unreachable,
        _ => ConnectOutcome::Error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A name server on loopback that answers by the first label of the name, and never for `silent`.
    async fn name_server() -> ResolverConfig {
        let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let mut server = NameServerConfig::udp(IpAddr::from([127, 0, 0, 1]));
        server.connections[0].port = socket.local_addr().unwrap().port();
        tokio::spawn(async move {
            let mut buffer = [0u8; 1500];
            while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
                let query = &buffer[..length];
                let mut end = 12;
                while query[end] != 0 {
                    end += usize::from(query[end]) + 1;
                }
                let label = String::from_utf8_lossy(&query[13..13 + usize::from(query[12])]).to_lowercase();
                let is_a = query[end + 2] == 1;
                let code = match label.as_str() {
                    "silent" => continue,
                    "servfail" => 2,
                    "nxdomain" => 3,
                    "refused" => 5,
                    _ => 0,
                };
                let answers = u8::from(label == "good" && is_a);
                let mut reply = query[..end + 5].to_vec();
                reply[2] = 0x81;
                reply[3] = 0x80 | code;
                reply[4..12].copy_from_slice(&[0, 1, 0, answers, 0, 0, 0, 0]);
                if answers == 1 {
                    reply.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 10, 1, 2, 3]);
                }
                let _ = socket.send_to(&reply, from).await;
            }
        });
        ResolverConfig::from_parts(None, Vec::new(), vec![server])
    }

    #[tokio::test]
    async fn the_name_servers_answers_are_told_apart() {
        let config = name_server().await;
        let cases = ["good", "nodata", "nxdomain", "servfail", "refused", "silent"].map(|label| {
            let config = config.clone();
            async move { (label, ask(&format!("{label}.example."), config, None).await) }
        });
        for (label, answer) in join_all(cases).await {
            let expected = match label {
                "good" => "answer",
                "silent" => "timeout",
                other => other,
            };
            assert_eq!(answer.outcome.to_string(), expected, "{label}");
            assert_eq!(answer.addresses.is_empty(), label != "good");
            assert_eq!(answer.servers, ["127.0.0.1"]);
        }
    }

    #[tokio::test]
    async fn literals_and_localhost_ask_nobody() {
        let (resolution, addresses) = resolve("[fd00::1]", 6443, None).await;
        assert!(resolution.literal && resolution.name_servers.is_none());
        assert_eq!((resolution.host.as_str(), addresses), ("fd00::1", vec!["[fd00::1]:6443".parse().unwrap()]));
        let (resolution, addresses) = resolve("localhost", 6443, None).await;
        assert!(!resolution.literal && resolution.name_servers.is_none());
        assert!(addresses.iter().all(|address| address.ip().is_loopback() && address.port() == 6443));
        assert!(!addresses.is_empty());
    }

    #[tokio::test]
    async fn connections_are_told_apart() {
        let open = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (open_at, closed_at) = (open.local_addr().unwrap(), closed.local_addr().unwrap());
        drop(closed);
        let seen = connect_all(&[open_at, closed_at], Duration::from_secs(5)).await;
        let outcomes: Vec<String> = seen.attempts.iter().map(|attempt| attempt.outcome.to_string()).collect();
        assert_eq!(outcomes, ["connected", "refused"]);
        assert_eq!(seen.attempts[1].address, closed_at.to_string());
        assert!(seen.attempts[1].detail.is_some());
    }

    #[test]
    fn outcomes_by_the_systems_error() {
        use std::io::{Error, ErrorKind as Kind};
        for (kind, expected) in [
            (Kind::ConnectionRefused, ConnectOutcome::Refused),
            (Kind::TimedOut, ConnectOutcome::Timeout),
            (Kind::HostUnreachable, ConnectOutcome::Unreachable),
            (Kind::NetworkUnreachable, ConnectOutcome::Unreachable),
            (Kind::PermissionDenied, ConnectOutcome::Unreachable),
            (Kind::InvalidInput, ConnectOutcome::Unreachable),
            (Kind::ConnectionReset, ConnectOutcome::Connected),
            (Kind::ConnectionAborted, ConnectOutcome::Connected),
            (Kind::OutOfMemory, ConnectOutcome::Error),
        ] {
            assert_eq!(connect_outcome(&Error::from(kind)), expected);
        }
    }
}
