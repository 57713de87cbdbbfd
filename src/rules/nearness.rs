//! What the findings about a nearly given right share: the denied question, and the near misses of the model.

use super::{Case, Rule, seen};
use crate::apiserver::authz::near::{self, Kind};
use crate::apiserver::authz::{self, World, suggestion};
use crate::report::{Confidence, Finding, Step};

/// A finding for the first near miss of these kinds, if the question the user met was denied and the role bindings
/// could be read.
pub fn near_miss(case: &Case<'_>, rule: &Rule, kinds: &[Kind], step: &str) -> Vec<Finding> {
    let evidence = case.evidence;
    let (Some(identity), Some(rbac), Some(access)) =
        (evidence.identity.seen(), evidence.rbac.seen(), evidence.access.seen())
    else {
        return Vec::new();
    };
    let Some(question) = evidence.asked.question.as_ref() else { return Vec::new() };
    let denied = access.checks.iter().enumerate().find(|(_, check)| check.question == *question && !check.allowed);
    let Some((asked, check)) = denied else { return Vec::new() };
    let world = World::new(rbac);
    let misses = near::near_misses(&world, &identity.user, question);
    let mut fitting = misses.iter().filter(|miss| kinds.contains(&miss.kind));
    let Some(miss) = fitting.next() else { return Vec::new() };
    let index = rbac
        .bindings
        .iter()
        .position(|binding| miss.binding.is_some_and(|named| std::ptr::eq(named, binding)))
        .unwrap_or_default();
    // A missing role is in the server's own reason; that another near miss is the one that was meant is a guess.
    let certain = miss.kind == Kind::DanglingRole && check.reason.contains("not found");
    let mut finding = rule
        .finding(
            if certain { Confidence::Certain } else { Confidence::Likely },
            format!("{} is denied to {:?}. {}.", question.sentence(), identity.user.username, miss.text),
            seen(format!("/rbac/seen/bindings/{index}"), miss.text.clone()),
            Step::manifest(step, suggestion::manifest(Some(&world), &identity.user, question)),
        )
        .cite(seen(format!("/access/seen/checks/{asked}"), format!("{}: no", question.sentence())))
        .cite(seen("/identity/seen/user", format!("signed in as {:?}", identity.user.username)));
    let others = fitting.count();
    if others > 0 {
        finding = finding.step(Step::text(format!(
            "{others} more of this kind: kaccess can-i {} --why lists them",
            question.path.as_ref().map_or_else(
                || format!("{} {}", question.verb, question.resource),
                |path| format!("{} {path}", question.verb)
            )
        )));
    }
    vec![finding]
}

/// The subject of a generated binding, as one item of YAML.
pub fn subject(username: &str) -> String {
    match authz::service_account(username) {
        Some((namespace, name)) => format!("- kind: ServiceAccount\n  name: {name:?}\n  namespace: {namespace:?}\n"),
        None => format!("- apiGroup: rbac.authorization.k8s.io\n  kind: User\n  name: {username:?}\n"),
    }
}

/// A role with these rules (YAML, indented by two) and its binding to a user; at the cluster scope where there is no
/// namespace.
pub fn grant(name: &str, namespace: &str, rules: &str, username: &str) -> String {
    let (prefix, place) =
        if namespace.is_empty() { ("Cluster", String::new()) } else { ("", format!("\n  namespace: {namespace}")) };
    let head = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ";
    format!(
        "{head}{prefix}Role\nmetadata:\n  name: {name}{place}\nrules:\n{rules}---\n{head}{prefix}RoleBinding\nmetadata:\n  name: {name}{place}\nroleRef:\n  apiGroup: rbac.authorization.k8s.io\n  kind: {prefix}Role\n  name: {name}\nsubjects:\n{}",
        subject(username)
    )
}
