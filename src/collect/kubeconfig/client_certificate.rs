//! The client certificate and its key, from flags or entry, checked as Go's tls.X509KeyPair does.

use std::path::{Path, PathBuf};

use super::file::{Entry, RawUser, read_limited};
use super::user::Refused;
use super::{Loader, UserSecrets};
use crate::collect::ClientIdentity;
use crate::collect::key_pair::{self, KeyPairFault};
use crate::evidence::credential::CredentialSource;
use crate::evidence::{Failure, FailureKind};

/// The code of a finding and kubectl's words.
type Fault = Box<(&'static str, Failure)>;

/// Where a certificate or a key stands: in a file, in the entry itself, or (which kubectl refuses) in both.
struct Pem<'e> {
    file: String,
    data: &'e [u8],
}

impl<'e> Pem<'e> {
    /// A flag goes before both of the entry.
    fn of(flag: Option<&PathBuf>, file: &str, data: &'e [u8]) -> Self {
        match flag.map(|path| path.to_string_lossy().into_owned()).filter(|path| !path.is_empty()) {
            Some(file) => Self { file, data: &[] },
            None => Self { file: file.to_owned(), data },
        }
    }

    fn is_nowhere(&self) -> bool {
        self.file.is_empty() && self.data.is_empty()
    }

    fn is_in_both(&self) -> bool {
        !self.file.is_empty() && !self.data.is_empty()
    }

    fn read(&self, what: &str, user: &str) -> Result<String, Fault> {
        if !self.data.is_empty() {
            return Ok(String::from_utf8_lossy(self.data).into_owned());
        }
        let bytes = read_limited(Path::new(&self.file)).map_err(|failure| {
            let detail = format!("unable to read {what} {} for {user} due to {}", self.file, failure.detail);
            Box::new(("credential-file-missing", Failure::new(failure.kind, detail)))
        })?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

impl Loader<'_> {
    pub(super) fn add_certificate(&mut self, entry: &Entry<RawUser>, secrets: &mut UserSecrets, refused: &mut Refused) {
        let (user, flag) = (&entry.value, self.flags.client_certificate.is_some());
        match self.client_identity(user, &entry.name) {
            Ok(Some(identity)) => {
                if secrets.source == CredentialSource::None {
                    secrets.source = CredentialSource::ClientCertificate;
                }
                secrets.client_identity = Some(identity);
                if flag && !user.has_certificate() {
                    secrets.methods.push("clientCertificate".to_owned());
                }
                if secrets.source == CredentialSource::ClientCertificate && flag {
                    secrets.origin = "--client-certificate".to_owned();
                }
            }
            Ok(None) => {}
            Err(fault) => {
                let (code, failure) = *fault;
                let line = user.line("client-certificate").or_else(|| user.line("client-certificate-data"));
                refused.push((code, failure, line));
            }
        }
    }

    fn client_identity(&mut self, user: &RawUser, name: &str) -> Result<Option<ClientIdentity>, Fault> {
        let flags = self.flags;
        let certificate =
            Pem::of(flags.client_certificate.as_ref(), &user.client_certificate, &user.client_certificate_data);
        let key = Pem::of(flags.client_key.as_ref(), &user.client_key, &user.client_key_data);
        if certificate.is_nowhere() {
            return Ok(None);
        }
        let malformed = |detail: String| Failure::new(FailureKind::Malformed, detail);
        let twice_certificate =
            format!("client-cert-data and client-cert are both specified for {name}. client-cert-data will override.");
        let twice_key =
            format!("client-key-data and client-key are both specified for {name}; client-key-data will override");
        // kubectl says both at once, in brackets.
        let twice = match (certificate.is_in_both(), key.is_in_both()) {
            (true, true) => Some(format!("[{twice_certificate}, {twice_key}]")),
            (true, false) => Some(twice_certificate),
            (false, true) => Some(twice_key),
            (false, false) => None,
        };
        if let Some(detail) = twice {
            return Err(Box::new(("several-credentials", malformed(detail))));
        }
        if key.is_nowhere() {
            let detail = format!(
                "client-key-data or client-key must be specified for {name} to use the clientCert authentication method."
            );
            return Err(Box::new(("client-key-missing", malformed(detail))));
        }
        let certificate = certificate.read("client-cert", name)?;
        let key = key.read("client-key", name)?;
        self.scrubber.learn(&key);
        match key_pair::pair(&certificate, &key) {
            Ok(identity) => Ok(Some(identity)),
            Err(KeyPairFault::Mismatch) => {
                let failure = malformed("tls: private key does not match public key".to_owned())
                    .sides("the key of the certificate's public key", "another key");
                Err(Box::new(("client-key-mismatch", failure)))
            }
            Err(KeyPairFault::Words(text)) => Err(Box::new(("client-key-mismatch", malformed(text)))),
        }
    }
}
