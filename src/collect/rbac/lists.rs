//! The four RBAC lists, page by page and all at once, as protobuf where the server speaks it.
//!
//! Field numbers: Kubernetes' `api/rbac/v1/generated.proto`, `apimachinery/pkg/apis/meta/v1/generated.proto`, and the
//! envelope of `apimachinery/pkg/runtime/generated.proto`.

use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;

use crate::collect::apiserver::Api;
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
    /// Where the next page begins, empty at the end.
    pub next: String,
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
            Ok((page, limited)) => {
                if limited {
                    rbac.unread.push(format!("{kind}s outside namespace {namespace}"));
                }
                rbac.bindings.extend(page.bindings);
                rbac.roles.extend(page.roles);
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
        all.next = page.next;
        if all.next.is_empty() {
            break;
        }
    }
    Ok(all)
}

/// Reads one page in either form.
pub fn read(kind: &str, body: &Bytes) -> Option<Page> {
    match body.strip_prefix(b"k8s\0") {
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
    aggregation_rule: Option<serde::de::IgnoredAny>,
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
    let roles = list.items.into_iter().map(|item| {
        let mut role = Role {
            kind: kind.to_owned(),
            namespace: item.metadata.namespace,
            name: item.metadata.name,
            aggregates: item.aggregation_rule.is_some(),
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
        role
    });
    Some(Page { roles: roles.collect(), next: list.metadata.r#continue, ..Page::default() })
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

/// The length-delimited fields of a message with their numbers; `None` at the first byte that is no protobuf.
fn fields(message: &[u8]) -> impl Iterator<Item = Option<(u64, &[u8])>> {
    let mut rest = message;
    std::iter::from_fn(move || {
        loop {
            if rest.is_empty() {
                return None;
            }
            let step = (|| {
                let tag = varint(&mut rest)?;
                let length = match tag & 7 {
                    0 => {
                        varint(&mut rest)?;
                        return Some(None);
                    }
                    1 => 8,
                    5 => 4,
                    2 => usize::try_from(varint(&mut rest)?).ok()?,
                    _ => return None,
                };
                let (value, tail) = rest.split_at_checked(length)?;
                rest = tail;
                Some((tag & 7 == 2).then_some((tag >> 3, value)))
            })();
            match step {
                Some(Some(field)) => return Some(Some(field)),
                // A number: none of the fields needed is one.
                Some(None) => {}
                None => {
                    rest = &[];
                    return Some(None);
                }
            }
        }
    })
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (byte, tail) = rest.split_first()?;
        *rest = tail;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn protobuf(kind: &str, envelope: &[u8]) -> Option<Page> {
    let mut raw: &[u8] = &[];
    for field in fields(envelope) {
        if let (2, value) = field? {
            raw = value;
        }
    }
    let mut page = Page::default();
    for field in fields(raw) {
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
            (2, item) => page.roles.push(proto_role(kind, item)?),
            _ => {}
        }
    }
    Some(page)
}

/// ObjectMeta: name and namespace.
fn proto_meta(meta: &[u8]) -> Option<(String, String)> {
    let (mut name, mut namespace) = (String::new(), String::new());
    for field in fields(meta) {
        match field? {
            (1, value) => name = text(value),
            (3, value) => namespace = text(value),
            _ => {}
        }
    }
    Some((name, namespace))
}

fn proto_binding(kind: &str, item: &[u8]) -> Option<Binding> {
    let mut binding = Binding { kind: kind.to_owned(), ..Binding::default() };
    for field in fields(item) {
        match field? {
            (1, meta) => (binding.name, binding.namespace) = proto_meta(meta)?,
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

fn proto_role(kind: &str, item: &[u8]) -> Option<Role> {
    let mut role = Role { kind: kind.to_owned(), ..Role::default() };
    for field in fields(item) {
        match field? {
            (1, meta) => (role.name, role.namespace) = proto_meta(meta)?,
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
            (3, _) => role.aggregates = true,
            _ => {}
        }
    }
    Some(role)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_go_may_be_null() {
        let body = br#"{"metadata":{},"items":[{"metadata":{"name":"a"},"rules":[{"verbs":["get"],"apiGroups":null,"resources":["pods"]}],"aggregationRule":{}},{"metadata":{"name":"b"},"rules":null}]}"#;
        let page = read("ClusterRole", &Bytes::from_static(body)).expect("a list");
        assert_eq!(page.roles.len(), 2);
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
