//! What the control plane may meet at its issuer, made for real; the issuer's documents are nginx's, the keys ours.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use base64::Engine as _;
use jiff::Timestamp;
use kaccess::evidence::Evidence;
use kaccess::report::{Confidence, Finding, diagnose};
use kaccess::rules::{Case, check_all};
use serde_json::{Value, json};

use crate::support::lab::{self, ApiServer, Lab, Nginx, Options, Rule};
use crate::support::network;
use crate::support::run::{Run, doctor, expect_fault, expect_healthy, expect_warning, scratch};

fn certain(run: &Run, code: &str) {
    assert_eq!(run.finding(code)["confidence"], "certain", "{}", run.stdout);
}

fn likely(run: &Run, code: &str) {
    assert_eq!(run.finding(code)["confidence"], "likely", "{}", run.stdout);
}

fn closed_port() -> u16 {
    lab::process::free_port()
}

/// A key of the issuer: the pair in PEM, its public half as a key set.
struct Key {
    pem: String,
    set: Value,
}

impl Key {
    fn from_pem(pem: String) -> Self {
        let set = kaccess::credential::public_keys::key_set_from_pem(pem.as_bytes()).expect("a key set");
        Self { pem, set }
    }

    fn of(lab: &Lab) -> Self {
        Self::from_pem(fs::read_to_string(&lab.pki.service_account_key).expect("a key"))
    }

    fn new() -> Self {
        let key = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).expect("a key");
        Self::from_pem(key.serialize_pem())
    }

    /// Alice's token of one hour from this issuer.
    fn token(&self, issuer: &str) -> String {
        let engine = base64::engine::general_purpose::URL_SAFE_NO_PAD;
        let kid = self.set["keys"][0]["kid"].as_str().expect("a kid");
        let now = Timestamp::now().as_second();
        let header = json!({ "alg": "RS256", "typ": "JWT", "kid": kid });
        let claims = json!({ "iss": issuer, "aud": "kubernetes", "sub": "alice", "email": "alice@example.com",
            "email_verified": true, "groups": ["backend"], "iat": now, "exp": now + 3600 });
        let message = format!("{}.{}", engine.encode(header.to_string()), engine.encode(claims.to_string()));
        let key = jsonwebtoken::EncodingKey::from_rsa_pem(self.pem.as_bytes()).expect("an RSA key");
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, jsonwebtoken::Algorithm::RS256);
        format!("{message}.{}", signature.expect("a signature"))
    }
}

/// The discovery document.
fn document(issuer: &str, jwks_uri: Option<&str>) -> Value {
    let mut document = json!({ "issuer": issuer, "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"], "id_token_signing_alg_values_supported": ["RS256"] });
    if let Some(uri) = jwks_uri {
        document["jwks_uri"] = json!(uri);
    }
    document
}

/// nginx's locations for a document and a key set below the issuer's path.
fn pages(document: &Value, keys: &str) -> String {
    let issuer = document["issuer"].as_str().unwrap_or_default();
    let path = url::Url::parse(issuer).expect("an issuer's URL").path().to_owned();
    format!(
        "location = {path}/.well-known/openid-configuration {{ default_type application/json; return 200 '{document}'; }}\n\
         location = {path}/keys {{ default_type application/json; {keys} }}\n"
    )
}

fn keys(set: &Value) -> String {
    format!("return 200 '{set}';")
}

/// An issuer that works.
fn good(issuer: &str, key: &Key) -> String {
    pages(&document(issuer, Some(&format!("{issuer}/keys"))), &keys(&key.set))
}

fn server(lab: &Lab, issuer: &str) -> ApiServer {
    prepared(ApiServer::start(lab, Options::default().oidc(lab, issuer)))
}

fn prepared(server: ApiServer) -> ApiServer {
    server.create_reader_role();
    server.grant_reader("Group", "backend-reads", "oidc:backend");
    server
}

fn kubeconfig(server: &ApiServer, token: &str) -> PathBuf {
    server.kubeconfig("alice", &[("alice", json!({ "token": token })), ("admin", server.admin_user())])
}

const REVIEWER: [&str; 2] = ["--reviewer-context", "admin"];

/// The server's log as an argument.
fn log_of(server: &ApiServer) -> String {
    server.log_path().to_string_lossy().into_owned()
}

/// A saved case's evidence.
fn saved(name: &str) -> Value {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata/cases").join(name).join("evidence.json");
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn findings(evidence: Value) -> Vec<Finding> {
    let evidence: Evidence = serde_json::from_value(evidence).expect("evidence");
    diagnose(check_all(&Case::new(&evidence)))
}

fn found<'f>(findings: &'f [Finding], code: &str) -> Option<&'f Finding> {
    findings.iter().find(|finding| finding.code == code)
}

#[test]
fn a_line_that_names_no_issuer_is_not_taken_for_ours() {
    // kaccess reads the document that is said to be away, refused, or a page.
    for (name, code) in [
        ("another-issuer-in-the-log", "issuer-unavailable"),
        ("another-issuer-in-the-log-login", "issuer-blocks-control-plane"),
        ("another-issuer-in-the-log-page", "issuer-returns-html"),
    ] {
        let all = findings(saved(name));
        assert_eq!(all[0].code, "credential-rejected", "{name}");
        assert_eq!(found(&all, code).map(|finding| finding.confidence), Some(Confidence::Possible), "{name}");
    }
    // Another line names this issuer, or tells what kaccess meets there itself.
    for (name, code) in [
        ("another-issuer-in-the-log-named", "issuer-document-mismatch"),
        ("another-issuer-in-the-log-met", "issuer-returns-html"),
    ] {
        let all = findings(saved(name));
        assert_eq!((all[0].code, all[0].confidence), (code, Confidence::Certain), "{name}");
        assert!(found(&all, "issuer-unavailable").is_none(), "{name}");
    }
}

#[test]
fn an_issuer_that_was_reached_again_is_not_unreachable() {
    let all = findings(saved("issuer-reached-again"));
    assert_eq!(all[0].code, "token-audience-mismatch");
    assert!(found(&all, "issuer-unreachable-from-control-plane").is_none());
}

#[test]
fn what_kaccess_cannot_read_of_the_issuer_is_the_first_candidate() {
    for (name, code) in [
        ("credential-rejected-keys-unreachable", "jwks-unreachable"),
        ("credential-rejected-keys-empty-answer", "jwks-unreachable"),
        ("credential-rejected-issuer-redirects", "oidc-not-initialized"),
        ("credential-rejected-issuer-expired", "issuer-certificate-expired"),
    ] {
        let all = findings(saved(name));
        assert_eq!(all[0].candidates.first().map(|candidate| candidate.code), Some(code), "{name}");
        let blamed = all[0].candidates.iter().any(|candidate| candidate.code == "issuer-certificate-untrusted");
        assert!(!blamed, "{name}: the roots here trust it");
    }
}

/// kube-apiserver takes Google's issuer without its scheme too.
#[test]
fn googles_short_issuer_is_not_told_to_be_another_one() {
    let told = |iss: &str| {
        let mut evidence = saved("token-issuer-mismatch");
        evidence["controlPlane"]["flagz"]["seen"]["flags"]["oidc-issuer-url"] = json!(["https://accounts.google.com"]);
        evidence["credential"]["seen"]["token"]["claims"]["iss"] = json!(iss);
        found(&findings(evidence), "token-issuer-mismatch").is_some()
    };
    assert!(!told("accounts.google.com"));
    assert!(told("https://accounts.google.com/"));
}

/// The candidate tells the status that was met, and to whom it was answered. The statuses are invented.
#[test]
fn a_refused_key_set_is_told_with_its_status_and_to_whom() {
    let told = |own: u16, disguised: u16| {
        let mut evidence = saved("jwks-blocked-bare");
        evidence["issuer"]["jwks"]["seen"]["answer"]["status"] = json!(own);
        evidence["issuer"]["jwksAsControlPlane"]["seen"]["answer"]["status"] = json!(disguised);
        let all = findings(evidence);
        let candidates = &found(&all, "credential-rejected").expect("the finding").candidates;
        let blocked = candidates.iter().find(|candidate| candidate.code == "jwks-blocked").expect("the candidate");
        format!("{}; {}", blocked.why, blocked.decided_by.text)
    };
    let both = told(401, 401);
    assert!(both.starts_with("the key set's URL answers 401 from here;"), "{both}");
    assert!(both.ends_with("\"get keys failed: 401 Unauthorized\""), "{both}");
    assert!(told(403, 403).starts_with("the key set's URL answers 403 from here;"));
    let by_agent = told(200, 403);
    assert!(
        by_agent.starts_with(
            "the key set's URL answers 403 to the control plane's User-Agent, and lets this machine through;"
        ),
        "{by_agent}"
    );
}

#[test]
fn a_key_set_without_a_key_to_name_is_the_issuers_fault() {
    let mut empty = saved("token-key-foreign");
    empty["issuer"]["jwks"]["seen"]["keys"] = json!([]);
    empty["issuer"]["signature"]["seen"]["verdicts"] = json!([]);
    let mut nameless = saved("token-key-foreign");
    for key in nameless["issuer"]["jwks"]["seen"]["keys"].as_array_mut().expect("keys") {
        key["kid"] = json!("");
    }
    for (evidence, title) in [(empty, "is empty"), (nameless, "have no kid")] {
        let all = findings(evidence);
        assert_eq!((all[0].code, all[0].confidence), ("jwks-unparsable", Confidence::Certain));
        assert!(all[0].title.contains(title), "{}", all[0].title);
        assert!(found(&all, "token-key-foreign").is_none());
    }

    let mut nothing = saved("token-key-foreign");
    let error = "[invalid bearer token, oidc: verify token: failed to verify signature: fetching keys oidc: get keys failed: 204 No Content ]";
    nothing["controlPlane"]["tokenReview"]["seen"]["error"] = json!(error);
    let all = findings(nothing);
    assert_eq!((all[0].code, all[0].confidence), ("jwks-unreachable", Confidence::Certain));
}

#[test]
fn a_line_that_proves_the_connection_is_told() {
    for error in ["remote error: tls: certificate required", "stopped after 10 redirects"] {
        let mut evidence = saved("issuer-private-dns");
        let lines = evidence["controlPlane"]["log"]["seen"]["matches"].as_array_mut().expect("lines");
        let line = lines.iter_mut().find(|line| line["text"] == "oidc-init-dns").expect("the line");
        let url = line["fields"]["url"].clone();
        line["text"] = json!("oidc-init-closed");
        line["line"] = json!(format!(
            "E1125 17:33:11.510452 5908 oidc.go:433] oidc authenticator: initializing plugin: Get {url}: {error}"
        ));
        line["fields"] = json!({ "url": url, "error": error });
        let all = findings(evidence);
        assert_eq!((all[0].code, all[0].confidence), ("oidc-not-initialized", Confidence::Certain), "{error}");
        assert!(found(&all, "issuer-private-dns").is_none(), "{error}");
        assert!(all[0].cites[0].text.contains(error), "{}", all[0].cites[0].text);
        assert!(!all[0].fix.iter().any(|step| step.text.contains("--log")));
    }
}

/// Go has the same words for a certificate that is past its end and for one that has not begun, and does not say which
/// certificate of the chain it means. The dates here are invented: a lab's chain has none of these faults.
#[test]
fn an_issuers_certificate_is_out_of_date_at_either_end_and_at_any_place() {
    let logged = |error: &str, faults: Value| {
        let mut evidence = saved("issuer-certificate-expired-log");
        let lines = evidence["controlPlane"]["log"]["seen"]["matches"].as_array_mut().expect("lines");
        let line = lines.iter_mut().find(|line| line["text"] == "oidc-init-x509").expect("the line");
        line["fields"]["error"] = json!(error);
        evidence["issuer"]["tls"]["seen"]["faults"] = faults;
        evidence["issuer"]["tls"]["seen"]["chain"][0]["notAfter"] = json!("2027-06-01T00:00:00Z");
        findings(evidence)
    };
    let words = "certificate has expired or is not yet valid: current time 2026-11-25T17:32:45Z is";
    let commands = |finding: &Finding| -> String {
        finding.fix.iter().filter_map(|step| step.command.as_deref()).collect::<Vec<_>>().join("\n")
    };

    // By the API server's clock it has not begun; here it is fine.
    let all = logged(&format!("{words} before 2026-12-24T00:00:00Z"), json!([]));
    let early = found(&all, "issuer-certificate-expired").expect("the finding");
    assert_eq!(
        (early.title.as_str(), early.confidence),
        ("The issuer's certificate is not valid yet", Confidence::Likely)
    );
    assert!(early.why.contains("is not valid before 2026-12-24T00:00:00Z"), "{}", early.why);
    assert!(!early.why.contains("2027") && !early.why.contains("ended"), "{}", early.why);
    assert_eq!(early.candidates.first().map(|candidate| candidate.code), Some("api-server-clock-wrong"));
    assert!(commands(early).contains("-startdate"), "{}", commands(early));

    // This machine says so too.
    let fault = json!({ "kind": "not-yet-valid", "seen": "valid from 2026-12-24T00:00:00Z",
        "detail": "the server's certificate is not valid yet (or this machine's clock is slow)" });
    let all = logged(&format!("{words} before 2026-12-24T00:00:00Z"), json!([fault]));
    let early = found(&all, "issuer-certificate-expired").expect("the finding");
    assert_eq!(early.confidence, Confidence::Certain);
    assert!(!commands(early).contains("-showcerts"), "{}", commands(early));

    // It tells of another certificate: the one that the API server met may be an authority's, and no second clock has
    // judged it.
    let other = json!({ "kind": "not-yet-valid", "seen": "valid from 2026-12-20T00:00:00Z",
        "detail": "the server's certificate is not valid yet (or this machine's clock is slow)" });
    let all = logged(&format!("{words} before 2026-12-24T00:00:00Z"), json!([other]));
    let early = found(&all, "issuer-certificate-expired").expect("the finding");
    assert_eq!(early.confidence, Confidence::Likely);
    assert!(early.why.contains("or an authority above it, is not valid before 2026-12-24"), "{}", early.why);
    assert!(commands(early).contains("-showcerts") && commands(early).contains("NotBefore"), "{}", commands(early));

    // It is an intermediate that has not begun.
    let fault = json!({ "kind": "not-yet-valid", "seen": "valid from 2026-12-24T00:00:00Z",
        "detail": "the intermediate authority CN=Example Intermediate is not valid yet (or this machine's clock is slow)" });
    let all = logged(&format!("{words} before 2026-12-24T00:00:00Z"), json!([fault]));
    let above = found(&all, "issuer-certificate-expired").expect("the finding");
    assert_eq!(above.title, "An authority above the issuer's certificate is not valid yet");
    assert!(above.why.starts_with("The intermediate authority CN=Example Intermediate above"), "{}", above.why);
    assert!(commands(above).contains("NotBefore") && !commands(above).contains("-startdate"), "{}", commands(above));

    // The date is the log's, not that of the certificate which answers here, and may be an authority's.
    let all = logged(&format!("{words} after 2026-11-20T00:00:00Z"), json!([]));
    let late = found(&all, "issuer-certificate-expired").expect("the finding");
    assert!(late.why.contains("or an authority above it, ended on 2026-11-20T00:00:00Z"), "{}", late.why);
    assert!(commands(late).contains("-enddate") && commands(late).contains("-showcerts"), "{}", commands(late));

    // So it is where the one that answers here has ended too, on another day.
    let fault = json!({ "kind": "expired", "seen": "valid until 2026-11-24T00:00:00Z",
        "detail": "the server's certificate has expired" });
    let all = logged(&format!("{words} after 2026-11-20T00:00:00Z"), json!([fault]));
    let late = found(&all, "issuer-certificate-expired").expect("the finding");
    assert!(late.why.contains("or an authority above it, ended on 2026-11-20T00:00:00Z"), "{}", late.why);
    assert!(commands(late).contains("-enddate") && commands(late).contains("-showcerts"), "{}", commands(late));

    // It is an intermediate that has ended: a new certificate under it helps nobody.
    let mut evidence = saved("issuer-certificate-expired");
    evidence["issuer"]["tls"]["seen"]["faults"] = json!([{ "kind": "expired", "seen": "valid until 2026-11-20T00:00:00Z",
        "detail": "the intermediate authority CN=Example Intermediate has expired" }]);
    evidence["issuer"]["tls"]["seen"]["chain"][0]["notAfter"] = json!("2027-06-01T00:00:00Z");
    let all = findings(evidence);
    let above = found(&all, "issuer-certificate-expired").expect("the finding");
    assert_eq!(above.confidence, Confidence::Certain);
    assert!(above.why.starts_with("The intermediate authority CN=Example Intermediate above"), "{}", above.why);
    assert!(above.why.contains("ended on 2026-11-20T00:00:00Z"), "{}", above.why);
    assert!(!commands(above).contains("-enddate"), "{}", commands(above));
}

#[test]
fn documents_of_the_issuer() {
    let Some(lab) = lab::require() else { return };
    let ca = lab.pki.ca.cert.to_string_lossy().into_owned();
    let mut nginx = Nginx::start_before(lab, closed_port(), Rule::AllowAll);
    let issuer = format!("{}/staff", nginx.url());
    let key = Key::of(lab);
    let token = key.token(&issuer);
    let reviewed = ["--reviewer-context", "admin", "--oidc-ca-file", &ca];

    // Too many requests; the same server then takes the fix.
    nginx.set_locations("location / { return 429; }\n");
    let one = server(lab, &issuer);
    let config = kubeconfig(&one, &token);
    one.wait_logged("initializing plugin: 429");
    let run = doctor(&config, &reviewed);
    expect_fault("issuer-rate-limited", &run, &["issuer-rate-limited", "oidc-not-initialized", "credential-rejected"]);
    certain(&run, "issuer-rate-limited");
    let log = log_of(&one);
    let run = doctor(&config, &["--log", &log, "--oidc-ca-file", &ca]);
    expect_fault("issuer-rate-limited-log", &run, &["issuer-rate-limited"]);

    // No key set is named.
    nginx.set_locations(&pages(&document(&issuer, None), &keys(&key.set)));
    one.wait_logged("provider did not return JWKS URL");
    let run = doctor(&config, &reviewed);
    expect_fault("jwks-uri-missing", &run, &["jwks-uri-missing", "oidc-not-initialized", "credential-rejected"]);
    certain(&run, "jwks-uri-missing");

    // It is named, and the set holds a key that Go does not know; then it is right.
    let mut odd = key.set.clone();
    odd["keys"].as_array_mut().expect("keys").push(json!({ "kty": "foo", "kid": "odd", "use": "sig" }));
    nginx.set_locations(&pages(&document(&issuer, Some(&format!("{issuer}/keys"))), &keys(&odd)));
    let deadline = Instant::now() + Duration::from_secs(60);
    while !one.token_review(&token)["error"].as_str().unwrap_or_default().contains("decode keys") {
        assert!(Instant::now() < deadline, "{}", one.token_review(&token));
        std::thread::sleep(Duration::from_millis(300));
    }
    let run = doctor(&config, &reviewed);
    expect_fault("jwks-unparsable", &run, &["jwks-unparsable", "credential-rejected"]);
    certain(&run, "jwks-unparsable");

    // A set without keys, and one whose keys have no name.
    let mut nameless = key.set.clone();
    nameless["keys"][0].as_object_mut().expect("a key").remove("kid");
    for (name, set) in [("jwks-empty", json!({ "keys": [] })), ("jwks-nameless", nameless)] {
        nginx.set_locations(&pages(&document(&issuer, Some(&format!("{issuer}/keys"))), &keys(&set)));
        let deadline = Instant::now() + Duration::from_secs(60);
        while !one.token_review(&token)["error"].as_str().unwrap_or_default().contains("failed to verify id token") {
            assert!(Instant::now() < deadline, "{}", one.token_review(&token));
            std::thread::sleep(Duration::from_millis(300));
        }
        let run = doctor(&config, &reviewed);
        expect_fault(name, &run, &["jwks-unparsable", "credential-rejected"]);
        certain(&run, "jwks-unparsable");
    }

    nginx.set_locations(&good(&issuer, &key));
    one.wait_accepted(&token);
    expect_healthy("issuer-documents-right", &doctor(&config, &reviewed));

    // Packed, as Go's client asks for it.
    nginx.set_locations(&format!("gzip on;\ngzip_types *;\ngzip_min_length 1;\n{}", good(&issuer, &key)));
    expect_healthy("issuer-documents-packed", &doctor(&config, &reviewed));

    // A server that is led to nowhere for the keys.
    let elsewhere = format!("https://localhost:{}/keys", closed_port());
    nginx.set_locations(&pages(&document(&issuer, Some(&elsewhere)), &keys(&key.set)));
    let two = server(lab, &issuer);
    let config_two = kubeconfig(&two, &token);
    let deadline = Instant::now() + Duration::from_secs(60);
    while !two.token_review(&token)["error"].as_str().unwrap_or_default().contains("get keys failed") {
        assert!(Instant::now() < deadline, "{}", two.token_review(&token));
        std::thread::sleep(Duration::from_millis(300));
    }
    let run = doctor(&config_two, &reviewed);
    expect_fault("jwks-unreachable", &run, &["jwks-unreachable", "credential-rejected"]);
    certain(&run, "jwks-unreachable");

    // A new key while the old set is still to be kept.
    let fresh = Key::new();
    let kept = |set: &Value| format!("add_header Cache-Control 'public, max-age=3600';\n{}", keys(set));
    let discovery = document(&issuer, Some(&format!("{issuer}/keys")));
    nginx.set_locations(&pages(&discovery, &kept(&key.set)));
    let three = server(lab, &issuer);
    three.wait_accepted(&token);
    nginx.set_locations(&pages(&discovery, &kept(&fresh.set)));
    let run = doctor(&kubeconfig(&three, &fresh.token(&issuer)), &reviewed);
    expect_fault(
        "jwks-cache-delays-rotation",
        &run,
        &["token-key-rotated", "jwks-cache-delays-rotation", "credential-rejected"],
    );
    certain(&run, "jwks-cache-delays-rotation");
    nginx.set_locations(&pages(&discovery, &keys(&fresh.set)));
    let mut three = three;
    three.restart();
    three.wait_accepted(&fresh.token(&issuer));
    expect_healthy("jwks-cache-over", &doctor(&kubeconfig(&three, &fresh.token(&issuer)), &reviewed));
}

#[test]
fn certificates_of_the_issuer() {
    let Some(lab) = lab::require() else { return };
    let ca = lab.pki.ca.cert.to_string_lossy().into_owned();
    let reviewed = ["--reviewer-context", "admin", "--oidc-ca-file", &ca];
    let mut nginx = Nginx::start_before(lab, closed_port(), Rule::AllowAll);
    let key = Key::of(lab);
    let old = lab.pki.ca.sign_server_between("issuer-old", &["localhost"], (-90, -1));
    let soon = lab.pki.ca.sign_server_between("issuer-soon", &["localhost"], (-80, 9));
    let other = lab.pki.ca.sign_server_between("issuer-other", &["login.example.com"], (-1, 89));
    let (below, intermediate) = lab.pki.ca.sign_below("issuer-below", &["localhost"]);
    let mut case = |identity: &lab::pki::Identity| {
        // The port is known only when the server is there, and its documents name the port.
        let port = nginx.set_certificate(identity, "");
        let issuer = format!("https://localhost:{port}/staff");
        nginx.set_certificate_on(port, identity, &good(&issuer, &key));
        (issuer.clone(), key.token(&issuer))
    };

    for (identity, name, logged) in [
        (&old, "issuer-certificate-expired", "certificate has expired"),
        (&other, "issuer-certificate-name-mismatch", "certificate is valid for login.example.com"),
        (&below, "issuer-chain-incomplete", "signed by unknown authority"),
    ] {
        let (issuer, token) = case(identity);
        let server = server(lab, &issuer);
        let config = kubeconfig(&server, &token);
        server.wait_logged(logged);
        let run = doctor(&config, &reviewed);
        expect_fault(name, &run, &[name, "oidc-not-initialized", "credential-rejected"]);
        let log = log_of(&server);
        let run = doctor(&config, &["--log", &log, "--oidc-ca-file", &ca]);
        expect_fault(&format!("{name}-log"), &run, &[name]);
        if name == "issuer-chain-incomplete" {
            assert!(run.codes().contains(&"issuer-certificate-untrusted".to_owned()), "{}", run.stdout);
            // The fix: the leaf and its intermediate in one file.
            let full = lab::pki::Identity { cert: scratch("chain").join("full.crt"), key: below.key.clone() };
            let text =
                fs::read_to_string(&below.cert).expect("a leaf") + &fs::read_to_string(&intermediate).expect("a CA");
            fs::write(&full.cert, text).expect("a chain");
            let port =
                issuer.trim_start_matches("https://localhost:").trim_end_matches("/staff").parse().expect("a port");
            nginx.set_certificate_on(port, &full, &good(&issuer, &key));
            server.wait_accepted(&token);
            expect_healthy("issuer-chain-complete", &doctor(&config, &reviewed));
            break;
        }
        certain(&run, name);
    }

    let port = nginx.set_certificate(&soon, "");
    let issuer = format!("https://localhost:{port}/staff");
    nginx.set_certificate_on(port, &soon, &good(&issuer, &key));
    let server = server(lab, &issuer);
    let token = key.token(&issuer);
    server.wait_accepted(&token);
    let run = doctor(&kubeconfig(&server, &token), &reviewed);
    expect_warning("issuer-certificate-expires-soon", &run, &["issuer-certificate-expires-soon"]);
}

#[test]
fn ways_to_the_issuer() {
    let Some(lab) = lab::require() else { return };
    let key = Key::of(lab);
    let proxy = TcpListener::bind("127.0.0.1:0").expect("a port");
    let proxy_port = proxy.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for mut stream in proxy.incoming().flatten() {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
    });
    // It accepts and says nothing; the connections stay open.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let silent_port = silent.local_addr().expect("an address").port();
    std::thread::spawn(move || silent.incoming().flatten().collect::<Vec<_>>());

    let hidden = "https://login.kaccess.invalid/staff";
    let through = ApiServer::start(
        lab,
        Options::default().oidc(lab, hidden).env("HTTPS_PROXY", format!("http://127.0.0.1:{proxy_port}")),
    );
    let nameless = server(lab, hidden);
    let slow_issuer = format!("https://localhost:{silent_port}/staff");
    let slow = server(lab, &slow_issuer);
    let closed_issuer = format!("https://localhost:{}/staff", closed_port());
    let closed = server(lab, &closed_issuer);
    for (server, issuer, name, code) in [
        (&through, hidden, "issuer-egress-proxy-denied", "issuer-egress-proxy-denied"),
        (&nameless, hidden, "issuer-private-dns", "issuer-private-dns"),
        (&slow, &slow_issuer, "issuer-unreachable-from-control-plane", "issuer-unreachable-from-control-plane"),
        (&closed, &closed_issuer, "issuer-refuses-connections", "issuer-unreachable-from-control-plane"),
    ] {
        server.wait_logged("initializing plugin: Get");
        let config = kubeconfig(server, &key.token(issuer));
        let log = log_of(server);
        let run = doctor(&config, &["--log", &log, "--reviewer-context", "admin"]);
        expect_fault(name, &run, &[code, "oidc-not-initialized", "credential-rejected"]);
        certain(&run, code);
    }
    let run = doctor(&kubeconfig(&closed, &key.token(&closed_issuer)), &REVIEWER);
    expect_fault("issuer-refuses-connections-reviewed", &run, &["issuer-unreachable-from-control-plane"]);
}

#[test]
fn several_servers_behind_one_address() {
    let Some(lab) = lab::require() else { return };
    let mut nginx = Nginx::start_before(lab, closed_port(), Rule::AllowAll);
    let issuer = format!("{}/staff", nginx.url());
    let key = Key::of(lab);
    let token = key.token(&issuer);
    nginx.set_locations(&good(&issuer, &key));
    let first = server(lab, &issuer);
    first.wait_accepted(&token);
    nginx.set_locations("location / { deny all; }\n");
    let second = server(lab, &issuer);
    second.wait_logged("initializing plugin: 403");
    let port = network::balancer(vec![first.port(), second.port()]).port();
    let text = first.kubeconfig_text(&[("alice", json!({ "token": token })), ("admin", first.admin_user())]);
    let config = scratch("balanced").join("kubeconfig");
    fs::write(&config, text.replace(&format!(":{}", first.port()), &format!(":{port}"))).expect("a kubeconfig");
    let run = doctor(&config, &[]);
    expect_fault("oidc-partly-initialized", &run, &["oidc-partly-initialized"]);
    nginx.set_locations(&good(&issuer, &key));
    second.wait_accepted(&token);
    expect_healthy("oidc-initialized-everywhere", &doctor(&config, &[]));
}

fn configuration(issuer: &str, ca: &str, more: &str) -> String {
    let ca = ca.lines().map(|line| format!("      {line}\n")).collect::<String>();
    format!(
        "apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\njwt:\n- issuer:\n    url: {issuer}\n    audiences: [kubernetes]\n    certificateAuthority: |\n{ca}  claimMappings:\n    username: {{claim: email, prefix: \"oidc:\"}}\n    groups: {{claim: groups, prefix: \"oidc:\"}}\n{more}"
    )
}

#[test]
fn authentication_configurations() {
    let Some(lab) = lab::require() else { return };
    let ca = fs::read_to_string(&lab.pki.ca.cert).expect("a CA");
    let ca_file = lab.pki.ca.cert.to_string_lossy().into_owned();
    let mut nginx = Nginx::start_before(lab, closed_port(), Rule::AllowAll);
    let issuer = format!("{}/staff", nginx.url());
    let key = Key::of(lab);
    let token = key.token(&issuer);
    let others = issuer.replace("/staff", "/other");
    nginx.set_locations(&format!("{}{}", good(&issuer, &key), good(&others, &key)));
    let text = configuration(&issuer, &ca, "");

    // A change with an error in it: who was let in still is, who should be now is not.
    let another = configuration(&others, &ca, "");
    let server = prepared(ApiServer::start(lab, Options::default().authentication_config(another)));
    let config = kubeconfig(&server, &token);
    server.wait_accepted(&key.token(&others));
    let file = server.dir().join("authentication.yaml");
    let put = |text: &str| {
        let new = server.dir().join("authentication.new");
        fs::write(&new, text).expect("a file");
        fs::rename(&new, &file).expect("a rename");
    };
    put(&configuration(&issuer, &ca, "  claimMapping: {}\n"));
    server.wait_logged("failed to load authentication config");
    let log = log_of(&server);
    let run = doctor(&config, &["--log", &log, "--reviewer-context", "admin", "--oidc-ca-file", &ca_file]);
    expect_fault(
        "authentication-config-not-reloaded",
        &run,
        &["authentication-config-not-reloaded", "credential-rejected"],
    );
    // What the new file says of this token is known from the file as it is meant.
    likely(&run, "authentication-config-not-reloaded");
    let meant = server.dir().join("meant.yaml");
    fs::write(&meant, &text).expect("a file");
    let meant = meant.to_string_lossy().into_owned();
    let run =
        doctor(&config, &["--reviewer-context", "admin", "--oidc-ca-file", &ca_file, "--apiserver-config", &meant]);
    assert_eq!(run.codes()[0], "authentication-config-not-reloaded", "{}", run.stdout);
    certain(&run, "authentication-config-not-reloaded");
    let run = doctor(&config, &["--reviewer-context", "admin", "--oidc-ca-file", &ca_file]);
    expect_fault("authentication-config-not-reloaded-metrics", &run, &["authentication-config-not-reloaded"]);
    put(&text);
    server.wait_logged("reloaded authentication config");
    server.wait_accepted(&token);
    let run = doctor(&config, &["--log", &log, "--reviewer-context", "admin", "--oidc-ca-file", &ca_file]);
    expect_healthy("authentication-config-reloaded", &run);

    // Configurations that no server starts with.
    let own = configuration(lab::apiserver::SERVICE_ACCOUNT_ISSUER, &ca, "");
    let broken = configuration(&issuer, &ca, "  claimMapping: {}\n");
    for (options, code) in [
        (
            Options::default().authentication_config(text.clone()).flag("--oidc-client-id=kubernetes"),
            "authentication-config-conflict",
        ),
        (Options::default().authentication_config(broken), "authentication-config-invalid"),
        (Options::default().authentication_config(own), "issuer-equals-service-account-issuer"),
    ] {
        let server = ApiServer::start_into_failure(lab, options);
        let config = kubeconfig(&server, &token);
        let log = log_of(&server);
        let run = doctor(&config, &["--log", &log, "--oidc-ca-file", &ca_file]);
        expect_fault(code, &run, &[code, "api-connection-refused"]);
        certain(&run, code);
    }
}

#[test]
fn a_clock_that_is_wrong() {
    let Some(lab) = lab::require() else { return };
    let ca = lab.pki.ca.cert.to_string_lossy().into_owned();
    let mut nginx = Nginx::start_before(lab, closed_port(), Rule::AllowAll);
    let issuer = format!("{}/staff", nginx.url());
    let key = Key::of(lab);
    nginx.set_locations(&good(&issuer, &key));
    // It answers as an API server does whose clock is two hours ahead.
    let serve = |ahead: i64| {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut head = [0; 8192];
                let length = stream.read(&mut head).unwrap_or(0);
                let text = String::from_utf8_lossy(&head[..length]).to_lowercase();
                let (status, body) = if text.contains("authorization:") || !text.contains("/version") {
                    (
                        "401 Unauthorized",
                        json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "Unauthorized", "reason": "Unauthorized", "code": 401 }),
                    )
                } else {
                    ("200 OK", json!({ "major": "1", "minor": "36", "gitVersion": "v1.36.3" }))
                };
                let date = Timestamp::now() + jiff::SignedDuration::from_secs(ahead);
                let date = date.strftime("%a, %d %b %Y %H:%M:%S GMT");
                let body = body.to_string();
                let _ = write!(
                    stream,
                    "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nDate: {date}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                    body.len()
                );
            }
        });
        port
    };
    let config = |port: u16| {
        let path = scratch("clock").join("kubeconfig");
        let token = key.token(&issuer);
        let text = format!(
            "apiVersion: v1\nkind: Config\nclusters:\n- name: c\n  cluster: {{server: \"http://127.0.0.1:{port}\"}}\ncontexts:\n- name: a\n  context: {{cluster: c, user: u}}\ncurrent-context: a\nusers:\n- name: u\n  user: {{token: {token}}}\n"
        );
        fs::write(&path, text).expect("a kubeconfig");
        path
    };
    let run = doctor(&config(serve(7200)), &["--oidc-ca-file", &ca, "--issuer", &issuer]);
    expect_fault("api-server-clock-wrong", &run, &["api-server-clock-wrong"]);
    certain(&run, "api-server-clock-wrong");
    let run = doctor(&config(serve(5)), &["--oidc-ca-file", &ca, "--issuer", &issuer]);
    assert!(!run.codes().contains(&"api-server-clock-wrong".to_owned()), "{}", run.stdout);
}
