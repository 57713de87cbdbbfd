//! A network of a test's own, and what stands in it: name servers, relays, proxies, silence.

use std::collections::BTreeMap;
use std::fs;
use std::future::Future;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::pin::Pin;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hickory_server::net::runtime::Time;
use hickory_server::proto::op::{HeaderCounts, Metadata, ResponseCode};
use hickory_server::proto::rr::{Name, RData, Record, RecordType};
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo, Server};
use hickory_server::zone_handler::MessageResponseBuilder;

use super::run::scratch;

const INSIDE: &str = "KACCESS_OWN_NETWORK";

/// This process is in a network of its own.
pub fn is_own() -> bool {
    std::env::var_os(INSIDE).is_some()
}

/// Runs the calling test once more in a network and mount namespace of its own, with loopback up and every address
/// of 10.0.0.0/8, 203.0.113.0/24 and 9.9.9.9 on it; true is for the run in there. Nothing in there can reach anything
/// outside of it.
///
/// Where the system does not let us, the test says so and is skipped. Programs that are missing (`unshare`, `ip`) are a
/// failure where the lab is required; a kernel that allows no user namespaces is not, since nothing can be installed for it.
pub fn own(test: &str) -> bool {
    if is_own() {
        // 192.168.77.2 is what this machine sends from, so that it is no neighbour of those it sends to.
        ip("link set lo up");
        ip("address add 192.168.77.2/32 dev lo");
        for net in ["10.0.0.0/8", "203.0.113.0/24", "9.9.9.9/32"] {
            ip(&format!("route add local {net} dev lo src 192.168.77.2"));
        }
        let nsswitch = scratch("etc").join("nsswitch.conf");
        fs::write(&nsswitch, "hosts: files dns\n").expect("a file");
        mount(&nsswitch, "/etc/nsswitch.conf");
        return true;
    }
    let namespaces = ["--user", "--map-root-user", "--net", "--mount"];
    let able = Command::new("unshare").args(namespaces).args(["ip", "link", "set", "lo", "up"]).output();
    if !able.as_ref().is_ok_and(|output| output.status.success()) {
        let why = format!("no network of its own for {test}: {able:?}");
        let missing = ["unshare", "ip"].iter().any(|program| Command::new(program).arg("--version").output().is_err());
        let required = std::env::var("KACCESS_LAB").as_deref() == Ok("require");
        assert!(!(missing && required), "KACCESS_LAB=require, but {why}");
        super::lab::tell(&format!("SKIPPED {why}"));
        return false;
    }
    let output = Command::new("unshare")
        .args(namespaces)
        .arg(std::env::current_exe().expect("the test's own program"))
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .expect("unshare");
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    false
}

/// Runs `ip` with these words.
pub fn ip(words: &str) {
    let output = Command::new("ip").args(words.split(' ')).output().expect("ip");
    assert!(output.status.success(), "ip {words}: {}", String::from_utf8_lossy(&output.stderr));
}

fn mount(file: &std::path::Path, over: &str) {
    let output = Command::new("mount").arg("--bind").arg(file).arg(over).output().expect("mount");
    assert!(output.status.success(), "mount over {over}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Puts this text in the place of /etc/resolv.conf; only in a network of its own.
pub fn resolv_conf(text: &str) {
    assert!(is_own());
    let file = scratch("etc").join("resolv.conf");
    fs::write(&file, text).expect("a file");
    mount(&file, "/etc/resolv.conf");
}

/// What a name server says of a name.
#[derive(Clone)]
pub enum Says {
    /// These addresses.
    Addresses(Vec<IpAddr>),
    /// The name is there, without an address.
    NoData,
    /// SERVFAIL.
    Failure,
}

/// Addresses of a name.
pub fn at(addresses: &[&str]) -> Says {
    Says::Addresses(addresses.iter().map(|address| address.parse().expect("an address")).collect())
}

/// A name server (hickory) on port 53 of an address. Names it was not told of do not exist; `*.zone` is a wildcard.
pub struct NameServer {
    queries: Arc<AtomicUsize>,
    _runtime: tokio::runtime::Runtime,
}

impl NameServer {
    /// Starts it.
    pub fn start(address: &str, zone: &[(&str, Says)]) -> Self {
        let zone = zone.iter().map(|(name, says)| (format!("{}.", name.to_lowercase()), says.clone())).collect();
        let queries = Arc::new(AtomicUsize::new(0));
        let zone = Zone { zone, queries: queries.clone() };
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let mut server = Server::new(zone);
            server.register_socket(tokio::net::UdpSocket::bind((address, 53)).await.expect("port 53"));
            let listener = tokio::net::TcpListener::bind((address, 53)).await.expect("port 53");
            server.register_listener(listener, Duration::from_secs(5), 4096);
            tokio::spawn(async move {
                let _ = server.block_until_done().await;
            });
        });
        Self { queries, _runtime: runtime }
    }

    /// How many questions came.
    pub fn queries(&self) -> usize {
        self.queries.load(Ordering::SeqCst)
    }
}

struct Zone {
    zone: BTreeMap<String, Says>,
    queries: Arc<AtomicUsize>,
}

impl Zone {
    fn says(&self, name: &str) -> Option<&Says> {
        self.zone.get(name).or_else(|| {
            let (_, mut parent) = name.split_once('.')?;
            loop {
                if let Some(says) = self.zone.get(&format!("*.{parent}")) {
                    return Some(says);
                }
                parent = parent.split_once('.')?.1;
            }
        })
    }
}

impl RequestHandler for Zone {
    // As async_trait writes it: the trait is made by that macro, which this crate does without.
    fn handle_request<'a, 'b, 'c, R, T>(
        &'a self,
        request: &'b Request,
        mut response: R,
    ) -> Pin<Box<dyn Future<Output = ResponseInfo> + Send + 'c>>
    where
        'a: 'c,
        'b: 'c,
        R: ResponseHandler + 'c,
        T: Time + 'c,
        Self: 'c,
    {
        Box::pin(async move {
            self.queries.fetch_add(1, Ordering::SeqCst);
            let info = request.request_info().expect("one question");
            let name = info.query.name().to_string().to_lowercase();
            let kind = info.query.query_type();
            let mut metadata = Metadata::response_from_request(&request.metadata);
            // glibc takes an empty answer of a server that does not recurse for a referral, and fails.
            metadata.recursion_available = true;
            let mut answers = Vec::new();
            match self.says(&name) {
                None => metadata.response_code = ResponseCode::NXDomain,
                Some(Says::NoData) => {}
                Some(Says::Failure) => metadata.response_code = ResponseCode::ServFail,
                Some(Says::Addresses(addresses)) => {
                    let owner = Name::from_ascii(&name).expect("a name");
                    for address in addresses {
                        let data = match address {
                            IpAddr::V4(ip) if kind == RecordType::A => RData::A((*ip).into()),
                            IpAddr::V6(ip) if kind == RecordType::AAAA => RData::AAAA((*ip).into()),
                            _ => continue,
                        };
                        answers.push(Record::from_rdata(owner.clone(), 60, data));
                    }
                }
            }
            let message = MessageResponseBuilder::from_message_request(request).build(metadata, &answers, [], [], []);
            response.send_response(message).await.unwrap_or_else(|_| {
                hickory_server::proto::op::Header { metadata, counts: HeaderCounts::default() }.into()
            })
        })
    }
}

/// A port that takes connections and says nothing, or not even takes them.
pub struct Silence {
    _listener: tokio::net::TcpListener,
    _held: Vec<TcpStream>,
    _runtime: tokio::runtime::Runtime,
}

/// A listener whose queue is full: the system drops what comes, as a firewall does.
pub fn dropped(address: &str) -> Silence {
    let address: SocketAddr = address.parse().expect("an address");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let listener = runtime.block_on(async {
        let socket = if address.is_ipv4() { tokio::net::TcpSocket::new_v4() } else { tokio::net::TcpSocket::new_v6() };
        let socket = socket.expect("a socket");
        socket.bind(address).expect("a port");
        socket.listen(1).expect("a listener")
    });
    Silence { _listener: listener, _held: fill(address), _runtime: runtime }
}

/// Connects until nobody is let in any more: not at one try, which a busy machine may make late by itself, but at none of
/// three.
pub fn fill(address: SocketAddr) -> Vec<TcpStream> {
    let mut held = Vec::new();
    let mut refused = 0;
    while refused < 3 {
        match TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
            Ok(stream) => {
                held.push(stream);
                refused = 0;
            }
            Err(_) => refused += 1,
        }
        assert!(held.len() < 64, "the queue never fills");
    }
    held
}

/// Does this with every connection to an address, and counts them. The second value is where it listens.
pub fn serve(address: &str, work: impl Fn(TcpStream) + Send + Sync + 'static) -> (Arc<AtomicUsize>, SocketAddr) {
    let listener = TcpListener::bind(address).unwrap_or_else(|error| panic!("{address}: {error}"));
    let place = listener.local_addr().expect("an address");
    let (count, work) = (Arc::new(AtomicUsize::new(0)), Arc::new(work));
    let counted = count.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            counted.fetch_add(1, Ordering::SeqCst);
            let work = work.clone();
            std::thread::spawn(move || work(stream));
        }
    });
    (count, place)
}

/// Carries connections from an address to a port of 127.0.0.1.
pub fn relay(address: &str, port: u16) -> (Arc<AtomicUsize>, SocketAddr) {
    serve(address, move |stream| {
        if let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) {
            join(stream, server);
        }
    })
}

/// Carries connections from a port of 127.0.0.1 to these ports of it, in turn.
pub fn balancer(turns: Vec<u16>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let place = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for (stream, port) in listener.incoming().flatten().zip(turns.into_iter().cycle()) {
            std::thread::spawn(move || {
                if let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) {
                    join(stream, server);
                }
            });
        }
    });
    place
}

/// Carries bytes both ways until both sides have ended.
fn join(left: TcpStream, right: TcpStream) {
    let (mut from_left, mut to_left) = (left.try_clone().expect("a clone"), left);
    let (mut from_right, mut to_right) = (right.try_clone().expect("a clone"), right);
    let there = std::thread::spawn(move || {
        let _ = std::io::copy(&mut from_left, &mut to_right);
        let _ = to_right.shutdown(Shutdown::Write);
    });
    let _ = std::io::copy(&mut from_right, &mut to_left);
    let _ = to_left.shutdown(Shutdown::Write);
    let _ = there.join();
}

/// The hosts that a proxy was asked for.
pub type Targets = Arc<Mutex<Vec<String>>>;

/// What a CONNECT proxy does.
#[derive(Clone)]
pub enum Connect {
    /// Opens every tunnel to this port of 127.0.0.1, whatever was asked for.
    Tunnel(u16),
    /// The same for whoever shows this Proxy-Authorization; 407 for others.
    Password(&'static str, u16),
    /// Answers with this head.
    Answer(&'static str),
    /// Hangs up after the request.
    HangUp,
    /// Says nothing.
    Silence,
}

/// A CONNECT proxy on a port of 127.0.0.1.
pub fn connect_proxy(behaviour: Connect) -> (SocketAddr, Targets, Arc<AtomicUsize>) {
    let targets = Targets::default();
    let asked = targets.clone();
    let (count, place) = serve("127.0.0.1:0", move |mut stream| {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read(&mut byte) {
                Ok(1) => head.push(byte[0]),
                _ => return,
            }
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
        asked.lock().expect("targets").push(target);
        let open = |mut stream: TcpStream, port: u16| {
            let server = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("the server behind the proxy");
            let _ = stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n");
            join(stream, server);
        };
        match &behaviour {
            Connect::Tunnel(port) => open(stream, *port),
            Connect::Password(value, port) if head.contains(&format!("Proxy-Authorization: {value}\r\n")) => {
                open(stream, *port);
            }
            Connect::Password(..) => {
                let _ = stream.write_all(
                    b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"proxy\"\r\nContent-Length: 0\r\n\r\n",
                );
            }
            Connect::Answer(answer) => {
                let _ = stream.write_all(answer.as_bytes());
            }
            Connect::HangUp => {}
            Connect::Silence => std::thread::sleep(Duration::from_secs(60)),
        }
    });
    (place, targets, count)
}

/// What a SOCKS5 proxy does.
#[derive(Clone)]
pub enum Socks {
    /// Opens every connection to this port of 127.0.0.1, whatever was asked for.
    Open(u16),
    /// Wants a name and password, and takes none.
    Password,
    /// Answers the request with this reply code.
    Reply(u8),
}

/// A SOCKS5 proxy on a port of 127.0.0.1.
pub fn socks_proxy(behaviour: Socks) -> SocketAddr {
    let (_, place) = serve("127.0.0.1:0", move |mut stream| {
        let mut greeting = [0; 2];
        if stream.read_exact(&mut greeting).is_err() {
            return;
        }
        let mut methods = vec![0; usize::from(greeting[1])];
        if stream.read_exact(&mut methods).is_err() {
            return;
        }
        if matches!(behaviour, Socks::Password) {
            let _ = stream.write_all(&[5, 255]);
            return;
        }
        let _ = stream.write_all(&[5, 0]);
        let mut request = [0; 4];
        if stream.read_exact(&mut request).is_err() {
            return;
        }
        let length = match request[3] {
            1 => 4,
            4 => 16,
            _ => {
                let mut length = [0];
                let _ = stream.read_exact(&mut length);
                usize::from(length[0])
            }
        };
        let mut rest = vec![0; length + 2];
        if stream.read_exact(&mut rest).is_err() {
            return;
        }
        let reply = |code: u8| [5, code, 0, 1, 0, 0, 0, 0, 0, 0];
        match behaviour {
            Socks::Open(port) => {
                let server = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("the server behind the proxy");
                let _ = stream.write_all(&reply(0));
                join(stream, server);
            }
            Socks::Reply(code) => {
                let _ = stream.write_all(&reply(code));
            }
            Socks::Password => {}
        }
    });
    place
}

/// How many TCP connections this network began, and how many datagrams it sent, since it was made.
pub fn counters() -> (u64, u64) {
    let text = fs::read_to_string("/proc/self/net/snmp").expect("the network's counters");
    let counter = |protocol: &str, name: &str| -> u64 {
        let mut lines = text.lines().filter_map(|line| line.strip_prefix(protocol)?.strip_prefix(": "));
        let (names, values) = (lines.next().expect("names"), lines.next().expect("values"));
        let at = names.split(' ').position(|other| other == name).expect("the counter's name");
        values.split(' ').nth(at).and_then(|value| value.parse().ok()).expect("its value")
    };
    (counter("Tcp", "ActiveOpens"), counter("Udp", "OutDatagrams"))
}
