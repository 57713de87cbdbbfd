//! A token or certificate in the user entry disables its plugin.

use crate::report::shell::{Shell, shell};
use crate::report::{Confidence, Finding, Severity, Step};
use crate::rules::kubeconfig_fault::{complaint, user};
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "static-credential-shadows-exec",
    severity: Severity::Error,
    title: "A fixed credential in the user entry keeps the plugin from running",
    page: Page {
        means: "Where a user entry holds a token, certificate or password beside a credential plugin, kubectl never runs the plugin and sends the fixed credential, for ever: an old token gives 401 although the plugin would log in.",
        evidence: "Both stand in the user entry, and the API server does not accept the fixed one.",
        fix: "Take the fixed credential out of the user entry. `kubectl config unset users.USER.token`.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins",
    },
    recognises: &[],
    explains: &["credential-rejected", "token-expired", "static-token-unknown", "client-certificate-expired", "client-certificate-untrusted", "token-has-whitespace", "token-not-jwt", "basic-auth-removed", "anonymous-request"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(complaint) = complaint(case, RULE.code) else { return Vec::new() };
    // One that is accepted may well be meant.
    let Some(outcome) = case.rejected().or_else(|| case.anonymous()) else { return Vec::new() };
    let name = user(case);
    let entry = case.evidence.kubeconfig.seen().and_then(|kubeconfig| kubeconfig.user.as_ref());
    let methods = entry.map(|user| user.methods.as_slice()).unwrap_or_default();
    let fields = methods.iter().flat_map(|method| match method.as_str() {
        "token" => &["token"][..],
        "tokenFile" => &["tokenFile"][..],
        "clientCertificate" => {
            &["client-certificate", "client-certificate-data", "client-key", "client-key-data"][..]
        }
        "basic" => &["username", "password"][..],
        _ => &[][..],
    });
    let commands: Vec<Shell> = fields.map(|field| shell!("kubectl config unset users.{}.{}", name, field)).collect();
    vec![
        RULE.finding(
            Confidence::Certain,
            format!("{}. The API server does not take that credential.", complaint.detail),
            complaint.cite,
            Step::command("Take the fixed credential out, so that the plugin runs", Shell::join(commands, "; ")),
        )
        .cite(outcome),
    ]
}
