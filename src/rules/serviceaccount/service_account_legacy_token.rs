//! A legacy token that never expires is in use.

use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::{Case, Page, Rule, renew};

/// The rule.
pub static RULE: Rule = Rule {
    code: "service-account-legacy-token",
    severity: Severity::Warning,
    title: "A legacy service account token that never expires is in use",
    page: Page {
        means: "The token is from a Secret of the type kubernetes.io/service-account-token: no expiry, no audience, good for whoever copies it until the Secret is deleted. Kubernetes makes none by itself since 1.24, and marks unused ones invalid since 1.29.",
        evidence: "iss: kubernetes/serviceaccount in a token that the API server accepts.",
        fix: "Use tokens of the TokenRequest API (projected volumes in Pods, kubectl create token elsewhere), then delete the Secret. `kubectl create token NAME -n NAMESPACE`.",
        references: "https://kubernetes.io/docs/concepts/security/service-accounts/#get-a-token",
    },
    recognises: &[],
    explains: &[],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    if !case.accepted() || !case.is_service_account() || case.claim_text("iss") != Some("kubernetes/serviceaccount") {
        return Vec::new();
    }
    let secret = case.claim_text("kubernetes.io/serviceaccount/secret.name").unwrap_or("SECRET");
    let (namespace, name) = case.service_account();
    vec![
        RULE.finding(
            Confidence::Certain,
            format!("The token of {namespace}/{name} is from the Secret {secret:?} and has no expiry."),
            seen("/credential/seen/token/claims/iss", "iss: kubernetes/serviceaccount"),
            renew::token(case),
        )
        .step(Step::command("When nothing uses it any more, end it", shell!("kubectl delete secret {} -n {}", secret, namespace))),
    ]
}
