//! `email_verified` is a text, and the API server reads a boolean.

use crate::apiserver::message;
use crate::report::{Finding, Severity, Step, seen};
use crate::rules::setting::{self, Setting};
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "email-verified-not-boolean",
    severity: Severity::Error,
    title: "The claim email_verified is no boolean",
    page: Page {
        means: "Some identity providers write \"true\" (a text) where OpenID Connect wants true. With email as the username claim the API server cannot read it and refuses every such token.",
        evidence: "The claim's type in the token, beside the server's words (parse 'email_verified' claim).",
        fix: "Map the claim as a boolean, leave it out of the token (absent is accepted), or take another claim for the name. `kaccess decode` shows the claim.",
        references: "https://openid.net/specs/openid-connect-core-1_0.html#StandardClaims",
    },
    recognises: &[&message::EMAIL_VERIFIED_TYPE],
    explains: &["credential-rejected"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(word) = case.reason(&[&message::EMAIL_VERIFIED_TYPE]) else { return Vec::new() };
    let Some(value) = case.claim("email_verified").filter(|value| !value.is_boolean() && !value.is_null()) else { return Vec::new() };
    vec![
        RULE.finding(
            word.confidence(true),
            format!("The token says email_verified: {value}, a {}; the API server reads only true or false.", word.field("got")),
            seen("/credential/seen/token/claims/email_verified", format!("email_verified: {value}")),
            Step::text("In the identity provider, give the claim's mapper the type boolean (Keycloak: Claim JSON Type), or leave the claim out of the ID token; then log in again."),
        )
        .step(setting::set(
            case,
            "Or take a claim for the name that needs no verification (the users' names change)",
            Setting::UsernameClaim("sub"),
        ))
        .cite(word.cite())
        .cite_if(case.rejected()),
    ]
}
