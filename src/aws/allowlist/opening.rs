//! Whether the load balancer's port may be opened to everybody, for the two documents alone.

use ipnet::IpNet;

use super::super::addresses;
use super::super::egress;
use super::super::reach::{self, Door, Reach};
use crate::evidence::balancer::ListenerRule;
use crate::evidence::eks::Aws;

/// The door as it is today; none where the load balancer is not known.
pub(super) fn door(aws: &Aws, reach: &Reach) -> Option<Door> {
    let groups = &reach.balancer(aws).load_balancer.seen()?.security_groups;
    if groups.is_empty() {
        return Some(Door { open: true, ..Door::default() });
    }
    let Some(rules) = aws.network.security_group_rules.seen() else {
        return Some(Door { unread: true, ..Door::default() });
    };
    Some(Door::of(aws, rules, groups, reach))
}

/// Those of a load balancer's security groups in which a rule is a rule for it alone, as far as that can be seen: first
/// those that have rules for the port.
pub fn own_groups(aws: &Aws, reach: &Reach, groups: &[String]) -> Vec<String> {
    let cluster = egress::security_groups(aws);
    let known = aws.network.security_groups.seen().map(Vec::as_slice).unwrap_or_default();
    let rules = aws.network.security_group_rules.seen().map(Vec::as_slice).unwrap_or_default();
    // EKS' own group is on every node; the load balancers' controller puts the other on each that it makes.
    let is_shared = |id: &str| {
        cluster.iter().any(|one| one == id)
            || known.iter().any(|group| {
                group.id == id && ["k8s-traffic-", "eks-cluster-sg-"].iter().any(|start| group.name.starts_with(start))
            })
    };
    let has_rules = |id: &String| rules.iter().any(|rule| reach::admits(rule, std::slice::from_ref(id), reach.port));
    let mut own: Vec<String> = groups.iter().filter(|id| !is_shared(id)).cloned().collect();
    own.sort_by_key(|id| !has_rules(id));
    own
}

/// In words, where none of a load balancer's security groups is its own.
pub(super) fn only_shared(aws: &Aws, reach: &Reach, groups: &[String]) -> Option<String> {
    (!groups.is_empty() && own_groups(aws, reach, groups).is_empty()).then(|| {
        format!(
            "The load balancer's security groups ({}) are the cluster's own, or those of every load balancer of its controller: what is let in there gets further than to this one.",
            groups.join(", ")
        )
    })
}

/// What has to stand before the load balancer's port may be opened to everybody, so that nobody gets further than the two
/// documents who does not today, and nobody loses what they have: nothing, or a restriction to today's sources, which
/// all go to the one target group that is returned.
///
/// # Errors
/// Why it cannot be opened by rules that are made here, and what to do by hand.
pub(super) fn opening(aws: &Aws, reach: &Reach, door: Option<&Door>, kept: &[IpNet]) -> Result<Option<String>, String> {
    let balancer = reach.balancer(aws);
    let (Some(door), Some(found)) = (door, balancer.load_balancer.seen()) else {
        return Err("What stands in front of the issuer is no load balancer that could be read. Where a list guards its port, move the list behind the two paths by hand.".to_owned());
    };
    if let Some(shared) = only_shared(aws, reach, &found.security_groups) {
        return Err(format!("{shared} Give it a security group of its own first."));
    }
    if found.kind == "network" {
        return Err("It is a network load balancer, which knows no paths and has no listener rules: opening its port opens the whole issuer. Put the two paths in front of it on an application load balancer, an Ingress or nginx of their own.".to_owned());
    }
    let Some(rules) = balancer.rules.seen() else {
        return Err("The listener's rules could not be read, so what else everybody would reach is not known. Restrict everything but the two paths by source-ip first.".to_owned());
    };
    let exposed = |rule: &&ListenerRule| exposes(rule, reach, door);
    let elsewhere: Vec<String> = rules.iter().filter(exposed).filter_map(|rule| beside(rule, &reach.host)).collect();
    if !elsewhere.is_empty() {
        return Err(format!(
            "Its security group guards everything that it serves, and without that group everybody would reach {} too. Restrict those by source-ip first, or give the two paths a load balancer of their own (a second Ingress).",
            elsewhere.join(", ")
        ));
    }
    let host = reach::of_host(rules, &reach.host);
    if !host.iter().any(exposed) {
        return Ok(None);
    }
    if door.unread {
        return Err("Who is let in today could not be read in whole (a security group's rules, or a prefix list), so what a restriction has to keep is not known. Restrict everything but the two paths by source-ip by hand first.".to_owned());
    }
    if !door.groups.is_empty() {
        return Err(format!(
            "Security groups ({}) are among what is let in today, and a listener rule takes ranges only. Put their members' ranges and the others into source-ip conditions by hand first.",
            door.groups.join(", ")
        ));
    }
    match alike(&host) {
        Some(target) => Ok(Some(target.to_owned())),
        None if kept.is_empty() => Err("Nobody is let in today, and the rules of this host do different things. Refuse everything but the two paths by a rule behind theirs first.".to_owned()),
        None => Err(format!(
            "The rules of this host do different things (a login, a path of its own, several target groups), and one restriction in front of them would change what they do. Give each of them a source-ip condition first: {}.",
            texts(kept).join(", ")
        )),
    }
}

/// Were the port open, somebody would get by this rule what they do not get today, and it is more than the two documents.
fn exposes(rule: &ListenerRule, reach: &Reach, door: &Door) -> bool {
    // What the load balancer answers by itself is no service of anybody's.
    if rule.actions.iter().all(|action| matches!(action.kind.as_str(), "fixed-response" | "redirect")) {
        return false;
    }
    let listed = |value: &String| {
        addresses::range(value).is_some_and(|wanted| door.ranges.iter().any(|range| range.contains(&wanted)))
    };
    !rule.conditions.iter().any(|condition| match condition.field.as_str() {
        "source-ip" => condition.values.iter().all(listed),
        "path-pattern" if beside(rule, &reach.host).is_none() => {
            !condition.regex && condition.values.iter().all(|value| reach.paths.contains(value))
        }
        _ => false,
    })
}

/// What a rule serves beside a host, in words; none where it is for that host alone.
fn beside(rule: &ListenerRule, host: &str) -> Option<String> {
    match rule.conditions.iter().find(|condition| condition.field == "host-header") {
        Some(hosts) if !hosts.regex && hosts.values.iter().all(|value| value.eq_ignore_ascii_case(host)) => None,
        Some(hosts) => Some(hosts.values.join(" and ")),
        None => Some(rule.priority.map_or_else(
            || "whatever the default rule serves".to_owned(),
            |number| format!("whatever rule {number} serves"),
        )),
    }
}

/// The one target group to which each of these rules hands everything on, and does nothing else.
fn alike<'r>(rules: &[&'r ListenerRule]) -> Option<&'r str> {
    let mut all = rules.iter().map(|rule| match rule.actions.as_slice() {
        [action] if action.kind == "forward" && action.target_groups.len() == 1 => {
            action.target_groups.first().map(String::as_str)
        }
        _ => None,
    });
    let first = all.next()??;
    all.all(|other| other == Some(first)).then_some(first)
}

/// Ranges in words, each once.
pub(super) fn texts(ranges: &[IpNet]) -> Vec<String> {
    let mut all: Vec<String> = ranges.iter().map(ToString::to_string).collect();
    all.sort();
    all.dedup();
    all
}
