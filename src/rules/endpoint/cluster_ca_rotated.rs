//! An authority of the name that the kubeconfig trusts, with another key.

use crate::apiserver::message::{self, heard};
use crate::evidence::tls::TlsFaultKind;
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::api_port::{fault, met_without_handshake};
use crate::rules::kubeconfig_fault::{cluster, fetch_authority};
use crate::rules::untrusted::{Wrong, some_untrusted};
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "cluster-ca-rotated",
    severity: Severity::Error,
    title: "The API server's CA has the trusted name and another key: made anew, or another cluster's",
    page: Page {
        means: "kubectl refuses with \"certificate signed by unknown authority (possibly because of ... while trying to verify candidate authority certificate NAME)\". \
            The CA that signs for the API server has the same name as the one in the kubeconfig, and another key: the cluster was built again under the same address, or its CA was rotated, and this kubeconfig is of before. \
            Where every cluster's CA bears the same name (kubeadm: kubernetes, minikube: minikubeCA), the address may also have passed on to another cluster.",
        evidence: "The chain that the server presented names the CA that the kubeconfig trusts as its issuer, and that CA's key did not make the signature; or one connection was trusted and another one was not.",
        fix: "Fetch the cluster's kubeconfig or CA again from a place you trust. Do not switch verification off: the next request carries your credential. A client certificate of the old CA is dead as well. On EKS `aws eks update-kubeconfig --name CLUSTER` does it.",
        references: "https://kubernetes.io/docs/tasks/tls/manual-rotation-of-ca-certificates/",
    },
    recognises: &[&message::KUBECTL_X509_ROTATED, &heard::X509_OTHER, &heard::CALL_FAILED],
    explains: &["api-certificate-name-mismatch", "kubeconfig-ca-mismatch"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let shown = fault(case, &[TlsFaultKind::AuthorityKeyDiffers]).filter(|shown| shown.report.roots == "kubeconfig");
    let fetch = || fetch_authority(case);
    if let Some(finding) = some_untrusted(case, &RULE, Wrong::Authority) {
        return vec![finding];
    }
    let Some(shown) = shown else {
        let found = met_without_handshake(case, &message::KUBECTL_X509_ROTATED).map(|word| {
            let why = format!("The kubeconfig trusts a CA named {:?}, whose key did not sign the server's certificate.", word.field("authority"));
            RULE.finding(Confidence::Certain, why, word.cite(), fetch())
        });
        return found.into_iter().collect();
    };
    let both = match (&shown.fault.expected, &shown.fault.seen) {
        (Some(expected), Some(seen)) => format!(" Trusted: {expected}; signed by: {seen}."),
        _ => String::new(),
    };
    let entry = case.evidence.kubeconfig.seen().and_then(|kubeconfig| kubeconfig.cluster.as_ref());
    let ours = entry.and_then(|entry| entry.authorities.first());
    vec![
        RULE.finding(
            Confidence::Certain,
            format!("The kubeconfig trusts a CA of this name, but another key signs for the API server now: the cluster or its CA was made anew, or the address belongs to another cluster of the same kind.{both}"),
            shown.cite(),
            fetch(),
        )
        .step(Step::command(
            "With the new CA in a file, put it into the cluster entry",
            shell!("kubectl config set-cluster {} --certificate-authority=ca.crt --embed-certs=true", cluster(case)),
        ))
        .cite_if(ours.map(|ours| seen("/kubeconfig/seen/cluster/authorities/0", format!("the kubeconfig trusts {}", ours.subject)))),
    ]
}
