//! The certificate is for other names than the server URL's.

use crate::apiserver::message::{self, heard, tools};
use crate::evidence::tls::TlsFaultKind;
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::api_port::{fault, met_without_handshake};
use crate::rules::kubeconfig_fault::cluster;
use crate::rules::untrusted::{Wrong, some_untrusted};
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "api-certificate-name-mismatch",
    severity: Severity::Error,
    title: "The API server's certificate is not for the name in the server URL",
    page: Page {
        means: "kubectl ends the connection with \"certificate is valid for A, B, not C\" (or, for an address, \"doesn't contain any IP SANs\") before any credential is sent. \
            The server is reached by a name or address that was not thought of when its certificate was made: a new load balancer, a tunnel, a public address; or the name leads to another server.",
        evidence: "The subject alternative names of the certificate that was presented, against the host of the server URL. tls-server-name is not set.",
        fix: "Use a name that the certificate has, in the server URL or as tls-server-name; or have the name added to the certificate. `kubectl config set-cluster CLUSTER --tls-server-name=NAME` sets it.",
        references: "https://kubernetes.io/docs/reference/config-api/kubeadm-config.v1beta4/#kubeadm-k8s-io-v1beta4-APIServer",
    },
    recognises: &[&message::KUBECTL_X509_NAME, &heard::X509_OTHER, &heard::CALL_FAILED, &heard::PYTHON_CALL, &heard::SERVER_NAMES, &heard::BARE_X509, &heard::X509_MACOS, &tools::HOSTNAME],
    explains: &[],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    if let Some(finding) = some_untrusted(case, &RULE, Wrong::Name) {
        return vec![finding];
    }
    let entry = case.evidence.kubeconfig.seen().and_then(|kubeconfig| kubeconfig.cluster.as_ref());
    let Some(shown) = fault(case, &[TlsFaultKind::NameMismatch]) else {
        let Some(word) = met_without_handshake(case, &message::KUBECTL_X509_NAME) else { return Vec::new() };
        let wanted = ["name", "address", "wanted"].into_iter().map(|field| word.field(field)).find(|name| !name.is_empty());
        return vec![RULE.finding(
            Confidence::Likely,
            format!("The certificate does not cover {:?}, which is what the client asked for.", wanted.unwrap_or_default()),
            word.cite(),
            Step::command("See which names it has", "openssl s_client -connect HOST:6443 </dev/null 2>/dev/null | openssl x509 -noout -ext subjectAltName"),
        )];
    };
    // A name that is set and wrong, and a certificate without any, are findings of their own.
    let names = shown.report.chain.first().map(|leaf| leaf.names.as_slice()).unwrap_or_default();
    let set = entry.is_some_and(|entry| entry.tls_server_name.is_some());
    if set && !names.is_empty() || super::api_certificate_legacy_name::is_legacy(&shown) {
        return Vec::new();
    }
    let asked = &shown.report.server_name;
    let is_address = |name: &str| name.parse::<std::net::IpAddr>().is_ok();
    let known = ["kubernetes", "kubernetes.default.svc", "kubernetes.default"];
    let own = known.into_iter().find(|name| names.iter().any(|other| other == name));
    let usable = own.or_else(|| names.iter().map(String::as_str).find(|name| !is_address(name) && !name.contains('*'))).or_else(|| names.first().map(String::as_str));
    let has = if names.is_empty() { "for no name at all".to_owned() } else { format!("for {}", crate::rules::clip(&names.join(", "), 300)) };
    let sans = Step::text(format!("Or have {asked} added to the certificate: with kubeadm, put it into apiServer.certSANs of the ClusterConfiguration, delete /etc/kubernetes/pki/apiserver.{{crt,key}}, run kubeadm init phase certs apiserver, and restart the API server."));
    let first = match (own, usable) {
        (Some(name), _) => Step::command(
            "It is a kube-apiserver's certificate: keep the address and have the server checked by a name that it has",
            shell!("kubectl config set-cluster {} --tls-server-name={}", cluster(case), name),
        ),
        (None, Some(name)) => Step::command(
            format!("If {name} is the server you mean and this is only another way to it, have it checked by that name"),
            shell!("kubectl config set-cluster {} --tls-server-name={}", cluster(case), name),
        ),
        (None, None) => Step::text(format!("Have a certificate made that names {asked}.")),
    };
    vec![
        RULE.finding(
            Confidence::Certain,
            format!("The server was asked for as {asked:?}, and its certificate is {has}. If those names mean nothing to you, {asked} leads to another server."),
            shown.cite(),
            first,
        )
        .step(sans)
        .cite_if(entry.map(|entry| seen("/kubeconfig/seen/cluster/server", format!("server: {}", entry.server)))),
    ]
}
