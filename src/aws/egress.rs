//! Through what the control plane leaves when it calls an issuer.
//!
//! `AWS_MANAGED`: a network of AWS's own, with addresses that nobody publishes. `CUSTOMER_ROUTED`: the cluster's network
//! interfaces, and from there as the customer's route tables say.

use std::net::IpAddr;

use ipnet::IpNet;

use super::addresses;
use crate::evidence::eks::{Aws, Cluster};
use crate::evidence::network::{Interface, NatGateway, Route, RouteTable};

/// `controlPlaneEgressMode`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// AWS's own network; the addresses are not published.
    AwsManaged {
        /// The API did not say, and this is its default.
        assumed: bool,
    },
    /// The cluster's interfaces and the customer's routes.
    CustomerRouted,
    /// A value that no documentation describes.
    Unknown(String),
}

impl Mode {
    /// Of a cluster.
    pub fn of(cluster: &Cluster) -> Self {
        match cluster.vpc.control_plane_egress_mode.as_deref() {
            None | Some("") => Self::AwsManaged { assumed: true },
            Some("AWS_MANAGED") => Self::AwsManaged { assumed: false },
            Some("CUSTOMER_ROUTED") => Self::CustomerRouted,
            Some(other) => Self::Unknown(other.to_owned()),
        }
    }

    /// As the API spells it.
    pub fn word(&self) -> &str {
        match self {
            Self::AwsManaged { .. } => "AWS_MANAGED",
            Self::CustomerRouted => "CUSTOMER_ROUTED",
            Self::Unknown(word) => word,
        }
    }
}

/// Where a subnet's traffic to one destination goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exit {
    /// Stays inside the VPC.
    Local,
    /// A NAT gateway; the destination sees these addresses.
    Nat {
        /// Its id.
        id: String,
        /// Its public addresses.
        public: Vec<IpAddr>,
    },
    /// An egress-only internet gateway, or for IPv6 an internet gateway: the destination sees the interface's own IPv6
    /// address.
    EgressOnly(String),
    /// A peered VPC, which sees the interface's own address: peering translates nothing.
    Peering(String),
    /// Another network (transit gateway, firewall, VPN): what happens there is not visible here.
    Elsewhere(String),
    /// An internet gateway: it drops what comes from an interface without a public address.
    InternetGateway(String),
    /// A NAT gateway that does not work, or a black hole.
    Dead(String),
    /// No route fits.
    None,
    /// The route table could not be read.
    Unread,
}

/// The way of one of the cluster's interfaces (or subnets) to one destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// The interface, where it is known.
    pub interface: Option<String>,
    /// The subnet.
    pub subnet: String,
    /// The interface's own addresses.
    pub own: Vec<IpAddr>,
    /// Where its traffic goes.
    pub exit: Exit,
    /// JSON pointer to the route, or to the table that holds none.
    pub path: String,
}

impl Way {
    /// The addresses that the destination sees; `None` where they are not known.
    pub fn seen_as(&self) -> Option<Vec<IpAddr>> {
        match &self.exit {
            Exit::Local | Exit::Peering(_) | Exit::EgressOnly(_) => (!self.own.is_empty()).then(|| self.own.clone()),
            Exit::Nat { public, .. } => Some(public.clone()),
            _ => None,
        }
    }
}

/// The cluster's interfaces, exactly: the name is compared whole, and look-alikes of other VPCs are left out, as is what
/// is attached to nothing (`available`), through which nothing leaves.
pub fn interfaces(aws: &Aws) -> Vec<&Interface> {
    let Some(cluster) = aws.cluster.seen() else { return Vec::new() };
    let description = format!("Amazon EKS {}", cluster.name);
    aws.network
        .interfaces
        .seen()
        .into_iter()
        .flatten()
        .filter(|interface| interface.description == description && interface.vpc_id == cluster.vpc.vpc_id)
        .filter(|interface| interface.status != "available")
        .collect()
}

/// Every one of the cluster's interfaces has an IPv6 address: what leaves through them can take either family.
pub fn has_ipv6(aws: &Aws) -> bool {
    let found = interfaces(aws);
    !found.is_empty() && found.iter().all(|interface| !interface.ipv6_addresses.is_empty())
}

/// Every address of the cluster's interfaces.
pub fn interface_addresses(aws: &Aws) -> Vec<IpAddr> {
    let mut all: Vec<IpAddr> = interfaces(aws)
        .iter()
        .flat_map(|interface| interface.private_addresses.iter().chain(&interface.ipv6_addresses))
        .filter_map(|text| text.parse().ok())
        .collect();
    for address in aws.endpoint_slice.seen().map(|slice| addresses::parse(&slice.addresses)).unwrap_or_default() {
        if !all.contains(&address) {
            all.push(address);
        }
    }
    all
}

/// The security groups on the cluster's interfaces.
pub fn security_groups(aws: &Aws) -> Vec<String> {
    let mut all: Vec<String> =
        interfaces(aws).iter().flat_map(|interface| interface.security_groups.iter().cloned()).collect();
    if let Some(cluster) = aws.cluster.seen().filter(|_| all.is_empty()) {
        all.extend(cluster.vpc.cluster_security_group_id.clone());
        all.extend(cluster.vpc.security_group_ids.iter().cloned());
    }
    all.sort();
    all.dedup();
    all
}

/// The ways of a customer-routed cluster to one destination, one for each interface; for each subnet, where the
/// interfaces could not be read.
pub fn ways(aws: &Aws, destination: IpAddr) -> Vec<Way> {
    let found = interfaces(aws);
    let starts: Vec<(Option<String>, String, Vec<IpAddr>)> = if found.is_empty() {
        let subnets = aws.cluster.seen().map(|cluster| cluster.vpc.subnet_ids.clone()).unwrap_or_default();
        subnets.into_iter().map(|subnet| (None, subnet, Vec::new())).collect()
    } else {
        found
            .iter()
            .map(|interface| {
                let own: Vec<IpAddr> = addresses::parse(&interface.private_addresses)
                    .into_iter()
                    .chain(addresses::parse(&interface.ipv6_addresses))
                    .collect();
                let own = own.into_iter().filter(|address| address.is_ipv4() == destination.is_ipv4()).collect();
                (Some(interface.id.clone()), interface.subnet_id.clone(), own)
            })
            .collect()
    };
    starts
        .into_iter()
        .map(|(interface, subnet, own)| {
            let (exit, path) = exit(aws, &subnet, destination);
            Way { interface, subnet, own, exit, path }
        })
        .collect()
}

/// The route table that rules a subnet: the one that names it, else the main one of its VPC.
pub fn table_of<'a>(aws: &'a Aws, subnet: &str) -> Option<(usize, &'a RouteTable)> {
    let tables = aws.network.route_tables.seen()?;
    let vpc = aws
        .network
        .subnets
        .seen()
        .and_then(|subnets| subnets.iter().find(|known| known.id == subnet))
        .map(|known| known.vpc_id.as_str())
        .or_else(|| aws.cluster.seen().map(|cluster| cluster.vpc.vpc_id.as_str()));
    tables
        .iter()
        .enumerate()
        .find(|(_, table)| table.subnet_ids.iter().any(|id| id == subnet))
        .or_else(|| tables.iter().enumerate().find(|(_, table)| table.main && Some(table.vpc_id.as_str()) == vpc))
}

fn exit(aws: &Aws, subnet: &str, destination: IpAddr) -> (Exit, String) {
    let Some((at, table)) = table_of(aws, subnet) else {
        return (Exit::Unread, "/aws/network/routeTables".to_owned());
    };
    let path = format!("/aws/network/routeTables/seen/{at}");
    // The longest prefix wins; of a prefix list that could not be read nothing is known.
    let mut unread = false;
    let best = table
        .routes
        .iter()
        .enumerate()
        .filter_map(|(index, route)| match length(aws, route, destination) {
            Ok(length) => length.map(|length| (length, index, route)),
            Err(()) => {
                unread = true;
                None
            }
        })
        .max_by_key(|(length, ..)| *length);
    let Some((_, index, route)) = best else {
        return (if unread { Exit::Unread } else { Exit::None }, path);
    };
    let path = format!("{path}/routes/{index}");
    if route.state == "blackhole" {
        if unread {
            return (Exit::Unread, path);
        }
        return (Exit::Dead(format!("the route to {} is a black hole", route.destination)), path);
    }
    let target = route.target.as_str();
    let exit = match target.split('-').next().unwrap_or_default() {
        "local" => Exit::Local,
        "pcx" if addresses::is_unroutable(destination) => Exit::Peering(target.to_owned()),
        // To a private address a NAT gateway sends from its own private one, by its own subnet's routes.
        "nat" if addresses::is_unroutable(destination) => Exit::Elsewhere(target.to_owned()),
        "nat" => nat(aws.network.nat_gateways.seen().and_then(|all| all.iter().find(|nat| nat.id == target)), target),
        // An IPv6 address needs no other one to leave by it; a private IPv4 address is dropped there.
        "igw" if destination.is_ipv6() => Exit::EgressOnly(target.to_owned()),
        "igw" => Exit::InternetGateway(target.to_owned()),
        "eigw" => Exit::EgressOnly(target.to_owned()),
        _ => Exit::Elsewhere(target.to_owned()),
    };
    // A route for an unread prefix list may be the longer one: a dead end that it would replace is no verdict.
    if unread && matches!(exit, Exit::InternetGateway(_) | Exit::Dead(_) | Exit::Peering(_)) {
        return (Exit::Unread, path);
    }
    (exit, path)
}

fn nat(gateway: Option<&NatGateway>, id: &str) -> Exit {
    match gateway {
        None => Exit::Elsewhere(id.to_owned()),
        Some(gateway) if gateway.state != "available" => Exit::Dead(format!("NAT gateway {id} is {}", gateway.state)),
        Some(gateway) if gateway.connectivity == "private" => Exit::Elsewhere(id.to_owned()),
        Some(gateway) => Exit::Nat { id: id.to_owned(), public: addresses::parse(&gateway.public_addresses) },
    }
}

/// Prefix length of a route that fits; an error where it is for a prefix list that could not be read.
fn length(aws: &Aws, route: &Route, destination: IpAddr) -> Result<Option<u8>, ()> {
    if route.destination.starts_with("pl-") {
        let list = aws.network.prefix_lists.seen().and_then(|all| all.iter().find(|list| list.id == route.destination));
        let entries = list.and_then(|list| list.entries.seen()).ok_or(())?;
        return Ok(entries
            .iter()
            .filter_map(|entry| addresses::range(&entry.cidr))
            .filter(|range| range.contains(&destination))
            .map(|range| range.prefix_len())
            .max());
    }
    Ok(addresses::range(&route.destination)
        .filter(|range: &IpNet| range.contains(&destination))
        .map(|range| range.prefix_len()))
}
