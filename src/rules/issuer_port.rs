//! What the issuer's port showed of its certificate, and what the API server's log says of it, for the rules that name the
//! fault.

use super::{Case, Word};
use crate::apiserver::message;
use crate::evidence::tls::{CertificateFacts, TlsFault, TlsFaultKind};
use crate::report::{Citation, Confidence, Step, probed};

/// A fault of the issuer's certificate that keeps the API server from its documents.
#[derive(Debug)]
pub struct Broken<'c> {
    /// How sure it is that the API server meets it.
    pub confidence: Confidence,
    /// What says so.
    pub first: Citation,
    /// Go's words for it, where the API server's log holds them.
    pub said: Option<&'c str>,
    /// The fault as this machine met it, with its citation.
    pub met: Option<(&'c TlsFault, Citation)>,
    /// The certificate that answered here.
    pub leaf: Option<&'c CertificateFacts>,
    /// The issuer's host.
    pub host: String,
}

/// The fault that the API server's log has in words that `fits`, or that this machine met as one of these kinds while the
/// authenticator is not up.
pub fn broken<'c>(case: &'c Case<'_>, fits: fn(&str) -> bool, kinds: &[TlsFaultKind]) -> Option<Broken<'c>> {
    if case.accepted() || case.initialized() {
        return None;
    }
    let (probes, at) = case.issuer();
    let said = case.said(&message::OIDC_INIT_X509).filter(|word| fits(word.field("error")));
    // Whoever reads this certificate meets the fault, the control plane too.
    let tls = probes.tls.seen();
    let met = tls.and_then(|tls| tls.faults.iter().enumerate().find(|(_, fault)| kinds.contains(&fault.kind)));
    let (confidence, first) = match (said, met, case.not_initialized()) {
        (Some(word), ..) => (word.sure(), word.cite()),
        (None, Some(_), Some((cite, confidence))) if case.logged_discovery_status().is_none() => (confidence, cite),
        _ => return None,
    };
    Some(Broken {
        confidence,
        first,
        said: said.map(|word| word.field("error")),
        met: met.map(|(index, fault)| (fault, probed(format!("{at}/tls/seen/faults/{index}"), fault.detail.clone()))),
        leaf: tls.and_then(|tls| tls.chain.first()),
        host: probes.target.seen().map_or_else(|| "the issuer".to_owned(), |target| target.host.clone()),
    })
}

/// By its configuration the API server goes to the token's issuer as an egress selection says (egressSelectorType), which
/// may name a proxy.
pub fn by_egress_selection(case: &Case<'_>) -> bool {
    case.authenticator().is_some_and(|jwt| !jwt.issuer.egress_selector.is_empty())
}

/// Who refused the connection that the API server opened on its way to the issuer, where that is no port of the issuer's.
/// The proxy of the API server's own environment has "proxyconnect" before it.
pub fn another_port<'w>(case: &Case<'_>, word: &'w Word) -> Option<&'w str> {
    let address = word.field("address");
    let port: u16 = address.rsplit_once(':')?.1.parse().ok()?;
    let of = |url: &str| url::Url::parse(url).ok().and_then(|url| url.port_or_known_default());
    let named = of(word.field("url"))?;
    // The log names the issuer's URL where its document is read at another one.
    let asked = case.issuer().0.target.seen().and_then(|target| of(target.asked()));
    let discovery = case.authenticator().and_then(|jwt| of(jwt.issuer.discovery_url.as_deref()?));
    (named != port && asked != Some(port) && discovery != Some(port)).then_some(address)
}

/// The API server tries again by itself.
pub fn again() -> Step {
    Step::command("The API server tries again every 10 s; then", "kaccess doctor")
}
