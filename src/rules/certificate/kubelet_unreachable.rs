//! The API server does not reach the kubelet.

use crate::apiserver::message::{self, heard, tools};
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::{Case, Page, Place, Rule, clip};

/// The rule.
pub static RULE: Rule = Rule {
    code: "kubelet-unreachable",
    severity: Severity::Error,
    title: "The API server cannot reach the kubelet of the node",
    page: Page {
        means: "For logs, exec, attach and port-forward the API server connects to port 10250 of the node. It did not get through, or did not trust what it met. Your own access is not the problem.",
        evidence: "The message names the node's address and port, and what went wrong on that way.",
        fix: "Open port 10250 from the control plane to the nodes; start the kubelet; for a certificate that is not trusted or not there, approve the pending CertificateSigningRequests of the kubelet. `kubectl get csr` shows what waits, `kubectl certificate approve NAME` approves it.",
        references: "https://kubernetes.io/docs/reference/networking/ports-and-protocols/",
    },
    recognises: &[&message::KUBELET_UNREACHABLE, &message::KUBELET_DIAL, &heard::KUBELET_CERTIFICATE, &tools::KUBELET_SCRAPE, &tools::KUBELET_AGENT],
    explains: &[],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(word) = [&message::KUBELET_UNREACHABLE, &message::KUBELET_DIAL]
        .into_iter()
        .find_map(|text| case.said(text).filter(|word| word.place == Place::Met))
    else {
        return Vec::new();
    };
    let error = word.field("error");
    // A bare reason phrase is a proxy's answer, another finding.
    let transport = ["dial tcp", "timeout", "deadline", "x509", "tls:", "EOF", "reset", "no route", "lookup", "refused"];
    if !transport.iter().any(|part| error.contains(part)) {
        return Vec::new();
    }
    let place = url::Url::parse(word.field("url")).ok().and_then(|url| Some(format!("{}:{}", url.host_str()?, url.port_or_known_default()?)));
    let node = place.unwrap_or_else(|| "NODE:10250".to_owned());
    let step = if error.contains("x509") || error.contains("tls:") {
        Step::command("The kubelet's serving certificate is not there or not trusted: look for requests that wait, and approve those of the node", "kubectl get csr --field-selector spec.signerName=kubernetes.io/kubelet-serving")
    } else if error.contains("refused") {
        Step::command("The node answers and nothing listens there: on the node, look at the kubelet", "systemctl status kubelet; journalctl -u kubelet -n 50")
    } else {
        Step::text(format!("Open the way from the control plane to {node} (security group, firewall, routes); on EKS the cluster's security group must reach the nodes' one on TCP 10250."))
    };
    vec![
        RULE.finding(
            Confidence::Certain,
            format!("The API server wanted to pass the request on to {node} and met: {}. Your own access to the API server is not the problem.", clip(error, 160)),
            word.cite(),
            step,
        )
        .step(Step::command("The address the API server uses is the node's own", "kubectl get nodes -o wide"))
        .cite_if(case.evidence.identity.seen().map(|identity| seen("/identity/seen/user", format!("the API server knows you as {:?}", identity.user.username)))),
    ]
}
