//! What changed between two looks at the same thing.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::Finding;
use super::doctor::{DoctorReport, Status};

/// One change, in one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum Change {
    /// A finding that was not there before.
    New {
        /// Its code.
        code: &'static str,
        /// Its title.
        title: String,
    },
    /// A finding that is not there any more.
    Gone {
        /// Its code.
        code: &'static str,
        /// Its title.
        title: String,
    },
    /// Another finding is the root cause now, and it was there before.
    First {
        /// Its code.
        code: &'static str,
        /// Its title.
        title: String,
    },
    /// The API server takes the user for somebody else, or begins or ceases to know them.
    Identity {
        /// Who it was.
        before: Option<String>,
        /// Who it is.
        now: Option<String>,
    },
    /// A check ended otherwise.
    Check {
        /// Its id.
        id: &'static str,
        /// How it ended before.
        before: Status,
        /// How it ends now.
        now: Status,
    },
}

/// A report, with who the API server says the user is.
pub type Look<'a> = (&'a DoctorReport, Option<&'a str>);

/// The changes from one look to the next: findings first, in their order, then who one is, then checks that began or
/// ceased to pass.
pub fn changes((before, was): Look<'_>, (now, is): Look<'_>) -> Vec<Change> {
    let mut changes: Vec<Change> = beyond(&now.findings, &before.findings)
        .into_iter()
        .map(|finding| Change::New { code: finding.code, title: finding.title.clone() })
        .collect();
    changes.extend(
        beyond(&before.findings, &now.findings)
            .into_iter()
            .map(|finding| Change::Gone { code: finding.code, title: finding.title.clone() }),
    );
    if let Some(first) = now.findings.first()
        && before.findings.first().map(|finding| finding.code) != Some(first.code)
        && before.findings.iter().any(|finding| finding.code == first.code)
    {
        changes.push(Change::First { code: first.code, title: first.title.clone() });
    }
    if was != is {
        changes.push(Change::Identity { before: was.map(str::to_owned), now: is.map(str::to_owned) });
    }
    for check in &now.checks {
        let earlier = before.checks.iter().find(|earlier| earlier.id == check.id);
        if let Some(earlier) = earlier.filter(|earlier| passes(earlier.status) != passes(check.status)) {
            changes.push(Change::Check { id: check.id, before: earlier.status, now: check.status });
        }
    }
    changes
}

/// What had nothing to look at is neither well nor broken, and whether it is looked at depends on the others.
fn passes(status: Status) -> Option<bool> {
    match status {
        Status::Pass => Some(true),
        Status::Fail => Some(false),
        Status::Skipped | Status::NotApplicable => None,
    }
}

/// The findings of a list that another lacks. A code may be found several times; its words may hold an age, so that
/// only how often it is found is compared.
fn beyond<'a>(list: &'a [Finding], other: &[Finding]) -> Vec<&'a Finding> {
    let mut left: BTreeMap<&str, usize> = BTreeMap::new();
    for finding in other {
        *left.entry(finding.code).or_default() += 1;
    }
    list.iter()
        .filter(|finding| match left.get_mut(finding.code) {
            Some(count @ 1..) => {
                *count -= 1;
                false
            }
            _ => true,
        })
        .collect()
}
