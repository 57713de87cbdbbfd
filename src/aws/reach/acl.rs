//! Network ACLs of the cluster's subnets, and of the load balancer's.

use std::net::IpAddr;

use super::super::addresses;
use super::super::egress::{Exit, Mode, Way};
use super::{Goal, Layer, Passage, Reach, push};
use crate::evidence::eks::Aws;
use crate::evidence::network::NetworkAcl;
use crate::evidence::{Grade, Outcome};

/// Network ACLs on either side, both ways.
pub(super) fn judge(aws: &Aws, goal: &Goal<'_>, destinations: &[IpAddr], reach: &mut Reach) {
    if reach.mode != Mode::CustomerRouted {
        return;
    }
    let (Some(all), Some(destination)) = (aws.network.network_acls.seen(), destinations.first()) else {
        let path = matches!(aws.network.network_acls.outcome, Outcome::Failed(_))
            .then(|| "/aws/network/networkAcls".to_owned());
        return push(reach, Layer::Acl, Passage::Unknown, Grade::Inferred, "the network ACLs could not be read", path);
    };
    let found = [own_side(aws, all, *destination, reach), their_side(aws, goal, all, destinations, reach)];
    let found: Vec<Found> = found.into_iter().flatten().collect();
    if found.is_empty() {
        let text = "the network ACLs of the cluster's subnets let it through";
        return push(reach, Layer::Acl, Passage::Passes, Grade::Inferred, text, None);
    }
    for (judged, text, path) in found {
        push(reach, Layer::Acl, judged, Grade::Inferred, text, path);
    }
}

/// What an ACL does to the connection, in words, and where that stands.
type Found = (Passage, String, Option<String>);

/// The ACLs of the cluster's subnets.
fn own_side(aws: &Aws, all: &[NetworkAcl], destination: IpAddr, reach: &Reach) -> Option<Found> {
    let mut ways: Vec<&Way> = reach.ways.iter().collect();
    ways.dedup_by(|one, other| one.subnet == other.subnet);
    ways.into_iter().find_map(|way| {
        // Network ACLs stand at a subnet's edge: what stays inside never meets them.
        if inside(aws, &way.subnet, destination) {
            return None;
        }
        let index = all.iter().position(|acl| acl.subnet_ids.contains(&way.subnet))?;
        side(all, index, &way.subnet, false, destination, reach.port)
    })
}

/// The ACLs of the load balancer's subnets, where it is in the cluster's VPC and sees the interfaces' own addresses.
fn their_side(aws: &Aws, goal: &Goal<'_>, all: &[NetworkAcl], destinations: &[IpAddr], reach: &Reach) -> Option<Found> {
    let balancer = goal.balancer.load_balancer.seen()?;
    if !reach.private || balancer.vpc_id != aws.cluster.seen()?.vpc.vpc_id {
        return None;
    }
    let mut found: Vec<Found> = Vec::new();
    for way in reach.ways.iter().filter(|way| way.exit == Exit::Local) {
        let Some(source) = way.own.first() else { continue };
        let of = |destination: &IpAddr| {
            let subnet = balancer.subnet_ids.iter().find(|subnet| inside(aws, subnet, *destination))?;
            let index = all.iter().position(|acl| acl.subnet_ids.contains(subnet))?;
            if *subnet == way.subnet { None } else { side(all, index, subnet, true, *source, reach.port) }
        };
        let shut: Vec<Found> = destinations.iter().filter_map(of).collect();
        // One address after the other is tried: where another one is open, a connection comes about late, if at all.
        let whole = shut.len() == destinations.len();
        found.extend(shut.into_iter().map(|(judged, text, path)| {
            let judged = if whole { judged } else { Passage::Unknown };
            (judged, text, path)
        }));
    }
    let worst = found.iter().position(|(judged, ..)| *judged == Passage::Blocks).unwrap_or(0);
    found.into_iter().nth(worst)
}

/// What the ACL of one side does: the request passes it in one direction, the answers in the other.
fn side(all: &[NetworkAcl], index: usize, subnet: &str, theirs: bool, far: IpAddr, port: u16) -> Option<Found> {
    let acl = &all[index];
    let path = |entry: Option<usize>| {
        let base = format!("/aws/network/networkAcls/seen/{index}");
        Some(entry.map_or_else(|| base.clone(), |entry| format!("{base}/entries/{entry}")))
    };
    let place = if theirs { format!("{} of {subnet}{THEIRS}", acl.id) } else { format!("{} of {subnet}", acl.id) };
    let (allowed, entry) = verdict(acl, !theirs, far, port);
    if !allowed {
        let text = if theirs {
            format!("{place} lets nothing in from {far} to port {port}")
        } else {
            format!("{place} lets nothing out to {far} port {port}")
        };
        return Some((Passage::Blocks, text, path(entry)));
    }
    // Answers come back to a port of Linux' range, another one each time.
    let (open, entry) = answers(acl, theirs, far);
    let total = ANSWERS.len();
    if open >= total {
        return None;
    }
    // A connection is tried every 10 s: with one port in ten that lets in, none comes about for minutes.
    let judged = if open * 10 <= total { Passage::Blocks } else { Passage::Unknown };
    let way = if theirs { "out to" } else { "in from" };
    let text = if open == 0 {
        format!("{place} lets no answers {way} {far} (ports 32768-60999)")
    } else {
        format!("{place} lets answers {way} {far} to {open} of {total} ports only (32768-60999)")
    };
    Some((judged, text, path(entry)))
}

/// Behind the subnet of an ACL that is the load balancer's.
pub const THEIRS: &str = ", the load balancer's,";

/// The address is one of the subnet's own.
fn inside(aws: &Aws, subnet: &str, address: IpAddr) -> bool {
    let known = aws.network.subnets.seen().and_then(|all| all.iter().find(|known| known.id == subnet));
    known.is_some_and(|known| {
        let ranges = known.cidr.iter().chain(&known.ipv6_cidrs).filter_map(|cidr| addresses::range(cidr));
        ranges.into_iter().any(|range| range.contains(&address))
    })
}

/// The ports from which Linux takes one for each connection.
const ANSWERS: std::ops::Range<u16> = 32_768..61_000;

/// To how many of those ports answers get in (or out), and the entry that keeps the first of the others shut.
fn answers(acl: &NetworkAcl, egress: bool, address: IpAddr) -> (usize, Option<usize>) {
    // Between two borders of entries all ports fare alike.
    let mut borders = vec![ANSWERS.start, ANSWERS.end];
    let ends = acl
        .entries
        .iter()
        .filter(|entry| entry.egress == egress)
        .flat_map(|entry| [entry.from_port, entry.to_port.map(|port| port.saturating_add(1))]);
    borders.extend(ends.flatten().filter_map(|port| u16::try_from(port).ok()).filter(|port| ANSWERS.contains(port)));
    borders.sort_unstable();
    borders.dedup();
    let mut open = 0;
    let mut shut = None;
    for pair in borders.windows(2) {
        match verdict(acl, egress, address, pair[0]) {
            (true, _) => open += usize::from(pair[1] - pair[0]),
            (false, entry) => shut = shut.or(Some(entry)),
        }
    }
    (open, shut.flatten())
}

/// The lowest number that fits decides; nothing fits is a denial.
fn verdict(acl: &NetworkAcl, egress: bool, address: IpAddr, port: u16) -> (bool, Option<usize>) {
    let port = i32::from(port);
    acl.entries
        .iter()
        .enumerate()
        .filter(|(_, entry)| {
            entry.egress == egress
                && matches!(entry.protocol.as_str(), "-1" | "6" | "tcp")
                && addresses::range(&entry.cidr).is_some_and(|range| range.contains(&address))
                && (entry.protocol == "-1"
                    || (entry.from_port.is_none_or(|from| from <= port) && entry.to_port.is_none_or(|to| port <= to)))
        })
        .min_by_key(|(_, entry)| entry.number)
        .map_or((false, None), |(index, entry)| (entry.allow, Some(index)))
}
