//! The server is not verified.

use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::kubeconfig_fault::{cluster, complaint};
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "tls-verification-off",
    severity: Severity::Warning,
    title: "The API server's certificate is not verified",
    page: Page {
        means: "insecure-skip-tls-verify is on: whoever answers at the address of the server gets the credential with the next request, and may answer whatever he likes.",
        evidence: "The cluster entry (or the flag).",
        fix: "Put the cluster's CA into the entry; that switches verification on again. `kubectl config set-cluster CLUSTER --certificate-authority=CA --embed-certs`.",
        references: "https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/",
    },
    recognises: &[],
    explains: &[],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let kubeconfig = case.evidence.kubeconfig.seen();
    let entry = kubeconfig.and_then(|kubeconfig| kubeconfig.cluster.as_ref());
    let Some(entry) = entry.filter(|cluster| cluster.insecure_skip_tls_verify) else { return Vec::new() };
    vec![
        RULE.finding(
            Confidence::Certain,
            format!("Nothing proves that the server at {} is the cluster; the credential is sent to it all the same.", entry.server),
            seen("/kubeconfig/seen/cluster/insecureSkipTlsVerify", "insecure-skip-tls-verify: true"),
            Step::command(
                "With the CA in a file, put it into the entry; kubectl takes insecure-skip-tls-verify out by itself",
                shell!("kubectl config set-cluster {} --certificate-authority=ca.crt --embed-certs=true", cluster(case)),
            ),
        )
        .cite_if(complaint(case, RULE.code).map(|complaint| complaint.cite)),
    ]
}
