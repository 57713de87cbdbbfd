//! What the kubeconfig's loader complained about, by the code of the finding it leads to; names for commands.

use super::{Case, seen};
use crate::evidence::Failure;
use crate::report::Citation;

/// A complaint of the loader.
#[derive(Debug, Clone)]
pub struct Complaint<'e> {
    /// kubectl's words.
    pub detail: &'e str,
    /// The same with file and line, where they are known.
    pub cite: Citation,
    /// kubectl does not start with it.
    pub refused: bool,
}

/// The first complaint that leads to the finding of this code.
pub fn complaint<'e>(case: &Case<'e>, code: &str) -> Option<Complaint<'e>> {
    let evidence = case.evidence;
    let failures = [
        (evidence.kubeconfig.failed(), "/kubeconfig/failed/detail"),
        (evidence.credential.failed(), "/credential/failed/detail"),
        (evidence.plugin.failed(), "/plugin/failed/detail"),
    ];
    let refused = failures.into_iter().find_map(|(failure, path)| {
        let failure = failure?;
        (failure.fault.as_ref()?.code == code).then_some((failure, path))
    });
    let problems = evidence.kubeconfig.seen().map(|kubeconfig| kubeconfig.problems.as_slice()).unwrap_or_default();
    if let Some((index, problem)) = problems.iter().enumerate().find(|(_, problem)| problem.kind == code) {
        let place = match (&problem.file, problem.line) {
            (Some(file), Some(line)) => format!(" ({file}:{line})"),
            (Some(file), None) => format!(" ({file})"),
            _ => String::new(),
        };
        let cite = seen(format!("/kubeconfig/seen/problems/{index}"), format!("{}{place}", problem.detail));
        return Some(Complaint { detail: &problem.detail, cite, refused: refused.is_some() });
    }
    refused.map(|(failure, path)| Complaint {
        detail: &failure.detail,
        cite: seen(path, failure.detail.clone()),
        refused: true,
    })
}

/// The failure is one of the kubeconfig, and leads to another finding.
pub fn is_other(failure: &Failure, code: &str) -> bool {
    failure.fault.as_ref().is_some_and(|fault| fault.code != code)
}

/// The line that the user met, if it holds one of these texts.
pub fn met<'e>(case: &Case<'e>, texts: &[&str]) -> Option<(&'e str, Citation)> {
    let error = case.evidence.asked.error.as_deref()?;
    let line = error.lines().find(|line| texts.iter().any(|text| line.contains(text)))?;
    Some((line, seen("/asked/error", format!("the message you met says: {}", super::clip(line, 240)))))
}

/// The user entry's name as a shell takes it; `USER` where none is known.
pub fn user(case: &Case<'_>) -> String {
    let user = case.evidence.kubeconfig.seen().and_then(|kubeconfig| kubeconfig.user.as_ref());
    named(user.map(|user| user.name.as_str()), "USER")
}

/// The cluster entry's name as a shell takes it; `CLUSTER` where none is known.
pub fn cluster(case: &Case<'_>) -> String {
    let kubeconfig = &case.evidence.kubeconfig;
    let cluster = kubeconfig.seen().and_then(|kubeconfig| Some(kubeconfig.cluster.as_ref()?.name.as_str()));
    let refused = || kubeconfig.failed()?.fault.as_ref()?.entry.as_deref();
    named(cluster.or_else(refused), "CLUSTER")
}

fn named(name: Option<&str>, or: &str) -> String {
    name.filter(|name| !name.is_empty()).map_or_else(|| or.to_owned(), quoted)
}

/// A word as a POSIX shell takes it.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@=+,%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}
