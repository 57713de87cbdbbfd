//! What a customer-routed control plane comes from, and what of its ways has to be known besides.

use super::super::egress::{self, Exit, Way};
use super::super::reach::Reach;
use super::{Answer, Entry, Kind, host_range};
use crate::evidence::Grade;
use crate::evidence::eks::Aws;

/// What a customer-routed control plane comes from.
pub(super) fn routed(aws: &Aws, reach: &Reach, answer: &mut Answer) {
    if reach.ways.is_empty() {
        answer.warnings.push(
            "The cluster's subnets, or the issuer's addresses, are not known, so the way out could not be followed."
                .to_owned(),
        );
    }
    for way in &reach.ways {
        if let Exit::Peering(id) = &way.exit {
            answer.warnings.push(format!("Subnet {} reaches the issuer through {id}, which translates nothing: the issuer sees the interfaces' own addresses. The peered VPC needs a route back to the subnet.", way.subnet));
        }
    }
    answer.entries.extend(sources(aws, reach));
    for way in &reach.ways {
        match &way.exit {
            Exit::Elsewhere(target) => answer.warnings.push(format!("Subnet {} leaves through {target}; the address that the issuer sees is made behind it and is not visible here. Ask whoever runs it for its egress address.", way.subnet)),
            Exit::InternetGateway(id) => answer.warnings.push(format!("Subnet {} leads to internet gateway {id}, which drops what the control plane's interfaces send: they have no public address.", way.subnet)),
            Exit::Dead(why) => answer.warnings.push(format!("Subnet {}: {why}.", way.subnet)),
            Exit::None => answer.warnings.push(format!("Subnet {} has no route to the issuer.", way.subnet)),
            Exit::Unread => answer.warnings.push(format!("The route table of subnet {} could not be read.", way.subnet)),
            Exit::Local | Exit::Peering(_) | Exit::Nat { .. } | Exit::EgressOnly(_) => {}
        }
    }
}

/// What a customer-routed control plane comes from, as something that stays: groups and ranges, never the interfaces'
/// addresses of today.
pub fn sources(aws: &Aws, reach: &Reach) -> Vec<Entry> {
    let own = |way: &Way| matches!(way.exit, Exit::Local | Exit::Peering(_));
    if !reach.ways.is_empty() && reach.ways.iter().all(own) { as_itself(aws, reach) } else { translated(aws, reach) }
}

/// Every interface arrives with its own address: their groups, and the subnets that they are in or may move to.
fn as_itself(aws: &Aws, reach: &Reach) -> Vec<Entry> {
    let mut entries = Vec::new();
    let groups = egress::security_groups(aws);
    let main = aws.cluster.seen().and_then(|cluster| cluster.vpc.cluster_security_group_id.clone());
    for group in groups {
        let why = if Some(&group) == main.as_ref() {
            "the cluster security group: on every interface that the control plane leaves through; it stays when their addresses change"
        } else {
            "a further security group on the cluster's interfaces; one of them is enough"
        };
        entries.push(Entry { kind: Kind::SecurityGroup, value: group, why: why.to_owned(), known: Grade::Seen });
    }
    let mut subnets: Vec<&String> = reach.ways.iter().map(|way| &way.subnet).collect();
    if let Some(cluster) = aws.cluster.seen() {
        // Interfaces may move to any of the cluster's subnets.
        subnets.extend(&cluster.vpc.subnet_ids);
    }
    subnets.sort();
    subnets.dedup();
    for subnet in aws.network.subnets.seen().into_iter().flatten().filter(|subnet| subnets.contains(&&subnet.id)) {
        for cidr in subnet.cidr.iter().chain(&subnet.ipv6_cidrs) {
            entries.push(Entry {
                kind: Kind::Cidr,
                value: cidr.clone(),
                why: format!("subnet {}, which holds (or may hold) interfaces of the control plane; for places that take no security group", subnet.id),
                known: Grade::Seen,
            });
        }
    }
    entries
}

/// The addresses that gateways on the way make of the interfaces', as far as they are known.
fn translated(aws: &Aws, reach: &Reach) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for way in &reach.ways {
        let found: Vec<(String, String)> = match &way.exit {
            Exit::Nat { id, public } => {
                let why = format!("public address of NAT gateway {id}, through which subnet {} leaves", way.subnet);
                public.iter().map(|address| (host_range(*address), why.clone())).collect()
            }
            Exit::EgressOnly(id) => {
                let subnets = aws.network.subnets.seen().into_iter().flatten();
                let why =
                    format!("IPv6 range of subnet {}, which leaves through {id} with its own addresses", way.subnet);
                subnets
                    .filter(|subnet| subnet.id == way.subnet)
                    .flat_map(|subnet| &subnet.ipv6_cidrs)
                    .map(|cidr| (cidr.clone(), why.clone()))
                    .collect()
            }
            _ => Vec::new(),
        };
        for (value, why) in found {
            if !entries.iter().any(|known| known.value == value) {
                entries.push(Entry { kind: Kind::Cidr, value, why, known: Grade::Seen });
            }
        }
    }
    entries
}
