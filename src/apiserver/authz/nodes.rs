//! What the Node authorizer lets every kubelet do. It is asked beside RBAC, and no role or binding shows it.
//!
//! Sources: Kubernetes' `plugin/pkg/auth/authorizer/node/node_authorizer.go` and `NodeRules` of
//! `plugin/pkg/auth/authorizer/rbac/bootstrappolicy/policy.go`, the same in 1.35 and 1.36. Whether a server has it on
//! (`--authorization-mode=Node,RBAC` is usual) cannot be read from its objects. What a node may do only to the objects
//! that hang on it (its Pods, their Secrets and ConfigMaps, its leases) is here by its type alone.

use crate::evidence::access::Question;
use crate::evidence::identity::User;

/// The group of all kubelets.
pub const GROUP: &str = "system:nodes";

const READ: &[&str] = &["get", "list", "watch"];
const WRITE: &[&str] = &["update", "patch"];
const REPORT: &[&str] = &["create", "update", "patch"];

/// Verbs, API group, resource. An admission plugin (NodeRestriction) leaves a node of some only its own objects.
const RULES: [(&[&str], &str, &str); 16] = [
    (&["create"], "authentication.k8s.io", "tokenreviews"),
    (&["create"], "authorization.k8s.io", "subjectaccessreviews"),
    (&["create"], "authorization.k8s.io", "localsubjectaccessreviews"),
    (READ, "", "services"),
    (&["get"], "", "endpoints"),
    (REPORT, "", "nodes"),
    (WRITE, "", "nodes/status"),
    (REPORT, "", "events"),
    (REPORT, "events.k8s.io", "events"),
    (&["create", "delete"], "", "pods"),
    (WRITE, "", "pods/status"),
    (&["create"], "", "pods/eviction"),
    (&["create", "get", "list", "watch"], "certificates.k8s.io", "certificatesigningrequests"),
    (READ, "storage.k8s.io", "csidrivers"),
    (READ, "node.k8s.io", "runtimeclasses"),
    (&["create"], "resource.k8s.io", "resourceslices"),
];

/// Whether the Node authorizer, where it is on, allows this to every node.
pub fn may(question: &Question) -> bool {
    if question.path.is_some() {
        return false;
    }
    RULES.iter().any(|(verbs, group, resource)| {
        let (resource, subresource) = resource.split_once('/').unwrap_or((*resource, ""));
        verbs.contains(&question.verb.as_str())
            && *group == question.group
            && resource == question.resource
            && subresource == question.subresource
    })
}

/// API group and resource of what the Node authorizer decides by what hangs on the node.
const BY_NODE: [(&str, &str); 13] = [
    ("", "secrets"),
    ("", "configmaps"),
    ("", "persistentvolumeclaims"),
    ("", "persistentvolumes"),
    ("", "serviceaccounts"),
    ("", "nodes"),
    ("", "pods"),
    ("resource.k8s.io", "resourceclaims"),
    ("resource.k8s.io", "resourceslices"),
    ("storage.k8s.io", "volumeattachments"),
    ("storage.k8s.io", "csinodes"),
    ("coordination.k8s.io", "leases"),
    ("certificates.k8s.io", "podcertificaterequests"),
];

/// Whether the Node authorizer, where it is on, may allow this to some node: to each, or to the one on which the object
/// hangs.
pub fn might(question: &Question) -> bool {
    let by_node = (question.group.as_str(), question.resource.as_str());
    may(question) || (question.path.is_none() && BY_NODE.contains(&by_node))
}

/// Whether the Node authorizer takes the user for a node.
pub fn is_node(user: &User) -> bool {
    user.username.strip_prefix("system:node:").is_some_and(|name| !name.is_empty())
        && user.groups.iter().any(|group| group == GROUP)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(verb: &str, group: &str, resource: &str, subresource: &str) -> Question {
        Question {
            verb: verb.to_owned(),
            group: group.to_owned(),
            resource: resource.to_owned(),
            subresource: subresource.to_owned(),
            ..Question::default()
        }
    }

    /// What SubjectAccessReview said of `system:node:n1` on 1.35 and 1.36.
    #[test]
    fn nodes_may_what_the_server_said() {
        let csr = "certificatesigningrequests";
        assert!(may(&ask("create", "", "pods", "")));
        assert!(may(&ask("delete", "", "pods", "")));
        assert!(may(&ask("list", "certificates.k8s.io", csr, "")));
        assert!(may(&ask("create", "certificates.k8s.io", csr, "")));
        assert!(may(&ask("create", "", "pods", "eviction")));
        assert!(!may(&ask("approve", "certificates.k8s.io", csr, "")));
        assert!(!may(&ask("list", "", "pods", "")), "only with a field selector of its own name");
        assert!(!may(&ask("create", "", "pods", "exec")));
        assert!(!may(&ask("get", "", "secrets", "")), "only those of its Pods");
        assert!(!may(&ask("create", "apps", "pods", "")));
        assert!(!may(&Question { path: Some("/metrics".to_owned()), ..ask("get", "", "", "") }));
    }

    #[test]
    fn what_hangs_on_a_node_it_might() {
        assert!(might(&ask("get", "", "secrets", "")) && might(&ask("update", "coordination.k8s.io", "leases", "")));
        assert!(might(&ask("create", "", "pods", "")) && might(&ask("list", "storage.k8s.io", "csidrivers", "")));
        assert!(!might(&ask("list", "apps", "deployments", "")) && !might(&ask("get", "apps", "pods", "")));
        assert!(!might(&Question { path: Some("/metrics".to_owned()), ..ask("get", "", "pods", "") }));
    }

    #[test]
    fn a_node_has_the_name_and_the_group() {
        let user = |username: &str, groups: &[&str]| User {
            username: username.to_owned(),
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
            ..User::default()
        };
        assert!(is_node(&user("system:node:n1", &["system:nodes", "system:authenticated"])));
        assert!(!is_node(&user("system:node:n1", &["system:authenticated"])));
        assert!(!is_node(&user("system:node:", &["system:nodes"])));
        assert!(!is_node(&user("n1", &["system:nodes"])));
    }
}
