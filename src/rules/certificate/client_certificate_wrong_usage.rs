//! The certificate is not meant for clients.

use crate::apiserver::message::{self, heard};
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::{Case, Page, Rule, Word, renew};

/// The rule.
pub static RULE: Rule = Rule {
    code: "client-certificate-wrong-usage",
    severity: Severity::Error,
    title: "The certificate may not be used by a client",
    page: Page {
        means: "The certificate's extended key usages do not include client authentication: it is a server's certificate. The API server refuses it with 401.",
        evidence: "The extended key usages in the certificate; the log says \"x509: certificate specifies an incompatible key usage\".",
        fix: "Have one issued with the usage \"client auth\". `openssl x509 -in CERT -noout -ext extendedKeyUsage` shows what it has.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/",
    },
    recognises: &[&message::CLIENT_CERTIFICATE, &heard::CERTIFICATE_BARE],
    explains: &["credential-rejected"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let (Some(leaf), Some(rejected)) = (case.only_certificate(), case.rejected()) else { return Vec::new() };
    let usages = &leaf.extended_key_usages;
    if usages.is_empty() || usages.iter().any(|usage| usage == "clientAuth" || usage == "any") {
        return Vec::new();
    }
    let said = case.said_of_certificate(&message::CLIENT_CERTIFICATE, true);
    let name = leaf.common_names.last().map_or("USER", String::as_str);
    let request = Step::manifest(
        format!(
            "Have a certificate issued with the usage \"client auth\": make a request (openssl req -new -key user.key -subj /O=GROUP/CN={name} -out user.csr), and have an admin create this and approve it"
        ),
        "apiVersion: certificates.k8s.io/v1\nkind: CertificateSigningRequest\nmetadata:\n  name: user\nspec:\n  request: BASE64_OF_user.csr\n  signerName: kubernetes.io/kube-apiserver-client\n  usages: [client auth]\n",
    );
    let (first, second) = match renew::by_another_ca(case, leaf) {
        Some(note) => (note, Some(request)),
        None => (request, None),
    };
    vec![
        RULE.finding(
            Confidence::Certain,
            format!("The certificate is for {} only. The API server takes a client's certificate only with the usage clientAuth, or without any such list.", usages.join(", ")),
            seen("/credential/seen/certificates/0/extendedKeyUsages", format!("extended key usages: {}", usages.join(", "))),
            first,
        )
        .steps(second)
        .cite(rejected)
        .cite_if(said.map(Word::cite)),
    ]
}
