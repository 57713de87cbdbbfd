//! The first incident at home: a real kube-apiserver, Keycloak behind a real nginx that refuses it, and an AWS that says
//! how both are built.

use std::ffi::OsString;

use serde_json::{Value, json};

use crate::support::aws::{Answer, Aws};
use crate::support::lab::{self, ApiServer, Nginx, Options, Rule};
use crate::support::run::{command, doctor_in};

/// AWS as it looks to a team that allowed the addresses of the cluster's interfaces on the issuer's load balancer.
fn listed_interfaces(nginx: &Nginx) -> Aws {
    let aws = Aws::start();
    aws.edit("eks:DescribeCluster", "/cluster/resourcesVpcConfig/controlPlaneEgressMode", json!("AWS_MANAGED"));
    let provider = "/identityProviderConfig/oidc";
    aws.edit("eks:DescribeIdentityProviderConfig", &format!("{provider}/issuerUrl"), json!(nginx.issuer("platform")));
    aws.edit("elasticloadbalancing:DescribeLoadBalancers", "/LoadBalancers/0/DNSName", json!("localhost"));
    aws.edit("elasticloadbalancing:DescribeLoadBalancers", "/LoadBalancers/0/Scheme", json!("internet-facing"));
    aws.edit("elasticloadbalancing:DescribeListeners", "/Listeners/0/Port", json!(nginx.port()));
    let forward = json!({ "Rules": [{ "RuleArn": "r", "Priority": "default", "IsDefault": true, "Conditions": [],
        "Actions": [{ "Type": "forward", "TargetGroupArn": "arn:aws:elasticloadbalancing:eu-west-1:111122223333:targetgroup/sso/1" }] }] });
    aws.set("elasticloadbalancing:DescribeRules", Answer::Good(forward));
    let target = json!({ "TargetHealthDescriptions": [{ "Target": { "Id": "10.0.1.50" }, "TargetHealth": { "State": "healthy" } }] });
    aws.set("elasticloadbalancing:DescribeTargetHealth", Answer::Good(target));
    aws.set("wafv2:GetWebACLForResource", Answer::Good(json!({})));
    let rule = |id: &str, address: &str| {
        json!({ "securityGroupRuleId": id, "groupId": "sg-alb", "isEgress": false, "ipProtocol": "tcp",
        "fromPort": nginx.port(), "toPort": nginx.port(), "cidrIpv4": address })
    };
    let rules = json!({ "securityGroupRuleSet": [rule("sgr-1", "10.0.1.17/32"), rule("sgr-2", "10.0.2.23/32"),
        { "securityGroupRuleId": "sgr-3", "groupId": "sg-cluster", "isEgress": true, "ipProtocol": "-1", "cidrIpv4": "0.0.0.0/0" }] });
    aws.set("ec2:DescribeSecurityGroupRules", Answer::Good(rules));
    aws.set("logs:FilterLogEvents kube-apiserver-", Answer::Good(json!({ "events": [] })));
    aws.set("logs:FilterLogEvents authenticator-", Answer::Good(json!({ "events": [] })));
    aws
}

#[test]
fn the_first_incident_on_eks_end_to_end() {
    let Some(lab) = lab::require() else { return };
    let mut nginx = Nginx::start(lab, Rule::DenyAll);
    let server = ApiServer::start(lab, Options::default().oidc(lab, &nginx.issuer("platform")));
    server.create_reader_role();
    server.grant_reader("Group", "backend-reads", "oidc:backend");
    let token = lab.keycloak().alice(&nginx).id_token;
    let config = server.kubeconfig("alice", &[("alice", json!({ "token": token })), ("admin", server.admin_user())]);
    let aws = listed_interfaces(&nginx);
    let environment: Vec<(String, OsString)> =
        aws.variables().into_iter().map(|(name, value)| (name, value.into())).collect();
    let environment: Vec<(&str, &OsString)> = environment.iter().map(|(name, value)| (name.as_str(), value)).collect();
    let eks = ["--eks-cluster", "prod", "--region", "eu-west-1"];
    let look = || doctor_in(&config, &eks, &environment);

    // The addresses where clients enter are on the list of the issuer's load balancer, and nothing leaves there.
    let run = look();
    assert_eq!(run.codes().first().map(String::as_str), Some("allowlist-uses-endpoint-addresses"), "{}", run.stdout);
    assert_eq!(run.code, 1);
    let told = run.finding("credential-rejected");
    assert!(!told["explainedBy"].is_null(), "the refusal is explained by it: {told}");
    assert!(!run.stdout.contains("canary") && !run.stderr.contains("canary"));

    // What is to be allowed, told live: for the user who has a token, and for one who only has AWS' word.
    let allow = |context: &str, form: &str| {
        let output = command()
            .args(["allowlist", "--context", context, "-o", form, "--kubeconfig"])
            .arg(&config)
            .args(eks)
            .envs(environment.iter().copied())
            .output()
            .expect("kaccess runs");
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    let paths = |text: &str| -> Vec<String> {
        let view: Value = serde_json::from_str(text).expect("JSON");
        crate::support::schema::hold(&view);
        assert_eq!(view["egressMode"], "AWS_MANAGED");
        let entries = view["entries"].as_array().expect("entries").clone();
        entries
            .iter()
            .filter(|entry| entry["kind"] == "path")
            .map(|entry| entry["value"].as_str().unwrap_or_default().to_owned())
            .collect()
    };
    let wanted =
        ["/realms/platform/.well-known/openid-configuration", "/realms/platform/protocol/openid-connect/certs"];
    assert_eq!(paths(&allow("alice", "json")), wanted);
    assert_eq!(paths(&allow("admin", "json")), wanted);

    // Its nginx form, applied to the real nginx, lets the API server initialise.
    let locations = allow("alice", "nginx");
    let through: String = locations
        .lines()
        .map(|line| if line.trim_start().starts_with("proxy_pass") { "include proxy.conf;" } else { line })
        .map(|line| format!("{line}\n"))
        .collect();
    assert_ne!(through, locations, "there is a place to fill in");
    nginx.set_locations(&format!("{through}location / {{ deny all; }}\n"));
    server.wait_accepted(&token);
    let run = look();
    assert!(run.findings().iter().all(|finding| finding["severity"] != "error"), "{}", run.stdout);
    assert_eq!(run.code, 0, "{}", run.stdout);
}

/// The server's own word of the identity, as EKS' authenticator gives it, and AWS' word of what maps it.
#[test]
fn whoami_names_what_maps_an_iam_identity() {
    let Some(lab) = lab::require() else { return };
    let server = ApiServer::start(lab, Options::default());
    // In place of EKS' authenticator: a proxy that tells name, groups and extra fields.
    let arn = "arn:aws:sts::111122223333:assumed-role/Ops/jane";
    let mut front = Nginx::start_before(lab, server.port(), Rule::AllowAll);
    let identity = lab.pki.front_proxy.clone();
    front.set_locations(&format!(
        "location / {{\nproxy_pass {};\nproxy_set_header Authorization \"\";\nproxy_ssl_certificate {};\nproxy_ssl_certificate_key {};\n\
         proxy_set_header X-Remote-User {arn};\nproxy_set_header X-Remote-Group ops;\nproxy_set_header X-Remote-Extra-Arn {arn};\n}}\n",
        server.url(),
        identity.cert.display(),
        identity.key.display()
    ));
    let aws = Aws::start();
    let role = "arn:aws:iam::111122223333:role/Ops";
    aws.edit("eks:ListAccessEntries", "/accessEntries/0", json!(role));
    aws.edit("eks:DescribeAccessEntry", "/accessEntry/principalArn", json!(role));
    let whoami = |more: &[&str]| {
        let output = command()
            .args(["whoami", "--server", &front.url(), "--token", "any-opaque-token", "--eks-cluster", "prod"])
            .args(["--region", "eu-west-1", "--certificate-authority"])
            .arg(&lab.pki.ca.cert)
            .args(more)
            .envs(aws.variables())
            .output()
            .expect("kaccess runs");
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    let view: Value = serde_json::from_str(&whoami(&["-o", "json"])).expect("JSON");
    assert_eq!(view["username"], arn);
    assert_eq!(view["origin"]["kind"], "eks-iam");
    assert_eq!(view["origin"]["detail"], format!("{arn}, by the access entry of {role}, session jane"));
    assert_eq!(view["accessPolicies"][0]["scope"], "namespace");
    let table = whoami(&[]);
    assert!(table.contains("AmazonEKSViewPolicy on namespaces shop-*"), "{table}");

    // An entry that gives another name than the server shows is not what was taken.
    aws.edit("eks:DescribeAccessEntry", "/accessEntry/username", json!("ops:{{SessionName}}"));
    let view: Value = serde_json::from_str(&whoami(&["-o", "json"])).expect("JSON");
    let detail = view["origin"]["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("another or an older mapping") && detail.contains("\"ops:jane\""), "{detail}");
    assert!(view["accessPolicies"].as_array().is_none_or(Vec::is_empty), "{view}");

    // Without the right to ask, the way stays open, and the right is named.
    aws.set(
        "eks:DescribeCluster",
        Answer::Bad(403, "AccessDeniedException", "not authorized to perform eks:DescribeCluster"),
    );
    let table = whoami(&[]);
    assert!(
        table.contains("an access entry or an aws-auth line (") && table.contains("eks:DescribeCluster"),
        "{table}"
    );
    let table = whoami(&["--no-aws"]);
    assert!(table.contains("an access entry or an aws-auth line ("), "{table}");
}
