//! The smallest grant that would turn a no into a yes, as YAML.
//!
//! | what is asked | what is written |
//! |---|---|
//! | a cluster-scoped resource | ClusterRole + ClusterRoleBinding |
//! | a path | ClusterRole + ClusterRoleBinding |
//! | many or all namespaces | ClusterRole + ClusterRoleBinding |
//! | one namespace, and a role that fits exists | RoleBinding to it |
//! | one namespace | Role + RoleBinding |

use super::rules::{self, Rule};
use super::{World, service_account};
use crate::evidence::access::Question;
use crate::evidence::identity::User;
use crate::evidence::rbac::Role;
use crate::text::short_hash;

/// The largest existing role that still counts as fitting, in verbs times resources.
const LARGEST_FIT: usize = 12;

/// The longest name that is made, in bytes.
const LONGEST: usize = 60;

/// The manifest. `world` gives the existing roles, where they could be read.
pub fn manifest(world: Option<&World<'_>>, user: &User, question: &Question) -> String {
    let cluster = question.path.is_some() || question.namespace.is_empty();
    let subject = subject(user);
    let name = name(question, &subject);
    let existing = world.filter(|_| !cluster).and_then(|world| fitting(world, question));
    let (role_kind, role_name) = match existing {
        Some(role) => (role.kind.as_ref(), role.name.clone()),
        None => (if cluster { "ClusterRole" } else { "Role" }, name.clone()),
    };
    let metadata = |name: &str, namespace: &str| {
        let place = if namespace.is_empty() { String::new() } else { format!("\n  namespace: {}", yaml(namespace)) };
        format!("metadata:\n  name: {}{place}\n", yaml(name))
    };
    let namespace = if cluster { "" } else { question.namespace.as_str() };
    let mut text = String::new();
    if existing.is_none() {
        text.push_str(&format!("apiVersion: rbac.authorization.k8s.io/v1\nkind: {role_kind}\n"));
        text.push_str(&metadata(&role_name, namespace));
        text.push_str("rules:\n");
        text.push_str(&rule(question));
        text.push_str("---\n");
    }
    let binding_kind = if cluster { "ClusterRoleBinding" } else { "RoleBinding" };
    text.push_str(&format!("apiVersion: rbac.authorization.k8s.io/v1\nkind: {binding_kind}\n"));
    text.push_str(&metadata(&name, namespace));
    text.push_str(&format!(
        "roleRef:\n  apiGroup: rbac.authorization.k8s.io\n  kind: {role_kind}\n  name: {}\nsubjects:\n",
        yaml(&role_name)
    ));
    match subject {
        Subject::ServiceAccount(namespace, name) => text.push_str(&format!(
            "- kind: ServiceAccount\n  name: {}\n  namespace: {}\n",
            yaml(&name),
            yaml(&namespace)
        )),
        Subject::Named(kind, name) => {
            text.push_str(&format!("- apiGroup: rbac.authorization.k8s.io\n  kind: {kind}\n  name: {}\n", yaml(&name)))
        }
    }
    text
}

enum Subject {
    ServiceAccount(String, String),
    Named(&'static str, String),
}

/// A service account as such; a user as a user; somebody of whom only groups are known by the first of them.
fn subject(user: &User) -> Subject {
    if let Some((namespace, name)) = service_account(&user.username) {
        return Subject::ServiceAccount(namespace.to_owned(), name.to_owned());
    }
    let own_group = user.groups.iter().find(|group| !group.starts_with("system:")).or(user.groups.first());
    match own_group {
        Some(group) if user.username.is_empty() => Subject::Named("Group", group.clone()),
        _ => Subject::Named("User", user.username.clone()),
    }
}

fn rule(question: &Question) -> String {
    let verb = yaml(&question.verb);
    if let Some(path) = &question.path {
        return format!("- nonResourceURLs: [{}]\n  verbs: [{verb}]\n", yaml(path));
    }
    let resource = question.whole();
    let names = if is_of_one_object(question) {
        format!("  resourceNames: [{}]\n", yaml(&question.name))
    } else {
        String::new()
    };
    format!("- apiGroups: [{}]\n  resources: [{}]\n{names}  verbs: [{verb}]\n", yaml(&question.group), yaml(&resource))
}

/// The request carries the name of an object. One that creates an object, or deletes a collection, carries none: naming it
/// would grant nothing. One that creates below an object (its token, an exec) does.
fn is_of_one_object(question: &Question) -> bool {
    let nameless = match question.verb.as_str() {
        "create" => question.subresource.is_empty(),
        verb => verb == "deletecollection",
    };
    !question.name.is_empty() && !nameless
}

/// A role that allows the question and hardly more: no wildcard, one resource with its subresources, no verb that
/// writes where only reading is asked.
fn fitting<'a>(world: &World<'a>, question: &Question) -> Option<&'a Role> {
    let reads = |verb: &String| ["get", "list", "watch"].contains(&verb.as_str());
    let base = |resource: &str| resource.split('/').next() == Some(question.resource.as_str());
    let mut fits: Vec<(usize, &'a Role)> = world
        .roles()
        .filter(|role| role.kind == "ClusterRole" || role.namespace == question.namespace)
        .filter(|role| !role.name.starts_with("system:") && role.non_resource_rules.is_empty())
        .filter(|role| rules::allowing(role, question).is_some())
        .filter(|role| {
            role.resource_rules.iter().all(|rule| {
                rule.resources.iter().all(|resource| base(resource))
                    && !rule.verbs.iter().any(|verb| verb == "*")
                    && !rule.api_groups.iter().any(|group| group == "*")
                    && (!reads(&question.verb) || rule.verbs.iter().all(reads))
            })
        })
        .map(|role| (width(role), role))
        .filter(|(width, _)| *width <= LARGEST_FIT)
        .collect();
    fits.sort_by_key(|(width, role)| (*width, role.kind == "Role", role.name.as_str()));
    fits.first().map(|(_, role)| *role)
}

fn width(role: &Role) -> usize {
    rules::of(role)
        .map(|rule| match rule {
            Rule::Resource(rule) => rule.verbs.len() * rule.resources.len() * rule.api_groups.len(),
            Rule::Path(rule) => rule.verbs.len() * rule.paths.len(),
        })
        .sum()
}

/// A name for the new objects: who, verb, resource and object, in letters that every object may carry. Another grant has
/// another name, because to apply it under the same one would take the first away: what the letters alone may not tell
/// apart (`Kim` and `kim`, `a-b` in `c` and `a` in `b-c`) ends in a hash.
fn name(question: &Question, subject: &Subject) -> String {
    let who = match subject {
        Subject::ServiceAccount(namespace, name) => format!("{namespace}-{name}"),
        Subject::Named(_, name) => name.clone(),
    };
    let what = question.path.as_deref().unwrap_or(&question.resource);
    // `events` and `pods` are resources of more than one group; the groups without a dot are Kubernetes' first ones.
    let group = if question.group.contains('.') { question.group.as_str() } else { "" };
    let object = if is_of_one_object(question) { question.name.as_str() } else { "" };
    let parts = [who.as_str(), question.verb.as_str(), what, question.subresource.as_str(), group, object];
    let all = parts.join("-");
    let mut name = String::new();
    for c in all.to_lowercase().chars() {
        if c.is_ascii_alphanumeric() {
            name.push(c);
        } else if !name.is_empty() && !name.ends_with('-') {
            name.push('-');
        }
    }
    let name = name.trim_matches('-');
    let plain = |part: &&str| part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    if name.len() <= LONGEST
        && [parts[0], what, object].iter().all(plain)
        && !matches!(subject, Subject::Named("Group", _))
    {
        return name.to_owned();
    }
    let kind = match subject {
        Subject::ServiceAccount(namespace, _) => namespace,
        Subject::Named(kind, _) => *kind,
    };
    let hash = short_hash(&format!("{kind}\n{}", parts.join("\n")));
    let beginning = if name.is_empty() { "kaccess-grant" } else { &name[..name.len().min(LONGEST - 7)] };
    format!("{}-{hash}", beginning.trim_end_matches('-'))
}

/// A YAML scalar: plain where nothing could read it otherwise, else in double quotes (JSON's escapes are YAML's).
fn yaml(text: &str) -> String {
    let plain = text.chars().next().is_some_and(|c| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '/'))
        && !["true", "false", "yes", "no", "on", "off", "null", "y", "n"].contains(&text.to_lowercase().as_str());
    if plain { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}
