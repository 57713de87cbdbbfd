//! What `kaccess allowlist` answers in these worlds, in every form; the forms for tools are read by the real parsers.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize as _;
use serde_json::{Value, json};

use super::world::{World, forward_all};

/// Forms and the endings of their snapshots.
const FORMS: &[(&str, &str)] = &[
    ("table", "txt"),
    ("json", "json"),
    ("markdown", "md"),
    ("terraform", "tf"),
    ("aws-cli", "sh"),
    ("ingress", "yaml"),
    ("nginx", "conf"),
    ("cidr", "list"),
];

struct Asked {
    name: &'static str,
    world: World,
    direction: &'static str,
    /// Exit code with `--check`.
    check: i32,
}

fn asked() -> Vec<Asked> {
    let one = |name, world, direction, check| Asked { name, world, direction, check };
    vec![
        one("managed-open", World::oidc(), "control-plane", 0),
        one("managed-no-list", World::oidc().rules(forward_all()), "control-plane", 0),
        one(
            "managed-endpoint-listed",
            World::oidc_refused().lets_in(&["198.51.100.10/32", "10.0.1.15/32", "192.0.2.0/24"]),
            "control-plane",
            1,
        ),
        one(
            "managed-assumed",
            World::oidc_refused()
                .lets_in(&["192.0.2.0/24"])
                .set("/aws/cluster/seen/vpc/controlPlaneEgressMode", Value::Null),
            "control-plane",
            1,
        ),
        one("managed-internal", World::oidc_refused().internal().rules(forward_all()), "control-plane", 1),
        one(
            "routed-internal",
            World::oidc().routed().internal().rules(forward_all()).lets_in(&["sg-0c1u"]),
            "control-plane",
            0,
        ),
        one(
            "routed-internal-missing",
            World::oidc_refused().routed().internal().rules(forward_all()).lets_in(&["192.0.2.0/24"]),
            "control-plane",
            1,
        ),
        one(
            "routed-public",
            World::oidc().routed().rules(forward_all()).lets_in(&["203.0.113.99/32"]),
            "control-plane",
            0,
        ),
        one(
            "routed-public-interfaces",
            World::oidc_refused().routed().rules(forward_all()).lets_in(&["10.0.1.15/32"]),
            "control-plane",
            1,
        ),
        one(
            "routed-transit-gateway",
            World::oidc_refused().routed().rules(forward_all()).lets_in(&["192.0.2.0/24"]).set(
                "/aws/network/routeTables/seen/0/routes/1",
                json!({"destination": "0.0.0.0/0", "target": "tgw-1", "state": "active"}),
            ),
            "control-plane",
            2,
        ),
        one(
            "mode-unknown",
            World::oidc()
                .lets_in(&["192.0.2.0/24"])
                .set("/aws/cluster/seen/vpc/controlPlaneEgressMode", json!("CUSTOMER_ISOLATED")),
            "control-plane",
            2,
        ),
        one(
            "unreadable-rules",
            World::oidc_refused().denied("/aws/network/securityGroupRules", "ec2:DescribeSecurityGroupRules"),
            "control-plane",
            2,
        ),
        // Lists that are about something else, and today's actions: nothing of it is to be lost, nothing passed by.
        one("managed-block-list", World::oidc().rules(block_list()), "control-plane", 0),
        one("managed-list-of-another-host", World::oidc().rules(another_host(false)), "control-plane", 0),
        one("managed-login", World::oidc_refused().rules(another_host(true)), "control-plane", 1),
        one(
            "managed-login-listed",
            World::oidc_refused().rules(another_host(true)).lets_in(&["192.0.2.0/24"]),
            "control-plane",
            1,
        ),
        one(
            "managed-other-path",
            World::oidc_refused().rules(other_path()).lets_in(&["192.0.2.0/24"]),
            "control-plane",
            1,
        ),
        one(
            "managed-list-moves",
            World::oidc_refused().rules(of_the_host()).lets_in(&["192.0.2.0/24"]).set(
                "/aws/issuerBalancer/ingresses/seen/0/annotations",
                json!({"scheme": "internet-facing", "group.name": "platform", "inbound-cidrs": "192.0.2.0/24", "listen-ports": "[{\"HTTPS\":443}]"}),
            ),
            "control-plane",
            1,
        ),
        one(
            "managed-group-listed",
            World::oidc_refused().rules(of_the_host()).lets_in(&["192.0.2.0/24", "sg-0ff1"]),
            "control-plane",
            1,
        ),
        one("routed-listener-list", World::oidc_refused().routed().rules(listener_list()), "control-plane", 1),
        one(
            "routed-network-balancer",
            World::oidc()
                .routed()
                .internal()
                .set("/aws/issuerBalancer/loadBalancer/seen/type", json!("network"))
                .set("/aws/issuerBalancer/loadBalancer/seen/securityGroups", json!([])),
            "control-plane",
            0,
        ),
        one("clients", World::oidc(), "clients", 0),
        one(
            "clients-private-only",
            World::oidc()
                .set("/aws/cluster/seen/vpc/endpointPublicAccess", json!(false))
                .set("/aws/network/securityGroupRules/seen/0/egress", json!(true)),
            "clients",
            1,
        ),
        one("clients-shut-out", World::oidc().set("/aws/ownEgress/seen/address", json!("198.18.0.9")), "clients", 1),
        one(
            "clients-public-only",
            World::oidc().set("/aws/cluster/seen/vpc/endpointPrivateAccess", json!(false)),
            "clients",
            1,
        ),
    ]
}

fn forward(group: &str) -> Value {
    json!({"type": "forward", "targetGroups": [format!("arn:tg/{group}")]})
}

fn rule(priority: Option<u32>, conditions: Value, actions: Value) -> Value {
    let mut rule =
        json!({"arn": "arn:rule", "listenerArn": "arn:listener/443", "conditions": conditions, "actions": actions});
    if let Some(priority) = priority {
        rule["priority"] = json!(priority);
    }
    rule
}

fn of(host: &str) -> Value {
    json!({"field": "host-header", "values": [host]})
}

fn from(range: &str) -> Value {
    json!({"field": "source-ip", "values": [range]})
}

fn answers(status: &str) -> Value {
    json!([{"type": "fixed-response", "status": status, "targetGroups": []}])
}

/// Somebody is kept out, everybody else is served.
fn block_list() -> Value {
    json!([
        rule(Some(1), json!([from("198.18.7.0/24")]), answers("403")),
        rule(None, json!([]), json!([forward("keycloak")]))
    ])
}

/// A list for another host; the issuer's own is open, perhaps behind a login.
fn another_host(login: bool) -> Value {
    let mut actions = json!([forward("keycloak")]);
    if login {
        actions = json!([{"type": "authenticate-oidc", "order": 1, "targetGroups": [], "onUnauthenticated": "authenticate"}, {"type": "forward", "order": 2, "targetGroups": ["arn:tg/keycloak"]}]);
    }
    json!([
        rule(Some(10), json!([of("grafana.example.com"), from("192.0.2.0/24")]), json!([forward("grafana")])),
        rule(Some(20), json!([of("sso.example.com")]), actions),
        rule(None, json!([]), answers("404"))
    ])
}

/// Another application on a path of the same host.
fn other_path() -> Value {
    json!([
        rule(
            Some(5),
            json!([of("sso.example.com"), {"field": "path-pattern", "values": ["/grafana/*"]}]),
            json!([forward("grafana")])
        ),
        rule(Some(6), json!([of("sso.example.com")]), json!([forward("keycloak")])),
        rule(None, json!([]), answers("404"))
    ])
}

/// One rule serves the issuer's host, and nothing else is served.
fn of_the_host() -> Value {
    json!([
        rule(Some(10), json!([of("sso.example.com")]), json!([forward("keycloak")])),
        rule(None, json!([]), answers("404"))
    ])
}

/// The list stands in the listener.
fn listener_list() -> Value {
    json!([
        rule(Some(10), json!([of("sso.example.com"), from("192.0.2.0/24")]), json!([forward("keycloak")])),
        rule(None, json!([]), answers("403"))
    ])
}

fn run(evidence: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_kaccess"))
        .env_clear()
        .arg("allowlist")
        .arg("--from")
        .arg(evidence)
        .args(arguments)
        .output()
        .expect("kaccess");
    (
        output.status.code().expect("a code"),
        String::from_utf8(output.stdout).expect("UTF-8"),
        String::from_utf8(output.stderr).expect("UTF-8"),
    )
}

#[test]
fn every_form_is_what_it_was_and_its_tool_can_read_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/allowlist");
    let update = std::env::var_os("KACCESS_UPDATE").is_some();
    let temp = tempfile::tempdir().expect("a folder");
    let mut faults = Vec::new();
    for case in asked() {
        let evidence = temp.path().join(format!("{}.json", case.name));
        fs::write(&evidence, case.world.evidence().1).expect("evidence");
        let folder = root.join(case.name);
        for (form, ending) in FORMS {
            let (code, text, errors) = run(&evidence, &["--direction", case.direction, "-o", form]);
            let file = folder.join(format!("allowlist.{ending}"));
            if *form == "cidr" && code == 2 {
                assert!(text.is_empty(), "{}: an answer without an answer: {text}", case.name);
                assert!(errors.contains("no range"), "{errors}");
                assert!(!file.exists(), "{} has no ranges", case.name);
                continue;
            }
            assert_eq!(code, 0, "{} {form}: {errors}", case.name);
            keep(&file, &text, update, &mut faults);
            read_back(form, &text, case.name);
        }
        let (code, text, errors) = run(&evidence, &["--direction", case.direction, "--check"]);
        keep(&folder.join("check.txt"), &text, update, &mut faults);
        // What could not be compared is not called equal.
        let equal = text.contains("Differs today\n  nothing\n");
        assert!(case.check != 2 || !equal, "{}: {text}", case.name);
        assert!(case.check != 0 || equal, "{}: {text}", case.name);
        if code != case.check {
            faults.push(format!("{}: --check ends with {code}, not {}: {text}{errors}", case.name, case.check));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

fn keep(file: &PathBuf, text: &str, update: bool, faults: &mut Vec<String>) {
    if update {
        fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
        fs::write(file, text).expect("a snapshot");
    } else if fs::read_to_string(file).unwrap_or_default() != text {
        faults.push(format!("{} changed (KACCESS_UPDATE=1)", file.display()));
    }
}

/// Nothing is to be added, or nothing can be without harm: that is said.
fn only_comments(text: &str) -> bool {
    text.lines().all(|line| line.is_empty() || line.starts_with('#'))
}

/// The form is what its tool reads.
fn read_back(form: &str, text: &str, name: &str) {
    match form {
        "json" => {
            let view: Value = serde_json::from_str(text).expect("JSON");
            crate::support::schema::hold(&view);
            assert_eq!(view["kind"], "Allowlist", "{name}");
        }
        "terraform" => {
            let body = hcl_edit::parser::parse_body(text).unwrap_or_else(|error| panic!("{name}: {error}\n{text}"));
            assert!(body.blocks().count() > 0 || only_comments(text), "{name}: no resource in\n{text}");
            for rule in body
                .blocks()
                .filter(|block| block.labels.first().is_some_and(|label| label.as_str() == "aws_lb_listener_rule"))
            {
                // A rule takes five values in all its conditions.
                let values: usize = rule
                    .body
                    .get_blocks("condition")
                    .flat_map(|condition| condition.body.blocks())
                    .flat_map(|condition| condition.body.attributes())
                    .map(|attribute| attribute.value.as_array().map_or(0, hcl_edit::expr::Array::len))
                    .sum();
                assert!((1..=5).contains(&values), "{name}: {values} values in one rule");
            }
        }
        "ingress" if only_comments(text) => {}
        // An annotation of an Ingress whose spec is the user's own is a command.
        "ingress" if text.contains("\nkubectl annotate --overwrite ingress ") => {
            assert!(text.lines().all(|line| line.starts_with('#') || line.starts_with("kubectl ")), "{name}: {text}");
        }
        "ingress" => {
            let documents: Vec<serde_norway::Value> = serde_norway::Deserializer::from_str(text)
                .map(|document| {
                    serde_norway::Value::deserialize(document).unwrap_or_else(|error| panic!("{name}: {error}\n{text}"))
                })
                .collect();
            for document in documents.iter().filter(|document| !document.is_null()) {
                assert_eq!(document["kind"], "Ingress", "{name}");
                for (key, value) in document["metadata"]["annotations"].as_mapping().expect("annotations") {
                    assert!(value.is_string(), "{name}: annotation {key:?} is no text");
                    if key.as_str().is_some_and(|key| key.contains("/conditions.")) {
                        let conditions: Value = serde_json::from_str(value.as_str().expect("text")).expect("JSON");
                        assert_eq!(conditions[0]["field"], "source-ip");
                    }
                }
            }
        }
        "nginx" => nginx_takes(text, name),
        "cidr" => assert!(text.lines().all(|line| line.parse::<ipnet::IpNet>().is_ok()), "{name}: {text}"),
        _ => {}
    }
}

/// `nginx -t` with the text inside a server block.
fn nginx_takes(text: &str, name: &str) {
    // What stands for the user's own server must not be taken as it is.
    let text = text.replace("proxy_pass KEYCLOAK;", "proxy_pass http://issuer;");
    let temp = tempfile::tempdir().expect("a folder");
    let config = temp.path().join("nginx.conf");
    let pid = temp.path().join("pid");
    fs::write(
        &config,
        format!("pid {};\nerror_log stderr;\nevents {{}}\nhttp {{\naccess_log off;\nupstream issuer {{ server 127.0.0.1:8080; }}\nserver {{\nlisten 127.0.0.1:18080;\n{text}\nlocation / {{ allow 192.0.2.0/24; deny all; proxy_pass http://issuer; }}\n}}\n}}\n", pid.display()),
    )
    .expect("a configuration");
    match Command::new("nginx").arg("-t").arg("-p").arg(temp.path()).arg("-c").arg(&config).output() {
        Ok(output) => assert!(output.status.success(), "{name}: {}\n{text}", String::from_utf8_lossy(&output.stderr)),
        Err(_) => assert!(std::env::var("KACCESS_LAB").as_deref() != Ok("require"), "nginx is not installed"),
    }
}

/// What is printed neither shuts out who gets in today, nor lets in who does not, nor passes a login by.
#[test]
fn nothing_is_lost_opened_or_passed_by() {
    let temp = tempfile::tempdir().expect("a folder");
    let evidence = temp.path().join("evidence.json");
    let of = |world: &World, form: &str| {
        fs::write(&evidence, world.evidence().1).expect("evidence");
        let (code, text, errors) = run(&evidence, &["-o", form]);
        assert_eq!(code, 0, "{errors}");
        text
    };
    let commands = |world: &World| {
        let text = of(world, "aws-cli");
        text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect::<Vec<_>>()
    };
    let everybody = |line: &String| line.contains("0.0.0.0/0");
    let refuses = |line: &String| line.contains("fixed-response");
    // Everybody reaches the documents, whatever lists there are for something else.
    assert_eq!(commands(&World::oidc().rules(block_list())), Vec::<String>::new());
    assert_eq!(commands(&World::oidc().rules(another_host(false))), Vec::<String>::new());
    // A login in front: the two documents pass it by, and nothing else does.
    let login = commands(&World::oidc_refused().rules(another_host(true)));
    assert_eq!(login.len(), 1, "{login:?}");
    assert!(login[0].starts_with("aws --region eu-west-1 elbv2 create-rule "), "{login:?}");
    assert!(login[0].contains("path-pattern") && login[0].contains("arn:tg/keycloak"), "{login:?}");
    // Rules of the host that do different things cannot be restricted by one: the port stays closed.
    for rules in [another_host(true), other_path()] {
        let world = World::oidc_refused().rules(rules).lets_in(&["192.0.2.0/24"]);
        let all = commands(&world);
        assert!(!all.iter().any(everybody) && !all.iter().any(refuses), "{all:?}");
        assert!(!all.iter().any(|line| line.contains("source-ip")), "{all:?}");
        assert!(of(&world, "terraform").contains("# The port itself is not opened here."));
    }
    // A group among the sources has no place in a listener rule: nobody is dropped from the list.
    let all = commands(&World::oidc_refused().rules(of_the_host()).lets_in(&["192.0.2.0/24", "sg-0ff1"]));
    assert!(!all.iter().any(everybody) && !all.iter().any(refuses), "{all:?}");
    // What can be moved is moved whole, and the documents come first.
    let all = commands(&World::oidc_refused().rules(of_the_host()).lets_in(&["192.0.2.0/24", "198.18.0.0/16"]));
    assert_eq!(all.len(), 4, "{all:?}");
    assert!(all[0].contains("path-pattern") && all[1].contains("192.0.2.0/24,198.18.0.0/16"), "{all:?}");
    assert!(refuses(&all[2]) && everybody(&all[3]), "{all:?}");
    // Where the port is open, inbound-cidrs would close it.
    let listener = World::oidc_refused().routed().rules(listener_list());
    assert!(!of(&listener, "ingress").contains("inbound-cidrs"));
    let all = commands(&listener);
    assert_eq!(all.len(), 1, "{all:?}");
    assert!(all[0].contains("path-pattern"), "{all:?}");
    // What is let in already is not added again.
    assert_eq!(commands(&World::oidc().routed().lets_in(&["203.0.113.99/32"])), Vec::<String>::new());
}

#[test]
fn endpoint_and_interface_addresses_are_never_a_remedy() {
    let temp = tempfile::tempdir().expect("a folder");
    for case in asked() {
        let evidence = temp.path().join(format!("{}.json", case.name));
        fs::write(&evidence, case.world.evidence().1).expect("evidence");
        let (_, text, _) = run(&evidence, &["--direction", case.direction, "-o", "json"]);
        let view: Value = serde_json::from_str(&text).expect("JSON");
        crate::support::schema::hold(&view);
        for entry in view["entries"].as_array().expect("entries") {
            let value = entry["value"].as_str().expect("a value");
            for address in ["198.51.100.10", "198.51.100.11", "10.0.1.15", "10.0.2.27"] {
                assert!(!value.starts_with(address), "{}: {value} is offered as a remedy", case.name);
            }
        }
        for form in ["terraform", "aws-cli", "ingress", "nginx", "cidr"] {
            let (_, text, _) = run(&evidence, &["--direction", case.direction, "-o", form]);
            for address in ["198.51.100.10", "198.51.100.11", "10.0.1.15", "10.0.2.27"] {
                assert!(!text.contains(address), "{} {form} lists {address}", case.name);
            }
        }
        // They are shown all the same, with what they are good for.
        assert_eq!(view["endpoint"]["addresses"][0], "198.51.100.10", "{}", case.name);
        assert!(view["warnings"].as_array().is_some_and(|all| !all.is_empty()), "{}", case.name);
    }
}

#[test]
fn other_commands_refuse_these_forms() {
    let output =
        Command::new(env!("CARGO_BIN_EXE_kaccess")).args(["version", "-o", "terraform"]).output().expect("kaccess");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("its forms are table, json, yaml, markdown"));
}

#[test]
fn without_a_cluster_or_an_issuer_there_is_no_answer() {
    let temp = tempfile::tempdir().expect("a folder");
    let evidence = temp.path().join("evidence.json");
    for (world, word) in [
        (World::oidc().set("/aws", Value::Null), "EKS cluster"),
        (World::oidc().denied("/aws/cluster", "eks:DescribeCluster"), "EKS cluster"),
        (World::iam(), "no issuer"),
    ] {
        fs::write(&evidence, world.evidence().1).expect("evidence");
        let (code, text, errors) = run(&evidence, &[]);
        assert_eq!((code, text.as_str()), (2, ""), "{errors}");
        assert!(errors.contains(word), "{errors}");
    }
}

/// Whoever named the cluster is not told to name it: the reason is.
#[test]
fn the_reason_why_no_cluster_is_known_is_the_real_one() {
    for (more, why, hint) in [
        (&[] as &[&str], "no AWS credentials were found", "it takes AWS credentials"),
        (&["--no-aws"], "--no-aws was given", "it takes running without --no-aws"),
    ] {
        let output = crate::support::run::command()
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .args(["allowlist", "--eks-cluster", "x", "--region", "eu-west-1"])
            .args(more)
            .output()
            .expect("kaccess");
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{errors}");
        assert!(errors.contains(why) && errors.contains(hint) && !errors.contains("--eks-cluster NAME"), "{errors}");
    }
    // Where nothing speaks of a cluster, it is to be named.
    let output = crate::support::run::command().arg("allowlist").output().expect("kaccess");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(2) && errors.contains("--eks-cluster NAME --region REGION"), "{errors}");
}

/// What a shared security group lets in gets to everybody who is in it.
#[test]
fn a_shared_security_group_is_never_opened() {
    let temp = tempfile::tempdir().expect("a folder");
    let evidence = temp.path().join("evidence.json");
    let commands = |world: &World, form: &str| {
        fs::write(&evidence, world.evidence().1).expect("evidence");
        let (code, text, errors) = run(&evidence, &["-o", form]);
        assert_eq!(code, 0, "{errors}");
        text
    };
    let groups =
        |world: World, groups: Value| world.set("/aws/issuerBalancer/loadBalancer/seen/securityGroups", groups);
    let listed = || World::oidc_refused().rules(of_the_host()).lets_in(&["192.0.2.0/24"]);
    let backend = json!({"id": "sg-0bac", "name": "k8s-traffic-prod-0123456789", "vpcId": "vpc-01"});
    // The controller's group stands first on the load balancer: the one with the port's rules is meant.
    let both =
        || groups(listed(), json!(["sg-0bac", "sg-0a1b"])).set("/aws/network/securityGroups/seen/2", backend.clone());
    for form in ["aws-cli", "terraform"] {
        let text = commands(&both(), form);
        assert!(text.contains("sg-0a1b") && !text.contains("sg-0bac"), "{text}");
    }
    // Nothing but shared ones: nothing is opened, and that is said.
    for shared in [json!(["sg-0bac"]), json!(["sg-0c1u"])] {
        let world = groups(both(), shared);
        let text = commands(&world, "aws-cli");
        assert!(!text.lines().any(|line| line.contains("authorize") && !line.starts_with('#')), "{text}");
        assert!(text.contains("security group of its own"), "{text}");
    }
}

/// A list that AWS would refuse is not printed without a word.
#[test]
fn a_list_that_is_full_is_said() {
    let temp = tempfile::tempdir().expect("a folder");
    let evidence = temp.path().join("evidence.json");
    let ranges = |count: u8| (0..count).map(|index| format!("198.18.0.{index}/32")).collect::<Vec<_>>();
    for (count, full) in [(39, false), (40, true)] {
        let world = World::oidc().set("/aws/cluster/seen/vpc/publicAccessCidrs", json!(ranges(count)));
        fs::write(&evidence, world.evidence().1).expect("evidence");
        let (_, text, _) = run(&evidence, &["--direction", "clients", "-o", "aws-cli"]);
        assert_eq!(text.contains("publicAccessCidrs takes 40 ranges"), full, "{count}: {text}");
    }
}

/// Where the web ACL refuses, no form says that nothing is to be done.
#[test]
fn a_web_acl_that_refuses_leaves_something_to_do() {
    let temp = tempfile::tempdir().expect("a folder");
    let evidence = temp.path().join("evidence.json");
    let refuses = json!({"startedMs": 20, "tookMs": 15, "seen": {"arn": "arn:webacl/main", "name": "main", "defaultAction": "block",
        "rules": [{"name": "offices", "priority": 1, "action": "allow", "statement": "ip-set", "reference": "arn:ipset/offices"}],
        "ipSets": [{"arn": "arn:ipset/offices", "addresses": {"startedMs": 30, "tookMs": 9, "seen": ["192.0.2.0/24"]}}]}});
    let login = || World::oidc_refused().rules(another_host(true));
    for (world, refused) in [
        (World::oidc(), false),
        (World::oidc().set("/aws/issuerBalancer/webAcl", refuses.clone()), true),
        (login(), false),
        (login().set("/aws/issuerBalancer/webAcl", refuses.clone()), true),
    ] {
        fs::write(&evidence, world.evidence().1).expect("evidence");
        for form in ["terraform", "aws-cli"] {
            let (code, text, errors) = run(&evidence, &["-o", form]);
            assert_eq!(code, 0, "{errors}");
            let enough = text.contains("nothing is to be added") || text.contains("nothing else is needed");
            assert_eq!(enough, !refused, "{form}: {text}");
            assert_eq!(text.contains("only the web ACL is to be changed"), refused, "{form}: {text}");
            assert_eq!(text.contains("first give the web ACL a rule in front"), refused, "{form}: {text}");
            read_back(form, &text, "a web ACL that refuses");
        }
    }
}

/// Where the cluster's own group lets nothing out, a way in at the load balancer alone changes nothing.
#[test]
fn what_lets_the_control_plane_out_is_printed_too() {
    let temp = tempfile::tempdir().expect("a folder");
    let evidence = temp.path().join("evidence.json");
    let routed = || World::oidc().routed().internal().rules(forward_all()).lets_in(&["192.0.2.0/24"]);
    let shut = routed().set("/aws/network/securityGroupRules/seen/1/cidrIpv4", json!("192.0.2.0/24"));
    for (world, out) in [(routed(), false), (shut, true)] {
        fs::write(&evidence, world.evidence().1).expect("evidence");
        for (form, words) in [
            ("aws-cli", "ec2 authorize-security-group-egress --group-id sg-0c1u"),
            ("terraform", "\"aws_vpc_security_group_egress_rule\""),
        ] {
            let (code, text, errors) = run(&evidence, &["-o", form]);
            assert_eq!(code, 0, "{errors}");
            assert_eq!(text.contains(words), out, "{form}: {text}");
            assert!(text.contains("sg-0a1b"), "the load balancer's side is there all the same: {text}");
            read_back(form, &text, "nothing gets out");
        }
    }
}

/// Behind a load balancer for HTTP nginx sees the load balancer, and no client.
#[test]
fn a_list_in_nginx_behind_a_load_balancer_for_http_would_refuse_everybody() {
    let temp = tempfile::tempdir().expect("a folder");
    let evidence = temp.path().join("evidence.json");
    let routed = |kind: &str| {
        World::oidc_refused()
            .routed()
            .internal()
            .rules(forward_all())
            .lets_in(&["192.0.2.0/24"])
            .set("/aws/issuerBalancer/loadBalancer/seen/type", json!(kind))
    };
    for (kind, hidden) in [("application", true), ("network", false)] {
        fs::write(&evidence, routed(kind).evidence().1).expect("evidence");
        let (code, text, errors) = run(&evidence, &["-o", "nginx"]);
        assert_eq!(code, 0, "{errors}");
        assert_eq!(text.contains("    allow all;"), hidden, "{kind}: {text}");
        assert_eq!(text.contains("    deny all;"), !hidden, "{kind}: {text}");
        assert_eq!(text.contains("real_ip_header"), hidden, "{kind}: {text}");
        read_back("nginx", &text, kind);
    }
}

/// Who goes by the private endpoint and gets no answer is told that its group lets in members alone.
#[test]
fn a_private_endpoint_for_members_alone_differs_for_who_gets_no_answer() {
    let temp = tempfile::tempdir().expect("a folder");
    let evidence = temp.path().join("evidence.json");
    let world = |outcome: &str| {
        World::oidc()
            .set("/endpoint/dns/seen/addresses", json!(["10.0.5.15"]))
            .set(
                "/endpoint/tcp/seen/attempts",
                json!([{"address": "10.0.5.15:443", "outcome": outcome, "tookMs": 5000}]),
            )
            .set("/aws/ownEgress/seen/address", json!("198.18.0.9"))
    };
    for (outcome, code) in [("timeout", 1), ("connected", 0)] {
        fs::write(&evidence, world(outcome).evidence().1).expect("evidence");
        let (ended, text, errors) = run(&evidence, &["--direction", "clients", "--check"]);
        assert_eq!(ended, code, "{outcome}: {text}{errors}");
        assert_eq!(text.contains("but members of sg-0c1u"), code == 1, "{outcome}: {text}");
        // For private addresses the list of the public endpoint says nothing.
        assert!(!text.contains("198.18.0.9"), "{outcome}: {text}");
    }
}
