//! The certificate, as the handshake from here shows it.

use super::{Layer, Passage, Reach, push};
use crate::evidence::tls::TlsFaultKind;
use crate::evidence::{Grade, Issuer};

/// The certificate is trusted from here.
pub(super) fn judge(issuer: &Issuer, at: &str, reach: &mut Reach) {
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
