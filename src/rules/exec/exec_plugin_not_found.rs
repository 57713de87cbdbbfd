//! The credential plugin is not on PATH.

use crate::apiserver::message::{heard, tools};
use crate::evidence::FailureKind;
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::plugin::stderr_line;
use crate::rules::{Case, Page, Rule, clip, failed_as, kubeconfig_fault};

/// The rule.
pub static RULE: Rule = Rule {
    code: "exec-plugin-not-found",
    severity: Severity::Error,
    title: "The credential plugin is not installed, or not on PATH",
    page: Page {
        means: "The user entry gets its credential from a program, and that program was not found; or it was, and a program that it calls in turn is not there (kubectl without its plugin oidc-login, gke-gcloud-auth-plugin without gcloud). kubectl says \"exec: executable X not found\". \
            It is often found in a terminal and not in an IDE, a cron job or CI, which have another PATH.",
        evidence: "The command of the user entry, looked up on the PATH of this process; or the plugin's stderr.",
        fix: "Install the plugin, or write its absolute path into the user entry. `command -v PLUGIN` shows where it is; `kubectl config set-credentials USER --exec-command=/PATH/TO/PLUGIN` writes the path.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins",
    },
    recognises: &[&heard::PLUGIN_ABSENT, &tools::PLUGIN_START, &tools::PLUGIN_ABSENT],
    explains: &["exec-failed"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(failure) = failed_as(&case.evidence.plugin, &[FailureKind::PluginNotFound]) else {
        return without_its_own(case).into_iter().collect();
    };
    let user = case.evidence.kubeconfig.seen().and_then(|kubeconfig| kubeconfig.user.as_ref());
    let exec = user.and_then(|user| user.exec.as_ref());
    let command = exec.map_or("the plugin", |exec| exec.command.as_str());
    // A new command drops the arguments; they are given again.
    let base = command.rsplit('/').next().unwrap_or(command);
    let mut absolute =
        shell!("kubectl config set-credentials {} --exec-command={}", kubeconfig_fault::user(case), format!("/absolute/path/{base}"));
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

/// The plugin is there, and what it calls in turn is not.
fn without_its_own(case: &Case<'_>) -> Option<Finding> {
    if let Some((line, cite)) = stderr_line(case, &["unknown command \"", "\" for \"kubectl\""]) {
        let name = line.split('"').nth(1).filter(|name| !name.is_empty())?;
        let install = Step::command("Install kubectl's plugin (krew is kubectl's own plugin manager)", shell!("kubectl krew install {}", name));
        let finding = RULE
            .finding(Confidence::Certain, format!("kubectl has no plugin {name:?}: {}", clip(line, 240)), cite, install)
            .titled(format!("kubectl's plugin {name:?} is not installed, or not on PATH"))
            .step(Step::command("Or, where it is installed, see whether its folder is on the PATH of whoever runs kubectl", shell!("command -v kubectl-{}; echo \"$PATH\"", name.replace('-', "_"))));
        return Some(finding);
    }
    let (line, cite) = stderr_line(case, &["exec: \"", "executable file not found"])?;
    let name = line.split_once("exec: \"")?.1.split('"').next()?;
    // A list of browsers is a login that nobody can finish here.
    if name.is_empty() || name.contains(',') || name.contains("browser") || name == "xdg-open" {
        return None;
    }
    let finding = RULE
        .finding(
            Confidence::Certain,
            format!("The plugin was found, and {name}, which it runs, was not: {}", clip(line, 300)),
            cite,
            Step::text(format!("Install {name}, or put its folder on the PATH of whoever runs kubectl (an IDE, a cron job and CI have another one than your terminal).")),
        )
        .titled(format!("The credential plugin needs {name}, which is not installed, or not on PATH"))
        .step(Step::command("See whether it is there", shell!("command -v {}; echo \"$PATH\"", name)));
    Some(finding)
}
