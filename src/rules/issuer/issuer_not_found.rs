//! The issuer URL leads to no issuer.

use crate::apiserver::message;
use crate::report::{Finding, Severity, Step};
use crate::rules::{Case, Page, Rule, probed};

/// The rule.
pub static RULE: Rule = Rule {
    code: "issuer-not-found",
    severity: Severity::Error,
    title: "The issuer URL leads to no issuer",
    page: Page {
        means: "The discovery URL answers 404: the realm or tenant in the issuer URL does not exist there, or the path is wrong (Keycloak before 17 has /auth before /realms).",
        evidence: "The status at the discovery URL, from the log of the API server or from this machine.",
        fix: "Correct the issuer URL: the one the identity provider shows in its own discovery document. `curl -s ISSUER/.well-known/openid-configuration` must answer 200.",
        references: "https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfig",
    },
    recognises: &[&message::OIDC_INIT_HTTP],
    explains: &["credential-rejected", "oidc-not-initialized", "token-issuer-mismatch"],
    check,
};

fn fits(status: u16) -> bool {
    matches!(status, 404 | 410)
}

fn check(case: &Case<'_>) -> Vec<Finding> {
    if case.accepted() {
        return Vec::new();
    }
    let logged = case.logged_discovery_status().filter(|(_, status)| fits(*status));
    let probe = case.discovery_status().filter(|(status, ..)| fits(*status));
    let (confidence, first) = match (&logged, &probe, case.issuer_fault()) {
        (Some((word, _)), ..) => (word.sure(), word.cite()),
        (None, Some(_), Some((confidence, cite))) => {
            // A log that tells of another status knows better than a probe from elsewhere.
            if case.logged_discovery_status().is_some() {
                return Vec::new();
            }
            (confidence, cite)
        }
        _ => return Vec::new(),
    };
    let status = logged.map(|(_, status)| status).or(probe.as_ref().map(|(status, ..)| *status)).unwrap_or_default();
    let (probes, _) = case.issuer();
    let issuer = probes.target.seen().map_or("the issuer", |target| target.url.as_str());
    let url = format!("{}/.well-known/openid-configuration", issuer.strip_suffix('/').unwrap_or(issuer));
    vec![
        RULE.finding(confidence, format!("{url} answers {status}: there is no such realm or tenant, so the API server cannot read the discovery document of {issuer}."), first, Step::command("Open the discovery URL of the issuer you mean, and configure the API server (--oidc-issuer-url) with the issuer that stands in it, byte for byte", format!("curl -s {url}")))
            .cite_if(probe.map(|(status, path, _)| probed(path, format!("{url} answers {status} here")))),
    ]
}
