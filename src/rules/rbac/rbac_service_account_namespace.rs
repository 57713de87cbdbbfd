//! The binding names a service account of another namespace.

use crate::apiserver::authz::near::Kind;
use crate::apiserver::message::heard;
use crate::report::{Finding, Severity};
use crate::rules::refusal::near_miss;
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "rbac-service-account-namespace",
    severity: Severity::Error,
    title: "The binding names a service account of another namespace",
    page: Page {
        means: "Service accounts of the same name in two namespaces are two identities. In a RoleBinding a subject without namespace means the binding's own namespace.",
        evidence: "The namespace in your user name beside that of the subject.",
        fix: "Correct the namespace of the subject. `kubectl edit rolebinding NAME -n NAMESPACE`.",
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
        &[Kind::ServiceAccountNamespace],
        "Have the subject's namespace corrected, or this grant applied",
    )
}
