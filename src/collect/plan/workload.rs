//! The graph of `workload`: Pod → service account → Secrets, issuer and node; and, through AWS, association, roles and
//! provider. Whatever does not need another look is made at once.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::join_all;

#[cfg(feature = "aws")]
mod aws;
#[cfg(not(feature = "aws"))]
mod without_aws;
#[cfg(not(feature = "aws"))]
use without_aws as aws;

use super::graph::{Common, Graph, Handle, LONG, SHORT, common, finish, need, not_applicable, present, skip_of, taken};
use crate::collect::apiserver::Api;
use crate::collect::aws::target::AwsOptions;
use crate::collect::kubeconfig::Resolved;
use crate::collect::tls::TlsSettings;
use crate::collect::{Roots, identity, issuer, workload};
use crate::evidence::issuer::discovery_url;
use crate::evidence::workload::{
    Agent, AgentPod, ConfigMapLook, Event, Issuer, IssuerReading, KiamServer, Namespace, Node, Owner, Pod, SecretLook,
    ServiceAccount, Target, Webhook, Workload,
};
use crate::evidence::{Asked, Blank, Evidence, Failure, Observation, Outcome, kubeconfig as facts};
use crate::host::Host;
use crate::secret::Scrubber;

/// Most Secrets looked for.
const SECRETS_LIMIT: usize = 40;

/// What to look at.
#[derive(Debug, Clone)]
pub struct WorkloadPlan {
    /// The object asked about.
    pub target: Target,
    /// The role that should be had.
    pub wanted_role: Option<String>,
    /// The message the user met, scrubbed.
    pub error: Option<String>,
    /// What AWS is asked.
    pub aws: AwsOptions,
    /// Limit of the whole run.
    pub timeout: Duration,
}

/// The object asked about, its Pod and its owner.
#[derive(Clone)]
struct Who {
    pod: Option<Arc<Pod>>,
    owner: Option<Arc<Owner>>,
    account: String,
}

impl Who {
    fn template(&self) -> Option<&crate::evidence::workload::Template> {
        self.pod.as_ref().map(|pod| &pod.template).or_else(|| self.owner.as_ref().map(|owner| &owner.template))
    }
}

/// Looks at everything that decides about a Pod's AWS identity.
pub async fn gather_workload(
    host: &Host,
    plan: &WorkloadPlan,
    api: &Api,
    config: (facts::Kubeconfig, Arc<Resolved>),
    scrubber: &Scrubber,
) -> Evidence {
    let (kubeconfig, resolved) = config;
    // The credential plugin may have taken its time before; it does not count.
    let mut graph = Graph::new(host, plan.timeout + host.started.elapsed());
    let namespace = plan.target.namespace.as_str();

    let who = {
        let api = api.clone();
        graph.probe("identity", SHORT, async { Ok(()) }, move |()| async move {
            Ok((identity::identity(&api).await?, Some(())))
        })
    };
    let object = ObjectProbes::spawn(&mut graph, &plan.target, api, scrubber);
    let around = SurroundingProbes::spawn(&mut graph, namespace, &object.known, api, scrubber);
    let named = NamedProbes::spawn(&mut graph, namespace, &object, &around.agents, api, host);
    let own_issuer = own_issuer(&mut graph, api);
    let needs = Needs {
        resolved: &resolved,
        known: &object.known,
        account: &object.service_account,
        node: &around.node,
        issuer: &own_issuer,
        namespace,
    };
    let cloud = aws::Cloud::spawn(&mut graph, &needs, host, plan, scrubber);
    let issuer_reading = issuer_reading(&mut graph, &object, &cloud.issuer, host, scrubber);

    finish(&mut graph).await;
    let mut seen = Workload {
        target: plan.target.clone(),
        wanted_role: plan.wanted_role.clone(),
        pod: present(taken(object.pod).await, "there is no Pod of it now"),
        owner: present(taken(object.owner).await, "nothing makes the Pod: it is a bare one"),
        service_account: taken(object.service_account).await,
        namespace: taken(around.namespace).await,
        agents: taken(around.agents).await,
        node_agents: taken(around.node_agents).await,
        node: taken(around.node).await,
        secrets: named.secrets.await.observation.seen().cloned().unwrap_or_default(),
        config_maps: named.config_maps.await.observation.seen().cloned().unwrap_or_default(),
        webhook: taken(around.webhook).await,
        events: taken(around.events).await,
        kiam_server: taken(named.kiam_server).await,
        issuer: taken(own_issuer).await,
        issuer_reading: taken(issuer_reading).await,
        ..Workload::default()
    };
    let aws = cloud.collect(&mut seen).await;
    let elsewhere = "kaccess workload does not look at this";
    Evidence {
        asked: Asked { error: plan.error.clone(), ..Asked::default() },
        kubeconfig: Observation::at_rest(Outcome::Seen(kubeconfig)),
        identity: taken(who).await,
        aws,
        workload: Some(Box::new(seen)),
        took_ms: host.elapsed_ms(),
        ..Evidence::blank(host.started_at, Blank::Elsewhere(elsewhere))
    }
}

/// The handles on the object asked about: target → Pod and owner → service account.
struct ObjectProbes {
    pod: Handle<Option<Pod>, Option<Arc<Pod>>>,
    owner: Handle<Option<Owner>, Option<Arc<Owner>>>,
    known: Common<Who>,
    service_account: Handle<ServiceAccount, Arc<ServiceAccount>>,
}

impl ObjectProbes {
    fn spawn(graph: &mut Graph, target: &Target, api: &Api, scrubber: &Scrubber) -> Self {
        let target = Arc::new(target.clone());
        let found: Handle<(), Arc<workload::Found>> = {
            let (api, target, scrubber) = (api.clone(), target.clone(), scrubber.clone());
            graph.probe("workload-target", SHORT, async { Ok(()) }, move |()| async move {
                Ok(((), Some(Arc::new(workload::find(&api, &target, &scrubber).await?))))
            })
        };
        let pod: Handle<Option<Pod>, Option<Arc<Pod>>> = {
            let (api, target, scrubber, found) = (api.clone(), target.clone(), scrubber.clone(), found.clone());
            let needs = async move { own_failure(found).await };
            graph.probe("workload-pod", SHORT, needs, move |found: Result<Arc<workload::Found>, Failure>| async move {
                let found = found?;
                let pod = match &found.pod {
                    Some(pod) => Some(pod.clone()),
                    None => workload::newest_pod(&api, &target, &found, &scrubber).await?,
                };
                Ok((pod.clone(), Some(pod.map(Arc::new))))
            })
        };
        let owner: Handle<Option<Owner>, Option<Arc<Owner>>> = {
            let (api, target, scrubber, found) = (api.clone(), target.clone(), scrubber.clone(), found.clone());
            let needs = async move { own_failure(found).await };
            graph.probe(
                "workload-owner",
                SHORT,
                needs,
                move |found: Result<Arc<workload::Found>, Failure>| async move {
                    let found = found?;
                    let owner = workload::top_owner(&api, &target, &found, &scrubber).await?;
                    Ok((owner.clone(), Some(owner.map(Arc::new))))
                },
            )
        };
        let known = known(&pod, &owner, &target);
        let service_account: Handle<ServiceAccount, Arc<ServiceAccount>> = {
            let (api, namespace) = (api.clone(), target.namespace.clone());
            graph.probe("workload-service-account", SHORT, common(known.clone()), move |who: Who| async move {
                let account = workload::service_account(&api, &namespace, &who.account).await?;
                Ok((account.clone(), Some(Arc::new(account))))
            })
        };
        Self { pod, owner, known, service_account }
    }
}

/// Whoever knows the service account's name: the Pod, else the owner's template, else the question itself.
fn known(
    pod: &Handle<Option<Pod>, Option<Arc<Pod>>>,
    owner: &Handle<Option<Owner>, Option<Arc<Owner>>>,
    target: &Arc<Target>,
) -> Common<Who> {
    let (pod, owner, target) = (pod.clone(), owner.clone(), target.clone());
    async move {
        let (pod, owner) = futures::join!(pod, owner);
        let who = Who { pod: pod.give.clone().flatten(), owner: owner.give.clone().flatten(), account: String::new() };
        let account = who.template().map(|template| template.service_account.clone());
        let asked = (target.kind == "ServiceAccount").then(|| target.name.clone());
        match account.or(asked) {
            Some(account) => Ok(Who { account, ..who }),
            None => Err(skip_of(&pod.observation, pod.id)),
        }
    }
    .boxed()
    .shared()
}

/// The handles on what stands around the Pod.
struct SurroundingProbes {
    namespace: Handle<Namespace>,
    agents: Handle<Vec<Agent>, Arc<Vec<Agent>>>,
    node_agents: Handle<Vec<AgentPod>>,
    node: Handle<Node, Arc<Node>>,
    webhook: Handle<Webhook>,
    events: Handle<Vec<Event>>,
}

impl SurroundingProbes {
    fn spawn(graph: &mut Graph, namespace: &str, known: &Common<Who>, api: &Api, scrubber: &Scrubber) -> Self {
        let in_namespace = {
            let (api, namespace) = (api.clone(), namespace.to_owned());
            graph.probe("workload-namespace", SHORT, async { Ok(()) }, move |()| async move {
                Ok((workload::namespace(&api, &namespace).await?, Some(())))
            })
        };
        let agents = {
            let (api, scrubber) = (api.clone(), scrubber.clone());
            graph.probe("workload-agents", LONG, async { Ok(()) }, move |()| async move {
                let agents = workload::agents(&api, &scrubber).await?;
                Ok((agents.clone(), Some(Arc::new(agents))))
            })
        };
        let on_node = on_node(known);
        let node_agents = {
            let api = api.clone();
            graph.probe("workload-node-agents", LONG, common(on_node.clone()), move |node: String| async move {
                Ok((workload::node_agents(&api, &node).await?, Some(())))
            })
        };
        let node = {
            let api = api.clone();
            graph.probe("workload-node", SHORT, common(on_node.clone()), move |node: String| async move {
                let node = workload::node(&api, &node).await?;
                Ok((node.clone(), Some(Arc::new(node))))
            })
        };
        let webhook = {
            let api = api.clone();
            graph.probe("workload-webhook", SHORT, async { Ok(()) }, move |()| async move {
                Ok((workload::webhook(&api).await?, Some(())))
            })
        };
        let events = events(graph, namespace, known, api, scrubber);
        Self { namespace: in_namespace, agents, node_agents, node, webhook, events }
    }
}

/// The name of the Pod's node.
fn on_node(known: &Common<Who>) -> Common<String> {
    let known = known.clone();
    async move {
        let who = known.await?;
        let pod = who.pod.ok_or_else(|| not_applicable::<()>("there is no Pod now"))?;
        pod.node.clone().ok_or_else(|| not_applicable("the Pod is on no node yet"))
    }
    .boxed()
    .shared()
}

/// What happened to the Pod lately.
fn events(
    graph: &mut Graph,
    namespace: &str,
    known: &Common<Who>,
    api: &Api,
    scrubber: &Scrubber,
) -> Handle<Vec<Event>> {
    let (api, namespace, scrubber, known) = (api.clone(), namespace.to_owned(), scrubber.clone(), known.clone());
    let needs = async move {
        let who = common(known).await?;
        who.pod.ok_or_else(|| not_applicable("there is no Pod now"))
    };
    graph.probe("workload-events", SHORT, needs, move |pod: Arc<Pod>| async move {
        Ok((workload::events(&api, &namespace, &pod, &scrubber).await?, Some(())))
    })
}

/// The handles on what the Pod and the agents name.
struct NamedProbes {
    secrets: Handle<Vec<SecretLook>>,
    config_maps: Handle<Vec<ConfigMapLook>>,
    kiam_server: Handle<KiamServer>,
}

impl NamedProbes {
    fn spawn(
        graph: &mut Graph,
        namespace: &str,
        object: &ObjectProbes,
        agents: &Handle<Vec<Agent>, Arc<Vec<Agent>>>,
        api: &Api,
        host: &Host,
    ) -> Self {
        let secrets = secrets(graph, namespace, object, agents, api);
        let config_maps = config_maps(graph, namespace, &object.known, api);
        let kiam_server = kiam_server(graph, &object.known, agents, api, host);
        Self { secrets, config_maps, kiam_server }
    }
}

/// The Secrets that are named, each with its own outcome.
fn secrets(
    graph: &mut Graph,
    namespace: &str,
    object: &ObjectProbes,
    agents: &Handle<Vec<Agent>, Arc<Vec<Agent>>>,
    api: &Api,
) -> Handle<Vec<SecretLook>> {
    let (api, namespace) = (api.clone(), namespace.to_owned());
    let (known, account, agents) = (object.known.clone(), object.service_account.clone(), agents.clone());
    let needs = async move {
        let who = common(known).await?;
        let (account, agents) = futures::join!(account, agents);
        Ok((who, account.give.clone(), agents.give.clone()))
    };
    type Named = (Who, Option<Arc<ServiceAccount>>, Option<Arc<Vec<Agent>>>);
    graph.probe("workload-secrets", LONG, needs, move |(who, account, agents): Named| async move {
        let named = named_secrets(&namespace, &who, account.as_deref(), agents.as_deref().map(Vec::as_slice));
        let looks = join_all(named.into_iter().map(|mut look| {
            let api = &api;
            async move {
                let seen = workload::secret(api, &look.namespace, &look.name).await;
                look.look = Observation::at_rest(seen.map_or_else(Outcome::Failed, Outcome::Seen));
                look
            }
        }));
        Ok((looks.await, Some(())))
    })
}

/// The ConfigMaps that the Pod's environment comes from, each with its own outcome.
fn config_maps(graph: &mut Graph, namespace: &str, known: &Common<Who>, api: &Api) -> Handle<Vec<ConfigMapLook>> {
    let (needs, api, namespace) = (common(known.clone()), api.clone(), namespace.to_owned());
    graph.probe("workload-config-maps", LONG, needs, move |who: Who| async move {
        let containers = who.template().map(|template| template.containers.as_slice()).unwrap_or_default();
        let mut names: Vec<&String> =
            containers.iter().flat_map(|container| &container.env_from_config_map_names).collect();
        names.sort();
        names.dedup();
        names.truncate(SECRETS_LIMIT);
        let looks = join_all(names.into_iter().map(|name| {
            let (api, namespace) = (&api, &namespace);
            async move {
                let seen = workload::config_map(api, namespace, name).await;
                let look = Observation::at_rest(seen.map_or_else(Outcome::Failed, Outcome::Seen));
                ConfigMapLook { name: name.clone(), look }
            }
        }));
        Ok((looks.await, Some(())))
    })
}

/// The Service that kiam's agents dial, where the Pod names a role for kiam.
fn kiam_server(
    graph: &mut Graph,
    known: &Common<Who>,
    agents: &Handle<Vec<Agent>, Arc<Vec<Agent>>>,
    api: &Api,
    host: &Host,
) -> Handle<KiamServer> {
    let (api, agents, known, host) = (api.clone(), agents.clone(), known.clone(), host.clone());
    let needs = async move {
        let who = common(known).await?;
        let named = who.template().is_some_and(|template| template.annotations.contains_key("iam.amazonaws.com/role"));
        if !named {
            return Err(not_applicable("the Pod names no role for kiam"));
        }
        let agents: Arc<Vec<Agent>> = need(&agents).await?;
        workload::kiam_service(&agents).ok_or_else(|| not_applicable("no agent of kiam dials a Service of the cluster"))
    };
    graph.probe("kiam-server", SHORT, needs, move |(service, dialled): (workload::Service, String)| async move {
        Ok((workload::kiam_server(&api, &service, dialled, &host).await?, Some(())))
    })
}

/// The issuer of the cluster's own tokens, as the API server tells it.
fn own_issuer(graph: &mut Graph, api: &Api) -> Handle<Issuer, Arc<Issuer>> {
    let api = api.clone();
    graph.probe("workload-issuer", SHORT, async { Ok(()) }, move |()| async move {
        let issuer = workload::issuer(&api).await?;
        Ok((issuer.clone(), Some(Arc::new(issuer))))
    })
}

/// What anybody can read of that issuer, where the Pod relies on it and it is not AWS's own.
fn issuer_reading(
    graph: &mut Graph,
    object: &ObjectProbes,
    issuer: &Common<String>,
    host: &Host,
    scrubber: &Scrubber,
) -> Handle<IssuerReading> {
    let (account, known, issuer) = (object.service_account.clone(), object.known.clone(), issuer.clone());
    let (host, scrubber) = (host.clone(), scrubber.clone());
    let needs = async move {
        let who = common(known).await?;
        let account = account.await;
        let means = account.give.as_ref().is_some_and(|account| account.annotations.contains_key(ROLE))
            || who.template().is_some_and(|template| {
                let mut all = template.containers.iter().flat_map(|container| &container.env);
                all.any(|variable| variable.name == "AWS_WEB_IDENTITY_TOKEN_FILE")
            });
        if !means {
            return Err(not_applicable("nothing means IRSA"));
        }
        let issuer = common(issuer).await?;
        let host = url::Url::parse(&issuer).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default();
        if [".amazonaws.com", ".amazonaws.com.cn", ".api.aws"].iter().any(|end| host.ends_with(end)) {
            return Err(not_applicable("the issuer is AWS's own: STS reads it whatever can be seen from here"));
        }
        Ok(issuer)
    };
    graph.probe("workload-issuer-reading", SHORT, needs, move |url: String| async move {
        // STS judges by public CAs: the system's roots are the nearest to that.
        let tls = TlsSettings { roots: Roots::System, client_identity: None, server_name: None, insecure: false };
        let url = discovery_url(&url);
        let read = issuer::discovery(&url, issuer::OWN_AGENT, &tls, &host, &scrubber).await?;
        let reading = IssuerReading { url, status: read.answer.status, issuer: read.issuer };
        Ok((reading, Some(())))
    })
}

/// The annotation of IRSA.
const ROLE: &str = "eks.amazonaws.com/role-arn";

/// The target's failure is the failure of what is looked for in it; both stand for the same object.
async fn own_failure<T>(
    found: Handle<(), Arc<workload::Found>>,
) -> Result<Result<Arc<workload::Found>, Failure>, Outcome<T>> {
    let done = found.await;
    match (&done.give, &done.observation.outcome) {
        (Some(found), _) => Ok(Ok(found.clone())),
        (None, Outcome::Failed(failure)) => Ok(Err(failure.clone())),
        (None, _) => Err(skip_of(&done.observation, done.id)),
    }
}

/// The Secrets that something names, each once.
fn named_secrets(
    namespace: &str,
    who: &Who,
    account: Option<&ServiceAccount>,
    agents: Option<&[Agent]>,
) -> Vec<SecretLook> {
    let mut named: Vec<SecretLook> = Vec::new();
    let mut add = |namespace: &str, name: &str, usage: &str| {
        if name.is_empty() {
            return;
        }
        let full = named.len() >= SECRETS_LIMIT;
        match named.iter_mut().find(|look| look.namespace == namespace && look.name == name) {
            Some(look) if look.uses.iter().any(|one| one == usage) => {}
            Some(look) => look.uses.push(usage.to_owned()),
            None if !full => named.push(SecretLook {
                namespace: namespace.to_owned(),
                name: name.to_owned(),
                uses: vec![usage.to_owned()],
                look: Observation::default(),
            }),
            None => {}
        }
    };
    if let Some(template) = who.template() {
        for name in &template.pull_secrets {
            add(namespace, name, "image-pull");
        }
        // The Pod's own list replaces the account's, which admission copies where the Pod has none.
        if template.pull_secrets.is_empty() {
            for name in account.map(|account| account.pull_secrets.as_slice()).unwrap_or_default() {
                add(namespace, name, "image-pull");
            }
        }
        for name in template.volumes.iter().flat_map(|volume| &volume.secrets) {
            add(namespace, name, "volume");
        }
        for container in &template.containers {
            let referenced = container.env.iter().filter_map(|variable| variable.from.strip_prefix("secret/"));
            for name in container.env_from_secrets.iter().map(String::as_str).chain(referenced) {
                add(namespace, name, "environment");
            }
        }
    } else {
        for name in account.map(|account| account.pull_secrets.as_slice()).unwrap_or_default() {
            add(namespace, name, "image-pull");
        }
    }
    for agent in agents.unwrap_or_default().iter().filter(|agent| agent.role.starts_with("kiam-")) {
        for name in &agent.secrets {
            add(&agent.namespace, name, "kiam-tls");
        }
    }
    named
}

/// What the AWS part needs of the rest.
struct Needs<'a> {
    resolved: &'a Arc<Resolved>,
    known: &'a Common<Who>,
    account: &'a Handle<ServiceAccount, Arc<ServiceAccount>>,
    node: &'a Handle<Node, Arc<Node>>,
    issuer: &'a Handle<Issuer, Arc<Issuer>>,
    namespace: &'a str,
}
