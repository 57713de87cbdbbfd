//! The token webhook refuses the API server.

use crate::apiserver::message;
use crate::evidence::credential::TokenKind;
use crate::report::{Confidence, Finding, Severity, Step};
use crate::rules::{Case, Page, Place, Rule, clip};

/// The rule.
pub static RULE: Rule = Rule {
    code: "authentication-webhook-refused",
    severity: Severity::Error,
    title: "The token webhook refuses to answer the API server",
    page: Page {
        means: "The webhook is there and answers the API server with an HTTP error instead of a verdict: 401 or 403 (it does not take the API server's own credential), or 404 (the path is wrong). The tokens it should judge are refused.",
        evidence: "The API server's log \"Failed to make webhook authenticator request\" with an HTTP refusal.",
        fix: "Correct the credential, or the path, in the file of --authentication-token-webhook-config-file. `curl -v --cert CERT --key KEY URL` from a control-plane node shows the refusal.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/authentication/#webhook-token-authentication",
    },
    recognises: &[&message::WEBHOOK_FAILED],
    explains: &["credential-rejected"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let (Some(token), Some(rejected)) = (case.token(), case.rejected()) else { return Vec::new() };
    let Some(word) = case.said(&message::WEBHOOK_FAILED) else { return Vec::new() };
    let error = word.field("error");
    // EKS' own webhook says so of every token that is no AWS identity's.
    let eks = token.kind == TokenKind::EksIam
        || case.evidence.endpoint.route.seen().is_some_and(|route| route.host.ends_with(".eks.amazonaws.com"));
    let other = case.words.iter().any(|word| word.place == Place::TokenReview && word.text != &message::NOBODY_CLAIMED);
    if crate::rules::certificate::authentication_webhook_down::is_down(error) || eks || other {
        return Vec::new();
    }
    let (what, step) = if error.contains("could not find the requested resource") {
        ("404: the path is wrong", "Correct the path of the URL (clusters[0].cluster.server) in the webhook's file, and restart the API server")
    } else if error.contains("asked for the client to provide credentials") {
        ("401: it does not take the API server's credential", "Renew the credential (users[0].user) in the webhook's file, and restart the API server")
    } else if error == "unknown" {
        ("403 without a word", "Have the webhook allow the API server (its client certificate or token in users[0].user of the webhook's file)")
    } else {
        ("an HTTP refusal", "Have the webhook allow the API server (its client certificate or token in users[0].user of the webhook's file)")
    };
    vec![
        RULE.finding(
            if case.evidence.control_plane.token_review.seen().is_none() { Confidence::Likely } else { Confidence::Certain },
            format!("Nobody else claims this token, so the API server asks its webhook, which answers {what} ({}).", clip(error, 160)),
            word.cite(),
            Step::command(step, "ps -o args= -C kube-apiserver | grep -oP 'authentication-token-webhook-config-file=\\K\\S+'"),
        )
        .step(Step::text("Read the webhook's own log for the same moment: it says whom it saw and why it refused."))
        .cite(rejected),
    ]
}
