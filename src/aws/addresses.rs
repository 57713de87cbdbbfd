//! Addresses and ranges.

use std::net::IpAddr;

use ipnet::IpNet;

/// A range, or one address as a range.
pub fn range(text: &str) -> Option<IpNet> {
    let text = text.trim();
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

/// An address that no other network routes to. Wider than [`crate::evidence::dns::is_private`], which asks for what a private
/// network or a VPN leads to: link-local and loopback addresses count, for from the control plane they lead nowhere either.
pub fn is_unroutable(address: IpAddr) -> bool {
    match address {
        // 100.64.0.0/10 is carriers' space, which VPCs use for Pods.
        IpAddr::V4(v4) => {
            v4.is_private()
                || v4.is_link_local()
                || v4.is_loopback()
                || (v4.octets()[0] == 100 && v4.octets()[1] & 0xc0 == 64)
        }
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local() || v6.is_loopback(),
    }
}

/// The ranges together are the whole Internet of that family.
pub fn everything(ranges: &[IpNet], v6: bool) -> bool {
    let family: Vec<IpNet> = ranges.iter().copied().filter(|range| matches!(range, IpNet::V6(_)) == v6).collect();
    IpNet::aggregate(&family).iter().any(|range| range.prefix_len() == 0)
}

/// One of the ranges holds the address.
pub fn holds(ranges: &[IpNet], address: IpAddr) -> bool {
    ranges.iter().any(|range| range.contains(&address))
}

/// Addresses that can be read.
pub fn parse(texts: &[String]) -> Vec<IpAddr> {
    texts.iter().filter_map(|text| text.parse().ok()).collect()
}

/// The host of a URL, in lower case and without brackets.
pub fn url_host(url: &str) -> Option<String> {
    let rest = url.split_once("://")?.1;
    let authority = rest.split(['/', '?', '#']).next()?.rsplit('@').next()?;
    // An IPv6 address stands in brackets, and has colons of its own.
    let host = match authority.strip_prefix('[') {
        Some(address) => address.split(']').next()?,
        None => authority.split(':').next()?,
    };
    Some(host.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_halves_are_everything() {
        let of = |texts: &[&str]| texts.iter().filter_map(|text| range(text)).collect::<Vec<_>>();
        assert!(everything(&of(&["0.0.0.0/1", "128.0.0.0/1"]), false));
        assert!(!everything(&of(&["0.0.0.0/1", "::/0"]), false));
        assert!(everything(&of(&["::/0"]), true));
        assert_eq!(range("203.0.113.7").map(|range| range.to_string()).as_deref(), Some("203.0.113.7/32"));
    }

    #[test]
    fn a_host_is_read_with_and_without_brackets() {
        for (url, host) in [
            ("https://OIDC.example.com/id/X", Some("oidc.example.com")),
            ("http://user@host.example:8080?x", Some("host.example")),
            ("http://[FD00:ec2::23]/v1/credentials", Some("fd00:ec2::23")),
            ("http://[::1]:80", Some("::1")),
            ("no url", None),
        ] {
            assert_eq!(url_host(url).as_deref(), host, "{url}");
        }
    }
}
