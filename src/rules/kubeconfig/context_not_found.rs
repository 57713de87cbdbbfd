//! The kubeconfig has no such context.

use crate::apiserver::message::heard;
use crate::evidence::FailureKind;
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::kubeconfig_fault::{each, listed, names};
use crate::rules::{Case, Page, Rule, failed_as};

/// The rule.
pub static RULE: Rule = Rule {
    code: "context-not-found",
    severity: Severity::Error,
    title: "The kubeconfig has no such context",
    page: Page {
        means: "The context asked for (by --context or current-context) is in none of the files.",
        evidence: "The list of contexts of the merged files.",
        fix: "Use one of the names listed, or add the file that holds it to KUBECONFIG. `kubectl config get-contexts` lists them.",
        references: "https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/",
    },
    recognises: &[&heard::CONTEXT_MISSING],
    explains: &[],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(failure) = failed_as(&case.evidence.kubeconfig, &[FailureKind::ContextNotFound]) else { return Vec::new() };
    let cite = seen("/kubeconfig/failed/detail", failure.detail.clone());
    let mut names = names(failure);
    // The one that the loader takes the name for a slip of goes first.
    let near = failure.detail.split_once("did you mean \"").and_then(|(_, rest)| rest.split_once('"')).map(|(name, _)| name);
    names.sort_by_key(|name| near != Some(*name));
    let mut steps = each(&names, "Use one of the names there are", |name| shell!("kubectl config use-context {}", name)).into_iter();
    let first = steps.next().unwrap_or_else(|| Step::command("See which files are read, and what is in them", "kubectl config get-contexts"));
    let why = if names.is_empty() {
        "The files of the kubeconfig hold no context at all.".to_owned()
    } else {
        format!("The name is not among the contexts: there are {}.", listed(&names))
    };
    let finding = RULE.finding(Confidence::Certain, why, cite, first).steps(steps);
    vec![finding.step(Step::command("Or add the file that holds it", "export KUBECONFIG=$HOME/.kube/config:/path/to/other"))]
}
