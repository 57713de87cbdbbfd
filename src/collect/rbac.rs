//! Reads the RBAC lists and keeps what touches one identity.

pub(super) mod budget;
mod item;
mod json;
pub mod lists;
mod protobuf;
pub mod selector;

use std::collections::BTreeSet;
use std::time::Duration;

use budget::{Budget, heap};
use item::{Fault, Item};
use selector::Aggregation;

use super::apiserver::Api;
use super::wire::Limits;
use crate::evidence::identity::User;
use crate::evidence::rbac::{Binding, Rbac, Role, Subject};
use crate::evidence::{Failure, FailureKind};

/// How many bindings at most stay in the evidence.
const KEPT: usize = 200;
/// Most memory of what stays in the evidence. A rule takes three hundred bytes here and ten times as much in a report.
const KEPT_BYTES: usize = 3 * 1024 * 1024;
/// Most memory of one object while it is read. etcd takes none of more than 1.5 MiB.
const OBJECT: usize = 16 * 1024 * 1024;
/// Most entries without a name: a real server has none.
const NAMELESS: usize = 1000;

/// Lists the four kinds and reduces them to what touches this user: bindings with a subject that is, or looks like,
/// the user or one of its groups, and the roles they name. `named` is the user of a message that is about somebody else,
/// `claimed` are groups that the token claims and that the server may not read.
///
/// # Errors
/// When neither kind of binding could be listed.
pub async fn rbac(
    api: &Api,
    user: &User,
    named: Option<&User>,
    claimed: &[String],
    read_as: &str,
) -> Result<Rbac, Failure> {
    let limits = Limits { body_bytes: 64 * 1024 * 1024, time: Duration::from_secs(15), ..Limits::default() };
    let get = |kind: &'static str| async move {
        let answer = api.get(&format!("/apis/rbac.authorization.k8s.io/v1/{kind}?resourceVersion=0"), limits).await?;
        if answer.truncated && answer.status.is_success() {
            let text = format!("the list has more than {} MiB", limits.body_bytes >> 20);
            return Err(Failure::new(FailureKind::Limit, text));
        }
        if answer.status.is_success() {
            return Ok(answer.body);
        }
        let failure = api.refusal(&answer);
        Err(match failure.kind {
            FailureKind::Forbidden => {
                failure.needs(format!("list on {kind}.rbac.authorization.k8s.io (all namespaces)"))
            }
            _ => failure,
        })
    };
    let (cluster_bindings, bindings, cluster_roles, roles) =
        tokio::join!(get("clusterrolebindings"), get("rolebindings"), get("clusterroles"), get("roles"));
    let users: Vec<&User> = std::iter::once(user).chain(named).collect();
    let mut reduced = Rbac { read_as: read_as.to_owned(), named: named.cloned(), ..Rbac::default() };
    let (kept, object) = (Budget::new(KEPT_BYTES), Budget::new(OBJECT));
    let mut refusal = None;
    for (kind, body) in [("ClusterRoleBinding", &cluster_bindings), ("RoleBinding", &bindings)] {
        match body {
            Ok(body) => {
                let (mut nameless, mut left_out) = (0, false);
                let mut take = |item: Item<'_>| {
                    if item.name.is_empty() {
                        nameless += 1;
                        return nameless <= NAMELESS;
                    }
                    reduced.bindings_total += 1;
                    let (binding, _bill) = item.into_binding(kind);
                    if let Some(binding) = keep_binding(binding, &users, claimed) {
                        if reduced.bindings.len() < KEPT && kept.pay(cost(&binding)).is_ok() {
                            reduced.bindings.push(binding);
                        } else {
                            left_out = true;
                        }
                    }
                    true
                };
                let result = json::each(kind, body, &object, &mut take);
                reduced.unread.extend(unread(kind, &result, nameless, left_out));
            }
            Err(failure) => {
                reduced.unread.push(format!("{kind}s: {}", failure.detail));
                refusal = Some(failure.clone());
            }
        }
    }
    if let Some(failure) = refusal.filter(|_| cluster_bindings.is_err() && bindings.is_err()) {
        return Err(failure);
    }
    let mut wanted: BTreeSet<Key> = reduced
        .bindings
        .iter()
        .map(|binding| {
            let namespace = if binding.role_kind == "Role" { binding.namespace.clone() } else { String::new() };
            (binding.role_kind.to_string(), namespace, binding.role_name.clone())
        })
        .collect();
    let mut unfilled: Vec<(usize, Aggregation)> = Vec::new();
    for (kind, body) in [("ClusterRole", &cluster_roles), ("Role", &roles)] {
        match body {
            Ok(body) => {
                let (mut nameless, mut left_out) = (0, false);
                let mut take = |item: Item<'_>| {
                    if item.name.is_empty() {
                        nameless += 1;
                        return nameless <= NAMELESS;
                    }
                    // Removed: a second one of that name is none.
                    if wanted.remove(&(kind.to_owned(), item.namespace.clone(), item.name.clone())) {
                        let (role, _, aggregation, bill) = item.into_role(kind);
                        if kept.pay(bill.paid()).is_err() {
                            left_out = true;
                            return true;
                        }
                        if let Some(aggregation) = aggregation.filter(|_| role.is_empty()) {
                            unfilled.push((reduced.roles.len(), aggregation));
                        }
                        reduced.roles.push(role);
                    }
                    true
                };
                let result = json::each(kind, body, &object, &mut take);
                reduced.unread.extend(unread(kind, &result, nameless, left_out));
            }
            Err(failure) => reduced.unread.push(format!("{kind}s: {}", failure.detail)),
        }
    }
    let missing = namesakes(&reduced, &wanted);
    for (kind, body) in [("ClusterRole", &cluster_roles), ("Role", &roles)] {
        if let (Ok(body), false) = (body, missing.is_empty()) {
            take_namesakes(kind, body, missing.clone(), &object, &kept, &mut reduced.roles);
        }
    }
    if let (Ok(body), false) = (&cluster_roles, unfilled.is_empty()) {
        collect_for(body, &unfilled, &object, &kept, &mut reduced.roles);
    }
    Ok(reduced)
}

/// Why not all of a list is known, if so.
fn unread(kind: &str, result: &Result<String, Fault>, nameless: usize, left_out: bool) -> Option<String> {
    let why = match result {
        Err(Fault::Malformed) => "the list is no JSON of that kind".to_owned(),
        Err(Fault::Spent) => "the list holds an object that is larger than any that a server keeps".to_owned(),
        Err(Fault::Stopped) => "the server's entries have no name".to_owned(),
        Ok(next) if !next.is_empty() => "the server gave only the beginning of the list".to_owned(),
        Ok(_) if nameless > 0 => format!("{nameless} of the server's entries have no name"),
        Ok(_) if left_out => "more of them concern this user than kaccess keeps".to_owned(),
        Ok(_) => return None,
    };
    Some(format!("{kind}s: {why}"))
}

/// What a binding takes that stays.
fn cost(binding: &Binding) -> usize {
    let own: [&str; 5] = [&binding.kind, &binding.namespace, &binding.name, &binding.role_kind, &binding.role_name];
    let subjects = binding.subjects.iter().flat_map(|subject| {
        let texts: [&str; 3] = [&subject.kind, &subject.name, &subject.namespace];
        texts
    });
    size_of::<Binding>()
        + size_of::<Subject>() * binding.subjects.len()
        + own.into_iter().chain(subjects).map(|text| heap(text.len())).sum::<usize>()
}

/// Kind, namespace and name of a role.
type Key = (String, String, String);

/// The roles that may be meant by RoleBindings whose role is not there: of the same name and of the other kind.
fn namesakes(reduced: &Rbac, missing: &BTreeSet<Key>) -> BTreeSet<Key> {
    // What could not be read is no role that is missing.
    if !reduced.unread.is_empty() {
        return BTreeSet::new();
    }
    let other = |binding: &Binding| {
        let key = |kind: &str, namespace: &str| (kind.to_owned(), namespace.to_owned(), binding.role_name.clone());
        let (cluster, own) = (key("ClusterRole", ""), key("Role", &binding.namespace));
        let (named, other) = match binding.role_kind.as_ref() {
            "ClusterRole" => (cluster, own),
            "Role" => (own, cluster),
            _ => return None,
        };
        (!binding.namespace.is_empty() && missing.contains(&named)).then_some(other)
    };
    let there = |(kind, namespace, name): &Key| {
        reduced.roles.iter().any(|role| role.kind == *kind && role.namespace == *namespace && role.name == *name)
    };
    reduced.bindings.iter().filter_map(other).filter(|key| !there(key)).collect()
}

/// Keeps those of them that there are.
fn take_namesakes(
    kind: &'static str,
    body: &[u8],
    mut wanted: BTreeSet<Key>,
    object: &Budget,
    kept: &Budget,
    roles: &mut Vec<Role>,
) {
    let mut take = |item: Item<'_>| {
        if wanted.remove(&(kind.to_owned(), item.namespace.clone(), item.name.clone())) {
            let (role, _, _, bill) = item.into_role(kind);
            if kept.pay(bill.paid()).is_ok() {
                roles.push(role);
            }
        }
        true
    };
    // The list was read once; what was wrong with it is said.
    let _ = json::each(kind, body, object, &mut take);
}

/// Names the roles that should fill these, and keeps them too.
fn collect_for(
    cluster_roles: &[u8],
    unfilled: &[(usize, Aggregation)],
    object: &Budget,
    kept: &Budget,
    roles: &mut Vec<Role>,
) {
    let mut wanted: BTreeSet<String> = BTreeSet::new();
    let mut select = |item: Item<'_>| {
        for (index, aggregation) in unfilled {
            let role = &mut roles[*index];
            if !item.name.is_empty() && role.name != item.name && aggregation.selects(&item.labels) {
                if role.collects.len() == KEPT || kept.pay(size_of::<String>() + heap(item.name.len())).is_err() {
                    continue;
                }
                role.collects.push(item.name.clone());
                wanted.insert(item.name.clone());
            }
        }
        true
    };
    // The list was read once; what was wrong with it is said.
    let _ = json::each("ClusterRole", cluster_roles, object, &mut select);
    for role in roles.iter().filter(|role| role.kind == "ClusterRole") {
        wanted.remove(&role.name);
    }
    let mut take = |item: Item<'_>| {
        if wanted.remove(&item.name) {
            let (role, _, _, bill) = item.into_role("ClusterRole");
            if kept.pay(bill.paid()).is_ok() {
                roles.push(role);
            }
        }
        true
    };
    let _ = json::each("ClusterRole", cluster_roles, object, &mut take);
}

/// A name without case, prefix, slashes and blanks around it, for finding look-alikes. EKS turns the @ of a session's
/// name into a dash.
fn core(name: &str) -> String {
    let name = name.trim();
    let tail = name.rsplit(['#', ':', '/']).find(|part| !part.is_empty()).unwrap_or(name);
    tail.to_lowercase().replace('@', "-")
}

/// What joins several names in one by mistake.
const JOINERS: [char; 4] = [',', ';', ' ', '/'];

/// The subject is this user or one of its groups, or looks like it: at least all that `apiserver::authz::near::resembles`
/// finds alike, which can only judge what is kept here.
fn touches(subject: &Subject, user: &User) -> bool {
    let account = user.username.strip_prefix("system:serviceaccount:").and_then(|name| name.split_once(':'));
    let theirs = core(&subject.name);
    let alike = |name: &str| name == subject.name || (!name.starts_with("system:") && core(name) == theirs);
    // Several groups in one, of which the subject may be a part.
    let part = |group: &str| {
        // Joined by one of them, in which the others may stand.
        let by_one = JOINERS.into_iter().flat_map(|joiner| group.split(joiner));
        let mut parts = group.split(JOINERS).chain(by_one).map(str::trim);
        !group.starts_with("system:") && parts.any(|part| !part.is_empty() && part != group && core(part) == theirs)
    };
    match subject.kind.as_ref() {
        // A group or a service account that a binding takes for a user, and a user that it takes for a group.
        "User" => {
            alike(&user.username)
                || user.groups.contains(&subject.name)
                || account.is_some_and(|(namespace, name)| {
                    subject.name == name || subject.name.split_once([':', '/']) == Some((namespace, name))
                })
        }
        "Group" => {
            subject.name == user.username
                || user.groups.iter().any(|group| alike(group) || part(group))
                || account.is_some_and(|(namespace, _)| {
                    subject.name.strip_prefix("system:serviceaccount:") == Some(namespace)
                })
        }
        "ServiceAccount" => account.is_some_and(|(_, name)| name == subject.name),
        _ => false,
    }
}

/// The binding with the subjects that touch one of these users, or are one of these groups, if any does.
fn keep_binding(mut binding: Binding, users: &[&User], claimed: &[String]) -> Option<Binding> {
    let told = |subject: &Subject| matches!(subject.kind.as_ref(), "Group") && claimed.contains(&subject.name);
    binding.subjects.retain(|subject| told(subject) || users.iter().any(|user| touches(subject, user)));
    binding.subjects.shrink_to_fit();
    (!binding.subjects.is_empty()).then_some(binding)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apiserver::authz::near::{Kind, resembles};

    fn subject(kind: &str, name: &str) -> Subject {
        Subject { kind: kind.to_owned().into(), name: name.to_owned(), ..Subject::default() }
    }

    fn user(name: &str, groups: &[&str]) -> User {
        User {
            username: name.to_owned(),
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
            ..User::default()
        }
    }

    #[test]
    fn a_binding_of_a_group_that_only_the_token_claims_is_kept() {
        let subjects = vec![subject("Group", "dev"), subject("User", "dev"), subject("Group", "ops")];
        let binding = Binding { subjects, ..Binding::default() };
        let nobody = user("oidc:alice@example.com", &["system:authenticated"]);
        assert_eq!(keep_binding(binding.clone(), &[&nobody], &[]), None);
        let kept = keep_binding(binding, &[&nobody], &["dev".to_owned()]).expect("a binding");
        assert_eq!(kept.subjects, [subject("Group", "dev")]);
    }

    #[test]
    fn a_role_of_the_other_kind_is_kept_where_one_is_missing() {
        let binding = |namespace: &str, role_kind: &str, role_name: &str| Binding {
            namespace: namespace.to_owned(),
            role_kind: role_kind.to_owned().into(),
            role_name: role_name.to_owned(),
            ..Binding::default()
        };
        let key = |kind: &str, namespace: &str, name: &str| (kind.to_owned(), namespace.to_owned(), name.to_owned());
        let bindings = vec![
            binding("dev", "ClusterRole", "reader"),
            binding("dev", "Role", "view"),
            binding("dev", "Role", "there"),
            binding("", "ClusterRole", "reader"),
        ];
        let missing: BTreeSet<Key> = [key("ClusterRole", "", "reader"), key("Role", "dev", "view")].into();
        let mut reduced = Rbac { bindings, ..Rbac::default() };
        let found = namesakes(&reduced, &missing);
        assert_eq!(found, BTreeSet::from([key("Role", "dev", "reader"), key("ClusterRole", "", "view")]));
        let list = br#"{"kind":"RoleList","items":[{"metadata":{"name":"reader","namespace":"prod"}},{"metadata":{"name":"reader","namespace":"dev"}}]}"#;
        let (kept, object) = (Budget::new(KEPT_BYTES), Budget::new(OBJECT));
        take_namesakes("Role", list, found, &object, &kept, &mut reduced.roles);
        assert_eq!(reduced.roles.iter().map(|role| role.namespace.as_str()).collect::<Vec<_>>(), ["dev"]);
        assert!(!namesakes(&reduced, &missing).contains(&key("Role", "dev", "reader")));
        reduced.unread.push("ClusterRoles: refused".to_owned());
        assert!(namesakes(&reduced, &missing).is_empty());
    }

    #[test]
    fn subjects_meant_for_a_service_account_are_kept() {
        let bot = user("system:serviceaccount:dev:bot", &["system:serviceaccounts:dev", "system:authenticated"]);
        for (kind, name, expected) in [
            ("User", "dev:bot", true),
            ("User", "dev/bot", true),
            ("User", "bot", true),
            ("User", "ops:bot", false),
            ("User", "system:serviceaccounts:dev", true),
            ("Group", "system:serviceaccount:dev", true),
            ("Group", "system:serviceaccount:ops", false),
            ("ServiceAccount", "bot", true),
            ("ServiceAccount", "other", false),
        ] {
            assert_eq!(touches(&subject(kind, name), &bot), expected, "{kind} {name}");
        }
    }

    /// The mapping of EKS turns the @ of a session's name into a dash; bindings often name it as it was.
    #[test]
    fn a_binding_for_the_session_name_with_its_at_sign_is_kept() {
        let arn = |name: &str| format!("arn:aws:sts::111122223333:assumed-role/Dev/{name}");
        for (theirs, own, expected) in [
            ("sso:jane@corp.com".to_owned(), "sso:jane-corp.com".to_owned(), true),
            (arn("jane@corp.com"), arn("jane-corp.com"), true),
            ("sso:john@corp.com".to_owned(), "sso:jane-corp.com".to_owned(), false),
        ] {
            let subjects = vec![subject("User", &theirs), subject("User", "somebody")];
            let kept = keep_binding(Binding { subjects, ..Binding::default() }, &[&user(&own, &[])], &[]);
            let names: Vec<String> =
                kept.into_iter().flat_map(|binding| binding.subjects).map(|subject| subject.name).collect();
            assert_eq!(names.contains(&theirs), expected, "{own}: {names:?}");
            assert!(!names.contains(&"somebody".to_owned()), "{own}: {names:?}");
        }
    }

    /// Names of every form in which a user, a group and a subject are met: what `resembles` finds alike must not have
    /// been thrown away before it was asked.
    #[test]
    fn whatever_resembles_the_user_is_kept() {
        let mut names: Vec<String> = Vec::new();
        for prefix in ["", "oidc:", "https://idp.test#"] {
            for path in ["", "/", "/org/"] {
                for name in ["dev", "Dev", "dev team", "dev, ops", "ops dev;qa"] {
                    names.push(format!("{prefix}{path}{name}"));
                }
            }
        }
        let others = [
            "dev ",
            " /org/dev",
            "bot",
            "dev:bot",
            "dev/bot",
            "system:masters",
            "system:serviceaccount:dev",
            "system:serviceaccount:dev:bot",
            "system:serviceaccounts:dev",
            "sso:jane@corp.com",
            "sso:Jane-Corp.com",
        ];
        names.extend(others.map(str::to_owned));
        let mut met = BTreeSet::new();
        for own in &names {
            for who in [user(own, &[]), user("somebody", &[own])] {
                for kind in ["User", "Group", "ServiceAccount"] {
                    for name in &names {
                        let subject = subject(kind, name);
                        let Some((how, text)) = resembles(&subject, "", &who) else { continue };
                        met.insert(how);
                        assert!(touches(&subject, &who), "{kind} {name:?}: {text}");
                    }
                }
            }
        }
        let all = [
            Kind::SubjectCase,
            Kind::SubjectSlash,
            Kind::SubjectJoined,
            Kind::SubjectPrefix,
            Kind::SubjectKind,
            Kind::ServiceAccountNamespace,
        ];
        assert_eq!(met, BTreeSet::from(all));
    }
}
