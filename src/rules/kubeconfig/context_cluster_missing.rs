//! The context names a cluster that the kubeconfig does not have.

use crate::apiserver::message::heard;
use crate::evidence::FailureKind;
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step};
use crate::rules::complaint::{context_of, each, listed, names, quoted};
use crate::rules::{Case, Page, Rule, failed_as, seen};

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
    let Some(failure) = failed_as(&case.evidence.kubeconfig, &[FailureKind::ClusterNotFound]) else { return Vec::new() };
    let cite = seen("/kubeconfig/failed/detail", failure.detail.clone());
    let context = context_of(failure).map_or_else(|| "CONTEXT".into(), quoted);
    let names = names(failure);
    let mut steps = each(&names, "Point the context at a cluster that exists", |name| shell!("kubectl config set-context {} --cluster={}", context, name)).into_iter();
    let first = steps.next().unwrap_or_else(|| {
        Step::text("The files hold no cluster entry at all: take the kubeconfig again from where it is handed out, or add the file that holds the entry to KUBECONFIG.")
    });
    let why = if names.is_empty() {
        "The name is not among the cluster entries, of which there is none.".to_owned()
    } else {
        format!("The name is not among the cluster entries: there are {}. An entry of another file counts only if that file is in KUBECONFIG.", listed(&names))
    };
    let finding = RULE.finding(Confidence::Certain, why, cite, first);
    vec![steps.fold(finding, Finding::step)]
}
