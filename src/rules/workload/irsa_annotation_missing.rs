//! The service account names no role.

use crate::apiserver::message::heard;
use crate::aws::workload::IRSA;
use crate::report::{seen, Confidence, Finding, Severity};
use crate::rules::{pod_role, Case, Page, Rule};
use crate::text::pointer_part;

/// The rule.
pub static RULE: Rule = Rule {
    code: "irsa-annotation-missing",
    severity: Severity::Error,
    title: "The service account names no role",
    page: Page {
        means: "With IRSA the role's ARN stands on the service account. On a Pod, a Deployment or a template it does nothing, and the containers fall to the next way: usually the node's role, or none.",
        evidence: "The service account has no annotation eks.amazonaws.com/role-arn, while the Pod, its template or its owner has one, or the role that was named (--role) trusts an OIDC provider.",
        fix: "Name the role on the service account, then make the Pods again: `kubectl annotate serviceaccount NAME -n NAMESPACE eks.amazonaws.com/role-arn=ARN`, `kubectl rollout restart deployment/NAME -n NAMESPACE`.",
        references: "https://docs.aws.amazon.com/eks/latest/userguide/iam-roles-for-service-accounts.html",
    },
    recognises: &[&heard::NODE_ROLE],
    explains: &["workload-uses-node-role", "metadata-unreachable"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(judged) = &case.workload else { return Vec::new() };
    if judged.workload.service_account.seen().is_none()
        || judged.annotated().is_some()
        || judged.workload.associations.seen().is_some_and(|all| all.ours.is_some())
    {
        return Vec::new();
    }
    let (namespace, name) = judged.account_name();
    let elsewhere = [
        judged.template().map(|(template, at)| (&template.annotations, format!("{at}/annotations"), "the Pod or its template")),
        judged.workload.owner.seen().map(|owner| {
            (&owner.annotations, "/workload/owner/seen/annotations".to_owned(), "the object that makes the Pods")
        }),
    ];
    let misplaced = elsewhere.into_iter().flatten().find_map(|(annotations, at, place)| {
        let role = annotations.get(IRSA)?;
        Some((role.clone(), seen(format!("{at}/{}", pointer_part(IRSA)), format!("{IRSA} stands on {place}, where nothing reads it"))))
    });
    let wanted = judged.workload.wanted_role.as_deref().and_then(|wanted| {
        let role = judged.role(wanted)?;
        let text = format!("the role {wanted} that should be had trusts an OIDC provider");
        role.trust_policy
            .contains("sts:AssumeRoleWithWebIdentity")
            .then(|| (wanted.to_owned(), seen(format!("{}/seen/trustPolicy", judged.role_at(wanted)), text)))
    });
    let Some((role, cite)) = misplaced.or(wanted) else { return Vec::new() };
    vec![
        RULE.finding(
            Confidence::Certain,
            format!("The service account {namespace}/{name} has no annotation {IRSA}, so nothing of IRSA is injected into its Pods."),
            cite,
            pod_role::annotate(judged, role.trim()),
        )
        .titled(format!("The service account {namespace}/{name} names no role"))
        .cite(seen("/workload/serviceAccount/seen/annotations", format!("no {IRSA} on the service account")))
        .step(pod_role::remake(judged)),
    ]
}
