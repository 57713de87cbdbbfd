//! The part of the graph that asks AWS: cluster → network, caller → access entry, issuer → load balancer.

mod balancer;
mod eks;
mod identity;
mod in_cluster;
mod logs;
mod network;

use std::net::SocketAddr;
use std::sync::Arc;

use self::balancer::BalancerProbes;
use self::eks::EksProbes;
use self::identity::{IdentityProbes, Meant};
use self::in_cluster::InClusterProbes;
use self::logs::LogProbes;
use self::network::NetworkProbes;
use super::Plan;
use super::control_plane::Reader;
use super::graph::{Graph, Handle, SHORT, need, not_applicable, taken};
use super::issuer::IssuerTarget;
use super::way::{Dns, Way};
use crate::collect::dns;
use crate::collect::kubeconfig::Resolved;
use crate::evidence::dns::is_public;
use crate::evidence::eks::{Aws, OwnEgress, Target};
use crate::evidence::{Outcome, issuer};
use crate::host::Host;
use crate::secret::Scrubber;

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
    identity: IdentityProbes,
    eks: EksProbes,
    in_cluster: InClusterProbes,
    logs: LogProbes,
    issuer_balancer: BalancerProbes,
    jwks_balancer: BalancerProbes,
    own_egress: Handle<OwnEgress>,
    network: NetworkProbes,
}

impl AwsProbes {
    pub(super) fn spawn(graph: &mut Graph, needs: &Needs<'_>, host: &Host, plan: &Plan, scrubber: &Scrubber) -> Self {
        let identity = IdentityProbes::spawn(graph, needs.kubeconfig, host, plan, scrubber);
        let eks = EksProbes::spawn(graph, &identity, scrubber);
        let in_cluster = InClusterProbes::spawn(graph, &identity.target, needs.reader, scrubber);
        let logs = LogProbes::spawn(graph, &identity, &eks.cluster, host, plan, scrubber);

        let (session, reader) = (&identity.session, &in_cluster.reader);
        let issuer_balancer = BalancerProbes::of_issuer(graph, needs, session, reader);
        let jwks_balancer = BalancerProbes::of_jwks(graph, needs, session, reader);
        let own_egress = own_egress(graph, &identity.target, needs);

        let balancers = [&issuer_balancer.balancer, &jwks_balancer.balancer];
        let network = NetworkProbes::spawn(graph, session, &eks.cluster, balancers, needs.issuer, scrubber);
        Self { identity, eks, in_cluster, logs, issuer_balancer, jwks_balancer, own_egress, network }
    }

    /// The evidence; `None` where the cluster is not EKS.
    pub(super) async fn collect(self) -> Option<Box<Aws>> {
        let target = taken(self.identity.target).await;
        if matches!(target.outcome, Outcome::NotApplicable(_)) {
            return None;
        }
        let jwks = self.jwks_balancer.collect().await;
        let applies = !matches!(jwks.load_balancer.outcome, Outcome::NotApplicable(_) | Outcome::Skipped(_));
        Some(Box::new(Aws {
            target,
            caller: taken(self.identity.caller).await,
            principal: taken(self.identity.principal).await,
            cluster: taken(self.eks.cluster).await,
            identity_providers: taken(self.eks.identity_providers).await,
            updates: taken(self.eks.updates).await,
            access_entries: taken(self.eks.access_entries).await,
            administrators: taken(self.eks.administrators).await,
            aws_auth: taken(self.in_cluster.aws_auth).await,
            endpoint_slice: taken(self.in_cluster.endpoint_slice).await,
            api_log: taken(self.logs.api).await,
            authenticator_log: taken(self.logs.authenticator).await,
            network: self.network.collect().await,
            issuer_balancer: self.issuer_balancer.collect().await,
            jwks_balancer: applies.then_some(jwks),
            own_egress: taken(self.own_egress).await,
        }))
    }
}

/// Whom the endpoint sees, where nobody translates this machine's address on the way.
fn own_egress(graph: &mut Graph, target: &Handle<Target, Meant>, needs: &Needs<'_>) -> Handle<OwnEgress> {
    let (target, route, addresses) = (target.clone(), needs.route.clone(), needs.endpoint_dns.clone());
    let needs = async move {
        let _: Meant = need(&target).await?;
        let way: Way = need(&route).await?;
        if way.decision.proxy.is_some() {
            return Err(not_applicable("a proxy connects in this machine's place"));
        }
        let addresses: Arc<Vec<SocketAddr>> = need(&addresses).await?;
        let public = addresses.iter().find(|address| is_public(address.ip()));
        let own = public.and_then(|address| dns::source(*address)).filter(|own| own.parse().is_ok_and(is_public));
        own.ok_or_else(|| {
            not_applicable("this machine's own address is a private one: as whom it is seen outside is not known here")
        })
    };
    graph.probe("own-egress", SHORT, needs, |address: String| async move {
        let source = "this machine's own address on the way to the endpoint".to_owned();
        Ok((OwnEgress { address, source }, Some(())))
    })
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
