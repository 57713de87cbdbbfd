//! The identity provider hands out a group that Kubernetes keeps for itself.

use serde_json::Value;

use crate::apiserver::configuration::Mapping;
use crate::evidence::credential::TokenKind;
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::certificate::reserved_group_prefix::KNOWN;
use crate::rules::setting::{self, Setting};
use crate::rules::{Case, Page, Rule};
use crate::text::pointer_part;

/// The rule.
pub static RULE: Rule = Rule {
    code: "privileged-group-from-issuer",
    severity: Severity::Warning,
    title: "A group of the identity provider is one of Kubernetes' own",
    page: Page {
        means: "Groups named system:* have a built-in meaning (system:masters passes every check and cannot be denied). Without a groups prefix, or with the prefix system:, whoever may name groups in the identity provider may make themselves cluster admin.",
        evidence: "The groups that the API server gives this user, beside the token's claims.",
        fix: "Set a groups prefix, so that no group of the identity provider can be one of Kubernetes' own, and bind the prefixed names. `--oidc-groups-prefix=oidc:` is the flag, claimMappings.groups.prefix the field.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/authentication/#configuring-the-api-server",
    },
    recognises: &[],
    explains: &[],
    check,
};

/// The claim holds this text, alone or in a list.
fn holds(claim: &Value, text: &str) -> bool {
    match claim {
        Value::String(held) => held == text,
        Value::Array(list) => list.iter().any(|item| item.as_str() == Some(text)),
        _ => false,
    }
}

/// Where the API server's own groups prefix, which begins with `system:`, makes this group of a value of the token: the
/// claim, and the value.
pub fn made_by_prefix<'c>(case: &'c Case<'_>, group: &'c str) -> Option<(&'c str, &'c str)> {
    let token = case.token().filter(|token| token.kind == TokenKind::Jwt)?;
    let claims = token.claims.as_ref()?.as_object()?;
    match case.authenticator().map(|jwt| &jwt.groups) {
        Some(Mapping::Claim { claim, prefix }) => {
            let value = group.strip_prefix(prefix.as_str()).filter(|_| prefix.starts_with("system:"))?;
            holds(claims.get(claim.as_str())?, value).then_some((claim.as_str(), value))
        }
        Some(Mapping::None) => None,
        // Which claim is read is not known: a list, or what has the usual name.
        Some(Mapping::Expression(_)) | None => {
            let value = group.strip_prefix("system:")?;
            let (name, _) = claims
                .iter()
                .find(|(name, held)| (held.is_array() || name.as_str() == "groups") && holds(held, value))?;
            Some((name.as_str(), value))
        }
    }
}

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
        let named = claims?.iter().find(|(_, value)| holds(value, group));
        // Any other name that begins so is a finding of its own.
        let made = || made_by_prefix(case, group).filter(|_| KNOWN.contains(&group.as_str()));
        let (name, value) = named.map(|(name, _)| (name.as_str(), group.as_str())).or_else(made)?;
        Some((index, group, name, value))
    });
    let Some((index, group, claim, value)) = found else { return Vec::new() };
    if value != group {
        return vec![
            RULE.finding(
                Confidence::Certain,
                format!("The API server takes this user for a member of {group:?}: the identity provider calls the group {value:?}, and the API server's groups prefix makes it one of Kubernetes' own."),
                seen(format!("{at}/{index}"), format!("group: {group}")),
                setting::set(case, "Set another groups prefix (bindings then name oidc:GROUP)", Setting::GroupsPrefix("oidc:")),
            )
            .titled(format!("The groups prefix makes {group:?}, one of Kubernetes' own groups, of the identity provider's {value:?}"))
            .step(Step::text(format!("See who else is in {value:?} in the identity provider: so far each of them is in {group:?}.")))
            .cite(seen(
                format!("/credential/seen/token/claims/{}", pointer_part(claim)),
                format!("the token's claim {claim:?} holds {value:?}"),
            )),
        ];
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{Evidence, Outcome};
    use crate::rules::check_all;

    /// Synthetic: the saved API server has no groups prefix; this one has `system:`, and the token the bare names.
    fn prefixed(group: &str) -> Vec<Finding> {
        let saved = include_str!("../../../testdata/cases/privileged-group-from-issuer/evidence.json");
        let mut evidence: Evidence = serde_json::from_str(saved).expect("evidence");
        let Outcome::Seen(flagz) = &mut evidence.control_plane.flagz.outcome else { panic!("no flags") };
        flagz.flags.insert("oidc-groups-prefix".to_owned(), vec!["system:".to_owned()]);
        let Outcome::Seen(identity) = &mut evidence.identity.outcome else { panic!("nobody") };
        identity.user.groups[0] = format!("system:{group}");
        let Outcome::Seen(credential) = &mut evidence.credential.outcome else { panic!("no credential") };
        let claims = credential.token.as_mut().and_then(|token| token.claims.as_mut()).expect("claims");
        claims["groups"] = serde_json::json!([group]);
        check_all(&Case::new(&evidence))
    }

    fn flags(finding: &Finding) -> String {
        finding.fix[0].manifest.clone().unwrap_or_default()
    }

    #[test]
    fn a_prefix_that_makes_an_administrator_is_seen() {
        let found = prefixed("masters");
        let finding = found.iter().find(|finding| finding.code == RULE.code).expect("an administrator by prefix");
        assert!(finding.why.contains("\"masters\"") && finding.why.contains("groups prefix"), "{}", finding.why);
        assert_eq!(flags(finding), "--oidc-groups-prefix=oidc:\n");
    }

    #[test]
    fn a_reserved_name_that_the_prefix_makes_is_mended_at_the_prefix() {
        let found = prefixed("backend");
        assert!(found.iter().all(|finding| finding.code != RULE.code), "{found:?}");
        let finding = found.iter().find(|finding| finding.code == "reserved-group-prefix").expect("a reserved name");
        assert_eq!(flags(finding), "--oidc-groups-prefix=oidc:\n");
        assert!(finding.fix.iter().all(|step| !step.text.contains("at its source")), "{finding:?}");
    }
}
