//! The trust policy trusts another OIDC provider than this cluster's.

use crate::apiserver::message::heard;
use crate::aws::link_id;
use crate::report::{Finding, Severity};
use crate::rules::{pod_role, Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "irsa-trust-provider-mismatch",
    severity: Severity::Error,
    title: "The trust policy trusts another OIDC provider than this cluster's",
    page: Page {
        means: "A trust policy names the provider of one cluster: in Principal.Federated, and again in the condition keys. The policy of another cluster, of another account, or with a typing error (oidc.REGION.eks for oidc.eks.REGION, a scheme in the key) lets nobody of this one in.",
        evidence: "The role's trust policy, against the cluster's issuer.",
        fix: "Replace the trust policy by the whole one that the report shows: `aws iam update-assume-role-policy --role-name ROLE --policy-document file://trust.json`.",
        references: "https://docs.aws.amazon.com/eks/latest/userguide/iam-roles-for-service-accounts.html",
    },
    recognises: &[&heard::WEB_IDENTITY_DENIED],
    explains: &["workload-uses-node-role", "metadata-unreachable"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    pod_role::irsa_trust_mismatch(case, &RULE, &[link_id::IRSA_TRUST_PROVIDER], |link| {
        let scheme = if link.seen.starts_with("http") { " A condition key has no https:// in front." } else { "" };
        format!("The role's trust policy has {}, and this cluster's tokens come as {}.{scheme} STS only answers AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity.", link.seen, link.expected)
    })
}
