//! The resources that every API server has, so that a question about them needs no discovery.

/// A built-in resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resource {
    /// API group, empty for core.
    pub group: &'static str,
    /// Plural name.
    pub name: &'static str,
    /// Singular name.
    pub singular: &'static str,
    /// Short names.
    pub short: &'static [&'static str],
    /// Lives in namespaces.
    pub namespaced: bool,
    /// Subresources.
    pub subresources: &'static [&'static str],
}

const fn of(
    group: &'static str,
    name: &'static str,
    singular: &'static str,
    short: &'static [&'static str],
    namespaced: bool,
    subresources: &'static [&'static str],
) -> Resource {
    Resource { group, name, singular, short, namespaced, subresources }
}

const S: &[&str] = &["status"];
const SCALED: &[&str] = &["scale", "status"];

/// The built-in types, in the order in which a bare name is looked up (core first, as kubectl's priority has it).
pub static RESOURCES: &[Resource] = &[
    of("", "bindings", "binding", &[], true, &[]),
    of("", "componentstatuses", "componentstatus", &["cs"], false, &[]),
    of("", "configmaps", "configmap", &["cm"], true, &[]),
    of("", "endpoints", "endpoints", &["ep"], true, &[]),
    of("", "events", "event", &["ev"], true, &[]),
    of("", "limitranges", "limitrange", &["limits"], true, &[]),
    of("", "namespaces", "namespace", &["ns"], false, &["finalize", "status"]),
    of(
        "",
        "nodes",
        "node",
        &["no"],
        false,
        &[
            "proxy",
            "status",
            "stats",
            "metrics",
            "log",
            "spec",
            "configz",
            "healthz",
            "pods",
            "checkpoint",
            "statusz",
            "flagz",
        ],
    ),
    of("", "persistentvolumeclaims", "persistentvolumeclaim", &["pvc"], true, S),
    of("", "persistentvolumes", "persistentvolume", &["pv"], false, S),
    of(
        "",
        "pods",
        "pod",
        &["po"],
        true,
        &[
            "attach",
            "binding",
            "ephemeralcontainers",
            "eviction",
            "exec",
            "log",
            "portforward",
            "proxy",
            "resize",
            "status",
        ],
    ),
    of("", "podtemplates", "podtemplate", &[], true, &[]),
    of("", "replicationcontrollers", "replicationcontroller", &["rc"], true, SCALED),
    of("", "resourcequotas", "resourcequota", &["quota"], true, S),
    of("", "secrets", "secret", &[], true, &[]),
    of("", "serviceaccounts", "serviceaccount", &["sa"], true, &["token"]),
    of("", "services", "service", &["svc"], true, &["proxy", "status"]),
    of("apps", "controllerrevisions", "controllerrevision", &[], true, &[]),
    of("apps", "daemonsets", "daemonset", &["ds"], true, S),
    of("apps", "deployments", "deployment", &["deploy"], true, SCALED),
    of("apps", "replicasets", "replicaset", &["rs"], true, SCALED),
    of("apps", "statefulsets", "statefulset", &["sts"], true, SCALED),
    of("authentication.k8s.io", "selfsubjectreviews", "selfsubjectreview", &[], false, &[]),
    of("authentication.k8s.io", "tokenreviews", "tokenreview", &[], false, &[]),
    of("authorization.k8s.io", "localsubjectaccessreviews", "localsubjectaccessreview", &[], true, &[]),
    of("authorization.k8s.io", "selfsubjectaccessreviews", "selfsubjectaccessreview", &[], false, &[]),
    of("authorization.k8s.io", "selfsubjectrulesreviews", "selfsubjectrulesreview", &[], false, &[]),
    of("authorization.k8s.io", "subjectaccessreviews", "subjectaccessreview", &[], false, &[]),
    of("autoscaling", "horizontalpodautoscalers", "horizontalpodautoscaler", &["hpa"], true, S),
    of("batch", "cronjobs", "cronjob", &["cj"], true, S),
    of("batch", "jobs", "job", &[], true, S),
    of(
        "certificates.k8s.io",
        "certificatesigningrequests",
        "certificatesigningrequest",
        &["csr"],
        false,
        &["approval", "status"],
    ),
    of("coordination.k8s.io", "leases", "lease", &[], true, &[]),
    of("discovery.k8s.io", "endpointslices", "endpointslice", &[], true, &[]),
    of("flowcontrol.apiserver.k8s.io", "flowschemas", "flowschema", &[], false, S),
    of("flowcontrol.apiserver.k8s.io", "prioritylevelconfigurations", "prioritylevelconfiguration", &[], false, S),
    of("networking.k8s.io", "ingressclasses", "ingressclass", &[], false, &[]),
    of("networking.k8s.io", "ingresses", "ingress", &["ing"], true, S),
    of("networking.k8s.io", "networkpolicies", "networkpolicy", &["netpol"], true, &[]),
    of("node.k8s.io", "runtimeclasses", "runtimeclass", &[], false, &[]),
    of("policy", "poddisruptionbudgets", "poddisruptionbudget", &["pdb"], true, S),
    of("rbac.authorization.k8s.io", "clusterrolebindings", "clusterrolebinding", &[], false, &[]),
    of("rbac.authorization.k8s.io", "clusterroles", "clusterrole", &[], false, &[]),
    of("rbac.authorization.k8s.io", "rolebindings", "rolebinding", &[], true, &[]),
    of("rbac.authorization.k8s.io", "roles", "role", &[], true, &[]),
    of("scheduling.k8s.io", "priorityclasses", "priorityclass", &["pc"], false, &[]),
    of("storage.k8s.io", "csidrivers", "csidriver", &[], false, &[]),
    of("storage.k8s.io", "csinodes", "csinode", &[], false, &[]),
    of("storage.k8s.io", "csistoragecapacities", "csistoragecapacity", &[], true, &[]),
    of("storage.k8s.io", "storageclasses", "storageclass", &["sc"], false, &[]),
    of("storage.k8s.io", "volumeattachments", "volumeattachment", &[], false, S),
    of(
        "admissionregistration.k8s.io",
        "mutatingwebhookconfigurations",
        "mutatingwebhookconfiguration",
        &[],
        false,
        &[],
    ),
    of("admissionregistration.k8s.io", "validatingadmissionpolicies", "validatingadmissionpolicy", &[], false, S),
    of(
        "admissionregistration.k8s.io",
        "validatingadmissionpolicybindings",
        "validatingadmissionpolicybinding",
        &[],
        false,
        &[],
    ),
    of(
        "admissionregistration.k8s.io",
        "validatingwebhookconfigurations",
        "validatingwebhookconfiguration",
        &[],
        false,
        &[],
    ),
    of("apiextensions.k8s.io", "customresourcedefinitions", "customresourcedefinition", &["crd", "crds"], false, S),
    of("apiregistration.k8s.io", "apiservices", "apiservice", &[], false, S),
];

/// A type, as a word of kubectl's is compared with it.
pub trait Worded {
    /// API group, empty for core.
    fn group(&self) -> &str;
    /// It is its plural, singular or short name.
    fn is_called(&self, name: &str) -> bool;
}

impl Worded for Resource {
    fn group(&self) -> &str {
        self.group
    }

    fn is_called(&self, name: &str) -> bool {
        self.name == name || self.singular == name || self.short.contains(&name)
    }
}

/// Finds a built-in type by plural, singular or short name, with or without its group (`deployments.apps`).
pub fn find(word: &str) -> Option<&'static Resource> {
    find_in(RESOURCES, word)
}

/// Every API server serves the type: it is of the core group, without which there is no cluster.
pub fn everywhere(word: &str) -> bool {
    find(word).is_some_and(|kind| kind.group.is_empty())
}

/// Finds a type of a list likewise.
pub fn find_in<'t, T: Worded>(types: &'t [T], word: &str) -> Option<&'t T> {
    let lower = word.to_lowercase();
    let (name, group) = match lower.split_once('.') {
        Some((name, group)) => (name, Some(group)),
        None => (lower.as_str(), None),
    };
    // `deployments.v1.apps` names a version too; an exact group is better than one that only begins so, as in kubectl's
    // RESTMapper.
    let versioned = |group: &str, own: &str| {
        own == group || group.split_once('.').is_some_and(|(_, rest)| own == rest) || (own.is_empty() && group == "v1")
    };
    let mut named = types.iter().filter(|kind| kind.is_called(name));
    let Some(group) = group else { return named.next() };
    named
        .clone()
        .find(|kind| versioned(group, kind.group()))
        .or_else(|| named.find(|kind| kind.group().starts_with(group)))
}

/// Names that no discovery lists and RBAC knows all the same, with their API group.
pub static VIRTUAL: &[(&str, &str)] = &[
    ("users", ""),
    ("groups", ""),
    ("userextras", "authentication.k8s.io"),
    ("uids", "authentication.k8s.io"),
    ("signers", "certificates.k8s.io"),
];

/// The verbs of paths.
pub static PATH_VERBS: &[&str] = &["*", "delete", "get", "head", "options", "patch", "post", "put"];

/// The verbs that RBAC knows; another one is asked all the same, with a warning.
pub static VERBS: &[&str] = &[
    "*",
    "approve",
    "attest",
    "bind",
    "create",
    "delete",
    "deletecollection",
    "escalate",
    "get",
    "impersonate",
    "list",
    "patch",
    "proxy",
    "sign",
    "update",
    "use",
    "watch",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_all_kinds_are_found() {
        assert_eq!(find("deploy").map(|resource| resource.name), Some("deployments"));
        assert_eq!(find("deployments.apps").map(|resource| resource.group), Some("apps"));
        assert_eq!(find("deployments.v1.apps").map(|resource| resource.group), Some("apps"));
        assert_eq!(find("Pod").map(|resource| resource.name), Some("pods"));
        assert_eq!(find("widgets"), None);
        assert_eq!(find("pods.apps"), None);
    }
}
