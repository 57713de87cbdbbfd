//! The graph of probes: each is spawned at once, awaits exactly what it needs, and then looks.
//!
//! A probe's needs are passed to it as handles, so the graph cannot have a cycle, and [`gather`] reads as its drawing.
//! [`gather`] always returns complete evidence: a failed need, a passed limit, an interrupt and a bug all become outcomes.

#[cfg(feature = "aws")]
mod aws;
#[cfg(not(feature = "aws"))]
mod without_aws;
#[cfg(not(feature = "aws"))]
use without_aws as aws;
mod workload;

pub use workload::{WorkloadPlan, gather_workload};

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use super::apiserver::Api;
use super::aws::target::AwsOptions;
use super::credential::{ExecOptions, Obtained, PluginOutput};
use super::issuer::{CONTROL_PLANE_AGENT, OWN_AGENT};
use super::kubeconfig::{ConnectionFlags, Resolved};
use super::proxy::Decision;
use super::tls::TlsSettings;
use super::wire::{Destination, Limits, Wire};
use super::{
    Roots, access, apiserver, credential, discovery, dns, identity, issuer, kubeconfig, log, proxy, rbac,
    workload as workload_looks,
};
use crate::credential::{certificate, token};
use crate::evidence::access::Question;
use crate::evidence::apiserver::{Flags, Repeats, Reviewer};
use crate::evidence::credential::TokenKind;
use crate::evidence::dns::Route;
use crate::evidence::identity::User;
use crate::evidence::{
    Asked, ControlPlane, Endpoint, Evidence, Failure, FailureKind, Issuer, Observation, Outcome, SCHEMA, Skip,
};
use crate::host::Host;
use crate::secret::{Scrubber, Secret};

/// What to look at, and how.
#[derive(Clone)]
pub struct Plan {
    /// kubectl's connection flags.
    pub flags: ConnectionFlags,
    /// Issuer named by the user.
    pub issuer: Option<String>,
    /// Client id named by the user.
    pub client_id: Option<String>,
    /// CA file for the issuer, as PEM.
    pub oidc_ca: Option<String>,
    /// A context with more rights.
    pub reviewer_context: Option<String>,
    /// TokenReview with the current context's own rights.
    pub review: bool,
    /// The API server's flags or file, already read.
    pub configuration: Option<Result<Flags, Failure>>,
    /// The API server's log: a path, or `-`.
    pub log: Option<String>,
    /// The message the user met, scrubbed.
    pub error: Option<String>,
    /// The question in it.
    pub question: Option<Question>,
    /// The user in it, with the groups that follow from the name.
    pub named: Option<User>,
    /// The message says that the server lacks an API.
    pub misses_api: bool,
    /// Open no connection.
    pub offline: bool,
    /// Credential plugin.
    pub exec: ExecOptions,
    /// Limit of the whole run; the plugin's time is not counted.
    pub timeout: Duration,
    /// A resolver to compare with.
    pub public_resolver: Option<std::net::IpAddr>,
    /// What AWS is asked.
    pub aws: AwsOptions,
    /// How far back the control plane's own log is read; absent where it is not to be read.
    pub logs: Option<Duration>,
    /// Told when a probe begins to work and when it ends; absent where nobody watches.
    pub watcher: Option<Watcher>,
}

/// Whoever watches the probes: gets a probe's id, and whether it begins.
pub type Watcher = Arc<dyn Fn(&'static str, bool) + Send + Sync>;

impl Plan {
    /// Looks at the connection alone: no question, no issuer, nobody with more rights, AWS where the cluster is its.
    pub fn of(flags: ConnectionFlags, exec: ExecOptions) -> Self {
        Self {
            flags,
            issuer: None,
            client_id: None,
            oidc_ca: None,
            reviewer_context: None,
            review: false,
            configuration: None,
            log: None,
            error: None,
            question: None,
            named: None,
            misses_api: false,
            offline: false,
            exec,
            timeout: Duration::from_secs(20),
            public_resolver: None,
            aws: AwsOptions::default(),
            logs: None,
            watcher: None,
        }
    }
}

/// A probe's result: evidence, and what the next probes need of it (connections, secrets).
pub struct Done<T, X> {
    /// The evidence.
    pub observation: Observation<T>,
    give: Option<X>,
    id: &'static str,
}

/// A handle on a probe that is under way.
pub type Handle<T, X = ()> = Shared<BoxFuture<'static, Arc<Done<T, X>>>>;

/// Whoever may read more than the user's own rights allow: the reviewer, else the user.
type Reader = Shared<BoxFuture<'static, Result<Api, Outcome<()>>>>;

/// What a probe's work returns.
type Look<T, X> = Result<(T, Option<X>), Failure>;

/// Runs probes.
struct Graph {
    set: JoinSet<()>,
    started: Instant,
    timeout: Duration,
    plugin_ms: Arc<AtomicU64>,
    interrupted: Arc<AtomicBool>,
    watcher: Option<Watcher>,
    alarm: Alarm,
}

/// How long after the run's limit a probe is given up whose own limit did not end it.
const LATE: Duration = Duration::from_millis(1500);

/// Rings where a run's limit has passed and its probes have not ended. A server that sends without a pause can keep the
/// runtime's threads, and with them its clock, so busy that no limit is noticed there: this is a thread of its own, which
/// ends with the run.
struct Alarm {
    rung: watch::Receiver<bool>,
    /// The credential plugin runs, whose time is not counted.
    plugin: Arc<AtomicBool>,
    _stop: std::sync::mpsc::Sender<()>,
}

impl Alarm {
    fn set(started: Instant, timeout: Duration, plugin_ms: Arc<AtomicU64>) -> Self {
        let (ring, rung) = watch::channel(false);
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let plugin = Arc::new(AtomicBool::new(false));
        let running = plugin.clone();
        // Without a thread to spare there is no alarm; the probes' own limits hold.
        let _ = std::thread::Builder::new().spawn(move || {
            let ended = || stopped.recv_timeout(Duration::from_millis(100)) != Err(RecvTimeoutError::Timeout);
            while !ended() {
                let limit = timeout + Duration::from_millis(plugin_ms.load(Ordering::Relaxed)) + LATE;
                if !running.load(Ordering::Relaxed) && started.elapsed() > limit {
                    ring.send_replace(true);
                    // Whoever begins to wait now hears it too.
                    while !ended() {}
                    return;
                }
            }
        });
        Self { rung, plugin, _stop: stop }
    }
}

/// Waits for the alarm; for ever where it is over without.
async fn rung(mut alarm: watch::Receiver<bool>) {
    if alarm.wait_for(|rung| *rung).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Milliseconds as evidence holds them.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Graph {
    fn new(host: &Host, timeout: Duration) -> Self {
        let plugin_ms: Arc<AtomicU64> = Arc::default();
        Self {
            set: JoinSet::new(),
            started: host.started,
            timeout,
            alarm: Alarm::set(host.started, timeout, plugin_ms.clone()),
            plugin_ms,
            interrupted: Arc::default(),
            watcher: None,
        }
    }

    /// The same with somebody who watches.
    fn watched(self, watcher: Option<Watcher>) -> Self {
        Self { watcher, ..self }
    }

    /// Spawns a probe: `needs` is awaited, then `work` runs under its own limit and the run's.
    fn probe<N, T, X, W, F>(
        &mut self,
        id: &'static str,
        limit: Duration,
        needs: impl Future<Output = Result<N, Outcome<T>>> + Send + 'static,
        work: W,
    ) -> Handle<T, X>
    where
        N: Send + 'static,
        T: Clone + Send + Sync + 'static,
        X: Send + Sync + 'static,
        W: FnOnce(N) -> F + Send + 'static,
        F: Future<Output = Look<T, X>> + Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        let (started, timeout, plugin_ms) = (self.started, self.timeout, self.plugin_ms.clone());
        let watcher = self.watcher.clone();
        let tell = move |begins: bool| {
            if let Some(watcher) = &watcher {
                watcher(id, begins);
            }
        };
        let (plugin, alarm) = (self.alarm.plugin.clone(), self.alarm.rung.clone());
        self.set.spawn(async move {
            let needs = needs.await;
            let began = started.elapsed();
            let (outcome, give) = match needs {
                Err(outcome) => (outcome, None),
                Ok(needs) => {
                    let budget =
                        (timeout + Duration::from_millis(plugin_ms.load(Ordering::Relaxed))).saturating_sub(began);
                    // The plugin has a limit of its own and does not count against the run's.
                    let limit = if id == "plugin" { limit } else { limit.min(budget) };
                    plugin.fetch_or(id == "plugin", Ordering::Relaxed);
                    tell(true);
                    let ended = tokio::time::timeout(limit, work(needs)).await;
                    tell(false);
                    match ended {
                        Ok(Ok((seen, give))) => (Outcome::Seen(seen), give),
                        Ok(Err(failure)) => (Outcome::Failed(failure), None),
                        Err(_) => {
                            let text = format!("no answer within {:.1} s", limit.as_secs_f64());
                            (Outcome::Failed(Failure::new(FailureKind::Timeout, text)), None)
                        }
                    }
                }
            };
            let took_ms = millis(started.elapsed().saturating_sub(began));
            if id == "plugin" {
                plugin_ms.fetch_add(took_ms, Ordering::Relaxed);
                plugin.store(false, Ordering::Relaxed);
            }
            let observation = Observation { started_ms: millis(began), took_ms, outcome };
            // Nobody listens any more when the run was given up.
            let _ = sender.send(Arc::new(Done { observation, give, id }));
        });
        let interrupted = self.interrupted.clone();
        async move {
            let outcome = tokio::select! {
                biased;
                done = receiver => match done {
                    Ok(done) => return done,
                    // The sender is dropped by an abort or a panic.
                    Err(_) if interrupted.load(Ordering::Relaxed) => Outcome::Skipped(Skip {
                        because: "interrupt".to_owned(),
                        text: "the run was interrupted".to_owned(),
                        needs: None,
                    }),
                    Err(_) => Outcome::Failed(Failure::new(
                        FailureKind::Bug,
                        format!("a bug in kaccess: the probe {id} broke off; please report it"),
                    )),
                },
                () = rung(alarm) => Outcome::Failed(Failure::new(
                    FailureKind::Timeout,
                    format!("no answer within {:.1} s", timeout.as_secs_f64()),
                )),
            };
            Arc::new(Done { observation: Observation::at_rest(outcome), give: None, id })
        }
        .boxed()
        .shared()
    }
}

/// Waits for every probe. A signal gives up what is still under way; what is known is told.
async fn finish(graph: &mut Graph) {
    let Graph { set, interrupted, alarm, .. } = graph;
    loop {
        tokio::select! {
            () = rung(alarm.rung.clone()) => break,
            next = set.join_next() => {
                if next.is_none() {
                    break;
                }
            }
            () = super::interrupt::came(), if !interrupted.load(Ordering::Relaxed) => {
                interrupted.store(true, Ordering::Relaxed);
                set.abort_all();
            }
        }
    }
}

/// Awaits a need and takes what it gives; a need without it makes the probe skipped.
async fn need<A, X: Clone, T>(handle: &Handle<A, X>) -> Result<X, Outcome<T>> {
    let done = handle.clone().await;
    done.give.clone().ok_or_else(|| skip_of(&done.observation, done.id))
}

/// The outcome of a probe whose need has this observation.
fn skip_of<A, T>(observation: &Observation<A>, id: &str) -> Outcome<T> {
    match &observation.outcome {
        Outcome::NotApplicable(reason) => Outcome::NotApplicable(reason.clone()),
        // The first link that broke is named, not the last one.
        Outcome::Skipped(skip) => Outcome::Skipped(skip.clone()),
        Outcome::Failed(failure) => Outcome::Skipped(Skip {
            because: id.to_owned(),
            text: failure.detail.clone(),
            needs: failure.needs.clone(),
        }),
        Outcome::Seen(_) => Outcome::NotApplicable("there is nothing to look at".to_owned()),
    }
}

fn not_applicable<T>(reason: &str) -> Outcome<T> {
    Outcome::NotApplicable(reason.to_owned())
}

/// There is something to look at, and the user does not want it looked at.
fn offline_skip<T>() -> Outcome<T> {
    Outcome::Skipped(Skip {
        because: "offline".to_owned(),
        text: "--offline: no connection is opened".to_owned(),
        needs: Some("running without --offline".to_owned()),
    })
}

const SHORT: Duration = Duration::from_secs(8);
/// Limit of one step of a connection: shorter than its probe's, so that the step that was silent is named.
const STEP: Duration = Duration::from_secs(7);
const LONG: Duration = Duration::from_secs(15);
/// How many fresh connections are tried: of two servers behind one address, one is missed once in 64 runs.
const REPEATS: usize = 6;

/// Where a server is and how to speak to it.
#[derive(Clone)]
struct Way {
    url: url::Url,
    decision: Arc<Decision>,
    tls: TlsSettings,
}

impl Way {
    /// Name and port of what is connected to first: the proxy, or the server.
    fn first_hop(&self) -> (String, u16) {
        match &self.decision.proxy {
            Some(proxy) => (proxy.host.clone(), proxy.port),
            None => (
                self.url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned(),
                self.url.port_or_known_default().unwrap_or(443),
            ),
        }
    }

    fn wire(&self, host: &Host, identity: Option<super::ClientIdentity>) -> Result<Wire, Failure> {
        let mut tls = self.tls.clone();
        tls.client_identity = identity;
        Wire::new(
            Destination {
                url: self.url.clone(),
                tls: (self.url.scheme() == "https").then_some(tls),
                proxy: self.decision.proxy.clone(),
                user_agent: OWN_AGENT.to_owned(),
                connect_timeout: STEP,
            },
            host,
        )
    }
}

/// Looks at everything the plan names, all at once where needs allow.
pub async fn gather(host: &Host, plan: &Plan, scrubber: &Scrubber) -> Evidence {
    let mut graph = Graph::new(host, plan.timeout).watched(plan.watcher.clone());
    let offline = plan.offline;

    // kubeconfig
    let kubeconfig = {
        let (host, flags, scrubber) = (host.clone(), plan.flags.clone(), scrubber.clone());
        graph.probe("kubeconfig", SHORT, async { Ok(()) }, move |()| async move {
            let (mut evidence, resolved) = blocking(move || kubeconfig::load(&host, &flags, &scrubber)).await?;
            let resolved = resolved?;
            if let (Roots::Pem { pem, .. }, Some(cluster)) = (&resolved.roots, &mut evidence.cluster) {
                cluster.authorities = certificate::facts_from_pem(pem).0;
            }
            Ok((evidence, Some(Arc::new(resolved))))
        })
    };

    // credential plugin -> credential
    let plugin = {
        let (needs, host, scrubber, options) = (kubeconfig.clone(), host.clone(), scrubber.clone(), plan.exec.clone());
        let needs = async move {
            let resolved = need(&needs).await?;
            if resolved.user.exec.is_none() {
                return Err(not_applicable("the user entry has no credential plugin"));
            }
            if !options.allowed {
                return Err(Outcome::Skipped(Skip {
                    because: "plugin".to_owned(),
                    text: "the credential plugin was not run (--no-exec or --offline)".to_owned(),
                    needs: Some("running without --no-exec".to_owned()),
                }));
            }
            Ok((resolved, options))
        };
        graph.probe(
            "plugin",
            plan.exec.timeout + Duration::from_secs(2),
            needs,
            move |(resolved, options): (Arc<Resolved>, ExecOptions)| async move {
                let exec = resolved.user.exec.clone().ok_or_else(|| Failure::new(FailureKind::Bug, "no plugin"))?;
                let (run, output) = credential::run_plugin(&exec, &resolved, &host, &options, &scrubber).await;
                let run = run?;
                Ok((run, output.map(Arc::new)))
            },
        )
    };
    let credential = {
        let (config, plugin, scrubber) = (kubeconfig.clone(), plugin.clone(), scrubber.clone());
        let needs = async move {
            let resolved: Arc<Resolved> = need(&config).await?;
            let ran = plugin.await;
            let output: Option<Arc<PluginOutput>> = ran.give.clone();
            if resolved.user.exec.is_some() && output.is_none() {
                return Err(match &ran.observation.outcome {
                    Outcome::Seen(run) => Outcome::Skipped(Skip {
                        because: "plugin".to_owned(),
                        text: run
                            .output_error
                            .clone()
                            .unwrap_or_else(|| "the credential plugin gave no credential".to_owned()),
                        needs: None,
                    }),
                    _ => skip_of(&ran.observation, "plugin"),
                });
            }
            Ok((resolved, output))
        };
        graph.probe(
            "credential",
            SHORT,
            needs,
            move |(resolved, output): (Arc<Resolved>, Option<Arc<PluginOutput>>)| async move {
                let (obtained, mut evidence) = credential::obtain(&resolved, output.as_deref(), &scrubber).await?;
                if let Some(secret) = &obtained.token {
                    scrubber.learn_secret(secret);
                    evidence.token = Some(token::parse(secret.expose()));
                }
                if let Some(identity) = &obtained.client_identity {
                    scrubber.learn_secret(&identity.key_pem);
                    evidence.certificates = certificate::facts_from_pem(&identity.chain_pem).0;
                }
                Ok((evidence, Some(Arc::new(obtained))))
            },
        )
    };

    // API endpoint: route -> dns -> tcp -> tls -> HTTP
    let route = {
        let (config, host, route_scrubber) = (kubeconfig.clone(), host.clone(), scrubber.clone());
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
            let (mut evidence, way) = way(&resolved.server, decision, tls);
            evidence.no_proxy = evidence.no_proxy.map(|list| route_scrubber.text_limited(&list, 2048));
            Ok((evidence, Some(way)))
        })
    };
    let (endpoint_dns, endpoint_tcp) = reach(&mut graph, "endpoint-dns", "endpoint-tcp", &route, host, None);
    let endpoint_tls = {
        let (route, tcp, host) = (route.clone(), endpoint_tcp.clone(), host.clone());
        let needs = async move {
            let way: Way = need(&route).await?;
            need::<_, Arc<Vec<SocketAddr>>, _>(&tcp).await?;
            if way.url.scheme() != "https" {
                return Err(not_applicable("the server URL is plain http"));
            }
            Ok(way)
        };
        let credential = credential.clone();
        graph.probe("endpoint-tls", SHORT, needs, move |way: Way| async move {
            let wire = way.wire(&host, None)?;
            let report = match wire.handshake().await {
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
            // An untrusted server still answers an anonymous GET; a credential is never sent to it.
            Ok((report, Some(wire)))
        })
    };
    let anonymous = {
        let (route, tls, tcp, host, scrubber) =
            (route.clone(), endpoint_tls.clone(), endpoint_tcp.clone(), host.clone(), scrubber.clone());
        let needs = async move {
            let way: Way = need(&route).await?;
            need::<_, Arc<Vec<SocketAddr>>, _>(&tcp).await?;
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
    };
    // A port that does not speak TLS may be the API all the same, behind kubectl proxy for one.
    let plain = {
        let (route, tls, host, scrubber) = (route.clone(), endpoint_tls.clone(), host.clone(), scrubber.clone());
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
    };
    let names = {
        let (route, dns, unreached) = (
            route.clone(),
            endpoint_dns.clone(),
            unreached(&endpoint_tls, &anonymous, "its addresses lead to an API server"),
        );
        let needs = async move {
            let way: Way =
                need(&route).await.map_err(|_: Outcome<()>| not_applicable("there is no way to the server"))?;
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
    };
    // Where a proxy is in the way, whether the server could be had without it.
    let direct_route = {
        let (route, unreached) =
            (route.clone(), unreached(&endpoint_tls, &anonymous, "the way through the proxy leads to an API server"));
        let needs = async move {
            let way: Way =
                need(&route).await.map_err(|_: Outcome<()>| not_applicable("there is no way to the server"))?;
            if way.decision.proxy.is_none() {
                return Err(not_applicable("no proxy is used"));
            }
            unreached.await?;
            Ok(way)
        };
        graph.probe("endpoint-direct-route", SHORT, needs, |proxied: Way| async move {
            let reason = "to compare with the way through the proxy".to_owned();
            let decision = Decision { proxy: None, reason, no_proxy: None };
            let (evidence, way) = way(&proxied.url, decision, proxied.tls);
            Ok((evidence, Some(way)))
        })
    };
    let (direct_dns, direct_tcp) =
        reach(&mut graph, "endpoint-direct-dns", "endpoint-direct-tcp", &direct_route, host, None);
    let direct_tls = {
        let (route, tcp, host) = (direct_route, direct_tcp.clone(), host.clone());
        let needs = async move {
            let way: Way = need(&route).await?;
            connected(&tcp).await?;
            if way.url.scheme() != "https" {
                return Err(not_applicable("the server URL is plain http"));
            }
            Ok(way)
        };
        graph.probe("endpoint-direct-tls", SHORT, needs, move |way: Way| async move {
            Ok((way.wire(&host, None)?.handshake().await?, Some(())))
        })
    };
    // The API with the credential: only over a connection that is trusted.
    let api = {
        let (route, tls, anonymous, config, credential, host, scrubber) = (
            route.clone(),
            endpoint_tls.clone(),
            anonymous.clone(),
            kubeconfig.clone(),
            credential.clone(),
            host.clone(),
            scrubber.clone(),
        );
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
                need::<_, Wire, _>(&Handle::clone(&{
                    let done = tls;
                    async move { done }.boxed().shared()
                }))
                .await?;
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
            Api::with_credential(wire, &obtained, Some(&resolved.impersonation), &scrubber)
                .map_err(Outcome::<()>::Failed)
        }
        .boxed()
        .shared()
    };
    let authenticated = {
        let (api, credential, host) = (api.clone(), credential.clone(), host.clone());
        let needs = async move {
            let api = api.await.map_err(recast)?;
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
    };
    // Behind one address there may be several API servers, and each initialises an issuer for itself.
    let repeated = {
        let (route, credential, first, host, scrubber) =
            (route.clone(), credential.clone(), authenticated.clone(), host.clone(), scrubber.clone());
        let needs = async move {
            let way: Way = need(&route).await?;
            let obtained: Arc<Obtained> = need(&credential).await?;
            let done = credential.await;
            let token = done.observation.seen().and_then(|credential| credential.token.as_ref());
            if token.is_none_or(|token| token.kind != TokenKind::Jwt) {
                return Err(not_applicable("the credential is no token of an identity provider"));
            }
            need::<_, (), _>(&first).await?;
            Ok((way, obtained))
        };
        graph.probe("endpoint-repeated", SHORT, needs, move |(way, obtained): (Way, Arc<Obtained>)| async move {
            let ask = || async {
                let wire = way.wire(&host, obtained.client_identity.clone())?;
                let api = Api::with_credential(wire, &obtained, None, &scrubber)?;
                api.get("/version", Limits::default()).await
            };
            let answers = futures::future::join_all((0..REPEATS).map(|_| ask())).await;
            let statuses: Vec<u16> =
                answers.into_iter().filter_map(|answer| Some(answer.ok()?.status.as_u16())).collect();
            if statuses.is_empty() {
                return Err(Failure::new(FailureKind::Closed, "no further connection was answered"));
            }
            Ok((Repeats { path: "/version".to_owned(), statuses }, Some(())))
        })
    };
    let who = {
        let api = api.clone();
        graph.probe("identity", SHORT, async move { api.await.map_err(recast) }, move |api: Api| async move {
            let identity = identity::identity(&api).await?;
            Ok((identity.clone(), Some((api, identity.user))))
        })
    };
    let access = {
        let (who, api, config) = (who.clone(), api.clone(), kubeconfig.clone());
        let (question, named) = (plan.question.clone(), plan.named.clone());
        let needs = async move {
            let api = api.await.map_err(recast)?;
            let resolved: Arc<Resolved> = need(&config).await?;
            let who = who.await;
            // A server too old for SelfSubjectReview, or one that denies it, still answers access reviews.
            match &who.observation.outcome {
                Outcome::Seen(_) => {}
                Outcome::Failed(failure)
                    if matches!(failure.kind, FailureKind::Unsupported | FailureKind::Forbidden) => {}
                _ => return Err(skip_of(&who.observation, "identity")),
            }
            // What somebody else may do, a review of oneself does not say.
            let other = who.observation.seen().zip(named).is_some_and(|(identity, named)| {
                named.username != identity.user.username && named.username != "system:anonymous"
            });
            Ok((api, resolved, question.filter(|_| !other)))
        };
        graph.probe(
            "access",
            LONG,
            needs,
            move |(api, resolved, question): (Api, Arc<Resolved>, Option<Question>)| async move {
                let mut questions = access::common_questions(&resolved.namespace);
                if let Some(question) = question {
                    questions.retain(|other| *other != question);
                    questions.insert(0, question);
                }
                let access = access::access(&api, &questions, &resolved.namespace).await?;
                Ok((access, Some(())))
            },
        )
    };

    // issuer
    let target = {
        let (config, credential, flag) = (kubeconfig.clone(), credential.clone(), plan.issuer.clone());
        let named = async move {
            if let Some(url) = flag {
                return Ok((url, "flag"));
            }
            let done = credential.await;
            if let Some(token) = done.observation.seen().and_then(|credential| credential.token.as_ref()) {
                let issuer =
                    token.claims.as_ref().and_then(|claims| claims.get("iss")).and_then(|issuer| issuer.as_str());
                return match (token.kind, issuer) {
                    (TokenKind::Jwt, Some(issuer)) => Ok((issuer.to_owned(), "token")),
                    (TokenKind::ServiceAccount, _) => {
                        Err(not_applicable("the token is a service account's: the cluster itself is its issuer"))
                    }
                    _ => Err(not_applicable("the token names no OIDC issuer")),
                };
            }
            let resolved = config.await.give.clone();
            if let Some((url, _)) =
                resolved.as_ref().and_then(|resolved| credential::issuer_from_exec(resolved.user.exec.as_ref()?))
            {
                return Ok((url, "exec-arguments"));
            }
            match &done.observation.outcome {
                Outcome::Seen(_) => Err(not_applicable("the credential is no OIDC token")),
                _ => Err(skip_of(&done.observation, "credential")),
            }
        };
        // Where there is no issuer to look at, being offline keeps nobody from it.
        let needs = async move {
            match named.await {
                Ok(_) if offline => Err(offline_skip()),
                other => other,
            }
        };
        graph.probe("issuer-target", SHORT, needs, |(url, origin): (String, &'static str)| async move {
            let target = issuer::target(&url, origin)?;
            Ok((target.clone(), Some(Arc::new(target))))
        })
    };
    let issuer_probes = IssuerProbes::spawn(&mut graph, &target, &credential, host, plan, scrubber);

    // the control plane's own word
    let reviewer = {
        let (config, own, host, plan, scrubber) =
            (kubeconfig.clone(), api.clone(), host.clone(), plan.clone(), scrubber.clone());
        let needs = async move {
            if offline {
                return Err(offline_skip());
            }
            if plan.review && plan.reviewer_context.is_none() {
                let api = own.clone().await.map_err(recast)?;
                return Ok((None, Some(api), plan, own));
            }
            if plan.reviewer_context.is_none() {
                return Err(Outcome::Skipped(Skip {
                    because: "reviewer".to_owned(),
                    text: "no context with more rights was named".to_owned(),
                    needs: Some(
                        "--reviewer-context with create on tokenreviews, and get on /metrics and /flagz".to_owned(),
                    ),
                }));
            }
            // Without the user's own cluster there is nothing to compare the reviewer's with.
            let resolved: Arc<Resolved> = need(&config).await?;
            Ok((Some(resolved), None, plan, own))
        };
        graph.probe(
            "reviewer",
            LONG,
            needs,
            move |(resolved, own_api, plan, own): (Option<Arc<Resolved>>, Option<Api>, Plan, _)| async move {
                if let Some(api) = own_api {
                    let seen = Reviewer {
                        context: "the current context".to_owned(),
                        proof: "the same connection".to_owned(),
                        username: None,
                    };
                    return Ok((seen, Some(api)));
                }
                let resolved = resolved.ok_or_else(|| Failure::new(FailureKind::Bug, "no cluster"))?;
                reviewer_api(&host, &plan, &resolved, own, &scrubber).await
            },
        )
    };
    let token_review = {
        let (reviewer, credential, scrubber) = (reviewer.clone(), credential.clone(), scrubber.clone());
        let needs = async move {
            let api: Api = need(&reviewer).await?;
            let obtained: Arc<Obtained> = need(&credential).await?;
            let token = obtained.token.clone().ok_or_else(|| not_applicable("the credential is no token"))?;
            Ok((api, token))
        };
        graph.probe("token-review", SHORT, needs, move |(api, token): (Api, Secret)| async move {
            Ok((apiserver::token_review(&api, &token, &scrubber).await?, Some(())))
        })
    };
    // Whoever may read metrics and flags: the reviewer, else the user. The metrics are read after the token was
    // judged, because its failure is what they count.
    let reader: Reader = {
        let (reviewer, who) = (reviewer.clone(), who.clone());
        async move {
            let done = reviewer.clone().await;
            if let Some(api) = done.give.clone() {
                return Ok(api);
            }
            if done.observation.failed().is_some() {
                return Err(skip_of::<_, ()>(&done.observation, "reviewer"));
            }
            let done = who.await;
            if let Some((api, _)) = &done.give {
                return Ok(api.clone());
            }
            // Only the server's own answer says something about the credential: whoever did not reach it knows nothing.
            let text = match done.observation.failed() {
                None => return Err(skip_of::<_, ()>(&done.observation, "identity")),
                Some(failure) if failure.kind == FailureKind::Unauthorized => {
                    "the API server does not accept this credential, and no other was named".to_owned()
                }
                Some(failure) => {
                    format!(
                        "the API server did not say who this credential is, and no other was named: {}",
                        failure.detail
                    )
                }
            };
            Err(Outcome::Skipped(Skip {
                because: "identity".to_owned(),
                text,
                needs: Some(
                    "--reviewer-context with get on /metrics and /flagz (ClusterRole system:monitoring)".to_owned(),
                ),
            }))
        }
        .boxed()
        .shared()
    };
    let metrics = {
        let (reader, review, who, credential) = (reader.clone(), token_review.clone(), who.clone(), credential.clone());
        let needs = async move {
            let api = reader.await.map_err(recast)?;
            let _ = futures::join!(review, who);
            let done = credential.await;
            let issuer = done.observation.seen().and_then(|credential| {
                credential.token.as_ref()?.claims.as_ref()?.get("iss")?.as_str().map(str::to_owned)
            });
            Ok((api, issuer))
        };
        graph.probe("metrics", LONG, needs, |(api, issuer): (Api, Option<String>)| async move {
            Ok((apiserver::metrics(&api, issuer.as_deref()).await?, Some(())))
        })
    };
    let flagz = {
        let (reader, scrubber) = (reader.clone(), scrubber.clone());
        let needs = async move { reader.await.map_err(recast) };
        graph.probe("flagz", SHORT, needs, move |api: Api| async move {
            Ok((apiserver::flagz(&api, &scrubber).await?, Some(())))
        })
    };
    let server_pods = {
        let (reader, scrubber) = (reader.clone(), scrubber.clone());
        let needs = async move { reader.await.map_err(recast).map_err(own_pods) };
        graph.probe("server-pods", SHORT, needs, move |api: Api| async move {
            let pods = apiserver::server_pods(&api, &scrubber).await?;
            let first = pods.as_ref().and_then(|pods| pods.pods.first().cloned());
            Ok((pods, Some((api, first))))
        })
    };
    let pod_log = {
        let (pods, window, scrubber) = (server_pods.clone(), plan.logs, scrubber.clone());
        let needs = async move {
            let Some(window) = window else { return Err(not_applicable("--logs off was given")) };
            match need::<_, (Api, Option<String>), _>(&pods).await? {
                (api, Some(first)) => Ok((api, first, window)),
                _ => Err(not_applicable(NO_PODS)),
            }
        };
        graph.probe("pod-log", LONG, needs, move |(api, first, window): (Api, String, Duration)| async move {
            Ok((apiserver::pod_log(&api, &first, window, &scrubber).await?, Some(())))
        })
    };
    let published = {
        let (reader, scrubber) = (reader.clone(), scrubber.clone());
        let needs = async move { reader.await.map_err(recast).map_err(own_pods) };
        graph.probe("published", SHORT, needs, move |api: Api| async move {
            Ok((apiserver::published(&api, &scrubber).await?, Some(())))
        })
    };
    let apis = {
        let (reader, misses) = (reader.clone(), plan.misses_api);
        let needs = async move {
            if !misses {
                return Err(not_applicable("no message was given that misses an API"));
            }
            reader.await.map_err(recast)
        };
        graph.probe("apis", LONG, needs, move |api: Api| async move { Ok((discovery::apis(&api).await?, Some(()))) })
    };
    let configuration = {
        let given = plan.configuration.clone();
        let needs = async move { given.ok_or_else(|| not_applicable("no --apiserver-config was given")) };
        graph.probe(
            "configuration",
            SHORT,
            needs,
            |flags: Result<Flags, Failure>| async move { Ok((flags?, Some(()))) },
        )
    };
    let log = {
        let (path, scrubber) = (plan.log.clone(), scrubber.clone());
        let needs = async move { path.ok_or_else(|| not_applicable("no --log was given")) };
        graph.probe("log", Duration::from_secs(600), needs, move |path: String| async move {
            let log = blocking(move || {
                if path == "-" {
                    log::read("-", std::io::stdin().lock(), &scrubber)
                } else {
                    let file = std::fs::File::open(&path)
                        .map_err(|error| Failure::new(FailureKind::Unreadable, format!("{path}: {error}")))?;
                    log::read(&path, file, &scrubber)
                }
            })
            .await??;
            Ok((log, Some(())))
        })
    };
    let rbac = {
        let (who, reviewer) = (who.clone(), reviewer.clone());
        let needs = async move {
            let (own, user) = need(&who).await?;
            let reviewing = reviewer.await.give.clone();
            Ok(match reviewing {
                Some(api) => (api, user, "reviewer"),
                None => (own, user, "self"),
            })
        };
        let named = plan.named.clone();
        graph.probe("rbac", LONG, needs, |(api, user, read_as)| async move {
            let named = named.filter(|named| named.username != user.username);
            Ok((rbac::rbac(&api, &user, named.as_ref(), read_as).await?, Some(())))
        })
    };

    let agents = {
        let (reader, scrubber) = (reader.clone(), scrubber.clone());
        let before = (metrics.clone(), server_pods.clone(), published.clone(), rbac.clone());
        // Not beside them: what several answers hold in memory at once is bounded, whatever answers.
        let needs = async move {
            let api = reader.await.map_err(recast)?;
            let _ = futures::join!(before.0, before.1, before.2, before.3);
            Ok(api)
        };
        graph.probe("agents", LONG, needs, move |api: Api| async move {
            Ok((workload_looks::daemon_sets(&api, &scrubber).await?, Some(())))
        })
    };

    let aws_needs = aws::Needs {
        kubeconfig: &kubeconfig,
        reader: &reader,
        issuer: &target,
        issuer_dns: &issuer_probes.dns,
        route: &route,
        endpoint_dns: &endpoint_dns,
        discovery: &issuer_probes.discovery,
    };
    let aws_probes = aws::AwsProbes::spawn(&mut graph, &aws_needs, host, plan, scrubber);

    finish(&mut graph).await;

    let client_id = plan.client_id.clone().or_else(|| {
        let resolved = kubeconfig.clone().now_or_never()?.give.clone()?;
        credential::issuer_from_exec(resolved.user.exec.as_ref()?)?.1
    });
    Evidence {
        schema: SCHEMA.to_owned(),
        provenance: "observed".to_owned(),
        kaccess: env!("CARGO_PKG_VERSION").to_owned(),
        observed_at: host.started_at,
        asked: Asked {
            error: plan.error.clone(),
            question: plan.question.clone(),
            reviewer_context: plan.reviewer_context.clone(),
            client_id,
        },
        kubeconfig: taken(kubeconfig).await,
        plugin: taken(plugin).await,
        credential: taken(credential).await,
        endpoint: Endpoint {
            route: taken(route).await,
            dns: taken(endpoint_dns).await,
            tcp: taken(endpoint_tcp).await,
            tls: taken(endpoint_tls).await,
            anonymous: taken(anonymous).await,
            authenticated: taken(authenticated).await,
            repeated: taken(repeated).await,
            plain: taken(plain).await,
            names: taken(names).await,
            direct_dns: taken(direct_dns).await,
            direct_tcp: taken(direct_tcp).await,
            direct_tls: taken(direct_tls).await,
        },
        identity: taken(who).await,
        access: taken(access).await,
        issuer: issuer_probes.collect(target).await,
        configured_issuer: None,
        control_plane: ControlPlane {
            reviewer: taken(reviewer).await,
            token_review: taken(token_review).await,
            metrics: taken(metrics).await,
            flagz: taken(flagz).await,
            configuration: taken(configuration).await,
            pods: present(taken(server_pods).await, NO_PODS),
            published: taken(published).await,
            log: taken(log).await,
            pod_log: taken(pod_log).await,
        },
        rbac: taken(rbac).await,
        aws: aws_probes.collect().await,
        agents: taken(agents).await,
        apis: taken(apis).await,
        workload: None,
        took_ms: host.elapsed_ms(),
    }
}

/// Probes one more issuer: the one the API server is configured for, where it is not the token's.
pub async fn gather_issuer(host: &Host, plan: &Plan, url: &str, scrubber: &Scrubber) -> Issuer {
    let mut graph = Graph::new(host, plan.timeout + host.started.elapsed()).watched(plan.watcher.clone());
    let target = {
        let url = url.to_owned();
        graph.probe("configured-issuer-target", SHORT, async move { Ok(url) }, |url: String| async move {
            let target = issuer::target(&url, "configuration")?;
            Ok((target.clone(), Some(Arc::new(target))))
        })
    };
    // No token is checked against keys of an issuer it does not name.
    let credential = graph.probe(
        "credential",
        SHORT,
        async { Err(not_applicable("the token names another issuer")) },
        |(): ()| async { Err(Failure::new(FailureKind::Bug, "not reached")) },
    );
    let probes = IssuerProbes::spawn(&mut graph, &target, &credential, host, plan, scrubber);
    finish(&mut graph).await;
    probes.collect(target).await
}

impl<T> From<Skip> for Outcome<T> {
    fn from(skip: Skip) -> Self {
        Outcome::Skipped(skip)
    }
}

/// The same outcome without a value, for a probe of another type.
fn recast<T>(outcome: Outcome<()>) -> Outcome<T> {
    match outcome {
        Outcome::Seen(()) => Outcome::NotApplicable("there is nothing to look at".to_owned()),
        Outcome::Failed(failure) => Outcome::Failed(failure),
        Outcome::Skipped(skip) => Outcome::Skipped(skip),
        Outcome::NotApplicable(reason) => Outcome::NotApplicable(reason),
    }
}

const NO_PODS: &str = "no kube-apiserver runs as a Pod in kube-system: the control plane is managed";

/// Why nobody can read kube-system, with the right that would allow it.
fn own_pods<T>(outcome: Outcome<T>) -> Outcome<T> {
    match outcome {
        Outcome::Skipped(skip) if skip.because == "identity" => Outcome::Skipped(Skip {
            needs: Some(
                "--reviewer-context with list on Pods, get on pods/log and ConfigMaps in kube-system".to_owned(),
            ),
            ..skip
        }),
        other => other,
    }
}

/// What was looked for and is not there is not applicable.
fn present<T>(observation: Observation<Option<T>>, absent: &str) -> Observation<T> {
    let outcome = match observation.outcome {
        Outcome::Seen(Some(value)) => Outcome::Seen(value),
        Outcome::Seen(None) => Outcome::NotApplicable(absent.to_owned()),
        Outcome::Failed(failure) => Outcome::Failed(failure),
        Outcome::Skipped(skip) => Outcome::Skipped(skip),
        Outcome::NotApplicable(reason) => Outcome::NotApplicable(reason),
    };
    Observation { started_ms: observation.started_ms, took_ms: observation.took_ms, outcome }
}

/// Runs blocking work off the reactor.
async fn blocking<R: Send + 'static>(work: impl FnOnce() -> R + Send + 'static) -> Result<R, Failure> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| Failure::new(FailureKind::Bug, "a bug in kaccess: a reader broke off; please report it"))
}

async fn taken<T: Clone, X>(handle: Handle<T, X>) -> Observation<T> {
    handle.await.observation.clone()
}

/// The route to a server as evidence, and what the next probes need.
fn way(url: &url::Url, decision: Decision, tls: TlsSettings) -> (Route, Way) {
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
    (evidence, Way { url: url.clone(), decision: Arc::new(decision), tls })
}

/// Waits for the way to the API server to have failed somewhere; where a trusted server answered as an API server does,
/// there is nothing to find out and `reason` says so.
fn unreached<T, X, Y>(
    tls: &Handle<crate::evidence::tls::TlsReport, X>,
    anonymous: &Handle<crate::evidence::apiserver::HttpAnswer, Y>,
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
        let answered =
            anonymous.observation.seen().is_some_and(crate::evidence::apiserver::HttpAnswer::is_of_kubernetes);
        if answered && !distrusted { Err(not_applicable(reason)) } else { Ok(()) }
    }
}

type Dns = Handle<crate::evidence::dns::Resolution, Arc<Vec<SocketAddr>>>;
type Tcp = Handle<crate::evidence::dns::Connections, Arc<Vec<SocketAddr>>>;

/// Name and TCP of a server, or of the proxy in front of it.
fn reach(
    graph: &mut Graph,
    dns_id: &'static str,
    tcp_id: &'static str,
    route: &Handle<Route, Way>,
    host: &Host,
    public_resolver: Option<std::net::IpAddr>,
) -> (Dns, Tcp) {
    let dns = {
        let (route, host) = (route.clone(), host.clone());
        let needs = async move { need::<_, Way, _>(&route).await };
        graph.probe(dns_id, dns::SYSTEM_LIMIT + Duration::from_secs(1), needs, move |way: Way| async move {
            let (name, port) = way.first_hop();
            let (resolution, addresses) = dns::resolve(&name, port, public_resolver, &host).await;
            if addresses.is_empty() {
                return Err(dns::unresolved(&resolution));
            }
            Ok((resolution, Some(Arc::new(addresses))))
        })
    };
    let tcp = {
        let dns = dns.clone();
        graph.probe(
            tcp_id,
            SHORT + Duration::from_secs(1),
            async move { need::<_, Arc<Vec<SocketAddr>>, _>(&dns).await },
            |addresses: Arc<Vec<SocketAddr>>| async move {
                let connections = dns::connect_all(&addresses, Duration::from_secs(5)).await;
                let connected = connections.attempts.iter().any(|attempt| attempt.connected());
                Ok((connections, connected.then_some(addresses)))
            },
        )
    };
    (dns, tcp)
}

/// The handles on the probes of one issuer.
struct IssuerProbes {
    dns: Dns,
    tcp: Tcp,
    tls: Handle<crate::evidence::tls::TlsReport, Arc<()>>,
    discovery: Handle<crate::evidence::issuer::Discovery, Option<String>>,
    discovery_as_control_plane: Handle<crate::evidence::issuer::Discovery, Option<String>>,
    jwks: Handle<crate::evidence::issuer::Jwks, Arc<crate::evidence::issuer::Jwks>>,
    jwks_as_control_plane: Handle<crate::evidence::issuer::Jwks, Arc<crate::evidence::issuer::Jwks>>,
    signature: Handle<crate::evidence::issuer::SignatureCheck>,
}

impl IssuerProbes {
    fn spawn(
        graph: &mut Graph,
        target: &Handle<crate::evidence::issuer::Target, Arc<crate::evidence::issuer::Target>>,
        credential: &Handle<crate::evidence::credential::Credential, Arc<Obtained>>,
        host: &Host,
        plan: &Plan,
        scrubber: &Scrubber,
    ) -> Self {
        let roots = match &plan.oidc_ca {
            Some(pem) => Roots::Pem { pem: pem.clone(), label: "oidc-ca-file" },
            None => Roots::System,
        };
        let tls_settings = TlsSettings { roots, client_identity: None, server_name: None, insecure: false };
        let route = {
            let (target, host, tls) = (target.clone(), host.clone(), tls_settings.clone());
            graph.probe(
                "issuer-route",
                SHORT,
                async move { need::<_, Arc<crate::evidence::issuer::Target>, _>(&target).await },
                move |target: Arc<crate::evidence::issuer::Target>| async move {
                    let url = url::Url::parse(&target.url)
                        .map_err(|error| Failure::new(FailureKind::Malformed, error.to_string()))?;
                    let decision = proxy::choose(&host, &url, None)?;
                    let (evidence, way) = way(&url, decision, tls);
                    Ok((evidence, Some(way)))
                },
            )
        };
        let (dns, tcp) = reach(graph, "issuer-dns", "issuer-tcp", &route, host, plan.public_resolver);
        let tls = {
            let (route, tcp, host) = (route.clone(), tcp.clone(), host.clone());
            let needs = async move {
                let way: Way = need(&route).await?;
                connected(&tcp).await?;
                if way.url.scheme() != "https" {
                    return Err(not_applicable("the issuer's URL is plain http"));
                }
                Ok(way)
            };
            graph.probe("issuer-tls", SHORT, needs, move |way: Way| async move {
                let report = way.wire(&host, None)?.handshake().await?;
                Ok((report, Some(Arc::new(()))))
            })
        };
        let mut discover = |id: &'static str, agent: &'static str| {
            let (target, tcp, host, scrubber, tls) =
                (target.clone(), tcp.clone(), host.clone(), scrubber.clone(), tls_settings.clone());
            let needs = async move {
                let target: Arc<crate::evidence::issuer::Target> = need(&target).await?;
                connected(&tcp).await?;
                Ok(target)
            };
            graph.probe(id, LONG, needs, move |target: Arc<crate::evidence::issuer::Target>| async move {
                let discovery = issuer::discovery(&target.url, agent, &tls, &host, &scrubber).await?;
                let uri = discovery.jwks_uri.clone();
                Ok((discovery, Some(uri)))
            })
        };
        let discovery = discover("issuer-discovery", OWN_AGENT);
        let discovery_as_control_plane = discover("issuer-discovery-as-control-plane", CONTROL_PLANE_AGENT);
        let mut keys = |id: &'static str, agent: &'static str| {
            let (target, own, disguised, host, scrubber, tls) = (
                target.clone(),
                discovery.clone(),
                discovery_as_control_plane.clone(),
                host.clone(),
                scrubber.clone(),
                tls_settings.clone(),
            );
            let needs = async move {
                let target: Arc<crate::evidence::issuer::Target> = need(&target).await?;
                let own = own.await;
                // Either way of asking may have told where the keys are.
                let uri = match own.give.clone().flatten() {
                    Some(uri) => Some(uri),
                    None => disguised.await.give.clone().flatten(),
                };
                match uri {
                    Some(uri) => Ok((target, uri)),
                    None if own.give.is_none() => Err(skip_of(&own.observation, own.id)),
                    None => Err(Outcome::Skipped(Skip {
                        because: own.id.to_owned(),
                        text: "there is no discovery document that names the key set".to_owned(),
                        needs: None,
                    })),
                }
            };
            graph.probe(
                id,
                LONG,
                needs,
                move |(target, uri): (Arc<crate::evidence::issuer::Target>, String)| async move {
                    let jwks = issuer::jwks(&target.url, &uri, agent, &tls, &host, &scrubber).await?;
                    // The whole set is for the signature; what is kept is its public part.
                    Ok((issuer::public_part(jwks.clone()), Some(Arc::new(jwks))))
                },
            )
        };
        let jwks = keys("issuer-jwks", OWN_AGENT);
        let jwks_as_control_plane = keys("issuer-jwks-as-control-plane", CONTROL_PLANE_AGENT);
        let signature = {
            let (credential, own, disguised) = (credential.clone(), jwks.clone(), jwks_as_control_plane.clone());
            let needs = async move {
                let obtained: Arc<Obtained> = need(&credential).await?;
                let token = obtained.token.clone().ok_or_else(|| not_applicable("the credential is no token"))?;
                let own = own.await;
                let set = match own.give.clone().filter(|jwks| jwks.document.is_some()) {
                    Some(set) => Some(set),
                    None => disguised.await.give.clone().filter(|jwks| jwks.document.is_some()),
                };
                match set {
                    Some(set) => Ok((token, set)),
                    None if own.give.is_none() => Err(skip_of(&own.observation, own.id)),
                    None => Err(Outcome::Skipped(Skip {
                        because: own.id.to_owned(),
                        text: "the key set could not be read".to_owned(),
                        needs: None,
                    })),
                }
            };
            graph.probe(
                "token-signature",
                SHORT,
                needs,
                |(token, set): (Secret, Arc<crate::evidence::issuer::Jwks>)| async move {
                    Ok((issuer::check_signature(&token, &set)?, Some(())))
                },
            )
        };
        Self { dns, tcp, tls, discovery, discovery_as_control_plane, jwks, jwks_as_control_plane, signature }
    }

    async fn collect(
        self,
        target: Handle<crate::evidence::issuer::Target, Arc<crate::evidence::issuer::Target>>,
    ) -> Issuer {
        Issuer {
            target: taken(target).await,
            dns: taken(self.dns).await,
            tcp: taken(self.tcp).await,
            tls: taken(self.tls).await,
            discovery: taken(self.discovery).await,
            discovery_as_control_plane: taken(self.discovery_as_control_plane).await,
            jwks: taken(self.jwks).await,
            jwks_as_control_plane: taken(self.jwks_as_control_plane).await,
            signature: taken(self.signature).await,
        }
    }
}

/// A TCP connection stood; without one the reason is the attempts' own.
async fn connected<T>(tcp: &Tcp) -> Result<(), Outcome<T>> {
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

/// The reviewer's API, after it is proven to be the same cluster.
async fn reviewer_api(
    host: &Host,
    plan: &Plan,
    own: &Resolved,
    own_api: impl Future<Output = Result<Api, Outcome<()>>>,
    scrubber: &Scrubber,
) -> Result<(Reviewer, Option<Api>), Failure> {
    let context = plan.reviewer_context.clone().unwrap_or_default();
    let flags = ConnectionFlags {
        kubeconfig: plan.flags.kubeconfig.clone(),
        context: Some(context.clone()),
        ..ConnectionFlags::default()
    };
    let (_, resolved) = {
        let (host, flags, scrubber) = (host.clone(), flags, scrubber.clone());
        blocking(move || kubeconfig::load(&host, &flags, &scrubber)).await?
    };
    let resolved = resolved
        .map_err(|failure| Failure::new(failure.kind, format!("the reviewer's context: {}", failure.detail)))?;
    let output = match &resolved.user.exec {
        Some(exec) => credential::run_plugin(exec, &resolved, host, &plan.exec, scrubber).await.1,
        None => None,
    };
    let (obtained, _) = credential::obtain(&resolved, output.as_ref(), scrubber).await?;
    for secret in obtained.token.iter().chain(obtained.client_identity.as_ref().map(|identity| &identity.key_pem)) {
        scrubber.learn_secret(secret);
    }
    let decision = proxy::choose(host, &resolved.server, resolved.proxy_url.as_deref())?;
    let tls = TlsSettings {
        roots: resolved.roots.clone(),
        client_identity: None,
        server_name: resolved.tls_server_name.clone(),
        insecure: resolved.insecure,
    };
    let (_, way) = way(&resolved.server, decision, tls);
    let wire = way.wire(host, obtained.client_identity.clone())?;
    let api = Api::with_credential(wire, &obtained, Some(&resolved.impersonation), scrubber)?;
    let same_address = resolved.server.host_str() == own.server.host_str()
        && resolved.server.port_or_known_default() == own.server.port_or_known_default();
    let proof = if same_address && !own.insecure && same_roots(&resolved.roots, &own.roots) {
        "the same endpoint, trusted by the same CA".to_owned()
    } else {
        // Another address: only the UID of kube-system, read on both sides, proves that it is one cluster.
        let own_api = own_api.await.map_err(|_| refused(&context))?;
        let (left, right) = tokio::join!(kube_system_uid(&api), kube_system_uid(&own_api));
        match (left, right) {
            (Ok(left), Ok(right)) if left == right => format!("kube-system has the same UID {left}"),
            (Ok(left), Ok(right)) => {
                return Err(Failure::new(
                    FailureKind::Declined,
                    format!("the context {context:?} is another cluster; the token is not shown to it"),
                )
                .sides(format!("kube-system {right}"), format!("kube-system {left}")));
            }
            _ => return Err(refused(&context)),
        }
    };
    let username = identity::identity(&api).await.ok().map(|identity| identity.user.username);
    Ok((Reviewer { context, proof, username }, Some(api)))
}

fn refused(context: &str) -> Failure {
    Failure::new(
        FailureKind::Declined,
        format!("the context {context:?} has another endpoint or CA and could not be proven to be the same cluster; the token is not shown to it"),
    )
    .needs("a reviewer context with the same server and CA, or get on the namespace kube-system for both")
}

fn same_roots(left: &Roots, right: &Roots) -> bool {
    match (left, right) {
        (Roots::Pem { pem: left, .. }, Roots::Pem { pem: right, .. }) => {
            let prints = |pem: &str| {
                certificate::facts_from_pem(pem)
                    .0
                    .into_iter()
                    .map(|facts| facts.sha256)
                    .collect::<std::collections::BTreeSet<_>>()
            };
            let (left, right) = (prints(left), prints(right));
            !left.is_empty() && left == right
        }
        (Roots::System, Roots::System) => true,
        _ => false,
    }
}

async fn kube_system_uid(api: &Api) -> Result<String, Failure> {
    let answer = api.get("/api/v1/namespaces/kube-system", Limits::default()).await?;
    let namespace: serde_json::Value = api.decode(&answer)?;
    namespace
        .pointer("/metadata/uid")
        .and_then(serde_json::Value::as_str)
        .map(str::to_owned)
        .ok_or_else(|| Failure::new(FailureKind::Protocol, "the namespace has no UID"))
}
