//! The API server still holds the old keys.

use crate::apiserver::message;
use crate::report::{Confidence, Finding, Severity, Step, probed, seen};
use crate::rules::{Case, Page, Place, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "jwks-cache-delays-rotation",
    severity: Severity::Warning,
    title: "The API server still holds the issuer's old keys",
    page: Page {
        means: "The issuer changed its signing key and lets its key set be kept for a while (Cache-Control: max-age). Until that time is over, the API server does not fetch the new set, and refuses every token of the new key. Then it heals by itself.",
        evidence: "The server says that no key verifies the signature, while the key set read here does verify it; max-age in the answer, or a hash in the metrics that is not this set's.",
        fix: "Wait until max-age is over, or restart the API servers; then have the issuer publish a new key earlier than it signs with it, by more than max-age. `curl -si JWKS_URI` shows max-age.",
        references: "https://openid.net/specs/openid-connect-core-1_0.html#RotateSigKeys",
    },
    recognises: &[&message::SIGNATURE_FAILED],
    explains: &["credential-rejected", "token-key-foreign", "token-signature-invalid"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    if case.accepted() {
        return Vec::new();
    }
    let Some(word) = case.said(&message::SIGNATURE_FAILED).filter(|word| word.place == Place::TokenReview || word.place == Place::Met) else {
        return Vec::new();
    };
    // The keys that stand there now do verify it.
    if !case.evidence.issuer.signature.seen().is_some_and(|signature| signature.verified) {
        return Vec::new();
    }
    let (probes, at) = case.issuer();
    let Some(jwks) = probes.jwks.seen() else { return Vec::new() };
    let keep = jwks.cache_control.as_deref().and_then(|text| {
        text.split(',').find_map(|part| part.trim().strip_prefix("max-age=")?.trim_matches('"').parse::<u64>().ok())
    });
    let held = case.issuer_metrics().and_then(|(index, issuer)| {
        let held = issuer.key_set_hash.as_ref()?;
        (jwks.body_hash.as_ref() != Some(held)).then(|| seen(format!("/controlPlane/metrics/seen/issuers/{index}/keySetHash"), "metrics: the API server holds another key set than the one that stands there now"))
    });
    let confidence = match (&held, keep) {
        (Some(_), Some(1..)) => Confidence::Certain,
        (Some(_), _) | (None, Some(1..)) => Confidence::Likely,
        (None, _) => return Vec::new(),
    };
    let wait = keep.map_or_else(|| "its cache is over".to_owned(), |seconds| format!("at most {seconds} s have passed since it last fetched them"));
    let mut finding = RULE
        .finding(
            confidence,
            format!("The token is signed by a key that the issuer publishes now; the API server judges it by the set it fetched before, and fetches no new one until {wait}."),
            word.cite(),
            Step::command("Wait until then (it heals by itself), or restart the API servers one by one if it cannot wait; on a kubeadm control-plane node", "crictl stop $(crictl ps -q --name kube-apiserver)"),
        )
        .step(Step::text("For the next rotation: publish the new key beside the old one, longer than max-age before tokens are signed with it (Keycloak: a new key provider with lower priority first). Or have the answer sent without max-age."))
        .cite(probed("/issuer/signature/seen/verified", "the key set that stands there now verifies this token"));
    if jwks.cache_control.is_some() {
        finding = finding.cite(probed(format!("{at}/jwks/seen/cacheControl"), format!("Cache-Control: {}", jwks.cache_control.as_deref().unwrap_or_default())));
    }
    vec![finding.cite_if(held)]
}
