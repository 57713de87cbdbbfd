//! What clients say of their kubeconfig, and credential plugins of their own trouble.

use super::{Codes, Said, silence};
use crate::apiserver::message::{heard::names as heard, names as text, tools::names as tools};
use crate::report::Confidence::{Certain, Likely, Possible};

/// The codes, the likeliest first; `None` where this part does not choose.
pub(super) fn codes(said: &Said<'_>) -> Option<Codes> {
    let error = said.field("error");
    Some(match said.name() {
        // An empty user entry makes kubectl ask as one that is not there does.
        heard::CONTEXT_USER if said.field("user").is_empty() => (vec!["context-user-missing", "no-credential"], Likely),
        heard::LOCALHOST => {
            (vec!["kubeconfig-not-found", "current-context-unset", "context-cluster-missing"], Possible)
        }
        heard::KUBECONFIG_MISSING => (vec!["kubeconfig-not-found", "current-context-unset"], Likely),
        heard::POD_TOKEN_MISSING => (vec!["service-account-token-not-mounted", "kubeconfig-not-found"], Likely),
        // A webhook's own bundle, no kubeconfig's.
        heard::CA_BROKEN if ["webhook", "caBundle"].iter().any(|word| said.context.plain.contains(word)) => silence(),
        heard::CONTEXT_UNSET => (vec!["current-context-unset"], Certain),
        // A warning; the tool that gives it still has the provider.
        heard::PROVIDER_REMOVED if !said.field("deprecated").is_empty() => (vec!["auth-provider-removed"], Possible),
        heard::PROVIDER_REMOVED => (vec!["auth-provider-removed"], Certain),
        heard::PROVIDER_ABSENT if matches!(said.field("provider"), "gcp" | "azure") => {
            (vec!["auth-provider-removed", "auth-provider-not-built-in"], Likely)
        }
        heard::PROVIDER_ABSENT => (vec!["auth-provider-not-built-in"], Certain),
        heard::WRONG_SCHEME => (vec!["server-url-wrong-scheme"], Likely),
        heard::PLUGIN_FAILED => (
            vec![
                "exec-failed",
                "aws-credentials-unavailable",
                "exec-login-expired",
                "aws-assume-role-denied",
                "exec-issuer-unreachable",
            ],
            Certain,
        ),
        // It is there, and made for another machine.
        heard::PLUGIN_ABSENT
            if !said.field("format").is_empty()
                || error.starts_with("exec format")
                || error.starts_with("%1 is not") =>
        {
            (vec!["exec-failed", "exec-plugin-not-found"], Likely)
        }
        heard::PLUGIN_ABSENT => (vec!["exec-plugin-not-found"], Certain),
        // Entra ID says it to every program; whether it was a credential plugin, other words tell.
        heard::LOGIN_REFUSED => {
            let plugin = ["failed to get token", "getting credentials", "kubelogin", "get-token"];
            let told = plugin.iter().any(|words| said.context.plain.contains(words));
            let codes = match said.field("aadsts") {
                // Where one logs in from, or with which device, decides.
                "AADSTS53003" => vec!["exec-failed", "exec-login-expired"],
                _ => vec!["exec-failed"],
            };
            (codes, if told { Likely } else { Possible })
        }
        heard::EKS_DENIED if said.has(heard::NODE_ROLE) => silence(),
        heard::EKS_DENIED => (vec!["iam-permission-missing"], Likely),
        heard::EKS_NO_CLUSTER => (vec!["endpoint-stale"], Possible),
        heard::EKS_CIDRS => (vec!["public-access-cidr-blocked"], Likely),
        heard::PLUGIN_NEWER => (vec!["exec-api-version-unknown-to-client"], Certain),
        heard::LOGIN_BROWSER => (vec!["exec-login-expired", "exec-needs-terminal"], Possible),
        heard::LOGIN_NONCE => (vec!["exec-stale-token-cache"], Possible),
        // OAuth's words, which every program that logs somebody in has.
        heard::LOGIN_ENDED if others_login(&said.context.plain) => (vec!["exec-login-expired"], Possible),
        heard::LOGIN_ENDED => (vec!["exec-login-expired"], Likely),
        heard::LOGIN_NONE => (vec!["exec-login-expired"], Possible),
        heard::AWS_REGION => (vec!["aws-credentials-unavailable"], Likely),
        heard::PLUGIN_STS => (vec!["sts-unreachable", "sts-endpoint-invalid", "aws-credentials-unavailable"], Likely),
        // Programs in Pods say the same when their own role is missing.
        // The reason stands behind it, in words of its own.
        heard::AWS_CREDENTIALS
            if [
                heard::WEB_IDENTITY_DENIED,
                heard::WEB_IDENTITY_PROVIDER,
                heard::WEB_IDENTITY_AUDIENCE,
                heard::WEB_IDENTITY_KEYS,
                heard::METADATA,
            ]
            .iter()
            .chain(&[heard::AGENT, heard::POD_IDENTITY, heard::POD_IDENTITY_NODE, heard::POD_IDENTITY_NONE])
            .chain(&[heard::WEB_IDENTITY_EXPIRED, heard::WEB_IDENTITY_REGION, heard::WEB_IDENTITY_INVALID])
            .chain(&[tools::STS_UNREACHABLE])
            .any(|name| said.has(name)) =>
        {
            silence()
        }
        // The keys are good, and the clock is not.
        heard::AWS_KEYS if said.has(text::IAM_CLOCK) => silence(),
        // No login of a person renews a Pod's token.
        heard::AWS_KEYS if said.has(heard::WEB_IDENTITY_EXPIRED) => silence(),
        // A line that was cut before its reason.
        heard::AWS_CREDENTIALS if error.trim_end().ends_with(',') => silence(),
        heard::AWS_CREDENTIALS | heard::AWS_SSO | heard::AWS_KEYS => (
            vec![
                "aws-credentials-unavailable",
                "aws-session-expired",
                "irsa-not-injected",
                "pod-identity-no-association",
            ],
            if said.context.plain.contains("get-token")
                || said.context.plain.contains("could not get token")
                || said.name() == heard::AWS_SSO
            {
                Certain
            } else {
                Likely
            },
        ),
        // kiam and kube2iam take the roles of Pods, and no plugin's.
        heard::AWS_ASSUME
            if said.context.plain.contains("AssumeRoleWithWebIdentity")
                || [heard::NODE_ROLE, heard::KIAM_TRUST, heard::KUBE2IAM_ASSUME].iter().any(|name| said.has(name)) =>
        {
            silence()
        }
        heard::AWS_ASSUME => (vec!["aws-assume-role-denied"], Likely),
        _ => return None,
    })
}

/// The line holds words of OAuth, and none of a credential plugin or of kubectl's.
fn others_login(plain: &str) -> bool {
    const WORDS: [&str; 3] =
        ["could not refresh the token", "response did not contain an id_token", "token refresh error"];
    const OWN: [&str; 8] = [
        "get-token",
        "kubelogin",
        "oidc-login",
        "kubectl",
        "getting credentials",
        "Connection error",
        "Unable to connect",
        "error: could not refresh",
    ];
    WORDS.iter().any(|words| plain.contains(words)) && !OWN.iter().any(|words| plain.contains(words))
}
