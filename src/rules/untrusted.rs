//! Some connections reach a server whose certificate is trusted, and others one whose certificate is not.

use super::unserved::{Came, again, unserved};
use super::way::place;
use super::{Case, Rule};
use crate::evidence::FailureKind;
use crate::evidence::tls::TlsFaultKind;
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step, probed};

/// What is wrong with the certificate of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    /// It has expired, or is not valid yet.
    Date,
    /// It is for other names.
    Name,
    /// It is signed by somebody else, or cannot be used.
    Authority,
}

impl Wrong {
    fn of(kind: TlsFaultKind) -> Self {
        match kind {
            TlsFaultKind::Expired | TlsFaultKind::NotYetValid => Self::Date,
            TlsFaultKind::NameMismatch => Self::Name,
            _ => Self::Authority,
        }
    }

    /// By the words of a credential that was held back, which are those of the first fault.
    fn read(detail: &str) -> Self {
        if detail.ends_with(" has expired") || detail.contains(" is not valid yet") {
            Self::Date
        } else if detail.contains(" is not valid for ") {
            Self::Name
        } else {
            Self::Authority
        }
    }

    fn title(self, detail: &str) -> &'static str {
        match self {
            Self::Date if detail.contains(" is not valid yet") => {
                "Some connections reach a server whose certificate is not valid yet"
            }
            Self::Date => "Some connections reach a server whose certificate has expired",
            Self::Name => "Some connections reach a server whose certificate is for other names",
            Self::Authority => "Some connections reach a server whose certificate is not trusted",
        }
    }

    /// What the bad one of several servers is.
    fn cause(self) -> &'static str {
        match self {
            Self::Date => {
                "was left out when the certificates were renewed, or has not read its new one: on that one alone it is to be renewed"
            }
            Self::Name => "has a certificate that was made without this name, or is another server",
            Self::Authority => {
                "is another cluster's, still has (or already has) the certificate of another CA, or is something on the way that breaks TLS open"
            }
        }
    }
}

/// The finding of a rule about certificates that are wrong in this way: of several servers at this address one shows one.
pub fn some_untrusted(case: &Case<'_>, rule: &Rule, wrong: Wrong) -> Option<Finding> {
    let tls = case.evidence.endpoint.tls.seen().filter(|report| report.faults.is_empty())?;
    let trusted = tls.chain.first().map_or_else(String::new, |leaf| format!(" It is signed by {}.", leaf.issuer));
    let so = format!("So several servers answer at this name, and one of them {}.", wrong.cause());
    let later = unserved(case, held_back);
    let mut finding = match (later, &tls.distrusted_before) {
        (_, Some(fault)) if Wrong::of(fault.kind) == wrong => {
            let further = again(case);
            let of_them = further.as_ref().map_or_else(String::new, |(served, all, _)| {
                format!(" Of {all} further connections {served} led to an API server that is trusted.")
            });
            let words = fault.go.as_ref().map_or_else(String::new, |words| format!("; kubectl says: {words}"));
            rule.finding(
                Confidence::Likely,
                format!(
                    "The first connection showed a certificate that is not trusted: {}. The next one showed one that is.{trusted}{of_them} {so}",
                    fault.detail
                ),
                probed("/endpoint/tls/seen/distrustedBefore", format!("{}{words}", fault.detail)),
                certificates(case),
            )
            .titled(wrong.title(&fault.detail))
            .cite_if(further.map(|(_, _, cite)| cite))
        }
        (Some(unserved), None) => {
            let Came::Broken(failure, _) = unserved.came else { return None };
            let detail = failure.detail.split("; no credential").next().unwrap_or_default();
            if Wrong::read(detail) != wrong {
                return None;
            }
            let why = format!(
                "The first connection showed a certificate that is trusted.{trusted} A later one showed another: {detail}. {} of {} requests failed. {so}",
                unserved.bad, unserved.all
            );
            unserved.finding(rule, case, "held back", why).titled(wrong.title(detail)).step(certificates(case))
        }
        _ => return None,
    };
    // Whether a request of this run came through is chance: kubectl ends at the first such server.
    finding.severity = Severity::Error;
    Some(finding)
}

/// A credential was not sent to a server that is not trusted.
fn held_back(came: &Came<'_>) -> bool {
    matches!(came, Came::Broken(failure, _)
        if failure.kind == FailureKind::Tls && failure.detail.ends_with("not trusted"))
}

/// How to see what each connection is shown.
fn certificates(case: &Case<'_>) -> Step {
    Step::command(
        "See the certificate of each connection, and find the server whose one differs",
        shell!(
            "for i in 1 2 3 4 5 6 7 8 9 10; do openssl s_client -connect {} </dev/null 2>/dev/null | openssl x509 -noout -serial -issuer -enddate | tr '\\n' ' '; echo; done",
            place(case)
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::tls::TlsFault;
    use crate::evidence::{Evidence, Failure, Outcome};
    use crate::report::diagnose;
    use crate::rules::check_all;

    const ANSWERED: &str = include_str!("../../testdata/cases/api-connection-answered/evidence.json");

    fn found(evidence: &Evidence) -> Option<(&'static str, &'static str, &'static str, String)> {
        let first = diagnose(check_all(&Case::new(evidence))).into_iter().next()?;
        Some((first.code, first.severity.word(), first.confidence.word(), first.title))
    }

    const EXPIRED: &str = "the server's certificate has expired";
    const OTHER_NAME: &str = "the server's certificate is not valid for api.example.com";
    const OTHER_CA: &str = "the server's certificate is signed by CN=other, which is not among the kubeconfig roots and was not sent by the server";

    /// A saved run that was healthy, in which another connection is shown another certificate: once before it, once after.
    /// Whoever meets the bad server first is told the same as who meets it last.
    #[test]
    fn the_bad_one_of_several_servers_is_told_by_its_own_fault() {
        for (kind, detail, code, title) in [
            (TlsFaultKind::Expired, EXPIRED, "api-certificate-expired", Wrong::Date.title(EXPIRED)),
            (TlsFaultKind::NameMismatch, OTHER_NAME, "api-certificate-name-mismatch", Wrong::Name.title(OTHER_NAME)),
            (TlsFaultKind::UnknownAuthority, OTHER_CA, "cluster-ca-rotated", Wrong::Authority.title(OTHER_CA)),
        ] {
            let expected = Some((code, "error", "likely", title.to_owned()));
            let mut before: Evidence = serde_json::from_str(ANSWERED).expect("evidence");
            let Outcome::Seen(tls) = &mut before.endpoint.tls.outcome else { panic!("no handshake") };
            let fault = TlsFault { kind, detail: detail.to_owned(), expected: None, seen: None, go: None };
            tls.distrusted_before = Some(fault);
            assert_eq!(found(&before), expected);
            let mut after: Evidence = serde_json::from_str(ANSWERED).expect("evidence");
            let words = format!("{detail}; no credential is sent to a server that is not trusted");
            after.endpoint.authenticated.outcome = Outcome::Failed(Failure::new(FailureKind::Tls, words));
            assert_eq!(found(&after), expected);
        }
    }

    #[test]
    fn a_server_that_is_silent_on_some_connections_is_no_matter_of_packets() {
        let mut evidence: Evidence = serde_json::from_str(ANSWERED).expect("evidence");
        let Outcome::Seen(tls) = &mut evidence.endpoint.tls.outcome else { panic!("no handshake") };
        tls.silent_before = Some(4000);
        let title = "Some connections get no answer in the TLS handshake".to_owned();
        assert_eq!(found(&evidence), Some(("tls-handshake-timeout", "error", "likely", title)));
    }
}
