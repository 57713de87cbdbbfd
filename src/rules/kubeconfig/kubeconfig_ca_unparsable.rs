//! The CA in the cluster entry cannot be read as certificates.

use crate::apiserver::message::heard;
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step};
use crate::rules::kubeconfig_fault::{cluster, complaint};
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "kubeconfig-ca-unparsable",
    severity: Severity::Error,
    title: "The kubeconfig's CA is no certificate",
    page: Page {
        means: "kubectl stops with \"unable to load root certificates: unable to parse bytes as PEM block\" before it opens a connection. The data was cut, is not PEM, or stands there twice (certificate-authority and certificate-authority-data).",
        evidence: "The bytes of the field or file, with the line they stand in.",
        fix: "Put the cluster's CA into the entry again. `kubectl config set-cluster CLUSTER --certificate-authority=CA --embed-certs`.",
        references: "https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/",
    },
    recognises: &[&heard::CA_BROKEN],
    explains: &[],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    if case.accepted() {
        return Vec::new();
    }
    let Some(complaint) = complaint(case, RULE.code) else { return Vec::new() };
    let name = cluster(case);
    if complaint.detail.contains("are both specified") {
        return vec![
            RULE.finding(
                Confidence::Certain,
                "Of the two, the data counts, and the file is ignored without a word: whoever changes the file changes nothing.",
                complaint.cite,
                Step::command("Keep the data, drop the file", shell!("kubectl config unset clusters.{}.certificate-authority", name)),
            )
            .titled("The cluster entry names its CA twice"),
        ];
    }
    vec![
        RULE.finding(
            Confidence::Certain,
            "What the cluster entry gives as its CA holds no certificate, so kubectl stops here and connects to nothing.",
            complaint.cite,
            Step::command(
                "With the CA in a file (kubeadm: /etc/kubernetes/pki/ca.crt on a control-plane node), put it into the entry",
                shell!("kubectl config set-cluster {} --certificate-authority=ca.crt --embed-certs=true", name),
            ),
        )
        .step(Step::command("On EKS the entry is written anew by", "aws eks update-kubeconfig --name CLUSTER --region REGION")),
    ]
}
