//! Failures of TLS in words, with both sides.

use rustls::{Error, InvalidMessage};

use super::Recorder;
use crate::evidence::tls::TlsReport;
use crate::evidence::{Failure, FailureKind};

/// The failure for a credential that was held back, with the first fault's sides.
pub fn distrust(report: &TlsReport) -> Failure {
    let mut failure = match report.faults.first() {
        Some(fault) => {
            let mut failure = Failure::new(FailureKind::Tls, fault.detail.clone());
            failure.expected.clone_from(&fault.expected);
            failure.seen.clone_from(&fault.seen);
            failure
        }
        None => Failure::new(FailureKind::Tls, "the server showed no certificate"),
    };
    failure.detail.push_str("; no credential is sent to a server that is not trusted");
    failure
}

/// A rustls error in words, with both sides.
pub fn tls_failure(error: &Error) -> Failure {
    use rustls::AlertDescription as Alert;
    let tls = |detail: &str| Failure::new(FailureKind::Tls, detail);
    match error {
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            Failure::new(FailureKind::Protocol, "the server speaks plain HTTP on this port")
                .sides("a TLS handshake", "bytes that are not TLS (an HTTP server without TLS answers so)")
        }
        Error::AlertReceived(alert) => {
            let kind = match alert {
                Alert::CertificateRequired => FailureKind::ClientCertificateDemanded,
                Alert::ProtocolVersion | Alert::HandshakeFailure | Alert::InsufficientSecurity => {
                    FailureKind::TlsVersion
                }
                _ => FailureKind::Tls,
            };
            let detail = match alert {
                Alert::CertificateRequired => "the server demands a client certificate and none was sent",
                Alert::BadCertificate
                | Alert::UnknownCA
                | Alert::UnsupportedCertificate
                | Alert::CertificateExpired
                | Alert::CertificateRevoked
                | Alert::CertificateUnknown => "the server refused the client certificate, or demands one",
                Alert::ProtocolVersion => "the server speaks no TLS version that is still in use (1.2 or 1.3)",
                Alert::HandshakeFailure | Alert::InsufficientSecurity => {
                    "the server and kaccess have no cipher suite, key exchange or signature algorithm in common"
                }
                Alert::UnrecognisedName => "the server knows no site of the name that was sent (SNI)",
                Alert::NoApplicationProtocol => "the server speaks neither HTTP/2 nor HTTP/1.1 by ALPN",
                Alert::AccessDenied => "the server denied access in the TLS handshake",
                Alert::InternalError => "the server met an internal error in the TLS handshake",
                _ => "the server ended TLS with an alert",
            };
            Failure::new(kind, detail).sides("a completed handshake", format!("TLS alert {alert:?}"))
        }
        Error::InvalidCertificate(problem) => {
            tls("the server's certificate cannot be used").sides("a usable certificate", format!("{problem:?}"))
        }
        Error::NoCertificatesPresented => tls("the server showed no certificate"),
        Error::PeerIncompatible(what) => {
            Failure::new(FailureKind::TlsVersion, "the server cannot do what kaccess needs in TLS")
                .sides("TLS 1.2 or 1.3", format!("{what:?}"))
        }
        Error::PeerMisbehaved(what) => {
            tls("the server breaks the rules of TLS").sides("a handshake by the standard", format!("{what:?}"))
        }
        Error::InvalidMessage(what) => Failure::new(FailureKind::Protocol, "the server's bytes are not valid TLS")
            .sides("a TLS message", format!("{what:?}")),
        Error::DecryptError => tls("a TLS message could not be decrypted: something between changed it"),
        other => tls(&format!("TLS failed: {other}")),
    }
}

/// A handshake's failure, where the server had asked for a client certificate and got none: TLS 1.2 has no alert of its
/// own for that, and every server sends another one.
pub fn handshake_failure(failure: Failure, error: Option<&Error>, recorder: &Recorder) -> Failure {
    use rustls::AlertDescription as Alert;
    let refused = matches!(
        error,
        Some(Error::AlertReceived(
            Alert::HandshakeFailure
                | Alert::BadCertificate
                | Alert::CertificateUnknown
                | Alert::UnknownCA
                | Alert::AccessDenied
                | Alert::NoCertificate
        ))
    );
    if !refused || recorder.report().asks_client_certificate != Some(true) {
        return failure;
    }
    let seen = failure.seen.unwrap_or_default();
    Failure::new(
        FailureKind::ClientCertificateDemanded,
        "the server asked for a client certificate and ended the handshake when none was sent",
    )
    .sides("a completed handshake", format!("{seen} after a request for a client certificate"))
}
