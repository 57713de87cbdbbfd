//! Where the routes lead: through AWS's own network, or as the customer's route tables say.

use super::super::egress::{Exit, Mode, Way};
use super::{Goal, Layer, Passage, Reach, push};
use crate::evidence::Grade;

/// Packets find a way.
pub(super) fn judge(goal: &Goal<'_>, reach: &mut Reach) {
    match &reach.mode {
        Mode::AwsManaged { .. } => judge_managed(goal, reach),
        Mode::CustomerRouted => judge_routed(goal, reach),
        Mode::Unknown(word) => {
            let text = format!("what the egress mode {word} means is not documented");
            let path = "/aws/cluster/seen/vpc/controlPlaneEgressMode".to_owned();
            push(reach, Layer::Route, Passage::Unknown, Grade::Seen, text, Some(path));
        }
    }
}

/// Through AWS's own network, which leads to public addresses alone.
fn judge_managed(goal: &Goal<'_>, reach: &mut Reach) {
    let what = goal.what;
    let path = match goal.probes {
        Some((_, at)) if goal.balancer.load_balancer.seen().is_none() => format!("{at}/dns/seen/addresses"),
        _ => format!("{}/loadBalancer/seen/scheme", goal.at),
    };
    let (judged, text) = if reach.private {
        let text = format!(
            "{what} has only private addresses, and the control plane leaves through a network of AWS's own, which has no way into yours"
        );
        (Passage::Blocks, text)
    } else {
        let text = format!("{what} has public addresses, and the control plane leaves through AWS's own network");
        (Passage::Passes, text)
    };
    push(reach, Layer::Route, judged, Grade::Inferred, text, Some(path));
}

/// Out of the cluster's interfaces: one without a way is enough to stop some API servers.
fn judge_routed(goal: &Goal<'_>, reach: &mut Reach) {
    let what = goal.what;
    let mut bad = Vec::new();
    let mut unknown = None;
    let mut first = None;
    for way in &reach.ways {
        let path = way.path.clone();
        match onward(way, what) {
            (Passage::Passes, _) => first = first.or(Some(path)),
            (Passage::Blocks, text) => bad.push((text, path)),
            (Passage::Unknown, text) => unknown = Some((text, path)),
        }
    }
    if let Some((text, path)) = bad.first() {
        let some = if bad.len() < reach.ways.len() {
            " (the other interfaces have a way: only some API servers are concerned)"
        } else {
            ""
        };
        let text = format!("{text}{some}");
        push(reach, Layer::Route, Passage::Blocks, Grade::Inferred, text, Some(path.clone()));
    } else if let Some((text, path)) = unknown {
        push(reach, Layer::Route, Passage::Unknown, Grade::Seen, text, Some(path));
    } else if reach.ways.is_empty() {
        let text = format!("the addresses of {what}, or the cluster's subnets, are not known");
        push(reach, Layer::Route, Passage::Unknown, Grade::Inferred, text, None);
    } else {
        let text = format!("every interface of the cluster has a route to {what}");
        push(reach, Layer::Route, Passage::Passes, Grade::Inferred, text, first);
    }
}

/// Where one interface's route leads, in words where that is no way out or not known to be one.
fn onward(way: &Way, what: &str) -> (Passage, String) {
    let place = way
        .interface
        .as_deref()
        .map_or_else(|| way.subnet.clone(), |interface| format!("{interface} in {}", way.subnet));
    let (judged, text) = match &way.exit {
        Exit::Local | Exit::Nat { .. } | Exit::EgressOnly(_) => return (Passage::Passes, String::new()),
        Exit::Peering(id) => (
            Passage::Unknown,
            format!("the route leads through {id}; whether the peered VPC has one back is not visible here"),
        ),
        Exit::InternetGateway(id) => (
            Passage::Blocks,
            format!(
                "the route leads to the internet gateway {id}, which drops what has no public address, and the cluster's interfaces have none"
            ),
        ),
        Exit::Dead(why) => (Passage::Blocks, why.clone()),
        Exit::None => (Passage::Blocks, format!("its route table has no route to {what}")),
        Exit::Elsewhere(target) => {
            (Passage::Unknown, format!("the route leads to {target}, and what happens behind it is not visible here"))
        }
        Exit::Unread => (Passage::Unknown, "its route table could not be read".to_owned()),
    };
    (judged, format!("{place}: {text}"))
}
