//! The client certificate is past its end.

use crate::apiserver::message::{self, heard, tools};
use crate::evidence::tls::CertificateFacts;
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::{Case, Page, Rule, Word, renew};

/// The rule.
pub static RULE: Rule = Rule {
    code: "client-certificate-expired",
    severity: Severity::Error,
    title: "The client certificate has expired",
    page: Page {
        means: "The API server refuses the certificate and answers 401; it never falls back to anonymous. kubeadm's admin.conf lives one year.",
        evidence: "The certificate's end of validity, read from the kubeconfig, against the API server's Date header (or this machine's clock); the server's log then says \"x509: certificate has expired or is not yet valid\".",
        fix: "Have it renewed: kubeadm certs renew, or a new CertificateSigningRequest. `kubeadm certs renew admin.conf` on a control-plane node does it for the administrator.",
        references: "https://kubernetes.io/docs/tasks/administer-cluster/kubeadm/kubeadm-certs/",
    },
    recognises: &[&message::CLIENT_CERTIFICATE, &heard::CERTIFICATE_BARE, &heard::CERTIFICATE_STORED, &tools::ALERT, &tools::KUBELET_EXPIRED],
    explains: &["credential-rejected"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(credential) = case.evidence.credential.seen() else { return Vec::new() };
    let Some(leaf) = credential.certificates.first() else { return Vec::new() };
    if let Some(finding) = too_early(case, leaf) {
        return vec![finding];
    }
    let (now, clock) = case.server_time();
    let Some(end) = leaf.not_after.filter(|end| *end < now) else { return Vec::new() };
    // A good bearer token wins over a bad certificate: then the certificate is not what keeps anybody out.
    if case.accepted() {
        return Vec::new();
    }
    let said = case
        .said_of_certificate(&message::CLIENT_CERTIFICATE, true)
        .filter(|word| word.field("error").contains("expired"));
    let name = leaf.common_names.last().map_or("the user", String::as_str);
    let rejected = case.rejected();
    // Who refuses the server's certificate sends none of his own: TLS is to be mended first.
    let untrusting = case.evidence.endpoint.tls.seen().is_some_and(|tls| !tls.faults.is_empty());
    let (confidence, not_yet) = match (&rejected, untrusting) {
        (Some(_), _) => (Confidence::Certain, ""),
        (None, true) => (Confidence::Possible, " That comes after the fault of TLS: so far no request got as far."),
        (None, false) => (Confidence::Likely, " So far no answer of the API server says that it got as far."),
    };
    let mut steps = renew::by_another_ca(case, leaf).into_iter().chain(renew::certificate(case, leaf));
    let Some(first) = steps.next() else { return Vec::new() };
    vec![
        RULE.finding(
            confidence,
            format!("The certificate of {name:?} ended on {end}, and by {clock} it is {}: the API server compares without any leeway and refuses it.{not_yet}", now.strftime("%Y-%m-%dT%H:%M:%SZ")),
            seen("/credential/seen/certificates/0/notAfter", format!("valid until {end}")),
            first,
        )
        .titled(format!("The client certificate of {name:?} has expired"))
        .cite_if(rejected)
        .cite_if(said.map(Word::cite))
        .steps(steps),
    ]
}

/// The other side of the same check: not valid yet.
fn too_early(case: &Case<'_>, leaf: &CertificateFacts) -> Option<Finding> {
    let (now, clock) = case.server_time();
    let start = leaf.not_before.filter(|start| *start > now)?;
    let rejected = case.rejected()?;
    let name = leaf.common_names.last().map_or("the user", String::as_str);
    let said = case
        .said_of_certificate(&message::CLIENT_CERTIFICATE, true)
        .filter(|word| word.field("error").contains("not yet valid"));
    Some(
        RULE.finding(
            Confidence::Certain,
            format!("The certificate of {name:?} begins on {start}, and by {clock} it is {}: until then the API server refuses it.", now.strftime("%Y-%m-%dT%H:%M:%SZ")),
            seen("/credential/seen/certificates/0/notBefore", format!("valid from {start}")),
            Step::text("Wait until then, or have one issued that is valid now; if whoever signed it has a wrong clock, set that first."),
        )
        .titled(format!("The client certificate of {name:?} is not valid yet"))
        .cite(rejected)
        .cite_if(said.map(Word::cite)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{Evidence, Outcome};

    /// What is said of a certificate that ends with the year 2020, by this machine's clock and the server's.
    fn by_clocks(own: &str, servers: &str) -> Vec<Finding> {
        let text = include_str!("../../../testdata/cases/client-certificate-expired/evidence.json");
        let mut evidence: Evidence = serde_json::from_str(text).expect("evidence");
        let time = |text: &str| -> jiff::Timestamp { text.parse().expect("a time") };
        evidence.observed_at = time(own);
        for answer in [&mut evidence.endpoint.anonymous, &mut evidence.endpoint.authenticated] {
            let Outcome::Seen(answer) = &mut answer.outcome else { panic!("no answer") };
            answer.date = Some(time(servers));
        }
        check(&Case::new(&evidence))
    }

    #[test]
    fn the_server_s_clock_judges() {
        let (before, after) = ("2020-12-31T12:00:00Z", "2021-01-01T12:00:00Z");
        for own in [before, after] {
            assert!(by_clocks(own, before).is_empty(), "{own}");
            let found = by_clocks(own, after);
            assert_eq!(found.len(), 1, "{own}");
            assert_eq!(found[0].confidence, Confidence::Certain);
            assert!(found[0].why.contains("by the API server's clock it is 2021-01-01T12:00:00Z"), "{}", found[0].why);
        }
    }
}
