//! STS asks the authenticator to slow down.

use crate::apiserver::message;
use crate::report::shell::shell;
use crate::report::{Finding, Severity, Step};
use crate::rules::{Case, Page, Rule, eks};

/// The rule.
pub static RULE: Rule = Rule {
    code: "sts-throttled",
    severity: Severity::Error,
    title: "STS is throttling the authenticator",
    page: Page {
        means: "Every IAM token is checked at STS. Where many are made (one for each kubectl call of many jobs), STS throttles, and some logins fail with 401 while others work.",
        evidence: "The authenticator's log: was throttled.",
        fix: "Make fewer tokens: reuse one for its 15 minutes, and give jobs a service account token instead. `kubectl create token NAME -n NAMESPACE` makes one for a job.",
        references: "https://docs.aws.amazon.com/eks/latest/userguide/grant-k8s-access.html",
    },
    recognises: &[&message::IAM_THROTTLED],
    explains: &["credential-rejected", "iam-identity-not-mapped"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    if !eks::is_iam(case) { return Vec::new(); }
    let Some((word, named)) = eks::authenticator_word(case, &message::IAM_THROTTLED) else { return Vec::new() };
    
    vec![
        RULE.finding(
            eks::sure(case, word, named),
            "STS answers the authenticator that there are too many requests, so logins fail now and then.",
            word.cite(),
            Step::text("Use one token for several calls: kubectl caches what the plugin gives for one process only, so a script of a hundred kubectl calls makes a hundred tokens. Give such jobs a service account token."),
        )
        .step(Step::command("Count them", shell!("aws logs filter-log-events --log-group-name /aws/eks/{}/cluster --log-stream-name-prefix authenticator- --filter-pattern '\"was throttled\"'", eks::cluster(case))))
        .cite_if(eks::refused(case)),
    ]
}
