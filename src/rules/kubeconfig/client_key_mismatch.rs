//! The client key does not belong to the certificate.

use crate::apiserver::message::{heard, tools};
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step};
use crate::rules::kubeconfig_fault::{complaint, user};
use crate::rules::{Case, Page, Rule, flag};

/// The rule.
pub static RULE: Rule = Rule {
    code: "client-key-mismatch",
    severity: Severity::Error,
    title: "The client certificate and key do not belong together",
    page: Page {
        means: "kubectl stops with \"tls: private key does not match public key\", or finds no PEM in one of them, or none that it can read. Usually only one of the two was renewed or copied.",
        evidence: "The public key of the certificate against that of the key, compared here.",
        fix: "Put certificate and key of the same issue into the entry, together. `kubectl config set-credentials USER --client-certificate=CERT --client-key=KEY --embed-certs`.",
        references: "https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/",
    },
    recognises: &[&heard::KEY_PAIR, &tools::NO_PEM],
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
    let by_flag = ["--client-certificate", "--client-key"].iter().any(|name| flag::given(case, name));
    let pair = if by_flag { "that the flags make" } else { "in the user entry" };
    if let Some((title, what, first)) = unreadable(complaint.detail) {
        return vec![
            RULE.finding(Confidence::Certain, format!("Go's TLS says of the pair {pair}: {}. {what}", complaint.detail), complaint.cite, first)
                .titled(title)
                .step(put(case)),
        ];
    }
    vec![
        RULE.finding(
            Confidence::Certain,
            format!("Go's TLS says of the pair {pair}: {}.", complaint.detail),
            complaint.cite,
            Step::command(
                "Compare the public keys of the two files that you mean",
                "openssl x509 -in client.crt -noout -pubkey | sha256sum; openssl pkey -in client.key -pubout | sha256sum",
            ),
        )
        .step(put(case)),
    ]
}

fn put(case: &Case<'_>) -> Step {
    Step::command(
        "Put a pair that agrees into the entry",
        shell!("kubectl config set-credentials {} --client-certificate=client.crt --client-key=client.key --embed-certs=true", user(case)),
    )
}

/// What is wrong where certificate and key were not even compared: the title, what Go wants, and what to do first.
fn unreadable(detail: &str) -> Option<(&'static str, &'static str, Step)> {
    let is = |part: &str| detail.contains(part);
    if is("may have been switched") || is("found a certificate rather than a key") {
        return Some((
            "The client certificate and the client key are not where they belong",
            "The certificate belongs into client-certificate and the key into client-key.",
            Step::command("See which file holds what", "grep -H -e '-----BEGIN' client.crt client.key"),
        ));
    }
    if is("unsupported certificate curve") || is("unsupported elliptic curve") {
        return Some((
            "The client key is of a kind that kubectl cannot use",
            "Go's TLS signs with RSA, Ed25519 and ECDSA on P-256, P-384 or P-521.",
            Step::command(
                "Make a key of another kind, and have a certificate signed for it",
                "umask 077; openssl ecparam -name prime256v1 -genkey -noout -out client.key",
            ),
        ));
    }
    if is("error decoding message") {
        return Some((
            "The client certificate holds a block that is no certificate",
            "The first block is one, so that kubectl sends all of them, and the API server ends TLS.",
            Step::command(
                "Take the broken block out of the file: keep the certificate, and the intermediates that this shows",
                "openssl storeutl -noout -text -certs client.crt",
            ),
        ));
    }
    if is("key input") || is("parse private key") || is("unknown private key type") {
        return Some((
            "The client key cannot be read",
            "Go wants a PEM block of a key in PKCS#8, PKCS#1 or SEC 1, of RSA, Ed25519 or ECDSA on P-256, P-384 or P-521, whose BEGIN begins a line.",
            Step::command(
                "Look at the file; this writes what openssl can read in the form that Go takes",
                "head -n 1 client.key | cat -A; umask 077; openssl pkey -in client.key -out client-plain.key",
            ),
        ));
    }
    (is("certificate input") || detail.starts_with("x509: ")).then(|| {
        (
            "The client certificate cannot be read",
            "Go wants a PEM block of type CERTIFICATE whose BEGIN begins a line, and in it a certificate that it can parse.",
            Step::command(
                "Look at the file (a byte order mark, blanks before the lines, or DER without PEM are the usual trouble); this writes what openssl can read in the form that Go takes",
                "head -n 1 client.crt | cat -A; openssl x509 -in client.crt -out client-plain.crt",
            ),
        )
    })
}
