//! A file that the kubeconfig names for a credential is not there.

use crate::evidence::FailureKind;
use crate::report::{Confidence, Finding, Severity, Step};
use crate::rules::{Case, Page, Rule, failed_as, seen};

/// The rule.
pub static RULE: Rule = Rule {
    code: "credential-file-missing",
    severity: Severity::Error,
    title: "A credential file that the kubeconfig names cannot be read",
    page: Page {
        means: "The user entry names a file for its token, client certificate or key, and that file is not there or may not be read. Relative names count from the kubeconfig's folder.",
        evidence: "The path as resolved, and the system's answer to opening it.",
        fix: "Put the file back, correct the path, or allow yourself to read it.",
        references: "https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/",
    },
    recognises: &[],
    explains: &[],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(failure) = failed_as(&case.evidence.credential, &[FailureKind::NotFound, FailureKind::Unreadable]) else {
        return Vec::new();
    };
    vec![RULE.finding(
        Confidence::Certain,
        format!("{}. Without it there is nothing to send.", failure.detail),
        seen("/credential/failed/detail", failure.detail.clone()),
        Step::command("See which file the user entry names, and put it there", "kubectl config view --minify -o jsonpath='{.users[0].user}'"),
    )]
}
