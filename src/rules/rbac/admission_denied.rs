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
