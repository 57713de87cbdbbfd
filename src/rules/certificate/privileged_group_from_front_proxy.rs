//! The proxy that logs people in makes them administrators.

use crate::apiserver::authn::CREDENTIAL_ID;
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "privileged-group-from-front-proxy",
    severity: Severity::Warning,
    title: "The proxy in front of the API server makes whoever logs in an administrator",
    page: Page {
        means: "The API server believes every user and group that the proxy writes into X-Remote-User and X-Remote-Group. A proxy that adds one powerful group for everybody takes the whole of RBAC out of the game: whoever passes its login may do everything.",
        evidence: "The identity does not come from the credential sent (a password, or none), so a proxy vouched for it; and the groups by SelfSubjectReview hold a system: group, or rights to everything.",
        fix: "Let the proxy pass the group of each person (from its directory), none by default, and never a name that begins with system:. Strip X-Remote-* headers that come from outside. `kaccess whoami` shows which groups arrive.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/authentication/#authenticating-proxy",
    },
    recognises: &[],
    explains: &[],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(identity) = case.evidence.identity.seen() else { return Vec::new() };
    let user = &identity.user;
    let Some(credential) = case.evidence.credential.seen() else { return Vec::new() };
    // An API server takes neither a password nor nothing: somebody else vouched.
    let vouched = credential.token.is_none() && credential.certificates.is_empty() && !user.is_anonymous();
    // A credential that the server itself took leaves its id: somebody (kubectl proxy) sends one of their own along.
    if !vouched || user.extra.contains_key(CREDENTIAL_ID) {
        return Vec::new();
    }
    let usual = ["system:authenticated", "system:unauthenticated"];
    let own: Vec<&String> = user.groups.iter().filter(|group| !usual.contains(&group.as_str())).collect();
    let reserved = own.iter().find(|group| group.starts_with("system:"));
    let everything = case.evidence.access.seen().and_then(|access| access.rules.as_ref()).and_then(|rules| {
        let all = |list: &[String]| list.iter().any(|entry| entry == "*");
        rules.resource_rules.iter().position(|rule| all(&rule.verbs) && all(&rule.api_groups) && all(&rule.resources))
    });
    let (confidence, why) = match (reserved, everything, own.first()) {
        (Some(group), ..) => (Confidence::Certain, format!("The proxy vouches for {:?} as a member of {group}: a group of the system itself, which it should never hand out.", user.username)),
        (None, Some(_), Some(group)) => (Confidence::Likely, format!("The proxy vouches for {:?} as a member of {group}, and {:?} may do everything everywhere. If the proxy adds that group for everybody, so may everybody.", user.username, user.username)),
        _ => return Vec::new(),
    };
    let mut finding = RULE
        .finding(
            confidence,
            why,
            seen("/identity/seen/user/groups", format!("groups: {}", user.groups.join(", "))),
            Step::manifest(
                "In the proxy, pass what its login says of the person, and nothing fixed; in nginx",
                "proxy_set_header X-Remote-User  $remote_user;\nproxy_set_header X-Remote-Group $group_of_user;   # a map by user, with \"\" as default\n",
            ),
        )
        .step(Step::command("Then bind each group to what it needs", "kubectl create clusterrolebinding GROUP-view --clusterrole=view --group=GROUP"))
        .cite(seen("/credential/seen/source", format!("the credential sent is of the kind {:?}, which no API server takes", credential.source.to_string())));
    if let Some(index) = everything {
        finding = finding.cite(seen(format!("/access/seen/rules/resourceRules/{index}"), "every verb on every resource is allowed"));
    }
    vec![finding]
}
