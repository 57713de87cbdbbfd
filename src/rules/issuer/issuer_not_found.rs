//! The issuer URL leads to no issuer.

use crate::apiserver::message;
use crate::report::shell::shell;
use crate::report::{Candidate, Confidence, Finding, Severity, Step, probed};
use crate::rules::{Case, Page, Rule, eks, setting};

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

/// Where the discovery document stands below an issuer's URL.
const DISCOVERY: &str = "/.well-known/openid-configuration";

/// The same Keycloak realm with the path of its other releases.
fn other_path(issuer: &str) -> Option<String> {
    let at = issuer.find("/realms/")?;
    let (base, realm) = issuer.split_at(at);
    let realm = realm.trim_end_matches('/');
    Some(match base.strip_suffix("/auth") {
        Some(base) => format!("{base}{realm}"),
        None => format!("{base}/auth{realm}"),
    })
}

fn check(case: &Case<'_>) -> Vec<Finding> {
    // The API server may read the document from elsewhere (discoveryURL).
    if case.authenticator().is_some_and(|jwt| jwt.issuer.discovery_url.is_some()) {
        return Vec::new();
    }
    let Some(fault) = case.fault_by_status(|status| matches!(status, 404 | 410)) else { return Vec::new() };
    let status = fault.status;
    // The provider is not asked: nothing is known of its realms.
    if eks::answered_by_rule(case, status) {
        return Vec::new();
    }
    let signed = eks::signed_by_balancer(case).filter(|_| fault.probe.is_some());
    let confidence = if signed.is_some() { fault.confidence.max(Confidence::Likely) } else { fault.confidence };
    let is_eks = eks::is_eks(case);
    let (probes, _) = case.issuer();
    let issuer = probes.target.seen().map_or("the issuer", |target| target.url.as_str());
    let url = format!("{}{DISCOVERY}", issuer.strip_suffix('/').unwrap_or(issuer));
    // Nobody sets a flag of an API server of EKS.
    let configure = if is_eks {
        "associate that issuer with the cluster (aws eks disassociate-identity-provider-config, then associate-identity-provider-config)".to_owned()
    } else {
        format!("configure the API server with that issuer ({})", setting::issuer_field(case))
    };
    let right = match case.claim_text("iss").filter(|iss| *iss != issuer && iss.starts_with("https://")) {
        Some(iss) => Step::command(
            format!("The token in hand comes from {iss}: if its discovery document is there, {configure}, byte for byte"),
            shell!("curl -s {}", format!("{}{DISCOVERY}", iss.strip_suffix('/').unwrap_or(iss))),
        ),
        None => Step::command(
            format!("Find the issuer's own spelling: it is iss in a token of the provider that works elsewhere, and `issuer` in its discovery document; {configure}, byte for byte"),
            "kaccess decode TOKEN",
        ),
    };
    let who = match &signed {
        Some((server, _)) => format!("{url} answers {status}, signed {server} as a load balancer of AWS signs its own answers: no realm or tenant is there, or a rule of that load balancer answers before the provider is asked"),
        None => format!("{url} answers {status}: no realm or tenant is there"),
    };
    let elsewhere = if is_eks { "" } else { ", unless its configuration names another address for it (discoveryURL)" };
    let mut finding = RULE
        .finding(
            confidence,
            format!("{who}, so the API server cannot read the discovery document of {issuer}{elsewhere}."),
            fault.cite,
            right,
        )
        .cite_if(fault.probe.map(|(status, path)| probed(path, format!("answers {status} here: {url}"))));
    if let Some(other) = other_path(issuer) {
        finding = finding.step(Step::command(
            "Keycloak has /auth before /realms up to version 16 (and later with --http-relative-path=/auth), and else not: if this answers with a document, its issuer is the right one",
            shell!("curl -s {}{}", other, DISCOVERY),
        ));
        finding = finding.step(Step::text("Is the realm's name spelled as in Keycloak's admin console? Upper and lower case count."));
    }
    if !fault.logged && !is_eks && case.not_initialized().is_none() {
        finding.candidates = vec![Candidate {
            code: "token-audience-mismatch",
            why: "with a discoveryURL of its own the API server reads the document elsewhere, and refuses the token for what stands in it".to_owned(),
            decided_by: Step::command("a TokenReview by somebody with admin rights says it in words", "kaccess doctor --reviewer-context ADMIN_CONTEXT"),
        }];
    }
    finding.candidates.extend(signed.map(|(_, candidate)| candidate));
    vec![finding.modest()]
}

#[cfg(test)]
mod tests {
    use super::other_path;

    #[test]
    fn keycloaks_two_paths_are_known() {
        assert_eq!(other_path("https://kc/realms/a").as_deref(), Some("https://kc/auth/realms/a"));
        assert_eq!(other_path("https://kc/auth/realms/a/").as_deref(), Some("https://kc/realms/a"));
        assert_eq!(other_path("https://login.example.com/tenant"), None);
    }
}
