//! The token webhook does not answer.

use crate::apiserver::message;
use crate::report::{Confidence, Finding, Severity, Step};
use crate::rules::{Case, Page, Place, Rule, clip};

/// The rule.
pub static RULE: Rule = Rule {
    code: "authentication-webhook-down",
    severity: Severity::Error,
    title: "The token webhook that the API server asks does not answer",
    page: Page {
        means: "The API server asks a webhook about tokens that it does not know itself. The webhook is down, not reachable, or not trusted, so those tokens are refused; each such request also takes seconds.",
        evidence: "The API server's log \"Failed to make webhook authenticator request\" with what it met, or the same in a TokenReview.",
        fix: "Bring the webhook up, and check URL and CA in the file of --authentication-token-webhook-config-file; the API server asks anew with the next token. `kubectl get --raw /metrics` counts its failures (apiserver_delegated_authn_request_total); `curl -v URL` from a control-plane node tries the way.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/authentication/#webhook-token-authentication",
    },
    recognises: &[&message::WEBHOOK_FAILED, &message::WEBHOOK_TRANSPORT],
    explains: &["credential-rejected"],
    check,
};

/// Words of a connection that failed, or of a server error.
pub fn is_down(error: &str) -> bool {
    ["dial tcp", "EOF", "timeout", "deadline", "x509", "lookup", "refused", "no route", "proxyconnect", "reset", "an error on the server", "unable to handle the request", "converting (", "0-length response", "decode"]
        .iter()
        .any(|part| error.contains(part))
}

fn check(case: &Case<'_>) -> Vec<Finding> {
    if case.token().is_none() {
        return Vec::new();
    }
    let Some(rejected) = case.rejected() else { return Vec::new() };
    let reviewed = case.said(&message::WEBHOOK_TRANSPORT);
    let logged = case.said(&message::WEBHOOK_FAILED).filter(|word| is_down(word.field("error")));
    // Where the server named another reason for this very token, the webhook is not what refused it.
    let other = case.words.iter().any(|word| {
        word.place == Place::TokenReview && word.text != &message::WEBHOOK_TRANSPORT && word.text != &message::NOBODY_CLAIMED
    });
    let Some(word) = reviewed.or(logged).filter(|_| !other) else { return Vec::new() };
    vec![
        RULE.finding(
            if reviewed.is_some() || case.evidence.control_plane.token_review.seen().is_none() { Confidence::Certain } else { Confidence::Likely },
            format!("Nobody else claims this token, so the API server asks its webhook, and meets: {}.", clip(word.field("error"), 160)),
            word.cite(),
            Step::command(
                "On a control-plane node, read where the webhook should be, and try it from there",
                "grep -E 'server:|certificate-authority' \"$(ps -o args= -C kube-apiserver | grep -oP 'authentication-token-webhook-config-file=\\K\\S+')\"",
            ),
        )
        .step(Step::text("Bring it up again, or correct URL and CA in that file and restart the API server. Until then credentials that need no webhook (client certificates, service accounts) still work."))
        .cite(rejected),
    ]
}
