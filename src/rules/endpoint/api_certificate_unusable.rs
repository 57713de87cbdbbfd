//! The server's chain is refused for what it is, whoever signed it.

use crate::apiserver::message::{heard, tools};
use crate::evidence::tls::TlsFaultKind;
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step};
use crate::rules::api_port::fault;
use crate::rules::wording::capital;
use crate::rules::way::place;
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "api-certificate-unusable",
    severity: Severity::Error,
    title: "The API server's certificate cannot be used by a server",
    page: Page {
        means: "The chain ends at an authority that is trusted, and is still refused: the certificate is made for clients only (extended key usage), an authority in it may not sign or not so deep, a name constraint forbids the name, the signature is SHA-1, or the bytes are no certificate that Go takes. \
            kubectl stops before any credential is sent.",
        evidence: "The chain that was presented, judged by Go's own rules, with Go's words.",
        fix: "Have the certificate (or the authority named) made anew: version 3, the server's names as subject alternative names, extended key usage serverAuth, signed with SHA-256 by a CA certificate. `openssl x509 -in CERT -noout -text` shows what is wrong with it.",
        references: "https://www.rfc-editor.org/rfc/rfc5280#section-4.2.1",
    },
    recognises: &[&heard::X509_MACOS, &tools::AUTHORITY_UNFIT],
    explains: &[],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let kinds = [TlsFaultKind::WrongUsage, TlsFaultKind::Other, TlsFaultKind::Undecided];
    let Some(shown) = fault(case, &kinds) else { return Vec::new() };
    let usage = shown.fault.kind == TlsFaultKind::WrongUsage;
    let undecided = shown.fault.kind == TlsFaultKind::Undecided;
    let why = match (usage, &shown.fault.seen) {
        (true, Some(seen)) if !seen.is_empty() => format!("{}: its usages are {seen}.", capital(&shown.fault.detail)),
        _ => format!("{}.", capital(&shown.fault.detail)),
    };
    let mut finding = RULE.finding(
        if undecided { Confidence::Possible } else { Confidence::Certain },
        why,
        shown.cite(),
        Step::command(
            "Look at the chain, and have the certificate in question made anew",
            shell!("openssl s_client -showcerts -connect {} </dev/null 2>/dev/null | openssl x509 -noout -text", place(case)),
        ),
    );
    if undecided {
        finding = finding
            .titled("kaccess cannot tell whether kubectl trusts the API server's certificate, and does not trust it")
            .step(Step::command("Ask kubectl itself", "kubectl get --raw /version"));
    }
    vec![finding]
}
