//! Other verbs are granted on the same resource.

use crate::apiserver::authz::near::Kind;
use crate::apiserver::message::heard;
use crate::report::{Finding, Severity};
use crate::rules::refusal::near_miss;
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "rbac-verb-missing",
    severity: Severity::Error,
    title: "Other verbs are granted on the same resource",
    page: Page {
        means: "Each verb is granted by itself: get is not list, and what watches (controllers, informers, kubectl get -w) needs list and watch as well.",
        evidence: "The rule on the same resource with its verbs.",
        fix: "Add the verb to the rule. `kubectl edit role NAME -n NAMESPACE`.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/authorization/#determine-the-request-verb",
    },
    recognises: &[&heard::FORBIDDEN, &heard::UPGRADE_REFUSED],
    explains: &["rbac-no-grant"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    near_miss(
        case,
        &RULE,
        &[Kind::OtherVerb],
        "Have the verb added to the role's rule, or this grant applied",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{Evidence, Outcome};

    #[test]
    fn a_role_that_somebody_else_writes_is_left_alone() {
        let text = include_str!("../../../testdata/cases/rbac-verb-missing/evidence.json");
        // Synthetic: the saved role is a plain one of somebody's own.
        let step = |name: &str, aggregates: bool| {
            let mut evidence: Evidence = serde_json::from_str(text).expect("evidence");
            let Outcome::Seen(rbac) = &mut evidence.rbac.outcome else { panic!("no role bindings") };
            let own = "u-rbac-verb-missing";
            let binding = rbac.bindings.iter_mut().find(|binding| binding.name == own).expect("the binding");
            binding.role_name = name.to_owned();
            let role = rbac.roles.iter_mut().find(|role| role.name == own).expect("the role");
            role.name = name.to_owned();
            role.aggregates = aggregates;
            check(&Case::new(&evidence))[0].fix[0].text.clone()
        };
        assert!(step("mine", false).starts_with("Have the verb added to the role's rule"));
        assert!(step("mine", true).contains("kube-controller-manager"), "{}", step("mine", true));
        let own = step("system:node-proxier", false);
        assert!(own.starts_with("Have this grant applied;") && !own.contains("verb added"), "{own}");
    }
}
