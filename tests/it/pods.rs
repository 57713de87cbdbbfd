//! What `kaccess workload` says of saved evidence in which one thing differs. That evidence is synthetic: no AWS account is
//! at hand in which to set each of these things up.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::run::{command, scratch};

const ROLE: &str = "arn:aws:iam::111122223333:role/shop-api";
const VARIABLES: &str = "/workload/pod/seen/template/containers/0/env";

/// An answer.
struct Told {
    code: Option<i32>,
    report: Value,
}

impl Told {
    fn findings(&self) -> &[Value] {
        self.report["findings"].as_array().map(Vec::as_slice).unwrap_or_default()
    }

    /// The codes of the causes: what another finding explains is none.
    fn causes(&self) -> Vec<&str> {
        let causes = self.findings().iter().filter(|finding| finding.get("explainedBy").is_none_or(Value::is_null));
        causes.filter_map(|finding| finding["code"].as_str()).collect()
    }

    fn finding(&self, code: &str) -> &Value {
        let found = self.findings().iter().find(|finding| finding["code"] == code);
        found.unwrap_or_else(|| panic!("no {code} in {}", self.report))
    }

    fn title(&self, code: &str) -> &str {
        self.finding(code)["title"].as_str().unwrap_or_default()
    }

    fn effective(&self) -> &str {
        self.report["effective"]["kind"].as_str().unwrap_or_default()
    }
}

/// The answer to a case of testdata/cases after a change.
fn told(case: &str, change: impl FnOnce(&mut Value)) -> Told {
    let saved = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/cases").join(case).join("evidence.json");
    let text = fs::read_to_string(&saved).unwrap_or_else(|error| panic!("{case}: {error}"));
    let mut evidence: Value = serde_json::from_str(&text).expect("JSON");
    change(&mut evidence);
    let file = scratch("pods").join("evidence.json");
    fs::write(&file, evidence.to_string()).expect("evidence");
    let output = command().args(["workload", "-o", "json", "--from"]).arg(&file).output().expect("kaccess runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    let report: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{case}: {error}: {errors}"));
    crate::support::schema::hold(&report);
    Told { code: output.status.code(), report }
}

/// The value at a pointer, which must be there.
fn at<'a>(evidence: &'a mut Value, pointer: &str) -> &'a mut Value {
    evidence.pointer_mut(pointer).unwrap_or_else(|| panic!("no {pointer}"))
}

fn not_found(what: &str) -> Value {
    json!({ "startedMs": 0, "tookMs": 1, "failed": { "kind": "not-found", "detail": format!("{what} not found") } })
}

const BEFORE: &str = "The Pod was made before its Pod Identity association";

/// When the Pod and its association were made.
fn made(evidence: &mut Value, pod: &str, association: &str) {
    *at(evidence, "/workload/pod/seen/createdAt") = json!(pod);
    at(evidence, "/workload/associations/seen/ours/details/seen")["createdAt"] = json!(association);
}

#[test]
fn a_pod_is_called_older_than_its_association_only_where_it_is() {
    let (early, late) = ("2025-01-01T00:00:00Z", "2026-02-01T00:00:00Z");
    let case = "workload-pod-identity-not-injected";
    let code = "pod-identity-not-injected";
    let older = told(case, |evidence| made(evidence, early, late));
    assert_eq!((older.title(code), older.code), (BEFORE, Some(1)), "{}", older.report);
    let neutral = |told: &Told, why: &str| {
        assert_ne!(told.title(code), BEFORE, "{}", told.report);
        let finding = told.finding(code);
        assert!(finding["why"].as_str().is_some_and(|said| said.contains(why)), "{why}: {finding}");
        assert_eq!((finding["severity"].as_str(), told.code), (Some("error"), Some(1)), "{}", told.report);
    };
    neutral(&told(case, |evidence| made(evidence, late, early)), "its age is not why");
    neutral(&told(case, |evidence| made(evidence, "2026-02-01T00:00:07Z", late)), "only 7 s after");
    // Older evidence has no date of the association.
    neutral(&told(case, |_| {}), "has not the variables");
    let absent = told(case, |evidence| {
        made(evidence, late, early);
        evidence["workload"]["webhook"] = not_found("pod-identity-webhook");
    });
    neutral(&absent, "no webhook pod-identity-webhook");
    let labelled = told(case, |evidence| {
        made(evidence, late, early);
        let skip = "eks.amazonaws.com/skip-pod-identity-webhook";
        let selector = json!({ "matchExpressions": [{ "key": skip, "operator": "DoesNotExist" }] });
        at(evidence, "/workload/webhook/seen")["selectors"] = json!(format!("objectSelector: {selector}"));
        at(evidence, "/workload/pod/seen/template")["labels"] = json!({ skip: "true" });
    });
    neutral(&labelled, "passes over the Pod for its label");
}

#[test]
fn a_pod_that_has_the_associated_role_by_irsa_all_the_same_is_a_warning() {
    let case = "workload-pod-identity-not-injected-over-irsa";
    let issuer = "oidc.eks.eu-west-1.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF";
    let both = json!({ "Version": "2012-10-17", "Statement": [
        { "Effect": "Allow", "Principal": { "Service": "pods.eks.amazonaws.com" }, "Action": ["sts:AssumeRole", "sts:TagSession"] },
        { "Effect": "Allow", "Principal": { "Federated": format!("arn:aws:iam::111122223333:oidc-provider/{issuer}") },
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": { "StringEquals": { format!("{issuer}:sub"): "system:serviceaccount:shop:api" } } }] });
    let trusts =
        |evidence: &mut Value| *at(evidence, "/workload/roles/0/role/seen/trustPolicy") = json!(both.to_string());
    let working = told(case, trusts);
    let finding = working.finding("pod-identity-not-injected");
    assert_eq!((finding["severity"].as_str(), working.code), (Some("warning"), Some(0)), "{}", working.report);
    assert_eq!(working.effective(), "irsa");
    // Where the association gives another role, the Pod is without it.
    let other = told(case, |evidence| {
        trusts(evidence);
        let arn = "arn:aws:iam::111122223333:role/shop-api-2";
        *at(evidence, "/workload/associations/seen/ours/details/seen/roleArn") = json!(arn);
    });
    let finding = other.finding("pod-identity-not-injected");
    assert_eq!((finding["severity"].as_str(), other.code), (Some("error"), Some(1)), "{}", other.report);
}

const OLDER: &str = "arn:aws:iam::111122223333:role/older";

#[test]
fn a_role_of_another_time_is_no_cause_of_its_own() {
    // roles/0 is the service account's, roles/1 the one that the Pod was made with.
    let case = "workload-irsa-older-role";
    let gone = told(case, |evidence| evidence["workload"]["roles"][1]["role"] = not_found("the role"));
    assert_eq!(gone.causes(), ["irsa-not-injected"], "{}", gone.report);
    assert_eq!(gone.finding("irsa-role-not-found")["explainedBy"], "irsa-not-injected");
    assert_eq!((gone.effective(), gone.code), ("none", Some(1)));
    let untrusting = told(case, |evidence| {
        let policy = at(evidence, "/workload/roles/1/role/seen/trustPolicy");
        *policy = json!(policy.as_str().expect("a policy").replace(":api\"", ":elsewhere\""));
    });
    assert_eq!(untrusting.causes(), ["irsa-not-injected"], "{}", untrusting.report);
    assert_eq!(untrusting.finding("irsa-trust-subject-mismatch")["explainedBy"], "irsa-not-injected");
    // Where the service account's role is not there either, new Pods are no help.
    let both = told(case, |evidence| {
        for role in [0_usize, 1] {
            evidence["workload"]["roles"][role]["role"] = not_found("the role");
        }
    });
    assert!(both.causes().contains(&"irsa-role-not-found"), "{}", both.report);
    // A role in the template may be meant, unless it is not there.
    let in_template = |evidence: &mut Value| {
        let container =
            json!({ "name": "app", "env": [{ "name": "AWS_ROLE_ARN", "value": OLDER, "from": "literal" }] });
        let template = json!({ "serviceAccount": "api", "containers": [container] });
        let owner = json!({ "kind": "Deployment", "name": "api", "template": template });
        evidence["workload"]["owner"] = json!({ "startedMs": 0, "tookMs": 1, "seen": owner });
    };
    let meant = told(case, in_template);
    assert!(meant.finding("irsa-not-injected")["fix"].to_string().contains("nothing is to be done"));
    let gone = told(case, |evidence| {
        in_template(evidence);
        evidence["workload"]["roles"][1]["role"] = not_found("the role");
    });
    assert_eq!(gone.causes(), ["irsa-not-injected"], "{}", gone.report);
    assert!(!gone.finding("irsa-not-injected")["fix"].to_string().contains("nothing is to be done"));
}

#[test]
fn what_is_no_arn_of_a_role_gives_no_identity() {
    let annotation = "/workload/serviceAccount/seen/annotations/eks.amazonaws.com~1role-arn";
    let role = format!("{VARIABLES}/2/value");
    for wrong in
        ["shop-api", "\"arn:aws:iam::111122223333:role/shop-api\"", "arn:aws:iam::111122223333:role/shop-api\n"]
    {
        let both = told("workload-irsa-healthy", |evidence| {
            *at(evidence, annotation) = json!(wrong);
            *at(evidence, &role) = json!(wrong);
        });
        assert_eq!((both.effective(), both.code), ("none", Some(1)), "{}", both.report);
        assert_eq!(both.causes(), ["role-annotation-typo"], "{}", both.report);
        // The annotation was mended since; the Pod has what it was made with.
        let pod = told("workload-irsa-healthy", |evidence| *at(evidence, &role) = json!(wrong));
        assert_eq!((pod.effective(), pod.code), ("none", Some(1)), "{}", pod.report);
        // And the other way round: the Pod has a role, and the next one has none.
        let account = told("workload-irsa-healthy", |evidence| *at(evidence, annotation) = json!(wrong));
        assert_eq!(account.report["effective"]["roleArn"], ROLE, "{}", account.report);
    }
    // A service account that no Pod was made with yet.
    let alone = told("workload-account-alone", |evidence| *at(evidence, annotation) = json!("shop-api"));
    assert_eq!((alone.effective(), alone.code), ("none", Some(1)), "{}", alone.report);
    // A variable whose value is not known may well name a role.
    let hidden = told("workload-irsa-healthy", |evidence| {
        *at(evidence, annotation) = json!("shop-api");
        *at(evidence, &format!("{VARIABLES}/2")) = json!({ "name": "AWS_ROLE_ARN", "from": "configmap/aws" });
    });
    assert_eq!(hidden.effective(), "irsa", "{}", hidden.report);
    assert_eq!(hidden.report["effective"].get("roleArn"), None, "{}", hidden.report);
    // Nor is it the role that the service account names: the webhook writes over no variable that is there.
    let elsewhere = told("workload-irsa-healthy", |evidence| {
        *at(evidence, &format!("{VARIABLES}/2")) = json!({ "name": "AWS_ROLE_ARN", "from": "configmap/aws" });
    });
    assert_eq!(elsewhere.effective(), "irsa", "{}", elsewhere.report);
    assert_eq!(elsewhere.report["effective"].get("roleArn"), None, "{}", elsewhere.report);
    assert!(elsewhere.report["effective"]["why"].to_string().contains("irsa-injection"), "{}", elsewhere.report);
}

#[test]
fn a_trust_policy_that_names_this_provider_is_not_said_to_trust_another() {
    let code = "irsa-trust-provider-mismatch";
    let with = |change: &dyn Fn(String) -> String| {
        told("workload-irsa-healthy", |evidence| {
            let policy = at(evidence, "/workload/roles/0/role/seen/trustPolicy");
            *policy = json!(change(policy.as_str().expect("a policy").to_owned()));
        })
    };
    let sub = "oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLED539D4633E53DE1B716D3041E:sub";
    for (told, title) in [
        (with(&|policy| policy.replace("WithWebIdentity", "")), "allows another action than"),
        (with(&|policy| policy.replace(sub, &format!("https://{sub}"))), "has a scheme before the provider's name"),
        (
            with(&|policy| policy.replace(sub, &sub.replace("EXAMPLED", "EXAMPLEE"))),
            "A condition key of the trust policy names another OIDC provider",
        ),
        (
            with(&|_| json!({ "Version": "2012-10-17", "Statement": [] }).to_string()),
            "No statement of the trust policy",
        ),
        // And one that does trust another.
        (with(&|policy| policy.replace("EXAMPLED", "EXAMPLEE")), "The trust policy trusts another OIDC provider"),
    ] {
        assert_eq!(told.causes(), [code], "{}", told.report);
        assert!(told.title(code).contains(title), "{title}: {}", told.report);
        assert_eq!(told.code, Some(1));
    }
}

#[test]
fn a_pod_whose_service_account_is_gone_is_told_so() {
    let gone = |evidence: &mut Value| evidence["workload"]["serviceAccount"] = not_found("serviceaccounts \"api\"");
    let pod = told("workload-irsa-healthy", gone);
    assert_eq!(pod.causes(), ["service-account-token-revoked"], "{}", pod.report);
    assert_eq!(
        (pod.title("service-account-token-revoked"), pod.code),
        ("The service account irsa-healthy/api is gone", Some(1))
    );
    let fix = pod.finding("service-account-token-revoked")["fix"].to_string();
    assert!(fix.contains("kubectl create serviceaccount api -n irsa-healthy") && fix.contains(ROLE), "{fix}");
    // Without a Pod: none can be made.
    let owner = told("workload-irsa-healthy", |evidence| {
        gone(evidence);
        let template = at(evidence, "/workload/pod/seen/template").clone();
        let owner = json!({ "kind": "Deployment", "name": "api", "template": template });
        let workload = &mut evidence["workload"];
        workload["owner"] = json!({ "startedMs": 0, "tookMs": 1, "seen": owner });
        workload["pod"] = json!({ "startedMs": 0, "tookMs": 0, "notApplicable": "there is no Pod of it now" });
        workload["target"]["kind"] = json!("Deployment");
    });
    assert_eq!((owner.effective(), owner.code), ("none", Some(1)), "{}", owner.report);
    let why = owner.report["effective"]["why"].as_str().unwrap_or_default();
    assert!(why.contains("no Pod can be made with service account irsa-healthy/api"), "{why}");
}

#[test]
fn every_call_about_a_pod_that_aws_refused_is_in_one_statement() {
    let refused = |action: &str| {
        let detail = format!("{action}: AccessDenied: not authorized to perform {action}");
        json!({ "startedMs": 0, "tookMs": 1, "failed": { "kind": "forbidden", "detail": detail, "needs": action } })
    };
    let told = told("workload-irsa-healthy", |evidence| {
        evidence["aws"]["cluster"] = refused("eks:DescribeCluster");
        let workload = &mut evidence["workload"];
        workload["roles"][0]["role"] = refused("iam:GetRole");
        for (field, action) in [
            ("providers", "iam:ListOpenIDConnectProviders"),
            ("associations", "eks:ListPodIdentityAssociations"),
            ("addon", "eks:DescribeAddon"),
            ("instance", "ec2:DescribeInstances"),
            ("nodeRole", "iam:GetInstanceProfile"),
        ] {
            workload[field] = refused(action);
        }
        // What a right in the cluster is wanted for is no action of IAM.
        workload["webhook"] = refused("get on mutatingwebhookconfigurations");
    });
    let finding = told.finding("iam-permission-missing");
    let statement = finding["fix"][0]["manifest"].as_str().expect("a statement");
    let statement: Value = serde_json::from_str(statement).expect("JSON");
    let actions = json!([
        "eks:DescribeCluster",
        "iam:GetRole",
        "iam:ListOpenIDConnectProviders",
        "eks:ListPodIdentityAssociations",
        "eks:DescribeAddon",
        "ec2:DescribeInstances",
        "iam:GetInstanceProfile",
    ]);
    assert_eq!(statement["Statement"][0]["Action"], actions, "{finding}");
    assert_eq!(finding["severity"], "info");
}

#[test]
fn a_role_by_one_way_or_the_other_is_said_as_one_of_two() {
    let told = told("workload-node-role", |_| {});
    let steps = told.finding("workload-uses-node-role")["fix"].as_array().expect("steps");
    let starts = |index: usize, word: &str| steps[index]["text"].as_str().is_some_and(|text| text.starts_with(word));
    assert!(starts(0, "Either by Pod Identity: ") && starts(1, "Or by IRSA: "), "{steps:?}");
}

#[test]
fn where_kiam_and_kube2iam_both_catch_a_pod_neither_is_said_to_answer() {
    let alone = told("workload-kiam", |_| {});
    assert_eq!(alone.effective(), "kiam", "{}", alone.report);
    let kube2iam = |evidence: &mut Value, on_node: bool| {
        let base = "--base-role-arn=arn:aws:iam::111122223333:role/";
        let agent = json!({ "role": "kube2iam", "kind": "DaemonSet", "namespace": "kube-system", "name": "kube2iam",
            "image": "jtblin/kube2iam:0.12.1", "args": [base], "desired": 1, "ready": 1 });
        let pod = json!({ "role": "kube2iam", "name": "kube2iam-x1", "namespace": "kube-system", "ready": true });
        for (field, one) in [("agents", Some(agent)), ("nodeAgents", on_node.then_some(pod))] {
            let all = at(evidence, &format!("/workload/{field}/seen")).as_array_mut().expect("a list");
            all.extend(one);
        }
    };
    let both = told("workload-kiam", |evidence| kube2iam(evidence, true));
    assert_eq!(both.effective(), "unknown", "{}", both.report);
    let why = both.report["effective"]["why"].as_str().unwrap_or_default();
    assert!(why.contains("both kiam and kube2iam"), "{why}");
    // On another node kube2iam catches nothing of this Pod's.
    let elsewhere = told("workload-kiam", |evidence| kube2iam(evidence, false));
    assert_eq!(elsewhere.effective(), "kiam", "{}", elsewhere.report);
}

#[test]
fn a_container_that_may_not_ask_the_metadata_service_is_told_so() {
    let told = told("workload-node-role", |evidence| {
        let variable = json!({ "name": "AWS_EC2_METADATA_DISABLED", "value": "true", "from": "literal" });
        at(evidence, VARIABLES).as_array_mut().expect("variables").push(variable);
    });
    assert_eq!((told.code, told.effective()), (Some(1), "none"), "{}", told.report);
    assert_eq!(told.causes(), ["metadata-unreachable"], "{}", told.report);
    assert!(told.title("metadata-unreachable").ends_with("told not to ask the metadata service"), "{}", told.report);
}

#[test]
fn a_trust_policy_without_any_oidc_provider_is_not_said_to_trust_another() {
    let told = told("workload-irsa-other-cluster", |evidence| {
        let policy = json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow", "Principal": { "Service": "ec2.amazonaws.com" }, "Action": "sts:AssumeRole" }] });
        *at(evidence, "/workload/roles/0/role/seen/trustPolicy") = json!(policy.to_string());
    });
    assert_eq!(
        told.title("irsa-trust-provider-mismatch"),
        "The trust policy trusts no OIDC provider, and so not this cluster's"
    );
}
