//! The kubeconfig has no such context.

use crate::apiserver::message::heard;
use crate::evidence::FailureKind;
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::kubeconfig_fault::names;
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "context-not-found",
    severity: Severity::Error,
    title: "The kubeconfig has no such context",
    page: Page {
        means: "The context asked for (by --context or current-context) is in none of the files.",
        evidence: "The list of contexts of the merged files.",
        fix: "Use one of the names listed, or add the file that holds it to KUBECONFIG. `kubectl config get-contexts` lists them.",
        references: "https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/",
    },
    recognises: &[&heard::CONTEXT_MISSING],
    explains: &[],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(failure) = case.evidence.kubeconfig.failed_as(&[FailureKind::ContextNotFound]) else { return Vec::new() };
    let cite = seen("/kubeconfig/failed/detail", failure.detail.clone());
    let names = names(failure);
    // The one that the loader takes the name for a slip of.
    let near = failure.detail.split_once("did you mean \"").and_then(|(_, rest)| rest.split_once('"')).map(|(name, _)| name);
    let by_flag = failure.fault.as_ref().is_some_and(|fault| fault.flag);
    let see = Step::command("See which there are", "kubectl config get-contexts");
    let mut steps = match near {
        // A flag holds for one command: the context that is in force is left alone.
        Some(near) if by_flag => vec![
            Step::command("Name the one that you most likely meant, here and with kubectl", shell!("kaccess doctor --context {}", near)),
            see,
        ],
        None if by_flag => vec![see],
        Some(near) => vec![Step::command("Take the one that is most likely meant", shell!("kubectl config use-context {}", near)), see],
        None if names.is_empty() => vec![Step::command("See which files are read, and what is in them", "kubectl config get-contexts")],
        None => names.each("Use one of the names there are", |name| shell!("kubectl config use-context {}", name)),
    }
    .into_iter();
    let first = steps.next().unwrap_or_else(|| Step::text("Name a context that there is."));
    let why = if names.is_empty() {
        "The files of the kubeconfig hold no context at all.".to_owned()
    } else {
        format!("The name is not among the contexts: there are {}.", names.listed())
    };
    let finding = RULE.finding(Confidence::Certain, why, cite, first).steps(steps);
    vec![finding.step(Step::command("Or add the file that holds it", "export KUBECONFIG=$HOME/.kube/config:/path/to/other"))]
}
