//! The bindings that everybody needs are gone.

use crate::apiserver::message::{self, Forbidden, heard};
use crate::report::{Citation, Confidence, Finding, Severity, Step, seen};
use crate::rules::{Case, Page, Rule, clip};

/// The rule.
pub static RULE: Rule = Rule {
    code: "rbac-default-bindings-removed",
    severity: Severity::Error,
    title: "A binding that everybody who is signed in needs is gone",
    page: Page {
        means: "Every cluster begins with bindings of system:basic-user (may ask who it is and what it may do) and system:discovery (may read which APIs there are) to the group system:authenticated. One of them was removed, so even kubectl auth can-i, or every kubectl command, fails for users who are otherwise right.",
        evidence: "An authenticated user is refused a SelfSubjectReview or SelfSubjectAccessReview, or the paths of discovery.",
        fix: "Create the binding again; the API server itself does so when it starts, unless the binding is there with autoupdate switched off. `kubectl get clusterrolebinding system:discovery system:basic-user system:public-info-viewer -o yaml` shows what is there.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/rbac/#discovery-roles",
    },
    recognises: &[&heard::FORBIDDEN, &heard::DISCOVERY_FORBIDDEN, &heard::WHOAMI_REFUSED],
    explains: &["rbac-no-grant"],
    check,
};

/// The role that should have allowed it.
fn role(found: &Forbidden) -> Option<&'static str> {
    if found.user == "system:anonymous" {
        return None;
    }
    let question = &found.question;
    if let Some(path) = &question.path {
        let discovery = ["/api", "/apis", "/openapi", "/version"];
        let path = path.trim_end_matches('/');
        return discovery
            .iter()
            .any(|known| path == *known || path.starts_with(&format!("{known}/")))
            .then_some("system:discovery");
    }
    let own = ["selfsubjectreviews", "selfsubjectaccessreviews", "selfsubjectrulesreviews"];
    (question.verb == "create" && own.contains(&question.resource.as_str())).then_some("system:basic-user")
}

fn check(case: &Case<'_>) -> Vec<Finding> {
    let evidence = case.evidence;
    let texts = [
        ("/identity/failed/detail", evidence.identity.failed().map(|failure| failure.detail.as_str()), Confidence::Certain),
        ("/access/failed/detail", evidence.access.failed().map(|failure| failure.detail.as_str()), Confidence::Certain),
        ("/asked/error", evidence.asked.error.as_deref(), Confidence::Likely),
    ];
    let mut cites: Vec<Citation> = Vec::new();
    let mut first = None;
    for (path, text, confidence) in texts {
        let Some((found, text)) = text.and_then(|text| Some((message::forbidden(text)?, text))) else { continue };
        let Some(role) = role(&found) else { continue };
        // Since allowed again.
        let again = evidence.access.seen().is_some_and(|access| {
            access.checks.iter().any(|check| check.question == found.question && check.allowed)
        });
        if again || (path == "/asked/error" && role == "system:basic-user" && evidence.access.seen().is_some()) {
            continue;
        }
        let denied = evidence.access.seen().is_some_and(|access| {
            access.checks.iter().any(|check| check.question == found.question && !check.allowed)
        });
        let confidence = if denied { Confidence::Certain } else { confidence };
        cites.push(seen(path, clip(text, 240)));
        first.get_or_insert((role, found.user, confidence));
    }
    let Some((role, user, confidence)) = first else { return Vec::new() };
    let what = if role == "system:discovery" { "read which APIs there are, which every kubectl command begins with" } else { "ask who they are and what they may do" };
    let mut cites = cites.into_iter();
    let Some(cite) = cites.next() else { return Vec::new() };
    let manifest = format!(
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata:\n  name: {role}\n  labels:\n    kubernetes.io/bootstrapping: rbac-defaults\n  annotations:\n    rbac.authorization.kubernetes.io/autoupdate: \"true\"\nroleRef:\n  apiGroup: rbac.authorization.k8s.io\n  kind: ClusterRole\n  name: {role}\nsubjects:\n- apiGroup: rbac.authorization.k8s.io\n  kind: Group\n  name: system:authenticated\n"
    );
    let mut finding = RULE
        .finding(
            confidence,
            format!("The API server knows the user {user:?}, and everybody it knows may {what}, by the default binding {role}. It refuses that, so the binding (or its role) was removed."),
            cite,
            Step::manifest("Have the default binding applied again", manifest),
        )
        .titled(format!("The default binding {role} is gone"))
        .step(Step::text(format!("If the ClusterRole {role} is gone too, restart the API server: it makes its default roles and bindings anew when it starts.")));
    for cite in cites {
        finding = finding.cite(cite);
    }
    vec![finding]
}
