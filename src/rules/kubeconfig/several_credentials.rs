//! The user entry holds two credentials that exclude each other.

use crate::apiserver::message::heard;
use crate::report::shell::{Shell, shell};
use crate::report::{Confidence, Finding, Severity, Step};
use crate::rules::kubeconfig_fault::{complaint, user};
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "several-credentials",
    severity: Severity::Error,
    title: "The user entry holds two credentials of which only one is allowed",
    page: Page {
        means: "kubectl stops with \"more than one authentication method found\": a token beside a password, a plugin beside an auth-provider, or the same certificate or key both as data and as file.",
        evidence: "The fields of the user entry.",
        fix: "Take one of them out. `kubectl config unset users.USER.password`, or the same of token.",
        references: "https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/",
    },
    recognises: &[&heard::TWO_METHODS],
    explains: &[],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(complaint) = complaint(case, RULE.code) else { return Vec::new() };
    let name = user(case);
    let has = |field: &str| complaint.detail.contains(field);
    // The same credential, written twice.
    let twice = has("client-cert-data") || has("client-key-data");
    let (why, unset): (&str, &[&str]) = if has("client-cert-data") && has("client-key-data") {
        ("Keep the certificate and the key that are embedded, drop the files", &["client-certificate", "client-key"])
    } else if has("client-cert-data") {
        ("Keep the certificate that is embedded, drop the file", &["client-certificate"])
    } else if has("client-key-data") {
        ("Keep the key that is embedded, drop the file", &["client-key"])
    } else if has("authProvider") {
        ("Keep the plugin, drop the auth-provider", &["auth-provider"])
    } else {
        ("Keep the token: no API server takes a password any more", &["username", "password"])
    };
    let commands: Vec<Shell> = unset.iter().map(|field| shell!("kubectl config unset users.{}.{}", name, field)).collect();
    let finding = RULE.finding(
        Confidence::Certain,
        format!("{} kubectl does not choose for you and stops.", sentence(complaint.detail)),
        complaint.cite,
        Step::command(why, Shell::join(commands, "; ")),
    );
    let title = "The user entry has its client certificate or key both as data and as a file";
    vec![if twice { finding.titled(title) } else { finding }]
}

fn sentence(text: &str) -> String {
    format!("{}.", text.trim_end_matches('.'))
}
