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
        evidence: "The certificate's end of validity, read from the kubeconfig, against the clock; the server's log then says \"x509: certificate has expired or is not yet valid\".",
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
    let Some(end) = leaf.not_after.filter(|end| *end < case.evidence.observed_at) else { return Vec::new() };
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
    let mut steps = renew::certificate(case, leaf).into_iter();
    let Some(first) = steps.next() else { return Vec::new() };
    vec![
        RULE.finding(
            confidence,
            format!("The certificate of {name:?} ended on {end}; the API server compares without any leeway and refuses it.{not_yet}"),
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
