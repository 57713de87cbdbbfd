//! The cluster is being made, deleted, or has failed.

use crate::report::{Confidence, Finding, Severity, Step};
use crate::rules::{Case, Page, Rule, eks, seen};

/// The rule.
pub static RULE: Rule = Rule {
    code: "cluster-not-active",
    severity: Severity::Error,
    title: "The EKS cluster is not active",
    page: Page {
        means: "The cluster is in a state in which its API server need not answer: it is still being made or deleted, or making it failed.",
        evidence: "The status of the cluster by eks:DescribeCluster, with its health issues.",
        fix: "Wait until it is ACTIVE, or put right what its health issues name.",
        references: "https://docs.aws.amazon.com/eks/latest/userguide/troubleshooting.html",
    },
    recognises: &[],
    explains: &["endpoint-name-not-found", "api-connection-timeout", "api-connection-refused", "api-connection-closed", "api-unavailable", "credential-rejected"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(cluster) = eks::aws(case).and_then(|aws| aws.cluster.seen()) else { return Vec::new() };
    let what = match cluster.status.as_str() {
        "CREATING" | "PENDING" => "it is still being made",
        "DELETING" => "it is being deleted",
        "FAILED" => "making it failed",
        _ => return Vec::new(),
    };
    let step = match cluster.status.as_str() {
        "DELETING" => Step::text("Somebody is deleting this cluster: take another one, and its context."),
        _ => Step::command("Wait for it", format!("aws eks wait cluster-active --name {}", cluster.name)),
    };
    let mut finding = RULE
        .finding(
            Confidence::Certain,
            format!("EKS says that {} is {}: {what}.", cluster.name, cluster.status),
            seen("/aws/cluster/seen/status", format!("status {}", cluster.status)),
            step,
        )
        .titled(format!("The EKS cluster is {}", cluster.status));
    for (index, issue) in cluster.health.iter().enumerate() {
        finding = finding.cite(seen(format!("/aws/cluster/seen/health/{index}"), format!("{}: {}", issue.code, issue.message)));
    }
    vec![finding]
}
