//! The web ACL: its rules in their order, and its default.

use ipnet::IpNet;

use super::super::addresses;
use super::peer::{Peer, listed, some};
use super::{Goal, Layer, Passage, Reach, push};
use crate::evidence::balancer::{WebAcl, WebAclRule};
use crate::evidence::{Grade, Outcome};

/// A rule that cannot be judged, with the pointer to it.
type Doubt<'a> = (&'a WebAclRule, String);

/// The web ACL lets the request through.
pub(super) fn judge(goal: &Goal<'_>, reach: &mut Reach) {
    let web_acl = &goal.balancer.web_acl;
    let at = format!("{}/webAcl", goal.at);
    let Some(acl) = web_acl.seen() else {
        let (judged, text) = match &web_acl.outcome {
            Outcome::NotApplicable(_) => (Passage::Passes, "no web ACL is attached"),
            _ => (Passage::Unknown, "the web ACL could not be read"),
        };
        return push(reach, Layer::Waf, judged, Grade::Seen, text, Some(at));
    };
    let (judged, text, path) = verdict(acl, &reach.peer, &format!("{at}/seen"));
    // That a rule leaves it open stands in the web ACL; what the rules come to is inferred.
    let known = if judged == Passage::Unknown { Grade::Seen } else { Grade::Inferred };
    push(reach, Layer::Waf, judged, known, text, Some(path));
}

/// The web ACL's word, with the pointer to what decides it.
fn verdict(acl: &WebAcl, peer: &Peer, at: &str) -> (Passage, String, String) {
    let mut rules: Vec<(usize, &WebAclRule)> = acl.rules.iter().enumerate().collect();
    rules.sort_by_key(|(_, rule)| rule.priority);
    // What may let it through before, and what may refuse it before.
    let (mut spared, mut refused): (Option<Doubt<'_>>, Option<Doubt<'_>>) = (None, None);
    let unsure = |(rule, path): Doubt<'_>| {
        let text = format!(
            "what rule {} of web ACL {} does to the control plane's requests is not known",
            named(rule),
            acl.name
        );
        (Passage::Unknown, text, path)
    };
    for (index, rule) in rules {
        if rule.action == "count" {
            continue;
        }
        let path = format!("{at}/rules/{index}");
        match (applies(rule, acl, peer), rule.action.as_str()) {
            (Some(false), _) => {}
            (Some(true), "allow") => {
                let passes = || (Passage::Passes, format!("rule {} lets it through", rule.name), path);
                return refused.map_or_else(passes, unsure);
            }
            (Some(true), _) => {
                let text =
                    format!("rule {} of web ACL {} refuses whom its address list does not let in", rule.name, acl.name);
                return spared.map_or_else(|| (Passage::Blocks, text, path), unsure);
            }
            (None, "allow") => spared = spared.or(Some((rule, path))),
            (None, _) => refused = refused.or(Some((rule, path))),
        }
    }
    if let Some((rule, path)) = refused.or(spared.filter(|_| acl.default_action == "block")) {
        let text = format!("rule {} of web ACL {} may refuse the control plane's requests", named(rule), acl.name);
        return (Passage::Unknown, text, path);
    }
    if acl.default_action == "block" {
        let text = format!("web ACL {} refuses by default, and no rule lets the control plane through", acl.name);
        return (Passage::Blocks, text, format!("{at}/defaultAction"));
    }
    (Passage::Passes, format!("web ACL {} lets it through", acl.name), at.to_owned())
}

/// A rule by its name, with that of what it refers to.
fn named(rule: &WebAclRule) -> String {
    match &rule.reference {
        Some(reference) => format!("{} ({})", rule.name, reference.rsplit('/').next().unwrap_or_default()),
        None => rule.name.clone(),
    }
}

/// A rule is about the peer's requests; `None` where that cannot be told.
fn applies(rule: &WebAclRule, acl: &WebAcl, peer: &Peer) -> Option<bool> {
    let negated = match rule.statement.as_str() {
        "ip-set" if !rule.forwarded => false,
        "not-ip-set" if !rule.forwarded => true,
        _ => return None,
    };
    let set = rule.reference.as_ref().and_then(|arn| acl.ip_sets.iter().find(|set| set.arn == *arn))?;
    let ranges: Vec<IpNet> = set.addresses.seen()?.iter().filter_map(|cidr| addresses::range(cidr)).collect();
    let inside = listed(peer, &ranges)?;
    // That an unpublished address is on a list of refused ones cannot be known; of several, one may be.
    let refuses = rule.action != "allow" && !negated;
    if refuses && !inside && (*peer == Peer::Unpublished || some(peer, &ranges)) {
        return None;
    }
    Some(inside != negated)
}
