//! EKS' access policies: what they give, and the smallest that gives what is asked for.

use super::wild;
use crate::evidence::access::Question;
use crate::evidence::eks::AssociatedPolicy;

/// API groups whose resources the policies for administrators, editors and viewers list; others (custom resources) they
/// do not.
const BUILT_IN: &[&str] = &[
    "",
    "apps",
    "autoscaling",
    "batch",
    "discovery.k8s.io",
    "extensions",
    "metrics.k8s.io",
    "networking.k8s.io",
    "policy",
    "authorization.k8s.io",
    "rbac.authorization.k8s.io",
];

/// What one policy says to a question: `Some(false)` only where its scope or its kind of resources excludes it.
pub fn policy_allows(policy: &AssociatedPolicy, question: &Question) -> Option<bool> {
    let name = policy.name();
    if policy.scope == "namespace" {
        let inside = !question.namespace.is_empty()
            && policy.namespaces.iter().any(|namespace| wild(namespace, &question.namespace));
        if !inside {
            return Some(false);
        }
    }
    match name {
        "AmazonEKSClusterAdminPolicy" => Some(true),
        "AmazonEKSAdminPolicy" | "AmazonEKSEditPolicy" | "AmazonEKSViewPolicy" => {
            let custom = question.path.is_some() || !BUILT_IN.contains(&question.group.as_str());
            custom.then_some(false)
        }
        _ => None,
    }
}

/// What the first of two access policies gives, the second gives too, where both are for the same place.
pub fn includes(policy: &str, wanted: &str) -> bool {
    policy == wanted
        || match policy {
            "AmazonEKSClusterAdminPolicy" => true,
            "AmazonEKSAdminPolicy" => {
                matches!(wanted, "AmazonEKSEditPolicy" | "AmazonEKSViewPolicy" | "AmazonEKSSecretReaderPolicy")
            }
            "AmazonEKSEditPolicy" => matches!(wanted, "AmazonEKSViewPolicy" | "AmazonEKSSecretReaderPolicy"),
            "AmazonEKSAdminViewPolicy" => matches!(wanted, "AmazonEKSViewPolicy" | "AmazonEKSSecretReaderPolicy"),
            _ => false,
        }
}

/// The smallest access policy that covers a question; none where only the one for everything would, and a group with a
/// role of its own is the better way.
///
/// Source: EKS' list of access policy permissions, which follow Kubernetes' roles view, edit and admin.
pub fn policy_for(question: &Question) -> Option<&'static str> {
    let Question { verb, group, resource, subresource, path, .. } = question;
    let read = matches!(verb.as_str(), "get" | "list" | "watch");
    let write = matches!(verb.as_str(), "create" | "update" | "patch" | "delete" | "deletecollection");
    if path.is_some() || resource == "*" || !(read || write) {
        return None;
    }
    let everything_readable = read.then_some("AmazonEKSAdminViewPolicy");
    match (group.as_str(), resource.as_str(), subresource.as_str()) {
        (group, ..) if !BUILT_IN.contains(&group) => everything_readable,
        ("rbac.authorization.k8s.io", "roles" | "rolebindings", "") => Some("AmazonEKSAdminPolicy"),
        ("rbac.authorization.k8s.io" | "authorization.k8s.io", ..) => everything_readable,
        ("", "secrets", "") if read => Some("AmazonEKSSecretReaderPolicy"),
        // What somebody may do by these, somebody who only reads may not.
        ("", "pods", "exec" | "attach" | "portforward" | "proxy") | ("", "services", "proxy") => {
            Some("AmazonEKSEditPolicy")
        }
        ("", "nodes" | "persistentvolumes" | "componentstatuses", _) | ("metrics.k8s.io", "nodes", _) => {
            everything_readable
        }
        ("", "serviceaccounts", "token") => None,
        ("", "namespaces" | "resourcequotas" | "limitranges" | "events" | "bindings", _) if write => None,
        (.., sub) if write && !matches!(sub, "" | "scale" | "eviction") => None,
        _ if read => Some("AmazonEKSViewPolicy"),
        _ => Some("AmazonEKSEditPolicy"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_cover_what_is_asked_and_no_more_than_needed() {
        let ask = |verb: &str, group: &str, resource: &str, subresource: &str| {
            policy_for(&Question {
                verb: verb.to_owned(),
                group: group.to_owned(),
                resource: resource.to_owned(),
                subresource: subresource.to_owned(),
                ..Question::default()
            })
        };
        assert_eq!(ask("list", "", "pods", ""), Some("AmazonEKSViewPolicy"));
        assert_eq!(ask("get", "", "pods", "log"), Some("AmazonEKSViewPolicy"));
        assert_eq!(ask("get", "", "pods", "exec"), Some("AmazonEKSEditPolicy"));
        assert_eq!(ask("create", "apps", "deployments", ""), Some("AmazonEKSEditPolicy"));
        assert_eq!(ask("get", "", "secrets", ""), Some("AmazonEKSSecretReaderPolicy"));
        assert_eq!(ask("update", "", "secrets", ""), Some("AmazonEKSEditPolicy"));
        assert_eq!(ask("create", "rbac.authorization.k8s.io", "rolebindings", ""), Some("AmazonEKSAdminPolicy"));
        assert_eq!(ask("create", "rbac.authorization.k8s.io", "clusterroles", ""), None);
        assert_eq!(ask("list", "", "nodes", ""), Some("AmazonEKSAdminViewPolicy"));
        assert_eq!(ask("list", "example.com", "things", ""), Some("AmazonEKSAdminViewPolicy"));
        assert_eq!(ask("delete", "example.com", "things", ""), None);
        assert_eq!(ask("impersonate", "", "users", ""), None);
    }

    #[test]
    fn a_greater_policy_includes_a_smaller_one() {
        assert!(includes("AmazonEKSEditPolicy", "AmazonEKSViewPolicy"));
        assert!(includes("AmazonEKSClusterAdminPolicy", "AmazonEKSAdminViewPolicy"));
        assert!(!includes("AmazonEKSViewPolicy", "AmazonEKSEditPolicy"));
        // It reads no custom resources and no nodes.
        assert!(!includes("AmazonEKSAdminPolicy", "AmazonEKSAdminViewPolicy"));
        assert!(!includes("AmazonEKSAdminViewPolicy", "AmazonEKSEditPolicy"));
    }

    #[test]
    fn policies_end_at_their_scope_and_at_custom_resources() {
        let policy = |name: &str, namespaces: &[&str]| AssociatedPolicy {
            policy_arn: format!("arn:aws:eks::aws:cluster-access-policy/{name}"),
            scope: if namespaces.is_empty() { "cluster" } else { "namespace" }.to_owned(),
            namespaces: namespaces.iter().map(|name| (*name).to_owned()).collect(),
        };
        let ask = |group: &str, namespace: &str| Question {
            verb: "get".to_owned(),
            group: group.to_owned(),
            resource: "things".to_owned(),
            namespace: namespace.to_owned(),
            ..Question::default()
        };
        assert_eq!(policy_allows(&policy("AmazonEKSViewPolicy", &["team-*"]), &ask("", "team-a")), None);
        assert_eq!(policy_allows(&policy("AmazonEKSViewPolicy", &["team-*"]), &ask("", "prod")), Some(false));
        assert_eq!(policy_allows(&policy("AmazonEKSAdminPolicy", &[]), &ask("example.com", "prod")), Some(false));
        assert_eq!(policy_allows(&policy("AmazonEKSClusterAdminPolicy", &[]), &ask("example.com", "")), Some(true));
    }
}
