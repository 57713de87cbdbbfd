//! `kaccess decode`: every kind of credential, its JSON, its exit codes; nothing of the signature.

use std::fs;

use base64::Engine as _;
use serde_json::{Value, json};

use crate::support::lab::issuer::Key;
use crate::support::run::{command, kaccess, scratch};

fn token(claims: &Value) -> String {
    let engine = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let header = engine.encode(r#"{"alg":"RS256","typ":"JWT","kid":"k1"}"#);
    format!("{header}.{}.{}", engine.encode(claims.to_string()), engine.encode("a signature"))
}

fn decoded(arguments: &[&str]) -> (Option<i32>, Value) {
    let mut all = vec!["decode", "-o", "json"];
    all.extend(arguments);
    let output = kaccess(&all);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let report = serde_json::from_str(&text)
        .unwrap_or_else(|error| panic!("{error}: {text}{}", String::from_utf8_lossy(&output.stderr)));
    crate::support::schema::hold(&report);
    (output.status.code(), report)
}

#[test]
fn a_token_is_shown_with_its_kubernetes_view() {
    let token = token(
        &json!({ "iss": "https://sso.example.com/realms/a", "sub": "u1", "aud": "kubernetes", "exp": 4_000_000_000_i64, "groups": ["dev"] }),
    );
    let (code, report) = decoded(&[&token]);
    assert_eq!(code, Some(0));
    assert_eq!(report["kind"], "CredentialReport");
    assert_eq!(report["type"], "jwt");
    assert_eq!(report["claims"]["sub"], "u1");
    assert_eq!(report["times"]["expired"], false);
    assert_eq!(report["view"]["username"], "https://sso.example.com/realms/a#u1");
    assert_eq!((&report["verification"], &report["judgement"]), (&Value::Null, &Value::Null));
    let flags = [
        "--oidc-issuer-url=https://sso.example.com/realms/a",
        "--oidc-client-id=kubernetes",
        "--oidc-groups-claim=groups",
        "--oidc-groups-prefix=oidc:",
    ];
    let (_, report) = decoded(&[&[token.as_str()][..], &flags].concat());
    assert_eq!(report["view"]["groups"][0], "oidc:dev");
    // The keys are not known, so the signature decides and nothing is claimed.
    assert_eq!(report["judgement"]["authenticated"], Value::Null);
    let (code, report) =
        decoded(&[token.as_str(), "--oidc-issuer-url=https://other.example.com", "--oidc-client-id=kubernetes"]);
    assert_eq!((code, &report["judgement"]["error"]), (Some(1), &json!("invalid bearer token")));
}

/// kube-apiserver takes Google's issuer without its scheme too, and no other one.
#[test]
fn googles_short_issuer_is_no_other_one() {
    let report = |iss: &str, url: &str| {
        let token = token(&json!({ "iss": iss, "sub": "u1", "aud": "kubernetes", "exp": 4_000_000_000_i64 }));
        decoded(&[token.as_str(), &format!("--oidc-issuer-url={url}"), "--oidc-client-id=kubernetes"]).1
    };
    let codes = |report: &Value| -> Vec<String> {
        let findings = report["findings"].as_array().into_iter().flatten();
        findings.map(|finding| finding["code"].as_str().unwrap_or_default().to_owned()).collect()
    };
    let google = report("accounts.google.com", "https://accounts.google.com");
    assert!(!codes(&google).contains(&"token-issuer-mismatch".to_owned()), "{google}");
    assert_eq!(google["view"]["username"], "https://accounts.google.com#u1", "{google}");
    assert!(!google["view"].to_string().contains("if the issuer were"), "{google}");
    let other = report("idp.example.com", "https://idp.example.com");
    assert!(codes(&other).contains(&"token-issuer-mismatch".to_owned()), "{other}");
    assert!(other["view"].to_string().contains("if the issuer were"), "{other}");
}

#[test]
fn what_stands_around_a_token_is_taken_off() {
    let token = token(&json!({ "iss": "https://i.example.com", "sub": "u1" }));
    let data = base64::engine::general_purpose::STANDARD.encode(&token);
    let folder = scratch("decode");
    let exec = json!({ "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": { "token": token } }).to_string();
    let secret = format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: s, namespace: ci}}\ntype: kubernetes.io/service-account-token\ndata:\n  token: {data}\n"
    );
    let config = format!("apiVersion: v1\nkind: Config\nusers:\n- name: u\n  user: {{token: {token}}}\n");
    for (name, text) in [("exec", exec), ("secret", secret), ("config", config), ("bare", format!("{token}\n"))] {
        let path = folder.join(name);
        // As PowerShell's `>` writes it, too.
        let wide: Vec<u8> = format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect();
        for bytes in [text.as_bytes(), &wide[..]] {
            fs::write(&path, bytes).expect("a file");
            let (code, report) = decoded(&[&format!("@{}", path.display())]);
            assert_eq!((code, &report["claims"]["sub"]), (Some(0), &json!("u1")), "{name}");
        }
    }
}

#[test]
fn certificates_are_users_and_groups() {
    let mut params = rcgen::CertificateParams::new(Vec::new()).expect("parameters");
    params.distinguished_name.push(rcgen::DnType::CommonName, "jane");
    params.distinguished_name.push(rcgen::DnType::OrganizationName, "dev");
    let key = rcgen::KeyPair::generate().expect("a key");
    let pem = params.self_signed(&key).expect("a certificate").pem();
    let path = scratch("decode").join("jane.crt");
    fs::write(&path, pem).expect("a file");
    let (code, report) = decoded(&[&format!("@{}", path.display())]);
    assert_eq!((code, &report["type"]), (Some(0), &json!("x509")));
    assert_eq!(report["view"]["username"], "jane");
    assert_eq!(report["view"]["groups"][0], "dev");
}

#[test]
fn what_is_no_credential_gives_no_answer() {
    for text in ["", "   ", "/no/such/file\u{0}"] {
        let output = command()
            .args([
                "decode",
                &format!("@{}", {
                    let path = scratch("decode").join("x");
                    fs::write(&path, text).expect("a file");
                    path.display().to_string()
                }),
            ])
            .output()
            .expect("kaccess runs");
        assert_eq!(output.status.code(), Some(2), "{text:?}");
    }
    assert_eq!(kaccess(&["decode", "@/no/such/file"]).status.code(), Some(2));
}

/// With a key set and a configuration at hand, nothing is asked of anybody.
#[test]
fn judging_from_files_opens_no_connection() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("nonblocking");
    let issuer = format!("https://{}", listener.local_addr().expect("an address"));
    let key = Key::rsa();
    let payload =
        json!({ "iss": issuer, "aud": "kubernetes", "sub": "alice", "exp": 4_000_000_000_i64, "groups": ["dev"] });
    let token = key.token("RS256", "{\"alg\":\"RS256\",\"kid\":\"k\"}", &payload.to_string());
    let folder = scratch("offline");
    let write = |name: &str, text: &str| {
        std::fs::write(folder.join(name), text).expect("a file");
        folder.join(name)
    };
    let configuration = json!({ "apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthenticationConfiguration", "jwt": [{
        "issuer": { "url": issuer, "audiences": ["kubernetes"] },
        "claimMappings": { "username": { "expression": "'u:' + claims.sub" }, "groups": { "claim": "groups", "prefix": "g:" } } }] });
    let output = command()
        .args(["decode", "--server-version", "1.35", "-o", "json", "--against"])
        .arg(write("config.yaml", &configuration.to_string()))
        .arg("--jwks")
        .arg(write("keys.json", &json!({ "keys": [key.jwk("k")] }).to_string()))
        .arg(format!("@{}", write("token", &token).display()))
        .output()
        .expect("kaccess runs");
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(report["judgement"]["authenticated"], true, "{report}");
    assert_eq!(report["judgement"]["user"]["username"], "u:alice");
    assert_eq!(report["judgement"]["user"]["groups"], json!(["g:dev", "system:authenticated"]));
    assert_eq!(output.status.code(), Some(0));
    assert!(listener.accept().is_err(), "somebody connected to the issuer");
}

/// What an API server takes is no error for looking like an access token, or like one whose groups did not fit.
#[test]
fn an_access_token_that_is_taken_is_no_error() {
    let key = Key::rsa();
    let folder = scratch("access-token");
    let write = |name: &str, text: &str| {
        std::fs::write(folder.join(name), text).expect("a file");
        folder.join(name).display().to_string()
    };
    let configuration = json!({ "apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthenticationConfiguration", "jwt": [{
        "issuer": { "url": "https://i.example.com", "audiences": ["kubernetes"] },
        "claimMappings": { "username": { "claim": "sub", "prefix": "u:" }, "groups": { "claim": "roles", "prefix": "g:" } } }] });
    let configuration = write("config.yaml", &configuration.to_string());
    let keys = write("keys.json", &json!({ "keys": [key.jwk("k")] }).to_string());
    let codes = |audience: &str| {
        let payload = json!({
            "iss": "https://i.example.com", "aud": audience, "sub": "alice", "exp": 4_000_000_000_i64, "typ": "Bearer",
            "roles": ["dev"], "_claim_names": { "groups": "src1" },
            "_claim_sources": { "src1": { "endpoint": "https://g.example.com/groups" } },
        });
        let signed = key.token("RS256", "{\"alg\":\"RS256\",\"kid\":\"k\"}", &payload.to_string());
        let (_, report) = decoded(&["--server-version", "1.35", "--against", &configuration, "--jwks", &keys, &signed]);
        let findings = report["findings"].as_array().cloned().unwrap_or_default();
        let codes =
            findings.iter().filter_map(|finding| finding["code"].as_str().map(str::to_owned)).collect::<Vec<_>>();
        (report["judgement"]["authenticated"].clone(), codes)
    };
    assert_eq!(codes("kubernetes"), (json!(true), Vec::new()));
    let (taken, found) = codes("account");
    assert_eq!(taken, json!(false));
    assert!(found.iter().any(|code| code == "token-not-id-token"), "{found:?}");
}

/// A configuration with faults is refused with the server's words, and with the lines.
#[test]
fn faults_of_a_configuration_have_lines() {
    let folder = scratch("faults");
    let file = folder.join("config.yaml");
    let text = "apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\njwt:\n- issuer:\n    url: http://a.example\n    \
        audiences: [x]\n  claimMappings:\n    username:\n      expression: claims.groups.map(g, g)\n";
    std::fs::write(&file, text).expect("a file");
    let output =
        command().args(["decode", "-o", "json", "a.b.c", "--against"]).arg(&file).output().expect("kaccess runs");
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let configuration = &report["configuration"];
    assert_eq!(configuration["valid"], false);
    let places: Vec<(&str, u64)> = configuration["places"]
        .as_array()
        .expect("places")
        .iter()
        .map(|place| (place["field"].as_str().expect("a field"), place["line"].as_u64().expect("a line")))
        .collect();
    assert_eq!(places, [("jwt[0].issuer.url", 5), ("jwt[0].claimMappings.username.expression", 9)]);
    assert_eq!(output.status.code(), Some(1));
}

/// STS, which the presigned URL of an IAM token leads to, says whose it is; it is asked as the authenticator asks it.
#[test]
fn an_iam_token_is_verified_by_sts() {
    use crate::support::front::{answer, field, read_request};
    use std::io::Write as _;
    let url = "https://sts.eu-west-1.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15\
        &X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=ASIAEXAMPLE%2F20261123%2Feu-west-1%2Fsts%2Faws4_request\
        &X-Amz-Date=20261123T062153Z&X-Amz-Expires=60&X-Amz-Security-Token=canary-session-token\
        &X-Amz-SignedHeaders=host%3Bx-k8s-aws-id&X-Amz-Signature=0123canarysignature4567";
    let token = format!("k8s-aws-v1.{}", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(url));
    let asked = |status: &'static str, body: Value, variable: &str| {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let served = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a connection");
            let request = read_request(&mut stream).expect("a request");
            let body = body.to_string();
            stream.write_all(&answer(status, "Content-Type: application/json\r\n", &body)).expect("an answer");
            request.head
        });
        let output = command()
            .args(["decode", "-o", "json", "--verify", "--at", "2026-11-23T06:22:00Z", "--eks-cluster", "prod"])
            .arg(&token)
            .env(variable, format!("http://127.0.0.1:{port}"))
            .output()
            .expect("kaccess runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(!text.contains("canary") && !String::from_utf8_lossy(&output.stderr).contains("canary"), "{text}");
        let report: Value = serde_json::from_str(&text).expect("JSON");
        (output.status.code(), report, served.join().expect("the server"))
    };
    let checks = |report: &Value| -> Vec<(String, Value, String)> {
        let list = report["verification"]["checks"].as_array().expect("checks");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        list.iter().map(|check| (text(&check["id"]), check["ok"].clone(), text(&check["seen"]))).collect()
    };

    let arn = "arn:aws:sts::111122223333:assumed-role/Ops/jane";
    let identity = json!({ "Arn": arn, "UserId": "AROAEXAMPLE:jane", "Account": "111122223333" });
    let (code, report, head) = asked(
        "200 OK",
        json!({ "GetCallerIdentityResponse": { "GetCallerIdentityResult": identity } }),
        "AWS_ENDPOINT_URL_STS",
    );
    assert_eq!((code, &report["verification"]["ok"]), (Some(0), &json!(true)), "{report}");
    assert_eq!(checks(&report)[0], ("sts".to_owned(), json!(true), arn.to_owned()));
    assert!(checks(&report)[1].2.starts_with("arn:aws:iam::111122223333:role/Ops "), "{report}");
    assert_eq!(field(&head, "x-k8s-aws-id"), Some("prod"));
    assert_eq!(field(&head, "accept"), Some("application/json"));
    assert!(head.contains("Action=GetCallerIdentity") && head.contains("X-Amz-Signature="), "{head}");

    let refusal = json!({ "Error": { "Code": "SignatureDoesNotMatch", "Message": "The request signature we calculated does not match" } });
    let (code, report, _) = asked("403 Forbidden", refusal, "AWS_ENDPOINT_URL");
    assert_eq!((code, &report["verification"]["ok"]), (Some(1), &json!(false)), "{report}");
    assert!(checks(&report)[0].2.contains("SignatureDoesNotMatch"), "{report}");

    // Without the cluster's name nothing is asked, and nothing is said.
    let output = command().args(["decode", "-o", "json", "--verify", &token]).output().expect("kaccess runs");
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(checks(&report)[0].1, Value::Null);
    assert!(checks(&report)[0].2.contains("--eks-cluster"), "{report}");

    // A time that has not come is refused by STS, whatever else holds.
    let output = command()
        .args(["decode", "-o", "json", "--verify", "--at", "2026-11-23T06:00:00Z", &token])
        .output()
        .expect("kaccess runs");
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let early = checks(&report).into_iter().find(|(id, ..)| id == "not-before");
    assert_eq!(early.map(|(_, ok, _)| ok), Some(json!(false)), "{report}");

    // What the authenticator refuses by the URL alone needs no STS to be refused.
    for (from, to, why) in [
        ("host%3Bx-k8s-aws-id", "host", "client did not sign the x-k8s-aws-id header"),
        ("X-Amz-Expires=60", "X-Amz-Expires=3600", "invalid X-Amz-Expires parameter"),
        ("&X-Amz-Expires=60", "", "invalid X-Amz-Expires parameter"),
        ("amazonaws.com/", "amazonaws.com:443/", "unexpected hostname"),
    ] {
        let url = url.replace(from, to);
        let token = format!("k8s-aws-v1.{}", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(url));
        let output = command()
            .args(["decode", "-o", "json", "--verify", "--at", "2026-11-23T06:22:00Z", "--eks-cluster", "prod", &token])
            .output()
            .expect("kaccess runs");
        let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!((output.status.code(), &report["verification"]["ok"]), (Some(1), &json!(false)), "{report}");
        assert!(checks(&report)[0].2.contains(why), "{report}");
    }
}

/// An IAM token that is over has a finding of its own, which cites what the report shows.
#[test]
fn an_iam_token_that_is_over_is_no_token_without_exp() {
    let url = "https://sts.eu-west-1.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15\
        &X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=ASIAEXAMPLE%2F20261123%2Feu-west-1%2Fsts%2Faws4_request\
        &X-Amz-Date=20261123T062153Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host%3Bx-k8s-aws-id&X-Amz-Signature=0";
    let token = format!("k8s-aws-v1.{}", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(url));
    assert_eq!(decoded(&["--at", "2026-11-23T06:36:00Z", &token]).1["findings"], json!([]));
    let (_, report) = decoded(&["--at", "2026-11-23T06:37:00Z", &token]);
    let findings = report["findings"].as_array().expect("findings");
    let codes: Vec<&Value> = findings.iter().map(|finding| &finding["code"]).collect();
    assert_eq!(codes, ["iam-token-expired"], "{report}");
    let path = findings[0]["evidence"][0]["path"].as_str().expect("a path");
    assert_eq!(report.pointer(path), Some(&json!("2026-11-23T06:36:53Z")), "{path}");
}

/// The API server takes a token without an end as one that has ended, and reads ends that cannot be shown as a time.
#[test]
fn a_token_is_verified_by_the_end_that_the_api_server_reads() {
    let folder = scratch("expiry");
    let key = Key::rsa();
    let keys = folder.join("keys.json");
    fs::write(&keys, json!({ "keys": [key.jwk("k")] }).to_string()).expect("a file");
    let keys = keys.display().to_string();
    let verified = |mut claims: Value, exp: Option<&Value>| {
        if let Some(exp) = exp {
            claims["exp"] = exp.clone();
        }
        let signed = key.token("RS256", "{\"alg\":\"RS256\",\"kid\":\"k\"}", &claims.to_string());
        let (code, report) = decoded(&[&signed, "--jwks", &keys]);
        let checks = report["verification"]["checks"].as_array().expect("checks");
        let expiry = checks.iter().find(|check| check["id"] == "expiry").cloned().unwrap_or_default();
        (code, expiry["ok"].clone(), expiry["seen"].as_str().unwrap_or_default().to_owned())
    };
    let person = json!({ "iss": "https://i.example.com", "aud": "kubernetes", "sub": "alice" });
    for (exp, good, words) in [
        (None, false, "the token has no exp"),
        (Some(json!(null)), false, "exp is null, which is no time"),
        (Some(json!("tomorrow")), false, "exp is \"tomorrow\", which is no time"),
        (Some(json!(1)), false, "1970-01-01T00:00:01Z"),
        (Some(json!("4000000000")), true, "2096-10-02T07:06:40Z"),
        // In milliseconds, which puts it into a year that no calendar here shows.
        (Some(json!(4_000_000_000_000_i64)), true, "+0000 UTC"),
    ] {
        let (code, ok, seen) = verified(person.clone(), exp.as_ref());
        assert_eq!((code, ok), (Some(i32::from(!good)), json!(good)), "{exp:?}: {seen}");
        assert!(seen.contains(words), "{exp:?}: {seen}");
    }
    let account =
        json!({ "iss": "https://kubernetes.default.svc", "sub": "system:serviceaccount:a:b", "kubernetes.io": {} });
    assert_eq!(verified(account.clone(), None), (Some(0), Value::Null, String::new()));
    let (code, ok, seen) = verified(account, Some(&json!("4000000000")));
    assert_eq!((code, ok), (Some(1), json!(false)), "{seen}");
}

/// PEM that is no certificate is named, with what to give instead, and nothing of it is shown.
#[test]
fn keys_and_requests_are_no_credentials() {
    let folder = scratch("pem");
    let key = rcgen::KeyPair::generate().expect("a key");
    let params = rcgen::CertificateParams::new(Vec::new()).expect("parameters");
    let request = params.serialize_request(&key).expect("a request").pem().expect("PEM");
    let (secret, public) = (key.serialize_pem(), key.public_key_pem());
    for (name, text, words) in [
        ("alice.key", &secret, ["is a private key", "the certificate that belongs to it"]),
        ("alice.csr", &request, ["is a certificate request", ".status.certificate"]),
        ("alice.pub", &public, ["is a public key", "--service-account-key-file"]),
    ] {
        let file = folder.join(name);
        fs::write(&file, text).expect("a file");
        let output = kaccess(&["decode", &format!("@{}", file.display())]);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{name}: {errors}");
        assert!(words.iter().all(|words| errors.contains(words)), "{name}: {errors}");
        let shown = text.lines().filter(|line| !line.starts_with("--")).any(|line| errors.contains(line));
        assert!(!shown, "{name}: {errors}");
    }
}

/// What a token that was cut does not say any more is not shown as if it said null.
#[test]
fn a_cut_iam_token_says_nothing_of_its_region() {
    let url = "https://sts.eu-west-1.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Cred";
    let token = format!("k8s-aws-v1.{}", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(url));
    for form in ["table", "markdown"] {
        let output = kaccess(&["decode", "-o", form, &token]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.contains("sts.eu-west-1.amazonaws.com") && !text.contains("null"), "{form}: {text}");
    }
    assert_eq!(decoded(&[&token]).1["claims"]["region"], Value::Null);
}

/// Of a token that somebody masked nothing can be read, whatever its prefix says.
#[test]
fn a_masked_iam_token_is_not_decoded() {
    let url = "https://sts.eu-west-1.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Cred";
    let whole = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(url);
    for encoded in [format!("*******{}", &whole[8..]), "****".to_owned(), format!("{}****", &whole[..16])] {
        let (code, report) = decoded(&[&format!("k8s-aws-v1.{encoded}")]);
        assert_eq!((code, &report["claims"]), (Some(2), &Value::Null), "{encoded}: {report:#}");
    }
    let (code, report) = decoded(&[&format!("k8s-aws-v1.{whole}")]);
    assert_eq!((code, report["claims"].is_object()), (Some(0), true), "{report:#}");
}

/// A word that may be a file's name earns a hint at the @; a token does not.
#[test]
fn a_forgotten_at_is_hinted_at() {
    let hint = |word: &str| String::from_utf8_lossy(&kaccess(&["decode", word]).stderr).contains("@FILE reads a file");
    assert!(hint("nosuch") && hint("./a-token-of-alice-in-a-file") && hint("alice-of-the-platform-team.jwt"));
    assert!(!hint("31ada4fd-adec-460c-809a-9e56ceb75269") && !hint(&token(&json!({ "iss": "https://i.example.com" }))));
}

/// Where the exit code is not 0, the short form and the table's first line say what it comes to, and why.
#[test]
fn the_verdict_stands_first_and_agrees_with_the_exit_code() {
    let folder = scratch("verdict");
    let write = |name: &str, text: &str| {
        fs::write(folder.join(name), text).expect("a file");
        folder.join(name).display().to_string()
    };
    let key = Key::rsa();
    let claims =
        json!({ "iss": "https://i.example.com", "aud": "kubernetes", "sub": "alice", "exp": 4_000_000_000_i64 });
    let signed = key.token("RS256", "{\"alg\":\"RS256\",\"kid\":\"k\"}", &claims.to_string());
    let token = format!("@{}", write("token", &signed));
    let keys = write("keys.jwks", &json!({ "keys": [key.jwk("k")] }).to_string());
    let empty = write("empty.jwks", "{\"keys\": []}");
    let foreign = format!("https://other.example.com={keys}");
    let named = rcgen::KeyPair::generate().expect("a key");
    let certificate = |name: &str| {
        let mut params = rcgen::CertificateParams::new(Vec::new()).expect("parameters");
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.self_signed(&named).expect("a certificate").pem()
    };
    let jane = format!("@{}", write("jane.crt", &certificate("jane")));
    let authority = write("other.crt", &certificate("other"));
    let issuer = "--oidc-issuer-url=https://i.example.com";
    let client = "--oidc-client-id=kubernetes";
    let cases: &[(&[&str], i32, &str)] = &[
        (&[&token], 0, "no finding"),
        // A key set that nobody judges with is there to verify.
        (&[&token, "--jwks", &keys], 0, "accepted by every check"),
        (&[&token, "--jwks", &empty], 1, "rejected: signature: no key with kid \"k\""),
        (&[&token, "--verify", "--jwks", &empty], 1, "rejected: signature: no key with kid \"k\""),
        (&[&token, "--jwks", &foreign], 2, "undecided: signature: --jwks gives no key set of the issuer"),
        (&[&token, issuer, client, "--jwks", &keys], 0, "accepted as https://i.example.com#alice"),
        (&[&token, issuer, client, "--jwks", &empty], 1, "rejected: kube-apiserver refuses it with 401: "),
        (&[&token, issuer, client], 2, "undecided: the signature was not checked"),
        (&[&token, "--oidc-issuer-url=http://i", client], 1, "rejected: kube-apiserver would not start"),
        (&[&jane, "--client-ca-file", &authority], 1, "rejected: kube-apiserver refuses it with 401: "),
    ];
    for (arguments, code, words) in cases {
        let run = |form: &[&str]| {
            let output = kaccess(&[&["decode"][..], *arguments, form].concat());
            assert_eq!(output.status.code(), Some(*code), "{arguments:?}: {output:?}");
            String::from_utf8(output.stdout).expect("UTF-8")
        };
        let short = run(&["--short"]);
        let first = short.lines().next().expect("a line");
        assert!(first.contains(words), "{arguments:?}: {short}");
        assert_eq!(*code == 0, first.contains(": accepted") || first.ends_with("no finding"), "{arguments:?}: {short}");
        if *words != "no finding" {
            let table = run(&[]);
            let word = words.split([':', ' ']).next().expect("a word");
            assert!(table.starts_with(word), "{arguments:?}: {table}");
        }
    }
    // A token that was cut is no answer either.
    let output = kaccess(&["decode", "--short", &signed[..20]]);
    let short = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.code() == Some(2) && short.contains("undecided: it cannot be read: "), "{output:?}");
}
