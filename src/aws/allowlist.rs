//! What to allow so that the control plane reaches the issuer, or clients the API endpoint; and what is listed today.

use std::net::IpAddr;

use ipnet::IpNet;

use super::addresses;
use super::egress::{self, Exit, Mode};
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

    /// One address, or a handful.
    pub fn single(&self) -> bool {
        self.range.is_some_and(|range| range.max_prefix_len() - range.prefix_len() <= 4)
    }
}

/// Everything that is let in to the issuer on a port today, except the whole Internet.
pub fn listed(aws: &Aws, port: u16) -> Vec<Listed> {
    let mut all = Vec::new();
    let balancer = &aws.issuer_balancer;
    let groups = balancer.load_balancer.seen().map(|balancer| balancer.security_groups.clone()).unwrap_or_default();
    for (index, rule) in aws.network.security_group_rules.seen().into_iter().flatten().enumerate() {
        if rule.egress || !groups.contains(&rule.group_id) || !reach::about(rule, port) {
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
    for (index, rule) in balancer.rules.seen().into_iter().flatten().enumerate() {
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
    /// Ranges that the load balancer lets in today, without those that help nobody: what a restriction of the other
    /// paths must keep.
    pub present: Vec<String>,
    /// Everybody is let in today, and no list stands anywhere.
    pub open: bool,
    /// The load balancer there is cannot be reached: another, public one has to serve the two paths.
    pub public_copy: bool,
    /// The load balancer's security groups and the listener on the issuer's port.
    pub load_balancer: Option<(Vec<String>, Option<String>)>,
    /// Target groups that serve the issuer's host today; none where that cannot be told.
    pub target_groups: Vec<String>,
    /// Why the load balancer's port is not to be opened to everybody, whatever its rules say.
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
        present: Vec::new(),
        open: false,
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
    let present = listed(aws, reach.port);
    let endpoint = endpoint_addresses(evidence);
    let groups = egress::security_groups(aws);
    let (useful, by_group) = match &reach.peer {
        Peer::Known { addresses, groups } => (addresses.clone(), !groups.is_empty()),
        _ => (Vec::new(), false),
    };
    // What arrives from a network that is not visible here may well arrive with the interfaces' own addresses.
    let hidden = matches!(reach.peer, Peer::Hidden(_));
    let useless = |listed: &Listed| {
        let of_use = match listed.range {
            None => by_group,
            Some(range) => useful.iter().any(|address| range.contains(address)),
        };
        !hidden && listed.names_endpoint(&endpoint, &groups) && !of_use
    };
    let kept = present.iter().filter(|listed| !useless(listed));
    answer.present = kept.filter_map(|listed| listed.range).map(|range| range.to_string()).collect();
    answer.present.sort();
    answer.present.dedup();
    answer.open =
        present.is_empty() && reach.step(Layer::SecurityGroup).is_some_and(|step| step.judged == Passage::Passes);
    answer.public_copy = reach.private && matches!(answer.mode, Mode::AwsManaged { .. });
    if present.iter().any(|listed| listed.range.is_none() && !useless(listed)) {
        answer.warnings.push("Security groups are among what is let in today; a listener rule takes ranges only: add theirs to the list before you move it.".to_owned());
    }
    let balancer = &aws.issuer_balancer;
    // What is printed is for the load balancer that can be reached.
    answer.load_balancer = balancer.load_balancer.seen().filter(|_| !answer.public_copy).map(|found| {
        let listener =
            balancer.listeners.seen().and_then(|all| all.iter().find(|one| one.port == i32::from(reach.port)));
        (found.security_groups.clone(), listener.map(|listener| listener.arn.clone()))
    });
    let rules = balancer.rules.seen().map(Vec::as_slice).unwrap_or_default();
    answer.target_groups = if answer.public_copy { Vec::new() } else { serving(rules, reach) };
    answer.target_groups.dedup();
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
    if let Some(found) = balancer.load_balancer.seen().filter(|_| by_path && !answer.public_copy) {
        let exposed = exposed(rules, &reach.host);
        answer.closed = if found.kind == "network" {
            Some("It is a network load balancer, which knows no paths and has no listener rules: opening its port opens the whole issuer. Put the two paths in front of it on an application load balancer, an Ingress or nginx of their own.".to_owned())
        } else if !answer.open && !exposed.is_empty() {
            Some(format!(
                "Its security group guards everything that it serves, and without that group everybody would reach {} too. Restrict those by source-ip first, or give the two paths a load balancer of their own (a second Ingress).",
                exposed.join(", ")
            ))
        } else {
            None
        };
        if let Some(why) = &answer.closed {
            answer.warnings.push(format!("The port of load balancer {} is not opened here. {why}", found.name));
        }
        if reach.blocked_at(Layer::Waf).is_some() {
            answer.warnings.push("Its web ACL refuses before any listener rule is asked: first give the web ACL a rule in front that allows exactly these paths on this host.".to_owned());
        }
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

/// The target groups that take the issuer's requests today, whoever may send them.
fn serving(rules: &[ListenerRule], reach: &Reach) -> Vec<String> {
    let open = super::reach::without_sources(rules);
    let root = [&reach.paths[..], &["/".to_owned()][..]].concat();
    let of = |path: &String| -> Option<Vec<String>> {
        let (_, rule) = super::reach::taken(&open, &reach.host, path, &reach.peer).ok()??;
        let groups: Vec<String> = rule.actions.iter().flat_map(|action| action.target_groups.clone()).collect();
        (!groups.is_empty()).then_some(groups)
    };
    if let Some(found) = root.iter().find_map(of) {
        return found;
    }
    // Where there is only one, it is that one.
    let mut all: Vec<String> =
        rules.iter().flat_map(|rule| &rule.actions).flat_map(|action| action.target_groups.clone()).collect();
    all.sort();
    all.dedup();
    if all.len() == 1 { all } else { Vec::new() }
}

/// What everybody would reach on this listener beside a host, were the port open: rules that forward and ask for no
/// source address.
fn exposed(rules: &[ListenerRule], host: &str) -> Vec<String> {
    let forwards = rules.iter().filter(|rule| rule.actions.iter().any(|action| action.kind == "forward"));
    let open = forwards.filter(|rule| !rule.conditions.iter().any(|condition| condition.field == "source-ip"));
    open.filter_map(|rule| match rule.conditions.iter().find(|condition| condition.field == "host-header") {
        Some(hosts) if hosts.values.iter().all(|value| value.eq_ignore_ascii_case(host)) => None,
        Some(hosts) => Some(hosts.values.join(" and ")),
        None => Some(rule.priority.map_or_else(
            || "whatever the default rule serves".to_owned(),
            |number| format!("whatever rule {number} serves"),
        )),
    })
    .collect()
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
    let local = !reach.ways.is_empty() && reach.ways.iter().all(|way| way.exit == Exit::Local);
    if local {
        let groups = egress::security_groups(aws);
        let main = aws.cluster.seen().and_then(|cluster| cluster.vpc.cluster_security_group_id.clone());
        for group in groups {
            let why = if Some(&group) == main.as_ref() {
                "the cluster security group: on every interface that the control plane leaves through; it stays when their addresses change"
            } else {
                "a further security group on the cluster's interfaces; one of them is enough"
            };
            answer.entries.push(Entry {
                kind: Kind::SecurityGroup,
                value: group,
                why: why.to_owned(),
                known: Grade::Seen,
            });
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
                answer.entries.push(Entry {
                    kind: Kind::Cidr,
                    value: cidr.clone(),
                    why: format!("subnet {}, which holds (or may hold) interfaces of the control plane; for places that take no security group", subnet.id),
                    known: Grade::Seen,
                });
            }
        }
        return;
    }
    for way in &reach.ways {
        match &way.exit {
            Exit::Nat { id, public } => {
                for address in public {
                    let entry = Entry {
                        kind: Kind::Cidr,
                        value: host_range(*address),
                        why: format!("public address of NAT gateway {id}, through which subnet {} leaves", way.subnet),
                        known: Grade::Seen,
                    };
                    if !answer.entries.iter().any(|known| known.value == entry.value) {
                        answer.entries.push(entry);
                    }
                }
            }
            Exit::EgressOnly(id) => {
                for subnet in aws.network.subnets.seen().into_iter().flatten().filter(|subnet| subnet.id == way.subnet) {
                    for cidr in &subnet.ipv6_cidrs {
                        answer.entries.push(Entry {
                            kind: Kind::Cidr,
                            value: cidr.clone(),
                            why: format!("IPv6 range of subnet {}, which leaves through {id} with its own addresses", subnet.id),
                            known: Grade::Seen,
                        });
                    }
                }
            }
            Exit::Elsewhere(target) => answer.warnings.push(format!("Subnet {} leaves through {target}; the address that the issuer sees is made behind it and is not visible here. Ask whoever runs it for its egress address.", way.subnet)),
            Exit::Local => {}
            Exit::InternetGateway(id) => answer.warnings.push(format!("Subnet {} leads to internet gateway {id}, which drops what the control plane's interfaces send: they have no public address.", way.subnet)),
            Exit::Dead(why) => answer.warnings.push(format!("Subnet {}: {why}.", way.subnet)),
            Exit::None => answer.warnings.push(format!("Subnet {} has no route to the issuer.", way.subnet)),
            Exit::Unread => answer.warnings.push(format!("The route table of subnet {} could not be read.", way.subnet)),
        }
    }
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
    } else if !vpc.endpoint_public_access {
        answer.warnings.push("The cluster has neither a public nor a private endpoint switched on.".to_owned());
    }
    if evidence.endpoint.dns.seen().is_some() {
        answer.warnings.push("In a firewall on the client's side, allow the endpoint by its name: its addresses may change within a minute.".to_owned());
    }
}
