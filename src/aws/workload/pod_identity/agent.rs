//! The agent on the Pod's node, and the way to it.

use std::net::IpAddr;

use super::super::Judgement;
use super::super::container::variable;
use super::super::seen::{absent, unseen};
use crate::aws::addresses::url_host;
use crate::aws::link_id;
use crate::evidence::workload::{Agent, AgentPod};

const AGENT: &str = "eks-pod-identity-agent";
const RUNS: &str = "eks-pod-identity-agent runs on the Pod's node";

impl Judgement<'_> {
    /// The links "the agent runs on the Pod's node" and "it is ready".
    pub(super) fn pod_identity_agent(&mut self) {
        let workload = self.workload;
        let id = link_id::POD_IDENTITY_AGENT;
        let at = "/workload/node/seen/computeType";
        if workload.node.seen().and_then(|node| node.os.as_deref()) == Some("windows") {
            return self.push(id, false, RUNS, "Windows has no Pod Identity", "/workload/node/seen/os");
        }
        match workload.node.seen().and_then(|node| node.compute_type.as_deref()) {
            Some("auto") => return self.push(id, true, RUNS, "EKS Auto Mode has it built in", at),
            Some("fargate") => return self.push(id, false, RUNS, "Fargate has no Pod Identity", at),
            _ => {}
        }
        let pods = workload.node_agents.seen();
        let on_node = pods.and_then(|pods| pods.iter().enumerate().find(|(_, pod)| pod.role == AGENT));
        match (on_node, self.agent(AGENT)) {
            (Some((index, pod)), _) => self.agent_on_node(index, pod),
            (None, Some((agent, _))) if pods.is_some() => {
                let seen = format!("DaemonSet {}/{} has no Pod there", agent.namespace, agent.name);
                self.push(id, false, RUNS, seen, "/workload/nodeAgents/seen");
            }
            (None, Some((agent, at))) => self.agent_by_counts(agent, at),
            (None, None) if workload.agents.seen().is_some() => {
                let seen =
                    if absent(&workload.addon) { "no such DaemonSet, and no such add-on" } else { "no such DaemonSet" };
                self.push(id, false, RUNS, seen, "/workload/agents/seen");
            }
            (None, None) => self.agent_by_addon(),
        }
    }

    /// The agent's Pod is on the Pod's node.
    fn agent_on_node(&mut self, index: usize, pod: &AgentPod) {
        let at = format!("/workload/nodeAgents/seen/{index}");
        let name = format!("{}/{}", pod.namespace, pod.name);
        self.push(link_id::POD_IDENTITY_AGENT, true, RUNS, name, at.clone());
        let seen = format!("{} is {}", pod.name, if pod.ready { "ready" } else { "not ready" });
        self.push(link_id::POD_IDENTITY_AGENT_READY, pod.ready, "its Pod is ready", seen, format!("{at}/ready"));
    }

    /// Which node the Pod is on, or what runs there, is not known: only a DaemonSet that is ready everywhere or nowhere
    /// says enough.
    fn agent_by_counts(&mut self, agent: &Agent, at: String) {
        let seen = format!("DaemonSet {}/{}: {} of {} ready", agent.namespace, agent.name, agent.ready, agent.desired);
        if agent.desired > 0 && agent.ready == 0 {
            self.push(link_id::POD_IDENTITY_AGENT_READY, false, RUNS, seen, format!("{at}/ready"));
        } else if agent.ready == agent.desired && agent.desired > 0 {
            self.push(link_id::POD_IDENTITY_AGENT, true, RUNS, seen, at);
        } else {
            self.unknown(link_id::POD_IDENTITY_AGENT, RUNS, (seen, None), at);
        }
    }

    /// The DaemonSets could not be listed: EKS' word of the add-on has to do.
    fn agent_by_addon(&mut self) {
        let workload = self.workload;
        let id = link_id::POD_IDENTITY_AGENT;
        match workload.addon.seen() {
            Some(addon) if addon.status == "ACTIVE" => {
                let seen = format!("the add-on {} is active", addon.version);
                self.push(id, true, RUNS, seen, "/workload/addon/seen/status");
            }
            _ => self.unknown(id, RUNS, unseen(&workload.agents), "/workload/agents"),
        }
    }

    /// A proxy that is not told to leave the agent's address alone.
    pub(super) fn pod_identity_proxy(&mut self) {
        for (container, at) in self.containers() {
            let asked = variable(container, "AWS_CONTAINER_CREDENTIALS_FULL_URI").and_then(url_host);
            let agent: IpAddr = asked.and_then(|host| host.parse().ok()).unwrap_or(IpAddr::from([169, 254, 170, 23]));
            let value = |upper: &str, lower: &str| variable(container, upper).or_else(|| variable(container, lower));
            if value("HTTP_PROXY", "http_proxy").is_none() {
                continue;
            }
            let except = value("NO_PROXY", "no_proxy");
            let free = except.is_some_and(|list| {
                list.split(',').map(str::trim).any(|one| {
                    let bare = one.trim_matches(['[', ']']);
                    one == "*"
                        || bare.parse::<IpAddr>() == Ok(agent)
                        || bare.parse::<ipnet::IpNet>().is_ok_and(|range| range.contains(&agent))
                })
            });
            // A list whose text is not known (from a ConfigMap) may hold it.
            if !free && except != Some("") {
                let seen =
                    format!("container {} has HTTP_PROXY, and NO_PROXY={}", container.name, except.unwrap_or_default());
                self.push(link_id::POD_IDENTITY_PROXY, false, format!("{agent} in NO_PROXY"), seen, at);
                return;
            }
        }
    }
}
