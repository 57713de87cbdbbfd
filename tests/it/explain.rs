//! `kaccess explain`: the corpus of real-shaped texts, streams of every size and encoding, pages, and exit codes.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Output, Stdio};

use kaccess::apiserver::message;
use kaccess::cli::explain::explained;
use kaccess::evidence::Evidence;
use kaccess::evidence::apiserver::LogMatch;
use kaccess::report::doctor::{DoctorReport, Status};
use kaccess::report::{Confidence, diagnose};
use kaccess::rules::{Case, RULES, check_all};
use regex::Regex;
use serde_json::Value;

use crate::support::run::{command, kaccess, scratch};

/// One text of testdata/logs.
struct Sample {
    file: String,
    text: String,
    /// The code that it means; `None` where it is not about access.
    code: Option<String>,
    wrapping: String,
}

fn corpus() -> Vec<Sample> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/logs");
    let mut files: Vec<_> =
        fs::read_dir(folder).expect("testdata/logs").map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    let mut samples = Vec::new();
    for path in files.iter().filter(|path| path.extension().is_some_and(|extension| extension == "jsonl")) {
        let file = path.file_stem().expect("a name").to_string_lossy().into_owned();
        for line in fs::read_to_string(path).expect("a file").lines() {
            let sample: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{file}: {error}: {line}"));
            samples.push(Sample {
                file: file.clone(),
                text: sample["text"].as_str().expect("a text").to_owned(),
                code: sample["code"].as_str().map(str::to_owned),
                wrapping: sample["wrapping"].as_str().expect("a wrapping").to_owned(),
            });
        }
    }
    samples
}

#[test]
fn texts_in_every_wrapping_are_recognised_and_none_is_wrong_and_certain() {
    let (mut right, mut all) = (0, 0);
    let mut misses = Vec::new();
    let mut wrong = Vec::new();
    for sample in corpus() {
        let Some(code) = sample.code.as_deref().filter(|code| *code != "admission-denied") else { continue };
        assert!(RULES.iter().any(|rule| rule.code == code), "{}: {code} is no code", sample.file);
        all += 1;
        let report = explained(sample.text.as_bytes());
        let first = report.matches.first();
        if first.is_some_and(|found| found.code == code) {
            right += 1;
            continue;
        }
        let line = format!(
            "{code}, {}: found {:?} in {}",
            sample.wrapping,
            report.matches.iter().map(|found| found.code).collect::<Vec<_>>(),
            sample.text
        );
        if first.is_some_and(|found| found.confidence == Confidence::Certain) {
            wrong.push(line.clone());
        }
        misses.push(line);
    }
    assert!(all >= 500, "only {all} texts");
    assert!(wrong.is_empty(), "wrong and certain:\n{}", wrong.join("\n"));
    assert!(right * 100 >= all * 99, "{right} of {all} are right:\n{}", misses.join("\n"));
}

/// The texts gathered from public threads stay many, and none only repeats another.
#[test]
fn texts_from_public_threads_are_many_and_no_repeats() {
    let digits = Regex::new("[0-9]+").expect("an expression");
    let mut met: BTreeMap<String, String> = BTreeMap::new();
    let (mut positives, mut negatives) = (0, 0);
    let mut repeats = Vec::new();
    // The others first: a text of a thread must differ from theirs, whatever repeats among themselves.
    let (threads, others): (Vec<Sample>, Vec<Sample>) =
        corpus().into_iter().partition(|sample| sample.file == "threads");
    met.extend(others.iter().map(|sample| (digits.replace_all(&sample.text, "0").into_owned(), sample.file.clone())));
    for sample in threads {
        match sample.code.as_deref() {
            None | Some("admission-denied") => negatives += 1,
            Some(_) => positives += 1,
        }
        if let Some(file) = met.insert(digits.replace_all(&sample.text, "0").into_owned(), sample.file.clone()) {
            repeats.push(format!("{file}: {}", sample.text));
        }
    }
    assert!(repeats.is_empty(), "told twice:\n{}", repeats.join("\n"));
    assert!(positives >= 250, "only {positives} texts of threads with a code");
    assert!(negatives >= 80, "only {negatives} texts of threads that are no access trouble");
}

#[test]
fn texts_about_other_things_are_no_access_trouble() {
    let mut silent = 0;
    let mut faults = Vec::new();
    for sample in corpus().iter().filter(|sample| sample.code.as_deref().is_none_or(|code| code == "admission-denied"))
    {
        let report = explained(sample.text.as_bytes());
        // Admission's refusals are named, and named as what they are: no matter of rights.
        let fine = match &sample.code {
            None => report.matches.is_empty(),
            Some(code) => {
                report.matches.len() == 1
                    && report.matches[0].code == code
                    && report.matches[0].next.iter().all(|step| step.command.is_none())
            }
        };
        silent += 1;
        if !fine {
            faults.push(format!(
                "{:?}: {}",
                report.matches.iter().map(|found| found.code).collect::<Vec<_>>(),
                sample.text
            ));
        }
    }
    assert!(silent >= 200, "only {silent} texts");
    assert!(faults.is_empty(), "recognised as trouble of access:\n{}", faults.join("\n"));
}

/// kaccess explain -o json, with something on stdin.
fn piped(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = command()
        .args(["explain", "-o", "json"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("kaccess runs");
    child.stdin.take().expect("stdin").write_all(input).expect("it reads");
    child.wait_with_output().expect("kaccess runs")
}

fn json(output: &Output) -> Value {
    let answer = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("{error}: {}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    });
    crate::support::schema::hold(&answer);
    answer
}

const INCIDENT: &str = "E1123 06:21:53.522520   12710 oidc.go:433] oidc authenticator: initializing plugin: 403 Forbidden: <html>\n\
<head><title>403 Forbidden</title></head>\n<body>\n<center><h1>403 Forbidden</h1></center>\n<hr><center>nginx</center>\n</body>\n</html>\n\
I1123 06:21:54.000000   12710 httplog.go:132] \"HTTP\" verb=\"GET\" URI=\"/healthz\" resp=200\n\
E1123 06:21:58.123608   12710 authentication.go:75] \"Unable to authenticate the request\" err=\"[invalid bearer token, oidc: authenticator not initialized]\"\n\
E1123 06:22:03.522520   12710 oidc.go:433] oidc authenticator: initializing plugin: 403 Forbidden: <html>\n\
E1123 06:22:09.123608   12710 authentication.go:75] \"Unable to authenticate the request\" err=\"[invalid bearer token, oidc: authenticator not initialized]\"\n";

#[test]
fn a_log_is_grouped_and_the_consequence_points_to_its_cause() {
    let output = piped(&["-"], INCIDENT.as_bytes());
    assert_eq!(output.status.code(), Some(0));
    let report = json(&output);
    assert_eq!((report["kind"].as_str(), report["apiVersion"].as_str()), (Some("Explanation"), Some("kaccess.dev/v1")));
    let matches = report["matches"].as_array().expect("matches");
    assert_eq!(matches.len(), 2, "{report:#}");
    let (cause, consequence) = (&matches[0], &matches[1]);
    assert_eq!(cause["code"], "issuer-blocks-control-plane");
    assert_eq!(
        (cause["count"].as_u64(), cause["line"].as_u64(), cause["lastLine"].as_u64()),
        (Some(2), Some(1), Some(10))
    );
    assert_eq!(cause["firstSeen"], "11-23 06:21:53.522520");
    assert_eq!(cause["lastSeen"], "11-23 06:22:03.522520");
    assert_eq!(cause["fields"]["status"], "403");
    assert_eq!(cause["explainedBy"], Value::Null);
    assert_eq!(consequence["code"], "oidc-not-initialized");
    assert_eq!(consequence["explainedBy"], "issuer-blocks-control-plane");
    // The page's own lines and the calm one.
    assert_eq!(report["unrecognised"].as_u64(), Some(7));
    let table = command().args(["explain", INCIDENT]).output().expect("kaccess runs");
    let table = String::from_utf8(table.stdout).expect("UTF-8").split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(table.starts_with("issuer-blocks-control-plane (certain)"), "{table}");
    assert!(
        table.contains("Only consequences of the above") && table.contains("because of issuer-blocks-control-plane"),
        "{table}"
    );
}

#[test]
fn what_stands_in_a_text_stands_in_the_answer() {
    for (text, code, fields, words) in [
        (
            r#"err="[invalid bearer token, oidc: verify token: oidc: expected audience \"kubernetes\" got [\"portal\"]]""#,
            "token-audience-mismatch",
            &[("expected", "\"kubernetes\""), ("got", "[\"portal\"]")][..],
            "the server expects the audience kubernetes, the token says portal",
        ),
        (
            "oidc: verify token: oidc: token is expired (Token Expiry: 2026-03-08 21:39:18 +0000 UTC)",
            "token-expired",
            &[("expiry", "2026-03-08 21:39:18 +0000 UTC")],
            "2026-03-08 21:39:18",
        ),
        (
            "verifying certificate SN=4711, SKID=, AKID=04:6C failed: x509: certificate has expired or is not yet valid: current time 2026-11-25T10:00:00Z is after 2026-01-01T00:00:00Z",
            "client-certificate-expired",
            &[("serial", "4711"), ("akid", "04:6C")],
            "4711",
        ),
        (
            r#"pods "web" is forbidden: User "oidc:alice" cannot get resource "pods/log" in API group "" in the namespace "dev""#,
            "rbac-no-grant",
            &[
                ("user", "oidc:alice"),
                ("verb", "get"),
                ("resource", "pods"),
                ("subresource", "log"),
                ("name", "web"),
                ("namespace", "dev"),
            ],
            "pods/log",
        ),
        (
            r#"time="2026-11-25T10:00:00Z" level=warning msg="access denied" arn="arn:aws:iam::111122223333:role/dev" error="identity is not mapped""#,
            "iam-identity-not-mapped",
            &[("arn", "arn:aws:iam::111122223333:role/dev")],
            "arn:aws:iam::111122223333:role/dev",
        ),
        (
            "Unable to connect to the server: proxyconnect tcp: tls: first record does not look like a TLS handshake",
            "proxy-unreachable",
            &[("error", "tls: first record does not look like a TLS handshake")],
            "is named with https:// and does not speak TLS itself",
        ),
        (
            "Unable to connect to the server: proxyconnect tcp: dial tcp 127.0.0.1:3128: connect: connection refused",
            "proxy-unreachable",
            &[("error", "dial tcp 127.0.0.1:3128: connect: connection refused")],
            "cannot be used: dial tcp 127.0.0.1:3128",
        ),
    ] {
        let report = json(&kaccess(&["explain", "-o", "json", text]));
        let found = &report["matches"][0];
        assert_eq!(found["code"], code, "{report:#}");
        for (name, value) in fields {
            assert_eq!(found["fields"][name], *value, "{report:#}");
        }
        assert!(found["means"].as_str().is_some_and(|means| means.contains(words)), "{report:#}");
        assert!(found["next"].as_array().is_some_and(|next| next.iter().any(|step| step["command"].is_string())));
    }
    // The command that looks asks exactly what was refused, and it is one that can-i takes.
    let report = json(&kaccess(&[
        "explain",
        "-o",
        "json",
        r#"deployments.apps "web" is forbidden: User "a" cannot patch resource "deployments" in API group "apps" in the namespace "dev""#,
    ]));
    let commands: Vec<&str> = report["matches"][0]["next"]
        .as_array()
        .expect("steps")
        .iter()
        .filter_map(|step| step["command"].as_str())
        .collect();
    assert_eq!(
        commands,
        ["kaccess who-can patch deployments.apps web -n dev", "kaccess can-i patch deployments.apps web -n dev --why"]
    );
}

/// What a program in a Pod says leads to `kaccess workload`, with its own words in the answer.
#[test]
fn words_of_pods_lead_to_their_aws_identity() {
    let first = |text: &str| explained(text.as_bytes()).matches.remove(0);
    let found = first(
        "An error occurred (AccessDenied) when calling the ListBuckets operation: User: arn:aws:sts::111122223333:assumed-role/prod-node/i-0123456789abcdef0 is not authorized to perform: s3:ListAllMyBuckets",
    );
    assert_eq!((found.code, found.fields["role"].as_str()), ("workload-uses-node-role", "prod-node"));
    assert!(found.next[0].text.contains("prod-node") && found.next[0].text.contains("s3:ListAllMyBuckets"));
    assert_eq!(found.next[1].command.as_deref(), Some("kaccess workload POD -n NAMESPACE"));
    let found = first(
        "InvalidIdentityToken: No OpenIDConnect provider found in your account for https://oidc.eks.eu-west-1.amazonaws.com/id/ABC",
    );
    assert_eq!(found.code, "irsa-provider-missing");
    let command = found.next[0].command.as_deref().unwrap_or_default();
    assert!(command.contains("--url https://oidc.eks.eu-west-1.amazonaws.com/id/ABC"), "{command}");
}

/// Breaks a text at blanks, so that no line is longer than this.
fn wrapped(text: &str, width: usize) -> String {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("a line");
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= width {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines.join("\n")
}

/// Breaks a text wherever the line is full.
fn cut(text: &str, width: usize) -> String {
    let all: Vec<char> = text.chars().collect();
    all.chunks(width).map(|line| line.iter().collect::<String>()).collect::<Vec<_>>().join("\n")
}

#[test]
fn texts_that_a_chat_or_a_terminal_broke_mean_what_they_meant() {
    let first = |text: &str| explained(text.as_bytes()).matches.first().map(|found| (found.code, found.confidence));
    let (mut right, mut all) = (0, 0);
    let (mut misses, mut wrong) = (Vec::new(), Vec::new());
    for sample in corpus() {
        let long = (81..=400).contains(&sample.text.chars().count()) && !sample.text.contains('\n');
        let Some(code) = sample.code.as_deref().filter(|code| long && *code != "admission-denied") else { continue };
        if first(&sample.text).is_none_or(|(found, _)| found != code) {
            continue;
        }
        for broken in [wrapped(&sample.text, 80), cut(&sample.text, 80)] {
            all += 1;
            match first(&broken) {
                Some((found, _)) if found == code => right += 1,
                Some((found, Confidence::Certain)) => wrong.push(format!("{code}, found {found} in {broken}")),
                found => misses.push(format!("{code}, found {found:?} in {broken}")),
            }
        }
    }
    assert!(all >= 800, "only {all} broken texts");
    assert!(wrong.len() * 100 <= all, "{} are wrong and certain:\n{}", wrong.len(), wrong.join("\n"));
    assert!(right * 100 >= all * 95, "{right} of {all} are right:\n{}\n{}", misses.join("\n"), wrong.join("\n"));
}

#[test]
fn lines_that_stand_beside_each_other_make_no_message() {
    let calm: Vec<String> =
        corpus().into_iter().filter(|sample| sample.code.is_none()).map(|sample| sample.text).collect();
    // Each text comes to stand before several others.
    for step in [1, 7, 31] {
        let mut order: Vec<&String> = Vec::with_capacity(calm.len());
        for offset in 0..step {
            order.extend(calm.iter().skip(offset).step_by(step));
        }
        for pair in order.windows(3) {
            let text = format!("{}\n{}\n{}", pair[0], pair[1], pair[2]);
            // A page counts only at the head of a text.
            let report = explained(text.as_bytes());
            let found: Vec<&str> = report.matches.iter().map(|found| found.code).collect();
            assert!(found.is_empty(), "{found:?} in {text}");
        }
    }
}

#[test]
fn no_sentence_tells_of_a_name_that_is_not_there() {
    let mut told = 0;
    for sample in corpus().iter().filter(|sample| sample.code.is_some() && !sample.text.contains('\n')) {
        let all: Vec<char> = sample.text.chars().collect();
        for part in 1..=6 {
            let text: String = all[..all.len() * part / 6].iter().collect();
            for found in explained(text.as_bytes()).matches {
                told += 1;
                let gaps = ["\u{0}", "as \"\"", "may not  ", "plugin  cannot", "context  "];
                let gap = gaps.iter().any(|gap| found.means.contains(gap)) || found.means.ends_with([' ', '\u{0}']);
                assert!(!gap && !found.means.is_empty(), "{:?} of {text}", found.means);
            }
        }
    }
    assert!(told >= 1000, "only {told} sentences");
    let cut = explained(br#"pods is forbidden: User "oidc:alice" cannot list resource "pods""#).matches.remove(0);
    assert_eq!((cut.code, cut.confidence), ("rbac-no-grant", Confidence::Possible));
    assert!(cut.means.contains("oidc:alice") && !cut.means.contains("in the whole cluster"), "{}", cut.means);
}

/// Words that other programs say as well decide nothing.
#[test]
fn words_of_no_known_program_are_possible_only() {
    for text in [
        r#"[oauth2-proxy] could not verify id_token: oidc: expected audience "web" got ["api"]"#,
        "x509: certificate is valid for ingress.local, not api.shop.example",
        "x509: certificate relies on legacy Common Name field, use SANs instead",
        "x509: \u{201c}kubernetes\u{201d} certificate is expired",
        "AADSTS7000222: The provided client secret keys for app '1' are expired.",
        "error: couldn't get version/kind; json parse error: invalid character '<' looking for beginning of value",
        "WARNING: the azure auth plugin is deprecated in v1.22+, unavailable in v1.26+; use https://github.com/Azure/kubelogin instead.",
        r#"[main.go:60] ERROR: Failed to initialise OAuth2 Proxy: error initialising provider: oidc: issuer did not match the issuer returned by provider, expected "https://kc/auth/realms/x" got "https://kc/realms/x""#,
        r#"time="2024-05-01T10:00:00Z" level=error msg="Failed to query provider \"https://dex.corp\": oidc: issuer did not match the issuer returned by provider, expected \"https://dex.corp\" got \"https://dex.corp/\"""#,
        r#"logger=oauth.generic_oauth t=2024-05-01 level=error msg="provider did not return JWKS URL""#,
        r#"[2024/05/14 17:08:32] [oauthproxy.go:881] Error redeeming code during OAuth2 callback: unable to get email and/or groups claims from token: unable to verify token: unable to verify access token: failed to verify token: oidc: malformed jwt: oidc: malformed jwt, expected 3 parts got 1"#,
        r#"[jwt_session.go:51] Error retrieving session from token in Authorization header: [unable to verify bearer token, failed to verify token: oidc: id token issued by a different provider, expected "https://keycloak/auth/realms/x" got "https://frontend/api/auth"]"#,
        r#"[2024/05/01 10:00:00] [oauthproxy.go:870] Error redeeming code during OAuth2 callback: token response did not contain an id_token"#,
        r#"level=error msg="Request error" err="Unauthorized" url=/api/ds/query userId=0"#,
        r#"E0501 10:00:00.000000       1 client.go:10] failed to post slack message: Unauthorized"#,
        r#"DEBUG http: GET http://shop.example.com/api/cart 401 Unauthorized in 20ms"#,
        "swagger_client.rest.ApiException: (401)\nReason: Unauthorized",
        r#"google.auth.exceptions.RefreshError: could not refresh the token: invalid_grant"#,
        r#"slack bot: token refresh error: invalid_refresh_token"#,
    ] {
        let report = explained(text.as_bytes());
        assert_eq!(report.matches.len(), 1, "{text}");
        assert_eq!(report.matches[0].confidence, Confidence::Possible, "{text}: {}", report.matches[0].code);
    }
}

/// What is too little in a log is something where it is all that somebody asks about.
#[test]
fn bare_words_are_possible_where_they_are_all_that_is_asked() {
    for (text, code) in [
        ("x509: certificate signed by unknown authority", "kubeconfig-ca-mismatch"),
        ("tls: failed to verify certificate: x509: certificate signed by unknown authority", "kubeconfig-ca-mismatch"),
        (
            "x509: certificate has expired or is not yet valid: current time 2026-11-25T10:00:00Z is after 2026-01-01T00:00:00Z",
            "api-certificate-expired",
        ),
        ("x509: certificate has expired or is not yet valid", "api-certificate-expired"),
        ("x509: certificate is valid for kubernetes, not foo", "api-certificate-name-mismatch"),
        ("401 Unauthorized", "credential-rejected"),
        ("HTTP/1.1 401 Unauthorized", "credential-rejected"),
        ("403 Forbidden", "rbac-no-grant"),
        ("i/o timeout", "api-connection-timeout"),
        ("dial tcp 10.0.0.1:6443: i/o timeout", "api-connection-timeout"),
        ("dial tcp 10.0.0.1:6443: connect: connection refused", "api-connection-refused"),
        ("error: connection refused", "api-connection-refused"),
        ("connect: no route to host", "api-host-unreachable"),
        ("dial tcp 10.5.5.5:6443: connect: permission denied", "api-host-unreachable"),
        ("dial tcp 10.5.5.6:6443: connect: invalid argument", "api-host-unreachable"),
        ("dial tcp: lookup api.example.com on 10.0.0.2:53: no such host", "endpoint-name-not-found"),
        ("context deadline exceeded", "api-connection-timeout"),
        ("net/http: TLS handshake timeout", "tls-handshake-timeout"),
        ("EOF", "api-connection-closed"),
    ] {
        let output = kaccess(&["explain", "-o", "json", text]);
        let report = json(&output);
        assert_eq!(output.status.code(), Some(0), "{text}");
        assert_eq!(report["matches"].as_array().map(Vec::len), Some(1), "{text}: {report:#}");
        let found = &report["matches"][0];
        assert_eq!((found["code"].as_str(), found["confidence"].as_str()), (Some(code), Some("possible")), "{text}");
        assert_eq!((report["unrecognised"].as_u64(), found["count"].as_u64()), (Some(0), Some(1)), "{text}");
        let piped = json(&piped(&["-"], format!("{text}\n").as_bytes()));
        assert_eq!(piped["matches"][0]["code"], code, "{text}: {piped:#}");
    }
    for text in [
        "dial tcp 10.0.5.5:5432: connect: connection refused",
        "dial tcp 10.0.5.5:6379: i/o timeout",
        "pq: could not connect: connection refused",
        "level=error msg=\"query failed\" err=\"context deadline exceeded\"",
        "starting\ncontext deadline exceeded",
        "connection refused\nconnection refused",
    ] {
        let output = kaccess(&["explain", "-o", "json", text]);
        assert_eq!(output.status.code(), Some(1), "{text}: {:#}", json(&output));
    }
}

/// kiam has one event for both faults; its reason tells which it is (by its source, not seen).
#[test]
fn the_event_of_kiam_is_read_with_its_reason() {
    for (reason, code) in [
        ("forbidden by policy", "kiam-namespace-not-permitted"),
        ("requested 'a' but annotated with 'b', forbidden", "kiam-role-missing"),
    ] {
        let text = format!("Warning  KiamRoleForbidden  pod/api  failed assuming role \"shop-api\": {reason}");
        let report = json(&kaccess(&["explain", "-o", "json", &text]));
        assert_eq!(report["matches"][0]["code"], code, "{text}: {report:#}");
    }
}

/// Python says it in its own way; boto3's exception has no advice behind it.
#[test]
fn what_python_says_of_aws_credentials_is_read() {
    for (text, code) in [
        (
            "PermissionError: [Errno 13] Permission denied: '/var/run/secrets/eks.amazonaws.com/serviceaccount/token'",
            "irsa-not-injected",
        ),
        ("Unable to locate credentials", "aws-credentials-unavailable"),
    ] {
        let report = json(&kaccess(&["explain", "-o", "json", text]));
        assert_eq!(report["matches"][0]["code"], code, "{text}: {report:#}");
    }
}

/// doctor asks the question of a message that a chat broke.
#[test]
fn doctor_reads_a_broken_message_as_explain_does() {
    let evidence = scratch("broken").join("evidence.json");
    let message = "Error from server (Forbidden): pods is forbidden: User \"oidc:alice@example.com\"\ncannot list resource \"pods\" in API group \"\" in the namespace\n\"dev\"";
    let output = command()
        .args(["doctor", "--offline", "--no-aws", "-o", "json", "--error", message, "--save"])
        .arg(&evidence)
        .output()
        .expect("kaccess runs");
    let saved = fs::read_to_string(&evidence)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    let asked = &serde_json::from_str::<Value>(&saved).expect("evidence")["asked"];
    assert_eq!(asked["question"]["namespace"], "dev", "{asked:#}");
    assert_eq!(asked["error"].as_str().map(|error| error.lines().count()), Some(1));
    // The same from a file as PowerShell's `>` writes it.
    let file = scratch("broken").join("message.txt");
    let wide: Vec<u8> = format!("\u{feff}{message}\r\n").encode_utf16().flat_map(u16::to_le_bytes).collect();
    fs::write(&file, wide).expect("a message");
    let again = command()
        .args(["doctor", "--offline", "--no-aws", "-q", "--error", &format!("@{}", file.display()), "--save"])
        .arg(&evidence)
        .output()
        .expect("kaccess runs");
    assert!(again.stderr.is_empty(), "{}", String::from_utf8_lossy(&again.stderr));
    let saved: Value = serde_json::from_str(&fs::read_to_string(&evidence).expect("evidence")).expect("JSON");
    assert_eq!(saved["asked"]["question"], asked["question"]);
}

/// Where all is well, doctor says that it knows the message, and why nothing rests on it.
#[test]
fn doctor_tells_what_became_of_a_message() {
    let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/cases/private-zone-visible/evidence.json");
    let mut evidence: Value = serde_json::from_str(&fs::read_to_string(case).expect("a case")).expect("evidence");
    let path = scratch("message").join("evidence.json");
    for (message, code, now) in [
        (
            "dial tcp 10.0.0.1:443: i/o timeout",
            "api-connection-timeout",
            "It names 10.0.0.1:443, and the server looked at is api.zone.test:6443",
        ),
        ("dial tcp 10.1.2.3:6443: i/o timeout", "api-connection-timeout", "It does not happen now"),
        ("error: You must be logged in to the server (Unauthorized)", "credential-rejected", "It does not happen now"),
    ] {
        evidence["asked"]["error"] = message.into();
        fs::write(&path, evidence.to_string()).expect("evidence");
        let file = path.to_string_lossy();
        let report = json(&kaccess(&["doctor", "-o", "json", "--from", &file]));
        assert_eq!(report["verdict"], "healthy", "{message}");
        assert_eq!(report["message"]["code"], code, "{message}");
        assert_eq!(report["message"]["now"], now, "{message}");
        for form in ["table", "markdown"] {
            let output = kaccess(&["doctor", "-o", form, "--from", &file]);
            let text = String::from_utf8_lossy(&output.stdout).split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(text.contains(&format!("the message you met is {code}: ")), "{text}");
            assert!(text.contains(&format!(" {now}.")), "{text}");
        }
    }
}

#[test]
fn a_bare_401_is_never_more_than_its_candidates() {
    for text in [
        "Unauthorized",
        "error: You must be logged in to the server (Unauthorized)",
        "invalid bearer token",
        "[invalid bearer token, unknown]",
    ] {
        let report = explained(text.as_bytes());
        assert_eq!(report.matches.len(), 1, "{text}");
        let found = &report.matches[0];
        assert_eq!(found.code, "credential-rejected", "{text}");
        assert_ne!(found.confidence, Confidence::Certain, "{text}");
        assert!(found.candidates.len() >= 3, "{text}");
        assert!(found.candidates.iter().all(|candidate| !candidate.decided_by.text.is_empty()
            && candidate.decided_by.command.as_deref().is_some_and(|command| command.starts_with("kaccess "))));
    }
}

#[test]
fn secrets_and_control_characters_of_the_input_are_in_no_output() {
    let token = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJodHRwczovL2EifQ.CANARYsignature0815";
    let line = format!(
        "\u{1b}[31mE1 err=\"[invalid bearer token, oidc: malformed jwt: {token}\u{7}]\"\u{1b}[0m Authorization: Bearer CANARYbearer0815 password=CANARYpassword\r\n\u{202e}x\n"
    );
    for format in ["json", "yaml", "table", "markdown"] {
        let mut child = command()
            .args(["explain", "-", "-o", format])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("kaccess runs");
        child.stdin.take().expect("stdin").write_all(line.as_bytes()).expect("it reads");
        let output = child.wait_with_output().expect("kaccess runs");
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        assert!(text.contains("token-not-jwt"), "{text}");
        assert!(!text.contains("CANARY"), "{format}: {text}");
        assert!(!text.chars().any(|c| c.is_control() && c != '\n' || c == '\u{202e}'), "{format}: {text:?}");
    }
}

#[test]
fn codes_have_pages_and_misses_have_suggestions() {
    for rule in RULES {
        let page = json(&kaccess(&["explain", "-o", "json", rule.code]));
        assert_eq!((page["kind"].as_str(), page["code"].as_str()), (Some("FindingPage"), Some(rule.code)));
        for part in ["severity", "title", "means", "evidence", "fix"] {
            assert!(page[part].as_str().is_some_and(|text| !text.is_empty()), "{}: {part}", rule.code);
        }
        assert!(page["references"].as_array().is_some_and(|list| !list.is_empty()), "{}", rule.code);
    }
    let miss = kaccess(&["explain", "-o", "json", "token-audience-missmatch"]);
    assert_eq!(miss.status.code(), Some(1));
    assert_eq!(json(&miss)["suggestions"][0], "token-audience-mismatch");
    let part = json(&kaccess(&["explain", "-o", "json", "audience-missmatch"]));
    let near: Vec<&str> = part["suggestions"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    assert!(near.len() > 1 && near.iter().all(|code| code.ends_with("audience-mismatch")), "{near:?}");
    let none = json(&kaccess(&["explain", "-o", "json", "hello world"]));
    assert!(none["suggestions"].is_null(), "{none:#}");
    let list = json(&kaccess(&["explain", "--list", "-o", "json"]));
    assert_eq!(list["items"].as_array().map(Vec::len), Some(RULES.len()));
}

/// A code's short form is its line, alone or among all.
#[test]
fn codes_have_a_short_form() {
    let text = |arguments: &[&str]| String::from_utf8(kaccess(arguments).stdout).expect("UTF-8");
    let two = text(&["explain", "token-expired", "kubeconfig-world-readable", "--short"]);
    assert_eq!(two.lines().count(), 2, "{two}");
    assert!(two.starts_with("error token-expired: ") && two.contains("\nwarning kubeconfig-world-readable: "), "{two}");
    let all = text(&["explain", "--list", "--short"]);
    assert_eq!(all.lines().count(), RULES.len(), "{all}");
    assert!(two.lines().all(|line| all.lines().any(|other| other == line)), "{all}");
    let page = text(&["explain", "rbac-no-grant"]);
    assert!(
        page.starts_with("rbac-no-grant  (error)\n") && page.contains("\n  Only a warning where the grant"),
        "{page}"
    );
}

#[test]
fn exit_codes_are_the_contracts() {
    assert_eq!(kaccess(&["explain", "Lorem ipsum"]).status.code(), Some(1));
    assert_eq!(
        kaccess(&["explain", "error:", "You must be logged in to the server (Unauthorized)"]).status.code(),
        Some(0)
    );
    assert_eq!(kaccess(&["explain", "@/nonexistent/log"]).status.code(), Some(2));
    assert_eq!(kaccess(&["explain"]).status.code(), Some(2));
    assert_eq!(kaccess(&["explain", "--follow", "text"]).status.code(), Some(2));
    assert_eq!(piped(&["-"], b"").status.code(), Some(2));
    let quiet = kaccess(&["explain", "-q", "Unauthorized"]);
    assert_eq!((quiet.status.code(), quiet.stdout.len()), (Some(0), 0));
}

#[test]
fn a_growing_file_is_followed() {
    let file = scratch("follow").join("log");
    fs::write(&file, "calm\n").expect("a log");
    let mut child = command()
        .args(["explain", "--follow", &format!("@{}", file.display())])
        .stdout(Stdio::piped())
        .spawn()
        .expect("kaccess runs");
    let mut lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
    let mut log = fs::OpenOptions::new().append(true).open(&file).expect("the log");
    // The head of a refusal in Python says less than the line after it; it is told once, however often it comes.
    let head = "kubernetes.client.exceptions.ApiException: (403)\n";
    let refusal = r#"HTTP response body: {"message":"pods is forbidden: User \"a\" cannot list resource \"pods\" in API group \"\" in the namespace \"dev\""}"#;
    let again = format!("{refusal}\n{}oidc: email not verified\n", format!("{head}{refusal}\n").repeat(3));
    for (line, code) in [
        (head, "rbac-no-grant"),
        (&format!("{refusal}\n"), "who may not list pods"),
        (&again, "email-not-verified"),
        ("oidc: authenticator not initialized\n", "oidc-not-initialized"),
    ] {
        log.write_all(line.as_bytes()).expect("a line");
        let told = lines.next().expect("a line").expect("UTF-8");
        assert!(told.contains(code), "{told}");
    }
    // Ctrl-C: what is known, and 130.
    let _ = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill");
    let rest: Vec<String> = lines.map(|line| line.expect("UTF-8")).collect();
    assert!(rest.iter().any(|line| line.starts_with("oidc-not-initialized")), "{rest:?}");
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
}

/// The table from symptom to code is the rules' own.
#[test]
fn the_table_of_symptoms_is_the_rules_own() {
    let cell = |text: &str| text.replace('|', "\\|").replace('\n', " ").replace('`', "'");
    let mut page = String::from(
        "# From symptom to code\n\nGenerated from the rules (KACCESS_UPDATE=1 cargo test --test it -- explain::). \
         `kaccess explain TEXT` reads the fields that stand\nhere in angle brackets, chooses among the codes by them, and says what tells the rest apart.\n\n\
         | what you see | what it may be |\n|---|---|\n",
    );
    let mut rows = kaccess::rules::explain::symptoms();
    rows.sort();
    assert!(rows.len() > 200, "only {} rows", rows.len());
    let fields = Regex::new("<[A-Z0-9_]+>").expect("an expression");
    let empty: Vec<_> = rows.iter().filter(|(shape, _)| fields.replace_all(shape, "").len() < 3).collect();
    assert!(empty.is_empty(), "nobody knows a symptom by its fields alone: {empty:?}");
    for (shape, codes) in rows {
        let codes: Vec<String> = codes.iter().map(|code| format!("[{code}](findings/{code}.md)")).collect();
        page.push_str(&format!("| `{}` | {} |\n", cell(&shape), codes.join(", ")));
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/symptoms.md");
    if std::env::var_os("KACCESS_UPDATE").is_some() {
        fs::write(&path, &page).expect("docs/symptoms.md");
    }
    assert_eq!(
        fs::read_to_string(path).unwrap_or_default(),
        page,
        "stale: KACCESS_UPDATE=1 cargo test --test it -- explain::"
    );
}

/// What a page, a chat or a terminal makes of blanks and quotes changes nothing.
#[test]
fn blanks_quotes_and_borders_change_no_meaning() {
    for (text, code) in [
        (
            r#"Error from server (Forbidden): pods is forbidden: User "jane" cannot list resource "pods" in API group "" in the namespace "prod""#,
            "rbac-no-grant",
        ),
        (
            r#"users "bob" is forbidden: User "jane" cannot impersonate resource "users" in API group "" at the cluster scope"#,
            "impersonation-denied",
        ),
        ("Unable to connect to the server: x509: certificate signed by unknown authority", "kubeconfig-ca-mismatch"),
        (
            r#"[invalid bearer token, oidc: verify token: oidc: expected audience "kubernetes" got ["account"]]"#,
            "token-audience-mismatch",
        ),
    ] {
        let boxed: Vec<String> =
            wrapped(text, 76).lines().map(|line| format!("\u{2502} {line:<76} \u{2502}")).collect();
        for told in [
            text.replace(' ', "\u{a0}"),
            text.replace(": ", ":  "),
            text.replace(": ", ":\t"),
            text.replace(' ', "\u{202f}").replace('"', "\u{201d}"),
            boxed.join("\n"),
            format!("| {text} |"),
        ] {
            let report = explained(told.as_bytes());
            assert_eq!(report.matches.first().map(|found| found.code), Some(code), "{told}");
        }
    }
    // The line is quoted as it was.
    let told = "Error: User \u{201c}jane\u{201d} cannot: pods is forbidden: User \u{201c}jane\u{201d} cannot list resource \u{201c}pods\u{201d} in API group \u{201c}\u{201d} in the namespace \u{201c}prod\u{201d}";
    assert_eq!(explained(told.as_bytes()).matches[0].text, told);
}

/// A container runtime cuts long lines in parts; each says nothing of its own.
#[test]
fn parts_of_one_line_are_one_line() {
    let line = r#"E0501 10:00:00.000000       1 authentication.go:73] "Unable to authenticate the request" err="[invalid bearer token, oidc: verify token: oidc: token is expired (Token Expiry: 2022-07-22 11:40:27 +0000 UTC)]""#;
    let (head, tail) = line.split_at(100);
    let text = format!(
        "2024-05-01T10:00:00.000000000Z stderr P {head}\n2024-05-01T10:00:00.000000001Z stderr F {tail}\n2024-05-01T10:00:01.000000000Z stdout F calm\n"
    );
    let report = explained(text.as_bytes());
    let codes: Vec<(&str, u64)> = report.matches.iter().map(|found| (found.code, found.count)).collect();
    assert_eq!(codes, [("token-expired", 1)]);
    assert_eq!(report.unrecognised, 1);
}

/// The service account that a Pod is to run as is made, and no policy is looked at.
#[test]
fn a_pod_without_its_service_account_is_told_which() {
    let found = explained(
        br#"pods "web-1" is forbidden: error looking up service account shop/web: serviceaccount "web" not found"#,
    )
    .matches
    .remove(0);
    assert_eq!(found.code, "admission-denied");
    assert!(found.means.contains("shop/web"), "{}", found.means);
    assert!(found.next[0].text.contains("kubectl create serviceaccount web -n shop"), "{}", found.next[0].text);
}

/// Who reads a refusal of a service account is not to give itself the right.
#[test]
fn a_service_accounts_refusal_asks_for_nothing_of_ones_own() {
    let next = |user: &str| {
        let text = format!(
            "Error from server (Forbidden): secrets is forbidden: User \"{user}\" cannot list resource \"secrets\" in API group \"\" in the namespace \"shop\""
        );
        explained(text.as_bytes()).matches.remove(0).next.remove(0).text
    };
    assert!(next("jane").contains("have yourself added"), "{}", next("jane"));
    let account = next("system:serviceaccount:shop:web");
    assert!(account.contains("the service account") && !account.contains("yourself"), "{account}");
}

/// What an admission webhook's own account may not do is a missing right, and no fault of the object.
#[test]
fn a_webhooks_own_missing_right_is_told_as_one() {
    let denied = r#"error: failed to create secret admission webhook "validate.ky.svc" denied the request"#;
    let lacks = |user: &str| {
        let text = format!(
            r#"{denied}: failed to load context: configmaps "settings" is forbidden: User "{user}" cannot get resource "configmaps" in API group "" in the namespace "ky""#
        );
        let first = explained(text.as_bytes()).matches.remove(0);
        (first.code, first.candidates.iter().any(|other| other.code == "admission-denied"))
    };
    assert_eq!(lacks("system:serviceaccount:ky:ky-admission"), ("rbac-no-grant", true));
    // Words about somebody else are an opinion of the request.
    assert_eq!(lacks("alice"), ("admission-denied", false));
    let plain = explained(format!("{denied}: user bob is not allowed").as_bytes()).matches.remove(0);
    assert_eq!((plain.code, plain.confidence), ("admission-denied", Confidence::Certain));
}

/// A certificate that has expired is none of another CA: the server looks at dates first, for both of its CAs.
#[test]
fn an_expired_certificate_in_the_log_is_no_front_proxys() {
    let saved = include_str!("../../testdata/cases/front-proxy-ca-mismatch/evidence.json");
    let mut evidence: Evidence = serde_json::from_str(saved).expect("evidence");
    let kaccess::evidence::Outcome::Seen(log) = &mut evidence.control_plane.log.outcome else { panic!("no log") };
    let expired = "x509: certificate has expired or is not yet valid: current time 2026-11-25T17:25:30Z is after 2026-11-24T10:48:24Z";
    let line = format!(
        r#"E1125 17:25:30.654128   30633 authentication.go:75] "Unable to authenticate the request" err="[{expired}, verifying certificate SN=77, SKID=, AKID=C6:60 failed: {expired}]""#
    );
    let matches = |found: message::Recognised| LogMatch {
        text: found.text.name.to_owned(),
        line: line.clone(),
        line_number: 1,
        last_line_number: 2,
        count: 2,
        first_seen: Some("11-25 17:25:30.654128".to_owned()),
        last_seen: Some("11-25 17:25:30.656955".to_owned()),
        fields: found.fields,
    };
    log.matches = message::recognise(&line).into_iter().map(matches).collect();
    assert!(!log.matches.is_empty());
    let report = DoctorReport::new(&evidence, diagnose(check_all(&Case::new(&evidence))));
    let codes: Vec<&str> = report.findings.iter().map(|finding| finding.code).collect();
    assert!(codes.first() == Some(&"credential-rejected") && !codes.contains(&"front-proxy-ca-mismatch"), "{codes:?}");
    // Whose it is, the log does not say, and the report says that.
    let check = report.checks.iter().find(|check| check.id == "log-own").expect("the log's check");
    assert_eq!(check.status, Status::Skipped);
    assert!(check.because.as_deref().is_some_and(|because| because.contains("2 refused requests")), "{check:?}");
}
