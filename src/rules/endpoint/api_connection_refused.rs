//! The API server refuses connections.

use crate::apiserver::message::{self, heard, tools};
use crate::evidence::dns::ConnectOutcome;
use crate::report::{probed, Confidence, Finding, Severity, Step};
use crate::rules::way::{address, cite_met, is_itself, leads_home, unconnected};
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
    // A name that leads this machine to itself may be one that its resolver blocks.
    let home = leads_home(case).filter(|_| address(attempt).is_some_and(is_itself));
    let perhaps = if home.is_some() { ". This machine itself answered, which is also where a resolver leads that blocks a name" } else { "" };
    let mut finding = RULE
        .finding(
            if home.is_some() { Confidence::Likely } else { Confidence::Certain },
            format!("{} answered at once that nothing listens on that port: the API server is not running there, or the server URL names the wrong host or port{perhaps}.", attempt.address),
            probed(format!("/endpoint/tcp/seen/attempts/{index}"), format!("{}: connection refused", attempt.address)),
            Step::command("Compare the server URL with the cluster's endpoint", "kubectl config view --minify -o jsonpath='{.clusters[0].cluster.server}'"),
        )
        .step(Step::command(
            format!("If the URL is right, start the API server on {host} (kubeadm: its static Pod)"),
            "crictl ps -a --name kube-apiserver; journalctl -u kubelet --since -15min",
        ))
        .cite_if(cite_met(case, RULE.recognises));
    if let Some((dns, names)) = home {
        finding = finding.cite(probed("/endpoint/dns/seen/addresses", format!("{host} is {} here", dns.addresses.join(", "))));
        if names.public.is_none() {
            finding = finding.step(Step::command("See whether others know another address of it", "kaccess doctor --public-resolver 9.9.9.9"));
        }
    }
    vec![finding]
}
