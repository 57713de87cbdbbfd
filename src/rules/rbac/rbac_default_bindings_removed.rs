//! The bindings that everybody needs are gone.

use crate::apiserver::message::heard;
use crate::report::shell::shell;
use crate::report::{Finding, Severity, Step, seen};
use crate::rules::refusal::{Culprit, culprit, defaults_refused};
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "rbac-default-bindings-removed",
    severity: Severity::Error,
    title: "A binding that everybody who is signed in needs is gone",
    page: Page {
        means: "Every cluster begins with bindings of system:basic-user (may ask who it is and what it may do) and system:discovery (may read which APIs there are) to the group system:authenticated. One of them was removed, so even kubectl auth can-i, or every kubectl command, fails for users who are otherwise right.",
        evidence: "An authenticated user is refused a SelfSubjectReview or SelfSubjectAccessReview, or the paths of discovery, and the bindings as a reviewer (--reviewer-context) reads them do not give it. A refusal that ends in words which RBAC never writes is another authorizer's.",
        fix: "Create the binding again; the API server itself does so when it starts, unless the binding is there with autoupdate switched off. `kubectl get clusterrolebinding system:discovery system:basic-user system:public-info-viewer -o yaml` shows what is there.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/rbac/#discovery-roles",
    },
    recognises: &[&heard::FORBIDDEN, &heard::DISCOVERY_FORBIDDEN, &heard::WHOAMI_REFUSED],
    explains: &["rbac-no-grant"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let refused = defaults_refused(case);
    let Some(Culprit::Binding(confidence)) = culprit(case, &refused) else { return Vec::new() };
    let Some(first) = refused.first() else { return Vec::new() };
    let (role, user) = (first.role, &first.found.user);
    let what = if role == "system:discovery" { "read which APIs there are, which every kubectl command begins with" } else { "ask who they are and what they may do" };
    let read = case.evidence.rbac.seen().filter(|rbac| rbac.unread.is_empty() && rbac.bindings_total > 0);
    let so = match read {
        Some(_) => "It refuses that, and no binding that was read gives it: the binding (or its role) was removed.",
        None => "It refuses that, so the binding (or its role) was removed, or an authorizer beside RBAC denies it without a word; the bindings could not be read.",
    };
    let manifest = format!(
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata:\n  name: {role}\n  labels:\n    kubernetes.io/bootstrapping: rbac-defaults\n  annotations:\n    rbac.authorization.kubernetes.io/autoupdate: \"true\"\nroleRef:\n  apiGroup: rbac.authorization.k8s.io\n  kind: ClusterRole\n  name: {role}\nsubjects:\n- apiGroup: rbac.authorization.k8s.io\n  kind: Group\n  name: system:authenticated\n"
    );
    let mut finding = RULE
        .finding(
            confidence,
            format!("The API server knows the user {user:?}, and everybody it knows may {what}, by the default binding {role}. {so}"),
            first.cite(),
            Step::manifest("Have the default binding applied again", manifest),
        )
        .titled(format!("The default binding {role} is gone"))
        .step(Step::text(format!("If the ClusterRole {role} is gone too, restart the API server: it makes its default roles and bindings anew when it starts.")));
    if read.is_none() {
        finding = finding
            .titled(format!("What the default binding {role} gives is refused"))
            .step(Step::command("First see, with more rights, whether it is there; where it is, another authorizer denies", shell!("kubectl get clusterrolebinding {} -o yaml", role)));
    }
    for one in refused.iter().skip(1) {
        finding = finding.cite(one.cite());
    }
    vec![finding.cite_if(read.map(|rbac| seen("/rbac/seen/bindingsTotal", format!("none of the {} bindings gives it", rbac.bindings_total))))]
}
