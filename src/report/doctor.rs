//! The answer of `doctor`: verdict, findings in order, checks, and what could not be looked at.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::calls::{Call, CallResult, calls};
use super::{Finding, Severity};
use crate::evidence::apiserver::{Again, Apis, HttpAnswer, Repeats};
use crate::evidence::credential::{EndedBy, PluginRun};
use crate::evidence::dns::{Connections, LookupOutcome, Names, ServerAnswer};
use crate::evidence::issuer::{Discovery, Jwks};
use crate::evidence::tls::TlsReport;
use crate::evidence::{Endpoint, Evidence, FailureKind, Issuer, Observation, Outcome};

/// The verdict of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// No error, and the API server said who we are.
    Healthy,
    /// Some error finding.
    Problems,
    /// No error found, but no identity established either.
    Unknown,
}

impl Verdict {
    /// As JSON spells it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Problems => "problems",
            Self::Unknown => "unknown",
        }
    }
}

/// What became of one check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Status {
    /// As it should be.
    Pass,
    /// Not as it should be.
    Fail,
    /// Could not be looked at.
    Skipped,
    /// Nothing to look at.
    NotApplicable,
}

impl Status {
    /// As JSON spells it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Skipped => "skipped",
            Self::NotApplicable => "notApplicable",
        }
    }
}

/// One probe in the report.
#[derive(Debug, Clone)]
pub struct Check {
    /// Stable id.
    pub id: &'static str,
    /// What is true when it passes.
    pub title: &'static str,
    /// What became of it.
    pub status: Status,
    /// Why it did not pass.
    pub because: Option<String>,
    /// What would make it possible.
    pub needs: Option<String>,
    /// When it began, in milliseconds after the run's start.
    pub started_ms: u64,
    /// Milliseconds.
    pub took_ms: u64,
}

/// The message that the user met, where it is known and no finding rests on it.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MetMessage {
    /// The code of the finding that it belongs to.
    pub code: &'static str,
    /// What it says.
    pub means: String,
    /// What became of it in this run.
    pub now: String,
}

impl MetMessage {
    /// All of it in one line.
    pub fn sentence(&self) -> String {
        format!("the message you met is {}: {}. {}.", self.code, self.means.trim_end_matches('.'), self.now)
    }
}

/// The answer of `doctor`.
#[derive(Debug, Clone)]
pub struct DoctorReport {
    /// The verdict.
    pub verdict: Verdict,
    /// Findings, the root cause first.
    pub findings: Vec<Finding>,
    /// Every probe.
    pub checks: Vec<Check>,
    /// What became of the message that the user met, where no finding says it.
    pub message: Option<MetMessage>,
}

impl DoctorReport {
    /// Puts findings (already in order) and evidence together.
    pub fn new(evidence: &Evidence, findings: Vec<Finding>) -> Self {
        let problems = findings.iter().any(|finding| finding.severity == Severity::Error);
        let verdict = match (problems, evidence.identity.seen()) {
            (true, _) => Verdict::Problems,
            (false, Some(_)) => Verdict::Healthy,
            (false, None) => Verdict::Unknown,
        };
        let checks = checks(evidence, &findings);
        Self { verdict, findings, checks, message: None }
    }

    /// The same with what became of the message that the user met.
    #[must_use]
    pub fn with_message(self, message: Option<MetMessage>) -> Self {
        Self { message, ..self }
    }

    /// What failed and no finding tells of: where nothing keeps anybody out all of it, else what is about an issuer that
    /// no finding rests on.
    pub fn untold(&self) -> impl Iterator<Item = &Check> {
        let grave = self.findings.iter().any(|finding| finding.severity == Severity::Error);
        let cites = |place: &str| {
            self.findings.iter().any(|finding| finding.cites.iter().any(|citation| citation.path.starts_with(place)))
        };
        let issuer = cites("/issuer/") || cites("/configuredIssuer/");
        self.checks.iter().filter(move |check| {
            check.status == Status::Fail && (!grave || (!issuer && check.id.starts_with("issuer-")))
        })
    }

    /// How many checks ended this way.
    pub fn count(&self, status: Status) -> usize {
        self.checks.iter().filter(|check| check.status == status).count()
    }
}

/// The context that was looked at, in words for a headline.
pub fn context_words(evidence: &Evidence) -> String {
    match evidence.kubeconfig.seen() {
        Some(config) => {
            config.context.as_deref().map_or_else(|| "no context".to_owned(), |name| format!("context {name}"))
        }
        None if evidence.too_late().is_some() => {
            "nothing was looked at: the time of --timeout was over before".to_owned()
        }
        // There may well be one; which, the file does not say in a way that counts.
        None => "the kubeconfig cannot be used".to_owned(),
    }
}

/// Judges one observation: `bad` says why something seen is not as it should be.
fn check<T>(
    id: &'static str,
    title: &'static str,
    observation: &Observation<T>,
    bad: impl Fn(&T) -> Option<String>,
) -> Check {
    let (status, because, needs) = match &observation.outcome {
        Outcome::Seen(value) => match bad(value) {
            Some(reason) => (Status::Fail, Some(reason), None),
            None => (Status::Pass, None, None),
        },
        // Without the right to look, nothing was looked at: that is no failure of the thing itself.
        Outcome::Failed(failure) if failure.needs.is_some() && failure.kind != FailureKind::PluginNotFound => {
            (Status::Skipped, Some(failure.detail.clone()), failure.needs.clone())
        }
        Outcome::Failed(failure) => (Status::Fail, Some(failure.detail.clone()), failure.needs.clone()),
        Outcome::Skipped(skip) => (Status::Skipped, Some(skip.text.clone()), skip.needs.clone()),
        Outcome::NotApplicable(reason) => (Status::NotApplicable, Some(reason.clone()), None),
    };
    Check { id, title, status, because, needs, started_ms: observation.started_ms, took_ms: observation.took_ms }
}

/// The same where there is something to look at.
fn check_any<T>(
    id: &'static str,
    title: &'static str,
    observation: &Observation<T>,
    bad: impl Fn(&T) -> Option<String>,
) -> Option<Check> {
    (!observation.nothing_to_look_at()).then(|| check(id, title, observation, bad))
}

/// The same where it was seen.
fn check_seen<T>(
    id: &'static str,
    title: &'static str,
    observation: &Observation<T>,
    bad: impl Fn(&T) -> Option<String>,
) -> Option<Check> {
    observation.seen().map(|_| check(id, title, observation, bad))
}

/// Whatever was seen is as it should be.
fn good<T>(_: &T) -> Option<String> {
    None
}

/// Problems of a kubeconfig that only weaken it or surprise: they keep nobody out. Every other one fails the check, also
/// in evidence of older versions, which know no more of a problem than its kind.
const MILD: &[&str] = &[
    "kubeconfig-world-readable",
    "kubeconfig-duplicate-entry",
    "static-credential-shadows-exec",
    "default-impersonation",
    "no-credential",
    "tls-verification-off",
    "token-flag-beside-token-file",
];

/// Whether a problem of this kind keeps nobody out.
fn is_harmless(kind: &str, signed_in: bool) -> bool {
    // Whoever is known to the server came through, over http too: kubectl proxy is such a way.
    MILD.contains(&kind) || (signed_in && kind == "server-url-wrong-scheme")
}

/// A log that was not read to its end.
fn half_read(log: &crate::evidence::apiserver::Log) -> Option<String> {
    log.ended.as_ref().map(|why| format!("only its first {} lines were read: {why}", log.lines))
}

/// A log that holds refusals, of which no finding makes use: a check that says so.
fn unused_log(evidence: &Evidence, findings: &[Finding]) -> Option<Check> {
    let log = evidence.control_plane.log.seen()?;
    let cited = |finding: &Finding| finding.cites.iter().any(|cite| cite.path.starts_with("/controlPlane/log/"));
    if evidence.identity.seen().is_some() || findings.iter().any(cited) {
        return None;
    }
    // One line may hold several texts.
    let refusals: BTreeMap<u64, u64> = log
        .matches
        .iter()
        .filter(|found| found.line.contains("nable to authenticate the request"))
        .map(|found| (found.line_number, found.count))
        .collect();
    let count: u64 = refusals.values().sum();
    let words = match count {
        0 => return None,
        1 => "the log holds one refused request, which is not provably this credential's".to_owned(),
        _ => format!("the log holds {count} refused requests, none of which is provably this credential's"),
    };
    let why = if evidence.identity.failed().is_some() {
        words
    } else {
        format!("{words}: the API server has not judged it in this run")
    };
    Some(Check {
        id: "log-own",
        title: "the log is about this credential",
        status: Status::Skipped,
        because: Some(format!("{why}; kaccess explain @{} tells what they say", log.source)),
        needs: None,
        started_ms: 0,
        took_ms: 0,
    })
}

/// Every probe as a check, in the order of the way in.
fn checks(evidence: &Evidence, findings: &[Finding]) -> Vec<Check> {
    let parts = [
        of_user(evidence),
        of_endpoint(&evidence.endpoint),
        of_access(evidence),
        of_issuer(&evidence.issuer),
        of_control_plane(evidence, findings),
        of_cluster(evidence),
    ];
    let aws = evidence.aws.as_deref().into_iter().flat_map(calls).map(aws_check);
    parts.into_iter().flatten().flatten().chain(aws).collect()
}

/// The API server knows who this is.
fn is_signed_in(evidence: &Evidence) -> bool {
    evidence.identity.seen().is_some_and(|identity| identity.user.username != "system:anonymous")
}

/// What the user brings.
fn of_user(evidence: &Evidence) -> Vec<Option<Check>> {
    let signed_in = is_signed_in(evidence);
    // A refusal in other words than an API server's: something before it did not let the request through.
    let before_server = evidence.identity.failed().is_some_and(|failure| {
        failure.kind == FailureKind::Forbidden
            && !["is forbidden", "forbidden: User"].iter().any(|words| failure.detail.contains(words))
    });
    vec![
        Some(check("kubeconfig", "the kubeconfig is readable and complete", &evidence.kubeconfig, |config| {
            config
                .problems
                .iter()
                .find(|problem| !is_harmless(&problem.kind, signed_in))
                .map(|problem| problem.detail.clone())
        })),
        Some(check("plugin", "the credential plugin gives a credential", &evidence.plugin, ended_badly)),
        Some(check("credential", "a credential is there and well-formed", &evidence.credential, |credential| {
            // Somebody on the way (kubectl proxy) may have one of their own.
            if !credential.is_there() && !signed_in && !before_server {
                return Some("the user entry holds no credential".to_owned());
            }
            credential
                .token
                .as_ref()
                .and_then(|token| token.problems.first())
                .map(|problem| format!("{}: {}", problem.part, problem.detail))
        })),
    ]
}

/// The way to the API server, without the credential and with it.
fn of_endpoint(endpoint: &Endpoint) -> Vec<Option<Check>> {
    vec![
        Some(check("endpoint-dns", "the API server's name resolves", &endpoint.dns, good)),
        Some(check("endpoint-tcp", "the API server's port accepts connections", &endpoint.tcp, unconnected)),
        check_any(
            "endpoint-direct",
            "the API server accepts connections without the proxy",
            &endpoint.direct_tcp,
            unconnected,
        ),
        check_any("endpoint-names", "the name servers know the name", &endpoint.names, unnamed),
        Some(check("endpoint-tls", "the API server's certificate is trusted", &endpoint.tls, untrusted)),
        check_seen("endpoint-secure", "the port speaks TLS", &endpoint.secure, good),
        check_any("endpoint-plain", "the port answers plain HTTP", &endpoint.plain, good),
        Some(anonymous(endpoint)),
        Some(check(
            "endpoint-authenticated",
            "it answers the same with the credential",
            &endpoint.authenticated,
            not_ok,
        )),
        // Only certificates, and tokens that each API server judges, are tried again over fresh connections.
        check_any("endpoint-repeated", "every connection is answered alike", &endpoint.repeated, unlike),
    ]
}

/// Where nobody without a client certificate is answered, the request with it is the one that counts.
fn anonymous(endpoint: &Endpoint) -> Check {
    let check = check("endpoint-anonymous", "the API server answers", &endpoint.anonymous, |answer| {
        (answer.status >= 500).then(|| format!("{} {}", answer.status, answer.reason))
    });
    if endpoint.anonymous.failed().is_some() && endpoint.authenticated.seen().is_some() {
        return Check { status: Status::NotApplicable, ..check };
    }
    check
}

/// Who that is for the API server, and what they may do.
fn of_access(evidence: &Evidence) -> Vec<Option<Check>> {
    vec![
        Some(check("identity", "the API server says who you are", &evidence.identity, |identity| {
            (identity.user.username == "system:anonymous").then(|| "system:anonymous".to_owned())
        })),
        Some(check("access", "access reviews are answered", &evidence.access, good)),
    ]
}

/// The issuer as it looks from here, and its keys.
fn of_issuer(issuer: &Issuer) -> Vec<Option<Check>> {
    let target = issuer.target.seen().map(|target| &target.url);
    vec![
        Some(check("issuer-dns", "the issuer's name resolves here", &issuer.dns, good)),
        Some(check("issuer-tcp", "the issuer accepts connections from here", &issuer.tcp, unconnected)),
        Some(check("issuer-tls", "the issuer's certificate is trusted here", &issuer.tls, untrusted)),
        Some(check("issuer-discovery", "issuer discovery is readable from here", &issuer.discovery, |discovery| {
            no_document(discovery).or_else(|| {
                let document = discovery.issuer.clone().unwrap_or_default();
                target
                    .filter(|target| **target != document)
                    .map(|target| format!("the document says issuer {document:?}, not {target:?}"))
            })
        })),
        Some(check(
            "issuer-discovery-as-control-plane",
            "issuer discovery answers the control plane's User-Agent",
            &issuer.discovery_as_control_plane,
            no_document,
        )),
        Some(check("issuer-jwks", "the key set is readable from here", &issuer.jwks, no_keys)),
        Some(check(
            "issuer-jwks-as-control-plane",
            "the key set answers the control plane's User-Agent",
            &issuer.jwks_as_control_plane,
            no_keys,
        )),
        Some(check("token-signature", "a published key verifies the token", &issuer.signature, |signature| {
            (!signature.verified).then(|| format!("no key of the set verifies it (kid {:?})", signature.kid))
        })),
    ]
}

/// The control plane's own word.
fn of_control_plane(evidence: &Evidence, findings: &[Finding]) -> Vec<Option<Check>> {
    let control = &evidence.control_plane;
    vec![
        Some(check("reviewer", "a reviewer of the same cluster is at hand", &control.reviewer, good)),
        Some(check("token-review", "a TokenReview accepts the token", &control.token_review, |review| {
            (!review.authenticated).then(|| review.error.clone().unwrap_or_else(|| "not authenticated".to_owned()))
        })),
        Some(check("metrics", "the API server's metrics are readable", &control.metrics, good)),
        Some(check("flagz", "the API server's flags are readable", &control.flagz, good)),
        Some(check("configuration", "the configuration handed over is readable", &control.configuration, good)),
        Some(check("log", "the log handed over is readable", &control.log, half_read)),
        unused_log(evidence, findings),
        // Only a control plane that runs as Pods has these, and only recent evidence looked.
        check_any("server-pods", "kube-apiserver's own Pods are readable", &control.pods, good),
        check_any("pod-log", "a kube-apiserver Pod's log is readable", &control.pod_log, half_read),
        check_any("published", "what the API server publishes about client CAs is readable", &control.published, good),
    ]
}

/// What the cluster holds; last what was looked at only because a message or a connection gave reason to.
fn of_cluster(evidence: &Evidence) -> Vec<Option<Check>> {
    vec![
        Some(check("rbac", "the RBAC objects are readable", &evidence.rbac, good)),
        agents(evidence),
        // Only a message that misses an API makes it worth a look.
        check_any("apis", "the aggregated APIs answer", &evidence.apis, stale),
        message_user(evidence),
        // Whoever may not read it has no use for it.
        check_seen("asked-namespace", "the namespace of the message is there", &evidence.asked_namespace, |there| {
            (!there.exists).then(|| "there is none of that name".to_owned())
        }),
        // Only where one was broken off; behind the others, which keep their places.
        check_seen(
            "endpoint-again",
            "further connections are answered by an API server",
            &evidence.endpoint.again,
            unserved,
        ),
    ]
}

/// Who may not list them and is not on EKS has no use for them.
fn agents(evidence: &Evidence) -> Option<Check> {
    let applies = evidence.agents.seen().is_some_and(|agents| !agents.is_empty())
        || (evidence.aws.is_some() && !evidence.agents.nothing_to_look_at());
    applies.then(|| check("agents", "what hands out AWS credentials is known", &evidence.agents, good))
}

/// A message about somebody else: what the access reviews say is about who is signed in.
fn message_user(evidence: &Evidence) -> Option<Check> {
    let named = &evidence.rbac.seen()?.named.as_ref()?.username;
    let identity = evidence.identity.seen()?;
    (named != "system:anonymous").then(|| Check {
        id: "message-user",
        title: "the message is about you",
        status: Status::Skipped,
        because: Some(format!(
            "it is about {named:?}, and you are {:?}: what the server answers about you says nothing of it",
            identity.user.username
        )),
        needs: None,
        started_ms: 0,
        took_ms: 0,
    })
}

/// How a credential plugin ended that gave no credential.
fn ended_badly(run: &PluginRun) -> Option<String> {
    let error = run.output_error.clone();
    match (run.exit_code, run.ended_by()) {
        (Some(0), _) => error,
        (Some(code), _) => Some(format!("exit code {code}")),
        (None, Some(EndedBy::Limit)) => Some(format!("timed out: {}", error.unwrap_or_default())),
        (None, Some(EndedBy::Other)) => Some(error.unwrap_or_else(|| "ended without an exit code".to_owned())),
        (None, Some(EndedBy::Signal) | None) => Some("ended by a signal".to_owned()),
    }
}

/// No address accepted a connection.
fn unconnected(connections: &Connections) -> Option<String> {
    let attempts = &connections.attempts;
    attempts.iter().all(|attempt| !attempt.connected()).then(|| {
        attempts
            .iter()
            .map(|attempt| format!("{}: {}", attempt.address, attempt.outcome))
            .collect::<Vec<_>>()
            .join(", ")
    })
}

/// No name server knows the name.
fn unnamed(names: &Names) -> Option<String> {
    let answers = || names.servers.iter().chain(&names.public);
    let one = |answer: &ServerAnswer| format!("{} says {}", answer.servers.join(", "), answer.outcome);
    let known = answers().any(|answer| answer.outcome == LookupOutcome::Answer);
    (!known).then(|| answers().map(one).collect::<Vec<_>>().join(", "))
}

/// The certificate has a fault.
fn untrusted(report: &TlsReport) -> Option<String> {
    report.faults.first().map(|fault| fault.detail.clone())
}

/// The answer is a refusal or an error.
fn not_ok(answer: &HttpAnswer) -> Option<String> {
    (answer.status >= 400).then(|| format!("{} {}", answer.status, answer.reason))
}

/// Fresh connections were answered in several ways.
fn unlike(repeats: &Repeats) -> Option<String> {
    let first = repeats.statuses.first().copied().unwrap_or_default();
    repeats.statuses.iter().any(|status| *status != first).then(|| format!("{:?}", repeats.statuses))
}

/// Some further connections were not answered by an API server.
fn unserved(again: &Again) -> Option<String> {
    let bad = again.tries.iter().filter(|one| !one.served).count();
    (bad > 0).then(|| format!("{bad} of {} are not", again.tries.len()))
}

/// There is no discovery document that can be read.
fn no_document(discovery: &Discovery) -> Option<String> {
    if discovery.answer.status != 200 {
        return Some(format!("{} {}", discovery.answer.status, discovery.answer.reason));
    }
    discovery.unparsable.clone()
}

/// There is no key set that can be read.
fn no_keys(jwks: &Jwks) -> Option<String> {
    if jwks.answer.status != 200 {
        return Some(format!("{} {}", jwks.answer.status, jwks.answer.reason));
    }
    jwks.unparsable.clone()
}

/// Aggregated APIs without an answer.
fn stale(apis: &Apis) -> Option<String> {
    (!apis.stale.is_empty()).then(|| format!("no answer: {}", apis.stale.join(", ")))
}

/// A call of AWS as a check: without the right to ask, nothing was looked at.
fn aws_check(call: Call<'_>) -> Check {
    let (status, because, needs) = match call.result {
        CallResult::Answered => (Status::Pass, None, None),
        CallResult::Failed(failure) if failure.needs.is_some() => {
            (Status::Skipped, Some(failure.detail.clone()), failure.needs.clone())
        }
        CallResult::Failed(failure) => (Status::Fail, Some(failure.detail.clone()), None),
        CallResult::Skipped(skip) => (Status::Skipped, Some(skip.text.clone()), skip.needs.clone()),
        CallResult::NotApplicable(reason) => (Status::NotApplicable, Some(reason.to_owned()), None),
    };
    Check { id: call.id, title: call.title, status, because, needs, started_ms: call.started_ms, took_ms: call.took_ms }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Blank;
    use crate::evidence::apiserver::Log;

    #[test]
    fn a_log_that_was_not_read_to_its_end_fails_its_check() {
        let mut evidence = Evidence::blank(jiff::Timestamp::UNIX_EPOCH, Blank::Elsewhere("a test"));
        let log = Log { lines: 7, ended: Some("Input/output error".to_owned()), ..Log::default() };
        evidence.control_plane.log = Observation::at_rest(Outcome::Seen(log));
        let check = checks(&evidence, &[]).into_iter().find(|check| check.id == "log").expect("a check of the log");
        assert_eq!(check.status, Status::Fail);
        assert_eq!(check.because.as_deref(), Some("only its first 7 lines were read: Input/output error"));
    }

    #[test]
    fn a_token_flag_beside_a_token_file_keeps_nobody_out() {
        assert!(is_harmless("token-flag-beside-token-file", true));
        assert!(is_harmless("token-flag-beside-token-file", false));
        assert!(!is_harmless("several-credentials", true));
    }

    #[test]
    fn plain_http_is_harmless_to_whoever_is_known_to_the_server() {
        assert!(is_harmless("server-url-wrong-scheme", true));
        assert!(!is_harmless("server-url-wrong-scheme", false));
    }
}
