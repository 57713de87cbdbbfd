//! The way from this machine to the API server: names, routes, proxies; each fault with its healthy twin.
//!
//! Names and routes need a network of the test's own ([`network::own`]): resolv.conf, addresses and routes are set in
//! there, and the system's own getaddrinfo and kernel answer. Firewalls are a listener whose queue is full, which drops
//! as they do.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use base64::Engine as _;
use kaccess::apiserver::message::recognise;
use serde_json::{Value, json};

use crate::support::aws::Aws;
use crate::support::lab::apiserver::certificate_user;
use crate::support::lab::issuer::{Issuer, Page};
use crate::support::lab::{self, ApiServer, Lab, Nginx, Options, Rule};
use crate::support::network::{self, Connect, NameServer, Says, Socks, at};
use crate::support::run::{Run, command, doctor, doctor_in, expect_fault, expect_healthy, expect_warning, scratch};

/// An EKS endpoint's name, of no cluster.
const EKS: &str = "0123456789ABCDEF0123456789ABCDEF.gr7.eu-central-1.eks.amazonaws.com";

fn config(cluster: &str, user: &Value) -> PathBuf {
    let path = scratch("kubeconfig").join("config");
    let text = format!(
        "apiVersion: v1\nkind: Config\nclusters:\n- name: c\n  cluster: {{{cluster}}}\ncontexts:\n- name: a\n  \
         context: {{cluster: c, user: u}}\ncurrent-context: a\nusers:\n- name: u\n  user: {user}\n"
    );
    fs::write(&path, text).expect("a kubeconfig");
    path
}

fn opaque() -> Value {
    json!({ "token": "opaque-token-of-a-test" })
}

fn certain(run: &Run, code: &str) {
    assert_eq!(run.finding(code)["confidence"], "certain", "{}", run.stdout);
}

/// The finding is there and is not said to be certain.
fn cautious(run: &Run, code: &str) {
    assert_ne!(run.finding(code)["confidence"], "certain", "{}", run.stdout);
}

fn silent(run: &Run, code: &str) {
    assert!(!run.codes().iter().any(|found| found == code), "{code}: {}", run.stdout);
}

fn all_steps(run: &Run) -> String {
    run.findings()[0]["fix"].to_string()
}

/// What the lab's kubectl says is recognised as this.
fn kubectl_says(lab: &Lab, config: &Path, environment: &[(&str, &str)], name: &str) {
    let output = std::process::Command::new(lab.kubectl())
        .args(["get", "pods", "--kubeconfig"])
        .arg(config)
        .env_clear()
        .env("HOME", scratch("home"))
        .envs(environment.iter().copied())
        .output()
        .expect("kubectl runs");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let found: Vec<&str> = recognise(text.trim()).iter().map(|found| found.text.name).collect();
    assert!(found.contains(&name), "{name} is not in {found:?}: {text}");
}

/// A real API server, with somebody whom it lets in.
struct Cluster {
    server: ApiServer,
    user: Value,
    ca: String,
}

impl Cluster {
    fn start(lab: &Lab) -> Self {
        let mut options = Options::default();
        if network::is_own() {
            // Without a default route it finds no address of its own.
            options = options.flag("--advertise-address=192.168.77.2");
        }
        let server = ApiServer::start(lab, options);
        server.create_reader_role();
        server.grant_reader("Group", "backend-reads", "backend");
        let soon = lab.pki.ca.sign_client_between("jane-soon", "jane", &["backend"], (-1, 200));
        let ca = fs::read(server.ca()).expect("a CA");
        Self { user: certificate_user(&soon), ca: base64::engine::general_purpose::STANDARD.encode(ca), server }
    }

    /// A kubeconfig that leads to it by this URL; its certificate is for localhost.
    fn config(&self, url: &str, more: &str) -> PathBuf {
        let cluster =
            format!("server: '{url}', certificate-authority-data: {}, tls-server-name: localhost{more}", self.ca);
        config(&cluster, &self.user)
    }
}

#[test]
fn proxies_of_the_kubeconfig() {
    let Some(lab) = lab::require_apiserver() else { return };
    let cluster = Cluster::start(lab);
    let port = cluster.server.port();
    let through = |scheme: &str, proxy: &dyn std::fmt::Display| {
        cluster.config(&cluster.server.url(), &format!(", proxy-url: '{scheme}://{proxy}'"))
    };
    let run = |name: &str, scheme: &str, proxy: &dyn std::fmt::Display, code: &str| {
        let run = doctor(&through(scheme, proxy), &["--timeout", "14s"]);
        expect_fault(name, &run, &[code]);
        certain(&run, code);
        silent(&run, "api-connection-refused");
        silent(&run, "endpoint-name-not-found");
        run
    };

    // Through a proxy that does what it is for: nothing to say, and the server is not tried without it.
    let (place, targets, _) = network::connect_proxy(Connect::Tunnel(port));
    let healthy = doctor(&through("http", &place), &[]);
    expect_healthy("proxy-connect", &healthy);
    assert!(targets.lock().expect("targets").iter().all(|target| *target == format!("127.0.0.1:{port}")));
    assert!(!healthy.stdout.contains("endpoint-direct"), "{}", healthy.stdout);
    expect_healthy("proxy-socks", &doctor(&through("socks5", &network::socks_proxy(Socks::Open(port))), &[]));

    // kubectl's own words for these.
    let says = |scheme: &str, proxy: &dyn std::fmt::Display, name: &str| {
        kubectl_says(lab, &through(scheme, proxy), &[], name);
    };
    says("http", &"127.0.0.1:1", "client-proxy");
    says("http", &"127.0.0.1:1", "client-refused");
    says("socks5", &"127.0.0.1:1", "client-proxy");
    for (answer, name) in [
        ("HTTP/1.1 403 Forbidden\r\n\r\n", "client-proxy-refused"),
        ("HTTP/1.1 502 Bad Gateway\r\n\r\n", "client-proxy-refused"),
        ("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "client-proxy-auth"),
    ] {
        says("http", &network::connect_proxy(Connect::Answer(answer)).0, name);
    }
    says("socks5", &network::socks_proxy(Socks::Reply(2)), "client-proxy-refused");
    says("socks5", &network::socks_proxy(Socks::Password), "client-proxy-auth");

    // Dead in four ways. kubectl names the API server in all of them.
    let dead = run("proxy-unreachable", "http", &"127.0.0.1:1", "proxy-unreachable");
    assert!(all_steps(&dead).contains("kubectl config unset clusters.c.proxy-url"), "{}", dead.stdout);
    run("proxy-unreachable-name", "http", &"no-such-proxy.invalid:3128", "proxy-unreachable");
    let (place, ..) = network::connect_proxy(Connect::HangUp);
    run("proxy-unreachable-closed", "http", &place, "proxy-unreachable");
    let (place, ..) = network::connect_proxy(Connect::Silence);
    run("proxy-unreachable-silent", "http", &place, "proxy-unreachable");
    run("proxy-unreachable-socks", "socks5", &place, "proxy-unreachable");

    // Alive, and spoken to in another way than its own.
    let socks = network::socks_proxy(Socks::Open(port));
    let (place, ..) = network::connect_proxy(Connect::Tunnel(port));
    let speaking: [(&str, &dyn std::fmt::Display, &str); 3] =
        [("http", &socks, "socks5"), ("socks5", &place, "http"), ("https", &place, "http")];
    for (written, proxy, right) in speaking {
        let run = doctor(&through(written, proxy), &["--timeout", "14s"]);
        assert_eq!(run.codes()[0], "proxy-unreachable", "{}", run.stdout);
        let finding = run.finding("proxy-unreachable");
        assert_eq!(finding["title"], "The proxy's address has the wrong scheme", "{}", run.stdout);
        assert!(finding["fix"].to_string().contains(&format!("--proxy-url={right}://{proxy}")), "{}", run.stdout);
    }
    // A TLS server, called plain HTTP.
    let plain = doctor(&through("http", &format!("127.0.0.1:{port}")), &["--timeout", "14s"]);
    assert!(all_steps(&plain).contains("--proxy-url=https://127.0.0.1"), "{}", plain.stdout);

    // Refusing.
    let forbidden = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n";
    let (place, ..) = network::connect_proxy(Connect::Answer(forbidden));
    let refused = run("proxy-connect-refused", "http", &place, "proxy-connect-refused");
    assert!(refused.stdout.contains("403 Forbidden"), "{}", refused.stdout);
    let (place, ..) = network::connect_proxy(Connect::Answer("HTTP/1.1 502 Bad Gateway\r\n\r\n"));
    let gateway = run("proxy-connect-refused-gateway", "http", &place, "proxy-connect-refused");
    assert!(gateway.stdout.contains("cannot reach or resolve"), "{}", gateway.stdout);
    let (place, ..) = network::connect_proxy(Connect::Answer("HTTP/1.1 405 Method Not Allowed\r\n\r\n"));
    let no_proxy = run("proxy-connect-refused-web-server", "http", &place, "proxy-connect-refused");
    assert!(no_proxy.stdout.contains("no forward proxy"), "{}", no_proxy.stdout);
    run("proxy-connect-refused-socks", "socks5", &network::socks_proxy(Socks::Reply(2)), "proxy-connect-refused");

    // Asking for a name and password, and being given them.
    let password = Connect::Password("Basic bWU6c2VjcmV0LW9mLWEtcHJveHk=", port);
    let (place, ..) = network::connect_proxy(password.clone());
    let asked = run("proxy-auth-required", "http", &place, "proxy-auth-required");
    assert!(all_steps(&asked).contains("NAME:PASSWORD@"), "{}", asked.stdout);
    let wrong = run("proxy-auth-required-wrong", "http", &format!("me:not-that-one@{place}"), "proxy-auth-required");
    assert!(!wrong.stdout.contains("not-that-one"), "{}", wrong.stdout);
    let given = doctor(&through("http", &format!("me:secret-of-a-proxy@{place}")), &[]);
    expect_healthy("proxy-auth-given", &given);
    assert!(!given.stdout.contains("secret-of-a-proxy"));
    let negotiate = "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Negotiate\r\n\r\n";
    let (place, ..) = network::connect_proxy(Connect::Answer(negotiate));
    let other = run("proxy-auth-required-negotiate", "http", &place, "proxy-auth-required");
    assert!(all_steps(&other).contains("px or cntlm"), "{}", other.stdout);
    run("proxy-auth-required-socks", "socks5", &network::socks_proxy(Socks::Password), "proxy-auth-required");
    // A plain HTTP request goes to the proxy whole, and the proxy itself answers it.
    let (place, ..) = network::connect_proxy(password);
    let plain = doctor(&config(&format!("server: 'http://api.invalid', proxy-url: 'http://{place}'"), &json!({})), &[]);
    expect_fault("proxy-auth-required-plain", &plain, &["proxy-auth-required"]);
}

/// Ways that look odd and are right.
#[test]
fn detours_that_are_healthy() {
    let Some(lab) = lab::require() else { return };
    let cluster = Cluster::start(lab);
    // ssh -L and the like: another address and port, the certificate's own name beside it.
    let (_, tunnel) = network::relay("127.0.0.1:0", cluster.server.port());
    expect_healthy("ssh-tunnel", &doctor(&cluster.config(&format!("https://{tunnel}"), ""), &[]));
    // Rancher: one port, one path a cluster, TLS of its own, only tokens pass.
    let mut rancher = Nginx::start_before(lab, 1, Rule::AllowAll);
    rancher.set_locations(&format!(
        "location /k8s/clusters/c-m-abc123/ {{\nproxy_pass {}/;\nproxy_http_version 1.1;\n}}\n\
         location / {{ return 200 '<html>the user interface</html>'; }}\n",
        cluster.server.url()
    ));
    cluster.server.grant_reader("User", "reporter-reads", "system:serviceaccount:shop:reporter");
    let token = json!({ "token": cluster.server.create_service_account_token("shop", "reporter") });
    let entry = |path: &str| format!("server: '{}{path}', certificate-authority-data: {}", rancher.url(), cluster.ca);
    for (name, path) in
        [("path-prefix", "/k8s/clusters/c-m-abc123"), ("path-prefix-slash", "/k8s/clusters/c-m-abc123/")]
    {
        expect_healthy(name, &doctor(&config(&entry(path), &token), &[]));
    }
    // Without the path it is the user interface that answers.
    let run = doctor(&config(&entry(""), &token), &[]);
    expect_fault("path-prefix-missing", &run, &["not-a-kubernetes-api"]);
}

#[test]
fn priority_and_fairness_refuses() {
    let Some(lab) = lab::require_apiserver() else { return };
    let cluster = Cluster::start(lab);
    let config = cluster.config(&cluster.server.url(), "");
    expect_healthy("api-priority-served", &doctor(&config, &[]));
    // A priority level without a single seat, for jane alone.
    let api = "/apis/flowcontrol.apiserver.k8s.io/v1";
    let limited = json!({
        "nominalConcurrencyShares": 0, "lendablePercent": 0, "borrowingLimitPercent": 0,
        "limitResponse": { "type": "Reject" },
    });
    cluster.server.create(
        &format!("{api}/prioritylevelconfigurations"),
        &json!({
            "apiVersion": "flowcontrol.apiserver.k8s.io/v1", "kind": "PriorityLevelConfiguration",
            "metadata": { "name": "full" }, "spec": { "type": "Limited", "limited": limited },
        }),
    );
    cluster.server.create(
        &format!("{api}/flowschemas"),
        &json!({
            "apiVersion": "flowcontrol.apiserver.k8s.io/v1", "kind": "FlowSchema", "metadata": { "name": "jane" },
            "spec": {
                "priorityLevelConfiguration": { "name": "full" }, "matchingPrecedence": 100,
                "rules": [{
                    "subjects": [{ "kind": "User", "user": { "name": "jane" } }],
                    "resourceRules": [{
                        "verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "clusterScope": true, "namespaces": ["*"],
                    }],
                    "nonResourceRules": [{ "verbs": ["*"], "nonResourceURLs": ["*"] }],
                }],
            },
        }),
    );
    // The server takes a moment to file requests by it; a run that meets that moment sees some of its requests refused.
    let deadline = Instant::now() + Duration::from_secs(60);
    let run = loop {
        let run = doctor(&config, &[]);
        if run.code == 1 && run.findings().iter().all(|finding| finding["confidence"] == "certain") {
            break run;
        }
        assert!(Instant::now() < deadline, "never throttled: {}", run.stdout);
    };
    expect_fault("api-priority-throttled", &run, &["api-priority-throttled"]);
    certain(&run, "api-priority-throttled");

    // Another's 429 has no such headers: that it limits is seen, and not who does. An eviction's is none of this.
    let (_, place) = network::serve("127.0.0.1:0", |mut stream| {
        let _ = stream.read(&mut [0; 4096]);
        let _ =
            stream.write_all(b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 4\r\nConnection: close\r\n\r\nslow");
    });
    cautious(&doctor(&self::config(&format!("server: 'http://{place}'"), &json!({})), &[]), "api-priority-throttled");
    let nowhere = self::config("server: 'https://127.0.0.1:1'", &opaque());
    let eviction = "Cannot evict pod as it would violate the pod's disruption budget.";
    let eviction = format!("error when evicting pods/\"web\" -n \"shop\" (will retry after 5s): {eviction}");
    silent(&doctor(&nowhere, &["--error", &eviction]), "api-priority-throttled");
    let met = "Error from server (TooManyRequests): the server has received too many requests and has asked us to try again later";
    let run = doctor(&nowhere, &["--error", met]);
    assert_eq!(run.finding("api-priority-throttled")["confidence"], "possible", "{}", run.stdout);
}

#[test]
fn proxies_of_the_environment() {
    if !network::own("route::proxies_of_the_environment") {
        return;
    }
    let Some(lab) = lab::require_apiserver() else { return };
    let cluster = Cluster::start(lab);
    network::resolv_conf("nameserver 10.0.0.53\n");
    let _names = NameServer::start(
        "10.0.0.53",
        &[("api.internal.test", at(&["10.1.2.3"])), ("api.public.test", at(&["203.0.113.7"]))],
    );
    let port = cluster.server.port();
    network::relay("10.1.2.3:6443", port);
    network::relay("203.0.113.7:6443", port);
    let private = cluster.config("https://api.internal.test:6443", "");
    let public = cluster.config("https://api.public.test:6443", "");
    let (place, targets, _) =
        network::connect_proxy(Connect::Answer("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"));
    let proxy = format!("http://{place}");
    let with =
        |config: &Path, list: &str| doctor_in(config, &[], &[("HTTPS_PROXY", proxy.as_str()), ("NO_PROXY", list)]);

    // The server is in a private network and answers directly; the proxy is not meant for it.
    let run = with(&private, "");
    expect_fault("no-proxy-missing", &run, &["no-proxy-missing", "proxy-connect-refused"]);
    certain(&run, "no-proxy-missing");
    assert!(all_steps(&run).contains("api.internal.test"), "{}", run.stdout);
    assert_eq!(targets.lock().expect("targets").first().map(String::as_str), Some("api.internal.test:6443"));
    // What looks as if it covered the name, and does not.
    let run = with(&public, "localhost,203.0.113.0/24");
    expect_fault("no-proxy-missing-network", &run, &["no-proxy-missing", "proxy-connect-refused"]);
    assert!(run.stdout.contains("Go does not resolve a name"), "{}", run.stdout);
    let run = with(&public, ".api.public.test");
    expect_fault("no-proxy-missing-dot", &run, &["no-proxy-missing", "proxy-connect-refused"]);
    // A public server that the proxy refuses: its rules are the cause, and the direct way is only told.
    let run = with(&public, "other.test");
    expect_fault("proxy-connect-refused-public", &run, &["proxy-connect-refused"]);
    silent(&run, "no-proxy-missing");
    assert!(all_steps(&run).contains("NO_PROXY"), "{}", run.stdout);
    // The fix, applied; and the name's parent, which Go takes for all below it.
    expect_healthy("no-proxy-right", &with(&private, "api.internal.test"));
    expect_healthy("no-proxy-parent", &with(&public, "localhost,public.test"));

    // An address that is none, which Go takes for a proxy all the same.
    let run = doctor_in(&public, &[], &[("HTTPS_PROXY", "proxy:port")]);
    expect_fault("proxy-unreachable-address", &run, &["proxy-unreachable"]);
    kubectl_says(lab, &public, &[("HTTPS_PROXY", "proxy:port")], "client-proxy");

    // What Go cannot read it goes without, and so does kubectl.
    for value in [" http://127.0.0.1:1", "http://user:pa%ss@127.0.0.1:1", ":::bad"] {
        let run = doctor_in(&public, &[], &[("HTTPS_PROXY", value)]);
        assert_eq!(run.code, 0, "{value}: {}", run.stdout);
        silent(&run, "proxy-unreachable");
    }
    // A name that nobody knows here, past a proxy or without one that is set for another scheme.
    let unknown = config("server: 'https://api.elsewhere.test:6443'", &opaque());
    for environment in [
        &[("HTTPS_PROXY", "http://127.0.0.1:1"), ("NO_PROXY", "elsewhere.test")][..],
        &[("HTTP_PROXY", "http://127.0.0.1:1")],
        &[("ALL_PROXY", "http://127.0.0.1:1")],
    ] {
        let run = doctor_in(&unknown, &[], environment);
        assert_eq!(run.codes()[0], "endpoint-name-not-found", "{}", run.stdout);
        assert!(all_steps(&run).contains("behind the proxy"), "{}", run.stdout);
    }

    // Dead, with and without a direct way.
    let dead = [("HTTPS_PROXY", "http://127.0.0.1:1")];
    let run = doctor_in(&private, &[], &dead);
    expect_fault("proxy-unreachable-environment", &run, &["proxy-unreachable"]);
    silent(&run, "no-proxy-missing");
    let nowhere = config("server: 'https://10.1.2.4:6443'", &opaque());
    let run = doctor_in(&nowhere, &[], &dead);
    expect_fault("proxy-unreachable-both", &run, &["proxy-unreachable"]);
    assert!(!all_steps(&run).contains("NO_PROXY"), "{}", run.stdout);
}

#[test]
fn names_that_lead_nowhere() {
    if !network::own("route::names_that_lead_nowhere") {
        return;
    }
    let Some(lab) = lab::require_apiserver() else { return };
    let cluster = Cluster::start(lab);
    let port = cluster.server.port();
    network::relay("10.1.2.3:6443", port);
    network::relay("203.0.113.7:6443", port);
    // Another server that the search domain's wildcard leads to, with another CA's certificate for its own name.
    let other = lab.pki.unrelated.sign_server("wildcard", &["wiki.corp.test"]);
    let wiki = Issuer::start(&other);
    network::relay("10.7.7.7:6443", port_of(&wiki));
    let own = NameServer::start(
        "10.0.0.53",
        &[
            ("api.here.test", at(&["10.1.2.3"])),
            ("hidden.example.com", Says::NoData),
            ("blocked.example.com", at(&["0.0.0.0"])),
            ("home.example.com", at(&["127.0.0.1"])),
            ("ill.example.com", Says::Failure),
            ("*.corp.test", at(&["10.7.7.7"])),
            ("api.prod", at(&["203.0.113.7"])),
        ],
    );
    let _second = NameServer::start("10.0.0.54", &[("api.zone.test", at(&["10.1.2.3"]))]);
    let known = ["hidden.example.com", "blocked.example.com", "home.example.com"];
    let _public = NameServer::start("9.9.9.9", &known.map(|name| (name, at(&["10.1.2.3"]))));
    let usual = "nameserver 10.0.0.53\noptions timeout:1 attempts:1\n";
    let asked = ["--public-resolver", "9.9.9.9"];
    let named = |name: &str| cluster.config(&format!("https://{name}:6443"), "");

    network::resolv_conf(usual);
    let healthy = doctor(&named("api.here.test"), &[]);
    expect_healthy("endpoint-name", &healthy);
    assert!(!healthy.stdout.contains("endpoint-names"), "{}", healthy.stdout);

    // No such name: mistyped, or a cluster that is gone.
    let run = doctor(&named("api.gone.test"), &asked);
    expect_fault("endpoint-name-not-found-public", &run, &["endpoint-name-not-found"]);
    silent(&run, "endpoint-stale");
    kubectl_says(lab, &named("api.gone.test"), &[], "client-name-not-found");
    let eks = named(EKS);
    let run = doctor(&eks, &[]);
    expect_fault("endpoint-stale-likely", &run, &["endpoint-stale", "endpoint-name-not-found"]);
    cautious(&run, "endpoint-stale");
    assert!(all_steps(&run).contains("--public-resolver"), "{}", run.stdout);
    let run = doctor(&eks, &asked);
    expect_fault("endpoint-stale", &run, &["endpoint-stale", "endpoint-name-not-found"]);
    certain(&run, "endpoint-stale");

    // The name is there, and its private addresses are taken out.
    let hidden = named("hidden.example.com");
    let run = doctor(&hidden, &asked);
    expect_fault("dns-rebinding-filter", &run, &["dns-rebinding-filter", "endpoint-name-not-found"]);
    certain(&run, "dns-rebinding-filter");
    // Without asking others that is not to be seen.
    let before = own.queries();
    silent(&doctor(&hidden, &[]), "dns-rebinding-filter");
    assert!(own.queries() > before);

    // The name is blocked, as Pi-hole and others do it: with an address that leads every machine to itself.
    for name in ["blocked.example.com", "home.example.com"] {
        let run = doctor(&named(name), &asked);
        let case = format!("dns-rebinding-filter-{}", name.split('.').next().unwrap_or_default());
        expect_fault(&case, &run, &["dns-rebinding-filter", "api-connection-refused"]);
        certain(&run, "dns-rebinding-filter");
        cautious(&run, "api-connection-refused");
        assert!(run.findings()[0]["why"].to_string().contains(name), "{}", run.stdout);
    }
    let run = doctor(&named("blocked.example.com"), &[]);
    assert_eq!(run.codes()[0], "dns-rebinding-filter", "{}", run.stdout);
    cautious(&run, "dns-rebinding-filter");
    // A name may be published at 127.0.0.1 for a server of one's own.
    let run = doctor(&named("home.example.com"), &[]);
    expect_fault("api-connection-refused-own-address", &run, &["api-connection-refused"]);
    silent(&run, "dns-rebinding-filter");
    cautious(&run, "api-connection-refused");
    assert!(all_steps(&run).contains("--public-resolver"), "{}", run.stdout);

    // The resolver fails: whether the name exists is not known.
    let run = doctor(&named("ill.example.com"), &[]);
    expect_fault("dns-resolver-unreachable-failing", &run, &["dns-resolver-unreachable"]);
    kubectl_says(lab, &named("ill.example.com"), &[], "client-no-resolver");
    cautious(&run, "dns-resolver-unreachable");
    silent(&run, "endpoint-name-not-found");
    network::resolv_conf("nameserver 10.0.0.99\noptions timeout:1 attempts:1\n");
    let run = doctor(&named("api.here.test"), &[]);
    expect_fault("dns-resolver-unreachable", &run, &["dns-resolver-unreachable"]);
    kubectl_says(lab, &named("api.here.test"), &[], "client-no-resolver");
    certain(&run, "dns-resolver-unreachable");
    silent(&run, "endpoint-name-not-found");
    // Silence, at the system's own pace: 5 s and twice.
    let _mute = std::net::UdpSocket::bind("10.0.0.98:53").expect("a port");
    network::resolv_conf("nameserver 10.0.0.98\n");
    let run = doctor(&named("api.here.test"), &[]);
    expect_fault("dns-resolver-unreachable-silent", &run, &["dns-resolver-unreachable"]);
    certain(&run, "dns-resolver-unreachable");

    // Two resolvers that see different zones: the first one's word counts.
    network::resolv_conf("nameserver 10.0.0.53\nnameserver 10.0.0.54\noptions timeout:1\n");
    let run = doctor(&named("api.zone.test"), &[]);
    expect_fault("private-zone-not-visible", &run, &["private-zone-not-visible", "endpoint-name-not-found"]);
    certain(&run, "private-zone-not-visible");
    network::resolv_conf("nameserver 10.0.0.54\nnameserver 10.0.0.53\n");
    expect_healthy("private-zone-visible", &doctor(&named("api.zone.test"), &[]));

    // A search domain's wildcard answers for a name that has one of its own, and for one that has none.
    network::resolv_conf("nameserver 10.0.0.53\nsearch corp.test\noptions ndots:5\n");
    let captured = named("api.prod");
    let run = doctor(&captured, &[]);
    expect_fault("dns-search-capture", &run, &["dns-search-capture"]);
    certain(&run, "dns-search-capture");
    assert!(run.stdout.contains("api.prod.corp.test"), "{}", run.stdout);
    let run = doctor(&named("api.gone.test"), &[]);
    expect_fault("dns-search-capture-gone", &run, &["dns-search-capture"]);
    // The fix: a dot at the end. The certificate is still checked by its own name.
    let run = doctor(&named("api.prod."), &[]);
    expect_healthy("dns-search-absolute", &run);
    network::resolv_conf("nameserver 10.0.0.53\nsearch corp.test\n");
    expect_healthy("dns-search-last", &doctor(&captured, &[]));
    // A short name that is meant to be completed is no capture, even where the server there is another one.
    silent(&doctor(&named("wiki"), &[]), "dns-search-capture");
}

#[test]
fn addresses_that_lead_nowhere() {
    if !network::own("route::addresses_that_lead_nowhere") {
        return;
    }
    let Some(lab) = lab::require_apiserver() else { return };
    let cluster = Cluster::start(lab);
    let port = cluster.server.port();
    network::relay("203.0.113.7:443", port);
    network::relay("203.0.113.8:443", port);
    let _private = network::dropped("10.1.2.3:443");
    let _public = network::dropped("203.0.113.9:443");
    // The one IPv6 address that there is; no route leads to any other.
    network::ip("-6 address add 2001:db8:1::1/128 dev lo");
    let _slow = network::dropped("[2001:db8:1::1]:443");
    network::ip("route add unreachable 192.0.2.0/24");
    network::ip("route add prohibit 198.18.5.5");
    network::ip("route add blackhole 198.18.5.6");
    let eks = |number: u8| format!("0123456789ABCDEF0123456789ABCD{number:02}.gr7.eu-central-1.eks.amazonaws.com");
    let _names = NameServer::start(
        "10.0.0.53",
        &[
            (&eks(1), at(&["10.1.2.3"])),
            (&eks(2), at(&["203.0.113.9"])),
            (&eks(3), at(&["203.0.113.7"])),
            (&eks(4), at(&["203.0.113.9"])),
            ("silent.example.com", at(&["203.0.113.9"])),
            ("six.example.com", at(&["2001:db8:2::1"])),
            ("slow.example.com", at(&["2001:db8:1::1", "203.0.113.7"])),
            ("dual.example.com", at(&["2001:db8:2::1", "203.0.113.7"])),
            ("half.example.com", at(&["203.0.113.1", "203.0.113.8"])),
            ("unrouted.example.com", at(&["192.0.2.7"])),
        ],
    );
    network::resolv_conf("nameserver 10.0.0.53\n");
    let named = |name: &str| cluster.config(&format!("https://{name}"), "");

    let run = doctor(&named(&eks(1)), &[]);
    expect_fault("endpoint-private-off-network", &run, &["endpoint-private-off-network", "api-connection-timeout"]);
    cautious(&run, "endpoint-private-off-network");
    assert!(all_steps(&run).contains("describe-cluster"), "{}", run.stdout);
    let run = doctor(&named("10.1.2.3"), &[]);
    expect_fault("endpoint-private-address", &run, &["endpoint-private-off-network", "api-connection-timeout"]);
    assert_eq!(run.findings()[0]["confidence"], "possible", "{}", run.stdout);
    let run = doctor(&named(&eks(2)), &[]);
    expect_fault("public-access-cidr-blocked", &run, &["public-access-cidr-blocked", "api-connection-timeout"]);
    cautious(&run, "public-access-cidr-blocked");
    expect_healthy("public-access", &doctor(&named(&eks(3)), &[]));
    // A machine with a public address of its own: nobody translates it, so AWS' list decides.
    let aws = Aws::start();
    network::ip("address add 198.51.100.77/32 dev lo");
    network::ip("route replace local 203.0.113.0/24 dev lo src 198.51.100.77");
    let listed = |cidrs: serde_json::Value| {
        aws.edit("eks:DescribeCluster", "/cluster/resourcesVpcConfig/endpointPublicAccess", json!(true));
        aws.edit("eks:DescribeCluster", "/cluster/resourcesVpcConfig/publicAccessCidrs", cidrs);
        let arguments = ["--eks-cluster", "prod", "--region", "eu-west-1", "--logs", "off"];
        let variables = aws.variables();
        let variables: Vec<(&str, &str)> =
            variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        doctor_in(&named(&eks(2)), &arguments, &variables)
    };
    let run = listed(json!(["192.0.2.0/24"]));
    expect_fault("public-access-cidr-without-own", &run, &["public-access-cidr-blocked", "api-connection-timeout"]);
    certain(&run, "public-access-cidr-blocked");
    assert!(all_steps(&run).contains("publicAccessCidrs=192.0.2.0/24,198.51.100.77/32"), "{}", run.stdout);
    let run = listed(json!(["192.0.2.0/24", "198.51.100.0/24"]));
    expect_fault("public-access-cidr-with-own", &run, &["api-connection-timeout"]);
    silent(&run, "public-access-cidr-blocked");
    network::ip("route replace local 203.0.113.0/24 dev lo src 192.168.77.2");
    // Silence at a name of nobody's known pattern stays what it is.
    let run = doctor(&named("silent.example.com"), &[]);
    expect_fault("api-connection-timeout-public", &run, &["api-connection-timeout"]);
    silent(&run, "public-access-cidr-blocked");
    silent(&run, "endpoint-private-off-network");

    // The resolver that is believed gives the public addresses, the other one knows the private zone.
    let _vpc = NameServer::start("10.0.0.2", &[(&eks(4), at(&["10.1.2.9"]))]);
    network::resolv_conf("nameserver 10.0.0.53\nnameserver 10.0.0.2\n");
    let run = doctor(&named(&eks(4)), &[]);
    let codes = ["private-zone-not-visible", "public-access-cidr-blocked", "api-connection-timeout"];
    expect_fault("private-zone-public-answer", &run, &codes);
    cautious(&run, "private-zone-not-visible");
    network::resolv_conf("nameserver 10.0.0.53\n");

    let run = doctor(&named("unrouted.example.com"), &[]);
    expect_fault("api-host-unreachable", &run, &["api-host-unreachable"]);
    kubectl_says(lab, &named("unrouted.example.com"), &[], "client-unreachable");
    kubectl_says(lab, &named("six.example.com"), &[], "client-no-network");
    certain(&run, "api-host-unreachable");
    // What this machine forbids by itself.
    for (name, address) in [("prohibit", "198.18.5.5"), ("blackhole", "198.18.5.6")] {
        let run = doctor(&named(address), &[]);
        expect_fault(&format!("api-host-unreachable-{name}"), &run, &["api-host-unreachable"]);
        certain(&run, "api-host-unreachable");
        let title = run.finding("api-host-unreachable")["title"].to_string();
        assert!(title.contains("This machine forbids the way"), "{}", run.stdout);
        kubectl_says(lab, &named(address), &[], "client-unreachable");
    }
    let run = doctor(&named("six.example.com"), &[]);
    expect_fault("ip-family-unreachable", &run, &["ip-family-unreachable", "api-host-unreachable"]);
    let run = doctor(&named("slow.example.com"), &[]);
    expect_warning("ip-family-slow", &run, &["ip-family-unreachable"]);
    // A family without a route fails at once and hurts nobody; a dead address beside a live one neither.
    expect_healthy("ip-family-both", &doctor(&named("dual.example.com"), &[]));
    // Somebody whose client does not fall back has met it, though.
    let met = "Unable to connect to the server: dial tcp [2001:db8:2::1]:443: connect: network is unreachable";
    let run = doctor(&named("dual.example.com"), &["--error", met]);
    expect_warning("ip-family-told", &run, &["ip-family-unreachable"]);
    assert!(run.stdout.contains("/asked/error"), "{}", run.stdout);
    expect_healthy("api-connection-half", &doctor(&named("half.example.com"), &[]));
}

#[test]
fn fifty_contexts_take_as_long_as_one() {
    let Some(lab) = lab::require_apiserver() else { return };
    let cluster = Cluster::start(lab);
    let (_, mute) = network::serve("127.0.0.1:0", |stream| {
        std::thread::sleep(Duration::from_secs(120));
        drop(stream);
    });
    let path = scratch("kubeconfig").join("config");
    let server = |number: usize| match number {
        0..25 => cluster.server.url(),
        25..34 => "https://127.0.0.1:1".to_owned(),
        34..42 => format!("https://no-such-host-{number}.invalid:6443"),
        _ => format!("https://{mute}"),
    };
    // The dead ones stand between the others.
    let order: Vec<usize> = (0..50).map(|at| (at * 7) % 50).collect();
    let mut text = String::from("apiVersion: v1\nkind: Config\ncurrent-context: gone\nusers:\n");
    text.push_str(&format!("- name: u\n  user: {}\nclusters:\n", cluster.user));
    for number in &order {
        text.push_str(&format!(
            "- name: c{number}\n  cluster: {{server: '{}', certificate-authority-data: {}}}\n",
            server(*number),
            cluster.ca
        ));
    }
    text.push_str("contexts:\n");
    for number in &order {
        text.push_str(&format!("- name: ctx{number}\n  context: {{cluster: c{number}, user: u}}\n"));
    }
    fs::write(&path, text).expect("a kubeconfig");
    let run = |arguments: &[&str]| {
        let started = Instant::now();
        let output =
            command().args(["doctor", "--kubeconfig"]).arg(&path).args(arguments).output().expect("kaccess runs");
        (output, started.elapsed())
    };
    // 25 handshakes and reviews share this machine with the servers, which a debug build feels; and they take turns, so
    // that the last of the silent ones is begun late. Where the machine is busy meanwhile, it is measured again.
    let mut tries = 0;
    let output = loop {
        tries += 1;
        let (_, slowest) = run(&["--context", "ctx49"]);
        let (output, all) = run(&["--all-contexts", "-o", "json"]);
        lab::tell(&format!("50 contexts, 25 of them dead: {all:?}; the slowest alone: {slowest:?}"));
        if all < slowest + Duration::from_secs(10) {
            break output;
        }
        assert!(tries < 4, "{all:?} for all, {slowest:?} for the slowest");
    };
    assert_eq!(output.status.code(), Some(1));
    let list: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    crate::support::schema::hold(&list);
    assert_eq!(
        (list["kind"].as_str(), list["apiVersion"].as_str()),
        (Some("DoctorReportList"), Some("kaccess.dev/v1"))
    );
    let items = list["items"].as_array().expect("items");
    assert_eq!(items.len(), 50);
    let verdicts: Vec<&str> = items.iter().filter_map(|item| item["verdict"].as_str()).collect();
    assert_eq!(verdicts, [["problems"; 25], ["healthy"; 25]].concat(), "the worst first");
    for item in items {
        let number: usize =
            item["context"].as_str().and_then(|name| name.strip_prefix("ctx")?.parse().ok()).expect("a name");
        let code = item["findings"][0]["code"].as_str();
        let expected = match number {
            0..25 => None,
            25..34 => Some("api-connection-refused"),
            34..42 => Some("endpoint-name-not-found"),
            _ => Some("tls-handshake-timeout"),
        };
        assert_eq!(code, expected, "ctx{number}: {item}");
        assert_eq!(item["kind"], "DoctorReport");
    }
    let (output, _) = run(&["--all-contexts"]);
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.iter().filter(|line| line.starts_with("PROBLEMS  ctx")).count(), 25, "{text}");
    assert_eq!(lines.iter().filter(|line| line.starts_with("HEALTHY   ctx")).count(), 25, "{text}");
    assert!(lines[0].starts_with("PROBLEMS") && lines[49].contains("you are jane"), "{text}");
    assert!(text.contains("50 contexts: 25 with problems, 0 unknown, 25 healthy"), "{text}");
    let (output, _) = run(&["--all-contexts", "--short"]);
    let short = String::from_utf8(output.stdout).expect("UTF-8");
    assert_eq!(
        short.lines().filter(|line| line.starts_with("ctx") && line.contains(": error certain ")).count(),
        25,
        "{short}"
    );
    assert_eq!(short.lines().filter(|line| line.ends_with(": healthy: no finding")).count(), 25, "{short}");
    // What is given by hand for one cluster is not shown to fifty.
    let (output, _) = run(&["--all-contexts", "--token", "opaque-token-of-a-test"]);
    assert_eq!(output.status.code(), Some(2));
    let (output, _) = run(&["--all-contexts", "--context", "ctx1"]);
    assert_eq!(output.status.code(), Some(2));
}

/// The network of the test has every address of 10.0.0.0/8 on it and nothing beside it, and its kernel counts each
/// connection that anybody begins and each datagram sent, to whatever address. The servers count what came to them:
/// where both sums agree, nothing went to an address that is not theirs. It says nothing of addresses outside of those
/// routes (the kernel refuses them uncounted), nor of commands other than doctor.
#[test]
fn connections_go_only_where_they_belong() {
    if !network::own("route::connections_go_only_where_they_belong") {
        return;
    }
    let Some(lab) = lab::require_apiserver() else { return };
    // Every other address is local too, so that a connection to it is begun and counted.
    network::ip("route add local default dev lo src 192.168.77.2");
    let names = NameServer::start(
        "10.0.0.53",
        &[
            ("api.log.test", at(&["10.1.2.3"])),
            ("issuer.log.test", at(&["10.1.2.4"])),
            ("proxy.log.test", at(&["10.1.2.5"])),
        ],
    );
    network::resolv_conf("nameserver 10.0.0.53\n");
    let api = Issuer::start(&lab.pki.server);
    api.serve("/version", Page::json(&json!({ "major": "1", "gitVersion": "v1.36.0" })));
    let issuer = Issuer::start(&lab.pki.ca.sign_server("issuer-of-the-log", &["issuer.log.test"]));
    let discovery = json!({ "issuer": "https://issuer.log.test", "jwks_uri": "https://issuer.log.test/keys" });
    issuer.serve("/.well-known/openid-configuration", Page::json(&discovery));
    issuer.serve("/keys", Page::json(&json!({ "keys": [] })));
    let (to_api, _) = network::relay("10.1.2.3:443", port_of(&api));
    let (to_issuer, _) = network::relay("10.1.2.4:443", port_of(&issuer));
    let (behind, targets, _) = network::connect_proxy(Connect::Tunnel(port_of(&api)));
    let (to_proxy, _) = network::relay("10.1.2.5:3128", behind.port());

    let encode = |value: &Value| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(value.to_string());
    let claims =
        json!({ "iss": "https://issuer.log.test", "sub": "jane", "aud": "kubernetes", "exp": 4_000_000_000_u64 });
    let token = format!("{}.{}.c2lnbmF0dXJl", encode(&json!({ "alg": "RS256", "kid": "k" })), encode(&claims));
    let ca = base64::engine::general_purpose::STANDARD.encode(fs::read(&lab.pki.ca.cert).expect("a CA"));
    let cluster =
        format!("server: 'https://api.log.test', certificate-authority-data: {ca}, tls-server-name: localhost");
    let user = json!({ "token": token });
    let issuer_ca = lab.pki.ca.cert.to_string_lossy().into_owned();
    let arguments = ["--oidc-ca-file", issuer_ca.as_str()];

    // The counter sees what nobody answers.
    let before = network::counters();
    assert!(std::net::TcpStream::connect("198.51.100.7:80").is_err());
    assert_eq!(network::counters(), (before.0 + 1, before.1));

    let sums = || {
        let count = |counter: &std::sync::Arc<std::sync::atomic::AtomicUsize>| counter.load(Ordering::SeqCst) as u64;
        let tunnels = targets.lock().expect("targets").len() as u64;
        // A relay begins a connection of its own for each that comes, and a proxy for each tunnel.
        (
            2 * (count(&to_api) + count(&to_issuer) + count(&to_proxy)) + tunnels,
            // A question and its answer.
            2 * names.queries() as u64,
        )
    };
    for (name, config, environment) in [
        ("straight", config(&cluster, &user), None),
        ("through a proxy", config(&cluster, &user), Some(("HTTPS_PROXY", "http://proxy.log.test:3128"))),
    ] {
        let (counted, served) = (network::counters(), sums());
        let environment: Vec<(&str, &str)> = environment.into_iter().chain([("NO_PROXY", "issuer.log.test")]).collect();
        let run = doctor_in(&config, &arguments, &environment);
        // The last connections may still wait to be taken.
        let deadline = Instant::now() + Duration::from_secs(30);
        let (begun, theirs) = loop {
            let (now, seen) = (network::counters(), sums());
            let begun = (now.0 - counted.0, now.1 - counted.1);
            let theirs = (seen.0 - served.0, seen.1 - served.1);
            if begun == theirs || Instant::now() > deadline {
                break (begun, theirs);
            }
            std::thread::sleep(Duration::from_millis(50));
        };
        assert_eq!(begun, theirs, "{name}: connections and datagrams begun, and those that the servers saw");
        assert!(begun.0 >= 4 && begun.1 >= 4, "{name}: {begun:?} {}", run.stdout);
        assert!(run.stdout.contains("issuer-discovery"), "{}", run.stdout);
    }
    assert!(!targets.lock().expect("targets").is_empty());
    assert!(targets.lock().expect("targets").iter().all(|target| target == "api.log.test:443"));
    // Offline is offline.
    let before = network::counters();
    doctor(&config(&cluster, &user), &["--offline"]);
    assert_eq!(network::counters(), before);
}

fn port_of(server: &Issuer) -> u16 {
    let url = url::Url::parse(&server.url("x")).expect("a URL");
    url.port().expect("a port")
}
