//! Acting as somebody else is not allowed.

use crate::apiserver::message::{self, Forbidden, heard, tools};
use crate::report::{Citation, Confidence, Finding, Severity, Step, seen};
use crate::rules::refusal::grant;
use crate::rules::{Case, Page, Rule, clip, slug};

/// The rule.
pub static RULE: Rule = Rule {
    code: "impersonation-denied",
    severity: Severity::Error,
    title: "Acting as somebody else is not allowed",
    page: Page {
        means: "The request asks to be judged as another user (--as, --as-group, or as: in the kubeconfig), and the user who really sent it may not impersonate that one. Nothing is known yet about what the other user may do. Servers from 1.36 name a verb such as impersonate-on:user-info:list first, which the older verb impersonate also satisfies.",
        evidence: "The refusal, whose verb begins with impersonate; it names the real user.",
        fix: "Leave --as and as: out, or have impersonate granted on exactly the users and groups that are needed. `kubectl create clusterrole impersonator --verb=impersonate --resource=users --resource-name=USER` is such a role.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/authentication/#user-impersonation",
    },
    recognises: &[&heard::FORBIDDEN, &heard::IMPERSONATION_RULE, &heard::FORBIDDEN_OLD, &heard::IMPERSONATION_PROXY, &tools::IMPERSONATION],
    explains: &["rbac-no-grant", "rbac-verb-missing", "rbac-resource-names", "rbac-subresource-not-granted", "rbac-wrong-scope", "rbac-wrong-api-group", "rbac-default-bindings-removed"],
    check,
};

/// The refusal, where it stands, and whether it is about this very credential.
fn refusal(case: &Case<'_>) -> Option<(Forbidden, Citation, Confidence)> {
    let evidence = case.evidence;
    let of = |text: &str| message::forbidden(text).filter(|found| found.question.verb.starts_with("impersonate"));
    if let Some(failure) = evidence.identity.failed()
        && let Some(found) = of(&failure.detail)
    {
        return Some((found, seen("/identity/failed/detail", clip(&failure.detail, 240)), Confidence::Certain));
    }
    let error = evidence.asked.error.as_deref()?;
    let found = of(error)?;
    let user = evidence.kubeconfig.seen().and_then(|kubeconfig| kubeconfig.user.as_ref());
    let acting = user.is_some_and(|user| user.impersonate.is_some() || !user.impersonate_groups.is_empty());
    let access = evidence.access.seen();
    let check = access.and_then(|access| access.checks.iter().find(|check| check.question == found.question));
    // Since allowed: by the kubeconfig's own `as`, or by the server's answer.
    if (acting && evidence.identity.seen().is_some()) || check.is_some_and(|check| check.allowed) {
        return None;
    }
    let own = evidence.identity.seen().is_some_and(|identity| identity.user.username == found.user);
    // The older verb may have been granted since, and would do.
    let decided = own && check.is_some() && found.question.verb == "impersonate";
    let confidence = if decided { Confidence::Certain } else { Confidence::Likely };
    Some((found, seen("/asked/error", clip(error, 240)), confidence))
}

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some((found, cite, confidence)) = refusal(case) else { return Vec::new() };
    let user = case.evidence.kubeconfig.seen().and_then(|kubeconfig| kubeconfig.user.as_ref());
    let question = &found.question;
    let legacy = question.group.is_empty() || question.group == "authentication.k8s.io";
    let mut wanted: Vec<(&str, String, String)> = Vec::new();
    let mut add = |group: &'static str, resource: &str, name: &str| {
        let entry = (group, resource.to_owned(), name.to_owned());
        if !wanted.contains(&entry) {
            wanted.push(entry);
        }
    };
    let mut add_user = |name: &str| match crate::apiserver::authz::service_account(name) {
        Some((_, account)) => add("", "serviceaccounts", account),
        None => add("", "users", name),
    };
    if let Some(name) = user.and_then(|user| user.impersonate.as_deref()) {
        add_user(name);
    }
    for group in user.into_iter().flat_map(|user| &user.impersonate_groups) {
        add("", "groups", group);
    }
    if legacy && !question.name.is_empty() && !question.verb.starts_with("impersonate-on:") {
        match question.resource.as_str() {
            resource @ ("users" | "groups" | "serviceaccounts") => add("", resource, &question.name),
            "uids" => add("authentication.k8s.io", "uids", &question.name),
            "userextras" => add("authentication.k8s.io", &format!("userextras/{}", question.subresource), &question.name),
            _ => {}
        }
    }
    let whom = if wanted.is_empty() { "the user of --as".to_owned() } else { wanted.iter().map(|(_, kind, name)| format!("{kind} {name:?}")).collect::<Vec<_>>().join(", ") };
    let rules: String = if wanted.is_empty() {
        "- apiGroups: [\"\"]\n  resources: [users]\n  resourceNames: [USER-OF-AS]\n  verbs: [impersonate]\n".to_owned()
    } else {
        wanted
            .iter()
            .map(|(group, kind, name)| {
                format!("- apiGroups: [{group:?}]\n  resources: [{kind}]\n  resourceNames: [{name:?}]\n  verbs: [impersonate]\n")
            })
            .collect()
    };
    vec![
        RULE.finding(
            confidence,
            format!("The credential is {:?}'s, and the request asks to act as somebody else. {:?} may not impersonate {whom}, so the API server stops there; what that other one may do does not matter yet.", found.user, found.user),
            cite,
            Step::text("If you do not mean to act as somebody else, leave out --as and --as-group, and take as: out of the user entry of the kubeconfig."),
        )
        .titled(format!("{:?} may not act as {whom}", found.user))
        .step(Step::manifest(
            "Else have exactly this right granted; whoever may impersonate somebody has all their rights",
            grant(&format!("{}-impersonates", slug(&found.user)), "", &rules, &found.user),
        )),
    ]
}
