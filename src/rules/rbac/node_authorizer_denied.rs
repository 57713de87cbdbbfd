//! The node authorizer does not let a node at this object.

use crate::apiserver::message::{self, tools};
use crate::report::shell::shell;
use crate::report::{Finding, Severity, Step, seen};
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "node-authorizer-denied",
    severity: Severity::Error,
    title: "The node has nothing to do with this object",
    page: Page {
        means: "A node may read a Secret, ConfigMap, claim or volume only while a Pod that runs on it refers to that object, and its own Node and lease. The credential and its groups are right.",
        evidence: "The reason at the end of the refusal, such as \"no relationship found between node ... and this object\".",
        fix: "Ask only for what a Pod on this node refers to. If one does, the API server may not have seen the Pod yet (seconds), or the Pod refers to another name. A person or program should not use a node's credential. `kubectl get pods -A --field-selector spec.nodeName=NODE` shows what runs there.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/node/",
    },
    recognises: &[&message::NODE_AUTHORIZER, &tools::NODE_CSR],
    explains: &["rbac-no-grant", "rbac-verb-missing", "rbac-resource-names", "rbac-subresource-not-granted", "rbac-wrong-scope", "rbac-wrong-api-group"],
    check,
};

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
    let relation = word.field("reason").starts_with("no relationship");
    let why = if relation {
        format!("No Pod on node {node} refers to what was asked for, and a node may see only what its Pods need.")
    } else {
        format!("The node authorizer's rule is: {}.", word.field("reason"))
    };
    let object = asked.filter(|question| !question.name.is_empty());
    let first = Step::command(
        "See which Pods run on the node; the object must be named in the spec of one of them",
        shell!("kubectl get pods -A --field-selector spec.nodeName={}", node),
    );
    let mut finding = RULE.finding(word.confidence(own), why, word.cite(), first);
    finding = match object {
        Some(question) if relation => finding
            .titled(format!("Node {node} has no Pod that refers to {} {:?}", question.resource, question.name))
            .step(Step::text(format!(
                "Have a Pod of namespace {} on this node refer to {} {:?} (volume, env, imagePullSecrets); the node may read it from then on.",
                question.namespace, question.resource, question.name
            ))),
        _ => finding,
    };
    finding = finding.step(Step::text("A person or program that is no kubelet should have a credential and a role of its own."));
    if own {
        finding = finding.cite(seen("/identity/seen/user/username", format!("signed in as system:node:{node}")));
    }
    vec![finding]
}
