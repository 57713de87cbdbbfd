//! The issuer is down.

use crate::apiserver::message;
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step, probed};
use crate::rules::{Case, Page, Rule, eks};

/// The rule.
pub static RULE: Rule = Rule {
    code: "issuer-unavailable",
    severity: Severity::Error,
    title: "The issuer is down",
    page: Page {
        means: "The discovery URL answers with a server error: the identity provider is down, starting, or the balancer has no healthy target for it.",
        evidence: "The status at the discovery URL, from the log of the API server or from this machine.",
        fix: "Bring the identity provider up again; the API server recovers within 10 s. `curl -si ISSUER/.well-known/openid-configuration` shows when it is back.",
        references: "https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfig",
    },
    recognises: &[&message::OIDC_INIT_HTTP],
    explains: &["credential-rejected", "oidc-not-initialized", "token-issuer-mismatch"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(fault) = case.fault_by_status(|status| (500..600).contains(&status)) else { return Vec::new() };
    let status = fault.status;
    // The provider is not asked: nothing is known of how it is.
    if eks::answered_by_rule(case, status) {
        return Vec::new();
    }
    let signed = eks::signed_by_balancer(case).filter(|_| fault.probe.is_some());
    let confidence = if signed.is_some() { fault.confidence.max(Confidence::Likely) } else { fault.confidence };
    let (probes, _) = case.issuer();
    let issuer = probes.target.seen().map_or("the issuer", |target| target.url.as_str());
    let url = case.discovery_document();
    let who = match &signed {
        Some((server, _)) => format!("{url} answers {status}, signed {server} as a load balancer of AWS signs its own answers: the identity provider behind it is down or not ready, or a rule of that load balancer answers so"),
        None => format!("{url} answers {status}: the identity provider behind it is down or not ready"),
    };
    let mut finding = RULE
        .finding(confidence, format!("{who}, so the API server cannot read the discovery document of {issuer}."), fault.cite, Step::command("Bring the identity provider (or the targets behind its balancer) up again; this URL must answer 200, and the API server recovers within 10 s", shell!("curl -si {} | head -n 1", url)))
        .cite_if(fault.probe.map(|(status, path)| probed(path, format!("{url} answers {status} here"))));
    finding.candidates.extend(signed.map(|(_, candidate)| candidate));
    vec![finding.modest()]
}
