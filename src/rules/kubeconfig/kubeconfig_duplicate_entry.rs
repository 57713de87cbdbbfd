//! Two files have an entry of this name; the first one is used.

use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "kubeconfig-duplicate-entry",
    severity: Severity::Warning,
    title: "Two kubeconfig files have an entry of the same name",
    page: Page {
        means: "KUBECONFIG lists several files, and the entry that is used stands in more than one of them. kubectl takes the whole entry of the first file and never looks at the other: the wrong cluster or identity, without a word.",
        evidence: "The entry used, and the files with the lines they stand in.",
        fix: "Rename or delete the one that is not meant. `kubectl config rename-context OLD NEW` renames a context.",
        references: "https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/#merging-kubeconfig-files",
    },
    recognises: &[],
    explains: &[],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(kubeconfig) = case.evidence.kubeconfig.seen() else { return Vec::new() };
    let used = [
        ("context", kubeconfig.context.as_deref()),
        ("cluster", kubeconfig.cluster.as_ref().map(|cluster| cluster.name.as_str())),
        ("user", kubeconfig.user.as_ref().map(|user| user.name.as_str())),
    ];
    // Entries that nobody uses now do no harm.
    let mut doubles = kubeconfig.problems.iter().enumerate().filter_map(|(index, problem)| {
        let (kind, name) = used.iter().find_map(|(kind, name)| {
            let name = (*name)?;
            problem.detail.starts_with(&format!("{kind} \"{name}\" stands in ")).then_some((*kind, name))
        })?;
        (problem.kind == RULE.code).then_some((index, problem, kind, name))
    });
    let Some((index, problem, kind, name)) = doubles.next() else { return Vec::new() };
    let file = problem.file.as_deref().unwrap_or("FILE");
    let at = problem.line.map_or_else(|| file.to_owned(), |line| format!("{file}:{line}"));
    let mut finding = RULE
        .finding(
            Confidence::Certain,
            format!("{}. Where the two differ, what stands at {at} is never seen.", problem.detail),
            seen(format!("/kubeconfig/seen/problems/{index}"), format!("{} ({at})", problem.detail)),
            Step::command(
                "If the first one is meant, delete the other; if not, name its file first in KUBECONFIG",
                shell!("KUBECONFIG={} kubectl config delete-{} {}", file, kind, name),
            ),
        )
        .titled(format!("The {kind} entry {name:?} stands in two kubeconfig files"));
    for (index, problem, ..) in doubles {
        finding = finding.cite(seen(format!("/kubeconfig/seen/problems/{index}"), problem.detail.clone()));
    }
    vec![finding]
}
