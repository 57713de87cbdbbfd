//! The control plane's own log, as far back as the user wants it read.

use std::sync::Arc;
use std::time::Duration;

use super::super::Plan;
use super::super::graph::{Graph, Handle, LONG, common, not_applicable};
use super::identity::IdentityProbes;
use crate::aws::identity::Arn;
use crate::collect::aws::clients::Clients;
use crate::collect::aws::logs;
use crate::evidence::apiserver::Log;
use crate::evidence::eks::Cluster;
use crate::host::Host;
use crate::secret::Scrubber;

/// The handles on the log, by who writes it.
pub(super) struct LogProbes {
    pub(super) api: Handle<Log>,
    pub(super) authenticator: Handle<Log>,
}

impl LogProbes {
    pub(super) fn spawn(
        graph: &mut Graph,
        who: &IdentityProbes,
        cluster: &Handle<Cluster, Arc<Cluster>>,
        host: &Host,
        plan: &Plan,
        scrubber: &Scrubber,
    ) -> Self {
        let mut of = |id: &'static str, component: logs::Component| {
            let (session, cluster, window, host, scrubber) =
                (who.session.clone(), cluster.clone(), plan.logs, host.clone(), scrubber.clone());
            let (caller, credentials) = (who.caller.clone(), who.credentials.clone());
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
                move |(clients, name, window, names): (Arc<Clients>, String, Duration, Vec<String>)| async move {
                    Ok((logs::read(&clients, &name, component, window, host.now(), &names, &scrubber).await?, Some(())))
                },
            )
        };
        let api = of("eks-api-log", logs::Component::ApiServer);
        let authenticator = of("eks-authenticator-log", logs::Component::Authenticator);
        Self { api, authenticator }
    }
}
