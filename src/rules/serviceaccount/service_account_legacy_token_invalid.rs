//! The Secret of a legacy token does not back it any more.

use crate::apiserver::message;
use crate::report::shell::shell;
use crate::report::{Finding, Severity, Step, seen};
use crate::rules::{Case, Page, Rule, renew};

/// The rule.
pub static RULE: Rule = Rule {
    code: "service-account-legacy-token-invalid",
    severity: Severity::Error,
    title: "The Secret of the legacy token does not back it any more",
    page: Page {
        means: "A legacy token never expires, but the API server looks it up in its Secret each time: a Secret that is gone, holds another token, or was marked invalid (unused for a year, 1.29 and later) ends it.",
        evidence: "The server's words: Token has been invalidated, Token does not match server's copy, or has been marked invalid.",
        fix: "Use a token of the TokenRequest API (kubectl create token, projected volumes). `kubectl create token NAME -n NAMESPACE`.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#legacy-serviceaccount-token-cleaner",
    },
    recognises: &[
        &message::LEGACY_TOKEN_INVALIDATED,
        &message::LEGACY_TOKEN_DIFFERS,
        &message::LEGACY_TOKEN_MARKED,
        &message::LEGACY_TOKEN_CLAIM,
    ],
    explains: &["credential-rejected"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(word) = case.reason(RULE.recognises) else { return Vec::new() };
    if !case.is_service_account() || case.claim_text("iss") != Some("kubernetes/serviceaccount") {
        return Vec::new();
    }
    let secret = case.claim_text("kubernetes.io/serviceaccount/secret.name").unwrap_or("SECRET");
    let (namespace, _) = case.service_account();
    let marked = word.text == &message::LEGACY_TOKEN_MARKED;
    let why = if word.text == &message::LEGACY_TOKEN_INVALIDATED {
        format!("The Secret {namespace}/{secret} that the token came from is gone.")
    } else if word.text == &message::LEGACY_TOKEN_DIFFERS {
        format!("The Secret {namespace}/{secret} holds another token by now.")
    } else if marked {
        format!("The Secret {namespace}/{secret} was unused for a long time, and is marked invalid.")
    } else {
        format!("The token's claim {} is missing, or is not what the others say.", word.field("claim"))
    };
    let mut finding = RULE
        .finding(word.confidence(marked && word.field("secret") == secret), why, word.cite(), renew::token(case))
        .cite(seen("/credential/seen/token/claims/iss", "iss: kubernetes/serviceaccount (a legacy token)"));
    if marked {
        finding = finding.step(Step::command(
            "To gain time, take the mark off; the cleaner sets it again, and later deletes the Secret",
            shell!("kubectl label secret {} -n {} kubernetes.io/legacy-token-invalid-since-", secret, namespace),
        ));
    }
    vec![finding.cite_if(case.rejected())]
}
