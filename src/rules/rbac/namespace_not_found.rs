//! The namespace does not exist.

use crate::apiserver::message;
use crate::report::shell::shell;
use crate::report::{Finding, Severity, Step};
use crate::rules::{Case, Page, Place, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "namespace-not-found",
    severity: Severity::Error,
    title: "The namespace does not exist",
    page: Page {
        means: "The right was there, the namespace is not: only writing tells so. Reading in a namespace that does not exist gives empty lists to those who may, and a plain refusal to the others.",
        evidence: "The message namespaces \"NAME\" not found.",
        fix: "Correct the namespace (-n, the context's default, metadata.namespace), or create it. `kubectl get namespaces` lists them, `kubectl create namespace NAME` makes one.",
        references: "https://kubernetes.io/docs/concepts/overview/working-with-objects/namespaces/",
    },
    recognises: &[&message::NAMESPACE_NOT_FOUND],
    explains: &["rbac-no-grant"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let said = case.said(&message::NAMESPACE_NOT_FOUND).filter(|word| word.place == Place::Met);
    let Some(word) = said else { return Vec::new() };
    let namespace = word.field("namespace");
    let context = case.evidence.kubeconfig.seen().filter(|kubeconfig| kubeconfig.namespace == namespace);
    let origin = if context.is_some() { " It is the one that the context names." } else { "" };
    vec![
        RULE.finding(
            word.confidence(true),
            format!("The API server let the request pass and then found no namespace {namespace:?}: this is a name, not a right.{origin}"),
            word.cite(),
            Step::command("Look at how it is spelled there", "kubectl get namespaces"),
        )
        .titled(format!("The namespace {namespace:?} does not exist"))
        .step(Step::command("If it is new, create it", shell!("kubectl create namespace {}", namespace))),
    ]
}
