//! Whom AWS is asked as, and about which cluster: target → credentials → caller → principal.

use std::sync::Arc;

use futures::FutureExt as _;

use super::super::Plan;
use super::super::graph::{Common, Graph, Handle, SHORT, need, not_applicable, skip_of};
use crate::aws::identity::{Arn, canonical, without_path};
use crate::collect::aws::clients::Clients;
use crate::collect::aws::target::{self, AwsOptions};
use crate::collect::aws::{eks, identity};
use crate::collect::kubeconfig::Resolved;
use crate::evidence::eks::{Caller, Principal, Target};
use crate::evidence::kubeconfig::Kubeconfig;
use crate::evidence::{Failure, FailureKind, Outcome, Skip};
use crate::host::Host;
use crate::secret::Scrubber;

/// Which cluster, and the kubeconfig's own view of it.
#[derive(Clone)]
pub(super) struct Meant {
    target: Target,
    profile_first: bool,
    server_host: Option<String>,
}

impl Meant {
    /// The role that the plugin assumes, where the caller is somebody else.
    pub(super) fn assumed(&self, caller: &Caller) -> Option<String> {
        let role = self.target.role_arn.as_deref()?;
        let parsed = Arn::parse(role).filter(|arn| arn.service == "iam" && arn.kind() == "role")?;
        let own = canonical(&caller.arn).is_some_and(|own| own.eq_ignore_ascii_case(&without_path(role)));
        (!own && !parsed.account.is_empty()).then(|| role.to_owned())
    }
}

/// A handle on a client of AWS for what is meant.
pub(super) type Credentials = Handle<(), (Arc<Clients>, Meant)>;

/// A client of AWS, the caller, and the role that the plugin assumes.
type Signing = (Arc<Clients>, Arc<Caller>, Option<String>);

/// A client of AWS, the cluster's name.
pub(super) type Session = Common<(Arc<Clients>, String)>;

/// The handles on who asks, and about what.
pub(super) struct IdentityProbes {
    pub(super) target: Handle<Target, Meant>,
    pub(super) credentials: Credentials,
    pub(super) caller: Handle<Caller, Arc<Caller>>,
    pub(super) session: Session,
    pub(super) principal: Handle<Principal>,
}

impl IdentityProbes {
    pub(super) fn spawn(
        graph: &mut Graph,
        kubeconfig: &Handle<Kubeconfig, Arc<Resolved>>,
        host: &Host,
        plan: &Plan,
        scrubber: &Scrubber,
    ) -> Self {
        let target = meant(graph, kubeconfig, host, plan);
        let credentials = credentials(graph, &target, host, scrubber);
        let caller = caller(graph, &credentials);
        let session = session(&credentials);
        let principal = principal(graph, &credentials, &caller);
        Self { target, credentials, caller, session, principal }
    }
}

/// Which cluster is meant; not applicable where it is not EKS.
fn meant(
    graph: &mut Graph,
    kubeconfig: &Handle<Kubeconfig, Arc<Resolved>>,
    host: &Host,
    plan: &Plan,
) -> Handle<Target, Meant> {
    let (config, options, offline, host) = (kubeconfig.clone(), plan.aws.clone(), plan.offline, host.clone());
    let needs = async move {
        let resolved = config.await.give.clone();
        if !target::is_eks(resolved.as_deref(), &options) {
            return Err(not_applicable("the cluster is not EKS"));
        }
        let because = if offline { "--offline" } else { "--no-aws" };
        if offline || options.off {
            return Err(Outcome::Skipped(Skip {
                because: "aws-target".to_owned(),
                text: format!("{because} was given: AWS was not asked"),
                needs: Some(format!("running without {because}")),
            }));
        }
        Ok((resolved, options))
    };
    graph.probe(
        "aws-target",
        SHORT,
        needs,
        move |(resolved, options): (Option<Arc<Resolved>>, AwsOptions)| async move {
            let (target, profile_first) = target::derive(&host, resolved.as_deref(), &options)?;
            let server_host = resolved.as_ref().and_then(|resolved| resolved.server.host_str().map(str::to_owned));
            Ok((target.clone(), Some(Meant { target, profile_first, server_host })))
        },
    )
}

/// A client with the user's own credentials for AWS.
fn credentials(graph: &mut Graph, target: &Handle<Target, Meant>, host: &Host, scrubber: &Scrubber) -> Credentials {
    let (target, host, scrubber) = (target.clone(), host.clone(), scrubber.clone());
    graph.probe(
        "aws-credentials",
        SHORT,
        async move { need::<_, Meant, _>(&target).await },
        move |meant: Meant| async move {
            let clients = Clients::load(&host, &meant.target, meant.profile_first, &scrubber).await?;
            Ok(((), Some((Arc::new(clients), meant))))
        },
    )
}

/// Whose credentials they are.
fn caller(graph: &mut Graph, credentials: &Credentials) -> Handle<Caller, Arc<Caller>> {
    let credentials = credentials.clone();
    let needs = async move {
        let done = credentials.await;
        match (&done.give, &done.observation.outcome) {
            // Missing credentials are this check's own failure; the others are skipped because of it.
            (None, Outcome::Failed(failure)) => Ok(Err(failure.clone())),
            (None, _) => Err(skip_of(&done.observation, done.id)),
            (Some((clients, _)), _) => Ok(Ok(clients.clone())),
        }
    };
    graph.probe("aws-caller", SHORT, needs, |clients: Result<Arc<Clients>, Failure>| async move {
        let caller = identity::caller(&*clients?).await?;
        Ok((caller.clone(), Some(Arc::new(caller))))
    })
}

/// The client and the cluster's name; where nothing names the cluster, it is sought by its endpoint.
fn session(credentials: &Credentials) -> Session {
    let credentials = credentials.clone();
    async move {
        let done = credentials.await;
        let Some((clients, meant)) = done.give.clone() else {
            return Err(skip_of::<(), ()>(&done.observation, "aws-caller"));
        };
        if !meant.target.cluster.is_empty() {
            return Ok((clients, meant.target.cluster));
        }
        let host = meant.server_host.unwrap_or_default();
        let name = eks::name_of_endpoint(&clients, &host).await.map_err(Outcome::Failed)?;
        Ok((clients, name))
    }
    .boxed()
    .shared()
}

/// What IAM knows of the caller, or of the role that the plugin assumes.
fn principal(graph: &mut Graph, credentials: &Credentials, caller: &Handle<Caller, Arc<Caller>>) -> Handle<Principal> {
    let (credentials, caller) = (credentials.clone(), caller.clone());
    let needs = async move {
        let caller: Arc<Caller> = need(&caller).await?;
        let (clients, meant) = need::<_, (Arc<Clients>, Meant), _>(&credentials).await?;
        let role = meant.assumed(&caller);
        Ok((clients, caller, role))
    };
    graph.probe("aws-principal", SHORT, needs, |(clients, caller, role): Signing| async move {
        // IAM is asked by name, and knows its own account's roles only.
        let account = role.as_deref().and_then(Arn::parse).map(|arn| arn.account);
        if let Some(account) = account.filter(|account| *account != caller.account) {
            let text = format!("the role is of account {account}, and IAM is asked in {}", caller.account);
            return Err(Failure::new(FailureKind::Unsupported, text));
        }
        let principal = identity::principal(&clients, role.as_deref().unwrap_or(&caller.arn)).await?;
        Ok((principal, Some(())))
    })
}
