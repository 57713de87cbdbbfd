//! Which credential plugin it is, and what it said.

use super::{Case, clip};
use crate::evidence::credential::PluginRun;
use crate::evidence::kubeconfig::Exec;
use crate::report::shell::{Shell, quoted};
use crate::report::{Citation, seen};

/// The credential plugins that are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `aws eks get-token`.
    Aws,
    /// `aws-iam-authenticator`.
    AwsIamAuthenticator,
    /// kubelogin for OIDC: `kubectl oidc-login`.
    Oidc,
    /// `gke-gcloud-auth-plugin`.
    Gke,
    /// kubelogin for Entra ID (Azure).
    Azure,
    /// Any other program.
    Other,
}

impl Kind {
    /// It signs in at AWS.
    pub fn is_aws(self) -> bool {
        matches!(self, Self::Aws | Self::AwsIamAuthenticator)
    }
}

/// The plugin of the user entry.
pub fn exec<'e>(case: &Case<'e>) -> Option<&'e Exec> {
    case.evidence.kubeconfig.seen()?.user.as_ref()?.exec.as_ref()
}

/// The plugin's run.
pub fn run<'e>(case: &Case<'e>) -> Option<&'e PluginRun> {
    case.evidence.plugin.seen()
}

/// Which plugin the user entry names.
pub fn kind(case: &Case<'_>) -> Kind {
    let Some(exec) = exec(case) else { return Kind::Other };
    let base = exec.command.rsplit(['/', '\\']).next().unwrap_or_default();
    let base = base.strip_suffix(".exe").unwrap_or(base);
    // A shell that runs it has the whole command in one argument.
    let words = || exec.args.iter().flat_map(|arg| arg.split_whitespace());
    let has = |text: &str| words().any(|word| word.starts_with(text));
    match base {
        "aws" => Kind::Aws,
        "aws-iam-authenticator" | "heptio-authenticator-aws" => Kind::AwsIamAuthenticator,
        "gke-gcloud-auth-plugin" => Kind::Gke,
        // Some have the version in the name.
        _ if base.starts_with("kubectl-oidc_login") => Kind::Oidc,
        _ if base.starts_with("kubelogin") && has("--oidc-issuer-url") => Kind::Oidc,
        "kubelogin" if has("--server-id") || has("--environment") || has("--login") || has("-l") => Kind::Azure,
        // kubectl, by whatever name.
        _ if has("oidc-login") => Kind::Oidc,
        _ => Kind::Other,
    }
}

/// The value of an argument, in both spellings; of several the last counts, as the tools have it.
pub fn argument<'e>(exec: &'e Exec, names: &[&str]) -> Option<&'e str> {
    let mut args = exec.args.iter();
    let mut found = None;
    while let Some(arg) = args.next() {
        for rest in names.iter().filter_map(|name| arg.strip_prefix(name)) {
            if rest.is_empty() {
                found = args.next().map(String::as_str);
            } else if let Some(value) = rest.strip_prefix('=') {
                found = Some(value);
            }
        }
    }
    found
}

/// The command as it would be typed.
pub fn command(exec: &Exec) -> Shell {
    let words = std::iter::once(&exec.command).chain(&exec.args);
    Shell::join(words.map(|word| quoted(word)), " ")
}

/// A command that was run, as it would be typed.
pub fn ran(run: &PluginRun) -> Shell {
    Shell::join(std::iter::once(&run.program).chain(&run.args).map(|word| quoted(word)), " ")
}

/// The line that a plugin that failed wrote to stderr, if it holds all of these texts.
pub fn stderr_line<'e>(case: &Case<'e>, texts: &[&str]) -> Option<(&'e str, Citation)> {
    let run = run(case).filter(|run| run.exit_code != Some(0))?;
    let line = run.stderr.lines().find(|line| texts.iter().all(|text| line.contains(text)))?;
    Some((line.trim(), seen("/plugin/seen/stderr", format!("stderr: {}", clip(line.trim(), 240)))))
}

/// client-go's complaint about the plugin: of its output, of what it refused to start, or in the message you met.
pub fn complained<'e>(case: &Case<'e>, texts: &[&str]) -> Option<(&'e str, Citation)> {
    let holds = |text: &str| texts.iter().all(|part| text.contains(part));
    if let Some(error) = run(case).and_then(|run| run.output_error.as_deref()).filter(|error| holds(error)) {
        return Some((error, seen("/plugin/seen/outputError", clip(error, 240))));
    }
    if let Some(failure) = case.evidence.plugin.failed().filter(|failure| holds(&failure.detail)) {
        return Some((&failure.detail, seen("/plugin/failed/detail", clip(&failure.detail, 240))));
    }
    let error = case.evidence.asked.error.as_deref()?;
    let line = error.lines().find(|line| holds(line))?;
    Some((line, seen("/asked/error", format!("the message you met says: {}", clip(line, 240)))))
}
