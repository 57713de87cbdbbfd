//! The part of the graph about the user: kubeconfig → credential plugin → credential.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::FutureExt as _;

use super::Plan;
use super::graph::{Clock, Done, Graph, Handle, SHORT, blocking, need, not_applicable, skip_of};
use crate::collect::credential::{ExecOptions, Obtained, PluginOutput};
use crate::collect::kubeconfig::Resolved;
use crate::collect::{Roots, credential, kubeconfig};
use crate::credential::{certificate, token};
use crate::evidence::credential::{Credential, PluginRun};
use crate::evidence::kubeconfig::Kubeconfig;
use crate::evidence::{Failure, FailureKind, Outcome, Skip};
use crate::host::Host;
use crate::secret::Scrubber;

/// The handles on what the user brings.
pub(super) struct CredentialProbes {
    pub(super) kubeconfig: Handle<Kubeconfig, Arc<Resolved>>,
    pub(super) plugin: Handle<PluginRun, Arc<PluginOutput>>,
    pub(super) credential: Handle<Credential, Arc<Obtained>>,
}

impl CredentialProbes {
    pub(super) fn spawn(graph: &mut Graph, host: &Host, plan: &Plan, scrubber: &Scrubber) -> Self {
        let kubeconfig = {
            let (host, flags, scrubber) = (host.clone(), plan.flags.clone(), scrubber.clone());
            let by_flags: Arc<OnceLock<Arc<Resolved>>> = Arc::default();
            let beside = by_flags.clone();
            let files = graph.probe("kubeconfig", SHORT, async { Ok(()) }, move |()| async move {
                let (mut evidence, resolved) = blocking(move || {
                    let (evidence, resolved) = kubeconfig::load(&host, &flags, &scrubber);
                    // No file is needed for a server that a flag names; a cluster entry that was found is the one meant.
                    if resolved.is_err()
                        && evidence.cluster.is_none()
                        && let Some(resolved) = kubeconfig::by_flags(&host, &flags, &scrubber)
                    {
                        let _ = beside.set(Arc::new(resolved));
                    }
                    (evidence, resolved)
                })
                .await?;
                let resolved = resolved?;
                if let (Roots::Pem { pem, .. }, Some(cluster)) = (&resolved.roots, &mut evidence.cluster) {
                    cluster.authorities = certificate::facts_from_pem(pem).0;
                }
                Ok((evidence, Some(Arc::new(resolved))))
            });
            giving(files, by_flags)
        };
        let plugin = plugin(graph, &kubeconfig, host, plan, scrubber);
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
        Self { kubeconfig, plugin, credential }
    }
}

/// The run of the credential plugin, on its own clock.
fn plugin(
    graph: &mut Graph,
    kubeconfig: &Handle<Kubeconfig, Arc<Resolved>>,
    host: &Host,
    plan: &Plan,
    scrubber: &Scrubber,
) -> Handle<PluginRun, Arc<PluginOutput>> {
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
        Clock::Own(plan.exec.timeout + Duration::from_secs(2)),
        needs,
        move |(resolved, options): (Arc<Resolved>, ExecOptions)| async move {
            let exec = resolved.user.exec.clone().ok_or_else(|| Failure::new(FailureKind::Bug, "no plugin"))?;
            let (run, output) = credential::run_plugin(&exec, &resolved, &host, &options, &scrubber).await;
            let run = run?;
            Ok((run, output.map(Arc::new)))
        },
    )
}

/// The same probe; where it failed, the next ones are given what stands beside it.
fn giving(
    probe: Handle<Kubeconfig, Arc<Resolved>>,
    beside: Arc<OnceLock<Arc<Resolved>>>,
) -> Handle<Kubeconfig, Arc<Resolved>> {
    async move {
        let done = probe.await;
        match beside.get() {
            Some(resolved) if done.give.is_none() => {
                Arc::new(Done { observation: done.observation.clone(), give: Some(resolved.clone()), id: done.id })
            }
            _ => done,
        }
    }
    .boxed()
    .shared()
}
