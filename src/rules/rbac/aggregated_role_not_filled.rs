//! An aggregated ClusterRole has no rules.

use crate::apiserver::authz::World;
use crate::apiserver::authz::near::Kind;
use crate::apiserver::message::heard;
use crate::evidence::rbac::Role;
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::refusal::{near_miss, nothing_granted, void_bindings};
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "aggregated-role-not-filled",
    severity: Severity::Error,
    title: "An aggregated ClusterRole has no rules",
    page: Page {
        means: "A ClusterRole with an aggregationRule takes its rules from other ClusterRoles by label, filled in by kube-controller-manager. If the controller does not run, it grants nothing, whatever the roles with the label hold.",
        evidence: "The bound ClusterRole has an aggregationRule and no rules, and a ClusterRole that its selectors select would allow what was asked; where nothing was asked, nothing is allowed and such a role is bound.",
        fix: "See that kube-controller-manager runs and that its controller clusterrole-aggregation is not switched off (--controllers); until then bind the collected role itself. `kubectl -n kube-system get pods -l component=kube-controller-manager` shows it on self-managed clusters.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/rbac/#aggregated-clusterroles",
    },
    recognises: &[&heard::FORBIDDEN],
    explains: &["rbac-no-grant"],
    check,
};

/// Nobody asked anything, nothing goes, and a role that is bound waits to be filled.
fn unfilled(case: &Case<'_>) -> Option<Finding> {
    if case.evidence.asked.question.is_some() {
        return None;
    }
    let (index, access) = nothing_granted(case)?;
    let world = World::new(case.evidence.rbac.seen()?);
    let source = |role: &Role| {
        let full = |name: &&String| world.role("ClusterRole", "", name).is_some_and(|source| !source.is_empty());
        role.collects.iter().find(full).cloned()
    };
    let (void, role, source) = void_bindings(case).into_iter().find_map(|void| {
        let role = void.role.filter(|role| role.aggregates)?;
        let source = source(role)?;
        Some((void, role, source))
    })?;
    let user = &case.evidence.identity.seen()?.user.username;
    let finding = RULE.finding(
        Confidence::Likely,
        format!("{user:?} may do nothing here, and is bound: {}. It should hold the rules of {source:?}, which its aggregationRule selects: kube-controller-manager did not fill it.", void.text),
        seen(format!("/rbac/seen/bindings/{}", void.index), void.text.clone()),
        Step::command(
            "See whether kube-controller-manager runs, with the controller clusterrole-aggregation; once it does, it fills the role by itself",
            "kubectl -n kube-system get pods -l component=kube-controller-manager",
        ),
    );
    let finding = finding
        .titled(format!("The aggregated ClusterRole {:?}, which is bound, has no rules", role.name))
        .step(Step::command("Read what the role holds now", shell!("kubectl get clusterrole {} -o yaml", role.name)))
        .cite(seen(format!("/access/seen/checks/{index}"), format!("{}: no", access.checks[index].question.sentence())));
    Some(finding.cite(seen("/identity/seen/user", format!("signed in as {user:?}"))))
}

fn check(case: &Case<'_>) -> Vec<Finding> {
    if let Some(finding) = unfilled(case) {
        return vec![finding];
    }
    near_miss(
        case,
        &RULE,
        &[Kind::AggregatedRoleEmpty],
        "See why kube-controller-manager does not fill the role (does it run, with the controller clusterrole-aggregation?); until then this grant does it",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Evidence;

    #[test]
    fn a_bound_role_that_nothing_filled_is_found_without_a_question() {
        let text = include_str!("../../../testdata/cases/aggregated-role-not-filled/evidence.json");
        let mut evidence: Evidence = serde_json::from_str(text).expect("evidence");
        evidence.asked.question = None;
        evidence.asked.error = None;
        let found = check(&Case::new(&evidence));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].confidence, Confidence::Likely);
        assert!(found[0].why.contains("kube-controller-manager"), "{}", found[0].why);
    }
}
