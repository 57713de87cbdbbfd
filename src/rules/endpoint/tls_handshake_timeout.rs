//! TCP is accepted, but TLS never answers.

use crate::apiserver::message::heard;
use crate::evidence::FailureKind;
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step, probed};
use crate::rules::way::{address, proxy};
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "tls-handshake-timeout",
    severity: Severity::Error,
    title: "The TLS handshake gets no answer",
    page: Page {
        means: "The TCP connection is up, but the server says nothing: packets of full size are lost on the way (MTU of a VPN), or a balancer accepts for a server that hangs.",
        evidence: "The TCP connection succeeded; no TLS answer came within the limit.",
        fix: "Lower the MTU or clamp the MSS on the VPN; look at the balancer's targets. `ip link set dev DEVICE mtu 1300` tries a smaller one.",
        references: "https://kubernetes.io/docs/tasks/debug/debug-cluster/",
    },
    recognises: &[&heard::TLS_SILENT, &heard::CALL_FAILED],
    explains: &[],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(failure) = case.evidence.endpoint.tls.failed_as(&[FailureKind::Timeout]) else { return Vec::new() };
    // Behind a proxy only a tunnel that was opened says that it is the server that is silent.
    if proxy(case).is_some() && failure.expected.is_none() {
        return Vec::new();
    }
    let to = case.evidence.endpoint.tcp.seen().and_then(|tcp| tcp.attempts.iter().find(|attempt| attempt.connected()));
    let to = to.and_then(address).map_or_else(|| "ADDRESS".to_owned(), |address| address.to_string());
    let interface = Step::command(
        "See by which interface your packets go (the word behind dev) and what packets it lets through",
        shell!("ip route get {} && ip link", to),
    );
    vec![RULE.finding(
        Confidence::Certain,
        "The port accepts connections and then stays silent: large packets are lost (MTU) or the process behind it hangs.",
        probed("/endpoint/tls/failed/detail", failure.detail.clone()),
        interface,
    )
    .step(Step::command(
        "Try with small packets on that interface until the next restart; if kubectl works then, it is the MTU of the VPN or tunnel, and belongs into its settings",
        "sudo ip link set dev INTERFACE mtu 1280",
    ))
    .step(Step::text("If it makes no difference, whatever stands at that port accepts connections and hangs: look at the load balancer's targets, or at the API server itself."))]
}
