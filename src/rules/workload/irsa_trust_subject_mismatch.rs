//! The trust policy does not let this service account in.

use crate::apiserver::message::heard;
use crate::report::{Confidence, Finding, Severity};
use crate::rules::{Case, Page, Rule, links};

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
    let Some(judged) = &case.workload else { return Vec::new() };
    let Some(link) = ["irsa-trust-subject", "irsa-trust-condition", "irsa-trust"].iter().find_map(|id| judged.broken(id)) else { return Vec::new() };
    let Some(role) = judged.irsa_role() else { return Vec::new() };
    let (first, more) = links::split(links::irsa_trust(judged, link, role));
    let mut finding = RULE.finding(
        Confidence::Certain,
        match link.id {
            "irsa-trust-condition" => format!(
                "Provider, subject and audience fit; what the role's trust policy asks for besides does not: {}. Asked for was {}.",
                link.seen, link.expected
            ),
            "irsa-trust" => format!("The role's trust policy does not let it in: {}. Asked for was {}.", link.seen, link.expected),
            _ => format!(
                "The role's trust policy asks for {}, and the token has {}. STS only answers AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity.",
                link.seen, link.expected
            ),
        },
        links::cite(link),
        first,
    );
    finding.fix.extend(more);
    if link.id == "irsa-trust-condition" {
        finding = finding.titled("A condition of the trust policy keeps the service account out");
    }
    vec![finding]
}
