//! No kubeconfig was found.

use crate::apiserver::message::{heard, tools};
use crate::evidence::FailureKind;
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::kubeconfig::kubeconfig_unparsable::without_context;
use crate::rules::kubeconfig_fault::is_other;
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "kubeconfig-not-found",
    severity: Severity::Error,
    title: "No kubeconfig was found",
    page: Page {
        means: "There is no kubeconfig at any of the places kubectl looks. kubectl then falls back to http://localhost:8080 without saying so, and prints \"The connection to the server localhost:8080 was refused\".",
        evidence: "The paths that were looked at: --kubeconfig, each entry of KUBECONFIG, ~/.kube/config, and the service account of a Pod.",
        fix: "Point KUBECONFIG at the file you have, or create one: aws eks update-kubeconfig, gcloud container clusters get-credentials, az aks get-credentials, or the file your cluster admin gives you. `export KUBECONFIG=FILE`.",
        references: "https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/",
    },
    recognises: &[&heard::KUBECONFIG_MISSING, &heard::LOCALHOST, &heard::PYTHON_CALL, &tools::K9S],
    explains: &[],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(failure) = case.evidence.kubeconfig.failed_as(&[FailureKind::NotFound]) else { return Vec::new() };
    // One that was read and holds nothing is another finding.
    if is_other(failure, RULE.code) || without_context(&failure.detail).is_some() {
        return Vec::new();
    }
    let cite = seen("/kubeconfig/failed/detail", failure.detail.clone());
    vec![RULE
        .finding(Confidence::Certain, "There is no kubeconfig at the place that is looked at, so kubectl knows no cluster and no credential.", cite, Step::command("Name the file you have", "export KUBECONFIG=/path/to/kubeconfig"))
        .step(Step::text("Or create one with your provider's command (aws eks update-kubeconfig --name CLUSTER --region REGION, or what your cluster admin gives you)."))]
}
