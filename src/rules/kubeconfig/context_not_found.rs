//! The kubeconfig has no such context.

use crate::apiserver::message::heard;
use crate::evidence::FailureKind;
use crate::report::{Confidence, Finding, Severity, Step};
use crate::rules::{Case, Page, Rule, failed_as, seen};

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
    vec![RULE
        .finding(Confidence::Certain, failure.detail.clone(), cite, Step::command("See the names there are, and use one of them", "kubectl config get-contexts"))
        .step(Step::command("Or add the file that holds it", "export KUBECONFIG=$HOME/.kube/config:/path/to/other"))]
}
