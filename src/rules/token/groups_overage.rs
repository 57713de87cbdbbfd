//! There were too many groups for the token.

use crate::apiserver::configuration::Mapping;
use crate::apiserver::message;
use crate::evidence::access::Question;
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
        None if case.accepted()
            && names.contains_key("groups")
            && case.claim("groups").is_none()
            && !has_others(case) =>
        {
            Confidence::Certain
        }
        None => return Vec::new(),
    };
    let listed = names.keys().cloned().collect::<Vec<_>>().join(", ");
    let what = if word.is_some() { "the API server tried to fetch it there and could not, so it refuses the token" } else { "the user is signed in without them" };
    let mut finding = or_roles(
        case,
        RULE.finding(
            confidence,
            format!("The token holds no {listed}, only a reference to where that could be fetched; {what}."),
            seen("/credential/seen/token/claims/_claim_names", format!("_claim_names: {listed}")),
            fewer(),
        ),
    );
    finding.severity = severity(case);
    vec![finding.cite_if(word.map(Word::cite)).cite_if(case.rejected())]
}

/// Nobody misses them: the API server reads the groups from elsewhere, or it gives the user groups that cannot be these.
fn has_others(case: &Case<'_>) -> bool {
    let elsewhere = case.authenticator().is_some_and(|jwt| match &jwt.groups {
        Mapping::Claim { claim, .. } => claim != "groups",
        Mapping::Expression(expression) => !expression.contains("groups"),
        Mapping::None => true,
    });
    let identity = case.evidence.identity.seen().map(|identity| &identity.user);
    let reviewed = case.evidence.control_plane.token_review.seen().and_then(|review| review.user.as_ref());
    let mut given = identity.into_iter().chain(reviewed).flat_map(|user| &user.groups);
    elsewhere || given.any(|group| !group.starts_with("system:"))
}

/// Whoever may do what they want by their own name is not kept out by groups that are missing.
fn severity(case: &Case<'_>) -> Severity {
    let checks = case.evidence.access.seen().map(|access| access.checks.as_slice()).unwrap_or_default();
    let question = case.evidence.asked.question.as_ref();
    // Many may list the nodes and namespaces, and nothing else: that is not what somebody came for.
    let counts = |asked: &Question| question.map_or(!asked.namespace.is_empty(), |question| asked == question);
    let may = checks.iter().any(|check| check.allowed && counts(&check.question));
    if case.accepted() && may { Severity::Warning } else { RULE.severity }
}

/// Where Entra ID says that there are groups, and neither which nor where.
pub fn is_told(case: &Case<'_>) -> bool {
    case.claim("hasgroups").and_then(serde_json::Value::as_bool) == Some(true) && case.claim("groups").is_none()
}

/// Signed in, and the token only tells that there are groups.
fn only_told(case: &Case<'_>) -> Option<Finding> {
    (case.accepted() && is_told(case) && !has_others(case)).then(|| {
        let mut finding = or_roles(case, RULE.finding(
            Confidence::Certain,
            "The token holds hasgroups: true in the place of the groups, because there are too many for it; the user is signed in without them.",
            seen("/credential/seen/token/claims/hasgroups", "hasgroups: true"),
            fewer(),
        ));
        finding.severity = severity(case);
        finding
    })
}

fn fewer() -> Step {
    Step::text("Entra ID: App registrations, Token configuration, Edit groups claim, Groups assigned to the application; assign the few groups that RBAC names, and log in again.")
}

fn or_roles(case: &Case<'_>, finding: Finding) -> Finding {
    finding.step(setting::set(case, "Or use app roles, which are never left out, and read them as groups", Setting::GroupsClaim("roles")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{Evidence, Observation, Outcome};
    use crate::rules::check_all;

    fn found(evidence: &Evidence) -> Option<Severity> {
        let all = check_all(&Case::new(evidence));
        all.iter().find(|finding| finding.code == RULE.code).map(|finding| finding.severity)
    }

    #[test]
    fn groups_that_came_from_elsewhere_are_not_missed() {
        for saved in [
            include_str!("../../../testdata/cases/groups-overage-hasgroups/evidence.json"),
            include_str!("../../../testdata/cases/groups-overage-no-grant/evidence.json"),
        ] {
            let mut evidence: Evidence = serde_json::from_str(saved).expect("evidence");
            assert_eq!(found(&evidence), Some(Severity::Error));
            // Synthetic: the saved API server reads the claim `groups`; this is the second fix carried out.
            let Outcome::Seen(flagz) = &mut evidence.control_plane.flagz.outcome else { panic!("no flags") };
            flagz.flags.insert("oidc-groups-claim".to_owned(), vec!["roles".to_owned()]);
            assert_eq!(found(&evidence), None);
            // The same without rights to see the flags: the group is what tells.
            evidence.control_plane.flagz = Observation::default();
            assert_eq!(found(&evidence), Some(Severity::Error));
            let Outcome::Seen(identity) = &mut evidence.identity.outcome else { panic!("nobody") };
            identity.user.groups.push("kc:backend".to_owned());
            assert_eq!(found(&evidence), None);
        }
    }

    #[test]
    fn whoever_has_rights_by_name_is_only_warned() {
        let saved = include_str!("../../../testdata/cases/groups-overage-hasgroups/evidence.json");
        let mut evidence: Evidence = serde_json::from_str(saved).expect("evidence");
        // Synthetic: as with a binding of the user's own name, which the saved cluster does not have.
        let Outcome::Seen(access) = &mut evidence.access.outcome else { panic!("no reviews") };
        access.checks[0].allowed = true;
        assert_eq!(found(&evidence), Some(Severity::Warning));
        // To list nodes and namespaces only is little.
        let Outcome::Seen(access) = &mut evidence.access.outcome else { panic!("no reviews") };
        for check in &mut access.checks {
            check.allowed = check.question.namespace.is_empty();
        }
        assert!(access.checks.iter().any(|check| check.allowed));
        assert_eq!(found(&evidence), Some(Severity::Error));
    }
}
