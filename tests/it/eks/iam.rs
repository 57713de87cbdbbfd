//! From an IAM identity to a Kubernetes user: each row of the fault catalogue's part K, with its healthy twin.

use kaccess::report::Confidence::{self, Certain, Likely, Possible};
use kaccess::report::{Finding, Severity, diagnose};
use kaccess::rules::{Case, check_all};
use serde_json::{Value, json};

use super::world::{World, nothing};
use super::{Told, healthy, told};

/// A line of the authenticator, as EKS' log has it.
pub fn denied(error: &str) -> String {
    format!(
        "time=\"2026-11-25T09:59:59Z\" level=warning msg=\"access denied\" arn=\"arn:aws:sts::111122223333:assumed-role/platform-dev/alice\" client=\"127.0.0.1:50134\" error=\"{error}\" method=POST path=/authenticate\n"
    )
}

fn sts(code: &str, message: &str) -> String {
    denied(&format!("sts getCallerIdentity failed: error from AWS (expected 200, got 403) on eu-west-1 endpoint. Body: {{\\\"Error\\\":{{\\\"Code\\\":\\\"{code}\\\",\\\"Message\\\":\\\"{message}\\\",\\\"Type\\\":\\\"Sender\\\"}}}}"))
        .replace(" arn=\"arn:aws:sts::111122223333:assumed-role/platform-dev/alice\"", "")
}

pub fn roles(text: &str) -> Value {
    json!({"mapRoles": text})
}

/// The access entry of nodes for the caller's role.
fn node_entry(username: &str, kind: &str) -> Value {
    let details = json!({"username": username, "groups": ["system:nodes"], "type": kind, "createdAt": "2025-03-01T08:00:00Z", "modifiedAt": "2025-03-01T08:00:00Z"});
    json!({"principalArn": super::world::ROLE, "details": super::world::seen(details), "policies": super::world::seen(json!([]))})
}

/// A token with a fault of its form.
fn problem(detail: &str) -> Value {
    json!([{"part": "payload", "detail": detail}])
}

/// A question that was asked and denied.
pub fn asked(world: World, group: &str, resource: &str, namespace: &str) -> World {
    let question = json!({"verb": "list", "group": group, "resource": resource, "subresource": "", "name": "", "namespace": namespace});
    world.set("/asked/question", question.clone()).set(
        "/access/seen/checks",
        json!([{"question": question, "allowed": false, "reason": "", "evaluationError": ""}]),
    )
}

pub fn cases() -> Vec<Told> {
    let refused = World::iam_refused;
    let unmapped = || World::iam_refused().no_entry();
    let by_config_map = |text: &str| World::iam_refused().mode("CONFIG_MAP").aws_auth(roles(text));
    let dev = "arn:aws:iam::111122223333:role/platform-dev";
    let admins =
        "- rolearn: arn:aws:iam::111122223333:role/platform-admin\n  username: admin\n  groups:\n  - system:masters\n";
    vec![
        healthy("eks-iam", World::iam()),
        healthy(
            "eks-iam-aws-auth",
            World::iam()
                .mode("CONFIG_MAP")
                .aws_auth(roles(&format!("{admins}- rolearn: {dev}\n  username: dev:{{{{SessionName}}}}\n  groups:\n  - dev\n")))
                .set("/identity/seen/user", json!({"username": "dev:alice", "uid": "", "groups": ["dev", "system:authenticated"], "extra": {}})),
        ),
        told(
            "eks-aws-identity-unexpected",
            &["aws-identity-unexpected", "credential-rejected"],
            Likely,
            refused()
                .set("/kubeconfig/seen/context", json!("arn:aws:eks:eu-west-1:444455556666:cluster/prod"))
                .set("/aws/cluster", json!({"startedMs": 0, "tookMs": 40, "failed": {"kind": "not-found", "detail": "eks:DescribeCluster: ResourceNotFoundException: No cluster found for name: prod."}})),
        ),
        told("eks-iam-identity-not-mapped", &["iam-identity-not-mapped", "credential-rejected"], Likely, unmapped()),
        told("eks-iam-identity-not-mapped-log", &["iam-identity-not-mapped"], Certain, unmapped().authenticator_log(&denied("identity is not mapped"))),
        told("eks-iam-identity-not-mapped-old-log", &["iam-identity-not-mapped"], Certain, unmapped().authenticator_log(&denied("ARN is not mapped"))),
        told("eks-iam-identity-not-mapped-config-map", &["iam-identity-not-mapped"], Likely, by_config_map(admins)),
        told(
            "eks-iam-identity-not-mapped-namesake",
            &["iam-identity-not-mapped"],
            Likely,
            refused().set("/aws/accessEntries/seen", json!({"total": 7, "entries": [], "namesakes": ["arn:aws:iam::444455556666:role/platform-dev"]})),
        ),
        told("eks-iam-log-of-somebody-else", &["credential-rejected"], Likely, refused().authenticator_log(&denied("identity is not mapped").replace("platform-dev", "platform-ci"))),
        told("eks-iam-entries-unread", &["credential-rejected", "iam-permission-missing"], Likely, refused().denied("/aws/accessEntries", "eks:ListAccessEntries")),
        told("eks-aws-auth-role-path", &["aws-auth-role-path", "iam-identity-not-mapped"], Certain, by_config_map(&format!("{admins}- rolearn: arn:aws:iam::111122223333:role/teams/platform-dev\n  username: dev\n  groups:\n  - dev\n"))),
        told(
            "eks-aws-auth-role-path-sso",
            &["aws-auth-role-path"],
            Certain,
            by_config_map(&format!("{admins}- rolearn: arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_Dev_0123456789abcdef\n  username: dev\n  groups: [dev]\n"))
                .set("/aws/caller/seen/arn", json!("arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_Dev_0123456789abcdef/alice@example.com")),
        ),
        told("eks-aws-auth-session-arn", &["aws-auth-wrong-arn-kind"], Certain, by_config_map(&format!("{admins}- rolearn: arn:aws:sts::111122223333:assumed-role/platform-dev/alice\n  username: dev\n  groups: [dev]\n"))),
        told("eks-aws-auth-instance-profile", &["aws-auth-wrong-arn-kind"], Likely, by_config_map(&format!("{admins}- rolearn: arn:aws:iam::111122223333:instance-profile/platform-dev\n  username: dev\n  groups: [dev]\n"))),
        told("eks-aws-auth-invalid", &["aws-auth-invalid", "iam-identity-not-mapped"], Certain, by_config_map(&format!("{admins}- rolearn: {dev}\n  username: dev\n  groups: [dev\n"))),
        told("eks-aws-auth-no-list", &["aws-auth-invalid"], Certain, by_config_map(&format!("rolearn: {dev}\nusername: dev\n"))),
        told("eks-aws-auth-key-spelling", &["aws-auth-invalid"], Certain, refused().mode("CONFIG_MAP").aws_auth(json!({"maproles": format!("- rolearn: {dev}\n  username: dev\n  groups: [dev]\n"), "mapRoles": admins}))),
        told("eks-aws-auth-entry-without-arn", &["aws-auth-invalid"], Likely, by_config_map(&format!("{admins}- role: {dev}\n  username: dev\n  groups: [dev]\n"))),
        told(
            "eks-aws-auth-groups-no-list",
            &["aws-auth-invalid", "iam-identity-without-permissions"],
            Certain,
            asked(
                World::iam().mode("CONFIG_MAP").aws_auth(roles(&format!("{admins}- rolearn: {dev}\n  username: dev:{{{{SessionName}}}}\n  groups: dev\n"))).set("/identity/seen/user/username", json!("dev:alice")),
                "",
                "pods",
                "dev",
            ),
        ),
        told("eks-aws-auth-invalid-log", &["aws-auth-invalid"], Certain, refused().denied("/aws/awsAuth", "list configmaps in kube-system").authenticator_log("time=\"2026-11-25T09:00:00Z\" level=warning msg=\"Errors parsing configmap: [error converting YAML to JSON: yaml: line 4: did not find expected key]\"\n")),
        told(
            "eks-aws-auth-duplicate",
            &["aws-auth-duplicate"],
            Certain,
            World::iam()
                .mode("CONFIG_MAP")
                .aws_auth(roles(&format!("{admins}- rolearn: {dev}\n  username: dev\n  groups: [admins]\n- rolearn: {dev}\n  username: dev\n  groups: [dev]\n")))
                .set("/identity/seen/user/username", json!("dev")),
        ),
        told("eks-iam-token-wrong-cluster", &["iam-token-wrong-cluster"], Likely, refused().set("/aws/cluster/seen/endpoint", json!("https://9F8E7D.gr7.eu-west-1.eks.amazonaws.com"))),
        told(
            "eks-iam-token-wrong-cluster-log",
            &["iam-token-wrong-cluster"],
            Certain,
            refused()
                .set("/aws/cluster/seen/endpoint", json!("https://9F8E7D.gr7.eu-west-1.eks.amazonaws.com"))
                .authenticator_log(&sts("SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided.")),
        ),
        told("eks-iam-token-wrong-cluster-argument", &["iam-token-wrong-cluster"], Certain, refused().set("/aws/target/seen/tokenCluster", json!("staging"))),
        told("eks-iam-token-expired", &["iam-token-expired"], Certain, refused().set("/credential/seen/source", json!("token")).set("/credential/seen/token/claims/date", json!("2026-11-25T09:30:00Z")).set("/credential/seen/token/claims/expires", json!("2026-11-25T09:45:00Z"))),
        // That nothing maps the caller was looked up: both are to be mended.
        told("eks-iam-token-expired-unmapped", &["iam-token-expired", "iam-identity-not-mapped", "credential-rejected"], Certain, unmapped().set("/credential/seen/source", json!("token")).set("/credential/seen/token/claims/date", json!("2026-11-25T09:30:00Z")).set("/credential/seen/token/claims/expires", json!("2026-11-25T09:45:00Z"))),
        told("eks-iam-token-wrong-cluster-unmapped", &["iam-token-wrong-cluster", "iam-identity-not-mapped", "credential-rejected"], Certain, unmapped().set("/aws/target/seen/tokenCluster", json!("staging"))),
        told("eks-iam-token-expired-log", &["iam-token-expired"], Certain, refused().set("/credential/seen/token/claims/date", json!("2026-11-25T09:30:00Z")).set("/credential/seen/token/claims/expires", json!("2026-11-25T09:45:00Z")).authenticator_log(&denied("input token was not properly formatted: X-Amz-Date parameter is expired (15 minute expiration) 2026-11-25 09:30:00 +0000 UTC"))),
        told("eks-aws-session-expired", &["aws-session-expired"], Likely, refused().authenticator_log(&sts("ExpiredToken", "The security token included in the request is expired"))),
        told("eks-sts-endpoint-invalid", &["sts-endpoint-invalid"], Certain, refused().set("/credential/seen/token/problems", problem("unexpected hostname \"sts.internal.example.com\" in pre-signed URL"))),
        told("eks-sts-region-disabled", &["sts-endpoint-invalid"], Likely, refused().authenticator_log(&sts("RegionDisabledException", "STS is not activated in this region"))),
        told("eks-sts-key-unknown", &["sts-endpoint-invalid", "credential-rejected"], Possible, refused().authenticator_log(&sts("InvalidClientTokenId", "The security token included in the request is invalid."))),
        told("eks-sts-throttled", &["sts-throttled"], Likely, refused().authenticator_log(&denied("sts getCallerIdentity was throttled: Rate exceeded").replace(" arn=\"arn:aws:sts::111122223333:assumed-role/platform-dev/alice\"", ""))),
        told("eks-sts-unreachable", &["sts-unreachable"], Likely, refused().authenticator_log(&denied("sts getCallerIdentity failed: error during GET: Get \\\"https://sts.eu-west-1.amazonaws.com/\\\": dial tcp: i/o timeout on eu-west-1 endpoint").replace(" arn=\"arn:aws:sts::111122223333:assumed-role/platform-dev/alice\"", ""))),
        told("eks-iam-principal-recreated", &["iam-principal-recreated"], Likely, refused().set("/aws/principal/seen/createdAt", json!("2026-11-20T08:00:00Z"))),
        told("eks-iam-principal-recreated-log", &["iam-principal-recreated"], Certain, refused().authenticator_log(&denied("mapper DynamicFile Map error: ARN does not match User ID"))),
        told("eks-authentication-mode-api", &["authentication-mode-ignores-mapping", "iam-identity-not-mapped"], Certain, unmapped().mode("API").aws_auth(roles(&format!("- rolearn: {dev}\n  username: dev\n  groups: [dev]\n")))),
        told("eks-authentication-mode-config-map", &["authentication-mode-ignores-mapping"], Certain, refused().set("/aws/cluster/seen/authenticationMode", json!("CONFIG_MAP")).aws_auth(roles(admins))),
        told("eks-iam-identity-without-permissions", &["iam-identity-without-permissions", "rbac-no-grant"], Certain, asked(World::iam().set("/aws/accessEntries/seen/entries/0/policies/seen", json!([])), "", "pods", "dev")),
        told(
            "eks-iam-identity-without-groups",
            &["iam-identity-without-permissions"],
            Certain,
            asked(
                World::iam().mode("CONFIG_MAP").aws_auth(roles(&format!("{admins}- rolearn: {dev}\n  username: dev:{{{{SessionName}}}}\n"))).set("/identity/seen/user/username", json!("dev:alice")),
                "",
                "pods",
                "dev",
            ),
        ),
        told("eks-access-policy-out-of-scope", &["access-policy-out-of-scope", "rbac-no-grant"], Certain, asked(World::iam(), "", "pods", "prod")),
        told("eks-access-policy-cluster-scope", &["access-policy-out-of-scope"], Certain, asked(World::iam(), "", "nodes", "")),
        told(
            "eks-access-policy-custom-resource",
            &["access-policy-out-of-scope"],
            Certain,
            asked(World::iam().set("/aws/accessEntries/seen/entries/0/policies/seen/0", json!({"policyArn": "arn:aws:eks::aws:cluster-access-policy/AmazonEKSAdminPolicy", "scope": "cluster", "namespaces": []})), "cert-manager.io", "certificates", "dev"),
        ),
        told("eks-iam-token-extra-parameters", &["iam-token-extra-parameters"], Certain, refused().set("/credential/seen/token/problems", problem("non-whitelisted query parameter \"x-amz-user-agent\""))),
        told("eks-iam-token-too-large", &["iam-token-too-large"], Certain, refused().set("/credential/seen/token/problems", problem("token is too large: 5120 bytes, at most 4096 are taken"))),
        told("eks-node-identity-unresolved", &["node-identity-unresolved"], Likely, refused().set("/aws/caller/seen/arn", json!("arn:aws:sts::111122223333:assumed-role/nodes/i-0abc")).authenticator_log("time=\"2026-11-25T09:59:59Z\" level=warning msg=\"access denied\" error=\"mapper DynamicFile renderTemplates error: error rendering username template \\\"system:node:{{EC2PrivateDNSName}}\\\": failed querying private DNS from EC2 API for node i-0abc: operation error EC2: DescribeInstances, UnauthorizedOperation: not authorized\"\n")),
        // A node that cannot join is no cause of a person's 401.
        told("eks-node-identity-of-another", &["credential-rejected", "node-identity-unresolved"], Likely, refused().authenticator_log("time=\"2026-11-25T09:59:59Z\" level=warning msg=\"access denied\" error=\"mapper DynamicFile renderTemplates error: error rendering username template \\\"system:node:{{EC2PrivateDNSName}}\\\": failed querying private DNS from EC2 API for node i-0abc: operation error EC2: DescribeInstances, UnauthorizedOperation: not authorized\"\n")),
        // Who signs with a node's role and is none.
        told("eks-node-role-of-a-person", &["node-identity-unresolved", "credential-rejected"], Likely, refused().set("/aws/accessEntries/seen/entries/0", node_entry("system:node:{{EC2PrivateDNSName}}", "EC2_LINUX"))),
        told("eks-node-role-of-a-person-aws-auth", &["node-identity-unresolved", "credential-rejected"], Likely, by_config_map(&format!("{admins}- rolearn: {dev}\n  username: system:node:{{{{EC2PrivateDNSName}}}}\n  groups: ['system:nodes']\n"))),
        told("eks-access-entry-not-known-yet", &["iam-identity-not-mapped", "credential-rejected"], Likely, refused().set("/aws/accessEntries/seen/entries/0/details/seen/createdAt", json!("2026-11-25T09:59:30Z")).authenticator_log(&denied("identity is not mapped"))),
        told("eks-iam-token-of-a-time-to-come", &["token-not-yet-valid", "credential-rejected"], Likely, refused().set("/credential/seen/token/claims/date", json!("2026-11-25T10:20:00Z")).set("/credential/seen/token/claims/expires", json!("2026-11-25T10:35:00Z"))),
        told("eks-sts-region-differs", &["sts-endpoint-invalid", "credential-rejected"], Likely, refused().set("/credential/seen/token/claims/region", json!("us-east-1"))),
        told("eks-same-name-in-another-region", &["credential-rejected"], Likely, refused().set("/aws/cluster/seen/endpoint", json!("https://9F8E7D.gr7.us-east-1.eks.amazonaws.com")).set("/aws/target/seen/region", json!("us-east-1"))),
        told("eks-cluster-creator-only-admin", &["cluster-creator-only-admin"], Likely, World::iam().set("/aws/administrators/seen", json!({"total": 0, "arns": []}))),
        told("eks-cluster-creator-only-admin-config-map", &["cluster-creator-only-admin"], Likely, World::iam().mode("CONFIG_MAP").aws_auth(roles(&format!("- rolearn: {dev}\n  username: dev\n  groups: [dev]\n"))).set("/identity/seen/user/username", json!("dev"))),
        told("eks-access-entry-shadows-aws-auth", &["access-entry-shadows-aws-auth"], Certain, World::iam().aws_auth(roles(&format!("- rolearn: {dev}\n  username: dev\n  groups: [deployers]\n")))),
        told(
            "eks-session-name-at-sign",
            &["session-name-at-sign"],
            Certain,
            World::iam()
                .set("/aws/caller/seen/arn", json!("arn:aws:sts::111122223333:assumed-role/platform-dev/alice@example.com"))
                .set("/identity/seen/user/username", json!("arn:aws:sts::111122223333:assumed-role/platform-dev/alice-example.com"))
                .set("/rbac", json!({"startedMs": 90, "tookMs": 20, "seen": {"readAs": "self", "bindingsTotal": 60, "bindings": [{"kind": "RoleBinding", "namespace": "dev", "name": "alice", "roleKind": "ClusterRole", "roleName": "edit", "subjects": [{"kind": "User", "name": "arn:aws:sts::111122223333:assumed-role/platform-dev/alice@example.com", "namespace": "", "index": 0}]}], "roles": [], "unread": []}})),
        ),
        told("eks-cluster-creating", &["cluster-not-active"], Certain, refused().set("/aws/cluster/seen/status", json!("CREATING"))),
        told("eks-cluster-failed", &["cluster-not-active"], Certain, refused().set("/aws/cluster/seen/status", json!("FAILED")).set("/aws/cluster/seen/health", json!([{"code": "IamRoleNotFound", "message": "The cluster role was deleted", "resourceIds": ["eks-prod"]}]))),
        healthy("eks-cluster-updating", World::iam().set("/aws/cluster/seen/status", json!("UPDATING"))),
        told("eks-iam-permission-missing", &["iam-permission-missing"], Certain, World::iam().denied("/aws/accessEntries", "eks:ListAccessEntries").denied("/aws/principal", "iam:GetRole")),
        told(
            "eks-iam-clock",
            &["client-clock-wrong", "credential-rejected"],
            Certain,
            refused().set("/aws/caller", json!({"startedMs": 20, "tookMs": 40, "failed": {"kind": "forbidden", "detail": "sts:GetCallerIdentity: SignatureDoesNotMatch: Signature expired: 20261125T093500Z is now earlier than 20261125T094500Z (20261125T100000Z - 15 min.)"}})),
        ),
        told(
            "eks-no-aws-credentials",
            &["credential-rejected"],
            Likely,
            refused().set("/aws", json!({"target": {"startedMs": 1, "tookMs": 1, "seen": {"cluster": "prod", "clusterOrigin": "exec-arguments", "region": "eu-west-1", "regionOrigin": "exec-arguments"}}, "caller": {"startedMs": 2, "tookMs": 5, "failed": {"kind": "not-found", "detail": "no AWS credentials were found"}}})),
        ),
    ]
}

/// The findings of a world.
pub fn findings(world: &World) -> Vec<Finding> {
    let (evidence, _) = world.evidence();
    diagnose(check_all(&Case::new(&evidence)))
}

/// How sure the finding of this code is, and its fix, step by step: words, command, manifest.
pub fn fix(world: &World, code: &str) -> (Confidence, Vec<String>) {
    let all = findings(world);
    let found = all.iter().find(|finding| finding.code == code);
    let found = found
        .unwrap_or_else(|| panic!("no {code} in {:?}", all.iter().map(|finding| finding.code).collect::<Vec<_>>()));
    let step = |step: &kaccess::report::Step| {
        let command = step.command.as_ref().map(ToString::to_string).unwrap_or_default();
        format!("{}\n{command}\n{}", step.text, step.manifest.as_deref().unwrap_or_default())
    };
    (found.confidence, found.fix.iter().map(step).collect())
}

pub fn codes(world: &World) -> Vec<&'static str> {
    findings(world).iter().map(|finding| finding.code).collect()
}

/// The same question as [`asked`], with another verb.
pub fn asked_to(verb: &str, group: &str, resource: &str, namespace: &str, policies: Value) -> World {
    let question = json!({"verb": verb, "group": group, "resource": resource, "subresource": "", "name": "", "namespace": namespace});
    World::iam()
        .set("/aws/accessEntries/seen/entries/0/policies/seen", policies)
        .set("/asked/question", question.clone())
        .set(
            "/access/seen/checks",
            json!([{"question": question, "allowed": false, "reason": "", "evaluationError": ""}]),
        )
}

fn policy(name: &str, namespaces: &[&str]) -> Value {
    let scope = if namespaces.is_empty() { "cluster" } else { "namespace" };
    json!({"policyArn": format!("arn:aws:eks::aws:cluster-access-policy/{name}"), "scope": scope, "namespaces": namespaces})
}

/// EKS takes no group of Kubernetes' own into an access entry, and the CLI takes one word for each group.
#[test]
fn what_aws_auth_gave_is_given_as_an_access_entry_takes_it() {
    let line = |groups: &str, name: &str| {
        World::iam().aws_auth(roles(&format!(
            "- rolearn: arn:aws:iam::111122223333:role/platform-dev\n  username: {name}\n  groups: {groups}\n"
        )))
    };
    let session = "arn:aws:sts::111122223333:assumed-role/platform-dev/{{SessionName}}";
    let code = "access-entry-shadows-aws-auth";
    let (_, steps) = fix(&line("[team-a, team-b]", session), code);
    assert!(steps[0].contains("--kubernetes-groups team-a team-b\n"), "{steps:?}");
    assert_eq!(steps.len(), 2, "{steps:?}");

    let (_, steps) = fix(&line("['system:masters']", session), code);
    assert!(!steps.concat().contains("--kubernetes-groups"), "{steps:?}");
    assert!(steps[0].contains("cluster-access-policy/AmazonEKSClusterAdminPolicy"), "{steps:?}");

    let (_, steps) = fix(&line("[]", "dev"), code);
    assert!(steps[0].contains("--username dev\n") && !steps.concat().contains("''"), "{steps:?}");

    let (_, steps) = fix(&line("['system:nodes']", "'system:node:{{EC2PrivateDNSName}}'"), code);
    assert!(!steps.concat().contains(" eks "), "{steps:?}");
}

#[test]
fn a_policy_is_widened_only_where_it_covers_what_was_asked() {
    let code = "access-policy-out-of-scope";
    let view = || policy("AmazonEKSViewPolicy", &["dev"]);
    let (_, steps) = fix(&asked_to("list", "", "pods", "prod", json!([view()])), code);
    assert!(steps[0].contains("AmazonEKSViewPolicy --access-scope type=namespace,namespaces=dev,prod\n"), "{steps:?}");

    let (_, steps) = fix(&asked_to("delete", "", "pods", "prod", json!([view()])), code);
    assert!(steps[0].contains("AmazonEKSEditPolicy") && steps[0].contains("namespaces=prod "), "{steps:?}");

    // Of several the one that covers it, with the places that it has.
    let two = json!([view(), policy("AmazonEKSEditPolicy", &["team-*"])]);
    let (_, steps) = fix(&asked_to("delete", "apps", "deployments", "prod", two), code);
    assert!(
        steps[0].contains("AmazonEKSEditPolicy --access-scope type=namespace,namespaces='team-*,prod'"),
        "{steps:?}"
    );

    let (_, steps) = fix(&asked_to("list", "", "nodes", "", json!([view()])), code);
    assert!(!steps.concat().contains("AmazonEKSViewPolicy"), "{steps:?}");
    assert!(
        steps[0].contains("--kubernetes-groups GROUP\n") && steps[1].contains("AmazonEKSAdminViewPolicy"),
        "{steps:?}"
    );
}

#[test]
fn what_the_url_in_a_token_lacks_is_named() {
    for (detail, hint) in [
        ("invalid X-Amz-Expires parameter in pre-signed URL: 0", "X-Amz-Expires=60"),
        ("client did not sign the x-k8s-aws-id header in the pre-signed URL", "header x-k8s-aws-id"),
        ("unexpected action parameter in pre-signed URL", "sts:GetCallerIdentity"),
        ("query parameter with multiple values not supported", "middleware"),
        ("illegal base64 data at input byte 20", "without padding"),
    ] {
        let world = World::iam_refused().no_entry().set("/credential/seen/token/problems", problem(detail));
        let (sure, steps) = fix(&world, "iam-token-extra-parameters");
        assert_eq!(sure, Certain, "{detail}");
        assert!(steps.concat().contains(hint), "{detail}: {steps:?}");
        assert!(!codes(&world).contains(&"iam-identity-not-mapped"), "{detail}");
    }
}

#[test]
fn a_token_for_another_partition_is_no_missing_mapping() {
    let host = |host: &str| World::iam_refused().no_entry().set("/credential/seen/token/claims/host", json!(host));
    let china = host("sts.cn-north-1.amazonaws.com.cn");
    let (sure, _) = fix(&china, "sts-endpoint-invalid");
    assert_eq!(sure, Certain);
    assert!(!codes(&china).contains(&"iam-identity-not-mapped"));
    for (same, region) in [
        ("sts.amazonaws.com", "us-east-1"),
        ("sts.us-east-1.amazonaws.com", "us-east-1"),
        ("sts.eu-west-1.api.aws", "eu-west-1"),
    ] {
        let world = host(same).set("/credential/seen/token/claims/region", json!(region));
        assert!(!codes(&world).contains(&"sts-endpoint-invalid"), "{same}");
    }
}

#[test]
fn a_session_that_ended_is_seen_by_what_sts_says_to_kaccess() {
    let expired = json!({"startedMs": 16, "tookMs": 3, "failed": {"kind": "unauthorized", "detail": "sts:GetCallerIdentity: ExpiredToken: The security token included in the request is expired"}});
    let world = || World::iam_refused().set("/aws/caller", expired.clone());
    assert_eq!(codes(&world())[0], "aws-session-expired");
    assert_eq!(fix(&world(), "aws-session-expired").0, Likely);
    // A token that was not made just now, or by a role, may be somebody else's.
    let stored = world().set("/credential/seen/source", json!("token"));
    let by_role = world().set("/aws/target/seen/roleArn", json!("arn:aws:iam::111122223333:role/deploy"));
    let by_profile = world().set("/aws/target/seen/profile", json!("admin")).set(
        "/kubeconfig/seen/user/exec/args",
        json!(["eks", "get-token", "--cluster-name", "prod", "--profile", "dev"]),
    );
    for other in [stored, by_role, by_profile] {
        assert!(!codes(&other).contains(&"aws-session-expired"));
    }
}

#[test]
fn an_access_entry_is_made_only_for_what_can_have_one() {
    let code = "iam-identity-not-mapped";
    let federated = |mode: &str| {
        World::iam_refused()
            .no_entry()
            .set("/aws/cluster/seen/authenticationMode", json!(mode))
            .set("/aws/caller/seen/arn", json!("arn:aws:sts::111122223333:federated-user/bob"))
            .set("/aws/principal", nothing("a federated user is neither a role nor a user"))
    };
    let (_, steps) = fix(&federated("API_AND_CONFIG_MAP"), code);
    assert!(!steps[0].contains("create-access-entry"), "{steps:?}");
    assert!(
        steps[0].contains("- userarn: arn:aws:sts::111122223333:federated-user/bob\n  username: bob\n"),
        "{steps:?}"
    );
    let (_, steps) = fix(&federated("API"), code);
    assert!(!steps[0].contains("create-access-entry") && !steps[0].contains("aws-auth"), "{steps:?}");

    // Where IAM told no path, it is asked for first.
    let unread = World::iam_refused().no_entry().denied("/aws/principal", "iam:GetRole");
    let (_, steps) = fix(&unread, code);
    assert!(
        steps[0].contains("arn=$(aws iam get-role --role-name platform-dev --query Role.Arn --output text) && aws --region eu-west-1 eks create-access-entry --cluster-name prod --principal-arn \"$arn\" && "),
        "{steps:?}"
    );
    let (_, steps) = fix(&World::iam_refused().no_entry(), code);
    assert!(steps[0].contains("--principal-arn arn:aws:iam::111122223333:role/platform-dev && "), "{steps:?}");
}

#[test]
fn policies_that_could_not_be_read_are_not_said_to_be_none() {
    let world = asked(
        World::iam().denied("/aws/accessEntries/seen/entries/0/policies", "eks:ListAssociatedAccessPolicies"),
        "",
        "pods",
        "dev",
    );
    let (sure, steps) = fix(&world, "iam-identity-without-permissions");
    assert_eq!(sure, Possible);
    assert!(steps[0].contains("list-associated-access-policies"), "{steps:?}");
    let all = findings(&world);
    let grant = all.iter().find(|finding| finding.code == "rbac-no-grant").expect("the server's no");
    assert_eq!(grant.explained_by, None);
}

#[test]
fn commands_name_the_partition_of_the_cluster() {
    let world = World::iam()
        .set("/aws/cluster/seen/arn", json!("arn:aws-cn:eks:cn-north-1:111122223333:cluster/prod"))
        .set("/aws/administrators/seen", json!({"total": 0, "arns": []}));
    let (_, steps) = fix(&world, "cluster-creator-only-admin");
    assert!(steps[0].contains("--policy-arn arn:aws-cn:eks::aws:cluster-access-policy/"), "{steps:?}");
}

#[test]
fn an_association_of_another_issuer_is_not_blamed() {
    let failed = |parameter: Value| {
        World::oidc_refused()
            .set("/aws/identityProviders/seen", json!({"configs": []}))
            .set(
                "/aws/updates/seen",
                json!([{"id": "u-1", "type": "AssociateIdentityProviderConfig", "status": "Failed", "createdAt": "2026-11-25T09:00:00Z",
                    "params": {"IdentityProviderConfig": parameter.to_string()}, "errors": [{"code": "Unknown", "message": "it failed", "resourceIds": []}]}]),
            )
    };
    let other = failed(json!([{"type": "oidc", "name": "okta", "issuerUrl": "https://corp.okta.com"}]));
    assert_eq!(codes(&other)[0], "oidc-not-configured");
    assert!(!codes(&other).contains(&"oidc-association-failed"));
    let unnamed = failed(json!([{"type": "oidc", "name": "sso"}]));
    assert_eq!(codes(&unnamed)[0], "oidc-not-configured");
    assert_eq!(fix(&unnamed, "oidc-association-failed").0, Possible);
}

/// A claim that is not in the token, or an address that is not verified, would have everybody refused.
#[test]
fn an_issuer_is_associated_with_a_claim_that_the_token_has() {
    let world = |claims: Value| {
        World::oidc_refused()
            .set("/aws/identityProviders/seen", json!({"configs": []}))
            .set("/credential/seen/token/claims", claims)
    };
    let claims = |more: Value| {
        let mut claims = json!({"iss": super::world::ISSUER, "aud": "kubernetes", "sub": "f3b1", "iat": 1_795_600_000, "exp": 1_795_686_400});
        let fields = claims.as_object_mut().expect("claims");
        fields.extend(more.as_object().expect("claims").clone());
        claims
    };
    for (more, username, groups) in [
        (json!({"email": "alice@example.com", "email_verified": true, "groups": ["dev"]}), "email", true),
        (json!({"email": "alice@example.com"}), "email", true),
        (json!({"email": "alice@example.com", "email_verified": false}), "sub", true),
        (json!({"preferred_username": "alice", "groups": {"dev": true}}), "sub", false),
    ] {
        let (_, steps) = fix(&world(claims(more)), "oidc-not-configured");
        assert!(steps[0].contains(&format!(",usernameClaim={username},usernamePrefix=oidc:")), "{steps:?}");
        assert_eq!(steps[0].contains("groupsClaim=groups"), groups, "{steps:?}");
    }
}

#[test]
fn on_eks_no_flag_of_the_api_server_is_named() {
    let log = "E1125 09:58:01.000000      10 oidc.go:433] oidc authenticator: initializing plugin: Get \"https://sso.example.com/realms/platform/.well-known/openid-configuration\": tls: failed to verify certificate: x509: certificate signed by unknown authority\n";
    let (_, steps) = fix(&World::oidc_refused().uninitialized().api_log(log), "issuer-certificate-untrusted");
    assert!(!steps.concat().contains("--oidc-") && steps.concat().contains("publicly trusted"), "{steps:?}");
}

/// Whoever assumes a role signs as the role: it is what must be mapped, with the path that the plugin names.
#[test]
fn the_role_that_the_plugin_assumes_is_what_must_be_mapped() {
    let role = "arn:aws:iam::111122223333:role/team/deploy";
    let world = |principal: Value| {
        World::iam_refused().no_entry().set("/aws/target/seen/roleArn", json!(role)).set("/aws/principal", principal)
    };
    let looked_at = world(super::world::seen(json!({"arn": role, "uniqueId": "AROAOTHER", "path": "/team/"})));
    let (sure, steps) = fix(&looked_at, "iam-identity-not-mapped");
    assert_eq!(sure, Likely);
    assert!(steps[0].contains(&format!("--principal-arn {role} && ")), "{steps:?}");
    // Whose entries were read is not known: nothing is said of the mapping.
    let unread = world(
        json!({"startedMs": 1, "tookMs": 1, "failed": {"kind": "unsupported", "detail": "the role is of another account"}}),
    );
    assert!(!codes(&unread).contains(&"iam-identity-not-mapped"));
}

/// What a finding of this code says, its candidates and its fix.
pub fn told_of(world: &World, code: &str) -> Finding {
    let all = findings(world);
    let codes: Vec<_> = all.iter().map(|finding| finding.code).collect();
    all.into_iter().find(|finding| finding.code == code).unwrap_or_else(|| panic!("no {code} in {codes:?}"))
}

/// The authenticator's line counts only against what was there when it was written, and while that is fresh.
#[test]
fn a_mapping_that_the_authenticator_does_not_know_is_told_with_its_age() {
    let world = |made: &str, line: &str| {
        World::iam_refused()
            .set("/aws/principal/seen/createdAt", json!("2025-01-10T08:00:00Z"))
            .set("/aws/accessEntries/seen/entries/0/details/seen/createdAt", json!(made))
            .authenticator_log(&denied("identity is not mapped").replace("09:59:59", line))
    };
    let young = told_of(&world("2026-11-25T09:59:30Z", "09:59:59"), "iam-identity-not-mapped");
    assert!(young.why.contains("(30 s ago)") && young.fix[0].text.contains("Wait"), "{young:?}");
    let old = told_of(&world("2025-03-01T08:00:00Z", "09:59:59"), "iam-identity-not-mapped");
    assert_eq!(old.confidence, Likely);
    assert!(old.fix[0].text.contains("made again"), "{old:?}");
    // Said long before; or before the entry was there, which counts by now.
    for (made, line) in [("2025-03-01T08:00:00Z", "09:10:00"), ("2026-11-25T09:48:00Z", "09:47:00")] {
        assert!(!codes(&world(made, line)).contains(&"iam-identity-not-mapped"), "{made} {line}");
    }
    // A mapping that was seen is no candidate for a missing one.
    let rejected = told_of(&World::iam_refused(), "credential-rejected");
    assert!(rejected.candidates.iter().all(|candidate| candidate.code != "iam-identity-not-mapped"), "{rejected:?}");
    assert!(rejected.why.contains("the access entry maps you"), "{}", rejected.why);
}

/// No more than the cluster's name is signed.
#[test]
fn a_cluster_of_the_same_name_elsewhere_is_no_other_name() {
    let endpoint = |url: &str| World::iam_refused().set("/aws/cluster/seen/endpoint", json!(url));
    let region = endpoint("https://9F8E7D.gr7.us-east-1.eks.amazonaws.com");
    assert!(!codes(&region).contains(&"iam-token-wrong-cluster"));
    let rejected = told_of(&region, "credential-rejected");
    assert!(
        rejected.fix.iter().any(|step| format!("{step:?}").contains("kaccess doctor --region eu-west-1")),
        "{rejected:?}"
    );
    // In another account: the entries that were read are of that one, and nothing is said by them.
    let account = endpoint("https://9F8E7D.gr7.eu-west-1.eks.amazonaws.com").no_entry();
    let wrong = told_of(&account, "iam-token-wrong-cluster");
    assert_eq!(wrong.candidates[0].code, "iam-identity-not-mapped");
    assert!(!codes(&account).contains(&"iam-identity-not-mapped"));
    // The context says that the one that is meant has the name.
    let named = account.set("/kubeconfig/seen/context", json!("arn:aws:eks:eu-west-1:444455556666:cluster/prod"));
    assert!(!codes(&named).contains(&"iam-token-wrong-cluster"), "{:?}", codes(&named));
}

/// An instance's session is looked up, and a name that needs no instance is given to everybody.
#[test]
fn only_a_session_that_is_no_instance_is_called_so() {
    let code = "node-identity-unresolved";
    let entry = |username: &str, kind: &str| {
        World::iam_refused().set("/aws/accessEntries/seen/entries/0", node_entry(username, kind))
    };
    let instance = entry("system:node:{{EC2PrivateDNSName}}", "EC2_LINUX")
        .set("/aws/caller/seen/arn", json!("arn:aws:sts::111122223333:assumed-role/platform-dev/i-0123456789abcdef0"));
    assert!(!codes(&instance).contains(&code));
    assert!(!codes(&entry("system:node:{{SessionName}}", "HYBRID_LINUX")).contains(&code));
    // The authenticator's own word about this caller decides it.
    let line = denied(
        "error rendering username template \\\"system:node:{{EC2PrivateDNSName}}\\\": SessionName did not contain an instance id",
    );
    let said = entry("system:node:{{EC2PrivateDNSName}}", "EC2_LINUX").authenticator_log(&line);
    let (sure, steps) = fix(&said, code);
    assert_eq!(sure, Certain);
    assert!(
        steps[1]
            .contains("aws --region eu-west-1 eks create-access-entry --cluster-name prod --principal-arn ROLE_ARN"),
        "{steps:?}"
    );
}

/// Which policy the entry has, and the smallest that covers what was asked.
#[test]
fn a_policy_that_is_too_small_is_named_with_the_next() {
    let world = |verb: &str, resource: &str, sub: &str, namespace: &str, policies: Value| {
        asked_to(verb, "", resource, namespace, policies)
            .set("/asked/question/subresource", json!(sub))
            .set("/access/seen/checks/0/question/subresource", json!(sub))
    };
    let view = || json!([policy("AmazonEKSViewPolicy", &["dev"])]);
    for (world, held, next) in [
        (world("get", "secrets", "", "dev", view()), "AmazonEKSViewPolicy", "AmazonEKSSecretReaderPolicy"),
        (world("create", "pods", "exec", "dev", view()), "AmazonEKSViewPolicy", "AmazonEKSEditPolicy"),
        (
            world("list", "nodes", "", "", json!([policy("AmazonEKSAdminPolicy", &[])])),
            "AmazonEKSAdminPolicy",
            "AmazonEKSAdminViewPolicy",
        ),
    ] {
        let finding = told_of(&world, "rbac-no-grant");
        assert!(finding.why.contains(&format!("Your access entry has {held} for ")), "{}", finding.why);
        let (_, steps) = fix(&world, "rbac-no-grant");
        assert!(steps.concat().contains(&format!("cluster-access-policy/{next}")), "{steps:?}");
    }
    // By the policies' own words it is given: no other grant is what comes first.
    let given = told_of(&world("list", "pods", "", "dev", view()), "rbac-no-grant");
    assert_eq!(given.confidence, Likely);
    assert!(given.why.contains("AmazonEKSViewPolicy for namespaces dev, which gives that"), "{}", given.why);
    assert!(given.fix[0].text.contains("wait"), "{:?}", given.fix);
    // Whom somebody acts as does not get the policies of who signs.
    let acting = world("list", "pods", "", "dev", view()).set("/kubeconfig/seen/user/impersonate", json!("jane"));
    assert!(!told_of(&acting, "rbac-no-grant").why.contains("gives that"));
}

/// A provider that is associated again keeps its claims and prefixes.
#[test]
fn an_association_is_made_again_as_it_was() {
    let pending =
        World::oidc_refused().set("/aws/identityProviders/seen/configs/0/details/seen/status", json!("DELETING"));
    let (_, steps) = fix(&pending, "oidc-association-pending");
    let all = steps.concat();
    for kept in ["usernameClaim=email", "usernamePrefix=oidc:", "groupsClaim=groups", "groupsPrefix=oidc:"] {
        assert!(all.contains(kept), "{kept}: {all}");
    }
}

/// Without a question the context's namespace is looked at: a policy for others is no missing right.
#[test]
fn a_policy_for_other_namespaces_is_a_warning_that_names_them() {
    let question =
        json!({"verb": "list", "group": "", "resource": "pods", "subresource": "", "name": "", "namespace": "dev"});
    let world = |names: &[&str]| {
        World::iam()
            .set("/aws/accessEntries/seen/entries/0/policies/seen", json!([policy("AmazonEKSViewPolicy", names)]))
            .set(
                "/access/seen",
                json!({
                    "checks": [{"question": question.clone(), "allowed": false, "reason": "", "evaluationError": ""}],
                    "rules": {"namespace": "dev", "resourceRules": [], "nonResourceRules": [], "incomplete": true, "evaluationError": ""}
                }),
            )
    };
    let read = json!({"readAs": "reviewer", "bindingsTotal": 0, "bindings": [], "roles": [], "unread": []});
    // With and without the role bindings.
    for world in [world(&["shop-*"]), world(&["shop-*"]).set("/rbac", super::world::seen(read))] {
        let finding = told_of(&world, "rbac-no-grant");
        assert_eq!(finding.severity, Severity::Warning);
        assert!(finding.title.contains("AmazonEKSViewPolicy for namespaces shop-*"), "{}", finding.title);
        assert!(!finding.why.contains("not looked at") && !finding.why.contains("No role binding"), "{}", finding.why);
    }
    // One that can be named is gone to by a command.
    let (_, steps) = fix(&world(&["shop-*", "cart"]), "rbac-no-grant");
    assert!(steps[0].contains("kubectl config set-context --current --namespace=cart"), "{steps:?}");
    // A policy that counts here leaves it as it was.
    let here = told_of(&world(&["dev"]), "rbac-no-grant");
    assert!(!here.title.contains("AmazonEKSViewPolicy"), "{}", here.title);
}

/// Synthetic as all of this: what AWS answers kaccess, in its own words.
fn failed(kind: &str, detail: &str) -> Value {
    json!({"startedMs": 0, "tookMs": 40, "failed": {"kind": kind, "detail": detail}})
}

/// kaccess asks with what the plugin signs with: what STS has against that, it has against the token.
#[test]
fn keys_that_sts_does_not_know_are_told_before_any_mapping() {
    let detail = "sts:GetCallerIdentity: InvalidClientTokenId: The security token included in the request is invalid.";
    let world = || World::iam_refused().set("/aws/caller", failed("forbidden", detail));
    let all = findings(&world());
    assert_eq!((all[0].code, all[0].confidence), ("sts-endpoint-invalid", Likely), "{all:?}");
    assert_eq!(all[0].title, "STS does not know the access key that signed the token");
    assert!(all.iter().any(|finding| finding.explained_by == Some("sts-endpoint-invalid")), "{all:?}");
    // The plugin has a profile that kaccess did not ask with; or kaccess was given one.
    let args = json!(["eks", "get-token", "--cluster-name", "prod", "--profile", "other"]);
    let other = world().set("/kubeconfig/seen/user/exec/args", args);
    let given = world().set("/aws/target/seen/profile", json!("ops")).set("/aws/target/seen/profileNamed", json!(true));
    for world in [other, given] {
        assert!(!codes(&world).contains(&"sts-endpoint-invalid"), "{:?}", codes(&world));
    }
}

#[test]
fn what_decides_a_mapping_is_what_could_not_be_read() {
    let decided = |world: &World| -> Vec<(&'static str, String)> {
        let rejected = told_of(world, "credential-rejected");
        let candidates = rejected.candidates.iter();
        let command = |step: &kaccess::report::Step| step.command.as_ref().map(ToString::to_string).unwrap_or_default();
        candidates.map(|candidate| (candidate.code, command(&candidate.decided_by))).collect()
    };
    let absent = "eks:DescribeCluster: ResourceNotFoundException: No cluster found for name: prod.";
    let all = decided(&World::iam_refused().set("/aws/cluster", failed("not-found", absent)));
    let clusters = "aws eks list-clusters --region eu-west-1; aws sts get-caller-identity";
    assert_eq!(all[0], ("iam-token-wrong-cluster", clusters.to_owned()), "{all:?}");
    assert!(!all.iter().any(|(_, command)| command.contains("list-access-entries")), "{all:?}");

    let unread = || World::iam_refused().denied("/aws/awsAuth", "list configmaps in kube-system");
    let auth = ("iam-identity-not-mapped", "kubectl -n kube-system get configmap aws-auth -o yaml".to_owned());
    assert!(decided(&unread().no_entry()).contains(&auth), "{:?}", decided(&unread().no_entry()));
    assert!(decided(&unread().mode("CONFIG_MAP")).contains(&auth), "{:?}", decided(&unread().mode("CONFIG_MAP")));
    let neither = decided(&unread().denied("/aws/accessEntries", "eks:ListAccessEntries"));
    assert!(
        neither
            .iter()
            .any(|(_, command)| command == "aws --region eu-west-1 eks list-access-entries --cluster-name prod"),
        "{neither:?}"
    );
}

/// RBAC may be what makes administrators.
#[test]
fn who_is_an_administrator_by_rbac_is_one() {
    let code = "cluster-creator-only-admin";
    let world = || {
        let text = format!("- rolearn: {}\n  username: dev\n  groups: [platform-admins]\n", super::world::ROLE);
        World::iam().mode("CONFIG_MAP").aws_auth(roles(&text)).set("/identity/seen/user/username", json!("dev"))
    };
    let bound = |kind: &str, group: &str, verb: &str| {
        let namespace = if kind == "RoleBinding" { "dev" } else { "" };
        let subject = json!({"kind": "Group", "name": group, "namespace": "", "index": 0});
        let binding = json!({"kind": kind, "namespace": namespace, "name": "admins", "roleKind": "ClusterRole", "roleName": "all", "subjects": [subject]});
        let rule = json!({"verbs": [verb], "apiGroups": ["*"], "resources": ["*"], "resourceNames": []});
        let role = json!({"kind": "ClusterRole", "namespace": "", "name": "all", "resourceRules": [rule], "nonResourceRules": []});
        let rbac = json!({"readAs": "self", "bindingsTotal": 60, "bindings": [binding], "roles": [role], "unread": []});
        world().set("/rbac", super::world::seen(rbac))
    };
    assert!(codes(&world()).contains(&code));
    assert!(!codes(&bound("ClusterRoleBinding", "platform-admins", "*")).contains(&code));
    for other in [
        bound("ClusterRoleBinding", "platform-admins", "get"),
        bound("RoleBinding", "platform-admins", "*"),
        bound("ClusterRoleBinding", "somebody-elses", "*"),
    ] {
        assert!(codes(&other).contains(&code), "{:?}", codes(&other));
    }
    // The creator is in system:masters, whoever else is or not.
    let creator = bound("ClusterRoleBinding", "system:masters", "*")
        .set("/identity/seen/user/groups", json!(["system:masters", "system:authenticated"]));
    assert!(codes(&creator).contains(&code), "{:?}", codes(&creator));
}

#[test]
fn a_line_of_aws_auth_that_never_counts_is_told_wherever_it_stands() {
    let line = |group: &str| format!("- rolearn: {}\n  username: dev\n  groups: [{group}]\n", super::world::ROLE);
    let world = |groups: [&str; 3]| {
        let text: String = groups.iter().map(|group| line(group)).collect();
        World::iam().mode("CONFIG_MAP").aws_auth(roles(&text)).set("/identity/seen/user/username", json!("dev"))
    };
    let told = told_of(&world(["a", "b", "a"]), "aws-auth-duplicate");
    assert!(told.why.contains("at line 4 (groups [\"b\"]) and at line 7 (groups [\"a\"])"), "{}", told.why);
    assert!(told.title.contains("several times"), "{}", told.title);
    assert!(!codes(&world(["a", "a", "a"])).contains(&"aws-auth-duplicate"));
}

#[test]
fn the_question_that_a_policy_excludes_is_asked_again_as_it_was() {
    let world =
        asked_to("list", "cert-manager.io", "certificates", "dev", json!([policy("AmazonEKSAdminPolicy", &[])]));
    let (_, steps) = fix(&world, "access-policy-out-of-scope");
    assert!(steps.concat().contains("\nkaccess can-i list certificates.cert-manager.io -n dev --why\n"), "{steps:?}");
}
