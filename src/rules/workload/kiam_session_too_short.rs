//! kiam's sessions are shorter than SDKs bear.

use crate::aws::workload::{flag, session_seconds};
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::{Case, Page, Rule, pod_role};

/// The rule.
pub static RULE: Rule = Rule {
    code: "kiam-session-too-short",
    severity: Severity::Warning,
    title: "kiam's sessions are shorter than SDKs bear",
    page: Page {
        means: "kiam gives credentials for 15 minutes unless it is told otherwise (--session-duration). Several SDKs, the Java one first, renew credentials that have less than 15 minutes left: with such sessions they renew all the time, and are throttled. STS refuses sessions of less than 15 minutes.",
        evidence: "The flags of kiam's server.",
        fix: "Give kiam's server a longer session, `--session-duration=60m`.",
        references: "https://github.com/uswitch/kiam",
    },
    recognises: &[],
    explains: &[],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(judged) = pod_role::agents(case) else { return Vec::new() };
    let Some((server, at)) = judged.agent("kiam-server") else { return Vec::new() };
    let told = flag(&server.args, "--session-duration").filter(|text| !text.is_empty());
    let seconds = match told.map(session_seconds) {
        None => 900,
        Some(Some(seconds)) => seconds,
        // A text that is no duration: kiam itself would not start with it.
        Some(None) => return Vec::new(),
    };
    if seconds > 900 {
        return Vec::new();
    }
    let text = told.map_or_else(|| "no --session-duration: 15 minutes".to_owned(), |told| format!("--session-duration={told}"));
    let (confidence, why) = if seconds < 900 {
        (Confidence::Certain, "STS refuses sessions of less than 15 minutes.")
    } else {
        (Confidence::Possible, "SDKs that renew what has less than 15 minutes left renew all the time.")
    };
    vec![RULE.finding(
        confidence,
        format!("kiam's server gives {text}. {why}"),
        seen(format!("{at}/args"), text.clone()),
        Step::text("Start kiam's server with --session-duration=60m (the role's MaxSessionDuration allows an hour unless it was lowered)."),
    )]
}
