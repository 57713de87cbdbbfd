//! The kubeconfig asks for a version that the client does not know.

use crate::apiserver::message::heard;
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::kubeconfig_fault::{met_line, user};
use crate::rules::{Case, Page, Rule, plugin};

/// The rule.
pub static RULE: Rule = Rule {
    code: "exec-api-version-unknown-to-client",
    severity: Severity::Error,
    title: "The kubeconfig asks for an exec version that the client does not know",
    page: Page {
        means: "The user entry is newer than the program that reads it: client.authentication.k8s.io/v1 came with client-go 1.22, and an older client says \"invalid apiVersion\". The opposite of a removed version: here the client is what to upgrade.",
        evidence: "The version in the complaint is one that current clients know; or one that no client knows (a slip of the pen).",
        fix: "Upgrade the client, or ask for v1beta1. `kubectl config set-credentials USER --exec-api-version=client.authentication.k8s.io/v1beta1`.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins",
    },
    recognises: &[&heard::PLUGIN_NEWER],
    explains: &["exec-failed"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    const OLD_CLIENT: [&str; 2] = [
        "invalid apiVersion \"client.authentication.k8s.io/v1\"",
        "invalid apiVersion \"client.authentication.k8s.io/v1beta1\"",
    ];
    let user = user(case);
    if let Some((_, cite)) = met_line(case, &OLD_CLIENT) {
        return vec![
            RULE.finding(
                Confidence::Certain,
                "The program that printed this does not know a version that every client-go since 1.22 knows: it is older than the kubeconfig.",
                cite,
                Step::text("Upgrade that program (kubectl, helm, terraform provider, ...) to one built with client-go 1.22 or later."),
            )
            .step(Step::command(
                "Or, until then, ask for the older version, if the plugin can speak it",
                shell!("kubectl config set-credentials {} --exec-api-version=client.authentication.k8s.io/v1beta1", user),
            )),
        ];
    }
    let Some(failure) = case.evidence.plugin.failed().filter(|failure| failure.detail.contains("exec plugin: invalid apiVersion")) else {
        return Vec::new();
    };
    let version = plugin::exec(case).map(|exec| exec.api_version.as_str()).unwrap_or_default();
    if version.ends_with("/v1alpha1") {
        return Vec::new();
    }
    vec![
        RULE.finding(
            Confidence::Certain,
            format!("The user entry asks for {version:?}. There are only client.authentication.k8s.io/v1 and v1beta1."),
            seen("/plugin/failed/detail", failure.detail.clone()),
            Step::command(
                "Ask for the version that the plugin speaks (v1 or v1beta1)",
                shell!("kubectl config set-credentials {} --exec-api-version=client.authentication.k8s.io/v1", user),
            ),
        )
        .titled("The kubeconfig asks for an exec version that does not exist"),
    ]
}
