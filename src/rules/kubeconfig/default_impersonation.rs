//! The user entry acts as somebody else with every request.

use crate::apiserver::message::heard;
use crate::report::shell::{Shell, shell};
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::kubeconfig_fault::{complaint, user};
use crate::rules::{Case, Page, Rule, clip};

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
    let Some(complaint) = complaint(case, RULE.code) else { return by_flags(case).into_iter().collect() };
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

/// The API server was asked to take somebody for a member of groups, and for nobody by name.
fn by_flags(case: &Case<'_>) -> Option<Finding> {
    let failure = case.evidence.identity.failed()?;
    if !failure.detail.contains("without impersonating a user") {
        return None;
    }
    let mut finding = RULE.finding(
        Confidence::Certain,
        "The request names groups, a uid or extra values to act as, and no user. The API server answers each such request with 400, and kubectl does not send it at all.",
        seen("/identity/failed/detail", clip(&failure.detail, 240)),
        Step::text("Name the user with --as as well, or leave --as-group, --as-uid and --as-user-extra out."),
    );
    finding.severity = Severity::Error;
    Some(finding.titled("The request acts as a member of groups and names no user"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{Evidence, Failure, FailureKind, Observation, Outcome};

    #[test]
    fn groups_without_a_user_are_a_finding_by_flags_too() {
        let text = include_str!("../../../testdata/cases/impersonation-denied-asked/evidence.json");
        let mut evidence: Evidence = serde_json::from_str(text).expect("evidence");
        assert!(check(&Case::new(&evidence)).is_empty());
        // Synthetic: the words are those of a kube-apiserver 1.36, put into a case of another question.
        let detail = "400 Bad Request: requested &user.DefaultInfo{Name:\"\", UID:\"\", Groups:[]string{\"g\"}, Extra:map[string][]string(nil)} without impersonating a user name";
        evidence.identity = Observation::at_rest(Outcome::Failed(Failure::new(FailureKind::Http, detail)));
        let found = check(&Case::new(&evidence));
        assert_eq!(found.iter().map(|finding| finding.severity).collect::<Vec<_>>(), [Severity::Error]);
        let means = crate::rules::reading::read(detail);
        assert_eq!(means.first().map(|reading| reading.code), Some(RULE.code));
    }
}
