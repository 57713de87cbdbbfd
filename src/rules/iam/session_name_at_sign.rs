//! The at sign of a session name.

use crate::apiserver::authz;
use crate::aws::identity::{Verdict, session};
use crate::evidence::identity::User;
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::{Case, Page, Rule, eks};

/// The rule.
pub static RULE: Rule = Rule {
    code: "session-name-at-sign",
    severity: Severity::Warning,
    title: "A binding names your session with @, which the mapping turns into a dash",
    page: Page {
        means: "Sessions of IAM Identity Center are named by e-mail address. {{SessionName}} in a mapping turns @ into -, so the user is .../jane-example.com, and a binding for .../jane@example.com never fits. {{SessionNameRaw}} keeps it.",
        evidence: "Your session's name, the user name that the cluster gives you, and the binding's subject.",
        fix: "Name the form with the dash in the binding, or use {{SessionNameRaw}} in the mapping. `kaccess whoami` shows the name as the server has it.",
        references: "https://docs.aws.amazon.com/eks/latest/userguide/creating-access-entries.html",
    },
    recognises: &[],
    explains: &[
        "iam-identity-without-permissions",
        "rbac-no-grant",
        "rbac-group-name-mismatch",
        "name-prefix-mismatch",
    ],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let (Some((caller, _)), Some(rbac)) = (eks::caller(case), case.evidence.rbac.seen()) else { return Vec::new() };
    let Some(session) = session(&caller.arn).filter(|session| session.contains('@')) else { return Vec::new() };
    let dashed = session.replace('@', "-");
    let model = match &case.mapping {
        Some(Verdict::Mapped(mapped)) => mapped.username.clone().map(|username| {
            let mut groups = mapped.groups.clone();
            groups.push("system:authenticated".to_owned());
            User { username, groups, ..User::default() }
        }),
        _ => None,
    };
    let Some(user) = case.evidence.identity.seen().map(|identity| identity.user.clone()).or(model) else {
        return Vec::new();
    };
    let name = &user.username;
    if !name.ends_with(&dashed) {
        return Vec::new();
    }
    let raw = format!("{}{session}", name.strip_suffix(&dashed).unwrap_or_default());
    let found = rbac.bindings.iter().enumerate().find_map(|(index, binding)| {
        let at = binding.subjects.iter().position(|subject| subject.kind == "User" && subject.name == raw)?;
        // By another subject of it the user has what it grants.
        authz::applying(binding, &user).is_none().then_some((index, binding, at))
    });
    let Some((index, binding, at)) = found else { return Vec::new() };
    vec![
        RULE.finding(
            Confidence::Certain,
            format!("{} {} is for {raw:?}; the cluster knows you as {name:?}.", binding.kind, binding.name),
            seen(format!("/rbac/seen/bindings/{index}/subjects/{at}"), format!("{} {} names {raw:?}", binding.kind, binding.name)),
            Step::text(format!("Change the subject of {} {} to {name:?}.", binding.kind, binding.name)),
        )
        .step(Step::text("Or put {{SessionNameRaw}} instead of {{SessionName}} into the access entry's user name (or the line of aws-auth): then everybody's name changes at once."))
        .cite_if(eks::cite_caller(case)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Evidence;
    use serde_json::{Value, from_str, from_value, json};

    #[test]
    fn a_binding_that_applies_by_another_subject_is_in_order() {
        let text = include_str!("../../../testdata/cases/eks-session-name-at-sign/evidence.json");
        let mut raw: Value = from_str(text).expect("JSON");
        let found = |raw: &Value| check(&Case::new(&from_value::<Evidence>(raw.clone()).expect("evidence"))).len();
        assert_eq!(found(&raw), 1);
        // Synthetic: the binding names the session in both forms.
        let name = raw["identity"]["seen"]["user"]["username"].clone();
        let subjects = raw["rbac"]["seen"]["bindings"][0]["subjects"].as_array_mut().expect("subjects");
        subjects.push(json!({ "kind": "User", "name": name, "namespace": "", "index": 1 }));
        assert_eq!(found(&raw), 0);
    }
}
