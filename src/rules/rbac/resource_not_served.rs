//! The server has no such resource.

use crate::apiserver::authz::resources;
use crate::apiserver::message;
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step};
use crate::rules::{Case, Page, Place, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "resource-not-served",
    severity: Severity::Error,
    title: "The server does not serve this resource",
    page: Page {
        means: "The kind or its version is unknown to this API server: a CustomResourceDefinition is not installed, the version was removed by an upgrade, the name is misspelled, or the context is another cluster's. No right is missing.",
        evidence: "kubectl's message that the server has no such resource type or no matches for a kind, or the server's that it could not find the requested resource.",
        fix: "Look at what the server serves; install the definition, or take the version that is served. `kubectl api-resources` lists it.",
        references: "https://kubernetes.io/docs/reference/using-api/deprecation-guide/",
    },
    recognises: &[&message::RESOURCE_NOT_SERVED, &message::METRICS_API],
    explains: &["rbac-no-grant"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let met = |text| case.said(text).filter(|word| word.place == Place::Met);
    let apis = case.evidence.apis.seen();
    // Registered, it is another finding's; where discovery could not be read, it is not known which of the two it is.
    let metrics = met(&message::METRICS_API).filter(|_| apis.is_none_or(|apis| !apis.metrics));
    let said = met(&message::RESOURCE_NOT_SERVED).or(metrics);
    // A server that is no Kubernetes, or that does not know the caller, serves nothing of it.
    let Some(word) = said.filter(|_| case.rejected().is_none() && case.anonymous().is_none()) else { return Vec::new() };
    let (kind, version) = (word.field("kind"), word.field("version"));
    let metrics = word.text == &message::METRICS_API;
    let name = match (kind, metrics) {
        (_, true) => "metrics.k8s.io",
        ("", false) => word.field("type"),
        (kind, false) => kind,
    };
    // Every API server serves these: discovery was refused, or not reached, when the message was met.
    let asked = word.field("type");
    if resources::everywhere(asked) {
        return Vec::new();
    }
    // Of these as well it is likelier; and so where this run does not know whether discovery would be answered now.
    let built_in = resources::find(asked).is_some();
    let (title, look) = if name.is_empty() {
        ("The server does not serve what was asked for".to_owned(), "kubectl api-resources".into())
    } else if built_in {
        (format!("The server may serve no {name:?}"), shell!("kubectl api-resources | grep -i {}", name))
    } else if version.is_empty() {
        (format!("The server serves no {name:?}"), shell!("kubectl api-resources | grep -i {}", name))
    } else {
        (format!("The server serves no {name} in {version}"), shell!("kubectl api-resources | grep -w {}", name))
    };
    // What does not answer lists no types: a name that is missed may be one of its.
    let unanswered = apis.is_some_and(|apis| !apis.stale.is_empty());
    let confidence = match name {
        // The bare text is also what a request with a broken path meets.
        "" => Confidence::Likely,
        _ if unanswered || built_in || metrics && apis.is_none() => Confidence::Possible,
        // Without discovery kubectl knows no type by its name.
        _ if !asked.is_empty() && !case.accepted() => Confidence::Possible,
        _ => word.confidence(true),
    };
    let context = case.evidence.kubeconfig.seen().and_then(|kubeconfig| kubeconfig.context.as_deref());
    vec![
        RULE.finding(
            confidence,
            if built_in {
                format!("{title}: kubectl says so too where discovery was refused or not reached, and the API server has this type unless it is old or was told not to.")
            } else {
                format!("{title}: a definition is not installed, a version was removed, or the name is wrong. It is not a right that is missing.")
            },
            word.cite(),
            Step::command("See whether the server has it, perhaps under another name or version", look),
        )
        .titled(title)
        .step(Step::text(if metrics {
            "If it is not listed, install metrics-server (or what else serves metrics.k8s.io in your clusters).".to_owned()
        } else { format!(
            "If it is not listed, install its CustomResourceDefinition (or the program that brings it); if another version is, change apiVersion; and check that the context{} is the cluster you mean.",
            context.map(|context| format!(" {context:?}")).unwrap_or_default()
        ) })),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{Evidence, Outcome};

    #[test]
    fn of_a_type_that_every_server_has_the_message_tells_nothing() {
        let text = include_str!("../../../testdata/cases/resource-not-served/evidence.json");
        let mut evidence: Evidence = serde_json::from_str(text).expect("evidence");
        let mut told = |name: &str| {
            // Synthetic: kubectl's words with other types; the saved one asked for gadgets.
            evidence.asked.error = Some(format!("error: the server doesn't have a resource type \"{name}\""));
            check(&Case::new(&evidence)).first().map(|finding| finding.confidence)
        };
        for name in ["pods", "svc", "no", "limits", "quota", "cs", "podtemplates"] {
            assert_eq!(told(name), None, "{name}");
        }
        for name in ["cronjobs", "deploy", "ingresses", "roles"] {
            assert_eq!(told(name), Some(Confidence::Possible), "{name}");
        }
        assert_eq!(told("gadgets"), Some(Confidence::Certain));
    }

    #[test]
    fn nobody_knows_a_type_where_the_server_was_not_reached() {
        let text = include_str!("../../../testdata/cases/resource-not-served/evidence.json");
        let mut evidence: Evidence = serde_json::from_str(text).expect("evidence");
        // Synthetic: the saved run was let in; in this one the server is away.
        evidence.identity.outcome = Outcome::NotApplicable("not asked".to_owned());
        evidence.control_plane.token_review.outcome = Outcome::NotApplicable("not asked".to_owned());
        let found = check(&Case::new(&evidence));
        assert_eq!(found.first().map(|finding| finding.confidence), Some(Confidence::Possible));
    }
}
