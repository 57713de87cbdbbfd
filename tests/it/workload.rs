//! `kaccess workload` against a real API server (Pods are plain objects there) and the loopback AWS: a world for each
//! fault, with its healthy twin.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::aws::{Answer, Aws};
use crate::support::front::{authority, server_params, signed};
use crate::support::lab::{self, ApiServer, Options};
use crate::support::run::{Run, command, record, scratch};
use crate::support::stage::{Stage, healthy_api, within};

/// Every action that `workload` may call; docs/deploy/iam-policy.json holds them all.
pub const ACTIONS: [&str; 10] = [
    "sts:GetCallerIdentity",
    "eks:DescribeCluster",
    "eks:ListPodIdentityAssociations",
    "eks:DescribePodIdentityAssociation",
    "eks:DescribeAddon",
    "iam:GetRole",
    "iam:GetInstanceProfile",
    "iam:ListOpenIDConnectProviders",
    "iam:GetOpenIDConnectProvider",
    "ec2:DescribeInstances",
];

const ISSUER: &str = "oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLED539D4633E53DE1B716D3041E";
const ROLE: &str = "arn:aws:iam::111122223333:role/shop-api";
const SERVER: &str = "arn:aws:iam::111122223333:role/kiam-server";
/// The label by which EKS' webhook passes over a Pod.
const SKIP: &str = "eks.amazonaws.com/skip-pod-identity-webhook";
const CANARY: &str = "canarySecretContent000000";

fn provider() -> String {
    format!("arn:aws:iam::111122223333:oidc-provider/{ISSUER}")
}

fn encoded(policy: &Value) -> String {
    url::form_urlencoded::byte_serialize(policy.to_string().as_bytes()).collect::<String>().replace('+', "%20")
}

/// A trust policy of one statement.
fn allow(principal: Value, action: Value, condition: Value) -> Value {
    json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow", "Principal": principal, "Action": action, "Condition": condition }] })
}

/// The documented policy for service account `api` of a namespace.
fn irsa_policy(namespace: &str) -> Value {
    allow(
        json!({ "Federated": provider() }),
        json!("sts:AssumeRoleWithWebIdentity"),
        json!({ "StringEquals": { format!("{ISSUER}:sub"): format!("system:serviceaccount:{namespace}:api"), format!("{ISSUER}:aud"): "sts.amazonaws.com" } }),
    )
}

fn pods_policy(actions: Value) -> Value {
    allow(json!({ "Service": "pods.eks.amazonaws.com" }), actions, json!({}))
}

fn role_policy(role: &str) -> Value {
    allow(json!({ "AWS": role }), json!("sts:AssumeRole"), json!({}))
}

fn role(arn: &str, policy: &Value) -> Answer {
    let name = arn.rsplit('/').next().unwrap_or_default();
    Answer::Good(
        json!({ "Role": { "Path": "/", "RoleName": name, "RoleId": "AROAX", "Arn": arn, "CreateDate": "2025-01-01T00:00:00Z",
        "MaxSessionDuration": 3600, "AssumeRolePolicyDocument": encoded(policy) } }),
    )
}

/// One world: objects of the cluster, what AWS says, the question.
struct World<'a> {
    server: &'a ApiServer,
    namespace: String,
    aws: Aws,
    arguments: Vec<String>,
    /// Objects that the next world must not see.
    passing: Vec<String>,
}

impl<'a> World<'a> {
    fn new(server: &'a ApiServer, name: &str, annotations: Value) -> Self {
        let namespace = name.trim_start_matches("workload-").to_owned();
        server.create(
            "/api/v1/namespaces",
            &json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace, "annotations": annotations } }),
        );
        let aws = Aws::start();
        aws.edit(
            "eks:DescribeCluster",
            "/cluster/identity",
            json!({ "oidc": { "issuer": format!("https://{ISSUER}") } }),
        );
        aws.set("iam:GetRole", Answer::Bad(404, "NoSuchEntity", "The role cannot be found."));
        aws.set("eks:ListPodIdentityAssociations", Answer::Good(json!({ "associations": [] })));
        Self { server, namespace, aws, arguments: Vec::new(), passing: Vec::new() }
    }

    fn role(&self, arn: &str, policy: &Value) -> &Self {
        let name = arn.rsplit('/').next().unwrap_or_default();
        self.aws.set(&format!("iam:GetRole RoleName={name}"), role(arn, policy));
        self
    }

    fn account(&self, annotations: Value, more: Value) -> &Self {
        let mut account = json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "api", "annotations": annotations } });
        for (key, value) in more.as_object().into_iter().flatten() {
            account[key] = value.clone();
        }
        self.server.create(&format!("/api/v1/namespaces/{}/serviceaccounts", self.namespace), &account);
        self
    }

    /// A Pod `api` with this spec and these annotations.
    fn pod(&self, annotations: Value, spec: Value) -> &Self {
        self.pod_named("api", annotations, spec)
    }

    fn pod_named(&self, name: &str, annotations: Value, spec: Value) -> &Self {
        let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name, "annotations": annotations, "labels": { "app": "api" } }, "spec": spec });
        self.server.create(&format!("/api/v1/namespaces/{}/pods", self.namespace), &pod);
        self
    }

    fn deployment(&self, annotations: Value, template: Value, spec: Value) -> Value {
        let body = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "api", "annotations": annotations },
            "spec": { "replicas": 1, "selector": { "matchLabels": { "app": "api" } }, "template": { "metadata": { "labels": { "app": "api" }, "annotations": template }, "spec": spec } } });
        self.server.create(&format!("/apis/apps/v1/namespaces/{}/deployments", self.namespace), &body)
    }

    fn secret(&self, name: &str, kind: &str) -> &Self {
        let data = if kind == "kubernetes.io/dockerconfigjson" {
            json!({ ".dockerconfigjson": format!("{{\"auths\":{{\"r.example\":{{\"auth\":\"{CANARY}\"}}}}}}") })
        } else {
            json!({ "AWS_SECRET_ACCESS_KEY": CANARY })
        };
        let last = json!({ "kubectl.kubernetes.io/last-applied-configuration": CANARY });
        let secret = json!({ "apiVersion": "v1", "kind": "Secret", "type": kind, "metadata": { "name": name, "annotations": last }, "stringData": data });
        self.server.create(&format!("/api/v1/namespaces/{}/secrets", self.namespace), &secret);
        self
    }

    /// A ConfigMap with these variables.
    fn config_map(&self, name: &str, variables: &[&str]) -> &Self {
        let data: serde_json::Map<String, Value> =
            variables.iter().map(|name| ((*name).to_owned(), json!(CANARY))).collect();
        let map = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name }, "data": data });
        self.server.create(&format!("/api/v1/namespaces/{}/configmaps", self.namespace), &map);
        self
    }

    /// A DaemonSet in kube-system with so many ready of as many, and its Pod on the node.
    fn agent(
        &mut self,
        name: &str,
        image: &str,
        command: &[&str],
        ready: i64,
        on_node: Option<bool>,
        secrets: &[&str],
    ) {
        let volumes: Vec<Value> =
            secrets.iter().map(|secret| json!({ "name": secret, "secret": { "secretName": secret } })).collect();
        let spec = json!({ "containers": [{ "name": "agent", "image": image, "args": command }], "volumes": volumes });
        let path = "/apis/apps/v1/namespaces/kube-system/daemonsets";
        let mut made = self.server.create(
            path,
            &json!({ "apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": { "name": name },
                "spec": { "selector": { "matchLabels": { "a": name } }, "template": { "metadata": { "labels": { "a": name } }, "spec": spec } } }),
        );
        made["status"] = json!({ "currentNumberScheduled": 1, "numberMisscheduled": 0, "desiredNumberScheduled": 1, "numberReady": ready });
        let (status, answer) = self.server.api("PUT", &format!("{path}/{name}/status"), Some(&made));
        assert_eq!(status, 200, "{answer}");
        self.passing.push(format!("{path}/{name}"));
        if let Some(ready) = on_node {
            let pods = "/api/v1/namespaces/kube-system/pods";
            let pod = format!("{name}-x1");
            let mut made = self.server.create(
                pods,
                &json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": pod }, "spec": { "nodeName": "node-1", "containers": [{ "name": "agent", "image": image, "args": command }] } }),
            );
            made["status"] = json!({ "phase": "Running", "conditions": [{ "type": "Ready", "status": if ready { "True" } else { "False" } }] });
            let (status, answer) = self.server.api("PUT", &format!("{pods}/{pod}/status"), Some(&made));
            assert_eq!(status, 200, "{answer}");
            self.passing.push(format!("{pods}/{pod}"));
        }
    }

    fn pod_identity_agent(&mut self) {
        self.agent(
            "eks-pod-identity-agent",
            "602401143452.dkr.ecr.eu-west-1.amazonaws.com/eks/eks-pod-identity-agent:v0.1.29",
            &[],
            1,
            Some(true),
            &[],
        );
    }

    fn kiam(&mut self, server: &[&str], ready: i64, secrets: &[&str]) {
        self.kiam_dialling("kiam-server:443", server, ready, secrets);
    }

    /// The same, with an agent that dials the server so.
    fn kiam_dialling(&mut self, dialled: &str, server: &[&str], ready: i64, secrets: &[&str]) {
        let address = format!("--server-address={dialled}");
        let agent = ["agent", "--host-interface=!eth0", &address];
        self.agent("kiam-agent", "quay.io/uswitch/kiam:v4.2", &agent, 1, Some(true), &[]);
        let mut words = vec!["server"];
        words.extend(server);
        self.agent("kiam-server", "quay.io/uswitch/kiam:v4.2", &words, ready, None, secrets);
    }

    /// The association of the service account.
    fn associated(&self, more: Value) -> &Self {
        let mut details = json!({ "clusterName": "prod", "namespace": self.namespace, "serviceAccount": "api", "roleArn": ROLE, "associationId": "a-1" });
        for (key, value) in more.as_object().into_iter().flatten() {
            details[key] = value.clone();
        }
        let listed = json!({ "clusterName": "prod", "namespace": self.namespace, "serviceAccount": "api", "associationId": "a-1" });
        self.aws.set("eks:ListPodIdentityAssociations", Answer::Good(json!({ "associations": [listed] })));
        self.aws.set("eks:DescribePodIdentityAssociation", Answer::Good(json!({ "association": details })));
        self
    }

    fn ask(&mut self, arguments: &[&str]) -> &mut Self {
        self.arguments.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        self
    }

    fn look(&self, target: &str) -> Run {
        run(&self.server.admin_kubeconfig(), &self.aws.variables(), &self.namespace, target, &self.arguments)
    }
}

/// Runs `workload`, saves the evidence, and checks that the saved form gives the same bytes again.
fn run(kubeconfig: &Path, variables: &[(String, String)], namespace: &str, target: &str, arguments: &[String]) -> Run {
    let evidence = scratch("workload").join("evidence.json");
    let output = command()
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .args([
            "workload",
            target,
            "-o",
            "json",
            "-n",
            namespace,
            "--eks-cluster",
            "prod",
            "--region",
            "eu-west-1",
            "--kubeconfig",
        ])
        .arg(kubeconfig)
        .arg("--save")
        .arg(&evidence)
        .args(arguments)
        .output()
        .expect("kaccess runs");
    let stdout = String::from_utf8(output.stdout).expect("UTF-8");
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    let report: Value =
        serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{namespace}: {error}: {stdout}\n{stderr}"));
    crate::support::schema::hold(&report);
    for form in ["json", "table", "yaml", "markdown"] {
        let again = command().args(["workload", "-o", form, "--from"]).arg(&evidence).output().expect("kaccess runs");
        let text = String::from_utf8_lossy(&again.stdout).into_owned();
        assert_eq!(
            again.status.code(),
            output.status.code(),
            "{namespace} {form}: {}",
            String::from_utf8_lossy(&again.stderr)
        );
        assert!(!text.contains(CANARY), "{namespace}: {form} shows what stands in a Secret");
        assert!(form != "json" || text == stdout, "{namespace}: the saved evidence gives another report");
    }
    let saved = std::fs::read_to_string(&evidence).expect("evidence");
    for canary in [CANARY, "canarySecretAccessKey", "canarySessionToken"] {
        assert!(!saved.contains(canary) && !stderr.contains(canary), "{namespace}: {canary} is in the evidence");
    }
    Run { code: output.status.code().unwrap_or(-1), report, stdout, stderr, evidence }
}

/// The spec of a Pod on the node, with the API server's token as admission mounts it.
fn spec(env: Value, mounts: Vec<Value>, volumes: Vec<Value>) -> Value {
    let mut all = vec![
        json!({ "name": "kube-api-access", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "readOnly": true }),
    ];
    all.extend(mounts);
    let mut sources = vec![
        json!({ "name": "kube-api-access", "projected": { "sources": [{ "serviceAccountToken": { "path": "token", "expirationSeconds": 3607 } }] } }),
    ];
    sources.extend(volumes);
    json!({ "serviceAccountName": "api", "nodeName": "node-1", "containers": [{ "name": "app", "image": "shop/api:1", "env": env, "volumeMounts": all }], "volumes": sources })
}

fn plain() -> Value {
    spec(json!([]), vec![], vec![])
}

/// What the webhook injects for IRSA.
fn injected(arn: &str, audience: &str) -> Value {
    spec(
        json!([
            { "name": "AWS_STS_REGIONAL_ENDPOINTS", "value": "regional" },
            { "name": "AWS_REGION", "value": "eu-west-1" },
            { "name": "AWS_ROLE_ARN", "value": arn },
            { "name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": "/var/run/secrets/eks.amazonaws.com/serviceaccount/token" }
        ]),
        vec![
            json!({ "name": "aws-iam-token", "mountPath": "/var/run/secrets/eks.amazonaws.com/serviceaccount", "readOnly": true }),
        ],
        vec![
            json!({ "name": "aws-iam-token", "projected": { "sources": [{ "serviceAccountToken": { "audience": audience, "path": "token", "expirationSeconds": 86400 } }] } }),
        ],
    )
}

/// What the webhook injects for Pod Identity, with further variables.
fn associated(more: &[Value]) -> Value {
    let mut env = vec![
        json!({ "name": "AWS_CONTAINER_CREDENTIALS_FULL_URI", "value": "http://169.254.170.23/v1/credentials" }),
        json!({ "name": "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "value": "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount/eks-pod-identity-token" }),
    ];
    env.extend(more.iter().cloned());
    spec(
        json!(env),
        vec![
            json!({ "name": "eks-pod-identity-token", "mountPath": "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount", "readOnly": true }),
        ],
        vec![
            json!({ "name": "eks-pod-identity-token", "projected": { "sources": [{ "serviceAccountToken": { "audience": "pods.eks.amazonaws.com", "path": "eks-pod-identity-token" } }] } }),
        ],
    )
}

/// A server with a node and the webhook's configuration, which is never called.
fn server(options: Options) -> Option<ApiServer> {
    let lab = lab::require()?;
    let server = ApiServer::start(lab, options.named_secrets());
    server.create_namespace("kube-system");
    for (name, kind) in [("node-1", None), ("fargate-1", Some("fargate"))] {
        let mut labels = json!({ "kubernetes.io/os": "linux" });
        if let Some(kind) = kind {
            labels["eks.amazonaws.com/compute-type"] = json!(kind);
        }
        server.create("/api/v1/nodes", &json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": name, "labels": labels }, "spec": { "providerID": "aws:///eu-west-1a/i-0123456789abcdef0" } }));
    }
    server.create(
        "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations",
        &json!({ "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration", "metadata": { "name": "pod-identity-webhook" },
            "webhooks": [{ "name": "iam-for-pods.amazonaws.com", "failurePolicy": "Ignore", "sideEffects": "None", "admissionReviewVersions": ["v1"],
                "objectSelector": { "matchExpressions": [{ "key": SKIP, "operator": "DoesNotExist" }] },
                "clientConfig": { "url": "https://127.0.0.1:1/mutate" }, "rules": [{ "apiGroups": ["nobody.example.com"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["things"] }] }] }),
    );
    Some(server)
}

/// Runs all worlds and judges them together.
struct Judge {
    faults: Vec<String>,
    called: BTreeSet<String>,
    count: usize,
    terraform: usize,
}

impl Judge {
    /// One world: its codes (the root cause first; none is healthy) and what the containers get.
    fn judge(&mut self, name: &str, world: &mut World<'_>, target: &str, codes: &[&str], kind: &str) -> Run {
        let run = world.look(target);
        self.count += 1;
        self.called.extend(world.aws.calls().into_iter().map(|call| call.action));
        let found = run.codes();
        if found.first().map(String::as_str) != codes.first().copied()
            || codes.iter().any(|code| !found.iter().any(|one| one == code))
        {
            self.faults.push(format!("{name}: expected {codes:?}, found {found:?}: {}", run.report["chain"]));
        }
        if run.report["effective"]["kind"] != kind {
            self.faults.push(format!("{name}: expected {kind}, found {}", run.report["effective"]));
        }
        // What is to go into Terraform can.
        let steps = run.findings().iter().flat_map(|finding| finding["fix"].as_array().cloned().unwrap_or_default());
        for text in steps.filter_map(|step| step["manifest"].as_str().map(str::to_owned)) {
            if text.starts_with("statement {") {
                self.terraform += 1;
                hcl_edit::parser::parse_body(&text).unwrap_or_else(|error| panic!("{name}: {error}: {text}"));
            }
        }
        let bad = run.findings().iter().any(|finding| finding["severity"] == "error") || kind == "none";
        let code = if bad {
            1
        } else if kind == "unknown" {
            2
        } else {
            0
        };
        if run.code != code {
            self.faults.push(format!("{name}: exit code {}, not {code}", run.code));
        }
        for path in world.passing.drain(..).rev() {
            let (status, answer) = world.server.api(
                "DELETE",
                &path,
                Some(&json!({ "kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0 })),
            );
            assert!(status == 200 || status == 202, "{path}: {answer}");
        }
        if kind != "unknown" || !codes.is_empty() {
            record(name, &run, codes);
        }
        run
    }
}

fn link<'a>(run: &'a Run, id: &str) -> &'a Value {
    run.report["chain"]
        .as_array()
        .and_then(|chain| chain.iter().find(|link| link["id"] == id))
        .unwrap_or_else(|| panic!("no link {id} in {}", run.stdout))
}

#[test]
fn every_world_gets_its_identity_and_its_cause() {
    let Some(server) = server(Options::default()) else { return };
    let mut judge = Judge { faults: Vec::new(), called: BTreeSet::new(), count: 0, terraform: 0 };
    let server = &server;
    let named = json!({ "eks.amazonaws.com/role-arn": ROLE });
    let none = json!({});
    let both = json!(["sts:AssumeRole", "sts:TagSession"]);

    // IRSA
    let mut irsa =
        |name: &str, policy: &dyn Fn(&str) -> Value, change: &dyn Fn(&mut World<'_>), codes: &[&str], kind: &str| {
            let mut world = World::new(server, name, json!({}));
            world.account(named.clone(), none.clone()).pod(none.clone(), injected(ROLE, "sts.amazonaws.com"));
            let policy = policy(&world.namespace);
            world.role(ROLE, &policy);
            change(&mut world);
            judge.judge(name, &mut world, "api", codes, kind)
        };
    let healthy = irsa("workload-irsa-healthy", &irsa_policy, &|_| {}, &[], "irsa");
    irsa(
        "workload-irsa-provider-missing",
        &irsa_policy,
        &|world| {
            world.aws.set("iam:ListOpenIDConnectProviders", Answer::Good(json!({ "OpenIDConnectProviderList": [] })));
        },
        &["irsa-provider-missing"],
        "none",
    );
    let other = |condition: Value| {
        move |_: &str| {
            allow(json!({ "Federated": provider() }), json!("sts:AssumeRoleWithWebIdentity"), condition.clone())
        }
    };
    irsa(
        "workload-irsa-other-cluster",
        &|namespace: &str| {
            serde_json::from_str(
                &irsa_policy(namespace).to_string().replace("EXAMPLED539D4633E53DE1B716D3041E", "OTHER"),
            )
            .expect("JSON")
        },
        &|_| {},
        &["irsa-trust-provider-mismatch"],
        "none",
    );
    irsa(
        "workload-irsa-key-swapped",
        &other(
            json!({ "StringEquals": { "oidc.eu-west-1.eks.amazonaws.com/id/EXAMPLED539D4633E53DE1B716D3041E:aud": "sts.amazonaws.com" } }),
        ),
        &|_| {},
        &["irsa-trust-provider-mismatch"],
        "none",
    );
    irsa("workload-irsa-subject", &|_| irsa_policy("elsewhere"), &|_| {}, &["irsa-trust-subject-mismatch"], "none");
    irsa(
        "workload-irsa-wildcard",
        &other(json!({ "StringEquals": { format!("{ISSUER}:sub"): "system:serviceaccount:*:api" } })),
        &|_| {},
        &["irsa-trust-subject-mismatch"],
        "none",
    );
    irsa(
        "workload-irsa-wildcard-like",
        &other(json!({ "StringLike": { format!("{ISSUER}:sub"): "system:serviceaccount:*:api" } })),
        &|_| {},
        &[],
        "irsa",
    );
    irsa(
        "workload-irsa-aud-for-sub",
        &other(json!({ "StringEquals": { format!("{ISSUER}:aud"): "system:serviceaccount:x:api" } })),
        &|_| {},
        &["irsa-trust-audience-mismatch"],
        "none",
    );
    irsa(
        "workload-irsa-role-gone",
        &irsa_policy,
        &|world| {
            world.aws.set(
                "iam:GetRole RoleName=shop-api",
                Answer::Bad(404, "NoSuchEntity", "The role with name shop-api cannot be found."),
            );
        },
        &["irsa-role-not-found"],
        "none",
    );
    // The name is right, and the role's path is missing: IAM finds it, STS does not.
    irsa(
        "workload-irsa-role-path",
        &irsa_policy,
        &|world| {
            let policy = irsa_policy(&world.namespace);
            world.role("arn:aws:iam::111122223333:role/team/shop-api", &policy);
        },
        &["irsa-role-not-found"],
        "none",
    );
    irsa(
        "workload-irsa-issuer-closed",
        &|namespace: &str| {
            serde_json::from_str(&irsa_policy(namespace).to_string().replace(ISSUER, "localhost:1/id/x")).expect("JSON")
        },
        &|world| {
            world.aws.edit("eks:DescribeCluster", "/cluster/identity/oidc/issuer", json!("https://localhost:1/id/x"));
            world.aws.set("iam:ListOpenIDConnectProviders", Answer::Good(json!({ "OpenIDConnectProviderList": [{ "Arn": "arn:aws:iam::111122223333:oidc-provider/localhost:1/id/x" }] })));
        },
        &["irsa-issuer-unreachable"],
        "none",
    );
    let said = irsa(
        "workload-irsa-issuer-said",
        &irsa_policy,
        &|world| {
            world.ask(&["--error", "InvalidIdentityToken: Couldn't retrieve verification key from your identity provider, please reference AssumeRoleWithWebIdentity documentation for requirements"]);
        },
        &["irsa-issuer-unreachable"],
        "irsa",
    );
    let denied = irsa(
        "workload-irsa-role-denied",
        &irsa_policy,
        &|world| {
            world.aws.deny("iam:GetRole RoleName=shop-api");
        },
        &["iam-permission-missing"],
        "irsa",
    );
    let provider_denied = irsa(
        "workload-irsa-provider-denied",
        &irsa_policy,
        &|world| {
            world.aws.deny("iam:ListOpenIDConnectProviders");
        },
        &["iam-permission-missing"],
        "irsa",
    );
    let undecided = irsa(
        "workload-irsa-undecided",
        &other(json!({ "IpAddress": { "aws:SourceIp": "10.0.0.0/8" } })),
        &|_| {},
        &[],
        "irsa",
    );
    irsa(
        "workload-static-keys",
        &irsa_policy,
        &|world| {
            let keys = json!([{ "name": "AWS_ACCESS_KEY_ID", "valueFrom": { "secretKeyRef": { "name": "aws", "key": "AWS_ACCESS_KEY_ID" } } },
            { "name": "AWS_SECRET_ACCESS_KEY", "valueFrom": { "secretKeyRef": { "name": "aws", "key": "AWS_SECRET_ACCESS_KEY" } } }]);
            world.secret("aws", "Opaque");
            let path = format!("/api/v1/namespaces/{}/pods", world.namespace);
            let mut spec = injected(ROLE, "sts.amazonaws.com");
            spec["containers"][0]["env"].as_array_mut().expect("env").extend(keys.as_array().expect("keys").clone());
            let (status, _) = server.api(
                "DELETE",
                &format!("{path}/api"),
                Some(&json!({ "kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0 })),
            );
            assert_eq!(status, 200);
            world.pod(json!({}), spec);
        },
        &["static-keys-shadow-role"],
        "static-keys",
    );
    assert_eq!(healthy.report["effective"]["roleArn"], ROLE);
    assert_eq!(said.report["findings"][0]["confidence"], "certain", "{}", said.stdout);
    assert_eq!(link(&denied, "irsa-role")["ok"], Value::Null);
    assert_eq!(link(&denied, "irsa-role")["needs"], "iam:GetRole");
    assert_eq!(link(&provider_denied, "irsa-provider")["needs"], "iam:ListOpenIDConnectProviders");
    assert!(
        link(&undecided, "irsa-trust")["seen"].as_str().is_some_and(|text| text.contains("aws:SourceIp")),
        "{}",
        undecided.stdout
    );

    let mut one =
        |name: &str, annotations: Value, make: &dyn Fn(&mut World<'_>), target: &str, codes: &[&str], kind: &str| {
            let mut world = World::new(server, name, annotations);
            make(&mut world);
            judge.judge(name, &mut world, target, codes, kind)
        };
    one(
        "workload-irsa-foreign-role",
        json!({}),
        &|world| {
            let arn = "arn:aws:iam::999988887777:role/shop-api";
            world
                .account(json!({ "eks.amazonaws.com/role-arn": arn }), json!({}))
                .pod(json!({}), injected(arn, "sts.amazonaws.com"));
        },
        "api",
        &[],
        "irsa",
    );
    one(
        "workload-irsa-annotation-on-pod",
        json!({}),
        &|world| {
            world.account(json!({}), json!({})).pod(json!({ "eks.amazonaws.com/role-arn": ROLE }), plain());
        },
        "api",
        &["irsa-annotation-missing", "workload-uses-node-role"],
        "node-role",
    );
    one(
        "workload-irsa-annotation-missing",
        json!({}),
        &|world| {
            world.account(json!({}), json!({})).pod(json!({}), plain());
            let policy = irsa_policy(&world.namespace);
            world.role(ROLE, &policy).aws.edit(
                "ec2:DescribeInstances",
                "/reservationSet/0/instancesSet/0/metadataOptions/httpPutResponseHopLimit",
                json!(1),
            );
            world.ask(&["--role", ROLE]);
        },
        "api",
        &["irsa-annotation-missing", "metadata-unreachable"],
        "none",
    );
    one(
        "workload-irsa-not-injected",
        json!({}),
        &|world| {
            world.account(json!({ "eks.amazonaws.com/role-arn": ROLE }), json!({})).pod(json!({}), plain());
            world.deployment(json!({}), json!({}), plain());
            let policy = irsa_policy(&world.namespace);
            world.role(ROLE, &policy);
        },
        "deployment/api",
        &["irsa-not-injected", "workload-uses-node-role"],
        "node-role",
    );
    // The variables are there, and nobody mounted the token that they name.
    let unmounted = |mut spec: Value| {
        spec["containers"][0]["volumeMounts"].as_array_mut().expect("mounts").truncate(1);
        spec["volumes"].as_array_mut().expect("volumes").truncate(1);
        spec
    };
    let by_hand = one(
        "workload-irsa-token-unmounted",
        json!({}),
        &|world| {
            let spec = unmounted(injected(ROLE, "sts.amazonaws.com"));
            world.account(json!({ "eks.amazonaws.com/role-arn": ROLE }), json!({})).pod(json!({}), spec.clone());
            world.deployment(json!({}), json!({}), spec);
            let policy = irsa_policy(&world.namespace);
            world.role(ROLE, &policy);
        },
        "deployment/api",
        &["irsa-not-injected"],
        "none",
    );
    assert_eq!(link(&by_hand, "irsa-token-file")["ok"], false);
    let command = by_hand.findings()[0]["fix"][0]["command"].as_str().unwrap_or_default().to_owned();
    assert!(command.ends_with("-c app AWS_ROLE_ARN- AWS_WEB_IDENTITY_TOKEN_FILE-"), "{command}");
    one(
        "workload-associated-token-unmounted",
        json!({}),
        &|world| {
            world.account(json!({}), json!({})).pod(json!({}), unmounted(associated(&[])));
            world.associated(json!({})).role(ROLE, &pods_policy(both.clone()));
            world.pod_identity_agent();
        },
        "api",
        &["pod-identity-not-injected"],
        "none",
    );
    let skip = json!({ "eks.amazonaws.com/skip-containers": "app" });
    let skipped = one(
        "workload-irsa-skipped",
        json!({}),
        &|world| {
            world.account(json!({ "eks.amazonaws.com/role-arn": ROLE }), json!({})).pod(skip.clone(), plain());
            world.deployment(json!({}), skip.clone(), plain());
            let policy = irsa_policy(&world.namespace);
            world.role(ROLE, &policy);
        },
        "deployment/api",
        &["irsa-not-injected", "workload-uses-node-role"],
        "node-role",
    );
    let command = skipped.findings()[0]["fix"][0]["command"].as_str().unwrap_or_default().to_owned();
    assert!(command.starts_with("kubectl patch deployment api "), "{command}");
    let skipped = one(
        "workload-associated-skipped",
        json!({}),
        &|world| {
            world.account(json!({}), json!({})).pod(skip.clone(), plain());
            world.associated(json!({})).role(ROLE, &pods_policy(both.clone()));
            world.pod_identity_agent();
        },
        "api",
        &["pod-identity-not-injected", "workload-uses-node-role"],
        "node-role",
    );
    let step = skipped.findings()[0]["fix"][0]["text"].as_str().unwrap_or_default().to_owned();
    assert!(step.contains("eks.amazonaws.com/skip-containers"), "{step}");
    let half = one(
        "workload-associated-half-read",
        json!({}),
        &|world| {
            world.account(json!({}), json!({})).pod(json!({}), associated(&[]));
            world.associated(json!({})).aws.deny("eks:DescribePodIdentityAssociation");
            world.pod_identity_agent();
        },
        "api",
        &["iam-permission-missing"],
        "pod-identity",
    );
    assert_eq!(link(&half, "pod-identity-trust")["needs"], "eks:DescribePodIdentityAssociation");
    one(
        "workload-irsa-older-role",
        json!({}),
        &|world| {
            world
                .account(json!({ "eks.amazonaws.com/role-arn": ROLE }), json!({}))
                .pod(json!({}), injected("arn:aws:iam::111122223333:role/older", "sts.amazonaws.com"));
            let policy = irsa_policy(&world.namespace);
            world.role(ROLE, &policy).role("arn:aws:iam::111122223333:role/older", &policy);
        },
        "api",
        &["irsa-not-injected"],
        "irsa",
    );
    one(
        "workload-irsa-audience",
        json!({}),
        &|world| {
            world
                .account(
                    json!({ "eks.amazonaws.com/role-arn": ROLE, "eks.amazonaws.com/audience": "vault" }),
                    json!({}),
                )
                .pod(json!({}), injected(ROLE, "vault"));
            let policy = irsa_policy(&world.namespace);
            world.role(ROLE, &policy);
        },
        "api",
        &["irsa-audience-mismatch", "irsa-trust-audience-mismatch"],
        "none",
    );
    one(
        "workload-role-annotation-typo",
        json!({}),
        &|world| {
            world.account(json!({ "eks.amazonaws.com/role_arn": ROLE }), json!({})).pod(json!({}), plain());
        },
        "api",
        &["role-annotation-typo", "workload-uses-node-role"],
        "node-role",
    );
    one(
        "workload-role-arn-malformed",
        json!({}),
        &|world| {
            world
                .account(json!({ "eks.amazonaws.com/role-arn": "arn:aws:iam:111122223333:role/shop-api" }), json!({}))
                .pod(json!({}), plain());
        },
        "api",
        &["role-annotation-typo", "irsa-not-injected"],
        "node-role",
    );
    one(
        "workload-account-alone",
        json!({}),
        &|world| {
            world.account(json!({ "eks.amazonaws.com/role-arn": ROLE }), json!({}));
            let policy = irsa_policy(&world.namespace);
            world.role(ROLE, &policy);
        },
        "serviceaccount/api",
        &[],
        "irsa",
    );

    // What making the Pods again does not mend: a label that keeps the webhook away, a role that stands in the template.
    let fixes = |run: &Run, code: &str| {
        let finding = run.findings().iter().find(|one| one["code"] == code).expect("the finding");
        finding["fix"].to_string()
    };
    let skipped = one(
        "workload-irsa-skip-label",
        json!({}),
        &|world| {
            world.account(json!({ "eks.amazonaws.com/role-arn": ROLE }), json!({}));
            let labels = json!({ "app": "api", SKIP: "true" });
            let metadata = json!({ "name": "api", "labels": labels });
            let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": plain() });
            world.server.create(&format!("/api/v1/namespaces/{}/pods", world.namespace), &pod);
            let template = json!({ "metadata": { "labels": labels }, "spec": plain() });
            let owner = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "api" },
                "spec": { "replicas": 1, "selector": { "matchLabels": { "app": "api" } }, "template": template } });
            world.server.create(&format!("/apis/apps/v1/namespaces/{}/deployments", world.namespace), &owner);
            let policy = irsa_policy(&world.namespace);
            world.role(ROLE, &policy);
        },
        "deployment/api",
        &["irsa-not-injected", "workload-uses-node-role"],
        "node-role",
    );
    let steps = fixes(&skipped, "irsa-not-injected");
    assert!(steps.contains("kubectl patch deployment api") && !steps.contains("rollout restart"), "{steps}");
    assert!(!fixes(&skipped, "workload-uses-node-role").contains("ROLE-ARN"), "{}", skipped.stdout);
    let older = "arn:aws:iam::111122223333:role/older";
    let by_hand = one(
        "workload-irsa-role-in-template",
        json!({}),
        &|world| {
            world.account(json!({ "eks.amazonaws.com/role-arn": ROLE }), json!({}));
            world.pod(json!({}), injected(older, "sts.amazonaws.com"));
            let template = spec(json!([{ "name": "AWS_ROLE_ARN", "value": older }]), vec![], vec![]);
            world.deployment(json!({}), json!({}), template);
            let policy = irsa_policy(&world.namespace);
            world.role(ROLE, &policy).role(older, &policy);
        },
        "deployment/api",
        &["irsa-not-injected"],
        "irsa",
    );
    let steps = fixes(&by_hand, "irsa-not-injected");
    assert!(steps.contains("kubectl set env deployment/api") && !steps.contains("rollout restart"), "{steps}");
    let beside = one(
        "workload-irsa-two-roles",
        json!({}),
        &|world| {
            let mut spec = injected(ROLE, "sts.amazonaws.com");
            let mut worker = injected(older, "sts.amazonaws.com")["containers"][0].clone();
            worker["name"] = json!("worker");
            spec["containers"].as_array_mut().expect("containers").push(worker);
            world.account(json!({ "eks.amazonaws.com/role-arn": ROLE }), json!({})).pod(json!({}), spec);
            let policy = irsa_policy(&world.namespace);
            world.role(ROLE, &policy).role(older, &policy);
        },
        "api",
        &["irsa-not-injected"],
        "irsa",
    );
    assert_eq!(beside.findings()[0]["confidence"], "likely", "{}", beside.stdout);
    let capitals = one(
        "workload-irsa-capitals",
        json!({}),
        &|world| {
            let named = "arn:aws:iam::111122223333:role/Shop-API";
            world.account(json!({ "eks.amazonaws.com/role-arn": named }), json!({}));
            world.pod(json!({}), injected(named, "sts.amazonaws.com"));
            let policy = irsa_policy(&world.namespace);
            world.aws.set("iam:GetRole RoleName=Shop-API", role(ROLE, &policy));
        },
        "api",
        &["irsa-role-not-found"],
        "irsa",
    );
    assert_eq!(capitals.findings()[0]["confidence"], "possible", "{}", capitals.stdout);
    let unlisted = one(
        "workload-irsa-provider-audience",
        json!({}),
        &|world| {
            world.account(json!({ "eks.amazonaws.com/role-arn": ROLE }), json!({}));
            world.pod(json!({}), injected(ROLE, "sts.amazonaws.com"));
            let policy = irsa_policy(&world.namespace);
            world.role(ROLE, &policy);
            let provider = json!({ "Url": ISSUER, "ClientIDList": ["vault"], "ThumbprintList": [] });
            world.aws.set("iam:GetOpenIDConnectProvider", Answer::Good(provider));
        },
        "api",
        &["irsa-audience-mismatch"],
        "none",
    );
    let steps = fixes(&unlisted, "irsa-audience-mismatch");
    assert!(!steps.contains("eks.amazonaws.com/audience=sts.amazonaws.com"), "{steps}");
    let prefixed = one(
        "workload-irsa-prefixed-secret",
        json!({}),
        &|world| {
            let mut spec = injected(ROLE, "sts.amazonaws.com");
            spec["containers"][0]["envFrom"] = json!([{ "prefix": "DB_", "secretRef": { "name": "database" } }]);
            world.account(json!({ "eks.amazonaws.com/role-arn": ROLE }), json!({})).pod(json!({}), spec);
            world.secret("database", "Opaque");
            let policy = irsa_policy(&world.namespace);
            world.role(ROLE, &policy);
        },
        "api",
        &[],
        "irsa",
    );
    assert!(!prefixed.stdout.contains("envFrom"), "{}", prefixed.stdout);
    let relative = one(
        "workload-relative-endpoint",
        json!({}),
        &|world| {
            let variable = json!({ "name": "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "value": "/creds" });
            world.account(json!({}), json!({})).pod(json!({}), spec(json!([variable]), vec![], vec![]));
        },
        "api",
        &[],
        "unknown",
    );
    assert!(relative.stdout.contains("(AWS_CONTAINER_CREDENTIALS_RELATIVE_URI)"), "{}", relative.stdout);

    // Pod Identity
    let healthy_pod = |world: &mut World<'_>| {
        world.account(json!({}), json!({})).pod(json!({}), associated(&[]));
        world.associated(json!({})).role(ROLE, &pods_policy(json!(["sts:AssumeRole", "sts:TagSession"])));
    };
    one(
        "workload-pod-identity-healthy",
        json!({}),
        &|world| {
            healthy_pod(world);
            world.pod_identity_agent();
        },
        "api",
        &[],
        "pod-identity",
    );
    one(
        "workload-pod-identity-association-gone",
        json!({}),
        &|world| {
            world.account(json!({}), json!({})).pod(json!({}), associated(&[]));
            world.pod_identity_agent();
        },
        "api",
        &["pod-identity-no-association"],
        "none",
    );
    one(
        "workload-pod-identity-no-association",
        json!({}),
        &|world| {
            world.account(json!({}), json!({})).pod(json!({}), plain());
            world.role(ROLE, &pods_policy(both.clone()));
            world.ask(&["--role", ROLE]);
        },
        "api",
        &["pod-identity-no-association", "workload-uses-node-role"],
        "node-role",
    );
    one(
        "workload-pod-identity-agent-missing",
        json!({}),
        &|world| {
            healthy_pod(world);
            world.aws.set(
                "eks:DescribeAddon",
                Answer::Bad(404, "ResourceNotFoundException", "No addon: eks-pod-identity-agent found"),
            );
        },
        "api",
        &["pod-identity-agent-missing"],
        "none",
    );
    one(
        "workload-pod-identity-agent-not-on-node",
        json!({}),
        &|world| {
            healthy_pod(world);
            world.agent("eks-pod-identity-agent", "eks/eks-pod-identity-agent:v0.1.29", &[], 1, None, &[]);
        },
        "api",
        &["pod-identity-agent-missing"],
        "none",
    );
    one(
        "workload-pod-identity-fargate",
        json!({}),
        &|world| {
            let mut spec = associated(&[]);
            spec["nodeName"] = json!("fargate-1");
            world.account(json!({}), json!({})).pod(json!({}), spec);
            world.associated(json!({})).role(ROLE, &pods_policy(both.clone()));
        },
        "api",
        &["pod-identity-agent-missing"],
        "none",
    );
    one(
        "workload-pod-identity-agent-not-ready",
        json!({}),
        &|world| {
            healthy_pod(world);
            world.agent("eks-pod-identity-agent", "eks/eks-pod-identity-agent:v0.1.29", &[], 0, Some(false), &[]);
        },
        "api",
        &["pod-identity-agent-unreachable"],
        "none",
    );
    one(
        "workload-pod-identity-proxy",
        json!({}),
        &|world| {
            let proxy = [
                json!({ "name": "HTTP_PROXY", "value": format!("http://u:{CANARY}@proxy:3128") }),
                json!({ "name": "NO_PROXY", "value": "10.0.0.0/8" }),
            ];
            world.account(json!({}), json!({})).pod(json!({}), associated(&proxy));
            world.associated(json!({})).role(ROLE, &pods_policy(both.clone()));
            world.pod_identity_agent();
        },
        "api",
        &["pod-identity-agent-unreachable"],
        "none",
    );
    one(
        "workload-pod-identity-no-proxy",
        json!({}),
        &|world| {
            let proxy = [
                json!({ "name": "HTTP_PROXY", "value": "http://proxy:3128" }),
                json!({ "name": "NO_PROXY", "value": "10.0.0.0/8,169.254.170.23" }),
            ];
            world.account(json!({}), json!({})).pod(json!({}), associated(&proxy));
            world.associated(json!({})).role(ROLE, &pods_policy(both.clone()));
            world.pod_identity_agent();
        },
        "api",
        &[],
        "pod-identity",
    );
    one(
        "workload-pod-identity-tag-session",
        json!({}),
        &|world| {
            healthy_pod(world);
            world.role(ROLE, &pods_policy(json!("sts:AssumeRole")));
            world.pod_identity_agent();
        },
        "api",
        &["pod-identity-trust-incomplete"],
        "none",
    );
    let target = "arn:aws:iam::111122223333:role/target";
    let external = |id: &str| {
        allow(
            json!({ "AWS": ROLE }),
            json!(["sts:AssumeRole", "sts:TagSession"]),
            json!({ "StringEquals": { "sts:ExternalId": id } }),
        )
    };
    one(
        "workload-pod-identity-target",
        json!({}),
        &|world| {
            healthy_pod(world);
            world.associated(json!({ "targetRoleArn": target, "externalId": "abc" })).role(target, &external("abc"));
            world.pod_identity_agent();
        },
        "api",
        &[],
        "pod-identity",
    );
    one(
        "workload-pod-identity-target-external-id",
        json!({}),
        &|world| {
            healthy_pod(world);
            world.associated(json!({ "targetRoleArn": target, "externalId": "abc" })).role(target, &external("xyz"));
            world.pod_identity_agent();
        },
        "api",
        &["pod-identity-trust-incomplete"],
        "none",
    );
    // The session tags go along to the target, which must allow them.
    let tagged = one(
        "workload-pod-identity-target-tag-session",
        json!({}),
        &|world| {
            healthy_pod(world);
            let policy = allow(
                json!({ "AWS": ROLE }),
                json!("sts:AssumeRole"),
                json!({ "StringEquals": { "sts:ExternalId": "abc" } }),
            );
            world.associated(json!({ "targetRoleArn": target, "externalId": "abc" })).role(target, &policy);
            world.pod_identity_agent();
        },
        "api",
        &["pod-identity-trust-incomplete"],
        "none",
    );
    let steps = fixes(&tagged, "pod-identity-trust-incomplete");
    assert!(steps.contains("sts:TagSession") && steps.contains("sts:ExternalId"), "{steps}");
    // What the owner asks for stays asked for; a tag that is not given cannot be had by another statement.
    let narrowed = |namespace: &str| {
        allow(
            json!({ "Service": "pods.eks.amazonaws.com" }),
            json!(["sts:AssumeRole", "sts:TagSession"]),
            json!({ "StringEquals": { "aws:RequestTag/kubernetes-namespace": namespace } }),
        )
    };
    let elsewhere = one(
        "workload-pod-identity-namespace",
        json!({}),
        &|world| {
            healthy_pod(world);
            world.role(ROLE, &narrowed("elsewhere"));
            world.pod_identity_agent();
        },
        "api",
        &["pod-identity-trust-incomplete"],
        "none",
    );
    let finding = elsewhere.findings()[0].clone();
    assert!(finding["why"].as_str().is_some_and(|why| why.contains("kubernetes-namespace")), "{finding}");
    let fixed = finding["fix"].as_array().expect("steps").iter().find_map(|step| step["manifest"].as_str());
    let fixed: Value = serde_json::from_str(fixed.expect("a policy")).expect("JSON");
    let listed = &fixed["Statement"][0]["Condition"]["StringEquals"]["aws:RequestTag/kubernetes-namespace"];
    assert_eq!(fixed["Statement"].as_array().map(Vec::len), Some(1), "{fixed}");
    assert_eq!(listed, &json!(["elsewhere", "pod-identity-namespace"]), "{fixed}");
    let off = one(
        "workload-pod-identity-tags-off",
        json!({}),
        &|world| {
            healthy_pod(world);
            world.associated(json!({ "disableSessionTags": true }));
            world.role(ROLE, &narrowed("pod-identity-tags-off"));
            world.pod_identity_agent();
        },
        "api",
        &["pod-identity-trust-incomplete"],
        "none",
    );
    let steps = fixes(&off, "pod-identity-trust-incomplete");
    assert!(steps.contains("--no-disable-session-tags") && !steps.contains("trust.json"), "{steps}");
    let young = one(
        "workload-pod-identity-not-injected",
        json!({}),
        &|world| {
            world.account(json!({}), json!({})).pod(json!({}), plain());
            world.associated(json!({ "createdAt": 1_735_689_600.0 })).role(ROLE, &pods_policy(both.clone()));
            world.pod_identity_agent();
        },
        "api",
        &["pod-identity-not-injected", "workload-uses-node-role"],
        "node-role",
    );
    let saved = std::fs::read_to_string(&young.evidence).expect("evidence");
    assert!(saved.contains("\"createdAt\": \"2025-01-01T00:00:00Z\""), "{saved}");
    let why = young.finding("pod-identity-not-injected")["why"].as_str().unwrap_or_default();
    assert!(why.contains("its age is not why"), "{why}");
    one(
        "workload-pod-identity-shadows-irsa",
        json!({}),
        &|world| {
            world
                .account(json!({ "eks.amazonaws.com/role-arn": "arn:aws:iam::111122223333:role/older" }), json!({}))
                .pod(json!({}), associated(&[]));
            world.associated(json!({})).role(ROLE, &pods_policy(both.clone()));
            world.pod_identity_agent();
        },
        "api",
        &["pod-identity-shadows-irsa"],
        "pod-identity",
    );
    let denied = one(
        "workload-pod-identity-denied",
        json!({}),
        &|world| {
            world.account(json!({}), json!({})).pod(json!({}), associated(&[]));
            world.aws.deny("eks:ListPodIdentityAssociations");
            world.pod_identity_agent();
        },
        "api",
        &["iam-permission-missing"],
        "pod-identity",
    );
    assert_eq!(link(&denied, "pod-identity-association")["ok"], Value::Null);
    assert_eq!(link(&denied, "pod-identity-association")["needs"], "eks:ListPodIdentityAssociations");

    // kiam
    let permitted = json!({ "iam.amazonaws.com/permitted": "arn:aws:iam::111122223333:role/shop-.*" });
    let kiam_args = [format!("--assume-role-arn={SERVER}"), "--session-duration=60m".to_owned()];
    let kiam_args: Vec<&str> = kiam_args.iter().map(String::as_str).collect();
    let by_kiam = |world: &mut World<'_>| {
        world.account(json!({}), json!({})).pod(json!({ "iam.amazonaws.com/role": "shop-api" }), plain());
        world.role(ROLE, &role_policy(SERVER));
    };
    let kiam = one(
        "workload-kiam",
        permitted.clone(),
        &|world| {
            by_kiam(world);
            world.kiam(&kiam_args, 1, &[]);
        },
        "api",
        &["kiam-abandoned"],
        "kiam",
    );
    assert_eq!(kiam.codes(), ["kiam-abandoned"]);
    assert_eq!(kiam.report["effective"]["roleArn"], ROLE);
    one(
        "workload-kiam-not-permitted",
        json!({}),
        &|world| {
            by_kiam(world);
            world.kiam(&kiam_args, 1, &[]);
        },
        "api",
        &["kiam-namespace-not-permitted"],
        "none",
    );
    one(
        "workload-kiam-name-for-arn",
        json!({ "iam.amazonaws.com/permitted": "shop-.*" }),
        &|world| {
            by_kiam(world);
            world.kiam(&kiam_args, 1, &[]);
        },
        "api",
        &["kiam-namespace-not-permitted"],
        "none",
    );
    one(
        "workload-kiam-role-missing",
        permitted.clone(),
        &|world| {
            world.account(json!({}), json!({})).pod(json!({ "iam.amazonaws.com/role": "shop-gone" }), plain());
            world.kiam(&kiam_args, 1, &[]);
        },
        "api",
        &["kiam-role-missing"],
        "none",
    );
    one(
        "workload-kiam-tls",
        permitted.clone(),
        &|world| {
            by_kiam(world);
            world.kiam(&kiam_args, 1, &["kiam-server-tls"]);
        },
        "api",
        &["kiam-tls-invalid"],
        "none",
    );
    one(
        "workload-kiam-server",
        permitted.clone(),
        &|world| {
            by_kiam(world);
            world.kiam(&kiam_args, 0, &[]);
        },
        "api",
        &["kiam-server-unreachable"],
        "none",
    );
    one(
        "workload-kiam-trust",
        permitted.clone(),
        &|world| {
            by_kiam(world);
            world.role(ROLE, &role_policy("arn:aws:iam::111122223333:role/nodes"));
            world.kiam(&kiam_args, 1, &[]);
        },
        "api",
        &["kiam-trust-mismatch"],
        "none",
    );
    one(
        "workload-kiam-session",
        permitted.clone(),
        &|world| {
            by_kiam(world);
            world.kiam(&kiam_args[..1], 1, &[]);
        },
        "api",
        &["kiam-abandoned", "kiam-session-too-short"],
        "kiam",
    );
    one(
        "workload-role-misplaced",
        permitted.clone(),
        &|world| {
            world.account(json!({}), json!({})).pod(json!({}), plain());
            world.deployment(json!({ "iam.amazonaws.com/role": "shop-api" }), json!({}), plain());
            world.kiam(&kiam_args, 1, &[]);
        },
        "deployment/api",
        &["role-annotation-misplaced"],
        "none",
    );

    // kube2iam
    let by_kube2iam = |world: &mut World<'_>, role: &str, args: &[&str]| {
        world.account(json!({}), json!({})).pod(json!({ "iam.amazonaws.com/role": role }), plain());
        world.role(ROLE, &role_policy("arn:aws:iam::111122223333:role/nodes"));
        world.agent("kube2iam", "jtblin/kube2iam:0.12.1", args, 1, Some(true), &[]);
    };
    let base = "--base-role-arn=arn:aws:iam::111122223333:role/";
    one(
        "workload-kube2iam",
        json!({}),
        &|world| by_kube2iam(world, "shop-api", &[base, "--iptables=true"]),
        "api",
        &[],
        "kube2iam",
    );
    one(
        "workload-kube2iam-allowed",
        json!({ "iam.amazonaws.com/allowed-roles": "[\"shop-*\"]" }),
        &|world| by_kube2iam(world, "shop-api", &[base, "--namespace-restrictions"]),
        "api",
        &[],
        "kube2iam",
    );
    one(
        "workload-kube2iam-not-allowed",
        json!({ "iam.amazonaws.com/allowed-roles": "[\"other-*\"]" }),
        &|world| by_kube2iam(world, "shop-api", &[base, "--namespace-restrictions"]),
        "api",
        &["kube2iam-namespace-not-allowed"],
        "none",
    );
    one(
        "workload-kube2iam-role-name",
        json!({}),
        &|world| by_kube2iam(world, "shop-api", &["--iptables=true"]),
        "api",
        &["kube2iam-role-invalid"],
        "none",
    );
    let untrusted = one(
        "workload-kube2iam-untrusted",
        json!({}),
        &|world| {
            by_kube2iam(world, "shop-api", &[base, "--iptables=true"]);
            world.role(ROLE, &role_policy("arn:aws:iam::111122223333:role/old-nodes"));
        },
        "api",
        &["kube2iam-role-invalid"],
        "none",
    );
    // The policy that the report shows mends it.
    let fixed = untrusted.findings()[0]["fix"].as_array().expect("steps").clone();
    let policy = fixed.iter().find_map(|step| step["manifest"].as_str()).expect("a policy");
    one(
        "workload-kube2iam-trusted-now",
        json!({}),
        &|world| {
            by_kube2iam(world, "shop-api", &[base, "--iptables=true"]);
            world.role(ROLE, &serde_json::from_str(policy).expect("JSON"));
        },
        "api",
        &[],
        "kube2iam",
    );
    let unseen = one(
        "workload-kube2iam-node-role-denied",
        json!({}),
        &|world| {
            by_kube2iam(world, "shop-api", &[base, "--iptables=true"]);
            world.role(ROLE, &role_policy("arn:aws:iam::111122223333:role/old-nodes"));
            world.aws.deny("iam:GetInstanceProfile");
        },
        "api",
        &["iam-permission-missing"],
        "kube2iam",
    );
    assert_eq!(link(&unseen, "kube2iam-trust")["ok"], Value::Null);
    assert_eq!(link(&unseen, "kube2iam-trust")["needs"], "iam:GetInstanceProfile");

    // An agent that runs in the cluster, and not for this Pod: no Pod of it on the node, hostNetwork, Fargate.
    let by_node = |run: &Run, agent: &str| {
        assert_eq!(link(run, agent)["ok"], Value::Bool(false), "{}", run.stdout);
        let found = run.findings();
        let finding = found.iter().find(|one| one["code"] == "workload-uses-node-role").expect("the finding");
        let steps = finding["fix"].as_array().expect("steps");
        assert!(
            steps.iter().any(|step| step["command"].as_str().is_some_and(|text| text.ends_with(ROLE))),
            "{steps:?}"
        );
    };
    let missing = one(
        "workload-kube2iam-not-on-node",
        json!({}),
        &|world| {
            world.account(json!({}), json!({})).pod(json!({ "iam.amazonaws.com/role": "shop-api" }), plain());
            world.role(ROLE, &role_policy("arn:aws:iam::111122223333:role/old-nodes"));
            world.agent("kube2iam", "jtblin/kube2iam:0.12.1", &[base], 1, None, &[]);
        },
        "api",
        &["workload-uses-node-role"],
        "node-role",
    );
    by_node(&missing, "kube2iam-agent");
    let missing = one(
        "workload-kiam-not-on-node",
        permitted.clone(),
        &|world| {
            by_kiam(world);
            world.agent("kiam-agent", "quay.io/uswitch/kiam:v4.2", &["agent"], 1, None, &[]);
            let words: Vec<&str> = ["server"].into_iter().chain(kiam_args.iter().copied()).collect();
            world.agent("kiam-server", "quay.io/uswitch/kiam:v4.2", &words, 1, None, &[]);
        },
        "api",
        &["workload-uses-node-role", "kiam-abandoned"],
        "node-role",
    );
    by_node(&missing, "kiam-agent");
    let on_host = |spec: &mut Value| spec["hostNetwork"] = json!(true);
    let beside = one(
        "workload-kube2iam-host-network",
        json!({}),
        &|world| {
            by_kube2iam(world, "shop-api", &[base, "--iptables=true"]);
            let mut spec = plain();
            on_host(&mut spec);
            world.pod_named("host", json!({ "iam.amazonaws.com/role": "shop-api" }), spec);
        },
        "host",
        &["workload-uses-node-role"],
        "node-role",
    );
    by_node(&beside, "kube2iam-agent");
    // Whom its server may become is no matter to a Pod that no agent answers.
    let beside = one(
        "workload-kiam-host-network",
        permitted.clone(),
        &|world| {
            let mut spec = plain();
            on_host(&mut spec);
            world.account(json!({}), json!({})).pod(json!({ "iam.amazonaws.com/role": "shop-api" }), spec);
            world.role(ROLE, &role_policy("arn:aws:iam::111122223333:role/nodes"));
            world.kiam(&kiam_args, 1, &[]);
        },
        "api",
        &["workload-uses-node-role", "kiam-abandoned"],
        "node-role",
    );
    by_node(&beside, "kiam-agent");
    assert!(!beside.codes().iter().any(|code| code == "kiam-trust-mismatch"), "{}", beside.stdout);
    let fargate = one(
        "workload-kiam-on-fargate",
        permitted.clone(),
        &|world| {
            let mut spec = plain();
            spec["nodeName"] = json!("fargate-1");
            world.account(json!({}), json!({})).pod(json!({ "iam.amazonaws.com/role": "shop-api" }), spec);
            world.role(ROLE, &role_policy(SERVER));
            world.kiam(&kiam_args, 1, &[]);
        },
        "api",
        &["metadata-unreachable", "kiam-abandoned"],
        "none",
    );
    assert!(fargate.stdout.contains("Fargate"), "{}", fargate.stdout);

    // What goes before: a sidecar without credentials, a whole Secret as variables, kiam's leftovers beside IRSA.
    one(
        "workload-irsa-behind-sidecar",
        json!({}),
        &|world| {
            let mut spec = injected(ROLE, "sts.amazonaws.com");
            let containers = spec["containers"].as_array_mut().expect("containers");
            let mounts = json!([{ "name": "kube-api-access", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "readOnly": true }]);
            containers.insert(0, json!({ "name": "istio-proxy", "image": "istio/proxyv2:1", "volumeMounts": mounts }));
            world.account(json!({ "eks.amazonaws.com/role-arn": ROLE }), json!({})).pod(json!({}), spec);
            let policy = irsa_policy(&world.namespace);
            world.role(ROLE, &policy);
        },
        "api",
        &[],
        "irsa",
    );
    one(
        "workload-whole-secret",
        json!({}),
        &|world| {
            let mut spec = plain();
            spec["containers"][0]["envFrom"] =
                json!([{ "secretRef": { "name": "aws" } }, { "configMapRef": { "name": "app" } }]);
            world.account(json!({}), json!({})).pod(json!({}), spec);
            world.secret("aws", "Opaque").config_map("app", &["LOG_LEVEL"]);
        },
        "api",
        &[],
        "unknown",
    );
    // Access keys in it would go before IRSA and Pod Identity; a Secret that is not there holds none.
    let whole = |spec: &mut Value| {
        spec["containers"][0]["envFrom"] = json!([{ "secretRef": { "name": "aws", "optional": true } }])
    };
    for (there, kind) in [(true, "unknown"), (false, "irsa")] {
        let run = one(
            if there { "workload-irsa-whole-secret" } else { "workload-irsa-whole-secret-absent" },
            json!({}),
            &|world| {
                let mut spec = injected(ROLE, "sts.amazonaws.com");
                whole(&mut spec);
                world.account(json!({ "eks.amazonaws.com/role-arn": ROLE }), json!({})).pod(json!({}), spec);
                let policy = irsa_policy(&world.namespace);
                world.role(ROLE, &policy);
                if there {
                    world.secret("aws", "Opaque");
                }
            },
            "api",
            &[],
            kind,
        );
        let why = run.report["effective"]["why"].as_str().expect("why").to_owned();
        assert_eq!(there, why.contains("Secret aws (envFrom)"), "{why}");
    }
    one(
        "workload-pod-identity-whole-config-map",
        json!({}),
        &|world| {
            let mut spec = associated(&[]);
            spec["containers"][0]["envFrom"] = json!([{ "configMapRef": { "name": "app" } }]);
            world.account(json!({}), json!({})).pod(json!({}), spec);
            world.associated(json!({})).role(ROLE, &pods_policy(both.clone()));
            world.config_map("app", &["AWS_REGION", "LOG_LEVEL"]);
            world.pod_identity_agent();
        },
        "api",
        &[],
        "pod-identity",
    );
    one(
        "workload-irsa-config-map-with-keys",
        json!({}),
        &|world| {
            let mut spec = injected(ROLE, "sts.amazonaws.com");
            spec["containers"][0]["envFrom"] = json!([{ "configMapRef": { "name": "app" } }]);
            world.account(json!({ "eks.amazonaws.com/role-arn": ROLE }), json!({})).pod(json!({}), spec);
            let policy = irsa_policy(&world.namespace);
            world.role(ROLE, &policy);
            world.config_map("app", &["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "LOG_LEVEL"]);
        },
        "api",
        &["static-keys-shadow-role"],
        "static-keys",
    );
    one(
        "workload-irsa-past-kiam",
        json!({ "iam.amazonaws.com/permitted": "other-.*" }),
        &|world| {
            world.account(json!({ "eks.amazonaws.com/role-arn": ROLE }), json!({}));
            world.pod(json!({ "iam.amazonaws.com/role": "shop-api" }), injected(ROLE, "sts.amazonaws.com"));
            let policy = irsa_policy(&world.namespace);
            world.role(ROLE, &policy);
            world.kiam(&kiam_args, 1, &[]);
        },
        "api",
        &["kiam-abandoned"],
        "irsa",
    );

    // The metadata service
    one(
        "workload-node-role",
        json!({}),
        &|world| {
            world.account(json!({}), json!({})).pod(json!({}), plain());
        },
        "api",
        &["workload-uses-node-role"],
        "node-role",
    );
    one(
        "workload-metadata-closed",
        json!({}),
        &|world| {
            world.account(json!({}), json!({})).pod(json!({}), plain());
            world.aws.edit(
                "ec2:DescribeInstances",
                "/reservationSet/0/instancesSet/0/metadataOptions/httpEndpoint",
                json!("disabled"),
            );
        },
        "api",
        &["metadata-unreachable"],
        "none",
    );
    let unknown = one(
        "workload-metadata-denied",
        json!({}),
        &|world| {
            world.account(json!({}), json!({})).pod(json!({}), plain());
            world.aws.deny("ec2:DescribeInstances");
        },
        "api",
        &["iam-permission-missing"],
        "unknown",
    );
    assert_eq!(link(&unknown, "metadata")["needs"], "ec2:DescribeInstances");

    // The service account itself; the healthy twins have a role, so that nothing else is found.
    let with_role = |world: &mut World<'_>, account: Value, annotations: Value, change: &dyn Fn(&mut Value)| {
        let mut all = json!({ "eks.amazonaws.com/role-arn": ROLE });
        for (key, value) in annotations.as_object().into_iter().flatten() {
            all[key] = value.clone();
        }
        let mut spec = injected(ROLE, "sts.amazonaws.com");
        change(&mut spec);
        world.account(all, account).pod(json!({}), spec);
        let policy = irsa_policy(&world.namespace);
        world.role(ROLE, &policy);
    };
    let uses = |spec: &mut Value| spec["containers"][0]["envFrom"] = json!([{ "secretRef": { "name": "database" } }]);
    let enforced = json!({ "kubernetes.io/enforce-mountable-secrets": "true" });
    one(
        "workload-secret-not-mountable",
        json!({}),
        &|world| {
            with_role(world, json!({ "secrets": [{ "name": "other" }] }), enforced.clone(), &uses);
            world.secret("database", "Opaque");
        },
        "api",
        &["secret-not-mountable"],
        "unknown",
    );
    one(
        "workload-secret-mountable",
        json!({}),
        &|world| {
            with_role(world, json!({ "secrets": [{ "name": "database" }] }), enforced.clone(), &uses);
            world.secret("database", "Opaque");
        },
        "api",
        &[],
        "unknown",
    );
    let pulls = |spec: &mut Value| spec["imagePullSecrets"] = json!([{ "name": "registry" }]);
    one(
        "workload-pull-secret-missing",
        json!({}),
        &|world| with_role(world, json!({}), json!({}), &pulls),
        "api",
        &["image-pull-secret-missing"],
        "irsa",
    );
    one(
        "workload-pull-secret-type",
        json!({}),
        &|world| {
            with_role(world, json!({}), json!({}), &pulls);
            world.secret("registry", "Opaque");
        },
        "api",
        &["image-pull-secret-missing"],
        "irsa",
    );
    one(
        "workload-pull-secret",
        json!({}),
        &|world| {
            with_role(world, json!({}), json!({}), &pulls);
            world.secret("registry", "kubernetes.io/dockerconfigjson");
        },
        "api",
        &[],
        "irsa",
    );
    let bare = |spec: &mut Value| {
        spec["containers"][0]["volumeMounts"].as_array_mut().expect("mounts").remove(0);
        spec["automountServiceAccountToken"] = json!(false);
    };
    one(
        "workload-token-not-mounted",
        json!({}),
        &|world| {
            with_role(world, json!({}), json!({}), &bare);
            world.ask(&[
                "--error",
                "open /var/run/secrets/kubernetes.io/serviceaccount/token: no such file or directory",
            ]);
        },
        "api",
        &["service-account-token-not-mounted"],
        "irsa",
    );
    one(
        "workload-token-switched-off",
        json!({}),
        &|world| with_role(world, json!({}), json!({}), &bare),
        "api",
        &[],
        "irsa",
    );

    assert!(judge.faults.is_empty(), "{}", judge.faults.join("\n"));
    assert!(judge.count >= 40, "only {} worlds", judge.count);
    assert!(judge.terraform >= 8, "only {} in Terraform", judge.terraform);
    let expected: BTreeSet<String> = ACTIONS.iter().map(|action| (*action).to_owned()).collect();
    assert_eq!(judge.called, expected);
}

#[test]
fn what_may_not_be_read_is_unknown_and_what_is_not_there_is_no_answer() {
    let Some(server) = server(Options::default()) else { return };
    let mut world = World::new(&server, "rights", json!({}));
    world
        .account(json!({ "eks.amazonaws.com/role-arn": ROLE }), json!({}))
        .pod(json!({}), injected(ROLE, "sts.amazonaws.com"));
    let policy = irsa_policy(&world.namespace);
    world.role(ROLE, &policy);
    // Somebody who may read Pods, and nothing else.
    server.create_reader_role();
    let token = server.create_service_account_token("rights", "reader");
    server.grant_reader("User", "reads", "system:serviceaccount:rights:reader");
    let run = run(&server.kubeconfig_for_token("reader", &token), &world.aws.variables(), "rights", "api", &[]);
    assert_eq!(run.codes(), Vec::<String>::new(), "{}", run.stdout);
    assert_eq!(link(&run, "service-account")["ok"], Value::Null);
    assert_eq!(link(&run, "service-account")["needs"], "get on serviceaccounts in namespace rights");
    assert_eq!(run.report["effective"]["kind"], "irsa");
    // What is not there, and what is no kind of workload.
    for (target, text) in [
        ("nobody", "not found"),
        ("deployment/nobody", "not found"),
        ("serviceaccount/nobody", "not found"),
        ("service/x", "no kind"),
    ] {
        let output = command()
            .args(["workload", target, "-n", "rights", "--no-aws", "--kubeconfig"])
            .arg(server.admin_kubeconfig())
            .output()
            .expect("kaccess runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{target}: {said}");
        assert!(said.contains(text), "{target}: {said}");
        assert_eq!(said.contains("lists those there are"), text == "not found", "{target}: {said}");
        assert!(!said.contains("kaccess doctor"), "{target}: {said}");
    }
    world.ask(&[]);
}

/// 5,000 annotated Pods, and owners that own each other.
#[test]
fn a_large_cluster_is_planned_in_seconds() {
    let Some(server) = server(Options::default()) else { return };
    let mut world = World::new(&server, "large", json!({}));
    world.agent(
        "kube2iam",
        "jtblin/kube2iam:0.12.1",
        &["--base-role-arn=arn:aws:iam::111122223333:role/"],
        1,
        Some(true),
        &[],
    );
    server.create_all((0..5_000).map(|index| {
        let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": format!("p-{index}"), "annotations": { "iam.amazonaws.com/role": format!("role-{}", index % 7) } },
            "spec": { "containers": [{ "name": "app", "image": "x" }] } });
        ("/api/v1/namespaces/large/pods".to_owned(), pod)
    }));
    world.deployment(json!({}), json!({ "iam.amazonaws.com/role": "shop-api" }), plain());
    let plan = |more: &[&str]| {
        let output = command()
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .envs(world.aws.variables())
            .args(["workload", "--plan-migration", "--eks-cluster", "prod", "--region", "eu-west-1", "--kubeconfig"])
            .arg(server.admin_kubeconfig())
            .args(more)
            .output()
            .expect("kaccess runs");
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    let text = within(Duration::from_secs(30), || plan(&["-o", "json"]));
    let told: Value = serde_json::from_str(&text).expect("JSON");
    crate::support::schema::hold(&told);
    let workloads = told["workloads"].as_array().expect("workloads");
    assert_eq!(workloads.len(), 5_001);
    assert_eq!(told["from"], json!(["kube2iam"]));
    let deployment = workloads.iter().find(|one| one["kind"] == "Deployment").expect("the deployment");
    assert_eq!(deployment["roleArn"], ROLE);
    assert_eq!(deployment["serviceAccount"], "api");
    let steps = deployment["steps"].to_string();
    assert!(
        steps.contains("create-pod-identity-association --cluster-name prod --namespace large --service-account api"),
        "{steps}"
    );
    assert!(steps.contains("kubectl patch deployment api -n large"), "{steps}");
    let irsa = plan(&["--to", "irsa"]);
    assert!(irsa.contains(&format!("eks.amazonaws.com/role-arn={ROLE}")), "no annotation");

    // Two ReplicaSets that own each other, and a Pod of theirs.
    let owned = |kind: &str, name: &str, by: &str, spec: Value| {
        let api = if kind == "Pod" { "v1" } else { "apps/v1" };
        json!({ "apiVersion": api, "kind": kind, "metadata": { "name": name, "labels": { "app": "ring" }, "ownerReferences": [{ "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": by, "uid": "00000000-0000-0000-0000-000000000001", "controller": true }] }, "spec": spec })
    };
    let set = json!({ "selector": { "matchLabels": { "app": "ring" } }, "template": { "metadata": { "labels": { "app": "ring" } }, "spec": { "containers": [{ "name": "app", "image": "x" }] } } });
    for (name, by) in [("ring-a", "ring-b"), ("ring-b", "ring-a")] {
        server.create("/apis/apps/v1/namespaces/large/replicasets", &owned("ReplicaSet", name, by, set.clone()));
    }
    server.create(
        "/api/v1/namespaces/large/pods",
        &owned("Pod", "ring", "ring-a", json!({ "containers": [{ "name": "app", "image": "x" }] })),
    );
    let output = within(Duration::from_secs(10), || {
        command()
            .args(["workload", "ring", "-n", "large", "--no-aws", "-o", "json", "--kubeconfig"])
            .arg(server.admin_kubeconfig())
            .output()
            .expect("kaccess runs")
    });
    assert!(output.status.code().is_some_and(|code| code > 0), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn the_certificate_of_kiams_server_is_judged_where_it_can_be_reached() {
    // The addresses of Services lie on the loopback network here, so that one of them leads to a server of the test's.
    let options = Options::default().flag("--service-cluster-ip-range=127.77.0.0/24");
    let Some(server) = server(options) else { return };
    let mut judge = Judge { faults: Vec::new(), called: BTreeSet::new(), count: 0, terraform: 0 };
    let ca = authority("kiam");
    let in_force = server_params("kiam-server", &["kiam-server"]);
    let mut expired = in_force.clone();
    expired.not_after = rcgen::date_time_ymd(2021, 1, 1);
    let elsewhere = server_params("kiam-server", &["kiam-server.other"]);
    let mut shown = Vec::new();
    for (number, (name, params, codes, kind)) in [
        ("workload-kiam-served", Some(&in_force), &["kiam-abandoned"][..], "kiam"),
        ("workload-kiam-served-expired", Some(&expired), &["kiam-tls-invalid", "kiam-abandoned"], "none"),
        ("workload-kiam-served-name", Some(&elsewhere), &["kiam-tls-invalid", "kiam-abandoned"], "none"),
        ("workload-kiam-served-unreached", None, &["kiam-abandoned"], "kiam"),
    ]
    .into_iter()
    .enumerate()
    {
        let address = format!("127.77.0.{}", 10 + number);
        let stage = params.map(|params| Stage::tls_at(&address, &signed(&ca, params), healthy_api()));
        let port = stage.as_ref().map_or(9, |stage| stage.port);
        let services = "/api/v1/namespaces/kube-system/services";
        server.create(
            services,
            &json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "kiam-server" },
                "spec": { "clusterIP": address, "ports": [{ "port": port }] } }),
        );
        let mut world = World::new(
            &server,
            name,
            json!({ "iam.amazonaws.com/permitted": "arn:aws:iam::111122223333:role/shop-.*" }),
        );
        world.passing.push(format!("{services}/kiam-server"));
        world.account(json!({}), json!({})).pod(json!({ "iam.amazonaws.com/role": "shop-api" }), plain());
        world.role(ROLE, &role_policy(SERVER));
        let assume = format!("--assume-role-arn={SERVER}");
        world.kiam_dialling(&format!("kiam-server:{port}"), &[&assume, "--session-duration=60m"], 1, &[]);
        let run = judge.judge(name, &mut world, "api", codes, kind);
        let link = link(&run, "kiam-certificate");
        shown.push((link["ok"].clone(), link["seen"].as_str().unwrap_or_default().to_owned()));
    }
    assert!(judge.faults.is_empty(), "{}", judge.faults.join("\n"));
    let verdicts: Vec<&Value> = shown.iter().map(|(ok, _)| ok).collect();
    assert_eq!(verdicts, [&json!(true), &json!(false), &json!(false), &Value::Null], "{shown:?}");
    assert!(shown[1].1.contains("expired"), "{shown:?}");
    assert!(shown[2].1.contains("kiam-server.other"), "{shown:?}");
    assert!(shown[3].1.contains("could not be reached from here"), "{shown:?}");
}

#[test]
fn doctor_warns_where_kiam_runs_and_is_silent_where_it_does_not() {
    let Some(server) = server(Options::default()) else { return };
    let mut world = World::new(&server, "workload-doctor", json!({}));
    let rbac = "/apis/rbac.authorization.k8s.io/v1";
    let role = json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": { "name": "agents" },
        "rules": [{ "apiGroups": ["apps"], "resources": ["daemonsets"], "verbs": ["list"] }] });
    server.create(&format!("{rbac}/clusterroles"), &role);
    let binding = json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": { "name": "agents" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "agents" },
        "subjects": [{ "kind": "ServiceAccount", "name": "api", "namespace": world.namespace }] });
    server.create(&format!("{rbac}/clusterrolebindings"), &binding);
    server.settle();
    world.account(json!({}), json!({}));
    let config = server.kubeconfig_for_token("shopper", &server.create_service_account_token(&world.namespace, "api"));
    let doctor = || crate::support::run::doctor(&config, &[]);
    world.agent("eks-pod-identity-agent", "eks/eks-pod-identity-agent:v0.1", &["server"], 1, None, &[]);
    let healthy = doctor();
    assert_eq!(healthy.codes(), Vec::<String>::new(), "{}", healthy.stdout);
    world.kiam(&["--session-duration=60m"], 1, &[]);
    let warned = doctor();
    assert_eq!(warned.codes(), ["kiam-abandoned"], "{}", warned.stdout);
    assert_eq!(warned.code, 0);
    record("kiam-in-the-cluster", &warned, &["kiam-abandoned"]);
    record("pod-identity-agent-in-the-cluster", &healthy, &[]);
}

/// Where no identity is known, and where there is none, the short form says so and why; no finding is no health.
#[test]
fn the_short_form_says_where_nothing_is_known() {
    use kaccess::report::workload::{Effective, Target, WorkloadIdentity};
    for (kind, expected) in [
        ("unknown", "ServiceAccount dev/bot: unknown: the Pod could not be read\n"),
        ("none", "ServiceAccount dev/bot: none: the Pod could not be read\n"),
        ("irsa", "ServiceAccount dev/bot: irsa arn:aws:iam::111122223333:role/bot: no finding\n"),
    ] {
        let told = WorkloadIdentity {
            target: Target {
                kind: "ServiceAccount".to_owned(),
                namespace: "dev".to_owned(),
                name: "bot".to_owned(),
                pod: None,
            },
            service_account: "dev/bot".to_owned(),
            effective: Effective {
                kind,
                role_arn: Some("arn:aws:iam::111122223333:role/bot".to_owned()),
                why: "the Pod could not be read".to_owned(),
            },
            intended: Vec::new(),
            chain: Vec::new(),
            findings: Vec::new(),
        };
        let mut out = Vec::new();
        kaccess::render::workload::short(&told, &[], &mut out).expect("a line");
        assert_eq!(String::from_utf8(out).expect("UTF-8"), expected);
    }
}
