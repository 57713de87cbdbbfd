//! The proxy's certificate is of another CA.

use crate::apiserver::message;
use crate::report::{Finding, Severity, Step};
use crate::rules::{Case, Page, Place, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "front-proxy-ca-mismatch",
    severity: Severity::Error,
    title: "The API server does not trust the certificate of the proxy in front of it",
    page: Page {
        means: "The proxy shows the API server a client certificate that --requestheader-client-ca-file does not cover. The API server then refuses every request of the proxy with 401.",
        evidence: "The API server's log: \"x509: certificate signed by unknown authority\" twice in one line, the second time with the serial number of a certificate that is not yours.",
        fix: "Issue the proxy a certificate by the front proxy's CA (kubeadm: front-proxy-ca), never by the clients' one; or point --requestheader-client-ca-file to the CA that the proxy uses. `openssl x509 -in PROXY_CERT -noout -issuer` beside `openssl x509 -in front-proxy-ca.crt -noout -subject`.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/authentication/#authenticating-proxy",
    },
    recognises: &[&message::BOTH_CAS],
    explains: &["credential-rejected", "client-certificate-untrusted", "tls-terminated-before-api-server"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let (Some(word), Some(rejected)) = (case.said_of_certificate(&message::BOTH_CAS, false), case.rejected()) else {
        return Vec::new();
    };
    let terminated = case.terminated();
    if word.outdated
        || (terminated.is_none() && word.place != Place::Met)
        || word.field("error").contains("not in the allowed list")
    {
        return Vec::new();
    }
    let serial = word.field("serial");
    vec![
        RULE.finding(
            word.confidence(true),
            format!("The proxy in front of the API server shows the certificate number {serial}, and neither the front proxy's CA nor the clients' one covers it ({}). So every request through the proxy is refused, whoever is behind it.", word.field("error")),
            word.cite(),
            Step::command(
                "Issue the proxy a certificate by the CA of --requestheader-client-ca-file (kubeadm: /etc/kubernetes/pki/front-proxy-ca.crt), with a name of --requestheader-allowed-names",
                "openssl req -new -newkey rsa:2048 -nodes -keyout proxy.key -subj /CN=front-proxy-client -out proxy.csr && openssl x509 -req -in proxy.csr -CA front-proxy-ca.crt -CAkey front-proxy-ca.key -days 365 -out proxy.crt",
            ),
        )
        .step(Step::manifest("Or have the API server trust the proxy's CA as a front proxy's one (never the clients' CA: whoever holds a client certificate could then be anybody), and restart it", "--requestheader-client-ca-file=/etc/kubernetes/pki/proxy-ca.crt\n"))
        .cite(rejected)
        .cite_if(terminated),
    ]
}
