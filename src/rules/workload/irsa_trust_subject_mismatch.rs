//! The trust policy does not let this service account in.

use crate::apiserver::message::heard;
use crate::aws::link_id;
use crate::report::{Finding, Severity};
use crate::rules::{pod_role, Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "irsa-trust-subject-mismatch",
    severity: Severity::Error,
    title: "The trust policy does not let this service account in",
    page: Page {
        means: "The subject of a service account's token is system:serviceaccount:NAMESPACE:NAME, and the policy's condition on :sub must fit it, capitals included. A wildcard works only under StringLike. A condition on what a web identity's request never has, such as sts:ExternalId, lets nobody in, whatever the subject.",
        evidence: "The role's trust policy, judged for this subject.",
        fix: "Replace the trust policy by the whole one that the report shows: `aws iam update-assume-role-policy --role-name ROLE --policy-document file://trust.json`.",
        references: "https://docs.aws.amazon.com/eks/latest/userguide/iam-roles-for-service-accounts.html",
    },
    recognises: &[&heard::WEB_IDENTITY_DENIED],
    explains: &["workload-uses-node-role", "metadata-unreachable"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let links = [link_id::IRSA_TRUST_SUBJECT, link_id::IRSA_TRUST_CONDITION, link_id::IRSA_TRUST];
    let found = pod_role::irsa_trust_mismatch(case, &RULE, &links, |link| match link.id {
        link_id::IRSA_TRUST_CONDITION => format!(
            "Provider, subject and audience fit; what the role's trust policy asks for besides does not: {}. Asked for was {}.",
            link.seen, link.expected
        ),
        link_id::IRSA_TRUST => {
            format!("The role's trust policy does not let it in: {}. Asked for was {}.", link.seen, link.expected)
        }
        _ => format!(
            "The role's trust policy asks for {}, and the token has {}. STS only answers AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity.",
            link.seen, link.expected
        ),
    });
    let condition = case.workload.as_ref().is_some_and(|judged| {
        links.into_iter().find(|id| judged.broken(id).is_some()) == Some(link_id::IRSA_TRUST_CONDITION)
    });
    if !condition {
        return found;
    }
    found
        .into_iter()
        .map(|finding| finding.titled("A condition of the trust policy keeps the service account out"))
        .collect()
}
