//! Name constraints: which names a certificate authority may sign for (crypto/x509/constraints.go of Go 1.26).
//!
//! Go 1.25 and older judge alike but for corner cases, and word the refusal otherwise; Kubernetes 1.36 is built with
//! Go 1.26.

use std::cmp::Ordering;
use std::collections::HashMap;

use super::der::{Der, tag};
use super::hostname::{domain_name_valid, ip_text};
use super::uri::Uri;
use super::{Certificate, ParseError, parse::constraint_text};
use crate::gotext::quote;

/// The names of one side of the extension, by kind.
#[derive(Debug, Clone, Default)]
pub(super) struct Subtrees {
    dns: Vec<String>,
    ips: Vec<Network>,
    emails: Vec<String>,
    uris: Vec<String>,
}

/// Address and mask, both of 4 or both of 16 bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Network {
    address: Vec<u8>,
    mask: Vec<u8>,
}

/// Permitted names, excluded names, and whether there is a kind of name that Go does not handle.
///
/// # Errors
/// Those of `parseNameConstraintsExtension`.
pub(super) fn parse(mut value: Der<'_>) -> Result<(Subtrees, Subtrees, bool), ParseError> {
    let invalid = || ParseError::go("x509: invalid NameConstraints extension");
    let mut sequence = value.read(tag::SEQUENCE).filter(|_| value.is_empty()).ok_or_else(invalid)?;
    let permitted = sequence.optional(tag::constructed(0)).ok_or_else(invalid)?.unwrap_or_default();
    let excluded = sequence.optional(tag::constructed(1)).ok_or_else(invalid)?.unwrap_or_default();
    if !sequence.is_empty() {
        return Err(invalid());
    }
    if permitted.is_empty() && excluded.is_empty() {
        return Err(ParseError::go("x509: empty name constraints extension"));
    }
    let mut unhandled = false;
    let permitted = subtrees(permitted, &mut unhandled)?;
    let excluded = subtrees(excluded, &mut unhandled)?;
    Ok((permitted, excluded, unhandled))
}

fn subtrees(mut list: Der<'_>, unhandled: &mut bool) -> Result<Subtrees, ParseError> {
    let invalid = || ParseError::go("x509: invalid NameConstraints extension");
    let mut found = Subtrees::default();
    while !list.is_empty() {
        let base = list.read(tag::SEQUENCE).and_then(|mut subtree| subtree.any()).ok_or_else(invalid)?;
        match base.tag {
            0x81 => {
                let text = constraint_text(base.content)?;
                let valid =
                    if text.contains('@') { Mailbox::parse(&text).is_some() } else { domain_name_valid(&text, true) };
                if !valid {
                    return Err(ParseError::Go(format!(
                        "x509: failed to parse rfc822Name constraint {}",
                        quote(&text)
                    )));
                }
                found.emails.push(text);
            }
            0x82 => {
                let text = constraint_text(base.content)?;
                if !domain_name_valid(&text, true) {
                    return Err(ParseError::Go(format!("x509: failed to parse dnsName constraint {}", quote(&text))));
                }
                found.dns.push(text);
            }
            0x86 => {
                let text = constraint_text(base.content)?;
                if text.parse::<std::net::IpAddr>().is_ok() {
                    return Err(ParseError::Go(format!(
                        "x509: failed to parse URI constraint {}: cannot be IP address",
                        quote(&text)
                    )));
                }
                if !domain_name_valid(&text, true) {
                    return Err(ParseError::Go(format!("x509: failed to parse URI constraint {}", quote(&text))));
                }
                found.uris.push(text);
            }
            0x87 => found.ips.push(network(base.content)?),
            _ => *unhandled = true,
        }
    }
    Ok(found)
}

fn network(bytes: &[u8]) -> Result<Network, ParseError> {
    if !matches!(bytes.len(), 8 | 32) {
        return Err(ParseError::Go(format!("x509: IP constraint contained value of length {}", bytes.len())));
    }
    let (address, mask) = bytes.split_at(bytes.len() / 2);
    // Ones first, then only zeros.
    let ones = mask.iter().map(|byte| byte.leading_ones()).scan(true, |open, ones| {
        let counted = if *open { ones } else { 0 };
        *open &= ones == 8;
        Some(counted)
    });
    let (ones, set): (u32, u32) = (ones.sum(), mask.iter().map(|byte| byte.count_ones()).sum());
    if ones != set {
        let hex: String = mask.iter().map(|byte| format!("{byte:02x}")).collect();
        return Err(ParseError::Go(format!("x509: IP constraint contained invalid mask {hex}")));
    }
    Ok(Network { address: address.to_vec(), mask: mask.to_vec() })
}

/// The four bytes of an IPv4 address in IPv6 clothes.
fn to_four(address: &[u8]) -> Option<&[u8]> {
    match address.len() {
        4 => Some(address),
        16 if address[..10].iter().all(|&byte| byte == 0) && address[10..12] == [0xff, 0xff] => Some(&address[12..]),
        _ => None,
    }
}

impl Network {
    /// Address and mask as `networkNumberAndMask` of Go's net sees them.
    fn parts(&self) -> (&[u8], &[u8]) {
        match to_four(&self.address) {
            Some(four) => (four, &self.mask[self.mask.len() - 4..]),
            None => (&self.address, &self.mask),
        }
    }

    fn contains(&self, address: &[u8]) -> bool {
        let (network, mask) = self.parts();
        let address = to_four(address).unwrap_or(address);
        network.len() == address.len()
            && network.iter().zip(mask).zip(address).all(|((network, mask), byte)| network & mask == byte & mask)
    }

    fn covers(&self, other: &Self) -> bool {
        let last: Vec<u8> = other.address.iter().zip(&other.mask).map(|(byte, mask)| byte | !mask).collect();
        self.contains(&other.address) && self.contains(&last)
    }

    fn text(&self) -> String {
        let (network, mask) = self.parts();
        format!("{}/{}", ip_text(network), mask.iter().map(|byte| byte.count_ones()).sum::<u32>())
    }
}

/// Sorted, without what an earlier one covers.
fn prune<T: Clone>(items: &[T], compare: impl Fn(&T, &T) -> Ordering, covers: impl Fn(&T, &T) -> bool) -> Vec<T> {
    let mut sorted = items.to_vec();
    sorted.sort_by(compare);
    let mut kept: Vec<T> = Vec::new();
    for item in sorted {
        if !kept.last().is_some_and(|last| covers(last, &item)) {
            kept.push(item);
        }
    }
    kept
}

/// The one constraint that can cover the value: that of the same place in the order, else the one before it.
fn nearest<T>(set: &[T], compare: impl Fn(&T) -> Ordering, covers: impl Fn(&T) -> bool) -> Option<&T> {
    let index = set.partition_point(|item| compare(item) == Ordering::Less);
    if let Some(item) = set.get(index).filter(|item| compare(item) == Ordering::Equal) {
        return Some(item);
    }
    set.get(index.saturating_sub(1)).filter(|item| covers(item))
}

/// Constraints for addresses: versions 4 and 6 apart.
struct Networks {
    four: Vec<Network>,
    six: Vec<Network>,
}

impl Networks {
    fn new(networks: &[Network]) -> Option<Self> {
        if networks.is_empty() {
            return None;
        }
        let (four, six): (Vec<_>, Vec<_>) = networks.iter().cloned().partition(|network| network.address.len() == 4);
        let pruned = |set: Vec<Network>| prune(&set, Network::cmp, Network::covers);
        Some(Self { four: pruned(four), six: pruned(six) })
    }

    fn query(&self, address: &[u8]) -> Option<String> {
        let set = if address.len() == 4 { &self.four } else { &self.six };
        nearest(set, |network| network.address.as_slice().cmp(address), |network| network.contains(address))
            .map(Network::text)
    }
}

/// Compares names from their end, without case, the dot before every other character.
fn compare_names(a: &str, b: &str) -> Ordering {
    let key = |byte: u8| if byte == b'.' { 0 } else { byte.to_ascii_lowercase() };
    a.bytes().rev().map(key).cmp(b.bytes().rev().map(key))
}

/// The name is the constraint or below it; a constraint with a dot in front means only what is below.
fn is_below(constraint: &str, name: &str) -> bool {
    let (constraint, name) = (constraint.as_bytes(), name.as_bytes());
    let Some(start) = name.len().checked_sub(constraint.len()) else { return false };
    name[start..].eq_ignore_ascii_case(constraint)
        && (constraint.first() == Some(&b'.') || start == 0 || name[start - 1] == b'.')
}

/// From the first dot on.
fn parent(name: &str) -> &str {
    name.find('.').map_or("", |dot| &name[dot..])
}

/// Constraints for DNS names and for the hosts of URIs and mail addresses.
struct Names {
    /// An empty constraint means every name.
    all: bool,
    set: Vec<String>,
    /// Excluded names hit a wildcard beside them: by the part behind the first label.
    parents: HashMap<String, String>,
}

impl Names {
    fn new(names: &[String], permitted: bool) -> Option<Self> {
        if names.is_empty() {
            return None;
        }
        if names.iter().any(String::is_empty) {
            return Some(Self { all: true, set: Vec::new(), parents: HashMap::new() });
        }
        let set = prune(names, |a, b| compare_names(a, b), |a, b| is_below(a, b));
        let mut parents = HashMap::new();
        if !permitted {
            for name in &set {
                let name = name.to_lowercase();
                let parent = parent(&name).to_owned();
                if !parent.is_empty() {
                    parents.insert(parent, name);
                }
            }
        }
        Some(Self { all: false, set, parents })
    }

    fn query(&self, name: &str) -> Option<String> {
        if self.all {
            return Some(String::new());
        }
        if let Some(found) = nearest(&self.set, |item| compare_names(item, name), |item| is_below(item, name)) {
            return Some(found.clone());
        }
        if name.starts_with('*') { self.parents.get(parent(&name.to_lowercase())).cloned() } else { None }
    }
}

/// A mail address in its two parts.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mailbox {
    local: Vec<u8>,
    domain: String,
}

impl Mailbox {
    /// `parseRFC2821Mailbox` of crypto/x509/verify.go.
    fn parse(text: &str) -> Option<Self> {
        let mut rest = text.as_bytes();
        let mut local = Vec::new();
        if let Some(quoted) = rest.strip_prefix(b"\"") {
            rest = quoted;
            loop {
                let (&byte, after) = rest.split_first()?;
                rest = after;
                match byte {
                    b'"' => break,
                    b'\\' => {
                        let (&escaped, after) = rest.split_first()?;
                        if !matches!(escaped, 1..=9 | 11 | 12 | 14..=127) {
                            return None;
                        }
                        local.push(escaped);
                        rest = after;
                    }
                    1..=8 | 11 | 12 | 14..=33 | 35..=91 | 93..=127 => local.push(byte),
                    _ => return None,
                }
            }
        } else {
            while let Some((&byte, after)) = rest.split_first() {
                if byte == b'\\' {
                    // Whatever follows, though the standards allow no such thing outside of quotes.
                    let (&escaped, after) = after.split_first()?;
                    local.push(escaped);
                    rest = after;
                } else if byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&byte) {
                    local.push(byte);
                    rest = after;
                } else {
                    break;
                }
            }
            let dots = local.windows(2).any(|pair| pair == b"..");
            if local.is_empty() || local.first() == Some(&b'.') || local.last() == Some(&b'.') || dots {
                return None;
            }
        }
        let domain = std::str::from_utf8(rest.strip_prefix(b"@")?).ok()?;
        domain_name_valid(domain, false).then(|| Self { local, domain: domain.to_owned() })
    }

    fn lower(mut self) -> Self {
        self.domain = self.domain.to_lowercase();
        self
    }

    fn text(&self) -> String {
        format!("{}@{}", String::from_utf8_lossy(&self.local), self.domain)
    }
}

/// Constraints for mail addresses: whole ones, and hosts.
struct Mails {
    full: Vec<Mailbox>,
    hosts: Option<Names>,
}

impl Mails {
    fn new(constraints: &[String], permitted: bool) -> Option<Self> {
        if constraints.is_empty() {
            return None;
        }
        let (full, hosts): (Vec<_>, Vec<_>) = constraints.iter().cloned().partition(|text| text.contains('@'));
        let full = full.iter().filter_map(|text| Mailbox::parse(text)).map(Mailbox::lower).collect();
        Some(Self { full, hosts: Names::new(&hosts, permitted) })
    }

    fn query(&self, mailbox: &Mailbox) -> Option<String> {
        if self.full.contains(mailbox) {
            return Some(mailbox.text());
        }
        self.hosts.as_ref()?.query(&mailbox.domain)
    }
}

/// Both sides of one kind of name.
struct Sides<T> {
    kind: &'static str,
    permitted: Option<T>,
    excluded: Option<T>,
}

impl<T> Sides<T> {
    fn check(&self, query: impl Fn(&T) -> Option<String>, shown: &str) -> Result<(), String> {
        if self.permitted.as_ref().is_some_and(|permitted| query(permitted).is_none()) {
            return Err(format!("{} {} is not permitted by any constraint", self.kind, quote(shown)));
        }
        if let Some(constraint) = self.excluded.as_ref().and_then(query) {
            return Err(format!("{} {} is excluded by constraint {}", self.kind, quote(shown), quote(&constraint)));
        }
        Ok(())
    }
}

/// The constraints of one certificate of a chain.
struct Constraints {
    ips: Sides<Networks>,
    dns: Sides<Names>,
    uris: Sides<Names>,
    emails: Sides<Mails>,
}

impl Constraints {
    fn new(permitted: &Subtrees, excluded: &Subtrees) -> Self {
        let names = |kind, permitted: &[String], excluded: &[String]| Sides {
            kind,
            permitted: Names::new(permitted, true),
            excluded: Names::new(excluded, false),
        };
        Self {
            ips: Sides {
                kind: "IP address",
                permitted: Networks::new(&permitted.ips),
                excluded: Networks::new(&excluded.ips),
            },
            dns: names("DNS name", &permitted.dns, &excluded.dns),
            uris: names("URI", &permitted.uris, &excluded.uris),
            emails: Sides {
                kind: "email address",
                permitted: Mails::new(&permitted.emails, true),
                excluded: Mails::new(&excluded.emails, false),
            },
        }
    }

    fn check(&self, certificate: &Certificate, uris: &[(String, &Uri)], mails: &[Mailbox]) -> Result<(), String> {
        for ip in &certificate.ips {
            self.ips.check(|networks| networks.query(ip), &ip_text(ip))?;
        }
        for name in &certificate.dns_names {
            if !domain_name_valid(name, false) {
                return Err(format!("x509: cannot parse dnsName {}", quote(name)));
            }
            self.dns.check(|names| names.query(name), name)?;
        }
        for (host, uri) in uris {
            if !domain_name_valid(host, false) {
                return Err(format!("x509: internal error: URI SAN {} failed to parse", quote(&uri.text)));
            }
            self.uris.check(|names| names.query(host), &uri.text)?;
        }
        for mailbox in mails {
            if !domain_name_valid(&mailbox.domain, false) {
                return Err(format!("x509: cannot parse rfc822Name {}", quote(&mailbox.text())));
            }
            self.emails.check(|mails| mails.query(mailbox), &mailbox.text())?;
        }
        Ok(())
    }
}

/// The host that URI constraints look at.
fn host(uri: &Uri) -> Result<String, String> {
    if uri.host.is_empty() {
        return Err(format!("URI with empty host ({}) cannot be matched against constraints", quote(&uri.text)));
    }
    let mut host = uri.host.to_lowercase();
    if let Some((name, _)) = uri.host.split_once(':') {
        if uri.host.matches(':').count() > 1 {
            let problem = format!("address {}: too many colons in address", uri.host);
            return Err(format!("cannot parse URI host {}: {problem}", quote(&uri.host)));
        }
        // Go forgets the lower case here.
        name.clone_into(&mut host);
    }
    if host.parse::<std::net::Ipv4Addr>().is_ok() {
        return Err(format!("URI with IP ({}) cannot be matched against constraints", quote(&uri.text)));
    }
    Ok(host)
}

/// `checkChainConstraints`: every certificate's names against the constraints of all above it.
///
/// # Errors
/// What follows `... is not authorized to sign for this name: ` in Go's text.
pub(super) fn check(chain: &[&Certificate]) -> Result<(), String> {
    let constraints: Vec<(usize, Constraints)> = chain
        .iter()
        .enumerate()
        .filter_map(|(index, certificate)| {
            let (permitted, excluded) = certificate.name_constraints.as_ref()?;
            Some((index, Constraints::new(permitted, excluded)))
        })
        .collect();
    for (index, certificate) in chain.iter().enumerate() {
        let above: Vec<&Constraints> =
            constraints.iter().filter(|(place, _)| *place > index).map(|(_, constraints)| constraints).collect();
        if certificate.san.is_none() || above.is_empty() {
            continue;
        }
        let uris = certificate.uris.iter().map(|uri| Ok((host(uri)?, uri))).collect::<Result<Vec<_>, String>>()?;
        let mails = certificate
            .emails
            .iter()
            .map(|text| {
                let mailbox = Mailbox::parse(text).map(Mailbox::lower);
                mailbox.ok_or_else(|| format!("cannot parse rfc822Name {}", quote(text)))
            })
            .collect::<Result<Vec<_>, String>>()?;
        for constraints in above {
            constraints.check(certificate, &uris, &mails)?;
        }
    }
    Ok(())
}
