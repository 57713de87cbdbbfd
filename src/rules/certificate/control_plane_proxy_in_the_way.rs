//! The API server goes to the nodes through a proxy.

use crate::apiserver::message::{self, tools};
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::{Case, Page, Place, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "control-plane-proxy-in-the-way",
    severity: Severity::Error,
    title: "The API server asks a proxy for the way to the node, and the proxy refuses",
    page: Page {
        means: "The API server's process has HTTPS_PROXY in its environment, and the node's address is not in NO_PROXY. So it asks the proxy to connect to port 10250 of the node, and the proxy says no.",
        evidence: "The message names the node's URL and then only a reason phrase (\"Forbidden\"): no user and no verb, so it is not the kubelet that refused.",
        fix: "Add the nodes', Pods' and services' ranges to NO_PROXY of the API server (its static Pod manifest), or take the proxy out. `kubectl get pod -n kube-system -l component=kube-apiserver -o yaml` shows the variables it has.",
        references: "https://kubernetes.io/docs/concepts/architecture/control-plane-node-communication/",
    },
    recognises: &[&message::KUBELET_UNREACHABLE, &message::KUBELET_DIAL, &tools::SERVER_PROXY],
    explains: &["kubelet-unreachable", "kubelet-refuses-api-server"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(word) = [&message::KUBELET_UNREACHABLE, &message::KUBELET_DIAL]
        .into_iter()
        .find_map(|text| case.said(text).filter(|word| word.place == Place::Met))
    else {
        return Vec::new();
    };
    let error = word.field("error").trim();
    let phrases = ["Forbidden", "Proxy Authentication Required", "Bad Gateway", "Service Unavailable", "Gateway Timeout", "Method Not Allowed", "Bad Request"];
    if !phrases.contains(&error) && !error.starts_with("proxyconnect") {
        return Vec::new();
    }
    let host = url::Url::parse(word.field("url")).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_else(|| "NODE".to_owned());
    vec![
        RULE.finding(
            Confidence::Certain,
            format!("The way to {host} was answered {error:?} and nothing else: neither a user nor a verb is named, as a kubelet would. It is the answer of a proxy that the API server's environment names. Your own access is not the problem."),
            word.cite(),
            Step::command("On a control-plane node, look for the proxy in the API server's environment", "grep -iA1 proxy /etc/kubernetes/manifests/kube-apiserver.yaml"),
        )
        .step(Step::manifest("Exempt nodes, Pods and services there (the kubelet restarts the API server by itself)", format!("- name: NO_PROXY\n  value: localhost,127.0.0.1,{host},NODE_RANGE,POD_RANGE,SERVICE_RANGE,.svc,.cluster.local\n")))
        .cite_if(case.evidence.identity.seen().map(|identity| seen("/identity/seen/user", format!("the API server knows you as {:?}", identity.user.username)))),
    ]
}
