//! The gcp or azure auth-provider, which kubectl has no more.

use crate::apiserver::message::heard;
use crate::report::{Confidence, Finding, Severity, Step};
use crate::rules::kubeconfig_fault::{complaint, met_line};
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "auth-provider-removed",
    severity: Severity::Error,
    title: "The auth-provider of the user entry was removed from kubectl",
    page: Page {
        means: "kubectl 1.26 and later have no gcp and azure auth-provider any more and stop with \"The gcp auth plugin has been removed.\"",
        evidence: "The name of the auth-provider in the user entry.",
        fix: "Have the entry written anew for the credential plugin: gke-gcloud-auth-plugin, or kubelogin for Azure. `gcloud container clusters get-credentials CLUSTER`, or `az aks get-credentials -g GROUP -n CLUSTER` and `kubelogin convert-kubeconfig`.",
        references: "https://cloud.google.com/blog/products/containers-kubernetes/kubectl-auth-changes-in-gke",
    },
    recognises: &[&heard::PROVIDER_REMOVED, &heard::PROVIDER_ABSENT],
    explains: &[],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let texts = ["The gcp auth plugin has been removed", "The azure auth plugin has been removed"];
    let Some((detail, cite)) =
        complaint(case, RULE.code).map(|complaint| (complaint.detail, complaint.cite)).or_else(|| met_line(case, &texts))
    else {
        return Vec::new();
    };
    let step = if detail.contains("azure") {
        Step::command(
            "Install the plugin, and have it rewrite the kubeconfig",
            "az aks install-cli && kubelogin convert-kubeconfig -l azurecli",
        )
    } else {
        Step::command(
            "Install the plugin, and have the entry written anew",
            "gcloud components install gke-gcloud-auth-plugin && gcloud container clusters get-credentials CLUSTER --location=LOCATION",
        )
    };
    let name = if detail.contains("azure") { "azure" } else { "gcp" };
    vec![RULE.finding(
        Confidence::Certain,
        format!("The user entry gets its credential from the auth-provider {name}, which kubectl 1.26 and later do not have."),
        cite,
        step,
    )]
}
