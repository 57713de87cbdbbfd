//! The credential that will be sent: runs the plugin as client-go does, reads token files, and says where it came from.
//!
//! Source of behaviour and wording: client-go's `plugin/pkg/client/auth/exec/exec.go` and
//! `transport/token_source.go`, tried against kubectl 1.32.

/// What the plugin printed.
mod exec_credential;
/// What the plugin is told of the cluster.
mod exec_info;
/// What kubelogin's arguments say.
mod kubelogin;
/// Standard output and standard error of the plugin.
mod pipes;
/// One run of the plugin.
mod plugin;
/// Whether kubectl's preferences let it run.
mod policy;
/// Plugins that run now.
mod running;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

pub use self::exec_credential::exec_credential;
pub use self::kubelogin::issuer_from_exec;
pub use self::plugin::run_plugin;
pub use self::running::end_plugins;
use super::ClientIdentity;
use super::kubeconfig::{Resolved, read_limited};
use crate::evidence::credential::{Credential, CredentialSource, OF_URL};
use crate::evidence::{Failure, FailureKind};
use crate::secret::{Scrubber, Secret};

/// The API group of what kubectl and a plugin tell each other.
const GROUP: &str = "client.authentication.k8s.io";

/// The credential itself, as it will be sent.
#[derive(Debug, Clone, Default)]
pub struct Obtained {
    /// Bearer token.
    pub token: Option<Secret>,
    /// Client certificate with key.
    pub client_identity: Option<ClientIdentity>,
    /// User name and password.
    pub basic: Option<(String, Secret)>,
}

/// What a plugin gave.
#[derive(Debug, Clone, Default)]
pub struct PluginOutput {
    /// Bearer token.
    pub token: Option<Secret>,
    /// Client certificate, PEM.
    pub certificate: Option<String>,
    /// Its key, PEM.
    pub key: Option<Secret>,
    /// When the plugin says that it ends.
    pub expiration: Option<Timestamp>,
}

/// Takes scrubbed pieces of a plugin's stderr as they come: whole lines with their line feed, or an unfinished prompt.
pub type StderrSink = Arc<dyn Fn(&str) + Send + Sync>;

/// How a plugin may be run.
#[derive(Clone)]
pub struct ExecOptions {
    /// Whether it may be run at all (`--no-exec` forbids it).
    pub allowed: bool,
    /// Limit for the whole run (`--exec-timeout`, 60 s by default).
    pub timeout: Duration,
    /// Where stderr is shown while it comes, if it is shown.
    pub show_stderr: Option<StderrSink>,
    /// Whether the user may be asked something (false for `--all-contexts` and `--watch`).
    pub interactive: bool,
}

impl Default for ExecOptions {
    fn default() -> Self {
        Self { allowed: true, timeout: Duration::from_secs(60), show_stderr: None, interactive: false }
    }
}

/// Puts together what will be sent, and says where it came from.
///
/// `token` and `certificates` of the evidence are left empty: the caller parses them. With a plugin in the user entry,
/// `plugin` is what [`run_plugin`] gave.
///
/// # Errors
/// What stops kubectl: the user entry's own failure, a token file that is missing, unreadable or empty, or a plugin
/// that gave nothing.
pub async fn obtain(
    resolved: &Resolved,
    plugin: Option<&PluginOutput>,
    scrubber: &Scrubber,
) -> Result<(Obtained, Credential), Failure> {
    let user = &resolved.user;
    if let Some(failure) = &user.failure {
        return Err(failure.clone());
    }
    let mut evidence = Credential { source: user.source.clone(), origin: user.origin.clone(), ..Credential::default() };
    let mut obtained = Obtained {
        token: user.token.clone(),
        client_identity: user.client_identity.clone(),
        basic: user.basic.clone(),
    };
    if let Some(file) = &user.token_file {
        let path = file.clone();
        // A file on a network share may be slow; it must not hold up the other probes.
        let read = tokio::task::spawn_blocking(move || read_limited(&path)).await;
        let read = read.unwrap_or_else(|_| Err(Failure::new(FailureKind::Bug, "reading the token file panicked")));
        let text = read.map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned());
        match (text, &user.token) {
            (Ok(text), _) if !text.is_empty() => {
                scrubber.learn(&text);
                obtained.token = Some(Secret::new(text));
                if user.source != CredentialSource::InCluster {
                    let before = if user.token_by_flag { ", which goes before --token" } else { "" };
                    evidence.origin = format!("token file {} of {}{before}", file.display(), user.origin);
                }
            }
            // client-go falls back to the token beside it.
            (_, Some(_)) if user.token_by_flag => {
                evidence.source = CredentialSource::Flag;
                evidence.origin = "--token".to_owned();
            }
            (_, Some(_)) => evidence.source = CredentialSource::Token,
            (Ok(_), None) => {
                let detail = format!("read empty token from file \"{}\"", file.display());
                return Err(Failure::new(FailureKind::Malformed, detail).sides("a token", "an empty file"));
            }
            (Err(failure), None) => return Err(failure),
        }
    }
    if let Some(exec) = &user.exec {
        let Some(output) = plugin else {
            let detail = format!("the credential plugin {} gave no credential", scrubber.text(&exec.command));
            return Err(Failure::new(FailureKind::PluginFailed, detail));
        };
        obtained.token = output.token.clone();
        obtained.client_identity = match (&output.certificate, &output.key) {
            (Some(certificate), Some(key)) => {
                Some(ClientIdentity { chain_pem: certificate.clone(), key_pem: key.clone() })
            }
            _ => None,
        };
        evidence.origin = format!("plugin {} of {}", scrubber.text(&exec.command), user.origin);
        evidence.announced_expiry = output.expiration;
    }
    if let Some(basic) = &user.url_basic {
        obtained.token = None;
        obtained.basic = Some(basic.clone());
        // A certificate is sent all the same, and an API server looks at it first.
        if obtained.client_identity.is_some() {
            evidence.source = CredentialSource::ClientCertificate;
        } else {
            evidence.source = CredentialSource::Basic;
            evidence.origin = format!("{OF_URL}, sent instead of what comes from {}", evidence.origin);
            evidence.announced_expiry = None;
        }
    }
    Ok((obtained, evidence))
}

#[cfg(test)]
mod tests;
