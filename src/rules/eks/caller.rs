//! Who calls, by an IAM token, and what the authenticator said of it.

use super::{aws, partition};
use crate::apiserver::message::Text;
use crate::aws::identity::{self, Mappings, Verdict};
use crate::evidence::credential::TokenKind;
use crate::evidence::eks::Caller;
use crate::report::{Citation, Confidence, seen};
use crate::rules::{Case, Place, Word};

/// The credential is an IAM token.
pub fn is_iam(case: &Case<'_>) -> bool {
    case.token().is_some_and(|token| token.kind == TokenKind::EksIam)
}

/// The refusal of an IAM token.
pub fn refused(case: &Case<'_>) -> Option<Citation> {
    is_iam(case).then(|| case.rejected()).flatten()
}

/// The caller (with --role-arn the role that the plugin assumes) and what the authenticator compares.
pub fn caller<'c>(case: &'c Case<'_>) -> Option<(&'c Caller, String)> {
    let caller = case.signer.as_ref()?;
    Some((caller, identity::canonical(&caller.arn)?))
}

/// The role that the plugin assumes, as its arguments name it, where that is somebody else than kaccess asks AWS as.
pub fn assumed<'e>(case: &Case<'e>) -> Option<&'e str> {
    let aws = aws(case)?;
    let role = aws.target.seen()?.role_arn.as_deref()?;
    (case.signer.is_some() && aws.caller.seen() != case.signer.as_ref()).then_some(role)
}

/// The caller's role or user for commands: with its path where IAM told it.
pub fn principal(case: &Case<'_>) -> String {
    // STS assumes a role by its whole ARN only, the path included.
    if let Some(role) = assumed(case) {
        return role.to_owned();
    }
    aws(case)
        .and_then(|aws| aws.principal.seen())
        .map(|principal| principal.arn.clone())
        .or_else(|| caller(case).map(|(_, arn)| arn))
        .unwrap_or_else(|| "PRINCIPAL_ARN".to_owned())
}

/// The host of STS that an IAM token is for, its partition and the cluster's, where these differ: the authenticator takes
/// hosts of its own partition only.
pub fn foreign_sts<'c>(case: &'c Case<'_>) -> Option<(&'c str, &'static str, &'c str)> {
    let host = case.claim_text("host").filter(|_| is_iam(case))?;
    let theirs = identity::partition_of_sts(host)?;
    let ours = partition(case)?;
    (theirs != ours).then_some((host, theirs, ours))
}

/// aws-auth, where the cluster reads it.
pub fn aws_auth(case: &Case<'_>) -> Option<Mappings> {
    let aws = aws(case)?;
    let (mode, _) = identity::Mode::of(aws)?;
    mode.reads_config_map().then_some(())?;
    Some(identity::mappings(&aws.aws_auth.seen()?.data))
}

/// The model says that nothing maps the caller.
pub fn unmapped(case: &Case<'_>) -> bool {
    case.mapping == Some(Verdict::NotMapped)
}

/// A citation of the caller's ARN.
pub fn cite_caller(case: &Case<'_>) -> Option<Citation> {
    let (caller, arn) = caller(case)?;
    if let Some(role) = assumed(case) {
        return Some(seen("/aws/target/seen/roleArn", format!("the plugin signs as {role} (--role-arn)")));
    }
    let text =
        if arn == caller.arn { arn } else { format!("{}, which the authenticator compares as {arn}", caller.arn) };
    Some(seen("/aws/caller/seen/arn", format!("you are {text}")))
}

/// A word of the authenticator about the caller's refusal, and whether it names the caller.
pub fn authenticator_word<'c>(case: &'c Case<'_>, text: &'static Text) -> Option<(&'c Word, bool)> {
    if case.accepted() {
        return None;
    }
    let caller = caller(case);
    let ours = |word: &Word| {
        let named = identity::canonical(word.field("arn"));
        match (&caller, named) {
            (Some((_, arn)), Some(named)) => Some(named.eq_ignore_ascii_case(arn)),
            _ => None,
        }
    };
    let all: Vec<&Word> = case.words.iter().filter(|word| word.text == text && ours(word) != Some(false)).collect();
    let first = all.iter().find(|word| ours(word) == Some(true)).or(all.first())?;
    Some((first, ours(first) == Some(true)))
}

/// How sure a word of the authenticator makes a finding: certain where it names the caller, or where kaccess itself was
/// refused with an IAM token and the word is the message the user met.
pub fn sure(case: &Case<'_>, word: &Word, named: bool) -> Confidence {
    if word.place == Place::TokenReview || ((named || word.place == Place::Met) && refused(case).is_some()) {
        Confidence::Certain
    } else {
        Confidence::Likely
    }
}
