//! What the control plane needs to reach the issuer: sources where they can be listed, else the two paths for everybody.

use ipnet::IpNet;

use super::super::addresses;
use super::super::egress::{self, Mode};
use super::super::reach::{self, Door, Layer, Passage, Reach};
use super::opening::{door, only_shared, opening, own_groups, texts};
use super::sources::routed;
use super::{Answer, Drift, Entry, Kind, Listed, endpoint_addresses, listed};
use crate::evidence::balancer::ListenerRule;
use crate::evidence::eks::Aws;
use crate::evidence::{Evidence, Grade};

/// Fills the answer: the door of today, what to allow, what must be known besides, and what differs.
pub(super) fn allow(evidence: &Evidence, aws: &Aws, reach: &Reach, answer: &mut Answer) {
    answer.issuer = Some((reach.host.clone(), reach.port, reach.paths.clone()));
    answer.v6 = reach.v6;
    answer.shut_in = shut_in(aws, reach);
    let present = listed(aws, reach);
    let endpoint = endpoint_addresses(evidence);
    let groups = egress::security_groups(aws);
    // What arrives from a network that is not visible here may well arrive with the interfaces' own addresses.
    let useless = |listed: &Listed| listed.useless(&reach.peer, &endpoint, &groups);
    answer.public_copy = reach.private && matches!(answer.mode, Mode::AwsManaged { .. });
    let door = door(aws, reach);
    answer.open = door.as_ref().is_some_and(|door| door.open);
    // The door as it is to be kept: what helps nobody needs no way in.
    let kept: Vec<IpNet> = door
        .iter()
        .flat_map(|door| &door.ranges)
        .copied()
        .filter(|range| {
            let listed = |one: &&Listed| one.range == Some(*range) && one.place.layer() == Layer::SecurityGroup;
            !present.iter().find(listed).is_some_and(&useless)
        })
        .collect();
    answer.present = door.as_ref().filter(|door| !door.unread && door.groups.is_empty()).map(|_| texts(&kept));
    load_balancer(aws, reach, answer);
    by_mode(aws, reach, answer);
    two_paths(evidence, reach, answer);
    documents(aws, reach, door.as_ref(), &kept, answer);
    answer.web_acl_refuses = !answer.public_copy && reach.blocked_at(Layer::Waf).is_some();
    if answer.web_acl_refuses {
        answer.warnings.push("Its web ACL refuses before any listener rule is asked: first give the web ACL a rule in front that allows exactly these paths on this host.".to_owned());
    }
    if reach.paths.len() < 2 {
        answer.warnings.push("The key set's path is not known from here, or is on another host: it is jwks_uri in the discovery document, and must be open too.".to_owned());
    }
    other_issuer(evidence, aws, reach, answer);
    good_for(evidence, aws, answer);
    let useless: Vec<&Listed> = present.iter().filter(|listed| useless(listed)).collect();
    drift(reach, &useless, answer);
}

/// The group to add to, where the groups of the cluster's interfaces let nothing out to the issuer.
fn shut_in(aws: &Aws, reach: &Reach) -> Option<String> {
    let own = reach.steps.iter().any(|step| {
        step.layer == Layer::SecurityGroup
            && step.judged == Passage::Blocks
            && step.path.as_deref() == Some("/aws/network/securityGroupRules/seen")
    });
    egress::security_groups(aws).into_iter().next().filter(|_| own)
}

/// What is printed is for the load balancer that can be reached.
fn load_balancer(aws: &Aws, reach: &Reach, answer: &mut Answer) {
    if answer.public_copy {
        return;
    }
    let balancer = reach.balancer(aws);
    answer.load_balancer = balancer.load_balancer.seen().map(|found| {
        let listener =
            balancer.listeners.seen().and_then(|all| all.iter().find(|one| one.port == i32::from(reach.port)));
        (own_groups(aws, reach, &found.security_groups), listener.map(|listener| listener.arn.clone()))
    });
    if let Some(found) = balancer.load_balancer.seen()
        && let Some(shared) = only_shared(aws, reach, &found.security_groups)
    {
        answer.warnings.push(format!(
            "{shared} Add nothing to them: give the load balancer a security group of its own, and add the rules there."
        ));
    }
    let rules = balancer.rules.seen().map(Vec::as_slice).unwrap_or_default();
    answer.target_groups = serving(rules, reach);
}

/// The target groups that take the issuer's documents today, whoever may send the requests; of rules that take none, those
/// that take anything else of the host. More than one where it cannot be told which of them is the issuer's.
fn serving(rules: &[ListenerRule], reach: &Reach) -> Vec<String> {
    let of = |found: Vec<&ListenerRule>| {
        let mut all: Vec<String> =
            found.into_iter().flat_map(|rule| &rule.actions).flat_map(|action| action.target_groups.clone()).collect();
        all.sort();
        all.dedup();
        all
    };
    let documents = of(reach.paths.iter().flat_map(|path| reach::takers(rules, &reach.host, path)).collect());
    if documents.is_empty() { of(reach::of_host(rules, &reach.host)) } else { documents }
}

/// What follows from the egress mode: sources that can be listed, or why there are none.
fn by_mode(aws: &Aws, reach: &Reach, answer: &mut Answer) {
    match &answer.mode {
        Mode::AwsManaged { .. } => {
            answer.warnings.push("There is no address list for this cluster: its control plane leaves through a network of AWS's own, whose addresses are not published and change. Only the two paths, open to everybody, work.".to_owned());
            if reach.private {
                answer.warnings.push("The issuer has only private addresses, which this control plane cannot reach at all: put an internet-facing load balancer (or a public copy of the two documents) in front of it, or set controlPlaneEgressMode to CUSTOMER_ROUTED (it cannot be undone).".to_owned());
            }
        }
        Mode::CustomerRouted => routed(aws, reach, answer),
        Mode::Unknown(word) => answer.warnings.push(format!("What the egress mode {word} means is not documented, so no address can be named. The two paths, open to everybody, do no harm.")),
    }
}

/// The two paths, to be open to everybody.
fn two_paths(evidence: &Evidence, reach: &Reach, answer: &mut Answer) {
    for path in &reach.paths {
        let what = if path.ends_with("openid-configuration") { "the discovery document" } else { "the key set" };
        answer.entries.push(Entry {
            kind: Kind::Path,
            value: path.clone(),
            why: format!("{what} of {}; public data, which the API server reads without logging in", reach.host),
            known: if what == "the key set" && discovered(evidence) { Grade::Probed } else { Grade::Inferred },
        });
    }
}

/// What the load balancer lets in today of what is to be allowed, and whether its port may be opened for the documents.
fn documents(aws: &Aws, reach: &Reach, door: Option<&Door>, kept: &[IpNet], answer: &mut Answer) {
    // Where sources can be listed nobody opens anything to everybody.
    let by_path = answer.entries.iter().all(|entry| entry.kind == Kind::Path);
    let refused = [Layer::Rule, Layer::Login].into_iter().any(|layer| reach.blocked_at(layer).is_some());
    let passes = reach.step(Layer::Rule).is_some_and(|step| step.judged == Passage::Passes);
    answer.documents = answer.public_copy || refused || (by_path && !passes);
    if let Some(door) = door {
        let covered = answer.entries.iter().filter(|entry| match entry.kind {
            Kind::SecurityGroup => door.groups.contains(&entry.value),
            Kind::Cidr => addresses::range(&entry.value)
                .is_some_and(|wanted| door.ranges.iter().any(|range| range.contains(&wanted))),
            Kind::Path => false,
        });
        answer.covered = covered.map(|entry| entry.value.clone()).collect();
    }
    if by_path && !answer.public_copy && !answer.open {
        match opening(aws, reach, door, kept) {
            Ok(Some(target)) => {
                answer.documents = true;
                answer.kept = Some(texts(kept));
                answer.target_groups = vec![target];
            }
            Ok(None) => {}
            Err(why) => answer.closed = Some(why),
        }
    }
    if let Some(found) = reach.balancer(aws).load_balancer.seen().filter(|_| by_path && !answer.public_copy)
        && let Some(why) = &answer.closed
    {
        answer.warnings.push(format!("The port of load balancer {} is not opened here. {why}", found.name));
    }
}

/// The issuer that this is about is not the one that the cluster asks, or not the one whose load balancer was looked up.
fn other_issuer(evidence: &Evidence, aws: &Aws, reach: &Reach, answer: &mut Answer) {
    if reach.other_host {
        answer.warnings.push(format!("What stands in front of {} was not looked up: the load balancer that was is that of the token's issuer, which this cluster is not configured for. kaccess allowlist --issuer, with the configured issuer's URL, looks at its own.", reach.host));
        return;
    }
    // An issuer that somebody names is one that they mean, before it is configured too.
    let of_token = evidence.issuer.target.seen().filter(|target| target.origin == "token");
    let (Some(target), Some(all), None) =
        (of_token, aws.identity_providers.seen(), evidence.configured_issuer.as_ref())
    else {
        return;
    };
    let read: Option<Vec<&str>> =
        all.configs.iter().map(|config| Some(config.details.seen()?.issuer_url.as_str())).collect();
    // One that was not read may be the token's.
    let Some(configured) = read.filter(|all| !all.is_empty()) else { return };
    if !configured.contains(&target.url.as_str()) {
        answer.warnings.push(format!("The cluster is configured for {}, and not for {}, which the token names: its control plane never asks that one. For another issuer than the token's: --issuer.", configured.join(", "), target.url));
    }
}

/// The discovery document was read.
fn discovered(evidence: &Evidence) -> bool {
    let issuer = evidence.configured_issuer.as_ref().unwrap_or(&evidence.issuer);
    reach::jwks_uri(issuer).is_some()
}

/// What the addresses that people find first are good for.
fn good_for(evidence: &Evidence, aws: &Aws, answer: &mut Answer) {
    if evidence.endpoint.dns.seen().is_some_and(|dns| !dns.addresses.is_empty()) {
        answer.warnings.push("The addresses of the API endpoint are where clients enter: good for a client's egress firewall (they may change within a minute), useless on the issuer's allow-list.".to_owned());
    }
    if !egress::interfaces(aws).is_empty() {
        answer.warnings.push(match answer.mode {
            Mode::CustomerRouted => "The cluster's interfaces are where the control plane leaves, but their addresses change (at each version update, and when AWS replaces a server): list their security group or subnets, not the addresses.".to_owned(),
            _ => "The cluster's interfaces carry traffic to nodes and, inside the VPC, from clients; nothing leaves through them to an issuer in this egress mode.".to_owned(),
        });
    }
}

/// What differs today: each step that stops the control plane, and entries that help nobody.
fn drift(reach: &Reach, useless: &[&Listed], answer: &mut Answer) {
    for step in &reach.steps {
        match step.judged {
            Passage::Blocks if !matches!(step.layer, Layer::Tls | Layer::Target) => answer.drift.push(Drift {
                kind: "missing",
                value: reach.host.clone(),
                place: step.layer.word().to_owned(),
                text: step.text.clone(),
            }),
            Passage::Unknown if matches!(step.layer, Layer::SecurityGroup | Layer::Waf | Layer::Rule) => {
                answer.uncompared.push(format!("{}: {}", step.layer.word(), step.text));
            }
            _ => {}
        }
    }
    for listed in useless {
        answer.drift.push(Drift {
            kind: "useless",
            value: listed.value.clone(),
            place: listed.place.word(),
            text: "it names the API endpoint's addresses, or the cluster's interfaces; the control plane's requests to the issuer do not come from there".to_owned(),
        });
    }
}
