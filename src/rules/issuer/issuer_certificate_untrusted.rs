//! The API server does not trust the issuer's certificate.

use crate::apiserver::message::{self, heard};
use crate::evidence::tls::{OIDC_CA_FILE, TlsFaultKind, TlsReport};
use crate::report::shell::shell;
use crate::report::{probed, seen, Confidence, Finding, Severity, Step};
use crate::rules::issuer_port::by_egress_selection;
use crate::rules::{eks, setting, Case, Page, Rule, Word};

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
    // With a CA of its own, or with the file that was given as that, the certificate is in order as seen from here.
    let tls = probes.tls.seen().filter(|tls| tls.faults.is_empty() && !tls.chain.is_empty());
    if let Some(word) = said.filter(|_| by_egress_selection(case)) {
        return vec![proxys_or_issuers(case, word, tls)];
    }
    if let (Some(word), Some(tls)) = (said, tls.filter(|tls| tls.roots == OIDC_CA_FILE || case.has_oidc_ca() == Some(true))) {
        return vec![another(case, word, tls)];
    }
    let refused = case.discovery_status().is_some_and(|(status, ..)| status != 200);
    let (confidence, first) = match (&said, &fault, case.not_initialized()) {
        (Some(word), ..) => (word.sure(), word.cite()),
        // The roots of the control plane's host are not ours: this rests on an inference, and a CA of its own refutes it.
        // The file that was given as its CA does not vouch for the chain either, whatever is answered behind the handshake.
        (None, Some((tls, _)), Some((cite, sure)))
            if case.logged_discovery_status().is_none() && (tls.distrusted_by_oidc_ca() || (case.has_oidc_ca() != Some(true) && !refused)) =>
        {
            (sure.max(Confidence::Likely), cite)
        }
        _ => return Vec::new(),
    };
    let authority = fault
        .and_then(|(tls, _)| tls.chain.last())
        .map_or_else(|| "a CA the API server does not know".to_owned(), |certificate| format!("{:?}", certificate.issuer));
    // EKS has no field for a CA, and no API server that its user restarts.
    let on_eks = eks::is_eks(case);
    let (step, other) = if on_eks {
        let text = "Give the issuer a publicly trusted certificate, with its intermediates: EKS has no field for a CA of one's own. The API server tries again every 10 s.";
        (Step::text(text), None)
    } else {
        setting::trust_issuer(case, "Give the API server the CA certificate that signed the issuer's")
    };
    let mut finding = RULE
        .finding(
            confidence,
            format!("The issuer's certificate is signed by {authority}, which is not among the roots the API server uses, so it breaks off before it reads the discovery document."),
            first,
            step,
        )
        .steps(other)
        .steps((!on_eks).then(|| Step::text("Where the API server cannot be given a CA (a managed one), give the issuer a publicly trusted certificate, with its intermediates.")));
    if let Some((tls, index)) = fault {
        finding = finding.cite(probed(format!("{at}/tls/seen/faults/{index}"), format!("from here, with {} roots: {}", tls.roots, tls.faults[index].detail)));
    }
    if case.has_oidc_ca() == Some(false) && case.evidence.control_plane.flagz.seen().is_some() {
        finding = finding.cite(seen("/controlPlane/flagz/seen/flags", "the API server has no --oidc-ca-file"));
    }
    vec![finding]
}

/// On the way to the issuer there may be the proxy of an egress selection, with a certificate of its own: the log does not
/// say whose it is.
fn proxys_or_issuers(case: &Case<'_>, word: &Word, tls: Option<&TlsReport>) -> Finding {
    let (_, at) = case.issuer();
    let verifies = tls.map_or_else(String::new, |tls| {
        format!(" From here the issuer's own certificate verifies (with {} roots), which speaks for the proxy's.", tls.roots)
    });
    let (lacking, other) =
        setting::trust_issuer(case, "Where it is the issuer's certificate, give the API server the CA that signed it");
    let finding = RULE
        .finding(
            word.sure().max(Confidence::Likely),
            format!("The API server does not know the CA of the certificate that it meets on its way to the issuer. It goes there as an egress selection says (egressSelectorType), so that certificate is the one of the selection's proxy, or the issuer's; the log has the same words for both.{verifies}"),
            word.cite(),
            Step::command(
                "In the file of --egress-selector-config-file, compare caBundle of that selection with the CA that signed its proxy's certificate; where it is another, correct it and restart the API server",
                "cat \"$(ps -o args= -C kube-apiserver | grep -oP 'egress-selector-config-file=\\K\\S+')\"",
            ),
        )
        .titled("The API server does not trust the certificate of its egress proxy, or that of the issuer")
        .step(lacking)
        .steps(other);
    let here = tls.map(|tls| probed(format!("{at}/tls/seen/roots"), format!("from here the certificate verifies with {} roots", tls.roots)));
    finding.cite_if(here)
}

/// The certificate that the API server meets is refused, and the one met here verifies: another file, or another certificate.
fn another(case: &Case<'_>, word: &Word, tls: &TlsReport) -> Finding {
    let (_, at) = case.issuer();
    let file = if tls.roots == OIDC_CA_FILE { "another CA file than the one given here" } else { "a CA file without that CA" };
    let (lacking, other) =
        setting::trust_issuer(case, "Where that is the CA of the issuer's own certificate, the API server lacks it: give it");
    RULE.finding(
        word.sure().max(Confidence::Likely),
        format!("The API server does not know the CA of the certificate that it meets, so it breaks off before it reads the discovery document. From here the issuer's certificate verifies (with {} roots): either the API server has {file}, or something on its own way, such as a proxy that breaks TLS open, presents a certificate of its own.", tls.roots),
        word.cite(),
        Step::command(
            "See on a control-plane node, with the HTTPS_PROXY of the API server's environment, who signed the certificate that it meets",
            shell!("curl -skv {} -o /dev/null 2>&1 | grep issuer:", case.discovery_document()),
        ),
    )
    .step(lacking)
    .steps(other)
    .step(Step::text("Where it is another one, have the proxy leave the issuer's connections alone, or name the issuer in NO_PROXY of the API server's environment."))
    .cite(probed(format!("{at}/tls/seen/roots"), format!("from here the certificate verifies with {} roots", tls.roots)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{Evidence, Outcome};

    #[test]
    fn a_certificate_that_verifies_here_is_another_than_the_refused_one_or_the_roots_are() {
        let text = include_str!("../../../testdata/cases/issuer-certificate-untrusted-log/evidence.json");
        let mut evidence: Evidence = serde_json::from_str(text).expect("evidence");
        assert_eq!(check(&Case::new(&evidence))[0].confidence, Confidence::Certain);
        // Synthetic: as behind a proxy that breaks TLS open, where a kube-apiserver logged these very words while its own
        // CA file vouched for the issuer from here; the saved handshake was judged by the system's roots.
        let Outcome::Seen(tls) = &mut evidence.issuer.tls.outcome else { panic!("no handshake") };
        tls.roots = OIDC_CA_FILE.to_owned();
        tls.faults.clear();
        let found = check(&Case::new(&evidence));
        assert_eq!((found.len(), found[0].confidence), (1, Confidence::Likely));
        assert!(found[0].why.contains("a proxy that breaks TLS open"), "{}", found[0].why);
        assert!(found[0].fix.iter().any(|step| step.text.contains("NO_PROXY")), "{:?}", found[0].fix);
    }

    #[test]
    fn on_the_way_through_an_egress_selection_the_certificate_may_be_the_proxys() {
        let text = include_str!("../../../testdata/cases/issuer-certificate-untrusted-log/evidence.json");
        let mut evidence: serde_json::Value = serde_json::from_str(text).expect("evidence");
        let url = evidence["issuer"]["target"]["seen"]["url"].clone();
        // Synthetic: a kube-apiserver 1.36 logged these very words of its egress proxy's certificate, for another issuer.
        for (selection, expected) in [("", Confidence::Certain), ("controlplane", Confidence::Likely)] {
            evidence["controlPlane"]["configuration"] = serde_json::json!({
                "startedMs": 0, "tookMs": 0,
                "seen": { "source": "auth.yaml", "flags": {}, "authenticationConfiguration": {
                    "apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthenticationConfiguration",
                    "jwt": [{
                        "issuer": { "url": url, "audiences": ["kubernetes"], "egressSelectorType": selection },
                        "claimMappings": { "username": { "claim": "sub", "prefix": "" } },
                    }],
                } },
            });
            let evidence: Evidence = serde_json::from_value(evidence.clone()).expect("evidence");
            let found = check(&Case::new(&evidence));
            assert_eq!((found.len(), found[0].confidence), (1, expected), "{selection}: {found:?}");
            let egress = found[0].fix[0].text.contains("--egress-selector-config-file");
            assert_eq!(egress, !selection.is_empty(), "{:?}", found[0].fix);
        }
    }

    #[test]
    fn the_ca_goes_where_the_server_has_its_issuers() {
        let text = include_str!("../../../testdata/cases/issuer-certificate-untrusted-log/evidence.json");
        let mut evidence: serde_json::Value = serde_json::from_str(text).expect("evidence");
        let manifests = |evidence: &serde_json::Value| {
            let evidence: Evidence = serde_json::from_value(evidence.clone()).expect("evidence");
            let found = check(&Case::new(&evidence)).remove(0);
            found.fix.into_iter().filter_map(|step| step.manifest).collect::<Vec<_>>()
        };
        // Nothing but the log was seen: either form may be the server's.
        let [flags, file] = &manifests(&evidence)[..] else { panic!("two forms") };
        assert!(flags.starts_with("--oidc-ca-file=") && file.contains("certificateAuthority: |"), "{flags} {file}");
        // Synthetic: the same log beside the file that the server reads. A real one with the file and the flag does not start.
        evidence["controlPlane"]["configuration"] = serde_json::json!({
            "startedMs": 0, "tookMs": 0,
            "seen": { "source": "flags", "flags": { "authentication-config": ["/etc/kubernetes/auth.yaml"] } },
        });
        let [file] = &manifests(&evidence)[..] else { panic!("one form") };
        assert!(file.starts_with("jwt:") && file.contains("certificateAuthority: |"), "{file}");
    }
}
