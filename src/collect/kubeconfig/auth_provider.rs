//! The entry's auth-provider: two that kubectl has lost, and oidc.

use std::collections::BTreeMap;

use super::file::{Entry, RawUser};
use super::user::Refused;
use super::{Loader, UserSecrets};
use crate::evidence::credential::CredentialSource;
use crate::evidence::{Failure, FailureKind};
use crate::secret::Secret;

/// What kubectl says of `gcp`.
const NO_GCP: &str = "The gcp auth plugin has been removed.\nPlease use the \"gke-gcloud-auth-plugin\" kubectl/client-go credential plugin instead.\nSee https://cloud.google.com/blog/products/containers-kubernetes/kubectl-auth-changes-in-gke for further details";
/// What kubectl says of `azure`.
const NO_AZURE: &str = "The azure auth plugin has been removed.\nPlease use the https://github.com/Azure/kubelogin kubectl/client-go credential plugin instead.\nSee https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins for further details";

impl Loader<'_> {
    pub(super) fn add_auth_provider(
        &mut self,
        entry: &Entry<RawUser>,
        secrets: &mut UserSecrets,
        refused: &mut Refused,
    ) {
        let Some((provider, config)) = &entry.value.auth_provider else { return };
        let malformed = |detail: &str| Failure::new(FailureKind::Malformed, detail);
        let refusal = match provider.as_str() {
            "gcp" => Some(("auth-provider-removed", malformed(NO_GCP))),
            "azure" => Some(("auth-provider-removed", malformed(NO_AZURE))),
            "oidc" => add_id_token(config, &entry.name, secrets),
            other => {
                let detail = format!("no Auth Provider found for name \"{}\"", self.scrubber.text(other));
                Some(("auth-provider-not-built-in", malformed(&detail)))
            }
        };
        if let Some((code, failure)) = refusal {
            refused.push((code, failure, entry.value.line("auth-provider")));
        }
    }
}

/// Takes the ID token of an oidc provider; kaccess never gets a new one with the refresh token.
fn add_id_token(
    config: &BTreeMap<String, String>,
    name: &str,
    secrets: &mut UserSecrets,
) -> Option<(&'static str, Failure)> {
    let value = |key: &str| config.get(key).map(String::as_str).unwrap_or_default();
    // A token of another kind goes first: the provider's transport leaves a set Authorization alone.
    if secrets.token.is_some() || secrets.token_file.is_some() || secrets.basic.is_some() {
        return None;
    }
    if !value("id-token").is_empty() {
        secrets.token = Some(Secret::new(value("id-token")));
        secrets.source = CredentialSource::Token;
        secrets.origin = format!("id-token of auth-provider oidc, {}", secrets.origin);
        return None;
    }
    if value("refresh-token").is_empty() {
        let words = "No valid id-token, and cannot refresh without refresh-token";
        return Some(("no-credential", Failure::new(FailureKind::Malformed, words)));
    }
    let detail = format!(
        "user \"{name}\" holds only a refresh token; kubectl would get a new ID token with it, kaccess does not"
    );
    Some(("refresh-token-only", Failure::new(FailureKind::Declined, detail)))
}
