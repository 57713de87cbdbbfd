//! The two ways that every diagnosis is about, hop by hop: you to the API server, its control plane to the issuer.

use super::Severity;
use super::doctor::{DoctorReport, Status};
use crate::evidence::Evidence;

/// What is known of one hop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mark {
    /// It is passed.
    Passed,
    /// It fails, because.
    Failed(String),
    /// It was not looked at, because.
    Unknown(String),
}

/// One hop of a way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hop {
    /// Its name.
    pub name: String,
    /// What is known of it.
    pub mark: Mark,
}

impl Hop {
    fn passed(name: impl Into<String>) -> Self {
        Self { name: name.into(), mark: Mark::Passed }
    }
}

/// The hops of the way in, by the checks that judge them.
const WAY_IN: &[(&str, &str)] = &[
    ("kubeconfig", "kubeconfig"),
    ("plugin", "plugin"),
    ("credential", "credential"),
    ("DNS", "endpoint-dns"),
    ("TCP", "endpoint-tcp"),
    ("TLS", "endpoint-tls"),
    ("HTTP", "endpoint-anonymous"),
    ("identity", "identity"),
];

/// From you to who you are: every hop that there is, whatever stands before it.
pub fn way_in(report: &DoctorReport) -> Vec<Hop> {
    let mut way = vec![Hop::passed("you")];
    for (name, id) in WAY_IN {
        let Some(check) = report.checks.iter().find(|check| check.id == *id) else { continue };
        let mark = match check.status {
            Status::Pass => Mark::Passed,
            Status::NotApplicable => continue,
            Status::Fail => Mark::Failed(check.because.clone().unwrap_or_else(|| "failed".to_owned())),
            Status::Skipped => Mark::Unknown(check.because.clone().unwrap_or_else(|| "not checked".to_owned())),
        };
        way.push(Hop { name: (*name).to_owned(), mark });
    }
    way
}

/// The control plane's way to the issuer: what it said itself, and otherwise only that it cannot be seen. Empty where no
/// issuer is known.
pub fn way_to_issuer(report: &DoctorReport, evidence: &Evidence) -> Vec<Hop> {
    let Some(target) = evidence.configured_issuer.as_ref().unwrap_or(&evidence.issuer).target.seen() else {
        return Vec::new();
    };
    let accepted = evidence.identity.seen().is_some()
        || evidence.control_plane.token_review.seen().is_some_and(|review| review.authenticated);
    // What stands between the control plane and the issuer, layer by layer.
    let between = [
        "issuer-",
        "jwks-",
        "allowlist-",
        "listener-",
        "waf-",
        "security-group-blocks-",
        "route-to-issuer-",
        "network-acl-blocks-",
    ];
    let found = report.findings.iter().find(|finding| {
        let own = finding.code.starts_with("issuer-") || finding.code.starts_with("jwks-");
        finding.explained_by.is_none()
            && between.iter().any(|begin| finding.code.starts_with(begin))
            && (own || finding.severity == Severity::Error)
    });
    let start = Hop::passed("control plane");
    match found {
        Some(finding) if finding.code.starts_with("jwks-") => vec![
            start,
            Hop::passed("discovery"),
            Hop { name: format!("keys of {}", target.host), mark: Mark::Failed(finding.code.to_owned()) },
        ],
        Some(finding) => {
            vec![start, Hop { name: target.host.clone(), mark: Mark::Failed(finding.code.to_owned()) }]
        }
        None if accepted && evidence.issuer.signature.seen().is_some() => {
            vec![start, Hop::passed(target.host.clone()), Hop::passed("keys")]
        }
        None => {
            vec![start, Hop { name: target.host.clone(), mark: Mark::Unknown("not visible from here".to_owned()) }]
        }
    }
}
