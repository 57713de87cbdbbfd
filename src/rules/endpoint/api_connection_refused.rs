//! The API server refuses connections.

use crate::apiserver::message::{self, heard, tools};
use crate::evidence::dns::ConnectOutcome;
use crate::report::{probed, Confidence, Finding, Severity, Step};
use crate::rules::way::{cite_met, unconnected};
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "api-connection-refused",
    severity: Severity::Error,
    title: "The API server refuses connections",
    page: Page {
        means: "Something at that address answered that nobody listens on this port: the API server is stopped, or the port or host in the kubeconfig is wrong. Neither credential nor rights were looked at.",
        evidence: "One TCP connection to every address of the API server's host, from this machine.",
        fix: "Start the API server, or correct the server URL in the cluster entry. `kubectl config set-cluster CLUSTER --server=https://HOST:6443` corrects it.",
        references: "https://kubernetes.io/docs/reference/networking/ports-and-protocols/",
    },
    recognises: &[&message::CLIENT_REFUSED, &heard::SERVER_REFUSED, &heard::CALL_FAILED, &heard::PYTHON_CALL, &heard::JENKINS_TEST, &tools::REFUSED, &tools::CONNECTEX, &tools::OC_CONNECT],
    explains: &[],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(attempts) = unconnected(case) else { return Vec::new() };
    let Some((index, attempt)) = attempts.iter().enumerate().find(|(_, attempt)| attempt.outcome == ConnectOutcome::Refused) else {
        return Vec::new();
    };
    let route = case.evidence.endpoint.route.seen();
    let host = route.map_or("the host", |route| route.host.as_str());
    vec![RULE
        .finding(
            Confidence::Certain,
            format!("{} answered at once that nothing listens on that port: the API server is not running there, or the server URL names the wrong host or port.", attempt.address),
            probed(format!("/endpoint/tcp/seen/attempts/{index}"), format!("{}: connection refused", attempt.address)),
            Step::command("Compare the server URL with the cluster's endpoint", "kubectl config view --minify -o jsonpath='{.clusters[0].cluster.server}'"),
        )
        .step(Step::command(
            format!("If the URL is right, start the API server on {host} (kubeadm: its static Pod)"),
            "crictl ps -a --name kube-apiserver; journalctl -u kubelet --since -15min",
        ))
        .cite_if(cite_met(case, RULE.recognises))]
}
