//! An association that failed.

use crate::evidence::eks::Update;
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
    // The newest one that is not about another issuer.
    let ours = |update: &Update| update.kind == "AssociateIdentityProviderConfig" && about(update, issuer) != Some(false);
    let Some((index, update)) = updates.iter().enumerate().find(|(_, update)| ours(update)) else { return Vec::new() };
    if there || update.status != "Failed" {
        return Vec::new();
    }
    let about = about(update, issuer) == Some(true);
    let said: Vec<String> = update.errors.iter().map(|error| format!("{}: {}", error.code, error.message)).collect();
    let said = if said.is_empty() { "no reason is given".to_owned() } else { said.join("; ") };
    let failed = if about { format!("The last attempt to add it as an identity provider failed ({said}), so the API server has no authenticator for {issuer}.") } else { format!("The last attempt to add an identity provider failed ({said}). For which issuer it was, EKS does not say; if it was {issuer}, the API server has no authenticator for it for that reason.") };
    let confidence = match (about, case.rejected().is_some()) {
        (true, true) => Confidence::Certain,
        (true, false) => Confidence::Likely,
        (false, _) => Confidence::Possible,
    };
    let mut finding = RULE
        .finding(
            confidence,
            failed,
            seen(format!("/aws/updates/seen/{index}"), format!("update {} failed: {said}", update.id)),
            Step::command("When that is put right, associate it again, with the claims and prefixes that it is to have (usernameClaim, usernamePrefix, groupsClaim, groupsPrefix)", shell!("aws eks associate-identity-provider-config --cluster-name {} --oidc identityProviderConfigName=oidc,issuerUrl={},clientId={}", eks::cluster(case), issuer, case.claim_text("aud").or_else(|| case.claim("aud")?.get(0)?.as_str()).unwrap_or("CLIENT_ID"))),
        )
        .step(Step::command("Follow the new update, whose id that command prints, to its end", shell!("aws eks describe-update --name {} --update-id UPDATE_ID", eks::cluster(case))))
        .cite_if(case.rejected());
    // That there is no provider at all is certain; that this is why is not.
    if !about {
        finding.explains = &["credential-rejected"];
    }
    vec![finding]
}

/// Whether an update is about this issuer; `None` where it names none (EKS gives the configuration's name at least).
fn about(update: &Update, issuer: &str) -> Option<bool> {
    let texts = || update.params.values().chain(update.errors.iter().map(|error| &error.message));
    let inside = |c: char| c.is_ascii_alphanumeric() || "/-_.~%:?#".contains(c);
    let named = |text: &String| text.match_indices(issuer).any(|(at, _)| !text[at + issuer.len()..].starts_with(inside));
    if texts().any(named) {
        return Some(true);
    }
    update.params.values().any(|text| text.contains("://")).then_some(false)
}

#[cfg(test)]
mod tests {
    use super::about;
    use crate::evidence::eks::{Update, UpdateError};

    #[test]
    fn an_update_is_about_the_issuer_that_it_names() {
        let of = |value: &str, message: &str| Update {
            params: [("IdentityProviderConfig".to_owned(), value.to_owned())].into(),
            errors: vec![UpdateError { message: message.to_owned(), ..UpdateError::default() }],
            ..Update::default()
        };
        let issuer = "https://sso.example.com/realms/a";
        for (value, message, expected) in [
            (r#"[{"type":"oidc","issuerUrl":"https://sso.example.com/realms/a"}]"#, "", Some(true)),
            (r#"[{"type":"oidc","issuerUrl":"https://sso.example.com/realms/ab"}]"#, "", Some(false)),
            (r#"[{"type":"oidc","name":"okta","issuerUrl":"https://corp.okta.com"}]"#, "", Some(false)),
            (r#"[{"type":"oidc","name":"keycloak"}]"#, "", None),
            (r#"[{"type":"oidc","name":"keycloak"}]"#, "https://sso.example.com/realms/a, see the page", Some(true)),
            (r#"[{"type":"oidc","name":"keycloak"}]"#, "see https://docs.aws.amazon.com/eks", None),
        ] {
            assert_eq!(about(&of(value, message), issuer), expected, "{value} {message}");
        }
    }
}
