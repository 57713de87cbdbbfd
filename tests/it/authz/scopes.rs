//! What a binding's role, its scope and its other subjects decide, and whom a message is about.

use serde_json::{Value, json};

use super::refusals::{apply, cluster_role, kubectl};
use super::{RBAC, Stage, group, stdout, user};
use crate::support::lab::{self, ApiServer, Options, certificate_user};
use crate::support::run::{Run, doctor, expect_fault, expect_healthy, expect_warning, scratch};

const REVIEWER: [&str; 2] = ["--reviewer-context", "admin"];

/// Binds a ClusterRole, in a namespace or in the whole cluster.
fn bind(server: &ApiServer, namespace: &str, name: &str, role: &str, subjects: &[Value]) {
    let (kind, place) = match namespace {
        "" => ("ClusterRoleBinding", String::new()),
        _ => ("RoleBinding", format!("/namespaces/{namespace}")),
    };
    server.create(
        &format!("{RBAC}{place}/{}s", kind.to_lowercase()),
        &json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": { "name": name },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role }, "subjects": subjects }),
    );
}

fn role(server: &ApiServer, name: &str, rules: &Value) {
    server.create(
        &format!("{RBAC}/clusterroles"),
        &json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": { "name": name }, "rules": rules }),
    );
}

fn asked(error: &str) -> [&str; 4] {
    ["--reviewer-context", "admin", "--error", error]
}

/// Applies the manifest of the finding's first step.
fn mend(server: &ApiServer, run: &Run, code: &str) {
    apply(server, run.finding(code)["fix"][0]["manifest"].as_str().expect("a manifest"));
}

/// Runs a command of a fix as the administrator.
fn run_as_admin(lab: &lab::Lab, server: &ApiServer, fix: &str) {
    let program = format!("{} --kubeconfig {}", lab.kubectl().display(), server.admin_kubeconfig().display());
    let line = fix.replacen("kubectl", &program, 1);
    let output =
        std::process::Command::new("sh").arg("-c").arg(&line).env("HOME", scratch("kubectl")).output().expect("sh");
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    server.settle();
}

#[test]
fn a_name_that_differs_by_its_prefix_is_the_cause_only_where_the_binding_would_help() {
    let Some(lab) = lab::require_apiserver() else { return };
    let server = ApiServer::start(lab, Options::default());
    for namespace in ["dev", "prod"] {
        server.create_namespace(namespace);
    }
    role(&server, "pods", &json!([{ "apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"] }]));
    role(&server, "maps", &json!([{ "apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list"] }]));
    bind(&server, "", "only-prefixed", "pods", &[group("oidc:ops"), group("somebody")]);
    bind(&server, "dev", "maps-in-dev", "maps", &[group("oidc:ops")]);
    bind(&server, "", "both", "maps", &[group("oidc:backend"), group("backend")]);
    server.settle();
    let ops = lab.pki.ca.sign_client("ops-user", "ann", &["ops"]);
    let backend = lab.pki.ca.sign_client("backend-user", "ben", &["backend"]);
    let users = [("own", certificate_user(&ops)), ("ben", certificate_user(&backend)), ("admin", server.admin_user())];
    let config = server.kubeconfig("prefixes", &users);
    let get = |context: &str, path: &str| kubectl(lab, &config, &["--context", context, "get", "--raw", path], "");

    // The role of the binding does not hold what is asked, or does in another namespace.
    for (name, path) in [
        ("rbac-no-grant-prefix", "/api/v1/namespaces/prod/secrets"),
        ("rbac-no-grant-prefix-elsewhere", "/api/v1/namespaces/prod/configmaps"),
    ] {
        let (code, error) = get("own", path);
        assert_eq!(code, 1);
        let run = doctor(&config, &asked(&error));
        expect_fault(name, &run, &["rbac-no-grant"]);
        assert_eq!(run.codes(), ["rbac-no-grant"], "{}", run.stdout);
        mend(&server, &run, "rbac-no-grant");
        assert_eq!(get("own", path).0, 0, "{path}");
    }
    // The binding has the name as it is, beside the other one: it reaches her, and its role does not hold it.
    let (_, error) = get("ben", "/api/v1/nodes");
    let mut arguments = asked(&error).to_vec();
    arguments.extend(["--context", "ben"]);
    let run = doctor(&config, &arguments);
    expect_fault("rbac-no-grant-both-spellings", &run, &["rbac-no-grant"]);
    assert_eq!(run.codes(), ["rbac-no-grant"], "{}", run.stdout);

    // Here it would help: the name is added, and nobody loses anything.
    let pods = "/api/v1/namespaces/dev/pods";
    let (_, error) = get("own", pods);
    let run = doctor(&config, &asked(&error));
    expect_fault("name-prefix-mismatch-asked", &run, &["name-prefix-mismatch", "rbac-no-grant"]);
    assert_eq!(run.findings()[0]["confidence"], "likely", "another issuer may have that name: {}", run.stdout);
    let steps: Vec<String> = run.findings()[0]["fix"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|step| step["command"].as_str().map(str::to_owned))
        .collect();
    run_as_admin(lab, &server, &steps[0]);
    assert_eq!(get("own", pods).0, 0);
    let names = || -> Vec<Value> {
        let (_, binding) = server.api("GET", &format!("{RBAC}/clusterrolebindings/only-prefixed"), None);
        binding["subjects"].as_array().into_iter().flatten().map(|subject| subject["name"].clone()).collect()
    };
    assert_eq!(names(), ["oidc:ops", "somebody", "ops"]);
    run_as_admin(lab, &server, &steps[1]);
    assert_eq!(names(), ["somebody", "ops"]);
    let run = doctor(&config, &asked(&error));
    assert_eq!(run.codes(), Vec::<String>::new(), "{}", run.stdout);
}

#[test]
fn rights_in_another_namespace_are_rights() {
    let Some(lab) = lab::require_apiserver() else { return };
    let server = ApiServer::start(lab, Options::default());
    server.create_namespace("prod");
    bind(&server, "prod", "crew-runs-prod", "cluster-admin", &[group("crew")]);
    let idle = server.create_service_account_token("shop", "idle");
    server.settle();
    let carla = lab.pki.ca.sign_client("carla", "carla", &["crew"]);
    let users = [("own", certificate_user(&carla)), ("idle", json!({ "token": idle })), ("admin", server.admin_user())];
    let config = server.kubeconfig("elsewhere", &users);
    let run = doctor(&config, &REVIEWER);
    expect_warning("rbac-no-grant-elsewhere", &run, &["rbac-no-grant"]);
    let title = run.findings()[0]["title"].as_str().unwrap_or_default();
    assert_eq!(title, "Nothing is granted in namespace default, but in prod");
    // Where the bindings cannot be read, other namespaces are unknown.
    let run = doctor(&config, &[]);
    expect_warning("rbac-no-grant-unread", &run, &["rbac-no-grant"]);
    assert_eq!(run.findings()[0]["confidence"], "likely", "{}", run.stdout);
    expect_healthy("rbac-granted-here", &doctor(&config, &["-n", "prod"]));

    // A service account without any grant: the default one of its kind is none.
    let run = doctor(&config, &["--context", "idle", "--reviewer-context", "admin"]);
    expect_fault("rbac-no-grant-service-account", &run, &["rbac-no-grant"]);
    assert_eq!(run.findings()[0]["confidence"], "certain", "{}", run.stdout);
    mend(&server, &run, "rbac-no-grant");
    // The built-in view collects its rules, and the lab has nobody who fills it.
    role(&server, "pods", &json!([{ "apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"] }]));
    let account = json!({ "kind": "ServiceAccount", "name": "idle", "namespace": "shop" });
    bind(&server, "default", "idle-pods", "pods", &[account]);
    server.settle();
    let run = doctor(&config, &["--context", "idle", "--reviewer-context", "admin"]);
    expect_healthy("rbac-granted-service-account", &run);
}

#[test]
fn a_healthy_kubelet_needs_no_binding() {
    let Some(lab) = lab::require_apiserver() else { return };
    let server = ApiServer::start(lab, Options::default());
    server.create("/api/v1/nodes", &json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": "n1" } }));
    server.settle();
    let node = lab.pki.ca.sign_client("n1", "system:node:n1", &["system:nodes"]);
    let config = server.kubeconfig("kubelet", &[("own", certificate_user(&node)), ("admin", server.admin_user())]);
    assert_eq!(kubectl(lab, &config, &["get", "--raw", "/api/v1/nodes/n1"], "").0, 0);
    expect_healthy("node-authorized", &doctor(&config, &REVIEWER));
    expect_healthy("node-authorized-bare", &doctor(&config, &[]));
    // What only a binding could give is not given to a kubelet.
    let (_, error) = kubectl(lab, &config, &["get", "--raw", "/apis/apps/v1/deployments"], "");
    let run = doctor(&config, &asked(&error));
    assert_eq!(run.codes().first().map(String::as_str), Some("rbac-no-grant"), "{}", run.stdout);
    assert!(!run.findings()[0]["fix"].to_string().contains("roleRef"), "{}", run.stdout);
}

#[test]
fn the_grant_offered_is_the_one_that_was_asked_for() {
    let Some(lab) = lab::require_apiserver() else { return };
    let server = ApiServer::start(lab, Options::default());
    server.create_namespace("dev");
    let gina = lab.pki.ca.sign_client("gina", "gina", &["first-group", "second-group"]);
    let config = server.kubeconfig("gina", &[("own", certificate_user(&gina)), ("admin", server.admin_user())]);
    let questions: [(&[&str], &str); 5] = [
        (&["get", "nodes"], ""),
        (&["get", "secrets", "-n", "dev"], ""),
        (
            &["create", "--raw", "/api/v1/namespaces/dev/configmaps", "-f", "-"],
            r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"one"}}"#,
        ),
        (&["get", "--raw", "/metrics"], ""),
        (&["create", "--raw", "/api/v1/namespaces/dev/pods/web/eviction", "-f", "-"], "{}"),
    ];
    for (words, input) in questions {
        let (code, error) = kubectl(lab, &config, words, input);
        assert_eq!(code, 1, "{words:?}");
        let run = doctor(&config, &asked(&error));
        assert_eq!(run.codes(), ["rbac-no-grant"], "{words:?}: {}", run.stdout);
        let manifest = run.findings()[0]["fix"][0]["manifest"].as_str().expect("a manifest");
        assert!(manifest.contains("kind: User\n  name: gina") && !manifest.contains("name: view\n"), "{manifest}");
        assert!(run.findings()[0]["fix"][1]["text"].as_str().is_some_and(|text| text.contains("first-group")));
        apply(&server, manifest);
        let (_, now) = kubectl(lab, &config, words, input);
        assert!(!now.contains("cannot"), "{words:?}: {now}");
    }
}

#[test]
fn subresources_and_aggregated_roles_are_named_the_right_way_round() {
    let Some(lab) = lab::require_apiserver() else { return };
    let server = ApiServer::start(lab, Options::default());
    server.create_namespace("dev");
    let rules = json!([{ "apiGroups": [""], "resources": ["pods/exec", "pods/ephemeralcontainers"], "verbs": ["get", "patch"] }]);
    role(&server, "debugger", &rules);
    bind(&server, "dev", "debugger", "debugger", &[user("hal")]);
    // One collects what has a label; without a controller-manager nobody fills it.
    server.create(
        &format!("{RBAC}/clusterroles"),
        &json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": { "name": "collector" }, "rules": [],
            "aggregationRule": { "clusterRoleSelectors": [{ "matchLabels": { "into": "collector" } }] } }),
    );
    server.create(
        &format!("{RBAC}/clusterroles"),
        &json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
            "metadata": { "name": "collected", "labels": { "into": "collector" } },
            "rules": [{ "apiGroups": [""], "resources": ["services"], "verbs": ["list"] }] }),
    );
    bind(&server, "dev", "collector", "collector", &[user("hal")]);
    server.settle();
    let hal = lab.pki.ca.sign_client("hal", "hal", &["team"]);
    let config = server.kubeconfig("hal", &[("own", certificate_user(&hal)), ("admin", server.admin_user())]);
    let get = |path: &str| kubectl(lab, &config, &["get", "--raw", path], "");

    let (_, error) = get("/api/v1/namespaces/dev/pods/nopod");
    let run = doctor(&config, &asked(&error));
    expect_fault("rbac-subresource-alone", &run, &["rbac-subresource-not-granted", "rbac-no-grant"]);
    assert_eq!(run.findings()[0]["title"], "A subresource is granted, the resource itself is not", "{}", run.stdout);
    assert!(!run.codes().contains(&"aggregated-role-not-filled".to_owned()), "{}", run.stdout);
    mend(&server, &run, "rbac-subresource-not-granted");
    assert!(!get("/api/v1/namespaces/dev/pods/nopod").1.contains("cannot"));

    // What the roles it collects do not hold either is no fault of its.
    let (_, error) = get("/api/v1/namespaces/dev/secrets");
    let run = doctor(&config, &asked(&error));
    assert_eq!(run.codes(), ["rbac-no-grant"], "{}", run.stdout);
    let (_, error) = get("/api/v1/namespaces/dev/services");
    let run = doctor(&config, &asked(&error));
    expect_fault("aggregated-role-not-filled-beside", &run, &["aggregated-role-not-filled", "rbac-no-grant"]);
    let text = run.findings()[0]["why"].as_str().unwrap_or_default();
    assert!(text.contains("\"collected\""), "{text}");
    // can-i reads the same from the lists in protobuf.
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_kaccess"))
        .args(["can-i", "list", "services", "-n", "dev", "--as", "hal", "--why", "-o", "json", "--context", "admin"])
        .arg("--kubeconfig")
        .arg(&config)
        .output()
        .expect("kaccess runs");
    let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let kinds: Vec<&Value> = answer["nearMisses"].as_array().into_iter().flatten().map(|miss| &miss["kind"]).collect();
    assert!(kinds.contains(&&json!("aggregated-role-empty")), "{answer}");
}

#[test]
fn a_message_about_somebody_else_is_not_judged_by_ones_own_rights() {
    let Some(lab) = lab::require_apiserver() else { return };
    let server = ApiServer::start(lab, Options::default());
    for namespace in ["ci", "prod"] {
        server.create_namespace(namespace);
    }
    let runner = server.create_service_account_token("ci", "runner");
    let rules = json!([{ "apiGroups": [""], "resources": ["secrets"], "verbs": ["create", "list"] }]);
    cluster_role(&server, "alice-secrets", rules.clone(), user("alice"));
    server.settle();
    let alice = lab.pki.ca.sign_client("alice-else", "alice", &["team"]);
    let users =
        [("own", certificate_user(&alice)), ("runner", json!({ "token": runner })), ("admin", server.admin_user())];
    let config = server.kubeconfig("else", &users);
    let path = "/api/v1/namespaces/prod/secrets";
    let get = || kubectl(lab, &config, &["--context", "runner", "get", "--raw", path], "");
    let (_, error) = get();
    assert!(error.contains("system:serviceaccount:ci:runner"), "{error}");

    // Without the right to read RBAC nothing is known of it, and that is said.
    let run = doctor(&config, &["--error", &error]);
    expect_fault("rbac-no-grant-somebody-else-unread", &run, &["rbac-no-grant"]);
    assert_eq!(run.findings()[0]["confidence"], "possible", "{}", run.stdout);
    let why = run.findings()[0]["why"].as_str().unwrap_or_default();
    assert!(why.contains("system:serviceaccount:ci:runner") && why.contains("you are \"alice\""), "{why}");
    // With it, the named one is judged, and its grant mends it.
    let run = doctor(&config, &asked(&error));
    expect_fault("rbac-no-grant-somebody-else", &run, &["rbac-no-grant"]);
    assert_eq!(run.findings()[0]["confidence"], "likely", "{}", run.stdout);
    assert!(run.stdout.contains("and you are \\\"alice\\\""), "{}", run.stdout);
    mend(&server, &run, "rbac-no-grant");
    assert_eq!(get().0, 0);
    let run = doctor(&config, &asked(&error));
    assert_eq!(run.codes(), Vec::<String>::new(), "{}", run.stdout);
    assert!(run.report["notChecked"].to_string().contains("message-user"), "{}", run.stdout);
    // A person's groups are in no message.
    let mallory = error.replace("system:serviceaccount:ci:runner", "mallory");
    let run = doctor(&config, &asked(&mallory));
    expect_fault("rbac-no-grant-somebody-else-person", &run, &["rbac-no-grant"]);
    assert_eq!(run.findings()[0]["confidence"], "possible", "{}", run.stdout);
    // The twin: the message is about oneself, and the right is there.
    let own = error.replace("system:serviceaccount:ci:runner", "alice");
    let run = doctor(&config, &asked(&own));
    assert_eq!(run.codes(), Vec::<String>::new(), "{}", run.stdout);
}

#[test]
fn a_refusal_in_protobuf_is_told_in_words() {
    let Some(lab) = lab::require_apiserver() else { return };
    let stage = Stage::start(lab);
    let file = scratch("questions").join("questions");
    std::fs::write(&file, "{\"verb\":\"get\",\"resource\":\"pods\",\"user\":\"a\",\"groups\":[\"b\"]}\n")
        .expect("a file");
    let file = file.to_string_lossy().into_owned();
    for words in [
        &["can-i", "list", "pods", "--as-group", "backend"][..],
        &["can-i", "-f", &file],
        &["can-i", "list", "pods", "--as-group", "backend", "--method", "computed"],
        &["can-i", "list", "pods", "--why"],
        &["who-can", "list", "pods"],
    ] {
        let output = stage.run("nobody", words);
        let text = format!("{}{}", stdout(&output), String::from_utf8_lossy(&output.stderr));
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{words:?}: {text:?}");
        assert!(
            !text.contains("k8s\n") && !text.contains("v1Status") && !text.contains("no text"),
            "{words:?}: {text:?}"
        );
        if !words.contains(&"--why") {
            assert!(text.contains("cannot list resource \"clusterrolebindings\""), "{words:?}: {text:?}");
        }
    }
}
