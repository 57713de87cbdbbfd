//! What the API server says about the issuer.

use super::{Codes, Said, of_the_rules, silence};
use crate::apiserver::message::{heard::names as heard, names as text};
use crate::report::Confidence::{Certain, Likely, Possible};

/// What go-oidc says of an issuer, in every program that takes ID tokens.
const OF_GO_OIDC: &[&str] = &[
    text::OIDC_ISSUER_DIFFERS,
    text::OIDC_DISCOVERY_NOT_JSON,
    text::JWKS_URI_MISSING,
    text::JWKS_HTTP,
    text::JWKS_UNREACHABLE,
    text::JWKS_UNPARSABLE,
];

/// The codes, the likeliest first; `None` where this part does not choose.
pub(super) fn codes(said: &Said<'_>) -> Option<Codes> {
    let codes = server_codes(said);
    if !OF_GO_OIDC.contains(&said.name()) || said.context.api_server() {
        return codes;
    }
    let (codes, _) = codes.unwrap_or_else(|| of_the_rules(said.name()));
    Some((codes, Possible))
}

/// The same, where the API server says it.
fn server_codes(said: &Said<'_>) -> Option<Codes> {
    let error = said.field("error");
    Some(match said.name() {
        text::OIDC_INIT_HTTP => match said.field("status") {
            "404" => (vec!["issuer-not-found"], Certain),
            "429" => (vec!["issuer-rate-limited"], Certain),
            _ if said.field("body").contains("publicly accessible") => {
                (vec!["issuer-unreachable-from-control-plane", "issuer-private-dns", "issuer-unavailable"], Likely)
            }
            status if status.starts_with('5') => (vec!["issuer-unavailable"], Certain),
            _ => (
                vec![
                    "issuer-blocks-control-plane",
                    "allowlist-uses-endpoint-addresses",
                    "allowlist-misses-control-plane",
                    "listener-rule-blocks-discovery",
                    "waf-may-block-discovery",
                ],
                Certain,
            ),
        },
        text::OIDC_INIT_X509 if error.contains("unknown authority") => {
            (vec!["issuer-certificate-untrusted", "issuer-chain-incomplete"], Likely)
        }
        text::OIDC_INIT_X509 if error.contains("is before") => {
            (vec!["api-server-clock-wrong", "issuer-certificate-expired"], Likely)
        }
        text::OIDC_INIT_X509 if error.contains("expired") => {
            (vec!["issuer-certificate-expired", "api-server-clock-wrong"], Likely)
        }
        text::OIDC_INIT_X509 if ["valid for", "IP SANs", "legacy Common"].iter().any(|words| error.contains(words)) => {
            (vec!["issuer-certificate-name-mismatch"], Certain)
        }
        // Other words, or words that were cut.
        text::OIDC_INIT_X509 => (vec!["issuer-certificate-name-mismatch", "issuer-certificate-untrusted"], Possible),
        heard::INIT_OLD => {
            let ends = |words: &[&str]| words.iter().any(|word| error.trim_end_matches('"').trim_end().ends_with(word));
            let refused = [
                "Forbidden",
                "Proxy Authentication Required",
                "Bad Gateway",
                "Service Unavailable",
                "Gateway Timeout",
                "Method Not Allowed",
                "Too Many Requests",
                "proxyconnect tcp: ",
            ];
            if ends(&refused) || refused.iter().any(|words| error.starts_with(words)) {
                (vec!["issuer-egress-proxy-denied"], Certain)
            } else if error.contains("no such host") {
                (vec!["issuer-private-dns", "issuer-unreachable-from-control-plane"], Likely)
            } else if error.contains("unknown authority") {
                (vec!["issuer-certificate-untrusted", "issuer-chain-incomplete"], Likely)
            } else if error.contains("has expired") {
                (vec!["issuer-certificate-expired", "api-server-clock-wrong"], Likely)
            } else if ["valid for", "IP SANs", "legacy Common"].iter().any(|words| error.contains(words)) {
                (vec!["issuer-certificate-name-mismatch"], Likely)
            } else if error.contains("x509") {
                (vec!["issuer-certificate-name-mismatch", "issuer-certificate-untrusted"], Possible)
            } else {
                (vec!["issuer-unreachable-from-control-plane"], Likely)
            }
        }
        text::OIDC_INIT_DNS => (vec!["issuer-private-dns", "issuer-unreachable-from-control-plane"], Likely),
        text::OIDC_INIT_TIMEOUT => (
            vec![
                "issuer-unreachable-from-control-plane",
                "security-group-blocks-issuer",
                "issuer-internal-load-balancer",
                "route-to-issuer-missing",
            ],
            Certain,
        ),
        // The control plane gets through, and no further: no network is in the way.
        text::OIDC_INIT_CLOSED
            if ["remote error: tls: ", "tls: ", "stopped after "].iter().any(|start| error.starts_with(start)) =>
        {
            (vec!["oidc-not-initialized", "issuer-unavailable"], Likely)
        }
        text::OIDC_INIT_CLOSED | text::OIDC_INIT_REFUSED => {
            (vec!["issuer-unreachable-from-control-plane", "issuer-unavailable"], Likely)
        }
        text::OIDC_DISCOVERY_NOT_JSON => (vec!["issuer-returns-html", "listener-login-on-discovery"], Certain),
        heard::DISCOVERY_SHAPE => (vec!["issuer-returns-html"], Possible),
        heard::ISSUER_UNHEALTHY if error.is_empty() => (vec!["oidc-not-initialized"], Certain),
        // The cause follows, and has a text of its own where it is known.
        heard::ISSUER_UNHEALTHY => (vec!["oidc-not-initialized"], Likely),
        text::OIDC_NOT_INITIALIZED => (
            vec![
                "oidc-not-initialized",
                "oidc-partly-initialized",
                "issuer-blocks-control-plane",
                "issuer-unreachable-from-control-plane",
                "issuer-certificate-untrusted",
                "issuer-document-mismatch",
            ],
            Certain,
        ),
        text::JWKS_HTTP if said.field("status") == "429" => (vec!["issuer-rate-limited"], Certain),
        text::JWKS_HTTP if said.field("status").starts_with('5') => {
            (vec!["jwks-unreachable", "issuer-unavailable", "jwks-blocked"], Likely)
        }
        text::JWKS_HTTP if said.field("status") == "404" => (vec!["jwks-blocked", "jwks-unreachable"], Likely),
        text::JWKS_HTTP => (vec!["jwks-blocked"], Certain),
        text::JWKS_UNREACHABLE if said.has(heard::NO_KEYS_URL) => silence(),
        heard::JWKS_FAILED
            if said.all.iter().any(|other| other.text.name.starts_with("jwks-") && other.text != said.found.text) =>
        {
            silence()
        }
        heard::JWKS_FAILED => (vec!["jwks-blocked", "jwks-unreachable"], Possible),
        text::CONFIG_RELOADED => silence(),
        _ => return None,
    })
}
