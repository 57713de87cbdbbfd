//! Odd kubeconfigs, read by kubectl and by kaccess: the same context, cluster, user and namespace, or both refuse.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::lab::{self, Lab};
use crate::support::run::{command, scratch};

/// Files (name and content) in the order of KUBECONFIG; names that begin with `-` are not on the list, those without
/// content are not there.
struct Reading {
    name: &'static str,
    files: Vec<(&'static str, Option<String>)>,
    flags: &'static [&'static str],
}

const ENTRIES: &str = "clusters:\n- name: c\n  cluster: {server: 'https://127.0.0.1:1'}\ncontexts:\n- name: a\n  context: {cluster: c, user: u, namespace: shop}\nusers:\n- name: u\n  user: {token: token-of-a-test}\n";
const HEAD: &str = "apiVersion: v1\nkind: Config\ncurrent-context: a\n";

fn whole() -> String {
    format!("{HEAD}{ENTRIES}")
}

/// One file with this text.
fn one(name: &'static str, text: impl Into<String>) -> Reading {
    Reading { name, files: vec![("config", Some(text.into()))], flags: &[] }
}

/// The usual file with one thing replaced.
fn changed(name: &'static str, from: &str, to: &str) -> Reading {
    let text = whole();
    assert!(text.contains(from), "{name}: {from:?} is not in the usual file");
    one(name, text.replacen(from, to, 1))
}

fn list(name: &'static str, files: &[(&'static str, &str)]) -> Reading {
    let files = files.iter().map(|(file, text)| (*file, Some((*text).to_owned()))).collect();
    Reading { name, files, flags: &[] }
}

fn cluster(name: &str, server: &str) -> String {
    format!("clusters:\n- name: {name}\n  cluster: {{server: '{server}'}}\n")
}

fn user(name: &str, token: &str) -> String {
    format!("users:\n- name: {name}\n  user: {{token: {token}}}\n")
}

fn context(name: &str, cluster: &str, user: &str) -> String {
    format!("contexts:\n- name: {name}\n  context: {{cluster: {cluster}, user: {user}}}\n")
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn readings() -> Vec<Reading> {
    let ca = rcgen::CertificateParams::default()
        .self_signed(&rcgen::KeyPair::generate().expect("a key"))
        .expect("a certificate")
        .pem();
    let json_form = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "a",
        "clusters": [{ "name": "c", "cluster": { "server": "https://127.0.0.1:1" } }],
        "contexts": [{ "name": "a", "context": { "cluster": "c", "user": "u" } }],
        "users": [{ "name": "u", "user": { "token": "token-of-a-test" } }],
    });
    let other =
        |server: &str| format!("{HEAD}{}{}{}", cluster("c", server), context("a", "c", "u"), user("u", "other-token"));
    let part = |texts: &[&str]| format!("apiVersion: v1\nkind: Config\n{}", texts.concat());
    let mut all = vec![
        one("the usual file", whole()),
        // Forms of YAML and JSON.
        one("JSON", json_form.to_string()),
        one("JSON with blanks", serde_json::to_string_pretty(&json_form).expect("JSON")),
        one("JSON with tabs", serde_json::to_string_pretty(&json_form).expect("JSON").replace("  ", "\t")),
        one("JSON with a comma too many", json_form.to_string().replace("}]}", "}],}")),
        one("CRLF", whole().replace('\n', "\r\n")),
        one("CR alone", whole().replace('\n', "\r")),
        one("byte order mark", format!("\u{feff}{}", whole())),
        one("no line feed at the end", whole().trim_end().to_owned()),
        one("blank lines and comments", format!("# a\n\n\n{}\n# b\n\n", whole().replace('\n', "\n\n"))),
        one("document marker", format!("---\n{}", whole())),
        one("document markers at both ends", format!("---\n{}...\n", whole())),
        one("YAML directive", format!("%YAML 1.1\n---\n{}", whole())),
        one("two documents", format!("{}---\n{}", whole(), other("https://127.0.0.1:2"))),
        one("two documents, the first one empty", format!("---\n---\n{}", whole())),
        one("two documents, the second one broken", format!("{}---\n{{[\n", whole())),
        one("tab before a key", whole().replace("  cluster:", "\tcluster:")),
        one("tab after a colon", whole().replace("kind: Config", "kind:\tConfig")),
        one("tab at the end of a line", whole().replace("kind: Config", "kind: Config\t")),
        one("blanks at the ends of lines", whole().replace('\n', "  \n")),
        one("indented lists", whole().replace("\n- ", "\n  - ").replace("\n  cluster: {s", "\n    cluster: {s").replace("\n  context", "\n    context").replace("\n  user:", "\n    user:")),
        one("all in one flow", "{apiVersion: v1, kind: Config, current-context: a, clusters: [{name: c, cluster: {server: 'https://127.0.0.1:1'}}], contexts: [{name: a, context: {cluster: c, user: u}}], users: [{name: u, user: {token: t}}]}"),
        one("anchors and aliases", "apiVersion: v1\nkind: Config\ncurrent-context: a\nclusters:\n- name: &c c\n  cluster: &where {server: 'https://127.0.0.1:1'}\n- name: d\n  cluster: *where\ncontexts:\n- name: a\n  context: {cluster: d, user: &u u}\nusers:\n- name: *u\n  user: {token: t}\n"),
        one("merge keys", "apiVersion: v1\nkind: Config\ncurrent-context: a\nclusters:\n- name: c\n  cluster: &base {server: 'https://127.0.0.1:1', tls-server-name: x.example}\n- name: d\n  cluster:\n    <<: *base\n    server: https://127.0.0.1:2\ncontexts:\n- name: a\n  context: {cluster: d, user: u}\nusers:\n- name: u\n  user: {token: t}\n"),
        one("alias without an anchor", whole().replace("user: u", "user: *nobody")),
        one("folded text", whole().replace("server: 'https://127.0.0.1:1'", "server: \"https://127.0.0.1\\\n    :1\"")),
        one("block text with a line feed at its end", format!("{HEAD}clusters:\n- name: c\n  cluster:\n    server: |\n      https://127.0.0.1:1\n{}{}", context("a", "c", "u"), user("u", "t"))),
        one("block text without it", format!("{HEAD}clusters:\n- name: c\n  cluster:\n    server: >-\n      https://127.0.0.1:1\n{}{}", context("a", "c", "u"), user("u", "t"))),
        one("explicit tags", whole().replace("name: a", "name: !!str a")),
        one("question mark keys", whole().replace("kind: Config", "? kind\n: Config")),
        one("key twice", whole().replace("kind: Config", "kind: Config\nkind: Config")),
        one("current-context twice", whole().replace("current-context: a", "current-context: b\ncurrent-context: a")),
        one("server twice", whole().replace("{server: 'https://127.0.0.1:1'}", "{server: 'https://127.0.0.1:2', server: 'https://127.0.0.1:1'}")),
        one("empty", ""),
        one("only a comment", "# nothing\n"),
        one("only null", "null\n"),
        one("a list", "- a\n- b\n"),
        one("a word", "hello\n"),
        one("a number", "5\n"),
        one("NUL bytes", "\u{0}\u{0}"),
        one("unclosed", "apiVersion: v1\nclusters: [\n"),
        // Head.
        changed("no apiVersion", "apiVersion: v1\n", ""),
        changed("no kind", "kind: Config\n", ""),
        changed("another kind", "kind: Config", "kind: Pod"),
        changed("another version", "apiVersion: v1", "apiVersion: v2"),
        changed("kind in small letters", "kind: Config", "kind: config"),
        changed("no current-context", "current-context: a\n", ""),
        changed("null current-context", "current-context: a", "current-context: null"),
        changed("empty current-context", "current-context: a", "current-context: ''"),
        changed("numeric current-context", "current-context: a", "current-context: 5"),
        changed("true as current-context", "current-context: a", "current-context: true"),
        changed("current-context of nobody", "current-context: a", "current-context: zz"),
        changed("current-context in another case", "current-context", "Current-Context"),
        changed("preferences", "kind: Config", "kind: Config\npreferences: {colors: true}"),
        changed("null preferences", "kind: Config", "kind: Config\npreferences: null"),
        changed("extensions", "kind: Config", "kind: Config\nextensions:\n- name: x\n  extension: {apiVersion: x/v1, a: [1, 2]}"),
        changed("extensions of a cluster", "{server: 'https://127.0.0.1:1'}", "{server: 'https://127.0.0.1:1', extensions: [{name: minikube.sigs.k8s.io, extension: {provider: minikube}}]}"),
        changed("unknown fields", "kind: Config", "kind: Config\nwhatever: {a: 1}\nlist: [1, 2]"),
        changed("unknown fields in entries", "{token: token-of-a-test}", "{token: token-of-a-test, colour: red, nested: {a: [b]}}"),
        // Names.
        one("numeric names", whole().replace("name: c", "name: 1").replace("cluster: c,", "cluster: 1,")),
        one("numeric names in quotes", whole().replace("name: c", "name: '1'").replace("cluster: c,", "cluster: '1',")),
        one("yes as a name", whole().replace("name: a", "name: yes").replace("current-context: a", "current-context: yes")),
        one("null as a name", whole().replace("name: u", "name: null").replace("user: u,", "user: null,")),
        one("a date as a name", whole().replace("name: u", "name: 2026-01-01").replace("user: u,", "user: 2026-01-01,")),
        one("an octal name in quotes", whole().replace("name: u", "name: \"0123\"").replace("user: u,", "user: \"0123\",")),
        one("names with blanks and colons", whole().replace("name: a", "name: 'my: context @ home'").replace("current-context: a", "current-context: 'my: context @ home'")),
        one("an ARN as a name", whole().replace("name: a", "name: arn:aws:eks:eu-central-1:111122223333:cluster/prod").replace("current-context: a", "current-context: arn:aws:eks:eu-central-1:111122223333:cluster/prod")),
        one("letters of other alphabets", whole().replace("name: a", "name: прод").replace("current-context: a", "current-context: прод")),
        one("escapes in names", whole().replace("name: a", "name: \"a\\u00e9\\tb\"").replace("current-context: a", "current-context: \"a\\u00e9\\tb\"")),
        one("no name", whole().replace("- name: u\n  user", "- user")),
        one("empty name", whole().replace("name: u", "name: ''").replace("user: u,", "user: '',")),
        // Entries.
        one("null lists", format!("{HEAD}clusters: null\ncontexts: null\nusers: null\n")),
        one("empty lists", format!("{HEAD}clusters: []\ncontexts: []\nusers: []\n")),
        one("no lists", HEAD),
        one("a map for a list", whole().replace("clusters:\n- name: c\n  cluster: {server", "clusters:\n  c: {server")),
        one("null among the entries", whole().replace("users:\n", "users:\n- null\n")),
        one("an empty entry among them", whole().replace("users:\n", "users:\n- {}\n")),
        one("a word among the entries", whole().replace("users:\n", "users:\n- word\n")),
        one("null cluster", whole().replace("cluster: {server: 'https://127.0.0.1:1'}", "cluster: null")),
        one("null context", whole().replace("context: {cluster: c, user: u, namespace: shop}", "context: null")),
        one("null user", whole().replace("user: {token: token-of-a-test}", "user: null")),
        one("null namespace", whole().replace("namespace: shop", "namespace: null")),
        one("numeric namespace", whole().replace("namespace: shop", "namespace: 5")),
        one("numeric token", whole().replace("token: token-of-a-test", "token: 12345")),
        one("no server", whole().replace("{server: 'https://127.0.0.1:1'}", "{}")),
        one("numeric server", whole().replace("'https://127.0.0.1:1'", "5")),
        one("true in quotes", whole().replace("{server: 'https://127.0.0.1:1'}", "{server: 'https://127.0.0.1:1', insecure-skip-tls-verify: 'true'}")),
        one("yes for true", whole().replace("{server: 'https://127.0.0.1:1'}", "{server: 'https://127.0.0.1:1', insecure-skip-tls-verify: yes}")),
        one("on for true", whole().replace("{server: 'https://127.0.0.1:1'}", "{server: 'https://127.0.0.1:1', insecure-skip-tls-verify: on}")),
        one("two clusters of one name", whole().replace("contexts:", "- name: c\n  cluster: {server: 'https://127.0.0.1:2'}\ncontexts:")),
        one("two contexts of one name", whole().replace("users:", "- name: a\n  context: {cluster: c, user: v}\nusers:")),
        one("two users of one name", format!("{}- name: u\n  user: {{username: a, password: b}}\n", whole())),
        one("user lists twice", format!("{}{}", whole(), user("v", "t"))),
        one("context without a user", whole().replace(", user: u", "")),
        one("basic", whole().replace("{token: token-of-a-test}", "{username: a, password: password-of-a-test}")),
        one("impersonation", whole().replace("{token: token-of-a-test}", "{token: t, as: jane, as-groups: [a, b]}")),
        one("exec", whole().replace("{token: token-of-a-test}", "{exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: aws, args: [eks, get-token], env: null}}")),
        one("exec without arguments", whole().replace("{token: token-of-a-test}", "{exec: {apiVersion: client.authentication.k8s.io/v1, command: ./plugin, args: null, interactiveMode: Never}}")),
        one("proxy-url", whole().replace("{server: 'https://127.0.0.1:1'}", "{server: 'https://127.0.0.1:1', proxy-url: 'socks5://127.0.0.1:2'}")),
        one("a server with a path and a slash", whole().replace("https://127.0.0.1:1", "https://127.0.0.1:1/k8s/clusters/c-abc/")),
        one("a server in capitals", whole().replace("https://127.0.0.1:1", "HTTPS://LOCALHOST:1")),
        one("a server without scheme", whole().replace("https://127.0.0.1:1", "127.0.0.1:1")),
        // Lists of files.
        list("first wins", &[("one", &whole()), ("two", &other("https://127.0.0.1:2"))]),
        list("first wins, turned round", &[("two", &other("https://127.0.0.1:2")), ("one", &whole())]),
        list("each file has a part", &[
            ("a", &part(&[&cluster("c", "https://127.0.0.1:1")])),
            ("b", &part(&[&user("u", "t")])),
            ("c", &part(&["current-context: a\n", &context("a", "c", "u")])),
        ]),
        list("current-context of a later file", &[("a", &whole().replace("current-context: a\n", "")), ("b", &part(&["current-context: a\n"]))]),
        list("the first current-context wins", &[("a", &part(&["current-context: a\n"])), ("b", &whole().replace("current-context: a", "current-context: zz"))]),
        list("an empty file first", &[("a", ""), ("b", &whole())]),
        list("a broken file second", &[("a", &whole()), ("b", "clusters: [\n")]),
        list("a broken file first", &[("a", "clusters: [\n"), ("b", &whole())]),
        list("the same file twice", &[("a", &whole()), ("a", &whole())]),
        list("another kind second", &[("a", &whole()), ("b", &whole().replace("kind: Config", "kind: Pod"))]),
        list("an empty cluster before a full one", &[
            ("a", &part(&["clusters:\n- name: c\n  cluster: {}\n"])),
            ("b", &whole()),
        ]),
        list("half an entry each", &[
            ("a", &part(&["clusters:\n- name: c\n  cluster: {tls-server-name: x.example}\n", "contexts:\n- name: a\n  context: {user: u}\n"])),
            ("b", &whole()),
        ]),
    ];
    let missing = |name, files: &[(&'static str, Option<&str>)]| Reading {
        name,
        files: files.iter().map(|(file, text)| (*file, text.map(str::to_owned))).collect(),
        flags: &[],
    };
    all.extend([
        missing("a missing file first", &[("gone", None), ("a", Some(&whole()))]),
        missing("a missing file last", &[("a", Some(&whole())), ("gone", None)]),
        missing("only a missing file", &[("gone", None)]),
        missing("an empty name in the list", &[("", None), ("a", Some(&whole()))]),
        Reading {
            name: "relative paths",
            files: vec![
                (
                    "config",
                    Some(
                        whole()
                            .replace(
                                "{server: 'https://127.0.0.1:1'}",
                                "{server: 'https://127.0.0.1:1', certificate-authority: ca.crt}",
                            )
                            .replace("{token: token-of-a-test}", "{tokenFile: ./sub/../token}"),
                    ),
                ),
                ("-ca.crt", Some(ca.clone())),
                ("-token", Some("t".to_owned())),
            ],
            flags: &[],
        },
        Reading {
            name: "relative paths of a file in a folder",
            files: vec![
                (
                    "folder/config",
                    Some(whole().replace(
                        "{server: 'https://127.0.0.1:1'}",
                        "{server: 'https://127.0.0.1:1', certificate-authority: ../ca.crt}",
                    )),
                ),
                ("-ca.crt", Some(ca)),
            ],
            flags: &[],
        },
        Reading {
            name: "--context",
            files: vec![(
                "config",
                Some(format!(
                    "{}{}",
                    HEAD,
                    ENTRIES.replace(
                        "users:",
                        "- name: b\n  context: {cluster: c, user: v}\nusers:\n- name: v\n  user: {token: t}"
                    )
                )),
            )],
            flags: &["--context", "b"],
        },
        Reading { name: "--context of nobody", files: vec![("config", Some(whole()))], flags: &["--context", "zz"] },
    ]);
    all
}

/// What both are asked for.
#[derive(Debug, PartialEq, Eq)]
struct Read {
    context: String,
    namespace: String,
    cluster: Option<(String, Value)>,
    user: Option<(String, Value)>,
}

/// A value of a map; absent, null, empty and false are the same.
fn field(value: &Value, name: &str) -> Value {
    match value.get(name) {
        None | Some(Value::Null | Value::Bool(false)) => Value::Null,
        Some(Value::String(text)) if text.is_empty() => Value::Null,
        Some(other) => other.clone(),
    }
}

/// A relative path as the loader of a file in this folder takes it.
fn placed(path: Value, folder: &Path) -> Value {
    match path.as_str().filter(|path| path.contains('/') || path.contains('.')) {
        Some(path) => fs::canonicalize(folder.join(path))
            .unwrap_or_else(|_| folder.join(path.trim_start_matches("./")))
            .to_string_lossy()
            .into(),
        None => path,
    }
}

/// What kubectl says when it is to use the file.
fn use_by_kubectl(lab: &Lab, folder: &Path, list: &str, flags: &[&str]) -> String {
    run_kubectl(lab, folder, list, flags, &["get", "--raw", "/version"]).err().unwrap_or_default()
}

fn run_kubectl(lab: &Lab, folder: &Path, list: &str, flags: &[&str], arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(lab.kubectl())
        .args(arguments)
        .args(flags)
        .current_dir(folder)
        .env_clear()
        .env("HOME", folder)
        .env("KUBECONFIG", list)
        .output()
        .expect("kubectl");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

fn by_kubectl(lab: &Lab, folder: &Path, home: &Path, list: &str, flags: &[&str]) -> Result<Read, String> {
    let run = |arguments: &[&str]| run_kubectl(lab, folder, list, flags, arguments);
    let view = run(&["config", "view", "--minify", "--raw", "-o", "json"])?;
    let view: Value = serde_json::from_str(&view).expect("kubectl's JSON");
    let context = view["current-context"].as_str().unwrap_or_default().to_owned();
    if flags.is_empty() {
        assert_eq!(run(&["config", "current-context"])?.trim_end_matches('\n'), context);
    }
    let entry = |list: &str, inner: &str, fields: &[&str]| {
        let entry = view[list].get(0).filter(|entry| !entry.is_null())?;
        let of: serde_json::Map<String, Value> =
            fields.iter().map(|name| ((*name).to_owned(), field(&entry[inner], name))).collect();
        Some((entry["name"].as_str().unwrap_or_default().to_owned(), Value::Object(of)))
    };
    let cluster = entry(
        "clusters",
        "cluster",
        &["server", "tls-server-name", "insecure-skip-tls-verify", "certificate-authority", "proxy-url"],
    )
    .map(|(name, mut fields)| {
        fields["certificate-authority"] = placed(fields["certificate-authority"].clone(), home);
        (name, fields)
    });
    let user = entry("users", "user", &["as"]).map(|(name, mut fields)| {
        let user = &view["users"][0]["user"];
        let mut methods: Vec<&str> = Vec::new();
        for (name, method) in [("token", "token"), ("tokenFile", "tokenFile"), ("username", "basic"), ("exec", "exec")]
        {
            if !field(user, name).is_null() {
                methods.push(method);
            }
        }
        methods.sort_unstable();
        fields["methods"] = json!(methods);
        fields["command"] = placed(field(&field(user, "exec"), "command"), home);
        (name, fields)
    });
    let namespace = view["contexts"][0]["context"]["namespace"].as_str().filter(|name| !name.is_empty());
    Ok(Read { context, namespace: namespace.unwrap_or("default").to_owned(), cluster, user })
}

fn by_kaccess(folder: &Path, list: &str, flags: &[&str]) -> Result<Read, String> {
    let evidence = scratch("evidence").join("evidence.json");
    let output = command()
        .args(["doctor", "--offline", "--no-exec", "-o", "json", "--save"])
        .arg(&evidence)
        .args(flags)
        .current_dir(folder)
        .env("HOME", folder)
        .env("KUBECONFIG", list)
        .output()
        .expect("kaccess");
    let text = fs::read_to_string(&evidence)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    let evidence: Value = serde_json::from_str(&text).expect("evidence");
    let kubeconfig = &evidence["kubeconfig"];
    let Some(seen) = kubeconfig.get("seen") else {
        return Err(kubeconfig["failed"]["detail"].as_str().unwrap_or_default().to_owned());
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let cluster = seen.get("cluster").map(|cluster| {
        let fields = json!({
            "server": field(cluster, "server"),
            "tls-server-name": field(cluster, "tlsServerName"),
            "insecure-skip-tls-verify": field(cluster, "insecureSkipTlsVerify"),
            "certificate-authority": field(cluster, "certificateAuthority"),
            "proxy-url": field(cluster, "proxyUrl"),
        });
        (text(&cluster["name"]), fields)
    });
    // kubectl's view leaves out what is not there.
    let user = seen.get("user").filter(|user| user["name"] != "").map(|user| {
        let mut methods: Vec<String> = user["methods"].as_array().into_iter().flatten().map(&text).collect();
        methods.sort_unstable();
        let fields = json!({ "as": field(user, "impersonate"), "methods": methods, "command": field(&field(user, "exec"), "command") });
        (text(&user["name"]), fields)
    });
    Ok(Read { context: text(&seen["context"]), namespace: text(&seen["namespace"]), cluster, user })
}

#[test]
fn odd_kubeconfigs_are_read_as_kubectl_reads_them() {
    let Some(lab) = lab::require_apiserver() else { return };
    let readings = readings();
    assert!(readings.len() >= 60, "{} only", readings.len());
    let (mut faults, mut refused, mut unusable) = (Vec::new(), 0, 0);
    for reading in &readings {
        let folder = fs::canonicalize(scratch("reading")).expect("a folder");
        let mut list = Vec::new();
        for (name, content) in &reading.files {
            let (name, listed) = name.strip_prefix('-').map_or((*name, true), |name| (name, false));
            let path = folder.join(name);
            if let Some(content) = content {
                fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
                fs::write(&path, content).expect("a file");
            }
            if listed {
                list.push(if name.is_empty() { String::new() } else { path.to_string_lossy().into_owned() });
            }
        }
        let list = list.join(":");
        // The folder of the file that holds the entry.
        let home = folder.join(reading.files[0].0);
        let home = home.parent().expect("a folder");
        let kubectl = by_kubectl(lab, &folder, home, &list, reading.flags);
        let kaccess = by_kaccess(&folder, &list, reading.flags);
        let same = match (&kubectl, &kaccess) {
            (Ok(theirs), Ok(ours)) => theirs == ours,
            (Err(_), Err(_)) => {
                refused += 1;
                true
            }
            // The view shows entries that kubectl cannot use; where kaccess stops at one, kubectl does not get in either.
            (Ok(_), Err(ours)) => {
                let words = use_by_kubectl(lab, &folder, &list, reading.flags);
                unusable += 1;
                if ours.contains("localhost:8080") {
                    words.contains("localhost:8080")
                } else {
                    let first = ours.split(['"', '(']).next().unwrap_or_default().trim_end();
                    !first.is_empty() && words.contains(first)
                }
            }
            (Err(_), Ok(_)) => false,
        };
        if !same {
            faults.push(format!("{}\n  kubectl: {kubectl:?}\n  kaccess: {kaccess:?}", reading.name));
        }
    }
    assert!(faults.is_empty(), "{} of {} differ:\n{}", faults.len(), readings.len(), faults.join("\n"));
    assert!(refused > 10 && refused < readings.len() / 2, "{refused} of {} are refused by both", readings.len());
    assert!(unusable < 10, "{unusable} are refused by kaccess alone");
}
