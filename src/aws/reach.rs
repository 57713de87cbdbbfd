//! Step by step from the control plane to the issuer's two documents: name, route, network ACL, security group, TLS, WAF,
//! listener rule, login, target.
//!
//! What stands in configuration is *seen*, what was tried is *probed* from this machine; what follows for the control
//! plane is *inferred*, and nothing here is more than that.

use std::net::IpAddr;

use ipnet::IpNet;

use super::addresses;
use super::egress::{self, Exit, Mode, Way};
use super::identity::wild;
use crate::evidence::balancer::{Balancer, Condition, ListenerRule, WebAclRule};
use crate::evidence::dns::{LookupOutcome, Resolution, is_public};
use crate::evidence::eks::Aws;
use crate::evidence::network::{NetworkAcl, SecurityGroupRule};
use crate::evidence::tls::TlsFaultKind;
use crate::evidence::{Evidence, Grade, Issuer, Outcome};
use crate::text::glob;

/// What can stop a request, in the order in which it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layer {
    /// The name resolves.
    Name,
    /// Packets find a way.
    Route,
    /// Network ACLs let them through.
    Acl,
    /// Security groups do.
    SecurityGroup,
    /// The certificate is trusted.
    Tls,
    /// The web ACL lets the request through.
    Waf,
    /// A listener rule takes it.
    Rule,
    /// Nobody asks for a login.
    Login,
    /// A target answers.
    Target,
}

impl Layer {
    /// In words.
    pub fn word(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Route => "route",
            Self::Acl => "network ACL",
            Self::SecurityGroup => "security group",
            Self::Tls => "TLS",
            Self::Waf => "WAF",
            Self::Rule => "listener rule",
            Self::Login => "login",
            Self::Target => "target",
        }
    }
}

/// What becomes of a request at one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passage {
    /// It goes on.
    Passes,
    /// It ends here.
    Blocks,
    /// Not known.
    Unknown,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Where.
    pub layer: Layer,
    /// What becomes of it.
    pub judged: Passage,
    /// How that is known.
    pub known: Grade,
    /// In words.
    pub text: String,
    /// JSON pointer to what decides it, where something does.
    pub path: Option<String>,
}

/// Whom the load balancer sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Peer {
    /// Somebody of AWS's own network, whose addresses nobody publishes.
    Unpublished,
    /// These addresses; the groups count only for private ones.
    Known {
        /// Addresses.
        addresses: Vec<IpAddr>,
        /// Security groups of the senders, where they arrive with their private addresses.
        groups: Vec<String>,
    },
    /// It goes through a network that is not visible here.
    Hidden(String),
}

/// The whole way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// The egress mode.
    pub mode: Mode,
    /// The issuer's host.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Path of the discovery document, and of the key set where it is known and on the same host.
    pub paths: Vec<String>,
    /// The issuer has only private addresses.
    pub private: bool,
    /// It goes by IPv6: the issuer has no other address, or only that way is free.
    pub v6: bool,
    /// Whom the load balancer sees.
    pub peer: Peer,
    /// The ways of the interfaces, in the mode that uses them.
    pub ways: Vec<Way>,
    /// Every step, in order.
    pub steps: Vec<Step>,
}

impl Reach {
    /// The first step that stops the request.
    pub fn obstacle(&self) -> Option<&Step> {
        self.steps.iter().find(|step| step.judged == Passage::Blocks)
    }

    /// The step of a layer that stops the request, if it does.
    pub fn blocked_at(&self, layer: Layer) -> Option<&Step> {
        self.steps.iter().find(|step| step.layer == layer && step.judged == Passage::Blocks)
    }

    /// No connection comes about: packets find no way, or are dropped on it.
    fn without_connection(&self) -> bool {
        [Layer::Route, Layer::Acl, Layer::SecurityGroup].into_iter().any(|layer| self.blocked_at(layer).is_some())
    }

    /// A step of a layer.
    pub fn step(&self, layer: Layer) -> Option<&Step> {
        self.steps.iter().find(|step| step.layer == layer)
    }
}

/// From the cluster's control plane to the issuer: step by step, as far as AWS and this machine show it. Absent where the
/// cluster or the issuer is not known.
pub fn to_issuer(evidence: &Evidence) -> Option<Reach> {
    let aws = evidence.aws.as_deref()?;
    let (issuer, at) = match &evidence.configured_issuer {
        Some(issuer) => (issuer, "/configuredIssuer"),
        None => (&evidence.issuer, "/issuer"),
    };
    // A laboratory's address tells nothing; a load balancer that AWS shows before it does.
    let shown = aws.issuer_balancer.load_balancer.seen().is_some();
    let target = issuer.target.seen().filter(|target| !target.laboratory || shown)?;
    let url = url::Url::parse(&target.url).ok()?;
    let dns = issuer.dns.seen().filter(|_| !target.laboratory);
    let outside = public_answer(aws, dns);
    let balancer = if outside.is_empty() { &aws.issuer_balancer } else { &UNREAD };
    let dns = match dns {
        Some(dns) if outside.is_empty() => addresses::parse(&dns.addresses),
        _ => outside.clone(),
    };
    let goal = Goal { what: "the issuer", balancer, at: "/aws/issuerBalancer", probes: Some((issuer, at)) };
    let mut reach = walk(aws, &goal, &url, paths(issuer, &url), &dns)?;
    if let (Some(step), false) = (reach.steps.iter_mut().find(|step| step.layer == Layer::Name), outside.is_empty()) {
        let text: Vec<String> = outside.iter().map(IpAddr::to_string).collect();
        step.text = format!(
            "a private zone answers this machine; other name servers say {}, and so does public DNS, which the control plane asks",
            text.join(", ")
        );
        step.path = Some(format!("{at}/dns/seen/nameServers"));
    }
    Some(reach)
}

/// A load balancer of which nothing is known.
static UNREAD: std::sync::LazyLock<Balancer> = std::sync::LazyLock::new(Balancer::default);

/// The public addresses of a name that has only private ones here: a control plane in AWS's own network asks public DNS,
/// and goes there. Empty where the name servers say nothing else.
fn public_answer(aws: &Aws, dns: Option<&Resolution>) -> Vec<IpAddr> {
    let managed = aws.cluster.seen().is_some_and(|cluster| matches!(Mode::of(cluster), Mode::AwsManaged { .. }));
    let Some(dns) = dns.filter(|dns| managed && !dns.literal) else { return Vec::new() };
    let here = addresses::parse(&dns.addresses);
    let Some(servers) = dns.name_servers.as_ref().filter(|servers| servers.outcome == LookupOutcome::Answer) else {
        return Vec::new();
    };
    if here.is_empty() || !here.iter().all(|address| addresses::is_unroutable(*address)) {
        return Vec::new();
    }
    addresses::parse(&servers.addresses).into_iter().filter(|address| is_public(*address)).collect()
}

/// The same to the key set, where the discovery document names another host for it and that host's load balancer was
/// found. Its name and certificate are not judged: the control plane asks by a resolver of its own.
pub fn to_keys(evidence: &Evidence) -> Option<Reach> {
    let aws = evidence.aws.as_deref()?;
    let balancer = aws.jwks_balancer.as_ref().filter(|balancer| balancer.load_balancer.seen().is_some())?;
    let issuer = evidence.configured_issuer.as_ref().unwrap_or(&evidence.issuer);
    let uri = [&issuer.discovery, &issuer.discovery_as_control_plane]
        .into_iter()
        .find_map(|discovery| discovery.seen()?.jwks_uri.clone())?;
    let url = url::Url::parse(&uri).ok()?;
    let goal = Goal { what: "the key set", balancer, at: "/aws/jwksBalancer", probes: None };
    walk(aws, &goal, &url, vec![url.path().to_owned()], &[])
}

/// Where a way leads.
struct Goal<'a> {
    /// In words.
    what: &'static str,
    /// The load balancer in front of it, and where that is in the evidence.
    balancer: &'a Balancer,
    at: &'static str,
    /// What this machine tried itself, and where that is.
    probes: Option<(&'a Issuer, &'static str)>,
}

fn walk(aws: &Aws, goal: &Goal<'_>, url: &url::Url, paths: Vec<String>, dns: &[IpAddr]) -> Option<Reach> {
    let cluster = aws.cluster.seen()?;
    let host = url.host_str()?.to_owned();
    let port = url.port_or_known_default().unwrap_or(443);
    let mode = Mode::of(cluster);
    let private = match goal.balancer.load_balancer.seen().map(|balancer| balancer.scheme.as_str()) {
        Some("internal") => true,
        Some("internet-facing") => false,
        _ => !dns.is_empty() && dns.iter().all(|address| addresses::is_unroutable(*address)),
    };
    // What the control plane's resolver sees may differ from here: only addresses of the right kind count.
    let (v4, v6): (Vec<IpAddr>, Vec<IpAddr>) =
        dns.iter().copied().filter(|address| addresses::is_unroutable(*address) == private).partition(IpAddr::is_ipv4);
    let start = Reach {
        mode,
        host,
        port,
        paths,
        private,
        v6: false,
        peer: Peer::Unpublished,
        ways: Vec::new(),
        steps: Vec::new(),
    };
    // An API server without IPv6 takes the IPv4 address; one with it takes the other where no connection comes about.
    let both = start.mode == Mode::CustomerRouted && !v4.is_empty() && !v6.is_empty() && egress::has_ipv6(aws);
    let first = by_family(aws, goal, start.clone(), if v4.is_empty() { &v6 } else { &v4 });
    if both && first.without_connection() {
        let second = by_family(aws, goal, start, &v6);
        if !second.without_connection() {
            return Some(second);
        }
    }
    Some(first)
}

/// The way to addresses of one family, step by step.
fn by_family(aws: &Aws, goal: &Goal<'_>, mut reach: Reach, destinations: &[IpAddr]) -> Reach {
    if let (Mode::CustomerRouted, Some(destination)) = (&reach.mode, destinations.first()) {
        reach.ways = egress::ways(aws, *destination);
    }
    reach.peer = peer(aws, &reach.mode, &reach.ways);
    reach.v6 = destinations.iter().all(IpAddr::is_ipv6) && !destinations.is_empty();
    if let Some((issuer, at)) = goal.probes {
        name(aws, issuer, at, &mut reach);
    }
    if let Some(balancer) = goal.balancer.load_balancer.seen().filter(|balancer| !balancer.also.is_empty()) {
        let text = format!(
            "the name leads to {} as well as to {}, which alone was read",
            balancer.also.join(", "),
            balancer.name
        );
        push(
            &mut reach,
            Layer::Name,
            Passage::Unknown,
            Grade::Seen,
            text,
            Some(format!("{}/loadBalancer/seen/also", goal.at)),
        );
    }
    route(goal, &mut reach);
    acl(aws, destinations, &mut reach);
    own_groups(aws, goal, destinations, &mut reach);
    their_group(aws, goal, &mut reach);
    if let Some((issuer, at)) = goal.probes {
        tls(issuer, at, &mut reach);
    }
    waf(goal, &mut reach);
    listener(goal, &mut reach);
    reach
}

/// The two paths.
fn paths(issuer: &Issuer, url: &url::Url) -> Vec<String> {
    let base = url.path().trim_end_matches('/');
    let mut paths = vec![format!("{base}/.well-known/openid-configuration")];
    let keys = [&issuer.discovery, &issuer.discovery_as_control_plane]
        .into_iter()
        .find_map(|discovery| discovery.seen()?.jwks_uri.clone());
    match keys.and_then(|keys| url::Url::parse(&keys).ok()) {
        Some(keys) if keys.host_str() == url.host_str() => paths.push(keys.path().to_owned()),
        Some(_) => {}
        // Keycloak's layout is fixed; of others only the document tells.
        None if base.contains("/realms/") => paths.push(format!("{base}/protocol/openid-connect/certs")),
        None => {}
    }
    paths
}

fn peer(aws: &Aws, mode: &Mode, ways: &[Way]) -> Peer {
    match mode {
        Mode::AwsManaged { .. } => return Peer::Unpublished,
        Mode::Unknown(word) => return Peer::Hidden(format!("the egress mode {word}")),
        Mode::CustomerRouted => {}
    }
    let mut all = Vec::new();
    let mut local = !ways.is_empty();
    for way in ways {
        if let Exit::Elsewhere(target) = &way.exit {
            return Peer::Hidden(target.clone());
        }
        // A group of the sender counts in a peered VPC too.
        local &= matches!(way.exit, Exit::Local | Exit::Peering(_));
        all.extend(way.seen_as().unwrap_or_default());
    }
    all.sort();
    all.dedup();
    if all.is_empty() && !local {
        return Peer::Hidden("routes that could not be followed".to_owned());
    }
    Peer::Known { addresses: all, groups: if local { egress::security_groups(aws) } else { Vec::new() } }
}

fn push(reach: &mut Reach, layer: Layer, judged: Passage, known: Grade, text: impl Into<String>, path: Option<String>) {
    reach.steps.push(Step { layer, judged, known, text: text.into(), path });
}

fn name(aws: &Aws, issuer: &Issuer, at: &str, reach: &mut Reach) {
    let dns = issuer.dns.seen();
    let hidden = dns
        .filter(|dns| !dns.literal)
        .is_some_and(|dns| dns.name_servers.as_ref().is_some_and(|servers| servers.outcome == LookupOutcome::Nxdomain));
    if reach.mode == Mode::CustomerRouted {
        if let Some(attributes) = aws.network.vpc_dns.seen().filter(|attributes| !attributes.support) {
            let text =
                format!("enableDnsSupport is off in {}, so the control plane has no resolver there", attributes.vpc_id);
            return push(
                reach,
                Layer::Name,
                Passage::Blocks,
                Grade::Seen,
                text,
                Some("/aws/network/vpcDns/seen".to_owned()),
            );
        }
        if let Some(options) = aws.network.dhcp_options.seen().filter(|options| {
            !options.domain_name_servers.is_empty()
                && !options.domain_name_servers.iter().any(|server| server == "AmazonProvidedDNS")
        }) {
            let text = format!(
                "the VPC's DHCP options name other resolvers ({}), and not AmazonProvidedDNS",
                options.domain_name_servers.join(", ")
            );
            return push(
                reach,
                Layer::Name,
                Passage::Unknown,
                Grade::Seen,
                text,
                Some("/aws/network/dhcpOptions/seen".to_owned()),
            );
        }
    }
    let Some(dns) = dns else {
        return push(reach, Layer::Name, Passage::Unknown, Grade::Probed, "the name was not resolved from here", None);
    };
    let path = Some(format!("{at}/dns/seen"));
    if hidden {
        push(
            reach,
            Layer::Name,
            Passage::Unknown,
            Grade::Probed,
            "the name servers do not know the name; this machine has it from somewhere else",
            path,
        );
    } else {
        push(
            reach,
            Layer::Name,
            Passage::Passes,
            Grade::Probed,
            format!("{} resolves to {}", dns.host, dns.addresses.join(", ")),
            path,
        );
    }
}

fn route(goal: &Goal<'_>, reach: &mut Reach) {
    let what = goal.what;
    match &reach.mode {
        Mode::AwsManaged { .. } => {
            let path = match goal.probes {
                Some((_, at)) if goal.balancer.load_balancer.seen().is_none() => format!("{at}/dns/seen/addresses"),
                _ => format!("{}/loadBalancer/seen/scheme", goal.at),
            };
            if reach.private {
                let text = format!(
                    "{what} has only private addresses, and the control plane leaves through a network of AWS's own, which has no way into yours"
                );
                push(reach, Layer::Route, Passage::Blocks, Grade::Inferred, text, Some(path));
            } else {
                push(
                    reach,
                    Layer::Route,
                    Passage::Passes,
                    Grade::Inferred,
                    format!("{what} has public addresses, and the control plane leaves through AWS's own network"),
                    Some(path),
                );
            }
        }
        Mode::Unknown(word) => {
            let text = format!("what the egress mode {word} means is not documented");
            push(
                reach,
                Layer::Route,
                Passage::Unknown,
                Grade::Seen,
                text,
                Some("/aws/cluster/seen/vpc/controlPlaneEgressMode".to_owned()),
            );
        }
        Mode::CustomerRouted => {
            let mut bad = Vec::new();
            let mut unknown = None;
            let mut first = None;
            for way in &reach.ways {
                let place = way
                    .interface
                    .as_deref()
                    .map_or_else(|| way.subnet.clone(), |interface| format!("{interface} in {}", way.subnet));
                match &way.exit {
                    Exit::Local | Exit::Nat { .. } | Exit::EgressOnly(_) => first = first.or(Some(way.path.clone())),
                    Exit::Peering(id) => unknown = Some((format!("{place}: the route leads through {id}; whether the peered VPC has one back is not visible here"), way.path.clone())),
                    Exit::InternetGateway(id) => bad.push((format!("{place}: the route leads to the internet gateway {id}, which drops what has no public address, and the cluster's interfaces have none"), way.path.clone())),
                    Exit::Dead(why) => bad.push((format!("{place}: {why}"), way.path.clone())),
                    Exit::None => bad.push((format!("{place}: its route table has no route to {what}"), way.path.clone())),
                    Exit::Elsewhere(target) => unknown = Some((format!("{place}: the route leads to {target}, and what happens behind it is not visible here"), way.path.clone())),
                    Exit::Unread => unknown = Some((format!("{place}: its route table could not be read"), way.path.clone())),
                }
            }
            if let Some((text, path)) = bad.first() {
                let some = if bad.len() < reach.ways.len() {
                    " (the other interfaces have a way: only some API servers are concerned)"
                } else {
                    ""
                };
                push(
                    reach,
                    Layer::Route,
                    Passage::Blocks,
                    Grade::Inferred,
                    format!("{text}{some}"),
                    Some(path.clone()),
                );
            } else if let Some((text, path)) = unknown {
                push(reach, Layer::Route, Passage::Unknown, Grade::Seen, text, Some(path));
            } else if reach.ways.is_empty() {
                push(
                    reach,
                    Layer::Route,
                    Passage::Unknown,
                    Grade::Inferred,
                    format!("the addresses of {what}, or the cluster's subnets, are not known"),
                    None,
                );
            } else {
                push(
                    reach,
                    Layer::Route,
                    Passage::Passes,
                    Grade::Inferred,
                    format!("every interface of the cluster has a route to {what}"),
                    first,
                );
            }
        }
    }
}

/// Network ACLs of the cluster's subnets, both ways.
fn acl(aws: &Aws, destinations: &[IpAddr], reach: &mut Reach) {
    if reach.mode != Mode::CustomerRouted {
        return;
    }
    let (Some(all), Some(destination)) = (aws.network.network_acls.seen(), destinations.first()) else {
        let path = matches!(aws.network.network_acls.outcome, Outcome::Failed(_))
            .then(|| "/aws/network/networkAcls".to_owned());
        return push(reach, Layer::Acl, Passage::Unknown, Grade::Inferred, "the network ACLs could not be read", path);
    };
    let port = reach.port;
    let mut ways = reach.ways.clone();
    ways.dedup_by(|one, other| one.subnet == other.subnet);
    for way in &ways {
        // Network ACLs stand at a subnet's edge: what stays inside never meets them.
        if inside(aws, &way.subnet, *destination) {
            continue;
        }
        let Some(index) = all.iter().position(|acl| acl.subnet_ids.contains(&way.subnet)) else { continue };
        let path = |entry: Option<usize>| {
            let base = format!("/aws/network/networkAcls/seen/{index}");
            Some(entry.map_or_else(|| base.clone(), |entry| format!("{base}/entries/{entry}")))
        };
        let (allowed, entry) = acl_verdict(&all[index], true, *destination, port);
        if !allowed {
            let text = format!("{} of {} lets nothing out to {destination} port {port}", all[index].id, way.subnet);
            return push(reach, Layer::Acl, Passage::Blocks, Grade::Inferred, text, path(entry));
        }
        // Answers come back to a port of Linux' range.
        let back: Vec<(bool, Option<usize>)> =
            [32_768, 60_999].iter().map(|port| acl_verdict(&all[index], false, *destination, *port)).collect();
        if let Some((_, entry)) = back.iter().find(|(allowed, _)| !allowed) {
            let judged = if back.iter().all(|(allowed, _)| !allowed) { Passage::Blocks } else { Passage::Unknown };
            let text = format!(
                "{} of {} lets no answers in from {destination} (ports 32768-60999)",
                all[index].id, way.subnet
            );
            return push(reach, Layer::Acl, judged, Grade::Inferred, text, path(*entry));
        }
    }
    push(
        reach,
        Layer::Acl,
        Passage::Passes,
        Grade::Inferred,
        "the network ACLs of the cluster's subnets let it through",
        None,
    );
}

/// The address is one of the subnet's own.
fn inside(aws: &Aws, subnet: &str, address: IpAddr) -> bool {
    let known = aws.network.subnets.seen().and_then(|all| all.iter().find(|known| known.id == subnet));
    known.is_some_and(|known| {
        let ranges = known.cidr.iter().chain(&known.ipv6_cidrs).filter_map(|cidr| addresses::range(cidr));
        ranges.into_iter().any(|range| range.contains(&address))
    })
}

/// The lowest number that fits decides; nothing fits is a denial.
fn acl_verdict(acl: &NetworkAcl, egress: bool, address: IpAddr, port: u16) -> (bool, Option<usize>) {
    let port = i32::from(port);
    acl.entries
        .iter()
        .enumerate()
        .filter(|(_, entry)| {
            entry.egress == egress
                && matches!(entry.protocol.as_str(), "-1" | "6" | "tcp")
                && addresses::range(&entry.cidr).is_some_and(|range| range.contains(&address))
                && (entry.protocol == "-1"
                    || (entry.from_port.is_none_or(|from| from <= port) && entry.to_port.is_none_or(|to| port <= to)))
        })
        .min_by_key(|(_, entry)| entry.number)
        .map_or((false, None), |(index, entry)| (entry.allow, Some(index)))
}

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

/// The groups on the cluster's interfaces let the request out.
fn own_groups(aws: &Aws, goal: &Goal<'_>, destinations: &[IpAddr], reach: &mut Reach) {
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
fn their_group(aws: &Aws, goal: &Goal<'_>, reach: &mut Reach) {
    let (balancer, base) = (goal.balancer, goal.at);
    let Some(load_balancer) = balancer.load_balancer.seen() else {
        let path = (!matches!(balancer.load_balancer.outcome, Outcome::NotApplicable(_)))
            .then(|| format!("{base}/loadBalancer"));
        return push(
            reach,
            Layer::SecurityGroup,
            Passage::Unknown,
            Grade::Inferred,
            format!("what stands in front of {} is not a load balancer that could be read", goal.what),
            path,
        );
    };
    if load_balancer.security_groups.is_empty() {
        return push(
            reach,
            Layer::SecurityGroup,
            Passage::Passes,
            Grade::Seen,
            "the load balancer has no security group",
            Some(format!("{base}/loadBalancer/seen")),
        );
    }
    let Some(rules) = aws.network.security_group_rules.seen() else {
        return push(
            reach,
            Layer::SecurityGroup,
            Passage::Unknown,
            Grade::Inferred,
            "the security groups' rules could not be read",
            Some("/aws/network/securityGroupRules".to_owned()),
        );
    };
    let port = reach.port;
    let fitting: Vec<(usize, &SecurityGroupRule)> = rules
        .iter()
        .enumerate()
        .filter(|(_, rule)| !rule.egress && load_balancer.security_groups.contains(&rule.group_id) && about(rule, port))
        .collect();
    let missing = unanswered(aws, &load_balancer.security_groups);
    let mut unread = missing.is_some();
    let mut all = Vec::new();
    let mut by_group = None;
    for (index, rule) in &fitting {
        match (&rule.referenced_group, ranges(aws, rule)) {
            // A group stands for its members' private addresses; who comes from elsewhere is never a member.
            (Some(group), _) => {
                if let Peer::Known { groups, .. } = &reach.peer
                    && groups.contains(group)
                {
                    by_group = Some(*index);
                }
            }
            (None, Some(ranges)) => all.extend(ranges),
            (None, None) => unread = true,
        }
    }
    let at = |index: usize| Some(format!("/aws/network/securityGroupRules/seen/{index}"));
    let first = fitting
        .first()
        .and_then(|(index, _)| at(*index))
        .or_else(|| Some(format!("{base}/loadBalancer/seen/securityGroups")));
    let groups = load_balancer.security_groups.join(", ");
    let (judged, text, path) = if addresses::everything(&all, reach.v6) {
        (Passage::Passes, format!("{groups} is open to everybody on port {port}"), first)
    } else {
        match &reach.peer {
            Peer::Unpublished if unread => {
                let text = match missing {
                    Some(group) => format!("security group {group} is in no answer of EC2, so its rules are not known"),
                    None => format!("a prefix list of {groups} could not be read"),
                };
                (Passage::Unknown, text, first)
            }
            Peer::Unpublished => (
                Passage::Blocks,
                format!(
                    "{groups} lets only listed addresses in on port {port}, and the control plane comes from addresses of AWS that nobody publishes"
                ),
                first,
            ),
            Peer::Hidden(through) => (
                Passage::Unknown,
                format!("{groups} lets only listed addresses in, and the control plane comes through {through}"),
                first,
            ),
            Peer::Known { .. } if by_group.is_some() => (
                Passage::Passes,
                format!("{groups} lets in the security group of the cluster's interfaces"),
                by_group.and_then(at),
            ),
            Peer::Known { addresses: seen, .. } => {
                let missing: Vec<String> =
                    seen.iter().filter(|address| !addresses::holds(&all, **address)).map(ToString::to_string).collect();
                if missing.is_empty() && !seen.is_empty() {
                    (
                        Passage::Passes,
                        format!("{groups} lets in every address that the control plane comes from"),
                        first,
                    )
                } else if unread || seen.is_empty() {
                    (
                        Passage::Unknown,
                        format!(
                            "whether {groups} lets the control plane in is not known: its rules, a list or the interfaces' addresses could not be read"
                        ),
                        first,
                    )
                } else {
                    (
                        Passage::Blocks,
                        format!("no rule of {groups} lets {} in on port {port}", missing.join(", ")),
                        first,
                    )
                }
            }
        }
    };
    push(reach, Layer::SecurityGroup, judged, Grade::Inferred, text, path);
}

fn tls(issuer: &Issuer, at: &str, reach: &mut Reach) {
    let Some(tls) = issuer.tls.seen() else {
        return push(reach, Layer::Tls, Passage::Unknown, Grade::Probed, "no TLS handshake was made from here", None);
    };
    match tls.faults.first() {
        None => push(
            reach,
            Layer::Tls,
            Passage::Passes,
            Grade::Probed,
            "the certificate is trusted from here",
            Some(format!("{at}/tls/seen")),
        ),
        Some(fault) => {
            let private = matches!(fault.kind, TlsFaultKind::UnknownAuthority | TlsFaultKind::AuthorityKeyDiffers);
            let judged = if private && tls.roots != "system" { Passage::Unknown } else { Passage::Blocks };
            push(
                reach,
                Layer::Tls,
                judged,
                Grade::Probed,
                fault.detail.clone(),
                Some(format!("{at}/tls/seen/faults/0")),
            );
        }
    }
}

/// The peer is in (or out of) a list of ranges.
fn listed(peer: &Peer, ranges: &[IpNet]) -> Option<bool> {
    if addresses::everything(ranges, false) {
        return Some(true);
    }
    match peer {
        Peer::Unpublished => Some(false),
        Peer::Hidden(_) => None,
        Peer::Known { addresses: seen, .. } if seen.is_empty() => None,
        Peer::Known { addresses: seen, .. } => {
            let inside = seen.iter().filter(|address| addresses::holds(ranges, **address)).count();
            Some(inside == seen.len())
        }
    }
}

/// One of the peer's addresses is in a list of ranges.
fn some(peer: &Peer, ranges: &[IpNet]) -> bool {
    matches!(peer, Peer::Known { addresses: seen, .. } if seen.iter().any(|address| addresses::holds(ranges, *address)))
}

/// A rule of a web ACL that cannot be judged, with the pointer to it.
type Doubt<'a> = (&'a WebAclRule, Option<String>);

fn waf(goal: &Goal<'_>, reach: &mut Reach) {
    let balancer = goal.balancer;
    let at = format!("{}/webAcl", goal.at);
    let Some(acl) = balancer.web_acl.seen() else {
        let (judged, text, path) = match &balancer.web_acl.outcome {
            Outcome::NotApplicable(_) => (Passage::Passes, "no web ACL is attached", Some(at.clone())),
            _ => (Passage::Unknown, "the web ACL could not be read", Some(at.clone())),
        };
        return push(reach, Layer::Waf, judged, Grade::Seen, text, path);
    };
    let mut rules: Vec<(usize, &WebAclRule)> = acl.rules.iter().enumerate().collect();
    rules.sort_by_key(|(_, rule)| rule.priority);
    // What may let it through before, and what may refuse it before.
    let (mut spared, mut refused): (Option<Doubt<'_>>, Option<Doubt<'_>>) = (None, None);
    let unsure = |(rule, path): Doubt<'_>, reach: &mut Reach| {
        let what = rule
            .reference
            .as_deref()
            .map(|reference| format!(" ({})", reference.rsplit('/').next().unwrap_or_default()));
        let text = format!(
            "what rule {}{} of web ACL {} does to the control plane's requests is not known",
            rule.name,
            what.unwrap_or_default(),
            acl.name
        );
        push(reach, Layer::Waf, Passage::Unknown, Grade::Seen, text, path);
    };
    for (index, rule) in rules {
        if rule.action == "count" {
            continue;
        }
        let path = Some(format!("{at}/seen/rules/{index}"));
        let applies = match rule.statement.as_str() {
            "ip-set" | "not-ip-set" if !rule.forwarded => {
                let set = rule.reference.as_ref().and_then(|arn| acl.ip_sets.iter().find(|set| set.arn == *arn));
                let ranges = set
                    .and_then(|set| set.addresses.seen())
                    .map(|all| all.iter().filter_map(|cidr| addresses::range(cidr)).collect::<Vec<_>>());
                let inside = ranges.as_ref().and_then(|ranges| listed(&reach.peer, ranges));
                // That an unpublished address is on a list of refused ones cannot be known; of several, one may be.
                let inside = if rule.action != "allow"
                    && rule.statement == "ip-set"
                    && inside == Some(false)
                    && (reach.peer == Peer::Unpublished || ranges.is_some_and(|ranges| some(&reach.peer, &ranges)))
                {
                    None
                } else {
                    inside
                };
                if rule.statement == "not-ip-set" { inside.map(|inside| !inside) } else { inside }
            }
            _ => None,
        };
        match (applies, rule.action.as_str()) {
            (Some(false), _) => {}
            (Some(true), "allow") if refused.is_some() => {
                return refused.into_iter().for_each(|one| unsure(one, reach));
            }
            (Some(true), "allow") => {
                return push(
                    reach,
                    Layer::Waf,
                    Passage::Passes,
                    Grade::Inferred,
                    format!("rule {} lets it through", rule.name),
                    path,
                );
            }
            (Some(true), _) if spared.is_some() => {
                return spared.into_iter().for_each(|one| unsure(one, reach));
            }
            (Some(true), _) => {
                let text =
                    format!("rule {} of web ACL {} refuses whom its address list does not let in", rule.name, acl.name);
                return push(reach, Layer::Waf, Passage::Blocks, Grade::Inferred, text, path);
            }
            (None, "allow") => spared = spared.or(Some((rule, path))),
            (None, _) => refused = refused.or(Some((rule, path))),
        }
    }
    let doubt = refused.or(spared.filter(|_| acl.default_action == "block"));
    if let Some((rule, path)) = doubt {
        let what = rule
            .reference
            .as_deref()
            .map(|reference| format!(" ({})", reference.rsplit('/').next().unwrap_or_default()))
            .unwrap_or_default();
        let text = format!("rule {}{what} of web ACL {} may refuse the control plane's requests", rule.name, acl.name);
        return push(reach, Layer::Waf, Passage::Unknown, Grade::Seen, text, path);
    }
    if acl.default_action == "block" {
        let text = format!("web ACL {} refuses by default, and no rule lets the control plane through", acl.name);
        return push(
            reach,
            Layer::Waf,
            Passage::Blocks,
            Grade::Inferred,
            text,
            Some(format!("{at}/seen/defaultAction")),
        );
    }
    push(
        reach,
        Layer::Waf,
        Passage::Passes,
        Grade::Inferred,
        format!("web ACL {} lets it through", acl.name),
        Some(format!("{at}/seen")),
    );
}

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
    let mut order: Vec<(usize, &ListenerRule)> = rules.iter().enumerate().collect();
    order.sort_by_key(|(_, rule)| rule.priority.unwrap_or(u32::MAX));
    for (index, rule) in order {
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

/// The rules in the order in which the listener tries them.
fn in_order(rules: &[ListenerRule]) -> Vec<&ListenerRule> {
    let mut order: Vec<&ListenerRule> = rules.iter().collect();
    order.sort_by_key(|rule| rule.priority.unwrap_or(u32::MAX));
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

fn until_taken(rules: &[ListenerRule], fits: impl Fn(&Condition) -> Option<bool>) -> Vec<&ListenerRule> {
    let mut all = Vec::new();
    for rule in in_order(rules) {
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

fn listener(goal: &Goal<'_>, reach: &mut Reach) {
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
        return push(
            reach,
            Layer::Rule,
            Passage::Unknown,
            Grade::Inferred,
            "the listener's rules could not be read",
            Some(format!("{at}/rules")),
        );
    };
    let mut groups = Vec::new();
    let mut passing = None;
    for path in reach.paths.clone() {
        let (index, rule) = match taken(rules, &reach.host, &path, &reach.peer) {
            Ok(Some(found)) => found,
            Ok(None) => continue,
            Err(index) => {
                let text = format!(
                    "whether rule {} takes {path} cannot be told",
                    rules[index].priority.map_or_else(|| "default".to_owned(), |priority| priority.to_string())
                );
                return push(
                    reach,
                    Layer::Rule,
                    Passage::Unknown,
                    Grade::Inferred,
                    text,
                    Some(format!("{at}/rules/seen/{index}")),
                );
            }
        };
        let pointer = format!("{at}/rules/seen/{index}");
        let named = rule.priority.map_or_else(|| "the default rule".to_owned(), |priority| format!("rule {priority}"));
        let mut actions: Vec<_> = rule.actions.iter().enumerate().collect();
        actions.sort_by_key(|(_, action)| action.order.unwrap_or(i32::MAX));
        for (number, action) in actions {
            let place = Some(format!("{pointer}/actions/{number}"));
            match action.kind.as_str() {
                "authenticate-oidc" | "authenticate-cognito"
                    if action.on_unauthenticated.as_deref() != Some("allow") =>
                {
                    let what = if action.on_unauthenticated.as_deref() == Some("deny") {
                        "answers 401"
                    } else {
                        "redirects to a login page"
                    };
                    let text =
                        format!("{named} takes {path} and {what} ({}): nobody logs in for the API server", action.kind);
                    return push(reach, Layer::Login, Passage::Blocks, Grade::Inferred, text, place);
                }
                "jwt-validation" => {
                    let text = format!(
                        "{named} takes {path} and wants a token (jwt-validation), which the API server does not send"
                    );
                    return push(reach, Layer::Login, Passage::Blocks, Grade::Inferred, text, place);
                }
                "fixed-response" => {
                    let status = action.status.as_deref().unwrap_or("an answer of its own");
                    if !status.starts_with('2') {
                        let text = format!("{named} takes {path} and answers {status} itself");
                        return push(reach, Layer::Rule, Passage::Blocks, Grade::Inferred, text, Some(pointer));
                    }
                    // A balancer can answer with the document itself: an honest way to publish it.
                }
                "redirect" => {
                    let text = format!(
                        "{named} takes {path} and redirects; the API server follows, where to is not judged here"
                    );
                    return push(reach, Layer::Rule, Passage::Unknown, Grade::Inferred, text, place);
                }
                "forward" => groups.extend(action.target_groups.iter().cloned()),
                _ => {}
            }
        }
        passing = passing.or(Some((format!("{named} takes {path}"), pointer)));
    }
    if let Some((text, path)) = passing {
        push(reach, Layer::Rule, Passage::Passes, Grade::Inferred, text, Some(path));
        push(reach, Layer::Login, Passage::Passes, Grade::Inferred, "no login is asked for there", None);
    }
    if let Some(health) = balancer.target_health.seen()
        && let Some((index, group)) = health.iter().enumerate().find(|(_, group)| groups.contains(&group.target_group))
    {
        // Where none is healthy a load balancer sends to all of them: only a group without any target answers nothing.
        let judged = match (group.healthy, group.total) {
            (0, 0) => Passage::Blocks,
            (0, _) => Passage::Unknown,
            _ => Passage::Passes,
        };
        let text = format!("{} of {} targets are healthy", group.healthy, group.total);
        push(reach, Layer::Target, judged, Grade::Seen, text, Some(format!("{at}/targetHealth/seen/{index}")));
    }
}
