//! The context names a user that the kubeconfig does not have.

use crate::apiserver::message::heard;
use crate::evidence::FailureKind;
use crate::report::{Finding, Severity};
use crate::rules::kubeconfig_fault::entry_missing;
use crate::rules::{Case, Page, Rule};

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
    entry_missing(case, &RULE, FailureKind::UserNotFound, "user").into_iter().collect()
}
