//! Is a certificate for this host: `VerifyHostname` of crypto/x509/verify.go, which never looks at a common name.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Certificate;

/// From this many names on, Go counts them in place of listing them.
const LISTED: usize = 100;

/// # Errors
/// Go's text.
pub(super) fn verify(certificate: &Certificate, host: &str) -> Result<(), String> {
    let bare = if host.len() >= 3 { host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) } else { None };
    let bare = bare.unwrap_or(host);
    if let Ok(address) = bare.parse::<IpAddr>() {
        let wanted = canonical(address);
        if certificate.ips.iter().any(|ip| ip_of(ip).is_some_and(|ip| canonical(ip) == wanted)) {
            return Ok(());
        }
        return Err(mismatch(certificate, bare));
    }
    let name = host.to_ascii_lowercase();
    let plain = valid_hostname(name.strip_suffix('.').unwrap_or(&name), false);
    let parts = split(&name);
    for pattern in &certificate.dns_names {
        let matches = if plain && valid_hostname(pattern, true) {
            match_parts(pattern, &parts)
        } else {
            let useless = |name: &str| name.is_empty() || name == ".";
            !useless(pattern) && !useless(&name) && pattern.eq_ignore_ascii_case(&name)
        };
        if matches {
            return Ok(());
        }
    }
    Err(mismatch(certificate, host))
}

/// `HostnameError.Error`.
fn mismatch(certificate: &Certificate, host: &str) -> String {
    if certificate.san.is_none() && match_parts(&certificate.subject.common_name, &split(host)) {
        return "x509: certificate relies on legacy Common Name field, use SANs instead".to_owned();
    }
    let names: Vec<String> = if host.parse::<IpAddr>().is_ok() {
        let count = certificate.ips.len();
        if count == 0 {
            return format!("x509: cannot validate certificate for {host} because it doesn't contain any IP SANs");
        }
        if count >= LISTED {
            return format!("x509: certificate is valid for {count} IP SANs, but none matched {host}");
        }
        certificate.ips.iter().map(|ip| ip_text(ip)).collect()
    } else {
        let count = certificate.dns_names.len();
        if count >= LISTED {
            return format!("x509: certificate is valid for {count} names, but none matched {host}");
        }
        certificate.dns_names.clone()
    };
    let valid = names.join(", ");
    if valid.is_empty() {
        return format!("x509: certificate is not valid for any names, but wanted to match {host}");
    }
    format!("x509: certificate is valid for {valid}, not {host}")
}

/// The labels of a host, in lower case, without the dot at the end.
fn split(host: &str) -> Vec<String> {
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase().split('.').map(str::to_owned).collect()
}

fn match_parts(pattern: &str, host: &[String]) -> bool {
    if pattern.is_empty() || host.is_empty() {
        return false;
    }
    let pattern = pattern.to_ascii_lowercase();
    let labels: Vec<&str> = pattern.split('.').collect();
    labels.len() == host.len()
        && labels
            .iter()
            .zip(host)
            .enumerate()
            .all(|(index, (label, part))| index == 0 && *label == "*" || label == part)
}

/// Letters, digits, underscores and inner hyphens; as a pattern also a whole star at the left.
fn valid_hostname(host: &str, pattern: bool) -> bool {
    if host.is_empty() || host == "*" {
        return false;
    }
    host.split('.').enumerate().all(|(index, label)| {
        pattern && index == 0 && label == "*"
            || !label.is_empty()
                && label.bytes().enumerate().all(|(position, byte)| {
                    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-' && position != 0
                })
    })
}

/// `domainNameValid` of crypto/x509/parser.go, which is generous: visible ASCII without empty labels.
pub(super) fn domain_name_valid(name: &str, constraint: bool) -> bool {
    if name.is_empty() {
        return true;
    }
    let name = if constraint { name.strip_prefix('.').unwrap_or(name) } else { name };
    name.bytes().all(|byte| (33..=126).contains(&byte)) && !name.split('.').any(str::is_empty)
}

pub(super) fn ip_of(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Some(Ipv4Addr::from(four).into());
    }
    <[u8; 16]>::try_from(bytes).ok().map(|sixteen| Ipv6Addr::from(sixteen).into())
}

/// One form for an IPv4 address and the same one inside IPv6, which are equal to Go's `net.IP`.
pub(super) fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

/// As `net.IP.String`.
pub(super) fn ip_text(bytes: &[u8]) -> String {
    ip_of(bytes).map(|ip| canonical(ip).to_string()).unwrap_or_default()
}
