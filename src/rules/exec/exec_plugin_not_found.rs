//! The credential plugin is not on PATH.

use crate::apiserver::message::{heard, tools};
use crate::evidence::FailureKind;
use crate::evidence::credential::A_PROGRAM;
use crate::report::shell::{Shell, quoted, shell};
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::plugin::stderr_line;
use crate::rules::{Case, Page, Rule, clip, kubeconfig_fault};

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
    let Some(failure) = case.evidence.plugin.failed_as(&[FailureKind::PluginNotFound]) else {
        return without_its_own(case).into_iter().collect();
    };
    let user = case.evidence.kubeconfig.seen().and_then(|kubeconfig| kubeconfig.user.as_ref());
    let exec = user.and_then(|user| user.exec.as_ref());
    let command = exec.map_or("the plugin", |exec| exec.command.as_str());
    let args = exec.map(|exec| exec.args.as_slice()).unwrap_or_default();
    // A new command drops the arguments; they are given again.
    let write = |program: Shell, more: &[&str]| {
        let mut write = shell!("kubectl config set-credentials {} --exec-command={}", kubeconfig_fault::user(case), program);
        for arg in more.iter().copied().chain(args.iter().map(String::as_str)) {
            write.push(&shell!(" --exec-arg={}", arg));
        }
        write
    };
    let base = command.rsplit('/').next().unwrap_or(command);
    let absolute = write(quoted(&format!("/absolute/path/{base}")), &[]);
    let install = match exec.and_then(|exec| exec.install_hint.clone()) {
        Some(hint) => Step::manifest("Install it; the kubeconfig's own hint says", hint),
        None => Step::text(format!("Install {command}.")),
    };
    let cite = seen("/plugin/failed/detail", failure.detail.clone());
    let found = |why: String, step| RULE.finding(Confidence::Certain, why, cite, step);
    let program = failure.seen.as_deref().and_then(|seen| seen.strip_prefix(A_PROGRAM));
    let mut finding = if let Some((program, rest)) = program.and_then(|program| Some((program, command.strip_prefix(program)?))) {
        let words: Vec<&str> = rest.split_whitespace().collect();
        found(
            format!("The user entry's command is {command:?}, and kubectl takes all of it for the name of one program; {program} alone is there. Arguments belong in args."),
            Step::command("Name the program alone, and its arguments as such", write(quoted(program), &words)),
        )
        .titled("The credential plugin's command holds its arguments as well")
        .cite(seen("/plugin/failed/seen", format!("{program} is an executable file")))
    } else if let Some((_, below)) = command.split_once("~/").filter(|(before, _)| before.is_empty() || before.ends_with('/')) {
        found(
            format!("The user entry runs {command:?} for its credential. No shell reads that, so ~ is the name of a folder and not your home, and there is no such file."),
            Step::command("Write the whole path", write(shell!("\"$HOME\"/{}", below), &[])),
        )
        .titled("The credential plugin's path begins with ~, which kubectl does not expand")
    } else if command.contains('/') {
        found(format!("The user entry runs {command:?} for its credential, and there is no such file."), install)
            .titled("The credential plugin is not where the user entry says")
            .step(Step::command("Or, where it is installed elsewhere, name that place", absolute))
    } else {
        found(format!("The user entry runs {command:?} for its credential, and no such program is on this PATH."), install)
            .step(Step::command("Or, where it is installed elsewhere, name it by its absolute path", absolute))
    };
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
