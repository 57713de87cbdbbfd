//! Requests of this run that no API server answered: which of them, what they have in common, and how that is told.

use super::{Case, Rule, clip};
use crate::apiserver::message;
use crate::evidence::apiserver::{HttpAnswer, Try};
use crate::evidence::{Failure, FailureKind, Observation, Outcome};
use crate::report::shell::shell;
use crate::report::{Citation, Confidence, Finding, Severity, Step, probed, seen};
use crate::text::one_line;

/// What came of one request, after the way to the server was open.
#[derive(Debug, Clone, Copy)]
pub enum Came<'e> {
    /// An API server answered, whatever it said.
    Served,
    /// Somebody is too busy or broken to answer: the status, and what was said.
    Busy(u16, &'e str),
    /// Something answered that is no API server: what it said.
    Foreign(&'e str),
    /// No answer came, after so many milliseconds.
    Broken(&'e Failure, u64),
}

impl Came<'_> {
    fn is_served(&self) -> bool {
        matches!(self, Self::Served)
    }
}

/// One request of this run to the API server.
#[derive(Debug, Clone, Copy)]
struct Request<'e> {
    which: Which,
    came: Came<'e>,
}

/// Which request it is, in the order in which they are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    Anonymous,
    Authenticated,
    Identity,
}

impl Which {
    fn words(self) -> &'static str {
        match self {
            Self::Anonymous => "GET /version without the credential",
            Self::Authenticated => "GET /version with the credential",
            Self::Identity => "the POST of a SelfSubjectReview",
        }
    }
}

/// The requests that were sent, each of which needs an answer of its own.
fn requests<'e>(case: &Case<'e>) -> Vec<Request<'e>> {
    fn get(which: Which, observation: &Observation<HttpAnswer>) -> Option<Request<'_>> {
        let came = match &observation.outcome {
            Outcome::Seen(answer) if answer.status >= 500 || answer.status == 429 => {
                Came::Busy(answer.status, &answer.body)
            }
            Outcome::Seen(answer) if answer.is_of_kubernetes() => Came::Served,
            Outcome::Seen(answer) => Came::Foreign(&answer.body),
            Outcome::Failed(failure) => Came::Broken(failure, observation.took_ms),
            _ => return None,
        };
        Some(Request { which, came })
    }
    let evidence = case.evidence;
    let review = match &evidence.identity.outcome {
        Outcome::Seen(_) => Some(Came::Served),
        Outcome::Failed(failure) => Some(match failure.kind {
            FailureKind::Unauthorized | FailureKind::Unsupported => Came::Served,
            FailureKind::Forbidden if is_foreign(&failure.detail) => Came::Foreign(&failure.detail),
            FailureKind::Forbidden => Came::Served,
            FailureKind::Http => match failure.detail.get(..3).and_then(|status| status.parse::<u16>().ok()) {
                Some(status) if status >= 500 || status == 429 => Came::Busy(status, &failure.detail),
                _ => Came::Foreign(&failure.detail),
            },
            FailureKind::Protocol if failure.detail.starts_with("the answer is no") => {
                Came::Foreign(failure.seen.as_deref().unwrap_or(&failure.detail))
            }
            _ => Came::Broken(failure, evidence.identity.took_ms),
        }),
        _ => None,
    };
    let mut requests: Vec<Request<'e>> = [
        get(Which::Anonymous, &evidence.endpoint.anonymous),
        get(Which::Authenticated, &evidence.endpoint.authenticated),
        review.map(|came| Request { which: Which::Identity, came }),
    ]
    .into_iter()
    .flatten()
    .collect();
    // Where nobody is answered without a client certificate, or without a login to what stands before the API server,
    // the requests with the credential are the ones that count.
    let later = |request: &Request<'_>| request.which != Which::Anonymous && request.came.is_served();
    if requests.iter().any(later) {
        requests.retain(|request| {
            request.which != Which::Anonymous || matches!(request.came, Came::Served | Came::Busy(..))
        });
    }
    requests
}

/// A refusal with 403 that is no word of an API server's: a page for people, nothing at all, or kubectl proxy's one word.
fn is_foreign(detail: &str) -> bool {
    let body = detail.split_once(':').map_or("", |(_, body)| body).trim().to_lowercase();
    (body.starts_with('<') || body.is_empty() || body == "forbidden") && message::forbidden(detail).is_none()
}

/// Which of the requests get no answer of an API server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spread {
    /// All of them.
    Every,
    /// Those that carry the credential, and no others, over many connections.
    Credential,
    /// Those that are no GET, likewise.
    Posts,
    /// Those of other paths than `/version`, likewise.
    Paths,
    /// Some, and what they have in common is not seen.
    Some,
}

/// Requests that got no answer of an API server.
#[derive(Debug, Clone)]
pub struct Unserved<'e> {
    /// What came of the first one.
    pub came: Came<'e>,
    /// Which ones.
    pub spread: Spread,
    /// How many, of how many, with the further connections that were tried.
    pub bad: usize,
    /// All of them.
    pub all: usize,
    which: Which,
    earlier: Option<Which>,
    again: Option<Citation>,
    /// Further connections fared differently among themselves.
    mixed: bool,
    signed_in: bool,
}

/// What became of the further connections that were tried where one was broken off: how many were served, of how many.
pub fn again(case: &Case<'_>) -> Option<(usize, usize, Citation)> {
    let tries = case.evidence.endpoint.again.seen()?.tries.as_slice();
    if tries.is_empty() {
        return None;
    }
    let served = tries.iter().filter(|one| one.served).count();
    let other = tries.iter().find(|one| !one.served).map(|one| match one {
        Try { failure: Some(failure), .. } => failure.detail.clone(),
        Try { status: Some(status), .. } => format!("answered {status} by something else"),
        Try { .. } => "no answer".to_owned(),
    });
    let words = other.map_or_else(String::new, |other| format!(" ({other})"));
    let text = format!("of {} further connections an API server answered {served}{words}", tries.len());
    Some((served, tries.len(), probed("/endpoint/again/seen/tries", text)))
}

/// What is to be said of the requests that no API server answered, where the first of them came to something that `fits`.
pub fn unserved<'e>(case: &Case<'e>, fits: fn(&Came<'e>) -> bool) -> Option<Unserved<'e>> {
    let requests = requests(case);
    let first = *requests.iter().find(|request| !request.came.is_served()).filter(|request| fits(&request.came))?;
    let served = |which: Which| requests.iter().any(|request| request.which == which && request.came.is_served());
    let sent = |which: Which| requests.iter().any(|request| request.which == which);
    let again = again(case);
    let (good, tried) = again.as_ref().map_or((0, 0), |(good, tried, _)| (*good, *tried));
    let earlier = [Which::Anonymous, Which::Authenticated, Which::Identity].into_iter().find(|which| served(*which));
    // Whoever refuses everybody without the credential and serves those with it does so on purpose.
    if first.which == Which::Anonymous && earlier.is_some() && good == 0 {
        return None;
    }
    let posts = case.evidence.endpoint.again.seen().map(|again| again.posts.as_slice()).unwrap_or_default();
    let refused = posts.iter().filter(|one| !one.served).count();
    let always = tried > 0 && good == tried;
    let failed = |which: Which| sent(which) && !served(which);
    // Without a credential there is one GET less.
    let gets = served(Which::Authenticated) || !sent(Which::Authenticated) && served(Which::Anonymous);
    let other = case.evidence.endpoint.again.seen().and_then(|again| again.other_path.as_ref());
    let kept = other.is_some_and(|one| !one.served);
    let spread = if earlier.is_none() && good == 0 {
        Spread::Every
    } else if always && gets && kept && failed(Which::Identity) && refused > 0 && refused == posts.len() {
        Spread::Paths
    } else if always && gets && failed(Which::Identity) && refused > 0 && refused == posts.len() {
        Spread::Posts
    } else if always && served(Which::Anonymous) && failed(Which::Authenticated) && failed(Which::Identity) {
        Spread::Credential
    } else {
        Spread::Some
    };
    Some(Unserved {
        came: first.came,
        spread,
        bad: requests.iter().filter(|request| !request.came.is_served()).count() + tried - good + refused,
        all: requests.len() + tried + posts.len(),
        which: first.which,
        earlier,
        mixed: good > 0 && good < tried,
        again: again.map(|(_, _, cite)| cite),
        signed_in: case.evidence.identity.seen().is_some(),
    })
}

impl Unserved<'_> {
    /// The problem in one line; `verb` says how the requests fare: `closed without an answer`.
    pub fn title(&self, verb: &str) -> String {
        match self.spread {
            Spread::Every => format!("Requests to the API server are {verb}"),
            Spread::Credential => format!("Requests that carry the credential are {verb}"),
            Spread::Posts => format!("POST requests to the API server are {verb}"),
            Spread::Paths => format!("Requests to the API server for other paths than /version are {verb}"),
            Spread::Some => {
                format!("Some requests to the API server are {verb}: {} of {} fail", self.bad, self.all)
            }
        }
    }

    /// Which requests fare so, and what that makes of the cause.
    pub fn what(&self) -> String {
        let which = self.which.words();
        let earlier = self.earlier.map_or("another connection", Which::words);
        match self.spread {
            Spread::Every if self.again.is_some() => {
                format!("No request of {} was answered by an API server; the first one was {which}", self.all)
            }
            Spread::Every => format!("{which} was the first request, and the connection was up to there"),
            Spread::Credential => format!(
                "{} is answered on every connection that was tried, and no request that carries the credential is",
                Which::Anonymous.words()
            ),
            Spread::Posts => format!(
                "GET requests are answered, with the credential as well, on every connection that was tried; {which} is not, nor is a POST without the credential: something before the API server that lets no POST through (a web application firewall, a filtering proxy) does so"
            ),
            Spread::Paths => format!(
                "GET /version is answered, on every connection that was tried; {which} is not, nor are a POST and GET /api without the credential: something before the API server that lets certain paths alone through (a web application firewall, a filtering proxy) does so"
            ),
            Spread::Some if self.mixed => format!(
                "{which} was not answered by an API server, and others were: {} of {} requests failed. So it depends on the connection, most likely on which of several API servers, balancers or addresses it leads to, one of which is bad",
                self.bad, self.all
            ),
            Spread::Some => format!(
                "{earlier} was answered by an API server, and {which} was not: {} of {} requests failed. A balancer with a bad target among its API servers does so, and so does something on the way that lets certain requests (a POST, or one with this credential) not through",
                self.bad, self.all
            ),
        }
    }

    /// How sure that is: what was seen again and again, and not once, is.
    pub fn confidence(&self) -> Confidence {
        match (&self.again, self.spread) {
            (Some(_), Spread::Every) => Confidence::Certain,
            _ => Confidence::Likely,
        }
    }

    /// Where the first of them stands in the evidence, with what came of it.
    pub fn cite(&self) -> Citation {
        let place = match self.which {
            Which::Anonymous => "/endpoint/anonymous",
            Which::Authenticated => "/endpoint/authenticated",
            Which::Identity => "/identity",
        };
        let which = self.which.words();
        match self.came {
            Came::Broken(failure, _) => {
                let words = failure.seen.as_ref().map_or_else(String::new, |words| format!(" ({words})"));
                probed(format!("{place}/failed/detail"), format!("{which}: {}{words}", failure.detail))
            }
            Came::Busy(..) | Came::Foreign(_) | Came::Served if self.which == Which::Identity => {
                let said = match self.came {
                    Came::Busy(_, said) | Came::Foreign(said) => said,
                    _ => "",
                };
                seen(format!("{place}/failed/detail"), format!("{which}: {}", clip(&one_line(said), 200)))
            }
            Came::Busy(status, said) => {
                let said = clip(&one_line(said), 160);
                probed(format!("{place}/seen/status"), format!("{which}: {status} {said}").trim_end().to_owned())
            }
            Came::Foreign(said) => probed(format!("{place}/seen"), format!("{which}: {}", clip(&one_line(said), 160))),
            Came::Served => probed(place, which),
        }
    }

    /// The finding of a rule; `verb` as in [`Unserved::title`].
    pub fn finding(&self, rule: &Rule, case: &Case<'_>, verb: &str, why: impl Into<String>) -> Finding {
        let mut steps = self.steps(case).into_iter();
        let first = steps.next().unwrap_or_else(|| compare(case));
        let mut finding = rule
            .finding(self.confidence(), why, self.cite(), first)
            .titled(self.title(verb))
            .steps(steps)
            .cite_if(self.again.clone());
        // Whoever is known to the server came through.
        if self.signed_in {
            finding.severity = Severity::Warning;
        }
        finding
    }

    fn steps(&self, case: &Case<'_>) -> Vec<Step> {
        let targets = Step::text(
            "Look at each target behind the load balancer that carries the API server's name, and at the API servers themselves: whether each of them runs, answers /readyz and logs the request. Take a bad one out.",
        );
        match self.spread {
            Spread::Every | Spread::Some => vec![compare(case), targets],
            Spread::Credential => vec![
                Step::command(
                    "See where a request with the credential ends, and after how long",
                    "kubectl get --raw /version -v=6",
                ),
                Step::text(
                    "Look for this request in the API server's own log: if it is there, the API server has trouble with it; if not, something before it does not pass it on.",
                ),
            ],
            Spread::Paths => vec![
                Step::command("See what answers", "kubectl get --raw /api -v=8"),
                Step::text(
                    "Have the API server's name exempted in what filters requests before it (web application firewall, filtering proxy): kubectl needs /api, /apis, /openapi and /version with all below them, and GET, POST, PUT, PATCH and DELETE.",
                ),
            ],
            Spread::Posts => vec![
                Step::command("See what answers a POST", "kubectl auth whoami -v=8"),
                Step::text(
                    "Have the API server's name exempted in what filters requests before it (web application firewall, filtering proxy; kubectl proxy with --reject-methods): kubectl needs GET, POST, PUT, PATCH and DELETE.",
                ),
            ],
        }
    }
}

/// How to see whether every connection fares alike.
pub fn compare(case: &Case<'_>) -> Step {
    let url = case.evidence.endpoint.route.seen().map_or("https://HOST:6443", |route| route.url.as_str());
    Step::command(
        "See whether every connection fares alike (each line is one; 000 is one without an answer, 200, 401 and 403 are an API server's)",
        shell!(
            "for i in 1 2 3 4 5 6 7 8 9 10; do curl -sk -m 5 -o /dev/null -w '%{{http_code}}\\n' {}/version; done",
            url.trim_end_matches('/')
        ),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::evidence::Evidence;
    use crate::report::diagnose;
    use crate::rules::check_all;

    const ANSWERED: &str = include_str!("../../testdata/cases/api-connection-answered/evidence.json");

    /// A run in which everything was answered, with these parts of it changed.
    fn run(changes: &[(&str, Value)]) -> Evidence {
        let mut all: Value = serde_json::from_str(ANSWERED).unwrap();
        for (place, value) in changes {
            let (parent, name) = place.rsplit_once('/').unwrap();
            all.pointer_mut(parent).unwrap()[name] = value.clone();
        }
        serde_json::from_value(all).unwrap()
    }

    fn failed(kind: &str, detail: &str) -> Value {
        json!({ "startedMs": 0, "tookMs": 8000, "failed": { "kind": kind, "detail": detail } })
    }

    /// Further connections, of which so many were served.
    fn tried(served: usize, all: usize) -> Value {
        tried_with(served, all, 3)
    }

    /// The same, and three POSTs, of which so many were served.
    fn tried_with(served: usize, all: usize, posts: usize) -> Value {
        let one = |served: bool| match served {
            true => json!({ "status": 200, "served": true }),
            false => json!({ "served": false, "failure": { "kind": "closed", "detail": "reset" } }),
        };
        let tries: Vec<Value> = (0..all).map(|index| one(index < served)).collect();
        let posts: Vec<Value> = (0..3).map(|index| one(index < posts)).collect();
        json!({ "startedMs": 0, "tookMs": 1, "seen": { "path": "/version", "tries": tries, "posts": posts } })
    }

    /// What is found first: code, severity, confidence and title.
    fn found(evidence: &Evidence) -> Option<(&'static str, &'static str, &'static str, String)> {
        let case = Case::new(evidence);
        let first = diagnose(check_all(&case)).into_iter().next()?;
        Some((first.code, first.severity.word(), first.confidence.word(), first.title))
    }

    #[test]
    fn what_fails_on_some_connections_is_told_from_what_fails_always() {
        assert_eq!(found(&run(&[])), None);
        let closed = || failed("closed", "127.0.0.1:1 reset the connection");
        let skipped =
            || json!({ "startedMs": 0, "tookMs": 0, "skipped": { "because": "endpoint-anonymous", "text": "reset" } });
        let cut = |tries: Value| {
            run(&[
                ("/endpoint/anonymous", closed()),
                ("/endpoint/authenticated", skipped()),
                ("/identity", skipped()),
                ("/access", skipped()),
                ("/endpoint/again", tries),
            ])
        };
        for (evidence, confidence, title) in [
            (cut(tried_with(0, 6, 0)), "certain", "Requests to the API server are closed without an answer"),
            (cut(tried(4, 6)), "likely", "Some requests to the API server are closed without an answer: 3 of 10 fail"),
            (
                run(&[("/identity", closed()), ("/access", skipped()), ("/endpoint/again", tried_with(6, 6, 0))]),
                "likely",
                "POST requests to the API server are closed without an answer",
            ),
            (
                run(&[("/identity", closed()), ("/access", skipped()), ("/endpoint/again", tried(4, 6))]),
                "likely",
                "Some requests to the API server are closed without an answer: 3 of 12 fail",
            ),
            (
                run(&[("/identity", closed()), ("/access", skipped()), ("/endpoint/again", tried(6, 6))]),
                "likely",
                "Some requests to the API server are closed without an answer: 1 of 12 fail",
            ),
            (
                run(&[
                    ("/endpoint/authenticated", closed()),
                    ("/identity", closed()),
                    ("/access", skipped()),
                    ("/endpoint/again", tried(6, 6)),
                ]),
                "likely",
                "Requests that carry the credential are closed without an answer",
            ),
        ] {
            let expected = ("api-connection-closed", "error", confidence, title.to_owned());
            assert_eq!(found(&evidence), Some(expected));
        }
    }

    #[test]
    fn a_request_with_the_credential_that_hangs_is_the_api_server_asking_somebody() {
        let silent = || failed("timeout", "no answer within 8.0 s");
        let evidence = run(&[
            ("/endpoint/authenticated", silent()),
            ("/identity", silent()),
            ("/access", failed("timeout", "no answer within 8.0 s")),
            ("/endpoint/again", tried(6, 6)),
        ]);
        let case = Case::new(&evidence);
        let findings = diagnose(check_all(&case));
        let first = findings.first().unwrap();
        assert_eq!(first.code, "api-connection-timeout");
        assert_eq!(first.title, "Requests that carry the credential are not answered in time");
        assert_eq!(first.candidates.first().map(|candidate| candidate.code), Some("authentication-webhook-down"));
    }

    #[test]
    fn a_credential_that_only_some_servers_refuse_is_told() {
        let refused = || failed("unauthorized", "401 Unauthorized: Unauthorized");
        let (code, severity, confidence, title) = found(&run(&[("/rbac", refused())])).unwrap();
        assert_eq!((code, severity, confidence), ("credential-rejected", "error", "likely"));
        assert!(title.contains("by some of the API servers behind this address: 1 of "), "{title}");
        // Something before the API server may keep these two for itself.
        assert_eq!(found(&run(&[("/controlPlane/metrics", refused()), ("/controlPlane/flagz", refused())])), None);
    }

    #[test]
    fn posts_that_kubectl_proxy_rejects_are_told() {
        let without = json!({ "startedMs": 0, "tookMs": 0, "notApplicable": "there is no credential to compare with" });
        let evidence = run(&[
            ("/endpoint/authenticated", without),
            ("/identity", failed("forbidden", "403 Forbidden: Forbidden")),
            ("/access", failed("forbidden", "403 Forbidden: Forbidden")),
            ("/endpoint/again", tried_with(6, 6, 0)),
        ]);
        let title = "POST requests to the API server are answered by something else".to_owned();
        assert_eq!(found(&evidence), Some(("not-a-kubernetes-api", "error", "likely", title)));
    }

    #[test]
    fn gets_that_are_kept_back_as_well_are_told() {
        let refused = json!({ "status": 403, "served": false });
        let served = json!({ "status": 403, "served": true });
        let evidence = |other: Value| {
            let mut again = tried_with(6, 6, 0);
            again["seen"]["otherPath"] = other;
            let page = "403 Forbidden: <html><head><title>403 Forbidden</title></head></html>";
            run(&[
                ("/identity", failed("forbidden", page)),
                ("/access", failed("forbidden", page)),
                ("/endpoint/again", again),
            ])
        };
        for (other, title) in [
            (refused, "Requests to the API server for other paths than /version are answered by something else"),
            (served, "POST requests to the API server are answered by something else"),
        ] {
            let expected = ("not-a-kubernetes-api", "error", "likely", title.to_owned());
            assert_eq!(found(&evidence(other)), Some(expected));
        }
    }

    #[test]
    fn whoever_came_through_all_the_same_is_warned() {
        let evidence = run(&[
            ("/endpoint/tls/seen/brokenBefore", json!("127.0.0.1:1 reset the connection during the TLS handshake")),
            ("/endpoint/again", tried(5, 6)),
        ]);
        let title = "Some connections to the API server are closed again".to_owned();
        assert_eq!(found(&evidence), Some(("api-connection-closed", "warning", "likely", title)));
        let once = run(&[("/endpoint/authenticated", failed("closed", "reset")), ("/endpoint/again", tried(6, 6))]);
        let (code, severity, ..) = found(&once).unwrap();
        assert_eq!((code, severity), ("api-connection-closed", "warning"));
    }

    #[test]
    fn a_handshake_that_was_broken_off_is_no_dead_balancer_where_others_are_made() {
        let broken = |tries: Value| {
            let skipped =
                || json!({ "startedMs": 0, "tookMs": 0, "skipped": { "because": "endpoint-tls", "text": "reset" } });
            run(&[
                ("/endpoint/tls", failed("closed", "127.0.0.1:1 reset the connection during the TLS handshake")),
                ("/endpoint/anonymous", skipped()),
                ("/endpoint/authenticated", skipped()),
                ("/identity", skipped()),
                ("/access", skipped()),
                ("/endpoint/again", tries),
            ])
        };
        let title = |evidence: &Evidence| found(evidence).map(|(_, _, confidence, title)| (confidence, title)).unwrap();
        let (confidence, some) = title(&broken(tried(4, 6)));
        assert_eq!((confidence, some.as_str()), ("likely", "Some connections to the API server are closed again"));
        let (confidence, every) = title(&broken(tried(0, 6)));
        assert_eq!((confidence, every.as_str()), ("certain", "The connection is accepted and closed again"));
    }

    #[test]
    fn a_later_server_that_is_not_trusted_is_one_of_several() {
        let detail = "the server's certificate is signed by CN=other, which is not among the kubeconfig roots and was not sent by the server; no credential is sent to a server that is not trusted";
        let skipped = json!({ "startedMs": 0, "tookMs": 0, "skipped": { "because": "identity", "text": "tls" } });
        let evidence =
            run(&[("/identity", failed("tls", detail)), ("/access", skipped), ("/endpoint/again", tried(4, 6))]);
        let (code, severity, confidence, _) = found(&evidence).unwrap();
        assert_eq!((code, severity, confidence), ("cluster-ca-rotated", "error", "likely"));
    }
}
