//! The Pod acts as its node.

use crate::apiserver::message::heard;
use crate::report::{Confidence, Finding, Severity};
use crate::rules::{Case, Page, Rule, links};

/// The rule.
pub static RULE: Rule = Rule {
    code: "workload-uses-node-role",
    severity: Severity::Warning,
    title: "The Pod acts as its node",
    page: Page {
        means: "Without a role of its own a Pod gets the node's role from the metadata service: everything on that node may do the same, and what was meant for one workload must be given to all.",
        evidence: "No credentials in the Pod, and a metadata service that answers it; or a role that only kiam or kube2iam could give, while neither runs.",
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
    let nobody = judged.broken("metadata-agent");
    let role = judged.workload.wanted_role.as_deref().or_else(|| judged.iam_role()).unwrap_or("ROLE-ARN");
    let link = judged.links.iter().find(|link| link.id == "metadata" && link.ok == Some(true));
    let (confidence, why, cite) = match (judged.effective.kind == "node-role", nobody, link) {
        (true, _, Some(link)) => (Confidence::Certain, match judged.workload.node_role.seen() {
            Some(node) => format!("The containers have no credentials of their own and get the node's role {node}."),
            None => "The containers have no credentials of their own and get the node's role.".to_owned(),
        }, links::cite(link)),
        (false, Some(nobody), _) if judged.effective.kind == "unknown" => (
            Confidence::Likely,
            format!("{}: nothing gives the Pod that role, and its SDK is left with the node's.", nobody.seen),
            links::cite(nobody),
        ),
        _ => return Vec::new(),
    };
    vec![
        RULE.finding(confidence, why, cite, links::associate(judged, role))
            .cite_if(nobody.map(links::cite))
            .step(links::annotate(judged, role))
            .step(links::remake(judged)),
    ]
}
