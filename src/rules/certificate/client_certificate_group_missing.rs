//! The certificate is good, and the group that has the rights is not in it.

use crate::apiserver::authz::near::joins;
use crate::apiserver::authz::{World, suggestion};
use crate::evidence::rbac::Subject;
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::refusal::{denied, elsewhere, is_ungranted, somebody_else};
use crate::rules::{Case, Page, Rule, slug};

/// The rule.
pub static RULE: Rule = Rule {
    code: "client-certificate-group-missing",
    severity: Severity::Error,
    title: "The client certificate holds no group, or several in one",
    page: Page {
        means: "Groups of a certificate user are the organisations (O) of its subject, each one an attribute of its own; nothing else. An organisational unit (OU) is no group, and \"O=a,b\" is one group called \"a,b\". A certificate cannot be changed: another group means another certificate.",
        evidence: "The subject of the certificate and the groups that the API server lists, beside a right that is not granted; or a binding that names a part of an organisation.",
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
    if !is_ungranted(case) || leaf.common_names.last() != Some(&identity.user.username) {
        return Vec::new();
    }
    // A group of one's own is no cure for somebody else's refusal, nor for one to act as somebody else.
    let question = case.evidence.asked.question.as_ref();
    if somebody_else(case).is_some() || question.is_some_and(|question| question.verb.starts_with("impersonate")) {
        return Vec::new();
    }
    // A binding that names a part of an organisation shows that two groups were meant, whatever joins them.
    let bound = leaf.organizations.iter().find_map(|group| Some((group, part_bound(case, group)?)));
    if bound.is_none() && elsewhere(case) {
        return Vec::new();
    }
    // Somebody whom bindings name in person is not known by a group: the right is missing elsewhere.
    let named = |subject: &Subject| subject.name.trim().eq_ignore_ascii_case(&identity.user.username);
    let in_person = case.evidence.rbac.seen().is_some_and(|rbac| rbac.bindings.iter().any(|binding| binding.subjects.iter().any(named)));
    if leaf.organizations.is_empty() && in_person {
        return Vec::new();
    }
    let listed = || leaf.organizations.iter().find(|group| group.contains([',', ';']) || group.contains("/O="));
    let joined = bound.as_ref().map(|(group, _)| *group).or_else(listed);
    let unit = leaf.subject.contains("OU=");
    let why = match (leaf.organizations.is_empty(), joined, unit) {
        (_, Some(joined), _) => format!("The certificate has one organisation called {joined:?}: that is one group of that name, not several."),
        (true, None, true) => format!("The certificate's subject {:?} has no organisation (O), only a unit (OU), which is no group: {:?} is in no group of its own.", leaf.subject, identity.user.username),
        (true, None, false) => format!("The certificate's subject {:?} has no organisation (O): {:?} is in no group of its own.", leaf.subject, identity.user.username),
        (false, None, _) => return Vec::new(),
    };
    let user = &identity.user.username;
    // One right that is missing tells of no group where a binding of one's own may give others.
    let read = case.evidence.rbac.seen().is_some_and(|rbac| rbac.unread.is_empty());
    let doubtful = joined.is_none() && question.is_some() && !read;
    let mut finding = RULE
        .finding(
            if doubtful { Confidence::Possible } else { Confidence::Likely },
            why,
            seen("/credential/seen/certificates/0/subject", format!("subject {:?}", leaf.subject)),
            Step::command(
                "Have a certificate with the group made: one O for each (the group is the one your team's bindings name)",
                shell!("openssl req -new -key user.key -subj '/O=GROUP/CN={}' -out user.csr", user),
            ),
        )
        .step(by_name(case, user))
        .cite(seen("/identity/seen/user/groups", format!("groups: {}", identity.user.groups.join(", "))));
    if let Some((_, (index, place, part))) = bound {
        finding = finding.cite(seen(format!("/rbac/seen/bindings/{index}/subjects/{place}/name"), format!("a binding names the group {part:?}")));
    }
    if doubtful {
        finding.explains = &[];
    }
    if joined.is_some() {
        // What looks like another spelling of a group's name is this very joining.
        finding.explains = &["rbac-no-grant", "rbac-group-name-mismatch"];
    }
    vec![finding]
}

/// The user gets by name what was refused; where nothing is known to be, to read all but secrets.
fn by_name(case: &Case<'_>, user: &str) -> Step {
    if let Some(denied) = denied(case) {
        let world = case.evidence.rbac.seen().map(World::new);
        let manifest = suggestion::manifest(world.as_ref(), &denied.user, denied.question);
        return Step::manifest("Or have somebody with rights give the user that right by name", manifest);
    }
    Step::command(
        "Or bind the role to the user by name",
        shell!("kubectl create clusterrolebinding {}-view --clusterrole=view --user={}", slug(user), user),
    )
}

/// A subject that is one part of several names in one: the places of its binding and of itself, and its name.
fn part_bound<'e>(case: &Case<'e>, group: &str) -> Option<(usize, usize, &'e str)> {
    let bindings = &case.evidence.rbac.seen()?.bindings;
    bindings.iter().enumerate().find_map(|(index, binding)| {
        let is = |subject: &Subject| subject.kind == "Group" && joins(group, &subject.name);
        let place = binding.subjects.iter().position(is)?;
        Some((index, place, binding.subjects[place].name.as_str()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apiserver::message;
    use crate::evidence::Evidence;

    /// The codes that are found where this was met, in the order to read them. Synthetic: the case was saved without a
    /// message, and these are the server's words for its user and for the question that it answered no.
    fn codes(error: &str) -> Vec<&'static str> {
        let text = include_str!("../../../testdata/cases/client-certificate-group-missing/evidence.json");
        let mut evidence: Evidence = serde_json::from_str(text).expect("evidence");
        evidence.asked.question = message::forbidden(error).map(|found| found.question);
        evidence.asked.error = Some(error.to_owned()).filter(|error| !error.is_empty());
        let found = crate::report::diagnose(crate::rules::check_all(&Case::new(&evidence)));
        found.into_iter().map(|finding| finding.code).collect()
    }

    #[test]
    fn a_message_about_something_else_is_not_about_groups() {
        assert_eq!(codes("").first(), Some(&RULE.code));
        let own = codes(r#"pods is forbidden: User "tom" cannot list resource "pods" in API group "" in the namespace "default""#);
        assert_eq!(own.first(), Some(&"rbac-no-grant"), "{own:?}");
        assert!(own.contains(&RULE.code), "{own:?}");
        for error in [
            r#"pods is forbidden: User "jane" cannot list resource "pods" in API group "" in the namespace "default""#,
            r#"pods is forbidden: User "tom" cannot impersonate-on:user-info:list resource "pods" in API group "" in the namespace "default""#,
            r#"users "jane" is forbidden: User "tom" cannot impersonate resource "users" in API group "" at the cluster scope"#,
        ] {
            let found = codes(error);
            assert!(!found.is_empty() && !found.contains(&RULE.code), "{error}: {found:?}");
        }
    }
}
