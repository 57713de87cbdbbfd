//! What to allow so that the control plane reaches the issuer, or clients the API endpoint; and what is listed today.

use std::net::IpAddr;

use ipnet::IpNet;

use super::addresses;
use super::egress::{self, Exit, Mode, Way};
use super::reach::{self, Layer, Passage, Peer, Reach};
use crate::evidence::balancer::ListenerRule;
use crate::evidence::eks::{Aws, Cluster};
use crate::evidence::{Evidence, Grade};

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
    pub fn names_endpoint(&self, endpoint: &[IpAddr], groups: &[String]) -> bool {
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

/// Everything that is let in to the issuer today, except the whole Internet: of the listener's rules those that forward
/// the issuer's documents, not those that refuse, or that are about another host or path.
pub fn listed(aws: &Aws, reach: &Reach) -> Vec<Listed> {
    let mut all = Vec::new();
    let balancer = &aws.issuer_balancer;
    let groups = balancer.load_balancer.seen().map(|balancer| balancer.security_groups.clone()).unwrap_or_default();
    for (index, rule) in aws.network.security_group_rules.seen().into_iter().flatten().enumerate() {
        if rule.egress || !groups.contains(&rule.group_id) || !reach::about(rule, reach.port) {
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
    let rules = balancer.rules.seen().map(Vec::as_slice).unwrap_or_default();
    let takers: Vec<&ListenerRule> = reach
        .paths
        .iter()
        .flat_map(|path| reach::takers(rules, &reach.host, path))
        .filter(|rule| forwards(rule))
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
    if let Some(acl) = balancer.web_acl.seen() {
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
    }
    all.retain(|listed| listed.range.is_none_or(|range| range.prefix_len() > 0));
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
    /// Where opening the port would expose more than the documents: the ranges that keep their way to the rest, which
    /// everybody else is refused.
    pub kept: Option<Vec<String>>,
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
        kept: None,
        v6: false,
        public_copy: false,
        load_balancer: None,
        closed: None,
        target_groups: Vec::new(),
    };
    match direction {
        Direction::ControlPlane => {
            let reach = reach::to_issuer(evidence).ok_or(NoAnswer::NoIssuer)?;
            control_plane(evidence, aws, &reach, &mut answer);
        }
        Direction::Clients => clients(evidence, aws, cluster, &mut answer),
    }
    Ok(answer)
}

/// The range that holds one address alone.
pub fn host_range(address: IpAddr) -> String {
    IpNet::from(address).to_string()
}

fn control_plane(evidence: &Evidence, aws: &Aws, reach: &Reach, answer: &mut Answer) {
    answer.issuer = Some((reach.host.clone(), reach.port, reach.paths.clone()));
    answer.v6 = reach.v6;
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
    let balancer = &aws.issuer_balancer;
    // What is printed is for the load balancer that can be reached.
    answer.load_balancer = balancer.load_balancer.seen().filter(|_| !answer.public_copy).map(|found| {
        let listener =
            balancer.listeners.seen().and_then(|all| all.iter().find(|one| one.port == i32::from(reach.port)));
        (found.security_groups.clone(), listener.map(|listener| listener.arn.clone()))
    });
    let rules = balancer.rules.seen().map(Vec::as_slice).unwrap_or_default();
    answer.target_groups = if answer.public_copy { Vec::new() } else { serving(rules, reach) };
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
    for path in &reach.paths {
        let what = if path.ends_with("openid-configuration") { "the discovery document" } else { "the key set" };
        answer.entries.push(Entry {
            kind: Kind::Path,
            value: path.clone(),
            why: format!("{what} of {}; public data, which the API server reads without logging in", reach.host),
            known: if what == "the key set" && discovered(evidence) { Grade::Probed } else { Grade::Inferred },
        });
    }
    // Where sources can be listed nobody opens anything to everybody.
    let by_path = answer.entries.iter().all(|entry| entry.kind == Kind::Path);
    let refused = [Layer::Rule, Layer::Login].into_iter().any(|layer| reach.blocked_at(layer).is_some());
    let passes = reach.step(Layer::Rule).is_some_and(|step| step.judged == Passage::Passes);
    answer.documents = answer.public_copy || refused || (by_path && !passes);
    if let Some(door) = &door {
        let covered = answer.entries.iter().filter(|entry| match entry.kind {
            Kind::SecurityGroup => door.groups.contains(&entry.value),
            Kind::Cidr => addresses::range(&entry.value)
                .is_some_and(|wanted| door.ranges.iter().any(|range| range.contains(&wanted))),
            Kind::Path => false,
        });
        answer.covered = covered.map(|entry| entry.value.clone()).collect();
    }
    if by_path && !answer.public_copy && !answer.open {
        match opening(aws, reach, door.as_ref(), &kept) {
            Ok(Some(target)) => {
                answer.documents = true;
                answer.kept = Some(texts(&kept));
                answer.target_groups = vec![target];
            }
            Ok(None) => {}
            Err(why) => answer.closed = Some(why),
        }
    }
    if let Some(found) = balancer.load_balancer.seen().filter(|_| by_path && !answer.public_copy)
        && let Some(why) = &answer.closed
    {
        answer.warnings.push(format!("The port of load balancer {} is not opened here. {why}", found.name));
    }
    if !answer.public_copy && reach.blocked_at(Layer::Waf).is_some() {
        answer.warnings.push("Its web ACL refuses before any listener rule is asked: first give the web ACL a rule in front that allows exactly these paths on this host.".to_owned());
    }

    if reach.paths.len() < 2 {
        answer.warnings.push("The key set's path is not known from here, or is on another host: it is jwks_uri in the discovery document, and must be open too.".to_owned());
    }
    good_for(evidence, aws, answer);

    // Drift: each step that stops the control plane today, and entries that help nobody.
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
    for listed in &present {
        if useless(listed) {
            answer.drift.push(Drift {
                kind: "useless",
                value: listed.value.clone(),
                place: listed.place.word(),
                text: "it names the API endpoint's addresses, or the cluster's interfaces; the control plane's requests to the issuer do not come from there".to_owned(),
            });
        }
    }
}

/// The rule hands on to a target.
fn forwards(rule: &ListenerRule) -> bool {
    rule.actions.iter().any(|action| action.kind == "forward")
}

fn texts(ranges: &[IpNet]) -> Vec<String> {
    let mut all: Vec<String> = ranges.iter().map(ToString::to_string).collect();
    all.sort();
    all.dedup();
    all
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

/// Who gets a connection to the load balancer's port, as its security groups say.
#[derive(Debug, Default)]
struct Door {
    /// Everybody.
    open: bool,
    /// Ranges, those of prefix lists included.
    ranges: Vec<IpNet>,
    /// Security groups as sources.
    groups: Vec<String>,
    /// A group or a list could not be read: there may be more.
    unread: bool,
}

/// None where the load balancer is not known.
fn door(aws: &Aws, reach: &Reach) -> Option<Door> {
    let found = aws.issuer_balancer.load_balancer.seen()?;
    if found.security_groups.is_empty() {
        return Some(Door { open: true, ..Door::default() });
    }
    let Some(rules) = aws.network.security_group_rules.seen() else {
        return Some(Door { unread: true, ..Door::default() });
    };
    let mut door = Door { unread: reach::unanswered(aws, &found.security_groups).is_some(), ..Door::default() };
    for rule in rules {
        if rule.egress || !found.security_groups.contains(&rule.group_id) || !reach::about(rule, reach.port) {
            continue;
        }
        match (&rule.referenced_group, reach::ranges(aws, rule)) {
            (Some(group), _) => door.groups.push(group.clone()),
            (None, Some(ranges)) => door.ranges.extend(ranges),
            (None, None) => door.unread = true,
        }
    }
    door.open = addresses::everything(&door.ranges, reach.v6);
    Some(door)
}

/// What has to stand before the load balancer's port may be opened to everybody, so that nobody gets further than the two
/// documents who does not today, and nobody loses what they have: nothing, or a restriction to today's sources, which
/// all go to the one target group that is returned.
///
/// # Errors
/// Why it cannot be opened by rules that are made here, and what to do by hand.
fn opening(aws: &Aws, reach: &Reach, door: Option<&Door>, kept: &[IpNet]) -> Result<Option<String>, String> {
    let balancer = &aws.issuer_balancer;
    let (Some(door), Some(found)) = (door, balancer.load_balancer.seen()) else {
        return Err("What stands in front of the issuer is no load balancer that could be read. Where a list guards its port, move the list behind the two paths by hand.".to_owned());
    };
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

/// The discovery document was read.
fn discovered(evidence: &Evidence) -> bool {
    let issuer = evidence.configured_issuer.as_ref().unwrap_or(&evidence.issuer);
    [&issuer.discovery, &issuer.discovery_as_control_plane]
        .iter()
        .any(|discovery| discovery.seen().is_some_and(|discovery| discovery.jwks_uri.is_some()))
}

/// What a customer-routed control plane comes from.
fn routed(aws: &Aws, reach: &Reach, answer: &mut Answer) {
    if reach.ways.is_empty() {
        answer.warnings.push(
            "The cluster's subnets, or the issuer's addresses, are not known, so the way out could not be followed."
                .to_owned(),
        );
    }
    for way in &reach.ways {
        if let Exit::Peering(id) = &way.exit {
            answer.warnings.push(format!("Subnet {} reaches the issuer through {id}, which translates nothing: the issuer sees the interfaces' own addresses. The peered VPC needs a route back to the subnet.", way.subnet));
        }
    }
    answer.entries.extend(sources(aws, reach));
    for way in &reach.ways {
        match &way.exit {
            Exit::Elsewhere(target) => answer.warnings.push(format!("Subnet {} leaves through {target}; the address that the issuer sees is made behind it and is not visible here. Ask whoever runs it for its egress address.", way.subnet)),
            Exit::InternetGateway(id) => answer.warnings.push(format!("Subnet {} leads to internet gateway {id}, which drops what the control plane's interfaces send: they have no public address.", way.subnet)),
            Exit::Dead(why) => answer.warnings.push(format!("Subnet {}: {why}.", way.subnet)),
            Exit::None => answer.warnings.push(format!("Subnet {} has no route to the issuer.", way.subnet)),
            Exit::Unread => answer.warnings.push(format!("The route table of subnet {} could not be read.", way.subnet)),
            Exit::Local | Exit::Peering(_) | Exit::Nat { .. } | Exit::EgressOnly(_) => {}
        }
    }
}

/// What a customer-routed control plane comes from, as something that stays: groups and ranges, never the interfaces'
/// addresses of today.
pub fn sources(aws: &Aws, reach: &Reach) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    let own = |way: &Way| matches!(way.exit, Exit::Local | Exit::Peering(_));
    if !reach.ways.is_empty() && reach.ways.iter().all(own) {
        let groups = egress::security_groups(aws);
        let main = aws.cluster.seen().and_then(|cluster| cluster.vpc.cluster_security_group_id.clone());
        for group in groups {
            let why = if Some(&group) == main.as_ref() {
                "the cluster security group: on every interface that the control plane leaves through; it stays when their addresses change"
            } else {
                "a further security group on the cluster's interfaces; one of them is enough"
            };
            entries.push(Entry { kind: Kind::SecurityGroup, value: group, why: why.to_owned(), known: Grade::Seen });
        }
        let mut subnets: Vec<&String> = reach.ways.iter().map(|way| &way.subnet).collect();
        if let Some(cluster) = aws.cluster.seen() {
            // Interfaces may move to any of the cluster's subnets.
            subnets.extend(&cluster.vpc.subnet_ids);
        }
        subnets.sort();
        subnets.dedup();
        for subnet in aws.network.subnets.seen().into_iter().flatten().filter(|subnet| subnets.contains(&&subnet.id)) {
            for cidr in subnet.cidr.iter().chain(&subnet.ipv6_cidrs) {
                entries.push(Entry {
                    kind: Kind::Cidr,
                    value: cidr.clone(),
                    why: format!("subnet {}, which holds (or may hold) interfaces of the control plane; for places that take no security group", subnet.id),
                    known: Grade::Seen,
                });
            }
        }
        return entries;
    }
    for way in &reach.ways {
        let found: Vec<(String, String)> = match &way.exit {
            Exit::Nat { id, public } => {
                let why = format!("public address of NAT gateway {id}, through which subnet {} leaves", way.subnet);
                public.iter().map(|address| (host_range(*address), why.clone())).collect()
            }
            Exit::EgressOnly(id) => {
                let subnets = aws.network.subnets.seen().into_iter().flatten();
                let why =
                    format!("IPv6 range of subnet {}, which leaves through {id} with its own addresses", way.subnet);
                subnets
                    .filter(|subnet| subnet.id == way.subnet)
                    .flat_map(|subnet| &subnet.ipv6_cidrs)
                    .map(|cidr| (cidr.clone(), why.clone()))
                    .collect()
            }
            _ => Vec::new(),
        };
        for (value, why) in found {
            if !entries.iter().any(|known| known.value == value) {
                entries.push(Entry { kind: Kind::Cidr, value, why, known: Grade::Seen });
            }
        }
    }
    entries
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

/// Whether an address may connect to the public endpoint; `None` where the cluster has none.
pub fn public_endpoint_lets_in(cluster: &Cluster, address: IpAddr) -> Option<bool> {
    cluster.vpc.endpoint_public_access.then(|| {
        let ranges: Vec<IpNet> =
            cluster.vpc.public_access_cidrs.iter().filter_map(|cidr| addresses::range(cidr)).collect();
        // Without any the API means everybody.
        cluster.vpc.public_access_cidrs.is_empty() || addresses::holds(&ranges, address)
    })
}

fn clients(evidence: &Evidence, aws: &Aws, cluster: &Cluster, answer: &mut Answer) {
    let vpc = &cluster.vpc;
    let own: Option<IpAddr> = aws.own_egress.seen().and_then(|own| own.address.parse().ok());
    if vpc.endpoint_public_access {
        if let Some(address) = own {
            answer.entries.push(Entry {
                kind: Kind::Cidr,
                value: host_range(address),
                why: "the address that this machine comes from, for publicAccessCidrs".to_owned(),
                known: Grade::Probed,
            });
        } else {
            answer.warnings.push(
                "The public address that this machine comes from is not known here; it must be in publicAccessCidrs."
                    .to_owned(),
            );
        }
        if !vpc.endpoint_private_access {
            let subnets = &vpc.subnet_ids;
            for gateway in aws.network.nat_gateways.seen().into_iter().flatten() {
                let used = subnets.iter().any(|subnet| {
                    egress::table_of(aws, subnet)
                        .is_some_and(|(_, table)| table.routes.iter().any(|route| route.target == gateway.id))
                });
                for address in addresses::parse(&gateway.public_addresses).into_iter().filter(|_| used) {
                    answer.entries.push(Entry {
                        kind: Kind::Cidr,
                        value: host_range(address),
                        why: format!("NAT gateway {}: with private access off, the nodes behind it enter by the public endpoint too", gateway.id),
                        known: Grade::Seen,
                    });
                }
            }
        }
        for entry in &answer.entries {
            let inside =
                entry.value.parse::<IpNet>().ok().and_then(|range| public_endpoint_lets_in(cluster, range.addr()));
            if inside == Some(false) {
                answer.drift.push(Drift {
                    kind: "missing",
                    value: entry.value.clone(),
                    place: "publicAccessCidrs".to_owned(),
                    text: format!("publicAccessCidrs ({}) does not hold it", vpc.public_access_cidrs.join(", ")),
                });
            }
        }
    }
    if vpc.endpoint_private_access {
        if let Some(group) = &vpc.cluster_security_group_id {
            answer.entries.push(Entry {
                kind: Kind::SecurityGroup,
                value: group.clone(),
                why: "on the private endpoint's interfaces: clients inside the VPC, and connected networks, need TCP 443 into it; publicAccessCidrs says nothing about them".to_owned(),
                known: Grade::Seen,
            });
        }
        private_endpoint(aws, cluster, answer);
    } else if !vpc.endpoint_public_access {
        answer.warnings.push("The cluster has neither a public nor a private endpoint switched on.".to_owned());
    }
    if evidence.endpoint.dns.seen().is_some() {
        answer.warnings.push("In a firewall on the client's side, allow the endpoint by its name: its addresses may change within a minute.".to_owned());
    }
}

/// Whether the groups on the private endpoint's interfaces let anybody in. Who exactly is not compared: a client's private
/// address is not known here.
fn private_endpoint(aws: &Aws, cluster: &Cluster, answer: &mut Answer) {
    const PORT: u16 = 443;
    let groups = egress::security_groups(aws);
    let Some(rules) = aws.network.security_group_rules.seen().filter(|_| !groups.is_empty()) else {
        if !cluster.vpc.endpoint_public_access {
            answer.uncompared.push("security group: the rules of the interfaces' groups could not be read".to_owned());
        }
        return;
    };
    if reach::unanswered(aws, &groups).is_some() {
        if !cluster.vpc.endpoint_public_access {
            answer.uncompared.push("security group: not every group of the interfaces is in EC2's answers".to_owned());
        }
        return;
    }
    let mut fitting =
        rules.iter().filter(|rule| !rule.egress && groups.contains(&rule.group_id) && reach::about(rule, PORT));
    if fitting.next().is_none() {
        answer.drift.push(Drift {
            kind: "missing",
            value: groups.join(", "),
            place: "security group".to_owned(),
            text: format!(
                "no rule of {} lets anybody in on TCP {PORT}, so nobody reaches the private endpoint",
                groups.join(", ")
            ),
        });
    }
}
