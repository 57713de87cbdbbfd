//! The credential plugin ended with an error.

use crate::apiserver::message::heard;
use crate::evidence::FailureKind;
use crate::report::{Confidence, Finding, Severity, Step};
use crate::rules::exec::exec_timeout;
use crate::rules::{Case, Page, Rule, clip, failed_as, plugin, seen};

/// The rule.
pub static RULE: Rule = Rule {
    code: "exec-failed",
    severity: Severity::Error,
    title: "The credential plugin failed",
    page: Page {
        means: "The program that should give the credential ended with an error. Nothing was sent to the API server, so neither the cluster nor your rights are to blame.",
        evidence: "The plugin's exit code and what it wrote to stderr (secrets removed).",
        fix: "What stderr says: log in again, name another profile, or install what is missing; then run the same command by hand until it works. `aws sts get-caller-identity` tries it for AWS, `kubectl oidc-login get-token` with the arguments of the entry for OIDC.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins",
    },
    recognises: &[&heard::PLUGIN_FAILED, &heard::PLUGIN_ABSENT, &heard::LOGIN_REFUSED],
    explains: &[],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    if let Some(failure) = failed_as(&case.evidence.plugin, &[FailureKind::PluginFailed]) {
        let command = plugin::exec(case).map_or_else(|| "PLUGIN".to_owned(), |exec| exec.command.clone());
        return vec![
            RULE.finding(
                Confidence::Certain,
                format!("The plugin was not started: {}.", failure.detail),
                seen("/plugin/failed/detail", failure.detail.clone()),
                Step::command("See whether it is an executable file that you may run", format!("ls -l \"$(command -v {})\"", plugin::quoted(&command))),
            )
            .titled("The credential plugin could not be started"),
        ];
    }
    let Some(run) = case.evidence.plugin.seen().filter(|run| run.exit_code != Some(0) && !exec_timeout::timed_out(run)) else { return Vec::new() };
    let code = run.exit_code.map_or("a signal".to_owned(), |code| format!("exit code {code}"));
    let said = run.stderr.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("nothing on stderr");
    let finding = RULE
        .finding(
            Confidence::Certain,
            format!("{:?} ended with {code} before any request was sent. Its last word: {}", run.program, clip(said, 240)),
            seen("/plugin/seen/stderr", format!("stderr: {}", clip(said, 240))),
            Step::command(
                "Run the same command by hand until it works",
                format!("{} {}", run.program, run.args.join(" ")).trim().to_owned(),
            ),
        )
        .titled(format!("The credential plugin failed with {code}"));
    vec![finding]
}
