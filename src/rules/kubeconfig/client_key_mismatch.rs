//! The client key does not belong to the certificate.

use crate::apiserver::message::heard;
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step};
use crate::rules::kubeconfig_fault::{complaint, user};
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "client-key-mismatch",
    severity: Severity::Error,
    title: "The client certificate and key do not belong together",
    page: Page {
        means: "kubectl stops with \"tls: private key does not match public key\" (or finds no PEM in one of them). Usually only one of the two was renewed or copied.",
        evidence: "The public key of the certificate against that of the key, compared here.",
        fix: "Put certificate and key of the same issue into the entry, together. `kubectl config set-credentials USER --client-certificate=CERT --client-key=KEY --embed-certs`.",
        references: "https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/",
    },
    recognises: &[&heard::KEY_PAIR],
    explains: &[],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(complaint) = complaint(case, RULE.code) else { return Vec::new() };
    if complaint.detail.to_lowercase().contains("encrypted") {
        return vec![
            RULE.finding(
                Confidence::Certain,
                format!("The client key is encrypted, and kubectl asks for no passphrase: {}.", complaint.detail),
                complaint.cite,
                Step::command("Write it without a passphrase, readable by you alone, and name that file in the entry", "umask 077; openssl pkey -in client.key -out client-plain.key"),
            )
            .titled("The client key is encrypted with a passphrase"),
        ];
    }
    vec![
        RULE.finding(
            Confidence::Certain,
            format!("Go's TLS says of the pair in the user entry: {}.", complaint.detail),
            complaint.cite,
            Step::command(
                "Compare the public keys of the two files that you mean",
                "openssl x509 -in client.crt -noout -pubkey | sha256sum; openssl pkey -in client.key -pubout | sha256sum",
            ),
        )
        .step(Step::command(
            "Put a pair that agrees into the entry",
            shell!("kubectl config set-credentials {} --client-certificate=client.crt --client-key=client.key --embed-certs=true", user(case)),
        )),
    ]
}
