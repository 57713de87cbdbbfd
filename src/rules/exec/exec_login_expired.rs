//! The login behind the plugin has ended.

use crate::apiserver::message::heard;
use crate::report::{Confidence, Finding, Severity, Step};
use crate::rules::plugin::{self, Kind, said};
use crate::rules::{Case, Page, Rule, clip};

/// The rule.
pub static RULE: Rule = Rule {
    code: "exec-login-expired",
    severity: Severity::Error,
    title: "The login behind the credential plugin has ended",
    page: Page {
        means: "The plugin renews its token with a login that was made earlier, and the identity provider does not take that one any more; or it wanted a browser for a new one and nobody finished it there.",
        evidence: "The plugin's stderr.",
        fix: "Log in again, in a terminal with a browser. `kubectl oidc-login clean` throws the old login away; `gcloud auth login`, `az login` or `aws sso login` for those.",
        references: "https://github.com/int128/kubelogin",
    },
    recognises: &[&heard::LOGIN_ENDED, &heard::LOGIN_BROWSER],
    explains: &["exec-failed", "exec-timeout"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let kind = plugin::kind(case);
    let texts: &[&str] = match kind {
        Kind::Oidc => &["could not refresh the token", "authcode-browser error", "device-code error", "invalid_grant"],
        Kind::Gke => &["There was a problem refreshing", "Reauthentication", "gcloud auth login"],
        Kind::Azure => &["AADSTS50173", "AADSTS70008", "AADSTS700082", "AADSTS50078", "az login"],
        _ => return Vec::new(),
    };
    let Some((line, cite)) = texts.iter().find_map(|text| said(case, &[text])) else { return Vec::new() };
    let step = match kind {
        Kind::Gke => Step::command("Log in again", "gcloud auth login"),
        Kind::Azure if line.contains("az login") => Step::command("Log in again", "az login"),
        Kind::Azure => Step::command("Throw the cached login away, and log in with the next request", "kubelogin remove-tokens && kubectl get --raw /version"),
        _ => Step::command(
            "In a terminal with a browser, throw the cached login away and log in again",
            "kubectl oidc-login clean && kubectl get --raw /version",
        ),
    };
    vec![RULE.finding(
        Confidence::Certain,
        format!("The plugin got no new token, because the login has to be made again: {}", clip(line, 300)),
        cite,
        step,
    )]
}
