//! Two entries of one ARN in aws-auth.

use crate::aws::identity::Entry;
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::{Case, Page, Rule, eks};

/// The rule.
pub static RULE: Rule = Rule {
    code: "aws-auth-duplicate",
    severity: Severity::Warning,
    title: "aws-auth names your role twice, and only the last entry counts",
    page: Page {
        means: "The authenticator keeps one entry for an ARN, compared without regard to capitals: of two roles the last one. The other's groups are never given.",
        evidence: "Both lines of aws-auth.",
        fix: "Put both entries' groups into one. `kubectl edit configmap aws-auth -n kube-system`.",
        references: "https://docs.aws.amazon.com/eks/latest/userguide/auth-configmap.html",
    },
    recognises: &[],
    explains: &[],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let (Some((_, arn)), Some(all)) = (eks::caller(case), eks::aws_auth(case)) else { return Vec::new() };
    let mut same: Vec<_> = all.entries.iter().filter(|entry| entry.arn.eq_ignore_ascii_case(&arn)).collect();
    // The roles stand first, and are looked into first.
    let section = same.first().map(|entry| entry.section);
    same.retain(|entry| Some(entry.section) == section);
    let Some((last, earlier)) = same.split_last() else { return Vec::new() };
    let differs = |entry: &&&Entry| entry.username != last.username || entry.groups != last.groups;
    let Some(first) = earlier.iter().find(differs) else { return Vec::new() };
    let counts = if first.section == "mapRoles" { format!("only line {} counts", last.line) } else { "which of them counts is left to chance where they differ in capitals".to_owned() };
    let finding = RULE
        .finding(
            Confidence::Certain,
            format!("{arn} stands in {} at line {} (groups {:?}) and at line {} (groups {:?}): {counts}.", first.section, first.line, first.groups, last.line, last.groups),
            seen(format!("/aws/awsAuth/seen/data/{}", first.section), format!("{} lines {} and {}", first.section, first.line, last.line)),
            Step::command("Put both entries' groups into one entry", "kubectl -n kube-system edit configmap aws-auth"),
        )
        .cite_if(eks::cite_caller(case));
    vec![if same.len() > 2 && section == Some("mapRoles") {
        finding.titled("aws-auth names your role several times, and only the last entry counts")
    } else {
        finding
    }]
}
