//! Questions that other tools answer wrongly, each against the server's own word.

use serde_json::{Value, json};

use super::{Stage, group, user};
use crate::support::lab;

fn subjects(answer: &Value) -> Vec<String> {
    answer["subjects"]
        .as_array()
        .expect("subjects")
        .iter()
        .map(|subject| format!("{} {}", subject["kind"].as_str().unwrap_or(""), subject["name"].as_str().unwrap_or("")))
        .collect()
}

/// What the server says for a user and groups.
fn allowed(stage: &Stage, user: &str, groups: &[&str], attributes: Value) -> bool {
    let mut spec = json!({ "user": user, "groups": groups });
    spec.as_object_mut().expect("an object").extend(attributes.as_object().expect("an object").clone());
    stage.server.access_reviews([spec])[0]["allowed"] == true
}

#[test]
fn known_wrong_answers_are_right_here() {
    let Some(lab) = lab::require_apiserver() else { return };
    let stage = Stage::start(lab);
    let rule = |group: &str, resource: &str, verb: &str| json!([{ "apiGroups": [group], "resources": [resource], "verbs": [verb] }]);
    for (name, rules) in [
        ("metrics-pods", rule("metrics.k8s.io", "pods", "get")),
        ("any-scale", rule("apps", "*/scale", "get")),
        ("execs", rule("", "pods/exec", "create")),
        ("health", json!([{ "nonResourceURLs": ["/healthz/*"], "verbs": ["get"] }])),
    ] {
        stage.role("", name, rules);
    }
    stage.bind("", "a", ("ClusterRole", "metrics-pods"), user("metrics-only"));
    stage.bind("", "b", ("ClusterRole", "any-scale"), user("scaler"));
    stage.bind("", "c", ("ClusterRole", "health"), user("prober"));
    stage.bind("prod", "d", ("ClusterRole", "execs"), user("in-prod-only"));
    stage.bind("dev", "e", ("ClusterRole", "execs"), group("system:bootstrappers:team"));
    stage.server.settle();

    // A rule of another API group is no grant (rakkess for RES).
    let (code, answer) = stage.json("admin", &["who-can", "get", "pods", "-A"]);
    assert_eq!(code, 0);
    assert!(!subjects(&answer).contains(&"User metrics-only".to_owned()), "{answer}");
    let core = json!({ "resourceAttributes": { "verb": "get", "resource": "pods" } });
    assert!(!allowed(&stage, "metrics-only", &[], core));

    // RoleBindings count under -A (kubectl-who-can skips them), pods/exec is a subresource (rbac-tool takes it for a
    // name), a RoleBinding of another namespace does not count under -n.
    let (_, everywhere) = stage.json("admin", &["who-can", "create", "pods/exec", "-A"]);
    let found = subjects(&everywhere);
    assert!(
        found.contains(&"User in-prod-only".to_owned())
            && found.contains(&"Group system:bootstrappers:team".to_owned())
    );
    let (_, in_dev) = stage.json("admin", &["who-can", "create", "pods/exec", "-n", "dev"]);
    assert!(!subjects(&in_dev).contains(&"User in-prod-only".to_owned()), "{in_dev}");
    let exec = |namespace: &str| json!({ "resourceAttributes": { "verb": "create", "resource": "pods", "subresource": "exec", "namespace": namespace } });
    assert!(allowed(&stage, "in-prod-only", &[], exec("prod")) && !allowed(&stage, "in-prod-only", &[], exec("dev")));

    // Suffix globs of paths and */scale (kubectl-who-can, rbac-tool).
    let (_, answer) = stage.json("admin", &["who-can", "get", "/healthz/etcd"]);
    assert!(subjects(&answer).contains(&"User prober".to_owned()), "{answer}");
    assert!(allowed(
        &stage,
        "prober",
        &[],
        json!({ "nonResourceAttributes": { "verb": "get", "path": "/healthz/etcd" } })
    ));
    let (_, answer) = stage.json("admin", &["who-can", "get", "deployments/scale"]);
    assert!(subjects(&answer).contains(&"User scaler".to_owned()), "{answer}");

    // system:masters is named (kubectl-who-can), and --as of a system: name is a user, not a group (rbac-why-can-i).
    assert!(subjects(&answer).contains(&"Group system:masters".to_owned()), "{answer}");
    let (code, answer) =
        stage.json("admin", &["can-i", "create", "pods/exec", "-n", "dev", "--as", "system:bootstrappers:team"]);
    assert_eq!((code, &answer["allowed"]), (1, &json!(false)), "{answer}");
    let (code, _) =
        stage.json("admin", &["can-i", "create", "pods/exec", "-n", "dev", "--as-group", "system:bootstrappers:team"]);
    assert_eq!(code, 0);

    // Subresources have rows in the matrix (rakkess has none), a denied list does not end as success (rakkess), and an
    // error is not a no (whoami-enhanced).
    let (_, matrix) = stage.json("dev", &["can-i", "--matrix", "--namespaces", "dev", "--verbs", "get,create"]);
    let row = |resource: &str, subresource: Option<&str>| {
        matrix["rows"]
            .as_array()
            .expect("rows")
            .iter()
            .find(|row| row["resource"] == resource && row.get("subresource").and_then(Value::as_str) == subresource)
            .unwrap_or_else(|| panic!("no {resource} {subresource:?}"))["allowed"]
            .clone()
    };
    assert_eq!(row("pods", Some("log")), json!({ "get": true, "create": false }));
    assert_eq!(row("pods", Some("exec")), json!({ "get": false, "create": false }));
    assert_eq!(row("widgets", None), json!({ "get": true, "create": false }));
    // A RoleBinding that names a cluster-scoped type grants nothing.
    assert_eq!(row("persistentvolumes", None), json!({ "get": false, "create": false }));
    assert_eq!(row("nodes", None), json!({ "get": true, "create": false }));
    let output = stage.run("nobody", &["who-can", "get", "pods", "-n", "dev"]);
    assert_eq!(output.status.code(), Some(2));
    let output = stage.run("admin", &["can-i", "get", "pods", "--server", "https://127.0.0.1:1"]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));
}
