//! The key set is one that the API server cannot read.

use crate::apiserver::message;
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step, probed};
use crate::rules::case::UselessKeys;
use crate::rules::{Case, Page, Place, Rule, clip};

/// The rule.
pub static RULE: Rule = Rule {
    code: "jwks-unparsable",
    severity: Severity::Error,
    title: "The API server cannot read the issuer's key set",
    page: Page {
        means: "One key of an unknown kind is enough: Go's JOSE library refuses the whole set, and no token of the issuer can be checked. (A page in place of the set has the same effect; so has a set that is empty, or whose keys have no kid while tokens name theirs.)",
        evidence: "The server's words \"failed to decode keys\", or the same refusal by kaccess' own reading of the set; \"failed to verify id token signature\" beside a set without a key that a token could name.",
        fix: "Remove the key from the published set (or what stands in its place); RSA, P-256, P-384, P-521 and Ed25519 are fine. Each published key needs the kid that tokens name. `curl -s JWKS_URI` shows the keys.",
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
    if let Some(useless) = case.useless_keys().filter(|_| said.is_none()) {
        return vec![no_key(case, useless)];
    }
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

/// The set can be read, and no key of it verifies any token.
fn no_key(case: &Case<'_>, useless: UselessKeys) -> Finding {
    let issuer = &case.evidence.issuer;
    let word = case.said(&message::SIGNATURE_FAILED).filter(|word| word.place != Place::Model);
    let confidence = word.map_or(Confidence::Likely, |word| word.confidence(true));
    let uri = issuer.discovery.seen().and_then(|discovery| discovery.jwks_uri.clone()).unwrap_or_else(|| "the address in jwks_uri".to_owned());
    let kid = issuer.signature.seen().map_or("", |signature| signature.kid.as_str());
    let (title, why, step) = match useless {
        UselessKeys::None => (
            "The issuer's key set is empty",
            format!("The set at {uri} holds no key, so no signature of this issuer can be checked, whoever made the token."),
            "Have the provider publish the keys it signs with: look at its key store, at what builds or caches the set, and at a realm or tenant without an active key.",
        ),
        UselessKeys::Nameless => (
            "The keys of the issuer's key set have no kid",
            format!("The token names the key {kid:?}, and the API server tries only a key of that name; the keys in the set at {uri} have no kid, so none is tried, not even the right one."),
            "Have the provider publish each key with the kid that its tokens name (or leave kid out of the tokens' header, and every key is tried).",
        ),
    };
    RULE.finding(confidence, why, probed("/issuer/jwks/seen", format!("the key set that stands there now holds {} keys", issuer.jwks.seen().map_or(0, |jwks| jwks.keys.len()))), Step::text(step))
        .titled(title)
        .step(Step::command("This shows the keys with their names", shell!("curl -s {} | jq -c '.keys[] | {{kid, kty, crv, alg}}'", uri)))
        .cite(probed("/issuer/signature/seen", "no key of the live key set verifies the token"))
        .cite_if(word.map(crate::rules::Word::cite))
        .cite_if(case.rejected())
}
