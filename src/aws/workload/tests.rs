//! What the agents make of a Pod: partitions, annotations of other names, addresses of both families.

use serde_json::{Value, json};

use super::*;

fn at_rest(value: Value) -> Value {
    json!({ "startedMs": 0, "tookMs": 0, "seen": value })
}

/// A Pod with these annotations and variables, in a namespace with those, where this agent runs on its node.
fn workload(pod: Value, env: Value, namespace: Value, agents: &[(&str, &[&str])]) -> Workload {
    let runs: Vec<Value> = agents
        .iter()
        .map(|(role, args)| json!({ "role": role, "kind": "DaemonSet", "namespace": "kube-system", "name": role, "image": "x", "args": args, "desired": 1, "ready": 1 }))
        .collect();
    let there: Vec<Value> = agents
        .iter()
        .map(|(role, _)| json!({ "role": role, "namespace": "kube-system", "name": role, "ready": true }))
        .collect();
    let container = json!({ "name": "app", "image": "shop/api:1", "env": env });
    let template = json!({ "serviceAccount": "api", "annotations": pod, "containers": [container] });
    serde_json::from_value(json!({
        "target": { "kind": "Pod", "namespace": "shop", "name": "api" },
        "pod": at_rest(json!({ "name": "api", "uid": "u", "node": "node-1", "template": template })),
        "namespace": at_rest(json!({ "annotations": namespace })),
        "agents": at_rest(json!(runs)),
        "nodeAgents": at_rest(json!(there)),
    }))
    .expect("a workload")
}

fn aws(arn: &str) -> Aws {
    let caller = json!({ "arn": arn, "account": "111122223333", "userId": "AROAX:jane" });
    serde_json::from_value(json!({ "caller": at_rest(caller) })).expect("AWS")
}

const CALLER: &str = "arn:aws:sts::111122223333:assumed-role/Ops/jane";

fn ok<'a>(judged: &'a Judgement<'_>, id: &str) -> Option<(Option<bool>, &'a str)> {
    judged.links.iter().find(|link| link.id == id).map(|link| (link.ok, link.seen.as_str()))
}

#[test]
fn a_role_is_completed_in_the_clusters_own_partition() {
    for (caller, partition) in [
        (CALLER, "aws"),
        ("arn:aws-cn:sts::111122223333:assumed-role/Ops/jane", "aws-cn"),
        ("arn:aws-us-gov:sts::111122223333:assumed-role/Ops/jane", "aws-us-gov"),
    ] {
        let aws = aws(caller);
        let pattern = format!("arn:{partition}:iam::111122223333:role/shop-.*");
        let role = json!({ "iam.amazonaws.com/role": "shop-api" });
        let permitted = json!({ "iam.amazonaws.com/permitted": pattern });
        let seen = workload(role.clone(), json!([]), permitted, &[("kiam-agent", &["agent"]), ("kiam-server", &[])]);
        let judged = Judgement::new(&seen, Some(&aws));
        assert_eq!(ok(&judged, "kiam-namespace").map(|(ok, _)| ok), Some(Some(true)), "{partition}");
        let allowed = format!("[\"arn:{partition}:iam::111122223333:role/shop-*\"]");
        let allowed = json!({ "iam.amazonaws.com/allowed-roles": allowed });
        let args = ["--auto-discover-base-arn", "--namespace-restrictions"];
        let seen = workload(role, json!([]), allowed, &[("kube2iam", &args)]);
        let judged = Judgement::new(&seen, Some(&aws));
        assert_eq!(ok(&judged, "kube2iam-namespace").map(|(ok, _)| ok), Some(Some(true)), "{partition}");
    }
}

const BASE: &str = "--base-role-arn=arn:aws:iam::111122223333:role/";

#[test]
fn kube2iam_reads_the_annotations_that_its_flags_name() {
    let restricted = ["--namespace-restrictions", "--namespace-key=corp.example/roles", BASE];
    let role = json!({ "iam.amazonaws.com/role": "shop-api" });
    let look = |pod: &Value, namespace: Value, args: &[&str]| {
        let seen = workload(pod.clone(), json!([]), namespace, &[("kube2iam", args)]);
        let aws = aws(CALLER);
        let judged = Judgement::new(&seen, Some(&aws));
        (ok(&judged, "kube2iam-namespace").map(|(ok, _)| ok), judged.effective.kind, judged.effective.role_arn.clone())
    };
    let arn = Some("arn:aws:iam::111122223333:role/shop-api".to_owned());
    let (allowed, kind, role_arn) = look(&role, json!({ "corp.example/roles": "[\"shop-*\"]" }), &restricted);
    assert_eq!((allowed, kind, role_arn), (Some(Some(true)), IdentitySource::Kube2iam, arn.clone()));
    // What it usually reads is nothing to it then.
    let usual = json!({ "iam.amazonaws.com/allowed-roles": "[\"shop-*\"]" });
    assert_eq!(look(&role, usual, &restricted).0, Some(Some(false)));
    // An annotation that kaccess keeps of no object may be there.
    let hidden = ["--namespace-restrictions", "--namespace-key=corp.example/permits", BASE];
    assert_eq!(look(&role, json!({}), &hidden).0, Some(None));
    // The role that everybody gets needs nobody's leave.
    let default = ["--namespace-restrictions", "--default-role=shop-api", BASE];
    assert_eq!(look(&role, json!({}), &default).0, Some(Some(true)));

    let named = ["--iam-role-key=corp.example/role", BASE];
    let own = json!({ "corp.example/role": "shop-api" });
    assert_eq!(look(&own, json!({}), &named), (None, IdentitySource::Kube2iam, arn));
    assert_eq!(look(&role, json!({}), &named).1, IdentitySource::Nowhere);
    let hidden = ["--iam-role-key", "corp.example/identity", BASE];
    assert_eq!(look(&role, json!({}), &hidden).1, IdentitySource::Unknown);
    // kiam has no such flag.
    let seen = workload(own, json!([]), json!({}), &[("kiam-agent", &["--iam-role-key=corp.example/role"])]);
    assert_eq!(Judgement::new(&seen, None).iam_role(), None);
}

#[test]
fn the_agents_address_in_no_proxy_is_of_the_family_that_is_asked() {
    let four = "http://169.254.170.23/v1/credentials";
    let six = "http://[fd00:ec2::23]/v1/credentials";
    for (asked, except, free) in [
        (four, "169.254.170.23", true),
        (four, "169.254.0.0/16,localhost", true),
        (four, "fd00:ec2::23", false),
        (six, "fd00:ec2::23,localhost", true),
        (six, "[fd00:ec2::23]", true),
        (six, "fd00:ec2::/32", true),
        (six, "169.254.170.23", false),
        (six, "*", true),
    ] {
        let env = json!([
            { "name": "AWS_CONTAINER_CREDENTIALS_FULL_URI", "value": asked },
            { "name": "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "value": "/t" },
            { "name": "HTTP_PROXY", "value": "http://proxy:3128" },
            { "name": "NO_PROXY", "value": except },
        ]);
        let seen = workload(json!({}), env, json!({}), &[("eks-pod-identity-agent", &[])]);
        let judged = Judgement::new(&seen, None);
        assert_eq!(judged.broken("pod-identity-proxy").is_none(), free, "{asked} with {except}");
    }
}

#[test]
fn a_namespaces_patterns_are_read_as_go_reads_them() {
    let role = json!({ "iam.amazonaws.com/role": "shop-api" });
    let aws = aws(CALLER);
    let arn = "arn:aws:iam::111122223333:role/shop-api";
    let regexp = ["--namespace-restrictions", "--namespace-restriction-format=regexp", BASE];
    let glob = ["--namespace-restrictions", BASE];
    // kube2iam puts the beginning of all roles before what is no whole ARN; its globs know only the star.
    for (args, pattern, allowed) in [
        (&regexp[..], "^shop-api$", false),
        (&regexp, "shop-api$", true),
        (&regexp, "shop", true),
        (&regexp, "arn:aws:iam::111122223333:role/shop-.*", true),
        (&regexp, r"\\Qshop-api\\E", true),
        (&regexp, "shop-(", false),
        (&glob, "shop-a?i", false),
        (&glob, "shop-*", true),
        (&glob, "*", true),
        (&glob, "*api", true),
        (&glob, "s*p*i", true),
        (&glob, "s*x*i", false),
        (&glob, "arn:aws:iam::*:role/shop-api", true),
        (&glob, "SHOP-*", false),
    ] {
        let namespace = json!({ "iam.amazonaws.com/allowed-roles": format!("[\"{pattern}\"]") });
        let seen = workload(role.clone(), json!([]), namespace, &[("kube2iam", args)]);
        let judged = Judgement::new(&seen, Some(&aws));
        assert_eq!(ok(&judged, "kube2iam-namespace").map(|(ok, _)| ok), Some(Some(allowed)), "{pattern} of {args:?}");
    }
    for (expression, permitted) in [
        (format!(r"\Q{arn}\E"), Some(true)),
        (r"arn:aws:iam::\d{12}:role/(shop-api|x)".to_owned(), Some(true)),
        ("(?!x).*".to_owned(), Some(false)),
        ("shop-(".to_owned(), Some(false)),
        (r"\C*".to_owned(), None),
    ] {
        let namespace = json!({ "iam.amazonaws.com/permitted": expression });
        let agents: [(&str, &[&str]); 2] = [("kiam-agent", &["agent"]), ("kiam-server", &[])];
        let seen = workload(role.clone(), json!([]), namespace, &agents);
        let judged = Judgement::new(&seen, Some(&aws));
        assert_eq!(ok(&judged, "kiam-namespace").map(|(ok, _)| ok), Some(permitted), "{expression}");
    }
}

#[test]
fn a_label_by_which_the_webhook_passes_over_a_pod_is_seen() {
    let skip = "eks.amazonaws.com/skip-pod-identity-webhook";
    let absent =
        format!("objectSelector: {{\"matchExpressions\":[{{\"key\":\"{skip}\",\"operator\":\"DoesNotExist\"}}]}}");
    let namespace = absent.replace("objectSelector", "namespaceSelector");
    let wanted = "objectSelector: {\"matchLabels\":{\"x.amazonaws.com/inject\":\"yes\"}}".to_owned();
    let foreign = "objectSelector: {\"matchLabels\":{\"corp.example/inject\":\"yes\"}}".to_owned();
    let both = format!("{namespace}, {absent}");
    let labelled = json!({ skip: "true" });
    let none = json!({});
    for (selectors, pod, of_namespace, whose) in [
        (&absent, &labelled, &none, Some(Labelled::Pod)),
        (&absent, &none, &none, None),
        (&absent, &none, &labelled, None),
        (&both, &none, &labelled, Some(Labelled::Namespace)),
        (&both, &labelled, &none, Some(Labelled::Pod)),
        (&wanted, &none, &none, Some(Labelled::Pod)),
        (&wanted, &json!({ "x.amazonaws.com/inject": "yes" }), &none, None),
        // Labels that are not kept may be there.
        (&foreign, &none, &none, None),
        // Older evidence has none of them.
        (&absent, &Value::Null, &Value::Null, None),
    ] {
        let mut seen = workload(json!({}), json!([]), json!({}), &[]);
        seen.webhook = serde_json::from_value(at_rest(json!({ "selectors": selectors }))).expect("a webhook");
        let one = json!({ "labels": pod, "containers": [{ "name": "app" }] });
        seen.pod = serde_json::from_value(at_rest(json!({ "name": "api", "template": one }))).expect("a Pod");
        seen.namespace = serde_json::from_value(at_rest(json!({ "labels": of_namespace }))).expect("a namespace");
        let judged = Judgement::new(&seen, None);
        assert_eq!(judged.passed_over().map(|passed| passed.whose), whose, "{selectors} {pod} {of_namespace}");
    }
}

/// What stands first is no reason to be the only one that is looked at.
#[test]
fn a_container_with_a_role_of_its_own_is_seen_wherever_it_stands() {
    let container = |name: &str, role: &str| {
        let env = json!([{ "name": "AWS_ROLE_ARN", "value": role }, { "name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": "/t" }]);
        json!({ "name": name, "env": env })
    };
    let (ours, older) = ("arn:aws:iam::111122223333:role/shop-api", "arn:aws:iam::111122223333:role/older");
    for (first, second) in [(ours, older), (older, ours)] {
        let mut seen = workload(json!({}), json!([]), json!({}), &[]);
        let template =
            json!({ "serviceAccount": "api", "containers": [container("one", first), container("two", second)] });
        seen.pod = serde_json::from_value(at_rest(json!({ "name": "api", "template": template }))).expect("a Pod");
        let account = json!({ "name": "api", "annotations": { IRSA: ours } });
        seen.service_account = serde_json::from_value(at_rest(account)).expect("an account");
        let judged = Judgement::new(&seen, None);
        let link = judged.broken("irsa-injection").expect("a broken link");
        assert!(link.seen.contains(older), "{link:?}");
        let other = format!("another role: two ({second})");
        assert!(judged.effective.why.contains(&other), "{}", judged.effective.why);
    }
}

#[test]
fn a_secret_whose_variables_get_a_foreign_prefix_holds_no_keys() {
    let look = |container: Value| {
        let mut seen = workload(json!({}), json!([]), json!({}), &[]);
        let template = json!({ "serviceAccount": "api", "containers": [container] });
        seen.pod = serde_json::from_value(at_rest(json!({ "name": "api", "template": template }))).expect("a Pod");
        let judged = Judgement::new(&seen, None);
        judged.containers().first().and_then(|(container, _)| judged.whole_sources(container))
    };
    assert_eq!(look(json!({ "name": "app", "envFromSecrets": ["db"] })).as_deref(), Some("Secret db"));
    assert_eq!(look(json!({ "name": "app", "envFromSecrets": ["db"], "prefixedSecrets": ["db"] })), None);
}

#[test]
fn kiams_session_is_a_span_of_go() {
    for (told, expected) in [
        ("15m", Some(900)),
        ("14m59.9s", Some(899)),
        ("1h", Some(3600)),
        ("900000000us", Some(900)),
        ("-1s", None),
        ("900", None),
        ("soon", None),
    ] {
        assert_eq!(session_seconds(told), expected, "{told}");
    }
}

/// A Pod of service account `api` with these containers, volumes and annotations, behind its association or its role.
fn api(containers: Value, volumes: Value, annotations: Value, associated: bool) -> Workload {
    let mut seen = workload(json!({}), json!([]), json!({}), &[("eks-pod-identity-agent", &[])]);
    let template =
        json!({ "serviceAccount": "api", "containers": containers, "volumes": volumes, "annotations": annotations });
    seen.pod = serde_json::from_value(at_rest(json!({ "name": "api", "template": template }))).expect("a Pod");
    let role = json!({ IRSA: "arn:aws:iam::111122223333:role/shop-api" });
    let account = json!({ "name": "api", "annotations": if associated { json!({}) } else { role } });
    seen.service_account = serde_json::from_value(at_rest(account)).expect("an account");
    if associated {
        let details = at_rest(json!({ "roleArn": "arn:aws:iam::111122223333:role/shop-api" }));
        let ours = json!({ "ours": { "id": "a-1", "details": details }, "others": [] });
        seen.associations = serde_json::from_value(at_rest(ours)).expect("associations");
    }
    seen
}

/// Variables are only words: they lead somewhere where a volume with the token is mounted there.
#[test]
fn a_tokens_file_that_no_volume_brings_is_a_broken_link() {
    let folder = "/var/run/secrets/eks.amazonaws.com/serviceaccount";
    let irsa = json!([
        { "name": "AWS_ROLE_ARN", "value": "arn:aws:iam::111122223333:role/shop-api" },
        { "name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": format!("{folder}/token") },
    ]);
    let associated = json!([
        { "name": "AWS_CONTAINER_CREDENTIALS_FULL_URI", "value": "http://169.254.170.23/v1/credentials" },
        { "name": "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "value": format!("{folder}/token") },
    ]);
    let token = |path: &str| json!([{ "name": "t", "secrets": [], "tokens": [{ "audience": "x", "path": path }] }]);
    for (mounts, volumes, there) in [
        (json!({ folder: "t" }), token("token"), true),
        (json!({ format!("{folder}/"): "t" }), token("token"), true),
        // /var/run is a link to /run in most images; a mount may show one folder or one file of a volume.
        (json!({ "/run/secrets/eks.amazonaws.com/serviceaccount": "t" }), token("token"), true),
        (json!({ folder: "t" }), token("aws/token"), true),
        (json!({ format!("{folder}/token"): "t" }), token("aws"), true),
        // What is in other volumes is not known.
        (json!({ folder: "csi" }), token("token"), true),
        (json!({ "/": "host" }), json!([]), true),
        (json!({}), token("token"), false),
        (json!({}), json!([]), false),
        (json!({ "/var/run/secrets/other": "t" }), token("token"), false),
        (json!({ format!("{folder}-old"): "t" }), token("token"), false),
        (json!({ folder: "t" }), token("other"), false),
    ] {
        for (env, pod_identity) in [(&irsa, false), (&associated, true)] {
            let container = json!({ "name": "app", "env": env, "mounts": mounts });
            let seen = api(json!([container]), volumes.clone(), json!({}), pod_identity);
            let judged = Judgement::new(&seen, None);
            let id = if pod_identity { "pod-identity-token-file" } else { "irsa-token-file" };
            let broken = judged.broken(id);
            assert_eq!(broken.is_none(), there, "{id}: {mounts} {volumes}");
            let nowhere = judged.effective.kind == IdentitySource::Nowhere;
            assert_eq!(nowhere, !there, "{id}: {mounts} {volumes}: {:?}", judged.effective);
        }
    }
}

#[test]
fn a_second_container_without_the_token_is_told_and_the_first_keeps_its_role() {
    let env = json!([
        { "name": "AWS_ROLE_ARN", "value": "arn:aws:iam::111122223333:role/shop-api" },
        { "name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": "/var/run/secrets/eks.amazonaws.com/serviceaccount/token" },
    ]);
    let containers = json!([
        { "name": "app", "env": env, "mounts": { "/var/run/secrets/eks.amazonaws.com/serviceaccount": "t" } },
        { "name": "side", "env": env, "mounts": {} },
    ]);
    let volumes = json!([{ "name": "t", "secrets": [], "tokens": [{ "audience": "x", "path": "token" }] }]);
    let seen = api(containers, volumes, json!({}), false);
    let judged = Judgement::new(&seen, None);
    let link = judged.broken("irsa-token-file").expect("a broken link");
    assert!(link.seen.contains("container side"), "{link:?}");
    assert_eq!(judged.effective.kind, IdentitySource::Irsa);
    assert!(!judged.effective.why.contains("every link holds"), "{}", judged.effective.why);
    assert!(judged.effective.why.contains("container side"), "{}", judged.effective.why);
}

/// A job may write the token itself, and a container with its own credentials endpoint asks no agent.
#[test]
fn a_token_that_the_container_may_have_itself_is_not_missed() {
    let env = json!([
        { "name": "AWS_ROLE_ARN", "value": "arn:aws:iam::111122223333:role/shop-api" },
        { "name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": "/tmp/web_identity_token" },
    ]);
    let seen = api(json!([{ "name": "app", "env": env, "mounts": {} }]), json!([]), json!({}), false);
    let judged = Judgement::new(&seen, None);
    assert!(judged.broken("irsa-token-file").is_none(), "{:?}", judged.links);
    let own = json!([
        { "name": "AWS_CONTAINER_CREDENTIALS_FULL_URI", "value": "http://127.0.0.1:9911/credentials" },
        { "name": "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "value": "/var/run/secrets/pods.eks.amazonaws.com/x" },
    ]);
    let seen = api(json!([{ "name": "app", "env": own, "mounts": {} }]), json!([]), json!({}), true);
    let judged = Judgement::new(&seen, None);
    assert!(judged.broken("pod-identity-token-file").is_none(), "{:?}", judged.links);
}

#[test]
fn containers_that_the_webhook_is_told_to_leave_alone_are_given_nothing() {
    for (skip, all) in [("app,b", true), ("b,app", true), ("b , app", false), ("app", false), ("other", false)] {
        for (associated, id) in [(false, "irsa-injection"), (true, "pod-identity-injection")] {
            let containers = json!([{ "name": "app" }, { "name": "b" }]);
            let seen = api(containers, json!([]), json!({ SKIP_CONTAINERS: skip }), associated);
            let judged = Judgement::new(&seen, None);
            let link = judged.broken(id).unwrap_or_else(|| panic!("{id}: {skip}: {:?}", judged.links));
            assert_eq!(link.seen.starts_with(SKIP_CONTAINERS), all, "{id}: {skip}: {link:?}");
            assert_eq!(judged.all_skipped().is_some(), all, "{skip}");
        }
    }
    // One that has the variables is not brought down by the others.
    let env = json!([
        { "name": "AWS_ROLE_ARN", "value": "arn:aws:iam::111122223333:role/shop-api" },
        { "name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": "/t/token" },
    ]);
    let containers = json!([{ "name": "app", "env": env, "mounts": { "/t": "t" } }, { "name": "b" }]);
    let seen = api(containers, json!([]), json!({ SKIP_CONTAINERS: "b" }), false);
    assert!(Judgement::new(&seen, None).broken("irsa-injection").is_none());
}

#[test]
fn an_association_that_was_not_read_leaves_its_role_unknown() {
    let mut seen = api(json!([{ "name": "app" }]), json!([]), json!({}), true);
    let failed = json!({ "kind": "forbidden", "detail": "refused", "needs": "eks:DescribePodIdentityAssociation" });
    let details = json!({ "startedMs": 0, "tookMs": 0, "failed": failed });
    let ours = json!({ "ours": { "id": "a-1", "details": details }, "others": [] });
    seen.associations = serde_json::from_value(at_rest(ours)).expect("associations");
    let judged = Judgement::new(&seen, None);
    for id in ["pod-identity-role", "pod-identity-trust"] {
        let link = judged.links.iter().find(|link| link.id == id).unwrap_or_else(|| panic!("no {id}"));
        assert_eq!((link.ok, link.needs.as_deref()), (None, Some("eks:DescribePodIdentityAssociation")), "{link:?}");
    }
}

#[test]
fn a_pod_with_pod_identitys_variables_misses_none_of_irsas_where_associations_may_not_be_listed() {
    let env = json!([
        { "name": "AWS_CONTAINER_CREDENTIALS_FULL_URI", "value": "http://169.254.170.23/v1/credentials" },
        { "name": "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "value": "/t/token" },
    ]);
    let failed = json!({ "kind": "forbidden", "detail": "refused", "needs": "eks:ListPodIdentityAssociations" });
    let denied = json!({ "startedMs": 0, "tookMs": 0, "failed": failed });
    let none = at_rest(json!({ "others": [] }));
    for (env, associations, broken) in [
        (&env, &denied, false),
        // There is no association any more: Pods made again get IRSA's.
        (&env, &none, true),
        (&json!([]), &denied, true),
        (&json!([]), &none, true),
    ] {
        let container = json!({ "name": "app", "env": env, "mounts": { "/t": "t" } });
        let mut seen = api(json!([container]), json!([]), json!({}), false);
        seen.associations = serde_json::from_value(associations.clone()).expect("associations");
        let judged = Judgement::new(&seen, None);
        assert_eq!(judged.broken("irsa-injection").is_some(), broken, "{env} {associations}: {:?}", judged.links);
        let known = judged.effective.why.contains("not known: pod-identity-association");
        assert_eq!(known, !broken, "{:?}", judged.effective);
    }
}

#[test]
fn windows_has_no_agent_of_pod_identity() {
    for (os, broken) in [("windows", true), ("linux", false)] {
        let mut seen = workload(json!({}), json!([]), json!({}), &[("eks-pod-identity-agent", &[])]);
        let ours = json!({ "ours": { "id": "a-1", "details": at_rest(json!({ "roleArn": "arn:aws:iam::1:role/x" })) }, "others": [] });
        seen.associations = serde_json::from_value(at_rest(ours)).expect("associations");
        seen.node = serde_json::from_value(at_rest(json!({ "name": "node-1", "os": os }))).expect("a node");
        let judged = Judgement::new(&seen, None);
        let link = judged.broken("pod-identity-agent");
        assert_eq!(link.is_some_and(|link| link.seen.starts_with("Windows")), broken, "{os}: {link:?}");
    }
}

#[test]
fn an_agent_that_redirects_nothing_itself_leaves_that_open() {
    let role = json!({ "iam.amazonaws.com/role": "shop-api" });
    for (agent, id) in [("kiam-agent", "kiam-agent"), ("kube2iam", "kube2iam-agent")] {
        for (args, open) in [(&["--iptables", BASE][..], false), (&["--iptables=false", BASE], true), (&[BASE], true)] {
            let seen = workload(role.clone(), json!([]), json!({}), &[(agent, args)]);
            let judged = Judgement::new(&seen, None);
            let link = ok(&judged, id).map(|(ok, _)| ok);
            assert_eq!(link, open.then_some(None), "{agent} {args:?}");
        }
    }
}
