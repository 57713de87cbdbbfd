//! Other verbs are granted on the same resource.

use crate::apiserver::authz::near::Kind;
use crate::apiserver::message::heard;
use crate::report::{Finding, Severity};
use crate::rules::refusal::near_miss;
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "rbac-verb-missing",
    severity: Severity::Error,
    title: "Other verbs are granted on the same resource",
    page: Page {
        means: "Each verb is granted by itself: get is not list, and what watches (controllers, informers, kubectl get -w) needs list and watch as well.",
        evidence: "The rule on the same resource with its verbs.",
        fix: "Add the verb to the rule. `kubectl edit role NAME -n NAMESPACE`.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/authorization/#determine-the-request-verb",
    },
    recognises: &[&heard::FORBIDDEN, &heard::UPGRADE_REFUSED],
    explains: &["rbac-no-grant"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    near_miss(
        case,
        &RULE,
        &[Kind::OtherVerb],
        "Have the verb added to the role's rule, or this grant applied",
    )
}
