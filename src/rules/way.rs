//! What the rules of the way to the API server share: who is connected to first, and what its addresses say.

use std::net::IpAddr;

use super::kubeconfig_fault::cluster;
use super::{Case, Place, Word};
use crate::apiserver::message::Text;
use crate::evidence::dns::{Attempt, LookupOutcome, Names, Resolution, ServerAnswer};
pub use crate::evidence::dns::{is_private, is_public};
use crate::evidence::{Failure, FailureKind};
use crate::report::shell::shell;
use crate::report::{Citation, Step, probed};

/// The proxy that is used, if one is.
pub fn proxy<'e>(case: &Case<'e>) -> Option<&'e str> {
    case.evidence.endpoint.route.seen()?.proxy.as_deref()
}

/// The API server's host, without a dot at its end.
pub fn host<'e>(case: &Case<'e>) -> &'e str {
    let route = case.evidence.endpoint.route.seen();
    route.map(|route| route.host.trim_end_matches('.')).filter(|host| !host.is_empty()).unwrap_or("the API server")
}

/// `host:port` of the API server, for commands.
pub fn place(case: &Case<'_>) -> String {
    case.evidence.endpoint.route.seen().map_or_else(
        || "HOST:6443".to_owned(),
        |route| match route.host.contains(':') {
            true => format!("[{}]:{}", route.host, route.port),
            false => format!("{}:{}", route.host, route.port),
        },
    )
}

/// The attempts on the API server's own addresses, where none of them connected.
pub fn unconnected<'e>(case: &Case<'e>) -> Option<&'e [Attempt]> {
    let attempts = case.evidence.endpoint.tcp.seen()?.attempts.as_slice();
    let none = !attempts.is_empty() && attempts.iter().all(|attempt| !attempt.connected());
    (none && proxy(case).is_none()).then_some(attempts)
}

/// The address of an attempt.
pub fn address(attempt: &Attempt) -> Option<IpAddr> {
    attempt.address.parse::<std::net::SocketAddr>().ok().map(|address| address.ip())
}

/// There are addresses, and all of them are of this kind.
pub fn all(addresses: &[String], kind: fn(IpAddr) -> bool) -> bool {
    !addresses.is_empty() && addresses.iter().all(|address| address.parse().is_ok_and(kind))
}

/// An address that leads every machine to itself: 127.0.0.1, 0.0.0.0 and theirs.
pub fn is_itself(ip: IpAddr) -> bool {
    let ip = ip.to_canonical();
    ip.is_loopback() || ip.is_unspecified()
}

/// What the name servers say of a name that leads this machine to itself, though it is not localhost: a resolver that
/// blocks names answers so, and a line of the hosts file may. `None` also where the public resolver says the same, and
/// where no name server has an address of it: then the hosts file alone knows the name, and means it.
pub fn leads_home<'e>(case: &Case<'e>) -> Option<(&'e Resolution, &'e Names)> {
    let endpoint = &case.evidence.endpoint;
    let (dns, names) = (endpoint.dns.seen()?, endpoint.names.seen()?);
    let name = host(case).to_ascii_lowercase();
    if dns.literal || name == "localhost" || name.ends_with(".localhost") || proxy(case).is_some() {
        return None;
    }
    let meant = names.public.as_ref().is_some_and(|public| all(&public.addresses, is_itself));
    let known = names.servers.iter().chain(&names.public).any(|answer| !answer.addresses.is_empty());
    (all(&dns.addresses, is_itself) && known && !meant).then_some((dns, names))
}

/// Two addresses in one small network: a /24, or a /64.
pub fn are_neighbours(left: IpAddr, right: IpAddr) -> bool {
    match (left, right) {
        (IpAddr::V4(left), IpAddr::V4(right)) => left.octets()[..3] == right.octets()[..3],
        (IpAddr::V6(left), IpAddr::V6(right)) => left.segments()[..4] == right.segments()[..4],
        _ => false,
    }
}

/// A provider's own name for a cluster's endpoint: it exists as long as the cluster does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Managed<'e> {
    /// Amazon EKS, in this region.
    Eks(&'e str),
    /// Azure AKS, in this region.
    Aks(&'e str),
    /// DigitalOcean.
    DigitalOcean,
}

/// Reads a provider's name.
pub fn managed(host: &str) -> Option<Managed<'_>> {
    let labels: Vec<&str> = host.trim_end_matches('.').split('.').collect();
    match labels.as_slice() {
        [id, shard, region, "eks", "amazonaws", "com"] | [id, shard, region, "eks", "amazonaws", "com", "cn"]
            if id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()) && shard.len() <= 4 =>
        {
            Some(Managed::Eks(region))
        }
        // The dual-stack form.
        [id, _, "eks-cluster", region, "api", "aws"]
            if id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()) =>
        {
            Some(Managed::Eks(region))
        }
        [_, "hcp", region, "azmk8s", "io"] => Some(Managed::Aks(region)),
        [_, "k8s", "ondigitalocean", "com"] => Some(Managed::DigitalOcean),
        _ => None,
    }
}

/// AWS says that the public endpoint of this EKS cluster is switched off: public addresses of its name are of another time.
pub fn public_access_off(case: &Case<'_>) -> bool {
    let cluster = case.evidence.aws.as_deref().and_then(|aws| aws.cluster.seen());
    cluster.is_some_and(|cluster| !cluster.vpc.endpoint_public_access && cluster.vpc.endpoint_private_access)
        && super::eks::other_cluster(case.evidence).is_none()
}

/// What a proxy said to the request for a tunnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tunnel {
    /// An HTTP status.
    Status(u16),
    /// A SOCKS5 reply code.
    Reply(u8),
    /// It wants another name and password, or one at all.
    Credentials,
    /// It answers as one of another scheme than its URL's: `http`, `https` or `socks5`.
    Speaks(&'static str),
    /// Its certificate is not trusted.
    Distrusted,
    /// Nothing that a proxy would say.
    Nothing,
}

/// The failure of the proxy that is used, after it was connected to, with the pointer to it.
pub fn tunnel<'e>(case: &Case<'e>) -> Option<(&'e Failure, &'static str, Tunnel)> {
    proxy(case)?;
    let endpoint = &case.evidence.endpoint;
    let (failure, path) =
        [(endpoint.tls.failed(), "/endpoint/tls/failed"), (endpoint.anonymous.failed(), "/endpoint/anonymous/failed")]
            .into_iter()
            .find_map(|(failure, path)| Some((failure.filter(|failure| failure.kind == FailureKind::Proxy)?, path)))?;
    let seen = failure.seen.as_deref().unwrap_or_default();
    let number = |text: &str| {
        let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<u16>().ok()
    };
    let said = if let Some(rest) = seen.strip_prefix("SOCKS5 reply ") {
        number(rest).and_then(|code| u8::try_from(code).ok()).map_or(Tunnel::Nothing, Tunnel::Reply)
    } else if seen.starts_with("SOCKS5 method") || seen.starts_with("SOCKS5 authentication") || seen.starts_with("407")
    {
        Tunnel::Credentials
    } else if let Some(scheme) =
        ["https", "http", "socks5"].into_iter().find(|scheme| seen.strip_prefix("speaks ") == Some(*scheme))
    {
        Tunnel::Speaks(scheme)
    } else if failure.detail.contains(": its certificate is not trusted: ")
        // Of older files.
        || failure.detail.ends_with("; no credential is sent to a server that is not trusted")
    {
        Tunnel::Distrusted
    } else {
        number(seen).filter(|status| (100..600).contains(status)).map_or(Tunnel::Nothing, Tunnel::Status)
    };
    Some((failure, path, said))
}

/// The proxy opened a tunnel, and what came through it is no TLS.
pub fn no_tls<'e>(case: &Case<'e>) -> Option<&'e Failure> {
    proxy(case)?;
    case.evidence.endpoint.tls.failed_as(&[FailureKind::Protocol])
}

/// Where the proxy is named, as a sentence may say it.
pub fn proxy_place<'e>(case: &Case<'e>) -> &'e str {
    case.evidence.endpoint.route.seen().map_or("", |route| route.proxy_reason.as_str())
}

/// The kubeconfig itself names the proxy; NO_PROXY is not asked then.
pub fn proxy_of_kubeconfig(case: &Case<'_>) -> bool {
    proxy_place(case).starts_with("proxy-url")
}

/// The server was reached without the proxy: over TLS that is trusted, or over TCP where it is plain HTTP.
pub fn direct_works(case: &Case<'_>) -> Option<Citation> {
    let endpoint = &case.evidence.endpoint;
    let attempts = endpoint.direct_tcp.seen()?.attempts.as_slice();
    let (index, attempt) = attempts.iter().enumerate().find(|(_, attempt)| attempt.connected())?;
    if endpoint.direct_tls.seen().is_some_and(|report| report.faults.is_empty()) {
        return Some(probed(
            "/endpoint/directTls/seen/faults",
            format!("without the proxy {} answers, with a certificate that is trusted", attempt.address),
        ));
    }
    let plain = endpoint.route.seen().is_some_and(|route| route.scheme == "http");
    plain.then(|| {
        probed(
            format!("/endpoint/directTcp/seen/attempts/{index}"),
            format!("without the proxy {} accepts connections", attempt.address),
        )
    })
}

/// How to leave the proxy out, where the way without it was seen to work.
pub fn without_proxy(case: &Case<'_>) -> Option<Step> {
    direct_works(case)?;
    Some(if proxy_of_kubeconfig(case) {
        Step::command(
            "The server answers without the proxy: take it out of the cluster entry, if nothing else speaks for it",
            shell!("kubectl config unset clusters.{}.proxy-url", cluster(case)),
        )
    } else {
        Step::command(
            "The server answers without the proxy: leave it out for this host",
            shell!("export NO_PROXY=\"${{NO_PROXY:+$NO_PROXY,}}{}\"", host(case)),
        )
    })
}

/// The name servers' answers in one line, for people.
pub fn answers(servers: &[ServerAnswer]) -> String {
    let one = |answer: &ServerAnswer| {
        let what = match &answer.outcome {
            LookupOutcome::Answer => answer.addresses.join(", "),
            LookupOutcome::Nxdomain => "no such name".to_owned(),
            LookupOutcome::Nodata => "the name is there, without an address".to_owned(),
            LookupOutcome::Closed => "nobody listens there".to_owned(),
            LookupOutcome::Timeout => "no answer".to_owned(),
            other => other.to_string(),
        };
        format!("{}: {what}", answer.servers.join(", "))
    };
    servers.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// What the user met, where it is one of these texts.
pub fn met<'c>(case: &'c Case<'_>, texts: &[&'static Text]) -> Option<&'c Word> {
    case.words.iter().find(|word| word.place == Place::Met && texts.contains(&word.text))
}

/// The same as a citation.
pub fn cite_met(case: &Case<'_>, texts: &[&'static Text]) -> Option<Citation> {
    met(case, texts).map(Word::cite)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn providers_names_are_read() {
        let eks = "0123456789ABCDEF0123456789ABCDEF.gr7.eu-central-1.eks.amazonaws.com";
        assert_eq!(managed(eks), Some(Managed::Eks("eu-central-1")));
        assert_eq!(managed(&format!("{eks}.cn")), Some(Managed::Eks("eu-central-1")));
        assert_eq!(managed("dev-dns-1a2b3c4d.hcp.westeurope.azmk8s.io"), Some(Managed::Aks("westeurope")));
        assert_eq!(managed("oidc.eks.eu-central-1.amazonaws.com"), None);
        assert_eq!(managed("dev.1.privatelink.westeurope.azmk8s.io"), None);
        assert_eq!(managed("api.example.com"), None);
    }

    #[test]
    fn addresses_are_told_apart() {
        for (address, private, public) in [
            ("10.1.2.3", true, false),
            ("172.31.0.1", true, false),
            ("172.32.0.1", false, true),
            ("100.64.0.1", true, false),
            ("100.128.0.1", false, true),
            ("127.0.0.1", false, false),
            ("169.254.1.1", false, false),
            ("fd00::1", true, false),
            ("fe80::1", false, false),
            ("::1", false, false),
            ("::ffff:10.0.0.1", true, false),
            ("2001:db8::1", false, true),
        ] {
            let ip = address.parse().unwrap();
            assert_eq!((is_private(ip), is_public(ip)), (private, public), "{address}");
        }
        assert!(are_neighbours("10.1.2.3".parse().unwrap(), "10.1.2.200".parse().unwrap()));
        assert!(!are_neighbours("10.1.2.3".parse().unwrap(), "10.1.3.3".parse().unwrap()));
    }
}
