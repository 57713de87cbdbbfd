//! The Pod has no service account token.

use crate::apiserver::message::heard;
use crate::report::{Confidence, Finding, Severity, Step};
use crate::rules::{Case, Page, Rule, links, seen};

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
    recognises: &[&heard::POD_TOKEN_MISSING],
    explains: &[],
    check,
};

/// Where the token is mounted.
const PLACE: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

fn check(case: &Case<'_>) -> Vec<Finding> {
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
    let words = links::said(case, &[PLACE, "unable to load in-cluster configuration", "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT must be defined"]);
    let (why, cite) = match (off, &words) {
        // Switched off on purpose, and nobody misses it: as it should be.
        (Some((false, ..)), None) => return Vec::new(),
        (Some((false, pointer, who)), Some(_)) => {
            (format!("{who} says automountServiceAccountToken: false, and container {} asks for the token.", container.name), seen(pointer, format!("{who}: automountServiceAccountToken is false")))
        }
        _ => (
            format!("Nothing switches the token off, and container {} has none: the Pod was made without the admission plugin ServiceAccount, or something took the mount away.", container.name),
            seen(pointer.clone(), format!("container {} mounts nothing at {PLACE}", container.name)),
        ),
    };
    let manifest = "spec:\n  template:\n    spec:\n      automountServiceAccountToken: true";
    vec![
        RULE.finding(Confidence::Certain, why, cite, Step::manifest("Say so in the Pod template, where the program needs the token", manifest))
            .cite_if(words)
            .step(links::remake(judged)),
    ]
}
