//! An aggregated ClusterRole has no rules.

use crate::apiserver::authz::near::Kind;
use crate::apiserver::message::heard;
use crate::report::{Finding, Severity};
use crate::rules::refusal::near_miss;
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "aggregated-role-not-filled",
    severity: Severity::Error,
    title: "An aggregated ClusterRole has no rules",
    page: Page {
        means: "A ClusterRole with an aggregationRule takes its rules from other ClusterRoles by label, filled in by kube-controller-manager. If the controller does not run, it grants nothing, whatever the roles with the label hold.",
        evidence: "The bound ClusterRole has an aggregationRule and no rules, and a ClusterRole that its selectors select would allow what was asked.",
        fix: "See that kube-controller-manager runs and that its controller clusterrole-aggregation is not switched off (--controllers); until then bind the collected role itself. `kubectl -n kube-system get pods -l component=kube-controller-manager` shows it on self-managed clusters.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/rbac/#aggregated-clusterroles",
    },
    recognises: &[&heard::FORBIDDEN],
    explains: &["rbac-no-grant"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    near_miss(
        case,
        &RULE,
        &[Kind::AggregatedRoleEmpty],
        "See why kube-controller-manager does not fill the role (does it run, with the controller clusterrole-aggregation?); until then this grant does it",
    )
}
