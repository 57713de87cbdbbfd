//! The Pod has no service account token.

use crate::apiserver::message::{heard, tools};
use crate::evidence::Outcome;
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::kubeconfig_fault::complaint;
use crate::rules::{Case, Page, Rule, pod_role};

/// The rule.
pub static RULE: Rule = Rule {
    code: "service-account-token-not-mounted",
    severity: Severity::Error,
    title: "The Pod has no service account token",
    page: Page {
        means: "A Pod gets a token for the API server unless it or its service account says automountServiceAccountToken: false. Programs in it that ask the API server find no file, or go as system:anonymous.",
        evidence: "The Pod has no token at /var/run/secrets/kubernetes.io/serviceaccount, and either nothing switched that off, or the message that was met asks for that file.",
        fix: "Set `automountServiceAccountToken: true` in the Pod template, where the program needs the API.",
        references: "https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/",
    },
    recognises: &[&heard::POD_TOKEN_MISSING, &tools::POD_TOKEN],
    explains: &[],
    check,
};

/// Where the token is mounted.
const PLACE: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// kaccess itself runs in a Pod, and finds neither a kubeconfig nor a token.
fn own_pod(case: &Case<'_>) -> Option<Finding> {
    let complaint = complaint(case, RULE.code).filter(|complaint| complaint.refused)?;
    Some(
        RULE.finding(
            Confidence::Likely,
            format!("This runs in a Pod (KUBERNETES_SERVICE_HOST is set), which has neither a kubeconfig nor a token at {PLACE}: the Pod or its service account says automountServiceAccountToken: false, or the mount was taken away. Clients fall back to http://localhost:8080."),
            complaint.cite,
            Step::manifest(
                "Say so in the Pod template, where the program needs the token",
                "spec:\n  template:\n    spec:\n      automountServiceAccountToken: true",
            ),
        )
        .step(Step::command(
            "If the Pod is to come by a kubeconfig, mount that file and name it",
            "export KUBECONFIG=/path/to/kubeconfig",
        )),
    )
}

fn check(case: &Case<'_>) -> Vec<Finding> {
    if let Some(finding) = own_pod(case) {
        return vec![finding];
    }
    let Some(judged) = &case.workload else { return Vec::new() };
    let (Some((template, at)), Some(_)) = (judged.template(), judged.workload.pod.seen()) else { return Vec::new() };
    let containers = judged.containers();
    let Some((container, pointer)) = containers.iter().find(|(container, _)| !container.mounts.keys().any(|path| path.starts_with(PLACE))) else {
        return Vec::new();
    };
    let account = judged.workload.service_account.seen();
    // The Pod's own word goes before its account's.
    let off = template.automount.map(|on| (on, format!("{at}/automount"), "the Pod")).or_else(|| {
        Some((account?.automount?, "/workload/serviceAccount/seen/automount".to_owned(), "the service account"))
    });
    let words = pod_role::met_or_event(case, &[PLACE, "unable to load in-cluster configuration", "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT must be defined"]);
    let switched_off = matches!(off, Some((false, ..)));
    let (why, cite) = match (off, &words) {
        // Switched off on purpose, and nobody misses it: as it should be.
        (Some((false, ..)), None) => return Vec::new(),
        (Some((false, pointer, who)), Some(_)) => {
            (format!("{} says automountServiceAccountToken: false, and container {} asks for the token.", if who == "the Pod" { "The Pod" } else { "The service account" }, container.name), seen(pointer, format!("{who}: automountServiceAccountToken is false")))
        }
        _ => (
            format!("Nothing switches the token off, and container {} has none: the Pod was made without the admission plugin ServiceAccount, or something took the mount away.", container.name),
            seen(pointer.clone(), format!("container {} mounts nothing at {PLACE}", container.name)),
        ),
    };
    // A Pod that nothing makes has no template, and what it mounts is fixed when it is made.
    let bare = matches!(judged.workload.owner.outcome, Outcome::NotApplicable(_));
    let (step, manifest) = match judged.workload.owner.seen().map(|owner| owner.kind.as_str()) {
        None if bare => (
            "Say so in the Pod's own manifest, where the program needs the token",
            "spec:\n  automountServiceAccountToken: true",
        ),
        Some("CronJob") => (
            "Say so in the Pod template, where the program needs the token",
            "spec:\n  jobTemplate:\n    spec:\n      template:\n        spec:\n          automountServiceAccountToken: true",
        ),
        _ => (
            "Say so in the Pod template, where the program needs the token",
            "spec:\n  template:\n    spec:\n      automountServiceAccountToken: true",
        ),
    };
    let first = if switched_off {
        Step::manifest(step, manifest)
    } else {
        Step::command(
            "See whether the API server runs without the admission plugin ServiceAccount, and let it run with it (kubeadm; elsewhere, look for what changes Pods: a mutating webhook)",
            "kubectl -n kube-system get pods -l component=kube-apiserver -o yaml | grep -- admission-plugins; kubectl get mutatingwebhookconfigurations",
        )
    };
    vec![
        RULE.finding(Confidence::Certain, why, cite, first)
            .cite_if(words)
            .step(pod_role::remake(judged)),
    ]
}
