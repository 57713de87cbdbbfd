//! The two ways that every diagnosis is about, hop by hop: you to the API server, its control plane to the issuer.

use super::doctor::{DoctorReport, Status};
use super::{Finding, Severity};
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

/// The hops of the way in: name, the check that judges it, and where in the evidence it stands.
const WAY_IN: &[(&str, &str, &str)] = &[
    ("kubeconfig", "kubeconfig", "/kubeconfig/"),
    ("plugin", "plugin", "/plugin/"),
    ("credential", "credential", "/credential/"),
    ("DNS", "endpoint-dns", "/endpoint/dns/"),
    ("TCP", "endpoint-tcp", "/endpoint/tcp/"),
    ("TLS", "endpoint-tls", "/endpoint/tls/"),
    ("HTTP", "endpoint-anonymous", "/endpoint/anonymous/"),
    ("identity", IDENTITY, "/identity/"),
];

/// The check of the last hop before one is known.
const IDENTITY: &str = "identity";

/// What stands between the control plane and the issuer, layer by layer: how the codes begin.
const BETWEEN: &[&str] = &[
    "issuer-",
    "jwks-",
    "allowlist-",
    "listener-",
    "waf-",
    "security-group-blocks-",
    "route-to-issuer-",
    "network-acl-blocks-",
];

fn is_between(finding: &Finding) -> bool {
    BETWEEN.iter().any(|begin| finding.code.starts_with(begin))
}

/// It keeps somebody out, by itself or by what it brings about.
fn is_grave(report: &DoctorReport, finding: &Finding) -> bool {
    let severe = |other: &Finding| other.severity == Severity::Error;
    severe(finding) || report.findings.iter().any(|other| other.explained_by == Some(finding.code) && severe(other))
}

/// From you to what you may do: every hop that there is, whatever stands before it. Where a hop failed and was passed all
/// the same, it is marked only if the root cause rests on it.
pub fn way_in(report: &DoctorReport) -> Vec<Hop> {
    let mut way = vec![Hop::passed("you")];
    let mut cited = vec![false];
    let root = report.findings.first().filter(|finding| finding.explained_by.is_none() && is_grave(report, finding));
    for (name, id, path) in WAY_IN {
        let Some(check) = report.checks.iter().find(|check| check.id == *id) else { continue };
        let mark = match check.status {
            Status::Pass => Mark::Passed,
            Status::NotApplicable => continue,
            Status::Fail => Mark::Failed(check.because.clone().unwrap_or_else(|| "failed".to_owned())),
            Status::Skipped => Mark::Unknown(check.because.clone().unwrap_or_else(|| "not checked".to_owned())),
        };
        way.push(Hop { name: (*name).to_owned(), mark });
        cited.push(root.is_some_and(|root| root.cites.iter().any(|citation| citation.path.starts_with(path))));
    }
    let failed = |hop: &Hop| matches!(hop.mark, Mark::Failed(_));
    let known = report.checks.iter().any(|check| check.id == IDENTITY && check.status == Status::Pass);
    let broken = (0..way.len()).find(|at| failed(&way[*at]) && cited[*at]);
    let last = way.iter().rposition(|hop| hop.mark == Mark::Passed).unwrap_or_default();
    for (at, hop) in way.iter_mut().enumerate() {
        let got_past = match broken {
            Some(broken) => at < broken && at < last,
            None => known,
        };
        if failed(hop) && got_past {
            hop.mark = Mark::Passed;
        }
    }
    if let Some(root) = root.filter(|root| known && !is_between(root))
        && !way.iter().any(failed)
    {
        let of_pod = root.cites.first().is_some_and(|citation| citation.path.starts_with("/workload/"));
        let name = if of_pod { "the Pod's AWS identity" } else { "access" };
        way.push(Hop { name: name.to_owned(), mark: Mark::Failed(root.code.to_owned()) });
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
    let found = report
        .findings
        .iter()
        .find(|finding| finding.explained_by.is_none() && is_between(finding) && is_grave(report, finding));
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
        None if met_here(report, evidence) => {
            vec![start, Hop { name: target.host.clone(), mark: Mark::Failed(NOT_INITIALIZED.to_owned()) }]
        }
        None if accepted && evidence.issuer.signature.seen().is_some() => {
            vec![start, Hop::passed(target.host.clone()), Hop::passed("keys")]
        }
        None => {
            vec![start, Hop { name: target.host.clone(), mark: Mark::Unknown("not visible from here".to_owned()) }]
        }
    }
}

/// The finding of an API server that has not read the issuer's discovery document.
const NOT_INITIALIZED: &str = "oidc-not-initialized";

/// The root cause is that the API server has not read the document, and kaccess met itself why: an answer that is no 200,
/// or a redirect that leads nowhere.
fn met_here(report: &DoctorReport, evidence: &Evidence) -> bool {
    let probes = evidence.configured_issuer.as_ref().unwrap_or(&evidence.issuer);
    let answered = probes.discovery.seen().is_some_and(|discovery| discovery.answer.status != 200);
    report.findings.iter().any(|finding| {
        let cited = finding.cites.iter().any(|citation| citation.path.ends_with("ssuer/discovery/failed/detail"));
        finding.code == NOT_INITIALIZED && finding.explained_by.is_none() && (answered || cited)
    })
}
