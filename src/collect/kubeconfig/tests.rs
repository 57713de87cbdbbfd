//! Kubeconfigs that kubectl takes and refuses, in its words, and what of them may be shown.

use std::collections::BTreeMap;
use std::ffi::OsString;

use base64::Engine as _;

use super::file::{ABSURD, VERSION_KIND};
use super::*;
use crate::evidence::FailureKind;
use crate::secret::REDACTED;

/// A folder with a home and a service account that is not there.
struct World {
    folder: tempfile::TempDir,
    host: Host,
    flags: ConnectionFlags,
    scrubber: Scrubber,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
        let mut host = Host::read();
        host.env = BTreeMap::new();
        host.home = Some(folder.path().to_owned());
        Self { folder, host, flags: ConnectionFlags::default(), scrubber: Scrubber::default() }
    }

    /// A world whose `--kubeconfig` holds this text.
    fn with(text: &str) -> Self {
        let mut world = Self::new();
        world.flags.kubeconfig = Some(world.file("config", text.as_bytes()));
        world
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, bytes).unwrap_or_else(|error| panic!("{error}"));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let _ = std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600));
        }
        path
    }

    fn load(&self) -> (Kubeconfig, Result<Resolved, Failure>) {
        load_from(&self.host, &self.flags, &self.scrubber, &self.folder.path().join("serviceaccount"))
    }

    fn failure(&self) -> Failure {
        match self.load().1 {
            Ok(_) => panic!("no failure"),
            // The folder differs from run to run.
            Err(mut failure) => {
                failure.detail = failure.detail.replace(&format!("{}/", self.folder.path().display()), "");
                failure
            }
        }
    }

    fn resolved(&self) -> Resolved {
        self.load().1.unwrap_or_else(|failure| panic!("{}", failure.detail))
    }

    fn kinds(&self) -> Vec<String> {
        self.load().0.problems.into_iter().map(|problem| problem.kind).collect()
    }
}

/// A kubeconfig with one context and the given cluster and user content (flow YAML).
fn config(cluster: &str, user: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: a\ncontexts:\n- name: a\n  context: {{cluster: c, user: u}}\nclusters:\n- name: c\n  cluster: {cluster}\nusers:\n- name: u\n  user: {user}\n"
    )
}

const SERVER: &str = "{server: 'https://127.0.0.1:6443'}";

#[test]
fn a_good_file_gives_server_namespace_and_token() {
    let world = World::with(&config(SERVER, "{token: SEKRIT-token-1}"));
    let (seen, outcome) = world.load();
    let resolved = outcome.unwrap_or_else(|failure| panic!("{}", failure.detail));
    assert_eq!(resolved.server.as_str(), "https://127.0.0.1:6443/");
    assert_eq!(resolved.namespace, "default");
    assert_eq!(resolved.context.as_deref(), Some("a"));
    assert_eq!(resolved.user.source, CredentialSource::Token);
    assert_eq!(resolved.user.token.map(|token| token.expose().to_owned()).as_deref(), Some("SEKRIT-token-1"));
    assert!(matches!(resolved.roots, Roots::System));
    assert_eq!((seen.source.as_str(), seen.contexts.as_slice()), ("files", ["a".to_owned()].as_slice()));
    assert!(seen.problems.is_empty(), "{:?}", seen.problems);
}

/// Words and, where kubectl has one, its wording were taken from kubectl 1.32 with the same files.
#[test]
fn broken_files_are_refused_in_kubectls_words() {
    let prefix = "error loading config file \"config\": ";
    let version_kind = format!("into Go value of type {VERSION_KIND}");
    for (text, expected) in [
        ("[1, 2]".to_owned(), format!("couldn't get version/kind; json parse error: json: cannot unmarshal array {version_kind}")),
        ("hello".to_owned(), format!("couldn't get version/kind; json parse error: json: cannot unmarshal string {version_kind}")),
        ("kind: 5".to_owned(), "couldn't get version/kind; json parse error: json: cannot unmarshal number into Go struct field .kind of type string".to_owned()),
        ("apiVersion: v1\nkind: Pod".to_owned(), "no kind \"Pod\" is registered for version \"v1\" in scheme \"k8s.io/client-go/tools/clientcmd/api/latest/latest.go:50\"".to_owned()),
        ("a: b\nc: d\n  e: f".to_owned(), "yaml: line 3: mapping values are not allowed in this context".to_owned()),
        (config(SERVER, "{token: [x], username: 5}"), "json: cannot unmarshal array into Go struct field AuthInfo.users.user.token of type string".to_owned()),
        (config(SERVER, "{token: 12345}"), "json: cannot unmarshal number into Go struct field AuthInfo.users.user.token of type string".to_owned()),
        (config(SERVER, "hello"), "json: cannot unmarshal string into Go struct field NamedAuthInfo.users.user of type v1.AuthInfo".to_owned()),
        (config(SERVER, "{as-groups: [5]}"), "json: cannot unmarshal number into Go struct field AuthInfo.users.user.as-groups of type string".to_owned()),
        (config(SERVER, "{as-user-extra: {a: b}}"), "json: cannot unmarshal string into Go struct field AuthInfo.users.user.as-user-extra of type []string".to_owned()),
        (config(SERVER, "{exec: x}"), "json: cannot unmarshal string into Go struct field AuthInfo.users.user.exec of type v1.ExecConfig".to_owned()),
        (config(SERVER, "{exec: {env: [{name: a, value: 5}]}}"), "json: cannot unmarshal number into Go struct field ExecEnvVar.users.user.exec.env.value of type string".to_owned()),
        (config(SERVER, "{auth-provider: {name: oidc, config: {a: 5}}}"), "json: cannot unmarshal number into Go struct field AuthProviderConfig.users.user.auth-provider.config of type string".to_owned()),
        (config("{insecure-skip-tls-verify: 'true'}", "{}"), "json: cannot unmarshal string into Go struct field Cluster.clusters.cluster.insecure-skip-tls-verify of type bool".to_owned()),
        (config("{certificate-authority-data: 5}", "{}"), "json: cannot unmarshal number into Go struct field Cluster.clusters.cluster.certificate-authority-data of type []uint8".to_owned()),
        (config("{certificate-authority-data: '%%%'}", "{}"), "illegal base64 data at input byte 0".to_owned()),
        ("users: {name: u}".to_owned(), "json: cannot unmarshal object into Go struct field Config.users of type []v1.NamedAuthInfo".to_owned()),
        ("users: [x]".to_owned(), "json: cannot unmarshal string into Go struct field Config.users of type v1.NamedAuthInfo".to_owned()),
        ("current-context: 5".to_owned(), "json: cannot unmarshal number into Go struct field Config.current-context of type string".to_owned()),
        ("preferences: []".to_owned(), "json: cannot unmarshal array into Go struct field Config.preferences of type v1.Preferences".to_owned()),
        ("users: [{name: u, user: {token: SEKRIT}}, {name: u}]".to_owned(), "error converting *[]NamedAuthInfo into *map[string]*api.AuthInfo: duplicate name \"u\" in list: […]".to_owned()),
    ] {
        let world = World::with(&text);
        let failure = world.failure();
        assert_eq!(failure.detail, format!("{prefix}{expected}"), "{text}");
        assert_eq!(failure.kind, FailureKind::Malformed);
        assert!(!failure.detail.contains("SEKRIT"));
        assert_eq!(world.kinds(), ["kubeconfig-unparsable"]);
    }
}

#[test]
fn the_place_of_a_fault_is_file_and_line() {
    let world = World::with(&config(SERVER, "\n    token: [x]"));
    let (seen, outcome) = world.load();
    assert_eq!(seen.problems[0].line, Some(13));
    assert!(outcome.is_err_and(|failure| failure.seen.is_some_and(|seen| seen.ends_with("config:13"))));
    assert_eq!(seen.files[0].state, "malformed");
}

#[test]
fn files_that_are_none_do_not_hang() {
    let mut world = World::new();
    let folder = world.folder.path().to_owned();
    world.flags.kubeconfig = Some(folder.clone());
    assert_eq!(world.failure().kind, FailureKind::Unreadable);
    assert!(world.failure().detail.ends_with(": is a directory"), "{}", world.failure().detail);

    world.flags.kubeconfig = Some(folder.join("nope"));
    let failure = world.failure();
    assert_eq!(
        (failure.kind, failure.detail.as_str()),
        (FailureKind::NotFound, "stat nope: no such file or directory")
    );
    assert_eq!(failure.fault.map(|fault| fault.code).as_deref(), Some("kubeconfig-not-found"));

    let large = world.file("large", b"");
    let file = std::fs::OpenOptions::new().write(true).open(&large).unwrap_or_else(|error| panic!("{error}"));
    file.set_len(100 * 1024 * 1024).unwrap_or_else(|error| panic!("{error}"));
    world.flags.kubeconfig = Some(large);
    assert_eq!(world.failure().kind, FailureKind::Limit);
    file.set_len(10 * ABSURD).unwrap_or_else(|error| panic!("{error}"));
    let (seen, outcome) = world.load();
    let failure = outcome.err().unwrap_or_else(|| panic!("no failure"));
    assert_eq!(failure.kind, FailureKind::Unreadable);
    assert!(failure.detail.ends_with("too large for what this file is to be"), "{}", failure.detail);
    assert_eq!(seen.problems[0].kind, "kubeconfig-unparsable");

    world.flags.kubeconfig = Some("/dev/zero".into());
    assert!(world.failure().detail.contains("is not a regular file"));
    let pipe = folder.join("pipe");
    if std::process::Command::new("mkfifo").arg(&pipe).status().is_ok_and(|status| status.success()) {
        world.flags.kubeconfig = Some(pipe);
        assert!(world.failure().detail.contains("is not a regular file"));
    }
}

#[test]
fn no_config_at_all_names_the_places() {
    let mut world = World::new();
    let failure = world.failure();
    assert_eq!(failure.kind, FailureKind::NotFound);
    assert!(failure.detail.contains(".kube/config (missing)"), "{}", failure.detail);
    assert!(failure.detail.contains("http://localhost:8080"));
    for empty in ["", "~", "# nothing\n", "contexts: [null]"] {
        let mut world = World::with(empty);
        world.flags.context = None;
        assert!(matches!(world.failure().kind, FailureKind::NotFound | FailureKind::ContextUnset), "{empty:?}");
    }
    world.host.env.insert("KUBECONFIG".into(), "~/x:/nonexistent/y".into());
    let failure = world.failure();
    assert!(failure.detail.contains("~/x (missing), /nonexistent/y (missing)"), "{}", failure.detail);
    assert!(failure.needs.is_some());
    world.flags.server = Some("https://10.0.0.1:6443".to_owned());
    world.flags.token = Some(Secret::new("SEKRIT-flag"));
    let (seen, outcome) = world.load();
    let resolved = outcome.unwrap_or_else(|failure| panic!("{}", failure.detail));
    assert_eq!((seen.source.as_str(), resolved.user.source), ("flags", CredentialSource::Flag));
}

#[test]
fn context_cluster_and_user_must_be_there() {
    let mut world = World::with(&config(SERVER, "{}"));
    world.flags.context = Some("A1".to_owned());
    let failure = world.failure();
    assert_eq!(failure.kind, FailureKind::ContextNotFound);
    assert_eq!(failure.detail, "context was not found for specified context: A1 (did you mean \"a\"?)");
    assert_eq!(failure.expected.as_deref(), Some("one of: a"));
    assert!(failure.fault.is_some_and(|fault| fault.flag));

    let unset = config(SERVER, "{}").replace("current-context: a\n", "");
    assert_eq!(World::with(&unset).failure().kind, FailureKind::ContextUnset);

    let lost = config(SERVER, "{}").replace("{cluster: c,", "{cluster: d,");
    let mut world = World::with(&lost);
    let failure = world.failure();
    assert_eq!(failure.kind, FailureKind::ClusterNotFound);
    assert!(failure.detail.ends_with("(config:5)"), "{}", failure.detail);
    assert_eq!(failure.expected.as_deref(), Some("one of: c"));
    world.flags.server = Some("https://x".to_owned());
    assert_eq!(world.resolved().server.as_str(), "https://x/");

    let lost = config(SERVER, "{}").replace("user: u}", "user: v}");
    let mut world = World::with(&lost);
    let failure = world.failure();
    assert_eq!((failure.kind, failure.seen.as_deref()), (FailureKind::UserNotFound, Some("v")));
    world.flags.token = Some(Secret::new("SEKRIT-flag"));
    assert_eq!(world.resolved().user.source, CredentialSource::Flag);
    world.flags.user = Some("w".to_owned());
    assert_eq!(world.failure().detail, "auth info \"w\" does not exist");
}

#[test]
fn a_list_of_files_is_merged_first_wins() {
    let mut world = World::new();
    let first = world.file("1", b"current-context: ''\nusers: [{name: u, user: {token: first-token}}]\n");
    let second = world.file("2", config(SERVER, "{token: second-token}").as_bytes());
    let missing = world.folder.path().join("3");
    let list = std::env::join_paths([&first, &missing, &second, &first]).unwrap_or_else(|error| panic!("{error}"));
    world.host.env.insert("KUBECONFIG".into(), list);
    let (seen, outcome) = world.load();
    let resolved = outcome.unwrap_or_else(|failure| panic!("{}", failure.detail));
    assert_eq!(resolved.user.token.map(|token| token.expose().to_owned()).as_deref(), Some("first-token"));
    assert_eq!(resolved.context.as_deref(), Some("a"));
    let states: Vec<&str> = seen.files.iter().map(|file| file.state.as_str()).collect();
    assert_eq!(states, ["read", "missing", "read"]);
    assert_eq!(seen.problems[0].kind, "kubeconfig-duplicate-entry");
}

#[test]
fn only_the_first_document_counts() {
    let text = format!("{}---\ncurrent-context: zz\n", config(SERVER, "{}"));
    assert_eq!(World::with(&text).resolved().context.as_deref(), Some("a"));
}

fn pki() -> (String, String, String) {
    let key = rcgen::KeyPair::generate().unwrap_or_else(|error| panic!("{error}"));
    let other = rcgen::KeyPair::generate().unwrap_or_else(|error| panic!("{error}"));
    let params = rcgen::CertificateParams::new(vec!["x".to_owned()]).unwrap_or_else(|error| panic!("{error}"));
    let certificate = params.self_signed(&key).unwrap_or_else(|error| panic!("{error}"));
    (certificate.pem(), key.serialize_pem(), other.serialize_pem())
}

fn b64(text: &str) -> String {
    base64::engine::general_purpose::STANDARD.encode(text)
}

#[test]
fn cluster_faults_are_refused() {
    let pem = b64(&pki().0);
    // Two certificates without a line's break between them.
    let joined = b64(&format!("{}{}", pki().0.trim_end(), pki().0));
    for (cluster, code, expected) in [
        ("{server: 'https://[::'}", "kubeconfig-unparsable", "host must be a URL or a host:port pair: \"https://[::\"".to_owned()),
        ("{server: 'https://x y'}", "kubeconfig-unparsable", "host must be a URL or a host:port pair: \"https://x y\"".to_owned()),
        ("{server: 'https//x:6443'}", "kubeconfig-unparsable", "host must be a URL or a host:port pair: \"https//x:6443\"".to_owned()),
        ("{server: 'https:/x:6443'}", "kubeconfig-unparsable", "host must be a URL or a host:port pair: \"https:/x:6443\"".to_owned()),
        ("{server: 'x:6443/k8s/clusters/c'}", "kubeconfig-unparsable", "host must be a URL or a host:port pair: \"x:6443/k8s/clusters/c\"".to_owned()),
        ("{server: \"https://x\\n\"}", "kubeconfig-unparsable", "net/url: invalid control character in URL".to_owned()),
        ("{server: 'htps://x'}", "kubeconfig-unparsable", "unsupported protocol scheme \"htps\"".to_owned()),
        ("{tls-server-name: x}", "kubeconfig-unparsable", "no server found for cluster \"c\"".to_owned()),
        ("{server: 'https://x', proxy-url: 'ftp://x'}", "kubeconfig-unparsable", "invalid 'proxy-url' \"ftp://x\" for cluster \"c\": unsupported scheme \"ftp\", must be http, https, or socks5".to_owned()),
        ("{server: 'https://x', proxy-url: ' http://x'}", "kubeconfig-unparsable", "invalid 'proxy-url' \" http://x\" for cluster \"c\": could not parse".to_owned()),
        (&format!("{{server: 'https://x', certificate-authority-data: {joined}}}"), "kubeconfig-ca-unparsable", "unable to load root certificates: unable to parse bytes as PEM block".to_owned()),
        ("{server: 'https://x', certificate-authority: nope}", "credential-file-missing", "unable to read certificate-authority nope for c due to open nope: no such file or directory".to_owned()),
        ("{server: 'https://x', certificate-authority-data: aGVsbG8=}", "kubeconfig-ca-unparsable", "unable to load root certificates: unable to parse bytes as PEM block".to_owned()),
        ("{server: 'https://x', certificate-authority: f, certificate-authority-data: aGVsbG8=}", "kubeconfig-ca-unparsable", "certificate-authority-data and certificate-authority are both specified for c.".to_owned()),
        (&format!("{{server: 'https://x', insecure-skip-tls-verify: true, certificate-authority-data: {pem}}}"), "insecure-with-ca", "specifying a root certificates file with the insecure flag is not allowed".to_owned()),
    ] {
        let world = World::with(&config(cluster, "{}"));
        let failure = world.failure();
        assert!(failure.detail.starts_with(&expected), "{}", failure.detail);
        assert!(failure.detail.contains("(config:"), "{}", failure.detail);
        assert_eq!(world.kinds(), [code]);
    }
    let mut world = World::with(&config(&format!("{{server: 'https://x', certificate-authority-data: {pem}}}"), "{}"));
    assert!(matches!(world.resolved().roots, Roots::Pem { .. }));
    world.flags.insecure_skip_tls_verify = true;
    assert!(world.resolved().insecure);
    assert!(matches!(world.resolved().roots, Roots::System));
    assert_eq!(World::with(&config("{server: 'x:6443'}", "{}")).resolved().server.as_str(), "http://x:6443/");
}

#[test]
fn a_server_flag_clears_the_server_name() {
    let mut world = World::with(&config("{server: 'https://x', tls-server-name: name}", "{}"));
    assert_eq!(world.resolved().tls_server_name.as_deref(), Some("name"));
    world.flags.server = Some("https://z".to_owned());
    assert_eq!(world.resolved().tls_server_name, None);
}

#[test]
fn relative_paths_are_the_files_folder() {
    let world = World::with(&config(
        "{server: 'https://x', certificate-authority: ./pki/../ca.pem}",
        "{exec: {apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, command: bin/plug}}",
    ));
    let (certificate, ..) = pki();
    world.file("ca.pem", certificate.as_bytes());
    let resolved = world.resolved();
    let exec = resolved.user.exec.unwrap_or_else(|| panic!("no plugin"));
    assert_eq!(exec.command, world.folder.path().join("bin/plug").to_string_lossy());
}

#[test]
fn faults_of_the_user_entry_leave_the_server_usable() {
    let (certificate, key, other) = pki();
    let (cert, key, other) = (b64(&certificate), b64(&key), b64(&other));
    for (user, code, expected) in [
        (
            "{token: SEKRIT-1, username: a, password: SEKRIT-2}".to_owned(),
            "several-credentials",
            "more than one authentication method found for u; found [token basicAuth], only one is allowed",
        ),
        (
            format!(
                "{{client-certificate-data: {cert}, client-certificate: a, client-key-data: {key}, client-key: b}}"
            ),
            "several-credentials",
            "[client-cert-data and client-cert are both specified for u. client-cert-data will override., client-key-data and client-key are both specified for u; client-key-data will override]",
        ),
        (
            format!("{{client-certificate-data: {cert}, client-certificate: a, client-key-data: {key}}}"),
            "several-credentials",
            "client-cert-data and client-cert are both specified for u. client-cert-data will override.",
        ),
        (
            format!("{{client-certificate-data: {cert}}}"),
            "client-key-missing",
            "client-key-data or client-key must be specified for u to use the clientCert authentication method.",
        ),
        (
            format!("{{client-certificate-data: {cert}, client-key-data: {other}}}"),
            "client-key-mismatch",
            "tls: private key does not match public key",
        ),
        (
            format!("{{client-certificate-data: aGVsbG8=, client-key-data: {key}}}"),
            "client-key-mismatch",
            "tls: failed to find any PEM data in certificate input",
        ),
        (
            "{client-certificate: /nonexistent/a, client-key: /nonexistent/b}".to_owned(),
            "credential-file-missing",
            "unable to read client-cert /nonexistent/a for u due to open /nonexistent/a: no such file or directory",
        ),
        ("{auth-provider: {name: gcp}}".to_owned(), "auth-provider-removed", "The gcp auth plugin has been removed."),
        (
            "{auth-provider: {name: azure}}".to_owned(),
            "auth-provider-removed",
            "The azure auth plugin has been removed.",
        ),
        (
            "{auth-provider: {name: openstack}}".to_owned(),
            "auth-provider-not-built-in",
            "no Auth Provider found for name \"openstack\"",
        ),
        (
            "{auth-provider: {name: oidc}}".to_owned(),
            "no-credential",
            "No valid id-token, and cannot refresh without refresh-token",
        ),
        (
            "{as-groups: [a]}".to_owned(),
            "default-impersonation",
            "requesting uid, groups or user-extra for u without impersonating a user",
        ),
        (
            "{exec: {apiVersion: client.authentication.k8s.io/v1, command: x}}".to_owned(),
            "kubeconfig-unparsable",
            "interactiveMode must be specified for u to use exec authentication plugin",
        ),
        (
            "{exec: {apiVersion: client.authentication.k8s.io/v1beta1}}".to_owned(),
            "kubeconfig-unparsable",
            "command must be specified for u to use exec authentication plugin",
        ),
    ] {
        let world = World::with(&config(SERVER, &user));
        let failure = world.resolved().user.failure.unwrap_or_else(|| panic!("{code}"));
        assert!(failure.detail.starts_with(expected), "{}", failure.detail);
        let (seen, _) = world.load();
        let problem = &seen.problems[0];
        assert_eq!((problem.kind.as_str(), problem.line), (code, Some(12)), "{:?}", seen.problems);
    }
    let world = World::with(&config(SERVER, &format!("{{client-certificate-data: {cert}, client-key-data: {key}}}")));
    assert_eq!(world.resolved().user.source, CredentialSource::ClientCertificate);
}

#[test]
fn credentials_take_client_gos_precedence() {
    let exec = "exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: x}";
    let world = World::with(&config(SERVER, &format!("{{token: SEKRIT-1, {exec}}}")));
    assert!(world.resolved().user.exec.is_none());
    assert_eq!(world.kinds(), ["static-credential-shadows-exec"]);

    let mut world = World::with(&config(SERVER, &format!("{{{exec}}}")));
    let plugin = world.resolved().user.exec.unwrap_or_else(|| panic!("no plugin"));
    assert_eq!(plugin.interactive_mode, "IfAvailable");
    world.flags.token = Some(Secret::new("SEKRIT-flag"));
    assert!(world.resolved().user.exec.is_none());
    assert!(world.kinds().is_empty());

    let world = World::with(&config(SERVER, "{token: SEKRIT-1, tokenFile: t}"));
    let user = world.resolved().user;
    assert_eq!((user.source, user.token_file), (CredentialSource::TokenFile, Some(world.folder.path().join("t"))));

    // client-go puts the flag into the entry: it goes behind what tokenFile holds, and not beside a password.
    let mut world = World::with(&config(SERVER, "{tokenFile: t}"));
    world.flags.token = Some(Secret::new("SEKRIT-flag"));
    let user = world.resolved().user;
    assert_eq!((user.source, user.token_file), (CredentialSource::TokenFile, Some(world.folder.path().join("t"))));
    assert_eq!((user.token_by_flag, user.token.as_ref().map(Secret::expose)), (true, Some("SEKRIT-flag")));
    assert_eq!(world.kinds(), ["token-flag-beside-token-file"]);
    let mut world = World::with(&config(SERVER, "{username: a, password: SEKRIT-2}"));
    assert!(world.resolved().user.failure.is_none());
    world.flags.token = Some(Secret::new("SEKRIT-flag"));
    let failure = world.resolved().user.failure.unwrap_or_else(|| panic!("no failure"));
    assert_eq!(
        failure.detail,
        "more than one authentication method found for u; found [token basicAuth], only one is allowed"
    );

    // The password of the URL goes before any of them.
    for (userinfo, user, password) in [("u:SEKRIT-pw", "{token: SEKRIT-1}", "SEKRIT-pw"), ("u", "{tokenFile: t}", "")] {
        let server = format!("{{server: 'https://{userinfo}@127.0.0.1:6443'}}");
        let user = World::with(&config(&server, user)).resolved().user;
        let (name, secret) = user.url_basic.unwrap_or_else(|| panic!("no password: {userinfo}"));
        assert_eq!((name.as_str(), secret.expose()), ("u", password));
        let alone = World::with(&config(&server, "{}")).resolved().user;
        assert_eq!((alone.source, alone.basic.map(|(name, _)| name)), (CredentialSource::Basic, Some("u".to_owned())));
        assert!(alone.url_basic.is_none());
    }

    let user =
        World::with(&config(SERVER, "{auth-provider: {name: oidc, config: {id-token: a.b.SEKRIT}}}")).resolved().user;
    assert_eq!((user.source, user.token.is_some()), (CredentialSource::Token, true));

    let world = World::with(&config(SERVER, "{token: \"SEKRIT \\n\"}"));
    assert_eq!(world.kinds(), ["token-has-whitespace"]);
    let world = World::with(&config("{server: 'http://x'}", "{token: SEKRIT-1}"));
    let user = world.resolved().user;
    assert_eq!((user.source, user.token.is_some()), (CredentialSource::None, false));
    assert_eq!(world.resolved().user.failure, None);
}

#[test]
fn impersonation_comes_from_entry_and_flags() {
    let mut world =
        World::with(&config(SERVER, "{token: SEKRIT-1, as: bob, as-groups: [g], as-user-extra: {k: [v, w]}}"));
    let seen = world.resolved().impersonation;
    assert_eq!((seen.user.as_deref(), seen.extra.len()), (Some("bob"), 2));
    assert_eq!(world.kinds(), ["default-impersonation"]);
    world.flags.impersonate = Some("eve".to_owned());
    world.flags.impersonate_groups = vec!["h".to_owned()];
    let seen = world.resolved().impersonation;
    assert_eq!((seen.user.as_deref(), seen.groups.as_slice()), (Some("eve"), ["h".to_owned()].as_slice()));
    assert!(world.kinds().is_empty());
}

#[test]
fn a_pod_without_a_token_misses_the_token_and_no_kubeconfig() {
    let code = |world: &World| world.failure().fault.map(|fault| fault.code).unwrap_or_default();
    let mut world = World::new();
    assert_eq!(code(&world), "kubeconfig-not-found");
    for (name, value) in [("KUBERNETES_SERVICE_HOST", "10.0.0.1"), ("KUBERNETES_SERVICE_PORT", "443")] {
        world.host.env.insert(name.into(), value.into());
    }
    assert_eq!(code(&world), "service-account-token-not-mounted");
    // Whoever names a file misses that one.
    world.host.env.insert("KUBECONFIG".into(), "/no/such/file".into());
    assert_eq!(code(&world), "kubeconfig-not-found");
}

#[test]
fn a_fragment_of_the_server_url_is_told() {
    let world = World::with(&config("{server: 'https://api.test:6443/#/login'}", "{token: SEKRIT-1}"));
    let (seen, resolved) = world.load();
    assert!(resolved.is_ok());
    assert!(seen.problems.iter().any(|problem| problem.kind == "not-a-kubernetes-api"), "{:?}", seen.problems);
}

#[test]
fn a_pod_falls_back_to_its_service_account() {
    let mut world = World::new();
    let folder = world.folder.path().join("serviceaccount");
    std::fs::create_dir(&folder).unwrap_or_else(|error| panic!("{error}"));
    world.file("serviceaccount/token", b"SEKRIT-sa");
    world.file("serviceaccount/namespace", b"dev\n");
    world.file("serviceaccount/ca.crt", pki().0.as_bytes());
    for (name, value) in [("KUBERNETES_SERVICE_HOST", "fd00::1"), ("KUBERNETES_SERVICE_PORT", "443")] {
        world.host.env.insert(OsString::from(name), OsString::from(value));
    }
    let (seen, outcome) = world.load();
    let resolved = outcome.unwrap_or_else(|failure| panic!("{}", failure.detail));
    assert_eq!(resolved.server.as_str(), "https://[fd00::1]/");
    assert_eq!((resolved.namespace.as_str(), &resolved.user.source), ("dev", &CredentialSource::InCluster));
    assert!(matches!(resolved.roots, Roots::Pem { .. }));
    assert_eq!(seen.source, "in-cluster");
}

/// client-go logs that the service account's volume has no CA, and goes on with the system's roots.
#[test]
fn a_pod_without_a_ca_goes_on_with_the_systems_roots() {
    let mut world = World::new();
    let folder = world.folder.path().join("serviceaccount");
    std::fs::create_dir(&folder).unwrap_or_else(|error| panic!("{error}"));
    world.file("serviceaccount/token", b"SEKRIT-sa");
    for (name, value) in [("KUBERNETES_SERVICE_HOST", "10.96.0.1"), ("KUBERNETES_SERVICE_PORT", "443")] {
        world.host.env.insert(OsString::from(name), OsString::from(value));
    }
    for (content, complaint) in [
        (None, "no such file or directory"),
        (Some(b"".as_slice()), "data does not contain any valid RSA or ECDSA certificates"),
        (Some(b"no certificate".as_slice()), "data does not contain any valid RSA or ECDSA certificates"),
    ] {
        if let Some(content) = content {
            world.file("serviceaccount/ca.crt", content);
        }
        let (seen, outcome) = world.load();
        let resolved = outcome.unwrap_or_else(|failure| panic!("{}", failure.detail));
        assert!(matches!(resolved.roots, Roots::System), "{content:?}");
        let problem = seen.problems.iter().find(|problem| problem.kind == "kubeconfig-ca-unparsable");
        let problem = problem.unwrap_or_else(|| panic!("{:?}", seen.problems));
        assert!(problem.detail.starts_with("Expected to load root CA config from "), "{}", problem.detail);
        assert!(problem.detail.ends_with(complaint), "{}", problem.detail);
        let cluster = seen.cluster.as_ref().unwrap_or_else(|| panic!("no cluster"));
        assert_eq!(cluster.certificate_authority, None);
        assert_eq!(problem.file.as_deref(), Some(&*format!("{}/ca.crt", cluster.file)));
    }
}

#[cfg(unix)]
#[test]
fn a_world_readable_file_with_secrets_is_told() {
    use std::os::unix::fs::PermissionsExt as _;
    let world = World::with(&config(SERVER, "{token: SEKRIT-1}"));
    let path = world.folder.path().join("config");
    let _ = std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644));
    // The folder keeps everybody else out.
    let _ = std::fs::set_permissions(world.folder.path(), std::fs::Permissions::from_mode(0o700));
    assert!(world.kinds().is_empty());
    let _ = std::fs::set_permissions(world.folder.path(), std::fs::Permissions::from_mode(0o755));
    assert_eq!(world.kinds(), ["kubeconfig-world-readable"]);
    assert!(world.load().0.files[0].world_readable);
}

/// No secret of a kubeconfig reaches evidence, Debug or an error, and the scrubber knows all of them.
#[test]
fn no_secret_leaves() {
    let (certificate, key, _) = pki();
    let key_line = key.lines().nth(1).unwrap_or_default().to_owned();
    let (cert, key) = (b64(&certificate), b64(&key));
    let text = format!(
        "{}- name: v\n  user: {{username: x, password: CANARY-password}}\n- name: w\n  user: {{auth-provider: {{name: oidc, config: {{client-secret: CANARY-client, refresh-token: CANARY-refresh, id-token: CANARY-id}}}}}}\n- name: e\n  user:\n    exec:\n      apiVersion: client.authentication.k8s.io/v1\n      interactiveMode: Never\n      command: plug\n      args: [get-token, --oidc-client-secret=CANARY-arg, --password, CANARY-arg2]\n      env: [{{name: MY_SECRET, value: CANARY-env}}, {{name: PLAIN, value: hello}}]\n- name: k\n  user: {{client-certificate-data: {cert}, client-key-data: {key}}}\n",
        config(
            "{server: 'https://me:CANARY-url@127.0.0.1:6443', proxy-url: 'http://p:CANARY-proxy@proxy:3128'}",
            "{token: CANARY-token}"
        )
    );
    let mut world = World::with(&text);
    for user in ["u", "v", "w", "e", "k"] {
        world.flags.user = Some(user.to_owned());
        let (seen, outcome) = world.load();
        let resolved = outcome.unwrap_or_else(|failure| panic!("{}", failure.detail));
        let json = serde_json::to_string(&seen).unwrap_or_else(|error| panic!("{error}"));
        for shown in [json, format!("{resolved:?}"), format!("{:?}", resolved.user), format!("{seen:?}")] {
            assert!(!shown.contains("CANARY") && !shown.contains(&key_line) && !shown.contains(&key), "{shown}");
        }
    }
    for secret in [
        "CANARY-token",
        "CANARY-password",
        "CANARY-client",
        "CANARY-refresh",
        "CANARY-id",
        "CANARY-arg",
        "CANARY-arg2",
        "CANARY-env",
        "CANARY-url",
        "CANARY-proxy",
    ] {
        assert_eq!(world.scrubber.known_only(secret), REDACTED, "{secret}");
    }
    for broken in [
        text.replace("kind: Config", "kind: [Config"),
        text.replace("CANARY-token}", "CANARY-token"),
        text.replace("{token: CANARY-token}", "{token: *CANARY-token}"),
        text.replace("{token: CANARY-token}", "{token: CANARY-token: x: y}"),
        text.replace("{token: CANARY-token}", "{token: [CANARY-token]}"),
        text.replace("name: v", "name: u"),
        text.replace("6443'", "6443x'"),
        text.replace("http://p:", "ftp://p:"),
    ] {
        let mut world = World::with(&broken);
        world.flags.user = None;
        let (seen, outcome) = world.load();
        let failure = outcome.err().unwrap_or_else(|| panic!("no failure in {broken}"));
        let shown = format!("{failure:?} {}", serde_json::to_string(&seen).unwrap_or_default());
        assert!(!shown.contains("CANARY"), "{shown}");
    }
}

/// Whatever stands in an address beside host, port and path may be a secret.
/// kubectl 1.36 said `no such host` of them.
#[test]
fn an_address_that_only_the_url_standard_knows_is_a_name() {
    for host in ["127.1", "2130706433", "0x7f.0.0.1", "0177.0.0.1"] {
        let failure = World::with(&config(&format!("{{server: 'https://{host}:6443'}}"), "{}")).failure();
        assert!(failure.detail.starts_with(&format!("dial tcp: lookup {host}: no such host")), "{}", failure.detail);
    }
    for (server, host) in [("https://127.0.0.1:6443", "127.0.0.1"), ("10.0.0.1:6443", "10.0.0.1")] {
        let resolved = World::with(&config(&format!("{{server: '{server}'}}"), "{}")).resolved();
        assert_eq!(resolved.server.host_str(), Some(host));
    }
}

#[test]
fn addresses_are_shown_without_what_may_be_secret() {
    for (cluster, shown) in [
        (
            "{server: 'https://127.0.0.1:6443/k8s?token=CANARY-a&k=CANARY-b#CANARY-c'}",
            "https://127.0.0.1:6443/k8s?[redacted]",
        ),
        ("{server: 'https://127.0.0.1:6443/#CANARY-c'}", "https://127.0.0.1:6443/#[redacted]"),
        ("{server: 'https://me:hun/CANARY@127.0.0.1:6443'}", "https://127.0.0.1:6443"),
        ("{server: 'https://me:123/CANARY@127.0.0.1:6443'}", "https://me:123/[redacted]"),
    ] {
        let world = World::with(&config(cluster, "{}"));
        let (seen, outcome) = world.load();
        assert_eq!(seen.cluster.as_ref().map(|cluster| cluster.server.as_str()), Some(shown));
        let text = format!("{} {:?}", serde_json::to_string(&seen).unwrap_or_default(), outcome.err());
        assert!(!text.contains("CANARY"), "{text}");
    }
    let proxy = "{server: 'https://127.0.0.1:6443', proxy-url: 'http://bob:hun/CANARY@h:3128'}";
    let (seen, outcome) = World::with(&config(proxy, "{}")).load();
    assert_eq!(seen.cluster.as_ref().and_then(|cluster| cluster.proxy_url.as_deref()), Some("http://h:3128"));
    let text = format!("{} {outcome:?}", serde_json::to_string(&seen).unwrap_or_default());
    assert!(outcome.is_err() && !text.contains("CANARY"), "{text}");
}

/// A token in the place of a name is none that may be shown.
#[test]
fn a_token_that_stands_for_a_name_is_not_shown() {
    const TOKEN: &str = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9.CANARY-signature";
    let good = config(SERVER, "{token: x}");
    for text in [
        good.replace("current-context: a", &format!("current-context: {TOKEN}")),
        good.replace("user: u}", &format!("user: {TOKEN}}}")),
        good.replace("cluster: c,", &format!("cluster: {TOKEN},")),
        good.replace("name: a", &format!("name: {TOKEN}")).replace("context: a", &format!("context: {TOKEN}")),
        good.replace("name: u", &format!("name: {TOKEN}")).replace("user: u}", &format!("user: {TOKEN}}}")),
        config(SERVER, &format!("{{tokenFile: /nonexistent/{TOKEN}}}")),
    ] {
        let world = World::with(&text);
        let (seen, outcome) = world.load();
        let failure = outcome.err();
        let told = serde_json::to_string(&(&seen, &failure)).unwrap_or_default();
        assert!(!told.contains("CANARY"), "{told}");
        assert_eq!(world.scrubber.known_only(TOKEN), "[redacted]");
    }
}

/// A plugin has the environment of kaccess and may print it.
#[test]
fn secrets_of_the_own_environment_are_known() {
    let mut world = World::with(&config(SERVER, "{}"));
    for (name, value) in [
        ("AWS_SECRET_ACCESS_KEY", "canary-secret-key"),
        ("AWS_SESSION_TOKEN", "canary-session-token"),
        ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "/var/run/token-file"),
    ] {
        world.host.env.insert(name.into(), value.into());
    }
    world.resolved();
    let said = "canary-secret-key canary-session-token AKIAIOSFODNN7EXAMPLE /var/run/token-file";
    assert_eq!(world.scrubber.known_only(said), "[redacted] [redacted] AKIAIOSFODNN7EXAMPLE /var/run/token-file");
}

/// A file of preferences that kubectl takes.
fn preferences(rest: &str) -> String {
    format!("apiVersion: kubectl.config.k8s.io/v1beta1\nkind: Preference\n{rest}")
}

const PLUGIN: &str = "{exec: {apiVersion: client.authentication.k8s.io/v1, command: p, interactiveMode: Never}}";

#[test]
fn kubectls_preferences_are_read_where_kubectl_reads_them() {
    let mut world = World::with(&config(SERVER, PLUGIN));
    let policy = |world: &World| world.resolved().user.exec.map(|exec| exec.policy.kind).unwrap_or_default();
    assert_eq!(policy(&world), "");
    assert!(world.load().0.kuberc.is_none());
    std::fs::create_dir(world.folder.path().join(".kube")).unwrap_or_else(|error| panic!("{error}"));
    world.file(".kube/kuberc", preferences("credentialPluginPolicy: DenyAll").as_bytes());
    assert_eq!(policy(&world), "DenyAll");
    let seen = world.load().0.kuberc.unwrap_or_default();
    assert_eq!((seen.plugin_policy.as_deref(), seen.named), (Some("DenyAll"), false));
    assert!(seen.path.ends_with("/.kube/kuberc"), "{}", seen.path);

    // KUBERC goes before it, and turns it off, as the older switch does.
    let list = "credentialPluginPolicy: Allowlist\ncredentialPluginAllowlist: [{name: p}]";
    let named = world.file("other", preferences(list).as_bytes());
    for (name, value, kind) in [
        ("KUBERC", named.into_os_string(), "Allowlist"),
        ("KUBERC", OsString::from("off"), ""),
        ("KUBERC", OsString::new(), "DenyAll"),
        ("KUBECTL_KUBERC", OsString::from("False"), ""),
        ("KUBECTL_KUBERC", OsString::from("true"), "DenyAll"),
    ] {
        world.host.env = BTreeMap::from([(OsString::from(name), value.clone())]);
        assert_eq!(policy(&world), kind, "{name}={value:?}");
    }
}

#[test]
fn a_broken_preferences_file_stops_kubectl_only_where_it_is_named() {
    let mut world = World::with(&config(SERVER, PLUGIN));
    std::fs::create_dir(world.folder.path().join(".kube")).unwrap_or_else(|error| panic!("{error}"));
    let broken = world.file(".kube/kuberc", b"credentialPluginPolicy: DenyAll");
    assert_eq!(world.resolved().user.exec.map(|exec| exec.policy), Some(PluginPolicy::default()));
    let detail = world.load().0.kuberc.and_then(|kuberc| kuberc.detail).unwrap_or_default();
    assert!(detail.starts_with("no valid preferences found in "), "{detail}");

    world.host.env = BTreeMap::from([(OsString::from("KUBERC"), broken.into_os_string())]);
    let failure = world.failure();
    assert_eq!(
        failure.detail,
        "error occurred while applying preferences kuberc error kuberc: no valid preferences found in .kube/kuberc, use --v=5 to see details"
    );
    assert_eq!(failure.fault.map(|fault| fault.code).as_deref(), Some("kubeconfig-unparsable"));
    let absent = world.folder.path().join("absent").into_os_string();
    world.host.env = BTreeMap::from([(OsString::from("KUBERC"), absent)]);
    assert_eq!(
        world.failure().detail,
        "error occurred while applying preferences kuberc error kuberc: open absent: no such file or directory"
    );
    // A policy that it does not take stops it from any file.
    world.host.env = BTreeMap::new();
    world.file(".kube/kuberc", preferences("credentialPluginPolicy: Nope").as_bytes());
    assert_eq!(world.failure().detail, "error occurred while applying preferences unknown plugin policy: \"Nope\"");
}
