//! The first incident from end to end, and faults of the issuer, of tokens, of plugins and of the way to the server, made
//! for real in the lab, each with its healthy twin.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use base64::Engine as _;
use serde_json::{Value, json};

use crate::support::lab::{self, ApiServer, Lab, Nginx, Options, Release, Rule};
use crate::support::run::{Run, command, doctor, expect_fault, expect_healthy, kaccess, scratch, shell_script};

/// A server with the incident's configuration, a role for the backend group, and a kubeconfig with `token` and admin.
fn incident_server(lab: &Lab, options: Options) -> ApiServer {
    let server = ApiServer::start(lab, options);
    server.create_reader_role();
    server.grant_reader("Group", "backend-reads", "oidc:backend");
    server
}

fn kubeconfig(server: &ApiServer, token: &str) -> PathBuf {
    server.kubeconfig("alice", &[("alice", json!({ "token": token })), ("admin", server.admin_user())])
}

fn certain(run: &Run, code: &str) {
    assert_eq!(run.finding(code)["confidence"], "certain", "{}", run.stdout);
}

#[test]
fn first_incident_end_to_end() {
    let Some(lab) = lab::require() else { return };
    let mut nginx = Nginx::start(lab, Rule::DenyAll);
    let server = incident_server(lab, Options::default().oidc(lab, &nginx.issuer("platform")));
    let token = lab.keycloak().alice(&nginx).id_token;
    let config = kubeconfig(&server, &token);
    server.wait_logged("initializing plugin: 403");

    // Nobody to ask: the refusal, its candidates, and nothing certain.
    let bare = doctor(&config, &[]);
    expect_fault("first-incident-bare", &bare, &["credential-rejected"]);
    assert_eq!(bare.report["verdict"], "problems");
    assert!(bare.findings().iter().all(|finding| finding["confidence"] != "certain"), "{}", bare.stdout);
    let candidates = bare.findings()[0]["candidates"].as_array().expect("candidates");
    assert_eq!(candidates[0]["code"], "issuer-blocks-control-plane");
    assert!(candidates.len() >= 4);
    assert!(
        candidates.iter().all(|candidate| candidate["decidedBy"]["text"].as_str().is_some_and(|text| !text.is_empty()))
    );

    // With a reviewer: the cause, certain.
    let log = server.log_path();
    let reviewed = doctor(&config, &["--reviewer-context", "admin"]);
    expect_fault(
        "first-incident-reviewed",
        &reviewed,
        &["issuer-blocks-control-plane", "oidc-not-initialized", "credential-rejected"],
    );
    certain(&reviewed, "issuer-blocks-control-plane");
    let cause = &reviewed.findings()[0];
    let cites: Vec<&str> =
        cause["evidence"].as_array().expect("evidence").iter().filter_map(|cite| cite["path"].as_str()).collect();
    assert!(cites.iter().any(|path| path.starts_with("/controlPlane/tokenReview")), "{cites:?}");
    assert!(cites.iter().any(|path| path.starts_with("/controlPlane/metrics")), "{cites:?}");
    let fix = cause["fix"].to_string();
    assert!(
        fix.contains("/realms/platform/.well-known/openid-configuration")
            && fix.contains("/realms/platform/protocol/openid-connect/certs"),
        "{fix}"
    );

    let logged = doctor(&config, &["--reviewer-context", "admin", "--log", &log.to_string_lossy()]);
    expect_fault("first-incident", &logged, &["issuer-blocks-control-plane"]);
    let cites = logged.findings()[0]["evidence"].to_string();
    assert!(cites.contains("/controlPlane/log"), "{cites}");
    let only_log = doctor(&config, &["--log", &log.to_string_lossy()]);
    expect_fault("first-incident-log", &only_log, &["issuer-blocks-control-plane"]);
    certain(&only_log, "issuer-blocks-control-plane");

    // The real victims' variant: kaccess gets 200, the control plane's User-Agent 403.
    nginx.set_rule(Rule::DenyUserAgentGo);
    let disguised = doctor(&config, &["--reviewer-context", "admin"]);
    expect_fault(
        "first-incident-user-agent",
        &disguised,
        &["issuer-blocks-control-plane", "oidc-not-initialized", "credential-rejected"],
    );
    certain(&disguised, "issuer-blocks-control-plane");
    let bare = doctor(&config, &[]);
    expect_fault("first-incident-user-agent-bare", &bare, &["credential-rejected"]);
    assert_eq!(bare.findings()[0]["candidates"][0]["code"], "issuer-blocks-control-plane");

    // From here all is well, and only the control plane's words say that something refuses it: likely, not certain.
    nginx.set_rule(Rule::AllowAll);
    // The API server tries again every 10 s: where it got through meanwhile, there is nothing left to see.
    let refused = || server.token_review(&token)["authenticated"] != true;
    let before = refused();
    let open = doctor(&config, &["--reviewer-context", "admin"]);
    if before && refused() {
        expect_fault("first-incident-not-visible", &open, &["issuer-blocks-control-plane"]);
        assert_eq!(open.findings()[0]["confidence"], "likely", "{}", open.stdout);
    }
    nginx.set_rule(Rule::DenyAll);

    // The fix, applied: the two paths, nothing else.
    nginx.set_rule(Rule::TwoPathsOpen);
    server.wait_accepted(&token);
    expect_healthy("first-incident-fixed", &doctor(&config, &[]));
    expect_healthy(
        "first-incident-fixed-reviewed",
        &doctor(&config, &["--reviewer-context", "admin", "--log", &log.to_string_lossy()]),
    );
    let config = config.to_string_lossy().into_owned();
    let can = |arguments: &[&str]| {
        let mut all = vec!["can-i", "--kubeconfig", &config];
        all.extend(arguments);
        let output = kaccess(&all);
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stdout).trim().to_owned(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    assert_eq!(can(&["list", "pods"]).0, Some(0));
    assert_eq!(can(&["create", "pods"]).0, Some(1));
    let (code, text, how) = can(&["list", "pods", "--as-group", "oidc:backend", "--context", "admin"]);
    assert_eq!((code, text.as_str()), (Some(0), "yes"), "{how}");
    assert!(how.contains("SubjectAccessReview"), "{how}");
    assert_eq!(can(&["delete", "pods", "--as-group", "oidc:backend", "--context", "admin"]).0, Some(1));
    for method in ["impersonation", "computed", "review"] {
        let arguments = ["list", "pods", "--as-group", "oidc:backend", "--context", "admin", "--method", method];
        assert_eq!(can(&arguments).0, Some(0), "{method}");
        let arguments = ["list", "secrets", "--as-group", "oidc:backend", "--context", "admin", "--method", method];
        assert_eq!(can(&arguments).0, Some(1), "{method}");
    }
    // Alice may not ask about others by any way: no answer, and it says what is missing.
    let (code, text, how) = can(&["list", "pods", "--as-group", "oidc:frontend"]);
    assert_eq!((code, text.as_str()), (Some(2), ""), "{how}");
    assert!(how.contains("subjectaccessreviews"), "{how}");

    read_only(&server);
}

/// The audit log holds only reads of things that are not secret, and review objects. Every other server's log is looked
/// through when it is dropped; this one shows that there is something to look through.
fn read_only(server: &ApiServer) {
    let (ours, beyond) = server.beyond_reading();
    assert!(beyond.is_empty(), "not read-only: {beyond:?}");
    assert!(ours > 20, "the audit log shows only {ours} requests of kaccess");
}

#[test]
fn faults_of_the_issuer() {
    let Some(lab) = lab::require() else { return };
    let mut nginx = Nginx::start(lab, Rule::AllowAll);
    let issuer = nginx.issuer("platform");
    let token = lab.keycloak().alice(&nginx).id_token;
    let reviewer = ["--reviewer-context", "admin"];

    // The key set refused: nothing else is wrong, and the fix needs no restart.
    nginx.set_rule(Rule::DenyCerts);
    let server = incident_server(lab, Options::default().oidc(lab, &issuer));
    let config = kubeconfig(&server, &token);
    let deadline = Instant::now() + Duration::from_secs(60);
    while server.token_review(&token)["error"].as_str().unwrap_or_default().contains("not initialized") {
        assert!(Instant::now() < deadline, "{}", server.log());
        std::thread::sleep(Duration::from_millis(300));
    }
    let run = doctor(&config, &reviewer);
    expect_fault("jwks-blocked", &run, &["jwks-blocked", "credential-rejected"]);
    certain(&run, "jwks-blocked");
    let bare = doctor(&config, &[]);
    expect_fault("jwks-blocked-bare", &bare, &["credential-rejected"]);
    assert_eq!(bare.findings()[0]["candidates"][0]["code"], "jwks-blocked");
    nginx.set_rule(Rule::TwoPathsOpen);
    server.wait_accepted(&token);
    expect_healthy("jwks-open", &doctor(&config, &reviewer));
    nginx.set_rule(Rule::AllowAll);

    // What the token itself says wrong, on the same healthy server.
    tokens(lab, &nginx, &server);

    // 503 and a login page, met by a server that starts into them.
    for (rule, name, code) in [
        (Rule::Unavailable, "issuer-unavailable", "issuer-unavailable"),
        (Rule::Html200, "issuer-returns-html", "issuer-returns-html"),
    ] {
        nginx.set_rule(rule);
        let server = incident_server(lab, Options::default().oidc(lab, &issuer));
        let config = kubeconfig(&server, &token);
        server.wait_logged("initializing plugin");
        let run = doctor(&config, &reviewer);
        expect_fault(name, &run, &[code, "oidc-not-initialized", "credential-rejected"]);
        certain(&run, code);
        nginx.set_rule(Rule::AllowAll);
        server.wait_accepted(&token);
        expect_healthy(&format!("{name}-fixed"), &doctor(&config, &reviewer));
    }

    // A realm that is not there.
    let server = incident_server(lab, Options::default().oidc(lab, &nginx.issuer("no-such-realm")));
    let config = kubeconfig(&server, &token);
    server.wait_logged("initializing plugin: 404");
    let run = doctor(&config, &reviewer);
    expect_fault("issuer-not-found", &run, &["issuer-not-found", "token-issuer-mismatch", "credential-rejected"]);
    let run = doctor(&config, &["--log", &server.log_path().to_string_lossy()]);
    // The realm of the token is there: the line may be another issuer's.
    expect_fault("issuer-not-found-log", &run, &["issuer-not-found"]);
    assert_eq!(run.finding("issuer-not-found")["confidence"], "likely", "{}", run.stdout);

    // A slash at the end of the configured issuer.
    let server = incident_server(lab, Options::default().oidc(lab, &format!("{issuer}/")));
    let config = kubeconfig(&server, &token);
    server.wait_logged("issuer did not match");
    let run = doctor(&config, &reviewer);
    expect_fault(
        "issuer-trailing-slash",
        &run,
        &["issuer-document-mismatch", "token-issuer-mismatch", "credential-rejected"],
    );
    certain(&run, "issuer-document-mismatch");

    // Another realm than the tokens': the document is right, the token is from elsewhere.
    let server = incident_server(lab, Options::default().oidc(lab, &nginx.issuer("other")));
    let config = kubeconfig(&server, &token);
    let run = doctor(&config, &reviewer);
    expect_fault("token-issuer-mismatch", &run, &["token-issuer-mismatch", "credential-rejected"]);
    certain(&run, "token-issuer-mismatch");

    // A private CA that the API server was not given.
    let mut options = Options::default().oidc(lab, &issuer);
    options.flags.retain(|flag| !flag.starts_with("--oidc-ca-file"));
    let server = incident_server(lab, options);
    let config = kubeconfig(&server, &token);
    server.wait_logged("x509");
    let run = doctor(&config, &reviewer);
    expect_fault(
        "issuer-certificate-untrusted",
        &run,
        &["issuer-certificate-untrusted", "oidc-not-initialized", "credential-rejected"],
    );
    let run = doctor(&config, &["--log", &server.log_path().to_string_lossy()]);
    expect_fault("issuer-certificate-untrusted-log", &run, &["issuer-certificate-untrusted"]);
    certain(&run, "issuer-certificate-untrusted");

    // No issuer at all.
    let server = incident_server(lab, Options::default());
    let config = kubeconfig(&server, &token);
    let run = doctor(&config, &reviewer);
    expect_fault("oidc-not-configured", &run, &["oidc-not-configured", "credential-rejected"]);
    certain(&run, "oidc-not-configured");
}

fn tokens(lab: &Lab, nginx: &Nginx, server: &ApiServer) {
    let reviewer = ["--reviewer-context", "admin"];
    let take = |realm: &str, client: &str, user: &str| {
        lab.keycloak().token(nginx, realm, client, user, &format!("{user}-password"), "openid").id_token
    };
    let good = take("platform", "kubernetes", "alice");
    server.wait_accepted(&good);

    // decode judges offline, with the server's flags and the issuer's keys, and says word for word what the server says.
    let flags = scratch("judge").join("flags");
    let issuer = nginx.issuer("platform");
    fs::write(&flags, format!("kube-apiserver --oidc-issuer-url={issuer} --oidc-client-id=kubernetes --oidc-username-claim=email --oidc-username-prefix=oidc: --oidc-groups-claim=groups --oidc-groups-prefix=oidc: --service-account-issuer=https://kubernetes.default.svc")).expect("a file");
    let keys = scratch("judge").join("keys.json");
    let (_, set) = lab::http::Client::new(server.ca(), None)
        .send(lab::Auth::Own, "GET", &format!("{issuer}/protocol/openid-connect/certs"), None)
        .expect("a key set");
    fs::write(&keys, set.to_string()).expect("a file");
    for (token, code) in [
        (good.clone(), 0),
        (take("platform", "account-portal", "alice"), 1),
        (take("platform", "kubernetes", "carol"), 1),
        (take("platform", "kubernetes", "dave"), 1),
        (take("other", "kubernetes", "alice"), 1),
        (resigned(lab, &good), 1),
        (good[..good.len() - 9].to_owned(), 1),
        ("junk".to_owned(), 1),
    ] {
        let truth = server.token_review(&token);
        let file = scratch("judge").join("token");
        fs::write(&file, &token).expect("a file");
        let output = kaccess(&[
            "decode",
            "-o",
            "json",
            "--server-version",
            "1.36",
            "--against",
            &flags.to_string_lossy(),
            "--jwks",
            &keys.to_string_lossy(),
            &format!("@{}", file.display()),
        ]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let report: Value = serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("{error}: {text}{}", String::from_utf8_lossy(&output.stderr)));
        crate::support::schema::hold(&report);
        assert_eq!(report["judgement"]["error"], truth["error"], "{text}");
        assert_eq!(report["judgement"]["authenticated"] == true, truth["authenticated"] == true, "{text}");
        if truth["authenticated"] == true {
            for field in ["username", "groups", "extra"] {
                assert_eq!(report["judgement"]["user"][field], truth["user"][field], "{field}: {text}");
            }
        }
        assert_eq!(output.status.code(), Some(code), "{text}");
    }

    let run = doctor(&kubeconfig(server, &take("platform", "account-portal", "alice")), &reviewer);
    expect_fault("token-audience-mismatch", &run, &["token-audience-mismatch", "credential-rejected"]);
    certain(&run, "token-audience-mismatch");

    let run = doctor(&kubeconfig(server, &take("platform", "kubernetes", "carol")), &reviewer);
    expect_fault("username-claim-missing", &run, &["username-claim-missing", "credential-rejected"]);
    certain(&run, "username-claim-missing");

    let brief = take("platform", "kubernetes-brief", "alice");
    std::thread::sleep(Duration::from_secs(4));
    let run = doctor(&kubeconfig(server, &brief), &reviewer);
    expect_fault("token-expired", &run, &["token-expired", "credential-rejected"]);
    certain(&run, "token-expired");
    let run = doctor(&kubeconfig(server, &brief), &[]);
    expect_fault("token-expired-bare", &run, &["token-expired", "credential-rejected"]);

    let run = doctor(&kubeconfig(server, &resigned(lab, &good)), &reviewer);
    expect_fault("token-key-foreign", &run, &["token-key-foreign", "credential-rejected"]);
    certain(&run, "token-key-foreign");

    let run = doctor(&kubeconfig(server, &good[..good.len() / 2]), &reviewer);
    expect_fault("token-not-jwt", &run, &["token-not-jwt", "credential-rejected"]);

    // Known to the server, and granted nothing; then bound without the prefix; then rightly.
    let bob = take("platform", "kubernetes", "bob");
    let config = kubeconfig(server, &bob);
    let run = doctor(&config, &reviewer);
    expect_fault("rbac-no-grant", &run, &["rbac-no-grant"]);
    certain(&run, "rbac-no-grant");
    let message = r#"Error from server (Forbidden): pods is forbidden: User "oidc:bob@example.com" cannot list resource "pods" in API group "" in the namespace "default""#;
    let run = doctor(&config, &["--error", message]);
    expect_fault("rbac-no-grant-asked", &run, &["rbac-no-grant"]);
    server.grant_reader("Group", "frontend-reads", "frontend");
    let run = doctor(&config, &reviewer);
    expect_fault("name-prefix-mismatch", &run, &["name-prefix-mismatch", "rbac-no-grant"]);
    certain(&run, "name-prefix-mismatch");
    let fix = run.findings()[0]["fix"][0]["command"].as_str().expect("a command").to_owned();
    let admin = server.admin_kubeconfig();
    let kubectl = fix.replacen("kubectl", &format!("{} --kubeconfig {}", lab.kubectl().display(), admin.display()), 1);
    let applied =
        std::process::Command::new("sh").arg("-c").arg(&kubectl).env("HOME", scratch("kubectl")).output().expect("sh");
    assert!(applied.status.success(), "{kubectl}: {}", String::from_utf8_lossy(&applied.stderr));
    server.settle();
    expect_healthy("name-prefix-fixed", &doctor(&config, &reviewer));
}

/// The same claims under another key: what a token of a stranger's instance looks like.
fn resigned(lab: &Lab, token: &str) -> String {
    let engine = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let payload = token.split('.').nth(1).expect("a payload");
    let header = engine.encode(r#"{"alg":"RS256","typ":"JWT","kid":"not-of-this-issuer"}"#);
    let message = format!("{header}.{payload}");
    let pem = fs::read(&lab.pki.service_account_key).expect("a key");
    let key = jsonwebtoken::EncodingKey::from_rsa_pem(&pem).expect("an RSA key");
    let signature =
        jsonwebtoken::crypto::sign(message.as_bytes(), &key, jsonwebtoken::Algorithm::RS256).expect("a signature");
    format!("{message}.{signature}")
}

#[test]
fn faults_on_the_way_to_the_server() {
    let Some(lab) = lab::require_apiserver() else { return };
    let mut server = ApiServer::start(lab, Options::default());
    server.create_reader_role();
    server.grant_reader("User", "jane-reads", "jane");
    let user = |identity: &lab::pki::Identity| lab::apiserver::certificate_user(identity);

    expect_healthy("client-certificate", &doctor(&server.kubeconfig_with("jane", user(&lab.pki.client)), &[]));
    let run = doctor(&server.kubeconfig_with("expired", user(&lab.pki.expired_client)), &[]);
    expect_fault("client-certificate-expired", &run, &["client-certificate-expired", "credential-rejected"]);
    certain(&run, "client-certificate-expired");

    let run = doctor(&server.kubeconfig_with("nobody", json!({})), &[]);
    expect_fault("anonymous-request", &run, &["no-credential", "anonymous-request"]);

    let account = server.create_service_account_token("shop", "reporter");
    server.grant_reader("User", "reporter-reads", "system:serviceaccount:shop:reporter");
    expect_healthy("service-account", &doctor(&server.kubeconfig_for_token("reporter", &account), &[]));
    let run = doctor(&server.kubeconfig_for_token("line-feed", &format!("{account}\n")), &[]);
    expect_fault("token-has-whitespace", &run, &["token-has-whitespace"]);

    // The kubeconfig of another cluster's CA.
    let text = server.kubeconfig_text(&[("jane", user(&lab.pki.client))]);
    let own = base64::engine::general_purpose::STANDARD.encode(fs::read(server.ca()).expect("a CA"));
    let other = base64::engine::general_purpose::STANDARD.encode(fs::read(&lab.pki.unrelated.cert).expect("a CA"));
    let stale = server.dir().join("stale.kubeconfig");
    fs::write(&stale, text.replace(&own, &other)).expect("a kubeconfig");
    let run = doctor(&stale, &[]);
    expect_fault("kubeconfig-ca-mismatch", &run, &["kubeconfig-ca-mismatch"]);
    // Without its root in the chain, a server that leaves out an intermediate certificate would look the same.
    assert_eq!(run.finding("kubeconfig-ca-mismatch")["confidence"], "likely", "{}", run.stdout);
    assert_eq!(run.report["identity"], Value::Null, "nothing is sent to a server that is not trusted");

    plugins(&server, &account);

    server.stop();
    let run = doctor(&server.kubeconfig_with("jane", user(&lab.pki.client)), &[]);
    expect_fault("api-connection-refused", &run, &["api-connection-refused"]);
    certain(&run, "api-connection-refused");
}

fn plugins(server: &ApiServer, token: &str) {
    let folder = scratch("plugin");
    let script = |name: &str, text: &str| {
        let path = folder.join(name);
        shell_script(&path, text);
        path.to_string_lossy().into_owned()
    };
    let entry = |command: &str| {
        json!({ "exec": { "apiVersion": "client.authentication.k8s.io/v1", "command": command, "args": ["get-token"],
            "installHint": "Install it from your platform team's page.", "interactiveMode": "Never" } })
    };
    let credential = json!({ "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": { "token": token } });
    let good = script("good-plugin", &format!("cat <<'END'\n{credential}\nEND"));
    expect_healthy("exec", &doctor(&server.kubeconfig_with("exec-good", entry(&good)), &[]));

    let run = doctor(&server.kubeconfig_with("exec-missing", entry("no-such-plugin-anywhere")), &[]);
    expect_fault("exec-plugin-not-found", &run, &["exec-plugin-not-found"]);
    let failing =
        script("failing-plugin", "echo 'The SSO session associated with this profile has expired.' >&2\nexit 255");
    let run = doctor(&server.kubeconfig_with("exec-failing", entry(&failing)), &[]);
    expect_fault("exec-failed", &run, &["exec-failed"]);
    assert!(run.findings()[0].to_string().contains("SSO session"), "{}", run.stdout);
    let noisy = script("noisy-plugin", "echo 'Welcome to the profile of this shell'");
    let run = doctor(&server.kubeconfig_with("exec-noisy", entry(&noisy)), &[]);
    expect_fault("exec-output-invalid", &run, &["exec-output-invalid"]);
    let hanging = script("hanging-plugin", "sleep 30");
    let run = doctor(&server.kubeconfig_with("exec-hanging", entry(&hanging)), &["--exec-timeout", "1s"]);
    expect_fault("exec-timeout", &run, &["exec-timeout"]);
}

#[test]
fn the_demo_needs_nothing() {
    let output = command().args(["doctor", "--demo"]).output().expect("kaccess runs");
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("issuer-blocks-control-plane") && text.starts_with("PROBLEMS"), "{text}");
}

/// A control plane that runs as Pods, as kubeadm makes it: the Pod's command line and log are what decides, where /flagz
/// is not there yet.
#[test]
fn the_servers_own_pods_are_read() {
    let Some(lab) = lab::require() else { return };
    let nginx = Nginx::start(lab, Rule::DenyAll);
    let issuer = nginx.issuer("platform");
    let server = incident_server(lab, Options::default().release(Release::Old).oidc(lab, &issuer));
    let token = lab.keycloak().alice(&nginx).id_token;
    let config = kubeconfig(&server, &token);
    server.wait_logged("initializing plugin: 403");

    // The kubelet's part: it hands over the log that the server really wrote.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let log = server.log();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 4096]);
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{log}",
                log.len()
            );
        }
    });
    let kubelet = Nginx::start_before(lab, port, Rule::AllowAll);
    server.create(
        "/api/v1/nodes",
        &json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": "control-plane" } }),
    );
    let status = json!({ "status": { "addresses": [{ "type": "InternalIP", "address": "127.0.0.1" }],
        "daemonEndpoints": { "kubeletEndpoint": { "Port": kubelet.port() } } } });
    let (code, answer) = server.api("PATCH", "/api/v1/nodes/control-plane/status", Some(&status));
    assert_eq!(code, 200, "{answer}");
    let pod = |name: &str, client: &str| {
        json!({ "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": name, "namespace": "kube-system", "labels": { "component": "kube-apiserver", "tier": "control-plane" } },
        "spec": { "nodeName": "control-plane", "hostNetwork": true, "containers": [{ "name": "kube-apiserver", "image": "none",
            "command": ["kube-apiserver", "--advertise-address=127.0.0.1", format!("--oidc-issuer-url={issuer}"),
                format!("--oidc-client-id={client}"), "--oidc-username-claim", "preferred_username", "--anonymous-auth"] }] } })
    };
    server.create("/api/v1/namespaces/kube-system/pods", &pod("kube-apiserver-a", "kubernetes"));
    server.create("/api/v1/namespaces/kube-system/pods", &pod("kube-apiserver-b", "other"));

    let run = doctor(&config, &["--reviewer-context", "admin"]);
    let evidence: Value = serde_json::from_str(&fs::read_to_string(&run.evidence).expect("evidence")).expect("JSON");
    let control = &evidence["controlPlane"];
    let flags = &control["pods"]["seen"]["flags"]["flags"];
    assert_eq!(flags["oidc-issuer-url"], json!([issuer]), "{control}");
    assert_eq!(flags["oidc-username-claim"], json!(["preferred_username"]));
    assert_eq!(flags["anonymous-auth"], json!(["true"]));
    assert_eq!(control["pods"]["seen"]["differing"], json!(["oidc-client-id"]));
    assert_eq!(
        control["published"]["seen"]["flags"]["client-ca-file"],
        json!(["client-ca-file of ConfigMap kube-system/extension-apiserver-authentication"]),
        "{control}"
    );
    assert_eq!(run.codes().first().map(String::as_str), Some("issuer-blocks-control-plane"), "{}", run.stdout);
    let cites = run.finding("issuer-blocks-control-plane")["evidence"].to_string();
    assert!(cites.contains("/controlPlane/podLog/"), "{cites}");
    certain(&run, "issuer-blocks-control-plane");
}
