//! A RoleBinding cannot grant what is asked at the cluster scope.

use crate::apiserver::authz::near::Kind;
use crate::apiserver::message::heard;
use crate::report::{Finding, Severity};
use crate::rules::refusal::near_miss;
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "rolebinding-to-cluster-scope",
    severity: Severity::Error,
    title: "A RoleBinding cannot grant what is asked at the cluster scope",
    page: Page {
        means: "A RoleBinding grants only inside its namespace, whatever its role says. Nodes, paths such as /metrics, and lists over all namespaces are asked at the cluster scope, where only ClusterRoleBindings count.",
        evidence: "The question has no namespace; the role that would allow it is bound by a RoleBinding.",
        fix: "Bind the ClusterRole with a ClusterRoleBinding, or ask inside the namespace. `kubectl create clusterrolebinding NAME --clusterrole=ROLE --user=USER`.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/rbac/#rolebinding-and-clusterrolebinding",
    },
    recognises: &[&heard::FORBIDDEN],
    explains: &["rbac-no-grant"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    near_miss(
        case,
        &RULE,
        &[Kind::NeedsClusterScope],
        "Have the smallest grant at the cluster scope applied, or ask with -n and the binding's namespace",
    )
}
