//! IRSA: a service account's annotation, the webhook that injects role and token, IAM's provider of the cluster, its
//! issuer, the role and whom its trust policy lets in.

/// What the webhook put into the Pod.
mod injection;
/// The cluster's issuer, which STS reads.
mod issuer;
/// The cluster's provider in IAM, and the audiences that it takes.
mod provider;
/// The role, and whom its trust policy lets in.
mod role;

use super::super::arn::is_role_arn;
use super::super::link_id;
use super::Judgement;
use super::annotation::IRSA;
use super::container::variable;
use super::seen::unseen;
use super::way::Way;
use crate::evidence::Outcome;
use crate::text::pointer_part;

impl<'a> Judgement<'a> {
    /// The role that IRSA means: the one in the Pod, else the annotated one. `None` also where the Pod's own comes from an
    /// object that is not read: the webhook writes over no variable that is there.
    pub fn irsa_role(&self) -> Option<&'a str> {
        let containers = self.containers();
        let in_pod = containers.iter().filter_map(|(container, _)| {
            variable(container, "AWS_WEB_IDENTITY_TOKEN_FILE")?;
            variable(container, "AWS_ROLE_ARN")
        });
        let in_pod: Vec<&'a str> = in_pod.collect();
        match in_pod.iter().find(|role| !role.is_empty()) {
            Some(role) => Some(*role),
            None if in_pod.is_empty() => self.annotated(),
            None => None,
        }
    }

    /// The audience of the token that a container would show STS, with the pointer to it.
    pub fn token_audience(&self) -> Option<(String, String)> {
        for (container, _) in self.containers() {
            let Some(file) = variable(container, "AWS_WEB_IDENTITY_TOKEN_FILE").filter(|file| !file.is_empty()) else {
                continue;
            };
            let under =
                |path: &String| file.strip_prefix(path.trim_end_matches('/')).and_then(|rest| rest.strip_prefix('/'));
            let Some((rest, volume)) = container.mounts.iter().find_map(|(path, volume)| Some((under(path)?, volume)))
            else {
                continue;
            };
            let (template, at) = self.template()?;
            let index = template.volumes.iter().position(|one| one.name == *volume)?;
            let token = template.volumes[index].tokens.iter().position(|token| token.path == rest)?;
            let audience = template.volumes[index].tokens[token].audience.clone();
            // Without one, the token is for the API server itself, whose audience is the issuer.
            let audience =
                audience.unwrap_or_else(|| self.issuer().map_or_else(String::new, |(issuer, _)| issuer.to_owned()));
            return Some((audience, format!("{at}/volumes/{index}/tokens/{token}")));
        }
        let account = self.workload.service_account.seen()?;
        let pointer = "/workload/serviceAccount/seen/annotations".to_owned();
        Some(match account.annotations.get("eks.amazonaws.com/audience") {
            Some(audience) => (audience.clone(), format!("{pointer}/eks.amazonaws.com~1audience")),
            None => ("sts.amazonaws.com".to_owned(), pointer),
        })
    }

    /// The links of IRSA's chain, in order, as far as each leads to the next.
    pub(in crate::aws::workload) fn irsa(&mut self, associated: bool) {
        self.annotation_link();
        if self.workload.pod.seen().is_some() && !associated {
            self.injection_link();
        }
        self.token_file_link(link_id::IRSA_TOKEN_FILE, "AWS_WEB_IDENTITY_TOKEN_FILE", Way::WebIdentity);
        let Some(role) = self.irsa_role().filter(|role| is_role_arn(role)) else { return };
        let audience = self.token_audience();
        self.provider_link(role, audience.as_ref());
        self.issuer_link();
        self.role_and_trust(role, audience.map(|(audience, _)| audience));
    }

    /// The link "the service account names a role".
    fn annotation_link(&mut self) {
        let account = &self.workload.service_account;
        let annotations = "/workload/serviceAccount/seen/annotations";
        let at = format!("{annotations}/{}", pointer_part(IRSA));
        let expected = format!("{IRSA} on the service account");
        let id = link_id::IRSA_ANNOTATION;
        match (self.annotated(), &account.outcome) {
            (Some(role), _) if is_role_arn(role) => self.push(id, true, expected, role, at),
            (Some(role), _) => self.push(id, false, "the ARN of a role", format!("{role:?}"), at),
            (None, Outcome::Seen(_)) => self.push(id, false, expected, "no such annotation", annotations),
            (None, _) => self.unknown(id, expected, unseen(account), "/workload/serviceAccount"),
        }
    }
}
