//! What aws-iam-authenticator says of a token.

use super::{Codes, Said, silence};
use crate::apiserver::message::{heard::names as heard, names as text};
use crate::report::Confidence::{Certain, Likely, Possible};

/// The codes, the likeliest first; `None` where this part does not choose.
pub(super) fn codes(said: &Said<'_>) -> Option<Codes> {
    Some(match said.name() {
        text::IAM_SESSION_EXPIRED | text::IAM_KEY_UNKNOWN | text::IAM_TOO_LARGE if !said.context.authenticator => {
            silence()
        }
        // A success; that it is the creator's says only who has rights for sure.
        text::IAM_CREATOR => silence(),
        text::IAM_NOT_MAPPED => (
            vec![
                "iam-identity-not-mapped",
                "aws-auth-role-path",
                "aws-auth-wrong-arn-kind",
                "authentication-mode-ignores-mapping",
                "iam-principal-recreated",
            ],
            Certain,
        ),
        text::IAM_SIGNATURE => (vec!["iam-token-wrong-cluster", "aws-credentials-unavailable"], Likely),
        // What STS had said, nobody wrote down.
        heard::IAM_REFUSED_BARE => (
            vec!["iam-token-wrong-cluster", "aws-session-expired", "aws-credentials-unavailable", "client-clock-wrong"],
            Possible,
        ),
        text::IAM_CLOCK => (vec!["client-clock-wrong"], Likely),
        text::IAM_KEY_UNKNOWN => (vec!["sts-endpoint-invalid", "aws-credentials-unavailable"], Likely),
        _ => return None,
    })
}
