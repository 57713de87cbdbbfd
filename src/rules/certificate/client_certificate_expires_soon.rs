//! A client certificate near its end that nothing renews.

use crate::evidence::credential::CredentialSource;
use crate::report::{seen, Confidence, Finding, Severity};
use crate::rules::{renew, Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "client-certificate-expires-soon",
    severity: Severity::Warning,
    title: "The client certificate expires soon",
    page: Page {
        means: "The credential is a certificate in a file or in the kubeconfig. Nothing renews it, and from the second of its end on every request is 401.",
        evidence: "The end of its validity, as it stands in the certificate, less than 30 days (and less than a quarter of its whole life) ahead.",
        fix: "Have a new one issued before that day: kubeadm certs renew, or a new CertificateSigningRequest. `kubeadm certs check-expiration` lists them all.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/",
    },
    recognises: &[],
    explains: &[],
    check,
};

const DAY: i64 = 24 * 60 * 60;

fn check(case: &Case<'_>) -> Vec<Finding> {
    // What a plugin hands out, it renews.
    let Some(credential) = case.evidence.credential.seen().filter(|credential| credential.source == CredentialSource::ClientCertificate)
    else {
        return Vec::new();
    };
    let Some(leaf) = credential.certificates.first() else { return Vec::new() };
    let (Some(begin), Some(end)) = (leaf.not_before, leaf.not_after) else { return Vec::new() };
    let left = end.as_second() - case.evidence.observed_at.as_second();
    let life = end.as_second() - begin.as_second();
    if left <= 0 || left > 30 * DAY || left > life / 4 {
        return Vec::new();
    }
    let name = leaf.common_names.last().map_or("the user", String::as_str);
    let mut steps = renew::certificate(case, leaf).into_iter();
    let Some(first) = steps.next() else { return Vec::new() };
    vec![
        RULE.finding(
            Confidence::Certain,
            format!("The certificate of {name:?} ends on {end}, in {} days; the API server gives no leeway, and nothing renews a certificate that stands in a file.", left / DAY),
            seen("/credential/seen/certificates/0/notAfter", format!("valid until {end}")),
            first,
        )
        .titled(format!("The client certificate of {name:?} expires in {} days", left / DAY))
        .steps(steps),
    ]
}
