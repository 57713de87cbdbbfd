//! A load balancer of the issuer's, layer by layer: balancer → listeners → rules → targets, what stands in front of it
//! and what made it.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use futures::FutureExt as _;

use super::super::control_plane::Reader;
use super::super::graph::{Common, Graph, Handle, LONG, SHORT, common, need, not_applicable, present, taken};
use super::identity::Session;
use super::{Needs, distinct, nothing};
use crate::collect::apiserver::Api;
use crate::collect::aws::clients::Clients;
use crate::collect::aws::{balancer, cluster_side};
use crate::collect::dns;
use crate::evidence::balancer::{Balancer, Ingress, Listener, ListenerRule, LoadBalancer, TargetGroupHealth, WebAcl};
use crate::evidence::{Failure, FailureKind, issuer};

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

const NO_BALANCER: &str = "no load balancer of this account and region serves the issuer's name";

/// A handle on the load balancer that serves a name; it gives none where something else serves it.
pub(super) type Serving = Handle<Option<LoadBalancer>, Option<Arc<LoadBalancer>>>;

/// A client of AWS, and the load balancer that was found.
type OnIt = Common<(Arc<Clients>, Arc<LoadBalancer>)>;

/// The handles on what is asked about one load balancer.
pub(super) struct BalancerProbes {
    pub(super) balancer: Serving,
    listeners: Handle<Vec<Listener>, Arc<Vec<Listener>>>,
    rules: Handle<Vec<ListenerRule>, Arc<Vec<ListenerRule>>>,
    target_health: Handle<Vec<TargetGroupHealth>>,
    web_acl: Handle<Option<WebAcl>>,
    tags: Handle<BTreeMap<String, String>>,
    ingresses: Handle<Vec<Ingress>>,
}

impl BalancerProbes {
    /// Of the one that serves the issuer.
    pub(super) fn of_issuer(graph: &mut Graph, needs: &Needs<'_>, session: &Session, in_cluster: &Reader) -> Self {
        let target = needs.issuer.clone();
        let url = async move { Ok(need::<_, Arc<issuer::Target>, _>(&target).await?.url.clone()) };
        Self::spawn(graph, &ISSUER, url.boxed().shared(), session, in_cluster)
    }

    /// Of the one that serves the key set, where that has a host of its own.
    pub(super) fn of_jwks(graph: &mut Graph, needs: &Needs<'_>, session: &Session, in_cluster: &Reader) -> Self {
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
        Self::spawn(graph, &JWKS, url.boxed().shared(), session, in_cluster)
    }

    fn spawn(
        graph: &mut Graph,
        ids: &'static Ids,
        url: Common<String>,
        session: &Session,
        in_cluster: &Reader,
    ) -> Self {
        let balancer = load_balancer(graph, ids.balancer, &url, session);
        let on_it = on_it(session, &balancer);
        let listeners = graph.probe(
            ids.listeners,
            SHORT,
            common(on_it.clone()),
            |(clients, found): (Arc<Clients>, Arc<LoadBalancer>)| async move {
                let listeners = balancer::listeners(&clients, &found.arn).await?;
                Ok((listeners.clone(), Some(Arc::new(listeners))))
            },
        );
        let rules = rules(graph, ids.rules, &on_it, &listeners, url);
        let target_health = target_health(graph, ids.target_health, &on_it, &rules);
        let web_acl = web_acl(graph, ids.web_acl, &on_it);
        let tags = graph.probe(
            ids.tags,
            SHORT,
            common(on_it.clone()),
            |(clients, found): (Arc<Clients>, Arc<LoadBalancer>)| async move {
                Ok((balancer::tags(&clients, &found.arn).await?, Some(())))
            },
        );
        let ingresses = ingresses(graph, ids.ingresses, &on_it, in_cluster);
        Self { balancer, listeners, rules, target_health, web_acl, tags, ingresses }
    }

    pub(super) async fn collect(self) -> Balancer {
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

/// The load balancer of that name, or at the addresses that the name has here.
fn load_balancer(graph: &mut Graph, id: &'static str, url: &Common<String>, session: &Session) -> Serving {
    let (url, session) = (url.clone(), session.clone());
    let needs = async move {
        let url = common(url).await?;
        let (clients, _) = common(session).await?;
        Ok((url, clients))
    };
    graph.probe(id, LONG, needs, move |(url, clients): (String, Arc<Clients>)| async move {
        let url = url::Url::parse(&url).map_err(|error| Failure::new(FailureKind::Malformed, error.to_string()))?;
        let (host, port) = (url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or(443));
        // What the probes of the issuer resolved may be the proxy's name.
        let (resolution, found) = dns::resolve(host, port, None).await;
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
}

/// What the further questions need: a load balancer that was found.
fn on_it(session: &Session, balancer: &Serving) -> OnIt {
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
}

/// The rules of the listener on the URL's port.
fn rules(
    graph: &mut Graph,
    id: &'static str,
    on_it: &OnIt,
    listeners: &Handle<Vec<Listener>, Arc<Vec<Listener>>>,
    url: Common<String>,
) -> Handle<Vec<ListenerRule>, Arc<Vec<ListenerRule>>> {
    let (needs, listeners) = (common(on_it.clone()), listeners.clone());
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
    graph.probe(id, SHORT, needs, |(clients, arn): (Arc<Clients>, String)| async move {
        let rules = balancer::rules(&clients, &arn).await?;
        Ok((rules.clone(), Some(Arc::new(rules))))
    })
}

/// The health of the targets that the rules forward to.
fn target_health(
    graph: &mut Graph,
    id: &'static str,
    on_it: &OnIt,
    rules: &Handle<Vec<ListenerRule>, Arc<Vec<ListenerRule>>>,
) -> Handle<Vec<TargetGroupHealth>> {
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
    graph.probe(id, SHORT, needs, |(clients, groups): (Arc<Clients>, Vec<String>)| async move {
        Ok((balancer::target_health(&clients, &groups).await?, Some(())))
    })
}

/// The web ACL in front of it.
fn web_acl(graph: &mut Graph, id: &'static str, on_it: &OnIt) -> Handle<Option<WebAcl>> {
    let needs = common(on_it.clone());
    let needs = async move {
        let (clients, found) = needs.await?;
        if found.kind != "application" {
            return Err(not_applicable("WAF stands only in front of application load balancers"));
        }
        Ok((clients, found))
    };
    graph.probe(id, LONG, needs, |(clients, found): (Arc<Clients>, Arc<LoadBalancer>)| async move {
        Ok((balancer::web_acl(&clients, &found.arn).await?, Some(())))
    })
}

/// The Ingresses that it serves.
fn ingresses(graph: &mut Graph, id: &'static str, on_it: &OnIt, in_cluster: &Reader) -> Handle<Vec<Ingress>> {
    let (needs, api) = (common(on_it.clone()), in_cluster.clone());
    let needs = async move {
        let (_, found) = needs.await?;
        Ok((common(api).await?, found))
    };
    graph.probe(id, LONG, needs, |(api, found): (Api, Arc<LoadBalancer>)| async move {
        Ok((cluster_side::ingresses(&api, &found.dns_name).await?, Some(())))
    })
}
