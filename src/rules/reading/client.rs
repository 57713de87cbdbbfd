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
        // Any program of Python's says it: see `plugin`.
        heard::PLUGIN_PROMPT => silence(),
        heard::LOGIN_CLIENT if said.has(heard::LOGIN_ENDED) => silence(),
        heard::LOGIN_CLIENT if said.field("status") == "400" => {
            // A code or a password that is wrong is answered so as well.
            (vec!["exec-failed", "exec-login-expired"], Possible)
        }
        // The grant's name is OAuth's own, and every program's.
        heard::LOGIN_CLIENT if !of_kubelogin(&said.context.plain) => (vec!["exec-failed"], Possible),
        heard::LOGIN_CLIENT => (vec!["exec-failed"], Likely),
        // No browser mends what the provider has against the client.
        heard::LOGIN_BROWSER if said.has(heard::LOGIN_CLIENT) => silence(),
        heard::LOGIN_BROWSER => (vec!["exec-login-expired", "exec-needs-terminal"], Possible),
        heard::LOGIN_NONCE => (vec!["exec-stale-token-cache"], Possible),
        // OAuth's words, which every program that logs somebody in has.
        heard::LOGIN_ENDED if of_another_command(&said.context.plain) => silence(),
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

/// Terraform's provider for Azure, or a command of gcloud's that writes no kubeconfig and no token for one.
fn of_another_command(plain: &str) -> bool {
    let gcloud = plain.split_once("(gcloud.").map(|(_, command)| {
        // The same commands, as they are tried out.
        command.strip_prefix("beta.").or_else(|| command.strip_prefix("alpha.")).unwrap_or(command)
    });
    plain.contains("AzureRM")
        || gcloud
            .is_some_and(|command| !["config", "container", "auth.print"].iter().any(|own| command.starts_with(own)))
}

/// The line holds words of kubelogin's own about a grant.
fn of_kubelogin(plain: &str) -> bool {
    const WORDS: [&str; 6] = [
        "get-token",
        "kubelogin",
        "oidc-login",
        "exchanging authorization code and token",
        "resource owner password credentials grant flow",
        "could not get a token from the OIDC provider",
    ];
    WORDS.iter().any(|words| plain.contains(words))
}

/// The line holds words of OAuth, and none of a credential plugin or of kubectl's.
fn others_login(plain: &str) -> bool {
    const WORDS: [&str; 6] = [
        "could not refresh the token",
        "response did not contain an id_token",
        "token refresh error",
        // What az and gcloud say whatever they are run for.
        "Please run 'az login' to setup account",
        "There was a problem refreshing your current auth tokens",
        "Reauthentication failed",
    ];
    const OWN: [&str; 13] = [
        "get-token",
        "kubelogin",
        "oidc-login",
        "kubectl",
        "getting credentials",
        "Connection error",
        "Unable to connect",
        "error: could not refresh",
        "config-helper",
        "gke-gcloud-auth-plugin",
        "AzureCLICredential",
        "convert-kubeconfig",
        "failed to get token",
    ];
    WORDS.iter().any(|words| plain.contains(words)) && !OWN.iter().any(|words| plain.contains(words))
}

#[cfg(test)]
mod tests {
    use crate::report::Confidence::{self, Likely, Possible};
    use crate::rules::reading::read;

    fn told(line: &str) -> Vec<(&'static str, Confidence)> {
        read(line).into_iter().map(|reading| (reading.code, reading.confidence)).collect()
    }

    #[test]
    fn a_client_that_the_provider_refuses_is_no_login_that_ended() {
        // By kubelogin's own words of today, and by its issues #93, #234 and #102.
        for line in [
            r#"error: get-token: authentication error: authcode-browser error: authentication error: authorization code flow error: oauth2 error: could not exchange the code and token: oauth2: "unauthorized_client" "Invalid client or Invalid client credentials""#,
            r#"error: get-token: authentication error: authcode-browser error: authentication error: authorization code flow error: oauth2 error: authorization error: "invalid_scope" "Invalid scopes: openid groups""#,
            "Error: could not get a token from the OIDC provider: could not get a token: error while exchanging authorization code and token: oauth2: cannot fetch token: 401 Unauthorized",
        ] {
            assert_eq!(told(line), [("exec-failed", Likely)], "{line}");
        }
        let password = "error: error while the resource owner password credentials grant flow: could not get a token: oauth2: cannot fetch token: 400 Bad Request";
        assert_eq!(told(password), [("exec-failed", Possible)]);
        let anybody = r#"portal: resource owner password credentials grant refused: "invalid_scope""#;
        assert_eq!(told(anybody), [("exec-failed", Possible)]);
        let ended = r#"error: get-token: authentication error: could not refresh the token: oauth2: "invalid_grant" "Token is not active""#;
        assert_eq!(told(ended), [("exec-login-expired", Likely)]);
        let closed = "error: get-token: authentication error: authcode-browser error: authentication error: authorization code flow error: context deadline exceeded while waiting for authorization response";
        assert_eq!(told(closed), [("exec-login-expired", Possible)]);
    }

    #[test]
    fn a_login_of_az_or_gcloud_need_not_be_a_plugins() {
        // terraform-provider-azurerm #15268, and commands of gcloud's that have nothing to do with a cluster
        // (django-cloud-deploy #190, genai-for-marketing #138).
        for line in [
            "Error: building AzureRM Client: obtain subscription() from Azure CLI: parsing json result from the Azure CLI: waiting for the Azure CLI: exit status 1: ERROR: Please run 'az login' to setup account.",
            "ERROR: (gcloud.projects.list) There was a problem refreshing your current auth tokens: invalid_grant: Bad Request",
            "ERROR: (gcloud.auth.application-default.login) There was a problem refreshing your current auth tokens: None could not be converted to bytes",
        ] {
            assert_eq!(told(line), [], "{line}");
        }
        assert_eq!(told("ERROR: Please run 'az login' to setup account."), [("exec-login-expired", Possible)]);
        for line in [
            "ERROR: (gcloud.config.config-helper) There was a problem refreshing your current auth tokens: Reauthentication failed. cannot prompt during non-interactive execution.",
            "ERROR: (gcloud.container.clusters.get-credentials) There was a problem refreshing your current auth tokens: Reauthentication failed. cannot prompt during non-interactive execution.",
            "ERROR: (gcloud.beta.container.clusters.get-credentials) There was a problem refreshing your current auth tokens: Reauthentication failed. cannot prompt during non-interactive execution.",
            "Error: failed to get token: AzureCLICredential: ERROR: Please run 'az login' to setup account.",
        ] {
            assert_eq!(told(line).first().map(|(code, _)| *code), Some("exec-login-expired"), "{line}");
        }
    }
}
