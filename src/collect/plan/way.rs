//! The first steps of the way to any server: route → name → TCP.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use super::graph::{Graph, Handle, SHORT, need, skip_of};
use crate::collect::issuer::OWN_AGENT;
use crate::collect::proxy::Decision;
use crate::collect::tls::TlsSettings;
use crate::collect::wire::{Destination, Wire};
use crate::collect::{ClientIdentity, dns};
use crate::evidence::dns::{Connections, Resolution, Route};
use crate::evidence::{Failure, Outcome, Skip};
use crate::host::Host;

/// Limit of one step of a connection: shorter than its probe's, so that the step that was silent is named.
const STEP: Duration = Duration::from_secs(7);

/// Where a server is and how to speak to it.
#[derive(Clone)]
pub(super) struct Way {
    pub(super) url: url::Url,
    pub(super) decision: Arc<Decision>,
    pub(super) tls: TlsSettings,
    /// Limit of each request and of each step to it (`--request-timeout`); absent where probes have their own alone.
    pub(super) request_timeout: Option<Duration>,
}

impl Way {
    /// Name and port of what is connected to first: the proxy, or the server.
    pub(super) fn first_hop(&self) -> (String, u16) {
        match &self.decision.proxy {
            Some(proxy) => (proxy.host.clone(), proxy.port),
            None => (
                self.url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned(),
                self.url.port_or_known_default().unwrap_or(443),
            ),
        }
    }

    /// The limit of a step, or the user's own where that is shorter.
    fn within(&self, limit: Duration) -> Duration {
        self.request_timeout.map_or(limit, |own| own.min(limit))
    }

    /// The connector to it, with this client certificate.
    pub(super) fn wire(&self, host: &Host, identity: Option<ClientIdentity>) -> Result<Wire, Failure> {
        let mut tls = self.tls.clone();
        tls.client_identity = identity;
        Wire::new(
            Destination {
                url: self.url.clone(),
                tls: (self.url.scheme() == "https").then_some(tls),
                proxy: self.decision.proxy.clone(),
                user_agent: OWN_AGENT.to_owned(),
                connect_timeout: self.within(STEP),
                request_timeout: self.request_timeout,
            },
            host,
        )
    }
}

/// The route to a server as evidence, and what the next probes need.
pub(super) fn way(url: &url::Url, decision: Decision, tls: TlsSettings) -> (Route, Way) {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let evidence = Route {
        url: url.to_string(),
        scheme: url.scheme().to_owned(),
        host,
        port: url.port_or_known_default().unwrap_or(443),
        proxy: decision.proxy.as_ref().map(ToString::to_string),
        proxy_reason: decision.reason.clone(),
        no_proxy: decision.no_proxy.clone(),
    };
    (evidence, Way { url: url.clone(), decision: Arc::new(decision), tls, request_timeout: None })
}

/// A handle on the addresses of a name.
pub(super) type Dns = Handle<Resolution, Arc<Vec<SocketAddr>>>;
/// A handle on the connections to them; it gives them where one stood.
pub(super) type Tcp = Handle<Connections, Arc<Vec<SocketAddr>>>;

/// Name and TCP of a server, or of the proxy in front of it.
pub(super) fn reach(
    graph: &mut Graph,
    dns_id: &'static str,
    tcp_id: &'static str,
    route: &Handle<Route, Way>,
    public_resolver: Option<IpAddr>,
) -> (Dns, Tcp) {
    let dns = {
        let route = route.clone();
        let needs = async move { need::<_, Way, _>(&route).await };
        graph.probe(dns_id, dns::SYSTEM_LIMIT + Duration::from_secs(1), needs, move |way: Way| async move {
            let (name, port) = way.first_hop();
            let (resolution, addresses) = dns::resolve(&name, port, public_resolver).await;
            if addresses.is_empty() {
                return Err(dns::unresolved(&resolution));
            }
            Ok((resolution, Some(Arc::new(addresses))))
        })
    };
    let tcp = {
        let (dns, route) = (dns.clone(), route.clone());
        let needs = async move {
            let addresses: Arc<Vec<SocketAddr>> = need(&dns).await?;
            let way: Way = need(&route).await?;
            Ok((addresses, way.within(Duration::from_secs(5))))
        };
        graph.probe(
            tcp_id,
            SHORT + Duration::from_secs(1),
            needs,
            |(addresses, limit): (Arc<Vec<SocketAddr>>, Duration)| async move {
                let connections = dns::connect_all(&addresses, limit).await;
                let connected = connections.attempts.iter().any(|attempt| attempt.connected());
                Ok((connections, connected.then_some(addresses)))
            },
        )
    };
    (dns, tcp)
}

/// A TCP connection stood; without one the reason is the attempts' own.
pub(super) async fn connected<T>(tcp: &Tcp) -> Result<(), Outcome<T>> {
    let done = tcp.clone().await;
    if done.give.is_some() {
        return Ok(());
    }
    Err(match done.observation.seen() {
        Some(connections) => {
            let first = connections
                .attempts
                .first()
                .map_or_else(String::new, |attempt| format!("{}: {}", attempt.address, attempt.outcome));
            Outcome::Skipped(Skip {
                because: done.id.to_owned(),
                text: format!("no connection ({first})"),
                needs: None,
            })
        }
        None => skip_of(&done.observation, done.id),
    })
}
