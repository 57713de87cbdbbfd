//! A pure model of AWS access: who may become which role.

pub mod trust;
pub mod workload;
