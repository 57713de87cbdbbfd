//! The rule names single objects.

use crate::apiserver::authz::near::Kind;
use crate::apiserver::message::heard;
use crate::report::{Finding, Severity};
use crate::rules::refusal::near_miss;
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "rbac-resource-names",
    severity: Severity::Error,
    title: "The rule names single objects",
    page: Page {
        means: "A rule with resourceNames covers requests for these objects only. Requests that name none (create, list, watch, deletecollection) are never covered, except a list or watch with the field selector metadata.name.",
        evidence: "The rule's resourceNames beside the name in the question.",
        fix: "Add the name, or give list, watch and create in a rule without resourceNames. `kubectl edit role NAME -n NAMESPACE`.",
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
        &[Kind::ResourceNames],
        "Have a rule without resourceNames added, or this grant applied",
    )
}
