//! EKS Pod Identity: the association, what is injected, the agent on the node, and the trust policies of the roles.

/// The agent on the Pod's node, and the way to it.
mod agent;

use super::super::link_id;
use super::super::trust::{self, Verdict};
use super::Judgement;
use super::container::{injected_except, variable};
use super::seen::unseen;
use crate::evidence::workload::{AssociationDetails, Container};

impl Judgement<'_> {
    /// The links of Pod Identity's chain, in order.
    pub(in crate::aws::workload) fn pod_identity(&mut self) {
        self.association_link();
        if self.workload.pod.seen().is_some() {
            self.credentials_address_link();
        }
        self.pod_identity_agent();
        self.pod_identity_proxy();
        let Some(details) = self.association() else { return };
        let Some(policy) = self.role_link(link_id::POD_IDENTITY_ROLE, &details.role_arn) else { return };
        self.associated_role_trust(details, policy);
        self.target_role(details);
    }

    /// The link "an association gives the service account a role".
    fn association_link(&mut self) {
        let associations = &self.workload.associations;
        let (namespace, name) = self.account_name();
        let expected = format!("an association of {namespace}/{name}");
        let id = link_id::POD_IDENTITY_ASSOCIATION;
        match associations.seen().map(|all| &all.ours) {
            Some(Some(ours)) => {
                let seen = ours.details.seen().map_or_else(|| ours.id.clone(), |details| details.role_arn.clone());
                self.push(id, true, expected, seen, "/workload/associations/seen/ours");
            }
            Some(None) => self.push(id, false, expected, "there is none", "/workload/associations/seen"),
            None => self.unknown(id, expected, unseen(associations), "/workload/associations"),
        }
    }

    /// The link "the Pod has the address of the agent and its token".
    fn credentials_address_link(&mut self) {
        let expected = "AWS_CONTAINER_CREDENTIALS_FULL_URI and AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";
        let lacks = |container: &Container| {
            variable(container, "AWS_CONTAINER_CREDENTIALS_FULL_URI").is_none()
                || variable(container, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE").is_none()
        };
        let containers = self.containers();
        let lacking: Vec<&(&Container, String)> = containers.iter().filter(|(one, _)| lacks(one)).collect();
        match lacking.first() {
            Some((container, at)) if lacking.len() == containers.len() => {
                let seen = format!("container {} lacks them", container.name);
                self.push(link_id::POD_IDENTITY_INJECTION, false, expected, seen, at.clone());
            }
            _ => {
                let except: Vec<&str> = lacking.iter().map(|(container, _)| container.name.as_str()).collect();
                let at = "/workload/pod/seen/template/containers";
                self.push(link_id::POD_IDENTITY_INJECTION, true, expected, injected_except(&except), at);
            }
        }
    }

    /// The link "the associated role's trust policy lets the service in".
    fn associated_role_trust(&mut self, details: &AssociationDetails, policy: &str) {
        let (namespace, name) = self.account_name();
        let (cluster, arn) = self.cluster();
        let tags = !details.session_tags_disabled;
        let verdicts = trust::judge_pod_identity(policy, arn, cluster, namespace, name, tags);
        let at = format!("{}/seen/trustPolicy", self.role_at(&details.role_arn));
        let expected = "sts:AssumeRole and sts:TagSession for pods.eks.amazonaws.com";
        let faults: Vec<String> = ["sts:AssumeRole", "sts:TagSession"]
            .iter()
            .zip(&verdicts)
            .filter(|(_, verdict)| verdict.ok() == Some(false))
            .map(|(action, verdict)| match verdict {
                Verdict::Denied(index) => format!("statement {} of the trust policy denies {action}", index + 1),
                _ => format!("{action} is not allowed"),
            })
            .collect();
        if !faults.is_empty() {
            self.push(link_id::POD_IDENTITY_TRUST, false, expected, faults.join(", "), at);
        } else if verdicts.iter().all(|verdict| verdict.ok() == Some(true)) {
            self.push(link_id::POD_IDENTITY_TRUST, true, expected, "allowed", at);
        } else {
            let why = verdicts.iter().find_map(|verdict| match verdict {
                Verdict::Undecided(reasons) => Some(format!("it depends on {}", reasons.join(", "))),
                _ => None,
            });
            self.unknown(link_id::POD_IDENTITY_TRUST, expected, (why.unwrap_or_default(), None), at);
        }
    }

    /// The links of the role that the associated one assumes, where there is one.
    fn target_role(&mut self, details: &AssociationDetails) {
        if let Some(target) = &details.target_role_arn
            && let Some(policy) = self.role_link(link_id::POD_IDENTITY_TARGET_ROLE, target)
        {
            let at = format!("{}/seen/trustPolicy", self.role_at(target));
            let id = details.external_id.as_deref();
            let expected = format!(
                "sts:AssumeRole for {}{}",
                details.role_arn,
                id.map(|id| format!(" with the external id {id}")).unwrap_or_default()
            );
            self.assume(link_id::POD_IDENTITY_TARGET_TRUST, policy, &details.role_arn, id, expected, at);
        }
    }
}
