//! The trust policy asks for another audience.

use crate::apiserver::message::heard;
use crate::aws::link_id;
use crate::report::{Finding, Severity};
use crate::rules::{pod_role, Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "irsa-trust-audience-mismatch",
    severity: Severity::Error,
    title: "The trust policy asks for another audience",
    page: Page {
        means: "The token's audience is sts.amazonaws.com unless the service account says otherwise (eks.amazonaws.com/audience), and the policy's condition on :aud must fit it. Often :aud was written where :sub was meant.",
        evidence: "The role's trust policy, judged for this audience.",
        fix: "Replace the trust policy by the whole one that the report shows: `aws iam update-assume-role-policy --role-name ROLE --policy-document file://trust.json`.",
        references: "https://docs.aws.amazon.com/eks/latest/userguide/iam-roles-for-service-accounts.html",
    },
    recognises: &[&heard::WEB_IDENTITY_DENIED],
    explains: &["workload-uses-node-role", "metadata-unreachable"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    pod_role::irsa_trust_mismatch(case, &RULE, &[link_id::IRSA_TRUST_AUDIENCE], |link| {
        format!("The role's trust policy asks for {}, and the token has {}. STS only answers AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity.", link.seen, link.expected)
    })
}
