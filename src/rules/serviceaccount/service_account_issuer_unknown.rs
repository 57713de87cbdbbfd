//! A service account's token names an issuer that is not this cluster's.

use crate::apiserver::message::{self, heard};
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::{Case, Page, Rule, renew};

/// The rule.
pub static RULE: Rule = Rule {
    code: "service-account-issuer-unknown",
    severity: Severity::Error,
    title: "The service account's token names an issuer that is not this cluster's",
    page: Page {
        means: "The API server looks at a service account's token only if its iss is one of its --service-account-issuer values, byte by byte. Else it says just \"invalid bearer token\". The token is another cluster's, or the issuer was changed without keeping the old value.",
        evidence: "The iss claim beside the server's --service-account-issuer; a TokenReview that gives no reason.",
        fix: "Take a token of this cluster. When changing the issuer, give the new value first and keep the old one as a second --service-account-issuer. `kubectl create token NAME -n NAMESPACE`.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#bound-service-account-tokens",
    },
    recognises: &[&message::NOBODY_CLAIMED, &heard::NOBODY],
    explains: &["credential-rejected", "service-account-token-expired", "service-account-audience-mismatch"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let (true, Some(rejected), Some(issuer)) = (case.is_service_account(), case.rejected(), case.claim_text("iss")) else {
        return Vec::new();
    };
    // The legacy issuer is always known. What cannot be read is silently passed over too, and is another fault.
    if issuer == "kubernetes/serviceaccount" || case.token().is_some_and(|token| !token.problems.is_empty()) {
        return Vec::new();
    }
    // Where it is taken on other connections, it is one API server of several that has another issuer.
    if case.taken_by_some().is_some() {
        return Vec::new();
    }
    let silent = case.reviewed_as(&message::NOBODY_CLAIMED);
    let reviewed = case.evidence.control_plane.token_review.seen().is_some();
    let (confidence, known) = match &case.configuration {
        Some((configuration, path)) if !configuration.service_account_issuers.is_empty() => {
            if configuration.service_account_issuers.iter().any(|known| known == issuer)
                || configuration.jwt.iter().any(|jwt| jwt.issuer.url == issuer)
                || reviewed && silent.is_none()
            {
                return Vec::new();
            }
            (Confidence::Certain, Some((&configuration.service_account_issuers, *path)))
        }
        _ if silent.is_some() => (Confidence::Likely, None),
        _ => return Vec::new(),
    };
    let list = known.map_or_else(|| "another one".to_owned(), |(issuers, _)| issuers.join(", "));
    let mut finding = RULE
        .finding(
            confidence,
            format!("The token says iss {issuer:?}; this cluster's service account issuer is {list}. So nobody looks at the token."),
            seen("/credential/seen/token/claims/iss", format!("iss: {issuer}")),
            renew::token(case),
        )
        .step(Step::manifest(
            "Or, where this cluster's issuer was changed, keep the old value as a second one (the first one signs), and restart the API server",
            format!("--service-account-issuer={}\n--service-account-issuer={issuer}\n", known.and_then(|(issuers, _)| issuers.first()).map_or("NEW_ISSUER", String::as_str)),
        ))
        .cite_if(silent.map(crate::rules::Word::cite))
        .cite(rejected);
    if let Some((_, path)) = known {
        finding = finding.cite(seen(path, format!("service account issuer: {list}")));
    }
    vec![finding]
}
