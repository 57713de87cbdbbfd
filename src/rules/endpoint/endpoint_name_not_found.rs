//! The API server's host name does not exist.

use crate::apiserver::message::heard;
use crate::evidence::FailureKind;
use crate::report::{Confidence, Finding, Severity, Step};
use crate::rules::{Case, Page, Rule, failed_as, probed, seen};

/// The rule.
pub static RULE: Rule = Rule {
    code: "endpoint-name-not-found",
    severity: Severity::Error,
    title: "The API server's host name does not resolve",
    page: Page {
        means: "The system's resolver has no address for the host in the cluster entry. The name is mistyped, the cluster was deleted, or the name is private and you are not in its network or VPN.",
        evidence: "The answer of getaddrinfo, and of the configured name servers beside it.",
        fix: "Compare the server URL with the cluster's endpoint; connect the VPN for a private name; write the entry anew.",
        references: "https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/",
    },
    recognises: &[&heard::SERVER_NAME],
    explains: &[],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(failure) = failed_as(&case.evidence.endpoint.dns, &[FailureKind::NameNotFound]) else { return Vec::new() };
    let server = case.evidence.kubeconfig.seen().and_then(|kubeconfig| Some(kubeconfig.cluster.as_ref()?.server.clone()));
    vec![
        RULE.finding(
            Confidence::Certain,
            format!("{}. Nothing was sent to any API server.", failure.detail),
            probed("/endpoint/dns/failed/detail", failure.detail.clone()),
            Step::command("Compare the server of the cluster entry with the cluster's real endpoint", "kubectl config view --minify -o jsonpath='{.clusters[0].cluster.server}'"),
        )
        .step(Step::text("If the name is private, connect to its network or VPN first."))
        .cite_if(server.map(|server| seen("/kubeconfig/seen/cluster/server", server))),
    ]
}
