//! The token webhook refuses the API server.

use crate::apiserver::message;
use crate::evidence::credential::TokenKind;
use crate::report::{Finding, Severity, Step};
use crate::rules::hook::{self, Fault};
use crate::rules::{Case, Page, Rule, clip};

/// The rule.
pub static RULE: Rule = Rule {
    code: "authentication-webhook-refused",
    severity: Severity::Error,
    title: "The token webhook refuses to answer the API server",
    page: Page {
        means: "The webhook is there and answers the API server with an HTTP error instead of a verdict: 401 or 403 (it does not take the API server's own credential), or 404 (the path is wrong). The tokens it should judge are refused.",
        evidence: "The API server's log \"Failed to make webhook authenticator request\" with an HTTP refusal, or the same error in a TokenReview of the token.",
        fix: "Correct the credential, or the path, in the file of --authentication-token-webhook-config-file. `curl -v --cert CERT --key KEY URL` from a control-plane node shows the refusal.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/authentication/#webhook-token-authentication",
    },
    recognises: &[&message::WEBHOOK_FAILED, &message::WEBHOOK_ANSWER],
    // An issuer that is not configured may be the webhook's.
    explains: &["credential-rejected", "token-issuer-mismatch"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let (Some(token), Some(rejected)) = (case.token(), case.rejected()) else { return Vec::new() };
    let Some((word, fault, confidence)) = hook::about_token(case) else { return Vec::new() };
    // EKS' own webhook says so of every token that is no AWS identity's.
    let eks = token.kind == TokenKind::EksIam
        || case.evidence.endpoint.route.seen().is_some_and(|route| route.host.ends_with(".eks.amazonaws.com"));
    if eks {
        return Vec::new();
    }
    let error = Some(word.field("error")).filter(|error| !error.is_empty()).unwrap_or("unknown");
    let credential = "Have the webhook allow the API server (its client certificate or token in users[0].user of the webhook's file)";
    let (what, step) = match fault {
        Fault::NotFound => (
            "404: the path is wrong",
            "Correct the path of the URL (clusters[0].cluster.server) in the webhook's file, and restart the API server",
        ),
        Fault::Unauthorized => (
            "401: it does not take the API server's credential",
            "Renew the credential (users[0].user) in the webhook's file, and restart the API server",
        ),
        Fault::Refused if error == "unknown" => ("403 without a word", credential),
        Fault::Refused => ("an HTTP refusal", credential),
        Fault::Silent | Fault::Status | Fault::Unreadable => return Vec::new(),
    };
    vec![
        RULE.finding(
            confidence,
            format!(
                "Nobody else claims this token, so the API server asks its webhook, which answers {what} ({}).",
                clip(error, 160)
            ),
            word.cite(),
            Step::command(
                step,
                "ps -o args= -C kube-apiserver | grep -oP 'authentication-token-webhook-config-file=\\K\\S+'",
            ),
        )
        .step(Step::text("Read the webhook's own log for the same moment: it says whom it saw and why it refused."))
        .cite(rejected),
    ]
}
