//! The rule names the resource in another API group.

use crate::apiserver::authz::near::Kind;
use crate::apiserver::message::heard;
use crate::report::{Finding, Severity};
use crate::rules::refusal::near_miss;
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "rbac-wrong-api-group",
    severity: Severity::Error,
    title: "The rule names the resource in another API group",
    page: Page {
        means: "A rule covers a resource only in the API groups it lists. Deployments are in apps (not in extensions, not in the core group), Pods in the core group, written as an empty text.",
        evidence: "The rule's apiGroups beside the group of the question.",
        fix: "Name the right group in the rule's apiGroups. `kubectl api-resources` shows which group a resource is in.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/rbac/#referring-to-resources",
    },
    recognises: &[&heard::FORBIDDEN],
    explains: &["rbac-no-grant"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    near_miss(
        case,
        &RULE,
        &[Kind::OtherApiGroup],
        "Have the API group in the role's rule corrected, or this grant applied",
    )
}
