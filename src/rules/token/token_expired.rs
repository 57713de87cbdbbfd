//! The token is past its expiry.

use crate::apiserver::authn::CREDENTIAL_ID;
use crate::apiserver::message;
use crate::report::{Confidence, Finding, Severity, Step, probed, seen};
use crate::rules::api_port::skew;
use crate::rules::{Case, Page, Place, Rule, Word, renew};

/// The rule.
pub static RULE: Rule = Rule {
    code: "token-expired",
    severity: Severity::Error,
    title: "The token has expired",
    page: Page {
        means: "The API server compares the exp claim with its own clock without any leeway and answers 401. Its success cache may let a token live 10 s longer.",
        evidence: "The exp claim against the API server's Date header (or this machine's clock); the server's own words where a TokenReview or log could be read.",
        fix: "Log in again, or let a credential plugin renew the token instead of storing it. `kubectl oidc-login clean` and the next kubectl command log in anew.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/authentication/#openid-connect-tokens",
    },
    recognises: &[&message::EXPIRED],
    explains: &["credential-rejected"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    if case.is_service_account() {
        return Vec::new();
    }
    if case.accepted() {
        return behind_certificate(case).into_iter().collect();
    }
    let Some(expiry) = case.claim_time("exp") else { return without_time(case).into_iter().collect() };
    let (now, clock) = case.server_time();
    // A log's line is about this token only where the token has expired.
    let said = case.reason(RULE.recognises).filter(|word| word.place == Place::TokenReview || expiry <= now);
    if expiry > now && said.is_none() {
        return by_own_clock(case, expiry).into_iter().collect();
    }
    // The server's own word about something else means that expiry is not (yet) what it stumbles over.
    let other = said.is_none() && case.words.iter().any(|word| word.place == Place::TokenReview);
    let gone = expiry <= now && case.evidence.issuer.signature.seen().is_some_and(|signature| !signature.verified && !signature.kid_known);
    let unsaid = said.is_none() && gone;
    let confidence = if other || unsaid || case.rejected().is_none() { Confidence::Likely } else { Confidence::Certain };
    let mut why = format!("exp is {expiry}, and by {clock} it is {}: the API server refuses it without any leeway.", now.strftime("%Y-%m-%dT%H:%M:%SZ"));
    // The API server verifies the signature before it reads exp. A key that is gone by now is no other cause: issuers throw
    // keys away once all tokens signed by them have expired, and a new token has another key and another end.
    if gone {
        why.push_str(" The issuer's key set no longer holds its key either, as is usual for a token from before a rotation; the server may name that first, and a new token mends both.");
    }
    let mut finding = RULE
        .finding(confidence, why, seen("/credential/seen/token/claims/exp", format!("exp: {expiry}")), renew::token(case))
        .cite_if(said.map(Word::cite))
        .cite_if(case.rejected());
    if gone {
        finding.explains = &["credential-rejected", "token-key-foreign"];
        finding = finding.cite(probed("/issuer/signature/seen", "no key of the live key set verifies the token"));
    }
    vec![finding]
}

/// By the Date header the token is valid, by this machine's clock it is not, and it is refused: the header may be that of
/// a balancer with another clock than the API server's. Where a third clock agrees with it, this machine's is wrong.
fn by_own_clock(case: &Case<'_>, expiry: jiff::Timestamp) -> Option<Finding> {
    let skew = skew(case).filter(|skew| expiry <= case.evidence.observed_at && !skew.is_local())?;
    let refused = case.rejected()?;
    let finding = RULE.finding(
        Confidence::Likely,
        format!("exp is {expiry}, which is past by this machine's clock, and the token is refused. The Date header that came with the answer is from before it ({}); whatever wrote that header, the clock that judged the token need not be the same.", skew.date),
        seen("/credential/seen/token/claims/exp", format!("exp: {expiry}")),
        renew::token(case),
    );
    Some(finding.cite(refused).cite(skew.cite))
}

/// Where exp is not there, Go reads its zero time, which is long past.
fn without_time(case: &Case<'_>) -> Option<Finding> {
    let word = case.reason(RULE.recognises).filter(|word| word.field("expiry").starts_with("0001-01-01"))?;
    let is = if case.claim("exp").is_some() { "is no time" } else { "is not in it" };
    Some(
        RULE.finding(
            word.confidence(true),
            format!("A token without an end counts as expired to the API server, and the claim exp {is}."),
            word.cite(),
            Step::text("Have the identity provider issue tokens with a lifetime (claim exp, in seconds since 1970): no setting of the API server makes it take one without."),
        )
        .titled("The token has no expiry, which the API server takes as expired"),
    )
}

/// It was not needed: the API server looks at a client certificate first. Whoever gives the token to be examined wants to
/// know all the same.
fn behind_certificate(case: &Case<'_>) -> Option<Finding> {
    let identity = case.evidence.identity.seen()?;
    case.evidence.credential.seen()?.certificates.first()?;
    // Where a proxy took the certificate for itself, the token counted.
    let counted = identity.user.extra.get(CREDENTIAL_ID).and_then(|ids| ids.first());
    if counted.is_some_and(|id| !id.starts_with("X509SHA256=")) {
        return None;
    }
    let expiry = case.claim_time("exp")?;
    let (now, clock) = case.server_time();
    // A cache of the server lets a token live a little longer.
    if now.duration_since(expiry).as_secs() < 60 {
        return None;
    }
    let name = &identity.user.username;
    let confidence = if case.only_certificate().is_some() { Confidence::Certain } else { Confidence::Likely };
    let mut finding = RULE
        .finding(
            confidence,
            format!("exp is {expiry}, and by {clock} it is {}. A client certificate was sent beside the token; the API server looks at it first, and knows you as {name:?} by it. By itself the token would be refused.", now.strftime("%Y-%m-%dT%H:%M:%SZ")),
            seen("/credential/seen/token/claims/exp", format!("exp: {expiry}")),
            renew::token(case),
        )
        .titled("The token has expired; the client certificate beside it was taken instead")
        .cite(seen("/identity/seen/user/username", format!("signed in as {name:?}")))
        .step(Step::text("To have a token examined by itself, leave the certificate out: name a context whose user has none, or give kaccess decode the token, with --verify."));
    finding.severity = Severity::Warning;
    Some(finding)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{Evidence, Outcome};

    /// go-oidc takes a number in quotes.
    #[test]
    fn an_end_in_quotes_is_an_end() {
        let text = include_str!("../../../testdata/cases/token-expired/evidence.json");
        let mut evidence: Evidence = serde_json::from_str(text).expect("evidence");
        let plain = check(&Case::new(&evidence)).remove(0);
        let Outcome::Seen(credential) = &mut evidence.credential.outcome else { panic!("no credential") };
        let claims = credential.token.as_mut().and_then(|token| token.claims.as_mut()).expect("claims");
        let quoted = claims["exp"].to_string();
        claims["exp"] = quoted.into();
        let found = check(&Case::new(&evidence));
        let said: Vec<_> = found.iter().map(|finding| (finding.why.as_str(), finding.confidence)).collect();
        assert_eq!(said, [(plain.why.as_str(), plain.confidence)]);
    }
}
