//! The Pod was not given the role of its service account.

use crate::apiserver::message::{heard, tools};
use crate::aws::link_id;
use crate::aws::workload::absent;
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::{Case, Page, Rule, pod_role};

/// The rule.
pub static RULE: Rule = Rule {
    code: "irsa-not-injected",
    severity: Severity::Error,
    title: "The Pod was not given the role of its service account",
    page: Page {
        means: "The webhook injects AWS_ROLE_ARN, AWS_WEB_IDENTITY_TOKEN_FILE and the token when a Pod is made, and never later. A Pod from before the annotation, or made while the webhook was away, has neither; its SDK takes the next way, usually the node's role.",
        evidence: "The Pod's containers, against the annotation of its service account.",
        fix: "Make the Pods again, now that the annotation is there: `kubectl rollout restart deployment/NAME -n NAMESPACE`.",
        references: "https://docs.aws.amazon.com/eks/latest/userguide/iam-roles-for-service-accounts.html",
    },
    recognises: &[&heard::METADATA, &heard::NODE_ROLE, &tools::AWS_CREDENTIALS, &tools::TOKEN_FILE_DENIED],
    explains: &["workload-uses-node-role", "metadata-unreachable"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(judged) = &case.workload else { return Vec::new() };
    let (Some(link), Some(role)) = (judged.broken(link_id::IRSA_INJECTION), judged.annotated()) else { return Vec::new() };
    let workload = judged.workload;
    let no_webhook = absent(&workload.webhook);
    let older = workload.pod.seen().and_then(|pod| pod.created_at).zip(workload.service_account.seen().and_then(|one| one.created_at));
    let mut why = format!("The service account names {role}, and {}.", link.seen);
    if no_webhook {
        why.push_str(" The cluster has no webhook pod-identity-webhook that could inject it.");
    } else if older.is_some_and(|(pod, account)| pod < account) {
        why.push_str(" The Pod is older than the service account.");
    }
    let first = if no_webhook {
        Step::text("Install amazon-eks-pod-identity-webhook (EKS clusters have it in their control plane; this one shows none).")
    } else {
        pod_role::remake(judged)
    };
    let mut finding = RULE.finding(Confidence::Certain, why, pod_role::cite(link), first);
    if no_webhook {
        finding = finding
            .cite(seen("/workload/webhook/failed", "no mutating webhook pod-identity-webhook"))
            .step(pod_role::remake(judged));
    }
    vec![finding]
}
