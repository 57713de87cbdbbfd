//! The API server does not answer.

use crate::apiserver::message::{self, heard, tools};
use crate::aws::allowlist::public_endpoint_lets_in;
use crate::evidence::FailureKind;
use crate::evidence::dns::ConnectOutcome;
use crate::report::shell::shell;
use crate::report::{Candidate, Citation, Confidence, Finding, Severity, Step, probed, seen};
use crate::rules::clock::waited;
use crate::rules::endpoint::public_access_cidr_blocked::open_to_all;
use crate::rules::unserved::{Came, Spread, unserved};
use crate::rules::way::{Managed, address, cite_met, host, is_private, managed, unconnected};
use crate::rules::{Case, Page, Rule, eks};

/// The rule.
pub static RULE: Rule = Rule {
    code: "api-connection-timeout",
    severity: Severity::Error,
    title: "The API server does not answer",
    page: Page {
        means: "Connection attempts get no answer at all: a firewall, security group, missing route or VPN drops them. A server that is merely stopped would refuse at once. \
            Or the connection is made and a request on it is not answered: the API server hangs, or waits for somebody whom it asks about the credential (a token webhook).",
        evidence: "One TCP connection to every address of the API server's host, from this machine; and where one is made, how long its requests were waited for.",
        fix: "Allow this machine in the firewall or security group, or connect the VPN. On EKS `aws eks describe-cluster --name CLUSTER --query cluster.resourcesVpcConfig` shows who may come from where.",
        references: "https://kubernetes.io/docs/reference/networking/ports-and-protocols/",
    },
    recognises: &[&message::CLIENT_TIMEOUT, &heard::SERVER_SILENT, &heard::CALL_FAILED, &heard::PYTHON_CALL, &heard::BARE_TIMEOUT, &tools::SILENT, &tools::CONNECTEX],
    explains: &[],
    check,
};

/// The public endpoint's list lets this machine in, in words, with the citation of it; none where it does not, or where that
/// is not known.
fn let_in(case: &Case<'_>, tried: std::net::IpAddr) -> Option<(String, Citation)> {
    if !matches!(managed(host(case)), Some(Managed::Eks(_))) || eks::other_cluster(case.evidence).is_some() {
        return None;
    }
    let aws = eks::aws(case)?;
    let cluster = aws.cluster.seen().filter(|cluster| cluster.vpc.endpoint_public_access)?;
    let cidrs = &cluster.vpc.public_access_cidrs;
    let own = aws.own_egress.seen().and_then(|own| own.address.parse::<std::net::IpAddr>().ok());
    let text = if open_to_all(cidrs, tried) {
        "publicAccessCidrs lets everybody in".to_owned()
    } else {
        let own = own.filter(|own| public_endpoint_lets_in(cluster, *own) == Some(true))?;
        format!("publicAccessCidrs holds {own}, the address that this machine is seen to come from")
    };
    let list = if cidrs.is_empty() { "publicAccessCidrs is empty".to_owned() } else { format!("publicAccessCidrs: {}", cidrs.join(", ")) };
    Some((text, seen("/aws/cluster/seen/vpc/publicAccessCidrs", list)))
}

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(attempts) = unconnected(case) else { return unanswered(case).into_iter().collect() };
    let Some((index, attempt)) = attempts.iter().enumerate().find(|(_, attempt)| attempt.outcome == ConnectOutcome::Timeout) else {
        return Vec::new();
    };
    let private = address(attempt).is_some_and(is_private);
    let ip = address(attempt).map_or_else(|| attempt.address.clone(), |address| address.to_string());
    let (host, port) = attempt.address.rsplit_once(':').unwrap_or((attempt.address.as_str(), "443"));
    let port_alone = shell!("nc -vz -w 5 {} {}", host.trim_matches(['[', ']']), port);
    let waited = waited(attempt.took_ms);
    let listed = address(attempt).filter(|_| !private).and_then(|tried| let_in(case, tried));
    let (first, own) = if listed.is_some() {
        (
            Step::text(format!("Look on this side and on the way: a firewall of this network that lets nothing out on TCP {port}, a VPN that takes these addresses elsewhere, a network where only a proxy gets out. The endpoint's own list is not what drops the packets.")),
            Step::command("See by which interface and from which address you would go there", shell!("ip route get {}", ip)),
        )
    } else if private {
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
    let mut why = format!("No answer from {} within {waited}, neither acceptance nor refusal: the packets are dropped on the way.", attempt.address);
    if let Some((text, _)) = &listed {
        why.push_str(&format!(" The list of the public endpoint is not what drops them: {text}."));
    }
    vec![RULE
        .finding(
            Confidence::Certain,
            why,
            probed(format!("/endpoint/tcp/seen/attempts/{index}"), format!("{}: no answer within {waited}", attempt.address)),
            first,
        )
        .step(own)
        .step(Step::command(if listed.is_some() { "Then try the port alone, here and from another network: what answers there is kept back here" } else { "Then try the port alone" }, port_alone))
        .cite_if(listed.map(|(_, cite)| cite))
        .cite_if(cite_met(case, RULE.recognises))]
}

/// How long a request is waited for before its silence says much, in milliseconds: an API server that hangs, and not a
/// run that had no more time.
const LONG: u64 = 5_000;

/// The way is open, and a request gets no answer.
fn unanswered(case: &Case<'_>) -> Option<Finding> {
    let unserved = unserved(case, |came| {
        matches!(came, Came::Broken(failure, took_ms) if failure.kind == FailureKind::Timeout && *took_ms >= 1_000)
    })?;
    let Came::Broken(_, took_ms) = unserved.came else { return None };
    let waited = waited(took_ms);
    let candidate = Candidate {
        code: "authentication-webhook-down",
        why: "An API server with a token webhook asks it about each credential that is not in its cache, tries again where the webhook is slow or closes the connection, and answers nobody until then.".to_owned(),
        decided_by: Step::text("Look into kube-apiserver's log of that moment for lines of webhook.go (\"Failed to make webhook authenticator request\"), and at its flag --authentication-token-webhook-config-file; `kaccess doctor --log FILE` reads the log."),
    };
    let (why, candidates) = match unserved.spread {
        Spread::Every => (
            format!("The connection is made, and no complete answer came within {waited}. {}. What stands there takes requests and hangs: the API server itself, or a balancer that waits for one.", unserved.what()),
            Vec::new(),
        ),
        Spread::Credential => (
            format!("No complete answer came within {waited}. {}. So it is most likely the API server that waits for somebody whom it asks about the credential.", unserved.what()),
            vec![candidate],
        ),
        _ => (format!("No complete answer came within {waited}. {}. Or the API server waits for somebody whom it asks about the credential.", unserved.what()), vec![candidate]),
    };
    let mut finding = unserved.finding(&RULE, case, "not answered in time", why);
    finding.candidates = candidates;
    if took_ms < LONG {
        finding.confidence = Confidence::Possible;
    }
    Some(finding)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Evidence;

    #[test]
    fn a_list_that_lets_in_is_not_to_be_extended() {
        let open = include_str!("../../../testdata/cases/eks-public-cidrs-open/evidence.json");
        let own = include_str!("../../../testdata/cases/eks-public-cidrs-with-own/evidence.json");
        let listed = include_str!("../../../testdata/cases/eks-public-cidrs-listed/evidence.json");
        for (text, lets_in) in [(open, true), (own, true), (listed, false)] {
            let evidence: Evidence = serde_json::from_str(text).expect("evidence");
            let mut all = check(&Case::new(&evidence));
            let found = all.pop().expect("the finding");
            let extend = found.fix.iter().any(|step| step.text.contains("(EKS: publicAccessCidrs)"));
            assert_eq!(extend, !lets_in, "{:?}", found.fix);
            let cited = found.cites.iter().any(|cite| cite.path == "/aws/cluster/seen/vpc/publicAccessCidrs");
            assert_eq!(cited, lets_in, "{:?}", found.cites);
        }
    }
}
