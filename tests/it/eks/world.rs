//! Healthy EKS worlds, of which a case changes one thing. Nobody here has an AWS account: shapes are those of the APIs'
//! own models, logs are read by the reader that doctor uses.

use kaccess::collect::log;
use kaccess::evidence::Evidence;
use kaccess::secret::Scrubber;
use serde_json::{Value, json};

/// Why the evidence is synthetic.
pub const PROVENANCE: &str =
    "synthetic: there is no AWS account to record from; built by tests/it/eks from the shapes of the AWS APIs";

/// The issuer of these worlds.
pub const ISSUER: &str = "https://sso.example.com/realms/platform";
/// Public addresses of the API endpoint.
pub const ENDPOINT: [&str; 2] = ["198.51.100.10", "198.51.100.11"];
/// Addresses of the cluster's interfaces.
pub const INTERFACES: [&str; 2] = ["10.0.1.15", "10.0.2.27"];
/// The caller's role.
pub const ROLE: &str = "arn:aws:iam::111122223333:role/platform-dev";

/// A world that is being built.
pub struct World(pub Value);

/// What a probe saw.
pub fn seen(value: Value) -> Value {
    json!({"startedMs": 20, "tookMs": 15, "seen": value})
}

/// Why there was nothing to look at.
pub fn nothing(why: &str) -> Value {
    json!({"startedMs": 0, "tookMs": 0, "notApplicable": why})
}

fn answer(status: u16, reason: &str, body: &str) -> Value {
    json!({"method": "GET", "url": "/version", "status": status, "reason": reason, "contentType": "application/json",
        "date": "2026-11-25T10:00:00Z", "receivedAt": "2026-11-25T10:00:00Z", "body": body, "bodyLength": body.len()})
}

const VERSION: &str =
    "{\"major\": \"1\", \"minor\": \"33\", \"gitVersion\": \"v1.33.5-eks-113cf36\", \"platform\": \"linux/amd64\"}";

impl World {
    /// Somebody signed in by OIDC, through an internet-facing load balancer that opens the two paths to everybody.
    pub fn oidc() -> Self {
        let discovery = json!({"answer": {"method": "GET", "url": format!("{ISSUER}/.well-known/openid-configuration"), "status": 200, "reason": "OK", "contentType": "application/json", "body": "", "bodyLength": 900},
            "redirects": [], "userAgent": "kaccess/0.1.0", "issuer": ISSUER, "jwksUri": format!("{ISSUER}/protocol/openid-connect/certs")});
        let jwks = json!({"answer": {"method": "GET", "url": format!("{ISSUER}/protocol/openid-connect/certs"), "status": 200, "reason": "OK", "contentType": "application/json", "body": "", "bodyLength": 400},
            "userAgent": "kaccess/0.1.0", "keys": [{"kid": "key-1", "kty": "RSA", "alg": "RS256", "use": "sig"}]});
        let check = |verb: &str, resource: &str, allowed: bool| json!({"question": {"verb": verb, "group": "", "resource": resource, "subresource": "", "name": "", "namespace": "dev"}, "allowed": allowed, "reason": "", "evaluationError": ""});
        Self(json!({
            "schema": kaccess::evidence::SCHEMA,
            "provenance": PROVENANCE,
            "kaccess": "0.1.0",
            "observedAt": "2026-11-25T10:00:00Z",
            "tookMs": 400,
            "asked": {},
            "kubeconfig": seen(json!({
                "source": "files",
                "files": [{"path": "/home/alice/.kube/config", "state": "read"}],
                "contexts": ["prod"],
                "context": "prod",
                "namespace": "dev",
                "cluster": {"name": "prod", "file": "/home/alice/.kube/config", "server": "https://0A1B2C.gr7.eu-west-1.eks.amazonaws.com", "certificateAuthority": "data", "authorities": [], "insecureSkipTlsVerify": false},
                "user": {"name": "alice", "file": "/home/alice/.kube/config", "methods": ["token"], "impersonateGroups": []},
                "problems": []
            })),
            "plugin": nothing("the user entry has no credential plugin"),
            "credential": seen(json!({
                "source": "token",
                "origin": "user \"alice\" in /home/alice/.kube/config",
                "token": {"kind": "jwt", "length": 1100, "header": {"alg": "RS256", "kid": "key-1", "typ": "JWT"},
                    "claims": {"iss": ISSUER, "aud": "kubernetes", "sub": "f3b1", "email": "alice@example.com", "email_verified": true, "groups": ["dev"], "iat": 1_795_600_000, "exp": 1_795_686_400},
                    "problems": []},
                "certificates": []
            })),
            "endpoint": {
                "route": seen(json!({"url": "https://0A1B2C.gr7.eu-west-1.eks.amazonaws.com/", "scheme": "https", "host": "0a1b2c.gr7.eu-west-1.eks.amazonaws.com", "port": 443, "proxyReason": "neither HTTPS_PROXY nor https_proxy is set"})),
                "dns": seen(json!({"host": "0a1b2c.gr7.eu-west-1.eks.amazonaws.com", "literal": false, "addresses": ENDPOINT})),
                "tcp": seen(json!({"attempts": [{"address": "198.51.100.10:443", "outcome": "connected", "tookMs": 18}]})),
                "tls": seen(json!({"serverName": "0a1b2c.gr7.eu-west-1.eks.amazonaws.com", "version": "TLSv1_3", "chain": [], "roots": "kubeconfig", "rootCount": 1, "faults": []})),
                "anonymous": seen(answer(200, "OK", VERSION)),
                "authenticated": seen(answer(200, "OK", VERSION))
            },
            "identity": seen(json!({"apiVersion": "authentication.k8s.io/v1", "user": {"username": "oidc:alice@example.com", "uid": "", "groups": ["oidc:dev", "system:authenticated"], "extra": {}}})),
            "access": seen(json!({"checks": [check("list", "pods", true), check("get", "secrets", false)]})),
            "issuer": {
                "target": seen(json!({"url": ISSUER, "origin": "token", "host": "sso.example.com", "laboratory": false})),
                "dns": seen(json!({"host": "sso.example.com", "literal": false, "addresses": ["203.0.113.40", "203.0.113.41"]})),
                "tcp": seen(json!({"attempts": [{"address": "203.0.113.40:443", "outcome": "connected", "tookMs": 12}]})),
                "tls": seen(json!({"serverName": "sso.example.com", "version": "TLSv1_3", "chain": [], "roots": "system", "rootCount": 145, "faults": []})),
                "discovery": seen(discovery.clone()),
                "discoveryAsControlPlane": seen(discovery),
                "jwks": seen(jwks.clone()),
                "jwksAsControlPlane": seen(jwks),
                "signature": seen(json!({"kid": "key-1", "alg": "RS256", "kidKnown": true, "verified": true, "verdicts": [{"kid": "key-1", "verdict": "verified"}]}))
            },
            "controlPlane": {
                "reviewer": nothing("no --reviewer-context was given"),
                "tokenReview": nothing("no reviewer was given"),
                "metrics": nothing("no reviewer was given"),
                "flagz": nothing("no reviewer was given"),
                "configuration": nothing("no --apiserver-config was given"),
                "log": nothing("no --log was given")
            },
            "rbac": nothing("no reviewer was given"),
            "aws": aws()
        }))
    }

    /// The same, and the API server refuses the token.
    pub fn oidc_refused() -> Self {
        Self::oidc().refused()
    }

    /// Somebody signed in by IAM: an assumed role, an access entry with a policy.
    pub fn iam() -> Self {
        Self::oidc()
            .set("/kubeconfig/seen/user", json!({"name": "prod", "file": "/home/alice/.kube/config", "methods": ["exec"], "impersonateGroups": [],
                "exec": {"command": "aws", "args": ["--region", "eu-west-1", "eks", "get-token", "--cluster-name", "prod", "--output", "json"], "env": [], "apiVersion": "client.authentication.k8s.io/v1beta1", "interactiveMode": "IfAvailable"}}))
            .set("/plugin", seen(json!({"program": "aws", "args": ["--region", "eu-west-1", "eks", "get-token", "--cluster-name", "prod"], "exitCode": 0, "stderr": ""})))
            .set("/credential/seen", json!({"source": "exec", "origin": "aws eks get-token", "certificates": [],
                "token": {"kind": "eks-iam", "length": 1600, "problems": [], "claims": {"host": "sts.eu-west-1.amazonaws.com", "region": "eu-west-1", "accessKeyId": "ASIAEXAMPLEEXAMPLE12", "date": "2026-11-25T09:59:59Z", "expires": "2026-11-25T10:14:59Z", "signedHeaders": ["host", "x-k8s-aws-id"]}}}))
            .set("/identity/seen/user", json!({"username": "arn:aws:sts::111122223333:assumed-role/platform-dev/alice", "uid": "aws-iam-authenticator:111122223333:AROAEXAMPLE", "groups": ["system:authenticated"], "extra": {}}))
            .without_issuer()
    }

    /// The same, and the API server refuses the token.
    pub fn iam_refused() -> Self {
        Self::iam().refused()
    }

    /// The control plane leaves through the VPC.
    pub fn routed(self) -> Self {
        self.set("/aws/cluster/seen/vpc/controlPlaneEgressMode", json!("CUSTOMER_ROUTED"))
    }

    /// The load balancer is inside the VPC, and so are the issuer's addresses.
    pub fn internal(self) -> Self {
        self.set("/aws/issuerBalancer/loadBalancer/seen/scheme", json!("internal"))
            .set("/issuer/dns/seen/addresses", json!(["10.0.10.5", "10.0.11.5"]))
    }

    /// What the load balancer's security group lets in on the issuer's port: ranges, `pl-...`, `sg-...`.
    pub fn lets_in(mut self, values: &[&str]) -> Self {
        let rules =
            self.0.pointer_mut("/aws/network/securityGroupRules/seen").and_then(Value::as_array_mut).expect("rules");
        rules.retain(|rule| rule["groupId"] != "sg-0a1b" || rule["egress"] == true);
        for (index, value) in values.iter().enumerate() {
            let key = match value {
                value if value.starts_with("sg-") => "referencedGroup",
                value if value.starts_with("pl-") => "prefixListId",
                value if value.contains("::") => "cidrIpv6",
                _ => "cidrIpv4",
            };
            let mut rule = json!({"id": format!("sgr-in-{index}"), "groupId": "sg-0a1b", "egress": false, "protocol": "tcp", "fromPort": 443, "toPort": 443});
            rule[key] = json!(value);
            rules.push(rule);
        }
        self
    }

    /// The discovery document sends for the keys to another host, with a load balancer of its own, open to everybody.
    pub fn keys_elsewhere(self) -> Self {
        let uri = "https://keys.example.com/realms/platform/protocol/openid-connect/certs";
        let mut balancer = self.0["aws"]["issuerBalancer"].clone();
        let own = balancer["loadBalancer"]["seen"].as_object_mut().expect("a load balancer");
        own.insert("name".to_owned(), json!("k8s-keys"));
        own.insert(
            "arn".to_owned(),
            json!("arn:aws:elasticloadbalancing:eu-west-1:111122223333:loadbalancer/app/k8s-keys/2"),
        );
        own.insert("dnsName".to_owned(), json!("k8s-keys-2.eu-west-1.elb.amazonaws.com"));
        own.insert("securityGroups".to_owned(), json!(["sg-0k2y"]));
        balancer["rules"] = seen(forward_all());
        let mut world = self
            .set("/issuer/discovery/seen/jwksUri", json!(uri))
            .set("/issuer/discoveryAsControlPlane/seen/jwksUri", json!(uri))
            .set("/issuer/jwks/seen/answer/url", json!(uri))
            .set("/issuer/jwksAsControlPlane/seen/answer/url", json!(uri))
            .set("/aws/jwksBalancer", balancer);
        let rules =
            world.0.pointer_mut("/aws/network/securityGroupRules/seen").and_then(Value::as_array_mut).expect("rules");
        rules.push(json!({"id": "sgr-keys", "groupId": "sg-0k2y", "egress": false, "protocol": "tcp", "fromPort": 443, "toPort": 443, "cidrIpv4": "0.0.0.0/0"}));
        world
    }

    /// That load balancer lets in only these addresses.
    pub fn keys_let_in(mut self, range: &str) -> Self {
        let rules =
            self.0.pointer_mut("/aws/network/securityGroupRules/seen").and_then(Value::as_array_mut).expect("rules");
        rules.last_mut().expect("a rule")["cidrIpv4"] = json!(range);
        self
    }

    /// The rules of the listener.
    pub fn rules(self, rules: Value) -> Self {
        self.set("/aws/issuerBalancer/rules/seen", rules)
    }

    /// The API server answers 401.
    pub fn refused(self) -> Self {
        let unauthorized = "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"status\":\"Failure\",\"message\":\"Unauthorized\",\"reason\":\"Unauthorized\",\"code\":401}";
        self.set("/identity", json!({"startedMs": 60, "tookMs": 20, "failed": {"kind": "unauthorized", "detail": "HTTP 401 Unauthorized: Unauthorized"}}))
            .set("/endpoint/authenticated", seen(answer(401, "Unauthorized", unauthorized)))
            .set("/access", json!({"startedMs": 80, "tookMs": 0, "skipped": {"because": "identity", "text": "the API server does not say who you are"}}))
    }

    /// A TokenReview by somebody else says that the issuer's authenticator never came up.
    pub fn uninitialized(self) -> Self {
        self.set("/controlPlane/tokenReview", seen(json!({"authenticated": false, "error": "[invalid bearer token, oidc: authenticator not initialized, unknown]"})))
    }

    /// Lines of kube-apiserver's log.
    pub fn api_log(self, lines: &str) -> Self {
        self.log("/aws/apiLog", lines)
    }

    /// Lines of the authenticator's log.
    pub fn authenticator_log(self, lines: &str) -> Self {
        self.log("/aws/authenticatorLog", lines)
    }

    fn log(self, pointer: &str, lines: &str) -> Self {
        let read = log::read("/aws/eks/prod/cluster", lines.as_bytes(), &Scrubber::default()).expect("a log");
        assert!(!read.matches.is_empty(), "no line is recognised: {lines}");
        self.set(pointer, seen(serde_json::to_value(read).expect("JSON")))
    }

    /// AWS refuses a call.
    pub fn denied(self, pointer: &str, action: &str) -> Self {
        let detail = format!("AccessDenied: you are not authorized to perform {action}");
        self.set(
            pointer,
            json!({"startedMs": 30, "tookMs": 40, "failed": {"kind": "forbidden", "detail": detail, "needs": action}}),
        )
    }

    /// Without any OIDC provider, and no issuer to look at.
    pub fn without_issuer(mut self) -> Self {
        for probe in [
            "target",
            "dns",
            "tcp",
            "tls",
            "discovery",
            "discoveryAsControlPlane",
            "jwks",
            "jwksAsControlPlane",
            "signature",
        ] {
            self = self.set(&format!("/issuer/{probe}"), nothing("the credential is no token of an issuer"));
        }
        self
    }

    /// Puts a value somewhere.
    pub fn set(mut self, pointer: &str, value: Value) -> Self {
        let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
        let place = self.0.pointer_mut(parent).unwrap_or_else(|| panic!("{parent} is not there"));
        match place {
            Value::Array(items) => {
                let index: usize = key.parse().expect("an index");
                if index == items.len() { items.push(value) } else { items[index] = value }
            }
            Value::Object(fields) => {
                fields.insert(key.to_owned(), value);
            }
            _ => panic!("{parent} holds nothing"),
        }
        self
    }

    /// aws-auth's sections.
    pub fn aws_auth(self, data: Value) -> Self {
        self.set("/aws/awsAuth", seen(json!({"data": data})))
    }

    /// The authentication mode, with what belongs to it.
    pub fn mode(self, mode: &str) -> Self {
        let world = self.set("/aws/cluster/seen/authenticationMode", json!(mode));
        if mode == "CONFIG_MAP" {
            world
                .set("/aws/accessEntries", nothing("the cluster's mode is CONFIG_MAP"))
                .set("/aws/administrators", nothing("the cluster's mode is CONFIG_MAP"))
        } else {
            world
        }
    }

    /// No access entry is the caller's.
    pub fn no_entry(self) -> Self {
        self.set("/aws/accessEntries/seen", json!({"total": 7, "entries": [], "namesakes": []}))
    }

    /// As evidence, in its written form.
    pub fn evidence(&self) -> (Evidence, String) {
        let evidence: Evidence = serde_json::from_value(self.0.clone()).expect("evidence");
        let mut text = serde_json::to_string_pretty(&evidence).expect("JSON");
        text.push('\n');
        (evidence, text)
    }
}

/// Rules of a listener that open the two paths to everybody, and the rest to an office.
pub fn open_rules() -> Value {
    json!([
        {"arn": "arn:rule/1", "listenerArn": "arn:listener/443", "priority": 1,
            "conditions": [{"field": "host-header", "values": ["sso.example.com"]}, {"field": "path-pattern", "values": ["/realms/platform/.well-known/openid-configuration", "/realms/platform/protocol/openid-connect/certs"]}],
            "actions": [{"type": "forward", "targetGroups": ["arn:tg/keycloak"]}]},
        {"arn": "arn:rule/2", "listenerArn": "arn:listener/443", "priority": 2,
            "conditions": [{"field": "host-header", "values": ["sso.example.com"]}, {"field": "source-ip", "values": ["192.0.2.0/24"]}],
            "actions": [{"type": "forward", "targetGroups": ["arn:tg/keycloak"]}]},
        {"arn": "arn:rule/default", "listenerArn": "arn:listener/443", "conditions": [], "actions": [{"type": "fixed-response", "status": "403", "targetGroups": []}]}
    ])
}

/// A rule that forwards everything.
pub fn forward_all() -> Value {
    json!([{"arn": "arn:rule/default", "listenerArn": "arn:listener/443", "conditions": [], "actions": [{"type": "forward", "targetGroups": ["arn:tg/keycloak"]}]}])
}

fn aws() -> Value {
    let interface = |id: &str, subnet: &str, zone: &str, address: &str| {
        json!({"id": id, "description": "Amazon EKS prod", "vpcId": "vpc-01", "subnetId": subnet, "zone": zone,
            "securityGroups": ["sg-0c1u"], "privateAddresses": [address], "ipv6Addresses": [], "publicAddresses": [], "status": "in-use"})
    };
    json!({
        "target": seen(json!({"cluster": "prod", "clusterOrigin": "exec-arguments", "region": "eu-west-1", "regionOrigin": "exec-arguments", "tokenCluster": "prod"})),
        "caller": seen(json!({"arn": "arn:aws:sts::111122223333:assumed-role/platform-dev/alice", "account": "111122223333", "userId": "AROAEXAMPLE:alice"})),
        "principal": seen(json!({"arn": ROLE, "uniqueId": "AROAEXAMPLE", "path": "/", "createdAt": "2025-01-10T08:00:00Z"})),
        "cluster": seen(json!({"name": "prod", "arn": "arn:aws:eks:eu-west-1:111122223333:cluster/prod", "version": "1.33", "platformVersion": "eks.14", "status": "ACTIVE",
            "endpoint": "https://0A1B2C.gr7.eu-west-1.eks.amazonaws.com", "ownIssuer": "https://oidc.eks.eu-west-1.amazonaws.com/id/0A1B2C", "roleArn": "arn:aws:iam::111122223333:role/eks-prod", "createdAt": "2025-02-01T08:00:00Z",
            "vpc": {"vpcId": "vpc-01", "subnetIds": ["subnet-1", "subnet-2"], "clusterSecurityGroupId": "sg-0c1u", "securityGroupIds": [], "endpointPublicAccess": true, "endpointPrivateAccess": true, "publicAccessCidrs": ["192.0.2.0/24"], "controlPlaneEgressMode": "AWS_MANAGED"},
            "authenticationMode": "API_AND_CONFIG_MAP", "creatorIsAdmin": false, "ipFamily": "ipv4", "logTypes": ["api", "authenticator"], "health": []})),
        "identityProviders": seen(json!({"configs": [{"name": "keycloak", "details": seen(json!({"issuerUrl": ISSUER, "clientId": "kubernetes", "usernameClaim": "email", "usernamePrefix": "oidc:", "groupsClaim": "groups", "groupsPrefix": "oidc:", "requiredClaims": {}, "status": "ACTIVE"}))}]})),
        "updates": seen(json!([])),
        "accessEntries": seen(json!({"total": 8, "namesakes": [], "entries": [{"principalArn": ROLE,
            "details": seen(json!({"username": "arn:aws:sts::111122223333:assumed-role/platform-dev/{{SessionName}}", "groups": [], "type": "STANDARD", "createdAt": "2025-03-01T08:00:00Z", "modifiedAt": "2025-03-01T08:00:00Z"})),
            "policies": seen(json!([{"policyArn": "arn:aws:eks::aws:cluster-access-policy/AmazonEKSEditPolicy", "scope": "namespace", "namespaces": ["dev"]}]))}]})),
        "administrators": seen(json!({"total": 1, "arns": ["arn:aws:iam::111122223333:role/platform-admin"]})),
        "awsAuth": seen(json!({"data": {"mapRoles": "- rolearn: arn:aws:iam::111122223333:role/nodes\n  username: system:node:{{EC2PrivateDNSName}}\n  groups:\n  - system:bootstrappers\n  - system:nodes\n"}})),
        "endpointSlice": seen(json!({"addresses": INTERFACES})),
        "apiLog": nothing("--logs off"),
        "authenticatorLog": nothing("--logs off"),
        "network": {
            "interfaces": seen(json!([interface("eni-1", "subnet-1", "eu-west-1a", INTERFACES[0]), interface("eni-2", "subnet-2", "eu-west-1b", INTERFACES[1])])),
            "securityGroups": seen(json!([{"id": "sg-0c1u", "name": "eks-cluster-sg-prod-1", "vpcId": "vpc-01"}, {"id": "sg-0a1b", "name": "k8s-keycloak", "vpcId": "vpc-01"}])),
            "securityGroupRules": seen(json!([
                {"id": "sgr-1", "groupId": "sg-0c1u", "egress": false, "protocol": "-1", "referencedGroup": "sg-0c1u"},
                {"id": "sgr-2", "groupId": "sg-0c1u", "egress": true, "protocol": "-1", "cidrIpv4": "0.0.0.0/0"},
                {"id": "sgr-3", "groupId": "sg-0c1u", "egress": true, "protocol": "-1", "cidrIpv6": "::/0"},
                {"id": "sgr-4", "groupId": "sg-0a1b", "egress": true, "protocol": "-1", "cidrIpv4": "0.0.0.0/0"},
                {"id": "sgr-5", "groupId": "sg-0a1b", "egress": false, "protocol": "tcp", "fromPort": 443, "toPort": 443, "cidrIpv4": "0.0.0.0/0"}
            ])),
            "prefixLists": seen(json!([])),
            "subnets": seen(json!([
                {"id": "subnet-1", "vpcId": "vpc-01", "zone": "eu-west-1a", "cidr": "10.0.1.0/24", "ipv6Cidrs": [], "freeAddresses": 200},
                {"id": "subnet-2", "vpcId": "vpc-01", "zone": "eu-west-1b", "cidr": "10.0.2.0/24", "ipv6Cidrs": [], "freeAddresses": 190}
            ])),
            "routeTables": seen(json!([
                {"id": "rtb-1", "vpcId": "vpc-01", "main": true, "subnetIds": [], "routes": [{"destination": "10.0.0.0/16", "target": "local", "state": "active"}, {"destination": "0.0.0.0/0", "target": "nat-1", "state": "active"}]}
            ])),
            "natGateways": seen(json!([{"id": "nat-1", "subnetId": "subnet-9", "state": "available", "connectivity": "public", "publicAddresses": ["203.0.113.99"], "privateAddresses": ["10.0.9.9"]}])),
            "networkAcls": seen(json!([{"id": "acl-1", "vpcId": "vpc-01", "subnetIds": ["subnet-1", "subnet-2"], "entries": [
                {"number": 100, "egress": true, "allow": true, "protocol": "-1", "cidr": "0.0.0.0/0"},
                {"number": 100, "egress": false, "allow": true, "protocol": "-1", "cidr": "0.0.0.0/0"},
                {"number": 32767, "egress": true, "allow": false, "protocol": "-1", "cidr": "0.0.0.0/0"},
                {"number": 32767, "egress": false, "allow": false, "protocol": "-1", "cidr": "0.0.0.0/0"}]}])),
            "vpcs": seen(json!([{"id": "vpc-01", "cidrs": ["10.0.0.0/16"], "dhcpOptionsId": "dopt-1"}])),
            "vpcDns": seen(json!({"vpcId": "vpc-01", "support": true, "hostnames": true})),
            "dhcpOptions": seen(json!({"id": "dopt-1", "domainNameServers": ["AmazonProvidedDNS"]}))
        },
        "issuerBalancer": {
            "loadBalancer": seen(json!({"arn": "arn:aws:elasticloadbalancing:eu-west-1:111122223333:loadbalancer/app/k8s-keycloak/1", "name": "k8s-keycloak", "dnsName": "k8s-keycloak-1.eu-west-1.elb.amazonaws.com", "scheme": "internet-facing", "type": "application", "vpcId": "vpc-01", "securityGroups": ["sg-0a1b"], "subnetIds": ["subnet-8", "subnet-9"], "ipAddressType": "ipv4", "state": "active", "foundBy": "dns-name"})),
            "listeners": seen(json!([{"arn": "arn:listener/443", "port": 443, "protocol": "HTTPS", "certificates": ["arn:cert"]}])),
            "rules": seen(open_rules()),
            "targetHealth": seen(json!([{"targetGroup": "arn:tg/keycloak", "healthy": 2, "total": 2, "reasons": []}])),
            "webAcl": nothing("no web ACL is attached"),
            "tags": seen(json!({"elbv2.k8s.aws/cluster": "prod", "ingress.k8s.aws/stack": "keycloak/keycloak"})),
            "ingresses": seen(json!([{"namespace": "keycloak", "name": "keycloak", "class": "alb", "annotations": {"scheme": "internet-facing"}, "rules": [{"host": "sso.example.com", "path": "/", "service": "keycloak", "port": "8080"}]}]))
        },
        "ownEgress": seen(json!({"address": "192.0.2.17", "source": "the public resolver"}))
    })
}
