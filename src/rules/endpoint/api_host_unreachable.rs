//! No way leads to the API server.

use crate::apiserver::message::{self, heard};
use crate::evidence::dns::ConnectOutcome;
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step, probed};
use crate::rules::way::{address, cite_met, is_private, unconnected};
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "api-host-unreachable",
    severity: Severity::Error,
    title: "No route leads to the API server",
    page: Page {
        means: "The attempt to connect ended with a message that there is no way: \"no route to host\" (a router, or a host on the same network, does not find the address; some firewalls refuse with the same message) or \"network is unreachable\" (this machine itself knows no route).",
        evidence: "One TCP connection to every address of the API server's host: each came back as unreachable, and none was refused or silent.",
        fix: "Bring the network or VPN up that leads there; correct the address; start the machine behind it. `ip route get ADDRESS` shows the way that is taken.",
        references: "https://kubernetes.io/docs/reference/networking/ports-and-protocols/",
    },
    recognises: &[&message::CLIENT_UNREACHABLE, &heard::SERVER_ROUTE, &heard::CALL_FAILED],
    explains: &[],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(attempts) = unconnected(case) else { return Vec::new() };
    // Where another address was refused or silent, that is the nearer word.
    if attempts.iter().any(|attempt| matches!(attempt.outcome, ConnectOutcome::Refused | ConnectOutcome::Timeout)) {
        return Vec::new();
    }
    let Some((index, attempt)) = attempts.iter().enumerate().find(|(_, attempt)| attempt.outcome == ConnectOutcome::Unreachable) else {
        return Vec::new();
    };
    let detail = attempt.detail.as_deref().unwrap_or("unreachable");
    let ip = address(attempt).map_or_else(|| attempt.address.clone(), |ip| ip.to_string());
    let why = match &attempt.source {
        None => format!("This machine knows no route to {ip}: it is in no network that leads there."),
        Some(source) => format!("This machine sends from {source}, and was told that {ip} cannot be reached: the machine there is off or the address is wrong, the way ends before it, or a firewall says so."),
    };
    let step = match (&attempt.source, address(attempt).is_some_and(is_private)) {
        (None, true) => Step::text("The address is private: connect the VPN of its network."),
        (None, false) => Step::text("Connect this machine to a network."),
        (Some(_), true) => Step::text("The address is private: check that the VPN routes it, and that the machine there is up."),
        (Some(_), false) => Step::text("Check that the machine at that address is up, and the firewalls on the way."),
    };
    vec![
        RULE.finding(
            Confidence::Certain,
            why,
            probed(format!("/endpoint/tcp/seen/attempts/{index}"), format!("{}: {detail}", attempt.address)),
            step,
        )
        .step(Step::command("See which way this machine takes", shell!("ip route get {}", ip)))
        .cite_if(cite_met(case, RULE.recognises)),
    ]
}
