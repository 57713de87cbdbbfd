//! An image pull Secret does not exist, or is none.

use crate::apiserver::message::heard;
use crate::aws::workload::absent;
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::{Case, Page, Rule, pod_role};

/// The rule.
pub static RULE: Rule = Rule {
    code: "image-pull-secret-missing",
    severity: Severity::Error,
    title: "An image pull Secret does not exist, or is none",
    page: Page {
        means: "The kubelet leaves out, without a word, what it does not find: the pull goes without a credential and fails as 401 or 403 of the registry (ImagePullBackOff).",
        evidence: "The Secrets that the Pod or its service account names in imagePullSecrets: not there, or of another type than kubernetes.io/dockerconfigjson. Their content is not read.",
        fix: "Make it in the Pod's own namespace: `kubectl create secret docker-registry NAME -n NAMESPACE --docker-server=SERVER --docker-username=USER --docker-password=PASSWORD`.",
        references: "https://kubernetes.io/docs/tasks/configure-pod-container/pull-image-private-registry/",
    },
    recognises: &[&heard::IMAGE_PULL_SECRET],
    explains: &[],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(judged) = &case.workload else { return Vec::new() };
    let mut findings = Vec::new();
    for (index, secret) in judged.workload.secrets.iter().enumerate() {
        if !secret.uses.iter().any(|one| one == "image-pull") {
            continue;
        }
        let at = format!("/workload/secrets/{index}/look");
        let (text, cite) = match secret.look.seen() {
            None if absent(&secret.look) => ("does not exist".to_owned(), seen(format!("{at}/failed"), format!("no Secret {}", secret.name))),
            Some(facts) if !facts.kind.is_empty() && !facts.kind.starts_with("kubernetes.io/dockerc") => {
                (format!("has the type {}, which the kubelet does not take", facts.kind), seen(format!("{at}/seen/type"), facts.kind.clone()))
            }
            _ => continue,
        };
        let (namespace, name) = (&secret.namespace, &secret.name);
        let words = pod_role::met_or_event(case, &["ImagePullBackOff", "ErrImagePull", "Failed to pull image", "failed to retrieve some image pull secrets"]);
        findings.push(
            RULE.finding(
                Confidence::Certain,
                format!("imagePullSecrets names {name}, and Secret {namespace}/{name} {text}: images are pulled without it."),
                cite,
                Step::command(
                    "Make it in the Pod's own namespace",
                    shell!("kubectl create secret docker-registry {} -n {} --docker-server=REGISTRY --docker-username=USER --docker-password=\"$PASSWORD\"", name, namespace),
                ),
            )
            .titled(format!("The image pull Secret {namespace}/{name} {}", if secret.look.seen().is_some() { "is none" } else { "does not exist" }))
            .cite_if(words),
        );
    }
    findings
}
