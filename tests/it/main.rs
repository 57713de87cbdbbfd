//! The integration tests: one crate, so that the lab's servers are started once for all of them.

mod architecture;
mod authz;
mod aws;
mod bench;
mod certificates;
mod decode;
mod docs;
mod eks;
mod endpoints;
mod explain;
mod fidelity;
mod fuzz;
mod incidents;
mod issuers;
mod kubeconfigs;
mod lab;
mod loopback;
mod plugins;
mod readings;
mod registry;
mod replay;
mod route;
mod secrets;
mod support;
mod tokens;
mod workload;
