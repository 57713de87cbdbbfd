//! The API server's authenticator for this issuer never came up.

use crate::apiserver::message::{self, heard};
use crate::report::{Finding, Severity, Step, probed};
use crate::rules::{Case, Page, Rule};

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
    recognises: &[&message::OIDC_NOT_INITIALIZED, &heard::ISSUER_UNHEALTHY],
    explains: &["credential-rejected"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    if case.accepted() {
        return Vec::new();
    }
    let Some((cite, confidence)) = case.not_initialized() else { return Vec::new() };
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
