//! The authorization webhook does not answer.

use crate::apiserver::message;
use crate::report::shell::Shell;
use crate::report::{Citation, Confidence, Finding, Severity, Step, seen};
use crate::rules::hook::{self, Fault};
use crate::rules::{Case, Page, Place, Rule, Word, clip};

/// The rule.
pub static RULE: Rule = Rule {
    code: "authorization-webhook-down",
    severity: Severity::Error,
    title: "The authorization webhook does not answer",
    page: Page {
        means: "The API server asks a webhook whether a request is allowed, and gets no verdict: it cannot reach it, or the answer is an error, no SubjectAccessReview, or allows and denies at once, or a matchCondition, which decides whether to ask, fails. What another authorizer allows before still works; everything else ends as an internal error (500) or, by the webhook's failurePolicy, as a refusal.",
        evidence: "The API server's log \"Failed to make webhook authorizer request\", the 500 with the webhook's URL or its fault that the caller gets (kaccess' own requests too), or the same as evaluationError of an access review.",
        fix: "Bring the webhook up; check URL and CA in the file of --authorization-webhook-config-file or --authorization-config, and there the matchConditions (`has(request.resourceAttributes) && ...`) and the version of the review. `curl -v URL` from a control-plane node tries the way.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/webhook/",
    },
    recognises: &[&message::AUTHORIZATION_WEBHOOK, &message::AUTHORIZATION_ERROR, &message::AUTHORIZATION_UNDECIDED],
    explains: &["rbac-no-grant", "api-unavailable", "authorization-webhook-denied"],
    check,
};

/// A webhook that allows and denies at once.
const BOTH: &str = "webhook subject access review returned both";
/// A matchCondition that fails.
const CONDITION: &str = "cel evaluation error: ";

/// The error of an access review is that of a call which failed: only a webhook is called. Go's client says it so when
/// no answer came, when one with another status than 2xx did, and when one was no review; the API server itself where the
/// review or the condition for asking decides nothing.
pub fn failed_call(error: &str) -> bool {
    const STATUS: &[&str] = &[
        "an error on the server (",
        "the server is currently unable to handle the request",
        "the server was unable to return a response in the time allotted",
        "the server has asked for the client to provide credentials",
        "the server could not find the requested resource",
        "the server has received too many requests",
        "the server rejected our request",
        "Internal error occurred: ",
        "context deadline exceeded",
    ];
    let told = |words: &[&str]| words.iter().any(|words| error.contains(words));
    error.contains("Post \"http") || told(STATUS) || told(hook::UNREADABLE) || told(&[BOTH, CONDITION])
}

/// What is wrong with the webhook, or with what the API server asks it by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    /// It does not answer.
    Silent,
    /// It answers with an error.
    Status,
    /// It answers with something that is no review.
    Unreadable,
    /// It allows and denies at once.
    Both,
    /// A matchCondition, which decides whether it is asked, fails.
    Condition,
}

/// What the API server's error means.
fn trouble(error: &str) -> Trouble {
    let error = error.trim_start_matches('[');
    if error.contains(BOTH) {
        Trouble::Both
    } else if error.contains(CONDITION) {
        Trouble::Condition
    } else if hook::fault(error) == Fault::Unreadable {
        Trouble::Unreadable
    } else if error.starts_with("an error on the server (") || error.starts_with("the server ") {
        Trouble::Status
    } else {
        Trouble::Silent
    }
}

/// The error without the words that kubectl wraps the whole in.
fn told(word: &Word) -> &str {
    let error = word.field("error");
    error.strip_suffix("\") has prevented the request from succeeding").unwrap_or(error)
}

/// What the API server answered to requests of this run, where it could not decide about them.
fn answered(case: &Case<'_>) -> Option<(String, Citation)> {
    let evidence = case.evidence;
    let (with, without) = (evidence.endpoint.authenticated.seen(), evidence.endpoint.anonymous.seen());
    let texts = [
        ("/identity/failed/detail", evidence.identity.failed().map(|failure| &failure.detail)),
        ("/access/failed/detail", evidence.access.failed().map(|failure| &failure.detail)),
        ("/endpoint/authenticated/seen/body", with.map(|answer| &answer.body)),
        // Without the credential it is asked about somebody else.
        ("/endpoint/anonymous/seen/body", without.filter(|_| with.is_none()).map(|answer| &answer.body)),
    ];
    texts.into_iter().find_map(|(path, text)| {
        let text = text?;
        let mut found = message::recognise(text);
        found.retain(|found| found.text == &message::AUTHORIZATION_ERROR);
        let error = found.first()?.fields.get("error")?;
        Some((clip(error, 200), seen(path, format!("the API server answers: {}", clip(text, 240)))))
    })
}

/// The command that shows where the webhook should be: its kubeconfig is named by a flag, or in the file of another.
fn place(case: &Case<'_>) -> Shell {
    const OF_FLAG: &str = "grep -E 'server:|certificate-authority' \"$(ps -o args= -C kube-apiserver | grep -oP 'authorization-webhook-config-file=\\K\\S+')\"";
    const OF_FILE: &str = "grep -hE 'server:|certificate-authority' /dev/null $(grep -oP 'kubeConfigFile\"?: *\"?\\K[^\", ]+' \"$(ps -o args= -C kube-apiserver | grep -oP 'authorization-config=\\K\\S+')\")";
    const EITHER: &str = "f=$(ps -o args= -C kube-apiserver | grep -oP 'authorization-(config|webhook-config-file)=\\K\\S+'); grep -hE 'server:|certificate-authority' /dev/null $(grep -oP 'kubeConfigFile\"?: *\"?\\K[^\", ]+' \"$f\" || echo \"$f\")";
    let has = |name: &str| {
        case.flags().is_some_and(|flags| {
            flags.flags.get(name).is_some_and(|values| values.iter().any(|value| !value.is_empty()))
        })
    };
    if has("authorization-config") {
        OF_FILE.into()
    } else if has("authorization-webhook-config-file") {
        OF_FLAG.into()
    } else {
        EITHER.into()
    }
}

fn check(case: &Case<'_>) -> Vec<Finding> {
    let met = case.said(&message::AUTHORIZATION_ERROR).filter(|word| word.place == Place::Met);
    let logged = case
        .said(&message::AUTHORIZATION_WEBHOOK)
        .or_else(|| case.said(&message::AUTHORIZATION_UNDECIDED).filter(|word| word.place == Place::Log));
    // What the log has not told of for minutes is over, or it would be met here too.
    let logged = logged.filter(|word| !word.past);
    let checks = case.evidence.access.seen().map(|access| access.checks.as_slice()).unwrap_or_default();
    // A review that nothing allows carries what the webhook's caller met.
    let review = checks.iter().position(|check| !check.allowed && failed_call(&check.evaluation_error));
    let reviewed = review.map(|index| {
        let error = &checks[index].evaluation_error;
        let path = format!("/access/seen/checks/{index}/evaluationError");
        (clip(error, 200), seen(path, format!("the access review says: {}", clip(error, 240))))
    });
    let answered = answered(case);
    // Only in the log, it may be over.
    let past = met.is_none() && reviewed.is_none() && answered.is_none();
    let Some((error, cite)) = met
        .map(|word| (clip(told(word), 200), word.cite()))
        .or(reviewed)
        .or(answered)
        .or_else(|| logged.map(|word| (clip(told(word), 200), word.cite())))
    else {
        return Vec::new();
    };
    let confidence = match logged {
        Some(word) if past => word.confidence(false),
        _ => Confidence::Certain,
    };
    let begin = "The API server asks a webhook about rights that nothing before it gives";
    let flags = "ps -o args= -C kube-apiserver | tr ' ' '\\n' | grep -E '^--authorization-(config|webhook)'";
    let trouble = trouble(&error);
    let mut finding = match trouble {
        Trouble::Silent | Trouble::Status => RULE
            .finding(
                confidence,
                format!("{begin}, and {} {error}.", if past { "met:" } else { "meets:" }),
                cite,
                Step::command("On a control-plane node, read where the webhook should be, and try it from there", place(case)),
            )
            .step(Step::text("Bring it up again, or correct URL and CA and restart the API server. Members of system:masters, and whoever has the right by RBAC listed before the webhook, can still work meanwhile.")),
        Trouble::Unreadable => {
            let version = match hook::versions(&error) {
                Some((got, asked)) => format!("Have the webhook answer in {asked}, the version it is asked in, or have it asked in {got}"),
                None => "Have the webhook answer with status 200 and the SubjectAccessReview it was sent, in the same apiVersion, its status filled in".to_owned(),
            };
            RULE.finding(
                confidence,
                format!("{begin}, and the answer is no SubjectAccessReview of the version asked for: {error}."),
                cite,
                Step::command(format!("{version} (--authorization-webhook-version, or subjectAccessReviewVersion in the file of --authorization-config); these say where it is asked"), flags),
            )
            .step(Step::text("Read the webhook's own log for the same moment: an error page, a login page and an empty body all look like this."))
        }
        Trouble::Both => RULE.finding(
            confidence,
            format!("{begin}, and the answer sets allowed and denied at once, which counts as an error: {error}."),
            cite,
            Step::text("Have whoever runs the webhook set one of status.allowed and status.denied, or neither where it has no opinion; never both."),
        ),
        Trouble::Condition => RULE
            .finding(
                confidence,
                format!("Before the API server asks its authorization webhook it evaluates that one's matchConditions, and one of them fails: {error}. With failurePolicy Deny that refuses the request; with NoOpinion it does so where nothing else allows it."),
                cite,
                Step::text("In the file of --authorization-config, have the expression ask first whether the field is there, as in has(request.resourceAttributes) && request.resourceAttributes.namespace == 'default': requests for a path, such as /version and /api, have no resourceAttributes. The API server takes the changed file over by itself."),
            )
            .step(Step::command("On a control-plane node, see which file that is", flags)),
    };
    finding = finding.cite_if(logged.filter(|_| !past).map(Word::cite));
    match trouble {
        Trouble::Silent => {}
        Trouble::Status => finding = finding.titled("The authorization webhook answers with an error"),
        Trouble::Unreadable => {
            finding = finding.titled("The authorization webhook's answer is no review that the API server reads")
        }
        Trouble::Both => finding = finding.titled("The authorization webhook allows and denies at once"),
        Trouble::Condition => finding = finding.titled("A matchCondition of the authorization webhook fails"),
    }
    if past {
        finding.severity = Severity::Warning;
    }
    vec![finding]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_the_webhook_is_told_apart() {
        for (error, expected) in [
            (
                r#"Post "http://127.0.0.1:1/x?timeout=3s": dial tcp 127.0.0.1:1: connect: connection refused"#,
                Trouble::Silent,
            ),
            (r#"an error on the server ("unknown") has prevented the request from succeeding"#, Trouble::Status),
            ("couldn't get version/kind; json parse error: unexpected end of JSON input", Trouble::Unreadable),
            ("webhook subject access review returned both allow and deny response", Trouble::Both),
            (
                "cel evaluation error: expression 'request.resourceAttributes.namespace == 'default'' resulted in error: no such key: resourceAttributes",
                Trouble::Condition,
            ),
        ] {
            assert_eq!(trouble(error), expected, "{error}");
            assert!(failed_call(error), "{error}");
        }
        assert!(!failed_call(r#"clusterrole.rbac.authorization.k8s.io "x" not found"#));
    }
}
