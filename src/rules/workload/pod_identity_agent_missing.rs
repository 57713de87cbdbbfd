//! No Pod Identity agent runs on the Pod's node.

use crate::apiserver::message::heard;
use crate::aws::link_id;
use crate::report::{Confidence, Finding, Severity, Step};
use crate::rules::{Case, Page, Rule, pod_role};

/// The rule.
pub static RULE: Rule = Rule {
    code: "pod-identity-agent-missing",
    severity: Severity::Error,
    title: "No Pod Identity agent runs on the Pod's node",
    page: Page {
        means: "The containers ask 169.254.170.23, and that is the DaemonSet eks-pod-identity-agent on their own node. Fargate and Windows have none.",
        evidence: "The DaemonSets and the add-on eks-pod-identity-agent, the Pods on the node.",
        fix: "Install the agent: `aws eks create-addon --cluster-name CLUSTER --addon-name eks-pod-identity-agent`.",
        references: "https://docs.aws.amazon.com/eks/latest/userguide/pod-identities.html",
    },
    recognises: &[&heard::AGENT],
    explains: &["workload-uses-node-role", "metadata-unreachable"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(judged) = &case.workload else { return Vec::new() };
    let Some(link) = judged.broken(link_id::POD_IDENTITY_AGENT) else { return Vec::new() };
    let nowhere = ["Fargate", "Windows"].into_iter().find(|place| link.seen.starts_with(*place));
    let there = judged.agent("eks-pod-identity-agent").is_some();
    let step = if let Some(place) = nowhere {
        let instead = if place == "Fargate" { "EC2 nodes" } else { "Linux nodes of EC2" };
        Step::text(format!("Use IRSA for what runs on {place} (annotation eks.amazonaws.com/role-arn on the service account), or run it on {instead}."))
    } else if there {
        Step::command(
            "See why the DaemonSet makes no Pod there: node selector, taints, or no room",
            "kubectl describe daemonset eks-pod-identity-agent -n kube-system",
        )
    } else {
        Step::command(
            "Install the add-on",
            pod_role::install_agent(pod_role::cluster_name(judged)),
        )
    };
    vec![RULE.finding(
        Confidence::Certain,
        format!("{}: nobody answers at 169.254.170.23 on that node.", link.seen),
        pod_role::cite(link),
        step,
    )]
}
