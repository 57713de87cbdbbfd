//! Both stores map the caller.

use crate::aws::identity::{self, Mapped, Mappings, Source, Verdict};
use crate::evidence::eks::AccessEntryDetails;
use crate::report::{seen, Confidence, Finding, Severity, Step};
use crate::report::shell::{quoted, shell, Shell};
use crate::rules::{eks, Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "access-entry-shadows-aws-auth",
    severity: Severity::Warning,
    title: "Your access entry hides your line in aws-auth",
    page: Page {
        means: "Access entries are looked at first, and the first mapping counts. The name and the groups that aws-auth gives for the same role are never used.",
        evidence: "Both mappings.",
        fix: "Put the groups into the access entry (separated by blanks), and take the line out of aws-auth. An entry takes no group that begins with system:; instead of system:masters it gets the policy AmazonEKSClusterAdminPolicy. `aws eks update-access-entry --cluster-name CLUSTER --principal-arn ARN --kubernetes-groups GROUP GROUP`.",
        references: "https://docs.aws.amazon.com/eks/latest/userguide/migrating-access-entries.html",
    },
    recognises: &[],
    explains: &["iam-identity-without-permissions"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let (Some(aws), Some((caller, arn)), Some(all)) = (eks::aws(case), eks::caller(case), eks::aws_auth(case)) else { return Vec::new() };
    let Some(Verdict::Mapped(entry)) = &case.mapping else { return Vec::new() };
    let Source::AccessEntry(index) = entry.source else { return Vec::new() };
    let Some(line) = identity::aws_auth(&all, &arn, caller) else { return Vec::new() };
    let Some(details) = aws.access_entries.seen().and_then(|all| all.entries.get(index)?.details.seen()) else { return Vec::new() };
    let lost: Vec<&String> = line.groups.iter().filter(|group| !details.groups.contains(group)).collect();
    let renamed = line.username.is_some() && entry.username.is_some() && line.username != entry.username;
    if lost.is_empty() && !renamed {
        return Vec::new();
    }
    let mut loss = Vec::new();
    if !lost.is_empty() {
        loss.push(format!("groups {lost:?}"));
    }
    if renamed {
        loss.push(format!("the name {:?}", line.username.as_deref().unwrap_or_default()));
    }
    let principal = aws.access_entries.seen().map_or_else(String::new, |all| all.entries[index].principal_arn.clone());
    let which = shell!("--cluster-name {} --principal-arn {}", eks::cluster(case), principal);
    let name = if renamed { template(&all, &line) } else { None };
    let mut steps = carried_over(case, &which, details, &lost, name);
    let removal = if steps.is_empty() { "Take the line out of aws-auth, unless it is meant: the access entry cannot give what it gives" } else { "Then take the line out of aws-auth" };
    steps.push(Step::command(removal, "kubectl -n kube-system edit configmap aws-auth"));
    let mut steps = steps.into_iter();
    let Some(first) = steps.next() else { return Vec::new() };
    let counts = if loss.len() == 1 && lost.is_empty() { "does" } else { "do" };
    let mut finding = RULE.finding(
        Confidence::Certain,
        format!("{arn} has an access entry and stands in {} too. The access entry counts; {} of aws-auth {counts} not.", line.source.words(), loss.join(" and ")),
        seen(entry.source.path(), format!("the access entry gives the groups {:?}", details.groups)),
        first,
    );
    // Only an entry that gives nothing at all takes away what the line was meant to give.
    let bare = details.groups.is_empty() && aws.access_entries.seen().and_then(|all| all.entries.get(index)?.policies.seen()).is_some_and(Vec::is_empty);
    if lost.is_empty() || !bare {
        finding.explains = &[];
    }
    vec![steps.fold(finding, Finding::step).cite(seen(line.source.path(), format!("{} gives the groups {:?}", line.source.words(), line.groups)))]
}

/// The user name of the line as aws-auth has it, where an access entry takes it.
fn template(all: &Mappings, line: &Mapped) -> Option<String> {
    let Source::AwsAuth { section, line: at } = line.source else { return None };
    let name = &all.entries.iter().find(|entry| entry.section == section && entry.line == at)?.username;
    const RESERVED: &[&str] = &["system:", "eks:", "aws:", "amazon:", "iam:"];
    let reserved = RESERVED.iter().any(|prefix| name.to_ascii_lowercase().starts_with(prefix));
    // Of templates an entry takes the session's name only, and wants a colon before it.
    let known = name.replace("{{SessionNameRaw}}", "{{SessionName}}");
    let before = known.split("{{SessionName}}").next().unwrap_or_default();
    let templated = before.len() < known.len();
    let other = known.replace("{{SessionName}}", "").contains("{{");
    (!name.is_empty() && !reserved && !other && (!templated || before.contains(':'))).then(|| name.clone())
}

/// Gives the access entry what the line of aws-auth gives, as far as EKS takes it.
fn carried_over(case: &Case<'_>, which: &Shell, details: &AccessEntryDetails, lost: &[&String], name: Option<String>) -> Vec<Step> {
    // Entries of nodes have a name and groups that nobody may choose.
    if !matches!(details.kind.as_str(), "" | "STANDARD") {
        return Vec::new();
    }
    let (reserved, usual): (Vec<&String>, Vec<&String>) = lost.iter().copied().partition(|group| group.starts_with("system:"));
    let mut steps = Vec::new();
    if !usual.is_empty() {
        // The list is replaced as a whole, and takes one word for each group.
        let groups = Shell::join(details.groups.iter().chain(usual).map(|group| quoted(group)), " ");
        steps.push(Step::command("Put the groups into the access entry, if they are meant", shell!("aws eks update-access-entry {} --kubernetes-groups {}", which, groups)));
    }
    if reserved.iter().any(|group| *group == "system:masters") {
        steps.push(Step::command(
            "Give the access entry the policy that stands for system:masters, if that is meant (EKS takes no group that begins with system:)",
            shell!("aws eks associate-access-policy {} --access-scope type=cluster --policy-arn {}", which, eks::access_policy(case, "AmazonEKSClusterAdminPolicy")),
        ));
    }
    let others: Vec<&str> = reserved.iter().map(|group| group.as_str()).filter(|group| *group != "system:masters").collect();
    if !others.is_empty() {
        steps.push(Step::text(format!("EKS takes no group that begins with system: into an access entry: what {} may do is to be bound by RBAC to a group with another name.", others.join(" and "))));
    }
    if let Some(name) = name {
        steps.push(Step::command("Give the access entry the line's user name, where bindings name it", shell!("aws eks update-access-entry {} --username {}", which, name)));
    }
    steps
}
