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
