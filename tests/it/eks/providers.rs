//! More than one issuer: the token's, and those that the cluster is configured for.

use kaccess::aws::allowlist::{Answer, Direction, answer};
use kaccess::report::{Confidence, diagnose};
use kaccess::rules::{Case, check_all};
use serde_json::json;

use super::world::{ISSUER, World, forward_all, nothing};

/// The cluster's one provider is for this issuer, which was looked at beside the token's.
fn configured_for(world: World, url: &str) -> World {
    let host = url.strip_prefix("https://").and_then(|rest| rest.split('/').next()).expect("a host");
    let mut issuer = world.0["issuer"].clone();
    issuer["target"]["seen"] = json!({"url": url, "origin": "flagz", "host": host, "laboratory": false});
    for probe in ["discovery", "discoveryAsControlPlane", "jwks", "jwksAsControlPlane", "signature"] {
        issuer[probe] = nothing("it was not read");
    }
    world
        .set("/aws/identityProviders/seen/configs/0/details/seen/issuerUrl", json!(url))
        .set("/configuredIssuer", issuer)
}

/// The codes that are found, the root cause first.
fn codes(world: &World) -> Vec<&'static str> {
    let (evidence, _) = world.evidence();
    diagnose(check_all(&Case::new(&evidence))).iter().map(|finding| finding.code).collect()
}

/// The load balancer was looked up by the host of the token's issuer.
#[test]
fn the_balancer_of_the_tokens_issuer_says_nothing_of_the_configured_one() {
    const OF_THE_BALANCER: [&str; 4] = [
        "allowlist-misses-control-plane",
        "security-group-blocks-issuer",
        "listener-rule-blocks-discovery",
        "allowlist-uses-endpoint-addresses",
    ];
    for (closed, routed) in [(false, false), (false, true), (true, false), (true, true)] {
        let world = || {
            let world = World::oidc_refused();
            let world = if closed {
                world.set("/aws/issuerBalancer/listeners/seen", json!([]))
            } else {
                world.rules(forward_all()).lets_in(&["192.0.2.0/24"])
            };
            if routed { world.routed() } else { world }
        };
        let found = codes(&configured_for(world(), "https://other.example.com/x"));
        assert!(found.contains(&"token-issuer-mismatch"), "{found:?}");
        assert!(!found.iter().any(|code| OF_THE_BALANCER.contains(code)), "{found:?}");
        // Another realm of the same host stands behind the same load balancer.
        let found = codes(&configured_for(world(), "https://sso.example.com/realms/other"));
        assert!(found.iter().any(|code| OF_THE_BALANCER.contains(code)), "{found:?}");
    }
}

/// What is printed for a tool would be added to the wrong load balancer.
#[test]
fn the_allow_list_of_the_configured_issuer_is_not_for_another_ones_balancer() {
    let list = |url: &str| {
        let world = World::oidc_refused().rules(forward_all()).lets_in(&["192.0.2.0/24"]);
        let (evidence, _) = configured_for(world, url).evidence();
        answer(&evidence, Direction::ControlPlane).expect("an answer")
    };
    let said = |answer: &Answer| answer.warnings.iter().any(|warning| warning.contains("was not looked up"));
    let other = list("https://other.example.com/x");
    assert_eq!(other.issuer.as_ref().map(|(host, ..)| host.as_str()), Some("other.example.com"));
    assert!(other.load_balancer.is_none() && other.target_groups.is_empty(), "{other:?}");
    assert!(said(&other) && !other.drift.iter().any(|one| one.place == "security group"), "{other:?}");
    let same = list("https://sso.example.com/realms/other");
    assert!(same.load_balancer.is_some() && !said(&same), "{same:?}");
}

/// Nobody else's issuer is opened for a control plane that never asks it without that being said.
#[test]
fn an_allow_list_for_an_issuer_that_the_cluster_does_not_have_says_so() {
    let said = |configured: &str, origin: &str| {
        let world = World::oidc_refused()
            .set("/aws/identityProviders/seen/configs/0/details/seen/issuerUrl", json!(configured))
            .set("/issuer/target/seen/origin", json!(origin));
        let answer = answer(&world.evidence().0, Direction::ControlPlane).expect("an answer");
        answer.warnings.iter().any(|warning| warning.contains("its control plane never asks that one"))
    };
    assert!(said("https://other.example.com/x", "token"));
    assert!(!said(ISSUER, "token"));
    // It is meant, and may be on its way.
    assert!(!said("https://other.example.com/x", "flag"));
}

/// While EKS adds the token's provider the others stay as they are.
#[test]
fn a_provider_that_is_on_its_way_beside_another_is_waited_for() {
    let world = |status: &str| {
        let world = World::oidc_refused();
        let mut other = world.0["aws"]["identityProviders"]["seen"]["configs"][0].clone();
        other["name"] = json!("ci");
        other["details"]["seen"]["issuerUrl"] = json!("https://ci.example.com");
        world
            .set("/aws/identityProviders/seen/configs/0/details/seen/status", json!(status))
            .set("/aws/identityProviders/seen/configs/1", other)
    };
    for status in ["CREATING", "DELETING"] {
        let (evidence, _) = world(status).evidence();
        let all = diagnose(check_all(&Case::new(&evidence)));
        assert_eq!((all[0].code, all[0].confidence), ("oidc-association-pending", Confidence::Certain), "{status}");
        assert!(!all.iter().any(|finding| finding.code == "token-issuer-mismatch"), "{status}");
        assert!(!format!("{all:?}").contains("name=ci"), "{status}: {all:?}");
    }
}
