//! The Pod acts as its node.

use crate::apiserver::message::heard;
use crate::aws::link_id;
use crate::aws::workload::{IdentitySource, Judgement, Link, is_role_arn};
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step};
use crate::rules::{Case, Page, Rule, pod_role};

/// The rule.
pub static RULE: Rule = Rule {
    code: "workload-uses-node-role",
    severity: Severity::Warning,
    title: "The Pod acts as its node",
    page: Page {
        means: "Without a role of its own a Pod gets the node's role from the metadata service: everything on that node may do the same, and what was meant for one workload must be given to all.",
        evidence: "No credentials in the Pod, and a metadata service that answers it; or a role that only kiam or kube2iam could give, while neither runs in the cluster, on the Pod's node, or for a Pod with hostNetwork.",
        fix: "Give the workload a role of its own, by IRSA or `aws eks create-pod-identity-association --cluster-name CLUSTER --namespace NAMESPACE --service-account NAME --role-arn ARN`, and keep the nodes' hop limit at 1.",
        references: "https://aws.github.io/aws-eks-best-practices/security/docs/iam/",
    },
    recognises: &[&heard::NODE_ROLE],
    explains: &[],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(judged) = &case.workload else { return Vec::new() };
    if !judged.asks_metadata() {
        return Vec::new();
    }
    let nobody = judged.broken(link_id::METADATA_AGENT);
    // The agent runs, and not for this Pod: that is why its annotation does nothing.
    let passed = judged.broken(link_id::KIAM_AGENT).or_else(|| judged.broken(link_id::KUBE2IAM_AGENT));
    let annotated = judged.annotated().filter(|role| is_role_arn(role));
    let associated = judged.association().map(|details| details.role_arn.clone());
    let meant = judged.meant_role().or_else(|| associated.clone()).or_else(|| annotated.map(str::to_owned));
    let role = meant.unwrap_or_else(|| "ROLE-ARN".to_owned());
    let link = judged.links.iter().find(|link| link.id == link_id::METADATA && link.ok == Some(true));
    let (confidence, why, cite) = match (judged.effective.kind == IdentitySource::NodeRole, nobody, link) {
        (true, _, Some(link)) => (Confidence::Certain, match judged.workload.node_role.seen() {
            Some(node) => format!("The containers have no credentials of their own and get the node's role {node}."),
            None => "The containers have no credentials of their own and get the node's role.".to_owned(),
        }, pod_role::cite(link)),
        (false, Some(nobody), _) if judged.effective.kind == IdentitySource::Unknown => (
            Confidence::Likely,
            format!("{}: nothing gives the Pod that role, and its SDK is left with the node's.", nobody.seen),
            pod_role::cite(nobody),
        ),
        _ => return Vec::new(),
    };
    let (why, aside) = match passed {
        Some(link) => (format!("{why} What its annotation {} names is not given: {}.", judged.role_key(), link.seen), missing(judged, link)),
        None => (why, None),
    };
    // What gives the role already is not done again.
    let mut steps = Vec::new();
    if annotated != Some(role.as_str()) && associated.as_ref() != Some(&role) {
        // One of the two is enough.
        let (mut by_pod_identity, mut by_irsa) = (pod_role::associate(judged, &role), pod_role::annotate(judged, &role));
        by_pod_identity.text = "Either by Pod Identity: associate the role with the service account".to_owned();
        by_irsa.text = "Or by IRSA: name the role on the service account".to_owned();
        steps.extend([by_pod_identity, by_irsa]);
    }
    match pod_role::passed_over(judged) {
        Some((_, _, mending)) => steps.extend(mending),
        None => steps.push(pod_role::remake(judged)),
    }
    let (first, more) = pod_role::split(steps);
    vec![
        RULE.finding(confidence, why, cite, first)
            .cite_if(nobody.map(pod_role::cite))
            .cite_if(passed.map(pod_role::cite))
            .steps(more)
            .steps(aside),
    ]
}

/// Where the agent only lacks a Pod on this node: why that is can be seen.
fn missing(judged: &Judgement<'_>, link: &Link) -> Option<Step> {
    let (role, whose) = if link.id == link_id::KUBE2IAM_AGENT { ("kube2iam", "kube2iam") } else { ("kiam-agent", "kiam") };
    let (agent, _) = judged.agent(role).filter(|_| link.at.starts_with("/workload/nodeAgents"))?;
    let why = format!("Or where {whose} is to stay for now: see why it has no Pod on that node (node selector, taints, or no room)");
    Some(Step::command(why, shell!("kubectl describe {} {} -n {}", agent.kind.to_lowercase(), agent.name, agent.namespace)))
}
