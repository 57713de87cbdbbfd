//! A pure model of EKS and of AWS around it: who is mapped to whom, and what the control plane can reach.
//!
//! Does a role's trust policy let in this service account?
//!
//! ```
//! use kaccess::aws::trust::{Request, judge};
//!
//! let provider = "arn:aws:iam::111122223333:oidc-provider/oidc.eks.eu-west-1.amazonaws.com/id/ABC";
//! let issuer = "oidc.eks.eu-west-1.amazonaws.com/id/ABC";
//! let policy = format!(
//!     r#"{{"Statement": [{{"Effect": "Allow", "Principal": {{"Federated": "{provider}"}},
//!         "Action": "sts:AssumeRoleWithWebIdentity",
//!         "Condition": {{"StringEquals": {{"{issuer}:sub": "system:serviceaccount:shop:web"}}}}}}]}}"#
//! );
//! let of = |subject: &str| judge(&policy, &Request::web_identity(provider, issuer, subject, "sts.amazonaws.com")).ok();
//! assert_eq!(of("system:serviceaccount:shop:web"), Some(true));
//! assert_eq!(of("system:serviceaccount:shop:api"), Some(false));
//! ```

pub mod addresses;
pub mod allowlist;
pub mod arn;
pub mod egress;
pub mod identity;
pub mod link_id;
pub mod reach;
pub mod trust;
pub mod workload;
pub mod yaml;

/// How far the time in a request's signature may lie ahead of AWS' clock, in seconds: STS refuses what is further ahead as
/// "Signature not yet current".
pub const SIGNATURE_LEEWAY: i64 = 300;
