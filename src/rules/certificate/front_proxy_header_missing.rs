//! The proxy is trusted and names nobody.

use crate::apiserver::message;
use crate::report::{Finding, Severity, Step, seen};
use crate::rules::{Case, Page, Rule, front};

/// The rule.
pub static RULE: Rule = Rule {
    code: "front-proxy-header-missing",
    severity: Severity::Error,
    title: "The proxy in front of the API server passes no user name",
    page: Page {
        means: "The proxy's certificate is good, but no header of --requestheader-username-headers came with a value. The API server then takes the certificate for a client's, which it is not, and answers 401.",
        evidence: "The API server's log: \"verifying certificate SN=... failed\" alone, with the serial number of a certificate that is not yours.",
        fix: "Have the proxy send the user name in a header that the API server reads (X-Remote-User), with the very name of the flag. `kubectl get configmap -n kube-system extension-apiserver-authentication -o yaml` lists the names that are read.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/authentication/#authenticating-proxy",
    },
    recognises: &[&message::CLIENT_CA_ALONE],
    explains: front::EXPLAINED,
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let (Some(word), Some(rejected)) = (case.said_of_certificate(&message::CLIENT_CA_ALONE, false), case.rejected())
    else {
        return Vec::new();
    };
    if !word.field("error").contains("unknown authority") {
        return Vec::new();
    }
    let known = case.configuration.as_ref();
    let headers = known.and_then(|(configuration, path)| {
        Some((configuration.front_proxy.as_ref()?.headers.username_headers.join(", "), *path))
    });
    // Without a CA for front proxies the line looks the same: that is another finding.
    if headers.is_none() && known.is_some_and(|(configuration, _)| configuration.complete) {
        return Vec::new();
    }
    let Some((confidence, before)) = front::refused(case, word, headers.is_some()) else { return Vec::new() };
    let header = headers
        .as_ref()
        .map_or("X-Remote-User", |(names, _)| names.split(", ").next().unwrap_or("X-Remote-User"))
        .to_owned();
    let mut finding = RULE
        .finding(
            confidence,
            format!("The proxy in front of the API server shows the certificate number {}, which the front proxy's CA covers; but no user name came in the header {header}, so the certificate was taken for a client's and refused.", word.field("serial")),
            word.cite(),
            Step::manifest("Have the proxy send the name it has logged in, in the header that the API server reads; in nginx, then nginx -s reload", format!("proxy_set_header {header} $remote_user;\n")),
        )
        .step(Step::command("Compare the header's name with the flag, letter by letter", "kubectl -n kube-system get configmap extension-apiserver-authentication -o jsonpath='{.data.requestheader-username-headers}'"))
        .cite(rejected)
        .cite_if(before);
    if let Some((names, path)) = headers {
        finding = finding.cite(seen(path, format!("the API server reads the user name from {names}")));
    }
    vec![finding]
}
