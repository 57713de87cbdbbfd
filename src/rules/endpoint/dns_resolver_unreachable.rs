//! No name server gives an answer.

use crate::apiserver::message::{self, heard};
use crate::evidence::FailureKind;
use crate::evidence::dns::LookupOutcome;
use crate::report::{probed, Confidence, Finding, Severity, Step};
use crate::rules::way::{answers, cite_met, host, proxy};
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "dns-resolver-unreachable",
    severity: Severity::Error,
    title: "The name servers do not answer",
    page: Page {
        means: "Nothing can be said about the API server's name, because the resolver that this machine asks gives no answer: it is not running, a VPN that is down left its address behind, or UDP port 53 is blocked. kubectl says \"read udp ...: i/o timeout\", \"connection refused\" (on port 53) or \"server misbehaving\".",
        evidence: "getaddrinfo's failure (EAI_AGAIN, not EAI_NONAME), and the answer of each name server of resolv.conf, asked by itself.",
        fix: "Connect or disconnect the VPN so that resolv.conf is its own again; start the local resolver; or name servers that answer. `resolvectl status` shows who is asked.",
        references: "https://man7.org/linux/man-pages/man5/resolv.conf.5.html",
    },
    recognises: &[&message::CLIENT_NO_RESOLVER, &heard::SERVER_NAME, &heard::CALL_FAILED],
    explains: &[],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let endpoint = &case.evidence.endpoint;
    let Some(failure) = endpoint.dns.failed_as(&[FailureKind::ResolverFailed]) else { return Vec::new() };
    let names = endpoint.names.seen();
    let servers = names.map(|names| names.servers.as_slice()).unwrap_or_default();
    let silent = |outcome: &LookupOutcome| {
        matches!(outcome, LookupOutcome::Timeout | LookupOutcome::Closed | LookupOutcome::Error)
    };
    let decided = !servers.is_empty() && servers.iter().all(|answer| silent(&answer.outcome));
    let refusing = servers.iter().any(|answer| matches!(answer.outcome, LookupOutcome::Servfail | LookupOutcome::Refused));
    let whom = if proxy(case).is_some() { "the proxy" } else { host(case) };
    let why = if decided {
        format!("None of this machine's name servers answers, so {whom} has no address. Whether the name exists is not known.")
    } else if refusing {
        format!("This machine's name servers answer with a failure instead of an address for {whom}: they cannot reach the servers that know the name, or may not be asked by this machine.")
    } else {
        format!("The system's resolver gave no answer for {whom}. Whether the name exists is not known.")
    };
    let confidence = if decided { Confidence::Certain } else { Confidence::Likely };
    let mut finding = RULE.finding(
        confidence,
        why,
        probed("/endpoint/dns/failed/detail", failure.detail.clone()),
        Step::command("See which name servers this machine asks, and who wrote them", "cat /etc/resolv.conf; resolvectl status"),
    );
    if !servers.is_empty() {
        finding = finding.cite(probed("/endpoint/names/seen/servers", format!("the name servers say: {}", answers(servers))));
    }
    if let Some(public) = names.and_then(|names| names.public.as_ref()) {
        finding = finding.cite(probed("/endpoint/names/seen/public", format!("the public resolver says {}", answers(std::slice::from_ref(public)))));
    }
    let step = if refusing {
        finding = finding.titled("The name servers answer with a failure");
        "They are there, and no port is closed. If an address there belongs to a VPN, connect it; else have the people who run that resolver see why it fails for this name (SERVFAIL: the servers behind it do not answer, or DNSSEC does not hold; REFUSED: it does not serve this machine), or ask another one."
    } else {
        "If an address there belongs to a VPN, connect it (or let it restore resolv.conf); else start that resolver, or allow UDP and TCP port 53 to it."
    };
    vec![finding.step(Step::text(step)).cite_if(cite_met(case, RULE.recognises))]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Evidence;

    #[test]
    fn name_servers_that_answer_with_a_failure_are_not_said_to_be_silent() {
        let found = |text: &str| {
            let evidence: Evidence = serde_json::from_str(text).expect("evidence");
            check(&Case::new(&evidence)).remove(0)
        };
        let failing = found(include_str!("../../../testdata/cases/dns-resolver-unreachable-failing/evidence.json"));
        assert_eq!(failing.title, "The name servers answer with a failure");
        assert!(!failing.fix.iter().any(|step| step.text.contains("port 53")), "{:?}", failing.fix);
        let silent = found(include_str!("../../../testdata/cases/dns-resolver-unreachable-silent/evidence.json"));
        assert_eq!(silent.title, RULE.title);
        assert!(silent.fix.iter().any(|step| step.text.contains("port 53")), "{:?}", silent.fix);
    }
}
