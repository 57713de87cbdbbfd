//! The credential plugin printed something that is no credential.

use crate::apiserver::message::heard;
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::{Case, Page, Rule, clip, plugin};

/// The rule.
pub static RULE: Rule = Rule {
    code: "exec-output-invalid",
    severity: Severity::Error,
    title: "The credential plugin's output is no ExecCredential",
    page: Page {
        means: "The plugin ended well, but what it printed on stdout cannot be read as an ExecCredential: noise of a profile script, an old API version, \
            or no token in it.",
        evidence: "client-go's own complaint about the output; the output itself is never shown, it may hold the token.",
        fix: "Run the plugin by hand and look at the first line it prints; silence what is no JSON, or upgrade the plugin. `kubectl config view --minify -o jsonpath={.users[0].user.exec}` shows the command.",
        references: "https://kubernetes.io/docs/reference/config-api/client-authentication.v1/",
    },
    recognises: &[&heard::PLUGIN_OUTPUT],
    explains: &[],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(run) = case.evidence.plugin.seen().filter(|run| run.exit_code == Some(0)) else { return Vec::new() };
    let Some(error) = &run.output_error else { return Vec::new() };
    vec![
        RULE.finding(
            Confidence::Certain,
            format!("{:?} ran without an error, but kubectl cannot use what it printed, and so has no credential to send.", run.program),
            seen("/plugin/seen/outputError", clip(error, 240)),
            Step::command(
                "Run it as kubectl does and look at what comes first (the output may hold a token: do not paste it anywhere)",
                shell!("{} | head -c 60", plugin::ran(run)),
            ),
        ),
    ]
}
