//! Step by step from the control plane to the issuer's two documents: name, route, network ACL, security group, TLS, WAF,
//! listener rule, login, target.
//!
//! What stands in configuration is *seen*, what was tried is *probed* from this machine; what follows for the control
//! plane is *inferred*, and nothing here is more than that.

/// Network ACLs of the cluster's subnets, and of the load balancer's.
mod acl;
/// What the load balancer's listener does with a request: rule, login, target.
mod listener;
/// The name, as the control plane resolves it.
mod name;
/// Whom the load balancer sees.
mod peer;
/// Where the routes lead.
mod route;
/// Which rule of a listener takes a request.
mod rule;
/// Security groups, of the cluster's interfaces and of the load balancer.
mod security_group;
/// The certificate.
mod tls;
/// The web ACL.
mod waf;

pub use self::acl::THEIRS;
pub use self::peer::Peer;
pub use self::rule::{of_host, own_answer, taken, takers, without_sources};
pub use self::security_group::{about, ranges, unanswered};

pub(super) use self::security_group::{Door, admits};

use std::net::IpAddr;

use super::addresses;
use super::egress::{self, Mode, Way};
use crate::evidence::balancer::Balancer;
use crate::evidence::eks::Aws;
use crate::evidence::{Evidence, Grade, Issuer};

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
    /// The issuer is not the one whose load balancer was looked up: nothing is known of what stands in front of it.
    pub other_host: bool,
    /// The one of `paths` that the load balancer does not hand on, where a listener rule or a login stops it.
    pub stopped: Option<String>,
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

    /// The load balancer in front of the issuer; one of which nothing is known where only another issuer's was looked up.
    pub fn balancer<'e>(&self, aws: &'e Aws) -> &'e Balancer {
        if self.other_host { &UNREAD } else { &aws.issuer_balancer }
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
    let other_host = !is_looked_up(evidence);
    let own: &Balancer = if other_host { &UNREAD } else { &aws.issuer_balancer };
    // A laboratory's address tells nothing; a load balancer that AWS shows before it does.
    let shown = own.load_balancer.seen().is_some();
    let target = issuer.target.seen().filter(|target| !target.laboratory || shown)?;
    let url = url::Url::parse(&target.url).ok()?;
    let dns = issuer.dns.seen().filter(|_| !target.laboratory);
    let outside = name::public_answer(aws, dns);
    let balancer: &Balancer = if outside.is_empty() { own } else { &UNREAD };
    let dns = match dns {
        Some(dns) if outside.is_empty() => addresses::parse(&dns.addresses),
        _ => outside.clone(),
    };
    let goal = Goal { what: "the issuer", balancer, at: "/aws/issuerBalancer", probes: Some((issuer, at)) };
    let mut reach = walk(aws, &goal, &url, paths(issuer, &url), &dns)?;
    reach.other_host = other_host;
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

/// The load balancer that was looked up stands in front of the issuer that the cluster asks. It is looked up by the host of
/// the token's issuer (or of --issuer); the cluster may be configured for another one.
pub fn is_looked_up(evidence: &Evidence) -> bool {
    let place = |issuer: &Issuer| {
        let url = url::Url::parse(&issuer.target.seen()?.url).ok()?;
        Some((url.host_str()?.to_owned(), url.port_or_known_default()))
    };
    evidence.configured_issuer.as_ref().is_none_or(|configured| place(configured) == place(&evidence.issuer))
}

/// A load balancer of which nothing is known.
static UNREAD: std::sync::LazyLock<Balancer> = std::sync::LazyLock::new(Balancer::default);

/// The same to the key set, where the discovery document names another host for it and that host's load balancer was
/// found. Its name and certificate are not judged: the control plane asks by a resolver of its own.
pub fn to_keys(evidence: &Evidence) -> Option<Reach> {
    let aws = evidence.aws.as_deref()?;
    let balancer = aws.jwks_balancer.as_ref().filter(|balancer| balancer.load_balancer.seen().is_some())?;
    let issuer = evidence.configured_issuer.as_ref().unwrap_or(&evidence.issuer);
    let url = url::Url::parse(jwks_uri(issuer)?).ok()?;
    // That load balancer is the one of the token's issuer's keys.
    if url::Url::parse(jwks_uri(&evidence.issuer)?).ok()?.host_str() != url.host_str() {
        return None;
    }
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

/// By the addresses of the family that lets a connection come about.
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
        other_host: false,
        stopped: None,
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
    reach.peer = peer::of(aws, &reach.mode, &reach.ways);
    reach.v6 = destinations.iter().all(IpAddr::is_ipv6) && !destinations.is_empty();
    if let Some((issuer, at)) = goal.probes {
        name::judge(aws, issuer, at, &mut reach);
    }
    name::judge_others(goal, &mut reach);
    route::judge(goal, &mut reach);
    acl::judge(aws, goal, destinations, &mut reach);
    security_group::judge_own(aws, goal, destinations, &mut reach);
    security_group::judge_theirs(aws, goal, &mut reach);
    if let Some((issuer, at)) = goal.probes {
        tls::judge(issuer, at, &mut reach);
    }
    waf::judge(goal, &mut reach);
    listener::judge(goal, &mut reach);
    reach
}

/// The two paths.
fn paths(issuer: &Issuer, url: &url::Url) -> Vec<String> {
    let base = url.path().trim_end_matches('/');
    let mut paths = vec![format!("{base}/.well-known/openid-configuration")];
    match jwks_uri(issuer).and_then(|keys| url::Url::parse(keys).ok()) {
        Some(keys) if keys.host_str() == url.host_str() => paths.push(keys.path().to_owned()),
        Some(_) => {}
        // Keycloak's layout is fixed; of others only the document tells.
        None if base.contains("/realms/") => paths.push(format!("{base}/protocol/openid-connect/certs")),
        None => {}
    }
    paths
}

/// Where the key set is, as the discovery document names it.
pub(super) fn jwks_uri(issuer: &Issuer) -> Option<&str> {
    [&issuer.discovery, &issuer.discovery_as_control_plane]
        .into_iter()
        .find_map(|discovery| discovery.seen()?.jwks_uri.as_deref())
}

/// One more step of the way.
fn push(reach: &mut Reach, layer: Layer, judged: Passage, known: Grade, text: impl Into<String>, path: Option<String>) {
    reach.steps.push(Step { layer, judged, known, text: text.into(), path });
}
