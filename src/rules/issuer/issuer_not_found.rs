//! The issuer URL leads to no issuer.

use crate::apiserver::message;
use crate::report::{Candidate, Finding, Severity, Step};
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
    // The API server may read the document from elsewhere (discoveryURL).
    if case.authenticator().is_some_and(|jwt| jwt.issuer.discovery_url.is_some()) {
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
    let mut finding = RULE
        .finding(
            confidence,
            format!("{url} answers {status}: no realm or tenant is there, so the API server cannot read the discovery document of {issuer}, unless its configuration names another address for it (discoveryURL)."),
            first,
            Step::command("Open the discovery URL of the issuer you mean, and configure the API server (--oidc-issuer-url) with the issuer that stands in it, byte for byte", format!("curl -s {url}")),
        )
        .cite_if(probe.map(|(status, path, _)| probed(path, format!("{url} answers {status} here"))));
    if logged.is_none() && case.not_initialized().is_none() {
        finding.candidates = vec![Candidate {
            code: "token-audience-mismatch",
            why: "with a discoveryURL of its own the API server reads the document elsewhere, and refuses the token for what stands in it".to_owned(),
            decided_by: Step::command("a TokenReview by somebody with admin rights says it in words", "kaccess doctor --reviewer-context ADMIN_CONTEXT"),
        }];
    }
    vec![finding]
}
