//! The API server should be reached without the proxy.

use crate::report::shell::shell;
use std::net::IpAddr;

use crate::report::{Confidence, Finding, Severity, Step, probed, seen};
use crate::rules::way::{Tunnel, all, direct_works, host, is_private, no_tls, proxy, proxy_of_kubeconfig, proxy_place, tunnel};
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "no-proxy-missing",
    severity: Severity::Error,
    title: "NO_PROXY leaves out the API server",
    page: Page {
        means: "The environment's proxy is asked for a server that it is not meant for: the server answers directly, its addresses are of a private network, or NO_PROXY names it in a way that Go programs read otherwise. In Go a leading dot covers subdomains only, an entry without one covers both; CIDRs cover addresses in the URL and not what a name resolves to; ports must match; entries are separated by commas.",
        evidence: "The proxy's refusal (or another certificate through it), a trusted handshake without it, and what says that this host is not for the proxy.",
        fix: "Add the server's host to NO_PROXY. `export NO_PROXY=$NO_PROXY,HOST`.",
        references: "https://pkg.go.dev/golang.org/x/net/http/httpproxy#Config",
    },
    recognises: &[],
    explains: &["proxy-connect-refused", "proxy-auth-required", "tls-intercepted", "kubeconfig-ca-mismatch", "not-a-kubernetes-api"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let endpoint = &case.evidence.endpoint;
    let (Some(proxy), Some(route)) = (proxy(case), endpoint.route.seen()) else { return Vec::new() };
    if proxy_of_kubeconfig(case) {
        return Vec::new();
    }
    let Some(direct) = direct_works(case) else { return Vec::new() };
    // A dead proxy is a fault of its own. A live one refuses, or shows another certificate than the server's.
    let through = match tunnel(case) {
        Some((_, _, Tunnel::Nothing | Tunnel::Speaks(_) | Tunnel::Distrusted)) => return Vec::new(),
        Some((failure, path, _)) => probed(format!("{path}/detail"), failure.detail.clone()),
        None => match (endpoint.tls.seen().and_then(|report| report.faults.first()), no_tls(case)) {
            (Some(fault), _) => probed("/endpoint/tls/seen/faults/0", format!("through the proxy: {}", fault.detail)),
            (None, Some(failure)) => probed("/endpoint/tls/failed/detail", format!("through the proxy: {}", failure.detail)),
            (None, None) => return Vec::new(),
        },
    };
    let host = host(case);
    let addresses = endpoint.direct_dns.seen().map(|dns| dns.addresses.as_slice()).unwrap_or_default();
    let own = |ip: IpAddr| ip.is_loopback() || is_private(ip);
    let list = route.no_proxy.as_deref().unwrap_or_default();
    let (reason, not_meant) = if let Some((entry, why)) = near_miss(list, host, route.port, addresses) {
        (
            format!("its entry {entry:?} was meant to cover it, but {why}"),
            seen("/endpoint/route/seen/noProxy", format!("NO_PROXY is {list:?}")),
        )
    } else if all(addresses, own) {
        (
            format!("its addresses ({}) are no business of a proxy", addresses.join(", ")),
            probed("/endpoint/directDns/seen/addresses", format!("{host} is at {}", addresses.join(", "))),
        )
    } else {
        return Vec::new();
    };
    vec![
        RULE.finding(
            Confidence::Certain,
            format!("{host} answers without the proxy {proxy} ({}), which does not lead there. NO_PROXY leaves it out: {reason}.", proxy_place(case)),
            through,
            Step::command("Add the host", shell!("export NO_PROXY=\"${{NO_PROXY:+$NO_PROXY,}}{}\"", host)),
        )
        .cite(direct)
        .cite(not_meant),
    ]
}

/// The entry that somebody thought would cover the host, and why it does not in Go.
fn near_miss(list: &str, host: &str, port: u16, addresses: &[String]) -> Option<(String, String)> {
    let host = host.to_lowercase();
    let ips: Vec<IpAddr> = addresses.iter().filter_map(|address| address.parse().ok()).collect();
    let below = |name: &str| host.strip_suffix(name).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    for entry in list.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
        let lower = entry.to_lowercase();
        let near = |why: &str| Some((entry.to_owned(), why.to_owned()));
        if lower.split([' ', ';', '|']).filter(|part| !part.is_empty()).count() > 1 {
            if lower.split([' ', ';', '|']).any(|part| !part.is_empty() && below(part.trim_start_matches(['*', '.']))) {
                return near("entries must be separated by commas");
            }
            continue;
        }
        if let Some((_, rest)) = lower.split_once("://") {
            let named = rest.split(['/', ':']).next().unwrap_or_default();
            if below(named) {
                return near("an entry is a host, not a URL");
            }
            continue;
        }
        if let Ok(net) = lower.parse::<ipnet::IpNet>() {
            if host.parse::<IpAddr>().is_err() && ips.iter().any(|ip| net.contains(ip)) {
                return near("Go does not resolve a name to compare it with addresses");
            }
            continue;
        }
        if let Ok(ip) = lower.parse::<IpAddr>() {
            if host.parse::<IpAddr>().is_err() && ips.contains(&ip) {
                return near("Go does not resolve a name to compare it with addresses");
            }
            continue;
        }
        let (name, wanted) = lower.rsplit_once(':').map_or((lower.as_str(), None), |(name, port)| (name, Some(port)));
        if let Some(wanted) = wanted
            && below(name.trim_start_matches(['*', '.']))
            && wanted.parse() != Ok(port)
        {
            return Some((entry.to_owned(), format!("it is for port {wanted} and the server's is {port}")));
        }
        if name.strip_prefix("*.").or_else(|| name.strip_prefix('.')).is_some_and(|bare| bare == host) {
            return near("a leading dot covers only the names below it");
        }
        if name.len() > 1 && name.ends_with('*') && !name.starts_with('*') {
            let begin = name.trim_end_matches('*');
            if host.starts_with(begin) || ips.iter().any(|ip| ip.to_string().starts_with(begin)) {
                return near("a star is understood only alone or at the beginning");
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::near_miss;

    #[test]
    fn entries_that_only_look_right() {
        let addresses = ["10.1.2.3".to_owned()];
        for (list, host, missed) in [
            (".example.com", "example.com", true),
            ("*.example.com", "example.com", true),
            ("other.com,.example.com", "api.other.org", false),
            ("10.0.0.0/8", "api.example.com", true),
            ("192.168.0.0/16", "api.example.com", false),
            ("10.1.2.3", "api.example.com", true),
            ("https://api.example.com", "api.example.com", true),
            ("a.com api.example.com", "api.example.com", true),
            ("a.com;example.com", "api.example.com", true),
            ("a.com b.com", "api.example.com", false),
            ("api.example.com:443", "api.example.com", true),
            ("10.*", "10.1.2.3", true),
            ("", "api.example.com", false),
        ] {
            assert_eq!(near_miss(list, host, 6443, &addresses).is_some(), missed, "{list} {host}");
        }
    }
}
