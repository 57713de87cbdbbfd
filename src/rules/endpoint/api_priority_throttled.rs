//! API priority and fairness refuses the request.

use crate::apiserver::message;
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::unserved::{Came, Spread, unserved};
use crate::rules::way::met;
use crate::rules::{Case, Page, Rule, clip};

/// The rule.
pub static RULE: Rule = Rule {
    code: "api-priority-throttled",
    severity: Severity::Error,
    title: "The API server throttles you",
    page: Page {
        means: "The API server has more requests of your priority level than it takes, and refuses yours with 429 (API priority and fairness). It is no matter of credentials or rights; a client that floods the server, or a priority level with too few seats, is the cause. An eviction that a disruption budget forbids is a 429 too, and has nothing to do with this.",
        evidence: "The answer 429 with the headers X-Kubernetes-PF-FlowSchema-UID and X-Kubernetes-PF-PriorityLevel-UID. A 429 without them is a balancer's or gateway's, or that of an API server whose priority and fairness is switched off.",
        fix: "Find the client that floods that flow; give the priority level more shares, or the flow a level of its own. `kubectl get --raw /debug/api_priority_and_fairness/dump_priority_levels` shows the queues.",
        references: "https://kubernetes.io/docs/concepts/cluster-administration/flow-control/",
    },
    recognises: &[&message::CLIENT_THROTTLED],
    explains: &["credential-rejected", "anonymous-request", "not-a-kubernetes-api"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let endpoint = &case.evidence.endpoint;
    let answers = [
        (endpoint.authenticated.seen(), "/endpoint/authenticated/seen/flowControl"),
        (endpoint.anonymous.seen(), "/endpoint/anonymous/seen/flowControl"),
    ];
    let flow = answers.into_iter().find_map(|(answer, path)| {
        let answer = answer.filter(|answer| answer.status == 429)?;
        Some((answer, answer.flow_control.as_ref()?, path))
    });
    if let Some((answer, flow, path)) = flow {
        let again = flow.retry_after.as_deref().map(|seconds| format!(" It says to try again after {seconds} s.")).unwrap_or_default();
        return vec![
            RULE.finding(
                Confidence::Certain,
                format!("GET /version was answered 429 by the API server's priority and fairness: the priority level that this request belongs to takes no more.{again}"),
                seen(path, format!("429 {}, filed under the FlowSchema with the UID {}", clip(&answer.body, 80), flow.flow_schema_uid)),
                Step::command(
                    "With a credential of another level (an administrator's is exempt), name the FlowSchema and its level by their UIDs",
                    shell!("kubectl get flowschemas,prioritylevelconfigurations -o custom-columns=KIND:.kind,NAME:.metadata.name,UID:.metadata.uid | grep -e {} -e {}", flow.flow_schema_uid, flow.priority_level_uid),
                ),
            )
            .step(Step::command("See who fills that level", "kubectl get --raw /debug/api_priority_and_fairness/dump_requests")),
        ];
    }
    if let Some(finding) = limited(case) {
        return vec![finding];
    }
    // Without the headers it may be a balancer's as well.
    let Some(word) = met(case, RULE.recognises) else { return Vec::new() };
    vec![RULE.finding(
        Confidence::Possible,
        "The message you met is a 429. The API server's priority and fairness answers so, and so does a balancer or gateway that limits requests; the headers of the answer tell which.",
        word.cite(),
        Step::command(
            "Look for X-Kubernetes-PF headers beside the 429: with them it is the API server",
            "kubectl get --raw /version -v=8 2>&1 | grep -i -e 'Response Status' -e X-Kubernetes-Pf",
        ),
    )]
}

/// A 429 of this run without the headers of priority and fairness.
fn limited(case: &Case<'_>) -> Option<Finding> {
    let unserved = unserved(case, |came| matches!(came, Came::Busy(429, _)))?;
    let Came::Busy(_, said) = unserved.came else { return None };
    // An answer with the headers was told of already; of the review they are not kept.
    let which = match unserved.spread {
        Spread::Every => "Each request of this run was answered 429, after the waits that it asked for".to_owned(),
        _ => unserved.what(),
    };
    // The words of an API server that counts requests in flight, for want of priority and fairness.
    let who = if said.contains("Too many requests, please try again later") {
        "the API server itself says so in these words where priority and fairness is switched off; else something that limits requests before it does"
    } else if unserved.spread == Spread::Every {
        "the headers of the API server's priority and fairness are not in it, so it is most likely a balancer, gateway or web application firewall before the API server that limits requests"
    } else {
        "a balancer, gateway or web application firewall before the API server may limit requests, or the API server's priority and fairness does"
    };
    let mut finding = unserved.finding(&RULE, case, "answered 429 (too many requests)", format!("{which}; {who}."));
    // That there is a limit is seen; whose it is, is not.
    if finding.confidence == Confidence::Certain {
        finding.confidence = Confidence::Likely;
    }
    Some(
        finding
            .step(Step::command(
                "Look for X-Kubernetes-Pf headers beside the 429: with them it is the API server",
                "kubectl get --raw /version -v=8 2>&1 | grep -i -e 'Response Status' -e X-Kubernetes-Pf",
            ))
            .step(Step::text("Have the limit of what stands before the API server raised, or slow down the client that uses it up.")),
    )
}
