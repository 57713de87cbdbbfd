//! Own groups named like the system's.

use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::{Case, Page, Rule, slug};

/// The rule.
pub static RULE: Rule = Rule {
    code: "reserved-group-prefix",
    severity: Severity::Warning,
    title: "An own group is named system:…",
    page: Page {
        means: "Names that begin with system: are reserved for Kubernetes: a later release may give such a group rights, and some tools refuse or hide it.",
        evidence: "The groups by SelfSubjectReview, beside the ones that Kubernetes itself knows.",
        fix: "Rename the group where it comes from (the O of the certificate, the claim of the identity provider, the header of the proxy), and bind the new name. `kubectl create clusterrolebinding NAME --clusterrole=ROLE --group=NEW_GROUP` binds the new name.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/rbac/#referring-to-subjects",
    },
    recognises: &[],
    explains: &[],
    check,
};

/// Groups that Kubernetes itself, or a managed control plane, hands out.
const KNOWN: &[&str] = &[
    "system:authenticated", "system:unauthenticated", "system:masters", "system:nodes", "system:serviceaccounts",
    "system:bootstrappers", "system:monitoring", "system:node-proxier",
];

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(identity) = case.evidence.identity.seen() else { return Vec::new() };
    let Some((index, group)) = identity.user.groups.iter().enumerate().find(|(_, group)| {
        group.starts_with("system:")
            && !KNOWN.contains(&group.as_str())
            && !["system:serviceaccounts:", "system:bootstrappers:"].iter().any(|begin| group.starts_with(begin))
    }) else {
        return Vec::new();
    };
    let bare = group.trim_start_matches("system:");
    let source = match case.only_certificate().filter(|leaf| leaf.organizations.contains(group)) {
        Some(_) => "the certificate's organisation (O)",
        None => "the identity provider or proxy",
    };
    vec![
        RULE.finding(
            Confidence::Certain,
            format!("{:?} is in the group {group:?}, which is none of Kubernetes' own; it comes from {source}.", identity.user.username),
            seen(format!("/identity/seen/user/groups/{index}"), format!("group {group:?}")),
            Step::command(
                format!("Rename it at its source ({source}) to {bare:?}, and bind that name; then remove the old binding"),
                shell!("kubectl create clusterrolebinding {}-view --clusterrole=view --group={}", slug(bare), bare),
            ),
        )
        .titled(format!("The group {group:?} bears a name that is reserved for Kubernetes")),
    ]
}
