//! Whom the load balancer sees, and whether a list of ranges holds them.

use std::net::IpAddr;

use ipnet::IpNet;

use super::super::addresses;
use super::super::egress::{self, Exit, Mode, Way};
use crate::evidence::eks::Aws;

/// Whom the load balancer sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Peer {
    /// Somebody of AWS's own network, whose addresses nobody publishes.
    Unpublished,
    /// These addresses; the groups count only for private ones.
    Known {
        /// Addresses.
        addresses: Vec<IpAddr>,
        /// Security groups of the senders, where they arrive with their private addresses.
        groups: Vec<String>,
    },
    /// It goes through a network that is not visible here.
    Hidden(String),
}

/// The peer that the ways of the cluster's interfaces make.
pub(super) fn of(aws: &Aws, mode: &Mode, ways: &[Way]) -> Peer {
    match mode {
        Mode::AwsManaged { .. } => return Peer::Unpublished,
        Mode::Unknown(word) => return Peer::Hidden(format!("the egress mode {word}")),
        Mode::CustomerRouted => {}
    }
    let mut all = Vec::new();
    let mut local = !ways.is_empty();
    for way in ways {
        if let Exit::Elsewhere(target) = &way.exit {
            return Peer::Hidden(target.clone());
        }
        // A group of the sender counts in a peered VPC too.
        local &= matches!(way.exit, Exit::Local | Exit::Peering(_));
        all.extend(way.seen_as().unwrap_or_default());
    }
    all.sort();
    all.dedup();
    if all.is_empty() && !local {
        return Peer::Hidden("routes that could not be followed".to_owned());
    }
    Peer::Known { addresses: all, groups: if local { egress::security_groups(aws) } else { Vec::new() } }
}

/// The peer is in (or out of) a list of ranges.
pub(super) fn listed(peer: &Peer, ranges: &[IpNet]) -> Option<bool> {
    if addresses::everything(ranges, false) {
        return Some(true);
    }
    match peer {
        Peer::Unpublished => Some(false),
        Peer::Hidden(_) => None,
        Peer::Known { addresses: seen, .. } if seen.is_empty() => None,
        Peer::Known { addresses: seen, .. } => {
            let inside = seen.iter().filter(|address| addresses::holds(ranges, **address)).count();
            Some(inside == seen.len())
        }
    }
}

/// One of the peer's addresses is in a list of ranges.
pub(super) fn some(peer: &Peer, ranges: &[IpNet]) -> bool {
    matches!(peer, Peer::Known { addresses: seen, .. } if seen.iter().any(|address| addresses::holds(ranges, *address)))
}
