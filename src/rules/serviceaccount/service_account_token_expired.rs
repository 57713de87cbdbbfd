//! A service account's token is past its expiry.

use crate::apiserver::authn::service_account::LEEWAY;
use crate::apiserver::message::{self, heard};
use crate::report::{seen, Confidence, Finding, Severity, Step};
use crate::rules::{renew, Case, Page, Place, Rule, Word};
use crate::rules::api_port::span;

/// The rule.
pub static RULE: Rule = Rule {
    code: "service-account-token-expired",
    severity: Severity::Error,
    title: "The service account's token has expired",
    page: Page {
        means: "Service account tokens live for an hour by default, and the kubelet writes a new one into the Pod's file in time. A client that reads the file only once, or a token copied out of the Pod, is refused a minute after exp.",
        evidence: "The exp claim against the API server's Date header; the server's words (service account token has expired).",
        fix: "Have a new token issued; in a Pod, let the client read the token file again (current client libraries do). `kubectl create token NAME -n NAMESPACE`.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#bound-service-account-tokens",
    },
    recognises: &[&message::SERVICE_ACCOUNT_EXPIRED, &heard::WEB_IDENTITY_EXPIRED, &heard::POD_IDENTITY],
    explains: &["credential-rejected"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    // Legacy tokens have no life span, and an exp in one is ignored.
    if case.accepted() || !case.is_service_account() || case.claim_text("iss") == Some("kubernetes/serviceaccount") {
        return Vec::new();
    }
    let Some(expiry) = case.claim_time("exp") else { return Vec::new() };
    let (now, clock) = case.server_time();
    let past = now.as_second() - expiry.as_second();
    let word = case.reason(&[&message::SERVICE_ACCOUNT_EXPIRED]);
    let confidence = match word {
        Some(word) => word.confidence(past > LEEWAY),
        None if past <= LEEWAY => return Vec::new(),
        // The server's own word about something else means that expiry is not (yet) what it stumbles over.
        None if case.rejected().is_none() || case.words.iter().any(|word| word.place == Place::TokenReview) => Confidence::Likely,
        None => Confidence::Certain,
    };
    vec![
        RULE.finding(
            confidence,
            format!("The token ended on {expiry} (exp), and by {clock} it is {}: {}. The API server forgives {LEEWAY} s.", now.strftime("%Y-%m-%dT%H:%M:%SZ"), if past < 0 { format!("{} before that, so the server's clock is another one", span(past)) } else { format!("{} later", span(past)) }),
            seen("/credential/seen/token/claims/exp", format!("exp: {expiry}")),
            renew::token(case),
        )
        .step(Step::text("In a Pod, read /var/run/secrets/kubernetes.io/serviceaccount/token again for every connection, or take a client library that does."))
        .cite_if(word.map(Word::cite))
        .cite_if(case.rejected()),
    ]
}
