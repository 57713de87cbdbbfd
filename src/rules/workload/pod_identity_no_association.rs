//! The service account has no Pod Identity association.

use crate::apiserver::message::heard;
use crate::aws::link_id;
use crate::report::{seen, Confidence, Finding, Severity};
use crate::rules::{pod_role, Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "pod-identity-no-association",
    severity: Severity::Error,
    title: "The service account has no Pod Identity association",
    page: Page {
        means: "EKS Pod Identity knows roles by associations of namespace and service account, not by annotations. Without one the agent refuses, and new Pods are given nothing.",
        evidence: "eks:ListPodIdentityAssociations of the namespace, against a Pod that was made for Pod Identity, or a role (--role) that trusts pods.eks.amazonaws.com.",
        fix: "Make the association: `aws eks create-pod-identity-association --cluster-name CLUSTER --namespace NAMESPACE --service-account NAME --role-arn ARN`.",
        references: "https://docs.aws.amazon.com/eks/latest/userguide/pod-identities.html",
    },
    recognises: &[&heard::POD_IDENTITY, &heard::POD_IDENTITY_NONE],
    explains: &["workload-uses-node-role", "metadata-unreachable"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(judged) = &case.workload else { return Vec::new() };
    let Some(all) = judged.workload.associations.seen().filter(|all| all.ours.is_none()) else { return Vec::new() };
    let wanted = judged.workload.wanted_role.as_deref();
    let (namespace, name) = judged.account_name();
    let cite = match judged.broken(link_id::POD_IDENTITY_ASSOCIATION) {
        Some(link) => pod_role::cite(link),
        None => {
            let trusts = wanted.filter(|wanted| {
                judged.role(wanted).is_some_and(|role| role.trust_policy.contains("pods.eks.amazonaws.com"))
                    && judged.annotated().is_none()
            });
            let Some(wanted) = trusts else { return Vec::new() };
            seen(format!("{}/seen/trustPolicy", judged.role_at(wanted)), format!("the role {wanted} that should be had trusts pods.eks.amazonaws.com"))
        }
    };
    let others = if all.others.is_empty() {
        String::new()
    } else {
        format!(" In this namespace these have one: {}.", all.others.join(", "))
    };
    vec![
        RULE.finding(
            Confidence::Certain,
            format!("There is no association of {namespace}/{name}.{others}"),
            cite,
            pod_role::associate(judged, wanted.unwrap_or("ROLE-ARN")),
        )
        .titled(format!("No Pod Identity association of {namespace}/{name}"))
        .cite(seen("/workload/associations/seen", "the associations of the namespace"))
        .step(pod_role::remake(judged)),
    ]
}
