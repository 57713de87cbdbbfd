//! The token names a key of its issuer that does not verify it.

use crate::apiserver::message::{self, heard};
use crate::report::{Confidence, Finding, Severity, Step, probed, seen};
use crate::rules::{Case, Page, Place, Rule, Word, renew};

/// The rule.
pub static RULE: Rule = Rule {
    code: "token-signature-invalid",
    severity: Severity::Error,
    title: "The token's signature is wrong",
    page: Page {
        means: "The issuer publishes the key that the token names, and that key does not verify the token: it was changed after it was signed (edited, damaged while copying), or somebody else made it and borrowed the key's name.",
        evidence: "The token's signature against the live key set; the server says \"failed to verify id token signature\", or, of a service account's token, \"error in cryptographic primitive\" (1.31 and later, which has other words for a key that it lacks).",
        fix: "Log in again. Where every token of this issuer fails, two keys share one kid: give each key its own. `kaccess decode --verify` checks it.",
        references: "https://www.rfc-editor.org/rfc/rfc7515#section-5.2",
    },
    recognises: &[&message::SIGNATURE_FAILED, &message::SERVICE_ACCOUNT_SIGNATURE, &heard::NOT_SIGNED],
    explains: &["credential-rejected", "token-expired", "service-account-token-expired"],
    check,
};

/// A service account's token: the cluster itself is the issuer, and has the key.
fn of_account(case: &Case<'_>) -> Option<Finding> {
    let word = case.account_signature_wrong()?;
    let kid = case.token()?.header.as_ref()?.get("kid")?.as_str()?;
    let finding = RULE.finding(
        // A log's line may be about another token.
        word.confidence(false),
        format!("The API server has the key {kid:?}, which the token names, and that key does not verify the signature: the token was changed after it was signed (characters lost, doubled or edited while it was copied), or made by somebody else. Where the key were missing, the server would say: no keys found."),
        word.cite(),
        renew::token(case),
    );
    let finding = finding
        .step(Step::text("Copy it whole, without the line breaks that a terminal puts in: a file, a Secret or a variable is safer than the screen."))
        .cite(seen("/credential/seen/token/header/kid", format!("kid: {kid}")));
    Some(finding.cite_if(case.rejected()))
}

fn check(case: &Case<'_>) -> Vec<Finding> {
    if let Some(finding) = of_account(case) {
        return vec![finding];
    }
    // Else its key is another one, which is another finding.
    if case.is_service_account() {
        return Vec::new();
    }
    let Some(signature) = case.evidence.issuer.signature.seen().filter(|found| found.kid_known && !found.verified) else {
        return Vec::new();
    };
    if case.accepted() || !signature.is_of_keys() {
        return Vec::new();
    }
    let word = case.reason(&[&message::SIGNATURE_FAILED]).filter(|word| word.place != Place::Model);
    // A log's line may be about another token; that no key verifies this one was tried.
    let confidence = word.map_or(Confidence::Likely, |word| word.confidence(true));
    let header = case.token().and_then(|token| token.header.as_ref());
    let critical = header.and_then(|header| header.get("crit")).filter(|names| !names.is_null());
    let meant = critical.map_or_else(
        || "the token was changed, or made by somebody else".to_owned(),
        |names| format!("its header has crit {names}. An API server refuses a token with critical header fields that it does not know, and with b64 false it verifies the payload as it is, not in base64url; if the issuer signs otherwise, no API server takes its tokens. Else the token was changed, or made by somebody else"),
    );
    vec![
        RULE.finding(
            confidence,
            format!("The key {:?} is in the issuer's key set and does not verify the signature: {meant}.", signature.kid),
            probed("/issuer/signature/seen", format!("the key {:?} does not verify the token", signature.kid)),
            renew::token(case),
        )
        .steps(critical.map(|_| Step::text("If every token of this issuer has it, have the issuer sign without the header field crit.")))
        .cite_if(word.map(Word::cite))
        .cite_if(case.rejected())
        .cite_if(critical.map(|names| seen("/credential/seen/token/header/crit", format!("crit: {names}")))),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{Evidence, Outcome};
    use crate::rules::check_all;

    #[test]
    fn a_critical_header_field_may_be_what_is_refused() {
        let saved = include_str!("../../../testdata/cases/token-signature-invalid/evidence.json");
        let why = |critical: Option<serde_json::Value>| {
            let mut evidence: Evidence = serde_json::from_str(saved).expect("evidence");
            // Synthetic: the saved token has no such field.
            let Outcome::Seen(credential) = &mut evidence.credential.outcome else { panic!("no credential") };
            let header = credential.token.as_mut().and_then(|token| token.header.as_mut()).expect("a header");
            if let Some(critical) = critical {
                header["crit"] = critical;
            }
            let found = check_all(&Case::new(&evidence));
            found.into_iter().find(|finding| finding.code == RULE.code).map(|finding| finding.why).expect("a wrong signature")
        };
        assert!(!why(None).contains("crit"));
        assert!(why(Some(serde_json::json!(["b64"]))).contains("crit [\"b64\"]"));
    }
}
