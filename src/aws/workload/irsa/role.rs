//! The role, and whom its trust policy lets in.

use super::super::Judgement;
use super::super::seen::{absent, unseen};
use crate::aws::link_id;
use crate::aws::trust::{self, Miss, Request, Respect, Verdict};

const LETS_IN: &str = "a trust policy that lets the service account in";

impl Judgement<'_> {
    /// The links "the role exists" and "its trust policy lets the service account in".
    pub(super) fn role_and_trust(&mut self, role: &str, audience: Option<String>) {
        // IAM's GetRole takes the name alone; STS looks for the whole ARN, path included.
        if let Some((look, at)) = self.role_look(role)
            && let Some(found) = look.role.seen()
            && found.arn != role
        {
            if !found.arn.eq_ignore_ascii_case(role) {
                return self.push(link_id::IRSA_ROLE, false, role, found.arn.clone(), format!("{at}/seen/arn"));
            }
            // By IAM's word capitals count in an ARN, and not in whether a name is taken.
            self.unknown(link_id::IRSA_ROLE, role, (found.arn.clone(), None), format!("{at}/seen/arn"));
            let policy = &found.trust_policy;
            return self.irsa_trust_links(role, policy, audience);
        }
        let Some(policy) = self.role_link(link_id::IRSA_ROLE, role) else {
            if let Some((look, at)) = self.role_look(role).filter(|(look, _)| !absent(&look.role)) {
                self.unknown(link_id::IRSA_TRUST, LETS_IN, unseen(&look.role), at);
            }
            return;
        };
        self.irsa_trust_links(role, policy, audience);
    }

    /// The link "the role's trust policy lets the service account in".
    fn irsa_trust_links(&mut self, role: &str, policy: &str, audience: Option<String>) {
        let at = format!("{}/seen/trustPolicy", self.role_at(role));
        let (Some((issuer, _)), Some(provider)) = (self.issuer(), self.provider_arn(role)) else {
            self.unknown(link_id::IRSA_TRUST, LETS_IN, unseen(&self.workload.issuer), at);
            return;
        };
        let (subject, audience) = (self.subject(), audience.unwrap_or_default());
        let request = Request::web_identity(&provider, &trust::issuer_name(issuer), &subject, &audience);
        let expected = format!("sts:AssumeRoleWithWebIdentity for {subject}, audience {audience}, from {provider}");
        match trust::judge(policy, &request) {
            Verdict::NotAllowed(misses) => self.missed_links(&misses, expected, at),
            verdict => self.trusted(link_id::IRSA_TRUST, verdict, expected, at),
        }
    }

    /// What the nearest statement of the trust policy asks for and the service account's token does not have.
    fn missed_links(&mut self, misses: &[Miss], expected: String, at: String) {
        let mut told = false;
        for (respect, id) in [
            (Respect::Provider, link_id::IRSA_TRUST_PROVIDER),
            (Respect::Subject, link_id::IRSA_TRUST_SUBJECT),
            (Respect::Audience, link_id::IRSA_TRUST_AUDIENCE),
        ] {
            let Some(miss) = misses.iter().find(|miss| miss.respect == respect) else { continue };
            self.push(id, false, miss.seen.clone(), miss.expected.clone(), at.clone());
            told = true;
            // Where the provider differs, its keys do too: one fault, not three.
            if respect == Respect::Provider {
                break;
            }
        }
        if told {
            return;
        }
        let said: Vec<String> = misses
            .iter()
            .map(|miss| match miss.respect {
                Respect::Condition if miss.seen == "absent" => {
                    format!("{}, which the request of a web identity never has", miss.expected)
                }
                _ => miss.expected.clone(),
            })
            .collect();
        let seen = if said.is_empty() { "no statement allows anything".to_owned() } else { said.join(" and ") };
        // Without any statement for web identities, the provider is what is missing.
        let id = if misses.iter().all(|miss| miss.respect == Respect::Action) {
            link_id::IRSA_TRUST_PROVIDER
        } else {
            link_id::IRSA_TRUST_CONDITION
        };
        self.push(id, false, expected, seen, at);
    }
}
