//! The network between the cluster's interfaces and the issuer's load balancer.

use std::sync::Arc;

use futures::FutureExt as _;

use super::super::graph::{Common, Graph, Handle, LONG, SHORT, common, need, not_applicable, taken};
use super::super::issuer::IssuerTarget;
use super::balancer::Serving;
use super::identity::Session;
use super::{distinct, nothing};
use crate::collect::aws::clients::Clients;
use crate::collect::aws::ec2;
use crate::evidence::balancer::LoadBalancer;
use crate::evidence::eks::Cluster;
use crate::evidence::network::{
    DhcpOptions, Interface, NatGateway, Network, NetworkAcl, PrefixList, RouteTable, SecurityGroup, SecurityGroupRule,
    Subnet, Vpc, VpcDns,
};
use crate::evidence::{Outcome, issuer};
use crate::secret::Scrubber;

/// A client of AWS, the cluster's name, the cluster.
type InVpc = Common<(Arc<Clients>, String, Arc<Cluster>)>;

/// Ids that several calls ask about.
struct Ids {
    clients: Arc<Clients>,
    groups: Vec<String>,
    subnets: Vec<String>,
    vpcs: Vec<String>,
    vpc: String,
}

/// The ids, once they are known.
type Gathered = Common<Arc<Ids>>;

/// The handles on what EC2 is asked.
pub(super) struct NetworkProbes {
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
}

impl NetworkProbes {
    pub(super) fn spawn(
        graph: &mut Graph,
        session: &Session,
        cluster: &Handle<Cluster, Arc<Cluster>>,
        balancers: [&Serving; 2],
        issuer: &IssuerTarget,
        scrubber: &Scrubber,
    ) -> Self {
        let in_vpc = in_vpc(session, cluster);
        let interfaces = interfaces(graph, &in_vpc);
        let gathered = gathered(&in_vpc, &interfaces, balancers);
        let security_groups =
            graph.probe("ec2-security-groups", SHORT, common(gathered.clone()), |all: Arc<Ids>| async move {
                Ok((ec2::security_groups(&all.clients, &all.groups).await?, Some(())))
            });
        let security_group_rules = security_group_rules(graph, &gathered, issuer, scrubber);
        let subnets = graph.probe("ec2-subnets", SHORT, common(gathered.clone()), |all: Arc<Ids>| async move {
            let found = ec2::subnets(&all.clients, &all.subnets).await?;
            Ok((found.clone(), Some(Arc::new(found))))
        });
        let route_tables =
            graph.probe("ec2-route-tables", SHORT, common(gathered.clone()), |all: Arc<Ids>| async move {
                let mut tables = ec2::route_tables(&all.clients, &all.vpcs).await?;
                // Of a large VPC only what these subnets use.
                tables.retain(|table| table.main || table.subnet_ids.iter().any(|id| all.subnets.contains(id)));
                Ok((tables.clone(), Some(Arc::new(tables))))
            });
        let nat_gateways =
            graph.probe("ec2-nat-gateways", SHORT, common(gathered.clone()), |all: Arc<Ids>| async move {
                Ok((ec2::nat_gateways(&all.clients, &all.vpcs).await?, Some(())))
            });
        let network_acls =
            graph.probe("ec2-network-acls", SHORT, common(gathered.clone()), |all: Arc<Ids>| async move {
                Ok((ec2::network_acls(&all.clients, &all.subnets).await?, Some(())))
            });
        let vpcs = graph.probe("ec2-vpcs", SHORT, common(gathered.clone()), |all: Arc<Ids>| async move {
            let found = ec2::vpcs(&all.clients, &all.vpcs).await?;
            Ok((found.clone(), Some(Arc::new(found))))
        });
        let vpc_dns = graph.probe("ec2-vpc-dns", SHORT, common(gathered.clone()), |all: Arc<Ids>| async move {
            Ok((ec2::vpc_dns(&all.clients, &all.vpc).await?, Some(())))
        });
        let dhcp_options = dhcp_options(graph, &gathered, &vpcs);
        let prefix_lists = prefix_lists(graph, &gathered, &security_group_rules, &route_tables);
        Self {
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
        }
    }

    pub(super) async fn collect(self) -> Network {
        Network {
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
        }
    }
}

/// The cluster is known, and so its VPC.
fn in_vpc(session: &Session, cluster: &Handle<Cluster, Arc<Cluster>>) -> InVpc {
    let (session, cluster) = (session.clone(), cluster.clone());
    async move {
        let (clients, name) = session.await?;
        Ok::<_, Outcome<()>>((clients, name, need::<_, Arc<Cluster>, _>(&cluster).await?))
    }
    .boxed()
    .shared()
}

/// The cluster's own interfaces.
fn interfaces(graph: &mut Graph, in_vpc: &InVpc) -> Handle<Vec<Interface>, Arc<Vec<Interface>>> {
    graph.probe(
        "ec2-interfaces",
        SHORT,
        common(in_vpc.clone()),
        |(clients, name, cluster): (Arc<Clients>, String, Arc<Cluster>)| async move {
            let found = ec2::interfaces(&clients, &name, &cluster.vpc.vpc_id).await?;
            Ok((found.clone(), Some(Arc::new(found))))
        },
    )
}

/// What a probe saw, if it saw anything.
async fn seen<T: Clone, X: Clone>(handle: Handle<T, X>) -> Option<X> {
    handle.await.give.clone()
}

/// Ids of one kind: the cluster's, its interfaces' and the load balancers'.
fn gathered(
    in_vpc: &InVpc,
    interfaces: &Handle<Vec<Interface>, Arc<Vec<Interface>>>,
    balancers: [&Serving; 2],
) -> Gathered {
    let (in_vpc, interfaces) = (in_vpc.clone(), interfaces.clone());
    let [first, second] = balancers.map(Clone::clone);
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
            cluster.vpc.subnet_ids.iter().chain(balancers.iter().flat_map(|balancer| &balancer.subnet_ids)).cloned(),
        );
        let vpcs = distinct(
            std::iter::once(cluster.vpc.vpc_id.clone()).chain(balancers.iter().map(|balancer| balancer.vpc_id.clone())),
        );
        let vpc = cluster.vpc.vpc_id.clone();
        Ok::<_, Outcome<()>>(Arc::new(Ids { clients, groups, subnets, vpcs, vpc }))
    }
    .boxed()
    .shared()
}

/// The issuer's port; HTTPS' own where it is not known.
async fn port_of(target: IssuerTarget) -> u16 {
    let url = need::<_, Arc<issuer::Target>, ()>(&target).await.ok();
    url.and_then(|target| url::Url::parse(&target.url).ok()?.port_or_known_default()).unwrap_or(443)
}

/// The rules of the groups, about the issuer's port where there are too many of them.
fn security_group_rules(
    graph: &mut Graph,
    gathered: &Gathered,
    target: &IssuerTarget,
    scrubber: &Scrubber,
) -> Handle<Vec<SecurityGroupRule>, Arc<Vec<SecurityGroupRule>>> {
    let (needs, target, scrubber) = (common(gathered.clone()), target.clone(), scrubber.clone());
    let needs = async move {
        let all = needs.await?;
        nothing(&all.groups, "there is no security group to read")?;
        Ok((all, port_of(target).await))
    };
    graph.probe("ec2-security-group-rules", LONG, needs, move |(all, port): (Arc<Ids>, u16)| async move {
        let rules = ec2::security_group_rules(&all.clients, &all.groups, port, &scrubber).await?;
        Ok((rules.clone(), Some(Arc::new(rules))))
    })
}

/// The DHCP options of the cluster's VPC.
fn dhcp_options(graph: &mut Graph, gathered: &Gathered, vpcs: &Handle<Vec<Vpc>, Arc<Vec<Vpc>>>) -> Handle<DhcpOptions> {
    let (needs, vpcs) = (common(gathered.clone()), vpcs.clone());
    let needs = async move {
        let all = needs.await?;
        let vpcs: Arc<Vec<Vpc>> = need(&vpcs).await?;
        let options = vpcs.iter().find(|vpc| vpc.id == all.vpc).and_then(|vpc| vpc.dhcp_options_id.clone());
        options.map(|id| (all, id)).ok_or_else(|| not_applicable("the VPC names no DHCP options"))
    };
    graph.probe("ec2-dhcp-options", SHORT, needs, |(all, id): (Arc<Ids>, String)| async move {
        Ok((ec2::dhcp_options(&all.clients, &id).await?, Some(())))
    })
}

/// The prefix lists that a rule or a route names.
fn prefix_lists(
    graph: &mut Graph,
    gathered: &Gathered,
    rules: &Handle<Vec<SecurityGroupRule>, Arc<Vec<SecurityGroupRule>>>,
    tables: &Handle<Vec<RouteTable>, Arc<Vec<RouteTable>>>,
) -> Handle<Vec<PrefixList>> {
    let (needs, rules, tables) = (common(gathered.clone()), rules.clone(), tables.clone());
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
    graph.probe("ec2-prefix-lists", LONG, needs, |(all, ids): (Arc<Ids>, Vec<String>)| async move {
        Ok((ec2::prefix_lists(&all.clients, &ids).await?, Some(())))
    })
}
