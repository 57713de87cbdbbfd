//! The client certificate names nobody.

use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "client-certificate-no-common-name",
    severity: Severity::Error,
    title: "The client certificate has no common name",
    page: Page {
        means: "The common name of the subject is the user name. Without one the API server has no opinion of the certificate: the request is answered 401 where a front proxy has a CA of its own (kubeadm), else it goes on as system:anonymous.",
        evidence: "The subject in the certificate. The log then holds a bare \"x509: certificate signed by unknown authority\" of the front proxy's check, which says nothing of the real cause.",
        fix: "Have one issued with CN=USER in the subject, and O=GROUP for each group. Alternative names do not count. `openssl req -new -key KEY -subj /O=GROUP/CN=USER` makes the request.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/authentication/#x509-client-certificates",
    },
    recognises: &[],
    explains: &["credential-rejected", "anonymous-request"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(leaf) = case.only_certificate() else { return Vec::new() };
    if leaf.common_names.last().is_some_and(|name| !name.is_empty()) {
        return Vec::new();
    }
    let Some(outcome) = case.rejected().or_else(|| case.anonymous()) else { return Vec::new() };
    let group = leaf.organizations.first().map_or("GROUP", String::as_str);
    vec![
        RULE.finding(
            Confidence::Certain,
            format!("The subject of the certificate is {:?}: no common name, so it names no user.", leaf.subject),
            seen("/credential/seen/certificates/0/subject", format!("subject {:?}", leaf.subject)),
            Step::command(
                "Make the request anew with a common name, and have it signed (kubernetes.io/kube-apiserver-client)",
                shell!("openssl req -new -key user.key -subj '/O={}/CN=USER' -out user.csr", group),
            ),
        )
        .cite(outcome),
    ]
}
