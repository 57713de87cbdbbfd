//! The cluster's OIDC provider in IAM, and the audiences that it takes.

use super::super::Judgement;
use super::super::seen::unseen;
use crate::aws::arn::account;
use crate::aws::link_id;

impl Judgement<'_> {
    /// The OIDC provider in the role's account.
    pub(super) fn provider_link(&mut self, role: &str, audience: Option<&(String, String)>) {
        let workload = self.workload;
        let Some(expected) = self.provider_arn(role) else {
            self.unknown(
                link_id::IRSA_PROVIDER,
                "an IAM OIDC provider of this cluster",
                unseen(&workload.issuer),
                "/workload/issuer",
            );
            return;
        };
        let Some(providers) = workload.providers.seen() else {
            self.unknown(link_id::IRSA_PROVIDER, expected, unseen(&workload.providers), "/workload/providers");
            return;
        };
        if providers.account != account(role) {
            let why = format!("the role's account is {}, and kaccess asks as {}", account(role), providers.account);
            let needs = format!("iam:ListOpenIDConnectProviders in account {}", account(role));
            self.unknown(link_id::IRSA_PROVIDER, expected, (why, Some(needs)), "/workload/providers/seen/account");
            return;
        }
        if let Some(ours) = &providers.ours {
            self.push(link_id::IRSA_PROVIDER, true, expected, ours.arn.clone(), "/workload/providers/seen/ours");
            if let Some((audience, at)) = audience {
                self.push(
                    link_id::IRSA_TOKEN_AUDIENCE,
                    ours.client_ids.iter().any(|id| id == audience),
                    format!("an audience of the provider: {}", ours.client_ids.join(", ")),
                    format!("the token's audience is {audience:?}"),
                    at.clone(),
                );
            }
        } else if let Some(failure) = &providers.unread {
            let at = "/workload/providers/seen/unread";
            self.push(link_id::IRSA_PROVIDER, true, expected, "there", at);
            let why = (failure.detail.clone(), failure.needs.clone());
            self.unknown(link_id::IRSA_TOKEN_AUDIENCE, "an audience of the provider", why, at);
        } else {
            let seen = format!("none of the {} providers of the account is it", providers.total);
            self.push(link_id::IRSA_PROVIDER, false, expected, seen, "/workload/providers/seen");
        }
    }
}
