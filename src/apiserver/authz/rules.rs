//! Whether one rule allows one question.
//!
//! Source: Kubernetes' `pkg/apis/rbac/v1/evaluation_helpers.go`. Every comparison is byte by byte.

use crate::evidence::access::{NonResourceRule, Question, ResourceRule};
use crate::evidence::rbac::Role;

/// A rule of a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule<'a> {
    /// On resources.
    Resource(&'a ResourceRule),
    /// On paths.
    Path(&'a NonResourceRule),
}

impl Rule<'_> {
    /// Whether the rule allows the question; a rule on resources never allows a path, nor the other way round.
    pub fn allows(&self, question: &Question) -> bool {
        match (self, &question.path) {
            (Self::Path(rule), Some(path)) => has(&rule.verbs, &question.verb) && paths_match(&rule.paths, path),
            (Self::Resource(rule), None) => resource_rule_allows(rule, question),
            _ => false,
        }
    }
}

/// The rules of a role.
pub fn of(role: &Role) -> impl Iterator<Item = Rule<'_>> {
    role.resource_rules.iter().map(Rule::Resource).chain(role.non_resource_rules.iter().map(Rule::Path))
}

/// The first rule of a role that allows the question.
pub fn allowing<'a>(role: &'a Role, question: &Question) -> Option<Rule<'a>> {
    match question.path {
        Some(_) => role.non_resource_rules.iter().map(Rule::Path).find(|rule| rule.allows(question)),
        None => role.resource_rules.iter().map(Rule::Resource).find(|rule| rule.allows(question)),
    }
}

/// Whether a rule on resources allows a question.
pub fn resource_rule_allows(rule: &ResourceRule, question: &Question) -> bool {
    has(&rule.verbs, &question.verb)
        && has(&rule.api_groups, &question.group)
        && resources_match(&rule.resources, &question.resource, &question.subresource)
        && names_match(&rule.resource_names, &question.name)
}

/// `*` or the very word.
pub fn has(list: &[String], wanted: &str) -> bool {
    list.iter().any(|entry| entry == "*" || entry == wanted)
}

/// `*` is every resource with every subresource, `*/scale` that subresource of every resource; `pods` is not
/// `pods/log`, and `pods/*` is nothing.
pub fn resources_match(list: &[String], resource: &str, subresource: &str) -> bool {
    list.iter().any(|entry| {
        if entry == "*" {
            return true;
        }
        if subresource.is_empty() {
            return entry == resource;
        }
        entry.strip_suffix(subresource).and_then(|rest| rest.strip_suffix('/')).is_some_and(|rest| rest == resource)
            || entry.strip_prefix("*/") == Some(subresource)
    })
}

/// No names are all names; a question without a name matches none.
pub fn names_match(names: &[String], name: &str) -> bool {
    names.is_empty() || names.iter().any(|entry| entry == name)
}

/// `*` is everything, a trailing `*` a prefix (all trailing stars go), else the very path.
pub fn paths_match(paths: &[String], path: &str) -> bool {
    paths.iter().any(|known| {
        known == "*" || known == path || (known.ends_with('*') && path.starts_with(known.trim_end_matches('*')))
    })
}
