//! Admission refused the object: no matter of access.

use crate::apiserver::message;
use crate::report::shell::shell;
use crate::report::{Finding, Severity, Step};
use crate::rules::refusal::account_of_webhook;
use crate::rules::{Case, Page, Place, Rule, Word, clip, reading};

/// The rule.
pub static RULE: Rule = Rule {
    code: "admission-denied",
    severity: Severity::Error,
    title: "Admission refused the object; access is not the problem",
    page: Page {
        means: "The message says forbidden, but credential and rights are good: a policy looked at the object itself and refused it. No role and no binding changes that.",
        evidence: "The text after \"is forbidden:\" does not begin with User: it names the policy, quota or webhook. Words that kaccess does not know are an admission plugin's all the same, where they are none of an authorizer: that is likely, not certain.",
        fix: "Change the object so that the policy accepts it, or have the policy changed by whoever owns it. `kubectl get validatingwebhookconfigurations,validatingadmissionpolicies` lists the policies, `kubectl describe resourcequota -n NAMESPACE` the quota.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/",
    },
    recognises: &[&message::ADMISSION, &message::ADMISSION_OTHER],
    explains: &["rbac-no-grant"],
    check,
};

/// The context's namespace stands in a command although the message names none.
fn place(namespace: &str) -> String {
    match namespace {
        NAMESPACE => String::new(),
        own => format!(
            " (the message names no namespace: {own} is that of your context; put the object's there where it is in another)"
        ),
    }
}

/// Stands for a namespace that is not known.
const NAMESPACE: &str = "NAMESPACE";

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
            Step::command(
                format!("See what is used{}; delete what is not needed, ask for less, or have the quota raised", place(namespace)),
                shell!("kubectl describe resourcequota -n {}", namespace),
            ),
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
            Step::command(
                format!("See the range{}, and keep to it", place(namespace)),
                shell!("kubectl describe limitrange -n {}", namespace),
            ),
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
            match clip(field("said").trim_start_matches(':').trim(), 160) {
                // What it says stands in lines of its own.
                said if said.is_empty() => format!("the admission webhook {}", field("webhook")),
                said if said == "without explanation" => format!("the admission webhook {} ({said})", field("webhook")),
                said => format!("the admission webhook {} (it says: {said})", field("webhook")),
            },
            Step::text("Change the object as that text says, or ask whoever runs the webhook."),
        )
    } else if set("whitelist") {
        (
            format!("PodTolerationRestriction (the {}'s list of tolerations)", field("whitelist")),
            Step::text("Leave out of the Pod the tolerations that are not on that list, or have it changed: a namespace has its own in the annotation scheduler.alpha.kubernetes.io/tolerationsWhitelist, the cluster in the plugin's configuration."),
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
    } else if of_use(word) {
        let kind = match field("constraint") {
            "" => "policy",
            kind => kind,
        };
        (
            format!("the admission of Pods: no {kind} that may be used here lets this Pod in"),
            Step::text("The message tells what each one that was tried has against the Pod: change the Pod's securityContext so that one lets it in. Where none was tried ([]), have the Pod's service account, or whoever creates the Pod, allowed to use one: the verb use on it."),
        )
    } else {
        (
            format!("the admission of nodes: {} may change only its own Node and Pods", field("node")),
            Step::text("Let each node use its own credential."),
        )
    }
}

/// Policies for Pods, of which each may be used only by whom a right allows it.
fn of_use(word: &Word) -> bool {
    !word.field("constraint").is_empty() || word.line.contains("no providers available to validate pod request")
}

/// A refusal in words of which only what they are not is known: no authorizer's. So it is some admission plugin's.
fn in_other_words(case: &Case<'_>) -> Option<Finding> {
    let word = case.said(&message::ADMISSION_OTHER).filter(|word| word.place == Place::Met)?;
    let read = word.line.lines().flat_map(reading::read).find(|read| read.text == message::ADMISSION_OTHER.name)?;
    let field = |name: &str| read.fields.get(name).map_or("", String::as_str);
    // What goes on behind it in a Status is no word of the plugin.
    let words = field("other").split("\",\"").next().unwrap_or_default();
    let words = clip(words.trim_end_matches('.'), 240);
    let mut finding = RULE
        .finding(
            // Where nothing but the type's name speaks for the API server, it may be another program's refusal.
            word.confidence(false).max(read.confidence),
            format!("An authorizer's refusal names a user, and what that user cannot do. This one does not: an admission plugin that kaccess does not know looked at the object, and said: {words}. By these words no role and no binding is missing."),
            word.cite(),
            Step::text("Change the object as those words say, or ask whoever runs the cluster for the policy behind them."),
        )
        .titled(format!("By its words no access problem: an admission plugin refused {} {:?}", field("resource"), field("name")));
    if field("resource") == "pods" {
        finding = finding.step(Step::text("If kubectl exec, attach or port-forward met it, it may be an authorizer's reason: kaccess can-i create pods/exec --why asks (pods/attach, pods/portforward)."));
    }
    finding.explains = &[];
    Some(finding)
}

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(word) = case.said(&message::ADMISSION).filter(|word| word.place == Place::Met) else {
        return in_other_words(case).into_iter().collect();
    };
    let namespace = case.evidence.kubeconfig.seen().map_or(NAMESPACE, |kubeconfig| kubeconfig.namespace.as_str());
    let (who, step) = refuser(word, namespace);
    let short = who.split(" (").next().unwrap_or(&who).to_owned();
    if let Some(account) = account_of_webhook(case) {
        let mut finding = RULE
            .finding(
                word.confidence(true),
                format!("The request was authenticated and authorized; what refused it is {who}. What it tells is a refusal of {account:?}, which is not who you are: most likely the account by which the webhook itself asks the API server."),
                word.cite(),
                Step::text("Have that account given the right that it lacks, by whoever runs the webhook: nothing of your own is missing."),
            )
            .titled(format!("Refused by {short}, which tells of a right that {account:?} lacks"));
        finding.explains = &[];
        return vec![finding];
    }
    let (rights, title) = if of_use(word) {
        ("Which may be used is a matter of rights, too.", format!("Refused by {short}"))
    } else {
        ("Roles and bindings have no part in that.", format!("Not an access problem: refused by {short}"))
    };
    let mut finding = RULE
        .finding(
            word.confidence(true),
            format!("The request was authenticated and authorized; what refused it is {who}. {rights}"),
            word.cite(),
            step,
        )
        .titled(title);
    // Only a right that the refusal itself speaks of is explained by it.
    if message::forbidden(word.field("said")).is_none() {
        finding.explains = &[];
    }
    vec![finding]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Evidence;
    use crate::report::Confidence;

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
        let report = crate::rules::report(&evidence);
        assert_eq!(report.findings.first().map(|finding| finding.code), Some("rbac-no-grant"));
    }

    #[test]
    fn words_that_nobody_knows_are_an_admission_plugins_unless_they_are_of_rights() {
        let text = include_str!("../../../testdata/cases/private-zone-visible/evidence.json");
        let mut evidence: Evidence = serde_json::from_str(text).expect("evidence");
        // What a real 1.36 server said.
        for (message, confidence, words) in [
            (
                r#"Error from server (Forbidden): error when creating "STDIN": pods "a" is forbidden: no PriorityClass with name nosuch was found"#,
                Confidence::Likely,
                "said: no PriorityClass with name nosuch was found.",
            ),
            (
                r#"Error from server (Forbidden): persistentvolumeclaims "v" is forbidden: only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize"#,
                Confidence::Likely,
                "said: only dynamically provisioned pvc",
            ),
            (
                r#"Error from server (Forbidden): error when creating "STDIN": pods "a" is forbidden: affinity.PodAntiAffinity.RequiredDuringScheduling has TopologyKey zone but only key kubernetes.io/hostname is allowed"#,
                Confidence::Likely,
                "TopologyKey zone",
            ),
            (
                r#"Error from server (Forbidden): error when creating "STDIN": pods "a2" is forbidden: cpu max limit to request ratio per Container is 2, but provided ratio is 5.000000"#,
                Confidence::Certain,
                "a LimitRange",
            ),
            (
                r#"Error from server: error when creating "STDIN": pod tolerations (possibly merged with namespace default tolerations) conflict with its namespace whitelist"#,
                Confidence::Certain,
                "PodTolerationRestriction",
            ),
        ] {
            evidence.asked.error = Some(message.to_owned());
            let report = crate::rules::report(&evidence);
            let first = report.findings.first().expect("a finding");
            assert_eq!((first.code, first.confidence), (RULE.code, confidence), "{message}");
            assert!(first.why.contains(words), "{}", first.why);
            assert_eq!(report.verdict, crate::report::doctor::Verdict::Problems, "{message}");
        }
        for message in [
            r#"Error from server (Forbidden): pods "a" is forbidden: User "jane" cannot get resource "pods" in API group "" in the namespace "default""#,
            r#"Error from server (Forbidden): clusterroles.rbac.authorization.k8s.io "a" is forbidden: must have cluster-admin privileges to use the aggregationRule"#,
            "Error from server: something that nobody knows",
            // Made up: other programs forbid by a name, too.
            r#"ajv: property "debug" is forbidden: must not be present"#,
        ] {
            evidence.asked.error = Some(message.to_owned());
            assert!(check(&Case::new(&evidence)).is_empty(), "{message}");
        }
        evidence.asked.error = Some(r#"services "a" is forbidden: the plan has ended"#.to_owned());
        let found = check(&Case::new(&evidence));
        assert_eq!(found.first().map(|finding| finding.confidence), Some(Confidence::Possible));
    }

    /// Synthetic: PodSecurityPolicies are gone since 1.25, and no lab has OpenShift's constraints.
    #[test]
    fn policies_that_somebody_must_be_allowed_to_use_are_a_matter_of_rights_too() {
        let text = include_str!("../../../testdata/cases/private-zone-visible/evidence.json");
        let mut evidence: Evidence = serde_json::from_str(text).expect("evidence");
        for (said, kind) in [
            ("unable to validate against any pod security policy: []", "no pod security policy that"),
            (
                "unable to validate against any security context constraint: [spec.containers[0].securityContext.privileged: Invalid value: true]",
                "no security context constraint that",
            ),
            ("no providers available to validate pod request", "no policy that"),
        ] {
            evidence.asked.error = Some(format!("Error from server (Forbidden): pods \"a\" is forbidden: {said}"));
            let found = check(&Case::new(&evidence));
            assert!(found[0].why.contains(kind), "{}", found[0].why);
            assert!(!found[0].why.contains("no part in that") && !found[0].why.contains("nodes"), "{}", found[0].why);
            assert!(!found[0].title.contains("Not an access problem"), "{}", found[0].title);
            assert!(found[0].fix[0].text.contains("the verb use"), "{:?}", found[0].fix[0]);
        }
    }

    #[test]
    fn the_namespace_of_a_command_is_said_to_be_the_contexts() {
        let text = include_str!("../../../testdata/cases/admission-denied-quota/evidence.json");
        let evidence: Evidence = serde_json::from_str(text).expect("evidence");
        let found = check(&Case::new(&evidence));
        assert_eq!(found.len(), 1);
        assert!(found[0].fix[0].text.contains("the message names no namespace: "), "{:?}", found[0].fix[0]);
    }

    #[test]
    fn nothing_granted_somewhere_is_no_consequence_of_a_refused_object() {
        let text = include_str!("../../../testdata/cases/rbac-no-grant-unread/evidence.json");
        let mut evidence: Evidence = serde_json::from_str(text).expect("evidence");
        // Synthetic: the saved case has no message; somebody without rights here met this elsewhere.
        evidence.asked.error = Some(r#"Error from server (Forbidden): pods "a" is forbidden: exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1"#.to_owned());
        let report = crate::rules::report(&evidence);
        assert_eq!(report.findings.first().map(|finding| finding.code), Some(RULE.code));
        let other = report.findings.iter().find(|finding| finding.code == "rbac-no-grant").expect("the warning");
        assert_eq!(other.explained_by, None);
        assert!(other.why.ends_with("The message that you met is not about that."), "{}", other.why);
    }

    #[test]
    fn a_webhooks_own_account_is_told_and_its_text_is_no_title() {
        let text = include_str!("../../../testdata/cases/private-zone-visible/evidence.json");
        let mut evidence: Evidence = serde_json::from_str(text).expect("evidence");
        let denied = |said: &str| {
            format!(r#"error: failed to create secret admission webhook "validate.ky.svc" denied the request{said}"#)
        };
        for (said, words) in
            [(": user bob is not allowed", "(it says: user bob is not allowed)"), (" without explanation", "validate.ky.svc (without explanation)"), (": ", "validate.ky.svc. Roles")]
        {
            evidence.asked.error = Some(denied(said));
            let found = check(&Case::new(&evidence));
            assert_eq!(found[0].title, "Not an access problem: refused by the admission webhook validate.ky.svc");
            assert!(found[0].why.contains(words), "{}", found[0].why);
        }
        let account = "system:serviceaccount:ky:ky-admission";
        let error = denied(&format!(
            r#": failed to load context: configmaps "settings" is forbidden: User "{account}" cannot get resource "configmaps" in API group "" in the namespace "ky""#
        ));
        evidence.asked.question = message::forbidden(&error).map(|refusal| refusal.question);
        evidence.asked.error = Some(error.clone());
        let report = crate::rules::report(&evidence);
        let first = report.findings.first().expect("a finding");
        assert_eq!((first.code, first.confidence), ("rbac-no-grant", Confidence::Possible));
        let own = report.findings.iter().find(|finding| finding.code == RULE.code).expect("admission");
        assert_eq!(own.explained_by, Some("rbac-no-grant"));
        assert!(own.why.contains(account) && !own.why.contains("Roles and bindings have no part"), "{}", own.why);
        // In the words of whoever is signed in they are the webhook's opinion of the request.
        let identity = evidence.identity.seen().expect("an identity");
        let error = error.replace(account, &identity.user.username);
        evidence.asked.question = message::forbidden(&error).map(|refusal| refusal.question);
        evidence.asked.error = Some(error);
        let found = check(&Case::new(&evidence));
        assert!(found[0].why.contains("Roles and bindings have no part"), "{}", found[0].why);
        assert_eq!(found[0].explains, ["rbac-no-grant"]);
    }
}
