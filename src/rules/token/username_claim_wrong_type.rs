//! The claim that names the user is no text.

use crate::apiserver::message::{self, heard};
use crate::report::{seen, Finding, Severity, Step};
use crate::rules::setting::{self, Setting};
use crate::rules::{Case, Page, Rule};
use crate::text::pointer_part;

/// The rule.
pub static RULE: Rule = Rule {
    code: "username-claim-wrong-type",
    severity: Severity::Error,
    title: "The claim that names the user is no text",
    page: Page {
        means: "The API server wants the user's name as one JSON string; a number, a list or an object is refused. sub must be a string in any case, even where another claim names the user.",
        evidence: "The claim's type in the token, beside the server's words (parse username claims ... cannot unmarshal number).",
        fix: "Map the claim as a string in the identity provider, or configure another claim. `kaccess decode` shows the claim; `--oidc-username-claim=sub` is the flag.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/authentication/#configuring-the-api-server",
    },
    recognises: &[&message::USERNAME_CLAIM_TYPE, &message::SUBJECT_TYPE, &heard::CLAIM_TYPE],
    explains: &["credential-rejected"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(word) = case.reason(&[&message::USERNAME_CLAIM_TYPE, &message::SUBJECT_TYPE]) else { return Vec::new() };
    let claim = word.field("claim");
    let Some(value) = case.claim(claim).filter(|value| !value.is_string() && !value.is_null()) else { return Vec::new() };
    let kind = word.field("got");
    let mut finding = RULE
        .finding(
            word.confidence(true),
            format!("The claim {claim:?} of the token is {value}, of the JSON type {kind}; the API server takes a string only."),
            seen(format!("/credential/seen/token/claims/{}", pointer_part(claim)), format!("{claim}: {value}")),
            Step::text(format!("In the identity provider, map {claim:?} as a string (Keycloak: the mapper's Claim JSON Type: String, Multivalued: off), and log in again.")),
        )
        .titled(format!("The claim {claim:?} must be a string, and has the JSON type {kind}"));
    if word.text == &message::USERNAME_CLAIM_TYPE {
        finding = finding.step(setting::set(
            case,
            "Or configure a claim that is a string (the users' names change)",
            Setting::UsernameClaim("sub"),
        ));
    }
    vec![finding.cite(word.cite()).cite_if(case.rejected())]
}
