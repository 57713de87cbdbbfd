//! The role's account has no OIDC provider for this cluster.

use crate::apiserver::message::heard;
use crate::aws::link_id;
use crate::aws::workload::account;
use crate::report::{Confidence, Finding, Severity, Step};
use crate::rules::{Case, Page, Rule, pod_role};

/// The rule.
pub static RULE: Rule = Rule {
    code: "irsa-provider-missing",
    severity: Severity::Error,
    title: "The role's account has no OIDC provider for this cluster",
    page: Page {
        means: "STS takes a service account's token only where the role's own account has an IAM OIDC provider with exactly the cluster's issuer. Every cluster has an issuer of its own; a new cluster needs a new provider.",
        evidence: "iam:ListOpenIDConnectProviders in the role's account holds none of the cluster's issuer, or STS says: No OpenIDConnect provider found in your account.",
        fix: "Register the cluster's issuer in the role's account: `aws iam create-open-id-connect-provider --url ISSUER --client-id-list sts.amazonaws.com`.",
        references: "https://docs.aws.amazon.com/eks/latest/userguide/iam-roles-for-service-accounts.html",
    },
    recognises: &[&heard::WEB_IDENTITY_PROVIDER, &heard::WEB_IDENTITY_INVALID],
    explains: &["workload-uses-node-role", "metadata-unreachable", "irsa-trust-provider-mismatch"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(judged) = &case.workload else { return Vec::new() };
    let link = judged.broken(link_id::IRSA_PROVIDER);
    let words = pod_role::met_or_event(case, &["No OpenIDConnect provider found in your account"]);
    let Some(cite) = link.map(pod_role::cite).or_else(|| words.clone()) else { return Vec::new() };
    let issuer = judged.issuer().map_or("ISSUER", |(issuer, _)| issuer);
    let account = judged.irsa_role().map_or("the role's account", account);
    vec![
        RULE.finding(
            Confidence::Certain,
            format!("Account {account} has no IAM OIDC provider for {issuer}: STS cannot check any token of this cluster there."),
            cite,
            Step::command(
                format!("Create it, once for the cluster, in account {account}"),
                pod_role::create_provider(issuer),
            ),
        )
        .cite_if(link.and(words))
        .step(Step::text("Nothing else is to be made again: STS takes the tokens that the Pods already have.")),
    ]
}
