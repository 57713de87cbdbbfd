//! EC2's network around the cluster's interfaces and the issuer's load balancer: one observation for each API call.

use serde::{Deserialize, Serialize};

use super::Observation;

/// What EC2 said, as far as it lies between the cluster's interfaces and the issuer.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Network {
    /// The cluster's own interfaces (`ec2:DescribeNetworkInterfaces`): the description is exactly `Amazon EKS NAME`, and
    /// they are in the cluster's VPC.
    pub interfaces: Observation<Vec<Interface>>,
    /// Security groups of those interfaces and of the issuer's load balancer (`ec2:DescribeSecurityGroups`).
    pub security_groups: Observation<Vec<SecurityGroup>>,
    /// The rules of these groups (`ec2:DescribeSecurityGroupRules`), all of them: a verdict needs every one. Of a group
    /// with more than 1,000 rules only those that could let the issuer's port through.
    pub security_group_rules: Observation<Vec<SecurityGroupRule>>,
    /// Managed prefix lists named by those rules or by routes (`ec2:DescribeManagedPrefixLists`).
    pub prefix_lists: Observation<Vec<PrefixList>>,
    /// Subnets of the cluster and of the load balancer (`ec2:DescribeSubnets`).
    pub subnets: Observation<Vec<Subnet>>,
    /// Route tables of these subnets and the main ones of their VPCs (`ec2:DescribeRouteTables`).
    pub route_tables: Observation<Vec<RouteTable>>,
    /// NAT gateways of the cluster's VPC and those that the routes name (`ec2:DescribeNatGateways`).
    pub nat_gateways: Observation<Vec<NatGateway>>,
    /// Network ACLs of these subnets (`ec2:DescribeNetworkAcls`).
    pub network_acls: Observation<Vec<NetworkAcl>>,
    /// The VPCs (`ec2:DescribeVpcs`).
    pub vpcs: Observation<Vec<Vpc>>,
    /// DNS attributes of the cluster's VPC (`ec2:DescribeVpcAttribute`).
    pub vpc_dns: Observation<VpcDns>,
    /// DHCP options of the cluster's VPC (`ec2:DescribeDhcpOptions`).
    pub dhcp_options: Observation<DhcpOptions>,
}

/// One network interface.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Interface {
    /// `eni-...`.
    pub id: String,
    /// `Amazon EKS NAME`.
    pub description: String,
    /// The VPC.
    pub vpc_id: String,
    /// The subnet.
    pub subnet_id: String,
    /// The availability zone.
    pub zone: String,
    /// Ids of its security groups.
    pub security_groups: Vec<String>,
    /// Private IPv4 addresses, the primary one first.
    pub private_addresses: Vec<String>,
    /// IPv6 addresses.
    pub ipv6_addresses: Vec<String>,
    /// Public addresses associated with it; the cluster's interfaces have none.
    pub public_addresses: Vec<String>,
    /// `in-use`, `available`, ...
    pub status: String,
}

/// One security group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SecurityGroup {
    /// `sg-...`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its VPC.
    pub vpc_id: String,
}

/// One rule of a security group: exactly one of the four kinds of peers is there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SecurityGroupRule {
    /// `sgr-...`.
    pub id: String,
    /// The group it belongs to.
    pub group_id: String,
    /// A rule about what leaves.
    pub egress: bool,
    /// `tcp`, `udp`, `icmp`, a number, or `-1` for all.
    pub protocol: String,
    /// First port; absent or -1 means all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from_port: Option<i32>,
    /// Last port; absent or -1 means all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_port: Option<i32>,
    /// IPv4 range.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cidr_ipv4: Option<String>,
    /// IPv6 range.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cidr_ipv6: Option<String>,
    /// Managed prefix list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix_list_id: Option<String>,
    /// Another security group: its members' private addresses, in the same or a peered VPC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub referenced_group: Option<String>,
    /// What somebody wrote beside it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// A managed prefix list.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PrefixList {
    /// `pl-...`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its ranges (`ec2:GetManagedPrefixListEntries`); of AWS's own very long lists the first 1,000.
    pub entries: Observation<Vec<PrefixListEntry>>,
}

/// One range of a prefix list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PrefixListEntry {
    /// The range.
    pub cidr: String,
    /// What somebody wrote beside it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// A subnet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Subnet {
    /// `subnet-...`.
    pub id: String,
    /// Its VPC.
    pub vpc_id: String,
    /// The availability zone.
    pub zone: String,
    /// IPv4 range; absent in a subnet of IPv6 only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cidr: Option<String>,
    /// IPv6 ranges.
    pub ipv6_cidrs: Vec<String>,
    /// Free IPv4 addresses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub free_addresses: Option<i32>,
}

/// A route table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RouteTable {
    /// `rtb-...`.
    pub id: String,
    /// Its VPC.
    pub vpc_id: String,
    /// The main table of its VPC: for subnets that no table names.
    pub main: bool,
    /// Subnets that it is associated with by name.
    pub subnet_ids: Vec<String>,
    /// Its routes.
    pub routes: Vec<Route>,
}

/// One route.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Route {
    /// The range (IPv4 or IPv6) or prefix list (`pl-...`) it is for.
    pub destination: String,
    /// Where it leads: `local`, `igw-`, `nat-`, `tgw-`, `eigw-`, `pcx-`, `eni-`, `vgw-`, `vpce-`, `lgw-`, ... with the id.
    pub target: String,
    /// `active` or `blackhole`.
    pub state: String,
}

/// A NAT gateway.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NatGateway {
    /// `nat-...`.
    pub id: String,
    /// Its subnet.
    pub subnet_id: String,
    /// `available`, `pending`, `failed`, `deleting` or `deleted`.
    pub state: String,
    /// `public` or `private`.
    pub connectivity: String,
    /// Its public addresses: what the world sees. A private gateway has none.
    pub public_addresses: Vec<String>,
    /// Its private addresses.
    pub private_addresses: Vec<String>,
}

/// A network ACL.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NetworkAcl {
    /// `acl-...`.
    pub id: String,
    /// Its VPC.
    pub vpc_id: String,
    /// Subnets that it is associated with.
    pub subnet_ids: Vec<String>,
    /// Its entries, in any order.
    pub entries: Vec<AclEntry>,
}

/// One entry of a network ACL; the lowest number that fits decides.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AclEntry {
    /// Rule number; 32767 is the closing denial.
    pub number: i32,
    /// About what leaves the subnet.
    pub egress: bool,
    /// It allows.
    pub allow: bool,
    /// Protocol number as text (`6` is TCP), `-1` for all.
    pub protocol: String,
    /// IPv4 or IPv6 range.
    pub cidr: String,
    /// First port; absent means all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from_port: Option<i32>,
    /// Last port; absent means all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_port: Option<i32>,
}

/// A VPC.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Vpc {
    /// `vpc-...`.
    pub id: String,
    /// Its ranges, IPv4 and IPv6.
    pub cidrs: Vec<String>,
    /// Its DHCP options, `dopt-...`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dhcp_options_id: Option<String>,
}

/// DNS attributes of a VPC.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct VpcDns {
    /// The VPC.
    pub vpc_id: String,
    /// `enableDnsSupport`.
    pub support: bool,
    /// `enableDnsHostnames`.
    pub hostnames: bool,
}

/// DHCP options.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DhcpOptions {
    /// `dopt-...`.
    pub id: String,
    /// `domain-name-servers`: `AmazonProvidedDNS` or addresses.
    pub domain_name_servers: Vec<String>,
}
