//! It is granted in another namespace.

use crate::apiserver::authz::near::Kind;
use crate::apiserver::message::heard;
use crate::report::{Finding, Severity};
use crate::rules::refusal::near_miss;
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "rbac-wrong-scope",
    severity: Severity::Error,
    title: "It is granted in another namespace",
    page: Page {
        means: "The role that allows it is bound to you by a RoleBinding of another namespace, and a RoleBinding grants only inside its own.",
        evidence: "The question's namespace beside that of the binding.",
        fix: "Ask in the binding's namespace (-n), or bind the role in this one too. `kubectl create rolebinding NAME --clusterrole=ROLE --user=USER -n NAMESPACE`.",
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
        &[Kind::WrongNamespace],
        "Ask with -n and the binding's namespace, or have this grant applied",
    )
}
