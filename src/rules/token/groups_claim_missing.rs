//! The API server reads groups from a claim that the token does not have.

use crate::apiserver::authz::near::title;
use crate::apiserver::authz::{World, applying};
use crate::apiserver::configuration::Mapping;
use crate::apiserver::message;
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::mapping::{self, Made};
use crate::rules::refusal::{is_ungranted, somebody_else};
use crate::rules::setting::{self, Setting};
use crate::rules::token::groups_overage;
use crate::rules::token::name_prefix_mismatch::{refused, would_grant};
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "groups-claim-missing",
    severity: Severity::Warning,
    title: "The token has no groups claim",
    page: Page {
        means: "The API server is configured to read groups from a claim, and this token does not have it. That is no error: the user is signed in without groups, and no binding to a group reaches them. Where an expression (claimMappings.groups.expression) reads a claim that is not there, it is an error: the token is refused. And where the API server is told no claim for groups at all, those in the token count for nothing.",
        evidence: "The configured groups claim beside the token's claims; or the server's words: error evaluating group claim expression, no such key. Or that no claim is configured, beside a binding to a group that the token claims.",
        fix: "Let the identity provider put the groups into the ID token (a mapper, a scope), and log in again. `kaccess decode` shows whether it is there.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/authentication/#configuring-the-api-server",
    },
    recognises: &[&message::CLAIM_MAPPING],
    explains: &["rbac-no-grant", "credential-rejected"],
    check,
};

/// An expression reads the claim: then its absence is an error.
fn unmapped(case: &Case<'_>) -> Option<Finding> {
    let failed = mapping::failed(case).filter(|failed| failed.made == Made::Groups)?;
    let key = failed.missing()?;
    let mut finding = RULE.finding(
        failed.word.confidence(false),
        format!("The API server makes the groups by the expression{}, which reads {key:?}; this token does not have it, and is refused.", failed.named()),
        failed.word.cite(),
        Step::text(format!("In the identity provider, put {key:?} into the ID token (a scope, a mapper; for realm_access of Keycloak the client scope roles, Add to ID token on), and log in again.")),
    );
    finding.severity = Severity::Error;
    Some(failed.end(case, finding.titled(format!("The claim {key:?}, of which the groups are made, is not in the token"))))
}

/// The API server is told no claim for groups, and a binding that would give what is refused names one that the token claims.
fn unread(case: &Case<'_>) -> Option<Finding> {
    let (_, path) = case.configuration.as_ref()?;
    let jwt = case.authenticator().filter(|jwt| matches!(jwt.groups, Mapping::None))?;
    let (user, rbac) = (&case.evidence.identity.seen()?.user, case.evidence.rbac.seen()?);
    if !is_ungranted(case) || somebody_else(case).is_some() {
        return None;
    }
    let claimed = case.claim("groups")?.as_array()?;
    let claims = |name: &str| !name.starts_with("system:") && claimed.iter().any(|group| group.as_str() == Some(name));
    // Whoever has one of them by a longer name has them read: what was handed over is not what the API server has.
    let named = |own: &str| {
        claimed.iter().filter_map(|group| group.as_str()).any(|group| !group.is_empty() && own.ends_with(group))
    };
    if user.groups.iter().any(|own| !own.starts_with("system:") && named(own)) {
        return None;
    }
    let (questions, world) = (refused(case), World::new(rbac));
    let (at, binding, group, question, answer) = rbac.bindings.iter().enumerate().find_map(|(index, binding)| {
        if applying(binding, user).is_some() {
            return None;
        }
        let (place, subject) =
            binding.subjects.iter().enumerate().find(|(_, subject)| subject.kind == "Group" && claims(&subject.name))?;
        let (question, answer) = questions.iter().find(|(question, _)| would_grant(&world, binding, question))?;
        Some((format!("/rbac/seen/bindings/{index}/subjects/{place}/name"), binding, &subject.name, *question, answer.clone()))
    })?;
    let binding = title(binding);
    Some(
        RULE.finding(
            Confidence::Certain,
            format!("The token claims the group {group:?}, and {binding} would let that one {}. But the API server is told no claim of {} to read groups from, so nobody has any group of this issuer, and the binding reaches none of them.", question.sentence(), jwt.issuer.url),
            seen((*path).to_owned(), "no groups claim is set"),
            setting::set(case, "Have the API server read the groups from the claim \"groups\"", Setting::GroupsClaim("groups")),
        )
        .titled(format!("The API server reads no groups from the token, and {binding} is for {group:?}"))
        .step(Step::text("Every group of the issuer then counts by the very name that the token has, for every binding; with a prefix for groups they are kept apart, and the bindings must name it."))
        .cite(seen("/credential/seen/token/claims/groups", format!("the token claims the group {group:?}")))
        .cite(seen(at, format!("{binding} has the subject Group {group:?}")))
        .cite(answer),
    )
}

fn check(case: &Case<'_>) -> Vec<Finding> {
    if let Some(finding) = unmapped(case).or_else(|| unread(case)) {
        return vec![finding];
    }
    let (true, Some(jwt), Some((_, path))) = (case.accepted(), case.authenticator(), &case.configuration) else {
        return Vec::new();
    };
    let Mapping::Claim { claim, .. } = &jwt.groups else { return Vec::new() };
    let Some(claims) = case.token().and_then(|token| token.claims.as_ref()?.as_object()) else { return Vec::new() };
    let elsewhere = claims.get("_claim_names").is_some_and(|names| names.get(claim).is_some());
    // Too many groups for the token are another finding.
    let elsewhere = elsewhere || (claim == "groups" && groups_overage::is_told(case));
    if claim.is_empty() || elsewhere || claims.get(claim).is_some_and(|value| !value.is_null()) {
        return Vec::new();
    }
    let names = claims.keys().cloned().collect::<Vec<_>>().join(", ");
    vec![
        RULE.finding(
            Confidence::Certain,
            format!("The API server reads groups from the claim {claim:?}; this token has only: {names}. The user is signed in without any group of the identity provider."),
            seen((*path).to_owned(), format!("groups claim: {claim}")),
            Step::text(format!("In the identity provider, put the groups into the ID token as {claim:?} (Keycloak: the client's scope, Add mapper, Group Membership, Token Claim Name {claim:?}, Full group path off, Add to ID token on), and log in again.")),
        )
        .titled(format!("The token has no claim {claim:?}, so the user has no groups"))
        .cite(seen("/credential/seen/token/claims", format!("claims: {names}"))),
    ]
}
