//! The plugin wants a terminal, and there is none.

use crate::apiserver::message::heard;
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::kubeconfig_fault::user;
use crate::rules::plugin::{self, complained};
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "exec-needs-terminal",
    severity: Severity::Error,
    title: "The credential plugin needs a terminal, and there is none",
    page: Page {
        means: "interactiveMode is Always: client-go does not even start the plugin where standard input is no terminal (CI, cron, an IDE, a pipe).",
        evidence: "client-go's complaint and the interactiveMode of the user entry.",
        fix: "IfAvailable, where the plugin can do without a terminal (a browser, a cached login); else log in once in a terminal, or use a credential for machines. `kubectl config set-credentials USER --exec-interactive-mode=IfAvailable`.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins",
    },
    recognises: &[&heard::PLUGIN_TERMINAL, &heard::LOGIN_BROWSER],
    explains: &["exec-failed"],
    check,
};

const WORDS: &str = "exec plugin cannot support interactive mode: standard input is not a terminal";

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some((_, cite)) = complained(case, &[WORDS])
    else {
        return Vec::new();
    };
    // Whoever met another message had a terminal; kaccess has none here.
    let confidence = match case.evidence.asked.error.as_deref() {
        Some(error) if !error.contains(WORDS) => Confidence::Likely,
        _ => Confidence::Certain,
    };
    let mode = plugin::exec(case).and_then(|exec| exec.interactive_mode.as_deref());
    let mut finding = RULE
        .finding(
            confidence,
            "The user entry says that the plugin always asks somebody, and nobody is there to be asked.",
            cite,
            Step::command(
                "If the plugin can also do without a terminal, say so",
                shell!("kubectl config set-credentials {} --exec-interactive-mode=IfAvailable", user(case)),
            ),
        )
        .step(Step::text("If not: run the command in a terminal; for machines, use a service account token or another login without questions."));
    if let Some(mode) = mode {
        finding = finding.cite(seen("/kubeconfig/seen/user/exec/interactiveMode", format!("interactiveMode: {mode}")));
    }
    vec![finding]
}
