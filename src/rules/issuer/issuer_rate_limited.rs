//! The issuer limits the rate of requests.

use crate::apiserver::message;
use crate::evidence::issuer::CONTROL_PLANE_AGENT;
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step, probed};
use crate::rules::{Case, Page, Rule, eks};

/// The rule.
pub static RULE: Rule = Rule {
    code: "issuer-rate-limited",
    severity: Severity::Error,
    title: "The issuer, or what stands before it, answers the control plane 429",
    page: Page {
        means: "Every API server asks for the discovery document every 10 s until it succeeds, and for the keys with each token whose key is unknown. A rate limit in front of the issuer answers 429 Too Many Requests, which counts as failure.",
        evidence: "The status 429 at the discovery or key URL, from the log of the API server, a TokenReview, or met here.",
        fix: "Exempt the two public paths from the rate limit, or raise it; the API server recovers within 10 s. `curl -si ISSUER/.well-known/openid-configuration` shows whether it still refuses.",
        references: "https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfig",
    },
    recognises: &[&message::OIDC_INIT_HTTP, &message::JWKS_HTTP],
    explains: &["credential-rejected", "oidc-not-initialized", "oidc-partly-initialized", "jwks-blocked"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    if case.accepted() {
        return Vec::new();
    }
    let (probes, at) = case.issuer();
    let logged = case.logged_discovery_status().filter(|_| !case.initialized());
    let keys = case.said(&message::JWKS_HTTP).filter(|word| word.field("status") == "429");
    let probe = case.discovery_status().filter(|(status, ..)| *status == 429);
    let (confidence, first) = match (keys, logged, &probe, case.issuer_fault()) {
        (Some(word), ..) | (None, Some((word, 429)), ..) => (word.sure(), word.cite()),
        // A log that tells of another status knows better than a probe from elsewhere.
        (None, None, Some(_), Some((confidence, cite))) => (confidence, cite),
        _ => return Vec::new(),
    };
    // The finding of that rule tells it.
    if keys.is_none() && eks::answered_by_rule(case, 429) {
        return Vec::new();
    }
    let signed = eks::signed_by_balancer(case).filter(|_| keys.is_none() && probe.is_some());
    let confidence = if signed.is_some() { confidence.max(Confidence::Likely) } else { confidence };
    // Whose own request is answered well sees nothing of it with his own User-Agent.
    let disguised = keys.is_none() && probe.as_ref().is_some_and(|(.., disguised)| *disguised) && case.discovery_is_fine();
    let as_whom = if disguised { "; from this machine it does so to the API server's User-Agent alone" } else { "" };
    let issuer = probes.target.seen().map_or("the issuer", |target| target.url.as_str());
    let document = case.discovery_document();
    let path = url::Url::parse(&document).map_or_else(|_| document.clone(), |url| url.path().to_owned());
    let jwks = [&probes.jwks, &probes.jwks_as_control_plane].into_iter().any(|jwks| jwks.seen().is_some_and(|jwks| jwks.answer.status == 429));
    let mut finding = RULE
        .finding(
            confidence,
            format!("What stands before {issuer} answers 429 Too Many Requests to the API server, so it cannot read {}{as_whom}.", if keys.is_some() { "the key set" } else { "the discovery document" }),
            first,
            Step::manifest(
                "Exempt the public documents from the limit; in nginx, a location of their own without limit_req, then nginx -s reload",
                format!("location = {path} {{\n    proxy_pass KEYCLOAK;   # as in your location /, without limit_req\n}}\n"),
            ),
        )
        .step(Step::command(
            "It must answer 200 each time",
            if disguised {
                shell!("for i in $(seq 20); do curl -so /dev/null -A {} -w '%{{http_code}}\\n' {}; done", CONTROL_PLANE_AGENT, document)
            } else {
                shell!("for i in $(seq 20); do curl -so /dev/null -w '%{{http_code}}\\n' {}; done", document)
            },
        ))
        .cite_if(probe.map(|(status, path, _)| probed(path, format!("discovery answers {status} here too"))));
    if jwks && keys.is_some() {
        finding = finding.cite(probed(format!("{at}/jwks"), "the key set answers 429 here too"));
    }
    finding.candidates.extend(signed.map(|(_, candidate)| candidate));
    vec![finding.modest()]
}
