//! Which rule of a listener takes a request.

use ipnet::IpNet;

use super::super::addresses;
use super::super::identity::wild;
use super::peer::{Peer, listed};
use crate::evidence::balancer::{Condition, ListenerRule};
use crate::text::glob;

/// A condition holds for a request of the control plane.
fn holds(condition: &Condition, host: &str, path: &str, peer: &Peer) -> Option<bool> {
    if condition.regex {
        let text = match condition.field.as_str() {
            "host-header" => host,
            "path-pattern" => path,
            _ => return None,
        };
        return condition
            .values
            .iter()
            .map(|value| regex::Regex::new(value).ok().map(|regex| regex.is_match(text)))
            .collect::<Option<Vec<bool>>>()
            .map(|all| all.contains(&true));
    }
    match condition.field.as_str() {
        // Host names are compared without regard to capitals, paths with.
        "host-header" => Some(condition.values.iter().any(|value| wild(value, host))),
        "path-pattern" => Some(condition.values.iter().any(|value| glob(value, path))),
        "source-ip" => {
            let ranges: Vec<IpNet> = condition.values.iter().filter_map(|value| addresses::range(value)).collect();
            listed(peer, &ranges)
        }
        "http-request-method" => Some(condition.values.iter().any(|value| value == "GET" || value == "*")),
        "http-header"
            if condition.header.as_deref().is_some_and(|header| header.eq_ignore_ascii_case("user-agent")) =>
        {
            let agents = ["Go-http-client/1.1", "Go-http-client/2.0"];
            let fits = |agent: &&str| condition.values.iter().any(|value| wild(value, agent));
            match agents.iter().filter(|agent| fits(agent)).count() {
                0 => Some(false),
                2 => Some(true),
                _ => None,
            }
        }
        // The two documents are asked for without a query.
        "query-string" => Some(false),
        _ => None,
    }
}

/// The rule that takes a request: `Err` where one before it cannot be judged.
pub fn taken<'r>(
    rules: &'r [ListenerRule],
    host: &str,
    path: &str,
    peer: &Peer,
) -> Result<Option<(usize, &'r ListenerRule)>, usize> {
    for (index, rule) in in_order(rules) {
        let verdicts: Vec<Option<bool>> =
            rule.conditions.iter().map(|condition| holds(condition, host, path, peer)).collect();
        if verdicts.contains(&Some(false)) {
            continue;
        }
        if verdicts.contains(&None) {
            return Err(index);
        }
        return Ok(Some((index, rule)));
    }
    Ok(None)
}

/// The rule that takes a request and answers it itself, without a login before, and the status of that answer.
pub fn own_answer(rules: &[ListenerRule], host: &str, path: &str, peer: &Peer) -> Option<(usize, u16)> {
    let (index, rule) = taken(rules, host, path, peer).ok()??;
    if rule.actions.iter().any(|action| action.kind.starts_with("authenticate-") || action.kind == "jwt-validation") {
        return None;
    }
    let answers = rule.actions.iter().find(|action| action.kind == "fixed-response")?;
    Some((index, answers.status.as_deref()?.parse().ok()?))
}

/// The rules in the order in which the listener tries them.
fn in_order(rules: &[ListenerRule]) -> Vec<(usize, &ListenerRule)> {
    let mut order: Vec<(usize, &ListenerRule)> = rules.iter().enumerate().collect();
    order.sort_by_key(|(_, rule)| rule.priority.unwrap_or(u32::MAX));
    order
}

/// The rules that may take a request of the API server's kind, whatever address it comes from: up to the one that takes
/// it for certain.
pub fn takers<'r>(rules: &'r [ListenerRule], host: &str, path: &str) -> Vec<&'r ListenerRule> {
    let fits = |condition: &Condition| match condition.field.as_str() {
        "source-ip" => None,
        _ => holds(condition, host, path, &Peer::Unpublished),
    };
    until_taken(rules, fits)
}

/// The rules that may take any request for a host: up to the one that takes every one of them.
pub fn of_host<'r>(rules: &'r [ListenerRule], host: &str) -> Vec<&'r ListenerRule> {
    let fits = |condition: &Condition| match condition.field.as_str() {
        "host-header" => holds(condition, host, "", &Peer::Unpublished),
        _ => None,
    };
    until_taken(rules, fits)
}

/// Up to the rule whose every condition is known to hold.
fn until_taken(rules: &[ListenerRule], fits: impl Fn(&Condition) -> Option<bool>) -> Vec<&ListenerRule> {
    let mut all = Vec::new();
    for (_, rule) in in_order(rules) {
        let verdicts: Vec<Option<bool>> = rule.conditions.iter().map(&fits).collect();
        if verdicts.contains(&Some(false)) {
            continue;
        }
        all.push(rule);
        if !verdicts.contains(&None) {
            break;
        }
    }
    all
}

/// The rules as they would be for senders of any address.
pub fn without_sources(rules: &[ListenerRule]) -> Vec<ListenerRule> {
    let mut open = rules.to_vec();
    for rule in &mut open {
        rule.conditions.retain(|condition| condition.field != "source-ip");
    }
    open
}
