//! What one handshake showed, and whether a credential may go.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::roots::Anchors;
use crate::credential::certificate::name_from_der;
use crate::evidence::tls::TlsReport;

/// What one handshake showed.
#[derive(Debug, Clone)]
pub struct Recorder {
    pub(super) insecure: bool,
    report: Arc<Mutex<TlsReport>>,
    pub(super) judged: Arc<AtomicBool>,
}

impl Recorder {
    pub(super) fn new(anchors: &Anchors, insecure: bool) -> Self {
        let report =
            TlsReport { roots: anchors.label.to_owned(), root_count: anchors.roots.len(), ..TlsReport::default() };
        Self { insecure, report: Arc::new(Mutex::new(report)), judged: Arc::default() }
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut TlsReport)) {
        change(&mut self.report.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Notes that the server asks for a client certificate, and of whom.
    pub(super) fn asked(&self, hints: &[&[u8]]) {
        // A server may name hundreds; what matters are a cluster's own.
        let names = hints.iter().take(50).filter_map(|der| name_from_der(der)).collect();
        self.change(|report| {
            report.asks_client_certificate = Some(true);
            report.client_authorities = names;
        });
    }

    /// What was seen up to now; the last handshake's, where several share a configuration.
    pub fn report(&self) -> TlsReport {
        self.report.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The server was judged and has no fault, or verification is off: a credential may go.
    pub fn trusted(&self) -> bool {
        self.judged.load(Ordering::Acquire) && (self.insecure || self.report().faults.is_empty())
    }

    /// The server has been judged and has a fault that forbids credentials.
    pub fn distrusted(&self) -> bool {
        self.judged.load(Ordering::Acquire) && !self.trusted()
    }

    /// Adds what only the connection knows: version and ALPN protocol.
    pub fn observe(&self, connection: &rustls::ClientConnection) {
        self.change(|report| {
            report.version = connection.protocol_version().map(|version| format!("{version:?}")).unwrap_or_default();
            report.alpn = connection.alpn_protocol().map(|protocol| String::from_utf8_lossy(protocol).into_owned());
            report.asks_client_certificate.get_or_insert(false);
        });
    }
}
