//! The authorization webhook does not answer.

use crate::apiserver::message;
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::{Case, Page, Place, Rule, Word, clip};

/// The rule.
pub static RULE: Rule = Rule {
    code: "authorization-webhook-down",
    severity: Severity::Error,
    title: "The authorization webhook does not answer",
    page: Page {
        means: "The API server asks a webhook whether a request is allowed, and cannot reach it. What another authorizer allows before still works; everything else ends as an internal error (500) or, by the webhook's failurePolicy, as a refusal.",
        evidence: "The API server's log \"Failed to make webhook authorizer request\", the 500 with the webhook's URL that the caller gets, or the same as evaluationError of an access review.",
        fix: "Bring the webhook up; check URL and CA in the file of --authorization-webhook-config-file or --authorization-config. `curl -v URL` from a control-plane node tries the way.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/webhook/",
    },
    recognises: &[&message::AUTHORIZATION_WEBHOOK, &message::AUTHORIZATION_ERROR],
    explains: &["rbac-no-grant", "api-unavailable", "authorization-webhook-denied"],
    check,
};

/// The error of an access review is that of a call which failed: only a webhook is called. Go's client says it so when
/// no answer came, and so when one with another status than 2xx did.
pub fn failed_call(error: &str) -> bool {
    const STATUS: &[&str] = &[
        "an error on the server (",
        "the server is currently unable to handle the request",
        "the server was unable to return a response in the time allotted",
        "the server has asked for the client to provide credentials",
        "the server could not find the requested resource",
        "the server has received too many requests",
        "the server rejected our request",
        "Internal error occurred: ",
        "context deadline exceeded",
    ];
    error.contains("Post \"http") || STATUS.iter().any(|words| error.contains(words))
}

/// The error without the words that kubectl wraps the whole in.
fn told(word: &Word) -> &str {
    let error = word.field("error");
    error.strip_suffix("\") has prevented the request from succeeding").unwrap_or(error)
}

fn check(case: &Case<'_>) -> Vec<Finding> {
    let met = case.said(&message::AUTHORIZATION_ERROR).filter(|word| word.place == Place::Met);
    let logged = case.said(&message::AUTHORIZATION_WEBHOOK);
    let checks = case.evidence.access.seen().map(|access| access.checks.as_slice()).unwrap_or_default();
    // A review that nothing allows carries what the webhook's caller met.
    let review = checks.iter().position(|check| !check.allowed && failed_call(&check.evaluation_error));
    let reviewed = review.map(|index| {
        let error = &checks[index].evaluation_error;
        let path = format!("/access/seen/checks/{index}/evaluationError");
        (clip(error, 200), seen(path, format!("the access review says: {}", clip(error, 240))))
    });
    // Only in the log, it may be over.
    let past = met.is_none() && reviewed.is_none();
    let Some((error, cite)) = met
        .map(|word| (clip(told(word), 200), word.cite()))
        .or(reviewed)
        .or_else(|| logged.map(|word| (clip(told(word), 200), word.cite())))
    else {
        return Vec::new();
    };
    let answers = error.starts_with("an error on the server (") || error.starts_with("the server ");
    let mut finding = RULE
        .finding(
            if past { Confidence::Likely } else { Confidence::Certain },
            format!("The API server asks a webhook about rights that nothing before it gives, and {} {error}.", if past { "met:" } else { "meets:" }),
            cite,
            Step::command(
                "On a control-plane node, read where the webhook should be, and try it from there",
                "grep -E 'server:|certificate-authority' \"$(ps -o args= -C kube-apiserver | grep -oP 'authorization-webhook-config-file=\\K\\S+')\"",
            ),
        )
        .step(Step::text("Bring it up again, or correct URL and CA and restart the API server. Members of system:masters, and whoever has the right by RBAC listed before the webhook, can still work meanwhile."))
        .cite_if(logged.filter(|_| !past).map(Word::cite));
    if answers {
        finding = finding.titled("The authorization webhook answers with an error");
    }
    if past {
        finding.severity = Severity::Warning;
    }
    vec![finding]
}
