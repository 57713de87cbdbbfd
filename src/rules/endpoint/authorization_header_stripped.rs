//! The token was sent and did not arrive.

use crate::apiserver::message;
use crate::evidence::credential::TokenKind;
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
    // Only a token webhook may call somebody so; whether the server has one is mostly not seen, and an opaque token may be
    // its.
    let flag = "authentication-token-webhook-config-file";
    let webhook = case.flag_source(flag).is_some();
    let none = !webhook && case.flags().is_some_and(|flags| flags.complete);
    let refused = case.evidence.control_plane.token_review.seen().is_some();
    let sure = refused || none || !webhook && token.kind != TokenKind::Opaque;
    let (confidence, why) = if sure {
        (Confidence::Certain, "never taken for system:anonymous")
    } else {
        (Confidence::Likely, "and taken for system:anonymous only where a token webhook calls it so")
    };
    let mut finding = RULE
        .finding(
            confidence,
            format!("A bearer token of {} bytes was sent, and the API server saw none: a token that arrives is accepted or answered 401, {why}.{by}", token.length),
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::evidence::Evidence;

    #[test]
    fn a_token_webhook_may_call_somebody_system_anonymous() {
        let text = include_str!("../../../testdata/cases/authorization-header-stripped/evidence.json");
        // Of a token that a webhook calls so, the server's 403 reads as that of the saved case, where a proxy took it off.
        let told = |kind: &str, flags: Option<(Value, bool)>| {
            let mut evidence: Value = serde_json::from_str(text).expect("evidence");
            evidence["credential"]["seen"]["token"]["kind"] = json!(kind);
            if let Some((flags, complete)) = flags {
                let seen = json!({ "source": "/flagz", "flags": flags, "complete": complete });
                evidence["controlPlane"]["flagz"] = json!({ "startedMs": 0, "tookMs": 0, "seen": seen });
            }
            let evidence: Evidence = serde_json::from_value(evidence).expect("evidence");
            check(&Case::new(&evidence)).pop().map(|finding| finding.confidence)
        };
        let webhook = json!({ "authentication-token-webhook-config-file": ["/etc/webhook.yaml"] });
        assert_eq!(told("service-account", None), Some(Confidence::Certain));
        assert_eq!(told("opaque", None), Some(Confidence::Likely));
        assert_eq!(told("service-account", Some((webhook, true))), Some(Confidence::Likely));
        let issuer = json!({ "service-account-issuer": ["https://kubernetes.default.svc"] });
        assert_eq!(told("opaque", Some((issuer, true))), Some(Confidence::Certain));
    }
}
