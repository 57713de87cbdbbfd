//! An expired session signed the token.

use crate::apiserver::message;
use crate::report::shell::shell;
use crate::report::{Citation, Confidence, Finding, Severity, Step, seen};
use crate::rules::{Case, Page, Rule, clip, eks};

/// The rule.
pub static RULE: Rule = Rule {
    code: "aws-session-expired",
    severity: Severity::Error,
    title: "The AWS session behind the token has ended",
    page: Page {
        means: "The plugin signed with temporary credentials (SSO, an assumed role, MFA) that have ended since. Signing needs no network, so it did not notice; STS does when the authenticator asks.",
        evidence: "The authenticator's log (or the message you met): ExpiredToken; or STS' same answer to kaccess, which asks with the credentials that the plugin signs with.",
        fix: "Log in at AWS again. `aws sso login`.",
        references: "https://docs.aws.amazon.com/cli/latest/userguide/cli-configure-sso.html",
    },
    recognises: &[&message::IAM_SESSION_EXPIRED],
    explains: &["credential-rejected", "iam-identity-not-mapped"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    if !eks::is_iam(case) { return Vec::new(); }
    let (confidence, why, first) = match (eks::authenticator_word(case, &message::IAM_SESSION_EXPIRED), own(case)) {
        (Some((word, named)), _) => (eks::sure(case, word, named), "STS answers ExpiredToken to the authenticator: the credentials that signed the token have ended.", word.cite()),
        (None, Some(cite)) => (
            Confidence::Likely,
            "STS answers ExpiredToken to kaccess, which asks with the credentials that the plugin finds too: it signed with a session that has ended, which needs no network and is noticed only when the authenticator asks STS.",
            cite,
        ),
        (None, None) => return Vec::new(),
    };
    vec![
        RULE.finding(confidence, why, first, Step::command("Log in at AWS again, then look whom it takes you for", shell!("aws sso login{0} && aws sts get-caller-identity{0}", eks::with_profile(case))))
        .step(Step::text("In a CI job or on an instance: have the credentials renewed (AWS_SESSION_TOKEN in the environment outlives its session)."))
        .cite_if(eks::refused(case)),
    ]
}

/// STS' answer to kaccess itself.
fn own(case: &Case<'_>) -> Option<Citation> {
    let failure = eks::sts_answer(case)?;
    let expired = ["ExpiredToken:", "ExpiredTokenException:"].iter().any(|code| failure.detail.contains(code));
    expired.then(|| seen("/aws/caller/failed/detail", clip(&failure.detail, 240)))
}
