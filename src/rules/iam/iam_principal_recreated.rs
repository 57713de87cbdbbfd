//! A principal that was made again.

use crate::apiserver::message;
use crate::aws::identity::{Source, Verdict};
use crate::evidence::eks::{AccessEntry, AssociatedPolicy};
use crate::report::shell::{Shell, quoted, shell};
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::{Case, Page, Rule, eks};

/// The rule.
pub static RULE: Rule = Rule {
    code: "iam-principal-recreated",
    severity: Severity::Error,
    title: "The access entry belongs to an earlier role of the same name",
    page: Page {
        means: "An access entry is bound to the role or user as it was when the entry was made (by its unique id). A role that is deleted and made again has the same ARN and is another principal: the entry stands there, and lets nobody in.",
        evidence: "The authenticator's log: \"ARN does not match User ID\"; or a role that is younger than its access entry.",
        fix: "Delete the access entry and make it again. `aws eks delete-access-entry --cluster-name CLUSTER --principal-arn ARN`, then `aws eks create-access-entry`.",
        references: "https://docs.aws.amazon.com/eks/latest/userguide/creating-access-entries.html",
    },
    recognises: &[&message::IAM_OTHER_PRINCIPAL],
    explains: &["credential-rejected", "iam-identity-not-mapped"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    if case.accepted() || !eks::is_iam(case) {
        return Vec::new();
    }
    let word = eks::authenticator_word(case, &message::IAM_OTHER_PRINCIPAL);
    let aws = eks::aws(case);
    let entry = match &case.mapping {
        Some(Verdict::Mapped(mapped)) => match mapped.source {
            Source::AccessEntry(index) => aws.and_then(|aws| Some((index, aws.access_entries.seen()?.entries.get(index)?))),
            _ => None,
        },
        _ => None,
    };
    let made = entry.and_then(|(_, entry)| entry.details.seen()?.created_at);
    let born = aws.and_then(|aws| aws.principal.seen()?.created_at);
    let younger = matches!((made, born), (Some(made), Some(born)) if born > made);
    let refused = eks::refused(case);
    let (confidence, first) = match (&word, younger && refused.is_some()) {
        (Some((word, named)), _) => (eks::sure(case, word, *named || younger), word.cite()),
        (None, true) => (Confidence::Likely, seen("/aws/principal/seen/createdAt", format!("the role is of {}", born.map(|born| born.to_string()).unwrap_or_default()))),
        _ => return Vec::new(),
    };
    let arn = entry.map(|(_, entry)| entry.principal_arn.clone()).unwrap_or_else(|| eks::principal(case));
    let cluster = eks::cluster(case);
    let why = match (made, born) {
        (Some(made), Some(born)) if younger => format!("The access entry for {arn} is of {made}, and the role that has this name now was made on {born}: the entry is for the one before it."),
        _ => "The authenticator finds an entry for this ARN, which is for an earlier principal of the same name.".to_owned(),
    };
    let mut steps = again(&shell!("--cluster-name {} --principal-arn {}", cluster, arn), entry.map(|(_, entry)| entry)).into_iter();
    let Some(step) = steps.next() else { return Vec::new() };
    let mut finding = RULE.finding(confidence, why, first, step).steps(steps).cite_if(refused);
    if let (Some(made), Some((index, _))) = (made, entry) {
        finding = finding.cite(seen(format!("/aws/accessEntries/seen/entries/{index}/details/seen/createdAt"), format!("the access entry is of {made}")));
    }
    vec![finding]
}

/// Deletes the entry and makes it again as it is: with its type, user name, groups and policies, as far as they are known.
fn again(which: &Shell, entry: Option<&AccessEntry>) -> Vec<Step> {
    let details = entry.and_then(|entry| entry.details.seen());
    let policies = entry.and_then(|entry| entry.policies.seen());
    let mut steps = Vec::new();
    if details.is_none() || policies.is_none() {
        steps.push(Step::command(
            "Note the entry's groups and policies, which go with it",
            shell!("aws eks describe-access-entry {}; aws eks list-associated-access-policies {}", which, which),
        ));
    }
    let mut options = Shell::default();
    match details {
        Some(details) if matches!(details.kind.as_str(), "" | "STANDARD") => {
            // The name that EKS gives by itself is not set by hand.
            if !details.username.is_empty() && !details.username.starts_with("arn:") {
                options.push(&shell!(" --username {}", details.username));
            }
            if !details.groups.is_empty() {
                let groups = Shell::join(details.groups.iter().map(|group| quoted(group)), " ");
                options.push(&shell!(" --kubernetes-groups {}", groups));
            }
        }
        // Entries of nodes have a name and groups that nobody may choose.
        Some(details) => options.push(&shell!(" --type {}", details.kind)),
        None => options.push(&" --kubernetes-groups GROUP".into()),
    }
    steps.push(Step::command(
        "Delete the entry and make it again for the principal of today",
        shell!("aws eks delete-access-entry {} && aws eks create-access-entry {}{}", which, which, options),
    ));
    for policy in policies.into_iter().flatten() {
        steps.push(Step::command(
            "Give it back its policy",
            shell!("aws eks associate-access-policy {} --policy-arn {} --access-scope {}", which, policy.policy_arn, scope(policy)),
        ));
    }
    steps
}

/// The scope as the command line takes it.
fn scope(policy: &AssociatedPolicy) -> String {
    if policy.scope == "namespace" {
        format!("type=namespace,namespaces={}", policy.namespaces.join(","))
    } else {
        "type=cluster".to_owned()
    }
}
