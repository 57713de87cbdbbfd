//! What AWS says of an EKS cluster, its network and the issuer's load balancer: one function for each API call.
//!
//! The calls themselves stand behind the feature `aws`; which cluster is meant is read from the kubeconfig without it.

pub mod cluster_side;
pub mod mapping;
pub mod sts;
pub mod target;

#[cfg(feature = "aws")]
pub mod balancer;
#[cfg(feature = "aws")]
pub mod clients;
#[cfg(feature = "aws")]
pub mod ec2;
#[cfg(feature = "aws")]
pub mod eks;
#[cfg(feature = "aws")]
pub mod identity;
#[cfg(feature = "aws")]
pub mod logs;
#[cfg(feature = "aws")]
pub mod workload;
