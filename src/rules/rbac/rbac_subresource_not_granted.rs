//! The resource is granted, its subresource is not.

use crate::apiserver::authz::near::Kind;
use crate::apiserver::message::heard;
use crate::report::{Finding, Severity};
use crate::rules::refusal::near_miss;
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "rbac-subresource-not-granted",
    severity: Severity::Error,
    title: "The resource is granted, its subresource is not",
    page: Page {
        means: "RBAC matches subresources by name: pods does not cover pods/log or pods/exec, pods/exec does not cover pods (and kubectl exec gets the Pod first), and pods/* matches nothing at all.",
        evidence: "The rule that names the resource alone, and the question that names a subresource of it.",
        fix: "Name the subresource in the rule, as \"pods/log\". `kubectl create role NAME --verb=get --resource=pods/log -n NAMESPACE`.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/rbac/#referring-to-resources",
    },
    recognises: &[&heard::FORBIDDEN],
    explains: &["rbac-no-grant"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    // The question itself says which of the two is missing.
    let whole = case.evidence.asked.question.as_ref().is_some_and(|question| question.subresource.is_empty());
    let step = if whole {
        "Have the resource itself added to the role's rule, or this grant applied"
    } else {
        "Have the subresource added to the role's rule, or this grant applied"
    };
    let findings = near_miss(case, &RULE, &[Kind::MissingSubresource], step);
    if !whole {
        return findings;
    }
    findings.into_iter().map(|finding| finding.titled("A subresource is granted, the resource itself is not")).collect()
}
