//! The role that the Pod names for kiam does not exist.

use crate::apiserver::message::heard;
use crate::aws::link_id;
use crate::report::{Confidence, Finding, Severity, Step};
use crate::rules::{Case, Page, Rule, pod_role};

/// The rule.
pub static RULE: Rule = Rule {
    code: "kiam-role-missing",
    severity: Severity::Error,
    title: "The role that the Pod names for kiam does not exist",
    page: Page {
        means: "The annotation iam.amazonaws.com/role is a role's name in kiam's own account, with its path, or a whole ARN.",
        evidence: "iam:GetRole: NoSuchEntity.",
        fix: "Correct the annotation iam.amazonaws.com/role in the Pod template (`kubectl edit deployment/NAME -n NAMESPACE`), or create the role.",
        references: "https://github.com/uswitch/kiam",
    },
    recognises: &[&heard::KIAM_ROLE],
    explains: &[],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(judged) = pod_role::agents(case) else { return Vec::new() };
    let Some(link) = judged.broken(link_id::KIAM_ROLE) else { return Vec::new() };
    let name = pod_role::role_name(&link.expected);
    vec![
        RULE.finding(
            Confidence::Certain,
            format!("The Pod's annotation iam.amazonaws.com/role names {}, and IAM has no role of that name.", link.expected),
            pod_role::cite(link),
            pod_role::look_for(name),
        )
        .titled(format!("The role {name} does not exist"))
        .step(Step::text("Correct iam.amazonaws.com/role in the Pod template (not on the Deployment itself).")),
    ]
}
