//! An API that another server serves does not answer.

use crate::apiserver::message::{self, heard};
use crate::report::{Confidence, Finding, Severity, Step};
use crate::rules::{Case, Page, Rule, Word, clip};

/// The rule.
pub static RULE: Rule = Rule {
    code: "aggregated-api-unavailable",
    severity: Severity::Error,
    title: "An aggregated API does not answer",
    page: Page {
        means: "Some API groups (metrics.k8s.io, custom.metrics.k8s.io, ...) are served by an extension server behind the API server. When that one is away, its group is answered 503; everything else works, but kubectl may complain in every command.",
        evidence: "The message \"the server is currently unable to handle the request\" with the group in it, or the API server's log, while the API server itself answers.",
        fix: "Look at the APIService's condition: it names the reason (no Service, no endpoints, no connection); repair the extension server, or delete the APIService of one that is gone. `kubectl get apiservice` shows which one, `kubectl describe apiservice NAME` why.",
        references: "https://kubernetes.io/docs/tasks/extend-kubernetes/configure-aggregation-layer/",
    },
    recognises: &[&message::AGGREGATED_REQUEST, &message::AGGREGATED_DISCOVERY, &message::AGGREGATED_LOGGED, &heard::API_SERVICE],
    explains: &[],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    // If the API server itself is away, this is not about one group.
    if case.evidence.endpoint.anonymous.seen().is_none_or(|answer| answer.status >= 500) {
        return Vec::new();
    }
    let logged = case.said(&message::AGGREGATED_LOGGED);
    let met = [&message::AGGREGATED_REQUEST, &message::AGGREGATED_DISCOVERY].into_iter().find_map(|text| case.said(text));
    let Some(word) = met.or(logged) else { return Vec::new() };
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
