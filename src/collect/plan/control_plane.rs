//! The part of the graph about the control plane's own word: reviewer → TokenReview, metrics, flags, Pods and logs.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;

use super::Plan;
use super::cluster::Who;
use super::credential::CredentialProbes;
use super::graph::{
    Common, Graph, Handle, LONG, SHORT, blocking, common, need, not_applicable, offline_skip, present, skip_of, taken,
};
use super::way::way;
use crate::collect::apiserver::Api;
use crate::collect::credential::Obtained;
use crate::collect::kubeconfig::{ConnectionFlags, Resolved};
use crate::collect::tls::TlsSettings;
use crate::collect::wire::Limits;
use crate::collect::{Roots, apiserver, credential, identity, kubeconfig, log, proxy};
use crate::credential::certificate;
use crate::evidence::apiserver::{Flags, Log, Metrics, Reviewer, ServerPods, TokenReview};
use crate::evidence::{ControlPlane, Failure, FailureKind, Outcome, Skip};
use crate::host::Host;
use crate::secret::{Scrubber, Secret};

/// Whoever may read more than the user's own rights allow: the reviewer, else the user.
pub(super) type Reader = Common<Api>;

const NO_PODS: &str = "no kube-apiserver runs as a Pod in kube-system: the control plane is managed";

/// The handles on what the control plane says of itself.
pub(super) struct ControlPlaneProbes {
    pub(super) reviewer: Handle<Reviewer, Api>,
    pub(super) token_review: Handle<TokenReview>,
    pub(super) reader: Reader,
    pub(super) metrics: Handle<Metrics>,
    flagz: Handle<Flags>,
    /// With the name of the first Pod.
    pub(super) server_pods: Handle<Option<ServerPods>, (Api, Option<String>)>,
    pod_log: Handle<Log>,
    pub(super) published: Handle<Flags>,
    configuration: Handle<Flags>,
    log: Handle<Log>,
}

impl ControlPlaneProbes {
    pub(super) fn spawn(
        graph: &mut Graph,
        user: &CredentialProbes,
        api: &Common<Api>,
        who: &Who,
        host: &Host,
        plan: &Plan,
        scrubber: &Scrubber,
    ) -> Self {
        let reviewer = reviewer(graph, user, api, host, plan, scrubber);
        let token_review = token_review(graph, user, &reviewer, scrubber);
        let reader = reader(&reviewer, who);
        let metrics = metrics(graph, user, &reader, &token_review, who);
        let flagz = {
            let scrubber = scrubber.clone();
            graph.probe("flagz", SHORT, common(reader.clone()), move |api: Api| async move {
                Ok((apiserver::flagz(&api, &scrubber).await?, Some(())))
            })
        };
        let server_pods = {
            let (reader, scrubber) = (reader.clone(), scrubber.clone());
            let needs = async move { common(reader).await.map_err(own_pods) };
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
            let needs = async move { common(reader).await.map_err(own_pods) };
            graph.probe("published", SHORT, needs, move |api: Api| async move {
                Ok((apiserver::published(&api, &scrubber).await?, Some(())))
            })
        };
        let configuration = {
            let given = plan.configuration.clone();
            let needs = async move { given.ok_or_else(|| not_applicable("no --apiserver-config was given")) };
            graph.probe("configuration", SHORT, needs, |flags: Flags| async move { Ok((flags, Some(()))) })
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
        Self { reviewer, token_review, reader, metrics, flagz, server_pods, pod_log, published, configuration, log }
    }

    pub(super) async fn collect(self) -> ControlPlane {
        ControlPlane {
            reviewer: taken(self.reviewer).await,
            token_review: taken(self.token_review).await,
            metrics: taken(self.metrics).await,
            flagz: taken(self.flagz).await,
            configuration: taken(self.configuration).await,
            pods: present(taken(self.server_pods).await, NO_PODS),
            published: taken(self.published).await,
            log: taken(self.log).await,
            pod_log: taken(self.pod_log).await,
        }
    }
}

/// The API of whoever has more rights: of the context that was named, or the user's own where they want that.
fn reviewer(
    graph: &mut Graph,
    user: &CredentialProbes,
    api: &Common<Api>,
    host: &Host,
    plan: &Plan,
    scrubber: &Scrubber,
) -> Handle<Reviewer, Api> {
    let (config, own, offline) = (user.kubeconfig.clone(), api.clone(), plan.offline);
    let (host, plan, scrubber) = (host.clone(), plan.clone(), scrubber.clone());
    let needs = async move {
        if offline {
            return Err(offline_skip());
        }
        if plan.review && plan.reviewer_context.is_none() {
            let api = common(own.clone()).await?;
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
}

/// What the API server itself says of the token.
fn token_review(
    graph: &mut Graph,
    user: &CredentialProbes,
    reviewer: &Handle<Reviewer, Api>,
    scrubber: &Scrubber,
) -> Handle<TokenReview> {
    let (reviewer, credential, scrubber) = (reviewer.clone(), user.credential.clone(), scrubber.clone());
    let needs = async move {
        let api: Api = need(&reviewer).await?;
        let obtained: Arc<Obtained> = need(&credential).await?;
        let token = obtained.token.clone().ok_or_else(|| not_applicable("the credential is no token"))?;
        Ok((api, token))
    };
    graph.probe("token-review", SHORT, needs, move |(api, token): (Api, Secret)| async move {
        Ok((apiserver::token_review(&api, &token, &scrubber).await?, Some(())))
    })
}

/// Whoever may read metrics and flags: the reviewer, else the user.
fn reader(reviewer: &Handle<Reviewer, Api>, who: &Who) -> Reader {
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
                format!("the API server did not say who this credential is, and no other was named: {}", failure.detail)
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
}

/// The metrics, read after the token was judged, because its failure is what they count.
fn metrics(
    graph: &mut Graph,
    user: &CredentialProbes,
    reader: &Reader,
    review: &Handle<TokenReview>,
    who: &Who,
) -> Handle<Metrics> {
    let (reader, review, who, credential) = (reader.clone(), review.clone(), who.clone(), user.credential.clone());
    let needs = async move {
        let api = common(reader).await?;
        let _ = futures::join!(review, who);
        let done = credential.await;
        let issuer = done
            .observation
            .seen()
            .and_then(|credential| credential.token.as_ref()?.claims.as_ref()?.get("iss")?.as_str().map(str::to_owned));
        Ok((api, issuer))
    };
    graph.probe("metrics", LONG, needs, |(api, issuer): (Api, Option<String>)| async move {
        Ok((apiserver::metrics(&api, issuer.as_deref()).await?, Some(())))
    })
}

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
        request_timeout: plan.flags.request_timeout,
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
    let (_, mut way) = way(&resolved.server, decision, tls);
    way.request_timeout = resolved.request_timeout;
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
