//! The AWS identity of a Pod: the Pod or its template, its service account and namespace, the agents that hand out
//! credentials, and what IAM and EKS say of the roles meant. Of Secrets only their existence is here.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Observation;
use super::tls::TlsReport;

/// Everything that one run of `workload` saw beside AWS's own view of the cluster. A link that could not be looked at for
/// want of a right is `Failed` with `needs`, never "absent".
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Workload {
    /// Which object was asked about.
    pub target: Target,
    /// The role that should be had (`--role`), as the user gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wanted_role: Option<String>,
    /// The Pod: the one asked about, or the newest of its owner. `NotApplicable` where the owner has none now.
    pub pod: Observation<Pod>,
    /// The object that makes the Pods (Deployment, StatefulSet, DaemonSet, Job, CronJob). `NotApplicable` for a bare Pod.
    pub owner: Observation<Owner>,
    /// The service account they run as.
    pub service_account: Observation<ServiceAccount>,
    /// Their namespace.
    pub namespace: Observation<Namespace>,
    /// DaemonSets (and kiam's server, whichever kind it is) that hand out AWS credentials.
    pub agents: Observation<Vec<Agent>>,
    /// Those agents' Pods on the Pod's own node.
    pub node_agents: Observation<Vec<AgentPod>>,
    /// The Pod's node.
    pub node: Observation<Node>,
    /// The Secrets that the Pod, its service account and kiam name.
    pub secrets: Vec<SecretLook>,
    /// The ConfigMaps that its containers take all variables from.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub config_maps: Vec<ConfigMapLook>,
    /// The mutating webhook `pod-identity-webhook`.
    pub webhook: Observation<Webhook>,
    /// The Pod's events, newest first.
    pub events: Observation<Vec<Event>>,
    /// The issuer of this cluster's service account tokens, by its API server's own discovery document.
    pub issuer: Observation<Issuer>,
    /// That issuer's discovery document, fetched from here as STS would.
    pub issuer_reading: Observation<IssuerReading>,
    /// The roles that are named somewhere (`iam:GetRole`), each once.
    pub roles: Vec<RoleLook>,
    /// OIDC providers of the account (`iam:ListOpenIDConnectProviders`, `iam:GetOpenIDConnectProvider`).
    pub providers: Observation<Providers>,
    /// EKS Pod Identity associations of the namespace (`eks:ListPodIdentityAssociations`).
    pub associations: Observation<Associations>,
    /// The add-on eks-pod-identity-agent (`eks:DescribeAddon`). Failed with `NotFound` where it is not installed as one.
    pub addon: Observation<Addon>,
    /// The node's metadata options (`ec2:DescribeInstances`).
    pub instance: Observation<Instance>,
    /// ARN of the role in the node's instance profile (`iam:GetInstanceProfile`).
    #[serde(skip_serializing_if = "Observation::nothing_to_look_at")]
    pub node_role: Observation<String>,
    /// The certificate that kiam's server shows where its agents dial it, as far as that can be reached from here.
    #[serde(skip_serializing_if = "Observation::nothing_to_look_at")]
    pub kiam_server: Observation<KiamServer>,
}

/// Which object was asked about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Target {
    /// `Pod`, `ServiceAccount`, `Deployment`, `StatefulSet`, `DaemonSet`, `ReplicaSet`, `Job` or `CronJob`.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// A Pod.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Pod {
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// When it was made: credentials are injected then, and never later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
    /// Its phase.
    pub phase: String,
    /// Its node; absent while it is not scheduled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Its addresses.
    pub addresses: Vec<String>,
    /// What it runs, as admission left it.
    pub template: Template,
}

/// The object that makes the Pods.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Owner {
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its own annotations about AWS roles, which do nothing there.
    pub annotations: BTreeMap<String, String>,
    /// Its Pod template, before admission.
    pub template: Template,
}

/// What a Pod (or its template) says about identity. Values of variables are kept only of the few that name roles, files,
/// addresses and regions.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Template {
    /// `serviceAccountName`, `default` where it names none.
    pub service_account: String,
    /// It shares its node's network.
    pub host_network: bool,
    /// Its annotations about AWS roles (`iam.amazonaws.com/`, `eks.amazonaws.com/` and what resembles them).
    pub annotations: BTreeMap<String, String>,
    /// Its labels of AWS' own, by which the webhook may pass it over; absent in older evidence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    /// `automountServiceAccountToken`, where it says something.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub automount: Option<bool>,
    /// `imagePullSecrets`.
    pub pull_secrets: Vec<String>,
    /// Containers, init containers first.
    pub containers: Vec<Container>,
    /// Its volumes that carry tokens or Secrets.
    pub volumes: Vec<Volume>,
}

/// One container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Container {
    /// Its name.
    pub name: String,
    /// It is an init container.
    pub init: bool,
    /// Its variables about AWS and proxies.
    pub env: Vec<Variable>,
    /// Secrets that it takes all variables from.
    pub env_from_secrets: Vec<String>,
    /// Those of them whose variables get a prefix with which no name of AWS' begins.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub prefixed_secrets: Vec<String>,
    /// Whole ConfigMaps give it variables, and which ones that are is not known: their names get a prefix that begins as
    /// AWS' do, or an older look did not keep the ConfigMaps' names.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub env_from_config_maps: bool,
    /// ConfigMaps that it takes all variables from.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub env_from_config_map_names: Vec<String>,
    /// Where which volumes are mounted: path to volume.
    pub mounts: BTreeMap<String, String>,
}

/// One variable of a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its value, where it is one that holds no secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Where it comes from: `literal`, `secret/NAME`, `configmap/NAME` or `field`.
    pub from: String,
}

/// One volume that carries a token or a Secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Volume {
    /// Its name.
    pub name: String,
    /// The Secrets in it.
    pub secrets: Vec<String>,
    /// The projected tokens in it.
    pub tokens: Vec<ProjectedToken>,
}

/// A projected service account token.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProjectedToken {
    /// Its audience; absent means the API server's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// Its file in the volume.
    pub path: String,
    /// Its life in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expiration_seconds: Option<i64>,
}

/// A service account.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServiceAccount {
    /// Its name.
    pub name: String,
    /// When it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
    /// Its annotations about AWS roles and mountable Secrets.
    pub annotations: BTreeMap<String, String>,
    /// `automountServiceAccountToken`, where it says something.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub automount: Option<bool>,
    /// `secrets`: what may be mounted, where that is enforced.
    pub secrets: Vec<String>,
    /// `imagePullSecrets`.
    pub pull_secrets: Vec<String>,
}

/// A namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Namespace {
    /// Its annotations about AWS roles.
    pub annotations: BTreeMap<String, String>,
    /// Its labels of AWS' own; absent in older evidence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
}

/// A workload that hands out AWS credentials.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Agent {
    /// `kiam-agent`, `kiam-server`, `kube2iam` or `eks-pod-identity-agent`.
    pub role: String,
    /// `DaemonSet` or `Deployment`.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its image.
    pub image: String,
    /// Its command line, scrubbed.
    pub args: Vec<String>,
    /// The Secrets that it mounts.
    pub secrets: Vec<String>,
    /// How many Pods of it should run.
    pub desired: i64,
    /// How many are ready.
    pub ready: i64,
}

/// Whether an annotation of this key is kept: it is about AWS roles, or resembles what is.
pub fn is_kept(key: &str) -> bool {
    let lower = key.to_ascii_lowercase();
    ["amazonaws.com", "kubernetes.io/enforce-mountable-secrets", "role", "external-id"]
        .iter()
        .any(|part| lower.contains(part))
}

/// Whether a label of this key is kept: it is one of AWS' own.
pub fn is_kept_label(key: &str) -> bool {
    key.split_once('/').is_some_and(|(domain, _)| domain == "amazonaws.com" || domain.ends_with(".amazonaws.com"))
}

/// The value of a flag of a command line, in both spellings.
pub fn flag<'a>(args: &'a [String], name: &str) -> Option<&'a str> {
    args.iter().enumerate().find_map(|(index, arg)| {
        let rest = arg.strip_prefix(name)?;
        if let Some(value) = rest.strip_prefix('=') {
            return Some(value);
        }
        let next = args.get(index + 1).map_or("", String::as_str);
        rest.is_empty().then(|| if next.starts_with('-') { "" } else { next })
    })
}

/// kiam's server, as TLS shows it. Its CA is in a Secret that is not read: whether the chain leads to it is not judged.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct KiamServer {
    /// What the agents dial (`--server-address`), and so the name that the certificate must cover.
    pub dialled: String,
    /// The address that this led to from here.
    pub address: String,
    /// The handshake, judged by this machine's roots.
    pub tls: TlsReport,
}

/// An agent's Pod on the workload's node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AgentPod {
    /// As [`Agent::role`].
    pub role: String,
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// It is ready.
    pub ready: bool,
}

/// The Pod's node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// `spec.providerID`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider_id: Option<String>,
    /// Label `eks.amazonaws.com/compute-type`: `fargate`, `auto`, `hybrid`; absent on plain nodes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compute_type: Option<String>,
    /// Label `kubernetes.io/os`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub os: Option<String>,
}

/// A Secret that something names, and whether it is there.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SecretLook {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Who names it: `image-pull`, `volume`, `environment` or `kiam-tls`.
    pub uses: Vec<String>,
    /// What the server's table says of it. Failed with `NotFound` where it is not there.
    pub look: Observation<SecretFacts>,
}

/// A ConfigMap that containers take all variables from, in the Pod's namespace.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConfigMapLook {
    /// Its name.
    pub name: String,
    /// The names of its variables that are about AWS, never their values. Failed with `NotFound` where it is not there.
    pub look: Observation<Vec<String>>,
}

/// What is known of a Secret without its content.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SecretFacts {
    /// Its type, `kubernetes.io/dockerconfigjson` for example.
    #[serde(rename = "type")]
    pub kind: String,
}

/// The webhook that injects credentials.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Webhook {
    /// Its `failurePolicy`.
    pub failure_policy: String,
    /// It has a CA bundle.
    pub has_ca: bool,
    /// Its `reinvocationPolicy`.
    pub reinvocation_policy: String,
    /// Its namespace and object selectors as JSON, where they select less than everything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selectors: Option<String>,
}

/// One event of the Pod.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Event {
    /// Its reason.
    pub reason: String,
    /// Its message, scrubbed.
    pub message: String,
    /// When it was last seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<Timestamp>,
}

/// The issuer of service account tokens.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Issuer {
    /// `issuer` of the document.
    pub issuer: String,
    /// Where it was read: `api-server` or `eks`.
    pub origin: String,
}

/// The issuer's discovery document, fetched from here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct IssuerReading {
    /// What was fetched.
    pub url: String,
    /// The status of the answer.
    pub status: u16,
    /// `issuer` in it, where it is such a document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
}

/// A role that something names.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RoleLook {
    /// As it is named.
    pub named: String,
    /// Who names it: `service-account`, `pod`, `association`, `target`, `wanted`.
    pub by: Vec<String>,
    /// The role in IAM. Failed with `NotFound` where its account has none of that name; skipped where it is another
    /// account's.
    pub role: Observation<Role>,
}

/// A role in IAM.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Role {
    /// Its ARN, with the path.
    pub arn: String,
    /// Its trust policy, as JSON text.
    pub trust_policy: String,
    /// The longest session it gives, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_session_seconds: Option<i32>,
}

/// The account's OIDC providers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Providers {
    /// The account.
    pub account: String,
    /// How many there are.
    pub total: usize,
    /// Those of EKS clusters and of hosts like the issuer's, at most 20.
    pub arns: Vec<String>,
    /// The one of this cluster's issuer, with what it says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ours: Option<Provider>,
    /// Why that one could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unread: Option<super::Failure>,
}

/// `iam:GetOpenIDConnectProvider`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Provider {
    /// Its ARN.
    pub arn: String,
    /// Its URL, without a scheme.
    pub url: String,
    /// The audiences it takes.
    pub client_ids: Vec<String>,
}

/// Associations of a namespace.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Associations {
    /// The one of this service account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ours: Option<Association>,
    /// Service accounts of this namespace that have one, at most 20.
    pub others: Vec<String>,
}

/// One association (`eks:DescribePodIdentityAssociation`).
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Association {
    /// Its id.
    pub id: String,
    /// What it says.
    pub details: Observation<AssociationDetails>,
}

/// What an association says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AssociationDetails {
    /// The role, in the cluster's account.
    pub role_arn: String,
    /// The role that it assumes in turn, in any account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_role_arn: Option<String>,
    /// The external id that it gives for that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// No session tags are given.
    pub session_tags_disabled: bool,
    /// When it was made; absent in older evidence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
}

/// `eks:DescribeAddon`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Addon {
    /// `ACTIVE`, `DEGRADED`, `CREATE_FAILED`, ...
    pub status: String,
    /// Its version.
    pub version: String,
    /// Its health issues: code and message.
    pub issues: Vec<String>,
}

/// A node's instance.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Instance {
    /// Its id.
    pub id: String,
    /// `enabled` or `disabled`.
    pub http_endpoint: String,
    /// `required` or `optional`.
    pub http_tokens: String,
    /// How far an answer with a token may travel: 1 does not reach a Pod with a network of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hop_limit: Option<i32>,
    /// The instance profile's ARN; absent where the node has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile_arn: Option<String>,
}
