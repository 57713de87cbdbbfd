//! Access questions in the lab: the model, can-i, who-can and whoami against the real kube-apiserver and kubectl.

mod commands;
mod fidelity;
mod findings;
mod grants;
mod kubectl;
mod peers;
mod random;
mod refusals;
mod scopes;
mod webhooks;

use std::path::PathBuf;
use std::process::Output;

use serde_json::{Value, json};

use crate::support::lab::{ApiServer, Lab, Options};
use crate::support::run::command;

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";

/// A server with a small cast: service account dev/dev may read Pods and their logs in dev, own Deployments there, read
/// one ConfigMap, see nodes and /metrics everywhere; dev/nobody may nothing; dev/auditor may read RBAC.
struct Stage {
    server: ApiServer,
    config: PathBuf,
}

impl Stage {
    fn start(lab: &Lab) -> Self {
        let server = ApiServer::start(lab, Options::default());
        for namespace in ["dev", "prod"] {
            server.create_namespace(namespace);
        }
        let tokens: Vec<(&str, String)> =
            ["dev", "nobody", "auditor"].map(|name| (name, server.create_service_account_token("dev", name))).into();
        server.create(
            "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
            &json!({ "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": { "name": "widgets.example.com" },
                "spec": { "group": "example.com", "scope": "Namespaced",
                    "names": { "plural": "widgets", "singular": "widget", "kind": "Widget", "shortNames": ["wd"] },
                    "versions": [{ "name": "v1", "served": true, "storage": true, "subresources": { "status": {} },
                        "schema": { "openAPIV3Schema": { "type": "object", "x-kubernetes-preserve-unknown-fields": true } } }] } }),
        );
        let stage = Self { config: PathBuf::new(), server };
        stage.role(
            "dev",
            "worker",
            json!([
                { "apiGroups": [""], "resources": ["pods", "pods/log"], "verbs": ["get", "list", "watch"] },
                { "apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["*"] },
                { "apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["settings"], "verbs": ["get"] },
                { "apiGroups": ["example.com"], "resources": ["widgets"], "verbs": ["get", "list"] },
                { "apiGroups": [""], "resources": ["persistentvolumes"], "verbs": ["get"] },
            ]),
        );
        stage.role(
            "",
            "viewer",
            json!([
                { "apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "list"] },
                { "nonResourceURLs": ["/metrics", "/logs/*"], "verbs": ["get"] },
            ]),
        );
        stage.role(
            "",
            "rbac-reader",
            json!([
                { "apiGroups": ["rbac.authorization.k8s.io"], "resources": ["*"], "verbs": ["get", "list"] },
            ]),
        );
        let account = |name: &str| json!({ "kind": "ServiceAccount", "name": name, "namespace": "dev" });
        stage.bind("dev", "worker", ("Role", "worker"), account("dev"));
        stage.bind("", "viewer", ("ClusterRole", "viewer"), account("dev"));
        stage.bind("", "rbac-reader", ("ClusterRole", "rbac-reader"), account("auditor"));
        stage.bind("prod", "team", ("ClusterRole", "pod-reader"), group("oidc:backend"));
        stage.role("", "pod-reader", json!([{ "apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"] }]));
        let mut users: Vec<(&str, Value)> = vec![("admin", stage.server.admin_user())];
        users.extend(tokens.iter().map(|(name, token)| (*name, json!({ "token": token }))));
        let config = stage.server.kubeconfig("admin", &users);
        stage.server.settle();
        stage.server.wait_resource("widgets");
        Self { config, ..stage }
    }

    fn role(&self, namespace: &str, name: &str, rules: Value) {
        let kind = if namespace.is_empty() { "ClusterRole" } else { "Role" };
        let place = if namespace.is_empty() { String::new() } else { format!("/namespaces/{namespace}") };
        self.server.create(
            &format!("{RBAC}{place}/{}s", kind.to_lowercase()),
            &json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": { "name": name }, "rules": rules }),
        );
    }

    fn bind(&self, namespace: &str, name: &str, role: (&str, &str), subject: Value) {
        let kind = if namespace.is_empty() { "ClusterRoleBinding" } else { "RoleBinding" };
        let place = if namespace.is_empty() { String::new() } else { format!("/namespaces/{namespace}") };
        self.server.create(
            &format!("{RBAC}{place}/{}s", kind.to_lowercase()),
            &json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": { "name": name },
                "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": role.0, "name": role.1 }, "subjects": [subject] }),
        );
    }

    fn run(&self, context: &str, arguments: &[&str]) -> Output {
        command()
            .args(arguments)
            .arg("--kubeconfig")
            .arg(&self.config)
            .args(["--context", context])
            .output()
            .expect("kaccess runs")
    }

    /// Runs kaccess for JSON; the exit code and the answer.
    fn json(&self, context: &str, arguments: &[&str]) -> (i32, Value) {
        let mut all = arguments.to_vec();
        all.extend(["-o", "json"]);
        let output = self.run(context, &all);
        let text = String::from_utf8_lossy(&output.stdout);
        let value = serde_json::from_str(&text).unwrap_or_else(|error| {
            panic!("{arguments:?}: {error}: {text}{}", String::from_utf8_lossy(&output.stderr))
        });
        crate::support::schema::hold(&value);
        (output.status.code().unwrap_or(-1), value)
    }
}

fn group(name: &str) -> Value {
    json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": name })
}

fn user(name: &str) -> Value {
    json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": name })
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}
