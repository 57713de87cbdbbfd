//! A proxy before the API server: whether one stands there, and whether it is the one that a line of the log refuses.

use super::{Case, Place, Word};
use crate::report::{Citation, Confidence, Finding, Step, probed};

/// What shows that a proxy answers and passes requests on: it may log people in by itself, so that it takes other
/// credentials than an API server, or none.
pub fn stands_before(case: &Case<'_>) -> Option<Citation> {
    case.terminated().or_else(|| named(case))
}

/// What is only a consequence where the API server refuses the proxy's certificate: whatever the user sends, it is refused
/// with it.
pub const EXPLAINED: &[&str] = &[
    "credential-rejected",
    "client-certificate-untrusted",
    "tls-terminated-before-api-server",
    "no-credential",
    "basic-auth-removed",
    "static-token-unknown",
];

/// What is to be said where a proxy stands there.
pub const MAY_LOG_IN: &str = " But a proxy stands before the API server. If it logs people in by itself, this is no fault: then the API server does not take what the proxy sends.";

/// How sure it is that the credential is at fault, which no API server takes: behind a proxy (`before`) it may be in
/// order, and a 401 then says that what the proxy sends is not.
pub fn confidence(before: bool, anonymous: bool) -> Confidence {
    match (before, anonymous) {
        (false, _) => Confidence::Certain,
        (true, true) => Confidence::Likely,
        (true, false) => Confidence::Possible,
    }
}

/// Adds what shows the proxy, and what decides between it and the credential.
pub fn asked(finding: Finding, before: Option<Citation>) -> Finding {
    let Some(before) = before else { return finding };
    finding
        .step(Step::command(
            "If the proxy is to log you in, read the API server's log for the moment of your request: it says what is wrong with the proxy",
            "kaccess doctor --log kube-apiserver.log",
        ))
        .cite(before)
}

/// How sure this line about the certificate of some proxy is about the one before this endpoint (`fits`: the line itself
/// leaves no doubt of the fault), and what shows that there is one; nothing where it cannot be about it.
pub fn refused(case: &Case<'_>, word: &Word, fits: bool) -> Option<(Confidence, Option<Citation>)> {
    if word.outdated {
        return None;
    }
    let sure = word.confidence(fits);
    if word.place == Place::Met {
        return Some((sure, stands_before(case)));
    }
    // An API server answers 401 to whatever comes with such a certificate, whoever is behind the proxy.
    let anonymous = case.evidence.endpoint.anonymous.seen();
    if anonymous.is_some_and(|answer| answer.is_served() && answer.status != 401) {
        return None;
    }
    if let Some(terminated) = case.terminated() {
        return Some((sure, Some(terminated)));
    }
    // It asks for client certificates itself; the line may still be about another proxy of the same API server.
    named(case).map(|cite| (sure.max(Confidence::Likely), Some(cite)))
}

/// An API server's answer that says what passed it on.
fn named(case: &Case<'_>) -> Option<Citation> {
    let endpoint = &case.evidence.endpoint;
    let answers = [("authenticated", endpoint.authenticated.seen()), ("anonymous", endpoint.anonymous.seen())];
    answers.into_iter().find_map(|(which, answer)| {
        let server = answer.filter(|answer| answer.is_of_kubernetes())?.server.as_deref()?;
        Some(probed(
            format!("/endpoint/{which}/seen/server"),
            format!("what answers calls itself {server:?}, which no API server does: a proxy stands before it"),
        ))
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::evidence::apiserver::HttpAnswer;
    use crate::evidence::{Evidence, Outcome};
    use crate::report::diagnose;
    use crate::rules::check_all;

    /// A saved run as through nginx with `ssl_verify_client optional_no_ca`, which asks for a client certificate and passes
    /// every request on. Synthetic: the saved endpoints end TLS without asking, or are the API server's own.
    pub(crate) fn behind_a_proxy(saved: &str) -> Evidence {
        let mut evidence: Evidence = serde_json::from_str(saved).expect("evidence");
        let endpoint = &mut evidence.endpoint;
        let Outcome::Seen(tls) = &mut endpoint.tls.outcome else { panic!("no handshake") };
        tls.asks_client_certificate = Some(true);
        let refused = HttpAnswer {
            status: 401,
            reason: "Unauthorized".to_owned(),
            content_type: Some("application/json".to_owned()),
            server: Some("nginx/1.22.1".to_owned()),
            body: r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Unauthorized","reason":"Unauthorized","code":401}"#.to_owned(),
            ..HttpAnswer::default()
        };
        endpoint.anonymous.outcome = Outcome::Seen(refused.clone());
        endpoint.authenticated.outcome = Outcome::Seen(refused);
        evidence
    }

    #[test]
    fn a_proxy_that_asks_for_certificates_is_one_by_what_it_calls_itself() {
        let codes = |evidence: &Evidence| -> Vec<(&'static str, Confidence)> {
            diagnose(check_all(&Case::new(evidence))).iter().map(|found| (found.code, found.confidence)).collect()
        };
        for (code, saved) in [
            (
                "front-proxy-name-not-allowed",
                include_str!("../../testdata/cases/front-proxy-name-not-allowed/evidence.json"),
            ),
            ("front-proxy-ca-mismatch", include_str!("../../testdata/cases/front-proxy-ca-mismatch/evidence.json")),
            (
                "front-proxy-header-missing",
                include_str!("../../testdata/cases/front-proxy-header-missing/evidence.json"),
            ),
            ("front-proxy-not-configured", include_str!("../../testdata/cases/front-proxy-without-ca/evidence.json")),
        ] {
            let mut evidence = behind_a_proxy(saved);
            assert_eq!(codes(&evidence).first(), Some(&(code, Confidence::Likely)));
            // Who gets an answer through it without a login is not refused for the proxy's certificate.
            let Outcome::Seen(anonymous) = &mut evidence.endpoint.anonymous.outcome else { panic!("no answer") };
            anonymous.status = 200;
            assert!(codes(&evidence).iter().all(|(found, _)| *found != code), "{code}");
        }
    }
}
