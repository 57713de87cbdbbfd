//! The discovery document names no key set.

use crate::apiserver::message::{self, heard};
use crate::report::shell::shell;
use crate::report::{Finding, Severity, Step, probed};
use crate::rules::issuer_port::again;
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "jwks-uri-missing",
    severity: Severity::Error,
    title: "The discovery document has no jwks_uri",
    page: Page {
        means: "Without jwks_uri the API server does not know where the keys are: since 1.35 it never initialises the issuer; before, it refuses every token.",
        evidence: "The API server's log (provider did not return JWKS URL), or the discovery document read here without jwks_uri.",
        fix: "Serve the whole document of the provider; a hand-made one needs issuer, jwks_uri, response_types_supported, subject_types_supported and id_token_signing_alg_values_supported. `curl -s ISSUER/.well-known/openid-configuration` shows it.",
        references: "https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderMetadata",
    },
    recognises: &[&message::JWKS_URI_MISSING, &heard::NO_KEYS_URL],
    explains: &["credential-rejected", "oidc-not-initialized", "oidc-partly-initialized", "issuer-blocks-control-plane"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    if case.accepted() || case.initialized() {
        return Vec::new();
    }
    let (probes, at) = case.issuer();
    let said = case.said(&message::JWKS_URI_MISSING);
    let document = probes.discovery.seen().filter(|discovery| {
        discovery.answer.status == 200 && discovery.unparsable.is_none() && discovery.jwks_uri.as_deref().unwrap_or_default().is_empty()
    });
    let (confidence, first) = match (said, document, case.not_initialized()) {
        (Some(word), ..) => (word.sure(), word.cite()),
        (None, Some(_), Some((cite, confidence))) if case.logged_discovery_status().is_none() => (confidence, cite),
        _ => return Vec::new(),
    };
    let issuer = probes.target.seen().map_or("the issuer", |target| target.url.as_str());
    let mut finding = RULE
        .finding(
            confidence,
            format!("The discovery document of {issuer} does not say where the keys are, so the API server never takes this issuer up."),
            first,
            Step::command("Serve the provider's own document, with jwks_uri; this must name an https URL", shell!("curl -s {} | jq .jwks_uri", case.discovery_document())),
        )
        .step(again());
    if document.is_some() {
        finding = finding.cite(probed(format!("{at}/discovery/seen"), "the document read here has no jwks_uri"));
    }
    vec![finding.modest()]
}
