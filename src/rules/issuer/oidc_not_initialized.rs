//! The API server's authenticator for this issuer never came up.

use crate::apiserver::message::{self, heard};
use crate::report::shell::shell;
use crate::report::{Finding, Severity, Step, probed};
use crate::rules::{Case, Page, Rule, Word};

/// The rule.
pub static RULE: Rule = Rule {
    code: "oidc-not-initialized",
    severity: Severity::Error,
    title: "The API server could not yet read the issuer's discovery document",
    page: Page {
        means: "At its start, and every 10 s after, the API server asks the issuer for its discovery document. Until that works once, every token of this issuer is refused, whatever else is right or wrong with it. The API server is healthy all the while.",
        evidence: "A TokenReview or log line \"oidc: authenticator not initialized\"; or metrics that count failures for this issuer and not a single key fetch.",
        fix: "Find out what the control plane meets at the discovery URL: the line \"oidc authenticator: initializing plugin: ...\" in the API server's log says it. It heals within 10 s once the URL answers; no restart is needed. `kaccess explain @kube-apiserver.log` finds it.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/authentication/#openid-connect-tokens",
    },
    recognises: &[&message::OIDC_NOT_INITIALIZED, &message::OIDC_INIT_CLOSED, &heard::ISSUER_UNHEALTHY],
    explains: &["credential-rejected"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    if case.accepted() {
        return Vec::new();
    }
    // The log says what ends the attempt, and it is no network.
    let broken = case
        .words
        .iter()
        .find(|word| word.text == &message::OIDC_INIT_CLOSED && word.answered())
        .filter(|_| !case.initialized());
    let known = case.not_initialized();
    if let Some(word) = broken {
        return vec![broken_off(case, word).cite_if(known.map(|(cite, _)| cite))];
    }
    let Some((cite, confidence)) = known else { return Vec::new() };
    let issuer = case.claim_text("iss").unwrap_or("this issuer");
    let mut finding = RULE.finding(
        confidence,
        format!("Until the API server has read the discovery document of {issuer} once, it refuses every token of it. It tries again every 10 s."),
        cite,
        Step::command(
            "Read what the control plane meets at the discovery URL: the line \"initializing plugin\" of the API server's log (EKS: log group /aws/eks/CLUSTER/cluster, stream kube-apiserver-*), and give the log to kaccess",
            "kaccess doctor --log kube-apiserver.log",
        ),
    );
    let (probes, at) = case.issuer();
    if let Some(discovery) = probes.discovery.seen() {
        finding = finding.cite(probed(
            format!("{at}/discovery/seen/answer/status"),
            format!("from this machine the discovery URL answers {}", discovery.answer.status),
        ));
    }
    vec![finding]
}

/// The control plane gets through to the issuer, and the attempt ends there.
fn broken_off(case: &Case<'_>, word: &Word) -> Finding {
    let (probes, at) = case.issuer();
    let document = case.discovery_document();
    let error = word.field("error");
    let (what, step) = if error.contains("certificate required") || error.contains("bad certificate") {
        (
            "what answers there demands a client certificate, and an API server shows none to an issuer",
            Step::text(
                "Take mutual TLS away from the issuer's name, or serve the discovery document and the key set (public data) by a listener or name that asks for no client certificate.",
            ),
        )
    } else if error.contains("protocol version")
        || error.contains("supported")
        || error.contains("handshake failure")
        || error.contains("insufficient security")
    {
        (
            "what answers there has no TLS version or cipher in common with the API server",
            Step::text("Let what answers at the issuer's name speak TLS 1.2 or 1.3 with usual ciphers."),
        )
    } else if error.starts_with("stopped after ") {
        (
            "the discovery URL redirects in a circle",
            Step::text(
                "Take the redirect away from the discovery document and the key set: both are to be answered where they are asked for.",
            ),
        )
    } else if error.starts_with("http: ") || error.contains("first record") {
        (
            "what answers there speaks no TLS",
            Step::text("Have TLS spoken at the issuer's port, or configure the issuer with the port that does."),
        )
    } else {
        (
            "what answers there breaks TLS off",
            Step::text(
                "Look at what ends TLS for the issuer's name (a balancer, a proxy): it breaks the control plane's connections off in these words.",
            ),
        )
    };
    let mut finding = RULE
        .finding(
            word.sure(),
            format!("The API server gets through to {document}, and the attempt ends there: {what}. Until it has read that document once, it refuses every token of this issuer; it tries again every 10 s."),
            word.cite(),
            step,
        )
        .titled("The API server's attempt to read the issuer's discovery document is broken off")
        .step(Step::command("This must show JSON, as it must to everybody", shell!("curl -sSv {}", document)));
    if let Some(failure) = probes.discovery.failed() {
        finding = finding.cite(probed(format!("{at}/discovery/failed/detail"), failure.detail.clone()));
    }
    finding.modest()
}
