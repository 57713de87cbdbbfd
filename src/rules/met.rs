//! The message that the user met, where no finding rests on it: what it says, and what became of it in this run.

use std::collections::BTreeMap;

use super::explain::Collector;
use super::refusal::{is_foreign, somebody_else};
use super::{AREAS, Case, clip};
use crate::apiserver::authz::modes;
use crate::apiserver::message;
use crate::evidence::Evidence;
use crate::evidence::access::Question;
use crate::report::doctor::MetMessage;
use crate::report::explain::Match;
use crate::report::{Finding, Severity};

/// How the codes begin whose messages name the server that was asked.
const WAY_IN: &[&str] = &["api-", "endpoint-", "kubeconfig-", "tls-", "public-access-"];

/// Parts of the registry whose causes stand before a request is let in, so that a run which is let in has met none of
/// them.
const BEFORE: &[&str] = &["kubeconfig", "exec", "endpoint", "token", "issuer", "serviceaccount", "certificate", "iam"];

/// What belongs to such a part, and is met only behind the way in, or by some requests alone.
const BEHIND: &[&str] = &[
    "aggregated-api-unavailable",
    "api-priority-throttled",
    "api-unavailable",
    "cluster-not-active",
    "control-plane-proxy-in-the-way",
    "default-service-account-privileged",
    "front-proxy-ca-mismatch",
    "front-proxy-header-missing",
    "front-proxy-name-not-allowed",
    "front-proxy-not-configured",
    "iam-permission-missing",
    "image-pull-secret-missing",
    "kubelet-refuses-api-server",
    "kubelet-unreachable",
    "request-header-too-large",
    "secret-not-mountable",
];

/// Whether this run tried what the message says, and it went well: the question in it was asked and allowed, or the way in
/// that it speaks of was gone.
fn is_over(case: &Case<'_>, code: &str) -> bool {
    if let Some(question) = &case.evidence.asked.question {
        let access = case.evidence.access.seen();
        return access
            .is_some_and(|access| access.checks.iter().any(|check| check.question == *question && check.allowed));
    }
    let of = |area: &&str| AREAS.iter().any(|(name, rules)| name == area && rules.iter().any(|rule| rule.code == code));
    // Of tokens and their issuer nothing was tried where somebody signs in with a certificate; a mere 401 fits both.
    let token = || case.evidence.credential.seen().is_some_and(|credential| credential.token.is_some());
    let tried = !["token", "issuer"].iter().any(of) || code == "credential-rejected" || token();
    // Of a plugin nothing was tried where none ran.
    let ran = !of(&"exec") || case.evidence.plugin.seen().is_some();
    BEFORE.iter().any(of) && !BEHIND.contains(&code) && tried && ran
}

/// Verbs whose requests may carry a selector, which authorizers are told since 1.31.
const BY_SELECTOR: &[&str] = &["list", "watch", "deletecollection"];

/// What is to be said where the question of the message is allowed now, and that is no proof that all of it is over: of
/// further refusals, and of a selector, which a refusal does not tell.
fn short_of_over(case: &Case<'_>, error: &str) -> Option<String> {
    let question = case.evidence.asked.question.as_ref()?;
    let checks = &case.evidence.access.seen()?.checks;
    let allowed = |one: &Question| checks.iter().any(|check| check.question == *one && check.allowed);
    let all = message::refused_questions(error);
    let open = all.iter().filter(|one| !allowed(one)).count();
    if open > 0 {
        let rest = match open {
            1 => "another refusal of the message was not asked about".to_owned(),
            _ => format!("{open} other refusals of the message were not asked about"),
        };
        return Some(format!("To {} is allowed now; {rest}", question.sentence()));
    }
    // RBAC looks at no selector.
    let flags = case.flag_source("authorization-mode").map(|(_, flags)| flags);
    let listed = |one: &Question| one.path.is_none() && BY_SELECTOR.contains(&one.verb.as_str());
    let by_selector = listed(question) || all.iter().any(listed);
    if !by_selector || flags.is_some_and(modes::is_rbac_alone) {
        return None;
    }
    let foreign = message::forbidden(error).is_some_and(|found| is_foreign(found.reason.lines().next().unwrap_or("")));
    Some(if foreign || flags.is_some_and(|flags| modes::beside_rbac(flags).is_some()) {
        "Without a selector it is allowed now; an authorizer beside RBAC may judge by the selector, which the message does not tell".to_owned()
    } else {
        "Without a selector, which the message does not tell, it does not happen now; RBAC looks at none, another authorizer may".to_owned()
    })
}

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
        None if case.evidence.identity.seen().is_none() => "Whether it happens now could not be seen".to_owned(),
        None if is_over(case, found.code) => {
            short_of_over(case, error).unwrap_or_else(|| "It does not happen now".to_owned())
        }
        None => format!("Whether it happens now was not tried; kaccess explain {} tells what to do", found.code),
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

#[cfg(test)]
mod tests {
    use super::{Case, is_over};
    use crate::evidence::credential::PluginRun;
    use crate::evidence::{Evidence, Observation, Outcome};
    use crate::report::doctor::{DoctorReport, Verdict};

    /// What is said of a message (with the question in it) to somebody whom the API server lets in.
    fn told(message: &str) -> DoctorReport {
        let text = include_str!("../../testdata/cases/private-zone-visible/evidence.json");
        let mut evidence: Evidence = serde_json::from_str(text).expect("evidence");
        evidence.asked.error = Some(message.to_owned());
        crate::rules::report(&evidence)
    }

    #[test]
    fn what_was_not_tried_is_not_said_to_be_over() {
        for (message, code) in [
            (
                "Warning  FailedToRetrieveImagePullSecret  kubelet  Unable to retrieve some image pull secrets (regcred); attempting to pull the image may not succeed.",
                "image-pull-secret-missing",
            ),
            (
                "Error from server (ServiceUnavailable): the server is currently unable to handle the request",
                "api-unavailable",
            ),
        ] {
            let report = told(message);
            let met = report.message.expect("it is named");
            assert_eq!(met.code, code);
            assert!(met.now.starts_with("Whether it happens now was not tried"), "{met:?}");
            // Signed in, and no error was found: the contract calls that healthy.
            assert_eq!(report.verdict, Verdict::Healthy, "{message}");
        }
        // The way in was gone by this run, and it was let in.
        let report = told("dial tcp 10.1.2.3:6443: i/o timeout");
        let met = report.message.expect("it is named");
        assert_eq!(met.now, "It does not happen now");
        assert_eq!(report.verdict, Verdict::Healthy);
    }

    #[test]
    fn what_a_plugin_said_is_over_only_where_one_ran() {
        let text = include_str!("../../testdata/cases/private-zone-visible/evidence.json");
        let mut evidence: Evidence = serde_json::from_str(text).expect("evidence");
        assert!(!is_over(&Case::new(&evidence), "exec-plugin-not-found"));
        assert!(is_over(&Case::new(&evidence), "credential-rejected"));
        evidence.plugin = Observation::at_rest(Outcome::Seen(PluginRun::default()));
        assert!(is_over(&Case::new(&evidence), "exec-plugin-not-found"));
    }

    #[test]
    fn what_may_depend_on_a_selector_is_over_only_where_rbac_alone_decides() {
        let text = include_str!("../../testdata/cases/rbac-mended/evidence.json");
        // Synthetic: the same watch on API servers with other authorizers, which the saved one does not have.
        let now = |mode: &[&str], tail: &str| {
            let mut evidence: Evidence = serde_json::from_str(text).expect("evidence");
            if let Some(error) = &mut evidence.asked.error {
                error.push_str(tail);
            }
            if let Outcome::Seen(flags) = &mut evidence.control_plane.flagz.outcome {
                let mode: Vec<String> = mode.iter().map(|mode| (*mode).to_owned()).collect();
                flags.flags.insert("authorization-mode".to_owned(), mode);
            }
            if mode.is_empty() {
                evidence.control_plane.flagz = Observation::not_applicable("not asked");
            }
            crate::rules::report(&evidence).message.expect("it is named").now
        };
        assert_eq!(now(&["Node", "RBAC"], ""), "It does not happen now");
        assert!(
            now(&["Webhook", "RBAC"], "").starts_with("Without a selector it is allowed now; an authorizer beside")
        );
        let reason = ": lists by field are not for contractors";
        assert!(now(&[], reason).starts_with("Without a selector it is allowed now; an authorizer beside"));
        assert!(
            now(&[], "").starts_with("Without a selector, which the message does not tell, it does not happen now")
        );
    }

    #[test]
    fn a_refusal_is_over_where_its_very_question_is_allowed() {
        let text = include_str!("../../testdata/cases/rbac-mended/evidence.json");
        let mut evidence: Evidence = serde_json::from_str(text).expect("evidence");
        let report = crate::rules::report(&evidence);
        assert_eq!(report.message.expect("it is named").now, "It does not happen now");
        // So it is where a second refusal stands beside it, and was asked too; not where it was not.
        let error = evidence.asked.error.clone().expect("a message");
        let more = error.replace("\"pods\"", "\"services\"").replace("pods is", "services is");
        evidence.asked.error = Some(format!("{error}\n{more}"));
        let now = |evidence: &Evidence| crate::rules::report(evidence).message.expect("it is named").now;
        let told = now(&evidence);
        let open = "To watch pods in namespace dev is allowed now; another refusal of the message was not asked about";
        assert_eq!(told, open);
        let mut other = evidence.clone();
        if let Outcome::Seen(access) = &mut other.access.outcome {
            let mut check = access.checks[0].clone();
            check.question.resource = "services".to_owned();
            access.checks.push(check);
        }
        assert_eq!(now(&other), "It does not happen now");
        evidence.asked.error = Some(error);
        // Another question was allowed: this one was not asked.
        let question = evidence.asked.question.as_mut().expect("a question");
        question.name = "another".to_owned();
        let report = crate::rules::report(&evidence);
        let met = report.message.expect("it is named");
        assert!(met.now.contains("was not tried"), "{met:?}");
    }
}
