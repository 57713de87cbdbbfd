//! The namespace does not permit the role in kiam.

use crate::apiserver::message::heard;
use crate::aws::link_id;
use crate::aws::workload::{flag, refuses, switch, Judgement, KIAM_PERMITTED};
use crate::evidence::workload::Namespace;
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step};
use crate::rules::{Case, Page, Rule, pod_role};

/// The rule.
pub static RULE: Rule = Rule {
    code: "kiam-namespace-not-permitted",
    severity: Severity::Error,
    title: "The namespace does not permit the role in kiam",
    page: Page {
        means: "kiam gives a role only where the namespace's annotation iam.amazonaws.com/permitted, a regular expression, fits it: since version 4 its whole ARN, from beginning to end. Without the annotation nothing is permitted.",
        evidence: "The namespace's annotation against the role, kiam's words (namespace policy expression ... forbids role), or the Pod's event KiamRoleForbidden.",
        fix: "Permit the role in the Pod's namespace: `kubectl annotate namespace NAMESPACE iam.amazonaws.com/permitted=EXPRESSION --overwrite`.",
        references: "https://github.com/uswitch/kiam",
    },
    recognises: &[&heard::KIAM_NAMESPACE, &heard::KIAM_FORBIDDEN],
    explains: &[],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(judged) = pod_role::agents(case) else { return Vec::new() };
    let link = judged.broken(link_id::KIAM_NAMESPACE);
    let words = pod_role::met_or_event(case, &["forbidden by policy", "namespace policy expression", "KiamRoleForbidden"]);
    let Some(cite) = link.map(pod_role::cite).or_else(|| words.clone()) else { return Vec::new() };
    let server = judged.agent("kiam-server").map(|(server, _)| server.args.as_slice()).unwrap_or_default();
    let role = judged.iam_role().unwrap_or("ROLE");
    let arn = judged.resolved_role(role, flag(server, "--role-base-arn")).unwrap_or_else(|| role.to_owned());
    vec![
        RULE.finding(
            Confidence::Certain,
            format!("kiam compares {arn} with the namespace's annotation iam.amazonaws.com/permitted, and that does not fit."),
            cite,
            permit(judged, &arn),
        )
        .cite_if(link.and(words)),
    ]
}

/// The step that permits a role besides what the namespace permits today, which may be the way of others.
fn permit(judged: &Judgement<'_>, arn: &str) -> Step {
    let namespace = judged.account_name().0;
    let server = judged.agent("kiam-server").map(|(server, _)| server.args.as_slice()).unwrap_or_default();
    let escaped = regex::escape(arn);
    // Where kiam does not bind the expression itself, it would fit longer names as well.
    let bare = switch(server, "--disable-strict-namespace-regexp");
    let role = if bare { format!("^{escaped}$") } else { escaped };
    // Of a text of 2048 letters the end may be missing.
    let whole = |one: &&Namespace| one.annotations.get(KIAM_PERMITTED).is_none_or(|text| text.chars().count() < 2048);
    let Some(today) = judged.workload.namespace.seen().filter(whole) else {
        return Step::command(
            format!("Have the namespace's annotation {KIAM_PERMITTED} fit {role} as well"),
            shell!("kubectl edit namespace {}", namespace),
        );
    };
    let today = today.annotations.get(KIAM_PERMITTED).filter(|old| !old.is_empty() && !refuses(old));
    let (why, expression) = match today {
        Some(old) => ("Permit this role too; what was permitted stays", format!("({old}|{role})")),
        None => ("Permit exactly this role", role),
    };
    Step::command(why, shell!("kubectl annotate namespace {} --overwrite iam.amazonaws.com/permitted={}", namespace, expression))
}
