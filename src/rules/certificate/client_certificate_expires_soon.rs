//! A client certificate near its end that nothing renews.

use crate::evidence::credential::CredentialSource;
use crate::report::{seen, Confidence, Finding, Severity};
use crate::rules::api_port::span;
use crate::rules::validity::ends_soon;
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

/// Somebody has to issue the new one by hand: a month leaves time to ask.
const DAYS: i64 = 30;

fn check(case: &Case<'_>) -> Vec<Finding> {
    // What a plugin hands out, it renews.
    let Some(credential) = case.evidence.credential.seen().filter(|credential| credential.source == CredentialSource::ClientCertificate)
    else {
        return Vec::new();
    };
    let Some(leaf) = credential.certificates.first() else { return Vec::new() };
    let Some((end, left)) = ends_soon(leaf, case.server_time().0, DAYS) else { return Vec::new() };
    let left = span(left);
    let name = leaf.common_names.last().map_or("the user", String::as_str);
    let mut steps = renew::certificate(case, leaf).into_iter();
    let Some(first) = steps.next() else { return Vec::new() };
    vec![
        RULE.finding(
            Confidence::Certain,
            format!("The certificate of {name:?} ends on {end}, in {left}; the API server gives no leeway, and nothing renews a certificate that stands in a file."),
            seen("/credential/seen/certificates/0/notAfter", format!("valid until {end}")),
            first,
        )
        .titled(format!("The client certificate of {name:?} expires in {left}"))
        .steps(steps),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{Evidence, Outcome};

    #[test]
    fn the_last_day_is_told_in_hours() {
        let text = include_str!("../../../testdata/cases/client-certificate-expires-soon/evidence.json");
        let mut evidence: Evidence = serde_json::from_str(text).expect("evidence");
        let now = Case::new(&evidence).server_time().0;
        let Outcome::Seen(credential) = &mut evidence.credential.outcome else { panic!("no credential") };
        credential.certificates[0].not_after = Some(now + jiff::SignedDuration::from_hours(6));
        let found = check(&Case::new(&evidence));
        let titles: Vec<&str> = found.iter().map(|finding| finding.title.as_str()).collect();
        assert_eq!(titles, ["The client certificate of \"jane\" expires in 6 h"]);
        assert!(found[0].why.contains(", in 6 h; "), "{}", found[0].why);
    }
}
