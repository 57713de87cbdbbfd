//! An association of Pod Identity hides the role of IRSA.

use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::{Case, Page, Rule, pod_role};

/// The rule.
pub static RULE: Rule = Rule {
    code: "pod-identity-shadows-irsa",
    severity: Severity::Warning,
    title: "An association of Pod Identity hides the role of IRSA",
    page: Page {
        means: "Where a service account has both, the webhook injects only what belongs to Pod Identity: the annotated role is never used by Pods made since.",
        evidence: "The association and the annotation eks.amazonaws.com/role-arn, which name different roles.",
        fix: "Take away the one that is not meant: `aws eks delete-pod-identity-association --cluster-name CLUSTER --association-id ID`, or `kubectl annotate serviceaccount NAME -n NAMESPACE eks.amazonaws.com/role-arn-`.",
        references: "https://docs.aws.amazon.com/eks/latest/userguide/pod-identities.html",
    },
    recognises: &[],
    explains: &[],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(judged) = &case.workload else { return Vec::new() };
    let (Some(role), Some(details)) = (judged.annotated(), judged.association()) else { return Vec::new() };
    if role == details.role_arn {
        return Vec::new();
    }
    let (namespace, name) = judged.account_name();
    let id = judged.workload.associations.seen().and_then(|all| all.ours.as_ref()).map_or("ID", |ours| ours.id.as_str());
    vec![
        RULE.finding(
            Confidence::Certain,
            format!("New Pods get {}; {role} on the service account is without effect.", details.role_arn),
            seen("/workload/associations/seen/ours/details/seen/roleArn", format!("the association names {}", details.role_arn)),
            Step::command(
                "If Pod Identity is meant, take the annotation away",
                shell!("kubectl annotate serviceaccount {} -n {} eks.amazonaws.com/role-arn-", name, namespace),
            ),
        )
        .cite(seen("/workload/serviceAccount/seen/annotations/eks.amazonaws.com~1role-arn", format!("the annotation names {role}")))
        .step(Step::command(
            "If IRSA is meant, take the association away, and make the Pods again",
            shell!("aws eks delete-pod-identity-association --cluster-name {} --association-id {}", pod_role::cluster_name(judged), id),
        )),
    ]
}
