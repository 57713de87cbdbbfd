//! The part of the graph of `workload` that asks AWS: association, roles, provider, node.

use super::super::graph::recast;
use super::*;
use crate::collect::aws::clients::Clients;
use crate::collect::aws::{eks, identity, target, workload as calls};
use crate::evidence::FailureKind;
use crate::evidence::Skip;
use crate::evidence::eks::{Aws, Caller, Cluster, Target as Meant};
use crate::evidence::workload::{Addon, Associations, Instance, Providers, RoleLook};

/// A handle on a client of AWS.
type Credentials = Handle<(), Arc<Clients>>;

/// A client of AWS, the cluster's name.
type Session = Common<(Arc<Clients>, String)>;

/// The handles on what AWS is asked.
pub(super) struct Cloud {
    target: Handle<Meant, (Meant, bool)>,
    caller: Handle<Caller, Arc<Caller>>,
    cluster: Handle<Cluster, Arc<Cluster>>,
    providers: Handle<Providers>,
    associations: Handle<Associations, Arc<Associations>>,
    addon: Handle<Addon>,
    instance: Handle<Instance, Arc<Instance>>,
    node_role: Handle<String>,
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
        let target = meant(graph, needs.resolved, host, plan);
        let clients = clients(graph, &target, host, scrubber);
        let caller = caller(graph, &clients);
        let session = session(&clients, &target, needs.resolved);
        let cluster: Handle<Cluster, Arc<Cluster>> = graph.probe(
            "eks-cluster",
            SHORT,
            common(session.clone()),
            |(clients, name): (Arc<Clients>, String)| async move {
                let cluster = eks::cluster(&clients, &name).await?;
                Ok((cluster.clone(), Some(Arc::new(cluster))))
            },
        );
        let issuer = issuer(&cluster, needs.issuer);
        let providers = providers(graph, &clients, &caller, &issuer);
        let associations = associations(graph, &session, needs);
        let addon =
            graph.probe(
                "eks-addon",
                SHORT,
                common(session.clone()),
                |(clients, name): (Arc<Clients>, String)| async move {
                    Ok((calls::addon(&clients, &name).await?, Some(())))
                },
            );
        let instance = instance(graph, &clients, needs.node);
        let node_role = node_role(graph, &clients, &instance);
        let roles = roles(graph, &clients, &caller, &associations, needs, plan);
        Self { target, caller, cluster, providers, associations, addon, instance, node_role, roles, issuer }
    }

    /// Puts the answers into the evidence; AWS's view of the cluster is returned.
    pub(super) async fn collect(self, seen: &mut Workload) -> Option<Box<Aws>> {
        seen.providers = taken(self.providers).await;
        seen.associations = taken(self.associations).await;
        seen.addon = taken(self.addon).await;
        seen.instance = taken(self.instance).await;
        seen.node_role = taken(self.node_role).await;
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

/// Which cluster is meant, or the region alone.
fn meant(
    graph: &mut Graph,
    resolved: &Arc<Resolved>,
    host: &Host,
    plan: &WorkloadPlan,
) -> Handle<Meant, (Meant, bool)> {
    let (options, resolved, host) = (plan.aws.clone(), resolved.clone(), host.clone());
    let needs = async move {
        // A cluster that is not EKS may use IRSA all the same; a region is enough for that.
        if !target::is_eks(Some(&resolved), &options) && options.region.is_none() {
            return Err(not_applicable("the cluster is not EKS; --eks-cluster or --region would have AWS asked"));
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
    graph.probe("aws-target", SHORT, needs, move |(resolved, options): (Arc<Resolved>, AwsOptions)| async move {
        let meant = match target::derive(&host, Some(&resolved), &options) {
            Ok(meant) => meant,
            Err(failure) => match &options.region {
                Some(region) => {
                    let meant = Meant {
                        region: region.clone(),
                        region_origin: "flag".to_owned(),
                        profile: options.profile.clone(),
                        profile_named: options.profile.is_some(),
                        ..Meant::default()
                    };
                    (meant, options.profile.is_some())
                }
                None => return Err(failure),
            },
        };
        Ok((meant.0.clone(), Some(meant)))
    })
}

/// A client with the user's own credentials for AWS.
fn clients(graph: &mut Graph, meant: &Handle<Meant, (Meant, bool)>, host: &Host, scrubber: &Scrubber) -> Credentials {
    let (meant, host, scrubber) = (meant.clone(), host.clone(), scrubber.clone());
    let needs = async move { need::<_, (Meant, bool), _>(&meant).await };
    graph.probe("aws-credentials", SHORT, needs, move |(meant, first): (Meant, bool)| async move {
        Ok(((), Some(Arc::new(Clients::load(&host, &meant, first, &scrubber).await?))))
    })
}

/// Whose credentials they are.
fn caller(graph: &mut Graph, clients: &Credentials) -> Handle<Caller, Arc<Caller>> {
    let clients = clients.clone();
    let needs = async move {
        let done = clients.await;
        match (&done.give, &done.observation.outcome) {
            (Some(clients), _) => Ok(Ok(clients.clone())),
            // Missing credentials are this check's own failure.
            (None, Outcome::Failed(failure)) => Ok(Err(failure.clone())),
            (None, _) => Err(skip_of(&done.observation, done.id)),
        }
    };
    graph.probe("aws-caller", SHORT, needs, |clients: Result<Arc<Clients>, Failure>| async move {
        let caller = identity::caller(&*clients?).await?;
        Ok((caller.clone(), Some(Arc::new(caller))))
    })
}

/// The client and the cluster's name; where only its endpoint is known, the name is sought by that.
fn session(clients: &Credentials, meant: &Handle<Meant, (Meant, bool)>, resolved: &Arc<Resolved>) -> Session {
    let (clients, meant, resolved) = (clients.clone(), meant.clone(), resolved.clone());
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
}

/// The issuer of the cluster's tokens: as EKS tells it, else as the API server does.
fn issuer(cluster: &Handle<Cluster, Arc<Cluster>>, own: &Handle<Issuer, Arc<Issuer>>) -> Common<String> {
    let (cluster, own) = (cluster.clone(), own.clone());
    async move {
        if let Some(issuer) = cluster.await.give.as_ref().and_then(|cluster| cluster.own_issuer.clone()) {
            return Ok(issuer);
        }
        Ok(need::<_, Arc<Issuer>, ()>(&own).await?.issuer.clone())
    }
    .boxed()
    .shared()
}

/// What IAM knows of that issuer.
fn providers(
    graph: &mut Graph,
    clients: &Credentials,
    caller: &Handle<Caller, Arc<Caller>>,
    issuer: &Common<String>,
) -> Handle<Providers> {
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
}

/// The associations of the service account.
fn associations(graph: &mut Graph, session: &Session, needs: &Needs<'_>) -> Handle<Associations, Arc<Associations>> {
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
}

/// The EC2 instance that is the Pod's node.
fn instance(
    graph: &mut Graph,
    clients: &Credentials,
    node: &Handle<Node, Arc<Node>>,
) -> Handle<Instance, Arc<Instance>> {
    let (clients, node) = (clients.clone(), node.clone());
    let needs = async move {
        let clients: Arc<Clients> = need(&clients).await?;
        let node: Arc<Node> = need(&node).await?;
        let id = node.provider_id.as_deref().and_then(|id| id.rsplit('/').next()).filter(|id| id.starts_with("i-"));
        let id = id.ok_or_else(|| not_applicable("the node is no EC2 instance"))?.to_owned();
        Ok((clients, id))
    };
    graph.probe("ec2-instance", SHORT, needs, |(clients, id): (Arc<Clients>, String)| async move {
        let instance = calls::instance(&clients, &id).await?;
        Ok((instance.clone(), Some(Arc::new(instance))))
    })
}

/// The role of that instance.
fn node_role(graph: &mut Graph, clients: &Credentials, instance: &Handle<Instance, Arc<Instance>>) -> Handle<String> {
    let (clients, instance) = (clients.clone(), instance.clone());
    let needs = async move {
        let clients: Arc<Clients> = need(&clients).await?;
        let instance: Arc<Instance> = need(&instance).await?;
        let profile = instance.profile_arn.clone();
        Ok((clients, profile.ok_or_else(|| not_applicable("the node has no instance profile"))?))
    };
    graph.probe("iam-instance-profile", SHORT, needs, |(clients, profile): (Arc<Clients>, String)| async move {
        Ok((calls::node_role(&clients, &profile).await?, Some(())))
    })
}

/// The roles that something names, each with its own outcome.
fn roles(
    graph: &mut Graph,
    clients: &Credentials,
    caller: &Handle<Caller, Arc<Caller>>,
    associations: &Handle<Associations, Arc<Associations>>,
    needs: &Needs<'_>,
    plan: &WorkloadPlan,
) -> Handle<Vec<RoleLook>> {
    let (clients, caller, associations) = (clients.clone(), caller.clone(), associations.clone());
    let (known, account, wanted) = (needs.known.clone(), needs.account.clone(), plan.wanted_role.clone());
    let needs = async move {
        let who = common(known).await?;
        let (account, associations) = futures::join!(account, associations);
        let named = named_roles(&who, account.give.as_deref(), associations.give.as_deref(), wanted.as_deref());
        let clients = match clients.clone().await.give.clone() {
            Some(clients) => Ok(clients),
            None => {
                let done = clients.await;
                Err(skip_of::<(), ()>(&done.observation, done.id))
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
}

/// A role in the caller's own account; of other accounts nothing can be said.
async fn one_role(clients: &Clients, caller: Option<&str>, named: &str) -> Outcome<crate::evidence::workload::Role> {
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
            None => {
                named.push(RoleLook { named: role.to_owned(), by: vec![by.to_owned()], role: Observation::default() })
            }
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
