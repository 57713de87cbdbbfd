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
    // Whoever acts as somebody else is named by the server as that one; the certificate is its holder's.
    let entry = case.evidence.kubeconfig.seen().and_then(|kubeconfig| kubeconfig.user.as_ref());
    let acting = entry.is_some_and(|entry| entry.impersonate.is_some());
    let holder = leaf.common_names.last().filter(|_| acting).unwrap_or(&identity.user.username);
    let end = leaf.not_after.map_or_else(|| "its end".to_owned(), |end| end.to_string());
    vec![
        RULE.finding(
            Confidence::Certain,
            format!("The certificate of {holder:?} has the organisation system:masters. Nothing can revoke it before {end}."),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Evidence;

    #[test]
    fn the_certificate_is_its_holders_whoever_they_act_as() {
        let text = include_str!("../../../testdata/cases/privileged-group-from-certificate/evidence.json");
        let mut evidence: serde_json::Value = serde_json::from_str(text).expect("evidence");
        let why = |evidence: &serde_json::Value| {
            let evidence: Evidence = serde_json::from_value(evidence.clone()).expect("evidence");
            check(&Case::new(&evidence)).remove(0).why
        };
        let own = why(&evidence);
        // Synthetic: the same holder as somebody else of that group, whom the server names then.
        evidence["identity"]["seen"]["user"]["username"] = serde_json::json!("somebody-else");
        evidence["kubeconfig"]["seen"]["user"]["impersonate"] = serde_json::json!("somebody-else");
        assert_eq!(why(&evidence), own);
    }
}
