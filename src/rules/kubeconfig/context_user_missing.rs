//! The context names a user that the kubeconfig does not have.

use crate::apiserver::message::heard;
use crate::evidence::FailureKind;
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step};
use crate::rules::complaint::{context_of, each, listed, names, quoted};
use crate::rules::{Case, Page, Rule, failed_as, seen};

/// The rule.
pub static RULE: Rule = Rule {
    code: "context-user-missing",
    severity: Severity::Error,
    title: "The context names a user that the kubeconfig does not have",
    page: Page {
        means: "The context points at a user entry that is not there. kubectl then asks for a user name and password, which no API server takes any more.",
        evidence: "The context's user is not among the users of the merged files.",
        fix: "Repair the name in the context, or add the user entry. `kubectl config set-context CONTEXT --user=USER`.",
        references: "https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/",
    },
    recognises: &[&heard::CONTEXT_USER],
    explains: &[],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(failure) = failed_as(&case.evidence.kubeconfig, &[FailureKind::UserNotFound]) else { return Vec::new() };
    let cite = seen("/kubeconfig/failed/detail", failure.detail.clone());
    let context = context_of(failure).map_or_else(|| "CONTEXT".into(), quoted);
    let names = names(failure);
    let mut steps = each(&names, "Point the context at a user that exists", |name| shell!("kubectl config set-context {} --user={}", context, name)).into_iter();
    let first = steps.next().unwrap_or_else(|| {
        Step::text("The files hold no user entry at all: take the kubeconfig again from where it is handed out, or add the file that holds the entry to KUBECONFIG.")
    });
    let why = if names.is_empty() {
        "The name is not among the user entries, of which there is none.".to_owned()
    } else {
        format!("The name is not among the user entries: there are {}. An entry of another file counts only if that file is in KUBECONFIG.", listed(&names))
    };
    let finding = RULE.finding(Confidence::Certain, why, cite, first);
    vec![steps.fold(finding, Finding::step)]
}
