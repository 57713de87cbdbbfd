//! The user's mail address is not verified at the identity provider.

use crate::apiserver::message;
use crate::report::{Finding, Severity, Step, seen};
use crate::rules::setting::{self, Setting};
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "email-not-verified",
    severity: Severity::Error,
    title: "The user's mail address is not verified",
    page: Page {
        means: "Where the username claim is email, the API server looks at email_verified too: false or null refuses the token, absent does not. Keycloak creates users with false.",
        evidence: "email_verified in the token, beside the server's words (oidc: email not verified).",
        fix: "Mark the address as verified in the identity provider, or take another claim for the name. Keycloak: `kcadm.sh update users/ID -r REALM -s emailVerified=true`.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/authentication/#configuring-the-api-server",
    },
    recognises: &[&message::EMAIL_NOT_VERIFIED],
    explains: &["credential-rejected"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(word) = case.reason(&[&message::EMAIL_NOT_VERIFIED]) else { return Vec::new() };
    let Some(verified) = case.claim("email_verified").filter(|value| value.as_bool() != Some(true)) else { return Vec::new() };
    vec![
        RULE.finding(
            word.confidence(true),
            format!("The API server takes the user's name from email, and the token says email_verified: {verified}. It refuses such a token."),
            seen("/credential/seen/token/claims/email_verified", format!("email_verified: {verified}")),
            Step::text("Have the address verified in the identity provider (Keycloak: Users, the user, Email verified: on), and log in again."),
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
