//! A client certificate of the group that no authorizer asks about.

use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "privileged-group-from-certificate",
    severity: Severity::Warning,
    title: "The client certificate makes its holder system:masters",
    page: Page {
        means: "Members of system:masters pass every authorization check, and no binding can be taken away from them. A certificate cannot be revoked either: whoever copies this file rules the cluster until it ends, or until the CA is replaced.",
        evidence: "The organisation system:masters in the certificate, and the groups by SelfSubjectReview.",
        fix: "Work with a certificate of an own group bound to cluster-admin (kubeadm since 1.29: kubeadm:cluster-admins), which a deleted binding disarms; keep this one locked away for emergencies. `kubectl create clusterrolebinding admins --clusterrole=cluster-admin --group=GROUP` binds the own group.",
        references: "https://kubernetes.io/docs/concepts/security/rbac-good-practices/",
    },
    recognises: &[],
    explains: &[],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let (Some(leaf), Some(identity)) = (case.only_certificate(), case.evidence.identity.seen()) else { return Vec::new() };
    let masters = |groups: &[String]| groups.iter().any(|group| group == "system:masters");
    if !masters(&leaf.organizations) || !masters(&identity.user.groups) {
        return Vec::new();
    }
    let end = leaf.not_after.map_or_else(|| "its end".to_owned(), |end| end.to_string());
    vec![
        RULE.finding(
            Confidence::Certain,
            format!("The certificate of {:?} has the organisation system:masters. Nothing can revoke it before {end}.", identity.user.username),
            seen("/credential/seen/certificates/0/organizations", format!("organisations: {}", leaf.organizations.join(", "))),
            Step::command(
                "Bind a group of your own to cluster-admin, and have certificates issued with that O; deleting the binding then disarms them all",
                "kubectl create clusterrolebinding cluster-admins --clusterrole=cluster-admin --group=cluster-admins",
            ),
        )
        .step(Step::text("Keep the file with system:masters for emergencies, where nobody uses it daily. If it was ever copied, only a new cluster CA helps."))
        .cite(seen("/identity/seen/user/groups", format!("groups: {}", identity.user.groups.join(", ")))),
    ]
}
