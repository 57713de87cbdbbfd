//! Commands that make and change the association of an OIDC identity provider.

use super::{aws, cluster};
use crate::evidence::eks::IdentityProvider;
use crate::report::Step;
use crate::report::shell::{Shell, shell};
use crate::rules::Case;

/// The command that associates a provider as it is or was, but for `change`.
pub fn associate_provider(
    case: &Case<'_>,
    name: &str,
    was: Option<&IdentityProvider>,
    issuer: &str,
    change: (&str, &str),
) -> Shell {
    let of = |field: fn(&IdentityProvider) -> Option<&String>| was.and_then(field).map(String::as_str);
    let kept = [
        ("issuerUrl", Some(issuer)),
        ("clientId", Some(was.map_or("CLIENT_ID", |was| was.client_id.as_str()))),
        ("usernameClaim", of(|was| was.username_claim.as_ref())),
        ("usernamePrefix", of(|was| was.username_prefix.as_ref())),
        ("groupsClaim", of(|was| was.groups_claim.as_ref())),
        ("groupsPrefix", of(|was| was.groups_prefix.as_ref())),
    ];
    let mut command = shell!(
        "aws eks associate-identity-provider-config --cluster-name {} --oidc identityProviderConfigName={}",
        cluster(case),
        name
    );
    for (key, value) in kept {
        let value = if key == change.0 { Some(change.1) } else { value };
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            command.push(&shell!(",{}={}", key, value));
        }
    }
    command
}

/// EKS changes no provider that is associated: the one of the issuer `now` is taken away, and made again as it was but for
/// `change`, an option of the command and its value.
pub fn associate_anew(case: &Case<'_>, text: &str, now: &str, change: (&str, &str)) -> Step {
    let configs = aws(case).and_then(|aws| aws.identity_providers.seen()).map(|all| all.configs.as_slice());
    let there = configs.unwrap_or_default().iter().find_map(|config| {
        let provider = config.details.seen().filter(|provider| provider.issuer_url == now)?;
        Some((config.name.as_str(), provider))
    });
    let (name, provider) = there.map_or(("NAME", None), |(name, provider)| (name, Some(provider)));
    let required = if there.is_some_and(|(_, provider)| !provider.required_claims.is_empty()) {
        "; give it its required claims again, too"
    } else {
        ""
    };
    Step::command(
        format!(
            "{text} (EKS changes none that is there; the second command works when the first is done, some minutes later{required})"
        ),
        shell!(
            "aws eks disassociate-identity-provider-config --cluster-name {0} --identity-provider-config type=oidc,name={1}\n{2}",
            cluster(case),
            name,
            associate_provider(case, name, provider, now, change)
        ),
    )
}
