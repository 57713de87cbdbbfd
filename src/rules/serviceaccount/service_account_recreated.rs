//! The service account was deleted and made anew after the token.

use crate::apiserver::message;
use crate::report::{Finding, Severity, seen};
use crate::rules::{Case, Page, Place, Rule, renew};

/// The rule.
pub static RULE: Rule = Rule {
    code: "service-account-recreated",
    severity: Severity::Error,
    title: "The service account was made anew after the token",
    page: Page {
        means: "A token holds the UID of its service account. An account of the same name that was deleted and created again (helm uninstall and install, a restored namespace) has another UID, and tokens from before are dead.",
        evidence: "The server's words: service account UID (A) does not match claim (B).",
        fix: "Have a new token issued; restart Pods that started before. `kubectl create token NAME -n NAMESPACE`; `kubectl rollout restart deployment NAME -n NAMESPACE`.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#bound-service-account-tokens",
    },
    recognises: &[&message::SERVICE_ACCOUNT_UID],
    explains: &["credential-rejected"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(word) = case.reason(RULE.recognises).filter(|_| case.is_service_account()) else { return Vec::new() };
    let bound = case.claim("kubernetes.io").and_then(|claim| claim.pointer("/serviceaccount/uid"));
    let (uid, path) = match (bound, case.claim("kubernetes.io/serviceaccount/service-account.uid")) {
        (Some(uid), _) => (uid.as_str(), "/credential/seen/token/claims/kubernetes.io/serviceaccount/uid"),
        (None, Some(uid)) => (uid.as_str(), "/credential/seen/token/claims/kubernetes.io~1serviceaccount~1service-account.uid"),
        (None, None) => return Vec::new(),
    };
    let uid = uid.unwrap_or_default();
    if word.place != Place::TokenReview && word.field("got") != uid {
        return Vec::new();
    }
    let (namespace, name) = case.service_account();
    vec![
        RULE.finding(
            word.confidence(true),
            format!("The token is for the service account {namespace}/{name} with the UID {uid}; the one that is there now has {}.", word.field("expected")),
            word.cite(),
            renew::token(case),
        )
        .titled(format!("The service account {namespace}/{name} was made anew after the token"))
        .cite(seen(path, format!("uid: {uid}")))
        .cite_if(case.rejected()),
    ]
}
