//! The cluster is being made, deleted, or has failed.

use crate::evidence::eks::HealthIssue;
use crate::report::shell::{quoted, shell};
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::{Case, Page, Rule, eks};

/// The rule.
pub static RULE: Rule = Rule {
    code: "cluster-not-active",
    severity: Severity::Error,
    title: "The EKS cluster is not active",
    page: Page {
        means: "The cluster is in a state in which its API server need not answer: it is still being made or deleted, or it failed. A failed one does not become ACTIVE by itself.",
        evidence: "The status of the cluster by eks:DescribeCluster, with its health issues.",
        fix: "Wait until one that is being made is ACTIVE; of one that failed put right what its health issues name. `aws eks describe-cluster --name CLUSTER --query cluster.health` names them.",
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
        "FAILED" => "it failed, and waiting does not change that",
        _ => return Vec::new(),
    };
    let name = quoted(&cluster.name);
    let step = match cluster.status.as_str() {
        "DELETING" => Step::text("Somebody is deleting this cluster: take another one, and its context."),
        "FAILED" => match cluster.health.as_slice() {
            [] => Step::command("Read what failed", shell!("aws eks describe-cluster --name {} --query cluster.health", name)),
            issues => {
                let named: Vec<String> = issues.iter().map(issue_in_words).collect();
                Step::text(format!("Put right what its health names: {}.", named.join("; ").trim_end_matches('.')))
            }
        },
        _ => Step::command("Wait for it", shell!("aws eks wait cluster-active --name {}", name)),
    };
    let mut finding = RULE
        .finding(
            Confidence::Certain,
            format!("EKS says that {} is {}: {what}.", cluster.name, cluster.status),
            seen("/aws/cluster/seen/status", format!("status {}", cluster.status)),
            step,
        )
        .titled(format!("The EKS cluster is {}", cluster.status));
    if cluster.status == "FAILED" {
        finding = finding.step(Step::text(
            "A cluster that never was ACTIVE is then deleted and made again; for one that was in use, open a case with AWS Support before anything is deleted.",
        ));
    }
    for (index, issue) in cluster.health.iter().enumerate() {
        finding = finding.cite(seen(format!("/aws/cluster/seen/health/{index}"), format!("{}: {}", issue.code, issue.message)));
    }
    vec![finding]
}

/// The code, AWS's words and the ids they are about.
fn issue_in_words(issue: &HealthIssue) -> String {
    let ids = match issue.resource_ids.as_slice() {
        [] => String::new(),
        ids => format!(" ({})", ids.join(", ")),
    };
    format!("{}: {}{ids}", issue.code, issue.message.trim_end_matches('.'))
}
