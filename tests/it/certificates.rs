//! Client certificates, proxies that vouch for people, and what stands behind the API server, made for real.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::lab::apiserver::certificate_user;
use crate::support::lab::pki::Identity;
use crate::support::lab::{self, ApiServer, Lab, Nginx, Options, Rule};
use crate::support::run::{Run, doctor, expect_fault, expect_healthy, expect_warning, scratch};

fn certain(run: &Run, code: &str) {
    assert_eq!(run.finding(code)["confidence"], "certain", "{}", run.stdout);
}

fn likely(run: &Run, code: &str) {
    assert_eq!(run.finding(code)["confidence"], "likely", "{}", run.stdout);
}

/// A port that nobody listens on.
fn closed_port() -> u16 {
    lab::process::free_port()
}

#[test]
fn client_certificates() {
    let Some(lab) = lab::require_apiserver() else { return };
    let server = ApiServer::start(lab, Options::default());
    server.create_reader_role();
    server.grant_reader("User", "jane-reads", "jane");
    server.grant_reader("Group", "backend-reads", "backend");
    let ca = &lab.pki.ca;
    let config = |name: &str, identity: &Identity| server.kubeconfig_with(name, certificate_user(identity));
    let log = server.log_path().to_string_lossy().into_owned();
    let logged = ["--log", log.as_str()];

    // A server's certificate.
    let server_usage = config("server-usage", &lab.pki.server);
    let run = doctor(&server_usage, &[]);
    expect_fault("client-certificate-wrong-usage", &run, &["client-certificate-wrong-usage", "credential-rejected"]);
    certain(&run, "client-certificate-wrong-usage");
    server.wait_logged("incompatible key usage");
    let run = doctor(&server_usage, &logged);
    expect_fault("client-certificate-wrong-usage-log", &run, &["client-certificate-wrong-usage"]);
    assert!(run.findings()[0]["evidence"].to_string().contains("/controlPlane/log"), "{}", run.stdout);

    // Another cluster's.
    let foreign = config("foreign", &lab.pki.foreign_client);
    let run = doctor(&foreign, &[]);
    expect_fault("client-certificate-untrusted", &run, &["client-certificate-untrusted", "credential-rejected"]);
    certain(&run, "client-certificate-untrusted");
    let run = doctor(&foreign, &logged);
    expect_fault("client-certificate-untrusted-log", &run, &["client-certificate-untrusted"]);
    certain(&run, "client-certificate-untrusted");
    assert!(run.findings()[0]["evidence"].to_string().contains("/controlPlane/log"), "{}", run.stdout);
    // The cluster was made anew: a CA of the same name, with another key.
    let namesake = lab::pki::Authority::create(&lab.dir("namesake"), "kaccess-lab-ca");
    let old = config("namesake", &namesake.sign_client_between("jane-old", "jane", &["backend"], (-1, 364)));
    let run = doctor(&old, &[]);
    expect_fault("client-certificate-untrusted-namesake", &run, &["client-certificate-untrusted"]);
    likely(&run, "client-certificate-untrusted");

    // Nobody's name.
    let nameless = config("nameless", &ca.sign_nameless("nameless", &["backend"]));
    let run = doctor(&nameless, &[]);
    expect_fault(
        "client-certificate-no-common-name",
        &run,
        &["client-certificate-no-common-name", "credential-rejected"],
    );
    certain(&run, "client-certificate-no-common-name");

    // Good ones that will not stay so, or are too good.
    let soon = ca.sign_client_between("jane-soon", "jane", &["backend"], (-353, 12));
    expect_warning(
        "client-certificate-expires-soon",
        &doctor(&config("soon", &soon), &[]),
        &["client-certificate-expires-soon"],
    );
    let long = ca.sign_client_between("jane-long", "jane", &["backend"], (-1, 3650));
    expect_warning(
        "client-certificate-long-lived",
        &doctor(&config("long", &long), &[]),
        &["client-certificate-long-lived"],
    );
    let masters = ca.sign_client_between("root", "root", &["system:masters"], (-1, 364));
    expect_warning(
        "privileged-group-from-certificate",
        &doctor(&config("masters", &masters), &[]),
        &["privileged-group-from-certificate"],
    );
    let reserved = ca.sign_client_between("jane-reserved", "jane", &["system:developers"], (-1, 364));
    expect_warning("reserved-group-prefix", &doctor(&config("reserved", &reserved), &[]), &["reserved-group-prefix"]);

    // The group that the binding names is not in the certificate; then it is.
    let alone = ca.sign_client_between("tom", "tom", &[], (-1, 364));
    let run = doctor(&config("tom", &alone), &[]);
    expect_fault("client-certificate-group-missing", &run, &["client-certificate-group-missing", "rbac-no-grant"]);
    let unit = ca.sign_unit("tom-unit", "tom", "backend");
    let run = doctor(&config("tom-unit", &unit), &[]);
    expect_fault("client-certificate-group-unit", &run, &["client-certificate-group-missing", "rbac-no-grant"]);
    let joined = ca.sign_client_between("tom-joined", "tom", &["backend,frontend"], (-1, 364));
    let run = doctor(&config("tom-joined", &joined), &[]);
    expect_fault("client-certificate-groups-joined", &run, &["client-certificate-group-missing", "rbac-no-grant"]);
    let right = ca.sign_client_between("tom-right", "tom", &["backend"], (-1, 364));
    expect_healthy("client-certificate-group", &doctor(&config("tom-right", &right), &[]));

    // A password, which no API server looks at.
    let run = doctor(&server.kubeconfig_with("basic", json!({ "username": "jane", "password": "jane-password" })), &[]);
    expect_fault("basic-auth-removed", &run, &["basic-auth-removed", "anonymous-request"]);
    certain(&run, "basic-auth-removed");
}

/// An nginx that logs people in by password and vouches for them, and the kubeconfig of whoever comes through it.
struct Front {
    nginx: Nginx,
    users: PathBuf,
    upstream: String,
}

impl Front {
    fn start(lab: &Lab, server: &ApiServer) -> Self {
        let nginx = Nginx::start_before(lab, server.port(), Rule::AllowAll);
        let users = nginx.dir().join("users");
        fs::write(&users, "alice:{PLAIN}alice-password\n").expect("a password file");
        Self { nginx, users, upstream: server.url() }
    }

    /// Passes everything on, with this client certificate (or none) and these further lines.
    fn set(&mut self, identity: Option<&Identity>, lines: &str) {
        let certificate = identity.map_or_else(String::new, |identity| {
            format!(
                "proxy_ssl_certificate {};\nproxy_ssl_certificate_key {};\n",
                identity.cert.display(),
                identity.key.display()
            )
        });
        let text = format!(
            "location / {{\nproxy_pass {};\nproxy_http_version 1.1;\nproxy_set_header Connection \"\";\n{certificate}{lines}\n}}\n",
            self.upstream
        );
        self.nginx.set_locations(&text);
    }

    /// With a login before it, whose name is passed on.
    fn set_login(&mut self, identity: Option<&Identity>, lines: &str) {
        let login = format!(
            "auth_basic kubernetes;\nauth_basic_user_file {};\nproxy_set_header Authorization \"\";\n{lines}",
            self.users.display()
        );
        self.set(identity, &login);
    }

    fn kubeconfig(&self, server: &ApiServer, name: &str, users: &[(&str, Value)]) -> PathBuf {
        let text =
            server.kubeconfig_text(users).replace(&server.url(), &self.nginx.url().replace("localhost", "127.0.0.1"));
        let path = scratch("front").join(format!("{name}.kubeconfig"));
        fs::write(&path, text).expect("a kubeconfig");
        path
    }
}

const NAMES: &str = "proxy_set_header X-Remote-User $remote_user;\nproxy_set_header X-Remote-Group frontend;";

#[test]
fn proxies_in_front() {
    let Some(lab) = lab::require() else { return };
    let server = ApiServer::start(lab, Options::default());
    server.create_reader_role();
    server.grant_reader("Group", "frontend-reads", "frontend");
    server.grant_reader("User", "jane-reads", "jane");
    let log = server.log_path().to_string_lossy().into_owned();
    let logged = ["--log", log.as_str()];
    let mut front = Front::start(lab, &server);
    let good = lab.pki.front_proxy.clone();
    let password = json!({ "username": "alice", "password": "alice-password" });
    let config = front.kubeconfig(&server, "alice", &[("alice", password.clone())]);

    front.set_login(Some(&good), NAMES);
    expect_healthy("front-proxy", &doctor(&config, &[]));

    // Its certificate has a name that is not allowed.
    let other = lab.pki.front_proxy_ca.sign_client_between("other-proxy", "other-proxy", &[], (-1, 364));
    front.set_login(Some(&other), NAMES);
    let run = doctor(&config, &[]);
    expect_fault("front-proxy-refused-bare", &run, &["credential-rejected"]);
    assert!(run.findings()[0]["candidates"].to_string().contains("front-proxy-name-not-allowed"), "{}", run.stdout);
    let run = doctor(&config, &logged);
    expect_fault("front-proxy-name-not-allowed", &run, &["front-proxy-name-not-allowed", "credential-rejected"]);
    certain(&run, "front-proxy-name-not-allowed");

    // A certificate of a CA that nobody knows.
    let clean = |name: &str| {
        // Each fault is read from a log that holds only it.
        let path = scratch("log").join(format!("{name}.log"));
        let text = server.log();
        let start = text.len();
        (path, start)
    };
    let since = |(path, start): (PathBuf, usize)| {
        fs::write(&path, &server.log()[start..]).expect("a log");
        path.to_string_lossy().into_owned()
    };
    let mark = clean("ca");
    let stranger = lab.pki.unrelated.sign_client_between("stranger", "front-proxy-client", &[], (-1, 364));
    front.set_login(Some(&stranger), NAMES);
    doctor(&config, &[]);
    let file = since(mark);
    let run = doctor(&config, &["--log", &file]);
    expect_fault("front-proxy-ca-mismatch", &run, &["front-proxy-ca-mismatch", "credential-rejected"]);
    certain(&run, "front-proxy-ca-mismatch");

    // No header, then one that the API server does not read.
    let flags = scratch("flags").join("flags");
    let known = "kube-apiserver --client-ca-file=ca.crt --requestheader-client-ca-file=front.crt --requestheader-allowed-names=front-proxy-client --requestheader-username-headers=X-Remote-User --service-account-issuer=https://kubernetes.default.svc";
    fs::write(&flags, known).expect("a file");
    let flags = flags.to_string_lossy().into_owned();
    for (name, lines) in [
        ("front-proxy-header-missing", "proxy_set_header X-Remote-Group frontend;"),
        ("front-proxy-header-other", "proxy_set_header X-Forwarded-User $remote_user;"),
    ] {
        let mark = clean(name);
        front.set_login(Some(&good), lines);
        doctor(&config, &[]);
        let file = since(mark);
        let run = doctor(&config, &["--log", &file]);
        expect_fault(&format!("{name}-log"), &run, &["front-proxy-header-missing", "credential-rejected"]);
        likely(&run, "front-proxy-header-missing");
        let run = doctor(&config, &["--log", &file, "--apiserver-config", &flags]);
        expect_fault(name, &run, &["front-proxy-header-missing", "credential-rejected"]);
        certain(&run, "front-proxy-header-missing");
    }

    // No certificate at all: the headers count for nothing.
    front.set_login(None, NAMES);
    let run = doctor(&config, &[]);
    expect_fault("front-proxy-not-configured", &run, &["front-proxy-not-configured", "anonymous-request"]);
    certain(&run, "front-proxy-not-configured");

    // The same group for everybody, and what it may be.
    front.set_login(
        Some(&good),
        "proxy_set_header X-Remote-User $remote_user;\nproxy_set_header X-Remote-Group system:masters;",
    );
    let run = doctor(&config, &[]);
    expect_warning("privileged-group-from-front-proxy", &run, &["privileged-group-from-front-proxy"]);
    certain(&run, "privileged-group-from-front-proxy");
    server.create(
        "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
        &json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": { "name": "everybody" },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin" },
            "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "everybody" }],
        }),
    );
    server.settle();
    front.set_login(
        Some(&good),
        "proxy_set_header X-Remote-User $remote_user;\nproxy_set_header X-Remote-Group everybody;",
    );
    let run = doctor(&config, &[]);
    expect_warning("privileged-group-from-front-proxy-bound", &run, &["privileged-group-from-front-proxy"]);
    likely(&run, "privileged-group-from-front-proxy");

    // A balancer that ends TLS: the client certificate stays with it. The API server's own address is the fix.
    front.set(None, "");
    let jane = certificate_user(&lab.pki.client);
    let run = doctor(&front.kubeconfig(&server, "jane", &[("jane", jane.clone())]), &[]);
    expect_fault("tls-terminated-before-api-server", &run, &["tls-terminated-before-api-server", "anonymous-request"]);
    certain(&run, "tls-terminated-before-api-server");
    expect_healthy("tls-passed-through", &doctor(&server.kubeconfig_with("jane", jane), &[]));

    // An API server that has no CA for front proxies.
    let mut server = server;
    server.restart_without("--requestheader");
    front.set_login(Some(&good), NAMES);
    let mark = server.log().len();
    let users = [("alice", password), ("admin", server.admin_user())];
    let config = front.kubeconfig(&server, "alice", &users);
    doctor(&config, &[]);
    let file = scratch("log").join("not-configured.log");
    fs::write(&file, &server.log()[mark..]).expect("a log");
    let flags = scratch("flags").join("flags");
    fs::write(&flags, "kube-apiserver --client-ca-file=ca.crt --service-account-issuer=https://kubernetes.default.svc")
        .expect("a file");
    let arguments = ["--log", &file.to_string_lossy(), "--apiserver-config", &flags.to_string_lossy()];
    let run = doctor(&config, &arguments);
    expect_fault("front-proxy-without-ca", &run, &["front-proxy-not-configured", "credential-rejected"]);
    certain(&run, "front-proxy-not-configured");
}

/// What kubectl prints on stderr.
fn kubectl(lab: &Lab, config: &Path, arguments: &[&str]) -> String {
    let output = Command::new(lab.kubectl())
        .env_clear()
        .env("HOME", scratch("kubectl"))
        .arg("--kubeconfig")
        .arg(config)
        .args(arguments)
        .output()
        .expect("kubectl runs");
    assert!(!output.status.success(), "kubectl {arguments:?} succeeded");
    String::from_utf8_lossy(&output.stderr).trim().to_owned()
}

fn node(server: &ApiServer, name: &str, address: &str, port: u16) {
    let body = json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": name } });
    server.create("/api/v1/nodes", &body);
    let status = json!({ "status": {
        "addresses": [{ "type": "InternalIP", "address": address }],
        "daemonEndpoints": { "kubeletEndpoint": { "Port": port } },
    } });
    let (code, answer) = server.api("PATCH", &format!("/api/v1/nodes/{name}/status"), Some(&status));
    assert_eq!(code, 200, "{answer}");
    let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name, "namespace": "default" },
        "spec": { "nodeName": name, "containers": [{ "name": "main", "image": "none" }] } });
    server.create_namespace("default");
    server.create("/api/v1/namespaces/default/pods", &pod);
}

fn operator(lab: &Lab, server: &ApiServer) -> PathBuf {
    server.create(
        "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
        &json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": { "name": "operators" },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin" },
            "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "operators" }],
        }),
    );
    server.settle();
    let identity = lab.pki.ca.sign_client_between("oscar", "oscar", &["operators"], (-1, 364));
    server.kubeconfig_with("oscar", certificate_user(&identity))
}

#[test]
fn behind_the_api_server() {
    let Some(lab) = lab::require() else { return };
    // A proxy that connects to nothing, for addresses that are not loopback.
    let proxy = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = proxy.local_addr().expect("an address");
    std::thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        for mut stream in proxy.incoming().flatten() {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
    });
    let server = ApiServer::start(lab, Options::default().env("HTTPS_PROXY", format!("http://{address}")));
    let config = operator(lab, &server);
    expect_healthy("kubelets", &doctor(&config, &[]));

    // The kubelet's part is played by an nginx with the kubelet's texts; the API server and kubectl are real.
    let mut kubelet = Nginx::start_before(lab, closed_port(), Rule::AllowAll);
    kubelet.set_locations(
        "location /containerLogs/default/unauthorized/ { return 401 Unauthorized; }\n\
         location /containerLogs/default/forbidden/ { return 403 'Forbidden (user=kube-apiserver-kubelet-client, verb=get, resource=nodes, subresource(s)=[proxy])'; }\n",
    );
    node(&server, "unauthorized", "127.0.0.1", kubelet.port());
    node(&server, "forbidden", "127.0.0.1", kubelet.port());
    node(&server, "closed", "127.0.0.1", closed_port());
    node(&server, "far", "192.0.2.10", 10250);
    for (name, case, code) in [
        ("unauthorized", "kubelet-refuses-api-server", "kubelet-refuses-api-server"),
        ("forbidden", "kubelet-forbids-api-server", "kubelet-refuses-api-server"),
        ("closed", "kubelet-unreachable", "kubelet-unreachable"),
        ("far", "control-plane-proxy-in-the-way", "control-plane-proxy-in-the-way"),
    ] {
        let met = kubectl(lab, &config, &["logs", name]);
        let run = doctor(&config, &["--error", &met]);
        expect_fault(case, &run, &[code]);
        certain(&run, code);
        assert_eq!(run.codes(), [code], "{met}");
    }

    // An extension server that is registered, and then answers no request.
    let discovery = json!({ "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "metrics.k8s.io/v1beta1",
        "resources": [{ "name": "nodes", "singularName": "", "namespaced": false, "kind": "NodeMetrics", "verbs": ["get", "list"] }] });
    kubelet.set_locations(&format!(
        "location = /apis/metrics.k8s.io/v1beta1 {{ default_type application/json; return 200 '{discovery}'; }}\n\
         location /apis/metrics.k8s.io/v1beta1/nodes {{ return 503; }}\n"
    ));
    server.create(
        "/api/v1/namespaces/default/services",
        &json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "metrics-server" },
            "spec": { "type": "ExternalName", "externalName": "localhost", "ports": [{ "port": kubelet.port() }] } }),
    );
    server.create(
        "/apis/apiregistration.k8s.io/v1/apiservices",
        &json!({
            "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": { "name": "v1beta1.metrics.k8s.io" },
            "spec": { "group": "metrics.k8s.io", "version": "v1beta1", "groupPriorityMinimum": 100, "versionPriority": 100,
                "insecureSkipTLSVerify": true,
                "service": { "name": "metrics-server", "namespace": "default", "port": kubelet.port() } },
        }),
    );
    let deadline = Instant::now() + Duration::from_secs(90);
    let met = loop {
        let met = kubectl(lab, &config, &["get", "nodes.metrics.k8s.io"]);
        if met.contains("unable to handle") {
            break met;
        }
        assert!(Instant::now() < deadline, "{met}");
        std::thread::sleep(Duration::from_millis(500));
    };
    let run = doctor(&config, &["--error", &met]);
    assert_eq!(run.codes(), ["aggregated-api-unavailable"], "{met}\n{}", run.stdout);
    expect_fault("aggregated-api-unavailable", &run, &["aggregated-api-unavailable"]);
    server.api("DELETE", "/apis/apiregistration.k8s.io/v1/apiservices/v1beta1.metrics.k8s.io", None);
    server.wait_group("metrics.k8s.io", false);
    expect_healthy("aggregated-api-removed", &doctor(&config, &[]));
}

#[test]
fn token_webhooks() {
    let Some(lab) = lab::require() else { return };
    let mut webhook = Nginx::start_before(lab, closed_port(), Rule::AllowAll);
    let file = |url: &str| {
        let path = scratch("webhook").join("webhook.yaml");
        let text = format!(
            "apiVersion: v1\nkind: Config\nclusters:\n- name: w\n  cluster: {{server: {url:?}, certificate-authority: {:?}}}\nusers:\n- name: u\n  user: {{}}\ncontexts:\n- name: c\n  context: {{cluster: w, user: u}}\ncurrent-context: c\n",
            lab.pki.ca.cert.display().to_string()
        );
        fs::write(&path, text).expect("a webhook's file");
        format!("--authentication-token-webhook-config-file={}", path.display())
    };
    let options = |url: &str| Options::default().flag(file(url)).flag("--authentication-token-webhook-version=v1");
    let mut server = ApiServer::start(lab, options(&format!("https://localhost:{}/review", closed_port())));
    server.create_reader_role();
    server.grant_reader("User", "robin-reads", "robin");
    let config = server
        .kubeconfig("robin", &[("robin", json!({ "token": "opaque-token-of-robin" })), ("admin", server.admin_user())]);
    let reviewer = ["--reviewer-context", "admin"];

    let run = doctor(&config, &reviewer);
    expect_fault("authentication-webhook-down", &run, &["authentication-webhook-down", "credential-rejected"]);
    certain(&run, "authentication-webhook-down");
    let log = server.log_path().to_string_lossy().into_owned();
    let run = doctor(&config, &["--log", &log]);
    expect_fault("authentication-webhook-down-log", &run, &["authentication-webhook-down", "credential-rejected"]);

    webhook.set_locations("location / { return 403 'the API server is not on the list'; }\n");
    server.restart_with(&file(&format!("{}/review", webhook.url())));
    let mark = server.log().len();
    doctor(&config, &[]);
    let part = scratch("log").join("webhook.log");
    fs::write(&part, &server.log()[mark..]).expect("a log");
    let part = part.to_string_lossy().into_owned();
    let run = doctor(&config, &["--log", &part, "--reviewer-context", "admin"]);
    expect_fault("authentication-webhook-refused", &run, &["authentication-webhook-refused", "credential-rejected"]);
    certain(&run, "authentication-webhook-refused");
    let run = doctor(&config, &["--log", &part]);
    expect_fault("authentication-webhook-refused-log", &run, &["authentication-webhook-refused"]);
    likely(&run, "authentication-webhook-refused");

    // It answers: nothing else had to change.
    let verdict = json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview",
        "status": { "authenticated": true, "user": { "username": "robin", "groups": ["birds"] } } });
    webhook.set_locations(&format!("location / {{ default_type application/json; return 200 '{verdict}'; }}\n"));
    expect_healthy("authentication-webhook", &doctor(&config, &reviewer));
}
