//! The token ends soon, and nothing will renew it.

use crate::evidence::credential::CredentialSource;
use crate::report::{seen, Confidence, Finding, Severity};
use crate::rules::{renew, Case, Page, Rule};
use crate::rules::api_port::span;

/// The rule.
pub static RULE: Rule = Rule {
    code: "token-expires-soon",
    severity: Severity::Warning,
    title: "The token ends soon, and nothing renews it",
    page: Page {
        means: "The token is stored as it is, without a plugin or refresh token, and is in the last tenth of its life. When it ends, every request is answered 401.",
        evidence: "exp and iat of the token by the API server's clock, and where the kubeconfig takes the token from.",
        fix: "Take a new token in time; better, let a credential plugin (kubelogin) renew it. `kubectl krew install oidc-login`.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins",
    },
    recognises: &[],
    explains: &[],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(credential) = case.evidence.credential.seen().filter(|_| case.accepted()) else { return Vec::new() };
    if !matches!(credential.source, CredentialSource::Token | CredentialSource::TokenFile) {
        return Vec::new();
    }
    let (Some(end), Some(start)) = (case.claim_time("exp"), case.claim_time("iat").or_else(|| case.claim_time("nbf"))) else {
        return Vec::new();
    };
    let (now, clock) = case.server_time();
    let (life, left) = (end.as_second() - start.as_second(), end.as_second() - now.as_second());
    if life <= 0 || left < 0 || left * 10 > life {
        return Vec::new();
    }
    vec![
        RULE.finding(
            Confidence::Certain,
            format!("The token lives {} and has {} left by {clock}. It comes from {}, which nothing renews.", span(life), span(left), credential.origin),
            seen("/credential/seen/token/claims/exp", format!("exp: {end}")),
            renew::token(case),
        )
        .cite(seen("/credential/seen/source", if credential.source == CredentialSource::TokenFile { "the credential is a token in a file" } else { "the credential is a token in the kubeconfig" })),
    ]
}
