//! Access questions: the built-in resources, and RBAC as the server evaluates it.
//!
//! Sources: Kubernetes' `plugin/pkg/auth/authorizer/rbac/rbac.go` (order, reasons) and
//! `pkg/registry/rbac/validation/rule.go` (which bindings count, how a missing role is told).

pub mod escalation;
pub mod impersonation;
pub mod modes;
pub mod near;
pub mod nodes;
pub mod request;
pub mod resources;
pub mod rules;
pub mod suggestion;
#[cfg(test)]
mod tests;
pub mod who;
pub mod wider;

use std::collections::HashMap;

use crate::evidence::access::Question;
use crate::evidence::identity::User;
pub use crate::evidence::identity::{AUTHENTICATED, MASTERS, UNAUTHENTICATED};
use crate::evidence::rbac::{Binding, Rbac, Role, Subject};
use crate::gotext::quote;
use rules::Rule;

/// A grant: the binding, its role, the rule that allows and the subject that matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant<'a> {
    /// The binding.
    pub binding: &'a Binding,
    /// The role it names.
    pub role: &'a Role,
    /// The first rule of the role that allows the question.
    pub rule: Rule<'a>,
    /// The first subject of the binding that is this user.
    pub subject: &'a Subject,
}

impl Grant<'_> {
    /// The reason as the server gives it.
    pub fn reason(&self) -> String {
        let Binding { kind, namespace, name, .. } = self.binding;
        // A RoleBinding is written "name/namespace", and so is a service account.
        let place = if namespace.is_empty() { name.clone() } else { format!("{name}/{namespace}") };
        format!(
            "RBAC: allowed by {kind} {} of {} {} to {}",
            quote(&place),
            self.binding.role_kind,
            quote(&self.binding.role_name),
            describe(self.subject, namespace)
        )
    }
}

/// A subject as the reason writes it.
fn describe(subject: &Subject, binding_namespace: &str) -> String {
    if subject.kind == "ServiceAccount" {
        let namespace = if subject.namespace.is_empty() { binding_namespace } else { &subject.namespace };
        return format!("{} {}", subject.kind, quote(&format!("{}/{namespace}", subject.name)));
    }
    format!("{} {}", subject.kind, quote(&subject.name))
}

/// What RBAC (with the superuser authorizer before it) says to a question.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decision {
    /// The answer.
    pub allowed: bool,
    /// The reason of the review's status: empty for a plain denial and for system:masters.
    pub reason: String,
}

/// What a binding's roleRef leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolved<'a> {
    /// The role.
    Role(&'a Role),
    /// There is none, in the server's words.
    Missing(String),
    /// Roles of that kind could not be read.
    Unread,
}

/// All of a cluster's RBAC, indexed as the server looks it up.
pub struct World<'a> {
    bindings: &'a [Binding],
    cluster: Vec<&'a Binding>,
    namespaced: HashMap<&'a str, Vec<&'a Binding>>,
    roles: HashMap<(&'a str, &'a str, &'a str), &'a Role>,
    unread: &'a [String],
}

impl<'a> World<'a> {
    /// Indexes what was read.
    pub fn new(rbac: &'a Rbac) -> Self {
        let mut world = Self {
            bindings: &rbac.bindings,
            cluster: Vec::new(),
            namespaced: HashMap::new(),
            roles: rbac
                .roles
                .iter()
                .map(|role| ((role.kind.as_ref(), role.namespace.as_str(), role.name.as_str()), role))
                .collect(),
            unread: &rbac.unread,
        };
        for binding in &rbac.bindings {
            if binding.kind == "ClusterRoleBinding" {
                world.cluster.push(binding);
            } else {
                world.namespaced.entry(&binding.namespace).or_default().push(binding);
            }
        }
        world
    }

    /// All bindings.
    pub fn bindings(&self) -> &'a [Binding] {
        self.bindings
    }

    /// All roles.
    pub fn roles(&self) -> impl Iterator<Item = &'a Role> {
        self.roles.values().copied()
    }

    /// The role of a kind and name; a Role is looked up in its namespace.
    pub fn role(&self, kind: &str, namespace: &str, name: &str) -> Option<&'a Role> {
        self.roles.get(&(kind, if kind == "Role" { namespace } else { "" }, name)).copied()
    }

    /// The bindings that count for a namespace, in the server's order: those of the cluster, then the namespace's own.
    /// A question at the cluster scope, or about a path, has no namespace.
    pub fn in_scope(&self, namespace: &str) -> impl Iterator<Item = &'a Binding> {
        let own = if namespace.is_empty() { None } else { self.namespaced.get(namespace) };
        self.cluster.iter().copied().chain(own.into_iter().flatten().copied())
    }

    /// The role that a binding names.
    pub fn resolve(&self, binding: &Binding) -> Resolved<'a> {
        let word = match binding.role_kind.as_ref() {
            "Role" => "role",
            "ClusterRole" => "clusterrole",
            other => return Resolved::Missing(format!("unsupported role reference kind: {}", quote(other))),
        };
        match self.role(&binding.role_kind, &binding.namespace, &binding.role_name) {
            Some(role) => Resolved::Role(role),
            None if self.unread.iter().any(|kind| kind.starts_with(&format!("{}s", binding.role_kind))) => {
                Resolved::Unread
            }
            None => {
                Resolved::Missing(format!("{word}.rbac.authorization.k8s.io {} not found", quote(&binding.role_name)))
            }
        }
    }

    /// Every grant that allows the question to this user, in the server's order; empty is a denial by RBAC.
    pub fn grants(&self, user: &User, question: &Question) -> Vec<Grant<'a>> {
        self.in_scope(scope(question))
            .filter_map(|binding| {
                let subject = applying(binding, user)?;
                let Resolved::Role(role) = self.resolve(binding) else { return None };
                let rule = rules::allowing(role, question)?;
                Some(Grant { binding, role, rule, subject })
            })
            .collect()
    }

    /// The server's answer. Where several grants allow, its reason names any one of them.
    pub fn decide(&self, user: &User, question: &Question) -> Decision {
        if is_master(user) {
            return Decision { allowed: true, reason: String::new() };
        }
        let mut errors = Vec::new();
        for binding in self.in_scope(scope(question)) {
            let Some(subject) = applying(binding, user) else { continue };
            match self.resolve(binding) {
                Resolved::Role(role) => {
                    if let Some(rule) = rules::allowing(role, question) {
                        return Decision { allowed: true, reason: Grant { binding, role, rule, subject }.reason() };
                    }
                }
                Resolved::Missing(text) => errors.push(text),
                Resolved::Unread => {}
            }
        }
        Decision { allowed: false, reason: aggregate(&errors).map(|text| format!("RBAC: {text}")).unwrap_or_default() }
    }

    /// The rules that apply to a user in a namespace (empty: the cluster scope), and what went wrong finding them.
    pub fn rules_for(&self, user: &User, namespace: &str) -> (Vec<Rule<'a>>, Vec<String>) {
        let (mut found, mut errors) = (Vec::new(), Vec::new());
        for binding in self.in_scope(namespace).filter(|binding| applying(binding, user).is_some()) {
            match self.resolve(binding) {
                Resolved::Role(role) => found.extend(rules::of(role)),
                Resolved::Missing(text) => errors.push(text),
                Resolved::Unread => {}
            }
        }
        (found, errors)
    }
}

/// The namespace whose RoleBindings count for a question: none for a path.
fn scope(question: &Question) -> &str {
    if question.path.is_some() { "" } else { &question.namespace }
}

/// In system:masters: allowed before RBAC is asked.
pub fn is_master(user: &User) -> bool {
    user.groups.iter().any(|group| group == MASTERS)
}

/// The first subject of a binding that is this user.
pub fn applying<'a>(binding: &'a Binding, user: &User) -> Option<&'a Subject> {
    binding.subjects.iter().find(|subject| applies(subject, &binding.namespace, user))
}

/// Whether a subject is this user or one of its groups; names are compared byte by byte, the subject's apiGroup is not
/// looked at.
pub fn applies(subject: &Subject, binding_namespace: &str, user: &User) -> bool {
    match subject.kind.as_ref() {
        "User" => subject.name == user.username,
        "Group" => user.groups.contains(&subject.name),
        "ServiceAccount" => {
            let namespace = if subject.namespace.is_empty() { binding_namespace } else { &subject.namespace };
            !namespace.is_empty()
                && user
                    .username
                    .strip_prefix("system:serviceaccount:")
                    .and_then(|rest| rest.strip_prefix(namespace))
                    .and_then(|rest| rest.strip_prefix(':'))
                    == Some(&subject.name)
        }
        _ => false,
    }
}

/// Several errors as one text, as apimachinery's `utilerrors.Aggregate` writes it: each once, in brackets.
pub fn aggregate(errors: &[String]) -> Option<String> {
    let mut seen: Vec<&str> = Vec::new();
    for error in errors {
        if !seen.contains(&error.as_str()) {
            seen.push(error);
        }
    }
    match seen.as_slice() {
        [] => None,
        [one] => Some((*one).to_owned()),
        many => Some(format!("[{}]", many.join(", "))),
    }
}

/// The groups of a user as the server would have them: system:authenticated is added to those who signed in, and a
/// service account is in the two groups of its kind.
pub fn with_implicit_groups(user: &User) -> User {
    let mut user = user.clone();
    let anonymous = user.is_anonymous();
    let signed_in = !user.groups.iter().any(|group| group == UNAUTHENTICATED);
    let account = service_account(&user.username).map(|(namespace, _)| namespace.to_owned());
    let mut add = |group: String| {
        if !user.groups.contains(&group) {
            user.groups.push(group);
        }
    };
    if let Some(namespace) = account {
        add("system:serviceaccounts".to_owned());
        add(format!("system:serviceaccounts:{namespace}"));
    }
    if anonymous {
        add(UNAUTHENTICATED.to_owned());
    } else if signed_in {
        add(AUTHENTICATED.to_owned());
    }
    user
}

/// Namespace and name of a service account's user name.
pub fn service_account(username: &str) -> Option<(&str, &str)> {
    username
        .strip_prefix("system:serviceaccount:")?
        .split_once(':')
        .filter(|(namespace, name)| !namespace.is_empty() && !name.is_empty() && !name.contains(':'))
}
