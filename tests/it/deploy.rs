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
    // What it may, and what it may no more, is known to the authorizer a moment later.
    server.settle();
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
        &["wait", "--for=condition=Established", "crd/prometheusrules.monitoring.coreos.com", "--timeout=60s"],
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
            "spec": { "containers": [{ "name": "kube-apiserver", "image": "x", "command": ["kube-apiserver", "--etcd-servers=https://127.0.0.1:2379"] }] } }),
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

/// The metrics that alerts and dashboard ask for are those that doctor writes.
#[test]
fn alerts_and_dashboard_ask_for_metrics_that_exist() {
    let output = command().args(["doctor", "--demo", "-o", "prometheus"]).output().expect("kaccess runs");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let written: BTreeSet<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    assert!(written.len() >= 5, "{text}");
    let names = |expression: &str| -> Vec<String> {
        expression
            .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .filter(|word| word.starts_with("kaccess_"))
            .map(str::to_owned)
            .collect()
    };
    let mut asked = Vec::new();
    for group in documents("prometheus-rule.yaml")[0]["spec"]["groups"].as_array().expect("groups") {
        for rule in group["rules"].as_array().expect("rules") {
            let found = names(rule["expr"].as_str().expect("an expression"));
            assert!(!found.is_empty(), "{rule}");
            asked.extend(found);
        }
    }
    let dashboard: Value =
        serde_json::from_str(&fs::read_to_string(deploy().join("grafana-dashboard.json")).expect("a file"))
            .expect("JSON");
    for panel in dashboard["panels"].as_array().expect("panels") {
        for target in panel["targets"].as_array().expect("targets") {
            asked.extend(names(target["expr"].as_str().expect("an expression")));
        }
    }
    assert!(asked.len() >= 12);
    for name in &asked {
        assert!(written.contains(name.as_str()), "{name} is written by nobody; there are {written:?}");
    }
}

/// The CronJob's own command, in a shell of this machine, with a Pushgateway that listens.
#[test]
fn the_cron_job_pushes_what_doctor_says() {
    use std::io::Write as _;
    let Some(lab) = lab::require_with("wget") else { return };
    let server = ApiServer::start(lab, Options::default());
    applied(lab, &server, &deploy().join("rbac.yaml"), &[]);
    let token = server.create_service_account_token("kaccess", "kaccess");
    let config = server.kubeconfig_for_token("kaccess", &token);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let pushed = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let asked = crate::support::front::read_request(&mut stream).expect("a request");
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").expect("an answer");
        asked
    });
    let objects = documents("cronjob.yaml");
    let container = &objects[0]["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0];
    let folder = scratch("cron-job");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_kaccess"), folder.join("kaccess")).expect("a link");
    // /tmp is the Pod's own there.
    let script = container["args"][0].as_str().expect("a script").replace("/tmp/metrics", "\"$HOME/metrics\"");
    assert!(script.contains("$HOME/metrics"));
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").expect("PATH"));
    let status = command_of("sh")
        .args(["-c", &script])
        .env("PATH", path)
        .env("HOME", &folder)
        .env("KUBECONFIG", config)
        .env("CLUSTER", "prod")
        .env("PUSHGATEWAY", format!("http://127.0.0.1:{port}"))
        .status()
        .expect("sh runs");
    assert!(status.success());
    let asked = pushed.join().expect("a push");
    assert!(asked.head.starts_with("POST /metrics/job/kaccess/cluster/prod "), "{}", asked.head);
    let body = String::from_utf8(asked.body).expect("UTF-8");
    assert!(body.contains("kaccess_verdict{") && body.contains("verdict=\"healthy\"} 1"), "{body}");
}

/// Another program, in the quiet environment of ours.
fn command_of(program: &str) -> Command {
    let quiet = command();
    let mut other = Command::new(program);
    other.env_clear();
    for (name, value) in quiet.get_envs() {
        if let Some(value) = value {
            other.env(name, value);
        }
    }
    other
}
