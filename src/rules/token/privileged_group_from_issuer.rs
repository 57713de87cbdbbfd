//! The identity provider hands out a group that Kubernetes keeps for itself.

use crate::evidence::credential::TokenKind;
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::text::pointer_part;
use crate::rules::setting::{self, Setting};
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "privileged-group-from-issuer",
    severity: Severity::Warning,
    title: "A group of the identity provider is one of Kubernetes' own",
    page: Page {
        means: "Groups named system:* have a built-in meaning (system:masters passes every check and cannot be denied). Without a groups prefix whoever may name groups in the identity provider may make themselves cluster admin.",
        evidence: "The groups that the API server gives this user, beside the token's claims.",
        fix: "Set a groups prefix, so that no group of the identity provider can be one of Kubernetes' own, and bind the prefixed names. `--oidc-groups-prefix=oidc:` is the flag, claimMappings.groups.prefix the field.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/authentication/#configuring-the-api-server",
    },
    recognises: &[],
    explains: &[],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(token) = case.token().filter(|token| token.kind == TokenKind::Jwt) else { return Vec::new() };
    let (user, at) = if let Some(identity) = case.evidence.identity.seen() {
        (&identity.user, "/identity/seen/user/groups")
    } else if let Some(user) = case.evidence.control_plane.token_review.seen().and_then(|review| review.user.as_ref()) {
        (user, "/controlPlane/tokenReview/seen/user/groups")
    } else {
        return Vec::new();
    };
    // Impersonation and webhooks give groups too; where the token's own claims name the group, it comes from there.
    let from_claim = user.groups.iter().enumerate().filter(|(_, group)| {
        group.starts_with("system:") && !matches!(group.as_str(), "system:authenticated" | "system:unauthenticated")
    });
    let claims = token.claims.as_ref().and_then(|claims| claims.as_object());
    let found = from_claim.into_iter().find_map(|(index, group)| {
        let (name, _) = claims?.iter().find(|(_, value)| match value {
            serde_json::Value::String(text) => text == group,
            serde_json::Value::Array(list) => list.iter().any(|item| item.as_str() == Some(group)),
            _ => false,
        })?;
        Some((index, group, name))
    });
    let Some((index, group, claim)) = found else { return Vec::new() };
    vec![
        RULE.finding(
            Confidence::Certain,
            format!("The API server takes this user for a member of {group:?}, because the identity provider says so: no prefix keeps its groups apart from Kubernetes' own."),
            seen(format!("{at}/{index}"), format!("group: {group}")),
            setting::set(case, "Set a groups prefix (bindings then name oidc:GROUP)", Setting::GroupsPrefix("oidc:")),
        )
        .titled(format!("The identity provider's group {group:?} is one of Kubernetes' own"))
        .step(Step::text(format!("Take the group {group:?} away in the identity provider, and see who else is in it.")))
        .cite(seen(
            format!("/credential/seen/token/claims/{}", pointer_part(claim)),
            format!("the token's claim {claim:?} holds it"),
        )),
    ]
}
