//! A diagnosis, whoever asks for it: look, judge, and what the exit code and the forms for machines make of it.

use clap::ValueEnum;

use super::files::read_evidence;
use super::flags::Format;
use super::{BAD, Error, GOOD, NONE, note};
use crate::apiserver::message;
use crate::collect::plan::{self, Plan};
use crate::evidence::Evidence;
use crate::host::Host;
use crate::render::{Diagnosed, junit, prometheus, sarif};
use crate::report::Severity;
use crate::report::doctor::{DoctorReport, Verdict};
use crate::report::veil::Veil;
use crate::rules::{self, Case, RULES};
use crate::secret::Scrubber;

/// From which severity on the exit code is 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FailOn {
    /// Errors only.
    Error,
    /// Warnings too.
    Warning,
    /// Always exit 0.
    Never,
}

/// Where probes run: one that computes must not hold up the others.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Error> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Error::plain(format!("no runtime: {error}")))
}

/// Looks at everything, and once more where the first look names another issuer.
pub(super) async fn look(host: &Host, plan: &Plan, scrubber: &Scrubber) -> Evidence {
    let mut evidence = plan::gather(host, plan, scrubber).await;
    // The second round: the issuer that the API server is configured for, where it is not the token's.
    if let Some(url) = other_issuer(&evidence).filter(|_| !plan.offline) {
        evidence.configured_issuer = Some(plan::gather_issuer(host, plan, &url, scrubber).await);
        evidence.took_ms = host.elapsed_ms();
    }
    evidence
}

/// The configured issuer that was not probed yet, where it is known that the token's is another one.
fn other_issuer(evidence: &Evidence) -> Option<String> {
    let case = Case::new(evidence);
    let probed = evidence.issuer.target.seen().map(|target| target.url.clone());
    let (configuration, _) = case.configuration.as_ref()?;
    // One that was not read, or that is still being added, may be the token's.
    if case.accepted()
        || !configuration.jwt_known
        || configuration.jwt.is_empty()
        || configuration.jwt.iter().any(|jwt| Some(&jwt.issuer.url) == probed.as_ref())
    {
        return None;
    }
    configuration.jwt.first().map(|jwt| jwt.issuer.url.clone())
}

/// A live run's evidence in the form it would be saved in, which is what is diagnosed; with that form itself.
pub(super) fn reported(evidence: &Evidence) -> Result<(Evidence, DoctorReport, String), Error> {
    let text = serde_json::to_string_pretty(evidence)
        .map_err(|error| Error::plain(format!("the evidence cannot be written: {error}")))?;
    let (evidence, report) = diagnosed(read_evidence(text.as_bytes(), "this run's evidence")?);
    Ok((evidence, report, text))
}

/// Evidence with what the rules find in it.
pub(super) fn diagnosed(evidence: Evidence) -> (Evidence, DoctorReport) {
    let report = rules::report(&evidence);
    (evidence, report)
}

/// What may be shown: with `--hide-claims` without the values of the token's claims, whatever repeats them. Every form
/// is made of this.
pub(super) fn shown(mut evidence: Evidence, mut report: DoctorReport, hide_claims: bool) -> (Evidence, DoctorReport) {
    if hide_claims {
        let veil = Veil::of(&evidence);
        veil.report(&mut report);
        veil.evidence(&mut evidence);
    }
    (evidence, report)
}

/// The exit code of a report.
pub(super) fn exit_code(report: &DoctorReport, fail_on: FailOn) -> u8 {
    let worst = report.findings.iter().map(|finding| finding.severity).min();
    match (fail_on, worst) {
        (FailOn::Never, _) => GOOD,
        (FailOn::Error, Some(Severity::Error)) | (FailOn::Warning, Some(Severity::Error | Severity::Warning)) => BAD,
        // Nothing found that keeps anybody out, and nobody established: that is no answer.
        _ if report.verdict == Verdict::Unknown => NONE,
        _ => GOOD,
    }
}

/// Whether a finding of this severity makes the exit code 1.
fn counts(fail_on: FailOn, severity: Severity) -> bool {
    match fail_on {
        FailOn::Error => severity == Severity::Error,
        FailOn::Warning => severity != Severity::Info,
        FailOn::Never => false,
    }
}

/// The forms that hold one context or several.
pub(super) fn for_machines(
    format: Format,
    items: &[Diagnosed<'_>],
    fail_on: FailOn,
    out: &mut dyn std::io::Write,
) -> std::io::Result<()> {
    let title = |code: &str| RULES.iter().find(|rule| rule.code == code).map(|rule| rule.title);
    match format {
        Format::Sarif => sarif::doctor(items, &title, out),
        Format::Junit => junit::doctor(items, &|severity| counts(fail_on, severity), out),
        _ => prometheus::doctor(items, out),
    }
}

/// Says of the message that the user met that nothing in it was understood, so that no cause rests on it.
pub(super) fn note_unknown(error: Option<&str>) {
    let known = |error: &str| {
        !message::recognise(error).is_empty()
            || message::forbidden(error).is_some()
            || !super::explain::explained(error.as_bytes()).matches.is_empty()
    };
    if error.is_some_and(|error| !known(error)) {
        note(
            "note: the text of --error was read, and nothing in it is known; give the message whole, as it was printed",
        );
    }
}
