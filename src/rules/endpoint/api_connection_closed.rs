//! The connection to the API server is closed: before TLS is up, or before a request is answered.

use crate::apiserver::message::{heard, tools};
use crate::evidence::{Failure, FailureKind};
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step, probed};
use crate::rules::unserved::{Came, Spread, again, compare, unserved};
use crate::rules::way::place;
use crate::rules::wording::capital;
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "api-connection-closed",
    severity: Severity::Error,
    title: "The connection is accepted and closed again",
    page: Page {
        means: "Something accepts the TCP connection and hangs up, during the TLS handshake or before a request is answered: a load balancer without healthy API servers behind it, or a firewall that resets by name. \
            Where only some connections fare so, one of several API servers or targets is bad; where only requests of one kind do (a POST, those with the credential), something on the way looks into them.",
        evidence: "The TCP connection succeeded; the TLS handshake, or a request after it, ended with a close or reset. Further connections, made where one was broken off, tell whether each fares so.",
        fix: "Look at the load balancer's target health; on a firewall, at rules by server name. `aws elbv2 describe-target-health --target-group-arn ARN` shows it in AWS.",
        references: "https://kubernetes.io/docs/setup/production-environment/tools/kubeadm/high-availability/#create-load-balancer-for-kube-apiserver",
    },
    recognises: &[&heard::SERVER_CLOSED, &heard::CALL_FAILED, &tools::HTTP2_CLOSED],
    explains: &[],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let endpoint = &case.evidence.endpoint;
    if let Some(failure) = endpoint.tls.failed_as(UNCONNECTED) {
        return vec![before_tls(case, failure)];
    }
    if let Some(failure) = endpoint.tls.failed_as(&[FailureKind::Tls]) {
        return ended_by_alert(case, failure).into_iter().collect();
    }
    if let Some(unserved) = unserved(case, is_closed) {
        let why = match unserved.spread {
            Spread::Every => format!(
                "{}. What takes the connection there hangs up without an answer: a balancer without a healthy API server behind it, an API server that is just starting or ending, or something on the way that looks into requests.",
                unserved.what()
            ),
            Spread::Credential => format!(
                "{}. Something before the API server that looks at the header does so, or refuses one of this size.",
                unserved.what()
            ),
            _ => format!("{}.", unserved.what()),
        };
        return vec![unserved.finding(&RULE, case, "closed without an answer", why)];
    }
    broken_before(case).into_iter().collect()
}

/// How a connection ends that was open, or that others before it found open.
const UNCONNECTED: &[FailureKind] = &[FailureKind::Closed, FailureKind::Refused, FailureKind::Unreachable];

/// The connection was closed under the request, or HTTP/2 was ended on it with an error.
fn is_closed(came: &Came<'_>) -> bool {
    let Came::Broken(failure, _) = came else { return false };
    let seen = failure.seen.as_deref().unwrap_or_default();
    match failure.kind {
        FailureKind::Protocol => seen.starts_with("http2 error"),
        // What it says of certificates is about ours.
        FailureKind::Tls => seen.starts_with("TLS alert") && !failure.detail.contains("certificate"),
        kind => UNCONNECTED.contains(&kind),
    }
}

fn before_tls(case: &Case<'_>, failure: &Failure) -> Finding {
    let cite = probed("/endpoint/tls/failed/detail", failure.detail.clone());
    let targets = Step::text(
        "Check the health of the targets behind the load balancer that carries the API server's name; then the API servers themselves.",
    );
    match again(case) {
        Some((served, tried, tries)) if served > 0 => RULE
            .finding(
                Confidence::Likely,
                format!(
                    "This connection was not kept up to the end of the TLS handshake, and {served} of {tried} others led to an API server: most likely one of several API servers, balancer targets or addresses behind the name is bad. Clients of Go try a GET again, so that kubectl fails only now and then."
                ),
                cite,
                compare(case),
            )
            .titled("Some connections to the API server are closed again")
            .step(targets)
            .cite(tries),
        tried => RULE
            .finding(
                if tried.is_some() { Confidence::Certain } else { Confidence::Likely },
                "A balancer or firewall on the way takes the connection and has no API server to hand it to, or resets it.",
                cite,
                targets,
            )
            .cite_if(tried.map(|(_, _, cite)| cite)),
    }
}

/// The server ends TLS with an alert that is about neither versions, nor certificates, nor its name.
fn ended_by_alert(case: &Case<'_>, failure: &Failure) -> Option<Finding> {
    let said = failure.seen.as_deref().filter(|seen| seen.starts_with("TLS alert"))?;
    if said.ends_with("UnrecognisedName") {
        return None;
    }
    Some(
        RULE.finding(
            Confidence::Likely,
            format!(
                "{}; its word for that is {:?}. What stands at that port (the API server, or a balancer or router before it) refuses this connection before any request, and says no more.",
                capital(&failure.detail),
                said.trim_start_matches("TLS alert ")
            ),
            probed("/endpoint/tls/failed/seen", format!("{}: {said}", failure.detail)),
            Step::command(
                "See the handshake up to there",
                shell!("openssl s_client -connect {} </dev/null", place(case)),
            ),
        )
        .titled("What answers at the server URL ends the TLS handshake")
        .step(Step::text("Look into the log of whatever ends TLS there: it says why it refuses.")),
    )
}

/// A first handshake was broken off, and the next one was not.
fn broken_before(case: &Case<'_>) -> Option<Finding> {
    let before = case.evidence.endpoint.tls.seen()?.broken_before.as_ref()?;
    let (served, tried, tries) = again(case)?;
    let closed = ["closed the connection", "reset the connection", "broke the connection"];
    let how = if closed.iter().any(|words| before.contains(words)) { "was closed during" } else { "failed in" };
    let mut finding = RULE
        .finding(
            Confidence::Likely,
            format!(
                "The first connection {how} the TLS handshake, and the next one was not; of {tried} more an API server answered {served}. If it comes again, one of several API servers, balancer targets or addresses behind the name is bad. Clients of Go try a GET again, so that kubectl fails only now and then."
            ),
            probed("/endpoint/tls/seen/brokenBefore", before.clone()),
            compare(case),
        )
        .titled("Some connections to the API server are closed again")
        .step(Step::text(
            "Look at each target behind the load balancer that carries the API server's name, and take a bad one out.",
        ))
        .cite(tries);
    if case.evidence.identity.seen().is_some() {
        finding.severity = Severity::Warning;
    }
    Some(finding)
}
