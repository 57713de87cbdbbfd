//! What programs in Pods say of their AWS identity, and what gives it to them.

use super::{Codes, Said, silence};
use crate::apiserver::message::{heard::names as heard, names as text};
use crate::report::Confidence::{Certain, Likely, Possible};

/// The codes, the likeliest first; `None` where this part does not choose.
pub(super) fn codes(said: &Said<'_>) -> Option<Codes> {
    let error = said.field("error");
    Some(match said.name() {
        heard::WEB_IDENTITY_DENIED
        | heard::WEB_IDENTITY_PROVIDER
        | heard::WEB_IDENTITY_AUDIENCE
        | heard::WEB_IDENTITY_KEYS
        | heard::WEB_IDENTITY_ARN
        | heard::WEB_IDENTITY_EXPIRED
        | heard::WEB_IDENTITY_INVALID
            if said.context.of_a_pipeline() =>
        {
            silence()
        }
        heard::WEB_IDENTITY_INVALID => (vec!["irsa-provider-missing", "irsa-issuer-unreachable"], Possible),
        // STS does not tell which of these it is.
        heard::WEB_IDENTITY_DENIED => (
            vec![
                "irsa-trust-subject-mismatch",
                "irsa-trust-audience-mismatch",
                "irsa-trust-provider-mismatch",
                "irsa-role-not-found",
            ],
            Likely,
        ),
        heard::WEB_IDENTITY_ARN
            if said.context.plain.contains("WebIdentity") || said.context.plain.contains("credentials") =>
        {
            (vec!["role-annotation-typo"], Likely)
        }
        // The SDKs of AWS say it of any role.
        heard::WEB_IDENTITY_ARN if said.context.plain.contains("AssumeRole") => silence(),
        heard::WEB_IDENTITY_ARN => (vec!["role-annotation-typo"], Possible),
        // Other providers' tokens end too.
        heard::WEB_IDENTITY_EXPIRED if said.context.plain.contains("WebIdentity") => {
            (vec!["service-account-token-expired"], Likely)
        }
        heard::WEB_IDENTITY_EXPIRED => (vec!["service-account-token-expired"], Possible),
        heard::WEB_IDENTITY_REGION if said.has(text::IAM_KEY_UNKNOWN) => silence(),
        heard::WEB_IDENTITY_REGION => (vec!["sts-endpoint-invalid"], Likely),
        heard::NODE_ROLE if said.has(heard::POD_IDENTITY_NODE) => silence(),
        // kiam and kube2iam take the Pods' roles as their node; whoever else does so has no role of its own.
        heard::NODE_ROLE
            if said.field("action") == "sts:AssumeRole"
                && [heard::KIAM_TRUST, heard::KUBE2IAM_ASSUME].iter().any(|name| said.has(name)) =>
        {
            (vec!["kiam-trust-mismatch", "workload-uses-node-role"], Likely)
        }
        heard::NODE_ROLE => (vec!["workload-uses-node-role", "irsa-annotation-missing", "irsa-not-injected"], Likely),
        // It answers that the instance has no role.
        heard::METADATA
            if ["StatusCode: 404", "status code: 404"].iter().any(|words| said.context.plain.contains(words)) =>
        {
            (vec!["irsa-not-injected", "aws-credentials-unavailable", "irsa-annotation-missing"], Likely)
        }
        heard::METADATA => (
            vec!["metadata-unreachable", "irsa-not-injected", "pod-identity-no-association", "workload-uses-node-role"],
            Likely,
        ),
        heard::AGENT if error.to_lowercase().contains("refused") || said.field("why") == "refused" => {
            (vec!["pod-identity-agent-missing", "pod-identity-agent-unreachable"], Likely)
        }
        heard::AGENT => (vec!["pod-identity-agent-unreachable", "pod-identity-agent-missing"], Likely),
        heard::POD_IDENTITY if said.has(heard::POD_IDENTITY_NODE) => silence(),
        heard::POD_IDENTITY => match said.field("code") {
            "ResourceNotFoundException" => (vec!["pod-identity-no-association"], Certain),
            "AccessDeniedException" | "" => (vec!["pod-identity-trust-incomplete"], Likely),
            // The agent was shown the token of a Pod that is gone, or that did not read its file again.
            "ExpiredTokenException" => (vec!["service-account-token-expired"], Likely),
            // The agent's own faults and EKS' are nobody's setting.
            _ => silence(),
        },
        heard::POD_IDENTITY_NODE => (vec!["pod-identity-agent-unreachable"], Likely),
        heard::POD_IDENTITY_NONE if said.has(heard::POD_IDENTITY) => silence(),
        heard::POD_IDENTITY_NONE => (vec!["pod-identity-no-association"], Likely),
        heard::AGENT_ADDRESS => (vec!["pod-identity-agent-unreachable"], Likely),
        heard::AGENT_TOKEN => (vec!["pod-identity-not-injected"], Possible),
        heard::KIAM_FORBIDDEN if said.has(heard::KIAM_NAMESPACE) => silence(),
        heard::KIAM_FORBIDDEN => (
            vec!["kiam-namespace-not-permitted", "kiam-role-missing"],
            if said.context.plain.contains("assume role forbidden") || said.context.plain.contains("credentials") {
                Likely
            } else {
                Possible
            },
        ),
        heard::KIAM_NAMESPACE => (vec!["kiam-namespace-not-permitted"], Certain),
        // The event of that name is for either fault; these words are the policy's.
        heard::KIAM_ROLE if said.context.plain.contains("forbidden by policy") => {
            (vec!["kiam-namespace-not-permitted", "kiam-role-missing"], Likely)
        }
        // The server does not know the Pod, or not yet: its annotation may be right.
        heard::KIAM_ROLE if said.context.plain.contains("pod not found") => {
            (vec!["kiam-role-missing", "kiam-server-unreachable"], Possible)
        }
        heard::KIAM_ROLE => (vec!["kiam-role-missing", "kiam-namespace-not-permitted"], Likely),
        // Many a program has a gateway.
        heard::KIAM_SERVER | heard::KIAM_TLS if !kiam(said) => silence(),
        heard::KIAM_SERVER if said.has(heard::KIAM_TLS) => silence(),
        heard::KIAM_SERVER => (vec!["kiam-server-unreachable", "kiam-tls-invalid"], Likely),
        heard::KIAM_TLS => (vec!["kiam-tls-invalid"], Likely),
        heard::KIAM_TRUST if said.context.plain.contains("WebIdentity") => silence(),
        heard::KIAM_TRUST => (vec!["kiam-trust-mismatch", "kiam-role-missing"], Likely),
        heard::KUBE2IAM_ROLE => (vec!["kube2iam-role-invalid"], Certain),
        heard::KUBE2IAM_OTHER => {
            (vec!["kube2iam-role-invalid"], if said.field("role").starts_with("arn:aws") { Likely } else { Possible })
        }
        heard::KUBE2IAM_NAMESPACE => (vec!["kube2iam-namespace-not-allowed"], Likely),
        heard::KUBE2IAM_ASSUME if !kube2iam(said) => silence(),
        heard::KUBE2IAM_ASSUME => (vec!["kiam-trust-mismatch", "kube2iam-role-invalid"], Likely),
        _ => return None,
    })
}

/// kiam speaks: by its name, or in words of its own.
fn kiam(said: &Said<'_>) -> bool {
    const OWN: [&str; 4] =
        ["kiam", "error creating server gateway", "error dialing grpc server", "there is no address available"];
    OWN.iter().any(|words| said.context.plain.contains(words))
}

/// kube2iam speaks: Terraform and Jenkins assume roles as well.
fn kube2iam(said: &Said<'_>) -> bool {
    const OWN: [&str; 5] =
        ["kube2iam", "pod.iam.role", "ns.name=", "msg=\"Error assuming role", "Error assuming role AccessDenied"];
    OWN.iter().any(|words| said.context.plain.contains(words))
}
