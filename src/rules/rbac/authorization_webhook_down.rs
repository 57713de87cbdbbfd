//! The authorization webhook does not answer.

use crate::apiserver::message;
use crate::report::{Finding, Severity, Step};
use crate::rules::{Case, Page, Rule, clip};

/// The rule.
pub static RULE: Rule = Rule {
    code: "authorization-webhook-down",
    severity: Severity::Error,
    title: "The authorization webhook does not answer",
    page: Page {
        means: "The API server asks a webhook whether a request is allowed, and cannot reach it. What another authorizer allows before still works; everything else ends as an internal error (500) or, by the webhook's failurePolicy, as a refusal.",
        evidence: "The API server's log \"Failed to make webhook authorizer request\", or the 500 with the webhook's URL that the caller gets.",
        fix: "Bring the webhook up; check URL and CA in the file of --authorization-webhook-config-file or --authorization-config.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/webhook/",
    },
    recognises: &[&message::AUTHORIZATION_WEBHOOK, &message::AUTHORIZATION_ERROR],
    explains: &["rbac-no-grant", "api-unavailable"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let met = case.said(&message::AUTHORIZATION_ERROR).filter(|word| word.place == "error");
    let logged = case.said(&message::AUTHORIZATION_WEBHOOK);
    let Some(word) = met.or(logged) else { return Vec::new() };
    vec![
        RULE.finding(
            word.confidence(true),
            format!("The API server asks a webhook about rights that nothing before it gives, and meets: {}.", clip(word.field("error"), 200)),
            word.cite(),
            Step::command(
                "On a control-plane node, read where the webhook should be, and try it from there",
                "grep -E 'server:|certificate-authority' \"$(ps -o args= -C kube-apiserver | grep -oP 'authorization-webhook-config-file=\\K\\S+')\"",
            ),
        )
        .step(Step::text("Bring it up again, or correct URL and CA and restart the API server. Members of system:masters, and whoever has the right by RBAC listed before the webhook, can still work meanwhile."))
        .cite_if(logged.filter(|_| met.is_some()).map(crate::rules::Word::cite)),
    ]
}
