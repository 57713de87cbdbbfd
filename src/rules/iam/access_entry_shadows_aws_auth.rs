//! Both stores map the caller.

use crate::aws::identity::{self, Source, Verdict};
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::{Case, Page, Rule, eks};

/// The rule.
pub static RULE: Rule = Rule {
    code: "access-entry-shadows-aws-auth",
    severity: Severity::Warning,
    title: "Your access entry hides your line in aws-auth",
    page: Page {
        means: "Access entries are looked at first, and the first mapping counts. The name and the groups that aws-auth gives for the same role are never used.",
        evidence: "Both mappings.",
        fix: "Put the groups into the access entry, and take the line out of aws-auth. `aws eks update-access-entry --cluster-name CLUSTER --principal-arn ARN --kubernetes-groups GROUP`.",
        references: "https://docs.aws.amazon.com/eks/latest/userguide/migrating-access-entries.html",
    },
    recognises: &[],
    explains: &[],
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
    let groups = details.groups.iter().chain(lost).cloned().collect::<Vec<_>>().join(",");
    let principal = aws.access_entries.seen().map_or_else(String::new, |all| all.entries[index].principal_arn.clone());
    vec![
        RULE.finding(
            Confidence::Certain,
            format!("{arn} has an access entry and stands in {} too. The access entry counts; {} of aws-auth do not.", line.source.words(), loss.join(" and ")),
            seen(entry.source.path(), format!("the access entry gives the groups {:?}", details.groups)),
            Step::command("Put the groups into the access entry, if they are meant", shell!("aws eks update-access-entry --cluster-name {} --principal-arn {} --kubernetes-groups {}", eks::cluster(case), principal, groups)),
        )
        .step(Step::command("Then take the line out of aws-auth", "kubectl -n kube-system edit configmap aws-auth"))
        .cite(seen(line.source.path(), format!("{} gives the groups {:?}", line.source.words(), line.groups))),
    ]
}
