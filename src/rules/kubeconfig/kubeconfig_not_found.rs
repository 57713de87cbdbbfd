//! No kubeconfig was found.

use crate::apiserver::message::{heard, tools};
use crate::evidence::FailureKind;
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::kubeconfig::kubeconfig_unparsable::without_context;
use crate::rules::kubeconfig_fault::is_other;
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "kubeconfig-not-found",
    severity: Severity::Error,
    title: "No kubeconfig was found",
    page: Page {
        means: "There is no kubeconfig at any of the places kubectl looks. kubectl then falls back to http://localhost:8080 without saying so, and prints \"The connection to the server localhost:8080 was refused\".",
        evidence: "The paths that were looked at: --kubeconfig, each entry of KUBECONFIG, ~/.kube/config, and the service account of a Pod.",
        fix: "Point KUBECONFIG at the file you have, or create one: aws eks update-kubeconfig, gcloud container clusters get-credentials, az aks get-credentials, or the file your cluster admin gives you. `export KUBECONFIG=FILE`.",
        references: "https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/",
    },
    recognises: &[&heard::KUBECONFIG_MISSING, &heard::LOCALHOST, &heard::PYTHON_CALL, &tools::K9S],
    explains: &[],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(failure) = case.evidence.kubeconfig.failed_as(&[FailureKind::NotFound]) else { return Vec::new() };
    // One that was read and holds nothing is another finding.
    if is_other(failure, RULE.code) || without_context(&failure.detail).is_some() {
        return Vec::new();
    }
    let cite = seen("/kubeconfig/failed/detail", failure.detail.clone());
    let step = match misspelt(&failure.detail) {
        Some(text) => Step::command(text, "export KUBECONFIG=\"$HOME/.kube/config:/path/to/other\""),
        None => Step::command("Name the file you have", "export KUBECONFIG=/path/to/kubeconfig"),
    };
    vec![RULE
        .finding(Confidence::Certain, "There is no kubeconfig at the place that is looked at, so kubectl knows no cluster and no credential.", cite, step)
        .step(Step::text("Or create one with your provider's command (aws eks update-kubeconfig --name CLUSTER --region REGION, or what your cluster admin gives you)."))]
}

/// What is wrong with the list in KUBECONFIG, where a path in it shows it: nothing but `:` parts it (`;` on Windows), and
/// what stands there is taken as it is.
fn misspelt(detail: &str) -> Option<&'static str> {
    let places = detail.split_once("looked at ")?.1.split("), ");
    // Where there is no home directory, the ~ is our own word for it.
    let paths = places.filter_map(|place| place.rsplit_once(" ("));
    let mut paths = paths.filter(|(_, state)| !state.starts_with("there is no home")).map(|(path, _)| path);
    paths.find_map(|path| {
        if path.starts_with(['"', '\'']) || path.ends_with(['"', '\'']) {
            Some("A path in KUBECONFIG has a quote in it, which counts as a part of the name (an env file and `ENV` of a Dockerfile keep quotes): write the value without it")
        } else if path.starts_with('~') {
            Some("A path in KUBECONFIG begins with ~, which only a shell expands, and not inside quotes: write the home directory out")
        } else if path.contains([';', ',']) {
            Some("A path in KUBECONFIG has a ; or , in it, and only : parts the files (; does on Windows): write the list with :")
        } else {
            None
        }
    })
}

#[cfg(test)]
mod tests {
    use super::misspelt;

    #[test]
    fn what_makes_a_list_of_files_one_name_is_told() {
        let told = |path: &str| {
            misspelt(&format!(
                "no kubeconfig found; looked at /home/a/x (missing), {path} (missing), a Pod's service account (KUBERNETES_SERVICE_HOST is not set); kubectl would fall back to http://localhost:8080"
            ))
        };
        assert!(told("\"/home/a/.kube/config\"").is_some_and(|text| text.contains("quote")));
        assert!(told("~/.kube/config").is_some_and(|text| text.contains('~')));
        assert!(told("/home/a/one;/home/a/two").is_some_and(|text| text.contains(';')));
        assert!(told("/home/a/one,/home/a/two").is_some_and(|text| text.contains(',')));
        assert_eq!(told("/home/a/.kube/config"), None);
        assert_eq!(misspelt("stat /no/such/kubeconfig: no such file or directory"), None);
    }
}
