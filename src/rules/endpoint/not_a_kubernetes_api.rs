//! What answers there is no Kubernetes API.

use crate::apiserver::message::heard;
use crate::evidence::apiserver::HttpAnswer;
use crate::evidence::{FailureKind, Outcome};
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step, probed, seen};
use crate::rules::api_port::{Answerer, Came, Spread, answerer, unserved};
use crate::rules::kubeconfig_fault::cluster as named;
use crate::rules::way::host;
use crate::rules::{Case, Page, Rule, clip, failed_as};

/// The rule.
pub static RULE: Rule = Rule {
    code: "not-a-kubernetes-api",
    severity: Severity::Error,
    title: "What answers at the server URL is no Kubernetes API",
    page: Page {
        means: "The server URL leads to something else: a login page, a captive portal, an ingress default backend, or a plain HTTP port.",
        evidence: "The answer to GET /version: its status, content type and first line.",
        fix: "Correct the server URL; log in to the portal; or leave the proxy out with NO_PROXY. `curl -sk SERVER_URL/version` shows what answers.",
        references: "https://kubernetes.io/docs/concepts/overview/kubernetes-api/",
    },
    recognises: &[&heard::PAGE, &heard::PAGE_UNDECODED, &heard::HTML],
    explains: &["credential-rejected", "anonymous-request", "token-not-jwt"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    if let Some(failure) = failed_as(&case.evidence.endpoint.tls, &[FailureKind::Protocol]) {
        return vec![RULE.finding(
            Confidence::Certain,
            "The port does not speak TLS, so it cannot be the API server's secure port.",
            probed("/endpoint/tls/failed/detail", failure.detail.clone()),
            Step::text("Correct scheme and port in the cluster entry's server URL (usually https and 6443 or 443)."),
        )];
    }
    if let Some(finding) = path_kept(case) {
        return vec![finding];
    }
    if let Some(finding) = some_foreign(case).or_else(|| no_http(case)) {
        return vec![finding];
    }
    let Some(answer) = case.evidence.endpoint.anonymous.seen() else { return Vec::new() };
    // A proxy that logs people in shows its own page to everybody else.
    if case.proxy_logs_in() || case.accepted() {
        return Vec::new();
    }
    // A 5xx or 429 of a balancer is the API being away, which is another finding.
    if answer.status >= 500 || answer.status == 429 {
        return Vec::new();
    }
    let kind = answer.content_type.as_deref().unwrap_or("no content type");
    let by = answer.server.as_ref().map_or_else(String::new, |server| format!(" by {server:?}"));
    let compare = Step::command("Compare the server URL with the cluster's endpoint", "kubectl config view --minify -o jsonpath='{.clusters[0].cluster.server}'");
    let name = host(case);
    let (title, what, second) = match answerer(answer) {
        Answerer::Kubernetes => return Vec::new(),
        Answerer::Redirect(location) => (
            "What answers at the server URL sends elsewhere, as no Kubernetes API does",
            format!("GET /version was answered{by} with {} to {location}: something before the API (a login, or a balancer that turns http into https) takes the request. kaccess follows no redirect, because the credential would go along.", answer.status),
            "If that is a login for people, have the API server's name exempted from it; kubectl cannot log in there.",
        ),
        Answerer::Login => (
            "A login page answers at the server URL, not a Kubernetes API",
            format!("GET /version was answered{by} {} with a page that asks to log in. kubectl says of it: invalid character '<' looking for beginning of value.", answer.status),
            "If it is your network's portal, log in there in a browser first; if it stands before the cluster, have the API server's name exempted from it.",
        ),
        Answerer::NoRoute => (
            "What answers at the server URL has no route for this name or path",
            format!("GET /version was answered{by} {} with the words that ingress controllers and web servers have for names and paths they do not know: {:?}.", answer.status, clip(&answer.body, 60)),
            "If it is an ingress controller and the API server is meant to stand behind it, route this name through to it (TLS passed through); else point the server URL at the API server itself.",
        ),
        _ => (
            RULE.title,
            format!("GET /version was answered{by} {} with {kind}, beginning {:?}; an API server answers JSON that names its version, or a Status.", answer.status, clip(&answer.body, 60)),
            "If the page is a login or portal of your network, pass it first, or put the API server's name into NO_PROXY.",
        ),
    };
    let words = if answer.location.is_some() {
        probed("/endpoint/anonymous/seen/location", format!("{} to {}", answer.status, answer.location.as_deref().unwrap_or_default()))
    } else {
        probed("/endpoint/anonymous/seen", format!("{} {} with {kind} from {name}", answer.status, answer.reason))
    };
    // Whoever comes with a credential may be let through, and the run was cut short before that was seen.
    let cut = matches!(&case.evidence.endpoint.authenticated.outcome, Outcome::Skipped(skip) if skip.because == "interrupt");
    let confidence = if cut { Confidence::Likely } else { Confidence::Certain };
    vec![RULE.finding(confidence, what, words, compare).titled(title).step(Step::text(second))]
}

/// The server URL has a path, and the API server was asked with it in front: nobody takes it off on the way.
fn path_kept(case: &Case<'_>) -> Option<Finding> {
    let url = url::Url::parse(&case.evidence.endpoint.route.seen()?.url).ok()?;
    let prefix = url.path().trim_end_matches('/');
    let failure = failed_as(&case.evidence.identity, &[FailureKind::Forbidden])?;
    let (_, asked) = failure.detail.split_once(" path \"")?;
    if prefix.is_empty() || !asked.starts_with(&format!("{prefix}/apis/")) {
        return None;
    }
    Some(
        RULE.finding(
            Confidence::Certain,
            format!("The API server was asked for {prefix}/apis/..., which is no path of a Kubernetes API: the server URL ends in {prefix}, and nothing on the way takes that off."),
            seen("/identity/failed/detail", clip(&failure.detail, 240)),
            Step::command(
                "If this is the API server's own address, take the path off",
                shell!("kubectl config set-cluster {} --server={}", named(case), url.origin().ascii_serialization()),
            ),
        )
        .titled("The server URL has a path that the API server does not know")
        .step(Step::text("If a proxy of several clusters (Rancher, Teleport) is meant, point the server URL at that proxy: it is the one that takes the path off.")),
    )
}

/// An API server answers some requests, and something else answers others.
fn some_foreign(case: &Case<'_>) -> Option<Finding> {
    let unserved = unserved(case, |came| matches!(came, Came::Foreign(_)))?;
    // Where the first answer is foreign already, it is looked at by itself; and one size of header may be too much.
    let review = failed_as(&case.evidence.identity, &[FailureKind::Forbidden, FailureKind::Protocol]).is_some();
    let plain = case.evidence.endpoint.authenticated.seen().is_none_or(HttpAnswer::is_of_kubernetes);
    if unserved.spread == Spread::Every || !review || !plain {
        return None;
    }
    let why = format!("{}. What answered is no API server.", unserved.what());
    Some(unserved.finding(&RULE, case, "answered by something else", why))
}

/// Bytes came that are no HTTP.
fn no_http(case: &Case<'_>) -> Option<Finding> {
    let unserved = unserved(case, |came| {
        matches!(came, Came::Broken(failure, _) if failure.kind == FailureKind::Protocol
            && !failure.seen.as_deref().unwrap_or_default().starts_with("http2 error"))
    })?;
    let why = match unserved.spread {
        Spread::Every => "What answers there does not answer in HTTP as an API server does.".to_owned(),
        _ => format!("{}.", unserved.what()),
    };
    Some(unserved.finding(&RULE, case, "answered in something else than HTTP", why))
}
