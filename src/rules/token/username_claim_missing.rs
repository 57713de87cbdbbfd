//! The claim that names the user is not in the token.

use crate::apiserver::message;
use crate::report::{Finding, Severity, Step, seen};
use crate::rules::mapping::{self, Made};
use crate::rules::setting::{self, Setting};
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "username-claim-missing",
    severity: Severity::Error,
    title: "The claim that names the user is not in the token",
    page: Page {
        means: "The API server takes the user's name from one claim (--oidc-username-claim), and this token does not have it: the scope was not asked for, or the mapper is missing, or the user has no such attribute.",
        evidence: "The server's words (parse username claims \"X\": claim not present; or error evaluating username claim expression: no such key), or the configured claim beside the token's claims.",
        fix: "Ask for the scope that brings the claim, fill the user's attribute in the identity provider, or configure a claim that every token has (sub). `kaccess decode` shows what is in the token; `--oidc-username-claim=sub` is the flag.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/authentication/#configuring-the-api-server",
    },
    recognises: &[&message::USERNAME_CLAIM_MISSING, &message::CLAIM_MAPPING],
    explains: &["credential-rejected"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    if case.is_service_account() {
        return Vec::new();
    }
    if let Some((failed, key)) = mapping::failed(case).and_then(|failed| Some((failed, failed.missing()?)))
        && failed.made == Made::Name
    {
        let finding = RULE.finding(
            failed.word.confidence(false),
            format!("The API server makes the user's name by the expression{}, which reads the claim {key:?}; this token does not have it, and is refused.", failed.named()),
            failed.word.cite(),
            Step::text(format!("In the identity provider, give the user a value for {key:?} and let the client's scopes put it into the ID token; then log in again.")),
        );
        return vec![failed.end(
            case,
            finding.titled(format!("The claim {key:?}, of which the user's name is made, is not in the token")),
        )];
    }
    let Some(word) = case.reason(&[&message::USERNAME_CLAIM_MISSING]) else { return Vec::new() };
    let claim = word.field("claim").to_owned();
    if case.claim(&claim).is_some() {
        return Vec::new();
    }
    let names = case
        .token()
        .and_then(|token| token.claims.as_ref()?.as_object())
        .map(|claims| claims.keys().cloned().collect::<Vec<_>>().join(", "))
        .unwrap_or_default();
    let mut finding = RULE
        .finding(
            word.confidence(true),
            format!("The API server takes the user's name from the claim {claim:?}; this token has only: {names}."),
            word.cite(),
            Step::text(format!(
                "In the identity provider, give the user a value for {claim:?} and let the client's scopes put it into the ID token (for email: the scope email, kubelogin --oidc-extra-scope=email); then log in again."
            )),
        )
        .titled(format!("The claim {claim:?}, which names the user, is not in the token"))
        .step(setting::set(case, "Or configure a claim that every token has (the users' names change)", Setting::UsernameClaim("sub")))
        .cite_if(case.rejected());
    if case.token().is_some_and(|token| token.claims.is_some()) {
        finding = finding.cite(seen("/credential/seen/token/claims", format!("claims: {names}")));
    }
    vec![finding]
}
