//! The token names a key of its issuer that does not verify it.

use crate::apiserver::message::{self, heard};
use crate::report::{Confidence, Finding, Severity, probed};
use crate::rules::{Case, Page, Place, Rule, Word, renew};

/// The rule.
pub static RULE: Rule = Rule {
    code: "token-signature-invalid",
    severity: Severity::Error,
    title: "The token's signature is wrong",
    page: Page {
        means: "The issuer publishes the key that the token names, and that key does not verify the token: it was changed after it was signed (edited, damaged while copying), or somebody else made it and borrowed the key's name.",
        evidence: "The token's signature against the live key set; the server says \"failed to verify id token signature\".",
        fix: "Log in again. Where every token of this issuer fails, two keys share one kid: give each key its own. `kaccess decode --verify` checks it.",
        references: "https://www.rfc-editor.org/rfc/rfc7515#section-5.2",
    },
    recognises: &[&message::SIGNATURE_FAILED, &heard::NOT_SIGNED],
    explains: &["credential-rejected", "token-expired"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(signature) = case.evidence.issuer.signature.seen().filter(|found| found.kid_known && !found.verified) else {
        return Vec::new();
    };
    if case.accepted() || !["RS", "PS", "ES"].iter().any(|family| signature.alg.starts_with(family)) {
        return Vec::new();
    }
    let word = case.reason(&[&message::SIGNATURE_FAILED]).filter(|word| word.place != Place::Model);
    // A log's line may be about another token; that no key verifies this one was tried.
    let confidence = word.map_or(Confidence::Likely, |word| word.confidence(true));
    vec![
        RULE.finding(
            confidence,
            format!("The key {:?} is in the issuer's key set and does not verify the signature: the token was changed, or made by somebody else.", signature.kid),
            probed("/issuer/signature/seen", format!("the key {:?} does not verify the token", signature.kid)),
            renew::token(case),
        )
        .cite_if(word.map(Word::cite))
        .cite_if(case.rejected()),
    ]
}
