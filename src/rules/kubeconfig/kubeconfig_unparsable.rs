//! The kubeconfig cannot be used as it is.

use crate::apiserver::message::heard;
use crate::evidence::FailureKind;
use crate::report::{Confidence, Finding, Severity, Step};
use crate::rules::complaint::is_other;
use crate::rules::{Case, Page, Rule, failed_as, seen};

/// The rule.
pub static RULE: Rule = Rule {
    code: "kubeconfig-unparsable",
    severity: Severity::Error,
    title: "The kubeconfig cannot be used as it is",
    page: Page {
        means: "The file is there, but cannot be read as a kubeconfig: not YAML, another kind of document, a directory, a wrong type in a field, or data that is not base64 or PEM.",
        evidence: "The complaint with file and line, in the words kubectl uses.",
        fix: "Repair the line named, or write the file anew with your provider's command. `kubectl config view` says when it can be read.",
        references: "https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/",
    },
    recognises: &[&heard::KUBECONFIG_BROKEN],
    explains: &[],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let kinds = [FailureKind::Malformed, FailureKind::Unreadable];
    let places = [
        (failed_as(&case.evidence.kubeconfig, &kinds), "/kubeconfig/failed/detail"),
        (failed_as(&case.evidence.credential, &kinds[..1]), "/credential/failed/detail"),
        (failed_as(&case.evidence.plugin, &kinds[..1]), "/plugin/failed/detail"),
    ];
    let Some((failure, path)) = places.into_iter().find_map(|(failure, path)| Some((failure?, path))) else {
        return Vec::new();
    };
    if is_other(failure, RULE.code) {
        return Vec::new();
    }
    vec![RULE.finding(
        Confidence::Certain,
        "kubectl refuses the whole kubeconfig for this one fault, and connects to nothing.",
        seen(path, failure.detail.clone()),
        Step::text(
            "Repair the place that the message names, or write the entry anew (aws eks update-kubeconfig, or the file your cluster admin gives you).",
        ),
    )]
}
