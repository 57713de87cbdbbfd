//! The server URL begins with http, and the port speaks TLS (or the credential is withheld because of it).

use crate::report::{Confidence, Finding, Severity, Step};
use crate::rules::complaint::{cluster, complaint, quoted};
use crate::rules::{Case, Page, Rule, clip, probed};

/// The rule.
pub static RULE: Rule = Rule {
    code: "server-url-wrong-scheme",
    severity: Severity::Error,
    title: "The server URL has the wrong scheme",
    page: Page {
        means: "Over http kubectl sends no credential at all, and a TLS port answers plain HTTP with 400 \"Client sent an HTTP request to an HTTPS server\". A server URL without any scheme counts as http where the cluster entry names no CA.",
        evidence: "The answer of the port to a plain request; or the server naming system:anonymous after the credential was withheld.",
        fix: "Write https:// in front of the server. (http is right only for kubectl proxy and the like, which bring their own credential.)",
        references: "https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/",
    },
    recognises: &[],
    explains: &["not-a-kubernetes-api", "anonymous-request", "no-credential", "credential-rejected"],
    check,
};

/// What TLS ports answer to plain HTTP: Go's servers, nginx.
const ANSWERS: [&str; 2] = ["Client sent an HTTP request to an HTTPS server", "The plain HTTP request was sent to HTTPS port"];

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(route) = case.evidence.endpoint.route.seen().filter(|route| route.scheme == "http") else {
        return Vec::new();
    };
    let written = case.evidence.kubeconfig.seen().and_then(|kubeconfig| kubeconfig.cluster.as_ref());
    let written = written.map_or(route.url.as_str(), |cluster| cluster.server.as_str());
    let right = format!("https://{}", written.strip_prefix("http://").unwrap_or(written));
    let step = Step::command(
        "Name the server with https",
        format!("kubectl config set-cluster {} --server={}", cluster(case), quoted(&right)),
    );
    let answer = case.evidence.endpoint.anonymous.seen();
    if let Some(answer) = answer.filter(|answer| ANSWERS.iter().any(|text| answer.body.contains(text))) {
        return vec![RULE.finding(
            Confidence::Certain,
            format!("The server is written as {written:?}, which means plain HTTP, but the port speaks TLS."),
            probed("/endpoint/anonymous/seen/body", format!("{}: {}", answer.status, clip(&answer.body, 120))),
            step,
        )];
    }
    let Some(withheld) = complaint(case, RULE.code) else { return Vec::new() };
    let Some(outcome) = case.anonymous().or_else(|| case.rejected()) else { return Vec::new() };
    vec![
        RULE.finding(
            Confidence::Certain,
            format!("The server is written as {written:?}. kubectl sends no credential over plain HTTP, so the one of the user entry stays at home."),
            withheld.cite,
            step,
        )
        .cite(outcome),
    ]
}
