//! A rule of the API server's own refuses the token.

use crate::apiserver::message;
use crate::evidence::credential::TokenKind;
use crate::report::{Finding, Severity, Step};
use crate::rules::mapping::{self, Made};
use crate::rules::{Case, Page, Rule, clip};

/// The rule.
pub static RULE: Rule = Rule {
    code: "claim-validation-failed",
    severity: Severity::Error,
    title: "A validation rule of the API server refuses the token",
    page: Page {
        means: "The AuthenticationConfiguration holds CEL rules that every token (claimValidationRules) or every user (userValidationRules) must satisfy, and one of them is false for this one, or cannot be computed because a claim is missing. Expressions that make the user of the claims (claimMappings) fail in the same way.",
        evidence: "The rule and its message in the server's words (TokenReview or log).",
        fix: "Take a token that satisfies the rule, or correct the rule; guard claims that may be absent with has(claims.x). `kaccess decode --against FILE` judges a token by the rules of a configuration file.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/authentication/#using-authentication-configuration",
    },
    recognises: &[&message::CLAIM_RULE, &message::USER_RULE, &message::CLAIM_MAPPING],
    explains: &["credential-rejected"],
    check,
};

/// No rule, but an expression that makes the user fails. A claim that the name or the groups need is another finding.
fn unmapped(case: &Case<'_>) -> Option<Finding> {
    let failed = mapping::failed(case)?;
    let made = failed.made.words();
    let step = match (failed.missing(), failed.made) {
        (Some(_), Made::Name | Made::Groups) => return None,
        (Some(key), _) => Step::text(format!("Put the claim {key:?} into the ID token (a scope, a mapper), and log in again.")),
        (None, _) => Step::text("Have the identity provider put the claims that the expression reads into the ID token in the form that it needs (a text, a list of texts), and log in again."),
    };
    let finding = RULE.finding(
        failed.word.confidence(false),
        format!("The API server makes {made} by the expression{}, which fails for this token: {}.", failed.named(), failed.error),
        failed.word.cite(),
        step,
    );
    Some(failed.end(case, finding.titled(format!("The expression that makes {made} fails for this token"))))
}

fn check(case: &Case<'_>) -> Vec<Finding> {
    if let Some(finding) = unmapped(case) {
        return vec![finding];
    }
    let Some(word) = case.reason(&[&message::CLAIM_RULE, &message::USER_RULE]) else { return Vec::new() };
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
