//! What to allow so that the control plane reaches the issuer, or clients the API endpoint; and what is listed today.

/// What clients need to reach the API endpoint.
mod clients;
/// What the control plane needs to reach the issuer.
mod control_plane;
/// What is let in today.
mod listed;
/// Whether the load balancer's port may be opened to everybody.
mod opening;
/// What a customer-routed control plane comes from.
mod sources;

pub use self::clients::{private_endpoint_members, public_endpoint_lets_in};
pub use self::listed::{Listed, Place, endpoint_addresses, listed};
pub use self::opening::own_groups;
pub use self::sources::sources;

use std::net::IpAddr;

use ipnet::IpNet;

use super::egress::Mode;
use super::reach;
use crate::evidence::{Evidence, Grade};

/// Which way the connections go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the control plane to the issuer.
    ControlPlane,
    /// From clients to the API endpoint.
    Clients,
}

/// What kind of thing to allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A security group as the source.
    SecurityGroup,
    /// A range as the source.
    Cidr,
    /// A path, for everybody.
    Path,
}

/// One thing to allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Of which kind.
    pub kind: Kind,
    /// The value.
    pub value: String,
    /// Why.
    pub why: String,
    /// How it is known.
    pub known: Grade,
}

/// A difference between what should be allowed and what is.
#[derive(Debug, Clone, PartialEq, Eq)]
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

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Which way.
    pub direction: Direction,
    /// The egress mode.
    pub mode: Mode,
    /// What to allow.
    pub entries: Vec<Entry>,
    /// What else must be known.
    pub warnings: Vec<String>,
    /// What differs today.
    pub drift: Vec<Drift>,
    /// What of today's rules could not be compared.
    pub uncompared: Vec<String>,
    /// The issuer's host, port and paths.
    pub issuer: Option<(String, u16, Vec<String>)>,
    /// Ranges that the load balancer's security groups let in today, without those that help nobody; none where they are
    /// not known in whole, or hold what is no range.
    pub present: Option<Vec<String>>,
    /// What of the entries the security groups let in today.
    pub covered: Vec<String>,
    /// Everybody gets a connection today: the security groups keep nobody out.
    pub open: bool,
    /// The listener does not hand the two documents on to the control plane today.
    pub documents: bool,
    /// The web ACL in front of the listener refuses the control plane today.
    pub web_acl_refuses: bool,
    /// Where opening the port would expose more than the documents: the ranges that keep their way to the rest, which
    /// everybody else is refused.
    pub kept: Option<Vec<String>>,
    /// The group of the cluster's interfaces, where none of them lets the control plane out to the issuer's port.
    pub shut_in: Option<String>,
    /// It goes by IPv6.
    pub v6: bool,
    /// The load balancer there is cannot be reached: another, public one has to serve the two paths.
    pub public_copy: bool,
    /// The load balancer's security groups and the listener on the issuer's port.
    pub load_balancer: Option<(Vec<String>, Option<String>)>,
    /// Target groups that serve the issuer's host today; none where that cannot be told.
    pub target_groups: Vec<String>,
    /// Why the load balancer's port is not to be opened to everybody, and what to do by hand.
    pub closed: Option<String>,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoAnswer {
    /// AWS said nothing of the cluster.
    NoCluster,
    /// No issuer is known.
    NoIssuer,
}

/// Computes the answer.
///
/// # Errors
/// Where the cluster, or the issuer, is not known.
pub fn answer(evidence: &Evidence, direction: Direction) -> Result<Answer, NoAnswer> {
    let aws = evidence.aws.as_deref().ok_or(NoAnswer::NoCluster)?;
    let cluster = aws.cluster.seen().ok_or(NoAnswer::NoCluster)?;
    let mut answer = Answer {
        direction,
        mode: Mode::of(cluster),
        entries: Vec::new(),
        warnings: Vec::new(),
        drift: Vec::new(),
        uncompared: Vec::new(),
        issuer: None,
        present: None,
        covered: Vec::new(),
        open: false,
        documents: true,
        web_acl_refuses: false,
        kept: None,
        shut_in: None,
        v6: false,
        public_copy: false,
        load_balancer: None,
        closed: None,
        target_groups: Vec::new(),
    };
    match direction {
        Direction::ControlPlane => {
            let reach = reach::to_issuer(evidence).ok_or(NoAnswer::NoIssuer)?;
            control_plane::allow(evidence, aws, &reach, &mut answer);
        }
        Direction::Clients => clients::allow(evidence, aws, cluster, &mut answer),
    }
    Ok(answer)
}

/// The range that holds one address alone.
pub fn host_range(address: IpAddr) -> String {
    IpNet::from(address).to_string()
}
