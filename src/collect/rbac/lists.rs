//! The four RBAC lists, page by page and all at once, as protobuf where the server speaks it.
//!
//! Field numbers: Kubernetes' `api/rbac/v1/generated.proto` and `apimachinery/pkg/apis/meta/v1/generated.proto`.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;

use super::selector::{Aggregation, Expression, Labels, Selector};
use crate::collect::apiserver::Api;
use crate::collect::proto::{self, fields, text, unwrapped};
use crate::collect::wire::Limits;
use crate::evidence::access::{NonResourceRule, ResourceRule};
use crate::evidence::rbac::{Binding, Rbac, Role, Subject};
use crate::evidence::{Failure, FailureKind};

/// Objects of one page.
const PAGE: usize = 5000;
/// Most pages of one list.
const PAGES: usize = 200;
const ACCEPT: &str = "application/vnd.kubernetes.protobuf, application/json;q=0.9";

/// The kinds, with the resource that lists them.
const KINDS: [(&str, &str); 4] = [
    ("ClusterRoleBinding", "clusterrolebindings"),
    ("RoleBinding", "rolebindings"),
    ("ClusterRole", "clusterroles"),
    ("Role", "roles"),
];

/// One page of a list.
#[derive(Debug, Default)]
pub struct Page {
    /// Bindings, if it is a list of those.
    pub bindings: Vec<Binding>,
    /// Roles, if it is a list of those.
    pub roles: Vec<Role>,
    /// Labels of roles that have some, by the role's name.
    labels: HashMap<String, Labels>,
    /// What aggregated roles without rules collect, by their name.
    unfilled: Vec<(String, Aggregation)>,
    /// Where the next page begins, empty at the end.
    pub next: String,
}

impl Page {
    /// The roles; aggregated ones without rules name those that they should collect.
    fn filled(mut self) -> Vec<Role> {
        let none = Labels::default();
        for (name, aggregation) in &self.unfilled {
            let selected: Vec<String> = self
                .roles
                .iter()
                .filter(|role| role.kind == "ClusterRole" && role.name != *name)
                .filter(|role| aggregation.selects(self.labels.get(&role.name).unwrap_or(&none)))
                .map(|role| role.name.clone())
                .collect();
            let role = self.roles.iter_mut().find(|role| role.kind == "ClusterRole" && role.name == *name);
            if let Some(role) = role {
                role.collects = selected;
            }
        }
        self.roles
    }

    /// Adds a role, with what is needed to know whom it collects and who collects it.
    fn add(&mut self, mut role: Role, labels: Labels, aggregation: Option<Aggregation>) {
        role.aggregates = aggregation.is_some();
        if !labels.is_empty() {
            self.labels.insert(role.name.clone(), labels);
        }
        if let Some(aggregation) = aggregation.filter(|_| role.is_empty()) {
            self.unfilled.push((role.name.clone(), aggregation));
        }
        self.roles.push(role);
    }
}

/// Reads the whole RBAC. What may not be listed in all namespaces is listed in `namespace`, if one is given; what
/// stays unread is said in `unread`.
///
/// # Errors
/// When no binding at all could be read.
pub async fn world(api: &Api, read_as: &str, namespace: &str) -> Result<Rbac, Failure> {
    let (a, b, c, d) = tokio::join!(
        list(api, KINDS[0], namespace),
        list(api, KINDS[1], namespace),
        list(api, KINDS[2], namespace),
        list(api, KINDS[3], namespace)
    );
    let mut rbac = Rbac { read_as: read_as.to_owned(), ..Rbac::default() };
    let mut refusal = None;
    for ((kind, resource), result) in KINDS.into_iter().zip([a, b, c, d]) {
        match result {
            Ok((mut page, limited)) => {
                if limited {
                    rbac.unread.push(format!("{kind}s outside namespace {namespace}"));
                }
                rbac.bindings.append(&mut page.bindings);
                rbac.roles.extend(page.filled());
            }
            Err(failure) => {
                rbac.unread.push(format!("{kind}s: {}", failure.detail));
                refusal.get_or_insert(match failure.kind {
                    FailureKind::Forbidden => {
                        failure.needs(format!("list on {resource}.rbac.authorization.k8s.io (all namespaces)"))
                    }
                    _ => failure,
                });
            }
        }
    }
    rbac.bindings_total = rbac.bindings.len();
    match refusal {
        Some(failure) if rbac.bindings.is_empty() => Err(failure),
        _ => Ok(rbac),
    }
}

/// One kind; true if only the namespace could be listed.
async fn list(api: &Api, (kind, resource): (&str, &str), namespace: &str) -> Result<(Page, bool), Failure> {
    match pages(api, kind, &format!("/apis/rbac.authorization.k8s.io/v1/{resource}")).await {
        Err(failure)
            if failure.kind == FailureKind::Forbidden && !namespace.is_empty() && !kind.starts_with("Cluster") =>
        {
            let path = format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/{resource}");
            // The refusal for all namespaces says more about what is missing.
            pages(api, kind, &path).await.map(|page| (page, true)).map_err(|_| failure)
        }
        other => other.map(|page| (page, false)),
    }
}

async fn pages(api: &Api, kind: &str, path: &str) -> Result<Page, Failure> {
    let limits = Limits { body_bytes: 64 * 1024 * 1024, time: Duration::from_secs(30), ..Limits::default() };
    let mut all = Page::default();
    for _ in 0..PAGES {
        // From its cache (resourceVersion 0) the server may give everything at once; a continuation is from etcd.
        let query = if all.next.is_empty() {
            format!("limit={PAGE}&resourceVersion=0")
        } else {
            let token: String = url::form_urlencoded::byte_serialize(all.next.as_bytes()).collect();
            format!("limit={PAGE}&continue={token}")
        };
        let answer = api.send("GET", &format!("{path}?{query}"), None, ACCEPT, limits).await?;
        if !answer.status.is_success() {
            return Err(api.refusal(&answer));
        }
        if answer.truncated {
            return Err(Failure::new(FailureKind::Protocol, format!("the list of {kind}s is larger than 64 MiB")));
        }
        let page = read(kind, &answer.body)
            .ok_or_else(|| Failure::new(FailureKind::Protocol, format!("the answer is no list of {kind}s")))?;
        all.bindings.extend(page.bindings);
        all.roles.extend(page.roles);
        all.labels.extend(page.labels);
        all.unfilled.extend(page.unfilled);
        all.next = page.next;
        if all.next.is_empty() {
            break;
        }
    }
    Ok(all)
}

/// Reads one page in either form.
pub fn read(kind: &str, body: &Bytes) -> Option<Page> {
    match body.strip_prefix(proto::MAGIC) {
        Some(envelope) => protobuf(kind, envelope),
        None => json(kind, body),
    }
}

/// A Go list that may be null.
#[derive(Deserialize)]
#[serde(untagged)]
enum Listed<T> {
    Some(Vec<T>),
    Null(()),
}

impl<T> Default for Listed<T> {
    fn default() -> Self {
        Self::Null(())
    }
}

impl<T> Listed<T> {
    fn into_vec(self) -> Vec<T> {
        match self {
            Self::Some(list) => list,
            Self::Null(()) => Vec::new(),
        }
    }
}

#[derive(Deserialize)]
struct JsonList<T> {
    #[serde(default)]
    metadata: JsonMeta,
    #[serde(default = "Vec::new")]
    items: Vec<T>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct JsonMeta {
    name: String,
    namespace: String,
    labels: Option<Labels>,
    r#continue: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct JsonNamed {
    kind: String,
    name: String,
    namespace: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct JsonBinding {
    metadata: JsonMeta,
    role_ref: JsonNamed,
    subjects: Option<Vec<JsonNamed>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct JsonRole {
    metadata: JsonMeta,
    rules: Option<Vec<JsonRule>>,
    aggregation_rule: Option<Aggregation>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct JsonRule {
    verbs: Listed<String>,
    api_groups: Listed<String>,
    resources: Listed<String>,
    resource_names: Listed<String>,
    #[serde(rename = "nonResourceURLs")]
    paths: Listed<String>,
}

fn json(kind: &str, body: &[u8]) -> Option<Page> {
    if kind.ends_with("Binding") {
        let list: JsonList<JsonBinding> = serde_json::from_slice(body).ok()?;
        let bindings =
            list.items.into_iter().map(|item| {
                let subjects = item.subjects.unwrap_or_default().into_iter().enumerate().map(|(index, subject)| {
                    Subject { kind: subject.kind, name: subject.name, namespace: subject.namespace, index }
                });
                Binding {
                    kind: kind.to_owned(),
                    namespace: item.metadata.namespace,
                    name: item.metadata.name,
                    role_kind: item.role_ref.kind,
                    role_name: item.role_ref.name,
                    subjects: subjects.collect(),
                }
            });
        return Some(Page { bindings: bindings.collect(), next: list.metadata.r#continue, ..Page::default() });
    }
    let list: JsonList<JsonRole> = serde_json::from_slice(body).ok()?;
    let mut page = Page { next: list.metadata.r#continue, ..Page::default() };
    for item in list.items {
        let mut role = Role {
            kind: kind.to_owned(),
            namespace: item.metadata.namespace,
            name: item.metadata.name,
            ..Role::default()
        };
        for rule in item.rules.unwrap_or_default() {
            let rule = RawRule {
                verbs: rule.verbs.into_vec(),
                api_groups: rule.api_groups.into_vec(),
                resources: rule.resources.into_vec(),
                resource_names: rule.resource_names.into_vec(),
                paths: rule.paths.into_vec(),
            };
            rule.add_to(&mut role);
        }
        page.add(role, item.metadata.labels.unwrap_or_default(), item.aggregation_rule);
    }
    Some(page)
}

/// A PolicyRule before it is known whether it is about resources or paths.
#[derive(Default)]
struct RawRule {
    verbs: Vec<String>,
    api_groups: Vec<String>,
    resources: Vec<String>,
    resource_names: Vec<String>,
    paths: Vec<String>,
}

impl RawRule {
    fn add_to(self, role: &mut Role) {
        if self.paths.is_empty() {
            role.resource_rules.push(ResourceRule {
                verbs: self.verbs,
                api_groups: self.api_groups,
                resources: self.resources,
                resource_names: self.resource_names,
            });
        } else {
            role.non_resource_rules.push(NonResourceRule { verbs: self.verbs, paths: self.paths });
        }
    }
}

fn protobuf(kind: &str, envelope: &[u8]) -> Option<Page> {
    let mut page = Page::default();
    for field in fields(unwrapped(envelope)?) {
        match field? {
            // ListMeta.continue
            (1, meta) => {
                for field in fields(meta) {
                    if let (3, value) = field? {
                        page.next = text(value);
                    }
                }
            }
            (2, item) if kind.ends_with("Binding") => page.bindings.push(proto_binding(kind, item)?),
            (2, item) => {
                let (role, labels, aggregation) = proto_role(kind, item)?;
                page.add(role, labels, aggregation);
            }
            _ => {}
        }
    }
    Some(page)
}

/// ObjectMeta: name, namespace and labels.
fn proto_meta(meta: &[u8]) -> Option<(String, String, Labels)> {
    let (mut name, mut namespace, mut labels) = (String::new(), String::new(), Labels::new());
    for field in fields(meta) {
        match field? {
            (1, value) => name = text(value),
            (3, value) => namespace = text(value),
            (11, entry) => labels.extend([proto_label(entry)?]),
            _ => {}
        }
    }
    Some((name, namespace, labels))
}

/// One entry of a map of texts.
fn proto_label(entry: &[u8]) -> Option<(String, String)> {
    let (mut key, mut label) = (String::new(), String::new());
    for field in fields(entry) {
        match field? {
            (1, value) => key = text(value),
            (2, value) => label = text(value),
            _ => {}
        }
    }
    Some((key, label))
}

fn proto_aggregation(rule: &[u8]) -> Option<Aggregation> {
    let mut selectors = Vec::new();
    for field in fields(rule) {
        let (1, value) = field? else { continue };
        let (mut labels, mut expressions) = (Labels::new(), Vec::new());
        for field in fields(value) {
            match field? {
                (1, entry) => labels.extend([proto_label(entry)?]),
                (2, value) => {
                    let (mut expression, mut values) = (Expression::default(), Vec::new());
                    for field in fields(value) {
                        match field? {
                            (1, value) => expression.key = text(value),
                            (2, value) => expression.operator = text(value),
                            (3, value) => values.push(text(value)),
                            _ => {}
                        }
                    }
                    expressions.push(Expression { values: Some(values), ..expression });
                }
                _ => {}
            }
        }
        selectors.push(Selector { match_labels: Some(labels), match_expressions: Some(expressions) });
    }
    Some(Aggregation { cluster_role_selectors: Some(selectors) })
}

fn proto_binding(kind: &str, item: &[u8]) -> Option<Binding> {
    let mut binding = Binding { kind: kind.to_owned(), ..Binding::default() };
    for field in fields(item) {
        match field? {
            (1, meta) => (binding.name, binding.namespace, _) = proto_meta(meta)?,
            (2, value) => {
                let mut subject = Subject { index: binding.subjects.len(), ..Subject::default() };
                for field in fields(value) {
                    match field? {
                        (1, value) => subject.kind = text(value),
                        (3, value) => subject.name = text(value),
                        (4, value) => subject.namespace = text(value),
                        _ => {}
                    }
                }
                binding.subjects.push(subject);
            }
            (3, value) => {
                for field in fields(value) {
                    match field? {
                        (2, value) => binding.role_kind = text(value),
                        (3, value) => binding.role_name = text(value),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    Some(binding)
}

fn proto_role(kind: &str, item: &[u8]) -> Option<(Role, Labels, Option<Aggregation>)> {
    let mut role = Role { kind: kind.to_owned(), ..Role::default() };
    let (mut labels, mut aggregation) = (Labels::new(), None);
    for field in fields(item) {
        match field? {
            (1, meta) => (role.name, role.namespace, labels) = proto_meta(meta)?,
            (2, value) => {
                let mut rule = RawRule::default();
                for field in fields(value) {
                    let (number, value) = field?;
                    let list = match number {
                        1 => &mut rule.verbs,
                        2 => &mut rule.api_groups,
                        3 => &mut rule.resources,
                        4 => &mut rule.resource_names,
                        5 => &mut rule.paths,
                        _ => continue,
                    };
                    list.push(text(value));
                }
                rule.add_to(&mut role);
            }
            (3, value) => aggregation = Some(proto_aggregation(value)?),
            _ => {}
        }
    }
    Some((role, labels, aggregation))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_go_may_be_null() {
        let body = br#"{"metadata":{},"items":[{"metadata":{"name":"a"},"rules":[{"verbs":["get"],"apiGroups":null,"resources":["pods"]}],"aggregationRule":{}},{"metadata":{"name":"b","labels":{"into":"it"}},"rules":null},{"metadata":{"name":"c","labels":null},"aggregationRule":{"clusterRoleSelectors":[{"matchLabels":{"into":"it"}}]}}]}"#;
        let page = read("ClusterRole", &Bytes::from_static(body)).expect("a list");
        let collected: Vec<Vec<String>> = page.filled().into_iter().map(|role| role.collects).collect();
        assert_eq!(collected, [Vec::new(), Vec::new(), vec!["b".to_owned()]]);
        let page = read("ClusterRole", &Bytes::from_static(body)).expect("a list");
        assert_eq!(page.roles.len(), 3);
        assert!(page.roles[0].aggregates && !page.roles[1].aggregates);
        assert_eq!(page.roles[0].resource_rules[0].resources, ["pods"]);
    }

    #[test]
    fn broken_protobuf_is_refused() {
        for body in [&b"k8s\0\xff"[..], b"k8s\0\x12\xff\x01", b"k8s\0\x12\x02\x12\x09", b"nonsense"] {
            assert!(read("Role", &Bytes::copy_from_slice(body)).is_none(), "{body:?}");
        }
    }
}
