//! The ids of the links behind a Pod's AWS identity, each with what is true where it holds. What belongs to one way begins
//! with that way's word.

/// The service account is there.
pub const SERVICE_ACCOUNT: &str = "service-account";
/// The service account names a role.
pub const IRSA_ANNOTATION: &str = "irsa-annotation";
/// The Pod has the variables for that role.
pub const IRSA_INJECTION: &str = "irsa-injection";
/// The token's file is in every container whose variables name it.
pub const IRSA_TOKEN_FILE: &str = "irsa-token-file";
/// IAM knows the cluster's issuer as a provider.
pub const IRSA_PROVIDER: &str = "irsa-provider";
/// AWS can read the issuer's two documents.
pub const IRSA_ISSUER: &str = "irsa-issuer";
/// The provider takes the token's audience.
pub const IRSA_TOKEN_AUDIENCE: &str = "irsa-token-audience";
/// The role is there.
pub const IRSA_ROLE: &str = "irsa-role";
/// The role's trust policy lets the service account in.
pub const IRSA_TRUST: &str = "irsa-trust";
/// What the trust policy asks for besides provider, subject and audience is there.
pub const IRSA_TRUST_CONDITION: &str = "irsa-trust-condition";
/// That policy names the cluster's provider.
pub const IRSA_TRUST_PROVIDER: &str = "irsa-trust-provider";
/// That policy names the token's subject.
pub const IRSA_TRUST_SUBJECT: &str = "irsa-trust-subject";
/// That policy names the token's audience.
pub const IRSA_TRUST_AUDIENCE: &str = "irsa-trust-audience";
/// An association gives the service account a role.
pub const POD_IDENTITY_ASSOCIATION: &str = "pod-identity-association";
/// The Pod has the address of the agent and its token.
pub const POD_IDENTITY_INJECTION: &str = "pod-identity-injection";
/// The token's file for the agent is in every container whose variables name it.
pub const POD_IDENTITY_TOKEN_FILE: &str = "pod-identity-token-file";
/// The associated role is there.
pub const POD_IDENTITY_ROLE: &str = "pod-identity-role";
/// The associated role's trust policy lets the service in.
pub const POD_IDENTITY_TRUST: &str = "pod-identity-trust";
/// The association's target role is there.
pub const POD_IDENTITY_TARGET_ROLE: &str = "pod-identity-target-role";
/// The target role's trust policy lets the associated role in.
pub const POD_IDENTITY_TARGET_TRUST: &str = "pod-identity-target-trust";
/// The Pod Identity agent runs on the Pod's node.
pub const POD_IDENTITY_AGENT: &str = "pod-identity-agent";
/// That agent is ready.
pub const POD_IDENTITY_AGENT_READY: &str = "pod-identity-agent-ready";
/// No proxy of the container stands before the agent.
pub const POD_IDENTITY_PROXY: &str = "pod-identity-proxy";
/// kiam or kube2iam runs, where the Pod names a role for them.
pub const METADATA_AGENT: &str = "metadata-agent";
/// kiam answers this Pod in the metadata service's place.
pub const KIAM_AGENT: &str = "kiam-agent";
/// The namespace permits the role to kiam.
pub const KIAM_NAMESPACE: &str = "kiam-namespace";
/// The role that kiam is to give is there.
pub const KIAM_ROLE: &str = "kiam-role";
/// That role's trust policy lets kiam's server in.
pub const KIAM_TRUST: &str = "kiam-trust";
/// kiam's server runs.
pub const KIAM_SERVER: &str = "kiam-server";
/// The Secrets of kiam's certificates are there.
pub const KIAM_TLS: &str = "kiam-tls";
/// kiam's agents accept its server's certificate.
pub const KIAM_CERTIFICATE: &str = "kiam-certificate";
/// kube2iam answers this Pod in the metadata service's place.
pub const KUBE2IAM_AGENT: &str = "kube2iam-agent";
/// kube2iam can make an ARN of the role's name.
pub const KUBE2IAM_ROLE_NAME: &str = "kube2iam-role-name";
/// The namespace allows the role to kube2iam.
pub const KUBE2IAM_NAMESPACE: &str = "kube2iam-namespace";
/// The role that kube2iam is to give is there.
pub const KUBE2IAM_ROLE: &str = "kube2iam-role";
/// That role's trust policy lets the node's role in.
pub const KUBE2IAM_TRUST: &str = "kube2iam-trust";
/// The metadata service answers the Pod.
pub const METADATA: &str = "metadata";
