//! The role stands on the wrong object.

use crate::report::shell::shell;
use crate::report::{seen, Confidence, Finding, Severity, Step};
use crate::rules::{Case, Page, Rule};
use crate::text::pointer_part;

/// The rule.
pub static RULE: Rule = Rule {
    code: "role-annotation-misplaced",
    severity: Severity::Error,
    title: "The role stands on the wrong object",
    page: Page {
        means: "kiam and kube2iam read iam.amazonaws.com/role from the Pod. On a Deployment's own metadata, or on the service account, nobody reads it; it belongs into the Pod template's.",
        evidence: "The annotation is on the object that makes the Pods, or on the service account, and the Pods have none.",
        fix: "Put the annotation into the Pod template: `kubectl patch deployment NAME -n NAMESPACE` with spec.template.metadata.annotations, as the report shows it.",
        references: "https://github.com/uswitch/kiam",
    },
    recognises: &[],
    explains: &["workload-uses-node-role", "metadata-unreachable"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(judged) = &case.workload else { return Vec::new() };
    if judged.iam_role().is_some() || judged.template().is_none() {
        return Vec::new();
    }
    let key = judged.role_key();
    let owner = judged.workload.owner.seen();
    let account = judged.workload.service_account.seen();
    let places = [
        owner.map(|owner| (&owner.annotations, "/workload/owner/seen/annotations", format!("{} {}", owner.kind, owner.name))),
        account.map(|account| (&account.annotations, "/workload/serviceAccount/seen/annotations", format!("service account {}", account.name))),
    ];
    let Some((role, at, place)) = places.into_iter().flatten().find_map(|(annotations, at, place)| Some((annotations.get(key)?, at, place)))
    else {
        return Vec::new();
    };
    let namespace = judged.account_name().0;
    let patch = serde_json::json!({ "spec": { "template": { "metadata": { "annotations": { key: role } } } } });
    let step = match owner {
        Some(owner) if owner.kind != "CronJob" => Step::command(
            "Put it into the Pod template; the Pods are made again by that",
            shell!("kubectl patch {} {} -n {} --type merge -p '{}'", owner.kind.to_lowercase(), owner.name, namespace, patch),
        ),
        _ => Step::manifest("Put it into the Pod template, and make the Pods again", format!("metadata:\n  annotations:\n    {key}: {role}")),
    };
    vec![
        RULE.finding(
            Confidence::Certain,
            format!("{key} stands on {place}; the Pods do not have it, and only there it is read."),
            seen(format!("{at}/{}", pointer_part(key)), format!("{key}: {role} on {place}")),
            step,
        )
        .titled(format!("The role stands on {place}, not on the Pods")),
    ]
}
