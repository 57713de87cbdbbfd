//! Chooses the proxy as Go does (golang.org/x/net/http/httpproxy and client-go), because kubectl goes that way.

use std::net::IpAddr;

use crate::evidence::{Failure, FailureKind};
use crate::gotext::url as go;
use crate::host::Host;
use crate::secret::Secret;

/// Which way a request goes, and why.
#[derive(Debug, Clone)]
pub struct Decision {
    /// The proxy, or none for the straight way.
    pub proxy: Option<ProxyUrl>,
    /// Where the proxy was named, or why none is used; fit for people.
    pub reason: String,
    /// The list of NO_PROXY that did not cover the URL, where a proxy of the environment is used.
    pub no_proxy: Option<String>,
}

/// How a proxy is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyScheme {
    /// CONNECT over plain TCP.
    Http,
    /// CONNECT inside TLS.
    Https,
    /// SOCKS version 5; the proxy resolves the name.
    Socks5,
}

impl ProxyScheme {
    /// The scheme as in a URL.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Socks5 => "socks5",
        }
    }
}

/// A proxy's address. Display and Debug leave the userinfo out.
#[derive(Debug, Clone)]
pub struct ProxyUrl {
    /// How it is spoken to.
    pub scheme: ProxyScheme,
    /// Name or address, IPv6 without brackets.
    pub host: String,
    /// Port; the scheme's own one where the URL has none (80, 443, 1080).
    pub port: u16,
    /// Name and password of the URL, percent-decoded, for Proxy-Authorization or SOCKS5.
    pub credentials: Option<ProxyCredentials>,
}

/// Userinfo of a proxy URL.
#[derive(Debug, Clone)]
pub struct ProxyCredentials {
    /// User name.
    pub username: Secret,
    /// Password, empty where the URL has none.
    pub password: Secret,
}

impl std::fmt::Display for ProxyUrl {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}://{}", self.scheme.as_str(), authority(&self.host, self.port))
    }
}

/// `host:port`, IPv6 in brackets.
pub(crate) fn authority(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// Chooses the way to `url`. A kubeconfig's `proxy-url` rules alone, for localhost too, as in client-go; else the
/// environment decides.
///
/// # Errors
/// `Malformed` for a proxy URL that kubectl refuses too; `Declined` for HTTP_PROXY in a CGI environment.
pub fn choose(host: &Host, url: &url::Url, kubeconfig_proxy: Option<&str>) -> Result<Decision, Failure> {
    if let Some(text) = kubeconfig_proxy.filter(|text| !text.is_empty()) {
        return Ok(Decision {
            proxy: Some(from_kubeconfig(text)?),
            reason: "proxy-url in the kubeconfig".to_owned(),
            no_proxy: None,
        });
    }
    let names: [&str; 2] = match url.scheme() {
        "https" => ["HTTPS_PROXY", "https_proxy"],
        "http" => ["HTTP_PROXY", "http_proxy"],
        _ => return Ok(direct("no proxy applies to this scheme")),
    };
    let Some((name, value)) = names.into_iter().find_map(|name| Some((name, host.var(name)?))) else {
        return Ok(direct(format!("neither {} nor {} is set{}", names[0], names[1], of_no_use(host, url.scheme()))));
    };
    // Go ignores a value it cannot parse without a word; here it is said.
    let parsed = match parse_lenient(value) {
        Lenient::Url(parsed) => parsed,
        Lenient::Ignored => return Ok(direct(format!("{name} is set but is not a URL, so Go programs ignore it"))),
        Lenient::Hostless => {
            return Err(Failure::new(
                FailureKind::Malformed,
                format!("{name} is set and names no host; Go programs take it for a proxy all the same, and fail"),
            )
            .sides("http://host:port, https://host:port or socks5://host:port", "a value without a host"));
        }
    };
    if url.scheme() == "http" && host.var("REQUEST_METHOD").is_some() {
        return Err(Failure::new(
            FailureKind::Declined,
            format!("{name} is refused because REQUEST_METHOD is set (a CGI environment), as Go programs do"),
        ));
    }
    let no_proxy = ["NO_PROXY", "no_proxy"].into_iter().find_map(|name| Some((name, host.var(name)?)));
    if let Some(why) = bypass(url, no_proxy) {
        return Ok(direct(format!("{name} is set, but {why}")));
    }
    let scheme = match parsed.scheme() {
        "http" => ProxyScheme::Http,
        "https" => ProxyScheme::Https,
        "socks5" | "socks5h" => ProxyScheme::Socks5,
        other => return Err(bad_scheme(name, other)),
    };
    Ok(Decision {
        proxy: Some(build(name, &parsed, scheme)?),
        reason: format!("{name} in the environment"),
        no_proxy: no_proxy.map(|(_, list)| list.to_owned()),
    })
}

/// A variable that other programs would take, and Go does not for this scheme.
fn of_no_use(host: &Host, scheme: &str) -> String {
    let (others, whose) = match scheme {
        "https" => (["HTTP_PROXY", "http_proxy"], "http"),
        _ => (["HTTPS_PROXY", "https_proxy"], "https"),
    };
    let set = |names: [&'static str; 2]| names.into_iter().find(|name| host.var(name).is_some());
    if let Some(name) = set(others) {
        return format!(" ({name} is, for {whose} servers alone)");
    }
    set(["ALL_PROXY", "all_proxy"])
        .map_or_else(String::new, |name| format!(" ({name} is, which Go programs do not read)"))
}

fn direct(reason: impl Into<String>) -> Decision {
    Decision { proxy: None, reason: reason.into(), no_proxy: None }
}

fn bad_scheme(place: &str, scheme: &str) -> Failure {
    Failure::new(FailureKind::Malformed, format!("{place} has a scheme that no Kubernetes client supports"))
        .sides("http, https or socks5", scheme)
}

/// client-go parses this one strictly: a scheme must be there, and only three are known.
fn from_kubeconfig(text: &str) -> Result<ProxyUrl, Failure> {
    let place = "proxy-url in the kubeconfig";
    // Go refuses what the URL standard repairs.
    let Some(url) = go::parse(text).ok().and_then(|_| url::Url::parse(text).ok()) else {
        // The value itself may hold a password, so it is not quoted.
        return Err(Failure::new(FailureKind::Malformed, format!("{place} is not a URL"))
            .sides("http://host:port, https://host:port or socks5://host:port", "something else"));
    };
    let scheme = match url.scheme() {
        "http" => ProxyScheme::Http,
        "https" => ProxyScheme::Https,
        "socks5" => ProxyScheme::Socks5,
        // `proxy:3128` parses with the host as the scheme; Go says the same.
        other => return Err(bad_scheme(place, other)),
    };
    build(place, &url, scheme)
}

fn build(place: &str, url: &url::Url, scheme: ProxyScheme) -> Result<ProxyUrl, Failure> {
    let host = url.host_str().unwrap_or_default();
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host).to_owned();
    if host.is_empty() {
        return Err(Failure::new(FailureKind::Malformed, format!("{place} has no host")));
    }
    let port = url.port().unwrap_or(match scheme {
        ProxyScheme::Http => 80,
        ProxyScheme::Https => 443,
        ProxyScheme::Socks5 => 1080,
    });
    let credentials = (!url.username().is_empty() || url.password().is_some()).then(|| ProxyCredentials {
        username: Secret::new(percent_decode(url.username())),
        password: Secret::new(percent_decode(url.password().unwrap_or_default())),
    });
    Ok(ProxyUrl { scheme, host, port, credentials })
}

fn percent_decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while index < bytes.len() {
        let pair = bytes.get(index + 1..index + 3).filter(|pair| pair.iter().all(u8::is_ascii_hexdigit));
        let pair = pair.and_then(|pair| std::str::from_utf8(pair).ok());
        match pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(byte) if bytes[index] == b'%' => {
                decoded.push(byte);
                index += 3;
            }
            _ => {
                decoded.push(bytes[index]);
                index += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// What Go makes of a proxy variable.
enum Lenient {
    Url(url::Url),
    /// No URL by any reading: as if it was not set.
    Ignored,
    /// A URL by Go's reading, of no host.
    Hostless,
}

/// httpproxy's parseProxy: a URL, or what becomes one with `http://` before it. `:port` is one of this machine, as Go
/// dials it.
fn parse_lenient(value: &str) -> Lenient {
    let first = go::parse(value);
    let (taken, host) = match &first {
        Ok(url) if !url.scheme.is_empty() && !url.host.is_empty() => (value.to_owned(), url.host.clone()),
        _ => {
            let longer = format!("http://{value}");
            match go::parse(&longer) {
                Ok(url) => (longer, url.host),
                Err(_) if first.is_ok() => return Lenient::Hostless,
                Err(_) => return Lenient::Ignored,
            }
        }
    };
    let here = host.strip_prefix(':').filter(|port| !port.is_empty()).map(|port| format!("http://localhost:{port}"));
    match url::Url::parse(here.as_deref().unwrap_or(&taken)) {
        Ok(url) if !host.trim_matches(':').is_empty() && url.host_str().is_some_and(|host| !host.is_empty()) => {
            Lenient::Url(url)
        }
        _ => Lenient::Hostless,
    }
}

/// Why this URL goes past an environment proxy, or nothing when it does not.
fn bypass(url: &url::Url, no_proxy: Option<(&str, &str)>) -> Option<String> {
    let host = match url.host()? {
        url::Host::Domain(name) => name.trim().to_lowercase(),
        url::Host::Ipv4(ip) => ip.to_string(),
        url::Host::Ipv6(ip) => ip.to_string(),
    };
    if host == "localhost" {
        return Some("localhost always goes straight".to_owned());
    }
    // An IPv4-mapped address counts as IPv4 in Go.
    let ip = host.parse::<IpAddr>().ok().map(|ip| ip.to_canonical());
    if ip.is_some_and(|ip| ip.is_loopback()) {
        return Some("loopback addresses always go straight".to_owned());
    }
    let port = url.port_or_known_default().map(|port| port.to_string()).unwrap_or_default();
    let (name, list) = no_proxy?;
    let entry = matching_entry(list, &host, &port, ip)?;
    Some(format!("the entry {entry} of {name} covers this host"))
}

/// The entry of a NO_PROXY list that covers the host.
fn matching_entry(list: &str, host: &str, port: &str, ip: Option<IpAddr>) -> Option<String> {
    let entries: Vec<String> =
        list.split(',').map(|entry| entry.trim().to_lowercase()).filter(|entry| !entry.is_empty()).collect();
    if entries.iter().any(|entry| entry == "*") {
        return Some("*".to_owned());
    }
    entries.into_iter().find(|entry| covers(entry, host, port, ip))
}

fn covers(entry: &str, host: &str, port: &str, ip: Option<IpAddr>) -> bool {
    if let Ok(net) = entry.parse::<ipnet::IpNet>() {
        let net = match net {
            // Go reads an IPv4-mapped network as the IPv4 one.
            ipnet::IpNet::V6(six) if six.prefix_len() >= 96 => six
                .addr()
                .to_ipv4_mapped()
                .and_then(|four| ipnet::Ipv4Net::new(four, six.prefix_len() - 96).ok())
                .map_or(net, ipnet::IpNet::V4),
            _ => net,
        };
        return ip.is_some_and(|ip| net.contains(&ip));
    }
    let (entry_host, entry_port) = split_host_port(entry).unwrap_or((entry, ""));
    if entry_host.is_empty() || !entry_port.is_empty() && entry_port != port {
        return false;
    }
    if let Ok(entry_ip) = entry_host.parse::<IpAddr>() {
        return ip == Some(entry_ip.to_canonical());
    }
    if ip.is_some() {
        return false;
    }
    // `*.domain` is `.domain`: subdomains only; `domain` is the name itself and its subdomains.
    let pattern = entry_host.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(entry_host);
    let (bare, only_below) = match pattern.strip_prefix('.') {
        Some(bare) => (bare, true),
        None => (pattern, false),
    };
    let bare = if bare.is_ascii() {
        bare.to_owned()
    } else {
        url::Host::parse(bare).map(|host| host.to_string()).unwrap_or_else(|_| bare.to_owned())
    };
    host.strip_suffix(bare.as_str()).is_some_and(|rest| rest.ends_with('.') || rest.is_empty() && !only_below)
}

/// Go's net.SplitHostPort: `host:port` or `[v6]:port`; a bare IPv6 address has no port.
fn split_host_port(text: &str) -> Option<(&str, &str)> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, port) = rest.split_once(']')?;
        return Some((host, port.strip_prefix(':').filter(|port| !port.contains([':', '[', ']']))?));
    }
    let (host, port) = text.split_once(':')?;
    (!port.contains([':', '[', ']'])).then_some((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsString;

    fn host(env: &[(&str, &str)]) -> Host {
        let mut host = Host::read();
        host.env = env.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))).collect();
        host
    }

    fn way(env: &[(&str, &str)], url: &str, kubeconfig: Option<&str>) -> String {
        match choose(&host(env), &url::Url::parse(url).unwrap(), kubeconfig) {
            Ok(Decision { proxy: Some(proxy), .. }) => proxy.to_string(),
            Ok(Decision { proxy: None, .. }) => "direct".to_owned(),
            Err(failure) => format!("{:?}", failure.kind),
        }
    }

    #[test]
    fn no_proxy_follows_go() {
        for (list, url, proxied) in [
            ("", "https://a.example.com", true),
            ("*", "https://a.example.com", false),
            ("*", "https://10.1.2.3", false),
            ("x,*,y", "https://10.1.2.3", false),
            ("example.com", "https://example.com", false),
            ("example.com", "https://a.example.com", false),
            ("example.com", "https://notexample.com", true),
            (".example.com", "https://example.com", true),
            (".example.com", "https://a.example.com", false),
            ("*.example.com", "https://a.example.com", false),
            ("*.example.com", "https://example.com", true),
            ("EXAMPLE.com", "https://A.Example.COM", false),
            (" a.example , b.example ", "https://b.example", false),
            ("example.com:6443", "https://example.com:6443", false),
            ("example.com:6443", "https://example.com", true),
            ("example.com:443", "https://example.com", false),
            ("example.com:", "https://example.com:6443", false),
            (":443", "https://example.com", true),
            ("10.0.0.0/8", "https://10.1.2.3:6443", false),
            ("10.0.0.0/8", "https://11.1.2.3:6443", true),
            ("10.1.2.3/8", "https://10.9.9.9", false),
            ("10.0.0.0/8", "https://a.example.com", true),
            ("10.1.2.3", "https://10.1.2.3:6443", false),
            ("10.1.2.3:6443", "https://10.1.2.3:6443", false),
            ("10.1.2.3:6443", "https://10.1.2.3", true),
            ("10.1.2", "https://10.1.2.3", true),
            ("fd00::/8", "https://[fd00::1]:6443", false),
            ("fd00::1", "https://[fd00::1]:6443", false),
            ("[fd00::1]:6443", "https://[fd00::1]:6443", false),
            ("[fd00::1]:6443", "https://[fd00::1]", true),
            ("[fd00::1]", "https://[fd00::1]", true),
            ("10.1.2.3", "https://[::ffff:10.1.2.3]", false),
            ("bücher.example", "https://xn--bcher-kva.example", false),
        ] {
            let way = way(&[("HTTPS_PROXY", "http://p:3128"), ("NO_PROXY", list)], url, None);
            assert_eq!(way != "direct", proxied, "NO_PROXY={list} {url}: {way}");
        }
    }

    #[test]
    fn loopback_goes_straight_but_not_past_the_kubeconfig() {
        for url in ["https://localhost:6443", "https://127.0.0.1", "https://127.9.9.9", "https://[::1]:6443"] {
            assert_eq!(way(&[("HTTPS_PROXY", "http://p:3128")], url, None), "direct", "{url}");
            assert_eq!(way(&[], url, Some("http://p:3128")), "http://p:3128", "{url}");
        }
        assert_eq!(way(&[("HTTPS_PROXY", "http://p")], "https://a.localhost", None), "http://p:80");
    }

    #[test]
    fn variables_by_scheme_and_case() {
        let both = [("HTTPS_PROXY", "http://upper:1"), ("https_proxy", "http://lower:2")];
        assert_eq!(way(&both, "https://a", None), "http://upper:1");
        assert_eq!(way(&[("HTTPS_PROXY", ""), ("https_proxy", "http://lower:2")], "https://a", None), "http://lower:2");
        assert_eq!(way(&both, "http://a", None), "direct");
        assert_eq!(way(&[("http_proxy", "p:8080")], "http://a", None), "http://p:8080");
        assert_eq!(way(&[("ALL_PROXY", "http://p:1")], "https://a", None), "direct");
        assert_eq!(way(&[("HTTP_PROXY", "p:1"), ("REQUEST_METHOD", "GET")], "http://a", None), "Declined");
        assert_eq!(way(&[("HTTPS_PROXY", "p:1"), ("REQUEST_METHOD", "GET")], "https://a", None), "http://p:1");
        assert_eq!(way(&[("HTTPS_PROXY", "http://p:1"), ("no_proxy", "a")], "https://a", None), "direct");
    }

    #[test]
    fn proxy_urls() {
        for (value, expected) in [
            ("p", "http://p:80"),
            ("p:3128", "http://p:3128"),
            ("10.0.0.1:3128", "http://10.0.0.1:3128"),
            ("https://p", "https://p:443"),
            ("socks5://p", "socks5://p:1080"),
            ("socks5h://[fd00::1]:99", "socks5://[fd00::1]:99"),
            ("http://user:p%40ss@p:3128/", "http://p:3128"),
            ("user:pass@p:3128", "http://p:3128"),
            ("ftp://p", "Malformed"),
            // Go, too, reads this one as a proxy named `http`.
            ("http://bad host", "http://http:80"),
            ("%%%", "direct"),
            // No URL with `http://` before them either: Go goes straight.
            (" http://p:3128", "direct"),
            ("http://user:pa%ss@p:3128", "direct"),
            (":::bad", "direct"),
            ("http://p:3128 ", "http://http:80"),
            (":3128", "http://localhost:3128"),
        ] {
            assert_eq!(way(&[("HTTPS_PROXY", value)], "https://a", None), expected, "{value}");
        }
        for (value, expected) in [
            ("http://p:3128", "http://p:3128"),
            ("https://p", "https://p:443"),
            ("socks5://p:1", "socks5://p:1"),
            ("p:3128", "Malformed"),
            ("p", "Malformed"),
            ("socks4://p", "Malformed"),
            ("socks5://", "Malformed"),
            (" http://p:3128", "Malformed"),
            ("http://user:pa%ss@p:3128", "Malformed"),
            ("", "direct"),
        ] {
            assert_eq!(way(&[], "https://a", Some(value)), expected, "{value}");
        }
    }

    #[test]
    fn userinfo_is_kept_and_never_printed() {
        let url = url::Url::parse("https://a").unwrap();
        let decision = choose(&host(&[]), &url, Some("http://zap%3Ahod:p%40ss@p:3128")).unwrap();
        let printed = format!("{decision:?} {}", decision.proxy.as_ref().unwrap());
        assert!(!printed.contains("p@ss") && !printed.contains("p%40ss") && !printed.contains("hod"), "{printed}");
        let credentials = decision.proxy.unwrap().credentials.unwrap();
        assert_eq!((credentials.username.expose(), credentials.password.expose()), ("zap:hod", "p@ss"));
    }

    /// What Go's own rules said, made by tests/lab/proxy: 4,950 pairs of a list and a URL, and values of HTTPS_PROXY.
    #[test]
    fn go_says_the_same() {
        let recorded: serde_json::Value =
            serde_json::from_str(include_str!("../../testdata/proxy/cases.json")).unwrap();
        let texts = |value: &serde_json::Value| -> Vec<String> {
            value.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
        };
        let (mut faults, mut compared) = (Vec::new(), 0);
        for row in recorded["rows"].as_array().unwrap() {
            let list = row["noProxy"].as_str().unwrap();
            let direct = texts(&row["direct"]);
            for url in texts(&recorded["urls"]) {
                let env = [("HTTPS_PROXY", "http://p:3128"), ("HTTP_PROXY", "http://p:3128"), ("NO_PROXY", list)];
                let ours = way(&env, &url, None) == "direct";
                // The URL standard spells hosts in lower case, Go leaves them, and knows localhost only so.
                if url == "https://LOCALHOST" {
                    continue;
                }
                compared += 1;
                if ours != direct.contains(&url) {
                    faults.push(format!("NO_PROXY={list:?} {url}: direct {ours} here, {} in Go", !ours));
                }
            }
        }
        for value in recorded["proxies"].as_array().unwrap() {
            let text = value["proxy"].as_str().unwrap();
            let (scheme, host) = (value["scheme"].as_str(), value["host"].as_str().unwrap_or_default());
            let known = scheme.filter(|scheme| ["http", "https", "socks5", "socks5h"].contains(scheme));
            // The port that Go takes where the URL has none, and the one name for both SOCKS schemes.
            let theirs = match (scheme, known) {
                // A URL without scheme and host, which is written down as none is: Go dials nowhere, and fails.
                (None, _) if text == "a b" => "Malformed".to_owned(),
                (None, _) => "direct".to_owned(),
                // Go dials the port on this machine; without one, or without a host at all, it fails.
                (Some(_), Some(_)) if host.len() > 1 && host.starts_with(':') => format!("http://localhost{host}"),
                (Some(_), Some(_)) if host.trim_end_matches(':').is_empty() => "Malformed".to_owned(),
                (Some(_), Some(scheme)) => {
                    let scheme = if scheme == "socks5h" { "socks5" } else { scheme };
                    let host = host.trim_end_matches(':');
                    let bare = host.ends_with(']') || !host.contains(':');
                    let port = match (scheme, bare) {
                        (_, false) => "",
                        ("http", _) => ":80",
                        ("https", _) => ":443",
                        _ => ":1080",
                    };
                    format!("{scheme}://{host}{port}")
                }
                _ => "Malformed".to_owned(),
            };
            let ours = way(&[("HTTPS_PROXY", text)], "https://example.com", None);
            if ours != theirs {
                faults.push(format!("HTTPS_PROXY={text:?}: {ours} here, {theirs} in Go"));
            }
        }
        assert!(compared > 4900, "{compared}");
        assert!(faults.is_empty(), "{} of {compared}:\n{}", faults.len(), faults.join("\n"));
    }

    #[test]
    fn the_reason_is_told() {
        let reason =
            |env: &[(&str, &str)], url: &str| choose(&host(env), &url::Url::parse(url).unwrap(), None).unwrap().reason;
        assert_eq!(reason(&[], "https://a"), "neither HTTPS_PROXY nor https_proxy is set");
        assert_eq!(
            reason(&[("http_proxy", "p")], "https://a"),
            "neither HTTPS_PROXY nor https_proxy is set (http_proxy is, for http servers alone)"
        );
        assert_eq!(
            reason(&[("ALL_PROXY", "p")], "https://a"),
            "neither HTTPS_PROXY nor https_proxy is set (ALL_PROXY is, which Go programs do not read)"
        );
        assert_eq!(
            reason(&[("https_proxy", "p"), ("NO_PROXY", "b,10.0.0.0/8")], "https://10.1.1.1"),
            "https_proxy is set, but the entry 10.0.0.0/8 of NO_PROXY covers this host"
        );
        assert_eq!(
            reason(&[("https_proxy", "p")], "https://127.0.0.1"),
            "https_proxy is set, but loopback addresses always go straight"
        );
        assert_eq!(reason(&[("https_proxy", "p")], "https://a"), "https_proxy in the environment");
    }
}
