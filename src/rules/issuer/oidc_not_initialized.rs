//! The API server's authenticator for this issuer never came up.

use crate::apiserver::message::{self, heard};
use crate::report::shell::shell;
use crate::report::{Citation, Finding, Severity, Step, probed};
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
    let mut why = format!("Until the API server has read the discovery document of {issuer} once, it refuses every token of it. It tries again every 10 s.");
    let met = met_here(case);
    let log = Step::command(
        "Read what the control plane meets at the discovery URL: the line \"initializing plugin\" of the API server's log (EKS: log group /aws/eks/CLUSTER/cluster, stream kube-apiserver-*), and give the log to kaccess",
        "kaccess doctor --log kube-apiserver.log",
    );
    let mut steps = Vec::new();
    if let Some(met) = &met {
        why.push_str(&format!(" {}", met.why));
        steps.push(met.step.clone());
        steps.push(Step::command("This must show the document, as it must to everybody", shell!("curl -sSi {} | head -n 20", case.discovery_document())));
    }
    steps.push(log);
    let mut steps = steps.into_iter();
    let Some(first) = steps.next() else { return Vec::new() };
    let mut finding = RULE.finding(confidence, why, cite, first).steps(steps);
    let (probes, at) = case.issuer();
    if let Some(discovery) = probes.discovery.seen() {
        finding = finding.cite(probed(
            format!("{at}/discovery/seen/answer/status"),
            format!("from this machine the discovery URL answers {}", discovery.answer.status),
        ));
    }
    vec![finding.cite_if(met.and_then(|met| met.cite))]
}

/// What kaccess meets itself at the discovery URL, where the API server cannot fare better by asking and no other rule
/// tells it.
struct Met {
    why: String,
    step: Step,
    cite: Option<Citation>,
}

fn met_here(case: &Case<'_>) -> Option<Met> {
    let (probes, at) = case.issuer();
    let document = case.discovery_document();
    if let Some(failure) = probes.discovery.failed() {
        // Where no redirect was met, this machine's own way may be what fails.
        let own = url::Url::parse(&document).map_or_else(|_| document.clone(), |url| url.to_string());
        let led_on = failure.detail.strip_prefix("GET ").is_some_and(|asked| !asked.starts_with(&format!("{own}: ")));
        if !led_on && !failure.detail.contains(" redirects ") {
            return None;
        }
        return Some(Met {
            why: format!("Asked from this machine the discovery URL redirects, and that ends here: {}. The API server follows redirects too, ten requests in all.", failure.detail),
            step: Step::text("Take the redirect away from the discovery document and the key set: both are to be answered where they are asked for, by https."),
            cite: Some(probed(format!("{at}/discovery/failed/detail"), failure.detail.clone())),
        });
    }
    let status = probes.discovery.seen()?.answer.status;
    // Other rules tell of refusals, of what is not there, and of what is down.
    if !unfit(status) {
        return None;
    }
    Some(Met {
        why: format!("Asked from this machine the discovery URL answers {status}, and the API server takes 200 only."),
        step: Step::text("Have the discovery document and the key set answered with 200 and JSON, whoever asks: a challenge, redirect or cache in front of the issuer is to leave both out."),
        cite: None,
    })
}

/// A status that is neither the document nor a fault of which another rule tells.
fn unfit(status: u16) -> bool {
    matches!(status, 100..=199 | 201..=400 | 402 | 408 | 421 | 426 | 431)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Evidence;
    use crate::report::way::Mark;

    /// The report on a saved case whose discovery was met in another way. Synthetic: the answers are those that an issuer on
    /// localhost was made to give.
    fn told(discovery: &serde_json::Value) -> (Finding, Option<Mark>) {
        let text = include_str!("../../../testdata/cases/issuer-returns-html/evidence.json");
        let mut evidence: serde_json::Value = serde_json::from_str(text).expect("evidence");
        // The laboratory's own authority is no matter here.
        evidence["issuer"]["tls"]["seen"]["faults"] = serde_json::json!([]);
        for name in ["discovery", "discoveryAsControlPlane"] {
            evidence["issuer"][name] = discovery.clone();
        }
        let evidence: Evidence = serde_json::from_value(evidence).expect("evidence");
        let report = crate::rules::report(&evidence);
        let way = crate::report::way::way_to_issuer(&report, &evidence);
        let found = report.findings.iter().find(|finding| finding.code == RULE.code).cloned();
        (found.expect("the finding"), way.last().map(|hop| hop.mark.clone()))
    }

    #[test]
    fn what_everybody_meets_at_the_discovery_url_is_named() {
        let failed = |kind: &str, detail: &str| serde_json::json!({ "startedMs": 1, "tookMs": 1, "failed": { "kind": kind, "detail": detail } });
        let document = "https://localhost:42333/realms/platform/.well-known/openid-configuration";
        let challenge = serde_json::json!({ "startedMs": 1, "tookMs": 1, "seen": { "answer": { "method": "GET", "url": document, "status": 202, "reason": "Accepted", "bodyLength": 0 }, "redirects": [], "userAgent": "kaccess/0.1.0" } });
        for (discovery, words) in [
            (failed("limit", &format!("{document} redirects more than 9 times")), "redirects more than 9 times"),
            (failed("closed", "GET http://localhost:42333/x: connection closed"), "GET http://localhost:42333/x"),
            (challenge, "answers 202"),
        ] {
            let (found, mark) = told(&discovery);
            assert!(found.why.contains(words), "{}", found.why);
            assert!(!found.fix[0].codes().any(|code| code.contains("--log")), "{:?}", found.fix);
            assert_eq!(mark, Some(Mark::Failed(RULE.code.to_owned())), "{words}");
        }
        // What only this machine's own way may be the reason of says nothing of the API server.
        let (found, mark) = told(&failed("timeout", &format!("GET {document}: timed out")));
        assert!(!found.why.contains("Asked from this machine"), "{}", found.why);
        assert_eq!(mark, Some(Mark::Unknown("not visible from here".to_owned())));
    }
}
