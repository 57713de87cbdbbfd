//! The four RBAC lists, page by page and all at once, as protobuf where the server speaks it.
//!
//! What they may cost together is bounded in memory, bytes and time, whatever answers. A list that was not read to its end
//! says so: a no that rests on it is none.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::Mutex;

use super::budget::{Bill, Budget};
use super::item::{Fault, Item};
use super::selector::{Aggregation, Labels};
use super::{json, protobuf};
use crate::collect::apiserver::Api;
use crate::collect::proto;
use crate::collect::wire::{Answer, Limits};
use crate::evidence::rbac::{Binding, Rbac, Role};
use crate::evidence::{Failure, FailureKind};

/// Objects of one page.
const PAGE: usize = 5000;
/// Objects of one page where those of a larger one are too large together.
const SMALL_PAGE: usize = 500;
/// Most pages of one list.
const PAGES: usize = 200;
/// Most bytes of a list that is read beside the others. Larger ones take turns, so that no two lie in memory at once.
const BESIDE: usize = 1024 * 1024;
/// Most bytes of one page. 10,000 bindings have 4 MB as protobuf and 9 as JSON; where there are more, the server is asked
/// for less at a time.
const PAGE_BYTES: usize = 12 * 1024 * 1024;
/// Most bytes of all lists.
const READ: usize = 64 * 1024 * 1024;
/// Most memory of all lists, the page that is being read included. 100,000 bindings of one subject take 43 MB.
const HELD: usize = 32 * 1024 * 1024;
/// Longest time for all lists.
const TIME: Duration = Duration::from_secs(30);
/// Most entries without a name: a real server has none.
const NAMELESS: usize = 1000;
/// Most pages with a continuation that hold less than half of what was asked for: a real server fills them.
const SHORT: usize = 8;
/// Longest continuation, in bytes; a real one has some hundreds.
const TOKEN: usize = 4096;
/// Most aggregated roles without rules that are told whom they collect, and most of those.
const UNFILLED: usize = 100;
const COLLECTED: usize = 1000;
const ACCEPT: &str = "application/vnd.kubernetes.protobuf, application/json;q=0.9";

/// Why a list was not read to its end where the memory of all is used up.
fn all_spent() -> String {
    format!("all lists together take more than {} MiB of memory", HELD >> 20)
}

/// The kinds, with the resource that lists them.
const KINDS: [(&str, &str); 4] = [
    ("ClusterRoleBinding", "clusterrolebindings"),
    ("RoleBinding", "rolebindings"),
    ("ClusterRole", "clusterroles"),
    ("Role", "roles"),
];

/// What all lists of a cluster may cost together.
struct Allowance {
    held: Budget,
    read: AtomicUsize,
    until: Instant,
    /// Held by the list that may read large pages.
    turn: Mutex<()>,
}

/// One page of a list, or all that were read.
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
    /// Entries without a name, which are not kept.
    nameless: usize,
    /// Why the rest of the list is not there; absent where all is.
    pub ended: Option<String>,
}

impl Page {
    /// The roles; aggregated ones without rules name those that they should collect.
    fn filled(mut self) -> Vec<Role> {
        let none = Labels::default();
        for (name, aggregation) in self.unfilled.iter().take(UNFILLED) {
            let selected: Vec<String> = self
                .roles
                .iter()
                .filter(|role| role.kind == "ClusterRole" && role.name != *name)
                .filter(|role| aggregation.selects(self.labels.get(&role.name).unwrap_or(&none)))
                .take(COLLECTED)
                .map(|role| role.name.clone())
                .collect();
            let role = self.roles.iter_mut().find(|role| role.kind == "ClusterRole" && role.name == *name);
            if let Some(role) = role {
                role.collects = selected;
            }
        }
        self.roles
    }

    /// Adds an object; false where there are too many that are none.
    fn take(&mut self, kind: &'static str, item: Item<'_>) -> bool {
        if item.name.is_empty() {
            self.nameless += 1;
            return self.nameless <= NAMELESS;
        }
        if kind.ends_with("Binding") {
            let (binding, bill) = item.into_binding(kind);
            bill.keep();
            self.bindings.push(binding);
            return true;
        }
        let (role, labels, aggregation, bill) = item.into_role(kind);
        bill.keep();
        // With what is needed to know whom it collects and who collects it.
        if !labels.is_empty() {
            self.labels.insert(role.name.clone(), labels);
        }
        if let Some(aggregation) = aggregation.filter(|_| role.is_empty()) {
            self.unfilled.push((role.name.clone(), aggregation));
        }
        self.roles.push(role);
        true
    }

    fn len(&self) -> usize {
        self.bindings.len() + self.roles.len()
    }

    /// Adds what a body holds.
    fn add(&mut self, kind: &'static str, body: &[u8], budget: &Budget) -> Result<(), Fault> {
        let mut take = |item: Item<'_>| self.take(kind, item);
        let next = match body.strip_prefix(proto::MAGIC) {
            Some(envelope) => protobuf::each(kind, envelope, budget, &mut take),
            None => json::each(kind, body, budget, &mut take),
        }?;
        self.next = next;
        Ok(())
    }
}

/// Reads the whole RBAC. What may not be listed in all namespaces is listed in `namespace`, if one is given; what
/// stays unread is said in `unread`.
///
/// # Errors
/// When no binding at all could be read.
pub async fn world(api: &Api, read_as: &str, namespace: &str) -> Result<Rbac, Failure> {
    let allowance = Allowance {
        held: Budget::new(HELD),
        read: AtomicUsize::new(0),
        until: Instant::now() + TIME,
        turn: Mutex::new(()),
    };
    let (a, b, c, d) = tokio::join!(
        list(api, KINDS[0], namespace, &allowance),
        list(api, KINDS[1], namespace, &allowance),
        list(api, KINDS[2], namespace, &allowance),
        list(api, KINDS[3], namespace, &allowance)
    );
    let mut rbac = Rbac { read_as: read_as.to_owned(), ..Rbac::default() };
    let mut refusal = None;
    for ((kind, resource), result) in KINDS.into_iter().zip([a, b, c, d]) {
        match result {
            Ok((mut page, limited)) => {
                if limited {
                    rbac.unread.push(format!("{kind}s outside namespace {namespace}"));
                }
                if let Some(why) = &page.ended {
                    rbac.unread.push(format!("{kind}s beyond the first {}: {why}", page.len()));
                }
                let bindings = std::mem::take(&mut page.bindings);
                join(&mut rbac.bindings, bindings);
                join(&mut rbac.roles, page.filled());
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

/// Puts one list behind the other, without room for the larger one twice.
fn join<T>(all: &mut Vec<T>, mut more: Vec<T>) {
    if more.len() > all.len() {
        drop(more.splice(0..0, all.drain(..)));
        *all = more;
    } else {
        all.append(&mut more);
    }
}

/// One kind; true if only the namespace could be listed.
async fn list(
    api: &Api,
    (kind, resource): (&'static str, &str),
    namespace: &str,
    allowance: &Allowance,
) -> Result<(Page, bool), Failure> {
    match pages(api, kind, &format!("/apis/rbac.authorization.k8s.io/v1/{resource}"), allowance).await {
        Err(failure)
            if failure.kind == FailureKind::Forbidden && !namespace.is_empty() && !kind.starts_with("Cluster") =>
        {
            let path = format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/{resource}");
            // The refusal for all namespaces says more about what is missing.
            pages(api, kind, &path, allowance).await.map(|page| (page, true)).map_err(|_| failure)
        }
        other => other.map(|page| (page, false)),
    }
}

/// The pages of one list, as many as there are or may be. A failure after the first page leaves what was read.
async fn pages(api: &Api, kind: &'static str, path: &str, allowance: &Allowance) -> Result<Page, Failure> {
    let (mut all, mut tokens) = (Page::default(), BTreeSet::new());
    let (mut begun, mut whole, mut size, mut short, mut turn) = (false, true, PAGE, 0, None);
    for _ in 0..PAGES {
        if begun && turn.is_none() {
            turn = Some(allowance.turn.lock().await);
        }
        // From its cache (resourceVersion 0) the server may give everything at once; a continuation is from etcd.
        let query = if !all.next.is_empty() {
            let token: String = url::form_urlencoded::byte_serialize(all.next.as_bytes()).collect();
            format!("limit={size}&continue={token}")
        } else if whole {
            format!("limit={size}&resourceVersion=0")
        } else {
            format!("limit={size}")
        };
        // A page that is received takes memory before it can be paid for.
        let most = if turn.is_some() { PAGE_BYTES.min(allowance.held.left()) } else { BESIDE };
        let answer = match page(api, kind, &format!("{path}?{query}"), most, allowance).await {
            Ok(answer) => answer,
            Err(failure) if failure.kind == FailureKind::Limit && turn.is_none() => {
                turn = Some(allowance.turn.lock().await);
                continue;
            }
            Err(failure) if failure.kind == FailureKind::Limit && whole => {
                whole = false;
                continue;
            }
            Err(failure) if failure.kind == FailureKind::Limit && size > SMALL_PAGE => {
                size = SMALL_PAGE;
                continue;
            }
            Err(failure) if failure.kind == FailureKind::Limit && turn.is_some() && most < PAGE_BYTES => {
                all.ended = Some(all_spent());
                return Ok(all);
            }
            Err(failure) if begun => {
                all.ended = Some(failure.detail);
                return Ok(all);
            }
            Err(failure) => return Err(failure),
        };
        let (before, body) = (all.len(), answer.body.len());
        // While it is read a page takes memory too.
        let mut bill = Bill::new(&allowance.held);
        let read = allowance.read.fetch_add(body, Ordering::Relaxed) + body;
        let result = match bill.pay(body) {
            _ if read > READ => {
                all.ended = Some(format!("all lists together have more than {} MiB", READ >> 20));
                return Ok(all);
            }
            Ok(()) => all.add(kind, &answer.body, &allowance.held),
            Err(spent) => Err(spent.into()),
        };
        drop((bill, answer));
        match result {
            Ok(()) => {}
            Err(Fault::Malformed) if !begun => {
                return Err(Failure::new(FailureKind::Protocol, format!("the answer is no list of {kind}s")));
            }
            Err(fault) => {
                all.ended = Some(match fault {
                    Fault::Malformed => format!("the answer is no list of {kind}s"),
                    Fault::Spent => all_spent(),
                    Fault::Stopped => "the server's entries have no name".to_owned(),
                });
                return Ok(all);
            }
        }
        (begun, whole) = (true, false);
        if all.next.is_empty() {
            if all.nameless > 0 {
                all.ended = Some(format!("{} of the server's entries have no name", all.nameless));
            }
            return Ok(all);
        }
        short += usize::from(all.len() - before < size / 2);
        let odd = if all.next.len() > TOKEN {
            Some("the server's continuation is too long to be one")
        } else if !tokens.insert(all.next.clone()) {
            Some("the server's continuation leads in a circle")
        } else if short > SHORT {
            Some("the server gives only crumbs at a time, without an end")
        } else {
            None
        };
        if let Some(odd) = odd {
            all.ended = Some(odd.to_owned());
            return Ok(all);
        }
    }
    all.ended = Some(format!("the list has more than {PAGES} pages"));
    Ok(all)
}

/// The answer that holds one page.
async fn page(
    api: &Api,
    kind: &'static str,
    path: &str,
    most: usize,
    allowance: &Allowance,
) -> Result<Answer, Failure> {
    let time = allowance.until.saturating_duration_since(Instant::now());
    if time.is_zero() {
        let text = format!("reading took longer than {} s", TIME.as_secs());
        return Err(Failure::new(FailureKind::Timeout, text));
    }
    let limits = Limits { body_bytes: most, time, ..Limits::default() };
    let answer = api.send("GET", path, None, ACCEPT, limits).await?;
    if !answer.status.is_success() {
        return Err(api.refusal(&answer));
    }
    if answer.truncated {
        let text = format!("an answer with {kind}s has more than {} MiB", most >> 20);
        return Err(Failure::new(FailureKind::Limit, text));
    }
    Ok(answer)
}

/// Reads one page in either form; `None` where it is no list of this kind, or too large.
pub fn read(kind: &'static str, body: &Bytes) -> Option<Page> {
    let mut page = Page::default();
    page.add(kind, body, &Budget::new(HELD)).ok()?;
    Some(page)
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

    /// A field of protobuf that holds bytes.
    fn field(number: u8, value: &[u8]) -> Vec<u8> {
        let (mut bytes, mut length) = (vec![number << 3 | 2], value.len());
        while length > 0x7f {
            bytes.push(u8::try_from(length & 0x7f).expect("seven bits") | 0x80);
            length >>= 7;
        }
        bytes.push(u8::try_from(length).expect("seven bits"));
        bytes.extend_from_slice(value);
        bytes
    }

    fn protobuf_list(kind: &str, list: &[u8]) -> Vec<u8> {
        let meta = [field(1, b"rbac.authorization.k8s.io/v1"), field(2, kind.as_bytes())].concat();
        [b"k8s\0".to_vec(), field(1, &meta), field(2, list)].concat()
    }

    #[test]
    fn both_forms_of_a_list_are_read_alike() {
        let subject =
            |kind: &str, name: &str| field(2, &[field(1, kind.as_bytes()), field(3, name.as_bytes())].concat());
        let item = [
            field(1, &field(1, b"b")),
            subject("User", "alice"),
            subject("Group", "dev"),
            field(3, &[field(2, b"ClusterRole"), field(3, b"view")].concat()),
        ]
        .concat();
        let body = protobuf_list("ClusterRoleBindingList", &[field(1, &field(3, b"go on")), field(2, &item)].concat());
        let binary = read("ClusterRoleBinding", &Bytes::from(body)).expect("a list");
        let body = br#"{"kind":"ClusterRoleBindingList","metadata":{"continue":"go on"},"items":[{"metadata":{"name":"b"},"subjects":[{"kind":"User","name":"alice"},{"kind":"Group","name":"dev"}],"roleRef":{"kind":"ClusterRole","name":"view"}}]}"#;
        let json = read("ClusterRoleBinding", &Bytes::from_static(body)).expect("a list");
        assert_eq!((binary.next.as_str(), json.next.as_str()), ("go on", "go on"));
        assert_eq!(binary.bindings, json.bindings);
        let [binding] = json.bindings.as_slice() else { panic!("{:?}", json.bindings) };
        assert_eq!((binding.role_kind.as_ref(), binding.role_name.as_str()), ("ClusterRole", "view"));
        assert_eq!((binding.subjects[1].name.as_str(), binding.subjects[1].index), ("dev", 1));
    }

    #[test]
    fn what_has_no_name_costs_nothing_and_ends_the_list() {
        let bodies = [
            format!("{{\"items\":[{{}}{}]}}", ",{}".repeat(100_000)).into_bytes(),
            format!("{{\"items\":[null{}]}}", ",null".repeat(100_000)).into_bytes(),
            protobuf_list("RoleBindingList", &[0x12, 0].repeat(100_000)),
        ];
        for body in bodies {
            // Less than a thousand empty objects take together.
            let (mut page, budget) = (Page::default(), Budget::new(100_000));
            assert_eq!(page.add("RoleBinding", &body, &budget), Err(Fault::Stopped));
            assert_eq!((page.len(), page.nameless), (0, NAMELESS + 1));
            assert_eq!(budget.pay(100_000), Ok(()), "all was given back");
        }
    }

    #[test]
    fn nothing_is_held_beyond_the_budget() {
        let json = |kind: &str, inner: &str, piece: &str| {
            let body = format!(
                "{{\"kind\":\"{kind}List\",\"items\":[{{\"metadata\":{{\"name\":\"first\"}}}},{{\"metadata\":{{\"name\":\"a\"}},{inner}{piece}{}]",
                format!(",{piece}").repeat(200_000)
            );
            body.into_bytes()
        };
        let bodies = [
            ("ClusterRole", json("ClusterRole", "\"rules\":[", "{}")),
            ("ClusterRole", json("ClusterRole", "\"rules\":[{\"verbs\":[", "\"\"")),
            ("ClusterRole", json("ClusterRole", "\"aggregationRule\":{\"clusterRoleSelectors\":[", "{}")),
            (
                "ClusterRole",
                json("ClusterRole", "\"aggregationRule\":{\"clusterRoleSelectors\":[{\"matchExpressions\":[", "{}"),
            ),
            ("RoleBinding", json("RoleBinding", "\"subjects\":[", "{}")),
            ("RoleBinding", protobuf_list("RoleBindingList", &field(2, &field(1, &field(1, b"a"))).repeat(200_000))),
            (
                "ClusterRole",
                protobuf_list(
                    "ClusterRoleList",
                    &field(2, &[field(1, &field(1, b"a")), [0x12, 0].repeat(200_000)].concat()),
                ),
            ),
        ];
        for (index, (kind, body)) in bodies.iter().enumerate() {
            let mut page = Page::default();
            assert_eq!(page.add(kind, body, &Budget::new(1_000_000)), Err(Fault::Spent), "{index}");
            assert!(page.len() < 10_000, "{index}: {}", page.len());
        }
    }

    #[test]
    fn a_hundred_thousand_bindings_are_held() {
        let mut items = String::new();
        for number in 0..100_000 {
            let comma = if number == 0 { "" } else { "," };
            items.push_str(&format!("{comma}{{\"metadata\":{{\"name\":\"b{number}\"}},\"subjects\":[{{\"kind\":\"User\",\"name\":\"u{number}\"}}],\"roleRef\":{{\"kind\":\"ClusterRole\",\"name\":\"view\"}}}}"));
        }
        let body =
            Bytes::from(format!("{{\"kind\":\"ClusterRoleBindingList\",\"metadata\":{{}},\"items\":[{items}]}}"));
        assert_eq!(read("ClusterRoleBinding", &body).expect("a list").bindings.len(), 100_000);
    }

    #[test]
    fn what_is_no_list_of_the_kind_is_none() {
        for body in ["{}", "null", "[]", r#"{"kind":"Status","items":[]}"#, r#"{"items":{}}"#, r#"{"items":[]} x"#] {
            assert!(read("Role", &Bytes::from(body.to_owned())).is_none(), "{body}");
        }
        for body in [r#"{"items":null}"#, r#"{"kind":"RoleList","items":[]}"#] {
            assert!(read("Role", &Bytes::from(body.to_owned())).is_some(), "{body}");
        }
        assert!(read("Role", &Bytes::from(protobuf_list("RoleList", b""))).is_some());
        for kind in ["RoleBindingList", "Role", "Status", "ClusterRoleList"] {
            assert!(read("Role", &Bytes::from(protobuf_list(kind, b""))).is_none(), "{kind}");
        }
    }

    #[test]
    fn broken_protobuf_is_refused() {
        for body in [&b"k8s\0\xff"[..], b"k8s\0\x12\xff\x01", b"k8s\0\x12\x02\x12\x09", b"nonsense"] {
            assert!(read("Role", &Bytes::copy_from_slice(body)).is_none(), "{body:?}");
        }
    }
}
