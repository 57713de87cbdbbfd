use std::sync::atomic::{AtomicUsize, Ordering};

use http::header::{AUTHORIZATION, HeaderValue};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::collect::proxy;
use crate::collect::{ClientIdentity, Roots};
use crate::evidence::tls::TlsFaultKind;
use crate::secret::Secret;

type Issuer = CertifiedIssuer<'static, KeyPair>;

fn issuer(name: &str) -> Issuer {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// Certificate and key of a server or client, as PEM.
fn signed(issuer: &Issuer, name: &str, change: impl FnOnce(&mut CertificateParams)) -> (String, String) {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    (params.signed_by(&key, issuer).unwrap().pem(), key.serialize_pem())
}

fn acceptor((chain, key): &(String, String), alpn: &[&str], clients: Option<&Issuer>) -> TlsAcceptor {
    let builder = rustls::ServerConfig::builder_with_provider(super::super::tls::provider())
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(issuer) => {
            let mut roots = rustls::RootCertStore::empty();
            roots.add(issuer.der().clone()).unwrap();
            let provider = super::super::tls::provider();
            builder.with_client_cert_verifier(
                rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap(),
            )
        }
    };
    let chain = CertificateDer::pem_slice_iter(chain.as_bytes()).collect::<Result<_, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let mut config = builder.with_single_cert(chain, key).unwrap();
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    TlsAcceptor::from(Arc::new(config))
}

/// A server on loopback that hands every connection to `serve`; its port and the number of connections.
async fn server<F, W>(serve: F) -> (u16, Arc<AtomicUsize>)
where
    F: Fn(TcpStream) -> W + Send + 'static,
    W: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let count = Arc::new(AtomicUsize::new(0));
    let counter = count.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counter.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(serve(stream));
        }
    });
    (port, count)
}

async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    Some(String::from_utf8(head).unwrap())
}

/// HTTP/1.1 with keep-alive: answers every request with its own head.
async fn echo(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    while let Some(head) = read_head(&mut stream).await {
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{head}", head.len());
        if stream.write_all(answer.as_bytes()).await.is_err() || stream.flush().await.is_err() {
            return;
        }
    }
}

async fn tls_echo(acceptor: TlsAcceptor) -> (u16, Arc<AtomicUsize>) {
    server(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                echo(stream).await;
            }
        }
    })
    .await
}

fn destination(url: &str) -> Destination {
    Destination {
        url: url::Url::parse(url).unwrap(),
        tls: None,
        proxy: None,
        user_agent: "kaccess/test".to_owned(),
        connect_timeout: Duration::from_secs(5),
        request_timeout: None,
    }
}

fn trusting(pem: &str) -> TlsSettings {
    TlsSettings { roots: Roots::Pem { pem: pem.to_owned(), label: "kubeconfig" }, ..TlsSettings::system() }
}

fn wire_to(url: &str, change: impl FnOnce(&mut Destination)) -> Wire {
    let mut destination = destination(url);
    change(&mut destination);
    Wire::new(destination, &Host::read()).unwrap()
}

fn get(path: &str) -> Request<Bytes> {
    Request::get(path).body(Bytes::new()).unwrap()
}

fn with_bearer(path: &str) -> Request<Bytes> {
    Request::get(path).header("authorization", "Bearer SEKRIT").body(Bytes::new()).unwrap()
}

fn proxy_at(text: &str) -> Option<ProxyUrl> {
    proxy::choose(&Host::read(), &url::Url::parse("https://x").unwrap(), Some(text)).unwrap().proxy
}

fn text(answer: &Answer) -> String {
    String::from_utf8(answer.body.to_vec()).unwrap()
}

#[tokio::test]
async fn a_trusted_server_gets_the_credential_over_one_connection() {
    let ca = issuer("kubernetes");
    let (port, connections) = tls_echo(acceptor(&signed(&ca, "localhost", |_| {}), &[], None)).await;
    let wire = wire_to(&format!("https://localhost:{port}/k8s/clusters/c-1/"), |destination| {
        destination.tls = Some(trusting(&ca.pem()));
    });
    for _ in 0..3 {
        let answer = wire.send(with_bearer("/version?timeout=32s"), Limits::default()).await.unwrap();
        let head = text(&answer);
        assert!(head.starts_with("GET /k8s/clusters/c-1/version?timeout=32s HTTP/1.1\r\n"), "{head}");
        assert!(head.contains("authorization: Bearer SEKRIT\r\n"), "{head}");
        assert!(head.contains("user-agent: kaccess/test\r\n"), "{head}");
        // No answer is asked for in gzip, so there is nothing that `disable-compression` could forbid.
        assert!(!head.to_ascii_lowercase().contains("accept-encoding"), "{head}");
        assert!(head.contains(&format!("host: localhost:{port}\r\n")), "{head}");
        let report = answer.tls.unwrap();
        assert_eq!((report.faults.len(), report.roots.as_str(), report.root_count), (0, "kubeconfig", 1));
        assert_eq!((report.server_name.as_str(), report.version.as_str()), ("localhost", "TLSv1_3"));
        assert_eq!(report.chain.len(), 1);
    }
    assert_eq!(connections.load(Ordering::SeqCst), 1);
    let other = wire.send(get("https://elsewhere.example/x"), Limits::default()).await.unwrap_err();
    assert_eq!(other.kind, FailureKind::Bug);
}

#[tokio::test]
async fn an_untrusted_server_is_seen_whole_and_gets_no_credential() {
    let (ours, theirs) = (issuer("kubernetes"), issuer("kubernetes"));
    let stranger = issuer("corporate proxy");
    let cases = [
        (signed(&stranger, "localhost", |_| {}), TlsFaultKind::UnknownAuthority),
        (signed(&theirs, "localhost", |_| {}), TlsFaultKind::AuthorityKeyDiffers),
        (signed(&ours, "elsewhere.example", |_| {}), TlsFaultKind::NameMismatch),
        (signed(&ours, "localhost", |params| params.not_after = date_time_ymd(2020, 1, 1)), TlsFaultKind::Expired),
        (signed(&ours, "localhost", |params| params.not_before = date_time_ymd(2090, 1, 1)), TlsFaultKind::NotYetValid),
    ];
    for (pair, expected) in cases {
        let (port, _) = tls_echo(acceptor(&pair, &["http/1.1"], None)).await;
        let wire = wire_to(&format!("https://localhost:{port}"), |destination| {
            destination.tls = Some(trusting(&ours.pem()));
        });
        let report = wire.handshake().await.unwrap();
        assert_eq!(report.faults.iter().map(|fault| fault.kind).collect::<Vec<_>>(), [expected]);
        assert_eq!((report.alpn.as_deref(), report.chain.len()), (Some("http/1.1"), 1));
        let failure = wire.send(with_bearer("/"), Limits::default()).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Tls);
        assert!(failure.detail.contains("no credential is sent"), "{failure:?}");
        // What was expected may name the moment.
        assert!(failure.expected.is_some());
        assert_eq!(failure.seen, report.faults[0].seen);
        // Without a credential it goes on, on the very same connection.
        let answer = wire.send(get("/"), Limits::default()).await.unwrap();
        assert_eq!(answer.tls.unwrap().faults[0].kind, expected);
        let again = wire.send(with_bearer("/"), Limits::default()).await.unwrap_err();
        assert_eq!(again.kind, FailureKind::Tls);
    }
}

#[tokio::test]
async fn verification_off_trusts_all() {
    let (port, _) = tls_echo(acceptor(&signed(&issuer("theirs"), "elsewhere", |_| {}), &[], None)).await;
    let wire = wire_to(&format!("https://localhost:{port}"), |destination| {
        destination.tls = Some(TlsSettings { insecure: true, ..TlsSettings::system() });
    });
    let answer = wire.send(with_bearer("/"), Limits::default()).await.unwrap();
    let report = answer.tls.unwrap();
    assert_eq!((report.roots.as_str(), report.faults.len(), report.chain.len()), ("none", 0, 1));
}

#[tokio::test]
async fn the_servers_name_can_be_set() {
    let ca = issuer("kubernetes");
    let (port, _) = tls_echo(acceptor(&signed(&ca, "api.example", |_| {}), &[], None)).await;
    let wire = wire_to(&format!("https://127.0.0.1:{port}"), |destination| {
        let settings = TlsSettings { server_name: Some("api.example".to_owned()), ..trusting(&ca.pem()) };
        destination.tls = Some(settings);
    });
    let answer = wire.send(with_bearer("/"), Limits::default()).await.unwrap();
    assert_eq!(answer.tls.unwrap().server_name, "api.example");
}

#[tokio::test]
async fn no_credential_over_plain_http() {
    let (port, connections) = server(echo).await;
    let wire = wire_to(&format!("http://127.0.0.1:{port}"), |_| {});
    let failure = wire.send(with_bearer("/"), Limits::default()).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Declined);
    assert_eq!(connections.load(Ordering::SeqCst), 0);
    let answer = wire.send(get("/version"), Limits::default()).await.unwrap();
    assert!(text(&answer).starts_with("GET /version HTTP/1.1"));
    assert!(answer.tls.is_none());
    assert_eq!(wire.handshake().await.unwrap_err().kind, FailureKind::Tls);
}

#[tokio::test]
async fn a_client_certificate_is_presented_to_a_trusted_server_only() {
    let (ca, stranger) = (issuer("kubernetes"), issuer("stranger"));
    let (chain_pem, key_pem) = signed(&ca, "alice", |_| {});
    let identity = ClientIdentity { chain_pem, key_pem: Secret::new(key_pem) };
    let ask = |port: u16, identity: Option<ClientIdentity>| {
        let wire = wire_to(&format!("https://localhost:{port}"), |destination| {
            destination.tls = Some(TlsSettings { client_identity: identity, ..trusting(&ca.pem()) });
        });
        async move { (wire.send(get("/"), Limits::default()).await, wire.handshake().await) }
    };
    let (port, _) = tls_echo(acceptor(&signed(&ca, "localhost", |_| {}), &[], Some(&ca))).await;
    assert!(ask(port, Some(identity.clone())).await.0.is_ok());
    // TLS 1.3: the demand comes after the handshake, with the first read.
    let (answer, handshake) = ask(port, None).await;
    assert!(handshake.is_ok());
    let failure = answer.unwrap_err();
    assert_eq!(failure.kind, FailureKind::ClientCertificateDemanded);
    assert_eq!(failure.seen.as_deref(), Some("TLS alert CertificateRequired"));
    let (port, _) = tls_echo(acceptor(&signed(&stranger, "localhost", |_| {}), &["h2", "http/1.1"], Some(&ca))).await;
    let failure = ask(port, Some(identity.clone())).await.0.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Tls);
    assert!(failure.detail.contains("no credential is sent"), "{failure:?}");
    // The same where the server does not ask for one.
    let (port, _) = tls_echo(acceptor(&signed(&stranger, "localhost", |_| {}), &[], None)).await;
    assert_eq!(ask(port, Some(identity)).await.0.unwrap_err().kind, FailureKind::Tls);
    // Over HTTP/2, whose library hides the alert.
    let (port, _) = tls_echo(acceptor(&signed(&ca, "localhost", |_| {}), &["h2"], Some(&ca))).await;
    let failure = ask(port, None).await.0.unwrap_err();
    assert_eq!(failure.seen.as_deref(), Some("TLS alert CertificateRequired"));
}

#[tokio::test]
async fn failures_on_the_way_are_told_apart() {
    let ask = async |url: &str, limit: u64| {
        let wire = wire_to(url, |destination| {
            destination.tls = Some(trusting(&issuer("ours").pem()));
            destination.connect_timeout = Duration::from_millis(limit);
        });
        wire.send(get("/"), Limits { time: Duration::from_secs(3), ..Limits::default() }).await.unwrap_err()
    };
    // Plain HTTP on a TLS port.
    let (port, _) = server(async |mut stream: TcpStream| {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        let _ = stream.read_u8().await;
    })
    .await;
    let failure = ask(&format!("https://127.0.0.1:{port}"), 5000).await;
    assert_eq!(failure.kind, FailureKind::Protocol);
    assert_eq!(failure.detail, "the server speaks plain HTTP on this port");
    // TLS on a plain HTTP port.
    let (port, _) = server(async |mut stream: TcpStream| {
        let _ = read_head(&mut stream).await;
        let _ = stream.write_all(&[0x15, 3, 1, 0, 2, 2, 70]).await;
    })
    .await;
    assert_eq!(ask(&format!("http://127.0.0.1:{port}"), 5000).await.kind, FailureKind::Protocol);
    // Closed during the handshake, and instead of an answer.
    let (port, _) = server(async |mut stream: TcpStream| {
        let _ = stream.read(&mut [0; 4096]).await;
    })
    .await;
    let failure = ask(&format!("https://127.0.0.1:{port}"), 5000).await;
    assert_eq!(failure.kind, FailureKind::Closed);
    assert!(failure.detail.ends_with("closed the connection during the TLS handshake"), "{failure:?}");
    let failure = ask(&format!("http://127.0.0.1:{port}"), 5000).await;
    assert_eq!(failure.kind, FailureKind::Closed);
    // Silent in the handshake, and after the request.
    let (port, _) = server(async |stream: TcpStream| {
        tokio::time::sleep(Duration::from_secs(60)).await;
        drop(stream);
    })
    .await;
    let failure = ask(&format!("https://127.0.0.1:{port}"), 700).await;
    assert_eq!(failure.kind, FailureKind::Timeout);
    assert!(failure.detail.contains("did not complete TLS"), "{failure:?}");
    let failure = ask(&format!("http://127.0.0.1:{port}"), 5000).await;
    assert_eq!(failure.kind, FailureKind::Timeout);
    assert_eq!(failure.seen.as_deref(), Some("the request was sent but no answer began"));
    // Nobody there.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let failure = ask(&format!("https://127.0.0.1:{port}"), 5000).await;
    assert_eq!(failure.kind, FailureKind::Refused);
    assert_eq!(failure.detail, format!("127.0.0.1:{port} refused the connection"));
}

#[tokio::test]
async fn bodies_and_headers_have_limits() {
    let (port, _) = server(async |mut stream: TcpStream| {
        let head = read_head(&mut stream).await.unwrap_or_default();
        if head.starts_with("GET /headers") {
            let many: String = (0..300).map(|index| format!("x-{index}: y\r\n")).collect();
            let _ = stream.write_all(format!("HTTP/1.1 200 OK\r\n{many}\r\n").as_bytes()).await;
            return;
        }
        if head.starts_with("GET /short") {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc").await;
            return;
        }
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
        while stream.write_all(&[b'x'; 8192]).await.is_ok() {}
    })
    .await;
    let wire = wire_to(&format!("http://127.0.0.1:{port}"), |_| {});
    let limits = Limits { body_bytes: 10_000, time: Duration::from_secs(10), ..Limits::default() };
    let answer = wire.send(get("/endless"), limits).await.unwrap();
    assert!(answer.truncated);
    assert_eq!(answer.body.len(), 10_000);
    let failure = wire.send(get("/headers"), limits).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Limit, "{failure:?}");
    let failure = wire.send(get("/short"), limits).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Closed);
    assert!(failure.detail.ends_with("after 3 bytes of the body"), "{failure:?}");
}

#[tokio::test]
async fn gzip_is_read_up_to_the_limit() {
    use std::io::Write as _;
    let zipped = |text: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    };
    let (small, bomb) = (zipped(b"{\"kind\":\"Status\"}\n"), zipped(&vec![b'x'; 8 * 1024 * 1024]));
    let (port, _) = server(move |mut stream: TcpStream| {
        let (small, bomb) = (small.clone(), bomb.clone());
        async move {
            while let Some(head) = read_head(&mut stream).await {
                let body = match head.split(' ').nth(1).unwrap_or_default() {
                    "/bomb" => bomb.clone(),
                    "/two" => [small.clone(), small.clone()].concat(),
                    "/cut" => small[..small.len() - 9].to_vec(),
                    "/text" => b"no gzip at all, whatever is said of it".to_vec(),
                    "/nothing" => Vec::new(),
                    _ => small.clone(),
                };
                let head =
                    format!("HTTP/1.1 200 OK\r\nContent-Encoding: GZIP\r\nContent-Length: {}\r\n\r\n", body.len());
                let _ = stream.write_all(&[head.as_bytes(), &body].concat()).await;
            }
        }
    })
    .await;
    let wire = wire_to(&format!("http://127.0.0.1:{port}"), |_| {});
    let answer = wire.send(get("/"), Limits::default()).await.unwrap();
    assert_eq!(text(&answer), "{\"kind\":\"Status\"}\n");
    assert!(!answer.truncated && answer.headers.get("content-encoding").is_none());
    assert_eq!(text(&wire.send(get("/two"), Limits::default()).await.unwrap()).lines().count(), 2);
    assert_eq!(text(&wire.send(get("/nothing"), Limits::default()).await.unwrap()), "");
    let limits = Limits { body_bytes: 10_000, ..Limits::default() };
    let answer = wire.send(get("/bomb"), limits).await.unwrap();
    assert!(answer.truncated);
    assert_eq!(answer.body.len(), 10_000);
    for path in ["/cut", "/text"] {
        let failure = wire.send(get(path), Limits::default()).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Protocol, "{failure:?}");
    }
}

#[tokio::test]
async fn a_kept_connection_that_died_is_replaced() {
    // Every connection answers once and closes a little later.
    let (port, connections) = server(async |mut stream: TcpStream| {
        if read_head(&mut stream).await.is_some() {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
            let _ = read_head(&mut stream).await;
        }
    })
    .await;
    let wire = wire_to(&format!("http://127.0.0.1:{port}"), |_| {});
    for _ in 0..4 {
        assert_eq!(text(&wire.send(get("/"), Limits::default()).await.unwrap()), "ok");
    }
    assert!(connections.load(Ordering::SeqCst) >= 2);
}

#[tokio::test]
async fn a_connection_made_ahead_carries_the_next_request() {
    let ca = issuer("kubernetes");
    let (port, connections) = tls_echo(acceptor(&signed(&ca, "localhost", |_| {}), &[], None)).await;
    let wire = wire_to(&format!("https://localhost:{port}"), |destination| {
        destination.tls = Some(trusting(&ca.pem()));
    });
    wire.connect().await.unwrap();
    let answer = wire.send(with_bearer("/version"), Limits::default()).await.unwrap();
    assert!(text(&answer).contains("authorization: Bearer SEKRIT\r\n"));
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn many_requests_share_few_connections() {
    let (port, connections) = server(echo).await;
    let wire = wire_to(&format!("http://127.0.0.1:{port}"), |_| {});
    let answers = futures::future::join_all((0..60).map(|_| wire.send(get("/"), Limits::default()))).await;
    assert!(answers.iter().all(Result::is_ok));
    assert!(connections.load(Ordering::SeqCst) <= HTTP1_CONNECTIONS);
}

/// A proxy that answers CONNECT with `answer` and, where that is 200, connects to the named port on loopback.
async fn connect_proxy(answer: &'static str) -> (u16, Arc<Mutex<String>>) {
    let heard = Arc::new(Mutex::new(String::new()));
    let noted = heard.clone();
    let (port, _) = server(move |mut stream: TcpStream| {
        let noted = noted.clone();
        async move {
            let head = read_head(&mut stream).await.unwrap_or_default();
            *noted.lock().unwrap() = head.clone();
            let _ = stream.write_all(format!("HTTP/1.1 {answer}\r\n\r\n").as_bytes()).await;
            if answer.starts_with("200") {
                let target = head.split_whitespace().nth(1).unwrap().rsplit_once(':').unwrap().1;
                let mut server = TcpStream::connect(("127.0.0.1", target.parse::<u16>().unwrap())).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut stream, &mut server).await;
            }
        }
    })
    .await;
    (port, heard)
}

#[tokio::test]
async fn connect_opens_a_tunnel_or_says_why_not() {
    let ca = issuer("kubernetes");
    let (server_port, _) = tls_echo(acceptor(&signed(&ca, "api.example", |_| {}), &[], None)).await;
    for (answer, credentials, detail, seen) in [
        ("200 Connection established", "us:p%40ss@", "", ""),
        ("403 Forbidden by policy", "", "it refused the tunnel to api.example", "403 Forbidden by policy"),
        (
            "407 Proxy Authentication Required\r\nProxy-Authenticate: Negotiate",
            "",
            "it demands a user name and password, and its URL has none (it asks for Negotiate)",
            "407 Proxy Authentication Required",
        ),
        ("407 No", "a:b@", "it does not accept the user name and password of its URL", "407 No"),
        ("204 No Content", "", "it refused the tunnel to api.example", "204 No Content"),
    ] {
        let (proxy_port, heard) = connect_proxy(answer).await;
        let wire = wire_to(&format!("https://api.example:{server_port}"), |destination| {
            destination.tls = Some(trusting(&ca.pem()));
            destination.proxy = proxy_at(&format!("http://{credentials}127.0.0.1:{proxy_port}"));
        });
        let result = wire.send(with_bearer("/"), Limits::default()).await;
        let heard = heard.lock().unwrap().clone();
        assert!(heard.starts_with(&format!("CONNECT api.example:{server_port} HTTP/1.1\r\n")), "{heard}");
        assert!(!heard.contains("SEKRIT"), "{heard}");
        if detail.is_empty() {
            assert!(heard.contains("Proxy-Authorization: Basic dXM6cEBzcw==\r\n"), "{heard}");
            assert!(!text(&result.unwrap()).to_lowercase().contains("proxy-authorization"));
            continue;
        }
        let failure = result.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Proxy);
        assert!(failure.detail.starts_with(&format!("proxy http://127.0.0.1:{proxy_port}: ")), "{failure:?}");
        assert!(failure.detail.contains(detail), "{failure:?}");
        assert_eq!(failure.seen.as_deref(), Some(seen));
    }
}

#[tokio::test]
async fn broken_proxies_are_named() {
    let ask = async |url: String| {
        let wire = wire_to("https://api.example", |destination| {
            destination.tls = Some(trusting(&issuer("ours").pem()));
            destination.proxy = proxy_at(&url);
            destination.connect_timeout = Duration::from_millis(900);
        });
        wire.send(get("/"), Limits::default()).await.unwrap_err()
    };
    let (port, _) = server(async |mut stream: TcpStream| {
        let _ = stream.write_all(b"SSH-2.0-x\r\n").await;
        let _ = stream.read_u8().await;
    })
    .await;
    for (scheme, words) in [("http", "not HTTP/1.1"), ("socks5", "does not speak SOCKS5"), ("https", "plain HTTP")] {
        let failure = ask(format!("{scheme}://127.0.0.1:{port}")).await;
        assert_eq!(failure.kind, FailureKind::Proxy);
        assert!(failure.detail.contains(words), "{failure:?}");
    }
    let (port, _) = server(async |stream: TcpStream| {
        tokio::time::sleep(Duration::from_secs(60)).await;
        drop(stream);
    })
    .await;
    for scheme in ["http", "socks5", "https"] {
        let failure = ask(format!("{scheme}://127.0.0.1:{port}")).await;
        assert_eq!(failure.kind, FailureKind::Proxy);
        assert!(failure.detail.contains("within 900 ms"), "{failure:?}");
    }
}

#[tokio::test]
async fn an_https_proxy_must_be_trusted() {
    let (ca, stranger) = (issuer("kubernetes"), issuer("stranger"));
    let (server_port, _) = tls_echo(acceptor(&signed(&ca, "localhost", |_| {}), &[], None)).await;
    for issuer in [&ca, &stranger] {
        let acceptor = acceptor(&signed(issuer, "localhost", |_| {}), &[], None);
        let (proxy_port, _) = server(move |stream| {
            let acceptor = acceptor.clone();
            async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let Some(_) = read_head(&mut stream).await else { return };
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
                let mut server = TcpStream::connect(("127.0.0.1", server_port)).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut stream, &mut server).await;
            }
        })
        .await;
        let wire = wire_to(&format!("https://localhost:{server_port}"), |destination| {
            destination.tls = Some(trusting(&ca.pem()));
            destination.proxy = proxy_at(&format!("https://localhost:{proxy_port}"));
        });
        match wire.send(with_bearer("/"), Limits::default()).await {
            Ok(answer) => assert!(std::ptr::eq(issuer, &ca), "{answer:?}"),
            Err(failure) => {
                assert!(std::ptr::eq(issuer, &stranger), "{failure:?}");
                assert_eq!(failure.kind, FailureKind::Proxy);
                assert!(failure.detail.contains("not among the kubeconfig roots"), "{failure:?}");
            }
        }
    }
}

#[tokio::test]
async fn plain_http_is_asked_of_the_proxy_whole() {
    let (port, _) = server(echo).await;
    let wire = wire_to("http://api.example:8080/base", |destination| {
        destination.proxy = proxy_at(&format!("http://us:pw@127.0.0.1:{port}"));
    });
    let head = text(&wire.send(get("/version"), Limits::default()).await.unwrap());
    assert!(head.starts_with("GET http://api.example:8080/base/version HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("host: api.example:8080\r\n") && head.contains("proxy-authorization: Basic "), "{head}");
}

#[tokio::test]
async fn socks5_opens_a_connection_or_says_why_not() {
    let ca = issuer("kubernetes");
    let (server_port, _) = tls_echo(acceptor(&signed(&ca, "api.example", |_| {}), &[], None)).await;
    let (proxy_port, _) = server(async |mut stream: TcpStream| {
        // Demands the password `pw`, and knows no way to refused.example.
        let mut greeting = [0; 2];
        stream.read_exact(&mut greeting).await.unwrap();
        let mut methods = vec![0; usize::from(greeting[1])];
        stream.read_exact(&mut methods).await.unwrap();
        if !methods.contains(&2) {
            stream.write_all(&[5, 255]).await.unwrap();
            return;
        }
        stream.write_all(&[5, 2]).await.unwrap();
        let mut sign_in = [0; 7];
        stream.read_exact(&mut sign_in).await.unwrap();
        stream.write_all(&[1, u8::from(&sign_in != b"\x01\x02us\x02pw")]).await.unwrap();
        let mut head = [0; 5];
        if stream.read_exact(&mut head).await.is_err() {
            return;
        }
        let mut rest = vec![0; usize::from(head[4]) + 2];
        stream.read_exact(&mut rest).await.unwrap();
        let (name, port) = rest.split_at(usize::from(head[4]));
        if name == b"refused.example" {
            stream.write_all(&[5, 5, 0, 1, 0, 0, 0, 0, 0, 0]).await.unwrap();
            return;
        }
        let port = u16::from_be_bytes([port[0], port[1]]);
        let mut server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream.write_all(&[5, 0, 0, 3, 1, b'x', 0, 0]).await.unwrap();
        let _ = tokio::io::copy_bidirectional(&mut stream, &mut server).await;
    })
    .await;
    let ask = async |name: &str, credentials: &str| {
        let wire = wire_to(&format!("https://{name}:{server_port}"), |destination| {
            destination.tls = Some(trusting(&ca.pem()));
            destination.proxy = proxy_at(&format!("socks5://{credentials}127.0.0.1:{proxy_port}"));
        });
        wire.send(with_bearer("/"), Limits::default()).await
    };
    assert!(ask("api.example", "us:pw@").await.is_ok());
    let failure = ask("refused.example", "us:pw@").await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Proxy);
    assert_eq!(failure.seen.as_deref(), Some("SOCKS5 reply 5: connection refused"));
    assert!(ask("api.example", "us:no@").await.unwrap_err().detail.contains("does not accept"));
    assert!(ask("api.example", "").await.unwrap_err().detail.contains("its URL has none"));
}

#[tokio::test]
async fn kube_client_works_over_the_wire() {
    let ca = issuer("kubernetes");
    let acceptor = acceptor(&signed(&ca, "localhost", |_| {}), &["http/1.1"], None);
    let (port, connections) = server(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            while let Some(head) = read_head(&mut stream).await {
                assert!(head.starts_with("GET /base/version HTTP/1.1\r\n"), "{head}");
                assert!(head.contains("authorization: Bearer SEKRIT\r\n"), "{head}");
                let body = r#"{"major":"1","minor":"36","gitVersion":"v1.36.0","gitCommit":"","gitTreeState":"","buildDate":"","goVersion":"","compiler":"","platform":""}"#;
                let answer = format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                    body.len()
                );
                stream.write_all(answer.as_bytes()).await.unwrap();
                stream.flush().await.unwrap();
            }
        }
    })
    .await;
    let client = |pem: &str| {
        let wire = wire_to(&format!("https://localhost:{port}/base"), |destination| {
            destination.tls = Some(trusting(pem));
        });
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_static("Bearer SEKRIT"));
        ::kube::Client::new(super::kube::KubeService::new(wire, headers), "default")
    };
    let trusted = client(&ca.pem());
    for _ in 0..3 {
        assert_eq!(trusted.apiserver_version().await.unwrap().git_version, "v1.36.0");
    }
    assert_eq!(connections.load(Ordering::SeqCst), 1);
    let error = client(&issuer("other").pem()).apiserver_version().await.unwrap_err();
    let failure = super::kube::failure_of(&error).unwrap();
    assert_eq!(failure.kind, FailureKind::Tls);
    assert!(failure.detail.contains("no credential is sent"), "{failure:?}");
}

#[tokio::test]
async fn http2_is_used_where_offered() {
    let ca = issuer("kubernetes");
    let acceptor = acceptor(&signed(&ca, "localhost", |_| {}), &["h2", "http/1.1"], None);
    // The least of an HTTP/2 server: settings, then `:status 200` and three bytes for every stream's headers.
    let (port, connections) = server(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            let mut preface = [0; 24];
            stream.read_exact(&mut preface).await.unwrap();
            stream.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.unwrap();
            stream.flush().await.unwrap();
            let mut head = [0; 9];
            while stream.read_exact(&mut head).await.is_ok() {
                let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
                let mut payload = vec![0; length];
                stream.read_exact(&mut payload).await.unwrap();
                if head[3] == 4 && head[4] == 0 {
                    stream.write_all(&[0, 0, 0, 4, 1, 0, 0, 0, 0]).await.unwrap();
                } else if head[3] == 1 {
                    let id = &head[5..9];
                    let answer = [&[0, 0, 1, 1, 4][..], id, &[0x88], &[0, 0, 3, 0, 1], id, b"ok!"].concat();
                    stream.write_all(&answer).await.unwrap();
                }
                stream.flush().await.unwrap();
            }
        }
    })
    .await;
    let wire = wire_to(&format!("https://localhost:{port}"), |destination| {
        destination.tls = Some(trusting(&ca.pem()));
    });
    let answers = futures::future::join_all((0..40).map(|_| wire.send(with_bearer("/"), Limits::default()))).await;
    for answer in answers {
        let answer = answer.unwrap();
        assert_eq!((answer.status.as_u16(), text(&answer).as_str()), (200, "ok!"));
        assert_eq!(answer.tls.unwrap().alpn.as_deref(), Some("h2"));
    }
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn unusable_destinations_are_refused() {
    let host = Host::read();
    for url in ["ftp://x", "unix:/run/x"] {
        assert_eq!(Wire::new(destination(url), &host).unwrap_err().kind, FailureKind::Malformed);
    }
    let wire = wire_to("https://does-not-exist.invalid", |_| {});
    let failure = wire.handshake().await.unwrap_err();
    assert!(matches!(failure.kind, FailureKind::NameNotFound | FailureKind::ResolverFailed), "{failure:?}");
}
