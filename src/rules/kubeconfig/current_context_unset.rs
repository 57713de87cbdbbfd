//! The kubeconfig chooses no context.

use crate::apiserver::message::heard;
use crate::evidence::FailureKind;
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::kubeconfig_fault::names;
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "current-context-unset",
    severity: Severity::Error,
    title: "The kubeconfig chooses no context",
    page: Page {
        means: "The file has no current-context, so kubectl uses no cluster entry at all and falls back to localhost:8080.",
        evidence: "current-context is empty in every file of the list, while contexts exist.",
        fix: "`kubectl config get-contexts` lists the names: `kubectl config use-context NAME`.",
        references: "https://kubernetes.io/docs/reference/kubectl/generated/kubectl_config/kubectl_config_use-context/",
    },
    recognises: &[&heard::CONTEXT_UNSET, &heard::LOCALHOST],
    explains: &[],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(failure) = case.evidence.kubeconfig.failed_as(&[FailureKind::ContextUnset]) else { return Vec::new() };
    let cite = seen("/kubeconfig/failed/detail", failure.detail.clone());
    let names = names(failure);
    let mut steps = names.each("Choose a context", |name| shell!("kubectl config use-context {}", name)).into_iter();
    let first = steps.next().unwrap_or_else(|| Step::command("Choose a context", "kubectl config get-contexts"));
    let why = format!("No file of the kubeconfig says which of its contexts is meant ({}), so kubectl knows no server.", names.listed());
    vec![RULE.finding(Confidence::Certain, why, cite, first).steps(steps)]
}
