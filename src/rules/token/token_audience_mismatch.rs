//! The token is meant for another client.

use crate::apiserver::message;
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::{Case, Page, Place, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "token-audience-mismatch",
    severity: Severity::Error,
    title: "The token is meant for another client",
    page: Page {
        means: "The aud claim does not hold the client id that the API server expects. Keycloak's access tokens say aud: account; its ID tokens say the client that logged in.",
        evidence: "The server's words (expected audience ... got ...), or the aud claim beside --oidc-client-id.",
        fix: "Log in with the configured client and send the ID token; or add an audience mapper for that client id in the identity provider; or configure the client id the tokens have. `kaccess decode` shows the token's; `--oidc-client-id=CLIENT` is the flag.",
        references: "https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation",
    },
    recognises: &[&message::AUDIENCE],
    explains: &["credential-rejected"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    if case.accepted() || case.is_service_account() {
        return Vec::new();
    }
    let got = case.claim("aud").map(std::string::ToString::to_string).unwrap_or_else(|| "none".to_owned());
    let has = |wanted: &str| match case.claim("aud") {
        Some(serde_json::Value::String(audience)) => audience == wanted,
        Some(serde_json::Value::Array(list)) => list.iter().any(|audience| audience.as_str() == Some(wanted)),
        _ => false,
    };
    // A log's line is about this token only where the token lacks what it expects.
    let lacks = |expected: &str| !expected.split('"').skip(1).step_by(2).any(&has);
    let word =
        case.reason(RULE.recognises).filter(|word| word.place == Place::TokenReview || lacks(word.field("expected")));
    let (expected, confidence, cite) = if let Some(word) = word {
        (word.field("expected").trim_matches('"').to_owned(), word.confidence(true), word.cite())
    } else if let (Some(client), Some(_)) = (&case.evidence.asked.client_id, case.rejected()) {
        // The model has spoken where the configuration is known; here only the client id the user named is.
        if has(client)
            || case.configuration.is_some()
            || case.token().is_none_or(|token| token.claims.is_none())
            || case.not_initialized().is_some()
        {
            return Vec::new();
        }
        (client.clone(), Confidence::Likely, seen("/asked/clientId", format!("client id named: {client}")))
    } else {
        return Vec::new();
    };
    // Of several any one will do.
    let listed: Vec<&str> = expected.split('"').skip(1).step_by(2).collect();
    let (one, expects) = match listed.as_slice() {
        [] => (expected.as_str(), format!("the audience {expected:?}")),
        [one] => (*one, format!("the audience {one:?}")),
        [one, ..] => (
            *one,
            format!(
                "one of the audiences {}",
                listed.iter().map(|one| format!("{one:?}")).collect::<Vec<_>>().join(", ")
            ),
        ),
    };
    let access_token = case.claim_text("typ") == Some("Bearer");
    let mut finding = RULE
        .finding(
            confidence,
            format!(
                "The API server expects {expects}; the token's aud is {got}{}.",
                if access_token { ", and it is an access token (typ Bearer), not an ID token" } else { "" }
            ),
            cite,
            Step::text(format!(
                "Log in with the client {one:?} and send its ID token (kubelogin: --oidc-client-id={one})."
            )),
        )
        .step(Step::text(format!(
            "Or add an audience mapper to the client that logs in (Keycloak: Client scopes, Add mapper, Audience, Included client audience {one:?}, add to ID token)."
        )))
        .cite_if(case.rejected());
    if case.claim("aud").is_some() {
        finding = finding.cite(seen("/credential/seen/token/claims/aud", format!("aud: {got}")));
    }
    vec![finding]
}
