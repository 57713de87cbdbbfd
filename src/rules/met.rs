//! The message that the user met, where no finding rests on it: what it says, and what became of it in this run.

use std::collections::BTreeMap;

use super::explain::Collector;
use super::refusal::somebody_else;
use super::{Case, clip};
use crate::evidence::Evidence;
use crate::report::doctor::MetMessage;
use crate::report::explain::Match;
use crate::report::{Finding, Severity};

/// How the codes begin whose messages name the server that was asked.
const WAY_IN: &[&str] = &["api-", "endpoint-", "kubeconfig-", "tls-", "public-access-"];

/// What is to be said of the message. Nothing where a finding speaks of it, where it is about somebody else, or where an
/// error that was found stands in its way.
pub(super) fn told(case: &Case<'_>, findings: &[Finding]) -> Option<MetMessage> {
    let error = case.evidence.asked.error.as_deref()?;
    let cited = |finding: &Finding| finding.cites.iter().any(|citation| citation.path.starts_with("/asked/"));
    if findings.iter().any(cited) || somebody_else(case).is_some() {
        return None;
    }
    let found = meaning(error)?;
    let grave = findings.iter().any(|finding| finding.severity == Severity::Error);
    let now = match another_server(found.code, &found.fields, case.evidence) {
        Some((named, own)) => format!("It names {named}, and the server looked at is {own}"),
        None if grave => return None,
        None if case.evidence.identity.seen().is_some() => "It does not happen now".to_owned(),
        None => "Whether it happens now could not be seen".to_owned(),
    };
    Some(MetMessage { code: found.code, means: found.means, now })
}

/// The most telling of what a text means.
fn meaning(text: &str) -> Option<Match> {
    let kept = |text: &str, limit: usize| clip(text, limit);
    let mut collector = Collector::new(&kept);
    let mut lines = 0;
    for line in text.lines() {
        lines += 1;
        collector.line(lines, line);
    }
    collector.finish(lines).matches.into_iter().next()
}

/// The server that the message names, and the one that was looked at, where these are two.
fn another_server(code: &str, fields: &BTreeMap<String, String>, evidence: &Evidence) -> Option<(String, String)> {
    let route = evidence.endpoint.route.seen().filter(|route| route.proxy.is_none())?;
    // Where a name was looked up, `server` is who was asked for it.
    let named = ["address", "host", "server"].iter().find_map(|name| fields.get(*name))?;
    if named.is_empty() || !WAY_IN.iter().any(|begin| code.starts_with(begin)) {
        return None;
    }
    let (host, port) = match named.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, port.parse::<u16>().ok()),
        _ => (named.as_str(), None),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let resolved = evidence.endpoint.dns.seen().map(|resolution| resolution.addresses.as_slice()).unwrap_or_default();
    let same_host = host.eq_ignore_ascii_case(&route.host) || resolved.iter().any(|address| address == host);
    if same_host && port.is_none_or(|port| port == route.port) {
        return None;
    }
    let own = if route.host.contains(':') { format!("[{}]", route.host) } else { route.host.clone() };
    Some((named.clone(), format!("{own}:{}", route.port)))
}
