//! Each nearly given right, made for real: doctor names what is wrong, and its manifest mends it.

use serde_json::{Value, json};

use super::{RBAC, Stage, group, user};
use crate::support::lab::{self, certificate_user};
use crate::support::run::{doctor, expect_fault, expect_healthy, scratch};

/// A fault: its code, the question that was denied, and what is bound where.
struct Fault {
    code: &'static str,
    /// Verb, resource (with group after a dot, subresource after a slash) and namespace.
    asked: (&'static str, &'static str, &'static str),
    /// Namespace of the binding.
    bound_in: &'static str,
    rules: Option<Value>,
    subject: fn(&str) -> Value,
}

fn faults() -> Vec<Fault> {
    let rule = |group: &str, resource: &str, verbs: &[&str]| {
        Some(json!([{ "apiGroups": [group], "resources": [resource], "verbs": verbs }]))
    };
    let named = json!([{ "apiGroups": [""], "resources": ["pods"], "resourceNames": ["web"], "verbs": ["list"] }]);
    let fault = |code, asked, bound_in, rules, subject| Fault { code, asked, bound_in, rules, subject };
    vec![
        fault("rbac-role-missing", ("list", "pods", "dev"), "dev", None, user),
        fault("rolebinding-to-cluster-scope", ("list", "nodes", ""), "dev", rule("", "nodes", &["list"]), user),
        fault("rbac-wrong-scope", ("list", "pods", "dev"), "prod", rule("", "pods", &["list"]), user),
        fault("rbac-subresource-not-granted", ("get", "pods/log", "dev"), "dev", rule("", "pods", &["get"]), user),
        fault(
            "rbac-wrong-api-group",
            ("get", "deployments.apps", "dev"),
            "dev",
            rule("extensions", "deployments", &["get"]),
            user,
        ),
        fault("rbac-resource-names", ("list", "pods", "dev"), "dev", Some(named), user),
        fault("rbac-group-name-mismatch", ("list", "pods", "dev"), "dev", rule("", "pods", &["list"]), |name| {
            group(&format!("/{name}-team"))
        }),
        fault(
            "rbac-service-account-namespace",
            ("list", "pods", "dev"),
            "dev",
            rule("", "pods", &["list"]),
            |name| json!({ "kind": "ServiceAccount", "name": name, "namespace": "prod" }),
        ),
        fault("aggregated-role-not-filled", ("list", "pods", "dev"), "dev", Some(json!("aggregated")), user),
        fault("rbac-verb-missing", ("watch", "pods", "dev"), "dev", rule("", "pods", &["get", "list"]), user),
    ]
}

fn message(name: &str, (verb, resource, namespace): (&str, &str, &str)) -> String {
    let (plain, group) = resource.split_once('.').unwrap_or((resource, ""));
    let bare = plain.split('/').next().unwrap_or_default();
    let whole = if group.is_empty() { bare.to_owned() } else { format!("{bare}.{group}") };
    let scope = if namespace.is_empty() {
        "at the cluster scope".to_owned()
    } else {
        format!("in the namespace \"{namespace}\"")
    };
    format!(
        "Error from server (Forbidden): {whole} is forbidden: User \"{name}\" cannot {verb} resource \"{plain}\" in API group \"{group}\" {scope}"
    )
}

#[test]
fn nearly_given_rights_are_found_and_mended() {
    let Some(lab) = lab::require_apiserver() else { return };
    let stage = Stage::start(lab);
    let server = &stage.server;
    for fault in faults() {
        let name = format!("u-{}", fault.code);
        // Most are people with a client certificate and one group; one is a service account.
        let account = fault.code == "rbac-service-account-namespace";
        let (own, username) = if account {
            let token = server.create_service_account_token("dev", &name);
            (json!({ "token": token }), format!("system:serviceaccount:dev:{name}"))
        } else {
            let identity = lab.pki.ca.sign_client(&name, &name, &[&format!("{name}-team")]);
            (certificate_user(&identity), name.clone())
        };
        match &fault.rules {
            Some(Value::String(_)) => {
                server.create(
                    &format!("{RBAC}/clusterroles"),
                    &json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
                    "metadata": { "name": name }, "rules": [],
                    "aggregationRule": { "clusterRoleSelectors": [{ "matchLabels": { "into": "it" } }] } }),
                );
                // What it collects allows it; without a controller-manager nobody fills it.
                server.create(
                    &format!("{RBAC}/clusterroles"),
                    &json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
                    "metadata": { "name": format!("{name}-part"), "labels": { "into": "it" } },
                    "rules": [{ "apiGroups": [""], "resources": ["pods"], "verbs": ["list"] }] }),
                );
            }
            Some(rules) => stage.role("", &name, rules.clone()),
            None => {}
        }
        stage.bind(fault.bound_in, &name, ("ClusterRole", &name), (fault.subject)(&name));
        server.settle();
        let config = server.kubeconfig(&name, &[("own", own), ("admin", server.admin_user())]);
        let error = message(&username, fault.asked);
        let arguments = ["--reviewer-context", "admin", "--error", &error];
        let run = doctor(&config, &arguments);
        expect_fault(fault.code, &run, &[fault.code, "rbac-no-grant"]);
        // A misspelt subject is put right in its binding by two commands; what is missing is made from a manifest.
        let fix = run.finding(fault.code)["fix"].as_array().expect("a fix").clone();
        for command in fix.iter().filter_map(|step| step["command"].as_str()) {
            let Some(arguments) = command.strip_prefix("kubectl --context admin patch ") else { continue };
            let kubectl = lab.kubectl().display().to_string();
            let admin = server.admin_kubeconfig().display().to_string();
            let output = std::process::Command::new("bash")
                .args(["-c", &format!("{kubectl} --kubeconfig {admin} patch {arguments}")])
                .env("HOME", scratch("kubectl"))
                .output()
                .expect("bash");
            assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
        }
        for text in fix[0]["manifest"].as_str().unwrap_or_default().split("---\n").filter(|text| !text.is_empty()) {
            let object: Value = serde_norway::from_str(text).expect("YAML");
            let kind = object["kind"].as_str().expect("a kind").to_lowercase();
            let place = object.pointer("/metadata/namespace").and_then(Value::as_str);
            let place = place.map(|name| format!("/namespaces/{name}")).unwrap_or_default();
            server.create(&format!("{RBAC}{place}/{kind}s"), &object);
        }
        server.settle();
        let run = doctor(&config, &arguments);
        if fault.code == "rbac-verb-missing" {
            expect_healthy("rbac-mended", &run);
        } else {
            assert_eq!(run.codes(), Vec::<String>::new(), "{}: {}", fault.code, run.stdout);
        }
    }
}
