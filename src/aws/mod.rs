//! A pure model of EKS and of AWS around it: who is mapped to whom, and what the control plane can reach.

pub mod addresses;
pub mod allowlist;
pub mod egress;
pub mod identity;
pub mod reach;
pub mod trust;
pub mod workload;
pub mod yaml;
