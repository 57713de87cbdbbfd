//! Tells: every renderer writes a value to a given writer.

pub mod access;
pub mod allowlist;
pub mod decode;
pub mod explain;
pub mod graph;
pub mod human;
pub mod json;
pub mod markdown;
pub mod terminal;
pub mod workload;
