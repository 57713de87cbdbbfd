//! The API server answered 401 to a well-formed credential, and nothing readable says why.

use crate::apiserver::configuration::Mapping;
use crate::apiserver::message::{self, heard, tools};
use crate::aws::identity::Verdict;
use crate::evidence::credential::TokenKind;
use crate::evidence::eks::Update;
use crate::evidence::identity::ANONYMOUS;
use crate::evidence::issuer::Jwks;
use crate::evidence::tls::{TlsFault, TlsFaultKind};
use crate::evidence::{FailureKind, Issuer, Observation, Outcome};
use crate::report::shell::shell;
use crate::report::{Candidate, Confidence, Finding, Severity, Step, inferred, probed, seen};
use crate::rules::clock::span;
use crate::rules::{Case, Page, Rule, clip, eks, front};

/// The rule.
pub static RULE: Rule = Rule {
    code: "credential-rejected",
    severity: Severity::Error,
    title: "The API server rejects the credential, and only its log says why",
    page: Page {
        means: "Requests with this credential are answered 401 Unauthorized; where only some are, several API servers stand behind the address and do not agree about it. The API server never says the reason to the one who asks: it stands in its log, and in a TokenReview by somebody with rights.",
        evidence: "The 401, beside the same path without the credential: an answer without it and 401 with it proves that it is the credential that is refused, not the network.",
        fix: "Have one of the observations made that decide between the candidates; a TokenReview by an admin (kaccess doctor --reviewer-context) is the shortest. Or give it the log: `kaccess doctor --log kube-apiserver.log`.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/authentication/",
    },
    recognises: &[&heard::UNAUTHORIZED, &heard::UNAUTHORIZED_LOUD, &heard::AUDIT_FAILED, &heard::REFUSED_LINE, &message::NOBODY_CLAIMED, &heard::NOBODY, &tools::UNAUTHORIZED, &tools::UNAUTHORIZED_OPEN],
    explains: &[],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let mut findings = refused(case);
    // Beside the 401 of this run only a message that was met tells of nobody.
    if case.rejected().is_some() {
        findings.iter_mut().for_each(|finding| finding.explains = &["anonymous-request"]);
    }
    findings
}

fn refused(case: &Case<'_>) -> Vec<Finding> {
    if let Some(finding) = by_connections(case).or_else(|| by_some(case)) {
        return vec![finding];
    }
    if case.accepted() {
        return Vec::new();
    }
    let Some(failure) = case.evidence.identity.failed_as(&[FailureKind::Unauthorized]) else { return Vec::new() };
    let endpoint = &case.evidence.endpoint;
    if let Some(error) = case.evidence.control_plane.token_review.seen().and_then(|review| review.error.as_deref()) {
        return vec![reviewed(case, error).cite(seen("/identity/failed/detail", failure.detail.clone()))];
    }
    let mut finding = RULE.finding(
        Confidence::Likely,
        "The request arrived and was answered 401. The reason is not in the answer: the API server writes it to its log only.",
        seen("/identity/failed/detail", failure.detail.clone()),
        reason_read_out(case),
    );
    if let (Some(without), Some(with)) = (endpoint.anonymous.seen(), endpoint.authenticated.seen())
        && without.status == 200
        && with.status == 401
    {
        finding = finding
            .cite(probed(
                "/endpoint/anonymous/seen/status",
                format!("GET /version without the credential: {}", without.status),
            ))
            .cite(probed("/endpoint/authenticated/seen/status", format!("GET /version with it: {}", with.status)));
    }
    finding = finding.step(by_log("Or read the API server's log for the moment of your request, and give it to kaccess"));
    if let Some(leaf) = case.only_certificate().filter(|leaf| leaf.uids() > 1) {
        finding.why.push_str(&format!(
            " The certificate's subject names {} uids (1.3.6.1.4.1.57683.2): an API server that reads them takes one, and refuses a certificate with several.",
            leaf.uids()
        ));
        finding = finding.cite(seen("/credential/seen/certificates/0/subject", clip(&leaf.subject, 160)));
    }
    finding.candidates = candidates(case);
    if eks::is_iam(case) {
        finding = of_iam(case, finding);
    }
    if let (Some(user), Some((_, path))) = (&case.expected, &case.configuration) {
        finding.why.push_str(&format!(
            " By the configuration that was read, and with the issuer's keys as they are here, it would be accepted as \
             {user:?}: the API server that answered knows something else."
        ));
        finding =
            finding.cite(inferred(*path, format!("predicted from the server's configuration: accepted as {user:?}")));
        // The flags in force, or EKS' own list: no file that may be another one by now.
        finding.candidates = unexpected(path.contains("flagz") || path.starts_with("/aws/"));
    }
    if let (Some(error), Some((_, path))) = (&case.refusal, &case.configuration) {
        let reason = error.trim_matches(['[', ']']);
        let reason = reason.strip_prefix("invalid bearer token, ").unwrap_or(reason);
        finding.why.push_str(&format!(
            " By the configuration that was read it is refused in these words: {}.",
            clip(reason, 400).trim_end_matches('.')
        ));
        finding.fix.insert(0, Step::text("Mend what that names: in the token (the identity provider), or in the API server's configuration."));
        let text = format!("predicted from the server's configuration: {}", clip(error, 240));
        finding = finding.cite(inferred(*path, text));
        finding.candidates.retain(|candidate| !refuted(case, candidate.code));
    } else if let Some(claim) = fetched_claim(case) {
        finding.candidates.retain(|candidate| !refuted(case, candidate.code));
        finding.candidates.insert(0, candidate(
            "groups-overage",
            format!("the token holds only a reference to where {claim:?} could be fetched (_claim_names), and the API server refuses it if it cannot fetch that"),
            review("the TokenReview says \"could not expand distributed claims\""),
        ));
    }
    vec![finding]
}

/// The configured groups claim, where the token says only where it could be fetched.
fn fetched_claim<'c>(case: &'c Case<'_>) -> Option<&'c str> {
    let Mapping::Claim { claim, .. } = &case.authenticator()?.groups else { return None };
    case.claim("_claim_names")?.get(claim)?;
    case.claim(claim).is_none().then_some(claim.as_str())
}

/// By the server's configuration the cause is another one.
fn refuted(case: &Case<'_>, code: &str) -> bool {
    let Some(own) = case.authenticator() else { return false };
    let has = |wanted: &String| match case.claim("aud") {
        Some(serde_json::Value::String(one)) => one == wanted,
        Some(serde_json::Value::Array(all)) => all.iter().any(|one| one.as_str() == Some(wanted.as_str())),
        _ => false,
    };
    match code {
        "token-issuer-mismatch" | "oidc-not-configured" => true,
        "token-audience-mismatch" => own.issuer.audiences.iter().any(has),
        "username-claim-missing" => {
            matches!(&own.username, Mapping::Claim { claim, .. } if case.claim(claim).is_some())
        }
        _ => false,
    }
}

/// Somebody with admin rights has the API server's reason read out.
fn review(text: &str) -> Step {
    Step::command(text, "kaccess doctor --reviewer-context ADMIN_CONTEXT")
}

/// The API server's log is given to kaccess.
fn by_log(text: &str) -> Step {
    Step::command(text, "kaccess doctor --log kube-apiserver.log")
}

/// What decides where the TokenReview needs no words of ours.
fn in_words() -> Step {
    review("a TokenReview by somebody with admin rights says it in words")
}

fn candidate(code: &'static str, why: impl Into<String>, decided_by: Step) -> Candidate {
    Candidate { code, why: why.into(), decided_by }
}

/// How long ago, in seconds, the caller's access entry was made or changed, where that may not count yet, and where that
/// stands: EKS promises that it comes, and not when.
fn young(case: &Case<'_>) -> Option<(i64, String)> {
    let (mapped, entry) = eks::mapped_entry(case)?;
    let details = entry?.details.seen()?;
    let changed = details.created_at.max(details.modified_at)?;
    let age = case.server_time().0.as_second() - changed.as_second();
    (0..600).contains(&age).then(|| (age, format!("{}/details/seen", mapped.source.path())))
}

/// The change of the cluster's authentication mode that is under way, and its place.
fn changing<'e>(case: &Case<'e>) -> Option<(usize, &'e Update)> {
    let updates = eks::aws(case)?.updates.seen()?;
    let under_way = |update: &Update| update.kind == "AuthenticationModeUpdate" && update.status == "InProgress";
    updates.iter().enumerate().find(|(_, update)| under_way(update))
}

/// What AWS shows of an IAM token's way.
fn of_iam(case: &Case<'_>, mut finding: Finding) -> Finding {
    if let Some(Verdict::Mapped(mapped)) = &case.mapping {
        finding.why.push_str(&format!(" It is no missing mapping: {} maps you.", mapped.source.words()));
        if let Some((age, path)) = young(case) {
            finding.why.push_str(&format!(" It was made or changed {} ago, and takes a while until it counts.", span(age)));
            finding.fix.insert(0, Step::command("Wait a minute or two, and look again", "kaccess doctor"));
            finding = finding.cite(seen(path, format!("made or changed {} ago", span(age))));
        }
        if let Some((index, update)) = changing(case) {
            finding.why.push_str(" EKS is changing the cluster's authentication mode meanwhile: which mappings count is settled when that is done.");
            finding.fix.insert(0, Step::command("Wait for the change to end, and look again", shell!("aws eks describe-update --name {} --update-id {}", eks::cluster(case), update.id)));
            finding = finding.cite(seen(format!("/aws/updates/seen/{index}"), format!("update {} ({}) is {}", update.id, update.kind, update.status)));
        }
        return finding.cite(seen(mapped.source.path(), format!("{} maps you", mapped.source.words())));
    }
    let Some((described, meant)) = eks::other_region(case.evidence) else { return finding };
    finding.why.push_str(&format!(" AWS was asked about a cluster in {described}, and the kubeconfig's server is one in {meant}: what AWS said here is of another cluster."));
    finding
        .cite(seen("/aws/cluster/seen/endpoint", format!("the cluster that AWS described is in {described}")))
        .step(Step::command("Have AWS asked about the cluster that the kubeconfig means", shell!("kaccess doctor --region {}", meant)))
}

/// How somebody with rights has the reason read out; where one was named already, why that was of no use.
fn reason_read_out(case: &Case<'_>) -> Step {
    let control = &case.evidence.control_plane;
    let named = case.evidence.asked.reviewer_context.as_deref();
    let failed = |because: &str| {
        format!(
            "The context {:?}, which was named as the reviewer's, was of no use: {because}.",
            named.unwrap_or_default()
        )
    };
    match (named, &control.reviewer.outcome, control.token_review.failed()) {
        (None, ..) => review(
            "Let somebody with admin rights have the reason read out: add their context to your kubeconfig and run",
        ),
        (Some(_), Outcome::Skipped(skip), _) => Step::text(format!(
            "{} Name one that has the same server as yours (set it with kubectl config set-cluster), or read the log.",
            failed(skip.text.trim_end_matches('.'))
        )),
        (Some(_), Outcome::Failed(failure), _) | (Some(_), _, Some(failure)) => Step::text(format!(
            "{} Name one with create on tokenreviews.authentication.k8s.io, or read the log.",
            failed(failure.detail.trim_end_matches('.'))
        )),
        (Some(_), ..) => Step::text(
            "The reviewer's context shows no more than that: a TokenReview is for tokens only, and the reason is in the API server's log.",
        ),
    }
}

/// A proxy before the API server may have taken the token off: without it the answer is the same.
fn stripped(case: &Case<'_>) -> Option<Candidate> {
    let endpoint = &case.evidence.endpoint;
    let (without, with) = (endpoint.anonymous.seen()?, endpoint.authenticated.seen()?);
    let server = with.server.as_deref().filter(|_| without.status == 401 && with.status == 401);
    // The API server itself does not say what it is.
    let between = server.map(|server| format!("what answers calls itself {server:?}, which no API server does"));
    let between = between.or_else(|| {
        case.terminated().filter(|_| without.status == 401).map(|_| "TLS ends before the API server".to_owned())
    })?;
    Some(Candidate {
        code: "authorization-header-stripped",
        why: format!(
            "{between}, and may take the Authorization header off; the answer is 401 with the token and without it"
        ),
        decided_by: Step::text(
            "at the API server's own address, past the proxy (kubectl --server=https://API_SERVER:6443), the same credential gets another answer",
        ),
    })
}

/// One request of this run that carried the credential.
struct Sent<'e> {
    what: &'static str,
    path: &'static str,
    said: &'e str,
    refused: bool,
}

/// The requests that carried the credential and were either taken for somebody's or answered 401.
fn sent<'e>(case: &Case<'e>) -> Vec<Sent<'e>> {
    fn one<'e, T>(what: &'static str, path: &'static str, probe: &'e Observation<T>) -> Option<Sent<'e>> {
        match &probe.outcome {
            Outcome::Seen(_) => Some(Sent { what, path, said: "answered", refused: false }),
            // Whoever is forbidden something was taken for somebody.
            Outcome::Failed(failure) if failure.kind == FailureKind::Forbidden => {
                message::forbidden(&failure.detail)
                    .filter(|found| found.user != ANONYMOUS)
                    .map(|_| Sent { what, path, said: &failure.detail, refused: false })
            }
            // In these words an API server refuses, and hardly anybody else.
            Outcome::Failed(failure)
                if failure.kind == FailureKind::Unauthorized && failure.detail == "401 Unauthorized: Unauthorized" =>
            {
                Some(Sent { what, path, said: &failure.detail, refused: true })
            }
            _ => None,
        }
    }
    let evidence = case.evidence;
    let control = &evidence.control_plane;
    let version = evidence.endpoint.authenticated.seen().and_then(|answer| {
        let refused = answer.status == 401;
        let what = "GET /version";
        let said = if refused { "401 Unauthorized" } else { "answered" };
        (answer.is_of_kubernetes() && (refused || answer.status == 200))
            .then_some(Sent { what, path: "/endpoint/authenticated", said, refused })
    });
    let mut sent = vec![
        version,
        one("the SelfSubjectReview", "/identity", &evidence.identity),
        one("the access reviews", "/access", &evidence.access),
    ];
    // With a reviewer these are another's requests.
    if control.reviewer.seen().is_none() {
        sent.extend([
            one("the list of RBAC objects", "/rbac", &evidence.rbac),
            one("the list of kube-apiserver's Pods", "/controlPlane/pods", &control.pods),
            one("GET of a ConfigMap", "/controlPlane/published", &control.published),
            one(METRICS, "/controlPlane/metrics", &control.metrics),
            one(FLAGZ, "/controlPlane/flagz", &control.flagz),
        ]);
    }
    sent.into_iter().flatten().collect()
}

/// Paths that something before the API server may have rules of its own for.
const METRICS: &str = "GET /metrics";
const FLAGZ: &str = "GET /flagz";

/// The same credential is taken by some requests' servers and answered 401 by others'.
fn by_some(case: &Case<'_>) -> Option<Finding> {
    // Somebody who is known; whoever is not has one reason for all that is refused.
    case.evidence.identity.seen().filter(|identity| !identity.user.is_anonymous())?;
    let all = sent(case);
    let refused: Vec<&Sent<'_>> = all.iter().filter(|one| one.refused).collect();
    let first = *refused.iter().find(|one| ![METRICS, FLAGZ].contains(&one.what))?;
    // One that ran out in the midst of the run is another finding.
    if case.ends_meanwhile() {
        return None;
    }
    let (bad, tried) = (refused.len(), all.len());
    let good = all.iter().find(|one| !one.refused)?;
    let finding = RULE
        .finding(
            Confidence::Likely,
            format!("Of {tried} requests of this run with the same credential, {bad} were answered 401 and the others taken for somebody's ({} among them). Most likely several API servers stand behind this address, and one of them does not know the credential: it was started with other flags, keys or CA files, or has not reached what it asks. kubectl fails now and then.", good.what),
            seen(format!("{}/{}", first.path, if first.path == "/endpoint/authenticated" { "seen/status" } else { "failed/detail" }), format!("{}: {}", first.what, clip(first.said, 120))),
            see_again(),
        )
        .titled(format!("The credential is rejected by some of the API servers behind this address: {bad} of {tried} requests"))
        .cite(seen("/identity/seen/user/username", "the SelfSubjectReview with the same credential was answered"));
    Some(of_several(case, finding))
}

/// The same client certificate or token is taken on some connections and answered 401 on others. Of an identity provider's
/// token another finding tells.
fn by_connections(case: &Case<'_>) -> Option<Finding> {
    let leaf = case.only_certificate();
    if leaf.is_none() && case.token()?.kind == TokenKind::Jwt {
        return None;
    }
    let (bad, good) = case.taken_by_some()?;
    // One that ran out in the midst of the run is another finding.
    if case.ends_meanwhile() {
        return None;
    }
    let (what, short, reason) = if leaf.is_some() {
        ("client certificate", "certificate", "does not take the certificate: it was started with another --client-ca-file, that file holds other CAs, or its clock is wrong")
    } else {
        ("token", "token", "does not know the token: it was started with other flags, keys or another token file, or has not reached what it asks")
    };
    let statuses = &case.evidence.endpoint.repeated.seen()?.statuses;
    let all = statuses.len();
    // The reviewer's own request met one of them.
    let reviewed = case.evidence.control_plane.token_review.seen().and_then(|review| review.error.as_deref());
    let said = reviewed.filter(|error| leaf.is_none() && !error.is_empty()).map(|error| {
        seen("/controlPlane/tokenReview/seen/error", format!("one of them says in its TokenReview: {}", clip(error, 240)))
    });
    let finding = RULE
        .finding(
            Confidence::Likely,
            format!("Of {all} connections to the same address with the same {what}, {bad} were answered 401 and {good} let in. Most likely several API servers stand behind this address, and one of them {reason}. kubectl fails now and then."),
            probed("/endpoint/repeated/seen/statuses", format!("GET /version with the {short}, each time over a new connection: {statuses:?}")),
            see_again(),
        )
        .titled(format!("The {what} is rejected by some of the API servers behind this address: {bad} of {all} connections"))
        .cite_if(said);
    Some(of_several(case, finding))
}

fn see_again() -> Step {
    Step::command(
        "See it again: each line is a connection of its own",
        "for i in 1 2 3 4 5 6 7 8 9 10; do kubectl get --raw /version >/dev/null 2>&1 && echo yes || echo no; done",
    )
}

/// How to find what one API server of several has otherwise than the others.
pub fn compare_servers() -> [Step; 2] {
    [
        Step::command(
            "Compare what the API servers were started with (as an admin; managed clusters: ask the provider)",
            "for pod in $(kubectl -n kube-system get pods -l component=kube-apiserver -o name); do echo $pod; kubectl -n kube-system get $pod -o jsonpath='{.spec.containers[0].command}' | tr ',' '\\n' | grep -E 'client-ca|service-account|oidc|authentication|token-auth'; done",
        ),
        Step::command(
            "Compare the files that those flags name, on each control-plane node",
            "sha256sum /etc/kubernetes/pki/ca.crt /etc/kubernetes/pki/sa.pub",
        ),
    ]
}

/// How to find the one API server of several that refuses.
fn of_several(case: &Case<'_>, finding: Finding) -> Finding {
    let differing = case.evidence.control_plane.pods.seen().filter(|pods| !pods.differing.is_empty());
    let mut finding = finding.steps(compare_servers());
    if let Some(pods) = differing {
        finding = finding.cite(seen("/controlPlane/pods/seen/differing", format!("flags that differ between the API servers: {}", pods.differing.join(", "))));
    }
    finding.candidates = of_one_server(case);
    finding
}

/// What one of several API servers may have otherwise than the others.
fn of_one_server(case: &Case<'_>) -> Vec<Candidate> {
    let clock = || candidate("api-server-clock-wrong", "its clock may be wrong, so that the credential is not valid yet or no longer", by_log("its own log names a time"));
    match case.token().map(|token| token.kind) {
        Some(TokenKind::ServiceAccount) => vec![
            candidate("service-account-foreign-cluster", "one API server may have another --service-account-key-file, or lack a key that the others have", by_log("its own log says \"invalid signature\", or that no key is found")),
            candidate("service-account-issuer-unknown", "one API server may have another --service-account-issuer", Step::command("the flag of each API server", "kubectl -n kube-system get pods -l component=kube-apiserver -o yaml | grep -- --service-account-issuer")),
            clock(),
        ],
        Some(TokenKind::Jwt) => vec![
            candidate("oidc-partly-initialized", "one API server may not have reached the issuer", by_log("its own log says \"initializing plugin\"")),
            candidate("authentication-config-not-reloaded", "one API server may run with another authentication configuration", Step::command("the hash of the configuration in force, on each API server", "kubectl get --raw /metrics | grep config_controller_last_config_info")),
            clock(),
        ],
        Some(TokenKind::Bootstrap | TokenKind::Opaque | TokenKind::Jwe) => vec![
            candidate("static-token-unknown", "one API server may have another --token-auth-file (it is read at the start only), or lack the webhook", Step::command("the flags of each API server", "kubectl -n kube-system get pods -l component=kube-apiserver -o yaml | grep -E -- '--(token-auth-file|authentication-token-webhook)'")),
        ],
        Some(TokenKind::EksIam) => vec![
            candidate("authentication-webhook-down", "the webhook of one API server may be away", by_log("its own log says \"Unable to authenticate\" with the webhook's address")),
        ],
        None if case.only_certificate().is_some() => vec![
            candidate("client-certificate-untrusted", "one API server may have another --client-ca-file", by_log("its own log has a line with this certificate's serial number")),
            clock(),
        ],
        None => Vec::new(),
    }
}

/// The server's TokenReview of this token gave a reason, which no other rule knows or which names no cause.
fn reviewed(case: &Case<'_>, error: &str) -> Finding {
    let path = "/controlPlane/tokenReview/seen/error";
    let nobody = message::recognise(error).iter().any(|found| *found.text == message::NOBODY_CLAIMED);
    let configuration = Step::command(
        "Judge the token by the server's configuration (its flags, or the file of --authentication-config), step by step",
        "kaccess decode TOKEN --against CONFIGURATION",
    );
    if !nobody {
        let reason = error.trim_matches(['[', ']']);
        let reason = reason.strip_prefix("invalid bearer token, ").unwrap_or(reason);
        return RULE
            .finding(
                Confidence::Certain,
                format!(
                    "The API server's own TokenReview of this token says: {}.",
                    clip(reason, 400).trim_end_matches('.')
                ),
                seen(path, clip(error, 400)),
                Step::text(
                    "Mend what that names: in the token (the identity provider), or in the API server's configuration.",
                ),
            )
            .titled("The API server rejects the credential, and says why")
            .step(configuration);
    }
    if eks::is_iam(case) {
        return reviewed_iam(case, error);
    }
    let mut finding = RULE.finding(
        Confidence::Likely,
        "The API server's own TokenReview says no more than \"invalid bearer token\": each of its authenticators passed this token on as none of its own.",
        seen(path, clip(error, 400)),
        configuration,
    );
    finding.title = "The API server rejects the credential: none of its authenticators takes it as its own".into();
    // Whoever takes a token as its own says what is wrong with it.
    let apart = [
        "token-issuer-mismatch",
        "oidc-not-configured",
        "static-token-unknown",
        "bootstrap-token-invalid",
        "service-account-foreign-cluster",
    ];
    finding.candidates = candidates(case).into_iter().filter(|candidate| apart.contains(&candidate.code)).collect();
    finding
}

/// The same of an IAM token: EKS shows no configuration, and the IAM authenticator refuses without a word, which becomes
/// `unknown` in the TokenReview.
fn reviewed_iam(case: &Case<'_>, error: &str) -> Finding {
    let refused = error.contains("unknown");
    let (why, title) = if refused {
        (
            "The API server's own TokenReview says \"unknown\" beside \"invalid bearer token\": that is what becomes of the 403 of the IAM authenticator. So that one took the token as its own and refused it; why stands in its log only.",
            "The IAM authenticator refuses the token, and only its log says why",
        )
    } else {
        (
            "The API server's own TokenReview says no more than \"invalid bearer token\". A refusal by the IAM authenticator would add \"unknown\": it may not have been asked.",
            RULE.title,
        )
    };
    let log = Step::command(
        "Read what the authenticator wrote at the moment of your request (EKS keeps its log in CloudWatch where the cluster's log type \"authenticator\" is on)",
        shell!("aws logs filter-log-events --log-group-name /aws/eks/{}/cluster --log-stream-name-prefix authenticator- --filter-pattern '\"access denied\"'", eks::cluster(case)),
    );
    let path = "/controlPlane/tokenReview/seen/error";
    let mut finding = RULE.finding(Confidence::Likely, why, seen(path, clip(error, 400)), log).titled(title);
    finding.candidates = candidates(case);
    of_iam(case, finding)
}

/// What an API server may know that kaccess does not, where the model would accept the token.
fn unexpected(running: bool) -> Vec<Candidate> {
    let mut list = vec![
        Candidate {
            code: "issuer-blocks-control-plane",
            why: "the API server may never have been able to read the issuer's discovery document, which it fetches from other addresses".to_owned(),
            decided_by: review("the TokenReview says \"oidc: authenticator not initialized\""),
        },
        Candidate {
            code: "oidc-partly-initialized",
            why: "several API servers may stand behind this address, and this one may not have reached the issuer".to_owned(),
            decided_by: Step::command("asked several times over new connections, some answers are 200", "for i in 1 2 3 4 5 6; do kubectl get --raw /version >/dev/null && echo yes || echo no; done"),
        },
        Candidate {
            code: "jwks-cache-delays-rotation",
            why: "it may still hold an older key set".to_owned(),
            decided_by: review("the TokenReview says \"failed to verify id token signature\", or /metrics shows the hash of another key set"),
        },
        Candidate {
            code: "api-server-clock-wrong",
            why: "its clock may be wrong, so that the token is not valid yet or no longer".to_owned(),
            decided_by: review("the TokenReview names a time"),
        },
    ];
    if !running {
        list.insert(
            1,
            Candidate {
                code: "authentication-config-not-reloaded",
                why: "it may run with another configuration than the file that was read".to_owned(),
                decided_by: review(
                    "/metrics shows the hash of the configuration in force, and /flagz (Kubernetes 1.36) the flags",
                ),
            },
        );
    }
    list
}

/// What kaccess itself could not read of the issuer, which the API server needs: its document, else its keys.
fn unread(probes: &Issuer) -> Option<Candidate> {
    if let Some(failure) = probes.discovery.failed() {
        let code = match failure.kind {
            FailureKind::NameNotFound => "issuer-private-dns",
            FailureKind::Refused | FailureKind::Timeout | FailureKind::Unreachable | FailureKind::Closed => "issuer-unreachable-from-control-plane",
            FailureKind::Tls | FailureKind::Protocol | FailureKind::Limit => "oidc-not-initialized",
            // kaccess did not ask, or its own proxy was in the way.
            _ => return None,
        };
        return Some(Candidate {
            code,
            why: format!("from here the discovery document cannot be read ({}); if the API server meets the same, it refuses every token of this issuer", clip(&failure.detail, 160)),
            decided_by: review("the TokenReview says \"oidc: authenticator not initialized\"; the API server's log says what it meets (\"initializing plugin\")"),
        });
    }
    let why = if let Some(failure) = probes.jwks.failed() {
        if matches!(failure.kind, FailureKind::Declined | FailureKind::Bug | FailureKind::Proxy) {
            return None;
        }
        format!("from here the key set cannot be read ({}); if the API server meets the same, it can check no signature", clip(&failure.detail, 160))
    } else {
        let status = probes.jwks.seen().map(|jwks| jwks.answer.status).filter(|status| !matches!(status, 200 | 401 | 403))?;
        format!("the key set's address answers {status} from here; if it does so to the control plane too, no signature can be checked")
    };
    Some(Candidate { code: "jwks-unreachable", why, decided_by: review("the TokenReview says \"fetching keys oidc: get keys failed\"") })
}

/// How the key set's URL refuses the one who asks, as seen from here.
fn keys_refused(probes: &Issuer) -> Option<Candidate> {
    let status = |jwks: &Observation<Jwks>| Some(jwks.seen()?.answer.status);
    let refusal = |jwks: &Observation<Jwks>| status(jwks).filter(|status| matches!(status, 401 | 403));
    let (status, why) = match (refusal(&probes.jwks), refusal(&probes.jwks_as_control_plane)) {
        (Some(status), _) => (status, format!("the key set's URL answers {status} from here; if it does so to the control plane too, no signature can be checked")),
        (None, Some(refused)) => {
            let let_through = if status(&probes.jwks) == Some(200) { ", and lets this machine through" } else { "" };
            (refused, format!("the key set's URL answers {refused} to the control plane's User-Agent{let_through}"))
        }
        (None, None) => return None,
    };
    let words = if status == 401 { "401 Unauthorized" } else { "403 Forbidden" };
    Some(candidate("jwks-blocked", why, review(&format!("the TokenReview says \"get keys failed: {words}\""))))
}

/// The token's audience as the token writes it.
fn audience(case: &Case<'_>) -> String {
    case.claim("aud").map_or_else(|| "absent".to_owned(), std::string::ToString::to_string)
}

/// The causes that fit, the likeliest first, each with the observation that decides it.
fn candidates(case: &Case<'_>) -> Vec<Candidate> {
    let before = front::stands_before(case).is_some();
    if before && case.token().is_none() {
        return of_front_proxy(case);
    }
    if case.only_certificate().is_some() {
        return vec![candidate(
            "client-certificate-untrusted",
            "the certificate may be signed by another CA than --client-ca-file",
            by_log("the line with this certificate's serial number in the API server's log"),
        )];
    }
    let Some(token) = case.token() else { return Vec::new() };
    let of_its_kind = match token.kind {
        TokenKind::Jwt => of_issuer(case),
        TokenKind::ServiceAccount => of_account(case),
        TokenKind::EksIam => eks::candidates(case),
        TokenKind::Bootstrap if case.configuration.as_ref().is_some_and(|(known, _)| known.complete && !known.bootstrap_tokens) => vec![candidate(
            "bootstrap-token-invalid",
            "the API server has bootstrap tokens switched off, and its token file or webhook may not know this token",
            in_words(),
        )],
        TokenKind::Bootstrap => vec![candidate(
            "bootstrap-token-invalid",
            "its Secret may be gone or past its expiration",
            Step::command(
                "the Secret",
                "kubectl -n kube-system get secrets --field-selector type=bootstrap.kubernetes.io/token",
            ),
        )],
        TokenKind::Opaque | TokenKind::Jwe => vec![candidate(
            "static-token-unknown",
            "the API server's token file or webhook may not know this token",
            in_words(),
        )],
    };
    let mut list: Vec<Candidate> = stripped(case).into_iter().chain(of_its_kind).collect();
    // Whoever sends nothing is refused as well: it may be the proxy's certificate, and the token be for the proxy.
    let anonymous = case.evidence.endpoint.anonymous.seen();
    if before
        && token.kind == TokenKind::Opaque
        && anonymous.is_some_and(|answer| answer.is_of_kubernetes() && answer.status == 401)
    {
        list.extend(of_front_proxy(case));
    }
    list
}

/// What the API server may have against the certificate of a proxy before it.
fn of_front_proxy(case: &Case<'_>) -> Vec<Candidate> {
    let own = case.only_certificate().map_or("", |leaf| leaf.serial.as_str());
    // Dates are looked at before authorities, by both CAs: the line is the same for anybody's certificate.
    let expired = case.words.iter().find(|word| {
        *word.text == message::CLIENT_CERTIFICATE
            && word.field("serial") != own
            && word.field("error").contains("has expired")
            && !word.field("error").contains("is before")
    });
    let expired = expired.map(|word| {
        candidate(
            "front-proxy-ca-mismatch",
            format!("the certificate of the proxy before the API server may have expired: the API server's log refuses the one with the number {} for that, and does not say whose it is", word.field("serial")),
            Step::command("the end of the proxy's certificate", "openssl x509 -in PROXY_CERT -noout -enddate"),
        )
    });
    let others = [
        candidate(
            "front-proxy-ca-mismatch",
            "the proxy before the API server may show a certificate of another CA than --requestheader-client-ca-file",
            by_log("two entries \"x509: certificate signed by unknown authority, verifying certificate ...\" in the API server's log"),
        ),
        candidate(
            "front-proxy-name-not-allowed",
            "its certificate's common name may not be in --requestheader-allowed-names",
            by_log("\"x509: subject with cn=... is not in the allowed list\" in the API server's log"),
        ),
        candidate(
            "front-proxy-header-missing",
            "it may send no user name in a header of --requestheader-username-headers",
            by_log("\"verifying certificate SN=...\" alone in the API server's log"),
        ),
    ];
    expired.into_iter().chain(others).collect()
}

/// What fits the refusal of an identity provider's token: what was seen from here goes first, what nothing speaks for last.
fn of_issuer(case: &Case<'_>) -> Vec<Candidate> {
    let issuer = case.claim_text("iss").unwrap_or("the issuer");
    let (probes, _) = case.issuer();
    let mut list: Vec<Candidate> = unread(probes).into_iter().collect();
    let faults = probes.tls.seen().map(|tls| tls.faults.as_slice()).unwrap_or_default();
    let dated = |fault: &TlsFault| matches!(fault.kind, TlsFaultKind::Expired | TlsFaultKind::NotYetValid);
    if faults.iter().any(dated) {
        list.push(candidate(
            "issuer-certificate-expired",
            "the issuer's certificate has expired, or is not valid yet, as seen from here; the API server does not take it either",
            by_log("the API server's log says \"x509: certificate has expired or is not yet valid\""),
        ));
    }
    if faults.iter().any(|fault| fault.kind == TlsFaultKind::NameMismatch) {
        list.push(candidate(
            "issuer-certificate-name-mismatch",
            "the certificate that answers at the issuer's name is for other names, as seen from here",
            by_log("the API server's log says \"x509: certificate is valid for\" other names"),
        ));
    }
    let refused = case.discovery_status().filter(|(status, ..)| matches!(status, 401 | 403));
    list.extend(keys_refused(probes).filter(|_| refused.is_none()));
    list.push(candidate(
        "issuer-blocks-control-plane",
        match &refused {
            Some((status, _, false)) => format!("the discovery URL answers {status} from here; if it does so to the control plane too, no token of {issuer} can be judged"),
            Some((status, ..)) => format!("the discovery URL answers {status} to the control plane's User-Agent, and lets this machine through"),
            None if probes.discovery.seen().is_none() => "an allow-list in front of the issuer may refuse the control plane, which comes from other addresses".to_owned(),
            None => "the discovery URL answers here, but an allow-list in front of the issuer may refuse the control plane, which comes from other addresses".to_owned(),
        },
        review("the TokenReview says \"oidc: authenticator not initialized\", or the API server's log says \"oidc authenticator: initializing plugin: 403\""),
    ));
    if faults.iter().any(|fault| !dated(fault) && fault.kind != TlsFaultKind::NameMismatch) {
        list.push(candidate(
            "issuer-certificate-untrusted",
            "this machine's roots do not trust the issuer's certificate; the API server may not either, unless it has --oidc-ca-file",
            Step::text("the API server's log says \"x509: certificate signed by unknown authority\"; or its flag --oidc-ca-file is set, which rules it out"),
        ));
    }
    list.extend([
        candidate(
            "token-issuer-mismatch",
            format!("the API server may be configured for another spelling of {issuer:?} (a slash at the end, http, another host)"),
            Step::command(
                "the configured issuer, compared byte by byte with iss; on Kubernetes 1.36 an admin reads it by",
                "kubectl get --raw /flagz | grep oidc-issuer-url",
            ),
        ),
        candidate(
            "token-audience-mismatch",
            format!("the token's aud is {}; the API server may expect another client id", audience(case)),
            in_words(),
        ),
        candidate(
            "oidc-not-configured",
            "the API server may not be configured for any OIDC issuer",
            Step::command(
                "the flags (--oidc-issuer-url, --authentication-config) say it; on EKS",
                shell!("aws eks list-identity-provider-configs --cluster-name {}", eks::cluster(case)),
            ),
        ),
        candidate(
            "username-claim-missing",
            "the claim that the API server takes the name from may not be in this token",
            in_words(),
        ),
    ]);
    if case.authenticator().is_none() && case.configuration.as_ref().is_some_and(|(known, _)| known.webhook) {
        list.push(candidate(
            "authentication-webhook-down",
            format!("the API server's token webhook may be what knows {issuer}, and may not answer"),
            by_log("the API server's log has lines of webhook.go (\"Failed to make webhook authenticator request\")"),
        ));
    }
    list
}

/// What fits the refusal of a service account's token.
fn of_account(case: &Case<'_>) -> Vec<Candidate> {
    vec![
        candidate(
            "service-account-token-revoked",
            "the service account, Pod or Secret it is bound to may be gone",
            in_words(),
        ),
        candidate(
            "service-account-foreign-cluster",
            "it may be signed by another cluster, or by a key that was rotated away",
            Step::command("its kid is (not) among the cluster's keys", "kubectl get --raw /openid/v1/jwks"),
        ),
        candidate(
            "service-account-audience-mismatch",
            format!("its aud is {}; the API server takes only its own audience", audience(case)),
            in_words(),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::evidence::Evidence;
    use crate::evidence::apiserver::Repeats;
    use crate::report::diagnose;
    use crate::rules::check_all;
    use crate::rules::front::tests::behind_a_proxy;

    #[test]
    fn an_expired_certificate_in_the_log_may_be_the_proxys() {
        let saved = include_str!("../../../testdata/cases/front-proxy-ca-mismatch/evidence.json");
        let mut evidence = behind_a_proxy(saved);
        let Outcome::Seen(log) = &mut evidence.control_plane.log.outcome else { panic!("no log") };
        // Synthetic: as a real API server wrote it of an nginx whose certificate had expired, with other numbers.
        let expired = "x509: certificate has expired or is not yet valid: current time 2026-11-25T17:25:30Z is after 2026-11-24T10:48:24Z";
        let line = format!(
            r#"E1125 17:25:30.654128   30633 authentication.go:75] "Unable to authenticate the request" err="[{expired}, verifying certificate SN=77, SKID=, AKID=C6:60 failed: {expired}]""#
        );
        log.matches.truncate(1);
        log.matches[0].line = line.clone();
        let said = message::recognise(&line).into_iter().find(|found| *found.text == message::CLIENT_CERTIFICATE);
        log.matches[0].fields = said.expect("a text of certificates").fields;
        let found = diagnose(check_all(&Case::new(&evidence)));
        let rejected = found.iter().find(|finding| finding.code == RULE.code).expect("it is refused");
        let first = &rejected.candidates[0];
        assert_eq!(first.code, "front-proxy-ca-mismatch");
        assert!(first.why.contains("may have expired") && first.why.contains("number 77"), "{}", first.why);
    }

    /// A saved run that was healthy, with answers of further connections that were not made then.
    #[test]
    fn a_certificate_that_some_connections_do_not_take() {
        let text = include_str!("../../../testdata/cases/client-certificate/evidence.json");
        let found = |statuses: &[u16]| {
            let mut evidence: Evidence = serde_json::from_str(text).expect("evidence");
            let repeats = Repeats { path: "/version".to_owned(), statuses: statuses.to_vec() };
            evidence.endpoint.repeated.outcome = Outcome::Seen(repeats);
            diagnose(check_all(&Case::new(&evidence))).into_iter().next().map(|first| (first.code, first.confidence.word(), first.title))
        };
        let title = "The client certificate is rejected by some of the API servers behind this address: 2 of 6 connections";
        assert_eq!(found(&[200, 401, 200, 401, 200, 200]), Some((RULE.code, "likely", title.to_owned())));
        assert_eq!(found(&[200; 6]), None);
    }

    /// Saved runs against one API server, with the answers of further connections as real pairs of servers gave them of which
    /// one had another key, or no token file.
    #[test]
    fn a_token_that_some_connections_do_not_take_is_no_stranger() {
        let found = |text: &str, statuses: &[u16]| {
            let mut evidence: Evidence = serde_json::from_str(text).expect("evidence");
            let repeats = Repeats { path: "/version".to_owned(), statuses: statuses.to_vec() };
            evidence.endpoint.repeated.outcome = Outcome::Seen(repeats);
            diagnose(check_all(&Case::new(&evidence)))
        };
        let some = [200, 401, 200, 401, 200, 401];
        for (text, alone) in [
            (include_str!("../../../testdata/cases/service-account-foreign-cluster/evidence.json"), "service-account-foreign-cluster"),
            (include_str!("../../../testdata/cases/static-token-unknown/evidence.json"), "static-token-unknown"),
            (include_str!("../../../testdata/cases/bootstrap-tokens-off/evidence.json"), "bootstrap-token-invalid"),
        ] {
            let both = found(text, &some);
            assert_eq!((both[0].code, both[0].confidence), (RULE.code, Confidence::Likely));
            assert!(both[0].title.contains("The token is rejected by some") && both[0].title.contains("3 of 6"), "{}", both[0].title);
            assert!(both.iter().all(|finding| finding.code != alone), "{alone}");
            assert_eq!(found(text, &[401; 6])[0].code, alone);
        }
        // This run's own requests may all have met the server that takes it.
        let healthy = include_str!("../../../testdata/cases/service-account/evidence.json");
        let met = found(healthy, &some);
        assert_eq!(met[0].code, RULE.code);
        assert_eq!(met[0].candidates[0].code, "service-account-foreign-cluster");
        assert!(found(healthy, &[200; 6]).is_empty());
    }

    /// A real token, and a configuration that the server did not have: a uid claim that the token lacks, or groups that are
    /// elsewhere, as Entra ID writes them. Both were met on a real server with other names.
    #[test]
    fn what_the_configuration_alone_says_is_told() {
        let text = include_str!("../../../testdata/cases/token-audience-mismatch/evidence.json");
        let found = |uid: bool| {
            let mut evidence: serde_json::Value = serde_json::from_str(text).expect("evidence");
            let at_rest = |what: &str, value: serde_json::Value| json!({ "startedMs": 0, "tookMs": 0, what: value });
            let mut mappings =
                json!({ "username": { "claim": "sub", "prefix": "" }, "groups": { "claim": "groups", "prefix": "" } });
            let claims = &mut evidence["credential"]["seen"]["token"]["claims"];
            if uid {
                mappings["uid"] = json!({ "claim": "oid" });
            } else {
                claims.as_object_mut().expect("claims").remove("groups");
                claims["_claim_names"] = json!({ "groups": "src1" });
                claims["_claim_sources"] = json!({ "src1": { "endpoint": "https://graph.windows.net/x/getMemberObjects" } });
            }
            let file = json!({ "apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthenticationConfiguration", "jwt": [{
                "issuer": { "url": "https://localhost:42333/realms/platform", "audiences": ["account-portal"] },
                "claimMappings": mappings }] });
            for name in ["tokenReview", "flagz", "metrics"] {
                evidence["controlPlane"][name] = at_rest("notApplicable", json!("not asked"));
            }
            evidence["controlPlane"]["configuration"] =
                at_rest("seen", json!({ "source": "auth.yaml", "flags": {}, "authenticationConfiguration": file }));
            let evidence: Evidence = serde_json::from_value(evidence).expect("evidence");
            check(&Case::new(&evidence)).pop().expect("the finding")
        };
        let told = found(true);
        assert!(told.why.contains(r#"oidc: parse uid claim "oid": claim not present"#), "{}", told.why);
        assert!(told.cites.iter().any(|cite| cite.path == "/controlPlane/configuration/seen"), "{:?}", told.cites);
        let codes = |finding: &Finding| -> Vec<&'static str> { finding.candidates.iter().map(|one| one.code).collect() };
        let refuted = ["token-issuer-mismatch", "token-audience-mismatch", "oidc-not-configured", "username-claim-missing"];
        assert!(codes(&told).iter().all(|code| !refuted.contains(code)), "{:?}", codes(&told));
        let overage = found(false);
        assert_eq!(codes(&overage)[0], "groups-overage");
        assert!(codes(&overage).iter().all(|code| !refuted.contains(code)), "{:?}", codes(&overage));
    }
}
