//! Servers that want to harm whoever asks them, in every role that kaccess meets a server in: whatever they do, the run
//! ends in time with a finding or a reason, in little memory, and nothing of it reaches the terminal as a command.

use std::fs;
use std::io::{BufRead as _, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use rcgen::{BasicConstraints, CertifiedIssuer, IsCa, KeyPair};
use serde_json::{Value, json};

use crate::support::front::{Asked, Pair, answer, authority, field, server_params, signed};
use crate::support::run::{command, command_with_signals, scratch, shell_script};
use crate::support::stage::{
    Ended, Play, Stage, api_answer, certified, deceiving, kubeconfig, not_found, path, watched, within,
};

/// Most memory of a run, in kB: with the pages of a released program's file it stays below 100 MB.
const MEMORY: u64 = 64_000;
/// `--timeout` of a run.
const LIMIT: Duration = Duration::from_secs(4);
/// A run's end after that limit: the machine may be busy.
const GRACE: Duration = Duration::from_secs(8);

/// Everything that a terminal obeys or that turns the reading around, in one string.
const EVIL: &str = "e\u{1b}[31mv\u{1b}]0;t\u{7}i\u{9b}2Jl\u{202e}r\u{2066}x\u{200f}\u{8}\r\u{7f}";

fn play(play: impl Fn(&Asked, &mut dyn Write) + Send + Sync + 'static) -> Play {
    Arc::new(play)
}

fn head(status: &str, fields: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\n{fields}\r\n").into_bytes()
}

/// Writes this again and again until the other side has had enough.
fn for_ever(out: &mut dyn Write, first: &[u8], piece: &[u8]) {
    let block = piece.repeat((64 * 1024 / piece.len()).max(1));
    let mut next: &[u8] = first;
    while out.write_all(next).is_ok() {
        next = &block;
    }
}

/// Writes byte by byte, four a second.
fn slowly(out: &mut dyn Write, bytes: &[u8]) {
    for byte in bytes.iter().cycle() {
        if out.write_all(&[*byte]).and_then(|()| out.flush()).is_err() {
            return;
        }
        std::thread::sleep(Duration::from_millis(250));
    }
}

/// A gigabyte of zeros in some megabytes: members of a gzip file may stand behind one another.
fn bomb() -> Vec<u8> {
    let member = Command::new("sh").args(["-c", "head -c 10000000 /dev/zero | gzip -9"]).output().expect("gzip").stdout;
    assert!(member.len() > 1000 && member.len() < 20_000, "{}", member.len());
    member.repeat(100)
}

const JSON: &str = "Content-Type: application/json\r\n";

/// What a server may do to whoever asks.
fn plays() -> Vec<(&'static str, Play)> {
    let bomb = bomb();
    vec![
        ("a body without end", play(|_, out| for_ever(out, &[&head("200 OK", JSON)[..], b"{\"a\":\""].concat(), b"a"))),
        ("nesting without end", play(|_, out| for_ever(out, &head("200 OK", JSON), b"["))),
        (
            "values without end",
            play(|_, out| {
                for_ever(out, &[&head("200 OK", JSON)[..], b"{\"kind\":\"List\",\"items\":[{}"].concat(), b",{}")
            }),
        ),
        (
            "an error without end",
            play(|_, out| for_ever(out, &head("403 Forbidden", "Content-Type: text/html\r\n"), b"<p>no")),
        ),
        (
            "4 MB of small numbers",
            play(|_, out| {
                let body = format!("[0{}]", ",0".repeat(2_000_000));
                let _ = out.write_all(&answer("200 OK", JSON, &body));
            }),
        ),
        (
            "a gzip bomb",
            play(move |_, out| {
                let fields = format!("{JSON}Content-Encoding: gzip\r\nContent-Length: {}\r\n", bomb.len());
                let _ = out.write_all(&[head("200 OK", &fields), bomb.clone()].concat());
            }),
        ),
        (
            "100,000 header fields",
            play(|_, out| {
                let fields: String = (0..100_000).map(|number| format!("X-{number}: y\r\n")).collect();
                let _ = out.write_all(&head("200 OK", &fields));
            }),
        ),
        ("a header field without end", play(|_, out| for_ever(out, b"HTTP/1.1 200 OK\r\nX-Long: ", b"y"))),
        (
            "interim answers without end",
            play(|_, out| {
                // At the speed of a fast line: hyper takes all that has come before it yields, and a build for debugging does
                // that slowly.
                let block = b"HTTP/1.1 100 Continue\r\n\r\n".repeat(2_000);
                while out.write_all(&block).is_ok() {
                    std::thread::sleep(Duration::from_millis(5));
                }
            }),
        ),
        ("a status line without end", play(|_, out| for_ever(out, b"HTTP/1.1 200 ", b"O"))),
        (
            "a redirect in a circle",
            play(|asked, out| {
                let fields = format!("Location: {}\r\n", path(asked));
                let _ = out.write_all(&answer("302 Found", &fields, ""));
            }),
        ),
        ("a redirect to a file", redirect("file:///etc/passwd")),
        (
            "a redirect to a metadata service",
            redirect("http://169.254.169.254/latest/meta-data/iam/security-credentials/"),
        ),
        ("a redirect to it over mapped IPv6", redirect("http://[::ffff:169.254.169.254]/latest/")),
        (
            "a head that comes slowly",
            play(|_, out| slowly(out, b"HTTP/1.1 200 OK\r\nX-A: aaaaaaaaaaaaaaaaaaaaaaaaaaaaa")),
        ),
        (
            "a body that comes slowly",
            play(|_, out| {
                let _ = out.write_all(&head("200 OK", &format!("{JSON}Content-Length: 100000\r\n")));
                slowly(out, b" ");
            }),
        ),
        ("silence", play(|_, _| std::thread::sleep(Duration::from_secs(15)))),
        ("a hang-up", play(|_, _| {})),
        (
            "half an answer",
            play(|_, out| {
                let _ = out.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"kind\":");
            }),
        ),
        (
            "a wrong length",
            play(|_, out| {
                let _ = out.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\n{}");
            }),
        ),
        (
            "a broken chunk",
            play(|_, out| {
                let _ = out.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n{}");
            }),
        ),
        ("noise", play(|_, out| for_ever(out, b"\x00\xff\x16\x03", b"\x9b\x1b[2J\xe2\x80\xae"))),
        (
            "escapes in an error",
            play(|_, out| {
                let body =
                    json!({ "kind": "Status", "status": "Failure", "message": EVIL, "reason": EVIL, "code": 403 });
                let fields = "Content-Type: text/\u{9b}html\r\nServer: \u{202e}evil\r\nWWW-Authenticate: \u{9b}x\r\n";
                let _ = out.write_all(&answer("403 \u{9b}No\u{202e}", fields, &body.to_string()));
            }),
        ),
        (
            "escapes in a text",
            play(|_, out| {
                let _ = out.write_all(&answer("500 Oh", "Content-Type: text/plain\r\n", EVIL));
            }),
        ),
    ]
}

fn redirect(to: &'static str) -> Play {
    play(move |_, out| {
        let _ = out.write_all(&answer("307 Temporary Redirect", &format!("Location: {to}\r\n"), ""));
    })
}

/// One run of doctor with its checks: in time, in little memory, no panic, no bug, nothing that a terminal obeys; and
/// the same from what it saved, in every other form.
struct Met {
    ended: Ended,
    report: Value,
    evidence: String,
}

fn meet(what: &str, config: &PathBuf, arguments: &[&str], environment: &[(&str, &str)]) -> Met {
    let saved = scratch("evidence").join("evidence.json");
    let ended = within(LIMIT + GRACE, || {
        watched(
            command()
                .args(["doctor", "-o", "json", "--timeout", "4s", "--kubeconfig"])
                .arg(config)
                .arg("--save")
                .arg(&saved)
                .args(arguments)
                .envs(environment.iter().copied()),
            LIMIT + GRACE + Duration::from_secs(20),
        )
    });
    let Ended { stdout, stderr, peak, code, .. } = &ended;
    assert!(matches!(code, Some(0..=2)), "{what}: {code:?}\n{stderr}");
    assert!(!stderr.contains("panicked"), "{what}: {stderr}");
    assert!(*peak < MEMORY, "{what}: {peak} kB at most");
    assert_eq!(deceiving(stdout), None, "{what}: {stdout:?}");
    assert_eq!(deceiving(stderr), None, "{what}: {stderr:?}");
    let report: Value =
        serde_json::from_str(stdout).unwrap_or_else(|error| panic!("{what}: {error}: {stdout}\n{stderr}"));
    let evidence = fs::read_to_string(&saved).expect("evidence");
    assert!(!evidence.contains("\"bug\""), "{what}: {evidence}");
    assert!(evidence.len() < 5_000_000, "{what}: {} bytes of evidence", evidence.len());
    for form in ["table", "yaml", "markdown"] {
        let output = command().args(["doctor", "-v", "-o", form, "--from"]).arg(&saved).output().expect("kaccess");
        for text in [String::from_utf8(output.stdout), String::from_utf8(output.stderr)] {
            let text = text.unwrap_or_else(|error| panic!("{what}: {form}: {error}"));
            assert_eq!(deceiving(&text), None, "{what}: {form}: {text:?}");
        }
    }
    Met { ended, report, evidence }
}

impl Met {
    /// Something is said of it: a finding, or a check that failed or could not be made.
    fn told(&self, what: &str, checks: &[&str]) {
        let of_it = self.report["checks"].as_array().into_iter().flatten().any(|check| {
            checks.contains(&check["id"].as_str().unwrap_or_default())
                && matches!(check["status"].as_str(), Some("fail" | "skipped"))
                && check["because"].as_str().is_some_and(|because| !because.is_empty())
        });
        assert!(of_it, "{what}: nothing is said of {checks:?}: {}", self.ended.stdout);
    }
}

/// Runs all plays in one role, a few at a time.
fn each_play(role: &'static str, meet: impl Fn(&str, Play) + Send + Sync) {
    let left = Mutex::new(plays());
    let failed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                loop {
                    let next = left.lock().unwrap_or_else(PoisonError::into_inner).pop();
                    let Some((name, play)) = next else { break };
                    let what = format!("{name}, as {role}");
                    let met = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| meet(&what, play)));
                    if let Err(panic) = met {
                        let text = panic.downcast_ref::<String>().cloned().unwrap_or_default();
                        failed.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{what}: {text:.600}"));
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}

fn opaque() -> Value {
    json!({ "token": "opaque-token-of-a-test" })
}

/// A kubeconfig of a server that is not there.
fn nowhere() -> PathBuf {
    kubeconfig("https://127.0.0.1:1", None, &json!({}), &opaque())
}

#[test]
fn an_api_server_that_is_hostile_from_the_first_answer() {
    each_play("API server", |what, play| {
        let (ca, pair) = certified();
        let stage = Stage::tls(&pair, play);
        let config = kubeconfig(&format!("https://{}", stage.place()), Some(&ca), &json!({}), &opaque());
        let met = meet(what, &config, &[], &[]);
        assert_ne!(met.report["verdict"], "healthy", "{what}");
        met.told(what, &["endpoint-anonymous", "identity"]);
    });
}

#[test]
fn an_api_server_that_turns_hostile_once_it_has_answered() {
    each_play("API server's other answers", |what, play| {
        let (ca, pair) = certified();
        let honest = |path: &str| path.ends_with("/version") || path.contains("selfsubject");
        let stage = Stage::tls(
            &pair,
            Arc::new(move |asked, out| {
                if honest(path(asked)) {
                    let _ = out.write_all(&api_answer(asked).unwrap_or_else(not_found));
                } else {
                    play(asked, out);
                }
            }),
        );
        let config = kubeconfig(&format!("https://{}", stage.place()), Some(&ca), &json!({}), &opaque());
        let mut met = meet(what, &config, &[], &[]);
        // Three floods at once may leave too little of four seconds to a busy machine.
        for _ in 0..3 {
            if !met.report["identity"].is_null() {
                break;
            }
            met = meet(what, &config, &[], &[]);
        }
        assert_eq!(met.report["identity"]["username"], "alice", "{what}: {}", met.ended.stdout);
        met.told(what, &["metrics", "rbac", "flagz"]);
    });
}

#[test]
fn an_issuer_that_is_hostile() {
    each_play("issuer", |what, play| {
        let stage = Stage::plain(play);
        let met = meet(what, &nowhere(), &["--issuer", &format!("http://{}/realms/x", stage.place())], &[]);
        met.told(what, &["issuer-discovery"]);
    });
}

#[test]
fn a_key_set_that_is_hostile() {
    each_play("key set", |what, play| {
        let stage = Stage::plain(Arc::new(move |asked, out| {
            if path(asked).ends_with("openid-configuration") {
                let place = field(&asked.head, "host").unwrap_or_default();
                let document =
                    json!({ "issuer": format!("http://{place}/realms/x"), "jwks_uri": format!("http://{place}/keys") });
                let _ = out.write_all(&answer("200 OK", JSON, &document.to_string()));
            } else {
                play(asked, out);
            }
        }));
        let met = meet(what, &nowhere(), &["--issuer", &format!("http://{}/realms/x", stage.place())], &[]);
        met.told(what, &["issuer-jwks"]);
    });
}

#[test]
fn a_proxy_that_is_hostile() {
    each_play("proxy", |what, play| {
        let stage = Stage::plain(play);
        let proxy = json!({ "proxy-url": format!("http://{}", stage.place()) });
        let config = kubeconfig("https://api.example.com:6443", None, &proxy, &opaque());
        let met = meet(what, &config, &[], &[]);
        met.told(what, &["endpoint-tls", "endpoint-anonymous"]);
        for head in stage.heads() {
            assert!(!head.to_lowercase().contains("authorization"), "{what}: {head}");
        }
    });
}

#[test]
#[cfg(feature = "aws")]
fn an_aws_that_is_hostile() {
    each_play("AWS", |what, play| {
        let stage = Stage::plain(play);
        let endpoint = format!("http://{}", stage.place());
        let environment = [
            ("AWS_ENDPOINT_URL", endpoint.as_str()),
            ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "a-secret-of-a-test"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ];
        let met = meet(what, &nowhere(), &["--eks-cluster", "prod", "--region", "eu-central-1"], &environment);
        assert!(!stage.heads().is_empty(), "{what}: nobody asked");
        met.told(what, &["aws-caller", "eks-cluster"]);
    });
}

#[test]
fn no_credential_follows_a_redirect() {
    let trap = Stage::plain(play(|_, out| {
        let _ = out.write_all(&answer("200 OK", JSON, "{}"));
    }));
    let (ca, pair) = certified();
    let secure_trap = Stage::tls(
        &pair,
        play(|asked, out| {
            let _ = out.write_all(&api_answer(asked).unwrap_or_else(not_found));
        }),
    );
    for to in [format!("http://{}/version", trap.place()), format!("https://{}/version", secure_trap.place())] {
        let target = to.clone();
        let stage = Stage::tls(
            &pair,
            play(move |_, out| {
                let _ = out.write_all(&answer("307 Temporary Redirect", &format!("Location: {target}\r\n"), ""));
            }),
        );
        let config = kubeconfig(&format!("https://{}", stage.place()), Some(&ca), &json!({}), &opaque());
        meet(&to, &config, &[], &[]);
        assert!(
            stage.heads().iter().any(|head| field(head, "authorization").is_some()),
            "it was never asked with the credential"
        );
    }
    assert!(trap.heads().is_empty() && secure_trap.heads().is_empty(), "{:?} {:?}", trap.heads(), secure_trap.heads());

    // From issuer to issuer a redirect is followed, without any credential: not even one that the redirect brings along.
    let place = trap.place();
    let stage = Stage::plain(play(move |_, out| {
        let _ = out.write_all(&answer("302 Found", &format!("Location: http://name:word@{place}/x\r\n"), ""));
    }));
    let met = meet("issuer", &nowhere(), &["--issuer", &format!("http://{}", stage.place())], &[]);
    assert!(!trap.heads().is_empty());
    for head in trap.heads().iter().chain(&stage.heads()) {
        assert!(field(head, "authorization").is_none() && field(head, "cookie").is_none(), "{head}");
    }
    assert!(!met.evidence.contains("name:word"), "{}", met.evidence);
}

/// An issuer with a public name, which only the proxy knows.
fn public_issuer(jwks_uri: String, location: Option<String>) -> Stage {
    Stage::plain(play(move |asked, out| {
        let answer = match &location {
            Some(location) => answer("302 Found", &format!("Location: {location}\r\n"), ""),
            None => {
                answer("200 OK", JSON, &json!({ "issuer": "http://idp.example.com", "jwks_uri": jwks_uri }).to_string())
            }
        };
        let _ = (out.write_all(&answer), asked);
    }))
}

#[test]
fn a_public_issuer_leads_nowhere_inside() {
    let inside = Stage::plain(play(|_, out| {
        let _ = out.write_all(&answer("200 OK", JSON, r#"{"keys":[]}"#));
    }));
    let port = inside.port;
    let places = [
        format!("http://127.0.0.1:{port}/keys"),
        format!("http://localhost:{port}/keys"),
        format!("http://localhost.:{port}/keys"),
        format!("http://2130706433:{port}/keys"),
        format!("http://0.0.0.0:{port}/keys"),
        format!("http://[::1]:{port}/keys"),
        format!("http://[::ffff:127.0.0.1]:{port}/keys"),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        "http://[::ffff:a9fe:a9fe]/latest/meta-data/".to_owned(),
        "http://[fd00:ec2::254]/latest/meta-data/".to_owned(),
        "http://[fe80::1]/keys".to_owned(),
        "http://100.100.100.200/latest/meta-data/".to_owned(),
        "http://168.63.129.16/metadata".to_owned(),
        "file:///etc/passwd".to_owned(),
        "ftp://example.com/keys".to_owned(),
        "data:application/json,{}".to_owned(),
    ];
    for place in places {
        for by_redirect in [false, true] {
            let proxy = public_issuer(place.clone(), by_redirect.then(|| place.clone()));
            let url = format!("http://{}", proxy.place());
            let met = meet(&place, &nowhere(), &["--issuer", "http://idp.example.com"], &[("HTTP_PROXY", &url)]);
            let check = if by_redirect { "issuer-discovery" } else { "issuer-jwks" };
            met.told(&place, &[check]);
            assert!(met.ended.stdout.contains("where kaccess does not go"), "{place}: {}", met.ended.stdout);
            for head in proxy.heads() {
                assert!(head.starts_with("GET http://idp.example.com/"), "{place}: {head}");
            }
        }
    }
    assert!(inside.heads().is_empty(), "{:?}", inside.heads());

    // A token may name such an issuer too.
    for issuer in ["http://169.254.169.254/latest", "http://[::ffff:169.254.169.254]"] {
        let met = meet(issuer, &nowhere(), &["--issuer", issuer], &[]);
        met.told(issuer, &["issuer-discovery"]);
    }
}

#[test]
fn a_key_set_of_100_000_keys() {
    for key in [
        json!({}),
        json!({ "kty": "RSA", "kid": "k", "alg": "RS256", "use": "sig", "e": "AQAB", "n": "AQAB".repeat(86) }),
    ] {
        let body = json!({ "keys": vec![key; 100_000] }).to_string();
        let stage = Stage::plain(play(move |asked, out| {
            let place = field(&asked.head, "host").unwrap_or_default();
            let document = json!({ "issuer": format!("http://{place}"), "jwks_uri": format!("http://{place}/keys") });
            let body = if path(asked) == "/keys" { body.clone() } else { document.to_string() };
            let _ = out.write_all(&answer("200 OK", JSON, &body));
        }));
        let issuer = format!("http://{}", stage.place());
        let engine = base64::engine::general_purpose::URL_SAFE_NO_PAD;
        let token = format!(
            "{}.{}.{}",
            engine.encode(r#"{"alg":"RS256"}"#),
            engine.encode(
                json!({ "iss": issuer, "sub": "alice", "aud": "kubernetes", "exp": 4_000_000_000_u64 }).to_string()
            ),
            engine.encode([7; 256])
        );
        let config = kubeconfig("https://127.0.0.1:1", None, &json!({}), &json!({ "token": token }));
        let met = meet("100,000 keys", &config, &[], &[]);
        met.told("100,000 keys", &["issuer-jwks"]);
    }
}

#[test]
fn names_and_claims_that_would_deceive() {
    let engine = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let (ca, pair) = certified();
    let stage = Stage::tls(
        &pair,
        play(|asked, out| {
            let review = json!({ "kind": "SelfSubjectReview", "apiVersion": "authentication.k8s.io/v1",
            "status": { "userInfo": { "username": EVIL, "uid": EVIL, "groups": [EVIL, "system:authenticated"], "extra": { EVIL: [EVIL] } } } });
            let rules = json!({ "kind": "SelfSubjectRulesReview", "apiVersion": "authorization.k8s.io/v1",
            "status": { "incomplete": true, "evaluationError": EVIL, "nonResourceRules": [],
                "resourceRules": [{ "verbs": [EVIL], "apiGroups": [EVIL], "resources": [EVIL], "resourceNames": [EVIL] }] } });
            let access = json!({ "kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1",
            "status": { "allowed": false, "reason": EVIL, "evaluationError": EVIL } });
            let bindings = json!({ "kind": "List", "items": [{ "metadata": { "name": EVIL, "namespace": EVIL },
            "roleRef": { "kind": "ClusterRole", "name": EVIL }, "subjects": [{ "kind": "User", "name": EVIL }, { "kind": "Group", "name": EVIL }] }] });
            let body = match path(asked).rsplit('/').next().unwrap_or_default() {
                "selfsubjectreviews" => review,
                "selfsubjectrulesreviews" => rules,
                "selfsubjectaccessreviews" => access,
                "rolebindings" | "clusterrolebindings" => bindings,
                "version" => json!({ "major": "1", "minor": EVIL, "gitVersion": EVIL }),
                _ => json!({ "kind": EVIL, "message": EVIL }),
            };
            let _ = out.write_all(&answer("200 OK", JSON, &body.to_string()));
        }),
    );
    let issuer = Stage::plain(play(|asked, out| {
        let place = field(&asked.head, "host").unwrap_or_default();
        let body = match path(asked) {
            "/keys" => {
                json!({ "keys": [{ "kty": "RSA", "kid": EVIL, "alg": EVIL, "use": EVIL, "e": "AQAB", "n": "AQAB".repeat(86) }] })
            }
            _ => json!({ "issuer": EVIL, "jwks_uri": format!("http://{place}/keys") }),
        };
        let _ = out.write_all(&answer(
            "200 OK",
            "Content-Type: application/json\r\nCache-Control: \u{9b}\u{202e}\r\n",
            &body.to_string(),
        ));
    }));
    let claims = json!({ "iss": format!("http://{}", issuer.place()), "sub": EVIL, "aud": [EVIL], "exp": 4_000_000_000_u64,
        "groups": [EVIL], "email": EVIL, EVIL: { EVIL: EVIL } });
    let header = json!({ "alg": "RS256", "kid": EVIL, "typ": EVIL, EVIL: EVIL });
    let token = format!(
        "{}.{}.{}",
        engine.encode(header.to_string()),
        engine.encode(claims.to_string()),
        engine.encode([7; 256])
    );
    let config = kubeconfig(&format!("https://{}", stage.place()), Some(&ca), &json!({}), &json!({ "token": token }));
    let met = meet("names", &config, &[], &[]);
    assert!(!met.report["identity"].is_null(), "{}", met.ended.stdout);

    // A context, its cluster and its user may be called so too, and a plugin may say so.
    let evil = scratch("kubeconfig").join("config");
    let text = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": EVIL,
        "clusters": [{ "name": EVIL, "cluster": { "server": "https://127.0.0.1:1" } }],
        "contexts": [{ "name": EVIL, "context": { "cluster": EVIL, "user": EVIL, "namespace": EVIL } }],
        "users": [{ "name": EVIL, "user": { "exec": { "apiVersion": "client.authentication.k8s.io/v1", "command": "sh",
            "args": ["-c", format!("printf '%s' '{}'; printf '%s' '{}' >&2; exit 1", EVIL.replace('\r', ""), EVIL.replace('\r', ""))],
            "interactiveMode": "Never" } } }],
    });
    fs::write(&evil, text.to_string()).expect("a kubeconfig");
    meet("kubeconfig", &evil, &[], &[]);

    // The other commands that show what others named.
    let config = config.to_string_lossy().into_owned();
    for arguments in [
        &["whoami"][..],
        &["can-i", "list", "pods", "--why"],
        &["can-i", "--list"],
        &["who-can", "list", "pods", "-A"],
        &["decode"],
        &["doctor", "--all-contexts"],
        &["doctor", "--short"],
        &["doctor", "--error", EVIL],
        &["explain", EVIL],
    ] {
        for form in ["table", "json", "yaml", "markdown"] {
            let connected = arguments[0] != "explain";
            let mut run = command();
            run.args(arguments).args(["-o", form]);
            if connected {
                run.args(["--kubeconfig", &config]);
            }
            let ended = watched(&mut run, Duration::from_secs(120));
            for text in [&ended.stdout, &ended.stderr] {
                assert_eq!(deceiving(text), None, "{arguments:?} {form}: {text:?}");
            }
            assert!(!ended.stderr.contains("panicked"), "{arguments:?}: {}", ended.stderr);
        }
    }
}

/// A field of protobuf that holds bytes.
fn proto(number: u8, value: &[u8]) -> Vec<u8> {
    let (mut bytes, mut length) = (vec![number << 3 | 2], value.len());
    while length > 0x7f {
        bytes.push(u8::try_from(length & 0x7f).expect("seven bits") | 0x80);
        length >>= 7;
    }
    bytes.push(u8::try_from(length).expect("seven bits"));
    bytes.extend_from_slice(value);
    bytes
}

/// A list of this kind as Kubernetes' protobuf, with a continuation or without.
fn proto_list(kind: &str, next: &str, items: &[u8]) -> Vec<u8> {
    let meta = [proto(1, b"rbac.authorization.k8s.io/v1"), proto(2, format!("{kind}List").as_bytes())].concat();
    let list = [proto(1, &proto(3, next.as_bytes())), items.to_vec()].concat();
    [b"k8s\0".to_vec(), proto(1, &meta), proto(2, &list)].concat()
}

const PROTOBUF: &str = "Content-Type: application/vnd.kubernetes.protobuf\r\n";

/// The kind that a path lists, if it is one of RBAC's.
fn rbac_kind(asked: &Asked) -> Option<&'static str> {
    match path(asked).rsplit('/').next().unwrap_or_default() {
        "clusterrolebindings" => Some("ClusterRoleBinding"),
        "rolebindings" => Some("RoleBinding"),
        "clusterroles" => Some("ClusterRole"),
        "roles" => Some("Role"),
        _ => None,
    }
}

/// An answer with bytes.
fn binary(fields: &str, body: &[u8]) -> Vec<u8> {
    [head("200 OK", &format!("{fields}Content-Length: {}\r\nConnection: close\r\n", body.len())), body.to_vec()]
        .concat()
}

/// What a server may answer to a list of RBAC, by the kind and the number of the request.
type Lists = Box<dyn Fn(&str, usize) -> Vec<u8> + Send + Sync>;

fn rbac_plays() -> Vec<(&'static str, Lists)> {
    let filled = |before: &str, piece: &str, after: &str| {
        // More bytes than are read beside other lists (1 MiB), and more words, rules and subjects than all lists together
        // may hold (32 MiB; a word takes 72 bytes).
        let pieces = piece.repeat(2_500_000 / piece.len());
        format!("{{\"apiVersion\":\"rbac.authorization.k8s.io/v1\",\"metadata\":{{}},{before}{pieces}{after}}}")
    };
    let json = |body: String| -> Lists { Box::new(move |_, _| binary(JSON, body.as_bytes())) };
    let binding = [
        proto(1, &proto(1, b"b")),
        proto(2, &[proto(1, b"User"), proto(3, b"alice")].concat()),
        proto(3, &[proto(2, b"ClusterRole"), proto(3, b"r")].concat()),
    ]
    .concat();
    let many = proto(2, &binding).repeat(100_000);
    let circle = proto(2, &binding);
    let (crumbs, huge) = (circle.clone(), circle.clone());
    let rules: String = (0..100_000)
        .map(|number| {
            let comma = if number == 0 { "" } else { "," };
            format!("{comma}{{\"verbs\":[\"get\"],\"apiGroups\":[\"\"],\"resources\":[\"x{number}\"]}}")
        })
        .collect();
    vec![
        ("no end of empty entries", json(filled("\"items\":[", "{},", "{}]"))),
        ("no end of nulls", json(filled("\"items\":[", "null,", "null]"))),
        (
            "no end of empty entries as protobuf",
            Box::new(|kind, _| binary(PROTOBUF, &proto_list(kind, "", &[0x12, 0].repeat(1_250_000)))),
        ),
        (
            "no end of empty subjects",
            json(filled("\"items\":[{\"metadata\":{\"name\":\"b\"},\"subjects\":[", "{},", "{}]}]")),
        ),
        (
            "no end of empty rules",
            json(filled("\"items\":[{\"metadata\":{\"name\":\"r\"},\"rules\":[", "{},", "{}]}]")),
        ),
        (
            "no end of words",
            json(filled("\"items\":[{\"metadata\":{\"name\":\"r\"},\"rules\":[{\"verbs\":[", "\"\",", "\"\"]}]}]")),
        ),
        (
            "a role of 100,000 rules",
            Box::new(move |kind, _| {
                let items = match kind {
                    "ClusterRole" => format!("{{\"metadata\":{{\"name\":\"r\"}},\"rules\":[{rules}]}}"),
                    "ClusterRoleBinding" => {
                        json!({ "metadata": { "name": "b" }, "roleRef": { "kind": "ClusterRole", "name": "r" },
                        "subjects": [{ "kind": "User", "name": "alice" }] })
                        .to_string()
                    }
                    _ => String::new(),
                };
                // So that something is missing for who-can too.
                let next = if kind == "Role" { "\"continue\":\"x\"" } else { "" };
                binary(JSON, format!("{{\"metadata\":{{{next}}},\"items\":[{items}]}}").as_bytes())
            }),
        ),
        (
            "large pages without end",
            Box::new(move |kind, number| binary(PROTOBUF, &proto_list(kind, &format!("page-{number}"), &many))),
        ),
        (
            "crumbs without end",
            Box::new(move |kind, number| binary(PROTOBUF, &proto_list(kind, &format!("page-{number}"), &crumbs))),
        ),
        ("a circle of pages", Box::new(move |kind, _| binary(PROTOBUF, &proto_list(kind, "again", &circle)))),
        (
            "a continuation of 60 kB",
            Box::new(move |kind, _| binary(PROTOBUF, &proto_list(kind, &"x".repeat(60_000), &huge))),
        ),
        ("another object", json(r#"{"kind":"Status","status":"Success"}"#.to_owned())),
        ("nothing in it", json("{}".to_owned())),
        ("lists of another kind", Box::new(|_, _| binary(PROTOBUF, &proto_list("Pod", "", b"")))),
        (
            "16 MB of blanks",
            Box::new(|_, _| binary(JSON, &[b"{\"items\":[".to_vec(), vec![b' '; 16_000_000]].concat())),
        ),
    ]
}

/// A no that rests on lists that were not read to their end is none; and no list fills the memory.
#[test]
fn rbac_lists_of_a_hostile_server() {
    for (what, lists) in rbac_plays() {
        let (ca, pair) = certified();
        let count = std::sync::atomic::AtomicUsize::new(0);
        let stage = Stage::tls(
            &pair,
            play(move |asked, out| {
                let body = match rbac_kind(asked) {
                    Some(kind) => lists(kind, count.fetch_add(1, std::sync::atomic::Ordering::Relaxed)),
                    None => api_answer(asked).unwrap_or_else(not_found),
                };
                let _ = out.write_all(&body);
            }),
        );
        let config = kubeconfig(&format!("https://{}", stage.place()), Some(&ca), &json!({}), &opaque());
        let runs: [(&[&str], Option<i32>); 5] = [
            (&["who-can", "list", "pods"], Some(2)),
            (&["can-i", "list", "pods", "--as-group", "devs", "--method", "computed"], Some(2)),
            (&["can-i", "list", "pods", "--why"], Some(0)),
            (&["whoami"], Some(0)),
            (&["doctor", "--no-aws", "--timeout", "6s"], None),
        ];
        for (arguments, expected) in runs {
            let mut before = 0;
            let ended = within(Duration::from_secs(20), || {
                before = stage.heads().len();
                watched(command().args(arguments).arg("--kubeconfig").arg(&config), Duration::from_secs(60))
            });
            let Ended { stdout, stderr, peak, code, .. } = &ended;
            let what = format!("{what}, {arguments:?}");
            assert!(matches!(code, Some(0..=2)), "{what}: {code:?} {stderr}");
            assert!(expected.is_none() || *code == expected, "{what}: {code:?}\n{stdout}\n{stderr}");
            assert!(*peak < MEMORY, "{what}: {peak} kB at most");
            assert!(!stderr.contains("panicked"), "{what}: {stderr}");
            let asked = stage.heads().len() - before;
            assert!(asked < 100, "{what}: {asked} requests");
            if expected == Some(2) {
                assert!(!stdout.lines().any(|line| matches!(line, "no" | "nobody")), "{what}: {stdout}");
                assert!(stderr.contains("not read") || stderr.contains("could not be put"), "{what}: {stderr}");
            }
        }
    }
}

/// The reason of an answer does not wait for what would only add to it.
#[test]
fn flags_that_never_come_hold_no_answer() {
    let (ca, pair) = certified();
    let stage = Stage::tls(
        &pair,
        play(|asked, out| {
            if path(asked) == "/flagz" {
                return std::thread::sleep(Duration::from_secs(15));
            }
            let _ = out.write_all(&api_answer(asked).unwrap_or_else(not_found));
        }),
    );
    let config = kubeconfig(&format!("https://{}", stage.place()), Some(&ca), &json!({}), &opaque());
    let ended = within(Duration::from_secs(4), || {
        let mut run = command();
        run.args(["can-i", "list", "pods", "--why", "--timeout", "5s", "--kubeconfig"]);
        watched(run.arg(&config), Duration::from_secs(60))
    });
    assert_eq!((ended.code, ended.stdout.lines().next()), (Some(0), Some("yes")), "{}", ended.stderr);
    assert!(stage.heads().iter().any(|head| head.starts_with("GET /flagz")), "{:?}", stage.heads());
}

/// A plan of what is annotated has what was read in time, and says that there is more.
#[test]
fn lists_of_workloads_without_an_end() {
    let annotated = json!({ "annotations": { "iam.amazonaws.com/role": "shop-web" } });
    let template = json!({ "template": { "metadata": annotated, "spec": {} } });
    let mut item = json!({ "metadata": annotated, "spec": template });
    item["spec"]["jobTemplate"] = json!({ "spec": template });
    item["metadata"]["name"] = "web".into();
    item["metadata"]["namespace"] = "shop".into();
    for (what, said) in [
        ("a circle", "the server's continuation leads in a circle"),
        ("crumbs", "the server gives only crumbs at a time, without an end"),
        ("a long continuation", "the server's continuation is too long to be one"),
        ("silence", "there was no answer within 4 s (--timeout)"),
    ] {
        let (ca, pair) = certified();
        let (item, count) = (item.clone(), std::sync::atomic::AtomicUsize::new(0));
        let stage = Stage::tls(
            &pair,
            play(move |asked, out| {
                if path(asked).ends_with("/openid-configuration") {
                    let _ = out.write_all(&not_found());
                    return;
                }
                let next = match what {
                    "silence" if asked.head.contains("continue=") => {
                        return std::thread::sleep(Duration::from_secs(15));
                    }
                    "crumbs" => format!("page-{}", count.fetch_add(1, std::sync::atomic::Ordering::Relaxed)),
                    "a long continuation" => "x".repeat(5_000),
                    _ => "x".to_owned(),
                };
                let list =
                    json!({ "kind": "List", "apiVersion": "v1", "metadata": { "continue": next }, "items": [item] });
                let _ = out.write_all(&answer("200 OK", "Content-Type: application/json\r\n", &list.to_string()));
            }),
        );
        let config = kubeconfig(&format!("https://{}", stage.place()), Some(&ca), &json!({}), &opaque());
        // All but silence is seen through, long before the time is over.
        let limit = if what == "silence" { "4s" } else { "30s" };
        let mut before = 0;
        let ended = within(LIMIT + GRACE, || {
            before = stage.heads().len();
            let mut run = command();
            run.args(["workload", "--plan-migration", "--no-aws", "--timeout", limit, "-o", "json", "--kubeconfig"]);
            watched(run.arg(&config), Duration::from_secs(60))
        });
        let Ended { stdout, stderr, peak, code, .. } = &ended;
        assert_eq!(*code, Some(2), "{what}: {stdout}\n{stderr}");
        assert!(*peak < MEMORY, "{what}: {peak} kB at most");
        let asked = stage.heads().len() - before;
        assert!(asked < 100, "{what}: {asked} requests");
        let plan: Value = serde_json::from_str(stdout).expect("JSON");
        crate::support::schema::hold(&plan);
        // Of each kind the one that is there, and of each kind that there may be more.
        assert_eq!(plan["workloads"].as_array().map(Vec::len), Some(7), "{what}: {stdout}");
        let incomplete: Vec<&str> =
            plan["incomplete"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        assert!(incomplete.len() >= 7 && incomplete.iter().all(|one| one.contains(said)), "{what}: {incomplete:?}");
    }
}

/// What a plan of everything could only pass over is refused.
#[test]
fn a_migration_plan_takes_no_question_about_one_pod() {
    for flag in ["--role", "--error"] {
        let mut run = command();
        run.args(["workload", "--plan-migration", flag, "x", "--kubeconfig"]).arg(nowhere());
        let ended = watched(&mut run, Duration::from_secs(60));
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        assert!(ended.stderr.contains("cannot be used with") && ended.stderr.contains(flag), "{}", ended.stderr);
    }
}

/// The time of `--timeout` is that of all contexts together; what was not looked at says so.
#[test]
fn three_hundred_contexts_of_a_silent_server() {
    let stage = Stage::plain(play(|_, _| std::thread::sleep(Duration::from_secs(15))));
    let names: Vec<String> = (0..300).map(|number| format!("context-{number}")).collect();
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "context-0",
        "clusters": [{ "name": "c", "cluster": { "server": format!("http://{}", stage.place()) } }],
        "users": [{ "name": "u", "user": {} }],
        "contexts": names.iter().map(|name| json!({ "name": name, "context": { "cluster": "c", "user": "u" } })).collect::<Vec<_>>(),
    });
    let path = scratch("kubeconfig").join("config");
    fs::write(&path, config.to_string()).expect("a kubeconfig");
    for form in ["table", "json"] {
        let ended = within(Duration::from_secs(3) + GRACE, || {
            let mut run = command();
            run.args(["doctor", "--all-contexts", "--no-aws", "--timeout", "3s", "-o", form, "--kubeconfig"]);
            watched(run.arg(&path), Duration::from_secs(60))
        });
        assert!(ended.peak < MEMORY, "{form}: {} kB at most", ended.peak);
        assert!(ended.stderr.contains("of 300 contexts were not looked at"), "{}", ended.stderr);
        if form == "table" {
            let late = ended.stdout.lines().filter(|line| line.contains("not looked at: the 3 s of --timeout")).count();
            assert!((100..300).contains(&late), "{late}: {}", ended.stdout);
            continue;
        }
        let list: Value = serde_json::from_str(&ended.stdout).expect("JSON");
        crate::support::schema::hold(&list);
        let items = list["items"].as_array().expect("items");
        let mut told: Vec<&str> = items.iter().filter_map(|item| item["context"].as_str()).collect();
        told.sort_unstable();
        told.dedup();
        assert_eq!(told.len(), 300, "each context by its name");
        for item in items.iter().filter(|item| item["tookMs"] == 0) {
            assert_eq!(item["verdict"], "unknown", "{item}");
            let because = item["notChecked"][0]["because"].as_str().unwrap_or_default();
            assert!(because.contains("--timeout"), "{item}");
        }
    }
}

/// Files that are none of what they are given for.
#[test]
fn input_without_end_is_refused() {
    let zero = "/dev/zero";
    if fs::metadata(zero).is_err() {
        return;
    }
    let config = nowhere();
    let folder = scratch("input");
    let file = |name: &str, text: String| {
        let path = folder.join(name);
        fs::write(&path, text).expect("a file");
        path.to_string_lossy().into_owned()
    };
    let engine = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let token = |claims: &str| {
        format!(
            "{}.{}.{}",
            engine.encode(r#"{"alg":"RS256","kid":"k"}"#),
            engine.encode(claims),
            engine.encode([7; 256])
        )
    };
    let claims: String = (0..150_000).map(|number| format!("\"c{number}\":1,")).collect();
    let wide = format!("@{}", file("wide", token(&format!("{{{claims}\"sub\":\"alice\"}}"))));
    let small = format!("@{}", file("small", token(r#"{"iss":"https://idp.example.com","sub":"alice"}"#)));
    let operations = "\"sign\",".repeat(500_000);
    let keys = file("keys", format!("{{\"keys\":[{{\"kty\":\"oct\",\"key_ops\":[{operations}\"sign\"]}}]}}"));
    let long = file("long", format!("get pods\nget {}\n", "x".repeat(20_000_000)));
    let many = file("many", "get pods\n".repeat(300_000));
    let runs: [(&[&str], &str); 7] = [
        (&["can-i", "-f", zero], "line 1 of"),
        (&["can-i", "-f", &long], "line 2 of"),
        (&["can-i", "-f", &many], "more than 40000 questions"),
        (&["decode", "@/dev/zero"], "more than 4 MiB"),
        (&["decode", &wide], "more than 1 MiB"),
        (&["decode", &small, "--jwks", zero], "no key set"),
        (&["decode", &small, "--jwks", &keys], "no key set"),
    ];
    for (arguments, words) in runs {
        let ended = watched(command().args(arguments).arg("--kubeconfig").arg(&config), Duration::from_secs(120));
        assert_eq!(ended.code, Some(2), "{arguments:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(words), "{arguments:?}: {}", ended.stderr);
        assert!(ended.peak < MEMORY, "{arguments:?}: {} kB at most", ended.peak);
    }
}

#[test]
fn certificate_chains_of_any_length() {
    for length in [60, 700] {
        let root = authority("a long chain");
        let mut pem = String::new();
        let mut above: CertifiedIssuer<'static, KeyPair> = authority("a long chain, in between");
        for number in 0..length {
            let mut params = server_params(&format!("in between {number}"), &[]);
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            let next =
                CertifiedIssuer::signed_by(params, KeyPair::generate().expect("a key"), &above).expect("a certificate");
            pem.insert_str(0, &next.pem());
            above = next;
        }
        let leaf = signed(&root, &server_params("api", &["localhost", "127.0.0.1"]));
        let pair = Pair { certificate: format!("{}{pem}", leaf.certificate), key: leaf.key };
        let stage = Stage::tls(&pair, crate::support::stage::healthy_api());
        let config = kubeconfig(&format!("https://{}", stage.place()), Some(&root.pem()), &json!({}), &opaque());
        let mut met = meet(&format!("{length} certificates"), &config, &[], &[]);
        for _ in 0..3 {
            if length == 700 || !met.report["identity"].is_null() {
                break;
            }
            // A busy machine may not get to it in four seconds.
            met = meet(&format!("{length} certificates"), &config, &[], &[]);
        }
        if length == 60 {
            // Certificates that lead nowhere are no fault: the leaf's own issuer is trusted.
            assert_eq!(met.report["identity"]["username"], "alice", "{}", met.ended.stdout);
        } else {
            met.told("700 certificates", &["endpoint-tls"]);
        }
    }
}

/// A server of TLS 1.2 that wants to negotiate anew, as soon as it is asked something.
#[test]
fn a_server_that_renegotiates() {
    if Command::new("openssl").arg("version").output().is_err() {
        assert!(std::env::var_os("KACCESS_LAB").is_none_or(|lab| lab != "require"), "there is no openssl");
        eprintln_loudly("skipped: there is no openssl");
        return;
    }
    let (ca, pair) = certified();
    let folder = scratch("renegotiation");
    let (certificate, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    fs::write(&certificate, &pair.certificate).expect("a file");
    fs::write(&key, &pair.key).expect("a file");
    // It takes a free port and says which.
    let mut server = Command::new("openssl")
        .args(["s_server", "-tls1_2", "-accept", "127.0.0.1:0", "-cert"])
        .arg(&certificate)
        .arg("-key")
        .arg(&key)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("openssl");
    let mut orders = server.stdin.take().expect("stdin");
    let mut lines = BufReader::new(server.stdout.take().expect("stdout")).lines();
    let port: u16 = lines
        .by_ref()
        .map_while(Result::ok)
        .find_map(|line| line.strip_prefix("ACCEPT ")?.rsplit(':').next()?.parse().ok())
        .expect("openssl listens");
    // `R` asks for a new handshake; it is given for every request that comes.
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            if line.contains("GET ") && orders.write_all(b"R\nR\nR\n").and_then(|()| orders.flush()).is_err() {
                return;
            }
        }
    });
    let config = kubeconfig(&format!("https://127.0.0.1:{port}"), Some(&ca), &json!({}), &opaque());
    let met = meet("renegotiation", &config, &[], &[]);
    let _ = server.kill();
    let _ = server.wait();
    assert_ne!(met.report["verdict"], "healthy");
    met.told("renegotiation", &["endpoint-tls", "endpoint-anonymous"]);
}

/// A word on the test's own stderr.
fn eprintln_loudly(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// What is taken out of evidence is what a terminal is not shown as it stands.
#[test]
fn what_is_not_seen_is_neither_kept_nor_shown() {
    use kaccess::render::human::plain;
    use kaccess::secret::strip_control;
    use kaccess::text::hidden;

    for c in [
        '\u{ad}',
        '\u{34f}',
        '\u{115f}',
        '\u{1160}',
        '\u{180e}',
        '\u{200b}',
        '\u{200f}',
        '\u{2060}',
        '\u{2064}',
        '\u{2800}',
        '\u{3164}',
        '\u{fe00}',
        '\u{fe0f}',
        '\u{feff}',
        '\u{fff9}',
        '\u{fffb}',
        '\u{e0000}',
        '\u{e0041}',
        '\u{e007f}',
        '\u{e0100}',
        '\u{e01ef}',
    ] {
        assert_eq!(strip_control(&format!("a{c}b")), "ab", "U+{:04X}", u32::from(c));
        assert_eq!(plain(&format!("a{c}b")), format!("a\\u{{{:x}}}b", u32::from(c)));
    }
    for c in ['e', 'é', '\u{301}', '한', 'क', 'ع', '\u{1f600}', ' ', '\n'] {
        assert!(!hidden(c), "U+{:04X}", u32::from(c));
    }
}

/// SIGQUIT and the users' own signals end kaccess and the plugin that it runs, as SIGTERM does.
#[test]
#[cfg(target_os = "linux")]
fn no_signal_leaves_the_plugin_behind() {
    use rustix::process::{Pid, Signal, kill_process};

    for (signal, code) in [(Signal::QUIT, 131), (Signal::USR1, 138), (Signal::USR2, 140)] {
        let folder = scratch("signals");
        let (plugin, id) = (folder.join("login"), folder.join("id"));
        shell_script(&plugin, &format!("echo $$ > {}\nsleep 300", id.display()));
        let exec =
            json!({ "apiVersion": "client.authentication.k8s.io/v1", "command": plugin, "interactiveMode": "Never" });
        let config = kubeconfig("https://127.0.0.1:1", None, &json!({}), &json!({ "exec": exec }));
        let mut run = command_with_signals()
            .args(["doctor", "--kubeconfig"])
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("kaccess");
        let waits = |what: &str, done: &mut dyn FnMut() -> bool| {
            let started = std::time::Instant::now();
            while !done() {
                assert!(started.elapsed() < Duration::from_secs(30), "{signal:?}: {what}");
                std::thread::sleep(Duration::from_millis(20));
            }
        };
        let own = || fs::read_to_string(&id).unwrap_or_default().trim().to_owned();
        waits("the plugin starts", &mut || !own().is_empty());
        kill_process(Pid::from_child(&run), signal).expect("a signal");
        assert_eq!(run.wait().expect("kaccess ends").code(), Some(code), "{signal:?}");
        waits("the plugin ends", &mut || {
            let stat = fs::read_to_string(format!("/proc/{}/stat", own())).unwrap_or_default();
            stat.rsplit(')').next().is_none_or(|rest| rest.trim().is_empty() || rest.trim().starts_with('Z'))
        });
    }
}

/// A limit to the size of files is told like a full disk, and leaves nothing behind.
#[test]
#[cfg(unix)]
fn evidence_beyond_the_limit_of_a_files_size_is_told() {
    let folder = scratch("limit");
    let config = kubeconfig("https://127.0.0.1:1", None, &json!({}), &json!({ "token": "opaque-token-of-a-test" }));
    let own = command();
    let mut run = Command::new("sh");
    run.args(["-c", "ulimit -f 1; exec \"$0\" \"$@\""]).arg(own.get_program()).env_clear();
    run.envs(own.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let ran = run
        .args(["doctor", "--timeout", "3s", "--no-aws", "--kubeconfig"])
        .arg(&config)
        .arg("--save")
        .arg(folder.join("evidence.json"))
        .output()
        .expect("sh");
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert_eq!(ran.status.code(), Some(2), "{said}");
    assert!(said.contains("--save") && said.to_lowercase().contains("too large"), "{said}");
    assert_eq!(fs::read_dir(&folder).expect("the folder").count(), 0, "{said}");
}
