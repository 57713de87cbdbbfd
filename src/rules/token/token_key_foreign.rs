//! The token is signed by a key that its issuer does not have.

use crate::apiserver::message;
use crate::report::{Confidence, Finding, Severity, probed};
use crate::rules::{Case, Page, Place, Rule, Word, renew};

/// The rule.
pub static RULE: Rule = Rule {
    code: "token-key-foreign",
    severity: Severity::Error,
    title: "The token is signed by a key that its issuer does not publish",
    page: Page {
        means: "The issuer's key set holds no key that verifies this token: it comes from another realm or another instance with the same address, or the issuer has thrown its keys away (an in-memory key store that was restarted).",
        evidence: "The token's kid and signature against the live key set; the server says \"failed to verify id token signature\".",
        fix: "Log in again at the right issuer. If every new token is affected, the issuer signs with keys it does not publish: make its key store durable. `kaccess decode --verify` shows whether the key is there.",
        references: "https://openid.net/specs/openid-connect-core-1_0.html#RotateSigKeys",
    },
    recognises: &[&message::SIGNATURE_FAILED],
    explains: &["credential-rejected"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    // A service account's token has no issuer that publishes keys.
    if case.accepted() || case.is_service_account() {
        return Vec::new();
    }
    let Some(signature) = case.evidence.issuer.signature.seen().filter(|signature| !signature.verified && !signature.kid_known) else {
        return Vec::new();
    };
    // No key of the set could verify any token of this issuer: that is the set's fault.
    if case.useless_keys().is_some() {
        return Vec::new();
    }
    if !signature.is_of_keys() {
        return Vec::new();
    }
    let said = case.said(&message::SIGNATURE_FAILED).filter(|word| word.place != Place::Model);
    let confidence = if said.is_some() { Confidence::Certain } else { Confidence::Likely };
    let why = if signature.kid.is_empty() {
        format!("The token names no key, and none of the issuer's live key set verifies it ({} keys).", signature.verdicts.len())
    } else {
        format!("The token names the key {:?}, which is not in the issuer's live key set ({} keys).", signature.kid, signature.verdicts.len())
    };
    vec![
        RULE.finding(confidence, why, probed("/issuer/signature/seen", "no key of the live key set verifies the token"), renew::token(case))
            .cite_if(said.map(Word::cite))
            .cite_if(case.rejected()),
    ]
}
