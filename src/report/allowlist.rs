//! The answer of `allowlist`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::Grade;
use super::shell::{Shell, shell};
use crate::evidence::network;

/// What to allow, and what is listed today.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Allowlist {
    /// `control-plane` or `clients`.
    pub direction: &'static str,
    /// `controlPlaneEgressMode` as the API spells it.
    pub egress_mode: String,
    /// True where the API did not say it, and this is its default; else absent.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub egress_mode_assumed: bool,
    /// The API endpoint, where clients enter.
    pub endpoint: Endpoint,
    /// The cluster's network interfaces.
    pub network_interfaces: Vec<Interface>,
    /// The security groups on them.
    pub security_groups: Vec<String>,
    /// What to allow.
    pub entries: Vec<Entry>,
    /// What else must be known.
    pub warnings: Vec<String>,
    /// What differs today; absent where it was not asked for.
    pub drift: Option<Vec<Drift>>,
    /// Something could not be compared: that nothing differs is not known then.
    #[serde(skip)]
    pub uncompared: bool,
    /// What the formats for tools need.
    #[serde(skip)]
    pub place: Place,
}

/// The API endpoint.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Endpoint {
    /// Its name.
    pub host: String,
    /// Its addresses, as they resolve here.
    pub addresses: Vec<String>,
}

/// One network interface.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Interface {
    /// `eni-...`.
    pub id: String,
    /// Its addresses.
    pub addresses: Vec<String>,
    /// Its subnet.
    pub subnet: String,
    /// Its security groups.
    pub security_groups: Vec<String>,
    /// Its zone.
    pub zone: String,
}

impl From<&network::Interface> for Interface {
    fn from(interface: &network::Interface) -> Self {
        Self {
            id: interface.id.clone(),
            addresses: interface.private_addresses.iter().chain(&interface.ipv6_addresses).cloned().collect(),
            subnet: interface.subnet_id.clone(),
            security_groups: interface.security_groups.clone(),
            zone: interface.zone.clone(),
        }
    }
}

/// What kind of thing to allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// A security group as the source.
    SecurityGroup,
    /// A range as the source.
    Cidr,
    /// A managed prefix list as the source.
    // No egress mode gives one today; the form of the answer names it, and no word of v1 goes.
    PrefixList,
    /// A path, for everybody.
    Path,
}

/// One thing to allow.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Entry {
    /// Of which kind.
    pub kind: Kind,
    /// The value; of a path the URL's path.
    pub value: String,
    /// Why.
    pub why: String,
    /// How it is known.
    pub grade: Grade,
}

/// A difference between what should be allowed and what is.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Drift {
    /// `missing` or `useless`.
    pub kind: &'static str,
    /// What.
    pub value: String,
    /// Where.
    pub place: String,
    /// In words.
    pub text: String,
}

/// Where it is to be allowed; capitals stand for what is not known.
#[derive(Debug, Clone, Default)]
pub struct Place {
    /// The cluster.
    pub cluster: String,
    /// Its region; none where it is not known.
    pub region: Option<String>,
    /// The issuer's host.
    pub host: String,
    /// The issuer's port.
    pub port: u16,
    /// The security groups of its load balancer.
    pub balancer_groups: Vec<String>,
    /// Its listener on that port.
    pub listener: Option<String>,
    /// The priorities of that listener's rules; absent where they could not be read, or it is another that will be used.
    pub priorities: Option<Vec<u32>>,
    /// The target group it forwards to; none where it cannot be told.
    pub target_group: Option<String>,
    /// Target groups of which one is the issuer's, where it cannot be told which.
    pub target_groups: Vec<String>,
    /// Ranges that its security groups let in today; none where they are not known in whole, or hold what is no range.
    pub present: Option<Vec<String>>,
    /// What of the entries its security groups let in today.
    pub covered: Vec<String>,
    /// Everybody gets a connection today.
    pub open: bool,
    /// The two documents need a rule of their own.
    pub documents: bool,
    /// The web ACL refuses before any listener rule is asked, and needs a rule first.
    pub web_acl_refuses: bool,
    /// The ranges that keep their way to everything else where the port is opened, and everybody else is refused; absent
    /// where opening the port exposes nothing.
    pub kept: Option<Vec<String>>,
    /// The issuer is reached by IPv6.
    pub v6: bool,
    /// Another, public load balancer has to serve the two paths, and nothing else.
    pub public_copy: bool,
    /// The load balancer is one for HTTP: what stands behind it sees its addresses instead of the clients'.
    pub http: bool,
    /// The group of the cluster's interfaces that lets nothing out to the issuer's port.
    pub shut_in: Option<String>,
    /// The load balancer is a network one, without listener rules.
    pub network: bool,
    /// Why the port is not to be opened to everybody, and what to do by hand.
    pub closed: Option<String>,
    /// Namespace, name, Service and its port of the Ingress that made it.
    pub ingress: Option<(String, String, String, String)>,
    /// Its class.
    pub ingress_class: Option<String>,
    /// Its annotations below `alb.ingress.kubernetes.io/`.
    pub annotations: BTreeMap<String, String>,
    /// `internal` or `internet-facing`.
    pub scheme: Option<String>,
    /// The API endpoint has public addresses.
    pub public_endpoint: bool,
    /// `publicAccessCidrs` of the API endpoint.
    pub public_access_cidrs: Vec<String>,
}

impl Allowlist {
    /// Values of one kind.
    pub fn values(&self, kind: Kind) -> Vec<&str> {
        self.entries.iter().filter(|entry| entry.kind == kind).map(|entry| entry.value.as_str()).collect()
    }
}

/// The command that lets a range in to a port; `--cidr` takes IPv4 only.
pub fn authorize(group: &str, port: u16, range: &str) -> Shell {
    if range.contains(':') {
        shell!(
            "aws ec2 authorize-security-group-ingress --group-id {0} --ip-permissions 'IpProtocol=tcp,FromPort={2},ToPort={2},Ipv6Ranges=[{{CidrIpv6={1}}}]'",
            group,
            range,
            port
        )
    } else {
        shell!(
            "aws ec2 authorize-security-group-ingress --group-id {} --protocol tcp --port {} --cidr {}",
            group,
            port,
            range
        )
    }
}
