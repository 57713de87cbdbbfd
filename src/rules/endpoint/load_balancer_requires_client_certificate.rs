//! What stands before the API server lets nobody in without a client certificate.

use crate::apiserver::message::{self, tools};
use crate::evidence::apiserver::HttpAnswer;
use crate::evidence::{Failure, FailureKind};
use crate::report::shell::shell;
use crate::report::{Citation, Confidence, Finding, Severity, Step, probed};
use crate::rules::api_port::met_without_handshake;
use crate::rules::kubeconfig_fault::user;
use crate::rules::way::host;
use crate::rules::{Case, Page, Rule, clip};

/// The rule.
pub static RULE: Rule = Rule {
    code: "load-balancer-requires-client-certificate",
    severity: Severity::Error,
    title: "The server demands a client certificate before it takes any request",
    page: Page {
        means: "A balancer or proxy before the API server is set to mutual TLS. kube-apiserver itself only asks for a certificate and takes a token as well; this one ends the connection: \
            \"remote error: tls: certificate required\" (TLS 1.3), \"handshake failure\" or \"bad certificate\" (TLS 1.2), or nginx' page \"No required SSL certificate was sent\".",
        evidence: "The alert that came when no certificate was sent, after a request for one; or that page. The certificate of the kubeconfig, if it has one, was tried as well.",
        fix: "Get a client certificate that the balancer trusts and put it into the user entry beside the token; or have mutual TLS switched off for the API server's name, or TLS passed through. `kubectl config set-credentials USER --client-certificate=CERT --client-key=KEY` puts it there.",
        references: "https://www.rfc-editor.org/rfc/rfc8446#section-4.4.2.4",
    },
    recognises: &[&message::KUBECTL_CERTIFICATE_REQUIRED, &tools::ALERT],
    explains: &["not-a-kubernetes-api", "tls-version-mismatch", "api-connection-closed"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    // Whoever is answered with the own certificate has what was asked for.
    let endpoint = &case.evidence.endpoint;
    if case.accepted() || endpoint.authenticated.seen().is_some_and(HttpAnswer::is_of_kubernetes) {
        return Vec::new();
    }
    let Some((what, cite)) = demanded(case) else {
        let step = step(case);
        let found = met_without_handshake(case, &message::KUBECTL_CERTIFICATE_REQUIRED).map(|word| {
            let sure = word.field("alert") == "certificate required";
            let confidence = if sure { Confidence::Certain } else { Confidence::Possible };
            RULE.finding(confidence, "The server ended TLS in these words: it wants a certificate that the client did not send, or does not take the one it sent.", word.cite(), step)
        });
        return found.into_iter().collect();
    };
    let own = case.evidence.credential.seen().and_then(|credential| credential.certificates.first());
    let why = match own {
        Some(leaf) => format!("{what}. The certificate of the user entry (issued by {}) does not satisfy it.", leaf.issuer),
        None => format!("{what}, and the user entry has none to send. The API server behind it was not reached."),
    };
    let authorities = endpoint.tls.seen().map(|report| report.client_authorities.as_slice()).unwrap_or_default();
    let mut finding = RULE.finding(Confidence::Certain, why, cite, step(case)).step(Step::text(format!(
        "Or have whoever runs what answers at {} make the client certificate optional for the API server, or pass TLS through to it.",
        host(case)
    )));
    if !authorities.is_empty() {
        finding = finding.cite(probed(
            "/endpoint/tls/seen/clientAuthorities",
            format!("it takes certificates of {}", clip(&authorities.join("; "), 240)),
        ));
    }
    vec![finding]
}

fn step(case: &Case<'_>) -> Step {
    Step::command(
        "Get a certificate from whoever runs it, and put it into the user entry beside the token",
        shell!("kubectl config set-credentials {} --client-certificate=client.crt --client-key=client.key --embed-certs=true", user(case)),
    )
}

/// What it said, and where that stands.
fn demanded(case: &Case<'_>) -> Option<(String, Citation)> {
    let endpoint = &case.evidence.endpoint;
    let cite = |failure: &Failure, path: &str| {
        let seen = failure.seen.as_deref().unwrap_or_default();
        ("The server demands a client certificate".to_owned(), probed(path, format!("{} ({seen})", failure.detail)))
    };
    let kind = &[FailureKind::ClientCertificateDemanded];
    if let Some(failure) = endpoint.tls.failed_as(kind) {
        return Some(cite(failure, "/endpoint/tls/failed/detail"));
    }
    if let Some(failure) = endpoint.anonymous.failed_as(kind) {
        return Some(cite(failure, "/endpoint/anonymous/failed/detail"));
    }
    let answer = endpoint.anonymous.seen().filter(|answer| answer.status == 400)?;
    let words = ["No required SSL certificate was sent", "The SSL certificate error"];
    let said = words.into_iter().find(|words| answer.body.contains(words))?;
    Some((format!("The server answers {said:?}: it demands a client certificate"), probed("/endpoint/anonymous/seen/body", format!("400 {said}"))))
}
