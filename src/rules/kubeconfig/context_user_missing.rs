//! The context names a user that the kubeconfig does not have.

use crate::apiserver::message::heard;
use crate::evidence::FailureKind;
use crate::report::{Confidence, Finding, Severity, Step};
use crate::rules::{Case, Page, Rule, failed_as, seen};

/// The rule.
pub static RULE: Rule = Rule {
    code: "context-user-missing",
    severity: Severity::Error,
    title: "The context names a user that the kubeconfig does not have",
    page: Page {
        means: "The context points at a user entry that is not there. kubectl then asks for a user name and password, which no API server takes any more.",
        evidence: "The context's user is not among the users of the merged files.",
        fix: "Repair the name in the context, or add the user entry. `kubectl config set-context CONTEXT --user=USER`.",
        references: "https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/",
    },
    recognises: &[&heard::CONTEXT_USER],
    explains: &[],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(failure) = failed_as(&case.evidence.kubeconfig, &[FailureKind::UserNotFound]) else { return Vec::new() };
    let cite = seen("/kubeconfig/failed/detail", failure.detail.clone());
    vec![RULE.finding(Confidence::Certain, failure.detail.clone(), cite, Step::command("Point the context at a user that exists", "kubectl config set-context --current --user=NAME"))]
}
