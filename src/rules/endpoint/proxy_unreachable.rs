//! The proxy in front of the API server cannot be used.

use crate::apiserver::message;
use crate::evidence::FailureKind;
use crate::evidence::dns::ConnectOutcome;
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step, probed, seen};
use crate::rules::way::{Tunnel, cite_met, direct_works, host, proxy, proxy_of_kubeconfig, proxy_place, tunnel, without_proxy};
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "proxy-unreachable",
    severity: Severity::Error,
    title: "The proxy on the way to the API server is dead",
    page: Page {
        means: "A proxy is named in the environment or in the kubeconfig, and it does not resolve, does not accept connections, does not speak as a proxy, speaks another protocol than its URL says (https:// is for a proxy that is itself spoken to in TLS, which few are), or shows a certificate that is not trusted. kubectl then says that \"the connection to the server API was refused\" and names the API server, which was never reached; only -v=6 shows \"proxyconnect tcp\".",
        evidence: "Name, TCP and first answer of the proxy; and the way without it, where the server could be reached directly.",
        fix: "Start the proxy or correct its address (http:// unless the proxy itself is spoken to in TLS); or leave it out for this host. `export NO_PROXY=$NO_PROXY,HOST`; where the cluster entry has a proxy-url, `kubectl config unset clusters.CLUSTER.proxy-url`.",
        references: "https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/#proxy",
    },
    recognises: &[&message::CLIENT_PROXY],
    explains: &[],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let endpoint = &case.evidence.endpoint;
    // Only the choice of a proxy finds a route malformed; a look that broke off says nothing of it.
    if let Some(failure) = endpoint.route.failed().filter(|failure| failure.kind == FailureKind::Malformed) {
        let text = "Write it as http://host:port, https://host:port or socks5://host:port, or take it out.";
        return vec![
            RULE.finding(
                Confidence::Certain,
                "kubectl takes the setting for a proxy all the same, and fails with each request; no connection was tried.",
                seen("/endpoint/route/failed/detail", failure.detail.clone()),
                Step::text(text),
            )
            .titled("The proxy setting for the API server names no proxy that can be used"),
        ];
    }
    let Some(proxy) = proxy(case) else { return Vec::new() };
    let mut confidence = Confidence::Certain;
    // Where it is alive, the address or the certificate is to be mended, and nothing is to be started.
    let mut alive: Option<(&str, Step)> = None;
    let place = proxy_place(case);
    let of_kubeconfig = proxy_of_kubeconfig(case);
    let (what, cite) = if let Some(failure) = endpoint.dns.failed_as(&[FailureKind::NameNotFound]) {
        ("its name does not resolve".to_owned(), probed("/endpoint/dns/failed/detail", failure.detail.clone()))
    } else if let Some(attempts) = endpoint
        .tcp
        .seen()
        .map(|connections| connections.attempts.as_slice())
        .filter(|attempts| !attempts.is_empty() && attempts.iter().all(|attempt| !attempt.connected()))
    {
        let words = match attempts[0].outcome {
            ConnectOutcome::Refused => "nothing listens there",
            ConnectOutcome::Timeout => "it does not answer",
            ConnectOutcome::Unreachable => "no route leads there",
            _ => "it cannot be connected to",
        };
        let list = attempts.iter().map(|attempt| format!("{}: {}", attempt.address, attempt.outcome));
        (words.to_owned(), probed("/endpoint/tcp/seen/attempts", list.collect::<Vec<_>>().join(", ")))
    } else if let Some((failure, path, Tunnel::Speaks(scheme))) = tunnel(case) {
        let (written, rest) = proxy.split_once("://").unwrap_or(("", proxy));
        let right = format!("{scheme}://{rest}");
        let step = if of_kubeconfig {
            Step::command(
                "Name the proxy with its own scheme (and its user name and password, if it has any, as before)",
                shell!("kubectl config set-cluster {} --proxy-url={}", crate::rules::kubeconfig_fault::cluster(case), right),
            )
        } else {
            Step::text(format!("Write {scheme}:// instead of {written}:// where the proxy is named ({place})."))
        };
        alive = Some(("The proxy's address has the wrong scheme", step));
        (format!("what answers there speaks {scheme} and not {written}"), probed(format!("{path}/detail"), failure.detail.clone()))
    } else if let Some((failure, path, Tunnel::Distrusted)) = tunnel(case) {
        let step = Step::text("Have the proxy show a certificate that is trusted. kubectl judges it as it does the API server's own: by the cluster entry's CA alone, or by this machine's roots where the entry has none.");
        alive = Some(("The certificate of the proxy on the way to the API server is not trusted", step));
        ("its certificate is not trusted, so nothing is asked of it".to_owned(), probed(format!("{path}/detail"), failure.detail.clone()))
    } else if let Some((failure, path, Tunnel::Nothing)) = tunnel(case) {
        let detail = failure.detail.clone();
        ("it accepts connections and opens no way".to_owned(), probed(format!("{path}/detail"), detail))
    } else if let Some(failure) = endpoint.tls.failed_as(&[FailureKind::Timeout]).filter(|failure| failure.expected.is_none()) {
        // The run's own limit came first: whether the proxy or the server behind it is silent was not seen.
        confidence = Confidence::Likely;
        ("it opened no way in the time that was left".to_owned(), probed("/endpoint/tls/failed/detail", failure.detail.clone()))
    } else {
        return Vec::new();
    };
    let (title, step) = if let Some(alive) = alive {
        alive
    } else if of_kubeconfig {
        let step = Step::command(
            format!("Start the proxy at {proxy}, or correct proxy-url of the cluster entry"),
            shell!("kubectl config set-cluster {} --proxy-url=http://PROXY:PORT", crate::rules::kubeconfig_fault::cluster(case)),
        );
        (RULE.title, step)
    } else {
        (RULE.title, Step::text(format!("Start the proxy at {proxy}, or correct the variable that names it ({place}).")))
    };
    let finding = RULE
        .finding(
            confidence,
            format!("Connections to {} go through the proxy {proxy} ({place}), and {what}. No request came through to the API server, although kubectl's message names it.", host(case)),
            cite,
            step,
        )
        .titled(title)
        .cite(seen("/endpoint/route/seen/proxyReason", format!("the proxy is used because of {place}")))
        .cite_if(direct_works(case))
        .steps(without_proxy(case));
    vec![finding.cite_if(cite_met(case, RULE.recognises))]
}
