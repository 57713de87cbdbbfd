//! The entry's credential plugin: refused in client-go's words, or disabled by any other credential.

use super::file::{Entry, RawCluster, RawExec, RawUser};
use super::user::Refused;
use super::{ExecConfig, Loader, UserSecrets, some};
use crate::evidence::credential::CredentialSource;
use crate::evidence::{Failure, FailureKind};
use crate::secret::Secret;

impl Loader<'_> {
    /// The plugin, which any other credential disables.
    pub(super) fn add_exec(
        &mut self,
        entry: &Entry<RawUser>,
        cluster: &RawCluster,
        secrets: &mut UserSecrets,
        refused: &mut Refused,
    ) {
        let (user, name, flags) = (&entry.value, entry.name.as_str(), self.flags);
        let Some(exec) = &user.exec else { return };
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
            policy: self.policy.clone(),
        });
    }
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
