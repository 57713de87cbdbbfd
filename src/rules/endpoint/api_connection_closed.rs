//! The connection to the API server is closed before TLS is up.

use crate::apiserver::message::heard;
use crate::evidence::FailureKind;
use crate::report::{Confidence, Finding, Severity, Step, probed};
use crate::rules::{Case, Page, Rule, failed_as};

/// The rule.
pub static RULE: Rule = Rule {
    code: "api-connection-closed",
    severity: Severity::Error,
    title: "The connection is accepted and closed again",
    page: Page {
        means: "Something accepts the TCP connection and hangs up during the TLS handshake: a load balancer without healthy API servers behind it, or a firewall that resets by name.",
        evidence: "The TCP connection succeeded; the TLS handshake ended with a close or reset.",
        fix: "Look at the load balancer's target health; on a firewall, at rules by server name. `aws elbv2 describe-target-health --target-group-arn ARN` shows it in AWS.",
        references: "https://kubernetes.io/docs/setup/production-environment/tools/kubeadm/high-availability/#create-load-balancer-for-kube-apiserver",
    },
    recognises: &[&heard::SERVER_CLOSED, &heard::CALL_FAILED],
    explains: &[],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(failure) = failed_as(&case.evidence.endpoint.tls, &[FailureKind::Closed]) else { return Vec::new() };
    vec![RULE.finding(
        Confidence::Certain,
        "A balancer or firewall on the way takes the connection and has no API server to hand it to, or resets it.",
        probed("/endpoint/tls/failed/detail", failure.detail.clone()),
        Step::text("Check the health of the targets behind the load balancer that carries the API server's name; then the API servers themselves."),
    )]
}
