//! Refusals that are not a plain missing grant, each made for real with kubectl or the API, and mended by its fix.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use super::{RBAC, group, user};
use crate::support::lab::process::wait_for;
use crate::support::lab::{self, ApiServer, Lab, Options, Release, certificate_user};
use crate::support::run::{Run, doctor, expect_fault, expect_warning, scratch};

/// How long a part of the server may take to learn of something on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs the lab's kubectl; its exit code and what it said on stderr.
pub fn kubectl(lab: &Lab, config: &Path, arguments: &[&str], input: &str) -> (i32, String) {
    let mut child = Command::new(lab.kubectl())
        .args(arguments)
        .arg("--kubeconfig")
        .arg(config)
        .env("HOME", scratch("kubectl"))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("kubectl runs");
    let mut stdin = child.stdin.take().expect("stdin");
    // kubectl may end before it reads.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = child.wait_with_output().expect("kubectl ends");
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&output.stderr).trim().to_owned())
}

/// The first manifest among the steps of a finding.
fn manifest(run: &Run, code: &str) -> String {
    let steps = run.finding(code)["fix"].as_array().cloned().unwrap_or_default();
    steps.iter().find_map(|step| step["manifest"].as_str()).expect("a manifest").to_owned()
}

pub fn apply(server: &ApiServer, manifest: &str) {
    for text in manifest.split("---\n") {
        let object: Value = serde_norway::from_str(text).expect("YAML");
        let kind = object["kind"].as_str().expect("a kind").to_lowercase();
        let place = object.pointer("/metadata/namespace").and_then(Value::as_str);
        let place = place.map(|name| format!("/namespaces/{name}")).unwrap_or_default();
        server.create(&format!("{RBAC}{place}/{kind}s"), &object);
    }
    server.settle();
}

pub fn cluster_role(server: &ApiServer, name: &str, rules: Value, subject: Value) {
    let rbac = |kind: &str| json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": { "name": name } });
    let mut role = rbac("ClusterRole");
    role["rules"] = rules;
    server.create(&format!("{RBAC}/clusterroles"), &role);
    bind(server, name, name, subject);
}

fn bind(server: &ApiServer, name: &str, role: &str, subject: Value) {
    server.create(
        &format!("{RBAC}/clusterrolebindings"),
        &json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": { "name": name },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role }, "subjects": [subject] }),
    );
}

fn forbidden(text: &str) -> &str {
    assert!(text.contains("orbidden"), "{text}");
    text
}

#[test]
fn giving_away_more_than_one_has() {
    let Some(lab) = lab::require_apiserver() else { return };
    let server = ApiServer::start(lab, Options::default());
    let rules = json!([{ "apiGroups": ["rbac.authorization.k8s.io"], "resources": ["clusterroles", "clusterrolebindings"], "verbs": ["get", "list", "create"] }]);
    cluster_role(&server, "rbac-writer", rules, user("gitops"));
    server.settle();
    let identity = lab.pki.ca.sign_client("gitops", "gitops", &["platform"]);
    let config = server.kubeconfig("gitops", &[("own", certificate_user(&identity)), ("admin", server.admin_user())]);
    let create = ["create", "clusterrole", "secret-reader", "--verb=get,list", "--resource=secrets,deployments.apps"];
    let (_, error) = kubectl(lab, &config, &create, "");
    let run = doctor(&config, &["--reviewer-context", "admin", "--error", forbidden(&error)]);
    expect_fault("rbac-escalation", &run, &["rbac-escalation"]);
    apply(&server, &manifest(&run, "rbac-escalation"));
    assert_eq!(kubectl(lab, &config, &create, ""), (0, String::new()));
    let (code, error) = kubectl(
        lab,
        &config,
        &["create", "clusterrolebinding", "all", "--clusterrole=cluster-admin", "--user=gitops"],
        "",
    );
    assert_eq!(code, 1);
    let run = doctor(&config, &["--reviewer-context", "admin", "--error", forbidden(&error)]);
    expect_fault("rbac-escalation-binding", &run, &["rbac-escalation"]);
}

#[test]
fn one_message_with_two_refusals_is_mended_when_both_are() {
    let Some(lab) = lab::require_apiserver() else { return };
    let server = ApiServer::start(lab, Options::default());
    let identity = lab.pki.ca.sign_client("two", "two", &["team"]);
    let config = server.kubeconfig("two", &[("own", certificate_user(&identity)), ("admin", server.admin_user())]);
    let (code, error) = kubectl(lab, &config, &["get", "pods,services"], "");
    assert_eq!((code, error.matches("is forbidden: User").count()), (1, 2), "{error}");
    let arguments = ["--reviewer-context", "admin", "--error", &error];
    let refused = |run: &Run, resource: &str, other: bool| {
        assert_eq!(run.code, 1, "{}", run.stdout);
        let finding = run.finding("rbac-no-grant");
        let text = |name: &str| finding[name].as_str().unwrap_or_default().to_owned();
        assert!(text("title").contains(&format!("list {resource}")), "{}", run.stdout);
        assert_eq!(text("why").contains("more that is still refused"), other, "{}", run.stdout);
    };
    refused(&doctor(&config, &arguments), "pods", true);
    let rules = |resource: &str| json!([{ "apiGroups": [""], "resources": [resource], "verbs": ["list"] }]);
    cluster_role(&server, "two-pods", rules("pods"), user("two"));
    server.settle();
    refused(&doctor(&config, &arguments), "services", false);
    cluster_role(&server, "two-services", rules("services"), user("two"));
    server.settle();
    let run = doctor(&config, &arguments);
    assert_eq!((run.code, run.codes()), (0, Vec::new()), "{}", run.stdout);
    assert_eq!(run.report["message"]["now"], "It does not happen now", "{}", run.stdout);
}

#[test]
fn a_refusal_in_a_namespace_that_is_not_there() {
    let Some(lab) = lab::require_apiserver() else { return };
    let server = ApiServer::start(lab, Options::default());
    let identity = lab.pki.ca.sign_client("nowhere", "nowhere", &["team"]);
    let config = server.kubeconfig("nowhere", &[("own", certificate_user(&identity)), ("admin", server.admin_user())]);
    let (_, error) = kubectl(lab, &config, &["get", "pods", "-n", "nosuch"], "");
    let arguments = ["--reviewer-context", "admin", "--error", forbidden(&error)];
    let run = doctor(&config, &arguments);
    assert_eq!(run.codes().first().map(String::as_str), Some("namespace-not-found"), "{}", run.stdout);
    server.create_namespace("nosuch");
    let run = doctor(&config, &arguments);
    assert_eq!(run.codes().first().map(String::as_str), Some("rbac-no-grant"), "{}", run.stdout);
}

#[test]
fn acting_as_somebody_without_the_right() {
    let Some(lab) = lab::require_apiserver() else { return };
    let server = ApiServer::start(lab, Options::default());
    for name in ["helper", "bob"] {
        let rules = json!([{ "apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"] }]);
        cluster_role(&server, &format!("{name}-pods"), rules, user(name));
    }
    server.settle();
    let identity = lab.pki.ca.sign_client("helper", "helper", &["support"]);
    let mut acting = certificate_user(&identity);
    acting["as"] = json!("bob");
    acting["as-groups"] = json!(["team"]);
    let users = [("own", acting), ("plain", certificate_user(&identity)), ("admin", server.admin_user())];
    let config = server.kubeconfig("acting", &users);
    let pods = ["get", "--raw", "/api/v1/namespaces/default/pods"];
    let (_, error) = kubectl(lab, &config, &pods, "");
    let arguments = ["--reviewer-context", "admin", "--error", forbidden(&error)];
    let run = doctor(&config, &arguments);
    expect_fault("impersonation-denied", &run, &["impersonation-denied"]);
    let plain = doctor(&config, &["--context", "plain", "--reviewer-context", "admin", "--error", &error]);
    expect_fault("impersonation-denied-asked", &plain, &["impersonation-denied"]);
    apply(&server, &manifest(&run, "impersonation-denied"));
    assert_eq!(kubectl(lab, &config, &pods, "").0, 0);
    let run = doctor(&config, &arguments);
    assert!(!run.codes().contains(&"impersonation-denied".to_owned()), "{}", run.stdout);
    // A service account is asked for as such, whether the message names it or only the mode.
    let account = json!({ "kind": "ServiceAccount", "name": "builder", "namespace": "dev" });
    let rules = json!([{ "apiGroups": [""], "resources": ["pods"], "verbs": ["list"] }]);
    cluster_role(&server, "builder-pods", rules, account);
    server.settle();
    let mut builds = vec!["--context", "plain", "--as", "system:serviceaccount:dev:builder"];
    builds.extend(pods);
    let (code, error) = kubectl(lab, &config, &builds, "");
    assert_eq!(code, 1);
    let arguments = ["--context", "plain", "--reviewer-context", "admin", "--error", forbidden(&error)];
    // It is granted where it is: one of that name in another namespace is somebody else.
    let mend = manifest(&doctor(&config, &arguments), "impersonation-denied");
    let mend = mend.replace("NAMESPACE-OF-AS", "dev").replace("NAME-OF-AS", "builder");
    server.create_namespace("dev");
    apply(&server, &mend);
    assert_eq!(kubectl(lab, &config, &builds, "").0, 0);
    builds[3] = "system:serviceaccount:default:builder";
    assert_eq!(kubectl(lab, &config, &builds, "").0, 1);
}

#[test]
fn acting_as_somebody_for_one_request_only() {
    let Some(lab) = lab::require_apiserver() else { return };
    let server = ApiServer::start(lab, Options::default());
    let pods = json!([{ "apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"] }]);
    cluster_role(&server, "bob-pods", pods, user("bob"));
    let constrained = json!([
        { "apiGroups": ["authentication.k8s.io"], "resources": ["users"], "resourceNames": ["bob"], "verbs": ["impersonate:user-info"] },
        { "apiGroups": [""], "resources": ["pods"], "verbs": ["impersonate-on:user-info:list"] },
    ]);
    cluster_role(&server, "constrained", constrained, user("helper"));
    server.settle();
    let identity = lab.pki.ca.sign_client("helper-constrained", "helper", &["support"]);
    let mut acting = certificate_user(&identity);
    acting["as"] = json!("bob");
    let mut beyond = acting.clone();
    beyond["as-uid"] = json!("7");
    beyond["as-user-extra"] = json!({ "scopes": ["a"] });
    let users = [("own", acting), ("beyond", beyond), ("admin", server.admin_user())];
    let config = server.kubeconfig("constrained", &users);
    let pods = ["get", "--raw", "/api/v1/namespaces/default/pods"];
    assert_eq!(kubectl(lab, &config, &pods, "").0, 0);
    // It works, and only kaccess' own question is refused.
    let run = doctor(&config, &[]);
    assert_eq!(run.finding("impersonation-denied")["severity"], "warning", "{}", run.stdout);
    assert_eq!(run.report["verdict"], "unknown", "{}", run.stdout);
    // Uid and extra are parts of whom it acts as.
    let mut asked = vec!["--context", "beyond"];
    asked.extend(pods);
    let (code, error) = kubectl(lab, &config, &asked, "");
    assert_eq!(code, 1);
    let run = doctor(&config, &["--context", "beyond", "--reviewer-context", "admin", "--error", forbidden(&error)]);
    assert_eq!(run.codes().first().map(String::as_str), Some("impersonation-denied"), "{}", run.stdout);
    apply(&server, &manifest(&run, "impersonation-denied"));
    assert_eq!(kubectl(lab, &config, &asked, "").0, 0);
}

#[test]
fn nodes_without_their_group_or_beyond_their_pods() {
    let Some(lab) = lab::require_apiserver() else { return };
    let server = ApiServer::start(lab, Options::default());
    let name = "system:node:worker-1";
    let lone = lab.pki.ca.sign_client("node-lone", name, &["nodes"]);
    let right = lab.pki.ca.sign_client("node-right", name, &["system:nodes"]);
    let nameless = lab.pki.ca.sign_client("node-nameless", "worker-1", &["system:nodes"]);
    let users = [
        ("lone", certificate_user(&lone)),
        ("nameless", certificate_user(&nameless)),
        ("right", certificate_user(&right)),
        ("admin", server.admin_user()),
    ];
    let config = server.kubeconfig("nodes", &users);
    server.create("/api/v1/nodes", &json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": "worker-1" } }));
    for secret in ["used", "other"] {
        let object = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": secret } });
        server.create("/api/v1/namespaces/default/secrets", &object);
    }
    server.settle();
    let ask = |context: &str, words: &[&str]| {
        let mut arguments = vec!["--context", context];
        arguments.extend(words);
        kubectl(lab, &config, &arguments, "")
    };
    let (_, error) = ask("lone", &["get", "node", "worker-1"]);
    let run = doctor(&config, &["--reviewer-context", "admin", "--error", forbidden(&error)]);
    expect_fault("node-not-in-nodes-group", &run, &["node-not-in-nodes-group", "rbac-no-grant"]);
    let (_, error) = ask("nameless", &["get", "node", "worker-1"]);
    let run = doctor(&config, &["--context", "nameless", "--reviewer-context", "admin", "--error", forbidden(&error)]);
    assert_eq!(run.codes().first().map(String::as_str), Some("node-not-in-nodes-group"), "{}", run.stdout);
    assert_eq!(ask("right", &["get", "node", "worker-1"]).0, 0);

    let (_, error) = ask("right", &["get", "secret", "used"]);
    let arguments = ["--context", "right", "--reviewer-context", "admin", "--error", forbidden(&error)];
    let run = doctor(&config, &arguments);
    expect_fault("node-authorizer-denied", &run, &["node-authorizer-denied"]);
    server.create(
        "/api/v1/namespaces/default/pods",
        &json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "user" }, "spec": { "nodeName": "worker-1",
            "volumes": [{ "name": "used", "secret": { "secretName": "used" } }], "containers": [{ "name": "main", "image": "none" }] } }),
    );
    // The Node authorizer's picture of who uses what follows in its own time.
    let reads = json!({ "user": name, "groups": ["system:nodes"],
        "resourceAttributes": { "verb": "get", "resource": "secrets", "namespace": "default", "name": "used" } });
    let known = wait_for(PATIENCE, || (server.access_reviews([reads.clone()])[0]["allowed"] == true).then_some(()));
    assert!(known.is_some(), "the Pod's node never came to its Secret");
    assert_eq!(ask("right", &["get", "secret", "used"]).0, 0);
    let run = doctor(&config, &arguments);
    assert!(!run.codes().contains(&"node-authorizer-denied".to_owned()), "{}", run.stdout);
    let (_, error) = ask("right", &["get", "secrets"]);
    let arguments = ["--context", "right", "--reviewer-context", "admin", "--error", forbidden(&error)];
    expect_fault("node-authorizer-denied-list", &doctor(&config, &arguments), &["node-authorizer-denied"]);
}

#[test]
fn default_bindings_that_are_gone() {
    let Some(lab) = lab::require_apiserver() else { return };
    let server = ApiServer::start(lab, Options::default());
    bind(&server, "alice-view", "view", user("alice"));
    let identity = lab.pki.ca.sign_client("alice-basic", "alice", &["team"]);
    let config = server.kubeconfig("basic", &[("own", certificate_user(&identity)), ("admin", server.admin_user())]);
    let remove = |name: &str| {
        let answer = server.api("DELETE", &format!("{RBAC}/clusterrolebindings/{name}"), None);
        assert_eq!(answer.0, 200, "{name}");
    };
    remove("system:basic-user");
    server.settle();
    let run = doctor(&config, &["--reviewer-context", "admin"]);
    expect_fault("rbac-default-bindings-removed", &run, &["rbac-default-bindings-removed"]);
    // The reviewer reads the bindings of whom the certificate names.
    assert_eq!(run.finding("rbac-default-bindings-removed")["confidence"], "certain", "{}", run.stdout);
    apply(&server, &manifest(&run, "rbac-default-bindings-removed"));
    let run = doctor(&config, &["--reviewer-context", "admin"]);
    assert!(!run.codes().contains(&"rbac-default-bindings-removed".to_owned()), "{}", run.stdout);

    remove("system:discovery");
    server.settle();
    let (_, error) = kubectl(lab, &config, &["get", "--raw", "/apis"], "");
    let arguments = ["--reviewer-context", "admin", "--error", forbidden(&error)];
    let run = doctor(&config, &arguments);
    expect_fault("rbac-default-bindings-removed-discovery", &run, &["rbac-default-bindings-removed", "rbac-no-grant"]);
    apply(&server, &manifest(&run, "rbac-default-bindings-removed"));
    assert_eq!(kubectl(lab, &config, &["get", "--raw", "/apis"], "").0, 0);
    let run = doctor(&config, &arguments);
    assert!(!run.codes().contains(&"rbac-default-bindings-removed".to_owned()), "{}", run.stdout);
}

#[test]
fn what_looks_like_a_missing_right_and_is_none() {
    let Some(lab) = lab::require_apiserver() else { return };
    let server = ApiServer::start(lab, Options::default());
    server.create(
        "/api/v1/namespaces",
        &json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "strict", "labels": { "pod-security.kubernetes.io/enforce": "restricted" } } }),
    );
    server.create_namespace("full");
    let mut quota = json!({ "apiVersion": "v1", "kind": "ResourceQuota", "metadata": { "name": "few" }, "spec": { "hard": { "configmaps": "0" } } });
    server.create("/api/v1/namespaces/full/resourcequotas", &quota);
    // What a controller would fill in.
    quota["status"] = json!({ "hard": { "configmaps": "0" }, "used": { "configmaps": "0" } });
    assert_eq!(server.api("PUT", "/api/v1/namespaces/full/resourcequotas/few/status", Some(&quota)).0, 200);
    let rules = json!([{ "apiGroups": [""], "resources": ["pods", "configmaps"], "verbs": ["get", "list", "create"] }]);
    cluster_role(&server, "writer", rules, user("carol"));
    server.settle();
    // The quota's admission has a picture of its own, too.
    let one = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "one" } });
    let refuses = || server.api("POST", "/api/v1/namespaces/full/configmaps?dryRun=All", Some(&one)).0 == 403;
    assert!(wait_for(PATIENCE, || refuses().then_some(())).is_some(), "the quota never counts");
    let identity = lab.pki.ca.sign_client("carol-edit", "carol", &["team"]);
    let config = server.kubeconfig("carol", &[("own", certificate_user(&identity)), ("admin", server.admin_user())]);
    let ask = |name: &str, code: &str, words: &[&str], input: &str| {
        let (exit, error) = kubectl(lab, &config, words, input);
        assert_eq!(exit, 1, "{words:?}: {error}");
        let run = doctor(&config, &["--reviewer-context", "admin", "--error", &error]);
        expect_fault(name, &run, &[code]);
        run
    };
    let works = |words: &[&str], input: &str| assert_eq!(kubectl(lab, &config, words, input).0, 0, "{words:?}");

    let pod = r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"web"},"spec":{"containers":[{"name":"main","image":"none"}]}}"#;
    let create = ["create", "-n", "strict", "-f", "-"];
    ask("admission-denied", "admission-denied", &create, pod);
    let kept = pod.replace(
        r#""image":"none""#,
        r#""image":"none","securityContext":{"allowPrivilegeEscalation":false,"capabilities":{"drop":["ALL"]},"runAsNonRoot":true,"seccompProfile":{"type":"RuntimeDefault"}}"#,
    );
    works(&create, &kept);
    ask("admission-denied-quota", "admission-denied", &["create", "configmap", "one", "-n", "full"], "");

    let configmap = ["create", "configmap", "one", "-n", "shpo"];
    ask("namespace-not-found", "namespace-not-found", &configmap, "");
    server.create_namespace("shpo");
    works(&configmap, "");

    ask("resource-not-served", "resource-not-served", &["get", "gadgets"], "");
    let gadget = r#"{"apiVersion":"example.com/v1","kind":"Gadget","metadata":{"name":"one"}}"#;
    ask("resource-not-served-kind", "resource-not-served", &["create", "-f", "-"], gadget);
}

#[test]
fn an_aggregated_api_whose_server_is_not_there() {
    let Some(lab) = lab::require_apiserver() else { return };
    let server = ApiServer::start(lab, Options::default());
    let rules = json!([{ "apiGroups": ["*"], "resources": ["pods", "podmetrics"], "verbs": ["get", "list"] }]);
    cluster_role(&server, "top", rules, user("ivy"));
    server.settle();
    let identity = lab.pki.ca.sign_client("ivy", "ivy", &["team"]);
    let config = server.kubeconfig("ivy", &[("own", certificate_user(&identity)), ("admin", server.admin_user())]);
    // Not registered at all: the server does not serve it.
    let (code, error) = kubectl(lab, &config, &["top", "pods"], "");
    assert_eq!((code, error.as_str()), (1, "error: Metrics API not available"));
    let run = doctor(&config, &["--error", &error]);
    expect_fault("resource-not-served-metrics", &run, &["resource-not-served"]);
    assert_eq!(run.codes(), ["resource-not-served"], "{}", run.stdout);

    server.create(
        "/apis/apiregistration.k8s.io/v1/apiservices",
        &json!({ "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": { "name": "v1beta1.metrics.k8s.io" },
            "spec": { "group": "metrics.k8s.io", "version": "v1beta1", "groupPriorityMinimum": 100, "versionPriority": 100,
                "insecureSkipTLSVerify": true, "service": { "name": "metrics-server", "namespace": "kube-system" } } }),
    );
    // Discovery is gathered every few seconds.
    server.wait_group("metrics.k8s.io", true);
    std::thread::sleep(Duration::from_secs(2));
    let (_, error) = kubectl(lab, &config, &["top", "pods"], "");
    let run = doctor(&config, &["--error", &error]);
    expect_fault("aggregated-api-unavailable-metrics", &run, &["aggregated-api-unavailable"]);
    assert_eq!(run.codes(), ["aggregated-api-unavailable"], "{}", run.stdout);
    assert_eq!(run.findings()[0]["confidence"], "certain", "{}", run.stdout);
    let (_, error) = kubectl(lab, &config, &["get", "podmetrics"], "");
    assert!(error.contains("the server doesn't have a resource type"), "{error}");
    let run = doctor(&config, &["--error", &error]);
    expect_fault("aggregated-api-unavailable-type", &run, &["aggregated-api-unavailable", "resource-not-served"]);
    assert!(run.findings().iter().all(|finding| finding["confidence"] != "certain"), "{}", run.stdout);
    // A type that is nowhere may be one of those that are unknown now; hardly so.
    let (_, other) = kubectl(lab, &config, &["get", "gadgets"], "");
    let guessed = doctor(&config, &["--error", &other]);
    assert!(guessed.findings().iter().all(|finding| finding["confidence"] == "possible"), "{}", guessed.stdout);
    // Its removal, as the fix has it: then the type is not served, and nothing else stands behind it.
    let fix = run.finding("aggregated-api-unavailable")["fix"][2]["command"].as_str().expect("a command").to_owned();
    let words: Vec<&str> = fix.split(' ').skip(1).collect();
    assert_eq!(kubectl(lab, &server.admin_kubeconfig(), &words, "").0, 0);
    server.wait_group("metrics.k8s.io", false);
    let run = doctor(&config, &["--error", &error]);
    assert_eq!(run.codes(), ["resource-not-served"], "{}", run.stdout);
}

#[test]
fn everybody_may_do_everything() {
    let Some(lab) = lab::require_apiserver() else { return };
    let server = ApiServer::start(lab, Options::default().flag("--authorization-mode=AlwaysAllow"));
    let identity = lab.pki.ca.sign_client("dora-open", "dora", &["team"]);
    let config = server.kubeconfig("open", &[("own", certificate_user(&identity)), ("admin", server.admin_user())]);
    let run = doctor(&config, &["--reviewer-context", "admin"]);
    expect_warning("authorization-not-enforced", &run, &["authorization-not-enforced"]);
    drop(server);

    // Before 1.36 the flags cannot be read, but the rules can.
    let old = Options::default().release(Release::Old).flag("--authorization-mode=AlwaysAllow");
    let server = ApiServer::start(lab, old);
    let config = server.kubeconfig("open-old", &[("own", certificate_user(&identity))]);
    let run = doctor(&config, &[]);
    expect_warning("authorization-not-enforced-rules", &run, &["authorization-not-enforced"]);
    drop(server);

    let server = ApiServer::start(lab, Options::default());
    let config = server.kubeconfig("bound", &[("own", certificate_user(&identity)), ("admin", server.admin_user())]);
    bind(&server, "open-house", "cluster-admin", group("system:authenticated"));
    server.settle();
    let run = doctor(&config, &[]);
    expect_warning("authorization-not-enforced-bound", &run, &["authorization-not-enforced"]);
    let fix = run.finding("authorization-not-enforced")["fix"][0]["command"].as_str().expect("a command").to_owned();
    let words: Vec<&str> = fix.split(' ').skip(1).collect();
    assert_eq!(kubectl(lab, &server.admin_kubeconfig(), &words, "").0, 0);
    server.settle();
    let run = doctor(&config, &["--reviewer-context", "admin"]);
    assert!(!run.codes().contains(&"authorization-not-enforced".to_owned()), "{}", run.stdout);
}

#[test]
fn an_authorization_webhook_that_is_away() {
    let Some(lab) = lab::require_apiserver() else { return };
    let file = scratch("webhook").join("webhook.yaml");
    std::fs::write(
        &file,
        "apiVersion: v1\nkind: Config\nclusters:\n- name: a\n  cluster:\n    server: https://127.0.0.1:1/authorize\n\
         users:\n- name: a\ncontexts:\n- name: a\n  context:\n    cluster: a\n    user: a\ncurrent-context: a\n",
    )
    .expect("a file");
    let options = Options::default()
        .flag("--authorization-mode=RBAC,Webhook")
        .flag(format!("--authorization-webhook-config-file={}", file.display()));
    let server = ApiServer::start(lab, options);
    let identity = lab.pki.ca.sign_client("erin-webhook", "erin", &["team"]);
    let config = server.kubeconfig("webhook", &[("own", certificate_user(&identity)), ("admin", server.admin_user())]);
    let (code, error) = kubectl(lab, &config, &["get", "--raw", "/api/v1/namespaces/default/pods"], "");
    assert_eq!(code, 1);
    let run = doctor(&config, &["--reviewer-context", "admin", "--error", &error]);
    expect_fault("authorization-webhook-down", &run, &["authorization-webhook-down"]);
    let log = server.log_path();
    let run = doctor(&config, &["--reviewer-context", "admin", "--log", &log.to_string_lossy()]);
    expect_fault("authorization-webhook-down-log", &run, &["authorization-webhook-down"]);
    let run = doctor(&config, &[]);
    expect_fault("authorization-webhook-down-review", &run, &["authorization-webhook-down"]);
}
