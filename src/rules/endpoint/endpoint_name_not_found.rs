//! The API server's host name does not exist.

use crate::apiserver::message::{self, heard, tools};
use crate::evidence::FailureKind;
use crate::evidence::dns::LookupOutcome;
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step, probed, seen};
use crate::rules::way::{answers, cite_met, host, proxy, proxy_place};
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "endpoint-name-not-found",
    severity: Severity::Error,
    title: "The API server's host name does not resolve",
    page: Page {
        means: "The system's resolver has no address for the host in the cluster entry. The name is mistyped, the cluster was deleted, or the name is private and you are not in its network or VPN.",
        evidence: "The answer of getaddrinfo, and of the configured name servers beside it.",
        fix: "Compare the server URL with the cluster's endpoint; connect the VPN for a private name; write the entry anew. On EKS `aws eks update-kubeconfig --name CLUSTER` writes it.",
        references: "https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/",
    },
    recognises: &[&message::CLIENT_NAME_NOT_FOUND, &heard::SERVER_NAME, &heard::CALL_FAILED, &heard::PYTHON_CALL, &tools::NAME, &tools::LOOKUP],
    explains: &[],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(failure) = case.evidence.endpoint.dns.failed_as(&[FailureKind::NameNotFound]) else { return Vec::new() };
    // Where a proxy is used it is the proxy's name that was looked up; the server's is the proxy's business.
    if case.evidence.endpoint.route.seen().is_none() || proxy(case).is_some() {
        return Vec::new();
    }
    let names = case.evidence.endpoint.names.seen();
    if let Some(finding) = known_elsewhere(case, &failure.detail) {
        return vec![finding];
    }
    let unused = unused_proxy(proxy_place(case));
    let server = case.evidence.kubeconfig.seen().and_then(|kubeconfig| Some(kubeconfig.cluster.as_ref()?.server.clone()));
    let mut finding = RULE.finding(
            Confidence::Certain,
            format!("Without an address for {} nothing can be sent to any API server: the name is wrong, its record is gone, or it is known only in a network that this machine is not in.", host(case)),
            probed("/endpoint/dns/failed/detail", failure.detail.clone()),
            Step::command("Compare the server of the cluster entry with the cluster's real endpoint", "kubectl config view --minify -o jsonpath='{.clusters[0].cluster.server}'"),
        )
        .step(Step::text("If the name is private, connect to its network or VPN first."))
        .cite_if(names.filter(|names| !names.servers.is_empty()).map(|names| {
            probed("/endpoint/names/seen/servers", format!("the name servers say: {}", answers(&names.servers)))
        }))
        .cite_if(names.and_then(|names| names.public.as_ref()).map(|public| {
            probed("/endpoint/names/seen/public", format!("the public resolver says {}", answers(std::slice::from_ref(public))))
        }))
        .cite_if(cite_met(case, RULE.recognises))
        .cite_if(unused.as_ref().map(|_| seen("/endpoint/route/seen/proxyReason", format!("no proxy is used: {}", proxy_place(case)))))
        .cite_if(server.map(|server| seen("/kubeconfig/seen/cluster/server", server)));
    if let Some((why, step)) = unused {
        finding.why.push_str(why);
        finding = finding.step(step);
    }
    if names.is_some_and(|names| names.public.is_none()) {
        finding = finding.step(Step::command(
            "Resolvers can hide a name: compare with one that does not",
            "kaccess doctor --public-resolver 9.9.9.9",
        ));
    }
    vec![finding]
}

/// The public resolver has addresses for the name: the name is right, and what this machine asks hides it.
fn known_elsewhere(case: &Case<'_>, detail: &str) -> Option<Finding> {
    let names = case.evidence.endpoint.names.seen()?;
    let public = names.public.as_ref().filter(|answer| answer.outcome == LookupOutcome::Answer)?;
    let address = public.addresses.first()?;
    let route = case.evidence.endpoint.route.seen()?;
    let address = if address.contains(':') { format!("[{address}]") } else { address.clone() };
    let server = format!("{}://{address}:{}", route.scheme, route.port);
    let finding = RULE
        .finding(
            Confidence::Certain,
            format!("The public resolver has an address for {}, and the resolver of this machine says that there is no such name. So the name is right: a filter hides it here, an internal zone of the same domain lacks it, or an old answer is still kept.", host(case)),
            probed("/endpoint/dns/failed/detail", detail),
            Step::command("See which name servers this machine asks, and who wrote them", "cat /etc/resolv.conf; resolvectl status"),
        )
        .titled("This machine's resolver does not know the API server's name, and the public one does")
        .cite(probed("/endpoint/names/seen/public", format!("the public resolver says {}", answers(std::slice::from_ref(public)))))
        .cite_if((!names.servers.is_empty()).then(|| {
            probed("/endpoint/names/seen/servers", format!("the name servers say: {}", answers(&names.servers)))
        }))
        .cite_if(cite_met(case, RULE.recognises))
        .step(Step::text("Have the people who run them let the name through, or add the record to their zone; or have this machine ask others."))
        .step(Step::command(
            "Until then the address can be given by hand, and the certificate is checked for the name all the same",
            shell!("kubectl --server={} --tls-server-name={} get --raw /version", server, host(case)),
        ));
    Some(finding)
}

/// A proxy is set and not used for this server: what that may mean, and what to do then.
fn unused_proxy(reason: &str) -> Option<(&'static str, Step)> {
    let (why, text) = if reason.contains(" of NO_PROXY covers ") || reason.contains(" of no_proxy covers ") {
        (" A proxy is set, and NO_PROXY leads past it: a name that only the proxy can resolve is then looked up here.", "If the name is known only behind the proxy, take the entry that covers it out of NO_PROXY.")
    } else if reason.contains(" is, for ") || reason.contains(" is, which Go programs do not read") {
        (" A proxy is set in a variable that Go programs do not read for this server, so the name is looked up here.", "If the name is known only behind the proxy, name the proxy in HTTPS_PROXY as well (HTTP_PROXY for an http:// server).")
    } else if reason.ends_with("is not a URL, so Go programs ignore it") {
        (" A proxy variable is set to what is no URL, so Go programs go without it and the name is looked up here.", "If the name is known only behind the proxy, correct the variable: http://host:port, without blanks, and with %25 for a percent sign.")
    } else {
        return None;
    };
    Some((why, Step::text(text)))
}

#[cfg(test)]
mod tests {
    use super::{RULE, check, unused_proxy};
    use crate::evidence::dns::LookupOutcome;
    use crate::evidence::{Evidence, Outcome};
    use crate::rules::Case;

    /// A saved run in which nobody knows the name; synthetic in the public resolver's answer, an address of a network for
    /// examples.
    #[test]
    fn a_name_that_the_world_knows_is_not_gone() {
        let text = include_str!("../../../testdata/cases/endpoint-name-not-found-public/evidence.json");
        let mut evidence: Evidence = serde_json::from_str(text).expect("evidence");
        let why = |evidence: &Evidence| check(&Case::new(evidence)).remove(0).why;
        assert!(why(&evidence).contains("its record is gone"));
        let Outcome::Seen(names) = &mut evidence.endpoint.names.outcome else { panic!("no names") };
        let public = names.public.as_mut().expect("a public answer");
        public.outcome = LookupOutcome::Answer;
        public.addresses = vec!["203.0.113.5".to_owned()];
        let found = check(&Case::new(&evidence)).remove(0);
        assert!(found.title != RULE.title && !found.why.contains("record is gone"), "{}", found.why);
        let by_hand = "kubectl --server=https://203.0.113.5:6443 --tls-server-name=api.gone.test get --raw /version";
        assert!(found.fix.iter().any(|step| step.command.as_deref() == Some(by_hand)), "{:?}", found.fix);
    }

    #[test]
    fn a_proxy_that_is_set_and_not_used_is_told() {
        for (reason, told) in [
            ("HTTPS_PROXY is set, but the entry .example of NO_PROXY covers this host", true),
            ("HTTPS_PROXY is set, but localhost always goes straight", false),
            ("neither HTTPS_PROXY nor https_proxy is set (HTTP_PROXY is, for http servers alone)", true),
            ("neither HTTPS_PROXY nor https_proxy is set (ALL_PROXY is, which Go programs do not read)", true),
            ("neither HTTPS_PROXY nor https_proxy is set", false),
            ("HTTPS_PROXY is set but is not a URL, so Go programs ignore it", true),
        ] {
            assert_eq!(unused_proxy(reason).is_some(), told, "{reason}");
        }
    }
}
