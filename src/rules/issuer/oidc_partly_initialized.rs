//! Several API servers behind one address, and not all take the token.

use crate::apiserver::message;
use crate::report::{Confidence, Finding, Severity, Step, probed};
use crate::rules::{Case, Page, Place, Rule};

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
    explains: &["credential-rejected", "oidc-not-initialized", "token-key-rotated", "issuer-blocks-control-plane"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    // A certificate needs no issuer.
    let repeats = case.evidence.endpoint.repeated.seen().filter(|_| case.only_certificate().is_none());
    let (Some(repeats), Some((refused, taken))) = (repeats, case.taken_by_some()) else { return Vec::new() };
    let word = case.said(&message::OIDC_NOT_INITIALIZED).filter(|word| word.place != Place::Model);
    let tried = probed("/endpoint/repeated/seen/statuses", format!("{refused} of {} connections are answered 401, {taken} take the token: {:?}", repeats.statuses.len(), repeats.statuses));
    vec![
        RULE.finding(
            if word.is_some() { Confidence::Certain } else { Confidence::Likely },
            format!("Of {} connections to the same address with the same token, {refused} were answered 401 and {taken} let in: there are several API servers behind it, and they do not agree about this issuer.", repeats.statuses.len()),
            tried,
            Step::command(
                "Look at each API server by itself: which one could not read the discovery document, and what it met (EKS: the streams kube-apiserver-* of the log group)",
                "for pod in $(kubectl -n kube-system get pods -l component=kube-apiserver -o name); do echo $pod; kubectl -n kube-system logs $pod | grep 'oidc authenticator' | tail -n 1; done",
            ),
        )
        .step(Step::text("When the cause is gone, the server heals within 10 s; one that was configured otherwise than the others needs the same flags and a restart."))
        .cite_if(word.map(crate::rules::Word::cite)),
    ]
}
