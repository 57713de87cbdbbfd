//! The key set is one that the API server cannot read.

use crate::apiserver::message;
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step, probed};
use crate::rules::{Case, Page, Rule, clip};

/// The rule.
pub static RULE: Rule = Rule {
    code: "jwks-unparsable",
    severity: Severity::Error,
    title: "The API server cannot read the issuer's key set",
    page: Page {
        means: "One key of an unknown kind is enough: Go's JOSE library refuses the whole set, and no token of the issuer can be checked. (A page in place of the set has the same effect.)",
        evidence: "The server's words \"failed to decode keys\", or the same refusal by kaccess' own reading of the set.",
        fix: "Remove the key from the published set (or what stands in its place); RSA, P-256, P-384, P-521 and Ed25519 are fine. `curl -s JWKS_URI` shows the keys.",
        references: "https://www.rfc-editor.org/rfc/rfc7517#section-5",
    },
    recognises: &[&message::JWKS_UNPARSABLE],
    explains: &["credential-rejected"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    if case.accepted() {
        return Vec::new();
    }
    let (probes, at) = case.issuer();
    let said = case.said(&message::JWKS_UNPARSABLE);
    let read = [(&probes.jwks, "jwks"), (&probes.jwks_as_control_plane, "jwksAsControlPlane")].into_iter().find_map(|(jwks, name)| {
        let error = jwks.seen().filter(|jwks| jwks.answer.status == 200)?.unparsable.clone()?;
        Some((error, name))
    });
    let (confidence, first) = match (said, &read, case.rejected()) {
        (Some(word), ..) => (word.confidence(true), word.cite()),
        // The rejection may have come before any key was needed.
        (None, Some(_), Some(cite)) if case.not_initialized().is_none() && case.evidence.control_plane.token_review.seen().is_none() => (Confidence::Likely, cite),
        _ => return Vec::new(),
    };
    let uri = probes.discovery.seen().and_then(|discovery| discovery.jwks_uri.clone()).unwrap_or_else(|| "the address in jwks_uri".to_owned());
    let error = said.map(|word| clip(word.field("error"), 200)).or_else(|| read.as_ref().map(|(error, _)| error.clone())).unwrap_or_default();
    let mut finding = RULE
        .finding(
            confidence,
            format!("The set at {uri} cannot be read: {error}. One bad key spoils the whole set, so no signature of this issuer can be checked."),
            first,
            Step::command("List the keys by kind; take the one that is no RSA, EC (P-256, P-384, P-521) or Ed25519 key out of the set (Keycloak: Realm settings, Keys, disable its provider)", shell!("curl -s {} | jq -c '.keys[] | {{kid, kty, crv, alg}}'", uri)),
        )
        .step(Step::command("The next token is judged at once", "kaccess doctor"));
    if let Some((error, name)) = read {
        finding = finding.cite(probed(format!("{at}/{name}/seen/unparsable"), error));
    }
    vec![finding]
}
