//! An ARN of the wrong kind in aws-auth.

use crate::aws::identity::Arn;
use crate::report::{Confidence, Finding, Severity};
use crate::rules::{Case, Page, Rule, eks};

/// The rule.
pub static RULE: Rule = Rule {
    code: "aws-auth-wrong-arn-kind",
    severity: Severity::Error,
    title: "aws-auth names a session or an instance profile instead of your role",
    page: Page {
        means: "aws-auth wants the ARN of the IAM role (arn:aws:iam::ACCOUNT:role/NAME). The ARN that sts get-caller-identity prints is the session's (assumed-role/NAME/SESSION), and an instance profile only carries a role: neither is ever compared.",
        evidence: "The rolearn in aws-auth, which names your role by another kind of ARN.",
        fix: "Write the role's ARN. `kubectl edit configmap aws-auth -n kube-system`.",
        references: "https://docs.aws.amazon.com/eks/latest/userguide/auth-configmap.html",
    },
    recognises: &[],
    explains: &["credential-rejected", "iam-identity-not-mapped"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some((arn, all, refused)) = eks::left_out(case) else { return Vec::new() };
    let own = Arn::parse(&arn);
    let wrong = |text: &str| {
        let parsed = Arn::parse(text)?;
        let same = own.is_some_and(|own| own.account == parsed.account && own.name().eq_ignore_ascii_case(parsed.name()));
        match parsed.kind() {
            "assumed-role" if same => Some("a session of the role"),
            "instance-profile" if same => Some("an instance profile"),
            _ => None,
        }
    };
    let Some((entry, what)) = all.entries.iter().find_map(|entry| Some((entry, wrong(&entry.arn)?))) else { return Vec::new() };
    // An instance profile often has its role's name, and need not.
    let confidence = if eks::unmapped(case) && what != "an instance profile" { Confidence::Certain } else { Confidence::Likely };
    vec![
        RULE.finding(
            confidence,
            format!("aws-auth ({} line {}) names {}, which is {what}. The authenticator compares {arn}.", entry.section, entry.line, entry.arn),
            eks::cite_line(entry),
            eks::correct_line(entry, &arn),
        )
        .cite_if(eks::cite_caller(case))
        .cite(refused),
    ]
}
