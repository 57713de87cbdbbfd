//! An association that is not finished.

use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::{Case, Page, Rule, eks};

/// The rule.
pub static RULE: Rule = Rule {
    code: "oidc-association-pending",
    severity: Severity::Error,
    title: "EKS is still adding the identity provider",
    page: Page {
        means: "The identity provider was associated with the cluster a short while ago. EKS replaces the API servers one after the other, which takes several minutes; until then the issuer's tokens are refused.",
        evidence: "The status CREATING (or DELETING) of the identity provider configuration.",
        fix: "Wait until it is ACTIVE. ACTIVE does not mean yet that the API server could read the issuer. `aws eks describe-identity-provider-config --cluster-name CLUSTER --identity-provider-config type=oidc,name=NAME` shows the state.",
        references: "https://docs.aws.amazon.com/eks/latest/userguide/authenticate-oidc-identity-provider.html",
    },
    recognises: &[],
    explains: &["credential-rejected", "oidc-not-configured", "oidc-not-initialized", "oidc-partly-initialized", "issuer-blocks-control-plane"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    if case.accepted() || case.is_service_account() {
        return Vec::new();
    }
    let (Some(all), Some(issuer)) = (eks::aws(case).and_then(|aws| aws.identity_providers.seen()), case.claim_text("iss")) else { return Vec::new() };
    let pending = |status: &str| matches!(status, "CREATING" | "DELETING");
    let Some((index, config, provider)) = all.configs.iter().enumerate().find_map(|(index, config)| {
        let provider = config.details.seen().filter(|provider| provider.issuer_url == issuer && pending(&provider.status))?;
        Some((index, config, provider))
    }) else {
        return Vec::new();
    };
    let making = provider.status == "CREATING";
    let cluster = eks::cluster(case);
    let why = if making { format!("EKS is still adding {issuer} to the cluster; its API servers do not know it yet.") } else { format!("EKS is taking {issuer} out of the cluster.") };
    let step = if making {
        // The AWS CLI has no waiter for it.
        Step::command("Wait for it (several minutes)", shell!("until aws eks describe-identity-provider-config --cluster-name {} --identity-provider-config type=oidc,name={} --query identityProviderConfig.oidc.status --output text | grep -x ACTIVE; do sleep 20; done", cluster, config.name))
    } else {
        Step::command(if provider.required_claims.is_empty() { "If it should stay, associate it again when it is gone" } else { "If it should stay, associate it again when it is gone, with its required claims" }, eks::associate_provider(case, &config.name, Some(provider), issuer, ("", "")))
    };
    vec![
        RULE.finding(
            Confidence::Certain,
            why,
            seen(format!("/aws/identityProviders/seen/configs/{index}/details/seen/status"), format!("identity provider {} is {}", config.name, provider.status)),
            step,
        )
        .titled(if making { "EKS is still adding the identity provider" } else { "EKS is taking the identity provider away" })
        .cite_if(case.rejected()),
    ]
}
