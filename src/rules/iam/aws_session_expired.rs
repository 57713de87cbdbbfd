//! An expired session signed the token.

use crate::apiserver::message;
use crate::report::{Finding, Severity, Step};
use crate::rules::{Case, Page, Rule, eks};

/// The rule.
pub static RULE: Rule = Rule {
    code: "aws-session-expired",
    severity: Severity::Error,
    title: "The AWS session behind the token has ended",
    page: Page {
        means: "The plugin signed with temporary credentials (SSO, an assumed role, MFA) that have ended since. Signing needs no network, so it did not notice; STS does when the authenticator asks.",
        evidence: "The authenticator's log (or the message you met): ExpiredToken.",
        fix: "Log in at AWS again. `aws sso login`.",
        references: "https://docs.aws.amazon.com/cli/latest/userguide/cli-configure-sso.html",
    },
    recognises: &[&message::IAM_SESSION_EXPIRED],
    explains: &["credential-rejected", "iam-identity-not-mapped"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    if !eks::is_iam(case) { return Vec::new(); }
    let Some((word, named)) = eks::authenticator_word(case, &message::IAM_SESSION_EXPIRED) else { return Vec::new() };
    
    vec![
        RULE.finding(
            eks::sure(case, word, named),
            "STS answers ExpiredToken to the authenticator: the credentials that signed the token have ended.",
            word.cite(),
            Step::command("Log in at AWS again, then look whom it takes you for", "aws sso login && aws sts get-caller-identity"),
        )
        .step(Step::text("In a CI job or on an instance: have the credentials renewed (AWS_SESSION_TOKEN in the environment outlives its session)."))
        .cite_if(eks::refused(case)),
    ]
}
