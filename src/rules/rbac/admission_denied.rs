//! Admission refused the object: no matter of access.

use crate::apiserver::message;
use crate::report::shell::shell;
use crate::report::{Finding, Severity, Step};
use crate::rules::{Case, Page, Place, Rule, Word, clip};

/// The rule.
pub static RULE: Rule = Rule {
    code: "admission-denied",
    severity: Severity::Error,
    title: "Admission refused the object; access is not the problem",
    page: Page {
        means: "The message says forbidden, but credential and rights are good: a policy looked at the object itself and refused it. No role and no binding changes that.",
        evidence: "The text after \"is forbidden:\" does not begin with User: it names the policy, quota or webhook.",
        fix: "Change the object so that the policy accepts it, or have the policy changed by whoever owns it. `kubectl get validatingwebhookconfigurations,validatingadmissionpolicies` lists the policies, `kubectl describe resourcequota -n NAMESPACE` the quota.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/",
    },
    recognises: &[&message::ADMISSION],
    explains: &["rbac-no-grant"],
    check,
};

/// Who refused, and what to do.
fn refuser(word: &Word, namespace: &str) -> (String, Step) {
    let field = |name| word.field(name);
    let set = |name: &str| !word.field(name).is_empty();
    if set("level") {
        (
            format!("Pod Security ({}) of the namespace", field("level")),
            Step::text(format!("Set in the Pod what the message asks for: {}", clip(field("pod"), 400))),
        )
    } else if set("quota") {
        (
            format!("a ResourceQuota ({})", clip(field("quota"), 160)),
            Step::command("See what is used; delete what is not needed, ask for less, or have the quota raised", shell!("kubectl describe resourcequota -n {}", namespace)),
        )
    } else if set("unset") {
        (
            format!("a ResourceQuota ({})", clip(field("unset"), 160)),
            Step::text("Set the requests and limits that the quota counts, in every container, or have a LimitRange give defaults."),
        )
    } else if set("ending") {
        (
            format!("the end of namespace {}, which is being deleted", field("ending")),
            Step::command("See what holds it; create it again when it is gone", shell!("kubectl get namespace {} -o jsonpath='{{.status.conditions}}'", field("ending"))),
        )
    } else if set("range") {
        (
            format!("a LimitRange ({})", clip(field("range"), 160)),
            Step::command("See the range, and keep to it", shell!("kubectl describe limitrange -n {}", namespace)),
        )
    } else if set("account") {
        let account = field("account").split_once('/').unwrap_or((namespace, field("account")));
        (
            format!("the admission of service accounts: {} does not exist", field("account")),
            Step::command("Create it", shell!("kubectl create serviceaccount {} -n {}", account.1, account.0)),
        )
    } else if set("policy") {
        (
            format!("the ValidatingAdmissionPolicy {} ({})", field("policy"), clip(field("because"), 160)),
            Step::command("Read its rule, and change the object", shell!("kubectl get validatingadmissionpolicy {} -o yaml", field("policy"))),
        )
    } else if set("webhook") {
        (
            format!("the admission webhook {}{}", field("webhook"), clip(field("said"), 160)),
            Step::text("Change the object as that text says, or ask whoever runs the webhook."),
        )
    } else if set("kept") {
        (
            "the protection of Kubernetes' own namespaces".to_owned(),
            Step::text("Leave the namespace, and delete what is not wanted in it by its kind and name."),
        )
    } else if set("signer") {
        (
            format!("the protection of the signer {}: it signs no certificate for the group system:masters", field("signer")),
            Step::text("Ask for a certificate with another group (O), and bind that group to what it needs."),
        )
    } else if set("ips") {
        (
            "DenyServiceExternalIPs: no Service of this cluster may have external IPs".to_owned(),
            Step::text("Leave spec.externalIPs out, and take a Service of type LoadBalancer, or a gateway; or have the plugin taken out of the API server's --enable-admission-plugins."),
        )
    } else if set("owner") {
        (
            format!("OwnerReferencesPermissionEnforcement ({})", clip(field("owner"), 160)),
            Step::text("Name in ownerReferences an apiVersion and kind that the server serves, or leave blockOwnerDeletion false: of a type that it does not know it cannot look whether you may hold its deletion up."),
        )
    } else if set("labels") {
        (
            format!("NodeRestriction: a kubelet may not set these labels of its Node: {}", clip(field("labels"), 160)),
            Step::text("Have somebody who is no node set them (kubectl label node), and leave them out of the kubelet's --node-labels."),
        )
    } else if set("kubelet") {
        (
            format!("NodeRestriction: node {} {}", field("kubelet"), clip(field("limit"), 160)),
            Step::text("Do with a node's credential only what its kubelet does (its own Node, mirror Pods, and the Pods on it), and anything else with another credential."),
        )
    } else if set("own") {
        (
            format!("NodeRestriction: a node {}", clip(field("own"), 160)),
            Step::text("Let each node use its own credential, for its own objects."),
        )
    } else if set("mirror") {
        (
            format!("the admission of service accounts: {}", clip(field("mirror"), 160)),
            Step::text("Take that out of the static Pod's file on the node: a mirror Pod has no service account and no API objects."),
        )
    } else {
        (
            format!("the admission of nodes: {} may change only its own Node and Pods", field("node")),
            Step::text("Let each node use its own credential."),
        )
    }
}

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(word) = case.said(&message::ADMISSION).filter(|word| word.place == Place::Met) else { return Vec::new() };
    let namespace = case.evidence.kubeconfig.seen().map_or("NAMESPACE", |kubeconfig| kubeconfig.namespace.as_str());
    let (who, step) = refuser(word, namespace);
    vec![
        RULE.finding(
            word.confidence(true),
            format!("The request was authenticated and authorized; what refused it is {who}. Roles and bindings have no part in that."),
            word.cite(),
            step,
        )
        .titled(format!("Not an access problem: refused by {}", who.split(" (").next().unwrap_or(&who))),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Evidence;

    #[test]
    fn what_the_plugins_of_kubernetes_refuse_is_no_matter_of_access() {
        let text = include_str!("../../../testdata/cases/private-zone-visible/evidence.json");
        let mut evidence: Evidence = serde_json::from_str(text).expect("evidence");
        for (message, words) in [
            (
                r#"Error from server (Forbidden): services "s" is forbidden: Use of external IPs is denied by admission control"#,
                "DenyServiceExternalIPs",
            ),
            (
                r#"Error from server (Forbidden): pods "p" is forbidden: cannot set blockOwnerDeletion in this case because cannot find RESTMapping for APIVersion a/v1 Kind B: no matches for kind "B" in version "a/v1""#,
                "OwnerReferencesPermissionEnforcement",
            ),
            (
                r#"Error from server (Forbidden): nodes "n1" is forbidden: is not allowed to modify labels: node-restriction.kubernetes.io/a"#,
                "node-restriction.kubernetes.io/a",
            ),
            (
                r#"Error from server (Forbidden): pods "p" is forbidden: pod does not have "kubernetes.io/config.mirror" annotation, node "n1" can only create mirror pods"#,
                "node n1 can only create mirror pods",
            ),
            (
                r#"Error from server (Forbidden): pods "p" is forbidden: node "n1" can only delete pods with spec.nodeName set to itself"#,
                "node n1 can only delete pods",
            ),
            (
                r#"Error from server (Forbidden): nodes "b" is forbidden: node "a" is not allowed to modify node "b""#,
                "a may change only its own Node and Pods",
            ),
        ] {
            evidence.asked.error = Some(message.to_owned());
            let found = check(&Case::new(&evidence));
            assert_eq!(found.len(), 1, "{message}");
            assert!(found[0].why.contains(words), "{}", found[0].why);
        }
        // The right on the owner is one that a role gives.
        let message = r#"Error from server (Forbidden): pods "p" is forbidden: cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set finalizers on: , <nil>"#;
        evidence.asked.error = Some(message.to_owned());
        assert!(check(&Case::new(&evidence)).is_empty());
        let met = crate::rules::report(&evidence).message.expect("it is named");
        assert_eq!(met.code, "rbac-no-grant", "{met:?}");
    }
}
