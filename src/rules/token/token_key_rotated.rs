//! The issuer signs with a key that the API server has not fetched yet.

use crate::apiserver::message;
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step, probed, seen};
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "token-key-rotated",
    severity: Severity::Error,
    title: "The issuer signs with a key that the API server has not fetched yet",
    page: Page {
        means: "The API server keeps the key set it fetched, and fetches anew only when no key verifies a token and the set's Cache-Control max-age is over (within its last 30 s). After a rotation new tokens fail until then; old ones keep working.",
        evidence: "The live key set verifies the token and the server says \"failed to verify id token signature\"; /metrics (1.35 and later) has the hash of another key set than the live one.",
        fix: "Wait for the max-age to pass, or restart the API server. Publish new keys longer than max-age before signing with them, and keep max-age at minutes. `kaccess decode --verify` shows whether the key is there now.",
        references: "https://openid.net/specs/openid-connect-core-1_0.html#RotateSigKeys",
    },
    recognises: &[&message::SIGNATURE_FAILED],
    explains: &["credential-rejected", "jwks-cache-delays-rotation"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let issuer = &case.evidence.issuer;
    let Some(signature) = issuer.signature.seen().filter(|signature| signature.verified) else { return Vec::new() };
    let Some(word) = case.reason(&[&message::SIGNATURE_FAILED]) else { return Vec::new() };
    let live = issuer.jwks.seen().and_then(|jwks| jwks.body_hash.as_deref());
    let held = case.issuer_metrics().and_then(|(index, entry)| Some((index, entry.key_set_hash.as_deref()?)));
    let differs = match (held, live) {
        // The server holds this very set by now.
        (Some((_, held)), Some(live)) if held == live => return Vec::new(),
        (Some((index, held)), Some(_)) => Some(seen(
            format!("/controlPlane/metrics/seen/issuers/{index}/keySetHash"),
            format!("metrics: the API server holds the key set {held}"),
        )),
        _ => None,
    };
    // The line names no token: what speaks against its being about this one counts.
    let sure = word.confidence(false);
    let confidence = if differs.is_some() { sure } else { sure.max(Confidence::Likely) };
    let mut finding = RULE
        .finding(
            confidence,
            format!("The issuer's live key set has the key {:?} and verifies the token; the API server does not: it still holds the set from before.", signature.kid),
            word.cite(),
            Step::text("Wait until the max-age of the key set that the API server fetched is over (Cache-Control of the jwks_uri); or, at once, restart the API server."),
        )
        .step(Step::command(
            "For the next rotation: publish a key longer than that before signing with it; this shows the max-age",
            shell!("curl -sSI {} | grep -i cache-control", issuer.discovery.seen().and_then(|found| found.jwks_uri.as_deref()).unwrap_or("JWKS_URI")),
        ))
        .cite(probed("/issuer/signature/seen/verified", "the live key set verifies the token"))
        .cite_if(differs);
    if let Some(live) = live.filter(|_| held.is_some()) {
        finding = finding.cite(probed("/issuer/jwks/seen/bodyHash", format!("the live key set is {live}")));
    }
    vec![finding.cite_if(case.rejected())]
}
