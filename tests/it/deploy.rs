//! docs/deploy on a real API server: the manifests are accepted, and the RBAC is enough and not too much.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde::Deserialize as _;
use serde_json::{Value, json};

use crate::support::aws::Aws;
use crate::support::lab::{self, ApiServer, Options};
use crate::support::run::{command, scratch};

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/deploy")
}

fn documents(file: &str) -> Vec<Value> {
    let text = fs::read_to_string(deploy().join(file)).expect("a manifest");
    serde_norway::Deserializer::from_str(&text).map(|part| Value::deserialize(part).expect("YAML")).collect()
}

fn kubectl(lab: &lab::Lab, server: &ApiServer, arguments: &[&str]) -> Output {
    Command::new(lab.kubectl())
        .args(arguments)
        .arg("--kubeconfig")
        .arg(server.admin_kubeconfig())
        .env("HOME", scratch("kubectl-home"))
        .output()
        .expect("kubectl runs")
}

fn applied(lab: &lab::Lab, server: &ApiServer, file: &Path, more: &[&str]) {
    let name = file.to_string_lossy();
    let mut arguments = vec!["apply", "--server-side", "-f", &name];
    arguments.extend(more);
    let output = kubectl(lab, server, &arguments);
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
}

/// The requests of kaccess' service account that were forbidden, since the audit log had this many events.
fn forbidden(server: &ApiServer, since: usize) -> BTreeSet<String> {
    server
        .audit_events()
        .iter()
        .skip(since)
        .filter(|event| event["user"]["username"] == "system:serviceaccount:kaccess:kaccess")
        .filter(|event| event["annotations"]["authorization.k8s.io/decision"] == "forbid")
        .map(|event| {
            let path = event["requestURI"].as_str().unwrap_or_default();
            format!("{} {}", event["verb"].as_str().unwrap_or_default(), path.split('?').next().unwrap_or_default())
        })
        .collect()
}

#[test]
fn manifests_are_accepted_and_their_rights_are_enough_and_not_too_much() {
    let Some(lab) = lab::require_apiserver() else { return };
    let server = ApiServer::start(lab, Options::default());
    applied(lab, &server, &deploy().join("rbac.yaml"), &[]);
    // The Prometheus operator is not here; its kind is.
    server.create(
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
        &json!({ "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": { "name": "prometheusrules.monitoring.coreos.com" },
            "spec": { "group": "monitoring.coreos.com", "scope": "Namespaced",
                "names": { "kind": "PrometheusRule", "plural": "prometheusrules", "singular": "prometheusrule" },
                "versions": [{ "name": "v1", "served": true, "storage": true, "schema": { "openAPIV3Schema":
                    { "type": "object", "x-kubernetes-preserve-unknown-fields": true } } }] } }),
    );
    let waited = kubectl(
        lab,
        &server,
        &["wait", "--for=condition=Established", "crd/prometheusrules.monitoring.coreos.com", "--timeout=20s"],
    );
    assert!(waited.status.success(), "{}", String::from_utf8_lossy(&waited.stderr));
    for file in ["cronjob.yaml", "eks-irsa.yaml", "prometheus-rule.yaml"] {
        applied(lab, &server, &deploy().join(file), &["--dry-run=server"]);
    }

    // As the CronJob's Pod runs it, here from outside and with an AWS that answers.
    let token = server.create_service_account_token("kaccess", "kaccess");
    server.create(
        "/api/v1/namespaces/kube-system/pods",
        &json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "kube-apiserver-1", "namespace": "kube-system",
            "labels": { "component": "kube-apiserver" } },
            "spec": { "containers": [{ "name": "kube-apiserver", "image": "x", "command": ["kube-apiserver"] }] } }),
    );
    let aws = Aws::start();
    let config = server.kubeconfig_for_token("kaccess", &token);
    let look = || -> (Value, BTreeSet<String>) {
        let since = server.audit_events().len();
        let output = command()
            .args(["doctor", "-o", "json", "--eks-cluster", "prod", "--region", "eu-west-1", "--kubeconfig"])
            .arg(&config)
            .envs(aws.variables())
            .output()
            .expect("kaccess runs");
        let report = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
        (report, forbidden(&server, since))
    };
    let (report, refused) = look();
    assert!(!report["identity"].is_null(), "{report}");
    assert!(refused.is_empty(), "rights that rbac.yaml lacks: {refused:?}");

    // Each right taken away is missed.
    for role in documents("rbac.yaml")
        .iter()
        .filter(|object| object["kind"].as_str().is_some_and(|kind| kind.ends_with("Role")))
    {
        for (index, rule) in role["rules"].as_array().expect("rules").iter().enumerate() {
            for field in ["resources", "resourceNames", "nonResourceURLs"] {
                let values = rule[field].as_array().cloned().unwrap_or_default();
                for gone in &values {
                    if field == "resourceNames" && values.len() == 1 {
                        continue;
                    }
                    let mut less = role.clone();
                    if values.len() == 1 {
                        less["rules"].as_array_mut().expect("rules").remove(index);
                    } else {
                        less["rules"][index][field] = values.iter().filter(|value| *value != gone).cloned().collect();
                    }
                    let path = scratch("less").join("role.yaml");
                    fs::write(&path, less.to_string()).expect("a manifest");
                    applied(lab, &server, &path, &["--force-conflicts"]);
                    let (_, refused) = look();
                    assert!(!refused.is_empty(), "{} has a right that nobody uses: {gone}", role["metadata"]["name"]);
                }
            }
        }
        let path = scratch("whole").join("role.yaml");
        fs::write(&path, role.to_string()).expect("a manifest");
        applied(lab, &server, &path, &["--force-conflicts"]);
    }
}
