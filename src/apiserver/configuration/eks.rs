//! The configuration of an EKS cluster's API server, of which AWS shows the identity providers.

use super::{ClaimRule, Configuration, Issuer, JwtAuthenticator, Mapping};
use crate::evidence::eks::Aws;

/// EKS' identity providers as the API server has them: the equivalents of the `--oidc-*` flags.
pub fn of_eks(aws: &Aws) -> Option<Configuration> {
    let all = aws.identity_providers.seen()?;
    let mut jwt = Vec::new();
    let mut known = true;
    for config in &all.configs {
        let Some(provider) = config.details.seen() else {
            known = false;
            continue;
        };
        // One that is still being made or taken away may or may not be there already.
        if provider.status != "ACTIVE" {
            known = false;
            continue;
        }
        let claim =
            provider.username_claim.clone().filter(|claim| !claim.is_empty()).unwrap_or_else(|| "sub".to_owned());
        let prefix = match provider.username_prefix.as_deref() {
            None | Some("") if claim != "email" => format!("{}#", provider.issuer_url),
            None | Some("" | "-") => String::new(),
            Some(prefix) => prefix.to_owned(),
        };
        let groups = provider.groups_claim.clone().filter(|claim| !claim.is_empty()).map_or(Mapping::None, |claim| {
            Mapping::Claim { claim, prefix: provider.groups_prefix.clone().unwrap_or_default() }
        });
        jwt.push(JwtAuthenticator {
            issuer: Issuer {
                url: provider.issuer_url.clone(),
                audiences: vec![provider.client_id.clone()],
                ..Issuer::default()
            },
            username: Mapping::Claim { claim, prefix },
            groups,
            claim_rules: provider
                .required_claims
                .iter()
                .map(|(claim, value)| ClaimRule::Required { claim: claim.clone(), value: value.clone() })
                .collect(),
            ..JwtAuthenticator::default()
        });
    }
    Some(Configuration {
        source: "EKS' identity provider configurations".to_owned(),
        jwt,
        // The default of the legacy flags; EKS has no field for another.
        signing_algorithms: vec!["RS256".to_owned()],
        service_account_issuers: aws
            .cluster
            .seen()
            .and_then(|cluster| cluster.own_issuer.clone())
            .into_iter()
            .collect(),
        service_account_lookup: true,
        anonymous: true,
        // The webhook judges IAM tokens only; every other token it refuses.
        webhook: false,
        jwt_known: known,
        ..Configuration::default()
    })
}
