//! kiam and kube2iam: which of them answers a Pod in the metadata service's place, and the role that it would give.

use super::super::link_id;
use super::annotation::IAM_ROLE;
use super::{IdentitySource, Judgement};
use crate::evidence::workload::flag;

/// A switch of a command line: there, and not `=false`.
pub fn switch(args: &[String], name: &str) -> bool {
    args.iter().any(|arg| arg == name || arg.strip_prefix(name) == Some("=true"))
}

impl<'a> Judgement<'a> {
    /// The chains of kiam and kube2iam, where they run and the Pod names a role for them.
    pub(super) fn agents(&mut self) {
        let of_kiam = self.agent("kiam-agent").is_some() || self.agent("kiam-server").is_some();
        if let Some(role) = self.annotation(IAM_ROLE).filter(|_| of_kiam) {
            self.intended.push(IdentitySource::Kiam);
            // What its server would do is no matter where no agent passes the Pod's requests on.
            if !self.out_of_reach("kiam-agent", link_id::KIAM_AGENT) {
                self.redirect_link("kiam-agent", link_id::KIAM_AGENT);
                self.kiam(role);
            }
        }
        if self.agent("kube2iam").is_some() {
            let key = self.kube2iam_keys().role;
            if let Some(role) = self.annotation(key) {
                self.intended.push(IdentitySource::Kube2iam);
                if !self.out_of_reach("kube2iam", link_id::KUBE2IAM_AGENT) {
                    self.redirect_link("kube2iam", link_id::KUBE2IAM_AGENT);
                    self.kube2iam(role);
                }
            } else if self.unread_role().is_some() && self.passed_by("kube2iam").is_none() {
                let expected = "a role that kube2iam can resolve";
                let why = (format!("kube2iam reads the annotation {key}, which kaccess does not"), None);
                self.unknown(link_id::KUBE2IAM_ROLE_NAME, expected, why, "/workload/agents/seen");
            }
        }
        if let Some(role) = self.iam_role()
            && self.workload.agents.seen().is_some_and(Vec::is_empty)
        {
            let expected = format!("kiam or kube2iam, to give {role}");
            let seen = "neither runs in this cluster";
            self.push(link_id::METADATA_AGENT, false, expected, seen, "/workload/agents");
        }
    }

    /// An agent's command line, empty where it does not run.
    pub(super) fn args(&self, role: &str) -> &'a [String] {
        self.agent(role).map(|(agent, _)| agent.args.as_slice()).unwrap_or_default()
    }

    /// The ARN of a role as kiam and kube2iam resolve it.
    pub fn resolved_role(&self, role: &str, base: Option<&str>) -> Option<String> {
        if role.starts_with("arn:") {
            return Some(role.to_owned());
        }
        let name = role.trim_start_matches('/');
        match base.filter(|base| !base.is_empty()) {
            Some(base) => Some(format!("{}/{name}", base.trim_end_matches('/'))),
            None => {
                self.own_account().map(|account| format!("arn:{}:iam::{account}:role/{name}", self.own_partition()))
            }
        }
    }

    /// A role as it was looked up: as the Pod names it, else by its ARN.
    pub(super) fn looked_up_as(&self, role: &str, arn: Option<String>) -> String {
        arn.filter(|_| self.role_look(role).is_none()).unwrap_or_else(|| role.to_owned())
    }

    /// Why an agent that runs in the cluster does not answer this Pod, with the pointer to it. Nothing where it
    /// does, or where nobody can tell.
    pub(super) fn passed_by(&self, role: &str) -> Option<(String, String)> {
        let (agent, _) = self.agent(role)?;
        let name = format!("{} {}/{}", agent.kind, agent.namespace, agent.name);
        if let Some((_, at)) = self.template().filter(|(template, _)| template.host_network) {
            let seen = format!("the Pod is on its node's network (hostNetwork), whose requests {name} does not catch");
            return Some((seen, format!("{at}/hostNetwork")));
        }
        if self.on_fargate() {
            return Some((
                format!("Fargate runs no DaemonSets: {name} has no Pod there"),
                "/workload/node/seen/computeType".to_owned(),
            ));
        }
        let node = self.workload.pod.seen()?.node.as_deref()?;
        let there = self.workload.node_agents.seen()?.iter().any(|pod| pod.role == role);
        (!there).then(|| (format!("{name} has no Pod on {node}"), "/workload/nodeAgents/seen".to_owned()))
    }

    /// An agent runs where it answers this Pod, as far as that can be seen.
    fn catches(&self, role: &str) -> bool {
        self.agent(role).is_some() && self.passed_by(role).is_none()
    }

    /// The agent (`kiam-agent`, `kube2iam`) that answers this Pod in the metadata service's place.
    pub fn caught_by(&self) -> Option<&'static str> {
        ["kiam-agent", "kube2iam"].into_iter().find(|role| self.catches(role))
    }

    /// Both do, and which of them is asked is a matter of the node's packet filter.
    pub(super) fn contested(&self) -> bool {
        self.catches("kiam-agent") && self.catches("kube2iam")
    }

    /// The link of an agent that runs in the cluster and does not answer this Pod; whether that is so.
    pub(super) fn out_of_reach(&mut self, role: &str, id: &'static str) -> bool {
        let Some((seen, at)) = self.passed_by(role) else { return false };
        let whose = if role == "kube2iam" { "kube2iam" } else { "kiam" };
        self.push(id, false, format!("{whose} answers the Pod in the metadata service's place"), seen, at);
        true
    }

    /// The link of an agent that does not lead the Pods' requests to itself: whether anything else on the node does, as
    /// its owner may have arranged, is not seen.
    fn redirect_link(&mut self, role: &str, id: &'static str) {
        let Some((agent, at)) = self.agent(role).filter(|(agent, _)| !switch(&agent.args, "--iptables")) else {
            return;
        };
        let whose = if role == "kube2iam" { "kube2iam" } else { "kiam" };
        let seen = format!(
            "{} {}/{} has no --iptables: whether anything else leads 169.254.169.254 to it is not seen",
            agent.kind, agent.namespace, agent.name
        );
        let expected = format!("{whose} answers the Pod in the metadata service's place");
        self.unknown(id, expected, (seen, None), format!("{at}/args"));
    }

    /// The ARN of the role that somebody meant for this Pod (`--role`, else its annotation), as IAM has it or as the
    /// agents complete it; the name alone where the account is not known.
    pub fn meant_role(&self) -> Option<String> {
        let named = self.workload.wanted_role.as_deref().or_else(|| self.iam_role())?;
        if let Some(role) = self.role(named) {
            return Some(role.arn.clone());
        }
        let base = flag(self.args("kiam-server"), "--role-base-arn");
        let base = base.or_else(|| flag(self.args("kube2iam"), "--base-role-arn"));
        Some(self.resolved_role(named, base).unwrap_or_else(|| named.to_owned()))
    }
}
