//! Another authorizer than RBAC says no.

use crate::apiserver::authz::World;
use crate::evidence::access::Check;
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::rbac::authorization_webhook_down::failed_call;
use crate::rules::refusal::{nothing_here, overruled, somebody_else};
use crate::rules::{Case, Page, Rule, clip};

/// The rule.
pub static RULE: Rule = Rule {
    code: "authorization-webhook-denied",
    severity: Severity::Error,
    title: "Another authorizer than RBAC denies it",
    page: Page {
        means: "The API server asks its authorizers in order, and the first that allows or denies ends the matter. Here one that is not RBAC (a webhook: a policy engine, the cloud's access management) denies, so RBAC is not asked, and no role and no binding changes the answer.",
        evidence: "The server's access review with denied: true, and that authorizer's reason, which also stands at the end of the refusal; or a denial although RBAC, as it was read, grants the question.",
        fix: "Take the reason to whoever runs that authorizer: its rules must allow the request. `kubectl get --raw /flagz` (1.36 and later) shows --authorization-mode or the file of --authorization-config, where the authorizers stand in their order.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/webhook/",
    },
    recognises: &[],
    explains: &[
        "rbac-no-grant",
        "rbac-verb-missing",
        "rbac-resource-names",
        "rbac-subresource-not-granted",
        "rbac-wrong-scope",
        "rbac-wrong-api-group",
        "name-prefix-mismatch",
    ],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let (Some(identity), Some(access)) = (case.evidence.identity.seen(), case.evidence.access.seen()) else {
        return Vec::new();
    };
    let question = case.evidence.asked.question.as_ref();
    if question.is_some() && somebody_else(case).is_some() {
        return Vec::new();
    }
    // A webhook that fails denies too, by its failurePolicy; that is another finding.
    let denies = |check: &Check| overruled(case, check) && !failed_call(&check.evaluation_error);
    let found: Vec<usize> = access
        .checks
        .iter()
        .enumerate()
        .filter(|(_, check)| question.is_none_or(|question| check.question == *question) && denies(check))
        .map(|(index, _)| index)
        .collect();
    let Some(&first) = found.first() else { return Vec::new() };
    let check = &access.checks[first];
    let what = check.question.sentence();
    let reason = clip(&check.reason, 240);
    let words = if reason.is_empty() { "gives no reason".to_owned() } else { format!("says: {reason}") };
    let user = &identity.user.username;
    let granted = case
        .evidence
        .rbac
        .seen()
        .and_then(|rbac| World::new(rbac).grants(&identity.user, &check.question).first().map(|grant| {
            let index = rbac.bindings.iter().position(|binding| std::ptr::eq(binding, grant.binding)).unwrap_or_default();
            (index, grant.reason())
        }));
    let why = match (&granted, check.denied) {
        (_, true) => format!("An authorizer denies {what} to {user:?} outright, and {words}. The API server asks nobody after such a no, so no role and no binding changes it."),
        (Some((_, grant)), false) => format!("{grant}, and yet the API server answers no to {what} for {user:?} and {words}. Another authorizer comes first, or RBAC is not among the modes at all; a binding made in these seconds may also not have arrived yet."),
        (None, false) => return Vec::new(),
    };
    let mut finding = RULE
        .finding(
            if check.denied { Confidence::Certain } else { Confidence::Likely },
            why,
            seen(
                format!("/access/seen/checks/{first}"),
                format!("{what}: {}{}", if check.denied { "denied" } else { "no" }, if reason.is_empty() { String::new() } else { format!(" ({reason})") }),
            ),
            Step::text(match reason.is_empty() {
                true => format!("Ask whoever runs that authorizer to allow {user:?} to {what}; it gave no reason."),
                false => format!("Ask whoever runs that authorizer to allow {user:?} to {what}. Its own words: {reason}"),
            }),
        )
        .titled(format!("Another authorizer than RBAC denies {what}"))
        .step(Step::command(
            "On a control-plane node, see which authorizers there are and in which order they are asked",
            "ps -o args= -C kube-apiserver | tr ' ' '\\n' | grep -E '^--authorization-(mode|config|webhook|policy)'",
        ))
        .cite(seen("/identity/seen/user", format!("signed in as {user:?}")))
        .cite_if(granted.map(|(index, grant)| seen(format!("/rbac/seen/bindings/{index}"), grant)));
    if question.is_none() {
        if found.len() > 1 {
            finding = finding.step(Step::text(format!("{} more of the questions asked here are denied in the same way; the table of access lists them.", found.len() - 1)));
        }
        // What somebody may not do on purpose is no fault; that nothing at all goes is one.
        if !(nothing_here(case) && found.len() == access.checks.len()) {
            finding.severity = Severity::Warning;
        }
    }
    vec![finding]
}
