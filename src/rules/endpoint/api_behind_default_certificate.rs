//! An ingress controller answers with the certificate that it has for nobody.

use crate::apiserver::message::{self, heard};
use crate::evidence::Failure;
use crate::evidence::tls::TlsFaultKind;
use crate::report::shell::shell;
use crate::report::{Citation, Confidence, Finding, Severity, Step, probed};
use crate::rules::api_port::{default_certificate, fault, met_without_handshake, name_refused};
use crate::rules::kubeconfig_fault::cluster;
use crate::rules::way::host;
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "api-behind-default-certificate",
    severity: Severity::Error,
    title: "An ingress controller answers with its default certificate, not the API server",
    page: Page {
        means: "The name leads to an ingress controller that has no site of that name (or is not told the name: an address sends none), so it shows the certificate it makes for itself, or ends the handshake. \
            kubectl says \"remote error: tls: unrecognized name\", \"certificate is valid for ingress.local\" or \"unknown authority\". The API server behind it was not reached.",
        evidence: "The TLS alert unrecognized_name, which a router that tells servers apart by name (nginx ssl_reject_handshake, HAProxy strict-sni) sends to a name that it does not know, or to none. Or the names in the presented certificate: \"Kubernetes Ingress Controller Fake Certificate\" is ingress-nginx', \"TRAEFIK DEFAULT CERT\" Traefik's.",
        fix: "Have the ingress controller pass TLS for this name through to the API server (ssl-passthrough, a TCP route), or point the server URL at the API server itself. `kubectl config set-cluster CLUSTER --server=https://API_SERVER:6443` points there.",
        references: "https://kubernetes.github.io/ingress-nginx/user-guide/tls/#ssl-passthrough",
    },
    recognises: &[&message::KUBECTL_X509_DEFAULT, &heard::X509_BARE],
    explains: &["kubeconfig-ca-mismatch", "api-certificate-name-mismatch", "tls-server-name-mismatch", "tls-intercepted", "api-certificate-expired", "not-a-kubernetes-api"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let any = [TlsFaultKind::UnknownAuthority, TlsFaultKind::NameMismatch, TlsFaultKind::AuthorityKeyDiffers];
    let manifest = |name: &str| {
        Step::manifest(
            "Route the name to the API server without ending TLS; with ingress-nginx (started with --enable-ssl-passthrough)",
            format!(
                "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: kubernetes-api\n  namespace: default\n  annotations:\n    nginx.ingress.kubernetes.io/ssl-passthrough: \"true\"\nspec:\n  ingressClassName: nginx\n  rules:\n  - host: {name}\n    http:\n      paths:\n      - path: /\n        pathType: Prefix\n        backend:\n          service:\n            name: kubernetes\n            port:\n              number: 443\n"
            ),
        )
    };
    if let Some((failure, cite)) = name_refused(case) {
        let name = host(case);
        let named = name.parse::<std::net::IpAddr>().is_err();
        return vec![refused(case, failure, cite).steps(named.then(|| manifest(name)))];
    }
    let Some(shown) = fault(case, &any) else {
        let found = met_without_handshake(case, &message::KUBECTL_X509_DEFAULT).map(|word| {
            let why = format!("The certificate is for {:?}, which is what an ingress controller shows to names that it does not know.", word.field("names"));
            RULE.finding(Confidence::Certain, why, word.cite(), manifest(word.field("name")))
        });
        return found.into_iter().collect();
    };
    let Some(whose) = default_certificate(shown.report) else { return Vec::new() };
    let name = &shown.report.server_name;
    let sends_none = name.parse::<std::net::IpAddr>().is_ok();
    let why = if sends_none {
        format!("The server URL has an address, so no name is sent, and {whose} shows its default certificate. It would need a name to find the API server by.")
    } else {
        format!("{whose} answers for {name} and has no site of that name, so it shows its default certificate.")
    };
    let leaf = shown.report.chain.first().map(|leaf| leaf.subject.clone()).unwrap_or_default();
    vec![
        RULE.finding(
            Confidence::Certain,
            why,
            probed("/endpoint/tls/seen/chain/0/subject", format!("subject {leaf}")),
            Step::text(format!("Point the server URL at the API server itself, if it can be reached without {whose}; on a cloud that is the cluster's endpoint, not the ingress controller's load balancer.")),
        )
        .step(manifest(if sends_none { host(case) } else { name }))
        .cite(shown.cite()),
    ]
}

/// The server knows no site of the name that it was sent, or wants one and got none. A name that the kubeconfig sets is
/// another finding.
fn refused(case: &Case<'_>, failure: &Failure, cite: Citation) -> Finding {
    let name = host(case);
    let sends_none = name.parse::<std::net::IpAddr>().is_ok();
    let why = if sends_none {
        format!("The server URL has an address, so no name is sent in TLS. What answers there tells servers apart by that name and ends the handshake without it: {}.", failure.detail)
    } else {
        format!("What answers at {name} tells servers apart by the name that is sent in TLS, and has none of this name: {}.", failure.detail)
    };
    let step = if sends_none {
        Step::command(
            "If you know by which name it serves the API server, have that name sent (and the certificate checked by it)",
            shell!("kubectl config set-cluster {} --tls-server-name=NAME", cluster(case)),
        )
    } else {
        Step::text("Correct the name in the server URL, or have it added where the names are told apart (server_name, a TLS route, a listener's host).")
    };
    RULE.finding(Confidence::Certain, why, cite, step)
        .titled("What answers at the server URL has no site of the name that is asked for")
}
