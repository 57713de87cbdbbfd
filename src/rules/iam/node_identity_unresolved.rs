//! The authenticator cannot find a node's name.

use crate::apiserver::message;
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
        fix: "Give the cluster's role ec2:DescribeInstances (the managed policy AmazonEKSClusterPolicy has it).",
        references: "https://docs.aws.amazon.com/eks/latest/userguide/cluster-iam-role.html",
    },
    recognises: &[&message::IAM_NODE_NAME],
    explains: &["credential-rejected"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    
    let Some((word, named)) = eks::said(case, &message::IAM_NODE_NAME) else { return Vec::new() };
    
    vec![
        RULE.finding(
            eks::sure(case, word, named),
            format!("The authenticator cannot fill {:?}: {}", word.field("template"), clip(word.field("error"), 200)),
            word.cite(),
            Step::command("Give the cluster's role the managed policy again", format!("aws iam attach-role-policy --policy-arn arn:aws:iam::aws:policy/AmazonEKSClusterPolicy --role-name {}", eks::aws(case).and_then(|aws| aws.cluster.seen()?.role_arn.as_deref()?.rsplit('/').next()).unwrap_or("CLUSTER_ROLE"))),
        )
        .step(Step::text("An explicit denial (a permissions boundary, an SCP) must go too."))
        .cite_if(eks::refused(case)),
    ]
}
