//! Puts questions, about ourselves or somebody else, by the best way that is allowed.

use std::sync::Arc;

use futures::StreamExt;
use serde_json::{Value, json};
use tokio::sync::{Mutex, OnceCell};

use super::{Method, PATIENCE};
use crate::apiserver::authz::modes::Authorizers;
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
    /// What the server's flags tell of its authorizers.
    authorizers: OnceCell<Authorizers>,
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

    /// Which authorizers there are, where the server's flags may be read and say so.
    async fn authorizers(&self, session: &Session<'_>) -> Authorizers {
        let ask = || async {
            let flags = tokio::time::timeout(PATIENCE, session.flags()).await.ok().and_then(Result::ok);
            flags.as_ref().map(Authorizers::of).unwrap_or_default()
        };
        self.authorizers.get_or_init(ask).await.clone()
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
    /// Who decides instead of RBAC or beside it, so that not everything can be computed.
    authorizers: Authorizers,
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
            authorizers: Authorizers::default(),
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
        let subject = subject_of(wanted);
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
                authorizers: Authorizers::default(),
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
                Method::Computed => Self::of_objects(session, &own, &subject, &first.namespace, worlds)
                    .await
                    .map(|computed| asker = computed),
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

    /// Answers from the RBAC objects.
    async fn of_objects(
        session: &Session<'_>,
        own: &Api,
        subject: &User,
        namespace: &str,
        worlds: &Worlds,
    ) -> Result<Self, Failure> {
        let (read, authorizers) = tokio::join!(worlds.read(own, namespace), worlds.authorizers(session));
        Ok(Self {
            subject: subject.clone(),
            method: "computed",
            acting: None,
            reviewing: None,
            computed: Some(read?),
            authorizers,
        })
    }

    /// As [`Self::about`] for many questions: where the first has no answer because an authorizer beside RBAC may give
    /// it, others still have one.
    ///
    /// # Errors
    /// As [`Self::about`].
    pub async fn about_many(
        session: &Session<'_>,
        wanted: &Impersonation,
        method: Option<Method>,
        first: &Question,
        worlds: &Worlds,
    ) -> Result<Self, Failure> {
        match Self::about(session, wanted, method, first, worlds).await {
            Err(failure) if is_beside(&failure) => {
                let own = session.own()?;
                Self::of_objects(session, &own, &subject_of(wanted), &first.namespace, worlds).await
            }
            other => other.map(|(asker, _)| asker),
        }
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
        compute(rbac, &self.authorizers, &self.subject, question)
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
        compute(&rbac, &self.authorizers, &self.subject, question)
    }

    /// Puts many questions, some at a time; answers in order.
    pub async fn check_all(&self, questions: &[Question]) -> Vec<Result<Check, Failure>> {
        futures::stream::iter(questions.iter().map(|question| self.check(question))).buffered(AT_ONCE).collect().await
    }

    /// The RBAC objects, where the question was computed from them.
    pub fn computed(&self) -> Option<&Rbac> {
        self.computed.as_deref()
    }

    /// Who is asked beside RBAC, so that a list of what RBAC grants is not all.
    pub fn beside(&self) -> Option<&str> {
        self.authorizers.beside.as_ref().map(|beside| beside.who.as_str())
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

/// The same where another authorizer may decide.
const BESIDE: &str = "RBAC alone does not decide";
/// Said of a no where it is not known which authorizers there are.
const UNCOUNTED: &str = "no role or binding grants it; authorizers beside RBAC, if there are any, are not counted";

/// Somebody by name, by groups, or both, with the groups that follow.
fn subject_of(wanted: &Impersonation) -> User {
    let named =
        User { username: wanted.user.clone().unwrap_or_default(), groups: wanted.groups.clone(), ..User::default() };
    // Under impersonation the server gives a service account its groups only where none are given.
    if named.groups.is_empty() {
        return authz::with_implicit_groups(&named);
    }
    let mut subject = named.clone();
    subject.groups = authz::with_implicit_groups(&User { username: "-".to_owned(), ..named.clone() }).groups;
    if named.is_anonymous() {
        subject.groups = named.groups;
    }
    subject
}

/// Whether a question could not be computed because another authorizer than RBAC may decide it.
pub fn is_beside(failure: &Failure) -> bool {
    failure.kind == FailureKind::Forbidden && failure.detail.contains(BESIDE)
}

/// Whether it was this very question that could not be computed, so that another may be.
pub fn is_of_question(failure: &Failure) -> bool {
    failure.kind == FailureKind::Forbidden && [UNREAD, NODE, BESIDE].iter().any(|words| failure.detail.contains(words))
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
fn compute(rbac: &Rbac, authorizers: &Authorizers, subject: &User, question: &Question) -> Result<Check, Failure> {
    let open = |detail: String| Err(Failure::new(FailureKind::Forbidden, detail));
    // kube-apiserver lets this group through before it asks any authorizer.
    let master = is_master(subject);
    if let Some(instead) = authorizers.instead.as_ref().filter(|_| !master) {
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
    if let Some(beside) = authorizers.beside.as_ref().filter(|_| !master) {
        let who = &beside.who;
        if !decision.allowed {
            return open(format!("{BESIDE}: no role or binding grants it, and {who} may allow it"));
        }
        if beside.may_deny {
            return open(format!("{BESIDE}: {}, and {who} may deny it", decision.reason));
        }
    }
    let uncounted = !decision.allowed && decision.reason.is_empty() && !authorizers.rbac_alone;
    Ok(Check {
        question: question.clone(),
        allowed: decision.allowed,
        denied: false,
        reason: if uncounted { UNCOUNTED.to_owned() } else { decision.reason },
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
        rbac_in_doubt: false,
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
    use crate::apiserver::authz::modes::{Beside, Instead};
    use crate::evidence::access::ResourceRule;
    use crate::evidence::rbac::{Binding, Role, Subject};

    fn ask(subject: &User, instead: Option<&Instead>, resource: &str) -> Result<bool, String> {
        let authorizers = Authorizers { instead: instead.cloned(), ..Authorizers::default() };
        let question = Question { verb: "delete".to_owned(), resource: resource.to_owned(), ..Question::default() };
        compute(&Rbac::default(), &authorizers, subject, &question)
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
            let answer = compute(&rbac, &Authorizers::default(), &user("jane", "team"), &question);
            answer.map(|check| check.allowed).map_err(|failure| {
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
    fn where_somebody_is_asked_beside_rbac_only_what_rbac_settles_is_computed() {
        let question = |resource: &str| Question {
            verb: "delete".to_owned(),
            resource: resource.to_owned(),
            ..Question::default()
        };
        let texts = |text: &str| vec![text.to_owned()];
        let rule = ResourceRule {
            verbs: texts("delete"),
            api_groups: texts(""),
            resources: texts("nodes"),
            ..ResourceRule::default()
        };
        let role =
            Role { kind: "ClusterRole".into(), name: "one".to_owned(), resource_rules: vec![rule], ..Role::default() };
        let subject = Subject { kind: "Group".into(), name: "team".to_owned(), ..Subject::default() };
        let binding = Binding {
            kind: "ClusterRoleBinding".into(),
            name: "one".to_owned(),
            role_kind: "ClusterRole".into(),
            role_name: "one".to_owned(),
            subjects: vec![subject],
            ..Binding::default()
        };
        let rbac = Rbac { bindings: vec![binding], roles: vec![role], ..Rbac::default() };
        let told = |authorizers: &Authorizers, group: &str, resource: &str| {
            compute(&rbac, authorizers, &user("jane", group), &question(resource))
        };
        let beside = |may_deny: bool| Authorizers {
            beside: Some(Beside { who: "ABAC (by its flag)".to_owned(), may_deny, in_a_file: false }),
            ..Authorizers::default()
        };
        let allowed = |answer: Result<Check, Failure>| {
            answer.map(|check| check.allowed).map_err(|failure| {
                assert!(is_of_question(&failure) && is_beside(&failure), "{failure:?}");
                assert!(failure.detail.contains("ABAC (by its flag)"), "{failure:?}");
            })
        };
        // It may allow more; only what comes first can take from what RBAC grants.
        assert_eq!(allowed(told(&beside(false), "team", "pods")), Err(()));
        assert_eq!(allowed(told(&beside(false), "team", "nodes")), Ok(true));
        assert_eq!(allowed(told(&beside(true), "team", "nodes")), Err(()));
        // Whom no authorizer is asked about.
        assert_eq!(allowed(told(&beside(true), authz::MASTERS, "pods")), Ok(true));
        // RBAC alone, and nobody knows.
        let reason = |authorizers: &Authorizers| told(authorizers, "team", "pods").map(|check| check.reason);
        let alone = Authorizers { rbac_alone: true, ..Authorizers::default() };
        assert_eq!(reason(&alone).as_deref(), Ok(""));
        assert_eq!(reason(&Authorizers::default()).as_deref(), Ok(UNCOUNTED));
        assert_eq!(allowed(told(&Authorizers::default(), "team", "nodes")), Ok(true));
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
