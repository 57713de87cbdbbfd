//! The namespace does not exist.

use crate::apiserver::message;
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::{Case, Page, Place, Rule, clip};

/// The rule.
pub static RULE: Rule = Rule {
    code: "namespace-not-found",
    severity: Severity::Error,
    title: "The namespace does not exist",
    page: Page {
        means: "The namespace is not there. Only writing with the right to do so tells it. Reading in a namespace that does not exist gives empty lists to those who may, and a plain refusal to the others.",
        evidence: "The message namespaces \"NAME\" not found; for a refusal, the API server's answer to a reviewer (--reviewer-context) who may get namespaces.",
        fix: "Correct the namespace (-n, the context's default, metadata.namespace), or create it. `kubectl get namespaces` lists them, `kubectl create namespace NAME` makes one.",
        references: "https://kubernetes.io/docs/concepts/overview/working-with-objects/namespaces/",
    },
    recognises: &[&message::NAMESPACE_NOT_FOUND],
    explains: &["rbac-no-grant"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let said = case.said(&message::NAMESPACE_NOT_FOUND).filter(|word| word.place == Place::Met);
    let Some(word) = said else { return behind_a_refusal(case).into_iter().collect() };
    let namespace = word.field("namespace");
    let context = case.evidence.kubeconfig.seen().filter(|kubeconfig| kubeconfig.namespace == namespace);
    let origin = if context.is_some() { " It is the one that the context names." } else { "" };
    vec![
        RULE.finding(
            word.confidence(true),
            format!("The API server let the request pass and then found no namespace {namespace:?}: this is a name, not a right.{origin}"),
            word.cite(),
            Step::command("Look at how it is spelled there", "kubectl get namespaces"),
        )
        .titled(format!("The namespace {namespace:?} does not exist"))
        .step(Step::command("If it is new, create it", shell!("kubectl create namespace {}", namespace))),
    ]
}

/// The namespace of a refusal is not there: whoever has no rights in it is refused first.
fn behind_a_refusal(case: &Case<'_>) -> Option<Finding> {
    case.evidence.asked_namespace.seen().filter(|there| !there.exists)?;
    let asked = &case.evidence.asked;
    let namespace = asked.question.as_ref().map(|question| question.namespace.as_str())?;
    let context = case.evidence.kubeconfig.seen().filter(|kubeconfig| kubeconfig.namespace == namespace);
    let origin = if context.is_some() { " It is the one that the context names." } else { "" };
    let mut finding = RULE
        .finding(
            Confidence::Certain,
            format!("There is no namespace {namespace:?}. Whoever has no rights in it is refused in the same words as if it were there, and no Role or RoleBinding can be made in it.{origin}"),
            seen("/askedNamespace/seen/exists", format!("the API server has no namespace {namespace:?}")),
            Step::command("Look at how it is spelled there", "kubectl get namespaces"),
        )
        .titled(format!("The namespace {namespace:?} does not exist"))
        .step(Step::command("If it is new, create it; only then have a right in it granted", shell!("kubectl create namespace {}", namespace)))
        .step(Step::command("Afterwards, look again", "kaccess doctor"));
    if let Some(error) = asked.error.as_deref() {
        finding = finding.cite(seen("/asked/error", clip(error, 240)));
    }
    // Whatever is granted elsewhere, it is granted nowhere where nothing is.
    finding.explains = &[
        "rbac-no-grant",
        "rbac-role-missing",
        "rbac-wrong-scope",
        "rbac-verb-missing",
        "rbac-resource-names",
        "rbac-subresource-not-granted",
        "rbac-wrong-api-group",
        "rbac-group-name-mismatch",
        "rbac-service-account-namespace",
        "aggregated-role-not-filled",
        "client-certificate-group-missing",
        "name-prefix-mismatch",
    ];
    Some(finding)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::access::Existence;
    use crate::evidence::{Evidence, Observation, Outcome};

    #[test]
    fn a_namespace_that_is_not_there_comes_before_what_would_be_granted_in_it() {
        let text = include_str!("../../../testdata/cases/rbac-wrong-scope/evidence.json");
        // Synthetic: the case was saved with the namespace, and to whoever has no rights in it the server says the same
        // without.
        let found = |there: Option<bool>| {
            let mut evidence: Evidence = serde_json::from_str(text).expect("evidence");
            if let Some(exists) = there {
                evidence.asked_namespace = Observation::at_rest(Outcome::Seen(Existence { exists }));
            }
            crate::report::diagnose(crate::rules::check_all(&Case::new(&evidence)))
        };
        let missing = found(Some(false));
        assert_eq!((missing[0].code, missing[0].confidence), (RULE.code, Confidence::Certain));
        let explained =
            |code: &str| missing.iter().find(|finding| finding.code == code).expect("a finding").explained_by;
        assert_eq!((explained("rbac-wrong-scope"), explained("rbac-no-grant")), (Some(RULE.code), Some(RULE.code)));
        for there in [None, Some(true)] {
            assert_eq!(found(there)[0].code, "rbac-wrong-scope");
        }
    }
}
