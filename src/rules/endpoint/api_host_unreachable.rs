//! No way leads to the API server.

use crate::apiserver::message::{self, heard, tools};
use crate::evidence::dns::{Attempt, ConnectOutcome};
use crate::report::shell::shell;
use crate::report::{Citation, Confidence, Finding, Severity, Step, probed};
use crate::rules::way::{address, cite_met, is_private, place, unconnected};
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "api-host-unreachable",
    severity: Severity::Error,
    title: "No route leads to the API server",
    page: Page {
        means: "The attempt to connect ended with a message that there is no way: \"no route to host\" (a router, or a host on the same network, does not find the address; some firewalls refuse with the same message), \"network is unreachable\" (this machine itself knows no route), or \"permission denied\" and \"invalid argument\" (a route or rule of this machine forbids the way).",
        evidence: "One TCP connection to every address of the API server's host: each came back as unreachable or with another error of this machine's system, and none was refused or silent.",
        fix: "Bring the network or VPN up that leads there; correct the address; start the machine behind it. `ip route get ADDRESS` shows the way that is taken.",
        references: "https://kubernetes.io/docs/reference/networking/ports-and-protocols/",
    },
    recognises: &[&message::CLIENT_UNREACHABLE, &heard::SERVER_ROUTE, &heard::CALL_FAILED, &tools::SOCKET],
    explains: &[],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    unreachable(case).into_iter().collect()
}

/// How a system begins its words for a way that it forbids itself.
const FORBIDDEN: [&str; 3] = ["Permission denied", "Operation not permitted", "Invalid argument"];

fn unreachable(case: &Case<'_>) -> Option<Finding> {
    let attempts = unconnected(case)?;
    // Where another address was refused or silent, that is the nearer word.
    if attempts.iter().any(|attempt| matches!(attempt.outcome, ConnectOutcome::Refused | ConnectOutcome::Timeout)) {
        return None;
    }
    let first = |outcome: ConnectOutcome| attempts.iter().enumerate().find(|(_, attempt)| attempt.outcome == outcome);
    let Some((index, attempt)) = first(ConnectOutcome::Unreachable) else {
        let (index, attempt) = first(ConnectOutcome::Error)?;
        return Some(other_error(case, index, attempt));
    };
    let detail = attempt.detail.as_deref().unwrap_or("unreachable");
    let ip = address(attempt).map_or_else(|| attempt.address.clone(), |ip| ip.to_string());
    if FORBIDDEN.iter().any(|words| detail.starts_with(words)) {
        return Some(forbidden(case, index, attempt));
    }
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
    Some(
        RULE.finding(Confidence::Certain, why, cite(index, attempt), step)
            .step(Step::command("See which way this machine takes", shell!("ip route get {}", ip)))
            .cite_if(cite_met(case, RULE.recognises)),
    )
}

fn cite(index: usize, attempt: &Attempt) -> Citation {
    let detail = attempt.detail.as_deref().unwrap_or("unreachable");
    probed(format!("/endpoint/tcp/seen/attempts/{index}"), format!("{}: {detail}", attempt.address))
}

/// This machine's own system refused to send anything there.
fn forbidden(case: &Case<'_>, index: usize, attempt: &Attempt) -> Finding {
    let ip = address(attempt).map_or_else(|| attempt.address.clone(), |ip| ip.to_string());
    let detail = attempt.detail.as_deref().unwrap_or_default();
    let why = format!("This machine's own system forbids the way to {ip} ({detail}), and nothing was sent: a route that prohibits it or leads into a black hole (ip route: prohibit, blackhole), a local firewall, or a sandbox that this runs in.");
    RULE.finding(
        Confidence::Certain,
        why,
        cite(index, attempt),
        Step::command(
            "See which way this machine takes, and which routes forbid one; a VPN that is not connected may have left them",
            shell!("ip route get {}; ip route show table all | grep -E '^(prohibit|blackhole|unreachable|throw)'; ip rule", ip),
        ),
    )
    .titled("This machine forbids the way to the API server")
    .step(Step::text("If no route does, look at the firewall of this machine (nft list ruleset) and at the policy of the container or sandbox that this runs in."))
    .cite_if(cite_met(case, RULE.recognises))
}

/// The system had another error, before anything of the server was seen.
fn other_error(case: &Case<'_>, index: usize, attempt: &Attempt) -> Finding {
    let detail = attempt.detail.as_deref().unwrap_or("no words for it");
    RULE.finding(
        Confidence::Likely,
        format!("This machine's system ended each attempt to connect with an error: {detail}."),
        cite(index, attempt),
        Step::command("See how far a connection comes", shell!("curl -vk https://{}/version", place(case))),
    )
    .titled("No connection to the API server comes about")
    .cite_if(cite_met(case, RULE.recognises))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{Evidence, Outcome};
    use crate::report::diagnose;
    use crate::rules::check_all;

    /// A saved run whose only attempt ended so. The errors are the kernel's own (1, 13 and 22 of Linux), which no network
    /// of this test's can be relied on to have; the last one is any other.
    #[test]
    fn what_this_machine_forbids_is_told_as_its_own() {
        let text = include_str!("../../../testdata/cases/api-connection-answered/evidence.json");
        let found = |outcome: ConnectOutcome, detail: &str| {
            let mut evidence: Evidence = serde_json::from_str(text).expect("evidence");
            let Outcome::Seen(tcp) = &mut evidence.endpoint.tcp.outcome else { panic!("no connection") };
            let attempt = tcp.attempts.first_mut().expect("an attempt");
            (attempt.outcome, attempt.detail, attempt.source) = (outcome, Some(detail.to_owned()), None);
            tcp.attempts.truncate(1);
            let missing = "no connection".to_owned();
            evidence.endpoint.tls.outcome = Outcome::NotApplicable(missing.clone());
            evidence.endpoint.anonymous.outcome = Outcome::NotApplicable(missing.clone());
            evidence.endpoint.authenticated.outcome = Outcome::NotApplicable(missing);
            let first = diagnose(check_all(&Case::new(&evidence))).into_iter().find(|found| found.code == RULE.code);
            first.map(|found| (found.confidence.word(), found.title))
        };
        let own = Some(("certain", "This machine forbids the way to the API server".to_owned()));
        assert_eq!(found(ConnectOutcome::Unreachable, "Permission denied (os error 13)"), own);
        assert_eq!(found(ConnectOutcome::Unreachable, "Operation not permitted (os error 1)"), own);
        assert_eq!(found(ConnectOutcome::Unreachable, "Invalid argument (os error 22)"), own);
        let route = Some(("certain", RULE.title.to_owned()));
        assert_eq!(found(ConnectOutcome::Unreachable, "No route to host (os error 113)"), route);
        let other = Some(("likely", "No connection to the API server comes about".to_owned()));
        assert_eq!(found(ConnectOutcome::Error, "No buffer space available (os error 105)"), other);
        assert_eq!(found(ConnectOutcome::Refused, "Connection refused (os error 111)"), None);
    }
}
