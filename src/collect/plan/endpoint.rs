//! The part of the graph about the API server's endpoint: route → name → TCP → TLS → HTTP, without the credential and
//! with it.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use futures::future::Either;

use super::Plan;
use super::cluster::Who;
use super::credential::CredentialProbes;
use super::graph::{Common, Graph, Handle, SHORT, common, need, not_applicable, offline_skip, skip_of, taken};
use super::way::{Dns, Tcp, Way, connected, reach, way};
use crate::apiserver::message;
use crate::collect::ClientIdentity;
use crate::collect::apiserver::Api;
use crate::collect::credential::Obtained;
use crate::collect::kubeconfig::Resolved;
use crate::collect::proxy::Decision;
use crate::collect::tls::TlsSettings;
use crate::collect::wire::{Limits, Wire};
use crate::collect::{dns, proxy};
use crate::evidence::apiserver::{Again, HttpAnswer, Repeats, Try};
use crate::evidence::credential::TokenKind;
use crate::evidence::dns::{Names, Route};
use crate::evidence::tls::TlsReport;
use crate::evidence::{Endpoint, Failure, FailureKind, Outcome, Skip};
use crate::host::Host;
use crate::secret::Scrubber;

/// How many fresh connections are tried: of two servers behind one address, one is missed once in 64 runs.
const REPEATS: usize = 6;

/// Longest time for one of the further connections that are tried where one was broken off: whoever answers at all
/// answers `/version` at once.
const TRY: Duration = Duration::from_secs(4);

/// How much of its answer is read, in bytes.
const TRIED: usize = 64 * 1024;

/// How many of those that carry a POST are tried.
const POSTS: usize = 3;

/// What the kubeconfig's loader notes where it withholds the credential.
const WRONG_SCHEME: &str = "server-url-wrong-scheme";

/// What the further connections are for: a GET that everybody may, and a POST that changes nothing.
const VERSION: &str = "/version";
const API: &str = "/api";
const REVIEWS: &str = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
const REVIEW: &str = r#"{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}"#;

/// The way to the server, step by step, as far as it needs no credential.
pub(super) struct Approach {
    pub(super) route: Handle<Route, Way>,
    pub(super) dns: Dns,
    tcp: Tcp,
    tls: Handle<TlsReport, Wire>,
    anonymous: Handle<HttpAnswer, Wire>,
}

impl Approach {
    fn spawn(graph: &mut Graph, user: &CredentialProbes, host: &Host, plan: &Plan, scrubber: &Scrubber) -> Self {
        let route = route(graph, user, host, plan, scrubber);
        let (dns, tcp) = reach(graph, "endpoint-dns", "endpoint-tcp", &route, None);
        let tls = tls(graph, &route, &tcp, user, host);
        let anonymous = anonymous(graph, &route, &tcp, &tls, host, scrubber);
        Self { route, dns, tcp, tls, anonymous }
    }
}

/// Where a proxy is in the way, whether the server could be had without it.
struct Direct {
    dns: Dns,
    tcp: Tcp,
    tls: Handle<TlsReport>,
}

impl Direct {
    fn spawn(graph: &mut Graph, approach: &Approach, host: &Host) -> Self {
        let route = direct_route(graph, approach);
        let (dns, tcp) = reach(graph, "endpoint-direct-dns", "endpoint-direct-tcp", &route, None);
        let tls = direct_tls(graph, &route, &tcp, host);
        Self { dns, tcp, tls }
    }
}

/// The handles on the probes of the API server's endpoint.
pub(super) struct EndpointProbes {
    pub(super) approach: Approach,
    plain: Handle<HttpAnswer>,
    secure: Handle<TlsReport>,
    names: Handle<Names>,
    direct: Direct,
    /// The API with the credential.
    pub(super) api: Common<Api>,
    authenticated: Handle<HttpAnswer>,
    repeated: Handle<Repeats>,
}

impl EndpointProbes {
    pub(super) fn spawn(
        graph: &mut Graph,
        user: &CredentialProbes,
        host: &Host,
        plan: &Plan,
        scrubber: &Scrubber,
    ) -> Self {
        let approach = Approach::spawn(graph, user, host, plan, scrubber);
        let plain = plain(graph, &approach, host, scrubber);
        let secure = secure(graph, &approach, user, host);
        let names = names(graph, &approach, plan);
        let direct = Direct::spawn(graph, &approach, host);
        let api = api(&approach, user, host, scrubber);
        let authenticated = authenticated(graph, &api, user, host);
        let repeated = repeated(graph, &approach.route, &api, user, &authenticated, host, scrubber);
        Self { approach, plain, secure, names, direct, api, authenticated, repeated }
    }

    /// Where one of the requests was broken off, or answered by something that is no API server at work: what becomes of
    /// the same over further connections. It is asked without the credential, and so of any server.
    pub(super) fn again(&self, graph: &mut Graph, who: &Who, host: &Host, scrubber: &Scrubber) -> Handle<Again> {
        let Approach { route, tls, anonymous, .. } = &self.approach;
        let (route, tls, anonymous) = (route.clone(), tls.clone(), anonymous.clone());
        let (authenticated, who) = (self.authenticated.clone(), who.clone());
        let (host, scrubber) = (host.clone(), scrubber.clone());
        let needs = async move {
            let way: Way =
                need(&route).await.map_err(|_: Outcome<()>| not_applicable("there is no way to the server"))?;
            let (tls, anonymous, authenticated, who) = futures::join!(tls, anonymous, authenticated, who);
            let shaken =
                tls.observation.failed_as(UNCONNECTED).is_some() || tls.observation.seen().is_some_and(is_second);
            // Where nobody without a client certificate is answered, the request with it is the one that counts.
            let with = &authenticated.observation;
            let answered = with.seen().is_some_and(HttpAnswer::is_served);
            let without = !answered && anonymous.observation.failed_as(UNANSWERED).is_some();
            let busy = anonymous.observation.seen().is_some_and(is_busy) || with.seen().is_some_and(is_busy);
            let refused = |failure: &Failure| match failure.kind {
                FailureKind::Http => true,
                FailureKind::Forbidden => message::forbidden(&failure.detail).is_none(),
                _ => false,
            };
            let whom = who.observation.failed_as(UNANSWERED).is_some() || who.observation.failed().is_some_and(refused);
            if shaken || without || busy || with.failed_as(UNANSWERED).is_some() || whom {
                Ok(way)
            } else {
                Err(not_applicable("no connection was broken off"))
            }
        };
        graph.probe("endpoint-again", SHORT, needs, move |mut way: Way| async move {
            way.request_timeout = way.request_timeout.map(|limit| limit.min(TRY));
            let ask = |method: &'static str, path: &'static str, body: Option<&'static str>| {
                let (way, host, scrubber) = (&way, &host, &scrubber);
                async move {
                    let api = Api::anonymous(way.wire(host, None)?, scrubber);
                    let limits = Limits { body_bytes: TRIED, time: TRY, ..Limits::default() };
                    let body = body.map(|body| body.as_bytes().to_vec());
                    let answer = api.send(method, path, body, "application/json", limits).await?;
                    // Whoever shows another certificate serves nobody who checks it.
                    if let Some(fault) = answer.tls.as_ref().and_then(|report| report.faults.first()) {
                        return Err(Failure::new(FailureKind::Tls, fault.detail.clone()));
                    }
                    Ok(api.evidence(method, path, &answer, host.now()))
                }
            };
            let get = || ask("GET", VERSION, None);
            // An API server refuses it, in its own words.
            let post = || ask("POST", REVIEWS, Some(REVIEW));
            let (gets, posts, other) = futures::join!(
                futures::future::join_all((0..REPEATS).map(|_| get())),
                futures::future::join_all((0..POSTS).map(|_| post())),
                // What answers /version to everybody may keep all else for itself.
                ask("GET", API, None),
            );
            let tried = |answer: Result<HttpAnswer, Failure>| match answer {
                Ok(answer) => Try {
                    status: Some(answer.status),
                    served: answer.is_served() || answer.status == 201,
                    failure: None,
                },
                Err(failure) => Try { status: None, served: false, failure: Some(failure) },
            };
            let again = Again {
                path: VERSION.to_owned(),
                tries: gets.into_iter().map(tried).collect(),
                posts: posts.into_iter().map(tried).collect(),
                other_path: Some(tried(other)),
            };
            Ok((again, Some(())))
        })
    }

    pub(super) async fn collect(self, again: Handle<Again>) -> Endpoint {
        Endpoint {
            route: taken(self.approach.route).await,
            dns: taken(self.approach.dns).await,
            tcp: taken(self.approach.tcp).await,
            tls: taken(self.approach.tls).await,
            anonymous: taken(self.approach.anonymous).await,
            authenticated: taken(self.authenticated).await,
            repeated: taken(self.repeated).await,
            again: taken(again).await,
            plain: taken(self.plain).await,
            secure: taken(self.secure).await,
            names: taken(self.names).await,
            direct_dns: taken(self.direct.dns).await,
            direct_tcp: taken(self.direct.tcp).await,
            direct_tls: taken(self.direct.tls).await,
        }
    }
}

/// The way that the kubeconfig names.
fn route(
    graph: &mut Graph,
    user: &CredentialProbes,
    host: &Host,
    plan: &Plan,
    scrubber: &Scrubber,
) -> Handle<Route, Way> {
    let (config, offline, host, scrubber) = (user.kubeconfig.clone(), plan.offline, host.clone(), scrubber.clone());
    let needs = async move {
        if offline {
            return Err(offline_skip());
        }
        need::<_, Arc<Resolved>, Route>(&config).await
    };
    graph.probe("endpoint-route", SHORT, needs, move |resolved: Arc<Resolved>| async move {
        let decision = proxy::choose(&host, &resolved.server, resolved.proxy_url.as_deref())?;
        let tls = TlsSettings {
            roots: resolved.roots.clone(),
            client_identity: None,
            server_name: resolved.tls_server_name.clone(),
            insecure: resolved.insecure,
        };
        let (mut evidence, mut way) = way(&resolved.server, decision, tls);
        way.request_timeout = resolved.request_timeout;
        evidence.no_proxy = evidence.no_proxy.map(|list| scrubber.text_limited(&list, 2048));
        Ok((evidence, Some(way)))
    })
}

/// The way to a server that is spoken to in TLS, once there is a connection.
async fn secured<T>(route: Handle<Route, Way>, tcp: Tcp) -> Result<Way, Outcome<T>> {
    let way: Way = need(&route).await?;
    connected(&tcp).await?;
    if way.url.scheme() == "https" { Ok(way) } else { Err(not_applicable("the server URL is plain http")) }
}

/// TLS with the server: what is wrong with its certificate is told, and keeps nobody from looking further.
fn tls(
    graph: &mut Graph,
    route: &Handle<Route, Way>,
    tcp: &Tcp,
    user: &CredentialProbes,
    host: &Host,
) -> Handle<TlsReport, Wire> {
    let (needs, host) = (secured(route.clone(), tcp.clone()), host.clone());
    let (credential, left) = (user.credential.clone(), graph.left());
    graph.probe("endpoint-tls", SHORT, needs, move |way: Way| async move {
        let wire = way.wire(&host, None)?;
        let (shaken, broken_before) = shake(&wire, SHORT.min(left())).await;
        let mut report = match shaken {
            Err(failure) if failure.kind == FailureKind::ClientCertificateDemanded => {
                // The user's own certificate may be what the server waits for.
                let identity = credential.await.give.clone().and_then(|obtained| obtained.client_identity.clone());
                match identity {
                    Some(identity) => way.wire(&host, Some(identity))?.handshake_with_identity().await?,
                    None => return Err(failure),
                }
            }
            shaken => shaken?,
        };
        report.broken_before = broken_before;
        // An untrusted server still answers an anonymous GET; a credential is never sent to it.
        Ok((report, Some(wire)))
    })
}

/// How long the first handshake may be silent before another connection is tried beside it, and how long it may be
/// after that one was answered.
const PATIENCE: Duration = Duration::from_secs(3);
const MORE: Duration = Duration::from_secs(1);

/// One handshake; and another one where it fails, is silent, or shows a certificate that is not trusted: it may have met
/// the one bad target of several behind a balancer, and kubectl sends a request again, too. Beside what came of the last
/// one stands how the first was broken off. What the first one told counts where another one takes too long for `limit`,
/// that of both.
async fn shake(wire: &Wire, limit: Duration) -> (Result<TlsReport, Failure>, Option<String>) {
    let began = Instant::now();
    let mut first = std::pin::pin!(wire.handshake());
    let met = match tokio::time::timeout(PATIENCE, first.as_mut()).await {
        Ok(met) => met,
        Err(_) => match futures::future::select(first, std::pin::pin!(wire.handshake())).await {
            Either::Left((met, _)) => met,
            Either::Right((Err(_), first)) => first.await,
            // A slow server is not a silent one.
            Either::Right((Ok(report), first)) => match tokio::time::timeout(MORE, first).await {
                Ok(met) => met,
                Err(_) => {
                    let silent_before = u64::try_from((PATIENCE + MORE).as_millis()).ok();
                    return (Ok(TlsReport { silent_before, ..report }), None);
                }
            },
        },
    };
    let rest = limit.saturating_sub(began.elapsed() + MORE / 2);
    let another = tokio::time::timeout(TRY.min(began.elapsed() + MORE).min(rest), wire.handshake());
    match met {
        Err(failure) if BROKEN_OFF.contains(&failure.kind) => match another.await {
            Ok(Err(other)) if other.kind == FailureKind::Timeout => (Err(failure), None),
            Ok(other) => (other, Some(failure.detail)),
            Err(_) => (Err(failure), None),
        },
        Ok(report) if !report.faults.is_empty() => match another.await {
            Ok(Ok(other)) if other.faults.is_empty() => {
                (Ok(TlsReport { distrusted_before: report.faults.into_iter().next(), ..other }), None)
            }
            _ => (Ok(report), None),
        },
        met => (met, None),
    }
}

/// How a handshake fails that another server of the same address might carry through.
const BROKEN_OFF: &[FailureKind] =
    &[FailureKind::Closed, FailureKind::Protocol, FailureKind::Tls, FailureKind::TlsVersion];

/// A handshake before this one went otherwise.
fn is_second(report: &TlsReport) -> bool {
    report.broken_before.is_some() || report.distrusted_before.is_some() || report.silent_before.is_some()
}

/// What the server answers to whoever brings no credential.
fn anonymous(
    graph: &mut Graph,
    route: &Handle<Route, Way>,
    tcp: &Tcp,
    tls: &Handle<TlsReport, Wire>,
    host: &Host,
    scrubber: &Scrubber,
) -> Handle<HttpAnswer, Wire> {
    let (route, tls, tcp, host, scrubber) = (route.clone(), tls.clone(), tcp.clone(), host.clone(), scrubber.clone());
    let needs = async move {
        let way: Way = need(&route).await?;
        connected(&tcp).await?;
        let wire = if way.url.scheme() == "https" { Some(need::<_, Wire, _>(&tls).await?) } else { None };
        Ok((way, wire))
    };
    graph.probe("endpoint-anonymous", SHORT, needs, move |(way, wire): (Way, Option<Wire>)| async move {
        let wire = match wire {
            Some(wire) => wire,
            None => way.wire(&host, None)?,
        };
        let api = Api::anonymous(wire.clone(), &scrubber);
        let answer = api.get("/version", Limits::default()).await?;
        Ok((api.evidence("GET", "/version", &answer, host.now()), Some(wire)))
    })
}

/// A port that does not speak TLS may be the API all the same, behind kubectl proxy for one.
fn plain(graph: &mut Graph, approach: &Approach, host: &Host, scrubber: &Scrubber) -> Handle<HttpAnswer> {
    let (route, tls, host, scrubber) = (approach.route.clone(), approach.tls.clone(), host.clone(), scrubber.clone());
    let needs = async move {
        let Ok(way) = need::<_, Way, ()>(&route).await else {
            return Err(not_applicable("there is no way to the server"));
        };
        let tls = tls.await;
        if tls.observation.failed().is_none_or(|failure| failure.kind != FailureKind::Protocol) {
            return Err(not_applicable("the port speaks TLS"));
        }
        Ok(way)
    };
    graph.probe("endpoint-plain", SHORT, needs, move |mut way: Way| async move {
        let port = way.url.port_or_known_default();
        if way.url.set_scheme("http").is_err() || way.url.set_port(port).is_err() {
            return Err(Failure::new(FailureKind::Bug, "the URL takes no other scheme"));
        }
        let api = Api::anonymous(way.wire(&host, None)?, &scrubber);
        let answer = api.get("/version", Limits::default()).await?;
        Ok((api.evidence("GET", "/version", &answer, host.now()), Some(())))
    })
}

/// And the other way round: whether the port of an http URL speaks TLS.
fn secure(graph: &mut Graph, approach: &Approach, user: &CredentialProbes, host: &Host) -> Handle<TlsReport> {
    let (route, tcp, anonymous) = (approach.route.clone(), approach.tcp.clone(), approach.anonymous.clone());
    let (config, host) = (user.kubeconfig.clone(), host.clone());
    let needs = async move {
        let Ok(way) = need::<_, Way, ()>(&route).await else {
            return Err(not_applicable("there is no way to the server"));
        };
        if way.url.scheme() != "http" {
            return Err(not_applicable("the server URL is https"));
        }
        if connected::<()>(&tcp).await.is_err() {
            return Err(not_applicable("there is no connection to the server"));
        }
        let anonymous = anonymous.await;
        let config = config.await;
        let withheld = config
            .observation
            .seen()
            .is_some_and(|config| config.problems.iter().any(|problem| problem.kind == WRONG_SCHEME));
        let broken = anonymous.observation.failed_as(&[FailureKind::Closed, FailureKind::Protocol]).is_some();
        if !withheld && !broken {
            return Err(not_applicable("the port answers plain HTTP"));
        }
        Ok(way)
    };
    graph.probe("endpoint-secure", SHORT, needs, move |mut way: Way| async move {
        let port = way.url.port_or_known_default();
        if way.url.set_scheme("https").is_err() || way.url.set_port(port).is_err() {
            return Err(Failure::new(FailureKind::Bug, "the URL takes no other scheme"));
        }
        Ok((way.wire(&host, None)?.handshake().await?, Some(())))
    })
}

/// What each name server says of the name, where its addresses lead to no API server.
fn names(graph: &mut Graph, approach: &Approach, plan: &Plan) -> Handle<Names> {
    let (route, dns) = (approach.route.clone(), approach.dns.clone());
    let unreached = unreached(&approach.tls, &approach.anonymous, "its addresses lead to an API server");
    let needs = async move {
        let way: Way = need(&route).await.map_err(|_: Outcome<()>| not_applicable("there is no way to the server"))?;
        unreached.await?;
        let (name, _) = way.first_hop();
        if !dns::needs_name_servers(&name) {
            return Err(not_applicable("it needs no name server"));
        }
        let addresses: Option<Arc<Vec<SocketAddr>>> = dns.await.give.clone();
        Ok((name, addresses))
    };
    let public_resolver = plan.public_resolver;
    graph.probe(
        "endpoint-names",
        SHORT,
        needs,
        move |(name, addresses): (String, Option<Arc<Vec<SocketAddr>>>)| async move {
            let addresses = addresses.as_deref().map(Vec::as_slice).unwrap_or_default();
            Ok((dns::names(&name, addresses, public_resolver).await, Some(())))
        },
    )
}

/// The way without the proxy, where the one through it leads to no API server.
fn direct_route(graph: &mut Graph, approach: &Approach) -> Handle<Route, Way> {
    let route = approach.route.clone();
    let unreached = unreached(&approach.tls, &approach.anonymous, "the way through the proxy leads to an API server");
    let needs = async move {
        let way: Way = need(&route).await.map_err(|_: Outcome<()>| not_applicable("there is no way to the server"))?;
        if way.decision.proxy.is_none() {
            return Err(not_applicable("no proxy is used"));
        }
        unreached.await?;
        Ok(way)
    };
    graph.probe("endpoint-direct-route", SHORT, needs, |proxied: Way| async move {
        let reason = "to compare with the way through the proxy".to_owned();
        let decision = Decision { proxy: None, reason, no_proxy: None };
        let (evidence, mut way) = way(&proxied.url, decision, proxied.tls);
        way.request_timeout = proxied.request_timeout;
        Ok((evidence, Some(way)))
    })
}

/// TLS with the server, without the proxy.
fn direct_tls(graph: &mut Graph, route: &Handle<Route, Way>, tcp: &Tcp, host: &Host) -> Handle<TlsReport> {
    let (needs, host) = (secured(route.clone(), tcp.clone()), host.clone());
    graph.probe("endpoint-direct-tls", SHORT, needs, move |way: Way| async move {
        Ok((way.wire(&host, None)?.handshake().await?, Some(())))
    })
}

/// The API with the credential: only over a connection that is trusted.
fn api(approach: &Approach, user: &CredentialProbes, host: &Host, scrubber: &Scrubber) -> Common<Api> {
    let (route, tls, anonymous) = (approach.route.clone(), approach.tls.clone(), approach.anonymous.clone());
    let (config, credential) = (user.kubeconfig.clone(), user.credential.clone());
    let (host, scrubber) = (host.clone(), scrubber.clone());
    async move {
        let way: Way = need(&route).await?;
        let obtained: Arc<Obtained> = need(&credential).await?;
        let resolved: Arc<Resolved> = need(&config).await?;
        if way.url.scheme() == "https" {
            let tls = tls.await;
            if let Some(fault) =
                tls.observation.seen().and_then(|report| report.faults.first()).filter(|_| !resolved.insecure)
            {
                return Err(Skip {
                    because: "endpoint-tls".to_owned(),
                    text: format!("the credential is not sent to a server that is not trusted ({})", fault.detail),
                    needs: None,
                }
                .into());
            }
            if tls.give.is_none() {
                return Err(skip_of(&tls.observation, tls.id));
            }
        }
        let done = anonymous.await;
        // Whoever comes without a certificate is not answered; that says nothing about one who brings it.
        let closed = done.observation.failed().is_some_and(|failure| {
            matches!(failure.kind, FailureKind::ClientCertificateDemanded | FailureKind::Closed)
        });
        let wire = match (&obtained.client_identity, done.give.clone()) {
            (Some(identity), given) if given.is_some() || closed => {
                way.wire(&host, Some(identity.clone())).map_err(Outcome::Failed)?
            }
            (None, Some(wire)) => wire,
            _ => return Err(skip_of(&done.observation, done.id)),
        };
        Api::with_credential(wire, &obtained, Some(&resolved.impersonation), &scrubber).map_err(Outcome::<()>::Failed)
    }
    .boxed()
    .shared()
}

/// What the server answers to whoever brings the credential.
fn authenticated(graph: &mut Graph, api: &Common<Api>, user: &CredentialProbes, host: &Host) -> Handle<HttpAnswer> {
    let (api, credential, host) = (api.clone(), user.credential.clone(), host.clone());
    let needs = async move {
        let api = common(api).await?;
        let done = credential.await;
        if done.observation.seen().is_none_or(|credential| !credential.is_there()) {
            return Err(not_applicable("there is no credential to compare with"));
        }
        Ok(api)
    };
    graph.probe("endpoint-authenticated", SHORT, needs, move |api: Api| async move {
        let answer = api.get("/version", Limits::default()).await?;
        let mut evidence = api.evidence("GET", "/version", &answer, host.now());
        evidence.sent_header_bytes = Some(api.header_bytes());
        Ok((evidence, Some(())))
    })
}

/// Behind one address there may be several API servers: each initialises an issuer for itself, and has flags, keys and CA
/// files of its own.
fn repeated(
    graph: &mut Graph,
    route: &Handle<Route, Way>,
    api: &Common<Api>,
    user: &CredentialProbes,
    authenticated: &Handle<HttpAnswer>,
    host: &Host,
    scrubber: &Scrubber,
) -> Handle<Repeats> {
    let (route, credential, first) = (route.clone(), user.credential.clone(), authenticated.clone());
    let (api, host, scrubber) = (api.clone(), host.clone(), scrubber.clone());
    let needs = async move {
        let way: Way = need(&route).await?;
        let obtained: Arc<Obtained> = need(&credential).await?;
        let done = credential.await;
        let token = done.observation.seen().and_then(|credential| credential.token.as_ref());
        // A certificate is judged once a connection, and this run's requests share one. An IAM token is judged by what EKS
        // runs itself, and not by flags that one API server may have otherwise.
        let judged = match token {
            Some(token) => token.kind != TokenKind::EksIam,
            None => obtained.client_identity.is_some(),
        };
        if !judged {
            return Err(not_applicable(
                "the credential is neither a token that each API server judges nor a certificate",
            ));
        }
        // They are made beside the first request with the credential, which needs a new connection too: a way that takes
        // long is gone once.
        let ahead = async {
            let wires = match common::<Api, Repeats>(api).await {
                Ok(_) => {
                    let fresh = fresh(&way, obtained.client_identity.as_ref(), &host);
                    tokio::time::timeout(SHORT, fresh).await.unwrap_or_default()
                }
                Err(_) => Vec::new(),
            };
            Ok::<Vec<Wire>, Outcome<Repeats>>(wires)
        };
        let (wires, ()) = futures::try_join!(ahead, need::<_, (), Repeats>(&first))?;
        Ok((wires, obtained))
    };
    graph.probe("endpoint-repeated", SHORT, needs, move |(wires, obtained): (Vec<Wire>, Arc<Obtained>)| async move {
        let (obtained, scrubber) = (&obtained, &scrubber);
        let ask = |wire: Wire| async move {
            let api = Api::with_credential(wire, obtained, None, scrubber)?;
            api.get(VERSION, Limits::default()).await
        };
        let answers = futures::future::join_all(wires.into_iter().map(ask)).await;
        let statuses: Vec<u16> = answers.into_iter().filter_map(|answer| Some(answer.ok()?.status.as_u16())).collect();
        if statuses.is_empty() {
            return Err(Failure::new(FailureKind::Closed, "no further connection was answered"));
        }
        Ok((Repeats { path: VERSION.to_owned(), statuses }, Some(())))
    })
}

/// Fresh connections that nothing was sent on yet; one that cannot be made is left out.
async fn fresh(way: &Way, identity: Option<&ClientIdentity>, host: &Host) -> Vec<Wire> {
    let connect = || async {
        let wire = way.wire(host, identity.cloned()).ok()?;
        wire.connect().await.ok()?;
        Some(wire)
    };
    let wires = futures::future::join_all((0..REPEATS).map(|_| connect())).await;
    wires.into_iter().flatten().collect()
}

/// How a connection fails that was not made, or was broken off.
const UNCONNECTED: &[FailureKind] = &[FailureKind::Closed, FailureKind::Refused, FailureKind::Unreachable];

/// How a request fails that no API server answered.
const UNANSWERED: &[FailureKind] = &[
    FailureKind::Closed,
    FailureKind::Refused,
    FailureKind::Unreachable,
    FailureKind::Timeout,
    FailureKind::Protocol,
    FailureKind::Tls,
];

/// Somebody says that it is too busy or broken, and it is not the API server, which says of itself that it throttles.
fn is_busy(answer: &HttpAnswer) -> bool {
    answer.status >= 500 || answer.status == 429 && answer.flow_control.is_none()
}

/// Waits for the way to the API server to have failed somewhere; where a trusted server answered as an API server does,
/// there is nothing to find out and `reason` says so.
fn unreached<T, X, Y>(
    tls: &Handle<TlsReport, X>,
    anonymous: &Handle<HttpAnswer, Y>,
    reason: &'static str,
) -> impl Future<Output = Result<(), Outcome<T>>> + Send + use<T, X, Y>
where
    T: Send,
    X: Send + Sync + 'static,
    Y: Send + Sync + 'static,
{
    let (tls, anonymous) = (tls.clone(), anonymous.clone());
    async move {
        let (tls, anonymous) = futures::join!(tls, anonymous);
        let distrusted = tls.observation.seen().is_some_and(|report| !report.faults.is_empty());
        let answered = anonymous.observation.seen().is_some_and(HttpAnswer::is_of_kubernetes);
        if answered && !distrusted { Err(not_applicable(reason)) } else { Ok(()) }
    }
}
