//! The control plane gets no connection to the issuer.

use crate::apiserver::message::{self, heard};
use crate::aws::egress::Mode;
use crate::report::{probed, Confidence, Finding, Severity, Step};
use crate::report::shell::shell;
use crate::rules::issuer_port::again;
use crate::rules::{clip, eks, Case, Page, Rule};
use crate::rules::way::{all, is_private};

/// The rule.
pub static RULE: Rule = Rule {
    code: "issuer-unreachable-from-control-plane",
    severity: Severity::Error,
    title: "The control plane gets no connection to the issuer",
    page: Page {
        means: "Between the control plane and the issuer something drops or closes the connection: a firewall, a security group, a route, a private address. There is no answer that would name the place.",
        evidence: "The API server's log: a time-out or a refused connection at the discovery URL. Where only private addresses are published, it is likely without the log.",
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
    let laboratory = probes.target.seen().is_none_or(|target| target.laboratory);
    // A control plane that leaves through the VPC reaches private addresses; whether these, the model says step by step.
    let routed = matches!(eks::egress(case), Some(Mode::CustomerRouted));
    let inside = probes.dns.seen().filter(|dns| !laboratory && !routed && all(&dns.addresses, is_private));
    let closed = probes.tcp.seen().filter(|tcp| !tcp.attempts.is_empty() && tcp.attempts.iter().all(|attempt| !attempt.connected()));
    let reached = case.logged_discovery_status().is_some() || case.issuer_answered();
    let (confidence, first) = match (said, case.not_initialized()) {
        (Some(word), _) => (word.sure(), word.cite()),
        (None, Some((cite, _))) if (inside.is_some() || closed.is_some()) && !reached => (Confidence::Likely, cite),
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
    let mut finding = RULE
        .finding(
            confidence,
            format!("The API server wants to read the discovery document from {host} and {met}."),
            first,
            Step::text(format!("Open TCP {port} of {host} to the control plane: security group or firewall on the issuer's side, egress and routes on the control plane's. {whence}")),
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
