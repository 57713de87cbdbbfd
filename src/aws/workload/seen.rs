//! What was seen, read as the chains need it: the Pod or its template, names, roles, agents; each with the pointer to it.

use super::super::arn::{account, partition};
use super::super::trust;
use super::Judgement;
use crate::evidence::workload::{Agent, AssociationDetails, Container, Role, RoleLook, Template};
use crate::evidence::{FailureKind, Observation, Outcome};

/// Why an observation shows nothing, in words, and the right that was missing.
pub(super) fn unseen<T>(observation: &Observation<T>) -> (String, Option<String>) {
    match &observation.outcome {
        Outcome::Seen(_) => (String::new(), None),
        Outcome::Failed(failure) => (failure.detail.clone(), failure.needs.clone()),
        Outcome::Skipped(skip) => (skip.text.clone(), skip.needs.clone()),
        Outcome::NotApplicable(reason) => (reason.clone(), None),
    }
}

/// It was looked for and is not there.
pub fn absent<T>(observation: &Observation<T>) -> bool {
    observation.failed().is_some_and(|failure| failure.kind == FailureKind::NotFound)
}

impl<'a> Judgement<'a> {
    /// What the containers run as: the Pod's own words, else its owner's template; with the pointer to it.
    pub fn template(&self) -> Option<(&'a Template, &'static str)> {
        if let Some(pod) = self.workload.pod.seen() {
            return Some((&pod.template, "/workload/pod/seen/template"));
        }
        self.workload.owner.seen().map(|owner| (&owner.template, "/workload/owner/seen/template"))
    }

    /// The containers that are not init containers, with the pointer to each.
    pub fn containers(&self) -> Vec<(&'a Container, String)> {
        let Some((template, at)) = self.template() else { return Vec::new() };
        let all = template.containers.iter().enumerate().filter(|(_, container)| !container.init);
        all.map(|(index, container)| (container, format!("{at}/containers/{index}"))).collect()
    }

    /// Namespace and service account.
    pub fn account_name(&self) -> (&'a str, &'a str) {
        let named = self.template().map(|(template, _)| template.service_account.as_str());
        let named = named.or_else(|| self.workload.service_account.seen().map(|account| account.name.as_str()));
        let target = &self.workload.target;
        let own = (target.kind == "ServiceAccount").then_some(target.name.as_str());
        (&target.namespace, named.or(own).unwrap_or("default"))
    }

    /// The subject of the service account's tokens.
    pub fn subject(&self) -> String {
        let (namespace, name) = self.account_name();
        format!("system:serviceaccount:{namespace}:{name}")
    }

    /// EKS has an association of the service account.
    pub(super) fn associated(&self) -> bool {
        self.workload.associations.seen().is_some_and(|all| all.ours.is_some())
    }

    /// The association of the service account.
    pub fn association(&self) -> Option<&'a AssociationDetails> {
        self.workload.associations.seen()?.ours.as_ref()?.details.seen()
    }

    /// The issuer of the cluster's tokens with the pointer to it.
    pub fn issuer(&self) -> Option<(&'a str, &'static str)> {
        if let Some(issuer) = self.aws.and_then(|aws| aws.cluster.seen()?.own_issuer.as_deref()) {
            return Some((issuer, "/aws/cluster/seen/ownIssuer"));
        }
        self.workload.issuer.seen().map(|issuer| (issuer.issuer.as_str(), "/workload/issuer/seen/issuer"))
    }

    /// The ARN that the cluster's provider has (or should have) in the account of a role.
    pub fn provider_arn(&self, role_arn: &str) -> Option<String> {
        let (issuer, _) = self.issuer()?;
        Some(trust::provider_arn(role_arn, issuer))
    }

    /// The cluster's account.
    pub fn own_account(&self) -> Option<&'a str> {
        let cluster = self.aws.and_then(|aws| aws.cluster.seen()).map(|cluster| account(&cluster.arn));
        let cluster = cluster.filter(|account| !account.is_empty());
        cluster.or_else(|| self.aws.and_then(|aws| aws.caller.seen()).map(|caller| caller.account.as_str()))
    }

    /// The partition that the cluster is in (`aws`, `aws-cn`, `aws-us-gov`), by its ARN or else by the caller's.
    pub fn own_partition(&self) -> &'a str {
        let cluster = self.aws.and_then(|aws| aws.cluster.seen()).map(|cluster| cluster.arn.as_str());
        let caller = self.aws.and_then(|aws| aws.caller.seen()).map(|caller| caller.arn.as_str());
        [cluster, caller].into_iter().flatten().find(|arn| arn.starts_with("arn:")).map_or("aws", partition)
    }

    /// The cluster's name and ARN, empty where they are not known.
    pub fn cluster(&self) -> (&'a str, &'a str) {
        let seen = self.aws.and_then(|aws| aws.cluster.seen());
        if let Some(cluster) = seen {
            return (&cluster.name, &cluster.arn);
        }
        let target = self.aws.and_then(|aws| aws.target.seen()).map_or("", |target| target.cluster.as_str());
        (target, "")
    }

    /// What was looked up of a role, with the pointer to it.
    pub fn role_look(&self, named: &str) -> Option<(&'a RoleLook, String)> {
        let index = self.workload.roles.iter().position(|look| look.named == named)?;
        Some((&self.workload.roles[index], format!("/workload/roles/{index}/role")))
    }

    /// A role as IAM has it.
    pub fn role(&self, named: &str) -> Option<&'a Role> {
        self.role_look(named)?.0.role.seen()
    }

    /// An agent by its role, with the pointer to it.
    pub fn agent(&self, role: &str) -> Option<(&'a Agent, String)> {
        let agents = self.workload.agents.seen()?;
        let index = agents.iter().position(|agent| agent.role == role)?;
        Some((&agents[index], format!("/workload/agents/seen/{index}")))
    }

    /// The instance that the Pod's node is: its sessions of the node's role are named so.
    pub fn instance_id(&self) -> Option<&'a str> {
        let by_node = || self.workload.node.seen()?.provider_id.as_deref()?.rsplit('/').next();
        let id = self.workload.instance.seen().map(|instance| instance.id.as_str()).or_else(by_node);
        id.filter(|id| id.starts_with("i-"))
    }

    /// The Pod runs on Fargate, which has neither DaemonSets nor a metadata service.
    pub(super) fn on_fargate(&self) -> bool {
        self.workload.node.seen().and_then(|node| node.compute_type.as_deref()) == Some("fargate")
    }
}
