//! What answers there is no Kubernetes API.

use crate::apiserver::message::heard;
use crate::evidence::FailureKind;
use crate::report::{Confidence, Finding, Severity, Step};
use crate::rules::{Case, Page, Rule, clip, failed_as, probed};

/// The rule.
pub static RULE: Rule = Rule {
    code: "not-a-kubernetes-api",
    severity: Severity::Error,
    title: "What answers at the server URL is no Kubernetes API",
    page: Page {
        means: "The server URL leads to something else: a login page, a captive portal, an ingress default backend, or a plain HTTP port.",
        evidence: "The answer to GET /version: its status, content type and first line.",
        fix: "Correct the server URL; log in to the portal; or leave the proxy out with NO_PROXY.",
        references: "https://kubernetes.io/docs/concepts/overview/kubernetes-api/",
    },
    recognises: &[&heard::PAGE, &heard::HTML],
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
    let Some(answer) = case.evidence.endpoint.anonymous.seen() else { return Vec::new() };
    let kind = answer.content_type.as_deref().unwrap_or_default();
    let json = kind.starts_with("application/json");
    let looks_kubernetes = answer.body.contains("gitVersion") || answer.body.contains("\"kind\":\"Status\"") || answer.body.contains("\"kind\": \"Status\"");
    // A proxy that logs people in shows its own page to everybody else.
    if case.proxy_logs_in() {
        return Vec::new();
    }
    // A 5xx or 429 of a balancer is the API being away, which is another finding.
    if answer.status >= 500 || answer.status == 429 || (json && looks_kubernetes) || case.accepted() {
        return Vec::new();
    }
    vec![
        RULE.finding(
            Confidence::Certain,
            format!(
                "GET /version was answered {} with {}, beginning {:?}; an API server answers JSON that names its version, or a Status.",
                answer.status,
                if kind.is_empty() { "no content type" } else { kind },
                clip(&answer.body, 60)
            ),
            probed("/endpoint/anonymous/seen", format!("{} {} with {kind}", answer.status, answer.reason)),
            Step::command("Compare the server URL with the cluster's endpoint", "kubectl config view --minify -o jsonpath='{.clusters[0].cluster.server}'"),
        )
        .step(Step::text("If the page is a login or portal of your network, pass it first, or put the API server's name into NO_PROXY.")),
    ]
}
