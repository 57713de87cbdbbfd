//! What the kubeconfig's loader complained about, by the code of the finding it leads to; names for commands.

use super::{Case, Rule, eks, way};
use crate::evidence::{Failure, FailureKind};
use crate::report::shell::{Shell, quoted, shell};
use crate::report::{Citation, Confidence, Finding, Step, seen};

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
pub fn met_line<'e>(case: &Case<'e>, texts: &[&str]) -> Option<(&'e str, Citation)> {
    let error = case.evidence.asked.error.as_deref()?;
    let line = error.lines().find(|line| texts.iter().any(|text| line.contains(text)))?;
    Some((line, seen("/asked/error", format!("the message you met says: {}", super::clip(line, 240)))))
}

/// The user entry's name as a shell takes it; `USER` where none is known.
pub fn user(case: &Case<'_>) -> Shell {
    let user = case.evidence.kubeconfig.seen().and_then(|kubeconfig| kubeconfig.user.as_ref());
    named(user.map(|user| user.name.as_str()), "USER")
}

/// The cluster entry's name as a shell takes it; `CLUSTER` where none is known.
pub fn cluster(case: &Case<'_>) -> Shell {
    let kubeconfig = &case.evidence.kubeconfig;
    let cluster = kubeconfig.seen().and_then(|kubeconfig| Some(kubeconfig.cluster.as_ref()?.name.as_str()));
    let refused = || kubeconfig.failed()?.fault.as_ref()?.entry.as_deref();
    named(cluster.or_else(refused), "CLUSTER")
}

fn named(name: Option<&str>, or: &'static str) -> Shell {
    name.filter(|name| !name.is_empty()).map_or_else(|| or.into(), quoted)
}

/// The names that a missing entry of the kubeconfig could have had.
#[derive(Debug, Clone)]
pub struct Names<'f> {
    /// The first of them.
    pub some: Vec<&'f str>,
    /// How many there are.
    pub all: usize,
}

impl Names<'_> {
    /// There is none.
    pub fn is_empty(&self) -> bool {
        self.some.is_empty()
    }

    /// In a sentence, ten at most.
    pub fn listed(&self) -> String {
        let some = self.some.iter().take(10).copied().collect::<Vec<_>>().join(", ");
        match self.all.saturating_sub(10) {
            0 => some,
            more => format!("{some} and {more} more"),
        }
    }

    /// One step for each, three at most.
    pub fn each(&self, text: &str, command: impl Fn(&str) -> Shell) -> Vec<Step> {
        let words = |index: usize| match (index, self.all.saturating_sub(3)) {
            (0, _) => text.to_owned(),
            (2, 1) => "Or (there is 1 more)".to_owned(),
            (2, more @ 2..) => format!("Or (there are {more} more)"),
            _ => "Or".to_owned(),
        };
        let steps = self.some.iter().take(3).enumerate();
        steps.map(|(index, name)| Step::command(words(index), command(name))).collect()
    }
}

/// The names that the loader lists in the place of the one that is not there.
pub fn names(failure: &Failure) -> Names<'_> {
    let list = failure.expected.as_deref().and_then(|expected| expected.strip_prefix("one of: ")).unwrap_or_default();
    let (list, all) = match list.rsplit_once(", …") {
        // How many there are, older versions do not say.
        Some((some, rest)) => (some, rest.trim_matches([' ', '(', ')']).trim_end_matches(" in all").parse().ok()),
        None => (list, None),
    };
    let some: Vec<&str> = list.split(", ").filter(|name| !name.is_empty()).collect();
    let all = all.unwrap_or(some.len());
    Names { some, all }
}

/// The context that a complaint names.
fn context_of(failure: &Failure) -> Option<&str> {
    let rest = failure.detail.split_once("for context \"")?.1;
    rest.find('"').map(|end| &rest[..end])
}

/// The finding of a context that names an entry (`cluster` or `user`) which the files do not hold.
pub fn entry_missing(case: &Case<'_>, rule: &Rule, missing: FailureKind, entry: &'static str) -> Option<Finding> {
    let failure = case.evidence.kubeconfig.failed_as(&[missing])?;
    let names = names(failure);
    // kubectl names the context where that is what names the entry; else a flag does.
    let Some(context) = context_of(failure).map(quoted) else {
        return Some(flag_names_none(rule, failure, entry, &names));
    };
    let point = format!("Point the context at a {entry} that exists");
    let set = |name: &str| shell!("kubectl config set-context {} --{}={}", context, entry, name);
    let mut steps = names.each(&point, set).into_iter();
    let first = steps.next().unwrap_or_else(|| {
        Step::text(format!("The files hold no {entry} entry at all: take the kubeconfig again from where it is handed out, or add the file that holds the entry to KUBECONFIG."))
    });
    let why = if names.is_empty() {
        format!("The name is not among the {entry} entries, of which there is none.")
    } else {
        format!(
            "The name is not among the {entry} entries: there are {}. An entry of another file counts only if that file is in KUBECONFIG.",
            names.listed()
        )
    };
    let cite = seen("/kubeconfig/failed/detail", failure.detail.clone());
    Some(rule.finding(Confidence::Certain, why, cite, first).steps(steps))
}

/// The finding of a flag (`--cluster` or `--user`) that names an entry which the files do not hold.
fn flag_names_none(rule: &Rule, failure: &Failure, entry: &'static str, names: &Names<'_>) -> Finding {
    let out = Step::text(format!("Leave --{entry} out: the context names a {entry} of its own."));
    let look = |name: &str| shell!("kaccess doctor --{}={}", entry, name);
    let mut steps = names.each("Name one that there is, here and with kubectl", look).into_iter().chain([out]);
    let why = if names.is_empty() {
        format!("The files hold no {entry} entry at all, so that --{entry} can name none.")
    } else {
        format!(
            "The flag chooses among the {entry} entries: there are {}. The kubeconfig itself is not at fault.",
            names.listed()
        )
    };
    let first = steps.next().unwrap_or_default();
    rule.finding(Confidence::Certain, why, seen("/kubeconfig/failed/detail", failure.detail.clone()), first)
        .titled(format!("--{entry} names a {entry} that the kubeconfig does not have"))
        .steps(steps)
}

/// The way is that of a Pod's service account: there is no kubeconfig that could be changed.
pub fn in_pod(case: &Case<'_>) -> bool {
    case.evidence.kubeconfig.seen().is_some_and(|kubeconfig| kubeconfig.source == "in-cluster")
}

/// How a Pod comes by the cluster's CA, which stands beside the token in the volume of its service account: the first step
/// and those that follow.
pub fn pod_authority(case: &Case<'_>) -> (Step, Vec<Step>) {
    let namespace = named(case.evidence.kubeconfig.seen().map(|kubeconfig| kubeconfig.namespace.as_str()), "NAMESPACE");
    let first = Step::command(
        "From where kubectl works, see which CA the Pod's namespace has to mount; kube-controller-manager writes that ConfigMap into every namespace (--root-ca-file)",
        shell!("kubectl get configmap kube-root-ca.crt -n {} -o yaml", namespace),
    );
    let then = vec![
        Step::manifest(
            "Let the Pod have the volume that the API server adds by itself (kube-api-access-...): take away what the Pod mounts itself at /var/run/secrets/kubernetes.io/serviceaccount, and say in its template",
            "spec:\n  template:\n    spec:\n      automountServiceAccountToken: true",
        ),
        Step::manifest(
            "Where the Pod must mount a projected volume of its own there, name the ConfigMap among its sources, beside serviceAccountToken",
            "- configMap:\n    name: kube-root-ca.crt\n    items:\n    - key: ca.crt\n      path: ca.crt",
        ),
    ];
    (first, then)
}

/// How to get the cluster's CA again, by what the cluster is.
pub fn fetch_authority(case: &Case<'_>) -> Step {
    if let Some(way::Managed::Eks(_)) = way::managed(way::host(case)) {
        let (name, region) = (eks::cluster(case), eks::region(case));
        return Step::command(
            "Write the cluster's entry anew, with the CA that EKS has for it",
            shell!("aws eks update-kubeconfig --name {} --region {}", name, region),
        );
    }
    Step::command(
        "Take the cluster's CA again from a place you trust: from a context that still works (another machine's, another user's) as follows; with kubeadm it is /etc/kubernetes/pki/ca.crt on a control-plane node",
        "kubectl --context WORKING_CONTEXT -n default get configmap kube-root-ca.crt -o jsonpath='{.data.ca\\.crt}' > ca.crt",
    )
}
