//! The kubeconfig's CA did not sign the API server's certificate.

use crate::evidence::tls::TlsFaultKind;
use crate::report::{Confidence, Finding, Severity, Step};
use crate::rules::{Case, Page, Rule, probed, seen};

/// The rule.
pub static RULE: Rule = Rule {
    code: "kubeconfig-ca-mismatch",
    severity: Severity::Error,
    title: "The kubeconfig's CA did not sign the API server's certificate",
    page: Page {
        means: "kubectl refuses the connection with \"x509: certificate signed by unknown authority\", before any credential is sent. \
            The certificate-authority in the cluster entry belongs to another cluster, or the cluster was made anew (same CA name, other key), \
            or something between you and the API server presents a certificate of its own.",
        evidence: "The chain that the server presented, and the certificates that the kubeconfig trusts. A CA of the same name with another key \
            means that the cluster's CA was re-created.",
        fix: "Take the CA from the cluster again: on EKS aws eks update-kubeconfig, on kubeadm the file /etc/kubernetes/pki/ca.crt, elsewhere your admin. \
            If the issuer named is your company's proxy, exempt the API server with NO_PROXY. Do not switch verification off: the next request carries your credential.",
        references: "https://kubernetes.io/docs/tasks/administer-cluster/certificates/",
    },
    recognises: &[],
    explains: &[],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(report) = case.evidence.endpoint.tls.seen().filter(|report| report.roots == "kubeconfig") else {
        return Vec::new();
    };
    let Some((index, fault)) = report.faults.iter().enumerate().find(|(_, fault)| {
        matches!(fault.kind, TlsFaultKind::UnknownAuthority | TlsFaultKind::AuthorityKeyDiffers)
    }) else {
        return Vec::new();
    };
    let cluster = case.evidence.kubeconfig.seen().and_then(|kubeconfig| kubeconfig.cluster.as_ref());
    let trusted = cluster
        .map(|cluster| cluster.authorities.iter().map(|ca| ca.subject.clone()).collect::<Vec<_>>().join(", "))
        .unwrap_or_default();
    let presented = report.chain.last().map(|certificate| certificate.issuer.clone()).unwrap_or_default();
    let why = if fault.kind == TlsFaultKind::AuthorityKeyDiffers {
        format!(
            "The API server's chain is signed by a CA named {presented:?}, which the kubeconfig trusts by name, but with another key: \
             the cluster's CA was re-created, or this kubeconfig belongs to another cluster of the same kind."
        )
    } else {
        format!("The API server's chain ends at {presented:?}; the kubeconfig trusts only {trusted:?}.")
    };
    let name = cluster.map_or("NAME", |cluster| cluster.name.as_str());
    let mut finding = RULE
        .finding(
            Confidence::Certain,
            why,
            probed(format!("/endpoint/tls/seen/faults/{index}"), fault.detail.clone()),
            Step::command(
                "Take the cluster's CA again from a place you trust (EKS: the next command; kubeadm: /etc/kubernetes/pki/ca.crt on a control-plane node)",
                "aws eks update-kubeconfig --name CLUSTER --region REGION",
            ),
        )
        .step(Step::command(
            "With the CA in a file, put it into the cluster entry",
            format!("kubectl config set-cluster {name} --certificate-authority=ca.crt --embed-certs=true"),
        ));
    if cluster.is_some() {
        finding = finding.cite(seen("/kubeconfig/seen/cluster/authorities", format!("the kubeconfig trusts {trusted}")));
    }
    vec![finding]
}
