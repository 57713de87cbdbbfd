//! Plugins that are shell commands, token files, and what becomes of them.

use std::sync::Mutex;

use tokio::time::Instant;

use super::pipes::KEPT_STDERR;
use super::*;
use crate::collect::Roots;
use crate::collect::kubeconfig::{ExecConfig, Impersonation, PluginPolicy, UserSecrets};
use crate::evidence::credential::{EndedBy, PluginRun};
use crate::host::Host;

/// A plugin that is a shell command.
fn shell(script: &str) -> ExecConfig {
    ExecConfig {
        command: "sh".to_owned(),
        args: vec![Secret::new("-c"), Secret::new(script)],
        env: Vec::new(),
        api_version: format!("{GROUP}/v1"),
        install_hint: None,
        provide_cluster_info: false,
        interactive_mode: "IfAvailable".to_owned(),
        cluster_config: None,
        disable_compression: false,
        policy: PluginPolicy::default(),
    }
}

fn resolved(user: UserSecrets) -> Resolved {
    Resolved {
        server: url::Url::parse("https://127.0.0.1:1").unwrap_or_else(|error| panic!("{error}")),
        roots: Roots::Pem { pem: "CA".to_owned(), label: "kubeconfig" },
        insecure: false,
        tls_server_name: None,
        proxy_url: None,
        namespace: "default".to_owned(),
        context: None,
        user,
        impersonation: Impersonation::default(),
        request_timeout: None,
    }
}

struct Ran {
    run: Result<PluginRun, Failure>,
    output: Option<PluginOutput>,
    scrubber: Scrubber,
}

async fn run_with(exec: &ExecConfig, options: &ExecOptions, change: impl FnOnce(&mut Host)) -> Ran {
    let scrubber = Scrubber::default();
    let mut host = Host::read();
    host.stdin_is_terminal = false;
    change(&mut host);
    let resolved = resolved(UserSecrets::default());
    let (run, output) = run_plugin(exec, &resolved, &host, options, &scrubber).await;
    Ran { run, output, scrubber }
}

async fn run(exec: &ExecConfig) -> Ran {
    run_with(exec, &ExecOptions::default(), |_| {}).await
}

fn credential(status: &str) -> String {
    format!("echo '{{\"kind\":\"ExecCredential\",\"apiVersion\":\"{GROUP}/v1\",\"status\":{status}}}'")
}

#[tokio::test]
async fn a_token_is_taken_and_kept_out_of_stderr() {
    let status = r#"{"token":"CANARY-plugin","expirationTimestamp":"2026-11-01T10:00:00Z"}"#;
    let script = format!("echo 'got CANARY-plugin' >&2; {}", credential(status));
    let Ran { run, output, .. } = run(&shell(&script)).await;
    let run = run.unwrap_or_else(|failure| panic!("{}", failure.detail));
    assert_eq!((run.exit_code, run.output_error.as_deref()), (Some(0), None));
    assert_eq!(run.stderr, "got [redacted]\n");
    let shown = format!("{run:?} {output:?}");
    assert!(!shown.contains("CANARY"), "{shown}");
    let output = output.unwrap_or_default();
    assert_eq!(output.token.map(|token| token.expose().to_owned()).as_deref(), Some("CANARY-plugin"));
    assert_eq!(output.expiration.map(|time| time.to_string()).as_deref(), Some("2026-11-01T10:00:00Z"));
}

/// Texts were taken from kubectl 1.32 with the same outputs.
#[tokio::test]
async fn unusable_output_is_told_in_client_gos_words() {
    for (script, expected) in [
        (
            "echo hello".to_owned(),
            "decoding stdout: couldn't get version/kind; json parse error: json: cannot unmarshal string into Go value of type struct {",
        ),
        (
            "echo '[1]'".to_owned(),
            "decoding stdout: couldn't get version/kind; json parse error: json: cannot unmarshal array into Go value of type struct {",
        ),
        ("echo 'a: b: c'".to_owned(), "decoding stdout: yaml: mapping values are not allowed in this context"),
        (
            String::new(),
            "exec plugin is configured to use API version client.authentication.k8s.io/v1, plugin returned version client.authentication.k8s.io/__internal",
        ),
        (
            "echo '{\"kind\":\"ExecCredential\",\"apiVersion\":'".to_owned(),
            "decoding stdout: couldn't get version/kind; json parse error: unexpected end of JSON input",
        ),
        (
            format!("{} ; echo trailing", credential("{}")),
            "decoding stdout: couldn't get version/kind; json parse error: invalid character",
        ),
        (
            "echo '{\"kind\":\"ExecCredential\"}'".to_owned(),
            "exec plugin is configured to use API version client.authentication.k8s.io/v1, plugin returned version client.authentication.k8s.io/__internal",
        ),
        (
            "echo '{\"kind\":\"Pod\",\"apiVersion\":\"v1\"}'".to_owned(),
            "decoding stdout: no kind \"Pod\" is registered for version \"v1\" in scheme \"pkg/client/auth/exec/exec.go:62\"",
        ),
        (
            credential("{}").replace("/v1", "/v1alpha1"),
            "decoding stdout: no kind \"ExecCredential\" is registered for version \"client.authentication.k8s.io/v1alpha1\"",
        ),
        (
            credential("{\"token\":\"CANARY-1\"}").replace("/v1", "/v1beta1"),
            "exec plugin is configured to use API version client.authentication.k8s.io/v1, plugin returned version client.authentication.k8s.io/v1beta1",
        ),
        (credential("null"), "exec plugin didn't return a status field"),
        (credential("{}"), "exec plugin didn't return a token or cert/key pair"),
        (
            credential("\"x\""),
            "decoding stdout: json: cannot unmarshal string into Go struct field ExecCredential.status of type v1.ExecCredentialStatus",
        ),
        (
            credential("{\"token\":5}"),
            "decoding stdout: json: cannot unmarshal number into Go struct field ExecCredentialStatus.status.token of type string",
        ),
        (credential("{\"clientCertificateData\":\"x\"}"), "exec plugin returned only certificate or key, not both"),
        (
            credential("{\"clientCertificateData\":\"x\",\"clientKeyData\":\"CANARY-key\"}"),
            "failed parsing client key/certificate: tls: failed to find any PEM data in certificate input",
        ),
        (credential("{\"token\":\"CANARY-1\",\"expirationTimestamp\":\"soon\"}"), "decoding stdout: parsing time"),
        ("exit 3".to_owned(), "exec: executable sh failed with exit code 3"),
        ("kill -9 $$".to_owned(), "exec: executable sh failed with exit code -1"),
        (format!("{}; exit 1", credential("{\"token\":\"CANARY-1\"}")), "exec: executable sh failed with exit code 1"),
        ("head -c 2000000 /dev/zero".to_owned(), "decoding stdout: larger than 1048576 bytes"),
    ] {
        let Ran { run, output, .. } = run(&shell(&script)).await;
        let run = run.unwrap_or_else(|failure| panic!("{}", failure.detail));
        let error = run.output_error.clone().unwrap_or_default();
        assert!(error.starts_with(expected), "{script}: {error}");
        assert!(output.is_none());
        let shown = serde_json::to_string(&PluginRun { args: Vec::new(), ..run }).unwrap_or_default();
        assert!(!shown.contains("CANARY"), "{shown}");
    }
}

#[tokio::test]
async fn a_signal_is_told_from_an_exit_code() {
    let killed = run(&shell("kill -9 $$")).await.run.unwrap_or_default();
    assert_eq!((killed.exit_code, killed.ended), (None, Some(EndedBy::Signal)));
    let failed = run(&shell("exit 3")).await.run.unwrap_or_default();
    assert_eq!((failed.exit_code, failed.ended), (Some(3), None));
}

#[tokio::test]
async fn yaml_and_a_missing_kind_are_taken_as_client_go_takes_them() {
    let yaml = format!("printf 'kind: ExecCredential\\napiVersion: {GROUP}/v1\\nstatus: {{token: x}}\\n'");
    assert!(run(&shell(&yaml)).await.output.is_some());
    let bare = format!("echo '{{\"apiVersion\":\"{GROUP}/v1\",\"status\":{{\"token\":\"x\"}}}}'");
    assert!(run(&shell(&bare)).await.output.is_some());
}

#[tokio::test]
async fn what_is_not_run_is_a_failure() {
    let mut missing = shell("true");
    missing.command = "kaccess-no-such-plugin".to_owned();
    missing.install_hint = Some("brew install it".to_owned());
    let failure = run(&missing).await.run.err().unwrap_or_else(|| panic!("ran"));
    assert_eq!(failure.kind, FailureKind::PluginNotFound);
    assert_eq!(failure.detail, "exec: executable kaccess-no-such-plugin not found");
    assert_eq!(failure.needs.as_deref(), Some("brew install it"));

    missing.command = "/nonexistent/plug".to_owned();
    let failure = run(&missing).await.run.err().unwrap_or_else(|| panic!("ran"));
    assert_eq!(failure.kind, FailureKind::PluginNotFound);
    assert_eq!(failure.detail, "exec: fork/exec /nonexistent/plug: no such file or directory");

    // It is there, and what its first line names is not.
    let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
    for (text, expected, seen) in [
        ("#!/nonexistent/sh\n", "the interpreter /nonexistent/sh", "none"),
        ("#! /bin/sh\r\ntrue\r\n", "the interpreter /bin/sh", "a carriage return behind its name"),
    ] {
        let path = folder.path().join("plug");
        std::fs::write(&path, text).unwrap_or_else(|error| panic!("{error}"));
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&path, mode).unwrap_or_else(|error| panic!("{error}"));
        missing.command = path.to_string_lossy().into_owned();
        let failure = run(&missing).await.run.err().unwrap_or_else(|| panic!("ran"));
        assert_eq!(failure.kind, FailureKind::PluginFailed);
        assert!(failure.detail.ends_with("/plug: no such file or directory"), "{}", failure.detail);
        assert_eq!((failure.expected.as_deref(), failure.seen.as_deref()), (Some(expected), Some(seen)));
    }

    let file = tempfile::NamedTempFile::new().unwrap_or_else(|error| panic!("{error}"));
    missing.command = file.path().to_string_lossy().into_owned();
    let failure = run(&missing).await.run.err().unwrap_or_else(|| panic!("ran"));
    assert_eq!(failure.kind, FailureKind::PluginFailed);
    assert!(failure.detail.ends_with(": permission denied"), "{}", failure.detail);

    // A whole command line where a program belongs, with a secret in it.
    missing.command = "/bin/sh -c TOKEN=CANARY-in-command".to_owned();
    let failure = run(&missing).await.run.err().unwrap_or_else(|| panic!("ran"));
    assert!(failure.detail.starts_with("exec: fork/exec /bin/sh -c TOKEN=[redacted]: "), "{}", failure.detail);

    for (command, program) in [("/bin/sh -c true", "/bin/sh"), ("sh -c true", "sh")] {
        missing.command = command.to_owned();
        let failure = run(&missing).await.run.err().unwrap_or_else(|| panic!("ran"));
        assert_eq!(failure.seen, Some(format!("a program {program}")), "{failure:?}");
    }

    let mut old = shell("true");
    old.api_version = format!("{GROUP}/v1alpha1");
    let failure = run(&old).await.run.err().unwrap_or_else(|| panic!("ran"));
    assert_eq!(failure.detail, "exec plugin: invalid apiVersion \"client.authentication.k8s.io/v1alpha1\"");

    let mut asks = shell("true");
    asks.interactive_mode = "Always".to_owned();
    let failure = run(&asks).await.run.err().unwrap_or_else(|| panic!("ran"));
    assert_eq!(failure.detail, "exec plugin cannot support interactive mode: standard input is not a terminal");
    let ran = run_with(&asks, &ExecOptions::default(), |host| host.stdin_is_terminal = true).await;
    assert!(ran.run.is_err_and(|failure| failure.kind == FailureKind::Declined));

    let options = ExecOptions { allowed: false, ..ExecOptions::default() };
    let ran = run_with(&shell("true"), &options, |_| {}).await;
    assert!(ran.run.is_err_and(|failure| failure.kind == FailureKind::Declined));
}

#[tokio::test]
async fn a_slow_plugin_and_its_children_do_not_hold_the_run() {
    let options = ExecOptions { timeout: Duration::from_millis(1500), ..ExecOptions::default() };
    let begun = Instant::now();
    let Ran { run, output, .. } = run_with(&shell("echo waiting >&2; sleep 20"), &options, |_| {}).await;
    let run = run.unwrap_or_else(|failure| panic!("{}", failure.detail));
    assert_eq!((run.exit_code, run.stderr.as_str()), (None, "waiting\n"));
    assert_eq!(run.ended, Some(EndedBy::Limit));
    assert_eq!(run.output_error.as_deref(), Some("exec: executable sh did not end within 1.5 s and was killed"));
    assert!(output.is_none());

    let script = format!("sleep 20 & {}", credential(r#"{"token":"x"}"#));
    let Ran { run, .. } = run_with(&shell(&script), &options, |_| {}).await;
    let error = run.ok().and_then(|run| run.output_error).unwrap_or_default();
    assert!(error.contains("stays open"), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(15), "20 s is how long the children sleep");

    // Only stderr stays open: kubectl gives the plugin its own stderr and does not wait for it.
    let script = format!("sleep 20 >/dev/null & {}", credential(r#"{"token":"x"}"#));
    let options = ExecOptions { timeout: Duration::from_secs(8), ..ExecOptions::default() };
    let begun = Instant::now();
    assert!(run_with(&shell(&script), &options, |_| {}).await.output.is_some());
    assert!(begun.elapsed() < Duration::from_secs(7));
}

#[tokio::test]
async fn the_plugin_gets_environment_and_cluster() {
    let mut exec = shell(r#"printf '%s|%s|%s' "$KUBERNETES_EXEC_INFO" "$FROM_ENTRY" "$FROM_PROCESS" >&2; exit 1"#);
    exec.provide_cluster_info = true;
    exec.env = vec![("FROM_ENTRY".to_owned(), Secret::new("entry"))];
    let ran = run_with(&exec, &ExecOptions::default(), |host| {
        host.env.insert("FROM_PROCESS".into(), "process".into());
    })
    .await;
    let stderr = ran.run.unwrap_or_else(|failure| panic!("{}", failure.detail)).stderr;
    let expected = format!(
        r#"{{"kind":"ExecCredential","apiVersion":"{GROUP}/v1","spec":{{"cluster":{{"server":"https://127.0.0.1:1","certificate-authority-data":"Q0E=","config":null}},"interactive":false}}}}|entry|process"#
    );
    assert_eq!(stderr, expected);
}

#[tokio::test]
async fn stderr_is_shown_line_by_line_and_login_urls_stay_whole() {
    let shown = Arc::new(Mutex::new(Vec::new()));
    let sink = {
        let shown = Arc::clone(&shown);
        let sink: StderrSink = Arc::new(move |text: &str| {
            if let Ok(mut shown) = shown.lock() {
                shown.push(text.to_owned());
            }
        });
        sink
    };
    let url = "https://idp/auth?state=aB3dE6gH9jK2mN5pQ8sT1vW4&user_code=ABCD-EFGH";
    let script =
        format!("printf 'open {url}\\npassword=hunter22 Bearer abcdefgh1\\n\\033[31mCode: ' >&2; sleep 2; exit 1");
    let options = ExecOptions { show_stderr: Some(sink), ..ExecOptions::default() };
    let ran = run_with(&shell(&script), &options, |_| {}).await;
    let shown = shown.lock().map(|shown| shown.clone()).unwrap_or_default();
    assert_eq!(
        shown,
        [format!("open {url}\n"), "password=[redacted] Bearer [redacted]\n".to_owned(), "Code: ".to_owned()]
    );
    assert!(!ran.run.unwrap_or_default().stderr.contains("hunter22"));
}

#[tokio::test]
async fn the_end_of_a_long_stderr_is_kept() {
    let script = "i=0; while [ $i -lt 3000 ]; do echo \"line $i of the log\"; i=$((i+1)); done >&2; exit 1";
    let stderr = run(&shell(script)).await.run.unwrap_or_default().stderr;
    assert!(stderr.ends_with("line 2999 of the log\n") && stderr.starts_with('…'));
    assert!(stderr.len() <= KEPT_STDERR + '…'.len_utf8());
}

#[tokio::test]
async fn a_bare_token_on_stdout_is_learnt() {
    let token = "eyJhbGciOiJub25lIn0-CANARY-bare-token";
    let ran = run(&shell(&format!("echo {token}; echo {token} >&2"))).await;
    assert_eq!(ran.scrubber.known_only(token), "[redacted]");
    let run = PluginRun { args: Vec::new(), ..ran.run.unwrap_or_default() };
    assert!(!format!("{run:?}").contains("CANARY"), "{run:?}");
}

#[tokio::test]
async fn token_files_are_trimmed_and_their_absence_is_told() {
    let file = tempfile::NamedTempFile::new().unwrap_or_else(|error| panic!("{error}"));
    let scrubber = Scrubber::default();
    let user = UserSecrets {
        token_file: Some(file.path().to_owned()),
        source: CredentialSource::TokenFile,
        ..UserSecrets::default()
    };
    let mut resolved = resolved(user);
    let failure = obtain(&resolved, None, &scrubber).await.err().unwrap_or_else(|| panic!("obtained"));
    assert!(failure.detail.starts_with("read empty token from file"), "{}", failure.detail);
    std::fs::write(file.path(), "CANARY-file-token\n").unwrap_or_else(|error| panic!("{error}"));
    let (obtained, evidence) =
        obtain(&resolved, None, &scrubber).await.unwrap_or_else(|failure| panic!("{}", failure.detail));
    assert_eq!(obtained.token.as_ref().map(Secret::expose), Some("CANARY-file-token"));
    assert_eq!(evidence.source, CredentialSource::TokenFile);
    assert!(!format!("{obtained:?}{evidence:?}").contains("CANARY"));
    assert_eq!(scrubber.known_only("CANARY-file-token"), "[redacted]");

    resolved.user.token_file = Some("/nonexistent/token".into());
    let failure = obtain(&resolved, None, &scrubber).await.err().unwrap_or_else(|| panic!("obtained"));
    assert_eq!(failure, Failure::new(FailureKind::NotFound, "open /nonexistent/token: no such file or directory"));
    resolved.user.token = Some(Secret::new("beside"));
    let (obtained, evidence) =
        obtain(&resolved, None, &scrubber).await.unwrap_or_else(|failure| panic!("{}", failure.detail));
    assert_eq!((obtained.token.is_some(), evidence.source), (true, CredentialSource::Token));

    // The same of --token: the file goes first, and where it is not there the flag's token is sent.
    resolved.user.token_by_flag = true;
    let (_, evidence) = obtain(&resolved, None, &scrubber).await.unwrap_or_else(|failure| panic!("{}", failure.detail));
    assert_eq!((evidence.source, evidence.origin.as_str()), (CredentialSource::Flag, "--token"));
    resolved.user.token_file = Some(file.path().to_owned());
    let (obtained, evidence) =
        obtain(&resolved, None, &scrubber).await.unwrap_or_else(|failure| panic!("{}", failure.detail));
    assert_eq!(obtained.token.as_ref().map(Secret::expose), Some("CANARY-file-token"));
    assert_eq!(evidence.source, CredentialSource::TokenFile);
    assert!(evidence.origin.ends_with(", which goes before --token"), "{}", evidence.origin);
}

/// kubectl 1.36 sent Basic to a listener, and no token, for `https://u:p@HOST` beside a token.
#[tokio::test]
async fn the_password_of_the_server_url_goes_before_a_token_and_a_plugin() {
    let url_basic = Some(("u".to_owned(), Secret::new("CANARY-password")));
    let token = Some(Secret::new("CANARY-token"));
    let static_token = UserSecrets { token: token.clone(), source: CredentialSource::Token, ..UserSecrets::default() };
    let plugin = UserSecrets { exec: Some(shell("true")), source: CredentialSource::Exec, ..UserSecrets::default() };
    let output = PluginOutput { token, ..PluginOutput::default() };
    for user in [static_token, plugin] {
        let user = UserSecrets { url_basic: url_basic.clone(), origin: "user \"u\" in F".to_owned(), ..user };
        let (obtained, evidence) = obtain(&resolved(user), Some(&output), &Scrubber::default())
            .await
            .unwrap_or_else(|failure| panic!("{}", failure.detail));
        assert!(obtained.token.is_none());
        assert_eq!(obtained.basic.map(|(name, _)| name).as_deref(), Some("u"));
        assert_eq!(evidence.source, CredentialSource::Basic);
        assert!(
            evidence.origin.starts_with(OF_URL) && evidence.origin.ends_with("user \"u\" in F"),
            "{}",
            evidence.origin
        );
    }
    // A certificate is sent beside it.
    let identity = ClientIdentity { chain_pem: "CHAIN".to_owned(), key_pem: Secret::new("CANARY-key") };
    let user = UserSecrets {
        url_basic,
        client_identity: Some(identity),
        source: CredentialSource::ClientCertificate,
        ..UserSecrets::default()
    };
    let (obtained, evidence) = obtain(&resolved(user), None, &Scrubber::default())
        .await
        .unwrap_or_else(|failure| panic!("{}", failure.detail));
    assert!(obtained.client_identity.is_some() && obtained.basic.is_some());
    assert_eq!(evidence.source, CredentialSource::ClientCertificate);
}

#[tokio::test]
async fn nothing_is_none_and_a_plugin_must_have_given() {
    let scrubber = Scrubber::default();
    let (obtained, evidence) = obtain(&resolved(UserSecrets::default()), None, &scrubber)
        .await
        .unwrap_or_else(|failure| panic!("{}", failure.detail));
    assert!(obtained.token.is_none() && obtained.basic.is_none() && obtained.client_identity.is_none());
    assert_eq!(evidence.source, CredentialSource::None);
    let user = UserSecrets { exec: Some(shell("true")), source: CredentialSource::Exec, ..UserSecrets::default() };
    let resolved = resolved(user);
    assert!(obtain(&resolved, None, &scrubber).await.is_err_and(|failure| failure.kind == FailureKind::PluginFailed));
    let output = PluginOutput { token: Some(Secret::new("x")), ..PluginOutput::default() };
    let (obtained, evidence) =
        obtain(&resolved, Some(&output), &scrubber).await.unwrap_or_else(|failure| panic!("{}", failure.detail));
    assert_eq!((obtained.token.is_some(), evidence.source), (true, CredentialSource::Exec));
}

#[test]
fn the_issuer_is_in_kubelogins_arguments() {
    let mut exec = shell("");
    let set = |exec: &mut ExecConfig, args: &[&str]| exec.args = args.iter().map(|arg| Secret::new(*arg)).collect();
    set(&mut exec, &["oidc-login", "get-token", "--oidc-issuer-url=https://i/x", "--oidc-client-id", "kube"]);
    assert_eq!(issuer_from_exec(&exec), Some(("https://i/x".to_owned(), Some("kube".to_owned()))));
    set(&mut exec, &["get-token", "--oidc-issuer-url", "https://i/x", "--oidc-client-id-x=y"]);
    assert_eq!(issuer_from_exec(&exec), Some(("https://i/x".to_owned(), None)));
    set(&mut exec, &["eks", "get-token"]);
    assert_eq!(issuer_from_exec(&exec), None);
    exec.env = vec![("KUBELOGIN_OIDC_ISSUER_URL".to_owned(), Secret::new("https://i/y"))];
    assert_eq!(issuer_from_exec(&exec), Some(("https://i/y".to_owned(), None)));
}

/// Words are client-go's (1.36); that the plugin did not run is seen by the file that it would have made.
#[tokio::test]
async fn a_plugin_that_kubectls_preferences_forbid_is_not_run() {
    let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
    let marker = folder.path().join("ran");
    let script = format!("touch '{}'; {}", marker.display(), credential("{\"token\":\"CANARY-1\"}"));
    let with = |kind: &str, list: Option<&[&str]>| ExecConfig {
        policy: PluginPolicy {
            kind: kind.to_owned(),
            allowlist: list.map(|list| list.iter().map(|entry| (*entry).to_owned()).collect()),
            file: "/home/alice/.kube/kuberc".to_owned(),
        },
        ..shell(&script)
    };
    for (exec, expected) in [
        (with("DenyAll", None), "plugin \"sh\" not allowed: policy set to \"DenyAll\""),
        (with("Allowlist", Some(&["aws", "/nowhere/sh"])), "is not permitted by the credential plugin allowlist"),
    ] {
        let Err(failure) = run(&exec).await.run else { panic!("{expected}: it ran") };
        assert!(failure.detail.ends_with(expected), "{}", failure.detail);
        let fault = failure.fault.unwrap_or_default();
        assert_eq!(
            (fault.code.as_str(), fault.file.as_deref()),
            ("exec-denied-by-policy", Some("/home/alice/.kube/kuberc"))
        );
        assert!(!marker.exists(), "{expected}");
    }
    for exec in [with("", None), with("AllowAll", None), with("Allowlist", Some(&["aws", "sh"]))] {
        assert!(run(&exec).await.output.is_some());
        assert!(marker.exists());
        let _ = std::fs::remove_file(&marker);
    }
    // The list may say where it is, while the entry leaves that to PATH.
    let whole = super::plugin::look_up("sh", &Host::read()).unwrap_or_default();
    let whole = whole.to_string_lossy();
    assert!(run(&with("Allowlist", Some(&[&*whole]))).await.output.is_some());
}
