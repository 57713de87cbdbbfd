//! A client certificate that lives for years.

use crate::evidence::credential::CredentialSource;
use crate::report::{seen, Confidence, Finding, Severity, Step};
use crate::rules::validity::DAY;
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "client-certificate-long-lived",
    severity: Severity::Warning,
    title: "The client certificate is valid for years, and nothing can revoke it",
    page: Page {
        means: "The API server never asks whether a certificate was revoked: a copied key is good until the certificate ends. More than a year is long for a credential that lies in a file.",
        evidence: "Begin and end of validity in the certificate.",
        fix: "Have short ones issued (expirationSeconds of a CertificateSigningRequest), or use an identity provider, whose tokens live minutes. `kubectl explain certificatesigningrequest.spec.expirationSeconds` tells the field.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/",
    },
    recognises: &[],
    explains: &[],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(credential) = case.evidence.credential.seen().filter(|credential| credential.source == CredentialSource::ClientCertificate)
    else {
        return Vec::new();
    };
    let Some(leaf) = credential.certificates.first().filter(|_| case.accepted()) else { return Vec::new() };
    let (Some(begin), Some(end)) = (leaf.not_before, leaf.not_after) else { return Vec::new() };
    let days = (end.as_second() - begin.as_second()) / DAY;
    // kubeadm and the cluster's own signer give one year.
    if days <= 400 {
        return Vec::new();
    }
    let name = leaf.common_names.last().map_or("the user", String::as_str);
    vec![
        RULE.finding(
            Confidence::Certain,
            format!("The certificate of {name:?} is valid for {} years, until {end}. Whoever copies its key is {name:?} for as long.", days / 365),
            seen("/credential/seen/certificates/0/notAfter", format!("valid from {begin} until {end}")),
            Step::manifest(
                "Have a short-lived one issued instead (here one day), and have it renewed by a script or plugin",
                "apiVersion: certificates.k8s.io/v1\nkind: CertificateSigningRequest\nmetadata:\n  name: user\nspec:\n  request: BASE64_OF_user.csr\n  signerName: kubernetes.io/kube-apiserver-client\n  expirationSeconds: 86400\n  usages: [client auth]\n",
            ),
        )
        .step(Step::text("To lock one such user out before the end, remove every binding of the user's name and groups; certificates of system:masters end only with the CA."))
        .titled(format!("The client certificate of {name:?} is valid for {} years, and nothing can revoke it", days / 365)),
    ]
}
