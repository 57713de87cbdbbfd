//! What is wrong with tokens: of an issuer that says odd things, and of service accounts, on real API servers.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::support::lab::apiserver::SERVICE_ACCOUNT_ISSUER;
use crate::support::lab::issuer::{Issuer, Key, Page};
use crate::support::lab::{self, ApiServer, Lab, Nginx, Options, Rule};
use crate::support::run::{Run, doctor, expect_fault, expect_healthy, expect_warning, scratch, shell_script};

const REVIEWER: [&str; 2] = ["--reviewer-context", "admin"];

fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a clock after 1970");
    i64::try_from(since.as_secs()).expect("a time")
}

/// Sets members; null takes one out.
fn change(mut object: Value, changes: Value) -> Value {
    let members = object.as_object_mut().expect("an object");
    for (name, value) in changes.as_object().expect("changes") {
        if value.is_null() {
            members.remove(name);
        } else {
            members.insert(name.clone(), value.clone());
        }
    }
    object
}

/// A kubeconfig with this token as the current user, and the admin beside it.
fn kubeconfig(server: &ApiServer, token: &str) -> PathBuf {
    server.kubeconfig("user", &[("user", json!({ "token": token })), ("admin", server.admin_user())])
}

/// `doctor` with an admin as reviewer.
fn reviewed(server: &ApiServer, token: &str) -> Run {
    doctor(&kubeconfig(server, token), &REVIEWER)
}

/// A fault that is certain, explains the refusal and leaves nothing else unexplained.
fn certain(name: &str, run: &Run, code: &str) {
    expect_fault(name, run, &[code, "credential-rejected"]);
    assert_eq!(run.finding(code)["confidence"], "certain", "{name}: {}", run.stdout);
    for finding in &run.findings()[1..] {
        assert!(finding["explainedBy"].is_string(), "{name}: {} stands unexplained: {}", finding["code"], run.stdout);
    }
}

/// An issuer of the test's own, with one RSA key.
struct Idp {
    issuer: Issuer,
    url: String,
    key: Key,
}

impl Idp {
    fn start(lab: &Lab) -> Self {
        let (issuer, key) = (Issuer::start(&lab.pki.server), Key::rsa());
        let url = issuer.realm("staff", &json!({ "keys": [key.jwk("first")] }));
        Self { issuer, url, key }
    }

    /// Alice's claims as they should be, but for these.
    fn claims(&self, changes: Value) -> Value {
        let good = json!({
            "iss": self.url, "aud": "kubernetes", "sub": "u-1", "iat": now(), "exp": now() + 3600,
            "email": "alice@example.com", "email_verified": true, "groups": ["backend"],
        });
        change(good, changes)
    }

    fn token(&self, changes: Value) -> String {
        self.key.token("RS256", r#"{"alg":"RS256","kid":"first"}"#, &self.claims(changes).to_string())
    }
}

#[test]
fn claims_that_the_server_refuses() {
    let Some(lab) = lab::require_apiserver() else { return };
    let idp = Idp::start(lab);
    let curve = Key::curve(256);
    idp.issuer.realm("staff", &json!({ "keys": [idp.key.jwk("first"), curve.jwk("curve")] }));
    let mut server = ApiServer::start(lab, Options::default().oidc(lab, &idp.url));
    server.create_reader_role();
    server.grant_reader("Group", "backend-reads", "oidc:backend");
    server.grant_reader("User", "carol-reads", "oidc:carol@example.com");
    let good = idp.token(json!({}));
    server.wait_accepted(&good);
    expect_healthy("issuer-token", &reviewed(&server, &good));

    for (name, code, changes) in [
        ("token-not-yet-valid", "token-not-yet-valid", json!({ "nbf": now() + 900 })),
        ("email-not-verified", "email-not-verified", json!({ "email_verified": false })),
        ("email-verified-not-boolean", "email-verified-not-boolean", json!({ "email_verified": "true" })),
        ("username-claim-wrong-type", "username-claim-wrong-type", json!({ "email": ["alice@example.com"] })),
        ("username-claim-wrong-type-sub", "username-claim-wrong-type", json!({ "sub": 4711 })),
        ("groups-claim-wrong-type", "groups-claim-wrong-type", json!({ "groups": [{ "id": 1, "name": "backend" }] })),
        ("token-not-id-token", "token-not-id-token", json!({ "typ": "Bearer", "aud": "account" })),
        (
            "groups-overage",
            "groups-overage",
            json!({ "groups": null, "_claim_names": { "groups": "src1" },
                "_claim_sources": { "src1": { "endpoint": format!("{}/groups-of-u-1", idp.url) } } }),
        ),
    ] {
        certain(name, &reviewed(&server, &idp.token(changes)), code);
    }

    // The same faults by prediction: the flags are known, the server's own word is not.
    let flags = scratch("flags").join("flags");
    let text = format!(
        "kube-apiserver --oidc-issuer-url={} --oidc-client-id=kubernetes --oidc-username-claim=email --oidc-username-prefix=oidc: --oidc-groups-claim=groups --oidc-groups-prefix=oidc: --service-account-issuer={SERVICE_ACCOUNT_ISSUER}",
        idp.url
    );
    fs::write(&flags, text).expect("a file");
    let given = ["--apiserver-config", &flags.to_string_lossy()];
    let config = kubeconfig(&server, &idp.token(json!({ "email_verified": false })));
    let run = doctor(&config, &given);
    expect_fault("email-not-verified-predicted", &run, &["email-not-verified", "credential-rejected"]);
    assert_eq!(run.finding("email-not-verified")["confidence"], "likely", "{}", run.stdout);
    // And with nothing known but the 401: no guess.
    let bare = doctor(&config, &[]);
    assert_eq!(bare.codes(), ["credential-rejected"], "{}", bare.stdout);
    // The log's lines are about this token where their fields are.
    let log = server.log_path();
    let config = kubeconfig(&server, &idp.token(json!({ "groups": [{ "id": 1, "name": "backend" }] })));
    let run = doctor(&config, &["--log", &log.to_string_lossy()]);
    expect_fault("groups-claim-wrong-type-log", &run, &["groups-claim-wrong-type", "credential-rejected"]);
    // A healthy credential beside the same log is healthy.
    expect_healthy("issuer-token-log", &doctor(&kubeconfig(&server, &good), &["--log", &log.to_string_lossy()]));

    signatures(&idp, &curve, &mut server);
    accepted_but_odd(&idp, &mut server);
    required_claims(&idp, &mut server);
}

fn signatures(idp: &Idp, curve: &Key, server: &mut ApiServer) {
    let claims = idp.claims(json!({})).to_string();
    let foreign = Key::rsa().token("RS256", r#"{"alg":"RS256","kid":"first"}"#, &claims);
    certain("token-signature-invalid", &reviewed(server, &foreign), "token-signature-invalid");
    let run = doctor(&kubeconfig(server, &foreign), &[]);
    expect_fault("token-signature-invalid-bare", &run, &["token-signature-invalid", "credential-rejected"]);
    assert_eq!(run.finding("token-signature-invalid")["confidence"], "likely", "{}", run.stdout);

    // A shared secret is nothing that any API server takes, whoever asks.
    let shared = idp.key.token("RS256", r#"{"alg":"HS256","kid":"first"}"#, &claims);
    certain(
        "token-algorithm-not-allowed-secret",
        &doctor(&kubeconfig(server, &shared), &[]),
        "token-algorithm-not-allowed",
    );

    let stored = format!("Bearer {}", idp.token(json!({})));
    certain("authorization-header-malformed", &reviewed(server, &stored), "authorization-header-malformed");
    let warning = "Warning: the provided Authorization header contains extra space before the bearer token, and is ignored\n\
        Error from server (Forbidden): pods is forbidden: User \"system:anonymous\" cannot list resource \"pods\" in API group \"\" in the namespace \"default\"";
    let run = doctor(&server.kubeconfig_with("nobody", json!({})), &["--error", warning]);
    expect_fault(
        "authorization-header-malformed-asked",
        &run,
        &["authorization-header-malformed", "anonymous-request"],
    );

    let elliptic = curve.token("ES256", r#"{"alg":"ES256","kid":"curve"}"#, &claims);
    certain("token-algorithm-not-allowed", &reviewed(server, &elliptic), "token-algorithm-not-allowed");
    server.restart_with("--oidc-signing-algs=RS256,ES256");
    server.wait_accepted(&elliptic);
    expect_healthy("token-algorithm-allowed", &reviewed(server, &elliptic));
}

fn accepted_but_odd(idp: &Idp, server: &mut ApiServer) {
    let soon = idp.token(json!({ "iat": now() - 3600, "exp": now() + 120 }));
    server.wait_accepted(&soon);
    expect_warning("token-expires-soon", &reviewed(server, &soon), &["token-expires-soon"]);
    // A plugin renews it.
    let script = scratch("plugin").join("renewing-plugin");
    let credential = json!({ "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": { "token": soon } });
    shell_script(&script, &format!("cat <<'END'\n{credential}\nEND"));
    let user = json!({ "exec": { "apiVersion": "client.authentication.k8s.io/v1", "command": script, "interactiveMode": "Never" } });
    expect_healthy("token-renewed", &doctor(&server.kubeconfig_with("renewed", user), &[]));

    let without = idp.token(json!({ "groups": null, "email": "carol@example.com" }));
    expect_warning("groups-claim-missing", &reviewed(server, &without), &["groups-claim-missing"]);
    let without = idp.token(json!({ "groups": null }));
    let run = reviewed(server, &without);
    expect_fault("groups-claim-missing-no-grant", &run, &["groups-claim-missing", "rbac-no-grant"]);
    let elsewhere = json!({ "groups": null, "_claim_names": { "groups": "src1" }, "_claim_sources": { "src1": {} } });
    let run = reviewed(server, &idp.token(elsewhere));
    expect_fault("groups-overage-no-grant", &run, &["groups-overage", "rbac-no-grant"]);

    // No prefix: whoever names groups in the identity provider may be cluster admin.
    server.restart_with("--oidc-groups-prefix=");
    let master = idp.token(json!({ "groups": ["system:masters"] }));
    server.wait_accepted(&master);
    expect_warning("privileged-group-from-issuer", &reviewed(server, &master), &["privileged-group-from-issuer"]);
    server.restart_with("--oidc-groups-prefix=oidc:");
    server.wait_accepted(&master);
    let run = reviewed(server, &master);
    assert_eq!(run.codes(), ["rbac-no-grant"], "{}", run.stdout);

    // The keys are replaced while the server may keep the old ones for an hour.
    let second = Key::rsa();
    let lasting = |keys: Value| Page {
        kind: "application/json\r\nCache-Control: max-age=3600",
        ..Page::json(&json!({ "keys": keys }))
    };
    idp.issuer.serve("/staff/keys", lasting(json!([idp.key.jwk("first")])));
    server.restart();
    server.wait_accepted(&idp.token(json!({})));
    idp.issuer.serve("/staff/keys", lasting(json!([idp.key.jwk("first"), second.jwk("second")])));
    let new = second.token("RS256", r#"{"alg":"RS256","kid":"second"}"#, &idp.claims(json!({})).to_string());
    certain("token-key-rotated", &reviewed(server, &new), "token-key-rotated");
    server.restart();
    server.wait_accepted(&new);
    expect_healthy("token-key-fetched", &reviewed(server, &new));
}

fn required_claims(idp: &Idp, server: &mut ApiServer) {
    server.restart_with("--oidc-required-claim=tenant=acme");
    let good = idp.token(json!({ "tenant": "acme" }));
    server.wait_accepted(&good);
    expect_healthy("required-claim", &reviewed(server, &good));
    for (name, changes) in [
        ("required-claim-missing", json!({})),
        ("required-claim-mismatch", json!({ "tenant": "umbrella" })),
        ("required-claim-wrong-type", json!({ "tenant": true })),
    ] {
        certain(name, &reviewed(server, &idp.token(changes)), "required-claim-mismatch");
    }
}

#[test]
fn rules_of_an_authentication_configuration() {
    let Some(lab) = lab::require_apiserver() else { return };
    let idp = Idp::start(lab);
    let authority = fs::read_to_string(&lab.pki.ca.cert).expect("a CA").replace('\n', "\n        ");
    let server = ApiServer::start(
        lab,
        Options::default().authentication_config(format!(
            "apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\njwt:\n- issuer:\n    url: {}\n    audiences: [kubernetes]\n    certificateAuthority: |\n        {authority}\n  \
             claimMappings:\n    username: {{ claim: email, prefix: 'oidc:' }}\n    groups:\n      expression: 'dyn(claims.groups).map(group, \"oidc:\" + group.name)'\n  \
             claimValidationRules:\n  - expression: 'claims.hd == \"example.com\"'\n    message: 'the hosted domain must be example.com'\n  \
             userValidationRules:\n  - expression: '!user.username.startsWith(\"oidc:system\")'\n    message: 'names must not begin with system'\n",
            idp.url
        )),
    );
    server.create_reader_role();
    server.grant_reader("Group", "backend-reads", "oidc:backend");
    // Groups as objects, taken apart by the expression that groups-claim-wrong-type gives as its fix.
    let groups = json!([{ "id": 1, "name": "backend" }]);
    let good = idp.token(json!({ "hd": "example.com", "groups": groups }));
    server.wait_accepted(&good);
    expect_healthy("claim-validation", &reviewed(&server, &good));
    for (name, changes) in [
        ("claim-validation-failed", json!({ "hd": "umbrella.example", "groups": groups })),
        ("claim-validation-failed-no-key", json!({ "groups": groups })),
        ("user-validation-failed", json!({ "hd": "example.com", "email": "system@example.com", "groups": groups })),
    ] {
        certain(name, &reviewed(&server, &idp.token(changes)), "claim-validation-failed");
    }
}

#[test]
fn a_fix_in_an_authentication_configuration() {
    let Some(lab) = lab::require_apiserver() else { return };
    let idp = Idp::start(lab);
    let configured = json!({
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "AuthenticationConfiguration",
        "jwt": [{
            "issuer": {
                "url": idp.url,
                "audiences": ["kubernetes"],
                "certificateAuthority": fs::read_to_string(&lab.pki.ca.cert).expect("a CA"),
            },
            "claimMappings": { "username": { "claim": "email", "prefix": "oidc:" } },
        }],
    });
    let server = ApiServer::start(lab, Options::default().authentication_config(configured.to_string()));
    server.create_reader_role();
    server.grant_reader("User", "subject-reads", "oidc:u-1");
    server.wait_accepted(&idp.token(json!({})));
    let token = idp.token(json!({ "email_verified": false }));
    let shown = scratch("shown").join("authentication.json");
    fs::write(&shown, configured.to_string()).expect("a file");
    let known = ["--apiserver-config", &shown.to_string_lossy(), "--reviewer-context", "admin"];
    let run = doctor(&kubeconfig(&server, &token), &known);
    expect_fault("email-not-verified-in-a-file", &run, &["email-not-verified"]);
    let fix = &run.finding("email-not-verified")["fix"][1];
    assert!(!fix.to_string().contains("--oidc-"), "{fix}");
    // Taken over as it is told, the server lets the token in by itself.
    let part: Value = serde_norway::from_str(fix["manifest"].as_str().expect("a manifest")).expect("YAML");
    let mut changed = configured;
    assert_eq!(part["jwt"][0]["issuer"]["url"], changed["jwt"][0]["issuer"]["url"]);
    changed["jwt"][0]["claimMappings"]["username"] = part["jwt"][0]["claimMappings"]["username"].clone();
    // Whole at once: the server reads it as soon as it changes.
    let new = server.dir().join("authentication.new");
    fs::write(&new, changed.to_string()).expect("a file");
    fs::rename(&new, server.dir().join("authentication.yaml")).expect("a rename");
    server.wait_accepted(&token);
    expect_healthy(
        "email-not-verified-mended",
        &doctor(&kubeconfig(&server, &token), &["--reviewer-context", "admin"]),
    );
}

#[test]
fn tokens_of_one_login_that_are_no_id_token() {
    let Some(lab) = lab::require() else { return };
    let nginx = Nginx::start(lab, Rule::AllowAll);
    let server = ApiServer::start(lab, Options::default().oidc(lab, &nginx.issuer("platform")));
    let tokens = lab.keycloak().alice(&nginx);
    server.wait_accepted(&tokens.id_token);
    certain("token-is-refresh-token", &reviewed(&server, &tokens.refresh_token), "token-is-refresh-token");
    let run = doctor(&kubeconfig(&server, &tokens.refresh_token), &[]);
    certain("token-is-refresh-token-bare", &run, "token-is-refresh-token");
    let portal = lab.keycloak().token(&nginx, "platform", "account-portal", "alice", "alice-password", "openid");
    certain("token-not-id-token-keycloak", &reviewed(&server, &portal.access_token), "token-not-id-token");
}

/// Header and claims of a token.
fn parts(token: &str) -> (Value, Value) {
    let part = |index| {
        let text = URL_SAFE_NO_PAD.decode(token.split('.').nth(index).expect("a part")).expect("base64");
        serde_json::from_slice(&text).expect("JSON")
    };
    (part(0), part(1))
}

/// The token with other claims, signed by this key.
fn forged(token: &str, key: &Key, changes: Value) -> String {
    let (header, claims) = parts(token);
    key.token("RS256", &header.to_string(), &change(claims, changes).to_string())
}

/// A token that is requested with this spec.
fn requested(server: &ApiServer, namespace: &str, name: &str, spec: Value) -> String {
    let request = json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec });
    let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token");
    server.create(&path, &request)["status"]["token"].as_str().expect("a token").to_owned()
}

fn delete(server: &ApiServer, path: &str) {
    let (status, answer) = server.api("DELETE", path, None);
    assert_eq!(status, 200, "{path}: {answer}");
}

#[test]
fn tokens_of_service_accounts() {
    let Some(lab) = lab::require_apiserver() else { return };
    let server = ApiServer::start(lab, Options::default());
    server.create_reader_role();
    server.grant_reader("User", "reporter-reads", "system:serviceaccount:shop:reporter");
    let key = Key::from_pem(&fs::read_to_string(&lab.pki.service_account_key).expect("a key"));
    let good = server.create_service_account_token("shop", "reporter");
    expect_healthy("service-account-reviewed", &reviewed(&server, &good));

    let old = json!({ "iat": now() - 7200, "nbf": now() - 7200, "exp": now() - 3600 });
    let expired = forged(&good, &key, old);
    certain("service-account-token-expired", &reviewed(&server, &expired), "service-account-token-expired");
    let run = doctor(&kubeconfig(&server, &expired), &[]);
    certain("service-account-token-expired-bare", &run, "service-account-token-expired");

    let later = forged(&good, &key, json!({ "nbf": now() + 900 }));
    certain("service-account-token-not-yet-valid", &reviewed(&server, &later), "token-not-yet-valid");

    let vault = requested(&server, "shop", "reporter", json!({ "audiences": ["vault"], "expirationSeconds": 3600 }));
    certain("service-account-audience-mismatch", &reviewed(&server, &vault), "service-account-audience-mismatch");
    let flags = scratch("flags").join("flags");
    fs::write(&flags, format!("kube-apiserver --service-account-issuer={SERVICE_ACCOUNT_ISSUER}\n")).expect("a file");
    let run = doctor(&kubeconfig(&server, &vault), &["--apiserver-config", &flags.to_string_lossy()]);
    certain("service-account-audience-mismatch-flags", &run, "service-account-audience-mismatch");

    // By the key files that the flags name: the cluster's own, and another one's, whose signature is looked at first.
    let with_key = |pem: &str, token: &str| {
        fs::write(flags.with_file_name("sa.pub"), pem).expect("a file");
        let text = format!(
            "kube-apiserver --service-account-issuer={SERVICE_ACCOUNT_ISSUER} --service-account-key-file=sa.pub\n"
        );
        fs::write(&flags, text).expect("a file");
        doctor(&kubeconfig(&server, token), &["--apiserver-config", &flags.to_string_lossy()])
    };
    let own = fs::read_to_string(&lab.pki.service_account_key).expect("a key");
    let another = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).expect("a key").public_key_pem();
    let run = with_key(&own, &vault);
    assert_eq!(run.codes()[0], "service-account-audience-mismatch", "{}", run.stdout);
    assert_eq!(run.finding("service-account-audience-mismatch")["confidence"], "certain", "{}", run.stdout);
    let run = with_key(&another, &vault);
    assert_eq!(run.codes()[0], "service-account-foreign-cluster", "{}", run.stdout);
    assert_eq!(run.finding("service-account-foreign-cluster")["confidence"], "likely", "{}", run.stdout);
    let run = with_key(&own, &good);
    assert!(run.codes().is_empty(), "{}", run.stdout);

    // Another cluster with the same issuer: an unknown key; and a known key's name over another signature, or over one
    // that was cut.
    let (header, claims) = parts(&good);
    let stranger = Key::rsa();
    let unknown = change(header, json!({ "kid": stranger.id() }));
    let foreign = stranger.token("RS256", &unknown.to_string(), &claims.to_string());
    certain("service-account-foreign-cluster", &reviewed(&server, &foreign), "service-account-foreign-cluster");
    let changed = forged(&good, &stranger, json!({}));
    certain("service-account-signature-invalid", &reviewed(&server, &changed), "token-signature-invalid");
    let cut = &good[..good.len() - 20];
    certain("service-account-token-cut", &reviewed(&server, cut), "token-signature-invalid");
    // With nothing known but the 401: no guess.
    let bare = doctor(&kubeconfig(&server, &foreign), &[]);
    assert_eq!(bare.codes(), ["credential-rejected"], "{}", bare.stdout);

    // Bound to a Secret that goes; then the account itself goes, and comes back as another one.
    let lease = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "lease" } });
    let secret = server.create("/api/v1/namespaces/shop/secrets", &lease);
    let reference = json!({ "kind": "Secret", "apiVersion": "v1", "name": "lease", "uid": secret["metadata"]["uid"] });
    let bound = requested(&server, "shop", "reporter", json!({ "boundObjectRef": reference }));
    server.wait_accepted(&bound);
    delete(&server, "/api/v1/namespaces/shop/secrets/lease");
    // The success of a token is remembered for 10 s.
    std::thread::sleep(Duration::from_secs(11));
    certain("service-account-token-revoked", &reviewed(&server, &bound), "service-account-token-revoked");
    server.create("/api/v1/namespaces/shop/secrets", &lease);
    certain("service-account-bound-recreated", &reviewed(&server, &bound), "service-account-token-revoked");
    delete(&server, "/api/v1/namespaces/shop/serviceaccounts/reporter");
    std::thread::sleep(Duration::from_secs(11));
    certain("service-account-deleted", &reviewed(&server, &good), "service-account-token-revoked");
    let new = server.create_service_account_token("shop", "reporter");
    certain("service-account-recreated", &reviewed(&server, &good), "service-account-recreated");
    expect_healthy("service-account-token-new", &reviewed(&server, &new));

    legacy_tokens(&server, &key);
    default_account(&server);
}

fn legacy_tokens(server: &ApiServer, key: &Key) {
    let (header, bound) = parts(&server.create_service_account_token("shop", "reporter"));
    let legacy = |secret: &str| {
        let claims = json!({
            "iss": "kubernetes/serviceaccount", "sub": "system:serviceaccount:shop:reporter",
            "kubernetes.io/serviceaccount/namespace": "shop",
            "kubernetes.io/serviceaccount/secret.name": secret,
            "kubernetes.io/serviceaccount/service-account.name": "reporter",
            "kubernetes.io/serviceaccount/service-account.uid": bound["kubernetes.io"]["serviceaccount"]["uid"],
        });
        key.token("RS256", &header.to_string(), &claims.to_string())
    };
    let store = |name: &str, token: &str, labels: Value| {
        server.create(
            "/api/v1/namespaces/shop/secrets",
            &json!({
                "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token",
                "metadata": { "name": name, "labels": labels, "annotations": { "kubernetes.io/service-account.name": "reporter" } },
                "data": { "token": STANDARD.encode(token) },
            }),
        )
    };
    let token = legacy("reporter-token");
    let code = "service-account-legacy-token-invalid";
    certain("service-account-legacy-token-gone", &reviewed(server, &token), code);
    store("reporter-token", &token, json!({}));
    expect_warning("service-account-legacy-token", &reviewed(server, &token), &["service-account-legacy-token"]);
    let marked = legacy("marked-token");
    store("marked-token", &marked, json!({ "kubernetes.io/legacy-token-invalid-since": "2026-01-01" }));
    let run = reviewed(server, &marked);
    certain("service-account-legacy-token-marked", &run, code);
    let (_, claims) = parts(&token);
    let claims = change(claims, json!({ "kubernetes.io/serviceaccount/secret.name": null }));
    let nameless = key.token("RS256", &header.to_string(), &claims.to_string());
    certain("service-account-legacy-token-claim", &reviewed(server, &nameless), code);
    let differs = legacy("other-token");
    store("other-token", &token, json!({}));
    certain("service-account-legacy-token-differs", &reviewed(server, &differs), code);
}

fn default_account(server: &ApiServer) {
    let token = server.create_service_account_token("shop", "default");
    server.create(
        "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
        &json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": { "name": "shop-default-admin" },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin" },
            "subjects": [{ "kind": "ServiceAccount", "name": "default", "namespace": "shop" }],
        }),
    );
    server.settle();
    let code = "default-service-account-privileged";
    expect_warning(code, &reviewed(server, &token), &[code]);
    delete(server, "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/shop-default-admin");
    server.grant_reader("User", "default-reads", "system:serviceaccount:shop:default");
    expect_healthy("default-service-account", &reviewed(server, &token));
}

#[test]
fn credentials_that_nobody_at_the_server_knows() {
    let Some(lab) = lab::require_apiserver() else { return };
    let file = scratch("token-file").join("tokens.csv");
    fs::write(&file, "a-static-token-of-a-test,robot,robot-1,\"backend\"\n").expect("a token file");

    // The issuer was changed, and the old value not kept.
    let server = ApiServer::start(
        lab,
        Options::default()
            .flag("--service-account-issuer=https://new.cluster.example")
            .flag("--enable-bootstrap-token-auth=true")
            .flag(format!("--token-auth-file={}", file.display())),
    );
    server.create_reader_role();
    let key = Key::from_pem(&fs::read_to_string(&lab.pki.service_account_key).expect("a key"));
    let old = json!({ "iss": SERVICE_ACCOUNT_ISSUER, "aud": [SERVICE_ACCOUNT_ISSUER] });
    let token = forged(&server.create_service_account_token("shop", "reporter"), &key, old.clone());
    certain("service-account-issuer-unknown", &reviewed(&server, &token), "service-account-issuer-unknown");

    let unknown = reviewed(&server, "an-opaque-access-token-of-some-issuer");
    certain("static-token-unknown", &unknown, "static-token-unknown");
    server.grant_reader("User", "robot-reads", "robot");
    expect_healthy("static-token", &reviewed(&server, "a-static-token-of-a-test"));

    let bootstrap = "abcdef.0123456789abcdef";
    certain("bootstrap-token-invalid", &reviewed(&server, bootstrap), "bootstrap-token-invalid");
    server.create_namespace("kube-system");
    let secret = |expiration: &str| {
        json!({
            "apiVersion": "v1", "kind": "Secret", "type": "bootstrap.kubernetes.io/token",
            "metadata": { "name": "bootstrap-token-abcdef" },
            "stringData": { "token-id": "abcdef", "token-secret": "0123456789abcdef", "usage-bootstrap-authentication": "true", "expiration": expiration },
        })
    };
    server.create("/api/v1/namespaces/kube-system/secrets", &secret("2020-01-01T00:00:00Z"));
    certain("bootstrap-token-expired", &reviewed(&server, bootstrap), "bootstrap-token-invalid");
    delete(&server, "/api/v1/namespaces/kube-system/secrets/bootstrap-token-abcdef");
    server.create("/api/v1/namespaces/kube-system/secrets", &secret("2049-01-01T00:00:00Z"));
    server.grant_reader("Group", "bootstrappers-read", "system:bootstrappers");
    server.wait_accepted(bootstrap);
    expect_healthy("bootstrap-token", &reviewed(&server, bootstrap));
    drop(server);

    // Both fixes: the old issuer as a second value, and nothing else switched on.
    let server = ApiServer::start(
        lab,
        Options::default()
            .flag("--service-account-issuer=https://new.cluster.example")
            .flag(format!("--service-account-issuer={SERVICE_ACCOUNT_ISSUER}")),
    );
    server.create_reader_role();
    server.grant_reader("User", "reporter-reads", "system:serviceaccount:shop:reporter");
    let token = forged(&server.create_service_account_token("shop", "reporter"), &key, old);
    expect_healthy("service-account-issuer-kept", &reviewed(&server, &token));
    certain("bootstrap-tokens-off", &reviewed(&server, bootstrap), "bootstrap-token-invalid");
    certain(
        "static-token-no-file",
        &reviewed(&server, "an-opaque-access-token-of-some-issuer"),
        "static-token-unknown",
    );
}
