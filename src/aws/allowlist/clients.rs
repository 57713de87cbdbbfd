//! What clients need to reach the API endpoint: publicAccessCidrs, and the private endpoint's security groups.

use std::net::IpAddr;

use ipnet::IpNet;

use super::super::addresses;
use super::super::egress;
use super::super::reach;
use super::{Answer, Drift, Entry, Kind, host_range};
use crate::evidence::dns::{ConnectOutcome, is_private};
use crate::evidence::eks::{Aws, Cluster};
use crate::evidence::{Evidence, Grade};

/// How many ranges `publicAccessCidrs` takes.
const RANGES: usize = 40;

/// Whether an address may connect to the public endpoint; `None` where the cluster has none.
pub fn public_endpoint_lets_in(cluster: &Cluster, address: IpAddr) -> Option<bool> {
    cluster.vpc.endpoint_public_access.then(|| {
        let ranges: Vec<IpNet> =
            cluster.vpc.public_access_cidrs.iter().filter_map(|cidr| addresses::range(cidr)).collect();
        // Without any the API means everybody.
        cluster.vpc.public_access_cidrs.is_empty() || addresses::holds(&ranges, address)
    })
}

/// The port of either endpoint.
const PORT: u16 = 443;

/// The groups on the private endpoint's interfaces, and those whose members alone they let in; nothing where they let in
/// addresses too, or where that is not known. Who comes over a VPN is a member of none.
pub fn private_endpoint_members(aws: &Aws) -> Option<(Vec<String>, Vec<String>)> {
    let groups = egress::security_groups(aws);
    let rules = aws.network.security_group_rules.seen().filter(|_| !groups.is_empty())?;
    if reach::unanswered(aws, &groups).is_some() {
        return None;
    }
    let mut members = Vec::new();
    for rule in rules.iter().filter(|rule| reach::admits(rule, &groups, PORT)) {
        members.push(rule.referenced_group.clone()?);
    }
    members.sort();
    members.dedup();
    Some((groups, members))
}

/// Fills the answer: what either endpoint needs, and what differs.
pub(super) fn allow(evidence: &Evidence, aws: &Aws, cluster: &Cluster, answer: &mut Answer) {
    let vpc = &cluster.vpc;
    if vpc.endpoint_public_access {
        public_endpoint(evidence, aws, cluster, answer);
    }
    if vpc.endpoint_private_access {
        if let Some(group) = &vpc.cluster_security_group_id {
            answer.entries.push(Entry {
                kind: Kind::SecurityGroup,
                value: group.clone(),
                why: "on the private endpoint's interfaces: clients inside the VPC, and connected networks, need TCP 443 into it; publicAccessCidrs says nothing about them".to_owned(),
                known: Grade::Seen,
            });
        }
        private_endpoint(evidence, aws, cluster, answer);
    } else if !vpc.endpoint_public_access {
        answer.warnings.push("The cluster has neither a public nor a private endpoint switched on.".to_owned());
    }
    if evidence.endpoint.dns.seen().is_some() {
        answer.warnings.push("In a firewall on the client's side, allow the endpoint by its name: its addresses may change within a minute.".to_owned());
    }
}

/// The endpoint's name leads this machine to private addresses alone: it goes by the private endpoint.
fn goes_inside(evidence: &Evidence, cluster: &Cluster) -> bool {
    let addresses = evidence.endpoint.dns.seen().map(|dns| addresses::parse(&dns.addresses)).unwrap_or_default();
    cluster.vpc.endpoint_private_access && !addresses.is_empty() && addresses.iter().all(|address| is_private(*address))
}

/// Who has to be in publicAccessCidrs: this machine, and nodes that have no other way in.
fn public_endpoint(evidence: &Evidence, aws: &Aws, cluster: &Cluster, answer: &mut Answer) {
    let vpc = &cluster.vpc;
    let own: Option<IpAddr> = aws.own_egress.seen().and_then(|own| own.address.parse().ok());
    if goes_inside(evidence, cluster) {
        answer.warnings.push(
            "The endpoint's name leads this machine to private addresses: it goes by the private endpoint, for which publicAccessCidrs says nothing."
                .to_owned(),
        );
    } else if let Some(address) = own {
        answer.entries.push(Entry {
            kind: Kind::Cidr,
            value: host_range(address),
            why: "the address that this machine comes from, for publicAccessCidrs".to_owned(),
            known: Grade::Probed,
        });
    } else {
        answer.warnings.push(
            "The public address that this machine comes from is not known here; it must be in publicAccessCidrs."
                .to_owned(),
        );
    }
    if !vpc.endpoint_private_access {
        nodes(aws, cluster, answer);
    }
    for entry in &answer.entries {
        let inside = entry.value.parse::<IpNet>().ok().and_then(|range| public_endpoint_lets_in(cluster, range.addr()));
        if inside == Some(false) {
            answer.drift.push(Drift {
                kind: "missing",
                value: entry.value.clone(),
                place: "publicAccessCidrs".to_owned(),
                text: format!("publicAccessCidrs ({}) does not hold it", vpc.public_access_cidrs.join(", ")),
            });
        }
    }
    let (today, more) = (vpc.public_access_cidrs.len(), answer.drift.len());
    if more > 0 && today + more > RANGES {
        answer.warnings.push(format!(
            "publicAccessCidrs takes {RANGES} ranges: with {more} more than the {today} of today AWS refuses the list as a whole. Take out what is not needed any more, or join ranges into wider ones, first."
        ));
    }
}

/// The NAT gateways behind which nodes come by the public endpoint.
fn nodes(aws: &Aws, cluster: &Cluster, answer: &mut Answer) {
    let subnets = &cluster.vpc.subnet_ids;
    for gateway in aws.network.nat_gateways.seen().into_iter().flatten() {
        let used = subnets.iter().any(|subnet| {
            egress::table_of(aws, subnet)
                .is_some_and(|(_, table)| table.routes.iter().any(|route| route.target == gateway.id))
        });
        for address in addresses::parse(&gateway.public_addresses).into_iter().filter(|_| used) {
            answer.entries.push(Entry {
                kind: Kind::Cidr,
                value: host_range(address),
                why: format!(
                    "NAT gateway {}: with private access off, the nodes behind it enter by the public endpoint too",
                    gateway.id
                ),
                known: Grade::Seen,
            });
        }
    }
}

/// Whether the groups on the private endpoint's interfaces let anybody in. Who exactly is not compared: a client's private
/// address is not known here.
fn private_endpoint(evidence: &Evidence, aws: &Aws, cluster: &Cluster, answer: &mut Answer) {
    let groups = egress::security_groups(aws);
    let Some(rules) = aws.network.security_group_rules.seen().filter(|_| !groups.is_empty()) else {
        if !cluster.vpc.endpoint_public_access {
            answer.uncompared.push("security group: the rules of the interfaces' groups could not be read".to_owned());
        }
        return;
    };
    if reach::unanswered(aws, &groups).is_some() {
        if !cluster.vpc.endpoint_public_access {
            answer.uncompared.push("security group: not every group of the interfaces is in EC2's answers".to_owned());
        }
        return;
    }
    if !rules.iter().any(|rule| reach::admits(rule, &groups, PORT)) {
        answer.drift.push(Drift {
            kind: "missing",
            value: groups.join(", "),
            place: "security group".to_owned(),
            text: format!(
                "no rule of {} lets anybody in on TCP {PORT}, so nobody reaches the private endpoint",
                groups.join(", ")
            ),
        });
        return;
    }
    // That nodes alone are let in is as it should be, unless somebody else has just tried in vain.
    if goes_inside(evidence, cluster)
        && dropped(evidence)
        && let Some((groups, members)) = private_endpoint_members(aws)
    {
        answer.drift.push(Drift {
            kind: "missing",
            value: groups.join(", "),
            place: "security group".to_owned(),
            text: format!(
                "{} lets nobody in on TCP {PORT} but members of {}, and this machine's connections get no answer",
                groups.join(", "),
                members.join(", ")
            ),
        });
    }
}

/// None of this machine's connections to the endpoint got any answer.
fn dropped(evidence: &Evidence) -> bool {
    let attempts = evidence.endpoint.tcp.seen().map(|tcp| tcp.attempts.as_slice()).unwrap_or_default();
    !attempts.is_empty() && attempts.iter().all(|attempt| attempt.outcome == ConnectOutcome::Timeout)
}
