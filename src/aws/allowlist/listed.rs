//! What is let in to the issuer today: by security groups, by listener rules, by the web ACL.

use std::net::IpAddr;

use ipnet::IpNet;

use super::super::addresses;
use super::super::egress;
use super::super::reach::{self, Layer, Peer, Reach};
use crate::evidence::Evidence;
use crate::evidence::balancer::ListenerRule;
use crate::evidence::eks::Aws;

/// Where something is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A security group of the load balancer.
    SecurityGroup(String),
    /// A listener rule with a source-ip condition.
    ListenerRule(String),
    /// A WAF address set.
    Waf(String),
}

impl Place {
    /// The layer it belongs to.
    pub fn layer(&self) -> Layer {
        match self {
            Self::SecurityGroup(_) => Layer::SecurityGroup,
            Self::ListenerRule(_) => Layer::Rule,
            Self::Waf(_) => Layer::Waf,
        }
    }

    /// In words.
    pub fn word(&self) -> String {
        match self {
            Self::SecurityGroup(id) => format!("security group {id}"),
            Self::ListenerRule(priority) => format!("listener rule {priority}"),
            Self::Waf(name) => format!("WAF rule {name}"),
        }
    }
}

/// Something that is let in today.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// As it stands there: a range, a prefix list with its range, a group.
    pub value: String,
    /// The range; none of a group.
    pub range: Option<IpNet>,
    /// Where.
    pub place: Place,
    /// JSON pointer.
    pub path: String,
}

impl Listed {
    /// It names addresses of the endpoint or the interfaces one by one, or the interfaces' own group.
    fn names_endpoint(&self, endpoint: &[IpAddr], groups: &[String]) -> bool {
        match self.range {
            None => groups.contains(&self.value),
            Some(range) => self.single() && endpoint.iter().any(|address| range.contains(address)),
        }
    }

    /// The sender's requests fit it; `None` where it is not known as whom the load balancer sees the sender.
    pub fn lets_in(&self, peer: &Peer) -> Option<bool> {
        match (peer, self.range) {
            (Peer::Hidden(_), _) => None,
            (Peer::Unpublished, _) => Some(false),
            (Peer::Known { groups, .. }, None) => Some(groups.contains(&self.value)),
            (Peer::Known { addresses, .. }, Some(range)) => {
                Some(addresses.iter().any(|address| range.contains(address)))
            }
        }
    }

    /// It names the endpoint or the interfaces, and helps nobody: the control plane does not come from there.
    pub fn useless(&self, peer: &Peer, endpoint: &[IpAddr], groups: &[String]) -> bool {
        self.lets_in(peer) == Some(false) && self.names_endpoint(endpoint, groups)
    }

    /// One address, or a handful.
    pub fn single(&self) -> bool {
        self.range.is_some_and(|range| range.max_prefix_len() - range.prefix_len() <= 4)
    }
}

/// Everything that is let in to the issuer today, except the whole Internet.
pub fn listed(aws: &Aws, reach: &Reach) -> Vec<Listed> {
    let mut all = by_security_groups(aws, reach);
    all.extend(by_listener_rules(aws, reach));
    all.extend(by_web_acl(aws, reach));
    all.retain(|listed| listed.range.is_none_or(|range| range.prefix_len() > 0));
    all
}

/// What the security groups of the load balancer let in on the issuer's port.
fn by_security_groups(aws: &Aws, reach: &Reach) -> Vec<Listed> {
    let mut all = Vec::new();
    let Some(balancer) = reach.balancer(aws).load_balancer.seen() else { return all };
    for (index, rule) in aws.network.security_group_rules.seen().into_iter().flatten().enumerate() {
        if !reach::admits(rule, &balancer.security_groups, reach.port) {
            continue;
        }
        let place = Place::SecurityGroup(rule.group_id.clone());
        let path = format!("/aws/network/securityGroupRules/seen/{index}");
        if let Some(group) = &rule.referenced_group {
            all.push(Listed { value: group.clone(), range: None, place, path });
            continue;
        }
        for range in reach::ranges(aws, rule).unwrap_or_default() {
            let value = match &rule.prefix_list_id {
                Some(list) => format!("{range} of {list}"),
                None => range.to_string(),
            };
            all.push(Listed { value, range: Some(range), place: place.clone(), path: path.clone() });
        }
    }
    all
}

/// The source-ip conditions of the listener's rules that forward the issuer's documents: not of those that refuse, or that
/// are about another host or path.
fn by_listener_rules(aws: &Aws, reach: &Reach) -> Vec<Listed> {
    let mut all = Vec::new();
    let rules = reach.balancer(aws).rules.seen().map(Vec::as_slice).unwrap_or_default();
    let takers: Vec<&ListenerRule> = reach
        .paths
        .iter()
        .flat_map(|path| reach::takers(rules, &reach.host, path))
        .filter(|rule| rule.actions.iter().any(|action| action.kind == "forward"))
        .collect();
    for (index, rule) in rules.iter().enumerate().filter(|(_, rule)| takers.contains(rule)) {
        for (number, condition) in rule.conditions.iter().enumerate().filter(|(_, one)| one.field == "source-ip") {
            for value in &condition.values {
                all.push(Listed {
                    value: value.clone(),
                    range: addresses::range(value),
                    place: Place::ListenerRule(rule.priority.map_or_else(|| "default".to_owned(), |p| p.to_string())),
                    path: format!("/aws/issuerBalancer/rules/seen/{index}/conditions/{number}"),
                });
            }
        }
    }
    all
}

/// The address sets by which the web ACL lets in.
fn by_web_acl(aws: &Aws, reach: &Reach) -> Vec<Listed> {
    let mut all = Vec::new();
    let Some(acl) = reach.balancer(aws).web_acl.seen() else { return all };
    for rule in &acl.rules {
        let lets_in = (rule.statement == "ip-set" && rule.action == "allow")
            || (rule.statement == "not-ip-set" && rule.action == "block");
        let Some(index) = acl.ip_sets.iter().position(|set| lets_in && rule.reference.as_ref() == Some(&set.arn))
        else {
            continue;
        };
        for value in acl.ip_sets[index].addresses.seen().into_iter().flatten() {
            all.push(Listed {
                value: value.clone(),
                range: addresses::range(value),
                place: Place::Waf(rule.name.clone()),
                path: format!("/aws/issuerBalancer/webAcl/seen/ipSets/{index}/addresses/seen"),
            });
        }
    }
    all
}

/// The endpoint's addresses as they resolve here, and those of the cluster's interfaces.
pub fn endpoint_addresses(evidence: &Evidence) -> Vec<IpAddr> {
    let mut all = evidence.endpoint.dns.seen().map(|dns| addresses::parse(&dns.addresses)).unwrap_or_default();
    if let Some(aws) = evidence.aws.as_deref() {
        all.extend(egress::interface_addresses(aws));
    }
    all.sort();
    all.dedup();
    all
}
