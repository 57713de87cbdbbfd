//! The two sides have no TLS in common.

use crate::apiserver::message;
use crate::evidence::FailureKind;
use crate::report::shell::shell;
use crate::report::{Candidate, Confidence, Finding, Severity, Step, probed};
use crate::rules::api_port::met_without_handshake;
use crate::rules::wording::capital;
use crate::rules::way::place;
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "tls-version-mismatch",
    severity: Severity::Error,
    title: "The server speaks no TLS that kubectl speaks",
    page: Page {
        means: "The handshake ends before any certificate: the server (most likely an old balancer or proxy before the API server) offers only TLS 1.0 or 1.1, or no cipher suite or curve that the client has. \
            kubectl says \"remote error: tls: protocol version not supported\" or \"tls: handshake failure\".",
        evidence: "The alert of the server, or the version that it chose. A version alert decides; a handshake failure may also come from a server that wants a client certificate, and from a cipher suite that kubectl has and kaccess has not (ECDHE with CBC).",
        fix: "Allow TLS 1.2 or 1.3 with an ECDHE AEAD suite on the server side: kube-apiserver's --tls-min-version and --tls-cipher-suites, or the policy of the balancer's listener. `openssl s_client -connect HOST:443 -tls1_2` tries one version.",
        references: "https://kubernetes.io/docs/reference/command-line-tools-reference/kube-apiserver/",
    },
    recognises: &[&message::KUBECTL_TLS_VERSION],
    explains: &[],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let looks = |place: &str| Step::command("See which versions the server takes", shell!("for v in tls1 tls1_1 tls1_2 tls1_3; do openssl s_client -$v -connect {} </dev/null >/dev/null 2>&1 && echo $v; done", place));
    let demands = || Candidate {
        code: "load-balancer-requires-client-certificate",
        why: "Before TLS 1.3 a server that misses a client certificate may end the handshake in the same words.".to_owned(),
        decided_by: Step::command("See whether it asks for one (\"Acceptable client certificate CA names\")", shell!("openssl s_client -connect {} </dev/null", place(case))),
    };
    let Some(failure) = case.evidence.endpoint.tls.failed_as(&[FailureKind::TlsVersion]) else {
        let found = met_without_handshake(case, &message::KUBECTL_TLS_VERSION).map(|word| {
            let sure = word.field("alert") != "handshake failure";
            let confidence = if sure { Confidence::Certain } else { Confidence::Possible };
            let mut finding = RULE.finding(confidence, "The server ended the handshake in these words.", word.cite(), looks(&place(case)));
            if !sure {
                finding.candidates = vec![demands()];
            }
            finding
        });
        return found.into_iter().collect();
    };
    let seen = failure.seen.as_deref().unwrap_or_default();
    let version = seen.contains("ProtocolVersion") || seen.contains("Tls12OrTls13");
    let (confidence, why) = if version {
        (Confidence::Certain, format!("{}; TLS 1.0 and 1.1 are switched off in every client of today.", capital(&failure.detail)))
    } else {
        (Confidence::Likely, format!("{}. kaccess offers no CBC suite, which kubectl still does: if kubectl gets in, this is only kaccess' limit.", capital(&failure.detail)))
    };
    let mut finding = RULE
        .finding(confidence, why, probed("/endpoint/tls/failed/seen", format!("{}: {seen}", failure.detail)), looks(&place(case)))
        .step(Step::text("Then allow TLS 1.2 and 1.3 there. kube-apiserver: --tls-min-version=VersionTLS12 and no exotic --tls-cipher-suites; AWS: a listener policy such as ELBSecurityPolicy-TLS13-1-2-2021-06; nginx: ssl_protocols TLSv1.2 TLSv1.3."));
    if !version {
        finding.candidates = vec![demands()];
    }
    vec![finding]
}
