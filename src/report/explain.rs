//! The answers of `explain`: what a text means, a finding's page, and the list of them all.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::view::{CandidateView, StepView};
use super::{Confidence, Severity};

/// What a text, or a whole log, means.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// What was recognised, the most telling first.
    pub matches: Vec<Match>,
    /// Lines in which nothing was recognised.
    pub unrecognised: u64,
    /// Codes that are spelled nearly so, where nothing was recognised in what may be one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub suggestions: Vec<&'static str>,
    /// Reading was broken off: there may be more.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub interrupted: bool,
}

/// One cause, with all lines that speak of it in the same words.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Match {
    /// The registry's code.
    pub code: &'static str,
    /// How bad.
    pub severity: Severity,
    /// Whether the words decide it.
    pub confidence: Confidence,
    /// The problem in one line.
    pub title: &'static str,
    /// What the words say, with the names that stand in them.
    pub means: String,
    /// The first such line, without secrets.
    pub text: String,
    /// Its number.
    pub line: u64,
    /// How many lines say it.
    pub count: u64,
    /// The time of the first, as the log writes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_seen: Option<String>,
    /// The time of the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<String>,
    /// The number of the last.
    pub last_line: u64,
    /// What stands in it.
    pub fields: BTreeMap<String, String>,
    /// What to do.
    pub next: Vec<StepView>,
    /// Other causes that the words fit, each with what would decide it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<CandidateView>,
    /// The code found in the same text of which this is only the consequence.
    pub explained_by: Option<&'static str>,
    /// The page about it.
    pub docs: String,
}

/// A finding's page.
#[derive(Debug, Serialize, JsonSchema)]
pub struct FindingPage {
    /// The registry's code.
    pub code: &'static str,
    /// How bad.
    pub severity: Severity,
    /// The problem in one line.
    pub title: &'static str,
    /// What it means for the user.
    pub means: String,
    /// What proves it.
    pub evidence: String,
    /// What to do.
    pub fix: String,
    /// Where to read more.
    pub references: Vec<&'static str>,
    /// Codes that are only its consequences.
    pub explains: &'static [&'static str],
    /// How it looks to somebody who meets it.
    pub symptoms: Vec<String>,
    /// The other severity that it has now and then, and where; for people only.
    #[serde(skip)]
    pub otherwise: Option<(Severity, &'static str)>,
}

impl FindingPage {
    /// The other severity in a sentence.
    pub fn other_severity(&self) -> Option<String> {
        let (severity, place) = self.otherwise?;
        Some(match severity {
            Severity::Error => format!("An error where {place}."),
            Severity::Warning => format!("Only a warning where {place}."),
            Severity::Info => format!("Only worth knowing where {place}."),
        })
    }
}

/// Every finding (`kind: FindingList`).
#[derive(Debug, Serialize, JsonSchema)]
pub struct FindingListView {
    /// The findings, in their order of precedence.
    pub items: Vec<Entry>,
}

/// One line of `--list`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Entry {
    /// The registry's code.
    pub code: &'static str,
    /// How bad.
    pub severity: Severity,
    /// The problem in one line.
    pub title: &'static str,
    /// The part of the registry.
    pub area: &'static str,
}
