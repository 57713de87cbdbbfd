//! The part of the graph that asks AWS: cluster → network, caller → access entry, issuer → load balancer.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use futures::FutureExt as _;

use super::Plan;
use super::control_plane::Reader;
use super::graph::{Common, Graph, Handle, LONG, SHORT, common, need, not_applicable, present, skip_of, taken};
use super::issuer::IssuerTarget;
use super::way::{Dns, Way};
use crate::aws::identity::{Arn, canonical, without_path};
use crate::collect::apiserver::Api;
use crate::collect::aws::clients::Clients;
use crate::collect::aws::target::{self, AwsOptions};
use crate::collect::aws::{balancer, cluster_side, ec2, eks, identity, logs};
use crate::collect::dns;
use crate::collect::kubeconfig::Resolved;
use crate::evidence::apiserver::Log;
use crate::evidence::balancer::{Balancer, Ingress, Listener, ListenerRule, LoadBalancer, TargetGroupHealth, WebAcl};
use crate::evidence::dns::is_public;
use crate::evidence::eks::{
    AccessEntries, Aws, AwsAuth, Caller, Cluster, EndpointSlice, IdentityProviders, OwnEgress, Principal, Principals,
    Target, Update,
};
use crate::evidence::network::{
    DhcpOptions, Interface, NatGateway, Network, NetworkAcl, PrefixList, RouteTable, SecurityGroup, SecurityGroupRule,
    Subnet, Vpc, VpcDns,
};
use crate::evidence::{Failure, FailureKind, Outcome, Skip, issuer};
use crate::host::Host;
use crate::secret::Scrubber;

/// Which cluster, and the kubeconfig's own view of it.
#[derive(Clone)]
struct Meant {
    target: Target,
    profile_first: bool,
    server_host: Option<String>,
}

impl Meant {
    /// The role that the plugin assumes, where the caller is somebody else.
    fn assumed(&self, caller: &Caller) -> Option<String> {
        let role = self.target.role_arn.as_deref()?;
        let parsed = Arn::parse(role).filter(|arn| arn.service == "iam" && arn.kind() == "role")?;
        let own = canonical(&caller.arn).is_some_and(|own| own.eq_ignore_ascii_case(&without_path(role)));
        (!own && !parsed.account.is_empty()).then(|| role.to_owned())
    }
}

/// A client of AWS, the caller, and the role that the plugin assumes.
type Signing = (Arc<Clients>, Arc<Caller>, Option<String>);

/// A client of AWS, the cluster's name.
type Session = Common<(Arc<Clients>, String)>;

/// What the AWS part needs of the rest of the graph.
pub(super) struct Needs<'a> {
    pub(super) kubeconfig: &'a Handle<crate::evidence::kubeconfig::Kubeconfig, Arc<Resolved>>,
    pub(super) reader: &'a Reader,
    pub(super) issuer: &'a IssuerTarget,
    pub(super) route: &'a Handle<crate::evidence::dns::Route, Way>,
    pub(super) endpoint_dns: &'a Dns,
    pub(super) discovery: &'a Handle<issuer::Discovery, Option<String>>,
}

/// The handles on everything that AWS is asked.
pub(super) struct AwsProbes {
    target: Handle<Target, Meant>,
    caller: Handle<Caller, Arc<Caller>>,
    principal: Handle<Principal>,
    cluster: Handle<Cluster, Arc<Cluster>>,
    identity_providers: Handle<IdentityProviders>,
    updates: Handle<Vec<Update>>,
    access_entries: Handle<AccessEntries>,
    administrators: Handle<Principals>,
    aws_auth: Handle<AwsAuth>,
    endpoint_slice: Handle<EndpointSlice>,
    api_log: Handle<Log>,
    authenticator_log: Handle<Log>,
    interfaces: Handle<Vec<Interface>, Arc<Vec<Interface>>>,
    security_groups: Handle<Vec<SecurityGroup>>,
    security_group_rules: Handle<Vec<SecurityGroupRule>, Arc<Vec<SecurityGroupRule>>>,
    prefix_lists: Handle<Vec<PrefixList>>,
    subnets: Handle<Vec<Subnet>, Arc<Vec<Subnet>>>,
    route_tables: Handle<Vec<RouteTable>, Arc<Vec<RouteTable>>>,
    nat_gateways: Handle<Vec<NatGateway>>,
    network_acls: Handle<Vec<NetworkAcl>>,
    vpcs: Handle<Vec<Vpc>, Arc<Vec<Vpc>>>,
    vpc_dns: Handle<VpcDns>,
    dhcp_options: Handle<DhcpOptions>,
    issuer_balancer: BalancerProbes,
    jwks_balancer: BalancerProbes,
    own_egress: Handle<OwnEgress>,
}

/// What a probe saw, if it saw anything.
async fn seen<T: Clone, X: Clone>(handle: Handle<T, X>) -> Option<X> {
    handle.await.give.clone()
}

/// Sorted, each once.
fn distinct(ids: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut ids: Vec<String> = ids.into_iter().filter(|id| !id.is_empty()).collect();
    ids.sort();
    ids.dedup();
    ids
}

fn nothing<T>(ids: &[String], what: &str) -> Result<(), Outcome<T>> {
    if ids.is_empty() { Err(not_applicable(what)) } else { Ok(()) }
}

impl AwsProbes {
    pub(super) fn spawn(graph: &mut Graph, needs: &Needs<'_>, host: &Host, plan: &Plan, scrubber: &Scrubber) -> Self {
        let target = {
            let (config, options, offline, host) =
                (needs.kubeconfig.clone(), plan.aws.clone(), plan.offline, host.clone());
            let needs = async move {
                let resolved = config.await.give.clone();
                if !target::is_eks(resolved.as_deref(), &options) {
                    return Err(not_applicable("the cluster is not EKS"));
                }
                let because = if offline { "--offline" } else { "--no-aws" };
                if offline || options.off {
                    return Err(Outcome::Skipped(Skip {
                        because: "aws-target".to_owned(),
                        text: format!("{because} was given: AWS was not asked"),
                        needs: Some(format!("running without {because}")),
                    }));
                }
                Ok((resolved, options))
            };
            graph.probe(
                "aws-target",
                SHORT,
                needs,
                move |(resolved, options): (Option<Arc<Resolved>>, AwsOptions)| async move {
                    let (target, profile_first) = target::derive(&host, resolved.as_deref(), &options)?;
                    let server_host =
                        resolved.as_ref().and_then(|resolved| resolved.server.host_str().map(str::to_owned));
                    Ok((target.clone(), Some(Meant { target, profile_first, server_host })))
                },
            )
        };
        let credentials = {
            let (target, host, scrubber) = (target.clone(), host.clone(), scrubber.clone());
            graph.probe(
                "aws-credentials",
                SHORT,
                async move { need::<_, Meant, _>(&target).await },
                move |meant: Meant| async move {
                    let clients = Clients::load(&host, &meant.target, meant.profile_first, &scrubber).await?;
                    Ok(((), Some((Arc::new(clients), meant))))
                },
            )
        };
        let caller = {
            let credentials = credentials.clone();
            let needs = async move {
                let done = credentials.await;
                match (&done.give, &done.observation.outcome) {
                    // Missing credentials are this check's own failure; the others are skipped because of it.
                    (None, Outcome::Failed(failure)) => Ok(Err(failure.clone())),
                    (None, _) => Err(skip_of(&done.observation, done.id)),
                    (Some((clients, _)), _) => Ok(Ok(clients.clone())),
                }
            };
            graph.probe("aws-caller", SHORT, needs, |clients: Result<Arc<Clients>, Failure>| async move {
                let caller = identity::caller(&*clients?).await?;
                Ok((caller.clone(), Some(Arc::new(caller))))
            })
        };
        let session: Session = {
            let credentials = credentials.clone();
            async move {
                let done = credentials.await;
                let Some((clients, meant)) = done.give.clone() else {
                    return Err(skip_of::<(), ()>(&done.observation, "aws-caller"));
                };
                if !meant.target.cluster.is_empty() {
                    return Ok((clients, meant.target.cluster));
                }
                let host = meant.server_host.unwrap_or_default();
                let name = eks::name_of_endpoint(&clients, &host).await.map_err(Outcome::Failed)?;
                Ok((clients, name))
            }
            .boxed()
            .shared()
        };
        let principal = {
            let (credentials, caller) = (credentials.clone(), caller.clone());
            let needs = async move {
                let caller: Arc<Caller> = need(&caller).await?;
                let (clients, meant) = need::<_, (Arc<Clients>, Meant), _>(&credentials).await?;
                let role = meant.assumed(&caller);
                Ok((clients, caller, role))
            };
            graph.probe("aws-principal", SHORT, needs, |(clients, caller, role): Signing| async move {
                // IAM is asked by name, and knows its own account's roles only.
                let account = role.as_deref().and_then(Arn::parse).map(|arn| arn.account);
                if let Some(account) = account.filter(|account| *account != caller.account) {
                    let text = format!("the role is of account {account}, and IAM is asked in {}", caller.account);
                    return Err(Failure::new(FailureKind::Unsupported, text));
                }
                let principal = identity::principal(&clients, role.as_deref().unwrap_or(&caller.arn)).await?;
                Ok((principal, Some(())))
            })
        };
        let cluster = {
            let needs = common(session.clone());
            graph.probe("eks-cluster", SHORT, needs, |(clients, name): (Arc<Clients>, String)| async move {
                let cluster = eks::cluster(&clients, &name).await?;
                Ok((cluster.clone(), Some(Arc::new(cluster))))
            })
        };
        let identity_providers = {
            let needs = common(session.clone());
            graph.probe("eks-identity-providers", LONG, needs, |(clients, name): (Arc<Clients>, String)| async move {
                Ok((eks::identity_providers(&clients, &name).await?, Some(())))
            })
        };
        let updates = {
            let (needs, scrubber) = (common(session.clone()), scrubber.clone());
            graph.probe("eks-updates", LONG, needs, move |(clients, name): (Arc<Clients>, String)| async move {
                Ok((eks::updates(&clients, &name, &scrubber).await?, Some(())))
            })
        };
        // In the mode CONFIG_MAP every call about access entries is refused.
        let entries_apply = {
            let (session, cluster) = (session.clone(), cluster.clone());
            async move {
                let session = session.await?;
                let done = cluster.await;
                if let Some(cluster) = done.observation.seen()
                    && cluster.authentication_mode.as_deref().is_none_or(|mode| mode == "CONFIG_MAP")
                {
                    return Err(not_applicable::<()>(
                        "the cluster's authentication mode is CONFIG_MAP: it has no access entries",
                    ));
                }
                Ok(session)
            }
            .boxed()
            .shared()
        };
        let access_entries = {
            let (apply, caller, principal) = (entries_apply.clone(), caller.clone(), principal.clone());
            let credentials = credentials.clone();
            let needs = async move {
                let (clients, name) = common(apply).await?;
                let caller: Arc<Caller> = need(&caller).await?;
                let (_, meant) = need::<_, (Arc<Clients>, Meant), _>(&credentials).await?;
                let role = meant.assumed(&caller);
                // STS assumes a role by its whole ARN only, the path included.
                let principal = principal.await.observation.seen().map(|principal| principal.arn.clone());
                let principal = principal.or_else(|| role.clone());
                let arn = role.unwrap_or_else(|| caller.arn.clone());
                Ok((clients, name, arn, principal))
            };
            graph.probe(
                "eks-access-entries",
                LONG,
                needs,
                |(clients, name, caller, principal): (Arc<Clients>, String, String, Option<String>)| async move {
                    Ok((eks::access_entries(&clients, &name, &caller, principal.as_deref()).await?, Some(())))
                },
            )
        };
        let administrators = {
            let needs = common(entries_apply);
            graph.probe("eks-administrators", SHORT, needs, |(clients, name): (Arc<Clients>, String)| async move {
                Ok((eks::administrators(&clients, &name).await?, Some(())))
            })
        };

        // What the cluster itself says, with whatever rights there are.
        let in_cluster: Reader = {
            let (target, reader) = (target.clone(), needs.reader.clone());
            async move {
                let done = target.await;
                if matches!(done.observation.outcome, Outcome::NotApplicable(_)) {
                    return Err(skip_of::<_, ()>(&done.observation, done.id));
                }
                reader.await.map_err(|outcome| match outcome {
                    Outcome::Skipped(skip) if skip.because == "identity" => {
                        let needs = Some(
                            "--reviewer-context with get on ConfigMap kube-system/aws-auth and list on EndpointSlices"
                                .to_owned(),
                        );
                        Outcome::Skipped(Skip { needs, ..skip })
                    }
                    other => other,
                })
            }
            .boxed()
            .shared()
        };
        let aws_auth = {
            let (api, scrubber) = (in_cluster.clone(), scrubber.clone());
            graph.probe("aws-auth", SHORT, common(api), move |api: Api| async move {
                Ok((cluster_side::aws_auth(&api, &scrubber).await?, Some(())))
            })
        };
        let endpoint_slice = {
            let api = in_cluster.clone();
            graph.probe("endpoint-slice", SHORT, common(api), |api: Api| async move {
                Ok((cluster_side::endpoint_slice(&api).await?, Some(())))
            })
        };

        let mut control_plane_log = |id: &'static str, component: logs::Component| {
            let (session, cluster, window, host, scrubber) =
                (session.clone(), cluster.clone(), plan.logs, host.clone(), scrubber.clone());
            let (caller, credentials) = (caller.clone(), credentials.clone());
            let needs = async move {
                let Some(window) = window else { return Err(not_applicable("--logs off was given")) };
                let (clients, name) = common(session).await?;
                let done = cluster.await;
                let kind = if component == logs::Component::ApiServer { "api" } else { "authenticator" };
                if let Some(cluster) = done.observation.seen()
                    && !cluster.log_types.iter().any(|on| on == kind)
                {
                    return Err(not_applicable(&format!("the cluster's log type {kind} is off")));
                }
                let (caller, credentials) = (caller.await, credentials.await);
                let names = caller.give.as_ref().map(|caller| {
                    let role = credentials.give.as_ref().and_then(|(_, meant)| meant.assumed(caller));
                    let arn = role.as_deref().unwrap_or(&caller.arn);
                    vec![Arn::parse(arn).map(|arn| arn.name().to_owned()).unwrap_or_default()]
                });
                Ok((clients, name, window, names.unwrap_or_default()))
            };
            graph.probe(
                id,
                LONG,
                needs,
                move |(clients, name, window, names): (Arc<Clients>, String, std::time::Duration, Vec<String>)| async move {
                    Ok((logs::read(&clients, &name, component, window, host.now(), &names, &scrubber).await?, Some(())))
                },
            )
        };
        let api_log = control_plane_log("eks-api-log", logs::Component::ApiServer);
        let authenticator_log = control_plane_log("eks-authenticator-log", logs::Component::Authenticator);

        // The issuer's load balancer, layer by layer.
        let issuer_balancer = {
            let target = needs.issuer.clone();
            let url = async move { Ok(need::<_, Arc<issuer::Target>, _>(&target).await?.url.clone()) };
            BalancerProbes::spawn(graph, &ISSUER, url.boxed().shared(), &session, &in_cluster, host)
        };
        let jwks_balancer = {
            let (target, discovery) = (needs.issuer.clone(), needs.discovery.clone());
            let url = async move {
                let target: Arc<issuer::Target> = need(&target).await?;
                let uri = need::<_, Option<String>, ()>(&discovery).await?;
                let host = |url: &str| url::Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned));
                match uri.filter(|uri| host(uri) != host(&target.url)) {
                    Some(uri) => Ok(uri),
                    None => Err(not_applicable("the key set has the issuer's own host")),
                }
            };
            BalancerProbes::spawn(graph, &JWKS, url.boxed().shared(), &session, &in_cluster, host)
        };

        // Whom the endpoint sees, where nobody translates this machine's address on the way.
        let own_egress = {
            let (target, route, addresses) = (target.clone(), needs.route.clone(), needs.endpoint_dns.clone());
            let needs = async move {
                let _: Meant = need(&target).await?;
                let way: Way = need(&route).await?;
                if way.decision.proxy.is_some() {
                    return Err(not_applicable("a proxy connects in this machine's place"));
                }
                let addresses: Arc<Vec<SocketAddr>> = need(&addresses).await?;
                let public = addresses.iter().find(|address| is_public(address.ip()));
                let own =
                    public.and_then(|address| dns::source(*address)).filter(|own| own.parse().is_ok_and(is_public));
                own.ok_or_else(|| {
                    not_applicable(
                        "this machine's own address is a private one: as whom it is seen outside is not known here",
                    )
                })
            };
            graph.probe("own-egress", SHORT, needs, |address: String| async move {
                let source = "this machine's own address on the way to the endpoint".to_owned();
                Ok((OwnEgress { address, source }, Some(())))
            })
        };

        // The network between the cluster's interfaces and that balancer.
        let in_vpc = {
            let (session, cluster) = (session.clone(), cluster.clone());
            async move {
                let (clients, name) = session.await?;
                Ok::<_, Outcome<()>>((clients, name, need::<_, Arc<Cluster>, _>(&cluster).await?))
            }
            .boxed()
            .shared()
        };
        let interfaces = {
            let in_vpc = in_vpc.clone();
            let needs = common(in_vpc);
            graph.probe(
                "ec2-interfaces",
                SHORT,
                needs,
                |(clients, name, cluster): (Arc<Clients>, String, Arc<Cluster>)| async move {
                    let found = ec2::interfaces(&clients, &name, &cluster.vpc.vpc_id).await?;
                    Ok((found.clone(), Some(Arc::new(found))))
                },
            )
        };
        // Ids of one kind: the cluster's, its interfaces' and the load balancers'.
        let gathered = {
            let (in_vpc, interfaces, first, second) =
                (in_vpc.clone(), interfaces.clone(), issuer_balancer.balancer.clone(), jwks_balancer.balancer.clone());
            async move {
                let (clients, _, cluster) = in_vpc.await?;
                let (interfaces, first, second) = futures::join!(seen(interfaces), seen(first), seen(second));
                let balancers: Vec<LoadBalancer> =
                    [first, second].into_iter().flatten().flatten().map(|found| (*found).clone()).collect();
                let interfaces = interfaces.unwrap_or_default();
                let groups = distinct(
                    cluster
                        .vpc
                        .cluster_security_group_id
                        .iter()
                        .chain(&cluster.vpc.security_group_ids)
                        .chain(interfaces.iter().flat_map(|interface| &interface.security_groups))
                        .chain(balancers.iter().flat_map(|balancer| &balancer.security_groups))
                        .cloned(),
                );
                let subnets = distinct(
                    cluster
                        .vpc
                        .subnet_ids
                        .iter()
                        .chain(balancers.iter().flat_map(|balancer| &balancer.subnet_ids))
                        .cloned(),
                );
                let vpcs = distinct(
                    std::iter::once(cluster.vpc.vpc_id.clone())
                        .chain(balancers.iter().map(|balancer| balancer.vpc_id.clone())),
                );
                Ok::<_, Outcome<()>>(Arc::new(Gathered {
                    clients,
                    groups,
                    subnets,
                    vpcs,
                    vpc: cluster.vpc.vpc_id.clone(),
                }))
            }
            .boxed()
            .shared()
        };
        let port = {
            let target = needs.issuer.clone();
            async move {
                let url = need::<_, Arc<issuer::Target>, ()>(&target).await.ok();
                url.and_then(|target| url::Url::parse(&target.url).ok()?.port_or_known_default()).unwrap_or(443)
            }
            .boxed()
            .shared()
        };
        let security_groups =
            graph.probe("ec2-security-groups", SHORT, common(gathered.clone()), |all: Arc<Gathered>| async move {
                Ok((ec2::security_groups(&all.clients, &all.groups).await?, Some(())))
            });
        let security_group_rules = {
            let (needs, scrubber) = (common(gathered.clone()), scrubber.clone());
            let needs = async move {
                let all = needs.await?;
                nothing(&all.groups, "there is no security group to read")?;
                Ok((all, port.await))
            };
            graph.probe("ec2-security-group-rules", LONG, needs, move |(all, port): (Arc<Gathered>, u16)| async move {
                let rules = ec2::security_group_rules(&all.clients, &all.groups, port, &scrubber).await?;
                Ok((rules.clone(), Some(Arc::new(rules))))
            })
        };
        let subnets = graph.probe("ec2-subnets", SHORT, common(gathered.clone()), |all: Arc<Gathered>| async move {
            let found = ec2::subnets(&all.clients, &all.subnets).await?;
            Ok((found.clone(), Some(Arc::new(found))))
        });
        let route_tables =
            graph.probe("ec2-route-tables", SHORT, common(gathered.clone()), |all: Arc<Gathered>| async move {
                let mut tables = ec2::route_tables(&all.clients, &all.vpcs).await?;
                // Of a large VPC only what these subnets use.
                tables.retain(|table| table.main || table.subnet_ids.iter().any(|id| all.subnets.contains(id)));
                Ok((tables.clone(), Some(Arc::new(tables))))
            });
        let nat_gateways =
            graph.probe("ec2-nat-gateways", SHORT, common(gathered.clone()), |all: Arc<Gathered>| async move {
                Ok((ec2::nat_gateways(&all.clients, &all.vpcs).await?, Some(())))
            });
        let network_acls =
            graph.probe("ec2-network-acls", SHORT, common(gathered.clone()), |all: Arc<Gathered>| async move {
                Ok((ec2::network_acls(&all.clients, &all.subnets).await?, Some(())))
            });
        let vpcs = graph.probe("ec2-vpcs", SHORT, common(gathered.clone()), |all: Arc<Gathered>| async move {
            let found = ec2::vpcs(&all.clients, &all.vpcs).await?;
            Ok((found.clone(), Some(Arc::new(found))))
        });
        let vpc_dns = graph.probe("ec2-vpc-dns", SHORT, common(gathered.clone()), |all: Arc<Gathered>| async move {
            Ok((ec2::vpc_dns(&all.clients, &all.vpc).await?, Some(())))
        });
        let dhcp_options = {
            let (needs, vpcs) = (common(gathered.clone()), vpcs.clone());
            let needs = async move {
                let all = needs.await?;
                let vpcs: Arc<Vec<Vpc>> = need(&vpcs).await?;
                let options = vpcs.iter().find(|vpc| vpc.id == all.vpc).and_then(|vpc| vpc.dhcp_options_id.clone());
                options.map(|id| (all, id)).ok_or_else(|| not_applicable("the VPC names no DHCP options"))
            };
            graph.probe("ec2-dhcp-options", SHORT, needs, |(all, id): (Arc<Gathered>, String)| async move {
                Ok((ec2::dhcp_options(&all.clients, &id).await?, Some(())))
            })
        };
        let prefix_lists = {
            let (needs, rules, tables) = (common(gathered.clone()), security_group_rules.clone(), route_tables.clone());
            let needs = async move {
                let all = needs.await?;
                let (rules, tables) = futures::join!(seen(rules), seen(tables));
                let named = rules.iter().flat_map(|rules| rules.iter()).filter_map(|rule| rule.prefix_list_id.clone());
                let routed = tables
                    .iter()
                    .flat_map(|tables| tables.iter())
                    .flat_map(|table| &table.routes)
                    .map(|route| route.destination.clone());
                let ids = distinct(named.chain(routed.filter(|destination| destination.starts_with("pl-"))));
                nothing(&ids, "no rule and no route names a prefix list")?;
                Ok((all, ids))
            };
            graph.probe("ec2-prefix-lists", LONG, needs, |(all, ids): (Arc<Gathered>, Vec<String>)| async move {
                Ok((ec2::prefix_lists(&all.clients, &ids).await?, Some(())))
            })
        };
        Self {
            target,
            caller,
            principal,
            cluster,
            identity_providers,
            updates,
            access_entries,
            administrators,
            aws_auth,
            endpoint_slice,
            api_log,
            authenticator_log,
            interfaces,
            security_groups,
            security_group_rules,
            prefix_lists,
            subnets,
            route_tables,
            nat_gateways,
            network_acls,
            vpcs,
            vpc_dns,
            dhcp_options,
            issuer_balancer,
            jwks_balancer,
            own_egress,
        }
    }

    /// The evidence; `None` where the cluster is not EKS.
    pub(super) async fn collect(self) -> Option<Box<Aws>> {
        let target = taken(self.target).await;
        if matches!(target.outcome, Outcome::NotApplicable(_)) {
            return None;
        }
        let jwks = self.jwks_balancer.collect().await;
        let applies = !matches!(jwks.load_balancer.outcome, Outcome::NotApplicable(_) | Outcome::Skipped(_));
        Some(Box::new(Aws {
            target,
            caller: taken(self.caller).await,
            principal: taken(self.principal).await,
            cluster: taken(self.cluster).await,
            identity_providers: taken(self.identity_providers).await,
            updates: taken(self.updates).await,
            access_entries: taken(self.access_entries).await,
            administrators: taken(self.administrators).await,
            aws_auth: taken(self.aws_auth).await,
            endpoint_slice: taken(self.endpoint_slice).await,
            api_log: taken(self.api_log).await,
            authenticator_log: taken(self.authenticator_log).await,
            network: Network {
                interfaces: taken(self.interfaces).await,
                security_groups: taken(self.security_groups).await,
                security_group_rules: taken(self.security_group_rules).await,
                prefix_lists: taken(self.prefix_lists).await,
                subnets: taken(self.subnets).await,
                route_tables: taken(self.route_tables).await,
                nat_gateways: taken(self.nat_gateways).await,
                network_acls: taken(self.network_acls).await,
                vpcs: taken(self.vpcs).await,
                vpc_dns: taken(self.vpc_dns).await,
                dhcp_options: taken(self.dhcp_options).await,
            },
            issuer_balancer: self.issuer_balancer.collect().await,
            jwks_balancer: applies.then_some(jwks),
            own_egress: taken(self.own_egress).await,
        }))
    }
}

/// Ids that several calls ask about.
struct Gathered {
    clients: Arc<Clients>,
    groups: Vec<String>,
    subnets: Vec<String>,
    vpcs: Vec<String>,
    vpc: String,
}

/// The ids of the probes of one load balancer.
struct Ids {
    balancer: &'static str,
    listeners: &'static str,
    rules: &'static str,
    target_health: &'static str,
    web_acl: &'static str,
    tags: &'static str,
    ingresses: &'static str,
}

static ISSUER: Ids = Ids {
    balancer: "elb-load-balancer",
    listeners: "elb-listeners",
    rules: "elb-rules",
    target_health: "elb-target-health",
    web_acl: "waf-web-acl",
    tags: "elb-tags",
    ingresses: "ingresses",
};
static JWKS: Ids = Ids {
    balancer: "jwks-elb-load-balancer",
    listeners: "jwks-elb-listeners",
    rules: "jwks-elb-rules",
    target_health: "jwks-elb-target-health",
    web_acl: "jwks-waf-web-acl",
    tags: "jwks-elb-tags",
    ingresses: "jwks-ingresses",
};

/// The handles on what is asked about one load balancer.
struct BalancerProbes {
    balancer: Handle<Option<LoadBalancer>, Option<Arc<LoadBalancer>>>,
    listeners: Handle<Vec<Listener>, Arc<Vec<Listener>>>,
    rules: Handle<Vec<ListenerRule>, Arc<Vec<ListenerRule>>>,
    target_health: Handle<Vec<TargetGroupHealth>>,
    web_acl: Handle<Option<WebAcl>>,
    tags: Handle<BTreeMap<String, String>>,
    ingresses: Handle<Vec<Ingress>>,
}

impl BalancerProbes {
    fn spawn(
        graph: &mut Graph,
        ids: &'static Ids,
        url: Common<String>,
        session: &Session,
        in_cluster: &Reader,
        machine: &Host,
    ) -> Self {
        let balancer = {
            let (url, session, machine) = (url.clone(), session.clone(), machine.clone());
            let needs = async move {
                let url = common(url).await?;
                let (clients, _) = common(session).await?;
                Ok((url, clients))
            };
            graph.probe(ids.balancer, LONG, needs, move |(url, clients): (String, Arc<Clients>)| async move {
                let url =
                    url::Url::parse(&url).map_err(|error| Failure::new(FailureKind::Malformed, error.to_string()))?;
                let (host, port) = (url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or(443));
                // What the probes of the issuer resolved may be the proxy's name.
                let (resolution, found) = dns::resolve(host, port, None, &machine).await;
                let addresses: Vec<IpAddr> = found.iter().map(SocketAddr::ip).collect();
                match balancer::load_balancer(&clients, host, &addresses).await {
                    Ok(found) => Ok((Some(found.clone()), Some(Some(Arc::new(found))))),
                    // The issuer is served by something else.
                    Err(failure) if failure.kind == FailureKind::NotFound => Ok((None, Some(None))),
                    // Only the addresses would have told, and why there are none is known.
                    Err(failure) if failure.kind == FailureKind::NameNotFound && addresses.is_empty() => {
                        let unresolved = dns::unresolved(&resolution);
                        let detail = format!(
                            "{}, and no load balancer has that very name: which of them serves it cannot be told",
                            unresolved.detail
                        );
                        Err(Failure { detail, ..unresolved })
                    }
                    Err(failure) => Err(failure),
                }
            })
        };
        let on_it = {
            let (balancer, session) = (balancer.clone(), session.clone());
            async move {
                let (clients, _) = session.await?;
                match need::<_, Option<Arc<LoadBalancer>>, ()>(&balancer).await? {
                    Some(found) => Ok((clients, found)),
                    None => Err(not_applicable::<()>(NO_BALANCER)),
                }
            }
            .boxed()
            .shared()
        };
        let listeners = graph.probe(
            ids.listeners,
            SHORT,
            common(on_it.clone()),
            |(clients, found): (Arc<Clients>, Arc<LoadBalancer>)| async move {
                let listeners = balancer::listeners(&clients, &found.arn).await?;
                Ok((listeners.clone(), Some(Arc::new(listeners))))
            },
        );
        let rules = {
            let (needs, listeners, url) = (common(on_it.clone()), listeners.clone(), url.clone());
            let needs = async move {
                let (clients, found) = needs.await?;
                if found.kind != "application" {
                    return Err(not_applicable("a network load balancer has no rules"));
                }
                let listeners: Arc<Vec<Listener>> = need(&listeners).await?;
                let url = common(url).await?;
                let port = url::Url::parse(&url).ok().and_then(|url| url.port_or_known_default()).unwrap_or(443);
                let listener = listeners.iter().find(|listener| listener.port == i32::from(port));
                let arn = listener.map(|listener| listener.arn.clone());
                arn.map(|arn| (clients, arn)).ok_or_else(|| not_applicable(&format!("no listener on port {port}")))
            };
            graph.probe(ids.rules, SHORT, needs, |(clients, arn): (Arc<Clients>, String)| async move {
                let rules = balancer::rules(&clients, &arn).await?;
                Ok((rules.clone(), Some(Arc::new(rules))))
            })
        };
        let target_health = {
            let (needs, rules) = (common(on_it.clone()), rules.clone());
            let needs = async move {
                let (clients, _) = needs.await?;
                let rules: Arc<Vec<ListenerRule>> = need(&rules).await?;
                let groups = distinct(
                    rules.iter().flat_map(|rule| &rule.actions).flat_map(|action| action.target_groups.iter().cloned()),
                );
                nothing(&groups, "no rule forwards to targets")?;
                Ok((clients, groups))
            };
            graph.probe(ids.target_health, SHORT, needs, |(clients, groups): (Arc<Clients>, Vec<String>)| async move {
                Ok((balancer::target_health(&clients, &groups).await?, Some(())))
            })
        };
        let web_acl = {
            let needs = common(on_it.clone());
            let needs = async move {
                let (clients, found) = needs.await?;
                if found.kind != "application" {
                    return Err(not_applicable("WAF stands only in front of application load balancers"));
                }
                Ok((clients, found))
            };
            graph.probe(ids.web_acl, LONG, needs, |(clients, found): (Arc<Clients>, Arc<LoadBalancer>)| async move {
                Ok((balancer::web_acl(&clients, &found.arn).await?, Some(())))
            })
        };
        let tags = graph.probe(
            ids.tags,
            SHORT,
            common(on_it.clone()),
            |(clients, found): (Arc<Clients>, Arc<LoadBalancer>)| async move {
                Ok((balancer::tags(&clients, &found.arn).await?, Some(())))
            },
        );
        let ingresses = {
            let (needs, api) = (common(on_it.clone()), in_cluster.clone());
            let needs = async move {
                let (_, found) = needs.await?;
                Ok((common(api).await?, found))
            };
            graph.probe(ids.ingresses, LONG, needs, |(api, found): (Api, Arc<LoadBalancer>)| async move {
                Ok((cluster_side::ingresses(&api, &found.dns_name).await?, Some(())))
            })
        };
        Self { balancer, listeners, rules, target_health, web_acl, tags, ingresses }
    }

    async fn collect(self) -> Balancer {
        Balancer {
            load_balancer: present(taken(self.balancer).await, NO_BALANCER),
            listeners: taken(self.listeners).await,
            rules: taken(self.rules).await,
            target_health: taken(self.target_health).await,
            web_acl: present(taken(self.web_acl).await, "no web ACL is on it"),
            tags: taken(self.tags).await,
            ingresses: taken(self.ingresses).await,
        }
    }
}

const NO_BALANCER: &str = "no load balancer of this account and region serves the issuer's name";
