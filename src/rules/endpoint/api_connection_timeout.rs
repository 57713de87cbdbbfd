//! The API server does not answer.

use crate::apiserver::message::{self, heard};
use crate::report::{Confidence, Finding, Severity, Step};
use crate::rules::way::{cite_met, unconnected};
use crate::rules::{Case, Page, Rule, probed};

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
    recognises: &[&message::CLIENT_TIMEOUT, &heard::SERVER_SILENT, &heard::CALL_FAILED, &heard::PYTHON_CALL],
    explains: &[],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(attempts) = unconnected(case) else { return Vec::new() };
    let Some((index, attempt)) = attempts.iter().enumerate().find(|(_, attempt)| attempt.outcome == "timeout") else {
        return Vec::new();
    };
    vec![RULE
        .finding(
            Confidence::Certain,
            format!("No answer from {} within {} ms, neither acceptance nor refusal: the packets are dropped on the way.", attempt.address, attempt.took_ms),
            probed(format!("/endpoint/tcp/seen/attempts/{index}"), format!("{}: no answer within {} ms", attempt.address, attempt.took_ms)),
            Step::text("Connect the VPN if the endpoint is private; else have this machine's public address allowed by the firewall or security group in front of the API server (EKS: publicAccessCidrs)."),
        )
        .step(Step::command("See from which address you come, and try the port alone", format!("nc -vz -w 5 {}", attempt.address.replace(":", " "))))
        .cite_if(cite_met(case, RULE.recognises))]
}
