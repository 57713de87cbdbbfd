//! What the issuer's load balancer answers itself, and what its provider does.

use kaccess::report::Confidence::{Certain, Likely};
use kaccess::report::diagnose;
use kaccess::rules::{Case, check_all};
use serde_json::{Value, json};

use super::world::{ISSUER, World, forward_all, seen};

/// The world of an issuer that answers everybody's request for the discovery document with this status.
fn answered(world: World, status: u16, server: &str) -> World {
    let answer = json!({"answer": {"method": "GET", "url": format!("{ISSUER}/.well-known/openid-configuration"), "status": status, "reason": "", "server": server, "body": "", "bodyLength": 0},
        "redirects": [], "userAgent": "kaccess/0.1.0"});
    world.set("/issuer/discovery", seen(answer.clone())).set("/issuer/discoveryAsControlPlane", seen(answer))
}

/// A listener that forwards another host, and answers everything else itself.
fn itself(status: u16) -> Value {
    json!([
        {"arn": "arn:rule/1", "listenerArn": "arn:listener/443", "priority": 1, "conditions": [{"field": "host-header", "values": ["other.example.com"]}], "actions": [{"type": "forward", "targetGroups": ["arn:tg/keycloak"]}]},
        {"arn": "arn:rule/default", "listenerArn": "arn:listener/443", "conditions": [], "actions": [{"type": "fixed-response", "status": status.to_string(), "targetGroups": []}]}
    ])
}

/// What the load balancer answers itself says nothing of the identity provider behind it.
#[test]
fn an_answer_of_the_load_balancers_own_is_not_the_providers() {
    for (status, code) in [
        (404, "issuer-not-found"),
        (410, "issuer-not-found"),
        (429, "issuer-rate-limited"),
        (500, "issuer-unavailable"),
        (503, "issuer-unavailable"),
    ] {
        let diagnosed = |world: World| {
            let (evidence, _) = answered(world.uninitialized(), status, "awselb/2.0").evidence();
            diagnose(check_all(&Case::new(&evidence)))
        };
        let own = diagnosed(World::oidc_refused().rules(itself(status)));
        assert_eq!(own[0].code, "listener-rule-blocks-discovery", "{status}: {own:?}");
        assert!(own.iter().all(|finding| finding.code != code), "{status}: {own:?}");
        // The rule hands on, so it is the provider that answers; and another status is no answer of the rule.
        for (rules, sure) in [(forward_all(), Certain), (itself(403), Likely)] {
            let others = diagnosed(World::oidc_refused().rules(rules));
            let told =
                others.iter().find(|finding| finding.code == code).unwrap_or_else(|| panic!("{status}: {others:?}"));
            assert_eq!(told.confidence, sure, "{status}: {told:?}");
        }
        // The signature is a load balancer's, and its rules are not to be seen.
        let action = "elasticloadbalancing:DescribeRules";
        let unread = diagnosed(World::oidc_refused().denied("/aws/issuerBalancer/rules", action));
        let told = unread.iter().find(|finding| finding.code == code).unwrap_or_else(|| panic!("{status}: {unread:?}"));
        assert_eq!(told.confidence, Likely, "{status}: {told:?}");
        let rule = told.candidates.iter().find(|candidate| candidate.code == "listener-rule-blocks-discovery");
        assert!(rule.is_some_and(|rule| rule.decided_by.text.contains(action)), "{status}: {:?}", told.candidates);
        let (evidence, _) = answered(
            World::oidc_refused().denied("/aws/issuerBalancer/rules", action).uninitialized(),
            status,
            "nginx",
        )
        .evidence();
        let signed = diagnose(check_all(&Case::new(&evidence)));
        let told = signed.iter().find(|finding| finding.code == code).unwrap_or_else(|| panic!("{status}: {signed:?}"));
        assert_eq!(told.confidence, Certain, "{status}: {told:?}");
    }
}

/// Nobody sets a flag of an API server of EKS, which has no discoveryURL either.
#[test]
fn a_wrong_issuer_of_eks_is_associated_anew() {
    let (evidence, _) = answered(World::oidc_refused().rules(forward_all()).uninitialized(), 404, "nginx").evidence();
    let all = check_all(&Case::new(&evidence));
    let told = all.iter().find(|finding| finding.code == "issuer-not-found").expect("the finding");
    let text = format!("{} {:?}", told.why, told.fix);
    assert!(text.contains("associate-identity-provider-config"), "{text}");
    assert!(!text.contains("--oidc-issuer-url") && !text.contains("discoveryURL"), "{text}");
}

/// A page that a rule of the load balancer gives in place of the document is not the provider's.
#[test]
fn a_page_of_the_load_balancers_own_is_told() {
    let page = |rules: Value| {
        let mut world = answered(World::oidc_refused().rules(rules).uninitialized(), 200, "awselb/2.0");
        for probe in ["discovery", "discoveryAsControlPlane"] {
            world = world
                .set(&format!("/issuer/{probe}/seen/answer/body"), json!("<html>Maintenance</html>"))
                .set(&format!("/issuer/{probe}/seen/unparsable"), json!("no JSON"));
        }
        let (evidence, _) = world.evidence();
        let all = check_all(&Case::new(&evidence));
        all.into_iter().find(|finding| finding.code == "issuer-returns-html").expect("the finding")
    };
    let own = page(itself(200));
    assert!(own.why.contains("a rule of the load balancer"), "{}", own.why);
    assert!(own.cites.iter().any(|cite| cite.path == "/aws/issuerBalancer/rules/seen/1"), "{:?}", own.cites);
    assert!(!page(forward_all()).why.contains("a rule of the load balancer"));
}

/// A rule that stops the keys alone is told with the server's own word of the keys, and explains it.
#[test]
fn a_rule_that_stops_the_keys_alone_explains_the_servers_word_of_them() {
    let discovery = "/realms/platform/.well-known/openid-configuration";
    let world = |action: Value, error: &str| {
        let rules = json!([
            {"arn": "arn:rule/1", "listenerArn": "arn:listener/443", "priority": 1, "conditions": [{"field": "path-pattern", "values": [discovery]}], "actions": [{"type": "forward", "targetGroups": ["arn:tg/keycloak"]}]},
            {"arn": "arn:rule/default", "listenerArn": "arn:listener/443", "conditions": [], "actions": [action, {"type": "forward", "order": 2, "targetGroups": ["arn:tg/keycloak"]}]}
        ]);
        let error = format!(
            "[invalid bearer token, oidc: verify token: failed to verify signature: fetching keys oidc: {error}]"
        );
        let (evidence, _) = World::oidc_refused()
            .rules(rules)
            .set("/controlPlane/tokenReview", seen(json!({"authenticated": false, "error": error})))
            .evidence();
        diagnose(check_all(&Case::new(&evidence)))
    };
    let fixed = |status: &str| json!({"type": "fixed-response", "order": 1, "status": status, "targetGroups": []});
    let login =
        json!({"type": "authenticate-oidc", "order": 1, "targetGroups": [], "onUnauthenticated": "authenticate"});
    let page = "failed to decode keys: invalid character '<' looking for beginning of value";
    for (action, error, code, explained) in [
        (login, page, "listener-login-on-discovery", "jwks-unparsable"),
        (fixed("403"), "get keys failed: 403 Forbidden", "listener-rule-blocks-discovery", "jwks-blocked"),
        (fixed("404"), "get keys failed: 404 Not Found", "listener-rule-blocks-discovery", "jwks-unreachable"),
        (
            fixed("503"),
            "get keys failed: 503 Service Unavailable",
            "listener-rule-blocks-discovery",
            "jwks-unreachable",
        ),
    ] {
        let all = world(action, error);
        assert_eq!(all[0].code, code, "{error}: {all:?}");
        let other = all.iter().find(|finding| finding.code == explained).unwrap_or_else(|| panic!("{error}: {all:?}"));
        assert_eq!(other.explained_by, Some(code), "{error}");
    }
    // The status is not the rule's: somebody else gives it.
    let other = world(fixed("403"), "get keys failed: 503 Service Unavailable");
    assert!(other.iter().all(|finding| finding.code != "listener-rule-blocks-discovery"), "{other:?}");
}
