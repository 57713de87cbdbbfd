//! What a suggested grant gives beyond what was asked, where it binds a role that is there.

use super::World;
use super::rules::{self, Rule};
use crate::evidence::access::{Question, ResourceRule};

/// The role that is there and that this manifest binds, with all that it gives, where that is more than what is asked.
pub fn wider(world: &World<'_>, question: &Question, manifest: &str) -> Option<String> {
    // One that brings its own role gives exactly its one rule.
    if manifest.contains("\nrules:\n") {
        return None;
    }
    let (_, reference) = manifest.split_once("\nroleRef:\n")?;
    let value = |key: &str| reference.lines().find_map(|line| line.trim().strip_prefix(key));
    let (kind, name) = (value("kind: ")?, value("name: ")?.trim_matches('"'));
    let role = world.role(kind, &question.namespace, name)?;
    let exact = |rule: &Rule<'_>| matches!(rule, Rule::Resource(rule) if is_exact(rule, question));
    if rules::of(role).all(|rule| exact(&rule)) {
        return None;
    }
    let given: Vec<String> = rules::of(role).map(|rule| words(&rule)).collect();
    Some(format!("the {kind} {name:?}, which is there and gives all of this: {}", given.join("; ")))
}

/// The rule gives nothing but what is asked.
fn is_exact(rule: &ResourceRule, question: &Question) -> bool {
    let all = |list: &[String], wanted: &str| list.iter().all(|entry| entry == wanted);
    // A request that creates an object, or deletes a collection, cannot be limited to a name.
    let nameless = match question.verb.as_str() {
        "create" => question.subresource.is_empty(),
        verb => verb == "deletecollection",
    };
    let names = match rule.resource_names.as_slice() {
        [] => nameless || question.name.is_empty(),
        names => all(names, &question.name),
    };
    let whole = question.whole();
    all(&rule.verbs, &question.verb)
        && all(&rule.api_groups, &question.group)
        && rule.resources.iter().all(|resource| *resource == whole)
        && names
}

fn words(rule: &Rule<'_>) -> String {
    match rule {
        Rule::Path(rule) => format!("{} {}", rule.verbs.join(", "), rule.paths.join(", ")),
        Rule::Resource(rule) => {
            let named = match rule.resource_names.as_slice() {
                [] => String::new(),
                names => format!(" named {}", names.join(", ")),
            };
            format!("{} {}{named}", rule.verbs.join(", "), rule.resources.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apiserver::authz::suggestion;
    use crate::evidence::identity::User;
    use crate::evidence::rbac::{Rbac, Role};

    #[test]
    fn a_role_that_gives_more_is_named_with_all_that_it_gives() {
        let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let asked = |name: &str| Question {
            verb: "get".to_owned(),
            resource: "pods".to_owned(),
            name: name.to_owned(),
            namespace: "dev".to_owned(),
            ..Question::default()
        };
        let told = |verbs: &[&str], names: &[&str], question: &Question| {
            let rule = ResourceRule {
                verbs: texts(verbs),
                api_groups: texts(&[""]),
                resources: texts(&["pods"]),
                resource_names: texts(names),
            };
            let role = Role {
                kind: "ClusterRole".into(),
                name: "reader".to_owned(),
                resource_rules: vec![rule],
                ..Role::default()
            };
            let rbac = Rbac { roles: vec![role], ..Rbac::default() };
            let world = World::new(&rbac);
            let user = User { username: "jane".to_owned(), ..User::default() };
            wider(&world, question, &suggestion::manifest(Some(&world), &user, question))
        };
        let more = told(&["get", "list"], &[], &asked("")).expect("it also lists");
        assert_eq!(more, "the ClusterRole \"reader\", which is there and gives all of this: get, list pods");
        assert!(told(&["get"], &[], &asked("p1")).is_some(), "all of them, where one was asked for");
        assert_eq!(told(&["get"], &["p1"], &asked("p1")), None);
        assert_eq!(told(&["get"], &[], &asked("")), None);
        // No role fits: the manifest brings its own.
        assert_eq!(told(&["*"], &[], &asked("")), None);
    }
}
