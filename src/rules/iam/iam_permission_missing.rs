//! What kaccess itself may not read.

use crate::apiserver::message::heard;
use crate::evidence::FailureKind;
use crate::report::{seen, Confidence, Finding, Severity, Step};
use crate::report::calls::{calls, CallResult};
use crate::rules::{eks, Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "iam-permission-missing",
    severity: Severity::Info,
    title: "AWS does not let kaccess read everything",
    page: Page {
        means: "kaccess looked with your AWS identity, and AWS refused some of its questions. Nothing is wrong with the cluster for that; it only means that some causes could not be ruled out.",
        evidence: "Each refused call with the IAM action that it needs.",
        fix: "Have the read-only policy in docs/deploy/iam-policy.json attached, or ask somebody who has ReadOnlyAccess to run kaccess. `aws iam put-user-policy --user-name USER --policy-name kaccess --policy-document file://iam-policy.json`.",
        references: "https://docs.aws.amazon.com/aws-managed-policy/latest/reference/ReadOnlyAccess.html",
    },
    recognises: &[&heard::EKS_DENIED],
    explains: &[],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(aws) = eks::aws(case) else { return Vec::new() };
    let mut actions: Vec<(String, String)> = Vec::new();
    for call in calls(aws) {
        let CallResult::Failed(failure) = call.result else { continue };
        let Some(needs) = failure.needs.as_ref().filter(|needs| failure.kind == FailureKind::Forbidden && is_action(needs)) else { continue };
        if !actions.iter().any(|(known, _)| known == needs) {
            actions.push((needs.clone(), format!("{}/failed", call.path)));
        }
    }
    let Some((first, rest)) = actions.split_first() else { return Vec::new() };
    let names: Vec<&str> = actions.iter().map(|(name, _)| name.as_str()).collect();
    let mut finding = RULE.finding(
        Confidence::Certain,
        format!("AWS refused {}: what these calls would have shown is not known here, and what rests on it was not checked.", names.join(", ")),
        seen(first.1.clone(), format!("refused: {}", first.0)),
        Step::manifest(
            "Have this read-only statement attached to your role or user, or ask somebody with ReadOnlyAccess to run kaccess",
            format!(
                "{{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": [{{\"Effect\": \"Allow\", \"Resource\": \"*\", \"Action\": [{}]}}]\n}}\n",
                names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ")
            ),
        ),
    );
    for (name, path) in rest {
        finding = finding.cite(seen(path.clone(), format!("refused: {name}")));
    }
    vec![finding]
}

/// `service:Action`, and nothing else (a Kubernetes right is told in other words).
fn is_action(text: &str) -> bool {
    text.split_once(':').is_some_and(|(service, action)| {
        !service.is_empty() && !action.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || ":-".contains(c))
    })
}
