//! What EKS says of the cluster: its description, identity providers, updates, access entries and administrators.

use std::sync::Arc;

use futures::FutureExt as _;

use super::super::graph::{Graph, Handle, LONG, SHORT, common, need, not_applicable};
use super::identity::{IdentityProbes, Meant, Session};
use crate::collect::aws::clients::Clients;
use crate::collect::aws::eks;
use crate::evidence::eks::{AccessEntries, Caller, Cluster, IdentityProviders, Principals, Update};
use crate::secret::Scrubber;

/// The handles on what EKS is asked.
pub(super) struct EksProbes {
    pub(super) cluster: Handle<Cluster, Arc<Cluster>>,
    pub(super) identity_providers: Handle<IdentityProviders>,
    pub(super) updates: Handle<Vec<Update>>,
    pub(super) access_entries: Handle<AccessEntries>,
    pub(super) administrators: Handle<Principals>,
}

impl EksProbes {
    pub(super) fn spawn(graph: &mut Graph, who: &IdentityProbes, scrubber: &Scrubber) -> Self {
        let cluster = {
            let needs = common(who.session.clone());
            graph.probe("eks-cluster", SHORT, needs, |(clients, name): (Arc<Clients>, String)| async move {
                let cluster = eks::cluster(&clients, &name).await?;
                Ok((cluster.clone(), Some(Arc::new(cluster))))
            })
        };
        let identity_providers = {
            let needs = common(who.session.clone());
            graph.probe("eks-identity-providers", LONG, needs, |(clients, name): (Arc<Clients>, String)| async move {
                Ok((eks::identity_providers(&clients, &name).await?, Some(())))
            })
        };
        let updates = {
            let (needs, scrubber) = (common(who.session.clone()), scrubber.clone());
            graph.probe("eks-updates", LONG, needs, move |(clients, name): (Arc<Clients>, String)| async move {
                Ok((eks::updates(&clients, &name, &scrubber).await?, Some(())))
            })
        };
        let entries_apply = entries_apply(&who.session, &cluster);
        let access_entries = access_entries(graph, &entries_apply, who);
        let administrators = {
            let needs = common(entries_apply);
            graph.probe("eks-administrators", SHORT, needs, |(clients, name): (Arc<Clients>, String)| async move {
                Ok((eks::administrators(&clients, &name).await?, Some(())))
            })
        };
        Self { cluster, identity_providers, updates, access_entries, administrators }
    }
}

/// In the mode CONFIG_MAP every call about access entries is refused.
fn entries_apply(session: &Session, cluster: &Handle<Cluster, Arc<Cluster>>) -> Session {
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
}

/// The access entries of the caller, or of the role that the plugin assumes.
fn access_entries(graph: &mut Graph, apply: &Session, who: &IdentityProbes) -> Handle<AccessEntries> {
    let (apply, caller, principal) = (apply.clone(), who.caller.clone(), who.principal.clone());
    let credentials = who.credentials.clone();
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
}
