//! A CA, and verification switched off: kubectl refuses both together.

use crate::apiserver::message::heard;
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step};
use crate::rules::kubeconfig_fault::{cluster, complaint};
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "insecure-with-ca",
    severity: Severity::Error,
    title: "The cluster entry has a CA and switches verification off",
    page: Page {
        means: "kubectl stops with \"specifying a root certificates file with the insecure flag is not allowed\". Somebody switched verification off and left the CA in.",
        evidence: "Both fields stand in the cluster entry.",
        fix: "Drop insecure-skip-tls-verify; the CA is there. `kubectl config unset clusters.CLUSTER.insecure-skip-tls-verify`.",
        references: "https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/",
    },
    recognises: &[&heard::CA_AND_INSECURE],
    explains: &[],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(complaint) = complaint(case, RULE.code) else { return Vec::new() };
    vec![RULE.finding(
        Confidence::Certain,
        "The cluster entry names a CA and says not to use it; kubectl refuses to guess which one is meant.",
        complaint.cite,
        Step::command(
            "Keep the CA and switch verification on again",
            shell!("kubectl config set-cluster {} --insecure-skip-tls-verify=false", cluster(case)),
        ),
    )]
}
