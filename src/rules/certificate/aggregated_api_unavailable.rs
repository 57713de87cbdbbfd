//! An API that another server serves does not answer.

use crate::apiserver::message::{self, heard, tools};
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::{Case, Page, Place, Rule, Word, clip};

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
    recognises: &[&message::AGGREGATED_REQUEST, &message::AGGREGATED_DISCOVERY, &message::AGGREGATED_LOGGED, &message::METRICS_API, &heard::API_SERVICE, &tools::EMPTY_GROUP],
    explains: &["resource-not-served"],
    check,
};

/// The message misses an API, and discovery says that a registered one does not answer.
fn missing(case: &Case<'_>) -> Option<Finding> {
    let apis = case.evidence.apis.seen().filter(|apis| !apis.stale.is_empty())?;
    let met = |text| case.said(text).filter(|word| word.place == Place::Met);
    let word = met(&message::METRICS_API).or_else(|| met(&message::RESOURCE_NOT_SERVED))?;
    let metrics = word.text == &message::METRICS_API;
    let (version, name) = (word.field("version"), word.field("type"));
    let of_metrics = metrics || matches!(name, "podmetrics" | "nodemetrics");
    let place = |wanted: &dyn Fn(&str, &str) -> bool| {
        apis.stale.iter().position(|stale| stale.split_once('/').is_some_and(|(group, _)| wanted(group, stale)))
    };
    // A kind with its version, or a type with its group, tells whose it is.
    let named = name.split_once('.').map(|(_, group)| group);
    let own = place(&|group, stale| {
        stale == version || group == version || Some(group) == named || metrics && group == "metrics.k8s.io"
    });
    // A mere name does not, because what does not answer lists no types.
    let guessed = || {
        let unnamed = !name.is_empty() && named.is_none() && case.rejected().is_none();
        let index = if of_metrics { place(&|group, _| group == "metrics.k8s.io") } else { None };
        index.or_else(|| (unnamed && !of_metrics).then_some(0))
    };
    let index = own.or_else(guessed)?;
    let confidence = match own {
        Some(_) => Confidence::Certain,
        None if of_metrics => Confidence::Likely,
        None => Confidence::Possible,
    };
    let stale = &apis.stale[index];
    let service = stale.split_once('/').map_or_else(|| stale.clone(), |(group, version)| format!("{version}.{group}"));
    let rest: Vec<&str> = apis.stale.iter().filter(|other| *other != stale).map(String::as_str).collect();
    let others = if rest.is_empty() { String::new() } else { format!(" (so are {})", rest.join(", ")) };
    let why = if own.is_some() {
        format!("{stale} is registered with the API server, and the extension server that serves it does not answer; therefore its types are unknown. It is not a right that is missing.")
    } else {
        format!("{stale} is registered with the API server{others}, and the extension server that serves it does not answer; therefore none of its types is known, and {name:?} may be one of them. Or the name is wrong.")
    };
    Some(
        RULE.finding(
            confidence,
            why,
            seen(format!("/apis/seen/stale/{index}"), format!("discovery marks {stale} as stale: its server does not answer")),
            Step::command(
                "Read why (the condition Available names it: ServiceNotFound, MissingEndpoints, FailedDiscoveryCheck)",
                shell!("kubectl get apiservice {} -o jsonpath='{{.status.conditions}}'", service),
            ),
        )
        .titled(if own.is_some() {
            format!("{stale} does not answer")
        } else {
            format!("{stale} does not answer, and the missing type may be one of its")
        })
        .step(Step::text("Repair the extension server: its Pods, its Service, and the network from the control plane to its port (often a firewall between control plane and nodes)."))
        .step(Step::command("If that server is gone for good, remove its registration", shell!("kubectl delete apiservice {}", service)))
        .cite(word.cite()),
    )
}

/// The answer of an API that is away, in a message that does not name it, where discovery tells one that is.
fn unnamed(case: &Case<'_>) -> Option<Finding> {
    let words = "the server is currently unable to handle the request";
    let error = case.evidence.asked.error.as_deref().filter(|error| error.contains(words))?;
    // It names the request: a group without a dot is one of the API server's own.
    if error.contains("handle the request (") {
        return None;
    }
    let stale = &case.evidence.apis.seen()?.stale;
    let first = stale.first()?;
    let service = first.split_once('/').map_or_else(|| first.clone(), |(group, version)| format!("{version}.{group}"));
    let others = if stale.len() > 1 { format!(" (nor do {})", stale[1..].join(", ")) } else { String::new() };
    Some(
        RULE.finding(
            Confidence::Possible,
            format!("The API server itself answers, and the message names no API. {first} is registered with the API server, and the extension server that serves it does not answer{others}: whoever asks for its types is told just that. It is not a right that is missing."),
            seen("/apis/seen/stale/0", format!("discovery marks {first} as stale: its server does not answer")),
            Step::command(
                "Read why (the condition Available names it: ServiceNotFound, MissingEndpoints, FailedDiscoveryCheck)",
                shell!("kubectl get apiservice {} -o jsonpath='{{.status.conditions}}'", service),
            ),
        )
        .titled(format!("{first} does not answer"))
        .step(Step::text("Repair the extension server: its Pods, its Service, and the network from the control plane to its port (often a firewall between control plane and nodes)."))
        .cite(seen("/asked/error", clip(error, 240))),
    )
}

fn check(case: &Case<'_>) -> Vec<Finding> {
    // If the API server itself is away, this is not about one group.
    if case.evidence.endpoint.anonymous.seen().is_none_or(|answer| answer.status >= 500) {
        return Vec::new();
    }
    let logged = case.said(&message::AGGREGATED_LOGGED);
    let met = [&message::AGGREGATED_REQUEST, &message::AGGREGATED_DISCOVERY].into_iter().find_map(|text| case.said(text));
    let Some(word) = met.or(logged) else { return missing(case).or_else(|| unnamed(case)).into_iter().collect() };
    let group = match word.field("group") {
        "" => word.field("name").to_owned(),
        group => group.to_owned(),
    };
    let name = logged
        .map(|word| word.field("name").to_owned())
        .or_else(|| group.split_once('/').map(|(group, version)| format!("{version}.{group}")));
    let reason = logged.map_or_else(String::new, |word| format!(" The API server's log says why: {}.", clip(word.field("error"), 160)));
    let show = match &name {
        Some(name) => shell!("kubectl get apiservice {} -o jsonpath='{{.status.conditions}}'", name),
        None => shell!("kubectl get apiservices | grep -F {}", group),
    };
    let mut finding = RULE
        .finding(
            Confidence::Certain,
            format!("{group} is served by an extension server, and that one does not answer. The API server itself, and your access to it, are not the problem.{reason}"),
            word.cite(),
            Step::command("Read why (the condition Available names it: ServiceNotFound, MissingEndpoints, FailedDiscoveryCheck)", show),
        )
        .step(Step::text("Repair the extension server: its Pods, its Service, and the network from the control plane to its port (often a firewall between control plane and nodes)."))
        .step(Step::command("If that server is gone for good, remove its registration", shell!("kubectl delete apiservice {}", name.clone().unwrap_or_else(|| format!("VERSION.{group}")))))
        .cite_if(logged.filter(|_| met.is_some()).map(Word::cite));
    // Nobody met it yet: it keeps nobody out.
    if met.is_none() {
        finding.severity = Severity::Warning;
    }
    vec![finding]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::apiserver::Apis;
    use crate::evidence::{Evidence, Observation, Outcome};

    #[test]
    fn an_api_that_the_message_does_not_name_is_the_one_that_is_away() {
        let text = include_str!("../../../testdata/cases/private-zone-visible/evidence.json");
        let mut evidence: Evidence = serde_json::from_str(text).expect("evidence");
        let words = "Error from server (ServiceUnavailable): the server is currently unable to handle the request";
        evidence.asked.error = Some(words.to_owned());
        assert!(check(&Case::new(&evidence)).is_empty(), "nothing tells of an API");
        // Synthetic: what discovery marks is a list of names.
        let stale = vec!["metrics.k8s.io/v1beta1".to_owned()];
        evidence.apis = Observation::at_rest(Outcome::Seen(Apis { stale, ..Apis::default() }));
        let found = check(&Case::new(&evidence));
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].severity, found[0].confidence), (Severity::Error, Confidence::Possible));
        let command = found[0].fix[0].command.as_deref().unwrap_or_default();
        assert!(command.contains("v1beta1.metrics.k8s.io"), "{command}");
        // A type of the API server's own is in no API that is away.
        evidence.asked.error = Some(format!("{words} (get deployments.apps)"));
        assert!(check(&Case::new(&evidence)).is_empty());
    }
}
