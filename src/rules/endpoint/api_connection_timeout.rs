//! The API server does not answer.

use crate::apiserver::message::{self, heard};
use crate::evidence::dns::ConnectOutcome;
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step, probed};
use crate::rules::api_port::waited;
use crate::rules::way::{address, cite_met, is_private, unconnected};
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "api-connection-timeout",
    severity: Severity::Error,
    title: "The API server does not answer",
    page: Page {
        means: "Connection attempts get no answer at all: a firewall, security group, missing route or VPN drops them. A server that is merely stopped would refuse at once.",
        evidence: "One TCP connection to every address of the API server's host, from this machine.",
        fix: "Allow this machine in the firewall or security group, or connect the VPN. On EKS `aws eks describe-cluster --name CLUSTER --query cluster.resourcesVpcConfig` shows who may come from where.",
        references: "https://kubernetes.io/docs/reference/networking/ports-and-protocols/",
    },
    recognises: &[&message::CLIENT_TIMEOUT, &heard::SERVER_SILENT, &heard::CALL_FAILED, &heard::PYTHON_CALL, &heard::BARE_TIMEOUT],
    explains: &[],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(attempts) = unconnected(case) else { return Vec::new() };
    let Some((index, attempt)) = attempts.iter().enumerate().find(|(_, attempt)| attempt.outcome == ConnectOutcome::Timeout) else {
        return Vec::new();
    };
    let private = address(attempt).is_some_and(is_private);
    let ip = address(attempt).map_or_else(|| attempt.address.clone(), |address| address.to_string());
    let (host, port) = attempt.address.rsplit_once(':').unwrap_or((attempt.address.as_str(), "443"));
    let port_alone = shell!("nc -vz -w 5 {} {}", host.trim_matches(['[', ']']), port);
    let waited = waited(attempt.took_ms);
    let (first, own) = if private {
        (
            Step::text("Connect the VPN of the network that this private address belongs to, or have the firewall or security group in front of the API server let this machine in."),
            Step::command("See by which interface and from which address you would go there", shell!("ip route get {}", ip)),
        )
    } else {
        (
            Step::text("Have this machine's public address allowed by the firewall or security group in front of the API server (EKS: publicAccessCidrs)."),
            Step::command("See from which public address you come", "curl -s https://checkip.amazonaws.com"),
        )
    };
    vec![RULE
        .finding(
            Confidence::Certain,
            format!("No answer from {} within {waited}, neither acceptance nor refusal: the packets are dropped on the way.", attempt.address),
            probed(format!("/endpoint/tcp/seen/attempts/{index}"), format!("{}: no answer within {waited}", attempt.address)),
            first,
        )
        .step(own)
        .step(Step::command("Then try the port alone", port_alone))
        .cite_if(cite_met(case, RULE.recognises))]
}
