//! Access questions: the built-in resources, and RBAC as the server evaluates it.
//!
//! Sources: Kubernetes' `pkg/apis/rbac/v1/evaluation_helpers.go` and `plugin/pkg/auth/authorizer/rbac/rbac.go`.

pub mod resources;

use crate::evidence::access::{Question, ResourceRule};
use crate::evidence::identity::User;
use crate::evidence::rbac::{Binding, Rbac, Role, Subject};

/// The binding and role that allow a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant<'a> {
    /// The binding.
    pub binding: &'a Binding,
    /// The role it names.
    pub role: &'a Role,
    /// The subject that matches.
    pub subject: &'a Subject,
}

/// Every grant that allows the question to this user; empty is a denial by RBAC.
pub fn grants<'a>(rbac: &'a Rbac, user: &User, question: &Question) -> Vec<Grant<'a>> {
    rbac.bindings
        .iter()
        .filter(|binding| {
            binding.kind == "ClusterRoleBinding"
                || (question.path.is_none()
                    && !question.namespace.is_empty()
                    && binding.namespace == question.namespace)
        })
        .filter_map(|binding| {
            let subject = binding.subjects.iter().find(|subject| applies(subject, binding, user))?;
            let namespace = if binding.role_kind == "Role" { binding.namespace.as_str() } else { "" };
            let role = rbac.roles.iter().find(|role| {
                role.kind == binding.role_kind && role.name == binding.role_name && role.namespace == namespace
            })?;
            role_allows(role, question).then_some(Grant { binding, role, subject })
        })
        .collect()
}

/// Whether a subject is this user or one of its groups; names are compared byte by byte.
fn applies(subject: &Subject, binding: &Binding, user: &User) -> bool {
    match subject.kind.as_str() {
        "User" => subject.name == user.username,
        "Group" => user.groups.contains(&subject.name),
        "ServiceAccount" => {
            let namespace = if subject.namespace.is_empty() { &binding.namespace } else { &subject.namespace };
            !namespace.is_empty() && user.username == format!("system:serviceaccount:{namespace}:{}", subject.name)
        }
        _ => false,
    }
}

/// Whether some rule of a role allows the question.
pub fn role_allows(role: &Role, question: &Question) -> bool {
    match &question.path {
        Some(path) => role.non_resource_rules.iter().any(|rule| {
            covers(&rule.verbs, &question.verb) && rule.paths.iter().any(|known| path_matches(known, path))
        }),
        None => role.resource_rules.iter().any(|rule| rule_allows(rule, question)),
    }
}

fn covers(list: &[String], wanted: &str) -> bool {
    list.iter().any(|entry| entry == "*" || entry == wanted)
}

/// `*` is everything, a trailing `*` a prefix, else the very path.
fn path_matches(known: &str, path: &str) -> bool {
    known == "*" || known == path || (known.ends_with('*') && path.starts_with(known.trim_end_matches('*')))
}

fn rule_allows(rule: &ResourceRule, question: &Question) -> bool {
    let whole = if question.subresource.is_empty() {
        question.resource.clone()
    } else {
        format!("{}/{}", question.resource, question.subresource)
    };
    let resource = rule.resources.iter().any(|entry| {
        entry == "*"
            || *entry == whole
            || (!question.subresource.is_empty() && entry.strip_prefix("*/") == Some(question.subresource.as_str()))
    });
    covers(&rule.verbs, &question.verb)
        && covers(&rule.api_groups, &question.group)
        && resource
        && (rule.resource_names.is_empty() || rule.resource_names.contains(&question.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(resources: &[&str], names: &[&str]) -> ResourceRule {
        let own = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
        ResourceRule {
            verbs: own(&["get"]),
            api_groups: own(&[""]),
            resources: own(resources),
            resource_names: own(names),
        }
    }

    fn question(resource: &str, subresource: &str, name: &str) -> Question {
        Question {
            verb: "get".to_owned(),
            resource: resource.to_owned(),
            subresource: subresource.to_owned(),
            name: name.to_owned(),
            ..Question::default()
        }
    }

    #[test]
    fn subresources_are_matched_as_the_server_does() {
        assert!(!rule_allows(&rule(&["pods"], &[]), &question("pods", "log", "")));
        assert!(rule_allows(&rule(&["pods/log"], &[]), &question("pods", "log", "")));
        assert!(rule_allows(&rule(&["*/log"], &[]), &question("pods", "log", "")));
        assert!(!rule_allows(&rule(&["pods/*"], &[]), &question("pods", "log", "")));
        assert!(rule_allows(&rule(&["*"], &[]), &question("pods", "log", "")));
    }

    #[test]
    fn resource_names_never_match_a_question_without_a_name() {
        assert!(!rule_allows(&rule(&["pods"], &["a"]), &question("pods", "", "")));
        assert!(rule_allows(&rule(&["pods"], &["a"]), &question("pods", "", "a")));
    }

    #[test]
    fn paths_match_by_prefix_only_with_a_star() {
        assert!(path_matches("/healthz*", "/healthzfoo"));
        assert!(!path_matches("/healthz", "/healthz/"));
    }
}
