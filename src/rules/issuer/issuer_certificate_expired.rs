//! The issuer's certificate is past its end.

use crate::apiserver::message::{self, heard};
use crate::evidence::tls::TlsFaultKind;
use crate::report::shell::shell;
use crate::report::{Finding, Severity, Step, probed};
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "issuer-certificate-expired",
    severity: Severity::Error,
    title: "The issuer's certificate has expired",
    page: Page {
        means: "The API server does not accept the issuer's certificate any more, so it cannot read the discovery document (or, later, the keys).",
        evidence: "The API server's log (certificate has expired or is not yet valid), or the end of validity in the certificate that the issuer presents here.",
        fix: "Renew the certificate of the issuer, or of the balancer in front of it; the API server recovers within 10 s. `openssl s_client -connect ISSUER:443 -servername ISSUER` shows the one that is served.",
        references: "https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfig",
    },
    recognises: &[&message::OIDC_INIT_X509, &heard::INIT_OLD],
    explains: &["credential-rejected", "oidc-not-initialized", "oidc-partly-initialized", "issuer-blocks-control-plane", "issuer-certificate-untrusted"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    if case.accepted() || case.initialized() {
        return Vec::new();
    }
    let (probes, at) = case.issuer();
    let said = case.said(&message::OIDC_INIT_X509).filter(|word| word.field("error").contains("expired"));
    // Whoever reads this certificate meets the fault, the control plane too.
    let tls = probes.tls.seen();
    let fault = tls.and_then(|tls| Some((tls, tls.faults.iter().position(|fault| fault.kind == TlsFaultKind::Expired)?)));
    let (confidence, first) = match (said, &fault, case.not_initialized()) {
        (Some(word), ..) => (word.sure(), word.cite()),
        (None, Some(_), Some((cite, confidence))) if case.logged_discovery_status().is_none() => (confidence, cite),
        _ => return Vec::new(),
    };
    let host = probes.target.seen().map_or_else(|| "the issuer".to_owned(), |target| target.host.clone());
    let place = case.issuer_place();
    let leaf = tls.and_then(|tls| tls.chain.first());
    let end = leaf.and_then(|leaf| leaf.not_after).map_or_else(String::new, |end| format!(" on {end}"));
    let why = format!("The certificate of {host} ended{end}; the API server breaks off before it reads the discovery document.");
    let mut finding = RULE.finding(confidence, why, first, Step::command("Renew the certificate of the issuer (or of the balancer before it) and have the server load it; this must show an end that lies ahead", shell!("openssl s_client -connect {} -servername {} </dev/null 2>/dev/null | openssl x509 -noout -enddate", place, host)))
        .step(Step::command("The API server tries again every 10 s; then", "kaccess doctor"));
    if let Some((tls, index)) = fault {
        finding = finding.cite(probed(format!("{at}/tls/seen/faults/{index}"), tls.faults[index].detail.clone()));
    }
    vec![finding]
}
