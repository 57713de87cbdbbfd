//! aws-auth that the authenticator drops.

use crate::apiserver::message;
use crate::aws::identity::{Mapped, ProblemKind, Source, Verdict};
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::{Case, Page, Rule, clip, eks};

/// The rule.
pub static RULE: Rule = Rule {
    code: "aws-auth-invalid",
    severity: Severity::Error,
    title: "Part of aws-auth is not read",
    page: Page {
        means: "The values of ConfigMap aws-auth are YAML inside YAML. A section that is no YAML, or no list, is dropped whole, and everybody in it is locked out; keys are case-sensitive (maproles is ignored); an entry without an ARN is skipped; groups that are no list are dropped, and the user has none.",
        evidence: "The ConfigMap itself, parsed as the authenticator does; its log line \"Errors parsing configmap\".",
        fix: "Correct the line. An administrator with an access entry, or the cluster's creator, can still get in to do so. `kubectl edit configmap aws-auth -n kube-system`.",
        references: "https://docs.aws.amazon.com/eks/latest/userguide/auth-configmap.html",
    },
    recognises: &[&message::AWS_AUTH_PARSING],
    explains: &["credential-rejected", "iam-identity-not-mapped", "iam-identity-without-permissions"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let all = eks::aws_auth(case).unwrap_or_default();
    let logged = case.said(&message::AWS_AUTH_PARSING);
    let groups_of_caller = |line: Option<usize>| {
        let Some(Verdict::Mapped(mapped)) = &case.mapping else { return false };
        matches!(mapped.source, Source::AwsAuth { line: at, .. } if line.is_some_and(|line| line >= at && line <= at + 8)) && mapped.groups.is_empty()
    };
    let found = all.problems.iter().find(|problem| match problem.kind {
        ProblemKind::NotYaml | ProblemKind::NotAList => true,
        ProblemKind::KeySpelling => !matches!(case.mapping, Some(Verdict::Mapped(_))),
        ProblemKind::NoArn => eks::unmapped(case) && eks::refused(case).is_some(),
        // The entry counts, without groups: that is a 403, and never a 401.
        ProblemKind::Groups => eks::refused(case).is_none() && groups_of_caller(problem.line),
        ProblemKind::Doubtful => false,
    });
    let (first, why, place) = match (found, logged) {
        (Some(problem), _) => {
            let line = problem.line.map(|line| format!(" line {line}")).unwrap_or_default();
            (
                seen(format!("/aws/awsAuth/seen/data/{}", problem.section), format!("{}{line}: {}", problem.section, problem.detail)),
                format!("In ConfigMap kube-system/aws-auth the authenticator cannot use {}{line} as it stands, and whom it should map gets less than was meant, or nothing.", problem.section),
                format!(" (key {}{line})", problem.section),
            )
        }
        (None, Some(word)) => (
            word.cite(),
            format!("The authenticator drops a part of aws-auth: {}.", clip(word.field("errors"), 200)),
            String::new(),
        ),
        (None, None) => return Vec::new(),
    };
    let confidence = match found.map(|problem| problem.kind) {
        Some(ProblemKind::NoArn) => Confidence::Likely,
        // The log may be older than the ConfigMap of today.
        None if eks::aws_auth(case).is_some() => Confidence::Possible,
        _ => Confidence::Certain,
    };
    let mut finding = RULE
        .finding(
            confidence,
            why,
            first,
            Step::command(format!("Correct it{place}; the authenticator takes a change over at once"), "kubectl -n kube-system edit configmap aws-auth"),
        )
        .step(Step::command("If nobody can get in any more: give an administrator an access entry, which does not depend on aws-auth (in the mode CONFIG_MAP switch to API_AND_CONFIG_MAP first; there is no way back from that)", shell!("aws eks create-access-entry --cluster-name {} --principal-arn ADMIN_ROLE_ARN", eks::cluster(case))))
        .cite_if(eks::refused(case));
    let section = matches!(found.map(|problem| problem.kind), Some(ProblemKind::NotYaml | ProblemKind::NotAList));
    // Who is let in by an access entry, or by the other section, misses nothing of it; by the account, they may.
    let unharmed = case.mapping.as_ref().is_some_and(|verdict| match verdict {
        Verdict::Mapped(Mapped { source: Source::AccessEntry(_), .. }) => true,
        Verdict::Mapped(Mapped { source: Source::AwsAuth { .. }, .. }) => section,
        _ => false,
    });
    if case.accepted() && unharmed {
        finding.severity = Severity::Warning;
        finding.explains = &[];
    }
    if found.is_some() {
        finding = finding.cite_if(logged.map(crate::rules::Word::cite));
    }
    vec![finding]
}
