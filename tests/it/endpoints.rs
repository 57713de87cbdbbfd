//! Faults of TLS and HTTP on the way to the API server, each with its healthy twin: a TLS server with certificates and
//! versions of a test's choice stands before a real kube-apiserver.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use base64::Engine as _;
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, date_time_ymd};
use rustls::version::{TLS12, TLS13};
use serde_json::{Value, json};

use crate::support::front::{
    Answers, Authority, Clients, Front, Pair, always, answer, authority, field, passing_on, self_signed, server_params,
    signed, without,
};
use crate::support::lab::{self, ApiServer, Lab, Options};
use crate::support::network;
use crate::support::run::{Run, doctor, doctor_in, expect_fault, expect_healthy, scratch};
use crate::support::stage::{self, Stage};

const BOTH: &[&rustls::SupportedProtocolVersion] = &[&TLS12, &TLS13];

fn encoded(text: &str) -> String {
    base64::engine::general_purpose::STANDARD.encode(text)
}

/// A kubeconfig with one of everything; `more` stands in the cluster entry.
fn kubeconfig(server: &str, ca: Option<&str>, more: &[(&str, &str)], user: &Value) -> PathBuf {
    let mut cluster = json!({ "server": server });
    if let Some(ca) = ca {
        cluster["certificate-authority-data"] = encoded(ca).into();
    }
    for (name, value) in more {
        cluster[*name] = (*value).into();
    }
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{ "name": "c", "cluster": cluster }],
        "contexts": [{ "name": "a", "context": { "cluster": "c", "user": "u" } }],
        "current-context": "a",
        "users": [{ "name": "u", "user": user }],
    });
    let path = scratch("kubeconfig").join("config");
    fs::write(&path, serde_json::to_string_pretty(&config).expect("JSON")).expect("a kubeconfig");
    path
}

fn confidence(run: &Run, code: &str, expected: &str) {
    assert_eq!(run.finding(code)["confidence"], expected, "{}", run.stdout);
}

fn silent(run: &Run, code: &str) {
    assert!(!run.codes().iter().any(|found| found == code), "{code}: {}", run.stdout);
}

fn fix(run: &Run, step: usize) -> String {
    run.findings()[0]["fix"][step]["command"]
        .as_str()
        .unwrap_or_else(|| panic!("no command: {}", run.stdout))
        .to_owned()
}

/// Runs a `kubectl config` command as it stands, with the lab's kubectl and this kubeconfig.
fn apply(lab: &Lab, kubeconfig: &Path, fix: &str) {
    let folder = scratch("bin");
    std::os::unix::fs::symlink(lab.kubectl(), folder.join("kubectl")).expect("a link");
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap_or_default());
    let output = Command::new("sh")
        .args(["-c", fix])
        .current_dir(kubeconfig.parent().expect("a folder"))
        .env("PATH", path)
        .env("KUBECONFIG", kubeconfig)
        .output()
        .expect("sh");
    assert!(output.status.success(), "{fix}: {}", String::from_utf8_lossy(&output.stderr));
}

/// What kubectl itself says to this kubeconfig.
fn kubectl(lab: &Lab, kubeconfig: &Path) -> String {
    let output = Command::new(lab.kubectl())
        .args(["get", "--raw", "/version", "--kubeconfig"])
        .arg(kubeconfig)
        .env("HOME", scratch("home"))
        .output()
        .expect("kubectl");
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The API server, somebody whom it knows, and an authority for what stands before it.
struct Way {
    lab: &'static Lab,
    server: ApiServer,
    token: String,
    ours: Authority,
}

impl Way {
    fn new() -> Option<Self> {
        let lab = lab::require_apiserver()?;
        let server = ApiServer::start(lab, Options::default());
        server.create_reader_role();
        let token = server.create_service_account_token("shop", "reporter");
        server.grant_reader("User", "reporter-reads", "system:serviceaccount:shop:reporter");
        Some(Self { lab, server, token, ours: authority("kubernetes") })
    }

    fn user(&self) -> Value {
        json!({ "token": self.token })
    }

    fn api(&self) -> Answers {
        passing_on(self.server.port(), self.server.ca(), |head| head, |head| head)
    }

    fn front(&self, pair: &Pair) -> Front {
        Front::start(pair, BOTH, &Clients::Unasked, self.api())
    }

    fn signed(&self, common_name: &str, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Pair {
        let mut params = server_params(common_name, names);
        change(&mut params);
        signed(&self.ours, &params)
    }

    fn good(&self) -> Pair {
        self.signed("kube-apiserver", &["localhost", "127.0.0.1", "kubernetes"], |_| {})
    }

    fn config(&self, front: &Front) -> PathBuf {
        kubeconfig(&front.url(), Some(&self.ours.pem()), &[], &self.user())
    }

    /// The words that kubectl prints stand in the finding's citation.
    fn in_kubectls_words(&self, path: &Path, run: &Run) {
        let said = kubectl(self.lab, path);
        let cited = run.findings()[0]["evidence"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|cite| cite["text"].as_str())
            .find_map(|text| text.split_once("kubectl says: "))
            .map(|(_, words)| words.to_owned())
            .unwrap_or_else(|| panic!("no words of kubectl's: {}", run.stdout));
        // A time of day is a run's own.
        let plain = |text: &str| match text.split_once("current time ") {
            Some((before, rest)) => format!("{before}{}", rest.split_once(" is ").map_or("", |(_, rest)| rest)),
            None => text.to_owned(),
        };
        assert!(plain(&said).contains(&plain(&cited)), "kubectl: {said}\nkaccess: {cited}");
    }
}

#[test]
fn certificates_that_kubectl_refuses() {
    let Some(way) = Way::new() else { return };
    let (lab, ours) = (way.lab, way.ours.pem());

    // The twin of all: trusted, and passed on.
    let front = way.front(&way.good());
    expect_healthy("endpoint-trusted", &doctor(&way.config(&front), &[]));

    // Past its end; the clocks agree.
    let old = way.signed("kube-apiserver", &["localhost", "127.0.0.1"], |params| {
        params.not_after = date_time_ymd(2026, 1, 1);
    });
    let front = way.front(&old);
    let path = way.config(&front);
    let run = doctor(&path, &[]);
    expect_fault("api-certificate-expired", &run, &["api-certificate-expired"]);
    confidence(&run, "api-certificate-expired", "certain");
    silent(&run, "client-clock-wrong");
    way.in_kubectls_words(&path, &run);
    let young = way.signed("kube-apiserver", &["127.0.0.1"], |params| params.not_before = date_time_ymd(2045, 1, 1));
    let run = doctor(&way.config(&way.front(&young)), &[]);
    assert_eq!(run.codes()[0], "api-certificate-expired", "{}", run.stdout);
    assert!(run.findings()[0]["title"].to_string().contains("not valid yet"), "{}", run.stdout);

    // Other names.
    let front = way.front(&way.signed("kube-apiserver", &["kubernetes", "api.internal.example"], |_| {}));
    let path = way.config(&front);
    let run = doctor(&path, &[]);
    expect_fault("api-certificate-name-mismatch", &run, &["api-certificate-name-mismatch"]);
    confidence(&run, "api-certificate-name-mismatch", "certain");
    way.in_kubectls_words(&path, &run);
    apply(lab, &path, &fix(&run, 0));
    expect_healthy("api-certificate-name-set", &doctor(&path, &[]));
    // One that is set and wrong is its own finding.
    let path = kubeconfig(&front.url(), Some(&ours), &[("tls-server-name", "b.example")], &way.user());
    let run = doctor(&path, &[]);
    assert_eq!(run.codes()[0], "tls-server-name-mismatch", "{}", run.stdout);
    silent(&run, "api-certificate-name-mismatch");

    // The name in the old place.
    let front = way.front(&way.signed("localhost", &[], |_| {}));
    let path = kubeconfig(&format!("https://localhost:{}", front.port), Some(&ours), &[], &way.user());
    let run = doctor(&path, &[]);
    expect_fault("api-certificate-legacy-name", &run, &["api-certificate-legacy-name"]);
    confidence(&run, "api-certificate-legacy-name", "certain");
    silent(&run, "api-certificate-name-mismatch");
    way.in_kubectls_words(&path, &run);

    // The authority was made anew, and the fix.
    let anew = authority("kubernetes");
    let front = way.front(&signed(&anew, &server_params("kube-apiserver", &["127.0.0.1"])));
    let path = way.config(&front);
    let run = doctor(&path, &[]);
    expect_fault("cluster-ca-rotated", &run, &["cluster-ca-rotated"]);
    confidence(&run, "cluster-ca-rotated", "certain");
    silent(&run, "kubeconfig-ca-mismatch");
    way.in_kubectls_words(&path, &run);
    fs::write(path.with_file_name("ca.crt"), anew.pem()).expect("a CA");
    apply(lab, &path, &fix(&run, 1));
    expect_healthy("cluster-ca-anew", &doctor(&path, &[]));

    // Another cluster's, and none at all.
    let other = authority("k3s-server-ca@1700000000");
    let front = way.front(&signed(&other, &server_params("k3s", &["127.0.0.1"])));
    let run = doctor(&way.config(&front), &[]);
    assert_eq!(run.codes(), ["kubeconfig-ca-mismatch"], "{}", run.stdout);
    let run = doctor(&kubeconfig(&front.url(), None, &[], &way.user()), &[]);
    expect_fault("kubeconfig-ca-missing", &run, &["kubeconfig-ca-mismatch"]);

    // Signed by an authority in between that is not sent; another one is, which has no part in it.
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "in between");
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let between = rcgen::CertifiedIssuer::signed_by(params, KeyPair::generate().expect("a key"), &way.ours);
    let mut pair = signed(&between.expect("an authority"), &server_params("kube-apiserver", &["127.0.0.1"]));
    pair.certificate.push_str(&authority("a stranger").pem());
    let run = doctor(&way.config(&way.front(&pair)), &[]);
    assert_eq!(run.codes()[0], "kubeconfig-ca-mismatch", "{}", run.stdout);
    confidence(&run, "kubeconfig-ca-mismatch", "likely");
    let finding = run.finding("kubeconfig-ca-mismatch").to_string();
    assert!(finding.contains("intermediate authority") && finding.contains("CN=in between"), "{}", run.stdout);

    // For clients only.
    let front = way.front(&way.signed("kube-apiserver", &["127.0.0.1"], |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    }));
    let path = way.config(&front);
    let run = doctor(&path, &[]);
    expect_fault("api-certificate-unusable", &run, &["api-certificate-unusable"]);
    confidence(&run, "api-certificate-unusable", "certain");
    way.in_kubectls_words(&path, &run);

    // A certificate that is trusted as its own CA: kubectl takes it.
    let own = self_signed(&server_params("on premises", &["127.0.0.1"]));
    let front = way.front(&own);
    let path = kubeconfig(&front.url(), Some(&own.certificate), &[], &way.user());
    assert!(kubectl(lab, &path).contains("gitVersion"));
    expect_healthy("api-certificate-its-own-ca", &doctor(&path, &[]));

    // Nobody's certificate.
    let mut fake = server_params("Kubernetes Ingress Controller Fake Certificate", &["ingress.local"]);
    fake.distinguished_name.push(DnType::OrganizationName, "Acme Co");
    let front = way.front(&self_signed(&fake));
    let path = kubeconfig(&format!("https://localhost:{}", front.port), Some(&ours), &[], &way.user());
    let run = doctor(&path, &[]);
    let codes = ["api-behind-default-certificate", "kubeconfig-ca-mismatch", "api-certificate-name-mismatch"];
    expect_fault("api-behind-default-certificate", &run, &codes);
    confidence(&run, "api-behind-default-certificate", "certain");
    let traefik = "0123456789abcdef0123456789abcdef.0123456789abcdef0123456789abcdef.traefik.default";
    let front = way.front(&self_signed(&server_params("TRAEFIK DEFAULT CERT", &[traefik])));
    let run = doctor(&way.config(&front), &[]);
    expect_fault("api-behind-default-certificate-traefik", &run, &["api-behind-default-certificate"]);
}

#[test]
fn clocks_that_differ() {
    let Some(way) = Way::new() else { return };
    // The machine's own clock stays as it is: the server's says another time, which looks the same from here.
    let dated = |date: &'static str| {
        passing_on(
            way.server.port(),
            way.server.ca(),
            |head| head,
            move |head| without(&head, "date") + &format!("Date: {date}\r\n"),
        )
    };
    let old = way.signed("kube-apiserver", &["127.0.0.1"], |params| params.not_after = date_time_ymd(2026, 10, 1));
    let front = Front::start(&old, BOTH, &Clients::Unasked, dated("Tue, 15 Sep 2026 10:00:00 GMT"));
    let run = doctor(&way.config(&front), &[]);
    expect_fault("client-clock-wrong", &run, &["client-clock-wrong"]);
    confidence(&run, "client-clock-wrong", "likely");
    silent(&run, "api-certificate-expired");
    // By neither clock is it valid.
    let front = Front::start(&old, BOTH, &Clients::Unasked, dated("Thu, 15 Oct 2026 10:00:00 GMT"));
    let run = doctor(&way.config(&front), &[]);
    assert_eq!(run.codes()[0], "api-certificate-expired", "{}", run.stdout);
    silent(&run, "client-clock-wrong");

    // A token that only looks expired here; the server, by its own clock, takes it.
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock").as_secs();
    let claims = json!({ "iss": "https://kubernetes.default.svc", "sub": "system:serviceaccount:shop:reporter", "aud": ["x"],
        "iat": now - 9000, "exp": now - 3600, "kubernetes.io": { "namespace": "shop", "serviceaccount": { "name": "reporter", "uid": "u" } } });
    let engine = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let token = format!(
        "{}.{}.{}",
        engine.encode(r#"{"alg":"RS256","kid":"k"}"#),
        engine.encode(claims.to_string()),
        engine.encode([7; 256])
    );
    let date = jiff::Timestamp::from_second(i64::try_from(now - 7200).expect("a time")).expect("a time");
    let date = date.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let mini = |date: String| -> Answers {
        Arc::new(move |asked| {
            let headers = format!("Content-Type: application/json\r\nDate: {date}\r\n");
            let path = asked.head.split(' ').nth(1).unwrap_or_default();
            let body = if path == "/version" {
                json!({ "major": "1", "minor": "36", "gitVersion": "v1.36.2" })
            } else if path.ends_with("/selfsubjectreviews") {
                json!({ "kind": "SelfSubjectReview", "apiVersion": "authentication.k8s.io/v1", "status": { "userInfo": { "username": "system:serviceaccount:shop:reporter", "groups": ["system:authenticated"] } } })
            } else {
                json!({ "kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1", "status": { "allowed": true } })
            };
            answer("200 OK", &headers, &body.to_string())
        })
    };
    let front = Front::start(&way.good(), BOTH, &Clients::Unasked, mini(date.clone()));
    let run = doctor(&kubeconfig(&front.url(), Some(&way.ours.pem()), &[], &json!({ "token": token })), &[]);
    assert!(run.codes().iter().any(|code| code == "client-clock-wrong"), "{}", run.stdout);
    assert_eq!(run.finding("client-clock-wrong")["severity"], "warning", "{}", run.stdout);
    // A token that is past its end here and refused there: whatever the header says, no clock of this machine refused it.
    let claims =
        json!({ "iss": "https://issuer.invalid", "sub": "a", "aud": ["x"], "iat": now - 9000, "exp": now - 3600 });
    let ended = format!(
        "{}.{}.{}",
        engine.encode(r#"{"alg":"RS256","kid":"k"}"#),
        engine.encode(claims.to_string()),
        engine.encode([7; 256])
    );
    let refusing: Answers = {
        let headers = format!("Content-Type: application/json\r\nDate: {date}\r\n");
        Arc::new(move |asked| match field(&asked.head, "authorization") {
            Some(_) => answer("401 Unauthorized", &headers, EKS),
            None => answer("200 OK", &headers, r#"{"major":"1","minor":"36","gitVersion":"v1.36.2"}"#),
        })
    };
    let front = Front::start(&way.good(), BOTH, &Clients::Unasked, refusing);
    let run = doctor(&kubeconfig(&front.url(), Some(&way.ours.pem()), &[], &json!({ "token": ended })), &[]);
    confidence(&run, "token-expired", "likely");
    silent(&run, "client-clock-wrong");
    // The true time: nothing to say.
    let date = jiff::Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let front = Front::start(&way.good(), BOTH, &Clients::Unasked, mini(date));
    let run = doctor(&kubeconfig(&front.url(), Some(&way.ours.pem()), &[], &json!({ "token": token })), &[]);
    silent(&run, "client-clock-wrong");
}

/// What this saved case finds when the issuer's clock agrees with the API server's, or else with this machine's.
fn with_third_clock(case: &str, agrees_with_server: bool) -> Vec<(&'static str, String)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/cases").join(case).join("evidence.json");
    let mut evidence: Value = serde_json::from_str(&fs::read_to_string(path).expect("a case")).expect("evidence");
    let answer = &evidence["endpoint"]["anonymous"]["seen"];
    let (here, there) = (answer["receivedAt"].clone(), answer["date"].clone());
    let there = if agrees_with_server { there } else { here.clone() };
    evidence["issuer"]["discovery"] = json!({ "startedMs": 0, "tookMs": 1, "seen": { "answer": { "status": 200, "date": there, "receivedAt": here } } });
    let evidence: kaccess::evidence::Evidence = serde_json::from_value(evidence).expect("evidence");
    let case = kaccess::rules::Case::new(&evidence);
    let found = kaccess::report::diagnose(kaccess::rules::check_all(&case));
    found.iter().map(|finding| (finding.code, format!("{:?}", finding.confidence))).collect()
}

#[test]
fn a_third_clock_decides_whose_is_wrong() {
    let found = with_third_clock("client-clock-wrong", true);
    assert_eq!(found[0], ("client-clock-wrong", "Certain".to_owned()), "{found:?}");
    let found = with_third_clock("client-clock-wrong", false);
    assert!(found.iter().all(|(code, _)| *code != "client-clock-wrong"), "{found:?}");
    assert!(found.contains(&("api-certificate-expired", "Certain".to_owned())), "{found:?}");
    assert!(found.iter().any(|(code, _)| *code == "api-server-clock-wrong"), "{found:?}");
}

/// A proxy that answers every CONNECT with a tunnel to this port.
fn connect_proxy(port: u16) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let own = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut head = Vec::new();
                let mut byte = [0];
                while !head.ends_with(b"\r\n\r\n") && client.read(&mut byte).is_ok_and(|read| read == 1) {
                    head.push(byte[0]);
                }
                let Ok(mut server) = TcpStream::connect(("127.0.0.1", port)) else { return };
                let _ = client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n");
                let (mut from, mut to) = (client.try_clone().expect("a stream"), server.try_clone().expect("a stream"));
                std::thread::spawn(move || {
                    let _ = std::io::copy(&mut from, &mut to);
                    let _ = to.shutdown(std::net::Shutdown::Write);
                });
                let _ = std::io::copy(&mut server, &mut client);
                let _ = client.shutdown(std::net::Shutdown::Write);
            });
        }
    });
    own
}

#[test]
fn certificates_made_on_the_way() {
    let Some(way) = Way::new() else { return };
    let ours = way.ours.pem();
    let leaf = server_params("api.prod.example", &["127.0.0.1", "api.prod.example"]);

    // A product's own name.
    let zscaler = authority("Zscaler Intermediate Root CA (zscaler.net)");
    let front = way.front(&signed(&zscaler, &leaf));
    let run = doctor(&way.config(&front), &[]);
    expect_fault("tls-intercepted", &run, &["tls-intercepted", "kubeconfig-ca-mismatch"]);
    confidence(&run, "tls-intercepted", "certain");

    // An authority that only this machine knows.
    let corporate = authority("Example AG Web Security CA");
    let front = way.front(&signed(&corporate, &leaf));
    let folder = scratch("roots");
    let roots = folder.join("roots.pem");
    fs::write(&roots, corporate.pem()).expect("roots");
    let env = [("SSL_CERT_FILE", roots.as_path()), ("SSL_CERT_DIR", folder.as_path())];
    let run = doctor_in(&way.config(&front), &[], &env);
    expect_fault("tls-intercepted-trusted", &run, &["tls-intercepted", "kubeconfig-ca-mismatch"]);
    confidence(&run, "tls-intercepted", "possible");
    // This machine does not know it either: another cluster, as far as anybody can tell.
    let run = doctor(&way.config(&front), &[]);
    assert_eq!(run.codes(), ["kubeconfig-ca-mismatch"], "{}", run.stdout);

    // The same through a proxy.
    let proxy = format!("http://127.0.0.1:{}", connect_proxy(front.port));
    let path = kubeconfig("https://api.prod.example:6443", Some(&ours), &[("proxy-url", &proxy)], &way.user());
    let run = doctor_in(&path, &[], &env);
    expect_fault("tls-intercepted-proxy", &run, &["tls-intercepted", "kubeconfig-ca-mismatch"]);
    confidence(&run, "tls-intercepted", "likely");
    // Nothing but the proxy speaks for it.
    let run = doctor(&path, &[]);
    assert_eq!(run.codes(), ["kubeconfig-ca-mismatch", "tls-intercepted"], "{}", run.stdout);
    confidence(&run, "tls-intercepted", "possible");
    // A proxy that leaves TLS alone.
    let honest = way.front(&way.signed("kube-apiserver", &["api.prod.example"], |_| {}));
    let proxy = format!("http://127.0.0.1:{}", connect_proxy(honest.port));
    let path = kubeconfig("https://api.prod.example:6443", Some(&ours), &[("proxy-url", &proxy)], &way.user());
    expect_healthy("endpoint-through-proxy", &doctor(&path, &[]));
}

/// A port that answers a ClientHello with an alert.
fn alerting(alert: u8) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(&[0x15, 3, 1, 0, 2, 2, alert]);
        }
    });
    port
}

#[test]
fn handshakes_without_common_ground() {
    let user = json!({ "token": "opaque-token-of-a-test" });
    let ca = authority("kubernetes").pem();
    let run = doctor(&kubeconfig(&format!("https://127.0.0.1:{}", alerting(70)), Some(&ca), &[], &user), &[]);
    expect_fault("tls-version-mismatch", &run, &["tls-version-mismatch"]);
    confidence(&run, "tls-version-mismatch", "certain");
    let run = doctor(&kubeconfig(&format!("https://127.0.0.1:{}", alerting(40)), Some(&ca), &[], &user), &[]);
    expect_fault("tls-version-mismatch-handshake", &run, &["tls-version-mismatch"]);
    confidence(&run, "tls-version-mismatch", "likely");
    let met = "Unable to connect to the server: remote error: tls: protocol version not supported";
    let run = doctor(&kubeconfig("https://127.0.0.1:1", Some(&ca), &[], &user), &["--offline", "--error", met]);
    assert_eq!(run.codes()[0], "tls-version-mismatch", "{}", run.stdout);
}

#[test]
fn client_certificates_that_are_demanded() {
    let Some(way) = Way::new() else { return };
    let ours = way.ours.pem();
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "laptop");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    (params.not_before, params.not_after) = (date_time_ymd(2026, 1, 1), date_time_ymd(2040, 12, 1));
    let key = KeyPair::generate().expect("a key");
    let client = params.signed_by(&key, &way.ours).expect("a certificate").pem();
    let both = json!({ "token": way.token, "client-certificate-data": encoded(&client), "client-key-data": encoded(&key.serialize_pem()) });
    for (name, version) in [("", &TLS13), ("-tls12", &TLS12)] {
        let front = Front::start(&way.good(), &[version], &Clients::MustBe(ours.clone()), way.api());
        let path = way.config(&front);
        let run = doctor(&path, &[]);
        expect_fault(
            &format!("load-balancer-requires-client-certificate{name}"),
            &run,
            &["load-balancer-requires-client-certificate"],
        );
        confidence(&run, "load-balancer-requires-client-certificate", "certain");
        // With one that it takes.
        let path = kubeconfig(&front.url(), Some(&ours), &[], &both);
        expect_healthy(&format!("load-balancer-with-client-certificate{name}"), &doctor(&path, &[]));
    }
    // nginx lets TLS pass and answers a page.
    let page = "<html>\r\n<head><title>400 No required SSL certificate was sent</title></head>\r\n<body>\r\n<center><h1>400 Bad Request</h1></center>\r\n<center>No required SSL certificate was sent</center>\r\n<hr><center>nginx/1.24.0</center>\r\n</body>\r\n</html>\r\n";
    let nginx = always("400 Bad Request", "Server: nginx/1.24.0\r\nContent-Type: text/html\r\n", page);
    let front = Front::start(&way.good(), BOTH, &Clients::Unasked, nginx);
    let run = doctor(&way.config(&front), &[]);
    expect_fault(
        "load-balancer-requires-client-certificate-nginx",
        &run,
        &["load-balancer-requires-client-certificate"],
    );

    // The server names only others' authorities: the certificate goes all the same, as Go sends it.
    for version in [&TLS13, &TLS12] {
        let front = Front::start(&way.good(), &[version], &Clients::NamesAnother, way.api());
        let run = doctor(&kubeconfig(&front.url(), Some(&ours), &[], &both), &[]);
        assert_eq!(run.codes(), Vec::<String>::new(), "{}", run.stdout);
        assert!(front.certificates.load(Ordering::SeqCst) > 0, "no certificate came ({version:?})");
    }
}

#[test]
fn headers_that_do_not_arrive() {
    let Some(way) = Way::new() else { return };
    let stripping = passing_on(
        way.server.port(),
        way.server.ca(),
        |head| without(&head, "authorization"),
        |head| without(&head, "server") + "Server: portal/2.1\r\n",
    );
    let front = Front::start(&way.good(), BOTH, &Clients::Unasked, stripping);
    let run = doctor(&way.config(&front), &[]);
    expect_fault("authorization-header-stripped", &run, &["authorization-header-stripped", "anonymous-request"]);
    confidence(&run, "authorization-header-stripped", "certain");

    // Hundreds of groups before nginx' 8 KiB.
    let groups: Vec<String> =
        (0..140).map(|number| format!("CN=team-{number:03},OU=Access Groups,OU=Berlin,DC=corp,DC=example")).collect();
    let claims = json!({ "iss": "https://kubernetes.default.svc", "sub": "alice", "aud": "kubernetes", "exp": 4_000_000_000_u64, "groups": groups });
    let engine = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let token = format!(
        "{}.{}.{}",
        engine.encode(r#"{"alg":"RS256","kid":"k"}"#),
        engine.encode(claims.to_string()),
        engine.encode([7; 256])
    );
    let limited = |page: &'static str, status: &'static str, headers: &'static str| -> Answers {
        let api = way.api();
        Arc::new(move |asked| {
            let large = field(&asked.head, "authorization").is_some_and(|value| value.len() > 8000);
            if large { answer(status, headers, page) } else { api(asked) }
        })
    };
    let nginx = "<html>\r\n<head><title>400 Request Header Or Cookie Too Large</title></head>\r\n<body>\r\n<center><h1>400 Bad Request</h1></center>\r\n<center>Request Header Or Cookie Too Large</center>\r\n<hr><center>nginx/1.24.0</center>\r\n</body>\r\n</html>\r\n";
    let alb = "<html>\r\n<head><title>400 Bad Request</title></head>\r\n<body>\r\n<center><h1>400 Bad Request</h1></center>\r\n</body>\r\n</html>\r\n";
    let go = "431 Request Header Fields Too Large";
    for (name, page, status, headers, sure) in [
        (
            "request-header-too-large",
            nginx,
            "400 Bad Request",
            "Server: nginx/1.24.0\r\nContent-Type: text/html\r\n",
            "certain",
        ),
        (
            "request-header-too-large-alb",
            alb,
            "400 Bad Request",
            "Server: awselb/2.0\r\nContent-Type: text/html\r\n",
            "likely",
        ),
        (
            "request-header-too-large-go",
            go,
            "431 Request Header Fields Too Large",
            "Content-Type: text/plain; charset=utf-8\r\n",
            "certain",
        ),
    ] {
        let front = Front::start(&way.good(), BOTH, &Clients::Unasked, limited(page, status, headers));
        let run = doctor(&kubeconfig(&front.url(), Some(&way.ours.pem()), &[], &json!({ "token": token })), &[]);
        expect_fault(name, &run, &["request-header-too-large"]);
        confidence(&run, "request-header-too-large", sure);
        // A token of the usual size passes the same proxy.
        let twin = doctor(&way.config(&front), &[]);
        assert_eq!(twin.codes(), Vec::<String>::new(), "{}", twin.stdout);
    }
}

/// Pages as these products send them.
const ALB_503: &str = "<html>\r\n<head><title>503 Service Temporarily Unavailable</title></head>\r\n<body>\r\n<center><h1>503 Service Temporarily Unavailable</h1></center>\r\n</body>\r\n</html>\r\n";
const ALB_502: &str = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n</body>\r\n</html>\r\n";
const ALB_504: &str = "<html>\r\n<head><title>504 Gateway Time-out</title></head>\r\n<body>\r\n<center><h1>504 Gateway Time-out</h1></center>\r\n</body>\r\n</html>\r\n";
const ISTIO: &str = "upstream connect error or disconnect/reset before headers. retried and the latest reset reason: remote connection failure, transport failure reason: delayed connect error: 111";
const HAPROXY: &str =
    "<html><body><h1>503 Service Unavailable</h1>\nNo server is available to handle this request.\n</body></html>\n";
const NGINX_404: &str = "<html>\r\n<head><title>404 Not Found</title></head>\r\n<body>\r\n<center><h1>404 Not Found</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n";
const LOGIN: &str = "<!DOCTYPE html><html><head><title>Sign In | Example</title></head><body><form action=\"/login\" method=\"post\"><input name=\"username\"><input type=\"password\" name=\"password\"></form></body></html>";
const RANCHER: &str = r#"{"type":"error","status":"401","message":"must authenticate"}"#;
const EKS: &str = r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Unauthorized","reason":"Unauthorized","code":401}"#;

#[test]
fn answers_that_are_not_the_api_servers() {
    let ours = authority("kubernetes");
    let pair = signed(&ours, &server_params("front", &["127.0.0.1"]));
    let user = json!({ "token": "kubeconfig-u-abcde:opaque-token-of-a-test" });
    let ask = |status: &str, headers: &str, body: &str| {
        let front = Front::start(&pair, BOTH, &Clients::Unasked, always(status, headers, body));
        doctor(&kubeconfig(&front.url(), Some(&ours.pem()), &[], &user), &[])
    };
    // A front that always answers in gzip is fine for Go, which reads it without a word.
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(EKS.as_bytes()).expect("gzip");
    let zipped = encoder.finish().expect("gzip");
    let head = format!(
        "HTTP/1.1 401 Unauthorized\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        zipped.len()
    );
    let whole = [head.as_bytes(), &zipped].concat();
    let front = Front::start(&pair, BOTH, &Clients::Unasked, Arc::new(move |_| whole.clone()));
    let run = doctor(&kubeconfig(&front.url(), Some(&ours.pem()), &[], &user), &[]);
    assert_eq!(run.codes()[0], "credential-rejected", "{}", run.stdout);
    silent(&run, "not-a-kubernetes-api");

    let html = "Content-Type: text/html\r\n";
    let alb = "Server: awselb/2.0\r\nContent-Type: text/html\r\n";
    let json = "Content-Type: application/json\r\n";
    let text = "Content-Type: text/plain\r\n";
    for (name, status, headers, body, who) in [
        ("api-unavailable-alb", "503 Service Temporarily Unavailable", alb, ALB_503, "an AWS load balancer"),
        ("", "502 Bad Gateway", alb, ALB_502, "an AWS load balancer"),
        ("", "504 Gateway Time-out", alb, ALB_504, "an AWS load balancer"),
        (
            "api-unavailable-istio",
            "503 Service Unavailable",
            "Server: istio-envoy\r\nContent-Type: text/plain\r\n",
            ISTIO,
            "Envoy",
        ),
        ("", "503 Service Unavailable", text, "no healthy upstream", "Envoy"),
        ("", "503 Service Unavailable", html, HAPROXY, "HAProxy"),
        ("", "502 Bad Gateway", "Server: nginx/1.24.0\r\nContent-Type: text/html\r\n", ALB_502, "nginx"),
    ] {
        let run = ask(status, headers, body);
        assert_eq!(run.codes()[0], "api-unavailable", "{status}: {}", run.stdout);
        assert!(run.findings()[0]["why"].to_string().contains(who), "{who}: {}", run.stdout);
        silent(&run, "not-a-kubernetes-api");
        if !name.is_empty() {
            expect_fault(name, &run, &["api-unavailable"]);
        }
    }
    // An API server that is not ready says so itself.
    let starting = r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"etcdserver: leader changed","code":500}"#;
    let run = ask("500 Internal Server Error", json, starting);
    assert_eq!(run.codes()[0], "api-unavailable", "{}", run.stdout);
    assert!(run.findings()[0]["why"].to_string().contains("etcdserver"), "{}", run.stdout);

    for (name, status, headers, body, title) in [
        ("not-a-kubernetes-api-default-backend", "404 Not Found", text, "default backend - 404", "no route"),
        ("", "404 Not Found", html, NGINX_404, "no route"),
        ("not-a-kubernetes-api-login", "200 OK", html, LOGIN, "login page"),
        ("", "200 OK", json, r#"{"status":"UP","groups":["liveness"]}"#, "no Kubernetes API"),
        (
            "",
            "403 Forbidden",
            "Server: squid/5.7\r\nContent-Type: text/html\r\n",
            "<html><body><h1>ERROR</h1><p>Access Denied.</p></body></html>",
            "no Kubernetes API",
        ),
    ] {
        let run = ask(status, headers, body);
        assert_eq!(run.codes()[0], "not-a-kubernetes-api", "{status}: {}", run.stdout);
        assert!(run.findings()[0]["title"].to_string().contains(title), "{title}: {}", run.stdout);
        silent(&run, "api-unavailable");
        if !name.is_empty() {
            expect_fault(name, &run, &["not-a-kubernetes-api"]);
        }
    }

    // TLS ends there, and what ends it asks the TLS port behind it over plain HTTP.
    let plain = "Client sent an HTTP request to an HTTPS server.\n";
    let run = ask("400 Bad Request", "Server: nginx/1.22.1\r\n", plain);
    assert_eq!(run.codes(), ["not-a-kubernetes-api"], "{}", run.stdout);
    assert!(run.findings()[0]["title"].to_string().contains("speaks plain HTTP"), "{}", run.stdout);

    // A TLS port that is asked over plain HTTP, and has no words for it.
    let front = Front::start(&pair, BOTH, &Clients::Unasked, always("200 OK", json, "{}"));
    let run = doctor(&kubeconfig(&front.url().replace("https://", "http://"), None, &[], &user), &[]);
    assert_eq!((run.codes()[0].as_str(), run.code), ("server-url-wrong-scheme", 1), "{}", run.stdout);
    confidence(&run, "server-url-wrong-scheme", "certain");
    assert!(fix(&run, 0).contains("--server=https://127.0.0.1"), "{}", run.stdout);

    // A redirect is told and not followed, with or without the credential.
    let target = Front::start(&pair, BOTH, &Clients::Unasked, always("200 OK", html, LOGIN));
    let to = format!("Location: {}/login?next=/version\r\n{html}", target.url());
    let run = ask("302 Found", &to, "");
    expect_fault("not-a-kubernetes-api-redirect", &run, &["not-a-kubernetes-api"]);
    assert!(run.findings()[0]["title"].to_string().contains("sends elsewhere"), "{}", run.stdout);
    let came = target.requests.lock().expect("no panic").clone();
    assert_eq!(came, Vec::<String>::new(), "the redirect was followed");

    // Rancher and EKS answer nobody without a credential, and are Kubernetes all the same.
    for (name, body) in [("credential-rejected-rancher", RANCHER), ("credential-rejected-eks", EKS)] {
        let run = ask("401 Unauthorized", json, body);
        silent(&run, "not-a-kubernetes-api");
        silent(&run, "authorization-header-stripped");
        expect_fault(name, &run, &["credential-rejected"]);
    }
}

/// TLS is up each time, and then a request is not answered by an API server.
#[test]
fn requests_that_break_off_after_tls() {
    let Some(way) = Way::new() else { return };
    let pair = way.good();
    let behind = |answers: Answers| {
        let front = Front::start(&pair, BOTH, &Clients::Unasked, answers);
        doctor(&way.config(&front), &[])
    };
    let title = |run: &Run| run.findings()[0]["title"].as_str().unwrap_or_default().to_owned();

    let run = behind(Arc::new(|_| Vec::new()));
    assert_eq!((run.codes()[0].as_str(), run.code), ("api-connection-closed", 1), "{}", run.stdout);
    confidence(&run, "api-connection-closed", "certain");

    // A firewall that lets no POST through: it hangs up, or has a page for it.
    let api = way.api();
    let run = behind(Arc::new(move |asked| if asked.head.starts_with("POST") { Vec::new() } else { api(asked) }));
    assert_eq!((run.codes()[0].as_str(), run.code), ("api-connection-closed", 1), "{}", run.stdout);
    assert!(title(&run).starts_with("POST requests"), "{}", run.stdout);
    let (api, page) = (way.api(), answer("403 Forbidden", "Content-Type: text/html\r\n", "<html>Blocked</html>"));
    let run = behind(Arc::new(move |asked| if asked.head.starts_with("POST") { page.clone() } else { api(asked) }));
    assert_eq!((run.codes()[0].as_str(), run.code), ("not-a-kubernetes-api", 1), "{}", run.stdout);
    assert!(title(&run).starts_with("POST requests"), "{}", run.stdout);

    let refusals =
        [("405 Method Not Allowed", "<html>no</html>"), ("415 Unsupported Media Type", ""), ("403 Forbidden", "")];
    for (status, body) in refusals.into_iter().chain([("403 Forbidden", "Forbidden\n")]) {
        let (api, page) = (way.api(), answer(status, "Content-Type: text/html\r\n", body));
        let run = behind(Arc::new(move |asked| if asked.head.starts_with("POST") { page.clone() } else { api(asked) }));
        assert_eq!((run.codes()[0].as_str(), run.code), ("not-a-kubernetes-api", 1), "{status}: {}", run.stdout);
        assert!(title(&run).starts_with("POST requests"), "{status}: {}", run.stdout);
    }
    // Without a body it is the header that is too large.
    let (api, page) = (way.api(), answer("413 Payload Too Large", "Content-Type: text/html\r\n", ""));
    let run = behind(Arc::new(move |asked| match field(&asked.head, "authorization") {
        Some(_) => page.clone(),
        None => api(asked),
    }));
    assert_eq!((run.codes()[0].as_str(), run.code), ("request-header-too-large", 1), "{}", run.stdout);
    confidence(&run, "request-header-too-large", "likely");

    let limited = always("429 Too Many Requests", "Content-Type: text/plain\r\n", "slow down");
    let run = behind(limited);
    assert_eq!((run.codes()[0].as_str(), run.code), ("api-priority-throttled", 1), "{}", run.stdout);
    confidence(&run, "api-priority-throttled", "likely");

    let twin = behind(way.api());
    for code in [
        "credential-rejected",
        "server-url-wrong-scheme",
        "api-connection-closed",
        "not-a-kubernetes-api",
        "api-priority-throttled",
        "api-unavailable",
    ] {
        silent(&twin, code);
    }
}

/// The API server is there and answers, and kubectl cannot use it all the same.
#[test]
fn fronts_and_urls_that_only_kubectl_stumbles_over() {
    let Some(way) = Way::new() else { return };
    let pair = way.good();
    let front = way.front(&pair);
    let title = |run: &Run| run.findings()[0]["title"].as_str().unwrap_or_default().to_owned();
    for (kind, told) in
        [("text/html", true), ("text/plain; charset=utf-8", true), ("application/json;charset=utf-8", false)]
    {
        let answers = passing_on(
            way.server.port(),
            way.server.ca(),
            |head| head,
            move |head| head.replace("application/json", kind),
        );
        let other = Front::start(&pair, BOTH, &Clients::Unasked, answers);
        let run = doctor(&way.config(&other), &[]);
        if told {
            assert_eq!((run.codes()[0].as_str(), run.code), ("not-a-kubernetes-api", 1), "{}", run.stdout);
            assert!(run.findings()[0]["why"].to_string().contains(kind), "{}", run.stdout);
        } else {
            silent(&run, "not-a-kubernetes-api");
        }
    }

    // One of several API servers does not know the credential.
    let api = way.api();
    let refusal = r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Unauthorized","reason":"Unauthorized","code":401}"#;
    let refusal = answer("401 Unauthorized", "Content-Type: application/json\r\n", refusal);
    let other: Answers = Arc::new(move |asked| {
        let known = field(&asked.head, "authorization").is_some();
        if known && asked.head.starts_with("GET /version") { refusal.clone() } else { api(asked) }
    });
    let run = doctor(&way.config(&Front::start(&pair, BOTH, &Clients::Unasked, other)), &[]);
    assert_eq!((run.codes()[0].as_str(), run.code), ("credential-rejected", 1), "{}", run.stdout);
    confidence(&run, "credential-rejected", "likely");
    assert!(title(&run).contains("by some of the API servers behind this address: 1 of "), "{}", run.stdout);

    // What is no part of the server's address.
    let at = |path: &str, more: &[(&str, &str)]| {
        let server = format!("{}{path}", front.url());
        doctor(&kubeconfig(&server, Some(&way.ours.pem()), more, &way.user()), &[])
    };
    for path in ["/api/v1", "/#/login"] {
        let run = at(path, &[]);
        assert_eq!((run.codes()[0].as_str(), run.code), ("not-a-kubernetes-api", 1), "{path}: {}", run.stdout);
        confidence(&run, "not-a-kubernetes-api", "certain");
        assert_eq!(fix(&run, 0), format!("kubectl config set-cluster c --server={}", front.url()));
    }
    let run = at("", &[("tls-server-name", "https://localhost:6443")]);
    assert_eq!((run.codes()[0].as_str(), run.code), ("tls-server-name-mismatch", 1), "{}", run.stdout);
    assert_eq!(fix(&run, 0), "kubectl config set-cluster c --tls-server-name=localhost");
    silent(&at("", &[("tls-server-name", "localhost")]), "tls-server-name-mismatch");
    // The same by the flag: there it is mended, and the kubeconfig is left as it is.
    let good = kubeconfig(&front.url(), Some(&way.ours.pem()), &[], &way.user());
    let run = doctor(&good, &["--tls-server-name", "https://localhost:6443"]);
    assert_eq!((run.codes()[0].as_str(), run.code), ("tls-server-name-mismatch", 1), "{}", run.stdout);
    let finding = &run.findings()[0];
    assert!(finding["why"].to_string().contains("The flag --tls-server-name has the server"), "{}", run.stdout);
    let text = finding["fix"][0]["text"].to_string();
    assert!(text.contains("give --tls-server-name=localhost"), "{text}");
    assert!(!finding["fix"].to_string().contains("kubectl config"), "{}", run.stdout);
}

/// A client certificate and its key, as a kubeconfig's user has them.
fn certificate_user(authority: &Authority) -> Value {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "alice");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    (params.not_before, params.not_after) = (date_time_ymd(2026, 1, 1), date_time_ymd(2040, 12, 1));
    let pair = signed(authority, &params);
    json!({ "client-certificate-data": encoded(&pair.certificate), "client-key-data": encoded(&pair.key) })
}

/// A balancer before two targets of which one refuses the credential: every other request for the version that carries it.
fn every_other_refused(carries: fn(&str) -> bool) -> Answers {
    let count = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let status = json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "Unauthorized", "reason": "Unauthorized", "code": 401 });
    let refusal = answer("401 Unauthorized", "Content-Type: application/json\r\n", &status.to_string());
    Arc::new(move |asked| {
        let version = asked.head.starts_with("GET /version ") && carries(&asked.head);
        if version && count.fetch_add(1, Ordering::SeqCst) % 2 == 1 {
            return refusal.clone();
        }
        stage::api_answer(asked).unwrap_or_else(stage::not_found)
    })
}

/// A balancer with one target that does not know the token: the run's own requests happen to meet the other one.
#[test]
fn a_token_of_any_kind_is_tried_over_fresh_connections() {
    let ours = authority("kubernetes");
    let pair = signed(&ours, &server_params("kube-apiserver", &["127.0.0.1"]));
    let answers = every_other_refused(|head| head.to_ascii_lowercase().contains("authorization:"));
    let front = Front::start(&pair, BOTH, &Clients::Unasked, answers);
    let user = json!({ "token": "opaque-token-of-a-test" });
    let run = doctor(&kubeconfig(&front.url(), Some(&ours.pem()), &[], &user), &[]);
    assert_eq!(run.codes()[0], "credential-rejected", "{}", run.stdout);
    let title = run.findings()[0]["title"].to_string();
    assert!(title.contains("The token is rejected by some") && title.contains("3 of 6"), "{}", run.stdout);
    assert_eq!(run.report["identity"]["username"], "alice", "{}", run.stdout);
    assert_eq!(run.code, 1, "{}", run.stdout);
}

/// A balancer with one target that does not take the certificate: the run's own requests happen to meet the other one.
#[test]
fn a_certificate_is_tried_over_fresh_connections() {
    let ours = authority("kubernetes");
    let pair = signed(&ours, &server_params("kube-apiserver", &["127.0.0.1"]));
    let answers = every_other_refused(|_| true);
    let front = Front::start(&pair, BOTH, &Clients::MustBe(ours.pem()), answers);
    let run = doctor(&kubeconfig(&front.url(), Some(&ours.pem()), &[], &certificate_user(&ours)), &[]);
    assert_eq!(run.codes()[0], "credential-rejected", "{}", run.stdout);
    let title = run.findings()[0]["title"].to_string();
    assert!(title.contains("The client certificate is rejected by some") && title.contains("of 6"), "{}", run.stdout);
    assert_eq!(run.report["identity"]["username"], "alice", "{}", run.stdout);
    assert_eq!(run.code, 1, "{}", run.stdout);
}

/// A balancer whose first connection only looks for an open port; the first handshake meets the bad target.
#[test]
fn one_bad_target_behind_a_balancer_is_no_fault_of_all() {
    let ours = authority("kubernetes");
    let target = |authority: &Authority, change: &dyn Fn(&mut CertificateParams)| {
        let mut params = server_params("kube-apiserver", &["127.0.0.1"]);
        change(&mut params);
        Stage::tls(&signed(authority, &params), stage::healthy_api()).port
    };
    let good = target(&ours, &|_| {});
    let expired = target(&ours, &|params| params.not_after = date_time_ymd(2026, 1, 1));
    let other = target(&authority("k3s-server-ca@1700000000"), &|_| {});
    let (_, silent) = network::serve("127.0.0.1:0", |stream| {
        std::thread::sleep(std::time::Duration::from_secs(30));
        drop(stream);
    });
    let mut once = vec![good; 1000];
    once[1] = silent.port();
    for (turns, code, title) in [
        (
            vec![good, expired],
            "api-certificate-expired",
            "Some connections reach a server whose certificate has expired",
        ),
        (vec![good, other], "cluster-ca-rotated", "Some connections reach a server whose certificate is not trusted"),
        (once, "tls-handshake-timeout", "Some connections get no answer in the TLS handshake"),
    ] {
        let url = format!("https://{}", network::balancer(turns));
        let run = doctor(&kubeconfig(&url, Some(&ours.pem()), &[], &json!({ "token": "opaque-token-of-a-test" })), &[]);
        assert_eq!(run.codes()[0], code, "{}", run.stdout);
        assert_eq!(run.findings()[0]["title"], title, "{}", run.stdout);
        confidence(&run, code, "likely");
        assert_eq!(run.code, 1, "{}", run.stdout);
    }
    // The same fault on every connection is one of all, as before.
    let url = format!("https://{}", network::balancer(vec![expired]));
    let run = doctor(&kubeconfig(&url, Some(&ours.pem()), &[], &json!({ "token": "opaque-token-of-a-test" })), &[]);
    assert_eq!(run.codes()[0], "api-certificate-expired", "{}", run.stdout);
    assert!(run.findings()[0]["title"].to_string().contains("The certificate of 127.0.0.1"), "{}", run.stdout);
}

/// A network's portal as a forward proxy: it opens every tunnel and answers with its page.
#[test]
fn a_proxy_that_answers_in_the_servers_place() {
    let ours = authority("kubernetes");
    let server = Stage::tls(&signed(&ours, &server_params("api", &["127.0.0.1"])), stage::healthy_api());
    let (_, portal) = network::serve("127.0.0.1:0", |mut stream| {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read == 1) {
            head.push(byte[0]);
        }
        let page = answer("200 OK", "Content-Type: text/html\r\n", "<html>Please log in</html>");
        let _ = stream.write_all(&page);
        // The first bytes of TLS are taken, so that no reset overtakes the page.
        let _ = stream.read(&mut [0; 4096]);
        std::thread::sleep(std::time::Duration::from_millis(300));
    });
    let proxy = format!("http://{portal}");
    let user = json!({ "token": "opaque-token-of-a-test" });
    let through =
        |server: &str| doctor(&kubeconfig(server, Some(&ours.pem()), &[("proxy-url", proxy.as_str())], &user), &[]);
    let run = through(&format!("https://{}", server.place()));
    assert_eq!(run.codes()[0], "proxy-connect-refused", "{}", run.stdout);
    confidence(&run, "proxy-connect-refused", "certain");
    assert!(run.findings()[0]["title"].to_string().contains("in the API server's place"), "{}", run.stdout);
    silent(&run, "not-a-kubernetes-api");
    // Where the server cannot be had without it, the port may be wrong all the same.
    let run = through("https://127.0.0.1:1");
    assert_eq!(run.codes()[0], "not-a-kubernetes-api", "{}", run.stdout);
    confidence(&run, "not-a-kubernetes-api", "likely");
}

/// nginx with a rule by User-Agent, which kubectl may pass.
#[test]
fn a_page_with_403_may_be_for_kaccess_alone() {
    let ours = authority("kubernetes");
    let pair = signed(&ours, &server_params("api", &["127.0.0.1"]));
    let page = "<html>\r\n<head><title>403 Forbidden</title></head>\r\n<body>\r\n<center><h1>403 Forbidden</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n";
    let refusing = always("403 Forbidden", "Server: nginx\r\nContent-Type: text/html\r\n", page);
    let front = Front::start(&pair, BOTH, &Clients::Unasked, refusing);
    let user = json!({ "token": "opaque-token-of-a-test" });
    let run = doctor(&kubeconfig(&front.url(), Some(&ours.pem()), &[], &user), &[]);
    assert_eq!(run.codes()[0], "not-a-kubernetes-api", "{}", run.stdout);
    confidence(&run, "not-a-kubernetes-api", "likely");
    assert_eq!(fix(&run, 0), "kubectl get --raw /version", "{}", run.stdout);
}
