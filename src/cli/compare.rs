//! `kaccess doctor --compare FILE`: today's evidence beside a saved one.

use std::path::Path;

use super::Error;
use super::diagnosis::diagnosed;
use super::files::load;
use crate::evidence::Evidence;
use crate::report::compare::{Comparison, compare};
use crate::report::doctor::DoctorReport;

/// A saved look, diagnosed by today's rules.
pub struct Saved {
    evidence: Evidence,
    report: DoctorReport,
}

impl Saved {
    /// Reads it, before anything is looked at.
    ///
    /// # Errors
    /// When the file cannot be read as evidence.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let (evidence, report) = diagnosed(load("--compare", path)?);
        Ok(Self { evidence, report })
    }

    /// What differs from it.
    pub fn beside(&self, evidence: &Evidence, report: &DoctorReport, hide_claims: bool) -> Comparison {
        compare((&self.evidence, &self.report), (evidence, report), hide_claims)
    }
}
