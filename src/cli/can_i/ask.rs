//! Puts questions, about ourselves or somebody else, by the best way that is allowed.

use std::sync::Arc;

use futures::StreamExt;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::Method;
use crate::apiserver::authz::{self, World};
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
pub struct Worlds(Mutex<Vec<(String, Objects)>>);

/// What was read, or why nothing was.
type Objects = Result<Arc<Rbac>, Failure>;

impl Worlds {
    /// The objects, as far as they may be read with a view to this namespace.
    async fn read(&self, api: &Api, namespace: &str) -> Result<Arc<Rbac>, Failure> {
        // Whoever asks meanwhile waits, and finds them read.
        let mut known = self.0.lock().await;
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
            let mut asker =
                Self { subject: subject.clone(), method: "review", acting: None, reviewing: None, computed: None };
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
                    worlds.read(&own, &first.namespace).await.map(|rbac| asker.computed = Some(rbac))
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
    /// As the review, or `Forbidden` where not enough could be read to compute a no.
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
        let decision = World::new(rbac).decide(&self.subject, question);
        if !decision.allowed && !rbac.unread.is_empty() {
            let detail = format!("not everything could be read: {}", rbac.unread.join("; "));
            return Err(Failure::new(FailureKind::Forbidden, detail));
        }
        Ok(Check {
            question: question.clone(),
            allowed: decision.allowed,
            denied: false,
            reason: decision.reason,
            evaluation_error: String::new(),
        })
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
