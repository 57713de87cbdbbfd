//! A service account's token is for somebody else than the API server.

use crate::apiserver::message;
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::{Case, Page, Place, Rule, Word};

/// The rule.
pub static RULE: Rule = Rule {
    code: "service-account-audience-mismatch",
    severity: Severity::Error,
    title: "The service account's token is not for the API server",
    page: Page {
        means: "A token that was requested for another audience (sts.amazonaws.com for IRSA, vault, a sidecar) is only for that one. The API server takes its own audience: the service account issuer, unless --api-audiences says otherwise.",
        evidence: "The aud claim beside the server's words (token audiences [...] is invalid for the target audiences [...]) or its --api-audiences.",
        fix: "Use the token from /var/run/secrets/kubernetes.io/serviceaccount/token, or request one without an audience. `kubectl create token NAME -n NAMESPACE`.",
        references: "https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/#serviceaccount-token-volume-projection",
    },
    recognises: &[&message::SERVICE_ACCOUNT_AUDIENCE],
    explains: &["credential-rejected"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    if !case.is_service_account() {
        return Vec::new();
    }
    // Where it is taken on other connections, it is one API server of several that has other keys or flags.
    if case.taken_by_some().is_some() {
        return Vec::new();
    }
    let Some(audience) = case.claim("aud") else { return Vec::new() };
    let own: Vec<&str> = match audience {
        serde_json::Value::String(text) => vec![text],
        serde_json::Value::Array(list) => list.iter().filter_map(|item| item.as_str()).collect(),
        _ => Vec::new(),
    };
    let listed = format!("[{}]", own.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(" "));
    // What the model says, the flags below say surer.
    let word = case.reason(RULE.recognises).filter(|word| word.place != Place::Model);
    let (confidence, expected, flags) = match (word, &case.configuration) {
        (Some(word), _) if word.place == Place::TokenReview || word.field("got") == listed => {
            (word.confidence(true), word.field("expected").to_owned(), None)
        }
        // The token beside the server's configuration, where the server's own word is not known.
        (None, Some((configuration, path)))
            if case.evidence.control_plane.token_review.seen().is_none()
                // The API server looks at the signature first.
                && case.reason(&[&message::SERVICE_ACCOUNT_KEY_UNKNOWN, &message::SERVICE_ACCOUNT_SIGNATURE]).is_none()
                && case.rejected().is_some()
                && !configuration.api_audiences.is_empty()
                && !own.is_empty()
                && !own.iter().any(|name| configuration.api_audiences.iter().any(|known| known == name)) =>
        {
            let expected = format!("[{}]", configuration.api_audiences.join(" "));
            let cite = seen((*path).to_owned(), format!("audiences of the API server: {expected}"));
            (Confidence::Certain, expected, Some(cite))
        }
        _ => return Vec::new(),
    };
    let (namespace, name) = case.service_account();
    vec![
        RULE.finding(
            confidence,
            format!("The token is for {listed}; the API server takes only tokens for {expected}."),
            seen("/credential/seen/token/claims/aud", format!("aud: {audience}")),
            Step::command("Request a token for the API server: one without an audience", shell!("kubectl create token {} -n {}", name, namespace)),
        )
        .step(Step::text("In a Pod, take the token at /var/run/secrets/kubernetes.io/serviceaccount/token; those of other projected volumes are for others."))
        .cite_if(word.map(Word::cite))
        .cite_if(flags)
        .cite_if(case.rejected()),
    ]
}
