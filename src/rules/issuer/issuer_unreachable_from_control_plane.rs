//! The control plane gets no connection to the issuer.

use crate::apiserver::message::{self, heard};
use crate::aws::egress::Mode;
use crate::report::{probed, Confidence, Finding, Severity, Step};
use crate::report::shell::shell;
use crate::rules::issuer_port::{again, another_port};
use crate::rules::{clip, eks, Case, Page, Rule};
use crate::rules::way::{self, all, is_private, is_public};

/// The rule.
pub static RULE: Rule = Rule {
    code: "issuer-unreachable-from-control-plane",
    severity: Severity::Error,
    title: "The control plane gets no connection to the issuer",
    page: Page {
        means: "Between the control plane and the issuer something drops or closes the connection: a firewall, a security group, a route, a private address. There is no answer that would name the place.",
        evidence: "The API server's log: a time-out or a refused connection at the discovery URL. Where only private addresses are published, and the control plane is in another network by all that is seen (a managed cluster, a public endpoint), it is likely without the log.",
        fix: "Open the way from the control plane to the issuer's port, or give the issuer an address that the control plane can reach. `curl -v ISSUER/.well-known/openid-configuration` on a control-plane node tries it; on EKS `kaccess allowlist` says what to open.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/authentication/#configuring-the-api-server",
    },
    recognises: &[&message::OIDC_INIT_TIMEOUT, &message::OIDC_INIT_REFUSED, &message::OIDC_INIT_CLOSED, &heard::INIT_OLD],
    explains: &["credential-rejected", "oidc-not-initialized", "oidc-partly-initialized", "issuer-blocks-control-plane"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    if case.accepted() || case.initialized() {
        return Vec::new();
    }
    let (probes, at) = case.issuer();
    let said = [&message::OIDC_INIT_TIMEOUT, &message::OIDC_INIT_REFUSED, &message::OIDC_INIT_CLOSED]
        .into_iter()
        .find_map(|text| case.words.iter().find(|word| word.text == text && !(word.text == &message::OIDC_INIT_CLOSED && word.answered())));
    // That is the door of an egress proxy, and a finding of its own.
    if said.is_some_and(|word| word.text == &message::OIDC_INIT_REFUSED && another_port(case, word).is_some()) {
        return Vec::new();
    }
    let laboratory = probes.target.seen().is_none_or(|target| target.laboratory);
    // A control plane that leaves through the VPC reaches private addresses; whether these, the model says step by step.
    let routed = matches!(eks::egress(case), Some(Mode::CustomerRouted));
    let inside = probes.dns.seen().filter(|dns| !laboratory && !routed && elsewhere(case) && all(&dns.addresses, is_private));
    let closed = probes.tcp.seen().filter(|tcp| !tcp.attempts.is_empty() && tcp.attempts.iter().all(|attempt| !attempt.connected()));
    let reached = case.logged_discovery_status().is_some() || case.issuer_answered();
    let (confidence, first) = match (said, case.not_initialized()) {
        (Some(word), _) => (word.sure(), word.cite()),
        (None, Some((cite, sure))) if (inside.is_some() || closed.is_some()) && !reached => (sure.max(Confidence::Likely), cite),
        _ => return Vec::new(),
    };
    let host = probes.target.seen().map_or_else(|| "the issuer".to_owned(), |target| target.host.clone());
    let met = match said {
        Some(word) if word.text == &message::OIDC_INIT_REFUSED => format!("is refused the connection at {}", word.field("address")),
        Some(word) if word.text == &message::OIDC_INIT_CLOSED => format!("gets no connection that lasts ({})", clip(word.field("error"), 120)),
        Some(word) => format!("gets no answer ({})", clip(word.field("error"), 120)),
        None if inside.is_some() => "has only private addresses to go to, which another network does not reach".to_owned(),
        None => "can hardly get further than this machine, which gets no connection either".to_owned(),
    };
    let port = probes.target.seen().and_then(|target| url::Url::parse(&target.url).ok()?.port_or_known_default()).unwrap_or(443);
    // The other end of a connection is the issuer's port, or that of a proxy.
    let peer = said.and_then(|word| {
        let of_url = url::Url::parse(word.field("url")).ok().and_then(|url| url.port_or_known_default());
        proxy_peer(word.field("error"), of_url.unwrap_or(port))
    });
    let (whence, from) = match eks::egress(case) {
        Some(Mode::CustomerRouted) => (
            "This control plane leaves through your VPC (CUSTOMER_ROUTED): on its side that is the routes, the network ACLs and the security groups of the cluster's subnets and interfaces.",
            "From a host in one of the cluster's subnets this must answer",
        ),
        Some(Mode::AwsManaged { .. }) => (
            "This control plane leaves through a network of AWS's own (AWS_MANAGED), so the issuer needs a public address, and there the two documents for everybody.",
            "From any host on the Internet this must answer",
        ),
        Some(Mode::Unknown(_)) => (
            "Through what this control plane leaves is not documented for its egress mode.",
            "From a host outside your network, and from one in the cluster's subnets, this must answer",
        ),
        None => (
            "A managed control plane comes from the provider's public addresses, so the issuer needs a public one.",
            "From a control-plane node (or a host in its network) this must answer",
        ),
    };
    let through = peer.map_or_else(String::new, |peer| format!(" {peer} is not the issuer's port: that is the proxy of the API server's own environment (HTTPS_PROXY), which ends the connection."));
    let open = match peer {
        Some(peer) => format!("Have the proxy at {peer} connect the control plane to {host}:{port} (CONNECT), or name {host} in NO_PROXY of the API server's environment, where the direct way is open."),
        None => format!("Open TCP {port} of {host} to the control plane: security group or firewall on the issuer's side, egress and routes on the control plane's. {whence}"),
    };
    let mut finding = RULE
        .finding(
            confidence,
            format!("The API server wants to read the discovery document from {host} and {met}.{through}"),
            first,
            Step::text(open),
        )
        .step(Step::command(from, shell!("curl -sv -m 5 https://{}:{}/ -o /dev/null", host, port)))
        .step(again());
    if let Some(dns) = inside {
        finding = finding.cite(probed(format!("{at}/dns/seen/addresses"), format!("{host} resolves to {} only", dns.addresses.join(", "))));
    }
    if let Some(tcp) = probes.tcp.seen().and_then(|tcp| tcp.attempts.first()) {
        finding = finding.cite(probed(format!("{at}/tcp/seen/attempts/0"), format!("from this machine {}: {}", tcp.address, tcp.outcome)));
    }
    vec![finding]
}

/// What is seen of the API server says that it is in another network than private addresses here: it is a provider's, or
/// has a public address.
fn elsewhere(case: &Case<'_>) -> bool {
    let public = |address: &String| address.parse().is_ok_and(is_public);
    let dns = case.evidence.endpoint.dns.seen();
    eks::is_eks(case) || way::managed(way::host(case)).is_some() || dns.is_some_and(|dns| dns.addresses.iter().any(public))
}

/// The other end of a connection that broke off, where its port is not the issuer's.
fn proxy_peer(error: &str, port: u16) -> Option<&str> {
    let (_, rest) = error.strip_prefix("read tcp ")?.split_once("->")?;
    let (peer, _) = rest.split_once(": ")?;
    let at: u16 = peer.rsplit_once(':')?.1.parse().ok()?;
    (at != port).then_some(peer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{Evidence, Outcome};
    use crate::rules::Word;

    #[test]
    fn private_addresses_are_out_of_reach_only_from_another_network() {
        let text = include_str!("../../../testdata/cases/issuer-certificate-untrusted/evidence.json");
        for (address, likely) in [("10.9.9.1", false), ("203.0.113.7", true)] {
            // Synthetic: the laboratory has loopback addresses only.
            let mut evidence: Evidence = serde_json::from_str(text).expect("evidence");
            let Outcome::Seen(target) = &mut evidence.issuer.target.outcome else { panic!("no issuer") };
            target.laboratory = false;
            let Outcome::Seen(dns) = &mut evidence.issuer.dns.outcome else { panic!("no address") };
            dns.addresses = vec!["10.9.9.2".to_owned()];
            let Outcome::Seen(dns) = &mut evidence.endpoint.dns.outcome else { panic!("no address") };
            dns.addresses = vec![address.to_owned()];
            let found = check(&Case::new(&evidence));
            let sure: Vec<Confidence> = found.iter().map(|finding| finding.confidence).collect();
            assert_eq!(sure, if likely { vec![Confidence::Likely] } else { Vec::new() }, "{address}");
        }
    }

    #[test]
    fn a_connection_to_another_port_is_the_proxys() {
        assert_eq!(proxy_peer("read tcp 10.9.9.3:37948->[fd00::3]:3128: read: connection reset by peer", 443), Some("[fd00::3]:3128"));
        assert_eq!(proxy_peer("read tcp 10.9.9.3:37948->10.9.9.2:443: read: connection reset by peer", 443), None);
        assert_eq!(proxy_peer("EOF", 443), None);
        let text = include_str!("../../../testdata/cases/issuer-unreachable-from-control-plane/evidence.json");
        let evidence: Evidence = serde_json::from_str(text).expect("evidence");
        let mut case = Case::new(&evidence);
        let said = case.said(&message::OIDC_INIT_TIMEOUT).expect("the line").clone();
        case.words.retain(|word| word.text != &message::OIDC_INIT_TIMEOUT);
        let mut fields = said.fields;
        // Synthetic: the words are those of a kube-apiserver 1.36 whose proxy resets its connections.
        let error = "read tcp 10.9.9.3:37948->10.9.9.3:3128: read: connection reset by peer";
        fields.insert("error".to_owned(), error.to_owned());
        case.words.push(Word::new(&message::OIDC_INIT_CLOSED, fields, said.path, said.line, said.place));
        let found = check(&case);
        assert!(found[0].why.contains("10.9.9.3:3128 is not the issuer's port"), "{}", found[0].why);
        assert!(found[0].fix[0].text.starts_with("Have the proxy at 10.9.9.3:3128 connect"), "{}", found[0].fix[0].text);
    }
}
