//! The kubeconfig as client-go loads, merges and refuses it, told in kubectl's words and without any secret.
//!
//! Sources are client-go's `tools/clientcmd` (loader.go, client_config.go, validation.go) and what kubectl 1.32 prints
//! for the same files. A fault that stops kubectl before it knows a server is a [`Failure`]; one that concerns only the
//! user's credential is kept in [`UserSecrets::failure`] and as a [`Problem`], so that the endpoint can still be examined.
//! [`Problem::kind`] is the code of the finding it leads to.
//!
//! [`Problem`]: crate::evidence::kubeconfig::Problem
//! [`Problem::kind`]: crate::evidence::kubeconfig::Problem::kind

/// Addresses of servers and proxies.
mod address;
/// The entry's auth-provider.
mod auth_provider;
/// Context, cluster and user.
mod choose;
/// The client certificate and its key.
mod client_certificate;
/// The cluster entry.
mod cluster;
/// What is wrong, noted with its place.
mod complaint;
/// The entry's credential plugin.
mod exec;
/// One file, typed.
mod file;
/// Whom requests act as.
mod impersonation;
/// A Pod's own configuration.
mod in_cluster;
/// kubectl's own preferences.
mod kuberc;
/// Which files, and how they become one.
mod merge;
/// What the scrubber learns of it.
mod secrets;
/// Tokens and passwords.
mod token;
/// The user entry.
mod user;

use std::path::{Path, PathBuf};
use std::time::Duration;

use url::Url;

use self::file::{Entry, RawConfig, RawUser};
pub(super) use self::file::{io_words, read_limited, version_and_kind};
pub use self::kuberc::PluginPolicy;
pub use self::secrets::scrub_args;
use super::{ClientIdentity, Roots};
use crate::evidence::Failure;
use crate::evidence::credential::{CredentialSource, OF_URL};
use crate::evidence::kubeconfig::Kubeconfig;
use crate::host::Host;
use crate::secret::{Scrubber, Secret};

/// Where a Pod finds its service account.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

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
    /// `--username`.
    pub username: Option<String>,
    /// `--password`.
    pub password: Option<Secret>,
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
    /// `--request-timeout`; [`Duration::MAX`] for 0, absent where it is not given.
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
    /// What kubectl's preferences say of plugins.
    pub policy: PluginPolicy,
}

impl ExecConfig {
    /// The value of an argument by any of these names, as `--name value` or `--name=value`; of several the last counts.
    pub fn argument(&self, names: &[&str]) -> Option<&str> {
        let mut args = self.args.iter().map(Secret::expose);
        let mut found = None;
        while let Some(arg) = args.next() {
            for rest in names.iter().filter_map(|name| arg.strip_prefix(name)) {
                if rest.is_empty() {
                    found = args.next();
                } else if let Some(value) = rest.strip_prefix('=') {
                    found = Some(value);
                }
            }
        }
        found
    }
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
    /// User name and password of the server URL, beside another credential: Go sets the header of them first, and
    /// client-go's token and plugin leave a header alone that is there (transport/round_trippers.go, exec.go).
    pub url_basic: Option<(String, Secret)>,
    /// `--token` gave `token`.
    pub token_by_flag: bool,
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
    /// Limit of each request, connecting included (`--request-timeout`); absent where each has its own.
    pub request_timeout: Option<Duration>,
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
    let mut loader = Loader::new(host, flags, scrubber, service_account);
    let outcome = loader.resolve();
    (loader.seen, outcome)
}

/// The name of a context. It has no Debug: it may be a token that stands in the wrong place.
pub struct ContextName {
    /// As the file has it: only this one finds the context.
    pub raw: String,
    /// As it may be shown: without secrets and without what is not seen.
    pub shown: String,
}

/// The names of all contexts, in order. None where the files cannot be read.
pub fn context_names(host: &Host, flags: &ConnectionFlags, scrubber: &Scrubber) -> Vec<ContextName> {
    let mut loader = Loader::new(host, flags, scrubber, Path::new(SERVICE_ACCOUNT));
    let Ok(merged) = loader.read() else { return Vec::new() };
    let names = merged.contexts.into_iter().map(|entry| entry.name);
    names.map(|raw| ContextName { shown: scrubber.known_only(&raw), raw }).collect()
}

/// What the flags alone say of the connection, for where the kubeconfig cannot be used. `None` where they name no server,
/// or where kubectl would not take them either. Only a credential that a flag gives is one.
pub fn by_flags(host: &Host, flags: &ConnectionFlags, scrubber: &Scrubber) -> Option<Resolved> {
    set(&flags.server)?;
    // These name entries of the files.
    let flags = ConnectionFlags { kubeconfig: None, context: None, cluster: None, user: None, ..flags.clone() };
    let service_account = Path::new(SERVICE_ACCOUNT);
    let mut loader = Loader::new(host, &flags, scrubber, service_account);
    loader.choose_from(&RawConfig::default()).ok()
}

struct Loader<'a> {
    host: &'a Host,
    flags: &'a ConnectionFlags,
    scrubber: &'a Scrubber,
    service_account: &'a Path,
    seen: Kubeconfig,
    /// What kubectl's preferences say of credential plugins.
    policy: PluginPolicy,
}

impl<'a> Loader<'a> {
    fn new(host: &'a Host, flags: &'a ConnectionFlags, scrubber: &'a Scrubber, service_account: &'a Path) -> Self {
        let (seen, policy) = (Kubeconfig::default(), PluginPolicy::default());
        Self { host, flags, scrubber, service_account, seen, policy }
    }
}

impl Loader<'_> {
    fn resolve(&mut self) -> Result<Resolved, Failure> {
        let merged = self.read()?;
        self.seen.contexts = merged.contexts.iter().map(|entry| self.scrubber.known_only(&entry.name)).collect();
        self.choose_from(&merged)
    }

    /// What the files hold together; the scrubber learns what of it is secret.
    fn read(&mut self) -> Result<RawConfig, Failure> {
        if let Some(token) = &self.flags.token {
            self.scrubber.learn_secret(token);
        }
        self.seen.source = "files".to_owned();
        self.learn_environment();
        self.read_preferences()?;
        let merged = self.merge_files()?;
        self.learn_users(&merged.users);
        self.learn_names(&merged);
        Ok(merged)
    }

    /// Chooses of what the files hold, under the flags.
    fn choose_from(&mut self, merged: &RawConfig) -> Result<Resolved, Failure> {
        let chosen = self.choose(merged)?;
        let cluster = self.effective_cluster(chosen.cluster.map(|entry| &entry.value));
        if cluster.server.is_empty() {
            let in_pod = self.in_cluster(chosen.namespace.clone())?;
            return in_pod.ok_or_else(|| self.no_server(merged, &chosen));
        }
        if chosen.cluster.is_none() && chosen.context.is_none() && chosen.user.is_none() {
            self.seen.source = "flags".to_owned();
        }
        let file = chosen.cluster.map(|entry| entry.file.clone()).unwrap_or_default();
        let server = self.cluster(&cluster, chosen.cluster_name.unwrap_or_default(), &file)?;

        self.demand_user(merged, &chosen)?;
        let nobody = Entry { name: String::new(), file: String::new(), line: 0, value: RawUser::default() };
        let (mut secrets, impersonation) = self.user(chosen.user.unwrap_or(&nobody), &cluster);
        if server.url.scheme() == "http" {
            self.withhold(&mut secrets);
        } else if let Some(basic) = server.userinfo {
            // Go's HTTP client sends a URL's userinfo as Basic.
            if secrets.source == CredentialSource::None {
                secrets.basic = Some(basic);
                secrets.source = CredentialSource::Basic;
                secrets.origin = OF_URL.to_owned();
            } else {
                secrets.url_basic = Some(basic);
            }
        }
        Ok(Resolved {
            server: server.url,
            roots: server.roots,
            insecure: cluster.insecure,
            tls_server_name: some(&cluster.tls_server_name),
            proxy_url: some(&cluster.proxy_url),
            namespace: self.seen.namespace.clone(),
            context: chosen.context.map(|entry| entry.name.clone()),
            user: secrets,
            impersonation,
            request_timeout: self.flags.request_timeout,
        })
    }
}

fn set(flag: &Option<String>) -> Option<&str> {
    flag.as_deref().filter(|value| !value.is_empty())
}

fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests;
