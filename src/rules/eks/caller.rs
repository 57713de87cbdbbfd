//! Who calls, by an IAM token, and what the authenticator said of it.

use super::{aws, partition};
use crate::apiserver::message::Text;
use crate::aws::identity::{self, Mapped, Mappings, Source, Verdict};
use crate::evidence::Failure;
use crate::evidence::credential::{CredentialSource, TokenKind, TokenProblem};
use crate::evidence::eks::{AccessEntry, Caller};
use crate::report::{Citation, Confidence, Finding, seen};
use crate::rules::{Case, Place, Word, clip, plugin};

/// The credential is an IAM token.
pub fn is_iam(case: &Case<'_>) -> bool {
    case.token().is_some_and(|token| token.kind == TokenKind::EksIam)
}

/// The refusal of an IAM token.
pub fn refused(case: &Case<'_>) -> Option<Citation> {
    is_iam(case).then(|| case.rejected()).flatten()
}

/// What STS has against kaccess itself, where that asked with what the plugin signs with: the token, which is refused, is
/// fresh from the plugin, which assumes no role and finds the same profile.
pub fn sts_answer<'e>(case: &Case<'e>) -> Option<&'e Failure> {
    refused(case)?;
    let aws = aws(case)?;
    let (failure, target) = (aws.caller.failed()?, aws.target.seen()?);
    let fresh = case.evidence.credential.seen().is_some_and(|credential| credential.source == CredentialSource::Exec);
    let other = match plugin::exec(case).and_then(|exec| plugin::argument(exec, &["--profile"])) {
        Some(named) => target.profile.as_deref() != Some(named),
        None => target.profile_named,
    };
    let sound = case.token().is_some_and(|token| token.problems.is_empty());
    (fresh && sound && !other && target.role_arn.is_none()).then_some(failure)
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

/// Who maps the caller, by an IAM token, and the access entry where that is what does.
pub fn mapped_entry<'c>(case: &'c Case<'_>) -> Option<(&'c Mapped, Option<&'c AccessEntry>)> {
    let Some(Verdict::Mapped(mapped)) = case.mapping.as_ref().filter(|_| is_iam(case)) else { return None };
    let entry = match mapped.source {
        Source::AccessEntry(index) => aws(case).and_then(|aws| aws.access_entries.seen()?.entries.get(index)),
        _ => None,
    };
    Some((mapped, entry))
}

/// The caller's ARN as the authenticator compares it, and aws-auth, where the caller is refused and nothing maps them.
pub fn left_out(case: &Case<'_>) -> Option<(String, Mappings, Citation)> {
    let refused = refused(case)?;
    let ((_, arn), all) = (caller(case)?, aws_auth(case)?);
    (!matches!(case.mapping, Some(Verdict::Mapped(_)))).then_some((arn, all, refused))
}

/// What is wrong with an IAM token itself: a problem that kaccess sees in it and that `fits`, else the authenticator's word
/// by one of these texts; how sure, where, and what is said.
pub fn token_fault(
    case: &Case<'_>,
    fits: impl Fn(&TokenProblem) -> bool,
    texts: &[&'static Text],
) -> Option<(Confidence, Citation, String)> {
    if case.accepted() || !is_iam(case) {
        return None;
    }
    let problems = case.token().map(|token| token.problems.iter().enumerate());
    if let Some((index, problem)) = problems.into_iter().flatten().find(|(_, problem)| fits(problem)) {
        let confidence = if refused(case).is_some() { Confidence::Certain } else { Confidence::Likely };
        let cite = seen(format!("/credential/seen/token/problems/{index}"), problem.detail.clone());
        return Some((confidence, cite, problem.detail.clone()));
    }
    // This token has no such fault: a log's line may be about somebody else's, and a message about an earlier one.
    let (word, named) = texts.iter().find_map(|text| authenticator_word(case, text))?;
    (word.place != Place::Log || named).then(|| (Confidence::Possible, word.cite(), clip(&word.line, 200)))
}

/// A finding by a word of the authenticator that can only be about an earlier token than the one in hand: it explains
/// nothing of what becomes of that one.
pub fn of_earlier_token(mut finding: Finding) -> Finding {
    finding.why.push_str(
        " The token in hand has no such fault: that was said of an earlier one, and says nothing of why this one is refused.",
    );
    finding.explains = &[];
    finding
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
