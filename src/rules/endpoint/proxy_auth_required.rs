//! The proxy wants a name and password.

use crate::apiserver::message;
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step, probed, seen};
use crate::rules::way::{Tunnel, cite_met, direct_works, proxy, proxy_of_kubeconfig, proxy_place, tunnel, without_proxy};
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "proxy-auth-required",
    severity: Severity::Error,
    title: "The proxy demands a name and password",
    page: Page {
        means: "The proxy opens no tunnel without credentials of its own, and those in its URL are missing or wrong. kubectl prints \"Proxy Authentication Required\". Go programs can only give a name and password (Basic); for Negotiate and NTLM they need a helper on this machine.",
        evidence: "The proxy's answer 407 to CONNECT (or to a plain HTTP request), or its SOCKS answer.",
        fix: "Put name and password into the proxy's URL, percent-encoded. `export HTTPS_PROXY=http://USER:PASSWORD@PROXY:3128`.",
        references: "https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/#proxy",
    },
    recognises: &[&message::CLIENT_PROXY_AUTH],
    explains: &["not-a-kubernetes-api", "anonymous-request", "credential-rejected"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(proxy) = proxy(case) else { return Vec::new() };
    let (cite, detail) = match tunnel(case) {
        Some((failure, path, Tunnel::Credentials)) => (
            probed(format!("{path}/detail"), failure.detail.clone()),
            failure.detail.clone(),
        ),
        Some(_) => return Vec::new(),
        // A plain HTTP request goes to the proxy as it is, and the proxy answers it as a server would.
        None => match case.evidence.endpoint.anonymous.seen().filter(|answer| answer.status == 407) {
            Some(_) => (
                probed("/endpoint/anonymous/seen/status", "GET /version was answered 407 by the proxy"),
                String::new(),
            ),
            None => return Vec::new(),
        },
    };
    let (scheme, address) = proxy.split_once("://").unwrap_or(("http", proxy));
    let url = format!("{scheme}://NAME:PASSWORD@{address}");
    let other = ["Negotiate", "NTLM", "Kerberos", "Digest"].into_iter().find(|name| detail.contains(&format!("asks for {name}")));
    let step = if let Some(other) = other {
        Step::text(format!("The proxy asks for {other}, which Go programs (kubectl among them) cannot give: run a helper on this machine that can, such as px or cntlm, and name it as the proxy."))
    } else if proxy_of_kubeconfig(case) {
        Step::command(
            "Put name and password into proxy-url (percent-encoded; the kubeconfig is then a secret)",
            shell!("kubectl config set-cluster {} --proxy-url={}", crate::rules::kubeconfig_fault::cluster(case), url),
        )
    } else {
        Step::command("Put name and password into the variable (percent-encoded)", shell!("export HTTPS_PROXY={}", url))
    };
    let given = detail.contains("does not accept");
    let finding = RULE
        .finding(
            Confidence::Certain,
            if given {
                format!("The proxy {proxy} does not accept the name and password of its URL.")
            } else {
                format!("The proxy {proxy} lets nobody through without a name and password, and its URL has none.")
            },
            cite,
            step,
        )
        .cite(seen("/endpoint/route/seen/proxyReason", format!("the proxy is used because of {}", proxy_place(case))))
        .cite_if(direct_works(case))
        .steps(without_proxy(case));
    vec![finding.cite_if(cite_met(case, RULE.recognises))]
}
