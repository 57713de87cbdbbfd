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
        means: "The trust policy must allow the service pods.eks.amazonaws.com both sts:AssumeRole and sts:TagSession; the second is the one that is forgotten. A target role must in turn let the association's role in, with both actions too, because the session tags go along. A condition on a tag holds only while the association gives session tags.",
        evidence: "The trust policy of the association's role and that of the target role, judged for both actions with what EKS gives along.",
        fix: "Replace the trust policy by the whole one that the report shows: `aws iam update-assume-role-policy --role-name ROLE --policy-document file://trust.json`.",
        references: "https://docs.aws.amazon.com/eks/latest/userguide/pod-id-role.html",
    },
    recognises: &[&heard::POD_IDENTITY],
    explains: &["workload-uses-node-role", "metadata-unreachable"],
    check,
};

/// How a link says that a condition on a tag cannot hold.
const TAGS_OFF: &str = "session tags of the association are off";

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(judged) = &case.workload else { return Vec::new() };
    let Some(details) = judged.association() else { return Vec::new() };
    let (asked, asking) = (judged.pod_identity_request(details), judged.target_request(details));
    let mut findings = Vec::new();
    for id in [link_id::POD_IDENTITY_ROLE, link_id::POD_IDENTITY_TARGET_ROLE] {
        if let Some(link) = judged.broken(id) {
            let policy = if id == link_id::POD_IDENTITY_ROLE {
                trust::pod_identity_policy(None, &asked)
            } else {
                trust::role_policy(None, &asking)
            };
            let policy = policy.unwrap_or_default();
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
            trust::pod_identity_policy(today, &asked)
        } else {
            trust::role_policy(today, &asking)
        };
        let mut steps = pod_role::mend(link, role, today, policy.as_deref());
        if policy.is_none() && link.seen.contains(TAGS_OFF) {
            let association = judged.workload.associations.seen().and_then(|all| all.ours.as_ref());
            let command = shell!(
                "aws eks update-pod-identity-association --cluster-name {} --association-id {} --no-disable-session-tags",
                pod_role::cluster_name(judged),
                association.map_or("ID", |ours| ours.id.as_str())
            );
            steps = vec![Step::command("Have EKS give the session tags that the trust policy asks for", command)];
        }
        let (first, more) = pod_role::split(steps);
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
