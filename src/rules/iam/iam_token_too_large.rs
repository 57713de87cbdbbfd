//! A token of more than 4,096 bytes.

use crate::apiserver::message;
use crate::evidence::credential::TokenProblem;
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step};
use crate::rules::{Case, Page, Rule, eks};

/// The rule.
pub static RULE: Rule = Rule {
    code: "iam-token-too-large",
    severity: Severity::Error,
    title: "The IAM token is longer than the authenticator takes",
    page: Page {
        means: "The authenticator takes tokens of at most 4,096 bytes. What makes them long is the session token inside: session tags, many of them or long, and role chains.",
        evidence: "The length of the token, or the authenticator's words: token is too large.",
        fix: "Sign with a session that carries less: fewer or shorter session tags, no role chain. `aws sts get-caller-identity` shows the session.",
        references: "https://docs.aws.amazon.com/eks/latest/userguide/grant-k8s-access.html",
    },
    recognises: &[&message::IAM_TOO_LARGE],
    explains: &["credential-rejected", "iam-identity-not-mapped"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let own = |problem: &TokenProblem| problem.detail.starts_with(TokenProblem::IAM_TOO_LARGE);
    let Some((confidence, first, what)) = eks::token_fault(case, own, RULE.recognises) else { return Vec::new() };
    let finding = RULE.finding(confidence, format!("The authenticator reads no further than 4,096 bytes: {}.", what), first, Step::text("Have the session made with fewer or shorter session tags (in the identity provider that passes them, or in the CI system), and without chained roles."))
        .step(Step::command("Assume a plain role for the cluster: its session carries no tags that are not transitive", shell!("aws eks get-token --cluster-name {} --role-arn ROLE_ARN", eks::cluster(case))))
        .cite_if(eks::refused(case));
    vec![if confidence == Confidence::Possible { eks::of_earlier_token(finding) } else { finding }]
}
