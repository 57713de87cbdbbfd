//! Findings and reports, and the order that puts the root cause first.

pub mod access;
pub mod allowlist;
pub mod calls;
pub mod changes;
pub mod commands;
pub mod compare;
pub mod credential;
pub mod doctor;
pub mod explain;
pub mod shell;
pub mod veil;
pub mod view;
pub mod way;
pub mod workload;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use crate::evidence::Grade;
use shell::Shell;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Somebody cannot get in.
    Error,
    /// Will hurt, or may.
    Warning,
    /// Worth knowing.
    Info,
}

impl Severity {
    /// As JSON spells it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }
}

/// How sure a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Confidence {
    /// Seen or probed evidence decides it.
    Certain,
    /// The evidence fits and its rivals do not.
    Likely,
    /// The evidence fits, and rivals do too.
    Possible,
}

impl Confidence {
    /// As JSON spells it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Certain => "certain",
            Self::Likely => "likely",
            Self::Possible => "possible",
        }
    }
}

/// A reference into the evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Citation {
    /// JSON pointer (RFC 6901) into the evidence file.
    pub path: String,
    /// How it is known.
    pub grade: Grade,
    /// What stands there, in words.
    pub text: String,
}

/// A citation of something the server, an API or a log said.
pub fn seen(path: impl Into<String>, text: impl Into<String>) -> Citation {
    Citation { path: path.into(), grade: Grade::Seen, text: text.into() }
}

/// A citation of something tried from this machine.
pub fn probed(path: impl Into<String>, text: impl Into<String>) -> Citation {
    Citation { path: path.into(), grade: Grade::Probed, text: text.into() }
}

/// A citation of what the models say that the server or the control plane does.
pub fn inferred(path: impl Into<String>, text: impl Into<String>) -> Citation {
    Citation { path: path.into(), grade: Grade::Inferred, text: text.into() }
}

/// One thing to do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Step {
    /// The step in words.
    pub text: String,
    /// A command to copy.
    pub command: Option<Shell>,
    /// A manifest or file, whole.
    pub manifest: Option<String>,
}

impl Step {
    /// A step in words.
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), command: None, manifest: None }
    }

    /// A step with a command.
    pub fn command(text: impl Into<String>, command: impl Into<Shell>) -> Self {
        Self { text: text.into(), command: Some(command.into()), manifest: None }
    }

    /// What there is to copy: the command, the manifest.
    pub fn codes(&self) -> impl Iterator<Item = &str> {
        [self.command.as_deref(), self.manifest.as_deref()].into_iter().flatten()
    }

    /// A step with a manifest or a piece of configuration.
    pub fn manifest(text: impl Into<String>, manifest: impl Into<String>) -> Self {
        Self { text: text.into(), command: None, manifest: Some(manifest.into()) }
    }
}

/// A cause that fits where the cause itself is out of sight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its code.
    pub code: &'static str,
    /// Why it fits.
    pub why: String,
    /// The one observation that would decide it.
    pub decided_by: Step,
}

/// What a rule concludes.
#[derive(Debug, Clone)]
pub struct Finding {
    /// The rule's code.
    pub code: &'static str,
    /// How bad.
    pub severity: Severity,
    /// How sure.
    pub confidence: Confidence,
    /// The problem in one line.
    pub title: String,
    /// The chain of reasoning in words.
    pub why: String,
    /// What proves it; never empty.
    pub cites: Vec<Citation>,
    /// What to do; never empty.
    pub fix: Vec<Step>,
    /// Causes that fit, where this finding only names a consequence.
    pub candidates: Vec<Candidate>,
    /// Codes that this one explains when both are found.
    pub explains: &'static [&'static str],
    /// Position of the rule in the registry.
    pub rank: usize,
    /// The code that explains this one, set by [`diagnose`].
    pub explained_by: Option<&'static str>,
}

impl Finding {
    /// Replaces the rule's title by one with names in it.
    #[must_use]
    pub fn titled(mut self, title: impl Into<String>) -> Self {
        self.title = title.into();
        self
    }

    /// What rests on a log's line that names no issuer, where something speaks for another one, says so and explains
    /// nothing: what it would explain keeps its own candidates.
    #[must_use]
    pub fn modest(mut self) -> Self {
        if self.confidence == Confidence::Possible {
            self.explains = &[];
            self.why.push_str(" The line of the log names no issuer, and may be about another one than this.");
        }
        self
    }

    /// How the code that explains this finding is led to: what is only possible explains what is surer perhaps.
    pub fn because(&self, all: &[Self]) -> &'static str {
        let by = all.iter().find(|other| Some(other.code) == self.explained_by);
        let perhaps = by.is_some_and(|by| by.confidence == Confidence::Possible && by.confidence > self.confidence);
        if perhaps { "perhaps because of" } else { "because of" }
    }

    /// Adds a citation.
    #[must_use]
    pub fn cite(mut self, citation: Citation) -> Self {
        self.cites.push(citation);
        self
    }

    /// Adds a citation, if there is one.
    #[must_use]
    pub fn cite_if(mut self, citation: Option<Citation>) -> Self {
        self.cites.extend(citation);
        self
    }

    /// Adds a step.
    #[must_use]
    pub fn step(self, step: Step) -> Self {
        self.steps([step])
    }

    /// Adds steps.
    #[must_use]
    pub fn steps(mut self, steps: impl IntoIterator<Item = Step>) -> Self {
        self.fix.extend(steps);
        self
    }
}

/// Findings in the order to read them: the root cause first.
///
/// A finding explained by another one goes behind all unexplained ones; each part is ordered by severity,
/// confidence and the registry's order. An explanation that would run in a circle is dropped.
pub fn diagnose(mut findings: Vec<Finding>) -> Vec<Finding> {
    // Of several that explain a finding the strongest does.
    findings.sort_by_key(|finding| (finding.severity, finding.confidence, finding.rank));
    let explainers: Vec<Option<usize>> = (0..findings.len())
        .map(|index| {
            findings
                .iter()
                .position(|other| other.code != findings[index].code && other.explains.contains(&findings[index].code))
        })
        .collect();
    for index in 0..findings.len() {
        // Follow the chain to its root; a chain that comes back to its start explains nothing.
        let mut at = index;
        let mut steps = 0;
        while let Some(next) = explainers[at] {
            at = next;
            steps += 1;
            if at == index || steps > findings.len() {
                at = index;
                break;
            }
        }
        findings[index].explained_by = (at != index).then(|| findings[at].code);
    }
    // A warning that explains an error is the root cause, and goes among the errors.
    let roots: Vec<&'static str> = findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error)
        .filter_map(|finding| finding.explained_by)
        .collect();
    findings.sort_by_key(|finding| {
        let effective = if roots.contains(&finding.code) { Severity::Error } else { finding.severity };
        (finding.explained_by.is_some(), effective, finding.confidence, finding.rank)
    });
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(code: &'static str, confidence: Confidence, explains: &'static [&'static str]) -> Finding {
        Finding {
            code,
            severity: Severity::Error,
            confidence,
            title: String::new(),
            why: String::new(),
            cites: Vec::new(),
            fix: Vec::new(),
            candidates: Vec::new(),
            explains,
            rank: 0,
            explained_by: None,
        }
    }

    #[test]
    fn what_is_only_possible_explains_what_is_surer_perhaps() {
        for (cause, effect, expected) in [
            (Confidence::Possible, Confidence::Likely, "perhaps because of"),
            (Confidence::Possible, Confidence::Possible, "because of"),
            (Confidence::Likely, Confidence::Certain, "because of"),
        ] {
            let all = diagnose(vec![finding("effect", effect, &[]), finding("cause", cause, &["effect"])]);
            let explained = all.iter().find(|finding| finding.code == "effect").expect("the effect");
            assert_eq!((explained.explained_by, explained.because(&all)), (Some("cause"), expected));
        }
    }
}
