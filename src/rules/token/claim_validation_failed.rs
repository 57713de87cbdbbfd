//! A rule of the API server's own refuses the token.

use crate::apiserver::message;
use crate::evidence::credential::TokenKind;
use crate::report::{Finding, Severity, Step};
use crate::rules::{Case, Page, Rule, clip};

/// The rule.
pub static RULE: Rule = Rule {
    code: "claim-validation-failed",
    severity: Severity::Error,
    title: "A validation rule of the API server refuses the token",
    page: Page {
        means: "The AuthenticationConfiguration holds CEL rules that every token (claimValidationRules) or every user (userValidationRules) must satisfy, and one of them is false for this one, or cannot be computed because a claim is missing.",
        evidence: "The rule and its message in the server's words (TokenReview or log).",
        fix: "Take a token that satisfies the rule, or correct the rule; guard claims that may be absent with has(claims.x). `kaccess decode --against FILE` judges a token by the rules of a configuration file.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/authentication/#using-authentication-configuration",
    },
    recognises: &[&message::CLAIM_RULE, &message::USER_RULE],
    explains: &["credential-rejected"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(word) = case.reason(RULE.recognises) else { return Vec::new() };
    // A log's rule may have refused somebody else's token; only an issuer's tokens are judged by rules at all.
    if case.token().is_none_or(|token| token.kind != TokenKind::Jwt) {
        return Vec::new();
    }
    let expression = clip(word.field("expression"), 200);
    let (message, error) = (word.field("message"), word.field("error"));
    let kind = if word.text == &message::USER_RULE { "userValidationRules" } else { "claimValidationRules" };
    let (why, step) = if error.is_empty() {
        let said = if message.is_empty() { String::new() } else { format!(", and says: {message}") };
        (
            format!("The rule {expression} of {kind} is false for this token{said}."),
            Step::text("Log in so that the rule holds (the right tenant, domain or audience); the claims of this token are what the rule looks at."),
        )
    } else {
        let key = error.strip_prefix("no such key: ").unwrap_or("CLAIM").trim();
        (
            format!("The rule {expression} of {kind} cannot be computed for this token: {error}."),
            Step::text(format!("Put the claim {key:?} into the ID token (a scope, a mapper), or guard the rule: has(claims.{key}) && ...")),
        )
    };
    vec![
        RULE.finding(word.confidence(false), why, word.cite(), step)
            .step(Step::text(format!("Or correct the rule in {kind} of the AuthenticationConfiguration; the API server reads the file again by itself.")))
            .cite_if(case.rejected()),
    ]
}
