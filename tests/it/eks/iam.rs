//! From an IAM identity to a Kubernetes user: each row of the fault catalogue's part K, with its healthy twin.

use kaccess::report::Confidence::{Certain, Likely, Possible};
use serde_json::{Value, json};

use super::world::World;
use super::{Told, healthy, told};

/// A line of the authenticator, as EKS' log has it.
fn denied(error: &str) -> String {
    format!(
        "time=\"2026-11-25T09:59:59Z\" level=warning msg=\"access denied\" arn=\"arn:aws:sts::111122223333:assumed-role/platform-dev/alice\" client=\"127.0.0.1:50134\" error=\"{error}\" method=POST path=/authenticate\n"
    )
}

fn sts(code: &str, message: &str) -> String {
    denied(&format!("sts getCallerIdentity failed: error from AWS (expected 200, got 403) on eu-west-1 endpoint. Body: {{\\\"Error\\\":{{\\\"Code\\\":\\\"{code}\\\",\\\"Message\\\":\\\"{message}\\\",\\\"Type\\\":\\\"Sender\\\"}}}}"))
        .replace(" arn=\"arn:aws:sts::111122223333:assumed-role/platform-dev/alice\"", "")
}

fn roles(text: &str) -> Value {
    json!({"mapRoles": text})
}

/// A token with a fault of its form.
fn problem(detail: &str) -> Value {
    json!([{"part": "payload", "detail": detail}])
}

/// A question that was asked and denied.
fn asked(world: World, group: &str, resource: &str, namespace: &str) -> World {
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
