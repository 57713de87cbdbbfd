//! A finding as it is written in JSON, for every command that has findings.

use schemars::JsonSchema;
use serde::Serialize;

use super::{Confidence, Finding, Grade, Severity, Step};

/// A finding.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FindingView {
    /// The registry's code.
    pub code: &'static str,
    /// How bad.
    pub severity: Severity,
    /// How sure.
    pub confidence: Confidence,
    /// The problem in one line.
    pub title: String,
    /// Why that is a problem.
    pub why: String,
    /// What shows it.
    pub evidence: Vec<CitationView>,
    /// What to do.
    pub fix: Vec<StepView>,
    /// Causes that fit, where the cause itself is out of sight.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<CandidateView>,
    /// Codes found here that this one explains.
    pub explains: Vec<&'static str>,
    /// The code that explains this one.
    pub explained_by: Option<&'static str>,
    /// The page about it.
    pub docs: String,
}

/// What shows a finding.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct CitationView {
    /// JSON pointer: into the evidence for doctor, into the report itself for decode.
    pub path: String,
    /// How it is known.
    pub grade: Grade,
    /// In words.
    pub text: String,
}

/// One thing to do.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct StepView {
    /// In words.
    pub text: String,
    /// A command to copy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// A manifest or file, whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manifest: Option<String>,
}

/// A cause that fits.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CandidateView {
    /// Its code.
    pub code: &'static str,
    /// Why it fits.
    pub why: String,
    /// The one observation that would decide it.
    pub decided_by: StepView,
}

impl FindingView {
    /// The view of one finding among all of its report.
    pub fn new(finding: &Finding, all: &[Finding]) -> Self {
        let cites = finding.cites.iter();
        let candidates = finding.candidates.iter();
        let explains = finding.explains.iter().copied();
        Self {
            code: finding.code,
            severity: finding.severity,
            confidence: finding.confidence,
            title: finding.title.clone(),
            why: finding.why.clone(),
            evidence: cites
                .map(|cite| CitationView { path: cite.path.clone(), grade: cite.grade, text: cite.text.clone() })
                .collect(),
            fix: finding.fix.iter().map(StepView::from).collect(),
            candidates: candidates
                .map(|candidate| CandidateView {
                    code: candidate.code,
                    why: candidate.why.clone(),
                    decided_by: StepView::from(&candidate.decided_by),
                })
                .collect(),
            explains: explains.filter(|code| all.iter().any(|other| other.code == *code)).collect(),
            explained_by: finding.explained_by,
            docs: format!("docs/findings/{}.md", finding.code),
        }
    }
}

impl StepView {
    /// What there is to copy: the command, the manifest.
    pub fn codes(&self) -> impl Iterator<Item = &str> {
        [self.command.as_deref(), self.manifest.as_deref()].into_iter().flatten()
    }
}

impl From<&Step> for StepView {
    fn from(step: &Step) -> Self {
        Self {
            text: step.text.clone(),
            command: step.command.as_deref().map(str::to_owned),
            manifest: step.manifest.clone(),
        }
    }
}
