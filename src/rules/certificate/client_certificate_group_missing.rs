//! The certificate is good, and the group that has the rights is not in it.

use crate::shell;
use crate::report::{Confidence, Finding, Severity, Step};
use crate::rules::rbac::rbac_no_grant::{self, elsewhere};
use crate::rules::{Case, Page, Rule, seen, slug};

/// The rule.
pub static RULE: Rule = Rule {
    code: "client-certificate-group-missing",
    severity: Severity::Error,
    title: "The client certificate holds no group, or several in one",
    page: Page {
        means: "Groups of a certificate user are the organisations (O) of its subject, each one an attribute of its own; nothing else. An organisational unit (OU) is no group, and \"O=a,b\" is one group called \"a,b\". A certificate cannot be changed: another group means another certificate.",
        evidence: "The subject of the certificate and the groups that the API server lists, beside a right that is not granted.",
        fix: "Have a certificate issued with one O for each group (openssl -subj /O=one/O=two/CN=user), or bind the role to the user. `openssl req -new -key KEY -subj /O=GROUP/CN=USER` makes the request.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/authentication/#x509-client-certificates",
    },
    recognises: &[],
    explains: &["rbac-no-grant"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let (Some(leaf), Some(identity)) = (case.only_certificate(), case.evidence.identity.seen()) else { return Vec::new() };
    // Denied something, and known by this very certificate.
    let denied = (rbac_no_grant::RULE.check)(case);
    if denied.is_empty() || elsewhere(case) || leaf.common_names.last() != Some(&identity.user.username) {
        return Vec::new();
    }
    let joined = leaf.organizations.iter().find(|group| group.contains([',', ';']) || group.contains("/O="));
    let unit = leaf.subject.contains("OU=");
    let why = match (leaf.organizations.is_empty(), joined, unit) {
        (_, Some(joined), _) => format!("The certificate has one organisation called {joined:?}: that is one group of that name, not several."),
        (true, None, true) => format!("The certificate's subject {:?} has no organisation (O), only a unit (OU), which is no group: {:?} is in no group of its own.", leaf.subject, identity.user.username),
        (true, None, false) => format!("The certificate's subject {:?} has no organisation (O): {:?} is in no group of its own.", leaf.subject, identity.user.username),
        (false, None, _) => return Vec::new(),
    };
    let user = &identity.user.username;
    vec![
        RULE.finding(
            Confidence::Likely,
            why,
            seen("/credential/seen/certificates/0/subject", format!("subject {:?}", leaf.subject)),
            Step::command(
                "Have a certificate with the group made: one O for each (the group is the one your team's bindings name)",
                shell!("openssl req -new -key user.key -subj '/O=GROUP/CN={}' -out user.csr", user),
            ),
        )
        .step(Step::command(
            "Or bind the role to the user by name",
            shell!("kubectl create clusterrolebinding {}-view --clusterrole=view --user={}", slug(user), user),
        ))
        .cite(seen("/identity/seen/user/groups", format!("groups: {}", identity.user.groups.join(", ")))),
    ]
}
