//! The role does not let EKS Pod Identity in.

use crate::apiserver::message::heard;
use crate::aws::link_id;
use crate::aws::trust;
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step};
use crate::rules::{Case, Page, Rule, pod_role};

/// The rule.
pub static RULE: Rule = Rule {
    code: "pod-identity-trust-incomplete",
    severity: Severity::Error,
    title: "The role does not let EKS Pod Identity in",
    page: Page {
        means: "The trust policy must allow the service pods.eks.amazonaws.com both sts:AssumeRole and sts:TagSession; the second is the one that is forgotten. A target role must in turn let the association's role in.",
        evidence: "The trust policy of the association's role, judged for both actions; that of the target role for the first one.",
        fix: "Replace the trust policy by the whole one that the report shows: `aws iam update-assume-role-policy --role-name ROLE --policy-document file://trust.json`.",
        references: "https://docs.aws.amazon.com/eks/latest/userguide/pod-id-role.html",
    },
    recognises: &[&heard::POD_IDENTITY],
    explains: &["workload-uses-node-role", "metadata-unreachable"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(judged) = &case.workload else { return Vec::new() };
    let Some(details) = judged.association() else { return Vec::new() };
    let mut findings = Vec::new();
    for id in [link_id::POD_IDENTITY_ROLE, link_id::POD_IDENTITY_TARGET_ROLE] {
        if let Some(link) = judged.broken(id) {
            let policy = if id == link_id::POD_IDENTITY_ROLE {
                trust::pod_identity_policy(None)
            } else {
                trust::role_policy(None, &details.role_arn, details.external_id.as_deref())
            };
            findings.push(
                RULE.finding(
                    Confidence::Certain,
                    format!("The association names {}, and IAM has no such role.", link.expected),
                    pod_role::cite(link),
                    Step::manifest("Save this as trust.json: the whole trust policy that it needs", policy),
                )
                .titled(format!("The role {} of the association does not exist", pod_role::role_name(&link.expected)))
                .step(Step::command(
                    "Create the role",
                    shell!("aws iam create-role --role-name {} --assume-role-policy-document file://trust.json", pod_role::role_name(&link.expected)),
                )),
            );
        }
    }
    let target = details.target_role_arn.as_deref().unwrap_or_default();
    for (id, role) in [(link_id::POD_IDENTITY_TRUST, details.role_arn.as_str()), (link_id::POD_IDENTITY_TARGET_TRUST, target)] {
        let Some(link) = judged.broken(id) else { continue };
        let today = judged.role(role).map(|role| role.trust_policy.as_str());
        let policy = if id == link_id::POD_IDENTITY_TRUST {
            trust::pod_identity_policy(today)
        } else {
            trust::role_policy(today, &details.role_arn, details.external_id.as_deref())
        };
        let (first, more) = pod_role::split(pod_role::mend(link, role, today, &policy));
        let finding = RULE.finding(
            Confidence::Certain,
            format!("The trust policy of {role} is not enough: {}.", link.seen),
            pod_role::cite(link),
            first,
        );
        findings.push(finding.steps(more));
    }
    findings
}
