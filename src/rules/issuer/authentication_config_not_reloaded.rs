//! A changed authentication configuration is not in force.

use crate::apiserver::message;
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::{Case, Page, Rule, clip};

/// The rule.
pub static RULE: Rule = Rule {
    code: "authentication-config-not-reloaded",
    severity: Severity::Error,
    title: "The API server did not take over the changed authentication configuration",
    page: Page {
        means: "The API server watches the file of --authentication-config. A file with an error, or with an issuer that it cannot reach within a minute, is not taken over: the old configuration stays in force, without any sign to users.",
        evidence: "The metric of failed reloads, or the log lines \"failed to load / validate / update authentication config\" with no later success.",
        fix: "Correct what the log names. Write the file by rename, not in place: a half-written file counts as a broken one. `kaccess decode --against FILE` names everything that the server would refuse in it.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/authentication/#using-authentication-configuration",
    },
    recognises: &[&message::CONFIG_NOT_RELOADED],
    explains: &["credential-rejected", "token-issuer-mismatch", "token-audience-mismatch", "oidc-not-configured"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let control = &case.evidence.control_plane;
    let metrics = control.metrics.seen().filter(|metrics| metrics.reload_failed);
    let logged = control.log.seen().and_then(|log| {
        let last = |text: &str| log.matches.iter().filter(|found| found.text == text).map(|found| found.last_line_number).max();
        let failed = last(message::CONFIG_NOT_RELOADED.name)?;
        last(message::CONFIG_RELOADED.name).is_none_or(|good| good < failed).then_some(())
    });
    let word = case.said(&message::CONFIG_NOT_RELOADED).filter(|_| logged.is_some());
    let first = match (word, metrics) {
        (Some(word), _) => word.cite(),
        (None, Some(_)) => seen("/controlPlane/metrics/seen/reloadFailed", "metrics: the last reload of the authentication configuration failed"),
        (None, None) => return Vec::new(),
    };
    // The metrics are of now; a log may be older.
    if control.metrics.seen().is_some_and(|metrics| !metrics.reload_failed && metrics.configuration_hash.is_some()) {
        return Vec::new();
    }
    let reason = word.map_or_else(|| "its log says why".to_owned(), |word| format!("its log says why: {}", clip(word.field("error"), 240)));
    let mut finding = RULE
        .finding(
            Confidence::Certain,
            format!("The file of --authentication-config was changed, and the API server kept the configuration it had ({reason})."),
            first,
            Step::command("On a control-plane node, read what is wrong with the file", "crictl logs $(crictl ps -q --name kube-apiserver) 2>&1 | grep 'authentication config' | tail -n 3"),
        )
        .step(Step::command("Correct it in a copy, and put it into place by rename", "mv authentication.yaml.new /etc/kubernetes/authentication.yaml"))
        .step(Step::command("Within 10 s this hash must be the file's", "kubectl get --raw /metrics | grep config_controller_last_config_info; sha256sum /etc/kubernetes/authentication.yaml"));
    if let Some(hash) = control.metrics.seen().and_then(|metrics| metrics.configuration_hash.as_ref()) {
        finding = finding.cite(seen("/controlPlane/metrics/seen/configurationHash", format!("in force is the file with {hash}")));
    }
    if word.is_some() && metrics.is_some() {
        finding = finding.cite(seen("/controlPlane/metrics/seen/reloadFailed", "metrics: the last reload failed"));
    }
    // Whoever gets in is not kept out by what did not change.
    if case.accepted() {
        finding.severity = Severity::Warning;
    }
    vec![finding]
}
