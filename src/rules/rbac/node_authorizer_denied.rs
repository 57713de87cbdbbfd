//! The node authorizer does not let a node do this.

use crate::apiserver::message::{self, tools};
use crate::report::shell::shell;
use crate::report::{Finding, Severity, Step, seen};
use crate::rules::{Case, Page, Rule, clip};

/// The rule.
pub static RULE: Rule = Rule {
    code: "node-authorizer-denied",
    severity: Severity::Error,
    title: "The Node authorizer does not let the node do this",
    page: Page {
        means: "A node may read a Secret, ConfigMap, claim or volume only while a Pod that runs on it refers to that object, each by its name, and its own Node, lease and CSINode. It may list Pods only with the field selector spec.nodeName. The credential and its groups are right.",
        evidence: "The reason at the end of the refusal, such as \"no relationship found between node ... and this object\".",
        fix: "Ask only for what the reason allows: with the field selector for this node, or for one object by its name to which a Pod on this node refers. If one does, the API server may not have seen the Pod yet (seconds), or the Pod refers to another name. A person or program should not use a node's credential. `kubectl get pods -A --field-selector spec.nodeName=NODE` shows what runs there.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/node/",
    },
    recognises: &[&message::NODE_AUTHORIZER, &tools::NODE_CSR],
    explains: &["rbac-no-grant", "rbac-verb-missing", "rbac-resource-names", "rbac-subresource-not-granted", "rbac-wrong-scope", "rbac-wrong-api-group"],
    check,
};

/// What to do first: the reason says what a node may ask instead.
fn first(node: &str, reason: &str, relation: bool) -> Step {
    let runs = shell!("kubectl get pods -A --field-selector spec.nodeName={}", node);
    if relation {
        Step::command("See which Pods run on the node; the object must be named in the spec of one of them", runs)
    } else if reason.starts_with("can only list/watch pods with") {
        Step::command("Ask for the node's own Pods: the list is allowed with that field selector", runs)
    } else if reason.contains("with nodeName field selector") {
        Step::text(format!("Ask only for what is the node's own: with the field selector spec.nodeName={node}."))
    } else if reason.starts_with("No Object name found") {
        Step::text("Ask for one object by its name, to which a Pod on this node refers: without a name a node gets none of these.")
    } else {
        Step::text("Do with a node's credential only what its kubelet does: with its own Node, lease and CSINode, its own Pods, and what these refer to.")
    }
}

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(word) = case.said(&message::NODE_AUTHORIZER) else { return Vec::new() };
    let node = word.field("node");
    let user = case.evidence.identity.seen().map(|identity| identity.user.username.as_str());
    let own = user.and_then(|user| user.strip_prefix("system:node:")) == Some(node);
    let asked = case.evidence.asked.question.as_ref();
    let granted = case.evidence.access.seen().is_some_and(|access| {
        access.checks.iter().any(|check| Some(&check.question) == asked && check.allowed)
    });
    if own && granted {
        return Vec::new();
    }
    let reason = word.field("reason");
    let relation = ["no relationship found", "no path found to object"].iter().any(|words| reason.starts_with(words));
    let why = if relation {
        format!("No Pod on node {node} refers to what was asked for, and a node may see only what its Pods need.")
    } else {
        format!("The node authorizer's rule is: {reason}.")
    };
    let object = asked.filter(|question| !question.name.is_empty());
    let mut finding = RULE.finding(word.confidence(own), why, word.cite(), first(node, reason, relation));
    finding = match object {
        Some(question) if relation => finding
            .titled(format!("Node {node} has no Pod that refers to {} {:?}", question.resource, question.name))
            .step(Step::text(format!(
                "Have a Pod of namespace {} on this node refer to {} {:?} (volume, env, imagePullSecrets); the node may read it from then on.",
                question.namespace, question.resource, question.name
            ))),
        _ if relation => finding.titled(format!("Node {node} has no Pod that refers to this object")),
        _ => finding.titled(format!("The Node authorizer does not let node {node} do this: {}", clip(reason, 120))),
    };
    finding = finding.step(Step::text("A person or program that is no kubelet should have a credential and a role of its own."));
    if own {
        finding = finding.cite(seen("/identity/seen/user/username", format!("signed in as system:node:{node}")));
    }
    vec![finding]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Evidence;

    #[test]
    fn what_is_to_be_done_is_what_the_reason_says() {
        let text = include_str!("../../../testdata/cases/node-authorizer-denied-list/evidence.json");
        let mut evidence: Evidence = serde_json::from_str(text).expect("evidence");
        // The refusals of a real 1.36 server, of which the saved case holds another.
        for (refusal, reason, title, step) in [
            (
                r#"pods is forbidden: User "system:node:worker-1" cannot list resource "pods" in API group "" at the cluster scope"#,
                "can only list/watch pods with spec.nodeName field selector",
                "field selector",
                "Ask for the node's own Pods",
            ),
            (
                r#"secrets is forbidden: User "system:node:worker-1" cannot list resource "secrets" in API group "" in the namespace "default""#,
                "No Object name found",
                "No Object name found",
                "by its name",
            ),
            (
                r#"nodes "worker-2" is forbidden: User "system:node:worker-1" cannot get resource "nodes" in API group "" at the cluster scope"#,
                "node 'worker-1' cannot read 'worker-2', only its own Node object",
                "only its own Node object",
                "only what its kubelet does",
            ),
        ] {
            let error = format!("Error from server (Forbidden): {refusal}: {reason}");
            let parsed = message::forbidden(&error).expect("a refusal");
            evidence.asked.question = Some(parsed.question);
            evidence.asked.error = Some(error);
            let found = check(&Case::new(&evidence));
            assert_eq!(found.len(), 1, "{reason}");
            assert!(found[0].title.contains(title), "{}", found[0].title);
            assert!(found[0].fix[0].text.contains(step), "{:?}", found[0].fix[0]);
            assert!(found[0].fix.iter().all(|step| !step.text.contains("must be named in the spec")), "{reason}");
        }
    }
}
