//! The name, as the control plane resolves it.

use std::net::IpAddr;

use super::super::addresses;
use super::super::egress::Mode;
use super::{Goal, Layer, Passage, Reach, push};
use crate::evidence::dns::{LookupOutcome, Resolution, is_public};
use crate::evidence::eks::Aws;
use crate::evidence::{Grade, Issuer};

/// The public addresses of a name that has only private ones here: a control plane in AWS's own network asks public DNS,
/// and goes there. Empty where the name servers say nothing else.
pub(super) fn public_answer(aws: &Aws, dns: Option<&Resolution>) -> Vec<IpAddr> {
    let managed = aws.cluster.seen().is_some_and(|cluster| matches!(Mode::of(cluster), Mode::AwsManaged { .. }));
    let Some(dns) = dns.filter(|dns| managed && !dns.literal) else { return Vec::new() };
    let here = addresses::parse(&dns.addresses);
    let Some(servers) = dns.name_servers.as_ref().filter(|servers| servers.outcome == LookupOutcome::Answer) else {
        return Vec::new();
    };
    if here.is_empty() || !here.iter().all(|address| addresses::is_unroutable(*address)) {
        return Vec::new();
    }
    addresses::parse(&servers.addresses).into_iter().filter(|address| is_public(*address)).collect()
}

/// The name resolves from here, and the VPC has a resolver where the control plane uses it.
pub(super) fn judge(aws: &Aws, issuer: &Issuer, at: &str, reach: &mut Reach) {
    if reach.mode == Mode::CustomerRouted
        && let Some((judged, text, path)) = other_resolver(aws)
    {
        return push(reach, Layer::Name, judged, Grade::Seen, text, Some(path.to_owned()));
    }
    let Some(dns) = issuer.dns.seen() else {
        return push(reach, Layer::Name, Passage::Unknown, Grade::Probed, "the name was not resolved from here", None);
    };
    let hidden =
        !dns.literal && dns.name_servers.as_ref().is_some_and(|servers| servers.outcome == LookupOutcome::Nxdomain);
    let (judged, text) = if hidden {
        let text = "the name servers do not know the name; this machine has it from somewhere else".to_owned();
        (Passage::Unknown, text)
    } else {
        (Passage::Passes, format!("{} resolves to {}", dns.host, dns.addresses.join(", ")))
    };
    push(reach, Layer::Name, judged, Grade::Probed, text, Some(format!("{at}/dns/seen")));
}

/// The VPC has no resolver, or one of somebody's own.
fn other_resolver(aws: &Aws) -> Option<(Passage, String, &'static str)> {
    if let Some(attributes) = aws.network.vpc_dns.seen().filter(|attributes| !attributes.support) {
        let text =
            format!("enableDnsSupport is off in {}, so the control plane has no resolver there", attributes.vpc_id);
        return Some((Passage::Blocks, text, "/aws/network/vpcDns/seen"));
    }
    let servers = &aws.network.dhcp_options.seen()?.domain_name_servers;
    if servers.is_empty() || servers.iter().any(|server| server == "AmazonProvidedDNS") {
        return None;
    }
    let servers = servers.join(", ");
    let text = format!("the VPC's DHCP options name other resolvers ({servers}), and not AmazonProvidedDNS");
    Some((Passage::Unknown, text, "/aws/network/dhcpOptions/seen"))
}

/// The name leads to more than one load balancer.
pub(super) fn judge_others(goal: &Goal<'_>, reach: &mut Reach) {
    let Some(balancer) = goal.balancer.load_balancer.seen().filter(|balancer| !balancer.also.is_empty()) else {
        return;
    };
    let others = balancer.also.join(", ");
    let text = format!("the name leads to {others} as well as to {}, which alone was read", balancer.name);
    let path = format!("{}/loadBalancer/seen/also", goal.at);
    push(reach, Layer::Name, Passage::Unknown, Grade::Seen, text, Some(path));
}
