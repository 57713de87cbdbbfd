//! The token was sent and did not arrive.

use crate::apiserver::message;
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::way::host;
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "authorization-header-stripped",
    severity: Severity::Error,
    title: "Something on the way takes the Authorization header off",
    page: Page {
        means: "A bearer token was sent, and the API server saw a request without any credential. A token that it does not like gives 401; only one that never arrived gives system:anonymous. \
            A proxy or balancer between drops the header (a reverse proxy that authenticates people itself, a service mesh, nginx with proxy_set_header Authorization \"\"), or it was lost in a redirect.",
        evidence: "The request carried a bearer token; the API server names the user system:anonymous, in a SelfSubjectReview or a 403. In the audit log: \"Authentication failed, no credentials provided\".",
        fix: "Have the proxy pass Authorization on; or use the API server's own endpoint. `kubectl config set-cluster CLUSTER --server=https://API_SERVER:6443` goes past the proxy.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/authentication/#anonymous-requests",
    },
    recognises: &[&message::NO_CREDENTIALS_PROVIDED],
    explains: &["anonymous-request", "rbac-no-grant", "tls-terminated-before-api-server"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(credential) = case.evidence.credential.seen() else { return Vec::new() };
    // White space before or in the token makes it count as none where it does arrive.
    let Some(token) = credential.token.as_ref().filter(|token| token.length > 0) else { return Vec::new() };
    if token.problems.iter().any(|problem| problem.detail.contains("white space") || problem.detail.contains("space")) {
        return Vec::new();
    }
    // Over plain HTTP no token is sent at all; and somebody may ask to be taken for nobody.
    let sent = case.evidence.endpoint.route.seen().is_some_and(|route| route.scheme == "https");
    let user = case.evidence.kubeconfig.seen().and_then(|kubeconfig| kubeconfig.user.as_ref());
    if !sent || user.is_some_and(|user| user.impersonate.is_some()) {
        return Vec::new();
    }
    let Some(cite) = case.anonymous() else { return Vec::new() };
    let server = case.evidence.endpoint.authenticated.seen().and_then(|answer| answer.server.clone());
    let by = server.as_ref().map_or_else(String::new, |server| format!(" What answers here calls itself {server:?}."));
    let mut finding = RULE
        .finding(
            Confidence::Certain,
            format!("A bearer token of {} bytes was sent, and the API server saw none: a token that arrives is accepted or answered 401, never taken for system:anonymous.{by}", token.length),
            cite,
            Step::manifest(
                format!("Have what answers at {} pass the header on; in nginx", host(case)),
                "proxy_set_header Authorization $http_authorization;\n",
            ),
        )
        .step(Step::text("Or use the API server's own address in the kubeconfig, past the proxy."))
        .cite(seen("/credential/seen/token/length", format!("a token of {} bytes from {}", token.length, credential.origin)))
        .cite_if(case.terminated());
    if let Some(server) = server {
        finding = finding.cite(seen("/endpoint/authenticated/seen/server", format!("Server: {server}")));
    }
    vec![finding]
}
