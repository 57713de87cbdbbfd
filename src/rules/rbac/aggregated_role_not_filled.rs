//! An aggregated ClusterRole has no rules.

use crate::apiserver::message::heard;
use crate::apiserver::authz::near::Kind;
use crate::report::{Finding, Severity};
use crate::rules::nearness::near_miss;
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "aggregated-role-not-filled",
    severity: Severity::Error,
    title: "An aggregated ClusterRole has no rules",
    page: Page {
        means: "A ClusterRole with an aggregationRule takes its rules from other ClusterRoles by label, filled in by kube-controller-manager. If no role has the label, or the controller does not run, it grants nothing.",
        evidence: "The bound ClusterRole has an aggregationRule and no rules.",
        fix: "Label the ClusterRoles it is meant to collect, and see that kube-controller-manager runs. `kubectl label clusterrole ROLE rbac.authorization.k8s.io/aggregate-to-NAME=true`.",
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
        "Label the ClusterRoles that it should collect (its aggregationRule says how), or have this grant applied",
    )
}
