//! A binding spells your group or name otherwise.

use crate::apiserver::authz::near::Kind;
use crate::apiserver::message::heard;
use crate::report::{Finding, Severity};
use crate::rules::refusal::near_miss;
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "rbac-group-name-mismatch",
    severity: Severity::Error,
    title: "A binding spells your group or name otherwise",
    page: Page {
        means: "Subjects are compared byte by byte: a leading slash (Keycloak writes group paths as /admins), upper and lower case, several groups joined in one text, or a User where a Group or a ServiceAccount is meant make another subject.",
        evidence: "The groups in SelfSubjectReview beside the subjects of the binding.",
        fix: "Change the subject to the name exactly as the API server lists it. `kaccess whoami` lists it; `kubectl edit rolebinding NAME -n NAMESPACE`.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/rbac/#referring-to-subjects",
    },
    recognises: &[&heard::FORBIDDEN],
    explains: &["rbac-no-grant"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    near_miss(
        case,
        &RULE,
        &[Kind::SubjectCase, Kind::SubjectSlash, Kind::SubjectJoined, Kind::SubjectKind],
        "Have the binding's subject changed to the name as the API server says it, or this grant applied",
    )
}
