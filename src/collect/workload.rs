//! Pods, their owners, service accounts and what hands out AWS credentials, read from the cluster.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::Roots;
use super::apiserver::Api;
use super::objects::{Bounds, Listed, encoded, items, paged, pages, read, refused, text};
use super::tls::TlsSettings;
use super::wire::{Destination, Limits, Wire};
use crate::evidence::workload::{
    Agent, AgentPod, Container, Event, Issuer, KiamServer, Namespace, Node, Owner, Pod, ProjectedToken, SecretFacts,
    ServiceAccount, Target, Template, Variable, Volume, Webhook, flag, is_kept, is_kept_label,
};
use crate::evidence::{Failure, FailureKind};
use crate::host::Host;
use crate::secret::Scrubber;

/// How long kiam's server is waited for: from outside the cluster its address mostly leads nowhere.
const KIAM_LIMIT: Duration = Duration::from_secs(2);
/// How many owners are followed upwards: a Pod, its ReplicaSet, its Deployment, and one of somebody's own.
const OWNERS_LIMIT: usize = 4;
/// Variables whose values name roles, files, addresses and regions, and never a secret.
const VALUES: &[&str] = &[
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_ROLE_SESSION_NAME",
    "AWS_STS_REGIONAL_ENDPOINTS",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_PROFILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_EC2_METADATA_DISABLED",
    "NO_PROXY",
    "no_proxy",
];

/// The kinds that make Pods: kind, path of the API, names on a command line.
const KINDS: &[(&str, &str, &[&str])] = &[
    ("Deployment", "apis/apps/v1", &["deployment", "deployments", "deploy"]),
    ("StatefulSet", "apis/apps/v1", &["statefulset", "statefulsets", "sts"]),
    ("DaemonSet", "apis/apps/v1", &["daemonset", "daemonsets", "ds"]),
    ("ReplicaSet", "apis/apps/v1", &["replicaset", "replicasets", "rs"]),
    ("Job", "apis/batch/v1", &["job", "jobs"]),
    ("CronJob", "apis/batch/v1", &["cronjob", "cronjobs", "cj"]),
];

/// Where the template of a kind's Pods stands.
fn template_at(kind: &str) -> &'static str {
    if kind == "CronJob" { "/spec/jobTemplate/spec/template" } else { "/spec/template" }
}

fn texts(value: &Value, pointer: &str, field: &str) -> Vec<String> {
    let items = value.pointer(pointer).and_then(Value::as_array).into_iter().flatten();
    items.filter_map(|item| Some(item.get(field)?.as_str()?.to_owned())).collect()
}

fn time(value: &Value, pointer: &str) -> Option<Timestamp> {
    value.pointer(pointer)?.as_str()?.parse().ok()
}

/// What the user asked about: `POD`, `pod/NAME`, `serviceaccount/NAME`, `deployment/NAME` and the other owners.
///
/// # Errors
/// Where the kind is none that runs Pods.
pub fn target(text: &str, namespace: &str) -> Result<Target, Failure> {
    let make = |kind: &str, name: &str| Target {
        kind: kind.to_owned(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    };
    let (kind, name) = text.split_once('/').unwrap_or(("pod", text));
    let fault = |text: String| Failure::new(FailureKind::Malformed, text);
    if name.is_empty() || name.contains('/') || name == ".." {
        return Err(fault(format!("{text:?} names no object")));
    }
    let lower = kind.to_ascii_lowercase();
    // A resource may be spelled with its group, as kubectl allows.
    let lower = lower.split('.').next().unwrap_or_default();
    match lower {
        "pod" | "pods" | "po" => Ok(make("Pod", name)),
        "serviceaccount" | "serviceaccounts" | "sa" => Ok(make("ServiceAccount", name)),
        _ => KINDS
            .iter()
            .find(|(_, _, names)| names.contains(&lower))
            .map(|(kind, ..)| make(kind, name))
            .ok_or_else(|| fault(format!("{kind:?} is no kind that runs Pods"))),
    }
}

/// Annotations about AWS roles, and what resembles them.
fn annotations(value: &Value, pointer: &str) -> BTreeMap<String, String> {
    let found = value.pointer(pointer).and_then(Value::as_object);
    found
        .into_iter()
        .flatten()
        .filter(|(key, _)| is_kept(key))
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.chars().take(2048).collect())))
        .collect()
}

/// Labels of AWS' own.
fn labels(value: &Value) -> BTreeMap<String, String> {
    let found = value.pointer("/metadata/labels").and_then(Value::as_object).into_iter().flatten();
    found
        .filter(|(key, _)| is_kept_label(key))
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}

fn variables(container: &Value, scrubber: &Scrubber) -> Vec<Variable> {
    let all = container.get("env").and_then(Value::as_array).into_iter().flatten();
    all.filter_map(|variable| {
        let name = variable.get("name")?.as_str()?;
        let wanted = name.starts_with("AWS_")
            || ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"].iter().any(|one| one.eq_ignore_ascii_case(name));
        if !wanted {
            return None;
        }
        let source = |kind: &str| text(variable, &format!("/valueFrom/{kind}/name"));
        let from = if let Some(secret) = source("secretKeyRef") {
            format!("secret/{secret}")
        } else if let Some(map) = source("configMapKeyRef") {
            format!("configmap/{map}")
        } else if variable.get("valueFrom").is_some() {
            "field".to_owned()
        } else {
            "literal".to_owned()
        };
        let literal = variable.get("value").and_then(Value::as_str);
        let value = match literal {
            Some(value) if VALUES.contains(&name) => Some(scrubber.known_only(value)),
            // That nothing stands there is no secret.
            Some("") => Some(String::new()),
            None if from == "literal" => Some(String::new()),
            _ => None,
        };
        Some(Variable { name: name.to_owned(), value, from })
    })
    .collect()
}

fn container(value: &Value, init: bool, scrubber: &Scrubber) -> Container {
    let mounts = value.get("volumeMounts").and_then(Value::as_array).into_iter().flatten();
    let from = value.get("envFrom").and_then(Value::as_array).into_iter().flatten();
    // A prefix makes other names of them, which are AWS' own only where it begins as those do.
    let prefix = |one: &&Value| one.get("prefix").and_then(Value::as_str).unwrap_or_default().to_owned();
    let foreign = |one: &&Value| {
        let prefix = prefix(one);
        !"AWS_".starts_with(&prefix) && !prefix.starts_with("AWS_")
    };
    let secret = |one: &Value| text(one, "/secretRef/name");
    let bare: Vec<String> = from.clone().filter(|one| !foreign(one)).filter_map(secret).collect();
    Container {
        name: text(value, "/name").unwrap_or_default(),
        init,
        env: variables(value, scrubber),
        env_from_config_maps: from
            .clone()
            .any(|one| one.get("configMapRef").is_some() && !prefix(&one).is_empty() && !foreign(&one)),
        env_from_config_map_names: from
            .clone()
            .filter(|one| prefix(one).is_empty())
            .filter_map(|one| text(one, "/configMapRef/name"))
            .collect(),
        env_from_secrets: from.clone().filter_map(secret).collect(),
        prefixed_secrets: from.filter_map(secret).filter(|name| !bare.contains(name)).collect(),
        mounts: mounts.filter_map(|mount| Some((text(mount, "/mountPath")?, text(mount, "/name")?))).collect(),
    }
}

fn volume(value: &Value) -> Option<Volume> {
    let mut found = Volume { name: text(value, "/name")?, ..Volume::default() };
    found.secrets.extend(text(value, "/secret/secretName"));
    for source in value.pointer("/projected/sources").and_then(Value::as_array).into_iter().flatten() {
        found.secrets.extend(text(source, "/secret/name"));
        if let Some(token) = source.get("serviceAccountToken") {
            found.tokens.push(ProjectedToken {
                audience: text(token, "/audience").filter(|audience| !audience.is_empty()),
                path: text(token, "/path").unwrap_or_default(),
                expiration_seconds: token.get("expirationSeconds").and_then(Value::as_i64),
            });
        }
    }
    (!found.secrets.is_empty() || !found.tokens.is_empty()).then_some(found)
}

/// A Pod or a Pod template as evidence.
fn template(value: &Value, scrubber: &Scrubber) -> Template {
    let list = |pointer: &str| value.pointer(pointer).and_then(Value::as_array).into_iter().flatten();
    let init = list("/spec/initContainers").map(|one| container(one, true, scrubber));
    let containers = init.chain(list("/spec/containers").map(|one| container(one, false, scrubber))).collect();
    Template {
        service_account: text(value, "/spec/serviceAccountName")
            .or_else(|| text(value, "/spec/serviceAccount"))
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| "default".to_owned()),
        host_network: value.pointer("/spec/hostNetwork").and_then(Value::as_bool).unwrap_or_default(),
        annotations: annotations(value, "/metadata/annotations"),
        labels: Some(labels(value)),
        automount: value.pointer("/spec/automountServiceAccountToken").and_then(Value::as_bool),
        pull_secrets: texts(value, "/spec/imagePullSecrets", "name"),
        containers,
        volumes: list("/spec/volumes").filter_map(volume).collect(),
    }
}

/// A Pod as evidence.
fn pod_of(value: &Value, scrubber: &Scrubber) -> Pod {
    Pod {
        name: text(value, "/metadata/name").unwrap_or_default(),
        uid: text(value, "/metadata/uid").unwrap_or_default(),
        created_at: time(value, "/metadata/creationTimestamp"),
        phase: text(value, "/status/phase").unwrap_or_default(),
        node: text(value, "/spec/nodeName").filter(|name| !name.is_empty()),
        addresses: texts(value, "/status/podIPs", "ip"),
        template: template(value, scrubber),
    }
}

/// The controller of an object: kind and name.
fn controller(value: &Value) -> Option<(String, String)> {
    let owners = value.pointer("/metadata/ownerReferences").and_then(Value::as_array)?;
    let owner = owners.iter().find(|owner| owner.get("controller").and_then(Value::as_bool) == Some(true))?;
    Some((text(owner, "/kind")?, text(owner, "/name")?))
}

async fn object(api: &Api, kind: &str, namespace: &str, name: &str) -> Result<Value, Failure> {
    let (_, group, names) = KINDS
        .iter()
        .find(|(known, ..)| *known == kind)
        .ok_or_else(|| Failure::new(FailureKind::Unsupported, format!("{kind} is no kind that is known here")))?;
    let resource = names[1];
    let path = format!("/{group}/namespaces/{}/{resource}/{}", encoded(namespace), encoded(name));
    read(api, &path, &format!("get on {resource} in namespace {namespace}")).await
}

/// An owner as evidence.
fn owner_of(value: &Value, kind: &str, scrubber: &Scrubber) -> Owner {
    Owner {
        kind: kind.to_owned(),
        name: text(value, "/metadata/name").unwrap_or_default(),
        annotations: annotations(value, "/metadata/annotations"),
        template: value.pointer(template_at(kind)).map(|one| template(one, scrubber)).unwrap_or_default(),
    }
}

/// What the target itself gave: the raw Pod or owner is needed to find the other.
pub struct Found {
    /// The Pod, where the target is one.
    pub pod: Option<Pod>,
    /// The owner, where the target is one.
    pub owner: Option<Owner>,
    /// The Pod's controller.
    controller: Option<(String, String)>,
    /// The owner's label selector.
    selector: Option<String>,
    /// Jobs of a CronJob carry its name in their own.
    prefix: Option<String>,
}

/// The object asked about.
///
/// # Errors
/// [`FailureKind::NotFound`] where it is not there.
pub async fn find(api: &Api, target: &Target, scrubber: &Scrubber) -> Result<Found, Failure> {
    let (namespace, name) = (&target.namespace, &target.name);
    let mut found = Found { pod: None, owner: None, controller: None, selector: None, prefix: None };
    match target.kind.as_str() {
        "Pod" => {
            let path = format!("/api/v1/namespaces/{}/pods/{}", encoded(namespace), encoded(name));
            let value = read(api, &path, &format!("get on pods in namespace {namespace}")).await?;
            found.controller = controller(&value);
            found.pod = Some(pod_of(&value, scrubber));
        }
        "ServiceAccount" => {}
        kind => {
            let value = object(api, kind, namespace, name).await?;
            found.selector = selector(&value);
            found.controller = controller(&value);
            if kind == "CronJob" {
                found.prefix = Some(format!("{name}-"));
            }
            found.owner = Some(owner_of(&value, kind, scrubber));
        }
    }
    Ok(found)
}

/// `spec.selector` as a label selector's text.
fn selector(value: &Value) -> Option<String> {
    let mut parts: Vec<String> = Vec::new();
    let labels = value.pointer("/spec/selector/matchLabels").and_then(Value::as_object);
    parts.extend(labels.into_iter().flatten().filter_map(|(key, value)| Some(format!("{key}={}", value.as_str()?))));
    let more = value.pointer("/spec/selector/matchExpressions").and_then(Value::as_array);
    for one in more.into_iter().flatten() {
        let key = text(one, "/key")?;
        let values: Vec<&str> =
            one.get("values").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        parts.push(match one.get("operator").and_then(Value::as_str)? {
            "In" => format!("{key} in ({})", values.join(",")),
            "NotIn" => format!("{key} notin ({})", values.join(",")),
            "Exists" => key,
            _ => format!("!{key}"),
        });
    }
    (!parts.is_empty()).then(|| parts.join(","))
}

/// The newest Pod of an owner or of a service account; `None` where there is none now.
///
/// # Errors
/// As [`Api::decode`].
pub async fn newest_pod(
    api: &Api,
    target: &Target,
    found: &Found,
    scrubber: &Scrubber,
) -> Result<Option<Pod>, Failure> {
    let namespace = &target.namespace;
    let mut path = format!("/api/v1/namespaces/{}/pods?limit=500", encoded(namespace));
    if let Some(selector) = &found.selector {
        path.push_str(&format!("&labelSelector={}", encoded(selector)));
    } else if target.kind == "ServiceAccount" {
        path.push_str(&format!("&fieldSelector={}", encoded(&format!("spec.serviceAccountName={}", target.name))));
    }
    let list = read(api, &path, &format!("list on pods in namespace {namespace}")).await?;
    let ours = |pod: &&Value| match &found.prefix {
        Some(prefix) => controller(pod).is_some_and(|(kind, name)| kind == "Job" && name.starts_with(prefix.as_str())),
        None => true,
    };
    let newest = items(&list).filter(ours).max_by_key(|pod| {
        let going = pod.pointer("/metadata/deletionTimestamp").is_some();
        (!going, time(pod, "/metadata/creationTimestamp"))
    });
    Ok(newest.map(|pod| pod_of(pod, scrubber)))
}

/// The object that makes a Pod, followed upwards; `None` for a bare one.
///
/// # Errors
/// As [`Api::decode`].
pub async fn top_owner(
    api: &Api,
    target: &Target,
    found: &Found,
    scrubber: &Scrubber,
) -> Result<Option<Owner>, Failure> {
    let mut next = found.controller.clone();
    let mut top = found.owner.clone();
    let mut met: Vec<(String, String)> = Vec::new();
    while let Some((kind, name)) = next.take() {
        // Owner references may run in a circle; nothing in the server forbids it.
        if met.len() >= OWNERS_LIMIT
            || met.contains(&(kind.clone(), name.clone()))
            || !KINDS.iter().any(|(known, ..)| *known == kind)
        {
            break;
        }
        let value = object(api, &kind, &target.namespace, &name).await?;
        next = controller(&value);
        top = Some(owner_of(&value, &kind, scrubber));
        met.push((kind, name));
    }
    Ok(top)
}

/// A service account.
///
/// # Errors
/// [`FailureKind::NotFound`] where there is none.
pub async fn service_account(api: &Api, namespace: &str, name: &str) -> Result<ServiceAccount, Failure> {
    let path = format!("/api/v1/namespaces/{}/serviceaccounts/{}", encoded(namespace), encoded(name));
    let value = read(api, &path, &format!("get on serviceaccounts in namespace {namespace}")).await?;
    Ok(ServiceAccount {
        name: name.to_owned(),
        created_at: time(&value, "/metadata/creationTimestamp"),
        annotations: annotations(&value, "/metadata/annotations"),
        automount: value.get("automountServiceAccountToken").and_then(Value::as_bool),
        secrets: texts(&value, "/secrets", "name"),
        pull_secrets: texts(&value, "/imagePullSecrets", "name"),
    })
}

/// A namespace.
///
/// # Errors
/// As [`Api::decode`].
pub async fn namespace(api: &Api, name: &str) -> Result<Namespace, Failure> {
    let value = read(api, &format!("/api/v1/namespaces/{}", encoded(name)), "get on namespaces").await?;
    Ok(Namespace { annotations: annotations(&value, "/metadata/annotations"), labels: Some(labels(&value)) })
}

/// What an image or a name says that a workload is.
fn agent_role(image: &str, name: &str, args: &[String]) -> Option<&'static str> {
    let last = image.rsplit('/').next().unwrap_or_default();
    let last = last.split(['@', ':']).next().unwrap_or_default();
    if last.contains("eks-pod-identity-agent") || name == "eks-pod-identity-agent" {
        return Some("eks-pod-identity-agent");
    }
    if last.contains("kube2iam") {
        return Some("kube2iam");
    }
    if last == "kiam" || last.starts_with("kiam-") || last.ends_with("-kiam") {
        let says = |word: &str| args.iter().any(|arg| arg == word || arg.ends_with(&format!("/{word}")));
        return if says("server") {
            Some("kiam-server")
        } else if says("agent") || !name.contains("server") {
            Some("kiam-agent")
        } else {
            Some("kiam-server")
        };
    }
    None
}

fn agent(value: &Value, kind: &str, scrubber: &Scrubber) -> Option<Agent> {
    let name = text(value, "/metadata/name")?;
    let containers = value.pointer("/spec/template/spec/containers").and_then(Value::as_array)?;
    for container in containers {
        let image = text(container, "/image").unwrap_or_default();
        let words = |field: &str| {
            let list = container.get(field).and_then(Value::as_array).into_iter().flatten();
            list.filter_map(Value::as_str).map(|word| scrubber.text_limited(word, 512)).collect::<Vec<_>>()
        };
        let args: Vec<String> = words("command").into_iter().chain(words("args")).collect();
        let Some(role) = agent_role(&image, &name, &args) else { continue };
        let number =
            |pointers: [&str; 2]| pointers.iter().find_map(|pointer| value.pointer(pointer)?.as_i64()).unwrap_or(0);
        let volumes = value.pointer("/spec/template/spec/volumes").and_then(Value::as_array).into_iter().flatten();
        return Some(Agent {
            role: role.to_owned(),
            kind: kind.to_owned(),
            namespace: text(value, "/metadata/namespace").unwrap_or_default(),
            name,
            image,
            args,
            secrets: volumes.filter_map(|volume| text(volume, "/secret/secretName")).collect(),
            desired: number(["/status/desiredNumberScheduled", "/spec/replicas"]),
            ready: number(["/status/numberReady", "/status/readyReplicas"]),
        });
    }
    None
}

/// The DaemonSets that hand out AWS credentials in this cluster.
///
/// # Errors
/// As [`Api::decode`].
pub async fn daemon_sets(api: &Api, scrubber: &Scrubber) -> Result<Vec<Agent>, Failure> {
    // doctor asks for them beside everything else: small pages keep its memory small, whatever answers.
    let right = "list on daemonsets in all namespaces";
    let bounds = Bounds::small(25, 1024 * 1024);
    paged(api, "/apis/apps/v1/daemonsets", right, &bounds, |value| agent(value, "DaemonSet", scrubber)).await
}

/// Whatever hands out AWS credentials in this cluster.
///
/// # Errors
/// As [`Api::decode`].
pub async fn agents(api: &Api, scrubber: &Scrubber) -> Result<Vec<Agent>, Failure> {
    let mut found = daemon_sets(api, scrubber).await?;
    // kiam's server may be a Deployment beside its agents.
    let lonely = found.iter().find(|agent| agent.role == "kiam-agent").map(|agent| agent.namespace.clone());
    if let Some(namespace) = lonely.filter(|_| !found.iter().any(|agent| agent.role == "kiam-server")) {
        let path = format!("/apis/apps/v1/namespaces/{}/deployments", encoded(&namespace));
        let right = format!("list on deployments in namespace {namespace}");
        let more = paged(api, &path, &right, &Bounds::default(), |value| agent(value, "Deployment", scrubber)).await?;
        found.extend(more);
    }
    found.sort_by(|one, other| {
        (&one.role, &one.namespace, &one.name).cmp(&(&other.role, &other.namespace, &other.name))
    });
    Ok(found)
}

/// The agents' Pods on a node.
///
/// # Errors
/// As [`Api::decode`].
pub async fn node_agents(api: &Api, node: &str) -> Result<Vec<AgentPod>, Failure> {
    let path = format!("/api/v1/pods?fieldSelector={}", encoded(&format!("spec.nodeName={node}")));
    let mut found = paged(api, &path, "list on pods in all namespaces", &Bounds::default(), |value| {
        let containers = value.pointer("/spec/containers").and_then(Value::as_array)?;
        let name = text(value, "/metadata/name")?;
        let role = containers.iter().find_map(|container| {
            let words = |field: &str| {
                let list = container.get(field).and_then(Value::as_array).into_iter().flatten();
                list.filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>()
            };
            let args: Vec<String> = words("command").into_iter().chain(words("args")).collect();
            agent_role(&text(container, "/image").unwrap_or_default(), &name, &args)
        })?;
        let conditions = value.pointer("/status/conditions").and_then(Value::as_array).into_iter().flatten();
        let ready = conditions
            .filter(|condition| condition.get("type").and_then(Value::as_str) == Some("Ready"))
            .any(|condition| condition.get("status").and_then(Value::as_str) == Some("True"));
        let namespace = text(value, "/metadata/namespace").unwrap_or_default();
        Some(AgentPod { role: role.to_owned(), name, namespace, ready })
    })
    .await?;
    found.sort_by(|one, other| (&one.role, !one.ready, &one.name).cmp(&(&other.role, !other.ready, &other.name)));
    Ok(found)
}

/// A Service and one of its ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The port.
    pub port: u16,
}

/// The Service that kiam's agents dial, and their `--server-address` that says so. Absent where they dial something that
/// is no Service of the cluster.
pub fn kiam_service(agents: &[Agent]) -> Option<(Service, String)> {
    let agent = agents.iter().find(|agent| agent.role == "kiam-agent")?;
    let dialled = flag(&agent.args, "--server-address")?;
    let (host, port) = dialled.trim_start_matches("dns:///").rsplit_once(':')?;
    let mut labels = host.trim_end_matches('.').split('.');
    let name = labels.next().filter(|name| !name.is_empty() && *name != "localhost")?;
    let namespace = labels.next().unwrap_or(&agent.namespace);
    // Longer names are the cluster's own where `svc` comes third: the cluster's domain may be any.
    if !matches!(labels.next(), None | Some("svc")) || name.parse::<u8>().is_ok() {
        return None;
    }
    let service = Service { namespace: namespace.to_owned(), name: name.to_owned(), port: port.parse().ok()? };
    Some((service, dialled.to_owned()))
}

/// The certificate that kiam's server shows where its agents dial it. From outside the cluster that is seldom reached.
///
/// # Errors
/// What stood in the way, with what would open it.
pub async fn kiam_server(api: &Api, service: &Service, dialled: String, host: &Host) -> Result<KiamServer, Failure> {
    let Service { namespace, name, port } = service;
    let path = format!("/api/v1/namespaces/{}/services/{}", encoded(namespace), encoded(name));
    let seen = read(api, &path, &format!("get on services in namespace {namespace}")).await?;
    let mut address = text(&seen, "/spec/clusterIP").unwrap_or_default();
    if address == "None" {
        // Headless: its name leads to the Pods themselves.
        let selector = encoded(&format!("kubernetes.io/service-name={name}"));
        let path = format!(
            "/apis/discovery.k8s.io/v1/namespaces/{}/endpointslices?limit=10&labelSelector={selector}",
            encoded(namespace)
        );
        let slices = read(api, &path, &format!("list on endpointslices in namespace {namespace}")).await?;
        let mut endpoints = items(&slices).flat_map(|slice| slice.get("endpoints")?.as_array()).flatten();
        let ready = endpoints.find(|one| one.pointer("/conditions/ready").and_then(Value::as_bool) != Some(false));
        address = ready.and_then(|one| text(one, "/addresses/0")).unwrap_or_default();
    }
    let address: std::net::IpAddr = address
        .parse()
        .map_err(|_| Failure::new(FailureKind::NotFound, format!("Service {namespace}/{name} has no address")))?;
    let address = std::net::SocketAddr::new(address, *port);
    let url = format!("https://{address}/");
    let url = url::Url::parse(&url).map_err(|error| Failure::new(FailureKind::Malformed, error.to_string()))?;
    let server_name = dialled.trim_start_matches("dns:///").rsplit_once(':').map(|(host, _)| host.to_owned());
    // Which CA its agents trust is in a Secret: only names and dates can be judged.
    let tls = TlsSettings { roots: Roots::System, client_identity: None, server_name, insecure: false };
    let destination = Destination {
        url,
        tls: Some(tls),
        proxy: None,
        user_agent: super::issuer::OWN_AGENT.to_owned(),
        connect_timeout: KIAM_LIMIT,
        request_timeout: None,
    };
    let report = Wire::new(destination, host)?.handshake().await.map_err(|failure| {
        let detail = format!("{name} at {address} could not be reached from here: {}", failure.detail);
        Failure { detail, ..failure }.needs("running kaccess inside the cluster")
    })?;
    Ok(KiamServer { dialled, address: address.to_string(), tls: report })
}

/// A node.
///
/// # Errors
/// As [`Api::decode`].
pub async fn node(api: &Api, name: &str) -> Result<Node, Failure> {
    let value = read(api, &format!("/api/v1/nodes/{}", encoded(name)), "get on nodes").await?;
    Ok(Node {
        name: name.to_owned(),
        provider_id: text(&value, "/spec/providerID"),
        compute_type: text(&value, "/metadata/labels/eks.amazonaws.com~1compute-type"),
        os: text(&value, "/metadata/labels/kubernetes.io~1os"),
    })
}

/// Whether a Secret is there, and of which type. The server's own table is asked for, without the object: not even
/// metadata comes along, whose annotation `last-applied-configuration` would hold the content.
///
/// # Errors
/// [`FailureKind::NotFound`] where it is not there.
pub async fn secret(api: &Api, namespace: &str, name: &str) -> Result<SecretFacts, Failure> {
    let path = format!("/api/v1/namespaces/{}/secrets/{}?includeObject=None", encoded(namespace), encoded(name));
    let accept = "application/json;as=Table;v=v1;g=meta.k8s.io";
    let answer = api.send("GET", &path, None, accept, Limits::default()).await?;
    let table: Value =
        api.decode(&answer).map_err(|failure| refused(failure, &format!("get on secrets in namespace {namespace}")))?;
    if table.get("kind").and_then(Value::as_str) != Some("Table") {
        return Err(Failure::new(FailureKind::Protocol, "the server gives no table of a Secret"));
    }
    let columns = table.get("columnDefinitions").and_then(Value::as_array).into_iter().flatten();
    let index = columns.into_iter().position(|column| column.get("name").and_then(Value::as_str) == Some("Type"));
    let kind = index.and_then(|index| text(&table, &format!("/rows/0/cells/{index}"))).unwrap_or_default();
    Ok(SecretFacts { kind })
}

/// The names of a ConfigMap's variables that are about AWS; values are not kept.
///
/// # Errors
/// [`FailureKind::NotFound`] where it is not there.
pub async fn config_map(api: &Api, namespace: &str, name: &str) -> Result<Vec<String>, Failure> {
    let path = format!("/api/v1/namespaces/{}/configmaps/{}", encoded(namespace), encoded(name));
    let value = read(api, &path, &format!("get on configmaps in namespace {namespace}")).await?;
    let names = value.get("data").and_then(Value::as_object).into_iter().flat_map(|data| data.keys());
    Ok(names.filter(|name| name.starts_with("AWS_") && name.len() <= 64).cloned().collect())
}

/// The webhook that injects credentials.
///
/// # Errors
/// [`FailureKind::NotFound`] where there is none.
pub async fn webhook(api: &Api) -> Result<Webhook, Failure> {
    let path = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/pod-identity-webhook";
    let value = read(api, path, "get on mutatingwebhookconfigurations").await?;
    let hook = value.pointer("/webhooks/0").cloned().unwrap_or_default();
    let selector =
        |name: &str| hook.get(name).filter(|value| value.as_object().is_some_and(|fields| !fields.is_empty()));
    let selectors: Vec<String> = ["namespaceSelector", "objectSelector"]
        .iter()
        .filter_map(|name| Some(format!("{name}: {}", selector(name)?)))
        .collect();
    Ok(Webhook {
        failure_policy: text(&hook, "/failurePolicy").unwrap_or_default(),
        has_ca: text(&hook, "/clientConfig/caBundle").is_some_and(|bundle| !bundle.is_empty()),
        reinvocation_policy: text(&hook, "/reinvocationPolicy").unwrap_or_default(),
        selectors: (!selectors.is_empty()).then(|| selectors.join(", ")),
    })
}

/// The events of a Pod, newest first, at most 30.
///
/// # Errors
/// As [`Api::decode`].
pub async fn events(api: &Api, namespace: &str, pod: &Pod, scrubber: &Scrubber) -> Result<Vec<Event>, Failure> {
    let selector = encoded(&format!("involvedObject.kind=Pod,involvedObject.name={}", pod.name));
    let path = format!("/api/v1/namespaces/{}/events?limit=200&fieldSelector={selector}", encoded(namespace));
    let list = read(api, &path, &format!("list on events in namespace {namespace}")).await?;
    let mut found: Vec<Event> = items(&list)
        .filter(|event| text(event, "/involvedObject/uid").is_none_or(|uid| uid.is_empty() || uid == pod.uid))
        .map(|event| Event {
            reason: scrubber.text_limited(&text(event, "/reason").unwrap_or_default(), 100),
            message: scrubber.text_limited(&text(event, "/message").unwrap_or_default(), 400),
            last_seen: time(event, "/lastTimestamp")
                .or_else(|| time(event, "/eventTime"))
                .or_else(|| time(event, "/metadata/creationTimestamp")),
        })
        .collect();
    found.sort_by_key(|event| std::cmp::Reverse(event.last_seen));
    found.truncate(30);
    Ok(found)
}

/// The issuer of service account tokens, by the API server's own document.
///
/// # Errors
/// As [`Api::decode`].
pub async fn issuer(api: &Api) -> Result<Issuer, Failure> {
    let value = read(api, "/.well-known/openid-configuration", "get on /.well-known/openid-configuration").await?;
    let issuer = text(&value, "/issuer")
        .ok_or_else(|| Failure::new(FailureKind::Protocol, "the API server's discovery document names no issuer"))?;
    Ok(Issuer { issuer, origin: "api-server".to_owned() })
}

/// One annotated workload of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Annotated {
    /// Its namespace.
    pub namespace: String,
    /// Kind and name of what makes the Pods, or of a bare Pod.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its service account.
    pub service_account: String,
    /// The role that it names.
    pub role: String,
    /// The external id that it names.
    pub external_id: Option<String>,
}

/// Everything in the cluster whose Pods are annotated for kiam or kube2iam, as far as it can be listed within the limit:
/// templates and bare Pods, each once. They are read page by page, and of each only a line is kept. The second list says
/// what is missing.
///
/// # Errors
/// As [`Api::decode`], where nothing of it could be listed.
pub async fn annotated(api: &Api, limit: Duration) -> Result<(Vec<Annotated>, Vec<Failure>), Failure> {
    let bounds = Bounds::within(limit);
    let line = |value: &Value, pod: &Value, kind: &str| -> Option<Annotated> {
        let role = text(pod, "/metadata/annotations/iam.amazonaws.com~1role")?;
        Some(Annotated {
            namespace: text(value, "/metadata/namespace")?,
            kind: kind.to_owned(),
            name: text(value, "/metadata/name")?,
            service_account: text(pod, "/spec/serviceAccountName").unwrap_or_else(|| "default".to_owned()),
            role,
            external_id: text(pod, "/metadata/annotations/iam.amazonaws.com~1external-id"),
        })
    };
    let bare = pages(api, "/api/v1/pods", "list on pods in all namespaces", &bounds, |value| {
        // What a controller makes is told by its template.
        if controller(value).is_some_and(|(kind, _)| KINDS.iter().any(|(known, ..)| *known == kind)) {
            return None;
        }
        line(value, value, "Pod")
    });
    let owners = KINDS.iter().map(|(kind, group, names)| {
        let path = format!("/{group}/{}", names[1]);
        let right = format!("list on {} in all namespaces", names[1]);
        let bounds = &bounds;
        async move {
            pages(api, &path, &right, bounds, |value| {
                if controller(value).is_some_and(|(kind, _)| KINDS.iter().any(|(known, ..)| *known == kind)) {
                    return None;
                }
                line(value, value.pointer(template_at(kind))?, kind)
            })
            .await
        }
    });
    let (bare, owners) = futures::join!(bare, futures::future::join_all(owners));
    let (mut found, mut failures, mut listed) = (Vec::new(), Vec::new(), false);
    for part in owners.into_iter().chain([bare]) {
        match part {
            Ok(Listed { found: part, ended }) => {
                listed = true;
                found.extend(part);
                failures.extend(ended);
            }
            Err(failure) => failures.push(failure),
        }
    }
    if !listed {
        return Err(failures.remove(0));
    }
    found.sort();
    found.dedup();
    Ok((found, failures))
}
