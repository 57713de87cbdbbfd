//! What kaccess saw, as plain serde values: no I/O, no judgement, no secret.
//!
//! A saved evidence file is exactly this tree as JSON; citations are JSON pointers into it.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub mod access;
pub mod anonymise;
pub mod apiserver;
pub mod balancer;
pub mod credential;
pub mod dns;
pub mod eks;
pub mod identity;
pub mod issuer;
pub mod kubeconfig;
pub mod network;
pub mod rbac;
pub mod tls;
pub mod workload;

/// The schema of evidence files that this version writes and reads.
pub const SCHEMA: &str = "kaccess.dev/evidence/v1";

/// Stands in [`Skip::because`] of what was not begun because the run's time was over before.
pub const TOO_LATE: &str = "timeout";

/// Everything one run of `doctor` saw.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    /// Always [`SCHEMA`]; another value is refused on reading.
    pub schema: String,
    /// Where this evidence comes from: `observed` by a run, or `synthetic: <why>`; with `; anonymised` behind it where names
    /// are stand-ins.
    pub provenance: String,
    /// The kaccess version that looked.
    pub kaccess: String,
    /// When the run started, by the clock of the machine it ran on.
    pub observed_at: Timestamp,
    /// Length of the whole run in milliseconds.
    pub took_ms: u64,
    /// What the user asked about.
    pub asked: Asked,
    /// The merged kubeconfig and the context, cluster and user chosen from it.
    pub kubeconfig: Observation<kubeconfig::Kubeconfig>,
    /// One run of the credential plugin, if the user entry has one.
    pub plugin: Observation<credential::PluginRun>,
    /// The credential that would be sent, decoded.
    pub credential: Observation<credential::Credential>,
    /// The way to the API server.
    pub endpoint: Endpoint,
    /// Who the API server says this credential is (SelfSubjectReview).
    pub identity: Observation<identity::Identity>,
    /// What that identity may do (access reviews).
    pub access: Observation<access::Access>,
    /// The OIDC issuer, as seen from this machine.
    pub issuer: Issuer,
    /// The issuer that the API server is configured for, where that is known and is not the one above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configured_issuer: Option<Issuer>,
    /// What the control plane itself says.
    pub control_plane: ControlPlane,
    /// The RBAC objects that touch this identity.
    pub rbac: Observation<rbac::Rbac>,
    /// The DaemonSets that hand out AWS credentials in the cluster, as `doctor` sees them.
    #[serde(default = "not_looked", skip_serializing_if = "Observation::nothing_to_look_at")]
    pub agents: Observation<Vec<workload::Agent>>,
    /// Which aggregated APIs have no answer; looked at only where the message that the user met misses an API.
    #[serde(default = "not_looked", skip_serializing_if = "Observation::nothing_to_look_at")]
    pub apis: Observation<apiserver::Apis>,
    /// Whether the namespace of the message that the user met is there; looked at only by a reviewer.
    #[serde(default = "not_looked", skip_serializing_if = "Observation::nothing_to_look_at")]
    pub asked_namespace: Observation<access::Existence>,
    /// What AWS says about the cluster and the way from its control plane to the issuer; absent where the cluster is not
    /// EKS or nobody asked AWS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aws: Option<Box<eks::Aws>>,
    /// The AWS identity of a Pod; absent where nobody asked for one (`kaccess workload`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<Box<workload::Workload>>,
}

impl Evidence {
    /// Why nothing was looked at, where the run's time was over before.
    pub fn too_late(&self) -> Option<&str> {
        match &self.kubeconfig.outcome {
            Outcome::Skipped(skip) if skip.because == TOO_LATE => Some(&skip.text),
            _ => None,
        }
    }

    /// The context that is used, or that was to be used and cannot be.
    pub fn context(&self) -> Option<&str> {
        match &self.kubeconfig.outcome {
            Outcome::Seen(config) => config.context.as_deref(),
            // What was asked for is all that is there of it.
            Outcome::Failed(failure) if failure.kind == FailureKind::ContextNotFound => failure.seen.as_deref(),
            Outcome::Failed(failure) => failure.fault.as_ref()?.context.as_deref(),
            _ => None,
        }
    }

    /// Evidence of a run that looked at nothing: what another command than `doctor` fills in its own part of.
    pub fn blank(observed_at: Timestamp, why: Blank<'_>) -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            provenance: "observed".to_owned(),
            kaccess: env!("CARGO_PKG_VERSION").to_owned(),
            observed_at,
            took_ms: 0,
            asked: Asked::default(),
            kubeconfig: why.of(),
            plugin: why.of(),
            credential: why.of(),
            endpoint: Endpoint {
                route: why.of(),
                dns: why.of(),
                tcp: why.of(),
                tls: why.of(),
                anonymous: why.of(),
                authenticated: why.of(),
                repeated: why.of_further(),
                again: why.of_further(),
                plain: why.of_further(),
                secure: why.of_further(),
                names: why.of_further(),
                direct_dns: why.of_further(),
                direct_tcp: why.of_further(),
                direct_tls: why.of_further(),
            },
            identity: why.of(),
            access: why.of(),
            issuer: Issuer {
                target: why.of(),
                dns: why.of(),
                tcp: why.of(),
                tls: why.of(),
                discovery: why.of(),
                discovery_as_control_plane: why.of(),
                jwks: why.of(),
                jwks_as_control_plane: why.of(),
                signature: why.of(),
            },
            configured_issuer: None,
            control_plane: ControlPlane {
                reviewer: why.of(),
                token_review: why.of(),
                metrics: why.of(),
                flagz: why.of(),
                configuration: why.of(),
                pods: why.of_further(),
                published: why.of_further(),
                log: why.of(),
                pod_log: why.of_further(),
            },
            rbac: why.of(),
            agents: why.of_further(),
            apis: why.of_further(),
            asked_namespace: why.of_further(),
            aws: None,
            workload: None,
        }
    }
}

/// Why a run looked at nothing.
#[derive(Debug, Clone, Copy)]
pub enum Blank<'a> {
    /// Its time was over before it began; the text says so.
    TooLate(&'a str),
    /// It is not what the command looks at; the text says so.
    Elsewhere(&'a str),
}

impl Blank<'_> {
    /// A probe of every run.
    fn of<T>(self) -> Observation<T> {
        match self {
            Self::TooLate(text) => Observation::skipped(TOO_LATE, text),
            Self::Elsewhere(text) => Observation::not_applicable(text),
        }
    }

    /// A probe that a run makes only where the others gave it a reason: what was not begun misses none.
    fn of_further<T>(self) -> Observation<T> {
        match self {
            Self::TooLate(_) => Observation::default(),
            Self::Elsewhere(_) => self.of(),
        }
    }
}

/// The user's question: what was given beside the connection.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Asked {
    /// The message the user met (`--error`), scrubbed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The access question inside that message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub question: Option<access::Question>,
    /// Name of the context that reviews (`--reviewer-context`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reviewer_context: Option<String>,
    /// OIDC client id the user named (`--client-id` or the plugin's arguments).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// The connection flags that were given in the place of what a kubeconfig says, by their names (`--server`), without
    /// their values. Absent in files of older versions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub connection_flags: Vec<String>,
}

/// The probes between this machine and the API server's first answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Endpoint {
    /// The proxy decision and the server's host and port.
    pub route: Observation<dns::Route>,
    /// Name resolution of the API server's host (or of the proxy's, where one is used).
    pub dns: Observation<dns::Resolution>,
    /// One TCP connection to every address.
    pub tcp: Observation<dns::Connections>,
    /// The TLS handshake and the chain that was presented.
    pub tls: Observation<tls::TlsReport>,
    /// `GET /version` without any credential.
    pub anonymous: Observation<apiserver::HttpAnswer>,
    /// The same path with the credential.
    pub authenticated: Observation<apiserver::HttpAnswer>,
    /// The same again over fresh connections, for a token that an API server must fetch keys for.
    #[serde(default = "not_looked")]
    pub repeated: Observation<apiserver::Repeats>,
    /// The same without the credential over further connections, where one of this run was broken off.
    #[serde(default = "not_looked", skip_serializing_if = "Observation::nothing_to_look_at")]
    pub again: Observation<apiserver::Again>,
    /// `GET /version` over plain HTTP, without any credential, where the port of an https URL does not speak TLS.
    #[serde(default = "not_looked", skip_serializing_if = "Observation::nothing_to_look_at")]
    pub plain: Observation<apiserver::HttpAnswer>,
    /// A TLS handshake with the port of an http URL, where it answered no plain request or a credential is withheld.
    #[serde(default = "not_looked", skip_serializing_if = "Observation::nothing_to_look_at")]
    pub secure: Observation<tls::TlsReport>,
    /// What the name servers say of that name, where its addresses lead to no API.
    #[serde(default = "not_looked", skip_serializing_if = "Observation::nothing_to_look_at")]
    pub names: Observation<dns::Names>,
    /// The server's name without the proxy, where the way through the proxy leads to no API.
    #[serde(default = "not_looked", skip_serializing_if = "Observation::nothing_to_look_at")]
    pub direct_dns: Observation<dns::Resolution>,
    /// TCP to the server without the proxy, likewise.
    #[serde(default = "not_looked", skip_serializing_if = "Observation::nothing_to_look_at")]
    pub direct_tcp: Observation<dns::Connections>,
    /// TLS with the server without the proxy, likewise.
    #[serde(default = "not_looked", skip_serializing_if = "Observation::nothing_to_look_at")]
    pub direct_tls: Observation<tls::TlsReport>,
}

/// For evidence of older versions.
fn not_looked<T>() -> Observation<T> {
    Observation::not_applicable("this version of kaccess did not look")
}

/// The probes of the OIDC issuer, made from this machine (not from the control plane).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Issuer {
    /// Which issuer, and where its name came from.
    pub target: Observation<issuer::Target>,
    /// Name resolution of the issuer's host.
    pub dns: Observation<dns::Resolution>,
    /// One TCP connection to every address.
    pub tcp: Observation<dns::Connections>,
    /// The TLS handshake, judged by this machine's roots.
    pub tls: Observation<tls::TlsReport>,
    /// The discovery document.
    pub discovery: Observation<issuer::Discovery>,
    /// The same request with the control plane's User-Agent.
    pub discovery_as_control_plane: Observation<issuer::Discovery>,
    /// The key set.
    pub jwks: Observation<issuer::Jwks>,
    /// The key set, asked for with the control plane's User-Agent.
    pub jwks_as_control_plane: Observation<issuer::Jwks>,
    /// This token's signature against that key set.
    pub signature: Observation<issuer::SignatureCheck>,
}

/// The control plane's own word, whichever of it could be read.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ControlPlane {
    /// Whether the reviewer context is provably the same cluster.
    pub reviewer: Observation<apiserver::Reviewer>,
    /// TokenReview of this credential.
    pub token_review: Observation<apiserver::TokenReview>,
    /// The authentication series of `/metrics`.
    pub metrics: Observation<apiserver::Metrics>,
    /// The flags in force, from `/flagz` (Kubernetes 1.36 and later).
    pub flagz: Observation<apiserver::Flags>,
    /// The flags or AuthenticationConfiguration the user handed over (`--apiserver-config`).
    pub configuration: Observation<apiserver::Flags>,
    /// The command lines of kube-apiserver's own Pods; not applicable where the control plane is managed.
    #[serde(default = "not_looked", skip_serializing_if = "Observation::nothing_to_look_at")]
    pub pods: Observation<apiserver::ServerPods>,
    /// Client and front proxy CA, names and headers as the API server publishes them for extension servers (ConfigMap
    /// kube-system/extension-apiserver-authentication), as the flags they come from.
    #[serde(default = "not_looked", skip_serializing_if = "Observation::nothing_to_look_at")]
    pub published: Observation<apiserver::Flags>,
    /// Lines of the kube-apiserver's log (`--log`) that say something about authentication or authorization.
    pub log: Observation<apiserver::Log>,
    /// The same of the first kube-apiserver Pod's log, over the last `--logs`.
    #[serde(default = "not_looked", skip_serializing_if = "Observation::nothing_to_look_at")]
    pub pod_log: Observation<apiserver::Log>,
}

/// How a fact is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Grade {
    /// An API, the server or a log said so.
    Seen,
    /// Tried from where kaccess runs.
    Probed,
    /// For the control plane, by the models.
    Inferred,
}

/// One probe's result with its times.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Observation<T> {
    /// When the probe's needs had arrived and it began, in milliseconds after the run's start.
    pub started_ms: u64,
    /// How long it worked, in milliseconds.
    pub took_ms: u64,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: Outcome<T>,
}

/// What came of a probe.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome<T> {
    /// It looked and saw this.
    Seen(T),
    /// It looked and could not see, for this reason: evidence in itself.
    Failed(Failure),
    /// It could not begin.
    Skipped(Skip),
    /// There was nothing to look at; the text says why.
    NotApplicable(String),
}

/// Why a probe could not begin.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Skip {
    /// The id of the probe whose result was needed and is missing.
    pub because: String,
    /// That in words.
    pub text: String,
    /// What would make it possible (a permission, a flag), if anything the user can give.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needs: Option<String>,
}

/// A look that failed, with both sides where there are two.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// The kind, for rules.
    pub kind: FailureKind,
    /// One sentence for people.
    pub detail: String,
    /// What should have been there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// What was there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<String>,
    /// The permission or flag that would have allowed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needs: Option<String>,
    /// The fault of a kubeconfig behind it, where it is one that a finding is named after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Box<kubeconfig::Fault>>,
}

/// Kinds of failure that rules tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// A file, context, program or object is not there.
    NotFound,
    /// It is there and cannot be read.
    Unreadable,
    /// It is there and is not what it should be.
    Malformed,
    /// The kubeconfig has no such context.
    ContextNotFound,
    /// The context names a cluster that is not there.
    ClusterNotFound,
    /// The context names a user that is not there.
    UserNotFound,
    /// No context is chosen.
    ContextUnset,
    /// The credential plugin is not on PATH.
    PluginNotFound,
    /// The credential plugin ended with an error or with unusable output.
    PluginFailed,
    /// The name does not resolve.
    NameNotFound,
    /// The resolver gave no answer.
    ResolverFailed,
    /// TCP: connection refused.
    Refused,
    /// No answer within the limit.
    Timeout,
    /// No route to host or network.
    Unreachable,
    /// The connection was closed or reset.
    Closed,
    /// TLS could not be established.
    Tls,
    /// The two sides have no TLS version, cipher suite or key exchange in common.
    TlsVersion,
    /// The server wants a client certificate and got none.
    ClientCertificateDemanded,
    /// A proxy refused or failed.
    Proxy,
    /// HTTP 401.
    Unauthorized,
    /// HTTP 403.
    Forbidden,
    /// HTTP 404 or an API the server does not have.
    Unsupported,
    /// Another HTTP status.
    Http,
    /// The answer is not what the protocol says.
    Protocol,
    /// The answer is too large or too slow to be taken.
    Limit,
    /// Refused by kaccess for safety.
    Declined,
    /// A bug in kaccess, contained.
    Bug,
}

impl Failure {
    /// A failure with one sentence.
    pub fn new(kind: FailureKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), expected: None, seen: None, needs: None, fault: None }
    }

    /// Adds both sides.
    #[must_use]
    pub fn sides(mut self, expected: impl Into<String>, seen: impl Into<String>) -> Self {
        self.expected = Some(expected.into());
        self.seen = Some(seen.into());
        self
    }

    /// Adds what would allow it.
    #[must_use]
    pub fn needs(mut self, needs: impl Into<String>) -> Self {
        self.needs = Some(needs.into());
        self
    }
}

/// Nobody looked: what files of older versions hold.
impl<T> Default for Observation<T> {
    fn default() -> Self {
        not_looked()
    }
}

impl<T> Observation<T> {
    /// An observation outside the run's time line.
    pub fn at_rest(outcome: Outcome<T>) -> Self {
        Self { started_ms: 0, took_ms: 0, outcome }
    }

    /// What one call gave, outside the run's time line.
    pub fn of(answer: Result<T, Failure>) -> Self {
        Self::at_rest(answer.map_or_else(Outcome::Failed, Outcome::Seen))
    }

    /// A probe that could not begin because of another one.
    pub fn skipped(because: &str, text: impl Into<String>) -> Self {
        Self::at_rest(Outcome::Skipped(Skip { because: because.to_owned(), text: text.into(), needs: None }))
    }

    /// A probe that has nothing to look at.
    pub fn not_applicable(reason: impl Into<String>) -> Self {
        Self::at_rest(Outcome::NotApplicable(reason.into()))
    }

    /// There was nothing to look at.
    pub fn nothing_to_look_at(&self) -> bool {
        matches!(self.outcome, Outcome::NotApplicable(_))
    }

    /// What was seen, if anything was.
    pub fn seen(&self) -> Option<&T> {
        match &self.outcome {
            Outcome::Seen(value) => Some(value),
            _ => None,
        }
    }

    /// The failure, if it is one.
    pub fn failed(&self) -> Option<&Failure> {
        match &self.outcome {
            Outcome::Failed(failure) => Some(failure),
            _ => None,
        }
    }

    /// The failure, if it is of one of these kinds.
    pub fn failed_as(&self, kinds: &[FailureKind]) -> Option<&Failure> {
        self.failed().filter(|failure| kinds.contains(&failure.kind))
    }
}
