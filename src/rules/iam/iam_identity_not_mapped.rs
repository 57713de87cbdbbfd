//! Nothing maps the caller.

use crate::apiserver::message::{self, tools};
use crate::aws::identity::{self, Mode, Mapped, Source, Verdict};
use crate::evidence::FailureKind;
use crate::evidence::eks::AccessEntry;
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::clock::span;
use crate::rules::{Case, Page, Place, Rule, eks};

/// The rule.
pub static RULE: Rule = Rule {
    code: "iam-identity-not-mapped",
    severity: Severity::Error,
    title: "Your AWS identity is mapped to nobody in this cluster",
    page: Page {
        means: "The token is good: AWS confirms who you are. But no access entry and no line of aws-auth names this role or user, so the authenticator answers \"not mapped\" and the API server 401.",
        evidence: "Your ARN by sts:GetCallerIdentity beside the access entries and aws-auth (whichever the cluster's mode reads), or the authenticator's log line \"identity is not mapped\" with your ARN.",
        fix: "An administrator makes an access entry for the role or user (the role, not the session), or a line in aws-auth in the mode CONFIG_MAP; or you take a role that is mapped. `aws eks create-access-entry --cluster-name CLUSTER --principal-arn ARN`.",
        references: "https://docs.aws.amazon.com/eks/latest/userguide/grant-k8s-access.html",
    },
    recognises: &[&message::IAM_NOT_MAPPED, &tools::EKS_CONSOLE],
    explains: &["credential-rejected"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    if case.accepted() || !eks::is_iam(case) {
        return Vec::new();
    }
    if let Some(Verdict::Mapped(mapped)) = &case.mapping {
        return not_taken_up(case, mapped).into_iter().collect();
    }
    let word = eks::authenticator_word(case, &message::IAM_NOT_MAPPED);
    let refused = eks::refused(case);
    // A token for another partition's STS is refused before anybody looks for a mapping.
    let modelled = eks::unmapped(case) && refused.is_some() && eks::foreign_sts(case).is_none();
    let (confidence, first) = match (&word, eks::cite_caller(case)) {
        (Some((word, named)), _) => (eks::sure(case, word, *named), word.cite()),
        // The token's own faults are judged before any mapping.
        (None, Some(cite)) if modelled && case.token().is_some_and(|token| token.problems.is_empty()) => (Confidence::Likely, cite),
        _ => return Vec::new(),
    };
    let aws = eks::aws(case);
    let mode = aws.and_then(Mode::of);
    let mut why = match eks::caller(case) {
        Some((_, arn)) if eks::assumed(case).is_some() => format!("The plugin signs as the role of --role-arn, which the authenticator compares as {arn}, and nothing in this cluster maps that."),
        Some((_, arn)) => format!("AWS takes you for {arn}, and nothing in this cluster maps that."),
        None => "AWS confirms who you are, and nothing in this cluster maps that identity.".to_owned(),
    };
    match mode {
        Some((Mode::ConfigMap, said)) => why.push_str(&format!(
            " The cluster's mode is CONFIG_MAP{}, so only aws-auth counts (and the invisible creator).",
            if said { "" } else { " (assumed: the API did not say)" }
        )),
        Some((Mode::Api, _)) => why.push_str(" The cluster's mode is API: only access entries count, aws-auth is not read."),
        _ => {}
    }
    let earlier = aws.and_then(|aws| identity::entry_of_another_path(aws, &eks::caller(case)?.1));
    if let Some((_, entry, whole)) = earlier {
        why.push_str(&format!(
            " There is an access entry for {}, and the role is {whole}: an entry counts for the ARN with its path. A role's name is unique in its account, so that entry is of an earlier role, or was made with a wrong path.",
            entry.principal_arn
        ));
    }
    let auth = eks::aws_auth(case);
    let near = auth.as_ref().zip(eks::caller(case)).and_then(|(all, (_, arn))| Some((eks::near_line(all, &arn)?, arn)));
    let correct = near.as_ref().map(|(near, arn)| eks::correct_line(near.entry, arn));
    if let Some((near, _)) = &near {
        why.push_str(&format!(" {} line {} of aws-auth looks like it: {}.", near.entry.section, near.entry.line, near.differs));
    }
    let slip = near.as_ref().is_some_and(|(near, _)| near.slip);
    let (step, second) = match correct {
        Some(correct) if slip => (correct, None),
        Some(correct) => (eks::map_caller(case), Some(Step { text: format!("If that line was meant for you: {}", correct.text), ..correct })),
        None => (eks::map_caller(case), None),
    };
    let mut finding = RULE
        .finding(confidence, why, first, step)
        .steps(second)
        .steps(earlier.map(|(_, entry, _)| replace_earlier(case, entry)).into_iter().flatten())
        .step(Step::command("Or take a role that is mapped; see whom the AWS tools take you for (AWS_PROFILE, --profile and --role-arn of the kubeconfig's exec entry decide it)", shell!("aws sts get-caller-identity{}", eks::with_profile(case))))
        .cite_if(refused);
    if word.is_some() {
        finding = finding.cite_if(eks::cite_caller(case));
    }
    if let Some((index, entry, whole)) = earlier {
        finding = finding.cite(seen(
            format!("/aws/accessEntries/seen/entries/{index}/principalArn"),
            format!("the access entry is for {}, and not for {whole}", entry.principal_arn),
        ));
    }
    if let Some(entries) = aws.and_then(|aws| aws.access_entries.seen()).filter(|entries| entries.entries.is_empty()) {
        // No number is known either where only the own ARN could be looked up.
        finding = finding.cite(seen("/aws/accessEntries/seen", match entries.total { 0 => format!("the cluster has no access entry for {}", eks::principal(case)), 1 => "the cluster has 1 access entry, which is not for you".to_owned(), many => format!("none of the cluster's {many} access entries is for you") }));
        if let Some(namesake) = entries.namesakes.first() {
            finding = finding
                .cite(seen("/aws/accessEntries/seen/namesakes/0", format!("there is one for {namesake}")))
                .step(Step::text(format!("There is an access entry for {namesake}, which has the same name: compare account and path.")));
        }
    }
    if let Some((near, _)) = &near {
        finding = finding.cite(eks::cite_line(near.entry));
    }
    if let Some(all) = &auth {
        finding = finding.cite(seen("/aws/awsAuth/seen/data", match all.entries.len() { 0 => "aws-auth has no entry".to_owned(), 1 => "aws-auth has 1 entry, which is not for you".to_owned(), many => format!("aws-auth has {many} entries, none for you") }));
    } else if let Some(failure) = aws.and_then(|aws| aws.aws_auth.failed()).filter(|failure| failure.kind == FailureKind::NotFound) {
        finding = finding.cite(seen("/aws/awsAuth/failed/detail", failure.detail.clone()));
    }
    vec![finding]
}

/// What becomes of the access entry of an earlier role.
fn replace_earlier(case: &Case<'_>, entry: &AccessEntry) -> [Step; 2] {
    let which = shell!("--cluster-name {} --principal-arn {}", eks::cluster(case), entry.principal_arn);
    [
        Step::command(
            "See what the earlier entry gives, and have the new one given the same, if it is meant",
            shell!("aws eks describe-access-entry {}; aws eks list-associated-access-policies {}", which, which),
        ),
        Step::command(
            "Then have the earlier entry deleted: there is no role for it",
            shell!("aws eks delete-access-entry {}", which),
        ),
    ]
}

/// How old a line of the authenticator is at most, in seconds, that tells of the refusal of now.
const FRESH: i64 = 900;

/// How soon after a change the authenticator need not know of it, in seconds: EKS promises that it comes, and not when.
const SETTLES: i64 = 600;

/// Something maps the caller, and the authenticator, which has just refused it, does not find that. A line that is older
/// than the mapping says nothing.
fn not_taken_up(case: &Case<'_>, mapped: &Mapped) -> Option<Finding> {
    let refused = eks::refused(case)?;
    let (word, named) = eks::authenticator_word(case, &message::IAM_NOT_MAPPED)?;
    let said = said_at(&word.line).filter(|_| named && matches!(word.place, Place::Log | Place::Met))?;
    let now = case.server_time().0;
    let ago = now.as_second() - said.as_second();
    if ago > FRESH {
        return None;
    }
    let entry = match mapped.source {
        Source::AccessEntry(index) => eks::aws(case)?.access_entries.seen()?.entries.get(index),
        _ => None,
    };
    let changed = entry.and_then(|entry| {
        let details = entry.details.seen()?;
        details.created_at.max(details.modified_at)
    });
    let age = changed.map(|changed| now.as_second() - changed.as_second());
    let young = age.is_none_or(|age| age < SETTLES);
    // Said before the mapping was there, and long enough ago for it to count by now.
    if !young && changed.is_some_and(|changed| changed > said) {
        return None;
    }
    let place = entry.map_or_else(|| mapped.source.words(), |entry| format!("the access entry of {}", entry.principal_arn));
    let since = match (changed, age) {
        (Some(changed), Some(age)) => format!("{place} does, since {changed} ({} ago)", span(age)),
        _ => format!("{place} does, as it stands now"),
    };
    let mut why = format!("The authenticator said {} ago that nothing maps you, and {since}.", span(ago));
    why.push_str(if young {
        " A change takes a while until the authenticator knows it."
    } else {
        " That is long enough for the authenticator to know it. An entry belongs to the role or user that had the ARN when it was made: one that was deleted and made again has none."
    });
    let again = Step::command("Wait a minute or two, and look again", "kaccess doctor");
    let step = match entry {
        Some(entry) => Step::command(
            "See the entry as EKS has it: if it is older than the role or user, or the refusal stays, have it deleted and made again with its groups and policies",
            shell!("aws eks describe-access-entry --cluster-name {} --principal-arn {}", eks::cluster(case), entry.principal_arn),
        ),
        None => Step::command("If the refusal stays, see whether the authenticator can read aws-auth (its log says \"Errors parsing configmap\")", shell!("aws logs filter-log-events --log-group-name /aws/eks/{}/cluster --log-stream-name-prefix authenticator- --filter-pattern '\"configmap\"'", eks::cluster(case))),
    };
    let (first, second) = if young { (again, step) } else { (step, again) };
    let finding = RULE
        .finding(Confidence::Likely, why, word.cite(), first)
        .titled("Your AWS identity is mapped, and the authenticator does not know it (yet)")
        .step(second)
        .cite(seen(mapped.source.path(), since))
        .cite(refused);
    Some(finding)
}

/// The time of a line of the authenticator: `time="2026-11-25T09:59:59Z" level=...`.
fn said_at(line: &str) -> Option<jiff::Timestamp> {
    let (_, rest) = line.split_once("time=\"")?;
    rest.split('"').next()?.parse().ok()
}
