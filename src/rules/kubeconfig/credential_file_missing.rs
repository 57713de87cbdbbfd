//! A file that the kubeconfig names for a credential is not there.

use crate::apiserver::message::heard;
use crate::evidence::FailureKind;
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::kubeconfig::kubeconfig_unparsable::EMPTY_TOKEN;
use crate::rules::kubeconfig_fault::{complaint, is_other};
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "credential-file-missing",
    severity: Severity::Error,
    title: "A credential file that the kubeconfig names cannot be read",
    page: Page {
        means: "The user entry names a file for its token, client certificate or key (or the cluster entry one for its CA), and that file is not there, is empty or may not be read. Relative names count from the kubeconfig's folder.",
        evidence: "The path as resolved, and the system's answer to opening it.",
        fix: "Put the file back, correct the path, or allow yourself to read it. `kubectl config view --minify` shows the path.",
        references: "https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/",
    },
    recognises: &[&heard::ENTRY_FILE],
    explains: &[],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let kinds = [FailureKind::NotFound, FailureKind::Unreadable];
    let told = case.evidence.credential.failed_as(&kinds).filter(|failure| !is_other(failure, RULE.code));
    if let Some(failure) = case.evidence.credential.failed_as(&[FailureKind::Malformed]).filter(|failure| failure.detail.starts_with(EMPTY_TOKEN)) {
        let file = failure.detail.split('"').nth(1).unwrap_or("FILE");
        return vec![
            RULE.finding(
                Confidence::Certain,
                format!("The user entry takes its token from {file}, and nothing is in that file. kubectl sends no request."),
                seen("/credential/failed/detail", failure.detail.clone()),
                Step::command("See when it was written last, and run again what writes it", shell!("ls -l {}", file)),
            )
            .titled("The token file that the kubeconfig names is empty")
            .step(Step::command("See which file the user entry names", "kubectl config view --minify -o jsonpath='{.users[0].user.tokenFile}'")),
        ];
    }
    let (detail, cite) = match (told, complaint(case, RULE.code)) {
        (Some(failure), _) => (failure.detail.as_str(), seen("/credential/failed/detail", failure.detail.clone())),
        (None, Some(complaint)) => (complaint.detail, complaint.cite),
        (None, None) => return Vec::new(),
    };
    if detail.contains("certificate-authority") {
        let cluster = crate::rules::kubeconfig_fault::cluster(case);
        return vec![RULE
            .finding(
                Confidence::Certain,
                "The cluster entry names a CA file that cannot be read, so kubectl stops before it opens a connection.",
                cite,
                Step::command(
                    "Put the cluster's CA into the entry itself, so that no file can be missing",
                    shell!("kubectl config set-cluster {} --certificate-authority=ca.crt --embed-certs=true", cluster),
                ),
            )
            .titled("The CA file that the kubeconfig names cannot be read")];
    }
    vec![RULE.finding(
        Confidence::Certain,
        "The user entry names a file that cannot be read, and without it there is nothing to send.",
        cite,
        Step::command("See which file the user entry names, and put it there", "kubectl config view --minify -o jsonpath='{.users[0].user}'"),
    )]
}
