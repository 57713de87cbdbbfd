//! What tools, clients in other languages and SDKs say: their words count only where something tells whose they are.

use super::{Codes, Said, connection, silence};
use crate::apiserver::message::{heard::names as heard, names as text, tools::names as tools};
use crate::report::Confidence::{Certain, Likely, Possible};

/// The codes, the likeliest first; `None` where this part does not choose.
pub(super) fn codes(said: &Said<'_>) -> Option<Codes> {
    network(said).or_else(|| answers(said)).or_else(|| aws(said)).or_else(|| logins(said)).or_else(|| nodes(said))
}

/// Words that every program says of any server: only of the API server, where the line names it or a client of it, and
/// less surely where only a line beside it does.
fn network(said: &Said<'_>) -> Option<Codes> {
    let (codes, confidence) = match said.name() {
        tools::AUTHORITY => (vec!["kubeconfig-ca-mismatch", "tls-intercepted", "cluster-ca-rotated"], Possible),
        tools::ALERT => match said.field("alert") {
            "certificate_expired" => (vec!["client-certificate-expired"], Likely),
            "certificate_required" => (vec!["load-balancer-requires-client-certificate"], Likely),
            _ => (
                vec![
                    "client-certificate-untrusted",
                    "client-certificate-expired",
                    "load-balancer-requires-client-certificate",
                ],
                Possible,
            ),
        },
        tools::NAME => (vec!["endpoint-name-not-found", "dns-resolver-unreachable", "endpoint-stale"], Likely),
        tools::SILENT => {
            (vec!["api-connection-timeout", "endpoint-private-off-network", "public-access-cidr-blocked"], Likely)
        }
        // The rest of a text that Jenkins wraps.
        tools::REFUSED if said.has(heard::JENKINS_TEST) => return Some(silence()),
        tools::REFUSED => (vec!["api-connection-refused", "api-connection-timeout", "endpoint-stale"], Likely),
        tools::HOSTNAME => (vec!["api-certificate-name-mismatch", "tls-intercepted"], Likely),
        _ => return None,
    };
    Some(match said.context {
        context if context.cluster => (codes, confidence),
        context if context.beside => (codes, Possible),
        _ => silence(),
    })
}

/// What the API server answered, and how its connections ended.
fn answers(said: &Said<'_>) -> Option<Codes> {
    let error = said.field("error");
    Some(match said.name() {
        // Where the line says it in words of its own as well, those know more.
        tools::UNAUTHORIZED if said.has(heard::BOOTSTRAP) || said.has(text::KUBELET_UNAUTHORIZED) => silence(),
        // Kubernetes is not the only server that one logs in to.
        tools::UNAUTHORIZED if said.context.plain.trim_end().ends_with("logged in to the server") => {
            (rejected(), Possible)
        }
        tools::UNAUTHORIZED if said.context.plain.contains("ClientResponseError") && !said.context.cluster => {
            // A path such as /api/v1/events is that of many a web service, and the words are aiohttp's.
            (rejected(), Possible)
        }
        tools::UNAUTHORIZED => (rejected(), Likely),
        // kubeadm asks for cluster-info without a credential first.
        tools::UNAUTHORIZED_OPEN if said.context.plain.contains("request cluster") => {
            (vec!["credential-rejected", "bootstrap-token-invalid"], Possible)
        }
        tools::UNAUTHORIZED_OPEN => (rejected(), Possible),
        tools::FORBIDDEN | tools::FORBIDDEN_PYTHON | tools::FORBIDDEN_BARE
            if [heard::FORBIDDEN, heard::FORBIDDEN_OLD, heard::CLIENT_FORBIDDEN]
                .iter()
                .chain(&[text::NODE_AUTHORIZER, text::ADMISSION, text::ADMISSION_OTHER])
                .chain(&[heard::ESCALATION, heard::OWNER_REFUSED])
                .any(|name| said.has(name)) =>
        {
            silence()
        }
        tools::FORBIDDEN_BARE if said.field("user") == "system:anonymous" => (vec!["anonymous-request"], Likely),
        tools::FORBIDDEN_BARE => (vec!["rbac-no-grant", "rbac-wrong-scope"], Likely),
        tools::FORBIDDEN | tools::FORBIDDEN_PYTHON => {
            (vec!["rbac-no-grant", "rbac-wrong-scope", "anonymous-request"], Possible)
        }
        // Every program of Node says it: only the line beside it tells whose words they are.
        tools::FORBIDDEN_NODE if !said.context.beside => silence(),
        tools::FORBIDDEN_NODE => (vec!["rbac-no-grant", "rbac-wrong-scope", "anonymous-request"], Possible),
        // Another authorizer may still have allowed it.
        tools::RBAC_DENY => (vec!["rbac-no-grant", "rbac-wrong-scope"], Likely),
        tools::IMPERSONATION => (vec!["impersonation-denied"], Certain),
        tools::ETCD => (vec!["api-unavailable"], Likely),
        tools::EMPTY_GROUP => (vec!["aggregated-api-unavailable", "resource-not-served"], Possible),
        tools::LENS => (vec!["api-unavailable", "not-a-kubernetes-api"], Possible),
        tools::SERVER_PROXY => (vec!["control-plane-proxy-in-the-way", "proxy-unreachable"], Likely),
        // Go tells a refused CONNECT by the reason phrase alone.
        tools::KUBECTL_PROXY if ["Service Unavailable", "Forbidden", "Bad Gateway"].contains(&error.trim()) => {
            (vec!["proxy-connect-refused", "api-unavailable", "no-proxy-missing"], Likely)
        }
        // What its plugin says is the plugin's.
        tools::KUBECTL_PROXY if error.contains("getting credentials") => silence(),
        tools::KUBECTL_PROXY | tools::OC_CONNECT => connection::call_codes(error),
        tools::OC_EXPIRED => (connection::certificate_codes(error).0, Possible),
        tools::CONNECTEX
            if [
                heard::LOCALHOST,
                heard::SERVER_REFUSED,
                heard::SERVER_SILENT,
                heard::SERVER_ROUTE,
                text::CLIENT_REFUSED,
            ]
            .iter()
            .any(|name| said.has(name)) =>
        {
            silence()
        }
        tools::CONNECTEX => connectex(error),
        tools::SOCKET => (vec!["api-host-unreachable"], Possible),
        tools::LOOKUP
            if ["temporary", "temporär", "temporal", "temporaire"].iter().any(|word| error.contains(word)) =>
        {
            (vec!["dns-resolver-unreachable", "endpoint-name-not-found"], Likely)
        }
        tools::LOOKUP => (vec!["endpoint-name-not-found", "endpoint-stale", "dns-resolver-unreachable"], Likely),
        tools::HTTP2_CLOSED => (vec!["api-connection-closed", "api-unavailable"], Likely),
        tools::NO_ROOTS => (vec!["kubeconfig-ca-mismatch", "kubeconfig-ca-unparsable"], Likely),
        tools::AUTHORITY_UNFIT if said.has(text::KUBECTL_X509_ROTATED) => silence(),
        // The authority that the kubeconfig names signs with an algorithm, or as a kind, that nobody takes.
        tools::AUTHORITY_UNFIT if said.field("reason").contains("insecure algorithm") => {
            (vec!["api-certificate-unusable", "kubeconfig-ca-mismatch"], Likely)
        }
        tools::AUTHORITY_UNFIT => {
            (vec!["kubeconfig-ca-mismatch", "api-certificate-unusable", "cluster-ca-rotated"], Likely)
        }
        // Other programs of Go say it too.
        tools::NO_PEM if said.context.plain.starts_with("error: ") => {
            (vec!["client-key-mismatch", "kubeconfig-unparsable"], Possible)
        }
        tools::NO_PEM => (vec!["client-key-mismatch", "kubeconfig-unparsable"], Likely),
        tools::K9S => (vec!["kubeconfig-not-found", "current-context-unset"], Likely),
        _ => return None,
    })
}

fn rejected() -> Vec<&'static str> {
    vec![
        "credential-rejected",
        "token-expired",
        "service-account-token-revoked",
        "oidc-not-initialized",
        "iam-identity-not-mapped",
        "client-certificate-expired",
    ]
}

/// Windows says it in the user's language; where that is not known, both are.
fn connectex(error: &str) -> Codes {
    const REFUSED: [&str; 8] = ["refus", "verweiger", "积极拒绝", "積極拒絕", "拒否", "deneg", "отверг", "rifiut"];
    const SILENT: [&str; 8] = [
        "Verbindungsversuch",
        "tentative de connexion",
        "没有正确答复",
        "没有反应",
        "intento de conexi",
        "正しく応答しなかった",
        "попытка установить соединение",
        "tentativo di connessione",
    ];
    let lower = error.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| lower.contains(&word.to_lowercase()));
    if error.contains("unreachable") {
        (vec!["api-host-unreachable"], Likely)
    } else if says(&SILENT) {
        (vec!["api-connection-timeout", "endpoint-private-off-network", "public-access-cidr-blocked"], Likely)
    } else if says(&REFUSED) {
        (vec!["api-connection-refused", "endpoint-stale"], Likely)
    } else {
        (vec!["api-connection-refused", "api-connection-timeout"], Possible)
    }
}

/// What SDKs say of their credentials, and EKS of an identity.
fn aws(said: &Said<'_>) -> Option<Codes> {
    Some(match said.name() {
        tools::AWS_CREDENTIALS
            if said
                .all
                .iter()
                .any(|other| other.text.name.starts_with("sts-") || other.text.name.starts_with("sdk-m"))
                || [
                    heard::AGENT,
                    heard::AWS_KEYS,
                    heard::AWS_CREDENTIALS,
                    heard::POD_IDENTITY,
                    tools::STS_UNREACHABLE,
                ]
                .iter()
                .any(|name| said.has(name)) =>
        {
            silence()
        }
        // A program without a Pod says the same.
        tools::AWS_CREDENTIALS => (
            vec![
                "aws-credentials-unavailable",
                "irsa-not-injected",
                "irsa-annotation-missing",
                "pod-identity-no-association",
                "static-keys-shadow-role",
            ],
            Possible,
        ),
        // Everybody's AWS CLI says the other words.
        tools::STS_UNREACHABLE => (
            vec!["sts-unreachable", "aws-credentials-unavailable"],
            if said.field("endpoint").is_empty() { Likely } else { Possible },
        ),
        tools::TOKEN_FILE_DENIED => (vec!["irsa-not-injected"], Likely),
        tools::EKS_CONSOLE => (vec!["iam-identity-not-mapped", "iam-identity-without-permissions"], Likely),
        tools::SESSION_NAME => (vec!["node-identity-unresolved", "aws-auth-invalid"], Likely),
        _ => return None,
    })
}

/// Plugins and logins of old, and what joins a cluster.
fn logins(said: &Said<'_>) -> Option<Codes> {
    Some(match said.name() {
        tools::PLUGIN_START if said.has(heard::PLUGIN_ABSENT) => silence(),
        tools::PLUGIN_START => (vec!["exec-plugin-not-found", "exec-failed"], Likely),
        tools::PLUGIN_ABSENT => (vec!["exec-plugin-not-found", "auth-provider-removed"], Certain),
        tools::PLUGIN_FAILED => {
            (vec!["exec-failed", "exec-login-expired", "aws-credentials-unavailable", "auth-provider-removed"], Likely)
        }
        // Which of many refusals it was, these words do not tell.
        tools::DEVICE_CODE if said.context.plain.contains("OAuth token: Unknown Error") => {
            (vec!["exec-failed", "exec-login-expired", "auth-provider-removed"], Possible)
        }
        tools::DEVICE_CODE => (
            vec!["exec-login-expired", "auth-provider-removed"],
            if said.context.plain.contains("azure.go") { Likely } else { Possible },
        ),
        // The library of Entra ID's logins is in many a program.
        tools::LOGIN_UNREACHABLE
            if said.context.plain.contains("devicetoken")
                && !["azure.go", "failed to get token", "getting credentials", "kubelogin"]
                    .iter()
                    .any(|words| said.context.plain.contains(words)) =>
        {
            (vec!["exec-issuer-unreachable"], Possible)
        }
        tools::LOGIN_UNREACHABLE => (vec!["exec-issuer-unreachable", "proxy-connect-refused"], Likely),
        tools::K3S_TOKEN => (vec!["bootstrap-token-invalid", "credential-rejected"], Likely),
        tools::K3S_CA | tools::KUBEADM_CA => (vec!["bootstrap-token-invalid", "cluster-ca-rotated"], Likely),
        // On a machine of one's own it is only a warning.
        tools::POD_TOKEN => (vec!["service-account-token-not-mounted"], Possible),
        tools::NODE_CSR => (vec!["node-authorizer-denied", "node-not-in-nodes-group"], Likely),
        _ => return None,
    })
}

/// Kubelets.
fn nodes(said: &Said<'_>) -> Option<Codes> {
    Some(match said.name() {
        tools::KUBELET_SCRAPE => (vec!["kubelet-unreachable", "aggregated-api-unavailable"], Likely),
        tools::KUBELET_AGENT => (vec!["kubelet-unreachable"], Likely),
        tools::SCRAPE_UNAUTHORIZED => (vec!["kubelet-refuses-api-server", "credential-rejected"], Likely),
        tools::SCRAPE_FORBIDDEN => (vec!["rbac-no-grant", "rbac-subresource-not-granted"], Likely),
        tools::KUBELET_DENIED if said.has(text::KUBELET_FORBIDDEN) => silence(),
        tools::KUBELET_DENIED if said.field("who").starts_with("system:serviceaccount:") => {
            (vec!["rbac-no-grant", "kubelet-refuses-api-server"], Possible)
        }
        tools::KUBELET_DENIED if said.field("user").is_empty() => {
            (vec!["kubelet-refuses-api-server", "rbac-no-grant"], Possible)
        }
        tools::KUBELET_DENIED => (vec!["kubelet-refuses-api-server"], Likely),
        tools::KUBELET_EXPIRED => (vec!["client-certificate-expired"], Certain),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use crate::report::Confidence::{self, Certain, Likely, Possible};
    use crate::rules::reading::{Reading, read, read_beside};

    fn first(readings: Vec<Reading>) -> Option<(&'static str, Confidence)> {
        readings.into_iter().next().map(|reading| (reading.code, reading.confidence))
    }

    /// A program that cannot be another one is believed; words that others have as well, and those that leave the cause
    /// open, are possible only (texts of public threads).
    #[test]
    fn words_are_believed_as_far_as_they_tell_whose_they_are() {
        for (line, code, confidence) in [
            ("failed to discover server resources for group version v1: Unauthorized", "credential-rejected", Likely),
            ("Non-critical error occurred during resource retrieval: Unauthorized", "credential-rejected", Likely),
            ("failed to list bootstrap tokens: Unauthorized", "credential-rejected", Likely),
            (
                "ClientResponseError: 401, message='Unauthorized', url=URL('https://10.32.0.1:443/api/v1/namespaces')",
                "credential-rejected",
                Likely,
            ),
            (
                "ClientResponseError: 401, message='Unauthorized', url=URL('https://app.example.com/api/v1/events')",
                "credential-rejected",
                Possible,
            ),
            (
                "ClientResponseError: 401, message='Unauthorized', url=URL('https://10.32.0.1/apis/example.com/v1/widgets')",
                "credential-rejected",
                Possible,
            ),
            (
                "Get \"https://10.0.0.1:6443/api/v1/pods?watch=true\": http2: server sent GOAWAY and closed the connection; LastStreamID=1",
                "api-connection-closed",
                Possible,
            ),
            ("Error: Failed to update service account: Unauthorized", "credential-rejected", Possible),
            (
                "[discovery] Failed to request cluster info, will try again: [Unauthorized]",
                "credential-rejected",
                Possible,
            ),
            (
                "token: Invalid value: \"anng.2059h34kq4jt7vxr\": the bootstrap token is invalid",
                "bootstrap-token-invalid",
                Certain,
            ),
            ("`handle_exception': 403 Forbidden (KubeException)", "rbac-no-grant", Possible),
            (
                "ClientResponseError: 403, message='Forbidden', url=URL('https://10.32.0.1:443/api/v1/namespaces')",
                "rbac-no-grant",
                Possible,
            ),
            ("Error: the server does not allow access to the requested resource (get pods)", "rbac-no-grant", Possible),
            (
                "error finding role for pod: rpc error: code = Unknown desc = pod not found",
                "kiam-role-missing",
                Possible,
            ),
            (
                "Unable to connect to the server: dial tcp 172.20.0.1:6443: socket: An invalid argument was supplied.",
                "api-host-unreachable",
                Possible,
            ),
            (
                "Unable to connect to the server: x509: certificate signed by unknown authority (edited)",
                "kubeconfig-ca-mismatch",
                Possible,
            ),
            ("autorest/adal/devicetoken: Error while retrieving OAuth token: Unknown Error", "exec-failed", Possible),
            (
                "autorest/adal/devicetoken: Error occurred while sending request with device code for a token: Post \"https://login.example.com/oauth2/token\": EOF",
                "exec-issuer-unreachable",
                Possible,
            ),
            (
                "failed to get token: autorest/adal/devicetoken: Error occurred while sending request with device code for a token: Post \"https://login.example.com/oauth2/token\": EOF",
                "exec-issuer-unreachable",
                Likely,
            ),
            (
                "unable to authenticate the request\" err=\"[x509: certificate has expired or is not yet valid: ",
                "client-certificate-expired",
                Likely,
            ),
        ] {
            assert_eq!(first(read(line)), Some((code, confidence)), "{line}");
        }
        // Every program of Node says it.
        assert_eq!(first(read("Error: Forbidden")), None);
        assert_eq!(first(read_beside("Error: Forbidden", true)), Some(("rbac-no-grant", Possible)));
    }
}
