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
    let certificate = complaint.detail.contains("client-cert-data");
    let key = complaint.detail.contains("client-key-data");
    let (why, unset): (&str, &[&str]) = if certificate {
        ("Keep the certificate that is embedded, drop the file", &["client-certificate"])
    } else if key {
        ("Keep the key that is embedded, drop the file", &["client-key"])
    } else if complaint.detail.contains("authProvider") {
        ("Keep the plugin, drop the auth-provider", &["auth-provider"])
    } else {
        ("Keep the token: no API server takes a password any more", &["username", "password"])
    };
    let commands: Vec<Shell> = unset.iter().map(|field| shell!("kubectl config unset users.{}.{}", name, field)).collect();
    let mut finding = RULE.finding(
        Confidence::Certain,
        format!("{} kubectl does not choose for you and stops.", sentence(complaint.detail)),
        complaint.cite,
        Step::command(why, Shell::join(commands, "; ")),
    );
    if certificate || key {
        let what = if certificate { "certificate" } else { "key" };
        finding = finding.titled(format!("The user entry holds the client {what} twice, as data and as a file"));
    }
    if certificate {
        // kubectl names only the first of the two, and would stop at the other the next time.
        finding = finding.step(Step::command(
            "If client-key-data stands there beside client-key as well, drop that file too",
            shell!("kubectl config unset users.{}.client-key", name),
        ));
    }
    vec![finding]
}

fn sentence(text: &str) -> String {
    format!("{}.", text.trim_end_matches('.'))
}
