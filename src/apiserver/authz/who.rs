//! Who can: every subject that a question is allowed to, with the ways.

use std::collections::BTreeMap;

use super::rules::{self, Rule};
use super::{MASTERS, Resolved, World};
use crate::evidence::access::Question;
use crate::evidence::rbac::{Binding, Role};

/// Where a question about everybody is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// In the question's own namespace, or at the cluster scope where it has none.
    Question,
    /// In each namespace and at the cluster scope: RoleBindings of all namespaces count.
    Anywhere,
}

/// A subject, named as bindings name it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Who {
    /// `Group`, `ServiceAccount` or `User`.
    pub kind: String,
    /// Namespace of a service account, else empty.
    pub namespace: String,
    /// Name.
    pub name: String,
}

/// One way by which a subject can.
#[derive(Debug, Clone, Copy)]
pub struct Way<'a> {
    /// The binding.
    pub binding: &'a Binding,
    /// Its role.
    pub role: &'a Role,
    /// The rule that allows.
    pub rule: Rule<'a>,
}

/// Every subject that can, groups as groups, sorted by kind and name. Members of system:masters always can; their
/// entry has no ways, because no binding is needed.
pub fn who_can<'a>(world: &World<'a>, question: &Question, reach: Reach) -> BTreeMap<Who, Vec<Way<'a>>> {
    let mut found: BTreeMap<Who, Vec<Way<'a>>> = BTreeMap::new();
    let masters = Who { kind: "Group".to_owned(), namespace: String::new(), name: MASTERS.to_owned() };
    found.insert(masters, Vec::new());
    let everywhere = reach == Reach::Anywhere && question.path.is_none();
    // A request about one Namespace carries it as its own namespace: RoleBindings in it count, and no others.
    let one_namespace = question.group.is_empty() && question.resource == "namespaces" && !question.name.is_empty();
    let mut look = |binding: &'a Binding| {
        if binding.subjects.is_empty() {
            return;
        }
        let Resolved::Role(role) = world.resolve(binding) else { return };
        let Some(rule) = rules::allowing(role, question) else { return };
        for subject in &binding.subjects {
            let namespace = match subject.kind.as_ref() {
                "ServiceAccount" if subject.namespace.is_empty() => &binding.namespace,
                "ServiceAccount" => &subject.namespace,
                "User" | "Group" => "",
                _ => continue,
            };
            // A ClusterRoleBinding's service account without namespace is nobody.
            if subject.kind == "ServiceAccount" && namespace.is_empty() {
                continue;
            }
            let who =
                Who { kind: subject.kind.to_string(), namespace: namespace.to_owned(), name: subject.name.clone() };
            let ways = found.entry(who).or_default();
            if !ways.iter().any(|way| std::ptr::eq(way.binding, binding)) {
                ways.push(Way { binding, role, rule });
            }
        }
    };
    if everywhere && one_namespace {
        world.in_scope(&question.name).for_each(&mut look);
    } else if everywhere {
        world.bindings().iter().for_each(&mut look);
    } else {
        world.in_scope(super::scope(question)).for_each(&mut look);
    }
    found
}
