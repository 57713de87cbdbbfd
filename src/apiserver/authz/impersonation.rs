//! Whether somebody may act as somebody else, by the old right and by the constrained ones of 1.36.
//!
//! Source: Kubernetes' `apiserver/pkg/endpoints/filters/impersonation` (`mode.go`, `constrained_impersonation.go`).

use super::{AUTHENTICATED, UNAUTHENTICATED, World, service_account};
use crate::evidence::access::Question;
use crate::evidence::identity::User;
use crate::gotext::quote;

const AUTHENTICATION: &str = "authentication.k8s.io";
/// From this many groups on, constrained impersonation first asks about all of them at once.
const MANY: usize = 4;

/// An impersonation that succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Impersonated {
    /// Who the request goes on as.
    pub user: User,
    /// `associated-node`, `arbitrary-node`, `serviceaccount`, `user-info` or `legacy`.
    pub mode: &'static str,
}

/// One thing the requester must be allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Check {
    Ask(Question),
    /// Any one of them is enough; the last one's refusal is told.
    Either(Question, Vec<Question>),
    Never(Question, &'static str),
}

/// Whether `requester` may send `request` as `wanted`; `constrained` as servers from 1.36 do by default.
///
/// # Errors
/// The message of the 403, of the first mode that applies. (A server that remembers another mode as this requester's
/// last success tries that one first.)
pub fn impersonate(
    world: &World<'_>,
    requester: &User,
    wanted: &User,
    request: &Question,
    constrained: bool,
) -> Result<Impersonated, String> {
    let mut first = None;
    for mode in modes(requester, wanted, constrained) {
        match checks(mode, wanted, request).iter().try_for_each(|check| passes(world, requester, check)) {
            Ok(()) => return Ok(Impersonated { user: become_user(mode, wanted), mode }),
            Err(text) => first = first.or(Some(text)),
        }
    }
    Err(first.unwrap_or_else(|| "all impersonation modes failed".to_owned()))
}

/// The modes that apply, in the order tried.
fn modes(requester: &User, wanted: &User, constrained: bool) -> Vec<&'static str> {
    let mut modes = Vec::new();
    if constrained {
        let only_name = wanted.uid.is_empty() && wanted.groups.is_empty() && wanted.extra.is_empty();
        let node = node(&wanted.username);
        let account = service_account(&wanted.username).is_some();
        if let Some(node) = node.filter(|_| only_name) {
            let at = requester.extra.get("authentication.kubernetes.io/node-name");
            if service_account(&requester.username).is_some() && at.is_some_and(|names| *names == [node]) {
                modes.push("associated-node");
            }
            modes.push("arbitrary-node");
        }
        if account && only_name {
            modes.push("serviceaccount");
        }
        if node.is_none() && !account {
            modes.push("user-info");
        }
    }
    modes.push("legacy");
    modes
}

/// The node of a node's user name.
fn node(username: &str) -> Option<&str> {
    let name = username.strip_prefix("system:node:")?;
    let label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    (name.len() <= 253 && name.split('.').all(label)).then_some(name)
}

fn checks(mode: &'static str, wanted: &User, request: &Question) -> Vec<Check> {
    let legacy = mode == "legacy";
    let verb = if legacy { "impersonate".to_owned() } else { format!("impersonate:{mode}") };
    let group = if legacy { "" } else { AUTHENTICATION };
    let ask = |group: &str, resource: &str, name: &str| Question {
        verb: verb.clone(),
        group: group.to_owned(),
        resource: resource.to_owned(),
        name: name.to_owned(),
        ..Question::default()
    };
    let mut checks = Vec::new();
    if !legacy {
        let on = Question { verb: format!("impersonate-on:{mode}:{}", request.verb), ..request.clone() };
        checks.push(Check::Ask(on));
    }
    let mut name = ask(group, "users", &wanted.username);
    if let Some(node) = node(&wanted.username).filter(|_| !legacy) {
        // The answer is remembered for all nodes, so it is asked for all.
        name = ask(group, "nodes", if mode == "associated-node" { "*" } else { node });
    }
    if let Some((namespace, account)) = service_account(&wanted.username) {
        name = Question { namespace: namespace.to_owned(), ..ask(group, "serviceaccounts", account) };
    }
    checks.push(Check::Ask(name));
    if !wanted.uid.is_empty() {
        checks.push(Check::Ask(ask(AUTHENTICATION, "uids", &wanted.uid)));
    }
    if !legacy && wanted.groups.iter().any(String::is_empty) {
        checks.push(Check::Never(ask(group, "groups", ""), "impersonating the empty string group is not allowed"));
    }
    if !legacy && wanted.groups.iter().any(|group| group == super::MASTERS) {
        let question = ask(group, "groups", super::MASTERS);
        checks.push(Check::Never(question, "impersonating the system:masters group is not allowed"));
    }
    let groups: Vec<Question> = wanted.groups.iter().map(|name| ask(group, "groups", name)).collect();
    many(legacy, groups.len() >= MANY, ask(group, "groups", "*"), groups, &mut checks);
    let extra: Vec<Question> = wanted
        .extra
        .iter()
        .flat_map(|(key, values)| values.iter().map(move |value| (key, value)))
        .map(|(key, value)| Question { subresource: key.clone(), ..ask(AUTHENTICATION, "userextras", value) })
        .collect();
    let all = Question { subresource: "*".to_owned(), ..ask(AUTHENTICATION, "userextras", "*") };
    many(legacy, wanted.extra.len() >= MANY || extra.len() >= MANY, all, extra, &mut checks);
    checks
}

fn many(legacy: bool, is_many: bool, all: Question, each: Vec<Question>, checks: &mut Vec<Check>) {
    if !legacy && is_many {
        checks.push(Check::Either(all, each));
    } else {
        checks.extend(each.into_iter().map(Check::Ask));
    }
}

fn passes(world: &World<'_>, requester: &User, check: &Check) -> Result<(), String> {
    let ask = |question: &Question| {
        let decision = world.decide(requester, question);
        if decision.allowed { Ok(()) } else { Err(forbidden(requester, question, &decision.reason)) }
    };
    match check {
        Check::Ask(question) => ask(question),
        Check::Either(all, each) => ask(all).or_else(|_| each.iter().try_for_each(ask)),
        Check::Never(question, reason) => Err(forbidden(requester, question, reason)),
    }
}

/// Who the request goes on as.
fn become_user(mode: &str, wanted: &User) -> User {
    let mut user = wanted.clone();
    if mode.ends_with("-node") {
        user.groups = vec!["system:nodes".to_owned()];
    }
    if let Some((namespace, _)) = service_account(&wanted.username).filter(|_| wanted.groups.is_empty()) {
        user.groups = vec!["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{namespace}")];
    }
    let mut add = |group: &str| {
        if !user.groups.iter().any(|known| known == group) {
            user.groups.push(group.to_owned());
        }
    };
    if wanted.is_anonymous() {
        add(UNAUTHENTICATED);
    } else if !wanted.groups.iter().any(|group| group == UNAUTHENTICATED) {
        add(AUTHENTICATED);
    }
    user
}

/// The message of a 403, as `apiserver/pkg/endpoints/handlers/responsewriters/errors.go` and apimachinery's
/// NewForbidden write it.
pub fn forbidden(user: &User, question: &Question, reason: &str) -> String {
    let safe = |text: String| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let tail = if reason.is_empty() { String::new() } else { format!(": {reason}") };
    if let Some(path) = &question.path {
        let core = format!("User {} cannot {} path {}", quote(&user.username), question.verb, quote(path));
        return format!("forbidden: {}{tail}", safe(core));
    }
    let scope = if question.namespace.is_empty() {
        "at the cluster scope".to_owned()
    } else {
        format!("in the namespace {}", quote(&question.namespace))
    };
    let core = format!(
        "User {} cannot {} resource {} in API group {} {scope}",
        quote(&user.username),
        question.verb,
        quote(&question.whole()),
        quote(&question.group)
    );
    let mut subject = question.resource.clone();
    if !question.group.is_empty() {
        subject.push_str(&format!(".{}", question.group));
    }
    if !question.name.is_empty() {
        subject.push_str(&format!(" {}", quote(&question.name)));
    }
    format!("{subject} is forbidden: {}{tail}", safe(core))
}
