//! Extra parameters in the presigned URL.

use crate::apiserver::message;
use crate::evidence::credential::TokenProblem;
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::{Case, Page, Place, Rule, clip, eks};

/// The rule.
pub static RULE: Rule = Rule {
    code: "iam-token-extra-parameters",
    severity: Severity::Error,
    title: "The token holds a parameter that the authenticator refuses",
    page: Page {
        means: "The authenticator takes a presigned URL with exactly the parameters it knows. Some SDK versions and wrappers add others (a user agent, a checksum), and then every token is refused.",
        evidence: "The parameters inside the token, or the authenticator's words: non-whitelisted query parameter.",
        fix: "Take another version of the tool that makes the token. `aws eks get-token --cluster-name CLUSTER` makes one without.",
        references: "https://docs.aws.amazon.com/eks/latest/userguide/grant-k8s-access.html",
    },
    recognises: &[&message::IAM_PARAMETER],
    explains: &["credential-rejected", "iam-identity-not-mapped"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    if case.accepted() || !eks::is_iam(case) {
        return Vec::new();
    }
    let refused = eks::refused(case);
    let own = case.token().and_then(|token| {
        let index = token.problems.iter().position(|problem| problem.detail.starts_with(TokenProblem::IAM_PARAMETER))?;
        Some((index, token.problems[index].detail.clone()))
    });
    let word = eks::authenticator_word(case, &message::IAM_PARAMETER);
    let (confidence, first, what) = match (own, word) {
        (Some((index, detail)), _) => (
            if refused.is_some() { Confidence::Certain } else { Confidence::Likely },
            seen(format!("/credential/seen/token/problems/{index}"), detail.clone()),
            detail,
        ),
        // A log's line may be about somebody else's token: this one has no such fault.
        (None, Some((word, named))) if word.place != Place::Log || named => (eks::sure(case, word, named), word.cite(), clip(&word.line, 200)),
        _ => return Vec::new(),
    };
    vec![
        RULE.finding(confidence, format!("The authenticator refuses the whole token for one parameter: {}.", what), first, Step::command("Have the token made by the AWS CLI, which adds nothing", shell!("aws --version; aws eks get-token --cluster-name {}", eks::cluster(case))))
            .step(Step::text("Where a program of your own presigns: use another version of its SDK, or presign without middleware that adds query parameters."))
            .cite_if(refused),
    ]
}
