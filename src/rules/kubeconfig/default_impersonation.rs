//! The user entry acts as somebody else with every request.

use crate::apiserver::message::heard;
use crate::report::shell::{Shell, shell};
use crate::report::{Confidence, Finding, Severity, Step};
use crate::rules::kubeconfig_fault::{complaint, user};
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "default-impersonation",
    severity: Severity::Warning,
    title: "Every request acts as somebody else",
    page: Page {
        means: "The user entry has as (or as-groups): each request asks to be somebody else. Without the right to impersonate everything ends in 403 \"cannot impersonate\"; with it, kubectl shows what that other user may do. Groups without a user are refused by kubectl itself.",
        evidence: "The fields as, as-uid, as-groups and as-user-extra of the user entry.",
        fix: "Take them out, and use --as where it is wanted. `kubectl config unset users.USER.as`.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/authentication/#user-impersonation",
    },
    recognises: &[&heard::IMPERSONATE_NOBODY],
    explains: &["rbac-no-grant"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(complaint) = complaint(case, RULE.code) else { return Vec::new() };
    let name = user(case);
    let commands: Vec<Shell> = ["act-as", "act-as-uid", "act-as-groups", "act-as-user-extra"]
        .iter()
        .map(|field| shell!("kubectl config unset users.{}.{}", name, field))
        .collect();
    let why = if complaint.refused {
        format!("{}: kubectl stops here.", complaint.detail)
    } else {
        format!("{}. What follows is about that user, not about the one who logged in.", complaint.detail)
    };
    let mut finding = RULE.finding(
        Confidence::Certain,
        why,
        complaint.cite,
        Step::command("If that is not meant, take it out", Shell::join(commands, "; ")),
    );
    if complaint.refused {
        finding.severity = Severity::Error;
        finding = finding.titled("The user entry impersonates groups and names no user");
    }
    vec![finding]
}
