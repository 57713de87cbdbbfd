//! The issuer's certificate is for other names.

use crate::apiserver::message::{self, heard};
use crate::evidence::tls::TlsFaultKind;
use crate::report::shell::shell;
use crate::report::{Finding, Severity, Step};
use crate::rules::issuer_port::broken;
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "issuer-certificate-name-mismatch",
    severity: Severity::Error,
    title: "The issuer's certificate is for another name",
    page: Page {
        means: "The host in the issuer's URL is not among the alternative names of the certificate that it presents (a common name does not count). The API server breaks off.",
        evidence: "The API server's log (certificate is valid for A, not B), or the names in the certificate that the issuer presents here.",
        fix: "Give the issuer a certificate for its name, or use the name of the certificate in the issuer's URL (on both sides). `openssl s_client -connect ISSUER:443 -servername ISSUER` shows the names.",
        references: "https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfig",
    },
    recognises: &[&message::OIDC_INIT_X509, &heard::INIT_OLD],
    explains: &["credential-rejected", "oidc-not-initialized", "oidc-partly-initialized", "issuer-blocks-control-plane", "issuer-certificate-untrusted"],
    check,
};

/// Go's words for a certificate that is for other names, or for none.
fn is_name(error: &str) -> bool {
    ["is valid for", "not valid for any names", "doesn't contain any IP SANs", "legacy Common Name"].iter().any(|part| error.contains(part))
}

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(broken) = broken(case, is_name, &[TlsFaultKind::NameMismatch]) else { return Vec::new() };
    let (host, place) = (&broken.host, case.issuer_place());
    let names = broken.leaf.map_or_else(String::new, |leaf| if leaf.names.is_empty() { " (it has no alternative names at all)".to_owned() } else { format!(" (it is for {})", leaf.names.join(", ")) });
    let why = format!("The certificate that answers at {host} is not for that name{names}; the API server breaks off before it reads the discovery document.");
    let finding = RULE.finding(broken.confidence, why, broken.first, Step::command(format!("Have a certificate issued with {host} among its alternative names; this must list it"), shell!("openssl s_client -connect {} -servername {} </dev/null 2>/dev/null | openssl x509 -noout -ext subjectAltName", place, host)))
        .step(Step::text("If a default certificate answers, the balancer has no rule for this name (SNI): add the name to its listener."));
    vec![finding.cite_if(broken.met.map(|(_, cite)| cite))]
}
