//! The API server, or the balancer before it, answers 5xx.

use crate::apiserver::message::{self, heard, tools};
use crate::report::{Confidence, Finding, Severity, Step, probed};
use crate::rules::answerer::balancer;
use crate::rules::unserved::{Came, Spread, Unserved, again, unserved};
use crate::rules::{Case, Page, Rule, clip};
use crate::text::one_line;

/// The rule.
pub static RULE: Rule = Rule {
    code: "api-unavailable",
    severity: Severity::Error,
    title: "The API server is not ready",
    page: Page {
        means: "The way is open, but the answer is a server error: no healthy API server behind the balancer, or one that is still starting or has lost etcd.",
        evidence: "The status and body of GET /version, and of the requests after it. Further connections, made where one is answered so, tell whether each is.",
        fix: "Wait for a start to end; else look at the API server's own log and at etcd. `kubectl get --raw /readyz?verbose` names what is not ready.",
        references: "https://kubernetes.io/docs/reference/using-api/health-checks/",
    },
    recognises: &[&heard::SERVER_ERROR, &heard::PAGE, &tools::ETCD, &tools::LENS],
    explains: &["credential-rejected", "anonymous-request"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let answer = case.evidence.endpoint.anonymous.seen().filter(|answer| answer.status >= 500);
    // That somebody with more rights has the token reviewed lets nobody in.
    let endpoint = &case.evidence.endpoint;
    let served = case.evidence.identity.seen().is_some() || endpoint.authenticated.seen().is_some_and(|answer| answer.status < 500);
    let (Some(answer), false) = (answer, (case.accepted() && served) || answered_elsewhere(case)) else {
        return some_busy(case).into_iter().collect();
    };
    // An authorizer that cannot decide is no server that is not ready.
    if message::recognise(&answer.body).iter().any(|found| found.text == &message::AUTHORIZATION_ERROR) {
        return Vec::new();
    }
    let first = probed("/endpoint/anonymous/seen/status", format!("{} {}", answer.status, answer.reason));
    if answer.body.starts_with("Internal Server Error: \"/") {
        return vec![RULE
            .finding(
                Confidence::Likely,
                format!("The API server itself answers GET /version with an internal error: {}", clip(&answer.body, 240)),
                first,
                Step::command("Ask its parts which one is not ready", "kubectl get --raw '/readyz?verbose'"),
            )
            .titled("The API server answers with an internal error")
            .step(Step::text("Where all are, its log holds the same error for the same moment (Unhandled Error), with what led to it."))];
    }
    let Some((who, meaning)) = balancer(answer) else {
        return vec![RULE.finding(
            Confidence::Certain,
            format!("GET /version was answered {} {}: {}", answer.status, answer.reason, clip(&answer.body, 120)),
            first,
            Step::command("Ask its parts which one is not ready", "kubectl get --raw '/readyz?verbose'"),
        )];
    };
    let mut finding = RULE
        .finding(
            Confidence::Certain,
            format!("The answer to GET /version is {} {}, and not the API server's: {who} stands before it, and this status means that {meaning}.", answer.status, answer.reason),
            first,
            Step::text("Look at the health of its targets: whether the API servers run, listen on the target port, pass the health check (path /readyz, protocol HTTPS), and may be reached from it."),
        )
        .titled("What stands before the API server has no answer from it");
    if who.starts_with("an AWS") {
        finding = finding.step(Step::command("On AWS", "aws elbv2 describe-target-health --target-group-arn TARGET_GROUP_ARN"));
    }
    if !answer.body.is_empty() {
        finding = finding.cite(probed("/endpoint/anonymous/seen/body", clip(&one_line(&answer.body), 120)));
    }
    vec![finding]
}

/// An API server answers on other connections.
fn answered_elsewhere(case: &Case<'_>) -> bool {
    again(case).is_some_and(|(served, ..)| served > 0)
}

/// Some requests are answered with a server error, and others by an API server.
fn some_busy(case: &Case<'_>) -> Option<Finding> {
    let unserved = unserved(case, |came| matches!(came, Came::Busy(500.., said) if !names_another(said)))?;
    let Came::Busy(status, _) = unserved.came else { return None };
    if unserved.spread == Spread::Every {
        return None;
    }
    Some(unserved.finding(&RULE, case, &format!("answered {status}"), words(case, &unserved)))
}

fn words(case: &Case<'_>, unserved: &Unserved<'_>) -> String {
    let endpoint = &case.evidence.endpoint;
    let answers = [endpoint.anonymous.seen(), endpoint.authenticated.seen()];
    let who = answers.into_iter().flatten().filter(|answer| answer.status >= 500).find_map(balancer);
    let who = who.map_or_else(String::new, |(who, meaning)| {
        format!(" That answer is not the API server's: {who} stands before it, and the status means that {meaning}.")
    });
    format!("{}.{who}", unserved.what())
}

/// The server's words are about somebody whom it asks: another finding.
fn names_another(said: &str) -> bool {
    ["webhook", "evaluation error", "authorizer"].iter().any(|mark| said.contains(mark))
}
