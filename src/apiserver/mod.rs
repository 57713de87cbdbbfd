//! A pure model of kube-apiserver: what it believes, what it allows and what it says.

pub mod authn;
pub mod authz;
pub mod cel;
pub mod configuration;
pub mod message;
