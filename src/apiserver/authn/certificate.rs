//! Client certificates: whose they are, and what kube-apiserver's two authenticators for them say.
//!
//! Modelled on `pkg/authentication/request/x509/x509.go` and `pkg/authentication/request/headerrequest` of
//! k8s.io/apiserver, which are the same in 1.34, 1.35 and 1.36. Whether a chain is trusted comes in as a fact; there is
//! one verdict per CA bundle, because the two authenticators have different ones. No certificate, or no bundle, is
//! `None`: the authenticator then keeps silent.

use std::collections::BTreeMap;

use super::{CREDENTIAL_ID, Opinion, with_authenticated};
use crate::evidence::identity::User;
use crate::evidence::tls::{CertificateFacts, ChainVerdict, PeerFacts};
use crate::gotext::url::path_unescape;

/// The user that a client certificate names: the last common name, every organisation a group.
///
/// `None` without a common name: the server then has no opinion and goes on to the next authenticator.
pub fn view(certificate: &CertificateFacts) -> Option<User> {
    let name = certificate.common_names.last().filter(|name| !name.is_empty())?;
    Some(user(name, "", &certificate.organizations, &certificate.sha256))
}

fn user(name: &str, uid: &str, groups: &[String], sha256: &str) -> User {
    let mut extra = BTreeMap::new();
    if !sha256.is_empty() {
        extra.insert(CREDENTIAL_ID.to_owned(), vec![format!("X509SHA256={sha256}")]);
    }
    with_authenticated(User { username: name.to_owned(), uid: uid.to_owned(), groups: groups.to_vec(), extra })
}

/// The authenticator of `--client-ca-file`.
///
/// `verdict` is what Go says of the presented chain under that file's certificates, for client authentication.
pub fn x509(peer: Option<&PeerFacts>, verdict: Option<&ChainVerdict>) -> Opinion {
    let (Some(peer), Some(verdict)) = (peer, verdict) else { return Opinion::Silent };
    match verdict {
        ChainVerdict::Undecided { because } => return Opinion::Open(vec![because.clone()]),
        ChainVerdict::Refused { error } => {
            return Opinion::Error(format!(
                "verifying certificate SN={}, SKID={}, AKID={} failed: {error}",
                peer.serial, peer.subject_key_id, peer.authority_key_id
            ));
        }
        ChainVerdict::Accepted { .. } => {}
    }
    if peer.common_name.is_empty() {
        return Opinion::Silent;
    }
    // Every chain begins with the same leaf, so every chain gives the same user or the same error, told once.
    match peer.uids.as_slice() {
        [] => Opinion::Accept(user(&peer.common_name, "", &peer.organizations, &peer.sha256)),
        [uid] if uid.is_empty() => Opinion::Error("UID cannot be an empty string".to_owned()),
        [uid] => Opinion::Accept(user(&peer.common_name, uid, &peer.organizations, &peer.sha256)),
        several => Opinion::Error(format!("expected 1 UID, but found multiple: [{}]", several.join(" "))),
    }
}

/// The flags of the front proxy's authenticator, `--requestheader-*`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestHeaderFlags {
    /// `--requestheader-allowed-names`; empty lets every common name pass.
    pub allowed_names: Vec<String>,
    /// `--requestheader-username-headers`.
    pub username_headers: Vec<String>,
    /// `--requestheader-uid-headers` (read from 1.33 on).
    pub uid_headers: Vec<String>,
    /// `--requestheader-group-headers`.
    pub group_headers: Vec<String>,
    /// `--requestheader-extra-headers-prefix`.
    pub extra_prefixes: Vec<String>,
}

impl RequestHeaderFlags {
    /// What kubeadm sets, but for the allowed names.
    pub fn usual() -> Self {
        let one = |name: &str| vec![name.to_owned()];
        Self {
            allowed_names: Vec::new(),
            username_headers: one("X-Remote-User"),
            uid_headers: Vec::new(),
            group_headers: one("X-Remote-Group"),
            extra_prefixes: one("X-Remote-Extra-"),
        }
    }
}

/// The authenticator of `--requestheader-client-ca-file`, which comes first.
///
/// `verdict` is what Go says of the presented chain under that file's certificates, for client authentication;
/// `headers` are the request's, in order, repeated ones each on their own.
pub fn request_header(
    peer: Option<&PeerFacts>,
    verdict: Option<&ChainVerdict>,
    flags: &RequestHeaderFlags,
    headers: &[(String, String)],
) -> Opinion {
    let (Some(peer), Some(verdict)) = (peer, verdict) else { return Opinion::Silent };
    match verdict {
        ChainVerdict::Undecided { because } => return Opinion::Open(vec![because.clone()]),
        ChainVerdict::Refused { error } => return Opinion::Error(error.clone()),
        ChainVerdict::Accepted { .. } => {}
    }
    if !flags.allowed_names.is_empty() && !flags.allowed_names.contains(&peer.common_name) {
        return Opinion::Error(format!("x509: subject with cn={} is not in the allowed list", peer.common_name));
    }
    let Some(username) = first_value(headers, &flags.username_headers) else { return Opinion::Silent };
    let groups = flags
        .group_headers
        .iter()
        .flat_map(|name| values(headers, name))
        .filter(|value| !value.is_empty())
        .map(str::to_owned)
        .collect();
    match extra(headers, &flags.extra_prefixes) {
        Ok(extra) => Opinion::Accept(with_authenticated(User {
            username: username.to_owned(),
            uid: first_value(headers, &flags.uid_headers).unwrap_or_default().to_owned(),
            groups,
            extra,
        })),
        Err(because) => Opinion::Open(vec![because]),
    }
}

/// Every value of a header, in order. Flags are trimmed when the server starts.
fn values<'a>(headers: &'a [(String, String)], name: &'a str) -> impl Iterator<Item = &'a str> {
    headers.iter().filter(move |(header, _)| header.eq_ignore_ascii_case(name.trim())).map(|(_, value)| value.as_str())
}

/// The first header that has something in its first value: an empty first value hides the others.
fn first_value<'a>(headers: &'a [(String, String)], names: &'a [String]) -> Option<&'a str> {
    names.iter().filter_map(|name| values(headers, name).next()).find(|value| !value.is_empty())
}

/// Extra attributes by prefix: keys in lower case with their escapes undone, values of one key joined in the order of
/// the prefixes.
///
/// # Errors
/// Why the result is not certain: the server goes through a map, whose order is chance, or a key is no text.
fn extra(headers: &[(String, String)], prefixes: &[String]) -> Result<BTreeMap<String, Vec<String>>, String> {
    let mut extra: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for prefix in prefixes.iter().map(|prefix| prefix.trim()) {
        // Which header gave a key under this prefix: two different ones come in either order.
        let mut givers: BTreeMap<String, String> = BTreeMap::new();
        for (header, value) in headers {
            let begins = header.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
            if !begins {
                continue;
            }
            let header = header.to_ascii_lowercase();
            let Some(key) = unescape(&header[prefix.len()..]) else {
                return Err(format!("the extra key in the header {header:?} is no UTF-8 text"));
            };
            let giver = givers.entry(key.clone()).or_insert_with(|| header.clone());
            if *giver != header {
                return Err(format!(
                    "the headers {giver:?} and {header:?} give the same extra key, and the server joins them in no \
                     fixed order"
                ));
            }
            extra.entry(key).or_default().push(value.clone());
        }
    }
    Ok(extra)
}

/// Percent escapes undone; a text with a broken one stays as it is. `None` if that leaves no UTF-8.
fn unescape(text: &str) -> Option<String> {
    path_unescape(text).map_or_else(|_| Some(text.to_owned()), |bytes| String::from_utf8(bytes).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer() -> PeerFacts {
        PeerFacts { common_name: "proxy".to_owned(), serial: "7".to_owned(), ..PeerFacts::default() }
    }

    fn good() -> ChainVerdict {
        ChainVerdict::Accepted { chains: vec![vec![String::new()]] }
    }

    fn headers(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn without_a_certificate_or_a_bundle_there_is_no_opinion() {
        let flags = RequestHeaderFlags::usual();
        assert_eq!(x509(None, Some(&good())), Opinion::Silent);
        assert_eq!(x509(Some(&peer()), None), Opinion::Silent);
        assert_eq!(request_header(None, Some(&good()), &flags, &[]), Opinion::Silent);
        assert_eq!(request_header(Some(&peer()), None, &flags, &[]), Opinion::Silent);
    }

    #[test]
    fn what_is_not_known_stays_open() {
        let flags = RequestHeaderFlags::usual();
        let open = ChainVerdict::Undecided { because: "P-224".to_owned() };
        let expected = Opinion::Open(vec!["P-224".to_owned()]);
        assert_eq!(x509(Some(&peer()), Some(&open)), expected);
        assert_eq!(request_header(Some(&peer()), Some(&open), &flags, &[]), expected);
        // Two spellings of one key come in the order of a Go map; bytes that are no text have no name.
        for keys in [["X-Remote-Extra-a", "X-Remote-Extra-%61"], ["X-Remote-Extra-%ff", "X-Remote-Extra-b"]] {
            let headers = headers(&[("X-Remote-User", "alice"), (keys[0], "1"), (keys[1], "2")]);
            let said = request_header(Some(&peer()), Some(&good()), &flags, &headers);
            assert!(matches!(said, Opinion::Open(_)), "{said:?}");
        }
    }

    #[test]
    fn the_two_authenticators_word_one_refusal_differently() {
        let refused = ChainVerdict::Refused { error: "x509: no".to_owned() };
        let flags = RequestHeaderFlags::usual();
        assert_eq!(request_header(Some(&peer()), Some(&refused), &flags, &[]), Opinion::Error("x509: no".to_owned()));
        assert_eq!(
            x509(Some(&peer()), Some(&refused)),
            Opinion::Error("verifying certificate SN=7, SKID=, AKID= failed: x509: no".to_owned())
        );
    }
}
