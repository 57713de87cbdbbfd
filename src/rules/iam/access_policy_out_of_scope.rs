//! An access policy's scope or kind of resources.

use crate::aws::identity::{Source, Verdict, policy_allows};
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::{Case, Page, Rule, eks};

/// The rule.
pub static RULE: Rule = Rule {
    code: "access-policy-out-of-scope",
    severity: Severity::Error,
    title: "Your access policy does not cover what was asked",
    page: Page {
        means: "An access policy can be limited to namespaces, and the policies for administrators, editors and viewers list Kubernetes' own resources only: custom resources are covered by AmazonEKSClusterAdminPolicy and AmazonEKSAdminViewPolicy alone.",
        evidence: "The policies of your access entry with their scopes, and the server's no to a question outside them.",
        fix: "Widen the scope, take another policy, or give the entry a group that RBAC binds. `aws eks list-associated-access-policies --cluster-name CLUSTER --principal-arn ARN` shows the scope.",
        references: "https://docs.aws.amazon.com/eks/latest/userguide/access-policy-permissions.html",
    },
    recognises: &[],
    explains: &["rbac-no-grant", "iam-identity-without-permissions"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let (Some(identity), Some(access), Some(aws)) = (case.evidence.identity.seen(), case.evidence.access.seen(), eks::aws(case)) else {
        return Vec::new();
    };
    let Some(Verdict::Mapped(mapped)) = case.mapping.as_ref().filter(|_| eks::is_iam(case)) else { return Vec::new() };
    let Source::AccessEntry(at) = mapped.source else { return Vec::new() };
    let Some(entry) = aws.access_entries.seen().and_then(|all| all.entries.get(at)) else { return Vec::new() };
    let Some(policies) = entry.policies.seen().filter(|policies| !policies.is_empty()) else { return Vec::new() };
    let Some(question) = &case.evidence.asked.question else { return Vec::new() };
    let Some(index) = access.checks.iter().position(|check| check.question == *question && !check.allowed) else { return Vec::new() };
    // Only where each policy excludes it by scope or kind; what a policy holds in detail is not judged here.
    if !policies.iter().all(|policy| policy_allows(policy, question) == Some(false)) {
        return Vec::new();
    }
    let words: Vec<String> = policies
        .iter()
        .map(|policy| {
            let scope = if policy.scope == "namespace" { format!("namespaces {}", policy.namespaces.join(", ")) } else { "the whole cluster".to_owned() };
            format!("{} for {scope}", policy.name())
        })
        .collect();
    let out_of_scope = policies.iter().all(|policy| policy.scope == "namespace");
    let cluster = eks::cluster(case);
    let step = if out_of_scope && question.namespace.is_empty() {
        Step::command("Have the policy associated for the whole cluster, if that is meant", shell!("aws eks associate-access-policy --cluster-name {} --principal-arn {} --policy-arn {} --access-scope type=cluster", cluster, entry.principal_arn, policies[0].policy_arn))
    } else if out_of_scope {
        let mut namespaces = policies[0].namespaces.clone();
        namespaces.push(question.namespace.clone());
        Step::command("Have the namespace added to its scope (the list is replaced as a whole)", shell!("aws eks associate-access-policy --cluster-name {} --principal-arn {} --policy-arn {} --access-scope type=namespace,namespaces={}", cluster, entry.principal_arn, policies[0].policy_arn, namespaces.join(",")))
    } else {
        Step::text("Give the access entry a Kubernetes group, and bind a role for these resources to it by RBAC: access policies for administrators, editors and viewers do not cover custom resources.")
    };
    vec![
        RULE.finding(
            Confidence::Certain,
            format!("Your access entry has {}; {} lies outside.", words.join(" and "), question.sentence()),
            seen(format!("{}/policies/seen", mapped.source.path()), words.join("; ")),
            step,
        )
        .step(Step::command("kubectl auth can-i --list does not show what access policies give; ask for single things", shell!("kaccess can-i {} {}", question.verb, question.resource)))
        .cite(seen(format!("/access/seen/checks/{index}"), format!("{}: no", question.sentence())))
        .cite(seen("/identity/seen/user", format!("signed in as {:?}", identity.user.username))),
    ]
}
