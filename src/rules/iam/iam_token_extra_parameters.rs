//! A presigned URL that the authenticator refuses: extra parameters, no lifetime, no name of a cluster.

use crate::apiserver::message;
use crate::evidence::credential::TokenProblem;
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step};
use crate::rules::{Case, Page, Rule, eks};

/// The rule.
pub static RULE: Rule = Rule {
    code: "iam-token-extra-parameters",
    severity: Severity::Error,
    title: "The token holds a parameter that the authenticator refuses",
    page: Page {
        means: "The authenticator takes a presigned URL with exactly the parameters it knows, each of them once: X-Amz-Expires between 0 and 900 seconds, and the header x-k8s-aws-id with the cluster's name among what is signed. Some SDK versions and wrappers add parameters (a user agent, a checksum), programs of one's own leave X-Amz-Expires or the header out, and then every token is refused.",
        evidence: "The URL inside the token, or the authenticator's words: non-whitelisted query parameter, invalid X-Amz-Expires parameter, client did not sign the x-k8s-aws-id header.",
        fix: "Take another version of the tool that makes the token. `aws eks get-token --cluster-name CLUSTER` makes one without.",
        references: "https://docs.aws.amazon.com/eks/latest/userguide/grant-k8s-access.html",
    },
    recognises: &[&message::IAM_PARAMETER, &message::IAM_LIFETIME, &message::IAM_UNSIGNED, &message::IAM_TWICE],
    explains: &["credential-rejected", "iam-identity-not-mapped"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    // Host and length have rules of their own.
    let other = |detail: &str| detail.starts_with(TokenProblem::IAM_HOST) || detail.starts_with(TokenProblem::IAM_TOO_LARGE);
    let own = |problem: &TokenProblem| problem.part == "payload" && !other(&problem.detail);
    let Some((confidence, first, what)) = eks::token_fault(case, own, RULE.recognises) else { return Vec::new() };
    let parameter = what.contains("non-whitelisted query parameter");
    let why = if parameter { format!("The authenticator refuses the whole token for one parameter: {what}.") } else { format!("The authenticator refuses the presigned URL in the token before it asks STS: {what}.") };
    let make = if parameter { "Have the token made by the AWS CLI, which adds nothing" } else { "Have the token made by the AWS CLI, which presigns as the authenticator wants it" };
    let finding = RULE.finding(confidence, why, first, Step::command(make, shell!("aws --version; aws eks get-token --cluster-name {}", eks::cluster(case))));
    let finding = if parameter { finding } else { finding.titled("The token holds a presigned URL that the authenticator refuses") };
    let finding = finding.step(Step::text(own_program(&what))).cite_if(eks::refused(case));
    vec![if confidence == Confidence::Possible { eks::of_earlier_token(finding) } else { finding }]
}

/// What a program of one's own does otherwise, by what the authenticator says.
fn own_program(said: &str) -> &'static str {
    if said.contains("X-Amz-Expires") {
        "Where a program of your own presigns: put X-Amz-Expires=60 into the query before it is signed (0 to 900 seconds are taken; an SDK's presigner may leave it out, or set an hour)."
    } else if said.contains("did not sign") {
        "Where a program of your own presigns: put the header x-k8s-aws-id with the cluster's name into the request before it is signed, so that X-Amz-SignedHeaders names it."
    } else if said.contains("query parameter") {
        "Where a program of your own presigns: use another version of its SDK, or presign without middleware that adds query parameters."
    } else {
        "Where the token was copied: take it anew and whole. Where a program of your own makes it: k8s-aws-v1. and the presigned URL of sts:GetCallerIdentity (https, path /, method GET) in base64 of the URL alphabet, without padding."
    }
}
