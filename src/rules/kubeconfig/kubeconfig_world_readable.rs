//! Everybody on the machine can read the credential.

use crate::apiserver::message::heard;
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "kubeconfig-world-readable",
    severity: Severity::Warning,
    title: "Every user of this machine can read the kubeconfig and its secrets",
    page: Page {
        means: "The file holds a token, key or password, its mode lets everybody read it, and so do the folders above. helm warns of that, kubectl does not.",
        evidence: "The file's mode and those of all folders above it.",
        fix: "`chmod 600 ~/.kube/config`.",
        references: "https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/",
    },
    recognises: &[&heard::KUBECONFIG_MODE],
    explains: &[],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(kubeconfig) = case.evidence.kubeconfig.seen() else { return Vec::new() };
    // Older evidence judged by the file alone, and its folder may keep everybody out.
    let Some((index, file)) = kubeconfig.files.iter().enumerate().find(|(_, file)| file.world_readable) else {
        return Vec::new();
    };
    let told = kubeconfig
        .problems
        .iter()
        .enumerate()
        .find(|(_, problem)| problem.kind == RULE.code && problem.file.as_ref() == Some(&file.path))
        .map(|(index, problem)| seen(format!("/kubeconfig/seen/problems/{index}"), problem.detail.clone()));
    vec![
        RULE.finding(
            Confidence::Certain,
            format!("{} holds secrets; neither its mode nor any folder above it keeps other users out.", file.path),
            seen(format!("/kubeconfig/seen/files/{index}/worldReadable"), format!("{} is readable for everybody", file.path)),
            Step::command("Keep it for yourself", shell!("chmod 600 {}", file.path)),
        )
        .cite_if(told),
    ]
}
