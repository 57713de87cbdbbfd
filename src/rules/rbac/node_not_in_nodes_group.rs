//! A node's name without the nodes' group, or the group without such a name.

use crate::apiserver::authz::nodes::GROUP;
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
        means: "The node authorizer gives kubelets their rights only if the user is system:node:NAME and the group system:nodes is there too. The name alone is an ordinary user without rights, and the group alone has next to nothing either.",
        evidence: "The identity by SelfSubjectReview: the name begins with system:node:, and system:nodes is not among the groups; or the other way round, beside a right that is not granted.",
        fix: "Issue the certificate anew with O = system:nodes and CN = system:node:NAME, or let whatever maps the node's identity (aws-auth, access entry of a node type) give both. `openssl x509 -in /var/lib/kubelet/pki/kubelet-client-current.pem -noout -subject` shows what it has.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/node/",
    },
    recognises: &[&heard::FORBIDDEN, &heard::FORBIDDEN_OLD],
    explains: &["rbac-no-grant", "rbac-verb-missing", "rbac-resource-names", "rbac-subresource-not-granted", "rbac-wrong-scope", "rbac-wrong-api-group"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(user) = case.evidence.identity.seen().map(|identity| &identity.user) else { return Vec::new() };
    let grouped = user.groups.iter().any(|group| group == GROUP);
    let Some(node) = user.username.strip_prefix("system:node:") else {
        return if grouped { without_name(case, user) } else { Vec::new() };
    };
    if grouped {
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

/// In the nodes' group under a name that is no node's, and refused something.
fn without_name(case: &Case<'_>, user: &User) -> Vec<Finding> {
    if !is_ungranted(case) || somebody_else(case).is_some() {
        return Vec::new();
    }
    let name = &user.username;
    let renew = if case.only_certificate().is_some() {
        let node = if name.contains(':') { "NODE" } else { name.as_str() };
        Step::command(
            "If this is a kubelet, make the certificate request anew with the node's name as user, and have it signed (signer kubernetes.io/kube-apiserver-client-kubelet)",
            shell!("openssl req -new -newkey rsa:2048 -nodes -keyout node.key -out node.csr -subj '/O=system:nodes/CN=system:node:{}'", node),
        )
    } else {
        Step::text("If this is a kubelet, let whatever names this user call it system:node:NAME, with the name of its Node object.")
    };
    let mut finding = RULE
        .finding(
            Confidence::Likely,
            format!("The API server knows you as {name:?}, in the group {GROUP}. The node authorizer passes over whoever is not called system:node:NAME, so the group alone gives next to nothing."),
            seen("/identity/seen/user/username", format!("signed in as {name:?}")),
            renew,
        )
        .titled(format!("In the group {GROUP}, and {name:?} is no node's name"))
        .step(Step::text(format!("If it is none, take it out of {GROUP}, and have a role bound to it: kaccess can-i VERB TYPE --why writes one.")))
        .cite(seen("/identity/seen/user/groups", format!("groups: {}", user.groups.join(", "))));
    // What a binding nearly gives is another matter.
    finding.explains = &["rbac-no-grant"];
    vec![finding]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{Evidence, Outcome};

    #[test]
    fn the_group_without_a_nodes_name_is_told() {
        let text = include_str!("../../../testdata/cases/node-not-in-nodes-group/evidence.json");
        // Synthetic: the case was saved with the name and without the group, and the server refuses the reverse alike.
        let found = |group: &str| {
            let mut evidence: Evidence = serde_json::from_str(text).expect("evidence");
            let Outcome::Seen(identity) = &mut evidence.identity.outcome else { panic!("no identity") };
            identity.user.username = "worker-1".to_owned();
            identity.user.groups[0] = group.to_owned();
            let error = evidence.asked.error.as_ref().expect("a message");
            evidence.asked.error = Some(error.replace("system:node:worker-1", "worker-1"));
            crate::report::diagnose(crate::rules::check_all(&Case::new(&evidence)))
        };
        let nodes = found(GROUP);
        assert_eq!((nodes[0].code, nodes[0].confidence), (RULE.code, Confidence::Likely));
        let command = nodes[0].fix[0].command.as_deref().expect("a command");
        assert!(command.contains("CN=system:node:worker-1"), "{command}");
        let grant = nodes.iter().find(|finding| finding.code == "rbac-no-grant").expect("what it explains");
        assert_eq!(grant.explained_by, Some(RULE.code));
        assert!(found("nodes").iter().all(|finding| finding.code != RULE.code));
    }
}
