//! The proxy does not open a tunnel to the API server.

use crate::apiserver::message::{self, tools};
use crate::report::{Confidence, Finding, Severity, Step, probed, seen};
use crate::rules::way::{Tunnel, cite_met, direct_works, no_tls, place, proxy, proxy_place, tunnel, without_proxy};
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "proxy-connect-refused",
    severity: Severity::Error,
    title: "The proxy does not let you through to the API server",
    page: Page {
        means: "The proxy answered the request for a tunnel with a refusal: its rules do not allow this host or port (many allow port 443 only), or it cannot reach or resolve the server itself. kubectl prints only the status text, as in \"Unable to connect to the server: Forbidden\", without a number.",
        evidence: "The proxy's answer to CONNECT, or its SOCKS reply; and the way without it.",
        fix: "Have the host and port allowed on the proxy; where the server can be reached directly, leave the proxy out for it (NO_PROXY). `export NO_PROXY=$NO_PROXY,HOST`.",
        references: "https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/#proxy",
    },
    recognises: &[&message::CLIENT_PROXY_REFUSED, &tools::KUBECTL_PROXY],
    explains: &[],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(proxy) = proxy(case) else { return Vec::new() };
    let Some((failure, path, said)) = tunnel(case) else { return in_its_place(case, proxy).into_iter().collect() };
    let server = place(case);
    let port = case.evidence.endpoint.route.seen().map_or(443, |route| route.port);
    let cannot = format!("it cannot reach or resolve {server} itself");
    let rules = if port == 443 || proxy.starts_with("socks") {
        format!("its rules do not allow {server}")
    } else {
        format!("its rules do not allow {server}; many proxies allow tunnels to port 443 only, and this is {port}")
    };
    let (reason, step) = match said {
        Tunnel::Status(400 | 404 | 405 | 501) => (
            "it does not open tunnels at all, so it is a web server or a reverse proxy and no forward proxy".to_owned(),
            Step::text(format!("Correct the proxy's address ({}).", proxy_place(case))),
        ),
        Tunnel::Status(500..=599) | Tunnel::Reply(1 | 3 | 4 | 5 | 6) => (
            cannot,
            Step::text(format!("Ask from the proxy's side: it must resolve and reach {server}. A private name or address needs a proxy in that network, or none.")),
        ),
        Tunnel::Status(_) | Tunnel::Reply(_) => {
            (rules, Step::text(format!("Have {server} allowed on the proxy {proxy}.")))
        }
        Tunnel::Credentials | Tunnel::Speaks(_) | Tunnel::Distrusted | Tunnel::Nothing => return Vec::new(),
    };
    let answer = failure.seen.clone().unwrap_or_default();
    let finding = RULE
        .finding(
            Confidence::Certain,
            format!("The proxy {proxy} answered the request for a tunnel to {server} with {answer:?}: {reason}."),
            probed(format!("{path}/seen"), format!("the proxy's answer: {answer}")),
            step,
        )
        .cite(seen("/endpoint/route/seen/proxyReason", format!("the proxy is used because of {}", proxy_place(case))))
        .cite_if(direct_works(case))
        .steps(without_proxy(case));
    vec![finding.cite_if(cite_met(case, RULE.recognises))]
}

/// The proxy says that the way is open, and what comes through it is no TLS, while the server itself speaks it.
fn in_its_place(case: &Case<'_>, proxy: &str) -> Option<Finding> {
    let failure = no_tls(case)?;
    let direct = direct_works(case)?;
    let server = place(case);
    Some(
        RULE.finding(
            Confidence::Certain,
            format!("The proxy {proxy} says that the way to {server} is open, and answers in its place: what comes through is no TLS, and without the proxy the server speaks it. A portal that asks to log in does so, and a web server that takes every request."),
            probed("/endpoint/tls/failed/detail", format!("through the proxy: {}", failure.detail)),
            Step::text(format!("Pass the proxy's portal first (open any page in a browser that uses it), or have the proxy {proxy} open tunnels to {server}.")),
        )
        .titled("The proxy answers in the API server's place")
        .cite(seen("/endpoint/route/seen/proxyReason", format!("the proxy is used because of {}", proxy_place(case))))
        .cite(direct)
        .steps(without_proxy(case)),
    )
}
