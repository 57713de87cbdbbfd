//! The token webhook does not answer.

use crate::apiserver::message;
use crate::report::{Finding, Severity, Step};
use crate::rules::hook::{self, Fault};
use crate::rules::{Case, Page, Rule, clip};

/// The rule.
pub static RULE: Rule = Rule {
    code: "authentication-webhook-down",
    severity: Severity::Error,
    title: "The token webhook that the API server asks does not answer",
    page: Page {
        means: "The API server asks a webhook about tokens that it does not know itself. The webhook is down, not reachable, or not trusted, so those tokens are refused; each such request also takes seconds. Or it answers with something else than a TokenReview of the version it was asked in (an error page, an empty body, v1beta1 for v1), which is as good as no answer.",
        evidence: "The API server's log \"Failed to make webhook authenticator request\" with what it met, or the same error in a TokenReview of the token.",
        fix: "Bring the webhook up, and check URL and CA in the file of --authentication-token-webhook-config-file; where it answers in another version, change --authentication-token-webhook-version or the webhook; the API server asks anew with the next token. `kubectl get --raw /metrics` counts its failures (apiserver_delegated_authn_request_total); `curl -v URL` from a control-plane node tries the way.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/authentication/#webhook-token-authentication",
    },
    recognises: &[&message::WEBHOOK_FAILED, &message::WEBHOOK_TRANSPORT, &message::WEBHOOK_ANSWER],
    // An issuer that is not configured may be the webhook's.
    explains: &["credential-rejected", "token-issuer-mismatch"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    if case.token().is_none() {
        return Vec::new();
    }
    let Some(rejected) = case.rejected() else { return Vec::new() };
    let Some((word, fault, confidence)) = hook::about_token(case) else { return Vec::new() };
    if matches!(fault, Fault::Refused | Fault::NotFound | Fault::Unauthorized) {
        return Vec::new();
    }
    let error = clip(word.field("error"), 160);
    let begin = "Nobody else claims this token, so the API server asks its webhook";
    let finding = if fault == Fault::Unreadable {
        let versions = hook::versions(word.field("error"));
        let step = match versions {
            Some((got, asked)) => format!("Have the webhook answer in {asked}, the version that it is asked in, or set --authentication-token-webhook-version to {got} and restart the API server; these flags say where and in which version it asks now"),
            None => "Have the webhook answer with status 200 and the TokenReview it was sent, in the same apiVersion (--authentication-token-webhook-version, v1beta1 where it is not set), its status filled in; this is where the API server asks, and in which version".to_owned(),
        };
        RULE.finding(
            confidence,
            format!("{begin}, which answers, and with nothing that is a TokenReview of the version asked for: {error}."),
            word.cite(),
            Step::command(step, "ps -o args= -C kube-apiserver | tr ' ' '\\n' | grep -E '^--authentication-token-webhook'"),
        )
        .titled("The token webhook's answer is no TokenReview that the API server reads")
        .step(Step::text("Read the webhook's own log for the same moment, or ask it what the API server asks: an error page, a login page and an empty body all look like this."))
    } else {
        RULE.finding(
            confidence,
            format!("{begin}, and meets: {error}."),
            word.cite(),
            Step::command(
                "On a control-plane node, read where the webhook should be, and try it from there",
                "grep -E 'server:|certificate-authority' \"$(ps -o args= -C kube-apiserver | grep -oP 'authentication-token-webhook-config-file=\\K\\S+')\"",
            ),
        )
        .step(Step::text("Bring it up again, or correct URL and CA in that file and restart the API server. Until then credentials that need no webhook (client certificates, service accounts) still work."))
    };
    let finding = match fault {
        Fault::Status => finding.titled("The token webhook that the API server asks answers with an error"),
        _ => finding,
    };
    vec![finding.cite(rejected)]
}
