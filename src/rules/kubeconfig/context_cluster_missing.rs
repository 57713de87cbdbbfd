//! The context names a cluster that the kubeconfig does not have.

use crate::apiserver::message::heard;
use crate::evidence::FailureKind;
use crate::report::{Finding, Severity};
use crate::rules::kubeconfig_fault::entry_missing;
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "context-cluster-missing",
    severity: Severity::Error,
    title: "The context names a cluster that the kubeconfig does not have",
    page: Page {
        means: "The context points at a cluster entry that is not there. kubectl then falls back to localhost:8080 without saying so.",
        evidence: "The context's cluster is not among the clusters of the merged files.",
        fix: "Repair the name in the context, or add the cluster entry. `kubectl config set-context CONTEXT --cluster=CLUSTER`.",
        references: "https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/",
    },
    recognises: &[&heard::CONTEXT_CLUSTER, &heard::LOCALHOST],
    explains: &[],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    entry_missing(case, &RULE, FailureKind::ClusterNotFound, "cluster").into_iter().collect()
}
