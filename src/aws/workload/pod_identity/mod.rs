//! EKS Pod Identity: the association, what is injected, the agent on the node, and the trust policies of the roles.

/// The agent on the Pod's node, and the way to it.
mod agent;

use super::super::link_id;
use super::super::trust::{self, Assuming, Known, Miss, PodIdentity, Respect, Verdict};
use super::Judgement;
use super::container::{injected_except, variable};
use super::seen::unseen;
use super::way::Way;
use super::webhook::{SKIP_CONTAINERS, is_skipped};
use crate::evidence::workload::{AssociationDetails, Container};

/// What Pod Identity asks of a trust policy.
const TRUSTED: &str = "sts:AssumeRole and sts:TagSession for pods.eks.amazonaws.com";

/// Nothing but conditions keeps out.
fn only_conditions(misses: &[Miss]) -> bool {
    !misses.is_empty() && misses.iter().all(|miss| miss.respect == Respect::Condition)
}

/// Why an action is not allowed: by the conditions of the nearest statement, where those are all that it lacks.
fn not_allowed(misses: &[Miss], action: &str, tags: bool) -> String {
    if !only_conditions(misses) {
        return format!("{action} is not allowed");
    }
    let sides: Vec<String> = misses
        .iter()
        .map(|miss| match miss.seen.as_str() {
            "absent" if !tags && miss.expected.starts_with("aws:RequestTag/") => {
                format!("{}, and the session tags of the association are off", miss.expected)
            }
            "absent" => format!("{}, which the request has not", miss.expected),
            seen => format!("{}, and the request has {seen}", miss.expected),
        })
        .collect();
    format!("{action} is allowed only with {}", sides.join("; and with "))
}

impl<'a> Judgement<'a> {
    /// What Pod Identity asks of the associated role's trust policy.
    pub fn pod_identity_request(&self, details: &AssociationDetails) -> PodIdentity<'a> {
        let (namespace, account) = self.account_name();
        let (cluster, cluster_arn) = self.cluster();
        PodIdentity { cluster_arn, cluster, namespace, account, tags: !details.session_tags_disabled }
    }

    /// What the associated role asks of the target's: the session tags go along. EKS makes the external id itself; where
    /// the association shows none, which one it gives is not known.
    pub fn target_request<'b>(&self, details: &'b AssociationDetails) -> Assuming<'b> {
        let external_id = details.external_id.as_deref().map_or(Known::Unknown, Known::Is);
        Assuming { role: &details.role_arn, session: None, external_id, tags: !details.session_tags_disabled }
    }
}

impl Judgement<'_> {
    /// The links of Pod Identity's chain, in order.
    pub(in crate::aws::workload) fn pod_identity(&mut self) {
        self.association_link();
        if self.workload.pod.seen().is_some() {
            self.credentials_address_link();
        }
        let token = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";
        self.token_file_link(link_id::POD_IDENTITY_TOKEN_FILE, token, Way::Container);
        self.pod_identity_agent();
        self.pod_identity_proxy();
        let Some(details) = self.association() else { return self.unread_association() };
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

    /// The links of a role that EKS did not show: there is an association, and what it says was not read.
    fn unread_association(&mut self) {
        let ours = self.workload.associations.seen().and_then(|all| all.ours.as_ref());
        let Some(ours) = ours else { return };
        let at = "/workload/associations/seen/ours/details";
        let why = unseen(&ours.details);
        let expected = format!("the role of association {}", ours.id);
        self.unknown(link_id::POD_IDENTITY_ROLE, expected, why.clone(), at);
        self.unknown(link_id::POD_IDENTITY_TRUST, TRUSTED, why, at);
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
        let template = self.template();
        let skipped = |name: &str| template.is_some_and(|(template, _)| is_skipped(template, name));
        // Where the webhook is told to leave all of them alone, that is why.
        let told = lacking.len() == containers.len() && lacking.iter().all(|(one, _)| skipped(&one.name));
        let first = lacking.iter().find(|(one, _)| !skipped(&one.name)).or(lacking.first());
        match first {
            Some(_) if told => {
                let names: Vec<&str> = lacking.iter().map(|(one, _)| one.name.as_str()).collect();
                let (seen, at) = (format!("{SKIP_CONTAINERS} names {}", names.join(", ")), self.skip_at());
                self.push(link_id::POD_IDENTITY_INJECTION, false, expected, seen, at);
            }
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
        let asked = self.pod_identity_request(details);
        let verdicts = trust::judge_pod_identity(policy, &asked);
        let at = format!("{}/seen/trustPolicy", self.role_at(&details.role_arn));
        let expected = TRUSTED;
        let actions = ["sts:AssumeRole", "sts:TagSession"];
        let fault = |verdict: &Verdict, action: &str| match verdict {
            Verdict::Denied(index) => format!("statement {} of the trust policy denies {action}", index + 1),
            Verdict::NotAllowed(misses) => not_allowed(misses, action, asked.tags),
            _ => format!("{action} is not allowed"),
        };
        let bad = |verdict: &Verdict| verdict.ok() == Some(false);
        let faults: Vec<String> = match &verdicts {
            // One condition keeps out both.
            [Verdict::NotAllowed(one), Verdict::NotAllowed(two)] if one == two && only_conditions(one) => {
                vec![not_allowed(one, &actions.join(" and "), asked.tags).replacen(" is ", " are ", 1)]
            }
            all => {
                all.iter().zip(actions).filter(|(one, _)| bad(one)).map(|(one, action)| fault(one, action)).collect()
            }
        };
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
            let asking = self.target_request(details);
            let expected = format!(
                "{} for {}{}",
                if asking.tags { "sts:AssumeRole and sts:TagSession" } else { "sts:AssumeRole" },
                details.role_arn,
                details.external_id.as_ref().map(|id| format!(" with the external id {id}")).unwrap_or_default()
            );
            self.assume(link_id::POD_IDENTITY_TARGET_TRUST, policy, &asking, expected, at);
        }
    }
}
