//! A forward proxy refuses the control plane the way to the issuer.

use crate::apiserver::message::{self, heard};
use crate::report::{Confidence, Finding, Severity, Step, probed};
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "issuer-egress-proxy-denied",
    severity: Severity::Error,
    title: "The proxy on the control plane's way out refuses the issuer",
    page: Page {
        means: "The API server goes to the issuer through the proxy of its own environment (HTTPS_PROXY), and the proxy refuses to connect. It never speaks with the issuer, whose own log shows nothing.",
        evidence: "The API server's log: \"initializing plugin: Get ...: Forbidden\", a reason phrase alone, without digits and body. A refusal by the issuer's side would carry both.",
        fix: "Allow the issuer's host in the proxy, or name it in NO_PROXY of the API server. `kubectl get pod -n kube-system -l component=kube-apiserver -o yaml` shows the proxy that is set.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/authentication/#configuring-the-api-server",
    },
    recognises: &[&message::OIDC_INIT_PROXY, &heard::INIT_PROXY, &heard::INIT_OLD],
    explains: &["credential-rejected", "oidc-not-initialized", "oidc-partly-initialized", "issuer-blocks-control-plane", "issuer-private-dns", "issuer-unreachable-from-control-plane"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    if case.accepted() || case.initialized() {
        return Vec::new();
    }
    let Some(word) = case.said(&message::OIDC_INIT_PROXY) else { return Vec::new() };
    let url = word.field("url");
    let host = url::Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_else(|| "ISSUER".to_owned());
    let (probes, at) = case.issuer();
    let mut finding = RULE
        .finding(
            Confidence::Certain,
            format!("The API server asked its proxy for a connection to {host} and was told {:?}. The issuer itself was never reached.", word.field("reason")),
            word.cite(),
            Step::text(format!("Have {host}:443 allowed in the forward proxy that the control plane uses (CONNECT), for the control plane's addresses.")),
        )
        .step(Step::manifest("Or, where the direct way is open, exempt it in the API server's environment (/etc/kubernetes/manifests/kube-apiserver.yaml)", format!("- name: NO_PROXY\n  value: {host},localhost,127.0.0.1,SERVICE_RANGE,POD_RANGE,.svc,.cluster.local\n")))
        .step(Step::command("Wait 10 s (the API server tries again by itself), then", "kaccess doctor"))
        .cite_if(case.rejected());
    if let Some(discovery) = probes.discovery.seen() {
        finding = finding.cite(probed(format!("{at}/discovery/seen/answer/status"), format!("from this machine discovery answers {}", discovery.answer.status)));
    }
    vec![finding]
}
