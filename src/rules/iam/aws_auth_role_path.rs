//! A role's path in aws-auth.

use crate::aws::identity::{Arn, without_path};
use crate::report::{Confidence, Finding, Severity, Step};
use crate::rules::{Case, Page, Rule, eks};

/// The rule.
pub static RULE: Rule = Rule {
    code: "aws-auth-role-path",
    severity: Severity::Error,
    title: "aws-auth names your role with its path, and the authenticator sees roles without",
    page: Page {
        means: "An assumed role's ARN holds no path, and that is what the authenticator compares. An entry with a path (roles of IAM Identity Center have one: aws-reserved/sso.amazonaws.com/) never matches.",
        evidence: "The rolearn in aws-auth beside your ARN: equal but for the path.",
        fix: "Take the path out of the rolearn: role/NAME only. Access entries in contrast want the ARN with the path. `kubectl edit configmap aws-auth -n kube-system`.",
        references: "https://docs.aws.amazon.com/eks/latest/userguide/auth-configmap.html",
    },
    recognises: &[],
    explains: &["credential-rejected", "iam-identity-not-mapped"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some((arn, all, refused)) = eks::left_out(case) else { return Vec::new() };
    let Some(entry) = all.entries.iter().find(|entry| !entry.arn.eq_ignore_ascii_case(&arn) && without_path(&entry.arn).eq_ignore_ascii_case(&arn)) else {
        return Vec::new();
    };
    let path = Arn::parse(&entry.arn).and_then(|arn| arn.path()).unwrap_or_default();
    let confidence = if eks::unmapped(case) { Confidence::Certain } else { Confidence::Likely };
    vec![
        RULE.finding(
            confidence,
            format!("aws-auth ({} line {}) names {}. The authenticator compares {arn}, without the path {path}, so the entry never fits.", entry.section, entry.line, entry.arn),
            eks::cite_line(entry),
            eks::correct_line(entry, &arn),
        )
        .step(Step::text("Or make an access entry, which takes the ARN with its path, where the cluster's mode is API_AND_CONFIG_MAP or API."))
        .cite_if(eks::cite_caller(case))
        .cite(refused),
    ]
}
