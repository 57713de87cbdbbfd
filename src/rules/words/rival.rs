//! Lines about authenticators that do not come up, and what was met at the issuer from here.

use jiff::Timestamp;

use super::Word;
use crate::apiserver::message;
use crate::evidence::Issuer;

/// A line about an authenticator that does not come up.
pub(super) struct Rival {
    /// What it says.
    pub(super) kind: (&'static str, String),
    /// It names this issuer.
    pub(super) ours: bool,
    /// kaccess met the same at this issuer.
    pub(super) met_here: bool,
    /// When it was said last.
    pub(super) last: Option<Timestamp>,
}

/// What a line says, in whichever log it stands.
pub(super) fn kind(word: &Word) -> (&'static str, String) {
    (word.text.name, word.field("status").to_owned())
}

/// Whether kaccess itself met at the discovery URL what a line tells of.
pub(super) fn met_here(word: &Word, probes: &Issuer) -> bool {
    if *word.text == message::OIDC_INIT_CLOSED && word.field("error").starts_with("stopped after ") {
        return probes.discovery.failed().is_some_and(|failure| failure.detail.contains(" redirects more than "));
    }
    let mut seen = [probes.discovery.seen(), probes.discovery_as_control_plane.seen()].into_iter().flatten();
    seen.any(|discovery| {
        let document = discovery.answer.status == 200 && discovery.unparsable.is_none();
        if *word.text == message::OIDC_INIT_HTTP {
            word.field("status") == discovery.answer.status.to_string()
        } else if *word.text == message::OIDC_DISCOVERY_NOT_JSON {
            discovery.answer.status == 200 && discovery.unparsable.is_some()
        } else {
            *word.text == message::JWKS_URI_MISSING && document && discovery.jwks_uri.is_none()
        }
    })
}

/// Whether what kaccess itself met at the discovery URL speaks against a line. What may depend on who asks (an allow-list, a
/// limit, a path that only some see) does not; a login or a page does where another issuer's may be meant.
pub(super) fn refuted_here(word: &Word, probes: &Issuer, only: bool) -> bool {
    let mut seen = [probes.discovery.seen(), probes.discovery_as_control_plane.seen()].into_iter().flatten();
    seen.any(|discovery| {
        let document = discovery.answer.status == 200 && discovery.unparsable.is_none();
        if *word.text == message::OIDC_INIT_HTTP {
            match word.field("status") {
                "401" => !only && document,
                status => status.starts_with('5') && discovery.answer.status < 500,
            }
        } else if *word.text == message::OIDC_DISCOVERY_NOT_JSON {
            !only && document
        } else {
            *word.text == message::JWKS_URI_MISSING && document && discovery.jwks_uri.is_some()
        }
    })
}
