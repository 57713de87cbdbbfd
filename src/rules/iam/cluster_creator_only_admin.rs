//! No administrator but the creator.

use crate::apiserver::authz::{self, MASTERS, Resolved, World};
use crate::apiserver::message;
use crate::aws::identity::{self, Mode};
use crate::evidence::FailureKind;
use crate::evidence::eks::Aws;
use crate::evidence::rbac::Subject;
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::rbac::authorization_not_enforced::everything;
use crate::rules::{Case, Page, Rule, Word, eks};

/// The rule.
pub static RULE: Rule = Rule {
    code: "cluster-creator-only-admin",
    severity: Severity::Warning,
    title: "Only whoever made the cluster is its administrator",
    page: Page {
        means: "No access entry has the cluster-admin policy, and aws-auth names nobody in system:masters. The IAM principal that created the cluster may still be an administrator, invisible in CONFIG_MAP; if that role or user is gone, nobody is.",
        evidence: "The access entries with AmazonEKSClusterAdminPolicy, and aws-auth.",
        fix: "Give an administrators' role an access entry with AmazonEKSClusterAdminPolicy, through the EKS API, which needs IAM rights only. `aws eks create-access-entry --cluster-name CLUSTER --principal-arn ARN`, then `aws eks associate-access-policy`.",
        references: "https://docs.aws.amazon.com/eks/latest/userguide/creating-access-entries.html",
    },
    recognises: &[&message::IAM_CREATOR],
    explains: &[],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(aws) = eks::aws(case) else { return Vec::new() };
    let (Some(cluster), Some((mode, _))) = (aws.cluster.seen(), Mode::of(aws)) else { return Vec::new() };
    let mut cites = Vec::new();
    if mode.reads_entries() {
        let Some(administrators) = aws.administrators.seen() else { return Vec::new() };
        if administrators.total > 0 {
            return Vec::new();
        }
        cites.push(seen("/aws/administrators/seen", "no access entry has AmazonEKSClusterAdminPolicy"));
    }
    if mode.reads_config_map() {
        match (aws.aws_auth.seen(), aws.aws_auth.failed()) {
            (Some(auth), _) => {
                let all = identity::mappings(&auth.data);
                if all.entries.iter().any(|entry| entry.groups.iter().any(|group| group == "system:masters")) {
                    return Vec::new();
                }
                cites.push(seen("/aws/awsAuth/seen/data", "aws-auth names nobody in system:masters"));
            }
            (None, Some(failure)) if failure.kind == FailureKind::NotFound => cites.push(seen("/aws/awsAuth/failed/detail", failure.detail.clone())),
            _ => return Vec::new(),
        }
    }
    // A group of one's own may be bound to cluster-admin; whoever may do everything is such a one.
    if case.evidence.access.seen().is_some_and(|access| access.checks.iter().any(|check| check.allowed && check.question.verb == "*")) {
        return Vec::new();
    }
    if by_rbac(case, aws, mode) {
        return Vec::new();
    }
    let mut cites = cites.into_iter();
    let Some(first) = cites.next() else { return Vec::new() };
    let mut finding = RULE.finding(
        Confidence::Likely,
        "Neither access entries nor aws-auth name an administrator. Whoever created the cluster may still be one; if that role or user is deleted, nobody is (unless RBAC binds a group of your own to cluster-admin).",
        first,
        Step::command(
            "Give an administrators' role an entry with the cluster-admin policy (this needs IAM rights, none in the cluster; in the mode CONFIG_MAP switch to API_AND_CONFIG_MAP first)",
            shell!("aws eks create-access-entry --cluster-name {0} --principal-arn ADMIN_ROLE_ARN && aws eks associate-access-policy --cluster-name {0} --principal-arn ADMIN_ROLE_ARN --access-scope type=cluster --policy-arn {1}", cluster.name, eks::access_policy(case, "AmazonEKSClusterAdminPolicy")),
        ),
    );
    for cite in cites {
        finding = finding.cite(cite);
    }
    vec![finding.cite_if(case.said(&message::IAM_CREATOR).map(Word::cite))]
}

/// RBAC makes an administrator of somebody whom aws-auth or an access entry names, or who is signed in here.
fn by_rbac(case: &Case<'_>, aws: &Aws, mode: Mode) -> bool {
    let Some(rbac) = case.evidence.rbac.seen() else { return false };
    let auth = aws.aws_auth.seen().filter(|_| mode.reads_config_map()).map(|auth| identity::mappings(&auth.data).entries);
    let entries = aws.access_entries.seen().filter(|_| mode.reads_entries()).map(|all| all.entries.as_slice());
    let details = entries.unwrap_or_default().iter().filter_map(|entry| entry.details.seen());
    let mut mapped: Vec<(&str, &[String])> =
        details.map(|details| (details.username.as_str(), details.groups.as_slice())).collect();
    mapped.extend(auth.iter().flatten().map(|entry| (entry.username.as_str(), entry.groups.as_slice())));
    let user = case.evidence.identity.seen().map(|identity| &identity.user);
    // In system:masters is the creator as well.
    let person = |subject: &Subject| match subject.kind.as_ref() {
        "Group" if subject.name != MASTERS => mapped.iter().any(|(_, groups)| groups.contains(&subject.name)),
        "User" => mapped.iter().any(|(name, _)| *name == subject.name),
        _ => false,
    };
    let here = |subject: &Subject| {
        subject.kind != "ServiceAccount"
            && subject.name != MASTERS
            && user.is_some_and(|user| authz::applies(subject, "", user))
    };
    let world = World::new(rbac);
    rbac.bindings.iter().filter(|binding| binding.kind == "ClusterRoleBinding").any(|binding| {
        binding.subjects.iter().any(|subject| person(subject) || here(subject))
            && matches!(world.resolve(binding), Resolved::Role(role) if role.resource_rules.iter().any(everything))
    })
}
