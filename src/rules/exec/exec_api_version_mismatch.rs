//! The plugin answers in another version than it was asked for.

use crate::apiserver::message::heard;
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step};
use crate::rules::kubeconfig_fault::user;
use crate::rules::plugin::complained;
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "exec-api-version-mismatch",
    severity: Severity::Error,
    title: "The credential plugin answers in another version than the kubeconfig asks for",
    page: Page {
        means: "kubectl takes the output only in the version that the user entry names: \"exec plugin is configured to use API version A, plugin returned version B\".",
        evidence: "client-go's complaint names both.",
        fix: "Write the version that the plugin speaks into the user entry. `kubectl config set-credentials USER --exec-api-version=client.authentication.k8s.io/v1beta1`.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins",
    },
    recognises: &[&heard::PLUGIN_VERSIONS],
    explains: &["exec-output-invalid"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some((line, cite)) = complained(case, &["exec plugin is configured to use API version "]) else { return Vec::new() };
    let part = |after: &str| line.split(after).nth(1).and_then(|rest| rest.split([',', ' ']).next()).unwrap_or_default();
    let (asked, given) = (part("to use API version "), part("plugin returned version "));
    // Without any version it is no ExecCredential at all.
    if given.is_empty() || given.ends_with("/__internal") {
        return Vec::new();
    }
    vec![RULE.finding(
        Confidence::Certain,
        format!("The user entry asks for {asked}, and the plugin printed {given}."),
        cite,
        Step::command(
            "Ask for what the plugin speaks",
            shell!("kubectl config set-credentials {} --exec-api-version={}", user(case), given),
        ),
    )]
}
