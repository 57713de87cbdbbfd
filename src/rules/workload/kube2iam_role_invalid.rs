//! kube2iam cannot become the role that the Pod names.

use crate::apiserver::message::heard;
use crate::report::{Confidence, Finding, Severity, Step};
use crate::rules::{Case, Page, Rule, links};

/// The rule.
pub static RULE: Rule = Rule {
    code: "kube2iam-role-invalid",
    severity: Severity::Error,
    title: "kube2iam cannot become the role that the Pod names",
    page: Page {
        means: "kube2iam takes a whole ARN, or a name that it completes with --base-role-arn or --auto-discover-base-arn. The role must exist.",
        evidence: "The annotation against kube2iam's flags, and iam:GetRole; or its words: Invalid role.",
        fix: "Write the whole ARN into the Pod template's annotation, or give kube2iam `--base-role-arn=arn:aws:iam::ACCOUNT:role/`.",
        references: "https://github.com/jtblin/kube2iam",
    },
    recognises: &[&heard::KUBE2IAM_ROLE],
    explains: &["workload-uses-node-role", "metadata-unreachable"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(judged) = &case.workload else { return Vec::new() };
    let link = judged.broken("kube2iam-role-name").or_else(|| judged.broken("kube2iam-role"));
    let words = links::said(case, &["Invalid role "]).filter(|_| judged.agent("kube2iam").is_some());
    let Some(cite) = link.map(links::cite).or(words) else { return Vec::new() };
    let role = judged.iam_role().unwrap_or("ROLE");
    let account = judged.own_account().unwrap_or("ACCOUNT");
    let text = link.map_or_else(|| "kube2iam says that the role is invalid".to_owned(), |link| link.seen.clone());
    let arn = if role.starts_with("arn:") { "ARN".to_owned() } else { format!("arn:aws:iam::{account}:role/{}", role.trim_start_matches('/')) };
    vec![
        RULE.finding(
            Confidence::Certain,
            format!("{text}."),
            cite,
            Step::manifest("Name the role wholly in the Pod template", format!("metadata:\n  annotations:\n    iam.amazonaws.com/role: {arn}")),
        )
        .step(Step::text(format!("Or give kube2iam the beginning of all its roles: --base-role-arn=arn:aws:iam::{account}:role/"))),
    ]
}
