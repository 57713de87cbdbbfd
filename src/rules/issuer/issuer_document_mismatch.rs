//! The discovery document names another issuer than the one it was asked for.

use crate::apiserver::message;
use crate::report::{probed, Confidence, Finding, Severity, Step};
use crate::rules::setting::{self, Setting};
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "issuer-document-mismatch",
    severity: Severity::Error,
    title: "The discovery document names another issuer",
    page: Page {
        means: "The issuer inside the discovery document must equal the configured one byte by byte. A slash at the end, http for https, or an internal host name is enough, and the API server never initialises.",
        evidence: "The server's log (issuer did not match ... expected ... got ...), or the configured issuer beside the document that kaccess read.",
        fix: "Configure the API server with exactly the issuer of the document; or correct the provider's idea of its own address (Keycloak: hostname). `curl -s ISSUER/.well-known/openid-configuration` shows its issuer; `--oidc-issuer-url=ISSUER` is the flag.",
        references: "https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfigurationValidation",
    },
    recognises: &[&message::OIDC_ISSUER_DIFFERS],
    explains: &["credential-rejected", "oidc-not-initialized", "token-issuer-mismatch"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    if case.accepted() {
        return Vec::new();
    }
    let (probes, at) = case.issuer();
    let said = case.said(&message::OIDC_ISSUER_DIFFERS);
    let target = probes.target.seen();
    let document = probes.discovery.seen().filter(|discovery| discovery.answer.status == 200).and_then(|discovery| discovery.issuer.as_deref());
    let differs = target.zip(document).filter(|(target, document)| target.url != *document);
    let (confidence, first, expected, got) = match (&said, &differs) {
        (Some(word), _) => (word.sure(), word.cite(), word.field("expected").to_owned(), word.field("got").to_owned()),
        (None, Some((target, document))) => {
            // The configured issuer and the document are both before us: that decides it.
            let configured = case.configuration.as_ref().is_some_and(|(configuration, _)| configuration.jwt.iter().any(|jwt| jwt.issuer.url == target.url));
            let Some((confidence, cite)) = case.issuer_fault() else { return Vec::new() };
            let confidence = if configured { Confidence::Certain } else { confidence };
            (confidence, cite, target.url.clone(), (*document).to_owned())
        }
        _ => return Vec::new(),
    };
    let mut finding = RULE
        .finding(
            confidence,
            format!("The API server is to trust {expected:?}, but the document at that address says it is {got:?}. The two are compared byte by byte, so the API server never initialises this issuer."),
            first,
            setting::set(case, "Configure the issuer as the document says it", Setting::Issuer(&expected, &got)),
        )
        .step(Step::text("Or, if the document is wrong, correct the provider's own address (Keycloak: --hostname, and the proxy's X-Forwarded headers)."));
    if document.is_some() {
        finding = finding.cite(probed(format!("{at}/discovery/seen/issuer"), format!("the document says issuer {:?}", document.unwrap_or_default())));
    }
    vec![finding]
}
