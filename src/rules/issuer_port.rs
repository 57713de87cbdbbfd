//! What the issuer's port showed of its certificate, and what the API server's log says of it, for the rules that name the
//! fault.

use super::Case;
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

/// The API server tries again by itself.
pub fn again() -> Step {
    Step::command("The API server tries again every 10 s; then", "kaccess doctor")
}
