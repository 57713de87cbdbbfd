//! Something ends TLS before the API server, so the client certificate never arrives.

use crate::evidence::identity::ANONYMOUS;
use crate::report::{Confidence, Finding, Severity, Step, probed};
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "tls-terminated-before-api-server",
    severity: Severity::Error,
    title: "TLS ends before the API server: the client certificate does not arrive",
    page: Page {
        means: "A balancer or proxy takes the TLS connection and makes another one to the API server. A client certificate cannot be passed on: the API server sees a request without credential.",
        evidence: "The handshake at this endpoint asks for no client certificate, which a kube-apiserver with --client-ca-file always does, or without the certificate another page answers than the API server's; and the API server names the user system:anonymous although a certificate with a name was at hand.",
        fix: "Pass TLS through (nginx: stream, not http; AWS: a network balancer with a TCP listener), go to the API server's own address, or have the proxy log people in and vouch for them (X-Remote-User). `kubectl config set-cluster CLUSTER --server=https://API_SERVER:6443` goes past it.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/authentication/#x509-client-certificates",
    },
    recognises: &[],
    explains: &["anonymous-request", "credential-rejected"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(leaf) = case.only_certificate() else { return Vec::new() };
    // Without a name in it, it would count as none wherever it arrives.
    if leaf.common_names.last().is_none_or(String::is_empty) {
        return Vec::new();
    }
    let terminated = case.terminated();
    // Where it arrives, the API server names the user exactly so.
    if terminated.is_none() && leaf.common_names.last().is_some_and(|name| name == ANONYMOUS) {
        return Vec::new();
    }
    let demanded = case.proxy_wants_certificate();
    let (confidence, first) = match (case.anonymous(), case.rejected(), &terminated) {
        (Some(cite), _, Some(_)) => (Confidence::Certain, cite),
        (Some(cite), _, None) if demanded => (Confidence::Certain, cite),
        // Without anonymous requests the API server answers 401 to everybody who brings nothing.
        (None, Some(cite), Some(_)) if case.evidence.endpoint.anonymous.seen().is_some_and(|answer| answer.status == 401) => (Confidence::Likely, cite),
        (Some(cite), _, None) if case.evidence.endpoint.tls.seen().is_some() => {
            let unused = case.configuration.as_ref().is_some_and(|(configuration, _)| configuration.client_ca_file.is_none());
            if unused {
                return Vec::new();
            }
            (Confidence::Likely, cite)
        }
        _ => return Vec::new(),
    };
    let who = case.evidence.endpoint.anonymous.seen().and_then(|answer| answer.server.clone());
    let by = who.map_or_else(String::new, |who| format!(" (it calls itself {who:?})"));
    vec![
        RULE.finding(
            confidence,
            format!("What answers at this endpoint{by} ends the TLS connection, so the certificate of {:?} does not reach the API server.", leaf.common_names.last().map_or("", String::as_str)),
            first,
            Step::manifest(
                "Pass the connection through without ending TLS; in nginx, beside http { } and not inside",
                "stream {\n    server {\n        listen 6443;\n        proxy_pass API_SERVER:6443;\n    }\n}\n",
            ),
        )
        .step(Step::text("On AWS: a network balancer with a TCP (not TLS) listener. Or use the API server's own address in the kubeconfig."))
        .step(Step::command("Until then, a bearer token passes such a proxy", "kubectl create token SERVICE_ACCOUNT -n NAMESPACE"))
        .cite_if(terminated)
        .cite_if(demanded.then(|| probed("/endpoint/anonymous/seen/status", "without the certificate a page answers that is no API server's"))),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{Evidence, Outcome};
    use crate::report::diagnose;
    use crate::rules::check_all;

    #[test]
    fn a_balancer_that_demands_the_certificate_is_no_authenticating_proxy() {
        let text = include_str!("../../../testdata/cases/tls-terminated-before-api-server/evidence.json");
        let mut evidence: Evidence = serde_json::from_str(text).expect("evidence");
        // Synthetic: the saved nginx asks for no certificate; this is what one with `ssl_verify_client on` does.
        let Outcome::Seen(tls) = &mut evidence.endpoint.tls.outcome else { panic!("no handshake") };
        tls.asks_client_certificate = Some(true);
        let Outcome::Seen(answer) = &mut evidence.endpoint.anonymous.outcome else { panic!("no answer") };
        answer.status = 400;
        answer.content_type = Some("text/html".to_owned());
        answer.body = "<html>\r\n<head><title>400 No required SSL certificate was sent</title></head>".to_owned();
        let found = diagnose(check_all(&Case::new(&evidence)));
        assert_eq!((found[0].code, found[0].confidence), (RULE.code, Confidence::Certain));
        assert!(found.iter().all(|finding| finding.code != "front-proxy-not-configured"), "{found:?}");
    }

    #[test]
    fn a_certificate_of_anonymous_arrives_and_is_taken_for_nobody() {
        // Synthetic: at an API server that saw system:anonymous, another credential than the saved one.
        let text = include_str!("../../../testdata/cases/basic-auth-removed/evidence.json");
        let other = include_str!("../../../testdata/cases/client-certificate/evidence.json");
        let found = |name: Option<&str>| {
            let mut evidence: Evidence = serde_json::from_str(text).expect("evidence");
            let other: Evidence = serde_json::from_str(other).expect("evidence");
            evidence.credential = other.credential;
            let Outcome::Seen(credential) = &mut evidence.credential.outcome else { panic!("no credential") };
            if let Some(name) = name {
                credential.certificates[0].common_names = vec![name.to_owned()];
            }
            diagnose(check_all(&Case::new(&evidence)))
        };
        assert_eq!(found(None)[0].code, RULE.code);
        let anonymous = found(Some(ANONYMOUS));
        assert!(anonymous.iter().all(|finding| finding.code != RULE.code), "{anonymous:?}");
        assert!(anonymous[0].code == "anonymous-request" && anonymous[0].why.contains("(CN)"), "{anonymous:?}");
    }
}
