//! Faults that need no Kubernetes: files, names, ports, and servers that are something else or hostile.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use crate::support::network;
use crate::support::run::{command, doctor, expect_fault, kaccess, scratch};
use crate::support::stage::within;

fn kubeconfig(server: &str) -> PathBuf {
    let path = scratch("kubeconfig").join("config");
    let text = format!(
        "apiVersion: v1\nkind: Config\nclusters:\n- name: c\n  cluster:\n    server: {server}\ncontexts:\n- name: a\n  context: {{cluster: c, user: u}}\ncurrent-context: a\nusers:\n- name: u\n  user: {{token: opaque-token-of-a-test}}\n"
    );
    fs::write(&path, text).expect("a kubeconfig");
    path
}

fn file(text: &str) -> PathBuf {
    let path = scratch("kubeconfig").join("config");
    fs::write(&path, text).expect("a kubeconfig");
    path
}

/// A server that does this with every connection, on a port of its own.
fn serve(work: impl Fn(std::net::TcpStream) + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let work = std::sync::Arc::new(work);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let work = work.clone();
            std::thread::spawn(move || work(stream));
        }
    });
    port
}

/// Reads one request's head and answers it.
fn answer(mut stream: std::net::TcpStream, text: &str) {
    let mut head = [0; 4096];
    let _ = stream.read(&mut head);
    let _ = stream.write_all(text.as_bytes());
}

#[test]
fn kubeconfigs_that_cannot_be_used() {
    let run = doctor(Path::new("/no/such/kubeconfig"), &[]);
    expect_fault("kubeconfig-not-found", &run, &["kubeconfig-not-found"]);
    let good = kubeconfig("https://127.0.0.1:1");
    let run = doctor(&good, &["--context", "prod"]);
    expect_fault("context-not-found", &run, &["context-not-found"]);
    let text = fs::read_to_string(&good).expect("a kubeconfig");
    let run = doctor(&file(&text.replace("current-context: a\n", "")), &[]);
    expect_fault("current-context-unset", &run, &["current-context-unset"]);
    let run = doctor(&file(&text.replace("cluster: c,", "cluster: gone,")), &[]);
    expect_fault("context-cluster-missing", &run, &["context-cluster-missing"]);
    let run = doctor(&file(&text.replace("user: u}", "user: gone}")), &[]);
    expect_fault("context-user-missing", &run, &["context-user-missing"]);
    // What a flag names is mended in the flag, and no context is to be made for it.
    for (flag, entry, there) in [("--user", "user", "u"), ("--cluster", "cluster", "c")] {
        let run = doctor(&good, &[flag, "nobody"]);
        assert_eq!(run.codes(), [format!("context-{entry}-missing")], "{}", run.stdout);
        let finding = &run.findings()[0];
        assert_eq!(finding["title"], format!("{flag} names a {entry} that the kubeconfig does not have"));
        assert_eq!(finding["fix"][0]["command"], format!("kaccess doctor {flag}={there}"));
        assert!(!finding["fix"].to_string().contains("kubectl config"), "{}", run.stdout);
    }
    let run = doctor(&file(&text.replace("token: opaque-token-of-a-test", "tokenFile: not-there")), &[]);
    expect_fault("credential-file-missing", &run, &["credential-file-missing"]);
    let run = doctor(&file("apiVersion: v1\nclusters: [\n- a: {\n"), &[]);
    expect_fault("kubeconfig-unparsable", &run, &["kubeconfig-unparsable"]);
    // What a failed download left is a file all the same, and an empty token file is one, too.
    let run = doctor(&file("404: Not Found"), &[]);
    expect_fault("kubeconfig-of-a-failed-download", &run, &["kubeconfig-unparsable"]);
    assert!(!run.codes().iter().any(|code| code == "kubeconfig-not-found"), "{}", run.stdout);
    let empty = file("");
    let run =
        doctor(&file(&text.replace("token: opaque-token-of-a-test", &format!("tokenFile: {}", empty.display()))), &[]);
    expect_fault("token-file-empty", &run, &["credential-file-missing"]);
    assert!(run.findings()[0]["title"].to_string().contains("empty"), "{}", run.stdout);
}

#[test]
fn a_server_given_by_flags_needs_no_kubeconfig() {
    let html = serve(|stream| {
        answer(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\nConnection: close\r\n\r\n<html>",
        )
    });
    let server = format!("https://127.0.0.1:{html}");
    let by_flags = ["--server", server.as_str(), "--token", "opaque-token-of-a-test"];
    let context = [&by_flags[..], &["--context", "prod"]].concat();
    for (config, arguments, first) in [
        (PathBuf::from("/no/such/kubeconfig"), &by_flags[..], "kubeconfig-not-found"),
        (file("apiVersion: v1\nclusters: [\n- a: {\n"), &by_flags[..], "kubeconfig-unparsable"),
        (kubeconfig("https://127.0.0.1:1"), &context[..], "context-not-found"),
    ] {
        let run = doctor(&config, arguments);
        assert_eq!(run.codes()[0], first, "{}", run.stdout);
        assert!(run.codes().iter().any(|code| code == "not-a-kubernetes-api"), "{}", run.stdout);
    }
    // Nobody expects a credential there, and the missing file is all that is to be said.
    let anonymous = serve(|stream| {
        let body = r#"{"kind":"Status","apiVersion":"v1","status":"Failure","message":"selfsubjectreviews.authentication.k8s.io is forbidden: User \"system:anonymous\" cannot create resource \"selfsubjectreviews\" in API group \"authentication.k8s.io\" at the cluster scope","reason":"Forbidden","code":403}"#;
        let head = "HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length:";
        answer(stream, &format!("{head} {}\r\n\r\n{body}", body.len()));
    });
    let run = doctor(Path::new("/no/such/kubeconfig"), &["--server", &format!("http://127.0.0.1:{anonymous}")]);
    assert_eq!(run.codes()[0], "kubeconfig-not-found", "{}", run.stdout);
    assert!(!run.codes().iter().any(|code| code == "anonymous-request"), "{}", run.stdout);
}

#[test]
fn what_is_wrong_with_an_issuer_is_told_beside_a_kubeconfig_that_is_not_there() {
    for form in ["table", "markdown"] {
        let output = command()
            .args(["doctor", "--kubeconfig", "/no/such/kubeconfig", "--no-aws", "-o", form])
            .args(["--issuer", "https://no-such-host.invalid/"])
            .output()
            .expect("kaccess runs");
        let stdout = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(1), "{stdout}");
        assert!(stdout.contains("- failed: issuer-dns ("), "{stdout}");
    }
}

#[test]
fn a_log_that_is_a_directory_is_refused() {
    let output = kaccess(&["doctor", "--log", &scratch("log").to_string_lossy()]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("is a directory") && output.stdout.is_empty(), "{stderr}");
}

#[test]
fn a_pod_without_a_token_is_told_so() {
    if Path::new("/var/run/secrets/kubernetes.io/serviceaccount/token").exists() {
        return;
    }
    let output = command()
        .args(["doctor", "-o", "json"])
        .envs([("KUBERNETES_SERVICE_HOST", "10.0.0.1"), ("KUBERNETES_SERVICE_PORT", "443")])
        .output()
        .expect("kaccess runs");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let codes: Vec<_> = report["findings"].as_array().into_iter().flatten().map(|found| &found["code"]).collect();
    assert_eq!(codes, ["service-account-token-not-mounted"], "{report}");
}

#[test]
fn odd_kubeconfigs_are_findings_and_no_panics() {
    let folder = scratch("directory");
    for (path, what) in [
        (file(""), "empty"),
        (folder, "a directory"),
        (file("- a\n- b\n"), "a list"),
        (file("just words"), "a word"),
        (file("clusters: 5\n"), "a number"),
        (file("\u{0}\u{1}\u{2}"), "bytes"),
        (file("apiVersion: v1\nkind: Pod\nmetadata: {name: x}\n"), "a Pod"),
    ] {
        let run = doctor(&path, &[]);
        assert_eq!(run.code, 1, "{what}: {}", run.stdout);
        assert!(!run.findings().is_empty(), "{what}: no finding");
        assert!(
            run.codes()[0].starts_with("kubeconfig-") || run.codes()[0].starts_with("c"),
            "{what}: {:?}",
            run.codes()
        );
        assert!(!run.stderr.contains("panicked"), "{what}: {}", run.stderr);
        let title = run.findings()[0]["title"].as_str().unwrap_or_default();
        assert_eq!(title == "The kubeconfig is a directory", what == "a directory", "{what}: {title}");
    }
}

#[test]
fn servers_that_are_not_there_or_something_else() {
    let run = doctor(&kubeconfig("https://no-such-host.invalid:6443"), &[]);
    expect_fault("endpoint-name-not-found", &run, &["endpoint-name-not-found"]);

    let html = serve(|stream| {
        answer(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 27\r\nConnection: close\r\n\r\n<html>Please sign in</html>",
        )
    });
    let run = doctor(&kubeconfig(&format!("http://127.0.0.1:{html}")), &[]);
    expect_fault("not-a-kubernetes-api", &run, &["not-a-kubernetes-api"]);
    let run = doctor(&kubeconfig(&format!("https://127.0.0.1:{html}")), &[]);
    expect_fault("not-a-kubernetes-api-plain-http", &run, &["not-a-kubernetes-api"]);
    let away = serve(|stream| {
        answer(stream, "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbusy")
    });
    let run = doctor(&kubeconfig(&format!("http://127.0.0.1:{away}")), &[]);
    expect_fault("api-unavailable", &run, &["api-unavailable"]);
    let closing = serve(drop);
    let run = doctor(&kubeconfig(&format!("https://127.0.0.1:{closing}")), &[]);
    expect_fault("api-connection-closed", &run, &["api-connection-closed"]);
}

#[test]
fn silence_ends_within_the_limit() {
    let silent = serve(|stream| {
        std::thread::sleep(Duration::from_secs(60));
        drop(stream);
    });
    let run = within(Duration::from_secs(6), || {
        doctor(&kubeconfig(&format!("https://127.0.0.1:{silent}")), &["--timeout", "3s"])
    });
    expect_fault("tls-handshake-timeout", &run, &["tls-handshake-timeout"]);
    // Plain HTTP that never answers: no panic, an honest word.
    let run = doctor(&kubeconfig(&format!("http://127.0.0.1:{silent}")), &["--timeout", "2s"]);
    assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
    assert!(run.stdout.contains("no answer within"), "{}", run.stdout);
}

/// `--request-timeout` holds for each request with all that it needs, as kubectl's does.
#[test]
fn a_request_ends_within_its_own_limit() {
    let silent = serve(|stream| {
        std::thread::sleep(Duration::from_secs(60));
        drop(stream);
    });
    let config = kubeconfig(&format!("https://127.0.0.1:{silent}"));
    for words in [&["can-i", "list", "pods"][..], &["who-can", "list", "pods"], &["whoami"]] {
        for limit in ["1s", "1", "1ns"] {
            let output = within(Duration::from_secs(6), || {
                command()
                    .args(words)
                    .args(["--request-timeout", limit, "--kubeconfig"])
                    .arg(&config)
                    .output()
                    .expect("kaccess runs")
            });
            let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(2), "{words:?} {limit}: {stderr}");
            assert!(output.stdout.is_empty() && stderr.contains("(--request-timeout)"), "{words:?} {limit}: {stderr}");
            assert!(stderr.contains("context deadline exceeded"), "{words:?} {limit}: {stderr}");
        }
    }
    let run = within(Duration::from_secs(6), || doctor(&config, &["--request-timeout", "1s"]));
    assert_eq!(run.codes()[0], "tls-handshake-timeout", "{}", run.stdout);
}

/// Where the connection is at fault and not the question, the hint is about the connection.
#[test]
fn a_bad_connection_is_no_bad_question() {
    let broken = file("{");
    let good = kubeconfig("https://127.0.0.1:1");
    let commands = [&["can-i", "list", "pods"][..], &["who-can", "get", "pods"], &["whoami"], &["workload", "x"]];
    for words in commands {
        for (config, more) in [(&broken, &[] as &[&str]), (&good, &["--token", "abc\u{1}def"])] {
            let output =
                command().args(words).args(more).arg("--kubeconfig").arg(config).output().expect("kaccess runs");
            let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(2), "{words:?}: {stderr}");
            assert!(stderr.contains("hint: kaccess doctor, with the same flags"), "{words:?}: {stderr}");
        }
    }
    for (words, help) in [
        (&["can-i", "get", "pods/web", "other"][..], "hint: kaccess can-i --help"),
        (&["who-can", "get", "pods/web", "other"], "hint: kaccess who-can --help"),
    ] {
        let output = command().args(words).arg("--kubeconfig").arg(&good).output().expect("kaccess runs");
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && stderr.contains(help), "{words:?}: {stderr}");
    }
}

#[test]
fn why_is_not_dropped_without_a_word() {
    let config = kubeconfig("https://127.0.0.1:1");
    let told = |words: &[&str]| {
        let output = command().args(words).arg("--kubeconfig").arg(&config).output().expect("kaccess runs");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let dropped = "note: --why says nothing with --each-namespace";
    assert!(told(&["can-i", "list", "pods", "--each-namespace", "--why"]).contains(dropped));
    assert!(told(&["can-i", "-f", "/dev/null", "--why"]).contains("note: --why says nothing with -f"));
    for words in [&["can-i", "list", "pods", "--each-namespace"][..], &["can-i", "list", "pods", "--why"]] {
        assert!(!told(words).contains("note: --why"), "{words:?}");
    }
}

#[test]
fn a_run_that_was_over_before_it_began_blames_nobody() {
    let run = doctor(&kubeconfig("https://127.0.0.1:1"), &["--timeout", "1ns"]);
    assert_eq!((run.code, run.codes().len()), (2, 0), "{}", run.stdout);
    let because = run.report["notChecked"][0]["because"].as_str().unwrap_or_default();
    assert_eq!(because, "not looked at: the time of --timeout was over");
    let output = command().args(["doctor", "--from"]).arg(&run.evidence).output().expect("kaccess runs");
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(stdout.contains("--timeout") && !stdout.contains("cannot be used"), "{stdout}");
    for flag in ["--timeout", "--exec-timeout"] {
        let output = kaccess(&["doctor", flag, "0"]);
        assert_eq!(output.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&output.stderr).contains("that leaves no time at all"), "{flag}");
    }
}

#[test]
fn a_full_queue_drops_connections_as_a_firewall_does() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let listener = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
        socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a port");
        socket.listen(1).expect("a listener")
    });
    let address = listener.local_addr().expect("an address");
    let _held = network::fill(address);
    let run = doctor(&kubeconfig(&format!("https://{address}")), &["--timeout", "12s"]);
    expect_fault("api-connection-timeout", &run, &["api-connection-timeout"]);
}

#[test]
fn evidence_files_that_are_none() {
    let folder = scratch("from");
    let put = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        fs::write(&path, bytes).expect("a file");
        path.to_string_lossy().into_owned()
    };
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/cases/first-incident/evidence.json");
    let whole = fs::read(demo).expect("the demo's evidence");
    let other = String::from_utf8_lossy(&whole).replace("kaccess.dev/evidence/v1", "kaccess.dev/evidence/v99");
    let huge = folder.join("huge");
    fs::File::create(&huge).expect("a file").set_len(100 * 1024 * 1024).expect("a length");
    for path in [
        put("schema", other.as_bytes()),
        put("truncated", &whole[..whole.len() / 2]),
        put("empty", b""),
        put("list", b"[]"),
        put("report", br#"{"apiVersion":"kaccess.dev/v1","kind":"DoctorReport","verdict":"healthy"}"#),
        huge.to_string_lossy().into_owned(),
        folder.join("missing").to_string_lossy().into_owned(),
        folder.to_string_lossy().into_owned(),
    ] {
        let output = kaccess(&["doctor", "--from", &path]);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{path}: {stderr}");
        assert!(stderr.contains("error:") && stderr.contains("hint:"), "{path}: {stderr}");
        assert!(output.stdout.is_empty());
        assert_eq!(stderr.contains("is a report (kind DoctorReport)"), path.ends_with("report"), "{stderr}");
    }
}

/// kaccess with something on stdin.
fn piped(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = command()
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("kaccess runs");
    // Whoever refuses reads nothing.
    let _ = child.stdin.take().expect("stdin").write_all(input);
    child.wait_with_output().expect("kaccess runs")
}

#[test]
fn evidence_comes_from_stdin_and_goes_to_stdout() {
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/cases/first-incident/evidence.json");
    let bytes = fs::read(&demo).expect("the demo's evidence");
    let named = kaccess(&["doctor", "-o", "json", "--from", &demo.to_string_lossy()]);
    let wide: Vec<u8> =
        format!("\u{feff}{}", String::from_utf8_lossy(&bytes)).encode_utf16().flat_map(u16::to_le_bytes).collect();
    for bytes in [&bytes, &wide] {
        let output = piped(&["doctor", "-o", "json", "--from", "-"], bytes);
        assert_eq!((&output.stdout, output.status), (&named.stdout, named.status));
    }
    let output = kaccess(&["doctor", "-q", "--kubeconfig", "/no/such/kubeconfig", "--save", "-"]);
    let saved: serde_json::Value = serde_json::from_slice(&output.stdout).expect("evidence alone");
    assert_eq!(saved["schema"], "kaccess.dev/evidence/v1");
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(piped(&["doctor", "-q", "--from", "-"], &output.stdout).status.code(), Some(1));

    let file = scratch("save").join("evidence.json");
    let output = kaccess(&["doctor", "-q", "--kubeconfig", "/no/such/kubeconfig", "--save", &file.to_string_lossy()]);
    assert!(file.is_file() && output.stdout.is_empty() && output.stderr.is_empty());
    for arguments in [&["doctor", "--save", "-"][..], &["doctor", "--error", "-", "--log", "-"]] {
        let output = piped(arguments, b"words");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{stderr}");
        assert!(stderr.contains("hint:") && stderr.contains(arguments[1]), "{stderr}");
    }
}

#[test]
fn a_control_character_in_a_token_is_named_and_not_sent() {
    let run = doctor(&kubeconfig("https://127.0.0.1:1"), &["--token", "abc\u{1}def"]);
    let finding = run.finding("authorization-header-malformed");
    assert_eq!(finding["confidence"], "certain", "{}", run.stdout);
    assert!(finding["why"].as_str().is_some_and(|why| why.contains("\\x01")), "{}", run.stdout);
    assert!(!run.stdout.contains("line feed"), "{}", run.stdout);
}

#[test]
fn odd_tokens_are_told_and_never_panic() {
    let big = "a".repeat(1024 * 1024);
    for token in ["", " ", "a\nb", "eyJ.eyJ.x", "....", "e30.e30.", "\u{0}", "Bearer abc", big.as_str()] {
        let path = scratch("token").join("token");
        fs::write(&path, token).expect("a token");
        let output = command().args(["decode", &format!("@{}", path.display())]).output().expect("kaccess runs");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(!stderr.contains("panicked"), "{stderr}");
        assert!(matches!(output.status.code(), Some(0..=2)), "{:?}", output.status);
        assert!(output.stdout.len() < 100_000);
    }
}
