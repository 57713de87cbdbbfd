//! Canaries: a marker in every secret that the tool can meet, and found in no output, no evidence, no file that it leaves.
//!
//! Each scene plants secrets of several kinds and runs every command that meets them in every form of output. A scene says
//! what must be seen in the output as well: else nobody would notice that its secrets never came near.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use kaccess::secret::{Scrubber, Secret};
use serde_json::json;
use static_assertions::assert_not_impl_any;

use crate::support::aws::{Answer, Aws};
use crate::support::front::{Clients, Front, answer, authority, field, server_params, signed};
use crate::support::lab;
use crate::support::run::{command, scratch, shell_script};

assert_not_impl_any!(Secret: std::fmt::Display, serde::Serialize);
assert_not_impl_any!(Scrubber: std::fmt::Display, serde::Serialize);

/// The forms of output that every command has.
const FORMS: &[&[&str]] =
    &[&["-o", "table", "-v"], &["-o", "json"], &["-o", "yaml"], &["-o", "markdown"], &["--short"], &["-q"]];

/// What doctor alone has beside these; none of them looks again, so each is made of saved evidence.
const DOCTORS_FORMS: &[&str] = &["html", "prometheus", "sarif", "junit"];

/// How many kinds of secrets all scenes together plant.
static KINDS: AtomicUsize = AtomicUsize::new(0);

/// Secrets of one scene, each with the kind it stands for.
#[derive(Default)]
struct Planted {
    marks: Vec<(&'static str, String)>,
}

impl Planted {
    /// A new secret of this kind: lower-case words and a number, which nothing takes for a secret by its look.
    fn mark(&mut self, kind: &'static str) -> String {
        let number = KINDS.fetch_add(1, Ordering::SeqCst);
        self.marks.push((kind, format!("canary-{number:02}-plumage")));
        self.marks.last().expect("just pushed").1.clone()
    }

    /// A secret as it stands.
    fn as_is(&mut self, kind: &'static str, text: impl Into<String>) -> String {
        KINDS.fetch_add(1, Ordering::SeqCst);
        self.marks.push((kind, text.into()));
        self.marks.last().expect("just pushed").1.clone()
    }

    /// None of them is in a text: plain, in base64 at any offset, percent-encoded, or escaped as JSON.
    fn absent(&self, text: &str, place: &str) {
        for (kind, mark) in &self.marks {
            for form in forms_of(mark) {
                if let Some(at) = text.find(&form) {
                    let (from, to) = (at.saturating_sub(120), (at + form.len() + 60).min(text.len()));
                    let around = String::from_utf8_lossy(&text.as_bytes()[from..to]).into_owned();
                    panic!("{place}: {kind} got out as {form:?}: ...{around}...");
                }
            }
        }
    }
}

/// How a secret may come back.
fn forms_of(mark: &str) -> Vec<String> {
    let mut forms = vec![mark.to_owned(), url::form_urlencoded::byte_serialize(mark.as_bytes()).collect()];
    for before in ["", "x", "xx"] {
        let whole = format!("{before}{mark}");
        for engine in [&STANDARD, &URL_SAFE_NO_PAD] {
            let encoded = engine.encode(&whole);
            // What the letters before and behind would share is cut off.
            let (from, to) = (if before.is_empty() { 0 } else { before.len() + 1 }, whole.len() / 3 * 4);
            forms.push(encoded[from..to].to_owned());
        }
    }
    forms.push(mark.bytes().map(|byte| format!("%{byte:02X}")).collect());
    forms
}

/// Everything a run printed, saved and left: stdout, stderr, evidence, and all files of its home and temporary folder.
struct Ran {
    output: String,
    left: String,
}

impl Ran {
    fn all(&self) -> String {
        format!("{}\n{}", self.output, self.left)
    }
}

fn run(arguments: &[&str], environment: &[(String, String)], stdin: Option<&str>) -> Ran {
    let (home, temporary) = (scratch("canary-home"), scratch("canary-tmp"));
    let mut run = command();
    run.args(arguments)
        .env("HOME", &home)
        .env("TMPDIR", &temporary)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    if stdin.is_some() {
        run.stdin(Stdio::piped());
    }
    let mut child = run.spawn().expect("kaccess runs");
    if let Some(text) = stdin {
        use std::io::Write as _;
        // It may end before it has read everything.
        let _ = child.stdin.take().expect("stdin").write_all(text.as_bytes());
    }
    let output = child.wait_with_output().expect("kaccess ends");
    let output = format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let mut left = String::new();
    for folder in [&home, &temporary] {
        contents(folder, &mut left);
    }
    Ran { output, left }
}

/// The names and texts of all files below a folder.
fn contents(folder: &Path, text: &mut String) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        text.push_str(&format!("{}\n", path.display()));
        if path.is_dir() {
            contents(&path, text);
        } else {
            text.push_str(&String::from_utf8_lossy(&fs::read(&path).unwrap_or_default()));
        }
    }
}

/// doctor in every form; the evidence saved plainly, and for strangers. Gives everything it said.
fn doctor(planted: &Planted, scene: &str, arguments: &[&str], environment: &[(String, String)]) -> String {
    let mut said = String::new();
    for form in FORMS {
        let folder = scratch("canary-evidence");
        let file = folder.join("evidence.json").to_string_lossy().into_owned();
        let mut all = vec!["doctor", "--timeout", "5s", "--save", &file];
        if *form == ["-o", "yaml"] {
            all.push("--anonymise");
        }
        all.extend(form.iter().chain(arguments));
        let ran = run(&all, environment, None);
        let mut saved = String::new();
        contents(&folder, &mut saved);
        for own in DOCTORS_FORMS.iter().filter(|_| *form == ["-o", "json"]) {
            let shown = run(&["doctor", "--from", &file, "-o", own], &[], None);
            assert!(shown.output.len() > 100, "{scene}: {own} says nothing: {}", shown.output);
            saved.push_str(&shown.all());
        }
        assert!(saved.contains("kaccess.dev/evidence"), "{scene}: nothing was saved: {}", ran.output);
        let whole = format!("{}\n{saved}", ran.all());
        planted.absent(&whole, &format!("{scene}: doctor {}", form.join(" ")));
        said.push_str(&whole);
    }
    said
}

/// Another command in every form.
fn in_every_form(planted: &Planted, scene: &str, arguments: &[&str], environment: &[(String, String)]) -> String {
    let mut said = String::new();
    for form in FORMS {
        let mut all = arguments.to_vec();
        all.extend(*form);
        let ran = run(&all, environment, None);
        planted.absent(&ran.all(), &format!("{scene}: {} {}", arguments[0], form.join(" ")));
        said.push_str(&ran.output);
    }
    said
}

fn file(name: &str, text: &str) -> String {
    let path = scratch("canary-file").join(name);
    fs::write(&path, text).expect("a file");
    path.to_string_lossy().into_owned()
}

fn plugin(text: &str) -> String {
    let path = scratch("canary-file").join("plugin");
    shell_script(&path, text);
    path.to_string_lossy().into_owned()
}

/// A kubeconfig whose contexts are called as its users, all on one cluster.
fn kubeconfig(cluster: serde_json::Value, users: &[(&str, serde_json::Value)]) -> String {
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{ "name": "c", "cluster": cluster }],
        "contexts": users.iter().map(|(name, _)| json!({ "name": name, "context": { "cluster": "c", "user": name } })).collect::<Vec<_>>(),
        "current-context": users[0].0,
        "users": users.iter().map(|(name, user)| json!({ "name": name, "user": user })).collect::<Vec<_>>(),
    });
    file("config", &serde_json::to_string_pretty(&config).expect("JSON"))
}

fn jwt(claims: &serde_json::Value, signature: &str) -> String {
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256","kid":"k"}"#);
    format!("{header}.{}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()), URL_SAFE_NO_PAD.encode(signature))
}

fn pem(body: &str) -> String {
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(body))
}

/// A token of `kubectl`'s AWS plugin.
fn presigned(signature: &str, session: &str) -> String {
    let url = format!(
        "https://sts.eu-west-1.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20261125%2Feu-west-1%2Fsts%2Faws4_request&X-Amz-Date=20261125T100000Z&X-Amz-Expires=60&X-Amz-Security-Token={session}&X-Amz-SignedHeaders=host%3Bx-k8s-aws-id&X-Amz-Signature={signature}"
    );
    format!("k8s-aws-v1.{}", URL_SAFE_NO_PAD.encode(url))
}

/// An ID token's claims, long expired, of an issuer where nobody listens.
fn claims() -> serde_json::Value {
    json!({ "iss": "https://localhost:1/realms/platform", "sub": "alice", "aud": "kubernetes", "exp": 1 })
}

/// Every kind of secret that a kubeconfig holds, whichever of its contexts is looked at.
#[test]
fn secrets_of_a_kubeconfig_stay_inside() {
    let mut planted = Planted::default();
    let signature = planted.mark("a JWT's signature");
    let token = planted.as_is("a JWT", jwt(&claims(), &signature));
    let opaque = planted.mark("a static token");
    let token_file = file("token", &planted.mark("a token file"));
    let password = planted.mark("a basic password");
    let key = planted.mark("a client key");
    let plugin_of = plugin("echo 'no credential' >&2; exit 1");
    let exec = json!({
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": plugin_of,
        "interactiveMode": "Never",
        "args": [
            "get-token",
            format!("--oidc-client-secret={}", planted.mark("a client secret in an argument")),
            "--password", planted.mark("a password in an argument of its own"),
            format!("--token={}", planted.mark("a token in an argument")),
            format!("https://user:{}@login.example/x", planted.mark("a URL with userinfo in an argument")),
            "--oidc-issuer-url=https://localhost:1/realms/x",
        ],
        "env": [
            { "name": "CLIENT_SECRET", "value": planted.mark("a client secret in the plugin's environment") },
            { "name": "AWS_SECRET_ACCESS_KEY", "value": planted.mark("an AWS key in the plugin's environment") },
            { "name": "AWS_SESSION_TOKEN", "value": planted.mark("an AWS session token in the plugin's environment") },
        ],
    });
    let provider = json!({ "name": "oidc", "config": {
        "idp-issuer-url": "https://localhost:1/realms/x",
        "client-secret": planted.mark("a client secret of an auth provider"),
        "id-token": planted.mark("an ID token of an auth provider"),
        "refresh-token": planted.mark("a refresh token of an auth provider"),
        "access-token": planted.mark("an access token of an auth provider"),
    } });
    let cluster = json!({
        "server": "https://127.0.0.1:1",
        "proxy-url": format!("http://proxyuser:{}@127.0.0.1:1", planted.mark("a proxy's password in proxy-url")),
    });
    let users = [
        ("jwt", json!({ "token": token })),
        ("opaque", json!({ "token": opaque })),
        ("tokenfile", json!({ "tokenFile": token_file })),
        ("basic", json!({ "username": "alice", "password": password })),
        ("both", json!({ "username": "alice", "password": password, "token": opaque })),
        (
            "key",
            json!({ "client-certificate-data": STANDARD.encode("no certificate"), "client-key-data": STANDARD.encode(pem(&key)) }),
        ),
        ("exec", json!({ "exec": exec })),
        ("provider", json!({ "auth-provider": provider })),
    ];
    // One value that is no base64 spoils the whole file.
    let bad = json!({ "client-certificate-data": STANDARD.encode(pem(&key)), "client-key-data": format!("{}!", STANDARD.encode(pem(&key))) });
    let spoilt = kubeconfig(cluster.clone(), &[("badkey", bad)]);
    let said = doctor(&planted, "badkey", &["--kubeconfig", &spoilt], &[]);
    assert!(said.contains("kubeconfig-unparsable"), "{said}");
    let config = kubeconfig(cluster, &users);
    for (name, _) in &users {
        let said = doctor(&planted, name, &["--kubeconfig", &config, "--context", name], &[]);
        assert!(said.contains("127.0.0.1"), "{name}: {said}");
        for arguments in [
            &["can-i", "list", "pods"][..],
            &["whoami"],
            &["who-can", "get", "pods"],
            &["decode"],
            &["allowlist", "--no-aws"],
            &["workload", "api", "-n", "shop", "--no-aws"],
        ] {
            let mut all = arguments.to_vec();
            all.extend(["--kubeconfig", &config, "--context", name]);
            planted.absent(&run(&all, &[], None).all(), &format!("{name}: {}", arguments[0]));
        }
    }
    let said = in_every_form(
        &planted,
        "all contexts",
        &["doctor", "--all-contexts", "--timeout", "5s", "--kubeconfig", &config],
        &[],
    );
    assert!(said.contains("provider"), "{said}");

    // Lines that cannot be read are told by their place, not by what stands in them.
    let mut planted = Planted::default();
    let broken = file(
        "config",
        &format!(
            "apiVersion: v1\nkind: Config\nusers:\n- name: u\n  user:\n    token: {}\n    password: [{}\nclusters: {}: x\n",
            planted.mark("a token in a broken kubeconfig"),
            planted.mark("a password on the broken line"),
            planted.mark("a secret in a broken key")
        ),
    );
    let said = doctor(&planted, "broken", &["--kubeconfig", &broken], &[]);
    assert!(said.contains("kubeconfig-unparsable"), "{said}");
    let wrong = file(
        "config",
        &format!(
            "apiVersion: v1\nkind: Config\nusers:\n- name: u\n  user: {{token: [{}], client-key-data: '{}'}}\n",
            planted.mark("a token of the wrong type"),
            planted.mark("a key that is no base64"),
        ),
    );
    doctor(&planted, "wrong", &["--kubeconfig", &wrong], &[]);
    let userinfo = kubeconfig(
        json!({ "server": format!("https://admin:{}@127.0.0.1:1", planted.mark("userinfo in the server's URL")) }),
        &[("u", json!({ "token": planted.mark("the token beside it") }))],
    );
    let said = doctor(&planted, "userinfo", &["--kubeconfig", &userinfo], &[]);
    assert!(said.contains("127.0.0.1"), "{said}");
}

/// What a credential plugin gives, and what it says while it does.
#[test]
fn what_a_plugin_says_stays_inside() {
    let mut planted = Planted::default();
    let noise = [
        format!("Authorization: Bearer {}", planted.mark("a bearer token on the plugin's stderr")),
        format!("password={}", planted.mark("a password on the plugin's stderr")),
        format!("{{\"refresh_token\":\"{}\"}}", planted.mark("a refresh token on the plugin's stderr")),
        format!("Cookie: session={}", planted.mark("a cookie on the plugin's stderr")),
        format!("GET https://u:{}@idp.example/token", planted.mark("userinfo on the plugin's stderr")),
        format!(
            "https://s3.amazonaws.com/x?X-Amz-Signature={}",
            planted.mark("a presigned signature on the plugin's stderr")
        ),
        pem(&planted.mark("a private key on the plugin's stderr")),
    ]
    .join("\n");
    let token = planted.mark("the token that a plugin gives");
    let key = planted.mark("the client key that a plugin gives");
    let secret = planted.mark("the argument that the plugin repeats");
    let good = json!({ "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
        "status": { "token": token, "clientKeyData": pem(&key), "clientCertificateData": "none" } });
    let only = json!({ "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": { "token": token } });
    let say = format!("cat >&2 <<'END'\n{noise}\nthe token is {token}\nEND\necho \"called with $2 and $HIDDEN\" >&2");
    let scripts = [
        ("good", format!("{say}\ncat <<'END'\n{only}\nEND")),
        ("key", format!("{say}\ncat <<'END'\n{good}\nEND")),
        ("failed", format!("{say}\ncat <<'END'\n{only}\nEND\nexit 3")),
        ("garbage", format!("{say}\necho 'no JSON {{\"token\": \"{token}\", broken'")),
        (
            "other",
            format!("{say}\necho '{{\"kind\":\"Other\",\"apiVersion\":\"v1\",\"status\":{{\"token\":\"{token}\"}}}}'"),
        ),
    ];
    for (name, script) in scripts {
        let user = json!({ "exec": {
            "apiVersion": "client.authentication.k8s.io/v1", "command": plugin(&script), "interactiveMode": "Never",
            "args": ["get-token", secret], "env": [{ "name": "HIDDEN", "value": planted.mark("the variable that the plugin repeats") }],
        } });
        let config = kubeconfig(json!({ "server": "https://127.0.0.1:1" }), &[("u", user)]);
        // The argument is foreign to every rule for secrets: only what looks like one, or was given as one, is known.
        let mut seen = Planted { marks: planted.marks.clone() };
        seen.marks.retain(|(kind, _)| *kind != "the argument that the plugin repeats");
        let said = doctor(&seen, name, &["--kubeconfig", &config], &[]);
        assert!(said.contains("get-token"), "{name}: the plugin ran: {said}");
        in_every_form(&seen, name, &["decode", "--kubeconfig", &config], &[]);
        in_every_form(&seen, name, &["can-i", "list", "pods", "--kubeconfig", &config], &[]);
    }
}

/// What stands in the environment and on the command line, in files and texts that are handed over.
#[test]
fn what_is_handed_over_stays_inside() {
    let mut planted = Planted::default();
    let config = kubeconfig(
        json!({ "server": "https://127.0.0.1:1" }),
        &[("u", json!({ "token": planted.mark("the kubeconfig's token") }))],
    );
    let variables = |list: &[(&str, String)]| {
        list.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect::<Vec<_>>()
    };
    let environment = variables(&[
        ("HTTPS_PROXY", format!("http://proxy:{}@127.0.0.1:1", planted.mark("a proxy's password in the environment"))),
        ("NO_PROXY", "none.example".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", planted.mark("an AWS key in the environment")),
        ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE".to_owned()),
        ("AWS_SESSION_TOKEN", planted.mark("an AWS session token in the environment")),
    ]);
    let said = doctor(&planted, "environment", &["--kubeconfig", &config, "--no-aws"], &environment);
    assert!(said.contains("HTTPS_PROXY"), "{said}");

    // Tokens by flag, by file and by stdin.
    let flag = planted.mark("a token on the command line");
    doctor(&planted, "flag", &["--kubeconfig", &config, "--token", &flag], &[]);
    let signature = planted.mark("the signature of a token on the command line");
    let token = planted.as_is("a JWT on the command line", jwt(&claims(), &signature));
    let said = doctor(&planted, "flags", &["--token", &token, "--server", "https://127.0.0.1:1"], &[]);
    assert!(said.contains("alice"), "{said}");
    let at_file = format!("@{}", file("token", &planted.mark("a token in a file of a flag")));
    doctor(&planted, "file", &["--kubeconfig", &config, "--token", &at_file], &[]);
    let piped = planted.mark("a token on stdin");
    for arguments in [&["doctor", "-v"][..], &["can-i", "list", "pods"], &["whoami"]] {
        let mut all = arguments.to_vec();
        all.extend(["--kubeconfig", &config, "--token", "-"]);
        planted.absent(&run(&all, &[], Some(&piped)).all(), "stdin");
    }
    let password = planted.mark("a password on the command line");
    for arguments in [&["doctor", "-v"][..], &["can-i", "list", "pods"], &["whoami"]] {
        let mut all = arguments.to_vec();
        all.extend(["--server", "https://127.0.0.1:1", "--username", "alice", "--password", &password]);
        planted.absent(&run(&all, &[], None).all(), "a password");
    }
    // In the wrong place.
    let lost = planted.as_is("a token in the wrong place", jwt(&claims(), "canary-lost-plumage"));
    let glued = format!("--token{}", planted.mark("a token glued to its flag"));
    for arguments in [
        &["doctor", &lost][..],
        &["whoami", &glued],
        &["doctor", "--context", &lost],
        &["whoami", &lost],
        &[&lost],
        &["can-i", "--bearer", &lost],
    ] {
        planted.absent(&run(arguments, &[], None).all(), "the wrong place");
    }

    // Texts and logs.
    let pasted = pasted(&mut planted);
    let at = format!("@{}", file("pasted.txt", &pasted));
    let said = doctor(&planted, "error", &["--kubeconfig", &config, "--error", &at], &[]);
    assert!(said.contains("oidc: authenticator not initialized"), "{said}");
    let log = file("kube-apiserver.log", &pasted);
    let said = doctor(&planted, "log", &["--kubeconfig", &config, "--log", &log], &[]);
    assert!(said.contains("oidc-not-initialized"), "{said}");
    for arguments in [&["explain", &at][..], &["explain", &pasted]] {
        let said = in_every_form(&planted, "explain", arguments, &[]);
        assert!(said.contains("oidc: authenticator not initialized"), "{said}");
    }
    let ran = run(&["explain", "-o", "json", "-"], &[], Some(&pasted));
    planted.absent(&ran.all(), "explain from stdin");
    assert!(ran.output.contains("oidc-not-initialized"), "{}", ran.output);

    // The API server's own configuration.
    let flags = file(
        "flags.txt",
        &format!(
            "kube-apiserver --oidc-issuer-url=https://localhost:1/realms/platform --oidc-client-id=kubernetes --etcd-password={} --oidc-client-secret={} --etcd-servers=https://root:{}@127.0.0.1:2379",
            planted.mark("a password among the API server's flags"),
            planted.mark("a client secret among the API server's flags"),
            planted.mark("userinfo among the API server's flags"),
        ),
    );
    let said = doctor(&planted, "configuration", &["--kubeconfig", &config, "--apiserver-config", &flags], &[]);
    assert!(said.contains("oidc-issuer-url"), "{said}");
    in_every_form(&planted, "against", &["decode", &token, "--against", &flags], &[]);
}

/// A text with secrets of other people in it, and lines that say something on their own.
fn pasted(planted: &mut Planted) -> String {
    let jwt = planted.as_is("a JWT in a text", jwt(&claims(), "canary-text-plumage"));
    let presigned =
        planted.as_is("a presigned token in a text", presigned("canary-sig-plumage", "canary-session-plumage"));
    [
        format!("E1125 10:00:00.000000 1 authentication.go:75] \"Unable to authenticate the request\" err=\"[invalid bearer token, oidc: authenticator not initialized]\" token={jwt}"),
        format!("Authorization: Bearer {}", planted.mark("a bearer token in a text")),
        format!("authorization: Basic {}", STANDARD.encode(format!("alice:{}", planted.mark("basic authentication in a text")))),
        format!("aws_secret_access_key = {}", planted.mark("an AWS key in a text")),
        format!("AWS_SESSION_TOKEN={}", planted.mark("an AWS session token in a text")),
        format!("\"SecretAccessKey\": \"{}\",", planted.mark("an AWS key in JSON in a text")),
        presigned,
        format!("GET https://sts.amazonaws.com/?X-Amz-Signature={}&X-Amz-Security-Token={}", planted.mark("a presigned signature in a text"), planted.mark("a presigned session token in a text")),
        format!("proxy http://u:{}@proxy.example:3128 refused", planted.mark("a proxy's password in a text")),
        format!("client_secret={}&grant_type=refresh_token&refresh_token={}", planted.mark("a client secret in a text"), planted.mark("a refresh token in a text")),
        format!("kubelogin --oidc-client-secret {} get-token", planted.mark("a client secret behind a flag in a text")),
        format!("Set-Cookie: session={}; Path=/", planted.mark("a cookie in a text")),
        pem(&planted.mark("a private key in a text")),
        "error: You must be logged in to the server (Unauthorized)".to_owned(),
    ]
    .join("\n")
}

/// Whatever stands before the API server, or is taken for it, may send back what it was sent, in any place.
#[test]
fn what_a_server_sends_back_stays_inside() {
    let mut planted = Planted::default();
    let ours = authority("kubernetes");
    let pair = signed(&ours, &server_params("kube-apiserver", &["127.0.0.1", "localhost"]));
    let token = planted.mark("a token that a server sends back");
    let signed_part = planted.mark("the signature of a JWT that a server sends back");
    let whole = planted.as_is("a JWT that a server sends back", jwt(&claims(), &signed_part));
    let cookie = planted.mark("a cookie that a server sets");
    let foreign = planted.mark("a foreign bearer token in a server's answer");
    let other = pem(&planted.mark("a private key in a server's answer"));
    let seen = Arc::new(AtomicUsize::new(0));
    for style in ["json", "html", "headers", "redirect", "encoded"] {
        let (cookie, foreign, other, seen) = (cookie.clone(), foreign.clone(), other.clone(), seen.clone());
        let answers = Arc::new(move |asked: &crate::support::front::Asked| {
            let sent = field(&asked.head, "authorization").unwrap_or("none").to_owned();
            seen.fetch_add(usize::from(sent.contains("Bearer")), Ordering::SeqCst);
            let bare = sent.trim_start_matches("Bearer ").to_owned();
            let set = format!("Set-Cookie: session={cookie}\r\n");
            match style {
                "json" => answer(
                    "401 Unauthorized",
                    &format!("Content-Type: application/json\r\n{set}"),
                    &json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 401, "reason": "Unauthorized",
                        "message": format!("no user for {bare} ({sent}); try Authorization: Bearer {foreign}") }).to_string(),
                ),
                "html" => answer(
                    "403 Forbidden",
                    &format!("Content-Type: text/html\r\n{set}"),
                    &format!("<html><pre>{}</pre><p>{bare}</p><!-- {other} token={foreign} --></html>", asked.head),
                ),
                "headers" => answer(
                    "401 Unauthorized",
                    &format!("Server: front/{bare}\r\nWWW-Authenticate: Bearer error=\"{bare}\"\r\nContent-Type: text/plain; x={bare}\r\n{set}"),
                    "Unauthorized",
                ),
                "redirect" => answer(
                    "302 Found",
                    &format!("Location: https://u:{foreign}@127.0.0.1:1/login?token={bare}&access_token={foreign}\r\n{set}"),
                    "",
                ),
                _ => answer(
                    "500 Internal Server Error",
                    "Content-Type: text/plain\r\n",
                    &format!("{} {} {}", STANDARD.encode(&bare), URL_SAFE_NO_PAD.encode(format!("u:{bare}")), url::form_urlencoded::byte_serialize(bare.as_bytes()).collect::<String>()),
                ),
            }
        });
        let front = Front::start(&pair, &[&rustls::version::TLS13], &Clients::Unasked, answers);
        let cluster = json!({ "server": front.url(), "certificate-authority-data": STANDARD.encode(ours.pem()) });
        let config = kubeconfig(cluster, &[("opaque", json!({ "token": token })), ("jwt", json!({ "token": whole }))]);
        for context in ["opaque", "jwt"] {
            doctor(&planted, style, &["--kubeconfig", &config, "--context", context], &[]);
            for arguments in [
                &["can-i", "list", "pods", "--why"][..],
                &["can-i", "--list"],
                &["can-i", "list", "widgets"],
                &["whoami"],
                &["who-can", "get", "pods"],
                &["workload", "api", "-n", "shop", "--no-aws"],
                &["decode", "--verify"],
                &["allowlist", "--no-aws"],
            ] {
                let mut all = arguments.to_vec();
                all.extend(["--kubeconfig", &config, "--context", context]);
                planted.absent(&run(&all, &[], None).all(), &format!("{style}: {}", arguments[0]));
            }
        }
    }
    assert!(seen.load(Ordering::SeqCst) > 20, "the servers were sent the token");
}

/// An echo that is broken by what nobody sees is an echo all the same: neither it nor its halves get out.
#[test]
fn what_is_sent_back_in_pieces_stays_inside() {
    let mut planted = Planted::default();
    let ours = authority("kubernetes");
    let pair = signed(&ours, &server_params("kube-apiserver", &["127.0.0.1", "localhost"]));
    let token = "plumage-of-the-canary-in-two-halves";
    planted.as_is("a token", token);
    planted.as_is("the first half of a token", "plumage-of-the");
    planted.as_is("the second half of a token", "in-two-halves");
    for (name, between) in [
        ("a bell", "\u{7}"),
        ("a colour", "\u{1b}[0m"),
        ("an override", "\u{202e}"),
        ("a soft hyphen", "\u{ad}"),
        ("no width", "\u{200b}"),
        ("a tag", "\u{e0041}"),
        ("a line feed", "\n"),
    ] {
        let echo = token.replace("-canary-", &format!("-can{between}ary-"));
        let (status, plain) = (echo.clone(), echo);
        let answers = Arc::new(move |asked: &crate::support::front::Asked| {
            if asked.head.contains("/version") {
                return answer(
                    "500 Internal Server Error",
                    "Content-Type: text/plain\r\n",
                    &format!("no {plain} here"),
                );
            }
            let body = json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 401, "reason": "Unauthorized",
                "message": format!("bad token {status} here") });
            answer("401 Unauthorized", "Content-Type: application/json\r\n", &body.to_string())
        });
        let front = Front::start(&pair, &[&rustls::version::TLS13], &Clients::Unasked, answers);
        let cluster = json!({ "server": front.url(), "certificate-authority-data": STANDARD.encode(ours.pem()) });
        let config = kubeconfig(cluster, &[("opaque", json!({ "token": token }))]);
        let said = doctor(&planted, name, &["--kubeconfig", &config], &[]);
        assert!(said.contains("[redacted]"), "{name}: {said}");
    }
}

/// An address is no place for a secret, and holds one now and then.
#[test]
fn what_stands_in_an_address_stays_inside() {
    let mut planted = Planted::default();
    let server = format!(
        "https://127.0.0.1:1/?token={}&k={}#{}",
        planted.mark("a token in the server's address"),
        planted.mark("something in the server's address"),
        planted.mark("the fragment of the server's address")
    );
    let config = kubeconfig(json!({ "server": server }), &[("a", json!({ "token": "opaque-token-of-a-test" }))]);
    let issuer = format!("https://bob:{}@localhost:1/realms/x", planted.mark("a password in --issuer"));
    let said = doctor(&planted, "address", &["--kubeconfig", &config, "--issuer", &issuer], &[]);
    assert!(said.contains("https://localhost:1/realms/x"), "{said}");
    let proxy = format!("http://bob:hun/{}@127.0.0.1:1", planted.mark("a password with a slash in proxy-url"));
    let cluster = json!({ "server": "https://127.0.0.1:1", "proxy-url": proxy });
    let config = kubeconfig(cluster, &[("a", json!({ "token": "opaque-token-of-a-test" }))]);
    let said = doctor(&planted, "proxy", &["--kubeconfig", &config], &[]);
    assert!(said.contains("kubeconfig-unparsable"), "{said}");
}

/// An issuer may publish what it should not, and a page may show anything.
#[test]
fn what_an_issuer_publishes_stays_inside() {
    let mut planted = Planted::default();
    let ours = authority("issuer ca");
    let pair = signed(&ours, &server_params("localhost", &["localhost"]));
    let (private, prime, symmetric) = (
        planted.mark("the private part of a key in a key set"),
        planted.mark("a prime of a key in a key set"),
        planted.mark("a symmetric key in a key set"),
    );
    let (page, redirect) =
        (planted.mark("a password in an issuer's document"), planted.mark("a token in an issuer's redirect"));
    let answers = Arc::new(move |asked: &crate::support::front::Asked| {
        let host = field(&asked.head, "host").unwrap_or_default().to_owned();
        let path = asked.head.split_whitespace().nth(1).unwrap_or_default().to_owned();
        let json_type = "Content-Type: application/json\r\n";
        match path.as_str() {
            "/staff/.well-known/openid-configuration" => answer(
                "302 Found",
                &format!("Location: https://{host}/staff/discovery?access_token={redirect}\r\n"),
                "",
            ),
            "/staff/keys" => answer("200 OK", json_type, &json!({ "keys": [
                { "kty": "RSA", "kid": "k", "n": "05wgGZxeUHe78AZ8057MP3bvB9prJA9zlqNxhPr802gsqcicyVxk2Ho7MB8Up5qLjvrVJKzZ0FmQ", "e": "AQAB",
                  "d": URL_SAFE_NO_PAD.encode(&private), "p": URL_SAFE_NO_PAD.encode(&prime), "q": URL_SAFE_NO_PAD.encode(&prime) },
                { "kty": "oct", "kid": "s", "k": URL_SAFE_NO_PAD.encode(&symmetric) },
            ] }).to_string()),
            path if path.starts_with("/staff/discovery") => answer("200 OK", json_type, &json!({
                "issuer": format!("https://{host}/staff"), "jwks_uri": format!("https://{host}/staff/keys"),
                "client_secret": page, "registration": format!("https://u:{page}@{host}/register"),
            }).to_string()),
            _ => answer("404 Not Found", "Content-Type: text/html\r\n", &format!("<html>password={page}</html>")),
        }
    });
    let front = Front::start(&pair, &[&rustls::version::TLS13], &Clients::Unasked, answers);
    let issuer = format!("https://localhost:{}/staff", front.port);
    let token = planted.as_is(
        "the token",
        jwt(&json!({ "iss": issuer, "sub": "alice", "aud": "kubernetes", "exp": 1 }), "canary-issuer-plumage"),
    );
    let ca = file("ca.crt", &ours.pem());
    let config = kubeconfig(json!({ "server": "https://127.0.0.1:1" }), &[("u", json!({ "token": token }))]);
    let said = doctor(&planted, "issuer", &["--kubeconfig", &config, "--oidc-ca-file", &ca], &[]);
    assert!(said.contains("\"jwksUri\""), "the issuer was read: {said}");
    let asked = front.requests.lock().expect("lock").clone();
    assert!(asked.iter().any(|line| line.contains("/staff/keys")), "the key set was read: {asked:?}");
    let elsewhere = format!("https://localhost:{}/other", front.port);
    doctor(&planted, "page", &["--kubeconfig", &config, "--issuer", &elsewhere, "--oidc-ca-file", &ca], &[]);
    let environment = [("SSL_CERT_FILE".to_owned(), ca)];
    in_every_form(&planted, "verify", &["decode", "--verify", &token], &environment);
    in_every_form(&planted, "allowlist", &["allowlist", "--no-aws", "--issuer", &issuer], &environment);
}

/// Everything that decode takes.
#[test]
fn what_is_decoded_shows_no_secret() {
    let mut planted = Planted::default();
    let signature = planted.mark("a signature to decode");
    let token = planted.as_is("a JWT to decode", jwt(&claims(), &signature));
    let refresh = jwt(
        &json!({ "iss": "https://localhost:1/realms/platform", "typ": "Refresh", "sub": "alice" }),
        &planted.mark("the signature of a refresh token"),
    );
    let (sig, session) = (planted.mark("a presigned signature to decode"), planted.mark("a session token to decode"));
    let bootstrap = planted.as_is("the secret of a bootstrap token", "0123456789abcdef");
    let key = pem(&planted.mark("a private key to decode"));
    let ours = authority("canary ca");
    let pair = signed(&ours, &server_params("alice", &["localhost"]));
    let own_key = planted.as_is("the key beside a certificate", pair.key.lines().nth(1).expect("a line").to_owned());
    assert!(own_key.len() > 40);
    let config = kubeconfig(
        json!({ "server": "https://127.0.0.1:1" }),
        &[(
            "u",
            json!({ "token": planted.mark("the token of a kubeconfig to decode"), "client-key-data": STANDARD.encode(&key) }),
        )],
    );
    let inputs = [
        ("jwt", token.clone()),
        ("refresh", refresh),
        ("presigned", presigned(&sig, &session)),
        ("bootstrap", format!("abcdef.{bootstrap}")),
        ("jwe", ["eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ".to_owned(), STANDARD.encode(planted.mark("the key of a JWE")), "aaaa".to_owned(), URL_SAFE_NO_PAD.encode(planted.mark("the content of a JWE")), "bbbb".to_owned()].join(".")),
        ("opaque", planted.mark("an opaque token to decode")),
        ("cut", token[..token.len() - 9].to_owned()),
        ("key", key.clone()),
        ("pair", format!("{}{}", pair.certificate, pair.key)),
        ("exec", json!({ "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {
            "token": planted.mark("the token of an ExecCredential"), "clientKeyData": pem(&planted.mark("the key of an ExecCredential")), "clientCertificateData": pair.certificate } }).to_string()),
        ("secret", json!({ "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token", "metadata": { "name": "s", "namespace": "shop" },
            "data": { "token": STANDARD.encode(&token), "password": STANDARD.encode(planted.mark("another key of a Secret")), "tls.key": STANDARD.encode(&key) } }).to_string()),
        ("opaque-secret", json!({ "apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": { "name": "s" }, "stringData": { "password": planted.mark("stringData of a Secret") } }).to_string()),
        ("pull-secret", json!({ "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/dockerconfigjson", "metadata": { "name": "s" },
            "data": { ".dockerconfigjson": STANDARD.encode(json!({ "auths": { "r.example": { "auth": STANDARD.encode(format!("u:{}", planted.mark("a registry's password"))) } } }).to_string()) } }).to_string()),
        ("kubeconfig", fs::read_to_string(&config).expect("a kubeconfig")),
    ];
    for (name, input) in &inputs {
        let at = format!("@{}", file(name, input));
        in_every_form(&planted, name, &["decode", &at], &[]);
        let ran = run(&["decode", "-o", "json", "-"], &[], Some(input));
        planted.absent(&ran.all(), &format!("{name} from stdin"));
        // A text that is pasted into the wrong command.
        planted.absent(&run(&["explain", &at], &[], None).all(), &format!("{name} explained"));
    }
    let shown = run(&["decode", "-o", "json", &token], &[], None).output;
    assert!(shown.contains("alice"), "{shown}");
    // A whole request, with several credentials.
    let request = file(
        "request.json",
        &json!({ "path": "/api", "headers": [["Authorization", format!("Bearer {token}")], ["Authorization", format!("Basic {}", STANDARD.encode(format!("u:{}", planted.mark("basic authentication in a request"))))], ["Cookie", format!("session={}", planted.mark("a cookie in a request"))]] }).to_string(),
    );
    let flags = file(
        "flags.txt",
        "kube-apiserver --oidc-issuer-url=https://localhost:1/realms/platform --oidc-client-id=kubernetes",
    );
    in_every_form(&planted, "request", &["decode", "--request", &request, "--against", &flags], &[]);
}

/// What AWS answers, and what it is asked with.
#[test]
fn what_aws_says_stays_inside() {
    let mut planted = Planted::default();
    for (kind, text) in [
        ("AWS' secret key", "canarySecretAccessKey0000000000000000000"),
        ("AWS' session token", "canarySessionToken00000000000000"),
    ] {
        planted.as_is(kind, text);
    }
    let aws = Aws::start();
    let secret = planted.mark("a client secret in an update of EKS");
    aws.set("eks:ListUpdates", Answer::Good(json!({ "updateIds": ["u-1"] })));
    aws.set("eks:DescribeUpdate", Answer::Good(json!({ "update": { "id": "u-1", "type": "AssociateIdentityProviderConfig", "status": "Failed", "createdAt": 1_790_000_000,
        "params": [{ "type": "IdentityProviderConfig", "value": format!("[{{\"clientSecret\":\"{secret}\"}}]") }],
        "errors": [{ "errorCode": "Unknown", "errorMessage": format!("Authorization: Bearer {}", planted.mark("a bearer token in an error of EKS")), "resourceIds": [] }] } })));
    let line = format!(
        "E1125 10:00:00.000000 1 authentication.go:75] \"Unable to authenticate the request\" err=\"[invalid bearer token, oidc: authenticator not initialized]\" password={}",
        planted.mark("a password in the control plane's log")
    );
    aws.set("logs:FilterLogEvents", Answer::Good(json!({ "events": [{ "logStreamName": "kube-apiserver-1", "timestamp": 1_790_000_000_000_i64, "message": line }] })));
    aws.set("iam:GetRole", Answer::Bad(403, "AccessDenied", "not authorized: token=canary-denied-plumage"));
    planted.as_is("a token in a refusal of AWS", "canary-denied-plumage");
    let config = kubeconfig(
        json!({ "server": "https://127.0.0.1:1" }),
        &[("u", json!({ "token": planted.mark("the token beside AWS") }))],
    );
    let arguments = [
        "--kubeconfig",
        &config,
        "--eks-cluster",
        "prod",
        "--region",
        "eu-west-1",
        "--issuer",
        "https://localhost:1/realms/x",
    ];
    let said = doctor(&planted, "aws", &arguments, &aws.variables());
    assert!(said.contains("AssociateIdentityProviderConfig"), "AWS was asked: {said}");
    let mut all = vec!["allowlist"];
    all.extend(arguments);
    in_every_form(&planted, "allowlist", &all, &aws.variables());
    let called = aws.calls().len();
    assert!(called > 30, "{called} calls");
}

/// The number that docs/SECURITY.md names. The scenes run beside each other, and any of them alone, so the kinds are
/// counted where they are written: by their names, however the calls are laid out.
#[test]
fn the_scenes_plant_more_than_ninety_kinds() {
    let named = regex::Regex::new(r#"planted\s*\.(?:mark|as_is)\(\s*"([^"]+)""#).expect("a pattern");
    let kinds: BTreeSet<&str> =
        named.captures_iter(include_str!("secrets.rs")).filter_map(|call| Some(call.get(1)?.as_str())).collect();
    assert!(kinds.len() > 90, "{} kinds", kinds.len());
    // A marker that stands in a text is found in whatever form it came.
    let mut planted = Planted::default();
    let mark = planted.mark("a probe of this test");
    let leaks = [
        mark.clone(),
        STANDARD.encode(format!("Authorization: {mark}")),
        STANDARD.encode(format!("a:{mark}")),
        URL_SAFE_NO_PAD.encode(format!("ab:{mark}!")),
        mark.bytes().map(|byte| format!("%{byte:02X}")).collect(),
    ];
    for leak in leaks {
        let found = std::panic::catch_unwind(|| planted.absent(&format!("x {leak} y"), "here"));
        assert!(found.is_err(), "not found: {leak}");
    }
    planted.absent("x y", "here");
}

#[test]
fn no_secret_gets_out_in_the_lab() {
    let Some(lab) = lab::require_apiserver() else { return };
    let server = lab::ApiServer::start(lab, lab::Options::default());
    let token = server.create_service_account_token("shop", "reporter");
    let mut planted = Planted::default();
    planted.as_is("a service account's token", &token);
    planted.as_is("its signature", token.rsplit('.').next().expect("a signature"));
    let key = fs::read_to_string(&lab.pki.admin.key).expect("a key");
    planted.as_is("the administrator's key", key.lines().nth(1).expect("a line of the key"));
    let content = planted.mark("the content of a Secret in the cluster");
    server.create(
        "/api/v1/namespaces/shop/secrets",
        &json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "s" }, "stringData": { "password": content } }),
    );
    let config = server
        .kubeconfig("canary", &[("reporter", json!({ "token": token })), ("admin", server.admin_user())])
        .to_string_lossy()
        .into_owned();
    let said = doctor(&planted, "lab", &["--kubeconfig", &config, "--reviewer-context", "admin"], &[]);
    assert!(said.contains("system:serviceaccount:shop:reporter"), "{said}");
    for context in ["reporter", "admin"] {
        for arguments in [
            &["can-i", "--list", "-n", "shop"][..],
            &["can-i", "get", "secrets/s", "-n", "shop", "--why"],
            &["can-i", "list", "widgets"],
            &["who-can", "get", "secrets", "-n", "shop"],
            &["whoami"],
            &["decode"],
            &["doctor", "--all-contexts"],
        ] {
            let mut all = arguments.to_vec();
            all.extend(["--kubeconfig", &config]);
            if arguments[0] != "doctor" {
                all.extend(["--context", context]);
            }
            in_every_form(&planted, context, &all, &[]);
        }
    }
}

/// A file of evidence is as private as its folder: no draft stays beside it, not even where it cannot be written.
#[test]
fn nothing_is_left_beside_saved_evidence() {
    let folder = scratch("beside");
    let target: PathBuf = folder.join("evidence.json");
    let path = target.to_string_lossy().into_owned();
    run(&["doctor", "--demo"], &[], None);
    let ran = run(&["doctor", "--offline", "--server", "https://127.0.0.1:1", "--save", &path], &[], None);
    assert!(ran.left.lines().all(|line| !line.contains("evidence")), "{}", ran.left);
    let names: Vec<_> = fs::read_dir(&folder).expect("the folder").flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(names, ["evidence.json"]);
    // The place is taken by a folder.
    let taken = folder.join("taken");
    fs::create_dir(&taken).expect("a folder");
    let path = taken.to_string_lossy().into_owned();
    let ran = run(&["doctor", "--offline", "--server", "https://127.0.0.1:1", "--save", &path], &[], None);
    assert!(ran.output.contains("--save"), "{}", ran.output);
    let names: Vec<_> = fs::read_dir(&folder).expect("the folder").flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
}

/// What came to a server: whole requests.
fn recording(status: &'static str) -> (crate::support::front::Answers, Arc<std::sync::Mutex<Vec<String>>>) {
    let came: Arc<std::sync::Mutex<Vec<String>>> = Arc::default();
    let kept = came.clone();
    let answers = Arc::new(move |asked: &crate::support::front::Asked| {
        kept.lock().expect("lock").push(format!("{}{}", asked.head, String::from_utf8_lossy(&asked.body)));
        let body = json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "no", "reason": "Unauthorized", "code": 401 });
        answer(status, "Content-Type: application/json\r\n", &body.to_string())
    });
    (answers, came)
}

/// A server whose certificate the kubeconfig does not trust gets requests, and no credential; nor does one without TLS.
#[test]
fn a_credential_goes_to_nobody_who_is_not_trusted() {
    let mut planted = Planted::default();
    let token = planted.mark("a token for somebody else");
    let (ours, theirs) = (authority("kubernetes"), authority("somebody"));
    let pair = |ca| signed(ca, &server_params("kube-apiserver", &["127.0.0.1"]));
    for (trusted, ca) in [(true, &ours), (false, &theirs)] {
        let (answers, came) = recording("401 Unauthorized");
        let front = Front::start(&pair(ca), &[&rustls::version::TLS13], &Clients::Unasked, answers);
        let cluster = json!({ "server": front.url(), "certificate-authority-data": STANDARD.encode(ours.pem()) });
        let config = kubeconfig(cluster, &[("u", json!({ "token": token }))]);
        for arguments in [&["doctor"][..], &["can-i", "list", "pods"], &["whoami"], &["who-can", "get", "pods"]] {
            let mut all = arguments.to_vec();
            all.extend(["--kubeconfig", &config]);
            run(&all, &[], None);
        }
        let came = came.lock().expect("lock").join("\n");
        assert_eq!(came.contains(&token), trusted, "{came}");
    }
}

/// A reviewer of another cluster is not asked about this one's token.
#[test]
fn a_token_is_shown_to_no_other_cluster() {
    let mut planted = Planted::default();
    let token = planted.as_is("a token for one cluster", jwt(&claims(), "canary-cluster-plumage"));
    let reviewer = planted.mark("the reviewer's own token");
    let (ours, others) = (authority("kubernetes"), authority("another kubernetes"));
    let pair = |ca| signed(ca, &server_params("kube-apiserver", &["127.0.0.1"]));
    let (answers, own) = recording("401 Unauthorized");
    let here = Front::start(&pair(&ours), &[&rustls::version::TLS13], &Clients::Unasked, answers);
    let (answers, came) = recording("404 Not Found");
    let there = Front::start(&pair(&others), &[&rustls::version::TLS13], &Clients::Unasked, answers);
    let cluster = |front: &Front, ca: &crate::support::front::Authority| json!({ "server": front.url(), "certificate-authority-data": STANDARD.encode(ca.pem()) });
    let config = file("config", &json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "a",
        "clusters": [{ "name": "a", "cluster": cluster(&here, &ours) }, { "name": "b", "cluster": cluster(&there, &others) }],
        "contexts": [{ "name": "a", "context": { "cluster": "a", "user": "a" } }, { "name": "b", "context": { "cluster": "b", "user": "b" } }],
        "users": [{ "name": "a", "user": { "token": token } }, { "name": "b", "user": { "token": reviewer } }],
    }).to_string());
    let said = doctor(&planted, "reviewer", &["--kubeconfig", &config, "--reviewer-context", "b"], &[]);
    assert!(
        own.lock().expect("lock").iter().any(|request| request.contains(&token)),
        "the own cluster was asked: {said}"
    );
    let came = came.lock().expect("lock").join("\n");
    assert!(!came.contains(&token) && !came.contains("tokenreviews"), "{came}");
}

/// The judge of the audit logs knows a write when it sees one.
#[test]
fn a_write_would_be_noticed() {
    let event = |verb: &str, resource: &str, name: &str, uri: &str| json!({ "verb": verb, "requestURI": uri, "objectRef": { "resource": resource, "name": name } });
    for (verb, resource, name, fine) in [
        ("get", "pods", "web", true),
        ("list", "clusterroles", "", true),
        ("watch", "pods", "", true),
        ("create", "selfsubjectaccessreviews", "", true),
        ("create", "tokenreviews", "", true),
        ("create", "pods", "", false),
        ("create", "serviceaccounts", "default", false),
        ("update", "configmaps", "x", false),
        ("patch", "clusterroles", "x", false),
        ("delete", "pods", "x", false),
        ("deletecollection", "pods", "", false),
        ("list", "secrets", "", false),
        ("watch", "secrets", "", false),
        ("get", "secrets", "s", false),
    ] {
        assert_eq!(lab::apiserver::is_reading(&event(verb, resource, name, ""), false), fine, "{verb} {resource}");
    }
    let bare = event("get", "secrets", "s", "/api/v1/namespaces/n/secrets/s?includeObject=None");
    assert!(lab::apiserver::is_reading(&bare, true) && !lab::apiserver::is_reading(&bare, false));
    assert!(!lab::apiserver::is_reading(&event("get", "secrets", "s", "/api/v1/namespaces/n/secrets/s"), true));
    assert!(!lab::apiserver::is_reading(&event("list", "secrets", "", "/api/v1/secrets?includeObject=None"), true));
}
