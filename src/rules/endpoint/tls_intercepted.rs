//! Something on the way breaks TLS open.

use crate::apiserver::message;
use crate::evidence::tls::TlsFaultKind;
use crate::report::shell::shell;
use crate::report::{Candidate, Confidence, Finding, Severity, Step, probed, seen};
use crate::rules::api_port::{fault, interceptor};
use crate::rules::kubeconfig_fault::cluster;
use crate::rules::way::{host, place};
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "tls-intercepted",
    severity: Severity::Error,
    title: "Something on the way to the API server breaks TLS open",
    page: Page {
        means: "A proxy, firewall or virus scanner answers in the API server's place with a certificate of its own making, to read along. The kubeconfig trusts only the cluster's CA, so kubectl refuses: \
            \"certificate signed by unknown authority\". No credential was sent. Client certificates can never pass such a device.",
        evidence: "The issuer of the certificate that was presented: certain where it is the authority of a product known for this; likely where the connection goes through a proxy, this machine's own roots trust the certificate, and it is no public authority's (those are published in certificate transparency logs, an interceptor's are not); \
            only possible where one of these is missing, because a company's own PKI looks the same.",
        fix: "Have the API server's name exempted from inspection, or go around the proxy with NO_PROXY. Do not put the interceptor's CA into the kubeconfig: it could read your credential. `export NO_PROXY=$NO_PROXY,HOST`.",
        references: "https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/#proxy",
    },
    recognises: &[&message::KUBECTL_X509_UNKNOWN],
    explains: &["kubeconfig-ca-mismatch", "api-certificate-name-mismatch", "api-certificate-expired", "not-a-kubernetes-api"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(shown) = fault(case, &[TlsFaultKind::UnknownAuthority]) else { return Vec::new() };
    let (report, name) = (shown.report, host(case));
    let Some(leaf) = report.chain.first() else { return Vec::new() };
    let product = interceptor(report);
    let private = report.trusted_by_system == Some(true) && !leaf.published;
    // A certificate that names nobody's server was not made for this connection.
    let named = !report.faults.iter().any(|fault| fault.kind == TlsFaultKind::NameMismatch);
    let route = case.evidence.endpoint.route.seen();
    let proxy = route.and_then(|route| route.proxy.as_deref());
    let (confidence, explains) = match (product, proxy) {
        (Some(_), _) => (Confidence::Certain, RULE.explains),
        (None, Some(_)) if private && named => (Confidence::Likely, RULE.explains),
        (None, None) if private && named => (Confidence::Possible, RULE.explains),
        // Nothing but the proxy speaks for it; a stale kubeconfig looks the same.
        (None, Some(_)) if named && report.roots == "kubeconfig" && !of_cluster(&leaf.issuer) => (Confidence::Possible, NOTHING),
        _ => return Vec::new(),
    };
    let who = match (product, proxy) {
        (Some(product), _) => format!("by {product}"),
        (None, Some(proxy)) if private => format!("most likely by the proxy {proxy}"),
        (None, Some(proxy)) => format!("perhaps by the proxy {proxy}"),
        (None, None) => "an authority that this machine's own roots trust and the public does not know (a company's inspection, a virus scanner; or the company's own PKI)".to_owned(),
    };
    let bypass = if route.is_some_and(|route| route.proxy_reason.starts_with("proxy-url")) {
        Step::command(
            format!("If {name} can be reached directly, take the proxy out of the cluster entry"),
            shell!("kubectl config unset clusters.{}.proxy-url", cluster(case)),
        )
    } else if proxy.is_some() {
        Step::command(
            format!("If {name} can be reached directly, leave the proxy out"),
            shell!("export NO_PROXY=\"$NO_PROXY,{}\" no_proxy=\"$no_proxy,{}\"", name, name),
        )
    } else {
        Step::text(format!("Have the people who run it exempt {name} from TLS inspection."))
    };
    let mut finding = RULE
        .finding(
            confidence,
            format!("The certificate that arrived here is made by {:?}, {who}, and not by the CA that the kubeconfig trusts. No credential was sent: whoever breaks TLS open would read it.", leaf.issuer),
            shown.cite(),
            bypass,
        )
        .cite(probed("/endpoint/tls/seen/chain/0/issuer", format!("issuer {}", leaf.issuer)));
    if proxy.is_some() {
        finding = finding
            .step(Step::text(format!("Else have the people who run the proxy exempt {name} from TLS inspection.")))
            .cite(seen("/endpoint/route/seen/proxy", format!("the connection goes through {}", proxy.unwrap_or_default())));
    }
    if private {
        finding = finding.cite(probed("/endpoint/tls/seen/trustedBySystem", "this machine's own roots trust it"));
    }
    finding.explains = explains;
    if confidence != Confidence::Certain {
        "Something on the way to the API server may break TLS open".clone_into(&mut finding.title);
        finding.candidates = vec![Candidate {
            code: "kubeconfig-ca-mismatch",
            why: "The server itself may have got a certificate of that authority, and the kubeconfig is older.".to_owned(),
            decided_by: Step::command(
                "Compare the fingerprint seen here with the one seen from another network, or beside the server: where they differ, something between makes certificates",
                shell!("openssl s_client -connect {} -servername {} </dev/null 2>/dev/null | openssl x509 -noout -fingerprint -sha256", place(case), name),
            ),
        }];
    }
    vec![finding]
}

const NOTHING: &[&str] = &[];

/// Names that clusters give to the authorities they make.
fn of_cluster(issuer: &str) -> bool {
    let issuer = issuer.to_lowercase();
    ["kube", "k3s", "rke2", "openshift", "etcd", "cluster"].iter().any(|mark| issuer.contains(mark))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Evidence;

    /// A saved run; synthetic in the answer behind the other certificate, which is another run's page: what a device shows
    /// to those whom it blocks.
    #[test]
    fn what_the_interceptor_answers_is_its_own() {
        let text = include_str!("../../../testdata/cases/tls-intercepted/evidence.json");
        let page = include_str!("../../../testdata/cases/not-a-kubernetes-api/evidence.json");
        let mut evidence: Evidence = serde_json::from_str(text).expect("evidence");
        let page: Evidence = serde_json::from_str(page).expect("evidence");
        evidence.endpoint.anonymous = page.endpoint.anonymous;
        let findings = crate::report::diagnose(crate::rules::check_all(&Case::new(&evidence)));
        let page = findings.iter().find(|finding| finding.code == "not-a-kubernetes-api").expect("the page");
        assert_eq!(page.explained_by, Some(RULE.code));
    }
}
