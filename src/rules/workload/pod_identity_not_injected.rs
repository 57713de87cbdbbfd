//! The Pod was made before its Pod Identity association.

use crate::apiserver::message::heard;
use crate::aws::link_id;
use crate::report::{seen, Confidence, Finding, Severity};
use crate::rules::{pod_role, Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "pod-identity-not-injected",
    severity: Severity::Error,
    title: "The Pod was made before its Pod Identity association",
    page: Page {
        means: "The variables of Pod Identity are injected when a Pod is made. A Pod from before the association has none and takes the next way: the old IRSA role, the node's role, or none. A new association needs some seconds to arrive.",
        evidence: "The Pod's containers, against the association.",
        fix: "Make the Pods again, now that the association is there: `kubectl rollout restart deployment/NAME -n NAMESPACE`.",
        references: "https://docs.aws.amazon.com/eks/latest/userguide/pod-identities.html",
    },
    recognises: &[&heard::AGENT_TOKEN],
    // The old way of a Pod from before its association: made again it leaves that, whatever is wrong with it.
    explains: &[
        "workload-uses-node-role",
        "metadata-unreachable",
        "irsa-annotation-missing",
        "irsa-provider-missing",
        "irsa-trust-provider-mismatch",
        "irsa-trust-subject-mismatch",
        "irsa-trust-audience-mismatch",
        "irsa-role-not-found",
        "irsa-not-injected",
        "irsa-issuer-unreachable",
        "irsa-audience-mismatch",
    ],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(judged) = &case.workload else { return Vec::new() };
    if judged.workload.associations.seen().is_none_or(|all| all.ours.is_none()) {
        return Vec::new();
    }
    let Some(link) = judged.broken(link_id::POD_IDENTITY_INJECTION) else { return Vec::new() };
    let (namespace, name) = judged.account_name();
    let mut why = format!("{namespace}/{name} has an association, and {}.", link.seen.replace("lacks them", "has not the variables of Pod Identity"));
    let mut cites = vec![seen("/workload/associations/seen/ours", "the association is there")];
    let mut steps = vec![pod_role::remake(judged)];
    if let Some((text, at, mending)) = pod_role::passed_over(judged) {
        why.push_str(&format!(" Made again it would have none either: {text}."));
        cites.extend(at);
        steps = mending;
    }
    let (first, more) = pod_role::split(steps);
    let finding = RULE.finding(Confidence::Certain, why, pod_role::cite(link), first).steps(more);
    vec![cites.into_iter().fold(finding, Finding::cite)]
}
