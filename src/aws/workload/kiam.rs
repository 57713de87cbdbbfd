//! kiam: the namespace's permission, its server and certificates, the role and whether it lets the server in.

use super::super::link_id;
use super::super::trust::Assuming;
use super::Judgement;
use super::agents::switch;
use super::annotation::{EXTERNAL_ID, KIAM_PERMITTED};
use super::seen::{absent, unseen};
use crate::evidence::Outcome;
use crate::evidence::tls::TlsFaultKind;
use crate::evidence::workload::flag;
use crate::gotext::duration;
use crate::gotext::regex::{self, Fault};
use crate::text::pointer_part;

/// kiam refuses an expression: it permits nothing.
pub fn refuses(expression: &str) -> bool {
    matches!(regex::compile(expression), Err(Fault::Invalid(_)))
}

/// The whole seconds of `--session-duration`; none where kiam takes no such text.
pub fn session_seconds(told: &str) -> Option<u64> {
    Some(u64::try_from(duration::parse(told)?).ok()? / 1_000_000_000)
}

impl Judgement<'_> {
    /// The links of kiam's chain, in order.
    pub(super) fn kiam(&mut self, role: &str) {
        self.kiam_namespace(role);
        self.kiam_servers();
        let named = self.looked_up_as(role, self.kiam_arn(role));
        let Some(policy) = self.role_link(link_id::KIAM_ROLE, &named) else { return };
        self.kiam_trust(policy, &named);
    }

    /// The ARN of a role as kiam completes it.
    pub(super) fn kiam_arn(&self, role: &str) -> Option<String> {
        self.resolved_role(role, flag(self.args("kiam-server"), "--role-base-arn"))
    }

    /// The link "the namespace permits the role".
    fn kiam_namespace(&mut self, role: &str) {
        let workload = self.workload;
        let (namespace, _) = self.account_name();
        // Version 4 compares the ARN, older ones the name.
        let compared = if self.kiam_is_old() { Some(role.to_owned()) } else { self.kiam_arn(role) };
        let expected =
            format!("{KIAM_PERMITTED} on namespace {namespace} permits {}", compared.as_deref().unwrap_or(role));
        let id = link_id::KIAM_NAMESPACE;
        match workload.namespace.seen().map(|namespace| namespace.annotations.get(KIAM_PERMITTED).map(String::as_str)) {
            None => self.unknown(id, expected, unseen(&workload.namespace), "/workload/namespace"),
            Some(None | Some("")) => {
                let seen = "no such annotation: no role is permitted";
                self.push(id, false, expected, seen, "/workload/namespace/seen/annotations");
            }
            Some(Some(expression)) => self.kiam_permits(expression, compared.as_deref(), expected),
        }
    }

    /// Its server is older than version 4.
    fn kiam_is_old(&self) -> bool {
        let server = self.agent("kiam-server");
        let image = server.as_ref().map_or("", |(server, _)| server.image.as_str());
        image
            .rsplit(':')
            .next()
            .and_then(|tag| tag.trim_start_matches('v').split('.').next()?.parse::<u32>().ok())
            .is_some_and(|major| major < 4)
    }

    /// The link "the namespace permits the role", by the expression that is there.
    fn kiam_permits(&mut self, expression: &str, compared: Option<&str>, expected: String) {
        let id = link_id::KIAM_NAMESPACE;
        let at = format!("/workload/namespace/seen/annotations/{}", pointer_part(KIAM_PERMITTED));
        // Only since version 3 is the expression anchored.
        let strict = !switch(self.args("kiam-server"), "--disable-strict-namespace-regexp");
        let whole = if strict { format!("^{expression}$") } else { expression.to_owned() };
        match (regex::compile(&whole), compared) {
            (Err(Fault::Invalid(said)), _) => {
                self.push(id, false, expected, format!("{expression:?} is no regular expression: {said}"), at);
            }
            (Err(Fault::Unknown), _) => {
                let why = format!("what kiam makes of the expression {expression:?} is not known");
                self.unknown(id, expected, (why, None), at);
            }
            (Ok(_), None) => {
                let why = "the account is not known, and so not the ARN that is compared".to_owned();
                self.unknown(id, expected, (why, Some("sts:GetCallerIdentity".to_owned())), at);
            }
            (Ok(compiled), Some(compared)) => {
                self.push(id, compiled.is_match(compared), expected, format!("{expression:?}"), at);
            }
        }
    }

    /// The link "the role's trust policy lets kiam's server in".
    fn kiam_trust(&mut self, policy: &str, named: &str) {
        let at = format!("{}/seen/trustPolicy", self.role_at(named));
        let id = self.template().and_then(|(template, _)| template.annotations.get(EXTERNAL_ID)).map(String::as_str);
        match flag(self.args("kiam-server"), "--assume-role-arn").filter(|arn| !arn.is_empty()) {
            Some(server_role) => {
                let expected = format!("sts:AssumeRole for kiam's server role {server_role}");
                self.assume(link_id::KIAM_TRUST, policy, &Assuming::plain(server_role, id), expected, at);
            }
            None => {
                let why = "kiam's server has no --assume-role-arn: it acts as its node's role, which is not known here"
                    .to_owned();
                self.unknown(link_id::KIAM_TRUST, "sts:AssumeRole for kiam's server", (why, None), at);
            }
        }
    }

    /// The links "kiam's server is ready" and "the Secrets of its certificates are there".
    fn kiam_servers(&mut self) {
        let workload = self.workload;
        let expected = "kiam's server is ready";
        match (self.agent("kiam-server"), workload.agents.seen()) {
            (Some((server, at)), _) => {
                let seen = format!(
                    "{} {}/{}: {} of {} ready",
                    server.kind, server.namespace, server.name, server.ready, server.desired
                );
                self.push(link_id::KIAM_SERVER, server.ready > 0, expected, seen, format!("{at}/ready"));
            }
            (None, Some(_)) => self.push(
                link_id::KIAM_SERVER,
                false,
                expected,
                "kiam's agents run, and no server",
                "/workload/agents/seen",
            ),
            (None, None) => self.unknown(link_id::KIAM_SERVER, expected, unseen(&workload.agents), "/workload/agents"),
        }
        for (index, secret) in workload.secrets.iter().enumerate() {
            if !secret.uses.iter().any(|one| one == "kiam-tls") {
                continue;
            }
            let expected = format!("Secret {}/{} with kiam's certificate", secret.namespace, secret.name);
            let at = format!("/workload/secrets/{index}/look");
            match &secret.look.outcome {
                Outcome::Seen(_) => {
                    self.push(link_id::KIAM_TLS, true, expected, "there; its content is not read", format!("{at}/seen"))
                }
                _ if absent(&secret.look) => {
                    self.push(link_id::KIAM_TLS, false, expected, "it does not exist", format!("{at}/failed"))
                }
                _ => self.unknown(link_id::KIAM_TLS, expected, unseen(&secret.look), at),
            }
        }
        self.kiam_certificate();
    }

    /// The certificate that kiam's server shows. By which CA its agents judge it is in a Secret that is not read.
    fn kiam_certificate(&mut self) {
        let workload = self.workload;
        let expected = "the certificate of kiam's server is in force and covers the name that the agents dial";
        match &workload.kiam_server.outcome {
            Outcome::NotApplicable(_) => {}
            Outcome::Seen(server) => {
                let at = "/workload/kiamServer/seen/tls";
                let broken = server.tls.faults.iter().position(|fault| {
                    matches!(fault.kind, TlsFaultKind::Expired | TlsFaultKind::NotYetValid | TlsFaultKind::NameMismatch)
                });
                match broken {
                    Some(index) => {
                        let fault = &server.tls.faults[index];
                        let seen = match &fault.seen {
                            Some(seen) => format!("{}: {} ({seen})", server.dialled, fault.detail),
                            None => format!("{}: {}", server.dialled, fault.detail),
                        };
                        self.push(link_id::KIAM_CERTIFICATE, false, expected, seen, format!("{at}/faults/{index}"));
                    }
                    None => {
                        let seen =
                            format!("{} shows such a one; whether the agents trust its CA is not read", server.dialled);
                        self.push(link_id::KIAM_CERTIFICATE, true, expected, seen, at);
                    }
                }
            }
            _ => {
                self.unknown(link_id::KIAM_CERTIFICATE, expected, unseen(&workload.kiam_server), "/workload/kiamServer")
            }
        }
    }
}
