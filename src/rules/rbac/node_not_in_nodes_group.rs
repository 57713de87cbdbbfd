//! A node's name without the nodes' group.

use crate::apiserver::authz::nodes::{GROUP, is_node};
use crate::apiserver::message::heard;
use crate::evidence::identity::User;
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::refusal::{is_ungranted, somebody_else};
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "node-not-in-nodes-group",
    severity: Severity::Error,
    title: "A node that is not in the group system:nodes",
    page: Page {
        means: "The node authorizer gives kubelets their rights only if the user is system:node:NAME and the group system:nodes is there too. The name alone is an ordinary user without rights, and so is a member of the group under another name.",
        evidence: "The identity by SelfSubjectReview: the name begins with system:node:, and system:nodes is not among the groups; or the other way round.",
        fix: "Issue the certificate anew with O = system:nodes, or let whatever maps the node's identity (aws-auth, access entry of a node type) give the group. `openssl x509 -in /var/lib/kubelet/pki/kubelet-client-current.pem -noout -subject` shows what it has.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/node/",
    },
    recognises: &[&heard::FORBIDDEN, &heard::FORBIDDEN_OLD],
    explains: &["rbac-no-grant", "rbac-verb-missing", "rbac-resource-names", "rbac-subresource-not-granted", "rbac-wrong-scope", "rbac-wrong-api-group"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(user) = case.evidence.identity.seen().map(|identity| &identity.user) else { return Vec::new() };
    let member = user.groups.iter().any(|group| group == GROUP);
    let Some(node) = user.username.strip_prefix("system:node:").filter(|_| !member) else {
        return if member { of_another_name(case, user).into_iter().collect() } else { Vec::new() };
    };
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

/// In the group, and no node by its name: the node authorizer passes over it as well.
fn of_another_name(case: &Case<'_>, user: &User) -> Option<Finding> {
    if is_node(user) || !is_ungranted(case) || somebody_else(case).is_some() {
        return None;
    }
    let first = if case.only_certificate().is_some() {
        Step::command(
            "If this is a kubelet, make its certificate request anew with the node's name in its common name, and have it signed (signer kubernetes.io/kube-apiserver-client-kubelet)",
            "openssl req -new -newkey rsa:2048 -nodes -keyout node.key -out node.csr -subj /O=system:nodes/CN=system:node:NODE",
        )
    } else {
        Step::text("If this is a kubelet, let whatever names this user call it system:node: and the name of its Node.")
    };
    Some(
        RULE.finding(
            // What is missing may be no matter of nodes.
            Confidence::Likely,
            format!("The API server knows you as {:?}, with the groups {}. The node authorizer takes only system:node:NAME for a node, so the group gives no rights.", user.username, user.groups.join(", ")),
            seen("/identity/seen/user/username", format!("signed in as {:?}", user.username)),
            first,
        )
        .titled("In the group system:nodes, and no node by name")
        .step(Step::text("If it is a person or program, take it out of system:nodes, and bind a role to its own name."))
        .cite(seen("/identity/seen/user/groups", "system:nodes is among the groups")),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::evidence::Evidence;

    #[test]
    fn the_group_without_the_name_is_told_as_well() {
        let text = include_str!("../../../testdata/cases/node-not-in-nodes-group/evidence.json");
        // The saved case has the name without the group; the server's refusal reads the same of any user.
        let told = |name: &str, group: &str| {
            let text = text.replace("User \\\"system:node:worker-1\\\"", &format!("User \\\"{name}\\\""));
            let mut evidence: Value = serde_json::from_str(&text).expect("evidence");
            evidence["identity"]["seen"]["user"]["username"] = json!(name);
            evidence["identity"]["seen"]["user"]["groups"] = json!([group, "system:authenticated"]);
            let evidence: Evidence = serde_json::from_value(evidence).expect("evidence");
            check(&Case::new(&evidence)).pop().map(|finding| (finding.title, finding.confidence))
        };
        let another = "In the group system:nodes, and no node by name".to_owned();
        assert_eq!(told("n4", "system:nodes"), Some((another.clone(), Confidence::Likely)));
        assert_eq!(told("system:node:", "system:nodes"), Some((another, Confidence::Likely)));
        assert_eq!(told("system:node:worker-1", "nodes"), Some((RULE.title.to_owned(), Confidence::Certain)));
        assert_eq!(told("system:node:worker-1", "system:nodes"), None);
        assert_eq!(told("n4", "nodes"), None);
    }
}
