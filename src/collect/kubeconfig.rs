//! The kubeconfig as client-go loads, merges and refuses it, told in kubectl's words and without any secret.
//!
//! Sources are client-go's `tools/clientcmd` (loader.go, client_config.go, validation.go) and what kubectl 1.32 prints
//! for the same files. A fault that stops kubectl before it knows a server is a [`Failure`]; one that concerns only the
//! user's credential is kept in [`UserSecrets::failure`] and as a [`Problem`], so that the endpoint can still be examined.
//! [`Problem::kind`] is the code of the finding it leads to.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use url::Url;

use super::yaml::{self, Node, Reader, Value};
use super::{ClientIdentity, Roots};
use crate::evidence::kubeconfig::{self as evidence, Cluster, Exec, File, Kubeconfig, Problem, UserEntry};
use crate::evidence::{Failure, FailureKind};
use crate::host::Host;
use crate::secret::{REDACTED, Scrubber, Secret, without_userinfo};
use crate::text::distance;

/// Largest file that is read, in bytes.
const LARGEST: u64 = 4 * 1024 * 1024;

/// From this size on, in bytes, no file is one that somebody means to be read: kubectl would want it whole in memory.
const ABSURD: u64 = 1024 * 1024 * 1024;

/// Where a Pod finds its service account.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// The secrets of all users are given to the scrubber up to this many users; beyond it only the chosen user's, because
/// every further secret makes scrubbing slower.
const MOST_LEARNT: usize = 100;

/// What the command line says about the connection; `None` and empty mean "as the kubeconfig says". It has no Debug.
#[derive(Clone, Default)]
pub struct ConnectionFlags {
    /// `--kubeconfig`: the only file that is read, and it must exist.
    pub kubeconfig: Option<PathBuf>,
    /// `--context`.
    pub context: Option<String>,
    /// `--cluster`: entry used instead of the context's.
    pub cluster: Option<String>,
    /// `--user`: entry used instead of the context's.
    pub user: Option<String>,
    /// `--namespace`.
    pub namespace: Option<String>,
    /// `--server`; also clears the entry's `tls-server-name`, as in kubectl.
    pub server: Option<String>,
    /// `--token`.
    pub token: Option<Secret>,
    /// `--as`.
    pub impersonate: Option<String>,
    /// `--as-group`, each.
    pub impersonate_groups: Vec<String>,
    /// `--as-uid`.
    pub impersonate_uid: Option<String>,
    /// `--as-user-extra`, key and value.
    pub impersonate_extra: Vec<(String, String)>,
    /// `--certificate-authority`.
    pub certificate_authority: Option<PathBuf>,
    /// `--client-certificate`.
    pub client_certificate: Option<PathBuf>,
    /// `--client-key`.
    pub client_key: Option<PathBuf>,
    /// `--insecure-skip-tls-verify`.
    pub insecure_skip_tls_verify: bool,
    /// `--tls-server-name`.
    pub tls_server_name: Option<String>,
    /// `--request-timeout`; absent for none.
    pub request_timeout: Option<Duration>,
}

/// Whom requests act as (Impersonate-* headers).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Impersonation {
    /// Impersonate-User. Flags may give groups without a user; the entry may not.
    pub user: Option<String>,
    /// Impersonate-Uid.
    pub uid: Option<String>,
    /// Impersonate-Group, each.
    pub groups: Vec<String>,
    /// Impersonate-Extra-*: key and value, a key may come again.
    pub extra: Vec<(String, String)>,
}

/// A credential plugin as the user entry describes it, its path resolved. Debug shows the command only.
#[derive(Clone)]
pub struct ExecConfig {
    /// The command; a relative path with a separator is already made absolute against the kubeconfig's folder.
    pub command: String,
    /// Arguments.
    pub args: Vec<Secret>,
    /// Environment variables added to the process' own.
    pub env: Vec<(String, Secret)>,
    /// `client.authentication.k8s.io/v1` or `…/v1beta1`; others are refused when it is to be run.
    pub api_version: String,
    /// What the author of the kubeconfig says about a missing plugin.
    pub install_hint: Option<String>,
    /// Whether the plugin is told about the cluster.
    pub provide_cluster_info: bool,
    /// `IfAvailable`, `Never` or `Always`.
    pub interactive_mode: String,
    /// The cluster's extension `client.authentication.k8s.io/exec`, passed on with the cluster.
    pub cluster_config: Option<serde_json::Value>,
    /// The cluster entry's `disable-compression`, passed on with the cluster.
    pub disable_compression: bool,
}

impl std::fmt::Debug for ExecConfig {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("ExecConfig").field("command", &self.command).finish_non_exhaustive()
    }
}

/// The user's ways to authenticate, after client-go's precedence.
#[derive(Debug, Clone, Default)]
pub struct UserSecrets {
    /// Bearer token of the entry, the flag or an oidc auth-provider. With `token_file` only its fall-back.
    pub token: Option<Secret>,
    /// File whose trimmed content is the token.
    pub token_file: Option<PathBuf>,
    /// Client certificate with key.
    pub client_identity: Option<ClientIdentity>,
    /// User name and password.
    pub basic: Option<(String, Secret)>,
    /// The plugin; absent where another credential disables it.
    pub exec: Option<ExecConfig>,
    /// Name of the user entry; empty when there is none.
    pub name: String,
    /// Where this comes from: `user "alice" in FILE`.
    pub origin: String,
    /// What the credential will be called: `flag`, `token`, `tokenFile`, `inCluster`, `exec`, `basic`,
    /// `clientCertificate` or `none`.
    pub source: String,
    /// Ways that are in force, in the evidence's words (`token`, `tokenFile`, `clientCertificate`, `exec`, `basic`,
    /// `authProvider`).
    pub methods: Vec<String>,
    /// Why kubectl would not start with this user entry, if it would not.
    pub failure: Option<Failure>,
}

/// Everything needed to talk to the API server. Debug shows no secret.
#[derive(Clone)]
pub struct Resolved {
    /// The server, without userinfo.
    pub server: Url,
    /// The roots that judge it.
    pub roots: Roots,
    /// Verification is switched off.
    pub insecure: bool,
    /// Name for SNI and verification instead of the host.
    pub tls_server_name: Option<String>,
    /// Proxy of the cluster entry, with its userinfo.
    pub proxy_url: Option<String>,
    /// Namespace questions are asked in.
    pub namespace: String,
    /// Name of the context used, if one was.
    pub context: Option<String>,
    /// The user's secrets.
    pub user: UserSecrets,
    /// Whom requests act as.
    pub impersonation: Impersonation,
}

impl std::fmt::Debug for Resolved {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Resolved")
            .field("server", &self.server.as_str())
            .field("context", &self.context)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// Loads and merges the kubeconfig and chooses context, cluster and user as kubectl would.
///
/// The evidence is filled as far as loading came, also when it failed.
///
/// # Errors
/// The [`Failure`] that stops kubectl (or sends it to `http://localhost:8080`), in kubectl's words and with file and line.
pub fn load(host: &Host, flags: &ConnectionFlags, scrubber: &Scrubber) -> (Kubeconfig, Result<Resolved, Failure>) {
    load_from(host, flags, scrubber, Path::new(SERVICE_ACCOUNT))
}

fn load_from(
    host: &Host,
    flags: &ConnectionFlags,
    scrubber: &Scrubber,
    service_account: &Path,
) -> (Kubeconfig, Result<Resolved, Failure>) {
    let mut loader = Loader { host, flags, scrubber, service_account, seen: Kubeconfig::default() };
    let outcome = loader.resolve();
    (loader.seen, outcome)
}

/// A named entry and where it stands.
#[derive(Clone)]
struct Entry<T> {
    name: String,
    file: String,
    line: u64,
    value: T,
}

#[derive(Clone, Default)]
struct RawContext {
    cluster: String,
    user: String,
    namespace: String,
}

#[derive(Clone, Default)]
struct RawCluster {
    server: String,
    tls_server_name: String,
    insecure: bool,
    ca: String,
    ca_data: Vec<u8>,
    proxy_url: String,
    disable_compression: bool,
    exec_extension: Option<serde_json::Value>,
    lines: BTreeMap<String, u64>,
}

#[derive(Clone, Default)]
struct RawUser {
    client_certificate: String,
    client_certificate_data: Vec<u8>,
    client_key: String,
    client_key_data: Vec<u8>,
    token: String,
    token_file: String,
    impersonate: String,
    impersonate_uid: String,
    impersonate_groups: Vec<String>,
    impersonate_extra: Vec<(String, String)>,
    username: String,
    password: String,
    auth_provider: Option<(String, BTreeMap<String, String>)>,
    exec: Option<RawExec>,
    lines: BTreeMap<String, u64>,
}

#[derive(Clone, Default)]
struct RawExec {
    command: String,
    args: Vec<String>,
    env: Vec<(String, String)>,
    api_version: String,
    install_hint: String,
    provide_cluster_info: bool,
    interactive_mode: String,
}

/// One file, typed.
#[derive(Default)]
struct RawConfig {
    current_context: String,
    contexts: Vec<Entry<RawContext>>,
    clusters: Vec<Entry<RawCluster>>,
    users: Vec<Entry<RawUser>>,
}

/// A fault in a file: kubectl's words and the line.
struct Fault {
    kind: FailureKind,
    text: String,
    line: Option<u64>,
}

struct Loader<'a> {
    host: &'a Host,
    flags: &'a ConnectionFlags,
    scrubber: &'a Scrubber,
    service_account: &'a Path,
    seen: Kubeconfig,
}

impl Loader<'_> {
    fn resolve(&mut self) -> Result<Resolved, Failure> {
        if let Some(token) = &self.flags.token {
            self.scrubber.learn_secret(token);
        }
        self.seen.source = "files".to_owned();
        self.learn_environment();
        let merged = self.merge_files()?;
        self.learn_users(&merged.users);
        self.learn_names(&merged);
        self.seen.contexts = merged.contexts.iter().map(|entry| self.scrubber.known_only(&entry.name)).collect();

        let context = self.choose_context(&merged)?;
        let flags = self.flags;
        let (cluster_name, user_name) = (
            set(&flags.cluster).or(context.as_ref().map(|c| c.value.cluster.as_str()).filter(|name| !name.is_empty())),
            set(&flags.user).or(context.as_ref().map(|c| c.value.user.as_str()).filter(|name| !name.is_empty())),
        );
        let cluster = cluster_name.and_then(|name| find(&merged.clusters, name));
        let user = user_name.and_then(|name| find(&merged.users, name));
        if let (Some(name), None) = (set(&flags.cluster), cluster) {
            let detail = format!("cluster \"{name}\" does not exist");
            let failure = missing(FailureKind::ClusterNotFound, detail, name, &merged.clusters);
            return Err(self.refuse("context-cluster-missing", failure, None, None));
        }
        if let (Some(name), None) = (set(&flags.user), user) {
            let failure =
                missing(FailureKind::UserNotFound, format!("auth info \"{name}\" does not exist"), name, &merged.users);
            return Err(self.refuse("context-user-missing", failure, None, None));
        }

        let namespace = set(&flags.namespace)
            .or(context.as_ref().map(|c| c.value.namespace.as_str()).filter(|name| !name.is_empty()))
            .map(str::to_owned);
        self.seen.context = context.as_ref().map(|entry| self.scrubber.known_only(&entry.name));
        self.seen.context_named = set(&flags.context).is_some_and(|name| merged.current_context != name);
        self.seen.namespace = namespace.clone().unwrap_or_else(|| "default".to_owned());

        let effective = self.effective_cluster(cluster.map(|entry| &entry.value));
        if effective.server.is_empty() {
            if let Some(resolved) = self.in_cluster(namespace)? {
                return Ok(resolved);
            }
            return Err(self.no_server(&merged, context.as_ref(), cluster_name, cluster));
        }
        if cluster.is_none() && context.is_none() && user.is_none() {
            self.seen.source = "flags".to_owned();
        }
        let file = cluster.map(|entry| entry.file.clone()).unwrap_or_default();
        let name = cluster_name.unwrap_or_default();
        let server = self.cluster(&effective, name, &file)?;

        let token_given = flags.token.is_some() || flags.client_certificate.is_some();
        if let (Some(name), None, false) = (user_name, user, token_given) {
            let of = context.as_ref().map(|entry| entry.name.clone()).unwrap_or_default();
            let detail = format!(
                "user \"{name}\" was not found for context \"{of}\"; kubectl would ask `Please enter Username:`"
            );
            let failure = missing(FailureKind::UserNotFound, detail, name, &merged.users);
            let (file, line) = context.as_ref().map(|entry| (entry.file.clone(), entry.line)).unzip();
            return Err(self.refuse("context-user-missing", failure, file, line));
        }
        let empty = Entry { name: String::new(), file: String::new(), line: 0, value: RawUser::default() };
        let user = user.unwrap_or(&empty);
        let (mut secrets, impersonation) = self.user(user, &effective);
        if server.url.scheme() == "http" {
            self.withhold(&mut secrets);
        } else if let (Some(basic), "none") = (server.userinfo, secrets.source.as_str()) {
            // Go's HTTP client sends a URL's userinfo as Basic when nothing else sets Authorization.
            secrets.basic = Some(basic);
            secrets.source = "basic".to_owned();
            secrets.origin = "the server URL's user name and password".to_owned();
        }
        Ok(Resolved {
            server: server.url,
            roots: server.roots,
            insecure: effective.insecure,
            tls_server_name: some(&effective.tls_server_name),
            proxy_url: some(&effective.proxy_url),
            namespace: self.seen.namespace.clone(),
            context: context.map(|entry| entry.name),
            user: secrets,
            impersonation,
        })
    }

    // ----- files

    fn merge_files(&mut self) -> Result<RawConfig, Failure> {
        let explicit = self.flags.kubeconfig.as_ref().filter(|path| !path.as_os_str().is_empty());
        let paths: Vec<PathBuf> = match explicit {
            Some(path) => vec![path.clone()],
            None => self.listed(),
        };
        let mut merged = RawConfig::default();
        let mut faults: Vec<(String, Fault)> = Vec::new();
        for path in paths {
            let shown = path.to_string_lossy().into_owned();
            let loaded = self.read_config(&path, &shown);
            let (state, detail) = match &loaded {
                Ok(_) => ("read", None),
                Err(fault) => {
                    let state = match fault.kind {
                        FailureKind::NotFound => "missing",
                        FailureKind::Malformed => "malformed",
                        _ => "unreadable",
                    };
                    (state, Some(self.scrubber.text(&fault.text)))
                }
            };
            let world_readable = loaded.as_ref().is_ok_and(|config| self.judge_mode(&path, &shown, config));
            self.seen.files.push(File { path: shown.clone(), state: state.to_owned(), detail, world_readable });
            match loaded {
                Ok(config) => self.merge(&mut merged, config),
                Err(fault) if fault.kind == FailureKind::NotFound => {
                    if explicit.is_some() {
                        let failure =
                            Failure::new(FailureKind::NotFound, format!("stat {shown}: no such file or directory"));
                        return Err(self.refuse("kubeconfig-not-found", failure, Some(shown), None));
                    }
                }
                Err(fault) => faults.push((shown, fault)),
            }
        }
        if faults.is_empty() {
            return Ok(merged);
        }
        let texts: Vec<String> = faults
            .iter()
            .map(|(file, fault)| format!("error loading config file \"{file}\": {}", self.scrubber.text(&fault.text)))
            .collect();
        let detail = if texts.len() == 1 { texts[0].clone() } else { format!("[{}]", texts.join(", ")) };
        let mut failure = Failure::new(faults[0].1.kind, detail);
        for (place, (file, fault)) in faults.into_iter().enumerate() {
            let at = fault.line.map_or_else(|| file.clone(), |line| format!("{file}:{line}"));
            if place == 0 {
                failure = failure.sides("a kubeconfig (kind: Config, apiVersion: v1)", format!("fault at {at}"));
            }
            self.problem("kubeconfig-unparsable", texts[place].clone(), Some(file), fault.line);
        }
        Err(failure)
    }

    /// The files of KUBECONFIG, each once, or the one in the home directory.
    fn listed(&self) -> Vec<PathBuf> {
        let list = self.host.env.get(std::ffi::OsStr::new("KUBECONFIG")).filter(|list| !list.is_empty());
        let Some(list) = list else {
            return self.host.home.iter().map(|home| home.join(".kube").join("config")).collect();
        };
        let mut paths: Vec<PathBuf> = Vec::new();
        for path in std::env::split_paths(list) {
            if !path.as_os_str().is_empty() && !paths.contains(&path) {
                paths.push(path);
            }
        }
        paths
    }

    fn read_config(&mut self, path: &Path, shown: &str) -> Result<RawConfig, Fault> {
        let bytes =
            read_limited(path).map_err(|failure| Fault { kind: failure.kind, text: failure.detail, line: None })?;
        if bytes.is_empty() {
            return Ok(RawConfig::default());
        }
        parse_config(&bytes, shown)
    }

    /// Whether the file holds secrets and everybody on the machine can read it: the folders above may keep them out.
    fn judge_mode(&mut self, path: &Path, shown: &str, config: &RawConfig) -> bool {
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let holds_secret = config.users.iter().any(|entry| {
                let user = &entry.value;
                !user.token.is_empty() || !user.client_key_data.is_empty() || !user.password.is_empty()
            });
            let Ok(data) = std::fs::metadata(path) else { return false };
            let mode = data.permissions().mode();
            let open = || {
                let Ok(whole) = std::fs::canonicalize(path) else { return false };
                whole
                    .ancestors()
                    .skip(1)
                    .all(|folder| std::fs::metadata(folder).is_ok_and(|data| data.permissions().mode() & 0o001 != 0))
            };
            if data.is_file() && mode & 0o004 != 0 && holds_secret && open() {
                let detail = format!(
                    "{shown} holds secrets and every user of this machine can read it (mode {:04o})",
                    mode & 0o7777
                );
                self.problem("kubeconfig-world-readable", detail, Some(shown.to_owned()), None);
                return true;
            }
        }
        #[cfg(not(unix))]
        let _ = (path, shown, config);
        false
    }

    /// Entry-wise, the first file wins; the first non-empty current-context wins.
    fn merge(&mut self, into: &mut RawConfig, from: RawConfig) {
        if into.current_context.is_empty() {
            into.current_context = from.current_context;
        }
        let mut doubles: Vec<(&str, String, String, String, u64)> = Vec::new();
        add(&mut into.contexts, from.contexts, "context", &mut doubles);
        add(&mut into.clusters, from.clusters, "cluster", &mut doubles);
        add(&mut into.users, from.users, "user", &mut doubles);
        for (what, name, first, second, line) in doubles {
            let detail = format!("{what} \"{name}\" stands in {first} and in {second}; the first one is used");
            self.problem("kubeconfig-duplicate-entry", detail, Some(second), Some(line));
        }
    }

    fn learn_users(&self, users: &[Entry<RawUser>]) {
        for entry in users.iter().take(MOST_LEARNT) {
            self.learn_user(&entry.value);
        }
    }

    /// What this process was given to keep for itself: a plugin inherits it, and plugins print what they got.
    fn learn_environment(&self) {
        for (name, value) in &self.host.env {
            if let (Some(name), Some(value)) = (name.to_str(), value.to_str())
                && names_secret(name)
                && !is_setting(name, value)
            {
                self.scrubber.learn(value);
            }
        }
    }

    /// Tokens that stand where names belong.
    fn learn_names(&self, merged: &RawConfig) {
        let flags = self.flags;
        let chosen =
            [set(&flags.context), set(&flags.cluster), set(&flags.user), Some(merged.current_context.as_str())];
        let contexts = merged.contexts.iter().take(MOST_LEARNT);
        let contexts = contexts.flat_map(|entry| [&entry.name, &entry.value.cluster, &entry.value.user]);
        let clusters = merged.clusters.iter().take(MOST_LEARNT).map(|entry| &entry.name);
        let users = merged.users.iter().take(MOST_LEARNT).map(|entry| &entry.name);
        let entries = contexts.chain(clusters).chain(users).map(String::as_str);
        chosen.into_iter().flatten().chain(entries).for_each(|name| self.scrubber.learn_misplaced(name));
    }

    fn learn_user(&self, user: &RawUser) {
        let learn = |text: &str| self.scrubber.learn(text);
        for path in [&user.token_file, &user.client_certificate, &user.client_key] {
            let file = Path::new(path).file_name().unwrap_or_default();
            self.scrubber.learn_misplaced(&file.to_string_lossy());
        }
        learn(&user.token);
        learn(&user.password);
        if !user.client_key_data.is_empty() {
            learn(&base64::engine::general_purpose::STANDARD.encode(&user.client_key_data));
            learn(&String::from_utf8_lossy(&user.client_key_data));
        }
        if let Some((_, config)) = &user.auth_provider {
            for (key, value) in config {
                if ["token", "secret", "password", "key"].iter().any(|word| key.to_ascii_lowercase().contains(word)) {
                    learn(value);
                }
            }
        }
        if let Some(exec) = &user.exec {
            for (name, value) in &exec.env {
                // What a plugin is given in its environment may be a secret under any name, and plugins print what they got.
                if names_secret(name) || !is_setting(name, value) {
                    learn(value);
                }
            }
            for value in secret_arguments(&exec.args) {
                learn(&value);
            }
        }
    }

    // ----- choosing

    fn choose_context(&mut self, merged: &RawConfig) -> Result<Option<Entry<RawContext>>, Failure> {
        let wanted = set(&self.flags.context).or(Some(merged.current_context.as_str()).filter(|name| !name.is_empty()));
        let Some(name) = wanted else { return Ok(None) };
        if let Some(entry) = find(&merged.contexts, name) {
            return Ok(Some(entry.clone()));
        }
        let mut detail = format!("context was not found for specified context: {name}");
        if let Some(near) = nearest(name, merged.contexts.iter().map(|entry| entry.name.as_str())) {
            detail.push_str(&format!(" (did you mean \"{near}\"?)"));
        }
        let failure = missing(FailureKind::ContextNotFound, detail, name, &merged.contexts);
        Err(self.refuse("context-not-found", failure, None, None))
    }

    /// The cluster entry under the flags, by client-go's rules (client_config.go, getCluster).
    fn effective_cluster(&self, entry: Option<&RawCluster>) -> RawCluster {
        let flags = self.flags;
        let mut cluster = entry.cloned().unwrap_or_default();
        if let Some(server) = set(&flags.server) {
            cluster.server = server.to_owned();
        }
        let authority = flags.certificate_authority.as_ref().map(|path| path.to_string_lossy().into_owned());
        let authority = authority.filter(|path| !path.is_empty());
        if flags.insecure_skip_tls_verify || authority.is_some() {
            cluster.insecure = flags.insecure_skip_tls_verify;
            cluster.ca = authority.unwrap_or_default();
            cluster.ca_data = Vec::new();
        }
        // A server given by hand gets no server name from the entry.
        if set(&flags.tls_server_name).is_some() || set(&flags.server).is_some() {
            cluster.tls_server_name = flags.tls_server_name.clone().unwrap_or_default();
        }
        cluster
    }

    /// Why there is no server, where kubectl goes to localhost:8080.
    fn no_server(
        &mut self,
        merged: &RawConfig,
        context: Option<&Entry<RawContext>>,
        cluster_name: Option<&str>,
        cluster: Option<&Entry<RawCluster>>,
    ) -> Failure {
        const FALLS_BACK: &str = "kubectl would fall back to http://localhost:8080";
        let (file, line) = context.map(|entry| (entry.file.clone(), entry.line)).unzip();
        if let (Some(name), Some(entry)) = (cluster_name, cluster) {
            let detail = format!("no server found for cluster \"{name}\"; {FALLS_BACK}");
            let failure = Failure::new(FailureKind::Malformed, detail);
            return self.refuse("kubeconfig-unparsable", failure, Some(entry.file.clone()), Some(entry.line));
        }
        if let (Some(context), Some(name)) = (context, cluster_name) {
            let detail = format!("cluster \"{name}\" was not found for context \"{}\"; {FALLS_BACK}", context.name);
            let failure = missing(FailureKind::ClusterNotFound, detail, name, &merged.clusters);
            return self.refuse("context-cluster-missing", failure, file, line);
        }
        if let Some(context) = context {
            let detail = format!("cluster was not specified for context \"{}\"; {FALLS_BACK}", context.name);
            let failure = missing(FailureKind::ClusterNotFound, detail, "", &merged.clusters);
            return self.refuse("context-cluster-missing", failure, file, line);
        }
        if !merged.contexts.is_empty() {
            let detail = format!("current-context is not set; {FALLS_BACK}");
            let failure = missing(FailureKind::ContextUnset, detail, "", &merged.contexts);
            let file = self.seen.files.iter().find(|file| file.state == "read").map(|file| file.path.clone());
            return self.refuse("current-context-unset", failure, file, None);
        }
        let mut places: Vec<String> = self
            .seen
            .files
            .iter()
            .map(|file| match file.state.as_str() {
                "read" => format!("{} (holds no context)", file.path),
                state => format!("{} ({state})", file.path),
            })
            .collect();
        if self.host.home.is_none() && self.host.var("KUBECONFIG").is_none() {
            places.push("~/.kube/config (there is no home directory)".to_owned());
        }
        places.push(if self.host.var("KUBERNETES_SERVICE_HOST").is_some() {
            format!("the Pod's service account ({}/token is not there)", self.service_account.display())
        } else {
            "a Pod's service account (KUBERNETES_SERVICE_HOST is not set)".to_owned()
        });
        let detail = format!("no kubeconfig found; looked at {}; {FALLS_BACK}", places.join(", "));
        let mut failure = Failure::new(FailureKind::NotFound, detail);
        if self.seen.files.iter().any(|file| file.path.starts_with('~')) {
            failure = failure.needs("a path without `~` in KUBECONFIG: only an unquoted `~` is expanded, by the shell");
        }
        self.refuse("kubeconfig-not-found", failure, None, None)
    }

    /// client-go's in-cluster configuration, where a Pod has one.
    fn in_cluster(&mut self, namespace: Option<String>) -> Result<Option<Resolved>, Failure> {
        let token_file = self.service_account.join("token");
        let (Some(name), Some(port)) =
            (self.host.var("KUBERNETES_SERVICE_HOST"), self.host.var("KUBERNETES_SERVICE_PORT"))
        else {
            return Ok(None);
        };
        if !std::fs::metadata(&token_file).is_ok_and(|data| !data.is_dir()) {
            return Ok(None);
        }
        self.seen.source = "in-cluster".to_owned();
        let address =
            if name.contains(':') { format!("https://[{name}]:{port}") } else { format!("https://{name}:{port}") };
        let authority = match &self.flags.certificate_authority {
            Some(path) => path.clone(),
            None => self.service_account.join("ca.crt"),
        };
        let mut cluster = RawCluster { server: address, ..RawCluster::default() };
        cluster.tls_server_name = self.flags.tls_server_name.clone().unwrap_or_default();
        cluster.insecure = self.flags.insecure_skip_tls_verify;
        if !cluster.insecure {
            match read_limited(&authority) {
                Ok(bytes) => cluster.ca_data = bytes,
                // client-go logs that and goes on with the system's roots.
                Err(failure) => {
                    let detail = format!(
                        "Expected to load root CA config from {}, but got err: {}",
                        authority.display(),
                        failure.detail
                    );
                    self.problem(
                        "kubeconfig-ca-unparsable",
                        detail,
                        Some(authority.to_string_lossy().into_owned()),
                        None,
                    );
                }
            }
        }
        let server = self.cluster(&cluster, "", "")?;
        if let Some(seen) = &mut self.seen.cluster {
            seen.file = self.service_account.to_string_lossy().into_owned();
            seen.certificate_authority =
                (!cluster.ca_data.is_empty()).then(|| authority.to_string_lossy().into_owned());
        }
        let namespace = namespace
            .or_else(|| self.host.var("POD_NAMESPACE").map(str::to_owned))
            .or_else(|| {
                let bytes = read_limited(&self.service_account.join("namespace")).ok()?;
                some(String::from_utf8_lossy(&bytes).trim())
            })
            .unwrap_or_else(|| "default".to_owned());
        self.seen.namespace = namespace.clone();
        let mut user = UserSecrets {
            token_file: Some(token_file.clone()),
            origin: format!("service account token in {}", token_file.display()),
            source: "inCluster".to_owned(),
            methods: vec!["tokenFile".to_owned()],
            ..UserSecrets::default()
        };
        if let Some(token) = &self.flags.token {
            user.token = Some(token.clone());
            user.token_file = None;
            user.origin = "--token".to_owned();
            user.source = "flag".to_owned();
            user.methods = vec!["token".to_owned()];
        }
        let impersonation = self.impersonation(&RawUser::default());
        self.seen.user = Some(UserEntry {
            file: self.service_account.to_string_lossy().into_owned(),
            methods: vec!["tokenFile".to_owned()],
            impersonate: impersonation.user.clone(),
            impersonate_groups: impersonation.groups.clone(),
            ..UserEntry::default()
        });
        Ok(Some(Resolved {
            server: server.url,
            roots: server.roots,
            insecure: cluster.insecure,
            tls_server_name: some(&cluster.tls_server_name),
            proxy_url: None,
            namespace,
            context: None,
            user,
            impersonation,
        }))
    }

    // ----- the cluster entry

    /// Checks the effective cluster entry and writes it down.
    fn cluster(&mut self, cluster: &RawCluster, name: &str, file: &str) -> Result<Server, Failure> {
        let at = |field: &str| cluster.lines.get(field).copied();
        let file_name = some(file);
        let shown = self.without_userinfo(&cluster.server);
        let proxy = some(&cluster.proxy_url).map(|proxy| self.without_userinfo(&proxy));
        let has_data = !cluster.ca_data.is_empty();
        self.seen.cluster = Some(Cluster {
            name: self.scrubber.known_only(name),
            file: file.to_owned(),
            server: shown.clone(),
            certificate_authority: if has_data { Some("data".to_owned()) } else { some(&cluster.ca) },
            authorities: Vec::new(),
            insecure_skip_tls_verify: cluster.insecure,
            tls_server_name: some(&cluster.tls_server_name),
            proxy_url: proxy.clone(),
        });

        if let Some(proxy) = &proxy {
            let complaint = match Url::parse(&cluster.proxy_url) {
                Ok(url) if matches!(url.scheme(), "http" | "https" | "socks5") => None,
                Ok(url) => Some(format!("unsupported scheme \"{}\", must be http, https, or socks5", url.scheme())),
                Err(_) => Some(format!("could not parse: {proxy}")),
            };
            if let Some(complaint) = complaint {
                let detail = format!("invalid 'proxy-url' \"{proxy}\" for cluster \"{name}\": {complaint}");
                let failure = Failure::new(FailureKind::Malformed, detail)
                    .sides("http://, https:// or socks5:// and a host", proxy);
                return Err(self.refuse("kubeconfig-unparsable", failure, file_name, at("proxy-url")));
            }
        }
        if has_data && !cluster.ca.is_empty() {
            let detail = format!(
                "certificate-authority-data and certificate-authority are both specified for {name}. certificate-authority-data will override."
            );
            let failure = Failure::new(FailureKind::Malformed, detail);
            return Err(self.refuse("kubeconfig-ca-unparsable", failure, file_name, at("certificate-authority")));
        }
        let authority = if has_data {
            Some(cluster.ca_data.clone())
        } else if cluster.ca.is_empty() {
            None
        } else {
            match read_limited(Path::new(&cluster.ca)) {
                Ok(bytes) => Some(bytes),
                Err(failure) => {
                    let detail = format!(
                        "unable to read certificate-authority {} for {name} due to {}",
                        cluster.ca, failure.detail
                    );
                    let failure = Failure::new(failure.kind, detail);
                    return Err(self.refuse(
                        "credential-file-missing",
                        failure,
                        file_name,
                        at("certificate-authority"),
                    ));
                }
            }
        };
        if authority.is_some() && cluster.insecure {
            let detail = "specifying a root certificates file with the insecure flag is not allowed";
            let failure = Failure::new(FailureKind::Malformed, detail)
                .sides("either a certificate authority or insecure-skip-tls-verify", "both");
            return Err(self.refuse("insecure-with-ca", failure, file_name, at("insecure-skip-tls-verify")));
        }
        if cluster.insecure {
            let detail = "insecure-skip-tls-verify is on: whoever answers at the server's address gets the credential";
            self.problem("tls-verification-off", detail.to_owned(), file_name.clone(), at("insecure-skip-tls-verify"));
        }
        let (url, userinfo) = match self.server_url(&cluster.server) {
            Ok(parts) => parts,
            Err(detail) => {
                let failure = Failure::new(FailureKind::Malformed, detail).sides("https://HOST:PORT", &shown);
                return Err(self.refuse("kubeconfig-unparsable", failure, file_name, at("server")));
            }
        };
        let roots = match authority {
            None => Roots::System,
            Some(bytes) => match check_authority(&bytes) {
                Ok(()) => Roots::Pem { pem: String::from_utf8_lossy(&bytes).into_owned(), label: "kubeconfig" },
                Err(complaint) => {
                    let failure =
                        Failure::new(FailureKind::Malformed, format!("unable to load root certificates: {complaint}"))
                            .sides("PEM blocks of type CERTIFICATE", complaint);
                    let field = if has_data { "certificate-authority-data" } else { "certificate-authority" };
                    return Err(self.refuse("kubeconfig-ca-unparsable", failure, file_name, at(field)));
                }
            },
        };
        Ok(Server { url, roots, userinfo })
    }

    /// client-go's DefaultServerURL. Without a scheme it is http whatever the entry says of TLS: clientcmd asks for the
    /// scheme before it reads CA and user, and reads neither where it is http.
    fn server_url(&self, server: &str) -> Result<(Url, Option<(String, Secret)>), String> {
        let refused = || format!("host must be a URL or a host:port pair: \"{}\"", self.without_userinfo(server));
        let full = if server.contains("://") { server.to_owned() } else { format!("http://{server}") };
        // Go refuses what WHATWG parsing would repair.
        if server.bytes().any(|byte| byte < b' ' || byte == 0x7f) {
            return Err(format!("net/url: invalid control character in URL {:?}", self.without_userinfo(server)));
        }
        if server.chars().any(|c| c.is_whitespace() || c.is_control()) || full.contains(":///") {
            return Err(refused());
        }
        let mut url = Url::parse(&full).map_err(|_| refused())?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(format!("unsupported protocol scheme \"{}\"", url.scheme()));
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(refused());
        }
        let userinfo = url.password().map(|password| {
            let decode = |text: &str| {
                let pair = format!("x={}", text.replace('+', "%2B"));
                url::form_urlencoded::parse(pair.as_bytes())
                    .next()
                    .map(|(_, value)| value.into_owned())
                    .unwrap_or_default()
            };
            (decode(url.username()), Secret::new(decode(password)))
        });
        if let Some((_, password)) = &userinfo {
            self.scrubber.learn_secret(password);
        }
        let _ = url.set_username("");
        let _ = url.set_password(None);
        url.set_query(None);
        url.set_fragment(None);
        Ok((url, userinfo))
    }

    /// An address without user name, password and what it asks with; the password is learnt.
    fn without_userinfo(&self, address: &str) -> String {
        let (mut cleaned, userinfo) = without_userinfo(address);
        if let Some(userinfo) = userinfo {
            self.scrubber.learn(userinfo.split_once(':').map_or(userinfo, |(_, password)| password));
        }
        let host = cleaned.find("://").map_or(0, |at| at + 3);
        // kubectl leaves both out, and a token may stand in them.
        if let Some(at) = cleaned[host..].find(['?', '#']).map(|at| host + at) {
            for pair in cleaned[at + 1..].split(['?', '#', '&']) {
                for (name, value) in url::form_urlencoded::parse(pair.as_bytes()) {
                    if names_secret(&name) {
                        self.scrubber.learn(&value);
                    }
                }
            }
            cleaned.truncate(at + 1);
            cleaned.push_str(REDACTED);
        }
        // No path of an API server or a proxy holds an `@`: it is a password with a slash behind digits.
        let path = cleaned[host..].find('/').map(|at| host + at + 1);
        if let Some((from, to)) = path.and_then(|from| Some((from, from + cleaned[from..].rfind('@')?))) {
            self.scrubber.learn(&cleaned[from..to]);
            cleaned.truncate(from);
            cleaned.push_str(REDACTED);
        }
        self.scrubber.known_only(&cleaned)
    }

    // ----- the user entry

    fn impersonation(&self, user: &RawUser) -> Impersonation {
        let flags = self.flags;
        let mut extra = user.impersonate_extra.clone();
        extra.retain(|(key, _)| !flags.impersonate_extra.iter().any(|(other, _)| other == key));
        extra.extend(flags.impersonate_extra.iter().cloned());
        Impersonation {
            user: set(&flags.impersonate).map(str::to_owned).or_else(|| some(&user.impersonate)),
            uid: set(&flags.impersonate_uid).map(str::to_owned).or_else(|| some(&user.impersonate_uid)),
            groups: if flags.impersonate_groups.is_empty() {
                user.impersonate_groups.clone()
            } else {
                flags.impersonate_groups.clone()
            },
            extra,
        }
    }

    fn user(&mut self, entry: &Entry<RawUser>, cluster: &RawCluster) -> (UserSecrets, Impersonation) {
        let flags = self.flags;
        let user = &entry.value;
        let name = entry.name.as_str();
        self.learn_user(user);
        let file = some(&entry.file);
        let at = |field: &str| user.lines.get(field).copied();
        let entry_has_cert = !user.client_certificate.is_empty() || !user.client_certificate_data.is_empty();
        let has_basic = !user.username.is_empty() || !user.password.is_empty();

        let mut methods: Vec<String> = Vec::new();
        for (there, method) in [
            (!user.token.is_empty(), "token"),
            (!user.token_file.is_empty(), "tokenFile"),
            (entry_has_cert, "clientCertificate"),
            (user.exec.is_some(), "exec"),
            (has_basic, "basic"),
            (user.auth_provider.is_some(), "authProvider"),
        ] {
            if there {
                methods.push(method.to_owned());
            }
        }
        let impersonation = self.impersonation(user);
        self.seen.user = Some(UserEntry {
            name: self.scrubber.known_only(name),
            file: entry.file.clone(),
            methods: methods.clone(),
            exec: user.exec.as_ref().map(|exec| Exec {
                command: self.scrubber.text(&exec.command),
                args: scrub_args(&exec.args, self.scrubber),
                env: exec.env.iter().map(|(name, _)| self.scrubber.text(name)).collect(),
                api_version: self.scrubber.text(&exec.api_version),
                install_hint: some(&self.scrubber.text_limited(&exec.install_hint, 2_000)),
                interactive_mode: some(&self.scrubber.text(&exec.interactive_mode)),
            }),
            impersonate: impersonation.user.as_deref().map(|user| self.scrubber.known_only(user)),
            impersonate_groups: impersonation.groups.iter().map(|group| self.scrubber.known_only(group)).collect(),
        });

        let mut secrets = UserSecrets {
            name: name.to_owned(),
            origin: if name.is_empty() {
                "no user entry".to_owned()
            } else {
                format!("user \"{}\" in {}", self.scrubber.known_only(name), entry.file)
            },
            source: "none".to_owned(),
            methods,
            ..UserSecrets::default()
        };
        let mut refused: Vec<(&str, Failure, Option<u64>)> = Vec::new();

        if user.impersonate.is_empty()
            && set(&flags.impersonate).is_none()
            && (!user.impersonate_uid.is_empty()
                || !user.impersonate_groups.is_empty()
                || !user.impersonate_extra.is_empty())
        {
            let detail = format!("requesting uid, groups or user-extra for {name} without impersonating a user");
            let line = at("as-groups").or_else(|| at("as-uid")).or_else(|| at("as-user-extra"));
            refused.push(("default-impersonation", Failure::new(FailureKind::Malformed, detail), line));
        }
        if !user.impersonate.is_empty() && set(&flags.impersonate).is_none() {
            let detail = format!(
                "every request of user \"{name}\" acts as \"{}\" (`as` in the entry)",
                self.scrubber.text(&user.impersonate)
            );
            self.problem("default-impersonation", detail, file.clone(), at("as"));
        }

        // Token and basic; a token flag replaces both, because it is what the user asked about.
        if flags.token.is_none() && has_basic && !(user.token.is_empty() && user.token_file.is_empty()) {
            let detail = if user.token.is_empty() {
                "username/password or bearer token may be set, but not both".to_owned()
            } else {
                format!(
                    "more than one authentication method found for {name}; found [token basicAuth], only one is allowed"
                )
            };
            let failure =
                Failure::new(FailureKind::Malformed, detail).sides("one way to authenticate", "token and basic");
            refused.push(("several-credentials", failure, at("username").or_else(|| at("password"))));
        }
        if !user.token.is_empty() {
            if user.token.chars().any(|c| c.is_whitespace() || c.is_control()) {
                let detail = format!(
                    "the token of user \"{name}\" holds white space or a line break; Go refuses it: net/http: invalid header field value for \"Authorization\""
                );
                self.problem("token-has-whitespace", detail, file.clone(), at("token"));
            }
            secrets.token = Some(Secret::new(user.token.clone()));
            secrets.source = "token".to_owned();
        }
        if !user.token_file.is_empty() {
            // client-go reads the file again and again; what it holds wins over `token`.
            secrets.token_file = Some(PathBuf::from(&user.token_file));
            secrets.source = "tokenFile".to_owned();
        }
        if has_basic {
            secrets.basic = Some((user.username.clone(), Secret::new(user.password.clone())));
            if secrets.source == "none" {
                secrets.source = "basic".to_owned();
            }
        }
        if let Some(token) = &flags.token {
            if !user.token_file.is_empty() {
                let detail = format!(
                    "--token is used; kubectl would send what tokenFile of user \"{name}\" holds, even with --token"
                );
                self.problem("token-flag-beside-token-file", detail, file.clone(), at("tokenFile"));
            }
            secrets.token = Some(token.clone());
            secrets.token_file = None;
            secrets.basic = None;
            secrets.source = "flag".to_owned();
            secrets.origin = "--token".to_owned();
            if !secrets.methods.iter().any(|method| method == "token") {
                secrets.methods.insert(0, "token".to_owned());
            }
        }

        match self.client_identity(user, name) {
            Ok(Some(identity)) => {
                if secrets.source == "none" {
                    secrets.source = "clientCertificate".to_owned();
                }
                secrets.client_identity = Some(identity);
                if flags.client_certificate.is_some() && !entry_has_cert {
                    secrets.methods.push("clientCertificate".to_owned());
                }
                if secrets.source == "clientCertificate" && flags.client_certificate.is_some() {
                    secrets.origin = "--client-certificate".to_owned();
                }
            }
            Ok(None) => {}
            Err(fault) => {
                let (code, failure) = *fault;
                refused.push((code, failure, at("client-certificate").or_else(|| at("client-certificate-data"))));
            }
        }

        if let Some((provider, config)) = &user.auth_provider {
            self.auth_provider(provider, config, name, at("auth-provider"), &mut secrets, &mut refused);
        }
        if let Some(exec) = &user.exec {
            if user.auth_provider.is_some() {
                let detail = format!("authProvider cannot be provided in combination with an exec plugin for {name}");
                refused.push((
                    "several-credentials",
                    Failure::new(FailureKind::Malformed, detail),
                    at("auth-provider"),
                ));
            }
            let interactive_mode = exec_mode(exec);
            for complaint in exec_complaints(exec, &interactive_mode, name) {
                let complaint = self.scrubber.text(&complaint);
                refused.push(("kubeconfig-unparsable", Failure::new(FailureKind::Malformed, complaint), at("exec")));
            }
            let has_static = secrets.token.is_some()
                || secrets.token_file.is_some()
                || !user.username.is_empty() && flags.token.is_none()
                || secrets.client_identity.is_some();
            if has_static {
                if flags.token.is_none() && flags.client_certificate.is_none() {
                    let detail = format!(
                        "user \"{name}\" holds a static credential ({}), so the plugin {} is never run",
                        secrets.source,
                        self.scrubber.text(&exec.command)
                    );
                    self.problem("static-credential-shadows-exec", detail, file.clone(), at("exec"));
                }
            } else {
                secrets.source = "exec".to_owned();
                secrets.exec = Some(ExecConfig {
                    command: exec.command.clone(),
                    args: exec.args.iter().map(|arg| Secret::new(arg.clone())).collect(),
                    env: exec.env.iter().map(|(name, value)| (name.clone(), Secret::new(value.clone()))).collect(),
                    api_version: exec.api_version.clone(),
                    install_hint: some(&self.scrubber.text_limited(&exec.install_hint, 2_000)),
                    provide_cluster_info: exec.provide_cluster_info,
                    interactive_mode,
                    cluster_config: cluster.exec_extension.clone(),
                    disable_compression: cluster.disable_compression,
                });
            }
        }

        for (code, mut failure, line) in refused {
            failure.detail = self.scrubber.known_only(&failure.detail);
            self.problem(code, failure.detail.clone(), file.clone(), line);
            failure.fault = Some(Box::new(evidence::Fault {
                code: code.to_owned(),
                entry: some(&self.scrubber.known_only(name)),
                file: file.clone(),
                line,
            }));
            if secrets.failure.is_none() {
                secrets.failure = Some(failure);
            }
        }
        (secrets, impersonation)
    }

    fn auth_provider(
        &mut self,
        provider: &str,
        config: &BTreeMap<String, String>,
        name: &str,
        line: Option<u64>,
        secrets: &mut UserSecrets,
        refused: &mut Vec<(&str, Failure, Option<u64>)>,
    ) {
        let text = match provider {
            "gcp" => {
                "The gcp auth plugin has been removed.\nPlease use the \"gke-gcloud-auth-plugin\" kubectl/client-go credential plugin instead.\nSee https://cloud.google.com/blog/products/containers-kubernetes/kubectl-auth-changes-in-gke for further details".to_owned()
            }
            "azure" => {
                "The azure auth plugin has been removed.\nPlease use the https://github.com/Azure/kubelogin kubectl/client-go credential plugin instead.\nSee https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins for further details".to_owned()
            }
            "oidc" => {
                let value = |key: &str| config.get(key).map(String::as_str).unwrap_or_default();
                // A token of another kind goes first: the provider's transport leaves a set Authorization alone.
                if secrets.token.is_some() || secrets.token_file.is_some() || secrets.basic.is_some() {
                    return;
                }
                if !value("id-token").is_empty() {
                    secrets.token = Some(Secret::new(value("id-token")));
                    secrets.source = "token".to_owned();
                    secrets.origin = format!("id-token of auth-provider oidc, {}", secrets.origin);
                    return;
                }
                let (code, failure) = if value("refresh-token").is_empty() {
                    let words = "No valid id-token, and cannot refresh without refresh-token";
                    ("no-credential", Failure::new(FailureKind::Malformed, words))
                } else {
                    let detail = format!("user \"{name}\" holds only a refresh token; kubectl would get a new ID token with it, kaccess does not");
                    ("refresh-token-only", Failure::new(FailureKind::Declined, detail))
                };
                refused.push((code, failure, line));
                return;
            }
            other => {
                let detail = format!("no Auth Provider found for name \"{}\"", self.scrubber.text(other));
                refused.push(("auth-provider-not-built-in", Failure::new(FailureKind::Malformed, detail), line));
                return;
            }
        };
        refused.push(("auth-provider-removed", Failure::new(FailureKind::Malformed, text), line));
    }

    /// The client certificate and key, from flags or entry, checked as Go's tls.X509KeyPair does.
    fn client_identity(
        &mut self,
        user: &RawUser,
        name: &str,
    ) -> Result<Option<ClientIdentity>, Box<(&'static str, Failure)>> {
        let path =
            |path: &Option<PathBuf>| path.as_ref().map(|path| path.to_string_lossy().into_owned()).unwrap_or_default();
        let (cert_flag, key_flag) = (path(&self.flags.client_certificate), path(&self.flags.client_key));
        let (cert_file, cert_data) = if cert_flag.is_empty() {
            (user.client_certificate.clone(), user.client_certificate_data.clone())
        } else {
            (cert_flag, Vec::new())
        };
        let (key_file, key_data) = if key_flag.is_empty() {
            (user.client_key.clone(), user.client_key_data.clone())
        } else {
            (key_flag, Vec::new())
        };
        if cert_file.is_empty() && cert_data.is_empty() {
            return Ok(None);
        }
        let malformed = |detail: String| Failure::new(FailureKind::Malformed, detail);
        if !cert_file.is_empty() && !cert_data.is_empty() {
            let detail = format!(
                "client-cert-data and client-cert are both specified for {name}. client-cert-data will override."
            );
            return Err(Box::new(("several-credentials", malformed(detail))));
        }
        if !key_file.is_empty() && !key_data.is_empty() {
            let detail =
                format!("client-key-data and client-key are both specified for {name}; client-key-data will override");
            return Err(Box::new(("several-credentials", malformed(detail))));
        }
        if key_file.is_empty() && key_data.is_empty() {
            let detail = format!(
                "client-key-data or client-key must be specified for {name} to use the clientCert authentication method."
            );
            return Err(Box::new(("client-key-missing", malformed(detail))));
        }
        let read = |data: Vec<u8>, file: &str, what: &str| -> Result<Vec<u8>, Box<(&'static str, Failure)>> {
            if !data.is_empty() {
                return Ok(data);
            }
            read_limited(Path::new(file)).map_err(|failure| {
                let detail = format!("unable to read {what} {file} for {name} due to {}", failure.detail);
                Box::new(("credential-file-missing", Failure::new(failure.kind, detail)))
            })
        };
        let certificate = read(cert_data, &cert_file, "client-cert")?;
        let key = read(key_data, &key_file, "client-key")?;
        let key = String::from_utf8_lossy(&key).into_owned();
        self.scrubber.learn(&key);
        let certificate = String::from_utf8_lossy(&certificate).into_owned();
        match check_key_pair(&certificate, &key) {
            Ok(()) => {}
            Err(KeyPairFault::Mismatch) => {
                let failure = malformed("tls: private key does not match public key".to_owned())
                    .sides("the key of the certificate's public key", "another key");
                return Err(Box::new(("client-key-mismatch", failure)));
            }
            Err(KeyPairFault::Words(text)) => {
                return Err(Box::new(("client-key-mismatch", malformed(text.to_owned()))));
            }
        }
        Ok(Some(ClientIdentity { chain_pem: certificate, key_pem: Secret::new(key) }))
    }

    /// client-go reads no credential at all for a server without TLS.
    fn withhold(&mut self, secrets: &mut UserSecrets) {
        if secrets.source == "none" {
            return;
        }
        let detail =
            "the server URL is http, so kubectl sends no credential at all: requests go as system:anonymous".to_owned();
        self.problem(
            "server-url-wrong-scheme",
            detail,
            self.seen.cluster.as_ref().map(|cluster| cluster.file.clone()),
            None,
        );
        *secrets = UserSecrets {
            name: std::mem::take(&mut secrets.name),
            origin: format!("{}, withheld because the server URL is http", secrets.origin),
            source: "none".to_owned(),
            methods: std::mem::take(&mut secrets.methods),
            ..UserSecrets::default()
        };
    }

    // ----- complaints

    fn problem(&mut self, kind: &str, detail: String, file: Option<String>, line: Option<u64>) {
        let file = file.filter(|file| !file.is_empty());
        let line = line.filter(|line| *line > 0);
        let detail = self.scrubber.known_only(&detail);
        self.seen.problems.push(Problem { kind: kind.to_owned(), detail, file, line });
    }

    /// Notes the failure as a problem too (its kind is the finding's code) and adds the place to its words.
    fn refuse(&mut self, code: &str, mut failure: Failure, file: Option<String>, line: Option<u64>) -> Failure {
        let file = file.filter(|file| !file.is_empty());
        let line = line.filter(|line| *line > 0);
        if let (Some(file), Some(line)) = (&file, line) {
            let place = format!(" ({file}:{line})");
            failure.detail.push_str(&place);
        }
        failure.detail = self.scrubber.known_only(&failure.detail);
        failure.seen = failure.seen.map(|seen| self.scrubber.known_only(&seen));
        failure.expected = failure.expected.map(|expected| self.scrubber.known_only(&expected));
        let entry = self.seen.cluster.as_ref().map(|cluster| cluster.name.clone());
        failure.fault = Some(Box::new(evidence::Fault { code: code.to_owned(), entry, file: file.clone(), line }));
        self.problem(code, failure.detail.clone(), file, line);
        failure
    }
}

/// A server that passed the checks.
struct Server {
    url: Url,
    roots: Roots,
    userinfo: Option<(String, Secret)>,
}

fn set(flag: &Option<String>) -> Option<&str> {
    flag.as_deref().filter(|value| !value.is_empty())
}

fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn find<'e, T>(entries: &'e [Entry<T>], name: &str) -> Option<&'e Entry<T>> {
    entries.iter().find(|entry| entry.name == name)
}

fn add<T>(
    into: &mut Vec<Entry<T>>,
    from: Vec<Entry<T>>,
    what: &'static str,
    doubles: &mut Vec<(&'static str, String, String, String, u64)>,
) {
    let places: BTreeMap<String, String> = into.iter().map(|entry| (entry.name.clone(), entry.file.clone())).collect();
    for entry in from {
        match places.get(&entry.name) {
            Some(first) => doubles.push((what, entry.name, first.clone(), entry.file, entry.line)),
            None => into.push(entry),
        }
    }
}

fn missing<T>(kind: FailureKind, detail: String, name: &str, entries: &[Entry<T>]) -> Failure {
    let mut names: Vec<&str> = entries.iter().map(|entry| entry.name.as_str()).take(50).collect();
    if entries.len() > names.len() {
        names.push("…");
    }
    let expected =
        if names.is_empty() { "an entry (there is none)".to_owned() } else { format!("one of: {}", names.join(", ")) };
    Failure::new(kind, detail).sides(expected, if name.is_empty() { "none" } else { name })
}

/// The spelling nearest to a name, if one is near enough to be a slip; capitals are as good as small letters.
fn nearest<'n>(name: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let limit = (name.chars().count() / 3).clamp(1, 4);
    let folded = |name: &str| name.to_lowercase().chars().take(200).collect::<String>();
    let name = folded(name);
    names
        .take(1_000)
        .map(|other| (distance(&name, &folded(other)), other))
        .filter(|(far, _)| *far <= limit)
        .min_by_key(|(far, _)| *far)
        .map(|(_, other)| other)
}

// ----- reading files

/// Reads a file of at most 4 MiB that is a regular file, or a pipe of the process itself (`<(...)`).
///
/// # Errors
/// In Go's words: `open F: no such file or directory`, `read F: is a directory`; [`FailureKind::Limit`] when larger, and
/// [`FailureKind::Unreadable`] when larger than any such file is.
pub(super) fn read_limited(path: &Path) -> Result<Vec<u8>, Failure> {
    let shown = path.display();
    let failed = |operation: &str, error: &std::io::Error| {
        let kind =
            if error.kind() == std::io::ErrorKind::NotFound { FailureKind::NotFound } else { FailureKind::Unreadable };
        Failure::new(kind, format!("{operation} {shown}: {}", io_words(error)))
    };
    let data = std::fs::metadata(path).map_err(|error| failed("open", &error))?;
    if data.is_dir() {
        return Err(Failure::new(FailureKind::Unreadable, format!("read {shown}: is a directory")));
    }
    // A named pipe or device elsewhere could block for ever or never end.
    let own_pipe = ["/dev/fd/", "/proc/self/fd/", "/dev/stdin"].iter().any(|prefix| path.starts_with(prefix));
    if !data.is_file() && !own_pipe && path != Path::new("/dev/null") {
        return Err(Failure::new(FailureKind::Unreadable, format!("read {shown}: is not a regular file")));
    }
    let too_large = || Failure::new(FailureKind::Limit, format!("read {shown}: larger than 4 MiB"));
    if data.is_file() && data.len() > ABSURD {
        let detail = format!("read {shown}: {} bytes are too large for what this file is to be", data.len());
        return Err(
            Failure::new(FailureKind::Unreadable, detail).sides("at most 4 MiB", format!("{} bytes", data.len()))
        );
    }
    if data.is_file() && data.len() > LARGEST {
        return Err(too_large());
    }
    let file = std::fs::File::open(path).map_err(|error| failed("open", &error))?;
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(|error| failed("read", &error))?;
    if bytes.len() as u64 > LARGEST {
        return Err(too_large());
    }
    Ok(bytes)
}

/// Go's words for an error of the operating system.
pub(super) fn io_words(error: &std::io::Error) -> String {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::NotFound => "no such file or directory".to_owned(),
        ErrorKind::PermissionDenied => "permission denied".to_owned(),
        ErrorKind::IsADirectory => "is a directory".to_owned(),
        ErrorKind::NotADirectory => "not a directory".to_owned(),
        _ => {
            let text = error.to_string().to_lowercase();
            text.split(" (os error").next().unwrap_or(&text).to_owned()
        }
    }
}

/// `base` joined with `path` and cleaned as Go's filepath.Join does; an absolute or empty path stays.
fn against(base: &Path, path: &str) -> String {
    if path.is_empty() || Path::new(path).is_absolute() {
        return path.to_owned();
    }
    let mut clean = PathBuf::new();
    for part in base.join(path).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                clean.pop();
            }
            other => clean.push(other),
        }
    }
    clean.to_string_lossy().into_owned()
}

// ----- typed reading

const VERSION_KIND: &str =
    r#"struct { APIVersion string "json:\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"" }"#;

/// `apiVersion` and `kind` of an object, with the errors of Kubernetes' decoders. Also used for plugin output.
pub(super) fn version_and_kind(node: &Node) -> Result<(String, String), (String, u64)> {
    let fields = match &node.value {
        Value::Map(_) => node,
        Value::Null => return Ok((String::new(), String::new())),
        _ => {
            let text = format!(
                "couldn't get version/kind; json parse error: json: cannot unmarshal {} into Go value of type {VERSION_KIND}",
                node.kind()
            );
            return Err((text, node.line));
        }
    };
    let mut reader = Reader::default();
    let mut read = |key: &str| fields.get(key).map(|node| reader.text(node, "", key)).unwrap_or_default();
    let version = read("apiVersion");
    let kind = read("kind");
    match reader.fault() {
        Some((text, line)) => Err((format!("couldn't get version/kind; json parse error: {text}"), line)),
        None => Ok((version, kind)),
    }
}

fn parse_config(bytes: &[u8], file: &str) -> Result<RawConfig, Fault> {
    let malformed =
        |text: String, line: u64| Fault { kind: FailureKind::Malformed, text, line: (line > 0).then_some(line) };
    let root = yaml::parse(bytes).map_err(|error| malformed(error.text, error.line.unwrap_or(0)))?;
    let (version, kind) = version_and_kind(&root).map_err(|(text, line)| malformed(text, line))?;
    let version = if version.is_empty() { "v1" } else { &version };
    let kind = if kind.is_empty() { "Config" } else { &kind };
    if (version, kind) != ("v1", "Config") {
        let field = if kind == "Config" { "apiVersion" } else { "kind" };
        let line = root.get(field).map_or(root.line, |node| node.line);
        let text = format!(
            "no kind {kind:?} is registered for version {version:?} in scheme \"k8s.io/client-go/tools/clientcmd/api/latest/latest.go:50\""
        );
        return Err(malformed(text, line));
    }
    let mut reader = Reader::default();
    let mut config = RawConfig::default();
    let base = Path::new(file).parent().unwrap_or(Path::new(""));
    let base = std::path::absolute(if base.as_os_str().is_empty() { Path::new(".") } else { base })
        .unwrap_or_else(|_| base.to_owned());
    for (key, node) in reader.fields(&root, "Config", "", "v1.Config") {
        match key {
            "clusters" => {
                config.clusters =
                    entries(&mut reader, node, file, &CLUSTERS, |reader, node| read_cluster(reader, node, &base))
            }
            "contexts" => config.contexts = entries(&mut reader, node, file, &CONTEXTS, read_context),
            "users" => {
                config.users = entries(&mut reader, node, file, &USERS, |reader, node| read_user(reader, node, &base))
            }
            "current-context" => config.current_context = reader.text(node, "Config", key),
            "preferences" => drop(reader.fields(node, "Config", key, "v1.Preferences")),
            "extensions" => drop(reader.list(node, "Config", key, "[]v1.NamedExtension")),
            _ => {}
        }
    }
    if let Some((text, line)) = reader.fault() {
        return Err(malformed(text, line));
    }
    // kubectl prints the whole list here, secrets included; kaccess does not.
    for (double, go_from, go_to) in [
        (double(&config.clusters), "NamedCluster", "Cluster"),
        (double(&config.users), "NamedAuthInfo", "AuthInfo"),
        (double(&config.contexts), "NamedContext", "Context"),
    ] {
        if let Some((name, line)) = double {
            let text = format!(
                "error converting *[]{go_from} into *map[string]*api.{go_to}: duplicate name \"{name}\" in list: […]"
            );
            return Err(malformed(text, line));
        }
    }
    Ok(config)
}

fn double<T>(entries: &[Entry<T>]) -> Option<(String, u64)> {
    let mut names = std::collections::HashSet::new();
    entries.iter().find(|entry| !names.insert(entry.name.as_str())).map(|entry| (entry.name.clone(), entry.line))
}

/// The Go names of one of the three lists.
struct List {
    /// JSON path of the list.
    path: &'static str,
    /// The struct of an item.
    item: &'static str,
    /// JSON name of the item's content.
    field: &'static str,
}

const CLUSTERS: List = List { path: "clusters", item: "NamedCluster", field: "cluster" };
const CONTEXTS: List = List { path: "contexts", item: "NamedContext", field: "context" };
const USERS: List = List { path: "users", item: "NamedAuthInfo", field: "user" };

fn entries<T: Default>(
    reader: &mut Reader,
    node: &Node,
    file: &str,
    list: &List,
    mut read: impl FnMut(&mut Reader, &Node) -> T,
) -> Vec<Entry<T>> {
    let List { path, item, field } = list;
    let mut found = Vec::new();
    for node in reader.list(node, "Config", path, &format!("[]v1.{item}")) {
        let mut entry = Entry { name: String::new(), file: file.to_owned(), line: node.line, value: T::default() };
        for (key, node) in reader.fields(node, "Config", path, &format!("v1.{item}")) {
            if key == *field {
                entry.value = read(reader, node);
            } else if key == "name" {
                entry.name = reader.text(node, item, &format!("{path}.name"));
            }
        }
        found.push(entry);
    }
    found
}

fn read_context(reader: &mut Reader, node: &Node) -> RawContext {
    let mut context = RawContext::default();
    for (key, node) in reader.fields(node, "NamedContext", "contexts.context", "v1.Context") {
        let path = format!("contexts.context.{key}");
        match key {
            "cluster" => context.cluster = reader.text(node, "Context", &path),
            "user" => context.user = reader.text(node, "Context", &path),
            "namespace" => context.namespace = reader.text(node, "Context", &path),
            "extensions" => drop(reader.list(node, "Context", &path, "[]v1.NamedExtension")),
            _ => {}
        }
    }
    context
}

fn read_cluster(reader: &mut Reader, node: &Node, base: &Path) -> RawCluster {
    let mut cluster = RawCluster::default();
    for (key, node) in reader.fields(node, "NamedCluster", "clusters.cluster", "v1.Cluster") {
        let path = format!("clusters.cluster.{key}");
        cluster.lines.insert(key.to_owned(), node.line);
        match key {
            "server" => cluster.server = reader.text(node, "Cluster", &path),
            "tls-server-name" => cluster.tls_server_name = reader.text(node, "Cluster", &path),
            "insecure-skip-tls-verify" => cluster.insecure = reader.flag(node, "Cluster", &path),
            "certificate-authority" => cluster.ca = against(base, &reader.text(node, "Cluster", &path)),
            "certificate-authority-data" => cluster.ca_data = reader.bytes(node, "Cluster", &path),
            "proxy-url" => cluster.proxy_url = reader.text(node, "Cluster", &path),
            "disable-compression" => cluster.disable_compression = reader.flag(node, "Cluster", &path),
            "extensions" => {
                for item in reader.list(node, "Cluster", &path, "[]v1.NamedExtension") {
                    let name =
                        item.get("name").map(|name| reader.text(name, "NamedExtension", &format!("{path}.name")));
                    if name.as_deref() == Some("client.authentication.k8s.io/exec") {
                        cluster.exec_extension = item.get("extension").map(yaml::to_json);
                    }
                }
            }
            _ => {}
        }
    }
    cluster
}

fn read_user(reader: &mut Reader, node: &Node, base: &Path) -> RawUser {
    const OWNER: &str = "AuthInfo";
    let mut user = RawUser::default();
    for (key, node) in reader.fields(node, "NamedAuthInfo", "users.user", "v1.AuthInfo") {
        let path = format!("users.user.{key}");
        user.lines.insert(key.to_owned(), node.line);
        match key {
            "client-certificate" => user.client_certificate = against(base, &reader.text(node, OWNER, &path)),
            "client-certificate-data" => user.client_certificate_data = reader.bytes(node, OWNER, &path),
            "client-key" => user.client_key = against(base, &reader.text(node, OWNER, &path)),
            "client-key-data" => user.client_key_data = reader.bytes(node, OWNER, &path),
            "token" => user.token = reader.text(node, OWNER, &path),
            "tokenFile" => user.token_file = against(base, &reader.text(node, OWNER, &path)),
            "as" => user.impersonate = reader.text(node, OWNER, &path),
            "as-uid" => user.impersonate_uid = reader.text(node, OWNER, &path),
            "as-groups" => user.impersonate_groups = reader.texts(node, OWNER, &path),
            "as-user-extra" => {
                for (extra, node) in reader.fields(node, OWNER, &path, "map[string][]string") {
                    for value in reader.texts(node, OWNER, &path) {
                        user.impersonate_extra.push((extra.to_owned(), value));
                    }
                }
            }
            "username" => user.username = reader.text(node, OWNER, &path),
            "password" => user.password = reader.text(node, OWNER, &path),
            "auth-provider" if !matches!(node.value, Value::Null) => {
                let mut name = String::new();
                let mut config = BTreeMap::new();
                for (key, node) in reader.fields(node, OWNER, &path, "v1.AuthProviderConfig") {
                    let path = format!("{path}.{key}");
                    if key == "name" {
                        name = reader.text(node, "AuthProviderConfig", &path);
                    } else if key == "config" {
                        for (key, node) in reader.fields(node, "AuthProviderConfig", &path, "map[string]string") {
                            config.insert(key.to_owned(), reader.text(node, "AuthProviderConfig", &path));
                        }
                    }
                }
                user.auth_provider = Some((name, config));
            }
            "exec" if !matches!(node.value, Value::Null) => user.exec = Some(read_exec(reader, node, base)),
            "extensions" => drop(reader.list(node, OWNER, &path, "[]v1.NamedExtension")),
            _ => {}
        }
    }
    user
}

fn read_exec(reader: &mut Reader, node: &Node, base: &Path) -> RawExec {
    const OWNER: &str = "ExecConfig";
    let mut exec = RawExec::default();
    for (key, node) in reader.fields(node, "AuthInfo", "users.user.exec", "v1.ExecConfig") {
        let path = format!("users.user.exec.{key}");
        match key {
            "command" => {
                let command = reader.text(node, OWNER, &path);
                // Only a name with a separator is a path; others are looked up on PATH.
                exec.command = if command.contains('/') { against(base, &command) } else { command };
            }
            "args" => exec.args = reader.texts(node, OWNER, &path),
            "env" => {
                for item in reader.list(node, OWNER, &path, "[]v1.ExecEnvVar") {
                    let (mut name, mut value) = (String::new(), String::new());
                    for (key, node) in reader.fields(item, OWNER, &path, "v1.ExecEnvVar") {
                        let path = format!("{path}.{key}");
                        match key {
                            "name" => name = reader.text(node, "ExecEnvVar", &path),
                            "value" => value = reader.text(node, "ExecEnvVar", &path),
                            _ => {}
                        }
                    }
                    exec.env.push((name, value));
                }
            }
            "apiVersion" => exec.api_version = reader.text(node, OWNER, &path),
            "installHint" => exec.install_hint = reader.text(node, OWNER, &path),
            "provideClusterInfo" => exec.provide_cluster_info = reader.flag(node, OWNER, &path),
            "interactiveMode" => exec.interactive_mode = reader.text(node, OWNER, &path),
            _ => {}
        }
    }
    exec
}

/// v1beta1 and v1alpha1 default to IfAvailable (client-go's SetDefaults_ExecConfig); v1 must say.
fn exec_mode(exec: &RawExec) -> String {
    let old = matches!(
        exec.api_version.as_str(),
        "client.authentication.k8s.io/v1beta1" | "client.authentication.k8s.io/v1alpha1"
    );
    if exec.interactive_mode.is_empty() && old { "IfAvailable".to_owned() } else { exec.interactive_mode.clone() }
}

fn exec_complaints(exec: &RawExec, mode: &str, name: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    for (field, value) in [("command", &exec.command), ("apiVersion", &exec.api_version)] {
        if value.is_empty() {
            complaints.push(format!("{field} must be specified for {name} to use exec authentication plugin"));
        }
    }
    if exec.env.iter().any(|(name, _)| name.is_empty()) {
        complaints.push(format!("env variable name must be specified for {name} to use exec authentication plugin"));
    }
    match mode {
        "" => {
            complaints.push(format!("interactiveMode must be specified for {name} to use exec authentication plugin"))
        }
        "Never" | "IfAvailable" | "Always" => {}
        other => complaints.push(format!("invalid interactiveMode for {name}: {other:?}")),
    }
    complaints
}

// ----- secrets in arguments

/// Whether a flag's or variable's name says that its value is a secret. Names of files, folders and stores are not.
fn names_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('_', "-");
    let harmless = ["-file", "-dir", "-path", "-storage", "-key-id", "-url", "-endpoint", "-duration", "-ttl"];
    ["secret", "password", "passwd", "passphrase", "token", "key", "credential"].iter().any(|word| name.contains(word))
        && !harmless.iter().any(|end| name.ends_with(end))
}

/// Whether a variable only sets something, by its name or by what it is set to: those may be told.
fn is_setting(name: &str, value: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let ends = [
        "profile",
        "region",
        "proxy",
        "file",
        "dir",
        "path",
        "home",
        "url",
        "uri",
        "endpoint",
        "endpoints",
        "config",
        "mode",
        "environment",
        "env",
        "_id",
        "name",
        "arn",
        "level",
        "cluster",
        "timeout",
        "lang",
        "version",
        "account",
        "project",
        "tenant",
        "host",
        "method",
        "user",
        "issuer",
        "scope",
        "scopes",
        "format",
        "command",
    ];
    let plain = value.len() < 8
        || value.starts_with(['/', '~', '.'])
        || value.bytes().all(|byte| byte.is_ascii_digit())
        || value.contains("://") && !value.contains('@');
    plain || ends.iter().any(|end| name.ends_with(end))
}

/// The values in arguments that are secrets by their flag's name.
fn secret_arguments(args: &[String]) -> Vec<String> {
    let mut values = Vec::new();
    let mut after_secret = false;
    for arg in args {
        if let Some(flag) = arg.strip_prefix('-') {
            after_secret = false;
            match flag.split_once('=') {
                Some((name, value)) if names_secret(name) => values.push(value.to_owned()),
                Some(_) => {}
                None => after_secret = names_secret(flag),
            }
        } else if std::mem::take(&mut after_secret) {
            values.push(arg.clone());
        }
    }
    values
}

/// Arguments fit for evidence: values of secret-looking flags redacted in both spellings, the rest scrubbed.
pub fn scrub_args(args: &[String], scrubber: &Scrubber) -> Vec<String> {
    let mut scrubbed = Vec::with_capacity(args.len());
    let mut after_secret = false;
    for arg in args {
        let shown = if arg.starts_with('-') {
            after_secret = false;
            match arg.split_once('=') {
                Some((name, _)) if names_secret(name) => format!("{}={REDACTED}", scrubber.text(name)),
                Some(_) => scrubber.text(arg),
                None => {
                    after_secret = names_secret(arg);
                    scrubber.text(arg)
                }
            }
        } else if std::mem::take(&mut after_secret) {
            REDACTED.to_owned()
        } else {
            scrubber.text(arg)
        };
        scrubbed.push(shown);
    }
    scrubbed
}

// ----- certificates

/// client-go's rootCertPool: at least one certificate must be read.
fn check_authority(bytes: &[u8]) -> Result<(), &'static str> {
    let mut blocks = 0;
    for certificate in CertificateDer::pem_slice_iter(bytes) {
        let Ok(certificate) = certificate else { break };
        blocks += 1;
        if x509_parser::parse_x509_certificate(&certificate).is_ok() {
            return Ok(());
        }
    }
    if blocks > 0 {
        return Err("failed to parse certificate");
    }
    if bytes.windows(11).any(|window| window == b"-----BEGIN ")
        && !bytes.windows(28).any(|w| w == b"-----BEGIN CERTIFICATE-----\n")
    {
        return Err("no valid certificate authority data seen");
    }
    Err("unable to parse bytes as PEM block")
}

/// What is wrong with a certificate and its key.
pub(super) enum KeyPairFault {
    /// They do not belong together.
    Mismatch,
    /// Go's words.
    Words(&'static str),
}

/// Go's tls.X509KeyPair. A key of a kind that only rustls refuses passes: whether it can be used is judged at the
/// connection.
pub(super) fn check_key_pair(certificate: &str, key: &str) -> Result<(), KeyPairFault> {
    let chain: Vec<CertificateDer<'static>> =
        CertificateDer::pem_slice_iter(certificate.as_bytes()).filter_map(Result::ok).collect();
    let Some(leaf) = chain.first() else {
        return Err(KeyPairFault::Words(if certificate.contains("-----BEGIN ") {
            "tls: failed to find \"CERTIFICATE\" PEM block in certificate input"
        } else {
            "tls: failed to find any PEM data in certificate input"
        }));
    };
    if x509_parser::parse_x509_certificate(leaf).is_err() {
        return Err(KeyPairFault::Words("x509: malformed certificate"));
    }
    if key.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----") || key.contains("Proc-Type: 4,ENCRYPTED") {
        return Err(KeyPairFault::Words("tls: failed to parse private key (it is encrypted)"));
    }
    let Ok(key_der) = PrivateKeyDer::from_pem_slice(key.as_bytes()) else {
        return Err(KeyPairFault::Words(if key.contains("-----BEGIN CERTIFICATE-----") {
            "tls: found a certificate rather than a key in the PEM for the private key"
        } else if key.contains("-----BEGIN ") {
            "tls: failed to parse private key"
        } else {
            "tls: failed to find any PEM data in key input"
        }));
    };
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    match rustls::sign::CertifiedKey::from_der(chain, key_der, &provider) {
        Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::KeyMismatch)) => Err(KeyPairFault::Mismatch),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsString;

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
        assert_eq!(resolved.user.source, "token");
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
        assert_eq!((seen.source.as_str(), resolved.user.source.as_str()), ("flags", "flag"));
    }

    #[test]
    fn context_cluster_and_user_must_be_there() {
        let mut world = World::with(&config(SERVER, "{}"));
        world.flags.context = Some("A1".to_owned());
        let failure = world.failure();
        assert_eq!(failure.kind, FailureKind::ContextNotFound);
        assert_eq!(failure.detail, "context was not found for specified context: A1 (did you mean \"a\"?)");
        assert_eq!(failure.expected.as_deref(), Some("one of: a"));

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
        assert_eq!(world.resolved().user.source, "flag");
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
        for (cluster, code, expected) in [
            ("{server: 'https://[::'}", "kubeconfig-unparsable", "host must be a URL or a host:port pair: \"https://[::\"".to_owned()),
            ("{server: 'https://x y'}", "kubeconfig-unparsable", "host must be a URL or a host:port pair: \"https://x y\"".to_owned()),
            ("{server: \"https://x\\n\"}", "kubeconfig-unparsable", "net/url: invalid control character in URL".to_owned()),
            ("{server: 'htps://x'}", "kubeconfig-unparsable", "unsupported protocol scheme \"htps\"".to_owned()),
            ("{tls-server-name: x}", "kubeconfig-unparsable", "no server found for cluster \"c\"".to_owned()),
            ("{server: 'https://x', proxy-url: 'ftp://x'}", "kubeconfig-unparsable", "invalid 'proxy-url' \"ftp://x\" for cluster \"c\": unsupported scheme \"ftp\", must be http, https, or socks5".to_owned()),
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
        let mut world =
            World::with(&config(&format!("{{server: 'https://x', certificate-authority-data: {pem}}}"), "{}"));
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
            (
                "{auth-provider: {name: gcp}}".to_owned(),
                "auth-provider-removed",
                "The gcp auth plugin has been removed.",
            ),
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
        let world =
            World::with(&config(SERVER, &format!("{{client-certificate-data: {cert}, client-key-data: {key}}}")));
        assert_eq!(world.resolved().user.source, "clientCertificate");
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
        assert_eq!((user.source.as_str(), user.token_file), ("tokenFile", Some(world.folder.path().join("t"))));

        let user = World::with(&config(SERVER, "{auth-provider: {name: oidc, config: {id-token: a.b.SEKRIT}}}"))
            .resolved()
            .user;
        assert_eq!((user.source.as_str(), user.token.is_some()), ("token", true));

        let world = World::with(&config(SERVER, "{token: \"SEKRIT \\n\"}"));
        assert_eq!(world.kinds(), ["token-has-whitespace"]);
        let world = World::with(&config("{server: 'http://x'}", "{token: SEKRIT-1}"));
        assert_eq!((world.resolved().user.source.as_str(), world.resolved().user.token.is_some()), ("none", false));
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
        assert_eq!((resolved.namespace.as_str(), resolved.user.source.as_str()), ("dev", "inCluster"));
        assert!(matches!(resolved.roots, Roots::Pem { .. }));
        assert_eq!(seen.source, "in-cluster");
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

    #[test]
    fn arguments_lose_their_secrets_in_both_spellings() {
        let scrubber = Scrubber::default();
        let args: Vec<String> = [
            "get-token",
            "--oidc-client-secret=CANARY1",
            "--oidc-client-secret",
            "CANARY2",
            "--oidc-issuer-url=https://i/realms/x",
            "--password",
            "CANARY3",
            "--token-cache-dir",
            "/tmp/x",
            "--api-key=CANARY4",
            "-v1",
        ]
        .map(str::to_owned)
        .to_vec();
        let shown = scrub_args(&args, &scrubber);
        assert_eq!(
            shown,
            [
                "get-token",
                "--oidc-client-secret=[redacted]",
                "--oidc-client-secret",
                "[redacted]",
                "--oidc-issuer-url=https://i/realms/x",
                "--password",
                "[redacted]",
                "--token-cache-dir",
                "/tmp/x",
                "--api-key=[redacted]",
                "-v1",
            ]
        );
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
}
