//! Security groups: those of the cluster's interfaces let the request out, those of the load balancer let it in.

use std::net::IpAddr;

use ipnet::IpNet;

use super::super::addresses;
use super::super::egress::{self, Mode};
use super::{Goal, Layer, Passage, Peer, Reach, push};
use crate::evidence::eks::Aws;
use crate::evidence::network::SecurityGroupRule;
use crate::evidence::{Grade, Outcome};

/// A rule is about this port of TCP.
pub fn about(rule: &SecurityGroupRule, port: u16) -> bool {
    let port = i32::from(port);
    match rule.protocol.as_str() {
        "-1" => true,
        "tcp" | "6" => {
            rule.from_port.is_none_or(|from| from == -1 || from <= port)
                && rule.to_port.is_none_or(|to| to == -1 || port <= to)
        }
        _ => false,
    }
}

/// The ranges a rule names, its prefix list's included; `None` where that could not be read.
pub fn ranges(aws: &Aws, rule: &SecurityGroupRule) -> Option<Vec<IpNet>> {
    let mut all: Vec<IpNet> =
        rule.cidr_ipv4.iter().chain(&rule.cidr_ipv6).filter_map(|cidr| addresses::range(cidr)).collect();
    if let Some(id) = &rule.prefix_list_id {
        let list = aws.network.prefix_lists.seen()?.iter().find(|list| list.id == *id)?;
        all.extend(list.entries.seen()?.iter().filter_map(|entry| addresses::range(&entry.cidr)));
    }
    Some(all)
}

/// One of these groups that is in none of EC2's answers: what its rules are is not known.
pub fn unanswered<'g>(aws: &Aws, groups: &'g [String]) -> Option<&'g str> {
    let rules = aws.network.security_group_rules.seen().map(Vec::as_slice).unwrap_or_default();
    let known = aws.network.security_groups.seen().map(Vec::as_slice).unwrap_or_default();
    let answered =
        |id: &String| rules.iter().any(|rule| rule.group_id == *id) || known.iter().any(|group| group.id == *id);
    groups.iter().find(|id| !answered(id)).map(String::as_str)
}

/// A rule lets somebody in on a port, and is of one of these groups.
pub(in crate::aws) fn admits(rule: &SecurityGroupRule, groups: &[String], port: u16) -> bool {
    !rule.egress && groups.contains(&rule.group_id) && about(rule, port)
}

/// Who gets a connection to the load balancer's port, as its security groups say.
#[derive(Debug, Default)]
pub(in crate::aws) struct Door {
    /// Everybody.
    pub open: bool,
    /// Ranges, those of prefix lists included.
    pub ranges: Vec<IpNet>,
    /// Security groups as sources.
    pub groups: Vec<String>,
    /// A group or a list could not be read: there may be more.
    pub unread: bool,
}

impl Door {
    /// By the rules of these groups.
    pub fn of(aws: &Aws, rules: &[SecurityGroupRule], groups: &[String], reach: &Reach) -> Self {
        let mut door = Self { unread: unanswered(aws, groups).is_some(), ..Self::default() };
        for rule in rules.iter().filter(|rule| admits(rule, groups, reach.port)) {
            match (&rule.referenced_group, ranges(aws, rule)) {
                (Some(group), _) => door.groups.push(group.clone()),
                (None, Some(ranges)) => door.ranges.extend(ranges),
                (None, None) => door.unread = true,
            }
        }
        door.open = addresses::everything(&door.ranges, reach.v6);
        door
    }
}

/// The groups on the cluster's interfaces let the request out.
pub(super) fn judge_own(aws: &Aws, goal: &Goal<'_>, destinations: &[IpAddr], reach: &mut Reach) {
    if reach.mode != Mode::CustomerRouted {
        return;
    }
    let groups = egress::security_groups(aws);
    let (Some(rules), Some(destination)) = (aws.network.security_group_rules.seen(), destinations.first()) else {
        return;
    };
    let theirs =
        goal.balancer.load_balancer.seen().map(|balancer| balancer.security_groups.clone()).unwrap_or_default();
    let mut unread = unanswered(aws, &groups).is_some();
    let open = rules
        .iter()
        .filter(|rule| rule.egress && groups.contains(&rule.group_id) && about(rule, reach.port))
        .any(|rule| {
            if let Some(group) = &rule.referenced_group {
                return reach.private && theirs.contains(group);
            }
            match ranges(aws, rule) {
                Some(ranges) => addresses::holds(&ranges, *destination),
                None => {
                    unread = true;
                    false
                }
            }
        });
    if !open && !groups.is_empty() {
        let judged = if unread { Passage::Unknown } else { Passage::Blocks };
        let text = format!("no rule of {} lets TCP {} out to {destination}", groups.join(", "), reach.port);
        push(
            reach,
            Layer::SecurityGroup,
            judged,
            Grade::Inferred,
            text,
            Some("/aws/network/securityGroupRules/seen".to_owned()),
        );
    }
}

/// The load balancer's groups let the control plane in.
pub(super) fn judge_theirs(aws: &Aws, goal: &Goal<'_>, reach: &mut Reach) {
    let (balancer, base) = (goal.balancer, goal.at);
    let Some(load_balancer) = balancer.load_balancer.seen() else {
        let path = (!matches!(balancer.load_balancer.outcome, Outcome::NotApplicable(_)))
            .then(|| format!("{base}/loadBalancer"));
        let text = format!("what stands in front of {} is not a load balancer that could be read", goal.what);
        return push(reach, Layer::SecurityGroup, Passage::Unknown, Grade::Inferred, text, path);
    };
    let groups = &load_balancer.security_groups;
    if groups.is_empty() {
        let path = Some(format!("{base}/loadBalancer/seen"));
        let text = "the load balancer has no security group";
        return push(reach, Layer::SecurityGroup, Passage::Passes, Grade::Seen, text, path);
    }
    let Some(rules) = aws.network.security_group_rules.seen() else {
        let path = Some("/aws/network/securityGroupRules".to_owned());
        let text = "the security groups' rules could not be read";
        return push(reach, Layer::SecurityGroup, Passage::Unknown, Grade::Inferred, text, path);
    };
    let door = Door::of(aws, rules, groups, reach);
    let fitting = |rule: &SecurityGroupRule| admits(rule, groups, reach.port);
    // A group stands for its members' private addresses; who comes from elsewhere is never a member.
    let members: &[String] = if let Peer::Known { groups, .. } = &reach.peer { groups } else { &[] };
    let names_them =
        |rule: &SecurityGroupRule| rule.referenced_group.as_ref().is_some_and(|group| members.contains(group));
    let by_group = rules.iter().rposition(|rule| fitting(rule) && names_them(rule)).filter(|_| !door.open);
    let path = match by_group.or_else(|| rules.iter().position(fitting)) {
        Some(index) => format!("/aws/network/securityGroupRules/seen/{index}"),
        None => format!("{base}/loadBalancer/seen/securityGroups"),
    };
    let (judged, text) = if by_group.is_some() {
        let text = format!("{} lets in the security group of the cluster's interfaces", groups.join(", "));
        (Passage::Passes, text)
    } else {
        let unknown = unanswered(aws, groups);
        by_address(&door, reach, &groups.join(", "), unknown)
    };
    push(reach, Layer::SecurityGroup, judged, Grade::Inferred, text, Some(path));
}

/// What becomes of the peer's addresses at the load balancer's door: `groups` guard it, of which one may be unknown.
fn by_address(door: &Door, reach: &Reach, groups: &str, unknown: Option<&str>) -> (Passage, String) {
    let port = reach.port;
    if door.open {
        return (Passage::Passes, format!("{groups} is open to everybody on port {port}"));
    }
    match &reach.peer {
        Peer::Unpublished if door.unread => {
            let text = match unknown {
                Some(group) => format!("security group {group} is in no answer of EC2, so its rules are not known"),
                None => format!("a prefix list of {groups} could not be read"),
            };
            (Passage::Unknown, text)
        }
        Peer::Unpublished => {
            let text = format!(
                "{groups} lets only listed addresses in on port {port}, and the control plane comes from addresses of AWS that nobody publishes"
            );
            (Passage::Blocks, text)
        }
        Peer::Hidden(through) => {
            let text = format!("{groups} lets only listed addresses in, and the control plane comes through {through}");
            (Passage::Unknown, text)
        }
        Peer::Known { addresses: seen, .. } => {
            let shut_out = seen.iter().filter(|address| !addresses::holds(&door.ranges, **address));
            let shut_out: Vec<String> = shut_out.map(ToString::to_string).collect();
            if shut_out.is_empty() && !seen.is_empty() {
                (Passage::Passes, format!("{groups} lets in every address that the control plane comes from"))
            } else if door.unread || seen.is_empty() {
                let text = format!(
                    "whether {groups} lets the control plane in is not known: its rules, a list or the interfaces' addresses could not be read"
                );
                (Passage::Unknown, text)
            } else {
                (Passage::Blocks, format!("no rule of {groups} lets {} in on port {port}", shut_out.join(", ")))
            }
        }
    }
}
