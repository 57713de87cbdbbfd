//! Canaries: a marker in every secret the tool meets, and found in no output and no evidence.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use kaccess::secret::{Scrubber, Secret};
use static_assertions::assert_not_impl_any;

use crate::support::lab;
use crate::support::run::{command, scratch};

assert_not_impl_any!(Secret: std::fmt::Display, serde::Serialize);
assert_not_impl_any!(Scrubber: std::fmt::Display, serde::Serialize);

/// Markers of one run; they look like what they stand for, so that nothing recognises them by a special shape.
const SIGNATURE: &str = "Q0FOQVJZc2lnbmF0dXJlQ0FOQVJZc2lnbmF0dXJl";
const PASSWORD: &str = "canary-basic-Passw0rd";
const CLIENT_SECRET: &str = "canaryclientsecret77";
const PLUGIN_TOKEN: &str = "canary-plugin-token-0123456789";
const STDERR_SECRET: &str = "canarystderrsecret42";
const ENV_SECRET: &str = "canaryenvsecret4242";

fn token() -> String {
    let engine = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let header = engine.encode(r#"{"alg":"RS256","kid":"k"}"#);
    let payload =
        engine.encode(r#"{"iss":"https://localhost:1/realms/platform","sub":"alice","aud":"kubernetes","exp":1}"#);
    format!("{header}.{payload}.{SIGNATURE}")
}

/// All that a command printed and wrote.
fn everything(arguments: &[&str], kubeconfig: Option<&Path>) -> String {
    let evidence = scratch("canary").join("evidence.json");
    let mut run = command();
    run.args(arguments);
    if let Some(path) = kubeconfig {
        run.arg("--kubeconfig").arg(path);
    }
    if arguments[0] == "doctor" {
        run.arg("--save").arg(&evidence);
    }
    let output = run.output().expect("kaccess runs");
    let saved = fs::read_to_string(&evidence).unwrap_or_default();
    format!("{}\n{}\n{saved}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn none_of(text: &str, markers: &[&str], where_: &str) {
    for marker in markers {
        let encoded = base64::engine::general_purpose::STANDARD.encode(marker);
        for form in [(*marker).to_owned(), encoded] {
            assert!(!text.contains(&form), "{where_}: a secret got out ({marker})");
        }
    }
}

fn kubeconfig(user: &str) -> PathBuf {
    let path = scratch("canary-config").join("config");
    let text = format!(
        "apiVersion: v1\nkind: Config\nclusters:\n- name: c\n  cluster:\n    server: https://127.0.0.1:1\n    proxy-url: http://proxyuser:{PASSWORD}@127.0.0.1:1\ncontexts:\n- name: a\n  context: {{cluster: c, user: u}}\ncurrent-context: a\nusers:\n- name: u\n  user:\n{user}\n"
    );
    fs::write(&path, text).expect("a kubeconfig");
    path
}

fn plugin(text: &str) -> String {
    use std::os::unix::fs::PermissionsExt as _;
    let path = scratch("canary-plugin").join("plugin");
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).expect("a plugin");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("a mode");
    path.to_string_lossy().into_owned()
}

#[test]
fn no_secret_gets_out() {
    let token = token();
    let key = "-----BEGIN PRIVATE KEY-----\nY2FuYXJ5a2V5Y2FuYXJ5a2V5Y2FuYXJ5a2V5\n-----END PRIVATE KEY-----\n";
    let key_data = base64::engine::general_purpose::STANDARD.encode(key);
    let markers = [
        SIGNATURE,
        PASSWORD,
        CLIENT_SECRET,
        PLUGIN_TOKEN,
        STDERR_SECRET,
        ENV_SECRET,
        "Y2FuYXJ5a2V5Y2FuYXJ5a2V5Y2FuYXJ5a2V5",
    ];
    let exec = |script: &str| {
        format!(
            "    exec:\n      apiVersion: client.authentication.k8s.io/v1\n      command: {}\n      interactiveMode: Never\n      args: [get-token, --oidc-client-secret={CLIENT_SECRET}, --oidc-issuer-url=https://localhost:1/realms/x]\n      env: [{{name: CLIENT_SECRET_KEY, value: {ENV_SECRET}}}]",
            plugin(script)
        )
    };
    let credential = format!(
        r#"{{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{{"token":"{PLUGIN_TOKEN}"}}}}"#
    );
    let users = [
        format!("    token: {token}"),
        format!("    username: alice\n    password: {PASSWORD}"),
        format!("    client-certificate-data: {key_data}\n    client-key-data: {key_data}"),
        exec(&format!("echo '{credential}'\necho 'cached {PLUGIN_TOKEN} password={STDERR_SECRET}' >&2")),
        exec(&format!(
            "echo 'got {CLIENT_SECRET} and {{\"refresh_token\":\"{STDERR_SECRET}\"}} env '$CLIENT_SECRET_KEY >&2\nexit 3"
        )),
        exec(&format!("echo 'not json {PLUGIN_TOKEN}'\necho 'Authorization: Bearer {PLUGIN_TOKEN}' >&2")),
        format!("    token: {token}\n    bad: [unclosed"),
    ];
    for (index, user) in users.iter().enumerate() {
        let path = kubeconfig(user);
        for form in ["table", "json", "yaml", "markdown"] {
            let text = everything(&["doctor", "-o", form, "-v", "--timeout", "5s"], Some(&path));
            none_of(&text, &markers, &format!("doctor {index} {form}"));
        }
        none_of(&everything(&["can-i", "list", "pods"], Some(&path)), &markers, &format!("can-i {index}"));
        none_of(&everything(&["decode"], Some(&path)), &markers, &format!("decode {index}"));
    }
    for form in ["table", "json", "yaml", "markdown"] {
        none_of(&everything(&["decode", "-o", form, &token], None), &markers, "decode");
        none_of(
            &everything(&["doctor", "-o", form, "--token", &token, "--server", "https://127.0.0.1:1"], None),
            &markers,
            "doctor --token",
        );
        let message = format!("error: Authorization: Bearer {token} password={PASSWORD}");
        none_of(&everything(&["doctor", "-o", form, "--error", &message], None), &markers, "doctor --error");
    }
}

#[test]
fn no_secret_gets_out_in_the_lab() {
    let Some(lab) = lab::require_apiserver() else { return };
    let server = lab::ApiServer::start(lab, lab::Options::default());
    let token = server.create_service_account_token("shop", "reporter");
    let signature = token.rsplit('.').next().expect("a signature");
    let key = fs::read_to_string(&lab.pki.admin.key).expect("a key");
    let key_line = key.lines().nth(1).expect("a line of the key");
    let config = server
        .kubeconfig("canary", &[("reporter", serde_json::json!({ "token": token })), ("admin", server.admin_user())]);
    for form in ["table", "json", "yaml", "markdown"] {
        let text = everything(&["doctor", "-o", form, "-v", "--reviewer-context", "admin"], Some(&config));
        assert!(text.contains("system:serviceaccount:shop:reporter"), "{text}");
        none_of(&text, &[signature, key_line, &token], form);
    }
}
