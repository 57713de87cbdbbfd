//! A principal that was made again.

use crate::apiserver::message;
use crate::aws::identity::{Source, Verdict};
use crate::report::{Confidence, Finding, Severity, Step};
use crate::rules::{Case, Page, Rule, eks, seen};

/// The rule.
pub static RULE: Rule = Rule {
    code: "iam-principal-recreated",
    severity: Severity::Error,
    title: "The access entry belongs to an earlier role of the same name",
    page: Page {
        means: "An access entry is bound to the role or user as it was when the entry was made (by its unique id). A role that is deleted and made again has the same ARN and is another principal: the entry stands there, and lets nobody in.",
        evidence: "The authenticator's log: \"ARN does not match User ID\"; or a role that is younger than its access entry.",
        fix: "Delete the access entry and make it again.",
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
    let word = eks::said(case, &message::IAM_OTHER_PRINCIPAL);
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
    let arn = entry.map_or_else(|| "PRINCIPAL_ARN".to_owned(), |(_, entry)| entry.principal_arn.clone());
    let cluster = eks::cluster(case);
    let why = match (made, born) {
        (Some(made), Some(born)) if younger => format!("The access entry for {arn} is of {made}, and the role that has this name now was made on {born}: the entry is for the one before it."),
        _ => "The authenticator finds an entry for this ARN, which is for an earlier principal of the same name.".to_owned(),
    };
    let mut finding = RULE
        .finding(
            confidence,
            why,
            first,
            Step::command("Note the entry's groups and policies, then delete it and make it again", format!("aws eks describe-access-entry --cluster-name {cluster} --principal-arn {arn}; aws eks list-associated-access-policies --cluster-name {cluster} --principal-arn {arn}")),
        )
        .step(Step::command("Then", format!("aws eks delete-access-entry --cluster-name {cluster} --principal-arn {arn} && aws eks create-access-entry --cluster-name {cluster} --principal-arn {arn} --kubernetes-groups GROUP")))
        .cite_if(refused);
    if let (Some(made), Some((index, _))) = (made, entry) {
        finding = finding.cite(seen(format!("/aws/accessEntries/seen/entries/{index}/details/seen/createdAt"), format!("the access entry is of {made}")));
    }
    vec![finding]
}
