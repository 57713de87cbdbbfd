//! Several API servers behind one address, and not all take the token.

use crate::apiserver::message;
use crate::evidence::credential::TokenKind;
use crate::report::{Confidence, Finding, Severity, Step, probed, seen};
use crate::rules::issuer::credential_rejected::compare_servers;
use crate::rules::{Case, Page, Place, Rule, Word, clip};

/// The rule.
pub static RULE: Rule = Rule {
    code: "oidc-partly-initialized",
    severity: Severity::Error,
    title: "Not all API servers behind this address take the token",
    page: Page {
        means: "Each API server initialises an issuer for itself. When the issuer was away (or refused) while one of them started, that one answers 401 and the others work: the same token fails now and then.",
        evidence: "The same request with the same token over several fresh connections: some are answered, some are 401.",
        fix: "Find out what keeps the one API server from the issuer: its own log says it (\"initializing plugin\"). It recovers within 10 s when the discovery URL answers. `kaccess explain @kube-apiserver.log` finds it.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/authentication/#configuring-the-api-server",
    },
    recognises: &[&message::OIDC_NOT_INITIALIZED],
    // What one server has against a token that another one takes is no fault of the token.
    explains: &[
        "credential-rejected", "oidc-not-initialized", "oidc-not-configured", "issuer-blocks-control-plane",
        "token-issuer-mismatch", "token-audience-mismatch", "token-not-id-token", "token-algorithm-not-allowed",
        "token-key-rotated", "token-key-foreign", "token-signature-invalid", "username-claim-missing",
        "username-claim-wrong-type", "email-not-verified", "email-verified-not-boolean", "groups-claim-wrong-type",
        "required-claim-mismatch", "claim-validation-failed",
    ],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    // Nobody needs an issuer for a certificate or another kind of token.
    let of_issuer = case.token().is_some_and(|token| token.kind == TokenKind::Jwt) && case.only_certificate().is_none();
    let repeats = case.evidence.endpoint.repeated.seen().filter(|_| of_issuer);
    let (Some(repeats), Some((refused, taken))) = (repeats, case.taken_by_some()) else { return Vec::new() };
    // One that ran out in the midst of the run is another finding.
    if case.ends_meanwhile() {
        return Vec::new();
    }
    let word = case.said(&message::OIDC_NOT_INITIALIZED).filter(|word| word.place != Place::Model);
    let tried = probed("/endpoint/repeated/seen/statuses", format!("{refused} of {} connections are answered 401, {taken} take the token: {:?}", repeats.statuses.len(), repeats.statuses));
    let mut why = format!("Of {} connections to the same address with the same token, {refused} were answered 401 and {taken} let in: there are several API servers behind it, and they do not agree about this issuer.", repeats.statuses.len());
    let look = Step::command(
        "Look at each API server by itself: which one could not read the discovery document, and what it met (EKS: the streams kube-apiserver-* of the log group)",
        "for pod in $(kubectl -n kube-system get pods -l component=kube-apiserver -o name); do echo $pod; kubectl -n kube-system logs $pod | grep 'oidc authenticator' | tail -n 1; done",
    );
    let heal = Step::text("When the cause is gone, the server heals within 10 s; one that was configured otherwise than the others needs the same flags and a restart.");
    // One that has not come up would say so: this one judges such tokens otherwise than the others.
    let reviewed = case.evidence.control_plane.token_review.seen().and_then(|review| review.error.as_deref());
    let otherwise = reviewed.filter(|error| {
        !error.is_empty() && !message::recognise(error).iter().any(|found| *found.text == message::OIDC_NOT_INITIALIZED)
    });
    let mut steps: Vec<Step> = Vec::new();
    if otherwise.is_some() {
        why.push_str(" One of them says what it has against the token; another one takes the token as it is. So it is no fault of the token alone: the servers were configured differently, or one does not hold what the others do.");
        steps.extend(compare_servers());
    }
    steps.extend([look, heal]);
    let mut steps = steps.into_iter();
    let Some(first) = steps.next() else { return Vec::new() };
    let said = otherwise.map(|error| {
        seen("/controlPlane/tokenReview/seen/error", format!("one of them says in its TokenReview: {}", clip(error, 240)))
    });
    let sure = if word.is_some() { Confidence::Certain } else { Confidence::Likely };
    vec![RULE.finding(sure, why, tried, first).steps(steps).cite_if(word.map(Word::cite)).cite_if(said)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::apiserver::Repeats;
    use crate::evidence::{Evidence, Outcome};
    use crate::report::diagnose;
    use crate::rules::check_all;

    /// A saved run against one API server that expects another audience, with the answers of further connections as two
    /// real servers gave them of which one expected the token's.
    #[test]
    fn what_one_of_several_servers_has_against_a_token_is_no_fault_of_the_token() {
        let text = include_str!("../../../testdata/cases/token-audience-mismatch/evidence.json");
        let found = |statuses: &[u16]| {
            let mut evidence: Evidence = serde_json::from_str(text).expect("evidence");
            let repeats = Repeats { path: "/version".to_owned(), statuses: statuses.to_vec() };
            evidence.endpoint.repeated.outcome = Outcome::Seen(repeats);
            diagnose(check_all(&Case::new(&evidence)))
        };
        let both = found(&[200, 401, 200, 401, 200, 401]);
        assert_eq!(both[0].code, RULE.code);
        let audience = both.iter().find(|finding| finding.code == "token-audience-mismatch").expect("what one says");
        assert_eq!(audience.explained_by, Some(RULE.code));
        assert!(both[0].cites.iter().any(|cite| cite.text.contains("expected audience")), "{:?}", both[0].cites);
        assert!(both[0].fix[0].text.contains("were started with"), "{}", both[0].fix[0].text);
        assert_eq!(found(&[401; 6])[0].code, "token-audience-mismatch");
    }

    /// Synthetic: the saved token has an hour left, and all of its requests met one server.
    #[test]
    fn a_token_that_ends_in_the_midst_of_the_run_tells_nothing_of_several_servers() {
        let text = include_str!("../../../testdata/cases/token-audience-mismatch/evidence.json");
        let told = |left: i64| {
            let mut evidence: Evidence = serde_json::from_str(text).expect("evidence");
            let end = evidence.observed_at.as_second() + left;
            let Outcome::Seen(credential) = &mut evidence.credential.outcome else { panic!("no credential") };
            let claims = credential.token.as_mut().and_then(|token| token.claims.as_mut()).expect("claims");
            claims["exp"] = serde_json::json!(end);
            let repeats = Repeats { path: "/version".to_owned(), statuses: vec![200, 200, 200, 401, 401, 401] };
            evidence.endpoint.repeated.outcome = Outcome::Seen(repeats);
            !check(&Case::new(&evidence)).is_empty()
        };
        assert!(told(600));
        assert!(!told(2));
    }
}
