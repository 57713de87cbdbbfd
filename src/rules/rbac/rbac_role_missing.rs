//! A binding points at a role that does not exist.

use crate::apiserver::authz::near::Kind;
use crate::apiserver::message::heard;
use crate::report::{Finding, Severity};
use crate::rules::refusal::near_miss;
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "rbac-role-missing",
    severity: Severity::Error,
    title: "A binding points at a role that does not exist",
    page: Page {
        means: "A binding names you, and the role it names is not there: it was deleted, never created, or is spelled otherwise. The API server then grants nothing and says RBAC: ... not found in the refusal.",
        evidence: "The binding and the list of roles; the reason in the server's own answer. The server says it behind every refusal of whom the binding names, so where something else is nearer to what was asked, that comes first. A role of that name and of the other kind (Role, ClusterRole) that allows what was asked was probably meant.",
        fix: "Create the role under that name. A roleRef cannot be changed: to point elsewhere, delete the binding and create it anew. `kubectl create clusterrole NAME --verb=get,list,watch --resource=pods`.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/rbac/#rolebinding-and-clusterrolebinding",
    },
    recognises: &[&heard::FORBIDDEN],
    explains: &["rbac-no-grant"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    near_miss(
        case,
        &RULE,
        &[Kind::RoleOfOtherKind, Kind::DanglingRole],
        "Have the missing role created under its name (the binding is there already), or this grant applied beside it",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::access::ResourceRule;
    use crate::evidence::rbac::{Binding, Rbac, Role, Subject};
    use crate::evidence::{Evidence, Outcome};
    use crate::report::{Confidence, diagnose};

    /// The findings where somebody has made more roles and bindings. Synthetic: the case was saved with the binding alone,
    /// and by all that is added the server grants nothing either.
    fn with(change: fn(&mut Rbac)) -> Vec<Finding> {
        let text = include_str!("../../../testdata/cases/rbac-role-missing/evidence.json");
        let mut evidence: Evidence = serde_json::from_str(text).expect("evidence");
        let Outcome::Seen(rbac) = &mut evidence.rbac.outcome else { panic!("no role bindings") };
        change(rbac);
        diagnose(crate::rules::check_all(&Case::new(&evidence)))
    }

    fn role(kind: &str, namespace: &str, name: &str, group: &str) -> Role {
        let rule = ResourceRule {
            verbs: vec!["list".to_owned()],
            api_groups: vec![group.to_owned()],
            resources: vec!["pods".to_owned()],
            ..ResourceRule::default()
        };
        Role {
            kind: kind.to_owned().into(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            resource_rules: vec![rule],
            ..Role::default()
        }
    }

    /// A role that nearly grants what was asked.
    fn nearly(rbac: &mut Rbac) {
        let subject = Subject { kind: "User".into(), name: "u-rbac-role-missing".to_owned(), ..Subject::default() };
        rbac.roles.push(role("ClusterRole", "", "near", "extensions"));
        rbac.bindings.push(Binding {
            kind: "ClusterRoleBinding".into(),
            name: "near".to_owned(),
            role_kind: "ClusterRole".into(),
            role_name: "near".to_owned(),
            subjects: vec![subject],
            ..Binding::default()
        });
    }

    /// The role that the binding names, as a Role of its namespace.
    fn namesake(rbac: &mut Rbac) {
        rbac.roles.push(role("Role", "dev", "u-rbac-role-missing", ""));
    }

    fn of<'f>(found: &'f [Finding], code: &str) -> &'f Finding {
        found.iter().find(|finding| finding.code == code).expect(code)
    }

    #[test]
    fn a_missing_role_is_the_cause_only_where_nothing_else_is_near() {
        let alone = with(|_| {});
        assert_eq!((alone[0].code, alone[0].confidence), (RULE.code, Confidence::Certain));
        let found = with(nearly);
        assert_eq!(found[0].code, "rbac-wrong-api-group");
        let missing = of(&found, RULE.code);
        assert_eq!((missing.confidence, missing.explained_by), (Confidence::Likely, Some("rbac-wrong-api-group")));
    }

    #[test]
    fn the_role_of_the_other_kind_was_meant() {
        let found = with(namesake);
        assert_eq!((found[0].code, found[0].confidence), (RULE.code, Confidence::Certain));
        assert!(found[0].why.contains("Role \"u-rbac-role-missing\" is there, and allows it"), "{}", found[0].why);
        assert_eq!(
            found[0].fix[0].command.as_deref(),
            Some(
                "kubectl --context admin create rolebinding u-rbac-role-missing-role -n dev --role=u-rbac-role-missing --user=u-rbac-role-missing"
            )
        );
        let found = with(|rbac| {
            namesake(rbac);
            nearly(rbac);
        });
        assert_eq!((found[0].code, found[0].confidence), (RULE.code, Confidence::Likely));
        assert_eq!(of(&found, "rbac-wrong-api-group").explained_by, None);
    }
}
