//! There were too many groups for the token.

use crate::apiserver::message;
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::setting::{self, Setting};
use crate::rules::{Case, Page, Rule, Word};

/// The rule.
pub static RULE: Rule = Rule {
    code: "groups-overage",
    severity: Severity::Error,
    title: "The groups are not in the token: there are too many",
    page: Page {
        means: "Beyond a limit (Microsoft Entra ID: 200 in a JWT) the identity provider leaves the groups out and writes _claim_names instead, which only says where they could be fetched. The API server can fetch signed claims only; from Entra it gets none, and the user has no groups or cannot sign in.",
        evidence: "_claim_names in the token names the groups claim, or hasgroups: true stands for it; the server says \"could not expand distributed claims\" where it refuses the token.",
        fix: "Let the token hold only groups assigned to the application, or use app roles. Entra ID: `az ad app update --id APP --set groupMembershipClaims=ApplicationGroup`.",
        references: "https://learn.microsoft.com/en-us/security/zero-trust/develop/configure-tokens-group-claims-app-roles",
    },
    recognises: &[&message::DISTRIBUTED_CLAIMS],
    explains: &["credential-rejected", "rbac-no-grant"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(names) = case.claim("_claim_names").and_then(|names| names.as_object()) else {
        return only_told(case).into_iter().collect();
    };
    let word = case.reason(&[&message::DISTRIBUTED_CLAIMS]);
    let confidence = match word {
        Some(word) => word.confidence(true),
        // Signed in, and the groups stayed behind.
        None if case.accepted() && names.contains_key("groups") && case.claim("groups").is_none() => Confidence::Certain,
        None => return Vec::new(),
    };
    let listed = names.keys().cloned().collect::<Vec<_>>().join(", ");
    let what = if word.is_some() { "the API server tried to fetch it there and could not, so it refuses the token" } else { "the user is signed in without them" };
    vec![
        or_roles(case, RULE.finding(
            confidence,
            format!("The token holds no {listed}, only a reference to where that could be fetched; {what}."),
            seen("/credential/seen/token/claims/_claim_names", format!("_claim_names: {listed}")),
            fewer(),
        ))
        .cite_if(word.map(Word::cite))
        .cite_if(case.rejected()),
    ]
}

/// Where Entra ID says that there are groups, and neither which nor where.
pub fn is_told(case: &Case<'_>) -> bool {
    case.claim("hasgroups").and_then(serde_json::Value::as_bool) == Some(true) && case.claim("groups").is_none()
}

/// Signed in, and the token only tells that there are groups.
fn only_told(case: &Case<'_>) -> Option<Finding> {
    (case.accepted() && is_told(case)).then(|| {
        or_roles(case, RULE.finding(
            Confidence::Certain,
            "The token holds hasgroups: true in the place of the groups, because there are too many for it; the user is signed in without them.",
            seen("/credential/seen/token/claims/hasgroups", "hasgroups: true"),
            fewer(),
        ))
    })
}

fn fewer() -> Step {
    Step::text("Entra ID: App registrations, Token configuration, Edit groups claim, Groups assigned to the application; assign the few groups that RBAC names, and log in again.")
}

fn or_roles(case: &Case<'_>, finding: Finding) -> Finding {
    finding.step(setting::set(case, "Or use app roles, which are never left out, and read them as groups", Setting::GroupsClaim("roles")))
}
