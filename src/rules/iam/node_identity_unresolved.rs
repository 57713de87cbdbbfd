//! The authenticator cannot find a node's name.

use crate::apiserver::message::{self, tools};
use crate::report::shell::shell;
use crate::report::{Finding, Severity, Step};
use crate::rules::{Case, Page, Rule, clip, eks};

/// The rule.
pub static RULE: Rule = Rule {
    code: "node-identity-unresolved",
    severity: Severity::Error,
    title: "Nodes cannot join: the name of the instance cannot be looked up",
    page: Page {
        means: "The mapping of nodes holds {{EC2PrivateDNSName}}, for which the authenticator asks EC2 with the cluster's role. It may not, or the instance is gone, so nodes get 401 and stay NotReady.",
        evidence: "The authenticator's log: error rendering username template.",
        fix: "Give the cluster's role ec2:DescribeInstances (the managed policy AmazonEKSClusterPolicy has it). `aws iam attach-role-policy --role-name ROLE --policy-arn arn:aws:iam::aws:policy/AmazonEKSClusterPolicy`.",
        references: "https://docs.aws.amazon.com/eks/latest/userguide/cluster-iam-role.html",
    },
    recognises: &[&message::IAM_NODE_NAME, &tools::SESSION_NAME],
    explains: &["credential-rejected"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some((word, named)) = eks::authenticator_word(case, &message::IAM_NODE_NAME) else { return Vec::new() };
    let error = clip(word.field("error"), 200);
    let error = error.trim_end_matches(['"', '\\', '.', ' ']);
    // The line is about a node. Only where that node is the caller does it say anything of this caller's refusal.
    let session = eks::caller(case).and_then(|(caller, _)| caller.arn.rsplit('/').next());
    let own = session.is_some_and(|session| session.starts_with("i-") && error.contains(session));
    let mut finding = RULE
        .finding(
            eks::sure(case, word, named),
            format!("The authenticator cannot fill {:?} for a node: {error}.", word.field("template")),
            word.cite(),
            Step::command("Give the cluster's role the managed policy again", shell!("aws iam attach-role-policy --policy-arn arn:{}:iam::aws:policy/AmazonEKSClusterPolicy --role-name {}", eks::partition(case).unwrap_or("aws"), eks::aws(case).and_then(|aws| aws.cluster.seen()?.role_arn.as_deref()?.rsplit('/').next()).unwrap_or("CLUSTER_ROLE"))),
        )
        .step(Step::text("An explicit denial (a permissions boundary, an SCP) must go too."));
    if own {
        finding = finding.cite_if(eks::refused(case));
    } else {
        finding.severity = Severity::Warning;
        finding.explains = &[];
    }
    vec![finding]
}
