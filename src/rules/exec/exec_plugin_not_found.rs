//! The credential plugin is not on PATH.

use crate::shell;
use crate::apiserver::message::heard;
use crate::evidence::FailureKind;
use crate::report::{Confidence, Finding, Severity, Step};
use crate::rules::complaint;
use crate::rules::{Case, Page, Rule, failed_as, seen};

/// The rule.
pub static RULE: Rule = Rule {
    code: "exec-plugin-not-found",
    severity: Severity::Error,
    title: "The credential plugin is not installed, or not on PATH",
    page: Page {
        means: "The user entry gets its credential from a program, and that program was not found. kubectl says \"exec: executable X not found\". \
            It is often found in a terminal and not in an IDE, a cron job or CI, which have another PATH.",
        evidence: "The command of the user entry, looked up on the PATH of this process.",
        fix: "Install the plugin, or write its absolute path into the user entry. `command -v PLUGIN` shows where it is; `kubectl config set-credentials USER --exec-command=/PATH/TO/PLUGIN` writes the path.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins",
    },
    recognises: &[&heard::PLUGIN_ABSENT],
    explains: &[],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(failure) = failed_as(&case.evidence.plugin, &[FailureKind::PluginNotFound]) else { return Vec::new() };
    let user = case.evidence.kubeconfig.seen().and_then(|kubeconfig| kubeconfig.user.as_ref());
    let exec = user.and_then(|user| user.exec.as_ref());
    let command = exec.map_or("the plugin", |exec| exec.command.as_str());
    // A new command drops the arguments; they are given again.
    let base = command.rsplit('/').next().unwrap_or(command);
    let mut absolute =
        shell!("kubectl config set-credentials {} --exec-command={}", complaint::user(case), format!("/absolute/path/{base}"));
    for arg in exec.map(|exec| exec.args.as_slice()).unwrap_or_default() {
        absolute.push(&shell!(" --exec-arg={}", arg));
    }
    let mut finding = RULE
        .finding(
            Confidence::Certain,
            format!("The user entry runs {command:?} for its credential, and no such program is on this PATH."),
            seen("/plugin/failed/detail", failure.detail.clone()),
            match exec.and_then(|exec| exec.install_hint.clone()) {
                Some(hint) => Step::manifest("Install it; the kubeconfig's own hint says", hint),
                None => Step::text(format!("Install {command}.")),
            },
        )
        .step(Step::command(
            "Or, where it is installed elsewhere, name it by its absolute path",
            absolute,
        ));
    if exec.is_some() {
        finding = finding.cite(seen("/kubeconfig/seen/user/exec/command", format!("command: {command}")));
    }
    vec![finding]
}
