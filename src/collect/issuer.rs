//! The OIDC issuer, asked from this machine: discovery and key set, with redirects followed by hand.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use serde_json::Value;

use super::apiserver::http_answer;
use super::gzip;
use super::proxy;
use super::tls::{TlsSettings, client_config};
use crate::credential::{certificate, json, signature};
pub use crate::evidence::issuer::CONTROL_PLANE_AGENT;
use crate::evidence::issuer::{Discovery, Jwks, SignatureCheck, Target};
use crate::evidence::{Failure, FailureKind};
use crate::host::Host;
use crate::secret::{Scrubber, Secret, without_userinfo};

/// How large a document of an issuer may be, in bytes.
const DOCUMENT_LIMIT: usize = 4 * 1024 * 1024;

/// How many values it may hold: a value of a byte or two takes a hundred in memory, so that its length alone is no limit.
/// The largest key sets of public providers hold some hundred.
const DOCUMENT_VALUES: usize = 20_000;

/// How many redirects are followed: as many as by Go's HTTP client, which stops after ten requests.
const REDIRECTS: usize = 9;

/// What Go's HTTP client asks for, and takes apart again, where nobody tells it otherwise.
const ASKED_ENCODING: (&str, &str) = ("accept-encoding", "gzip");

/// kaccess' own User-Agent.
pub const OWN_AGENT: &str = concat!("kaccess/", env!("CARGO_PKG_VERSION"));

/// The issuer as a target.
///
/// # Errors
/// When the URL is none that an API server would take.
pub fn target(url: &str, origin: &str) -> Result<Target, Failure> {
    // An API server takes no issuer with a user name and a password in it, and who asks here needs none.
    let (url, _) = without_userinfo(url);
    let url = url.as_str();
    let parsed = url::Url::parse(url)
        .map_err(|error| Failure::new(FailureKind::Malformed, format!("the issuer {url:?} is no URL: {error}")))?;
    let host = parsed.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    if !matches!(parsed.scheme(), "https" | "http") || host.is_empty() {
        return Err(Failure::new(
            FailureKind::Malformed,
            format!("the issuer {url:?} has no host that could be asked"),
        )
        .sides("an https URL", url));
    }
    if host.parse().is_ok_and(is_forbidden) || is_metadata_name(&host) {
        return Err(Failure::new(
            FailureKind::Declined,
            format!(
                "the issuer's address {host} is of this network link or a metadata service, where kaccess does not go"
            ),
        ));
    }
    Ok(Target {
        url: url.to_owned(),
        origin: origin.to_owned(),
        laboratory: is_laboratory(&host),
        host,
        discovery_url: None,
    })
}

/// The same where the API server reads the discovery document elsewhere.
///
/// # Errors
/// As [`target`], of either URL.
pub fn target_elsewhere(url: &str, origin: &str, discovery_url: Option<&str>) -> Result<Target, Failure> {
    let own = target(url, origin)?;
    let Some(discovery_url) = discovery_url else { return Ok(own) };
    let there = target(discovery_url, origin)?;
    Ok(Target { url: own.url, discovery_url: Some(there.url), ..there })
}

/// This machine's own names: of DNS (RFC 6761) and of the files that Linux' distributions ship.
const OWN_NAMES: &[&str] =
    &["localhost", "localhost.localdomain", "localhost4", "localhost6", "ip6-localhost", "ip6-loopback"];

/// Names that a cloud's resolver answers with its metadata service, also where a proxy looks them up.
const METADATA_NAMES: &[&str] = &[
    "metadata",
    "metadata.google.internal",
    "metadata.goog",
    "metadata.azure.internal",
    "instance-data",
    "instance-data.ec2.internal",
];

/// A name without the dot of the root and in lower case.
fn bare(host: &str) -> String {
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

fn is_laboratory(host: &str) -> bool {
    let name = bare(host);
    OWN_NAMES.contains(&name.as_str())
        || name.ends_with(".localhost")
        || name.ends_with(".localdomain") && name.starts_with("localhost")
        || host.parse::<IpAddr>().is_ok_and(leads_into_this_machine)
}

fn is_metadata_name(host: &str) -> bool {
    METADATA_NAMES.contains(&bare(host).as_str())
}

/// A loopback address, however it is written.
fn leads_into_this_machine(address: IpAddr) -> bool {
    forms(address).any(|address| address.is_loopback())
}

/// An address, and the IPv4 address that it holds and may be translated to.
fn forms(address: IpAddr) -> impl Iterator<Item = IpAddr> {
    let address = address.to_canonical();
    let within = match address {
        IpAddr::V4(_) => None,
        IpAddr::V6(address) => embedded(address),
    };
    std::iter::once(address).chain(within.map(IpAddr::V4))
}

/// The IPv4 address in one of IPv6: of NAT64 (RFC 6052, RFC 8215), of 6to4 (RFC 3056), or compatible with IPv4
/// (RFC 4291, section 2.5.5.1).
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let four = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match address.segments() {
        [0x64, 0xff9b, 0 | 1, .., high, low] => Some(four(high, low)),
        [0x2002, high, low, ..] => Some(four(high, low)),
        // `::1` and `::` are no such.
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => Some(four(high, low)),
        _ => None,
    }
}

/// An address that no issuer has: of the network link (where AWS, Azure and Google keep their metadata services),
/// unspecified, or a metadata service elsewhere (AWS' over IPv6 with its resolver and clock, Oracle's, Alibaba's, Azure's
/// host agent).
fn is_forbidden(address: IpAddr) -> bool {
    forms(address).any(|address| match address {
        IpAddr::V4(address) => {
            let octets = address.octets();
            address.is_link_local()
                || octets[0] == 0
                || matches!(octets, [100, 100, 100, 200] | [168, 63, 129, 16] | [192, 0, 0, 192])
        }
        IpAddr::V6(address) => {
            address.is_unicast_link_local()
                || address.is_unspecified()
                || matches!(
                    address.segments(),
                    [0xfd00, 0xec2, 0, 0, 0, 0, 0, _] | [0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254]
                )
        }
    })
}

/// One GET, redirects followed by hand.
struct Fetched {
    status: http::StatusCode,
    headers: http::HeaderMap,
    body: Vec<u8>,
    url: String,
    redirects: Vec<String>,
}

/// `own` is the host of the issuer that the user or the token named; wherever else an answer leads to is foreign.
async fn fetch(
    url: &str,
    own: &str,
    agent: &str,
    tls: &TlsSettings,
    host: &Host,
    scrubber: &Scrubber,
) -> Result<Fetched, Failure> {
    let mut at = url::Url::parse(url)
        .map_err(|error| Failure::new(FailureKind::Malformed, format!("{url:?} is no URL: {error}")))?;
    let laboratory = is_laboratory(own.trim_matches(['[', ']']));
    let mut redirects = Vec::new();
    loop {
        let response = one(&at, own, agent, &[ASKED_ENCODING], tls, host, scrubber).await?;
        let location =
            response.headers().get(http::header::LOCATION).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let follow = response.status().is_redirection().then_some(location).flatten();
        let Some(location) = follow else {
            let status = response.status();
            let headers = response.headers().clone();
            let body = unpacked(read_limited(response).await?, &headers, &at)?;
            return Ok(Fetched { status, headers, body, url: display(&at), redirects });
        };
        if redirects.len() == REDIRECTS {
            return Err(Failure::new(
                FailureKind::Limit,
                format!("{} redirects more than {REDIRECTS} times", display(&at)),
            ));
        }
        let mut next = at.join(&location).map_err(|_| {
            Failure::new(FailureKind::Protocol, format!("{} redirects to something that is no URL", display(&at)))
        })?;
        if !allowed_target(&next, laboratory) {
            return Err(Failure::new(
                FailureKind::Declined,
                format!("{} redirects to {}, where kaccess does not go", display(&at), display(&next)),
            ));
        }
        without_login(&mut next);
        redirects.push(display(&next));
        at = next;
    }
}

/// A name and password in a URL of somebody else would be sent as a credential.
fn without_login(url: &mut url::Url) {
    let _ = url.set_username("");
    let _ = url.set_password(None);
}

/// A URL without userinfo and query.
fn display(url: &url::Url) -> String {
    let mut url = url.clone();
    without_login(&mut url);
    url.set_query(None);
    url.set_fragment(None);
    url.to_string()
}

/// No other schemes, and from a real issuer no way into this machine or to link-local metadata services.
fn allowed_target(url: &url::Url, laboratory: bool) -> bool {
    if !matches!(url.scheme(), "http" | "https") {
        return false;
    }
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    if host.parse().is_ok_and(is_forbidden) || is_metadata_name(host) {
        return false;
    }
    laboratory || !is_laboratory(host)
}

/// The addresses of a name that another server gave, if kaccess goes there: such a name may lead into this machine too.
async fn foreign_addresses(name: &str, port: u16, laboratory: bool) -> Result<Vec<SocketAddr>, Failure> {
    let Ok(found) = tokio::net::lookup_host((name, port)).await else {
        // The request itself says why.
        return Ok(Vec::new());
    };
    let addresses: Vec<SocketAddr> = found.collect();
    let refused = addresses
        .iter()
        .map(SocketAddr::ip)
        .find(|address| is_forbidden(*address) || !laboratory && leads_into_this_machine(*address));
    match refused {
        Some(address) => Err(Failure::new(
            FailureKind::Declined,
            format!("{name} has the address {address}, where kaccess does not go"),
        )),
        None => Ok(addresses),
    }
}

/// One GET without redirects: status and body, no longer than a document may be.
///
/// # Errors
/// When no whole answer came.
pub async fn get_once(
    url: &url::Url,
    agent: &str,
    headers: &[(&str, &str)],
    tls: &TlsSettings,
    host: &Host,
    scrubber: &Scrubber,
) -> Result<(http::StatusCode, Vec<u8>), Failure> {
    let own = url.host_str().unwrap_or_default();
    let response = one(url, own, agent, headers, tls, host, scrubber).await?;
    let status = response.status();
    Ok((status, read_limited(response).await?))
}

async fn one(
    url: &url::Url,
    own: &str,
    agent: &str,
    headers: &[(&str, &str)],
    tls: &TlsSettings,
    host: &Host,
    scrubber: &Scrubber,
) -> Result<reqwest::Response, Failure> {
    let decision = proxy::choose(host, url, None)?;
    let mut builder = reqwest::Client::builder()
        .user_agent(agent)
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(8))
        .no_proxy();
    if url.scheme() == "https" {
        let (config, _recorder) = client_config(tls, &[b"h2", b"http/1.1"], host)?;
        builder = builder.tls_backend_preconfigured((*config).clone());
    } else {
        let (config, _recorder) = client_config(tls, &[b"http/1.1"], host)?;
        builder = builder.tls_backend_preconfigured((*config).clone());
    }
    if let Some(proxy) = &decision.proxy {
        let mut through = reqwest::Proxy::all(proxy.to_string())
            .map_err(|_| Failure::new(FailureKind::Proxy, format!("the proxy of {} is no URL", decision.reason)))?;
        if let Some(credentials) = &proxy.credentials {
            through = through.basic_auth(credentials.username.expose(), credentials.password.expose());
        }
        builder = builder.proxy(through);
    }
    let name = url.host_str().unwrap_or_default();
    if decision.proxy.is_none() && name != own && name.parse::<IpAddr>().is_err() && !name.starts_with('[') {
        let port = url.port_or_known_default().unwrap_or(443);
        let addresses = foreign_addresses(name, port, is_laboratory(own.trim_matches(['[', ']']))).await?;
        if !addresses.is_empty() {
            // Pinned: another look-up might say otherwise.
            builder = builder.resolve_to_addrs(name, &addresses);
        }
    }
    let client = builder.build().map_err(|error| Failure::new(FailureKind::Bug, scrubber.text(&error.to_string())))?;
    let mut request = client.get(url.clone()).header(http::header::ACCEPT, "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.map_err(|error| network_failure(&error, url, scrubber))
}

/// reqwest's error as a failure, with the innermost cause as words.
fn network_failure(error: &reqwest::Error, url: &url::Url, scrubber: &Scrubber) -> Failure {
    use std::error::Error as _;
    let mut kind = if error.is_timeout() { FailureKind::Timeout } else { FailureKind::Closed };
    let mut words = Vec::new();
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(io) = cause.downcast_ref::<std::io::Error>() {
            kind = match io.kind() {
                std::io::ErrorKind::ConnectionRefused => FailureKind::Refused,
                std::io::ErrorKind::TimedOut => FailureKind::Timeout,
                std::io::ErrorKind::HostUnreachable | std::io::ErrorKind::NetworkUnreachable => {
                    FailureKind::Unreachable
                }
                std::io::ErrorKind::InvalidData => FailureKind::Tls,
                _ => kind,
            };
        }
        words.push(cause.to_string());
        source = cause.source();
    }
    let text = words.last().cloned().unwrap_or_else(|| "the request failed".to_owned());
    if words.iter().any(|word| word.contains("dns error") || word.contains("failed to lookup")) {
        kind = FailureKind::NameNotFound;
    }
    if words.iter().any(|word| word.contains("tunnel")) {
        kind = FailureKind::Proxy;
    }
    Failure::new(kind, scrubber.text_limited(&format!("GET {}: {text}", display(url)), 400))
}

async fn read_limited(mut response: reqwest::Response) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|_| Failure::new(FailureKind::Closed, "the connection was closed in the middle of the answer"))?
    {
        if body.len() + chunk.len() > DOCUMENT_LIMIT {
            return Err(Failure::new(FailureKind::Limit, format!("the answer is longer than {DOCUMENT_LIMIT} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// The body as Go's HTTP client gives it to its reader: gzip is undone, other encodings are left.
fn unpacked(body: Vec<u8>, headers: &http::HeaderMap, url: &url::Url) -> Result<Vec<u8>, Failure> {
    let packed =
        headers.get(http::header::CONTENT_ENCODING).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"gzip"));
    if !packed {
        return Ok(body);
    }
    gzip::unpack(&body, DOCUMENT_LIMIT).map_err(|fault| match fault {
        gzip::Fault::TooLong => {
            Failure::new(FailureKind::Limit, format!("the answer is longer than {DOCUMENT_LIMIT} bytes, unpacked"))
        }
        gzip::Fault::Broken => Failure::new(
            FailureKind::Protocol,
            format!("{} answers with Content-Encoding: gzip, and its body is none", display(url)),
        ),
    })
}

/// Whether a text would hold too many values to be read as JSON.
fn too_many_values(text: &[u8]) -> Result<(), Failure> {
    if json::values(text, DOCUMENT_VALUES) {
        return Ok(());
    }
    Err(Failure::new(FailureKind::Limit, "the document holds too many values to be read")
        .sides(format!("at most {DOCUMENT_VALUES}"), "more"))
}

/// Reads the discovery document at this URL. An answer with another status or content is seen, not failed.
///
/// # Errors
/// When no answer came.
pub async fn discovery(
    url: &str,
    agent: &str,
    tls: &TlsSettings,
    host: &Host,
    scrubber: &Scrubber,
) -> Result<Discovery, Failure> {
    let own = url::Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default();
    let fetched = fetch(url, &own, agent, tls, host, scrubber).await?;
    let mut answer =
        http_answer("GET", &fetched.url, fetched.status, &fetched.headers, &fetched.body, host.now(), scrubber);
    let mut discovery =
        Discovery { user_agent: agent.to_owned(), redirects: fetched.redirects, ..Discovery::default() };
    if fetched.status == http::StatusCode::OK {
        too_many_values(&fetched.body)?;
        match read_discovery(&fetched.body, scrubber) {
            Ok((issuer, jwks_uri)) => {
                (discovery.issuer, discovery.jwks_uri) = (Some(issuer), jwks_uri);
                // The document is public and long; what matters of it stands in the fields.
                answer.body = String::new();
            }
            Err(words) => discovery.unparsable = Some(words),
        }
    }
    discovery.answer = answer;
    Ok(discovery)
}

/// The `issuer` (empty where there is none) and the `jwks_uri` of a discovery document.
///
/// # Errors
/// Why it is no such document; quotes nothing of it.
pub fn read_discovery(body: &[u8], scrubber: &Scrubber) -> Result<(String, Option<String>), String> {
    let document: Value = serde_json::from_slice(body).map_err(|error| format!("no JSON: {}", category(&error)))?;
    if !document.is_object() {
        return Err("the document is JSON, but no object".to_owned());
    }
    let text = |name: &str| document.get(name).and_then(Value::as_str).map(|value| scrubber.text_limited(value, 1024));
    Ok((text("issuer").unwrap_or_default(), text("jwks_uri")))
}

/// serde_json's complaint without quoting the input.
fn category(error: &serde_json::Error) -> String {
    format!("{:?} error at line {} column {}", error.classify(), error.line(), error.column()).to_lowercase()
}

/// Reads the key set.
///
/// # Errors
/// When no answer came, or the discovery document sends us where kaccess does not go.
pub async fn jwks(
    issuer: &str,
    jwks_uri: &str,
    agent: &str,
    tls: &TlsSettings,
    host: &Host,
    scrubber: &Scrubber,
) -> Result<Jwks, Failure> {
    let base = url::Url::parse(issuer).map_err(|_| Failure::new(FailureKind::Malformed, "the issuer is no URL"))?;
    let own = base.host_str().unwrap_or_default();
    let laboratory = is_laboratory(own.trim_matches(['[', ']']));
    let mut target = url::Url::parse(jwks_uri)
        .map_err(|error| Failure::new(FailureKind::Malformed, format!("jwks_uri {jwks_uri:?} is no URL: {error}")))?;
    if !allowed_target(&target, laboratory) {
        return Err(Failure::new(
            FailureKind::Declined,
            format!("jwks_uri leads to {}, where kaccess does not go", display(&target)),
        ));
    }
    without_login(&mut target);
    let fetched = fetch(target.as_str(), own, agent, tls, host, scrubber).await?;
    let mut answer =
        http_answer("GET", &fetched.url, fetched.status, &fetched.headers, &fetched.body, host.now(), scrubber);
    let mut jwks = Jwks { user_agent: agent.to_owned(), ..Jwks::default() };
    jwks.cache_control = fetched
        .headers
        .get(http::header::CACHE_CONTROL)
        .and_then(|value| value.to_str().ok())
        .map(|value| scrubber.text_limited(value, 200));
    if fetched.status == http::StatusCode::OK {
        too_many_values(&fetched.body)?;
        match signature::parse_key_set(&fetched.body) {
            Ok((keys, document)) => {
                jwks.keys = keys;
                jwks.document = Some(document);
                answer.body = String::new();
            }
            Err(error) => jwks.unparsable = Some(scrubber.text_limited(&error, 400)),
        }
        jwks.body_hash = Some(format!("sha256:{}", certificate::sha256_hex(&fetched.body)));
    }
    jwks.answer = answer;
    Ok(jwks)
}

/// A key set without what should never have been published: some issuers serve the private parts of their keys, or the
/// secret of a symmetric one.
pub fn public_part(mut jwks: Jwks) -> Jwks {
    const PUBLIC: &[&str] =
        &["kty", "kid", "use", "alg", "key_ops", "n", "e", "crv", "x", "y", "x5c", "x5t", "x5t#S256", "x5u"];
    if let Some(keys) = jwks.document.as_mut().and_then(|document| document.get_mut("keys")?.as_array_mut()) {
        for fields in keys.iter_mut().filter_map(serde_json::Value::as_object_mut) {
            fields.retain(|name, _| PUBLIC.contains(&name.as_str()));
        }
    }
    jwks
}

/// The token's signature against a key set.
///
/// # Errors
/// When there is no key set.
pub fn check_signature(token: &Secret, jwks: &Jwks) -> Result<SignatureCheck, Failure> {
    let document = jwks
        .document
        .as_ref()
        .ok_or_else(|| Failure::new(FailureKind::NotFound, "there is no key set to check against"))?;
    Ok(signature::check(token.expose(), document))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_parts_of_published_keys_are_not_kept() {
        let document = serde_json::json!({ "keys": [
            { "kty": "RSA", "kid": "a", "n": "modulus", "e": "AQAB", "d": "canary-d", "p": "canary-p", "q": "canary-q" },
            { "kty": "oct", "kid": "b", "k": "canary-k" },
        ] });
        let kept = public_part(Jwks { document: Some(document), ..Jwks::default() });
        let text = serde_json::to_string(&kept).expect("JSON");
        assert!(!text.contains("canary") && text.contains("modulus"), "{text}");
    }

    #[test]
    fn a_password_in_the_issuers_address_is_not_kept() {
        for url in ["https://bob:canary-pw@issuer.example/x", "https://bob:cana/canary@issuer.example/x"] {
            let target = target(url, "flag").unwrap_or_else(|failure| panic!("{}", failure.detail));
            assert_eq!((target.url.as_str(), target.host.as_str()), ("https://issuer.example/x", "issuer.example"));
        }
        let failure = target("https://bob:canary@:x", "flag").err().map(|failure| format!("{failure:?}"));
        assert!(failure.as_ref().is_some_and(|text| !text.contains("canary")), "{failure:?}");
    }

    #[test]
    fn a_body_that_is_said_to_be_gzip_is_unpacked() {
        let url = url::Url::parse("https://issuer.example/keys").expect("a URL");
        let mut headers = http::HeaderMap::new();
        assert_eq!(unpacked(b"{}".to_vec(), &headers, &url).ok(), Some(b"{}".to_vec()));
        headers.insert(http::header::CONTENT_ENCODING, http::HeaderValue::from_static("GZip"));
        // A stored block; the checksum and the length of {} behind it.
        let packed = b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x01\x02\0\xfd\xff{}\x43\xbf\xa6\xa3\x02\0\0\0".to_vec();
        assert_eq!(unpacked(packed, &headers, &url).ok(), Some(b"{}".to_vec()));
        let failure = unpacked(b"{}".to_vec(), &headers, &url).expect_err("no gzip");
        assert_eq!(failure.kind, FailureKind::Protocol);
    }

    #[test]
    fn the_document_of_an_issuer_is_read_where_the_configuration_says() {
        let at = |discovery| target_elsewhere("https://issuer.example/x", "token", discovery);
        let own = at(None).expect("a target");
        assert_eq!((own.asked(), own.host.as_str()), ("https://issuer.example/x", "issuer.example"));
        let there = at(Some("https://inside.example/document")).expect("a target");
        assert_eq!((there.url.as_str(), there.host.as_str()), ("https://issuer.example/x", "inside.example"));
        assert_eq!(there.asked(), "https://inside.example/document");
        assert!(at(Some("https://169.254.169.254/document")).is_err());
    }

    #[test]
    fn no_answer_leads_to_a_metadata_service_or_into_this_machine() {
        for host in [
            "169.254.169.254",
            "192.0.0.192",
            "100.100.100.200",
            "[::ffff:169.254.169.254]",
            "[fd00:ec2::23]",
            "[fd00:ec2::254]",
            "[64:ff9b::a9fe:a9fe]",
            "[64:ff9b::7f00:1]",
            "[64:ff9b:1::7f00:1]",
            "[2002:7f00:1::]",
            "[2002:a9fe:a9fe::1]",
            "[::127.0.0.1]",
            "[::1]",
            "[::]",
            "127.1",
            "localhost",
            "a.localhost.",
            "localhost.localdomain",
            "ip6-localhost",
            "metadata",
            "metadata.google.internal",
            "Metadata.Google.internal.",
            "metadata.azure.internal",
            "instance-data",
        ] {
            let url = url::Url::parse(&format!("http://{host}/latest/")).expect("a URL");
            assert!(!allowed_target(&url, false), "{host}");
        }
        for host in [
            "issuer.example",
            "metadata.example.com",
            "10.0.0.1",
            "192.0.2.192",
            "[64:ff9b::808:808]",
            "[2002:808:808::1]",
            "[2001:db8::1]",
            "[fd00:ec3::23]",
        ] {
            let url = url::Url::parse(&format!("https://{host}/")).expect("a URL");
            assert!(allowed_target(&url, false), "{host}");
        }
        let own = url::Url::parse("http://localhost:8080/").expect("a URL");
        assert!(allowed_target(&own, true), "a laboratory's issuer may lead to itself");
    }
}
