//! The client certificate and its key, which signs nothing for a server that is not trusted.

use std::sync::Arc;

use rustls::client::ResolvesClientCert;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, Signer, SigningKey};
use rustls::{Error, SignatureAlgorithm, SignatureScheme};

use super::{Recorder, provider};
use crate::collect::{ClientIdentity, key_pair};
use crate::credential::certificate::facts_from_der;
use crate::evidence::{Failure, FailureKind};

/// The smallest RSA key that aws-lc-rs signs with, in bits.
const SMALLEST_RSA: usize = 2048;

pub(super) fn certified_key(identity: &ClientIdentity) -> Result<CertifiedKey, Failure> {
    let malformed = |detail: &str| Failure::new(FailureKind::Malformed, detail);
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(identity.chain_pem.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|_| malformed("the client certificate is not valid PEM"))?;
    let Some(leaf) = chain.first() else {
        return Err(malformed("the client certificate holds no PEM block of type CERTIFICATE"));
    };
    let subject = facts_from_der(leaf)
        .map(|leaf| leaf.subject)
        .map_err(|_| malformed("the client certificate is not an X.509 certificate"))?;
    let pem = identity.key_pem.expose();
    let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| {
        malformed(if pem.contains("ENCRYPTED") {
            "the client key is encrypted; Kubernetes clients read only plain keys"
        } else {
            "the client key is not a PEM private key"
        })
    })?;
    // rustls' texts name kinds of keys, never their bytes.
    let key = provider().key_provider.load_private_key(key).map_err(|error| match key_pair::rsa_bits(leaf) {
        Some(bits) if bits < SMALLEST_RSA => Failure::new(
            FailureKind::Declined,
            format!(
                "kaccess signs with no RSA key of {bits} bits, which is not safe any more; kubectl still does, so that \
                 it may get in"
            ),
        )
        .sides(format!("an RSA key of {SMALLEST_RSA} bits or more"), format!("{bits} bits")),
        _ => malformed("the client key cannot be used: broken, or of a kind or size that is not safe any more")
            .sides("RSA of 2048 to 8192 bits, ECDSA P-256, P-384 or P-521, or Ed25519", error.to_string()),
    })?;
    // Only the keys are compared here: what else a certificate says, the server judges (rustls reads fewer than Go).
    if key_pair::belongs(leaf, key.as_ref()) == Some(false) {
        return Err(malformed("the client key does not belong to the client certificate")
            .sides(format!("the key of {subject}"), "the key of another certificate"));
    }
    Ok(CertifiedKey::new(chain, key))
}

/// Sends the certificate whatever authorities the server names, as Go does.
#[derive(Debug)]
pub(super) struct Identity(pub(super) Arc<CertifiedKey>, pub(super) Recorder);

impl ResolvesClientCert for Identity {
    fn resolve(&self, hints: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.1.asked(hints);
        Some(self.0.clone())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// Sends no certificate, and notes whose certificates the server asks for.
#[derive(Debug)]
pub(super) struct NoIdentity(pub(super) Recorder);

impl ResolvesClientCert for NoIdentity {
    fn resolve(&self, hints: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.asked(hints);
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}

/// Signs only for a server that is trusted: the signature is the proof of who we are.
#[derive(Debug)]
pub(super) struct GuardedKey {
    pub(super) inner: Arc<dyn SigningKey>,
    pub(super) recorder: Recorder,
}

impl SigningKey for GuardedKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        let inner = self.inner.choose_scheme(offered)?;
        Some(Box::new(GuardedSigner { inner, recorder: self.recorder.clone() }))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.inner.algorithm()
    }
}

#[derive(Debug)]
struct GuardedSigner {
    inner: Box<dyn Signer>,
    recorder: Recorder,
}

impl Signer for GuardedSigner {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        if !self.recorder.trusted() {
            return Err(Error::General("the server is not trusted".to_owned()));
        }
        self.inner.sign(message)
    }

    fn scheme(&self) -> SignatureScheme {
        self.inner.scheme()
    }
}
