//! An access policy's scope or kind of resources.

use crate::aws::identity::{includes, policy_allows, policy_for};
use crate::evidence::access::Question;
use crate::evidence::eks::{AccessEntry, AssociatedPolicy};
use crate::report::{seen, Confidence, Finding, Severity, Step};
use crate::report::shell::{quoted, shell, Shell};
use crate::rules::refusal::can_i;
use crate::rules::{eks, Case, Page, Rule};

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
    let (Some(identity), Some(access)) = (case.evidence.identity.seen(), case.evidence.access.seen()) else { return Vec::new() };
    let Some((mapped, Some(entry))) = eks::mapped_entry(case) else { return Vec::new() };
    let Some(policies) = entry.policies.seen().filter(|policies| !policies.is_empty()) else { return Vec::new() };
    let Some(question) = &case.evidence.asked.question else { return Vec::new() };
    let Some(index) = access.checks.iter().position(|check| check.question == *question && !check.allowed) else { return Vec::new() };
    // Only where each policy excludes it by scope or kind; what a policy holds in detail is not judged here.
    if !policies.iter().all(|policy| policy_allows(policy, question) == Some(false)) {
        return Vec::new();
    }
    let words: Vec<String> = policies.iter().map(|policy| format!("{} for {}", policy.name(), policy.place())).collect();
    let mut steps = grants(case, entry, policies, question).into_iter();
    let Some(step) = steps.next() else { return Vec::new() };
    let finding = RULE.finding(
        Confidence::Certain,
        format!("Your access entry has {}; {} lies outside.", words.join(" and "), question.sentence()),
        seen(format!("{}/policies/seen", mapped.source.path()), words.join("; ")),
        step,
    );
    let finding = steps.fold(finding, Finding::step);
    vec![
        finding
            .step(Step::command("kubectl auth can-i --list does not show what access policies give; ask for single things", can_i(question, None)))
            .cite(seen(format!("/access/seen/checks/{index}"), format!("{}: no", question.sentence())))
            .cite(seen("/identity/seen/user", format!("signed in as {:?}", identity.user.username))),
    ]
}

/// What gives exactly this: a policy that the entry has, for one place more, where it covers the question; else the smallest
/// that does; else a group.
fn grants(case: &Case<'_>, entry: &AccessEntry, policies: &[AssociatedPolicy], question: &Question) -> Vec<Step> {
    let which = shell!("--cluster-name {} --principal-arn {}", eks::cluster(case), entry.principal_arn);
    let wanted = policy_for(question);
    let covers = |policy: &&AssociatedPolicy| {
        let name = policy.name();
        policy.scope == "namespace" && wanted.map_or(name == "AmazonEKSClusterAdminPolicy", |wanted| includes(name, wanted))
    };
    if let Some(policy) = policies.iter().find(covers) {
        let associate = shell!("aws eks associate-access-policy {} --policy-arn {} --access-scope", which, policy.policy_arn);
        if question.namespace.is_empty() {
            return vec![Step::command("Have the policy associated for the whole cluster, if that is meant", shell!("{} type=cluster", associate))];
        }
        let mut namespaces = policy.namespaces.clone();
        namespaces.push(question.namespace.clone());
        return vec![Step::command("Have the namespace added to its scope (the list is replaced as a whole)", shell!("{} type=namespace,namespaces={}", associate, namespaces.join(",")))];
    }
    let groups = entry.details.seen().map(|details| details.groups.as_slice()).unwrap_or_default();
    let groups = Shell::join(groups.iter().map(|group| quoted(group)).chain([Shell::from("GROUP")]), " ");
    let group = |text: &str| Step::command(text, shell!("aws eks update-access-entry {} --kubernetes-groups {}", which, groups));
    match (wanted, eks::associate(case, &quoted(&entry.principal_arn))) {
        (Some("AmazonEKSAdminViewPolicy"), Some(associate)) => vec![
            group("Give the access entry a Kubernetes group, and bind a role for exactly these resources to it by RBAC"),
            Step::command("Or have it given the policy that covers what was asked: it reads everything in its scope, Secrets too", associate),
        ],
        (Some(_), Some(associate)) => vec![
            Step::command("Have an administrator of the AWS account give it the policy that covers what was asked; none of its own does", associate),
        ],
        _ => vec![group("Give the access entry a Kubernetes group, and bind a role for these resources to it by RBAC: short of the one for everything, no access policy covers what was asked")],
    }
}
