//! The Pod Identity agent does not answer the Pod.

use crate::apiserver::message::heard;
use crate::aws::link_id;
use crate::aws::workload::variable;
use crate::report::{Confidence, Finding, Severity, Step};
use crate::rules::{Case, Page, Rule, pod_role};

/// The rule.
pub static RULE: Rule = Rule {
    code: "pod-identity-agent-unreachable",
    severity: Severity::Error,
    title: "The Pod Identity agent does not answer the Pod",
    page: Page {
        means: "The containers must reach http://169.254.170.23 directly. A proxy that is not told to leave that address alone takes the request away; an agent that is not ready (no IPv6 on the node, no right eks-auth:AssumeRoleForPodIdentity) gives nothing.",
        evidence: "The agent's Pod on the node, the containers' proxy variables, or the SDK's own words.",
        fix: "Put 169.254.170.23 into the container's NO_PROXY, and look at the agent's log: `kubectl logs -n kube-system daemonset/eks-pod-identity-agent`.",
        references: "https://docs.aws.amazon.com/eks/latest/userguide/pod-identities.html",
    },
    recognises: &[&heard::AGENT, &heard::POD_IDENTITY_NODE, &heard::AGENT_ADDRESS],
    explains: &["workload-uses-node-role", "metadata-unreachable"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(judged) = &case.workload else { return Vec::new() };
    if let Some(link) = judged.broken(link_id::POD_IDENTITY_PROXY) {
        // What stands in NO_PROXY today stays.
        let today = judged
            .containers()
            .iter()
            .find(|(_, at)| *at == link.at)
            .and_then(|(container, _)| variable(container, "NO_PROXY").or_else(|| variable(container, "no_proxy")))
            .filter(|list| !list.is_empty());
        let list = today.map(|list| format!("{list},")).unwrap_or_default();
        return vec![RULE.finding(
            Confidence::Certain,
            format!("{}: the request to the agent goes to the proxy.", link.seen),
            pod_role::cite(link),
            Step::manifest(
                "Add the agent's addresses to NO_PROXY of the container, in the Pod template",
                format!("- name: NO_PROXY\n  value: \"{list}169.254.170.23,[fd00:ec2::23]\""),
            ),
        )];
    }
    let link = judged.broken(link_id::POD_IDENTITY_AGENT_READY);
    let words = pod_role::met_or_event(case, &["169.254.170.23", "unable to fetch credentials from EKS Auth"]);
    let Some(cite) = link.map(pod_role::cite).or_else(|| words.clone()) else { return Vec::new() };
    vec![
        RULE.finding(
            if link.is_some() { Confidence::Certain } else { Confidence::Likely },
            "The agent is where the containers ask, and it gives no credentials.",
            cite,
            Step::command(
                "Its log says why",
                "kubectl logs -n kube-system -l app.kubernetes.io/name=eks-pod-identity-agent --tail=50 --prefix",
            ),
        )
        .cite_if(link.and(words))
        .step(Step::text("On nodes without IPv6, take the IPv6 address out of the add-on's configuration; the node's role needs eks-auth:AssumeRoleForPodIdentity (AmazonEKSWorkerNodePolicy has it).")),
    ]
}
