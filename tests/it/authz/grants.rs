//! Who may give rights away, and who may act as whom: the model's words against the server's.

use kaccess::apiserver::authz::escalation::{self, Write};
use kaccess::apiserver::authz::{World, impersonation};
use kaccess::collect::rbac::lists;
use kaccess::evidence::access::Question;
use kaccess::evidence::identity::User;
use kaccess::evidence::rbac::{Binding, Rbac};
use serde_json::{Value, json};

use super::random::{Dice, NAMESPACES};
use super::{RBAC, fidelity, user};
use crate::support::lab::{self, ApiServer, Options};

/// Rules of a role that somebody would like to write.
fn wish(dice: &mut Dice, index: usize) -> Value {
    let verbs = ["get", "list", "watch", "create", "*"];
    let resources = ["pods", "pods/log", "deployments", "*/scale", "deployments/scale", "*", "secrets"];
    let mut rule = json!({ "apiGroups": [dice.pick(&["", "apps", "*"])], "resources": [dice.pick(&resources), dice.pick(&resources)],
        "verbs": [dice.pick(&verbs), dice.pick(&verbs)] });
    if dice.chance(30) {
        rule["resourceNames"] = json!([dice.pick(&["web", "db"])]);
    }
    let mut rules = vec![rule];
    if dice.chance(30) {
        rules.push(json!({ "nonResourceURLs": [dice.pick(&["/metrics", "/logs/*", "*"])], "verbs": ["get"] }));
    }
    json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": { "name": format!("wish-{index}") }, "rules": rules })
}

fn message(server: &ApiServer, path: &str, body: &Value, headers: &[(&str, &str)]) -> (u16, String) {
    let (status, answer) = server.api_as(headers, "POST", path, body);
    (status, answer["message"].as_str().unwrap_or_default().to_owned())
}

#[test]
fn escalation_and_impersonation_are_refused_in_the_servers_words() {
    let Some(lab) = lab::require_apiserver() else { return };
    let server = ApiServer::start(lab, Options::default().without_audit());
    for namespace in NAMESPACES {
        server.create_namespace(namespace);
    }
    let rules = json!([
        { "apiGroups": [""], "resources": ["pods", "pods/log"], "verbs": ["get", "list"] },
        { "apiGroups": ["apps"], "resources": ["*/scale"], "verbs": ["*"] },
        { "apiGroups": [""], "resources": ["secrets"], "resourceNames": ["web"], "verbs": ["*"] },
        { "apiGroups": ["*"], "resources": ["deployments"], "verbs": ["get", "watch"] },
        { "apiGroups": ["rbac.authorization.k8s.io"], "resources": ["clusterroles", "rolebindings"], "verbs": ["create"] },
        { "apiGroups": ["rbac.authorization.k8s.io"], "resources": ["clusterroles"], "resourceNames": ["bindable"], "verbs": ["bind"] },
        { "apiGroups": [""], "resources": ["users"], "resourceNames": ["bob"], "verbs": ["impersonate"] },
        { "apiGroups": [""], "resources": ["groups"], "resourceNames": ["dev", "a"], "verbs": ["impersonate"] },
        { "apiGroups": [""], "resources": ["serviceaccounts"], "resourceNames": ["builder"], "verbs": ["impersonate"] },
        { "apiGroups": ["authentication.k8s.io"], "resources": ["users"], "resourceNames": ["carol"], "verbs": ["impersonate:user-info"] },
        { "apiGroups": [""], "resources": ["pods"], "verbs": ["impersonate-on:user-info:list"] },
    ]);
    let paths = json!([{ "nonResourceURLs": ["/metrics", "/logs/*"], "verbs": ["get"] }]);
    let role = |name: &str, rules: &Value| json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": { "name": name }, "rules": rules });
    let bind = |name: &str, role: &str, subject: Value| {
        json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": { "name": name },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role }, "subjects": [subject] })
    };
    server.create(&format!("{RBAC}/clusterroles"), &role("held", &rules));
    server.create(&format!("{RBAC}/clusterroles"), &role("held-paths", &paths));
    server.create(
        &format!("{RBAC}/clusterroles"),
        &role("bindable", &json!([{ "apiGroups": ["*"], "resources": ["*"], "verbs": ["*"] }])),
    );
    server.create(&format!("{RBAC}/clusterrolebindings"), &bind("held", "held", user("alice")));
    server.create(&format!("{RBAC}/clusterrolebindings"), &bind("held-paths", "held-paths", user("alice")));
    server.create(&format!("{RBAC}/clusterrolebindings"), &bind("dangling", "gone", user("alice")));
    fidelity::wait_settled(&server);
    let rbac: Rbac = fidelity::read(&server);
    let world = World::new(&rbac);
    let alice =
        User { username: "alice".to_owned(), groups: vec!["system:authenticated".to_owned()], ..User::default() };
    let as_alice = [("Impersonate-User", "alice")];

    let mut dice = Dice::new(10);
    let (mut refused, mut granted) = (0, 0);
    for index in 0..150 {
        let object = wish(&mut dice, index);
        let list = json!({ "items": [object] }).to_string();
        let wanted = lists::read("ClusterRole", &bytes::Bytes::from(list)).expect("a list").roles.remove(0);
        let ours = escalation::may_write_role(&world, &alice, &wanted, Write::Create);
        let (status, text) = message(&server, &format!("{RBAC}/clusterroles?dryRun=All"), &object, &as_alice);
        match ours {
            Ok(()) => assert_eq!(status, 201, "{object}: {text}"),
            Err(tail) => {
                let expected = format!("clusterroles.rbac.authorization.k8s.io {:?} is forbidden: {tail}", wanted.name);
                assert_eq!((status, text), (403, expected), "{object}");
            }
        }
        if status == 201 { granted += 1 } else { refused += 1 }
    }
    for name in ["held", "bindable", "cluster-admin", "gone", "view"] {
        let object = json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": { "name": "wish" },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name }, "subjects": [user("x")] });
        let binding = Binding {
            kind: "RoleBinding".into(),
            namespace: "dev".to_owned(),
            name: "wish".to_owned(),
            role_kind: "ClusterRole".into(),
            role_name: name.to_owned(),
            subjects: Vec::new(),
        };
        let ours = escalation::may_write_binding(&world, &alice, &binding);
        let (status, text) =
            message(&server, &format!("{RBAC}/namespaces/dev/rolebindings?dryRun=All"), &object, &as_alice);
        match ours {
            Ok(()) => assert_eq!(status, 201, "{name}: {text}"),
            Err(tail) => assert!(text.ends_with(&tail) && status >= 403, "{name}: {text}\n{tail}"),
        }
    }

    // Impersonation: alice (by her own token, a service account would be another) asks as others.
    let token = server.create_service_account_token("dev", "alice");
    let account = json!({ "kind": "ServiceAccount", "name": "alice", "namespace": "dev" });
    server.create(&format!("{RBAC}/clusterrolebindings"), &bind("account", "held", account));
    server.settle();
    let rbac = fidelity::read(&server);
    let world = World::new(&rbac);
    let requester = User {
        username: "system:serviceaccount:dev:alice".to_owned(),
        groups: ["system:serviceaccounts", "system:serviceaccounts:dev", "system:authenticated"]
            .map(str::to_owned)
            .to_vec(),
        ..User::default()
    };
    let request = Question {
        verb: "list".to_owned(),
        resource: "pods".to_owned(),
        namespace: "dev".to_owned(),
        ..Question::default()
    };
    let mut attempts = 0;
    // The ones by the old right come last: the server tries the mode that worked last first.
    for (name, groups, uid) in [
        ("eve", &[][..], ""),
        ("eve", &["dev"], ""),
        ("carol", &["dev"], ""),
        ("carol", &["", "dev"], ""),
        ("carol", &["system:masters"], ""),
        ("system:serviceaccount:ci:other", &[], ""),
        ("system:node:n1", &[], ""),
        ("system:anonymous", &[], ""),
        ("carol", &["a", "b", "c", "d"], ""),
        ("carol", &[], "42"),
        ("carol", &[], ""),
        ("bob", &[], ""),
        ("bob", &["dev", "a"], ""),
        ("system:serviceaccount:ci:builder", &[], ""),
    ] {
        let wanted = User {
            username: name.to_owned(),
            uid: uid.to_owned(),
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
            ..User::default()
        };
        let mut headers = vec![("Impersonate-User", name)];
        headers.extend(groups.iter().map(|group| ("Impersonate-Group", *group)));
        if !uid.is_empty() {
            headers.push(("Impersonate-Uid", uid));
        }
        let authorization = format!("Bearer {token}");
        headers.push(("Authorization", &authorization));
        let (status, answer) = server.anonymous_with(&headers, "GET", "/api/v1/namespaces/dev/pods");
        let text = answer["message"].as_str().unwrap_or_default();
        match impersonation::impersonate(&world, &requester, &wanted, &request, true) {
            // Then the request itself is judged, as the other.
            Ok(become_) => {
                let expected = world.decide(&become_.user, &request);
                assert_eq!(status == 200, expected.allowed, "{name} {groups:?}: {text}");
                if status != 200 {
                    assert_eq!(text, impersonation::forbidden(&become_.user, &request, &expected.reason));
                }
            }
            Err(expected) => assert_eq!((status, text), (403, expected.as_str()), "{name} {groups:?}"),
        }
        attempts += 1;
    }
    lab::tell(&format!(
        "escalation: {refused} refused and {granted} granted in the same words; {attempts} impersonations likewise"
    ));
}
