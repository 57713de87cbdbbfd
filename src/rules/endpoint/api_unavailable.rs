//! The API server, or the balancer before it, answers 5xx.

use crate::apiserver::message::heard;
use crate::report::{Confidence, Finding, Severity, Step};
use crate::rules::{Case, Page, Rule, clip, probed};

/// The rule.
pub static RULE: Rule = Rule {
    code: "api-unavailable",
    severity: Severity::Error,
    title: "The API server is not ready",
    page: Page {
        means: "The way is open, but the answer is a server error: no healthy API server behind the balancer, or one that is still starting or has lost etcd.",
        evidence: "The status and body of GET /version.",
        fix: "Wait for a start to end; else look at the API server's own log and at etcd.",
        references: "https://kubernetes.io/docs/reference/using-api/health-checks/",
    },
    recognises: &[&heard::SERVER_ERROR],
    explains: &["credential-rejected", "anonymous-request"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(answer) = case.evidence.endpoint.anonymous.seen().filter(|answer| answer.status >= 500) else { return Vec::new() };
    if case.accepted() {
        return Vec::new();
    }
    vec![RULE.finding(
        Confidence::Certain,
        format!("GET /version was answered {} {}: {}", answer.status, answer.reason, clip(&answer.body, 120)),
        probed("/endpoint/anonymous/seen/status", format!("{} {}", answer.status, answer.reason)),
        Step::command("Ask its parts which one is not ready", "kubectl get --raw '/readyz?verbose'"),
    )]
}
