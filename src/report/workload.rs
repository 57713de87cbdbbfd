//! The answers of `workload`, in the form that JSON shows.

use schemars::JsonSchema;
use serde::Serialize;

use super::view::{FindingView, StepView};

/// Which AWS identity a Pod gets (`kind: WorkloadIdentity`).
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadIdentity {
    /// What was asked about.
    pub target: Target,
    /// `NAMESPACE/NAME` of the service account.
    pub service_account: String,
    /// What the containers get.
    pub effective: Effective,
    /// The ways that somebody intended: `irsa`, `pod-identity`, `kiam`, `kube2iam`.
    pub intended: Vec<&'static str>,
    /// Every link that was looked at.
    pub chain: Vec<Link>,
    /// The root cause first.
    pub findings: Vec<FindingView>,
}

/// What was asked about.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Target {
    /// Its kind.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The Pod that was looked at, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
}

/// What the containers get.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Effective {
    /// `static-keys`, `irsa`, `pod-identity`, `kiam`, `kube2iam`, `node-role`, `none` or `unknown`.
    pub kind: &'static str,
    /// The role, where its ARN is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role_arn: Option<String>,
    /// Why.
    pub why: String,
}

/// One link of the chain.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Link {
    /// Stable id.
    pub id: &'static str,
    /// It holds, it does not, or (null) that is not known.
    pub ok: Option<bool>,
    /// What should be there.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub expected: String,
    /// What is there, or why it is not known.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub seen: String,
    /// The right that was missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub needs: Option<String>,
}

/// The way over from kiam and kube2iam (`kind: MigrationPlan`).
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MigrationPlan {
    /// What is left: `kiam`, `kube2iam`, or both.
    pub from: Vec<String>,
    /// What replaces it: `irsa` or `pod-identity`.
    pub to: &'static str,
    /// What is to be done once for the cluster.
    pub preparation: Vec<StepView>,
    /// One for each workload.
    pub workloads: Vec<Migration>,
    /// What could not be listed, with the right that was missing.
    pub incomplete: Vec<String>,
}

/// The way over of one workload.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Migration {
    /// Its namespace.
    pub namespace: String,
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The service account that it will run as.
    pub service_account: String,
    /// It is a new one: the old one is shared with what has another role.
    pub new_service_account: bool,
    /// The role, as an ARN.
    pub role_arn: String,
    /// What to know before.
    pub notes: Vec<String>,
    /// What to do, in this order.
    pub steps: Vec<StepView>,
}
