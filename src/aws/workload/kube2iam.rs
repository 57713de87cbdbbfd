//! kube2iam: the name that it makes a role's ARN of, the namespace's restriction, the role and whether it lets the node's
//! role in.

use super::super::link_id;
use super::super::trust::Assuming;
use super::Judgement;
use super::agents::switch;
use super::seen::unseen;
use crate::evidence::workload::{flag, is_kept};
use crate::gotext::regex::{self, Fault};
use crate::text::pointer_part;

/// A pattern of github.com/ryanuber/go-glob, where nothing but the star means anything.
fn stars(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut left) = text.strip_prefix(first) else { return false };
    let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
    for part in middle.split('*') {
        let Some((_, after)) = left.split_once(part) else { return false };
        left = after;
    }
    left.ends_with(last)
}

impl<'a> Judgement<'a> {
    /// The links of kube2iam's chain, in order.
    pub(super) fn kube2iam(&mut self, role: &str) {
        let Some((agent, agent_at)) = self.agent("kube2iam") else { return };
        let (base, discovers) = (flag(&agent.args, "--base-role-arn"), switch(&agent.args, "--auto-discover-base-arn"));
        if !role.starts_with("arn:") && base.is_none() && !discovers {
            let seen = format!("{role:?}, and kube2iam has neither --base-role-arn nor --auto-discover-base-arn");
            self.push(link_id::KUBE2IAM_ROLE_NAME, false, "a whole ARN", seen, agent_at.clone());
        } else {
            self.push(link_id::KUBE2IAM_ROLE_NAME, true, "a role that kube2iam can resolve", role, agent_at.clone());
        }
        let arn = self.kube2iam_arn(role);
        if switch(&agent.args, "--namespace-restrictions") {
            self.kube2iam_namespace(role, arn.as_deref(), &agent_at);
        }
        let named = self.looked_up_as(role, arn);
        let Some(policy) = self.role_link(link_id::KUBE2IAM_ROLE, &named) else { return };
        self.kube2iam_trust(policy, &named);
    }

    /// The ARN of a role as kube2iam completes it.
    pub(super) fn kube2iam_arn(&self, role: &str) -> Option<String> {
        self.resolved_role(role, flag(self.args("kube2iam"), "--base-role-arn"))
    }

    /// The role of every Pod that names none.
    pub(super) fn kube2iam_default(&self) -> Option<&'a str> {
        flag(self.args("kube2iam"), "--default-role").filter(|role| !role.is_empty())
    }

    /// The link "the namespace allows the role".
    fn kube2iam_namespace(&mut self, role: &str, arn: Option<&str>, agent_at: &str) {
        let workload = self.workload;
        let (namespace, _) = self.account_name();
        let key = self.kube2iam_keys().allowed;
        let annotations = "/workload/namespace/seen/annotations";
        let expected = format!("{key} on namespace {namespace} allows {}", arn.unwrap_or(role));
        let id = link_id::KUBE2IAM_NAMESPACE;
        // The role of everybody is nobody's to forbid.
        let by_default = arn.is_some()
            && self.kube2iam_default().is_some_and(|default| self.kube2iam_arn(default).as_deref() == arn);
        match workload.namespace.seen().map(|namespace| namespace.annotations.get(key).map(String::as_str)) {
            _ if by_default => {
                let seen = "it is the role of --default-role, which every namespace may have";
                self.push(id, true, expected, seen, format!("{agent_at}/args"));
            }
            None => self.unknown(id, expected, unseen(&workload.namespace), "/workload/namespace"),
            Some(None) if !is_kept(key) => {
                let why = (format!("kube2iam reads the annotation {key}, which kaccess does not"), None);
                self.unknown(id, expected, why, annotations);
            }
            Some(None) => self.push(id, false, expected, "no such annotation: no role is allowed", annotations),
            Some(Some(text)) => {
                let at = format!("{annotations}/{}", pointer_part(key));
                match serde_json::from_str::<Vec<String>>(text) {
                    Err(_) => self.push(id, false, expected, format!("{text:?} is no JSON array of strings"), at),
                    Ok(patterns) => match self.kube2iam_allows(&patterns, role, arn) {
                        Some(allowed) => self.push(id, allowed, expected, text, at),
                        None => {
                            let why = format!("what kube2iam makes of {text} is not known");
                            self.unknown(id, expected, (why, None), at);
                        }
                    },
                }
            }
        }
    }

    /// One of a namespace's patterns fits the role: kube2iam puts the beginning of all roles before either, where it is no
    /// whole ARN, and compares the results.
    fn kube2iam_allows(&self, patterns: &[String], role: &str, arn: Option<&str>) -> Option<bool> {
        let whole = |name: &str| {
            // Where the beginning is not known, it is the same for both.
            self.kube2iam_arn(name).unwrap_or_else(|| format!("arn:aws:iam::000000000000:role/{name}"))
        };
        let target = arn.map_or_else(|| whole(role), str::to_owned);
        let by_pattern = |pattern: &String| {
            if !self.kube2iam_by_expression() {
                return Some(stars(&whole(pattern), &target));
            }
            match regex::compile(&whole(pattern)) {
                Ok(expression) => Some(expression.is_match(&target)),
                Err(Fault::Invalid(_)) => Some(false),
                Err(Fault::Unknown) => None,
            }
        };
        let fits: Vec<Option<bool>> = patterns.iter().map(by_pattern).collect();
        if fits.contains(&Some(true)) {
            return Some(true);
        }
        (!fits.contains(&None)).then_some(false)
    }

    /// kube2iam reads a namespace's patterns as regular expressions.
    pub fn kube2iam_by_expression(&self) -> bool {
        let format = flag(self.args("kube2iam"), "--namespace-restriction-format");
        format.is_some_and(|format| format.eq_ignore_ascii_case("regexp"))
    }

    /// The link "the role's trust policy lets the node's role in".
    fn kube2iam_trust(&mut self, policy: &str, named: &str) {
        let workload = self.workload;
        let key = self.kube2iam_keys().external_id;
        let Some(node) = workload.node_role.seen() else {
            let (why, needs) = unseen(&workload.node_role);
            let why = format!("kube2iam acts as its node's role, and which that is was not seen: {why}");
            let expected = "sts:AssumeRole for the node's role";
            self.unknown(link_id::KUBE2IAM_TRUST, expected, (why, needs), "/workload/nodeRole");
            return;
        };
        let at = format!("{}/seen/trustPolicy", self.role_at(named));
        let id = self.template().and_then(|(template, _)| template.annotations.get(key));
        let expected = format!("sts:AssumeRole for the node's role {node}");
        // Without the external id a condition on it would seem to be missed.
        if id.is_none() && !is_kept(key) && policy.to_ascii_lowercase().contains("sts:externalid") {
            let why = format!("kube2iam reads the external id from {key}, which kaccess does not");
            self.unknown(link_id::KUBE2IAM_TRUST, expected, (why, None), at);
            return;
        }
        let asking = Assuming { session: self.instance_id(), ..Assuming::plain(node, id.map(String::as_str)) };
        self.assume(link_id::KUBE2IAM_TRUST, policy, &asking, expected, at);
    }
}
