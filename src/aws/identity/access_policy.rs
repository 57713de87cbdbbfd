//! EKS' access policies: what they give, and the smallest that gives what is asked for.

use super::wild;
use crate::evidence::access::{NonResourceRule, Question, ResourceRule};
use crate::evidence::eks::AssociatedPolicy;
use crate::evidence::rbac::Role;

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

const READ: &[&str] = &["get", "list", "watch"];
const WRITE: &[&str] = &["create", "delete", "deletecollection", "patch", "update"];

/// API group, its resources, and the verbs on them.
type Line = (&'static str, &'static [&'static str], &'static [&'static str]);

/// What AmazonEKSViewPolicy lists.
const VIEWER: &[Line] = &[
    (
        "",
        &[
            "configmaps",
            "endpoints",
            "persistentvolumeclaims",
            "persistentvolumeclaims/status",
            "pods",
            "replicationcontrollers",
            "replicationcontrollers/scale",
            "serviceaccounts",
            "services",
            "services/status",
        ],
        READ,
    ),
    (
        "",
        &[
            "bindings",
            "events",
            "limitranges",
            "namespaces/status",
            "pods/log",
            "pods/status",
            "replicationcontrollers/status",
            "resourcequotas",
            "resourcequotas/status",
        ],
        READ,
    ),
    ("", &["namespaces"], READ),
    (
        "apps",
        &[
            "controllerrevisions",
            "daemonsets",
            "daemonsets/status",
            "deployments",
            "deployments/scale",
            "deployments/status",
            "replicasets",
            "replicasets/scale",
            "replicasets/status",
            "statefulsets",
            "statefulsets/scale",
            "statefulsets/status",
        ],
        READ,
    ),
    ("autoscaling", &["horizontalpodautoscalers", "horizontalpodautoscalers/status"], READ),
    ("batch", &["cronjobs", "cronjobs/status", "jobs", "jobs/status"], READ),
    ("discovery.k8s.io", &["endpointslices"], READ),
    (
        "extensions",
        &[
            "daemonsets",
            "daemonsets/status",
            "deployments",
            "deployments/scale",
            "deployments/status",
            "ingresses",
            "ingresses/status",
            "networkpolicies",
            "replicasets",
            "replicasets/scale",
            "replicasets/status",
            "replicationcontrollers/scale",
        ],
        READ,
    ),
    ("networking.k8s.io", &["ingresses", "ingresses/status", "networkpolicies"], READ),
    ("policy", &["poddisruptionbudgets", "poddisruptionbudgets/status"], READ),
];

/// What AmazonEKSEditPolicy lists beyond that.
const EDITOR: &[Line] = &[
    ("", &["pods/attach", "pods/exec", "pods/portforward", "pods/proxy", "secrets", "services/proxy"], READ),
    ("", &["pods", "pods/attach", "pods/exec", "pods/portforward", "pods/proxy"], WRITE),
    (
        "",
        &[
            "configmaps",
            "events",
            "persistentvolumeclaims",
            "replicationcontrollers",
            "replicationcontrollers/scale",
            "secrets",
            "serviceaccounts",
            "services",
            "services/proxy",
        ],
        WRITE,
    ),
    ("", &["serviceaccounts"], &["impersonate"]),
    (
        "apps",
        &[
            "daemonsets",
            "deployments",
            "deployments/rollback",
            "deployments/scale",
            "replicasets",
            "replicasets/scale",
            "statefulsets",
            "statefulsets/scale",
        ],
        WRITE,
    ),
    ("autoscaling", &["horizontalpodautoscalers"], WRITE),
    ("batch", &["cronjobs", "jobs"], WRITE),
    (
        "extensions",
        &[
            "daemonsets",
            "deployments",
            "deployments/rollback",
            "deployments/scale",
            "ingresses",
            "networkpolicies",
            "replicasets",
            "replicasets/scale",
            "replicationcontrollers/scale",
        ],
        WRITE,
    ),
    ("networking.k8s.io", &["ingresses", "networkpolicies"], WRITE),
    ("policy", &["poddisruptionbudgets"], WRITE),
];

/// What AmazonEKSAdminPolicy lists beyond both.
const ADMIN: &[Line] = &[
    ("authorization.k8s.io", &["localsubjectaccessreviews"], &["create"]),
    (
        "rbac.authorization.k8s.io",
        &["rolebindings", "roles"],
        &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
    ),
];

const EVERYTHING: &[Line] = &[("*", &["*"], &["*"])];
const EVERYTHING_READ: &[Line] = &[("*", &["*"], READ)];
const SECRETS: &[Line] = &[("", &["secrets"], READ)];

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// The rules of an access policy, as a role that RBAC's matching can judge; `None` for the policies of AWS' own components,
/// whose rules EKS does not document.
///
/// Source: "Review access policy permissions" in EKS' user guide.
pub fn policy_rules(name: &str) -> Option<Role> {
    let lines: Vec<&Line> = match name {
        "AmazonEKSClusterAdminPolicy" => EVERYTHING.iter().collect(),
        "AmazonEKSAdminViewPolicy" => EVERYTHING_READ.iter().collect(),
        "AmazonEKSSecretReaderPolicy" => SECRETS.iter().collect(),
        "AmazonEKSViewPolicy" => VIEWER.iter().collect(),
        "AmazonEKSEditPolicy" => VIEWER.iter().chain(EDITOR).collect(),
        "AmazonEKSAdminPolicy" => VIEWER.iter().chain(EDITOR).chain(ADMIN).collect(),
        _ => return None,
    };
    let resource_rules = lines.iter().map(|(group, resources, verbs)| ResourceRule {
        verbs: owned(verbs),
        api_groups: vec![(*group).to_owned()],
        resources: owned(resources),
        resource_names: Vec::new(),
    });
    let everything = name == "AmazonEKSClusterAdminPolicy";
    let paths = everything.then(|| NonResourceRule { verbs: owned(&["*"]), paths: owned(&["*"]) });
    Some(Role {
        kind: "AccessPolicy".into(),
        name: name.to_owned(),
        resource_rules: resource_rules.collect(),
        non_resource_rules: paths.into_iter().collect(),
        ..Role::default()
    })
}

/// An associated policy counts in this namespace; an empty one is the cluster scope, and all namespaces at once.
pub fn in_scope(policy: &AssociatedPolicy, namespace: &str) -> bool {
    policy.scope != "namespace"
        || (!namespace.is_empty() && policy.namespaces.iter().any(|pattern| wild(pattern, namespace)))
}

/// What one policy says to a question: `Some(false)` only where its scope or its kind of resources excludes it.
pub fn policy_allows(policy: &AssociatedPolicy, question: &Question) -> Option<bool> {
    if !in_scope(policy, &question.namespace) {
        return Some(false);
    }
    match policy.name() {
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
    fn rules_are_those_that_eks_lists_and_others_are_not_known() {
        let gives = |name: &str, verb: &str, group: &str, resource: &str| {
            let role = policy_rules(name).expect("rules");
            role.resource_rules.iter().any(|rule| {
                let has = |list: &[String], word: &str| list.iter().any(|entry| entry == "*" || entry == word);
                has(&rule.verbs, verb) && has(&rule.api_groups, group) && has(&rule.resources, resource)
            })
        };
        assert!(gives("AmazonEKSViewPolicy", "list", "", "pods"));
        assert!(!gives("AmazonEKSViewPolicy", "list", "", "secrets"));
        assert!(!gives("AmazonEKSViewPolicy", "get", "", "podtemplates"));
        assert!(!gives("AmazonEKSViewPolicy", "create", "", "pods"));
        assert!(gives("AmazonEKSEditPolicy", "list", "apps", "deployments"));
        assert!(gives("AmazonEKSEditPolicy", "create", "", "pods/exec"));
        assert!(!gives("AmazonEKSEditPolicy", "create", "rbac.authorization.k8s.io", "roles"));
        assert!(gives("AmazonEKSAdminPolicy", "create", "rbac.authorization.k8s.io", "roles"));
        assert!(!gives("AmazonEKSAdminPolicy", "get", "cert-manager.io", "certificates"));
        assert!(gives("AmazonEKSAdminViewPolicy", "get", "cert-manager.io", "certificates"));
        assert!(gives("AmazonEKSClusterAdminPolicy", "delete", "", "nodes"));
        // Only that one gives paths.
        let paths = |name: &str| policy_rules(name).is_some_and(|role| !role.non_resource_rules.is_empty());
        assert!(paths("AmazonEKSClusterAdminPolicy") && !paths("AmazonEKSAdminViewPolicy"));
        assert_eq!(policy_rules("AmazonEKSAutoNodePolicy"), None);
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
