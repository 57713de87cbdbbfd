//! Network ACLs of the cluster's subnets.

use std::net::IpAddr;

use super::super::addresses;
use super::super::egress::Mode;
use super::{Layer, Passage, Reach, push};
use crate::evidence::eks::Aws;
use crate::evidence::network::NetworkAcl;
use crate::evidence::{Grade, Outcome};

/// Network ACLs of the cluster's subnets, both ways.
pub(super) fn judge(aws: &Aws, destinations: &[IpAddr], reach: &mut Reach) {
    if reach.mode != Mode::CustomerRouted {
        return;
    }
    let (Some(all), Some(destination)) = (aws.network.network_acls.seen(), destinations.first()) else {
        let path = matches!(aws.network.network_acls.outcome, Outcome::Failed(_))
            .then(|| "/aws/network/networkAcls".to_owned());
        return push(reach, Layer::Acl, Passage::Unknown, Grade::Inferred, "the network ACLs could not be read", path);
    };
    let port = reach.port;
    let mut ways = reach.ways.clone();
    ways.dedup_by(|one, other| one.subnet == other.subnet);
    for way in &ways {
        // Network ACLs stand at a subnet's edge: what stays inside never meets them.
        if inside(aws, &way.subnet, *destination) {
            continue;
        }
        let Some(index) = all.iter().position(|acl| acl.subnet_ids.contains(&way.subnet)) else { continue };
        let path = |entry: Option<usize>| {
            let base = format!("/aws/network/networkAcls/seen/{index}");
            Some(entry.map_or_else(|| base.clone(), |entry| format!("{base}/entries/{entry}")))
        };
        let (allowed, entry) = verdict(&all[index], true, *destination, port);
        if !allowed {
            let text = format!("{} of {} lets nothing out to {destination} port {port}", all[index].id, way.subnet);
            return push(reach, Layer::Acl, Passage::Blocks, Grade::Inferred, text, path(entry));
        }
        // Answers come back to a port of Linux' range, another one each time.
        let (open, entry) = answers(&all[index], *destination);
        if open < ANSWERS.len() {
            // A connection is tried every 10 s: with one port in ten that lets in, none comes about for minutes.
            let judged = if open * 10 <= ANSWERS.len() { Passage::Blocks } else { Passage::Unknown };
            let (acl, total) = (&all[index].id, ANSWERS.len());
            let text = if open == 0 {
                format!("{acl} of {} lets no answers in from {destination} (ports 32768-60999)", way.subnet)
            } else {
                format!(
                    "{acl} of {} lets answers in from {destination} to {open} of {total} ports only (32768-60999)",
                    way.subnet
                )
            };
            return push(reach, Layer::Acl, judged, Grade::Inferred, text, path(entry));
        }
    }
    push(
        reach,
        Layer::Acl,
        Passage::Passes,
        Grade::Inferred,
        "the network ACLs of the cluster's subnets let it through",
        None,
    );
}

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

/// To how many of those ports answers get in, and the entry that keeps the first of the others shut.
fn answers(acl: &NetworkAcl, address: IpAddr) -> (usize, Option<usize>) {
    // Between two borders of entries all ports fare alike.
    let mut borders = vec![ANSWERS.start, ANSWERS.end];
    let ends = acl
        .entries
        .iter()
        .filter(|entry| !entry.egress)
        .flat_map(|entry| [entry.from_port, entry.to_port.map(|port| port.saturating_add(1))]);
    borders.extend(ends.flatten().filter_map(|port| u16::try_from(port).ok()).filter(|port| ANSWERS.contains(port)));
    borders.sort_unstable();
    borders.dedup();
    let mut open = 0;
    let mut shut = None;
    for pair in borders.windows(2) {
        match verdict(acl, false, address, pair[0]) {
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
