//! The identity is known and has no right to what was asked.

use crate::apiserver::message::{self, heard};
use crate::evidence::access::Rules;
use crate::report::{Confidence, Finding, Severity, Step};
use crate::rules::{Case, Page, Rule, clip, seen, slug};

/// The rule.
pub static RULE: Rule = Rule {
    code: "rbac-no-grant",
    severity: Severity::Error,
    title: "Signed in, but nothing is granted",
    page: Page {
        means: "The credential is good: the API server knows who you are. No role binding gives this user or one of its groups the right that was asked for.",
        evidence: "The identity by SelfSubjectReview, and the server's own answer to the access question.",
        fix: "Bind a role to the user or, better, to one of the groups the server lists, spelled exactly as listed (prefix included). `kubectl create rolebinding NAME --clusterrole=view --group=GROUP -n NAMESPACE`.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/rbac/",
    },
    recognises: &[&heard::FORBIDDEN, &heard::FORBIDDEN_OLD, &heard::CLIENT_FORBIDDEN, &message::KUBELET_FORBIDDEN],
    explains: &[],
    check,
};

/// Everybody who is authenticated has these by the default bindings of system:basic-user, system:discovery and
/// system:public-info-viewer.
fn beyond_defaults(rules: &Rules) -> bool {
    let reviews = ["selfsubjectaccessreviews", "selfsubjectrulesreviews", "selfsubjectreviews"];
    rules.resource_rules.iter().any(|rule| rule.resources.iter().any(|resource| !reviews.contains(&resource.as_str())))
        || rules.non_resource_rules.iter().any(|rule| {
            rule.paths.iter().any(|path| {
                !["/api", "/apis", "/healthz", "/livez", "/openapi", "/readyz", "/version", "/.well-known"]
                    .iter()
                    .any(|known| path.starts_with(known))
            })
        })
}

fn check(case: &Case<'_>) -> Vec<Finding> {
    let (Some(identity), Some(access)) = (case.evidence.identity.seen(), case.evidence.access.seen()) else {
        return Vec::new();
    };
    let user = &identity.user;
    if user.username == "system:anonymous" {
        return Vec::new();
    }
    let asked = case.evidence.asked.question.as_ref();
    let denied = match asked {
        Some(question) => access.checks.iter().position(|check| check.question == *question && !check.allowed),
        None => {
            let nothing = access.rules.as_ref().is_some_and(|rules| !beyond_defaults(rules))
                && access.checks.iter().all(|check| !check.allowed);
            (nothing && !access.checks.is_empty()).then_some(0)
        }
    };
    let Some(index) = denied else { return Vec::new() };
    let question = &access.checks[index].question;
    let group = user.groups.iter().find(|group| !group.starts_with("system:"));
    let (kind, name) = group.map_or(("User", user.username.as_str()), |group| ("Group", group.as_str()));
    let scope = if question.namespace.is_empty() || question.path.is_some() {
        ("ClusterRoleBinding", String::new())
    } else {
        ("RoleBinding", format!("\n  namespace: {}", question.namespace))
    };
    let manifest = format!(
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: {}\nmetadata:\n  name: {}-view{}\nroleRef:\n  apiGroup: rbac.authorization.k8s.io\n  kind: ClusterRole\n  name: view\nsubjects:\n- apiGroup: rbac.authorization.k8s.io\n  kind: {kind}\n  name: {name:?}\n",
        scope.0,
        slug(name),
        scope.1
    );
    let who = if user.groups.is_empty() { "no groups".to_owned() } else { format!("groups {}", user.groups.join(", ")) };
    let mut finding = RULE
        .finding(
            // A question that was really asked and denied is decided; "nothing at all" is, where the rules are complete.
            if asked.is_some() || access.rules.as_ref().is_some_and(|rules| !rules.incomplete) { Confidence::Certain } else { Confidence::Likely },
            format!("The API server knows you as {:?} ({who}) and answers no to {}.", user.username, question.sentence()),
            seen(format!("/access/seen/checks/{index}"), format!("{}: no", question.sentence())),
            Step::manifest(
                format!("Have somebody with rights apply a binding; this one lets {kind} {name:?} read what the built-in role view covers (take edit, or an own role, for more)"),
                manifest,
            ),
        )
        .cite(seen("/identity/seen/user", format!("signed in as {:?}", user.username)))
        .step(Step::command("Afterwards, look again", "kaccess doctor"));
    if let Some(error) = case.evidence.asked.error.as_deref().filter(|error| message::forbidden(error).is_some()) {
        finding = finding.cite(seen("/asked/error", clip(error, 240)));
    }
    if asked.is_some() {
        finding = finding.titled(format!("Signed in, but not allowed to {}", question.sentence()));
    }
    vec![finding]
}
