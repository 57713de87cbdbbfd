//! What doctor asks AWS, against a loopback AWS that speaks the real wire formats.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::aws::{Answer, Aws, allowed, healthy};
use crate::support::run::{command, scratch};
use crate::support::stage::within;

/// A kubeconfig of a cluster that nobody listens for: what is looked at here is AWS.
const KUBECONFIG: &str = "apiVersion: v1
kind: Config
current-context: prod
clusters:
- name: prod
  cluster: {server: \"https://127.0.0.1:1\"}
contexts:
- name: prod
  context: {cluster: prod, user: jane}
users:
- name: jane
  user: {token: canaryStaticToken000000}
";

struct Seen {
    evidence: Value,
    everything: String,
}

impl Seen {
    fn at(&self, pointer: &str) -> &Value {
        self.evidence
            .pointer(&format!("/aws{pointer}"))
            .unwrap_or_else(|| panic!("no {pointer} in {:#}", self.evidence["aws"]))
    }

    fn outcome(&self, name: &str) -> &Value {
        self.at(&format!("/{name}"))
    }
}

/// Runs doctor on the EKS cluster `prod` with these variables and further arguments.
fn look_with(variables: &[(String, String)], arguments: &[&str]) -> Seen {
    let folder = scratch("aws");
    let (kubeconfig, file) = (folder.join("config"), folder.join("evidence.json"));
    std::fs::write(&kubeconfig, KUBECONFIG).expect("a kubeconfig");
    let output = command()
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .args([
            "doctor",
            "-v",
            "--region",
            "eu-west-1",
            "--issuer",
            "https://localhost:1/realms/platform",
            "--kubeconfig",
        ])
        .arg(&kubeconfig)
        .arg("--save")
        .arg(&file)
        .args(arguments)
        .output()
        .expect("kaccess runs");
    let text = std::fs::read_to_string(&file)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    let evidence = serde_json::from_str(&text).expect("JSON");
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Seen { evidence, everything: format!("{text}{stdout}{stderr}") }
}

/// A world whose load balancer serves the issuer.
fn world() -> Aws {
    let aws = Aws::start();
    aws.edit("elasticloadbalancing:DescribeLoadBalancers", "/LoadBalancers/0/DNSName", json!("localhost"));
    aws.edit("elasticloadbalancing:DescribeListeners", "/Listeners/0/Port", json!(1));
    aws
}

fn look(aws: &Aws, arguments: &[&str]) -> Seen {
    let mut all = vec!["--eks-cluster", "prod"];
    all.extend(arguments);
    look_with(&aws.variables(), &all)
}

#[test]
fn every_answer_of_aws_becomes_evidence() {
    let aws = world();
    let seen = look(&aws, &[]);
    for (pointer, expected) in [
        ("/target/seen/clusterOrigin", json!("flag")),
        ("/caller/seen/arn", json!("arn:aws:sts::111122223333:assumed-role/Ops/jane")),
        ("/principal/seen/path", json!("/platform/")),
        ("/cluster/seen/vpc/controlPlaneEgressMode", json!("CUSTOMER_ROUTED")),
        ("/cluster/seen/logTypes", json!(["api", "authenticator"])),
        ("/cluster/seen/authenticationMode", json!("API_AND_CONFIG_MAP")),
        ("/cluster/seen/creatorIsAdmin", json!(true)),
        ("/identityProviders/seen/configs/0/details/seen/issuerUrl", json!("https://sso.example.com/realms/platform")),
        ("/identityProviders/seen/configs/0/details/seen/groupsPrefix", json!("oidc:")),
        ("/updates/seen/0/type", json!("AssociateIdentityProviderConfig")),
        ("/accessEntries/seen/entries/0/principalArn", json!("arn:aws:iam::111122223333:role/platform/Ops")),
        ("/accessEntries/seen/entries/0/details/seen/groups", json!(["ops"])),
        ("/accessEntries/seen/entries/0/policies/seen/0/namespaces", json!(["shop-*"])),
        ("/accessEntries/seen/namesakes", json!(["arn:aws:iam::999988887777:role/Ops"])),
        ("/network/interfaces/seen/1/privateAddresses", json!(["10.0.2.23"])),
        ("/network/securityGroupRules/seen/1/referencedGroup", json!("sg-cluster")),
        ("/network/prefixLists/seen/0/entries/seen/0/cidr", json!("198.51.100.0/24")),
        ("/network/subnets/seen/1/freeAddresses", json!(3)),
        ("/network/routeTables/seen/0/main", json!(true)),
        ("/network/routeTables/seen/0/routes/1/target", json!("nat-1")),
        ("/network/natGateways/seen/0/publicAddresses", json!(["203.0.113.10"])),
        ("/network/networkAcls/seen/0/entries/1/fromPort", json!(22)),
        ("/network/networkAcls/seen/0/entries/1/allow", json!(false)),
        ("/network/vpcs/seen/0/cidrs", json!(["10.0.0.0/16", "100.64.0.0/16"])),
        ("/network/vpcDns/seen/support", json!(true)),
        ("/network/vpcDns/seen/hostnames", json!(true)),
        ("/network/dhcpOptions/seen/domainNameServers", json!(["AmazonProvidedDNS"])),
        ("/issuerBalancer/loadBalancer/seen/scheme", json!("internal")),
        ("/issuerBalancer/loadBalancer/seen/foundBy", json!("dns-name")),
        ("/issuerBalancer/rules/seen/0/conditions/1/values", json!(["10.0.0.0/8"])),
        ("/issuerBalancer/rules/seen/0/actions/0/onUnauthenticated", json!("allow")),
        ("/issuerBalancer/rules/seen/1/actions/0/status", json!("403")),
        ("/issuerBalancer/targetHealth/seen/0/healthy", json!(1)),
        ("/issuerBalancer/targetHealth/seen/0/reasons", json!(["Target.Timeout"])),
        ("/issuerBalancer/webAcl/seen/defaultAction", json!("block")),
        ("/issuerBalancer/webAcl/seen/rules/1/reference", json!("AWSManagedRulesCommonRuleSet")),
        ("/issuerBalancer/webAcl/seen/ipSets/0/addresses/seen", json!(["198.51.100.0/24"])),
        ("/issuerBalancer/tags/seen", json!({ "elbv2.k8s.aws/cluster": "prod" })),
        ("/apiLog/seen/matches/0/text", json!("oidc-not-initialized")),
    ] {
        assert_eq!(*seen.at(pointer), expected, "{pointer}");
    }
    // One cluster's name may be another's beginning, and a large VPC has route tables that are nobody's business here.
    assert_eq!(seen.at("/network/interfaces/seen").as_array().map(Vec::len), Some(2));
    assert_eq!(seen.at("/network/routeTables/seen").as_array().map(Vec::len), Some(1));
    assert!(!seen.everything.contains("SomebodyElse"), "other people's mappings stay out");
    for canary in ["canary", "AWS4-HMAC", "Signature="] {
        assert!(!seen.everything.contains(canary), "{canary} stands in {}", seen.everything);
    }
}

/// Where each action's answer stands; of the calls for one of several things, inside it.
const PLACES: [(&str, &str); 25] = [
    ("iam:GetRole", "/principal"),
    ("eks:DescribeCluster", "/cluster"),
    ("eks:ListIdentityProviderConfigs", "/identityProviders"),
    ("eks:DescribeIdentityProviderConfig", "/identityProviders/seen/configs/0/details"),
    ("eks:ListUpdates", "/updates"),
    ("eks:DescribeUpdate", "/updates"),
    ("eks:ListAssociatedAccessPolicies", "/accessEntries/seen/entries/0/policies"),
    ("ec2:DescribeNetworkInterfaces", "/network/interfaces"),
    ("ec2:DescribeSecurityGroups", "/network/securityGroups"),
    ("ec2:DescribeSecurityGroupRules", "/network/securityGroupRules"),
    ("ec2:DescribeManagedPrefixLists", "/network/prefixLists"),
    ("ec2:GetManagedPrefixListEntries", "/network/prefixLists/seen/0/entries"),
    ("ec2:DescribeSubnets", "/network/subnets"),
    ("ec2:DescribeRouteTables", "/network/routeTables"),
    ("ec2:DescribeNatGateways", "/network/natGateways"),
    ("ec2:DescribeNetworkAcls", "/network/networkAcls"),
    ("ec2:DescribeVpcs", "/network/vpcs"),
    ("ec2:DescribeDhcpOptions", "/network/dhcpOptions"),
    ("elasticloadbalancing:DescribeLoadBalancers", "/issuerBalancer/loadBalancer"),
    ("elasticloadbalancing:DescribeListeners", "/issuerBalancer/listeners"),
    ("elasticloadbalancing:DescribeRules", "/issuerBalancer/rules"),
    ("elasticloadbalancing:DescribeTargetHealth", "/issuerBalancer/targetHealth"),
    ("elasticloadbalancing:DescribeTags", "/issuerBalancer/tags"),
    ("wafv2:GetWebACLForResource", "/issuerBalancer/webAcl"),
    ("wafv2:GetIPSet", "/issuerBalancer/webAcl/seen/ipSets/0/addresses"),
];

#[test]
fn a_denied_action_is_named_and_everything_else_goes_on() {
    let workers = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for part in PLACES.chunks(PLACES.len().div_ceil(workers)) {
            scope.spawn(move || {
                for (action, place) in part {
                    let aws = world();
                    let seen = look(aws.deny(action), &[]);
                    let failure = seen.at(&format!("{place}/failed"));
                    assert_eq!(failure["kind"], "forbidden", "{action}: {failure}");
                    assert_eq!(failure["needs"], *action, "{failure}");
                    assert!(seen.outcome("caller").get("seen").is_some(), "{action} is nobody else's matter");
                }
            });
        }
    });
}

/// Whoever stands at the end of a long list is not shut out.
#[test]
fn an_address_set_is_read_whole() {
    let aws = world();
    let all: Vec<String> = (0..1_501).map(|index| format!("10.{}.{}.0/24", index / 250, index % 250)).collect();
    aws.edit("wafv2:GetIPSet", "/IPSet/Addresses", json!(all));
    let seen = look(&aws, &[]);
    assert_eq!(seen.at("/issuerBalancer/webAcl/seen/ipSets/0/addresses/seen"), &json!(all));
}

/// Every `failed` in evidence, by its place.
fn failures(value: &Value, place: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            if fields.contains_key("failed") {
                found.push(place.to_owned());
            }
            fields.iter().for_each(|(name, value)| failures(value, &format!("{place}/{name}"), found));
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(at, value)| failures(value, &format!("{place}/{at}"), found));
        }
        _ => {}
    }
}

/// An answer that breaks off, a page of something else and a failure of AWS fail alone: what needs them says so, and all
/// else is seen.
#[test]
fn a_broken_answer_fails_alone() {
    let known = {
        let mut known = Vec::new();
        failures(look(&world(), &[]).at(""), "", &mut known);
        known
    };
    let good = healthy();
    let workers = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for (part, places) in PLACES.chunks(PLACES.len().div_ceil(workers)).enumerate() {
            let (known, good) = (&known, &good);
            scope.spawn(move || {
                for (index, (action, place)) in places.iter().enumerate() {
                    let fault = match (part + index) % 3 {
                        0 => Answer::Page(502, "<html><body>Bad Gateway</body></html>"),
                        1 => Answer::Bad(500, "InternalFailure", "it is not your day"),
                        _ => match good.get(*action) {
                            Some(Answer::Good(body)) => Answer::Truncated(body.clone()),
                            _ => Answer::Page(200, "<html>not AWS</html>"),
                        },
                    };
                    let aws = world();
                    let seen = look(aws.set(action, fault), &[]);
                    let mut failed = Vec::new();
                    failures(seen.at(""), "", &mut failed);
                    assert!(failed.iter().any(|failed| failed.starts_with(place)), "{action}: {failed:?}");
                    let others: Vec<_> =
                        failed.iter().filter(|failed| !failed.starts_with(place) && !known.contains(failed)).collect();
                    assert!(others.is_empty(), "{action} broke {others:?} too");
                    assert!(!seen.everything.contains("a bug in kaccess"), "{action}: {}", seen.everything);
                }
            });
        }
    });
}

#[test]
fn pages_are_read_to_the_end_and_throttling_is_waited_out() {
    let aws = world();
    let rule = |id: usize| json!({ "securityGroupRuleId": format!("sgr-{id}"), "groupId": "sg-alb", "isEgress": false, "ipProtocol": "tcp", "fromPort": 443, "toPort": 443, "cidrIpv4": "0.0.0.0/0" });
    let page = |from: usize| json!({ "securityGroupRuleSet": (from..from + 100).map(rule).collect::<Vec<_>>() });
    aws.set("ec2:DescribeSecurityGroupRules", Answer::Pages(vec![page(0), page(100), page(200)]));
    let balancers = |name: &str, dns: &str| json!({ "LoadBalancers": [{ "LoadBalancerArn": format!("arn:{name}"), "DNSName": dns, "Scheme": "internal", "Type": "application" }] });
    aws.set(
        "elasticloadbalancing:DescribeLoadBalancers",
        Answer::Pages(vec![balancers("a", "a.invalid"), balancers("b", "localhost")]),
    );
    let configs = |name: &str| json!({ "identityProviderConfigs": [{ "type": "oidc", "name": name }] });
    aws.set("eks:ListIdentityProviderConfigs", Answer::Pages(vec![configs("one"), configs("two")]));
    let cluster = crate::support::aws::healthy().remove("eks:DescribeCluster");
    let Some(Answer::Good(cluster)) = cluster else { panic!("a cluster") };
    aws.set("eks:DescribeCluster", Answer::After(2, (429, "ThrottlingException"), cluster));
    let seen = look(&aws, &[]);
    assert_eq!(seen.at("/network/securityGroupRules/seen").as_array().map(Vec::len), Some(300));
    assert_eq!(seen.at("/issuerBalancer/loadBalancer/seen/arn"), "arn:b");
    assert_eq!(seen.at("/identityProviders/seen/configs").as_array().map(Vec::len), Some(2));
    assert_eq!(seen.at("/cluster/seen/name"), "prod");
}

#[test]
fn broken_answers_are_failures_of_their_own_call_alone() {
    for (answer, what) in [
        (Answer::Truncated(json!({ "cluster": { "name": "prod" } })), "half an answer"),
        (Answer::Bad(500, "ServerException", "oops"), "5xx"),
        (Answer::Good(json!({ "cluster": "no object" })), "another shape"),
        (Answer::Good(json!({})), "nothing in it"),
    ] {
        let aws = world();
        let seen = look(aws.set("eks:DescribeCluster", answer), &[]);
        assert!(
            seen.at("/cluster/failed/detail").as_str().is_some_and(|text| text.contains("eks:DescribeCluster")),
            "{what}: {}",
            seen.at("/cluster")
        );
        assert!(seen.outcome("identityProviders").get("seen").is_some(), "{what}");
        assert!(
            seen.at("/network/interfaces/skipped").is_object(),
            "{what}: without the VPC there is nothing to look for"
        );
    }
}

/// Every refusal of AWS has a code. Without one it says nothing of rights or of what there is.
#[test]
fn a_page_of_a_proxy_is_no_word_of_aws() {
    for (status, kind) in [(403, "protocol"), (404, "protocol"), (302, "protocol"), (200, "malformed")] {
        let aws = world();
        for action in [
            "sts:GetCallerIdentity",
            "eks:DescribeCluster",
            "elasticloadbalancing:DescribeLoadBalancers",
            "wafv2:GetWebACLForResource",
        ] {
            aws.set(action, Answer::Page(status, "<html><body>Blocked by the firewall</body></html>"));
        }
        let seen = look(&aws, &[]);
        for place in ["/caller", "/cluster", "/issuerBalancer/loadBalancer"] {
            let failure = seen.at(&format!("{place}/failed"));
            assert_eq!(failure["kind"], kind, "{status} {place}: {failure}");
            assert!(failure.get("needs").is_none(), "{status} {place}: no right would help: {failure}");
            let text = failure["detail"].to_string();
            assert!(text.contains("text/html") && !text.contains("Unhandled"), "{status} {place}: {text}");
        }
        assert!(!seen.everything.contains("iam-permission-missing"), "{status}: {}", seen.everything);
    }
    // A code that stands in another service's form (moto's denials) is one.
    let denial =
        "<ErrorResponse><Errors><Error><Code>AccessDenied</Code><Message>no</Message></Error></Errors></ErrorResponse>";
    let aws = world();
    let seen = look(aws.set("elasticloadbalancing:DescribeListeners", Answer::Page(403, denial)), &[]);
    let failure = seen.at("/issuerBalancer/listeners/failed");
    assert_eq!(
        (&failure["kind"], &failure["needs"]),
        (&json!("forbidden"), &json!("elasticloadbalancing:DescribeListeners"))
    );
    // Nor does a page say that there is no web ACL.
    let aws = world();
    let seen = look(aws.set("wafv2:GetWebACLForResource", Answer::Page(404, "<html></html>")), &[]);
    assert_eq!(seen.at("/issuerBalancer/webAcl/failed/kind"), "protocol");
}

/// "None serves the issuer" is a word about all load balancers: it is said only where all of them were compared.
#[test]
fn a_load_balancer_whose_name_does_not_resolve_is_not_ruled_out() {
    let balancer = |name: &str| json!({ "LoadBalancers": [{ "LoadBalancerArn": "arn:a", "DNSName": name, "Scheme": "internal", "Type": "application" }] });
    let list = "elasticloadbalancing:DescribeLoadBalancers";
    // A label that is too long: it resolves nowhere, and nobody is asked.
    let unresolvable = "x".repeat(64);
    let aws = world();
    let seen = look(aws.set(list, Answer::Good(balancer(&unresolvable))), &[]);
    let failure = seen.at("/issuerBalancer/loadBalancer/failed");
    assert_eq!(failure["kind"], "name-not-found", "{failure}");
    assert!(failure["detail"].to_string().contains("1 of the 1 load balancers"), "{failure}");
    assert!(seen.at("/issuerBalancer/listeners/skipped").is_object());
    // One that was compared and is another's; one that has the issuer's address; none at all.
    let aws = world();
    let seen = look(aws.set(list, Answer::Good(balancer("127.0.0.9"))), &[]);
    assert!(seen.at("/issuerBalancer/loadBalancer/notApplicable").is_string());
    let aws = world();
    let seen = look(aws.set(list, Answer::Good(balancer("127.0.0.1"))), &[]);
    assert_eq!(seen.at("/issuerBalancer/loadBalancer/seen/foundBy"), "address");
    let aws = world();
    let seen = look(aws.set(list, Answer::Good(json!({ "LoadBalancers": [] }))), &[]);
    assert!(seen.at("/issuerBalancer/loadBalancer/notApplicable").is_string());
}

/// EC2 refuses a filter without values, and knows no options of the id `default`.
#[test]
fn nothing_is_asked_about_nothing() {
    let aws = world();
    for field in ["clusterSecurityGroupId", "securityGroupIds", "subnetIds"] {
        let none = if field == "clusterSecurityGroupId" { Value::Null } else { json!([]) };
        aws.edit("eks:DescribeCluster", &format!("/cluster/resourcesVpcConfig/{field}"), none);
    }
    aws.set("ec2:DescribeNetworkInterfaces", Answer::Good(json!({ "networkInterfaceSet": [] })));
    aws.set(
        "elasticloadbalancing:DescribeLoadBalancers",
        Answer::Good(
            json!({ "LoadBalancers": [{ "LoadBalancerArn": "arn:a", "DNSName": "localhost", "Type": "network" }] }),
        ),
    );
    aws.edit("ec2:DescribeVpcs", "/vpcSet/0/dhcpOptionsId", json!("default"));
    let seen = look(&aws, &[]);
    for name in ["securityGroups", "subnets", "networkAcls"] {
        assert_eq!(*seen.at(&format!("/network/{name}/seen")), json!([]), "{name}");
    }
    assert_eq!(*seen.at("/network/dhcpOptions/seen"), json!({ "id": "default", "domainNameServers": [] }));
    let calls: BTreeSet<String> = aws.calls().into_iter().map(|call| call.action).collect();
    for action in
        ["ec2:DescribeSecurityGroups", "ec2:DescribeSubnets", "ec2:DescribeNetworkAcls", "ec2:DescribeDhcpOptions"]
    {
        assert!(!calls.contains(action), "{action}");
    }
}

#[test]
fn a_cluster_that_does_not_exist_and_credentials_that_ran_out_are_told_apart() {
    let aws = world();
    let seen = look(
        aws.set(
            "eks:DescribeCluster",
            Answer::Bad(404, "ResourceNotFoundException", "No cluster found for name: prod."),
        ),
        &[],
    );
    assert_eq!(seen.at("/cluster/failed/kind"), "not-found");
    let aws = world();
    for action in ["sts:GetCallerIdentity", "eks:DescribeCluster"] {
        aws.set(
            action,
            Answer::Bad(403, "ExpiredTokenException", "The security token included in the request is expired"),
        );
    }
    let seen = look(&aws, &[]);
    assert_eq!(seen.at("/caller/failed/kind"), "unauthorized");
    assert_eq!(seen.at("/cluster/failed/kind"), "unauthorized");
}

#[test]
fn without_credentials_or_with_no_aws_the_rest_is_done_at_once() {
    let aws = world();
    let variables: Vec<(String, String)> =
        aws.variables().into_iter().filter(|(name, _)| name.starts_with("AWS_ENDPOINT")).collect();
    let seen = within(Duration::from_secs(6), || look_with(&variables, &["--eks-cluster", "prod"]));
    assert_eq!(seen.at("/caller/failed/kind"), "not-found");
    assert!(seen.at("/cluster/skipped/text").as_str().is_some_and(|text| text.contains("no AWS credentials")));
    assert!(seen.everything.contains("aws sso login"), "{}", seen.everything);
    assert!(aws.calls().is_empty());
    let seen = look(&aws, &["--no-aws"]);
    assert!(seen.at("/target/skipped/text").as_str().is_some_and(|text| text.contains("--no-aws")));
    assert!(aws.calls().is_empty());
}

#[test]
fn the_cluster_is_found_by_its_endpoint_where_nothing_names_it() {
    let aws = world();
    let endpoint = "https://0123456789ABCDEF0123456789ABCDEF.gr7.eu-west-1.eks.amazonaws.com";
    let folder = scratch("aws-endpoint");
    let kubeconfig = folder.join("config");
    std::fs::write(&kubeconfig, KUBECONFIG.replace("https://127.0.0.1:1", endpoint)).expect("a kubeconfig");
    let file = folder.join("evidence.json");
    command()
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .envs(aws.variables())
        // The name leads nowhere here: a proxy that refuses stands for the network.
        .env("HTTPS_PROXY", "http://127.0.0.1:1")
        .args(["doctor", "--kubeconfig"])
        .arg(&kubeconfig)
        .arg("--save")
        .arg(&file)
        .output()
        .expect("kaccess runs");
    let evidence: Value = serde_json::from_str(&std::fs::read_to_string(&file).expect("evidence")).expect("JSON");
    assert_eq!(evidence.pointer("/aws/target/seen/clusterOrigin"), Some(&json!("endpoint")));
    assert_eq!(evidence.pointer("/aws/target/seen/region"), Some(&json!("eu-west-1")));
    assert_eq!(evidence.pointer("/aws/cluster/seen/name"), Some(&json!("prod")), "{}", evidence["aws"]);
}

#[test]
fn independent_calls_are_made_at_once() {
    let aws = world();
    let mut calls = 0;
    // A busy machine takes its time between two calls too: then each is to last longer than that.
    for delay in [300, 1000] {
        aws.slow(Duration::from_millis(delay));
        let before = aws.calls().len();
        look(&aws, &["--timeout", "60s"]);
        calls = aws.calls().len() - before;
        assert!(calls > 30, "{calls} calls");
        if aws.most_at_once() >= 8 {
            break;
        }
    }
    // Those that wait for nothing but the cluster, its interfaces and the load balancer are more than these.
    assert!(aws.most_at_once() >= 8, "of {calls} calls at most {} at once", aws.most_at_once());
}

/// The longest chain: the cluster, its interfaces, their rules, prefix lists, the lists' ranges.
#[test]
#[ignore = "a benchmark; tests/bench/doctor runs it on a release build"]
fn aws_takes_as_long_as_its_longest_chain() {
    let aws = world();
    aws.slow(Duration::from_millis(100));
    let seen = look(&aws, &[]);
    let end = |pointer: &str| {
        let observation = seen.at(pointer);
        observation["startedMs"].as_u64().unwrap_or_default() + observation["tookMs"].as_u64().unwrap_or_default()
    };
    let parts =
        ["/network/prefixLists", "/issuerBalancer/targetHealth", "/accessEntries", "/network/dhcpOptions", "/apiLog"];
    let took = parts.map(end).into_iter().max().unwrap_or_default()
        - seen.at("/caller/startedMs").as_u64().unwrap_or_default();
    crate::support::lab::tell(&format!(
        "{} calls of 100 ms took {took} ms; the longest chain has 6 of them",
        aws.calls().len()
    ));
    assert!(took <= 710, "{took} ms");
}

#[test]
fn a_cluster_with_many_access_entries_and_rules_is_asked_little() {
    let aws = world();
    let arns = |from: usize| json!({ "accessEntries": (from..from + 100).map(|n| format!("arn:aws:iam::111122223333:role/team-{n}")).collect::<Vec<_>>() });
    aws.set("eks:ListAccessEntries", Answer::Pages((0..10).map(|page| arns(page * 100)).collect()));
    let rules: Vec<Value> = (0..5_000)
        .map(|n| json!({ "securityGroupRuleId": format!("sgr-{n}"), "groupId": "sg-alb", "isEgress": false, "ipProtocol": "tcp", "fromPort": 1000 + n, "toPort": 1000 + n, "cidrIpv4": "10.0.0.0/8" }))
        .collect();
    aws.set("ec2:DescribeSecurityGroupRules", Answer::Good(json!({ "securityGroupRuleSet": rules })));
    let seen = look(&aws, &[]);
    let eks = aws.calls().iter().filter(|call| call.action.starts_with("eks:")).count();
    assert!(eks <= 12, "{eks} calls");
    assert_eq!(seen.at("/accessEntries/seen/entries/0/principalArn"), "arn:aws:iam::111122223333:role/platform/Ops");
    assert_eq!(seen.at("/network/securityGroupRules/seen"), &json!([]), "none of them lets the issuer's port through");
}

/// A page may be empty and have a next one: nobody is said to be an administrator only where the last page is read.
#[test]
fn administrators_are_looked_for_behind_an_empty_page() {
    let aws = world();
    let page = |arns: &[&str]| json!({ "accessEntries": arns });
    let admin = "arn:aws:iam::111122223333:role/admin";
    aws.set("eks:ListAccessEntries", Answer::Pages(vec![page(&[]), page(&[admin])]));
    let seen = look(&aws, &[]);
    assert_eq!(seen.at("/administrators/seen"), &json!({ "total": 1, "arns": [admin] }));
    aws.set("eks:ListAccessEntries", Answer::Pages(vec![page(&[]); 30]));
    let seen = look(&aws, &[]);
    assert_eq!(seen.at("/administrators/failed/kind"), "limit");
}

#[test]
fn the_least_privilege_policy_is_what_is_called() {
    let aws = world();
    aws.edit("sts:GetCallerIdentity", "/Arn", json!("arn:aws:iam::111122223333:user/jane"));
    aws.set("iam:GetUser", Answer::Good(json!({ "User": { "Path": "/", "UserName": "jane", "UserId": "AIDA", "Arn": "arn:aws:iam::111122223333:user/jane", "CreateDate": "2025-01-01T00:00:00Z" } })));
    let user = look(&aws, &[]);
    assert_eq!(user.at("/principal/seen/uniqueId"), "AIDA");
    let by_role = world();
    look(&by_role, &[]);
    let by_endpoint = BTreeSet::from(["eks:ListClusters".to_owned()]);
    let called: BTreeSet<String> = aws
        .calls()
        .into_iter()
        .chain(by_role.calls())
        .map(|call| call.action)
        .chain(by_endpoint)
        // What `workload` calls is checked where its worlds are.
        .chain(crate::workload::ACTIONS.iter().map(|action| (*action).to_owned()))
        .collect();
    assert_eq!(called, allowed());
}
