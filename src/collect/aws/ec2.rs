//! The network around the cluster's interfaces and the issuer's load balancer, as EC2 has it.

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{
    Filter, Route as AwsRoute, SubnetCidrBlockStateCode, VpcAttributeName, VpcCidrBlockState, VpcCidrBlockStateCode,
};
use futures::future::join_all;

use super::clients::{Clients, maybe, owned};
use crate::evidence::network::{
    AclEntry, DhcpOptions, Interface, NatGateway, NetworkAcl, PrefixList, PrefixListEntry, Route, RouteTable,
    SecurityGroup, SecurityGroupRule, Subnet, Vpc, VpcDns,
};
use crate::evidence::{Failure, Observation, Outcome};
use crate::secret::Scrubber;

/// A group with more rules than this keeps only those that could let the issuer's port through.
const RULES_LIMIT: usize = 1000;
/// Most ranges kept of one prefix list.
const ENTRIES_LIMIT: usize = 1000;

fn filter(name: &str, values: &[String]) -> Filter {
    Filter::builder().name(name).set_values(Some(values.to_vec())).build()
}

/// One paged call: every page's items, or the failure.
macro_rules! pages {
    // EC2 refuses a filter without values; about nothing there is nothing to ask.
    ($clients:expr, $action:literal, $ids:expr, $request:expr, $items:ident, $map:expr) => {{
        if $ids.is_empty() {
            return Ok(Vec::new());
        }
        pages!($clients, $action, $request, $items, $map)
    }};
    ($clients:expr, $action:literal, $request:expr, $items:ident, $map:expr) => {{
        let mut pages = $request.into_paginator().send();
        let mut found = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| $clients.failure(&error, $action))?;
            found.extend(page.$items().iter().map($map));
        }
        found
    }};
}

/// The cluster's own interfaces: the description is exactly `Amazon EKS NAME`, in the cluster's VPC.
///
/// # Errors
/// As [`Clients::failure`].
pub async fn interfaces(clients: &Clients, cluster: &str, vpc: &str) -> Result<Vec<Interface>, Failure> {
    let description = format!("Amazon EKS {cluster}");
    let request = Client::new(&clients.config)
        .describe_network_interfaces()
        .filters(filter("description", std::slice::from_ref(&description)))
        .filters(filter("vpc-id", &[vpc.to_owned()]));
    let mut found = pages!(clients, "ec2:DescribeNetworkInterfaces", request, network_interfaces, |interface| {
        let addresses = interface.private_ip_addresses();
        let public = addresses.iter().filter_map(|address| address.association()?.public_ip());
        Interface {
            id: owned(interface.network_interface_id()),
            description: owned(interface.description()),
            vpc_id: owned(interface.vpc_id()),
            subnet_id: owned(interface.subnet_id()),
            zone: owned(interface.availability_zone()),
            security_groups: interface.groups().iter().map(|group| owned(group.group_id())).collect(),
            private_addresses: if addresses.is_empty() {
                maybe(interface.private_ip_address()).into_iter().collect()
            } else {
                addresses.iter().map(|address| owned(address.private_ip_address())).collect()
            },
            ipv6_addresses: interface.ipv6_addresses().iter().map(|address| owned(address.ipv6_address())).collect(),
            public_addresses: public.map(str::to_owned).collect(),
            status: interface.status().map(|status| status.as_str().to_owned()).unwrap_or_default(),
        }
    });
    // The filter knows wildcards, and one cluster's name may be another's beginning.
    found.retain(|interface: &Interface| interface.description == description);
    Ok(found)
}

/// Security groups by id.
///
/// # Errors
/// As [`Clients::failure`].
pub async fn security_groups(clients: &Clients, ids: &[String]) -> Result<Vec<SecurityGroup>, Failure> {
    let request = Client::new(&clients.config).describe_security_groups().filters(filter("group-id", ids));
    Ok(pages!(clients, "ec2:DescribeSecurityGroups", ids, request, security_groups, |group| SecurityGroup {
        id: owned(group.group_id()),
        name: owned(group.group_name()),
        vpc_id: owned(group.vpc_id()),
    }))
}

/// The rules of groups; of a very large group only those that could let `port` through.
///
/// # Errors
/// As [`Clients::failure`].
pub async fn security_group_rules(
    clients: &Clients,
    groups: &[String],
    port: u16,
    scrubber: &Scrubber,
) -> Result<Vec<SecurityGroupRule>, Failure> {
    let request = Client::new(&clients.config)
        .describe_security_group_rules()
        .max_results(1000)
        .filters(filter("group-id", groups));
    let rules = pages!(clients, "ec2:DescribeSecurityGroupRules", groups, request, security_group_rules, |rule| {
        SecurityGroupRule {
            id: owned(rule.security_group_rule_id()),
            group_id: owned(rule.group_id()),
            egress: rule.is_egress().unwrap_or_default(),
            protocol: owned(rule.ip_protocol()),
            from_port: rule.from_port(),
            to_port: rule.to_port(),
            cidr_ipv4: maybe(rule.cidr_ipv4()),
            cidr_ipv6: maybe(rule.cidr_ipv6()),
            prefix_list_id: maybe(rule.prefix_list_id()),
            referenced_group: rule.referenced_group_info().and_then(|group| maybe(group.group_id())),
            description: maybe(rule.description()).map(|text| scrubber.text_limited(&text, 255)),
        }
    });
    let mut counts = std::collections::BTreeMap::<String, usize>::new();
    for rule in &rules {
        *counts.entry(rule.group_id.clone()).or_default() += 1;
    }
    let port = i32::from(port);
    let lets_through = |rule: &SecurityGroupRule| {
        let all = rule.protocol == "-1";
        let tcp = rule.protocol == "tcp" || rule.protocol == "6";
        let from = rule.from_port.filter(|port| *port >= 0).unwrap_or(0);
        let to = rule.to_port.filter(|port| *port >= 0).unwrap_or(65535);
        all || (tcp && (from..=to).contains(&port))
    };
    let large = |rule: &SecurityGroupRule| counts.get(&rule.group_id).is_some_and(|count| *count > RULES_LIMIT);
    Ok(rules.into_iter().filter(|rule| !large(rule) || lets_through(rule)).collect())
}

/// Prefix lists by id, each with its ranges.
///
/// # Errors
/// As [`Clients::failure`]; ranges that cannot be read are a failure of that list alone.
pub async fn prefix_lists(clients: &Clients, ids: &[String]) -> Result<Vec<PrefixList>, Failure> {
    let client = Client::new(&clients.config);
    let request = client.describe_managed_prefix_lists().filters(filter("prefix-list-id", ids));
    let lists = pages!(clients, "ec2:DescribeManagedPrefixLists", ids, request, prefix_lists, |list| (
        owned(list.prefix_list_id()),
        owned(list.prefix_list_name())
    ));
    Ok(join_all(lists.into_iter().map(|(id, name): (String, String)| async {
        let entries = entries(clients, &id).await.map_or_else(Outcome::Failed, Outcome::Seen);
        PrefixList { id, name, entries: Observation::at_rest(entries) }
    }))
    .await)
}

async fn entries(clients: &Clients, id: &str) -> Result<Vec<PrefixListEntry>, Failure> {
    let mut pages =
        Client::new(&clients.config).get_managed_prefix_list_entries().prefix_list_id(id).into_paginator().send();
    let mut found: Vec<PrefixListEntry> = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| clients.failure(&error, "ec2:GetManagedPrefixListEntries"))?;
        found.extend(
            page.entries()
                .iter()
                .map(|entry| PrefixListEntry { cidr: owned(entry.cidr()), description: maybe(entry.description()) }),
        );
        if found.len() >= ENTRIES_LIMIT {
            found.truncate(ENTRIES_LIMIT);
            break;
        }
    }
    Ok(found)
}

/// Subnets by id.
///
/// # Errors
/// As [`Clients::failure`].
pub async fn subnets(clients: &Clients, ids: &[String]) -> Result<Vec<Subnet>, Failure> {
    let request = Client::new(&clients.config).describe_subnets().filters(filter("subnet-id", ids));
    Ok(pages!(clients, "ec2:DescribeSubnets", ids, request, subnets, |subnet| Subnet {
        id: owned(subnet.subnet_id()),
        vpc_id: owned(subnet.vpc_id()),
        zone: owned(subnet.availability_zone()),
        cidr: maybe(subnet.cidr_block()),
        ipv6_cidrs: subnet
            .ipv6_cidr_block_association_set()
            .iter()
            .filter(|set| {
                let state = set.ipv6_cidr_block_state().and_then(|state| state.state());
                state.is_none_or(|state| *state != SubnetCidrBlockStateCode::Disassociated)
            })
            .filter_map(|set| maybe(set.ipv6_cidr_block()))
            .collect(),
        free_addresses: subnet.available_ip_address_count(),
    }))
}

fn target(route: &AwsRoute) -> String {
    let candidates = [
        route.gateway_id(),
        route.nat_gateway_id(),
        route.transit_gateway_id(),
        route.egress_only_internet_gateway_id(),
        route.vpc_peering_connection_id(),
        route.local_gateway_id(),
        route.carrier_gateway_id(),
        route.network_interface_id(),
        route.core_network_arn(),
        route.instance_id(),
    ];
    owned(candidates.into_iter().flatten().next())
}

/// The route tables of VPCs.
///
/// # Errors
/// As [`Clients::failure`].
pub async fn route_tables(clients: &Clients, vpcs: &[String]) -> Result<Vec<RouteTable>, Failure> {
    let request = Client::new(&clients.config).describe_route_tables().filters(filter("vpc-id", vpcs));
    Ok(pages!(clients, "ec2:DescribeRouteTables", vpcs, request, route_tables, |table| RouteTable {
        id: owned(table.route_table_id()),
        vpc_id: owned(table.vpc_id()),
        main: table.associations().iter().any(|association| association.main() == Some(true)),
        subnet_ids: table.associations().iter().filter_map(|association| maybe(association.subnet_id())).collect(),
        routes: table
            .routes()
            .iter()
            .map(|route| Route {
                destination: owned(
                    route
                        .destination_cidr_block()
                        .or(route.destination_ipv6_cidr_block())
                        .or(route.destination_prefix_list_id())
                ),
                target: target(route),
                state: route.state().map(|state| state.as_str().to_owned()).unwrap_or_default(),
            })
            .collect(),
    }))
}

/// The NAT gateways of VPCs.
///
/// # Errors
/// As [`Clients::failure`].
pub async fn nat_gateways(clients: &Clients, vpcs: &[String]) -> Result<Vec<NatGateway>, Failure> {
    let request = Client::new(&clients.config).describe_nat_gateways().filter(filter("vpc-id", vpcs));
    let gateways: Vec<NatGateway> =
        pages!(clients, "ec2:DescribeNatGateways", vpcs, request, nat_gateways, |gateway| {
            let addresses = gateway.nat_gateway_addresses();
            NatGateway {
                id: owned(gateway.nat_gateway_id()),
                subnet_id: owned(gateway.subnet_id()),
                state: gateway.state().map(|state| state.as_str().to_owned()).unwrap_or_default(),
                connectivity: gateway.connectivity_type().map(|kind| kind.as_str().to_owned()).unwrap_or_default(),
                public_addresses: addresses.iter().filter_map(|address| maybe(address.public_ip())).collect(),
                private_addresses: addresses.iter().filter_map(|address| maybe(address.private_ip())).collect(),
            }
        });
    Ok(gateways.into_iter().filter(|gateway| gateway.state != "deleted").collect())
}

/// The network ACLs of subnets.
///
/// # Errors
/// As [`Clients::failure`].
pub async fn network_acls(clients: &Clients, subnets: &[String]) -> Result<Vec<NetworkAcl>, Failure> {
    let request =
        Client::new(&clients.config).describe_network_acls().filters(filter("association.subnet-id", subnets));
    Ok(pages!(clients, "ec2:DescribeNetworkAcls", subnets, request, network_acls, |acl| NetworkAcl {
        id: owned(acl.network_acl_id()),
        vpc_id: owned(acl.vpc_id()),
        subnet_ids: acl.associations().iter().filter_map(|association| maybe(association.subnet_id())).collect(),
        entries: acl
            .entries()
            .iter()
            .map(|entry| AclEntry {
                number: entry.rule_number().unwrap_or_default(),
                egress: entry.egress().unwrap_or_default(),
                allow: entry.rule_action().is_some_and(|action| action.as_str() == "allow"),
                protocol: owned(entry.protocol()),
                cidr: owned(entry.cidr_block().or(entry.ipv6_cidr_block())),
                from_port: entry.port_range().and_then(|range| range.from()),
                to_port: entry.port_range().and_then(|range| range.to()),
            })
            .collect(),
    }))
}

/// VPCs by id.
///
/// # Errors
/// As [`Clients::failure`].
pub async fn vpcs(clients: &Clients, ids: &[String]) -> Result<Vec<Vpc>, Failure> {
    let request = Client::new(&clients.config).describe_vpcs().filters(filter("vpc-id", ids));
    Ok(pages!(clients, "ec2:DescribeVpcs", ids, request, vpcs, |vpc| {
        // A block that was taken away stays listed for a while.
        let there = |state: Option<&VpcCidrBlockState>| {
            state.and_then(VpcCidrBlockState::state).is_none_or(|state| *state != VpcCidrBlockStateCode::Disassociated)
        };
        let blocks = vpc.cidr_block_association_set().iter().filter(|block| there(block.cidr_block_state()));
        let v6 = vpc.ipv6_cidr_block_association_set().iter().filter(|block| there(block.ipv6_cidr_block_state()));
        let mut cidrs: Vec<String> = maybe(vpc.cidr_block()).into_iter().collect();
        cidrs.extend(blocks.filter_map(|block| maybe(block.cidr_block())));
        cidrs.extend(v6.filter_map(|block| maybe(block.ipv6_cidr_block())));
        cidrs.sort();
        cidrs.dedup();
        Vpc { id: owned(vpc.vpc_id()), cidrs, dhcp_options_id: maybe(vpc.dhcp_options_id()) }
    }))
}

/// The DNS attributes of a VPC.
///
/// # Errors
/// As [`Clients::failure`].
pub async fn vpc_dns(clients: &Clients, vpc: &str) -> Result<VpcDns, Failure> {
    let client = Client::new(&clients.config);
    let ask = |attribute: VpcAttributeName| client.describe_vpc_attribute().vpc_id(vpc).attribute(attribute).send();
    let (support, hostnames) =
        tokio::join!(ask(VpcAttributeName::EnableDnsSupport), ask(VpcAttributeName::EnableDnsHostnames));
    let support = support.map_err(|error| clients.failure(&error, "ec2:DescribeVpcAttribute"))?;
    let hostnames = hostnames.map_err(|error| clients.failure(&error, "ec2:DescribeVpcAttribute"))?;
    Ok(VpcDns {
        vpc_id: vpc.to_owned(),
        support: support.enable_dns_support().and_then(|value| value.value()).unwrap_or_default(),
        hostnames: hostnames.enable_dns_hostnames().and_then(|value| value.value()).unwrap_or_default(),
    })
}

/// DHCP options by id.
///
/// # Errors
/// As [`Clients::failure`].
pub async fn dhcp_options(clients: &Clients, id: &str) -> Result<DhcpOptions, Failure> {
    // The word for "no options": no set of that id exists.
    if id == "default" {
        return Ok(DhcpOptions { id: id.to_owned(), domain_name_servers: Vec::new() });
    }
    let answer = Client::new(&clients.config).describe_dhcp_options().dhcp_options_ids(id).send().await;
    let answer = answer.map_err(|error| clients.failure(&error, "ec2:DescribeDhcpOptions"))?;
    let configurations = answer.dhcp_options().iter().flat_map(|options| options.dhcp_configurations());
    let servers = configurations.filter(|option| option.key() == Some("domain-name-servers"));
    Ok(DhcpOptions {
        id: id.to_owned(),
        domain_name_servers: servers
            .flat_map(|option| option.values())
            .filter_map(|value| maybe(value.value()))
            .collect(),
    })
}
