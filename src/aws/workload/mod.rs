//! Which AWS identity a Pod gets: the SDKs' usual order (variables, web identity, container credentials, metadata
//! service) over what was seen, and every link of the chain that stands behind it.

/// kiam and kube2iam: which of them answers a Pod, and with which role.
mod agents;
/// The annotations by which roles are given.
mod annotation;
/// What a container's variables say.
mod container;
/// What the containers get in the end.
mod effective;
/// IRSA's chain.
mod irsa;
/// kiam's chain.
mod kiam;
/// kube2iam's chain.
mod kube2iam;
/// How a link is written down, and those that every chain has.
mod links;
/// The node's metadata service.
mod metadata;
/// Pod Identity's chain.
mod pod_identity;
/// What was seen, as the chains need it.
mod seen;
/// The way to credentials that a container's SDK takes.
mod way;
/// Which Pods the webhook passes over.
mod webhook;

pub use self::agents::switch;
pub use self::annotation::{EXTERNAL_ID, IAM_ROLE, IRSA, KIAM_PERMITTED, KUBE2IAM_ALLOWED, Keys};
pub use self::container::variable;
pub use self::effective::Effective;
pub use self::kiam::{refuses, session_seconds};
pub use self::links::Link;
pub use self::seen::absent;
pub use self::webhook::{Labelled, PassedOver, SKIP_CONTAINERS};
pub use super::arn::{account, is_role_arn, partition};
pub use crate::evidence::workload::{flag, is_kept};

use self::container::asks_agent;
use self::seen::unseen;
use super::link_id;
use crate::evidence::Outcome;
use crate::evidence::eks::Aws;
use crate::evidence::workload::Workload;

/// Where an AWS identity comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdentitySource {
    /// Access keys in the container's variables.
    StaticKeys,
    /// A role for the service account, by the cluster's OIDC issuer.
    Irsa,
    /// An association of EKS Pod Identity.
    PodIdentity,
    /// kiam's agent.
    Kiam,
    /// kube2iam.
    Kube2iam,
    /// The node's own role, from its metadata service.
    NodeRole,
    /// Nowhere: there is no identity.
    Nowhere,
    /// Not known.
    Unknown,
}

impl IdentitySource {
    /// As JSON spells it; the ids of its links begin so.
    pub fn word(self) -> &'static str {
        match self {
            Self::StaticKeys => "static-keys",
            Self::Irsa => "irsa",
            Self::PodIdentity => "pod-identity",
            Self::Kiam => "kiam",
            Self::Kube2iam => "kube2iam",
            Self::NodeRole => "node-role",
            Self::Nowhere => "none",
            Self::Unknown => "unknown",
        }
    }
}

/// Everything that the rules and the report need.
#[derive(Debug, Clone)]
pub struct Judgement<'a> {
    /// What was seen.
    pub workload: &'a Workload,
    /// What AWS said of the cluster.
    pub aws: Option<&'a Aws>,
    /// What the containers get.
    pub effective: Effective,
    /// The ways that somebody intended: IRSA, Pod Identity, kiam, kube2iam.
    pub intended: Vec<IdentitySource>,
    /// Every link that was looked at.
    pub links: Vec<Link>,
}

impl<'a> Judgement<'a> {
    /// Judges what was seen.
    pub fn new(workload: &'a Workload, aws: Option<&'a Aws>) -> Self {
        let effective = Effective::of(IdentitySource::Unknown, "");
        let mut judged = Self { workload, aws, effective, intended: Vec::new(), links: Vec::new() };
        judged.look();
        judged
    }

    /// Every way that somebody intended, with the links of its chain; then what comes of them.
    fn look(&mut self) {
        self.service_account_link();
        let associated = self.associated();
        let injected_irsa = self.has("AWS_WEB_IDENTITY_TOKEN_FILE");
        let injected_container = self.containers().iter().any(|(container, _)| asks_agent(container));
        if associated || injected_container {
            self.intended.push(IdentitySource::PodIdentity);
            self.pod_identity();
        }
        if self.annotated().is_some() || injected_irsa {
            self.intended.push(IdentitySource::Irsa);
        }
        // With an association the webhook injects nothing of IRSA: its chain stands behind no Pod made since. A Pod with the
        // variables of Pod Identity had one when it was made, also where the associations may not be listed.
        let unlisted = self.workload.associations.seen().is_none() && self.workload.pod.seen().is_some();
        if injected_irsa || (self.annotated().is_some() && !associated && !(unlisted && injected_container)) {
            self.irsa(associated);
        }
        self.agents();
        self.metadata();
        self.effective = self.effect();
    }

    /// The link "the service account exists".
    fn service_account_link(&mut self) {
        let account = &self.workload.service_account;
        let (namespace, name) = self.account_name();
        let expected = format!("service account {namespace}/{name}");
        let at = "/workload/serviceAccount";
        match &account.outcome {
            Outcome::Seen(_) => self.push(link_id::SERVICE_ACCOUNT, true, expected, "there", at),
            _ if absent(account) => {
                self.push(link_id::SERVICE_ACCOUNT, false, expected, "it does not exist", format!("{at}/failed"));
            }
            _ => self.unknown(link_id::SERVICE_ACCOUNT, expected, unseen(account), at),
        }
    }
}

#[cfg(test)]
mod tests;
