//! The server URL begins with http, and the port speaks TLS (or the credential is withheld because of it).

use crate::apiserver::message::heard;
use crate::evidence::apiserver::HttpAnswer;
use crate::evidence::{Failure, FailureKind};
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step, probed};
use crate::rules::kubeconfig_fault::{cluster, complaint};
use crate::rules::{Case, Page, Rule, clip};

/// The rule.
pub static RULE: Rule = Rule {
    code: "server-url-wrong-scheme",
    severity: Severity::Error,
    title: "The server URL has the wrong scheme",
    page: Page {
        means: "Over http kubectl sends no credential at all, and a TLS port answers plain HTTP with 400 \"Client sent an HTTP request to an HTTPS server\". A server URL without any scheme counts as http, whatever else the entries say, and CA and credential are then not even read.",
        evidence: "The answer of the port to a plain request, whichever scheme is written (a redirect to https at the same host is one as well); or the server naming system:anonymous after the credential was withheld.",
        fix: "Write the scheme that the port speaks, https:// for an API server. (http is right only for kubectl proxy and the like, which bring their own credential.) `kubectl config set-cluster CLUSTER --server=https://HOST:6443`.",
        references: "https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/",
    },
    recognises: &[&heard::WRONG_SCHEME, &heard::BAD_REQUEST, &heard::CALL_FAILED, &heard::BARE_SCHEME],
    explains: &["not-a-kubernetes-api", "anonymous-request", "no-credential", "credential-rejected", "api-connection-closed"],
    check,
};

/// What TLS ports answer to plain HTTP: Go's servers, nginx.
pub const ANSWERS: [&str; 2] = ["Client sent an HTTP request to an HTTPS server", "The plain HTTP request was sent to HTTPS port"];

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(route) = case.evidence.endpoint.route.seen() else { return Vec::new() };
    let written = case.evidence.kubeconfig.seen().and_then(|kubeconfig| kubeconfig.cluster.as_ref());
    let written = written.map_or(route.url.as_str(), |cluster| cluster.server.as_str());
    let name = |scheme: &str| {
        let rest = written.split_once("://").map_or(written, |(_, rest)| rest);
        let right = format!("{scheme}://{rest}");
        let step = shell!("kubectl config set-cluster {} --server={}", cluster(case), right);
        Step::command(format!("Name the server with {scheme}"), step)
    };
    if route.scheme == "https" {
        let Some(answer) = case.evidence.endpoint.plain.seen().filter(|answer| answer.is_of_kubernetes()) else {
            return Vec::new();
        };
        return vec![RULE.finding(
            Confidence::Certain,
            format!("The server is written as {written:?}, and the API answers at that port over plain HTTP, as kubectl proxy does."),
            probed("/endpoint/plain/seen", format!("{} to plain HTTP: {}", answer.status, clip(&answer.body, 120))),
            name("http"),
        )];
    }
    let step = name("https");
    let answer = case.evidence.endpoint.anonymous.seen();
    if let Some(answer) = answer.filter(|answer| ANSWERS.iter().any(|text| answer.body.contains(text))) {
        return vec![RULE.finding(
            Confidence::Certain,
            format!("The server is written as {written:?}, which means plain HTTP, but the port speaks TLS."),
            probed("/endpoint/anonymous/seen/body", format!("{}: {}", answer.status, clip(&answer.body, 120))),
            step,
        )];
    }
    if let Some((answer, location, server)) = answer.and_then(|answer| sent_to_https(answer, &route.host)) {
        return vec![RULE.finding(
            Confidence::Likely,
            format!("The server is written as {written:?}, which means plain HTTP, and what answers there sends to the same host over https. kubectl sends no credential over plain HTTP, wherever it is sent on to."),
            probed("/endpoint/anonymous/seen/location", format!("{} to {location}", answer.status)),
            Step::command("Name the server with https, as it says itself", shell!("kubectl config set-cluster {} --server={}", cluster(case), server)),
        )];
    }
    let secure = &case.evidence.endpoint.secure;
    if let (Some(report), Some(failure)) = (secure.seen(), case.evidence.endpoint.anonymous.failed()) {
        return vec![
            RULE.finding(
                Confidence::Certain,
                format!("The server is written as {written:?}, which means plain HTTP, and the port speaks TLS: it ends a plain connection without a word."),
                probed("/endpoint/secure/seen", format!("a TLS handshake at the same port was made ({})", report.version)),
                step,
            )
            .cite(probed("/endpoint/anonymous/failed/detail", format!("over plain HTTP: {}", failure.detail))),
        ];
    }
    let Some(withheld) = complaint(case, RULE.code) else { return Vec::new() };
    // What answered plain HTTP and no TLS cannot be had by another scheme.
    let step = match secure.failed() {
        Some(failure) if answer.is_some_and(HttpAnswer::is_of_kubernetes) && speaks_no_tls(failure) => Step::command(
            format!("This port speaks no TLS ({}), so that https cannot work there. Name the API server's own address, or the https port of what stands before it", failure.detail),
            shell!("kubectl config set-cluster {} --server=https://HOST:6443", cluster(case)),
        ),
        _ => step,
    };
    // A 401 without a name may also come of something before the API server.
    let (outcome, confidence) = match (case.anonymous(), case.rejected()) {
        (Some(outcome), _) => (outcome, Confidence::Certain),
        (None, Some(outcome)) => (outcome, Confidence::Likely),
        (None, None) => return Vec::new(),
    };
    vec![
        RULE.finding(
            confidence,
            format!("The server is written as {written:?}. kubectl sends no credential over plain HTTP, so that of the user entry is not sent."),
            withheld.cite,
            step,
        )
        .cite(outcome),
    ]
}

/// The handshake ended because the other side does not speak TLS, and not because it wants another one.
fn speaks_no_tls(failure: &Failure) -> bool {
    matches!(failure.kind, FailureKind::Protocol | FailureKind::Closed | FailureKind::Timeout)
}

/// A redirect to https at the same host: where to, and the server URL that this makes.
fn sent_to_https<'e>(answer: &'e HttpAnswer, host: &str) -> Option<(&'e HttpAnswer, &'e str, String)> {
    let location = answer.location.as_deref().filter(|_| (300..400).contains(&answer.status))?;
    let url = url::Url::parse(location).ok().filter(|url| url.scheme() == "https")?;
    let bare = |host: &str| host.trim_matches(['[', ']']).trim_end_matches('.').to_ascii_lowercase();
    // A login elsewhere is another thing, and so is one at another path.
    let path = url.path().strip_suffix("/version")?;
    let server = format!("{}{path}", url.origin().ascii_serialization());
    (bare(url.host_str()?) == bare(host)).then_some((answer, location, server))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_host_and_path_over_https_is_the_server_itself() {
        let to = |status, location: &str| {
            let answer = HttpAnswer { status, location: Some(location.to_owned()), ..HttpAnswer::default() };
            sent_to_https(&answer, "api.example").map(|(.., server)| server)
        };
        assert_eq!(to(301, "https://api.example/version").as_deref(), Some("https://api.example"));
        assert_eq!(to(308, "https://API.example:6443/k8s/a/version").as_deref(), Some("https://api.example:6443/k8s/a"));
        assert_eq!(to(302, "https://login.example/version"), None);
        assert_eq!(to(302, "https://api.example/login"), None);
        assert_eq!(to(301, "http://api.example/version"), None);
        assert_eq!(to(200, "https://api.example/version"), None);
    }
}
