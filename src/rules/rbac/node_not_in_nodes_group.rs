//! A node's name without the nodes' group.

use crate::apiserver::message::heard;
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "node-not-in-nodes-group",
    severity: Severity::Error,
    title: "A node that is not in the group system:nodes",
    page: Page {
        means: "The node authorizer gives kubelets their rights only if the user is system:node:NAME and the group system:nodes is there too. The name alone is an ordinary user without rights.",
        evidence: "The identity by SelfSubjectReview: the name begins with system:node:, and system:nodes is not among the groups.",
        fix: "Issue the certificate anew with O = system:nodes, or let whatever maps the node's identity (aws-auth, access entry of a node type) give the group. `openssl x509 -in /var/lib/kubelet/pki/kubelet-client-current.pem -noout -subject` shows what it has.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/node/",
    },
    recognises: &[&heard::FORBIDDEN, &heard::FORBIDDEN_OLD],
    explains: &["rbac-no-grant", "rbac-verb-missing", "rbac-resource-names", "rbac-subresource-not-granted", "rbac-wrong-scope", "rbac-wrong-api-group"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(user) = case.evidence.identity.seen().map(|identity| &identity.user) else { return Vec::new() };
    let Some(node) = user.username.strip_prefix("system:node:") else { return Vec::new() };
    if user.groups.iter().any(|group| group == "system:nodes") {
        return Vec::new();
    }
    let renew = if case.only_certificate().is_some() {
        Step::command(
            "Make the certificate request anew with the group as organisation, and have it signed (signer kubernetes.io/kube-apiserver-client-kubelet)",
            shell!("openssl req -new -newkey rsa:2048 -nodes -keyout node.key -out node.csr -subj '/O=system:nodes/CN=system:node:{}'", node),
        )
    } else {
        Step::text("Let whatever names this user give the group system:nodes as well (in aws-auth: groups system:bootstrappers and system:nodes; on EKS an access entry of a node type).")
    };
    vec![
        RULE.finding(
            Confidence::Certain,
            format!("The API server knows you as {:?}, with the groups {}. The node authorizer passes over whoever is not in system:nodes, so this node has no rights at all.", user.username, user.groups.join(", ")),
            seen("/identity/seen/user/groups", "system:nodes is not among the groups"),
            renew,
        )
        .cite(seen("/identity/seen/user/username", format!("signed in as {:?}", user.username))),
    ]
}
