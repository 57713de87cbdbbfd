//! The API server does not trust the issuer's certificate.

use crate::apiserver::message::{self, heard};
use crate::evidence::tls::TlsFaultKind;
use crate::report::{probed, seen, Confidence, Finding, Severity, Step};
use crate::rules::{eks, Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "issuer-certificate-untrusted",
    severity: Severity::Error,
    title: "The API server does not trust the issuer's certificate",
    page: Page {
        means: "The issuer's certificate is signed by a private CA. Your machine or browser may know that CA; the API server trusts only its host's roots, or the file of --oidc-ca-file. On EKS there is no such field: the certificate must be publicly trusted.",
        evidence: "The API server's log (x509: certificate signed by unknown authority); or the chain as seen from here, where the server is not initialised and has no --oidc-ca-file.",
        fix: "Give the API server the CA (--oidc-ca-file, or certificateAuthority in an AuthenticationConfiguration), or give the issuer a publicly trusted certificate. In the API server's manifest: `--oidc-ca-file=/etc/kubernetes/pki/oidc-ca.crt`.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/authentication/#configuring-the-api-server",
    },
    recognises: &[&message::OIDC_INIT_X509, &heard::OIDC_CA, &heard::INIT_OLD],
    explains: &["credential-rejected", "oidc-not-initialized"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    if case.accepted() {
        return Vec::new();
    }
    let (probes, at) = case.issuer();
    let said = case.said(&message::OIDC_INIT_X509).filter(|word| word.field("error").contains("unknown authority"));
    let fault = probes.tls.seen().and_then(|tls| {
        tls.faults
            .iter()
            .position(|fault| matches!(fault.kind, TlsFaultKind::UnknownAuthority | TlsFaultKind::AuthorityKeyDiffers))
            .map(|index| (tls, index))
    });
    let refused = case.discovery_status().is_some_and(|(status, ..)| status != 200);
    let (confidence, first) = match (&said, &fault, case.not_initialized()) {
        (Some(word), ..) => (word.sure(), word.cite()),
        // The roots of the control plane's host are not ours: this rests on an inference, and a CA of its own refutes it.
        // The file that was given as its CA does not vouch for the chain either, whatever is answered behind the handshake.
        (None, Some((tls, _)), Some((cite, _)))
            if case.logged_discovery_status().is_none() && (tls.distrusted_by_oidc_ca() || (case.has_oidc_ca() != Some(true) && !refused)) =>
        {
            (Confidence::Likely, cite)
        }
        _ => return Vec::new(),
    };
    let authority = fault
        .and_then(|(tls, _)| tls.chain.last())
        .map_or_else(|| "a CA the API server does not know".to_owned(), |certificate| format!("{:?}", certificate.issuer));
    // EKS has no field for a CA, and no API server that its user restarts.
    let on_eks = eks::is_eks(case);
    let step = if on_eks {
        Step::text("Give the issuer a publicly trusted certificate, with its intermediates: EKS has no field for a CA of one's own. The API server tries again every 10 s.")
    } else {
        Step::manifest("Give the API server the CA certificate that signed the issuer's, and restart it", "--oidc-ca-file=/etc/kubernetes/pki/oidc-ca.crt\n")
    };
    let mut finding = RULE
        .finding(
            confidence,
            format!("The issuer's certificate is signed by {authority}, which is not among the roots the API server uses, so it breaks off before it reads the discovery document."),
            first,
            step,
        )
        .steps((!on_eks).then(|| Step::text("Where the API server cannot be given a CA (a managed one), give the issuer a publicly trusted certificate, with its intermediates.")));
    if let Some((tls, index)) = fault {
        finding = finding.cite(probed(format!("{at}/tls/seen/faults/{index}"), format!("from here, with {} roots: {}", tls.roots, tls.faults[index].detail)));
    }
    if case.has_oidc_ca() == Some(false) && case.evidence.control_plane.flagz.seen().is_some() {
        finding = finding.cite(seen("/controlPlane/flagz/seen/flags", "the API server has no --oidc-ca-file"));
    }
    vec![finding]
}
