//! Addresses of one family lead nowhere.

use crate::apiserver::message::{self, heard};
use crate::evidence::dns::{Attempt, ConnectOutcome};
use crate::report::{probed, Confidence, Finding, Severity, Step};
use crate::rules::way::{address, cite_met, host, met, proxy};
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "ip-family-unreachable",
    severity: Severity::Warning,
    title: "This machine has no way for one family of the server's addresses",
    page: Page {
        means: "The API server has IPv6 addresses (or IPv4 ones), and from here that family leads nowhere: there is no route for it, or its packets vanish. With addresses of both families clients fall back to the other one, each time after a wait; with addresses of that family alone nothing can be reached, and kubectl says \"connect: network is unreachable\".",
        evidence: "One TCP connection to every address, with its family: all of one family fail, and those of the other, if there are any, connect.",
        fix: "Give this machine a route for that family; or have the name carry, or the client use, only the other one. `ip -6 route get ADDRESS` shows whether there is a way.",
        references: "https://kubernetes.io/docs/concepts/services-networking/dual-stack/",
    },
    recognises: &[&message::CLIENT_NO_NETWORK, &heard::SERVER_ROUTE, &heard::CALL_FAILED],
    explains: &["api-host-unreachable"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(connections) = case.evidence.endpoint.tcp.seen().filter(|_| proxy(case).is_none()) else {
        return Vec::new();
    };
    let (new, old): (Vec<&Attempt>, Vec<&Attempt>) =
        connections.attempts.iter().partition(|attempt| address(attempt).is_some_and(|ip| ip.is_ipv6()));
    let all = |attempts: &[&Attempt], outcome: ConnectOutcome| {
        !attempts.is_empty() && attempts.iter().all(|attempt| attempt.outcome == outcome)
    };
    // EHOSTUNREACH is about one host; these two are about the network.
    let routeless = |attempt: &&Attempt| {
        let detail = attempt.detail.as_deref().unwrap_or_default();
        detail.contains("etwork is unreachable") || detail.contains("assign requested address")
    };
    // Without IPv4 a machine is as a rule without any network, which is another finding.
    let nowhere = |attempts: &[&Attempt], name: &str| {
        name == "IPv6" && all(attempts, ConnectOutcome::Unreachable) && attempts.iter().all(routeless)
    };
    let host = host(case);
    for (bad, other, name, other_name) in [(&new, &old, "IPv6", "IPv4"), (&old, &new, "IPv4", "IPv6")] {
        let alone = other.is_empty() && nowhere(bad, name);
        let connected = other.iter().any(|attempt| attempt.connected());
        let slow = connected && all(bad, ConnectOutcome::Timeout);
        let told = connected && all(bad, ConnectOutcome::Unreachable) && met(case, RULE.recognises).is_some();
        if !alone && !slow && !told {
            continue;
        }
        let Some(index) = connections.attempts.iter().position(|attempt| attempt.address == bad[0].address) else { continue };
        let list = bad.iter().map(|attempt| attempt.address.as_str()).collect::<Vec<_>>().join(", ");
        let why = if alone {
            format!("{host} has {name} addresses only ({list}), and this machine has no route for {name}.")
        } else if slow {
            format!("The {name} addresses of {host} ({list}) do not answer from here, its {other_name} ones do: each connection waits before it falls back, and clients that do not fall back fail.")
        } else {
            format!("This machine has no route for {name}, so the {name} addresses of {host} ({list}) fail at once; a client that does not try the {other_name} ones as well cannot connect.")
        };
        let step = if name == "IPv6" {
            Step::command("See whether this machine has an IPv6 address and a default route", "ip -6 address show scope global; ip -6 route show default")
        } else {
            Step::command("See whether this machine has an IPv4 address and a default route", "ip -4 address show scope global; ip -4 route show default")
        };
        return vec![
            RULE.finding(
                Confidence::Certain,
                why,
                probed(format!("/endpoint/tcp/seen/attempts/{index}"), format!("{list}: {}", bad[0].detail.clone().unwrap_or_else(|| bad[0].outcome.to_string()))),
                step,
            )
            .titled(if slow { format!("The {name} addresses of the API server do not answer from here") } else { format!("This machine has no {name} route") })
            .step(Step::text(format!("Get a route for {name} (VPN, router), or have the endpoint published with {other_name} addresses too.")))
            .cite_if(cite_met(case, RULE.recognises)),
        ];
    }
    Vec::new()
}
