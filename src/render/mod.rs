//! Tells: every renderer writes a value to a given writer.

pub mod access;
pub mod allowlist;
pub mod changes;
pub mod compare;
pub mod contexts;
pub mod decode;
pub mod explain;
pub mod graph;
pub mod html;
pub mod human;
pub mod json;
pub mod junit;
pub mod markdown;
pub mod prometheus;
pub mod sarif;
pub mod schema;
pub mod terminal;
pub mod workload;

/// One context with what was seen and concluded, for the forms that hold several.
#[derive(Debug, Clone, Copy)]
pub struct Diagnosed<'a> {
    /// The context's name; empty where none is chosen.
    pub context: &'a str,
    /// The report.
    pub report: &'a crate::report::doctor::DoctorReport,
    /// What it rests on.
    pub evidence: &'a crate::evidence::Evidence,
}
