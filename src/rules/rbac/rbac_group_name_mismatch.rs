//! A binding spells your group or name otherwise.

use crate::apiserver::authz::near::Kind;
use crate::apiserver::message::heard;
use crate::report::{Finding, Severity};
use crate::rules::refusal::near_miss;
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "rbac-group-name-mismatch",
    severity: Severity::Error,
    title: "A binding spells your group or name otherwise",
    page: Page {
        means: "Subjects are compared byte by byte: a leading slash (Keycloak writes group paths as /admins), upper and lower case, several groups joined in one text, or a User where a Group or a ServiceAccount is meant make another subject.",
        evidence: "The groups in SelfSubjectReview beside the subjects of the binding.",
        fix: "Change the subject to the name exactly as the API server lists it. `kaccess whoami` lists it; `kubectl edit rolebinding NAME -n NAMESPACE`.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/rbac/#referring-to-subjects",
    },
    recognises: &[&heard::FORBIDDEN],
    explains: &["rbac-no-grant"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    near_miss(
        case,
        &RULE,
        &[Kind::SubjectCase, Kind::SubjectSlash, Kind::SubjectJoined, Kind::SubjectKind],
        "Have the binding's subject changed to the name as the API server says it, or this grant applied",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::rbac::Subject;
    use crate::evidence::{Evidence, Outcome};
    use crate::report::Confidence;

    /// What is told where the binding names this user instead of the service account that was refused.
    fn told(name: &str) -> Vec<Finding> {
        let text = include_str!("../../../testdata/cases/rbac-service-account-namespace/evidence.json");
        let mut evidence: Evidence = serde_json::from_str(text).expect("evidence");
        // Synthetic: the saved binding names the service account of another namespace.
        let Outcome::Seen(rbac) = &mut evidence.rbac.outcome else { panic!("no role bindings") };
        let own = "u-rbac-service-account-namespace";
        let binding = rbac.bindings.iter_mut().find(|binding| binding.name == own).expect("the binding");
        binding.subjects = vec![Subject { kind: "User".into(), name: name.to_owned(), ..Subject::default() }];
        crate::report::diagnose(crate::rules::check_all(&Case::new(&evidence)))
    }

    #[test]
    fn a_user_of_an_accounts_short_name_keeps_what_it_has() {
        let found = told("u-rbac-service-account-namespace");
        let codes: Vec<&str> = found.iter().map(|finding| finding.code).collect();
        assert_eq!(codes, ["rbac-no-grant", RULE.code]);
        assert_eq!((found[0].confidence, found[0].explained_by), (Confidence::Certain, None));
        assert_eq!(found[1].confidence, Confidence::Possible);
        let steps = || found.iter().flat_map(|finding| &finding.fix);
        assert!(steps().all(|step| step.codes().all(|code| !code.contains(" patch rolebinding "))), "{found:?}");
        // Spelled out, nobody else can be meant.
        let found = told("dev:u-rbac-service-account-namespace");
        assert_eq!((found[0].code, found[0].confidence), (RULE.code, Confidence::Likely));
        assert!(found[0].fix[0].codes().any(|code| code.contains(" patch rolebinding ")), "{found:?}");
    }
}
