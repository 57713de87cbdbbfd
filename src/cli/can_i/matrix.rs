//! Resources against verbs, with as few requests as the server's rules allow.

use super::ask::{self, Asker};
use super::why::or_default;
use super::words::{Type, Types};
use crate::apiserver::authz::{resources, rules};
use crate::collect::access::rules_review;
use crate::evidence::Failure;
use crate::evidence::access::{Question, ResourceRule, Rules};
use crate::report::access::{AccessMatrix, MatrixRow};

/// The verbs of a plain matrix.
pub const VERBS: [&str; 8] = ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"];

/// A namespace that cannot exist: rules that apply there apply at the cluster scope.
const NOWHERE: &str = "kaccess--cluster-scope";

/// All types with their subresources, or those asked for, as rows without answers.
pub async fn rows(types: &Types<'_>, asked: &[String], namespaces: &[String], requests: &mut usize) -> Vec<MatrixRow> {
    let mut kinds: Vec<(Type, Vec<String>)> = Vec::new();
    if asked.is_empty() {
        *requests += 1;
        let discovered = types.discovered().await;
        let core = resources::RESOURCES.iter().filter(|kind| discovered.is_empty() || kind.group.is_empty());
        let all = core.map(Type::from).chain(discovered.iter().cloned());
        kinds.extend(all.map(|kind| {
            let mut parts = vec![String::new()];
            parts.extend(kind.subresources.iter().cloned());
            (kind, parts)
        }));
    }
    for word in asked {
        let (word, subresource) = word.split_once('/').unwrap_or((word, ""));
        let kind = types.find(word).await.unwrap_or_else(|| Type::unknown(word));
        kinds.push((kind, vec![subresource.to_owned()]));
    }
    let cluster = [String::new()];
    let mut rows = Vec::new();
    for (kind, parts) in kinds {
        let places = if kind.namespaced { namespaces } else { &cluster };
        for namespace in places {
            rows.extend(parts.iter().map(|subresource| MatrixRow {
                group: kind.group.clone(),
                resource: kind.name.clone(),
                subresource: subresource.clone(),
                namespace: namespace.clone(),
                allowed: Vec::new(),
            }));
        }
    }
    rows
}

/// Whether rules allow a question.
pub fn allowed_by(rules: &[ResourceRule], question: &Question) -> bool {
    rules.iter().any(|rule| rules::resource_rule_allows(rule, question))
}

/// Fills the rows: everything at once for whoever may do everything; else from the rules of each namespace; one by one
/// only what no rule proves and the server calls its list incomplete.
///
/// # Errors
/// When not even the first question could be asked.
pub async fn fill(asker: &Asker, matrix: &mut AccessMatrix) -> Result<(), Failure> {
    let star = || "*".to_owned();
    let everything = Question { verb: star(), group: star(), resource: star(), ..Question::default() };
    matrix.requests += 1;
    let verbs = matrix.verbs.clone();
    let all = match asker.check(&everything).await {
        // What RBAC settles is answered all the same.
        Err(failure) if ask::is_beside(&failure) => false,
        answer => answer?.allowed,
    };
    if all {
        for row in &mut matrix.rows {
            row.allowed = vec![Some(true); verbs.len()];
        }
        return Ok(());
    }
    let mut known: Vec<(String, Option<Rules>)> = Vec::new();
    if let Some(api) = &asker.acting {
        for namespace in distinct(matrix) {
            matrix.requests += 1;
            let place = if namespace.is_empty() { NOWHERE } else { or_default(&namespace) };
            known.push((namespace.clone(), rules_review(api, place).await.ok()));
        }
    }
    let mut open: Vec<(usize, usize, Question)> = Vec::new();
    for (index, row) in matrix.rows.iter_mut().enumerate() {
        let rules =
            known.iter().find(|(namespace, _)| *namespace == row.namespace).and_then(|(_, rules)| rules.as_ref());
        row.allowed = vec![None; verbs.len()];
        for (column, verb) in verbs.iter().enumerate() {
            let question = row.question(verb);
            match rules {
                Some(rules) if allowed_by(&rules.resource_rules, &question) => row.allowed[column] = Some(true),
                Some(rules) if !rules.incomplete => row.allowed[column] = Some(false),
                _ => open.push((index, column, question)),
            }
        }
    }
    let questions: Vec<Question> = open.iter().map(|(_, _, question)| question.clone()).collect();
    if asker.computed().is_none() {
        matrix.requests += questions.len();
    }
    for ((row, column, _), check) in open.iter().zip(asker.check_all(&questions).await) {
        matrix.rows[*row].allowed[*column] = check.ok().map(|check| check.allowed);
    }
    Ok(())
}

/// The namespaces of the rows.
fn distinct(matrix: &AccessMatrix) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for row in &matrix.rows {
        if !found.contains(&row.namespace) {
            found.push(row.namespace.clone());
        }
    }
    found
}
