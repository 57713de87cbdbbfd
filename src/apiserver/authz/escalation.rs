//! Whether somebody may grant rules: only what is held can be given away.
//!
//! Sources: Kubernetes' `component-helpers/auth/rbac/validation/policy_comparator.go` (what covers what),
//! `pkg/registry/rbac/validation/{rule,policy_compact}.go` (the refusal's text) and
//! `pkg/registry/rbac/escalation_check.go` (who is exempt).

use super::rules::{self, Rule};
use super::{World, is_master};
use crate::evidence::access::{NonResourceRule, Question, ResourceRule};
use crate::evidence::identity::User;
use crate::evidence::rbac::{Binding, Role};
use crate::gotext::{quote, quote_list};

/// A rule of one group, resource, verb and name, or of one path and verb.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Atom {
    /// On a resource.
    Resource {
        /// API group.
        group: String,
        /// Resource, perhaps with a subresource.
        resource: String,
        /// Object name, `None` for all.
        name: Option<String>,
        /// Verb.
        verb: String,
    },
    /// On a path.
    Path {
        /// Path, perhaps with a trailing star.
        path: String,
        /// Verb.
        verb: String,
    },
}

/// Breaks rules into atoms, in the order of the server.
pub fn atoms<'a>(rules: impl IntoIterator<Item = Rule<'a>>) -> Vec<Atom> {
    let mut found = Vec::new();
    for rule in rules {
        match rule {
            Rule::Resource(rule) => {
                let names: Vec<Option<String>> = if rule.resource_names.is_empty() {
                    vec![None]
                } else {
                    rule.resource_names.iter().cloned().map(Some).collect()
                };
                for group in &rule.api_groups {
                    for resource in &rule.resources {
                        for verb in &rule.verbs {
                            found.extend(names.iter().map(|name| Atom::Resource {
                                group: group.clone(),
                                resource: resource.clone(),
                                name: name.clone(),
                                verb: verb.clone(),
                            }));
                        }
                    }
                }
            }
            Rule::Path(rule) => {
                for path in &rule.paths {
                    found.extend(rule.verbs.iter().map(|verb| Atom::Path { path: path.clone(), verb: verb.clone() }));
                }
            }
        }
    }
    found
}

/// Whether one held rule covers an atom. A rule without names covers every name, never the other way round.
fn covers(held: &Rule<'_>, atom: &Atom) -> bool {
    match (held, atom) {
        (Rule::Resource(held), Atom::Resource { group, resource, name, verb }) => {
            let by_subresource = || {
                resource
                    .split_once('/')
                    .is_some_and(|(_, subresource)| held.resources.contains(&format!("*/{subresource}")))
            };
            let names = match name {
                None => held.resource_names.is_empty(),
                Some(name) => rules::names_match(&held.resource_names, name),
            };
            rules::has(&held.verbs, verb)
                && rules::has(&held.api_groups, group)
                && (rules::has(&held.resources, resource) || by_subresource())
                && names
        }
        (Rule::Path(held), Atom::Path { path, verb }) => {
            rules::has(&held.verbs, verb) && rules::paths_match(&held.paths, path)
        }
        _ => false,
    }
}

/// The atoms of `wanted` that no rule of `held` covers.
pub fn missing<'a>(held: &[Rule<'_>], wanted: impl IntoIterator<Item = Rule<'a>>) -> Vec<Atom> {
    atoms(wanted).into_iter().filter(|atom| !held.iter().any(|rule| covers(rule, atom))).collect()
}

/// Rules on one resource that differ only by verb become one, the others stay as they are.
fn compact(atoms: &[Atom]) -> Vec<(Option<ResourceRule>, Option<NonResourceRule>)> {
    let mut resources: Vec<ResourceRule> = Vec::new();
    let mut found = Vec::new();
    for atom in atoms {
        match atom {
            Atom::Path { path, verb } => {
                found.push((None, Some(NonResourceRule { verbs: vec![verb.clone()], paths: vec![path.clone()] })))
            }
            Atom::Resource { group, resource, name, verb } => {
                let rule = ResourceRule {
                    verbs: vec![verb.clone()],
                    api_groups: vec![group.clone()],
                    resources: vec![resource.clone()],
                    resource_names: name.iter().cloned().collect(),
                };
                let same = resources.iter_mut().find(|known| {
                    known.api_groups == rule.api_groups
                        && known.resources == rule.resources
                        && known.resource_names == rule.resource_names
                });
                match same {
                    // A verb that stands twice in the rule is told twice.
                    Some(known) => known.verbs.push(verb.clone()),
                    None => resources.push(rule),
                }
            }
        }
    }
    found.extend(resources.into_iter().map(|rule| (Some(rule), None)));
    found
}

/// A rule as the refusal writes it: `{APIGroups:[""], Resources:["pods"], Verbs:["get"]}`.
fn text(rule: &(Option<ResourceRule>, Option<NonResourceRule>)) -> String {
    let mut parts = Vec::new();
    let mut add = |name: &str, list: &[String]| {
        if !list.is_empty() {
            parts.push(format!("{name}:{}", quote_list(list)));
        }
    };
    if let (Some(rule), _) = rule {
        add("APIGroups", &rule.api_groups);
        add("Resources", &rule.resources);
        add("ResourceNames", &rule.resource_names);
        add("Verbs", &rule.verbs);
    } else if let (_, Some(rule)) = rule {
        add("NonResourceURLs", &rule.paths);
        add("Verbs", &rule.verbs);
    }
    format!("{{{}}}", parts.join(", "))
}

/// What may be wrong with a grant, in the server's words.
pub type Refusal = String;

/// How a role is written: a new one is asked about without its name, because a POST carries none in its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Write {
    /// It does not exist yet.
    Create,
    /// It does.
    Update,
}

/// Whether the user may write a role with these rules.
///
/// # Errors
/// The refusal's tail, as it stands after `is forbidden: `.
pub fn may_write_role(world: &World<'_>, user: &User, role: &Role, write: Write) -> Result<(), Refusal> {
    let (resource, namespace) =
        if role.kind == "Role" { ("roles", role.namespace.as_str()) } else { ("clusterroles", "") };
    let name = if write == Write::Create { "" } else { role.name.as_str() };
    if is_master(user) || world.decide(user, &on_role("escalate", resource, namespace, name)).allowed {
        return Ok(());
    }
    confirm(world, user, (resource, namespace), rules::of(role))
}

/// Whether the user may write a binding to its role.
///
/// # Errors
/// The refusal's tail; a role that does not exist is told as the server does (404).
pub fn may_write_binding(world: &World<'_>, user: &User, binding: &Binding) -> Result<(), Refusal> {
    let namespace = binding.namespace.as_str();
    let resource = if binding.role_kind == "Role" { "roles" } else { "clusterroles" };
    let written = if binding.kind == "RoleBinding" { "rolebindings" } else { "clusterrolebindings" };
    if is_master(user) || world.decide(user, &on_role("bind", resource, namespace, &binding.role_name)).allowed {
        return Ok(());
    }
    match world.resolve(binding) {
        super::Resolved::Role(role) => confirm(world, user, (written, namespace), rules::of(role)),
        super::Resolved::Missing(text) => Err(as_request(&text, written)),
        super::Resolved::Unread => Err("the role could not be read".to_owned()),
    }
}

/// This check looks roles up in the store, which names in its errors the resource that the request is about, not the
/// one that is missing (`qualifiedResourceFromContext` in apiserver's `registry/generic/registry/store.go`).
fn as_request(error: &str, resource: &str) -> String {
    match error.split_once(".rbac.") {
        Some((_, rest)) => format!("{resource}.rbac.{rest}"),
        None => error.to_owned(),
    }
}

fn on_role(verb: &str, resource: &str, namespace: &str, name: &str) -> Question {
    Question {
        verb: verb.to_owned(),
        group: "rbac.authorization.k8s.io".to_owned(),
        resource: resource.to_owned(),
        name: name.to_owned(),
        namespace: namespace.to_owned(),
        ..Question::default()
    }
}

fn confirm<'a>(
    world: &World<'_>,
    user: &User,
    (written, namespace): (&str, &str),
    wanted: impl IntoIterator<Item = Rule<'a>>,
) -> Result<(), Refusal> {
    let (held, errors) = world.rules_for(user, namespace);
    let missing = missing(&held, wanted);
    if missing.is_empty() {
        return Ok(());
    }
    let mut texts: Vec<String> = compact(&missing).iter().map(text).collect();
    texts.sort();
    texts.dedup();
    let mut refusal = format!(
        "user {} (groups={}) is attempting to grant RBAC permissions not currently held:\n{}",
        quote(&user.username),
        quote_list(&user.groups),
        texts.join("\n")
    );
    let errors: Vec<String> = errors.iter().map(|error| as_request(error, written)).collect();
    if let Some(errors) = super::aggregate(&errors) {
        refusal.push_str(&format!("; resolution errors: [{errors}]"));
    }
    Err(refusal)
}
