//! A client certificate without its key.

use crate::apiserver::message::heard;
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step};
use crate::rules::kubeconfig_fault::{complaint, user};
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "client-key-missing",
    severity: Severity::Error,
    title: "The user entry has a client certificate and no key",
    page: Page {
        means: "kubectl stops with \"client-key-data or client-key must be specified\": a certificate alone proves nothing.",
        evidence: "The fields of the user entry.",
        fix: "Put the key into the entry as well. `kubectl config set-credentials USER --client-certificate=CERT --client-key=KEY --embed-certs`.",
        references: "https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/",
    },
    recognises: &[&heard::KEY_ABSENT],
    explains: &[],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(complaint) = complaint(case, RULE.code) else { return Vec::new() };
    vec![RULE.finding(
        Confidence::Certain,
        "The user entry holds a certificate, and the key that belongs to it is not there.",
        complaint.cite,
        Step::command(
            "Put the key into the entry",
            shell!("kubectl config set-credentials {} --client-key=client.key --embed-certs=true", user(case)),
        ),
    )]
}
