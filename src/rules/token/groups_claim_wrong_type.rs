//! The groups claim is neither a text nor a list of texts.

use crate::apiserver::message;
use crate::report::{seen, Finding, Severity, Step};
use crate::rules::{clip, Case, Page, Rule};
use crate::text::pointer_part;

/// The rule.
pub static RULE: Rule = Rule {
    code: "groups-claim-wrong-type",
    severity: Severity::Error,
    title: "The groups claim is neither a text nor a list of texts",
    page: Page {
        means: "The API server takes groups as a list of texts or as one text. Objects (a group with id and name, roles nested by client), numbers and mixed lists are refused, and with them the whole token.",
        evidence: "The claim's type in the token, beside the server's words (parse groups claim ... cannot unmarshal object).",
        fix: "Let the identity provider write the groups as a flat list of names. The claim's name is one literal key: realm_access.roles never reaches into an object. `kaccess decode` shows the claim.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/authentication/#configuring-the-api-server",
    },
    recognises: &[&message::GROUPS_CLAIM_TYPE],
    explains: &["credential-rejected"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(word) = case.reason(&[&message::GROUPS_CLAIM_TYPE]) else { return Vec::new() };
    let claim = word.field("claim");
    let flat = |value: &serde_json::Value| {
        value.is_string() || value.as_array().is_some_and(|list| list.iter().all(serde_json::Value::is_string))
    };
    let Some(value) = case.claim(claim).filter(|value| !flat(value)) else { return Vec::new() };
    let shown = clip(&value.to_string(), 120);
    vec![
        RULE.finding(
            word.confidence(true),
            format!("The claim {claim:?} of the token is {shown}; the API server takes a list of texts, or one text."),
            seen(format!("/credential/seen/token/claims/{}", pointer_part(claim)), format!("{claim}: {shown}")),
            Step::text(format!("In the identity provider, write {claim:?} as a flat list of names (Keycloak: a mapper Group Membership, or User Realm Role with Multivalued on and {claim:?} as its Token Claim Name), and log in again.")),
        )
        .titled(format!("The groups claim {claim:?} is neither a text nor a list of texts"))
        .step(Step::manifest(
            "Or, with an AuthenticationConfiguration, take the names out of what is there",
            format!("claimMappings:\n  groups:\n    expression: 'dyn(claims.{claim}).map(group, \"oidc:\" + group.name)'\n"),
        ))
        .cite(word.cite())
        .cite_if(case.rejected()),
    ]
}
