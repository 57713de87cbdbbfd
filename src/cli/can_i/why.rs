//! Why: all grants of a yes, all near misses of a no, and the smallest grant that would help.

use std::borrow::Cow;
use std::pin::pin;
use std::time::Duration;

use futures::future::{Either, select};
use serde_json::{Value, json};

use super::ask::Asker;
use crate::apiserver::authz::modes::{Authorizers, Beside};
use crate::apiserver::authz::near::{self, NearMiss};
use crate::apiserver::authz::rules::Rule;
use crate::apiserver::authz::wider::wider;
use crate::apiserver::authz::{World, is_master, nodes, suggestion};
use crate::cli::connect::Session;
use crate::cli::eks::{self, Eks};
use crate::cli::note;
use crate::collect::access::{namespace_exists, rules_review};
use crate::collect::identity::identity;
use crate::collect::rbac::lists;
use crate::evidence::access::Question;
use crate::evidence::rbac::Rbac;
use crate::render::{access as render, graph};
use crate::report::access::{AccessAnswer, GrantView, Named, NearMissView, subject_view};

/// How long an answer that is ready waits for what would only add to it.
pub const PATIENCE: Duration = Duration::from_secs(1);

/// Waits for what is needed, and for what is of use beside it only a little longer.
async fn beside<N, U>(needed: impl Future<Output = N>, useful: impl Future<Output = U>) -> (N, Option<U>) {
    match select(pin!(needed), pin!(useful)).await {
        Either::Left((needed, useful)) => (needed, tokio::time::timeout(PATIENCE, useful).await.ok()),
        Either::Right((useful, needed)) => (needed.await, Some(useful)),
    }
}

/// Fills in the why of an answer, with what may be read; what may not is said on stderr.
pub async fn explain(
    session: &Session<'_>,
    asker: &Asker,
    question: &Question,
    eks: Option<&Eks<'_>>,
    answer: &mut AccessAnswer,
) {
    let Ok(own) = session.own() else { return };
    let mut subject = asker.subject.clone();
    // Access entries are of those who sign in: nobody else who is asked about has one.
    let mut signed_in = false;
    if subject.username.is_empty()
        && subject.groups.is_empty()
        && let Some(api) = &asker.acting
        && let Ok(identity) = identity(api).await
    {
        subject = identity.user;
        signed_in = true;
    }
    let objects = async {
        match asker.computed() {
            Some(rbac) => Ok(Cow::Borrowed(rbac)),
            None => lists::world(&own, "self", &question.namespace).await.map(Cow::Owned),
        }
    };
    let entry = async {
        match eks.filter(|_| signed_in) {
            Some(eks) => Box::pin(eks.own(&subject, &own)).await,
            None => None,
        }
    };
    // Who has no rights in a namespace is refused the same where it is not there.
    let denied = answer.allowed == Some(false) && question.path.is_none() && !question.namespace.is_empty();
    let place = async {
        let exists = namespace_exists(&own, &question.namespace);
        if denied { tokio::time::timeout(PATIENCE, exists).await.ok()?.ok() } else { None }
    };
    // Most may not read the flags, and older servers do not show them: then RBAC is taken to be asked, as it mostly is.
    let ((read, aws, place), flags) = beside(async { tokio::join!(objects, entry, place) }, session.flags()).await;
    if place.is_some_and(|place| !place.exists) {
        let name = &question.namespace;
        note(&format!("there is no namespace {name}: nothing can be granted in it before it is made"));
    }
    let policies = aws.map(|aws| eks::part(&aws, &subject, question, answer.allowed)).unwrap_or_default();
    let flags = flags.and_then(Result::ok);
    let Authorizers { instead, beside, .. } = flags.as_ref().map(Authorizers::of).unwrap_or_default();
    let without_rbac = instead.is_some();
    // kube-apiserver lets this group through before it asks any authorizer, whatever the modes are.
    answer.instead_of_rbac = instead.filter(|_| !is_master(&subject)).map(|instead| instead.sentence());
    if let (Some(true), Some(words)) = (answer.allowed, &answer.instead_of_rbac) {
        note(words);
    }
    match &read {
        Ok(rbac) => {
            let world = World::new(rbac);
            for unread in &rbac.unread {
                note(&format!("not read: {unread}"));
            }
            // Nobody reads the bindings that are there all the same.
            let ways = if without_rbac { Vec::new() } else { world.grants(&subject, question) };
            let mut grants: Vec<GrantView> = ways
                .iter()
                .map(|grant| GrantView {
                    binding: Some(grant.binding.into()),
                    role: Some(grant.role.into()),
                    rule: rule_view(&grant.rule),
                    subject: subject_view(grant.subject),
                    access_policy: None,
                })
                .collect();
            grants.extend(policies.grants);
            if is_master(&subject) {
                grants.insert(
                    0,
                    GrantView {
                        binding: None,
                        role: None,
                        rule: json!({ "verbs": ["*"], "apiGroups": ["*"], "resources": ["*"] }),
                        subject: json!({ "kind": "Group", "name": crate::apiserver::authz::MASTERS }),
                        access_policy: None,
                    },
                );
            }
            // Without a name it is not known whose bindings count.
            let all_seen = rbac.unread.is_empty() && !subject.username.is_empty();
            if answer.allowed == Some(true) && grants.is_empty() && all_seen && !without_rbac {
                note(if nodes::is_node(&subject) && nodes::may(question) {
                    "no role or binding grants it; the Node authorizer, which is asked beside RBAC, lets every node do this"
                } else {
                    "no role or binding grants it: another authorizer than RBAC does"
                });
            }
            answer.grants = Some(grants);
            answer.near_misses = Some(if answer.allowed == Some(false) && answer.overruled().is_none() {
                let misses = near::near_misses(&world, &subject, question);
                policies.near_misses.into_iter().chain(misses.iter().map(near_view)).collect()
            } else {
                Vec::new()
            });
        }
        Err(failure) => {
            if !without_rbac {
                let needs = failure.needs.clone().unwrap_or_else(|| "list on the four RBAC kinds".to_owned());
                note(&format!("the bindings cannot be read, so the reason is the server's own; it needs {needs}"));
            }
            answer.grants = Some(policies.grants);
            let mut misses = if answer.overruled().is_none() { policies.near_misses } else { Vec::new() };
            // Whoever may read no binding may still see the own rules.
            if answer.allowed == Some(false)
                && !answer.denied
                && !without_rbac
                && let Some(api) = &asker.acting
                && let Ok(rules) = rules_review(api, or_default(&question.namespace)).await
            {
                misses.extend(near::within_rules(&rules.resource_rules, question, "your rules").iter().map(near_view));
            }
            answer.near_misses = Some(misses);
        }
    }
    for unknown in &policies.notes {
        note(unknown);
    }
    if answer.allowed == Some(false) && answer.overruled().is_none() {
        let world = read.as_ref().ok().map(|rbac| World::new(rbac));
        if let Some(beside) = beside.filter(|beside| read.as_ref().is_ok_and(|rbac| in_doubt(beside, rbac))) {
            answer.rbac_in_doubt = true;
            note(&format!(
                "whether RBAC is one of {} is not known: there is not one ClusterRoleBinding, and an API server that asks RBAC makes some when it starts",
                beside.who.trim_end_matches(',')
            ));
        }
        let manifest = suggestion::manifest(world.as_ref(), &subject, question);
        answer.gives_more = world.as_ref().and_then(|world| wider(world, question, &manifest));
        answer.manifest = Some(manifest);
    }
}

/// Whether RBAC may be missing among the authorizers of a file: it makes its default bindings at each start, and there is
/// none.
fn in_doubt(beside: &Beside, rbac: &Rbac) -> bool {
    const KIND: &str = "ClusterRoleBinding";
    let unread = rbac.unread.iter().any(|unread| unread.starts_with(KIND));
    beside.in_a_file && !unread && !rbac.bindings.iter().any(|binding| binding.kind == KIND)
}

/// SelfSubjectRulesReview wants a namespace.
pub fn or_default(namespace: &str) -> &str {
    if namespace.is_empty() { "default" } else { namespace }
}

/// A rule as it stands in a role.
pub fn rule_view(rule: &Rule<'_>) -> Value {
    match rule {
        Rule::Path(rule) => json!({ "verbs": rule.verbs, "nonResourceURLs": rule.paths }),
        Rule::Resource(rule) => {
            let mut view = json!({ "verbs": rule.verbs, "apiGroups": rule.api_groups, "resources": rule.resources });
            if !rule.resource_names.is_empty() {
                view["resourceNames"] = json!(rule.resource_names);
            }
            view
        }
    }
}

fn near_view(miss: &NearMiss<'_>) -> NearMissView {
    NearMissView {
        kind: miss.kind.code(),
        text: miss.text.clone(),
        binding: miss.binding.map(Named::from),
        role: miss.role.map(Named::from),
    }
}

/// The ways of a yes, and what is near of a no, for a drawing.
pub fn paths(answer: &AccessAnswer) -> Vec<graph::Path> {
    let question =
        format!("{}: {}", answer.question.sentence(), if answer.allowed == Some(true) { "yes" } else { "no" });
    let who = match (answer.subject.username.as_str(), answer.subject.groups.as_slice()) {
        ("", []) => "you".to_owned(),
        ("", _) => super::subject_words(&answer.subject),
        (name, _) => name.to_owned(),
    };
    let mut paths: Vec<graph::Path> = answer
        .grants
        .iter()
        .flatten()
        .map(|grant| {
            let text = |name: &str| grant.subject[name].as_str().unwrap_or_default().to_owned();
            let place = text("namespace");
            let slash = if place.is_empty() { "" } else { "/" };
            let mut labels = vec![format!("{} {place}{slash}{}", text("kind"), text("name"))];
            labels.push(grant.binding.as_ref().map_or_else(|| "no binding needed".to_owned(), Named::to_string));
            labels.push(match (&grant.access_policy, &grant.role) {
                (Some(policy), _) => format!("{} for {}", policy.name(), policy.place()),
                (None, Some(role)) => role.to_string(),
                (None, None) => "everything".to_owned(),
            });
            labels.push(render::rule_words(&grant.rule));
            labels.push(question.clone());
            graph::Path { labels, broken: false }
        })
        .collect();
    paths.extend(answer.near_misses.iter().flatten().map(|miss| {
        let mut labels = vec![who.clone()];
        labels.push(miss.binding.as_ref().map_or_else(|| "no binding".to_owned(), Named::to_string));
        labels.push(miss.role.as_ref().map_or_else(|| "no role".to_owned(), Named::to_string));
        labels.extend([miss.text.clone(), question.clone()]);
        graph::Path { labels, broken: true }
    }));
    if paths.is_empty() {
        paths.push(graph::Path { labels: vec![who, question], broken: answer.allowed != Some(true) });
    }
    paths
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::rbac::Binding;

    #[test]
    fn without_one_cluster_role_binding_rbac_may_not_be_asked() {
        let beside = |in_a_file: bool| Beside { who: "a file".to_owned(), may_deny: true, in_a_file };
        let binding = |kind: &'static str| Binding { kind: kind.into(), ..Binding::default() };
        let rbac = |bindings: Vec<Binding>, unread: &[&str]| Rbac {
            bindings,
            unread: unread.iter().map(|text| (*text).to_owned()).collect(),
            ..Rbac::default()
        };
        assert!(in_doubt(&beside(true), &rbac(Vec::new(), &[])));
        assert!(in_doubt(&beside(true), &rbac(vec![binding("RoleBinding")], &[])));
        // It is asked, may be, or is named by a flag.
        assert!(!in_doubt(&beside(true), &rbac(vec![binding("ClusterRoleBinding")], &[])));
        assert!(!in_doubt(&beside(true), &rbac(Vec::new(), &["ClusterRoleBindings: 403 Forbidden"])));
        assert!(!in_doubt(&beside(false), &rbac(Vec::new(), &[])));
    }
}
