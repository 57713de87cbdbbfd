//! The model and the real server give the same answers.

use std::collections::BTreeSet;
use std::time::Instant;

use bytes::Bytes;
use kaccess::apiserver::authz::World;
use kaccess::apiserver::authz::who::{Reach, who_can};
use kaccess::collect::access::attributes;
use kaccess::collect::rbac::lists;
use kaccess::evidence::access::Question;
use kaccess::evidence::identity::User;
use kaccess::evidence::rbac::Rbac;
use serde_json::{Value, json};

use super::random::{self, Dice, NAMESPACES};
use crate::support::lab::{self, ApiServer, Options};

/// Questions in a normal run; `KACCESS_QUESTIONS` asks for more.
const QUESTIONS: usize = 20_000;
/// Roles, and bindings, of one world.
const OBJECTS: usize = 330;

/// Everything the server holds, by its JSON lists.
pub fn read(server: &ApiServer) -> Rbac {
    let mut rbac = Rbac::default();
    for (kind, resource) in [
        ("ClusterRoleBinding", "clusterrolebindings"),
        ("RoleBinding", "rolebindings"),
        ("ClusterRole", "clusterroles"),
        ("Role", "roles"),
    ] {
        let (status, body) = server.api("GET", &format!("/apis/rbac.authorization.k8s.io/v1/{resource}"), None);
        assert_eq!(status, 200, "{body}");
        let page = lists::read(kind, &Bytes::from(body.to_string())).expect("a list");
        rbac.bindings.extend(page.bindings);
        rbac.roles.extend(page.roles);
    }
    rbac
}

fn spec(user: &User, question: &Question) -> Value {
    let mut spec = attributes(question);
    if !user.username.is_empty() {
        spec["user"] = json!(user.username);
    }
    spec["groups"] = json!(user.groups);
    spec
}

/// A reason without the order of what it lists: the server's listers have none.
fn sorted(reason: &str) -> String {
    let Some(inner) = reason.strip_prefix("RBAC: [").and_then(|rest| rest.strip_suffix(']')) else {
        return reason.to_owned();
    };
    let mut parts: Vec<&str> = inner.split(", ").collect();
    parts.sort_unstable();
    format!("RBAC: [{}]", parts.join(", "))
}

/// The server's authorizer reads from its own caches: wait until they hold what was created last.
pub fn wait_settled(server: &ApiServer) {
    let api = "/apis/rbac.authorization.k8s.io/v1";
    server.create(&format!("{api}/clusterroles"), &json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": { "name": "settled" }, "rules": [{ "apiGroups": ["settled"], "resources": ["settled"], "verbs": ["get"] }] }));
    server.create(
        &format!("{api}/clusterrolebindings"),
        &json!({ "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding", "metadata": { "name": "settled" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "settled" },
        "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "settled" }] }),
    );
    server.settle();
}

fn load(server: &ApiServer, dice: &mut Dice) -> Rbac {
    for namespace in NAMESPACES {
        server.create_namespace(namespace);
    }
    let objects = random::objects(dice, OBJECTS);
    let (roles, bindings): (Vec<_>, Vec<_>) = objects.into_iter().partition(|(path, _)| path.ends_with("roles"));
    server.create_all(roles);
    server.create_all(bindings);
    wait_settled(server);
    read(server)
}

#[test]
fn the_model_answers_as_the_server_does() {
    let Some(lab) = lab::require_apiserver() else { return };
    let wanted = std::env::var("KACCESS_QUESTIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(QUESTIONS);
    let server = ApiServer::start(lab, Options::default().without_audit());
    let mut dice = Dice::new(6);
    let rbac = load(&server, &mut dice);
    let world = World::new(&rbac);
    let started = Instant::now();
    let (mut asked, mut allowed, mut reasons, mut faults) = (0, 0, BTreeSet::new(), Vec::new());
    while asked < wanted {
        let batch: Vec<(User, Question)> =
            (0..2000.min(wanted - asked)).map(|_| random::question(&mut dice, &rbac)).collect();
        let answers = server.access_reviews(batch.iter().map(|(user, question)| spec(user, question)));
        for ((user, question), status) in batch.iter().zip(answers) {
            let text = |name: &str| status[name].as_str().unwrap_or_default();
            let ours = world.decide(user, question);
            let theirs = status["allowed"] == true;
            let same_reason = if theirs {
                text("reason") == ours.reason
                    || world.grants(user, question).iter().any(|grant| grant.reason() == text("reason"))
            } else {
                sorted(text("reason")) == sorted(&ours.reason)
            };
            if ours.allowed != theirs || !same_reason || !text("evaluationError").is_empty() {
                faults.push(format!("{user:?} {question:?}\n  server {status}\n  model  {ours:?}"));
            }
            allowed += usize::from(theirs);
            reasons.insert(text("reason").to_owned());
        }
        asked += batch.len();
    }
    lab::tell(&format!(
        "fidelity: {asked} questions ({allowed} allowed, {} different reasons) over {} roles and {} bindings in {:?}, {} differ",
        reasons.len(),
        rbac.roles.len(),
        rbac.bindings.len(),
        started.elapsed(),
        faults.len()
    ));
    assert!(faults.is_empty(), "{} of {asked} differ:\n{}", faults.len(), faults[..faults.len().min(10)].join("\n"));
    assert!(allowed > asked / 10 && allowed < asked * 9 / 10, "{allowed} of {asked} allowed says little");

    who_can_is_right(&server, &rbac, &mut dice);
}

/// Every subject that who-can names is confirmed by a review, and no other subject of the world can.
fn who_can_is_right(server: &ApiServer, rbac: &Rbac, dice: &mut Dice) {
    let world = World::new(rbac);
    let everybody: BTreeSet<(String, String, String)> = rbac
        .bindings
        .iter()
        .flat_map(|binding| {
            binding.subjects.iter().map(move |subject| {
                let namespace = match (subject.kind.as_ref(), subject.namespace.is_empty()) {
                    ("ServiceAccount", true) => binding.namespace.clone(),
                    ("ServiceAccount", false) => subject.namespace.clone(),
                    _ => String::new(),
                };
                (subject.kind.to_string(), namespace, subject.name.clone())
            })
        })
        .filter(|(kind, _, name)| !(kind == "Group" && name == "system:nodes"))
        .collect();
    let (mut reviews, mut named) = (0, 0);
    for _ in 0..60 {
        let (_, question) = random::question(dice, rbac);
        let who = who_can(&world, &question, Reach::Question);
        assert!(who.keys().any(|who| who.kind == "Group" && who.name == "system:masters"));
        let as_user = |(kind, namespace, name): &(String, String, String)| match kind.as_str() {
            "Group" => User { groups: vec![name.clone()], ..User::default() },
            "ServiceAccount" => {
                User { username: format!("system:serviceaccount:{namespace}:{name}"), ..User::default() }
            }
            _ => User { username: name.clone(), ..User::default() },
        };
        let answers = server.access_reviews(everybody.iter().map(|subject| spec(&as_user(subject), &question)));
        for (subject, status) in everybody.iter().zip(answers) {
            // A User subject with a service account's name and that service account are one and the same.
            let name = as_user(subject).username;
            let ours = who.keys().any(|who| {
                (who.kind == subject.0 && who.namespace == subject.1 && who.name == subject.2)
                    || (!name.is_empty()
                        && match who.kind.as_str() {
                            "User" => who.name == name,
                            "ServiceAccount" => format!("system:serviceaccount:{}:{}", who.namespace, who.name) == name,
                            _ => false,
                        })
            });
            assert_eq!(ours, status["allowed"] == true, "{subject:?} {question:?}: {status}");
            named += usize::from(ours);
            reviews += 1;
        }
    }
    lab::tell(&format!("who-can: {reviews} reviews, {named} subjects named and confirmed, nobody else able"));
}
