//! Between the control plane and the issuer: each egress mode with right and wrong lists, each obstacle on the way.

use kaccess::aws::allowlist::{self, Direction};
use kaccess::aws::reach::{self, Layer, Passage};
use kaccess::report::Confidence::{Certain, Likely, Possible};
use kaccess::report::diagnose;
use kaccess::rules::{Case, check_all};
use serde_json::{Value, json};

use super::world::{ISSUER, World, forward_all, nothing, open_rules, seen};
use super::{Told, healthy, told};

const TIMEOUT: &str = "E1125 09:58:01.000000      10 oidc.go:433] oidc authenticator: initializing plugin: Get \"https://sso.example.com/realms/platform/.well-known/openid-configuration\": dial tcp 203.0.113.40:443: i/o timeout\n";
const REFUSED: &str = "E1125 09:58:01.000000      10 oidc.go:433] oidc authenticator: initializing plugin: 403 Forbidden: <html><head><title>403 Forbidden</title></head>\n";
const LOGIN: &str = "E1125 09:58:01.000000      10 oidc.go:433] oidc authenticator: initializing plugin: oidc: failed to decode provider discovery object: expected Content-Type = application/json, got \"text/html\": invalid character '<' looking for beginning of value\n";
const NO_HOST: &str = "E1125 09:58:01.000000      10 oidc.go:433] oidc authenticator: initializing plugin: Get \"https://sso.example.com/realms/platform/.well-known/openid-configuration\": dial tcp: lookup sso.example.com on 10.0.0.2:53: no such host\n";
const UNTRUSTED: &str = "E1125 09:58:01.000000      10 oidc.go:433] oidc authenticator: initializing plugin: Get \"https://sso.example.com/realms/platform/.well-known/openid-configuration\": tls: failed to verify certificate: x509: certificate signed by unknown authority\n";

const NO_KEYS: &str = "E1125 09:58:01.000000      10 authentication.go:75] \"Unable to authenticate the request\" err=\"[invalid bearer token, failed to verify signature: fetching keys oidc: get keys failed Get \\\"https://keys.example.com/realms/platform/protocol/openid-connect/certs\\\": dial tcp 203.0.113.50:443: i/o timeout]\"\n";

/// A route table with this way to everywhere else.
fn way_out(world: World, target: &str, state: &str) -> World {
    world.set(
        "/aws/network/routeTables/seen/0/routes/1",
        json!({"destination": "0.0.0.0/0", "target": target, "state": state}),
    )
}

/// The listener forwards only what comes from these ranges.
fn only_from(ranges: &[&str]) -> Value {
    json!([
        {"arn": "arn:rule/1", "listenerArn": "arn:listener/443", "priority": 1, "conditions": [{"field": "source-ip", "values": ranges}], "actions": [{"type": "forward", "targetGroups": ["arn:tg/keycloak"]}]},
        {"arn": "arn:rule/default", "listenerArn": "arn:listener/443", "conditions": [], "actions": [{"type": "fixed-response", "status": "403", "targetGroups": []}]}
    ])
}

fn web_acl(default: &str, rules: Value, addresses: &[&str]) -> Value {
    json!({"startedMs": 20, "tookMs": 15, "seen": {"arn": "arn:webacl/main", "name": "main", "defaultAction": default, "rules": rules,
        "ipSets": [{"arn": "arn:ipset/offices", "addresses": {"startedMs": 30, "tookMs": 9, "seen": addresses}}]}})
}

/// A rule for the two paths, whose statement is not read, before one that refuses everybody who is not listed.
fn two_paths_first() -> Value {
    json!([
        {"name": "oidc-documents", "priority": 0, "action": "allow", "statement": "byte-match"},
        {"name": "only-offices", "priority": 1, "action": "block", "statement": "not-ip-set", "reference": "arn:ipset/offices"}])
}

fn login(kind: &str) -> Value {
    json!([{"arn": "arn:rule/default", "listenerArn": "arn:listener/443", "conditions": [], "actions": [
        {"type": kind, "order": 1, "targetGroups": [], "onUnauthenticated": "authenticate"},
        {"type": "forward", "order": 2, "targetGroups": ["arn:tg/keycloak"]}]}])
}

fn acl(entries: Value) -> Value {
    json!([{"id": "acl-1", "vpcId": "vpc-01", "subnetIds": ["subnet-1", "subnet-2"], "entries": entries}])
}

pub fn cases() -> Vec<Told> {
    let refused = World::oidc_refused;
    let routed_internal = || World::oidc_refused().routed().internal().rules(forward_all());
    let routed_public = || World::oidc_refused().routed().rules(forward_all());
    let endpoint = ["198.51.100.10/32", "198.51.100.11/32"];
    let mut list = vec![
        // Healthy: each mode with the list that is right for it.
        healthy("eks-oidc", World::oidc()),
        healthy("eks-oidc-egress-assumed", World::oidc().set("/aws/cluster/seen/vpc/controlPlaneEgressMode", Value::Null)),
        healthy("eks-oidc-routed-internal", World::oidc().routed().internal().rules(forward_all()).lets_in(&["sg-0c1u"])),
        healthy("eks-oidc-routed-subnets", World::oidc().routed().internal().rules(forward_all()).lets_in(&["10.0.1.0/24", "10.0.2.0/24"])),
        healthy("eks-oidc-routed-public", World::oidc().routed().rules(forward_all()).lets_in(&["203.0.113.99/32"])),
        healthy(
            "eks-oidc-routed-ipv6",
            World::oidc()
                .routed()
                .rules(forward_all())
                .lets_in(&["2001:db8:1::/56"])
                .set("/aws/cluster/seen/ipFamily", json!("ipv6"))
                .set("/issuer/dns/seen/addresses", json!(["2001:db8:9::40"]))
                .set("/aws/network/interfaces/seen/0/ipv6Addresses", json!(["2001:db8:1:1::15"]))
                .set("/aws/network/interfaces/seen/1/ipv6Addresses", json!(["2001:db8:1:2::27"]))
                .set("/aws/network/routeTables/seen/0/routes/2", json!({"destination": "::/0", "target": "eigw-1", "state": "active"}))
                .set("/aws/network/networkAcls/seen/0/entries/4", json!({"number": 101, "egress": true, "allow": true, "protocol": "-1", "cidr": "::/0"}))
                .set("/aws/network/networkAcls/seen/0/entries/5", json!({"number": 101, "egress": false, "allow": true, "protocol": "-1", "cidr": "::/0"})),
        ),
        // Addresses of the endpoint, or of the interfaces, on the list.
        told("eks-allowlist-uses-endpoint-addresses", &["allowlist-uses-endpoint-addresses", "credential-rejected"], Certain, refused().lets_in(&endpoint).api_log(TIMEOUT)),
        told("eks-allowlist-uses-endpoint-addresses-bare", &["allowlist-uses-endpoint-addresses"], Likely, refused().lets_in(&endpoint)),
        told("eks-allowlist-uses-endpoint-addresses-reviewed", &["allowlist-uses-endpoint-addresses"], Likely, refused().lets_in(&endpoint).uninitialized()),
        told("eks-allowlist-uses-interfaces", &["allowlist-uses-endpoint-addresses"], Certain, refused().lets_in(&["10.0.1.15/32", "10.0.2.27/32", "192.0.2.0/24"]).api_log(TIMEOUT)),
        told("eks-allowlist-uses-cluster-group", &["allowlist-uses-endpoint-addresses"], Certain, refused().lets_in(&["sg-0c1u"]).api_log(TIMEOUT)),
        told("eks-allowlist-uses-endpoint-listener", &["allowlist-uses-endpoint-addresses"], Certain, refused().rules(only_from(&["198.51.100.10/32", "192.0.2.0/24"])).api_log(REFUSED)),
        told(
            "eks-allowlist-uses-endpoint-waf",
            &["allowlist-uses-endpoint-addresses"],
            Certain,
            refused()
                .rules(forward_all())
                .set("/aws/issuerBalancer/webAcl", web_acl("block", json!([{"name": "offices", "priority": 1, "action": "allow", "statement": "ip-set", "reference": "arn:ipset/offices"}]), &["198.51.100.10/32"]))
                .api_log(REFUSED),
        ),
        told("eks-allowlist-uses-endpoint-routed", &["allowlist-uses-endpoint-addresses"], Certain, routed_public().lets_in(&endpoint).api_log(TIMEOUT)),
        told("eks-allowlist-uses-interfaces-routed", &["allowlist-uses-endpoint-addresses"], Likely, routed_public().lets_in(&["10.0.1.15/32", "10.0.2.27/32"])),
        told("eks-allowlist-uses-cluster-group-routed", &["allowlist-uses-endpoint-addresses"], Likely, routed_public().lets_in(&["sg-0c1u"])),
        // A list that nothing fits.
        told("eks-allowlist-misses-control-plane", &["allowlist-misses-control-plane", "credential-rejected"], Certain, refused().lets_in(&["192.0.2.0/24"]).api_log(TIMEOUT)),
        told("eks-allowlist-misses-control-plane-bare", &["allowlist-misses-control-plane"], Likely, refused().lets_in(&["192.0.2.0/24"])),
        told("eks-allowlist-misses-control-plane-half", &["allowlist-misses-control-plane"], Likely, refused().lets_in(&["0.0.0.0/1"])),
        told(
            "eks-allowlist-misses-control-plane-prefix-list",
            &["allowlist-misses-control-plane"],
            Likely,
            refused().lets_in(&["pl-offices"]).set("/aws/network/prefixLists/seen", json!([{"id": "pl-offices", "name": "offices", "entries": {"startedMs": 40, "tookMs": 9, "seen": [{"cidr": "192.0.2.0/24"}]}}])),
        ),
        told("eks-allowlist-misses-control-plane-listener", &["allowlist-misses-control-plane"], Certain, refused().rules(only_from(&["192.0.2.0/24"])).api_log(REFUSED)),
        told(
            "eks-allowlist-misses-control-plane-waf",
            &["allowlist-misses-control-plane"],
            Certain,
            refused()
                .rules(forward_all())
                .set("/aws/issuerBalancer/webAcl", web_acl("allow", json!([{"name": "only-offices", "priority": 1, "action": "block", "statement": "not-ip-set", "reference": "arn:ipset/offices"}]), &["192.0.2.0/24"]))
                .api_log(REFUSED),
        ),
        told("eks-allowlist-misses-nat-gateway", &["allowlist-misses-control-plane"], Certain, routed_public().lets_in(&["192.0.2.0/24"]).api_log(TIMEOUT)),
        told("eks-allowlist-misses-interfaces", &["allowlist-misses-control-plane"], Certain, routed_internal().lets_in(&["192.0.2.0/24"]).api_log(TIMEOUT)),
        // Right today.
        told("eks-allowlist-pins-addresses", &["allowlist-pins-addresses"], Certain, World::oidc().routed().internal().rules(forward_all()).lets_in(&["10.0.1.15/32", "10.0.2.27/32"])),
        told("eks-endpoint-addresses-changed", &["allowlist-misses-control-plane", "endpoint-addresses-changed"], Likely, routed_internal().lets_in(&["10.0.1.99/32", "10.0.2.98/32"])),
        told("eks-endpoint-addresses-changed-half", &["allowlist-misses-control-plane", "endpoint-addresses-changed"], Likely, routed_internal().lets_in(&["10.0.1.15/32", "10.0.2.98/32"])),
        // Private issuers.
        told("eks-issuer-internal", &["issuer-internal-load-balancer"], Certain, refused().internal().rules(forward_all()).api_log(&TIMEOUT.replace("203.0.113.40", "10.0.10.5"))),
        told("eks-issuer-internal-bare", &["issuer-internal-load-balancer"], Likely, refused().internal().rules(forward_all())),
        told("eks-issuer-private-addresses", &["issuer-internal-load-balancer"], Likely, refused().internal().denied("/aws/issuerBalancer/loadBalancer", "elasticloadbalancing:DescribeLoadBalancers")),
        told("eks-issuer-private-dns", &["issuer-private-dns"], Certain, refused().internal().rules(forward_all()).api_log(NO_HOST)),
        told("eks-issuer-certificate-untrusted", &["issuer-certificate-untrusted"], Certain, refused().api_log(UNTRUSTED)),
        // The listener.
        told(
            "eks-listener-rule-blocks-discovery",
            &["listener-rule-blocks-discovery"],
            Certain,
            refused()
                .rules(json!([
                    {"arn": "arn:rule/1", "listenerArn": "arn:listener/443", "priority": 1, "conditions": [{"field": "path-pattern", "values": ["/realms/*/.well-known/*"]}], "actions": [{"type": "fixed-response", "status": "403", "targetGroups": []}]},
                    {"arn": "arn:rule/default", "listenerArn": "arn:listener/443", "conditions": [], "actions": [{"type": "forward", "targetGroups": ["arn:tg/keycloak"]}]}
                ]))
                .api_log(REFUSED),
        ),
        told(
            "eks-listener-rule-other-host",
            &["listener-rule-blocks-discovery"],
            Likely,
            refused().rules(json!([
                {"arn": "arn:rule/1", "listenerArn": "arn:listener/443", "priority": 1, "conditions": [{"field": "host-header", "values": ["login.example.com"]}], "actions": [{"type": "forward", "targetGroups": ["arn:tg/keycloak"]}]},
                {"arn": "arn:rule/default", "listenerArn": "arn:listener/443", "conditions": [], "actions": [{"type": "fixed-response", "status": "404", "targetGroups": []}]}
            ])),
        ),
        told(
            "eks-listener-rule-blocks-keys",
            &["listener-rule-blocks-discovery"],
            Likely,
            refused().set("/aws/issuerBalancer/rules/seen/0/conditions/1/values", json!(["/realms/platform/.well-known/openid-configuration"])).set("/aws/issuerBalancer/rules/seen/1/conditions/1", json!({"field": "path-pattern", "values": ["/admin/*"]})),
        ),
        told("eks-listener-login-on-discovery", &["listener-login-on-discovery"], Certain, refused().rules(login("authenticate-oidc")).api_log(LOGIN)),
        told("eks-listener-login-cognito", &["listener-login-on-discovery"], Likely, refused().rules(login("authenticate-cognito"))),
        healthy("eks-listener-login-elsewhere", {
            let mut rules = open_rules();
            rules[2]["actions"] = login("authenticate-oidc")[0]["actions"].clone();
            World::oidc().rules(rules)
        }),
        // The web ACL.
        told(
            "eks-waf-may-block",
            &["waf-may-block-discovery", "issuer-blocks-control-plane"],
            Possible,
            refused().uninitialized().set("/aws/issuerBalancer/webAcl", web_acl("allow", json!([{"name": "bots", "priority": 1, "action": "group", "statement": "managed-group", "reference": "AWSManagedRulesBotControlRuleSet"}]), &[])),
        ),
        // Whether an earlier rule lets exactly the two paths through cannot be told: then the later one does not decide.
        told(
            "eks-waf-rule-before-the-list",
            &["waf-may-block-discovery", "oidc-not-initialized", "credential-rejected"],
            Possible,
            refused().uninitialized().set("/aws/issuerBalancer/webAcl", web_acl("allow", two_paths_first(), &["192.0.2.0/24"])),
        ),
        healthy("eks-waf-two-paths-first", World::oidc().set("/aws/issuerBalancer/webAcl", web_acl("allow", two_paths_first(), &["192.0.2.0/24"]))),
        healthy("eks-waf-lets-through", World::oidc().set("/aws/issuerBalancer/webAcl", web_acl("allow", json!([{"name": "bots", "priority": 1, "action": "group", "statement": "managed-group", "reference": "AWSManagedRulesBotControlRuleSet"}]), &[]))),
        // Security groups, routes, network ACLs.
        told("eks-security-group-blocks-issuer", &["security-group-blocks-issuer"], Certain, refused().lets_in(&[]).api_log(TIMEOUT)),
        told("eks-security-group-ipv6-only", &["security-group-blocks-issuer"], Likely, refused().lets_in(&["::/0"])),
        told("eks-security-group-blocks-egress", &["security-group-blocks-issuer"], Certain, routed_internal().lets_in(&["sg-0c1u"]).set("/aws/network/securityGroupRules/seen/1/cidrIpv4", json!("10.0.1.0/24")).api_log(TIMEOUT)),
        told("eks-route-missing", &["route-to-issuer-missing"], Certain, routed_public().set("/aws/network/routeTables/seen/0/routes", json!([{"destination": "10.0.0.0/16", "target": "local", "state": "active"}])).api_log(TIMEOUT)),
        told("eks-route-internet-gateway", &["route-to-issuer-missing"], Certain, way_out(routed_public(), "igw-1", "active").api_log(TIMEOUT)),
        told("eks-route-black-hole", &["route-to-issuer-missing"], Likely, way_out(routed_public(), "nat-0", "blackhole")),
        told("eks-route-nat-gateway-gone", &["route-to-issuer-missing"], Likely, routed_public().set("/aws/network/natGateways/seen/0/state", json!("failed"))),
        told(
            "eks-route-missing-in-one-subnet",
            &["route-to-issuer-missing"],
            Likely,
            routed_public().set("/aws/network/routeTables/seen/1", json!({"id": "rtb-2", "vpcId": "vpc-01", "main": false, "subnetIds": ["subnet-2"], "routes": [{"destination": "10.0.0.0/16", "target": "local", "state": "active"}]})),
        ),
        told("eks-resolver-off", &["route-to-issuer-missing"], Likely, routed_public().set("/aws/network/vpcDns/seen/support", json!(false))),
        told("eks-route-transit-gateway", &["credential-rejected"], Likely, way_out(routed_public(), "tgw-1", "active").lets_in(&["192.0.2.0/24"])),
        told("eks-network-acl-out", &["network-acl-blocks-issuer"], Certain, routed_public().set("/aws/network/networkAcls/seen", acl(json!([{"number": 50, "egress": true, "allow": false, "protocol": "6", "cidr": "203.0.113.0/24", "fromPort": 443, "toPort": 443}, {"number": 100, "egress": true, "allow": true, "protocol": "-1", "cidr": "0.0.0.0/0"}, {"number": 100, "egress": false, "allow": true, "protocol": "-1", "cidr": "0.0.0.0/0"}]))).api_log(TIMEOUT)),
        told("eks-network-acl-back", &["network-acl-blocks-issuer"], Likely, routed_public().set("/aws/network/networkAcls/seen", acl(json!([{"number": 100, "egress": true, "allow": true, "protocol": "-1", "cidr": "0.0.0.0/0"}, {"number": 100, "egress": false, "allow": true, "protocol": "6", "cidr": "10.0.0.0/16"}])))),
        // Ingress, modes.
        told(
            "eks-inbound-cidrs-ignored",
            &["inbound-cidrs-ignored"],
            Certain,
            World::oidc().set("/aws/issuerBalancer/ingresses/seen/0/annotations", json!({"scheme": "internet-facing", "inbound-cidrs": "192.0.2.0/24", "security-groups": "sg-0a1b"})),
        ),
        told("eks-egress-mode-unknown", &["egress-mode-unknown"], Certain, World::oidc().set("/aws/cluster/seen/vpc/controlPlaneEgressMode", json!("CUSTOMER_ISOLATED"))),
        // The provider's configuration against the token.
        told("eks-oidc-association-pending", &["oidc-association-pending"], Certain, refused().set("/aws/identityProviders/seen/configs/0/details/seen/status", json!("CREATING"))),
        told(
            "eks-oidc-association-failed",
            &["oidc-association-failed"],
            Certain,
            refused().set("/aws/identityProviders/seen/configs", json!([])).set(
                "/aws/updates/seen",
                json!([{"id": "u-1", "type": "AssociateIdentityProviderConfig", "status": "Failed", "createdAt": "2026-11-25T09:00:00Z", "params": {"IdentityProviderConfig": format!("[{{\"type\":\"oidc\",\"issuerUrl\":\"{ISSUER}\"}}]")}, "errors": [{"code": "Unknown", "message": "The identity provider could not be associated", "resourceIds": []}]}]),
            ),
        ),
        told("eks-oidc-not-configured", &["oidc-not-configured"], Certain, refused().set("/aws/identityProviders/seen/configs", json!([]))),
        told("eks-token-issuer-mismatch", &["token-issuer-mismatch"], Certain, refused().set("/aws/identityProviders/seen/configs/0/details/seen/issuerUrl", json!(format!("{ISSUER}/")))),
        told("eks-token-audience-mismatch", &["token-audience-mismatch"], Likely, refused().set("/aws/identityProviders/seen/configs/0/details/seen/clientId", json!("kubectl"))),
        told("eks-token-algorithm", &["token-algorithm-not-allowed"], Likely, refused().set("/credential/seen/token/header/alg", json!("ES256"))),
        healthy("eks-oidc-two-providers", {
            let world = World::oidc();
            let first = world.0.pointer("/aws/identityProviders/seen/configs/0").cloned().expect("a provider");
            let mut other = first.clone();
            other["name"] = json!("ci");
            other["details"]["seen"]["issuerUrl"] = json!("https://ci.example.com");
            world.set("/aws/identityProviders/seen/configs", json!([other, first]))
        }),
        told(
            "eks-client-certificate",
            &["client-certificates-unsupported-on-eks"],
            Certain,
            refused().without_issuer().set("/credential/seen", json!({"source": "clientCertificate", "origin": "user \"alice\" in /home/alice/.kube/config", "certificates": [{"subject": "CN=alice", "issuer": "CN=kubernetes", "commonNames": ["alice"], "serial": "1a2b", "notBefore": "2026-01-01T00:00:00Z", "notAfter": "2027-01-01T00:00:00Z", "extendedKeyUsages": ["clientAuth"]}]})),
        ),
    ];
    // Without a permission a verdict that rests on it is not given.
    for (name, pointer, action, first) in [
        ("eks-denied-cluster", "/aws/cluster", "eks:DescribeCluster", "credential-rejected"),
        (
            "eks-denied-identity-providers",
            "/aws/identityProviders",
            "eks:ListIdentityProviderConfigs",
            "allowlist-misses-control-plane",
        ),
        (
            "eks-denied-identity-provider",
            "/aws/identityProviders/seen/configs/0/details",
            "eks:DescribeIdentityProviderConfig",
            "allowlist-misses-control-plane",
        ),
        (
            "eks-denied-security-group-rules",
            "/aws/network/securityGroupRules",
            "ec2:DescribeSecurityGroupRules",
            "credential-rejected",
        ),
        (
            "eks-denied-load-balancers",
            "/aws/issuerBalancer/loadBalancer",
            "elasticloadbalancing:DescribeLoadBalancers",
            "credential-rejected",
        ),
        (
            "eks-denied-interfaces",
            "/aws/network/interfaces",
            "ec2:DescribeNetworkInterfaces",
            "allowlist-misses-control-plane",
        ),
    ] {
        let codes: &'static [&'static str] = match first {
            "credential-rejected" => &["credential-rejected", "iam-permission-missing"],
            _ => &["allowlist-misses-control-plane", "iam-permission-missing"],
        };
        list.push(told(name, codes, Likely, refused().lets_in(&["192.0.2.0/24"]).denied(pointer, action)));
    }
    for (name, pointer, action) in [
        ("eks-denied-listener-rules", "/aws/issuerBalancer/rules", "elasticloadbalancing:DescribeRules"),
        ("eks-denied-web-acl", "/aws/issuerBalancer/webAcl", "wafv2:GetWebACLForResource"),
        ("eks-denied-route-tables", "/aws/network/routeTables", "ec2:DescribeRouteTables"),
        ("eks-denied-network-acls", "/aws/network/networkAcls", "ec2:DescribeNetworkAcls"),
        ("eks-denied-log", "/aws/apiLog", "logs:FilterLogEvents"),
    ] {
        list.push(told(
            name,
            &["iam-permission-missing"],
            Certain,
            World::oidc().routed().rules(forward_all()).denied(pointer, action),
        ));
    }
    // The way in: the public endpoint drops what comes from here.
    let dropped = |cidrs: Value| {
        let silent = json!({"attempts": [{"address": "52.51.10.20:443", "outcome": "timeout", "tookMs": 5000}]});
        let skipped = |because: &str| json!({"startedMs": 0, "tookMs": 0, "skipped": {"because": because, "text": "no connection"}});
        let host = "0123456789abcdef0123456789abcdef.gr7.eu-west-1.eks.amazonaws.com";
        World::oidc()
            .set("/endpoint/route/seen/host", json!(host))
            .set("/endpoint/dns/seen/host", json!(host))
            .set("/endpoint/dns/seen/addresses", json!(["52.51.10.20"]))
            .set("/endpoint/tcp", seen(silent))
            .set("/endpoint/tls", skipped("endpoint-tcp"))
            .set("/endpoint/anonymous", skipped("endpoint-tcp"))
            .set("/endpoint/authenticated", skipped("endpoint-tcp"))
            .set("/identity", skipped("endpoint-tcp"))
            .set("/access", skipped("endpoint-tcp"))
            .set("/aws/cluster/seen/vpc/endpointPublicAccess", json!(true))
            .set("/aws/cluster/seen/vpc/publicAccessCidrs", cidrs)
            .set("/aws/ownEgress", nothing("nobody told it"))
    };
    // The keys have a host and a load balancer of their own.
    let keys = || World::oidc_refused().keys_elsewhere();
    list.push(healthy("eks-keys-elsewhere", World::oidc().keys_elsewhere()));
    // Somebody is refused for another reason: that balancer is open.
    list.push(told("eks-keys-elsewhere-open", &["credential-rejected"], Likely, keys()));
    list.push(told(
        "eks-keys-elsewhere-listed",
        &["jwks-unreachable", "credential-rejected"],
        Likely,
        keys().keys_let_in("192.0.2.0/24"),
    ));
    list.push(told(
        "eks-keys-elsewhere-listed-log",
        &["jwks-unreachable", "credential-rejected"],
        Certain,
        keys().keys_let_in("192.0.2.0/24").api_log(NO_KEYS),
    ));
    list.push(told(
        "eks-keys-elsewhere-internal",
        &["jwks-unreachable"],
        Likely,
        keys().set("/aws/jwksBalancer/loadBalancer/seen/scheme", json!("internal")),
    ));
    list.push(told(
        "eks-keys-elsewhere-rule",
        &["jwks-blocked", "credential-rejected"],
        Likely,
        keys().set("/aws/jwksBalancer/rules", seen(only_from(&["192.0.2.0/24"]))),
    ));
    list.push(told(
        "eks-keys-elsewhere-login",
        &["jwks-blocked"],
        Likely,
        keys().set("/aws/jwksBalancer/rules", seen(login("authenticate-oidc"))),
    ));
    let blocked: &[&str] = &["public-access-cidr-blocked", "api-connection-timeout"];
    list.push(told("eks-public-cidrs-listed", blocked, Likely, dropped(json!(["203.0.113.0/24"]))));
    list.push(told("eks-public-cidrs-open", &["api-connection-timeout"], Certain, dropped(json!(["0.0.0.0/0"]))));
    let from = |address: &str| seen(json!({"address": address, "source": "the user"}));
    list.push(told(
        "eks-public-cidrs-without-own",
        blocked,
        Certain,
        dropped(json!(["203.0.113.0/24"])).set("/aws/ownEgress", from("192.0.2.7")),
    ));
    list.push(told(
        "eks-public-cidrs-with-own",
        &["api-connection-timeout"],
        Certain,
        dropped(json!(["203.0.113.0/24"])).set("/aws/ownEgress", from("203.0.113.9")),
    ));
    // Switched off: the list has no effect.
    list.push(told(
        "eks-public-access-off",
        &["endpoint-private-off-network", "api-connection-timeout"],
        Likely,
        dropped(json!(["203.0.113.0/24"])).set("/aws/cluster/seen/vpc/endpointPublicAccess", json!(false)),
    ));
    list
}

/// What the model says of one layer in a world.
fn judged(world: &World, layer: Layer) -> Option<Passage> {
    let (evidence, _) = world.evidence();
    reach::to_issuer(&evidence).expect("a way").step(layer).map(|step| step.judged)
}

fn routed() -> World {
    World::oidc().routed().rules(forward_all())
}

/// A private zone's answer is for those inside: a control plane in AWS's own network asks public DNS.
#[test]
fn a_private_zone_here_says_nothing_about_public_dns() {
    let world = |public: &str| {
        let servers = json!({"servers": ["9.9.9.9"], "outcome": "answer", "addresses": [public]});
        World::oidc().internal().set("/issuer/dns/seen/nameServers", servers)
    };
    assert_eq!(judged(&World::oidc().internal(), Layer::Route), Some(Passage::Blocks));
    assert_eq!(judged(&world("10.0.10.5"), Layer::Route), Some(Passage::Blocks));
    assert_eq!(judged(&world("203.0.113.50"), Layer::Route), Some(Passage::Passes));
    let (evidence, _) = world("203.0.113.50").evidence();
    let reach = reach::to_issuer(&evidence).expect("a way");
    let name = &reach.step(Layer::Name).expect("a step").text;
    assert!(name.contains("203.0.113.50"), "{name}");
    // The load balancer behind the private addresses is not the one that it meets.
    assert_eq!(reach.step(Layer::SecurityGroup).map(|step| step.judged), Some(Passage::Unknown));
    assert!(reach.obstacle().is_none(), "{:?}", reach.obstacle());
}

/// Two load balancers behind one name: what one of them lets through, the other may not.
#[test]
fn a_second_load_balancer_leaves_the_verdict_open() {
    let world = routed().set("/aws/issuerBalancer/loadBalancer/seen/also", json!(["k8s-other"]));
    let (evidence, _) = world.evidence();
    let reach = reach::to_issuer(&evidence).expect("a way");
    let open = reach.steps.iter().find(|step| step.layer == Layer::Name && step.judged == Passage::Unknown);
    assert!(open.is_some_and(|step| step.text.contains("k8s-other")), "{:?}", reach.steps);
}

/// To a private address outside the VPC a NAT gateway sends from its private address, by its own subnet's routes.
#[test]
fn a_nat_gateway_shows_a_private_destination_no_public_address() {
    let world = routed().internal().set("/issuer/dns/seen/addresses", json!(["172.31.9.9"]));
    let (evidence, _) = world.evidence();
    let reach = reach::to_issuer(&evidence).expect("a way");
    assert!(matches!(reach.peer, reach::Peer::Hidden(_)), "{:?}", reach.peer);
    assert_eq!(judged(&world, Layer::Route), Some(Passage::Unknown));
}

/// Network ACLs stand at a subnet's edge.
#[test]
fn an_acl_does_not_stop_what_stays_in_its_subnet() {
    let world = |address: &str| {
        let open = json!([{"number": 1, "egress": true, "allow": true, "protocol": "-1", "cidr": "0.0.0.0/0"}, {"number": 1, "egress": false, "allow": true, "protocol": "-1", "cidr": "0.0.0.0/0"}]);
        let acls = json!([{"id": "acl-1", "vpcId": "vpc-01", "subnetIds": ["subnet-1"], "entries": []}, {"id": "acl-2", "vpcId": "vpc-01", "subnetIds": ["subnet-2"], "entries": open}]);
        routed()
            .internal()
            .set("/issuer/dns/seen/addresses", json!([address]))
            .set("/aws/network/networkAcls/seen", acls)
    };
    assert_eq!(judged(&world("10.0.1.50"), Layer::Acl), Some(Passage::Passes));
    assert_eq!(judged(&world("10.0.3.50"), Layer::Acl), Some(Passage::Blocks));
}

/// An IPv6 address needs no other one to leave by an internet gateway.
#[test]
fn an_internet_gateway_carries_ipv6() {
    let world = |issuer: &str, everywhere: &str| {
        routed()
            .set("/issuer/dns/seen/addresses", json!([issuer]))
            .set("/aws/network/interfaces/seen/0/ipv6Addresses", json!(["2001:db8:1:1::15"]))
            .set("/aws/network/interfaces/seen/1/ipv6Addresses", json!(["2001:db8:1:2::27"]))
            .set(
                "/aws/network/routeTables/seen/0/routes/1",
                json!({"destination": everywhere, "target": "igw-1", "state": "active"}),
            )
    };
    assert_eq!(judged(&world("2001:db8:9::40", "::/0"), Layer::Route), Some(Passage::Passes));
    assert_eq!(judged(&world("203.0.113.40", "0.0.0.0/0"), Layer::Route), Some(Passage::Blocks));
}

/// The longest prefix wins, and what a prefix list holds is not always readable.
#[test]
fn a_dead_end_is_no_verdict_beside_an_unread_prefix_list() {
    let dead = || way_out(routed(), "nat-1", "blackhole");
    assert_eq!(judged(&dead(), Layer::Route), Some(Passage::Blocks));
    let beside = dead().set(
        "/aws/network/routeTables/seen/0/routes/2",
        json!({"destination": "pl-1", "target": "tgw-1", "state": "active"}),
    );
    assert_eq!(judged(&beside, Layer::Route), Some(Passage::Unknown));
    let elsewhere = json!([{"id": "pl-1", "name": "offices", "entries": {"startedMs": 40, "tookMs": 9, "seen": [{"cidr": "192.0.2.0/24"}]}}]);
    assert_eq!(judged(&beside.set("/aws/network/prefixLists/seen", elsewhere), Layer::Route), Some(Passage::Blocks));
}

/// One of two NAT gateways' addresses among the refused ones: some API servers are refused.
#[test]
fn a_refused_address_among_several_is_not_overlooked() {
    let world = |refused: &str| {
        let rules = json!([{"name": "bad", "priority": 1, "action": "block", "statement": "ip-set", "reference": "arn:ipset/offices"}]);
        routed()
            .set("/aws/network/natGateways/seen/0/publicAddresses", json!(["203.0.113.98", "203.0.113.99"]))
            .set("/aws/issuerBalancer/webAcl", web_acl("allow", rules, &[refused]))
    };
    assert_eq!(judged(&world("203.0.113.99/32"), Layer::Waf), Some(Passage::Unknown));
    assert_eq!(judged(&world("203.0.113.96/28"), Layer::Waf), Some(Passage::Blocks));
    assert_eq!(judged(&world("192.0.2.0/24"), Layer::Waf), Some(Passage::Passes));
}

/// "If a target group contains only unhealthy registered targets, the load balancer routes requests to all those targets"
/// (Elastic Load Balancing, health checks for target groups).
#[test]
fn a_load_balancer_sends_to_unhealthy_targets_where_there_is_no_other() {
    let world = |healthy: usize, total: usize| {
        let health = json!([{"targetGroup": "arn:tg/keycloak", "healthy": healthy, "total": total, "reasons": []}]);
        routed().set("/aws/issuerBalancer/targetHealth/seen", health)
    };
    assert_eq!(judged(&world(1, 2), Layer::Target), Some(Passage::Passes));
    assert_eq!(judged(&world(0, 2), Layer::Target), Some(Passage::Unknown));
    assert_eq!(judged(&world(0, 0), Layer::Target), Some(Passage::Blocks));
}

/// Behind a transit gateway the interfaces' own addresses, and their group, may be what arrives.
#[test]
fn a_list_is_not_called_useless_where_the_way_is_hidden() {
    let useless = |world: World| {
        let (evidence, _) = world.evidence();
        let answer = allowlist::answer(&evidence, Direction::ControlPlane).expect("an answer");
        answer.drift.iter().filter(|drift| drift.kind == "useless").count()
    };
    let listed = || routed().lets_in(&["10.0.1.15/32", "sg-0c1u"]);
    assert_eq!(useless(listed()), 2, "through a NAT gateway neither arrives");
    assert_eq!(useless(way_out(listed(), "tgw-1", "active")), 0);
}

/// Codes of what the rules find.
fn found(world: &World) -> Vec<(&'static str, String)> {
    let (evidence, _) = world.evidence();
    let case = Case::new(&evidence);
    check_all(&case).into_iter().map(|finding| (finding.code, format!("{} {:?}", finding.why, finding.fix))).collect()
}

fn routed_internal() -> World {
    World::oidc_refused().routed().internal().rules(forward_all())
}

/// One of two interfaces' addresses is on the list: the entry is right, and another one is missing.
#[test]
fn a_right_entry_among_missing_ones_is_not_called_wrong() {
    let all = found(&routed_internal().lets_in(&["10.0.2.27/32"]).api_log(TIMEOUT));
    assert!(all.iter().any(|(code, _)| *code == "allowlist-misses-control-plane"), "{all:?}");
    assert!(!all.iter().any(|(code, _)| *code == "allowlist-uses-endpoint-addresses"), "{all:?}");
}

/// Nothing leaves through an interface that is attached to nothing.
#[test]
fn an_interface_left_behind_is_not_missing_from_the_list() {
    let mut spare = World::oidc().0["aws"]["network"]["interfaces"]["seen"][0].clone();
    spare["id"] = json!("eni-3");
    spare["privateAddresses"] = json!(["10.0.1.200"]);
    spare["status"] = json!("available");
    let world =
        routed_internal().lets_in(&["10.0.1.15/32", "10.0.2.27/32"]).set("/aws/network/interfaces/seen/2", spare);
    assert_eq!(judged(&world, Layer::SecurityGroup), Some(Passage::Passes));
}

/// Who gets a 403, 404 or a login has a connection: no such rule explains a time-out.
#[test]
fn no_answer_by_http_explains_a_time_out() {
    let offices = json!([{"name": "offices", "priority": 1, "action": "allow", "statement": "ip-set", "reference": "arn:ipset/offices"}]);
    let closed = json!([{"arn": "arn:rule/default", "listenerArn": "arn:listener/443", "conditions": [], "actions": [{"type": "fixed-response", "status": "404", "targetGroups": []}]}]);
    for (world, code) in [
        (World::oidc_refused().rules(closed), "listener-rule-blocks-discovery"),
        (World::oidc_refused().rules(login("authenticate-oidc")), "listener-login-on-discovery"),
        (
            World::oidc_refused()
                .rules(forward_all())
                .set("/aws/issuerBalancer/webAcl", web_acl("block", offices, &["192.0.2.0/24"])),
            "allowlist-misses-control-plane",
        ),
    ] {
        let bare = found(&World(world.0.clone()));
        assert!(bare.iter().any(|(found, _)| *found == code), "{code}: {bare:?}");
        let timed_out = found(&world.api_log(TIMEOUT));
        assert!(!timed_out.iter().any(|(found, _)| *found == code), "{code}: {timed_out:?}");
    }
}

/// The keys are fetched when the first token comes: what stops them alone is not why the API server is not initialized.
#[test]
fn a_rule_that_stops_the_keys_alone_is_the_next_fault() {
    let discovery = "/realms/platform/.well-known/openid-configuration";
    let world = |rules: Value| World::oidc_refused().uninitialized().rules(rules);
    let rules = |paths: Value, action: Value| {
        json!([
            {"arn": "arn:rule/1", "listenerArn": "arn:listener/443", "priority": 1, "conditions": [{"field": "path-pattern", "values": paths}], "actions": [{"type": "forward", "targetGroups": ["arn:tg/keycloak"]}]},
            {"arn": "arn:rule/default", "listenerArn": "arn:listener/443", "conditions": [], "actions": [action, {"type": "forward", "order": 2, "targetGroups": ["arn:tg/keycloak"]}]}
        ])
    };
    let fixed = json!({"type": "fixed-response", "order": 1, "status": "403", "targetGroups": []});
    let login =
        json!({"type": "authenticate-oidc", "order": 1, "targetGroups": [], "onUnauthenticated": "authenticate"});
    for (action, code) in [(fixed, "listener-rule-blocks-discovery"), (login, "listener-login-on-discovery")] {
        let diagnosed = |paths: Value| {
            let (evidence, _) = world(rules(paths, action.clone())).evidence();
            diagnose(check_all(&Case::new(&evidence)))
        };
        let next = diagnosed(json!([discovery]));
        assert_ne!(next[0].code, code, "{next:?}");
        assert!(next.iter().all(|finding| finding.explained_by != Some(code)), "{next:?}");
        let told = next.iter().find(|finding| finding.code == code).unwrap_or_else(|| panic!("no {code}: {next:?}"));
        assert!(told.why.contains("only later") && !told.why.contains("never reads"), "{}", told.why);
        // With discovery stopped it is the cause.
        let cause = diagnosed(json!(["/somewhere/else"]));
        assert_eq!(cause[0].code, code, "{cause:?}");
        assert!(cause.iter().any(|finding| finding.explained_by == Some(code)), "{cause:?}");
    }
}

/// Peering translates nothing.
#[test]
fn a_peered_vpc_sees_the_interfaces_addresses() {
    let peered = || {
        let route = json!({"destination": "10.99.0.0/16", "target": "pcx-1", "state": "active"});
        routed_internal()
            .set("/issuer/dns/seen/addresses", json!(["10.99.0.5"]))
            .set("/aws/network/routeTables/seen/0/routes/2", route)
    };
    assert_eq!(judged(&peered().lets_in(&["10.0.0.0/16"]), Layer::SecurityGroup), Some(Passage::Passes));
    assert_eq!(judged(&peered().lets_in(&["192.0.2.0/24"]), Layer::SecurityGroup), Some(Passage::Blocks));
    // Whether the other side has a route back is its own affair.
    assert_eq!(judged(&peered().lets_in(&["10.0.0.0/16"]), Layer::Route), Some(Passage::Unknown));
    let (evidence, _) = peered().lets_in(&["192.0.2.0/24"]).evidence();
    let answer = allowlist::answer(&evidence, Direction::ControlPlane).expect("an answer");
    assert!(answer.entries.iter().any(|entry| entry.value == "sg-0c1u"), "{:?}", answer.entries);
}

/// Where a cluster and an issuer have both families, one way that is free is enough.
#[test]
fn a_free_way_by_ipv6_is_a_way() {
    let world = |listed: &[&str]| {
        routed()
            .lets_in(listed)
            .set("/issuer/dns/seen/addresses", json!(["2001:db8:9::40", "203.0.113.40"]))
            .set("/aws/network/interfaces/seen/0/ipv6Addresses", json!(["2001:db8:1:1::15"]))
            .set("/aws/network/interfaces/seen/1/ipv6Addresses", json!(["2001:db8:1:2::27"]))
            .set(
                "/aws/network/routeTables/seen/0/routes/1",
                json!({"destination": "::/0", "target": "eigw-1", "state": "active"}),
            )
            .set(
                "/aws/network/networkAcls/seen/0/entries/4",
                json!({"number": 101, "egress": true, "allow": true, "protocol": "-1", "cidr": "::/0"}),
            )
            .set(
                "/aws/network/networkAcls/seen/0/entries/5",
                json!({"number": 101, "egress": false, "allow": true, "protocol": "-1", "cidr": "::/0"}),
            )
    };
    assert_eq!(judged(&world(&["2001:db8:1::/56"]), Layer::Route), Some(Passage::Passes));
    // Blocked both ways, the way that most API servers take is told.
    assert_eq!(judged(&world(&["192.0.2.0/24"]), Layer::Route), Some(Passage::Blocks));
}

/// A group that EC2 did not tell of has rules that are not known.
#[test]
fn a_security_group_in_no_answer_is_no_verdict() {
    let rules =
        json!([{"id": "sgr-2", "groupId": "sg-0c1u", "egress": true, "protocol": "-1", "cidrIpv4": "0.0.0.0/0"}]);
    let world = World::oidc_refused()
        .set("/aws/network/securityGroups/seen", json!([{"id": "sg-0c1u", "name": "eks", "vpcId": "vpc-01"}]))
        .set("/aws/network/securityGroupRules/seen", rules);
    assert_eq!(judged(&world, Layer::SecurityGroup), Some(Passage::Unknown));
}

/// Only what is missing is added, each family by what takes it.
#[test]
fn the_fix_of_a_list_adds_what_is_missing() {
    let second = json!({"id": "rtb-2", "vpcId": "vpc-01", "main": false, "subnetIds": ["subnet-2"], "routes": [{"destination": "10.0.0.0/16", "target": "local", "state": "active"}, {"destination": "0.0.0.0/0", "target": "nat-2", "state": "active"}]});
    let gateway = json!({"id": "nat-2", "subnetId": "subnet-9", "state": "available", "connectivity": "public", "publicAddresses": ["203.0.113.98"], "privateAddresses": ["10.0.9.8"]});
    let world = World::oidc_refused()
        .routed()
        .rules(forward_all())
        .lets_in(&["203.0.113.99/32"])
        .set("/aws/network/routeTables/seen/1", second)
        .set("/aws/network/natGateways/seen/1", gateway);
    let all = found(&world);
    let (_, text) = all.iter().find(|(code, _)| *code == "allowlist-misses-control-plane").expect("a finding");
    assert!(text.contains("--cidr 203.0.113.98/32") && !text.contains("--cidr 203.0.113.99/32"), "{text}");
    // Where a listener rule holds the list, the security group needs nothing.
    let listener = World::oidc_refused().routed().rules(only_from(&["192.0.2.0/24"])).api_log(REFUSED);
    let all = found(&listener);
    let (_, text) = all.iter().find(|(code, _)| *code == "allowlist-misses-control-plane").expect("a finding");
    assert!(text.contains("source-ip condition of listener rule 1"), "{text}");
    assert!(!text.contains("authorize-security-group-ingress"), "{text}");
}

/// What a list has no effect on is not mended by it.
#[test]
fn a_list_that_is_switched_off_is_not_extended() {
    let case = cases().into_iter().find(|case| case.name == "eks-public-access-off").expect("a case");
    let all = found(&case.world);
    assert!(!all.iter().any(|(code, _)| *code == "public-access-cidr-blocked"), "{all:?}");
    let (_, text) = all.iter().find(|(code, _)| *code == "endpoint-private-off-network").expect("a finding");
    assert!(text.contains("endpointPublicAccess=true,publicAccessCidrs=YOURS/32"), "{text}");
}

/// A VPN is no help to whom the groups of the private endpoint keep out, nor where the name leads elsewhere.
#[test]
fn a_private_endpoint_is_told_by_its_interfaces_and_their_groups() {
    let look = |addresses: [&str; 1], rule: Option<Value>| {
        let case = cases().into_iter().find(|case| case.name == "eks-public-access-off").expect("a case");
        let silent =
            addresses.map(|one| json!({"address": format!("{one}:443"), "outcome": "timeout", "tookMs": 5000}));
        let mut world = case
            .world
            .set("/endpoint/dns/seen/addresses", json!(addresses))
            .set("/endpoint/tcp/seen/attempts", json!(silent));
        if let Some(rule) = rule {
            world = world.set("/aws/network/securityGroupRules/seen/0", rule);
        }
        let all = found(&world);
        all.into_iter().find(|(code, _)| *code == "endpoint-private-off-network").expect("a finding").1
    };
    let rule = |peer: &str, value: &str, port: u16| {
        let mut rule = json!({"id": "sgr-1", "groupId": "sg-0c1u", "egress": false, "protocol": "tcp", "fromPort": port, "toPort": port});
        rule[peer] = json!(value);
        Some(rule)
    };
    let open = "authorize-security-group-ingress --region eu-west-1 --group-id sg-0c1u";
    let members = look(["10.0.1.15"], None);
    assert!(members.contains("nobody in on TCP 443 but members of sg-0c1u") && members.contains(open), "{members}");
    let shut = look(["10.0.1.15"], rule("cidrIpv4", "10.0.0.0/8", 10_250));
    assert!(shut.contains("no rule of sg-0c1u lets anybody in on TCP 443") && shut.contains(open), "{shut}");
    let let_in = look(["10.0.1.15"], rule("cidrIpv4", "10.0.0.0/8", 443));
    assert!(!let_in.contains("security-group") && let_in.contains("ip route get"), "{let_in}");
    let elsewhere = look(["10.77.1.1"], None);
    assert!(elsewhere.contains("interfaces at 10.0.1.15, 10.0.2.27"), "{elsewhere}");
    assert!(elsewhere.contains("dig +short") && !elsewhere.contains(open), "{elsewhere}");
}

/// Out of the VPC private addresses are reached: where every layer is open, they are no reason.
#[test]
fn private_addresses_are_no_obstacle_to_who_leaves_through_the_vpc() {
    let open = routed_internal().lets_in(&["sg-0c1u"]).uninitialized();
    let all = found(&open);
    assert!(!all.iter().any(|(code, _)| *code == "issuer-unreachable-from-control-plane"), "{all:?}");
    assert!(all.iter().any(|(code, _)| *code == "issuer-blocks-control-plane"), "{all:?}");
}

/// The layer that could not be judged is named, and what is said of the addresses fits the egress mode.
#[test]
fn what_could_not_be_judged_on_the_way_is_named() {
    let finding = |world: &World| {
        let (evidence, _) = world.evidence();
        let all = check_all(&Case::new(&evidence));
        all.into_iter().find(|finding| finding.code == "issuer-blocks-control-plane").expect("a finding")
    };
    let public = || World::oidc_refused().routed().rules(forward_all()).uninitialized();
    let gateway = finding(&way_out(public(), "tgw-1", "active"));
    assert!(gateway.why.contains("the route leads to tgw-1"), "{}", gateway.why);
    assert_eq!(gateway.candidates[0].code, "issuer-unreachable-from-control-plane");
    assert!(gateway.candidates[0].why.contains("tgw-1"), "{:?}", gateway.candidates[0]);
    let text = format!("{:?}", gateway.fix);
    assert!(text.contains("one of your own network's") && !text.contains("not yours"), "{text}");
    assert!(!text.contains("nginx"), "AWS shows a load balancer: {text}");
    let managed = finding(&World::oidc_refused().uninitialized());
    assert!(format!("{:?}", managed.fix).contains("not yours"), "{:?}", managed.fix);
}

/// An answer comes back to one of 28,232 ports.
#[test]
fn a_network_acl_is_judged_by_how_many_ports_it_leaves() {
    let world = |last: i32| {
        routed().set(
            "/aws/network/networkAcls/seen",
            acl(json!([
                {"number": 90, "egress": true, "allow": true, "protocol": "-1", "cidr": "0.0.0.0/0"},
                {"number": 100, "egress": false, "allow": true, "protocol": "6", "cidr": "0.0.0.0/0", "fromPort": 1024, "toPort": last},
                {"number": 32767, "egress": false, "allow": false, "protocol": "-1", "cidr": "0.0.0.0/0"}])),
        )
    };
    assert_eq!(judged(&world(32_767), Layer::Acl), Some(Passage::Blocks));
    assert_eq!(judged(&world(32_768), Layer::Acl), Some(Passage::Blocks));
    assert_eq!(judged(&world(49_151), Layer::Acl), Some(Passage::Unknown));
    assert_eq!(judged(&world(60_999), Layer::Acl), Some(Passage::Passes));
    let (evidence, _) = world(32_768).evidence();
    let reach = reach::to_issuer(&evidence).expect("a way");
    let text = &reach.step(Layer::Acl).expect("a step").text;
    assert!(text.contains("1 of 28232 ports only"), "{text}");
}

/// What leaves the cluster's subnets enters the load balancer's, and its answers leave them: both sides are told at once.
#[test]
fn the_acl_of_the_load_balancers_subnet_is_judged_too() {
    let entry = |number: i32, egress: bool, from: i32, to: i32| json!({"number": number, "egress": egress, "allow": true, "protocol": "6", "cidr": "0.0.0.0/0", "fromPort": from, "toPort": to});
    let (out, into) = (entry(100, true, 443, 443), entry(100, false, 443, 443));
    let (answers_out, answers_in) = (entry(110, true, 1024, 65_535), entry(110, false, 1024, 65_535));
    // The load balancer is in the subnet of one of the interfaces; the other one's packets meet the ACL twice.
    let world = |destinations: &[&str], entries: &[&Value]| {
        World::oidc_refused()
            .routed()
            .internal()
            .rules(forward_all())
            .uninitialized()
            .set("/issuer/dns/seen/addresses", json!(destinations))
            .set("/aws/issuerBalancer/loadBalancer/seen/subnetIds", json!(["subnet-1", "subnet-2"]))
            .set("/aws/network/networkAcls/seen", acl(json!(entries)))
    };
    let beside = ["10.0.1.50"];
    let fix = |world: &World| {
        let (evidence, _) = world.evidence();
        let all = check_all(&Case::new(&evidence));
        all.into_iter()
            .find(|finding| finding.code == "network-acl-blocks-issuer")
            .map(|finding| format!("{:?}", finding.fix))
    };
    let neither = fix(&world(&beside, &[&out, &into])).expect("a finding");
    assert!(
        neither.contains("--ingress --rule-number 110") && neither.contains("--egress --rule-number 110"),
        "{neither}"
    );
    let half = fix(&world(&beside, &[&out, &into, &answers_in])).expect("what is left");
    assert!(half.contains("--egress --rule-number 110") && !half.contains("--ingress"), "{half}");
    let no_request = fix(&world(&beside, &[&out, &answers_in, &answers_out, &entry(90, false, 1024, 65_535)]));
    let no_request = no_request.expect("the request does not get in");
    assert!(no_request.contains("--ingress") && no_request.contains("From=443,To=443"), "{no_request}");
    assert_eq!(judged(&world(&beside, &[&out, &into, &answers_in, &answers_out]), Layer::Acl), Some(Passage::Passes));
    // Each interface has an address of the load balancer in its own subnet.
    let both = world(&["10.0.1.50", "10.0.2.50"], &[&out, &into, &answers_in]);
    assert_eq!(judged(&both, Layer::Acl), Some(Passage::Unknown));
}

/// Where nobody listens, no rule can be put before another.
#[test]
fn a_load_balancer_without_the_listener_is_given_one() {
    let titles = |port: u16| {
        let listeners =
            json!([{"arn": "arn:listener/1", "port": port, "protocol": "HTTPS", "certificates": ["arn:cert"]}]);
        let world = World::oidc_refused().uninitialized().set("/aws/issuerBalancer/listeners", seen(listeners));
        let (evidence, _) = world.evidence();
        let all = check_all(&Case::new(&evidence)).into_iter();
        let all = all.filter(|finding| finding.code == "listener-rule-blocks-discovery");
        all.map(|finding| format!("{} {:?}", finding.title, finding.fix)).collect::<Vec<_>>()
    };
    let missing = titles(8443);
    assert_eq!(missing.len(), 1, "{missing:?}");
    assert!(missing[0].starts_with("The issuer's load balancer has no listener on port 443"), "{missing:?}");
    assert!(missing[0].contains("elbv2 create-listener") && !missing[0].contains("kaccess allowlist"), "{missing:?}");
    assert!(titles(443).is_empty());
}

/// A packet meets the network ACL before the load balancer's group: that is mended first.
#[test]
fn of_two_obstacles_the_first_on_the_way_is_told_first() {
    let denial = json!([
        {"number": 50, "egress": true, "allow": false, "protocol": "6", "cidr": "0.0.0.0/0", "fromPort": 443, "toPort": 443},
        {"number": 100, "egress": true, "allow": true, "protocol": "-1", "cidr": "0.0.0.0/0"},
        {"number": 100, "egress": false, "allow": true, "protocol": "-1", "cidr": "0.0.0.0/0"}
    ]);
    let world = World::oidc_refused().routed().rules(forward_all()).lets_in(&["192.0.2.0/24"]);
    let world = world.set("/aws/network/networkAcls/seen", acl(denial));
    let (evidence, _) = world.evidence();
    let all = kaccess::report::diagnose(check_all(&Case::new(&evidence)));
    let told: Vec<_> = all.iter().map(|finding| (finding.code, finding.confidence)).take(2).collect();
    assert_eq!(told, [("network-acl-blocks-issuer", Likely), ("allowlist-misses-control-plane", Likely)]);
}

/// Web ACLs of CloudFront are all in one region, wherever the cluster is.
#[test]
fn a_web_acl_is_asked_where_it_is() {
    let bots = json!([{"name": "bots", "priority": 1, "action": "group", "statement": "managed-group", "reference": "AWSManagedRulesBotControlRuleSet"}]);
    let world =
        || World::oidc_refused().uninitialized().set("/aws/issuerBalancer/webAcl", web_acl("allow", bots.clone(), &[]));
    let asked = |world: World| {
        let all = found(&world);
        let (_, text) = all.into_iter().find(|(code, _)| *code == "waf-may-block-discovery").expect("a web ACL");
        text
    };
    let regional = asked(world());
    assert!(regional.contains("aws --region eu-west-1 wafv2 get-sampled-requests "), "{regional}");
    assert!(regional.contains(" --scope REGIONAL --time-window "), "{regional}");
    let arn = "arn:aws:wafv2:us-east-1:111122223333:global/webacl/edge/1";
    let global = asked(world().set("/aws/issuerBalancer/webAcl/seen/arn", json!(arn)));
    assert!(global.contains("aws wafv2 get-sampled-requests "), "{global}");
    assert!(global.contains(" --scope CLOUDFRONT --region us-east-1 --time-window "), "{global}");
}

/// Two entries of one ACL in one direction have two numbers: AWS refuses the second of one number.
#[test]
fn no_number_of_an_acl_is_given_twice() {
    let entries = json!([
        {"number": 100, "egress": true, "allow": true, "protocol": "6", "cidr": "0.0.0.0/0", "fromPort": 80, "toPort": 80},
        {"number": 100, "egress": false, "allow": true, "protocol": "-1", "cidr": "0.0.0.0/0"}
    ]);
    let world = World::oidc_refused()
        .routed()
        .internal()
        .rules(forward_all())
        .lets_in(&["sg-0c1u"])
        .uninitialized()
        .set("/issuer/dns/seen/addresses", json!(["10.0.1.50"]))
        .set("/aws/issuerBalancer/loadBalancer/seen/subnetIds", json!(["subnet-1", "subnet-2"]))
        .set("/aws/network/networkAcls/seen", acl(entries));
    let (evidence, _) = world.evidence();
    let all = check_all(&Case::new(&evidence));
    let found = all.iter().find(|finding| finding.code == "network-acl-blocks-issuer").expect("a finding");
    let commands: Vec<&str> = found.fix.iter().flat_map(kaccess::report::Step::codes).collect();
    let numbers: Vec<&str> = commands
        .iter()
        .filter(|command| command.contains("--egress"))
        .filter_map(|command| command.split("--rule-number ").nth(1)?.split(' ').next())
        .collect();
    assert_eq!(numbers, ["110", "120"], "{commands:?}");
}
