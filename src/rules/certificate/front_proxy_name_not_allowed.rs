//! The proxy's certificate has a name that is not on the list.

use crate::apiserver::message;
use crate::report::shell::shell;
use crate::report::{Finding, Severity, Step, seen};
use crate::rules::{Case, Page, Rule, front};

/// The rule.
pub static RULE: Rule = Rule {
    code: "front-proxy-name-not-allowed",
    severity: Severity::Error,
    title: "The API server does not allow the name of the proxy's certificate",
    page: Page {
        means: "The proxy in front of the API server shows a certificate of the right CA, but its common name is not among --requestheader-allowed-names. The API server then refuses every request of the proxy, whoever is behind it.",
        evidence: "The API server's log: \"x509: subject with cn=NAME is not in the allowed list\".",
        fix: "Issue the proxy a certificate with an allowed common name, or add the name to --requestheader-allowed-names. Upper and lower case count, alternative names do not. `openssl x509 -in PROXY_CERT -noout -subject` shows the name, `kubectl get configmap -n kube-system extension-apiserver-authentication -o yaml` those that are allowed.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/authentication/#authenticating-proxy",
    },
    recognises: &[&message::FRONT_PROXY_NAME],
    explains: front::EXPLAINED,
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let (Some(word), Some(rejected)) = (case.said(&message::FRONT_PROXY_NAME), case.rejected()) else {
        return Vec::new();
    };
    let name = word.field("name");
    let own = case.only_certificate().is_some_and(|leaf| leaf.common_names.last().is_some_and(|own| own == name));
    // At the API server's own endpoint, the log tells of somebody else's proxy.
    let Some((confidence, before)) = front::refused(case, word, true).filter(|_| !own) else { return Vec::new() };
    let allowed = case.configuration.as_ref().and_then(|(configuration, path)| {
        Some((configuration.front_proxy.as_ref()?.headers.allowed_names.join(","), *path))
    });
    let list = allowed.as_ref().map_or_else(|| "front-proxy-client".to_owned(), |(names, _)| names.clone());
    let mut finding = RULE
        .finding(
            confidence,
            format!("The proxy in front of the API server shows a certificate of {name:?}. The CA is right, the name is not on the list, so every request through it is refused."),
            word.cite(),
            Step::command(
                "Issue the proxy a certificate with an allowed name, by the front proxy's CA",
                shell!("openssl req -new -newkey rsa:2048 -nodes -keyout proxy.key -subj '/CN={}' -out proxy.csr && openssl x509 -req -in proxy.csr -CA front-proxy-ca.crt -CAkey front-proxy-ca.key -days 365 -out proxy.crt", list.split(',').next().unwrap_or("NAME")),
            ),
        )
        .step(Step::manifest("Or allow the name, and restart the API server", format!("--requestheader-allowed-names={list},{name}\n")))
        .cite(rejected)
        .cite_if(before);
    if let Some((names, path)) = allowed {
        finding = finding.cite(seen(path, format!("allowed names: {names}")));
    }
    vec![finding]
}
