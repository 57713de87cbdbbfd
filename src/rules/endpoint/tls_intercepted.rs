//! Something on the way breaks TLS open.

use crate::apiserver::message;
use crate::evidence::tls::TlsFaultKind;
use crate::report::{Confidence, Finding, Severity, Step};
use crate::rules::complaint::cluster;
use crate::rules::served::{fault, host, interceptor};
use crate::rules::{Case, Page, Rule, probed, seen};

/// The rule.
pub static RULE: Rule = Rule {
    code: "tls-intercepted",
    severity: Severity::Error,
    title: "Something on the way to the API server breaks TLS open",
    page: Page {
        means: "A proxy, firewall or virus scanner answers in the API server's place with a certificate of its own making, to read along. The kubeconfig trusts only the cluster's CA, so kubectl refuses: \
            \"certificate signed by unknown authority\". No credential was sent. Client certificates can never pass such a device.",
        evidence: "The issuer of the certificate that was presented: certain where it is the authority of a product known for this; likely where this machine's own roots trust it and it is no public authority's (such certificates are published in certificate transparency logs, an interceptor's are not), \
            or where the connection goes through a proxy and the kubeconfig's CA did not sign.",
        fix: "Have the API server's name exempted from inspection, or go around the proxy with NO_PROXY. Do not put the interceptor's CA into the kubeconfig: it could read your credential.",
        references: "https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/#proxy",
    },
    recognises: &[&message::KUBECTL_X509_UNKNOWN],
    explains: &["kubeconfig-ca-mismatch", "api-certificate-name-mismatch", "api-certificate-expired"],
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
    let confidence = match (product, proxy) {
        (Some(_), _) => Confidence::Certain,
        (None, Some(_)) if private && named => Confidence::Certain,
        (None, Some(_)) if named && report.roots == "kubeconfig" && leaf.issuer != leaf.subject => Confidence::Likely,
        (None, None) if private && named => Confidence::Likely,
        _ => return Vec::new(),
    };
    let who = match (product, proxy) {
        (Some(product), _) => format!("by {product}"),
        (None, Some(proxy)) => format!("most likely by the proxy {proxy}"),
        (None, None) => "by something on the way that this machine's own roots trust (a company's inspection, a virus scanner)".to_owned(),
    };
    let bypass = if route.is_some_and(|route| route.proxy_reason.starts_with("proxy-url")) {
        Step::command(
            format!("If {name} can be reached directly, take the proxy out of the cluster entry"),
            format!("kubectl config unset clusters.{}.proxy-url", cluster(case)),
        )
    } else if proxy.is_some() {
        Step::command(
            format!("If {name} can be reached directly, leave the proxy out"),
            format!("export NO_PROXY=\"$NO_PROXY,{name}\" no_proxy=\"$no_proxy,{name}\""),
        )
    } else {
        Step::text(format!("Have the people who run it exempt {name} from TLS inspection."))
    };
    let mut finding = RULE
        .finding(
            confidence,
            format!("The certificate that arrived here is made by {:?}, {who}, and not by the CA that the kubeconfig trusts. It would read your credential; none was sent.", leaf.issuer),
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
    vec![finding]
}
