//! An API that another server serves does not answer.

use crate::apiserver::message::{self, heard};
use crate::report::{Confidence, Finding, Severity, Step};
use crate::rules::{Case, Page, Rule, Word, clip, seen};

/// The rule.
pub static RULE: Rule = Rule {
    code: "aggregated-api-unavailable",
    severity: Severity::Error,
    title: "An aggregated API does not answer",
    page: Page {
        means: "Some API groups (metrics.k8s.io, custom.metrics.k8s.io, ...) are served by an extension server behind the API server. When that one is away, its group is answered 503; everything else works, but kubectl may complain in every command.",
        evidence: "The message \"the server is currently unable to handle the request\" with the group in it, or the API server's log, or discovery that marks the group as stale, while the API server itself answers.",
        fix: "Look at the APIService's condition: it names the reason (no Service, no endpoints, no connection); repair the extension server, or delete the APIService of one that is gone. `kubectl get apiservice` shows which one, `kubectl describe apiservice NAME` why.",
        references: "https://kubernetes.io/docs/tasks/extend-kubernetes/configure-aggregation-layer/",
    },
    recognises: &[&message::AGGREGATED_REQUEST, &message::AGGREGATED_DISCOVERY, &message::AGGREGATED_LOGGED, &message::METRICS_API, &heard::API_SERVICE],
    explains: &["resource-not-served"],
    check,
};

/// The message misses an API, and discovery says that a registered one does not answer.
fn missing(case: &Case<'_>) -> Option<Finding> {
    let apis = case.evidence.apis.seen().filter(|apis| !apis.stale.is_empty())?;
    let met = |text| case.said(text).filter(|word| word.place == "error");
    let word = met(&message::METRICS_API).or_else(|| met(&message::RESOURCE_NOT_SERVED))?;
    let metrics = word.text == &message::METRICS_API;
    let version = word.field("version");
    let own = apis.stale.iter().position(|stale| {
        stale == version || stale.split_once('/').is_some_and(|(group, _)| group == version || metrics && group == "metrics.k8s.io")
    });
    // A kind with its version tells whose it is; a mere name does not, because what does not answer lists no types.
    let unnamed = !metrics && version.is_empty();
    let index = own.or_else(|| (unnamed && case.rejected().is_none()).then_some(0))?;
    let stale = &apis.stale[index];
    let name = stale.split_once('/').map_or_else(|| stale.clone(), |(group, version)| format!("{version}.{group}"));
    let others = if own.is_none() && apis.stale.len() > 1 { format!(" (so are {})", apis.stale[1..].join(", ")) } else { String::new() };
    let why = if own.is_some() {
        format!("{stale} is registered with the API server, and the extension server that serves it does not answer; therefore its types are unknown. It is not a right that is missing.")
    } else {
        format!("{stale} is registered with the API server{others}, and the extension server that serves it does not answer; therefore none of its types is known, and {:?} may be one of them. Or the name is wrong.", word.field("type"))
    };
    Some(
        RULE.finding(
            if own.is_some() { Confidence::Certain } else { Confidence::Likely },
            why,
            seen(format!("/apis/seen/stale/{index}"), format!("discovery marks {stale} as stale: its server does not answer")),
            Step::command(
                "Read why (the condition Available names it: ServiceNotFound, MissingEndpoints, FailedDiscoveryCheck)",
                format!("kubectl get apiservice {name} -o jsonpath='{{.status.conditions}}'"),
            ),
        )
        .step(Step::text("Repair the extension server: its Pods, its Service, and the network from the control plane to its port (often a firewall between control plane and nodes)."))
        .step(Step::command("If that server is gone for good, remove its registration", format!("kubectl delete apiservice {name}")))
        .cite(word.cite()),
    )
}

fn check(case: &Case<'_>) -> Vec<Finding> {
    // If the API server itself is away, this is not about one group.
    if case.evidence.endpoint.anonymous.seen().is_none_or(|answer| answer.status >= 500) {
        return Vec::new();
    }
    let logged = case.said(&message::AGGREGATED_LOGGED);
    let met = [&message::AGGREGATED_REQUEST, &message::AGGREGATED_DISCOVERY].into_iter().find_map(|text| case.said(text));
    let Some(word) = met.or(logged) else { return missing(case).into_iter().collect() };
    let group = match word.field("group") {
        "" => word.field("name").to_owned(),
        group => group.to_owned(),
    };
    let name = logged
        .map(|word| word.field("name").to_owned())
        .or_else(|| group.split_once('/').map(|(group, version)| format!("{version}.{group}")));
    let reason = logged.map_or_else(String::new, |word| format!(" The API server's log says why: {}.", clip(word.field("error"), 160)));
    let show = match &name {
        Some(name) => format!("kubectl get apiservice {name} -o jsonpath='{{.status.conditions}}'"),
        None => format!("kubectl get apiservices | grep -F {group}"),
    };
    let mut finding = RULE
        .finding(
            Confidence::Certain,
            format!("{group} is served by an extension server, and that one does not answer. The API server itself, and your access to it, are not the problem.{reason}"),
            word.cite(),
            Step::command("Read why (the condition Available names it: ServiceNotFound, MissingEndpoints, FailedDiscoveryCheck)", show),
        )
        .step(Step::text("Repair the extension server: its Pods, its Service, and the network from the control plane to its port (often a firewall between control plane and nodes)."))
        .step(Step::command("If that server is gone for good, remove its registration", format!("kubectl delete apiservice {}", name.clone().unwrap_or_else(|| format!("VERSION.{group}")))))
        .cite_if(logged.filter(|_| met.is_some()).map(Word::cite));
    // Nobody met it yet: it keeps nobody out.
    if met.is_none() {
        finding.severity = Severity::Warning;
    }
    vec![finding]
}
