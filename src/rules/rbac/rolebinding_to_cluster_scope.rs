//! A RoleBinding cannot grant what is asked at the cluster scope.

use crate::apiserver::authz::near::Kind;
use crate::apiserver::authz::resources::{RESOURCES, Resource};
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
    let question = case.evidence.asked.question.as_ref();
    // What is in no namespace cannot be asked about in one; of a type that is not built in it is not known.
    let inside = question.is_some_and(|question| {
        let is = |known: &&Resource| known.name == question.resource && known.group == question.group;
        question.path.is_none() && RESOURCES.iter().find(is).is_none_or(|known| known.namespaced)
    });
    let step = if inside {
        "Have the smallest grant at the cluster scope applied, or ask with -n and the binding's namespace"
    } else {
        "Have the smallest grant at the cluster scope applied"
    };
    near_miss(case, &RULE, &[Kind::NeedsClusterScope], step)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Evidence;

    #[test]
    fn what_is_in_no_namespace_is_not_to_be_asked_in_one() {
        let text = include_str!("../../../testdata/cases/rolebinding-to-cluster-scope/evidence.json");
        let evidence: Evidence = serde_json::from_str(text).expect("evidence");
        let question = evidence.asked.question.as_ref().expect("a question");
        assert_eq!(question.resource, "nodes");
        let found = check(&Case::new(&evidence));
        assert_eq!(found.len(), 1);
        assert!(!found[0].fix[0].text.contains("-n"), "{}", found[0].fix[0].text);
    }
}
