//! An auth-provider that this program was built without.

use crate::apiserver::message::heard;
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step};
use crate::rules::kubeconfig_fault::{complaint, met_line, user};
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "auth-provider-not-built-in",
    severity: Severity::Error,
    title: "The program was built without the auth-provider of the user entry",
    page: Page {
        means: "The program that printed \"no Auth Provider found for name ...\" does not know the auth-provider. kubectl knows only oidc; other tools that read kubeconfigs (helm plugins, dashboards, operators) are often built without any. That is not the same as one that was removed.",
        evidence: "The message, or a name that kubectl itself does not know.",
        fix: "Use a credential plugin, which every tool can run: kubelogin for oidc. `kubectl krew install oidc-login`.",
        references: "https://github.com/int128/kubelogin",
    },
    recognises: &[&heard::PROVIDER_ABSENT],
    explains: &[],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some((detail, cite)) = complaint(case, RULE.code)
        .map(|complaint| (complaint.detail, complaint.cite))
        .or_else(|| met_line(case, &["no Auth Provider found for name \""]))
    else {
        return Vec::new();
    };
    let name = detail.split("for name \"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default();
    let user = user(case);
    let step = if name == "oidc" {
        Step::command(
            "Log in by kubelogin instead: every tool can run it",
            shell!("kubectl config unset users.{}.auth-provider; kubectl config set-credentials {} \
                 --exec-api-version=client.authentication.k8s.io/v1 --exec-interactive-mode=IfAvailable --exec-command=kubectl \
                 --exec-arg=oidc-login --exec-arg=get-token --exec-arg=--oidc-issuer-url=ISSUER --exec-arg=--oidc-client-id=CLIENT", user, user),
        )
    } else {
        Step::command(
            "Take the auth-provider out, and give the entry a plugin or a token instead",
            shell!("kubectl config unset users.{}.auth-provider; kubectl config set-credentials {} --token=\"$TOKEN\"", user, user),
        )
    };
    let whose = if name == "oidc" { "The tool that printed this was built without it; kubectl itself has it." } else { "kubectl knows only oidc." };
    vec![RULE.finding(
        Confidence::Certain,
        format!("The user entry gets its credential from the auth-provider {name:?}. {whose}"),
        cite,
        step,
    )]
}
