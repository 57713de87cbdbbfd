//! Amazon EKS and the AWS identity in front of it: one [`Observation`] for each API call.
//!
//! A call that AWS refused is `Failed` with [`FailureKind::Forbidden`](super::FailureKind::Forbidden), and its `needs` is
//! exactly the IAM action (`eks:DescribeCluster`). Lists hold only what touches the caller, the cluster or the issuer.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Observation;
use super::apiserver::Log;
use super::balancer::Balancer;
use super::network::Network;

/// Everything that AWS said. Absent as a whole where the cluster is not EKS, or `--no-aws` was given.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Aws {
    /// Which cluster was looked for, and why that one. Failed where no name could be derived.
    pub target: Observation<Target>,
    /// As whom kaccess asks AWS (`sts:GetCallerIdentity`), which is as whom the credential plugin signs.
    pub caller: Observation<Caller>,
    /// That role or user in IAM (`iam:GetRole`, `iam:GetUser`). Failed with `NotFound` where IAM has none of that name.
    pub principal: Observation<Principal>,
    /// The cluster (`eks:DescribeCluster`).
    pub cluster: Observation<Cluster>,
    /// Its OIDC identity providers (`eks:ListIdentityProviderConfigs`, then one call for each).
    pub identity_providers: Observation<IdentityProviders>,
    /// Its latest updates (`eks:ListUpdates`, `eks:DescribeUpdate`), newest first.
    pub updates: Observation<Vec<Update>>,
    /// Its access entries (`eks:ListAccessEntries`), as far as they concern the caller. In the mode `CONFIG_MAP` the call
    /// itself is refused (`InvalidRequestException`): `NotApplicable`.
    pub access_entries: Observation<AccessEntries>,
    /// Who holds AmazonEKSClusterAdminPolicy (`eks:ListAccessEntries` with that policy).
    pub administrators: Observation<Principals>,
    /// ConfigMap kube-system/aws-auth, read from the cluster. Failed with `NotFound` where there is none.
    pub aws_auth: Observation<AwsAuth>,
    /// The addresses behind Service default/kubernetes, from its EndpointSlice: those of the cluster's interfaces.
    pub endpoint_slice: Observation<EndpointSlice>,
    /// kube-apiserver's lines in the control-plane log (`logs:FilterLogEvents`, streams `kube-apiserver-*` without audit).
    pub api_log: Observation<Log>,
    /// aws-iam-authenticator's lines in the control-plane log (streams `authenticator-*`): those that name the caller, no
    /// principal at all, or a node.
    pub authenticator_log: Observation<Log>,
    /// The cluster's network and the issuer's.
    pub network: Network,
    /// The load balancer in front of the issuer.
    pub issuer_balancer: Balancer,
    /// The one in front of the key set, where `jwks_uri` has another host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwks_balancer: Option<Balancer>,
    /// The public address that requests of this machine come from, where something told it.
    pub own_egress: Observation<OwnEgress>,
}

/// Which cluster is meant.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Target {
    /// The cluster's name.
    pub cluster: String,
    /// Where the name came from: `flag`, `exec-arguments`, `context-arn` or `endpoint`.
    pub cluster_origin: String,
    /// The region.
    pub region: String,
    /// Where the region came from: `flag`, `exec-arguments`, `context-arn`, `endpoint` or `environment`.
    pub region_origin: String,
    /// The profile whose credentials were used; absent where the default chain decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// `--profile` named it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub profile_named: bool,
    /// The role that the plugin assumes (`--role-arn`), where it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role_arn: Option<String>,
    /// The cluster name that the plugin signs into its token (`--cluster-name`, `-i`), where there is such a plugin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_cluster: Option<String>,
}

/// sts:GetCallerIdentity.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Caller {
    /// `arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION`, `arn:aws:iam::ACCOUNT:user/...`, ...; never with a role's path.
    pub arn: String,
    /// The account, 12 digits.
    pub account: String,
    /// `AROA...:SESSION` for a role, `AIDA...` for a user, the account for root.
    pub user_id: String,
}

/// A role or user as IAM has it now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Principal {
    /// Its ARN, with the path.
    pub arn: String,
    /// Its unique id now (`AROA...`, `AIDA...`): another one after it was deleted and made again.
    pub unique_id: String,
    /// The path, `/` where there is none.
    pub path: String,
    /// When it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
}

/// eks:DescribeCluster, what decides about access.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Cluster {
    /// Name.
    pub name: String,
    /// ARN.
    pub arn: String,
    /// Kubernetes version, `1.33`.
    pub version: String,
    /// EKS platform version, `eks.7`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform_version: Option<String>,
    /// `CREATING`, `ACTIVE`, `DELETING`, `FAILED`, `UPDATING` or `PENDING`.
    pub status: String,
    /// URL of the API server; absent while the cluster is being made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// The cluster's own OIDC issuer (service accounts), `https://oidc.eks.REGION.amazonaws.com/id/...`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub own_issuer: Option<String>,
    /// The role that the control plane uses in the account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role_arn: Option<String>,
    /// When it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
    /// `resourcesVpcConfig`.
    pub vpc: VpcConfig,
    /// `accessConfig.authenticationMode`: `CONFIG_MAP`, `API_AND_CONFIG_MAP` or `API`; absent means `CONFIG_MAP`, assumed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authentication_mode: Option<String>,
    /// `accessConfig.bootstrapClusterCreatorAdminPermissions`; absent where the API did not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub creator_is_admin: Option<bool>,
    /// `kubernetesNetworkConfig.ipFamily`: `ipv4` or `ipv6`; absent means `ipv4`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip_family: Option<String>,
    /// The log types that are switched on: `api`, `audit`, `authenticator`, `controllerManager`, `scheduler`.
    pub log_types: Vec<String>,
    /// `health.issues`.
    pub health: Vec<HealthIssue>,
}

/// `resourcesVpcConfig` of a cluster.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct VpcConfig {
    /// The VPC.
    pub vpc_id: String,
    /// The subnets that hold the cluster's interfaces.
    pub subnet_ids: Vec<String>,
    /// `clusterSecurityGroupId`: on the interfaces and on managed nodes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_security_group_id: Option<String>,
    /// `securityGroupIds`: further ones, on the interfaces only.
    pub security_group_ids: Vec<String>,
    /// The endpoint has public addresses.
    pub endpoint_public_access: bool,
    /// The endpoint has private addresses for the VPC.
    pub endpoint_private_access: bool,
    /// Who may connect to the public addresses; it says nothing about the private ones.
    pub public_access_cidrs: Vec<String>,
    /// `controlPlaneEgressMode`: `AWS_MANAGED`, `CUSTOMER_ROUTED`, `CUSTOMER_ISOLATED`; absent means `AWS_MANAGED`, assumed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub control_plane_egress_mode: Option<String>,
}

/// One entry of `health.issues`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HealthIssue {
    /// `AccessDenied`, `IamRoleNotFound`, `InsufficientFreeAddresses`, ...
    pub code: String,
    /// AWS's words.
    pub message: String,
    /// The ids it is about.
    pub resource_ids: Vec<String>,
}

/// All OIDC identity providers of a cluster, up to ten.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct IdentityProviders {
    /// One for each configuration, in the API's order; none where the cluster has none.
    pub configs: Vec<IdentityProviderConfig>,
}

/// One configuration's name, and what describing it gave.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct IdentityProviderConfig {
    /// The configuration's name.
    pub name: String,
    /// `eks:DescribeIdentityProviderConfig`.
    pub details: Observation<IdentityProvider>,
}

/// eks:DescribeIdentityProviderConfig, the OIDC part.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct IdentityProvider {
    /// The issuer's URL.
    pub issuer_url: String,
    /// The client id, which `aud` must hold.
    pub client_id: String,
    /// Claim that names the user; absent means `sub`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username_claim: Option<String>,
    /// Prefix of user names; absent means `ISSUER#` (none for the claim `email`), `-` means none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username_prefix: Option<String>,
    /// Claim that holds the groups; absent means that there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub groups_claim: Option<String>,
    /// Prefix of group names; absent means none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub groups_prefix: Option<String>,
    /// Claims that a token must hold with exactly these values.
    pub required_claims: BTreeMap<String, String>,
    /// `CREATING`, `DELETING` or `ACTIVE`; the last says nothing about whether the API server could read the issuer.
    pub status: String,
}

/// eks:DescribeUpdate.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Update {
    /// Its id.
    pub id: String,
    /// `AssociateIdentityProviderConfig`, `ControlPlaneEgressUpdate`, `EndpointAccessUpdate`, ...
    #[serde(rename = "type")]
    pub kind: String,
    /// `InProgress`, `Failed`, `Cancelled` or `Successful`.
    pub status: String,
    /// When it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
    /// Its parameters (`IdentityProviderConfig` and JSON, `ControlPlaneEgressMode`, ...), scrubbed.
    pub params: BTreeMap<String, String>,
    /// Why it failed.
    pub errors: Vec<UpdateError>,
}

/// One error of an update.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct UpdateError {
    /// `SubnetNotFound`, `AccessDenied`, `Unknown`, ...
    pub code: String,
    /// AWS's words, scrubbed.
    pub message: String,
    /// The ids it is about.
    pub resource_ids: Vec<String>,
}

/// The access entries of a cluster that concern the caller.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AccessEntries {
    /// How many the cluster has in all.
    pub total: usize,
    /// Those whose principal is the caller's (paths and capitals aside).
    pub entries: Vec<AccessEntry>,
    /// Principals of others whose last part has the caller's role or user name: another account, another path. At most 10.
    pub namesakes: Vec<String>,
}

/// One access entry.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AccessEntry {
    /// The principal's ARN, with the path.
    pub principal_arn: String,
    /// What the entry says (`eks:DescribeAccessEntry`).
    pub details: Observation<AccessEntryDetails>,
    /// Its policies (`eks:ListAssociatedAccessPolicies`).
    pub policies: Observation<Vec<AssociatedPolicy>>,
}

/// eks:DescribeAccessEntry.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AccessEntryDetails {
    /// User name or template (`{{SessionName}}`).
    pub username: String,
    /// Kubernetes groups.
    pub groups: Vec<String>,
    /// `STANDARD`, `EC2_LINUX`, `EC2_WINDOWS`, `FARGATE_LINUX`, `HYBRID_LINUX`, `EC2`, ...
    #[serde(rename = "type")]
    pub kind: String,
    /// When it was made: it belongs to the principal that had the ARN then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
    /// When it was last changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modified_at: Option<Timestamp>,
}

/// An access policy on an access entry.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AssociatedPolicy {
    /// `arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy`.
    pub policy_arn: String,
    /// `cluster` or `namespace`.
    pub scope: String,
    /// The namespaces of the second, `*` as a wildcard allowed.
    pub namespaces: Vec<String>,
}

impl AssociatedPolicy {
    /// Its name, without the ARN before it.
    pub fn name(&self) -> &str {
        self.policy_arn.rsplit('/').next().unwrap_or_default()
    }

    /// Where it counts, in words.
    pub fn place(&self) -> String {
        match self.scope.as_str() {
            "namespace" => format!("namespaces {}", self.namespaces.join(", ")),
            _ => "the whole cluster".to_owned(),
        }
    }
}

/// Principals by ARN.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Principals {
    /// How many there are in all.
    pub total: usize,
    /// The first 20.
    pub arns: Vec<String>,
}

/// ConfigMap kube-system/aws-auth as it stands there, scrubbed; a ConfigMap holds at most 1 MiB.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AwsAuth {
    /// Every key of `data` with its text. The authenticator reads `mapRoles`, `mapUsers` and `mapAccounts`, spelled so.
    pub data: BTreeMap<String, String>,
}

/// The addresses behind Service default/kubernetes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EndpointSlice {
    /// The addresses.
    pub addresses: Vec<String>,
}

/// The address that others see when this machine connects.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OwnEgress {
    /// The address.
    pub address: String,
    /// Who told it.
    pub source: String,
}
