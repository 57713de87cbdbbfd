//! Access reviews: what this identity may do.

use futures::future::join_all;
use serde_json::{Value, json};

use super::apiserver::Api;
use super::objects::encoded;
use super::wire::Limits;
use crate::evidence::access::{Access, Check, Existence, NonResourceRule, Question, ResourceRule, Rules};
use crate::evidence::{Failure, FailureKind};

/// The questions that people ask first, for one namespace.
pub fn common_questions(namespace: &str) -> Vec<Question> {
    let ask = |verb: &str, group: &str, resource: &str, subresource: &str, namespace: &str| Question {
        verb: verb.to_owned(),
        group: group.to_owned(),
        resource: resource.to_owned(),
        subresource: subresource.to_owned(),
        namespace: namespace.to_owned(),
        ..Question::default()
    };
    vec![
        ask("list", "", "pods", "", namespace),
        ask("get", "", "pods", "log", namespace),
        ask("create", "", "pods", "exec", namespace),
        ask("get", "", "secrets", "", namespace),
        ask("create", "apps", "deployments", "", namespace),
        ask("list", "", "nodes", "", ""),
        ask("list", "", "namespaces", "", ""),
    ]
}

/// The `spec` part of an access review.
pub fn attributes(question: &Question) -> Value {
    match &question.path {
        Some(path) => json!({ "nonResourceAttributes": { "verb": question.verb, "path": path } }),
        None => {
            let mut attributes = json!({ "verb": question.verb, "resource": question.resource });
            for (name, value) in [
                ("group", &question.group),
                ("subresource", &question.subresource),
                ("name", &question.name),
                ("namespace", &question.namespace),
            ] {
                if !value.is_empty() {
                    attributes[name] = json!(value);
                }
            }
            json!({ "resourceAttributes": attributes })
        }
    }
}

/// The status of an access review.
pub fn verdict(api: &Api, question: &Question, answer: &Value) -> Check {
    let status = answer.get("status").cloned().unwrap_or_default();
    let text = |name: &str| api.words(status.get(name).and_then(Value::as_str).unwrap_or_default());
    let is = |name: &str| status.get(name).and_then(Value::as_bool).unwrap_or(false);
    Check {
        question: question.clone(),
        allowed: is("allowed"),
        denied: is("denied"),
        reason: text("reason"),
        evaluation_error: text("evaluationError"),
    }
}

/// One SelfSubjectAccessReview.
///
/// # Errors
/// As [`Api::review`].
pub async fn self_review(api: &Api, question: &Question) -> Result<Check, Failure> {
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": attributes(question),
    });
    let answer: Value = api.review("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", &review).await?;
    Ok(verdict(api, question, &answer))
}

/// One SelfSubjectRulesReview.
///
/// # Errors
/// As [`Api::review`].
pub async fn rules_review(api: &Api, namespace: &str) -> Result<Rules, Failure> {
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": { "namespace": namespace },
    });
    let answer: Value = api.review("/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", &review).await?;
    Ok(read_rules(namespace, &answer))
}

/// All questions at once, and the rules of one namespace.
///
/// # Errors
/// When not one review was answered.
pub async fn access(api: &Api, questions: &[Question], namespace: &str) -> Result<Access, Failure> {
    let rules = rules_review(api, namespace);
    let (answers, rules) = tokio::join!(join_all(questions.iter().map(|question| self_review(api, question))), rules);
    let mut access = Access::default();
    let mut failure = None;
    for answer in answers {
        match answer {
            Ok(check) => access.checks.push(check),
            Err(error) => failure = Some(error),
        }
    }
    match rules {
        Ok(rules) => access.rules = Some(rules),
        Err(error) => access.rules_error = Some(error.detail),
    }
    match failure {
        Some(failure) if access.checks.is_empty() => Err(match failure.kind {
            FailureKind::Forbidden => {
                failure.needs("create on selfsubjectaccessreviews.authorization.k8s.io (ClusterRole system:basic-user)")
            }
            _ => failure,
        }),
        _ => Ok(access),
    }
}

/// Whether a namespace is there, as whoever may read it is told.
///
/// # Errors
/// Where the API server says neither.
pub async fn namespace_exists(api: &Api, name: &str) -> Result<Existence, Failure> {
    let answer = api.get(&format!("/api/v1/namespaces/{}", encoded(name)), Limits::default()).await?;
    if answer.status.is_success() {
        return Ok(Existence { exists: true });
    }
    let failure = api.refusal(&answer);
    // In the API server's own words: a 404 may be of anything in between.
    if failure.kind == FailureKind::Unsupported && failure.detail.contains(&format!("namespaces {name:?} not found")) {
        return Ok(Existence { exists: false });
    }
    Err(match failure.kind {
        FailureKind::Forbidden => failure.needs("get on namespaces"),
        _ => failure,
    })
}

fn read_rules(namespace: &str, answer: &Value) -> Rules {
    let status = answer.get("status").cloned().unwrap_or_default();
    let strings = |rule: &Value, name: &str| -> Vec<String> {
        rule.get(name)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect()
    };
    let list = |name: &str| status.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    Rules {
        namespace: namespace.to_owned(),
        resource_rules: list("resourceRules")
            .iter()
            .map(|rule| ResourceRule {
                verbs: strings(rule, "verbs"),
                api_groups: strings(rule, "apiGroups"),
                resources: strings(rule, "resources"),
                resource_names: strings(rule, "resourceNames"),
            })
            .collect(),
        non_resource_rules: list("nonResourceRules")
            .iter()
            .map(|rule| NonResourceRule { verbs: strings(rule, "verbs"), paths: strings(rule, "nonResourceURLs") })
            .collect(),
        incomplete: status.get("incomplete").and_then(Value::as_bool).unwrap_or(false),
        evaluation_error: status.get("evaluationError").and_then(Value::as_str).unwrap_or_default().to_owned(),
    }
}
