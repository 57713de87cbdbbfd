//! The graph of `workload`: Pod → service account → Secrets, issuer and node; and, through AWS, association, roles and
//! provider. Whatever does not need another look is made at once.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared, join_all};

use super::{Graph, Handle, LONG, Outcome, SHORT, finish, need, not_applicable, recast, taken};
use crate::collect::apiserver::Api;
use crate::collect::aws::target::AwsOptions;
use crate::collect::kubeconfig::Resolved;
use crate::collect::tls::TlsSettings;
use crate::collect::{Roots, identity, issuer, workload};
use crate::evidence::workload::{
    Agent, AgentPod, Event, Issuer, IssuerReading, Namespace, Node, Owner, Pod, SecretLook, ServiceAccount, Target,
    Webhook, Workload,
};
use crate::evidence::{Asked, ControlPlane, Endpoint, Evidence, Failure, Observation, SCHEMA, kubeconfig as facts};
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

/// What several probes need, or why there is none.
type Common<N> = Shared<BoxFuture<'static, Result<N, Outcome<()>>>>;

async fn common<N: Clone, T>(needed: Common<N>) -> Result<N, Outcome<T>> {
    needed.await.map_err(recast)
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

/// What was looked for and is not there is not applicable.
fn present<T: Clone, X>(done: &super::Done<Option<T>, X>, absent: &str) -> Observation<T> {
    let outcome = match done.observation.outcome.clone() {
        Outcome::Seen(Some(value)) => Outcome::Seen(value),
        Outcome::Seen(None) => Outcome::NotApplicable(absent.to_owned()),
        Outcome::Failed(failure) => Outcome::Failed(failure),
        Outcome::Skipped(skip) => Outcome::Skipped(skip),
        Outcome::NotApplicable(reason) => Outcome::NotApplicable(reason),
    };
    Observation { started_ms: done.observation.started_ms, took_ms: done.observation.took_ms, outcome }
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
    let target = Arc::new(plan.target.clone());
    let namespace = target.namespace.clone();

    let who = {
        let api = api.clone();
        graph.probe("identity", SHORT, async { Ok(()) }, move |()| async move {
            Ok((identity::identity(&api).await?, Some(())))
        })
    };
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
        graph.probe("workload-owner", SHORT, needs, move |found: Result<Arc<workload::Found>, Failure>| async move {
            let found = found?;
            let owner = workload::top_owner(&api, &target, &found, &scrubber).await?;
            Ok((owner.clone(), Some(owner.map(Arc::new))))
        })
    };
    // Whoever knows the service account's name: the Pod, else the owner's template, else the question itself.
    let known: Common<Who> = {
        let (pod, owner, target) = (pod.clone(), owner.clone(), target.clone());
        async move {
            let (pod, owner) = futures::join!(pod, owner);
            let who =
                Who { pod: pod.give.clone().flatten(), owner: owner.give.clone().flatten(), account: String::new() };
            let account = who.template().map(|template| template.service_account.clone());
            let asked = (target.kind == "ServiceAccount").then(|| target.name.clone());
            match account.or(asked) {
                Some(account) => Ok(Who { account, ..who }),
                None => Err(super::skip_of(&pod.observation, pod.id)),
            }
        }
        .boxed()
        .shared()
    };
    let service_account: Handle<ServiceAccount, Arc<ServiceAccount>> = {
        let (api, namespace) = (api.clone(), namespace.clone());
        graph.probe("workload-service-account", SHORT, common(known.clone()), move |who: Who| async move {
            let account = workload::service_account(&api, &namespace, &who.account).await?;
            Ok((account.clone(), Some(Arc::new(account))))
        })
    };
    let in_namespace: Handle<Namespace> = {
        let (api, namespace) = (api.clone(), namespace.clone());
        graph.probe("workload-namespace", SHORT, async { Ok(()) }, move |()| async move {
            Ok((workload::namespace(&api, &namespace).await?, Some(())))
        })
    };
    let agents: Handle<Vec<Agent>, Arc<Vec<Agent>>> = {
        let (api, scrubber) = (api.clone(), scrubber.clone());
        graph.probe("workload-agents", LONG, async { Ok(()) }, move |()| async move {
            let agents = workload::agents(&api, &scrubber).await?;
            Ok((agents.clone(), Some(Arc::new(agents))))
        })
    };
    let on_node = {
        let known = known.clone();
        async move {
            let who = known.await?;
            let pod = who.pod.ok_or_else(|| not_applicable::<()>("there is no Pod now"))?;
            pod.node.clone().ok_or_else(|| not_applicable("the Pod is on no node yet"))
        }
        .boxed()
        .shared()
    };
    let node_agents: Handle<Vec<AgentPod>> = {
        let api = api.clone();
        graph.probe("workload-node-agents", LONG, common(on_node.clone()), move |node: String| async move {
            Ok((workload::node_agents(&api, &node).await?, Some(())))
        })
    };
    let node: Handle<Node, Arc<Node>> = {
        let api = api.clone();
        graph.probe("workload-node", SHORT, common(on_node.clone()), move |node: String| async move {
            let node = workload::node(&api, &node).await?;
            Ok((node.clone(), Some(Arc::new(node))))
        })
    };
    let webhook: Handle<Webhook> = {
        let api = api.clone();
        graph.probe("workload-webhook", SHORT, async { Ok(()) }, move |()| async move {
            Ok((workload::webhook(&api).await?, Some(())))
        })
    };
    let events: Handle<Vec<Event>> = {
        let (api, namespace, scrubber, known) = (api.clone(), namespace.clone(), scrubber.clone(), known.clone());
        let needs = async move {
            let who = common(known).await?;
            who.pod.ok_or_else(|| not_applicable("there is no Pod now"))
        };
        graph.probe("workload-events", SHORT, needs, move |pod: Arc<Pod>| async move {
            Ok((workload::events(&api, &namespace, &pod, &scrubber).await?, Some(())))
        })
    };
    let secrets: Handle<Vec<SecretLook>> = {
        let (api, namespace, known, account, agents) =
            (api.clone(), namespace.clone(), known.clone(), service_account.clone(), agents.clone());
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
    };
    let own_issuer: Handle<Issuer, Arc<Issuer>> = {
        let api = api.clone();
        graph.probe("workload-issuer", SHORT, async { Ok(()) }, move |()| async move {
            let issuer = workload::issuer(&api).await?;
            Ok((issuer.clone(), Some(Arc::new(issuer))))
        })
    };
    let needs = cloud::Needs {
        resolved: &resolved,
        known: &known,
        account: &service_account,
        node: &node,
        issuer: &own_issuer,
        namespace: &namespace,
    };
    let cloud = cloud::Cloud::spawn(&mut graph, &needs, host, plan, scrubber);
    let issuer_reading: Handle<IssuerReading> = {
        let (account, known, issuer, host, scrubber) =
            (service_account.clone(), known.clone(), cloud.issuer.clone(), host.clone(), scrubber.clone());
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
            let host =
                url::Url::parse(&issuer).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default();
            if [".amazonaws.com", ".amazonaws.com.cn", ".api.aws"].iter().any(|end| host.ends_with(end)) {
                return Err(not_applicable("the issuer is AWS's own: STS reads it whatever can be seen from here"));
            }
            Ok(issuer)
        };
        graph.probe("workload-issuer-reading", SHORT, needs, move |url: String| async move {
            // STS judges by public CAs: the system's roots are the nearest to that.
            let tls = TlsSettings { roots: Roots::System, client_identity: None, server_name: None, insecure: false };
            let read = issuer::discovery(&url, issuer::OWN_AGENT, &tls, &host, &scrubber).await?;
            let reading =
                IssuerReading { url: issuer::discovery_url(&url), status: read.answer.status, issuer: read.issuer };
            Ok((reading, Some(())))
        })
    };

    finish(&mut graph).await;
    let (pod, owner) = (pod.await, owner.await);
    let mut seen = Workload {
        target: plan.target.clone(),
        wanted_role: plan.wanted_role.clone(),
        pod: present(&pod, "there is no Pod of it now"),
        owner: present(&owner, "nothing makes the Pod: it is a bare one"),
        service_account: taken(service_account).await,
        namespace: taken(in_namespace).await,
        agents: taken(agents).await,
        node_agents: taken(node_agents).await,
        node: taken(node).await,
        secrets: secrets.await.observation.seen().cloned().unwrap_or_default(),
        webhook: taken(webhook).await,
        events: taken(events).await,
        issuer: taken(own_issuer).await,
        issuer_reading: taken(issuer_reading).await,
        ..Workload::default()
    };
    let aws = cloud.collect(&mut seen).await;
    let elsewhere = "kaccess workload does not look at this";
    Evidence {
        schema: SCHEMA.to_owned(),
        provenance: "observed".to_owned(),
        kaccess: env!("CARGO_PKG_VERSION").to_owned(),
        observed_at: host.started_at,
        asked: Asked { error: plan.error.clone(), ..Asked::default() },
        kubeconfig: Observation::at_rest(Outcome::Seen(kubeconfig)),
        plugin: Observation::not_applicable(elsewhere),
        credential: Observation::not_applicable(elsewhere),
        endpoint: Endpoint {
            route: Observation::not_applicable(elsewhere),
            dns: Observation::not_applicable(elsewhere),
            tcp: Observation::not_applicable(elsewhere),
            tls: Observation::not_applicable(elsewhere),
            anonymous: Observation::not_applicable(elsewhere),
            authenticated: Observation::not_applicable(elsewhere),
            repeated: Observation::not_applicable(elsewhere),
            plain: Observation::not_applicable(elsewhere),
            names: Observation::not_applicable(elsewhere),
            direct_dns: Observation::not_applicable(elsewhere),
            direct_tcp: Observation::not_applicable(elsewhere),
            direct_tls: Observation::not_applicable(elsewhere),
        },
        identity: taken(who).await,
        access: Observation::not_applicable(elsewhere),
        issuer: crate::evidence::Issuer {
            target: Observation::not_applicable(elsewhere),
            dns: Observation::not_applicable(elsewhere),
            tcp: Observation::not_applicable(elsewhere),
            tls: Observation::not_applicable(elsewhere),
            discovery: Observation::not_applicable(elsewhere),
            discovery_as_control_plane: Observation::not_applicable(elsewhere),
            jwks: Observation::not_applicable(elsewhere),
            jwks_as_control_plane: Observation::not_applicable(elsewhere),
            signature: Observation::not_applicable(elsewhere),
        },
        configured_issuer: None,
        control_plane: ControlPlane {
            reviewer: Observation::not_applicable(elsewhere),
            token_review: Observation::not_applicable(elsewhere),
            metrics: Observation::not_applicable(elsewhere),
            flagz: Observation::not_applicable(elsewhere),
            configuration: Observation::not_applicable(elsewhere),
            pods: Observation::not_applicable(elsewhere),
            published: Observation::not_applicable(elsewhere),
            log: Observation::not_applicable(elsewhere),
            pod_log: Observation::not_applicable(elsewhere),
        },
        rbac: Observation::not_applicable(elsewhere),
        aws,
        workload: Some(Box::new(seen)),
        took_ms: host.elapsed_ms(),
    }
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
        (None, _) => Err(super::skip_of(&done.observation, done.id)),
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

/// What is asked of AWS.
#[cfg(feature = "aws")]
mod cloud {
    use super::*;
    use crate::collect::aws::clients::Clients;
    use crate::collect::aws::{eks, identity, target, workload as calls};
    use crate::evidence::FailureKind;
    use crate::evidence::Skip;
    use crate::evidence::eks::{Aws, Caller, Cluster, Target as Meant};
    use crate::evidence::workload::{Addon, Associations, Instance, Providers, RoleLook};

    /// What the AWS part needs of the rest.
    pub(super) struct Needs<'a> {
        pub(super) resolved: &'a Arc<Resolved>,
        pub(super) known: &'a Common<Who>,
        pub(super) account: &'a Handle<ServiceAccount, Arc<ServiceAccount>>,
        pub(super) node: &'a Handle<Node, Arc<Node>>,
        pub(super) issuer: &'a Handle<Issuer, Arc<Issuer>>,
        pub(super) namespace: &'a str,
    }

    /// The handles on what AWS is asked.
    pub(super) struct Cloud {
        target: Handle<Meant, (Meant, bool)>,
        caller: Handle<Caller, Arc<Caller>>,
        cluster: Handle<Cluster, Arc<Cluster>>,
        providers: Handle<Providers>,
        associations: Handle<Associations, Arc<Associations>>,
        addon: Handle<Addon>,
        instance: Handle<Instance>,
        roles: Handle<Vec<RoleLook>>,
        /// The issuer of the cluster's tokens, whoever told it.
        pub(super) issuer: Common<String>,
    }

    impl Cloud {
        pub(super) fn spawn(
            graph: &mut Graph,
            needs: &Needs<'_>,
            host: &Host,
            plan: &WorkloadPlan,
            scrubber: &Scrubber,
        ) -> Self {
            let meant: Handle<Meant, (Meant, bool)> = {
                let (options, resolved, host) = (plan.aws.clone(), needs.resolved.clone(), host.clone());
                let needs = async move {
                    // A cluster that is not EKS may use IRSA all the same; a region is enough for that.
                    if !target::is_eks(Some(&resolved), &options) && options.region.is_none() {
                        return Err(not_applicable(
                            "the cluster is not EKS; --eks-cluster or --region would have AWS asked",
                        ));
                    }
                    if options.off {
                        return Err(Outcome::Skipped(Skip {
                            because: "aws-target".to_owned(),
                            text: "--no-aws was given: AWS was not asked".to_owned(),
                            needs: Some("running without --no-aws".to_owned()),
                        }));
                    }
                    Ok((resolved, options))
                };
                graph.probe(
                    "aws-target",
                    SHORT,
                    needs,
                    move |(resolved, options): (Arc<Resolved>, AwsOptions)| async move {
                        let meant = match target::derive(&host, Some(&resolved), &options) {
                            Ok(meant) => meant,
                            Err(failure) => match &options.region {
                                Some(region) => {
                                    let meant = Meant {
                                        region: region.clone(),
                                        region_origin: "flag".to_owned(),
                                        profile: options.profile.clone(),
                                        ..Meant::default()
                                    };
                                    (meant, options.profile.is_some())
                                }
                                None => return Err(failure),
                            },
                        };
                        Ok((meant.0.clone(), Some(meant)))
                    },
                )
            };
            let clients: Handle<(), Arc<Clients>> = {
                let (meant, host, scrubber) = (meant.clone(), host.clone(), scrubber.clone());
                let needs = async move { need::<_, (Meant, bool), _>(&meant).await };
                graph.probe("aws-credentials", SHORT, needs, move |(meant, first): (Meant, bool)| async move {
                    Ok(((), Some(Arc::new(Clients::load(&host, &meant, first, &scrubber).await?))))
                })
            };
            let caller: Handle<Caller, Arc<Caller>> = {
                let clients = clients.clone();
                let needs = async move {
                    let done = clients.await;
                    match (&done.give, &done.observation.outcome) {
                        (Some(clients), _) => Ok(Ok(clients.clone())),
                        // Missing credentials are this check's own failure.
                        (None, Outcome::Failed(failure)) => Ok(Err(failure.clone())),
                        (None, _) => Err(super::super::skip_of(&done.observation, done.id)),
                    }
                };
                graph.probe("aws-caller", SHORT, needs, |clients: Result<Arc<Clients>, Failure>| async move {
                    let caller = identity::caller(&*clients?).await?;
                    Ok((caller.clone(), Some(Arc::new(caller))))
                })
            };
            let session: Common<(Arc<Clients>, String)> = {
                let (clients, meant, resolved) = (clients.clone(), meant.clone(), needs.resolved.clone());
                async move {
                    let clients: Arc<Clients> = need(&clients).await?;
                    let (meant, _): (Meant, bool) = need(&meant).await?;
                    if !meant.cluster.is_empty() {
                        return Ok((clients, meant.cluster));
                    }
                    if meant.cluster_origin.is_empty() {
                        return Err(not_applicable::<()>("no EKS cluster is named (--eks-cluster)"));
                    }
                    let host = resolved.server.host_str().unwrap_or_default().to_owned();
                    let name = eks::name_of_endpoint(&clients, &host).await.map_err(Outcome::Failed)?;
                    Ok((clients, name))
                }
                .boxed()
                .shared()
            };
            let cluster: Handle<Cluster, Arc<Cluster>> = graph.probe(
                "eks-cluster",
                SHORT,
                common(session.clone()),
                |(clients, name): (Arc<Clients>, String)| async move {
                    let cluster = eks::cluster(&clients, &name).await?;
                    Ok((cluster.clone(), Some(Arc::new(cluster))))
                },
            );
            let issuer: Common<String> = {
                let (cluster, own) = (cluster.clone(), needs.issuer.clone());
                async move {
                    if let Some(issuer) = cluster.await.give.as_ref().and_then(|cluster| cluster.own_issuer.clone()) {
                        return Ok(issuer);
                    }
                    Ok(need::<_, Arc<Issuer>, ()>(&own).await?.issuer.clone())
                }
                .boxed()
                .shared()
            };
            let providers = {
                let (clients, caller, issuer) = (clients.clone(), caller.clone(), issuer.clone());
                let needs = async move {
                    let clients: Arc<Clients> = need(&clients).await?;
                    let caller: Arc<Caller> = need(&caller).await?;
                    Ok((clients, caller, common(issuer).await?))
                };
                graph.probe(
                    "iam-oidc-providers",
                    SHORT,
                    needs,
                    |(clients, caller, issuer): (Arc<Clients>, Arc<Caller>, String)| async move {
                        Ok((calls::providers(&clients, &caller.account, &issuer).await?, Some(())))
                    },
                )
            };
            let associations: Handle<Associations, Arc<Associations>> = {
                let (session, known, namespace) = (session.clone(), needs.known.clone(), needs.namespace.to_owned());
                let needs = async move {
                    let (clients, cluster) = common(session).await?;
                    Ok((clients, cluster, common(known).await?))
                };
                graph.probe(
                    "eks-pod-identity-associations",
                    SHORT,
                    needs,
                    move |(clients, cluster, who): (Arc<Clients>, String, Who)| async move {
                        let found = calls::associations(&clients, &cluster, &namespace, &who.account).await?;
                        Ok((found.clone(), Some(Arc::new(found))))
                    },
                )
            };
            let addon = graph.probe(
                "eks-addon",
                SHORT,
                common(session.clone()),
                |(clients, name): (Arc<Clients>, String)| async move {
                    Ok((calls::addon(&clients, &name).await?, Some(())))
                },
            );
            let instance = {
                let (clients, node) = (clients.clone(), needs.node.clone());
                let needs = async move {
                    let clients: Arc<Clients> = need(&clients).await?;
                    let node: Arc<Node> = need(&node).await?;
                    let id = node
                        .provider_id
                        .as_deref()
                        .and_then(|id| id.rsplit('/').next())
                        .filter(|id| id.starts_with("i-"));
                    let id = id.ok_or_else(|| not_applicable("the node is no EC2 instance"))?.to_owned();
                    Ok((clients, id))
                };
                graph.probe("ec2-instance", SHORT, needs, |(clients, id): (Arc<Clients>, String)| async move {
                    Ok((calls::instance(&clients, &id).await?, Some(())))
                })
            };
            let roles = {
                let (clients, caller, known, account, associations, wanted) = (
                    clients.clone(),
                    caller.clone(),
                    needs.known.clone(),
                    needs.account.clone(),
                    associations.clone(),
                    plan.wanted_role.clone(),
                );
                let needs = async move {
                    let who = common(known).await?;
                    let (account, associations) = futures::join!(account, associations);
                    let named =
                        named_roles(&who, account.give.as_deref(), associations.give.as_deref(), wanted.as_deref());
                    let clients = match clients.clone().await.give.clone() {
                        Some(clients) => Ok(clients),
                        None => {
                            let done = clients.await;
                            Err(super::super::skip_of::<(), ()>(&done.observation, done.id))
                        }
                    };
                    let caller = caller.await.give.as_ref().map(|caller: &Arc<Caller>| caller.account.clone());
                    Ok((named, clients, caller))
                };
                type Named = (Vec<RoleLook>, Result<Arc<Clients>, Outcome<()>>, Option<String>);
                graph.probe("iam-roles", LONG, needs, |(named, clients, caller): Named| async move {
                    let looks = join_all(named.into_iter().map(|look| {
                        let (clients, caller) = (clients.clone(), caller.clone());
                        async move {
                            let outcome = match clients {
                                Ok(clients) => one_role(&clients, caller.as_deref(), &look.named).await,
                                Err(outcome) => recast(outcome),
                            };
                            RoleLook { role: Observation::at_rest(outcome), ..look }
                        }
                    }));
                    Ok((looks.await, Some(())))
                })
            };
            Self { target: meant, caller, cluster, providers, associations, addon, instance, roles, issuer }
        }

        /// Puts the answers into the evidence; AWS's view of the cluster is returned.
        pub(super) async fn collect(self, seen: &mut Workload) -> Option<Box<Aws>> {
            seen.providers = taken(self.providers).await;
            seen.associations = taken(self.associations).await;
            seen.addon = taken(self.addon).await;
            seen.instance = taken(self.instance).await;
            seen.roles = self.roles.await.observation.seen().cloned().unwrap_or_default();
            let target = taken(self.target).await;
            if matches!(target.outcome, Outcome::NotApplicable(_)) {
                return None;
            }
            let aws =
                Aws { target, caller: taken(self.caller).await, cluster: taken(self.cluster).await, ..Aws::default() };
            Some(Box::new(aws))
        }
    }

    /// A role in the caller's own account; of other accounts nothing can be said.
    async fn one_role(
        clients: &Clients,
        caller: Option<&str>,
        named: &str,
    ) -> Outcome<crate::evidence::workload::Role> {
        let account = named.split(':').nth(4).filter(|account| !account.is_empty());
        let foreign = |account: &str| {
            let as_whom = caller.unwrap_or("an account that is not known");
            Outcome::Skipped(Skip {
                because: "aws-caller".to_owned(),
                text: format!("the role is in account {account}, and kaccess asks as {as_whom}"),
                needs: Some(format!("iam:GetRole in account {account} (--profile)")),
            })
        };
        if let (Some(account), Some(caller)) = (account, caller)
            && account != caller
        {
            return foreign(account);
        }
        let name = named.rsplit('/').next().unwrap_or(named);
        match calls::role(clients, name).await {
            Ok(role) if account.is_some_and(|account| role.arn.split(':').nth(4) != Some(account)) => {
                foreign(account.unwrap_or_default())
            }
            Ok(role) => Outcome::Seen(role),
            Err(failure) if failure.kind == FailureKind::NotFound && caller.is_none() => {
                foreign(account.unwrap_or_default())
            }
            Err(failure) => Outcome::Failed(failure),
        }
    }

    /// The roles that something names, each once.
    fn named_roles(
        who: &Who,
        account: Option<&ServiceAccount>,
        associations: Option<&Associations>,
        wanted: Option<&str>,
    ) -> Vec<RoleLook> {
        let mut named: Vec<RoleLook> = Vec::new();
        let mut add = |role: &str, by: &str| {
            let role = role.trim();
            if role.is_empty() {
                return;
            }
            match named.iter_mut().find(|look| look.named == role) {
                Some(look) => look.by.push(by.to_owned()),
                None => named.push(RoleLook {
                    named: role.to_owned(),
                    by: vec![by.to_owned()],
                    role: Observation::default(),
                }),
            }
        };
        if let Some(role) = account.and_then(|account| account.annotations.get(ROLE)) {
            add(role, "service-account");
        }
        if let Some(template) = who.template() {
            if let Some(role) = template.annotations.get("iam.amazonaws.com/role") {
                add(role, "pod");
            }
            let variables = template.containers.iter().flat_map(|container| &container.env);
            let mut roles: Vec<&str> = variables
                .filter(|variable| variable.name == "AWS_ROLE_ARN")
                .filter_map(|variable| variable.value.as_deref())
                .collect();
            roles.dedup();
            for role in roles {
                add(role, "pod");
            }
        }
        if let Some(details) = associations.and_then(|all| all.ours.as_ref()?.details.seen()) {
            add(&details.role_arn, "association");
            if let Some(target) = &details.target_role_arn {
                add(target, "target");
            }
        }
        if let Some(role) = wanted {
            add(role, "wanted");
        }
        named
    }
}

/// A build without the feature `aws`: nothing is asked.
#[cfg(not(feature = "aws"))]
mod cloud {
    use super::*;
    use crate::evidence::eks::Aws;

    pub(super) struct Needs<'a> {
        pub(super) resolved: &'a Arc<Resolved>,
        pub(super) known: &'a Common<Who>,
        pub(super) account: &'a Handle<ServiceAccount, Arc<ServiceAccount>>,
        pub(super) node: &'a Handle<Node, Arc<Node>>,
        pub(super) issuer: &'a Handle<Issuer, Arc<Issuer>>,
        pub(super) namespace: &'a str,
    }

    pub(super) struct Cloud {
        pub(super) issuer: Common<String>,
    }

    impl Cloud {
        pub(super) fn spawn(_: &mut Graph, needs: &Needs<'_>, _: &Host, _: &WorkloadPlan, _: &Scrubber) -> Self {
            // Only who issues the tokens is known without AWS.
            let _ = (needs.resolved, needs.known, needs.account, needs.node, needs.namespace);
            let own = needs.issuer.clone();
            let issuer = async move { Ok(need::<_, Arc<Issuer>, ()>(&own).await?.issuer.clone()) };
            Self { issuer: issuer.boxed().shared() }
        }

        pub(super) async fn collect(self, seen: &mut Workload) -> Option<Box<Aws>> {
            let text = "this kaccess was built without AWS support, so AWS was not asked";
            seen.providers = Observation::skipped("aws-caller", text);
            seen.associations = Observation::skipped("aws-caller", text);
            seen.addon = Observation::skipped("aws-caller", text);
            seen.instance = Observation::skipped("aws-caller", text);
            None
        }
    }
}
