//! The certificate names the server only as its common name.

use crate::apiserver::message::{self, heard};
use crate::evidence::tls::TlsFaultKind;
use crate::report::{Confidence, Finding, Severity, Step, probed};
use crate::rules::api_port::{Shown, fault, met_without_handshake};
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "api-certificate-legacy-name",
    severity: Severity::Error,
    title: "The API server's certificate names the server only in its common name",
    page: Page {
        means: "kubectl ends the connection with \"certificate relies on legacy Common Name field, use SANs instead\". Clients built since 2020 (Go 1.15) look only at the subject alternative names; \
            curl or an older kubectl may still be content. No setting of the client brings the old behaviour back.",
        evidence: "The certificate that was presented: its common name is the server's, and it has no subject alternative name.",
        fix: "Have the certificate made anew with the name (and addresses) as subject alternative names. `kubeadm init phase certs apiserver --apiserver-cert-extra-sans=NAME` makes it (move the old files away first).",
        references: "https://www.rfc-editor.org/rfc/rfc6125#section-6.4.4",
    },
    recognises: &[&message::KUBECTL_X509_LEGACY, &heard::X509_BARE],
    explains: &[],
    check,
};

/// Go says so itself.
pub(super) fn is_legacy(shown: &Shown<'_>) -> bool {
    shown.fault.go.as_deref().is_some_and(|words| words.contains("legacy Common Name"))
}

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(shown) = fault(case, &[TlsFaultKind::NameMismatch]) else {
        let step = Step::text("Have the certificate made anew with the server's name as subject alternative name.");
        let found = met_without_handshake(case, &message::KUBECTL_X509_LEGACY)
            .map(|word| RULE.finding(Confidence::Certain, "The client says that the certificate has no subject alternative name.", word.cite(), step));
        return found.into_iter().collect();
    };
    if !is_legacy(&shown) {
        return Vec::new();
    }
    let name = &shown.report.server_name;
    vec![
        RULE.finding(
            Confidence::Certain,
            format!("The certificate says {name:?} as its common name, where no client looks any more, and has no subject alternative name."),
            shown.cite(),
            Step::manifest(
                "Make it anew with these extensions (openssl x509 -req -extfile; with kubeadm: delete apiserver.crt and apiserver.key, then kubeadm init phase certs apiserver)",
                format!("subjectAltName = DNS:{name}\nextendedKeyUsage = serverAuth\nkeyUsage = digitalSignature\n"),
            ),
        )
        .cite(probed("/endpoint/tls/seen/chain/0/commonNames", format!("common name {name}, no alternative names"))),
    ]
}
