//! An association that failed.

use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::{Case, Page, Rule, eks};

/// The rule.
pub static RULE: Rule = Rule {
    code: "oidc-association-failed",
    severity: Severity::Error,
    title: "EKS could not add the identity provider",
    page: Page {
        means: "Associating an identity provider is an update of the cluster that can fail. The configuration is then simply not there: only the update's error says why.",
        evidence: "The failed update of the type AssociateIdentityProviderConfig.",
        fix: "Put right what the update's error names, and associate the provider again. `aws eks describe-update --name CLUSTER --update-id ID` shows the error.",
        references: "https://docs.aws.amazon.com/eks/latest/userguide/authenticate-oidc-identity-provider.html",
    },
    recognises: &[],
    explains: &["credential-rejected", "oidc-not-configured"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    if case.accepted() || case.is_service_account() {
        return Vec::new();
    }
    let (Some(aws), Some(issuer)) = (eks::aws(case), case.claim_text("iss")) else { return Vec::new() };
    let Some(updates) = aws.updates.seen() else { return Vec::new() };
    // A provider that is there by now makes an old failure a matter of the past.
    let there = aws.identity_providers.seen().is_some_and(|all| all.configs.iter().any(|config| config.details.seen().is_none_or(|provider| provider.issuer_url == issuer)));
    let Some((index, update)) = updates.iter().enumerate().find(|(_, update)| update.kind == "AssociateIdentityProviderConfig") else { return Vec::new() };
    if there || update.status != "Failed" {
        return Vec::new();
    }
    let about = update.params.values().any(|value| value.contains(issuer));
    let said: Vec<String> = update.errors.iter().map(|error| format!("{}: {}", error.code, error.message)).collect();
    let said = if said.is_empty() { "no reason is given".to_owned() } else { said.join("; ") };
    vec![
        RULE.finding(
            if about && case.rejected().is_some() { Confidence::Certain } else { Confidence::Likely },
            format!("The last attempt to add an identity provider failed ({said}), so the API server has no authenticator for {issuer}."),
            seen(format!("/aws/updates/seen/{index}"), format!("update {} failed: {said}", update.id)),
            Step::command("When that is put right, associate it again", shell!("aws eks associate-identity-provider-config --cluster-name {} --oidc identityProviderConfigName=oidc,issuerUrl={},clientId={}", eks::cluster(case), issuer, case.claim_text("aud").or_else(|| case.claim("aud")?.get(0)?.as_str()).unwrap_or("CLIENT_ID"))),
        )
        .step(Step::command("Follow the update to its end", shell!("aws eks describe-update --name {} --update-id UPDATE_ID", eks::cluster(case))))
        .cite_if(case.rejected()),
    ]
}
