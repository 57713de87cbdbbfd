//! A mapping without groups and policies.

use crate::apiserver::authz::{World, suggestion};
use crate::apiserver::message::{heard, tools};
use crate::aws::identity::Source;
use crate::evidence::eks::AccessEntry;
use crate::evidence::identity::User;
use crate::report::{seen, Citation, Confidence, Finding, Severity, Step};
use crate::report::shell::{quoted, shell};
use crate::rules::{eks, slug, Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "iam-identity-without-permissions",
    severity: Severity::Error,
    title: "Your AWS identity is mapped, and has no permission in the cluster",
    page: Page {
        means: "Authentication worked: the cluster knows your AWS identity. But its mapping gives no access policy, and no group that a binding names, so every question is answered no.",
        evidence: "The access entry (or the line of aws-auth) without policies and groups, and the server's own no.",
        fix: "Associate an access policy with the entry, or give it a group that RBAC binds. `aws eks associate-access-policy --cluster-name CLUSTER --principal-arn ARN --policy-arn POLICY --access-scope type=cluster`.",
        references: "https://docs.aws.amazon.com/eks/latest/userguide/access-policies.html",
    },
    recognises: &[&heard::FORBIDDEN_OLD, &tools::EKS_CONSOLE],
    explains: &["rbac-no-grant"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let (Some(identity), Some(access)) = (case.evidence.identity.seen(), case.evidence.access.seen()) else { return Vec::new() };
    let Some((mapped, entry)) = eks::mapped_entry(case) else { return Vec::new() };
    let index = match &case.evidence.asked.question {
        Some(question) => access.checks.iter().position(|check| check.question == *question && !check.allowed),
        None => (!access.checks.is_empty() && access.checks.iter().all(|check| !check.allowed)).then_some(0),
    };
    let Some(index) = index else { return Vec::new() };
    let cluster = eks::cluster(case);
    let answer = seen(format!("/access/seen/checks/{index}"), format!("{}: no", access.checks[index].question.sentence()));
    let (confidence, first, what, step) = match entry {
        Some(entry) => {
            let policies = entry.policies.seen();
            let (Some(details), true) = (entry.details.seen(), policies.is_none_or(Vec::is_empty)) else { return Vec::new() };
            if !details.groups.is_empty() {
                return Vec::new();
            }
            if policies.is_none() {
                return vec![unread(case, mapped.source.path(), entry, answer)];
            }
            (
                Confidence::Certain,
                seen(mapped.source.path(), "the access entry has no policy and no group"),
                "your access entry has neither an access policy nor a Kubernetes group".to_owned(),
                match eks::associate(case, &quoted(&entry.principal_arn)) {
                    Some(command) => Step::command("Have an administrator of the AWS account give it a policy (this one covers what was asked; --access-scope type=namespace,namespaces=NAMES keeps it to namespaces)", command),
                    // Only the policy for everything would do.
                    None => Step::command(
                        "Have an administrator of the AWS account give it a group, and bind a role to that group",
                        shell!("aws eks update-access-entry --cluster-name {} --principal-arn {} --kubernetes-groups GROUP", cluster, entry.principal_arn),
                    ),
                },
            )
        }
        // A line of mapAccounts cannot give any: what names the identity itself can.
        None if matches!(mapped.source, Source::Account { .. }) => (
            Confidence::Certain,
            seen(mapped.source.path(), format!("{} names the account, and gives no group", mapped.source.words())),
            format!("{} maps you by your account, which never gives a group", mapped.source.words()),
            eks::map_caller(case),
        ),
        None if mapped.groups.is_empty() => (
            Confidence::Certain,
            seen(mapped.source.path(), format!("{} gives no group", mapped.source.words())),
            format!("{} maps you without any group", mapped.source.words()),
            Step::command("Have an administrator add a group that RBAC binds to that entry", "kubectl -n kube-system edit configmap aws-auth"),
        ),
        None => return Vec::new(),
    };
    vec![
        RULE.finding(
            confidence,
            format!("The API server knows you as {:?}, but {what}, so it answers no to {}.", identity.user.username, access.checks[index].question.sentence()),
            first,
            step,
        )
        .step(bind(case, &identity.user))
        .cite(answer)
        .cite(seen("/identity/seen/user", format!("signed in as {:?}", identity.user.username))),
    ]
}

/// The entry has no group, and its policies could not be read: they may be what is missing, or be for other places.
fn unread(case: &Case<'_>, path: String, entry: &AccessEntry, answer: Citation) -> Finding {
    let why = entry.policies.failed().map_or_else(|| "they were not read".to_owned(), |failure| failure.detail.clone());
    let mut finding = RULE
        .finding(
            Confidence::Possible,
            format!("Your access entry has no Kubernetes group, and whether it has an access policy is not known here: {why}. Without one every question is answered no; with one that is for other namespaces, this one is."),
            seen(format!("{path}/details/seen"), "the access entry has no group"),
            Step::command(
                "Have somebody with eks:ListAssociatedAccessPolicies see which policies it has, and for which namespaces",
                shell!("aws eks list-associated-access-policies --cluster-name {} --principal-arn {}", eks::cluster(case), entry.principal_arn),
            ),
        )
        .titled("Your AWS identity is mapped, and may have no permission in the cluster")
        .cite(answer);
    if let Some(command) = eks::associate(case, &quoted(&entry.principal_arn)) {
        finding = finding.step(Step::command("If it has none, have it given one (this one covers what was asked)", command));
    }
    // The server's no is certain, and this is not.
    finding.explains = &[];
    finding
}

/// The same by RBAC: exactly what was asked, else to look around in the namespace.
fn bind(case: &Case<'_>, user: &User) -> Step {
    if let Some(question) = &case.evidence.asked.question {
        let world = case.evidence.rbac.seen().map(World::new);
        return Step::manifest("Or bind a role to the user by RBAC", suggestion::manifest(world.as_ref(), user, question));
    }
    let namespace = case.evidence.kubeconfig.seen().map_or("default", |kubeconfig| kubeconfig.namespace.as_str());
    Step::command(
        "Or bind a role to the user by RBAC, for example to look around in your namespace",
        shell!("kubectl create rolebinding {}-view --clusterrole=view --user={} --namespace={}", slug(&user.username), user.username, namespace),
    )
}
