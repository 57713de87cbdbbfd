//! What Go says of a certificate chain: `x509.ParseCertificate` and `Certificate.Verify`, word for word.
//!
//! kube-apiserver, kubectl and every controller are Go programs; rustls-webpki differs from them in many odd
//! certificates, and never in the same words. Modelled on crypto/x509 of Go 1.26. Times are printed in UTC, where Go
//! prints its machine's zone.
//!
//! Pure: bytes and a moment in, a verdict out. What nothing here can verify (P-224, RSA keys of 1024 bits with PSS or
//! SHA-384, RSA keys above 8192 bits) gives [`ChainVerdict::Undecided`], unless it does not matter.

mod constraints;
mod der;
mod hostname;
mod keys;
mod parse;
mod policies;
mod uri;
mod verify;

use std::collections::HashSet;
use std::sync::Arc;

use x509_parser::num_bigint::BigUint;

use crate::evidence::tls::{ChainVerdict, PeerFacts};

pub use verify::{Options, Usage, verify};

/// Why bytes are no certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Go's text.
    #[error("{0}")]
    Go(String),
    /// Whether Go takes it cannot be said; why not.
    #[error("{0}")]
    Undecided(String),
}

impl ParseError {
    fn go(text: &str) -> Self {
        Self::Go(text.to_owned())
    }
}

/// What a subject says about a user.
#[derive(Debug, Clone, Default)]
struct Subject {
    /// The last one counts.
    common_name: String,
    organizations: Vec<String>,
    uids: Vec<String>,
}

#[derive(Debug, Clone, Copy)]
struct BasicConstraints {
    ca: bool,
    path_length: Option<u64>,
}

/// A certificate that Go can parse.
#[derive(Debug, Clone)]
pub struct Certificate {
    sha256: String,
    /// 1 to 3.
    version: u8,
    /// Big-endian, not negative.
    serial: Vec<u8>,
    signed: Vec<u8>,
    algorithm: keys::Algorithm,
    signature: Vec<u8>,
    raw_issuer: Vec<u8>,
    raw_subject: Vec<u8>,
    subject: Subject,
    not_before: der::Time,
    not_after: der::Time,
    public_key_info: Vec<u8>,
    key: Option<keys::Key>,
    subject_key_id: Vec<u8>,
    authority_key_id: Vec<u8>,
    basic_constraints: Option<BasicConstraints>,
    /// A key usage without the right to sign certificates.
    restricted_usage: bool,
    extended_usages: Vec<Vec<u8>>,
    /// The extension as it is, when present.
    san: Option<Vec<u8>>,
    dns_names: Vec<String>,
    emails: Vec<String>,
    ips: Vec<Vec<u8>>,
    uris: Vec<uri::Uri>,
    /// Permitted and excluded.
    name_constraints: Option<(constraints::Subtrees, constraints::Subtrees)>,
    policies: policies::Policies,
    unhandled_critical: bool,
}

impl Default for Certificate {
    fn default() -> Self {
        let never = der::Time { seconds: 0, offset: 0 };
        Self {
            sha256: String::new(),
            version: 1,
            serial: Vec::new(),
            signed: Vec::new(),
            algorithm: keys::Algorithm::Unknown,
            signature: Vec::new(),
            raw_issuer: Vec::new(),
            raw_subject: Vec::new(),
            subject: Subject::default(),
            not_before: never,
            not_after: never,
            public_key_info: Vec::new(),
            key: None,
            subject_key_id: Vec::new(),
            authority_key_id: Vec::new(),
            basic_constraints: None,
            restricted_usage: false,
            extended_usages: Vec::new(),
            san: None,
            dns_names: Vec::new(),
            emails: Vec::new(),
            ips: Vec::new(),
            uris: Vec::new(),
            name_constraints: None,
            policies: policies::Policies::default(),
            unhandled_critical: false,
        }
    }
}

impl Certificate {
    /// Parses one certificate in DER as Go's `x509.ParseCertificate` does.
    ///
    /// # Errors
    /// Go's text, or that it is undecided.
    pub fn parse(der: &[u8]) -> Result<Self, ParseError> {
        parse::certificate(der)
    }

    /// Lower-case hex SHA-256 of the DER, as in [`ChainVerdict::Accepted`].
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// What kube-apiserver's authenticators read from a client's certificate.
    pub fn peer_facts(&self) -> PeerFacts {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":");
        PeerFacts {
            common_name: self.subject.common_name.clone(),
            organizations: self.subject.organizations.clone(),
            uids: self.subject.uids.clone(),
            serial: self.serial_text(),
            subject_key_id: hex(&self.subject_key_id),
            authority_key_id: hex(&self.authority_key_id),
            sha256: self.sha256.clone(),
        }
    }

    /// Start and end of its validity.
    pub fn validity(&self) -> (jiff::Timestamp, jiff::Timestamp) {
        let moment = |time: der::Time, or| jiff::Timestamp::from_second(time.seconds).unwrap_or(or);
        (moment(self.not_before, jiff::Timestamp::MIN), moment(self.not_after, jiff::Timestamp::MAX))
    }

    /// `VerifyHostname`: it is for this name or address.
    ///
    /// # Errors
    /// Go's text.
    pub fn verify_hostname(&self, host: &str) -> Result<(), String> {
        hostname::verify(self, host)
    }

    /// Why no client can prove by TLS 1.3 to a Go server that the certificate is its own; nothing where one can.
    ///
    /// The server's verdict of the chain does not look at this: it comes only after the handshake.
    pub fn unusable_in_tls(&self) -> Option<&'static str> {
        match &self.key {
            Some(keys::Key::Ec(keys::Curve::P224, _)) => Some(
                "its key is on the curve P-224, with which nobody can sign in TLS 1.3 (kubectl: unsupported certificate curve)",
            ),
            Some(keys::Key::Dsa) => Some("its key is a DSA key, with which nobody can sign in TLS 1.3"),
            None => {
                Some("its key is of a kind that Go does not know, as Ed448 is (kubectl: failed to parse private key)")
            }
            Some(keys::Key::Rsa(..) | keys::Key::Ec(..) | keys::Key::Ed25519(_)) => None,
        }
    }

    /// Issuer and subject are the same name.
    pub fn is_self_issued(&self) -> bool {
        self.raw_issuer == self.raw_subject
    }

    /// The other certificate's subject is this one's issuer; whose key signed it is another question.
    pub fn is_named_issuer(&self, issuer: &Certificate) -> bool {
        self.raw_issuer == issuer.raw_subject
    }

    /// The other one's key made this one's signature, whatever else forbids it; what cannot be verified is `false`.
    pub fn is_signed_with_key_of(&self, issuer: &Certificate) -> bool {
        let check = issuer.key.as_ref().map(|key| self.algorithm.check(&self.signed, &self.signature, key));
        check == Some(keys::Check::Good)
    }

    /// The serial number, decimal.
    fn serial_text(&self) -> String {
        BigUint::from_bytes_be(&self.serial).to_string()
    }
}

/// Certificates in which parents are sought: Go's `CertPool`.
#[derive(Debug, Clone, Default)]
pub struct Pool {
    certificates: Vec<Arc<Certificate>>,
    known: HashSet<String>,
}

impl Pool {
    /// A pool of these certificates; what cannot be parsed is left out and told, as `AppendCertsFromPEM` leaves it out.
    pub fn from_ders<'a>(ders: impl IntoIterator<Item = &'a [u8]>) -> (Self, Vec<ParseError>) {
        let (mut pool, mut errors) = (Self::default(), Vec::new());
        for der in ders {
            match Certificate::parse(der) {
                Ok(certificate) => pool.add(Arc::new(certificate)),
                Err(error) => errors.push(error),
            }
        }
        (pool, errors)
    }

    /// Adds a certificate unless it is there already.
    pub fn add(&mut self, certificate: Arc<Certificate>) {
        if self.known.insert(certificate.sha256.clone()) {
            self.certificates.push(certificate);
        }
    }

    /// How many certificates.
    pub fn len(&self) -> usize {
        self.certificates.len()
    }

    /// No certificate at all.
    pub fn is_empty(&self) -> bool {
        self.certificates.is_empty()
    }

    /// This very certificate is in it.
    pub fn contains(&self, certificate: &Certificate) -> bool {
        self.known.contains(&certificate.sha256)
    }

    /// Who may have signed it, in Go's order: by how well the key ids fit, then as they were added.
    fn parents(&self, child: &Certificate) -> Vec<&Certificate> {
        let mut parents: Vec<(u8, &Certificate)> = self
            .certificates
            .iter()
            .filter(|candidate| candidate.raw_subject == child.raw_issuer)
            .map(|candidate| {
                let (subject, authority) = (&candidate.subject_key_id, &child.authority_key_id);
                let rank = if subject == authority {
                    0
                } else if subject.is_empty() || authority.is_empty() {
                    1
                } else {
                    2
                };
                (rank, candidate.as_ref())
            })
            .collect();
        parents.sort_by_key(|(rank, _)| *rank);
        parents.into_iter().map(|(_, candidate)| candidate).collect()
    }
}

/// What a Go server makes of a client's certificates in DER, leaf first: the facts of the leaf and the verdict.
///
/// # Errors
/// A certificate that cannot be parsed: the server then ends the handshake with
/// `tls: failed to parse client certificate` and never asks who it is.
pub fn verify_client(
    presented: &[&[u8]],
    roots: &Pool,
    now: jiff::Timestamp,
) -> Result<Option<(PeerFacts, ChainVerdict)>, ParseError> {
    let parsed = presented.iter().map(|der| Certificate::parse(der)).collect::<Result<Vec<_>, _>>()?;
    let mut rest = parsed.into_iter();
    let Some(leaf) = rest.next() else { return Ok(None) };
    let mut intermediates = Pool::default();
    for certificate in rest {
        intermediates.add(Arc::new(certificate));
    }
    let options = Options { usages: vec![Usage::ClientAuth], host: None, now };
    Ok(Some((leaf.peer_facts(), verify(&leaf, &intermediates, roots, &options))))
}

#[cfg(test)]
mod tests;
