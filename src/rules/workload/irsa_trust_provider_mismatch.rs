//! The trust policy trusts another OIDC provider than this cluster's.

use crate::apiserver::message::heard;
use crate::aws::link_id;
use crate::aws::workload::Link;
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
    let found = pod_role::irsa_trust_mismatch(case, &RULE, &[link_id::IRSA_TRUST_PROVIDER], |link| {
        let scheme = if has_scheme(link) { " A condition key has no https:// in front." } else { "" };
        format!("The role's trust policy has {}, and this cluster's tokens come as {}.{scheme} STS only answers AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity.", link.seen, link.expected)
    });
    let link = case.workload.as_ref().and_then(|judged| judged.broken(link_id::IRSA_TRUST_PROVIDER));
    match link.and_then(title) {
        Some(title) => found.into_iter().map(|finding| finding.titled(title)).collect(),
        None => found,
    }
}

/// A condition key is written with a scheme.
fn has_scheme(link: &Link) -> bool {
    link.seen.starts_with("https://") || link.seen.starts_with("http://")
}

/// The title where the principal is this cluster's provider: the link says which provider, key or action was expected.
fn title(link: &Link) -> Option<&'static str> {
    if has_scheme(link) {
        Some("A condition key of the trust policy has a scheme before the provider's name")
    } else if link.expected.starts_with("arn:") && !link.seen.contains("Federated ") {
        Some("The trust policy trusts no OIDC provider, and so not this cluster's")
    } else if link.expected.is_empty() || link.expected.starts_with("arn:") {
        None
    } else if !link.expected.starts_with("sts:") {
        Some("A condition key of the trust policy names another OIDC provider than this cluster's")
    } else if link.seen.starts_with("no statement") {
        Some("No statement of the trust policy allows anything")
    } else {
        Some("The trust policy allows another action than sts:AssumeRoleWithWebIdentity")
    }
}
