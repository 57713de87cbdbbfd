//! A binding points at a role that does not exist.

use crate::apiserver::authz::near::Kind;
use crate::apiserver::message::heard;
use crate::report::{Finding, Severity};
use crate::rules::refusal::near_miss;
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "rbac-role-missing",
    severity: Severity::Error,
    title: "A binding points at a role that does not exist",
    page: Page {
        means: "A binding names you, and the role it names is not there: it was deleted, never created, or is spelled otherwise. The API server then grants nothing and says RBAC: ... not found in the refusal.",
        evidence: "The binding and the list of roles; the reason in the server's own answer.",
        fix: "Create the role under that name. A roleRef cannot be changed: to point elsewhere, delete the binding and create it anew. `kubectl create clusterrole NAME --verb=get,list,watch --resource=pods`.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/rbac/#rolebinding-and-clusterrolebinding",
    },
    recognises: &[&heard::FORBIDDEN],
    explains: &["rbac-no-grant"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    near_miss(
        case,
        &RULE,
        &[Kind::DanglingRole],
        "Have the missing role created under its name (the binding is there already), or this grant applied beside it",
    )
}
