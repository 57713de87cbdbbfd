//! The credential is too large for what stands before the API server.

use crate::apiserver::message;
use crate::evidence::apiserver::HttpAnswer;
use crate::report::{probed, seen, Confidence, Finding, Severity, Step};
use crate::rules::{Case, Page, Rule};
use crate::rules::way::host;
use crate::text::pointer_part;

/// The rule.
pub static RULE: Rule = Rule {
    code: "request-header-too-large",
    severity: Severity::Error,
    title: "The credential is too large for the proxy before the API server",
    page: Page {
        means: "The token is so long (hundreds of groups, most often) that a balancer or proxy refuses the request before the API server sees it: nginx \"400 Request Header Or Cookie Too Large\", others 431 or a bare 400. \
            kube-apiserver itself takes a megabyte. kubectl says \"the server rejected our request for an unknown reason\".",
        evidence: "The same path is answered without the credential and refused with it, in words that are not Kubernetes'; and the size of the header that was sent.",
        fix: "Put fewer groups into the token (a filter in the identity provider's client), or raise the proxy's limit: nginx large_client_header_buffers, Envoy max_request_headers_kb. `kaccess decode` shows what makes the token large.",
        references: "https://nginx.org/en/docs/http/ngx_http_core_module.html#large_client_header_buffers",
    },
    recognises: &[&message::KUBECTL_HEADER_TOO_LARGE],
    explains: &["credential-rejected"],
    check,
};

/// A header from here on is more than some proxies take, in bytes.
const LARGE: usize = 7_500;

fn check(case: &Case<'_>) -> Vec<Finding> {
    let endpoint = &case.evidence.endpoint;
    let Some(answer) = endpoint.authenticated.seen().filter(|answer| matches!(answer.status, 400 | 413 | 431 | 494)) else {
        return Vec::new();
    };
    // 431 says it by itself, whatever the body is dressed as.
    if answer.is_of_kubernetes() && answer.status != 431 || case.accepted() {
        return Vec::new();
    }
    // Whoever refuses the same request without the credential does so for another reason.
    if endpoint.anonymous.seen().is_some_and(|without| without.status == answer.status && !without.is_of_kubernetes()) {
        return Vec::new();
    }
    let size = answer.sent_header_bytes.unwrap_or_default();
    let words = ["Header Or Cookie Too Large", "Header Fields Too Large", "header too large", "Header Too Long"];
    let said = words.into_iter().find(|words| answer.body.contains(words));
    let passes = endpoint.anonymous.seen().is_some_and(|answer| answer.is_of_kubernetes() || answer.status != 400);
    let confidence = match (said, answer.status) {
        (Some(_), _) | (None, 431 | 494) => Confidence::Certain,
        (None, _) if size >= LARGE && passes => Confidence::Likely,
        // A GET has no body: what is too large is its header.
        (None, 413) if endpoint.anonymous.seen().is_some_and(HttpAnswer::is_served) => Confidence::Likely,
        _ => return Vec::new(),
    };
    let groups = case.token().and_then(|token| {
        let claims = token.claims.as_ref()?.as_object()?;
        let (name, list) = claims.iter().filter_map(|(name, value)| Some((name, value.as_array()?))).max_by_key(|(_, list)| list.len())?;
        let some: Vec<&str> = list.iter().filter_map(serde_json::Value::as_str).take(5).collect();
        (list.len() > 10).then(|| (name.clone(), list.len(), some.join("; ")))
    });
    let what = groups.as_ref().map_or_else(String::new, |(name, length, _)| format!(" The claim {name:?} of its token has {length} entries."));
    let by = answer.server.as_ref().map_or_else(String::new, |server| format!(" ({server})"));
    let mut finding = RULE
        .finding(
            confidence,
            format!("What answers at {}{by} refuses the request with {} {}, and not for what it asks: its credential takes {size} bytes of header.{what}", host(case), answer.status, answer.reason),
            said.map_or_else(
                || probed("/endpoint/authenticated/seen/status", format!("{} with a credential of {size} bytes", answer.status)),
                |words| probed("/endpoint/authenticated/seen/body", format!("{} {words}", answer.status)),
            ),
            Step::text("Have the identity provider put fewer groups into tokens of this client (only those that RBAC uses: a group filter, or roles of the client in place of all groups)."),
        )
        .step(Step::manifest("Or raise the limit of what stands before the API server; in nginx, inside server { }", "large_client_header_buffers 8 64k;\n"))
        .cite(seen("/endpoint/authenticated/seen/sentHeaderBytes", format!("{size} bytes of header carried the credential")));
    if let Some((name, length, some)) = groups {
        finding = finding.cite(seen(format!("/credential/seen/token/claims/{}", pointer_part(&name)), format!("{name} has {length} entries: {some}; …")));
    }
    vec![finding]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{Evidence, Outcome};

    /// A saved refusal of Go's server; synthetic in its body, which is that of a front that dresses its errors as Kubernetes
    /// does.
    #[test]
    fn what_431_says_it_says_in_any_dress() {
        let text = include_str!("../../../testdata/cases/request-header-too-large-go/evidence.json");
        let mut evidence: Evidence = serde_json::from_str(text).expect("evidence");
        let plain = check(&Case::new(&evidence));
        assert_eq!(plain.len(), 1);
        let Outcome::Seen(answer) = &mut evidence.endpoint.authenticated.outcome else { panic!("no answer") };
        answer.content_type = Some("application/json".to_owned());
        answer.body = r#"{"kind":"Status","apiVersion":"v1","status":"Failure","code":431}"#.to_owned();
        let found = check(&Case::new(&evidence));
        assert_eq!(found.iter().map(|finding| finding.confidence).collect::<Vec<_>>(), [Confidence::Certain]);
    }
}
