//! What the load balancer's listener does with a request: rule, login, target.

use super::{Goal, Layer, Passage, Reach, push, taken};
use crate::evidence::Grade;
use crate::evidence::balancer::{Action, Balancer, ListenerRule};

/// The request is taken by a rule that asks for no login, and a target answers it.
pub(super) fn judge(goal: &Goal<'_>, reach: &mut Reach) {
    let (balancer, at) = (goal.balancer, goal.at);
    let Some(load_balancer) = balancer.load_balancer.seen() else { return };
    if load_balancer.kind != "application" {
        return;
    }
    if let Some(listeners) = balancer.listeners.seen()
        && !listeners.iter().any(|listener| listener.port == i32::from(reach.port))
    {
        let text = format!("the load balancer has no listener on port {}", reach.port);
        return push(reach, Layer::Rule, Passage::Blocks, Grade::Seen, text, Some(format!("{at}/listeners/seen")));
    }
    let Some(rules) = balancer.rules.seen() else {
        let text = "the listener's rules could not be read";
        return push(reach, Layer::Rule, Passage::Unknown, Grade::Inferred, text, Some(format!("{at}/rules")));
    };
    let mut groups: Vec<&String> = Vec::new();
    let mut passing = None;
    for path in reach.paths.clone() {
        match handed_on(rules, &path, reach, &format!("{at}/rules/seen")) {
            Ok(Some((rule, text, pointer))) => {
                let forwards = rule.actions.iter().filter(|action| action.kind == "forward");
                groups.extend(forwards.flat_map(|action| &action.target_groups));
                passing = passing.or(Some((text, pointer)));
            }
            Ok(None) => {}
            Err((layer, judged, text, pointer)) => {
                reach.stopped = (judged == Passage::Blocks).then_some(path);
                return push(reach, layer, judged, Grade::Inferred, text, Some(pointer));
            }
        }
    }
    if let Some((text, path)) = passing {
        push(reach, Layer::Rule, Passage::Passes, Grade::Inferred, text, Some(path));
        push(reach, Layer::Login, Passage::Passes, Grade::Inferred, "no login is asked for there", None);
    }
    judge_targets(balancer, at, &groups, reach);
}

/// Where a request ends, or its end is not known: the layer, what becomes of it, in words, and the pointer to it.
type End = (Layer, Passage, String, String);

/// The rule that takes a request for a path and hands it on, in words and with the pointer to it; none where no rule
/// takes it.
fn handed_on<'r>(
    rules: &'r [ListenerRule],
    path: &str,
    reach: &Reach,
    at: &str,
) -> Result<Option<(&'r ListenerRule, String, String)>, End> {
    let (index, rule) = match taken(rules, &reach.host, path, &reach.peer) {
        Ok(Some(found)) => found,
        Ok(None) => return Ok(None),
        Err(index) => {
            let named = rules[index].priority.map_or_else(|| "default".to_owned(), |priority| priority.to_string());
            let text = format!("whether rule {named} takes {path} cannot be told");
            return Err((Layer::Rule, Passage::Unknown, text, format!("{at}/{index}")));
        }
    };
    let pointer = format!("{at}/{index}");
    let named = rule.priority.map_or_else(|| "the default rule".to_owned(), |priority| format!("rule {priority}"));
    let takes = format!("{named} takes {path}");
    let mut actions: Vec<(usize, &Action)> = rule.actions.iter().enumerate().collect();
    actions.sort_by_key(|(_, action)| action.order.unwrap_or(i32::MAX));
    match actions.into_iter().find_map(|(number, action)| end(action, number, &takes, &pointer)) {
        Some(end) => Err(end),
        None => Ok(Some((rule, takes, pointer))),
    }
}

/// What an action of a rule does to a request that nobody logged in for; none where it goes on.
fn end(action: &Action, number: usize, takes: &str, rule_at: &str) -> Option<End> {
    let place = format!("{rule_at}/actions/{number}");
    match action.kind.as_str() {
        "authenticate-oidc" | "authenticate-cognito" if action.on_unauthenticated.as_deref() != Some("allow") => {
            let what = if action.on_unauthenticated.as_deref() == Some("deny") {
                "answers 401"
            } else {
                "redirects to a login page"
            };
            let text = format!("{takes} and {what} ({}): nobody logs in for the API server", action.kind);
            Some((Layer::Login, Passage::Blocks, text, place))
        }
        "jwt-validation" => {
            let text = format!("{takes} and wants a token (jwt-validation), which the API server does not send");
            Some((Layer::Login, Passage::Blocks, text, place))
        }
        "fixed-response" => {
            let status = action.status.as_deref().unwrap_or("an answer of its own");
            // A balancer can answer with the document itself: an honest way to publish it.
            let document = status.starts_with('2');
            let text = format!("{takes} and answers {status} itself");
            (!document).then(|| (Layer::Rule, Passage::Blocks, text, rule_at.to_owned()))
        }
        "redirect" => {
            let text = format!("{takes} and redirects; the API server follows, where to is not judged here");
            Some((Layer::Rule, Passage::Unknown, text, place))
        }
        _ => None,
    }
}

/// One of the target groups has a target that answers.
fn judge_targets(balancer: &Balancer, at: &str, groups: &[&String], reach: &mut Reach) {
    let Some(health) = balancer.target_health.seen() else { return };
    let found = health.iter().enumerate().find(|(_, group)| groups.contains(&&group.target_group));
    let Some((index, group)) = found else { return };
    // Where none is healthy a load balancer sends to all of them: only a group without any target answers nothing.
    let judged = match (group.healthy, group.total) {
        (0, 0) => Passage::Blocks,
        (0, _) => Passage::Unknown,
        _ => Passage::Passes,
    };
    let text = format!("{} of {} targets are healthy", group.healthy, group.total);
    push(reach, Layer::Target, judged, Grade::Seen, text, Some(format!("{at}/targetHealth/seen/{index}")));
}
