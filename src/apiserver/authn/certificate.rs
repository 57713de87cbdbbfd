//! Client certificates: whose they are, apart from whether they are trusted.

use std::collections::BTreeMap;

use super::{CREDENTIAL_ID, with_authenticated};
use crate::evidence::identity::User;
use crate::evidence::tls::CertificateFacts;

/// The user that a client certificate names: the last common name, every organisation a group.
///
/// `None` without a common name: the server then has no opinion and goes on to the next authenticator.
pub fn view(certificate: &CertificateFacts) -> Option<User> {
    let name = certificate.common_names.last().filter(|name| !name.is_empty())?;
    let mut extra = BTreeMap::new();
    if !certificate.sha256.is_empty() {
        extra.insert(CREDENTIAL_ID.to_owned(), vec![format!("X509SHA256={}", certificate.sha256)]);
    }
    Some(with_authenticated(User {
        username: name.clone(),
        uid: String::new(),
        groups: certificate.organizations.clone(),
        extra,
    }))
}
