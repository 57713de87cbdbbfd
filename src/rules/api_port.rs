//! What the API server's port showed of itself, for the rules that read it: faults of the certificate, clocks, names.

use jiff::Timestamp;

use super::{Case, Place, Word};
use crate::apiserver::message::Text;
use crate::evidence::apiserver::HttpAnswer;
use crate::evidence::tls::{TlsFault, TlsFaultKind, TlsReport};
use crate::report::{Citation, probed};

/// One fault of the certificate chain that the API server's port presented.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'e> {
    /// The whole handshake.
    pub report: &'e TlsReport,
    /// The fault.
    pub fault: &'e TlsFault,
    index: usize,
}

impl Shown<'_> {
    /// The citation of the fault, with kubectl's words where they are known.
    pub fn cite(&self) -> Citation {
        let words = self.fault.go.as_ref().map_or_else(String::new, |words| format!("; kubectl says: {words}"));
        probed(format!("/endpoint/tls/seen/faults/{}", self.index), format!("{}{words}", self.fault.detail))
    }
}

/// The first fault of one of these kinds.
pub fn fault<'e>(case: &Case<'e>, kinds: &[TlsFaultKind]) -> Option<Shown<'e>> {
    let report = case.evidence.endpoint.tls.seen()?;
    let (index, fault) = report.faults.iter().enumerate().find(|(_, fault)| kinds.contains(&fault.kind))?;
    Some(Shown { report, fault, index })
}

/// The word of the message that the user met, where no handshake of this run says more.
pub fn met_without_handshake<'c>(case: &'c Case<'_>, text: &'static Text) -> Option<&'c Word> {
    let tls = &case.evidence.endpoint.tls;
    if tls.seen().is_some() || tls.failed().is_some() {
        return None;
    }
    case.words.iter().find(|word| word.text == text && word.place == Place::Met)
}

/// How far clocks may be apart before it matters, in seconds.
pub const APART: i64 = 60;

/// The API server's clock beside this machine's.
#[derive(Debug, Clone)]
pub struct Skew {
    /// The API server's time by its Date header.
    pub date: Timestamp,
    /// How far this machine's clock is ahead of it, in seconds.
    pub ahead: i64,
    /// The citation of it.
    pub cite: Citation,
    /// The same against the issuer's clock, with its citation.
    pub witness: Option<(i64, Citation)>,
}

impl Skew {
    /// The issuer's clock agrees with the API server's: it is this machine's that is off.
    pub fn is_local(&self) -> bool {
        self.witness.as_ref().is_some_and(|(ahead, _)| (ahead - self.ahead).abs() <= APART)
    }

    /// The issuer's clock agrees with this machine's: it is the API server's that is off.
    pub fn is_servers(&self) -> bool {
        self.witness.as_ref().is_some_and(|(ahead, _)| ahead.abs() <= APART)
    }
}

/// The difference of the clocks, where it is more than [`APART`].
pub fn skew(case: &Case<'_>) -> Option<Skew> {
    let skew = clocks(case)?;
    (skew.ahead.abs() > APART).then_some(skew)
}

/// Both clocks, where the API server told its own.
pub fn clocks(case: &Case<'_>) -> Option<Skew> {
    let ahead = |answer: &HttpAnswer| Some((answer.date?, answer.received_at?.as_second() - answer.date?.as_second()));
    let words = |whose: &str, ahead: i64| {
        // A header tells whole seconds, and an answer takes its time.
        if ahead.abs() <= 3 {
            return format!("this machine's clock agrees with {whose}");
        }
        let way = if ahead < 0 { "behind" } else { "ahead of" };
        format!("this machine's clock is {} {way} {whose}", span(ahead))
    };
    let endpoint = &case.evidence.endpoint;
    let ((date, own), path) = [(&endpoint.anonymous, "anonymous"), (&endpoint.authenticated, "authenticated")]
        .into_iter()
        .find_map(|(answer, name)| Some((ahead(answer.seen()?)?, name)))?;
    let (probes, at) = case.issuer();
    let witness = [(&probes.discovery, "discovery"), (&probes.discovery_as_control_plane, "discoveryAsControlPlane")]
        .into_iter()
        .find_map(|(discovery, name)| {
            let (_, other) = ahead(&discovery.seen()?.answer)?;
            let path = format!("{at}/{name}/seen/answer/date");
            Some((other, probed(path, words("the issuer's Date header", other))))
        });
    let cite = probed(format!("/endpoint/{path}/seen/date"), words("the API server's Date header", own));
    Some(Skew { date, ahead: own, cite, witness })
}

/// A length of time as people say it.
pub fn span(seconds: i64) -> String {
    let seconds = seconds.abs();
    match seconds {
        0..=180 => format!("{seconds} s"),
        181..=7_199 => format!("{} min", seconds / 60),
        7_200..=172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// How long something took, as people say it: `640 ms`, `5 s`, `19 s`, `4 min`.
pub fn waited(ms: u64) -> String {
    if ms < 1000 {
        return format!("{ms} ms");
    }
    span(i64::try_from(ms.saturating_add(500) / 1000).unwrap_or(i64::MAX))
}

/// The certificate is out of date by this machine's clock alone: by the API server's own it is valid, and the clocks
/// are apart.
pub fn dated_by_clock(case: &Case<'_>) -> Option<Skew> {
    let shown = fault(case, &[TlsFaultKind::Expired, TlsFaultKind::NotYetValid])?;
    let skew = skew(case).filter(|skew| !skew.is_servers())?;
    let valid = shown.report.chain.iter().all(|certificate| {
        certificate.not_before.is_none_or(|from| from <= skew.date)
            && certificate.not_after.is_none_or(|to| skew.date <= to)
    });
    // The roots' dates are not in the chain; where they are the trouble, the chain itself is valid now.
    let now = case.evidence.observed_at;
    let chain_is_it = shown.report.chain.iter().any(|certificate| {
        certificate.not_before.is_some_and(|from| now < from) || certificate.not_after.is_some_and(|to| to < now)
    });
    (valid && chain_is_it).then_some(skew)
}

/// What a certificate is that nobody made for this server, by the names that its maker gives it.
pub fn default_certificate(report: &TlsReport) -> Option<&'static str> {
    let leaf = report.chain.first()?;
    let named = |name: &str| leaf.common_names.iter().any(|common| common == name);
    if named("Kubernetes Ingress Controller Fake Certificate") || leaf.names.iter().any(|name| name == "ingress.local")
    {
        return Some("ingress-nginx");
    }
    if named("TRAEFIK DEFAULT CERT") || leaf.names.iter().any(|name| name.ends_with(".traefik.default")) {
        return Some("Traefik");
    }
    None
}

/// Products that break TLS open to look inside, by the names of the authorities that they sign with. Anonymised evidence
/// keeps these names (`evidence/anonymise/known.rs`).
pub const INTERCEPTORS: &[(&str, &str)] = &[
    ("zscaler", "Zscaler"),
    ("netskope", "Netskope"),
    ("goskope", "Netskope"),
    ("palo alto networks", "Palo Alto Networks"),
    ("fortinet", "Fortinet"),
    ("fortigate", "FortiGate"),
    ("cisco umbrella", "Cisco Umbrella"),
    ("blue coat", "Blue Coat"),
    ("bluecoat", "Blue Coat"),
    ("forcepoint", "Forcepoint"),
    ("websense", "Websense"),
    ("mcafee web gateway", "McAfee Web Gateway"),
    ("skyhigh", "Skyhigh"),
    ("sophos", "Sophos"),
    ("check point", "Check Point"),
    ("barracuda", "Barracuda"),
    ("cato networks", "Cato Networks"),
    ("iboss", "iboss"),
    ("kaspersky", "Kaspersky"),
    ("avast", "Avast"),
    ("avg web/mail shield", "AVG"),
    ("eset ssl filter", "ESET"),
    ("bitdefender", "Bitdefender"),
    ("mitmproxy", "mitmproxy"),
    ("portswigger", "Burp Suite"),
    ("charles proxy", "Charles"),
    ("fiddler", "Fiddler"),
    ("squid", "Squid"),
];

/// The product whose authority signed one of the presented certificates.
pub fn interceptor(report: &TlsReport) -> Option<&'static str> {
    report.chain.iter().find_map(|certificate| {
        let issuer = certificate.issuer.to_lowercase();
        INTERCEPTORS.iter().find(|(mark, _)| issuer.contains(mark)).map(|(_, product)| *product)
    })
}

/// What answers in the API server's place, as far as its answer tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answerer {
    /// An API server, or Rancher, which speaks for many.
    Kubernetes,
    /// It sends elsewhere: the place.
    Redirect(String),
    /// A page that asks people to log in.
    Login,
    /// An ingress controller without a route for the name.
    NoRoute,
    /// Another page.
    Page,
    /// JSON of something else.
    Json,
    /// Anything else.
    Other,
}

/// Tells what answers, from one answer to `GET /version`.
pub fn answerer(answer: &HttpAnswer) -> Answerer {
    let kind = answer.content_type.as_deref().unwrap_or_default();
    let body = answer.body.trim_start();
    if answer.is_of_kubernetes() || is_rancher(answer) {
        return Answerer::Kubernetes;
    }
    if (300..400).contains(&answer.status)
        && let Some(location) = &answer.location
    {
        return Answerer::Redirect(location.clone());
    }
    let low = body.to_lowercase();
    if body.starts_with("default backend - 404")
        || answer.status == 404 && (body.trim_end() == "404 page not found" || low.contains("<center>nginx"))
    {
        return Answerer::NoRoute;
    }
    let page = kind.starts_with("text/html") || low.starts_with("<!doctype html") || low.starts_with("<html");
    let asks = ["type=\"password\"", "sign in", "log in", "login", "single sign-on", "<form"];
    match page {
        true if asks.iter().any(|mark| low.contains(mark)) => Answerer::Login,
        true => Answerer::Page,
        false if kind.contains("json") || body.starts_with('{') => Answerer::Json,
        false => Answerer::Other,
    }
}

/// Rancher's own words to whoever is not logged in; it passes the others on to the cluster.
fn is_rancher(answer: &HttpAnswer) -> bool {
    let body: Option<serde_json::Value> = serde_json::from_str(&answer.body).ok();
    body.is_some_and(|body| {
        body.get("type").is_some_and(|kind| kind == "error")
            && (body.get("baseType").is_some_and(|kind| kind == "error") || answer.status == 401)
    })
}

/// Who gave a 5xx, and what it means there; nothing where it may be the API server itself.
pub fn balancer(answer: &HttpAnswer) -> Option<(&'static str, &'static str)> {
    if answer.is_of_kubernetes() {
        return None;
    }
    let server = answer.server.as_deref().unwrap_or_default();
    let body = answer.body.to_lowercase();
    let meaning = match answer.status {
        502 => {
            "it reached the API server's port and got no proper answer: the target closed the connection, or TLS between them failed"
        }
        503 if body.starts_with("upstream connect error") => {
            "it could not connect to the API server, or the connection was reset"
        }
        503 => "it has nobody to pass the request to (no healthy target), or is told to refuse for now",
        504 => {
            "its target did not answer in time: the API server hangs, or a security group or firewall stands between them"
        }
        _ => "it failed itself",
    };
    if server.starts_with("awselb") {
        return Some(("an AWS load balancer", meaning));
    }
    if body.starts_with("upstream connect error")
        || body.starts_with("no healthy upstream")
        || server.starts_with("istio-envoy")
        || server == "envoy"
    {
        return Some(("Envoy (Istio, or another mesh or gateway)", meaning));
    }
    if server.starts_with("nginx") || server.starts_with("openresty") || body.contains("<center>nginx") {
        return Some(("nginx", meaning));
    }
    if body.contains("no server is available to handle this request") {
        return Some(("HAProxy", meaning));
    }
    if server.starts_with("cloudflare") {
        return Some(("Cloudflare", meaning));
    }
    let page = answer.content_type.as_deref().unwrap_or_default().starts_with("text/html") || body.starts_with("<html");
    page.then_some(("a balancer or proxy", meaning))
}
