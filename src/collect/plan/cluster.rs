//! Single probes of what the cluster says: who this is and what they may do, the RBAC objects, and what runs there.

use std::sync::Arc;

use super::Plan;
use super::control_plane::{ControlPlaneProbes, Reader};
use super::graph::{Common, Graph, Handle, LONG, SHORT, common, need, not_applicable, skip_of};
use crate::apiserver::message;
use crate::collect;
use crate::collect::apiserver::Api;
use crate::collect::credential::Obtained;
use crate::collect::kubeconfig::Resolved;
use crate::evidence::access::{Access, Existence, Question};
use crate::evidence::apiserver::Apis;
use crate::evidence::credential::Credential;
use crate::evidence::identity::{Identity, User};
use crate::evidence::kubeconfig::Kubeconfig;
use crate::evidence::rbac::Rbac;
use crate::evidence::workload::Agent;
use crate::evidence::{Failure, FailureKind, Outcome};
use crate::secret::Scrubber;

/// A handle on who the API server says this is.
pub(super) type Who = Handle<Identity, (Api, User)>;

/// Who the API server says this is.
pub(super) fn identity(graph: &mut Graph, api: &Common<Api>) -> Who {
    graph.probe("identity", SHORT, common(api.clone()), move |api: Api| async move {
        let identity = collect::identity::identity(&api).await?;
        Ok((identity.clone(), Some((api, identity.user))))
    })
}

/// What that identity may do, the message's question first.
pub(super) fn access(
    graph: &mut Graph,
    kubeconfig: &Handle<Kubeconfig, Arc<Resolved>>,
    api: &Common<Api>,
    who: &Who,
    plan: &Plan,
) -> Handle<Access> {
    let (who, api, config) = (who.clone(), api.clone(), kubeconfig.clone());
    // Of several refusals in one message each may be mended by now, or not.
    let met = plan.message.clone();
    let needs = async move {
        let api = common(api).await?;
        let resolved: Arc<Resolved> = need(&config).await?;
        let who = who.await;
        // A server too old for SelfSubjectReview, or one that denies it, still answers access reviews.
        match &who.observation.outcome {
            Outcome::Seen(_) => {}
            Outcome::Failed(failure) if matches!(failure.kind, FailureKind::Unsupported | FailureKind::Forbidden) => {}
            _ => return Err(skip_of(&who.observation, "identity")),
        }
        // What somebody else may do, a review of oneself does not say.
        let own = met.filter(|met| !who.observation.seen().is_some_and(|identity| met.is_of_another(&identity.user)));
        let asked: Vec<Question> =
            own.map(|met| met.question.into_iter().chain(met.others).collect()).unwrap_or_default();
        Ok((api, resolved, asked))
    };
    graph.probe("access", LONG, needs, move |(api, resolved, asked): (Api, Arc<Resolved>, Vec<Question>)| async move {
        let mut common = collect::access::common_questions(&resolved.namespace);
        common.retain(|question| !asked.contains(question));
        let questions: Vec<Question> = asked.into_iter().chain(common).collect();
        let access = collect::access::access(&api, &questions, &resolved.namespace).await?;
        Ok((access, Some(())))
    })
}

/// The RBAC objects that touch that identity, and whom the message names. Somebody who may not even ask who they are is
/// who the TokenReview or the client certificate says, for the reviewer to read of.
pub(super) fn rbac(
    graph: &mut Graph,
    who: &Who,
    credential: &Handle<Credential, Arc<Obtained>>,
    control_plane: &ControlPlaneProbes,
    plan: &Plan,
) -> Handle<Rbac> {
    let (who, credential) = (who.clone(), credential.clone());
    let (reviewer, review) = (control_plane.reviewer.clone(), control_plane.token_review.clone());
    let needs = async move {
        let known = need(&who).await;
        let reviewing = reviewer.await.give.clone();
        let credential = credential.await;
        let (api, user, read_as) = match (known, reviewing) {
            (Ok((_, user)), Some(api)) => (api, user, "reviewer"),
            (Ok((own, user)), None) => (own, user, "self"),
            (Err(outcome), None) => return Err(outcome),
            (Err(outcome), Some(api)) => {
                let who = who.await;
                let Some(failure) = who.observation.failed() else { return Err(outcome) };
                let reviewed = review.await;
                let reviewed = reviewed.observation.seen().filter(|review| review.authenticated);
                let user = match reviewed.and_then(|review| review.user.clone()) {
                    Some(user) => Some(user),
                    None => certified(failure, credential.observation.seen()),
                };
                let Some(user) = user else { return Err(outcome) };
                (api, user, "reviewer")
            }
        };
        Ok((api, user, read_as, claimed_groups(credential.observation.seen())))
    };
    let named = plan.message.as_ref().and_then(|met| met.user.clone());
    graph.probe("rbac", LONG, needs, |(api, user, read_as, claimed)| async move {
        let named = named.filter(|named| named.username != user.username);
        Ok((collect::rbac::rbac(&api, &user, named.as_ref(), &claimed, read_as).await?, Some(())))
    })
}

/// The groups that a token claims. An API server that is told no claim for groups reads none of them, and a binding may name
/// one all the same.
fn claimed_groups(credential: Option<&Credential>) -> Vec<String> {
    let claims = credential.and_then(|credential| credential.token.as_ref()?.claims.as_ref());
    let groups = claims.and_then(|claims| claims.get("groups")?.as_array());
    let names = groups.into_iter().flatten().filter_map(|group| group.as_str());
    names.filter(|name| !name.starts_with("system:")).map(str::to_owned).collect()
}

/// The user of a client certificate, where the refusal of a request names it.
fn certified(failure: &Failure, credential: Option<&Credential>) -> Option<User> {
    let named = message::forbidden(&failure.detail)?.user;
    let leaf = credential.filter(|credential| credential.token.is_none())?.certificates.first()?;
    if leaf.common_names.last() != Some(&named) {
        return None;
    }
    let mut groups = leaf.organizations.clone();
    groups.push("system:authenticated".to_owned());
    Some(User { username: named, groups, ..User::default() })
}

/// What hands out AWS credentials in the cluster.
pub(super) fn agents(
    graph: &mut Graph,
    control_plane: &ControlPlaneProbes,
    rbac: &Handle<Rbac>,
    scrubber: &Scrubber,
) -> Handle<Vec<Agent>> {
    let ControlPlaneProbes { reader, metrics, server_pods, published, .. } = control_plane;
    let (reader, scrubber) = (reader.clone(), scrubber.clone());
    let before = (metrics.clone(), server_pods.clone(), published.clone(), rbac.clone());
    // Not beside them: what several answers hold in memory at once is bounded, whatever answers.
    let needs = async move {
        let api = common(reader).await?;
        let _ = futures::join!(before.0, before.1, before.2, before.3);
        Ok(api)
    };
    graph.probe("agents", LONG, needs, move |api: Api| async move {
        Ok((collect::workload::daemon_sets(&api, &scrubber).await?, Some(())))
    })
}

/// Which aggregated APIs have no answer, where the message misses one.
pub(super) fn apis(graph: &mut Graph, reader: &Reader, plan: &Plan) -> Handle<Apis> {
    let (reader, misses) = (reader.clone(), plan.message.as_ref().is_some_and(|met| met.misses_api));
    let needs = async move {
        if !misses {
            return Err(not_applicable("no message was given that misses an API"));
        }
        common(reader).await
    };
    graph.probe(
        "apis",
        LONG,
        needs,
        move |api: Api| async move { Ok((collect::api_types::apis(&api).await?, Some(()))) },
    )
}

/// The namespaces that the API server makes by itself.
const ALWAYS: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];

/// Whether the namespace of the message is there, where somebody reviews: who has no rights in it is refused the same, and
/// whoever follows the refusal grants something in a namespace that is not there.
pub(super) fn asked_namespace(graph: &mut Graph, control_plane: &ControlPlaneProbes, plan: &Plan) -> Handle<Existence> {
    let reviewer = control_plane.reviewer.clone();
    let named = plan.review || plan.reviewer_context.is_some();
    let question = plan.message.as_ref().and_then(|met| met.question.as_ref()).filter(|_| named);
    let namespace = question.map(|question| question.namespace.clone());
    let namespace = namespace.filter(|name| !name.is_empty() && !ALWAYS.contains(&name.as_str()));
    let needs = async move {
        let Some(namespace) = namespace else {
            return Err(not_applicable("no message about a namespace was given, or nobody to review it"));
        };
        let api: Api = need(&reviewer).await?;
        Ok((api, namespace))
    };
    graph.probe("asked-namespace", SHORT, needs, |(api, namespace): (Api, String)| async move {
        Ok((collect::access::namespace_exists(&api, &namespace).await?, Some(())))
    })
}
