//! rustls' verifier: it judges and records, and never ends the handshake for a chain.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use jiff::Timestamp;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};

use super::judgement::{Judgement, facts_or_shell, fault};
use super::roots::{Anchors, SystemRoots};
use super::{CHAIN_LIMIT, Recorder, provider};
use crate::evidence::tls::TlsFaultKind;

#[derive(Debug)]
pub(super) struct Verifier {
    pub(super) anchors: Arc<Anchors>,
    /// Asked only where the roots that count know no authority for the chain.
    pub(super) system: SystemRoots,
    pub(super) name: Option<ServerName<'static>>,
    pub(super) recorder: Recorder,
}

impl Verifier {
    /// A bad handshake signature is one more fault; with verification off it ends the handshake, as in Go.
    fn signature(&self, verdict: Result<HandshakeSignatureValid, Error>) -> Result<HandshakeSignatureValid, Error> {
        match verdict {
            Err(error) if !self.recorder.insecure => {
                let proved_wrong = matches!(error, Error::InvalidCertificate(CertificateError::BadSignature));
                let detail = if proved_wrong {
                    "the server could not prove that it holds the certificate's key"
                } else {
                    "kaccess cannot check the server's proof that it holds the certificate's key, so it does not trust it"
                };
                let kind = if proved_wrong { TlsFaultKind::Other } else { TlsFaultKind::Undecided };
                self.recorder.change(|report| {
                    report.faults.push(fault(kind, detail, "a signature by the certificate's key", error.to_string()));
                });
                Ok(HandshakeSignatureValid::assertion())
            }
            verdict => verdict,
        }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let name = self.name.clone().unwrap_or_else(|| server_name.to_owned()).to_str().into_owned();
        let intermediates = &intermediates[..intermediates.len().min(CHAIN_LIMIT)];
        let now = Timestamp::from_second(i64::try_from(now.as_secs()).unwrap_or(i64::MAX)).unwrap_or(Timestamp::MAX);
        let judgement = Judgement { anchors: &self.anchors, leaf, intermediates, name: &name, now };
        let faults = if self.recorder.insecure { Vec::new() } else { judgement.faults() };
        let foreign = faults
            .iter()
            .any(|fault| matches!(fault.kind, TlsFaultKind::UnknownAuthority | TlsFaultKind::AuthorityKeyDiffers));
        let by_system = (foreign && self.anchors.label != "system")
            .then(|| Judgement { anchors: &self.system.anchors(), ..judgement }.trusts_chain());
        let chain = std::iter::once(leaf).chain(intermediates).map(|der| facts_or_shell(der)).collect();
        self.recorder.change(|report| {
            report.server_name = name.clone();
            report.chain = chain;
            report.faults = faults;
            report.trusted_by_system = by_system;
        });
        self.recorder.judged.store(true, Ordering::Release);
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &provider().signature_verification_algorithms;
        self.signature(rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &provider().signature_verification_algorithms;
        self.signature(rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}
