//! The API server takes no user from the proxy.

use crate::apiserver::message::{self, heard};
use crate::report::{Confidence, Finding, Severity, Step, probed, seen};
use crate::rules::{Case, Page, Rule, clip, front, reading};

/// The rule.
pub static RULE: Rule = Rule {
    code: "front-proxy-not-configured",
    severity: Severity::Error,
    title: "The API server takes no user from the proxy in front of it",
    page: Page {
        means: "A proxy logs people in and passes their names on in headers. The API server believes such headers only over a connection with the proxy's own client certificate, and only if it was given that certificate's CA (--requestheader-client-ca-file). Where either is missing, the headers count for nothing. The API server passes names on to extension servers (metrics APIs) in the same way, and needs --proxy-client-cert-file for it.",
        evidence: "The proxy asks for a login and passes it, and the API server names system:anonymous; or the log and the flags: the proxy's certificate is refused, and no --requestheader-client-ca-file is set; or a metrics API names system:anonymous to somebody whom the API server knows.",
        fix: "Give the proxy a client certificate of the front proxy's CA, and the API server the --requestheader flags. `kubectl get configmap -n kube-system extension-apiserver-authentication -o yaml` shows what is set.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/authentication/#authenticating-proxy",
    },
    recognises: &[
        &message::CLIENT_CA_ALONE,
        &heard::FRONT_PROXY_CONFIG,
        &heard::FRONT_PROXY_OVERLAP,
        &heard::FORBIDDEN,
    ],
    explains: &[
        "anonymous-request",
        "basic-auth-removed",
        "credential-rejected",
        "tls-terminated-before-api-server",
        "no-credential",
        "static-token-unknown",
    ],
    check,
};

/// An extension server saw nobody where the API server knows the caller.
fn behind(case: &Case<'_>) -> Option<Finding> {
    let error = case.evidence.asked.error.as_deref().filter(|_| case.accepted())?;
    let line = reading::of_extension(error)?;
    Some(
        RULE.finding(
            Confidence::Likely,
            "The API server knows who you are, and the message says that nobody was seen: so most likely the extension server behind the API server said it, unless it was of a request without a credential. The API server passes names on to it in headers, which it believes only beside the front proxy's certificate.",
            seen("/asked/error", clip(line, 240)),
            Step::command(
                "See whether the extension server can know the front proxy's CA: requestheader-client-ca-file and the headers' names stand here",
                "kubectl get configmap -n kube-system extension-apiserver-authentication -o yaml",
            ),
        )
        .titled("The extension server takes no user from the API server")
        .step(Step::manifest(
            "The API server needs a certificate of that CA besides its --requestheader flags (kubeadm sets them); then start the extension server anew",
            "--proxy-client-cert-file=/etc/kubernetes/pki/front-proxy-client.crt\n--proxy-client-key-file=/etc/kubernetes/pki/front-proxy-client.key\n",
        )),
    )
}

fn check(case: &Case<'_>) -> Vec<Finding> {
    if let Some(finding) = behind(case) {
        return vec![finding];
    }
    let terminated = case.terminated();
    let unset = case.configuration.as_ref().filter(|(configuration, _)| configuration.complete && configuration.front_proxy.is_none());
    // One that has expired may be anybody's.
    let alone = case.said_of_certificate(&message::CLIENT_CA_ALONE, false).filter(|word| !word.outdated && word.field("error").contains("unknown authority"));
    let refused = alone.zip(case.rejected());
    let flags = "--requestheader-client-ca-file=/etc/kubernetes/pki/front-proxy-ca.crt\n--requestheader-allowed-names=front-proxy-client\n--requestheader-username-headers=X-Remote-User\n--requestheader-group-headers=X-Remote-Group\n--requestheader-extra-headers-prefix=X-Remote-Extra-\n";
    // Somebody else's certificate that nobody knows makes the same line at the API server's own endpoint.
    if let (Some((_, path)), Some((word, rejected))) = (unset, refused)
        && let Some((confidence, before)) = front::refused(case, word, true)
    {
        return vec![
            RULE.finding(
                confidence,
                format!("A proxy shows the API server the certificate number {}, and the API server has no CA for front proxies: it takes the certificate for a client's and refuses it.", word.field("serial")),
                word.cite(),
                Step::manifest("Give the API server the front proxy's CA (not the clients' one) and the names of the headers, and restart it", flags),
            )
            .cite(seen(*path, "the flags in force name no --requestheader-client-ca-file"))
            .cite(rejected)
            .cite_if(before),
        ];
    }
    let (Some(anonymous), true) = (case.anonymous(), case.proxy_logs_in()) else { return Vec::new() };
    // Mutual TLS at a balancer: TLS ends there, and it names nobody.
    if case.proxy_wants_certificate() {
        return Vec::new();
    }
    let mut finding = RULE
        .finding(
            Confidence::Certain,
            "What stands before the API server logs people in by itself and passed this login; the API server nevertheless saw nobody. The proxy shows it no client certificate, or the API server is not set up for front proxies, so the headers with the name count for nothing.",
            anonymous,
            Step::manifest(
                "Have the proxy show a client certificate of the front proxy's CA; in nginx, then nginx -s reload",
                "proxy_ssl_certificate     /etc/nginx/front-proxy-client.crt;\nproxy_ssl_certificate_key /etc/nginx/front-proxy-client.key;\nproxy_set_header X-Remote-User $remote_user;\n",
            ),
        )
        .step(Step::manifest("The API server needs these flags (kubeadm sets them)", flags))
        .cite(probed("/endpoint/anonymous/seen/status", "without the login, the proxy's own page answers"))
        .cite(probed("/endpoint/authenticated/seen/status", "with it, the API server answers"));
    if let Some((_, path)) = unset {
        finding = finding.cite(seen(*path, "the flags in force name no --requestheader-client-ca-file"));
    }
    vec![finding.cite_if(terminated)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Evidence;

    #[test]
    fn an_extension_server_that_sees_nobody_is_not_the_api_server() {
        // Somebody whom the server knows; the messages are those of metrics-server #249 and of a newer server.
        let text = include_str!("../../../testdata/cases/private-zone-visible/evidence.json");
        let mut evidence: Evidence = serde_json::from_str(text).expect("evidence");
        let mut told = |message: &str| {
            evidence.asked.error = Some(message.to_owned());
            check(&Case::new(&evidence)).first().map(|finding| finding.confidence)
        };
        for message in [
            r#"pods.metrics.k8s.io is forbidden: User "system:anonymous" cannot list pods.metrics.k8s.io in the namespace "default".: "No policy matched.""#,
            r#"Error from server (Forbidden): nodes.metrics.k8s.io is forbidden: User "system:anonymous" cannot list resource "nodes" in API group "metrics.k8s.io" at the cluster scope"#,
        ] {
            assert_eq!(told(message), Some(Confidence::Likely), "{message}");
        }
        for message in [
            r#"nodes is forbidden: User "system:anonymous" cannot list resource "nodes" in API group "" at the cluster scope"#,
            r#"nodes.metrics.k8s.io is forbidden: User "jane" cannot list resource "nodes" in API group "metrics.k8s.io" at the cluster scope"#,
        ] {
            assert_eq!(told(message), None, "{message}");
        }
        // The same for a type of the API server's own: it was nobody there, too.
        let refused = |what: &str, group: &str| {
            format!(
                "Error from server (Forbidden): {what} is forbidden: User \"system:anonymous\" cannot list resource \"nodes\" in API group \"{group}\" at the cluster scope\n"
            )
        };
        let (behind, own) = (refused("nodes.metrics.k8s.io", "metrics.k8s.io"), refused("nodes", ""));
        assert_eq!(told(&behind), Some(Confidence::Likely));
        assert_eq!(told(&format!("{behind}{own}")), None);
        // A request without a credential is answered in the same words.
        evidence.asked.error = Some(r#"nodes.metrics.k8s.io is forbidden: User "system:anonymous" cannot list resource "nodes" in API group "metrics.k8s.io" at the cluster scope"#.to_owned());
        let found = check(&Case::new(&evidence));
        assert!(found[0].why.contains("unless it was of a request without a credential"), "{}", found[0].why);
    }
}
