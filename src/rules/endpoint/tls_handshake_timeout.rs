//! TCP is accepted, but TLS never answers.

use crate::apiserver::message::heard;
use crate::evidence::FailureKind;
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step, probed};
use crate::rules::unserved::{Came, again, compare, unserved};
use crate::rules::way::{address, proxy};
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "tls-handshake-timeout",
    severity: Severity::Error,
    title: "The TLS handshake gets no answer",
    page: Page {
        means: "The TCP connection is up, but the server says nothing: packets of full size are lost on the way (MTU of a VPN), or a balancer accepts for a server that hangs.",
        evidence: "The TCP connection succeeded; no TLS answer came within the limit. Or a first connection was silent while another one beside it was answered: then one of several targets hangs.",
        fix: "Lower the MTU or clamp the MSS on the VPN; look at the balancer's targets. `ip link set dev DEVICE mtu 1300` tries a smaller one.",
        references: "https://kubernetes.io/docs/tasks/debug/debug-cluster/",
    },
    recognises: &[&heard::TLS_SILENT, &heard::CALL_FAILED],
    explains: &[],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(failure) = case.evidence.endpoint.tls.failed_as(&[FailureKind::Timeout]) else {
        return some_silent(case).into_iter().collect();
    };
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

/// A first connection was silent, and another one beside it was not.
fn some_silent(case: &Case<'_>) -> Option<Finding> {
    let waited = case.evidence.endpoint.tls.seen()?.silent_before?;
    // Where requests got no answer either, that is told with them.
    if unserved(case, |came| matches!(came, Came::Broken(failure, _) if failure.kind == FailureKind::Timeout)).is_some() {
        return None;
    }
    let further = again(case);
    let of_them = further.as_ref().map_or_else(String::new, |(served, all, _)| format!(" Of {all} further connections an API server answered {served}."));
    Some(
        RULE.finding(
            Confidence::Likely,
            format!("The first connection got no answer in the TLS handshake within {} s, and another one beside it was answered.{of_them} So it is not the way, but one of several API servers, balancer targets or addresses behind the name: it accepts connections and hangs. kubectl hangs now and then.", waited / 1000),
            probed("/endpoint/tls/seen/silentBefore", format!("a connection without an answer for {waited} ms")),
            compare(case),
        )
        .titled("Some connections get no answer in the TLS handshake")
        .step(Step::text("Look at each target behind the load balancer that carries the API server's name, and at the API servers themselves; take the one out that accepts connections and does not answer."))
        .cite_if(further.map(|(_, _, cite)| cite)),
    )
}
