//! can-i --why and who-can on EKS: what access policies add to RBAC. The API server here answers as it is told, the AWS by
//! the services' published models.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::aws::{Answer, Aws};
use crate::support::front::answer;
use crate::support::run::command;
use crate::support::schema;
use crate::support::stage::{Stage, api_answer, kubeconfig, not_found, path, within};

/// Who is signed in, and their role.
const JANE: &str = "arn:aws:sts::111122223333:assumed-role/Ops/jane";
const ROLE: &str = "arn:aws:iam::111122223333:role/Ops";
/// Another principal with an access entry.
const OTHER: &str = "arn:aws:iam::999988887777:role/Ops";

const EKS: [&str; 4] = ["--eks-cluster", "prod", "--region", "eu-west-1"];

/// A cluster without any binding, whose server lets jane read workloads in the namespaces of the shop, and its AWS.
struct Cluster {
    api: Stage,
    aws: Aws,
    config: PathBuf,
}

/// How a command ended.
#[derive(Debug)]
struct Told {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Told {
    fn view(&self) -> Value {
        let view: Value = serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"));
        schema::hold(&view);
        view
    }
}

impl Cluster {
    fn start() -> Self {
        let api = Stage::plain(Arc::new(|asked, out| {
            let review = |kind: &str, group: &str, status: Value| {
                let body = json!({ "kind": kind, "apiVersion": format!("{group}.k8s.io/v1"), "metadata": {}, "spec": {}, "status": status });
                answer("200 OK", "Content-Type: application/json\r\n", &body.to_string())
            };
            let text = match path(asked).rsplit('/').next().unwrap_or_default() {
                "selfsubjectreviews" => {
                    let extra = json!({ "arn": [JANE], "sessionName": ["jane"] });
                    let user = json!({ "username": JANE, "groups": ["ops", "system:authenticated"], "extra": extra });
                    Some(review("SelfSubjectReview", "authentication", json!({ "userInfo": user })))
                }
                "selfsubjectaccessreviews" => {
                    let body: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
                    let wanted = |name: &str| body["spec"]["resourceAttributes"][name].as_str().unwrap_or_default();
                    let allowed = wanted("namespace").starts_with("shop-") && wanted("verb") == "list";
                    let status = json!({ "allowed": allowed, "reason": "" });
                    Some(review("SelfSubjectAccessReview", "authorization", status))
                }
                _ => api_answer(asked),
            };
            let _ = out.write_all(&text.unwrap_or_else(not_found));
        }));
        let aws = Aws::start();
        aws.edit("eks:ListAccessEntries", "/accessEntries", json!([ROLE, OTHER]));
        aws.edit("eks:DescribeAccessEntry", "/accessEntry/principalArn", json!(ROLE));
        aws.set(
            &format!("eks:ListAssociatedAccessPolicies {OTHER}"),
            Answer::Good(json!({ "clusterName": "prod", "principalArn": OTHER, "associatedAccessPolicies": [] })),
        );
        let config = kubeconfig(&format!("http://{}", api.place()), None, &json!({}), &json!({ "token": "a-token" }));
        Self { api, aws, config }
    }

    fn run(&self, words: &[&str], more: &[&str]) -> Told {
        let output = command()
            .args(words)
            .args(more)
            .arg("--kubeconfig")
            .arg(&self.config)
            .envs(self.aws.variables())
            .output()
            .expect("kaccess runs");
        Told {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("UTF-8"),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

#[test]
fn can_i_says_by_which_access_policy() {
    let cluster = Cluster::start();
    let ask = |verb: &str, namespace: &str, more: &[&str]| {
        cluster.run(&["can-i", verb, "deployments.apps", "-n", namespace, "--why"], &[&EKS[..], more].concat())
    };

    let yes = ask("list", "shop-a", &[]);
    assert_eq!(yes.code, Some(0), "{yes:?}");
    let told = yes.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    let way = format!(
        "through the access entry of {ROLE} -> AmazonEKSViewPolicy for namespaces shop-*: get, list, watch on "
    );
    assert!(told.contains(&way), "{yes:?}");
    assert!(!yes.stderr.contains("another authorizer"), "{yes:?}");
    let view = ask("list", "shop-a", &["-o", "json"]).view();
    let grant = &view["grants"][0];
    assert_eq!(grant["binding"]["name"], ROLE);
    assert_eq!(
        (&grant["role"]["kind"], &grant["role"]["name"]),
        (&json!("AccessPolicy"), &json!("AmazonEKSViewPolicy"))
    );
    assert_eq!(grant["accessPolicy"]["namespaces"], json!(["shop-*"]));

    // Another namespace, and another verb, are near.
    let no = ask("list", "dev", &["-o", "json"]);
    assert_eq!(no.code, Some(1), "{no:?}");
    let view = no.view();
    assert_eq!(view["grants"], json!([]));
    let miss = &view["nearMisses"][0];
    assert_eq!(miss["kind"], "wrong-namespace");
    assert_eq!(miss["text"], "AmazonEKSViewPolicy of your access entry allows it in namespaces shop-*, not in dev");
    let view = ask("delete", "shop-a", &["-o", "json"]).view();
    assert_eq!(view["nearMisses"][0]["kind"], "other-verb", "{view}");

    // What could not be read is said, with the permission, and the answer is the old one.
    cluster.aws.deny("eks:DescribeCluster");
    let denied: &[&str] = &[];
    for (more, needs) in [(denied, "eks:DescribeCluster"), (&["--no-aws"], "running without --no-aws")] {
        let told = ask("list", "shop-a", more);
        assert_eq!(told.code, Some(0), "{told:?}");
        assert_eq!(told.stdout, "yes\n");
        assert!(told.stderr.contains("no role or binding grants it: another authorizer than RBAC does"), "{told:?}");
        assert!(told.stderr.contains("the access policies of EKS are not known: "), "{told:?}");
        assert!(told.stderr.contains(&format!("; it takes {needs}")), "{told:?}");
    }
}

#[test]
fn aws_is_asked_only_of_eks_and_only_for_the_why() {
    let cluster = Cluster::start();
    let plain = cluster.run(&["can-i", "list", "pods", "-n", "shop-a"], &EKS);
    assert_eq!((plain.code, plain.stdout.as_str()), (Some(0), "yes\n"), "{plain:?}");
    assert_eq!(cluster.api.heads().len(), 1, "{:?}", cluster.api.heads());
    cluster.run(&["can-i", "list", "pods", "-n", "shop-a", "--why"], &["--region", "eu-west-1"]);
    let who = cluster.run(&["who-can", "list", "deployments.apps", "-n", "shop-a"], &["--profile", "ops"]);
    assert_eq!(who.code, Some(1), "{who:?}");
    assert!(who.stderr.contains("by RBAC\n"), "{who:?}");
    // Under impersonation nobody has an access entry.
    let other = cluster.run(&["can-i", "list", "pods", "-n", "shop-a", "--why", "--as", "bob"], &EKS);
    assert!(!other.stdout.contains("AmazonEKSViewPolicy"), "{other:?}");
    assert!(cluster.aws.calls().is_empty(), "{:?}", cluster.aws.calls());
    // kubectl's own --profile names no profile of AWS.
    let measured = cluster.run(&["can-i", "list", "pods", "-n", "shop-a", "--why", "--profile", "none"], &EKS);
    assert!(measured.stdout.contains("AmazonEKSViewPolicy"), "{measured:?}");
}

#[test]
fn who_can_lists_the_principals_of_access_policies() {
    let cluster = Cluster::start();
    let ask = |verb: &str, place: &[&str], more: &[&str]| {
        cluster.run(&["who-can", verb, "deployments.apps"], &[place, &EKS, more].concat())
    };
    let principals = |view: &Value| -> Vec<String> {
        let subjects = view["subjects"].as_array().expect("subjects");
        let of_iam = subjects.iter().filter(|subject| subject["kind"] == "Principal");
        of_iam.map(|subject| subject["name"].as_str().expect("a name").to_owned()).collect()
    };

    for place in [&["-n", "shop-a"][..], &["-A"]] {
        let told = ask("list", place, &["-o", "json"]);
        assert_eq!(told.code, Some(0), "{told:?}");
        let view = told.view();
        assert_eq!(principals(&view), [ROLE]);
        assert_eq!(view["incomplete"], json!([]));
    }
    let table = ask("list", &["-n", "shop-a"], &[]);
    assert!(table.stderr.contains("by RBAC and the access policies of EKS"), "{table:?}");
    let row = table.stdout.lines().find(|line| line.starts_with("Principal")).expect("a row");
    for cell in [ROLE, "shop-*", "access entry", "AccessPolicy/AmazonEKSViewPolicy", "get, list, watch on "] {
        assert!(row.contains(cell), "{cell}: {row}");
    }

    // Neither elsewhere nor by another verb.
    for told in [ask("list", &["-n", "dev"], &["-o", "json"]), ask("delete", &["-n", "shop-a"], &["-o", "json"])] {
        assert_eq!(told.code, Some(1), "{told:?}");
        assert_eq!((principals(&told.view()), &told.view()["incomplete"]), (Vec::new(), &json!([])));
    }

    // The policies of one entry, the list of entries, AWS as a whole: nobody is no answer then.
    let lacking = |more: &[&str], needs: &str| {
        let told = ask("delete", &["-n", "shop-a"], &[more, &["-o", "json"]].concat());
        assert_eq!(told.code, Some(2), "{told:?}");
        let incomplete = told.view()["incomplete"].to_string();
        assert!(incomplete.contains("not read: the access policies of ") && incomplete.contains(needs), "{incomplete}");
    };
    lacking(&["--no-aws"], "it takes running without --no-aws");
    cluster.aws.deny("eks:ListAssociatedAccessPolicies");
    lacking(&[], "it takes eks:ListAssociatedAccessPolicies");
    cluster.aws.deny("eks:ListAccessEntries");
    lacking(&[], "it takes eks:ListAccessEntries");
}

#[test]
fn an_aws_that_takes_too_long_costs_its_part_alone() {
    let cluster = Cluster::start();
    cluster.aws.slow(Duration::from_secs(30));
    let told = within(Duration::from_secs(10), || {
        cluster.run(&["who-can", "list", "deployments.apps", "-n", "shop-a", "--timeout", "4s"], &EKS)
    });
    assert_eq!(told.code, Some(2), "{told:?}");
    assert!(told.stderr.contains("AWS gave no answer within 2 s"), "{told:?}");
    assert!(told.stdout.contains("system:masters"), "{told:?}");
}

/// What AWS is asked for is no part of the stack of every can-i.
#[cfg(unix)]
#[test]
fn can_i_leaves_some_of_the_stack() {
    let cluster = Cluster::start();
    let output = std::process::Command::new("sh")
        .args(["-c", "ulimit -s 6144 && exec \"$0\" \"$@\""])
        .arg(env!("CARGO_BIN_EXE_kaccess"))
        .args(["can-i", "list", "pods", "-n", "shop-a", "--why", "--kubeconfig"])
        .arg(&cluster.config)
        .args(EKS)
        .envs(cluster.aws.variables())
        .output()
        .expect("kaccess runs");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}
