//! A refresh token was sent to the API server.

use crate::evidence::credential::TokenKind;
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::{Case, Page, Rule, renew};

/// The rule.
pub static RULE: Rule = Rule {
    code: "token-is-refresh-token",
    severity: Severity::Error,
    title: "This is a refresh token",
    page: Page {
        means: "A refresh token is for the identity provider alone, which trades it for new ID tokens. Keycloak signs it with a secret that only Keycloak has, so no API server can check it.",
        evidence: "typ: Refresh or Offline in the token's claims.",
        fix: "Send the id_token of the same login; keep the refresh token in the plugin that renews it, and take it out of wherever it was pasted. `kaccess decode` shows the type.",
        references: "https://openid.net/specs/openid-connect-core-1_0.html#RefreshTokens",
    },
    recognises: &[],
    explains: &[
        "credential-rejected", "token-expired", "token-audience-mismatch", "token-not-id-token",
        "token-algorithm-not-allowed", "token-key-foreign", "token-signature-invalid", "username-claim-missing",
    ],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(rejected) = case.rejected() else { return Vec::new() };
    if case.token().is_none_or(|token| token.kind != TokenKind::Jwt) {
        return Vec::new();
    }
    let Some(typ) = case.claim_text("typ").filter(|typ| matches!(*typ, "Refresh" | "Offline")) else { return Vec::new() };
    vec![
        RULE.finding(
            Confidence::Certain,
            format!("The token says typ {typ:?}: only its identity provider takes it, and no API server does."),
            seen("/credential/seen/token/claims/typ", format!("typ: {typ}")),
            renew::in_its_place(case, "Send the id_token of the same login; it is the other field of the token endpoint's answer"),
        )
        .step(Step::text("A refresh token lives long: where it was pasted into a shared place, end the session in the identity provider."))
        .cite(rejected),
    ]
}
