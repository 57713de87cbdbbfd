//! What a service account's token was bound to is gone.

use crate::apiserver::message;
use crate::aws::link_id;
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::{Case, Page, Place, Rule, pod_role, renew};

/// The rule.
pub static RULE: Rule = Rule {
    code: "service-account-token-revoked",
    severity: Severity::Error,
    title: "What the service account's token was bound to is gone",
    page: Page {
        means: "A service account's token dies with its service account, and with the Pod, Secret or Node it was made for, whatever its exp says.",
        evidence: "The server's words: service account token has been invalidated, serviceaccounts \"x\" not found, or a UID that does not match; or a Pod whose service account is not there.",
        fix: "Have a new token issued; outside of Pods take one that is bound to the service account alone (kubectl create token). `kubectl create token NAME -n NAMESPACE`.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#bound-service-account-tokens",
    },
    recognises: &[
        &message::SERVICE_ACCOUNT_MISSING,
        &message::SERVICE_ACCOUNT_DELETED,
        &message::SERVICE_ACCOUNT_INVALIDATED,
        &message::SERVICE_ACCOUNT_BOUND_UID,
    ],
    explains: &["credential-rejected"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    of_pod(case).map_or_else(|| of_token(case), |finding| vec![finding])
}

/// A Pod runs as a service account that is gone: with its tokens it goes on for AWS until they end, and no longer for the
/// API server.
fn of_pod(case: &Case<'_>) -> Option<Finding> {
    let judged = case.workload.as_ref()?;
    let link = judged.broken(link_id::SERVICE_ACCOUNT)?;
    let pod = judged.workload.pod.seen()?;
    let (namespace, name) = judged.account_name();
    let mut steps = vec![recreate(namespace, name)];
    // The annotation went with the account.
    steps.extend(judged.irsa_role().map(|role| pod_role::annotate(judged, role)));
    steps.push(pod_role::remake(judged));
    let (first, more) = pod_role::split(steps);
    let why = format!(
        "Pod {} runs as {namespace}/{name}, which does not exist any more: the API server refuses the Pod's token, and no new one is issued to it, for AWS neither.",
        pod.name
    );
    Some(
        RULE.finding(Confidence::Certain, why, pod_role::cite(link), first)
            .titled(format!("The service account {namespace}/{name} is gone"))
            .steps(more),
    )
}

fn recreate(namespace: &str, name: &str) -> Step {
    Step::command(
        "If it was deleted by mistake, make it anew; its bindings hold by name, its old tokens stay dead",
        shell!("kubectl create serviceaccount {} -n {}", name, namespace),
    )
}

fn of_token(case: &Case<'_>) -> Vec<Finding> {
    let Some(word) = case.reason(RULE.recognises).filter(|_| case.is_service_account()) else { return Vec::new() };
    let (namespace, name) = case.service_account();
    let account_gone = word.text == &message::SERVICE_ACCOUNT_MISSING || word.text == &message::SERVICE_ACCOUNT_DELETED;
    // Lines of a log that name another account are about another token.
    if account_gone && word.place != Place::TokenReview && word.field("name") != name {
        return Vec::new();
    }
    let bound = ["pod", "secret", "node"].into_iter().find_map(|kind| {
        let object = case.claim("kubernetes.io")?.get(kind)?;
        Some((kind, object.get("name")?.as_str()?.to_owned()))
    });
    // The server says the rest only of a token that names one of the three: such a line is about another token.
    let read = case.token().is_some_and(|token| token.claims.is_some());
    if !account_gone && bound.is_none() && read && word.place != Place::TokenReview {
        return Vec::new();
    }
    let got = word.field("got");
    let fits = account_gone
        || !got.is_empty()
            && case.claim("kubernetes.io").is_some_and(|claim| {
                ["pod", "secret", "node"].iter().any(|kind| claim.pointer(&format!("/{kind}/uid")).and_then(|uid| uid.as_str()) == Some(got))
            });
    let (what, step) = match (&bound, account_gone) {
        (_, true) => (
            format!("service account {name:?} of namespace {namespace}"),
            recreate(namespace, name),
        ),
        (Some((kind, object)), false) => (format!("{kind} {object:?} that the token is bound to"), renew::token(case)),
        (None, false) => ("object that the token is bound to".to_owned(), renew::token(case)),
    };
    let other = if got.is_empty() { "does not exist any more" } else { "is another one of the same name by now" };
    let mut finding = RULE.finding(
        word.confidence(fits),
        format!("The {what} {other}, so the API server refuses the token, whatever its exp says."),
        word.cite(),
        step,
    );
    if account_gone {
        finding = finding.step(renew::token(case));
    }
    finding = finding.titled(format!("The {what} is gone"));
    if case.claim("kubernetes.io").is_some() {
        finding = finding.cite(seen("/credential/seen/token/claims/kubernetes.io", format!("the token is for {namespace}/{name}")));
    }
    vec![finding.cite_if(case.rejected())]
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::evidence::Evidence;

    /// What a line of a log makes of the saved case's token, as it is or bound to nothing: the line is written in, because
    /// the real server was asked by TokenReview, and had nothing of the kind to say of a token without an object.
    fn heard(bound: bool) -> usize {
        let text = include_str!("../../../testdata/cases/service-account-token-revoked/evidence.json");
        let mut evidence: Value = serde_json::from_str(text).expect("evidence");
        let missing = json!({ "startedMs": 0, "tookMs": 0, "notApplicable": "not asked" });
        evidence["controlPlane"]["tokenReview"] = missing;
        let line = "E1126 09:10:12.000000   27073 authentication.go:75] \"Unable to authenticate the request\" err=\"[invalid bearer token, service account token has been invalidated]\"";
        let found = json!({ "text": message::SERVICE_ACCOUNT_INVALIDATED.name, "line": line, "lineNumber": 1,
            "lastLineNumber": 1, "count": 1, "fields": {} });
        evidence["controlPlane"]["log"] =
            json!({ "startedMs": 0, "tookMs": 0, "seen": { "source": "log", "lines": 1, "matches": [found] } });
        if !bound {
            let claim = evidence.pointer_mut("/credential/seen/token/claims/kubernetes.io").expect("the claim");
            claim.as_object_mut().expect("an object").remove("secret");
        }
        let evidence: Evidence = serde_json::from_value(evidence).expect("evidence");
        check(&Case::new(&evidence)).len()
    }

    #[test]
    fn a_token_that_is_bound_to_nothing_cannot_be_the_one_of_the_line() {
        assert_eq!((heard(true), heard(false)), (1, 0));
    }
}
