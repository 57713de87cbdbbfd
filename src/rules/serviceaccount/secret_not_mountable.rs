//! The service account does not allow the Pod this Secret.

use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "secret-not-mountable",
    severity: Severity::Error,
    title: "The service account does not allow the Pod this Secret",
    page: Page {
        means: "With the annotation kubernetes.io/enforce-mountable-secrets: true on a service account, its Pods may use only the Secrets that its list secrets names. Admission refuses the others' Pods, and the Deployment makes none.",
        evidence: "The annotation, the service account's list, and the Secrets that the Pod or its template uses.",
        fix: "Add the Secret to the service account's list: `kubectl edit serviceaccount NAME -n NAMESPACE`, under secrets.",
        references: "https://kubernetes.io/docs/concepts/security/service-accounts/#enforce-mountable-secrets",
    },
    recognises: &[],
    explains: &[],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(judged) = &case.workload else { return Vec::new() };
    let Some(account) = judged.workload.service_account.seen() else { return Vec::new() };
    const ENFORCED: &str = "kubernetes.io/enforce-mountable-secrets";
    if account.annotations.get(ENFORCED).map(String::as_str) != Some("true") {
        return Vec::new();
    }
    // What is refused is refused before there is a Pod: the template tells.
    let owner = judged.workload.owner.seen().map(|owner| (&owner.template, "/workload/owner/seen/template"));
    let Some((template, at)) = owner.or_else(|| judged.template()) else { return Vec::new() };
    let listed = |name: &str, list: &[String]| list.iter().any(|one| one == name);
    let mut lacking: Vec<(String, String)> = Vec::new();
    for (index, volume) in template.volumes.iter().enumerate() {
        for name in volume.secrets.iter().filter(|name| !listed(name, &account.secrets)) {
            lacking.push((name.clone(), format!("{at}/volumes/{index}/secrets")));
        }
    }
    for (index, container) in template.containers.iter().enumerate() {
        let referenced = container.env.iter().filter_map(|variable| variable.from.strip_prefix("secret/"));
        for name in container.env_from_secrets.iter().map(String::as_str).chain(referenced) {
            if !listed(name, &account.secrets) {
                lacking.push((name.to_owned(), format!("{at}/containers/{index}")));
            }
        }
    }
    for name in template.pull_secrets.iter().filter(|name| !listed(name, &account.pull_secrets)) {
        lacking.push((name.clone(), format!("{at}/pullSecrets")));
    }
    let Some((name, pointer)) = lacking.first().cloned() else { return Vec::new() };
    let mut names: Vec<&str> = lacking.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let (namespace, own) = judged.account_name();
    let kept: Vec<&str> = account.secrets.iter().map(String::as_str).chain(names.iter().copied()).collect();
    let list: Vec<String> = kept.iter().map(|name| format!("{{\"name\":\"{name}\"}}")).collect();
    vec![
        RULE.finding(
            Confidence::Certain,
            format!("Service account {namespace}/{own} enforces its list of Secrets, and {} is not in it: admission refuses such Pods.", names.join(", ")),
            seen(pointer, format!("uses Secret {name}")),
            Step::command(
                "Put it into the list; what stood there stays",
                shell!("kubectl patch serviceaccount {} -n {} -p '{{\"secrets\":[{}]}}'", own, namespace, list.join(",")),
            ),
        )
        .titled(format!("Service account {namespace}/{own} does not allow Secret {name}"))
        .cite(seen("/workload/serviceAccount/seen/annotations/kubernetes.io~1enforce-mountable-secrets", "the list is enforced"))
        .cite(seen("/workload/serviceAccount/seen/secrets", format!("its list: {}", account.secrets.join(", ")))),
    ]
}
