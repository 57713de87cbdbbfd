//! Puts questions, about ourselves or somebody else, by the best way that is allowed.

use std::sync::Arc;

use futures::StreamExt;
use serde_json::{Value, json};
use tokio::sync::{Mutex, OnceCell};

use super::{Method, PATIENCE};
use crate::apiserver::authz::modes::{self, Instead};
use crate::apiserver::authz::{self, World, is_master, nodes};
use crate::cli::connect::{A_WAY, Session};
use crate::collect::access::{attributes, self_review, verdict};
use crate::collect::apiserver::Api;
use crate::collect::kubeconfig::Impersonation;
use crate::collect::rbac::lists;
use crate::evidence::access::{Check, Question};
use crate::evidence::identity::User;
use crate::evidence::rbac::Rbac;
use crate::evidence::{Failure, FailureKind};
use crate::report::access::AccessAnswer;

/// Questions in flight at once.
pub const AT_ONCE: usize = 48;

/// The RBAC objects, read once for all who are asked about: of a large cluster they take megabytes.
#[derive(Default)]
pub struct Worlds {
    objects: Mutex<Vec<(String, Objects)>>,
    /// What decides instead of RBAC.
    instead: OnceCell<Option<Instead>>,
}

/// What was read, or why nothing was.
type Objects = Result<Arc<Rbac>, Failure>;

impl Worlds {
    /// The objects, as far as they may be read with a view to this namespace.
    async fn read(&self, api: &Api, namespace: &str) -> Result<Arc<Rbac>, Failure> {
        // Whoever asks meanwhile waits, and finds them read.
        let mut known = self.objects.lock().await;
        // What was not restricted to its namespace holds for every other.
        let holds = |place: &str, read: &Result<Arc<Rbac>, Failure>| {
            let restricted = format!("s outside namespace {place}");
            place == namespace
                || read.as_ref().is_ok_and(|rbac| !rbac.unread.iter().any(|text| text.ends_with(&restricted)))
        };
        if let Some((_, read)) = known.iter().find(|(place, read)| holds(place, read)) {
            return read.clone();
        }
        let read = lists::world(api, "self", namespace).await.map(Arc::new);
        known.push((namespace.to_owned(), read.clone()));
        read
    }

    /// What decides instead of RBAC, where the server's flags may be read and say so.
    async fn instead(&self, session: &Session<'_>) -> Option<Instead> {
        let ask = || async {
            let flags = tokio::time::timeout(PATIENCE, session.flags()).await.ok()?.ok()?;
            modes::instead_of_rbac(&flags)
        };
        self.instead.get_or_init(ask).await.clone()
    }
}

/// Whom a question is about, and the way it is put.
pub struct Asker {
    /// About whom; empty for ourselves.
    pub subject: User,
    /// The way, as JSON names it.
    pub method: &'static str,
    /// The server as that somebody, for SelfSubject reviews; absent where others are asked about.
    pub acting: Option<Api>,
    reviewing: Option<Api>,
    computed: Option<Arc<Rbac>>,
    /// What decides instead of RBAC, so that nothing can be computed.
    instead: Option<Instead>,
}

impl Asker {
    /// About ourselves (with the `as` of the kubeconfig, which is part of who we are).
    ///
    /// # Errors
    /// When a name cannot stand in a header.
    pub fn own(session: &Session<'_>) -> Result<Self, Failure> {
        Ok(Self {
            subject: User::default(),
            method: "self-review",
            acting: Some(session.acting(Some(&session.resolved.impersonation))?),
            reviewing: None,
            computed: None,
            instead: None,
        })
    }

    /// About somebody else: the first way that this question is answered by. A named user is impersonated as kubectl
    /// does; a group alone is nobody who could be, so it is reviewed.
    ///
    /// # Errors
    /// When no way is allowed.
    pub async fn about(
        session: &Session<'_>,
        wanted: &Impersonation,
        method: Option<Method>,
        first: &Question,
        worlds: &Worlds,
    ) -> Result<(Self, Check), Failure> {
        let own = session.own()?;
        let named = User {
            username: wanted.user.clone().unwrap_or_default(),
            groups: wanted.groups.clone(),
            ..User::default()
        };
        // Under impersonation the server gives a service account its groups only where none are given.
        let subject = if named.groups.is_empty() {
            authz::with_implicit_groups(&named)
        } else {
            let mut subject = named.clone();
            subject.groups = authz::with_implicit_groups(&User { username: "-".to_owned(), ..named.clone() }).groups;
            if named.is_anonymous() {
                subject.groups = named.groups.clone();
            }
            subject
        };
        let ways = match method {
            Some(method) => vec![method],
            None if subject.username.is_empty() => vec![Method::Review, Method::Impersonation, Method::Computed],
            None => vec![Method::Impersonation, Method::Review, Method::Computed],
        };
        let mut refusals = Vec::new();
        for way in ways {
            let mut asker = Self {
                subject: subject.clone(),
                method: "review",
                acting: None,
                reviewing: None,
                computed: None,
                instead: None,
            };
            let ready = match way {
                Method::Review => {
                    asker.reviewing = Some(own.clone());
                    Ok(())
                }
                Method::Impersonation => {
                    asker.method = "impersonation";
                    let mut impersonation = wanted.clone();
                    if impersonation.user.is_none() {
                        impersonation.user = Some("kaccess:somebody".to_owned());
                        impersonation.groups.clone_from(&subject.groups);
                    }
                    asker.acting = Some(session.acting(Some(&impersonation))?);
                    Ok(())
                }
                Method::Computed => {
                    asker.method = "computed";
                    let (read, instead) = tokio::join!(worlds.read(&own, &first.namespace), worlds.instead(session));
                    asker.instead = instead;
                    read.map(|rbac| asker.computed = Some(rbac))
                }
            };
            let result = match ready {
                Ok(()) => asker.check(first).await,
                Err(failure) => Err(failure),
            };
            match result {
                Ok(check) => return Ok((asker, check)),
                // Only a missing right leads to the next way; anything else would fail there too.
                Err(failure) if failure.kind == FailureKind::Forbidden => refusals.push((way.words(), failure.detail)),
                Err(failure) => return Err(failure),
            }
        }
        let details: Vec<&str> = refusals.iter().map(|(_, detail)| detail.as_str()).collect();
        let mut failure = Failure::new(FailureKind::Forbidden, details.join("; ")).needs(
            "create on subjectaccessreviews.authorization.k8s.io, or impersonate on users and groups, or list on the four RBAC kinds",
        );
        if refusals.len() > 1 {
            let lines: Vec<String> = refusals.iter().map(|(way, detail)| format!("by {way}: {detail}")).collect();
            failure = failure.sides(A_WAY, lines.join("\n"));
        }
        Err(failure)
    }

    /// Puts one question.
    ///
    /// # Errors
    /// As the review, or `Forbidden` where not enough could be read to compute an answer.
    pub async fn check(&self, question: &Question) -> Result<Check, Failure> {
        if let Some(api) = &self.acting {
            return self_review(api, question).await;
        }
        if let Some(api) = &self.reviewing {
            return review(api, &self.subject, question).await;
        }
        let Some(rbac) = &self.computed else {
            return Err(Failure::new(FailureKind::Bug, "a question without a way to put it"));
        };
        compute(rbac, self.instead.as_ref(), &self.subject, question)
    }

    /// The same of a question among others: what is computed is computed from what counts in its own namespace.
    ///
    /// # Errors
    /// As [`Self::check`], or why the objects could not be read.
    pub async fn check_among(&self, question: &Question, api: &Api, worlds: &Worlds) -> Result<Check, Failure> {
        if self.computed.is_none() {
            return self.check(question).await;
        }
        let rbac = worlds.read(api, &question.namespace).await?;
        compute(&rbac, self.instead.as_ref(), &self.subject, question)
    }

    /// Puts many questions, some at a time; answers in order.
    pub async fn check_all(&self, questions: &[Question]) -> Vec<Result<Check, Failure>> {
        futures::stream::iter(questions.iter().map(|question| self.check(question))).buffered(AT_ONCE).collect().await
    }

    /// The RBAC objects, where the question was computed from them.
    pub fn computed(&self) -> Option<&Rbac> {
        self.computed.as_deref()
    }

    /// An answer for the report.
    pub fn answer(&self, question: &Question, result: Result<Check, Failure>) -> AccessAnswer {
        answer(&self.subject, self.method, question, result)
    }
}

/// How it begins where a no rests on what is not known.
const UNREAD: &str = "not everything could be read";
/// The same of a node.
const NODE: &str = "no role or binding grants it, and the Node authorizer";

/// Whether it was this very question that could not be computed, so that another may be.
pub fn is_of_question(failure: &Failure) -> bool {
    failure.kind == FailureKind::Forbidden && [UNREAD, NODE].iter().any(|words| failure.detail.contains(words))
}

/// Whether objects that could not be read may hold an answer to this question: those of a namespace say nothing of a
/// cluster-scoped question or a path, and those of other namespaces nothing of one in its own.
fn counts(unread: &str, question: &Question) -> bool {
    let scope = if question.path.is_some() { "" } else { question.namespace.as_str() };
    let namespaced = unread.starts_with("Role");
    !(namespaced && scope.is_empty())
        && unread.split_once("s outside namespace ").is_none_or(|(_, place)| place != scope)
}

/// The answer of the RBAC objects, where they decide.
fn compute(rbac: &Rbac, instead: Option<&Instead>, subject: &User, question: &Question) -> Result<Check, Failure> {
    let open = |detail: String| Err(Failure::new(FailureKind::Forbidden, detail));
    // kube-apiserver lets this group through before it asks any authorizer.
    if let Some(instead) = instead.filter(|_| !is_master(subject)) {
        return open(instead.sentence());
    }
    let decision = World::new(rbac).decide(subject, question);
    let missing: Vec<&str> = rbac.unread.iter().map(String::as_str).filter(|unread| counts(unread, question)).collect();
    if !decision.allowed && !missing.is_empty() {
        return open(format!("{UNREAD}: {}", missing.join("; ")));
    }
    if !decision.allowed && nodes::is_node(subject) && nodes::might(question) {
        return open(format!("{NODE}, which is asked beside RBAC, may let this node do it"));
    }
    Ok(Check {
        question: question.clone(),
        allowed: decision.allowed,
        denied: false,
        reason: decision.reason,
        evaluation_error: String::new(),
    })
}

/// An answer for the report.
pub fn answer(
    subject: &User,
    method: &'static str,
    question: &Question,
    result: Result<Check, Failure>,
) -> AccessAnswer {
    let mut answer = AccessAnswer {
        question: question.clone(),
        subject: subject.clone(),
        allowed: None,
        denied: false,
        reason: String::new(),
        method,
        grants: None,
        near_misses: None,
        manifest: None,
        gives_more: None,
        instead_of_rbac: None,
        evaluation_error: String::new(),
        error: None,
    };
    match result {
        Ok(check) => {
            answer.allowed = Some(check.allowed);
            answer.denied = check.denied && !check.allowed;
            answer.reason = check.reason;
            answer.evaluation_error = check.evaluation_error;
        }
        Err(failure) => answer.error = Some(failure.detail),
    }
    answer
}

async fn review(api: &Api, subject: &User, question: &Question) -> Result<Check, Failure> {
    let mut spec = attributes(question);
    if !subject.username.is_empty() {
        spec["user"] = json!(subject.username);
    }
    spec["groups"] = json!(subject.groups);
    if !subject.extra.is_empty() {
        spec["extra"] = json!(subject.extra);
    }
    let review = json!({ "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec });
    let answer: Value = api.review("/apis/authorization.k8s.io/v1/subjectaccessreviews", &review).await?;
    Ok(verdict(api, question, &answer))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(subject: &User, instead: Option<&Instead>, resource: &str) -> Result<bool, String> {
        let question = Question { verb: "delete".to_owned(), resource: resource.to_owned(), ..Question::default() };
        compute(&Rbac::default(), instead, subject, &question)
            .map(|check| check.allowed)
            .map_err(|failure| failure.detail)
    }

    fn user(name: &str, group: &str) -> User {
        User { username: name.to_owned(), groups: vec![group.to_owned()], ..User::default() }
    }

    #[test]
    fn what_was_not_read_counts_where_it_may_hold_the_answer() {
        let asked = |unread: &[&str], namespace: &str, path: Option<&str>| {
            let unread = unread.iter().map(|text| (*text).to_owned()).collect();
            let rbac = Rbac { unread, ..Rbac::default() };
            let question = Question {
                verb: "get".to_owned(),
                resource: "pods".to_owned(),
                namespace: namespace.to_owned(),
                path: path.map(str::to_owned),
                ..Question::default()
            };
            compute(&rbac, None, &user("jane", "team"), &question).map(|check| check.allowed).map_err(|failure| {
                assert!(is_of_question(&failure), "{failure:?}");
            })
        };
        let outside = ["RoleBindings outside namespace dev", "Roles outside namespace dev"];
        assert_eq!(asked(&outside, "dev", None), Ok(false));
        assert_eq!(asked(&outside, "prod", None), Err(()));
        assert_eq!(asked(&outside, "", None), Ok(false));
        let refused = ["RoleBindings: 403 Forbidden", "Roles: 403 Forbidden"];
        assert_eq!(asked(&refused, "dev", None), Err(()));
        assert_eq!(asked(&refused, "", None), Ok(false));
        assert_eq!(asked(&refused, "", Some("/metrics")), Ok(false));
        assert_eq!(asked(&["ClusterRoleBindings: 403 Forbidden"], "", None), Err(()));
        assert_eq!(asked(&["ClusterRoles beyond the first 5: too large"], "dev", None), Err(()));
    }

    #[test]
    fn what_the_node_authorizer_may_allow_is_no_computed_no() {
        let node = user("system:node:n1", nodes::GROUP);
        assert!(ask(&node, None, "pods").is_err_and(|detail| detail.contains("Node authorizer")));
        assert_eq!(ask(&node, None, "namespaces"), Ok(false));
        assert_eq!(ask(&user("n1", nodes::GROUP), None, "pods"), Ok(false));
    }

    #[test]
    fn where_rbac_is_not_asked_nothing_is_computed() {
        let instead =
            Instead { modes: "AlwaysAllow".to_owned(), decides: "AlwaysAllow, which lets everybody".to_owned() };
        let told = ask(&user("jane", "team"), Some(&instead), "nodes").expect_err("undecided");
        assert!(told.contains("(--authorization-mode=AlwaysAllow)"), "{told}");
        // Whom no authorizer is asked about.
        assert_eq!(ask(&user("root", authz::MASTERS), Some(&instead), "nodes"), Ok(true));
        assert_eq!(ask(&user("jane", "team"), None, "nodes"), Ok(false));
    }
}
