//! The graph of probes: each is spawned at once, awaits exactly what it needs, and then looks.
//!
//! A probe's needs are passed to it as handles, so the graph cannot have a cycle, and [`gather`] reads as its drawing:
//! each part stands in a file of its own, and `graph` runs them all. [`gather`] always returns complete evidence: a
//! failed need, a passed limit, an interrupt and a bug all become outcomes.

#[cfg(feature = "aws")]
mod aws;
mod cluster;
mod control_plane;
mod credential;
mod endpoint;
mod graph;
mod issuer;
mod way;
#[cfg(not(feature = "aws"))]
mod without_aws;
#[cfg(not(feature = "aws"))]
use without_aws as aws;
mod workload;

pub use graph::Watcher;
pub use workload::{WorkloadPlan, gather_workload};

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use futures::FutureExt as _;

use self::control_plane::ControlPlaneProbes;
use self::credential::CredentialProbes;
use self::endpoint::EndpointProbes;
use self::graph::{Graph, SHORT, finish, not_applicable, taken};
use self::issuer::IssuerProbes;
use super::aws::target::AwsOptions;
use super::credential::{ExecOptions, issuer_from_exec};
use super::kubeconfig::ConnectionFlags;
use crate::evidence::access::{Access, Question};
use crate::evidence::apiserver::Flags;
use crate::evidence::identity::{Identity, User};
use crate::evidence::{Asked, Evidence, Failure, FailureKind, Issuer, Observation, SCHEMA};
use crate::host::Host;
use crate::secret::Scrubber;

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
    pub configuration: Option<Flags>,
    /// The keys of service account tokens that those name, as a key set, where their files are on this machine.
    pub account_keys: Option<serde_json::Value>,
    /// The API server's log: a path, or `-`.
    pub log: Option<String>,
    /// The message the user met.
    pub message: Option<Message>,
    /// Open no connection.
    pub offline: bool,
    /// Credential plugin.
    pub exec: ExecOptions,
    /// Limit of the whole run; the plugin's time is not counted.
    pub timeout: Duration,
    /// A resolver to compare with.
    pub public_resolver: Option<IpAddr>,
    /// What AWS is asked.
    pub aws: AwsOptions,
    /// How far back the control plane's own log is read; absent where it is not to be read.
    pub logs: Option<Duration>,
    /// Told when a probe begins to work and when it ends; absent where nobody watches.
    pub watcher: Option<Watcher>,
}

/// The message that the user met (`--error`), and what was understood of it.
#[derive(Clone)]
pub struct Message {
    /// Its text, scrubbed.
    pub text: String,
    /// The access question in it; absent where it is no refusal.
    pub question: Option<Question>,
    /// The other questions that the same user was refused in it.
    pub others: Vec<Question>,
    /// The user in it, with the groups that follow from the name; absent likewise.
    pub user: Option<User>,
    /// It says that the server lacks an API.
    pub misses_api: bool,
}

impl Message {
    /// It is about somebody else than this user. One about nobody is met without a credential, by anybody.
    fn is_of_another(&self, user: &User) -> bool {
        self.user.as_ref().is_some_and(|named| named.username != user.username && !named.is_anonymous())
    }

    /// Of several refusals the first is asked about; where it is mended, the first that is not. What somebody else is still
    /// refused, the answers to this user do not say.
    fn still_refused(&self, access: &Access, identity: Option<&Identity>) -> Option<&Question> {
        if identity.is_some_and(|identity| self.is_of_another(&identity.user)) {
            return None;
        }
        let answer = |question: &Question| {
            access.checks.iter().find(|check| check.question == *question).map(|check| check.allowed)
        };
        if answer(self.question.as_ref()?) != Some(true) {
            return None;
        }
        self.others.iter().find(|other| answer(other) == Some(false))
    }
}

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
            account_keys: None,
            log: None,
            message: None,
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

/// Looks at everything the plan names, all at once where needs allow.
pub async fn gather(host: &Host, plan: &Plan, scrubber: &Scrubber) -> Evidence {
    let mut graph = Graph::new(host, plan.timeout).watched(plan.watcher.clone());

    let user = CredentialProbes::spawn(&mut graph, host, plan, scrubber);
    let endpoint = EndpointProbes::spawn(&mut graph, &user, host, plan, scrubber);
    let who = cluster::identity(&mut graph, &endpoint.api);
    let again = endpoint.again(&mut graph, &who, host, scrubber);
    let access = cluster::access(&mut graph, &user.kubeconfig, &endpoint.api, &who, plan);

    let target = issuer::named(&mut graph, &user, plan);
    let issuer = IssuerProbes::spawn(&mut graph, target, &user.credential, host, plan, scrubber);

    let control_plane = ControlPlaneProbes::spawn(&mut graph, &user, &endpoint.api, &who, host, plan, scrubber);
    let apis = cluster::apis(&mut graph, &control_plane.reader, plan);
    let asked_namespace = cluster::asked_namespace(&mut graph, &control_plane, plan);
    let rbac = cluster::rbac(&mut graph, &who, &user.credential, &control_plane, plan);
    let agents = cluster::agents(&mut graph, &control_plane, &rbac, scrubber);

    let aws_needs = aws::Needs {
        kubeconfig: &user.kubeconfig,
        reader: &control_plane.reader,
        issuer: &issuer.target,
        route: &endpoint.approach.route,
        endpoint_dns: &endpoint.approach.dns,
        discovery: &issuer.discovery,
    };
    let aws = aws::AwsProbes::spawn(&mut graph, &aws_needs, host, plan, scrubber);

    finish(&mut graph).await;

    let identity = taken(who).await;
    let access = taken(access).await;
    let mut asked_namespace = taken(asked_namespace).await;
    let mut asked = asked(&user, plan);
    if let (Some(met), Some(answers)) = (&plan.message, access.seen())
        && let Some(other) = met.still_refused(answers, identity.seen())
    {
        if met.question.as_ref().is_some_and(|first| first.namespace != other.namespace) {
            asked_namespace =
                Observation::not_applicable("what is still refused is not in the first refusal's namespace");
        }
        asked.question = Some(other.clone());
    }
    Evidence {
        schema: SCHEMA.to_owned(),
        provenance: "observed".to_owned(),
        kaccess: env!("CARGO_PKG_VERSION").to_owned(),
        observed_at: host.started_at,
        asked,
        kubeconfig: taken(user.kubeconfig).await,
        plugin: taken(user.plugin).await,
        credential: taken(user.credential).await,
        endpoint: endpoint.collect(again).await,
        identity,
        access,
        issuer: issuer.collect().await,
        configured_issuer: None,
        control_plane: control_plane.collect().await,
        rbac: taken(rbac).await,
        aws: aws.collect().await,
        agents: taken(agents).await,
        apis: taken(apis).await,
        asked_namespace,
        workload: None,
        took_ms: host.elapsed_ms(),
    }
}

/// What the user asked for; the plugin's arguments may name the client id.
fn asked(user: &CredentialProbes, plan: &Plan) -> Asked {
    let from_plugin = || {
        let resolved = user.kubeconfig.clone().now_or_never()?.give.clone()?;
        issuer_from_exec(resolved.user.exec.as_ref()?)?.1
    };
    Asked {
        error: plan.message.as_ref().map(|met| met.text.clone()),
        question: plan.message.as_ref().and_then(|met| met.question.clone()),
        reviewer_context: plan.reviewer_context.clone(),
        client_id: plan.client_id.clone().or_else(from_plugin),
        connection_flags: connection_flags(&plan.flags),
    }
}

/// The flags that say something else than the kubeconfig, by their names.
fn connection_flags(flags: &ConnectionFlags) -> Vec<String> {
    let text = |value: &Option<String>| value.as_deref().is_some_and(|value| !value.is_empty());
    let path = |value: &Option<PathBuf>| value.as_deref().is_some_and(|path| !path.as_os_str().is_empty());
    let all = [
        ("--cluster", text(&flags.cluster)),
        ("--user", text(&flags.user)),
        ("--server", text(&flags.server)),
        ("--tls-server-name", text(&flags.tls_server_name)),
        ("--certificate-authority", path(&flags.certificate_authority)),
        ("--insecure-skip-tls-verify", flags.insecure_skip_tls_verify),
        ("--token", flags.token.is_some()),
        ("--username", flags.username.is_some()),
        ("--password", flags.password.is_some()),
        ("--client-certificate", path(&flags.client_certificate)),
        ("--client-key", path(&flags.client_key)),
    ];
    all.into_iter().filter(|(_, given)| *given).map(|(name, _)| name.to_owned()).collect()
}

/// Probes one more issuer: the one the API server is configured for, where it is not the token's.
pub async fn gather_issuer(host: &Host, plan: &Plan, url: &str, scrubber: &Scrubber) -> Issuer {
    let mut graph = Graph::new(host, plan.timeout + host.started.elapsed()).watched(plan.watcher.clone());
    let target = issuer::configured(&mut graph, url, plan);
    // No token is checked against keys of an issuer it does not name.
    let credential = graph.probe(
        "credential",
        SHORT,
        async { Err(not_applicable("the token names another issuer")) },
        |(): ()| async { Err(Failure::new(FailureKind::Bug, "not reached")) },
    );
    let probes = IssuerProbes::spawn(&mut graph, target, &credential, host, plan, scrubber);
    finish(&mut graph).await;
    probes.collect().await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::access::Check;

    #[test]
    fn where_the_first_refusal_is_mended_the_next_one_is_the_question() {
        let ask =
            |resource: &str| Question { verb: "list".to_owned(), resource: resource.to_owned(), ..Question::default() };
        let answers = |allowed: &[bool]| {
            let check = |(resource, allowed): (&str, &bool)| Check {
                question: ask(resource),
                allowed: *allowed,
                denied: false,
                reason: String::new(),
                evaluation_error: String::new(),
            };
            let checks = ["pods", "services", "configmaps"].into_iter().zip(allowed).map(check).collect();
            Access { checks, ..Access::default() }
        };
        let met = Message {
            text: String::new(),
            question: Some(ask("pods")),
            others: vec![ask("services"), ask("configmaps")],
            user: None,
            misses_api: false,
        };
        let next =
            |allowed: &[bool]| met.still_refused(&answers(allowed), None).map(|question| question.resource.clone());
        assert_eq!(next(&[true, true, false]).as_deref(), Some("configmaps"));
        assert_eq!(next(&[true, false, false]).as_deref(), Some("services"));
        // The first is still refused, nothing is, or the others have no answer.
        assert_eq!(next(&[false, false, false]), None);
        assert_eq!(next(&[true, true, true]), None);
        assert_eq!(next(&[true]), None);
        // The answers are to somebody else than the message is about.
        let called = |name: &str| User { username: name.to_owned(), ..User::default() };
        let met = Message { user: Some(called("jane")), ..met };
        let still = |name: &str| {
            let identity = Identity { user: called(name), ..Identity::default() };
            met.still_refused(&answers(&[true, false, false]), Some(&identity)).is_some()
        };
        assert!(still("jane"));
        assert!(!still("bob"));
    }
}
