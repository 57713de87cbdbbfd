//! What clients say of the way to the API server, and what answers there.

use std::sync::LazyLock;

use regex::Regex;

use super::{Codes, Said, silence};
use crate::apiserver::message::{self, heard::names as heard, names as text};
use crate::report::Confidence::{Certain, Likely, Possible};

/// What a 401 without a reason fits.
pub(super) const UNAUTHORIZED: &[&str] = &[
    "credential-rejected",
    "token-expired",
    "token-issuer-mismatch",
    "token-audience-mismatch",
    "oidc-not-initialized",
    "iam-identity-not-mapped",
    "client-certificate-expired",
    "service-account-token-revoked",
];

/// The codes, the likeliest first; `None` where this part does not choose.
pub(super) fn codes(said: &Said<'_>) -> Option<Codes> {
    let error = said.field("error");
    // A login plugin's own connections are not those to the API server.
    let connects = ["server-", "client-"].iter().any(|lead| said.name().starts_with(lead));
    let login = || said.all.iter().any(|other| other.text.name.starts_with("login-"));
    if connects && !said.name().starts_with("client-cert") && login() {
        return Some(silence());
    }
    Some(match said.name() {
        // Some other service's API.
        heard::SERVER_NAME
        | heard::SERVER_REFUSED
        | heard::SERVER_SILENT
        | heard::SERVER_CLOSED
        | heard::SERVER_ROUTE
        | heard::X509_OTHER
            if !said.field("api").is_empty() && !of_kubernetes(said.field("api")) =>
        {
            silence()
        }
        heard::SERVER_NAME if said.field("error") != "no such host" && said.field("why") != "no such host" => {
            (vec!["dns-resolver-unreachable", "endpoint-name-not-found"], Likely)
        }
        text::CLIENT_NO_RESOLVER => (vec!["dns-resolver-unreachable", "endpoint-name-not-found"], Likely),
        heard::SERVER_NAME | text::CLIENT_NAME_NOT_FOUND => {
            let mut codes = vec!["endpoint-name-not-found"];
            if said.field("host").ends_with(".eks.amazonaws.com") {
                codes.extend(["endpoint-stale", "private-zone-not-visible"]);
            }
            codes.push("dns-rebinding-filter");
            (codes, Likely)
        }
        heard::SERVER_REFUSED | text::CLIENT_REFUSED if said.has(heard::LOCALHOST) => silence(),
        // A client without a configuration asks http://localhost.
        heard::SERVER_REFUSED | heard::CALL_FAILED
            if said.field("api").starts_with("http://localhost/")
                && [said.field("at"), error]
                    .iter()
                    .any(|at| at.contains("127.0.0.1:80") || at.contains("[::1]:80")) =>
        {
            (vec!["kubeconfig-not-found", "current-context-unset", "context-cluster-missing"], Likely)
        }
        heard::SERVER_REFUSED | text::CLIENT_REFUSED => {
            (vec!["api-connection-refused", "proxy-unreachable", "endpoint-stale"], Likely)
        }
        heard::SERVER_SILENT | text::CLIENT_TIMEOUT => (
            vec![
                "api-connection-timeout",
                "public-access-cidr-blocked",
                "endpoint-private-off-network",
                "api-unavailable",
            ],
            Likely,
        ),
        // Whose connection it was, such a line does not say.
        heard::BARE_X509 | heard::BARE_TIMEOUT | heard::BARE_SCHEME if said.all.len() > 1 => silence(),
        heard::BARE_X509 => (certificate_codes(if error.is_empty() { said.field("bare") } else { error }).0, Possible),
        heard::BARE_TIMEOUT => {
            (vec!["api-connection-timeout", "public-access-cidr-blocked", "endpoint-private-off-network"], Possible)
        }
        heard::BARE_SCHEME => (vec!["server-url-wrong-scheme"], Possible),
        text::KUBECTL_CERTIFICATE_REQUIRED
            if said.context.plain.trim() == format!("remote error: tls: {}", said.field("alert")) =>
        {
            (vec!["load-balancer-requires-client-certificate"], Possible)
        }
        heard::TLS_SILENT => (vec!["tls-handshake-timeout"], Likely),
        text::CLIENT_NO_NETWORK => (vec!["ip-family-unreachable", "api-host-unreachable"], Likely),
        heard::SERVER_ROUTE if said.context.plain.contains("network is unreachable") => {
            (vec!["ip-family-unreachable", "api-host-unreachable"], Likely)
        }
        heard::SERVER_ROUTE | text::CLIENT_UNREACHABLE => (vec!["api-host-unreachable"], Likely),
        text::CLIENT_PROXY if said.context.plain.starts_with("proxyconnect tcp: ") => {
            (vec!["proxy-unreachable"], Likely)
        }
        text::CLIENT_PROXY | text::KUBECTL_TLS_VERSION | text::KUBECTL_CERTIFICATE_REQUIRED if !said.context.client => {
            silence()
        }
        text::CLIENT_PROXY => (vec!["proxy-unreachable", "no-proxy-missing"], Certain),
        text::CLIENT_PROXY_REFUSED => (vec!["proxy-connect-refused", "no-proxy-missing"], Likely),
        text::CLIENT_PROXY_AUTH => (vec!["proxy-auth-required", "no-proxy-missing"], Certain),
        text::CLIENT_THROTTLED
            if said.context.plain.contains("disruption budget") || said.context.plain.contains("evict") =>
        {
            silence()
        }
        text::CLIENT_THROTTLED => (vec!["api-priority-throttled"], Likely),
        text::KUBECTL_X509_DATE if said.field("way") == "before" => {
            (vec!["client-clock-wrong", "api-certificate-expired"], Likely)
        }
        heard::X509_OTHER => certificate_codes(error),
        // Go says it of every certificate: without kubectl's words, only of one that nothing else was asked for.
        heard::X509_MACOS => {
            let alone = ["x509: ", "tls: failed to verify certificate: x509: "]
                .iter()
                .any(|lead| said.context.plain.trim_start_matches("error: ").starts_with(lead));
            if !said.context.client && !alone {
                return Some(silence());
            }
            let (codes, confidence) = certificate_codes(error);
            (codes, if said.context.client { confidence } else { Possible })
        }
        heard::X509_BARE if error.contains("legacy Common Name") => (vec!["api-certificate-legacy-name"], Possible),
        heard::X509_BARE => (vec!["api-behind-default-certificate", "api-certificate-name-mismatch"], Possible),
        heard::OC_AUTHORITY => certificate_codes("unknown authority"),
        // Where a text of its own fits, it knows more.
        heard::CALL_FAILED if said.all.len() > 1 => silence(),
        heard::CALL_FAILED => call_codes(error),
        heard::PYTHON_CALL if said.has(heard::METADATA) => silence(),
        // Python's client without configuration asks http://localhost.
        heard::PYTHON_CALL if said.field("host") == "localhost" && said.field("port") == "80" => {
            (vec!["kubeconfig-not-found"], Likely)
        }
        heard::PYTHON_CALL => python_codes(if error.is_empty() { said.field("broken") } else { error }),
        heard::JENKINS_TEST => (vec!["api-connection-refused", "api-connection-timeout"], Possible),
        heard::SERVER_NAMES => (vec!["api-certificate-name-mismatch", "tls-intercepted"], Likely),
        heard::X509_DATE => (vec!["api-certificate-expired", "client-clock-wrong"], Possible),
        text::KUBECTL_X509_DATE => (vec!["api-certificate-expired", "client-clock-wrong", "tls-intercepted"], Likely),
        text::KUBECTL_X509_NAME if said.has(text::KUBECTL_X509_DEFAULT) => silence(),
        text::KUBECTL_X509_NAME => (
            vec!["api-certificate-name-mismatch", "tls-server-name-mismatch", "dns-search-capture", "tls-intercepted"],
            Likely,
        ),
        text::KUBECTL_X509_ROTATED => (vec!["cluster-ca-rotated", "kubeconfig-ca-mismatch"], Likely),
        text::KUBECTL_X509_UNKNOWN => (
            vec!["kubeconfig-ca-mismatch", "tls-intercepted", "cluster-ca-rotated", "api-behind-default-certificate"],
            Possible,
        ),
        text::KUBECTL_TLS_VERSION => {
            (vec!["tls-version-mismatch", "load-balancer-requires-client-certificate"], Likely)
        }
        text::KUBECTL_CERTIFICATE_REQUIRED => (vec!["load-balancer-requires-client-certificate"], Likely),
        text::KUBECTL_HEADER_TOO_LARGE => (vec!["request-header-too-large"], Possible),
        text::NO_CREDENTIALS_PROVIDED => (
            vec![
                "authorization-header-stripped",
                "no-credential",
                "tls-terminated-before-api-server",
                "anonymous-request",
            ],
            Likely,
        ),
        heard::BAD_REQUEST => (vec!["server-url-wrong-scheme", "not-a-kubernetes-api"], Likely),
        heard::SERVER_CLOSED => (vec!["api-connection-closed", "proxy-unreachable"], Likely),
        // What stands before the API server answers for it.
        heard::PAGE
            if ["502 Bad Gateway", "503 Service", "504 Gateway"]
                .iter()
                .any(|words| said.context.plain.contains(words)) =>
        {
            (vec!["api-unavailable", "not-a-kubernetes-api"], Likely)
        }
        heard::PAGE => (vec!["not-a-kubernetes-api"], Likely),
        // The same is said of a file that -f names.
        heard::PAGE_UNDECODED => (vec!["not-a-kubernetes-api", "exec-output-invalid"], Possible),
        heard::HTML => (vec!["not-a-kubernetes-api", "issuer-blocks-control-plane", "issuer-unavailable"], Possible),
        heard::SERVER_ERROR if said.context.plain.contains("metrics.k8s.io") => {
            (vec!["aggregated-api-unavailable", "api-unavailable"], Likely)
        }
        heard::SERVER_ERROR
            if said.has(text::AUTHORIZATION_ERROR) || said.context.plain.contains("failed calling webhook") =>
        {
            silence()
        }
        heard::SERVER_ERROR => (vec!["api-unavailable"], Likely),
        heard::UNAUTHORIZED if said.context.others_json() => silence(),
        heard::UNAUTHORIZED if said.context.others_401() => (vec!["credential-rejected"], Possible),
        // A bare 401 is a bare 401.
        heard::UNAUTHORIZED | heard::UNAUTHORIZED_LOUD | heard::AUDIT_FAILED | heard::REFUSED_LINE => {
            if said.has(text::KUBELET_UNAUTHORIZED) {
                return Some(silence());
            }
            // A reason that is none of the API server's own is a token webhook's.
            if message::webhook_words(&said.context.plain).is_some() {
                return Some((vec!["credential-rejected", "authentication-webhook-refused"], Likely));
            }
            (UNAUTHORIZED.to_vec(), Likely)
        }
        _ => return None,
    })
}

/// The address is one of an API server: by its path, or by a host or port that is known.
fn of_kubernetes(url: &str) -> bool {
    static PATH: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(concat!(
            r"/(?:api/v1/(?:namespaces|nodes|pods|services|endpoints|configmaps|secrets|events|persistentvolumes|",
            r"persistentvolumeclaims|replicationcontrollers|serviceaccounts|resourcequotas|limitranges|podtemplates|",
            r"componentstatuses)\b|apis/[a-z0-9.-]+/v\d|(?:api|api/v1|apis|version|openapi/v[23])(?:\?|/?$))",
        ))
        .expect("constant pattern")
    });
    const HOSTS: [&str; 8] =
        [".eks.amazonaws.com", ".azmk8s.io", ":6443", ":8443", ":16443", "kubernetes", "k8s", "localhost"];
    let host = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = host.split_once('/').map_or(host, |(host, _)| host);
    PATH.is_match(url) || HOSTS.iter().any(|known| host.contains(known))
}

/// What Go says of a server's certificate.
pub(super) fn certificate_codes(error: &str) -> Codes {
    if error.contains("is before") {
        (vec!["client-clock-wrong", "api-certificate-expired"], Likely)
    } else if error.contains("has expired") || error.contains("is expired") {
        (vec!["api-certificate-expired", "client-clock-wrong"], Likely)
    } else if error.contains("possibly because") {
        (vec!["cluster-ca-rotated", "kubeconfig-ca-mismatch"], Likely)
    } else if error.contains("unknown authority") || error.contains("is not trusted") {
        (vec!["kubeconfig-ca-mismatch", "tls-intercepted", "cluster-ca-rotated"], Possible)
    } else if error.contains("legacy Common Name") {
        (vec!["api-certificate-legacy-name"], Likely)
    } else if ["valid for", "IP SANs", "name does not match"].iter().any(|words| error.contains(words)) {
        (vec!["api-certificate-name-mismatch", "tls-server-name-mismatch"], Likely)
    } else {
        (vec!["api-certificate-unusable"], Possible)
    }
}

/// What a client's own system says of a way that it forbids.
const FORBIDDEN: [&str; 3] =
    ["connect: permission denied", "connect: operation not permitted", "connect: invalid argument"];

/// Why a call of the API did not come through, as Go tells it.
pub(super) fn call_codes(error: &str) -> Codes {
    let has = |words: &[&str]| words.iter().any(|word| error.contains(word));
    let codes = if has(&["x509: "]) {
        return certificate_codes(error);
    } else if has(&["HTTP response to HTTPS", "first record does not look like"]) {
        vec!["server-url-wrong-scheme"]
    } else if has(&["no such host"]) {
        vec!["endpoint-name-not-found", "dns-rebinding-filter"]
    } else if has(&[": lookup "]) {
        vec!["dns-resolver-unreachable", "endpoint-name-not-found"]
    } else if has(&["refused"]) {
        vec!["api-connection-refused", "proxy-unreachable", "endpoint-stale"]
    } else if has(&["network is unreachable"]) {
        vec!["ip-family-unreachable", "api-host-unreachable"]
    } else if has(&["no route to host"]) || FORBIDDEN.iter().any(|words| error.contains(words)) {
        vec!["api-host-unreachable"]
    } else if has(&["TLS handshake timeout"]) {
        vec!["tls-handshake-timeout"]
    } else if has(&["timeout", "timed out", "deadline exceeded", "request canceled"]) {
        vec!["api-connection-timeout", "endpoint-private-off-network", "public-access-cidr-blocked"]
    } else if has(&["server sent GOAWAY"]) {
        // A server that shuts down in good order says it, and one with --goaway-chance: it may be over at once.
        return (vec!["api-connection-closed", "api-unavailable"], Possible);
    } else if has(&["EOF", "reset by peer", "connection lost"]) {
        vec!["api-connection-closed", "proxy-unreachable"]
    } else {
        return silence();
    };
    (codes, Likely)
}

/// The same, as Python's urllib3 tells it.
fn python_codes(error: &str) -> Codes {
    let has = |words: &[&str]| words.iter().any(|word| error.contains(word));
    if has(&["doesn't match", "doesn\\'t match", "ostname mismatch", "IP address mismatch"]) {
        (vec!["api-certificate-name-mismatch", "tls-server-name-mismatch"], Likely)
    } else if has(&["certificate has expired"]) {
        (vec!["api-certificate-expired", "client-clock-wrong"], Likely)
    } else if has(&["certificate verify failed"]) {
        (
            vec!["kubeconfig-ca-mismatch", "tls-intercepted", "cluster-ca-rotated", "api-certificate-name-mismatch"],
            Possible,
        )
    } else if has(&["refused"]) {
        (vec!["api-connection-refused", "proxy-unreachable"], Likely)
    } else if has(&["Name or service not known", "nodename nor servname", "getaddrinfo failed", "name resolution"]) {
        (vec!["endpoint-name-not-found", "dns-resolver-unreachable"], Likely)
    } else if has(&["timed out"]) {
        (vec!["api-connection-timeout", "endpoint-private-off-network"], Likely)
    } else if has(&["No route to host"]) {
        (vec!["api-host-unreachable"], Likely)
    } else if has(&["reset by peer", "Remote end closed", "EOF occurred"]) {
        (vec!["api-connection-closed"], Likely)
    } else {
        silence()
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_reason_that_is_not_the_api_servers_own_is_a_webhooks() {
        let rivals = |error: &str| {
            let line = format!(
                r#"E1126 23:00:08.740763   26757 authentication.go:75] "Unable to authenticate the request" err="[invalid bearer token, {error}]""#
            );
            let read = crate::rules::reading::read(&line);
            assert_eq!(read.first().map(|reading| reading.code), Some("credential-rejected"), "{error}");
            read.into_iter().flat_map(|reading| reading.rivals).collect::<Vec<_>>()
        };
        assert_eq!(rivals("account of jane is locked"), ["authentication-webhook-refused"]);
        assert!(!rivals("jwt: something that nobody knows").contains(&"authentication-webhook-refused"));
    }
}
