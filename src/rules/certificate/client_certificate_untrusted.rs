//! The client certificate is signed by a CA that the API server does not know.

use crate::apiserver::message::{self, heard};
use crate::report::{Confidence, Finding, Severity, Step, probed, seen};
use crate::rules::{Case, Page, Rule, Word, renew};

/// The rule.
pub static RULE: Rule = Rule {
    code: "client-certificate-untrusted",
    severity: Severity::Error,
    title: "The API server does not know the CA of the client certificate",
    page: Page {
        means: "The certificate belongs to another cluster, or the cluster was made anew and its CA with it. The API server answers 401; it never falls back to anonymous.",
        evidence: "The server's log line with this certificate's serial number and \"signed by unknown authority\"; or the names of the CAs that the API server asks client certificates of, in the TLS handshake.",
        fix: "Take the kubeconfig of this cluster, or have a certificate issued by its CA (CertificateSigningRequest with the signer kubernetes.io/kube-apiserver-client). `openssl x509 -in CERT -noout -issuer` shows who signed it.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/authentication/#x509-client-certificates",
    },
    recognises: &[&message::CLIENT_CERTIFICATE, &heard::CERTIFICATE_BARE],
    explains: &["credential-rejected"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let (Some(leaf), Some(rejected)) = (case.only_certificate(), case.rejected()) else { return Vec::new() };
    let said = case
        .said_of_certificate(&message::CLIENT_CERTIFICATE, true)
        .filter(|word| word.field("error").contains("unknown authority"));
    let tls = case.evidence.endpoint.tls.seen();
    let sent = case.evidence.credential.seen().map(|credential| credential.certificates.as_slice()).unwrap_or_default();
    let named = tls.map(|tls| tls.client_authorities.as_slice()).unwrap_or_default();
    let stranger = !named.is_empty() && sent.iter().all(|certificate| !named.contains(&certificate.issuer));
    // What else would explain the 401, if nobody says that it is the CA.
    let other = leaf.not_after.is_some_and(|end| end < case.evidence.observed_at)
        || leaf.not_before.is_some_and(|start| start > case.server_time().0)
        || leaf.common_names.last().is_none_or(String::is_empty)
        || !(leaf.extended_key_usages.is_empty()
            || leaf.extended_key_usages.iter().any(|usage| usage == "clientAuth" || usage == "any"));
    let endpoint = &case.evidence.endpoint;
    let arrived = endpoint.anonymous.seen().is_some_and(|answer| answer.status == 200)
        && endpoint.authenticated.seen().is_some_and(|answer| answer.status == 401);
    let confidence = match (&said, stranger) {
        (Some(_), _) => Confidence::Certain,
        (None, true) if !other => Confidence::Certain,
        (None, false) if !other && arrived && case.terminated().is_none() => Confidence::Likely,
        _ => return Vec::new(),
    };
    let first = said.map(Word::cite).unwrap_or(rejected.clone());
    let why = if stranger {
        format!("The certificate is signed by {:?}. The API server asks for certificates of {}, and of no other CA.", leaf.issuer, named.join(" or "))
    } else {
        format!("The certificate is signed by {:?}, and the API server finds no CA of its own that signed it. If it has one of that name, that one has another key: the cluster's CA was made anew.", leaf.issuer)
    };
    let mut finding = RULE
        .finding(
            confidence,
            why,
            first,
            Step::text("Take the kubeconfig of this cluster again from where it is handed out; if the cluster was made anew, every certificate of the old one is void. Or have this cluster's own CA sign one for the same names, as follows."),
        )
        .cite(seen("/credential/seen/certificates/0/issuer", format!("signed by {}", leaf.issuer)))
        // Or one that this cluster's own CA signs.
        .steps(renew::certificate(case, leaf));
    if stranger {
        finding = finding.cite(probed("/endpoint/tls/seen/clientAuthorities", format!("the handshake asks for certificates of {}", named.join(", "))));
    }
    if said.is_some() {
        finding = finding.cite(rejected);
    }
    vec![finding]
}
