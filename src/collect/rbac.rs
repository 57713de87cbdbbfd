//! Reads the RBAC lists and keeps what touches one identity.

pub mod lists;
pub mod selector;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::time::Duration;

use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use selector::{Aggregation, Labels};

use super::apiserver::Api;
use super::wire::Limits;
use crate::evidence::access::{NonResourceRule, ResourceRule};
use crate::evidence::identity::User;
use crate::evidence::rbac::{Binding, Rbac, Role, Subject};
use crate::evidence::{Failure, FailureKind};

/// How many bindings at most stay in the evidence.
const KEPT: usize = 200;

/// Reads a list object by object: a list of tiny ones would take fifty times its length if it were held whole.
fn each<'a, T: Deserialize<'a>>(body: &'a [u8], take: &mut dyn FnMut(T)) -> Result<(), serde_json::Error> {
    struct List<'t, T>(&'t mut dyn FnMut(T));
    impl<'a, T: Deserialize<'a>> Visitor<'a> for List<'_, T> {
        type Value = ();

        fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            formatter.write_str("a list")
        }

        fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
            while let Some(name) = map.next_key::<Cow<'a, str>>()? {
                if name == "items" {
                    map.next_value_seed(Items(&mut *self.0))?;
                } else {
                    map.next_value::<IgnoredAny>()?;
                }
            }
            Ok(())
        }
    }
    struct Items<'t, T>(&'t mut dyn FnMut(T));
    impl<'a, T: Deserialize<'a>> DeserializeSeed<'a> for Items<'_, T> {
        type Value = ();

        fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
            deserializer.deserialize_any(self)
        }
    }
    impl<'a, T: Deserialize<'a>> Visitor<'a> for Items<'_, T> {
        type Value = ();

        fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            formatter.write_str("the list's items")
        }

        fn visit_seq<A: SeqAccess<'a>>(self, mut items: A) -> Result<(), A::Error> {
            while let Some(item) = items.next_element()? {
                (self.0)(item);
            }
            Ok(())
        }

        /// Go writes a list that was never made so.
        fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
            Ok(())
        }
    }
    let mut reader = serde_json::Deserializer::from_slice(body);
    reader.deserialize_map(List(take))?;
    reader.end()
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Meta<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    namespace: Cow<'a, str>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Named<'a> {
    #[serde(borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    namespace: Cow<'a, str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawBinding<'a> {
    #[serde(borrow, default)]
    metadata: Meta<'a>,
    #[serde(borrow, default)]
    role_ref: Named<'a>,
    #[serde(borrow, default)]
    subjects: Option<Vec<Named<'a>>>,
}

#[derive(Deserialize)]
struct RawRole<'a> {
    #[serde(borrow, default)]
    metadata: Meta<'a>,
    #[serde(default)]
    rules: Option<Vec<RawRule>>,
    #[serde(default, rename = "aggregationRule")]
    aggregation: Option<Aggregation>,
}

/// A role's labels, read only where some role collects others by them.
#[derive(Deserialize)]
struct LabelledRole {
    #[serde(default)]
    metadata: LabelledMeta,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct LabelledMeta {
    name: String,
    labels: Option<Labels>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct RawRule {
    verbs: Vec<String>,
    api_groups: Vec<String>,
    resources: Vec<String>,
    resource_names: Vec<String>,
    #[serde(rename = "nonResourceURLs")]
    paths: Vec<String>,
}

/// Lists the four kinds and reduces them to what touches this user: bindings with a subject that is, or looks like,
/// the user or one of its groups, and the roles they name. `named` is the user of a message that is about somebody else.
///
/// # Errors
/// When neither kind of binding could be listed.
pub async fn rbac(api: &Api, user: &User, named: Option<&User>, read_as: &str) -> Result<Rbac, Failure> {
    let limits = Limits { body_bytes: 64 * 1024 * 1024, time: Duration::from_secs(15), ..Limits::default() };
    let get = |kind: &'static str| async move {
        let answer = api.get(&format!("/apis/rbac.authorization.k8s.io/v1/{kind}?resourceVersion=0"), limits).await?;
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
    let mut refusal = None;
    for (kind, body) in [("ClusterRoleBinding", &cluster_bindings), ("RoleBinding", &bindings)] {
        match body {
            Ok(body) => {
                let mut take = |binding: RawBinding<'_>| {
                    reduced.bindings_total += 1;
                    if reduced.bindings.len() < KEPT
                        && let Some(binding) = keep_binding(kind, &binding, &users)
                    {
                        reduced.bindings.push(binding);
                    }
                };
                if each(body, &mut take).is_err() {
                    reduced.unread.push(format!("{kind}s: the list is no JSON of that kind"));
                }
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
    let wanted: BTreeSet<(String, String, String)> = reduced
        .bindings
        .iter()
        .map(|binding| {
            let namespace = if binding.role_kind == "Role" { binding.namespace.clone() } else { String::new() };
            (binding.role_kind.clone(), namespace, binding.role_name.clone())
        })
        .collect();
    let mut unfilled: Vec<(usize, Aggregation)> = Vec::new();
    for (kind, body) in [("ClusterRole", &cluster_roles), ("Role", &roles)] {
        match body {
            Ok(body) => {
                let mut take = |role: RawRole<'_>| {
                    let key = (kind.to_owned(), role.metadata.namespace.to_string(), role.metadata.name.to_string());
                    if wanted.contains(&key) {
                        let aggregation = role.aggregation;
                        let mut role = read_role(key, role.rules.unwrap_or_default());
                        role.aggregates = aggregation.is_some();
                        if let Some(aggregation) = aggregation.filter(|_| role.is_empty()) {
                            unfilled.push((reduced.roles.len(), aggregation));
                        }
                        reduced.roles.push(role);
                    }
                };
                if each(body, &mut take).is_err() {
                    reduced.unread.push(format!("{kind}s: the list is no JSON of that kind"));
                }
            }
            Err(failure) => reduced.unread.push(format!("{kind}s: {}", failure.detail)),
        }
    }
    if let (Ok(body), false) = (&cluster_roles, unfilled.is_empty()) {
        collect_for(body, &unfilled, &mut reduced.roles);
    }
    Ok(reduced)
}

/// Names the roles that should fill these, and keeps them too.
fn collect_for(cluster_roles: &[u8], unfilled: &[(usize, Aggregation)], roles: &mut Vec<Role>) {
    let mut wanted: BTreeSet<String> = BTreeSet::new();
    let mut select = |role: LabelledRole| {
        let LabelledMeta { name, labels } = role.metadata;
        let labels = labels.unwrap_or_default();
        for (index, aggregation) in unfilled {
            if roles[*index].name != name && aggregation.selects(&labels) {
                roles[*index].collects.push(name.clone());
                wanted.insert(name.clone());
            }
        }
    };
    // The list was read once without a fault.
    let _ = each(cluster_roles, &mut select);
    let known: BTreeSet<String> =
        roles.iter().filter(|role| role.kind == "ClusterRole").map(|role| role.name.clone()).collect();
    let mut take = |role: RawRole<'_>| {
        let name = role.metadata.name.to_string();
        if wanted.contains(&name) && !known.contains(&name) {
            let aggregates = role.aggregation.is_some();
            let key = ("ClusterRole".to_owned(), String::new(), name);
            roles.push(Role { aggregates, ..read_role(key, role.rules.unwrap_or_default()) });
        }
    };
    let _ = each(cluster_roles, &mut take);
}

fn read_role((kind, namespace, name): (String, String, String), rules: Vec<RawRule>) -> Role {
    let mut role = Role { kind, namespace, name, ..Role::default() };
    for rule in rules {
        if rule.paths.is_empty() {
            role.resource_rules.push(ResourceRule {
                verbs: rule.verbs,
                api_groups: rule.api_groups,
                resources: rule.resources,
                resource_names: rule.resource_names,
            });
        } else {
            role.non_resource_rules.push(NonResourceRule { verbs: rule.verbs, paths: rule.paths });
        }
    }
    role
}

/// A name without case, prefix and slashes, for finding look-alikes.
fn core(name: &str) -> String {
    let tail = name.rsplit(['#', ':', '/']).find(|part| !part.is_empty()).unwrap_or(name);
    tail.to_lowercase()
}

/// The subject is this user or one of its groups, or looks like it.
fn touches(subject: &Named<'_>, user: &User) -> bool {
    let service_account = user.username.strip_prefix("system:serviceaccount:").and_then(|name| name.split_once(':'));
    let alike =
        |name: &str| name == subject.name || (!name.starts_with("system:") && core(name) == core(&subject.name));
    let own = |name: &str| name == subject.name && !name.starts_with("system:");
    // Several groups in one, of which the subject may be a part.
    let part = |group: &str| {
        let mut parts = group.split([',', ';', ' ', '/']).filter(|part| !part.is_empty() && *part != group);
        !group.starts_with("system:") && parts.any(|part| core(part) == core(&subject.name))
    };
    match subject.kind.as_ref() {
        // A group or a service account that a binding takes for a user, and a user that it takes for a group.
        "User" => {
            alike(&user.username)
                || user.groups.iter().any(|group| own(group))
                || service_account.is_some_and(|(_, name)| name == subject.name)
        }
        "Group" => own(&user.username) || user.groups.iter().any(|group| alike(group) || part(group)),
        "ServiceAccount" => service_account.is_some_and(|(_, name)| name == subject.name),
        _ => false,
    }
}

fn keep_binding(kind: &str, binding: &RawBinding<'_>, users: &[&User]) -> Option<Binding> {
    let subjects: Vec<Subject> = binding
        .subjects
        .iter()
        .flatten()
        .enumerate()
        .filter(|(_, subject)| users.iter().any(|user| touches(subject, user)))
        .map(|(index, subject)| Subject {
            kind: subject.kind.to_string(),
            name: subject.name.to_string(),
            namespace: subject.namespace.to_string(),
            index,
        })
        .collect();
    (!subjects.is_empty()).then(|| Binding {
        kind: kind.to_owned(),
        namespace: binding.metadata.namespace.to_string(),
        name: binding.metadata.name.to_string(),
        role_kind: binding.role_ref.kind.to_string(),
        role_name: binding.role_ref.name.to_string(),
        subjects,
    })
}
