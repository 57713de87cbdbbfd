//! An annotation about the role is misspelled.

use crate::apiserver::message::heard;
use crate::aws::workload::{IAM_ROLE, IRSA, KIAM_PERMITTED, KUBE2IAM_ALLOWED, is_role_arn};
use crate::report::shell::{Shell, shell};
use crate::report::{seen, Confidence, Finding, Severity, Step};
use crate::rules::{pod_role, Case, Page, Rule};
use crate::text::{distance, pointer_part};

/// The rule.
pub static RULE: Rule = Rule {
    code: "role-annotation-typo",
    severity: Severity::Error,
    title: "An annotation about the role is misspelled",
    page: Page {
        means: "Annotations are free text: one that is spelled otherwise is simply not there, and an ARN that is none is refused by STS only (Request ARN is invalid).",
        evidence: "A key that resembles one that is read, or a value that is no ARN of a role.",
        fix: "Write the annotation as it must be: `kubectl annotate serviceaccount NAME -n NAMESPACE eks.amazonaws.com/role-arn=ARN`, and take the other away.",
        references: "https://docs.aws.amazon.com/eks/latest/userguide/iam-roles-for-service-accounts.html",
    },
    recognises: &[&heard::WEB_IDENTITY_ARN],
    explains: &["workload-uses-node-role", "metadata-unreachable", "irsa-not-injected", "irsa-role-not-found", "irsa-annotation-missing"],
    check,
};

/// The annotations that are read, all in small letters, and on what.
const READ: &[(&str, &str)] = &[
    (IRSA, "service account"),
    ("eks.amazonaws.com/audience", "service account"),
    ("eks.amazonaws.com/sts-regional-endpoints", "service account"),
    ("eks.amazonaws.com/token-expiration", "service account"),
    ("eks.amazonaws.com/skip-containers", "Pod"),
    (IAM_ROLE, "Pod"),
    (KIAM_PERMITTED, "namespace"),
    (KUBE2IAM_ALLOWED, "namespace"),
];

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(judged) = &case.workload else { return Vec::new() };
    let workload = judged.workload;
    let (namespace, name) = judged.account_name();
    let mut findings = Vec::new();
    // What kube2iam's flags name is read, whatever it resembles.
    let keys = judged.kube2iam_keys();
    let own = [keys.role, keys.external_id, keys.allowed];
    let places = [
        (workload.service_account.seen().map(|one| &one.annotations), "/workload/serviceAccount/seen/annotations".to_owned(), "service account", shell!("serviceaccount {} -n {}", name, namespace)),
        (
            judged.template().map(|(template, _)| &template.annotations),
            format!("{}/annotations", judged.template().map_or("", |(_, at)| at)),
            "Pod",
            Shell::default(),
        ),
        (workload.namespace.seen().map(|one| &one.annotations), "/workload/namespace/seen/annotations".to_owned(), "namespace", shell!("namespace {}", namespace)),
    ];
    for (annotations, at, place, object) in places {
        for (key, value) in annotations.into_iter().flatten() {
            let known = READ.iter().any(|(read, _)| read == key) || own.contains(&key.as_str());
            let meant = READ.iter().filter(|(read, on)| *on == place && !annotations.is_some_and(|all| all.contains_key(*read))).find(|(read, _)| {
                // A longer key of the same family is another annotation, not a slip of the hand.
                !known && distance(&key.to_lowercase(), read) <= 2
            });
            let pointer = format!("{at}/{}", pointer_part(key));
            if let Some((read, _)) = meant {
                let step = if object.is_empty() {
                    Step::manifest("As it must be, in the Pod template", format!("metadata:\n  annotations:\n    {read}: {value}"))
                } else {
                    Step::command("As it must be", shell!("kubectl annotate {} {}={} {}-", object, read, value, key))
                };
                findings.push(
                    RULE.finding(
                        Confidence::Certain,
                        format!("{key:?} on the {place} is read by nobody; {read:?} is."),
                        seen(pointer, format!("{key}: {value}")),
                        step,
                    )
                    .titled(format!("The annotation {key} is misspelled"))
                    .step(pod_role::remake(judged)),
                );
            } else if key == IRSA && place == "service account" && !is_role_arn(value) {
                let trimmed = value.trim();
                let right = if is_role_arn(trimmed) { trimmed } else { "ARN" };
                findings.push(
                    RULE.finding(
                        Confidence::Certain,
                        format!("{value:?} is no ARN of a role (arn:aws:iam::ACCOUNT:role/NAME): STS says Request ARN is invalid."),
                        seen(pointer, format!("{key}: {value:?}")),
                        pod_role::annotate(judged, right),
                    )
                    .titled("The role on the service account is no ARN of a role")
                    .step(pod_role::remake(judged)),
                );
            }
        }
    }
    findings
}
