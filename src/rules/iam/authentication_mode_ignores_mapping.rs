//! The authentication mode reads the other store.

use crate::aws::identity::{self, Mode, Verdict};
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step, inferred, seen};
use crate::rules::{Case, Page, Rule, eks};

/// The rule.
pub static RULE: Rule = Rule {
    code: "authentication-mode-ignores-mapping",
    severity: Severity::Error,
    title: "You are mapped in a place that this cluster does not read",
    page: Page {
        means: "A cluster in the mode API reads access entries only; one in CONFIG_MAP reads aws-auth only. A mapping in the other place is there for everybody to see, and counts for nothing.",
        evidence: "accessConfig.authenticationMode of the cluster, and the mapping in the other store.",
        fix: "Map the identity where the cluster looks, or (from CONFIG_MAP) switch the mode forward to API_AND_CONFIG_MAP; there is no way back. `aws eks update-cluster-config --name CLUSTER --access-config authenticationMode=API_AND_CONFIG_MAP`.",
        references: "https://docs.aws.amazon.com/eks/latest/userguide/setting-up-access-entries.html",
    },
    recognises: &[],
    explains: &["credential-rejected", "iam-identity-not-mapped"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(refused) = eks::refused(case) else { return Vec::new() };
    let (Some(aws), Some((caller, arn))) = (eks::aws(case), eks::caller(case)) else { return Vec::new() };
    let Some((mode, said)) = Mode::of(aws) else { return Vec::new() };
    if matches!(case.mapping, Some(Verdict::Mapped(_))) {
        return Vec::new();
    }
    let cluster = eks::cluster(case);
    let confidence = if said { Confidence::Certain } else { Confidence::Likely };
    let mode_cite = if said {
        seen("/aws/cluster/seen/authenticationMode", format!("authenticationMode is {}", mode.word()))
    } else {
        inferred("/aws/cluster/seen", "the API names no authentication mode, which means CONFIG_MAP")
    };
    if mode == Mode::Api {
        let Some(auth) = aws.aws_auth.seen() else { return Vec::new() };
        let Some(mapped) = identity::aws_auth(&identity::mappings(&auth.data), &arn, caller) else { return Vec::new() };
        return vec![
            RULE.finding(
                confidence,
                format!("{arn} stands in {}, and the cluster's mode is API: aws-auth is not read at all.", mapped.source.words()),
                mode_cite,
                eks::map_caller(case),
            )
            .cite(seen(mapped.source.path(), format!("{} maps you", mapped.source.words())))
            .cite(refused),
        ];
    }
    let Some(entries) = aws.access_entries.seen().filter(|_| mode == Mode::ConfigMap) else { return Vec::new() };
    let Some((index, _)) = identity::entry_of(aws, entries, &arn) else { return Vec::new() };
    vec![
        RULE.finding(
            confidence,
            format!("{arn} has an access entry, and the cluster's mode is CONFIG_MAP: only aws-auth is read."),
            mode_cite,
            Step::command("Switch the mode, so that both are read (it cannot be undone)", shell!("aws eks update-cluster-config --name {} --access-config authenticationMode=API_AND_CONFIG_MAP", cluster)),
        )
        .cite(seen(format!("/aws/accessEntries/seen/entries/{index}"), "there is an access entry for you"))
        .cite(refused),
    ]
}
