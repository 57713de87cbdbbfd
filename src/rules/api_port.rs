//! What the API server's port showed of itself, for the rules that read it: faults of the certificate, names, who signed it.

pub use super::clock::{skew, span};
use super::{Case, Place, Word};
use crate::apiserver::message::Text;
use crate::evidence::Failure;
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

/// The server ended TLS because it knows no site of the name that is sent, none being set in the kubeconfig.
pub fn name_refused<'e>(case: &Case<'e>) -> Option<(&'e Failure, Citation)> {
    let evidence = case.evidence;
    let failure = evidence.endpoint.tls.failed()?;
    let seen = failure.seen.as_deref().filter(|seen| seen.ends_with("UnrecognisedName"))?;
    let cluster = evidence.kubeconfig.seen().and_then(|kubeconfig| kubeconfig.cluster.as_ref());
    cluster
        .is_none_or(|cluster| cluster.tls_server_name.is_none())
        .then(|| (failure, probed("/endpoint/tls/failed/seen", format!("{}: {seen}", failure.detail))))
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
