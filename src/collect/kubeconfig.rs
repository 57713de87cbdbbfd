//! The kubeconfig as client-go loads, merges and refuses it, told in kubectl's words and without any secret.
//!
//! Sources are client-go's `tools/clientcmd` (loader.go, client_config.go, validation.go) and what kubectl 1.32 prints
//! for the same files. A fault that stops kubectl before it knows a server is a [`Failure`]; one that concerns only the
//! user's credential is kept in [`UserSecrets::failure`] and as a [`Problem`], so that the endpoint can still be examined.
//! [`Problem::kind`] is the code of the finding it leads to.

mod file;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use url::Url;

use self::file::{Entry, RawCluster, RawConfig, RawContext, RawExec, RawUser, ReadError};
pub(super) use self::file::{io_words, read_limited, version_and_kind};
use super::key_pair::{self, KeyPairFault};
use super::{ClientIdentity, Roots};
use crate::evidence::credential::CredentialSource;
use crate::evidence::kubeconfig::{self as evidence, Cluster, Exec, File, Kubeconfig, Problem, UserEntry};
use crate::evidence::{Failure, FailureKind};
use crate::host::Host;
use crate::secret::{REDACTED, Scrubber, Secret, without_userinfo};
use crate::text::distance;

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
    /// What the credential is taken from.
    pub source: CredentialSource,
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
        } else if let (Some(basic), CredentialSource::None) = (server.userinfo, &secrets.source) {
            // Go's HTTP client sends a URL's userinfo as Basic when nothing else sets Authorization.
            secrets.basic = Some(basic);
            secrets.source = CredentialSource::Basic;
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
        let mut faults: Vec<(String, ReadError)> = Vec::new();
        for path in paths {
            let shown = path.to_string_lossy().into_owned();
            let loaded = file::read_config(&path, &shown);
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
            source: CredentialSource::InCluster,
            methods: vec!["tokenFile".to_owned()],
            ..UserSecrets::default()
        };
        if let Some(token) = &self.flags.token {
            user.token = Some(token.clone());
            user.token_file = None;
            user.origin = "--token".to_owned();
            user.source = CredentialSource::Flag;
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

    /// The user's ways to authenticate, in client-go's order. What it refuses is kept as [`UserSecrets::failure`].
    fn user(&mut self, entry: &Entry<RawUser>, cluster: &RawCluster) -> (UserSecrets, Impersonation) {
        let user = &entry.value;
        self.learn_user(user);
        let impersonation = self.impersonation(user);
        let methods: Vec<String> = methods(user).into_iter().map(str::to_owned).collect();
        self.seen.user = Some(self.user_entry(entry, &methods, &impersonation));
        let mut secrets = UserSecrets {
            name: entry.name.clone(),
            origin: if entry.name.is_empty() {
                "no user entry".to_owned()
            } else {
                format!("user \"{}\" in {}", self.scrubber.known_only(&entry.name), entry.file)
            },
            methods,
            ..UserSecrets::default()
        };
        let mut refused = Refused::new();
        self.judge_impersonation(entry, &mut refused);
        self.add_token_and_basic(entry, &mut secrets, &mut refused);
        self.add_token_flag(entry, &mut secrets);
        self.add_certificate(entry, &mut secrets, &mut refused);
        if let Some((provider, config)) = &user.auth_provider {
            self.auth_provider(provider, config, &entry.name, user.line("auth-provider"), &mut secrets, &mut refused);
        }
        if let Some(exec) = &user.exec {
            self.add_exec(exec, entry, cluster, &mut secrets, &mut refused);
        }
        secrets.failure = self.refuse_user(entry, refused);
        (secrets, impersonation)
    }

    /// The entry as evidence.
    fn user_entry(&self, entry: &Entry<RawUser>, methods: &[String], impersonation: &Impersonation) -> UserEntry {
        UserEntry {
            name: self.scrubber.known_only(&entry.name),
            file: entry.file.clone(),
            methods: methods.to_vec(),
            exec: entry.value.exec.as_ref().map(|exec| Exec {
                command: self.scrubber.text(&exec.command),
                args: scrub_args(&exec.args, self.scrubber),
                env: exec.env.iter().map(|(name, _)| self.scrubber.text(name)).collect(),
                api_version: self.scrubber.text(&exec.api_version),
                install_hint: some(&self.scrubber.text_limited(&exec.install_hint, 2_000)),
                interactive_mode: some(&self.scrubber.text(&exec.interactive_mode)),
            }),
            impersonate: impersonation.user.as_deref().map(|user| self.scrubber.known_only(user)),
            impersonate_groups: impersonation.groups.iter().map(|group| self.scrubber.known_only(group)).collect(),
        }
    }

    fn judge_impersonation(&mut self, entry: &Entry<RawUser>, refused: &mut Refused) {
        let (user, name) = (&entry.value, entry.name.as_str());
        if set(&self.flags.impersonate).is_some() {
            return;
        }
        if user.impersonate.is_empty()
            && (!user.impersonate_uid.is_empty()
                || !user.impersonate_groups.is_empty()
                || !user.impersonate_extra.is_empty())
        {
            let detail = format!("requesting uid, groups or user-extra for {name} without impersonating a user");
            let line = user.line("as-groups").or_else(|| user.line("as-uid")).or_else(|| user.line("as-user-extra"));
            refused.push(("default-impersonation", Failure::new(FailureKind::Malformed, detail), line));
        }
        if !user.impersonate.is_empty() {
            let detail = format!(
                "every request of user \"{name}\" acts as \"{}\" (`as` in the entry)",
                self.scrubber.text(&user.impersonate)
            );
            self.user_problem("default-impersonation", detail, entry, "as");
        }
    }

    /// `token`, `tokenFile`, user name and password of the entry.
    fn add_token_and_basic(&mut self, entry: &Entry<RawUser>, secrets: &mut UserSecrets, refused: &mut Refused) {
        let (user, name) = (&entry.value, entry.name.as_str());
        // A token flag replaces both, because it is what the user asked about.
        if self.flags.token.is_none() && user.has_basic() && !(user.token.is_empty() && user.token_file.is_empty()) {
            let detail = if user.token.is_empty() {
                "username/password or bearer token may be set, but not both".to_owned()
            } else {
                format!(
                    "more than one authentication method found for {name}; found [token basicAuth], only one is allowed"
                )
            };
            let failure =
                Failure::new(FailureKind::Malformed, detail).sides("one way to authenticate", "token and basic");
            refused.push(("several-credentials", failure, user.line("username").or_else(|| user.line("password"))));
        }
        if !user.token.is_empty() {
            if user.token.chars().any(|c| c.is_whitespace() || c.is_control()) {
                let detail = format!(
                    "the token of user \"{name}\" holds white space or a line break; Go refuses it: net/http: invalid header field value for \"Authorization\""
                );
                self.user_problem("token-has-whitespace", detail, entry, "token");
            }
            secrets.token = Some(Secret::new(user.token.clone()));
            secrets.source = CredentialSource::Token;
        }
        if !user.token_file.is_empty() {
            // client-go reads the file again and again; what it holds wins over `token`.
            secrets.token_file = Some(PathBuf::from(&user.token_file));
            secrets.source = CredentialSource::TokenFile;
        }
        if user.has_basic() {
            secrets.basic = Some((user.username.clone(), Secret::new(user.password.clone())));
            if secrets.source == CredentialSource::None {
                secrets.source = CredentialSource::Basic;
            }
        }
    }

    /// `--token`, in the place of the entry's own token and password.
    fn add_token_flag(&mut self, entry: &Entry<RawUser>, secrets: &mut UserSecrets) {
        let flags = self.flags;
        let Some(token) = &flags.token else { return };
        if !entry.value.token_file.is_empty() {
            let detail = format!(
                "--token is used; kubectl would send what tokenFile of user \"{}\" holds, even with --token",
                entry.name
            );
            self.user_problem("token-flag-beside-token-file", detail, entry, "tokenFile");
        }
        secrets.token = Some(token.clone());
        secrets.token_file = None;
        secrets.basic = None;
        secrets.source = CredentialSource::Flag;
        secrets.origin = "--token".to_owned();
        if !secrets.methods.iter().any(|method| method == "token") {
            secrets.methods.insert(0, "token".to_owned());
        }
    }

    fn add_certificate(&mut self, entry: &Entry<RawUser>, secrets: &mut UserSecrets, refused: &mut Refused) {
        let (user, flag) = (&entry.value, self.flags.client_certificate.is_some());
        match self.client_identity(user, &entry.name) {
            Ok(Some(identity)) => {
                if secrets.source == CredentialSource::None {
                    secrets.source = CredentialSource::ClientCertificate;
                }
                secrets.client_identity = Some(identity);
                if flag && !user.has_certificate() {
                    secrets.methods.push("clientCertificate".to_owned());
                }
                if secrets.source == CredentialSource::ClientCertificate && flag {
                    secrets.origin = "--client-certificate".to_owned();
                }
            }
            Ok(None) => {}
            Err(fault) => {
                let (code, failure) = *fault;
                let line = user.line("client-certificate").or_else(|| user.line("client-certificate-data"));
                refused.push((code, failure, line));
            }
        }
    }

    /// The plugin, which any other credential disables.
    fn add_exec(
        &mut self,
        exec: &RawExec,
        entry: &Entry<RawUser>,
        cluster: &RawCluster,
        secrets: &mut UserSecrets,
        refused: &mut Refused,
    ) {
        let (user, name, flags) = (&entry.value, entry.name.as_str(), self.flags);
        if user.auth_provider.is_some() {
            let detail = format!("authProvider cannot be provided in combination with an exec plugin for {name}");
            let failure = Failure::new(FailureKind::Malformed, detail);
            refused.push(("several-credentials", failure, user.line("auth-provider")));
        }
        let interactive_mode = exec_mode(exec);
        for complaint in exec_complaints(exec, &interactive_mode, name) {
            let failure = Failure::new(FailureKind::Malformed, self.scrubber.text(&complaint));
            refused.push(("kubeconfig-unparsable", failure, user.line("exec")));
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
                self.user_problem("static-credential-shadows-exec", detail, entry, "exec");
            }
            return;
        }
        secrets.source = CredentialSource::Exec;
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

    /// Notes each refusal as a problem; kubectl stops at the first.
    fn refuse_user(&mut self, entry: &Entry<RawUser>, refused: Refused) -> Option<Failure> {
        let mut first = None;
        for (code, mut failure, line) in refused {
            let file = some(&entry.file);
            failure.detail = self.scrubber.known_only(&failure.detail);
            self.problem(code, failure.detail.clone(), file.clone(), line);
            failure.fault = Some(Box::new(evidence::Fault {
                code: code.to_owned(),
                entry: some(&self.scrubber.known_only(&entry.name)),
                file,
                line,
            }));
            if first.is_none() {
                first = Some(failure);
            }
        }
        first
    }

    fn auth_provider(
        &mut self,
        provider: &str,
        config: &BTreeMap<String, String>,
        name: &str,
        line: Option<u64>,
        secrets: &mut UserSecrets,
        refused: &mut Refused,
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
                    secrets.source = CredentialSource::Token;
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
        match key_pair::pair(&certificate, &key) {
            Ok(identity) => Ok(Some(identity)),
            Err(KeyPairFault::Mismatch) => {
                let failure = malformed("tls: private key does not match public key".to_owned())
                    .sides("the key of the certificate's public key", "another key");
                Err(Box::new(("client-key-mismatch", failure)))
            }
            Err(KeyPairFault::Words(text)) => Err(Box::new(("client-key-mismatch", malformed(text)))),
        }
    }

    /// client-go reads no credential at all for a server without TLS.
    fn withhold(&mut self, secrets: &mut UserSecrets) {
        if secrets.source == CredentialSource::None {
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
            source: CredentialSource::None,
            methods: std::mem::take(&mut secrets.methods),
            ..UserSecrets::default()
        };
    }

    // ----- complaints

    /// A problem of the user entry, at one of its fields.
    fn user_problem(&mut self, kind: &str, detail: String, entry: &Entry<RawUser>, field: &str) {
        self.problem(kind, detail, some(&entry.file), entry.value.line(field));
    }

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

/// What kubectl would not start with, in the user entry: the finding's code, kubectl's words and the line.
type Refused = Vec<(&'static str, Failure, Option<u64>)>;

/// A server that passed the checks.
struct Server {
    url: Url,
    roots: Roots,
    userinfo: Option<(String, Secret)>,
}

/// The ways to authenticate that an entry holds, in the evidence's words.
fn methods(user: &RawUser) -> Vec<&'static str> {
    [
        (!user.token.is_empty(), "token"),
        (!user.token_file.is_empty(), "tokenFile"),
        (user.has_certificate(), "clientCertificate"),
        (user.exec.is_some(), "exec"),
        (user.has_basic(), "basic"),
        (user.auth_provider.is_some(), "authProvider"),
    ]
    .into_iter()
    .filter_map(|(there, method)| there.then_some(method))
    .collect()
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

// ----- the plugin

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

#[cfg(test)]
mod tests;
