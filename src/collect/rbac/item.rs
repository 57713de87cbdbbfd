//! One object of an RBAC list while it is read, in whichever form: each part is paid for before it is kept.

use std::mem::size_of;

use super::budget::{Bill, Budget, Spent, heap};
use super::selector::{Aggregation, Labels};
use crate::evidence::access::{NonResourceRule, ResourceRule};
use crate::evidence::rbac::{Binding, Kind, Role, Subject};

/// From so many elements on a list counts as long.
const LONG: usize = 4096;

/// What an object takes beside its texts and lists.
const OWN: usize = size_of::<Role>();
/// What an entry of a map takes beside its texts.
const ENTRY: usize = 64;

/// Why a list was not read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It costs more than there is.
    Spent,
    /// It is no list of that kind.
    Malformed,
    /// Whoever took the objects wanted no more.
    Stopped,
}

impl From<Spent> for Fault {
    fn from(_: Spent) -> Self {
        Self::Spent
    }
}

/// A binding or a role.
#[derive(Debug)]
pub struct Item<'b> {
    /// What it costs.
    pub bill: Bill<'b>,
    /// Its name; no object of a real server has none.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Its labels; read of roles only, and not kept of bindings.
    pub labels: Labels,
    /// A binding's role.
    pub role_kind: Kind,
    /// A binding's role.
    pub role_name: String,
    /// A binding's subjects.
    pub subjects: Vec<Subject>,
    /// A role's rules on resources.
    pub resource_rules: Vec<ResourceRule>,
    /// A role's rules on paths.
    pub non_resource_rules: Vec<NonResourceRule>,
    /// A ClusterRole's aggregationRule.
    pub aggregation: Option<Aggregation>,
}

impl<'b> Item<'b> {
    /// An empty one.
    pub fn new(budget: &'b Budget) -> Self {
        Self {
            bill: Bill::new(budget),
            name: String::new(),
            namespace: String::new(),
            labels: Labels::new(),
            role_kind: Kind::default(),
            role_name: String::new(),
            subjects: Vec::new(),
            resource_rules: Vec::new(),
            non_resource_rules: Vec::new(),
            aggregation: None,
        }
    }

    /// Pays for the object itself, once all of it is read.
    pub fn finish(&mut self) -> Result<(), Spent> {
        self.bill.pay(OWN)
    }

    /// Adds a subject whose texts are paid for.
    pub fn add_subject(&mut self, subject: Subject) -> Result<(), Spent> {
        self.bill.pay(room::<Subject>(self.subjects.len()))?;
        self.subjects.push(Subject { index: self.subjects.len(), ..subject });
        Ok(())
    }

    /// Adds a rule whose texts are paid for.
    pub fn add_rule(&mut self, mut rule: RawRule) -> Result<(), Spent> {
        self.bill.pay(room::<ResourceRule>(self.resource_rules.len()))?;
        // A list of one would keep room for four.
        for list in
            [&mut rule.verbs, &mut rule.api_groups, &mut rule.resources, &mut rule.resource_names, &mut rule.paths]
        {
            list.shrink_to_fit();
        }
        if rule.paths.is_empty() {
            self.resource_rules.push(ResourceRule {
                verbs: rule.verbs,
                api_groups: rule.api_groups,
                resources: rule.resources,
                resource_names: rule.resource_names,
            });
        } else {
            self.non_resource_rules.push(NonResourceRule { verbs: rule.verbs, paths: rule.paths });
        }
        Ok(())
    }

    /// As a binding of this kind, with what it costs.
    pub fn into_binding(mut self, kind: &'static str) -> (Binding, Bill<'b>) {
        self.subjects.shrink_to_fit();
        let binding = Binding {
            kind: Kind::Borrowed(kind),
            namespace: self.namespace,
            name: self.name,
            role_kind: self.role_kind,
            role_name: self.role_name,
            subjects: self.subjects,
        };
        (binding, self.bill)
    }

    /// As a role of this kind, with its labels and what it costs. Whether it aggregates is told in it already.
    pub fn into_role(mut self, kind: &'static str) -> (Role, Labels, Option<Aggregation>, Bill<'b>) {
        self.resource_rules.shrink_to_fit();
        self.non_resource_rules.shrink_to_fit();
        let role = Role {
            kind: Kind::Borrowed(kind),
            namespace: self.namespace,
            name: self.name,
            resource_rules: self.resource_rules,
            non_resource_rules: self.non_resource_rules,
            aggregates: self.aggregation.is_some(),
            collects: Vec::new(),
        };
        (role, self.labels, self.aggregation, self.bill)
    }
}

/// A PolicyRule before it is known whether it is about resources or paths.
#[derive(Debug, Default)]
pub struct RawRule {
    /// Verbs.
    pub verbs: Vec<String>,
    /// API groups.
    pub api_groups: Vec<String>,
    /// Resources.
    pub resources: Vec<String>,
    /// Names.
    pub resource_names: Vec<String>,
    /// `nonResourceURLs`.
    pub paths: Vec<String>,
}

/// What one more element of a list takes that holds so many: a long list grows by a copy twice as large, beside which the
/// old one still stands.
fn room<T>(held: usize) -> usize {
    size_of::<T>() * if held < LONG { 1 } else { 3 }
}

/// Pays for a text.
pub fn text(bill: &mut Bill<'_>, text: &str) -> Result<(), Spent> {
    bill.pay(heap(text.len()))
}

/// Pays for the name of a kind that a role reference or a subject may have, if it is another than those.
pub fn kind(bill: &mut Bill<'_>, name: &str) -> Result<Kind, Spent> {
    let known = ["Role", "ClusterRole", "User", "Group", "ServiceAccount"].into_iter().find(|known| *known == name);
    if let Some(known) = known {
        return Ok(Kind::Borrowed(known));
    }
    text(bill, name)?;
    Ok(Kind::Owned(name.to_owned()))
}

/// Adds a text to a list.
pub fn add_text(list: &mut Vec<String>, bill: &mut Bill<'_>, text: String) -> Result<(), Spent> {
    bill.pay(room::<String>(list.len()) + heap(text.len()))?;
    list.push(text);
    Ok(())
}

/// Adds a label.
pub fn add_label(labels: &mut Labels, bill: &mut Bill<'_>, key: String, value: String) -> Result<(), Spent> {
    bill.pay(ENTRY + heap(key.len()) + heap(value.len()))?;
    labels.insert(key, value);
    Ok(())
}

/// Adds an element of another kind, whose texts are paid for.
pub fn add<T>(list: &mut Vec<T>, bill: &mut Bill<'_>, element: T) -> Result<(), Spent> {
    bill.pay(room::<T>(list.len()))?;
    list.push(element);
    Ok(())
}
