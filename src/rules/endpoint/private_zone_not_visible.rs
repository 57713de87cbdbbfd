//! One resolver knows the private addresses, and the one that is believed does not.

use crate::evidence::FailureKind;
use crate::report::{Confidence, Finding, Severity, Step, probed};
use crate::rules::way::{all, host, is_private, is_public, proxy, unconnected};
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "private-zone-not-visible",
    severity: Severity::Error,
    title: "The private zone of the name is not visible to this machine",
    page: Page {
        means: "The name has private addresses for some resolvers and none, or public ones, for the resolver that this machine believes: the private zone is not associated with this network, enableDnsSupport or enableDnsHostnames is off, or a DNS server of one's own does not forward the zone. Public addresses then meet the endpoint's allow-list from the wrong side.",
        evidence: "The system's answer beside each name server's own, and that of the resolver named by --public-resolver (give the VPC's, 169.254.169.253, to compare inside AWS).",
        fix: "Forward the zone to the resolver that knows it (in AWS the VPC's own), and ask that one first. `aws ec2 describe-vpc-attribute --vpc-id VPC --attribute enableDnsSupport` and the same for enableDnsHostnames must be true.",
        references: "https://docs.aws.amazon.com/vpc/latest/userguide/AmazonDNS-concepts.html",
    },
    recognises: &[],
    explains: &["endpoint-name-not-found", "api-connection-timeout", "public-access-cidr-blocked"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let endpoint = &case.evidence.endpoint;
    let Some(names) = endpoint.names.seen().filter(|_| proxy(case).is_none()) else { return Vec::new() };
    // A resolver far outside that gives private addresses has no private zone: that is rebinding protection's case.
    let inside = |answer: &crate::evidence::dns::ServerAnswer| {
        answer.servers.iter().all(|server| server.parse().is_ok_and(|ip| !is_public(ip)))
    };
    let knowing = names.servers.iter().enumerate().map(|(index, answer)| (format!("/endpoint/names/seen/servers/{index}"), answer));
    let named = names.public.iter().map(|answer| ("/endpoint/names/seen/public".to_owned(), answer));
    let Some((path, knows)) = knowing.chain(named).find(|(_, answer)| inside(answer) && all(&answer.addresses, is_private))
    else {
        return Vec::new();
    };
    let host = host(case);
    let who = knows.servers.join(", ");
    let (confidence, believed) = if let Some(failure) = endpoint.dns.failed_as(&[FailureKind::NameNotFound]) {
        (Confidence::Certain, probed("/endpoint/dns/failed/detail", failure.detail.clone()))
    } else if let Some(dns) = endpoint.dns.seen().filter(|dns| all(&dns.addresses, is_public))
        && unconnected(case).is_some()
    {
        (Confidence::Likely, probed("/endpoint/dns/seen/addresses", format!("this machine believes {}, which does not let it in", dns.addresses.join(", "))))
    } else {
        return Vec::new();
    };
    vec![
        RULE.finding(
            confidence,
            format!("The resolver {who} has private addresses for {host}, and the answer that this machine believes is another resolver's, which does not see that zone."),
            probed(path, format!("{who} says {}", knows.addresses.join(", "))),
            Step::text(format!("Have the resolver that is asked first forward this zone to {who}, or put {who} first. In a VPC: enableDnsSupport and enableDnsHostnames on, and the private zone associated with it.")),
        )
        .cite(believed),
    ]
}
